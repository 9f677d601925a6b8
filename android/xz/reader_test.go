package xz

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"
	"testing/iotest"

	reader "github.com/xi2/xz"

	"github.com/fridayos/friday/internal/judge"
)

const allowed = 64 << 20

func read(b []byte) ([]byte, error) {
	return io.ReadAll(NewReader(bytes.NewReader(b), allowed))
}

// text is easier on the program than mixed.
func text(n int) []byte {
	var b bytes.Buffer
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "%d: the train of week %x leaves on friday\n", i, i*i)
	}
	return b.Bytes()[:n]
}

// What xz writes in its many ways is read.
func TestReadsXZ(t *testing.T) {
	judge.Need(t, "xz")
	data := append(mixed(3, 700_000), text(300_000)...)
	for _, args := range []string{
		"-0", "-3", "-6", "-9e", "--check=none", "--check=crc32", "--check=crc64", "--check=sha256", "--block-size=100000", "-T2 --block-size=65536",
		"--lzma2=preset=1,lc=0,lp=0,pb=0", "--lzma2=preset=1,lc=4,lp=0,pb=4", "--lzma2=preset=1,lc=1,lp=3,pb=1", "--lzma2=preset=1,lc=0,lp=4,pb=3",
		"--lzma2=preset=6,dict=4KiB", "--lzma2=preset=6,dict=100KiB,nice=273", "--lzma2=preset=6,dict=64MiB",
	} {
		packed := judge.Pipe(t, data, "xz", append(strings.Fields(args), "-c")...)
		if got, err := read(packed); err != nil || !bytes.Equal(got, data) {
			t.Errorf("xz %s: %d bytes, expected %d: %v", args, len(got), len(data), err)
		}
		if !Plain(packed[:HeadSize]) {
			t.Errorf("xz %s: not plain", args)
		}
		if got, err := io.ReadAll(iotest.HalfReader(NewReader(iotest.OneByteReader(bytes.NewReader(packed[:len(packed)/9])), allowed))); err == nil || !bytes.HasPrefix(data, got) {
			t.Errorf("xz %s, cut off: %d bytes, %v", args, len(got), err)
		}
	}
	for _, args := range []string{"--x86 --lzma2=preset=1", "--arm64 --lzma2=preset=1", "--delta=dist=4 --lzma2=preset=1"} {
		if args[2] == 'a' && !strings.Contains(string(judge.Run(t, "xz", "-H")), "--arm64") {
			continue // of 5.4
		}
		packed := judge.Pipe(t, data[:9000], "xz", append(strings.Fields(args), "-c")...)
		if _, err := read(packed); err == nil || !strings.Contains(err.Error(), "only LZMA2 alone") || Plain(packed) {
			t.Errorf("xz %s: %v", args, err)
		}
	}
	big := judge.Pipe(t, data[:9000], "xz", "--lzma2=preset=1,dict=65MiB", "-c")
	if _, err := read(big); !errors.Is(err, ErrWindow) {
		t.Errorf("dictionary of 65 MiB: %v", err)
	}
}

func TestReadsStreams(t *testing.T) {
	a, b := mixed(1, 5000), text(9000)
	one, two := pack(t, a), pack(t, b)
	crc, err := Compress(b, CheckCRC32)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		packed []byte
		want   []byte
	}{
		{"nothing within", pack(t, nil), nil},
		{"one", one, a},
		{"two", append(bytes.Clone(one), two...), append(bytes.Clone(a), b...)},
		{"two, zeros between", append(append(bytes.Clone(one), make([]byte, 8)...), crc...), append(bytes.Clone(a), b...)},
		{"zeros after", append(bytes.Clone(crc), make([]byte, 4)...), b},
	} {
		if got, err := read(c.packed); err != nil || !bytes.Equal(got, c.want) {
			t.Errorf("%s: %d bytes, expected %d: %v", c.name, len(got), len(c.want), err)
		}
	}
	for _, c := range []struct {
		name   string
		packed []byte
		want   string
	}{
		{"empty", nil, "unexpected EOF"},
		{"no xz", []byte("PK\x03\x04 and more bytes"), "is no .xz stream"},
		{"zeros in front", append(make([]byte, 4), one...), "is no .xz stream"},
		{"zeros after, not in fours", append(bytes.Clone(one), 0, 0), "unexpected EOF"},
		{"something after", append(bytes.Clone(one), "and something else"...), "is no .xz stream"},
	} {
		if _, err := read(c.packed); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, expected %q", c.name, err, c.want)
		}
	}
}

// Every sample comes back, by a Reader that is used again and again.
func TestReaderAgain(t *testing.T) {
	x := NewReader(nil, allowed)
	for name, want := range samples(t) {
		packed, err := Compress(want, CheckCRC32)
		if err != nil {
			t.Fatal(err)
		}
		var got bytes.Buffer
		x.Reset(bytes.NewReader(packed), allowed)
		if n, err := x.WriteTo(&got); err != nil || n != int64(len(want)) || !bytes.Equal(got.Bytes(), want) {
			t.Errorf("%s: %d bytes, expected %d: %v", name, n, len(want), err)
		}
	}
}

// A stream longer than its dictionary, so that the allowed slides.
func TestWindowSlides(t *testing.T) {
	judge.Need(t, "xz")
	data := mixed(8, 9<<20)
	for _, dict := range []string{"4KiB", "256KiB", "1MiB"} {
		packed := judge.Pipe(t, data, "xz", "--lzma2=preset=0,dict="+dict, "-c")
		if got, err := read(packed); err != nil || !bytes.Equal(got, data) {
			t.Errorf("dictionary of %s: %d bytes, expected %d: %v", dict, len(got), len(data), err)
		}
	}
}

// One bit changed anywhere, or the end missing, is an error and never another
// content: all is summed.
func TestReaderRefusesDamage(t *testing.T) {
	packed, err := Compress(append(mixed(2, 3000), text(2000)...), CheckCRC32)
	if err != nil {
		t.Fatal(err)
	}
	for i := range packed {
		for bit := range 8 {
			bad := bytes.Clone(packed)
			bad[i] ^= 1 << bit
			if _, err := read(bad); err == nil {
				t.Errorf("byte %d, bit %d changed: no error", i, bit)
			}
		}
		if _, err := read(packed[:i]); err == nil {
			t.Errorf("cut off at %d: no error", i)
		}
	}
}

// TestAgreesWithXi2 damages streams without a check, so that the decoder itself
// must tell: both readers accept the same ones and give the same bytes.
func TestAgreesWithXi2(t *testing.T) {
	r := rand.New(rand.NewPCG(7, 7))
	for seed := range uint64(60) {
		packed := pack(t, mixed(seed, 2000+int(seed)*300))
		for range 40 {
			bad := bytes.Clone(packed)
			for range 1 + r.IntN(3) {
				bad[24+r.IntN(len(bad)-24)] ^= 1 << r.IntN(8)
			}
			compare(t, bad)
		}
	}
}

// xz says the same of damaged streams as we do.
func TestAgreesWithXZ(t *testing.T) {
	judge.Need(t, "xz")
	r := rand.New(rand.NewPCG(8, 8))
	for seed := range uint64(100) {
		bad := pack(t, mixed(seed, 2000))
		bad[24+r.IntN(len(bad)-24)] ^= 1 << r.IntN(8)
		c := exec.Command("xz", "-dc")
		c.Stdin = bytes.NewReader(bad)
		want, theirErr := c.Output()
		if got, err := read(bad); (err == nil) != (theirErr == nil) || err == nil && !bytes.Equal(got, want) {
			t.Errorf("seed %d: %d bytes, %v, expected %d, %v", seed, len(got), err, len(want), theirErr)
		}
	}
}

// compare has the bytes read by both. What xi2 gave before its error may be less
// or more, as it hands out bytes within a chunk.
func compare(t *testing.T, b []byte) {
	t.Helper()
	got, err := read(b)
	x, theirErr := reader.NewReader(bytes.NewReader(b), allowed)
	var want []byte
	if theirErr == nil {
		want, theirErr = io.ReadAll(io.LimitReader(x, 64<<20))
	}
	if theirErr == nil && err != nil && (strings.Contains(err.Error(), "only LZMA2 alone") || strings.Contains(err.Error(), "is not 0")) {
		return // xi2 does not look at the first packed byte; xz does
	}
	if (err == nil) != (theirErr == nil) {
		t.Fatalf("%x: error %v, xi2 says %v", b, err, theirErr)
	}
	if err == nil && !bytes.Equal(got, want) {
		t.Fatalf("%x: %d bytes, xi2 has %d, others", b, len(got), len(want))
	}
}

func FuzzReader(f *testing.F) {
	for _, check := range []Check{CheckNone, CheckCRC32} {
		for _, n := range []int{0, 1, 300, 5000} {
			b, err := Compress(mixed(uint64(n), n), check)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
			f.Add(append(b, b...))
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) { compare(t, b) })
}

// FuzzChunk is the decoder alone: packed bytes behind a right head, whatever they are.
func FuzzChunk(f *testing.F) {
	b := pack(f, mixed(1, 4000))
	f.Add(b[24:len(b)-28], uint16(3999))
	f.Add([]byte{0, 1, 2, 3, 4, 5, 6}, uint16(9))
	f.Fuzz(func(t *testing.T, packed []byte, n uint16) {
		if len(packed) == 0 || len(packed) > 1<<16 {
			return
		}
		compare(t, stream(append([]byte{0xe0, byte(n >> 8), byte(n), byte((len(packed) - 1) >> 8), byte(len(packed) - 1), 93}, append(packed, 0)...), int(n)+1))
	})
}

// stream puts LZMA2 data into a file.
func stream(data []byte, unpacked int) []byte {
	head := []byte{0, 0}
	out := append([]byte(magic), head...)
	out = binary.LittleEndian.AppendUint32(out, crc32.ChecksumIEEE(head))
	header := []byte{2, 0, filterLZMA2, 1, 20, 0, 0, 0}
	out = append(out, header...)
	out = binary.LittleEndian.AppendUint32(out, crc32.ChecksumIEEE(header))
	out = append(out, data...)
	size := len(out) - headSize
	for len(out)%4 != 0 {
		out = append(out, 0)
	}
	record := binary.AppendUvarint(binary.AppendUvarint(nil, uint64(size)), uint64(unpacked))
	return appendEnd(out, record, []byte{0, 0})
}
