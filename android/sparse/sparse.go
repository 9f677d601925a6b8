// Package sparse reads and writes Android sparse images, the form in which
// fastboot takes images larger than a phone's memory and in which vendors ship
// super.img, as one file or as several (super.img_sparsechunk.0, …).
//
// An image is never expanded to be read: an index of its chunks, 16 bytes each,
// answers reads at any offset. Don't-care blocks read as zeros.
//
// It does not know what the image holds, nor fastboot's protocol.
//
// The format is described in AOSP's system/core/libsparse, sparse_format.h:
// a 28-byte header, then chunks of raw data, of one repeated 32-bit value, of
// blocks that nobody cares about, and CRC-32 sums of all that came before. A sum
// counts don't-care blocks as zeros, as libsparse does when it reads.
package sparse

import (
	"errors"
	"fmt"
	"io"
	"math"
	"sort"

	"github.com/fridayos/friday/android/tree"
)

const (
	// MaxChunks is the most chunks that an image may have over all its files; the
	// index of so many takes 32 MiB.
	MaxChunks = 1 << 21
	// MaxSize is the largest image in bytes: 16 TiB, more than any phone has. A
	// header can claim a million times that in 40 bytes.
	MaxSize = 1 << 44

	// Magic is what a sparse file begins with, little-endian.
	Magic = 0xed26ff3a

	headerSize      = 28
	chunkHeaderSize = 12

	chunkRaw  = 0xcac1
	chunkFill = 0xcac2
	chunkSkip = 0xcac3
	chunkCRC  = 0xcac4
)

// ErrNotSparse is wrapped by the error of Open for what has another magic.
var ErrNotSparse = errors.New("this is not a sparse image")

// Image is an image made of one or several sparse files. Many goroutines may
// read it at once.
type Image struct {
	files     []io.ReaderAt
	runs      []run // sorted, without gaps, from block 0 to blocks
	blocks    uint32
	blockSize uint32
	sums      []sum // of a single file
	info      Info
}

type kind uint8

const (
	skip kind = iota
	fill
	raw
)

// run is blocks of one kind, up to where the next run begins.
type run struct {
	at    int64 // raw: the offset of its data in the file; fill: the value
	block uint32
	file  uint16
	kind  kind
}

// sum is a checksum of all blocks before block.
type sum struct {
	at    int64 // of the chunk in the file, or of the header's field
	block uint32
	want  uint32
}

// Info is what the headers of a sparse image say.
type Info struct {
	Files     int
	BlockSize int64
	Blocks    int64
	Chunks    int64 // over all files
	Raw       int64 // bytes stored as they are
	Fill      int64 // bytes of repeated values
	DontCare  int64 // bytes that no file has
	Checksums int   // that Verify can compare
	Tail      int64 // bytes behind the last chunks, which no field accounts for
}

// Info returns what the headers say.
func (im *Image) Info() Info {
	i := im.info
	i.Files, i.BlockSize, i.Blocks, i.Checksums = len(im.files), int64(im.blockSize), int64(im.blocks), len(im.sums)
	for n, r := range im.runs {
		size := int64(im.end(n)-r.block) * i.BlockSize
		switch r.kind {
		case raw:
			i.Raw += size
		case fill:
			i.Fill += size
		default:
			i.DontCare += size
		}
	}
	return i
}

// Size is the length of the image, expanded, in bytes.
func (im *Image) Size() int64 { return int64(im.blocks) * int64(im.blockSize) }

// end is the first block behind run i.
func (im *Image) end(i int) uint32 {
	if i+1 < len(im.runs) {
		return im.runs[i+1].block
	}
	return im.blocks
}

// find returns the run that holds a block.
func (im *Image) find(block uint32) int {
	return sort.Search(len(im.runs), func(i int) bool { return im.runs[i].block > block }) - 1
}

// ReadAt reads the expanded image as io.ReaderAt says.
func (im *Image) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("cannot read sparse image: negative offset %d", off)
	}
	if off >= im.Size() {
		return 0, io.EOF
	}
	bs := int64(im.blockSize)
	done := 0
	for i := im.find(uint32(off / bs)); done < len(p) && i < len(im.runs); i++ {
		r := im.runs[i]
		in := off + int64(done) - int64(r.block)*bs
		part := p[done:]
		if left := int64(im.end(i)-r.block)*bs - in; int64(len(part)) > left {
			part = part[:left]
		}
		switch r.kind {
		case raw:
			if err := tree.ReadFull(im.files[r.file], part, r.at+in); err != nil {
				return done, fmt.Errorf("cannot read sparse image at %d: raw chunk of file %d: %w", off+int64(done), r.file, err)
			}
		case fill:
			repeat(part, uint32(r.at), in)
		default:
			clear(part)
		}
		done += len(part)
	}
	if done < len(p) {
		return done, io.EOF
	}
	return done, nil
}

// repeat fills p with the bytes of a little-endian value, from byte phase on.
func repeat(p []byte, v uint32, phase int64) {
	if v == 0 {
		clear(p)
		return
	}
	n := min(len(p), 4)
	for i := range n {
		p[i] = byte(v >> (8 * ((phase + int64(i)) & 3)))
	}
	for n < len(p) {
		n += copy(p[n:], p[:n])
	}
}

// filler reads as one value for ever.
type filler uint32

func (f filler) ReadAt(p []byte, off int64) (int, error) {
	repeat(p, uint32(f), off)
	return len(p), nil
}

// Contents returns the expanded image as segments: ranges of the files, zeros
// for don't-care blocks and fills of zero, and readers of other fills. It takes
// 64 bytes a chunk; ReadAt needs none of that.
func (im *Image) Contents() *tree.Image {
	out := new(tree.Image)
	for i, r := range im.runs {
		n := int64(im.end(i)-r.block) * int64(im.blockSize)
		switch {
		case r.kind == raw:
			out.AppendRange(im.files[r.file], r.at, n)
		case r.kind == fill && r.at != 0:
			out.AppendRange(filler(r.at), 0, n)
		default:
			out.AppendZeros(n)
		}
	}
	return out
}

// Join lays the files of one image over each other, in the order in which they
// would be flashed: what a later one cares about replaces what an earlier one
// wrote. The size is that of the largest. Checksums are not kept: see Verify on
// each.
func Join(parts ...*Image) (*Image, error) {
	if len(parts) == 0 {
		return nil, errors.New("cannot join sparse images: there are none")
	}
	out := &Image{blockSize: parts[0].blockSize}
	chunks := int64(0)
	for i, p := range parts {
		if p.blockSize != out.blockSize {
			return nil, fmt.Errorf("cannot join sparse images: blocks: expected %d bytes, as in file 0, found %d in file %d", out.blockSize, p.blockSize, i)
		}
		if chunks += p.info.Chunks; chunks > MaxChunks || len(out.files)+len(p.files) > math.MaxUint16 {
			return nil, fmt.Errorf("cannot join sparse images: expected at most %d chunks in %d files, found more by file %d", MaxChunks, math.MaxUint16, i)
		}
		out.overlay(p)
		out.files = append(out.files, p.files...)
		out.info.Chunks += p.info.Chunks
		out.info.Tail += p.info.Tail
	}
	if len(parts) == 1 {
		out.sums = parts[0].sums
	}
	return out, nil
}

// overlay puts what p cares about over what is there.
func (im *Image) overlay(p *Image) {
	base := uint16(len(im.files))
	old, oldEnd := im.runs, im.blocks
	im.blocks = max(im.blocks, p.blocks)
	im.runs = make([]run, 0, len(old)+len(p.runs))
	i := 0
	// keep copies the old runs within [from, to).
	keep := func(from, to uint32) {
		for ; i < len(old); i++ {
			end := oldEnd
			if i+1 < len(old) {
				end = old[i+1].block
			}
			if end <= from {
				continue
			}
			r := old[i]
			if r.block < from {
				if r.kind == raw {
					r.at += int64(from-r.block) * int64(im.blockSize)
				}
				r.block = from
			}
			if r.block >= to {
				return
			}
			im.push(r)
			if end > to {
				return // the rest of it may be needed again
			}
		}
		if from = max(from, oldEnd); from < to {
			im.push(run{block: from})
		}
	}
	for j, r := range p.runs {
		if r.kind == skip {
			keep(r.block, p.end(j))
			continue
		}
		r.file += base
		im.push(r)
	}
	keep(p.blocks, im.blocks)
}

// push adds a run; what goes on from the last one joins it.
func (im *Image) push(r run) {
	if n := len(im.runs) - 1; n >= 0 {
		last := im.runs[n]
		if last.kind == r.kind && last.kind != raw && last.at == r.at {
			return
		}
		if last.kind == raw && r.kind == raw && last.file == r.file && r.at == last.at+int64(r.block-last.block)*int64(im.blockSize) {
			return
		}
	}
	im.runs = append(im.runs, r)
}
