package nest

import (
	"context"
	"path"
	"slices"
	"strings"

	"github.com/fridayos/friday/android/tree"
)

// beside finds the images of the partitions that a vbmeta image describes: by
// the names that they go by, packed or sparse, in a super image, and in what the
// vbmeta image itself lies in, level by level. Odin's archives are searched as one.
type beside struct {
	n      *Nest
	of     File
	supers map[string]*tree.Node // by the path of what was opened; nil: not to be opened
}

// found is an image and where it was.
type found struct {
	File
	where string
}

// find looks for a partition. What lies on the disk beside a firmware does not
// belong to it, so the search ends with what of lies in.
func (b *beside) find(ctx context.Context, partition string) (found, bool) {
	if partition == "" {
		return found{}, false
	}
	names := []string{partition + ".img", partition, partition + "_a.img", partition + "_a"}
	where := ""
	for f := &b.of; f != nil; f = f.up {
		if f.R == nil || f.Sibling == nil {
			continue
		}
		own := f == &b.of
		if own || f.up != nil {
			if x, ok := b.in(ctx, *f, names, where); ok {
				return x, true
			}
		}
		if isOdin(f.Name) && !own && f.names != nil {
			for _, name := range f.names() {
				s, ok := f.Sibling(name)
				if !isOdin(name) || name == f.Name || !ok {
					continue
				}
				root := b.open(ctx, s, where+"../"+name)
				if root == nil || len(root.Entries) == 0 {
					continue
				}
				first := childFile(root, "", &tree.Node{}, &s, s.depth+1)
				if x, ok := b.in(ctx, first, names, where+"../"+name+"//"); ok {
					return x, true
				}
			}
		}
		where += "../"
	}
	return found{}, false
}

func isOdin(name string) bool { return strings.HasSuffix(name, ".tar.md5") }

// in looks among the files beside f, and in the super image among them.
func (b *beside) in(ctx context.Context, f File, names []string, where string) (found, bool) {
	for _, name := range names {
		for _, packing := range []string{"", ".lz4", ".gz", ".xz", ".zst", ".br"} {
			s, ok := f.Sibling(name + packing)
			if !ok || s.Name == f.Name {
				continue
			}
			if s, ok = b.unwrapped(ctx, s, packing != ""); ok {
				return found{s, where + name + packing}, true
			}
		}
	}
	for _, name := range []string{"super.img", "super", "super.img.lz4", "super.img.gz", "super.img.zst", "super.img_sparsechunk.0", "super_sparsechunk.0"} {
		s, ok := f.Sibling(name)
		if !ok {
			continue
		}
		root := b.open(ctx, s, where+name)
		if root == nil {
			continue
		}
		for _, partition := range names {
			node := root.Entry(partition)
			if node == nil || node.Type != tree.Regular || node.Size == 0 {
				continue
			}
			if x, ok := b.unwrapped(ctx, childFile(root, partition, node, &s, s.depth+1), false); ok {
				return found{x, where + name + "//" + partition}, true
			}
		}
	}
	return found{}, false
}

// open is what a container holds; nil if it cannot be opened, which who reads
// the container itself will say.
func (b *beside) open(ctx context.Context, f File, where string) *tree.Node {
	if root, ok := b.supers[where]; ok {
		return root
	}
	var root *tree.Node
	if o, err := b.n.Container(ctx, f); err == nil && !o.Files {
		root = o.Root
	}
	if b.supers == nil {
		b.supers = map[string]*tree.Node{}
	}
	b.supers[where] = root
	return root
}

// unwrapped takes packing off, if there is any, and what makes an image sparse:
// sums are of the image that the phone has.
func (b *beside) unwrapped(ctx context.Context, f File, packed bool) (File, bool) {
	for range MaxDepth {
		o, err := b.n.Identify(ctx, f)
		if err != nil || o.Inner == nil || !packed && o.Format != "sparse" {
			return f, !packed
		}
		f, packed = *o.Inner, false
	}
	return f, false
}

// shortWhere tells where something was found, if that is not beside what asked.
func shortWhere(where string) string {
	plain := !strings.ContainsAny(where, "/")
	if plain && !slices.Contains([]string{".lz4", ".gz", ".xz", ".zst", ".br"}, path.Ext(where)) {
		return ""
	}
	return ", in " + short(where)
}
