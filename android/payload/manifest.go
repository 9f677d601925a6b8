package payload

import (
	"fmt"
	"slices"
)

// OpType is the kind of an install operation; the numbers are the format's.
type OpType uint32

// The operations of update_metadata.proto.
const (
	Replace         OpType = 0
	ReplaceBZ       OpType = 1
	Move            OpType = 2 // of major version 1 only
	Bsdiff          OpType = 3 // of major version 1 only
	SourceCopy      OpType = 4
	SourceBsdiff    OpType = 5
	Zero            OpType = 6
	Discard         OpType = 7
	ReplaceXZ       OpType = 8
	Puffdiff        OpType = 9
	BrotliBsdiff    OpType = 10
	Zucchini        OpType = 11
	LZ4DiffBsdiff   OpType = 12
	LZ4DiffPuffdiff OpType = 13
	ReplaceZstd     OpType = 14
)

var opNames = [...]string{"REPLACE", "REPLACE_BZ", "MOVE", "BSDIFF", "SOURCE_COPY", "SOURCE_BSDIFF", "ZERO", "DISCARD",
	"REPLACE_XZ", "PUFFDIFF", "BROTLI_BSDIFF", "ZUCCHINI", "LZ4DIFF_BSDIFF", "LZ4DIFF_PUFFDIFF", "REPLACE_ZSTD"}

// String is the name that update_metadata.proto gives the operation.
func (t OpType) String() string {
	if int(t) < len(opNames) {
		return opNames[t]
	}
	return fmt.Sprintf("operation type %d", uint32(t))
}

// Extent is a run of blocks.
type Extent struct{ Start, Count uint64 }

// Operation makes some blocks of the new partition.
type Operation struct {
	Type       OpType
	Src, Dst   []Extent
	SrcLength  uint64 // bytes, as the manifest says; 0 if it does not
	DstLength  uint64 // bytes, as the manifest says; 0 if it does not
	DataOffset uint64 // from the start of the blobs
	DataLength uint64
	DataSHA256 []byte
	SrcSHA256  []byte
}

// Partition is what a payload does to one partition.
type Partition struct {
	Name       string
	OldSize    int64 // 0 with OldSHA256 nil: a full update
	OldSHA256  []byte
	NewSize    int64
	NewSHA256  []byte
	Operations []Operation

	RunPostinstall      bool
	PostinstallPath     string
	FilesystemType      string
	PostinstallOptional bool
	Version             string    // time of the partition's build, or a kernel's release
	HasVersion          bool      // it is there, be it empty: a partial update must have it
	HashTree            *HashTree // nil: the tree is in the operations' data
	FEC                 *FEC      // nil: the codes are in the operations' data
	Merge               []MergeOperation
	EstimateCowSize     uint64 // what libsnapshot must reserve on virtual A/B
	EstimateOpCountMax  uint64 // the same for COW version 3
}

// HashTree tells the phone to compute a dm-verity tree itself.
type HashTree struct {
	Data, Tree Extent
	Algorithm  string
	Salt       []byte
}

// FEC tells the phone to compute error-correcting codes itself.
type FEC struct {
	Data, Parity Extent
	Roots        uint32
}

// MergeOperation is a hint of how a snapshot's blocks are merged.
type MergeOperation struct {
	Type      MergeType
	Src, Dst  Extent
	SrcOffset uint32
}

// MergeType is the kind of a MergeOperation.
type MergeType uint32

// The kinds of merge operations.
const (
	CowCopy    MergeType = 0
	CowXor     MergeType = 1
	CowReplace MergeType = 2
)

// String is the name that update_metadata.proto gives the kind.
func (t MergeType) String() string {
	switch t {
	case CowCopy:
		return "COW_COPY"
	case CowXor:
		return "COW_XOR"
	case CowReplace:
		return "COW_REPLACE"
	}
	return fmt.Sprintf("merge type %d", uint32(t))
}

// Dynamic is what the payload says of the super partition.
type Dynamic struct {
	Groups          []Group
	SnapshotEnabled bool // virtual A/B; unset means that no snapshot may be made
	VABCEnabled     bool // compressed snapshots
	VABCCompression string
	COWVersion      uint32
	// Features of compressed snapshots; nil if the manifest does not speak of them.
	Features          *VABCFeatures
	CompressionFactor uint64
}

// VABCFeatures are the phone's abilities with compressed snapshots.
type VABCFeatures struct{ Threaded, BatchWrites bool }

// Group is a group of partitions inside super that share a size.
type Group struct {
	Name       string
	Size       uint64
	Partitions []string
}

// Apex is an APEX module of the target.
type Apex struct {
	Package          string
	Version          int64
	Compressed       bool
	DecompressedSize int64
}

// Manifest is the DeltaArchiveManifest of a payload.
type Manifest struct {
	MinorVersion       uint32 // 0: every partition is full
	BlockSize          uint32
	MaxTimestamp       int64 // build time in seconds; an OS that is newer refuses
	SecurityPatchLevel string
	Partial            bool
	Partitions         []Partition
	Dynamic            *Dynamic
	Apexes             []Apex
	SignaturesOffset   uint64 // of the payload signature, from the start of the blobs
	SignaturesSize     uint64 // 0: not signed
}

// Full says whether every partition is made whole, of no old one. Such a payload has
// minor version 0, or, if it is partial, another: update_engine takes partial updates
// for incremental ones.
func (m *Manifest) Full() bool {
	if m.MinorVersion == 0 || !m.Partial {
		return m.MinorVersion == 0
	}
	return !slices.ContainsFunc(m.Partitions, func(p Partition) bool { return p.OldSHA256 != nil })
}

// Partition is the partition of that name, or nil.
func (m *Manifest) Partition(name string) *Partition {
	for i := range m.Partitions {
		if m.Partitions[i].Name == name {
			return &m.Partitions[i]
		}
	}
	return nil
}
