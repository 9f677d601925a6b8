package bsdiff

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fridayos/friday/internal/judge"
)

// pair makes an old file that looks like code and text, and a new one with
// bytes changed, pieces moved, put in and left out.
func pair(seed uint64, size int) (old, next []byte) {
	r := rand.New(rand.NewPCG(seed, 1))
	words := make([][]byte, 300)
	for i := range words {
		words[i] = make([]byte, 2+r.IntN(30))
		for k := range words[i] {
			words[i][k] = byte(r.Uint32() >> (r.Uint32() % 3 * 8))
		}
	}
	for len(old) < size {
		old = append(old, words[r.IntN(len(words))]...)
	}
	old = old[:size]
	for at := 0; at < size; {
		n := min(1+r.IntN(min(size/8, 20_000)+1), size-at)
		next = append(next, old[at:at+n]...)
		at += n
		switch r.IntN(4) {
		case 0:
			next = append(next, words[r.IntN(len(words))]...)
		case 1:
			at = min(at+r.IntN(100), size)
		case 2:
			for k := len(next) - n; k < len(next); k += 97 {
				next[k]++
			}
		case 3:
			from := r.IntN(size)
			next = append(next, old[from:min(from+r.IntN(400), size)]...)
		}
	}
	return old, next
}

func diff(t testing.TB, old, next []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Diff(context.Background(), old, next, &b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func patch(t testing.TB, old, p []byte, maxSize int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Patch(bytes.NewReader(old), int64(len(old)), p, &b, int64(maxSize)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func TestRoundTrip(t *testing.T) {
	zeros := make([]byte, 300_000)
	spotted := bytes.Clone(zeros)
	for i := 0; i < len(spotted); i += 1013 {
		spotted[i] = byte(i)
	}
	for _, c := range []struct {
		name      string
		old, next []byte
		most      int // bytes of patch
	}{
		{"both empty", nil, nil, 64},
		{"from nothing", nil, []byte("something"), 80},
		{"to nothing", []byte("something"), nil, 64},
		{"one byte", []byte{7}, []byte{7}, 64},
		{"two bytes swapped", []byte{1, 2}, []byte{2, 1}, 64},
		{"same", bytes.Repeat([]byte("abcd"), 5000), bytes.Repeat([]byte("abcd"), 5000), 100},
		{"zeros", zeros, zeros[:250_000], 100},
		{"zeros, spotted", zeros, spotted, 1300},
		{"spots away", spotted, zeros, 1300},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := diff(t, c.old, c.next)
			if len(p) > c.most {
				t.Errorf("patch of %d bytes, expected at most %d", len(p), c.most)
			}
			if got := patch(t, c.old, p, len(c.next)); !bytes.Equal(got, c.next) {
				t.Errorf("result differs")
			}
		})
	}
	for seed := range uint64(40) {
		old, next := pair(seed, 50+int(seed)*1999)
		p := diff(t, old, next)
		if !bytes.Equal(p, diff(t, old, next)) {
			t.Fatalf("seed %d: two runs differ", seed)
		}
		if n, err := Size(p); err != nil || n != int64(len(next)) {
			t.Fatalf("seed %d: Size %d, %v", seed, n, err)
		}
		if got := patch(t, old, p, len(next)); !bytes.Equal(got, next) {
			t.Fatalf("seed %d: result differs", seed)
		}
	}
}

// The foreign differ: what Debian's bsdiff writes is read.
func TestReadsBSDIFF40(t *testing.T) {
	judge.Need(t, "bsdiff")
	dir := t.TempDir()
	for seed := range uint64(6) {
		old, next := pair(seed, 100_000)
		o, n, p := filepath.Join(dir, "o"), filepath.Join(dir, "n"), filepath.Join(dir, "p")
		if err := errors.Join(os.WriteFile(o, old, 0o600), os.WriteFile(n, next, 0o600)); err != nil {
			t.Fatal(err)
		}
		judge.Run(t, "bsdiff", o, n, p)
		b, err := os.ReadFile(p)
		if err != nil {
			t.Fatal(err)
		}
		if got := patch(t, old, b, len(next)); !bytes.Equal(got, next) {
			t.Errorf("seed %d: result differs", seed)
		}
		if ours := diff(t, old, next); len(ours) > len(b) {
			t.Errorf("seed %d: our patch has %d bytes, bsdiff's %d", seed, len(ours), len(b))
		}
	}
}

// The streams of our patches are what the brotli and bzip2 programs read.
func TestStreamsAreForeign(t *testing.T) {
	judge.Need(t, "brotli", "bzip2")
	old, next := pair(3, 80_000)
	p := diff(t, old, next)
	h, err := parseHeader(p)
	if err != nil {
		t.Fatal(err)
	}
	rest := p[headerSize:]
	var sum int
	for i, s := range [][]byte{rest[:h.control], rest[h.control : h.control+h.diff], rest[h.control+h.diff:]} {
		out := judge.Pipe(t, s, []string{bzip: "bzip2", brotli: "brotli"}[h.kind[i]], "-dc")
		if i > 0 {
			sum += len(out)
		}
	}
	if sum != len(next) {
		t.Errorf("diff and extra hold %d bytes, expected %d", sum, len(next))
	}
}

func TestPatchRefuses(t *testing.T) {
	old, next := pair(9, 5000)
	good := diff(t, old, next)
	edit := func(fn func(b []byte)) []byte { b := slices.Clone(good); fn(b); return b }
	plainPatch := func(size int64, triples ...int64) []byte {
		b := make([]byte, headerSize+8*len(triples))
		copy(b, magicNew)
		putNumber(b[8:], int64(8*len(triples)))
		putNumber(b[24:], size)
		for i, v := range triples {
			putNumber(b[headerSize+8*i:], v)
		}
		return b
	}
	for _, c := range []struct {
		name  string
		patch []byte
		want  string
	}{
		{"short", good[:20], "header of 32 bytes is cut off at 20"},
		{"magic", edit(func(b []byte) { b[0] = 'X' }), `expected "BSDIFF40" or "BSDF2"`},
		{"compression", edit(func(b []byte) { b[6] = 9 }), "stream 1 has compression 9"},
		{"negative size", edit(func(b []byte) { putNumber(b[24:], -5) }), "size of the result is -5"},
		{"too large", edit(func(b []byte) { putNumber(b[24:], 1<<40) }), "expected to have at most"},
		{"control too long", edit(func(b []byte) { putNumber(b[8:], 1<<62) }), "do not fit"},
		{"diff too long", edit(func(b []byte) { putNumber(b[16:], 1<<62) }), "do not fit"},
		{"cut off", good[:len(good)-12], "cannot read"},
		{"too much added", plainPatch(10, 11, 0, 0), "control asks for 11 and 0 bytes, expected at most 10"},
		{"overflow", plainPatch(10, 5, 1<<62, 0), "control asks for"},
		{"negative", plainPatch(10, -1, 0, 0), "control asks for"},
		{"seek", plainPatch(10, 0, 0, 1<<62+1), "out of any file"},
		{"no progress", plainPatch(10, make([]int64, 3*(maxIdle+2))...), "no progress"},
		{"control ends", plainPatch(10), "cannot read control"},
		{"no diff", plainPatch(10, 10, 0, 0), "cannot read diff"},
		{"no extra", plainPatch(10, 0, 10, 0), "cannot read extra"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b bytes.Buffer
			err := Patch(bytes.NewReader(old), int64(len(old)), c.patch, &b, int64(len(next)))
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("error %v, expected %q", err, c.want)
			}
		})
	}
}

// Outside of the old file, old counts as zero, as in every bspatch.
func TestPatchOutsideOld(t *testing.T) {
	b := make([]byte, headerSize+2*tripleSize+6)
	copy(b, magicNew)
	putNumber(b[8:], 2*tripleSize)
	putNumber(b[16:], 6)
	putNumber(b[24:], 6)
	c := b[headerSize:]
	putNumber(c[16:], -2) // to -2
	putNumber(c[24:], 6)  // -2 … 4 of an old file of 3
	copy(c[2*tripleSize:], []byte{1, 1, 1, 1, 1, 1})
	if got := patch(t, []byte{10, 20, 30}, b, 6); !bytes.Equal(got, []byte{1, 1, 11, 21, 31, 1}) {
		t.Errorf("got %v", got)
	}
}

func TestDiffRefuses(t *testing.T) {
	if err := Diff(context.Background(), make([]byte, MaxInput+1), nil, &bytes.Buffer{}); err == nil || !strings.Contains(err.Error(), "cut the files") {
		t.Errorf("error %v", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	old, next := pair(1, 200_000)
	if err := Diff(ctx, old, next, &bytes.Buffer{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

func TestSortSuffixes(t *testing.T) {
	for _, text := range []string{"", "a", "banana", strings.Repeat("ab", 9000) + strings.Repeat("\x00", 9000)} {
		got, err := sortSuffixes([]byte(text))
		if err != nil {
			t.Fatal(err)
		}
		for i := 1; i < len(got); i++ {
			if text[got[i-1]:] >= text[got[i]:] {
				t.Fatalf("suffix %d is not below suffix %d", got[i-1], got[i])
			}
		}
	}
}

func FuzzPatch(f *testing.F) {
	old, next := pair(2, 3000)
	f.Add(old, diff(f, old, next))
	f.Add([]byte("abc"), diff(f, []byte("abc"), []byte("abd")))
	f.Add([]byte{}, []byte("BSDIFF40"))
	f.Add([]byte{1, 2, 3}, append([]byte("BSDF2\x00\x01\x02"), make([]byte, 60)...))
	f.Fuzz(func(t *testing.T, old, p []byte) {
		const most = 1 << 20
		var b bytes.Buffer
		err := Patch(bytes.NewReader(old), int64(len(old)), p, &b, most)
		if b.Len() > most {
			t.Fatalf("%d bytes written", b.Len())
		}
		if n, sizeErr := Size(p); err == nil && (sizeErr != nil || n != int64(b.Len())) {
			t.Fatalf("%d bytes written, the header says %d, %v", b.Len(), n, sizeErr)
		}
	})
}

func FuzzDiff(f *testing.F) {
	f.Add([]byte("the old file"), []byte("the new file"))
	f.Add([]byte{0, 0, 0, 0, 1}, []byte{0, 0, 1, 0, 0})
	f.Fuzz(func(t *testing.T, old, next []byte) {
		if got := patch(t, old, diff(t, old, next), len(next)); !bytes.Equal(got, next) {
			t.Fatal("result differs")
		}
	})
}

func BenchmarkDiff(b *testing.B) {
	old, next := pair(1, 11_000_000)
	b.SetBytes(int64(len(next)))
	for b.Loop() {
		p := diff(b, old, next)
		b.ReportMetric(float64(len(p)), "patch-bytes")
	}
}

func BenchmarkPatch(b *testing.B) {
	old, next := pair(1, 2_000_000)
	p := diff(b, old, next)
	b.SetBytes(int64(len(next)))
	for b.Loop() {
		patch(b, old, p, len(next))
	}
}
