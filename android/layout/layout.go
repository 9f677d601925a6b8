// Package layout holds layout maps: where the files of a file system image lie.
// A writer that is given the map of the image before keeps what did not change in
// its place (package ext4 and erofs do), so that two images of nearly the same
// files are nearly the same blocks. AOSP's base_fs files serve the same end.
//
// A Map is no file system and no listing: it knows neither owners nor modes, and
// holds no content, only the digests by which a file is known to be unchanged. It
// accounts for every block: what is in no file and no area is free, and zeros.
//
// # The format
//
// Lines of text, which two people can compare:
//
//	friday layout 1
//	fs ext4 blocks 262144 inodes 8192 packing "lz4 1 9 16 false"
//	shared 0107…                        an xattr that inodes share (erofs), in hex
//	area "front" 0+515,32768+513        what belongs to no file
//	file 12 - 9f86… 515+3,7:600+1 - "bin/sh"
//
// A file has its inode's number, the bytes that its inode takes (erofs; "-": the
// format says it), the SHA-256 of its content ("-": it has none), the extents of
// its content, those of the map of its extents (ext4) and its first path. An
// extent is START+COUNT in blocks of 4 KiB, after LOGICAL: where it does not
// follow the one before in the file. Files are sorted by path.
package layout

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"github.com/fridayos/friday/android/tree"
)

// Block is the unit of all places, in bytes.
const Block = 4096

// The bounds that Parse keeps.
const (
	MaxSize    = 512 << 20 // bytes of text
	MaxFiles   = 1 << 20
	MaxExtents = 1 << 21 // of all files
	maxBlocks  = 1 << 32
	maxLine    = 64 << 20
)

// Digest is the SHA-256 of content; the zero one is of what has none.
type Digest = [sha256.Size]byte

// Map is where everything of an image lies.
type Map struct {
	FS      string // "ext4" or "erofs"
	Blocks  int64  // of the file system
	Inodes  uint32 // ext4: of a group
	Packing string // how content is compressed, in the writer's words; "": it is not
	Shared  [][]byte
	Areas   []Area
	Files   []File // by path
}

// Area is what belongs to no file.
type Area struct {
	Name    string
	Extents []Extent
}

// File is one inode.
type File struct {
	Path    string // the first of its names
	Digest  Digest // of the content of a regular file, or of a symlink's target in blocks of its own
	Number  uint64
	Room    int64 // bytes of its inode and what lies behind; 0: the format says it
	Extents []Extent
	Nodes   []Extent // of the map of its extents
}

// Extent is blocks that follow each other in the image and in the file.
type Extent struct{ Logical, Start, Count int64 }

// Plan is what a writer is told of places.
type Plan struct {
	// Was is the map of the image before; nil: there is none.
	Was *Map
	// Digest gives the SHA-256 of a regular file's content where it is known, so
	// that the content need not be read; nil: of none.
	Digest func(*tree.Node) (Digest, bool)
}

// Of is the digest of a node's content, which is read if it is not known.
func (p *Plan) Of(n *tree.Node) (Digest, error) {
	if n.Type == tree.Symlink {
		return sha256.Sum256([]byte(n.Target)), nil
	}
	if p.Digest != nil {
		if d, ok := p.Digest(n); ok {
			return d, nil
		}
	}
	h := sha256.New()
	if _, err := io.CopyBuffer(struct{ io.Writer }{h}, struct{ io.Reader }{n.Open()}, make([]byte, 128<<10)); err != nil {
		return Digest{}, fmt.Errorf("cannot read content: %w", err)
	}
	return Digest(h.Sum(nil)), nil
}

// Lookup finds a file by its path, or returns nil.
func (m *Map) Lookup(path string) *File {
	if m == nil {
		return nil
	}
	i, ok := slices.BinarySearchFunc(m.Files, path, func(f File, p string) int { return strings.Compare(f.Path, p) })
	if !ok {
		return nil
	}
	return &m.Files[i]
}

// Area finds an area by its name; nil if there is none.
func (m *Map) Area(name string) []Extent {
	if m == nil {
		return nil
	}
	for _, a := range m.Areas {
		if a.Name == name {
			return a.Extents
		}
	}
	return nil
}

// Bytes is the map as text. Files are sorted first.
func (m *Map) Bytes() []byte {
	slices.SortFunc(m.Files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	var b []byte
	b = fmt.Appendf(b, "friday layout 1\nfs %s blocks %d inodes %d packing %q\n", m.FS, m.Blocks, m.Inodes, m.Packing)
	for _, s := range m.Shared {
		b = fmt.Appendf(b, "shared %x\n", s)
	}
	for _, a := range m.Areas {
		b = fmt.Appendf(b, "area %q ", a.Name)
		b = append(appendExtents(b, a.Extents), '\n')
	}
	for _, f := range m.Files {
		b = strconv.AppendUint(append(b, "file "...), f.Number, 10)
		b = append(b, ' ')
		if f.Room > 0 {
			b = strconv.AppendInt(b, f.Room, 10)
		} else {
			b = append(b, '-')
		}
		b = append(b, ' ')
		if f.Digest != (Digest{}) {
			b = hex.AppendEncode(b, f.Digest[:])
		} else {
			b = append(b, '-')
		}
		b = appendExtents(append(b, ' '), f.Extents)
		b = appendExtents(append(b, ' '), f.Nodes)
		b = append(strconv.AppendQuote(append(b, ' '), f.Path), '\n')
	}
	return b
}

func appendExtents(b []byte, es []Extent) []byte {
	if len(es) == 0 {
		return append(b, '-')
	}
	next := int64(0)
	for i, e := range es {
		if i > 0 {
			b = append(b, ',')
		}
		if e.Logical != next {
			b = append(strconv.AppendInt(b, e.Logical, 10), ':')
		}
		b = append(strconv.AppendInt(b, e.Start, 10), '+')
		b = strconv.AppendInt(b, e.Count, 10)
		next = e.Logical + e.Count
	}
	return b
}

// Parse reads what Bytes writes.
func Parse(b []byte) (*Map, error) {
	m, err := parse(b)
	if err != nil {
		return nil, fmt.Errorf("cannot read layout map: %w", err)
	}
	return m, nil
}

func parse(b []byte) (*Map, error) {
	if len(b) > MaxSize {
		return nil, fmt.Errorf("it has %d bytes, expected at most %d", len(b), MaxSize)
	}
	p := &parser{m: &Map{}}
	s := bufio.NewScanner(bytes.NewReader(b))
	s.Buffer(nil, maxLine)
	n := 0
	for s.Scan() {
		n++
		if err := p.line(n, s.Text()); err != nil {
			return nil, fmt.Errorf("line %d: %w", n, err)
		}
	}
	if err := s.Err(); err != nil {
		return nil, fmt.Errorf("line %d: %w", n+1, err)
	}
	if n < 2 {
		return nil, fmt.Errorf("it has %d lines, expected at least 2", n)
	}
	return p.m, nil
}

type parser struct {
	m       *Map
	extents int
}

func (p *parser) line(n int, text string) error {
	if n == 1 {
		if text != "friday layout 1" {
			return fmt.Errorf("expected %q, found %.40q", "friday layout 1", text)
		}
		return nil
	}
	kind, rest, _ := strings.Cut(text, " ")
	switch {
	case n == 2 && kind == "fs":
		return p.head(rest)
	case n == 2:
		return fmt.Errorf("expected what file system it is of, found %.40q", text)
	case kind == "shared":
		x, err := hex.DecodeString(rest)
		if err != nil || len(x) == 0 || len(p.m.Files)+len(p.m.Areas) > 0 {
			return fmt.Errorf("expected an xattr in hex before areas and files, found %.40q", text)
		}
		p.m.Shared = append(p.m.Shared, x)
		return nil
	case kind == "area":
		return p.area(rest)
	case kind == "file":
		return p.file(rest)
	}
	return fmt.Errorf("expected shared, area or file, found %.40q", text)
}

func (p *parser) head(rest string) error {
	w := strings.SplitN(rest, " ", 7)
	if len(w) != 7 || w[1] != "blocks" || w[3] != "inodes" || w[5] != "packing" || w[0] != "ext4" && w[0] != "erofs" {
		return fmt.Errorf("expected %q, found %.80q", "fs ext4|erofs blocks N inodes N packing \"…\"", rest)
	}
	blocks, err := strconv.ParseInt(w[2], 10, 64)
	if err != nil || blocks < 1 || blocks > maxBlocks {
		return fmt.Errorf("blocks: expected 1 to %d, found %.20q", int64(maxBlocks), w[2])
	}
	inodes, err := strconv.ParseUint(w[4], 10, 32)
	if err != nil {
		return fmt.Errorf("inodes: expected a number, found %.20q", w[4])
	}
	packing, err := strconv.Unquote(w[6])
	if err != nil || len(packing) > 256 {
		return fmt.Errorf("packing: expected at most 256 quoted bytes, found %.80q", w[6])
	}
	p.m.FS, p.m.Blocks, p.m.Inodes, p.m.Packing = w[0], blocks, uint32(inodes), packing
	return nil
}

func (p *parser) area(rest string) error {
	quoted, err := strconv.QuotedPrefix(rest)
	if err != nil || len(p.m.Files) > 0 {
		return fmt.Errorf("expected a quoted name before all files, found %.40q", rest)
	}
	var a Area
	if a.Name, err = strconv.Unquote(quoted); err != nil {
		return fmt.Errorf("name: %w", err)
	}
	if a.Extents, err = p.list(strings.TrimPrefix(rest[len(quoted):], " ")); err != nil {
		return err
	}
	p.m.Areas = append(p.m.Areas, a)
	return nil
}

func (p *parser) file(rest string) error {
	w := strings.SplitN(rest, " ", 6)
	if len(w) != 6 {
		return fmt.Errorf("expected six fields, found %d", len(w))
	}
	var f File
	var err error
	if f.Number, err = strconv.ParseUint(w[0], 10, 64); err != nil {
		return fmt.Errorf("number: expected a number, found %.20q", w[0])
	}
	if w[1] != "-" {
		if f.Room, err = strconv.ParseInt(w[1], 10, 64); err != nil || f.Room <= 0 {
			return fmt.Errorf("room: expected a number above 0, found %.20q", w[1])
		}
	}
	if w[2] != "-" {
		if d, err := hex.DecodeString(w[2]); err != nil || len(d) != len(f.Digest) {
			return fmt.Errorf("digest: expected %d digits of hex, found %.80q", 2*len(f.Digest), w[2])
		} else {
			f.Digest = Digest(d)
		}
	}
	if f.Extents, err = p.list(w[3]); err != nil {
		return fmt.Errorf("extents: %w", err)
	}
	if f.Nodes, err = p.list(w[4]); err != nil {
		return fmt.Errorf("nodes: %w", err)
	}
	if f.Path, err = strconv.Unquote(w[5]); err != nil {
		return fmt.Errorf("path: expected it quoted, found %.80q", w[5])
	}
	if n := len(p.m.Files); n == MaxFiles {
		return fmt.Errorf("more than %d files", MaxFiles)
	} else if n > 0 && p.m.Files[n-1].Path >= f.Path {
		return fmt.Errorf("path %.80q: expected one behind %.80q", f.Path, p.m.Files[n-1].Path)
	}
	p.m.Files = append(p.m.Files, f)
	return nil
}

// list reads extents.
func (p *parser) list(text string) ([]Extent, error) {
	if text == "-" {
		return nil, nil
	}
	var out []Extent
	next := int64(0)
	for one := range strings.SplitSeq(text, ",") {
		if p.extents++; p.extents > MaxExtents {
			return nil, fmt.Errorf("more than %d extents", MaxExtents)
		}
		e := Extent{Logical: next}
		var err error
		if logical, after, ok := strings.Cut(one, ":"); ok {
			e.Logical, err = strconv.ParseInt(logical, 10, 64)
			one = after
		}
		start, count, _ := strings.Cut(one, "+")
		var errs [2]error
		e.Start, errs[0] = strconv.ParseInt(start, 10, 64)
		e.Count, errs[1] = strconv.ParseInt(count, 10, 64)
		if err = errors.Join(err, errs[0], errs[1]); err != nil {
			return nil, fmt.Errorf("expected LOGICAL:START+COUNT, found %.40q", one)
		}
		if e.Start < 0 || e.Count < 1 || e.Start >= p.m.Blocks || e.Count > p.m.Blocks-e.Start {
			return nil, fmt.Errorf("%.40q: expected blocks below %d", one, p.m.Blocks)
		}
		if e.Logical < next || e.Logical > maxBlocks {
			return nil, fmt.Errorf("%.40q: expected a place in the file from %d on", one, next)
		}
		next = e.Logical + e.Count
		out = append(out, e)
	}
	return out, nil
}
