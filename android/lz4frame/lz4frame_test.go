package lz4frame_test

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/pierrec/lz4/v4"

	"github.com/fridayos/friday/android/lz4frame"
	"github.com/fridayos/friday/internal/judge"
)

// content is n bytes that compress in parts, the same for the same seed.
func content(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	b := make([]byte, 0, n+64)
	for len(b) < n {
		switch r.IntN(3) {
		case 0:
			b = append(b, make([]byte, r.IntN(100_000))...)
		case 1:
			b = append(b, bytes.Repeat([]byte("system/framework/"), r.IntN(5000))...)
		default:
			for range r.IntN(50_000) {
				b = append(b, byte(r.Uint32()))
			}
		}
	}
	return b[:n]
}

func pack(t testing.TB, b []byte, level lz4frame.Level) []byte {
	t.Helper()
	var w bytes.Buffer
	if err := lz4frame.Write(&w, bytes.NewReader(b), int64(len(b)), level); err != nil {
		t.Fatal(err)
	}
	return w.Bytes()
}

func TestRoundTrip(t *testing.T) {
	const seed = 7
	for _, n := range []int{0, 1, 1 << 20, 1<<20 + 1, 5<<20 + 12345} {
		b := content(seed, n)
		for _, level := range []lz4frame.Level{0, 3} {
			packed := pack(t, b, level)
			if head := []byte{0x04, 0x22, 0x4d, 0x18, 0x6c, 0x60}; !bytes.HasPrefix(packed, head) && n > 0 {
				t.Errorf("%d bytes: header is % x, Odin wants % x", n, packed[:6], head)
			}
			if again := pack(t, b, level); !bytes.Equal(packed, again) {
				t.Errorf("%d bytes: two runs differ", n)
			}
			tail := append(bytes.Clone(packed), "and more"...)
			f, err := lz4frame.Open(bytes.NewReader(tail), int64(len(tail)))
			if err != nil {
				t.Fatal(err)
			}
			if f.End != int64(len(packed)) || f.Size != int64(n) {
				t.Errorf("%d bytes: frame of %d ends at %d, expected %d", n, f.Size, f.End, len(packed))
			}
			got, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size))
			if err != nil || !bytes.Equal(got, b) {
				t.Errorf("%d bytes: read %d, %v; not what was written", n, len(got), err)
			}
			if err := f.Verify(); err != nil {
				t.Error(err)
			}
			if n > 3<<20 {
				p := make([]byte, 2<<20)
				if _, err := f.ReadAt(p, 1<<20-17); err != nil || !bytes.Equal(p, b[1<<20-17:3<<20-17]) {
					t.Errorf("reading across blocks: %v", err)
				}
				if got, err := f.ReadAt(p, int64(n)-5); got != 5 || err != io.EOF {
					t.Errorf("reading past the end gives %d, %v", got, err)
				}
			}
		}
	}
}

func TestJudges(t *testing.T) {
	judge.Need(t, "lz4")
	b := content(9, 3<<20+77)
	dir := t.TempDir()
	name := filepath.Join(dir, "system.img")
	if err := os.WriteFile(name+".lz4", pack(t, b, 0), 0o644); err != nil {
		t.Fatal(err)
	}
	judge.Run(t, "lz4", "-t", name+".lz4")
	judge.Run(t, "lz4", "-d", "-f", name+".lz4", name)
	if got, err := os.ReadFile(name); err != nil || !bytes.Equal(got, b) {
		t.Errorf("lz4 unpacks something else: %v", err)
	}
	// And what lz4 writes, with its sizes of blocks and checksums.
	for _, args := range [][]string{{"-1"}, {"-9", "-B4"}, {"-B5", "-BX"}, {"-B7", "--content-size", "--no-frame-crc"}} {
		judge.Run(t, "lz4", append(args, "-f", name, name+".theirs")...)
		theirs, err := os.ReadFile(name + ".theirs")
		if err != nil {
			t.Fatal(err)
		}
		f, err := lz4frame.Open(bytes.NewReader(theirs), int64(len(theirs)))
		if err != nil {
			t.Fatalf("%q: %v", args, err)
		}
		if got, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size)); err != nil || !bytes.Equal(got, b) {
			t.Errorf("%q: read something else, %v", args, err)
		}
		if err := f.Verify(); err != nil {
			t.Errorf("%q: %v", args, err)
		}
	}
	judge.Run(t, "lz4", "-B4", "-BD", "-f", name, name+".linked")
	linked, err := os.ReadFile(name + ".linked")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := lz4frame.Open(bytes.NewReader(linked), int64(len(linked))); !errors.Is(err, lz4frame.ErrDependent) {
		t.Errorf("linked blocks give %v, expected %v", err, lz4frame.ErrDependent)
	}
}

func TestBad(t *testing.T) {
	good := pack(t, content(3, 2<<20+5), 0)
	change := func(at int, v ...byte) []byte {
		b := bytes.Clone(good)
		copy(b[at:], v)
		return b
	}
	for _, c := range []struct {
		name string
		b    []byte
		want string
	}{
		{"empty", nil, "it has 0 bytes, a header has at least 7"},
		{"magic", change(0, 'x'), "offset 0: magic is 0x184d2278, expected 0x184d2204"},
		{"version", change(4, 0xac), "version is 2, expected 1"},
		{"block size", change(5, 0x30), "block size code is 3, expected 4 to 7"},
		{"reserved", change(5, 0xe0), "a reserved bit is set"},
		{"dictionary", change(4, 0x6d), "not supported: a dictionary"},
		{"content size", change(6, 1), "offset 14: the header's checksum"},
		{"huge block", change(15, 0xff, 0xff, 0xff, 0x7f), "block 0 has 2147483647 bytes, expected 1 to 1048576"},
		{"cut header", good[:9], "it ends within its header"},
		{"cut", good[:len(good)-5], "it ends without an end mark"},
		{"cut sum", good[:len(good)-2], "it ends within the content's checksum"},
	} {
		_, err := lz4frame.Open(bytes.NewReader(c.b), int64(len(c.b)))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v, expected %q", c.name, err, c.want)
		}
	}
	// A flipped byte that opening does not see.
	f, err := lz4frame.Open(bytes.NewReader(good), int64(len(good)))
	if err != nil {
		t.Fatal(err)
	}
	bad := change(len(good)/2, good[len(good)/2]^1)
	g, err := lz4frame.Open(bytes.NewReader(bad), int64(len(bad)))
	if err == nil {
		err = g.Verify()
	}
	if err == nil {
		t.Error("a flipped byte passes Verify")
	}
	if err := f.Verify(); err != nil {
		t.Error(err)
	}
	if err := lz4frame.Write(io.Discard, strings.NewReader("short"), 9, 0); err == nil || !strings.Contains(err.Error(), "ended after 5 bytes, expected 9") {
		t.Errorf("a short source gives %v", err)
	}
}

func FuzzOpen(f *testing.F) {
	for _, n := range []int{0, 10, 70_000} {
		f.Add(pack(f, content(1, n), 0))
	}
	var w bytes.Buffer
	z := lz4.NewWriter(&w)
	if err := z.Apply(lz4.BlockSizeOption(lz4.Block64Kb), lz4.BlockChecksumOption(true)); err != nil {
		f.Fatal(err)
	}
	if _, err := z.Write(content(2, 200_000)); err != nil {
		f.Fatal(err)
	}
	if err := z.Close(); err != nil {
		f.Fatal(err)
	}
	f.Add(w.Bytes())
	f.Fuzz(func(t *testing.T, b []byte) {
		frame, err := lz4frame.Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		n, err := io.Copy(io.Discard, io.NewSectionReader(frame, 0, min(frame.Size, 64<<20)))
		if err == nil && frame.Size <= 64<<20 && n != frame.Size {
			t.Errorf("read %d bytes of %d without an error", n, frame.Size)
		}
		if frame.End > int64(len(b)) {
			t.Errorf("it ends at %d of %d", frame.End, len(b))
		}
	})
}

// BenchmarkWrite packs 64 MiB of machine code, this program's, as a build of a Samsung's
// packs its images.
func BenchmarkWrite(b *testing.B) {
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	code, err := os.ReadFile(self)
	if err != nil {
		b.Fatal(err)
	}
	content := bytes.Repeat(code, 64<<20/len(code)+1)[:64<<20]
	b.SetBytes(int64(len(content)))
	var out counted
	for b.Loop() {
		out = 0
		if err := lz4frame.Write(&out, bytes.NewReader(content), int64(len(content)), 0); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(out)/float64(len(content)), "ratio")
}

// counted counts what is written.
type counted int64

func (c *counted) Write(p []byte) (int, error) {
	*c += counted(len(p))
	return len(p), nil
}
