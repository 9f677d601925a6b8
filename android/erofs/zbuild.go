package erofs

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"runtime"
	"sync"

	"github.com/fridayos/friday/android/erofs/lz4fit"
	"github.com/fridayos/friday/android/tree"
)

// Scratch holds packed content until the image was read; a file that was just
// made will do.
type Scratch interface {
	io.ReaderAt
	io.WriterAt
}

// LZ4 is how Build compresses content. Clusters of one block are read by Linux
// since 5.4 (and Android's 4.19), larger ones since 5.13.
type LZ4 struct {
	Level   int // 0 fast, 1 to 9 as LZ4HC does, each looking at twice as much
	Blocks  int // of 4 KiB in a cluster, 1 to 16; 0: 1
	Scratch Scratch
}

const (
	compressAlgLZ4 = 1 << 0
	lz4ConfigSize  = 14
	isBlockCount   = 1 << 11 // in the first entry behind a head: blocks, not a distance
	maxLookback    = isBlockCount - 1
	// A cluster holds at most so much content, so that reading a byte of zeros
	// does not unpack megabytes.
	maxClusterContent = 1 << 20
)

func (z *LZ4) check() error {
	if z.Blocks == 0 {
		z.Blocks = 1
	}
	if z.Level < 0 || z.Level > 9 || z.Blocks < 1 || z.Blocks > 16 || z.Scratch == nil {
		return fmt.Errorf("LZ4 level %d, clusters of %d blocks: expected 0 to 9, 1 to 16, and a scratch file", z.Level, z.Blocks)
	}
	return nil
}

// packedFile is compressed content in scratch.
type packedFile struct {
	at       int64 // in scratch
	blocks   int64
	clusters []packedCluster
}

// packedCluster is a run of content in some blocks.
type packedCluster struct {
	content int32
	blocks  uint8
	plain   bool
}

// compress packs the content of all files that gain a block by it. The order in
// which they come to lie in scratch is of no account.
func (b *builder) compress() error {
	z := b.o.LZ4
	if z == nil {
		return nil
	}
	own := *z
	if err := own.check(); err != nil {
		return err
	}
	b.o.LZ4 = &own
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	work := make(chan *item)
	var room scratchRoom
	var wg sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		wg.Go(func() {
			p := packer{z: &own, lz4: lz4fit.New(own.Level), room: &room, dst: make([]byte, own.Blocks*block)}
			for it := range work {
				if ctx.Err() != nil {
					continue
				}
				f, err := p.file(it.node)
				if err != nil {
					cancel(fmt.Errorf("%q: %w", it.path, err))
				}
				it.packed = f
			}
		})
	}
	for _, it := range b.items {
		if it.node.Type == tree.Regular && it.node.Size > block {
			work <- it
		}
	}
	close(work)
	wg.Wait()
	return context.Cause(ctx)
}

// scratchRoom hands out places of scratch.
type scratchRoom struct {
	mu  sync.Mutex
	end int64
}

func (r *scratchRoom) take(n int64) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	at := r.end
	r.end += n
	return at
}

// packer compresses one file at a time.
type packer struct {
	z    *LZ4
	lz4  *lz4fit.Compressor
	room *scratchRoom
	dst  []byte
	buf  []byte
	// plain is how many blocks more are stored as they are.
	plain int
}

// windowSize is how much content is held: clusters are cut out of it.
const windowSize = 4 * maxClusterContent

// file packs the content of a node; nil if that gains nothing. Its room is the
// one that the plain content would take, which is not exceeded.
func (p *packer) file(n *tree.Node) (*packedFile, error) {
	plain := (n.Size + block - 1) / block
	f := &packedFile{at: p.room.take(plain * block)}
	r := n.Open()
	p.plain = 0
	if p.buf == nil {
		p.buf = make([]byte, windowSize)
	}
	var window []byte // content that is not yet packed
	for done := int64(0); done < n.Size; {
		if want := min(int64(maxClusterContent), n.Size-done); int64(len(window)) < want {
			keep := copy(p.buf, window)
			m, err := io.ReadFull(r, p.buf[keep:min(int64(windowSize), int64(keep)+n.Size-done-int64(len(window)))])
			if err != nil {
				if errors.Is(err, io.EOF) {
					err = io.ErrUnexpectedEOF
				}
				return nil, fmt.Errorf("cannot read content: %w", err)
			}
			window = p.buf[:keep+m]
		}
		c, out := p.cluster(window[:min(len(window), maxClusterContent)])
		if f.blocks+int64(c.blocks) > plain || f.blocks+int64(c.blocks) > math.MaxUint32 {
			return nil, nil
		}
		if _, err := p.z.Scratch.WriteAt(out, f.at+f.blocks*block); err != nil {
			return nil, fmt.Errorf("cannot keep packed content: %w", err)
		}
		f.clusters = append(f.clusters, c)
		f.blocks += int64(c.blocks)
		window = window[c.content:]
		done += int64(c.content)
	}
	if f.blocks >= plain {
		return nil, nil
	}
	return f, nil
}

// cluster packs a beginning of src: LZ4 where it gains a block or more, else one
// plain block. Packed bytes end with the last block, zeros stand before them.
func (p *packer) cluster(src []byte) (packedCluster, []byte) {
	packed, n, blocks := 0, 0, 0
	if p.plain > 0 {
		p.plain--
	} else {
		packed, n = p.lz4.Fit(p.dst, src)
		blocks = (packed + block - 1) / block
		if n <= blocks*block { // what follows is hardly better: it is not all tried again
			p.plain = blocks / 2
		}
	}
	// Each logical cluster of 4 KiB can hold the head of one: so it must cover
	// more than its blocks.
	if n <= blocks*block || n <= block {
		n = copy(p.dst, src[:min(len(src), block)])
		clear(p.dst[n:])
		return packedCluster{int32(n), 1, true}, p.dst[:block]
	}
	out := p.dst[:blocks*block]
	pad := len(out) - packed
	copy(out[pad:], out[:packed])
	clear(out[:pad])
	return packedCluster{int32(n), uint8(blocks), false}, out
}

// zindexSize is the size of what stands behind an inode, aligned to 8: a header,
// a gap, and 8 bytes for each 4 KiB of content.
func zindexSize(size int64) int64 { return 16 + (size+block-1)/block*8 }

// zindex writes the header and the full index of a packed file to p.
func (b *builder) zindex(it *item, p []byte) {
	le := binary.LittleEndian
	big := b.o.LZ4.Blocks > 1
	if big {
		le.PutUint16(p[4:], adviseBig1)
	}
	p = p[16:]
	put := func(kind, low uint16, u uint32) {
		le.PutUint16(p, kind)
		le.PutUint16(p[2:], low)
		le.PutUint32(p[4:], u)
		p = p[8:]
	}
	address, start := uint32(it.first), int64(0) // start: of the cluster's content
	for _, c := range it.packed.clusters {
		kind := uint16(lclusterHead1)
		if c.plain {
			kind = lclusterPlain
		}
		end := start + int64(c.content)
		first, last := start/block, end/block // the one it ends in is the next one's
		if first == last {
			put(kind, uint16(start%block), address)
			return // the end of the file, in one plain block
		}
		for l := first; l < last; l++ {
			switch back := l - first; {
			case back == 0:
				put(kind, uint16(start%block), address)
			case back == 1 && big:
				put(lclusterNonHead, 0, uint32(c.blocks)|isBlockCount|uint32(last-l)<<16)
			default:
				put(lclusterNonHead, 0, uint32(min(back, maxLookback))|uint32(last-l)<<16)
			}
		}
		address += uint32(c.blocks)
		start = end
	}
	if start%block > 0 {
		put(lclusterPlain, uint16(start%block), 0) // says where the content ends
	}
}

// zsuper puts what readers of compressed files need into the superblock.
func (b *builder) zsuper(blk []byte) {
	if b.o.LZ4 == nil {
		return
	}
	le := binary.LittleEndian
	p := blk[superOffset:]
	incompat := uint32(incompatZeroPadding)
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
