package erofs

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/fridayos/friday/android/tree"
)

// sharedXattrs keeps the shared xattrs that were read, as most inodes name the
// same few.
type sharedXattrs map[uint32]tree.Xattr

// readXattrs reads the xattrs behind an inode and the shared ones it names.
func (im *Image) readXattrs(in *inode, shared sharedXattrs, spent *budget) ([]tree.Xattr, error) {
	if in.xattrSize == 0 {
		return nil, nil
	}
	b := make([]byte, in.xattrSize)
	if err := im.readAt(b, in.end); err != nil {
		return nil, fmt.Errorf("xattrs of inode %d: %w", in.at.nid, err)
	}
	n := int(b[4])
	if xattrHeaderSize+4*n > len(b) {
		return nil, bad(at{in.at.nid, in.end + 4}, "h_shared_count", fmt.Sprintf("what fits into %d bytes", len(b)), n)
	}
	var out []tree.Xattr
	for i := range n {
		id := binary.LittleEndian.Uint32(b[xattrHeaderSize+4*i:])
		x, ok := shared[id]
		if !ok {
			var err error
			if x, err = im.readShared(in, id, spent); err != nil {
				return nil, err
			}
			shared[id] = x
		}
		out = append(out, x)
	}
	for pos := xattrHeaderSize + 4*n; pos+4 <= len(b); {
		if b[pos] == 0 && b[pos+1] == 0 && b[pos+2] == 0 && b[pos+3] == 0 {
			break // padding
		}
		x, size, err := im.xattrEntry(at{in.at.nid, in.end + int64(pos)}, b[pos:])
		if err != nil {
			return nil, err
		}
		out = append(out, x)
		pos += size
	}
	slices.SortFunc(out, func(a, b tree.Xattr) int { return strings.Compare(a.Name, b.Name) })
	for i := 1; i < len(out); i++ {
		if out[i].Name == out[i-1].Name {
			return nil, bad(at{in.at.nid, in.end}, "xattrs", "each name once", fmt.Sprintf("%q twice", out[i].Name))
		}
	}
	return out, nil
}

func (im *Image) readShared(in *inode, id uint32, spent *budget) (tree.Xattr, error) {
	off := int64(im.sb.xattrBlock)<<im.sb.blockBits + int64(id)*4
	h := make([]byte, 4)
	if err := im.readAt(h, off); err != nil {
		return tree.Xattr{}, fmt.Errorf("shared xattr %d of inode %d: %w", id, in.at.nid, err)
	}
	b := make([]byte, 4+int(h[0])+int(binary.LittleEndian.Uint16(h[2:])))
	if err := spent.spend(at{in.at.nid, off}, int64(len(b))); err != nil {
		return tree.Xattr{}, err
	}
	if err := im.readAt(b, off); err != nil {
		return tree.Xattr{}, fmt.Errorf("shared xattr %d of inode %d: %w", id, in.at.nid, err)
	}
	x, _, err := im.xattrEntry(at{in.at.nid, off}, b)
	return x, err
}

// xattrEntry decodes one entry and returns its size, rounded up as on disk.
func (im *Image) xattrEntry(a at, b []byte) (tree.Xattr, int, error) {
	nameLen, index := int(b[0]), b[1]
	valueLen := int(binary.LittleEndian.Uint16(b[2:]))
	size := 4 + nameLen + valueLen
	if size > len(b) {
		return tree.Xattr{}, 0, bad(a, "xattr entry", fmt.Sprintf("at most %d bytes", len(b)), size)
	}
	prefix, ok := xattrPrefix[index]
	if index&0x80 != 0 {
		ok = int(index&0x7f) < len(im.sb.prefixTable)
		if ok {
			prefix = im.sb.prefixTable[index&0x7f]
		}
	}
	if !ok {
		return tree.Xattr{}, 0, bad(a, "e_name_index", "a known prefix", index)
	}
	x := tree.Xattr{Name: prefix + string(b[4:4+nameLen]), Value: slices.Clone(b[4+nameLen : size])}
	return x, alignUp(size, 4), nil
}

// readPrefixes reads the table of long xattr name prefixes. An image with
// fragments keeps it in the inode that holds them.
func (im *Image) readPrefixes() error {
	if im.sb.incompat&incompatXattrPrefixes == 0 {
		return nil
	}
	read := im.readAt
	if im.sb.incompat&incompatFragments != 0 && im.sb.packedNid != 0 && im.sb.compat&compatPlainPfx == 0 {
		read = im.readPacked
	}
	off := int64(im.sb.prefixStart) << 2
	for i := range int(im.sb.prefixes) {
		a := at{-1, off}
		h := make([]byte, 2)
		if err := read(h, off); err != nil {
			return fmt.Errorf("xattr prefix %d: %w", i, err)
		}
		n := int(binary.LittleEndian.Uint16(h))
		if n < 1 || n > 256 {
			return bad(a, "length of xattr prefix", "1 to 256", n)
		}
		b := make([]byte, n)
		if err := read(b, off+2); err != nil {
			return fmt.Errorf("xattr prefix %d: %w", i, err)
		}
		base, ok := xattrPrefix[b[0]]
		if !ok {
			return bad(a, "base of xattr prefix", "a known prefix", b[0])
		}
		im.sb.prefixTable = append(im.sb.prefixTable, base+string(b[1:]))
		off += alignUp(int64(2+n), 4)
	}
	return nil
}
