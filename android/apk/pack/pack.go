// Package pack makes APKs: zips laid out as phones want them, signed by the
// schemes 1, 2 and 3 with one RSA key.
//
// It knows nothing of what is in them; package overlay makes some. Reading and
// verifying is package apk's. The same files and key give the same bytes: no time
// is written, and signatures are RSASSA-PKCS1-v1_5.
//
// The formats are described at source.android.com, "APK signature scheme v2" and
// "v3", and in the JAR File Specification, "Signed JAR File".
package pack

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"crypto"
	"crypto/rsa"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
)

// File is one file of an APK.
type File struct {
	Name    string // "res/raw/x", without / in front
	Content []byte
	// Stored: not compressed, and aligned to four bytes, as phones map resources.arsc
	// into memory.
	Stored bool
}

// Limits.
const (
	maxFiles = 10_000
	maxBytes = 256 << 20
)

// The oldest Android that knows scheme 3, and the newest that it is for: all.
const (
	scheme3Since = 28
	anySDK       = 0x7fffffff
)

// Signed makes an APK of files, in their order, signed by key, whose certificate
// is cert.
func Signed(files []File, key *rsa.PrivateKey, cert *x509.Certificate) ([]byte, error) {
	b, err := signed(files, key, cert)
	if err != nil {
		return nil, fmt.Errorf("cannot make app: %w", err)
	}
	return b, nil
}

func signed(files []File, key *rsa.PrivateKey, cert *x509.Certificate) ([]byte, error) {
	if key == nil || cert == nil {
		return nil, errors.New("there is no key to sign it with")
	}
	if public, ok := cert.PublicKey.(*rsa.PublicKey); !ok || !public.Equal(&key.PublicKey) {
		return nil, errors.New("the certificate is not that of the key")
	}
	if err := check(files); err != nil {
		return nil, err
	}
	jar, err := jarFiles(files, key, cert)
	if err != nil {
		return nil, err
	}
	zipped, err := archive(slices.Concat(files, jar))
	if err != nil {
		return nil, err
	}
	return withBlock(zipped, key, cert)
}

func check(files []File) error {
	total, seen := 0, map[string]bool{}
	for _, f := range files {
		switch {
		case f.Name == "" || len(f.Name) > 1024 || strings.HasPrefix(f.Name, "/") || strings.ContainsAny(f.Name, "\\\r\n\x00"):
			return fmt.Errorf("file name %q, expected a plain path", f.Name)
		case strings.HasPrefix(f.Name, "META-INF/"):
			return fmt.Errorf("file %s: META-INF is for signatures", f.Name)
		case seen[f.Name]:
			return fmt.Errorf("file %s is given twice", f.Name)
		}
		seen[f.Name] = true
		total += len(f.Content)
	}
	if len(files) > maxFiles || total > maxBytes {
		return fmt.Errorf("%d files of %d bytes, expected at most %d of %d", len(files), total, maxFiles, maxBytes)
	}
	return nil
}

// 1981-01-01 01:01:02, what Android's build tools write where no time is to be
// told.
const (
	dosDate = 1<<9 | 1<<5 | 1
	dosTime = 1<<11 | 1<<5 | 1
)

// archive writes the zip.
func archive(files []File) ([]byte, error) {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, f := range files {
		if err := z.Flush(); err != nil {
			return nil, err
		}
		h := &zip.FileHeader{Name: f.Name, CRC32: crc32.ChecksumIEEE(f.Content), UncompressedSize64: uint64(len(f.Content)), ModifiedDate: dosDate, ModifiedTime: dosTime}
		if strings.ContainsFunc(f.Name, func(r rune) bool { return r > 0x7f }) {
			h.Flags |= 0x800 // the name is UTF-8
		}
		data := f.Content
		if !f.Stored {
			var c bytes.Buffer
			w, err := flate.NewWriter(&c, flate.BestCompression)
			if err != nil {
				return nil, err
			}
			if _, err := w.Write(data); err != nil {
				return nil, err
			}
			if err := w.Close(); err != nil {
				return nil, err
			}
			h.Method, data = zip.Deflate, c.Bytes()
		} else {
			h.Extra = padding(b.Len() + 30 + len(f.Name))
		}
		h.CompressedSize64 = uint64(len(data))
		w, err := z.CreateRaw(h)
		if err != nil {
			return nil, err
		}
		if _, err := w.Write(data); err != nil {
			return nil, err
		}
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// padding is the extra field that makes what follows it begin at a multiple of
// four bytes (id 0xd935, as Android's tools write it).
func padding(at int) []byte {
	const head = 6
	n := (4 - (at+head)%4) % 4
	b := binary.LittleEndian.AppendUint16(nil, 0xd935)
	b = binary.LittleEndian.AppendUint16(b, uint16(2+n))
	b = binary.LittleEndian.AppendUint16(b, 4)
	return append(b, make([]byte, n)...)
}

// withBlock puts the signing block, with schemes 2 and 3, before the zip's central
// directory.
func withBlock(zipped []byte, key *rsa.PrivateKey, cert *x509.Certificate) ([]byte, error) {
	le := binary.LittleEndian
	end := len(zipped) - 22 // what archive writes has no comment
	central := int(le.Uint32(zipped[end+16:]))
	// RSA keys above 3072 bits go with SHA-512, as apksigner has it.
	id, hash := uint32(0x0103), crypto.SHA256
	if key.N.BitLen() > 3072 {
		id, hash = 0x0104, crypto.SHA512
	}
	digest := prefixed(prefixed(number(id), prefixed(contentDigest(hash, zipped[:central], zipped[central:end], zipped[end:]))))
	certs := prefixed(prefixed(cert.Raw))
	sign := func(data []byte) ([]byte, error) {
		h := hash.New()
		h.Write(data)
		s, err := rsa.SignPKCS1v15(nil, key, hash, h.Sum(nil))
		return prefixed(prefixed(number(id), prefixed(s))), err
	}
	// The attribute says that scheme 3 is there too, so that nobody takes it away.
	data2 := slices.Concat(digest, certs, prefixed(prefixed(number(0xbeeff00d), number(3))))
	signature2, err := sign(data2)
	if err != nil {
		return nil, err
	}
	data3 := slices.Concat(digest, certs, number(scheme3Since), number(anySDK), prefixed())
	signature3, err := sign(data3)
	if err != nil {
		return nil, err
	}
	public := prefixed(cert.RawSubjectPublicKeyInfo)
	pairs := slices.Concat(
		pair(0x7109871a, prefixed(prefixed(prefixed(data2), signature2, public))),
		pair(0xf05368c0, prefixed(prefixed(prefixed(data3), number(scheme3Since), number(anySDK), signature3, public))),
	)
	size := le.AppendUint64(nil, uint64(len(pairs)+24))
	out := slices.Concat(zipped[:central], size, pairs, size, []byte("APK Sig Block 42"), zipped[central:])
	le.PutUint32(out[len(out)-6:], uint32(central+8+len(pairs)+24))
	return out, nil
}

// contentDigest is that of the chunks of the three parts that a zip has.
func contentDigest(hash crypto.Hash, parts ...[]byte) []byte {
	const chunk = 1 << 20
	var sums []byte
	count := uint32(0)
	for _, part := range parts {
		for c := range slices.Chunk(part, chunk) {
			h := hash.New()
			h.Write(append([]byte{0xa5}, number(uint32(len(c)))...))
			h.Write(c)
			sums = h.Sum(sums)
			count++
		}
	}
	h := hash.New()
	h.Write(append([]byte{0x5a}, number(count)...))
	h.Write(sums)
	return h.Sum(nil)
}

func number(n uint32) []byte { return binary.LittleEndian.AppendUint32(nil, n) }

// prefixed has its length in front.
func prefixed(parts ...[]byte) []byte {
	b := slices.Concat(parts...)
	return append(number(uint32(len(b))), b...)
}

func pair(id uint32, value []byte) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(value)+4))
	return append(append(b, number(id)...), value...)
}
