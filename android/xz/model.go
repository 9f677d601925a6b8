package xz

import "math/bits"

const (
	literalContext = 3 // lc: high bits of the byte before
	positionBits   = 2 // pb; lp is 0
	positions      = 1 << positionBits
	properties     = positionBits*45 + literalContext

	minMatch = 2
	maxMatch = 273

	states     = 12
	lenClasses = 4  // of lengths 2, 3, 4, more: the context of distances
	alignBits  = 4  // low bits of far distances
	slots      = 64 // of distances
	fullDist   = 128
)

// model is all that the coder has learnt.
type model struct {
	state uint8
	reps  [4]uint32 // last distances, less one

	isMatch    [states][positions]prob
	isRep      [states]prob
	isRep0     [states]prob // 0: the last distance
	isRep1     [states]prob
	isRep2     [states]prob
	isRep0Long [states][positions]prob
	slot       [lenClasses][slots]prob
	special    [fullDist]prob // low bits of slots 4 to 13; a tree each
	align      [1 << alignBits]prob
	matchLen   lengths
	repLen     lengths
	literal    [1 << literalContext][0x300]prob
}

// lengths codes the length of a match: 3 bits, or 3, or 8.
type lengths struct {
	choice, choice2 prob
	low, mid        [positions][8]prob
	high            [256]prob
}

func fill(p []prob) {
	for i := range p {
		p[i] = probHalf
	}
}

func (l *lengths) reset() {
	l.choice, l.choice2 = probHalf, probHalf
	for i := range positions {
		fill(l.low[i][:])
		fill(l.mid[i][:])
	}
	fill(l.high[:])
}

func (m *model) reset() {
	m.state, m.reps = 0, [4]uint32{}
	for i := range states {
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
	for i := range m.literal {
		fill(m.literal[i][:])
	}
}

// The state after a symbol; states below 7 follow a literal.
func afterLiteral(s uint8) uint8 {
	switch {
	case s < 4:
		return 0
	case s < 10:
		return s - 3
	}
	return s - 6
}

func afterMatch(s uint8) uint8 {
	if s < 7 {
		return 7
	}
	return 10
}

func afterRep(s uint8) uint8 {
	if s < 7 {
		return 8
	}
	return 11
}

func afterShortRep(s uint8) uint8 {
	if s < 7 {
		return 9
	}
	return 11
}

func (l *lengths) encode(c *rangeCoder, n, position uint32) {
	switch n -= minMatch; {
	case n < 8:
		c.bit(&l.choice, 0)
		c.tree(l.low[position][:], n, 3)
	case n < 16:
		c.bit(&l.choice, 1)
		c.bit(&l.choice2, 0)
		c.tree(l.mid[position][:], n-8, 3)
	default:
		c.bit(&l.choice, 1)
		c.bit(&l.choice2, 1)
		c.tree(l.high[:], n-16, 8)
	}
}

// slotOf gives the slot of a distance less one: its length in bits and its
// second bit.
func slotOf(d uint32) uint32 {
	if d < 4 {
		return d
	}
	n := uint32(bits.Len32(d)) - 1
	return n<<1 | d>>(n-1)&1
}

func lenClass(n uint32) uint32 { return min(n-minMatch, lenClasses-1) }

// specialTree is the tree of a slot from 4 to 13. Trees start at node 1, and the
// trees of the slots lie one behind the other.
func specialTree(m *model, slot uint32) []prob {
	footer := slot>>1 - 1
	base := (2 | slot&1) << footer
	return m.special[base-slot:]
}

func (e *Encoder) codeLiteral(pos int) {
	m := &e.m
	e.rc.bit(&m.isMatch[m.state][pos&(positions-1)], 0)
	p := e.literalProbs(pos)
	b := uint32(e.src[pos]) | 0x100
	if m.state < 7 {
		for i := uint32(8); i > 0; i-- {
			e.rc.bit(&p[b>>i], b>>(i-1)&1)
		}
	} else {
		// The byte at the last distance is known to be wrong: a context as long
		// as it agrees.
		match := uint32(e.src[pos-int(m.reps[0])-1])
		offset := uint32(0x100)
		for b < 0x10000 {
			match <<= 1
			e.rc.bit(&p[offset+match&offset+b>>8], b>>7&1)
			b <<= 1
			offset &= ^(match ^ b)
		}
	}
	m.state = afterLiteral(m.state)
}

func (e *Encoder) literalProbs(pos int) *[0x300]prob {
	if pos == 0 {
		return &e.m.literal[0]
	}
	return &e.m.literal[e.src[pos-1]>>(8-literalContext)]
}

func (e *Encoder) codeMatch(pos int, d, n uint32) {
	m := &e.m
	position := uint32(pos) & (positions - 1)
	e.rc.bit(&m.isMatch[m.state][position], 1)
	e.rc.bit(&m.isRep[m.state], 0)
	m.state = afterMatch(m.state)
	m.matchLen.encode(&e.rc, n, position)
	slot := slotOf(d)
	e.rc.tree(m.slot[lenClass(n)][:], slot, 6)
	if slot >= 4 {
		footer := uint(slot>>1 - 1)
		low := d - (2|slot&1)<<footer
		if slot < 14 {
			e.rc.reverse(specialTree(m, slot), low, footer)
		} else {
			e.rc.direct(low>>alignBits, footer-alignBits)
			e.rc.reverse(m.align[:], low&(1<<alignBits-1), alignBits)
		}
	}
	m.reps = [4]uint32{d, m.reps[0], m.reps[1], m.reps[2]}
}

// codeRep codes a match at a distance that was used before; n is 1 for a single
// byte at the last distance.
func (e *Encoder) codeRep(pos int, rep, n uint32) {
	m := &e.m
	position := uint32(pos) & (positions - 1)
	e.rc.bit(&m.isMatch[m.state][position], 1)
	e.rc.bit(&m.isRep[m.state], 1)
	if rep == 0 {
		e.rc.bit(&m.isRep0[m.state], 0)
		long := uint32(1)
		if n == 1 {
			long = 0
		}
		e.rc.bit(&m.isRep0Long[m.state][position], long)
	} else {
		e.rc.bit(&m.isRep0[m.state], 1)
		if rep == 1 {
			e.rc.bit(&m.isRep1[m.state], 0)
		} else {
			e.rc.bit(&m.isRep1[m.state], 1)
			e.rc.bit(&m.isRep2[m.state], rep-2)
		}
	}
	m.reps = moved(m.reps, rep)
	if n == 1 {
		m.state = afterShortRep(m.state)
		return
	}
	m.repLen.encode(&e.rc, n, position)
	m.state = afterRep(m.state)
}

// moved has reps[rep] in front.
func moved(reps [4]uint32, rep uint32) [4]uint32 {
	d := reps[rep]
	for ; rep > 0; rep-- {
		reps[rep] = reps[rep-1]
	}
	reps[0] = d
	return reps
}
