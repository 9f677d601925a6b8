// Package unpack undoes the compression of one physical cluster of EROFS: a run
// of blocks that unpacks to a known number of bytes.
//
// It knows no image: which bytes make a cluster, how long its content is and what
// compressed it, its caller tells. Zeros that stand before the packed bytes are
// the caller's to take off.
//
//   - LZ4: one block of the block format, without a frame.
//   - LZMA: MicroLZMA, that is an LZMA1 stream without an end marker whose first
//     byte, which would be zero, is the inverted byte of properties instead
//     (liblzma's lzma_microlzma_encoder, Linux include/linux/xz.h).
//   - DEFLATE and Zstandard: as they are.
//
// Memory is the content's size and a window of at most 16 MiB.
package unpack

import (
	"bytes"
	"cmp"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz/lzma"
)

// Algorithm is what a cluster was compressed with, by the format's number.
type Algorithm uint8

// The format's algorithms.
const (
	LZ4 Algorithm = iota
	LZMA
	Deflate
	Zstd
)

// String is the name of an algorithm.
func (a Algorithm) String() string {
	if int(a) < 4 {
		return [...]string{"LZ4", "LZMA", "DEFLATE", "Zstandard"}[a]
	}
	return fmt.Sprintf("algorithm %d", uint8(a))
}

// Exact fills dst from src, whose content must be exactly as long. Of what may
// follow the packed bytes, LZ4 allows nothing, DEFLATE and Zstandard anything.
func Exact(a Algorithm, dst, src []byte) error {
	n, err := 0, error(nil)
	switch a {
	case LZ4:
		n, err = lz4.UncompressBlock(src, dst)
	case LZMA:
		n, err = microLZMA(dst, src, int64(len(dst)))
	default:
		return Prefix(a, dst, src)
	}
	return whole(dst, n, err)
}

// Prefix fills dst from src, which may hold more: what follows is not looked at.
func Prefix(a Algorithm, dst, src []byte) error {
	n, err := 0, error(nil)
	switch a {
	case LZ4:
		n, err = lz4Prefix(dst, src)
	case LZMA:
		n, err = microLZMA(dst, src, -1)
	case Deflate:
		n, err = io.ReadFull(flate.NewReader(bytes.NewReader(src)), dst)
	case Zstd:
		n, err = zstdPrefix(dst, src)
	default:
		return fmt.Errorf("%s is not known", a)
	}
	return whole(dst, n, err)
}

// whole is nil if all of dst was filled.
func whole(dst []byte, n int, err error) error {
	if err == nil && n == len(dst) {
		return nil
	}
	return fmt.Errorf("expected %d bytes unpacked, found %d: %w", len(dst), n, cmp.Or(err, io.ErrUnexpectedEOF))
}

func zstdPrefix(dst, src []byte) (int, error) {
	d, err := zstd.NewReader(bytes.NewReader(src), zstd.WithDecoderConcurrency(1),
		zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(16<<20))
	if err != nil {
		return 0, err
	}
	defer d.Close()
	return io.ReadFull(d, dst)
}

// microLZMA gives the stream the header of the .lzma format, whose decoder then
// reads it. size is the content's; -1: the stream may hold more than dst takes.
func microLZMA(dst, src []byte, size int64) (int, error) {
	if len(src) == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	properties := ^src[0]
	if lc, lp := properties%9, properties/9%5; properties >= 9*5*5 || lc+lp > 4 {
		return 0, fmt.Errorf("properties of LZMA: expected lc + lp of at most 4 and pb of at most 4, found %#02x", properties)
	}
	// The window is the content: nothing reaches further back.
	head := []byte{properties}
	head = binary.LittleEndian.AppendUint32(head, uint32(min(max(len(dst), lzma.MinDictCap), math.MaxInt32)))
	head = binary.LittleEndian.AppendUint64(head, uint64(size))
	head = append(head, 0)
	r, err := lzma.NewReader(bufferless{bytes.NewReader(head), bytes.NewReader(src[1:])})
	if err != nil {
		return 0, err
	}
	n := 0
	for n < len(dst) {
		k, err := r.Read(dst[n:])
		n += k
		// The decoder works ahead: what it made before it met an error, the next
		// call gives.
		if err != nil && k == 0 {
			more, _ := r.Read(dst[n:])
			if n += more; n < len(dst) || size >= 0 {
				return n, err
			}
		}
	}
	if size >= 0 {
		if _, err := r.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
			return n, cmp.Or(err, errors.New("more than that"))
		}
	}
	return n, nil
}

// bufferless reads one reader after the other, byte by byte.
type bufferless struct{ head, body *bytes.Reader }

func (b bufferless) ReadByte() (byte, error) {
	if b.head.Len() > 0 {
		return b.head.ReadByte()
	}
	return b.body.ReadByte()
}

func (b bufferless) Read(p []byte) (int, error) {
	if b.head.Len() > 0 {
		return b.head.Read(p)
	}
	return b.body.Read(p)
}

// lz4Prefix unpacks an LZ4 block until dst is full. What follows in src is not
// looked at: old images pad behind the packed bytes, and a shared cluster may
// hold more than a file wants of it.
func lz4Prefix(dst, src []byte) (int, error) {
	corrupt := lz4.ErrInvalidSourceShortBuffer
	si, di := 0, 0
	length := func(n int) (int, bool) { // a length of 15 goes on in the next bytes
		if n < 15 {
			return n, true
		}
		for si < len(src) {
			b := int(src[si])
			si++
			n += b
			if b < 255 {
				return n, true
			}
		}
		return 0, false
	}
	for di < len(dst) {
		if si >= len(src) {
			return di, corrupt
		}
		token := int(src[si])
		si++
		lit, ok := length(token >> 4)
		lit = min(lit, len(dst)-di)
		if !ok || lit > len(src)-si {
			return di, corrupt
		}
		copy(dst[di:], src[si:si+lit])
		si, di = si+lit, di+lit
		if di == len(dst) {
			break
		}
		if len(src)-si < 2 {
			return di, corrupt
		}
		dist := int(src[si]) | int(src[si+1])<<8
		si += 2
		n, ok := length(token & 15)
		if !ok || dist == 0 || dist > di {
			return di, corrupt
		}
		end := min(di+n+4, len(dst))
		for from := di - dist; di < end; { // a match may overlap itself: each round doubles what can be copied
			di += copy(dst[di:end], dst[from:di])
		}
	}
	return di, nil
}
