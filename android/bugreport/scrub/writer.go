package scrub

import (
	"bytes"
	"io"
)

// MaxLine is the longest stretch of text, in bytes, that is looked at as one
// line; a longer line is cut at a blank or a comma.
const MaxLine = 64 << 10

// Writer scrubs what is written to it, line by line, and passes it on. It holds
// at most MaxLine bytes. Close writes the rest.
type Writer struct {
	// Each, if set, is given every line as it came, before it is scrubbed; of a
	// line that is too long, each piece. It must not keep the slice.
	Each func(line []byte)

	s    *Scrubber
	w    io.Writer
	rest []byte
	out  []byte
	err  error
}

// NewWriter returns a Writer that scrubs with s and writes to w.
func NewWriter(w io.Writer, s *Scrubber) *Writer { return &Writer{s: s, w: w} }

// Write takes text in.
func (w *Writer) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 && w.err == nil {
		i := bytes.IndexByte(p, '\n')
		switch {
		case i >= 0 && len(w.rest)+i <= MaxLine:
			line := p[:i]
			if len(w.rest) > 0 {
				w.rest = append(w.rest, line...)
				line = w.rest
			}
			w.line(line)
			w.out = append(w.out, '\n')
			w.rest, p = w.rest[:0], p[i+1:]
		default:
			k := min(len(p), MaxLine-len(w.rest))
			w.rest, p = append(w.rest, p[:k]...), p[k:]
			if len(w.rest) == MaxLine {
				w.cut()
			}
		}
		if len(w.out) >= MaxLine {
			w.flush()
		}
	}
	w.flush()
	return n, w.err
}

func (w *Writer) line(line []byte) {
	if w.Each != nil {
		w.Each(line)
	}
	w.out = w.s.Line(w.out, line)
}

// cut passes on the greater part of a line that is too long, up to a place
// where no value is likely to be cut in two.
func (w *Writer) cut() {
	end := bytes.LastIndexAny(w.rest[MaxLine/2:], " ,;\t}&")
	if end < 0 {
		end = len(w.rest)
	} else {
		end += MaxLine/2 + 1
	}
	w.line(w.rest[:end])
	w.rest = append(w.rest[:0], w.rest[end:]...)
}

func (w *Writer) flush() {
	if w.err == nil && len(w.out) > 0 {
		_, w.err = w.w.Write(w.out)
	}
	w.out = w.out[:0]
}

// Close scrubs and writes what is left of a line without a line feed. It does
// not close what is below.
func (w *Writer) Close() error {
	if len(w.rest) > 0 && w.err == nil {
		w.line(w.rest)
		w.rest = w.rest[:0]
	}
	w.flush()
	return w.err
}
