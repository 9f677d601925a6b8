package ext4

import (
	"github.com/fridayos/friday/android/layout"
	"github.com/fridayos/friday/android/tree"
)

// place gives everything its blocks, and says whether there was room. What keeps
// its place has it before anything else gets one. Without a size the image ends
// with the last of them.
func (b *builder) place() bool {
	l := &b.layout
	b.space = layout.NewSpace(l.blocks, false)
	for g := range l.groups {
		b.space.Claim(g*perGroup, min(l.front(g), l.blocks-g*perGroup))
	}
	a := allocator{l: l, space: b.space, sweep: b.plan == nil || b.plan.Was == nil}
	b.keepPlaces(&a)
	for _, dirs := range []bool{false, true} {
		for _, it := range b.items {
			if (it.node.Type == tree.Directory) == dirs {
				a.item(it)
			}
		}
	}
	for _, s := range b.shares {
		if s.block != 0 {
			continue
		}
		if r := a.take(1, nil); len(r) == 1 {
			s.block = r[0].first
		}
	}
	journal := int64(b.o.JournalBlocks)
	if b.journal.runs == nil {
		b.journal = item{ino: journalInode, blocks: journal, size: journal * block, pieces: []piece{{0, journal, nil, 0}}}
	}
	if b.journal.blocks > 0 {
		a.item(&b.journal)
	}
	if a.full {
		return false
	}
	if b.o.Size == 0 {
		last := (l.groups - 1) * perGroup
		l.blocks = max(a.end, last+l.front(l.groups-1))
	}
	return true
}

// allocator hands out the blocks behind the fronts of groups: in a sweep one after
// the other; else those asked for, and the first free ones.
type allocator struct {
	l     *geometry
	space *layout.Space
	sweep bool
	next  int64 // of the sweep
	end   int64 // behind the last block in use
	full  bool
}

// take gives n blocks, of own those that are free.
func (a *allocator) take(n int64, own []layout.Extent) []run {
	var out []run
	add := func(first, n int64) {
		a.end = max(a.end, first+n)
		for n > 0 {
			// An extent has at most so many blocks, and joins are the reader's affair.
			k := min(n, maxExtentBlocks, perGroup-first%perGroup)
			out = append(out, run{first: first, n: k})
			first, n = first+k, n-k
		}
	}
	for _, e := range own {
		for i := e.Start; i < e.Start+e.Count && n > 0; {
			k := int64(0)
			for i+k < e.Start+e.Count && k < n && !a.space.Taken(i+k) {
				k++
			}
			if k > 0 {
				a.space.Claim(i, k)
				add(i, k)
			}
			n -= k
			i += max(k, 1)
		}
	}
	if n == 0 {
		return out
	}
	if !a.sweep {
		pieces, ok := a.space.Pieces(n)
		a.full = a.full || !ok
		for _, e := range pieces {
			add(e.Start, e.Count)
		}
		return out
	}
	for n > 0 {
		g := a.next / perGroup
		if front := g*perGroup + a.l.front(g); a.next < front {
			a.next = front
		}
		k := min(n, (g+1)*perGroup-a.next, a.l.blocks-a.next)
		if k <= 0 {
			a.full = true
			return nil
		}
		a.space.Claim(a.next, k)
		add(a.next, k)
		a.next, n = a.next+k, n-k
	}
	return out
}

// item places the content of an inode and the nodes of its extents.
func (a *allocator) item(it *item) {
	var own, nodes []layout.Extent
	if it.was != nil {
		own, nodes = it.was.Extents, it.was.Nodes
	}
	if !it.kept {
		it.runs, it.nodes = nil, nil
		for _, p := range it.pieces {
			var runs []run
			if p.owner != nil {
				runs = p.owner.physical(p.at, p.n)
			} else {
				runs = a.take(p.n, own)
			}
			for _, r := range runs {
				r.logical, r.shared = p.logical, p.owner != nil
				p.logical += r.n
				it.runs = append(it.runs, r)
			}
		}
	}
	if len(it.nodes) > 0 {
		return
	}
	for n := len(it.runs); n > inlineExtents; {
		n = (n + leafExtents - 1) / leafExtents
		for _, r := range a.take(int64(n), nodes) {
			for i := range r.n {
				it.nodes = append(it.nodes, r.first+i)
			}
		}
	}
}
