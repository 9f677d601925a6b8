package oneplus

import (
	"encoding/binary"
	"io"

	"github.com/fridayos/friday/android/tree"
)

// blockSize of the cipher.
const blockSize = 16

// schedule is the cipher's round keys. They are not AES's: crypto/aes cannot be
// given them.
type schedule struct {
	table  [256]uint32 // SubBytes and MixColumns of a byte, little-endian
	keys   []uint32
	rounds int
}

// keySet is one of those that are known.
type keySet struct {
	name string
	keys *schedule
}

// keySets are in the order in which they are tried. In each only the first
// sixteen words are not zero, and there are ten rounds.
func keySets() []keySet {
	make10 := func(first [16]byte) *schedule {
		s := &schedule{table: roundTable(), keys: make([]uint32, 44), rounds: 10}
		for i, b := range first {
			s.keys[i] = uint32(b)
		}
		return s
	}
	return []keySet{
		{"5", make10([16]byte{0x60, 0x8a, 0x3f, 0x2d, 0x68, 0x6b, 0xd4, 0x23, 0x51, 0x0c, 0xd0, 0x95, 0xbb, 0x40, 0xe9, 0x76})},
		{"6", make10([16]byte{0xaa, 0x69, 0x82, 0x9e, 0x5d, 0xde, 0xb1, 0x3d, 0x30, 0xbb, 0x81, 0xa3, 0x46, 0x65, 0xa3, 0xe1})},
		{"4", make10([16]byte{0xc4, 0x5d, 0x05, 0x71, 0x99, 0xdd, 0xbb, 0xee, 0x29, 0xa1, 0x6d, 0xc7, 0xad, 0xbf, 0xa4, 0x3f})},
	}
}

// opsIV begins every item.
func opsIV() [4]uint32 { return [4]uint32{0x9ee3b5d1, 0x9d04ea5e, 0xabd51d67, 0xafcbafd2} }

// roundTable is AES's first table, made from the S-box that FIPS 197 defines: the
// inverse in GF(2^8), then an affine map.
func roundTable() (t [256]uint32) {
	mul := func(a, b byte) (p byte) {
		for ; b > 0; b >>= 1 {
			if b&1 > 0 {
				p ^= a
			}
			carry := a & 0x80
			if a <<= 1; carry > 0 {
				a ^= 0x1b
			}
		}
		return p
	}
	for i := range t {
		x := byte(i)
		inverse := byte(1)
		for range 254 { // x^254
			inverse = mul(inverse, x)
		}
		s := inverse
		for range 4 {
			inverse = inverse<<1 | inverse>>7
			s ^= inverse
		}
		s ^= 0x63
		t[i] = uint32(mul(s, 2)) | uint32(s)<<8 | uint32(s)<<16 | uint32(mul(s, 3))<<24
	}
	return t
}

// encrypt runs AES's rounds over a state of four columns.
func (s *schedule) encrypt(in [4]uint32) [4]uint32 {
	rotate := func(v uint32, n int) uint32 { return v<<n | v>>(32-n) }
	var c [4]uint32
	for i := range c {
		c[i] = in[i] ^ s.keys[i]
	}
	k := 4
	for range s.rounds - 1 {
		var next [4]uint32
		for i := range next {
			next[i] = s.table[byte(c[i])] ^ rotate(s.table[byte(c[(i+1)%4]>>8)], 8) ^
				rotate(s.table[byte(c[(i+2)%4]>>16)], 16) ^ rotate(s.table[byte(c[(i+3)%4]>>24)], 24) ^ s.keys[k+i]
		}
		c, k = next, k+4
	}
	box := func(b byte) uint32 { return s.table[b] >> 8 & 0xff }
	var out [4]uint32
	for i := range out {
		out[i] = box(byte(c[i])) | box(byte(c[(i+1)%4]>>8))<<8 | box(byte(c[(i+2)%4]>>16))<<16 | box(byte(c[(i+3)%4]>>24))<<24
		out[i] ^= s.keys[k+(4-i)%4] // in this order
	}
	return out
}

// short is the schedule for an item of less than a block: the bytes of the table
// itself, each doubled, one a word. Their number of rounds stands among them.
func (s *schedule) short() *schedule {
	t := &schedule{table: s.table}
	for _, v := range s.table {
		for i := range 8 {
			t.keys = append(t.keys, v>>(8*(i%4))&0xff)
		}
	}
	t.rounds = int(t.keys[60])
	return t
}

func load(b []byte) (w [4]uint32) {
	var full [blockSize]byte
	copy(full[:], b)
	for i := range w {
		w[i] = binary.LittleEndian.Uint32(full[4*i:])
	}
	return w
}

// open decrypts b, or with seal encrypts it, in place. before is the block of
// ciphertext that stands before it, or the IV. Of an incomplete last block the
// rest of the stream is not used.
func (s *schedule) open(b []byte, before [4]uint32, seal bool) {
	for len(b) > 0 {
		stream := s.encrypt(before)
		n := min(len(b), blockSize)
		if !seal {
			before = load(b[:n])
		}
		for i := range n {
			b[i] ^= byte(stream[i/4] >> (8 * (i % 4)))
		}
		if seal {
			before = load(b[:n])
		}
		b = b[n:]
	}
}

// feedback reads an encrypted item. In this mode a block needs only itself and
// the one before it, so any place can be read.
type feedback struct {
	sealed *io.SectionReader
	keys   *schedule
}

func (f *feedback) ReadAt(p []byte, off int64) (n int, err error) {
	buf := make([]byte, 64<<10)
	for len(p) > 0 {
		if off >= f.sealed.Size() {
			return n, io.EOF
		}
		start := off / blockSize * blockSize
		b := buf[:min(int64(len(buf)), f.sealed.Size()-start)]
		before := opsIV()
		if start > 0 {
			var prev [blockSize]byte
			if err := tree.ReadFull(f.sealed, prev[:], start-blockSize); err != nil {
				return n, err
			}
			before = load(prev[:])
		}
		if err := tree.ReadFull(f.sealed, b, start); err != nil {
			return n, err
		}
		keys := f.keys
		if f.sealed.Size() < blockSize {
			keys = keys.short()
		}
		keys.open(b, before, false)
		k := copy(p, b[off-start:])
		p, n, off = p[k:], n+k, off+int64(k)
	}
	return n, nil
}
