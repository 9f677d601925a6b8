package xz

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"

	"github.com/fridayos/friday/android/xz/lzma2"
)

const (
	magic       = "\xfd7zXZ\x00"
	headSize    = 12 // of a stream; its foot has as many
	maxHeader   = 1024
	filterLZMA2 = 0x21

	checkCRC64  Check = 4
	checkSHA256 Check = 10
)

// HeadSize is how many bytes Plain wants to see.
const HeadSize = headSize + maxHeader

// ErrWindow says that a file asks for a larger dictionary than is allowed.
var ErrWindow = errors.New("its dictionary is larger than is allowed")

// Plain says whether the file that begins with head is .xz whose first block is
// packed with LZMA2 alone, as nearly all are. Others pass through filters for
// programs of one kind of processor, which Reader refuses.
func Plain(head []byte) bool {
	if len(head) <= headSize || string(head[:6]) != magic {
		return false
	}
	head = head[headSize:]
	n := (int(head[0]) + 1) * 4
	if head[0] == 0 || len(head) < n { // no block, or none that can be seen
		return head[0] == 0
	}
	_, err := parseBlock(head[:n])
	return err == nil
}

// Reader reads .xz: any number of streams and blocks of LZMA2, every size and every
// sum compared. It hands out a chunk at a time, at most 2 MiB, so that a
// file which turns out bad has given its beginning. It holds the dictionary that
// the file asks for and up to half of it more, as far as there is content.
type Reader struct {
	in      counter
	window  int64
	decoder *lzma2.Decoder
	check   Check
	sum     hash.Hash
	at      place
	block   block
	start   int64 // of the block
	size    int64 // of the block, unpacked
	blocks  uint64
	records hash.Hash // of the sizes of the stream's blocks
	left    []byte    // unpacked and not handed out
	err     error
}

// place is what comes next.
type place byte

const (
	firstStream place = iota
	nextBlock
	inBlock
	nextStream
)

// counter counts what is read.
type counter struct {
	r *bufio.Reader
	n int64
}

func (c *counter) Read(b []byte) (int, error) {
	n, err := c.r.Read(b)
	c.n += int64(n)
	return n, err
}

// NewReader reads .xz from r. A file that asks for a dictionary of more than
// window bytes is refused with ErrWindow.
func NewReader(r io.Reader, window int64) *Reader {
	x := &Reader{in: counter{r: bufio.NewReaderSize(nil, 64<<10)}, decoder: new(lzma2.Decoder)}
	x.Reset(r, window)
	return x
}

// Reset begins with another r, in the same memory.
func (x *Reader) Reset(r io.Reader, window int64) {
	in := x.in.r
	in.Reset(r)
	*x = Reader{in: counter{r: in}, decoder: x.decoder, window: window}
}

// Read reads as io.Reader says.
func (x *Reader) Read(b []byte) (int, error) {
	if len(b) == 0 {
		return 0, nil
	}
	for len(x.left) == 0 {
		if x.next(); x.err != nil {
			return 0, x.err
		}
	}
	n := copy(b, x.left)
	x.left = x.left[n:]
	return n, nil
}

// WriteTo writes all to w, chunk by chunk, without a copy.
func (x *Reader) WriteTo(w io.Writer) (int64, error) {
	var done int64
	for {
		for len(x.left) > 0 {
			n, err := w.Write(x.left)
			done += int64(n)
			x.left = x.left[n:]
			if err == nil && n == 0 {
				err = io.ErrShortWrite
			}
			if err != nil {
				return done, err
			}
		}
		if x.next(); x.err == io.EOF {
			return done, nil
		} else if x.err != nil {
			return done, x.err
		}
	}
}

// next does the next step; it fills left, or sets err.
func (x *Reader) next() {
	if x.err != nil {
		return
	}
	at := x.in.n
	switch x.at {
	case firstStream, nextStream:
		x.err = x.stream()
	case nextBlock:
		x.err = x.blockOrIndex()
	case inBlock:
		if x.left, x.err = x.decoder.Next(&x.in); x.err == io.EOF {
			x.err = x.endBlock()
		} else if x.err == nil {
			x.size += int64(len(x.left))
			if x.sum != nil {
				x.sum.Write(x.left)
			}
		}
	}
	if x.err != nil && x.err != io.EOF {
		x.err = fmt.Errorf("cannot read xz: at byte %d: %w", at, x.err)
	}
}

// full reads all of b.
func (x *Reader) full(b []byte) error {
	if _, err := io.ReadFull(&x.in, b); errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	} else if err != nil {
		return err
	}
	return nil
}

// stream reads the head of a stream, after zeros between two, or the end of all.
func (x *Reader) stream() error {
	var b [headSize]byte
	for {
		_, err := io.ReadFull(&x.in, b[:4])
		if err == io.EOF && x.at == nextStream {
			return io.EOF
		}
		if errors.Is(err, io.EOF) {
			return io.ErrUnexpectedEOF
		} else if err != nil {
			return err
		}
		if x.at == firstStream || b[0]|b[1]|b[2]|b[3] != 0 {
			break
		}
	}
	if err := x.full(b[4:]); err != nil {
		return err
	}
	if string(b[:6]) != magic {
		return fmt.Errorf("%q is no .xz stream", b[:6])
	}
	if err := sumOf(b[6:8], b[8:]); err != nil {
		return fmt.Errorf("head of the stream: %w", err)
	}
	x.check = Check(b[7])
	switch x.check {
	case CheckNone:
		x.sum = nil
	case CheckCRC32:
		x.sum = crc32.NewIEEE()
	case checkCRC64:
		x.sum = crc64.New(crc64.MakeTable(crc64.ECMA))
	case checkSHA256:
		x.sum = sha256.New()
	default:
		x.check = 0xff
	}
	if b[6] != 0 || x.check == 0xff {
		return fmt.Errorf("flags are %#x %#x, expected 0 and a check of 0 (none), 1 (CRC32), 4 (CRC64) or 10 (SHA-256)", b[6], b[7])
	}
	x.at, x.blocks, x.records = nextBlock, 0, sha256.New()
	return nil
}

func sumOf(b, want []byte) error {
	if got, want := crc32.ChecksumIEEE(b), binary.LittleEndian.Uint32(want); got != want {
		return fmt.Errorf("CRC32 is %08x, expected %08x", got, want)
	}
	return nil
}

func (x *Reader) blockOrIndex() error {
	start := x.in.n
	b := make([]byte, 1, maxHeader)
	if err := x.full(b); err != nil {
		return err
	}
	if b[0] == 0 {
		return x.index(start)
	}
	b = b[:(int(b[0])+1)*4]
	if err := x.full(b[1:]); err != nil {
		return err
	}
	var err error
	if x.block, err = parseBlock(b); err != nil {
		return fmt.Errorf("head of the block: %w", err)
	}
	if x.block.dictionary > x.window {
		return fmt.Errorf("%w: it has %d bytes, expected at most %d", ErrWindow, x.block.dictionary, x.window)
	}
	if x.sum != nil {
		x.sum.Reset()
	}
	x.decoder.Reset(int(x.block.dictionary))
	x.at, x.start, x.size = inBlock, start, 0
	return nil
}

// block is the head of a block.
type block struct {
	head             int64 // its size
	packed, unpacked int64 // as the head says; -1: it does not
	dictionary       int64
}

func parseBlock(b []byte) (block, error) {
	h := block{head: int64(len(b)), packed: -1, unpacked: -1}
	n := len(b) - 4
	if err := sumOf(b[:n], b[n:]); err != nil {
		return h, err
	}
	flags := b[1]
	if flags&0x3c != 0 {
		return h, fmt.Errorf("flags are %#x; what they ask for is not known", flags)
	}
	r := bytes.NewReader(b[2:n])
	for _, f := range []struct {
		flag byte
		to   *int64
	}{{0x40, &h.packed}, {0x80, &h.unpacked}} {
		if flags&f.flag != 0 {
			v, err := number(r)
			if err != nil {
				return h, err
			}
			*f.to = int64(v)
		}
	}
	id, err := number(r)
	if err != nil {
		return h, err
	}
	if flags&3 != 0 || id != filterLZMA2 {
		return h, fmt.Errorf("it has %d filters, the first with id %#x; only LZMA2 alone (0x21) is supported", flags&3+1, id)
	}
	var p [2]byte
	if _, err := io.ReadFull(r, p[:]); err != nil || p[0] != 1 || p[1] > 40 {
		return h, fmt.Errorf("properties of LZMA2 are % x, expected one byte up to 40", p)
	}
	if h.dictionary = int64(2|p[1]&1) << (p[1]/2 + 11); p[1] == 40 {
		h.dictionary = 1<<32 - 1
	}
	for c, err := r.ReadByte(); err == nil; c, err = r.ReadByte() {
		if c != 0 {
			return h, errors.New("there is something after its filters")
		}
	}
	return h, nil
}

// number reads one as xz has them: 7 bits a byte, the lowest first, at most 63.
func number(r io.ByteReader) (uint64, error) {
	var v uint64
	for i := range 9 {
		c, err := r.ReadByte()
		if err != nil {
			return 0, io.ErrUnexpectedEOF
		}
		if v |= uint64(c&0x7f) << (7 * i); c < 0x80 {
			if c == 0 && i > 0 {
				return 0, errors.New("a number is longer than it need be")
			}
			return v, nil
		}
	}
	return 0, errors.New("a number has more than nine bytes")
}

func (x *Reader) endBlock() error {
	packed := x.in.n - x.start - x.block.head
	for _, c := range []struct {
		what      string
		got, want int64
	}{{"packed", packed, x.block.packed}, {"unpacked", x.size, x.block.unpacked}} {
		if c.want >= 0 && c.got != c.want {
			return fmt.Errorf("the block has %d bytes %s, expected %d", c.got, c.what, c.want)
		}
	}
	var b [64]byte
	pad := b[:-packed&3]
	if err := x.full(pad); err != nil {
		return err
	}
	if [4]byte(b[:4]) != ([4]byte{}) {
		return errors.New("what fills the block up is not zero")
	}
	want := b[:0]
	if x.sum != nil {
		want = b[:x.sum.Size()]
		if err := x.full(want); err != nil {
			return err
		}
		got := x.sum.Sum(nil)
		if x.check != checkSHA256 { // the others are kept little-endian
			for i, k := 0, len(got)-1; i < k; i, k = i+1, k-1 {
				got[i], got[k] = got[k], got[i]
			}
		}
		if !bytes.Equal(got, want) {
			return fmt.Errorf("sum of the block's %d bytes is %x, expected %x", x.size, got, want)
		}
	}
	x.blocks++
	x.record(uint64(x.block.head+packed)+uint64(len(want)), uint64(x.size))
	x.at = nextBlock
	return nil
}

func (x *Reader) record(packed, unpacked uint64) {
	var b [16]byte
	binary.LittleEndian.PutUint64(b[:], packed)
	binary.LittleEndian.PutUint64(b[8:], unpacked)
	x.records.Write(b[:])
}

// index compares what the stream's end says of its blocks, and its foot.
func (x *Reader) index(start int64) error {
	in := &summed{r: &x.in, sum: crc32.NewIEEE()}
	in.sum.Write([]byte{0})
	n, err := number(in)
	if err != nil {
		return err
	}
	if n != x.blocks {
		return fmt.Errorf("index has %d blocks, expected %d", n, x.blocks)
	}
	seen := x.records.Sum(nil)
	x.records.Reset()
	for range n {
		packed, err := number(in)
		if err != nil {
			return err
		}
		unpacked, err := number(in)
		if err != nil {
			return err
		}
		x.record(packed, unpacked)
	}
	if !bytes.Equal(seen, x.records.Sum(nil)) {
		return errors.New("index has other sizes than the blocks")
	}
	for (x.in.n-start)%4 != 0 {
		if c, err := in.ReadByte(); err != nil {
			return io.ErrUnexpectedEOF
		} else if c != 0 {
			return errors.New("what fills the index up is not zero")
		}
	}
	size := x.in.n - start
	var b [4 + headSize]byte
	if err := x.full(b[:]); err != nil {
		return err
	}
	if got, want := in.sum.Sum32(), binary.LittleEndian.Uint32(b[:]); got != want {
		return fmt.Errorf("index: CRC32 is %08x, expected %08x", got, want)
	}
	foot := b[4:]
	if err := sumOf(foot[4:10], foot); err != nil {
		return fmt.Errorf("foot of the stream: %w", err)
	}
	// It says the index's size with its sum, in fours, less one.
	if back := int64(binary.LittleEndian.Uint32(foot[4:])); back != size/4 {
		return fmt.Errorf("foot of the stream says that the index has %d bytes, expected %d", back*4, size)
	}
	if foot[8] != 0 || Check(foot[9]) != x.check || string(foot[10:]) != "YZ" {
		return fmt.Errorf("foot of the stream ends with %x, expected 00%02x and \"YZ\"", foot[8:], byte(x.check))
	}
	x.at = nextStream
	return nil
}

// summed sums what it reads.
type summed struct {
	r   io.Reader
	sum hash.Hash32
	b   [1]byte
}

// ReadByte reads as io.ByteReader says.
func (s *summed) ReadByte() (byte, error) {
	_, err := io.ReadFull(s.r, s.b[:])
	s.sum.Write(s.b[:])
	return s.b[0], err
}
