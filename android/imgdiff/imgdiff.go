// Package imgdiff applies the patches of AOSP's imgdiff, by which block packages
// for phones with one slot change zips and boot images: a file is cut into
// pieces, and those that are deflate streams are unpacked, patched and packed
// again, so that a patch is of what they hold.
//
// It makes none (android/puffin does better on phones that know PUFFDIFF), and
// reads version 2 alone, which all releases since Android 1.6 write. It knows
// nothing of transfer lists (android/blockota).
//
// # Format
//
// "IMGDIFF2", the number of pieces, then the pieces, all little-endian. 32 bits say
// the kind. 0: a bsdiff patch of a range of the source (64 bits each: where it
// begins, its length, where its patch begins in the patch). 2: the same of a
// raw deflate stream, then 64 bits each for how long it is unpacked and how long
// what is made of it, and 32 bits each for the level, method, window bits, memory
// level and strategy by which zlib packs that again (android/deflate). 3: 32 bits
// of a length, and so many bytes as they are. AOSP's applypatch/imgdiff.h is where
// the format comes from.
package imgdiff

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"

	"github.com/klauspost/compress/flate"

	"github.com/fridayos/friday/android/bsdiff"
	"github.com/fridayos/friday/android/deflate"
)

// Magic begins a patch.
const Magic = "IMGDIFF2"

// MaxStream is how many bytes a deflate stream of the source may hold, and how
// many may be packed into one of the target.
const MaxStream = 64 << 20

const (
	kindPlain   = 0
	kindDeflate = 2
	kindRaw     = 3
)

// Patch writes the target of a patch, at most want bytes, to w. It holds one
// unpacked stream of the source. What is not supported is named.
func Patch(src io.ReaderAt, size int64, patch []byte, w io.Writer, want int64) error {
	p := patcher{src: src, size: size, patch: patch, w: &counter{w: w, left: want}, spare: MaxStream + 32*uint64(size+want)}
	if err := p.run(); err != nil {
		return fmt.Errorf("cannot apply imgdiff: %w", err)
	}
	return nil
}

type patcher struct {
	src   io.ReaderAt
	size  int64
	patch []byte
	at    int
	w     *counter
	spare uint64 // bytes that may still be unpacked: a small patch must not ask for days of work
}

// counter lets no more through than is wanted.
type counter struct {
	w    io.Writer
	left int64
}

var errTooLong = errors.New("it leads past the target's end")

func (c *counter) Write(b []byte) (int, error) {
	if int64(len(b)) > c.left {
		return 0, errTooLong
	}
	c.left -= int64(len(b))
	return c.w.Write(b)
}

func (p *patcher) run() error {
	if !bytes.HasPrefix(p.patch, []byte(Magic)) {
		return fmt.Errorf("byte 0: expected %s, found %.8q", Magic, p.patch)
	}
	p.at = len(Magic)
	n, err := p.words(1)
	if err != nil {
		return err
	}
	for i := range n[0] {
		at := p.at
		if err := p.piece(); err != nil {
			return fmt.Errorf("byte %d: piece %d of %d: %w", at, i, n[0], err)
		}
	}
	return nil
}

func (p *patcher) need(n int) ([]byte, error) {
	if len(p.patch)-p.at < n {
		return nil, fmt.Errorf("the patch ends at byte %d, expected %d more at %d", len(p.patch), n, p.at)
	}
	b := p.patch[p.at : p.at+n]
	p.at += n
	return b, nil
}

func (p *patcher) words(n int) ([]uint32, error) {
	b, err := p.need(4 * n)
	if err != nil {
		return nil, err
	}
	out := make([]uint32, n)
	for i := range out {
		out[i] = binary.LittleEndian.Uint32(b[4*i:])
	}
	return out, nil
}

func (p *patcher) longs(n int) ([]uint64, error) {
	b, err := p.need(8 * n)
	if err != nil {
		return nil, err
	}
	out := make([]uint64, n)
	for i := range out {
		out[i] = binary.LittleEndian.Uint64(b[8*i:])
	}
	return out, nil
}

func (p *patcher) piece() error {
	kind, err := p.words(1)
	if err != nil {
		return err
	}
	switch kind[0] {
	case kindPlain:
		v, err := p.longs(3)
		if err != nil {
			return err
		}
		in, diff, err := p.ranges(v)
		if err != nil {
			return err
		}
		return bsdiff.Patch(in, in.Size(), diff, p.w, p.w.left)
	case kindDeflate:
		return p.deflate()
	case kindRaw:
		n, err := p.words(1)
		if err != nil {
			return err
		}
		if n[0] > math.MaxInt32 {
			return fmt.Errorf("it has %d bytes, expected at most %d", n[0], math.MaxInt32)
		}
		b, err := p.need(int(n[0]))
		if err != nil {
			return err
		}
		_, err = p.w.Write(b)
		return err
	case 1:
		return errors.New("not supported: a piece of version 1, gzip")
	}
	return fmt.Errorf("its kind is %d, expected 0, 2 or 3", kind[0])
}

// ranges checks where a piece's source and patch lie.
func (p *patcher) ranges(v []uint64) (*io.SectionReader, []byte, error) {
	start, length, off := v[0], v[1], v[2]
	if size := uint64(p.size); start > size || length > size-start {
		return nil, nil, fmt.Errorf("it is of %d bytes of the source at %d, which has %d", length, start, size)
	}
	if off > uint64(len(p.patch)) {
		return nil, nil, fmt.Errorf("its patch lies at %d, all have %d bytes", off, len(p.patch))
	}
	return io.NewSectionReader(p.src, int64(start), int64(length)), p.patch[off:], nil
}

// deflate unpacks, patches and packs again.
func (p *patcher) deflate() error {
	v, err := p.longs(5)
	if err != nil {
		return err
	}
	how, err := p.words(5)
	if err != nil {
		return err
	}
	in, diff, err := p.ranges(v[:3])
	if err != nil {
		return err
	}
	if v[3] > MaxStream || v[4] > MaxStream {
		return fmt.Errorf("not supported: streams of %d and %d bytes, expected at most %d", v[3], v[4], MaxStream)
	}
	if v[3] > p.spare {
		return errors.New("with it the patch unpacks far more than such files hold; is it a bomb?")
	}
	p.spare -= v[3]
	const deflated, raw = 8, -15 // zlib's names of the method, and of a stream without a head
	bits := int(int32(how[2]))
	if how[1] != deflated || how[4] != 0 || bits >= 0 {
		return fmt.Errorf("not supported: method %d, window bits %d, strategy %d; expected %d, %d and 0", how[1], bits, how[4], deflated, raw)
	}
	plain, err := inflate(in, int(v[3]))
	if err != nil {
		return err
	}
	z, err := deflate.NewWriter(p.w, deflate.Params{Level: int(int32(how[0])), WindowBits: -bits, MemLevel: int(int32(how[3]))})
	if err != nil {
		return err
	}
	out := &counter{w: z, left: int64(v[4])}
	if err := bsdiff.Patch(bytes.NewReader(plain), int64(len(plain)), diff, out, int64(v[4])); err != nil {
		return err
	}
	if out.left > 0 {
		return fmt.Errorf("%d bytes come of it, expected %d", int64(v[4])-out.left, v[4])
	}
	return z.Close()
}

// inflate unpacks a stream that holds size bytes. It grows with what comes, not with
// what was announced.
func inflate(r io.Reader, size int) ([]byte, error) {
	z := flate.NewReader(r)
	defer z.Close()
	var b bytes.Buffer
	n, err := io.Copy(&b, io.LimitReader(z, int64(size)+1))
	if err != nil {
		return nil, fmt.Errorf("its source at byte %d of what it holds: %w", n, err)
	}
	if n != int64(size) {
		return nil, fmt.Errorf("its source holds %d bytes or more, expected %d", n, size)
	}
	return b.Bytes(), nil
}
