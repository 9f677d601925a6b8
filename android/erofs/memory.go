package erofs

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/fridayos/friday/android/tree"
)

// What a Memory keeps of a file: a head, and blocks. The head is how many bytes of
// numbers follow, the numbers, and the tail. The numbers are blocks, bytes of the
// tail, clusters, and of each cluster its content, its blocks, its tail and whether
// it is plain. A file that gains nothing by packing has numbers of 0, and its blocks
// are its content, with zeros behind it in the last.

// recall packs the content of an item, unless it was packed before.
func (p *packer) recall(it *item) error {
	n := it.node
	if p.z.Memory == nil {
		f, err := p.file(n)
		if f == nil || err != nil {
			return err
		}
		it.packed = f
		return p.settle(f)
	}
	packing := p.z.Packing()
	head, blocks, size, err := p.z.Memory.Recall(n, packing)
	if err != nil {
		return fmt.Errorf("cannot recall packed content: %w", err)
	}
	if head == nil {
		return p.remember(it, packing)
	}
	f, err := decodePacked(head, size, n.Size)
	if err != nil {
		return fmt.Errorf("cannot recall packed content: %w", err)
	}
	if it.packed = f; f == nil {
		it.plain = blocks
	} else {
		f.r = blocks
	}
	return nil
}

// remember packs the content of an item, and has it kept.
func (p *packer) remember(it *item, packing string) error {
	n := it.node
	f, err := p.file(n)
	if err != nil {
		return err
	}
	var from io.ReaderAt
	size := alignUp(n.Size, block)
	if f != nil {
		from, size = p.staged(f), f.blocks*block
	} else if from, err = p.whole(n); err != nil {
		return err
	}
	r, err := p.z.Memory.Remember(n, packing, f.encode(), from, size)
	if err != nil {
		return fmt.Errorf("cannot remember packed content: %w", err)
	}
	switch it.packed = f; {
	case f == nil:
		it.plain = r // nil: it stays where it is
	case r != nil:
		f.r, f.at = r, 0
	default:
		return p.settle(f)
	}
	return nil
}

// whole reads content that is not packed, in whole blocks: at once, if it is small.
func (p *packer) whole(n *tree.Node) (io.ReaderAt, error) {
	im := new(tree.Image)
	if n.Size > stageSize {
		im.AppendRange(n.Content, 0, n.Size)
	} else {
		p.out = slices.Grow(p.out[:0], int(n.Size))[:n.Size]
		if err := tree.ReadFull(n.Content, p.out, 0); err != nil {
			return nil, fmt.Errorf("cannot read content: %w", err)
		}
		im.AppendBytes(p.out)
	}
	im.AppendZeros(alignUp(n.Size, block) - n.Size)
	return im, nil
}

func (f *packedFile) encode() []byte {
	var head []byte
	if f == nil {
		f = &packedFile{}
	}
	for _, v := range []int64{f.blocks, int64(len(f.tail)), int64(len(f.clusters))} {
		head = binary.AppendUvarint(head, uint64(v))
	}
	for _, c := range f.clusters {
		plain := uint64(0)
		if c.plain {
			plain = 1
		}
		for _, v := range []uint64{uint64(c.content), uint64(c.blocks), uint64(c.tail), plain} {
			head = binary.AppendUvarint(head, v)
		}
	}
	return slices.Concat(binary.AppendUvarint(nil, uint64(len(head))), head, f.tail)
}

// decodePacked reads the head of a file of size bytes of content, with room bytes of
// blocks.
func decodePacked(b []byte, room, size int64) (*packedFile, error) {
	bad := func(what string) error { return fmt.Errorf("packed content: %s is not as it was kept", what) }
	n, k := binary.Uvarint(b)
	if k <= 0 || n > uint64(len(b)-k) {
		return nil, bad("the length of its head")
	}
	behind := b[k+int(n):]
	b = b[k : k+int(n)]
	ok := true
	next := func(limit uint64) int64 {
		v, k := binary.Uvarint(b)
		if k <= 0 || v > limit {
			ok = false
			return 0
		}
		b = b[k:]
		return int64(v)
	}
	f := &packedFile{blocks: next(math.MaxUint32)}
	kept := next(tailMax)
	count := next(uint64(len(b)))
	if ok && f.blocks == 0 && kept == 0 && count == 0 {
		if len(b) > 0 || len(behind) > 0 || room != alignUp(size, block) {
			return nil, bad("its end")
		}
		return nil, nil
	}
	var content, blocks, tail int64
	f.clusters = make([]packedCluster, 0, max(count, 0))
	for range count {
		c := packedCluster{content: int32(next(maxClusterContent)), blocks: uint8(next(16)), tail: int16(next(tailMax)), plain: next(1) == 1}
		if !ok || c.content == 0 || c.plain && (c.blocks != 1 || c.content > block) || tail > 0 {
			return nil, bad("a cluster")
		}
		content += int64(c.content)
		if tail = int64(c.tail); tail == 0 {
			blocks += int64(c.blocks)
		}
		f.clusters = append(f.clusters, c)
	}
	if !ok || len(b) > 0 || content != size || blocks != f.blocks || tail != kept || int64(len(behind)) != kept || room != f.blocks*block {
		return nil, bad("its head")
	}
	f.tail = behind
	return f, nil
}
