package ext4

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"sort"

	"github.com/fridayos/friday/android/tree"
)

// pieces is where content lies; a hole has the offset -1. It reads as the file.
type pieces struct {
	r       io.ReaderAt
	extents []tree.Extent
	starts  []int64 // of each extent in the file
	size    int64
	holes   bool
}

// Holes are where the file has no blocks.
func (p *pieces) Holes() []tree.Range {
	var out []tree.Range
	for i, e := range p.extents {
		if e.Offset < 0 {
			out = append(out, tree.Range{Offset: p.starts[i], Length: e.Length})
		}
	}
	return out
}

func (p *pieces) ReadAt(b []byte, off int64) (int, error) {
	if off < 0 {
		return 0, errors.New("cannot read file: negative offset")
	}
	done := 0
	i := sort.Search(len(p.starts), func(i int) bool { return p.starts[i] > off }) - 1
	for ; i >= 0 && i < len(p.extents) && done < len(b) && off+int64(done) < p.size; i++ {
		e := p.extents[i]
		in := off + int64(done) - p.starts[i]
		part := b[done:]
		if left := min(e.Length-in, p.size-off-int64(done)); int64(len(part)) > left {
			part = part[:left]
		}
		if e.Offset < 0 {
			clear(part)
		} else if err := tree.ReadFull(p.r, part, e.Offset+in); err != nil {
			return done, err
		}
		done += len(part)
	}
	if done < len(b) {
		return done, io.EOF
	}
	return done, nil
}

// mapper collects the extents of one file, in the order of the file.
type mapper struct {
	im    *Image
	in    *inode
	t     *treeReader
	out   pieces
	next  int64 // the block of the file to go on with
	count int64 // blocks that the file has
}

// add maps n blocks of the file from block logical on; physical 0 is a hole.
func (m *mapper) add(a at, logical, physical, n int64) error {
	if logical < m.next {
		return bad(a, "extent", fmt.Sprintf("one from block %d of the file on", m.next), fmt.Sprintf("block %d", logical))
	}
	if logical >= m.count {
		return nil // preallocated behind the end
	}
	n = min(n, m.count-logical)
	if logical > m.next {
		if err := m.push(-1, logical-m.next); err != nil {
			return err
		}
	}
	if physical != 0 && (uint64(physical) >= m.im.sb.blocks || uint64(n) > m.im.sb.blocks-uint64(physical)) {
		return bad(a, "extent", fmt.Sprintf("blocks below %d", m.im.sb.blocks), fmt.Sprintf("%d from %d on", n, physical))
	}
	if physical == 0 {
		physical = -1
	}
	return m.push(physical, n)
}

// push appends blocks; those that follow the last ones join them.
func (m *mapper) push(physical, n int64) error {
	bs := m.im.sb.blockSize
	off := int64(-1)
	if physical >= 0 {
		off = physical * bs
	}
	p := &m.out
	if i := len(p.extents) - 1; i >= 0 && (off < 0 && p.extents[i].Offset < 0 || off >= 0 && p.extents[i].Offset >= 0 && p.extents[i].Offset+p.extents[i].Length == off) {
		p.extents[i].Length += n * bs
	} else {
		if m.t.extents++; m.t.extents > MaxExtents {
			return fmt.Errorf("%s: more than %d extents", m.in.at, MaxExtents)
		}
		p.starts = append(p.starts, m.next*bs)
		p.extents = append(p.extents, tree.Extent{Offset: off, Length: n * bs, Raw: off >= 0})
		p.holes = p.holes || off < 0
	}
	m.next += n
	return nil
}

// content returns a reader of the content of an inode, and where it lies. The
// reader is nil if there is none.
func (t *treeReader) content(in *inode) (io.ReaderAt, []tree.Extent, error) {
	if in.size == 0 {
		return nil, nil, nil
	}
	if in.flags&flagInline != 0 {
		b, err := t.inline(in)
		if err != nil {
			return nil, nil, err
		}
		whole := new(tree.Image)
		whole.AppendBytes(b)
		whole.AppendZeros(in.size - int64(len(b))) // as Linux reads it
		return whole, nil, nil
	}
	bs := t.im.sb.blockSize
	m := &mapper{im: t.im, in: in, t: t, count: (in.size + bs - 1) / bs}
	m.out.r, m.out.size = t.im.r, in.size
	root := in.b[40 : 40+blockMapSize]
	var err error
	if in.flags&flagExtents != 0 {
		err = m.extentNode(at{in.at.ino, in.at.off + 40}, root, -1, 0)
	} else {
		err = m.blockMap(root)
	}
	if err == nil && m.next < m.count {
		err = m.push(-1, m.count-m.next)
	}
	if err != nil {
		return nil, nil, err
	}
	p := m.out
	p.extents[len(p.extents)-1].Length -= m.count*bs - in.size
	if !p.holes {
		return &p, p.extents, nil
	}
	var there []tree.Extent
	for _, e := range p.extents {
		if e.Offset >= 0 {
			there = append(there, e)
		}
	}
	return &p, there, nil
}

// extentNode walks a node of an extent tree. depth is what its parent expects;
// -1 for the root.
func (m *mapper) extentNode(a at, b []byte, depth int, level int) error {
	le := binary.LittleEndian
	if g := le.Uint16(b); g != extentMagic {
		return bad(a, "magic of an extent node", fmt.Sprintf("%#x", extentMagic), fmt.Sprintf("%#x", g))
	}
	n, most, own := int(le.Uint16(b[2:])), int(le.Uint16(b[4:])), int(le.Uint16(b[6:]))
	if most > len(b)/extentSize-1 || n > most {
		return bad(a, "entries of an extent node", fmt.Sprintf("at most %d", len(b)/extentSize-1), fmt.Sprintf("%d of %d", n, most))
	}
	if own > 5 || depth >= 0 && own != depth {
		return bad(a, "depth of an extent node", fmt.Sprintf("%d", max(depth, 0)), own)
	}
	if level > 0 && m.im.sb.ro&roMetaSum != 0 {
		tail := extentSize * (1 + most)
		if tail+4 > len(b) {
			return bad(a, "entries of an extent node", "room for a checksum behind them", most)
		}
		if got, want := crc32c(m.in.seed, b[:tail]), le.Uint32(b[tail:]); got != want {
			return bad(at{a.ino, a.off + int64(tail)}, "checksum of an extent node", fmt.Sprintf("%#08x (computed)", got), fmt.Sprintf("%#08x", want))
		}
	}
	for i := range n {
		e := b[extentSize*(1+i):]
		ea := at{a.ino, a.off + int64(extentSize*(1+i))}
		logical := int64(le.Uint32(e))
		if own == 0 {
			blocks := int64(le.Uint16(e[4:]))
			physical := int64(le.Uint16(e[6:]))<<32 | int64(le.Uint32(e[8:]))
			if blocks > maxExtentBlocks { // not written yet: reads as zeros
				blocks, physical = blocks-maxExtentBlocks, 0
			} else if physical == 0 {
				return bad(ea, "extent", "a block from 1 on", physical)
			}
			if err := m.add(ea, logical, physical, blocks); err != nil {
				return err
			}
			continue
		}
		child := int64(le.Uint32(e[4:])) | int64(le.Uint16(e[8:]))<<32
		ca, cb, err := m.metaBlock(ea, child)
		if err != nil {
			return err
		}
		if err := m.extentNode(ca, cb, own-1, level+1); err != nil {
			return err
		}
	}
	return nil
}

// metaBlock reads a block of a map.
func (m *mapper) metaBlock(a at, block int64) (at, []byte, error) {
	bs := m.im.sb.blockSize
	if block <= 0 || uint64(block) >= m.im.sb.blocks {
		return a, nil, bad(a, "block of a map", fmt.Sprintf("1 to %d", m.im.sb.blocks-1), block)
	}
	if err := m.t.spent.spend(a, bs); err != nil {
		return a, nil, err
	}
	a.off = block * bs
	b, err := m.im.read(a, bs, "block of a map")
	return a, b, err
}

// blockMap walks the twelve direct blocks and the three trees of ext2.
func (m *mapper) blockMap(root []byte) error {
	le := binary.LittleEndian
	for i := range 15 {
		if m.next >= m.count {
			return nil
		}
		a := at{m.in.at.ino, m.in.at.off + 40 + int64(4*i)}
		if err := m.indirect(a, int64(le.Uint32(root[4*i:])), max(0, i-11)); err != nil {
			return err
		}
	}
	if m.next < m.count {
		return bad(m.in.at, "i_size", fmt.Sprintf("at most %d blocks, as a block map has", m.next), m.count)
	}
	return nil
}

func (m *mapper) indirect(a at, block int64, level int) error {
	per := m.im.sb.blockSize / 4
	span := int64(1)
	for range level {
		span *= per
	}
	if block == 0 || level == 0 {
		return m.add(a, m.next, block, span)
	}
	ba, b, err := m.metaBlock(a, block)
	if err != nil {
		return err
	}
	for i := int64(0); i < per && m.next < m.count; i++ {
		if err := m.indirect(at{ba.ino, ba.off + 4*i}, int64(binary.LittleEndian.Uint32(b[4*i:])), level-1); err != nil {
			return err
		}
	}
	return nil
}

// inline returns content that lies in the inode: 60 bytes in place of the map,
// the rest as an xattr.
func (t *treeReader) inline(in *inode) ([]byte, error) {
	b := append([]byte(nil), in.b[40:40+blockMapSize]...)
	if in.size > blockMapSize {
		rest, err := t.im.inlineRest(in)
		if err != nil {
			return nil, err
		}
		b = append(b, rest...)
	}
	return b[:min(int64(len(b)), in.size)], nil
}
