package avb

import (
	"bytes"
	"crypto"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/fridayos/friday/android/tree"
)

// Limits of libavb: a larger struct no boot loader reads.
const (
	MaxVBMetaSize    = 64 << 10
	headerSize       = 256
	maxMinor         = 3 // of libavb 1.x; what asks for more is not understood here
	maxReleaseString = 47
)

var magic = []byte("AVB0")

// ErrUnsigned is what Verify returns, wrapped, for a struct without a signature.
var ErrUnsigned = errors.New("it is not signed")

// Bits of VBMeta.Flags.
const (
	FlagHashtreeDisabled     = 1 << 0
	FlagVerificationDisabled = 1 << 1
)

// VBMeta is one vbmeta struct.
type VBMeta struct {
	Algorithm             Algorithm
	RollbackIndex         uint64
	RollbackIndexLocation uint32
	Flags                 uint32
	ReleaseString         string // at most 47 bytes
	PublicKey             []byte // as EncodePublicKey writes it; nil when unsigned
	PublicKeyMetadata     []byte
	Descriptors           []Descriptor
	// RequiredMinor is the minor version of libavb 1 that is needed to read the
	// struct. Sign raises it as far as what is used asks for.
	RequiredMinor uint32
}

type span struct{ offset, size uint64 }

func (s span) of(block []byte) []byte { return block[s.offset : s.offset+s.size] }

// parts is a struct taken apart, every span within its block.
type parts struct {
	header, auth, aux             []byte
	hash, signature               span // in auth
	key, keyMetadata, descriptors span // in aux
	algorithm                     Algorithm
}

func badField(what string, offset int, field string, found, expected any) error {
	return fmt.Errorf("cannot read %s: %s at offset %d is %v, expected %v", what, field, offset, found, expected)
}

// split finds the blocks of the struct at the start of b and checks the header.
func split(b []byte) (parts, error) {
	const what = "vbmeta"
	if len(b) < headerSize {
		return parts{}, fmt.Errorf("cannot read vbmeta: it is %d bytes long, expected a header of %d", len(b), headerSize)
	}
	h := b[:headerSize]
	if !bytes.Equal(h[:4], magic) {
		return parts{}, badField(what, 0, "magic", fmt.Sprintf("%q", h[:4]), `"AVB0"`)
	}
	be := binary.BigEndian
	if major := be.Uint32(h[4:]); major != 1 {
		return parts{}, badField(what, 4, "required_libavb_version_major", major, 1)
	}
	if minor := be.Uint32(h[8:]); minor > maxMinor {
		return parts{}, badField(what, 8, "required_libavb_version_minor", minor, fmt.Sprintf("at most %d", maxMinor))
	}
	authSize, auxSize := be.Uint64(h[12:]), be.Uint64(h[20:])
	for _, f := range []struct {
		offset int
		name   string
		size   uint64
	}{{12, "authentication_data_block_size", authSize}, {20, "auxiliary_data_block_size", auxSize}} {
		if f.size%64 != 0 {
			return parts{}, badField(what, f.offset, f.name, f.size, "a multiple of 64")
		}
		if f.size > MaxVBMetaSize-headerSize {
			return parts{}, badField(what, f.offset, f.name, f.size, fmt.Sprintf("at most %d", MaxVBMetaSize-headerSize))
		}
	}
	total := headerSize + authSize + auxSize // no overflow: each is below 64 KiB
	if total > MaxVBMetaSize {
		return parts{}, fmt.Errorf("cannot read vbmeta: its blocks add up to %d bytes, expected at most %d", total, MaxVBMetaSize)
	}
	if total > uint64(len(b)) {
		return parts{}, fmt.Errorf("cannot read vbmeta: it is cut off: its blocks add up to %d bytes, found %d", total, len(b))
	}
	p := parts{
		header:    h,
		auth:      b[headerSize : headerSize+authSize],
		aux:       b[headerSize+authSize : total],
		algorithm: Algorithm(be.Uint32(h[28:])),
	}
	for _, f := range []struct {
		offset int
		name   string
		to     *span
		block  []byte
	}{
		{32, "hash", &p.hash, p.auth},
		{48, "signature", &p.signature, p.auth},
		{64, "public_key", &p.key, p.aux},
		{80, "public_key_metadata", &p.keyMetadata, p.aux},
		{96, "descriptors", &p.descriptors, p.aux},
	} {
		s := span{be.Uint64(h[f.offset:]), be.Uint64(h[f.offset+8:])}
		n := uint64(len(f.block))
		if s.offset > n || s.size > n-s.offset {
			return parts{}, fmt.Errorf("cannot read vbmeta: %s_offset at offset %d and %s_size are %d and %d, expected a place in a block of %d bytes",
				f.name, f.offset, f.name, s.offset, s.size, n)
		}
		*f.to = s
	}
	if h[headerSize-80-1] != 0 {
		return parts{}, fmt.Errorf("cannot read vbmeta: release_string at offset 128 does not end with a NUL byte")
	}
	return p, p.checkAlgorithm()
}

func (p *parts) checkAlgorithm() error {
	const what = "vbmeta"
	a := p.algorithm
	if !a.known() {
		return badField(what, 28, "algorithm_type", a, "0 (NONE) to 6 (SHA512_RSA8192)")
	}
	hash, bits := 0, a.Bits()
	if a != None {
		hash = a.Hash().Size()
	}
	if p.hash.size != uint64(hash) {
		return badField(what, 40, "hash_size", p.hash.size, fmt.Sprintf("%d for %s", hash, a))
	}
	if p.signature.size != uint64(bits/8) {
		return badField(what, 56, "signature_size", p.signature.size, fmt.Sprintf("%d for %s", bits/8, a))
	}
	if want := encodedKeySize(bits); a != None && p.key.size != uint64(want) {
		return badField(what, 72, "public_key_size", p.key.size, fmt.Sprintf("%d for %s", want, a))
	}
	return nil
}

func (p *parts) size() int { return len(p.header) + len(p.auth) + len(p.aux) }

func (p *parts) vbmeta() (*VBMeta, error) {
	be := binary.BigEndian
	v := &VBMeta{
		Algorithm:             p.algorithm,
		RequiredMinor:         be.Uint32(p.header[8:]),
		RollbackIndex:         be.Uint64(p.header[112:]),
		Flags:                 be.Uint32(p.header[120:]),
		RollbackIndexLocation: be.Uint32(p.header[124:]),
		ReleaseString:         string(bytes.TrimRight(p.header[128:176], "\x00")),
		PublicKey:             bytesOrNil(p.key.of(p.aux)),
		PublicKeyMetadata:     bytesOrNil(p.keyMetadata.of(p.aux)),
	}
	base := headerSize + len(p.auth) + int(p.descriptors.offset)
	var err error
	v.Descriptors, err = parseDescriptors(p.descriptors.of(p.aux), base)
	if err != nil {
		return nil, err
	}
	return v, nil
}

func bytesOrNil(b []byte) []byte {
	if len(b) == 0 {
		return nil
	}
	return bytes.Clone(b)
}

// Parse reads the vbmeta struct at the start of b and does not check its
// signature. Bytes after the struct, as in a partition, are not looked at.
func Parse(b []byte) (*VBMeta, error) {
	p, err := split(b)
	if err != nil {
		return nil, err
	}
	return p.vbmeta()
}

// Verify reads the vbmeta struct at the start of b and checks its hash and its
// signature with the key it carries. Whether that key is trusted is for the
// caller to compare. An unsigned struct is an error that wraps ErrUnsigned.
func Verify(b []byte) (*VBMeta, error) {
	p, err := split(b)
	if err != nil {
		return nil, err
	}
	if p.algorithm == None {
		return nil, fmt.Errorf("cannot verify vbmeta: %w", ErrUnsigned)
	}
	key, err := DecodePublicKey(p.key.of(p.aux))
	if err != nil {
		return nil, fmt.Errorf("cannot verify vbmeta: %w", err)
	}
	sum := digest(p.algorithm.Hash(), p.header, p.aux)
	if found := p.hash.of(p.auth); subtle.ConstantTimeCompare(found, sum) != 1 {
		return nil, fmt.Errorf("cannot verify vbmeta: its hash is %x, expected %x as computed: it was changed after signing", found, sum)
	}
	if err := rsa.VerifyPKCS1v15(key, p.algorithm.Hash(), sum, p.signature.of(p.auth)); err != nil {
		return nil, fmt.Errorf("cannot verify vbmeta: its %s signature is not by the key it carries: %w", p.algorithm, err)
	}
	return p.vbmeta()
}

func digest(h crypto.Hash, parts ...[]byte) []byte {
	w := h.New()
	for _, p := range parts {
		w.Write(p)
	}
	return w.Sum(nil)
}

// Struct returns the bytes of the vbmeta struct at the start of b, without what follows.
func Struct(b []byte) ([]byte, error) {
	p, err := split(b)
	if err != nil {
		return nil, err
	}
	return b[:p.size()], nil
}

// ReadStruct returns the bytes of the vbmeta struct of a partition: where its
// footer points or, without a footer, at its start.
func ReadStruct(r io.ReaderAt, size int64) ([]byte, error) {
	f, ok, err := ParseFooter(r, size)
	if err != nil {
		return nil, err
	}
	if !ok {
		return readStruct(r, 0, min(size, MaxVBMetaSize))
	}
	return readStruct(r, int64(f.VBMetaOffset), int64(f.VBMetaSize))
}

// readStruct reads at most 64 KiB, which the caller saw to.
func readStruct(r io.ReaderAt, off, n int64) ([]byte, error) {
	b := make([]byte, n)
	if err := tree.ReadFull(r, b, off); err != nil {
		return nil, fmt.Errorf("cannot read vbmeta: %w", err)
	}
	return Struct(b)
}

// Digest is what Android calls the vbmeta digest (ro.boot.vbmeta.digest): SHA-256
// over the vbmeta structs in the order in which a boot loader reads them. Bytes
// after a struct are left out; what is no struct counts as it is.
func Digest(vbmetas ...[]byte) [32]byte {
	h := sha256.New()
	for _, b := range vbmetas {
		if s, err := Struct(b); err == nil {
			b = s
		}
		h.Write(b)
	}
	return [32]byte(h.Sum(nil))
}
