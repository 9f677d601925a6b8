package xz

// refreshEvery is after how many bytes the prices of lengths and distances are
// computed anew.
const refreshEvery = 1024

// costs are the prices of what is coded often, from the chances of a moment.
type costs struct {
	t     *prices
	next  int // place of the next refresh
	match [positions][maxMatch + 1]uint32
	rep   [positions][maxMatch + 1]uint32
	slot  [slots][lenClasses]uint32
	dist  [fullDist][lenClasses]uint32
	align [1 << alignBits]uint32
}

func (c *costs) reset() {
	if c.t == nil {
		c.t = newPrices()
	}
	c.next = 0
}

func (c *costs) refresh(m *model) {
	c.lengths(&m.matchLen, &c.match)
	c.lengths(&m.repLen, &c.rep)
	for s := range uint32(slots) {
		for k := range lenClasses {
			c.slot[s][k] = c.t.tree(m.slot[k][:], s, 6)
			if s >= 14 {
				c.slot[s][k] += (s>>1 - 1 - alignBits) * priceUnit
			}
		}
	}
	copy(c.dist[:4], c.slot[:4])
	for d := uint32(4); d < fullDist; d++ {
		slot := slotOf(d)
		footer := uint(slot>>1 - 1)
		low := c.t.reverse(specialTree(m, slot), d-(2|slot&1)<<footer, footer)
		for k, price := range c.slot[slot] {
			c.dist[d][k] = price + low
		}
	}
	for a := range c.align {
		c.align[a] = c.t.reverse(m.align[:], uint32(a), alignBits)
	}
}

func (c *costs) lengths(l *lengths, to *[positions][maxMatch + 1]uint32) {
	short, long := c.t.bit(l.choice, 0), c.t.bit(l.choice, 1)
	mid, high := long+c.t.bit(l.choice2, 0), long+c.t.bit(l.choice2, 1)
	for p := range positions {
		for n := range uint32(8) {
			to[p][minMatch+n] = short + c.t.tree(l.low[p][:], n, 3)
			to[p][minMatch+8+n] = mid + c.t.tree(l.mid[p][:], n, 3)
		}
		for n := uint32(16); n <= niceLength-minMatch; n++ {
			to[p][minMatch+n] = high + c.t.tree(l.high[:], n-16, 8)
		}
	}
}

// distance is the price of a distance less one: of each class of lengths, and
// what all have in common.
func (c *costs) distance(d uint32) (*[lenClasses]uint32, uint32) {
	if d < fullDist {
		return &c.dist[d], 0
	}
	return &c.slot[slotOf(d)], c.align[d&(1<<alignBits-1)]
}

// literalCost is the price of the byte at pos, in a state, after a distance.
func (e *Encoder) literalCost(pos int, state uint8, rep0 uint32) uint32 {
	t := e.cost.t
	p := e.literalProbs(pos)
	b := uint32(e.src[pos]) | 0x100
	sum := t.bit(e.m.isMatch[state][pos&(positions-1)], 0)
	if state < 7 {
		for b > 1 {
			sum += t.bit(p[b>>1], b&1)
			b >>= 1
		}
		return sum
	}
	match := uint32(e.src[pos-int(rep0)-1])
	offset := uint32(0x100)
	for b < 0x10000 {
		match <<= 1
		sum += t.bit(p[offset+match&offset+b>>8], b>>7&1)
		b <<= 1
		offset &= ^(match ^ b)
	}
	return sum
}

// repCost is the price of saying that a match has the distance rep.
func (e *Encoder) repCost(state uint8, position int, rep uint32) uint32 {
	t, m := e.cost.t, &e.m
	sum := t.bit(m.isMatch[state][position], 1) + t.bit(m.isRep[state], 1)
	if rep == 0 {
		return sum + t.bit(m.isRep0[state], 0) + t.bit(m.isRep0Long[state][position], 1)
	}
	sum += t.bit(m.isRep0[state], 1)
	if rep == 1 {
		return sum + t.bit(m.isRep1[state], 0)
	}
	return sum + t.bit(m.isRep1[state], 1) + t.bit(m.isRep2[state], rep-2)
}
