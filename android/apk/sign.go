package apk

import (
	"archive/zip"
	"bytes"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rsa"
	"crypto/sha256"
	_ "crypto/sha512" // for crypto.SHA512
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"path"
	"strings"

	"github.com/smallstep/pkcs7"

	"github.com/fridayos/friday/android/tree"
)

// Signer is who signed an app.
type Signer struct {
	Scheme      int    // 1, 2 or 3
	Certificate []byte // X.509, DER
	// Verified says that the signature and the file's content were compared, as for
	// schemes 2 and 3; of scheme 1 the certificate alone is known.
	Verified bool
}

// SHA256 is the digest by which Android names a signer.
func (s Signer) SHA256() [32]byte { return sha256.Sum256(s.Certificate) }

// ErrUnsigned is returned for an app that nobody signed.
var ErrUnsigned = errors.New("the app is not signed")

// Ids in the signing block.
const (
	scheme2 = 0x7109871a
	scheme3 = 0xf05368c0
	chunk   = 1 << 20 // of content, each with a digest of its own
)

// Signers says who signed an app, by the newest scheme that it carries, and
// verifies that: a file that was changed since is an error. It reads the whole
// file.
func Signers(ctx context.Context, r io.ReaderAt, size int64) ([]Signer, error) {
	s, err := signers(ctx, r, size, true)
	if err != nil {
		return nil, fmt.Errorf("cannot verify app: %w", err)
	}
	return s, nil
}

// Certificates says who signed an app without reading the file's content: it may
// have been changed since.
func Certificates(r io.ReaderAt, size int64) ([]Signer, error) {
	s, err := signers(context.Background(), r, size, false)
	if err != nil {
		return nil, fmt.Errorf("cannot read app: %w", err)
	}
	return s, nil
}

func signers(ctx context.Context, r io.ReaderAt, size int64, content bool) ([]Signer, error) {
	f, err := sections(r, size)
	if err != nil {
		return nil, err
	}
	for _, scheme := range []struct {
		id     uint32
		number int
	}{{scheme3, 3}, {scheme2, 2}} {
		b, ok := f.pairs[scheme.id]
		if !ok {
			continue
		}
		out, err := f.verify(ctx, b, scheme.number, content)
		if err != nil {
			return nil, fmt.Errorf("scheme %d: %w", scheme.number, err)
		}
		return out, nil
	}
	return jarSigners(r, size)
}

// signedFile is an app's zip in the parts that a signature covers.
type signedFile struct {
	r              io.ReaderAt
	block, central int64 // where the signing block and the central directory begin
	end            int64 // where the end of central directory begins
	endRecord      []byte
	pairs          map[uint32][]byte
}

// sections finds the signing block before the central directory; without one,
// pairs is empty.
func sections(r io.ReaderAt, size int64) (*signedFile, error) {
	le := binary.LittleEndian
	tail := make([]byte, min(size, 22+1<<16))
	if err := tree.ReadFull(r, tail, size-int64(len(tail))); err != nil {
		return nil, err
	}
	i := len(tail) - 22
	for ; i >= 0; i-- {
		if le.Uint32(tail[i:]) == 0x06054b50 && int(le.Uint16(tail[i+20:])) == len(tail)-i-22 {
			break
		}
	}
	if i < 0 {
		return nil, errors.New("it has no end of a central directory; is it a zip?")
	}
	f := &signedFile{r: r, end: size - int64(len(tail)-i), endRecord: bytes.Clone(tail[i:])}
	f.central = int64(le.Uint32(f.endRecord[16:]))
	if f.central > f.end {
		return nil, fmt.Errorf("byte %d: the central directory begins at %d, behind its end", f.end+16, f.central)
	}
	f.block = f.central
	foot := make([]byte, 24)
	if f.central < 32 {
		return f, nil
	}
	if err := tree.ReadFull(r, foot, f.central-24); err != nil {
		return nil, err
	}
	if string(foot[8:]) != "APK Sig Block 42" {
		return f, nil
	}
	n := le.Uint64(foot)
	if n < 24 || n > maxBlock || int64(n) > f.central-8 {
		return nil, fmt.Errorf("byte %d: the signing block has %d bytes, expected 24 to %d", f.central-24, n, min(int64(maxBlock), f.central-8))
	}
	f.block = f.central - int64(n) - 8
	b := make([]byte, n-24+8)
	if err := tree.ReadFull(r, b, f.block); err != nil {
		return nil, err
	}
	if le.Uint64(b) != n {
		return nil, fmt.Errorf("byte %d: the signing block's sizes are %d and %d", f.block, le.Uint64(b), n)
	}
	f.pairs = map[uint32][]byte{}
	for b = b[8:]; len(b) > 0; {
		if len(b) < 12 || le.Uint64(b) < 4 || le.Uint64(b) > uint64(len(b)-8) {
			return nil, fmt.Errorf("byte %d: a pair of the signing block does not fit into it", f.central-24-int64(len(b)))
		}
		n := 8 + int(le.Uint64(b))
		f.pairs[le.Uint32(b[8:])] = b[12:n]
		b = b[n:]
	}
	return f, nil
}

// take cuts a field with its length in front off b.
func take(b *[]byte) ([]byte, error) {
	if len(*b) < 4 || uint64(binary.LittleEndian.Uint32(*b)) > uint64(len(*b)-4) {
		return nil, errors.New("a field does not fit into what holds it")
	}
	n := 4 + int(binary.LittleEndian.Uint32(*b))
	out := (*b)[4:n]
	*b = (*b)[n:]
	return out, nil
}

// takeUint cuts a number off b.
func takeUint(b *[]byte) (uint32, error) {
	if len(*b) < 4 {
		return 0, errors.New("a number does not fit into what holds it")
	}
	n := binary.LittleEndian.Uint32(*b)
	*b = (*b)[4:]
	return n, nil
}

func (f *signedFile) verify(ctx context.Context, block []byte, scheme int, content bool) ([]Signer, error) {
	list, err := take(&block)
	if err != nil {
		return nil, err
	}
	var out []Signer
	var digests map[crypto.Hash][]byte // nil: the content is not read
	if content {
		digests = map[crypto.Hash][]byte{}
	}
	for len(list) > 0 {
		if len(out) == 10 {
			return nil, errors.New("more than 10 signers")
		}
		one, err := take(&list)
		if err != nil {
			return nil, err
		}
		cert, err := f.signer(ctx, one, scheme, digests)
		if err != nil {
			return nil, fmt.Errorf("signer %d: %w", len(out), err)
		}
		out = append(out, Signer{scheme, cert, content})
	}
	if len(out) == 0 {
		return nil, ErrUnsigned
	}
	return out, nil
}

// algorithm is a way of signing.
type algorithm struct {
	hash crypto.Hash
	kind string // "pss", "pkcs1", "ecdsa"
}

var algorithms = map[uint32]algorithm{
	0x0101: {crypto.SHA256, "pss"}, 0x0102: {crypto.SHA512, "pss"}, 0x0103: {crypto.SHA256, "pkcs1"}, 0x0104: {crypto.SHA512, "pkcs1"},
	0x0201: {crypto.SHA256, "ecdsa"}, 0x0202: {crypto.SHA512, "ecdsa"},
}

// signer verifies one signer and returns its certificate.
func (f *signedFile) signer(ctx context.Context, b []byte, scheme int, digests map[crypto.Hash][]byte) ([]byte, error) {
	signed, err := take(&b)
	if err != nil {
		return nil, err
	}
	if scheme == 3 { // the range of Android's versions that it is for
		if _, err = takeUint(&b); err == nil {
			_, err = takeUint(&b)
		}
		if err != nil {
			return nil, err
		}
	}
	signatures, err := take(&b)
	if err != nil {
		return nil, err
	}
	public, err := take(&b)
	if err != nil {
		return nil, err
	}
	key, err := x509.ParsePKIXPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("public key: %w", err)
	}
	id, signature, err := known(signatures)
	if err != nil {
		return nil, err
	}
	a := algorithms[id]
	if err := a.verify(key, signed, signature); err != nil {
		return nil, err
	}
	want, certs, err := signedData(signed, id)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(certs)
	if err != nil {
		return nil, fmt.Errorf("certificate: %w", err)
	}
	if !bytes.Equal(cert.RawSubjectPublicKeyInfo, public) {
		return nil, errors.New("the certificate has another key than the one that signed")
	}
	if digests == nil {
		return certs, nil
	}
	have, ok := digests[a.hash]
	if !ok {
		if have, err = f.digest(ctx, a.hash); err != nil {
			return nil, err
		}
		digests[a.hash] = have
	}
	if !bytes.Equal(have, want) {
		return nil, fmt.Errorf("the content has digest %x, signed is %x: the file was changed", have, want)
	}
	return certs, nil
}

// known picks a signature whose algorithm is known.
func known(list []byte) (uint32, []byte, error) {
	for len(list) > 0 {
		one, err := take(&list)
		if err != nil {
			return 0, nil, err
		}
		id, err := takeUint(&one)
		if err != nil {
			return 0, nil, err
		}
		signature, err := take(&one)
		if err != nil {
			return 0, nil, err
		}
		if _, ok := algorithms[id]; ok {
			return id, signature, nil
		}
	}
	return 0, nil, errors.New("no signature with an algorithm that is supported")
}

// signedData returns the content's digest by an algorithm and the first
// certificate.
func signedData(b []byte, id uint32) (digest, cert []byte, err error) {
	list, err := take(&b)
	if err != nil {
		return nil, nil, err
	}
	for len(list) > 0 {
		one, err := take(&list)
		if err != nil {
			return nil, nil, err
		}
		n, err := takeUint(&one)
		if err != nil {
			return nil, nil, err
		}
		d, err := take(&one)
		if err != nil {
			return nil, nil, err
		}
		if n == id {
			digest = d
		}
	}
	certs, err := take(&b)
	if err != nil {
		return nil, nil, err
	}
	if cert, err = take(&certs); err != nil {
		return nil, nil, err
	}
	if digest == nil {
		return nil, nil, fmt.Errorf("the signed data has no digest for algorithm %#x", id)
	}
	return digest, cert, nil
}

func (a algorithm) verify(key any, signed, signature []byte) error {
	h := a.hash.New()
	h.Write(signed)
	sum := h.Sum(nil)
	switch k := key.(type) {
	case *rsa.PublicKey:
		if a.kind == "pss" {
			return rsa.VerifyPSS(k, a.hash, sum, signature, &rsa.PSSOptions{SaltLength: a.hash.Size()})
		}
		if a.kind == "pkcs1" {
			return rsa.VerifyPKCS1v15(k, a.hash, sum, signature)
		}
	case *ecdsa.PublicKey:
		if a.kind == "ecdsa" {
			if !ecdsa.VerifyASN1(k, sum, signature) {
				return errors.New("the signature does not verify")
			}
			return nil
		}
	}
	return fmt.Errorf("a %T and a signature by %s do not fit", key, a.kind)
}

// digest is that of all chunks of the file but the signing block, with the end of
// central directory as it was before the block was put in.
func (f *signedFile) digest(ctx context.Context, hash crypto.Hash) ([]byte, error) {
	end := bytes.Clone(f.endRecord)
	binary.LittleEndian.PutUint32(end[16:], uint32(f.block))
	var sums []byte
	count := uint32(0)
	buf := make([]byte, chunk)
	for _, s := range []*io.SectionReader{
		io.NewSectionReader(f.r, 0, f.block), io.NewSectionReader(f.r, f.central, f.end-f.central), io.NewSectionReader(bytes.NewReader(end), 0, int64(len(end))),
	} {
		for at := int64(0); at < s.Size(); at += chunk {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			b := buf[:min(chunk, s.Size()-at)]
			if err := tree.ReadFull(s, b, at); err != nil {
				return nil, err
			}
			h := hash.New()
			h.Write(binary.LittleEndian.AppendUint32([]byte{0xa5}, uint32(len(b))))
			h.Write(b)
			sums = h.Sum(sums)
			count++
		}
	}
	h := hash.New()
	h.Write(binary.LittleEndian.AppendUint32([]byte{0x5a}, count))
	h.Write(sums)
	return h.Sum(nil), nil
}

// jarSigners reads the certificates of scheme 1.
func jarSigners(r io.ReaderAt, size int64) ([]Signer, error) {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return nil, err
	}
	var out []Signer
	for _, e := range z.File {
		dir, base := path.Split(e.Name)
		if ext := strings.ToUpper(path.Ext(base)); dir != "META-INF/" || ext != ".RSA" && ext != ".EC" && ext != ".DSA" {
			continue
		}
		f, err := e.Open()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.Name, err)
		}
		b, err := io.ReadAll(io.LimitReader(f, 1<<20))
		f.Close()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.Name, err)
		}
		p, err := pkcs7.Parse(b)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", e.Name, err)
		}
		cert := p.GetOnlySigner()
		if cert == nil {
			return nil, fmt.Errorf("%s: expected one signer with its certificate", e.Name)
		}
		if out = append(out, Signer{Scheme: 1, Certificate: cert.Raw}); len(out) > 10 {
			return nil, errors.New("more than 10 signers")
		}
	}
	if len(out) == 0 {
		return nil, ErrUnsigned
	}
	return out, nil
}
