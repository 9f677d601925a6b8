package sparse

import (
	"encoding/binary"
	"fmt"
	"io"

	"github.com/fridayos/friday/android/tree"
)

// Open reads the header and the index of chunks of one sparse file of the given
// size. It reads no data. For several files see Join.
func Open(r io.ReaderAt, size int64) (*Image, error) {
	im := &Image{files: []io.ReaderAt{r}}
	if err := im.open(r, size); err != nil {
		return nil, fmt.Errorf("cannot open sparse image: %w", err)
	}
	return im, nil
}

// bad is the error for a field that is not as the format has it.
func bad(off int64, field, expected string, found any) error {
	return fmt.Errorf("byte %d: %s: expected %s, found %v", off, field, expected, found)
}

func (im *Image) open(r io.ReaderAt, size int64) error {
	le := binary.LittleEndian
	if size < headerSize {
		return fmt.Errorf("expected at least %d bytes, found %d: %w", headerSize, size, ErrNotSparse)
	}
	b := make([]byte, headerSize)
	if err := tree.ReadFull(r, b, 0); err != nil {
		return err
	}
	if m := le.Uint32(b); m != Magic {
		return fmt.Errorf("byte 0: magic: expected %#x, found %#x: %w", uint32(Magic), m, ErrNotSparse)
	}
	if v := le.Uint16(b[4:]); v != 1 {
		return bad(4, "major version", "1", v)
	}
	fileHeader, chunkHeader := int64(le.Uint16(b[8:])), int64(le.Uint16(b[10:]))
	if fileHeader < headerSize || fileHeader > size {
		return bad(8, "size of the file header", fmt.Sprintf("%d to %d", headerSize, size), fileHeader)
	}
	if chunkHeader < chunkHeaderSize {
		return bad(10, "size of a chunk header", fmt.Sprintf("at least %d", chunkHeaderSize), chunkHeader)
	}
	im.blockSize, im.blocks = le.Uint32(b[12:]), le.Uint32(b[16:])
	if im.blockSize == 0 || im.blockSize%4 != 0 {
		return bad(12, "block size", "a multiple of 4", im.blockSize)
	}
	if uint64(im.blocks)*uint64(im.blockSize) > MaxSize {
		return bad(16, "blocks", fmt.Sprintf("an image of at most %d bytes", int64(MaxSize)), fmt.Sprintf("%d blocks of %d bytes", im.blocks, im.blockSize))
	}
	chunks := int64(le.Uint32(b[20:]))
	if chunks > MaxChunks {
		return bad(20, "chunks", fmt.Sprintf("at most %d", MaxChunks), chunks)
	}
	if room := (size - fileHeader) / chunkHeader; chunks > room {
		return bad(20, "chunks", fmt.Sprintf("at most %d, as the file has %d bytes", room, size), chunks)
	}
	im.info.Chunks = chunks
	end, err := im.index(r, size, fileHeader, chunkHeader)
	if err != nil {
		return err
	}
	im.info.Tail = size - end
	if s := le.Uint32(b[24:]); s != 0 {
		im.sums = append(im.sums, sum{24, im.blocks, s})
	}
	return nil
}

// index reads the headers of all chunks and returns where the last one ends.
func (im *Image) index(r io.ReaderAt, size, pos, chunkHeader int64) (int64, error) {
	le := binary.LittleEndian
	w := window{r: r, size: size}
	im.runs = make([]run, 0, im.info.Chunks)
	next := uint32(0)
	for i := range im.info.Chunks {
		h, err := w.at(pos, chunkHeaderSize)
		if err != nil {
			return 0, fmt.Errorf("chunk %d of %d: %w", i, im.info.Chunks, err)
		}
		c := chunk{pos: pos, kind: le.Uint16(h), blocks: le.Uint32(h[4:]), data: int64(le.Uint32(h[8:])) - chunkHeader}
		if c.data < 0 || c.data > size-pos-chunkHeader {
			return 0, fmt.Errorf("chunk %d: %w", i, bad(pos+8, "total size", fmt.Sprintf("%d to the %d bytes that are left", chunkHeader, size-pos), c.data+chunkHeader))
		}
		if c.blocks > im.blocks-next && c.kind != chunkCRC {
			return 0, fmt.Errorf("chunk %d: %w", i, bad(pos+4, "blocks", fmt.Sprintf("at most the %d that are left of %d", im.blocks-next, im.blocks), c.blocks))
		}
		n, err := im.chunk(&w, c, pos+chunkHeader, next)
		if err != nil {
			return 0, fmt.Errorf("chunk %d: %w", i, err)
		}
		next += n
		pos += chunkHeader + c.data
	}
	if next != im.blocks {
		return 0, bad(16, "blocks", fmt.Sprintf("%d, as the chunks have", next), im.blocks)
	}
	return pos, nil
}

type chunk struct {
	pos    int64
	kind   uint16
	blocks uint32
	data   int64
}

// chunk takes one chunk in and returns how many blocks it covers.
func (im *Image) chunk(w *window, c chunk, data int64, next uint32) (uint32, error) {
	want, name := int64(0), ""
	switch c.kind {
	case chunkRaw:
		want, name = int64(c.blocks)*int64(im.blockSize), "a raw chunk"
	case chunkFill:
		want, name = 4, "a fill chunk"
	case chunkSkip:
		name = "a don't-care chunk"
	case chunkCRC:
		want, name = 4, "a CRC chunk"
	default:
		return 0, bad(c.pos, "chunk type", "0xcac1 to 0xcac4", fmt.Sprintf("%#x", c.kind))
	}
	if c.data != want {
		return 0, bad(c.pos+8, fmt.Sprintf("data of %s of %d blocks", name, c.blocks), fmt.Sprintf("%d bytes", want), c.data)
	}
	value := int64(0)
	if c.kind == chunkFill || c.kind == chunkCRC {
		b, err := w.at(data, 4)
		if err != nil {
			return 0, err
		}
		value = int64(binary.LittleEndian.Uint32(b))
	}
	if c.kind == chunkCRC {
		im.sums = append(im.sums, sum{c.pos, next, uint32(value)})
		return 0, nil
	}
	if c.blocks == 0 {
		return 0, nil
	}
	switch c.kind {
	case chunkRaw:
		im.push(run{data, next, 0, raw})
	case chunkFill:
		im.push(run{value, next, 0, fill})
	default:
		im.push(run{0, next, 0, skip})
	}
	return c.blocks, nil
}

// window reads small things that lie near each other: a million headers are not
// a million reads.
type window struct {
	r     io.ReaderAt
	size  int64
	start int64
	b     []byte
	buf   [4096]byte
}

func (w *window) at(off, n int64) ([]byte, error) {
	if off+n > w.size {
		return nil, bad(off, "file", fmt.Sprintf("%d more bytes", n), fmt.Sprintf("its end at %d", w.size))
	}
	if off < w.start || off+n > w.start+int64(len(w.b)) {
		w.start, w.b = off, w.buf[:min(int64(len(w.buf)), w.size-off)]
		if err := tree.ReadFull(w.r, w.b, off); err != nil {
			w.b = nil
			return nil, err
		}
	}
	return w.b[off-w.start:][:n], nil
}
