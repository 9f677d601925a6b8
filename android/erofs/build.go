package erofs

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/fridayos/friday/android/layout"
	"github.com/fridayos/friday/android/tree"
)

const (
	blockBits = 12
	block     = 1 << blockBits
	// inlineMax is the content that lies behind its inode: half a block.
	inlineMax = block / 2
)

// Build lays a tree out as an image of 4 KiB blocks: a plain one that any Linux
// with EROFS mounts (4.19 and later), or one compressed as o.LZ4 says. The same
// tree gives the same bytes, however it was made. Content that is not compressed
// is not copied: the image points to it, so it must stay as it is for as long as
// the image is used, and only content of up to half a block is read at once.
func Build(root *tree.Node, o Options) (*tree.Image, error) {
	b, err := build(root, o)
	if err != nil {
		return nil, fmt.Errorf("cannot build erofs image: %w", err)
	}
	return b, nil
}

func build(root *tree.Node, o Options) (*tree.Image, error) {
	b := &builder{o: o, byNode: map[*tree.Node]*item{}}
	return b.build(root)
}

func (b *builder) build(root *tree.Node) (*tree.Image, error) {
	if err := tree.Validate(root); err != nil {
		return nil, err
	}
	if n := b.o.VolumeName; len(n) > 16 {
		return nil, fmt.Errorf("volume name %q has %d bytes; 16 are allowed", n, len(n))
	}
	if s := b.o.Size; s < 0 || s%block != 0 || s/block > math.MaxUint32 {
		return nil, fmt.Errorf("size: expected a multiple of %d up to %d blocks, found %d", block, uint32(math.MaxUint32), s)
	}
	if err := b.collect(root); err != nil {
		return nil, err
	}
	if err := b.collectXattrs(); err != nil {
		return nil, err
	}
	if err := b.digests(); err != nil {
		return nil, err
	}
	if err := b.compress(); err != nil {
		return nil, err
	}
	for _, it := range b.items {
		if err := b.size(it); err != nil {
			return nil, fmt.Errorf("%q: %w", it.path, err)
		}
	}
	if err := b.place(); err != nil {
		return nil, err
	}
	return b.write()
}

// item is an inode of the image to be.
type item struct {
	path  string // its first name
	node  *tree.Node
	links uint32
	ino   uint32
	nid   uint64

	parent   *item // of a directory
	extended bool
	xattrs   []byte
	size     int64 // of content, target or entries
	inline   int64 // bytes of it behind the inode: all, or the part-filled last block
	blocks   int64 // blocks of its own
	first    int64 // the first of them
	dir      dirLayout
	own      []byte      // blocks of a directory
	packed   *packedFile // nil: not compressed
	plain    io.ReaderAt // of its blocks, where a Memory has them; nil: node has its content

	digest layout.Digest
}

// behind is how many bytes lie behind the inode and its xattrs, which end at pos.
func (it *item) behind(pos int64) int64 {
	if it.packed != nil {
		return zindexSize(pos, it.size) + int64(len(it.packed.tail))
	}
	return it.inline
}

// head is the size of the inode and its xattrs.
func (it *item) head() int64 { return it.inodeSize() + int64(len(it.xattrs)) }

// fit is the first place from pos on, a multiple of inodeUnit, that the inode
// can have: a tail may not cross the end of a block, and an inode should not.
func (it *item) fit(pos int64) int64 {
	for {
		left := block - pos%block
		end := pos + it.head() + it.behind(pos+it.head())
		switch {
		case it.inodeSize() > left:
			pos += left
		case it.packed != nil && it.crosses(end):
			pos += alignUp(block-(end-int64(len(it.packed.tail)))%block, inodeUnit)
		case it.packed == nil && it.head()+it.inline > left && it.head()+it.inline <= block:
			pos += left
		default:
			return pos
		}
	}
}

// crosses says whether a packed tail that ends at end crosses the end of a block.
func (it *item) crosses(end int64) bool {
	n := int64(len(it.packed.tail))
	return n > 0 && (end-n)%block+n > block
}

func (it *item) inodeSize() int64 {
	if it.extended {
		return extendedSize
	}
	return compactSize
}

type builder struct {
	o      Options
	items  []*item // in the order of their first paths
	byNode map[*tree.Node]*item

	sharedID map[string]uint32
	shares   [][]byte // in the order of their places
	shared   []byte

	plan                          *layout.Plan // nil: nobody asks where things lie
	space                         *layout.Space
	xattrBlock, metaBlock, blocks int64
	meta                          []metaRun
}

// collect lists the inodes and counts their links.
func (b *builder) collect(root *tree.Node) error {
	// Parents come before children, so a directory's parent is always known.
	err := tree.Walk(root, func(path string, n *tree.Node) error {
		it := b.byNode[n]
		if it == nil {
			if len(b.items) == MaxInodes {
				return fmt.Errorf("%q: more than %d inodes", path, MaxInodes)
			}
			it = &item{path: path, node: n, ino: uint32(len(b.items) + 1)}
			b.byNode[n] = it
			b.items = append(b.items, it)
		}
		it.links++
		if n.Type == tree.Directory {
			it.links++ // its own "."
		}
		return nil
	})
	if err != nil {
		return err
	}
	top := b.byNode[root]
	top.parent = top
	for _, it := range b.items {
		for _, e := range it.node.Entries {
			if child := b.byNode[e.Node]; e.Node.Type == tree.Directory {
				child.parent = it
				it.links++ // the child's ".."
			}
		}
	}
	return nil
}

// size decides how large an inode is and what lies behind it.
func (b *builder) size(it *item) error {
	n := it.node
	var err error
	if it.xattrs, err = b.xattrArea(n); err != nil {
		return err
	}
	switch n.Type {
	case tree.Regular:
		it.size = n.Size
	case tree.Symlink:
		if it.size = int64(len(n.Target)); it.size > maxSymlink {
			return fmt.Errorf("target has %d bytes; a symlink takes %d", it.size, maxSymlink)
		}
	case tree.Directory:
		it.dir = layoutDir(n)
		it.size = it.dir.size()
	case tree.CharDevice, tree.BlockDevice:
		if n.Major > tree.MaxMajor || n.Minor > tree.MaxMinor {
			return fmt.Errorf("device %d:%d: major is at most %d, minor at most %d", n.Major, n.Minor, tree.MaxMajor, tree.MaxMinor)
		}
	}
	it.extended = n.UID > math.MaxUint16 || n.GID > math.MaxUint16 || it.links > math.MaxUint16 ||
		it.size > math.MaxUint32 || n.MTime != b.o.BuildTime || n.MTimeNsec != 0

	room := block - it.inodeSize() - int64(len(it.xattrs)) // in a block that begins with the inode
	limit := room
	switch n.Type {
	case tree.Regular:
		if limit = min(room, inlineMax); it.size <= limit {
			it.inline = it.size
		}
	case tree.Symlink:
		if it.size <= limit {
			it.inline = it.size
		}
	case tree.Directory:
		if tail := it.size % block; tail <= limit {
			it.inline = tail
		}
	}
	if it.packed != nil {
		it.inline, it.blocks = 0, it.packed.blocks
	} else if it.blocks = (it.size - it.inline + block - 1) / block; it.blocks > math.MaxUint32 {
		return fmt.Errorf("%d bytes; the format takes %d blocks of %d", it.size, uint32(math.MaxUint32), block)
	}
	return nil
}

// write makes the image of what was placed.
func (b *builder) write() (*tree.Image, error) {
	if err := b.inodes(); err != nil {
		return nil, err
	}
	type part struct {
		first  int64
		append func(im *tree.Image)
	}
	parts := []part{{0, func(im *tree.Image) { im.AppendBytes(b.superblock()) }}}
	if len(b.shared) > 0 {
		parts = append(parts, part{b.xattrBlock, func(im *tree.Image) { im.AppendBytes(b.shared) }})
	}
	for _, r := range b.meta {
		parts = append(parts, part{r.first, func(im *tree.Image) { im.AppendBytes(r.b) }})
	}
	for _, it := range b.items {
		if it.blocks > 0 {
			parts = append(parts, part{it.first, func(im *tree.Image) { b.content(it, im) }})
		}
	}
	slices.SortFunc(parts, func(a, b part) int { return cmp.Compare(a.first, b.first) })
	im := new(tree.Image)
	for _, p := range parts {
		im.AppendZeros(p.first*block - im.Size())
		p.append(im)
	}
	im.AppendZeros(b.blocks*block - im.Size())
	return im, nil
}

// content appends the blocks of an inode.
func (b *builder) content(it *item, im *tree.Image) {
	switch {
	case it.packed != nil:
		im.AppendRange(it.packed.r, it.packed.at, it.blocks*block)
	case it.plain != nil:
		im.AppendRange(it.plain, 0, it.blocks*block)
	case it.node.Type == tree.Directory:
		im.AppendBytes(it.own)
	case it.node.Type == tree.Symlink:
		im.AppendBytes([]byte(it.node.Target))
	default:
		im.AppendRange(it.node.Content, 0, it.size)
	}
}

// inodes encodes all inodes and what lies behind them, and the blocks of
// directories.
func (b *builder) inodes() error {
	for _, it := range b.items {
		p := b.metaAt(int64(it.nid) * inodeUnit)
		b.inode(it, p)
		p = p[it.inodeSize():]
		p = p[copy(p, it.xattrs):]
		if it.packed != nil {
			end := int64(it.nid)*inodeUnit + it.head()
			start := alignUp(end, 8)
			b.zindex(it, p[start-end:], start)
			copy(p[zindexSize(end, it.size):], it.packed.tail)
			continue
		}
		if err := b.fillBehind(it, p[:it.inline]); err != nil {
			return fmt.Errorf("%q: %w", it.path, err)
		}
	}
	return nil
}

// fillBehind fills in what lies behind an inode, and the blocks of a directory.
func (b *builder) fillBehind(it *item, p []byte) error {
	switch it.node.Type {
	case tree.Symlink:
		copy(p, it.node.Target)
	case tree.Directory:
		it.own = make([]byte, it.blocks*block)
		return b.directory(it, it.own, p)
	case tree.Regular:
		if len(p) == 0 {
			return nil
		}
		if n, err := it.node.Content.ReadAt(p, 0); n < len(p) {
			if err == nil || err == io.EOF {
				err = io.ErrUnexpectedEOF
			}
			return fmt.Errorf("cannot read content: expected %d bytes, found %d: %w", len(p), n, err)
		}
	}
	return nil
}

// inode encodes an inode.
func (b *builder) inode(it *item, p []byte) {
	le := binary.LittleEndian
	n := it.node
	format := uint16(layoutPlain << 1)
	if it.inline > 0 {
		format = layoutInline << 1
	}
	u := uint32(it.first)
	if it.packed != nil {
		format, u = layoutCompressedCompact<<1, uint32(it.blocks)
	}
	if n.Type == tree.CharDevice || n.Type == tree.BlockDevice {
		u = tree.DeviceNumber(n.Major, n.Minor)
	}
	if len(it.xattrs) > 0 {
		le.PutUint16(p[2:], uint16((len(it.xattrs)-xattrHeaderSize)/4+1))
	}
	le.PutUint16(p[4:], n.Type.Bits()|n.Perm)
	le.PutUint32(p[16:], u)
	ino := it.ino
	if b.plan != nil {
		ino = uint32(it.nid) // a count would change with every file before it
	}
	le.PutUint32(p[20:], ino)
	if !it.extended {
		le.PutUint16(p, format)
		le.PutUint16(p[6:], uint16(it.links))
		le.PutUint32(p[8:], uint32(it.size))
		le.PutUint16(p[24:], uint16(n.UID))
		le.PutUint16(p[26:], uint16(n.GID))
		return
	}
	le.PutUint16(p, format|1)
	le.PutUint64(p[8:], uint64(it.size))
	le.PutUint32(p[24:], n.UID)
	le.PutUint32(p[28:], n.GID)
	le.PutUint64(p[32:], uint64(n.MTime))
	le.PutUint32(p[40:], n.MTimeNsec)
	le.PutUint32(p[44:], it.links)
}

// superblock encodes block 0.
func (b *builder) superblock() []byte {
	le := binary.LittleEndian
	blk := make([]byte, block)
	p := blk[superOffset:]
	le.PutUint32(p, superMagic)
	le.PutUint32(p[8:], compatChecksum|compatMTime)
	p[12] = blockBits
	le.PutUint16(p[14:], uint16(b.items[0].nid))
	le.PutUint64(p[16:], uint64(len(b.items)))
	le.PutUint64(p[24:], uint64(b.o.BuildTime))
	le.PutUint32(p[36:], uint32(b.blocks))
	le.PutUint32(p[40:], uint32(b.metaBlock))
	le.PutUint32(p[44:], uint32(b.xattrBlock))
	copy(p[48:], b.o.UUID[:])
	copy(p[64:], b.o.VolumeName)
	b.zsuper(blk)
	le.PutUint32(p[4:], superChecksum(p))
	return blk
}
