package lz4fit

// The best way through a stretch of input is found by prices, in bytes, of all
// ways to reach each position: by a literal from the one before, or by a match,
// whose shorter lengths cost at most as much. As an offset costs two bytes
// whatever it is, the longest match of a position stands for all of them.

const (
	stretch = 4096 // positions looked at together
	never   = 1 << 30
)

// way is the cheapest way found to a position.
type way struct {
	price    int32
	literals int32 // behind the last match, before the position
	match    int32 // length of the match that ends here; 0: a literal does
	distance int32
}

// literalPrice is what the next literal costs behind n others.
func literalPrice(n int32) int32 {
	if n >= 14 && (n-14)%255 == 0 {
		return 2 // a byte more for the run's length
	}
	return 1
}

// optimal takes the stretch from i on, of which the caller found the first match,
// and writes its sequences. It returns where it ended and what is indexed, and
// false if the space is full.
func (c *Compressor) optimal(src []byte, e *encoder, i, last, indexed, at, n int) (int, int, bool) {
	if c.ways == nil {
		c.ways = make([]way, stretch+nice+1)
	}
	ways := c.ways
	ways[0] = way{literals: int32(i - e.anchor)}
	reach := 0 // the last position that has a way
	cut := 0
	for cur := 0; ; cur++ {
		here := ways[cur]
		if cur > 0 {
			at, n = 0, 0
			worse := cur < reach && ways[cur+1].price <= here.price // a match from there does as well
			if !worse && i+cur <= last {
				indexed = c.index(src, indexed, i+cur)
				at, n = c.find(src, i+cur, last)
			}
		}
		if n >= nice {
			cut = cur
			break
		}
		for reach < cur+n {
			reach++
			ways[reach].price = never
		}
		for l := minMatch; l <= n; l++ {
			price := here.price + 3 + int32(extra(l-minMatch))
			if w := &ways[cur+l]; price < w.price {
				*w = way{price: price, match: int32(l), distance: int32(i + cur - at)}
			}
		}
		if cur >= reach || cur >= stretch {
			cut = cur
			break
		}
		if price := here.price + literalPrice(here.literals); price < ways[cur+1].price {
			ways[cur+1] = way{price: price, literals: here.literals + 1}
		}
	}
	// Back from the end, then forth.
	c.steps = c.steps[:0]
	for p := cut; p > 0; {
		w := ways[p]
		if w.match == 0 {
			p--
			continue
		}
		p -= int(w.match)
		c.steps = append(c.steps, step{p, int(w.distance), int(w.match)})
	}
	for k := len(c.steps) - 1; k >= 0; k-- {
		s := c.steps[k]
		if !e.sequence(src, i+s.at, s.distance, s.n) {
			return i, indexed, false
		}
	}
	if n >= nice { // where the stretch was cut, by a match that is long enough
		if !e.sequence(src, i+cut, i+cut-at, n) {
			return i, indexed, false
		}
		return e.anchor, indexed, true
	}
	return i + cut, indexed, true
}

// step is a match of the way that was chosen; at counts from its start.
type step struct{ at, distance, n int }
