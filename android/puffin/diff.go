package puffin

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/fridayos/friday/android/bsdiff"
)

// mergedPuff is about how large the puff of a stretch becomes: blocks of a stream
// are taken together up to it, as each stretch takes some 20 bytes of the
// header, and the phone holds one at a time.
const mergedPuff = 256 << 10

// Diff writes to w the patch that makes next of old, and says whether it is
// worth more than bsdiff's: whether both have deflate streams that differ. If not,
// nothing is written. The same inputs give the same patch. Both, and their puffs, are bounded by
// bsdiff.MaxInput.
func Diff(ctx context.Context, old, next []byte, w io.Writer) (bool, error) {
	src, err := puffed(ctx, old)
	if err != nil {
		return false, fmt.Errorf("cannot diff with puffin: %w", err)
	}
	dst, err := puffed(ctx, next)
	if err != nil {
		return false, fmt.Errorf("cannot diff with puffin: %w", err)
	}
	unlike(&src, &dst)
	if len(src.streams) == 0 || len(dst.streams) == 0 {
		return false, nil
	}
	from, fromBytes, err := src.lay()
	if err != nil {
		return false, fmt.Errorf("cannot diff with puffin: old: %w", err)
	}
	to, toBytes, err := dst.lay()
	if err != nil {
		return false, fmt.Errorf("cannot diff with puffin: new: %w", err)
	}
	if len(fromBytes) > bsdiff.MaxInput || len(toBytes) > bsdiff.MaxInput {
		return false, nil
	}
	if _, err := w.Write(appendHeader(nil, from, to)); err != nil {
		return false, fmt.Errorf("cannot write patch: %w", err)
	}
	return true, bsdiff.Diff(ctx, fromBytes, toBytes, w)
}

// stream is a deflate stream of a file.
type stream struct {
	from, to int // bytes
	sum      [32]byte
	parts    []part
}

// part is one stretch of it.
type part struct {
	deflate Extent // bits of the file
	puff    []byte
}

type puffedFile struct {
	b       []byte
	streams []stream
}

// puffed finds the streams in b: entries of zip archives, and gzip.
func puffed(ctx context.Context, b []byte) (puffedFile, error) {
	f := puffedFile{b: b}
	var p puffer
	h := heads{b: b, zip: -1, gzip: -1}
	for at := 0; at < len(b); {
		if err := ctx.Err(); err != nil {
			return f, err
		}
		start := h.next(at)
		if start < 0 {
			break
		}
		at = start
		if s, ok := p.stream(b, start); ok {
			f.streams = append(f.streams, s)
			at = s.to
		}
	}
	return f, nil
}

// heads finds where streams may begin. It knows the next head of each kind, so that
// the file is searched once.
type heads struct {
	b         []byte
	zip, gzip int // none: the file's size
}

// next gives where the data after the next head from at on begins, or -1.
func (h *heads) next(at int) int {
	for at < len(h.b) {
		h.zip, h.gzip = h.find(h.zip, at, "PK\x03\x04"), h.find(h.gzip, at, "\x1f\x8b\x08")
		var n int
		if at = min(h.zip, h.gzip); at == h.zip {
			n = zipData(h.b[at:])
		} else {
			n = gzipData(h.b[at:])
		}
		if n > 0 {
			return at + n
		}
		at++
	}
	return -1
}

func (h *heads) find(known, at int, magic string) int {
	if known >= at {
		return known
	}
	if i := bytes.Index(h.b[at:], []byte(magic)); i >= 0 {
		return at + i
	}
	return len(h.b)
}

// zipData gives the size of the head of a zip entry that holds deflate, or 0.
func zipData(b []byte) int {
	if len(b) < 30 || binary.LittleEndian.Uint16(b[8:]) != 8 {
		return 0
	}
	n := 30 + int(binary.LittleEndian.Uint16(b[26:])) + int(binary.LittleEndian.Uint16(b[28:]))
	if n >= len(b) {
		return 0
	}
	return n
}

// gzipData gives the size of the head of a gzip member, or 0 (RFC 1952).
func gzipData(b []byte) int {
	if len(b) < 18 || b[3]&0xe0 != 0 {
		return 0
	}
	n := 10
	if b[3]&4 != 0 { // extra
		n += 2 + int(binary.LittleEndian.Uint16(b[10:]))
	}
	for _, text := range []byte{8, 16} { // name, comment
		if b[3]&text != 0 && n < len(b) {
			n += bytes.IndexByte(b[n:], 0) + 1
		}
	}
	if b[3]&2 != 0 { // sum of the head
		n += 2
	}
	if n >= len(b) {
		return 0
	}
	return n
}

// stream puffs the stream that begins at a byte, if there is one and the same
// bytes come of its puff again.
func (p *puffer) stream(b []byte, start int) (stream, bool) {
	const least = 64 // bytes that a stream has to be worth it
	s := stream{from: start}
	p.in, p.limit = bitReader{b: b, at: start}, MaxPuff
	var again bytes.Buffer
	out := bitWriter{w: &again}
	h := huffer{out: &out}
	for final := false; !final; {
		p.out = nil
		from := int64(p.in.at)*8 - int64(p.in.n)
		var puff []byte
		for !final && len(puff) < mergedPuff {
			var err error
			if final, err = p.block(); err != nil {
				return s, false
			}
			puff = p.out
		}
		if h.huff(puff) != nil {
			return s, false
		}
		end := int64(p.in.at)*8 - int64(p.in.n)
		s.parts = append(s.parts, part{Extent{from, end - from}, puff})
	}
	total := out.total
	out.put(0, uint(-total&7))
	out.flush()
	s.to = start + again.Len()
	if again.Len() < least || s.to > len(b) {
		return s, false
	}
	made, was := again.Bytes(), b[start:s.to]
	last := len(was) - 1
	mask := byte(0xff)
	if total&7 != 0 {
		mask = 1<<(total&7) - 1 // what follows in the last byte is not the stream's
	}
	if !bytes.Equal(made[:last], was[:last]) || made[last]&mask != was[last]&mask {
		return s, false
	}
	s.sum = sha256.Sum256(made)
	return s, true
}

// unlike leaves out the streams that both have: bsdiff copies them as they are.
func unlike(a, b *puffedFile) {
	has := func(f *puffedFile) map[[32]byte]bool {
		m := map[[32]byte]bool{}
		for i := range f.streams {
			m[f.streams[i].sum] = true
		}
		return m
	}
	leave := func(f *puffedFile, other map[[32]byte]bool) {
		var kept []stream
		for _, s := range f.streams {
			if !other[s.sum] {
				kept = append(kept, s)
			}
		}
		f.streams = kept
	}
	inA, inB := has(a), has(b)
	leave(a, inB)
	leave(b, inA)
}

// lay gives the puffed file, and where what lies in it.
func (f *puffedFile) lay() (side, []byte, error) {
	var s side
	var at, bit int64
	for _, stream := range f.streams {
		for _, p := range stream.parts {
			at += between(bit, p.deflate.Offset)
			n := int64(len(p.puff))
			s.deflates = append(s.deflates, p.deflate)
			s.puffs = append(s.puffs, Extent{at, n})
			at += n
			bit = p.deflate.end()
		}
	}
	s.size = int64(len(f.b))
	s.puffed = at + s.size - bit/8
	r := newPuffReader(s, bytes.NewReader(f.b))
	out := make([]byte, s.puffed)
	if n, err := r.ReadAt(out, 0); n < len(out) {
		return s, nil, err
	}
	return s, out, nil
}
