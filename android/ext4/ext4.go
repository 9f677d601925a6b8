// Package ext4 reads and writes ext4 (and reads ext2 and ext3), the file system
// that Android phones kept their system in until Android 12, and many still do.
//
// Open and Tree read what mke2fs and Android's own make_ext4fs make: extents and
// block maps, inline data, indexed directories, xattrs in the inode, in a block
// and in inodes of their own, group descriptors of 32 and 64 bytes, meta_bg,
// blocks shared between files, and checksums, which are compared. What is left
// (encrypted files, an external journal) is named by an error that wraps
// ErrNotSupported. A journal that was not replayed is said by Info, and not
// replayed: images are made, not crashed.
//
// Build writes images that any Android kernel mounts (3.4 and later): extents,
// sparse superblocks, inodes of 256 bytes with xattrs in them, checksums of
// groups or, if asked, of all metadata; with or without a journal; directories of
// more than a block with an index, which mke2fs -d leaves to e2fsck -D; holes where
// the content has them; blocks that files share, if asked.
//
// It is no driver: it does not mount and does not repair.
//
// # Bad images
//
// No input makes this package panic, loop or use memory without bound: Tree
// reads at most MaxMetadata bytes of metadata, makes at most MaxInodes nodes,
// MaxEntries entries and MaxExtents extents. An error says where it is (inode,
// byte of the image, field), what was expected and what was found.
//
// # Layout of a written image
//
// Groups of 32,768 blocks of 4 KiB, each with its bitmaps and inode table in
// front, and the first, 3^n, 5^n and 7^n with a superblock and the descriptors
// before that. What is left is filled in one sweep: the content of files in the
// order of paths, each in one piece but for those fronts; then directories,
// xattr blocks, long symlinks, the journal.
//
// That is how Build lays out. Lay, given the layout map of the image before, keeps
// what did not change where it was.
//
// The format is described in Linux, Documentation/filesystems/ext4.
package ext4

import (
	"errors"
	"fmt"
	"hash/crc32"
)

// The bounds that Tree keeps.
const (
	MaxMetadata = 512 << 20 // bytes of inodes, xattrs, directories and maps
	MaxInodes   = 1 << 20
	MaxEntries  = 1 << 22
	MaxExtents  = 1 << 21
	// MaxSize is the largest image in bytes that Build makes: 16 TiB.
	MaxSize = 1 << 44
)

// ErrNotSupported is wrapped by the errors for what the format allows and this
// package does not read.
var ErrNotSupported = errors.New("not supported")

// ErrNoRoom is wrapped by the error of Build and Lay for a tree that is larger than
// Options.Size.
var ErrNoRoom = errors.New("there is no room")

// ErrNotExt4 is wrapped by the error of Open for what has another magic.
var ErrNotExt4 = errors.New("this is not an ext4 image")

const (
	superOffset = 1024
	superSize   = 1024
	superMagic  = 0xef53

	rootInode    = 2
	journalInode = 8
	firstInode   = 11 // the first that is not reserved

	compatJournal  = 0x4
	compatXattr    = 0x8
	compatDirIndex = 0x20

	incompatFileType   = 0x2
	incompatRecover    = 0x4
	incompatJournalDev = 0x8
	incompatMetaBG     = 0x10
	incompatExtents    = 0x40
	incompat64Bit      = 0x80
	incompatMMP        = 0x100
	incompatFlexBG     = 0x200
	incompatEAInode    = 0x400
	incompatSeed       = 0x2000
	incompatLargeDir   = 0x4000
	incompatInline     = 0x8000
	incompatEncrypt    = 0x10000
	incompatCasefold   = 0x20000
	incompatKnown      = incompatFileType | incompatRecover | incompatMetaBG | incompatExtents | incompat64Bit | incompatMMP |
		incompatFlexBG | incompatEAInode | incompatSeed | incompatLargeDir | incompatInline | incompatEncrypt | incompatCasefold

	roSparseSuper = 0x1
	roLargeFile   = 0x2
	roHugeFile    = 0x8
	roGroupSum    = 0x10
	roDirLinks    = 0x20
	roExtraSize   = 0x40
	roMetaSum     = 0x400
	roBigalloc    = 0x200
	roReadOnly    = 0x1000
	roShared      = 0x4000

	flagIndex   = 0x1000
	flagEncrypt = 0x800
	flagExtents = 0x80000
	flagEAInode = 0x200000
	flagInline  = 0x10000000

	blockMapSize = 60 // i_block
	maxSymlink   = 4095
	maxXattr     = 64 << 10

	xattrMagic       = 0xea020000
	xattrHeaderSize  = 32 // of a block
	xattrEntrySize   = 16
	extentMagic      = 0xf30a
	extentSize       = 12
	maxExtentBlocks  = 32768
	dirTailSize      = 12
	dirTailType      = 0xde
	xattrIndexSystem = 7
)

// The names of feature bits, as debugfs prints them.
var (
	compatNames   = map[int]string{0: "dir_prealloc", 1: "imagic_inodes", 2: "has_journal", 3: "ext_attr", 4: "resize_inode", 5: "dir_index", 9: "sparse_super2", 10: "fast_commit", 11: "stable_inodes", 12: "orphan_file"}
	incompatNames = map[int]string{0: "compression", 1: "filetype", 2: "needs_recovery", 3: "journal_dev", 4: "meta_bg", 6: "extent", 7: "64bit", 8: "mmp", 9: "flex_bg", 10: "ea_inode", 12: "dirdata", 13: "metadata_csum_seed", 14: "large_dir", 15: "inline_data", 16: "encrypt", 17: "casefold"}
	roNames       = map[int]string{0: "sparse_super", 1: "large_file", 2: "btree_dir", 3: "huge_file", 4: "uninit_bg", 5: "dir_nlink", 6: "extra_isize", 8: "quota", 9: "bigalloc", 10: "metadata_csum", 12: "read-only", 13: "project", 14: "shared_blocks", 15: "verity", 16: "orphan_present"}
)

// xattrPrefix are the name prefixes that are stored as a number.
var xattrPrefix = map[uint8]string{
	1: "user.",
	2: "system.posix_acl_access",
	3: "system.posix_acl_default",
	4: "trusted.",
	6: "security.",
	7: "system.",
	8: "system.richacl",
}

func alignUp[T int | int64 | uint32](n, to T) T { return (n + to - 1) / to * to }

// at names a place in an image for errors.
type at struct {
	ino uint32 // 0: not in an inode
	off int64
}

func (a at) String() string {
	if a.ino == 0 {
		return fmt.Sprintf("byte %d", a.off)
	}
	return fmt.Sprintf("inode %d at byte %d", a.ino, a.off)
}

// bad is the error for a field that is not as the format has it.
func bad(a at, field, expected string, found any) error {
	return fmt.Errorf("%s: %s: expected %s, found %v", a, field, expected, found)
}

func unsupported(a at, what string) error {
	return fmt.Errorf("%s: %w: %s", a, ErrNotSupported, what)
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// crc32c is the CRC-32C of p after crc, without the inversions.
func crc32c(crc uint32, p []byte) uint32 { return ^crc32.Update(^crc, castagnoli, p) }

// crc16 is the CRC-16 (0x8005, reflected) of p after crc, for group descriptors.
func crc16(crc uint16, p []byte) uint16 {
	for _, c := range p {
		crc ^= uint16(c)
		for range 8 {
			low := crc & 1
			crc >>= 1
			if low != 0 {
				crc ^= 0xa001
			}
		}
	}
	return crc
}

// sumLess computes a checksum over p with its own field taken as zeros.
func sumLess(crc uint32, p []byte, at, n int) uint32 {
	crc = crc32c(crc, p[:at])
	crc = crc32c(crc, make([]byte, n))
	return crc32c(crc, p[at+n:])
}
