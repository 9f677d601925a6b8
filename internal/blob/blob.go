// Package blob keeps bytes under their SHA-256 in a plain folder: stock
// firmware, images, packages, reports, chunks. What Put has returned survives a
// power cut, and what Open gives is whole or says that it is not.
//
// It knows nothing of what the bytes are or who needs them still: retention is
// the business of whoever calls Remove. Several processes share a folder.
//
//	DIR/sha256/ab/cd/abcd…  a blob, read-only, never changed once it is there
//	DIR/over/ab/abcd…/      a blob as what differs from another, or as parts of others, which are linked: see Over, PutImage
//	DIR/memo/ab/abcd…       what Cached made for a key, by the key's SHA-256
//	DIR/tmp/                being written; of the dead, swept by Open after a day
package blob

import (
	"context"
	"crypto/sha256"
	"database/sql/driver"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Digest is a SHA-256. It reads and writes itself as hex, in JSON and in TEXT columns.
type Digest [sha256.Size]byte

// Sum is the digest of b.
func Sum(b []byte) Digest { return sha256.Sum256(b) }

// Parse reads 64 hexadecimal digits.
func Parse(s string) (Digest, error) {
	var d Digest
	return d, d.UnmarshalText([]byte(s))
}

func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// IsZero tells whether no digest has been set.
func (d Digest) IsZero() bool { return d == Digest{} }

// MarshalText writes hex; nothing for the zero digest.
func (d Digest) MarshalText() ([]byte, error) {
	if d.IsZero() {
		return []byte{}, nil
	}
	return hex.AppendEncode(nil, d[:]), nil
}

// UnmarshalText reads what MarshalText writes.
func (d *Digest) UnmarshalText(text []byte) error {
	var read Digest
	if len(text) != 0 {
		if len(text) != hex.EncodedLen(len(read)) {
			return fmt.Errorf("cannot read digest: found %d characters, expected 64 hexadecimal digits", len(text))
		}
		if _, err := hex.Decode(read[:], text); err != nil {
			return fmt.Errorf("cannot read digest: %w", err)
		}
	}
	*d = read
	return nil
}

// Value makes a digest an argument of a query, as text.
func (d Digest) Value() (driver.Value, error) {
	text, err := d.MarshalText()
	return string(text), err
}

// Scan reads a digest from a TEXT column; NULL is the zero digest.
func (d *Digest) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*d = Digest{}
		return nil
	case string:
		return d.UnmarshalText([]byte(v))
	case []byte:
		return d.UnmarshalText(v)
	}
	return fmt.Errorf("cannot read digest: found %T, expected text", src)
}

// Ref names a blob and its length.
type Ref struct {
	Digest Digest `json:"digest"`
	Size   int64  `json:"size"`
}

// Store is a folder of blobs. It is safe for use by many goroutines and processes.
type Store struct {
	dir      string
	readOnly bool
	making   keyedLock
}

// How old a file in tmp must be before Open takes its writer for dead.
const staleAfter = 24 * time.Hour

// Open opens the store in dir, making it when missing, and sweeps what writers that died left.
func Open(dir string) (*Store, error) {
	s := &Store{dir: dir}
	for _, sub := range []string{"sha256", "memo", "tmp"} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o755); err != nil {
			return nil, fmt.Errorf("cannot open blob store: %w", err)
		}
	}
	if err := s.sweep(time.Now().Add(-staleAfter)); err != nil {
		return nil, fmt.Errorf("cannot open blob store: %w", err)
	}
	return s, nil
}

// OpenReadOnly opens an existing store for reading, as a server that must not
// change what phones receive does: Put, Create and Remove fail.
func OpenReadOnly(dir string) (*Store, error) {
	if _, err := os.Stat(filepath.Join(dir, "sha256")); err != nil {
		return nil, fmt.Errorf("cannot open blob store: %w", err)
	}
	return &Store{dir: dir, readOnly: true}, nil
}

func (s *Store) sweep(before time.Time) error {
	entries, err := os.ReadDir(s.tmp())
	if err != nil {
		return err
	}
	for _, entry := range entries {
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			continue // its writer has just finished
		}
		if err != nil {
			return err
		}
		ours := info.Mode().IsRegular() || info.IsDir() && strings.HasPrefix(entry.Name(), overPrefix)
		if ours && info.ModTime().Before(before) {
			if err := os.RemoveAll(filepath.Join(s.tmp(), entry.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Store) tmp() string { return filepath.Join(s.dir, "tmp") }

func (s *Store) path(d Digest) string {
	name := d.String()
	return filepath.Join(s.dir, "sha256", name[:2], name[2:4], name)
}

func (s *Store) writable() error {
	if s.readOnly {
		return fmt.Errorf("blob store %s is open for reading only", s.dir)
	}
	return nil
}

// Put stores all of r.
func (s *Store) Put(ctx context.Context, r io.Reader) (Ref, error) {
	w, err := s.Create(ctx)
	if err != nil {
		return Ref{}, err
	}
	defer w.Abort()
	// The writer looks at ctx; a reader that blocks is its owner's to end.
	if _, err := io.CopyBuffer(struct{ io.Writer }{w}, r, make([]byte, 256<<10)); err != nil {
		return Ref{}, fmt.Errorf("cannot store blob: %w", err)
	}
	return w.Commit()
}

// Stat tells a blob's size, and whether it is there.
func (s *Store) Stat(d Digest) (int64, bool) {
	info, err := os.Stat(s.path(d))
	if errors.Is(err, fs.ErrNotExist) {
		size, _, ok := s.statOver(d)
		return size, ok
	}
	if err != nil || !info.Mode().IsRegular() {
		return 0, false
	}
	return info.Size(), true
}

// Has tells whether the blob is there with the length it should have.
func (s *Store) Has(ref Ref) bool {
	size, ok := s.Stat(ref.Digest)
	return ok && size == ref.Size
}

// Remove removes a blob; one that is not there is fine. Who has it open reads on.
func (s *Store) Remove(d Digest) error {
	if err := s.writable(); err != nil {
		return fmt.Errorf("cannot remove blob %s: %w", d, err)
	}
	if err := os.Remove(s.path(d)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot remove blob: %w", err)
	}
	if err := s.removeOver(d); err != nil {
		return fmt.Errorf("cannot remove blob: %w", err)
	}
	return nil
}

// Walk calls fn for every blob, in the order of digests: for retention and backups.
func (s *Store) Walk(ctx context.Context, fn func(Ref, time.Time) error) error {
	over, err := s.listOver()
	if err != nil {
		return fmt.Errorf("cannot list blobs: %w", err)
	}
	err = filepath.WalkDir(filepath.Join(s.dir, "sha256"), func(path string, entry fs.DirEntry, err error) error {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil || entry.IsDir() {
			return err
		}
		d, err := Parse(entry.Name())
		if err != nil {
			return nil // not ours
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil // removed meanwhile
		}
		if err != nil {
			return err
		}
		if over, err = s.walkOver(over, d, fn); err != nil {
			return err
		}
		return fn(Ref{d, info.Size()}, info.ModTime())
	})
	if err == nil {
		_, err = s.walkOver(over, Digest{}, fn)
	}
	if err != nil {
		return fmt.Errorf("cannot list blobs: %w", err)
	}
	return nil
}
