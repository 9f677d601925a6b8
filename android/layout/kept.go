package layout

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/fridayos/friday/android/tree"
)

// Kept are the ranges of bytes that are known to be the same in two images, by
// their maps alone: content that did not change and did not move, and what is free
// in both. They are in order and do not overlap.
func Kept(was, is *Map) []tree.Range {
	if was == nil || is == nil || was.FS != is.FS || was.Packing != is.Packing {
		return nil
	}
	var same []Extent
	for i := range is.Files {
		f := &is.Files[i]
		old := was.Lookup(f.Path)
		if old != nil && f.Digest != (Digest{}) && old.Digest == f.Digest && slices.Equal(old.Extents, f.Extents) {
			same = append(same, f.Extents...)
		}
	}
	n := min(was.Blocks, is.Blocks)
	a, b := was.Used(n), is.Used(n)
	for i := int64(0); i < n; {
		if i%64 == 0 && (a[i/64]|b[i/64] == ^uint64(0)) {
			i += 64
			continue
		}
		from := i
		for i < n && (a[i/64]|b[i/64])>>(i%64)&1 == 0 {
			i++
		}
		if i > from {
			same = append(same, Extent{Start: from, Count: i - from})
		} else {
			i++
		}
	}
	return ranges(same, n)
}

// ranges joins extents below a limit to ranges of bytes.
func ranges(es []Extent, limit int64) []tree.Range {
	slices.SortFunc(es, func(a, b Extent) int { return cmp.Compare(a.Start, b.Start) })
	var out []tree.Range
	for _, e := range es {
		from, to := e.Start*Block, min(e.Start+e.Count, limit)*Block
		if i := len(out) - 1; i >= 0 && out[i].Offset+out[i].Length >= from {
			out[i].Length = max(out[i].Length, to-out[i].Offset)
		} else if to > from {
			out = append(out, tree.Range{Offset: from, Length: to - from})
		}
	}
	return out
}

// Used says of the first n blocks, a bit each, whether anything lies there.
func (m *Map) Used(n int64) []uint64 {
	used := make([]uint64, (n+63)/64)
	mark := func(es []Extent) {
		for _, e := range es {
			for i := e.Start; i < min(e.Start+e.Count, n); i++ {
				used[i/64] |= 1 << (i % 64)
			}
		}
	}
	for _, a := range m.Areas {
		mark(a.Extents)
	}
	for i := range m.Files {
		mark(m.Files[i].Extents)
		mark(m.Files[i].Nodes)
	}
	return used
}

// Changed are the blocks of an image, from byte from up to byte to, that are not as
// in the one before; what kept names is not read. Where the one before has ended,
// all are. Ranges are whole blocks, but for the end of the image.
func Changed(ctx context.Context, was io.ReaderAt, wasSize int64, is io.ReaderAt, from, to int64, kept []tree.Range) ([]tree.Range, error) {
	var out []tree.Range
	add := func(off, n int64) {
		if i := len(out) - 1; i >= 0 && out[i].Offset+out[i].Length == off {
			out[i].Length += n
		} else {
			out = append(out, tree.Range{Offset: off, Length: n})
		}
	}
	old, now := make([]byte, 1<<20), make([]byte, 1<<20)
	compare := func(off, end int64) error {
		for off < end {
			if err := ctx.Err(); err != nil {
				return err
			}
			n := min(int64(len(now)), end-off)
			if off >= wasSize {
				add(off, end-off)
				return nil
			}
			there := min(n, wasSize-off)
			if err := tree.ReadFull(is, now[:n], off); err != nil {
				return err
			}
			if err := tree.ReadFull(was, old[:there], off); err != nil {
				return err
			}
			for i := int64(0); i < n; i += Block {
				k := min(Block, n-i)
				if i+k > there || !bytes.Equal(old[i:i+k], now[i:i+k]) {
					add(off+i, k)
				}
			}
			off += n
		}
		return nil
	}
	at := from
	for _, k := range kept {
		if k.Offset+k.Length <= at {
			continue
		}
		if k.Offset >= to {
			break
		}
		if err := compare(at, k.Offset); err != nil {
			return nil, fmt.Errorf("cannot compare images: %w", err)
		}
		at = max(at, k.Offset+k.Length)
	}
	if err := compare(at, to); err != nil {
		return nil, fmt.Errorf("cannot compare images: %w", err)
	}
	return out, nil
}

// Blocks counts the blocks of ranges that begin at blocks.
func Blocks(rs []tree.Range) int64 {
	n := int64(0)
	for _, r := range rs {
		n += (r.Length + Block - 1) / Block
	}
	return n
}
