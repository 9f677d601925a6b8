package blockota

import (
	"cmp"
	"fmt"
	"io"
	"slices"

	"github.com/fridayos/friday/android/tree"
)

// Incremental says whether the list needs what the partition held before.
func (l *List) Incremental() bool {
	return slices.ContainsFunc(l.Commands, func(c Command) bool {
		return c.Kind == Move || c.Kind == BSDiff || c.Kind == IMGDiff || c.Kind == Stash
	})
}

// End is the first block behind all that the list writes: the least size of the
// partition, in blocks.
func (l *List) End() (n int64) {
	for _, c := range l.Commands {
		n = max(n, c.Target.last())
	}
	return n
}

// Image shows what a full list makes, without writing it: ranges of .new.dat,
// which has newSize bytes, and zeros. A list that needs what was there before is
// refused: apply it. So is one that computes a hash tree.
func (l *List) Image(newData io.ReaderAt, newSize int64) (*tree.Image, error) {
	type piece struct {
		Range
		at int64 // in newData; -1: zeros
	}
	var pieces []piece
	at := int64(0)
	for _, c := range l.Commands {
		switch c.Kind {
		case New, Zero, Erase:
		default:
			return nil, fmt.Errorf("cannot show image of transfer list: line %d: %s needs a partition to work on", c.Line, c.Kind)
		}
		for _, r := range c.Target {
			switch c.Kind {
			case New:
				pieces = append(pieces, piece{r, at})
				at += (r.End - r.Start) * BlockSize
			case Zero:
				pieces = append(pieces, piece{r, -1})
			}
		}
	}
	if at != newSize {
		return nil, fmt.Errorf("cannot show image of transfer list: its new blocks take %d bytes, .new.dat has %d", at, newSize)
	}
	slices.SortFunc(pieces, func(a, b piece) int { return cmp.Compare(a.Start, b.Start) })
	im, block := &tree.Image{}, int64(0)
	for _, p := range pieces {
		if p.Start < block {
			return nil, fmt.Errorf("cannot show image of transfer list: block %d is written twice", p.Start)
		}
		im.AppendZeros((p.Start - block) * BlockSize)
		if n := (p.End - p.Start) * BlockSize; p.at < 0 {
			im.AppendZeros(n)
		} else {
			im.AppendRange(newData, p.at, n)
		}
		block = p.End
	}
	im.AppendZeros((l.End() - block) * BlockSize) // erased
	return im, nil
}

// maxCommand is how many blocks one command of Write has, as AOSP's have.
const maxCommand = 1024

// Write makes a full package of an image: it writes .new.dat to newData and
// returns the list (version 4) that goes with it. The image's size must be a
// multiple of BlockSize. Memory does not grow with the image but for the list.
func Write(image io.Reader, size int64, newData io.Writer) (*List, error) {
	if size <= 0 || size%BlockSize != 0 || size/BlockSize > maxBlock {
		return nil, fmt.Errorf("cannot write block package: image has %d bytes, expected a multiple of %d", size, BlockSize)
	}
	blocks := size / BlockSize
	var data, zeros RangeSet
	buf := make([]byte, maxCommand*BlockSize)
	for at := int64(0); at < blocks; {
		n := min(blocks-at, maxCommand)
		b := buf[:n*BlockSize]
		if _, err := io.ReadFull(image, b); err != nil {
			return nil, fmt.Errorf("cannot write block package: image at block %d of %d: %w", at, blocks, err)
		}
		for i := int64(0); i < n; {
			zero, j := isZero(b[i*BlockSize:][:BlockSize]), i+1
			for j < n && isZero(b[j*BlockSize:][:BlockSize]) == zero {
				j++
			}
			if zero {
				zeros = zeros.extend(at+i, at+j)
			} else {
				data = data.extend(at+i, at+j)
				if _, err := newData.Write(b[i*BlockSize : j*BlockSize]); err != nil {
					return nil, fmt.Errorf("cannot write block package: %w", err)
				}
			}
			i = j
		}
		at += n
	}
	l := &List{Version: 4, Blocks: blocks}
	l.add(Erase, RangeSet{{0, blocks}}, blocks)
	l.add(New, data, maxCommand)
	l.add(Zero, zeros, maxCommand)
	return l, nil
}

func (s RangeSet) extend(start, end int64) RangeSet {
	if n := len(s); n > 0 && s[n-1].End == start {
		s[n-1].End = end
		return s
	}
	return append(s, Range{start, end})
}

// add puts a set into commands of at most limit blocks.
func (l *List) add(k Kind, s RangeSet, limit int64) {
	var now RangeSet
	left := limit
	flush := func() {
		if len(now) > 0 {
			l.Commands = append(l.Commands, Command{Kind: k, Target: now})
		}
		now, left = nil, limit
	}
	for _, r := range s {
		for r.Start < r.End {
			n := min(r.End-r.Start, left)
			now = append(now, Range{r.Start, r.Start + n})
			r.Start += n
			if left -= n; left == 0 {
				flush()
			}
		}
	}
	flush()
}

func isZero(b []byte) bool {
	for _, v := range b {
		if v != 0 {
			return false
		}
	}
	return true
}
