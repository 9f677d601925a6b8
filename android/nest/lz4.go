package nest

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/pierrec/lz4/v4"

	"github.com/fridayos/friday/android/tree"
)

// maxLZ4Blocks bounds the index of a frame: 12 bytes each.
const maxLZ4Blocks = 1 << 21

// openLZ4 reads an LZ4 frame in place if its blocks stand alone, as Samsung's
// do; any other is unpacked. The frame is described in lz4's
// doc/lz4_Frame_format.md.
func openLZ4(ctx context.Context, n *Nest, f File) (*Opened, error) {
	x, err := newLZ4(f)
	if errors.Is(err, errDependent) {
		plain := compression("lz4", nil, func(r io.Reader, _ int64) (io.Reader, error) { return lz4.NewReader(r), nil })
		return plain.Open(ctx, n, f)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read lz4: %w", err)
	}
	return &Opened{
		Facts: map[string]any{"unpacked": x.size, "blocks": len(x.blocks), "block_size": x.unit},
		Inner: &File{Name: stem(f.Name), R: x, Size: x.size, Sibling: f.Sibling},
		Verify: func(ctx context.Context, report func(string, error)) error {
			r := lz4.NewReader(io.NewSectionReader(f.R, 0, x.end))
			_, err := io.Copy(io.Discard, &stoppable{ctx, r})
			report("lz4: unpacks to the end, with its checksums", err)
			return ctx.Err()
		},
	}, nil
}

// stoppable is a reader that ends with its context.
type stoppable struct {
	ctx context.Context
	r   io.Reader
}

func (s *stoppable) Read(b []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.r.Read(b)
}

// errDependent says that a frame cannot be read from the middle.
var errDependent = errors.New("blocks depend on each other")

// lz4Blocks reads a frame of independent blocks at any offset.
type lz4Blocks struct {
	r      io.ReaderAt
	blocks []lz4Block
	unit   int64 // bytes of each block, unpacked, but the last
	size   int64
	end    int64 // of the frame

	mu    sync.Mutex
	cache [2]struct {
		block int
		b     []byte
	}
	turn int
	in   []byte
}

type lz4Block struct {
	off int64
	n   uint32 // with the high bit: stored
}

func newLZ4(f File) (*lz4Blocks, error) {
	head := make([]byte, min(19, f.Size))
	if err := tree.ReadFull(f.R, head, 0); err != nil {
		return nil, err
	}
	if len(head) < 7 {
		return nil, fmt.Errorf("expected at least 7 bytes, found %d", len(head))
	}
	flags, bd := head[4], head[5]
	if flags>>6 != 1 {
		return nil, fmt.Errorf("byte 4: version: expected 1, found %d", flags>>6)
	}
	if flags&0x20 == 0 || flags&1 != 0 {
		return nil, errDependent // or a dictionary is needed, which the decoder names
	}
	x := &lz4Blocks{r: f.R, unit: map[byte]int64{4: 64 << 10, 5: 256 << 10, 6: 1 << 20, 7: 4 << 20}[bd>>4&7]}
	if x.unit == 0 {
		return nil, fmt.Errorf("byte 5: block size: expected 4 to 7, found %d", bd>>4&7)
	}
	pos, claimed := int64(7), int64(-1)
	if flags&8 != 0 {
		if len(head) < 15 {
			return nil, fmt.Errorf("expected at least 15 bytes, found %d", len(head))
		}
		claimed, pos = int64(binary.LittleEndian.Uint64(head[6:])), 15
	}
	if err := x.index(f, pos, flags&0x10 != 0); err != nil {
		return nil, err
	}
	if flags&4 != 0 {
		x.end += 4
	}
	if x.end != f.Size {
		return nil, errDependent // more frames, or a tail: the decoder's affair
	}
	if len(x.blocks) > 0 {
		last, err := x.block(len(x.blocks) - 1)
		if err != nil {
			return nil, err
		}
		x.size = int64(len(x.blocks)-1)*x.unit + int64(len(last))
	}
	if claimed >= 0 && claimed != x.size {
		return nil, fmt.Errorf("byte 6: content size: expected %d, as the blocks have, found %d", x.size, claimed)
	}
	return x, nil
}

// index finds the blocks.
func (x *lz4Blocks) index(f File, pos int64, sums bool) error {
	var b [4]byte
	for {
		if pos+4 > f.Size {
			return fmt.Errorf("byte %d: expected a block or the end mark, found the end of the file", pos)
		}
		if err := tree.ReadFull(f.R, b[:], pos); err != nil {
			return err
		}
		n := binary.LittleEndian.Uint32(b[:])
		pos += 4
		if n == 0 {
			x.end = pos
			return nil
		}
		size := int64(n &^ (1 << 31))
		if size > x.unit || pos+size > f.Size {
			return fmt.Errorf("byte %d: size of block %d: expected at most %d, within the file, found %d", pos-4, len(x.blocks), x.unit, size)
		}
		if len(x.blocks) == maxLZ4Blocks {
			return fmt.Errorf("byte %d: more than %d blocks", pos-4, maxLZ4Blocks)
		}
		x.blocks = append(x.blocks, lz4Block{pos, n})
		if pos += size; sums {
			pos += 4
		}
	}
}

// block unpacks a block; the result is good until the next but one.
func (x *lz4Blocks) block(i int) ([]byte, error) {
	for _, c := range x.cache {
		if c.b != nil && c.block == i {
			return c.b, nil
		}
	}
	blk := x.blocks[i]
	size := int(blk.n &^ (1 << 31))
	if cap(x.in) < size {
		x.in = make([]byte, x.unit)
	}
	in := x.in[:size]
	if err := tree.ReadFull(x.r, in, blk.off); err != nil {
		return nil, err
	}
	c := &x.cache[x.turn]
	x.turn = 1 - x.turn
	if c.b == nil {
		c.b = make([]byte, x.unit)
	}
	out := c.b[:x.unit]
	var err error
	if blk.n>>31 != 0 {
		size = copy(out, in)
	} else if size, err = lz4.UncompressBlock(in, out); err != nil {
		c.b = nil
		return nil, fmt.Errorf("byte %d: block %d: %w", blk.off, i, err)
	}
	if i < len(x.blocks)-1 && int64(size) != x.unit {
		c.b = nil
		return nil, fmt.Errorf("byte %d: block %d: expected %d bytes when unpacked, found %d", blk.off, i, x.unit, size)
	}
	c.block, c.b = i, out[:size]
	return c.b, nil
}

// ReadAt reads as io.ReaderAt says.
func (x *lz4Blocks) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("cannot read lz4: negative offset %d", off)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	done := 0
	for done < len(p) && off+int64(done) < x.size {
		at := off + int64(done)
		b, err := x.block(int(at / x.unit))
		if err != nil {
			return done, fmt.Errorf("cannot read lz4: %w", err)
		}
		done += copy(p[done:], b[at%x.unit:])
	}
	if done < len(p) {
		return done, io.EOF
	}
	return done, nil
}
