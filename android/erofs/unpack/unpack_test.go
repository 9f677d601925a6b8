package unpack_test

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"
	"github.com/ulikunitz/xz/lzma"

	"github.com/fridayos/friday/android/erofs/unpack"
)

// text compresses well, and differently along the way.
func text(n int) []byte {
	r := rand.New(rand.NewPCG(3, 1))
	var b []byte
	for len(b) < n {
		b = fmt.Appendf(b, "<item id=%d name=%q/>", r.IntN(500), strings.Repeat("z", r.IntN(9)))
	}
	return b[:n]
}

// pack compresses with other people's packers.
func pack(t testing.TB, a unpack.Algorithm, content []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	var w io.WriteCloser
	var err error
	switch a {
	case unpack.LZ4:
		out := make([]byte, lz4.CompressBlockBound(len(content)))
		n, err := lz4.CompressBlock(content, out, nil)
		if err != nil || n == 0 {
			t.Fatal(n, err)
		}
		return out[:n]
	case unpack.LZMA:
		w, err = lzma.WriterConfig{Properties: &lzma.Properties{LC: 3, LP: 0, PB: 2}, Size: int64(len(content)), SizeInHeader: true}.NewWriter(&b)
	case unpack.Deflate:
		w, err = flate.NewWriter(&b, 9)
	case unpack.Zstd:
		w, err = zstd.NewWriter(&b)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err = w.Write(content); err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	if a == unpack.LZMA { // take the header off, and put the properties in
		out := b.Bytes()[lzma.HeaderLen:]
		out[0] = ^b.Bytes()[0]
		return out
	}
	return b.Bytes()
}

var algorithms = []unpack.Algorithm{unpack.LZ4, unpack.LZMA, unpack.Deflate, unpack.Zstd}

func TestUnpack(t *testing.T) {
	for _, a := range algorithms {
		for _, n := range []int{20, 4096, 5000, 70_000, 1 << 20} {
			want := text(n)
			packed := pack(t, a, want)
			got := make([]byte, n)
			if err := unpack.Exact(a, got, packed); err != nil || !bytes.Equal(got, want) {
				t.Fatalf("%s, %d bytes: %v", a, n, err)
			}
			for _, part := range []int{1, n / 3, n - 1, n} {
				got := make([]byte, part)
				if err := unpack.Prefix(a, got, packed); err != nil || !bytes.Equal(got, want[:part]) {
					t.Errorf("%s, the first %d of %d bytes: %v", a, part, n, err)
				}
			}
		}
	}
}

func TestUnpackErrors(t *testing.T) {
	want := text(9000)
	for _, a := range algorithms {
		packed := pack(t, a, want)
		for name, src := range map[string][]byte{"nothing": nil, "half": packed[:len(packed)/2], "noise": bytes.Repeat([]byte{0xa7, 0x11, 0x93}, 700)} {
			if err := unpack.Exact(a, make([]byte, len(want)), src); err == nil {
				t.Errorf("%s: %s unpacks", a, name)
			}
			if err := unpack.Prefix(a, make([]byte, len(want)), src); err == nil {
				t.Errorf("%s: a beginning of %s unpacks", a, name)
			}
		}
		if err := unpack.Prefix(a, make([]byte, len(want)+1), packed); err == nil {
			t.Errorf("%s: one byte more than there is", a)
		}
	}
	for _, a := range []unpack.Algorithm{unpack.LZ4, unpack.LZMA} {
		if err := unpack.Exact(a, make([]byte, len(want)-300), pack(t, a, want)); err == nil {
			t.Errorf("%s: more content than there is room for is no error", a)
		}
	}
	if err := unpack.Exact(7, make([]byte, 1), []byte{1}); err == nil || !strings.Contains(err.Error(), "algorithm 7 is not known") {
		t.Error(err)
	}
}

func FuzzUnpack(f *testing.F) {
	for _, a := range algorithms {
		f.Add(uint8(a), pack(f, a, text(5000)), 5000)
	}
	f.Add(uint8(1), []byte{0xff}, 4096)
	f.Fuzz(func(t *testing.T, a uint8, src []byte, n int) {
		if n < 0 || n > 1<<20 {
			return
		}
		x, y := make([]byte, n), make([]byte, n)
		if unpack.Exact(unpack.Algorithm(a), x, src) != nil {
			return
		}
		if err := unpack.Prefix(unpack.Algorithm(a), y, src); err != nil || !bytes.Equal(x, y) {
			t.Fatalf("%s: what unpacks whole has another beginning: %v", unpack.Algorithm(a), err)
		}
	})
}
