package erofs

import (
	"fmt"

	"github.com/fridayos/friday/android/layout"
	"github.com/fridayos/friday/android/tree"
)

// The names of areas of a layout map.
const (
	areaSuper  = "super"
	areaXattrs = "xattrs"
	areaInodes = "inodes" // with directory tails and small content
)

// Lay builds an image as Build does, and says where it put everything. A file that
// is in plan.Was with the same path and content keeps its blocks, and inodes keep
// their numbers; what is new or has grown gets the first place that is free. The
// image is at least as large as the one before. The same tree, options and map give
// the same bytes.
func Lay(root *tree.Node, o Options, plan layout.Plan) (*tree.Image, *layout.Map, error) {
	if w := plan.Was; w != nil && w.FS != "erofs" {
		return nil, nil, fmt.Errorf("cannot build erofs image: the layout map is of %s", w.FS)
	}
	b := &builder{o: o, byNode: map[*tree.Node]*item{}, plan: &plan}
	im, err := b.build(root)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot build erofs image: %w", err)
	}
	return im, b.laid(), nil
}

// digests says what content there is in blocks.
func (b *builder) digests() error {
	if b.plan == nil {
		return nil
	}
	for _, it := range b.items {
		n := it.node
		if n.Type == tree.Regular && n.Size > 0 || n.Type == tree.Symlink && len(n.Target) > inlineMax {
			var err error
			if it.digest, err = b.plan.Of(n); err != nil {
				return fmt.Errorf("%q: %w", it.path, err)
			}
		}
	}
	return nil
}

// packing is how content is compressed, in words.
func (b *builder) packing() string {
	if b.o.LZ4 == nil {
		return ""
	}
	return b.o.LZ4.Packing()
}

// keepShared shares first what was shared, in the same order, so that its places,
// which inodes name, stay: unless more than half of it is in no inode any more.
func (b *builder) keepShared(count map[string]int) {
	if b.plan == nil || b.plan.Was == nil {
		return
	}
	unused := 0
	for _, s := range b.plan.Was.Shared {
		if len(s)%4 != 0 || len(s) < 4 {
			return
		}
		if count[string(s)] == 0 {
			unused++
		}
	}
	if unused > len(b.plan.Was.Shared)/2 {
		return
	}
	for _, s := range b.plan.Was.Shared {
		b.share(string(s))
	}
}

// laid says where everything lies.
func (b *builder) laid() *layout.Map {
	m := &layout.Map{FS: "erofs", Blocks: b.blocks, Packing: b.packing(), Shared: b.shares}
	m.Areas = append(m.Areas, layout.Area{Name: areaSuper, Extents: []layout.Extent{{Count: 1}}})
	if n := alignUp(int64(len(b.shared)), block) / block; n > 0 {
		m.Areas = append(m.Areas, layout.Area{Name: areaXattrs, Extents: []layout.Extent{{Start: b.xattrBlock, Count: n}}})
	}
	var inodes []layout.Extent
	next := int64(0)
	for _, r := range b.meta {
		n := int64(len(r.b)) / block
		inodes = append(inodes, layout.Extent{Logical: next, Start: r.first, Count: n})
		next += n
	}
	m.Areas = append(m.Areas, layout.Area{Name: areaInodes, Extents: inodes})
	for _, it := range b.items {
		pos := int64(it.nid) * inodeUnit
		f := layout.File{Path: it.path, Number: it.nid, Room: it.head() + it.behind(pos+it.head())}
		if it.blocks > 0 {
			f.Digest = it.digest
			f.Extents = []layout.Extent{{Start: it.first, Count: it.blocks}}
		}
		m.Files = append(m.Files, f)
	}
	return m
}
