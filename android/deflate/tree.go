package deflate

import "math/bits"

const (
	literalCodes  = 286
	distanceCodes = 30
	lengthCodes   = 19
	heapSize      = 2*literalCodes + 1
)

// shape is what kind of tree it is.
type shape struct {
	codes, most int                // symbols, and the longest code in bits
	extra       func(n int) uint   // bits that follow a symbol's code
	fixed       func(n int) uint16 // length of its code in the fixed tree; nil: there is none
}

func literalShape() shape {
	return shape{literalCodes, 15, func(n int) uint {
		if code := n - endOfBlock - 1; code >= 8 && code < 28 {
			return uint(code/4 - 1)
		}
		return 0
	}, func(n int) uint16 {
		switch {
		case n < 144:
			return 8
		case n < 256:
			return 9
		case n < 280:
			return 7
		}
		return 8
	}}
}

func distanceShape() shape {
	return shape{distanceCodes, 15, func(n int) uint {
		if n < 4 {
			return 0
		}
		return uint(n/2 - 1)
	}, func(int) uint16 { return 5 }}
}

// The codes of lengths of codes.
const (
	repeat3  = 16 + iota // the last length, 3 to 6 times
	zeros3               // 3 to 10 times none
	zeros11              // 11 to 138 times none
	noLength = 0xffff
)

func lengthShape() shape {
	return shape{lengthCodes, 7, func(n int) uint {
		switch n {
		case repeat3:
			return 2
		case zeros3:
			return 3
		case zeros11:
			return 7
		}
		return 0
	}, nil}
}

// tree is a Huffman tree: of symbols, and while it is built of nodes above them.
type tree struct {
	shape shape
	freq  [heapSize]int
	len   [heapSize]uint16 // of codes, in bits
	code  [heapSize]uint16 // its first bit lowest
	last  int              // the highest symbol that occurs
}

// heap has the least frequent at 1; behind max lie those that were taken.
type heap struct {
	t     *tree
	at    [heapSize]int
	n     int
	max   int
	depth [heapSize]uint8
}

func (h *heap) less(a, b int) bool {
	fa, fb := h.t.freq[a], h.t.freq[b]
	return fa < fb || fa == fb && h.depth[a] <= h.depth[b]
}

// down puts what is at k to where it belongs.
func (h *heap) down(k int) {
	v := h.at[k]
	for j := 2 * k; j <= h.n; j *= 2 {
		if j < h.n && h.less(h.at[j+1], h.at[j]) {
			j++
		}
		if h.less(v, h.at[j]) {
			break
		}
		h.at[k], k = h.at[j], j
	}
	h.at[k] = v
}

// build makes the codes of a tree from the frequencies, and adds to what the
// block takes.
func (b *blocks) build(t *tree) {
	h := heap{t: t, max: heapSize}
	t.last = -1
	for n := range t.shape.codes {
		t.len[n] = 0
		if t.freq[n] > 0 {
			h.n++
			h.at[h.n], t.last = n, n
		}
	}
	// Two codes at least, as old readers want it; those that never occur take none
	// of the block's bits.
	for h.n < 2 {
		n := 0
		if t.last < 2 {
			t.last++
			n = t.last
		}
		h.n++
		h.at[h.n] = n
		t.freq[n] = 1
		b.bits--
		if t.shape.fixed != nil {
			b.fixed -= int(t.shape.fixed(n))
		}
	}
	for k := h.n / 2; k >= 1; k-- {
		h.down(k)
	}
	var parent [heapSize]int
	node := t.shape.codes
	for {
		x := h.at[1]
		h.at[1] = h.at[h.n]
		h.n--
		h.down(1)
		y := h.at[1]
		h.max -= 2
		h.at[h.max+1], h.at[h.max] = x, y
		t.freq[node], h.depth[node] = t.freq[x]+t.freq[y], max(h.depth[x], h.depth[y])+1
		parent[x], parent[y] = node, node
		h.at[1] = node
		node++
		h.down(1)
		if h.n < 2 {
			break
		}
	}
	h.max--
	h.at[h.max] = h.at[1]
	b.assign(&h, &parent)
}

// assign gives lengths, cut to the longest that is allowed, and codes.
func (b *blocks) assign(h *heap, parent *[heapSize]int) {
	t := h.t
	var count [16]int
	over := 0
	t.len[h.at[h.max]] = 0
	for _, n := range h.at[h.max+1:] {
		l := t.len[parent[n]] + 1
		if int(l) > t.shape.most {
			l = uint16(t.shape.most)
			over++
		}
		t.len[n] = l
		if n > t.last {
			continue // a node
		}
		count[l]++
		b.bits += t.freq[n] * (int(l) + int(t.shape.extra(n)))
		if t.shape.fixed != nil {
			b.fixed += t.freq[n] * (int(t.shape.fixed(n)) + int(t.shape.extra(n)))
		}
	}
	if over > 0 {
		b.shorten(h, &count, over)
	}
	code := 0
	var next [16]int
	for l := 1; l <= 15; l++ {
		code = (code + count[l-1]) << 1
		next[l] = code
	}
	for n := range t.last + 1 {
		if l := t.len[n]; l > 0 {
			t.code[n] = bits.Reverse16(uint16(next[l])) >> (16 - l)
			next[l]++
		}
	}
}

// shorten makes the lengths a code again after over of them were cut.
func (b *blocks) shorten(h *heap, count *[16]int, over int) {
	t, most := h.t, h.t.shape.most
	for ; over > 0; over -= 2 {
		l := most - 1
		for count[l] == 0 {
			l--
		}
		count[l]--
		count[l+1] += 2
		count[most]--
	}
	k := heapSize
	for l := most; l > 0; l-- {
		for n := count[l]; n > 0; {
			k--
			m := h.at[k]
			if m > t.last {
				continue
			}
			b.bits += (l - int(t.len[m])) * t.freq[m]
			t.len[m] = uint16(l)
			n--
		}
	}
}

// fixedTree has the codes of deflate's fixed trees.
func fixedTree(of *tree) *tree {
	t := &tree{shape: of.shape}
	codes := of.shape.codes
	if codes == literalCodes {
		codes += 2 // two that never occur have codes all the same
	}
	var count, next [16]int
	for n := range codes {
		t.len[n] = of.shape.fixed(n)
		count[t.len[n]]++
	}
	code := 0
	for l := 1; l <= 15; l++ {
		code = (code + count[l-1]) << 1
		next[l] = code
	}
	for n := range codes {
		l := t.len[n]
		t.code[n] = bits.Reverse16(uint16(next[l])) >> (16 - l)
		next[l]++
	}
	return t
}

// runs goes through the lengths of a tree's codes as they are written: as single
// ones and runs. Each gets the code of a length and how many it stands for.
func (t *tree) runs(fn func(code, count int)) {
	before, count := noLength, 0
	most, least := 7, 4
	limits := func(l, after int) {
		switch {
		case after == 0:
			most, least = 138, 3
		case l == after:
			most, least = 6, 3
		default:
			most, least = 7, 4
		}
	}
	limits(noLength, int(t.len[0]))
	for n := range t.last + 1 {
		l, after := int(t.len[n]), noLength
		if n < t.last {
			after = int(t.len[n+1])
		}
		count++
		if count < most && l == after {
			continue
		}
		switch {
		case count < least:
			for range count {
				fn(l, 1)
			}
		case l != 0:
			if l != before {
				fn(l, 1)
				count--
			}
			fn(repeat3, count)
		case count <= 10:
			fn(zeros3, count)
		default:
			fn(zeros11, count)
		}
		count, before = 0, l
		limits(l, after)
	}
}

// lengthOrder is the order in which the lengths of the third tree are written:
// those that are seldom there come last.
func lengthOrder() []int {
	return []int{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}
}

// buildLengths makes the tree by which the lengths of the other two are written,
// and returns how many of its own are.
func (b *blocks) buildLengths() int {
	note := func(code, _ int) { b.lengths.freq[code]++ }
	b.literals.runs(note)
	b.distances.runs(note)
	b.build(&b.lengths)
	order := lengthOrder()
	n := lengthCodes
	for n > 4 && b.lengths.len[order[n-1]] == 0 {
		n--
	}
	b.bits += 3*n + 5 + 5 + 4
	return n
}

// putTrees writes all three.
func (b *blocks) putTrees(lengths int) {
	b.put(uint64(b.literals.last+1-257), 5)
	b.put(uint64(b.distances.last+1-1), 5)
	b.put(uint64(lengths-4), 4)
	for _, n := range lengthOrder()[:lengths] {
		b.put(uint64(b.lengths.len[n]), 3)
	}
	put := func(code, count int) {
		b.putCode(&b.lengths, code)
		switch code {
		case repeat3, zeros3:
			b.put(uint64(count-3), b.lengths.shape.extra(code))
		case zeros11:
			b.put(uint64(count-11), b.lengths.shape.extra(code))
		}
	}
	b.literals.runs(put)
	b.distances.runs(put)
}
