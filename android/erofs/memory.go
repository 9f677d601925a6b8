package erofs

import (
	"encoding/binary"
	"fmt"
	"io"
	"math"

	"github.com/fridayos/friday/android/tree"
)

// What a Memory keeps of a file: how many bytes the head has, then the head, then
// the blocks, and the block that ends with the tail. The head is numbers: blocks,
// tail, clusters, and of each cluster its content, its blocks, its tail and whether
// it is plain. A file that gains nothing by packing has a head of zeros.

// recalled is file, but for content that was packed before.
func (p *packer) recalled(n *tree.Node) (*packedFile, error) {
	if p.z.Memory == nil {
		return p.file(n)
	}
	packing := p.z.Packing()
	r, size, err := p.z.Memory.Recall(n, packing)
	if err != nil {
		return nil, fmt.Errorf("cannot recall packed content: %w", err)
	}
	if r != nil {
		head, err := readHead(r, size)
		if err != nil {
			return nil, fmt.Errorf("cannot recall packed content: %w", err)
		}
		f, err := decodePacked(head, size, n.Size)
		if err != nil {
			return nil, fmt.Errorf("cannot recall packed content: %w", err)
		}
		if f != nil {
			f.r = r
		}
		return f, nil
	}
	f, err := p.file(n)
	if err != nil {
		return nil, err
	}
	var im tree.Image
	im.AppendBytes(f.encode())
	if f != nil {
		im.AppendRange(f.r, f.at, f.room())
	}
	if err := p.z.Memory.Remember(n, packing, &im, im.Size()); err != nil {
		return nil, fmt.Errorf("cannot remember packed content: %w", err)
	}
	return f, nil
}

// readHead reads what decodePacked reads, and a little more at most.
func readHead(r io.ReaderAt, size int64) ([]byte, error) {
	b := make([]byte, min(size, 512))
	if err := tree.ReadFull(r, b, 0); err != nil {
		return nil, err
	}
	n, k := binary.Uvarint(b)
	if k <= 0 || n > maxHead || int64(k)+int64(n) > size {
		return b, nil // decodePacked says what is wrong
	}
	if whole := k + int(n); whole > len(b) {
		b = make([]byte, whole)
		return b, tree.ReadFull(r, b, 0)
	}
	return b, nil
}

// maxHead bounds what is read to find the clusters: as many as a file of 64 GiB
// has at worst would take more, but such a file is in no phone's system.
const maxHead = 64 << 20

// room is how many bytes of r a file takes.
func (f *packedFile) room() int64 {
	n := f.blocks * block
	if f.tail > 0 {
		n += block
	}
	return n
}

func (f *packedFile) encode() []byte {
	var head []byte
	if f == nil {
		f = &packedFile{}
	}
	for _, v := range []int64{f.blocks, f.tail, int64(len(f.clusters))} {
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
	return append(binary.AppendUvarint(nil, uint64(len(head))), head...)
}

// decodePacked reads a head of a file of size bytes; all that is kept is total bytes.
func decodePacked(b []byte, total, size int64) (*packedFile, error) {
	bad := func(what string) error { return fmt.Errorf("packed content: %s is not as it was kept", what) }
	n, k := binary.Uvarint(b)
	if k <= 0 || n > uint64(len(b)-k) {
		return nil, bad("the length of its head")
	}
	start := int64(k) + int64(n)
	b = b[k:start]
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
	f := &packedFile{at: start, blocks: next(math.MaxUint32), tail: next(tailMax)}
	count := next(uint64(len(b)))
	if ok && f.blocks == 0 && f.tail == 0 && count == 0 {
		if len(b) > 0 || total != start {
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
	if !ok || len(b) > 0 || content != size || blocks != f.blocks || tail != f.tail || total != start+f.room() {
		return nil, bad("its head")
	}
	if f.tail > 0 {
		f.tailAt = f.at + f.room() - f.tail
	}
	return f, nil
}
