// Package deflate compresses as zlib does, byte for byte.
//
// A patch of imgdiff (android/blockota) patches what a deflate stream holds, and
// the phone compresses the result again; the stream must come out as the vendor's
// zlib made it, down to the bit, or the file is another one. Which of many
// streams for one content a compressor writes depends on every choice that it
// makes, so the choices here are zlib's: its hash chains, its lazy matches, where
// its blocks end, how its Huffman trees break ties. They are those of deflate.c
// and trees.c of zlib 1.2.3 to 1.3.1 (Jean-loup Gailly and Mark Adler, zlib
// licence), written anew; python3's zlib judges them.
//
// It is not a faster or smaller compressor, and what needs any deflate stream
// rather than this one is better served by others. Level 0 (its stored blocks
// depend on the caller's buffers and zlib's version), strategies other than the
// default, and zlib's and gzip's own heads are left out. The stream itself is
// described in RFC 1951.
package deflate

import (
	"errors"
	"fmt"
	"io"
)

const (
	minMatch     = 3
	maxMatch     = 258
	minLookahead = maxMatch + minMatch + 1
	tooFar       = 4096 // a match of 3 bytes from further away is none
)

// Params are those of zlib's deflateInit2.
type Params struct {
	Level      int // 1 to 9
	WindowBits int // 9 to 15: the window has 2^WindowBits bytes
	MemLevel   int // 1 to 9; zlib's default is 8
}

// config is how hard a level looks.
type config struct {
	good  int // from a match of this length on, a quarter of the chain is enough
	lazy  int // from this length on, the next place is not tried; the most that is inserted where slow is false
	nice  int // a match of this length is good enough
	chain int
	slow  bool // looks whether the next place has a longer match
}

func configOf(level int) config {
	return [...]config{
		1: {4, 4, 8, 4, false}, 2: {4, 5, 16, 8, false}, 3: {4, 6, 32, 32, false},
		4: {4, 4, 16, 16, true}, 5: {8, 16, 32, 32, true}, 6: {8, 16, 128, 128, true},
		7: {8, 32, 128, 256, true}, 8: {32, 128, 258, 1024, true}, 9: {32, 258, 258, 4096, true},
	}[level]
}

// Writer compresses what is written to it. It holds some 300 KiB.
type Writer struct {
	config
	blocks blocks

	size, mask int      // of the window
	window     []byte   // twice its size: what may be matched, and what comes
	head, prev []uint16 // the newest place of each hash, and the one before each place; 0 is none
	shift      int      // of the hash, for each byte
	hashMask   int

	at        int // what is compressed next
	ahead     int // bytes from there on
	begin     int // of the block in the window; below 0 once the window has moved on
	matched   int // length and place of the last match that was found
	match     int
	pending   bool // the byte before at is not written yet
	err       error
	closed    bool
	lastMatch int // its length is for longest to beat
}

// NewWriter writes a raw deflate stream to w.
func NewWriter(w io.Writer, p Params) (*Writer, error) {
	if p.Level < 1 || p.Level > 9 || p.WindowBits < 9 || p.WindowBits > 15 || p.MemLevel < 1 || p.MemLevel > 9 {
		return nil, fmt.Errorf("cannot compress as zlib: not supported: level %d, window bits %d, memory level %d; expected 1 to 9, 9 to 15, 1 to 9", p.Level, p.WindowBits, p.MemLevel)
	}
	bits := p.MemLevel + 7
	z := &Writer{
		config: configOf(p.Level), size: 1 << p.WindowBits, mask: 1<<p.WindowBits - 1,
		window: make([]byte, 2<<p.WindowBits), head: make([]uint16, 1<<bits), prev: make([]uint16, 1<<p.WindowBits),
		shift: (bits + minMatch - 1) / minMatch, hashMask: 1<<bits - 1, matched: minMatch - 1, lastMatch: minMatch - 1,
	}
	z.blocks.init(w, 1<<(p.MemLevel+6))
	return z, nil
}

// Write compresses b. When what comes out reaches the writer below does not
// depend on how the content is cut into calls.
func (z *Writer) Write(b []byte) (int, error) {
	if z.closed {
		return 0, errors.New("cannot compress as zlib: the stream is closed")
	}
	n := len(b)
	for len(b) > 0 && z.err == nil {
		// zlib moves its window when it must have more, and then fills it up.
		end := z.at + z.ahead
		if end == len(z.window) {
			z.run(false)
			continue
		}
		k := copy(z.window[end:], b)
		z.ahead += k
		b = b[k:]
	}
	if z.err != nil {
		return 0, z.err
	}
	return n, nil
}

// Close ends the stream. It does not close the writer below.
func (z *Writer) Close() error {
	if z.closed {
		return z.err
	}
	z.closed = true
	z.run(true)
	if z.pending {
		z.blocks.literal(z.window[z.at-1])
		z.pending = false
	}
	z.flush(true)
	return z.err
}

// slide moves the upper half of the window down.
func (z *Writer) slide() {
	copy(z.window, z.window[z.size:])
	z.at, z.begin, z.match = z.at-z.size, z.begin-z.size, z.match-z.size
	for _, table := range [][]uint16{z.head, z.prev} {
		for i, v := range table {
			table[i] = uint16(max(0, int(v)-z.size))
		}
	}
}

// run compresses what is there: all, or as long as a match cannot reach its end.
// The window moves where zlib would ask for more, as places that fall out of it
// are matched no longer.
func (z *Writer) run(all bool) {
	step := z.fast
	if z.slow {
		step = z.lazily
	}
	for z.err == nil {
		if z.ahead < minLookahead {
			if z.at >= len(z.window)-minLookahead {
				z.slide()
			}
			if !all || z.ahead == 0 {
				return
			}
		}
		step()
	}
}

// insert notes the place at and returns the one before it with its hash.
func (z *Writer) insert(at int) int {
	w := z.window[at : at+3]
	h := (int(w[0])<<(2*z.shift) ^ int(w[1])<<z.shift ^ int(w[2])) & z.hashMask
	before := z.head[h]
	z.prev[at&z.mask] = before
	z.head[h] = uint16(at)
	return int(before)
}

// candidate inserts what is next and gives the nearest place to match; 0: none.
func (z *Writer) candidate() int {
	if z.ahead < minMatch {
		return 0
	}
	c := z.insert(z.at)
	if c == 0 || z.at-c > z.size-minLookahead {
		return 0
	}
	return c
}

// fast takes the first match at each place.
func (z *Writer) fast() {
	if c := z.candidate(); c != 0 {
		z.matched = z.longest(c)
	}
	if z.matched < minMatch {
		full := z.blocks.literal(z.window[z.at])
		z.at, z.ahead = z.at+1, z.ahead-1
		if full {
			z.flush(false)
		}
		return
	}
	full := z.blocks.copy(z.at-z.match, z.matched)
	z.ahead -= z.matched
	if z.matched <= z.lazy && z.ahead >= minMatch {
		for i := 1; i < z.matched; i++ {
			z.insert(z.at + i)
		}
	}
	z.at += z.matched
	z.matched = 0
	if full {
		z.flush(false)
	}
}

// lazily writes a match only if the next place has no longer one.
func (z *Writer) lazily() {
	c := z.candidate()
	before, from := z.matched, z.match
	z.lastMatch, z.matched = before, minMatch-1
	if c != 0 && before < z.lazy {
		z.matched = z.longest(c)
		if z.matched == minMatch && z.at-z.match > tooFar {
			z.matched = minMatch - 1
		}
	}
	switch {
	case before >= minMatch && z.matched <= before:
		last := z.at + z.ahead - minMatch
		full := z.blocks.copy(z.at-1-from, before)
		z.ahead -= before - 1
		for range before - 2 {
			if z.at++; z.at <= last {
				z.insert(z.at)
			}
		}
		z.at++
		z.pending, z.matched = false, minMatch-1
		if full {
			z.flush(false)
		}
	case z.pending:
		if z.blocks.literal(z.window[z.at-1]) {
			z.flush(false)
		}
		z.at, z.ahead = z.at+1, z.ahead-1
	default:
		z.pending = true
		z.at, z.ahead = z.at+1, z.ahead-1
	}
}

// longest is the length of the longest match of a chain that begins at c, and sets
// match to its place; where there is none longer, the one to beat.
func (z *Writer) longest(c int) int {
	chain, best, nice := z.chain, z.lastMatch, min(z.nice, z.ahead)
	if best >= z.good {
		chain >>= 2
	}
	limit := max(0, z.at-(z.size-minLookahead))
	w := z.window
	// Where less is left than is to be beaten, nothing does, and nobody asks.
	scan := w[z.at:min(z.at+maxMatch, len(w))]
	for first := true; first || c > limit && chain > 0; c, chain, first = int(z.prev[c&z.mask]), chain-1, false {
		if best < len(scan) && (w[c+best] != scan[best] || w[c+best-1] != scan[best-1]) || w[c] != scan[0] || w[c+1] != scan[1] {
			continue
		}
		n := 2
		for n < len(scan) && w[c+n] == scan[n] {
			n++
		}
		if n > best {
			z.match, best = c, n
			if n >= nice {
				break
			}
		}
	}
	return min(best, z.ahead)
}

// flush ends the block before at.
func (z *Writer) flush(last bool) {
	var content []byte
	stored := z.at - z.begin
	if z.begin >= 0 {
		content = z.window[z.begin:z.at]
	}
	z.err = z.blocks.flush(content, stored, last)
	z.begin = z.at
}
