package payload

import (
	"context"
	"crypto"
	"io"
)

// Plan is what Write makes a payload of.
type Plan struct {
	MinorVersion       uint32 // 0 for a full payload; 6 suits Android 10 and later
	MaxTimestamp       int64
	SecurityPatchLevel string
	Partial            bool
	Dynamic            *Dynamic
	Apexes             []Apex
	Parts              []PlanPart
	TempDir            string // where blobs are spilled; "": the system's
	Workers            int    // Data functions at once; 0: GOMAXPROCS
	Progress           func(done, total int)
}

// PlanPart is one partition of a Plan. Sizes are whole blocks of 4096 bytes.
type PlanPart struct {
	Name    string
	New     io.ReaderAt
	NewSize int64
	Old     io.ReaderAt // nil for a full update
	OldSize int64
	// NewSHA256 and OldSHA256 spare Write the reading, if the caller knows them.
	NewSHA256, OldSHA256 []byte
	Ops                  []PlannedOp

	// More of the manifest's fields; Name, sizes, hashes and Operations in it
	// are ignored.
	Extra Partition
}

// PlannedOp is one operation. For SOURCE_COPY, ZERO and DISCARD Data is nil and
// Type counts. For others Data is called once, in any order and from several
// goroutines, and says type and data; Write computes all hashes.
type PlannedOp struct {
	Type     OpType
	Src, Dst []Extent
	Data     func(ctx context.Context) (OpType, []byte, error)
}

// FullOps plans a partition as chunks of 2 MiB, each through compress; nil is
// Compress.
func FullOps(r io.ReaderAt, size int64, compress func([]byte) (OpType, []byte, error)) []PlannedOp {
	panic("unwritten")
}

// Compress gives the smallest of REPLACE, REPLACE_XZ and REPLACE_BZ for a
// chunk. The same chunk gives the same bytes, so that a cache can wrap it.
func Compress(chunk []byte) (OpType, []byte, error) { panic("unwritten") }

// CodecVersion is part of the key of whatever caches what Compress gives.
const CodecVersion = "1"

// Write writes a payload to w. signer may be an RSA or an EC key; nil leaves
// the payload unsigned.
func Write(ctx context.Context, w io.Writer, plan Plan, signer crypto.Signer) (Properties, error) {
	panic("unwritten")
}

// Properties are the four facts of payload_properties.txt.
type Properties struct {
	FileHash     [32]byte
	FileSize     int64
	MetadataHash [32]byte
	MetadataSize int64
}

// Text is payload_properties.txt.
func (p Properties) Text() string { panic("unwritten") }

// ParseProperties reads payload_properties.txt.
func ParseProperties(text string) (Properties, error) { panic("unwritten") }
