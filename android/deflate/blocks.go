package deflate

import (
	"bufio"
	"io"
	"math/bits"
)

// blocks gathers literals and copies and writes them as deflate blocks.
type blocks struct {
	w   *bufio.Writer
	acc uint64 // bits that are not a byte yet, the oldest lowest
	n   uint

	symbols []symbol // of the block so far
	most    int      // a block ends at so many

	literals, distances, lengths tree
	bits, fixed                  int // what the block takes with trees of its own, and with the fixed ones
}

// symbol is a literal, or a copy of length bytes from distance bytes before.
type symbol struct {
	distance uint16 // 0: a literal
	value    uint8  // the literal, or the length less 3
}

const endOfBlock = 256

func (b *blocks) init(w io.Writer, room int) {
	b.w, b.most = bufio.NewWriter(w), room-1
	b.symbols = make([]symbol, 0, b.most)
	b.literals.shape, b.distances.shape, b.lengths.shape = literalShape(), distanceShape(), lengthShape()
	b.clear()
}

func (b *blocks) clear() {
	b.symbols = b.symbols[:0]
	for _, t := range []*tree{&b.literals, &b.distances, &b.lengths} {
		clear(t.freq[:])
	}
	b.literals.freq[endOfBlock] = 1
}

// literal adds a byte and says whether the block is full.
func (b *blocks) literal(c byte) bool {
	b.symbols = append(b.symbols, symbol{value: c})
	b.literals.freq[c]++
	return len(b.symbols) == b.most
}

// copy adds a match and says whether the block is full.
func (b *blocks) copy(distance, length int) bool {
	b.symbols = append(b.symbols, symbol{uint16(distance), uint8(length - minMatch)})
	b.literals.freq[endOfBlock+1+lengthCode(uint8(length-minMatch))]++
	b.distances.freq[distanceCode(distance-1)]++
	return len(b.symbols) == b.most
}

// flush writes the block in whichever of the three ways is the shortest: stored,
// if content is there, which has stored bytes.
func (b *blocks) flush(content []byte, stored int, last bool) error {
	b.bits, b.fixed = 0, 0
	b.build(&b.literals)
	b.build(&b.distances)
	orders := b.buildLengths()
	own, fixed := (b.bits+3+7)>>3, (b.fixed+3+7)>>3
	final := uint64(0)
	if last {
		final = 1
	}
	switch {
	case stored+4 <= min(own, fixed) && content != nil:
		b.put(final, 3)
		b.align()
		n := uint64(stored)
		b.put(n, 16)
		b.put(^n&0xffff, 16)
		if _, err := b.w.Write(content); err != nil {
			return err
		}
	case fixed <= own:
		b.put(1<<1|final, 3)
		b.putSymbols(fixedTree(&b.literals), fixedTree(&b.distances))
	default:
		b.put(2<<1|final, 3)
		b.putTrees(orders)
		b.putSymbols(&b.literals, &b.distances)
	}
	b.clear()
	if last {
		b.align()
		return b.w.Flush()
	}
	return nil
}

// put writes the lowest n bits of v, the lowest first. An error of the writer
// below is kept by it until the end.
func (b *blocks) put(v uint64, n uint) {
	b.acc |= v << b.n
	b.n += n
	for b.n >= 8 {
		_ = b.w.WriteByte(byte(b.acc))
		b.acc >>= 8
		b.n -= 8
	}
}

// align fills up a byte with zeros.
func (b *blocks) align() {
	if b.n > 0 {
		b.put(0, 8-b.n)
	}
}

func (b *blocks) putCode(t *tree, n int) { b.put(uint64(t.code[n]), uint(t.len[n])) }

func (b *blocks) putSymbols(literals, distances *tree) {
	for _, s := range b.symbols {
		if s.distance == 0 {
			b.putCode(literals, int(s.value))
			continue
		}
		code := lengthCode(s.value)
		b.putCode(literals, endOfBlock+1+code)
		if n := literals.shape.extra(endOfBlock + 1 + code); n > 0 {
			b.put(uint64(int(s.value)-lengthBase(code)), n)
		}
		d := int(s.distance) - 1
		code = distanceCode(d)
		b.putCode(distances, code)
		if n := distances.shape.extra(code); n > 0 {
			b.put(uint64(d-distanceBase(code)), n)
		}
	}
	b.putCode(literals, endOfBlock)
}

// Codes of lengths less 3 and of distances less 1. From the fourth on, each two
// (four) codes have one extra bit more.

func lengthCode(l uint8) int {
	switch {
	case l == 255:
		return 28 // 258 has a code without extra bits
	case l < 8:
		return int(l)
	}
	e := bits.Len8(l) - 3
	return 4*e + int(l>>e)
}

func lengthBase(code int) int {
	switch {
	case code == 28:
		return 255
	case code < 8:
		return code
	}
	e := code/4 - 1
	return (4 + code%4) << e
}

func distanceCode(d int) int {
	if d < 4 {
		return d
	}
	e := bits.Len(uint(d)) - 2
	return 2*e + d>>e
}

func distanceBase(code int) int {
	if code < 4 {
		return code
	}
	return (2 + code%2) << (code/2 - 1)
}
