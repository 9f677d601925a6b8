package ota

import (
	"errors"
	"path"
	"strings"

	"github.com/fridayos/friday/android/erofs"
	"github.com/fridayos/friday/android/ext4"
	"github.com/fridayos/friday/android/tree"
)

// file is where a regular file's content lies in an image.
type file struct {
	path   string
	blocks []int32 // in the order of the file
}

// files lists the regular files of an erofs or ext4 image and says of each block
// whose it is (none: of no file). An image that does not read as what it is said to
// be has no files; it is then handled as bytes.
func files(img *Image) ([]file, []int32) {
	owner := make([]int32, img.Size/blockSize)
	for i := range owner {
		owner[i] = none
	}
	root, err := rootOf(img)
	if err != nil {
		return nil, owner
	}
	var list []file
	seen := map[*tree.Node]bool{}
	_ = tree.Walk(root, func(name string, n *tree.Node) error {
		if n.Type != tree.Regular || seen[n] {
			return nil
		}
		seen[n] = true
		f := file{path: name}
		for _, e := range n.Extents {
			if e.Length <= 0 || e.Offset < 0 || e.Offset+e.Length > img.Size {
				continue
			}
			if e.Raw && e.Offset%blockSize != 0 {
				continue // inside a block that holds inodes too
			}
			for b := e.Offset / blockSize; b <= (e.Offset+e.Length-1)/blockSize; b++ {
				if owner[b] == none { // packed clusters belong to the first
					owner[b] = int32(len(list))
					f.blocks = append(f.blocks, int32(b))
				}
			}
		}
		if len(f.blocks) > 0 {
			list = append(list, f)
		}
		return nil
	})
	return list, owner
}

var errNoFiles = errors.New("no file system that is known")

// rootOf reads the tree of an image by its hint.
func rootOf(img *Image) (*tree.Node, error) {
	switch img.FS {
	case "erofs":
		im, err := erofs.Open(img.Content, img.Size)
		if err != nil {
			return nil, err
		}
		return im.Tree()
	case "ext4":
		im, err := ext4.Open(img.Content, img.Size)
		if err != nil {
			return nil, err
		}
		return im.Tree()
	}
	return nil, errNoFiles
}

// matcher finds for a new file the old one that it comes from.
type matcher struct {
	old    []file
	owner  []int32 // of old blocks
	byPath map[string]int32
	byLike map[string][]int32
}

func newMatcher(old []file, owner []int32) *matcher {
	m := &matcher{old: old, owner: owner, byPath: map[string]int32{}, byLike: map[string][]int32{}}
	for i, f := range old {
		m.byPath[f.path] = int32(i)
		m.byLike[likeness(f.path)] = append(m.byLike[likeness(f.path)], int32(i))
	}
	return m
}

// find gives the index of the old file: that of the same path; else the one
// that most of the unchanged blocks come from; else the one of a like name and
// the nearest length; or none.
func (m *matcher) find(f *file, from []int32) int32 {
	if i, ok := m.byPath[f.path]; ok {
		return i
	}
	votes := map[int32]int{}
	best := int32(none)
	for _, b := range f.blocks {
		if from[b] == none || m.owner[from[b]] == none {
			continue
		}
		i := m.owner[from[b]]
		votes[i]++
		if best == none || votes[i] > votes[best] || votes[i] == votes[best] && i < best {
			best = i
		}
	}
	if best != none {
		return best
	}
	for _, i := range m.byLike[likeness(f.path)] {
		if best == none || distance(m.old[i], *f) < distance(m.old[best], *f) {
			best = i
		}
	}
	return best
}

func distance(a, b file) int {
	d := len(a.blocks) - len(b.blocks)
	return max(d, -d)
}

// likeness is a file's name without what a new version changes in it: digits
// and the signs between them. "lib/libfoo.so.1.2" is like "lib64/libfoo.so.1.3".
func likeness(name string) string {
	return strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' || strings.ContainsRune("._-+~", r) {
			return -1
		}
		return r
	}, path.Base(name))
}
