// Package lz4fit compresses as much of its input as fits into a given space, as
// one LZ4 block. EROFS wants that: its clusters have a fixed size on disk, and
// hold as much content as goes in.
//
// It writes blocks without a frame and reads none (github.com/pierrec/lz4 does).
// The format: https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md
package lz4fit

import (
	"encoding/binary"
	"math/bits"
)

// The rules of the format that decoders count on.
const (
	minMatch    = 4
	lastLits    = 5  // the block ends with so many literals
	matchToEnd  = 12 // the last match starts so many bytes before the end
	maxDistance = 1<<16 - 1
)

const (
	hashBits  = 16
	chainSize = 1 << 16
	maxBase   = 1 << 30
	nice      = 256 // a match so long is taken without looking further
)

// Compressor holds the tables of one goroutine: 512 KiB.
type Compressor struct {
	depth int  // candidates looked at
	lazy  bool // a match waits for the next byte's
	best  bool // prices decide
	base  int  // positions below it are of earlier calls
	head  []int32
	chain []int32
	ways  []way
	steps []step
}

// MaxInput is the most that one call takes, in bytes.
const MaxInput = 1 << 23

// New makes a compressor. Level 0 is fast; 1 to 8 defer a match by a byte where
// the next one is longer, and look at twice as many candidates each; 9 looks at
// 256 and takes the cheapest of all ways through them.
func New(level int) *Compressor {
	c := &Compressor{depth: 1, head: make([]int32, 1<<hashBits), chain: make([]int32, chainSize)}
	if level > 0 {
		c.depth, c.lazy, c.best = 1<<(min(level, 9)-1), true, level >= 9
	}
	return c
}

func hash(v uint32) uint32 { return v * 2654435761 >> (32 - hashBits) }

func extra(n int) int {
	if n < 15 {
		return 0
	}
	return (n-15)/255 + 1
}

// cost is how many bytes a sequence takes.
func cost(literals, match int) int {
	return 1 + extra(literals) + literals + 2 + extra(match-minMatch)
}

// most is how many literals fit, with their token, into n bytes.
func most(n int) int {
	if n <= 1 {
		return 0
	}
	l := n - 1
	for l > 0 && 1+extra(l)+l > n {
		l--
	}
	return l
}

// Fit compresses a beginning of src into dst: packed bytes of dst hold consumed
// bytes of src. As much as possible is consumed; what does not compress is
// stored. Of src at most MaxInput bytes are looked at.
func (c *Compressor) Fit(dst, src []byte) (packed, consumed int) {
	src = src[:min(len(src), MaxInput)]
	if c.base > maxBase {
		c.base = 0
	}
	if c.base == 0 {
		clear(c.head)
		c.base = chainSize + 1
	}
	e := encoder{dst: dst}
	last := len(src) - matchToEnd // where the last match may start
	i, indexed := 0, 0
	for misses := 0; i <= last; {
		if 1+extra(i-e.anchor)+i-e.anchor > len(dst)-e.out {
			break // the literals alone fill the space
		}
		indexed = c.index(src, indexed, i)
		at, n := c.find(src, i, last)
		if n == 0 {
			misses++
			i++
			if !c.lazy {
				i += misses >> 6
			}
			continue
		}
		misses = 0
		if c.best {
			next, done, ok := c.optimal(src, &e, i, last, indexed, at, n)
			if indexed = done; !ok {
				i = max(i, e.anchor)
				break
			}
			i = next
			continue
		}
		if c.lazy && i < last && n < nice {
			indexed = c.index(src, indexed, i+1)
			if at2, n2 := c.find(src, i+1, last); n2 > n+1 {
				i, at, n = i+1, at2, n2
			}
		}
		if !e.sequence(src, i, i-at, n) {
			break
		}
		i = e.anchor
	}
	c.base += min(max(i, indexed)+1, len(src)) + chainSize
	return e.literals(src)
}

// index enters the positions from..to of src.
func (c *Compressor) index(src []byte, from, to int) int {
	if !c.lazy {
		from = max(from, to-1) // a fast one leaves out what matches cover
	}
	for ; from < to; from++ {
		c.enter(src, from)
	}
	return from
}

func (c *Compressor) enter(src []byte, i int) {
	h := hash(binary.LittleEndian.Uint32(src[i:]))
	p := int32(c.base + i)
	c.chain[p&(chainSize-1)] = c.head[h]
	c.head[h] = p
}

// find looks for the longest match of position i; n is 0 if there is none.
func (c *Compressor) find(src []byte, i, last int) (at, n int) {
	v := binary.LittleEndian.Uint32(src[i:])
	limit := len(src) - lastLits
	p := int(c.head[hash(v)])
	for tries := c.depth; tries > 0; tries-- {
		cand := p - c.base
		if cand < 0 || cand >= i || i-cand > maxDistance {
			break
		}
		if binary.LittleEndian.Uint32(src[cand:]) == v && (n == 0 || i+n < limit && src[cand+n] == src[i+n]) {
			if l := minMatch + matching(src[cand+minMatch:], src[i+minMatch:limit]); l > n {
				at, n = cand, l
			}
			if n >= nice || i+n >= limit {
				break
			}
		}
		next := int(c.chain[p&(chainSize-1)])
		if next >= p {
			break // overwritten
		}
		p = next
	}
	return at, n
}

// matching is how many bytes a and b begin with in common; b is not longer.
func matching(a, b []byte) int {
	n := 0
	for len(b)-n >= 8 {
		if x := binary.LittleEndian.Uint64(a[n:]) ^ binary.LittleEndian.Uint64(b[n:]); x != 0 {
			return n + bits.TrailingZeros64(x)/8
		}
		n += 8
	}
	for n < len(b) && a[n] == b[n] {
		n++
	}
	return n
}

// encoder writes sequences.
type encoder struct {
	dst    []byte
	out    int
	anchor int // what is before it was written
}

// sequence writes the literals up to i and a match of n bytes, shortened if it
// must be; false: there is no room for it and an end behind it.
func (e *encoder) sequence(src []byte, i, distance, n int) bool {
	room := len(e.dst) - e.out
	lits := i - e.anchor
	for {
		if n < minMatch {
			return false
		}
		end := max(lastLits, matchToEnd-n) // literals that have to follow
		need := cost(lits, n) + 1 + end
		if need <= room {
			break
		}
		// Only the length's own bytes can be saved.
		over := need - room
		if x := extra(n - minMatch); x == 0 || over > x {
			return false
		}
		n -= (n-minMatch-15)%255 + 1
	}
	e.token(lits, n-minMatch)
	e.out += copy(e.dst[e.out:], src[e.anchor:i])
	e.dst[e.out], e.dst[e.out+1] = byte(distance), byte(distance>>8)
	e.out += 2
	e.length(n - minMatch)
	e.anchor = i + n
	return true
}

// token writes a sequence's first byte, and the rest of the literals' length.
func (e *encoder) token(literals, match int) {
	e.dst[e.out] = byte(min(literals, 15)<<4 | min(match, 15))
	e.out++
	e.length(literals)
}

func (e *encoder) length(n int) {
	if n < 15 {
		return
	}
	for n -= 15; n >= 255; n -= 255 {
		e.dst[e.out] = 255
		e.out++
	}
	e.dst[e.out] = byte(n)
	e.out++
}

// literals ends the block with as many as fit.
func (e *encoder) literals(src []byte) (packed, consumed int) {
	n := min(most(len(e.dst)-e.out), len(src)-e.anchor)
	if n <= 0 {
		return e.out, e.anchor
	}
	e.token(n, 0)
	e.out += copy(e.dst[e.out:], src[e.anchor:e.anchor+n])
	return e.out, e.anchor + n
}
