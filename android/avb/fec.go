package avb

import (
	"bytes"
	"context"
	"fmt"
	"io"

	"github.com/fridayos/friday/android/tree"
)

// Error correction as dm-verity does it: Reed-Solomon over GF(256), polynomial
// 0x11d, first root 1. What is covered (data and tree) is taken as 255-roots columns
// of the same length, the last ones zero; byte i of all columns is one message,
// and its parity bytes lie at i*roots.

const (
	fecPolynomial      = 0x11d
	minRoots, maxRoots = 2, 24
	fecStrip           = 32 << 10 // with its parity below one chunk
)

type fecCode struct {
	roots int
	gen   [][256]byte // multiplication by the generator's coefficients, highest first
}

func newFECCode(roots int) (*fecCode, error) {
	if roots < minRoots || roots > maxRoots {
		return nil, fmt.Errorf("number of FEC roots is %d, expected %d to %d", roots, minRoots, maxRoots)
	}
	coefficients := []byte{1} // lowest first
	root := byte(1)
	for range roots {
		next := make([]byte, len(coefficients)+1)
		for i, c := range coefficients {
			next[i+1] ^= c
			next[i] ^= gfMul(c, root)
		}
		coefficients, root = next, gfMul(root, 2)
	}
	c := &fecCode{roots: roots, gen: make([][256]byte, roots)}
	for i := range roots {
		for x := range 256 {
			c.gen[i][x] = gfMul(coefficients[roots-1-i], byte(x))
		}
	}
	return c, nil
}

func gfMul(a, b byte) (p byte) {
	for x := uint(a); b != 0; b >>= 1 {
		if b&1 != 0 {
			p ^= byte(x)
		}
		if x <<= 1; x&0x100 != 0 {
			x ^= fecPolynomial
		}
	}
	return p
}

// column is the length of one column, size that of the parity.
func (c *fecCode) column(covered int64, block int) int64 {
	blocks := covered / int64(block)
	columns := int64(255 - c.roots)
	return (blocks + columns - 1) / columns * int64(block)
}

func (c *fecCode) size(covered int64, block int) int64 {
	return c.column(covered, block) * int64(c.roots)
}

// run hands the parity of the first covered bytes of r to take, in order.
func (c *fecCode) run(ctx context.Context, r io.ReaderAt, covered int64, block int, take func([]byte) error) error {
	column := c.column(covered, block)
	return inOrder(ctx, (column+fecStrip-1)/fecStrip, func(strip int64, buf []byte) ([]byte, error) {
		at := strip * fecStrip
		n := int(min(fecStrip, column-at))
		data, state := buf[:n], buf[n:n+n*c.roots]
		clear(state)
		for j := range int64(255 - c.roots) {
			off := at + j*column
			left := max(0, min(int64(n), covered-off))
			if err := tree.ReadFull(r, data[:left], off); left > 0 && err != nil {
				return nil, err
			}
			clear(data[left:])
			c.update(state, data)
		}
		parity := make([]byte, 0, n*c.roots)
		for i := range n {
			for k := range c.roots {
				parity = append(parity, state[k*n+i])
			}
		}
		return parity, nil
	}, take)
}

// update shifts one byte into each of len(data) registers; the k-th cell of all
// registers lies together.
func (c *fecCode) update(state, data []byte) {
	n := len(data)
	if c.roots == 2 {
		p0, p1 := state[:n], state[n:2*n]
		g0, g1 := &c.gen[0], &c.gen[1]
		for i, d := range data {
			f := d ^ p0[i]
			p0[i] = p1[i] ^ g0[f]
			p1[i] = g1[f]
		}
		return
	}
	for i, d := range data {
		f := d ^ state[i]
		for k := range c.roots - 1 {
			state[k*n+i] = state[(k+1)*n+i] ^ c.gen[k][f]
		}
		state[(c.roots-1)*n+i] = c.gen[c.roots-1][f]
	}
}

// VerifyFEC recomputes the error correction that d describes and compares. A phone
// does not look at it until a block is damaged.
func VerifyFEC(ctx context.Context, d *HashtreeDescriptor, r io.ReaderAt, size int64) error {
	fail := func(err error) error {
		return fmt.Errorf("cannot verify FEC of partition %s: %w", d.Partition, err)
	}
	g, err := d.check(size)
	if err != nil {
		return fail(err)
	}
	c, err := newFECCode(int(min(d.FECRoots, maxRoots+1)))
	if err != nil {
		return fail(err)
	}
	covered := int64(d.ImageSize) + g.treeSize
	if d.TreeOffset != d.ImageSize {
		return fail(fmt.Errorf("the hash tree lies at %d, expected right behind the image at %d", d.TreeOffset, d.ImageSize))
	}
	if want := c.size(covered, g.dataBlock); d.FECSize != uint64(want) {
		return fail(fmt.Errorf("fec_size is %d, expected %d", d.FECSize, want))
	}
	if d.FECOffset > uint64(size) || d.FECSize > uint64(size)-d.FECOffset {
		return fail(fmt.Errorf("fec_offset %d and fec_size %d reach past the partition's end at %d", d.FECOffset, d.FECSize, size))
	}
	at, found := int64(d.FECOffset), make([]byte, fecStrip*c.roots)
	err = c.run(ctx, r, covered, g.dataBlock, func(want []byte) error {
		f := found[:len(want)]
		if err := tree.ReadFull(r, f, at); err != nil {
			return err
		}
		if !bytes.Equal(f, want) {
			return fmt.Errorf("the parity at offset %d to %d does not match the data", at, at+int64(len(want)))
		}
		at += int64(len(want))
		return nil
	})
	if err != nil {
		return fail(err)
	}
	return nil
}

// FECSize is how many bytes the error correction of covered bytes takes, in blocks
// of 4,096 bytes, with 2 to 24 roots.
func FECSize(covered int64, roots int) (int64, error) {
	const blockSize = 4096
	c, err := newFECCode(roots)
	if err == nil && (covered <= 0 || covered%blockSize != 0) {
		err = fmt.Errorf("what it covers has %d bytes, expected a multiple of %d above 0", covered, blockSize)
	}
	if err != nil {
		return 0, fmt.Errorf("cannot build FEC: %w", err)
	}
	return c.size(covered, blockSize), nil
}

// BuildFEC writes the error correction of the first covered bytes of r, in blocks
// of 4,096 bytes, to w from 0. It must take exactly room bytes.
func BuildFEC(ctx context.Context, r io.ReaderAt, covered int64, roots int, w io.WriterAt, room int64) error {
	const blockSize = 4096
	n, err := FECSize(covered, roots)
	if err != nil {
		return err
	}
	if n != room {
		return fmt.Errorf("cannot build FEC: it takes %d bytes, there is room for %d", n, room)
	}
	c, err := newFECCode(roots)
	at := int64(0)
	if err == nil {
		err = c.run(ctx, r, covered, blockSize, func(parity []byte) error {
			_, err := w.WriteAt(parity, at)
			at += int64(len(parity))
			return err
		})
	}
	if err != nil {
		return fmt.Errorf("cannot build FEC: %w", err)
	}
	return nil
}
