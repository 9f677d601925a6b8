package erofs

import (
	"bytes"
	"context"
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
// since 5.4 (and Android's 4.19), larger ones since 5.13, packed tails since 5.17:
// ForKernel knows.
type LZ4 struct {
	Level  int // 0 fast, 1 to 9 as LZ4HC does, each looking at twice as much
	Blocks int // of 4 KiB in a cluster, 1 to 16; 0: 1
	// TailPacking puts the last bytes of a file behind its inode where they are
	// packed to at most half a block. Images are smaller; but a change to one file
	// moves the tails of others.
	TailPacking bool
	Scratch     Scratch
	// Memory gives content that was packed before; nil: all is packed.
	Memory Memory
}

// Memory keeps packed content from image to image. Many goroutines use it at once.
type Memory interface {
	// Recall returns what Remember was given for the same content, packed in the
	// same way: the head, and the blocks and how many bytes they have. A nil head:
	// nothing was. The blocks must stay as they are for as long as the image is used.
	Recall(n *tree.Node, packing string) (head []byte, blocks io.ReaderAt, size int64, err error)
	// Remember keeps how content was packed: a head, and size bytes of blocks, whole
	// ones of 4 KiB, which are the content itself where packing gains nothing. It
	// returns where the blocks are read from once it has returned, which is where the
	// image points to; nil: they are not kept.
	Remember(n *tree.Node, packing string, head []byte, blocks io.ReaderAt, size int64) (io.ReaderAt, error)
}

// Packing names the way in which content is compressed: what is packed by the same
// name is the same bytes.
func (z *LZ4) Packing() string {
	return fmt.Sprintf("lz4 %d %d %d %t", codecVersion, z.Level, max(z.Blocks, 1), z.TailPacking)
}

// codecVersion changes whenever the same content would be packed otherwise, or kept
// otherwise by a Memory.
const codecVersion = 2

// ForKernel is the closest packing that a kernel reads, by its version as a boot
// profile has it ("5.10"), at level 9 and without scratch.
func ForKernel(version string) (LZ4, error) {
	var major, minor int
	if n, err := fmt.Sscanf(version, "%d.%d", &major, &minor); n != 2 || major < 0 || minor < 0 {
		return LZ4{}, fmt.Errorf("cannot choose a compression: kernel version %q: expected one such as 5.10: %w", version, err)
	}
	at := func(a, b int) bool { return major > a || major == a && minor >= b }
	z := LZ4{Level: 9, Blocks: 1}
	if !at(4, 19) {
		return LZ4{}, fmt.Errorf("cannot choose a compression: %w: Linux %s reads no EROFS, 4.19 and later do", ErrNotSupported, version)
	}
	if at(5, 13) {
		z.Blocks = 16
	}
	z.TailPacking = at(5, 17)
	return z, nil
}

const (
	compressAlgLZ4 = 1 << 0
	lz4ConfigSize  = 14
	// A cluster holds at most so much content, so that reading a byte of zeros
	// does not unpack megabytes.
	maxClusterContent = 1 << 20
	// tailMax is the most packed bytes behind an inode: more of them would leave
	// more of their blocks empty than they save.
	tailMax = block / 2
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

// packedFile is compressed content.
type packedFile struct {
	r        io.ReaderAt // scratch, or what a Memory gave
	at       int64       // in r
	blocks   int64
	tail     []byte // the last cluster, if it lies behind the inode
	clusters []packedCluster
}

// packedCluster is a run of content in some blocks.
type packedCluster struct {
	content int32
	tail    int16 // bytes behind the inode; 0: it lies in blocks
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
				if err := p.recall(it); err != nil {
					cancel(fmt.Errorf("%q: %w", it.path, err))
				}
			}
		})
	}
	for _, it := range b.items {
		if it.node.Type == tree.Regular && (it.node.Size > block || own.TailPacking && it.node.Size > inlineMax) {
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
	out  []byte // blocks of the file under way that are not in scratch
	// plain is how many blocks more are stored as they are.
	plain int
}

// windowSize is how much content is held: clusters are cut out of it.
const windowSize = 4 * maxClusterContent

// stageSize is how many packed bytes of a file are held before they go to scratch.
const stageSize = 4 << 20

// file packs the content of a node; nil if that gains nothing. Its room is the
// one that the plain content would take, which is not exceeded. Its blocks lie in
// scratch up to stageSize before their end, and then in p.out, until the next file.
func (p *packer) file(n *tree.Node) (*packedFile, error) {
	plain := (n.Size + block - 1) / block
	f := &packedFile{r: p.z.Scratch, at: -1}
	r := n.Open()
	p.plain, p.out = 0, p.out[:0]
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
		last := p.z.TailPacking && done+int64(len(window)) == n.Size && len(window) <= maxClusterContent
		c, out := p.cluster(window[:min(len(window), maxClusterContent)], last)
		if f.blocks+int64(c.blocks) > plain || f.blocks+int64(c.blocks) > math.MaxUint32 {
			return nil, nil
		}
		f.clusters = append(f.clusters, c)
		if c.tail > 0 {
			f.tail = bytes.Clone(out[len(out)-int(c.tail):])
		} else {
			f.blocks += int64(c.blocks)
			p.out = append(p.out, out...)
		}
		if len(p.out) >= stageSize {
			if f.at < 0 {
				f.at = p.room.take(plain * block)
			}
			if err := p.flush(f); err != nil {
				return nil, err
			}
		}
		window = window[c.content:]
		done += int64(c.content)
	}
	if f.blocks >= plain {
		return nil, nil
	}
	return f, nil
}

// flush writes what is held of a file that has room in scratch.
func (p *packer) flush(f *packedFile) error {
	if _, err := p.z.Scratch.WriteAt(p.out, f.at+f.blocks*block-int64(len(p.out))); err != nil {
		return fmt.Errorf("cannot keep packed content: %w", err)
	}
	p.out = p.out[:0]
	return nil
}

// settle puts all of a file into scratch.
func (p *packer) settle(f *packedFile) error {
	if len(p.out) == 0 {
		return nil
	}
	if f.at < 0 {
		f.at = p.room.take(f.blocks * block)
	}
	return p.flush(f)
}

// staged reads the blocks of a file that was just packed.
func (p *packer) staged(f *packedFile) io.ReaderAt {
	im := new(tree.Image)
	im.AppendRange(p.z.Scratch, f.at, f.blocks*block-int64(len(p.out)))
	im.AppendBytes(p.out)
	return im
}

// cluster packs a beginning of src: LZ4 where it gains a block or more, else one
// plain block. Packed bytes end with the last block, zeros stand before them. last
// says that src is the end of a file, which may lie behind its inode.
func (p *packer) cluster(src []byte, last bool) (packedCluster, []byte) {
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
	tail := int16(0)
	if last && n == len(src) && packed < n {
		// A few bytes more than whole blocks: they become a cluster of their own.
		if over := packed % block; packed > block && over > 0 && over <= tailMax/2 {
			packed, n = p.lz4.Fit(p.dst[:packed-over], src)
			blocks = (packed + block - 1) / block
		} else if packed <= tailMax {
			tail = int16(packed)
		}
	}
	// Each logical cluster of 4 KiB can hold the head of one: so it must cover
	// more than its blocks.
	if tail == 0 && (n <= blocks*block || n <= block) {
		n = copy(p.dst, src[:min(len(src), block)])
		clear(p.dst[n:])
		return packedCluster{int32(n), 0, 1, true}, p.dst[:block]
	}
	out := p.dst[:blocks*block]
	pad := len(out) - packed
	copy(out[pad:], out[:packed])
	clear(out[:pad])
	return packedCluster{int32(n), tail, uint8(blocks), false}, out
}
