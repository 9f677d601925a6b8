package bsdiff

import (
	"encoding/binary"
	"errors"
	"index/suffixarray"
	"math/bits"
)

// sortSuffixes gives the starts of all suffixes of text in order. The standard
// library has a fast linear sort but shows its result only as the stream that
// suffixarray.Index.Write saves, so that is what is read here.
func sortSuffixes(text []byte) ([]int32, error) {
	s := saved{text: len(text), order: make([]int32, 0, len(text))}
	if len(text) == 0 {
		return s.order, nil
	}
	if err := suffixarray.New(text).Write(&s); err != nil {
		return nil, err
	}
	if len(s.order) != len(text) {
		return nil, errSaved
	}
	return s.order, nil
}

var errSaved = errors.New("the standard library's suffix array is saved in another form than expected")

// saved takes in the stream: the length in ten bytes, the text, then chunks of
// unsigned varints, each behind its size in ten bytes.
type saved struct {
	text  int
	seen  int // bytes of length and text
	order []int32
}

func (s *saved) Write(b []byte) (int, error) {
	n := len(b)
	if head := binary.MaxVarintLen64 + s.text; s.seen < head {
		if n > head-s.seen {
			return 0, errSaved
		}
		s.seen += n
		return n, nil
	}
	if n < binary.MaxVarintLen64 {
		return 0, errSaved
	}
	if size, k := binary.Varint(b); k <= 0 || size != int64(n) {
		return 0, errSaved
	}
	for b = b[binary.MaxVarintLen64:]; len(b) > 0; {
		v, k := binary.Uvarint(b)
		if k <= 0 || v >= uint64(s.text) || len(s.order) == s.text {
			return 0, errSaved
		}
		s.order = append(s.order, int32(v))
		b = b[k:]
	}
	return n, nil
}

// index finds the longest match of a text in another.
type index struct {
	text  []byte
	order []int32
	// first[k] is the first suffix, in order, whose two leading bytes are k or
	// more; a suffix of one byte counts as followed by zero.
	first []int32
}

func newIndex(text []byte, order []int32) index {
	x := index{text: text, order: order, first: make([]int32, 1<<16+1)}
	for i := range text {
		k := int(text[i]) << 8
		if i+1 < len(text) {
			k |= int(text[i+1])
		}
		x.first[k+1]++
	}
	for k := 1; k < len(x.first); k++ {
		x.first[k] += x.first[k-1]
	}
	return x
}

// longest gives where in the text the longest prefix of b stands, and how long it
// is. One byte at the end of b is not looked for.
func (x *index) longest(b []byte) (pos, length int) {
	if len(b) < 2 {
		return 0, 0
	}
	k := int(b[0])<<8 | int(b[1])
	lo, hi := int(x.first[k]), int(x.first[k+1])
	if lo == hi {
		return 0, 0
	}
	// Suffixes below lo are less than b, those from hi on greater; what b
	// shares with both neighbours it shares with all between.
	var atLo, atHi int
	for lo < hi {
		mid := int(uint(lo+hi) >> 1)
		s := x.text[x.order[mid]:]
		n := shared(s, b, min(atLo, atHi))
		if n > length {
			pos, length = int(x.order[mid]), n
		}
		if n == len(b) {
			break
		}
		if n == len(s) || s[n] < b[n] {
			lo, atLo = mid+1, n
		} else {
			hi, atHi = mid, n
		}
	}
	return pos, length
}

// shared is the length of the common prefix of a and b, at least n.
func shared(a, b []byte, n int) int {
	m := min(len(a), len(b))
	a, b = a[:m], b[:m]
	for n+8 <= m {
		if d := binary.LittleEndian.Uint64(a[n:]) ^ binary.LittleEndian.Uint64(b[n:]); d != 0 {
			return n + bits.TrailingZeros64(d)/8
		}
		n += 8
	}
	for n < m && a[n] == b[n] {
		n++
	}
	return n
}
