package lzma2

import "errors"

// A prob is the chance of a zero bit, in 1/2048.
type prob = uint16

const (
	probBits = 11
	probHalf = 1 << (probBits - 1)
	probMove = 5

	minMatch   = 2
	lenClasses = 4 // of lengths 2, 3, 4, more: the context of distances
	alignBits  = 4 // low bits of far distances
)

// model is what the decoder has learnt. Its parts have sizes that spare the checks
// of indices.
type model struct {
	literal    [1 << maxLiteralBits][0x300]prob
	isMatch    [16][16]prob // by state and position
	isRep0Long [16][16]prob
	isRep      [16]prob
	isRep0     [16]prob
	isRep1     [16]prob
	isRep2     [16]prob
	slot       [4][64]prob
	special    [128 + 64]prob
	align      [64]prob // 16 of them
	matchLen   lengths
	repLen     lengths
}

type lengths struct {
	choice, choice2 prob
	low, mid        [16][8]prob
	high            [256]prob
}

// lzma decodes the chunks of LZMA2 into a window.
type lzma struct {
	model
	state  uint32
	reps   [4]uint32 // less one
	lc, lp uint32    // high bits of the byte before, low bits of the position: a literal's context
	pbMask uint32    // low bits of the position: other contexts

	out   []byte // the window
	pos   int    // what is decoded of it
	start int    // of the dictionary
	base  int    // what the position in the dictionary's stream is counted from

	packed [packedRoom]byte // a chunk
}

const (
	maxLiteralBits = 4 // LZMA2's bound of lc+lp
	// packedRoom is a power of two above the largest chunk and what a symbol may
	// read past its end.
	packedRoom = 2 * maxPacked
	packedMask = packedRoom - 1
	pastEnd    = 32

	rangeTop = 1 << 24
	// probNudge makes of what is left of a probability to 1 what is to be added.
	probNudge = 1<<32 + 1<<probMove - 1 - 1<<probBits
)

var (
	errBefore = errors.New("a copy reaches back before the dictionary's start")
	errBeyond = errors.New("a copy reaches beyond its chunk")
	errFirst  = errors.New("the first packed byte of a chunk is not 0")
	errPacked = errors.New("the packed bytes of a chunk do not end with its content")
)

// bit decodes without a branch, as what comes is hard to foresee. zero has all bits set
// if the bit is 0. The range must have been filled up.
func bit(width, code uint32, p prob) (width2, code2 uint32, p2 prob, zero uint32) {
	bound := width >> probBits * uint32(p)
	zero = uint32((int64(code) - int64(bound)) >> 63)
	return bound&zero | (width-bound)&^zero, code - bound&^zero, prob(uint32(p) - uint32(int32(uint32(p)+zero&probNudge)>>probMove)), zero
}

// tree decodes a number of as many bits as probs has for, highest first; it comes
// with a one in front.
func tree(src *[packedRoom]byte, probs []prob, width, code uint32, at int) (uint32, uint32, uint32, int) {
	v := uint32(1)
	for int(v) < len(probs) {
		if width < rangeTop {
			width, code, at = width<<8, code<<8|uint32(src[at&packedMask]), at+1
		}
		var zero uint32
		width, code, probs[v], zero = bit(width, code, probs[v])
		v = v<<1 + 1 + zero
	}
	return v, width, code, at
}

// reverse decodes n bits, lowest first.
func reverse(src *[packedRoom]byte, probs *[64]prob, n, width, code uint32, at int) (uint32, uint32, uint32, int) {
	v, low := uint32(1), uint32(0)
	for i := range n {
		if width < rangeTop {
			width, code, at = width<<8, code<<8|uint32(src[at&packedMask]), at+1
		}
		var zero uint32
		width, code, probs[v&63], zero = bit(width, code, probs[v&63])
		v = v<<1 + 1 + zero
		low |= (1 + zero) << (i & 31)
	}
	return low, width, code, at
}

// matched decodes a literal where the byte at the last distance, which is match, is
// known to be wrong: a context for as long as it agrees.
func matched(src *[packedRoom]byte, probs *[0x300]prob, match, width, code uint32, at int) (uint32, uint32, uint32, int) {
	v, offset := uint32(1), uint32(0x100)
	for v < 0x100 {
		if width < rangeTop {
			width, code, at = width<<8, code<<8|uint32(src[at&packedMask]), at+1
		}
		match <<= 1
		b := match & offset
		k := offset + b + v
		if k >= 0x300 {
			break // never: it tells the compiler
		}
		var zero uint32
		width, code, probs[k], zero = bit(width, code, probs[k])
		v = v<<1 + 1 + zero
		offset &= b ^ zero
	}
	return v, width, code, at
}

func fill(p []prob) {
	for i := range p {
		p[i] = probHalf
	}
}

func (l *lengths) reset() {
	l.choice, l.choice2 = probHalf, probHalf
	for i := range l.low {
		fill(l.low[i][:])
		fill(l.mid[i][:])
	}
	fill(l.high[:])
}

func (m *model) reset() {
	for i := range m.literal {
		fill(m.literal[i][:])
	}
	for i := range m.isMatch {
		fill(m.isMatch[i][:])
		fill(m.isRep0Long[i][:])
	}
	for _, p := range [][]prob{m.isRep[:], m.isRep0[:], m.isRep1[:], m.isRep2[:], m.special[:], m.align[:]} {
		fill(p)
	}
	for i := range m.slot {
		fill(m.slot[i][:])
	}
	m.matchLen.reset()
	m.repLen.reset()
}

// The state after a symbol; states below 7 follow a literal.
func afterLiteral(s uint32) uint32 {
	switch {
	case s < 4:
		return 0
	case s < 10:
		return s - 3
	}
	return s - 6
}

func after(s, literal, match uint32) uint32 {
	if s < 7 {
		return literal
	}
	return match
}
