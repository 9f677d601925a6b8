package blob

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"

	"github.com/fridayos/friday/android/ctxio"
)

// ErrNotFound is returned, wrapped, for a blob that is not in the store.
var ErrNotFound = errors.New("not in the store")

// ErrDamaged is returned, wrapped, when the bytes are not those of the digest.
var ErrDamaged = errors.New("damaged")

// Blob is an open blob: an io.ReaderAt, and by itself an io.ReadSeeker.
type Blob struct {
	*io.SectionReader
	file interface {
		io.ReaderAt
		io.Closer
	}
	digest Digest
	size   int64
}

// Open opens a blob. The length is looked at, the content is not: see Check and Verified.
func (s *Store) Open(d Digest) (*Blob, error) {
	file, err := os.Open(s.path(d))
	if errors.Is(err, fs.ErrNotExist) {
		return s.openOver(d)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot open blob: %w", err)
	}
	info, err := file.Stat()
	if err == nil && info.Size() == 0 && d != Sum(nil) {
		err = fmt.Errorf("%w: the file is empty", ErrDamaged)
	}
	if err != nil {
		file.Close()
		return nil, fmt.Errorf("cannot open blob %s: %w", d, err)
	}
	b := &Blob{file: file, digest: d, size: info.Size()}
	b.SectionReader = io.NewSectionReader(whole{b}, 0, b.size)
	return b, nil
}

// openOver opens a blob that is kept as what differs from another.
func (s *Store) openOver(d Digest) (*Blob, error) {
	o, err := openOver(s.overPath(d))
	if errors.Is(err, fs.ErrNotExist) {
		err = ErrNotFound
	}
	if err != nil {
		return nil, fmt.Errorf("cannot open blob %s: %w", d, err)
	}
	b := &Blob{file: o, digest: d, size: o.size}
	b.SectionReader = io.NewSectionReader(whole{b}, 0, b.size)
	return b, nil
}

// OpenRef opens a blob whose length is known and refuses one that has another.
func (s *Store) OpenRef(ref Ref) (*Blob, error) {
	b, err := s.Open(ref.Digest)
	if err != nil {
		return nil, err
	}
	if b.size != ref.Size {
		b.Close()
		return nil, fmt.Errorf("cannot open blob %s: %w: found %d bytes, expected %d", ref.Digest, ErrDamaged, b.size, ref.Size)
	}
	return b, nil
}

// Digest is the name the blob was opened by.
func (b *Blob) Digest() Digest { return b.digest }

// Size is the blob's length.
func (b *Blob) Size() int64 { return b.size }

// Close closes the blob.
func (b *Blob) Close() error { return b.file.Close() }

// whole reads the file within the length it had when it was opened: less, and it was cut off since.
type whole struct{ b *Blob }

func (w whole) ReadAt(p []byte, off int64) (int, error) {
	n, err := w.b.file.ReadAt(p, off)
	if (err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF)) && off+int64(n) < w.b.size && n < len(p) {
		err = fmt.Errorf("cannot read blob %s: %w: it ends at byte %d, expected %d", w.b.digest, ErrDamaged, off+int64(n), w.b.size)
	}
	return n, err
}

// Verified reads the blob from its beginning and, instead of io.EOF, returns
// ErrDamaged at the end if what it read is not what the digest says.
func (b *Blob) Verified() io.Reader {
	return &verified{r: io.NewSectionReader(whole{b}, 0, b.size), sum: sha256.New(), want: b.digest}
}

type verified struct {
	r    io.Reader
	sum  hash.Hash
	want Digest
}

func (v *verified) Read(p []byte) (int, error) {
	n, err := v.r.Read(p)
	v.sum.Write(p[:n])
	if err == io.EOF && !bytes.Equal(v.sum.Sum(nil), v.want[:]) {
		err = fmt.Errorf("cannot read blob %s: %w: found digest %x", v.want, ErrDamaged, v.sum.Sum(nil))
	}
	return n, err
}

// Check reads a blob whole and compares its digest.
func (s *Store) Check(ctx context.Context, d Digest) error {
	b, err := s.Open(d)
	if err != nil {
		return err
	}
	defer b.Close()
	_, err = io.CopyBuffer(struct{ io.Writer }{io.Discard}, ctxio.Reader(ctx, b.Verified()), make([]byte, 256<<10))
	return err
}

// Bytes reads a whole blob into memory, checked, if it has at most limit bytes.
func (s *Store) Bytes(d Digest, limit int64) ([]byte, error) {
	b, err := s.Open(d)
	if err != nil {
		return nil, err
	}
	defer b.Close()
	if b.size > limit {
		return nil, fmt.Errorf("cannot read blob %s: found %d bytes, expected at most %d", d, b.size, limit)
	}
	return io.ReadAll(b.Verified())
}
