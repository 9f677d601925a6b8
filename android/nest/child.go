package nest

import (
	"strings"

	"github.com/fridayos/friday/android/tree"
)

// Child is a regular file of what was opened, by its path in Root, as a file that
// can be opened in its turn; ok is false for anything else.
func (o *Opened) Child(path string) (f File, ok bool) {
	dir, name := o.Root, path
	if i := strings.LastIndexByte(path, '/'); i >= 0 && dir != nil {
		dir, name = dir.Lookup(path[:i]), path[i+1:]
	}
	if dir == nil {
		return File{}, false
	}
	node := dir.Entry(name)
	if node == nil || node.Type != tree.Regular {
		return File{}, false
	}
	return childFile(dir, name, node, &o.of, o.of.depth+1), true
}
