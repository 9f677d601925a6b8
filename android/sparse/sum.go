package sparse

import (
	"context"
	"fmt"
	"hash/crc32"
)

// Verify reads the image once and compares every checksum that its file
// carries; most carry none. It returns how many there were. Blocks of one value
// are summed by arithmetic: terabytes of them cost nothing.
func (im *Image) Verify(ctx context.Context) (int, error) {
	if len(im.sums) == 0 {
		return 0, nil
	}
	s := summer{im: im, buf: make([]byte, 256<<10)}
	for _, want := range im.sums {
		if err := s.upTo(ctx, want.block); err != nil {
			return 0, fmt.Errorf("cannot verify sparse image: %w", err)
		}
		if s.crc != want.want {
			return 0, fmt.Errorf("cannot verify sparse image: %w", bad(want.at, fmt.Sprintf("CRC-32 of the first %d blocks", want.block), fmt.Sprintf("%#08x (computed)", s.crc), fmt.Sprintf("%#08x", want.want)))
		}
	}
	return len(im.sums), nil
}

type summer struct {
	im   *Image
	buf  []byte
	next uint32 // the block to go on with
	crc  uint32
}

// upTo adds the blocks before end.
func (s *summer) upTo(ctx context.Context, end uint32) error {
	bs := int64(s.im.blockSize)
	for s.next < end {
		i := s.im.find(s.next)
		r := s.im.runs[i]
		stop := min(s.im.end(i), end)
		if r.kind != raw {
			s.crc = extendFill(s.crc, uint32(r.at), int64(stop-s.next)*bs)
			s.next = stop
			continue
		}
		for off, last := int64(s.next)*bs, int64(stop)*bs; off < last; {
			if err := ctx.Err(); err != nil {
				return err
			}
			p := s.buf[:min(int64(len(s.buf)), last-off)]
			if _, err := s.im.ReadAt(p, off); err != nil {
				return err
			}
			s.crc = crc32.Update(s.crc, crc32.IEEETable, p)
			off += int64(len(p))
		}
		s.next = stop
	}
	return nil
}

// extendFill is the CRC-32 of what has the CRC-32 crc followed by n bytes of a
// repeated value; n is a multiple of 4. A stretch twice as long has the sum of
// one shifted by its length and of the other.
func extendFill(crc, value uint32, n int64) uint32 {
	unit := []byte{byte(value), byte(value >> 8), byte(value >> 16), byte(value >> 24)}
	power, shift := crc32.ChecksumIEEE(unit), shiftBy4()
	for k := n / 4; k > 0; k >>= 1 {
		if k&1 != 0 {
			crc = shift.times(crc) ^ power
		}
		power = shift.times(power) ^ power
		shift = shift.squared()
	}
	return crc
}

// matrix is a linear map of sums, by what it makes of each bit: to follow data
// by zeros of some length and take its sum again is such a map, up to the
// inversions of CRC-32, which cancel out when a sum is added.
type matrix [32]uint32

func (m *matrix) times(v uint32) uint32 {
	out := uint32(0)
	for i := 0; v != 0; i, v = i+1, v>>1 {
		if v&1 != 0 {
			out ^= m[i]
		}
	}
	return out
}

func (m *matrix) squared() matrix {
	var out matrix
	for i, v := range m {
		out[i] = m.times(v)
	}
	return out
}

// shiftBy4 is the map for four bytes: that of one bit, squared five times.
func shiftBy4() matrix {
	m := matrix{crc32.IEEE}
	for i := 1; i < len(m); i++ {
		m[i] = 1 << (i - 1)
	}
	for range 5 {
		m = m.squared()
	}
	return m
}
