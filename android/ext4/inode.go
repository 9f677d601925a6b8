package ext4

import (
	"encoding/binary"
	"fmt"

	"github.com/fridayos/friday/android/tree"
)

// inode is an inode as it lies on disk, with what many ask of it.
type inode struct {
	at    at
	b     []byte // all of it
	mode  uint16
	flags uint32
	size  int64
	seed  uint32 // of the checksums of what belongs to it
}

// budget is how many bytes of metadata may still be read.
type budget struct{ left int64 }

func (b *budget) spend(a at, n int64) error {
	if n < 0 || n > b.left {
		return fmt.Errorf("%s: the metadata is more than %d bytes; is it damaged?", a, int64(MaxMetadata))
	}
	b.left -= n
	return nil
}

func (im *Image) readInode(ino uint32, spent *budget) (*inode, error) {
	sb := &im.sb
	if ino == 0 || ino > sb.inodes {
		return nil, fmt.Errorf("inode %d: expected one of 1 to %d", ino, sb.inodes)
	}
	g := im.groups[(ino-1)/sb.inodesPerGroup]
	in := &inode{at: at{ino, int64(g.inodeTable)*sb.blockSize + int64((ino-1)%sb.inodesPerGroup)*sb.inodeSize}}
	if err := spent.spend(in.at, sb.inodeSize); err != nil {
		return nil, err
	}
	var err error
	if in.b, err = im.read(in.at, sb.inodeSize, "inode"); err != nil {
		return nil, err
	}
	le := binary.LittleEndian
	in.mode, in.flags = le.Uint16(in.b), le.Uint32(in.b[32:])
	size := uint64(le.Uint32(in.b[4:]))
	if kind := in.mode & 0xf000; kind == tree.Regular.Bits() || kind == tree.Directory.Bits() {
		size |= uint64(le.Uint32(in.b[108:])) << 32
	}
	if size > 1<<46 {
		return nil, bad(in.at, "i_size", "at most 2^46", size)
	}
	in.size = int64(size)
	if n := in.extra(); n > sb.inodeSize-128 || n%4 != 0 {
		return nil, bad(in.at, "i_extra_isize", fmt.Sprintf("a multiple of 4 up to %d", sb.inodeSize-128), n)
	}
	in.seed = crc32c(crc32c(im.seed, le.AppendUint32(nil, ino)), in.b[100:104])
	if sb.ro&roMetaSum != 0 {
		if got, want, mask := in.sum(); got&mask != want {
			return nil, bad(in.at, "checksum of the inode", fmt.Sprintf("%#08x (computed)", got&mask), fmt.Sprintf("%#08x", want))
		}
	}
	return in, nil
}

// extra is how many bytes behind the first 128 the inode uses for itself.
func (in *inode) extra() int64 {
	if len(in.b) < 132 {
		return 0
	}
	return int64(binary.LittleEndian.Uint16(in.b[128:]))
}

// sum computes the checksum of an inode; mask is what of it has room.
func (in *inode) sum() (got, want, mask uint32) {
	le := binary.LittleEndian
	b := make([]byte, len(in.b))
	copy(b, in.b)
	want, mask = uint32(le.Uint16(b[124:])), 0xffff
	clear(b[124:126])
	if in.extra() >= 4 {
		want, mask = want|uint32(le.Uint16(b[130:]))<<16, 0xffffffff
		clear(b[130:132])
	}
	return crc32c(in.seed, b), want, mask
}

// node makes the node of an inode, without its content, entries or target.
func (in *inode) node() (*tree.Node, error) {
	le := binary.LittleEndian
	n := &tree.Node{
		Perm: in.mode & 0xfff,
		UID:  uint32(le.Uint16(in.b[2:])) | uint32(le.Uint16(in.b[120:]))<<16,
		GID:  uint32(le.Uint16(in.b[24:])) | uint32(le.Uint16(in.b[122:]))<<16,
	}
	n.MTime = int64(int32(le.Uint32(in.b[16:])))
	if in.extra() >= 12 {
		x := le.Uint32(in.b[136:])
		n.MTime += int64(x&3) << 32
		if n.MTimeNsec = x >> 2; n.MTimeNsec >= 1e9 {
			return nil, bad(in.at, "i_mtime_extra", "less than a second", n.MTimeNsec)
		}
	}
	var ok bool
	if n.Type, ok = tree.TypeOf(in.mode); !ok {
		return nil, bad(in.at, "i_mode", "a file type", fmt.Sprintf("%#o", in.mode))
	}
	if n.Type == tree.CharDevice || n.Type == tree.BlockDevice {
		if old := le.Uint32(in.b[40:]); old != 0 {
			n.Major, n.Minor = old>>8&0xff, old&0xff
		} else {
			n.Major, n.Minor = tree.ParseDevice(le.Uint32(in.b[44:]))
		}
	}
	if in.flags&flagEncrypt != 0 {
		return nil, unsupported(in.at, "an encrypted file")
	}
	return n, nil
}
