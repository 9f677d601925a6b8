package tree

import (
	"io"
	"io/fs"
	"path"
	"strings"
	"time"
)

// FS shows a tree as an fs.FS, for looking. Symlinks are followed within the
// tree: one that starts with '/' begins at the root of the tree. Names that
// are not valid UTF-8 are listed but cannot be opened, as io/fs demands.
// FileInfo.Sys returns the *Node.
func FS(root *Node) fs.FS { return treeFS{root} }

type treeFS struct{ root *Node }

var (
	_ fs.ReadDirFS  = treeFS{}
	_ fs.StatFS     = treeFS{}
	_ fs.ReadLinkFS = treeFS{}
)

func (t treeFS) Open(name string) (fs.File, error) {
	n, err := t.find("open", name, true)
	if err != nil {
		return nil, err
	}
	i := info{path.Base(name), n}
	if n.Type == Directory {
		return &openDir{info: i}, nil
	}
	return &openFile{SectionReader: n.Open(), info: i}, nil
}

func (t treeFS) Stat(name string) (fs.FileInfo, error) {
	n, err := t.find("stat", name, true)
	if err != nil {
		return nil, err
	}
	return info{path.Base(name), n}, nil
}

func (t treeFS) Lstat(name string) (fs.FileInfo, error) {
	n, err := t.find("lstat", name, false)
	if err != nil {
		return nil, err
	}
	return info{path.Base(name), n}, nil
}

func (t treeFS) ReadLink(name string) (string, error) {
	n, err := t.find("readlink", name, false)
	if err != nil {
		return "", err
	}
	if n.Type != Symlink {
		return "", &fs.PathError{Op: "readlink", Path: name, Err: fs.ErrInvalid}
	}
	return n.Target, nil
}

func (t treeFS) ReadDir(name string) ([]fs.DirEntry, error) {
	n, err := t.find("readdir", name, true)
	if err != nil {
		return nil, err
	}
	if n.Type != Directory {
		return nil, &fs.PathError{Op: "readdir", Path: name, Err: fs.ErrInvalid}
	}
	return dirEntries(n.Entries), nil
}

// find resolves a name; follow says whether a symlink at its end is followed.
func (t treeFS) find(op, name string, follow bool) (*Node, error) {
	if !fs.ValidPath(name) {
		return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	stack := []*Node{t.root}
	rest := name
	links := 0
	for rest != "" {
		var part string
		part, rest, _ = strings.Cut(rest, "/")
		switch part {
		case "", ".":
			continue
		case "..":
			if len(stack) > 1 {
				stack = stack[:len(stack)-1]
			}
			continue
		}
		n := stack[len(stack)-1].Entry(part)
		if n == nil {
			return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
		}
		if n.Type != Symlink || rest == "" && !follow {
			stack = append(stack, n)
			continue
		}
		// Linux gives up after 40 as well; the length bounds what links to links can grow to.
		if links++; links > 40 || len(n.Target)+len(rest) > 64<<10 {
			return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
		}
		if strings.HasPrefix(n.Target, "/") {
			stack = stack[:1]
		}
		rest = n.Target + "/" + rest
	}
	return stack[len(stack)-1], nil
}

type info struct {
	name string
	n    *Node
}

func (i info) Name() string               { return i.name }
func (i info) Size() int64                { return i.n.Size }
func (i info) Mode() fs.FileMode          { return i.n.Mode() }
func (i info) Type() fs.FileMode          { return i.n.Mode().Type() }
func (i info) ModTime() time.Time         { return time.Unix(i.n.MTime, int64(i.n.MTimeNsec)).UTC() }
func (i info) IsDir() bool                { return i.n.Type == Directory }
func (i info) Sys() any                   { return i.n }
func (i info) Info() (fs.FileInfo, error) { return i, nil }
func (i info) String() string             { return fs.FormatFileInfo(i) }

func dirEntries(es []Entry) []fs.DirEntry {
	out := make([]fs.DirEntry, len(es))
	for i, e := range es {
		out[i] = info{e.Name, e.Node}
	}
	return out
}

type openFile struct {
	*io.SectionReader
	info info
}

func (f *openFile) Stat() (fs.FileInfo, error) { return f.info, nil }
func (f *openFile) Close() error               { return nil }

type openDir struct {
	info info
	next int
}

func (d *openDir) Stat() (fs.FileInfo, error) { return d.info, nil }
func (d *openDir) Close() error               { return nil }
func (d *openDir) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: d.info.name, Err: fs.ErrInvalid}
}

func (d *openDir) ReadDir(n int) ([]fs.DirEntry, error) {
	left := d.info.n.Entries[d.next:]
	if n > 0 {
		if len(left) == 0 {
			return nil, io.EOF
		}
		left = left[:min(n, len(left))]
	}
	d.next += len(left)
	return dirEntries(left), nil
}
