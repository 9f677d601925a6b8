package xz

import (
	"encoding/binary"
	"math/bits"
)

const (
	digitBits = 11 // of the sort: three digits hold four bytes
	hash3Bits = 16
	// distBits hold a distance in a list, with a length above them.
	distBits = 26
	// maxListed is how many matches a place has on average at most, beyond its
	// longest; real data has one to three.
	maxListed = 6
	// batch places, and ahead lists, are fetched together, to wait for memory once.
	batch = 512
	ahead = 64
)

// match is a place where bytes were seen before.
type match struct{ length, dist uint32 } // dist less one

// finder finds earlier occurrences. It looks at the whole input at once: places
// are sorted by their four bytes, and those that have them in common form a
// binary tree in the order of what follows, the newest on top. Tree after tree is
// grown while it is in the processor's cache; a tree for each hash, grown as the
// input goes by, would wait for memory at each step.
type finder struct {
	src   []byte
	nice  int
	depth int
	// order holds four bytes and the place they are at; spare is as large.
	order, spare []uint64
	tree         []branch
	// first says where the list of a place begins in lists; a zero ends it.
	// lists[0] is zero: the empty one.
	first, lists []uint32
	// The last places of two and of three bytes. That zero stands for none does no
	// harm: what lies there is compared.
	last2    [1 << 16]uint32
	last3    [1 << hash3Bits]uint32
	short    [ahead]short
	prepared int
	touched  uint32 // keeps the compiler from leaving out what only fetches
	found    []match
}

// branch is a place in a tree.
type branch struct {
	key  uint64   // the eight bytes behind the four
	sons [2]int32 // the greater, the smaller; number in the tree plus one
	pos  uint32
}

func (f *finder) reset(src []byte, nice, depth int) {
	f.src, f.nice, f.depth, f.prepared = src, nice, depth, 0
	n := max(len(src)-3, 0)
	f.order, f.spare = sized(f.order, n), sized(f.spare, n)
	f.first = sized(f.first, len(src))
	clear(f.first)
	clear(f.last2[:])
	clear(f.last3[:])
	f.lists = append(sized(f.lists, len(src)*2)[:0], 0)
	f.sort()
	f.group()
}

// sized is a slice of n, of the memory of s if that is enough.
func sized[T any](s []T, n int) []T {
	if cap(s) < n {
		return make([]T, n)
	}
	return s[:n]
}

// sort puts all places in the order of their four bytes.
func (f *finder) sort() {
	const mask = 1<<digitBits - 1
	var count [3][1 << digitBits]uint32
	src := f.src
	for i := range f.order {
		w := binary.BigEndian.Uint32(src[i:])
		f.order[i] = uint64(w)<<32 | uint64(i)
		count[0][w&mask]++
		count[1][w>>digitBits&mask]++
		count[2][w>>(2*digitBits)]++
	}
	for d := range count {
		c := &count[d]
		sum := uint32(0)
		for i, k := range c {
			c[i] = sum
			sum += k
		}
		shift := 32 + d*digitBits
		to := f.spare
		for _, v := range f.order {
			k := v >> (shift & 63) & mask
			to[c[k]] = v
			c[k]++
		}
		f.order, f.spare = f.spare, f.order
	}
}

// group grows the trees, some at a time.
func (f *finder) group() {
	order := f.order
	for a := 0; a < len(order); {
		b := min(a+batch, len(order))
		for b < len(order) && order[b]>>32 == order[b-1]>>32 {
			b++
		}
		if cap(f.tree) < b-a {
			f.tree = make([]branch, max(2*batch, b-a+(b-a)/2))
		}
		trees := f.tree[:b-a]
		for i, v := range order[a:b] {
			trees[i].pos = uint32(v)
			trees[i].key = f.key(int(uint32(v)) + 4)
		}
		for from := 0; from < len(trees); {
			to := from + 1
			for w := order[a+from] >> 32; to < len(trees) && order[a+to]>>32 == w; to++ {
			}
			if to-from > 1 {
				f.grow(trees[from:to])
			}
			from = to
		}
		a = b
	}
}

// key is the eight bytes at a place, zeros behind the end.
func (f *finder) key(at int) uint64 {
	if at+8 <= len(f.src) {
		return binary.BigEndian.Uint64(f.src[at:])
	}
	var b [8]byte
	copy(b[:], f.src[at:])
	return binary.BigEndian.Uint64(b[:])
}

// grow grows a tree of places in their order, and lists their matches.
func (f *finder) grow(tree []branch) {
	tree[0].sons = [2]int32{}
	for k := 1; k < len(tree); k++ {
		start := len(f.lists)
		f.first[tree[k].pos] = uint32(start)
		f.lists = f.descend(tree, k, f.lists)
		if start > maxListed*len(f.src) { // keep the longest alone
			f.lists = append(f.lists[:start], f.lists[len(f.lists)-1])
		}
		f.lists = append(f.lists, 0)
	}
}

// descend makes place k the top of the tree: on the way down every place is hung
// to the side where it belongs. Matches, each longer than those before, are
// appended to the list.
func (f *finder) descend(tree []branch, k int, list []uint32) []uint32 {
	key, pos := tree[k].key, int(tree[k].pos)
	limit := min(len(f.src)-pos, f.nice)
	hook := [2]*int32{&tree[k].sons[0], &tree[k].sons[1]} // where the next place of each side is hung
	best := 3
	top := k
	for depth := f.depth; top > 0 && depth > 0; depth-- {
		t := &tree[top-1]
		n := 4 + bits.LeadingZeros64(t.key^key)/8
		_, side := bits.Sub64(t.key, key, 0) // 1: there is less than here
		if n == 12 && limit > 12 {
			at := int(t.pos)
			n = shared(f.src[at:at+limit], f.src[pos:pos+limit], 12)
			side = 0
			if n < limit && f.src[at+n] < f.src[pos+n] {
				side = 1
			}
		}
		if n > best {
			best = min(n, limit)
			list = append(list, uint32(best-1)<<distBits|uint32(pos-int(t.pos)-1))
			if best == limit {
				*hook[0], *hook[1] = t.sons[0], t.sons[1]
				return list
			}
		}
		*hook[side&1] = int32(top)
		hook[side&1] = &t.sons[side&1^1]
		top = int(t.sons[side&1^1])
	}
	*hook[0], *hook[1] = 0, 0
	return list
}

// seen says at how many places four bytes came before.
func (f *finder) seen(from, to int) int {
	n := 0
	for _, first := range f.first[from:to] {
		if first != 0 {
			n++
		}
	}
	return n
}

// find gives the matches at a place, of growing length and distance: for each
// length the nearest. Lengths stop at nice. Places may be left out, but it does
// not go back.
func (f *finder) find(pos int) []match {
	f.found = f.found[:0]
	if len(f.src)-pos < 4 {
		return f.found
	}
	for pos >= f.prepared {
		f.prepare()
	}
	// What has four bytes in common is in the list.
	if s := &f.short[pos%ahead]; s.n2 == 2 || s.n2 == 3 {
		f.found = append(f.found, match{s.n2, uint32(pos) - s.at2 - 1})
		if s.n2 == 2 && s.n3 == 3 {
			f.found = append(f.found, match{3, uint32(pos) - s.at3 - 1})
		}
	}
	for _, v := range f.lists[f.first[pos]:] {
		if v == 0 {
			break
		}
		f.found = append(f.found, match{v>>distBits + 1, v & (1<<distBits - 1)})
	}
	return f.found
}

// prepare looks at the next places: for short matches, and to have their lists
// fetched.
func (f *finder) prepare() {
	from := f.prepared
	f.prepared += ahead
	src, n := f.src, min(len(f.src)-3-from, ahead)
	touched := uint32(0)
	for k, first := range f.first[from : from+n] {
		touched += f.lists[first]
		w := binary.LittleEndian.Uint32(src[from+k:])
		l2, l3 := &f.last2[w&0xffff], &f.last3[w<<8*0x9e3779b1>>(32-hash3Bits)]
		f.short[k] = short{at2: *l2, at3: *l3}
		*l2, *l3 = uint32(from+k), uint32(from+k)
	}
	f.touched = touched
	for k := range n {
		s := &f.short[k]
		w := binary.LittleEndian.Uint32(src[from+k:])
		s.n2 = uint32(bits.TrailingZeros32(binary.LittleEndian.Uint32(src[s.at2:])^w)) / 8
		s.n3 = uint32(bits.TrailingZeros32(binary.LittleEndian.Uint32(src[s.at3:])^w)) / 8
	}
}

// short is where two and three bytes may have been seen last, and how many of
// four it are.
type short struct{ at2, n2, at3, n3 uint32 }

// shared counts the bytes from n up to limit that two places have in common.
func (f *finder) shared(a, b, n, limit int) int {
	return shared(f.src[a:a+limit], f.src[b:b+limit], n)
}

// shared is the length of the common prefix of two texts of one length, of which
// n bytes are known to agree.
func shared(a, b []byte, n int) int {
	b = b[:len(a)]
	for ; n+8 <= len(a); n += 8 {
		if d := binary.LittleEndian.Uint64(a[n:]) ^ binary.LittleEndian.Uint64(b[n:]); d != 0 {
			return n + bits.TrailingZeros64(d)/8
		}
	}
	for n < len(a) && a[n] == b[n] {
		n++
	}
	return n
}
