package tree

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// MaxDepth is how many directories deep a tree may be. It is more than any
// path that Linux takes (4,096 bytes) needs, and finds a directory that
// contains itself.
const MaxDepth = 2048

// Walk calls fn for every entry, parents first, in the order of names; root
// has the path "". A node with several names is visited once for each. When fn
// returns fs.SkipDir for a directory, what is in it is left out; for anything
// else, the rest of its directory. fs.SkipAll ends the walk without an error.
func Walk(root *Node, fn func(path string, n *Node) error) error {
	err := walk(root, "", 0, fn)
	if errors.Is(err, fs.SkipDir) || errors.Is(err, fs.SkipAll) {
		return nil
	}
	return err
}

func walk(n *Node, path string, depth int, fn func(string, *Node) error) error {
	if depth > MaxDepth {
		return fmt.Errorf("cannot walk tree: %q is more than %d levels deep; does a directory contain itself?", short(path), MaxDepth)
	}
	if err := fn(path, n); err != nil {
		return err
	}
	for _, e := range n.Entries {
		err := walk(e.Node, join(path, e.Name), depth+1, fn)
		if err == nil {
			continue
		}
		if err == fs.SkipDir {
			if e.Node.Type == Directory {
				continue
			}
			return nil
		}
		return err
	}
	return nil
}

// Clone copies the metadata of a tree deeply. Hard links stay hard links;
// content, xattr values and extents are shared with the original.
func Clone(root *Node) *Node {
	return clone(root, map[*Node]*Node{})
}

func clone(n *Node, seen map[*Node]*Node) *Node {
	if c, ok := seen[n]; ok {
		return c
	}
	c := new(Node)
	*c = *n
	seen[n] = c
	c.Xattrs = slices.Clone(n.Xattrs)
	c.Entries = slices.Clone(n.Entries)
	for i, e := range c.Entries {
		c.Entries[i].Node = clone(e.Node, seen)
	}
	return c
}

// Validate says whether a tree can be written to a file system: names that are
// allowed, sorted and single, directories with one name each, children only in
// directories, content where there is a size, no level below MaxDepth.
func Validate(root *Node) error {
	if root == nil || root.Type != Directory {
		return errors.New("cannot use tree: the root is not a directory")
	}
	dirs := map[*Node]string{}
	return Walk(root, func(path string, n *Node) error {
		if n.Type == Directory {
			if other, ok := dirs[n]; ok {
				return fmt.Errorf("cannot use tree: directory %q is also %q; only files may have two names", path, other)
			}
			dirs[n] = path
		}
		if err := n.validate(); err != nil {
			return fmt.Errorf("cannot use tree: %q: %w", path, err)
		}
		return nil
	})
}

func (n *Node) validate() error {
	switch {
	case int(n.Type) >= len(typeNames):
		return fmt.Errorf("unknown file type %d", n.Type)
	case n.Perm > 0o7777:
		return fmt.Errorf("mode %#o has more than 12 bits", n.Perm)
	case n.MTimeNsec >= 1e9:
		return fmt.Errorf("time has %d nanoseconds, more than a second", n.MTimeNsec)
	case n.Type != Directory && len(n.Entries) > 0:
		return fmt.Errorf("a %s cannot have %d entries", n.Type, len(n.Entries))
	case n.Type == Regular && n.Size < 0:
		return fmt.Errorf("negative size %d", n.Size)
	case n.Type == Regular && n.Size > 0 && n.Content == nil:
		return fmt.Errorf("size is %d but there is no content", n.Size)
	case n.Type == Symlink && (n.Target == "" || strings.ContainsRune(n.Target, 0)):
		return fmt.Errorf("a symlink cannot point to %q", n.Target)
	}
	for i, e := range n.Entries {
		if err := ValidName(e.Name); err != nil {
			return err
		}
		if e.Node == nil {
			return fmt.Errorf("entry %q has no node", e.Name)
		}
		if i > 0 && n.Entries[i-1].Name >= e.Name {
			return fmt.Errorf("entries are not sorted or not single: %q before %q", n.Entries[i-1].Name, e.Name)
		}
	}
	for i, x := range n.Xattrs {
		if i > 0 && n.Xattrs[i-1].Name >= x.Name {
			return fmt.Errorf("xattrs are not sorted or not single: %q before %q", n.Xattrs[i-1].Name, x.Name)
		}
	}
	return nil
}

// ValidName says whether Linux takes a name: 1 to 255 bytes without '/' and
// NUL, and neither "." nor "..".
func ValidName(name string) error {
	switch {
	case name == "", name == ".", name == "..":
		return fmt.Errorf("%q is not a name for a file", name)
	case len(name) > 255:
		return fmt.Errorf("name %q has %d bytes; 255 are allowed", short(name), len(name))
	case strings.ContainsAny(name, "/\x00"):
		return fmt.Errorf("name %q contains '/' or NUL", name)
	}
	return nil
}

func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

// short keeps a path in an error readable.
func short(path string) string {
	if len(path) <= 120 {
		return path
	}
	return path[:60] + "…" + path[len(path)-55:]
}
