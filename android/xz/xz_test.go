package xz

import (
	"bytes"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	reader "github.com/xi2/xz"
)

func unpack(t testing.TB, b []byte) []byte {
	t.Helper()
	r, err := reader.NewReader(bytes.NewReader(b), 0)
	if err != nil {
		t.Fatal(err)
	}
	out, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func pack(t testing.TB, b []byte) []byte {
	t.Helper()
	out, err := Compress(b, CheckNone)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// mixed makes words, noise, runs, repeats with a byte changed, in turn.
func mixed(seed uint64, size int) []byte {
	r := rand.New(rand.NewPCG(seed, 5))
	var b []byte
	for len(b) < size {
		n := 1 + r.IntN(1<<r.IntN(15))
		switch r.IntN(5) {
		case 0:
			for range n {
				b = append(b, byte(r.Uint32()))
			}
		case 1:
			b = append(b, bytes.Repeat([]byte{byte(r.IntN(3))}, n)...)
		case 2:
			b = append(b, strings.Repeat("friday and the train ", n/21+1)[:n]...)
		default:
			if len(b) > 0 {
				from := r.IntN(len(b))
				b = append(b, b[from:min(from+n, len(b))]...)
				b[len(b)-1-r.IntN(min(n, len(b)))]++
			}
		}
	}
	return b[:size]
}

func samples(t testing.TB) map[string][]byte {
	noise := mixed(1, 0)
	r := rand.New(rand.NewPCG(2, 2))
	for range 300_000 {
		noise = append(noise, byte(r.Uint32()))
	}
	m := map[string][]byte{
		"nothing": nil, "a byte": {7}, "two": {7, 7}, "three": []byte("abc"), "four": []byte("aaaa"), "five": []byte("abcab"),
		"zeros": make([]byte, 3<<20), "noise": noise, "noise, then text": append(bytes.Clone(noise), strings.Repeat("text ", 50_000)...),
		"text, then noise": append([]byte(strings.Repeat("text ", 50_000)), noise...), "noise twice": append(bytes.Clone(noise), noise...),
		"64 KiB of noise": noise[:1<<16], "64 KiB and one": noise[:1<<16+1],
	}
	letters := bytes.Clone(noise[:30_000]) // many matches everywhere
	for i, c := range letters {
		letters[i] = 'a' + c&1
	}
	m["two letters"] = letters
	for i := 0; i < 8; i++ {
		m["noise and text in turn"] = append(append(m["noise and text in turn"], noise[i<<15:][:32_000]...), strings.Repeat(string(rune('a'+i))+" word, ", 3_000)...)
	}
	for seed := range uint64(11) {
		m["mixed "+string(rune('a'+seed))] = mixed(seed, 1<<(seed+8)+int(seed))
	}
	if exe, err := os.ReadFile("/proc/self/exe"); err == nil {
		m["a program"] = exe[:min(len(exe), 1<<20)]
	}
	return m
}

func TestRoundTrip(t *testing.T) {
	for name, src := range samples(t) {
		b := pack(t, src)
		if got := unpack(t, b); !bytes.Equal(got, src) {
			t.Errorf("%s: %d bytes come back, expected %d, or differ", name, len(got), len(src))
		}
		if most := len(src) + len(src)/20_000 + 64; len(b) > most {
			t.Errorf("%s: %d bytes packed, expected at most %d", name, len(b), most)
		}
		if !bytes.Equal(b, pack(t, src)) {
			t.Errorf("%s: two runs differ", name)
		}
	}
}

// What an Encoder did before leaves no trace.
func TestEncoderAgain(t *testing.T) {
	var e Encoder
	for range 2 {
		for name, src := range samples(t) { // in another order each time
			got, err := e.Compress(src, CheckNone)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, pack(t, src)) {
				t.Errorf("%s: an Encoder used before gives other bytes than a new one", name)
			}
		}
	}
}

// Noise costs what it takes as it is, and does not spoil what lies around it.
func TestNoiseIsStored(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 3))
	var text, both []byte
	stored := 0
	for i := range 12 {
		var part []byte
		for range 10_000 {
			part = append(part, "etaoinsh"[r.IntN(8)])
		}
		text, both = append(text, part...), append(both, part...)
		n := 3*noiseUnit + i*1000
		for range n {
			both = append(both, byte(r.Uint32()))
		}
		stored += n
	}
	// A unit at either side of a run may hold both.
	alone, b := len(pack(t, text)), pack(t, both)
	if most := alone + stored + 12*300; len(b) > most {
		t.Errorf("%d bytes with %d of noise, expected at most %d: %d without the noise", len(b), stored, most, alone)
	}
	if !bytes.Equal(unpack(t, b), both) {
		t.Error("the result differs")
	}
	again := append(bytes.Clone(both), both...)
	if got := len(pack(t, again)); got > len(b)+len(b)/100 {
		t.Errorf("%d bytes packed of a text twice, expected little more than the %d of one: noise that comes again is a match", got, len(b))
	}
}

// Memory is bounded, whatever there is to be found.
func TestListsAreBounded(t *testing.T) {
	src := samples(t)["two letters"]
	var f finder
	f.reset(src, niceLength, treeDepth)
	if got, most := len(f.lists), (maxListed+2)*len(src)+treeDepth+1; got > most || got < maxListed*len(src) {
		t.Errorf("%d matches listed for %d bytes, expected %d to %d", got, len(src), maxListed*len(src), most)
	}
}

// The xz program reads it all, and sees one block of LZMA2 alone.
func TestXZReads(t *testing.T) {
	if _, err := exec.LookPath("xz"); err != nil {
		t.Skipf("needs xz")
	}
	dir := t.TempDir()
	for name, src := range samples(t) {
		for _, check := range []Check{CheckNone, CheckCRC32} {
			b, err := Compress(src, check)
			if err != nil {
				t.Fatal(err)
			}
			file := filepath.Join(dir, "x.xz")
			if err := os.WriteFile(file, b, 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.Command("xz", "-t", "-v", file).CombinedOutput(); err != nil {
				t.Errorf("%s: xz -t: %v: %s", name, err, out)
				continue
			}
			if out, err := exec.Command("xz", "-dc", file).Output(); err != nil || !bytes.Equal(out, src) {
				t.Errorf("%s: xz -dc: %v, or the result differs", name, err)
			}
			list, err := exec.Command("xz", "--robot", "-lvv", file).Output()
			want := `(?m)^block\t1\t1\t1\t.*\t--lzma2=dict=\w+$`
			if len(src) == 0 {
				want = `(?m)^file\t1\t0\t`
			}
			if err != nil || !regexp.MustCompile(want).Match(list) {
				t.Errorf("%s: xz -lvv: %v: %s", name, err, list)
			}
		}
	}
}

// Near what xz -6 makes, which is the field's measure.
func TestNearXZ(t *testing.T) {
	if _, err := exec.LookPath("xz"); err != nil {
		t.Skipf("needs xz")
	}
	src := program(t, 2<<20)
	c := exec.Command("xz", "-6", "-c", "--check=none")
	c.Stdin = bytes.NewReader(src)
	theirs, err := c.Output()
	if err != nil {
		t.Fatal(err)
	}
	ours := pack(t, src)
	t.Logf("%d bytes: ours %d, xz -6 %d", len(src), len(ours), len(theirs))
	if len(ours) > len(theirs)+len(theirs)/100 {
		t.Errorf("ours %d bytes, expected at most a hundredth above %d", len(ours), len(theirs))
	}
}

// program is a chunk out of the middle of the Go command.
func program(t testing.TB, n int) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(runtime.GOROOT(), "bin", "go"))
	if err != nil || len(b) < 4<<20+n {
		t.Skipf("needs %s/bin/go", runtime.GOROOT())
	}
	return b[4<<20:][:n]
}

func TestRefuses(t *testing.T) {
	if _, err := Compress(make([]byte, MaxInput+1), CheckNone); err == nil || !strings.Contains(err.Error(), "expected at most 16777216") {
		t.Errorf("error %v", err)
	}
	if _, err := Compress(nil, 4); err == nil || !strings.Contains(err.Error(), "check is 4") {
		t.Errorf("error %v", err)
	}
}

func TestDictionary(t *testing.T) {
	for n, want := range map[int]byte{1: 0, 4096: 0, 4097: 1, 6144: 1, 6145: 2, 2 << 20: 18, 2<<20 + 1: 19, MaxInput: 24} {
		if got := dictionary(n); got != want {
			t.Errorf("dictionary(%d) is %d, expected %d", n, got, want)
		}
	}
}

func FuzzCompress(f *testing.F) {
	f.Add([]byte("abcabcabcabcabc"))
	f.Add(mixed(4, 3000))
	f.Add(bytes.Repeat([]byte{0}, 600))
	f.Fuzz(func(t *testing.T, src []byte) {
		// Thrice: far repeats too.
		src = append(append(append([]byte(nil), src...), src...), src...)
		if !bytes.Equal(unpack(t, pack(t, src)), src) {
			t.Fatal("result differs")
		}
	})
}
