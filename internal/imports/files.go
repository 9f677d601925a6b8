package imports

import (
	"archive/tar"
	"bufio"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
)

// Files are the files of a source: as they lie in folders, packed (gzip), or in
// an archive (tar, tar.gz).
type Files struct {
	Paths []string               // files and folders
	Want  func(name string) bool // of folders and archives, which files; a packed one is named without .gz
	Read  func(n int64)          // nil, or hears how many bytes were read of what lies there
}

// Size is how many bytes lie there, packed as they are.
func (f Files) Size() (total int64, err error) {
	err = f.each(func(_ string, size int64) error { total += size; return nil })
	return total, err
}

// each gives the files of all paths.
func (f Files) each(fn func(path string, size int64) error) error {
	for _, p := range f.Paths {
		info, err := os.Stat(p)
		if err != nil {
			return fmt.Errorf("cannot read export: %w", err)
		}
		if !info.IsDir() {
			if err := fn(p, info.Size()); err != nil {
				return err
			}
			continue
		}
		err = filepath.WalkDir(p, func(name string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() || !f.Want(unpacked(name)) {
				return err
			}
			info, err := d.Info()
			if err != nil {
				return err
			}
			return fn(name, info.Size())
		})
		if err != nil {
			return fmt.Errorf("cannot read export: %w", err)
		}
	}
	return nil
}

func unpacked(name string) string {
	if path.Ext(name) == ".gz" {
		return name[:len(name)-len(".gz")]
	}
	return name
}

// ErrEnough ends a walk before its end, without an error.
var ErrEnough = errors.New("enough was read")

// Walk opens one file after the other. A name is the path, and of a file within an
// archive the path, a colon and the name there.
func (f Files) Walk(ctx context.Context, fn func(name string, r io.Reader) error) error {
	err := f.each(func(p string, _ int64) error {
		file, err := os.Open(p)
		if err != nil {
			return fmt.Errorf("cannot read export: %w", err)
		}
		defer file.Close()
		return f.open(p, &counted{ctx: ctx, r: file, read: f.Read}, 0, fn)
	})
	if errors.Is(err, ErrEnough) {
		return nil
	}
	return err
}

// maxLayers is how often things may be packed: dump.sql.gz in a tar in gzip is 2.
const maxLayers = 4

func (f Files) open(name string, r io.Reader, layer int, fn func(name string, r io.Reader) error) error {
	if layer > maxLayers {
		return fmt.Errorf("cannot read %s: it is packed more than %d times", name, maxLayers)
	}
	in := bufio.NewReaderSize(r, 1<<16)
	head, _ := in.Peek(512) // what is shorter has no tar in it
	if len(head) > 2 && head[0] == 0x1f && head[1] == 0x8b {
		z, err := gzip.NewReader(in)
		if err != nil {
			return fmt.Errorf("cannot read %s: %w", name, err)
		}
		return f.open(name, z, layer+1, fn)
	}
	if len(head) < 512 || string(head[257:262]) != "ustar" {
		return fn(name, in)
	}
	t := tar.NewReader(in)
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("cannot read %s: %w", name, err)
		}
		if h.Typeflag != tar.TypeReg || !f.Want(unpacked(h.Name)) {
			continue
		}
		if err := f.open(name+":"+h.Name, t, layer+1, fn); err != nil {
			return err
		}
	}
}

// counted tells how much was read, and ends with its context.
type counted struct {
	ctx  context.Context
	r    io.Reader
	read func(n int64)
}

func (c *counted) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.r.Read(p)
	if c.read != nil {
		c.read(int64(n))
	}
	return n, err
}
