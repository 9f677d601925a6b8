package otazip

import (
	"bytes"
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"errors"
	"fmt"
	"io"

	"github.com/fridayos/friday/android/tree"
)

const (
	footerSize = 6
	eocdSize   = 22 // of the end-of-central-directory record without its comment
)

// signature is where the whole-file signature says that things lie.
type signature struct {
	signed int64  // the first so many bytes are signed
	tail   []byte // the rest: comment length and comment
	block  []byte // the CMS signature inside tail
}

// readSignature reads footer and end-of-central-directory record as recovery's
// verifier does.
func readSignature(r io.ReaderAt, size int64) (signature, error) {
	if size < eocdSize+footerSize {
		return signature{}, fmt.Errorf("cannot verify package: it has %d bytes, too few for a signed zip", size)
	}
	var footer [footerSize]byte
	if err := tree.ReadFull(r, footer[:], size-footerSize); err != nil {
		return signature{}, fmt.Errorf("cannot verify package: footer: %w", err)
	}
	if footer[2] != 0xff || footer[3] != 0xff {
		return signature{}, fmt.Errorf("cannot verify package: it has no whole-file signature: footer at byte %d has %x, expected ffff; sign it, or check that the download is complete", size-footerSize+2, footer[2:4])
	}
	start := int64(footer[0]) | int64(footer[1])<<8
	comment := int64(footer[4]) | int64(footer[5])<<8
	switch {
	case start > comment:
		return signature{}, fmt.Errorf("cannot verify package: footer: signature starts %d bytes before the end, the comment has only %d", start, comment)
	case start <= footerSize:
		return signature{}, fmt.Errorf("cannot verify package: footer: signature starts %d bytes before the end, inside the footer of %d", start, footerSize)
	case comment+eocdSize > size:
		return signature{}, fmt.Errorf("cannot verify package: footer: comment of %d bytes is longer than the file of %d", comment, size)
	}
	eocd := make([]byte, comment+eocdSize)
	if err := tree.ReadFull(r, eocd, size-int64(len(eocd))); err != nil {
		return signature{}, fmt.Errorf("cannot verify package: end of central directory: %w", err)
	}
	if !bytes.HasPrefix(eocd, magicEOCD) {
		return signature{}, fmt.Errorf("cannot verify package: no end of central directory at byte %d, where the footer puts it: found %x, expected %x", size-int64(len(eocd)), eocd[:4], magicEOCD)
	}
	// A second record would be taken for the first one by readers that search
	// from the end, and would show them another, unsigned directory.
	if i := bytes.Index(eocd[4:], magicEOCD); i >= 0 {
		return signature{}, fmt.Errorf("cannot verify package: a second end of central directory at byte %d, inside the comment", size-int64(len(eocd))+4+int64(i))
	}
	if n := int64(eocd[20]) | int64(eocd[21])<<8; n != comment {
		return signature{}, fmt.Errorf("cannot verify package: the zip's comment has %d bytes, the footer says %d", n, comment)
	}
	tail := eocd[eocdSize-2:]
	return signature{
		signed: size - int64(len(tail)),
		tail:   tail,
		block:  tail[int64(len(tail))-start : len(tail)-footerSize],
	}, nil
}

// Verify checks the whole-file signature as recovery does and returns the
// certificate whose key made it. It reads the file once and holds little of it.
// Validity dates of certificates do not count, as they do not on a phone.
//
// The comment is the one part that no signature covers; what it can hold is
// checked, and nothing in it is used but the signature.
func Verify(r io.ReaderAt, size int64, certs []*x509.Certificate) (*x509.Certificate, error) {
	if len(certs) == 0 {
		return nil, errors.New("cannot verify package: no certificate to verify it with")
	}
	si, digest, err := readSigned(r, size)
	if err != nil {
		return nil, err
	}
	return verifyCMS(si, digest, certs)
}

// VerifyKeys is Verify for a recovery that has keys and no certificates (package
// mincrypt). It returns the key that made the signature.
func VerifyKeys(r io.ReaderAt, size int64, keys []crypto.PublicKey) (crypto.PublicKey, error) {
	if len(keys) == 0 {
		return nil, errors.New("cannot verify package: no key to verify it with")
	}
	si, digest, err := readSigned(r, size)
	if err != nil {
		return nil, err
	}
	for _, key := range keys {
		if ok, err := si.by(key, digest); ok || err != nil {
			return key, err
		}
	}
	return nil, fmt.Errorf("cannot verify package: its signature (certificate serial %x) over SHA-256 %x is by none of the %d keys trusted", si.ID.Serial, digest, len(keys))
}

// readSigned reads the signature of a package, and the digest of what it covers.
func readSigned(r io.ReaderAt, size int64) (si signerInfo, digest [sha256.Size]byte, err error) {
	s, err := readSignature(r, size)
	if err != nil {
		return si, digest, err
	}
	if si, err = parseCMS(s.block); err != nil {
		return si, digest, err
	}
	h := sha256.New()
	if _, err := io.CopyBuffer(h, io.NewSectionReader(r, 0, s.signed), make([]byte, 64<<10)); err != nil {
		return si, digest, fmt.Errorf("cannot verify package: %w", err)
	}
	return si, [sha256.Size]byte(h.Sum(nil)), nil
}
