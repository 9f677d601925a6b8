package erofs

import (
	"encoding/binary"
	"fmt"

	"github.com/fridayos/friday/android/tree"
)

// inode is an inode as it lies in the image.
type inode struct {
	at        at // its number and first byte
	layout    uint8
	mode      uint16
	size      int64
	u         uint32 // block, device number or chunk format, by layout and mode
	uid, gid  uint32
	mtime     int64
	nsec      uint32
	xattrSize int64
	end       int64 // where its xattrs start
}

// tail is the first byte behind the inode and its xattrs.
func (in *inode) tail() int64 { return in.end + in.xattrSize }

// budget is how much metadata may still be read.
type budget struct{ left int64 }

func (b *budget) spend(a at, n int64) error {
	if n < 0 || n > b.left {
		return fmt.Errorf("%s: %d more bytes of metadata: more than the image has, or more than the limit of %d", a, n, int64(MaxMetadata))
	}
	b.left -= n
	return nil
}

func (im *Image) readInode(nid uint64, spent *budget) (*inode, error) {
	meta := int64(im.sb.metaBlock) << im.sb.blockBits
	if nid > uint64(im.size-meta)/inodeUnit {
		return nil, fmt.Errorf("inode number %d: the image ends at byte %d and has no such inode", nid, im.size)
	}
	in := &inode{at: at{int64(nid), meta + int64(nid)*inodeUnit}}
	b := make([]byte, extendedSize)
	if err := im.readAt(b[:compactSize], in.at.off); err != nil {
		return nil, fmt.Errorf("inode %d: %w", nid, err)
	}
	le := binary.LittleEndian
	format := le.Uint16(b)
	if format&^0xf != 0 {
		return nil, unsupported(in.at, fmt.Sprintf("i_format %#x", format))
	}
	in.layout = uint8(format >> 1 & 7)
	if in.layout > layoutChunked {
		return nil, bad(in.at, "i_format: layout", "0 to 4", in.layout)
	}
	in.mode = le.Uint16(b[4:])
	in.u = le.Uint32(b[16:])
	if n := int64(le.Uint16(b[2:])); n > 0 {
		in.xattrSize = xattrHeaderSize + (n-1)*4
	}
	if format&1 == 0 {
		in.size = int64(le.Uint32(b[8:]))
		in.uid, in.gid = uint32(le.Uint16(b[24:])), uint32(le.Uint16(b[26:]))
		in.mtime, in.nsec = im.sb.buildTime, im.sb.buildNsec
		in.end = in.at.off + compactSize
	} else {
		if err := im.readAt(b, in.at.off); err != nil {
			return nil, fmt.Errorf("inode %d: %w", nid, err)
		}
		in.size = int64(le.Uint64(b[8:]))
		in.uid, in.gid = le.Uint32(b[24:]), le.Uint32(b[28:])
		in.mtime, in.nsec = int64(le.Uint64(b[32:])), le.Uint32(b[40:])
		in.end = in.at.off + extendedSize
	}
	if in.size < 0 || in.size > 1<<50 {
		return nil, bad(in.at, "i_size", "at most 2^50", uint64(in.size))
	}
	if in.nsec >= 1e9 {
		return nil, bad(in.at, "i_mtime_nsec", "less than a second", in.nsec)
	}
	if err := spent.spend(in.at, in.end-in.at.off+in.xattrSize); err != nil {
		return nil, err
	}
	return in, nil
}

// node makes the node of an inode, without its content, entries or target.
func (in *inode) node() (*tree.Node, error) {
	n := &tree.Node{Perm: in.mode & 0xfff, UID: in.uid, GID: in.gid, MTime: in.mtime, MTimeNsec: in.nsec}
	var ok bool
	if n.Type, ok = tree.TypeOf(in.mode); !ok {
		return nil, bad(in.at, "i_mode", "a file type", fmt.Sprintf("%#o", in.mode))
	}
	if n.Type == tree.CharDevice || n.Type == tree.BlockDevice {
		n.Major, n.Minor = tree.ParseDevice(in.u)
	}
	return n, nil
}
