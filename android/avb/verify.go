package avb

import (
	"bytes"
	"context"
	"crypto/subtle"
	"fmt"
	"io"

	"github.com/fridayos/friday/android/tree"
)

// VerifyPartition recomputes the hash or the hash tree that d describes over the
// partition r and compares. Bytes of the partition that d does not cover (a
// footer, error correction) are not looked at.
func VerifyPartition(ctx context.Context, d Descriptor, r io.ReaderAt, size int64) error {
	var name string
	var err error
	switch d := d.(type) {
	case *HashtreeDescriptor:
		name, err = d.Partition, d.verify(ctx, r, size)
	case *HashDescriptor:
		name, err = d.Partition, d.verify(ctx, r, size)
	default:
		return fmt.Errorf("cannot verify a partition by a %T: expected a hash or a hashtree descriptor", d)
	}
	if err != nil {
		return fmt.Errorf("cannot verify partition %s: %w", name, err)
	}
	return nil
}

// check looks whether a partition of that size can hold what d describes.
func (d *HashtreeDescriptor) check(size int64) (*geometry, error) {
	if d.DMVersion != 1 {
		return nil, fmt.Errorf("dm_verity_version is %d, expected 1", d.DMVersion)
	}
	if size < 0 || d.ImageSize > uint64(size) {
		return nil, fmt.Errorf("image_size is %d, expected at most the partition's %d bytes", d.ImageSize, size)
	}
	g, err := newGeometry(d.HashAlgorithm, d.Salt, int64(d.ImageSize), d.DataBlockSize, d.HashBlockSize)
	if err != nil {
		return nil, err
	}
	if d.TreeSize != 0 && d.TreeSize != uint64(g.treeSize) {
		return nil, fmt.Errorf("tree_size is %d, expected %d for an image of %d bytes", d.TreeSize, g.treeSize, d.ImageSize)
	}
	if d.TreeOffset > uint64(size) || d.TreeSize > uint64(size)-d.TreeOffset {
		return nil, fmt.Errorf("tree_offset %d and tree_size %d reach past the partition's end at %d", d.TreeOffset, d.TreeSize, size)
	}
	return g, nil
}

func (d *HashtreeDescriptor) verify(ctx context.Context, r io.ReaderAt, size int64) error {
	g, err := d.check(size)
	if err != nil {
		return err
	}
	if len(d.RootDigest) == 0 {
		return fmt.Errorf("the descriptor has no root digest: it is kept by the phone")
	}
	found := make([]byte, g.hashBlock)
	root, err := g.run(ctx, r, func(off int64, want []byte) error {
		if d.TreeSize == 0 { // made without a tree: the root digest says it all
			return nil
		}
		if err := tree.ReadFull(r, found, int64(d.TreeOffset)+off); err != nil {
			return err
		}
		if !bytes.Equal(found, want) {
			return g.mismatch(int64(d.TreeOffset), off, found, want)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare(root, d.RootDigest) != 1 {
		return fmt.Errorf("the root digest of its data is %x, expected %x", root, d.RootDigest)
	}
	return nil
}

// mismatch names the data block or the place in the tree that differs first.
func (g *geometry) mismatch(tree, off int64, found, want []byte) error {
	slot := 0
	for bytes.Equal(found[slot:slot+g.slotSize], want[slot:slot+g.slotSize]) {
		slot += g.slotSize
	}
	if first := g.levels[0]; off >= first.offset {
		n := (off-first.offset)/int64(g.slotSize) + int64(slot/g.slotSize)
		if n < g.dataBlocks {
			return fmt.Errorf("block %d at offset %d does not match the hash tree at offset %d: found digest %x, expected %x",
				n, n*int64(g.dataBlock), tree+off+int64(slot), want[slot:slot+g.digestSize], found[slot:slot+g.digestSize])
		}
	}
	return fmt.Errorf("the hash tree at offset %d is %x, expected %x as computed",
		tree+off+int64(slot), found[slot:slot+g.slotSize], want[slot:slot+g.slotSize])
}

// compute hashes ImageSize bytes behind the salt.
func (d *HashDescriptor) compute(ctx context.Context, r io.ReaderAt) ([]byte, error) {
	if d.HashAlgorithm != "sha256" && d.HashAlgorithm != "sha512" {
		return nil, fmt.Errorf("hash algorithm %q is not supported, expected sha256 or sha512", d.HashAlgorithm)
	}
	newHash, err := newHash(d.HashAlgorithm)
	if err != nil {
		return nil, err
	}
	h := newHash()
	h.Write(d.Salt)
	buf := make([]byte, min(chunk, d.ImageSize))
	for off := uint64(0); off < d.ImageSize; off += uint64(len(buf)) {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		buf = buf[:min(uint64(len(buf)), d.ImageSize-off)]
		if err := tree.ReadFull(r, buf, int64(off)); err != nil {
			return nil, err
		}
		h.Write(buf)
	}
	return h.Sum(nil), nil
}

func (d *HashDescriptor) verify(ctx context.Context, r io.ReaderAt, size int64) error {
	if size < 0 || d.ImageSize > uint64(size) {
		return fmt.Errorf("image_size is %d, expected at most the partition's %d bytes", d.ImageSize, size)
	}
	if len(d.Digest) == 0 {
		return fmt.Errorf("the descriptor has no digest: it is kept by the phone")
	}
	sum, err := d.compute(ctx, r)
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare(sum, d.Digest) != 1 {
		return fmt.Errorf("the hash of its first %d bytes is %x, expected %x", d.ImageSize, sum, d.Digest)
	}
	return nil
}
