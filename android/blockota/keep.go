package blockota

import (
	"crypto/sha1" //nolint:gosec // the format's own sum
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// Keeper holds stashed blocks, so that a list that was cut off goes on where it
// was, on the same partition. Names are SHA-1 sums in hex: a stash's is that of
// its content.
type Keeper interface {
	// Put keeps size bytes of r. When it returns, a power cut does not lose them.
	Put(sum string, r io.Reader, size int64) error
	// Open gives what is kept; fs.ErrNotExist where nothing is.
	Open(sum string) (Kept, error)
	// Drop forgets what is kept, if anything is.
	Drop(sum string) error
}

// Kept is something that a Keeper holds.
type Kept interface {
	io.ReaderAt
	io.Closer
	Size() int64
}

// Syncer is a Device that can say when what was written outlives a power cut.
type Syncer interface{ Sync() error }

// Folder is a Keeper: a folder with a file for each sum, as recovery's
// /cache/recovery is.
type Folder string

// partial ends the name of a file that is being written.
const partial = ".partial"

type keptFile struct {
	*os.File
	size int64
}

func (k keptFile) Size() int64 { return k.size }

func (f Folder) path(sum string) (string, error) {
	if b, err := hex.DecodeString(sum); err != nil || len(b) != sha1.Size {
		return "", fmt.Errorf("stash %.60q: expected a SHA-1 in 40 hex digits", sum)
	}
	return filepath.Join(string(f), sum), nil
}

// Put writes a file beside its place, and moves it there once it is whole.
func (f Folder) Put(sum string, r io.Reader, size int64) error {
	path, err := f.path(sum)
	if err != nil {
		return err
	}
	to, err := os.Create(path + partial)
	if err != nil {
		return fmt.Errorf("cannot keep a stash: %w", err)
	}
	n, err := io.Copy(to, r)
	if err == nil && n != size {
		err = io.ErrUnexpectedEOF
	}
	if err == nil {
		err = to.Sync()
	}
	if err = errors.Join(err, to.Close()); err == nil {
		err = os.Rename(to.Name(), path)
	}
	if err == nil {
		err = syncFolder(string(f))
	}
	if err != nil {
		return fmt.Errorf("cannot keep a stash of %d bytes: %w", size, err)
	}
	return nil
}

// Open opens a file.
func (f Folder) Open(sum string) (Kept, error) {
	path, err := f.path(sum)
	if err != nil {
		return nil, err
	}
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	fi, err := file.Stat()
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return keptFile{file, fi.Size()}, nil
}

// Drop removes a file.
func (f Folder) Drop(sum string) error {
	path, err := f.path(sum)
	if err == nil {
		err = os.Remove(path)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// Clear removes everything that is kept, once a package is installed.
func (f Folder) Clear() error {
	entries, err := os.ReadDir(string(f))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		sum := strings.TrimSuffix(e.Name(), partial)
		if _, wrong := f.path(sum); err == nil && wrong == nil {
			err = os.Remove(filepath.Join(string(f), e.Name()))
		}
	}
	return err
}

func syncFolder(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
