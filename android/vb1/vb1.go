// Package vb1 reads and writes what Verified Boot 1 checks, that of Android 4.4 to
// 7: the signature behind a boot image, the verity metadata behind the file system
// of system, and the key in the ramdisk by which init believes them.
//
// It is not Verified Boot 2 (android/avb, whose hash trees these are too), and it
// does not say whom a boot loader trusts: by the signature's own certificate a boot
// loader shows its owner whose system starts.
//
// # Format
//
// Behind a boot image, from its size on: SEQUENCE { INTEGER 1, the certificate,
// AlgorithmIdentifier, SEQUENCE { PrintableString target ("/boot"), INTEGER length
// of the image }, OCTET STRING signature }, in DER. The signature is over the image
// and the DER of that inner sequence, RSA PKCS #1 v1.5 with SHA-256.
//
// Behind a file system: 32 KiB of metadata: b001b001, version 0, the signature of
// the table (RSA 2048, PKCS #1 v1.5, SHA-256), the table's length, the table, zeros;
// numbers are 32 bits little-endian. The table is dm-verity's, as text. The hash
// tree lies behind the metadata in Android 4.4 to 6. Android 7 has the tree first;
// it finds metadata by the partition's end, or by error correction (FEC, the
// Reed-Solomon code of Verified Boot 2) over all before it, which ends in a block with
// a header of 60 bytes at its start and again at its end: fecfecfe, version 0, 60,
// roots, bytes of parity, bytes covered (64 bits), SHA-256 of the parity. Zeros may stand
// between the parity and that block, which is the partition's last. It reads the older
// order as well.
//
// The key is mincrypt's RSAPublicKey in bytes (package mincrypt).
//
// Sources: AOSP's system/extras/verity (BootSignature.java, build_verity_metadata.py),
// build/tools/releasetools/build_image.py and system/extras/libfec, read for the
// facts. No vendor's own file was at hand.
package vb1

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"hash"
	"io"

	"github.com/fridayos/friday/android/mincrypt"
)

// MaxSignature is the largest signature of a boot image that is read.
const MaxSignature = 16 << 10

// KeyBits is the size of the key that signs tables.
const KeyBits = 2048

// Signature is what stands behind a boot image.
type Signature struct {
	Certificate *x509.Certificate // of who signed
	Target      string            // the partition: "/boot", "/recovery"
	Length      int64             // of the image that is signed, in bytes
	Size        int64             // of the signature itself

	attributes, value []byte
}

// signature is its DER.
type signature struct {
	Version     int
	Certificate asn1.RawValue
	Algorithm   pkix.AlgorithmIdentifier
	Attributes  asn1.RawValue
	Value       []byte
}

type attributes struct {
	Target string `asn1:"printable"`
	Length int64
}

func algorithm() pkix.AlgorithmIdentifier {
	return pkix.AlgorithmIdentifier{Algorithm: asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 11}, Parameters: asn1.NullRawValue}
}

// SignBoot makes the signature of the first length bytes of a boot image, which
// has whole pages, for a target such as "/boot". The same input gives the same
// bytes.
func SignBoot(image io.ReaderAt, length int64, target string, key crypto.Signer, cert *x509.Certificate) ([]byte, error) {
	fail := func(err error) ([]byte, error) { return nil, fmt.Errorf("cannot sign boot image: %w", err) }
	if pub, ok := key.Public().(*rsa.PublicKey); !ok || !pub.Equal(cert.PublicKey) {
		return fail(errors.New("expected an RSA key and its certificate"))
	}
	attrs, err := asn1.Marshal(attributes{target, length})
	if err != nil {
		return fail(err)
	}
	digest, err := digestOf(image, length, attrs)
	if err != nil {
		return fail(err)
	}
	value, err := key.Sign(rand.Reader, digest, crypto.SHA256)
	if err != nil {
		return fail(err)
	}
	b, err := asn1.Marshal(signature{1, asn1.RawValue{FullBytes: cert.Raw}, algorithm(), asn1.RawValue{FullBytes: attrs}, value})
	if err != nil {
		return fail(err)
	}
	return b, nil
}

// digestOf hashes an image and the attributes behind it.
func digestOf(image io.ReaderAt, length int64, attrs []byte) ([]byte, error) {
	h := sha256.New()
	if err := hashFrom(h, image, length); err != nil {
		return nil, err
	}
	h.Write(attrs)
	return h.Sum(nil), nil
}

func hashFrom(h hash.Hash, r io.ReaderAt, n int64) error {
	got, err := io.Copy(h, io.NewSectionReader(r, 0, n))
	if err == nil && got != n {
		err = fmt.Errorf("byte %d of %d: %w", got, n, io.ErrUnexpectedEOF)
	}
	return err
}

// ParseSignature reads a signature; b may go on behind it.
func ParseSignature(b []byte) (*Signature, error) {
	fail := func(err error) (*Signature, error) { return nil, fmt.Errorf("cannot read boot signature: %w", err) }
	b = b[:min(len(b), MaxSignature)]
	var s signature
	rest, err := asn1.Unmarshal(b, &s)
	if err != nil {
		return fail(err)
	}
	if s.Version != 1 {
		return fail(fmt.Errorf("its version is %d, expected 1", s.Version))
	}
	if want := algorithm(); !s.Algorithm.Algorithm.Equal(want.Algorithm) {
		return fail(fmt.Errorf("not supported: algorithm %v, expected %v (RSA with SHA-256)", s.Algorithm.Algorithm, want.Algorithm))
	}
	cert, err := x509.ParseCertificate(s.Certificate.FullBytes)
	if err != nil {
		return fail(err)
	}
	var a attributes
	if left, err := asn1.Unmarshal(s.Attributes.FullBytes, &a); err != nil || len(left) > 0 || a.Length < 0 {
		return fail(fmt.Errorf("its attributes: expected a target and a length: %w", errors.Join(err)))
	}
	return &Signature{Certificate: cert, Target: a.Target, Length: a.Length, Size: int64(len(b) - len(rest)), attributes: s.Attributes.FullBytes, value: s.Value}, nil
}

// Verify checks that who has the certificate signed this image for that target. It
// does not say whether the certificate is to be trusted.
func (s *Signature) Verify(image io.ReaderAt, length int64, target string) error {
	fail := func(err error) error { return fmt.Errorf("cannot verify boot image: %w", err) }
	if s.Target != target || s.Length != length {
		return fail(fmt.Errorf("the signature is for %d bytes of %q, expected %d of %q", s.Length, s.Target, length, target))
	}
	key, ok := s.Certificate.PublicKey.(*rsa.PublicKey)
	if !ok {
		return fail(fmt.Errorf("not supported: its certificate has a key of %v, expected RSA", s.Certificate.PublicKeyAlgorithm))
	}
	digest, err := digestOf(image, length, s.attributes)
	if err != nil {
		return fail(err)
	}
	if err := rsa.VerifyPKCS1v15(key, crypto.SHA256, digest, s.value); err != nil {
		return fail(fmt.Errorf("the signature does not match the image: %w", err))
	}
	return nil
}

// EncodeKey writes a key as a ramdisk has it in /verity_key.
func EncodeKey(key *rsa.PublicKey) ([]byte, error) {
	b, err := mincrypt.Encode(key)
	if err != nil {
		return nil, fmt.Errorf("cannot write verity key: %w", err)
	}
	return b, nil
}

// ParseKey reads a /verity_key. What does not fit together is refused, as a phone
// could compute with it what we do not.
func ParseKey(b []byte) (*rsa.PublicKey, error) {
	key, err := mincrypt.Parse(b)
	if err != nil {
		return nil, fmt.Errorf("cannot read verity key: %w", err)
	}
	return key, nil
}
