package bsdiff

import (
	"bytes"
	"compress/bzip2"
	"errors"
	"fmt"
	"io"

	br "github.com/andybalholm/brotli"
)

// maxIdle is how many triples may make no output. A differ writes such a triple
// when it only moves in the old file; a hostile patch could hold them without end.
const maxIdle = 1 << 16

const bufferSize = 64 << 10

// Patch applies a patch to old and writes the result to w as it is made; a
// result larger than maxSize is refused before anything is written. It holds a
// few hundred KiB and the windows of three decompressors (at most 16 MiB each).
func Patch(old io.ReaderAt, oldSize int64, patch []byte, w io.Writer, maxSize int64) error {
	h, err := parseHeader(patch)
	if err != nil {
		return fmt.Errorf("cannot apply patch: %w", err)
	}
	if h.newSize > maxSize {
		return fmt.Errorf("cannot apply patch: result of %d bytes is expected to have at most %d", h.newSize, maxSize)
	}
	p := patcher{
		old: old, oldSize: oldSize, newSize: h.newSize, w: w,
		control: open(h.kind[0], patch[headerSize:headerSize+h.control]),
		diff:    open(h.kind[1], patch[headerSize+h.control:headerSize+h.control+h.diff]),
		extra:   open(h.kind[2], patch[headerSize+h.control+h.diff:]),
		buf:     make([]byte, bufferSize), oldBuf: make([]byte, bufferSize),
	}
	if err := p.run(); err != nil {
		return fmt.Errorf("cannot apply patch: at byte %d of %d: %w", p.newPos, p.newSize, err)
	}
	return nil
}

// Size is the size of the file that a patch makes.
func Size(patch []byte) (int64, error) {
	h, err := parseHeader(patch)
	if err != nil {
		return 0, fmt.Errorf("cannot read patch: %w", err)
	}
	return h.newSize, nil
}

type header struct {
	kind          [3]byte // control, diff, extra
	control, diff int64   // bytes; extra is the rest
	newSize       int64
}

func parseHeader(patch []byte) (header, error) {
	if len(patch) < headerSize {
		return header{}, fmt.Errorf("header of %d bytes is cut off at %d", headerSize, len(patch))
	}
	h := header{kind: [3]byte{bzip, bzip, bzip}}
	switch {
	case string(patch[:8]) == magicOld:
	case string(patch[:5]) == magicNew:
		copy(h.kind[:], patch[5:8])
		for i, k := range h.kind {
			if k > brotli {
				return header{}, fmt.Errorf("stream %d has compression %d, expected 0 (none), 1 (bzip2) or 2 (brotli)", i, k)
			}
		}
	default:
		return header{}, fmt.Errorf("magic is %q, expected %q or %q", patch[:8], magicOld, magicNew)
	}
	h.control, h.diff, h.newSize = number(patch[8:]), number(patch[16:]), number(patch[24:])
	room := int64(len(patch)) - headerSize
	if h.control < 0 || h.control > room || h.diff < 0 || h.diff > room-h.control {
		return header{}, fmt.Errorf("control of %d bytes and diff of %d do not fit in %d", h.control, h.diff, room)
	}
	if h.newSize < 0 {
		return header{}, fmt.Errorf("size of the result is %d", h.newSize)
	}
	return h, nil
}

func open(kind byte, b []byte) io.Reader {
	r := bytes.NewReader(b)
	switch kind {
	case bzip:
		return bzip2.NewReader(r)
	case brotli:
		return br.NewReader(r)
	}
	return r
}

type patcher struct {
	old                  io.ReaderAt
	oldSize, newSize     int64
	oldPos, newPos       int64
	control, diff, extra io.Reader
	w                    io.Writer
	buf, oldBuf          []byte
}

func (p *patcher) run() error {
	var t [tripleSize]byte
	idle := 0
	for p.newPos < p.newSize {
		if _, err := io.ReadFull(p.control, t[:]); err != nil {
			return fmt.Errorf("cannot read control: %w", noEOF(err))
		}
		add, insert, seek := number(t[:]), number(t[8:]), number(t[16:])
		left := p.newSize - p.newPos
		if add < 0 || add > left || insert < 0 || insert > left-add {
			return fmt.Errorf("control asks for %d and %d bytes, expected at most %d", add, insert, left)
		}
		if add == 0 && insert == 0 {
			if idle++; idle > maxIdle {
				return errors.New("control makes no progress")
			}
		}
		if err := p.add(add); err != nil {
			return err
		}
		if err := p.insert(insert); err != nil {
			return err
		}
		// Positions outside of the old file are legal, but not without bound.
		const far = 1 << 62
		if p.oldPos += seek; p.oldPos > far || p.oldPos < -far || seek > far || seek < -far {
			return fmt.Errorf("control moves by %d, out of any file", seek)
		}
	}
	return nil
}

// add makes n bytes as the sum of old and diff; outside of the old file, old
// is zero.
func (p *patcher) add(n int64) error {
	for n > 0 {
		b := p.buf[:min(n, int64(len(p.buf)))]
		if _, err := io.ReadFull(p.diff, b); err != nil {
			return fmt.Errorf("cannot read diff: %w", noEOF(err))
		}
		from, to := max(p.oldPos, 0), min(p.oldPos+int64(len(b)), p.oldSize)
		if from < to {
			o := p.oldBuf[:to-from]
			if k, err := p.old.ReadAt(o, from); k < len(o) {
				return fmt.Errorf("cannot read old file at %d: %w", from, noEOF(err))
			}
			d := b[from-p.oldPos:]
			d = d[:len(o)]
			for i, c := range o {
				d[i] += c
			}
		}
		if _, err := p.w.Write(b); err != nil {
			return fmt.Errorf("cannot write result: %w", err)
		}
		n -= int64(len(b))
		p.oldPos += int64(len(b))
		p.newPos += int64(len(b))
	}
	return nil
}

func (p *patcher) insert(n int64) error {
	for n > 0 {
		b := p.buf[:min(n, int64(len(p.buf)))]
		if _, err := io.ReadFull(p.extra, b); err != nil {
			return fmt.Errorf("cannot read extra: %w", noEOF(err))
		}
		if _, err := p.w.Write(b); err != nil {
			return fmt.Errorf("cannot write result: %w", err)
		}
		n -= int64(len(b))
		p.newPos += int64(len(b))
	}
	return nil
}

func noEOF(err error) error {
	if err == io.EOF || err == nil {
		return io.ErrUnexpectedEOF
	}
	return err
}
