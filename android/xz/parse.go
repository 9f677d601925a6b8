package xz

// What the search may cost: a match of niceLength is taken as it is; treeDepth
// places are looked at; window places are looked ahead at most.
const (
	niceLength = 48
	treeDepth  = 20
	window     = 2048
)

const unreached = 1 << 30

// node is the cheapest way known to a place: from an earlier node by one match
// (or literal, length 0), and, if tail is not 0, by a literal and a match of
// length tail at the last distance behind it.
type node struct {
	price uint32
	from  uint32
	symbol
	tail  uint32
	state uint8
	reps  [4]uint32
}

// parse decides how the bytes from pos on are coded, up to where all cheap ways
// meet, and leaves it in the queue.
func (e *encoder) parse(pos int) {
	if pos >= e.cost.next {
		e.cost.refresh(&e.m)
		e.cost.next = pos + refreshEvery
	}
	e.nodes[0] = node{state: e.m.state, reps: e.m.reps}
	end := 0
	for i := 0; ; i++ {
		if i > 0 {
			if i == end || i == window {
				e.trace(i)
				return
			}
			e.settle(i)
		}
		if !e.ready {
			e.f.find()
		}
		e.ready = false
		if s := e.long(i, pos+i); s.length > 0 {
			if i > 0 {
				e.ready = true
				e.trace(i)
				return
			}
			e.queue = append(e.queue, s)
			e.f.skip(int(s.length) - 1)
			return
		}
		end = e.expand(i, pos+i, end)
	}
}

// long gives a match that is long enough to be taken without further thought.
func (e *encoder) long(i, at int) symbol {
	rest := len(e.src) - at
	if rest < niceLength {
		return symbol{}
	}
	for _, d := range e.nodes[i].reps {
		if int(d) < at && e.f.shared(at-int(d)-1, at, 0, niceLength) == niceLength {
			return symbol{e.stretch(at, d, rest), d}
		}
	}
	if k := len(e.f.found); k > 0 && e.f.found[k-1].length >= niceLength {
		d := e.f.found[k-1].dist
		return symbol{e.stretch(at, d, rest), d}
	}
	return symbol{}
}

func (e *encoder) stretch(at int, d uint32, rest int) uint32 {
	return uint32(e.f.shared(at-int(d)-1, at, niceLength, min(rest, maxMatch)))
}

// settle finds state and distances of a node whose way is now certain.
func (e *encoder) settle(i int) {
	n := &e.nodes[i]
	from := &e.nodes[n.from]
	n.state, n.reps = from.state, from.reps
	switch {
	case n.length == 0:
		n.state = afterLiteral(n.state)
	case n.length == 1:
		n.state = afterShortRep(n.state)
	default:
		n.state, n.reps = matched(n.state, n.reps, n.dist)
	}
	if n.tail > 0 {
		if n.length > 0 {
			n.state = afterLiteral(n.state)
		}
		n.state = afterRep(n.state)
	}
}

// matched is state and distances after a match at a distance.
func matched(state uint8, reps [4]uint32, d uint32) (uint8, [4]uint32) {
	for r, known := range reps {
		if known == d {
			return afterRep(state), moved(reps, uint32(r))
		}
	}
	return afterMatch(state), [4]uint32{d, reps[0], reps[1], reps[2]}
}

// trace puts the way to node i in the queue, last symbol first.
func (e *encoder) trace(i int) {
	for i > 0 {
		n := &e.nodes[i]
		if n.tail > 0 {
			e.queue = append(e.queue, symbol{n.tail, n.reps0(e)})
			if n.length > 0 {
				e.queue = append(e.queue, symbol{})
			}
		}
		e.queue = append(e.queue, n.symbol)
		i = int(n.from)
	}
}

// reps0 is the last distance of a node that may not be settled yet.
func (n *node) reps0(e *encoder) uint32 {
	if n.length > 1 {
		return n.dist
	}
	return e.nodes[n.from].reps[0]
}

// reach notes a way to node to, if it is cheaper than what is known.
func (e *encoder) reach(to, end int, price uint32, from int, s symbol, tail uint32) int {
	for ; end < to; end++ {
		e.nodes[end+1].price = unreached
	}
	if n := &e.nodes[to]; price < n.price {
		n.price, n.from, n.symbol, n.tail = price, uint32(from), s, tail
	}
	return end
}

// expand tries all symbols at node i.
func (e *encoder) expand(i, at, end int) int {
	cur := e.nodes[i]
	position := at & (positions - 1)
	rest := min(len(e.src)-at, niceLength)
	reps := cur.reps
	literal := cur.price + e.literalCost(at, cur.state, reps[0])
	end = e.reach(i+1, end, literal, i, symbol{}, 0)
	rep0 := int(reps[0])
	if rep0 < at {
		if e.src[at] == e.src[at-rep0-1] {
			short := cur.price + e.shortRepCost(cur.state, position)
			end = e.reach(i+1, end, short, i, symbol{1, reps[0]}, 0)
		} else {
			end = e.tail(i, at, end, literal, afterLiteral(cur.state), symbol{0, reps[0]})
		}
	}
	if rest < minMatch {
		return end
	}
	first := uint32(minMatch) // shorter new matches lose to the last distance
	for r, d := range reps {
		if int(d) >= at || r > 0 && d == reps[r-1] {
			continue
		}
		n := uint32(e.f.shared(at-int(d)-1, at, 0, rest))
		if n < minMatch {
			continue
		}
		if r == 0 {
			first = n + 1
		}
		base := cur.price + e.repCost(cur.state, position, uint32(r))
		cost := &e.cost.rep[position]
		for l := n; l >= minMatch; l-- {
			end = e.reach(i+int(l), end, base+cost[l], i, symbol{l, d}, 0)
		}
		end = e.afterMatch(i, at, end, base+cost[n], afterRep(cur.state), symbol{n, d})
	}
	return e.newMatches(i, at, end, first)
}

func (e *encoder) newMatches(i, at, end int, l uint32) int {
	found := e.f.found
	if len(found) == 0 {
		return end
	}
	cur := &e.nodes[i]
	position := at & (positions - 1)
	longest := found[len(found)-1].length
	end = e.reach(i+int(max(longest, 1)), end, unreached, i, symbol{}, 0)
	base := cur.price + e.cost.t.bit(e.m.isMatch[cur.state][position], 1) + e.cost.t.bit(e.m.isRep[cur.state], 0)
	cost := &e.cost.match[position]
	k := 0
	for ; l <= longest; l++ {
		for found[k].length < l {
			k++
		}
		d := found[k].dist
		price := base + cost[l] + e.cost.distance(lenClass(l), d)
		if n := &e.nodes[i+int(l)]; price < n.price {
			n.price, n.from, n.symbol, n.tail = price, uint32(i), symbol{l, d}, 0
		}
		if l == found[k].length {
			end = e.afterMatch(i, at, end, price, afterMatch(cur.state), symbol{l, d})
		}
	}
	return end
}

// afterMatch tries a literal behind a match, and the match going on after it.
func (e *encoder) afterMatch(i, at, end int, price uint32, state uint8, s symbol) int {
	next := at + int(s.length)
	if next+1+minMatch > len(e.src) {
		return end
	}
	// Look before pricing: most do not go on.
	if back := next + 1 - int(s.dist) - 1; e.src[back] != e.src[next+1] || e.src[back+1] != e.src[next+2] {
		return end
	}
	price += e.literalCost(next, state, s.dist)
	return e.tail(i, next, end, price, afterLiteral(state), s)
}

// tail tries a match at the last distance behind the literal at place at.
func (e *encoder) tail(i, at, end int, price uint32, state uint8, s symbol) int {
	next := at + 1
	rest := min(len(e.src)-next, niceLength)
	if rest < minMatch {
		return end
	}
	n := e.f.shared(next-int(s.dist)-1, next, 0, rest)
	to := i + int(s.length) + 1 + n
	if n < minMatch || to >= len(e.nodes) {
		return end
	}
	position := next & (positions - 1)
	price += e.repCost(state, position, 0) + e.cost.rep[position][n]
	if s.length == 0 {
		s.dist = 0
	}
	return e.reach(to, end, price, i, s, uint32(n))
}

func (e *encoder) shortRepCost(state uint8, position int) uint32 {
	t, m := e.cost.t, &e.m
	return t.bit(m.isMatch[state][position], 1) + t.bit(m.isRep[state], 1) +
		t.bit(m.isRep0[state], 0) + t.bit(m.isRep0Long[state][position], 0)
}
