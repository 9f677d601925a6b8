package blockota

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/fridayos/friday/android/tree"
)

// Range is the blocks from Start up to, and without, End.
type Range struct{ Start, End int64 }

// RangeSet is blocks in the order in which they are read and written.
type RangeSet []Range

// Blocks is how many blocks s has.
func (s RangeSet) Blocks() (n int64) {
	for _, r := range s {
		n += r.End - r.Start
	}
	return n
}

// String writes s as lists do: "2,0,16".
func (s RangeSet) String() string {
	var b strings.Builder
	b.WriteString(strconv.Itoa(2 * len(s)))
	for _, r := range s {
		fmt.Fprintf(&b, ",%d,%d", r.Start, r.End)
	}
	return b.String()
}

// ParseRanges reads a set as lists and scripts write it: "2,0,16".
func ParseRanges(text string) (RangeSet, error) {
	p := &parser{words: []string{text}}
	set, err := p.set()
	if err != nil {
		return nil, fmt.Errorf("cannot read ranges: %w", err)
	}
	return set, nil
}

// overlaps says whether s and o share a block.
func (s RangeSet) overlaps(o RangeSet) bool {
	s, o = s.sorted(), o.sorted()
	for len(s) > 0 && len(o) > 0 {
		switch {
		case s[0].End <= o[0].Start:
			s = s[1:]
		case o[0].End <= s[0].Start:
			o = o[1:]
		default:
			return true
		}
	}
	return false
}

func (s RangeSet) sorted() RangeSet {
	byStart := func(a, b Range) int { return cmp.Compare(a.Start, b.Start) }
	if slices.IsSortedFunc(s, byStart) {
		return s
	}
	s = slices.Clone(s)
	slices.SortFunc(s, byStart)
	return s
}

// last is the first block behind s.
func (s RangeSet) last() (n int64) {
	for _, r := range s {
		n = max(n, r.End)
	}
	return n
}

// SHA1 is the sum, in hex, of the blocks of s on a partition of size bytes.
func (s RangeSet) SHA1(ctx context.Context, dev io.ReaderAt, size int64) (string, error) {
	if end := s.last() * BlockSize; end > size {
		return "", fmt.Errorf("cannot sum blocks: they end at byte %d, the partition at %d", end, size)
	}
	im := &tree.Image{}
	for _, r := range s {
		im.AppendRange(dev, r.Start*BlockSize, (r.End-r.Start)*BlockSize)
	}
	return (&applier{ctx: ctx, buf: make([]byte, 1<<20)}).sum(im)
}
