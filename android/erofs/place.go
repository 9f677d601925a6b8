package erofs

import (
	"fmt"
	"math"

	"github.com/fridayos/friday/android/layout"
	"github.com/fridayos/friday/android/tree"
)

// metaRun is blocks of inodes that follow each other.
type metaRun struct {
	first int64
	b     []byte
}

// metaAt is the bytes of inodes from an offset behind metaBlock on.
func (b *builder) metaAt(off int64) []byte {
	off += b.metaBlock * block
	for _, r := range b.meta {
		if in := off - r.first*block; in >= 0 && in < int64(len(r.b)) {
			return r.b[in:]
		}
	}
	return nil
}

// place gives everything its address, in one sweep.
func (b *builder) place() error {
	if b.plan != nil && b.plan.Was != nil {
		return b.placeAgain()
	}
	next := int64(1)
	put := func(dirs bool) {
		for _, it := range b.items {
			if it.blocks > 0 && (it.node.Type == tree.Directory) == dirs {
				it.first = next
				next += it.blocks
			}
		}
	}
	put(false)
	if n := alignUp(int64(len(b.shared)), block) / block; n > 0 {
		b.xattrBlock = next
		next += n
	}
	put(true)
	b.metaBlock = next

	// Number 0 stays free: readdir takes it for a deleted entry.
	pos := int64(inodeUnit)
	for _, it := range b.items {
		pos = it.fit(alignUp(pos, inodeUnit))
		it.nid = uint64(pos / inodeUnit)
		pos += it.head() + it.behind(pos+it.head())
	}
	b.meta = []metaRun{{next, make([]byte, alignUp(pos, block))}}
	b.blocks = max(next+alignUp(pos, block)/block, b.o.Size/block)
	return b.checkPlaces()
}

func (b *builder) checkPlaces() error {
	if b.blocks > math.MaxUint32 {
		return fmt.Errorf("%d blocks; the format takes %d", b.blocks, uint32(math.MaxUint32))
	}
	if len(b.items) > 0 && b.items[0].nid > math.MaxUint16 {
		return fmt.Errorf("root is inode %d; the format takes %d", b.items[0].nid, math.MaxUint16)
	}
	return nil
}

// placeAgain keeps what did not change where it was.
func (b *builder) placeAgain() error {
	was := b.plan.Was
	b.space = layout.NewSpace(was.Blocks, true)
	b.space.Claim(0, 1)
	meta := was.Area(areaInodes)
	if len(meta) == 0 {
		return fmt.Errorf("layout map: it has no inodes")
	}
	for _, e := range meta {
		if e.Start < meta[0].Start || !b.space.Free(e.Start, e.Count) {
			return fmt.Errorf("layout map: blocks %d to %d of inodes lie before the first, or are another's", e.Start, e.Start+e.Count)
		}
		b.space.Claim(e.Start, e.Count)
	}
	b.metaBlock = meta[0].Start
	var rest []*item
	for _, it := range b.items {
		f := was.Lookup(it.path)
		if it.blocks == 0 {
			continue
		}
		same := f != nil && len(f.Extents) == 1 && f.Extents[0].Count == it.blocks && (it.node.Type == tree.Directory || f.Digest == it.digest && was.Packing == b.packing())
		if same && b.space.Free(f.Extents[0].Start, it.blocks) && f.Extents[0].Start+it.blocks <= was.Blocks {
			it.first = f.Extents[0].Start
			b.space.Claim(it.first, it.blocks)
		} else {
			rest = append(rest, it)
		}
	}
	if n := alignUp(int64(len(b.shared)), block) / block; n > 0 {
		at := was.Area(areaXattrs)
		if len(at) == 1 && n <= at[0].Count && b.space.Free(at[0].Start, n) && at[0].Start+n <= was.Blocks {
			b.xattrBlock = at[0].Start
			b.space.Claim(b.xattrBlock, n)
		} else {
			b.xattrBlock, _ = b.space.Run(n)
		}
	}
	for _, it := range rest {
		if f := was.Lookup(it.path); f != nil && len(f.Extents) == 1 {
			if at := f.Extents[0].Start; at+it.blocks <= was.Blocks && b.space.Free(at, it.blocks) {
				it.first = at
				b.space.Claim(at, it.blocks)
				continue
			}
		}
		it.first, _ = b.space.Run(it.blocks)
	}
	b.placeInodes(meta)
	if b.items[0].nid > math.MaxUint16 { // the root has grown out of its place, and must be among the first
		b.plan = &layout.Plan{Digest: b.plan.Digest}
		b.o.Size, b.meta = max(b.o.Size, was.Blocks*block), nil
		return b.place()
	}
	if b.blocks = max(was.Blocks, b.o.Size/block); b.space.Blocks() > b.blocks {
		b.blocks = layout.Grown(b.space.Blocks())
	}
	return b.checkPlaces()
}

// placeInodes keeps the numbers that fit where they were; the others get the first
// place that is free, in blocks of inodes that are there or in new ones.
func (b *builder) placeInodes(meta []layout.Extent) {
	base := b.metaBlock * block
	last := meta[len(meta)-1]
	units := layout.NewSpace(((last.Start+last.Count)*block-base)/inodeUnit, false) // from metaBlock on; what is no inode's is taken
	end := int64(0)
	open := func(e layout.Extent) {
		at := (e.Start*block - base) / inodeUnit
		if at > end {
			units.Claim(end, at-end)
		}
		end = at + e.Count*block/inodeUnit
		units.Extend(end)
	}
	for _, e := range meta {
		open(e)
	}
	units.Claim(0, 1) // number 0 stays free
	claim := func(it *item, pos int64) bool {
		n := alignUp(it.head()+it.behind(pos+it.head()), inodeUnit) / inodeUnit
		if pos/inodeUnit+n > end || !units.Free(pos/inodeUnit, n) {
			return false
		}
		units.Claim(pos/inodeUnit, n)
		it.nid = uint64(pos / inodeUnit)
		return true
	}
	var rest []*item
	for _, it := range b.items {
		f := b.plan.Was.Lookup(it.path)
		if f == nil || f.Number == 0 || f.Number > uint64(end) || it.fit(int64(f.Number)*inodeUnit) != int64(f.Number)*inodeUnit || !claim(it, int64(f.Number)*inodeUnit) {
			rest = append(rest, it)
		}
	}
	for _, it := range rest {
		if findInode(it, units, claim) {
			continue
		}
		n := alignUp(it.head()+it.behind(it.head())+inodeUnit, block) / block
		last := meta[len(meta)-1]
		first, _ := b.space.RunFrom(last.Start+last.Count, n)
		if k := len(meta) - 1; meta[k].Start+meta[k].Count == first {
			meta[k].Count += n
		} else {
			meta = append(meta, layout.Extent{Start: first, Count: n})
		}
		open(layout.Extent{Start: first, Count: n})
		claim(it, it.fit(first*block-base))
	}
	for _, e := range meta {
		b.meta = append(b.meta, metaRun{e.Start, make([]byte, e.Count*block)})
	}
}

// findInode claims the first place among units where an inode fits.
func findInode(it *item, units *layout.Space, claim func(*item, int64) bool) bool {
	for start, n := units.Next(0); n > 0; start, n = units.Next(start + n) {
		if pos := it.fit(start * inodeUnit); pos < (start+n)*inodeUnit && claim(it, pos) {
			return true
		}
	}
	return false
}
