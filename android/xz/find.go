package xz

import (
	"encoding/binary"
	"math/bits"
)

const (
	hash3Bits = 16
	hash4Bits = 19
)

// match is a place where bytes were seen before.
type match struct{ length, dist uint32 } // dist less one

// finder finds earlier occurrences. All places whose next four bytes share a
// hash form a binary tree in the order of what follows them, the newest on top.
type finder struct {
	src   []byte
	next  int // the place to be put in next
	nice  int
	depth int
	// Places are stored plus one; zero is none.
	last2 [1 << 16]int32
	last3 [1 << hash3Bits]int32
	root  [1 << hash4Bits]int32
	sons  []int32 // two for each place: smaller, greater
	found []match
}

func newFinder(src []byte, nice, depth int) *finder {
	return &finder{src: src, nice: nice, depth: depth, sons: make([]int32, 2*len(src)), found: make([]match, 0, maxMatch)}
}

// find puts the next place in and gives the matches there, of growing length and
// distance: for each length the nearest. Lengths stop at nice.
func (f *finder) find() []match {
	pos := f.next
	f.next++
	f.found = f.found[:0]
	limit := min(len(f.src)-pos, f.nice)
	if limit < 4 {
		return f.found
	}
	w := binary.LittleEndian.Uint32(f.src[pos:])
	h2, h3, h4 := w&0xffff, w<<8*0x9e3779b1>>(32-hash3Bits), w*0x9e3779b1>>(32-hash4Bits)
	m2, m3, top := f.last2[h2], f.last3[h3], f.root[h4]
	here := int32(pos + 1)
	f.last2[h2], f.last3[h3], f.root[h4] = here, here, here
	best := 1
	if m2 > 0 {
		best = f.shared(int(m2-1), pos, 2, limit)
		f.found = append(f.found, match{uint32(best), uint32(here - m2 - 1)})
	}
	if m3 > 0 && m3 != m2 && best < limit {
		if n := f.shared(int(m3-1), pos, 0, limit); n > best && n >= 3 {
			best = n
			f.found = append(f.found, match{uint32(best), uint32(here - m3 - 1)})
		}
	}
	f.descend(pos, top, limit, best)
	return f.found
}

// skip puts n places in without looking for matches.
func (f *finder) skip(n int) {
	for ; n > 0; n-- {
		pos := f.next
		f.next++
		limit := min(len(f.src)-pos, f.nice)
		if limit < 4 {
			continue
		}
		w := binary.LittleEndian.Uint32(f.src[pos:])
		h4 := w * 0x9e3779b1 >> (32 - hash4Bits)
		here := int32(pos + 1)
		top := f.root[h4]
		f.last2[w&0xffff], f.last3[w<<8*0x9e3779b1>>(32-hash3Bits)], f.root[h4] = here, here, here
		f.descend(pos, top, limit, limit)
	}
}

// descend makes pos the top of its tree: on the way down every place is hung to
// the side where it belongs. Matches longer than best are noted.
func (f *finder) descend(pos int, top int32, limit, best int) {
	src, sons := f.src, f.sons
	here := src[pos : pos+limit]
	smaller, greater := 2*pos, 2*pos+1 // where the next place of each side is hung
	var nSmaller, nGreater int
	for depth := f.depth; top > 0 && depth > 0; depth-- {
		at := int(top - 1)
		there := src[at : at+limit]
		pair := sons[2*at : 2*at+2 : 2*at+2]
		n := min(nSmaller, nGreater)
		if there[n] == here[n] {
			if n = shared(there, here, n+1); n > best {
				best = n
				f.found = append(f.found, match{uint32(n), uint32(pos - at - 1)})
			}
			if n == limit {
				sons[smaller], sons[greater] = pair[0], pair[1]
				return
			}
		}
		if there[n] < here[n] {
			sons[smaller] = top
			smaller, nSmaller = 2*at+1, n
			top = pair[1]
		} else {
			sons[greater] = top
			greater, nGreater = 2*at, n
			top = pair[0]
		}
	}
	sons[smaller], sons[greater] = 0, 0
}

// shared counts the bytes from n up to limit that two places have in common.
func (f *finder) shared(a, b, n, limit int) int {
	return shared(f.src[a:a+limit], f.src[b:b+limit], n)
}

// shared is the length of the common prefix of two texts of one length, of which
// n bytes are known to agree.
func shared(a, b []byte, n int) int {
	b = b[:len(a)]
	for ; n+8 <= len(a); n += 8 {
		if d := binary.LittleEndian.Uint64(a[n:]) ^ binary.LittleEndian.Uint64(b[n:]); d != 0 {
			return n + bits.TrailingZeros64(d)/8
		}
	}
	for n < len(a) && a[n] == b[n] {
		n++
	}
	return n
}
