package deflate

import (
	"bytes"
	"compress/flate"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fridayos/friday/internal/judge"
)

func compress(t testing.TB, b []byte, p Params, step int) []byte {
	t.Helper()
	var out bytes.Buffer
	z, err := NewWriter(&out, p)
	if err != nil {
		t.Fatal(err)
	}
	for len(b) > 0 {
		n := min(step, len(b))
		if _, err := z.Write(b[:n]); err != nil {
			t.Fatal(err)
		}
		b = b[n:]
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// contents are of every kind that leads a compressor elsewhere: nothing, one byte,
// noise (stored), runs, text, programs, and lengths about the window's ends.
func contents(seed uint64) map[string][]byte {
	r := rand.New(rand.NewPCG(seed, 0))
	noise := func(n, of int) []byte {
		b := make([]byte, n)
		for i := range b {
			b[i] = byte(r.IntN(of))
		}
		return b
	}
	words := strings.Fields("the phone restarts when the camera zooms and nobody knows why that is so 0 1 2 { } ( ) ; return static void")
	text := func(n int) []byte {
		var b []byte
		for len(b) < n {
			b = append(append(b, words[r.IntN(len(words))]...), " \n"[r.IntN(2)])
		}
		return b[:n]
	}
	mixed := func(n int) []byte {
		var b []byte
		for len(b) < n {
			switch k := 1 + r.IntN(4000); r.IntN(5) {
			case 0:
				b = append(b, noise(k, 256)...)
			case 1:
				b = append(b, make([]byte, k)...)
			case 2:
				b = append(b, text(k)...)
			case 3:
				b = append(b, noise(k, 4)...)
			default: // what was there before
				if len(b) > 0 {
					at := r.IntN(len(b))
					b = append(b, b[at:min(len(b), at+k)]...)
				}
			}
		}
		return b[:n]
	}
	all := map[string][]byte{
		"nothing": nil, "a byte": {7}, "two": {7, 7}, "three": []byte("aaa"), "four": []byte("abca"), "zeros": make([]byte, 300_000),
		"noise": noise(200_000, 256), "few kinds": noise(150_000, 3), "text": text(400_000), "programs": mixed(700_000),
		"skewed": skewed(r),
	}
	for _, n := range []int{257, 258, 259, 32505, 32506, 32768, 65273, 65274, 65275, 65400, 65535, 65536, 65537, 98042, 98304, 131072} {
		all[fmt.Sprintf("mixed %d", n)] = mixed(n)
	}
	return all
}

// skewed has frequencies of bytes that grow as Fibonacci's numbers, so that codes
// would be longer than is allowed.
func skewed(r *rand.Rand) []byte {
	var b []byte
	x, y := 1, 1
	for c := byte(0); len(b) < 30_000; c++ {
		b = append(b, bytes.Repeat([]byte{c}, x)...)
		x, y = y, x+y
	}
	r.Shuffle(len(b), func(i, j int) { b[i], b[j] = b[j], b[i] })
	return b
}

// What comes out is what zlib writes, whatever the parameters, and reads back.
func TestAsZlib(t *testing.T) {
	judge.Need(t, "python3")
	const seed = 5
	t.Logf("seed %d", seed)
	dir := t.TempDir()
	all := contents(seed)
	for name, b := range all {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var params []Params
	for level := 1; level <= 9; level++ {
		params = append(params, Params{level, 15, 8})
	}
	params = append(params, Params{6, 9, 1}, Params{6, 10, 8}, Params{9, 12, 9}, Params{1, 15, 1}, Params{3, 9, 9}, Params{5, 14, 2})
	var script strings.Builder
	script.WriteString("import sys, zlib, os\n")
	for _, p := range params {
		fmt.Fprintf(&script, "for n in sorted(os.listdir('.')):\n if '=' in n: continue\n c = zlib.compressobj(%d, zlib.DEFLATED, -%d, %d)\n b = open(n, 'rb').read()\n open('%[1]d-%[2]d-%[3]d=' + n, 'wb').write(c.compress(b) + c.flush())\n", p.Level, p.WindowBits, p.MemLevel)
	}
	cmd := exec.Command("python3", "-c", script.String())
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	r := rand.New(rand.NewPCG(seed, 1))
	for _, p := range params {
		for name, b := range all {
			want, err := os.ReadFile(filepath.Join(dir, fmt.Sprintf("%d-%d-%d=%s", p.Level, p.WindowBits, p.MemLevel, name)))
			if err != nil {
				t.Fatal(err)
			}
			got := compress(t, b, p, 1+r.IntN(100_000))
			if !bytes.Equal(got, want) {
				at := 0
				for at < len(got) && at < len(want) && got[at] == want[at] {
					at++
				}
				t.Errorf("%+v, %s: %d bytes differ from zlib's %d at %d", p, name, len(got), len(want), at)
			}
			if back, err := io.ReadAll(flate.NewReader(bytes.NewReader(got))); err != nil || !bytes.Equal(back, b) {
				t.Errorf("%+v, %s: %d bytes come back, %v", p, name, len(back), err)
			}
		}
	}
}

func TestRefused(t *testing.T) {
	for _, p := range []Params{{0, 15, 8}, {10, 15, 8}, {6, 8, 8}, {6, 16, 8}, {6, 15, 0}, {6, 15, 10}, {-1, 15, 8}} {
		if _, err := NewWriter(io.Discard, p); err == nil || !strings.HasPrefix(err.Error(), "cannot compress as zlib: not supported: level ") {
			t.Errorf("%+v: %v", p, err)
		}
	}
}

type full struct{ left int }

func (f *full) Write(b []byte) (int, error) {
	if f.left -= len(b); f.left < 0 {
		return 0, io.ErrShortWrite
	}
	return len(b), nil
}

func TestWriterBelowFails(t *testing.T) {
	for _, room := range []int{0, 5000, 100_000} {
		z, err := NewWriter(&full{room}, Params{6, 15, 8})
		if err != nil {
			t.Fatal(err)
		}
		_, err = z.Write(contents(1)["noise"])
		if c := z.Close(); c == nil {
			t.Errorf("room %d: closed without an error; Write: %v", room, err)
		}
	}
	z, _ := NewWriter(io.Discard, Params{6, 15, 8})
	_ = z.Close()
	if _, err := z.Write([]byte{1}); err == nil {
		t.Error("written behind the end")
	}
}

// FuzzRoundTrip: whatever it is, it comes back, and the cuts do not matter.
func FuzzRoundTrip(f *testing.F) {
	f.Add([]byte("aaaaabaaaaab"), uint8(6), uint8(3))
	f.Fuzz(func(t *testing.T, b []byte, how, step uint8) {
		p := Params{1 + int(how)%9, 9 + int(how/9)%7, 1 + int(how/63)%9}
		b = bytes.Repeat(b, 1+int(step)%5)
		got := compress(t, b, p, 1+int(step))
		if back, err := io.ReadAll(flate.NewReader(bytes.NewReader(got))); err != nil || !bytes.Equal(back, b) {
			t.Errorf("%+v: %d bytes come back of %d, %v", p, len(back), len(b), err)
		}
		if once := compress(t, b, p, len(b)+1); !bytes.Equal(got, once) {
			t.Errorf("%+v: in pieces it is another stream", p)
		}
	})
}

func ExampleNewWriter() {
	var out bytes.Buffer
	z, _ := NewWriter(&out, Params{Level: 6, WindowBits: 15, MemLevel: 8})
	_, _ = z.Write([]byte("hello hello hello"))
	_ = z.Close()
	fmt.Printf("%x\n", out.Bytes())
	// Output: cb48cdc9c957c8409000
}
