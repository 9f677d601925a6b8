package ext4

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/fridayos/friday/android/tree"
)

// xattrs reads what the inode, its xattr block and inodes of values hold.
func (t *treeReader) xattrs(in *inode) ([]tree.Xattr, error) {
	var out []tree.Xattr
	add := func(e xattrEntry) error {
		if e.index == xattrIndexSystem && e.name == "data" {
			return nil // content, not an attribute
		}
		x, err := t.xattr(in, e)
		if err == nil {
			out = append(out, x)
		}
		return err
	}
	if err := inodeXattrs(in, add); err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	block := int64(le.Uint32(in.b[104:])) | int64(le.Uint16(in.b[118:]))<<32
	if block != 0 {
		es, err := t.xattrBlock(in, block)
		if err != nil {
			return nil, err
		}
		for _, e := range es {
			if err := add(e); err != nil {
				return nil, err
			}
		}
	}
	slices.SortFunc(out, func(a, b tree.Xattr) int { return strings.Compare(a.Name, b.Name) })
	for i := 1; i < len(out); i++ {
		if out[i].Name == out[i-1].Name {
			return nil, bad(in.at, "xattrs", "each name once", fmt.Sprintf("%q twice", out[i].Name))
		}
	}
	return out, nil
}

type xattrEntry struct {
	at    at
	index uint8
	name  string
	value []byte
	inum  uint32
	size  uint32
}

// inodeXattrs calls fn for the xattrs within the inode.
func inodeXattrs(in *inode, fn func(xattrEntry) error) error {
	start := 128 + in.extra()
	if in.extra() == 0 || start+4 > int64(len(in.b)) {
		return nil
	}
	if binary.LittleEndian.Uint32(in.b[start:]) != xattrMagic {
		return nil
	}
	area := in.b[start+4:]
	return xattrEntries(at{in.at.ino, in.at.off + start + 4}, area, area, fn)
}

// inlineRest is the content of a file behind the first 60 bytes.
func (im *Image) inlineRest(in *inode) ([]byte, error) {
	var out []byte
	err := inodeXattrs(in, func(e xattrEntry) error {
		if e.index == xattrIndexSystem && e.name == "data" {
			if e.inum != 0 {
				return bad(e.at, "xattr system.data", "a value within the inode", fmt.Sprintf("inode %d", e.inum))
			}
			out = e.value
		}
		return nil
	})
	return out, err
}

// xattrEntries walks a list of entries; values lie in base.
func xattrEntries(a at, list, base []byte, fn func(xattrEntry) error) error {
	le := binary.LittleEndian
	for len(list) >= 4 && le.Uint32(list) != 0 {
		if len(list) < xattrEntrySize {
			return bad(a, "xattr", fmt.Sprintf("an entry of %d bytes", xattrEntrySize), fmt.Sprintf("%d that are left", len(list)))
		}
		e := xattrEntry{at: a, index: list[1], inum: le.Uint32(list[4:]), size: le.Uint32(list[8:])}
		n := int(list[0])
		if xattrEntrySize+n > len(list) {
			return bad(a, "e_name_len of an xattr", fmt.Sprintf("at most %d", len(list)-xattrEntrySize), n)
		}
		e.name = string(list[xattrEntrySize:][:n])
		off := int64(le.Uint16(list[2:]))
		if e.inum == 0 {
			if off+int64(e.size) > int64(len(base)) {
				return bad(a, fmt.Sprintf("value of xattr %q", e.name), fmt.Sprintf("within %d bytes", len(base)), fmt.Sprintf("%d bytes at %d", e.size, off))
			}
			e.value = base[off:][:e.size]
		}
		if err := fn(e); err != nil {
			return err
		}
		step := min(alignUp(xattrEntrySize+n, 4), len(list))
		list, a.off = list[step:], a.off+int64(step)
	}
	return nil
}

// xattrBlock reads the entries of a block, once for all inodes that share it.
func (t *treeReader) xattrBlock(in *inode, block int64) ([]xattrEntry, error) {
	if es, ok := t.shared[block]; ok {
		return es, nil
	}
	bs := t.im.sb.blockSize
	if uint64(block) >= t.im.sb.blocks {
		return nil, bad(in.at, "i_file_acl", fmt.Sprintf("a block below %d", t.im.sb.blocks), block)
	}
	if err := t.spent.spend(in.at, bs); err != nil {
		return nil, err
	}
	a := at{in.at.ino, block * bs}
	b, err := t.im.read(a, bs, "xattr block")
	if err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	if m := le.Uint32(b); m != xattrMagic {
		return nil, bad(a, "magic of an xattr block", fmt.Sprintf("%#x", uint32(xattrMagic)), fmt.Sprintf("%#x", m))
	}
	if t.im.sb.ro&roMetaSum != 0 {
		got := sumLess(crc32c(t.im.seed, le.AppendUint64(nil, uint64(block))), b, 16, 4)
		if want := le.Uint32(b[16:]); got != want {
			return nil, bad(at{a.ino, a.off + 16}, "checksum of an xattr block", fmt.Sprintf("%#08x (computed)", got), fmt.Sprintf("%#08x", want))
		}
	}
	var es []xattrEntry
	err = xattrEntries(at{a.ino, a.off + xattrHeaderSize}, b[xattrHeaderSize:], b, func(e xattrEntry) error {
		es = append(es, e)
		return nil
	})
	if err == nil {
		t.shared[block] = es
	}
	return es, err
}

// xattr makes the attribute of an entry.
func (t *treeReader) xattr(in *inode, e xattrEntry) (tree.Xattr, error) {
	prefix, ok := xattrPrefix[e.index]
	if !ok {
		return tree.Xattr{}, unsupported(e.at, fmt.Sprintf("xattr %q with the prefix number %d", e.name, e.index))
	}
	v := e.value
	if e.inum != 0 {
		var err error
		if v, err = t.xattrInode(e); err != nil {
			return tree.Xattr{}, fmt.Errorf("inode %d: xattr %q: %w", in.at.ino, prefix+e.name, err)
		}
	}
	if e.index == 2 || e.index == 3 {
		var err error
		if v, err = aclFromDisk(v); err != nil {
			return tree.Xattr{}, bad(e.at, prefix, err.Error(), fmt.Sprintf("%x", v))
		}
	}
	if strings.ContainsRune(e.name, 0) {
		return tree.Xattr{}, bad(e.at, "name of an xattr", "no NUL", fmt.Sprintf("%q", e.name))
	}
	if err := t.spent.spend(e.at, int64(len(v))); err != nil {
		return tree.Xattr{}, err
	}
	return tree.Xattr{Name: prefix + e.name, Value: bytes.Clone(v)}, nil
}

// xattrInode reads a value that is an inode's content.
func (t *treeReader) xattrInode(e xattrEntry) ([]byte, error) {
	in, err := t.im.readInode(e.inum, t.spent)
	if err != nil {
		return nil, err
	}
	if in.flags&flagEAInode == 0 || in.size != int64(e.size) || in.size > maxXattr {
		return nil, bad(in.at, "inode of a value", fmt.Sprintf("one marked as such, with %d bytes, at most %d", e.size, maxXattr), fmt.Sprintf("flags %#x and %d bytes", in.flags, in.size))
	}
	return t.all(in)
}

// The ids of POSIX ACL entries that name nobody are left out on disk.
const aclUser, aclGroup = 2, 8

// aclFromDisk turns an ACL as it lies on disk into what getxattr(2) gives.
func aclFromDisk(b []byte) ([]byte, error) {
	le := binary.LittleEndian
	if len(b) < 4 || le.Uint32(b) != 1 {
		return nil, fmt.Errorf("an ACL of version 1")
	}
	out := le.AppendUint32(nil, 2)
	for b = b[4:]; len(b) > 0; {
		if len(b) < 4 {
			return nil, fmt.Errorf("whole entries")
		}
		tag, id := le.Uint16(b), ^uint32(0)
		out, b = append(out, b[:4]...), b[4:]
		if tag == aclUser || tag == aclGroup {
			if len(b) < 4 {
				return nil, fmt.Errorf("whole entries")
			}
			id, b = le.Uint32(b), b[4:]
		}
		out = le.AppendUint32(out, id)
	}
	return out, nil
}

// aclToDisk is the inverse of aclFromDisk.
func aclToDisk(b []byte) ([]byte, error) {
	le := binary.LittleEndian
	if len(b) < 4 || le.Uint32(b) != 2 || len(b)%8 != 4 {
		return nil, fmt.Errorf("expected an ACL of version 2 with entries of 8 bytes, found %x", b)
	}
	out := le.AppendUint32(nil, 1)
	for b = b[4:]; len(b) > 0; b = b[8:] {
		out = append(out, b[:4]...)
		if tag := le.Uint16(b); tag == aclUser || tag == aclGroup {
			out = append(out, b[4:8]...)
		}
	}
	return out, nil
}
