package ext4

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/fridayos/friday/android/tree"
)

// part is something that has its blocks.
type part struct {
	at   int64 // block
	n    int64 // blocks
	node *tree.Node
	off  int64 // in the content of node
	b    []byte
}

// write makes the image of what was placed.
func (b *builder) write() (*tree.Image, error) {
	tables := make([]byte, int64(b.inodes)*inodeSize) // of all groups, up to the last in use
	parts, err := b.parts(tables)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(parts, func(a, b part) int { return cmp.Compare(a.at, b.at) })

	l := &b.layout
	descs, bitmaps, free := b.groups()
	im := new(tree.Image)
	for g := range l.groups {
		first := g * perGroup
		if hasSuper(uint32(g)) {
			if g == 0 {
				im.AppendZeros(superOffset)
			}
			im.AppendBytes(b.superblock(uint32(g), free))
			im.AppendZeros((first+1)*block - im.Size())
			im.AppendBytes(descs)
		}
		im.AppendBytes(bitmaps[g])
		from := min(g*int64(l.inodes)*inodeSize, int64(len(tables)))
		to := min((g+1)*int64(l.inodes)*inodeSize, int64(len(tables)))
		im.AppendBytes(tables[from:to])
		im.AppendZeros((first+l.front(g))*block - im.Size())
		for len(parts) > 0 && parts[0].at < first+perGroup {
			p := parts[0]
			parts = parts[1:]
			im.AppendZeros(p.at*block - im.Size())
			switch {
			case p.b != nil:
				im.AppendBytes(p.b)
			case p.node.Type == tree.Symlink:
				im.AppendBytes([]byte(p.node.Target))
			default:
				im.AppendRange(p.node.Content, p.off, min(p.n*block, p.node.Size-p.off))
			}
			im.AppendZeros((p.at+p.n)*block - im.Size())
		}
		im.AppendZeros(min(first+perGroup, l.blocks)*block - im.Size())
	}
	im.AppendZeros(b.o.Size - im.Size())
	return im, nil
}

// parts encodes all inodes into tables, and lists what lies in blocks.
func (b *builder) parts(tables []byte) ([]part, error) {
	var out []part
	for _, it := range b.items {
		leaves, err := b.inode(it, tables[int64(it.ino-1)*inodeSize:][:inodeSize])
		if err != nil {
			return nil, err
		}
		for i, leaf := range leaves {
			out = append(out, part{at: it.nodes[i], n: 1, b: leaf})
		}
		var dir []byte
		if it.node.Type == tree.Directory {
			dir = b.directory(it)
		}
		for _, r := range it.own() {
			off := r.logical * block
			p := part{at: r.first, n: r.n, node: it.node, off: off}
			if dir != nil {
				p.b = dir[off:][:r.n*block]
			}
			out = append(out, p)
		}
	}
	for _, s := range b.shares {
		le := binary.LittleEndian
		blk := slices.Clone(s.b)
		le.PutUint32(blk[4:], s.refs)
		if b.o.MetadataSum {
			le.PutUint32(blk[16:], sumLess(crc32c(b.seed, le.AppendUint64(nil, uint64(s.block))), blk, 16, 4))
		}
		out = append(out, part{at: s.block, n: 1, b: blk})
	}
	return append(out, b.journalParts(tables)...), nil
}

// journalParts makes the journal: an empty one, with its superblock.
func (b *builder) journalParts(tables []byte) []part {
	if b.o.JournalBlocks == 0 {
		return nil
	}
	p := tables[(journalInode-1)*inodeSize:][:inodeSize]
	it := &b.journal
	it.node = &tree.Node{Type: tree.Regular, Perm: 0o600, MTime: b.o.Time}
	it.links = 1
	leaves, _ := b.inode(it, p) // it has no xattrs and no size that could not fit
	var out []part
	for i, leaf := range leaves {
		out = append(out, part{at: it.nodes[i], n: 1, b: leaf})
	}
	be := binary.BigEndian
	head := make([]byte, block)
	for i, v := range []uint32{0xc03b3998, 4, 0, block, b.o.JournalBlocks, 1, 1, 0} {
		be.PutUint32(head[4*i:], v)
	}
	copy(head[48:], b.o.UUID[:])
	be.PutUint32(head[64:], 1) // users
	for i, r := range it.runs {
		p := part{at: r.first, n: r.n, b: []byte{}}
		if i == 0 {
			p.b = head
		}
		out = append(out, p)
	}
	return out
}

// groups encodes the descriptors of all groups and their bitmaps, and counts what
// is free.
func (b *builder) groups() (descs []byte, bitmaps [][]byte, free vacancy) {
	le := binary.LittleEndian
	l := &b.layout
	descs = make([]byte, l.descBlocks*block)
	bitmaps = make([][]byte, l.groups)
	dirs := make([]int, l.groups)
	numbers := make([]bool, b.inodes)
	for i := range min(firstInode-1, len(numbers)) {
		numbers[i] = true
	}
	for _, it := range b.items {
		numbers[it.ino-1] = true
		if it.node.Type == tree.Directory {
			dirs[(it.ino-1)/l.inodes]++
		}
	}
	for g := range l.groups {
		first := g * perGroup
		blocks := min(int64(perGroup), l.blocks-first)
		maps := make([]byte, 2*block)
		freeBlocks := int64(0)
		for i := range blocks {
			if b.space.Taken(first + i) {
				maps[i/8] |= 1 << (i % 8)
			} else {
				freeBlocks++
			}
		}
		setBits(maps[:block], blocks, perGroup)
		freeInodes, last := int64(l.inodes), int64(0) // last: behind the last in use
		for i := range min(max(int64(len(numbers))-g*int64(l.inodes), 0), int64(l.inodes)) {
			if numbers[g*int64(l.inodes)+i] {
				maps[block+i/8] |= 1 << (i % 8)
				freeInodes, last = freeInodes-1, i+1
			}
		}
		setBits(maps[block:], int64(l.inodes), perGroup)
		free.blocks, free.inodes = free.blocks+freeBlocks, free.inodes+uint32(freeInodes)
		bitmaps[g] = maps

		bitmapAt := first
		if hasSuper(uint32(g)) {
			bitmapAt += 1 + l.descBlocks
		}
		d := descs[g*b.o.descSize():][:b.o.descSize()]
		for i, v := range []int64{bitmapAt, bitmapAt + 1, bitmapAt + 2} {
			le.PutUint32(d[4*i:], uint32(v))
		}
		le.PutUint16(d[12:], uint16(freeBlocks))
		le.PutUint16(d[14:], uint16(freeInodes))
		le.PutUint16(d[16:], uint16(dirs[g]))
		le.PutUint16(d[18:], 4) // the inode table is zeroed
		le.PutUint16(d[28:], uint16(int64(l.inodes)-last))
		number := le.AppendUint32(nil, uint32(g))
		if b.o.MetadataSum {
			blockSum, inodeSum := crc32c(b.seed, maps[:block]), crc32c(b.seed, maps[block:][:l.inodes/8])
			le.PutUint16(d[24:], uint16(blockSum))
			le.PutUint16(d[26:], uint16(inodeSum))
			if b.o.SixtyFour {
				le.PutUint16(d[56:], uint16(blockSum>>16))
				le.PutUint16(d[58:], uint16(inodeSum>>16))
			}
			le.PutUint16(d[30:], uint16(crc32c(crc32c(b.seed, number), d)))
		} else {
			le.PutUint16(d[30:], groupSum(b.o.UUID, number, d))
		}
	}
	return descs, bitmaps, free
}

// vacancy is what no file has.
type vacancy struct {
	blocks int64
	inodes uint32
}

// setBits sets the bits [from, to).
func setBits(p []byte, from, to int64) {
	for from < to {
		if from%8 == 0 && to-from >= 8 {
			p[from/8] = 0xff
			from += 8
			continue
		}
		p[from/8] |= 1 << (from % 8)
		from++
	}
}

// superblock encodes the copy of a group.
func (b *builder) superblock(g uint32, free vacancy) []byte {
	le := binary.LittleEndian
	l := &b.layout
	p := make([]byte, superSize)
	inodes := l.inodes * uint32(l.groups)
	put := map[int]uint32{
		0: inodes, 4: uint32(l.blocks), 12: uint32(free.blocks), 16: free.inodes,
		24: 2, 28: 2, 32: perGroup, 36: perGroup, 40: l.inodes,
		48: uint32(b.o.Time), 64: uint32(b.o.Time), 76: 1, 84: firstInode,
		92: compatXattr | compatDirIndex, 96: incompatFileType | incompatExtents,
		100: roSparseSuper | roLargeFile | roHugeFile | roDirLinks | roExtraSize,
		256: 0xc, // xattrs and ACLs
		264: uint32(b.o.Time), 352: 1,
	}
	if b.o.JournalBlocks > 0 {
		put[92] |= compatJournal
		put[224] = journalInode
	}
	if b.o.ReadOnly {
		put[100] |= roReadOnly
	}
	if b.o.SharedBlocks {
		put[100] |= roShared
	}
	if b.o.SixtyFour {
		put[96] |= incompat64Bit
		p[254] = uint8(b.o.descSize())
	}
	if b.o.MetadataSum {
		put[100] |= roMetaSum
		p[373] = 1 // CRC-32C
	} else {
		put[100] |= roGroupSum
	}
	for off, v := range put {
		le.PutUint32(p[off:], v)
	}
	le.PutUint16(p[54:], 0xffff) // never checked for being mounted often
	le.PutUint16(p[56:], superMagic)
	le.PutUint16(p[58:], 1)
	le.PutUint16(p[60:], 1)
	le.PutUint16(p[88:], inodeSize)
	le.PutUint16(p[90:], uint16(g))
	copy(p[104:], b.o.UUID[:])
	copy(p[120:], b.o.VolumeName)
	copy(p[136:], b.o.LastMounted)
	copy(p[236:], b.o.HashSeed[:])
	p[252] = 1 // half MD4
	le.PutUint16(p[348:], extraSize)
	le.PutUint16(p[350:], extraSize)
	if b.o.MetadataSum {
		le.PutUint32(p[1020:], crc32c(^uint32(0), p[:1020]))
	}
	return p
}
