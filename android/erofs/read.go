package erofs

import (
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/fridayos/friday/android/tree"
)

// Tree reads the whole tree. Content is read from the image when it is asked
// for; hard links are one node.
func (im *Image) Tree() (*tree.Node, error) {
	root, err := im.tree()
	if err != nil {
		return nil, fmt.Errorf("cannot read erofs image: %w", err)
	}
	return root, nil
}

func (im *Image) tree() (*tree.Node, error) {
	t := &treeReader{
		im:     im,
		spent:  &budget{min(im.size, MaxMetadata)},
		nodes:  map[uint64]*tree.Node{},
		shared: sharedXattrs{},
	}
	root, dir, err := t.node(uint64(im.sb.root))
	if err != nil {
		return nil, err
	}
	if root.Type != tree.Directory {
		return nil, bad(dir.at, "type of the root", "dir", root.Type)
	}
	// A list instead of a recursion: a deep tree costs no stack.
	todo := []openDirectory{{root, dir, 0}}
	for len(todo) > 0 {
		d := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		below, err := t.directory(d)
		if err != nil {
			return nil, err
		}
		todo = append(todo, below...)
	}
	return root, nil
}

type treeReader struct {
	im      *Image
	spent   *budget
	nodes   map[uint64]*tree.Node
	shared  sharedXattrs
	entries int
}

type openDirectory struct {
	node  *tree.Node
	in    *inode
	depth int
}

// node reads an inode, or returns the node that was made of it before; then
// there is no inode.
func (t *treeReader) node(nid uint64) (*tree.Node, *inode, error) {
	if n, ok := t.nodes[nid]; ok {
		return n, nil, nil
	}
	if len(t.nodes) == MaxInodes {
		return nil, nil, fmt.Errorf("inode %d: more than %d inodes", nid, MaxInodes)
	}
	in, err := t.im.readInode(nid, t.spent)
	if err != nil {
		return nil, nil, err
	}
	n, err := in.node()
	if err != nil {
		return nil, nil, err
	}
	if n.Xattrs, err = t.im.readXattrs(in, t.shared, t.spent); err != nil {
		return nil, nil, err
	}
	switch n.Type {
	case tree.Regular:
		n.Size = in.size
		n.Content, n.Extents, err = t.im.content(in, t.spent)
	case tree.Symlink:
		n.Target, err = t.target(in)
	}
	if err != nil {
		return nil, nil, err
	}
	t.nodes[nid] = n
	return n, in, nil
}

func (t *treeReader) target(in *inode) (string, error) {
	if in.size < 1 || in.size > maxSymlink {
		return "", bad(in.at, "i_size of a symlink", fmt.Sprintf("1 to %d", maxSymlink), in.size)
	}
	b, err := t.all(in)
	if err != nil {
		return "", err
	}
	if i := slices.Index(b, 0); i >= 0 {
		return "", bad(in.at, "target of a symlink", "no NUL", fmt.Sprintf("one at %d", i))
	}
	return string(b), nil
}

// all reads the content of a symlink or directory.
func (t *treeReader) all(in *inode) ([]byte, error) {
	if err := t.spent.spend(in.at, in.size); err != nil {
		return nil, err
	}
	r, _, err := t.im.content(in, t.spent)
	if err != nil || in.size == 0 {
		return nil, err
	}
	b := make([]byte, in.size)
	if n, err := r.ReadAt(b, 0); n < len(b) {
		return nil, fmt.Errorf("%s: content: %w", in.at, err)
	}
	return b, nil
}

// directory reads the entries of a directory and returns the directories
// below.
func (t *treeReader) directory(d openDirectory) ([]openDirectory, error) {
	if d.depth > tree.MaxDepth {
		return nil, fmt.Errorf("%s: more than %d directories deep", d.in.at, tree.MaxDepth)
	}
	b, err := t.all(d.in)
	if err != nil {
		return nil, err
	}
	var below []openDirectory
	for off := int64(0); off < int64(len(b)); off += t.im.blockSize() {
		block := b[off:min(off+t.im.blockSize(), int64(len(b)))]
		err := dirents(d.in.at, off, block, func(name string, nid uint64, kind uint8) error {
			if name == "." || name == ".." {
				return nil
			}
			if t.entries++; t.entries > MaxEntries {
				return fmt.Errorf("%s: more than %d names", d.in.at, MaxEntries)
			}
			if err := tree.ValidName(name); err != nil {
				return bad(d.in.at, fmt.Sprintf("name in directory block at %d", off), "a name for a file", err)
			}
			n, in, err := t.node(nid)
			if err != nil {
				return fmt.Errorf("%q: %w", name, err)
			}
			if kind != n.Type.FileType() {
				return bad(d.in.at, fmt.Sprintf("type of %q in directory", name), fmt.Sprintf("%d (%s)", n.Type.FileType(), n.Type), kind)
			}
			if n.Type == tree.Directory {
				if in == nil {
					return bad(d.in.at, fmt.Sprintf("entry %q", name), "a directory that has no other name", fmt.Sprintf("inode %d again", nid))
				}
				below = append(below, openDirectory{n, in, d.depth + 1})
			}
			d.node.Entries = append(d.node.Entries, tree.Entry{Name: name, Node: n})
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return below, sortEntries(d)
}

func sortEntries(d openDirectory) error {
	es := d.node.Entries
	slices.SortFunc(es, func(a, b tree.Entry) int { return strings.Compare(a.Name, b.Name) })
	for i := 1; i < len(es); i++ {
		if es[i].Name == es[i-1].Name {
			return bad(d.in.at, "directory", "each name once", fmt.Sprintf("%q twice", es[i].Name))
		}
	}
	return nil
}

// dirents reads one block of a directory: fixed records, then their names.
func dirents(a at, off int64, b []byte, fn func(name string, nid uint64, kind uint8) error) error {
	if len(b) < direntSize {
		return bad(a, fmt.Sprintf("directory block at %d", off), fmt.Sprintf("at least %d bytes", direntSize), len(b))
	}
	first := int(binary.LittleEndian.Uint16(b[8:]))
	if first < direntSize || first%direntSize != 0 || first > len(b) {
		return bad(a, fmt.Sprintf("nameoff in directory block at %d", off), fmt.Sprintf("a multiple of %d up to %d", direntSize, len(b)), first)
	}
	for pos := 0; pos < first; pos += direntSize {
		start := int(binary.LittleEndian.Uint16(b[pos+8:]))
		end, last := len(b), pos+direntSize == first
		if !last {
			end = int(binary.LittleEndian.Uint16(b[pos+direntSize+8:]))
		}
		if start < first || start > end || end > len(b) {
			return bad(a, fmt.Sprintf("nameoff in directory block at %d, entry %d", off, pos/direntSize),
				fmt.Sprintf("rising offsets from %d to %d", first, len(b)), fmt.Sprintf("%d, then %d", start, end))
		}
		name := string(b[start:end])
		if last {
			name, _, _ = strings.Cut(name, "\x00")
		}
		if err := fn(name, binary.LittleEndian.Uint64(b[pos:]), b[pos+10]); err != nil {
			return err
		}
	}
	return nil
}

// content returns a reader of the content of an inode, and where it lies. The
// reader is nil if there is none.
func (im *Image) content(in *inode, spent *budget) (io.ReaderAt, []tree.Extent, error) {
	if in.size == 0 {
		return nil, nil, nil
	}
	switch in.layout {
	case layoutPlain, layoutInline:
		return im.flat(in)
	case layoutChunked:
		return im.chunked(in, spent)
	}
	z, err := im.compressed(in, spent)
	if err != nil {
		return nil, nil, err
	}
	return z, z.extents(), nil
}

// flat is content that lies in one piece, or in one with the last block behind
// the inode.
func (im *Image) flat(in *inode) (io.ReaderAt, []tree.Extent, error) {
	plain := in.size
	if in.layout == layoutInline {
		plain = (in.size - 1) / im.blockSize() * im.blockSize()
	}
	out := new(pieces)
	if plain > 0 {
		off, err := im.blockRange(in.at, in.u, plain)
		if err != nil {
			return nil, nil, err
		}
		out.add(off, plain)
	}
	if n := in.size - plain; n > 0 {
		off := in.tail()
		if off%im.blockSize()+n > im.blockSize() || off+n > im.size {
			return nil, nil, bad(at{in.at.nid, off}, "inline tail", "bytes within one block of the image", fmt.Sprintf("%d bytes", n))
		}
		out.add(off, n)
	}
	return out.reader(im), out.extents, nil
}

// chunked is content in pieces of one size, each with an address of its own.
func (im *Image) chunked(in *inode, spent *budget) (io.ReaderAt, []tree.Extent, error) {
	const hasIndexes, hole = 0x20, 0xffffffff
	if in.u&^0x3f != 0 {
		return nil, nil, unsupported(in.at, fmt.Sprintf("chunk format %#x", in.u))
	}
	bits := uint8(in.u&0x1f) + im.sb.blockBits
	unit := int64(4)
	if in.u&hasIndexes != 0 {
		unit = 8
	}
	table := alignUp(in.tail(), unit)
	count := (in.size-1)>>bits + 1
	if err := spent.spend(in.at, count*unit); err != nil {
		return nil, nil, err
	}
	b := make([]byte, count*unit)
	if err := im.readAt(b, table); err != nil {
		return nil, nil, fmt.Errorf("chunks of inode %d: %w", in.at.nid, err)
	}
	out := new(pieces)
	for i := range count {
		a := at{in.at.nid, table + i*unit}
		n := min(int64(1)<<bits, in.size-i<<bits)
		e := b[i*unit:][:unit]
		if unit == 8 {
			if dev := binary.LittleEndian.Uint16(e[2:]); dev != 0 {
				return nil, nil, unsupported(a, fmt.Sprintf("content on extra device %d", dev))
			}
			e = e[4:]
		}
		block := binary.LittleEndian.Uint32(e)
		if block == hole {
			out.hole(n)
			continue
		}
		off, err := im.blockRange(a, block, n)
		if err != nil {
			return nil, nil, err
		}
		out.add(off, n)
	}
	return out.reader(im), out.extents, nil
}

// pieces joins ranges of the image that follow each other.
type pieces struct {
	extents []tree.Extent // a hole has the offset -1
	holes   bool
}

func (p *pieces) add(off, n int64) {
	if i := len(p.extents) - 1; i >= 0 && p.extents[i].Offset >= 0 && p.extents[i].Offset+p.extents[i].Length == off {
		p.extents[i].Length += n
		return
	}
	p.extents = append(p.extents, tree.Extent{Offset: off, Length: n, Raw: true})
}

func (p *pieces) hole(n int64) {
	p.holes = true
	if i := len(p.extents) - 1; i >= 0 && p.extents[i].Offset < 0 {
		p.extents[i].Length += n
		return
	}
	p.extents = append(p.extents, tree.Extent{Offset: -1, Length: n})
}

// reader reads the pieces, and leaves only those that lie in the image.
func (p *pieces) reader(im *Image) io.ReaderAt {
	out := new(tree.Image)
	for _, e := range p.extents {
		if e.Offset < 0 {
			out.AppendZeros(e.Length)
		} else {
			out.AppendRange(im.r, e.Offset, e.Length)
		}
	}
	if p.holes {
		p.extents = slices.DeleteFunc(p.extents, func(e tree.Extent) bool { return e.Offset < 0 })
	}
	return out
}
