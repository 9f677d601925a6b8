package nest

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fridayos/friday/android/tree"
)

// folder collects the entries of an archive as a tree. Names that lead out of
// it, or that cannot be told apart, are left out and named.
type folder struct {
	root     *tree.Node
	problems []string
	last     *tree.Node // the folder of the entry before: archives are mostly in order
	lastPath string
}

const maxProblems = 100

func (b *folder) problem(format string, args ...any) {
	if len(b.problems) < maxProblems {
		b.problems = append(b.problems, fmt.Sprintf(format, args...))
	}
}

func (b *folder) add(path string, n *tree.Node) {
	path = strings.TrimPrefix(path, "./")
	if path == "" || path == "." {
		if n.Type == tree.Directory {
			b.root.Perm, b.root.UID, b.root.GID, b.root.MTime, b.root.MTimeNsec, b.root.Xattrs = n.Perm, n.UID, n.GID, n.MTime, n.MTimeNsec, n.Xattrs
		}
		return
	}
	parts := strings.Split(path, "/")
	if len(parts) > 256 {
		b.problem("entry %q: expected at most 256 folders, found %d; it is left out", short(path), len(parts))
		return
	}
	for _, p := range parts {
		if tree.ValidName(p) != nil || strings.ContainsRune(p, '\\') && strings.Contains(p, "..") {
			b.problem("entry %q: expected a path within the archive; it is left out", short(path))
			return
		}
	}
	dir := b.dir(parts[:len(parts)-1])
	if dir == nil {
		b.problem("entry %q: a file stands where its folder should; it is left out", short(path))
		return
	}
	name := parts[len(parts)-1]
	if old := dir.Entry(name); old != nil {
		if old.Type == tree.Directory && n.Type == tree.Directory {
			old.Perm, old.UID, old.GID, old.MTime, old.Xattrs = n.Perm, n.UID, n.GID, n.MTime, n.Xattrs
			return
		}
		b.problem("entry %q: it is there twice; the later one counts", short(path))
		if old.Type == tree.Directory || n.Type == tree.Directory {
			return
		}
	}
	dir.Set(name, n)
}

// dir finds or makes a folder.
func (b *folder) dir(parts []string) *tree.Node {
	path := strings.Join(parts, "/")
	if b.last != nil && path == b.lastPath {
		return b.last
	}
	n := b.root
	for _, p := range parts {
		next := n.Entry(p)
		if next == nil {
			next = tree.NewDir(0o755, 0, 0)
			n.Set(p, next)
		}
		if next.Type != tree.Directory {
			return nil
		}
		n = next
	}
	b.last, b.lastPath = n, path
	return n
}

// find is a path of the tree as it is so far, for hard links.
func (b *folder) find(path string) *tree.Node {
	path = strings.TrimPrefix(path, "./")
	if slices.Contains(strings.Split(path, "/"), "..") {
		return nil
	}
	return b.root.Lookup(strings.Trim(path, "/"))
}

func short(path string) string {
	if len(path) <= 120 {
		return path
	}
	return path[:60] + "…" + path[len(path)-55:]
}
