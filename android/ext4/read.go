package ext4

import (
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/fridayos/friday/android/tree"
)

// Tree reads the whole tree. Content is read from the image when it is asked
// for; hard links are one node.
func (im *Image) Tree() (*tree.Node, error) {
	t := &treeReader{im: im, spent: &budget{MaxMetadata}, nodes: map[uint32]*tree.Node{}, shared: map[int64][]xattrEntry{}}
	root, err := t.tree()
	if err != nil {
		return nil, fmt.Errorf("cannot read ext4 image: %w", err)
	}
	return root, nil
}

type treeReader struct {
	im      *Image
	spent   *budget
	nodes   map[uint32]*tree.Node
	shared  map[int64][]xattrEntry
	entries int
	extents int
}

type openDirectory struct {
	node  *tree.Node
	in    *inode
	depth int
}

func (t *treeReader) tree() (*tree.Node, error) {
	root, dir, err := t.node(rootInode)
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

// node reads an inode, or returns the node that was made of it before; then
// there is no inode.
func (t *treeReader) node(ino uint32) (*tree.Node, *inode, error) {
	if n, ok := t.nodes[ino]; ok {
		return n, nil, nil
	}
	if len(t.nodes) == MaxInodes {
		return nil, nil, fmt.Errorf("inode %d: more than %d inodes", ino, MaxInodes)
	}
	in, err := t.im.readInode(ino, t.spent)
	if err != nil {
		return nil, nil, err
	}
	n, err := in.node()
	if err != nil {
		return nil, nil, err
	}
	if n.Xattrs, err = t.xattrs(in); err != nil {
		return nil, nil, err
	}
	switch n.Type {
	case tree.Regular:
		n.Size = in.size
		n.Content, n.Extents, err = t.content(in)
	case tree.Symlink:
		n.Target, err = t.target(in)
	}
	if err != nil {
		return nil, nil, err
	}
	t.nodes[ino] = n
	return n, in, nil
}

func (t *treeReader) target(in *inode) (string, error) {
	if in.size < 1 || in.size > maxSymlink {
		return "", bad(in.at, "i_size of a symlink", fmt.Sprintf("1 to %d", maxSymlink), in.size)
	}
	var b []byte
	var err error
	if in.size < blockMapSize && in.flags&(flagExtents|flagInline) == 0 {
		b = in.b[40:][:in.size]
	} else if b, err = t.all(in); err != nil {
		return "", err
	}
	if i := slices.Index(b, 0); i >= 0 {
		return "", bad(in.at, "target of a symlink", "no NUL", fmt.Sprintf("one at %d", i))
	}
	return string(b), nil
}

// all reads the content of a symlink, a directory or a value.
func (t *treeReader) all(in *inode) ([]byte, error) {
	if err := t.spent.spend(in.at, in.size); err != nil {
		return nil, err
	}
	r, _, err := t.content(in)
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
// below. An index looks like deleted entries to who reads them all, as it does
// to kernels that know none.
func (t *treeReader) directory(d openDirectory) ([]openDirectory, error) {
	if d.depth > tree.MaxDepth {
		return nil, fmt.Errorf("%s: more than %d directories deep", d.in.at, tree.MaxDepth)
	}
	b, err := t.all(d.in)
	if err != nil {
		return nil, err
	}
	r := dirReader{t: t, d: d}
	if d.in.flags&flagInline != 0 {
		if len(b) < 4 {
			return nil, bad(d.in.at, "i_size of a directory in its inode", "at least 4", len(b))
		}
		// The number of the parent, then two areas of entries.
		split := min(len(b), blockMapSize)
		if err := r.block(b[4:split], 4, false); err != nil {
			return nil, err
		}
		err = r.block(b[split:], int64(split), false)
		return r.below, orSorted(err, d)
	}
	bs := t.im.sb.blockSize
	if int64(len(b))%bs != 0 {
		return nil, bad(d.in.at, "i_size of a directory", fmt.Sprintf("a multiple of %d", bs), len(b))
	}
	for off := int64(0); off < int64(len(b)); off += bs {
		if err := r.block(b[off:off+bs], off, true); err != nil {
			return nil, err
		}
	}
	return r.below, orSorted(nil, d)
}

func orSorted(err error, d openDirectory) error {
	if err != nil {
		return err
	}
	es := d.node.Entries
	slices.SortFunc(es, func(a, b tree.Entry) int { return strings.Compare(a.Name, b.Name) })
	for i := 1; i < len(es); i++ {
		if es[i].Name == es[i-1].Name {
			return bad(d.in.at, "directory", "each name once", fmt.Sprintf("%q twice", es[i].Name))
		}
	}
	return nil
}

type dirReader struct {
	t     *treeReader
	d     openDirectory
	below []openDirectory
}

// block reads one block of entries.
func (r *dirReader) block(b []byte, off int64, summed bool) error {
	le := binary.LittleEndian
	in := r.d.in
	if summed && r.t.im.sb.ro&roMetaSum != 0 {
		if err := dirSum(in, b, off); err != nil {
			return err
		}
	}
	for pos := 0; pos < len(b); {
		where := fmt.Sprintf("of the entry at %d of the directory", off+int64(pos))
		if len(b)-pos < 8 {
			return bad(in.at, "rest "+where, "at least 8 bytes", len(b)-pos)
		}
		ino, step, n, kind := le.Uint32(b[pos:]), int(le.Uint16(b[pos+4:])), int(b[pos+6]), b[pos+7]
		if step == 65535 || step == 0 && len(b) == 65536 {
			step = 65536
		}
		if step < 8 || step%4 != 0 || step > len(b)-pos {
			return bad(in.at, "rec_len "+where, fmt.Sprintf("a multiple of 4 from 8 to %d", len(b)-pos), step)
		}
		if r.t.im.sb.incompat&incompatFileType == 0 {
			n, kind = n|int(kind)<<8, 0
		}
		if ino != 0 {
			if 8+n > step {
				return bad(in.at, "name_len "+where, fmt.Sprintf("at most %d", step-8), n)
			}
			if err := r.entry(string(b[pos+8:][:n]), ino, kind); err != nil {
				return err
			}
		}
		pos += step
	}
	return nil
}

func (r *dirReader) entry(name string, ino uint32, kind uint8) error {
	t, in := r.t, r.d.in
	if name == "." || name == ".." {
		return nil
	}
	if t.entries++; t.entries > MaxEntries {
		return fmt.Errorf("%s: more than %d names", in.at, MaxEntries)
	}
	if err := tree.ValidName(name); err != nil {
		return bad(in.at, "name in a directory", "a name for a file", err)
	}
	n, child, err := t.node(ino)
	if err != nil {
		return fmt.Errorf("%q: %w", name, err)
	}
	if kind != 0 && kind != n.Type.FileType() {
		return bad(in.at, fmt.Sprintf("type of %q in directory", name), fmt.Sprintf("%d (%s)", n.Type.FileType(), n.Type), kind)
	}
	if n.Type == tree.Directory {
		if child == nil {
			return bad(in.at, fmt.Sprintf("entry %q", name), "a directory that has no other name", fmt.Sprintf("inode %d again", ino))
		}
		r.below = append(r.below, openDirectory{n, child, r.d.depth + 1})
	}
	r.d.node.Entries = append(r.d.node.Entries, tree.Entry{Name: name, Node: n})
	return nil
}

// dirSum compares the checksum of a block of a directory: the entries', or, in
// the blocks of an index, which hold no names but "." and "..", the index's.
func dirSum(in *inode, b []byte, off int64) error {
	le := binary.LittleEndian
	if in.flags&flagIndex != 0 {
		if off == 0 && len(b) > 0x20 && b[0x1d] == 8 {
			return indexSum(in, b, off, 0x20)
		}
		if le.Uint32(b) == 0 && int(le.Uint16(b[4:])) == len(b)&0xffff {
			return indexSum(in, b, off, 8)
		}
	}
	tail := b[len(b)-dirTailSize:]
	if le.Uint32(tail) != 0 || le.Uint16(tail[4:]) != dirTailSize || tail[6] != 0 || tail[7] != dirTailType {
		return bad(in.at, fmt.Sprintf("end of the directory block at %d", off), "a checksum", fmt.Sprintf("%x", tail))
	}
	if got, want := crc32c(in.seed, b[:len(b)-dirTailSize]), le.Uint32(tail[8:]); got != want {
		return bad(in.at, fmt.Sprintf("checksum of the directory block at %d", off), fmt.Sprintf("%#08x (computed)", got), fmt.Sprintf("%#08x", want))
	}
	return nil
}

// indexSum compares the checksum of a block of an index whose entries begin at
// first.
func indexSum(in *inode, b []byte, off int64, first int) error {
	le := binary.LittleEndian
	limit, count := int(le.Uint16(b[first:])), int(le.Uint16(b[first+2:]))
	end := first + 8*limit
	if count > limit || end+8 > len(b) {
		return bad(in.at, fmt.Sprintf("index in the directory block at %d", off), fmt.Sprintf("at most %d entries", (len(b)-first-8)/8), fmt.Sprintf("%d of %d", count, limit))
	}
	got := crc32c(in.seed, b[:first+8*count])
	got = crc32c(crc32c(got, b[end:end+4]), make([]byte, 4))
	if want := le.Uint32(b[end+4:]); got != want {
		return bad(in.at, fmt.Sprintf("checksum of the index in the directory block at %d", off), fmt.Sprintf("%#08x (computed)", got), fmt.Sprintf("%#08x", want))
	}
	return nil
}
