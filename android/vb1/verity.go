package vb1

import (
	"bytes"
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"sort"
	"strconv"
	"strings"

	"github.com/fridayos/friday/android/avb"
	"github.com/fridayos/friday/android/tree"
)

// MetadataSize is how many bytes verity metadata take behind a file system.
const MetadataSize = 32 << 10

const (
	blockSize = 4096
	magic     = 0xb001b001
	magicOff  = 0x46464f56 // "VOFF": verity was switched off
	head      = 4 + 4 + KeyBits/8 + 4
	maxTable  = MetadataSize - head
)

// Table is dm-verity's table.
type Table struct {
	Device     string // "/dev/block/bootdevice/by-name/system"
	Blocks     int64  // of data, of 4,096 bytes
	TreeOffset int64  // of the hash tree, in bytes
	Root, Salt []byte // SHA-256
}

// Text is the table as it is signed.
func (t Table) Text() string {
	salt := hex.EncodeToString(t.Salt)
	if salt == "" {
		salt = "-" // dm-verity's word for none
	}
	return fmt.Sprintf("1 %s %[1]s %d %[2]d %d %d sha256 %x %s", t.Device, blockSize, t.Blocks, t.TreeOffset/blockSize, t.Root, salt)
}

// ParseTable reads a table as AOSP writes it.
func ParseTable(text string) (Table, error) {
	fail := func(format string, args ...any) (Table, error) {
		return Table{}, fmt.Errorf("cannot read verity table %.200q: %w", text, fmt.Errorf(format, args...))
	}
	f := strings.Fields(text)
	if len(f) < 10 {
		return fail("it has %d fields, expected 10", len(f))
	}
	if f[0] != "1" || f[1] != f[2] || f[3] != "4096" || f[4] != "4096" || f[7] != "sha256" {
		return fail("expected version 1, one device, blocks of 4096 and sha256")
	}
	t := Table{Device: f[1]}
	blocks, err1 := strconv.ParseUint(f[5], 10, 40)
	start, err2 := strconv.ParseUint(f[6], 10, 40)
	root, err3 := hex.DecodeString(f[8])
	if f[9] == "-" {
		f[9] = ""
	}
	salt, err4 := hex.DecodeString(f[9])
	if err := errors.Join(err1, err2, err3, err4); err != nil || len(root) != sha256.Size {
		return fail("expected numbers of blocks, and a root of %d bytes and a salt in hex: %w", sha256.Size, errors.Join(err))
	}
	t.Blocks, t.TreeOffset, t.Root, t.Salt = int64(blocks), int64(start)*blockSize, root, salt
	return t, nil
}

// Metadata is what lies behind a file system.
type Metadata struct {
	Table    Table
	Disabled bool // verity was switched off: the table is not used
	At       int64
	FEC      FEC // of what Find found; else zero

	text  string
	value []byte
}

// TreeFirst says whether the hash tree lies before the metadata, as in Android 7.
func (m *Metadata) TreeFirst() bool { return m.Table.TreeOffset < m.At }

// Params are AddVerity's.
type Params struct {
	Device string // that init maps, "/dev/block/platform/…/by-name/system"
	Salt   []byte
	Key    crypto.Signer // RSA 2048
	// TreeFirst has the tree before the metadata, as Android 7 does. Without error
	// correction, such an image must be exactly as large as the partition.
	TreeFirst bool
	FECRoots  int  // 2 to 24, with TreeFirst; such an image must be as large as the partition; 0: none
	Disabled  bool // verity stays switched off
	// Size is the partition's in bytes, to which zeros fill an image with TreeFirst:
	// before the header of the error correction, else before the metadata; 0: the
	// partition is as large as the image comes out.
	Size int64
	// Since is the image made before, if little has changed since; nil: all is
	// computed. Where it has another shape, what of it does not serve is computed.
	Since *Since
}

// Since is an image with verity made before. It is believed, not looked at, that
// its tree is right and that nothing of the file system but Changed differs.
type Since struct {
	Image    io.ReaderAt
	Metadata *Metadata    // as Find found it
	Changed  []tree.Range // of the file system, in order; whole blocks
}

// Room is how many bytes AddVerity puts behind a file system of size bytes.
func (p Params) Room(size int64) (int64, error) {
	n, err := avb.HashtreeSize(size, "sha256")
	if n += MetadataSize; err != nil || p.FECRoots == 0 {
		return n, err
	}
	parity, err := avb.FECSize(size+n, p.FECRoots)
	return n + parity + blockSize, err
}

// Largest is the largest file system, in bytes, that with its verity fits into a
// partition; 0: none does.
func (p Params) Largest(partition int64) int64 {
	n := int64(sort.Search(int(max(partition, 0)/blockSize), func(i int) bool {
		fs := int64(i+1) * blockSize
		room, err := p.Room(fs)
		return err != nil || room > partition-fs
	}))
	return n * blockSize
}

// AddVerity puts metadata, hash tree and error correction behind a file system,
// which has whole blocks. Tree and parity, 1/127 of the image each, are held.
func AddVerity(ctx context.Context, img *tree.Image, p Params) (*tree.Image, Table, error) {
	fail := func(err error) (*tree.Image, Table, error) {
		return nil, Table{}, fmt.Errorf("cannot add verity: %w", err)
	}
	size := img.Size()
	if p.Device == "" || strings.ContainsAny(p.Device, " \t\n") {
		return fail(fmt.Errorf("the device is %q, expected a path without spaces", p.Device))
	}
	if p.FECRoots != 0 && !p.TreeFirst {
		return fail(errors.New("error correction lies behind the metadata: the tree must be first"))
	}
	n, err := avb.HashtreeSize(size, "sha256")
	if err != nil {
		return fail(err)
	}
	t := Table{Device: p.Device, Blocks: size / blockSize, TreeOffset: size, Salt: p.Salt}
	if !p.TreeFirst {
		t.TreeOffset += MetadataSize
	}
	hashes := &buffer{make([]byte, n)}
	if t.Root, err = p.tree(ctx, img, t, hashes); err != nil {
		return fail(err)
	}
	meta, err := encodeMetadata(t.Text(), p.Key, p.Disabled)
	if err != nil {
		return fail(err)
	}
	out := &tree.Image{}
	out.AppendImage(img)
	if !p.TreeFirst {
		out.AppendBytes(meta)
		out.AppendBytes(hashes.b)
		return out, t, nil
	}
	out.AppendBytes(hashes.b)
	if p.FECRoots == 0 && p.Size > 0 {
		pad := p.Size - out.Size() - MetadataSize
		if pad < 0 {
			return fail(fmt.Errorf("with verity it has %d bytes, expected at most the partition's %d", out.Size()+MetadataSize, p.Size))
		}
		out.AppendZeros(pad)
	}
	out.AppendBytes(meta)
	if p.FECRoots != 0 {
		if err := p.appendFEC(ctx, out, size); err != nil {
			return fail(err)
		}
	}
	return out, t, nil
}

// tree makes the hash tree, from that of before where it can.
func (p Params) tree(ctx context.Context, img *tree.Image, t Table, to *buffer) ([]byte, error) {
	if s := p.Since; s != nil && bytes.Equal(s.Metadata.Table.Salt, t.Salt) {
		root, err := avb.UpdateHashtree(ctx, img, img.Size(), &avb.Since{Image: s.Image, Descriptor: s.Metadata.descriptor(), Changed: s.Changed}, to, int64(len(to.b)))
		if !errors.Is(err, avb.ErrOtherShape) {
			return root, err
		}
	}
	return avb.BuildHashtree(ctx, img, img.Size(), "sha256", t.Salt, to, int64(len(to.b)))
}

type buffer struct{ b []byte }

func (w *buffer) WriteAt(p []byte, off int64) (int, error) { return copy(w.b[off:], p), nil }

// Resign is an image whose table is signed by another key; nothing else of it
// changes, but for the error correction of the signature's blocks.
func Resign(ctx context.Context, img *tree.Image, m *Metadata, key crypto.Signer) (*tree.Image, error) {
	fail := func(err error) (*tree.Image, error) { return nil, fmt.Errorf("cannot sign verity anew: %w", err) }
	meta, err := encodeMetadata(m.text, key, m.Disabled)
	if err != nil {
		return fail(err)
	}
	behind := m.At + MetadataSize
	out := &tree.Image{}
	out.AppendRange(img, 0, m.At)
	out.AppendBytes(meta)
	if m.FEC.Roots == 0 {
		out.AppendRange(img, behind, img.Size()-behind)
		return out, nil
	}
	p := Params{FECRoots: m.FEC.Roots, Size: img.Size(), Since: &Since{img, m, nil}}
	if err := p.appendFEC(ctx, out, m.At); err != nil {
		return fail(err)
	}
	return out, nil
}

func encodeMetadata(table string, key crypto.Signer, off bool) ([]byte, error) {
	pub, ok := key.Public().(*rsa.PublicKey)
	if !ok || pub.N.BitLen() != KeyBits {
		return nil, fmt.Errorf("expected an RSA key of %d bits", KeyBits)
	}
	if len(table) > maxTable {
		return nil, fmt.Errorf("its table has %d bytes, expected at most %d", len(table), maxTable)
	}
	digest := sha256.Sum256([]byte(table))
	value, err := key.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	first := uint32(magic)
	if off {
		first = magicOff
	}
	b := le.AppendUint32(le.AppendUint32(nil, first), 0)
	b = le.AppendUint32(append(b, value...), uint32(len(table)))
	b = append(b, table...)
	return append(b, make([]byte, MetadataSize-len(b))...), nil
}

// ReadMetadata reads the metadata at an offset of r.
func ReadMetadata(r io.ReaderAt, at int64) (*Metadata, error) {
	fail := func(format string, args ...any) (*Metadata, error) {
		return nil, fmt.Errorf("cannot read verity metadata: byte %d: %w", at, fmt.Errorf(format, args...))
	}
	b := make([]byte, MetadataSize)
	if err := tree.ReadFull(r, b, at); err != nil {
		return fail("%w", err)
	}
	le := binary.LittleEndian
	m := &Metadata{At: at, value: b[8 : 8+KeyBits/8]}
	switch v := le.Uint32(b); v {
	case magic:
	case magicOff:
		m.Disabled = true
	default:
		return fail("magic is %08x, expected %08x", v, uint32(magic))
	}
	if v := le.Uint32(b[4:]); v != 0 {
		return fail("version is %d, expected 0", v)
	}
	n := le.Uint32(b[head-4:])
	if n > maxTable {
		return fail("its table has %d bytes, expected at most %d", n, maxTable)
	}
	m.text = string(b[head : head+n])
	if bytes.IndexFunc(b[head+n:], func(r rune) bool { return r != 0 }) >= 0 {
		return fail("bytes follow its table of %d that nothing accounts for", n)
	}
	var err error
	if m.Table, err = ParseTable(m.text); err != nil {
		return fail("%w", err)
	}
	return m, nil
}

// Verify checks the table's signature by a key, and then the whole image by its
// tree, as a phone does block by block.
func (m *Metadata) Verify(ctx context.Context, r io.ReaderAt, size int64, key *rsa.PublicKey) error {
	fail := func(err error) error { return fmt.Errorf("cannot verify by verity metadata: %w", err) }
	if m.Disabled {
		return fail(errors.New("verity was switched off"))
	}
	if err := m.SignedBy(key); err != nil {
		return fail(err)
	}
	return m.VerifyTree(ctx, r, size)
}

// SignedBy checks the signature of the table alone.
func (m *Metadata) SignedBy(key *rsa.PublicKey) error {
	digest := sha256.Sum256([]byte(m.text))
	if err := rsa.VerifyPKCS1v15(key, crypto.SHA256, digest[:], m.value); err != nil {
		return fmt.Errorf("the signature of the table does not match: %w", err)
	}
	return nil
}

// VerifyTree checks the whole image by the hash tree that the table names, and
// nobody's signature.
func (m *Metadata) VerifyTree(ctx context.Context, r io.ReaderAt, size int64) error {
	fail := func(err error) error { return fmt.Errorf("cannot verify by verity metadata: %w", err) }
	t := m.Table
	if t.Blocks > size/blockSize {
		return fail(fmt.Errorf("its table is of %d blocks, the image has %d", t.Blocks, size/blockSize))
	}
	if _, err := avb.HashtreeSize(t.Blocks*blockSize, "sha256"); err != nil {
		return fail(err)
	}
	if err := avb.VerifyPartition(ctx, m.descriptor(), r, size); err != nil {
		return fail(err)
	}
	return nil
}

// descriptor is the tree as Verified Boot 2 describes it.
func (m *Metadata) descriptor() *avb.HashtreeDescriptor {
	t := m.Table
	n, _ := avb.HashtreeSize(t.Blocks*blockSize, "sha256")
	return &avb.HashtreeDescriptor{Partition: t.Device, DMVersion: 1, ImageSize: uint64(t.Blocks) * blockSize, TreeOffset: uint64(t.TreeOffset), TreeSize: uint64(n),
		DataBlockSize: blockSize, HashBlockSize: blockSize, HashAlgorithm: "sha256", Salt: t.Salt, RootDigest: t.Root}
}
