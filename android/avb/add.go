package avb

import (
	"context"
	"crypto/rsa"
	"fmt"
	"io"

	"github.com/fridayos/friday/android/tree"
)

// alignment of what is appended, and of the block that ends with the footer.
const alignment = 4096

// Store is a place for what is computed, such as an *os.File.
type Store interface {
	io.ReaderAt
	io.WriterAt
}

// HashtreeParams is how AddHashtree makes a partition. What is zero is left out
// or has the default that is named.
type HashtreeParams struct {
	Partition     string
	Salt          []byte
	BlockSize     int    // 4096
	HashAlgorithm string // "sha256"
	PartitionSize int64  // 0: as small as possible
	FECRoots      int    // 0: no error correction; Android uses 2
	Flags         uint32 // of the descriptor
	Key           *rsa.PrivateKey
	// VBMeta has the rollback index, flags, release string and further descriptors
	// of the struct in the footer.
	VBMeta VBMeta
	// Store receives tree and error correction, from its offset 0 on, and is read
	// when the new image is; without one they are held in memory: 1/126 of the
	// image each.
	Store Store
	// Since is the partition made before, if little has changed since; nil: all is
	// computed. Where it has another shape, what of it does not serve is computed.
	Since *Since
	// Known gives digests that are believed: their blocks are not read. nil: none is
	// known.
	Known Known
}

// Known gives what is known of the blocks from a block on, of as many as it is known
// of one after the other, which may be none: their digests in the tree, and the CRC-32C
// (Castagnoli, little-endian) of each.
type Known func(block int64) (digests, sums []byte)

// AddHashtree appends to img its hash tree, error correction if asked, a vbmeta
// struct that describes them, and a footer. All cores hash; apart from tree and error correction a few MiB are held.
func AddHashtree(img *tree.Image, p HashtreeParams) (*tree.Image, *HashtreeDescriptor, error) {
	fail := func(err error) (*tree.Image, *HashtreeDescriptor, error) {
		return nil, nil, fmt.Errorf("cannot add hash tree to partition %s: %w", p.Partition, err)
	}
	block := p.BlockSize
	if block == 0 {
		block = alignment
	}
	if block < minBlock || block > maxBlock {
		return fail(fmt.Errorf("block size is %d, expected a power of two from %d to %d", block, minBlock, maxBlock))
	}
	if err := refuseFooter(img); err != nil {
		return fail(err)
	}
	out := &tree.Image{}
	out.AppendImage(img)
	padTo(out, int64(block))
	d := &HashtreeDescriptor{Partition: p.Partition, DMVersion: 1, ImageSize: uint64(out.Size()),
		TreeOffset: uint64(out.Size()), DataBlockSize: uint32(block), HashBlockSize: uint32(block),
		HashAlgorithm: orSHA256(p.HashAlgorithm), Salt: p.Salt, Flags: p.Flags}
	g, err := newGeometry(d.HashAlgorithm, p.Salt, out.Size(), d.DataBlockSize, d.HashBlockSize)
	if err != nil {
		return fail(err)
	}
	d.TreeSize = uint64(g.treeSize)
	store := storeOr(p.Store, g.treeSize)
	ctx := context.Background() // a source that fails ends it
	emit := func(off int64, b []byte) error {
		_, err := store.WriteAt(b, off)
		return err
	}
	if p.Since != nil && p.Since.usable(g, d) != nil {
		p.Since = nil
	}
	if p.Since != nil {
		d.RootDigest, err = g.update(ctx, out, p.Since, emit)
	} else {
		g.known = p.Known
		d.RootDigest, err = g.run(ctx, out, emit)
	}
	if err != nil {
		return fail(err)
	}
	out.AppendRange(store, 0, g.treeSize)
	if p.FECRoots != 0 {
		padTo(out, alignment)
		if err := appendFEC(ctx, out, d, p); err != nil {
			return fail(err)
		}
	}
	if err := appendVBMeta(out, img.Size(), d, p.VBMeta, p.Key, p.PartitionSize); err != nil {
		return fail(err)
	}
	return out, d, nil
}

func appendFEC(ctx context.Context, out *tree.Image, d *HashtreeDescriptor, p HashtreeParams) error {
	c, err := newFECCode(p.FECRoots)
	if err != nil {
		return err
	}
	covered := int64(d.ImageSize + d.TreeSize)
	n := c.size(covered, int(d.DataBlockSize))
	d.FECRoots, d.FECOffset, d.FECSize = uint32(p.FECRoots), uint64(out.Size()), uint64(n)
	store, start := storeOr(p.Store, n), int64(0)
	if p.Store != nil {
		start = int64(d.TreeSize)
	}
	if p.Since != nil && p.Since.usableFEC(d) == nil {
		if err := p.Since.revise(ctx, c, out, d, store, start); err != nil {
			return err
		}
		out.AppendRange(store, start, n)
		return nil
	}
	at := start
	if err := c.run(ctx, out, covered, int(d.DataBlockSize), func(parity []byte) error {
		_, err := store.WriteAt(parity, at)
		at += int64(len(parity))
		return err
	}); err != nil {
		return err
	}
	out.AppendRange(store, start, n)
	return nil
}

func storeOr(s Store, size int64) Store {
	if s == nil {
		return &held{make([]byte, 0, size)}
	}
	return s
}

// held is a Store in memory.
type held struct{ b []byte }

func (h *held) WriteAt(p []byte, off int64) (int, error) {
	if end := off + int64(len(p)); end > int64(len(h.b)) {
		h.b = append(h.b, make([]byte, end-int64(len(h.b)))...)
	}
	return copy(h.b[off:], p), nil
}

func (h *held) ReadAt(p []byte, off int64) (int, error) {
	if off >= int64(len(h.b)) {
		return 0, io.EOF
	}
	n := copy(p, h.b[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// HashParams is how AddHash makes a partition.
type HashParams struct {
	Partition     string
	Salt          []byte
	HashAlgorithm string // "sha256" (the default) or "sha512"
	PartitionSize int64  // 0: as small as possible
	Flags         uint32 // of the descriptor
	Key           *rsa.PrivateKey
	VBMeta        VBMeta // as in HashtreeParams
}

// AddHash appends to img a vbmeta struct that holds its hash, and a footer.
func AddHash(img *tree.Image, p HashParams) (*tree.Image, *HashDescriptor, error) {
	fail := func(err error) (*tree.Image, *HashDescriptor, error) {
		return nil, nil, fmt.Errorf("cannot add hash to partition %s: %w", p.Partition, err)
	}
	if err := refuseFooter(img); err != nil {
		return fail(err)
	}
	d := &HashDescriptor{Partition: p.Partition, ImageSize: uint64(img.Size()),
		HashAlgorithm: orSHA256(p.HashAlgorithm), Salt: p.Salt, Flags: p.Flags}
	var err error
	if d.Digest, err = d.compute(context.Background(), img); err != nil {
		return fail(err)
	}
	out := &tree.Image{}
	out.AppendImage(img)
	if err := appendVBMeta(out, img.Size(), d, p.VBMeta, p.Key, p.PartitionSize); err != nil {
		return fail(err)
	}
	return out, d, nil
}

func orSHA256(name string) string {
	if name == "" {
		return "sha256"
	}
	return name
}

// refuseFooter keeps a footer from being buried under another.
func refuseFooter(img *tree.Image) error {
	f, ok, err := ParseFooter(img, img.Size())
	if err == nil && ok {
		err = fmt.Errorf("the image has an AVB footer already: give its first %d bytes only", f.OriginalImageSize)
	}
	return err
}

func padTo(im *tree.Image, to int64) { im.AppendZeros((im.Size()+to-1)/to*to - im.Size()) }

// appendVBMeta ends a partition: the struct, room up to its size, the footer.
func appendVBMeta(out *tree.Image, original int64, d Descriptor, v VBMeta, key *rsa.PrivateKey, size int64) error {
	v.Descriptors = append([]Descriptor{d}, v.Descriptors...)
	b, err := Sign(&v, key)
	if err != nil {
		return err
	}
	padTo(out, alignment)
	f := Footer{OriginalImageSize: uint64(original), VBMetaOffset: uint64(out.Size()), VBMetaSize: uint64(len(b))}
	out.AppendBytes(b)
	padTo(out, alignment)
	if need := out.Size() + alignment; size == 0 {
		size = need
	} else if size%alignment != 0 || size < need {
		return fmt.Errorf("partition size is %d, expected a multiple of %d of at least %d: make the partition larger or the image smaller", size, alignment, need)
	}
	out.AppendZeros(size - FooterSize - out.Size())
	out.AppendBytes(f.encode())
	return nil
}
