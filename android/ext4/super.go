package ext4

import (
	"encoding/binary"
	"fmt"
	"io"
	"strings"

	"github.com/fridayos/friday/android/tree"
)

// Image is an opened image. It may be used by many goroutines at once.
type Image struct {
	r      io.ReaderAt
	size   int64 // of the file system: what follows is not looked at
	sb     superblock
	seed   uint32 // of metadata checksums
	groups []group
}

type superblock struct {
	inodes, blocksPerGroup, inodesPerGroup uint32
	blocks                                 uint64
	firstBlock                             uint32
	blockSize, inodeSize, descSize         int64
	compat, incompat, ro                   uint32
	firstMeta                              uint32
	uuid, hashSeed                         [16]byte
	volume, mounted                        string
	made, written                          int64
	state                                  uint16
	revision                               uint32
}

type group struct {
	inodeTable uint64
}

// Info is what the superblock says.
type Info struct {
	UUID          [16]byte
	VolumeName    string
	LastMounted   string
	Made, Written int64 // seconds since 1970
	BlockSize     int64
	Blocks        uint64
	Size          int64 // of the file system in bytes; what follows is not part of it
	Inodes        uint32
	Features      []string
	NeedsRecovery bool // a journal was not replayed: what is read may be torn
}

// Open reads the superblock and the group descriptors, and compares their
// checksums.
func Open(r io.ReaderAt, size int64) (*Image, error) {
	im := &Image{r: r, size: size}
	if err := im.open(); err != nil {
		return nil, fmt.Errorf("cannot open ext4 image: %w", err)
	}
	return im, nil
}

// read reads n bytes of the image.
func (im *Image) read(a at, n int64, what string) ([]byte, error) {
	if a.off < 0 || n < 0 || a.off > im.size-n {
		return nil, bad(a, what, fmt.Sprintf("%d bytes", n), fmt.Sprintf("the end of the image at %d", im.size))
	}
	b := make([]byte, n)
	if err := tree.ReadFull(im.r, b, a.off); err != nil {
		return nil, fmt.Errorf("%s: %s: %w", a, what, err)
	}
	return b, nil
}

func (im *Image) open() error {
	if im.size < superOffset+superSize {
		return fmt.Errorf("%w: expected at least %d bytes, found %d", ErrNotExt4, superOffset+superSize, im.size)
	}
	b, err := im.read(at{off: superOffset}, superSize, "superblock")
	if err != nil {
		return err
	}
	if m := binary.LittleEndian.Uint16(b[56:]); m != superMagic {
		return fmt.Errorf("%w: %w", ErrNotExt4, bad(at{off: superOffset + 56}, "magic", fmt.Sprintf("%#x", superMagic), fmt.Sprintf("%#x", m)))
	}
	if err := im.sb.parse(b, im.size); err != nil {
		return err
	}
	sb := &im.sb
	im.seed = crc32c(^uint32(0), sb.uuid[:])
	if sb.incompat&incompatSeed != 0 {
		im.seed = binary.LittleEndian.Uint32(b[0x270:])
	}
	if sb.ro&roMetaSum != 0 {
		if got, want := crc32c(^uint32(0), b[:1020]), binary.LittleEndian.Uint32(b[1020:]); got != want {
			return bad(at{off: superOffset + 1020}, "checksum", fmt.Sprintf("%#08x (computed)", got), fmt.Sprintf("%#08x", want))
		}
	}
	im.size = int64(sb.blocks) * sb.blockSize
	return im.readGroups()
}

func (sb *superblock) parse(b []byte, size int64) error {
	le := binary.LittleEndian
	field := func(off int64) at { return at{off: superOffset + off} }
	sb.inodes, sb.blocks = le.Uint32(b), uint64(le.Uint32(b[4:]))
	sb.firstBlock, sb.blocksPerGroup, sb.inodesPerGroup = le.Uint32(b[20:]), le.Uint32(b[32:]), le.Uint32(b[40:])
	sb.written, sb.state, sb.revision = int64(le.Uint32(b[48:])), le.Uint16(b[58:]), le.Uint32(b[76:])
	sb.inodeSize, sb.descSize = 128, 32
	if sb.revision > 0 {
		sb.inodeSize = int64(le.Uint16(b[88:]))
		sb.compat, sb.incompat, sb.ro = le.Uint32(b[92:]), le.Uint32(b[96:]), le.Uint32(b[100:])
	}
	copy(sb.uuid[:], b[104:])
	copy(sb.hashSeed[:], b[236:])
	sb.volume, sb.mounted = text(b[120:136]), text(b[136:200])
	sb.firstMeta, sb.made = le.Uint32(b[260:]), int64(le.Uint32(b[264:]))
	if n := le.Uint32(b[24:]); n > 6 {
		return bad(field(24), "block size", "1024 to 65536 bytes", fmt.Sprintf("1024 << %d", n))
	}
	sb.blockSize = 1024 << le.Uint32(b[24:])
	if sb.incompat&incompatJournalDev != 0 {
		return unsupported(field(96), "it is a journal for another device")
	}
	if x := sb.incompat &^ incompatKnown; x != 0 {
		return unsupported(field(96), "features "+strings.Join(featureNames(x, incompatNames), ", "))
	}
	if sb.incompat&incompat64Bit != 0 {
		sb.descSize = int64(le.Uint16(b[254:]))
		sb.blocks |= uint64(le.Uint32(b[336:])) << 32
		if sb.descSize < 64 || sb.descSize > 1024 || sb.descSize&(sb.descSize-1) != 0 {
			return bad(field(254), "size of a group descriptor", "a power of two from 64 to 1024", sb.descSize)
		}
	}
	return sb.check(size)
}

func (sb *superblock) check(size int64) error {
	field := func(off int64) at { return at{off: superOffset + off} }
	bits := sb.blockSize * 8
	first := uint32(0)
	if sb.blockSize == 1024 && sb.ro&roBigalloc == 0 {
		first = 1
	}
	switch {
	case sb.firstBlock != first:
		return bad(field(20), "first data block", fmt.Sprint(first), sb.firstBlock)
	case sb.inodeSize < 128 || sb.inodeSize > sb.blockSize || sb.inodeSize&(sb.inodeSize-1) != 0:
		return bad(field(88), "inode size", fmt.Sprintf("a power of two from 128 to %d", sb.blockSize), sb.inodeSize)
	case sb.blocksPerGroup == 0 || int64(sb.blocksPerGroup) > bits && sb.ro&roBigalloc == 0:
		return bad(field(32), "blocks of a group", fmt.Sprintf("1 to %d", bits), sb.blocksPerGroup)
	case sb.inodesPerGroup == 0 || int64(sb.inodesPerGroup) > bits:
		return bad(field(40), "inodes of a group", fmt.Sprintf("1 to %d", bits), sb.inodesPerGroup)
	case sb.blocks <= uint64(sb.firstBlock) || sb.blocks > uint64(size/sb.blockSize):
		return bad(field(4), "blocks", fmt.Sprintf("an image of at most %d bytes (its size)", size), fmt.Sprintf("%d blocks of %d bytes", sb.blocks, sb.blockSize))
	}
	return nil
}

// text is bytes up to a NUL.
func text(b []byte) string {
	s, _, _ := strings.Cut(string(b), "\x00")
	return s
}

// readGroups reads where the inode tables lie.
func (im *Image) readGroups() error {
	sb := &im.sb
	count := int64((sb.blocks - uint64(sb.firstBlock) + uint64(sb.blocksPerGroup) - 1) / uint64(sb.blocksPerGroup))
	if count*sb.descSize > 64<<20 {
		return bad(at{off: superOffset + 32}, "blocks of a group", "fewer groups than take 64 MiB of descriptors", fmt.Sprintf("%d groups", count))
	}
	if uint64(count)*uint64(sb.inodesPerGroup) < uint64(sb.inodes) {
		return bad(at{off: superOffset}, "inodes", fmt.Sprintf("at most %d in %d groups", count*int64(sb.inodesPerGroup), count), sb.inodes)
	}
	perBlock := sb.blockSize / sb.descSize
	im.groups = make([]group, 0, count)
	for first := int64(0); first < count; first += perBlock {
		off := im.descBlock(first/perBlock) * sb.blockSize
		b, err := im.read(at{off: off}, min(perBlock, count-first)*sb.descSize, "group descriptors")
		if err != nil {
			return err
		}
		for i := int64(0); len(b) > 0; i, b = i+1, b[sb.descSize:] {
			if err := im.addGroup(uint32(first+i), b[:sb.descSize], at{off: off + i*sb.descSize}); err != nil {
				return fmt.Errorf("group %d: %w", first+i, err)
			}
		}
	}
	return nil
}

// descBlock is where block i of the descriptors lies.
func (im *Image) descBlock(i int64) int64 {
	sb := &im.sb
	if sb.incompat&incompatMetaBG == 0 || i < int64(sb.firstMeta) {
		if sb.blockSize == 1024 { // block 0 may hold a boot sector
			return 2 + i
		}
		return 1 + i
	}
	g := i * (sb.blockSize / sb.descSize)
	block := int64(sb.firstBlock) + g*int64(sb.blocksPerGroup)
	if hasSuper(uint32(g)) || sb.ro&roSparseSuper == 0 {
		block++
	}
	return block
}

// hasSuper says whether a group keeps a copy of the superblock: the first ones
// and those whose number is a power of 3, 5 or 7.
func hasSuper(g uint32) bool {
	if g <= 1 {
		return true
	}
	for _, base := range []uint32{3, 5, 7} {
		n := g
		for n%base == 0 {
			n /= base
		}
		if n == 1 {
			return true
		}
	}
	return false
}

func (im *Image) addGroup(i uint32, b []byte, a at) error {
	le := binary.LittleEndian
	sb := &im.sb
	g := group{inodeTable: uint64(le.Uint32(b[8:]))}
	if sb.descSize >= 64 {
		g.inodeTable |= uint64(le.Uint32(b[40:])) << 32
	}
	number := le.AppendUint32(nil, i)
	want, got := le.Uint16(b[30:]), le.Uint16(b[30:])
	switch {
	case sb.ro&roMetaSum != 0:
		got = uint16(sumLess(crc32c(im.seed, number), b, 30, 2))
	case sb.ro&roGroupSum != 0:
		got = groupSum(sb.uuid, number, b)
	}
	if got != want {
		return bad(at{off: a.off + 30}, "checksum of the group", fmt.Sprintf("%#04x (computed)", got), fmt.Sprintf("%#04x", want))
	}
	table := int64(sb.inodesPerGroup) * sb.inodeSize
	if last := sb.blocks - uint64(alignUp(table, sb.blockSize)/sb.blockSize); g.inodeTable == 0 || g.inodeTable > last || last > sb.blocks {
		return bad(at{off: a.off + 8}, "inode table", fmt.Sprintf("a block from 1 to %d", last), g.inodeTable)
	}
	im.groups = append(im.groups, g)
	return nil
}

// groupSum is the checksum of a descriptor without metadata_csum.
func groupSum(uuid [16]byte, number, b []byte) uint16 {
	c := crc16(0xffff, uuid[:])
	c = crc16(c, number)
	c = crc16(c, b[:30])
	if len(b) > 32 {
		c = crc16(c, b[32:])
	}
	return c
}

// Info returns what the superblock says.
func (im *Image) Info() Info {
	sb := &im.sb
	features := featureNames(sb.compat, compatNames)
	features = append(features, featureNames(sb.incompat, incompatNames)...)
	return Info{
		UUID: sb.uuid, VolumeName: sb.volume, LastMounted: sb.mounted, Made: sb.made, Written: sb.written,
		BlockSize: sb.blockSize, Blocks: sb.blocks, Size: im.size, Inodes: sb.inodes,
		Features:      append(features, featureNames(sb.ro, roNames)...),
		NeedsRecovery: sb.incompat&incompatRecover != 0,
	}
}

func featureNames(bits uint32, names map[int]string) []string {
	var out []string
	for i := range 32 {
		if bits>>i&1 == 0 {
			continue
		}
		if n, ok := names[i]; ok {
			out = append(out, n)
		} else {
			out = append(out, fmt.Sprintf("bit %d", i))
		}
	}
	return out
}

// Options are those that Build needs to make an image of the same kind, and what
// it would make otherwise, in words; nil if nothing. Size and Inodes are the
// image's: a tree that has grown may need more.
func (im *Image) Options() (o Options, otherwise []string) {
	sb := &im.sb
	o = Options{
		UUID: sb.uuid, HashSeed: sb.hashSeed, Time: max(sb.made, 0), VolumeName: sb.volume, LastMounted: sb.mounted,
		Size: im.size / block * block, Inodes: sb.inodes, MetadataSum: sb.ro&roMetaSum != 0, ReadOnly: sb.ro&roReadOnly != 0,
		SixtyFour: sb.incompat&incompat64Bit != 0, SharedBlocks: sb.ro&roShared != 0,
	}
	if sb.compat&compatJournal != 0 {
		if in, err := im.readInode(journalInode, &budget{block}); err == nil {
			o.JournalBlocks = uint32(min(max(in.size/sb.blockSize, 1024), 262144))
		}
	}
	if sb.blockSize != block {
		otherwise = append(otherwise, fmt.Sprintf("blocks of %d bytes instead of %d", block, sb.blockSize))
	}
	if sb.inodeSize != inodeSize {
		otherwise = append(otherwise, fmt.Sprintf("inodes of %d bytes instead of %d", inodeSize, sb.inodeSize))
	}
	const writes = roSparseSuper | roLargeFile | roHugeFile | roDirLinks | roExtraSize | roGroupSum | roMetaSum | roReadOnly | roShared
	var lost []string
	lost = append(lost, featureNames(sb.compat&^(compatJournal|compatXattr|compatDirIndex), compatNames)...)
	lost = append(lost, featureNames(sb.incompat&^(incompatFileType|incompatExtents|incompat64Bit), incompatNames)...)
	if lost = append(lost, featureNames(sb.ro&^writes, roNames)...); lost != nil {
		otherwise = append(otherwise, "without "+strings.Join(lost, ", "))
	}
	return o, otherwise
}
