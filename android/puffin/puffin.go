// Package puffin makes and applies patches between files that hold deflate
// streams, as zip archives and APKs do.
//
// A changed byte changes all of a deflate stream after it, so that a plain
// binary patch of two APKs is about as large as the new one. Puffin takes off
// only the last step of deflate, the Huffman codes: what is left, the puff, holds
// literals, lengths and distances in whole bytes, and from it the very same
// deflate stream is made again. A patch is a bsdiff of the puffs, as android/bsdiff
// makes it, behind a header that says where they are. A PUFFDIFF operation of an
// update payload carries one. The package is no decompressor, and knows nothing of
// payloads and extents of blocks.
//
// # Format
//
// "PUF1", the header's size as 32 bits big-endian, the header (protobuf message
// PatchHeader), a bsdiff patch. For source and destination the header says
// where each stretch of deflate blocks lies, in bits, and where its puff lies in
// the puffed file. What lies between is copied; a byte that is only in part
// outside of deflate counts as one, shifted down.
//
// A puff is, for each deflate block: 16 bits big-endian with the length less one
// of the block's head, and the head (a byte with the final bit in bit 7, the type
// in bits 6 and 5, and of a stored block the bits skipped before it; for a dynamic
// block the three counts, its code lengths' lengths, two to a byte, and the symbols
// that code them). Then runs of literals (0 to 126: so many and one follow; 127:
// 16 bits, and 128 more, follow), copies (128 to 254: length less 131; 255: a byte, which
// is the length less 130; then 16 bits, the distance less one), and 255 129 at the
// block's end. AOSP's external/puffin is where the format comes from.
package puffin

import (
	"encoding/binary"
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/fridayos/friday/android/internal/fields"
)

const (
	magic = "PUF1"
	// MaxPuff is the largest puff of one stretch of deflate that is taken, and the
	// largest stretch. AOSP's differ makes a stretch of each deflate block.
	MaxPuff = 32 << 20
	// maxStreams bounds the stretches on each side.
	maxStreams = 1 << 20
	maxFile    = 1 << 44
)

// Extent is a stretch of bits, or of bytes.
type Extent struct{ Offset, Length int64 }

func (e Extent) end() int64 { return e.Offset + e.Length }

// side is what the header says of the source or of the destination.
type side struct {
	deflates []Extent // bits
	puffs    []Extent // bytes of the puffed file
	puffed   int64    // size of the puffed file
	size     int64    // size of the file itself, as it follows from these
}

// parseHeader reads the header and gives the patch after it.
func parseHeader(patch []byte) (src, dst side, rest []byte, err error) {
	if len(patch) < 8 || string(patch[:4]) != magic {
		return src, dst, nil, fmt.Errorf("magic is %q, expected %q", patch[:min(4, len(patch))], magic)
	}
	n := int64(binary.BigEndian.Uint32(patch[4:]))
	if n > int64(len(patch)-8) {
		return src, dst, nil, fmt.Errorf("header of %d bytes is cut off at %d", n, len(patch)-8)
	}
	err = fields.Each(patch[8:8+n], func(num protowire.Number, v uint64, b []byte) error {
		switch num {
		case 2:
			return src.parse(b)
		case 3:
			return dst.parse(b)
		case 4:
			if v != 0 {
				return fmt.Errorf("algorithm is %d, expected 0 (bsdiff); 1 is Zucchini, which is not supported", v)
			}
		}
		return nil
	})
	if err == nil {
		err = src.check()
	}
	if err != nil {
		return src, dst, nil, fmt.Errorf("header: source: %w", err)
	}
	if err = dst.check(); err != nil {
		return src, dst, nil, fmt.Errorf("header: destination: %w", err)
	}
	return src, dst, patch[8+n:], nil
}

func (s *side) parse(m []byte) error {
	return fields.Each(m, func(num protowire.Number, v uint64, b []byte) error {
		to := &s.deflates
		switch num {
		case 2:
			to = &s.puffs
		case 3:
			if v > maxFile {
				return fmt.Errorf("puffs have %d bytes, expected at most %d", v, int64(maxFile))
			}
			s.puffed = int64(v)
			return nil
		}
		if num > 3 {
			return nil
		}
		if len(*to) == maxStreams {
			return fmt.Errorf("more than %d stretches of deflate", maxStreams)
		}
		var e Extent
		err := fields.Each(b, func(num protowire.Number, v uint64, _ []byte) error {
			if v > maxFile*8 {
				return fmt.Errorf("stretch %d is at %d, out of any file", len(*to), v)
			}
			switch num {
			case 1:
				e.Offset = int64(v)
			case 2:
				e.Length = int64(v)
			}
			return nil
		})
		*to = append(*to, e)
		return err
	})
}

// check makes bytes of the puffs' places, which the header has in bits, and
// holds each against where it must be.
func (s *side) check() error {
	if len(s.deflates) != len(s.puffs) {
		return fmt.Errorf("%d stretches of deflate and %d puffs", len(s.deflates), len(s.puffs))
	}
	var bit, at int64 // ends of the last
	for i := range s.puffs {
		p, d := &s.puffs[i], s.deflates[i]
		p.Offset, p.Length = p.Offset/8, p.Length/8
		if d.Offset < bit {
			return fmt.Errorf("stretch %d begins at bit %d, within the last, which ends at %d", i, d.Offset, bit)
		}
		if d.Length > MaxPuff*8 || p.Length > MaxPuff {
			return fmt.Errorf("stretch %d has %d bits and a puff of %d bytes, expected at most %d bytes", i, d.Length, p.Length, MaxPuff)
		}
		if want := at + between(bit, d.Offset); p.Offset != want {
			return fmt.Errorf("puff %d is at %d, expected %d", i, p.Offset, want)
		}
		bit, at = d.end(), p.end()
	}
	if s.puffed < at {
		return fmt.Errorf("puffs have %d bytes, expected at least %d", s.puffed, at)
	}
	s.size = bit/8 + s.puffed - at
	if bit > s.size*8 {
		return errors.New("the file ends within a byte")
	}
	return nil
}

// between is how many bytes of the puffed file hold the bits between two
// stretches, the first of which ends at bit from.
func between(from, to int64) int64 {
	if from == to {
		return 0
	}
	return (to+7)/8 - from/8
}

// appendHeader is the other way.
func appendHeader(out []byte, src, dst side) []byte {
	number := func(b []byte, num protowire.Number, v int64) []byte {
		if v == 0 {
			return b
		}
		return protowire.AppendVarint(protowire.AppendTag(b, num, protowire.VarintType), uint64(v))
	}
	extents := func(b []byte, num protowire.Number, list []Extent, unit int64) []byte {
		for _, e := range list {
			b = protowire.AppendTag(b, num, protowire.BytesType)
			b = protowire.AppendBytes(b, number(number(nil, 1, e.Offset*unit), 2, e.Length*unit))
		}
		return b
	}
	message := func(s side) []byte {
		return number(extents(extents(nil, 1, s.deflates, 1), 2, s.puffs, 8), 3, s.puffed)
	}
	h := number(nil, 1, 1)
	h = protowire.AppendBytes(protowire.AppendTag(h, 2, protowire.BytesType), message(src))
	h = protowire.AppendBytes(protowire.AppendTag(h, 3, protowire.BytesType), message(dst))
	out = append(out, magic...)
	out = binary.BigEndian.AppendUint32(out, uint32(len(h)))
	return append(out, h...)
}
