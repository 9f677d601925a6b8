// Package tree holds the two core types of the image codecs: Node, a file as
// Android means it (names in bytes, owner, mode, time, xattrs, hard links, and
// content that is read when asked for), and Image, a file system image as a
// list of segments that point to where the bytes already lie.
//
// It is not a file system: nothing here knows a format on disk. A codec such
// as erofs turns an image into a Node and a Node into an Image.
//
// A Node may be read by many goroutines at once; changing one needs the
// caller's own care.
package tree

import (
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
)

// Type is the kind of an inode.
type Type uint8

const (
	Regular Type = iota
	Directory
	Symlink
	CharDevice
	BlockDevice
	FIFO
	Socket
)

var typeNames = [...]string{"file", "dir", "symlink", "char", "block", "fifo", "socket"}

// String is the word for the type: "file", "dir", "symlink", "char", "block",
// "fifo" or "socket".
func (t Type) String() string {
	if int(t) < len(typeNames) {
		return typeNames[t]
	}
	return fmt.Sprintf("type%d", uint8(t))
}

// MarshalText writes the word for the type.
func (t Type) MarshalText() ([]byte, error) {
	if int(t) >= len(typeNames) {
		return nil, fmt.Errorf("cannot write file type: %d is none of the %d known", t, len(typeNames))
	}
	return []byte(typeNames[t]), nil
}

// UnmarshalText reads the word for the type.
func (t *Type) UnmarshalText(b []byte) error {
	i := slices.Index(typeNames[:], string(b))
	if i < 0 {
		return fmt.Errorf("cannot read file type: expected one of %s, found %q", strings.Join(typeNames[:], ", "), b)
	}
	*t = Type(i)
	return nil
}

// Node is an inode. Names belong to the entries of directories, so a hard link
// is two entries with one *Node.
type Node struct {
	Type         Type
	Perm         uint16 // the low 12 mode bits
	UID, GID     uint32
	MTime        int64 // seconds since 1970
	MTimeNsec    uint32
	Xattrs       []Xattr     // sorted by name; full names, as "security.selinux"
	Size         int64       // Regular
	Content      io.ReaderAt // Regular; nil when Size is 0
	Target       string      // Symlink
	Major, Minor uint32      // CharDevice, BlockDevice
	Entries      []Entry     // Directory; sorted by the bytes of the name, without "." and ".."
	Extents      []Extent    // where a reader found the content in its image; nil if built by hand
}

// Entry is a name in a directory. The name is any bytes but '/' and NUL.
type Entry struct {
	Name string
	Node *Node
}

// Xattr is an extended attribute.
type Xattr struct {
	Name  string
	Value []byte
}

// Extent is a range of bytes of the image that holds content of a file, in the
// order of the file. With Raw they are the file's own bytes; without, they are
// compressed.
type Extent struct {
	Offset, Length int64
	Raw            bool
}

// NewDir makes an empty directory.
func NewDir(perm uint16, uid, gid uint32) *Node {
	return &Node{Type: Directory, Perm: perm, UID: uid, GID: gid}
}

// NewFile makes a regular file that holds b, which must not change afterwards.
func NewFile(perm uint16, uid, gid uint32, b []byte) *Node {
	n := &Node{Type: Regular, Perm: perm, UID: uid, GID: gid, Size: int64(len(b))}
	if len(b) > 0 {
		n.Content = bytes.NewReader(b)
	}
	return n
}

// NewSymlink makes a symbolic link.
func NewSymlink(target string, uid, gid uint32) *Node {
	return &Node{Type: Symlink, Perm: 0o777, UID: uid, GID: gid, Target: target}
}

// Xattr returns the value of an extended attribute.
func (n *Node) Xattr(name string) ([]byte, bool) {
	if i, ok := slices.BinarySearchFunc(n.Xattrs, name, cmpXattr); ok {
		return n.Xattrs[i].Value, true
	}
	return nil, false
}

// SetXattr puts an extended attribute in, or replaces it.
func (n *Node) SetXattr(name string, v []byte) {
	i, ok := slices.BinarySearchFunc(n.Xattrs, name, cmpXattr)
	if ok {
		n.Xattrs[i].Value = v
		return
	}
	n.Xattrs = slices.Insert(n.Xattrs, i, Xattr{Name: name, Value: v})
}

// RemoveXattr takes an extended attribute away and says whether it was there.
func (n *Node) RemoveXattr(name string) bool {
	i, ok := slices.BinarySearchFunc(n.Xattrs, name, cmpXattr)
	if ok {
		n.Xattrs = slices.Delete(n.Xattrs, i, i+1)
	}
	return ok
}

// Label is the SELinux label, without the NUL that ends it on disk; "" if none.
func (n *Node) Label() string {
	v, _ := n.Xattr("security.selinux")
	return strings.TrimRight(string(v), "\x00")
}

// Entry returns the child of that name, or nil.
func (n *Node) Entry(name string) *Node {
	if i, ok := slices.BinarySearchFunc(n.Entries, name, cmpEntry); ok {
		return n.Entries[i].Node
	}
	return nil
}

// Set puts a child under a name, or replaces the one that is there.
func (n *Node) Set(name string, child *Node) {
	i, ok := slices.BinarySearchFunc(n.Entries, name, cmpEntry)
	if ok {
		n.Entries[i].Node = child
		return
	}
	n.Entries = slices.Insert(n.Entries, i, Entry{Name: name, Node: child})
}

// Remove takes an entry away and says whether it was there.
func (n *Node) Remove(name string) bool {
	i, ok := slices.BinarySearchFunc(n.Entries, name, cmpEntry)
	if ok {
		n.Entries = slices.Delete(n.Entries, i, i+1)
	}
	return ok
}

// Lookup finds a node by its path, as "system/build.prop"; "" is n itself. It
// does not follow symlinks, and returns nil if there is no such path.
func (n *Node) Lookup(path string) *Node {
	for n != nil && path != "" {
		var name string
		name, path, _ = strings.Cut(path, "/")
		n = n.Entry(name)
	}
	return n
}

// Open returns the content of a regular file as a reader of exactly Size bytes.
func (n *Node) Open() *io.SectionReader {
	if n.Content == nil {
		return io.NewSectionReader(bytes.NewReader(nil), 0, 0)
	}
	return io.NewSectionReader(n.Content, 0, n.Size)
}

// Mode is the mode as io/fs writes it.
func (n *Node) Mode() fs.FileMode {
	m := fs.FileMode(n.Perm & 0o777)
	for bit, mode := range map[uint16]fs.FileMode{0o4000: fs.ModeSetuid, 0o2000: fs.ModeSetgid, 0o1000: fs.ModeSticky} {
		if n.Perm&bit != 0 {
			m |= mode
		}
	}
	switch n.Type {
	case Directory:
		m |= fs.ModeDir
	case Symlink:
		m |= fs.ModeSymlink
	case CharDevice:
		m |= fs.ModeDevice | fs.ModeCharDevice
	case BlockDevice:
		m |= fs.ModeDevice
	case FIFO:
		m |= fs.ModeNamedPipe
	case Socket:
		m |= fs.ModeSocket
	}
	return m
}

func cmpXattr(x Xattr, name string) int { return strings.Compare(x.Name, name) }
func cmpEntry(e Entry, name string) int { return strings.Compare(e.Name, name) }

// Range is bytes of content.
type Range struct{ Offset, Length int64 }

// Holed is content that knows where it holds nothing: ranges that read as zeros
// and take no room, in order, not empty and without overlap.
type Holed interface{ Holes() []Range }
