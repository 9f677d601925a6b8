package erofs

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/fridayos/friday/android/tree"
)

// dirLayout is how the names of a directory, "." and ".." among them, are cut
// into blocks.
type dirLayout struct {
	names []string
	ends  []int // the name behind the last of each block
	last  int   // bytes of the last block
}

func (d *dirLayout) size() int64 { return int64(len(d.ends)-1)*block + int64(d.last) }

func layoutDir(n *tree.Node) dirLayout {
	d := dirLayout{names: make([]string, 0, len(n.Entries)+2)}
	dots := []string{".", ".."}
	for _, e := range n.Entries {
		for len(dots) > 0 && dots[0] < e.Name {
			d.names, dots = append(d.names, dots[0]), dots[1:]
		}
		d.names = append(d.names, e.Name)
	}
	d.names = append(d.names, dots...)
	for i, name := range d.names {
		n := direntSize + len(name)
		if d.last+n > block {
			d.ends = append(d.ends, i)
			d.last = 0
		}
		d.last += n
	}
	d.ends = append(d.ends, len(d.names))
	return d
}

// directory encodes the entries: whole blocks into own, a tail behind the
// inode into inline.
func (b *builder) directory(it *item, own, inline []byte) error {
	start := 0
	for i, end := range it.dir.ends {
		p := inline
		if len(inline) == 0 || i+1 < len(it.dir.ends) {
			p = own[i*block : (i+1)*block]
		}
		b.dirents(it, it.dir.names[start:end], p)
		start = end
	}
	return nil
}

func (b *builder) dirents(it *item, names []string, p []byte) {
	le := binary.LittleEndian
	nameOff := direntSize * len(names)
	for i, name := range names {
		child := it
		switch name {
		case ".":
		case "..":
			child = it.parent
		default:
			child = b.byNode[it.node.Entry(name)]
		}
		d := p[i*direntSize:]
		le.PutUint64(d, child.nid)
		le.PutUint16(d[8:], uint16(nameOff))
		d[10] = child.node.Type.FileType()
		nameOff += copy(p[nameOff:], name)
	}
}

// splitXattr finds the number of the prefix of a name.
func splitXattr(name string) (index uint8, rest string, err error) {
	for i, prefix := range xattrPrefix {
		exact := i == 2 || i == 3
		if r, ok := strings.CutPrefix(name, prefix); ok && exact == (r == "") {
			index, rest = i, r
		}
	}
	if index == 0 {
		return 0, "", fmt.Errorf("xattr %q: the format knows user., trusted., security., lustre. and the two of system.posix_acl_", name)
	}
	if len(rest) > 255 {
		return 0, "", fmt.Errorf("xattr %q: its name has %d bytes behind the prefix; 255 are allowed", name, len(rest))
	}
	return index, rest, nil
}

// xattrEntry encodes an xattr, padded.
func encodeXattr(x tree.Xattr) ([]byte, error) {
	index, rest, err := splitXattr(x.Name)
	if err != nil {
		return nil, err
	}
	if len(x.Value) > math.MaxUint16 {
		return nil, fmt.Errorf("xattr %q: its value has %d bytes; %d are allowed", x.Name, len(x.Value), math.MaxUint16)
	}
	b := make([]byte, alignUp(4+len(rest)+len(x.Value), 4))
	b[0], b[1] = uint8(len(rest)), index
	binary.LittleEndian.PutUint16(b[2:], uint16(len(x.Value)))
	copy(b[4+copy(b[4:], rest):], x.Value)
	return b, nil
}

// collectXattrs puts what more than one inode has into the shared area, sorted, so
// that the same set of xattrs gives the same area.
func (b *builder) collectXattrs() error {
	count := map[string]int{}
	for _, it := range b.items {
		for _, x := range it.node.Xattrs {
			e, err := encodeXattr(x)
			if err != nil {
				return fmt.Errorf("%q: %w", it.path, err)
			}
			count[string(e)]++
		}
	}
	var common []string
	for e, n := range count {
		if n > 1 {
			common = append(common, e)
		}
	}
	slices.Sort(common)
	b.sharedID = make(map[string]uint32, len(common))
	b.keepShared(count)
	for _, e := range common {
		if len(b.shared)/4 > math.MaxUint32-len(e) {
			break // the rest lies with its inodes
		}
		b.share(e)
	}
	return nil
}

// share puts an xattr into the shared area, once.
func (b *builder) share(e string) {
	if _, ok := b.sharedID[e]; ok {
		return
	}
	b.sharedID[e] = uint32(len(b.shared) / 4)
	b.shared = append(b.shared, e...)
	b.shares = append(b.shares, []byte(e))
}

// xattrArea encodes what lies behind an inode: the numbers of shared xattrs,
// then its own.
func (b *builder) xattrArea(n *tree.Node) ([]byte, error) {
	if len(n.Xattrs) == 0 {
		return nil, nil
	}
	area := make([]byte, xattrHeaderSize)
	var own []byte
	for _, x := range n.Xattrs {
		e, err := encodeXattr(x)
		if err != nil {
			return nil, err
		}
		id, ok := b.sharedID[string(e)]
		if ok && area[4] < math.MaxUint8 {
			area[4]++
			area = binary.LittleEndian.AppendUint32(area, id)
			continue
		}
		own = append(own, e...)
	}
	area = append(area, own...)
	if n := (len(area)-xattrHeaderSize)/4 + 1; n > math.MaxUint16 {
		return nil, fmt.Errorf("xattrs have %d bytes; an inode takes %d", len(area), xattrHeaderSize+(math.MaxUint16-1)*4)
	}
	return area, nil
}
