package ext4

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"

	"github.com/fridayos/friday/android/tree"
)

// encodedXattr is an xattr in the words of the disk.
type encodedXattr struct {
	index uint8
	name  string
	value []byte
}

func encodeXattr(x tree.Xattr) (encodedXattr, error) {
	index, rest, err := splitXattr(x.Name)
	if err != nil {
		return encodedXattr{}, err
	}
	v := x.Value
	if index == 2 || index == 3 {
		if v, err = aclToDisk(v); err != nil {
			return encodedXattr{}, fmt.Errorf("xattr %q: %w", x.Name, err)
		}
	}
	return encodedXattr{index, rest, v}, nil
}

// room is what an entry and its value take.
func (e encodedXattr) room() int {
	return alignUp(xattrEntrySize+len(e.name), 4) + alignUp(len(e.value), 4)
}

// hash is what Linux and fsck compute over name and value.
func (e encodedXattr) hash() uint32 {
	h := uint32(0)
	for i := range len(e.name) {
		h = h<<5 ^ h>>27 ^ uint32(e.name[i])
	}
	v := append(slices.Clone(e.value), make([]byte, alignUp(len(e.value), 4)-len(e.value))...)
	for ; len(v) > 0; v = v[4:] {
		h = h<<16 ^ h>>16 ^ binary.LittleEndian.Uint32(v)
	}
	return h
}

// putXattrs writes entries from the start of list, values from the end of base.
// Offsets count from the start of base.
func putXattrs(es []encodedXattr, list, base []byte) {
	le := binary.LittleEndian
	end := len(base)
	for _, e := range es {
		end -= alignUp(len(e.value), 4)
		copy(base[end:], e.value)
		list[0], list[1] = uint8(len(e.name)), e.index
		if len(e.value) > 0 {
			le.PutUint16(list[2:], uint16(end))
		}
		le.PutUint32(list[8:], uint32(len(e.value)))
		le.PutUint32(list[12:], e.hash())
		copy(list[xattrEntrySize:], e.name)
		list = list[alignUp(xattrEntrySize+len(e.name), 4):]
	}
}

// xattrBlock encodes a block, without its count of inodes and its checksum.
func xattrBlock(es []encodedXattr) ([]byte, error) {
	slices.SortFunc(es, func(a, b encodedXattr) int {
		return cmp.Or(cmp.Compare(a.index, b.index), cmp.Compare(len(a.name), len(b.name)), strings.Compare(a.name, b.name))
	})
	size, hash := xattrHeaderSize+4, uint32(0)
	for _, e := range es {
		size += e.room()
		hash = hash<<16 ^ hash>>16 ^ e.hash()
	}
	if size > block {
		return nil, fmt.Errorf("xattrs need %d bytes beside those in the inode; the format has one block of %d", size, block)
	}
	le := binary.LittleEndian
	b := make([]byte, block)
	le.PutUint32(b, xattrMagic)
	le.PutUint32(b[8:], 1)
	le.PutUint32(b[12:], hash)
	putXattrs(es, b[xattrHeaderSize:], b)
	return b, nil
}

// inodeSeed starts the checksums of what belongs to an inode; all have
// generation 0.
func (b *builder) inodeSeed(ino uint32) uint32 {
	return crc32c(crc32c(b.seed, binary.LittleEndian.AppendUint32(nil, ino)), make([]byte, 4))
}

// extentNode encodes the extents of runs into p: a leaf.
func extentNode(p []byte, runs []run) {
	le := binary.LittleEndian
	le.PutUint16(p, extentMagic)
	le.PutUint16(p[2:], uint16(len(runs)))
	le.PutUint16(p[4:], uint16(min(len(p)/extentSize-1, leafExtents)))
	for i, r := range runs {
		e := p[extentSize*(1+i):]
		le.PutUint32(e, uint32(r.logical))
		le.PutUint16(e[4:], uint16(r.n))
		le.PutUint16(e[6:], uint16(r.first>>32))
		le.PutUint32(e[8:], uint32(r.first))
	}
}

// pointer is an entry of an index: a block, and the first block of the file that
// it tells of.
type pointer struct{ logical, at int64 }

// indexNode encodes pointers to nodes of one level less into p.
func indexNode(p []byte, to []pointer, level int) {
	le := binary.LittleEndian
	extentNode(p, nil)
	le.PutUint16(p[2:], uint16(len(to)))
	le.PutUint16(p[6:], uint16(level))
	for i, n := range to {
		e := p[extentSize*(1+i):]
		le.PutUint32(e, uint32(n.logical))
		le.PutUint32(e[4:], uint32(n.at))
		le.PutUint16(e[8:], uint16(n.at>>32))
	}
}

// extentTree encodes the map of an inode into p, and returns the blocks of its
// nodes: leaves, then indexes.
func (b *builder) extentTree(p []byte, it *item) [][]byte {
	if len(it.nodes) == 0 {
		extentNode(p, it.runs)
		return nil
	}
	var out [][]byte
	node := func() []byte {
		out = append(out, make([]byte, block))
		return out[len(out)-1]
	}
	sum := func(blk []byte) {
		if b.o.MetadataSum {
			tail := extentSize * (1 + leafExtents)
			binary.LittleEndian.PutUint32(blk[tail:], crc32c(b.inodeSeed(it.ino), blk[:tail]))
		}
	}
	var below []pointer
	for runs := range slices.Chunk(it.runs, leafExtents) {
		below = append(below, pointer{runs[0].logical, it.nodes[len(out)]})
		leaf := node()
		extentNode(leaf, runs)
		sum(leaf)
	}
	level := 1
	for ; len(below) > inlineExtents; level++ {
		var above []pointer
		for to := range slices.Chunk(below, leafExtents) {
			above = append(above, pointer{to[0].logical, it.nodes[len(out)]})
			index := node()
			indexNode(index, to, level)
			sum(index)
		}
		below = above
	}
	indexNode(p, below, level)
	return out
}

// inode encodes an inode into p, and returns the blocks of its extent tree.
func (b *builder) inode(it *item, p []byte) ([][]byte, error) {
	le := binary.LittleEndian
	n := it.node
	links := it.links
	if links > maxLinks {
		links = 1 // a directory with more than can be counted
	}
	le.PutUint16(p, n.Type.Bits()|n.Perm)
	le.PutUint16(p[2:], uint16(n.UID))
	le.PutUint32(p[4:], uint32(it.size))
	for _, off := range []int{8, 12, 16} { // access, change, modification
		le.PutUint32(p[off:], uint32(n.MTime))
	}
	le.PutUint16(p[24:], uint16(n.GID))
	le.PutUint16(p[26:], uint16(links))
	blocks := it.blocks + int64(len(it.nodes))
	if it.share != nil {
		blocks++
		le.PutUint32(p[104:], uint32(it.share.block))
		le.PutUint16(p[118:], uint16(it.share.block>>32))
	}
	sectors := uint64(blocks) * (block / 512)
	if sectors >= 1<<48 {
		return nil, fmt.Errorf("%q: %d blocks do not fit an inode", it.path, blocks)
	}
	le.PutUint32(p[28:], uint32(sectors))
	le.PutUint16(p[116:], uint16(sectors>>32))
	le.PutUint32(p[108:], uint32(it.size>>32))
	le.PutUint16(p[120:], uint16(n.UID>>16))
	le.PutUint16(p[122:], uint16(n.GID>>16))
	le.PutUint16(p[128:], extraSize)
	extra := n.MTimeNsec<<2 | uint32((n.MTime-int64(int32(n.MTime)))>>32)&3
	for _, off := range []int{132, 136, 140} {
		le.PutUint32(p[off:], extra)
	}
	le.PutUint32(p[144:], uint32(n.MTime))
	le.PutUint32(p[148:], extra)

	var leaves [][]byte
	switch {
	case n.Type == tree.Regular || n.Type == tree.Directory || it.blocks > 0:
		flags := uint32(flagExtents)
		if it.dir.index != nil {
			flags |= flagIndex
		}
		le.PutUint32(p[32:], flags)
		leaves = b.extentTree(p[40:40+blockMapSize], it)
	case n.Type == tree.Symlink:
		copy(p[40:], n.Target)
	case n.Type == tree.CharDevice || n.Type == tree.BlockDevice:
		if n.Major < 256 && n.Minor < 256 {
			le.PutUint32(p[40:], n.Major<<8|n.Minor)
		} else {
			le.PutUint32(p[44:], tree.DeviceNumber(n.Major, n.Minor))
		}
	}
	if len(it.inode) > 0 {
		area := p[128+extraSize:]
		le.PutUint32(area, xattrMagic)
		var es []encodedXattr
		for _, x := range it.inode {
			e, err := encodeXattr(x)
			if err != nil {
				return nil, err
			}
			es = append(es, e)
		}
		putXattrs(es, area[4:], area[4:])
	}
	b.sumInode(it.ino, p)
	return leaves, nil
}

func (b *builder) sumInode(ino uint32, p []byte) {
	if !b.o.MetadataSum {
		return
	}
	sum := crc32c(b.inodeSeed(ino), p)
	binary.LittleEndian.PutUint16(p[124:], uint16(sum))
	binary.LittleEndian.PutUint16(p[130:], uint16(sum>>16))
}
