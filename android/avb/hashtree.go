package avb

import (
	"context"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"fmt"
	"hash"
	"io"
	"runtime"

	"golang.org/x/crypto/blake2b"

	"github.com/fridayos/friday/android/tree"
)

// newHash gives the hash of that name, as Linux and avbtool call it.
func newHash(name string) (func() hash.Hash, error) {
	switch name {
	case "sha1":
		return sha1.New, nil
	case "sha256":
		return sha256.New, nil
	case "sha512":
		return sha512.New, nil
	case "blake2b-256":
		return func() hash.Hash {
			h, _ := blake2b.New256(nil) // fails for keys only
			return h
		}, nil
	}
	return nil, fmt.Errorf("hash algorithm %q is not supported, expected sha1, sha256, sha512 or blake2b-256", name)
}

// geometry is a hash tree of dm-verity format 1: each block is hashed behind the
// salt, digests fill blocks of the level above at a power of two apart, and the
// levels lie in the tree with the topmost first.
type geometry struct {
	newHash              func() hash.Hash
	salt                 []byte
	digestSize, slotSize int
	dataBlock, hashBlock int
	dataBlocks           int64
	levels               []level // levels[0] holds the digests of the data
	treeSize             int64
	known                Known
}

type level struct{ offset, blocks int64 }

// blockSizes allowed, so that a hostile descriptor cannot ask for huge buffers.
const minBlock, maxBlock = 512, 64 << 10

func newGeometry(algorithm string, salt []byte, imageSize int64, dataBlock, hashBlock uint32) (*geometry, error) {
	nh, err := newHash(algorithm)
	if err != nil {
		return nil, err
	}
	for _, b := range []uint32{dataBlock, hashBlock} {
		if b < minBlock || b > maxBlock || b&(b-1) != 0 {
			return nil, fmt.Errorf("block size is %d, expected a power of two from %d to %d", b, minBlock, maxBlock)
		}
	}
	if imageSize <= 0 || imageSize%int64(dataBlock) != 0 {
		return nil, fmt.Errorf("image size is %d, expected a multiple of %d above 0", imageSize, dataBlock)
	}
	g := &geometry{newHash: nh, salt: salt, digestSize: nh().Size(), slotSize: 1,
		dataBlock: int(dataBlock), hashBlock: int(hashBlock), dataBlocks: imageSize / int64(dataBlock)}
	for g.slotSize < g.digestSize {
		g.slotSize *= 2
	}
	perBlock := int64(g.hashBlock / g.slotSize)
	for n := g.dataBlocks; n > 1; {
		n = (n + perBlock - 1) / perBlock
		g.levels = append(g.levels, level{blocks: n})
	}
	for i := len(g.levels) - 1; i >= 0; i-- {
		g.levels[i].offset = g.treeSize
		g.treeSize += g.levels[i].blocks * int64(g.hashBlock)
	}
	return g, nil
}

// chunk is how much a worker hashes at once.
const chunk = 1 << 20

// run hashes the data at the start of r, a chunk a worker, and hands each block of
// the tree to emit, with its offset in the tree, as soon as it is full; then it
// returns the root digest. It holds two chunks a core and one block a level,
// whatever the size of the image.
func (g *geometry) run(ctx context.Context, r io.ReaderAt, emit func(off int64, block []byte) error) ([]byte, error) {
	b := g.builder(emit)
	err := inOrder(ctx, (g.dataBlocks*int64(g.dataBlock)+chunk-1)/chunk, func(i int64, buf []byte) ([]byte, error) {
		perChunk := int64(chunk / g.dataBlock)
		return g.digests(r, i*perChunk, min(perChunk, g.dataBlocks-i*perChunk), buf)
	}, func(sums []byte) error {
		for ; len(sums) > 0; sums = sums[g.digestSize:] {
			if err := b.add(0, sums[:g.digestSize]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return b.finish()
}

// digests are those of n blocks from a block on; buf has room for them.
func (g *geometry) digests(r io.ReaderAt, first, n int64, buf []byte) ([]byte, error) {
	h, sums := g.newHash(), make([]byte, 0, n*int64(g.digestSize))
	for at := first; at < first+n; {
		known := g.knownFrom(at, first+n-at)
		if len(known) > 0 {
			sums = append(sums, known...)
			at += int64(len(known) / g.digestSize)
			continue
		}
		end := at + 1
		for g.known != nil && end < first+n && len(g.knownFrom(end, 1)) == 0 {
			end++
		}
		if g.known == nil {
			end = first + n
		}
		b := buf[:(end-at)*int64(g.dataBlock)]
		if err := tree.ReadFull(r, b, at*int64(g.dataBlock)); err != nil {
			return nil, err
		}
		for ; len(b) > 0; b = b[g.dataBlock:] {
			sums = g.sum(h, sums, b[:g.dataBlock])
		}
		at = end
	}
	return sums, nil
}

// knownFrom are the digests that are known of at most n blocks from one on.
func (g *geometry) knownFrom(block, n int64) []byte {
	if g.known == nil {
		return nil
	}
	b, _ := g.known(block)
	whole := min(int64(len(b)/g.digestSize), n)
	return b[:whole*int64(g.digestSize)]
}

func (g *geometry) sum(h hash.Hash, to, block []byte) []byte {
	h.Reset()
	h.Write(g.salt)
	h.Write(block)
	return h.Sum(to)
}

// treeBuilder takes the digests of the data in order.
type treeBuilder struct {
	g      *geometry
	emit   func(off int64, block []byte) error
	h      hash.Hash
	blocks [][]byte // the block being filled, by level
	done   []int64  // blocks emitted, by level
	root   []byte
}

func (g *geometry) builder(emit func(off int64, block []byte) error) *treeBuilder {
	return &treeBuilder{g: g, emit: emit, h: g.newHash(), blocks: make([][]byte, len(g.levels)), done: make([]int64, len(g.levels))}
}

func (b *treeBuilder) add(l int, digest []byte) error {
	if l == len(b.g.levels) {
		b.root = append([]byte(nil), digest...)
		return nil
	}
	b.blocks[l] = append(b.blocks[l], digest...)
	for range b.g.slotSize - len(digest) {
		b.blocks[l] = append(b.blocks[l], 0)
	}
	if len(b.blocks[l]) == b.g.hashBlock {
		return b.flush(l)
	}
	return nil
}

func (b *treeBuilder) flush(l int) error {
	block := b.blocks[l]
	block = append(block, make([]byte, b.g.hashBlock-len(block))...)
	if err := b.emit(b.g.levels[l].offset+b.done[l]*int64(b.g.hashBlock), block); err != nil {
		return err
	}
	b.done[l]++
	sum := b.g.sum(b.h, nil, block)
	b.blocks[l] = block[:0]
	return b.add(l+1, sum)
}

func (b *treeBuilder) finish() ([]byte, error) {
	for l := range b.g.levels {
		if len(b.blocks[l]) > 0 {
			if err := b.flush(l); err != nil {
				return nil, err
			}
		}
	}
	return b.root, nil
}

// inOrder runs work for 0 to n-1 on every core and hands the results to take in
// order. Each work gets a buffer of one chunk.
func inOrder(ctx context.Context, n int64, work func(i int64, buf []byte) ([]byte, error), take func([]byte) error) error {
	ctx, cancel := context.WithCancel(ctx)
	type result struct {
		b   []byte
		err error
	}
	workers := runtime.GOMAXPROCS(0)
	buffers := make(chan []byte, workers)
	for range workers {
		buffers <- make([]byte, chunk)
	}
	queue := make(chan chan result, 2*workers) // results wait here, not buffers
	defer func() {                             // nothing reads on after the return
		cancel()
		for out := range queue {
			<-out
		}
	}()
	go func() {
		defer close(queue)
		for i := range n {
			var buf []byte
			select {
			case <-ctx.Done():
				return
			case buf = <-buffers:
			}
			out := make(chan result, 1)
			select {
			case <-ctx.Done():
				return
			case queue <- out:
			}
			go func() {
				b, err := work(i, buf)
				buffers <- buf
				out <- result{b, err}
			}()
		}
	}()
	for out := range queue {
		res := <-out
		if res.err == nil {
			res.err = take(res.b)
		}
		if res.err != nil {
			return res.err
		}
	}
	return ctx.Err()
}

// BuildHashtree writes the hash tree of the first imageSize bytes of r, in blocks
// of 4,096 bytes, to w from 0, and returns the root. The tree must take exactly
// room bytes.
func BuildHashtree(ctx context.Context, r io.ReaderAt, imageSize int64, algorithm string, salt []byte, w io.WriterAt, room int64) ([]byte, error) {
	const blockSize = 4096
	g, err := newGeometry(algorithm, salt, imageSize, blockSize, blockSize)
	if err != nil {
		return nil, fmt.Errorf("cannot build hash tree: %w", err)
	}
	if g.treeSize != room {
		return nil, fmt.Errorf("cannot build hash tree: it takes %d bytes, there is room for %d", g.treeSize, room)
	}
	root, err := g.run(ctx, r, func(off int64, block []byte) error {
		_, err := w.WriteAt(block, off)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("cannot build hash tree: %w", err)
	}
	return root, nil
}

// HashtreeSize is how many bytes the hash tree of imageSize bytes takes, in blocks
// of 4,096 bytes.
func HashtreeSize(imageSize int64, algorithm string) (int64, error) {
	const blockSize = 4096
	g, err := newGeometry(algorithm, nil, imageSize, blockSize, blockSize)
	if err != nil {
		return 0, fmt.Errorf("cannot build hash tree: %w", err)
	}
	return g.treeSize, nil
}
