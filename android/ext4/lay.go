package ext4

import (
	"crypto/sha256"
	"fmt"
	"math"

	"github.com/fridayos/friday/android/layout"
	"github.com/fridayos/friday/android/tree"
)

// The names of areas of a layout map.
const (
	areaFront   = "front"   // superblocks, descriptors, bitmaps, inode tables
	areaJournal = "journal" // the blocks of the journal, and of the map of its extents
	areaXattrs  = "xattrs "
)

// Lay builds an image as Build does, and says where it put everything. A file that
// is in plan.Was with the same path and content keeps its inode and its blocks; one
// that changed gets its own blocks first; what is new gets the first that are free.
// The same tree, options and map give the same bytes. Options.Size must be given
// with a map, and Options.Inodes are those of the image before, if it has a map.
func Lay(root *tree.Node, o Options, plan layout.Plan) (*tree.Image, *layout.Map, error) {
	im, m, err := lay(root, o, plan)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot build ext4 image: %w", err)
	}
	return im, m, nil
}

func lay(root *tree.Node, o Options, plan layout.Plan) (*tree.Image, *layout.Map, error) {
	if plan.Was != nil && plan.Was.FS != "ext4" {
		return nil, nil, fmt.Errorf("the layout map is of %s", plan.Was.FS)
	}
	if plan.Was != nil && o.Size == 0 {
		return nil, nil, fmt.Errorf("a layout map is given, but no size")
	}
	b, err := newBuilder(root, o)
	if err != nil {
		return nil, nil, err
	}
	b.plan = &plan
	im, err := b.build(root)
	if err != nil {
		return nil, nil, err
	}
	m, err := b.laid()
	return im, m, err
}

// keepNumbers gives inodes the numbers that they had.
func (b *builder) keepNumbers() {
	if b.plan == nil || b.plan.Was == nil {
		return
	}
	seen := map[uint32]bool{}
	for _, it := range b.items {
		f := b.plan.Was.Lookup(it.path)
		if f == nil {
			continue
		}
		it.was = f
		if n := uint32(f.Number); f.Number >= firstInode && f.Number <= tableLimit(b.plan.Was) && it.path != "" && !seen[n] {
			it.ino, seen[n] = n, true
			b.inodes = max(b.inodes, n)
		}
	}
}

// tableLimit is how many inodes an image had room for.
func tableLimit(m *layout.Map) uint64 {
	return uint64(m.Inodes) * uint64((m.Blocks+perGroup-1)/perGroup)
}

// unused gives the numbers that no inode has, lowest first.
func (b *builder) unused() func() uint32 {
	taken := map[uint32]bool{}
	for _, it := range b.items {
		taken[it.ino] = true
	}
	n := uint32(firstInode - 1)
	return func() uint32 {
		for n++; taken[n]; n++ {
		}
		b.inodes = max(b.inodes, n)
		return n
	}
}

// geometry has as many inodes in a group as the image before, if they do: their
// tables keep their places then.
func (b *builder) geometry(groups int64, inodes uint32) geometry {
	if b.plan != nil && b.plan.Was != nil {
		if n := int64(b.plan.Was.Inodes) * groups; n >= int64(inodes) && n <= math.MaxUint32 {
			inodes = uint32(n)
		}
	}
	return newGeometry(groups, inodes, b.o.descSize())
}

// keepFiles finds the files whose content did not change.
func (b *builder) keepFiles() error {
	if b.plan == nil {
		return nil
	}
	for _, it := range b.items {
		if it.node.Type != tree.Regular && it.node.Type != tree.Symlink || it.blocks == 0 {
			continue
		}
		var err error
		if it.digest, err = b.plan.Of(it.node); err != nil {
			return fmt.Errorf("%q: %w", it.path, err)
		}
		it.kept = it.was != nil && it.was.Digest == it.digest && fits(it.was.Extents, it.blocks)
	}
	return nil
}

// fits says whether extents can be those of a file of so many blocks.
func fits(es []layout.Extent, blocks int64) bool {
	for _, e := range es {
		if e.Logical+e.Count > blocks || e.Count > maxExtentBlocks {
			return false
		}
	}
	return true
}

// keepPlaces claims what keeps its place. What another holds already, or what is
// not for data any more, is placed anew.
func (b *builder) keepPlaces(a *allocator) {
	if b.plan == nil || b.plan.Was == nil {
		return
	}
	was := b.plan.Was
	mine := layout.NewSpace(b.layout.blocks, false) // of kept files
	for _, it := range b.items {
		if !it.kept {
			continue
		}
		it.kept = b.keepItem(it, a, mine)
	}
	for _, s := range b.shares {
		s.block = 0
		if es := was.Area(shareName(s)); len(es) == 1 && es[0].Start > 0 && a.space.Free(es[0].Start, 1) {
			s.block = es[0].Start
			a.space.Claim(s.block, 1)
			a.end = max(a.end, s.block+1)
		}
	}
	b.journal = item{}
	if es := was.Area(areaJournal); b.o.JournalBlocks > 0 && len(es) > 0 {
		journal := int64(b.o.JournalBlocks)
		f := &layout.File{}
		for _, e := range es { // the nodes stand behind the content
			if e.Logical < journal {
				f.Extents = append(f.Extents, e)
			} else {
				f.Nodes = append(f.Nodes, e)
			}
		}
		b.journal = item{ino: journalInode, blocks: journal, size: journal * block, pieces: []piece{{0, journal, nil, 0}}, was: f}
		a.item(&b.journal)
		b.journal.kept = true
	}
}

// keepItem claims the blocks of a file and the nodes of its extents. Without shared
// blocks each block is one file's.
func (b *builder) keepItem(it *item, a *allocator, mine *layout.Space) bool {
	var runs, wrote []run
	total := int64(0)
	for _, e := range it.was.Extents {
		runs = append(runs, run{first: e.Start, n: e.Count, logical: e.Logical})
		total += e.Count
		for i := e.Start; i < e.Start+e.Count; i++ {
			if i >= b.layout.blocks || a.space.Taken(i) && (!b.o.SharedBlocks || !mine.Taken(i)) {
				return false
			}
			if mine.Taken(i) {
				continue
			}
			one := run{first: i, n: 1, logical: e.Logical + i - e.Start}
			if k := len(wrote) - 1; k >= 0 && wrote[k].first+wrote[k].n == i && wrote[k].logical+wrote[k].n == one.logical {
				wrote[k].n++
			} else {
				wrote = append(wrote, one)
			}
		}
	}
	if !b.o.SharedBlocks && total != it.blocks {
		return false // its holes are others
	}
	for _, r := range wrote {
		a.space.Claim(r.first, r.n)
		mine.Claim(r.first, r.n)
		a.end = max(a.end, r.first+r.n)
	}
	it.runs, it.wrote, it.blocks, it.nodes = runs, wrote, total, nil
	if want := nodesOf(len(runs)); want > 0 {
		for _, r := range a.take(want, it.was.Nodes) {
			for i := range r.n {
				it.nodes = append(it.nodes, r.first+i)
			}
		}
	}
	return true
}

// nodesOf is how many blocks the tree of so many extents takes.
func nodesOf(extents int) int64 {
	total := 0
	for n := extents; n > inlineExtents; {
		n = (n + leafExtents - 1) / leafExtents
		total += n
	}
	return int64(total)
}

func shareName(s *xattrShare) string {
	sum := sha256.Sum256(s.b)
	return fmt.Sprintf("%s%x %d", areaXattrs, sum[:8], s.nth)
}

// laid says where everything lies.
func (b *builder) laid() (*layout.Map, error) {
	l := &b.layout
	m := &layout.Map{FS: "ext4", Blocks: max(l.blocks, b.o.Size/block), Inodes: l.inodes}
	var fronts []layout.Extent
	next := int64(0)
	for g := range l.groups {
		n := min(l.front(g), l.blocks-g*perGroup)
		fronts = append(fronts, layout.Extent{Logical: next, Start: g * perGroup, Count: n})
		next += n
	}
	m.Areas = append(m.Areas, layout.Area{Name: areaFront, Extents: fronts})
	for _, s := range b.shares {
		m.Areas = append(m.Areas, layout.Area{Name: shareName(s), Extents: []layout.Extent{{Start: s.block, Count: 1}}})
	}
	if b.o.JournalBlocks > 0 {
		j := extents(b.journal.runs)
		at := int64(b.o.JournalBlocks)
		for _, n := range b.journal.nodes {
			j = append(j, layout.Extent{Logical: at, Start: n, Count: 1})
			at++
		}
		m.Areas = append(m.Areas, layout.Area{Name: areaJournal, Extents: j})
	}
	for _, it := range b.items {
		f := layout.File{Path: it.path, Number: uint64(it.ino), Digest: it.digest, Extents: extents(it.runs)}
		for i, n := range it.nodes {
			if k := len(f.Nodes) - 1; k >= 0 && f.Nodes[k].Start+f.Nodes[k].Count == n {
				f.Nodes[k].Count++
			} else {
				f.Nodes = append(f.Nodes, layout.Extent{Logical: int64(i), Start: n, Count: 1})
			}
		}
		m.Files = append(m.Files, f)
	}
	return m, nil
}

func extents(runs []run) []layout.Extent {
	var out []layout.Extent
	for _, r := range runs {
		out = append(out, layout.Extent{Logical: r.logical, Start: r.first, Count: r.n})
	}
	return out
}
