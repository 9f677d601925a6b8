package payload

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/fridayos/friday/android/tree"
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
	TempDir            string                // where data is spilled; "": the system's
	Workers            int                   // Data functions at once; 0: GOMAXPROCS
	Progress           func(done, total int) // operations done, in order
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

	// Extra holds more of the manifest's fields; Name, sizes, hashes and
	// Operations in it are ignored.
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

// ChunkSize is how much of a partition one operation of a full payload makes.
const ChunkSize = 2 << 20

// FullOps plans a partition as chunks of ChunkSize, each through compress; nil is
// Compress.
func FullOps(r io.ReaderAt, size int64, compress func([]byte) (OpType, []byte, error)) []PlannedOp {
	if compress == nil {
		compress = Compress
	}
	var ops []PlannedOp
	for off := int64(0); off < size; off += ChunkSize {
		n := min(size-off, ChunkSize)
		ops = append(ops, PlannedOp{
			Type: Replace,
			Dst:  []Extent{{Start: uint64(off / blockSize), Count: uint64(n+blockSize-1) / blockSize}},
			Data: func(context.Context) (OpType, []byte, error) {
				chunk := make([]byte, n)
				if err := tree.ReadFull(r, chunk, off); err != nil {
					return 0, nil, fmt.Errorf("cannot read the new partition: %w", err)
				}
				return compress(chunk)
			},
		})
	}
	return ops
}

// minMinor is the first minor version whose clients know an operation; full
// payloads, of minor version 0, may hold what every client knows.
func (t OpType) minMinor() uint32 {
	switch t {
	case Replace, ReplaceBZ, ReplaceXZ:
		return 0
	case SourceCopy, SourceBsdiff:
		return 2
	case Zero, Discard, BrotliBsdiff:
		return 4
	case Puffdiff:
		return 5
	case Zucchini:
		return 8
	case LZ4DiffBsdiff, LZ4DiffPuffdiff:
		return 9
	case ReplaceZstd:
		return 10
	}
	return 1 << 31
}

// check refuses a plan that no manifest can be made of, before any work is done.
func (p *Plan) check() error {
	if len(p.Parts) == 0 {
		return errors.New("it has no partitions")
	}
	for i := range p.Parts {
		part := &p.Parts[i]
		if err := part.check(p.MinorVersion); err != nil {
			return fmt.Errorf("partition %q: %w", part.Name, err)
		}
	}
	return nil
}

func (part *PlanPart) check(minor uint32) error {
	if part.New == nil && part.NewSHA256 == nil {
		return errors.New("neither the new partition nor its hash is given")
	}
	if part.Old != nil && minor == 0 {
		return errors.New("a full payload (minor version 0) cannot have an old partition")
	}
	if part.Old == nil && (part.OldSize != 0 || part.OldSHA256 != nil) {
		return errors.New("the old partition is not given, but its size or hash is")
	}
	total := uint64(part.NewSize) / blockSize
	var written uint64
	for i := range part.Ops {
		op := &part.Ops[i]
		n, err := blocks(op.Dst, total)
		if err != nil {
			return fmt.Errorf("operation %d: destination: %w", i, err)
		}
		written += n
		if _, err := blocks(op.Src, uint64(part.OldSize)/blockSize); err != nil {
			return fmt.Errorf("operation %d: source: %w", i, err)
		}
		if data, _ := op.Type.needs(); data != (op.Data != nil) {
			return fmt.Errorf("operation %d: %v with Data %t", i, op.Type, op.Data != nil)
		}
		if op.Type.minMinor() > minor {
			return fmt.Errorf("operation %d: %v needs minor version %d, found %d", i, op.Type, op.Type.minMinor(), minor)
		}
	}
	if t := part.Extra.HashTree; t != nil {
		written += t.Tree.Count
	}
	if f := part.Extra.FEC; f != nil {
		written += f.Parity.Count
	}
	// That no block is written twice is checked with the finished manifest.
	if written != total {
		return fmt.Errorf("operations write %d blocks, expected %d", written, total)
	}
	return nil
}
