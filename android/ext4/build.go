package ext4

import (
	"fmt"
	"math"
	"strings"

	"github.com/fridayos/friday/android/layout"
	"github.com/fridayos/friday/android/tree"
)

const (
	block         = 4096
	inodeSize     = 256
	extraSize     = 32
	perGroup      = block * 8
	inodesInBlock = block / inodeSize
	inlineExtents = 4
	leafExtents   = (block - extentSize - 4) / extentSize // with room for a checksum
	maxLinks      = 65000
)

// Options are the parts of an image that do not come from its tree.
type Options struct {
	UUID        [16]byte
	HashSeed    [16]byte // of directory indexes; zero: UUID
	Time        int64    // when it was made, in seconds since 1970
	VolumeName  string   // at most 16 bytes
	LastMounted string   // as "/system"; at most 63 bytes
	// Size in bytes, a multiple of 4096; 0: as small as it can be.
	Size int64
	// Inodes that there is room for; 0 or too few: as many as are needed.
	Inodes uint32
	// JournalBlocks is the size of a journal, 1024 to 262144 blocks; 0: none, as is
	// right for what is never written.
	JournalBlocks uint32
	// MetadataSum adds checksums to all metadata (Linux 3.18 and later). Without,
	// only the descriptors of groups have them.
	MetadataSum bool
	// ReadOnly marks the image so that Linux 4.0 and later refuse to write it.
	ReadOnly bool
	// SixtyFour gives the descriptors of groups 64 bytes, as mke2fs does today.
	SixtyFour bool
	// SharedBlocks stores a block that several files hold once, and none that is
	// all zeros, as Android's e2fsdroid -s does. Content is read for
	// that. Linux mounts such an image for reading alone, which ReadOnly says.
	SharedBlocks bool
}

// Build lays a tree out as an image of 4 KiB blocks. The same tree and options
// give the same bytes, however the tree was made. Content is not copied: the
// image points to it, so it must stay as it is for as long as the image is used.
func Build(root *tree.Node, o Options) (*tree.Image, error) {
	im, err := build(root, o)
	if err != nil {
		return nil, fmt.Errorf("cannot build ext4 image: %w", err)
	}
	return im, nil
}

func build(root *tree.Node, o Options) (*tree.Image, error) {
	b, err := newBuilder(root, o)
	if err != nil {
		return nil, err
	}
	return b.build(root)
}

func newBuilder(root *tree.Node, o Options) (*builder, error) {
	if err := tree.Validate(root); err != nil {
		return nil, err
	}
	if err := o.check(); err != nil {
		return nil, err
	}
	return &builder{o: o, byNode: map[*tree.Node]*item{}, blocks: map[string]*xattrShare{}, seed: crc32c(^uint32(0), o.UUID[:])}, nil
}

func (b *builder) build(root *tree.Node) (*tree.Image, error) {
	if err := b.collect(root); err != nil {
		return nil, err
	}
	if err := b.keepFiles(); err != nil {
		return nil, err
	}
	if err := b.pieces(); err != nil {
		return nil, err
	}
	need := int64(b.o.JournalBlocks) + int64(len(b.shares))
	for _, it := range b.items {
		for _, p := range it.pieces {
			if p.owner == nil {
				need += p.n
			}
		}
	}
	if err := b.fit(need); err != nil {
		return nil, err
	}
	return b.write()
}

func (o *Options) check() error {
	switch {
	case len(o.VolumeName) > 16:
		return fmt.Errorf("volume name %q has %d bytes; 16 are allowed", o.VolumeName, len(o.VolumeName))
	case len(o.LastMounted) > 63:
		return fmt.Errorf("mount point %q has %d bytes; 63 are allowed", o.LastMounted, len(o.LastMounted))
	case o.Size < 0 || o.Size%block != 0 || o.Size > MaxSize:
		return fmt.Errorf("size: expected a multiple of %d up to %d, found %d", block, int64(MaxSize), o.Size)
	case o.JournalBlocks != 0 && (o.JournalBlocks < 1024 || o.JournalBlocks > 262144):
		return fmt.Errorf("journal: expected 1024 to 262144 blocks, found %d", o.JournalBlocks)
	case o.Time < 0 || o.Time > math.MaxUint32:
		return fmt.Errorf("time: expected seconds of 32 bits, found %d", o.Time)
	}
	if o.HashSeed == [16]byte{} {
		o.HashSeed = o.UUID
	}
	return nil
}

// item is an inode of the image to be.
type item struct {
	path   string // its first name
	node   *tree.Node
	parent *item
	links  int
	ino    uint32
	size   int64
	blocks int64 // of content, less its holes
	pieces []piece
	runs   []run
	nodes  []int64 // blocks of the extent tree: leaves, then indexes, level by level
	inode  []tree.Xattr
	share  *xattrShare
	dir    dirLayout

	was    *layout.File // of the same path in the image before; nil: none
	kept   bool         // its content is the same, and lies where it lay
	digest layout.Digest
	wrote  []run // of a kept file: what no kept one before it holds as well
}

// run is blocks that follow each other, in the image and in the file.
type run struct {
	first, n, logical int64
	shared            bool // another file owns them
}

// xattrShare is an xattr block and who has it.
type xattrShare struct {
	b     []byte
	nth   int // of those with this content
	block int64
	refs  uint32
}

type builder struct {
	o       Options
	seed    uint32
	items   []*item
	byNode  map[*tree.Node]*item
	blocks  map[string]*xattrShare
	shares  []*xattrShare
	inodes  uint32 // the highest number in use
	layout  geometry
	space   *layout.Space
	plan    *layout.Plan // nil: nobody asks where things lie
	journal item
}

// collect numbers the inodes in the order of paths; lost+found, which fsck
// looks for, gets its usual one.
func (b *builder) collect(root *tree.Node) error {
	b.inodes = firstInode - 1
	lost := root.Entry("lost+found")
	err := tree.Walk(root, func(path string, n *tree.Node) error {
		if it, ok := b.byNode[n]; ok {
			it.links++
			return nil
		}
		it := &item{path: path, node: n, links: 1}
		b.byNode[n] = it
		b.items = append(b.items, it)
		if err := b.size(it); err != nil {
			return fmt.Errorf("%q: %w", path, err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	b.keepNumbers()
	next := b.unused()
	if lost != nil && b.byNode[lost].ino == 0 {
		b.byNode[lost].ino = next()
	}
	for _, it := range b.items {
		switch {
		case it.node == root:
			it.ino, it.parent = rootInode, it
		case it.ino == 0:
			it.ino = next()
		}
		for _, e := range it.node.Entries {
			if e.Node.Type == tree.Directory {
				b.byNode[e.Node].parent = it
				it.links++ // its ".."
			}
		}
		if it.node.Type == tree.Directory {
			it.links++ // its "."
		}
	}
	for _, it := range b.items {
		if it.links > maxLinks && it.node.Type != tree.Directory {
			return fmt.Errorf("%q: %d names; the format takes %d", it.path, it.links, maxLinks)
		}
	}
	return nil
}

// size checks that the format can hold an inode, and how much it needs.
func (b *builder) size(it *item) error {
	n := it.node
	if n.MTime < math.MinInt32 || n.MTime >= 1<<34-1<<31 {
		return fmt.Errorf("time %d does not fit; the format takes %d to %d", n.MTime, math.MinInt32, int64(1<<34-1<<31-1))
	}
	switch n.Type {
	case tree.Regular:
		it.size = n.Size
	case tree.Symlink:
		if it.size = int64(len(n.Target)); it.size > maxSymlink {
			return fmt.Errorf("target has %d bytes; %d are allowed", it.size, maxSymlink)
		}
	case tree.Directory:
		it.dir = layoutDir(n, b.o.HashSeed, b.o.MetadataSum)
		it.size = it.dir.blocks() * block
	case tree.CharDevice, tree.BlockDevice:
		if n.Major > tree.MaxMajor || n.Minor > tree.MaxMinor {
			return fmt.Errorf("device %d:%d does not fit; major is at most %d, minor at most %d", n.Major, n.Minor, tree.MaxMajor, tree.MaxMinor)
		}
	}
	it.blocks = alignUp(it.size, block) / block
	if n.Type == tree.Symlink && it.size < blockMapSize {
		it.blocks = 0
	}
	if it.blocks > math.MaxUint32 {
		return fmt.Errorf("%d bytes; the format takes %d blocks of %d", it.size, uint32(math.MaxUint32), block)
	}
	return b.placeXattrs(it)
}

// placeXattrs puts as many xattrs as fit into the inode, the rest into a block
// that inodes with the same rest share.
func (b *builder) placeXattrs(it *item) error {
	room := inodeSize - 128 - extraSize - 8 // less the magic and the end
	var rest []encodedXattr
	for _, x := range it.node.Xattrs {
		e, err := encodeXattr(x)
		if err != nil {
			return err
		}
		if need := e.room(); need <= room {
			room -= need
			it.inode = append(it.inode, x)
			continue
		}
		rest = append(rest, e)
	}
	if len(rest) == 0 {
		return nil
	}
	blk, err := xattrBlock(rest)
	if err != nil {
		return err
	}
	share := b.blocks[string(blk)]
	if share == nil || share.refs == 1024 { // as many as Linux lets share one
		next := &xattrShare{b: blk}
		if share != nil {
			next.nth = share.nth + 1
		}
		share = next
		b.blocks[string(blk)] = share
		b.shares = append(b.shares, share)
	}
	share.refs++
	it.share = share
	return nil
}

// geometry is where the fixed parts of the image lie.
type geometry struct {
	blocks      int64 // of the image
	groups      int64
	inodes      uint32 // of a group
	tableBlocks int64
	descBlocks  int64
}

// descSize is the bytes of a group descriptor.
func (o *Options) descSize() int64 {
	if o.SixtyFour {
		return 64
	}
	return 32
}

func newGeometry(groups int64, inodes uint32, descSize int64) geometry {
	n := alignUp(max((inodes+uint32(groups)-1)/uint32(groups), inodesInBlock), inodesInBlock)
	return geometry{groups: groups, inodes: n, tableBlocks: int64(n) / inodesInBlock, descBlocks: alignUp(groups*descSize, block) / block}
}

// front is how many blocks at the start of a group are not for data.
func (l *geometry) front(g int64) int64 {
	n := 2 + l.tableBlocks
	if hasSuper(uint32(g)) {
		n += 1 + l.descBlocks
	}
	return n
}

// fit finds the number of groups and places everything.
func (b *builder) fit(need int64) error {
	inodes := max(b.inodes, b.o.Inodes)
	if b.plan != nil && b.plan.Was == nil {
		inodes = max(inodes, b.inodes+b.inodes/16) // some to spare for the images to come
	}
	groups := max(alignUp(need, perGroup)/perGroup, int64(inodes)/perGroup, 1)
	if b.o.Size > 0 {
		blocks := b.o.Size / block
		groups = alignUp(blocks, perGroup) / perGroup
		if int64(inodes) > groups*perGroup {
			return fmt.Errorf("size: %d bytes have room for %d inodes, and %d are needed: %w", b.o.Size, groups*perGroup, inodes, ErrNoRoom)
		}
		b.layout = b.geometry(groups, inodes)
		b.layout.blocks = blocks
		if last := blocks - (groups-1)*perGroup; groups > 1 && last <= b.layout.front(groups-1) {
			b.layout = b.geometry(groups-1, inodes) // too little for a group
			b.layout.blocks = (groups - 1) * perGroup
		}
		if !b.place() {
			return fmt.Errorf("size: expected room for %d blocks of content and what describes them, found %d blocks in all: %w", need, blocks, ErrNoRoom)
		}
		return nil
	}
	for ; groups <= MaxSize/block/perGroup; groups++ {
		if int64(inodes) > groups*perGroup {
			continue
		}
		b.layout = b.geometry(groups, inodes)
		b.layout.blocks = groups * perGroup
		if b.place() {
			return nil
		}
	}
	return fmt.Errorf("it would be larger than %d bytes", int64(MaxSize))
}

// dirLayout is how the names of a directory, "." and ".." first, are cut into
// blocks.
type dirLayout struct {
	ends  []int // the entry behind the last of each block; "." and ".." count
	room  int
	index *indexed // nil: it is a list
}

func (d *dirLayout) blocks() int64 {
	if d.index != nil {
		return int64(d.index.blocks())
	}
	return int64(len(d.ends))
}

func layoutDir(n *tree.Node, seed [16]byte, summed bool) dirLayout {
	d := dirLayout{room: block}
	if summed {
		d.room -= dirTailSize
	}
	used := direntSize(".") + direntSize("..")
	for i, e := range n.Entries {
		size := direntSize(e.Name)
		if used+size > d.room {
			d.ends = append(d.ends, i+2)
			used = 0
		}
		used += size
	}
	if d.ends = append(d.ends, len(n.Entries)+2); len(d.ends) > 1 {
		if x, ok := layoutIndex(n, seed, d.room, summed); ok {
			d.index = x
		}
	}
	return d
}

func direntSize(name string) int { return alignUp(8+len(name), 4) }

// directory encodes the blocks of a directory.
func (b *builder) directory(it *item) []byte {
	if it.dir.index != nil {
		return b.index(it)
	}
	out := make([]byte, it.size)
	start := 0
	for i, end := range it.dir.ends {
		p := out[i*block : (i+1)*block]
		pos, last := 0, 0
		for k := start; k < end; k++ {
			name, child := ".", it
			switch {
			case k == 1:
				name, child = "..", it.parent
			case k > 1:
				e := it.node.Entries[k-2]
				name, child = e.Name, b.byNode[e.Node]
			}
			putDirent(p[pos:], child.ino, name, child.node.Type, direntSize(name))
			last = pos
			pos += direntSize(name)
		}
		b.endDirBlock(it, p, last)
		start = end
	}
	return out
}

// splitXattr finds the number of the prefix of a name.
func splitXattr(name string) (index uint8, rest string, err error) {
	for _, i := range []uint8{1, 2, 3, 4, 6} {
		r, ok := strings.CutPrefix(name, xattrPrefix[i])
		if exact := i == 2 || i == 3; ok && exact == (r == "") {
			index, rest = i, r
		}
	}
	if index == 0 {
		return 0, "", fmt.Errorf("xattr %q: the format knows user., trusted., security. and the two of system.posix_acl_", name)
	}
	if len(rest) > 255 {
		return 0, "", fmt.Errorf("xattr %q: its name has %d bytes behind the prefix; 255 are allowed", name, len(rest))
	}
	return index, rest, nil
}
