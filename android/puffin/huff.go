package puffin

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// bitWriter writes bits as deflate has them. Its first error stays.
type bitWriter struct {
	w     io.Writer
	buf   []byte
	hold  uint64
	n     uint
	total int64 // bits
	err   error
}

const writeBuffer = 64 << 10

// put writes n bits, at most 32.
func (w *bitWriter) put(v uint64, n uint) {
	w.hold |= v << w.n
	w.total += int64(n)
	if w.n += n; w.n >= 32 {
		w.buf = binary.LittleEndian.AppendUint32(w.buf, uint32(w.hold))
		w.hold >>= 32
		w.n -= 32
		if len(w.buf) >= writeBuffer {
			w.flush()
		}
	}
}

// bytes writes whole bytes, at a byte's start.
func (w *bitWriter) bytes(b []byte) {
	for ; w.n > 0; w.n -= 8 {
		w.buf = append(w.buf, byte(w.hold))
		w.hold >>= 8
	}
	w.total += int64(len(b)) * 8
	if len(w.buf)+len(b) > writeBuffer {
		w.flush()
		if w.err == nil && len(b) > 0 {
			_, w.err = w.w.Write(b)
		}
		return
	}
	w.buf = append(w.buf, b...)
}

// flush hands on whole bytes.
func (w *bitWriter) flush() {
	for ; w.n >= 8; w.n -= 8 {
		w.buf = append(w.buf, byte(w.hold))
		w.hold >>= 8
	}
	if w.err == nil && len(w.buf) > 0 {
		_, w.err = w.w.Write(w.buf)
	}
	w.buf = w.buf[:0]
}

// huffer makes deflate of puffs.
type huffer struct {
	out     *bitWriter
	in      []byte
	at      int
	literal encoder
	dist    encoder
	lengths encoder
}

var errPuff = errors.New("the puff is cut off")

// huff writes the blocks of a puff.
func (h *huffer) huff(puff []byte) error {
	h.in, h.at = puff, 0
	for h.at < len(h.in) {
		start := h.at
		if err := h.block(); err != nil {
			return fmt.Errorf("block at byte %d of its puff: %w", start, err)
		}
	}
	h.in = nil
	return nil
}

// next gives n bytes of the puff.
func (h *huffer) next(n int) ([]byte, error) {
	if n > len(h.in)-h.at {
		return nil, errPuff
	}
	b := h.in[h.at : h.at+n]
	h.at += n
	return b, nil
}

func (h *huffer) block() error {
	b, err := h.next(2)
	if err != nil {
		return err
	}
	meta, err := h.next(int(binary.BigEndian.Uint16(b)) + 1)
	if err != nil {
		return err
	}
	head := meta[0]
	kind := head >> 5 & 3
	h.out.put(uint64(head>>7|kind<<1), 3)
	switch kind {
	case stored:
		return h.stored(uint64(head & 31))
	case fixed:
		literal, dist := fixedLengths()
		err = errors.Join(h.literal.set(literal[:]), h.dist.set(dist[:]))
	case dynamic:
		err = h.codes(meta[1:])
	default:
		err = errors.New("its type is 3, expected 0 to 2")
	}
	if err != nil {
		return err
	}
	return h.symbols()
}

func (h *huffer) stored(skipped uint64) error {
	n := uint(-h.out.total & 7)
	if skipped>>n != 0 {
		return fmt.Errorf("%d bits before a stored block are %#x", n, skipped)
	}
	h.out.put(skipped, n)
	run, length, _, err := h.token()
	if err != nil {
		return err
	}
	if length != 0 && length != endOfPuff {
		return errors.New("a stored block has a copy")
	}
	if len(run) > 0xffff {
		return fmt.Errorf("a stored block has %d bytes, expected at most %d", len(run), 0xffff)
	}
	h.out.put(uint64(len(run)), 16)
	h.out.put(uint64(^len(run)&0xffff), 16)
	h.out.bytes(run)
	if length == 0 {
		if _, length, _, err = h.token(); err == nil && length != endOfPuff {
			err = errors.New("a stored block goes on after its bytes")
		}
	}
	return err
}

// codes writes the Huffman codes of a dynamic block.
func (h *huffer) codes(meta []byte) error {
	if len(meta) < 3 {
		return errPuff
	}
	literals, dists, n := int(meta[0])+257, int(meta[1])+1, int(meta[2])+4
	if literals > 286 || dists > 30 || n > 19 {
		return fmt.Errorf("it has %d codes of literals, %d of distances, %d of lengths; expected at most 286, 30, 19", literals, dists, n)
	}
	h.out.put(uint64(meta[0])|uint64(meta[1])<<5|uint64(meta[2])<<10, 14)
	if meta = meta[3:]; len(meta) < (n+1)/2 {
		return errPuff
	}
	var own [19]uint8
	for i := range n {
		v := meta[i/2] >> (4 * (1 - i%2)) & 15
		if v > 7 {
			return fmt.Errorf("length %d of a code length's code is %d, expected at most 7", i, v)
		}
		own[lengthOrder[i]] = v
		h.out.put(uint64(v), 3)
	}
	meta = meta[(n+1)/2:]
	if err := h.lengths.set(own[:]); err != nil {
		return err
	}
	var all [286 + 30]uint8
	for i := 0; i < literals+dists; meta = meta[1:] {
		if len(meta) == 0 {
			return errPuff
		}
		s := meta[0]
		if s < repeatCodes {
			if err := h.symbol(&h.lengths, int(s)); err != nil {
				return err
			}
			all[i] = s
			i++
			continue
		}
		k := 2
		for k > 0 && s < repeats[k].code {
			k--
		}
		r := repeats[k]
		more := int(s - r.code)
		if more >= 1<<r.bits {
			return fmt.Errorf("code length's symbol is %d, expected at most 155", s)
		}
		if err := h.symbol(&h.lengths, repeatCodes+k); err != nil {
			return err
		}
		h.out.put(uint64(more), r.bits)
		var err error
		if i, err = r.fill(all[:literals+dists], i, more); err != nil {
			return err
		}
	}
	if len(meta) > 0 {
		return fmt.Errorf("%d bytes are left after its code lengths", len(meta))
	}
	return errors.Join(h.literal.set(all[:literals]), h.dist.set(all[literals:literals+dists]))
}

func (h *huffer) symbol(e *encoder, s int) error {
	n := e.length[s]
	if n == 0 {
		return fmt.Errorf("symbol %d has no Huffman code", s)
	}
	h.out.put(uint64(e.code[s]), uint(n))
	return nil
}

// token gives the next run of literals, or a copy, or the block's end.
func (h *huffer) token() (run []byte, length, dist int, err error) {
	b, err := h.next(1)
	if err != nil {
		return nil, 0, 0, err
	}
	n := int(b[0] & 0x7f)
	if b[0]&isCopy == 0 {
		if n == longRun {
			if b, err = h.next(2); err != nil {
				return nil, 0, 0, err
			}
			n += int(binary.BigEndian.Uint16(b))
		}
		run, err = h.next(n + 1)
		return run, 0, 0, err
	}
	if n == longCopy-3 {
		if b, err = h.next(1); err != nil {
			return nil, 0, 0, err
		}
		n += int(b[0])
	}
	if length = n + 3; length > endOfPuff {
		return nil, 0, 0, fmt.Errorf("a copy has %d bytes, expected at most %d", length, maxCopy)
	}
	if length == endOfPuff {
		return nil, length, 0, nil
	}
	if b, err = h.next(2); err != nil {
		return nil, 0, 0, err
	}
	if dist = int(binary.BigEndian.Uint16(b)) + 1; dist > 1<<15 {
		return nil, 0, 0, fmt.Errorf("a copy is from %d bytes before, expected at most %d", dist, 1<<15)
	}
	return nil, length, dist, nil
}

func (h *huffer) symbols() error {
	for {
		run, length, dist, err := h.token()
		if err != nil {
			return err
		}
		for _, c := range run {
			n := h.literal.length[c]
			if n == 0 {
				return fmt.Errorf("literal %d has no Huffman code", c)
			}
			h.out.put(uint64(h.literal.code[c]), uint(n))
		}
		switch length {
		case 0:
			continue
		case endOfPuff:
			return h.symbol(&h.literal, endBlock)
		}
		s := lengthSymbol(length)
		if err := h.symbol(&h.literal, endBlock+1+s); err != nil {
			return err
		}
		h.out.put(uint64(length)-uint64(lengthBase[s]), uint(lengthBits[s]))
		s = distSymbol(dist)
		if err := h.symbol(&h.dist, s); err != nil {
			return err
		}
		h.out.put(uint64(dist)-uint64(distBase[s]), uint(distBits[s]))
	}
}
