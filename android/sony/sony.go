// Package sony reads the .sin images of Sony's firmware: version 3, and the newer
// gzip-compressed tar. An .ftf is an ordinary zip of them.
//
// It writes none: a .sin carries Sony's signature, which nobody else can make. A
// system of one's own goes onto a phone with an unlocked bootloader as plain
// images, by fastboot.
//
// No vendor's own file was at hand: the package was made from the description
// that Flashtool and newflasher give, read for the facts, and is tested on files
// made from it.
//
// Version 3, big-endian: 03 "SIN", u32 length of the header, u32 payload type,
// u32 hash type, u32 reserved, u32 length of the hashes; {u32 length, SHA-256}
// for each piece of the payload; u32 length and bytes of a certificate chain. The
// payload begins with "MMCF" and its length, holding "GPTP" with the partition's
// UUID and a list of ADDR and LZ4A blocks that say which of the data behind it
// goes where; or it is the image itself.
package sony

import (
	"bytes"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"sync"

	"github.com/pierrec/lz4/v4"

	"github.com/fridayos/friday/android/tree"
)

// Magic begins a .sin of version 3.
const Magic = "\x03SIN"

// Limits of what is read.
const (
	maxHeader = 64 << 20
	maxBlocks = 1 << 20
	maxPacked = 64 << 20 // of one LZ4A block, either way
	maxImage  = 1 << 44  // as of the other formats: 16 TiB
)

// Sin is a .sin of version 3. Many goroutines may read it at once.
type Sin struct {
	PayloadType uint32
	HashType    uint32
	Certificate []byte   // as it is
	UUID        [16]byte // of the partition; zero when the payload is a plain image
	Size        int64    // of the image, in bytes
	Blocks      []Block  // in the order of the image; nil for a plain one
	Pieces      []Piece

	r     io.ReaderAt
	image *tree.Image
}

// End is where the last piece that the header covers ends in the file.
func (s *Sin) End() int64 {
	p := s.Pieces[len(s.Pieces)-1]
	return p.Offset + p.Length
}

// Piece is a stretch of the payload that a digest of the header covers.
type Piece struct {
	Offset, Length int64 // in the file
	Digest         [32]byte
}

// Block says where data of the file go in the image.
type Block struct {
	Offset int64 // in the image
	Length int64 // there
	At     int64 // in the file
	Packed int64 // bytes there; Length if they are not compressed
	LZ4    bool
	Digest []byte // SHA-256 of the bytes in the file; nil if it has none
}

// Open reads the header and the map of a .sin of size bytes.
func Open(r io.ReaderAt, size int64) (*Sin, error) {
	s := &Sin{r: r}
	headerSize, err := s.header(size)
	if err == nil {
		err = s.payload(headerSize, size)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot open sin: %w", err)
	}
	return s, nil
}

func (s *Sin) read(at, n int64) ([]byte, error) {
	b := make([]byte, n)
	if err := tree.ReadFull(s.r, b, at); err != nil {
		return nil, fmt.Errorf("offset %d: %w", at, err)
	}
	return b, nil
}

// header reads up to the payload and returns where that begins.
func (s *Sin) header(size int64) (int64, error) {
	const fixed = 24
	if size < fixed {
		return 0, fmt.Errorf("it has %d bytes, a header has at least %d", size, fixed)
	}
	h, err := s.read(0, fixed)
	if err != nil {
		return 0, err
	}
	if string(h[:4]) != Magic {
		return 0, fmt.Errorf("offset 0: magic is %q, expected %q", h[:4], Magic)
	}
	word := func(at int) int64 { return int64(binary.BigEndian.Uint32(h[at:])) }
	headerSize, hashes := word(4), word(20)
	s.PayloadType, s.HashType = uint32(word(8)), uint32(word(12))
	switch {
	case headerSize < fixed+4 || headerSize > min(size, maxHeader):
		return 0, fmt.Errorf("offset 4: the header has %d bytes, expected %d to %d", headerSize, fixed+4, min(size, maxHeader))
	case s.HashType != 2:
		return 0, fmt.Errorf("offset 12: not supported: hash type %d, expected 2 (SHA-256)", s.HashType)
	case hashes == 0 || hashes%36 != 0 || hashes > headerSize-fixed-4:
		return 0, fmt.Errorf("offset 20: the hashes have %d bytes, expected a multiple of 36 within the header's %d", hashes, headerSize)
	}
	b, err := s.read(fixed, headerSize-fixed)
	if err != nil {
		return 0, err
	}
	at := headerSize
	for i := int64(0); i < hashes; i += 36 {
		p := Piece{Offset: at, Length: int64(binary.BigEndian.Uint32(b[i:])), Digest: [32]byte(b[i+4 : i+36])}
		if at += p.Length; at > size {
			return 0, fmt.Errorf("offset %d: hash %d covers %d bytes at %d, the file has %d", fixed+i, i/36, p.Length, p.Offset, size)
		}
		s.Pieces = append(s.Pieces, p)
	}
	if b = b[hashes:]; int64(binary.BigEndian.Uint32(b)) != int64(len(b)-4) {
		return 0, fmt.Errorf("offset %d: the certificate has %d bytes, %d are left of the header", fixed+hashes, binary.BigEndian.Uint32(b), len(b)-4)
	}
	s.Certificate = b[4:]
	return headerSize, nil
}

func (s *Sin) payload(at, size int64) error {
	s.image = &tree.Image{}
	if size-at < 8 {
		return fmt.Errorf("offset %d: the payload has %d bytes, expected at least 8", at, size-at)
	}
	head, err := s.read(at, 8)
	if err != nil {
		return err
	}
	if string(head[:4]) != "MMCF" {
		s.Size = size - at
		s.image.AppendRange(s.r, at, s.Size)
		return nil
	}
	n := int64(binary.BigEndian.Uint32(head[4:]))
	if n < 24 || n > min(size-at-8, maxHeader) {
		return fmt.Errorf("offset %d: MMCF has %d bytes, %d are left", at+4, n, size-at-8)
	}
	b, err := s.read(at+8, n)
	if err != nil {
		return err
	}
	if string(b[:4]) != "GPTP" || binary.BigEndian.Uint32(b[4:]) != 24 {
		return fmt.Errorf("offset %d: found %q of %d bytes, expected GPTP of 24", at+8, b[:4], binary.BigEndian.Uint32(b[4:]))
	}
	s.UUID = [16]byte(b[8:24])
	data := at + 8 + n
	for off := int64(24); off < n; {
		block, length, err := readBlock(b[off:], data, size)
		if err != nil {
			return fmt.Errorf("offset %d: %w", at+8+off, err)
		}
		if len(s.Blocks) == maxBlocks {
			return fmt.Errorf("offset %d: more than %d blocks", at+8+off, maxBlocks)
		}
		s.Blocks = append(s.Blocks, block)
		off += length
	}
	return s.lay()
}

// readBlock reads one ADDR or LZ4A; data is where what they point to begins.
func readBlock(b []byte, data, size int64) (Block, int64, error) {
	fail := func(format string, a ...any) (Block, int64, error) { return Block{}, 0, fmt.Errorf(format, a...) }
	if len(b) < 8 {
		return fail("%d bytes are left over, a block has at least 8", len(b))
	}
	kind, length := string(b[:4]), int64(binary.BigEndian.Uint32(b[4:]))
	fixed := map[string]int64{"ADDR": 36, "LZ4A": 52}[kind]
	if fixed == 0 {
		return fail("found block %q, expected ADDR or LZ4A", kind)
	}
	if length < fixed || length > int64(len(b)) {
		return fail("%s has %d bytes, expected %d to %d", kind, length, fixed, len(b))
	}
	long := func(at int) int64 { return int64(min(binary.BigEndian.Uint64(b[at:]), 1<<63-1)) }
	block := Block{At: long(8), LZ4: kind == "LZ4A"}
	hashType := binary.BigEndian.Uint32(b[fixed-4:])
	if block.LZ4 {
		block.Length, block.Packed, block.Offset = long(16), long(24), long(32)
		if block.Length > maxPacked || block.Packed > maxPacked {
			return fail("LZ4A has %d bytes of %d, expected at most %d", block.Packed, block.Length, maxPacked)
		}
	} else {
		block.Length, block.Packed, block.Offset = long(16), long(16), long(24)
	}
	if block.At > size-data || block.Packed > size-data-block.At {
		return fail("%s points to %d bytes at %d, there are %d", kind, block.Packed, block.At, size-data)
	}
	if block.Offset > maxImage || block.Length > maxImage {
		return fail("%s goes to %d, %d bytes; an image has at most %d", kind, block.Offset, block.Length, int64(maxImage))
	}
	block.At += data
	switch sum := b[fixed:length]; {
	case hashType == 0 && len(sum) == 0:
	case hashType == 2 && len(sum) == sha256.Size:
		block.Digest = bytes.Clone(sum)
	default:
		return fail("%s has hash type %d and %d bytes of it, expected type 2 and 32", kind, hashType, len(sum))
	}
	return block, length, nil
}

// lay makes the image of the blocks; gaps are 0xFF, as erased flash is.
func (s *Sin) lay() error {
	slices.SortStableFunc(s.Blocks, func(a, b Block) int { return cmp.Compare(a.Offset, b.Offset) })
	cache := &unpacked{}
	for i := range s.Blocks {
		b := &s.Blocks[i]
		if b.Offset < s.Size {
			return fmt.Errorf("two blocks go to offset %d of the image", b.Offset)
		}
		s.image.AppendRange(erased{}, 0, b.Offset-s.Size)
		if b.LZ4 {
			s.image.AppendRange(&packedBlock{s.r, b, cache}, 0, b.Length)
		} else {
			s.image.AppendRange(s.r, b.At, b.Length)
		}
		s.Size = b.Offset + b.Length
	}
	return nil
}

// ReadAt reads the image as io.ReaderAt says. It compares no digests: Verify
// does.
func (s *Sin) ReadAt(p []byte, off int64) (int, error) { return s.image.ReadAt(p, off) }

// Verify compares every digest of the header and of the map. That Sony signed
// the header is not checked: its keys are not public.
func (s *Sin) Verify(ctx context.Context) error {
	check := func(what string, i int, at, n int64, want []byte) error {
		h := sha256.New()
		buf := make([]byte, 1<<20)
		for done := int64(0); done < n; {
			k := min(n-done, int64(len(buf)))
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := tree.ReadFull(s.r, buf[:k], at+done); err != nil {
				return err
			}
			h.Write(buf[:k])
			done += k
		}
		if got := h.Sum(nil); !bytes.Equal(got, want) {
			return fmt.Errorf("cannot verify sin: SHA-256 of %s %d (%d bytes at %d) is %x, expected %x", what, i, n, at, got, want)
		}
		return nil
	}
	for i, p := range s.Pieces {
		if err := check("piece", i, p.Offset, p.Length, p.Digest[:]); err != nil {
			return err
		}
	}
	for i, b := range s.Blocks {
		if b.Digest == nil {
			continue
		}
		if err := check("block", i, b.At, b.Packed, b.Digest); err != nil {
			return err
		}
	}
	return nil
}

// erased reads as 0xFF.
type erased struct{}

func (erased) ReadAt(p []byte, _ int64) (int, error) {
	for i := range p {
		p[i] = 0xff
	}
	return len(p), nil
}

// packedBlock reads an LZ4A block as what it unpacks to.
type packedBlock struct {
	r     io.ReaderAt
	block *Block
	cache *unpacked
}

// unpacked is the one block that was read last.
type unpacked struct {
	mu    sync.Mutex
	block *Block
	data  []byte
}

func (p *packedBlock) ReadAt(b []byte, off int64) (int, error) {
	p.cache.mu.Lock()
	defer p.cache.mu.Unlock()
	if p.cache.block != p.block {
		packed := make([]byte, p.block.Packed)
		if err := tree.ReadFull(p.r, packed, p.block.At); err != nil {
			return 0, err
		}
		data := make([]byte, p.block.Length)
		n, err := lz4.UncompressBlock(packed, data)
		if err != nil || n != len(data) {
			return 0, fmt.Errorf("cannot read sin: LZ4 block at %d holds %d bytes, expected %d: %v", p.block.At, max(n, 0), len(data), err)
		}
		p.cache.block, p.cache.data = p.block, data
	}
	if off >= int64(len(p.cache.data)) {
		return 0, io.EOF
	}
	n := copy(b, p.cache.data[off:])
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}
