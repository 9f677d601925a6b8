package nest

import (
	"archive/tar"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"time"

	"github.com/fridayos/friday/android/tree"
)

// Extracted says what Extract or WriteTar wrote.
type Extracted struct {
	Files   int      `json:"files"`
	Bytes   int64    `json:"bytes"`
	Skipped []string `json:"skipped"` // what could not be written as it is, and why
}

func (e *Extracted) skip(path, why string) {
	if len(e.Skipped) < maxProblems {
		e.Skipped = append(e.Skipped, fmt.Sprintf("%s: %s", path, why))
	}
}

// Extract writes a tree as plain files into a folder, and never outside of it:
// not through names, and not through links that are there or in the tree. Files
// that exist are not replaced. Owners, labels and devices are left out: see
// WriteTar. progress is called with the bytes of content that were written.
func Extract(ctx context.Context, root *tree.Node, dir *os.Root, progress func(n int64)) (*Extracted, error) {
	x := &extractor{dir: dir, progress: progress, names: map[*tree.Node]string{}, buf: make([]byte, 1<<20)}
	err := tree.Walk(root, func(p string, n *tree.Node) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if p == "" {
			return nil
		}
		if err := tree.ValidName(path.Base(p)); err != nil {
			x.out.skip(p, err.Error())
			if n.Type == tree.Directory {
				return fs.SkipDir
			}
			return nil
		}
		if err := x.write(ctx, p, n); err != nil {
			return fmt.Errorf("cannot extract %s: %w", p, err)
		}
		return nil
	})
	// Links come last, so that nothing is written through one.
	for _, l := range x.links {
		if err == nil {
			if err = dir.Symlink(l.target, l.path); err != nil {
				err = fmt.Errorf("cannot extract %s: %w", l.path, err)
			}
		}
	}
	// Folders get their modes when nothing more is put into them.
	for i := len(x.modes) - 1; i >= 0 && err == nil; i-- {
		err = dir.Chmod(x.modes[i].path, x.modes[i].mode)
	}
	return &x.out, err
}

type extractor struct {
	dir      *os.Root
	progress func(int64)
	names    map[*tree.Node]string
	links    []struct{ target, path string }
	modes    []struct {
		path string
		mode fs.FileMode
	}
	buf []byte
	out Extracted
}

func (x *extractor) write(ctx context.Context, p string, n *tree.Node) error {
	switch n.Type {
	case tree.Directory:
		err := x.dir.Mkdir(p, 0o700)
		if errors.Is(err, fs.ErrExist) {
			fi, statErr := x.dir.Lstat(p)
			if statErr == nil && fi.IsDir() {
				return nil // a folder that was there keeps its mode
			}
		}
		if err == nil {
			x.modes = append(x.modes, struct {
				path string
				mode fs.FileMode
			}{p, fs.FileMode(n.Perm&0o777) | 0o700})
		}
		return err
	case tree.Symlink:
		x.links = append(x.links, struct{ target, path string }{n.Target, p})
		x.out.Files++
		return nil
	case tree.Regular:
	default:
		x.out.skip(p, "a "+n.Type.String()+" is no plain file; a tar keeps it")
		return nil
	}
	if first, ok := x.names[n]; ok {
		x.out.Files++
		return x.dir.Link(first, p)
	}
	f, err := x.dir.OpenFile(p, os.O_CREATE|os.O_EXCL|os.O_WRONLY, fs.FileMode(n.Perm&0o777)|0o600)
	if err != nil {
		return err
	}
	k, err := io.CopyBuffer(struct{ io.Writer }{f}, counted{&stoppable{ctx, n.Open()}, x.progress}, x.buf)
	err = errors.Join(err, f.Close())
	if err == nil && k != n.Size {
		err = fmt.Errorf("expected %d bytes, found %d", n.Size, k)
	}
	if err != nil {
		return errors.Join(err, x.dir.Remove(p))
	}
	if n.MTime > 0 {
		t := time.Unix(n.MTime, int64(n.MTimeNsec))
		if err := x.dir.Chtimes(p, t, t); err != nil {
			return err
		}
	}
	x.names[n] = p
	x.out.Files, x.out.Bytes = x.out.Files+1, x.out.Bytes+k
	return nil
}

// counted tells progress of what is read, and hides WriteTo, which would make a
// buffer of its own.
type counted struct {
	r        io.Reader
	progress func(int64)
}

func (c counted) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	if c.progress != nil {
		c.progress(int64(n))
	}
	return n, err
}

// WriteTar writes a tree as a tar that keeps everything: owners, modes, times to
// the nanosecond, devices, hard links, and extended attributes (labels and
// capabilities among them) as PAX records SCHILY.xattr.NAME, which GNU tar and
// bsdtar read. Sockets, which tar does not know, are skipped. The same tree
// gives the same bytes.
func WriteTar(ctx context.Context, root *tree.Node, w io.Writer, progress func(n int64)) (*Extracted, error) {
	t := tar.NewWriter(w)
	out := &Extracted{}
	names := map[*tree.Node]string{}
	buf := make([]byte, 1<<20)
	err := tree.Walk(root, func(p string, n *tree.Node) error {
		if err := ctx.Err(); err != nil {
			return err
		}
		if n.Type == tree.Socket {
			out.skip(p, "a tar has no sockets")
			return nil
		}
		h := tarHeader(p, n)
		if first, ok := names[n]; ok && n.Type != tree.Directory {
			h.Typeflag, h.Linkname, h.Size, h.PAXRecords = tar.TypeLink, first, 0, nil
		}
		if err := t.WriteHeader(h); err != nil {
			return fmt.Errorf("cannot write tar: %q: %w", p, err)
		}
		out.Files++
		if h.Typeflag == tar.TypeReg {
			names[n] = h.Name
			k, err := io.CopyBuffer(struct{ io.Writer }{t}, counted{&stoppable{ctx, n.Open()}, progress}, buf)
			out.Bytes += k
			if err == nil && k != n.Size {
				err = fmt.Errorf("expected %d bytes, found %d", n.Size, k)
			}
			if err != nil {
				return fmt.Errorf("cannot write tar: %q: %w", p, err)
			}
		} else if h.Typeflag != tar.TypeLink && n.Type != tree.Directory {
			names[n] = h.Name
		}
		return nil
	})
	if err != nil {
		return out, err
	}
	if err := t.Close(); err != nil {
		return out, fmt.Errorf("cannot write tar: %w", err)
	}
	return out, nil
}

func tarHeader(p string, n *tree.Node) *tar.Header {
	h := &tar.Header{
		Format: tar.FormatPAX, Name: p, Mode: int64(n.Perm), Uid: int(n.UID), Gid: int(n.GID),
		ModTime: time.Unix(n.MTime, int64(n.MTimeNsec)).UTC(),
	}
	for _, x := range n.Xattrs {
		if h.PAXRecords == nil {
			h.PAXRecords = map[string]string{}
		}
		h.PAXRecords[xattrRecord+x.Name] = string(x.Value)
	}
	if p == "" {
		h.Name = "."
	}
	switch n.Type {
	case tree.Regular:
		h.Typeflag, h.Size = tar.TypeReg, n.Size
	case tree.Directory:
		h.Typeflag = tar.TypeDir
		h.Name += "/"
	case tree.Symlink:
		h.Typeflag, h.Linkname = tar.TypeSymlink, n.Target
	case tree.FIFO:
		h.Typeflag = tar.TypeFifo
	case tree.CharDevice, tree.BlockDevice:
		h.Typeflag, h.Devmajor, h.Devminor = tar.TypeChar, int64(n.Major), int64(n.Minor)
		if n.Type == tree.BlockDevice {
			h.Typeflag = tar.TypeBlock
		}
	}
	return h
}
