package tree

import (
	"bytes"
	"fmt"
	"io"
	"sort"
	"strings"
)

// Diff names every difference between two trees, a line each, content and hard
// links included; where the content lies (Extents) does not matter. Equal
// trees give none. An error means that content could not be read.
func Diff(a, b *Node) ([]string, error) {
	d := differ{firstA: map[*Node]string{}, firstB: map[*Node]string{}}
	if err := d.compare("", a, b, 0); err != nil {
		return nil, err
	}
	return d.lines, nil
}

type differ struct {
	lines          []string
	firstA, firstB map[*Node]string // the first path at which a node was met
}

func (d *differ) addf(path, format string, args ...any) {
	d.lines = append(d.lines, fmt.Sprintf("%q: ", path)+fmt.Sprintf(format, args...))
}

func (d *differ) compare(path string, a, b *Node, depth int) error {
	if depth > MaxDepth {
		return fmt.Errorf("cannot compare trees: %q is more than %d levels deep", short(path), MaxDepth)
	}
	la, seenA := d.firstA[a]
	lb, seenB := d.firstB[b]
	if seenA != seenB || la != lb {
		d.addf(path, "hard link to %s, then to %s", orNone(seenA, la), orNone(seenB, lb))
	}
	if !seenA {
		d.firstA[a] = path
	}
	if !seenB {
		d.firstB[b] = path
	}
	if a.Type != b.Type {
		d.addf(path, "type %s, then %s", a.Type, b.Type)
		return nil
	}
	if seenA && seenB && la == lb {
		return nil // compared at its first name
	}
	d.meta(path, a, b)
	if a.Type == Regular && a.Size == b.Size {
		at, err := firstDifference(a, b)
		if err != nil {
			return fmt.Errorf("cannot compare %q: %w", path, err)
		}
		if at >= 0 {
			d.addf(path, "content differs from byte %d", at)
		}
	}
	return d.entries(path, a, b, depth)
}

func orNone(seen bool, path string) string {
	if !seen {
		return "none"
	}
	return fmt.Sprintf("%q", path)
}

func (d *differ) meta(path string, a, b *Node) {
	if a.Perm != b.Perm {
		d.addf(path, "mode %04o, then %04o", a.Perm, b.Perm)
	}
	if a.UID != b.UID || a.GID != b.GID {
		d.addf(path, "owner %d:%d, then %d:%d", a.UID, a.GID, b.UID, b.GID)
	}
	if a.MTime != b.MTime || a.MTimeNsec != b.MTimeNsec {
		d.addf(path, "time %d.%09d, then %d.%09d", a.MTime, a.MTimeNsec, b.MTime, b.MTimeNsec)
	}
	if a.Size != b.Size {
		d.addf(path, "size %d, then %d", a.Size, b.Size)
	}
	if a.Target != b.Target {
		d.addf(path, "target %q, then %q", a.Target, b.Target)
	}
	if a.Major != b.Major || a.Minor != b.Minor {
		d.addf(path, "device %d:%d, then %d:%d", a.Major, a.Minor, b.Major, b.Minor)
	}
	merge(len(a.Xattrs), len(b.Xattrs),
		func(i, j int) int { return strings.Compare(a.Xattrs[i].Name, b.Xattrs[j].Name) },
		func(i, j int) {
			switch {
			case j < 0:
				d.addf(path, "xattr %s=%q, then none", a.Xattrs[i].Name, a.Xattrs[i].Value)
			case i < 0:
				d.addf(path, "no xattr %s, then %q", b.Xattrs[j].Name, b.Xattrs[j].Value)
			case !bytes.Equal(a.Xattrs[i].Value, b.Xattrs[j].Value):
				d.addf(path, "xattr %s=%q, then %q", a.Xattrs[i].Name, a.Xattrs[i].Value, b.Xattrs[j].Value)
			}
		})
}

func (d *differ) entries(path string, a, b *Node, depth int) error {
	var first error
	merge(len(a.Entries), len(b.Entries),
		func(i, j int) int { return strings.Compare(a.Entries[i].Name, b.Entries[j].Name) },
		func(i, j int) {
			switch {
			case j < 0:
				d.addf(join(path, a.Entries[i].Name), "is gone")
			case i < 0:
				d.addf(join(path, b.Entries[j].Name), "is new")
			case first == nil:
				first = d.compare(join(path, a.Entries[i].Name), a.Entries[i].Node, b.Entries[j].Node, depth+1)
			}
		})
	return first
}

// merge walks two sorted lists at once; an index of -1 says that the item is
// only in the other one.
func merge(na, nb int, cmp func(i, j int) int, fn func(i, j int)) {
	i, j := 0, 0
	for i < na || j < nb {
		c := 0
		switch {
		case i == na:
			c = 1
		case j == nb:
			c = -1
		default:
			c = cmp(i, j)
		}
		switch {
		case c < 0:
			fn(i, -1)
			i++
		case c > 0:
			fn(-1, j)
			j++
		default:
			fn(i, j)
			i++
			j++
		}
	}
}

// firstDifference returns where two contents of one size differ, or -1.
func firstDifference(a, b *Node) (int64, error) {
	ra, rb := a.Open(), b.Open()
	bufA, bufB := make([]byte, 64<<10), make([]byte, 64<<10)
	for off := int64(0); off < a.Size; {
		n := min(int64(len(bufA)), a.Size-off)
		if _, err := io.ReadFull(ra, bufA[:n]); err != nil {
			return 0, err
		}
		if _, err := io.ReadFull(rb, bufB[:n]); err != nil {
			return 0, err
		}
		if !bytes.Equal(bufA[:n], bufB[:n]) {
			i := sort.Search(int(n), func(i int) bool { return !bytes.Equal(bufA[:i+1], bufB[:i+1]) })
			return off + int64(i), nil
		}
		off += n
	}
	return -1, nil
}
