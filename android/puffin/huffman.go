package puffin

import (
	"errors"
	"math/bits"
)

const (
	maxBits  = 15
	fastBits = 10
	endBlock = 256
)

// The order in which a dynamic block has the lengths of its code lengths' codes.
var lengthOrder = [19]byte{16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15}

// Lengths from symbol 257 on and distances: what each begins at, and its extra bits.
var (
	lengthBase = [29]uint16{3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258}
	lengthBits = [29]uint8{0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0}
	distBase   = [30]uint16{1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145, 8193, 12289, 16385, 24577}
	distBits   = [30]uint8{0, 0, 0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 8, 9, 9, 10, 10, 11, 11, 12, 12, 13, 13}
)

// fixedLengths are the code lengths of a block of the fixed type.
func fixedLengths() (literal [288]uint8, dist [30]uint8) {
	for i := range literal {
		switch {
		case i < 144:
			literal[i] = 8
		case i < 256:
			literal[i] = 9
		case i < 280:
			literal[i] = 7
		default:
			literal[i] = 8
		}
	}
	for i := range dist {
		dist[i] = 5
	}
	return literal, dist
}

// starts gives how many codes have each length, and the first code of each.
func starts(lengths []uint8) (count, first [maxBits + 1]uint16, err error) {
	for _, n := range lengths {
		count[n]++
	}
	count[0] = 0
	code := 0
	for n := 1; n <= maxBits; n++ {
		code = (code + int(count[n-1])) << 1
		if code+int(count[n]) > 1<<n {
			return count, first, errors.New("more Huffman codes than there can be of their lengths")
		}
		first[n] = uint16(code)
	}
	return count, first, nil
}

// decoder reads symbols of one Huffman code.
type decoder struct {
	fast    [1 << fastBits]uint16 // symbol<<4 | length; 0: longer, or none
	count   [maxBits + 1]uint16
	symbols [288]uint16 // by length, then by value
}

func (d *decoder) set(lengths []uint8) error {
	count, first, err := starts(lengths)
	if err != nil {
		return err
	}
	d.count = count
	clear(d.fast[:])
	var at [maxBits + 2]uint16
	for n := 1; n <= maxBits; n++ {
		at[n+1] = at[n] + count[n]
	}
	next := first
	for s, n := range lengths {
		if n == 0 {
			continue
		}
		d.symbols[at[n]] = uint16(s)
		at[n]++
		if n <= fastBits {
			for i := int(bits.Reverse16(next[n]) >> (16 - n)); i < len(d.fast); i += 1 << n {
				d.fast[i] = uint16(s)<<4 | uint16(n)
			}
		}
		next[n]++
	}
	return nil
}

// decode gives the symbol that the low bits of v begin with, and its length: 0
// if it is none.
func (d *decoder) decode(v uint64) (symbol int, n uint) {
	if f := d.fast[v&(1<<fastBits-1)]; f != 0 {
		return int(f >> 4), uint(f & 15)
	}
	code, first, index := 0, 0, 0
	for n := uint(1); n <= maxBits; n++ {
		code |= int(v & 1)
		v >>= 1
		count := int(d.count[n])
		if code-first < count {
			return int(d.symbols[index+code-first]), n
		}
		index += count
		first = (first + count) << 1
		code <<= 1
	}
	return 0, 0
}

// encoder writes them.
type encoder struct {
	code   [288]uint16 // its first bit lowest
	length [288]uint8
}

func (e *encoder) set(lengths []uint8) error {
	_, next, err := starts(lengths)
	if err != nil {
		return err
	}
	clear(e.length[:])
	copy(e.length[:], lengths)
	for s, n := range lengths {
		if n > 0 {
			e.code[s] = bits.Reverse16(next[n]) >> (16 - n)
			next[n]++
		}
	}
	return nil
}

// lengthSymbol gives the symbol, less 257, of a length from 3 to 258.
func lengthSymbol(length int) int {
	i := 28
	for int(lengthBase[i]) > length {
		i--
	}
	return i
}

// distSymbol gives the symbol of a distance from 1 to 32768.
func distSymbol(dist int) int {
	if dist < 5 {
		return dist - 1
	}
	n := bits.Len(uint(dist-1)) - 1
	return 2*n + (dist-1)>>(n-1)&1
}
