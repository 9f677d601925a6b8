// Package lzma2 unpacks LZMA2, the compression inside of .xz files.
//
// It takes one chunk after the other, each whole, into a window that is also what
// it hands out, so that nothing is copied on the way and no state is kept within
// a chunk. Files, their headers and sums are android/xz's business, and so is
// packing. The format is described in the LZMA specification and in the
// documentation of LZMA2 in XZ for Java; both are in the public domain.
package lzma2

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

const (
	maxPacked = 1 << 16
	maxChunk  = 1 << 21 // unpacked
	slack     = 8 << 20 // at most, of the window above the dictionary

	endMark  = 0
	stored   = 1 // as it is, the dictionary begins anew
	storedOn = 2 // as it is
	packed   = 0x80
)

// What a packed chunk begins anew, each with what is before.
const (
	keepAll = iota
	resetState
	resetProperties
	resetDictionary
)

// Decoder unpacks one stream after the other, and keeps its memory from one to the
// next: 150 KiB, and the window. The zero Decoder waits for Reset. It is not for
// concurrent use.
type Decoder struct {
	lzma
	dictionary     int
	needDictionary bool // the next chunk must begin one
	needProperties bool
}

// Reset begins a stream whose dictionary has at most that many bytes. The window
// grows up to the dictionary and a half, or 8 MiB, more, as far as there is
// content.
func (d *Decoder) Reset(dictionary int) {
	d.dictionary = max(dictionary, 1<<12)
	d.pos, d.start, d.base = 0, 0, 0
	d.needDictionary, d.needProperties = true, true
}

// Next unpacks the next chunk, at most 2 MiB. What it gives holds until the next
// call. At the stream's end mark it returns io.EOF; a stream that is cut off is
// io.ErrUnexpectedEOF.
func (d *Decoder) Next(r io.Reader) ([]byte, error) {
	var head [6]byte
	if err := full(r, head[:1]); err != nil {
		return nil, err
	}
	control := head[0]
	switch {
	case control == endMark:
		return nil, io.EOF
	case control >= packed:
		if err := full(r, head[1:5]); err != nil {
			return nil, err
		}
		if control>>5&3 >= resetProperties {
			if err := full(r, head[5:]); err != nil {
				return nil, err
			}
		}
		return d.unpack(r, head)
	case control <= storedOn:
		if err := full(r, head[1:3]); err != nil {
			return nil, err
		}
		return d.stored(r, control, int(binary.BigEndian.Uint16(head[1:]))+1)
	}
	return nil, fmt.Errorf("a chunk begins with %#x, expected 0 to 2, or 0x80 and above", control)
}

func (d *Decoder) stored(r io.Reader, control byte, n int) ([]byte, error) {
	if control == stored {
		d.newDictionary()
		d.needProperties = true
	} else if d.needDictionary {
		return nil, errors.New("the first chunk does not begin a dictionary")
	}
	d.room(n)
	from := d.pos
	if err := full(r, d.out[from:from+n]); err != nil {
		return nil, err
	}
	d.pos += n
	return d.out[from:d.pos], nil
}

func (d *Decoder) unpack(r io.Reader, head [6]byte) ([]byte, error) {
	n := int(head[0]&0x1f)<<16 + int(binary.BigEndian.Uint16(head[1:])) + 1
	size := int(binary.BigEndian.Uint16(head[3:])) + 1
	reset := head[0] >> 5 & 3
	if reset == resetDictionary {
		d.newDictionary()
	} else if d.needDictionary {
		return nil, errors.New("the first chunk does not begin a dictionary")
	}
	if reset >= resetProperties {
		p := uint32(head[5])
		lc, lp, pb := p%9, p/9%5, p/45
		if pb > 4 || lc+lp > maxLiteralBits {
			return nil, fmt.Errorf("properties are %d: lc %d, lp %d, pb %d, expected lc+lp and pb of at most 4", p, lc, lp, pb)
		}
		d.lc, d.lp, d.pbMask = lc, lp, 1<<pb-1
		d.needProperties = false
	} else if d.needProperties {
		return nil, errors.New("a chunk has no properties, and there are none from before")
	}
	if reset >= resetState {
		d.model.reset()
		d.state, d.reps = 0, [4]uint32{}
	}
	if err := full(r, d.lzma.packed[:size]); err != nil {
		return nil, err
	}
	d.room(n)
	from := d.pos
	if err := d.chunk(size, n); err != nil {
		return nil, err
	}
	return d.out[from:d.pos], nil
}

func (d *Decoder) newDictionary() {
	d.start, d.base = d.pos, d.pos
	d.needDictionary = false
}

// room makes room for n bytes more, and forgets what no copy may reach.
func (d *Decoder) room(n int) {
	if d.pos+n <= len(d.out) {
		return
	}
	keep := min(d.pos-d.start, d.dictionary)
	most := d.dictionary + max(maxChunk, min(d.dictionary/2, slack))
	to := d.out
	if size := min(most, max(2*len(d.out), keep+n)); size > len(to) {
		to = make([]byte, size)
	}
	copy(to, d.out[d.pos-keep:d.pos])
	d.out = to
	d.base -= d.pos - keep
	d.start = max(d.start-(d.pos-keep), 0)
	d.pos = keep
}

// full reads all of b; there is no good place for the input's end.
func full(r io.Reader, b []byte) error {
	_, err := io.ReadFull(r, b)
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
