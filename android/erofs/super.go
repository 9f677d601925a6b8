package erofs

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/fridayos/friday/android/tree"
)

// Image is an opened EROFS image. It may be used by many goroutines at once.
type Image struct {
	r    io.ReaderAt
	size int64 // of the file system: what follows is not looked at
	sb   superblock
	zc   clusterCache
	near atomic.Pointer[window] // the piece read last
	// sources are buffers for packed clusters, as *[]byte.
	sources sync.Pool

	packedOnce sync.Once
	packed     io.ReaderAt // content of the inode that holds fragments
	packedSize int64
	packedErr  error
}

type superblock struct {
	compat, incompat        uint32
	blockBits               uint8
	root                    uint16
	inodes                  uint64
	buildTime               int64
	buildNsec               uint32
	blocks                  uint32
	metaBlock, xattrBlock   uint32
	uuid                    [16]byte
	volume                  [16]byte
	compression             uint16
	devices                 uint16
	prefixes                uint8
	prefixStart             uint32
	packedNid               uint64
	prefixTable             []string
	checksum, foundChecksum uint32
}

// Info is what the superblock says.
type Info struct {
	UUID       [16]byte
	VolumeName string
	BuildTime  int64
	BlockSize  int64
	Blocks     uint64
	Size       int64 // of the file system in bytes; what follows is not part of it
	Inodes     uint64
	Features   []string
}

// Open reads the superblock, and checks its checksum if it has one.
func Open(r io.ReaderAt, size int64) (*Image, error) {
	im, err := open(r, size)
	if err != nil {
		return nil, fmt.Errorf("cannot open erofs image: %w", err)
	}
	return im, nil
}

func open(r io.ReaderAt, size int64) (*Image, error) {
	im := &Image{r: r, size: size}
	if size < superOffset+superSize {
		return nil, fmt.Errorf("expected at least %d bytes, found %d", superOffset+superSize, size)
	}
	b := make([]byte, superSize)
	if err := im.readAt(b, superOffset); err != nil {
		return nil, err
	}
	if m := binary.LittleEndian.Uint32(b); m != superMagic {
		return nil, fmt.Errorf("byte %d: magic: expected %#x, found %#x; this is not an erofs image", superOffset, uint32(superMagic), m)
	}
	im.sb.parse(b)
	if err := im.check(b); err != nil {
		return nil, err
	}
	im.size = int64(im.sb.blocks) << im.sb.blockBits
	return im, im.readPrefixes()
}

func (sb *superblock) parse(b []byte) {
	le := binary.LittleEndian
	sb.checksum = le.Uint32(b[4:])
	sb.compat = le.Uint32(b[8:])
	sb.blockBits = b[12]
	sb.root = le.Uint16(b[14:])
	sb.inodes = le.Uint64(b[16:])
	sb.buildTime = int64(le.Uint64(b[24:]))
	sb.buildNsec = le.Uint32(b[32:])
	sb.blocks = le.Uint32(b[36:])
	sb.metaBlock = le.Uint32(b[40:])
	sb.xattrBlock = le.Uint32(b[44:])
	copy(sb.uuid[:], b[48:])
	copy(sb.volume[:], b[64:])
	sb.incompat = le.Uint32(b[80:])
	sb.compression = le.Uint16(b[84:])
	sb.devices = le.Uint16(b[86:])
	sb.prefixes = b[91]
	sb.prefixStart = le.Uint32(b[92:])
	sb.packedNid = le.Uint64(b[96:])
}

func (im *Image) check(b []byte) error {
	sb := &im.sb
	in := func(field int64) at { return at{-1, superOffset + field} }
	if sb.blockBits < 9 || sb.blockBits > 16 {
		return bad(in(12), "block size bits", "9 to 16", sb.blockBits)
	}
	if sb.incompat&^incompatKnown != 0 {
		return unsupported(in(80), fmt.Sprintf("features %#x", sb.incompat&^incompatKnown))
	}
	if sb.incompat&incompatDevices != 0 && sb.devices > 0 {
		return unsupported(in(86), fmt.Sprintf("%d extra devices", sb.devices))
	}
	if dir := b[90]; dir != 0 {
		return unsupported(in(90), fmt.Sprintf("directory blocks of 2^%d blocks", dir))
	}
	if sb.buildNsec >= 1e9 {
		return bad(in(32), "nanoseconds", "less than a second", sb.buildNsec)
	}
	fsSize := int64(sb.blocks) << sb.blockBits
	if fsSize < superOffset+superSize || fsSize > im.size {
		return bad(in(36), "blocks", fmt.Sprintf("an image of at most %d bytes (its size)", im.size),
			fmt.Sprintf("%d blocks of %d bytes", sb.blocks, 1<<sb.blockBits))
	}
	if off := int64(sb.metaBlock) << sb.blockBits; off >= fsSize {
		return bad(in(40), "start of inodes", fmt.Sprintf("a block below %d", sb.blocks), sb.metaBlock)
	}
	if sb.compat&compatChecksum != 0 {
		return im.checkSum()
	}
	return nil
}

// checkSum compares the checksum of the first block, from the superblock on.
func (im *Image) checkSum() error {
	n := int64(1) << im.sb.blockBits
	if n > superOffset {
		n -= superOffset
	}
	b := make([]byte, n)
	if err := im.readAt(b, superOffset); err != nil {
		return err
	}
	if got := superChecksum(b); got != im.sb.checksum {
		return bad(at{-1, superOffset + 4}, "checksum", fmt.Sprintf("%#08x (computed)", got), fmt.Sprintf("%#08x", im.sb.checksum))
	}
	return nil
}

// superChecksum is the CRC-32C of b, its own field taken as zero, without the
// last inversion.
func superChecksum(b []byte) uint32 {
	t := crc32.MakeTable(crc32.Castagnoli)
	c := crc32.Update(0, t, b[:4])
	c = crc32.Update(c, t, make([]byte, 4))
	return ^crc32.Update(c, t, b[8:])
}

// Info returns what the superblock says.
func (im *Image) Info() Info {
	sb := &im.sb
	return Info{
		UUID:       sb.uuid,
		VolumeName: strings.TrimRight(string(sb.volume[:]), "\x00"),
		BuildTime:  sb.buildTime,
		BlockSize:  1 << sb.blockBits,
		Blocks:     uint64(sb.blocks),
		Size:       im.size,
		Inodes:     sb.inodes,
		Features:   sb.features(),
	}
}

// features names the bits. Two of them mean two things each, as the format has it.
func (sb *superblock) features() []string {
	var out []string
	for _, f := range []struct {
		set  bool
		name string
	}{
		{sb.compat&compatChecksum != 0, "checksum"},
		{sb.compat&compatMTime != 0, "mtime"},
		{sb.compat&compatFilter != 0, "xattr-filter"},
		{sb.incompat&incompatZeroPadding != 0, "0padding"},
		{sb.incompat&incompatBigPCluster != 0, "big-pcluster"},
		{sb.incompat&incompatChunked != 0, "chunked"},
		{sb.incompat&incompatDevices != 0, "devices-or-second-algorithm"},
		{sb.incompat&incompatTailPacking != 0, "tail-packing"},
		{sb.incompat&incompatFragments != 0, "fragments-or-dedupe"},
		{sb.incompat&incompatXattrPrefixes != 0, "xattr-prefixes"},
	} {
		if f.set {
			out = append(out, f.name)
		}
	}
	return out
}

// readAt fills b from the image, or says what is missing.
func (im *Image) readAt(b []byte, off int64) error {
	if off < 0 || off > im.size || int64(len(b)) > im.size-off {
		return fmt.Errorf("byte %d: %d bytes are wanted but the image ends at %d", off, len(b), im.size)
	}
	if len(b) > smallRead {
		return tree.ReadFull(im.r, b, off)
	}
	w := im.near.Load()
	if w == nil || off < w.off || off+int64(len(b)) > w.off+int64(len(w.b)) {
		from := off - off%block
		w = &window{from, make([]byte, min(windowBytes, im.size-from))}
		if tree.ReadFull(im.r, w.b, from) != nil {
			return tree.ReadFull(im.r, b, off) // what is wanted may be whole
		}
		im.near.Store(w)
	}
	copy(b, w.b[off-w.off:])
	return nil
}

// window is a piece of the image that was read for a small one: inodes and what
// describes their content lie close together, and are read in hundreds of thousands.
type window struct {
	off int64
	b   []byte
}

const (
	// An inode may cross the end of a block. More would help little, and what lies
	// scattered on purpose would cost more.
	windowBytes = 2 * block
	smallRead   = 512
)

func (im *Image) blockSize() int64 { return 1 << im.sb.blockBits }

// blockRange is the place of n bytes from a block on, if they are in the image.
func (im *Image) blockRange(a at, block uint32, n int64) (int64, error) {
	off := int64(block) << im.sb.blockBits
	if n < 0 || off > im.size || n > im.size-off {
		return 0, bad(a, "data", fmt.Sprintf("bytes within the image of %d", im.size), fmt.Sprintf("%d bytes from block %d", n, block))
	}
	return off, nil
}
