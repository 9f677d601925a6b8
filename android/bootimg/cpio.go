package bootimg

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/fridayos/friday/android/tree"
)

const (
	cpioMagic    = "070701"
	cpioCRCMagic = "070702" // with a sum of the bytes of each file
	cpioHeader   = 110
	cpioTrailer  = "TRAILER!!!"
	cpioAlign    = 512 // of the whole archive, as cpio's own
	maxName      = 4096
)

// cpioTypes are the type bits of a mode.
var cpioTypes = [...]uint32{tree.Regular: 0o100000, tree.Directory: 0o040000, tree.Symlink: 0o120000,
	tree.CharDevice: 0o020000, tree.BlockDevice: 0o060000, tree.FIFO: 0o010000, tree.Socket: 0o140000}

// cpioEntry has the fields of a header in their order, each eight hex digits.
type cpioEntry struct {
	ino, mode, uid, gid, nlink, mtime, size, devMajor, devMinor, rdevMajor, rdevMinor, nameSize, sum uint32
	name                                                                                             string
	data                                                                                             []byte
	at                                                                                               int
}

func (e *cpioEntry) fields() []*uint32 {
	return []*uint32{&e.ino, &e.mode, &e.uid, &e.gid, &e.nlink, &e.mtime, &e.size, &e.devMajor, &e.devMinor,
		&e.rdevMajor, &e.rdevMinor, &e.nameSize, &e.sum}
}

var cpioFieldNames = [...]string{"ino", "mode", "uid", "gid", "nlink", "mtime", "filesize", "devmajor", "devminor",
	"rdevmajor", "rdevminor", "namesize", "check"}

// nextEntry reads the entry at offset at and returns where the next one begins.
func nextEntry(b []byte, at int) (cpioEntry, int, error) {
	e := cpioEntry{at: at}
	if len(b)-at < cpioHeader {
		return e, 0, fmt.Errorf("cpio header at offset %d is cut off: %d bytes, expected %d", at, len(b)-at, cpioHeader)
	}
	magic := string(b[at : at+6])
	if magic != cpioMagic && magic != cpioCRCMagic {
		return e, 0, fmt.Errorf("cpio magic at offset %d is %q, expected %q", at, magic, cpioMagic)
	}
	for i, f := range e.fields() {
		text := b[at+6+8*i : at+14+8*i]
		n, err := strconv.ParseUint(string(text), 16, 32)
		if err != nil {
			return e, 0, fmt.Errorf("cpio %s at offset %d is %q, expected eight hex digits", cpioFieldNames[i], at+6+8*i, text)
		}
		*f = uint32(n)
	}
	name := at + cpioHeader
	if e.nameSize == 0 || e.nameSize > maxName || int(e.nameSize) > len(b)-name {
		return e, 0, fmt.Errorf("cpio namesize at offset %d is %d, expected 1 to %d", at+94, e.nameSize, min(maxName, len(b)-name))
	}
	raw := b[name : name+int(e.nameSize)]
	if i := bytes.IndexByte(raw, 0); i != len(raw)-1 {
		return e, 0, fmt.Errorf("cpio name at offset %d is %q, expected one NUL, at its end", name, raw)
	}
	e.name = string(raw[:len(raw)-1])
	data := align(name+int(e.nameSize), 4)
	if data > len(b) || uint64(e.size) > uint64(len(b)-data) {
		return e, 0, fmt.Errorf("cpio filesize at offset %d is %d for %s, expected at most %d", at+54, e.size, e.name, max(0, len(b)-data))
	}
	e.data = b[data : data+int(e.size)]
	if magic == cpioCRCMagic && e.mode&0o170000 == cpioTypes[tree.Regular] {
		var sum uint32
		for _, c := range e.data {
			sum += uint32(c)
		}
		if e.size > 0 && sum != e.sum {
			return e, 0, fmt.Errorf("cpio check at offset %d is %#x for %s, expected %#x", at+102, e.sum, e.name, sum)
		}
	}
	return e, min(align(data+int(e.size), 4), len(b)), nil
}

func align(n, to int) int { return (n + to - 1) / to * to }

// cpioReader builds a tree. Directories are maps until the end, so that one of
// many entries takes no quadratic time.
type cpioReader struct {
	root  *tree.Node
	dirs  map[*tree.Node]map[string]*tree.Node
	links map[[3]uint32]*tree.Node // by device and inode, within one archive
	count int
}

func readCPIO(b []byte) (*tree.Node, error) {
	r := &cpioReader{root: tree.NewDir(0o755, 0, 0), dirs: map[*tree.Node]map[string]*tree.Node{}, links: map[[3]uint32]*tree.Node{}}
	r.dirs[r.root] = map[string]*tree.Node{}
	for at := 0; ; {
		e, next, err := nextEntry(b, at)
		if err != nil {
			return nil, err
		}
		if at = next; e.name != cpioTrailer {
			if err := r.add(e); err != nil {
				return nil, fmt.Errorf("cpio entry at offset %d, %q: %w", e.at, e.name, err)
			}
			continue
		}
		clear(r.links)
		for at < len(b) && b[at] == 0 {
			at++
		}
		if at == len(b) {
			break
		}
		if at%4 != 0 {
			return nil, fmt.Errorf("data behind the cpio trailer at offset %d, expected zeros or another archive at a multiple of 4", at)
		}
	}
	r.finish(r.root)
	return r.root, nil
}

func (r *cpioReader) add(e cpioEntry) error {
	kind := slices.Index(cpioTypes[:], e.mode&0o170000)
	if kind < 0 || e.mode>>16 != 0 {
		return fmt.Errorf("mode is %#o, expected a known type", e.mode)
	}
	n := &tree.Node{Type: tree.Type(kind), Perm: uint16(e.mode & 0o7777), UID: e.uid, GID: e.gid, MTime: int64(e.mtime)}
	switch n.Type {
	case tree.Regular:
		setContent(n, e.data)
	case tree.Symlink:
		if n.Target = string(e.data); n.Target == "" || len(e.data) > maxName || strings.Contains(n.Target, "\x00") {
			return fmt.Errorf("its target is %q, expected 1 to %d bytes without NUL", n.Target[:min(len(n.Target), 80)], maxName)
		}
	case tree.CharDevice, tree.BlockDevice:
		n.Major, n.Minor = e.rdevMajor, e.rdevMinor
	}
	if n.Type != tree.Regular && n.Type != tree.Symlink && e.size > 0 {
		return fmt.Errorf("a %s has %d bytes of content, expected none", n.Type, e.size)
	}
	if n.Type != tree.Directory && e.nlink > 1 {
		key := [3]uint32{e.devMajor, e.devMinor, e.ino}
		if first := r.links[key]; first != nil && first.Type == n.Type {
			if e.size > 0 && n.Type == tree.Regular {
				setContent(first, e.data)
			}
			n = first
		}
		r.links[key] = n
	}
	return r.put(e.name, n)
}

func setContent(n *tree.Node, b []byte) {
	if n.Size = int64(len(b)); n.Size > 0 {
		n.Content = bytes.NewReader(b)
	}
}

// put places n; what is missing on the way to it is made, as vendors' fragments
// rely on other fragments for it.
func (r *cpioReader) put(name string, n *tree.Node) error {
	var parts []string
	for p := range strings.SplitSeq(name, "/") {
		switch p {
		case "", ".":
		case "..":
			return fmt.Errorf("the name leads out of the ramdisk")
		default:
			parts = append(parts, p)
		}
	}
	if len(parts) == 0 {
		if n.Type != tree.Directory {
			return fmt.Errorf("the root is a %s, expected a directory", n.Type)
		}
		copyMeta(r.root, n)
		return nil
	}
	if len(parts) > tree.MaxDepth {
		return fmt.Errorf("it is %d levels deep, expected at most %d", len(parts), tree.MaxDepth)
	}
	dir := r.root
	for _, p := range parts[:len(parts)-1] {
		child := r.dirs[dir][p]
		if child == nil {
			child = tree.NewDir(0o755, 0, 0)
			if err := r.link(dir, p, child); err != nil {
				return err
			}
		}
		if child.Type != tree.Directory {
			return fmt.Errorf("%q on the way to it is a %s, expected a directory", p, child.Type)
		}
		dir = child
	}
	last := parts[len(parts)-1]
	if old := r.dirs[dir][last]; old != nil && old.Type == tree.Directory && n.Type == tree.Directory {
		copyMeta(old, n)
		return nil
	}
	return r.link(dir, last, n)
}

func copyMeta(to, from *tree.Node) {
	to.Perm, to.UID, to.GID, to.MTime = from.Perm, from.UID, from.GID, from.MTime
}

func (r *cpioReader) link(dir *tree.Node, name string, n *tree.Node) error {
	if r.count++; r.count > MaxRamdiskEntries {
		return fmt.Errorf("there are more than %d files", MaxRamdiskEntries)
	}
	r.dirs[dir][name] = n
	if n.Type == tree.Directory {
		r.dirs[n] = map[string]*tree.Node{}
	}
	return nil
}

func (r *cpioReader) finish(dir *tree.Node) {
	for name, n := range r.dirs[dir] {
		dir.Entries = append(dir.Entries, tree.Entry{Name: name, Node: n})
		if n.Type == tree.Directory {
			r.finish(n)
		}
	}
	slices.SortFunc(dir.Entries, func(a, b tree.Entry) int { return strings.Compare(a.Name, b.Name) })
}

// writeCPIO writes parents first, in the order of names. Inodes are numbered in
// that order; a hard link's content is with its last name, as cpio writes it.
func writeCPIO(root *tree.Node) ([]byte, error) {
	if root == nil || root.Type != tree.Directory {
		return nil, fmt.Errorf("the root is not a directory")
	}
	names, seen := map[*tree.Node]uint32{}, map[*tree.Node]uint32{}
	count := 0
	if err := tree.Walk(root, func(path string, n *tree.Node) error {
		if count++; count > MaxRamdiskEntries {
			return fmt.Errorf("there are more than %d files", MaxRamdiskEntries)
		}
		names[n]++
		return nil
	}); err != nil {
		return nil, err
	}
	var b []byte
	inodes := map[*tree.Node]uint32{}
	err := tree.Walk(root, func(path string, n *tree.Node) error {
		if path == "" { // the root's own entry is needed only to say something
			if n.Perm == 0o755 && n.UID == 0 && n.GID == 0 && n.MTime == 0 {
				return nil
			}
			path = "."
		}
		if inodes[n] == 0 {
			inodes[n] = uint32(len(inodes) + 1)
		}
		seen[n]++
		e, err := entryOf(path, n, seen[n] == names[n])
		if err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
		if e.ino, e.nlink = inodes[n], names[n]; n.Type == tree.Directory && names[n] > 1 {
			return fmt.Errorf("%s: a directory has %d names", path, names[n])
		}
		if b = appendEntry(b, e); len(b) > MaxRamdisk {
			return fmt.Errorf("%s: the ramdisk grows past %d bytes", path, MaxRamdisk)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	b = appendEntry(b, cpioEntry{name: cpioTrailer, nlink: 1})
	return append(b, make([]byte, align(len(b), cpioAlign)-len(b))...), nil
}

func entryOf(path string, n *tree.Node, withContent bool) (cpioEntry, error) {
	e := cpioEntry{name: path, uid: n.UID, gid: n.GID, mtime: uint32(n.MTime)}
	if int(n.Type) >= len(cpioTypes) || n.Perm > 0o7777 {
		return e, fmt.Errorf("type %s and mode %#o have no place in a cpio archive", n.Type, n.Perm)
	}
	if n.MTime < 0 || n.MTime > 1<<32-1 {
		return e, fmt.Errorf("its time is %d, expected seconds from 0 to 4294967295", n.MTime)
	}
	if len(path)+1 > maxName || path == cpioTrailer {
		return e, fmt.Errorf("its name has no place in a cpio archive")
	}
	e.mode = cpioTypes[n.Type] | uint32(n.Perm)
	switch n.Type {
	case tree.Regular:
		if !withContent {
			break
		}
		if n.Size < 0 || n.Size > MaxRamdisk {
			return e, fmt.Errorf("its size is %d, expected at most %d", n.Size, MaxRamdisk)
		}
		e.data = make([]byte, n.Size)
		if _, err := io.ReadFull(n.Open(), e.data); err != nil {
			return e, err
		}
	case tree.Symlink:
		e.data = []byte(n.Target)
	case tree.CharDevice, tree.BlockDevice:
		e.rdevMajor, e.rdevMinor = n.Major, n.Minor
	}
	return e, nil
}

func appendEntry(b []byte, e cpioEntry) []byte {
	e.size, e.nameSize = uint32(len(e.data)), uint32(len(e.name)+1)
	b = append(b, cpioMagic...)
	for _, f := range e.fields() {
		b = fmt.Appendf(b, "%08X", *f)
	}
	b = append(append(b, e.name...), 0)
	b = append(b, make([]byte, align(len(b), 4)-len(b))...)
	b = append(b, e.data...)
	return append(b, make([]byte, align(len(b), 4)-len(b))...)
}
