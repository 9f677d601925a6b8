package inplace

import (
	"container/heap"
	"maps"
	"slices"
)

// graph says which transfer reads what which other writes, and how many blocks.
type graph struct {
	before []map[int32]int64 // by reader: the writers that should come behind it
	after  []map[int32]int64 // by writer: the readers that should come before it
	out    []int64           // sums of the two
	in     []int64
}

func (o *order) graph() *graph {
	n := len(o.t)
	g := &graph{make([]map[int32]int64, n), make([]map[int32]int64, n), make([]int64, n), make([]int64, n)}
	for r := range o.t {
		g.before[r] = o.overwritten(int32(r))
		for w, count := range g.before[r] {
			if g.after[w] == nil {
				g.after[w] = map[int32]int64{}
			}
			g.after[w][int32(r)] = count
			g.out[r] += count
			g.in[w] += count
		}
	}
	return g
}

// queue holds transfers; the one to be taken next is first. Entries of transfers
// whose figures have changed since stay, and are passed over.
type queue []entry

type entry struct {
	gain int64
	t    int32
}

func (q queue) Len() int { return len(q) }
func (q queue) Less(i, j int) bool {
	return q[i].gain > q[j].gain || q[i].gain == q[j].gain && q[i].t < q[j].t
}
func (q queue) Swap(i, j int) { q[i], q[j] = q[j], q[i] }
func (q *queue) Push(x any)   { *q = append(*q, x.(entry)) }
func (q *queue) Pop() any {
	old := *q
	x := old[len(old)-1]
	*q = old[:len(old)-1]
	return x
}

// sequence decides the order: first what nobody has to go before, last what goes
// before nobody; in a circle, what breaks least.
func (o *order) sequence() {
	g := o.graph()
	var front, back []int32
	done := make([]bool, len(o.t))
	var first, last []int32 // free to go to the front, and to the back
	var q queue
	touch := func(t int32) {
		switch {
		case done[t]:
		case g.in[t] == 0:
			first = append(first, t)
		case g.out[t] == 0:
			last = append(last, t)
		default:
			heap.Push(&q, entry{g.out[t] - g.in[t], t})
		}
	}
	take := func(t int32) {
		done[t] = true
		for _, w := range slices.Sorted(maps.Keys(g.before[t])) {
			g.in[w] -= g.before[t][w]
			delete(g.after[w], t)
			touch(w)
		}
		for _, r := range slices.Sorted(maps.Keys(g.after[t])) {
			g.out[r] -= g.after[t][r]
			delete(g.before[r], t)
			touch(r)
		}
	}
	for t := range o.t {
		touch(int32(t))
	}
	for len(front)+len(back) < len(o.t) {
		var t int32
		switch {
		case len(first) > 0:
			t, first = first[0], first[1:]
			if !done[t] {
				front = append(front, t)
			}
		case len(last) > 0:
			t, last = last[0], last[1:]
			if !done[t] {
				back = append(back, t)
			}
		default:
			e := heap.Pop(&q).(entry)
			if t = e.t; !done[t] && e.gain != g.out[t]-g.in[t] {
				continue
			}
			if !done[t] {
				front = append(front, t)
			}
		}
		if !done[t] {
			take(t)
		}
	}
	slices.Reverse(back)
	o.seq = append(front, back...)
	o.pos = make([]int32, len(o.seq))
	for place, t := range o.seq {
		o.pos[t] = int32(place)
	}
}
