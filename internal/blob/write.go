package blob

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"syscall"

	"github.com/fridayos/friday/android/ctxio"
)

// Writer is a blob being written, in order or not. It is used by one goroutine,
// but WriteAt and ReadAt may be called by several. End it with Commit or Abort; Abort
// after Commit does nothing, so that it can be deferred.
type Writer struct {
	ctx   context.Context
	store *Store
	file  *os.File
	sum   hash.Hash   // of what Write wrote
	mixed atomic.Bool // WriteAt was used: the digest is found by reading
	pos   int64       // of the next Write
	done  bool
}

// Create begins a blob. Its writes fail once ctx has ended.
func (s *Store) Create(ctx context.Context) (*Writer, error) {
	if err := s.writable(); err != nil {
		return nil, fmt.Errorf("cannot store blob: %w", err)
	}
	file, err := os.CreateTemp(s.tmp(), "blob-")
	if err != nil {
		return nil, fmt.Errorf("cannot store blob: %w", full(err))
	}
	return &Writer{ctx: ctx, store: s, file: file, sum: sha256.New()}, nil
}

// Scratch makes a file beside the blobs that is gone once it is closed.
func (s *Store) Scratch() (*os.File, error) {
	if err := s.writable(); err != nil {
		return nil, fmt.Errorf("cannot make a scratch file: %w", err)
	}
	f, err := os.CreateTemp(s.tmp(), "scratch-")
	if err != nil {
		return nil, fmt.Errorf("cannot make a scratch file: %w", full(err))
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, fmt.Errorf("cannot make a scratch file: %w", err)
	}
	return f, nil
}

// Write writes after what Write wrote before.
func (w *Writer) Write(p []byte) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := w.writeSparse(p)
	w.pos += int64(n)
	w.sum.Write(p[:n])
	return n, full(err)
}

// holeSize is the least of zeros that is left out of a file.
const holeSize = 64 << 10

// writeSparse leaves holes where there are zeros: images end in tens of MiB of them.
func (w *Writer) writeSparse(p []byte) (n int, err error) {
	for n < len(p) {
		from, hole := n, false
		for n < len(p) && !hole {
			k := min(len(p)-n, holeSize-int((w.pos+int64(n))%holeSize))
			if hole = k == holeSize && isZero(p[n:n+k]); !hole {
				n += k
			}
		}
		if m, err := w.file.WriteAt(p[from:n], w.pos+int64(from)); err != nil {
			return from + m, err
		}
		for n+holeSize <= len(p) && isZero(p[n:n+holeSize]) {
			n += holeSize
		}
		if n == len(p) && hole { // the file is as long as what was written
			if _, err := w.file.WriteAt(p[n-1:], w.pos+int64(n)-1); err != nil {
				return n - 1, err
			}
		}
	}
	return n, nil
}

// isZero compares with itself, one byte on.
func isZero(p []byte) bool { return p[0] == 0 && bytes.Equal(p[1:], p[:len(p)-1]) }

// WriteAt writes at a place; gaps are zeros. It costs reading all again at Commit.
func (w *Writer) WriteAt(p []byte, off int64) (int, error) {
	if err := w.ctx.Err(); err != nil {
		return 0, err
	}
	w.mixed.Store(true)
	n, err := w.file.WriteAt(p, off)
	return n, full(err)
}

// ReadAt reads what was written.
func (w *Writer) ReadAt(p []byte, off int64) (int, error) { return w.file.ReadAt(p, off) }

// Truncate sets the length, as for an image that ends in zeros.
func (w *Writer) Truncate(size int64) error {
	w.mixed.Store(true)
	return full(w.file.Truncate(size))
}

// Abort drops what was written.
func (w *Writer) Abort() {
	if w.done {
		return
	}
	w.done = true
	w.file.Close()
	os.Remove(w.file.Name()) // failing, the next Open sweeps it
}

// Commit puts the blob into the store. When it has returned, a power cut does not lose it.
func (w *Writer) Commit() (Ref, error) {
	ref, err := w.commit()
	w.Abort()
	if err != nil {
		return Ref{}, fmt.Errorf("cannot store blob: %w", full(err))
	}
	return ref, nil
}

func (w *Writer) commit() (Ref, error) {
	if w.done {
		return Ref{}, errors.New("the writer has ended")
	}
	if err := w.ctx.Err(); err != nil {
		return Ref{}, err
	}
	info, err := w.file.Stat()
	if err != nil {
		return Ref{}, err
	}
	ref := Ref{Size: info.Size()}
	if ref.Digest, err = w.digest(ref.Size); err != nil {
		return Ref{}, err
	}
	path := w.store.path(ref.Digest)
	if w.store.Has(ref) {
		// Whoever wrote it may not have come to the fsync of the folder yet.
		if err := syncDir(filepath.Dir(path)); !errors.Is(err, os.ErrNotExist) {
			return ref, err
		}
		return ref, syncDir(filepath.Dir(w.store.overPath(ref.Digest)))
	}
	if err := w.file.Chmod(0o444); err != nil {
		return Ref{}, err
	}
	if err := w.file.Sync(); err != nil {
		return Ref{}, err
	}
	if err := makeDirs(w.store.dir, filepath.Dir(path)); err != nil {
		return Ref{}, err
	}
	if err := os.Rename(w.file.Name(), path); err != nil {
		return Ref{}, err
	}
	return ref, syncDir(filepath.Dir(path))
}

func (w *Writer) digest(size int64) (d Digest, err error) {
	sum := w.sum
	if w.mixed.Load() {
		sum = sha256.New()
		whole := ctxio.Reader(w.ctx, io.NewSectionReader(w.file, 0, size))
		if _, err := io.CopyBuffer(struct{ io.Writer }{sum}, whole, make([]byte, 256<<10)); err != nil {
			return d, err
		}
	}
	sum.Sum(d[:0])
	return d, nil
}

// makeDirs makes dir below base and makes each new name durable.
func makeDirs(base, dir string) error {
	if dir == base {
		return nil
	}
	if err := makeDirs(base, filepath.Dir(dir)); err != nil {
		return err
	}
	err := os.Mkdir(dir, 0o755)
	if errors.Is(err, os.ErrExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return syncDir(filepath.Dir(dir))
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// full says what to do about a full disk.
func full(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("the disk is full; free some space or move the blob store: %w", err)
	}
	return err
}
