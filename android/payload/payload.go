// Package payload reads, applies and writes update_engine payloads
// (payload.bin, major version 2), full and incremental.
package payload

import (
	"context"
	"crypto"
	"io"
)

// Payload is an opened payload.
type Payload struct{ manifest *Manifest }

// Layout is where the parts of a payload lie.
type Layout struct {
	MetadataSize          int64 // header and manifest; what METADATA_SIZE says
	MetadataSignatureSize int64
	BlobsOffset           int64 // both of the above together; the size of payload_metadata.bin
	BlobsSize             int64 // operations' data, without the payload signature
	SignatureSize         int64 // the payload signature
	Size                  int64
}

// Open reads header and manifest and checks that every extent and every blob
// lies where it can.
func Open(r io.ReaderAt, size int64) (*Payload, error) { panic("unwritten") }

// Manifest is the payload's manifest. It is not to be changed.
func (p *Payload) Manifest() *Manifest { return p.manifest }

// Layout says where the parts of the payload lie.
func (p *Payload) Layout() Layout { panic("unwritten") }

// Verify checks the metadata signature and the payload signature. It reads the
// payload once.
func (p *Payload) Verify(pub crypto.PublicKey) error { panic("unwritten") }

// VerifyMetadata checks the metadata signature alone, before anything is
// believed.
func (p *Payload) VerifyMetadata(pub crypto.PublicKey) error { panic("unwritten") }

// Disk is what Apply writes to and reads back: an *os.File, say.
type Disk interface {
	io.ReaderAt
	io.WriterAt
}

// ApplyOptions are Apply's.
type ApplyOptions struct {
	Workers  int                   // operations at once; 0: GOMAXPROCS
	Progress func(done, total int) // operations done; called by one goroutine at a time
}

// Apply makes partition part on dst. old is the source partition, nil for a
// full update.
func (p *Payload) Apply(ctx context.Context, part string, old io.ReaderAt, dst Disk, o ApplyOptions) error {
	panic("unwritten")
}

// Check says whether ApplyOp can do all operations of a partition, naming the
// first that it cannot. Apply asks it before it writes anything.
func (p *Payload) Check(part string) error { panic("unwritten") }

// ApplyOp does operation i of a partition, checking its data and its source.
// Doing it again does no harm, so that an update that was cut off goes on with
// the operation it was in. When all are done, VerifyNew is to be asked.
func (p *Payload) ApplyOp(part string, i int, old io.ReaderAt, dst io.WriterAt) error {
	panic("unwritten")
}

// VerifyOld checks that r is the source that partition part starts from.
func (p *Payload) VerifyOld(ctx context.Context, part string, r io.ReaderAt) error {
	panic("unwritten")
}

// VerifyNew checks that r is what partition part is to become.
func (p *Payload) VerifyNew(ctx context.Context, part string, r io.ReaderAt) error {
	panic("unwritten")
}
