package puffin

import (
	"encoding/binary"
	"errors"
	"fmt"
)

// The parts of a puff; see the package's comment.
const (
	stored, fixed, dynamic = 0, 1, 2

	isCopy      = 0x80
	longRun     = 127 // of literals: 128 and more follow
	maxRun      = 1<<16 + 127
	longCopy    = 130
	maxCopy     = 258
	endOfPuff   = maxCopy + 1 // as a length
	repeatCodes = 16          // the symbol that repeats, and those after it that make zeros
)

var errCut = errors.New("it is cut off")

// bitReader reads bits as deflate has them, lowest first.
type bitReader struct {
	b    []byte
	at   int // next byte
	hold uint64
	n    uint // bits in hold that count
}

// fill makes 56 bits or more ready, or all that are left.
func (r *bitReader) fill() {
	if r.at+8 <= len(r.b) {
		r.hold |= binary.LittleEndian.Uint64(r.b[r.at:]) << r.n
		r.at += int(63-r.n) >> 3
		r.n |= 56
		return
	}
	for r.n <= 56 && r.at < len(r.b) {
		r.hold |= uint64(r.b[r.at]) << r.n
		r.at++
		r.n += 8
	}
}

func (r *bitReader) drop(n uint) {
	r.hold >>= n
	r.n -= n
}

// take gives n bits, at most 32.
func (r *bitReader) take(n uint) (int, error) {
	if r.n < n {
		if r.fill(); r.n < n {
			return 0, errCut
		}
	}
	v := int(r.hold & (1<<n - 1))
	r.drop(n)
	return v, nil
}

// left is how many bits there are before the end of b.
func (r *bitReader) left() int { return (len(r.b)-r.at)*8 + int(r.n) }

// puffer makes puffs of deflate.
type puffer struct {
	in       bitReader
	out      []byte
	limit    int // of out
	run      int // where the head of the present run of literals is
	literals int // in it
	literal  decoder
	dist     decoder
	lengths  decoder
}

// errLong tells the caller that the puff has more bytes than it should.
var errLong = errors.New("its puff is longer than the header says")

// puff appends to out, as long as it has at most limit bytes, the puffs of the
// blocks in b from its bit skip on, up to the last byte.
func (p *puffer) puff(out, b []byte, skip uint, limit int) ([]byte, error) {
	p.in, p.out, p.limit = bitReader{b: b}, out, limit
	if _, err := p.in.take(skip); err != nil {
		return nil, err
	}
	for p.in.left() >= 8 {
		if _, err := p.block(); err != nil {
			return nil, fmt.Errorf("deflate block that ends before byte %d: %w", p.in.at, err)
		}
	}
	out, p.out, p.in.b = p.out, nil, nil
	return out, nil
}

// block puffs one block, and says whether it is the final one of its stream.
func (p *puffer) block() (final bool, err error) {
	head, err := p.in.take(3)
	if err != nil {
		return false, err
	}
	kind := head >> 1
	p.literals = 0
	at := len(p.out)
	p.out = append(p.out, 0, 0, byte(head&1<<7|kind<<5))
	switch kind {
	case stored:
		err = p.stored(at)
	case fixed:
		literal, dist := fixedLengths()
		if err = errors.Join(p.literal.set(literal[:]), p.dist.set(dist[:])); err == nil {
			err = p.symbols()
		}
	case dynamic:
		if err = p.codes(); err == nil {
			binary.BigEndian.PutUint16(p.out[at:], uint16(len(p.out)-at-3))
			err = p.symbols()
		}
	default:
		err = errors.New("its type is 3, expected 0 to 2")
	}
	if err != nil {
		return false, err
	}
	p.endRun()
	if p.out = append(p.out, 0xff, endOfPuff-longCopy); len(p.out) > p.limit {
		return false, errLong
	}
	return head&1 != 0, nil
}

// stored puffs a block of bytes as they are.
func (p *puffer) stored(at int) error {
	skipped, err := p.in.take(p.in.n & 7)
	if err != nil {
		return err
	}
	p.out[at+2] |= byte(skipped)
	n, err := p.in.take(16)
	if err != nil {
		return err
	}
	inverse, err := p.in.take(16)
	if err != nil {
		return err
	}
	if n^inverse != 0xffff {
		return fmt.Errorf("a stored block's length is %#x and its inverse %#x", n, inverse)
	}
	if p.in.left() < n*8 {
		return errCut
	}
	if len(p.out)+n > p.limit {
		return errLong
	}
	if n == 0 {
		return nil
	}
	// Whole bytes in the bit buffer are given back.
	from := p.in.at - int(p.in.n/8)
	p.in.hold, p.in.n, p.in.at = 0, 0, from+n
	if n <= longRun {
		p.out = append(p.out, byte(n-1))
	} else {
		p.out = binary.BigEndian.AppendUint16(append(p.out, longRun), uint16(n-longRun-1))
	}
	p.out = append(p.out, p.in.b[from:from+n]...)
	return nil
}

// codes reads the Huffman codes of a dynamic block, whose lengths are coded
// themselves.
func (p *puffer) codes() error {
	v, err := p.in.take(14)
	if err != nil {
		return err
	}
	literals, dists, n := v&31, v>>5&31, v>>10
	p.out = append(p.out, byte(literals), byte(dists), byte(n))
	literals, dists, n = literals+257, dists+1, n+4
	if literals > 286 || dists > 30 {
		return fmt.Errorf("it has %d codes of literals and %d of distances, expected at most 286 and 30", literals, dists)
	}
	var own [19]uint8
	for i := range n {
		v, err := p.in.take(3)
		if err != nil {
			return err
		}
		own[lengthOrder[i]] = byte(v)
		if i%2 == 0 {
			p.out = append(p.out, byte(v)<<4)
		} else {
			p.out[len(p.out)-1] |= byte(v)
		}
	}
	if err := p.lengths.set(own[:]); err != nil {
		return err
	}
	var all [286 + 30]uint8
	for i := 0; i < literals+dists; {
		p.in.fill()
		s, n := p.lengths.decode(p.in.hold)
		if n == 0 || n > p.in.n {
			return errors.New("a code length has no such Huffman code")
		}
		p.in.drop(n)
		if s < repeatCodes {
			all[i] = byte(s)
			p.out = append(p.out, byte(s))
			i++
			continue
		}
		r := repeats[s-repeatCodes]
		more, err := p.in.take(r.bits)
		if err != nil {
			return err
		}
		p.out = append(p.out, r.code+byte(more))
		if i, err = r.fill(all[:literals+dists], i, more); err != nil {
			return err
		}
	}
	return errors.Join(p.literal.set(all[:literals]), p.dist.set(all[literals:literals+dists]))
}

// repeats are the symbols 16 to 18 of code lengths: extra bits, how often at
// least, and how the puff numbers them.
var repeats = [3]repeat{{2, 3, 16, true}, {3, 3, 20, false}, {7, 11, 28, false}}

type repeat struct {
	bits  uint
	least int
	code  byte
	last  bool // it repeats the last length; others are zeros
}

// fill does what the symbol says from i on.
func (r repeat) fill(lengths []uint8, i, more int) (int, error) {
	n := r.least + more
	if r.last && i == 0 || i+n > len(lengths) {
		return i, fmt.Errorf("code length %d of %d is said %d times", i, len(lengths), n)
	}
	v := uint8(0)
	if r.last {
		v = lengths[i-1]
	}
	for k := range lengths[i : i+n] {
		lengths[i+k] = v
	}
	return i + n, nil
}

// symbols puffs literals and copies up to the end of the block.
func (p *puffer) symbols() error {
	in := &p.in
	for {
		in.fill()
		s, n := p.literal.decode(in.hold)
		if n == 0 || n > in.n {
			return errors.New("a literal or length has no such Huffman code")
		}
		in.drop(n)
		if s < endBlock {
			p.put(byte(s))
			if len(p.out) > p.limit {
				return errLong
			}
			continue
		}
		if s == endBlock {
			return nil
		}
		if s -= endBlock + 1; s >= len(lengthBase) {
			return fmt.Errorf("length has symbol %d, expected at most 285", s+endBlock+1)
		}
		// 20 bits of a symbol and its length are gone; a distance needs 28 more.
		length := int(lengthBase[s]) + int(in.hold&(1<<lengthBits[s]-1))
		if in.n < uint(lengthBits[s]) {
			return errCut
		}
		in.drop(uint(lengthBits[s]))
		d, n := p.dist.decode(in.hold)
		if n == 0 || n > in.n {
			return errors.New("a distance has no such Huffman code")
		}
		in.drop(n)
		if in.n < uint(distBits[d]) {
			return errCut
		}
		dist := int(distBase[d]) + int(in.hold&(1<<distBits[d]-1))
		in.drop(uint(distBits[d]))
		p.endRun()
		if length < longCopy {
			p.out = append(p.out, isCopy|byte(length-3))
		} else {
			p.out = append(p.out, 0xff, byte(length-longCopy))
		}
		if p.out = binary.BigEndian.AppendUint16(p.out, uint16(dist-1)); len(p.out) > p.limit {
			return errLong
		}
	}
}

// put adds a literal to the run.
func (p *puffer) put(c byte) {
	switch p.literals {
	case 0:
		p.run = len(p.out)
		p.out = append(p.out, 0)
	case longRun: // the head grows by two bytes
		p.out = append(p.out, 0, 0)
		copy(p.out[p.run+3:], p.out[p.run+1:len(p.out)-2])
	}
	p.out = append(p.out, c)
	if p.literals++; p.literals == maxRun {
		p.endRun()
	}
}

// endRun writes the head of the run, if there is one.
func (p *puffer) endRun() {
	switch {
	case p.literals == 0:
		return
	case p.literals <= longRun:
		p.out[p.run] = byte(p.literals - 1)
	default:
		p.out[p.run] = longRun
		binary.BigEndian.PutUint16(p.out[p.run+1:], uint16(p.literals-longRun-1))
	}
	p.literals = 0
}
