package tree

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"sort"
)

// Image is a file as a list of segments: literal bytes, zeros, and ranges of
// other readers. It is built by appending, and can then be read, hashed in
// part and written without its parts having been copied. Many goroutines may
// read it at once, if the sources allow that.
type Image struct {
	segs []Segment
	size int64
}

// Segment is a part of an Image: Data if it is not nil, else Length bytes of
// Source from SourceOffset, else, without a Source, zeros.
type Segment struct {
	Offset, Length int64 // in the image
	Data           []byte
	Source         io.ReaderAt
	SourceOffset   int64
}

// AppendBytes adds literal bytes, which must not change afterwards.
func (im *Image) AppendBytes(b []byte) {
	if len(b) > 0 {
		im.add(Segment{Length: int64(len(b)), Data: b})
	}
}

// AppendZeros adds n zero bytes.
func (im *Image) AppendZeros(n int64) {
	if n <= 0 {
		return
	}
	if i := len(im.segs) - 1; i >= 0 && im.segs[i].Data == nil && im.segs[i].Source == nil {
		im.segs[i].Length += n
		im.size += n
		return
	}
	im.add(Segment{Length: n})
}

// AppendRange adds n bytes of r from off. They are read when the image is.
func (im *Image) AppendRange(r io.ReaderAt, off, n int64) {
	if n > 0 {
		im.add(Segment{Length: n, Source: r, SourceOffset: off})
	}
}

// AppendImage adds all segments of another image.
func (im *Image) AppendImage(o *Image) {
	for _, s := range o.segs {
		switch {
		case s.Data != nil:
			im.AppendBytes(s.Data)
		case s.Source != nil:
			im.AppendRange(s.Source, s.SourceOffset, s.Length)
		default:
			im.AppendZeros(s.Length)
		}
	}
}

func (im *Image) add(s Segment) {
	s.Offset = im.size
	im.segs = append(im.segs, s)
	im.size += s.Length
}

// Size is the length of the image in bytes.
func (im *Image) Size() int64 { return im.size }

// Segments returns the parts in order. Their data must not be changed.
func (im *Image) Segments() []Segment { return slices.Clone(im.segs) }

// ReadAt reads as io.ReaderAt says. A source that ends too early is an error.
func (im *Image) ReadAt(p []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("cannot read image: negative offset %d", off)
	}
	n := 0
	i := sort.Search(len(im.segs), func(i int) bool { return im.segs[i].Offset+im.segs[i].Length > off })
	for ; n < len(p) && i < len(im.segs); i++ {
		s := &im.segs[i]
		in := off + int64(n) - s.Offset
		part := p[n:]
		if left := s.Length - in; int64(len(part)) > left {
			part = part[:left]
		}
		m, err := s.readAt(part, in)
		n += m
		if err != nil {
			return n, err
		}
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (s *Segment) readAt(p []byte, in int64) (int, error) {
	switch {
	case s.Data != nil:
		return copy(p, s.Data[in:]), nil
	case s.Source == nil:
		clear(p)
		return len(p), nil
	}
	m, err := s.Source.ReadAt(p, s.SourceOffset+in)
	if m == len(p) {
		return m, nil
	}
	if err == nil || err == io.EOF {
		err = io.ErrUnexpectedEOF
	}
	return m, fmt.Errorf("cannot read image at %d: its source at %d gave %d of %d bytes: %w",
		s.Offset+in, s.SourceOffset+in, m, len(p), err)
}

// WriteTo writes the whole image.
func (im *Image) WriteTo(w io.Writer) (int64, error) {
	buf := make([]byte, 1<<20)
	var done int64
	for done < im.size {
		p := buf[:min(int64(len(buf)), im.size-done)]
		if _, err := im.ReadAt(p, done); err != nil {
			return done, err
		}
		n, err := w.Write(p)
		done += int64(n)
		if err != nil {
			return done, fmt.Errorf("cannot write image at %d: %w", done, err)
		}
	}
	return done, nil
}

// ReadFull fills b from r at off. A source that ends before that is an error,
// whatever it says itself.
func ReadFull(r io.ReaderAt, b []byte, off int64) error {
	n, err := r.ReadAt(b, off)
	if n == len(b) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		err = io.ErrUnexpectedEOF
	}
	return fmt.Errorf("%d of %d bytes at offset %d: %w", n, len(b), off, err)
}

// Holes are the ranges that are zeros and come from nowhere.
func (im *Image) Holes() []Range {
	var out []Range
	for _, s := range im.segs {
		if s.Data != nil || s.Source != nil {
			continue
		}
		if i := len(out) - 1; i >= 0 && out[i].Offset+out[i].Length == s.Offset {
			out[i].Length += s.Length
		} else {
			out = append(out, Range{s.Offset, s.Length})
		}
	}
	return out
}
