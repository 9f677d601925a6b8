package avb

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/fridayos/friday/android/tree"
)

// Since is a partition made before, of which most blocks are as they were: its hash
// tree and error correction are brought up to date from the blocks that changed,
// which alone are read. What comes of it is what a full computation gives. It is
// believed, not looked at, that the partition's tree is right and that nothing but
// Changed differs.
type Since struct {
	Image      io.ReaderAt         // the whole partition of before
	Descriptor *HashtreeDescriptor // of its tree and error correction
	Changed    []tree.Range        // of the new image, in order; whole blocks
}

// ErrOtherShape is wrapped by the error for a partition of before whose tree or
// error correction is made otherwise than the new one's, so that all must be
// computed.
var ErrOtherShape = errors.New("the partition before has another shape")

// usable says whether the tree of before can be brought up to date to one of g.
func (s *Since) usable(g *geometry, d *HashtreeDescriptor) error {
	w := s.Descriptor
	switch {
	case w.HashAlgorithm != d.HashAlgorithm || !slices.Equal(w.Salt, d.Salt) || w.DataBlockSize != d.DataBlockSize || w.HashBlockSize != d.HashBlockSize:
		return fmt.Errorf("%w: its hash, salt or block size is another", ErrOtherShape)
	case w.TreeSize == 0 || w.TreeOffset > 1<<62 || len(w.RootDigest) != g.digestSize:
		return fmt.Errorf("%w: it has no hash tree", ErrOtherShape)
	}
	_, err := newGeometry(w.HashAlgorithm, w.Salt, int64(w.ImageSize), w.DataBlockSize, w.HashBlockSize)
	return err
}

// update computes the tree of r from the one of before: the digests of blocks that
// changed or are new, and all levels above, which are a hundredth of the image's
// hundredth. It emits blocks as run does.
func (g *geometry) update(ctx context.Context, r io.ReaderAt, s *Since, emit func(off int64, block []byte) error) ([]byte, error) {
	w := s.Descriptor
	was, err := newGeometry(w.HashAlgorithm, w.Salt, int64(w.ImageSize), w.DataBlockSize, w.HashBlockSize)
	if err != nil {
		return nil, err
	}
	there := min(was.dataBlocks, g.dataBlocks)
	if len(g.levels) == 0 || len(was.levels) == 0 {
		return g.run(ctx, r, emit)
	}
	perBlock := int64(g.hashBlock / g.slotSize)
	leaves := make([]byte, g.levels[0].blocks*int64(g.hashBlock))
	have := (there + perBlock - 1) / perBlock * int64(g.hashBlock)
	if err := tree.ReadFull(s.Image, leaves[:have], int64(w.TreeOffset)+was.levels[0].offset); err != nil {
		return nil, err
	}
	clear(leaves[there*int64(g.slotSize):])
	h, buf := g.newHash(), make([]byte, chunk)
	again := func(from, to int64) error { // blocks
		for from < to {
			if err := ctx.Err(); err != nil {
				return err
			}
			n := min(to-from, int64(chunk/g.dataBlock))
			b := buf[:n*int64(g.dataBlock)]
			if err := tree.ReadFull(r, b, from*int64(g.dataBlock)); err != nil {
				return err
			}
			for i := range n {
				at := (from + i) * int64(g.slotSize)
				g.sum(h, leaves[at:at], b[i*int64(g.dataBlock):][:g.dataBlock])
			}
			from += n
		}
		return nil
	}
	for _, c := range s.Changed {
		from, to := c.Offset/int64(g.dataBlock), (c.Offset+c.Length+int64(g.dataBlock)-1)/int64(g.dataBlock)
		if err := again(from, min(to, there)); err != nil {
			return nil, err
		}
	}
	if err := again(there, g.dataBlocks); err != nil {
		return nil, err
	}
	level := leaves
	for l := range g.levels {
		var above []byte
		if l+1 < len(g.levels) {
			above = make([]byte, g.levels[l+1].blocks*int64(g.hashBlock))
		} else {
			above = make([]byte, g.slotSize)
		}
		for i := range g.levels[l].blocks {
			b := level[i*int64(g.hashBlock):][:g.hashBlock]
			if err := emit(g.levels[l].offset+i*int64(g.hashBlock), b); err != nil {
				return nil, err
			}
			at := i * int64(g.slotSize)
			g.sum(h, above[at:at], b)
		}
		level = above
	}
	return level[:g.digestSize], nil
}

// usableFEC says whether the parity of before covers the same columns.
func (s *Since) usableFEC(d *HashtreeDescriptor) error {
	w := s.Descriptor
	if w.ImageSize != d.ImageSize || w.TreeOffset != d.TreeOffset || w.TreeSize != d.TreeSize || w.FECRoots != d.FECRoots || w.FECSize != d.FECSize || w.FECOffset > 1<<62 {
		return fmt.Errorf("%w: its error correction covers other blocks", ErrOtherShape)
	}
	return nil
}

// shares are what the bytes of one column add to the parity: the remainder of the
// column's power of x by the generator, times the byte.
func (c *fecCode) shares(column int) [][256]byte {
	one := make([]byte, c.roots) // the registers after a 1 and zeros for the columns behind it
	c.update(one, []byte{1})
	for range 254 - c.roots - column {
		c.update(one, []byte{0})
	}
	out := make([][256]byte, c.roots)
	for k := range out {
		for x := range 256 {
			out[k][x] = gfMul(one[k], byte(x))
		}
	}
	return out
}

// revise brings parity up to date: it adds what the difference of each block that
// changed adds. old and now are read where ranges, of covered bytes, say so.
func (c *fecCode) revise(ctx context.Context, parity []byte, old, now io.ReaderAt, covered int64, blockSize int, ranges []tree.Range) error {
	column := c.column(covered, blockSize)
	a, b := make([]byte, blockSize), make([]byte, blockSize)
	known, of := [][256]byte(nil), -1
	next := int64(0) // no block counts twice
	for _, r := range ranges {
		for off := max(r.Offset/int64(blockSize)*int64(blockSize), next); off < min(r.Offset+r.Length, covered); off += int64(blockSize) {
			if err := ctx.Err(); err != nil {
				return err
			}
			next = off + int64(blockSize)
			if err := tree.ReadFull(old, a, off); err != nil {
				return err
			}
			if err := tree.ReadFull(now, b, off); err != nil {
				return err
			}
			if j := int(off / column); j != of {
				known, of = c.shares(j), j
			}
			at := int(off%column) * c.roots
			for i := range a {
				if d := a[i] ^ b[i]; d != 0 {
					for k := range c.roots {
						parity[at+i*c.roots+k] ^= known[k][d]
					}
				}
			}
		}
	}
	return nil
}

// revise writes the parity of before, brought up to date, to store from start on.
func (s *Since) revise(ctx context.Context, c *fecCode, now io.ReaderAt, d *HashtreeDescriptor, store Store, start int64) error {
	parity := make([]byte, d.FECSize)
	if err := tree.ReadFull(s.Image, parity, int64(s.Descriptor.FECOffset)); err != nil {
		return err
	}
	inTree, err := s.changedTree(now, d)
	if err != nil {
		return err
	}
	covered := int64(d.ImageSize + d.TreeSize)
	if err := c.revise(ctx, parity, s.Image, now, covered, int(d.DataBlockSize), slices.Concat(s.Changed, inTree)); err != nil {
		return err
	}
	_, err = store.WriteAt(parity, start)
	return err
}

// changedTree are the ranges of the new partition's tree that differ from those of
// the tree of before, which lies in the same place.
func (s *Since) changedTree(now io.ReaderAt, d *HashtreeDescriptor) ([]tree.Range, error) {
	const piece = 64 << 10
	var out []tree.Range
	a, b := make([]byte, piece), make([]byte, piece)
	block := int64(d.HashBlockSize)
	for off := int64(0); off < int64(d.TreeSize); off += piece {
		n := min(piece, int64(d.TreeSize)-off)
		if err := tree.ReadFull(s.Image, a[:n], int64(d.TreeOffset)+off); err != nil {
			return nil, err
		}
		if err := tree.ReadFull(now, b[:n], int64(d.TreeOffset)+off); err != nil {
			return nil, err
		}
		for i := int64(0); i < n; i += block {
			if k := min(block, n-i); !slices.Equal(a[i:i+k], b[i:i+k]) {
				out = append(out, tree.Range{Offset: int64(d.TreeOffset) + off + i, Length: k})
			}
		}
	}
	return out, nil
}

// UpdateHashtree writes the hash tree of the first imageSize bytes of r to w from 0,
// like BuildHashtree, brought up to date from the one of before, whose salt and hash it
// has. The error wraps ErrOtherShape where that cannot be.
func UpdateHashtree(ctx context.Context, r io.ReaderAt, imageSize int64, s *Since, w io.WriterAt, room int64) ([]byte, error) {
	const blockSize = 4096
	d := &HashtreeDescriptor{HashAlgorithm: s.Descriptor.HashAlgorithm, Salt: s.Descriptor.Salt, DataBlockSize: blockSize, HashBlockSize: blockSize}
	g, err := newGeometry(d.HashAlgorithm, d.Salt, imageSize, blockSize, blockSize)
	if err == nil {
		err = s.usable(g, d)
	}
	if err == nil && g.treeSize != room {
		err = fmt.Errorf("it takes %d bytes, there is room for %d", g.treeSize, room)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot update hash tree: %w", err)
	}
	root, err := g.update(ctx, r, s, func(off int64, block []byte) error {
		_, err := w.WriteAt(block, off)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot update hash tree: %w", err)
	}
	return root, nil
}

// UpdateFEC brings parity, the error correction of the first covered bytes of old in
// blocks of 4,096 bytes, up to date to that of now, which differs only in ranges.
func UpdateFEC(ctx context.Context, parity []byte, old, now io.ReaderAt, covered int64, roots int, ranges []tree.Range) error {
	const blockSize = 4096
	n, err := FECSize(covered, roots)
	if err != nil {
		return err
	}
	if n != int64(len(parity)) {
		return fmt.Errorf("cannot update FEC: it has %d bytes, expected %d", len(parity), n)
	}
	c, err := newFECCode(roots)
	if err == nil {
		err = c.revise(ctx, parity, old, now, covered, blockSize, ranges)
	}
	if err != nil {
		return fmt.Errorf("cannot update FEC: %w", err)
	}
	return nil
}
