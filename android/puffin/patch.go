package puffin

import (
	"fmt"
	"io"
	"sort"
	"sync"

	"github.com/fridayos/friday/android/bsdiff"
	"github.com/fridayos/friday/android/tree"
)

// Patch applies a patch to old and writes the result to w as it is made; a
// result larger than maxSize is refused before anything is written. It holds,
// on each side, the puff that it is in and its deflate, of MaxPuff bytes at most, 4 MiB of
// puffs read before, and what bsdiff.Patch holds.
func Patch(old io.ReaderAt, oldSize int64, patch []byte, w io.Writer, maxSize int64) error {
	src, dst, rest, err := parseHeader(patch)
	if err != nil {
		return fmt.Errorf("cannot apply puffin patch: %w", err)
	}
	if dst.size > maxSize {
		return fmt.Errorf("cannot apply puffin patch: result of %d bytes is expected to have at most %d", dst.size, maxSize)
	}
	if src.size > oldSize {
		return fmt.Errorf("cannot apply puffin patch: the source has %d bytes, expected %d", oldSize, src.size)
	}
	n, err := bsdiff.Size(rest)
	if err == nil && n != dst.puffed {
		err = fmt.Errorf("the patch inside makes %d bytes, expected %d of puffs", n, dst.puffed)
	}
	if err != nil {
		return fmt.Errorf("cannot apply puffin patch: %w", err)
	}
	out := newHuffWriter(dst, w)
	if err := bsdiff.Patch(newPuffReader(src, old), src.puffed, rest, out, dst.puffed); err != nil {
		return fmt.Errorf("cannot apply puffin patch: %w", err)
	}
	if err := out.close(); err != nil {
		return fmt.Errorf("cannot apply puffin patch: %w", err)
	}
	return nil
}

// Size is the size of the file that a patch makes.
func Size(patch []byte) (int64, error) {
	_, dst, _, err := parseHeader(patch)
	if err != nil {
		return 0, fmt.Errorf("cannot read puffin patch: %w", err)
	}
	return dst.size, nil
}

// cached is how many bytes of puffs a puffReader keeps beside the last.
const cached = 4 << 20

// puffReader shows a file with its deflate puffed, at any place.
type puffReader struct {
	side
	r io.ReaderAt

	mu     sync.Mutex
	puffer puffer
	raw    []byte
	kept   []keptPuff // the last used is last
	bytes  int
}

type keptPuff struct {
	i int
	b []byte
}

func newPuffReader(s side, r io.ReaderAt) *puffReader { return &puffReader{side: s, r: r} }

// ReadAt reads as io.ReaderAt says.
func (r *puffReader) ReadAt(b []byte, off int64) (int, error) {
	if off < 0 {
		return 0, fmt.Errorf("cannot read puffs at %d", off)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	done := 0
	for done < len(b) {
		at := off + int64(done)
		if at >= r.puffed {
			return done, io.EOF
		}
		i := sort.Search(len(r.puffs), func(i int) bool { return r.puffs[i].end() > at })
		if i < len(r.puffs) && at >= r.puffs[i].Offset {
			p, err := r.puff(i)
			if err != nil {
				return done, err
			}
			done += copy(b[done:], p[at-r.puffs[i].Offset:])
			continue
		}
		n, err := r.between(b[done:], i, at)
		if err != nil {
			return done, err
		}
		done += n
	}
	return done, nil
}

// between reads what lies before puff i, from at on.
func (r *puffReader) between(b []byte, i int, at int64) (int, error) {
	var from int64 // the bit where the last stretch ends
	if i > 0 {
		from = r.deflates[i-1].end()
	}
	to, end := r.size*8, r.puffed // the bit and the place where the next begins
	if i < len(r.puffs) {
		to, end = r.deflates[i].Offset, r.puffs[i].Offset
	}
	last := (to + 7) / 8 // the byte after those that are not all deflate
	first := last - (end - at)
	b = b[:min(int64(len(b)), end-at)]
	if err := tree.ReadFull(r.r, b, first); err != nil {
		return 0, fmt.Errorf("cannot read source at %d: %w", first, err)
	}
	if (first+int64(len(b)))*8 > to {
		b[len(b)-1] &= 1<<(to&7) - 1
	}
	if first*8 < from {
		b[0] >>= from & 7
	}
	return len(b), nil
}

// puff gives puff i.
func (r *puffReader) puff(i int) ([]byte, error) {
	for k := len(r.kept) - 1; k >= 0; k-- {
		if c := r.kept[k]; c.i == i {
			copy(r.kept[k:], r.kept[k+1:])
			r.kept[len(r.kept)-1] = c
			return c.b, nil
		}
	}
	d, p := r.deflates[i], r.puffs[i]
	first, end := d.Offset/8, (d.end()+7)/8
	if int64(cap(r.raw)) < end-first {
		r.raw = make([]byte, end-first)
	}
	raw := r.raw[:end-first]
	if err := tree.ReadFull(r.r, raw, first); err != nil {
		return nil, fmt.Errorf("cannot read source at %d: %w", first, err)
	}
	for len(r.kept) > 0 && r.bytes+int(p.Length) > cached {
		r.bytes -= len(r.kept[0].b)
		r.kept = append(r.kept[:0], r.kept[1:]...)
	}
	out, err := r.puffer.puff(nil, raw, uint(d.Offset&7), int(p.Length))
	if err == nil && int64(len(out)) != p.Length {
		err = fmt.Errorf("its puff has %d bytes, expected %d", len(out), p.Length)
	}
	if err != nil {
		return nil, fmt.Errorf("source has no such deflate in the %d bits at bit %d: %w", d.Length, d.Offset, err)
	}
	r.kept = append(r.kept, keptPuff{i, out})
	r.bytes += len(out)
	return out, nil
}

// huffWriter takes the puffed file from its start to its end, and writes the file.
type huffWriter struct {
	side
	out    bitWriter
	huffer huffer
	i      int    // the stretch that comes, or that it is in
	at     int64  // of the puffed file
	puff   []byte // as much as there is of puff i
}

func newHuffWriter(s side, w io.Writer) *huffWriter {
	h := &huffWriter{side: s, out: bitWriter{w: w}}
	h.huffer.out = &h.out
	return h
}

// Write writes as io.Writer says.
func (h *huffWriter) Write(b []byte) (int, error) {
	done := 0
	for done < len(b) || h.i < len(h.puffs) && h.at == h.puffs[h.i].end() {
		if h.i == len(h.puffs) || h.at < h.puffs[h.i].Offset {
			n, err := h.between(b[done:])
			if done += n; err != nil {
				return done, err
			}
			continue
		}
		p := h.puffs[h.i]
		n := min(int64(len(b)-done), p.end()-h.at)
		part := b[done : done+int(n)]
		h.at += n
		done += int(n)
		if h.puff = append(h.puff, part...); h.at < p.end() {
			break
		}
		d := h.deflates[h.i]
		if err := h.huffer.huff(h.puff); err != nil {
			return done, fmt.Errorf("cannot make deflate %d at bit %d: %w", h.i, d.Offset, err)
		}
		h.puff = h.puff[:0]
		h.i++
		// A stretch may go on to the end of its last byte.
		left := d.end() - h.out.total
		if left < 0 || left > 7 {
			return done, fmt.Errorf("cannot make deflate %d at bit %d: it has %d bits, expected %d", h.i-1, d.Offset, h.out.total-d.Offset, d.Length)
		}
		h.out.put(0, uint(left))
	}
	return done, h.out.err
}

// between writes what lies before the next stretch, bytes or bits of them.
func (h *huffWriter) between(b []byte) (int, error) {
	to, end := h.size*8, h.puffed
	if h.i < len(h.puffs) {
		to, end = h.deflates[h.i].Offset, h.puffs[h.i].Offset
	}
	if h.at == end {
		return 0, fmt.Errorf("puffs have more than the %d bytes expected", h.puffed)
	}
	from := h.out.total
	if from&7 == 0 && to-from >= 8 {
		n := min(int64(len(b)), end-h.at, (to-from)/8)
		h.out.bytes(b[:n])
		h.at += n
		return int(n), h.out.err
	}
	n := uint(min(8-from&7, to-from))
	if b[0]>>n != 0 {
		return 0, fmt.Errorf("%d bits at bit %d are %#x", n, from, b[0])
	}
	h.out.put(uint64(b[0]), n)
	h.at++
	return 1, h.out.err
}

// close writes what is held and says whether all was written.
func (h *huffWriter) close() error {
	if _, err := h.Write(nil); err != nil { // what is left is empty
		return err
	}
	if h.out.flush(); h.out.err != nil {
		return h.out.err
	}
	if h.i < len(h.puffs) || h.at < h.puffed || h.out.total != h.size*8 {
		return fmt.Errorf("result ends at bit %d, expected %d", h.out.total, h.size*8)
	}
	return nil
}
