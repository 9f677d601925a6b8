package avb

// Descriptor is one of *PropertyDescriptor, *HashtreeDescriptor, *HashDescriptor,
// *CmdlineDescriptor, *ChainDescriptor or *UnknownDescriptor.
type Descriptor interface{ tag() uint64 }

// PropertyDescriptor is a key and a value that the system can ask the boot loader for.
type PropertyDescriptor struct {
	Key   string
	Value []byte
}

// HashtreeDescriptor describes a partition checked block by block as it is read.
type HashtreeDescriptor struct {
	Partition     string
	DMVersion     uint32
	ImageSize     uint64
	TreeOffset    uint64
	TreeSize      uint64
	DataBlockSize uint32
	HashBlockSize uint32
	FECRoots      uint32
	FECOffset     uint64
	FECSize       uint64
	HashAlgorithm string
	Salt          []byte
	RootDigest    []byte
	Flags         uint32
}

// HashDescriptor describes a partition checked as a whole when it is loaded.
type HashDescriptor struct {
	Partition     string
	ImageSize     uint64
	HashAlgorithm string
	Salt          []byte
	Digest        []byte
	Flags         uint32
}

// CmdlineDescriptor is a piece of the kernel's command line.
type CmdlineDescriptor struct {
	Flags   uint32
	Cmdline string
}

// ChainDescriptor delegates a partition to the owner of another key.
type ChainDescriptor struct {
	Partition             string
	RollbackIndexLocation uint32
	PublicKey             []byte
	Flags                 uint32
}

// UnknownDescriptor keeps a descriptor whose tag this package does not know.
type UnknownDescriptor struct {
	Tag  uint64
	Data []byte
}

func (*PropertyDescriptor) tag() uint64  { return 0 }
func (*HashtreeDescriptor) tag() uint64  { return 1 }
func (*HashDescriptor) tag() uint64      { return 2 }
func (*CmdlineDescriptor) tag() uint64   { return 3 }
func (*ChainDescriptor) tag() uint64     { return 4 }
func (d *UnknownDescriptor) tag() uint64 { return d.Tag }
