package avb

import (
	"context"
	"crypto/rsa"
	"io"

	"github.com/fridayos/friday/android/tree"
)

// Footer says where in a partition the vbmeta struct lies.
type Footer struct {
	OriginalImageSize uint64
	VBMetaOffset      uint64
	VBMetaSize        uint64
}

// ParseFooter reads the footer in the last 64 bytes; false when there is none.
func ParseFooter(r io.ReaderAt, size int64) (Footer, bool, error) { panic("unwritten") }

// HashtreeParams is how AddHashtree makes a partition. What is zero is left out
// or has the default that is named.
type HashtreeParams struct {
	Partition     string
	Salt          []byte
	BlockSize     int    // 4096
	HashAlgorithm string // "sha256"
	PartitionSize int64  // 0: as small as possible
	FECRoots      int    // 0: no error correction; Android uses 2
	Key           *rsa.PrivateKey
	VBMeta        VBMeta // rollback index, flags, release string and further descriptors of the struct in the footer
}

// AddHashtree appends to img its hash tree, a vbmeta struct that describes it, and a footer.
func AddHashtree(img *tree.Image, p HashtreeParams) (*tree.Image, *HashtreeDescriptor, error) {
	panic("unwritten")
}

// HashParams is how AddHash makes a partition.
type HashParams struct {
	Partition     string
	Salt          []byte
	HashAlgorithm string // "sha256"
	PartitionSize int64  // 0: as small as possible
	Key           *rsa.PrivateKey
	VBMeta        VBMeta
}

// AddHash appends to img a vbmeta struct that holds its hash, and a footer.
func AddHash(img *tree.Image, p HashParams) (*tree.Image, *HashDescriptor, error) {
	panic("unwritten")
}

// VerifyPartition recomputes the hash or the hash tree that d describes over the
// partition r and compares.
func VerifyPartition(ctx context.Context, d Descriptor, r io.ReaderAt, size int64) error {
	panic("unwritten")
}

// Chain is what VerifyChain found.
type Chain struct {
	VBMeta          *VBMeta            // the top one
	Chained         map[string]*VBMeta // by partition
	Digest          [32]byte
	RollbackIndexes map[uint32]uint64 // by location
}

// VerifyChain verifies the vbmeta struct of the partition "vbmeta", those of the
// partitions it delegates to, and every partition that any of them describes.
// trusted is the encoded key that must have signed the top one; nil accepts any,
// and unsigned structs too, as an unlocked phone does.
func VerifyChain(ctx context.Context, open func(partition string) (io.ReaderAt, int64, error), trusted []byte) (Chain, error) {
	panic("unwritten")
}
