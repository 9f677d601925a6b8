// Package payload reads, applies and writes update_engine payloads
// (payload.bin, major version 2), full and incremental.
//
// Apply does what a phone's update_engine does, and checks the same hashes: of
// each operation's data, of its source blocks, of the finished partition. It
// knows REPLACE, REPLACE_BZ, REPLACE_XZ, REPLACE_ZSTD, ZERO, DISCARD,
// SOURCE_COPY, SOURCE_BSDIFF, BROTLI_BSDIFF and PUFFDIFF, and computes the hash tree
// and the error-correcting codes that a payload leaves to the phone. ZUCCHINI and
// LZ4DIFF are refused by name before anything is written. Slots, snapshots
// (COW) and post-install programs are not this package's business.
//
// Write makes payloads of a Plan. Which operations an incremental update is best
// made of is for the caller to say; Write computes hashes and offsets and signs.
//
// # Memory
//
// A manifest may have up to 32 MiB and some 400,000 operations, which take at
// most half a GiB. An operation in flight holds at most 16 MiB
// of its data (larger data is read twice instead; a patch must fit in 256 MiB),
// 1 MiB of buffers, and the decompressor's window, at most 64 MiB; PUFFDIFF
// what puffin.Patch holds. Write holds,
// for each worker, what a Data function returns.
//
// # Format
//
// Big-endian: "CrAU", version, manifest size, metadata signature size; the
// manifest (protobuf, update_metadata.proto in AOSP's system/update_engine); the
// metadata signature; the operations' data; the payload signature. The metadata
// signature covers header and manifest; the payload signature covers these and
// the data.
package payload

import (
	"encoding/binary"
	"fmt"
	"io"
	"sync"

	"github.com/fridayos/friday/android/tree"
)

const (
	magic        = "CrAU"
	majorVersion = 2
	headerSize   = 24
	blockSize    = 4096 // of all payloads of Android; others are refused

	// maxValues bounds the partitions, operations and extents of a manifest: some
	// 400,000 operations of one extent. A full package of 16 GiB has 8,000.
	maxValues = 5 << 20

	// MaxManifest is the largest manifest that is read.
	MaxManifest = 32 << 20
	// MaxNewSize is the most that the new partitions may take together.
	MaxNewSize = 64 << 30
	// MaxSignatures is the largest block of signatures that is read.
	MaxSignatures = 1 << 20
)

// Header is the fixed part at the start of a payload.
type Header struct {
	ManifestSize          int64
	MetadataSignatureSize int64
}

// HeaderSize is how many bytes ParseHeader wants.
const HeaderSize = headerSize

// MetadataSize is what must be fetched before the manifest and its signature can
// be read; payload_metadata.bin has this size.
func (h Header) MetadataSize() int64 {
	return headerSize + h.ManifestSize + h.MetadataSignatureSize
}

// ParseHeader reads the first HeaderSize bytes of a payload.
func ParseHeader(b []byte) (Header, error) {
	if len(b) < headerSize {
		return Header{}, fmt.Errorf("cannot read payload header: expected %d bytes, found %d", headerSize, len(b))
	}
	if string(b[:4]) != magic {
		return Header{}, fmt.Errorf("cannot read payload header: magic is %q, expected %q", b[:4], magic)
	}
	if v := binary.BigEndian.Uint64(b[4:]); v != majorVersion {
		return Header{}, fmt.Errorf("cannot read payload header: major version is %d, expected %d", v, majorVersion)
	}
	m, s := binary.BigEndian.Uint64(b[12:]), binary.BigEndian.Uint32(b[20:])
	if m > MaxManifest {
		return Header{}, fmt.Errorf("cannot read payload header: manifest has %d bytes, expected at most %d", m, MaxManifest)
	}
	if s > MaxSignatures {
		return Header{}, fmt.Errorf("cannot read payload header: metadata signature has %d bytes, expected at most %d", s, MaxSignatures)
	}
	return Header{ManifestSize: int64(m), MetadataSignatureSize: int64(s)}, nil
}

// Payload is an opened payload. Its methods may be called by several goroutines.
type Payload struct {
	r        io.ReaderAt
	layout   Layout
	manifest *Manifest
	readers  sync.Pool // of *xz.Reader
}

// Layout is where the parts of a payload lie.
type Layout struct {
	MetadataSize          int64 // header and manifest; what METADATA_SIZE says
	MetadataSignatureSize int64
	BlobsOffset           int64 // both of the above together; the size of payload_metadata.bin
	BlobsSize             int64 // operations' data, without the payload signature
	SignatureSize         int64 // the payload signature, 0 if there is none
	Size                  int64
}

// Open reads header and manifest and checks that every extent and every blob
// lies where it can. r need hold no more than the metadata until data is asked
// for: size is that of the whole payload.
func Open(r io.ReaderAt, size int64) (*Payload, error) {
	head := make([]byte, headerSize)
	if size < headerSize {
		return nil, fmt.Errorf("cannot open payload: expected at least %d bytes, found %d", headerSize, size)
	}
	if err := tree.ReadFull(r, head, 0); err != nil {
		return nil, fmt.Errorf("cannot open payload: header: %w", err)
	}
	h, err := ParseHeader(head)
	if err != nil {
		return nil, err
	}
	if h.MetadataSize() > size {
		return nil, fmt.Errorf("cannot open payload: header, manifest and signature need %d bytes, found %d", h.MetadataSize(), size)
	}
	raw := make([]byte, h.ManifestSize)
	if err := tree.ReadFull(r, raw, headerSize); err != nil {
		return nil, fmt.Errorf("cannot open payload: manifest: %w", err)
	}
	m, err := parseManifest(raw)
	if err != nil {
		return nil, fmt.Errorf("cannot open payload: manifest: %w", err)
	}
	p := &Payload{r: r, manifest: m, layout: Layout{
		MetadataSize:          headerSize + h.ManifestSize,
		MetadataSignatureSize: h.MetadataSignatureSize,
		BlobsOffset:           h.MetadataSize(),
		BlobsSize:             size - h.MetadataSize(),
		Size:                  size,
	}}
	if m.SignaturesSize > 0 {
		room := uint64(p.layout.BlobsSize)
		if m.SignaturesSize > MaxSignatures || m.SignaturesOffset > room || m.SignaturesSize != room-m.SignaturesOffset {
			return nil, fmt.Errorf("cannot open payload: signature of %d bytes at %d is expected to end the data of %d bytes",
				m.SignaturesSize, m.SignaturesOffset, room)
		}
		p.layout.BlobsSize = int64(m.SignaturesOffset)
		p.layout.SignatureSize = int64(m.SignaturesSize)
	}
	if err := m.check(uint64(p.layout.BlobsSize)); err != nil {
		return nil, fmt.Errorf("cannot open payload: %w", err)
	}
	return p, nil
}

// Manifest is the payload's manifest. It is not to be changed.
func (p *Payload) Manifest() *Manifest { return p.manifest }

// Layout says where the parts of the payload lie.
func (p *Payload) Layout() Layout { return p.layout }

// partition finds a partition, or says which there are.
func (p *Payload) partition(name string) (*Partition, error) {
	if part := p.manifest.Partition(name); part != nil {
		return part, nil
	}
	names := make([]string, len(p.manifest.Partitions))
	for i := range names {
		names[i] = p.manifest.Partitions[i].Name
	}
	return nil, fmt.Errorf("cannot find partition %q in payload: it has %q", name, names)
}
