package avb

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// ErrMismatch is wrapped by the errors for data that is not what its hash tree says.
var ErrMismatch = errors.New("it does not match")

// Stream verifies a partition by its hash tree while its bytes go by, as
// VerifyPartition does by reading it. It holds the tree, 1/127 of the data. One
// goroutine uses it.
type Stream struct {
	d     *HashtreeDescriptor
	g     *geometry
	known Known
	// what known said of the next blocks
	digests, sums []byte

	next int64 // block of the data
	b    *treeBuilder
	tree []byte // computed
	rest []byte // the beginning of a block
	sum  []byte // room for a digest
	off  int64  // of the next byte of the partition
	root []byte // once all data has gone by
	err  error  // where the tree is another, the data's block if that can be told
	told bool   // it can
}

// NewStream begins to verify a partition of size bytes, whose tree follows its data.
// Blocks of which known gives the digest are not hashed: their CRC-32C is compared, by
// which rot is found, and the digests make up the tree with the others. known may be nil.
func NewStream(d *HashtreeDescriptor, size int64, known Known) (*Stream, error) {
	g, err := d.check(size)
	if err == nil && d.TreeSize > 0 && d.TreeOffset < d.ImageSize {
		err = fmt.Errorf("tree_offset is %d, expected at least the data's %d bytes", d.TreeOffset, d.ImageSize)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot verify partition %s: %w", d.Partition, err)
	}
	s := &Stream{d: d, g: g, known: known, tree: make([]byte, g.treeSize)}
	s.b = g.builder(func(off int64, block []byte) error {
		copy(s.tree[off:], block)
		return nil
	})
	return s, nil
}

// Write takes the bytes that follow. It fails once all that the descriptor covers has
// gone by, if it is not as it should be; what lies behind is not looked at.
func (s *Stream) Write(p []byte) (int, error) {
	n, begin := len(p), s.off
	data, tree := int64(s.d.ImageSize), int64(s.d.TreeOffset)
	if s.off < data {
		now := p[:min(int64(len(p)), data-s.off)]
		p = p[len(now):]
		s.off += int64(len(now))
		if err := s.data(now); err != nil {
			return 0, err
		}
	}
	if end := tree + int64(s.d.TreeSize); len(p) > 0 && s.off < end && s.off+int64(len(p)) > tree {
		skip := max(0, tree-s.off)
		found := p[skip:min(int64(len(p)), end-s.off)]
		at := s.off + skip - tree
		if want := s.tree[at:][:len(found)]; !s.told && !bytes.Equal(found, want) {
			s.err = fmt.Errorf("%w: %w", ErrMismatch, s.differs(at, found, want))
		}
	}
	if s.off += int64(len(p)); begin < s.end() && s.off >= s.end() {
		return n, s.Close()
	}
	return n, nil
}

// end is where what the descriptor covers ends.
func (s *Stream) end() int64 {
	if s.d.TreeSize == 0 {
		return int64(s.d.ImageSize)
	}
	return int64(s.d.TreeOffset + s.d.TreeSize)
}

// data takes whole blocks.
func (s *Stream) data(p []byte) error {
	size := s.g.dataBlock
	if len(s.rest) > 0 {
		n := min(size-len(s.rest), len(p))
		s.rest = append(s.rest, p[:n]...)
		if p = p[n:]; len(s.rest) < size {
			return nil
		}
		if err := s.block(s.rest); err != nil {
			return err
		}
		s.rest = s.rest[:0]
	}
	for ; len(p) >= size; p = p[size:] {
		if err := s.block(p[:size]); err != nil {
			return err
		}
	}
	s.rest = append(s.rest, p...)
	if s.off < int64(s.d.ImageSize) {
		return nil
	}
	var err error
	s.root, err = s.b.finish()
	return err
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// block takes a block of the data.
func (s *Stream) block(b []byte) error {
	if len(s.sums) == 0 && s.known != nil {
		s.digests, s.sums = s.known(s.next)
	}
	n := s.next
	s.next++
	if len(s.sums) < crc32.Size || len(s.digests) < s.g.digestSize {
		s.sums = nil
		s.sum = s.g.sum(s.b.h, s.sum[:0], b)
		return s.b.add(0, s.sum)
	}
	if found, want := crc32.Checksum(b, castagnoli), binary.LittleEndian.Uint32(s.sums); found != want && !s.told {
		s.told = true
		s.err = fmt.Errorf("%w: block %d at offset %d has CRC-32C %08x, expected %08x", ErrMismatch, n, n*int64(len(b)), found, want)
	}
	digest := s.digests[:s.g.digestSize]
	s.digests, s.sums = s.digests[s.g.digestSize:], s.sums[crc32.Size:]
	return s.b.add(0, digest)
}

// differs says where in the tree bytes are others than were computed; both are the
// part of the tree from at on.
func (s *Stream) differs(at int64, found, want []byte) error {
	// The upper levels come first, and say less: the data's digests are looked at too.
	i := 0
	if from := s.leaves() - at; from > 0 && from < int64(len(found)) && !bytes.Equal(found[from:], want[from:]) {
		i = int(from)
	}
	for found[i] == want[i] {
		i++
	}
	slot := int64(s.g.slotSize)
	off := at + int64(i)
	off -= off % slot
	if n := (off - s.leaves()) / slot; off >= s.leaves() && n < s.g.dataBlocks {
		s.told = true
		return fmt.Errorf("block %d at offset %d has another digest than the hash tree at offset %d", n, n*int64(s.g.dataBlock), int64(s.d.TreeOffset)+off)
	}
	return fmt.Errorf("the hash tree at offset %d is another than is computed", int64(s.d.TreeOffset)+off)
}

// leaves is where in the tree the digests of the data begin.
func (s *Stream) leaves() int64 {
	if len(s.g.levels) == 0 {
		return s.g.treeSize
	}
	return s.g.levels[0].offset
}

// Close says whether all was as the descriptor says.
func (s *Stream) Close() error {
	err := s.err
	switch {
	case err != nil:
	case len(s.d.RootDigest) == 0:
		err = errors.New("the descriptor has no root digest: it is kept by the phone")
	case s.off < s.end():
		err = io.ErrUnexpectedEOF
	case !bytes.Equal(s.root, s.d.RootDigest):
		err = fmt.Errorf("%w: the root digest of its data is %x, expected %x", ErrMismatch, s.root, s.d.RootDigest)
	}
	if err != nil {
		return fmt.Errorf("cannot verify partition %s: %w", s.d.Partition, err)
	}
	return nil
}
