// Package erofs reads and writes EROFS, the read-only file system that Android
// phones keep their system in since Android 12.
//
// Open and Tree read what vendors ship: compact and extended inodes; plain,
// inline and chunk-based files; inline and shared xattrs with long prefixes;
// files compressed with LZ4 (full and compact indexes, big physical clusters,
// tails packed into the metadata, fragments, shared clusters) and with LZMA,
// DEFLATE and Zstandard (package unpack). What is left (extra devices, the 48-bit
// layout) is named by an error that wraps ErrNotSupported. Build writes plain
// images, and with LZ4.
//
// It is no driver: it does not mount, does not repair, and does not look at what follows
// the last block (a hash tree, a footer).
//
// # Bad images
//
// An image is an enemy until it was read. No input makes this package panic,
// loop or use memory without bound: Tree reads at most as many bytes of
// metadata as the image has, at most MaxMetadata, and makes at most MaxInodes
// nodes and MaxEntries entries; a byte of metadata costs at most about 50
// bytes of memory (an entry of a chunk table does). Reading content needs one physical cluster (at most 1 MiB,
// or 12 MiB unpacked, as in Linux) for each reader, and a cache of 16 MiB for
// an image. An error says where it is (inode, byte of the image, field), what was expected
// and what was found.
//
// # Layout of a written image
//
//	block 0      the superblock, and nothing else
//	             the content of files, each from a new block, in the order of paths
//	             shared xattrs
//	             blocks of directories
//	             inodes, with their xattrs, directory tails and small content behind them
//
// Content comes first so that its place depends only on the content before
// it: a new file or a longer name moves nothing, and a file that grows moves
// those behind it by whole blocks, which an incremental copies for nothing. For
// the same reason the last, part-filled block of a file is not packed behind
// its inode, as mkfs.erofs does, unless that is the whole file and at most half a
// block: packed, it would move by bytes whenever any inode grows. The price is
// half a block for each file; the gain is that every block of unchanged content is found
// again. LZ4.TailPacking chooses otherwise for compressed files.
//
// That is how Build lays out. Lay, given the layout map of the image before, keeps
// what did not change where it was, wherever that is.
//
// The format is described in Linux, Documentation/filesystems/erofs.rst and
// fs/erofs/erofs_fs.h.
package erofs

import (
	"errors"
	"fmt"
)

// The bounds that Tree keeps.
const (
	MaxMetadata = 256 << 20 // bytes of inodes, xattrs, directories and indexes
	MaxInodes   = 1 << 20
	MaxEntries  = 1 << 22
)

// ErrNotSupported is wrapped by the errors for what the format allows and this
// package does not read.
var ErrNotSupported = errors.New("not supported")

// Options are the parts of an image that do not come from its tree.
type Options struct {
	UUID       [16]byte
	BuildTime  int64  // files with this time get smaller inodes
	VolumeName string // at most 16 bytes
	LZ4        *LZ4   // nil: content is not compressed
	// Size in bytes that the image has at least, a multiple of 4096; what is not
	// needed of it is zeros. 0: as small as it can be.
	Size int64
}

const (
	superOffset = 1024
	superSize   = 128
	superMagic  = 0xE0F5E1E2

	compatChecksum = 0x1
	compatMTime    = 0x2
	compatFilter   = 0x4
	compatPlainPfx = 0x10 // prefixes lie outside of the inode of fragments

	incompatZeroPadding   = 0x1
	incompatBigPCluster   = 0x2 // also: compression configurations follow the superblock
	incompatChunked       = 0x4
	incompatDevices       = 0x8 // also: a second algorithm
	incompatTailPacking   = 0x10
	incompatFragments     = 0x20 // also: deduplicated clusters
	incompatXattrPrefixes = 0x40
	incompatKnown         = 0x7f

	inodeUnit    = 32 // a nid counts these
	compactSize  = 32
	extendedSize = 64
	direntSize   = 12

	layoutPlain             = 0
	layoutCompressedFull    = 1
	layoutInline            = 2
	layoutCompressedCompact = 3
	layoutChunked           = 4

	xattrHeaderSize = 12
	maxSymlink      = 4095
)

// xattrPrefix are the name prefixes that are stored as a number.
var xattrPrefix = map[uint8]string{
	1: "user.",
	2: "system.posix_acl_access",
	3: "system.posix_acl_default",
	4: "trusted.",
	5: "lustre.",
	6: "security.",
}

func alignUp[T int | int64 | uint64](n, to T) T { return (n + to - 1) / to * to }

// at names a place in an image for errors.
type at struct {
	nid int64 // -1: not in an inode
	off int64
}

func (a at) String() string {
	if a.nid < 0 {
		return fmt.Sprintf("byte %d", a.off)
	}
	return fmt.Sprintf("inode %d at byte %d", a.nid, a.off)
}

// bad is the error for a field that is not as the format has it.
func bad(a at, field, expected string, found any) error {
	return fmt.Errorf("%s: %s: expected %s, found %v", a, field, expected, found)
}

func unsupported(a at, what string) error {
	return fmt.Errorf("%s: %w: %s", a, ErrNotSupported, what)
}
