package ext4

import (
	"cmp"
	"encoding/binary"
	"math/bits"
	"slices"
	"strings"

	"github.com/fridayos/friday/android/tree"
)

// A directory of more than one block gets an index, so that a kernel looks at one
// block for a name instead of all: its entries are sorted by the hash of their
// names, and a tree of one or two levels says which block begins with which hash.
// To a kernel that knows no index its blocks are deleted entries.

const (
	dirInfoAt    = 24 // in the root, behind "." and ".."
	rootEntries  = 32 // where the index begins in the root
	nodeEntries  = 8  // and in other nodes
	indexEntry   = 8
	halfMD4      = 1
	indexInfo    = 8
	indexTail    = 8 // with metadata_csum
	maxIndexSpan = 0xfffffffe
)

// hashedEntry is an entry of a directory, by its place in the node.
type hashedEntry struct {
	i           int
	hash, minor uint32
}

// indexed is how a directory with an index is cut into leaves.
type indexed struct {
	entries []hashedEntry // by hash
	ends    []int         // the entry behind the last of each leaf
	nodes   int           // between root and leaves; 0: the root points to leaves
	perNode int
}

func (x *indexed) blocks() int { return 1 + x.nodes + len(x.ends) }

// layoutIndex cuts the entries of a directory; ok is false if an index of two
// levels would not do.
func layoutIndex(n *tree.Node, seed [16]byte, room int, summed bool) (x *indexed, ok bool) {
	x = &indexed{entries: make([]hashedEntry, len(n.Entries))}
	for i, e := range n.Entries {
		hash, minor := nameHash(e.Name, seed)
		x.entries[i] = hashedEntry{i, hash, minor}
	}
	slices.SortFunc(x.entries, func(a, b hashedEntry) int {
		return cmp.Or(cmp.Compare(a.hash, b.hash), cmp.Compare(a.minor, b.minor), strings.Compare(n.Entries[a.i].Name, n.Entries[b.i].Name))
	})
	used := 0
	for k, e := range x.entries {
		size := direntSize(n.Entries[e.i].Name)
		if used+size > room {
			x.ends = append(x.ends, k)
			used = 0
		}
		used += size
	}
	x.ends = append(x.ends, len(x.entries))
	inRoot := (block - rootEntries) / indexEntry
	x.perNode = (block - nodeEntries) / indexEntry
	if summed {
		inRoot, x.perNode = inRoot-1, x.perNode-1
	}
	if len(x.ends) > inRoot {
		x.nodes = (len(x.ends) + x.perNode - 1) / x.perNode
	}
	return x, x.nodes <= inRoot
}

// first is the hash that the index gives a leaf. Where names of one hash go on
// from the leaf before, its last bit says so.
func (x *indexed) first(leaf int) uint32 {
	if leaf == 0 {
		return 0
	}
	k := x.ends[leaf-1]
	h := x.entries[k].hash
	if x.entries[k-1].hash == h {
		h |= 1
	}
	return h
}

// index encodes the blocks of a directory with an index.
func (b *builder) index(it *item) []byte {
	le := binary.LittleEndian
	x := it.dir.index
	out := make([]byte, it.size)

	root := out[:block]
	putDirent(root, it.ino, ".", tree.Directory, direntSize("."))
	putDirent(root[direntSize("."):], it.parent.ino, "..", tree.Directory, block-direntSize("."))
	root[dirInfoAt+4], root[dirInfoAt+5] = halfMD4, indexInfo
	leafBlock := func(i int) uint32 { return uint32(1 + x.nodes + i) }
	if x.nodes == 0 {
		b.putIndex(it.ino, root, rootEntries, len(x.ends), x.first, leafBlock)
	} else {
		root[dirInfoAt+6] = 1 // levels between root and leaves
		b.putIndex(it.ino, root, rootEntries, x.nodes, func(i int) uint32 { return x.first(i * x.perNode) }, func(i int) uint32 { return uint32(1 + i) })
		for i := range x.nodes {
			p := out[(1+i)*block:][:block]
			le.PutUint16(p[4:], block) // looks like a deleted entry
			from := i * x.perNode
			b.putIndex(it.ino, p, nodeEntries, min(x.perNode, len(x.ends)-from),
				func(k int) uint32 { return x.first(from + k) }, func(k int) uint32 { return leafBlock(from + k) })
		}
	}
	start := 0
	for i, end := range x.ends {
		p := out[int(leafBlock(i))*block:][:block]
		pos, last := 0, 0
		for _, e := range x.entries[start:end] {
			entry := it.node.Entries[e.i]
			child := b.byNode[entry.Node]
			putDirent(p[pos:], child.ino, entry.Name, child.node.Type, direntSize(entry.Name))
			last = pos
			pos += direntSize(entry.Name)
		}
		b.endDirBlock(it, p, last)
		start = end
	}
	return out
}

// putIndex encodes count entries at from: the hash of the first one is 0 and not
// written, how many there are stands in its place.
func (b *builder) putIndex(ino uint32, p []byte, from, count int, hash func(int) uint32, at func(int) uint32) {
	le := binary.LittleEndian
	limit := (block - from) / indexEntry
	if b.o.MetadataSum {
		limit--
	}
	for i := range count {
		e := p[from+indexEntry*i:]
		if i > 0 {
			le.PutUint32(e, hash(i))
		}
		le.PutUint32(e[4:], at(i))
	}
	le.PutUint16(p[from:], uint16(limit))
	le.PutUint16(p[from+2:], uint16(count))
	if b.o.MetadataSum {
		sum := crc32c(b.inodeSeed(ino), p[:from+indexEntry*count])
		le.PutUint32(p[from+indexEntry*limit+4:], crc32c(sum, make([]byte, indexTail)))
	}
}

// putDirent encodes an entry that takes size bytes.
func putDirent(p []byte, ino uint32, name string, t tree.Type, size int) {
	le := binary.LittleEndian
	le.PutUint32(p, ino)
	le.PutUint16(p[4:], uint16(size))
	p[6], p[7] = uint8(len(name)), t.FileType()
	copy(p[8:], name)
}

// endDirBlock stretches the last entry of a block, and adds a checksum.
func (b *builder) endDirBlock(it *item, p []byte, last int) {
	le := binary.LittleEndian
	le.PutUint16(p[last+4:], uint16(it.dir.room-last))
	if b.o.MetadataSum {
		tail := p[it.dir.room:]
		le.PutUint16(tail[4:], dirTailSize)
		tail[7] = dirTailType
		le.PutUint32(tail[8:], crc32c(b.inodeSeed(it.ino), p[:it.dir.room]))
	}
}

// nameHash is the half MD4 of a name, as fs/ext4/hash.c in Linux describes it,
// with characters that have a sign.
func nameHash(name string, seed [16]byte) (hash, minor uint32) {
	state := [4]uint32{0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476}
	if seed != [16]byte{} {
		for i := range state {
			state[i] = binary.LittleEndian.Uint32(seed[4*i:])
		}
	}
	for rest := name; len(rest) > 0; rest = rest[min(32, len(rest)):] {
		halfMD4Transform(&state, nameWords(rest))
	}
	hash = state[1] &^ 1
	if hash == maxIndexSpan {
		hash -= 2 // the last one means the end
	}
	return hash, state[2]
}

// nameWords are the first 32 bytes of a name, filled up with its length.
func nameWords(name string) (in [8]uint32) {
	pad := uint32(len(name)) | uint32(len(name))<<8
	pad |= pad << 16
	for i := range in {
		in[i] = pad
	}
	for i := range min(len(name), 32) {
		in[i/4] = uint32(int32(int8(name[i]))) + in[i/4]<<8
	}
	return in
}

// halfMD4Transform is the first half of each of MD4's rounds.
func halfMD4Transform(state *[4]uint32, in [8]uint32) {
	rounds := [3]struct {
		f      func(x, y, z uint32) uint32
		k      uint32
		words  [8]int
		shifts [4]int
	}{
		{func(x, y, z uint32) uint32 { return z ^ x&(y^z) }, 0, [8]int{0, 1, 2, 3, 4, 5, 6, 7}, [4]int{3, 7, 11, 19}},
		{func(x, y, z uint32) uint32 { return x&y + (x^y)&z }, 0x5a827999, [8]int{1, 3, 5, 7, 0, 2, 4, 6}, [4]int{3, 5, 9, 13}},
		{func(x, y, z uint32) uint32 { return x ^ y ^ z }, 0x6ed9eba1, [8]int{3, 7, 2, 6, 1, 5, 0, 4}, [4]int{3, 9, 11, 15}},
	}
	s := *state
	for _, r := range rounds {
		for i, w := range r.words {
			a := (4 - i%4) % 4 // a, d, c, b
			v := s[a] + r.f(s[(a+1)%4], s[(a+2)%4], s[(a+3)%4]) + in[w] + r.k
			s[a] = bits.RotateLeft32(v, r.shifts[i%4])
		}
	}
	for i := range state {
		state[i] += s[i]
	}
}
