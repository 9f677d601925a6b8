package layout

import "math/bits"

// Space hands out blocks: those that are asked for if they are free, else the
// first that are. Equal questions in equal order have equal answers.
type Space struct {
	used  []uint64
	n     int64 // blocks
	open  bool
	first int64 // no block below is free
}

// NewSpace is a space of n blocks; open lets it grow.
func NewSpace(n int64, open bool) *Space {
	return &Space{used: make([]uint64, (n+63)/64), n: n, open: open}
}

// Blocks is how many there are by now.
func (s *Space) Blocks() int64 { return s.n }

// Taken says whether a block is in use. One past the end of a closed space is.
func (s *Space) Taken(i int64) bool {
	if i < 0 || i >= s.n {
		return i < 0 || !s.open
	}
	return s.used[i/64]>>(i%64)&1 != 0
}

// Free says whether n blocks from start on are.
func (s *Space) Free(start, n int64) bool {
	for i := start; i < start+n; i++ {
		if s.Taken(i) {
			return false
		}
	}
	return true
}

// Claim marks blocks as in use.
func (s *Space) Claim(start, n int64) {
	s.Extend(start + n)
	for i := start; i < start+n; i++ {
		s.used[i/64] |= 1 << (i % 64)
	}
	for s.first < s.n && s.Taken(s.first) {
		s.first++
	}
}

// Extend makes it n blocks, if it has fewer.
func (s *Space) Extend(n int64) {
	for s.n = max(s.n, n); int64(len(s.used)) < (s.n+63)/64; {
		s.used = append(s.used, 0)
	}
}

// Next is the first free run from block i on; n is 0 if there is none.
func (s *Space) Next(i int64) (start, n int64) {
	for i < s.n {
		if w := ^s.used[i/64] >> (i % 64); w != 0 {
			i += int64(bits.TrailingZeros64(w))
			break
		}
		i = (i/64 + 1) * 64
	}
	start = min(i, s.n)
	for i = start; i < s.n && !s.Taken(i); {
		if i%64 == 0 && s.used[i/64] == 0 {
			i = min(i+64, s.n)
		} else {
			i++
		}
	}
	return start, i - start
}

// Run takes n blocks that follow each other: the first place where they fit. An
// open space grows if there is none, from the free blocks at its end on. ok is
// false if a closed one has none.
func (s *Space) Run(n int64) (start int64, ok bool) { return s.RunFrom(0, n) }

// RunFrom is Run from block from on.
func (s *Space) RunFrom(from, n int64) (start int64, ok bool) {
	for i := max(from, s.first); ; {
		start, have := s.Next(i)
		if have >= n || s.open && start+have == s.n {
			s.Claim(start, n)
			return start, true
		}
		if have == 0 {
			return 0, false
		}
		i = start + have
	}
}

// Grown is the size for an image that has outgrown its room: with some to spare, so
// that what follows the file system does not move every week.
func Grown(blocks int64) int64 {
	const unit = 256
	return (blocks + blocks/128 + unit - 1) / unit * unit
}

// Pieces takes n blocks: in one piece if there is one, else the first free ones.
// Of a closed space that has too few, it takes none.
func (s *Space) Pieces(n int64) ([]Extent, bool) {
	if start, ok := s.Run(n); ok {
		return []Extent{{Start: start, Count: n}}, true
	}
	var out []Extent
	left := n
	for i := s.first; left > 0; {
		start, have := s.Next(i)
		if have == 0 {
			return nil, false
		}
		k := min(have, left)
		out = append(out, Extent{Start: start, Count: k})
		left -= k
		i = start + have
	}
	for _, e := range out {
		s.Claim(e.Start, e.Count)
	}
	return out, true
}
