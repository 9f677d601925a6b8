package xz

// What the search may cost: a match of niceLength is taken as it is; treeDepth
// places are looked at; window places are looked ahead at most.
const (
	niceLength = 64
	treeDepth  = 32
	window     = 2048
)

const unreached = 1 << 30

// node is the cheapest way known to a place: from an earlier node by one match
// (or literal, length 0), and, if tail is not 0, by a literal and a match of
// length tail at the last distance behind it.
type node struct {
	from uint32
	symbol
	tail  uint32
	state uint8
	reps  [4]uint32
}

// parse decides how the bytes from pos on are coded, up to where all cheap ways
// meet, and leaves it in the queue.
func (e *Encoder) parse(pos int) {
	if pos >= e.cost.next {
		e.cost.refresh(&e.m)
		e.cost.next = pos + refreshEvery
	}
	e.nodes[0] = node{state: e.m.state, reps: e.m.reps}
	e.price[0] = 0
	end := 0
	for i := 0; ; i++ {
		if i > 0 {
			if i == end || i == window {
				e.trace(i)
				return
			}
			if e.price[i+1] <= e.price[i]+priceUnit/2 {
				continue // hardly any good way leads by here
			}
			e.settle(i)
		}
		at := pos + i
		e.found = clip(e.f.find(at), e.end-at)
		if s := e.long(i, at); s.length > 0 {
			if i > 0 {
				e.trace(i)
				return
			}
			e.queue = append(e.queue, s)
			return
		}
		end = e.expand(i, at, end)
	}
}

// clip shortens what reaches beyond rest bytes.
func clip(found []match, rest int) []match {
	for i := range found {
		if int(found[i].length) >= rest {
			found[i].length = uint32(rest)
			return found[:i+1]
		}
	}
	return found
}

// long sees how far the bytes agree with those at the last distances, and gives
// a match that is long enough to be taken without further thought.
func (e *Encoder) long(i, at int) symbol {
	rest := e.end - at
	limit := min(rest, niceLength)
	here := e.src[at : at+limit]
	for r, d := range e.nodes[i].reps {
		e.same[r] = 0
		back := at - int(d) - 1
		if back < 0 || limit < minMatch || e.src[back] != here[0] || e.src[back+1] != here[1] {
			continue
		}
		n := shared(e.src[back:back+limit], here, minMatch)
		if n == niceLength {
			return symbol{e.stretch(at, d, rest), d}
		}
		e.same[r] = uint32(n)
	}
	if k := len(e.found); k > 0 && e.found[k-1].length >= niceLength {
		d := e.found[k-1].dist
		return symbol{e.stretch(at, d, rest), d}
	}
	return symbol{}
}

func (e *Encoder) stretch(at int, d uint32, rest int) uint32 {
	return uint32(e.f.shared(at-int(d)-1, at, niceLength, min(rest, maxMatch)))
}

// settle finds state and distances of a node whose way is now certain.
func (e *Encoder) settle(i int) {
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
func (e *Encoder) trace(i int) {
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
func (n *node) reps0(e *Encoder) uint32 {
	if n.length > 1 {
		return n.dist
	}
	return e.nodes[n.from].reps[0]
}

// reach makes node to known, and those before it.
func (e *Encoder) reach(to, end int) int {
	for ; end < to; end++ {
		e.price[end+1] = unreached
	}
	return end
}

// offer notes a way to node to, if it is cheaper than what is known.
func (e *Encoder) offer(to int, price uint32, from int, s symbol, tail uint32) {
	if price < e.price[to] {
		e.price[to] = price
		n := &e.nodes[to]
		n.from, n.symbol, n.tail = uint32(from), s, tail
	}
}

// span offers matches at one distance, of lengths from l up, at a price each
// above base.
func (e *Encoder) span(i int, l uint32, base uint32, costs []uint32, d uint32) {
	to := e.price[i+int(l):][:len(costs)]
	nodes := e.nodes[i+int(l):][:len(costs)]
	for k, c := range costs {
		if c += base; c < to[k] {
			to[k] = c
			n := &nodes[k]
			n.from, n.length, n.dist, n.tail = uint32(i), l+uint32(k), d, 0
		}
	}
}

// expand tries all symbols at node i.
func (e *Encoder) expand(i, at, end int) int {
	cur := &e.nodes[i]
	state, price, rep0 := cur.state, e.price[i], cur.reps[0]
	position := at & (positions - 1)
	end = e.reach(i+1, end)
	literal := price + e.literalCost(at, state, rep0)
	e.offer(i+1, literal, i, symbol{}, 0)
	if back := at - int(rep0) - 1; back >= 0 {
		if e.src[at] == e.src[back] {
			e.offer(i+1, price+e.shortRepCost(state, position), i, symbol{1, rep0}, 0)
		} else {
			end = e.tail(i, at, end, literal, afterLiteral(state), symbol{0, rep0})
		}
	}
	first := uint32(minMatch) // shorter new matches lose to the last distance
	for r, n := range e.same {
		if n == 0 {
			continue
		}
		d := cur.reps[r]
		if r == 0 {
			first = n + 1
		}
		end = e.reach(i+int(n), end)
		base := price + e.repCost(state, position, uint32(r))
		cost := e.cost.rep[position][:n+1]
		e.span(i, minMatch, base, cost[minMatch:], d)
		end = e.afterMatch(i, at, end, base+cost[n], afterRep(state), symbol{n, d})
	}
	return e.newMatches(i, at, end, first)
}

// newMatches tries the matches that were found, from a length on.
func (e *Encoder) newMatches(i, at, end int, l uint32) int {
	found := e.found
	if len(found) == 0 || found[len(found)-1].length < l {
		return end
	}
	end = e.reach(i+int(found[len(found)-1].length), end)
	state := e.nodes[i].state
	position := at & (positions - 1)
	base := e.price[i] + e.cost.t.bit(e.m.isMatch[state][position], 1) + e.cost.t.bit(e.m.isRep[state], 0)
	costs := &e.cost.match[position]
	for _, m := range found {
		if m.length < l {
			continue
		}
		classes, more := e.cost.distance(m.dist)
		more += base
		for ; l < min(m.length+1, minMatch+lenClasses-1); l++ {
			e.offer(i+int(l), more+costs[l]+classes[lenClass(l)], i, symbol{l, m.dist}, 0)
		}
		price := more + classes[lenClass(m.length)]
		if l <= m.length {
			e.span(i, l, price, costs[l:m.length+1], m.dist)
			l = m.length + 1
		}
		end = e.afterMatch(i, at, end, price+costs[m.length], afterMatch(state), symbol{m.length, m.dist})
	}
	return end
}

// afterMatch tries a literal behind a match, and the match going on after it.
func (e *Encoder) afterMatch(i, at, end int, price uint32, state uint8, s symbol) int {
	next := at + int(s.length)
	if next+1+minMatch > e.end {
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
func (e *Encoder) tail(i, at, end int, price uint32, state uint8, s symbol) int {
	next := at + 1
	rest := min(e.end-next, niceLength)
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
	end = e.reach(to, end)
	e.offer(to, price, i, s, uint32(n))
	return end
}

func (e *Encoder) shortRepCost(state uint8, position int) uint32 {
	t, m := e.cost.t, &e.m
	return t.bit(m.isMatch[state][position], 1) + t.bit(m.isRep[state], 1) +
		t.bit(m.isRep0[state], 0) + t.bit(m.isRep0Long[state][position], 0)
}
