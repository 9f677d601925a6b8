package erofs

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/fridayos/friday/android/erofs/unpack"
	"github.com/fridayos/friday/android/tree"
)

// Linux takes physical clusters up to these sizes, packed and unpacked.
const (
	maxCluster         = 1 << 20
	maxClusterUnpacked = 12 << 20
)

// Types of a logical cluster in an index.
const (
	lclusterPlain   = 0
	lclusterHead1   = 1
	lclusterNonHead = 2
	lclusterHead2   = 3
)

// Bits of h_advise.
const (
	adviseCompact2B = 0x1
	adviseBig1      = 0x2
	adviseBig2      = 0x4
	adviseInline    = 0x8
	adviseInterlace = 0x10
	adviseFragment  = 0x20
	adviseKnown     = 0x3f
)

// Algorithms of a cluster: first those of the format, then how bytes lie that are
// not compressed.
const (
	algLZ4  = uint8(unpack.LZ4)
	algLast = uint8(unpack.Zstd)

	algStored     = 16 // as it is, from the start of the cluster
	algInterlaced = 17 // as it is, rotated so that offsets in a block are those of the file
	algFragment   = 18 // bytes of the inode that holds fragments
)

// cluster is a physical cluster: a run of the image that unpacks to content.
type cluster struct {
	logical int64 // first byte of content; it ends where the next cluster starts
	phys    int64 // first byte in the image, or in the inode of fragments
	packed  int32 // bytes in the image
	alg     uint8
	partial bool // it may hold more than is wanted
}

// zfile is the content of a compressed file.
type zfile struct {
	im       *Image
	in       *inode
	clusters []cluster
}

// mapHeader is what stands before the index of a compressed file.
type mapHeader struct {
	advise       uint16
	alg          [2]uint8
	lclusterBits uint8
	idataSize    int64
	fragment     int64
	whole        bool // the whole file is a fragment
}

func (im *Image) compressed(in *inode, spent *budget) (*zfile, error) {
	z := &zfile{im: im, in: in}
	start := alignUp(in.tail(), 8)
	h, err := im.mapHeader(in, start)
	if err != nil {
		return nil, err
	}
	if h.whole {
		z.clusters = []cluster{{phys: h.fragment, alg: algFragment}}
		return z, z.check()
	}
	b := indexBuilder{z: z, h: h, total: (in.size-1)>>h.lclusterBits + 1}
	if in.layout == layoutCompressedFull {
		err = b.full(start+16, spent)
	} else {
		err = b.compact(start+8, spent)
	}
	if err != nil {
		return nil, err
	}
	return z, z.check()
}

func (im *Image) mapHeader(in *inode, off int64) (mapHeader, error) {
	h := mapHeader{lclusterBits: im.sb.blockBits}
	// The first images have no header; all of it was zero.
	const withHeader = incompatBigPCluster | incompatTailPacking | incompatFragments
	if in.layout == layoutCompressedFull && im.sb.incompat&withHeader == 0 {
		return h, nil
	}
	a := at{in.at.nid, off}
	b := make([]byte, 8)
	if err := im.readAt(b, off); err != nil {
		return h, fmt.Errorf("map header of inode %d: %w", in.at.nid, err)
	}
	le := binary.LittleEndian
	if b[7]&0x80 != 0 {
		h.whole = true
		h.fragment = int64(le.Uint64(b) &^ (1 << 63))
		return h, nil
	}
	h.advise = le.Uint16(b[4:])
	h.alg = [2]uint8{b[6] & 15, b[6] >> 4}
	h.lclusterBits += b[7] & 7
	h.fragment = int64(le.Uint32(b))
	h.idataSize = int64(le.Uint16(b[2:]))
	if h.advise&^adviseKnown != 0 || b[7]&^7 != 0 {
		return h, unsupported(a, fmt.Sprintf("h_advise %#x, h_clusterbits %#x", h.advise, b[7]))
	}
	if h.advise&adviseInline != 0 && h.advise&adviseFragment != 0 {
		return h, bad(a, "h_advise", "an inline tail or a fragment", "both")
	}
	if h.lclusterBits > 14 {
		return h, unsupported(a, fmt.Sprintf("logical clusters of 2^%d bytes", h.lclusterBits))
	}
	return h, nil
}

// indexBuilder turns the index of a file, one entry a logical cluster, into
// physical clusters.
type indexBuilder struct {
	z     *zfile
	h     mapHeader
	total int64
	lcn   int64 // the next logical cluster
	// the cluster whose size the next entry may tell
	open bool
}

// big says whether clusters may have more than one block.
func (b *indexBuilder) big() bool { return b.h.advise&(adviseBig1|adviseBig2) != 0 }

// lcluster is an entry of an index.
type lcluster struct {
	kind    uint8
	ofs     int64 // heads: where in the logical cluster it starts
	block   uint32
	count   int64 // non-heads: blocks of the cluster, if it says so; else 0
	partial bool
}

// full reads an index of 8 bytes an entry.
func (b *indexBuilder) full(off int64, spent *budget) error {
	n := b.total * 8
	r, err := b.z.im.indexReader(b.z.in, off, n, spent)
	if err != nil {
		return err
	}
	e := make([]byte, 8)
	for b.lcn < b.total {
		if _, err := io.ReadFull(r, e); err != nil {
			return fmt.Errorf("%s: index: %w", b.z.in.at, err)
		}
		a := at{b.z.in.at.nid, off + b.lcn*8}
		advise := binary.LittleEndian.Uint16(e)
		l := lcluster{kind: uint8(advise & 3), ofs: int64(binary.LittleEndian.Uint16(e[2:])), partial: advise&0x8000 != 0}
		if l.kind == lclusterNonHead {
			if b.big() {
				l.setCount(uint32(binary.LittleEndian.Uint16(e[4:])))
			}
		} else {
			l.block = binary.LittleEndian.Uint32(e[4:])
		}
		if err := b.add(a, l); err != nil {
			return err
		}
	}
	return b.finish(off + n)
}

// setCount takes the number of blocks of a cluster from the field that
// otherwise is the distance to its head.
func (l *lcluster) setCount(v uint32) {
	const isCount = 1 << 11
	if v&isCount != 0 {
		l.count = int64(v &^ isCount)
	}
}

// compact reads an index in packs: entries of some bits each, then the block
// that the first of them starts from. Packs of two entries in 8 bytes fill up to the
// next 32 bytes, packs of 16 in 32 bytes follow if the header says so, and packs of two end it.
func (b *indexBuilder) compact(off int64, spent *budget) error {
	initial := min((32-off%32)/4%8, b.total)
	var middle int64
	if b.h.advise&adviseCompact2B != 0 {
		if b.h.lclusterBits > 12 {
			return unsupported(at{b.z.in.at.nid, off}, fmt.Sprintf("2-byte index of logical clusters of 2^%d bytes", b.h.lclusterBits))
		}
		middle = (b.total - initial) / 16 * 16
	}
	last := alignUp(b.total-initial-middle, 2)
	n := alignUp(initial, 2)*4 + middle*2 + last*4
	r, err := b.z.im.indexReader(b.z.in, off, n, spent)
	if err != nil {
		return err
	}
	pack := make([]byte, 32)
	end := off
	for b.lcn < b.total {
		p := pack[:8]
		count := 2
		if b.lcn >= initial && b.lcn < initial+middle {
			p, count = pack, 16
		}
		if _, err := io.ReadFull(r, p); err != nil {
			return fmt.Errorf("%s: index: %w", b.z.in.at, err)
		}
		if err := b.pack(at{b.z.in.at.nid, end}, p, count); err != nil {
			return err
		}
		end += int64(len(p))
	}
	return b.finish(end)
}

func (b *indexBuilder) pack(a at, p []byte, count int) error {
	loBits := max(int(b.h.lclusterBits), 12)
	bits := (len(p) - 4) * 8 / count
	next := binary.LittleEndian.Uint32(p[len(p)-4:])
	big := b.big()
	entry := func(i int) (lo uint32, kind uint8) {
		pos := i * bits
		v := binary.LittleEndian.Uint32(p[pos/8:]) >> (pos % 8)
		return v & (1<<loBits - 1), uint8(v >> loBits & 3)
	}
	for i := 0; i < count && b.lcn < b.total; i++ {
		lo, kind := entry(i)
		l := lcluster{kind: kind}
		if kind == lclusterNonHead {
			// The last of a pack looks ahead instead, and has no count.
			if big {
				if l.setCount(lo); l.count > 0 {
					next += uint32(l.count)
				}
			}
		} else {
			l.ofs = int64(lo)
			if !big {
				next++
			}
			l.block = next
			if big && !b.countFollows(entry, i, count) {
				next++
			}
		}
		if err := b.add(a, l); err != nil {
			return err
		}
	}
	return nil
}

// countFollows says whether the entry behind i tells the size of its cluster.
func (b *indexBuilder) countFollows(entry func(int) (uint32, uint8), i, count int) bool {
	if i+1 == count {
		return false
	}
	lo, kind := entry(i + 1)
	l := lcluster{}
	l.setCount(lo)
	return kind == lclusterNonHead && l.count > 0
}

// add takes the next entry of the index.
func (b *indexBuilder) add(a at, l lcluster) error {
	lcn := b.lcn
	b.lcn++
	cs := b.z.clusters
	if l.kind == lclusterNonHead {
		if len(cs) == 0 {
			return bad(a, "first logical cluster", "the head of a cluster", "none")
		}
		if l.count > 0 && b.open {
			if l.count<<b.z.im.sb.blockBits > maxCluster {
				return bad(a, "blocks of a cluster", fmt.Sprintf("at most %d bytes", maxCluster), l.count)
			}
			cs[len(cs)-1].packed = int32(l.count << b.z.im.sb.blockBits)
		}
		b.open = false
		return nil
	}
	if l.ofs >= 1<<b.h.lclusterBits {
		return bad(a, "di_clusterofs", fmt.Sprintf("less than %d", 1<<b.h.lclusterBits), l.ofs)
	}
	c := cluster{
		logical: lcn<<b.h.lclusterBits + l.ofs,
		phys:    int64(l.block) << b.z.im.sb.blockBits,
		packed:  1 << b.z.im.sb.blockBits,
		partial: l.partial,
	}
	switch {
	case l.kind == lclusterHead1:
		c.alg = b.h.alg[0]
	case l.kind == lclusterHead2:
		c.alg = b.h.alg[1]
	case b.h.advise&adviseInterlace != 0:
		c.alg = algInterlaced
	default:
		c.alg = algStored
	}
	if c.logical >= b.z.in.size && len(cs) > 0 {
		return nil // the end of the file, marked as a head
	}
	if len(cs) == 0 && c.logical != 0 {
		return bad(a, "first cluster", "content from byte 0", c.logical)
	}
	b.z.clusters = append(cs, c)
	b.open = true
	return nil
}

// finish puts the tail where the header says; end is the byte behind the index.
func (b *indexBuilder) finish(end int64) error {
	last := &b.z.clusters[len(b.z.clusters)-1]
	switch {
	case b.h.advise&adviseInline != 0 && b.h.idataSize > 0:
		size := b.z.im.blockSize()
		if end%size+b.h.idataSize > size {
			return bad(at{b.z.in.at.nid, end}, "inline cluster", "bytes within one block", fmt.Sprintf("%d bytes", b.h.idataSize))
		}
		last.phys, last.packed = end, int32(b.h.idataSize)
		if last.alg == algInterlaced {
			last.alg = algStored
		}
	case b.h.advise&adviseFragment != 0:
		last.phys, last.packed, last.alg = b.h.fragment, 0, algFragment
	}
	return nil
}

// indexReader reads n bytes of an index, if the image has them.
func (im *Image) indexReader(in *inode, off, n int64, spent *budget) (io.Reader, error) {
	if off > im.size || n > im.size-off {
		return nil, bad(at{in.at.nid, off}, "index", fmt.Sprintf("bytes within the image of %d", im.size), fmt.Sprintf("%d bytes", n))
	}
	if err := spent.spend(in.at, n); err != nil {
		return nil, err
	}
	return bufio.NewReaderSize(io.NewSectionReader(im.r, off, n), int(min(n, 4096))), nil
}

// check looks at all clusters before any is read.
func (z *zfile) check() error {
	for i, c := range z.clusters {
		n := z.end(i) - c.logical
		where := fmt.Sprintf("cluster %d", i)
		switch {
		case n <= 0:
			return bad(z.in.at, where, "clusters in the order of content", fmt.Sprintf("one of %d bytes", n))
		case c.alg == algFragment:
			continue // may have any size, as nothing is unpacked; its place is checked when it is read
		case n > maxClusterUnpacked:
			return bad(z.in.at, where, fmt.Sprintf("at most %d bytes unpacked", maxClusterUnpacked), n)
		case c.alg == algStored || c.alg == algInterlaced:
			if n > int64(c.packed) {
				return bad(z.in.at, where, fmt.Sprintf("at most %d bytes", c.packed), n)
			}
		case c.alg > algLast:
			return unsupported(z.in.at, fmt.Sprintf("compression algorithm %d", c.alg))
		}
		if c.phys > z.im.size || int64(c.packed) > z.im.size-c.phys {
			return bad(z.in.at, where, fmt.Sprintf("bytes within the image of %d", z.im.size), fmt.Sprintf("%d bytes from %d", c.packed, c.phys))
		}
	}
	return nil
}

// end is the byte of content behind a cluster.
func (z *zfile) end(i int) int64 {
	if i+1 < len(z.clusters) {
		return z.clusters[i+1].logical
	}
	return z.in.size
}

// extents are the places of all clusters. Fragments have none of their own.
func (z *zfile) extents() []tree.Extent {
	var out []tree.Extent
	for _, c := range z.clusters {
		if c.alg == algFragment {
			continue
		}
		if i := len(out) - 1; i >= 0 && out[i].Offset+out[i].Length == c.phys {
			out[i].Length += int64(c.packed)
			continue
		}
		out = append(out, tree.Extent{Offset: c.phys, Length: int64(c.packed)})
	}
	return out
}
