// Package nest opens what lies within what: firmware zips, tars, compressed
// files, OTA payloads, sparse and super images, boot images and file systems, to
// any depth, each as a tree.
//
// A path names a thing by the levels that lead to it, with "//" between them:
//
//	fw.zip//AP.tar.md5//super.img.lz4//system_a//system/build.prop
//
// Before "//" stands something to be opened, behind it a path in what it holds.
// Compression and sparse images are wrappings: they are taken off on the way and
// have no level of their own. A path that ends in "//" is what is within.
//
// Nothing is unpacked where reading at any offset is possible: stored and tarred
// files, LZ4 frames of independent blocks, payloads, sparse images, super, and
// file systems. Where it is not, a temporary file holds the bytes until Close,
// up to a bound; it has no name, so nothing is left behind. Memory does not grow
// with what is opened.
//
// It knows no format itself beyond the containers that have no package of their
// own (zip, tar, cpio, compression): a table of openers, by magic, does, Samsung's,
// Sony's, HTC's and OnePlus's among them. Who knows more formats adds to it.
// What needs a phone's key (.ozip, HTC's encrypted zips) is named and stays
// closed. It does not decide whether something is good:
// Info and Verify say what is there and what is wrong.
package nest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"github.com/fridayos/friday/android/tree"
)

const (
	// MaxDepth is how many levels lie within each other at most; a zip can hold
	// itself.
	MaxDepth = 16
	// MaxWindow is the largest window of a compressor in bytes that is taken
	// unless Options say otherwise.
	MaxWindow = 64 << 20
	// MaxEntries is the most files that an archive may hold.
	MaxEntries = 1 << 18

	headSize = 8192 // what formats are told by
)

// ErrUnknown is wrapped by the errors for what no opener knows.
var ErrUnknown = errors.New("unknown format")

// ErrAbsent is wrapped by the errors of reading what an image describes and does
// not hold: partitions of an incremental package, or on another device.
var ErrAbsent = errors.New("its content is not here")

// Options are a Nest's. The zero Options do.
type Options struct {
	Formats   []Format // nil: Formats()
	TempDir   string   // for temporary files; "": the system's
	MaxSpill  int64    // bytes that all of them may take together; 0: 64 GiB
	MaxWindow int64    // of a compressor, in bytes; 0: the constant of that name
	// Keys are the contents of key files that the user brings, for what is
	// encrypted: an .ozip's key (package oneplus, OzipKeys), a device's key file
	// and key maps (package htc, KeyRing). Each is tried where it fits.
	Keys [][]byte
}

// Nest opens things and keeps what is open until Close. It may be used by many
// goroutines at once.
type Nest struct {
	o       Options
	mu      sync.Mutex
	files   []io.Closer
	spilled int64
}

// New makes a Nest.
func New(o Options) *Nest {
	if o.Formats == nil {
		o.Formats = Formats()
	}
	if o.MaxSpill == 0 {
		o.MaxSpill = 64 << 30
	}
	if o.MaxWindow == 0 {
		o.MaxWindow = MaxWindow
	}
	return &Nest{o: o}
}

// Close closes all files and frees the temporary ones.
func (n *Nest) Close() error {
	n.mu.Lock()
	defer n.mu.Unlock()
	var err error
	for _, f := range n.files {
		err = errors.Join(err, f.Close())
	}
	n.files = nil
	return err
}

// File is bytes that may hold something.
type File struct {
	Name string // without folders
	R    io.ReaderAt
	Size int64
	// Sibling finds a file beside this one, such as the next part of a sparse image
	// or a partition that a vbmeta describes; nil: there are none.
	Sibling func(name string) (File, bool)
	names   func() []string // of all that lies beside it; nil: nobody knows
	up      *File           // what it lies in; nil: a file on disk
	depth   int
}

// Format is an opener.
type Format struct {
	Name string
	// Match says whether f is of the format, by its first bytes (up to 8,192).
	Match func(f File, head []byte) bool
	// Open opens it. An error says that it is of the format, and damaged.
	Open func(ctx context.Context, n *Nest, f File) (*Opened, error)
}

// Opened is what an opener found: a wrapping has an Inner, a container a Root,
// anything else neither.
type Opened struct {
	Format   string
	Facts    map[string]any
	Inner    *File
	Root     *tree.Node
	Problems []string
	// Files says that the files of Root are those of a file system, not things that
	// Info opens as well.
	Files bool
	// Verify checks what checksums and signatures say; nil: there is nothing to
	// check. Each check ends in a call of report, with an error if it failed.
	Verify func(ctx context.Context, report func(what string, err error)) error
	of     File // what was opened
}

// Object is what a path leads to.
type Object struct {
	Path string
	File File       // for regular files and for what is within one
	Node *tree.Node // an entry of a container; nil for a file on disk
}

// Open finds what a path leads to. The first level is a file on disk.
func (n *Nest) Open(ctx context.Context, path string) (*Object, error) {
	levels := strings.Split(path, "//")
	f, err := n.disk(levels[0])
	if err != nil {
		return nil, err
	}
	o := &Object{Path: levels[0], File: f}
	for _, level := range levels[1:] {
		level = strings.Trim(level, "/")
		switch {
		case o.Node != nil && o.Node.Type != tree.Regular && o.Node.Type != tree.Directory:
			return nil, fmt.Errorf("cannot open %s: it is a %s, which holds nothing", o.Path, o.Node.Type)
		case o.Node != nil && o.Node.Type == tree.Directory && level == "":
			continue
		case level == "":
			o, err = n.within(ctx, o)
		default:
			o, err = n.below(ctx, o, level)
		}
		if err != nil {
			return nil, err
		}
	}
	return o, nil
}

// below finds a path in what an object is or holds.
func (n *Nest) below(ctx context.Context, o *Object, path string) (*Object, error) {
	if o.Node != nil && o.Node.Type == tree.Directory {
		return n.entry(o, o.Node, path)
	}
	opened, err := n.Container(ctx, o.File)
	if err != nil {
		return nil, fmt.Errorf("cannot open %s: %w", o.Path, err)
	}
	if opened.Root == nil {
		return nil, fmt.Errorf("cannot open %s: a %s holds no files, so there is no %q", o.Path, opened.Format, path)
	}
	return n.entry(o, opened.Root, path)
}

// within takes the wrappings off: what they hold is a file, or a folder.
func (n *Nest) within(ctx context.Context, o *Object) (*Object, error) {
	f := o.File
	for unwrapped := false; ; unwrapped = true {
		opened, err := n.Identify(ctx, f)
		if unwrapped && errors.Is(err, ErrUnknown) {
			return &Object{Path: strings.TrimSuffix(o.Path, "//") + "//", File: f}, nil
		}
		if err != nil {
			return nil, fmt.Errorf("cannot open %s: %w", o.Path, err)
		}
		if opened.Inner == nil {
			out := &Object{Path: strings.TrimSuffix(o.Path, "//") + "//", File: f}
			if opened.Root != nil {
				out.Node = opened.Root
			}
			return out, nil
		}
		f = *opened.Inner
	}
}

// entry finds a path in a folder.
func (n *Nest) entry(o *Object, root *tree.Node, path string) (*Object, error) {
	node, dir := root, (*tree.Node)(nil)
	base := strings.TrimSuffix(o.Path, "//")
	for name := range strings.SplitSeq(path, "/") {
		dir = node
		if node = node.Entry(name); node == nil {
			return nil, fmt.Errorf("cannot open %s//%s: there is no %q: %w%s", base, path, name, fs.ErrNotExist, near(dir))
		}
	}
	out := &Object{Path: base + "//" + path, Node: node, File: File{up: o.File.up, depth: o.File.depth}}
	in := &o.File
	if in.R == nil { // a folder in what it lies in
		in = in.up
	}
	if node.Type == tree.Regular {
		out.File = childFile(dir, path[strings.LastIndex(path, "/")+1:], node, in, o.File.depth+1)
	} else {
		out.File.up = in
	}
	return out, nil
}

// near names some of what a folder holds.
func near(dir *tree.Node) string {
	var names []string
	for i, e := range dir.Entries {
		if i == 8 {
			names = append(names, fmt.Sprintf("and %d more", len(dir.Entries)-i))
			break
		}
		names = append(names, e.Name)
	}
	if len(names) == 0 {
		return ""
	}
	return "; it holds " + strings.Join(names, ", ")
}

// childFile is an entry of a folder of up as a file that can be opened.
func childFile(dir *tree.Node, name string, node *tree.Node, up *File, depth int) File {
	r := node.Content
	if r == nil {
		r = strings.NewReader("")
	}
	names := func() []string {
		var out []string
		for _, e := range dir.Entries {
			out = append(out, e.Name)
		}
		return out
	}
	return File{Name: name, R: r, Size: node.Size, names: names, up: up, depth: depth, Sibling: func(name string) (File, bool) {
		if s := dir.Entry(name); s != nil && s.Type == tree.Regular {
			return childFile(dir, name, s, up, depth), true
		}
		return File{}, false
	}}
}

// disk opens a file on disk.
func (n *Nest) disk(path string) (File, error) {
	fi, err := os.Stat(path) // first: opening a FIFO would wait
	if err == nil && !fi.Mode().IsRegular() {
		return File{}, fmt.Errorf("cannot open %s: expected a file, found a %s", path, map[bool]string{true: "folder", false: "device or pipe"}[fi.IsDir()])
	}
	var f *os.File
	if err == nil {
		f, err = os.Open(path)
	}
	if err != nil {
		var e *os.PathError
		if errors.As(err, &e) {
			err = e.Err
		}
		return File{}, fmt.Errorf("cannot open %s: %w%s", path, err, hint(path))
	}
	n.keep(f)
	names := func() []string {
		es, err := os.ReadDir(filepath.Dir(path))
		if err != nil {
			return nil // who asks does without
		}
		var out []string
		for _, e := range es {
			out = append(out, e.Name())
		}
		return out
	}
	return File{Name: filepath.Base(path), R: f, Size: fi.Size(), names: names, Sibling: func(name string) (File, bool) {
		if name != filepath.Base(name) {
			return File{}, false
		}
		s, err := n.disk(filepath.Join(filepath.Dir(path), name))
		return s, err == nil
	}}, nil
}

// hint says how a path that goes through a file with one slash is written.
func hint(path string) string {
	for i := 1; i < len(path); i++ {
		if path[i] != '/' {
			continue
		}
		fi, err := os.Stat(path[:i])
		if err == nil && fi.IsDir() {
			continue
		}
		if err == nil && fi.Mode().IsRegular() {
			return fmt.Sprintf("; %s is a file: what is in it has \"//\" before it, as %s//%s", path[:i], path[:i], strings.TrimLeft(path[i:], "/"))
		}
		break
	}
	return ""
}

func (n *Nest) keep(c io.Closer) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.files = append(n.files, c)
}

// header is a reader that gives its first bytes without being read from there
// on later.
type header interface{ head(b []byte) (int, error) }

// firstBytes fills b.
func firstBytes(r io.ReaderAt, b []byte) error {
	if h, ok := r.(header); ok {
		_, err := h.head(b)
		return err
	}
	return tree.ReadFull(r, b, 0)
}

// Identify finds the format of a file and opens it. An error that wraps
// ErrUnknown names the magic.
func (n *Nest) Identify(ctx context.Context, f File) (*Opened, error) {
	if f.depth > MaxDepth {
		return nil, fmt.Errorf("more than %d levels lie within each other", MaxDepth)
	}
	head := make([]byte, min(headSize, f.Size))
	if err := firstBytes(f.R, head); err != nil {
		return nil, err
	}
	i := slices.IndexFunc(n.o.Formats, func(x Format) bool { return x.Match(f, head) })
	if i < 0 {
		return nil, fmt.Errorf("%w: %s", ErrUnknown, magic(head))
	}
	opened, err := n.o.Formats[i].Open(ctx, n, f)
	if err != nil {
		return nil, err
	}
	if opened.Format == "" {
		opened.Format = n.o.Formats[i].Name
	}
	opened.of = f
	if opened.Inner != nil {
		opened.Inner.depth, opened.Inner.up, opened.Inner.names = f.depth+1, f.up, f.names
	}
	return opened, nil
}

// magic says what an unknown file begins with.
func magic(head []byte) string {
	if len(head) == 0 {
		return "it is empty"
	}
	at := 0
	for at < len(head) && head[at] == 0 {
		at++
	}
	if at == len(head) {
		return fmt.Sprintf("zeros up to byte %d", at)
	}
	b := head[at:min(at+8, len(head))]
	return fmt.Sprintf("at byte %d: %x %q", at, b, b)
}

// Container takes wrappings off until there is a container, or something that
// holds nothing.
func (n *Nest) Container(ctx context.Context, f File) (*Opened, error) {
	for {
		opened, err := n.Identify(ctx, f)
		if err != nil || opened.Inner == nil {
			return opened, err
		}
		f = *opened.Inner
	}
}
