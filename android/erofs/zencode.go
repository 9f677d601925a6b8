package erofs

import (
	"encoding/binary"
	"iter"
	"math"
)

const (
	isBlockCount = 1 << 11 // in the first entry behind a head: blocks, not a distance
	maxDistance  = isBlockCount - 1
	mapSize      = 8 // the header before an index
	pairSize     = 8 // of two entries and a block
	pack16Size   = 32
)

// packing is how the entries of a compact index are cut: pairs up to the next 32
// bytes, packs of 16, and pairs again.
type packing struct{ initial, middle, last int64 }

// compactPacking cuts an index of total entries that starts at a multiple of 8.
func compactPacking(start, total int64) packing {
	p := packing{initial: min((pack16Size-start%pack16Size)%pack16Size/4, total)}
	p.middle = (total - p.initial) / 16 * 16
	p.last = total - p.initial - p.middle
	return p
}

func (p packing) size() int64 {
	return alignUp(p.initial, 2)*4 + p.middle*2 + alignUp(p.last, 2)*4
}

// zindexSize is the size of the header and the index of a file of size bytes,
// behind an inode and xattrs that end at pos, a multiple of 4.
func zindexSize(pos, size int64) int64 {
	start := alignUp(pos, 8)
	return start - pos + mapSize + compactPacking(start+mapSize, (size+block-1)/block).size()
}

// zentry is an entry of an index.
type zentry struct {
	kind          uint8
	ofs           int64 // heads: where in the logical cluster it starts
	address       int64 // heads: block
	count         int64 // the first behind a head: blocks of the cluster; else 0
	behind, ahead int64 // others: logical clusters to the head and to the next one
}

// zentries lists the entries of a packed file, whose blocks start at address.
func (f *packedFile) zentries(address int64, big bool) iter.Seq[zentry] {
	return func(yield func(zentry) bool) {
		start := int64(0) // of the cluster's content
		for _, c := range f.clusters {
			head := zentry{kind: lclusterHead1, ofs: start % block, address: address}
			if c.plain {
				head.kind = lclusterPlain
			}
			end := start + int64(c.content)
			first, last := start/block, end/block // the one it ends in is the next one's
			if !yield(head) || first == last {
				return // the end of the file, in one block
			}
			for l := first + 1; l < last; l++ {
				e := zentry{kind: lclusterNonHead, behind: l - first, ahead: last - l}
				if e.behind == 1 && big {
					e.count = int64(c.blocks)
				}
				if !yield(e) {
					return
				}
			}
			address += int64(c.blocks)
			start = end
		}
		if start%block > 0 {
			yield(zentry{kind: lclusterPlain, ofs: start % block, address: address}) // says where the content ends
		}
	}
}

// zindex writes the header and the compact index of a packed file to p, which
// begins at off of the inodes, a multiple of 8. What follows the index in p is the tail's.
func (b *builder) zindex(it *item, p []byte, off int64) {
	le := binary.LittleEndian
	big := b.o.LZ4.Blocks > 1
	advise := uint16(adviseCompact2B)
	if big {
		advise |= adviseBig1 | adviseBig2 // Linux wants both or neither
	}
	if n := len(it.packed.tail); n > 0 {
		advise |= adviseInline
		le.PutUint16(p[2:], uint16(n))
	}
	le.PutUint16(p[4:], advise)
	p = p[mapSize:]
	cut := compactPacking(off+mapSize, (it.size+block-1)/block)

	var pack []zentry
	done := int64(0)
	flush := func() {
		n := pairSize
		if done >= cut.initial && done < cut.initial+cut.middle {
			n = pack16Size
		}
		putPack(p[:n], pack, big)
		p = p[n:]
		done += int64(len(pack))
		pack = pack[:0]
	}
	for e := range it.packed.zentries(it.first, big) {
		pack = append(pack, e)
		full := 2
		if done >= cut.initial && done < cut.initial+cut.middle {
			full = 16
		}
		if len(pack) == full || done+int64(len(pack)) == cut.initial {
			flush()
		}
	}
	if len(pack) > 0 {
		flush()
	}
}

// putPack writes entries of some bits each, and the block from which those of the
// heads are counted.
func putPack(p []byte, pack []zentry, big bool) {
	le := binary.LittleEndian
	count := 2
	if len(p) == pack16Size {
		count = 16
	}
	bits := (len(p) - 4) * 8 / count
	base, seen, headless := int64(0), false, int64(0)
	for i, e := range pack {
		low := e.ofs
		switch {
		case e.kind != lclusterNonHead:
			if !seen {
				seen, base = true, e.address-headless
			}
		case e.count > 0:
			low = e.count | isBlockCount
			if !seen {
				headless = e.count // the head stands in the pack before
			}
		case i+1 == count:
			low = min(e.ahead, maxDistance)
		default:
			low = min(e.behind, maxDistance)
		}
		v := uint32(low) | uint32(e.kind)<<blockBits
		pos := i * bits
		le.PutUint32(p[pos/8:], le.Uint32(p[pos/8:])|v<<(pos%8))
	}
	if !big {
		base-- // each head is one further
	}
	le.PutUint32(p[len(p)-4:], uint32(base))
}

// zsuper puts what readers of compressed files need into the superblock.
func (b *builder) zsuper(blk []byte) {
	if b.o.LZ4 == nil {
		return
	}
	le := binary.LittleEndian
	p := blk[superOffset:]
	incompat := uint32(incompatZeroPadding)
	if b.o.LZ4.TailPacking {
		incompat |= incompatTailPacking
	}
	if b.o.LZ4.Blocks > 1 {
		incompat |= incompatBigPCluster
		le.PutUint16(p[84:], compressAlgLZ4)
		le.PutUint16(p[superSize:], lz4ConfigSize)
		le.PutUint16(p[superSize+2:], math.MaxUint16) // distance
		le.PutUint16(p[superSize+4:], uint16(b.o.LZ4.Blocks))
	} else {
		le.PutUint16(p[84:], math.MaxUint16)
	}
	le.PutUint32(p[80:], incompat)
}
