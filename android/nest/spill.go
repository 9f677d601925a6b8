package nest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"github.com/fridayos/friday/android/tree"
)

// spill copies a stream into a temporary file, which is freed by Close.
func (n *Nest) spill(ctx context.Context, r io.Reader) (io.ReaderAt, int64, error) {
	f, err := os.CreateTemp(n.o.TempDir, ".friday-nest-*")
	if err != nil {
		return nil, 0, fmt.Errorf("cannot unpack: %w", err)
	}
	total := int64(0)
	if err = os.Remove(f.Name()); err == nil { // it lives as long as it is open
		total, err = n.fill(ctx, f, r)
	}
	if err != nil {
		n.reserve(-total)
		return nil, 0, errors.Join(err, f.Close())
	}
	n.keep(f)
	return f, total, nil
}

// fill copies r into f and returns how many bytes were reserved.
func (n *Nest) fill(ctx context.Context, f *os.File, r io.Reader) (total int64, err error) {
	buf := make([]byte, 256<<10)
	for {
		if err := ctx.Err(); err != nil {
			return total, err
		}
		k, err := r.Read(buf)
		if k > 0 {
			if !n.reserve(int64(k)) {
				return total, fmt.Errorf("cannot unpack: temporary files would take more than %d bytes; is it a bomb? If not, allow more", n.o.MaxSpill)
			}
			at := total
			total += int64(k)
			if _, err := f.WriteAt(buf[:k], at); err != nil {
				return total, fmt.Errorf("cannot unpack to a temporary file: %w", err)
			}
		}
		if err == io.EOF {
			return total, nil
		}
		if err != nil {
			return total, fmt.Errorf("at byte %d of what is unpacked: %w", total, err)
		}
	}
}

// reserve takes room for temporary files, if there is so much.
func (n *Nest) reserve(k int64) bool {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.spilled+k > n.o.MaxSpill {
		return false
	}
	n.spilled += k
	return true
}

// stream is content of a known size that can only be unpacked from its start.
// It is read through without a temporary file; who goes back gets one.
type stream struct {
	n    *Nest
	size int64
	open func() (io.ReadCloser, error)

	mu  sync.Mutex
	cur io.ReadCloser
	pos int64
	all io.ReaderAt
}

// head reads the first bytes and forgets that it did.
func (s *stream) head(b []byte) (int, error) {
	r, err := s.open()
	if err != nil {
		return 0, err
	}
	k, err := io.ReadFull(r, b)
	if err != nil {
		err = fmt.Errorf("at byte %d of the %d bytes that it should have: %w", k, s.size, err)
	}
	return k, errors.Join(err, r.Close())
}

// ReadAt reads as io.ReaderAt says.
func (s *stream) ReadAt(b []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("cannot read: negative offset %d", off)
	}
	if off >= s.size {
		return 0, io.EOF
	}
	short := int64(len(b)) > s.size-off
	if short {
		b = b[:s.size-off]
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	k, err := s.readAt(b, off)
	if err == nil && short {
		err = io.EOF
	}
	return k, err
}

func (s *stream) readAt(b []byte, off int64) (int, error) {
	if s.all != nil {
		return len(b), tree.ReadFull(s.all, b, off)
	}
	if s.cur == nil && off == 0 {
		r, err := s.open()
		if err != nil {
			return 0, err
		}
		s.cur, s.pos = r, 0
	}
	if s.cur == nil || off != s.pos {
		if err := s.unpack(); err != nil {
			return 0, err
		}
		return len(b), tree.ReadFull(s.all, b, off)
	}
	k, err := io.ReadFull(s.cur, b)
	if s.pos += int64(k); err != nil || s.pos == s.size {
		err = errors.Join(err, s.finish())
	}
	return k, err
}

// finish closes the stream, after what follows its content: a checksum.
func (s *stream) finish() error {
	_, err := io.CopyN(io.Discard, s.cur, 1)
	if err == nil {
		err = fmt.Errorf("expected %d bytes, found more", s.size)
	} else if err == io.EOF {
		err = nil
	}
	err = errors.Join(err, s.cur.Close())
	s.cur = nil
	return err
}

func (s *stream) unpack() error {
	if s.cur != nil {
		_ = s.cur.Close()
		s.cur = nil
	}
	r, err := s.open()
	if err != nil {
		return err
	}
	defer r.Close()
	// One byte more than there should be shows that there is more.
	all, size, err := s.n.spill(context.Background(), io.LimitReader(r, s.size+1))
	if err != nil {
		return err
	}
	if size != s.size {
		return fmt.Errorf("expected %d bytes, found %d or more", s.size, size)
	}
	s.all = all
	return nil
}

// stoppable is a reader that ends with its context.
type stoppable struct {
	ctx context.Context
	r   io.Reader
}

func (s *stoppable) Read(b []byte) (int, error) {
	if err := s.ctx.Err(); err != nil {
		return 0, err
	}
	return s.r.Read(b)
}
