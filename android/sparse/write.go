package sparse

import (
	"context"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"math"

	"github.com/fridayos/friday/android/tree"
)

const (
	// maxRun is the most bytes of one chunk: boot loaders count them in 32 bits.
	maxRun       = 1 << 30
	maxBlockSize = 64 << 20
)

// Options are how an image is cut into chunks and files.
type Options struct {
	// BlockSize in bytes, a multiple of 4; 0 is 4096.
	BlockSize int64
	// MaxFile is the most bytes of one file, as a phone's max-download-size; 0
	// makes one file. It must have room for a block and a few headers.
	MaxFile int64
	// SkipZeros makes blocks of zeros don't-care: smaller and faster to flash, and
	// right only where the partition is erased first. Without, they are fills, as
	// img2simg makes them.
	SkipZeros bool
	// CRC ends each file with a chunk of its CRC-32.
	CRC bool
}

// Plan is an image cut into the chunks of one or several sparse files. The same
// image and options give the same files.
type Plan struct {
	im    *Image // the source as runs; its only file is the source
	size  int64  // of the source, which need not be whole blocks
	o     Options
	files []planned
}

// planned is one file: blocks [first, end) are its own, the others don't care.
type planned struct {
	first, end uint32
	chunks     uint32
	size       int64
}

// NewPlan reads an image once and cuts it. The source must stay as it is until
// the files were written. The last block is filled up with zeros.
func NewPlan(ctx context.Context, r io.ReaderAt, size int64, o Options) (*Plan, error) {
	p, err := newPlan(ctx, r, size, o)
	if err != nil {
		return nil, fmt.Errorf("cannot plan sparse image: %w", err)
	}
	return p, nil
}

func newPlan(ctx context.Context, r io.ReaderAt, size int64, o Options) (*Plan, error) {
	if o.BlockSize == 0 {
		o.BlockSize = 4096
	}
	if o.BlockSize < 4 || o.BlockSize%4 != 0 || o.BlockSize > maxBlockSize {
		return nil, fmt.Errorf("block size: expected a multiple of 4 up to %d, found %d", maxBlockSize, o.BlockSize)
	}
	blocks := (size + o.BlockSize - 1) / o.BlockSize
	if size < 0 || size > MaxSize || blocks > math.MaxUint32 {
		return nil, fmt.Errorf("size: expected at most %d bytes in %d blocks, found %d bytes", int64(MaxSize), uint32(math.MaxUint32), size)
	}
	if least := fileOverhead + chunkHeaderSize + o.BlockSize; o.MaxFile != 0 && o.MaxFile < least {
		return nil, fmt.Errorf("largest file: expected at least %d bytes, found %d", least, o.MaxFile)
	}
	p := &Plan{size: size, o: o, im: &Image{files: []io.ReaderAt{r}, blockSize: uint32(o.BlockSize), blocks: uint32(blocks)}}
	if err := p.scan(ctx); err != nil {
		return nil, err
	}
	p.split()
	return p, nil
}

// scan finds the runs of the source.
func (p *Plan) scan(ctx context.Context) error {
	bs := p.o.BlockSize
	buf := make([]byte, max(bs, (1<<20)/bs*bs))
	for off := int64(0); off < p.size; {
		if err := ctx.Err(); err != nil {
			return err
		}
		b := buf[:min(int64(len(buf)), p.size-off)]
		if err := tree.ReadFull(p.im.files[0], b, off); err != nil {
			return err
		}
		for len(b) > 0 {
			block := b[:min(bs, int64(len(b)))]
			r := run{at: off, block: uint32(off / bs), kind: raw}
			if v, ok := oneValue(block); ok && (int64(len(block)) == bs || v == 0) {
				r.kind, r.at = fill, int64(v)
				if v == 0 && p.o.SkipZeros {
					r.kind = skip
				}
			}
			p.im.push(r)
			if len(p.im.runs) > MaxChunks {
				return fmt.Errorf("byte %d: the image changes between data and fills more than %d times; larger blocks than %d would do", off, MaxChunks, bs)
			}
			off += int64(len(block))
			b = b[len(block):]
		}
	}
	return nil
}

// oneValue says whether a block is one 32-bit value, repeated.
func oneValue(b []byte) (uint32, bool) {
	if len(b) < 4 {
		for _, c := range b {
			if c != 0 {
				return 0, false
			}
		}
		return 0, true
	}
	v := binary.LittleEndian.Uint32(b)
	pair := uint64(v)<<32 | uint64(v)
	rest := b
	for ; len(rest) >= 8; rest = rest[8:] {
		if binary.LittleEndian.Uint64(rest) != pair {
			return 0, false
		}
	}
	for i, c := range rest {
		if c != byte(v>>(8*(i&3))) {
			return 0, false
		}
	}
	return v, true
}

// fileOverhead is what a file takes beside its own chunks: the header, skips
// before and behind, a checksum.
const fileOverhead = headerSize + 3*chunkHeaderSize + 4

// split gives each file as many blocks as it has room for.
func (p *Plan) split() {
	im := p.im
	next := uint32(0)
	for {
		f := planned{first: next}
		used := int64(fileOverhead)
		for i := max(im.find(next), 0); i < len(im.runs) && next < im.blocks; i++ {
			end := p.fits(i, next, p.o.MaxFile-used)
			used += p.cost(i, next, end)
			next = end
			if end < im.end(i) {
				break
			}
		}
		f.end = next
		f.chunks, f.size = p.measure(f)
		p.files = append(p.files, f)
		if next >= im.blocks {
			return
		}
	}
}

// fits returns the last block of run i that can be added from block next on.
func (p *Plan) fits(i int, next uint32, room int64) uint32 {
	end := p.im.end(i)
	perChunk := maxRun / p.o.BlockSize
	switch k := p.im.runs[i].kind; {
	case p.o.MaxFile == 0 || k == skip || p.cost(i, next, end) <= room:
		return end // what a skip at the end takes is in fileOverhead
	case k == fill:
		return min(next+uint32(room/(chunkHeaderSize+4)*perChunk), end)
	}
	// Whole chunks, then what is left of one.
	full := chunkHeaderSize + perChunk*p.o.BlockSize
	n := room / full * perChunk
	if left := room%full - chunkHeaderSize; left > 0 {
		n += left / p.o.BlockSize
	}
	return min(next+uint32(max(n, 0)), end)
}

// cost is what blocks [from, to) of run i take in a file.
func (p *Plan) cost(i int, from, to uint32) int64 {
	if from >= to {
		return 0
	}
	size := int64(to-from) * p.o.BlockSize
	chunks := (size + maxRun/p.o.BlockSize*p.o.BlockSize - 1) / (maxRun / p.o.BlockSize * p.o.BlockSize)
	switch p.im.runs[i].kind {
	case raw:
		return chunks*chunkHeaderSize + size
	case fill:
		return chunks * (chunkHeaderSize + 4)
	}
	return chunkHeaderSize
}

// chunks calls fn for each chunk of a file: its header's type, its blocks, and
// the run that it is of (-1: none).
func (p *Plan) chunks(f planned, fn func(kind uint16, from, to uint32, r int) error) error {
	im := p.im
	skipFrom := uint32(0) // don't-care blocks not yet written
	flush := func(to uint32) error {
		if skipFrom == to {
			return nil
		}
		return fn(chunkSkip, skipFrom, to, -1)
	}
	per := uint32(maxRun / p.o.BlockSize)
	for i := max(im.find(f.first), 0); i < len(im.runs) && im.runs[i].block < f.end; i++ {
		r := im.runs[i]
		if r.kind == skip {
			continue
		}
		from, to := max(r.block, f.first), min(im.end(i), f.end)
		if err := flush(from); err != nil {
			return err
		}
		id := uint16(chunkRaw)
		if r.kind == fill {
			id = chunkFill
		}
		for from < to {
			end := min(to, from+min(per, to-from))
			if err := fn(id, from, end, i); err != nil {
				return err
			}
			from = end
		}
		skipFrom = to
	}
	return flush(im.blocks)
}

// measure counts the chunks and bytes of a file.
func (p *Plan) measure(f planned) (chunks uint32, size int64) {
	size = headerSize
	_ = p.chunks(f, func(kind uint16, from, to uint32, _ int) error {
		chunks++
		size += chunkHeaderSize + p.dataSize(kind, from, to)
		return nil
	})
	if p.o.CRC {
		chunks++
		size += chunkHeaderSize + 4
	}
	return chunks, size
}

func (p *Plan) dataSize(kind uint16, from, to uint32) int64 {
	switch kind {
	case chunkRaw:
		return int64(to-from) * p.o.BlockSize
	case chunkFill:
		return 4
	}
	return 0
}

// Files is how many files the plan has: at least one.
func (p *Plan) Files() int { return len(p.files) }

// Size is the length of file i in bytes.
func (p *Plan) Size(i int) int64 { return p.files[i].size }

// Write writes file i, from 0 to Files()-1. Each file can be flashed by itself,
// and covers the whole image: blocks of other files are don't-care.
func (p *Plan) Write(ctx context.Context, i int, w io.Writer) error {
	if err := p.write(ctx, p.files[i], w); err != nil {
		return fmt.Errorf("cannot write sparse image: file %d of %d: %w", i, len(p.files), err)
	}
	return nil
}

func (p *Plan) write(ctx context.Context, f planned, w io.Writer) error {
	le := binary.LittleEndian
	h := make([]byte, 0, headerSize)
	h = le.AppendUint32(h, Magic)
	h = le.AppendUint16(h, 1)
	h = le.AppendUint16(h, 0)
	h = le.AppendUint16(h, headerSize)
	h = le.AppendUint16(h, chunkHeaderSize)
	for _, v := range []uint32{uint32(p.o.BlockSize), p.im.blocks, f.chunks, 0} {
		h = le.AppendUint32(h, v)
	}
	if _, err := w.Write(h); err != nil {
		return err
	}
	o := &output{p: p, w: w, buf: make([]byte, 1<<20)}
	if err := p.chunks(f, func(kind uint16, from, to uint32, r int) error { return o.chunk(ctx, kind, from, to, r) }); err != nil {
		return err
	}
	if !p.o.CRC {
		return nil
	}
	return o.header(chunkCRC, 0, 4, le.AppendUint32(nil, o.crc))
}

type output struct {
	p   *Plan
	w   io.Writer
	buf []byte
	crc uint32
}

func (o *output) header(kind uint16, blocks uint32, data int64, behind []byte) error {
	le := binary.LittleEndian
	b := le.AppendUint16(nil, kind)
	b = le.AppendUint16(b, 0)
	b = le.AppendUint32(b, blocks)
	b = le.AppendUint32(b, uint32(chunkHeaderSize+data))
	_, err := o.w.Write(append(b, behind...))
	return err
}

func (o *output) chunk(ctx context.Context, kind uint16, from, to uint32, r int) error {
	size := int64(to-from) * o.p.o.BlockSize
	data := o.p.dataSize(kind, from, to)
	if kind != chunkRaw {
		value := uint32(0)
		var behind []byte
		if kind == chunkFill {
			value = uint32(o.p.im.runs[r].at)
			behind = binary.LittleEndian.AppendUint32(nil, value)
		}
		if o.p.o.CRC {
			o.crc = extendFill(o.crc, value, size)
		}
		return o.header(kind, to-from, data, behind)
	}
	if err := o.header(kind, to-from, data, nil); err != nil {
		return err
	}
	for off, end := int64(from)*o.p.o.BlockSize, int64(to)*o.p.o.BlockSize; off < end; {
		if err := ctx.Err(); err != nil {
			return err
		}
		b := o.buf[:min(int64(len(o.buf)), end-off)]
		n := min(int64(len(b)), max(o.p.size-off, 0))
		clear(b[n:])
		if err := tree.ReadFull(o.p.im.files[0], b[:n], off); err != nil {
			return err
		}
		if o.p.o.CRC {
			o.crc = crc32.Update(o.crc, crc32.IEEETable, b)
		}
		if _, err := o.w.Write(b); err != nil {
			return err
		}
		off += int64(len(b))
	}
	return nil
}
