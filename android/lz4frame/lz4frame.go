// Package lz4frame reads an LZ4 frame at any place, without unpacking it, and
// writes frames with the header that Samsung's Odin asks for.
//
// It is not a codec: blocks are decoded and frames are made by
// github.com/pierrec/lz4. What it adds is the index of blocks, which makes an
// image of gigabytes within a .tar.md5 readable in place. That needs blocks that
// do not lean on each other, as Odin, lz4's own default and most tools write
// them; other frames are refused by name and can be read as a stream.
//
// The format: https://github.com/lz4/lz4/blob/dev/doc/lz4_Frame_format.md
package lz4frame

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sync"

	"github.com/pierrec/lz4/v4"
)

// Magic begins a frame, little-endian.
const Magic = 0x184D2204

// Limits of what is read.
const (
	maxBlocks = 1 << 22 // 4 Mi blocks of 64 KiB are 256 GiB; their index is 32 MiB
)

const (
	flagIndependent   = 1 << 5
	flagBlockSum      = 1 << 4
	flagContentSize   = 1 << 3
	flagContentSum    = 1 << 2
	flagDictionary    = 1 << 0
	flagReserved      = 1 << 1
	uncompressedBlock = 1 << 31
)

// ErrDependent says that the frame's blocks lean on the ones before them, so
// that it can only be read from its start.
var ErrDependent = errors.New("its blocks depend on each other; it can only be read as a stream")

// Frame is an LZ4 frame that can be read at any place. Many goroutines may read
// it at once.
type Frame struct {
	Size      int64 // of the content, in bytes
	End       int64 // where the frame ends in its source
	BlockSize int   // of every block but the last, uncompressed: 64 KiB to 4 MiB

	r      io.ReaderAt
	blocks []block
	sums   bool // each block is followed by its checksum

	mu    sync.Mutex
	cache []cached // most recently used first
}

// block is where a block's data lie: an offset, and a length whose top bit says
// that they are not compressed.
type block struct {
	at   int64
	size uint32
}

type cached struct {
	n    int
	data []byte
}

// keep is how many blocks stay decoded.
const keep = 4

// Open reads the header and the sizes of all blocks of the frame at the start of
// r, which has size bytes. What follows the frame begins at its End.
func Open(r io.ReaderAt, size int64) (*Frame, error) {
	f, at, contentSize, sum, err := open(r, size)
	if err != nil {
		return nil, fmt.Errorf("cannot open LZ4 frame: %w", err)
	}
	if err := f.index(at, size, sum); err != nil {
		return nil, fmt.Errorf("cannot open LZ4 frame: %w", err)
	}
	if len(f.blocks) > 0 {
		last, err := f.decode(len(f.blocks) - 1)
		if err != nil {
			return nil, fmt.Errorf("cannot open LZ4 frame: %w", err)
		}
		f.Size = int64(len(f.blocks)-1)*int64(f.BlockSize) + int64(len(last))
	}
	if contentSize >= 0 && f.Size != contentSize {
		return nil, fmt.Errorf("cannot open LZ4 frame: its blocks hold %d bytes, its header says %d", f.Size, contentSize)
	}
	return f, nil
}

// open reads the header; contentSize is -1 if it does not say.
func open(r io.ReaderAt, size int64) (f *Frame, at, contentSize int64, sum bool, err error) {
	fail := func(format string, a ...any) (*Frame, int64, int64, bool, error) {
		return nil, 0, 0, false, fmt.Errorf(format, a...)
	}
	var head [15]byte
	n, err := r.ReadAt(head[:min(int64(len(head)), max(size, 0))], 0)
	if n < 7 {
		return fail("it has %d bytes, a header has at least 7", size)
	} else if err != nil && !errors.Is(err, io.EOF) {
		return fail("%w", err)
	}
	if m := binary.LittleEndian.Uint32(head[:]); m != Magic {
		return fail("offset 0: magic is %#08x, expected %#08x", m, uint32(Magic))
	}
	flags, bd := head[4], head[5]
	switch {
	case flags>>6 != 1:
		return fail("offset 4: version is %d, expected 1", flags>>6)
	case flags&flagReserved != 0 || bd&0x8f != 0:
		return fail("offset 4: a reserved bit is set in %#02x %#02x", flags, bd)
	case bd>>4 < 4:
		return fail("offset 5: block size code is %d, expected 4 to 7", bd>>4)
	case flags&flagDictionary != 0:
		return fail("not supported: a dictionary")
	}
	contentSize = -1
	at = 6
	if flags&flagContentSize != 0 {
		if n < len(head) {
			return fail("it ends within its header, at byte %d", n)
		}
		v := binary.LittleEndian.Uint64(head[6:])
		if v > 1<<62 {
			return fail("offset 6: it claims to hold %d bytes", v)
		}
		contentSize, at = int64(v), 14
	}
	if got, want := head[at], byte(headerSum(head[4:at])>>8); got != want {
		return fail("offset %d: the header's checksum is %#02x, expected %#02x", at, got, want)
	}
	if flags&flagIndependent == 0 {
		return nil, 0, 0, false, ErrDependent
	}
	f = &Frame{BlockSize: 1 << (8 + 2*(bd>>4)), r: r, sums: flags&flagBlockSum != 0}
	return f, at + 1, contentSize, flags&flagContentSum != 0, nil
}

// index reads the blocks' sizes from at to the end mark.
func (f *Frame) index(at, size int64, sum bool) error {
	after := int64(0)
	if f.sums {
		after = 4
	}
	// Sizes lie a block apart: a window of its own would read everything.
	var word [4]byte
	for {
		if at+4 > size {
			return fmt.Errorf("offset %d: it ends without an end mark", at)
		}
		if n, err := f.r.ReadAt(word[:], at); n < 4 {
			return fmt.Errorf("offset %d: %w", at, err)
		}
		v := binary.LittleEndian.Uint32(word[:])
		at += 4
		if v == 0 {
			break
		}
		n := int64(v &^ uncompressedBlock)
		switch {
		case n > int64(f.BlockSize) || n == 0:
			return fmt.Errorf("offset %d: block %d has %d bytes, expected 1 to %d", at-4, len(f.blocks), n, f.BlockSize)
		case at+n+after > size:
			return fmt.Errorf("offset %d: block %d has %d bytes, %d are left", at-4, len(f.blocks), n, size-at)
		case len(f.blocks) == maxBlocks:
			return fmt.Errorf("offset %d: more than %d blocks", at-4, maxBlocks)
		}
		f.blocks = append(f.blocks, block{at, v})
		at += n + after
	}
	if sum {
		if at += 4; at > size {
			return fmt.Errorf("offset %d: it ends within the content's checksum", at-4)
		}
	}
	f.End = at
	return nil
}

// decode unpacks block n. Every block but the last must be full: else nothing
// tells where a byte lies.
func (f *Frame) decode(n int) ([]byte, error) {
	b := f.blocks[n]
	packed := make([]byte, b.size&^uncompressedBlock)
	if got, err := f.r.ReadAt(packed, b.at); got < len(packed) {
		return nil, fmt.Errorf("offset %d: block %d: %w", b.at, n, err)
	}
	data := packed
	if b.size&uncompressedBlock == 0 {
		data = make([]byte, f.BlockSize)
		got, err := lz4.UncompressBlock(packed, data)
		if err != nil {
			return nil, fmt.Errorf("offset %d: block %d: %w", b.at, n, err)
		}
		data = data[:got]
	}
	if n < len(f.blocks)-1 && len(data) != f.BlockSize {
		return nil, fmt.Errorf("offset %d: block %d holds %d bytes, expected %d", b.at, n, len(data), f.BlockSize)
	}
	return data, nil
}

// ReadAt reads the content as io.ReaderAt says. It does not compare checksums:
// Verify does.
func (f *Frame) ReadAt(p []byte, off int64) (n int, err error) {
	if off < 0 {
		return 0, fmt.Errorf("cannot read LZ4 frame at %d: negative offset", off)
	}
	for n < len(p) {
		if off >= f.Size {
			return n, io.EOF
		}
		data, err := f.block(int(off / int64(f.BlockSize)))
		if err != nil {
			return n, fmt.Errorf("cannot read LZ4 frame: %w", err)
		}
		c := copy(p[n:], data[off%int64(f.BlockSize):])
		n, off = n+c, off+int64(c)
	}
	return n, nil
}

func (f *Frame) block(n int) ([]byte, error) {
	f.mu.Lock()
	for i, c := range f.cache {
		if c.n == n {
			copy(f.cache[1:i+1], f.cache[:i])
			f.cache[0] = c
			f.mu.Unlock()
			return c.data, nil
		}
	}
	f.mu.Unlock()
	data, err := f.decode(n) // two who want the same one both decode it; neither waits
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.cache) < keep {
		f.cache = append(f.cache, cached{})
	}
	copy(f.cache[1:], f.cache)
	f.cache[0] = cached{n, data}
	return data, nil
}

// Verify reads the whole frame and compares every checksum that it carries.
func (f *Frame) Verify() error {
	r := lz4.NewReader(io.NewSectionReader(f.r, 0, f.End))
	if err := r.Apply(lz4.ConcurrencyOption(1)); err != nil {
		return fmt.Errorf("cannot verify LZ4 frame: %w", err)
	}
	n, err := io.Copy(io.Discard, r)
	if err != nil {
		return fmt.Errorf("cannot verify LZ4 frame: after %d bytes of content: %w", n, err)
	}
	if n != f.Size {
		return fmt.Errorf("cannot verify LZ4 frame: it holds %d bytes, expected %d", n, f.Size)
	}
	return nil
}

// Level is how hard Write compresses: 0 is fast, 1 to 9 search longer (LZ4HC).
type Level int

// Write compresses size bytes of r into one frame, with the header that Odin
// wants (04 22 4d 18 6c 60): independent blocks of 1 MiB, content size and
// checksum, no checksums of blocks; a frame of nothing names no size. The same
// input gives the same bytes.
func Write(w io.Writer, r io.Reader, size int64, level Level) error {
	if size < 0 || level < 0 || level > 9 {
		return fmt.Errorf("cannot write LZ4 frame: size %d at level %d, expected at least 0 and 0 to 9", size, level)
	}
	z := lz4.NewWriter(w)
	options := []lz4.Option{lz4.BlockSizeOption(lz4.Block1Mb), lz4.ChecksumOption(true), lz4.BlockChecksumOption(false),
		lz4.SizeOption(uint64(size)), lz4.ConcurrencyOption(-1)}
	if level > 0 {
		options = append(options, lz4.CompressionLevelOption(lz4.CompressionLevel(1<<(8+level))))
	}
	if err := z.Apply(options...); err != nil {
		return fmt.Errorf("cannot write LZ4 frame: %w", err)
	}
	n, err := io.Copy(z, io.LimitReader(r, size))
	if err == nil && n != size {
		err = fmt.Errorf("the source ended after %d bytes, expected %d", n, size)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("cannot write LZ4 frame: %w", err), z.Close())
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("cannot write LZ4 frame: %w", err)
	}
	return nil
}

// headerSum is XXH32 with seed 0 of fewer than 16 bytes, which is all that a
// header needs. https://github.com/Cyan4973/xxHash/blob/dev/doc/xxhash_spec.md
func headerSum(b []byte) uint32 {
	const p1, p2, p3, p4, p5 = 2654435761, 2246822519, 3266489917, 668265263, 374761393
	rotate := func(v uint32, n int) uint32 { return v<<n | v>>(32-n) }
	h := uint32(p5) + uint32(len(b))
	for ; len(b) >= 4; b = b[4:] {
		h = rotate(h+binary.LittleEndian.Uint32(b)*p3, 17) * p4
	}
	for _, c := range b {
		h = rotate(h+uint32(c)*p5, 11) * p1
	}
	h = (h ^ h>>15) * p2
	h = (h ^ h>>13) * p3
	return h ^ h>>16
}
