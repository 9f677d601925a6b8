package sparse_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/fridayos/friday/android/sparse"
	"github.com/fridayos/friday/internal/judge"
)

var ctx = context.Background()

// sample is an image of noise, zeros and fills, the same for the same seed.
func sample(seed uint64, blocks int) []byte {
	r := rand.New(rand.NewPCG(seed, 1))
	var b []byte
	for len(b) < blocks*4096 {
		n := (1 + r.IntN(9)) * 4096
		part := make([]byte, n)
		switch r.IntN(4) {
		case 0: // zeros
		case 1:
			v := []byte{byte(r.Uint32()), byte(r.Uint32()), 7, 9}
			for i := range part {
				part[i] = v[i&3]
			}
		default:
			for i := range part {
				part[i] = byte(r.Uint32())
			}
		}
		b = append(b, part...)
	}
	return b[:blocks*4096]
}

// encode writes all files of an image.
func encode(t testing.TB, b []byte, o sparse.Options) [][]byte {
	t.Helper()
	p, err := sparse.NewPlan(ctx, bytes.NewReader(b), int64(len(b)), o)
	if err != nil {
		t.Fatal(err)
	}
	var out [][]byte
	for i := range p.Files() {
		var f bytes.Buffer
		if err := p.Write(ctx, i, &f); err != nil {
			t.Fatal(err)
		}
		if int64(f.Len()) != p.Size(i) {
			t.Fatalf("file %d: the plan says %d bytes, found %d", i, p.Size(i), f.Len())
		}
		if o.MaxFile > 0 && p.Size(i) > o.MaxFile {
			t.Fatalf("file %d: %d bytes of at most %d", i, p.Size(i), o.MaxFile)
		}
		out = append(out, f.Bytes())
	}
	return out
}

func open(t testing.TB, files ...[]byte) *sparse.Image {
	t.Helper()
	var parts []*sparse.Image
	for _, f := range files {
		im, err := sparse.Open(bytes.NewReader(f), int64(len(f)))
		if err != nil {
			t.Fatal(err)
		}
		parts = append(parts, im)
	}
	im, err := sparse.Join(parts...)
	if err != nil {
		t.Fatal(err)
	}
	return im
}

func expand(t testing.TB, im *sparse.Image) []byte {
	t.Helper()
	b, err := io.ReadAll(io.NewSectionReader(im, 0, im.Size()))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRoundTrip(t *testing.T) {
	want := sample(1, 700)
	for _, o := range []sparse.Options{
		{}, {CRC: true}, {SkipZeros: true}, {SkipZeros: true, CRC: true}, {BlockSize: 512}, {BlockSize: 64 << 10},
		{MaxFile: 4096 + 80}, {MaxFile: 100_000, CRC: true}, {MaxFile: 100_000, SkipZeros: true}, {MaxFile: 1 << 20, BlockSize: 8192},
	} {
		files := encode(t, want, o)
		if again := encode(t, want, o); len(again) != len(files) || !bytes.Equal(again[0], files[0]) {
			t.Errorf("%+v: not the same twice", o)
		}
		im := open(t, files...)
		got := expand(t, im)
		if !bytes.Equal(got[:len(want)], want) || len(bytes.Trim(got[len(want):], "\x00")) > 0 {
			t.Errorf("%+v: differs in %d files", o, len(files))
		}
		var fromSegments bytes.Buffer
		if _, err := im.Contents().WriteTo(&fromSegments); err != nil || !bytes.Equal(fromSegments.Bytes(), got) {
			t.Errorf("%+v: the segments differ: %v", o, err)
		}
		for i, f := range files {
			n, err := open(t, f).Verify(ctx)
			if err != nil || (n == 1) != o.CRC {
				t.Errorf("%+v: file %d: %d checksums, %v", o, i, n, err)
			}
		}
	}
}

// A size that is not whole blocks is filled up; nothing at all is an image too.
func TestOddSizes(t *testing.T) {
	for _, n := range []int{0, 1, 3, 4, 4095, 4096, 4097, 8191} {
		for _, b := range [][]byte{make([]byte, n), bytes.Repeat([]byte("x"), n)} {
			got := expand(t, open(t, encode(t, b, sparse.Options{CRC: true})...))
			if want := append(bytes.Clone(b), make([]byte, (4096-n%4096)%4096)...); !bytes.Equal(got, want) {
				t.Errorf("%d bytes: found %d", n, len(got))
			}
		}
	}
}

func TestReadsAnywhere(t *testing.T) {
	want := sample(2, 300)
	im := open(t, encode(t, want, sparse.Options{MaxFile: 50_000})...)
	r := rand.New(rand.NewPCG(5, 5))
	for range 2000 {
		off, p := r.Int64N(int64(len(want))+10), make([]byte, r.IntN(20000))
		n, err := im.ReadAt(p, off)
		m, wantErr := bytes.NewReader(want).ReadAt(append([]byte(nil), p...), off)
		if n != m || (err == nil) != (wantErr == nil) || n > 0 && !bytes.Equal(p[:n], want[off:off+int64(n)]) {
			t.Fatalf("%d bytes at %d: found %d %v, expected %d %v", len(p), off, n, err, m, wantErr)
		}
	}
}

// What a later file cares about replaces what an earlier one wrote.
func TestJoinOverlays(t *testing.T) {
	r := rand.New(rand.NewPCG(9, 9))
	for range 200 {
		var parts []*sparse.Image
		var want []byte
		for range 1 + r.IntN(4) {
			b := sample(r.Uint64(), 1+r.IntN(30))
			parts = append(parts, open(t, encode(t, b, sparse.Options{SkipZeros: true})[0]))
			want = append(want, make([]byte, max(0, len(b)-len(want)))...)
			for i := 0; i < len(b); i += 4096 {
				if !bytes.Equal(b[i:i+4096], make([]byte, 4096)) {
					copy(want[i:i+4096], b[i:])
				}
			}
		}
		im, err := sparse.Join(parts...)
		if err != nil {
			t.Fatal(err)
		}
		if got := expand(t, im); !bytes.Equal(got, want) {
			t.Fatalf("%d parts differ", len(parts))
		}
	}
	a := open(t, encode(t, sample(1, 2), sparse.Options{})...)
	b := open(t, encode(t, sample(1, 2), sparse.Options{BlockSize: 512})...)
	if _, err := sparse.Join(a, b); err == nil || !strings.Contains(err.Error(), "expected 4096 bytes, as in file 0, found 512 in file 1") {
		t.Error(err)
	}
	if _, err := sparse.Join(); err == nil {
		t.Error("nothing was joined")
	}
}

func TestSimg2imgReadsOurs(t *testing.T) {
	want := sample(3, 900)
	for name, o := range map[string]sparse.Options{"one": {}, "skips": {SkipZeros: true}, "crc": {CRC: true}, "split": {MaxFile: 200_000}, "split crc": {MaxFile: 200_000, CRC: true}} {
		dir := t.TempDir()
		var args []string
		for i, f := range encode(t, want, o) {
			args = append(args, filepath.Join(dir, fmt.Sprintf("super.img_sparsechunk.%d", i)))
			if err := os.WriteFile(args[i], f, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		out := filepath.Join(dir, "out")
		judge.Run(t, "simg2img", append(args, out)...)
		if got, err := os.ReadFile(out); err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: simg2img made %d bytes of %d: %v", name, len(got), len(want), err)
		}
	}
}

// What img2simg writes is read, and ours is the same byte for byte.
func TestImg2simg(t *testing.T) {
	want := append(sample(4, 900), make([]byte, 100<<20)...)
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in"), filepath.Join(dir, "out")
	if err := os.WriteFile(in, want, 0o600); err != nil {
		t.Fatal(err)
	}
	judge.Run(t, "img2simg", in, out)
	b, err := os.ReadFile(out)
	if err != nil {
		t.Fatal(err)
	}
	if got := expand(t, open(t, b)); !bytes.Equal(got, want) {
		t.Error("what img2simg wrote reads otherwise")
	}
	if ours := encode(t, want, sparse.Options{})[0]; !bytes.Equal(ours, b) {
		t.Errorf("ours has %d bytes, img2simg's %d", len(ours), len(b))
	}
}

func TestSample(t *testing.T) {
	b, err := os.ReadFile("../../../shared/data/android-samples/test_file.bin.sparse")
	if err != nil {
		t.Skip("needs ../shared/data/android-samples/test_file.bin.sparse beside the checkout")
	}
	im := open(t, b)
	if i := im.Info(); i.Blocks != 15 || i.BlockSize != 4096 || i.Chunks != 5 || i.Tail != 0 {
		t.Errorf("%+v", i)
	}
	out := filepath.Join(t.TempDir(), "out")
	judge.Run(t, "simg2img", "../../../shared/data/android-samples/test_file.bin.sparse", out)
	want, err := os.ReadFile(out)
	if err != nil || !bytes.Equal(expand(t, im), want) {
		t.Errorf("differs from what simg2img makes of it: %v", err)
	}
}

// forge makes a file of a header and chunks given as numbers: type, blocks,
// total size, then data bytes.
func forge(blockSize, blocks, chunks uint32, body ...any) []byte {
	le := binary.LittleEndian
	b := le.AppendUint32(nil, sparse.Magic)
	b = append(b, 1, 0, 0, 0, 28, 0, 12, 0)
	for _, v := range []uint32{blockSize, blocks, chunks, 0} {
		b = le.AppendUint32(b, v)
	}
	for _, v := range body {
		switch v := v.(type) {
		case [3]uint32:
			for _, n := range v {
				b = le.AppendUint32(b, n)
			}
		case []byte:
			b = append(b, v...)
		}
	}
	return b
}

type head = [3]uint32

func TestBadFiles(t *testing.T) {
	good := forge(4096, 2, 2, head{0xcac2, 1, 16}, []byte("abcd"), head{0xcac3, 1, 12})
	if n := len(expand(t, open(t, good))); n != 8192 {
		t.Fatalf("the good one has %d bytes", n)
	}
	edit := func(off int, v ...byte) []byte { b := bytes.Clone(good); copy(b[off:], v); return b }
	for name, c := range map[string]struct {
		b    []byte
		want string
	}{
		"empty":           {nil, "expected at least 28 bytes, found 0"},
		"magic":           {edit(0, 'x'), "byte 0: magic: expected 0xed26ff3a, found 0xed26ff78"},
		"version":         {edit(4, 2), "byte 4: major version: expected 1, found 2"},
		"header size":     {edit(8, 27), "byte 8: size of the file header: expected 28 to 56, found 27"},
		"header past end": {edit(8, 57), "byte 8: size of the file header"},
		"chunk header":    {edit(10, 11), "byte 10: size of a chunk header: expected at least 12, found 11"},
		"block size":      {edit(12, 2), "byte 12: block size: expected a multiple of 4, found 4098"},
		"no block size":   {edit(12, 0, 0), "byte 12: block size: expected a multiple of 4, found 0"},
		"8 EiB":           {edit(12, 0, 0, 0, 0x80, 0, 0, 0, 0xff), "byte 16: blocks: expected an image of at most 17592186044416 bytes, found 4278190080 blocks of 2147483648 bytes"},
		"many chunks":     {edit(20, 0, 0, 0, 1), "byte 20: chunks: expected at most 2097152, found 16777216"},
		"more chunks":     {edit(20, 3), "byte 20: chunks: expected at most 2, as the file has 56 bytes, found 3"},
		"fewer chunks":    {edit(20, 1), "byte 16: blocks: expected 1, as the chunks have, found 2"},
		"chunk type":      {edit(28, 0xc5), "chunk 0: byte 28: chunk type: expected 0xcac1 to 0xcac4, found 0xcac5"},
		"too many blocks": {edit(32, 3), "chunk 0: byte 32: blocks: expected at most the 2 that are left of 2, found 3"},
		"chunk size":      {edit(36, 17), "chunk 0: byte 36: data of a fill chunk of 1 blocks: expected 4 bytes, found 5"},
		"chunk too small": {edit(36, 11), "chunk 0: byte 36: total size: expected 12 to the 28 bytes that are left, found 11"},
		"chunk past end":  {edit(36, 29), "chunk 0: byte 36: total size"},
		"raw too small":   {edit(28, 0xc1), "chunk 0: byte 36: data of a raw chunk of 1 blocks: expected 4096 bytes, found 4"},
		"skip with data":  {edit(28, 0xc3), "chunk 0: byte 36: data of a don't-care chunk of 1 blocks: expected 0 bytes, found 4"},
	} {
		_, err := sparse.Open(bytes.NewReader(c.b), int64(len(c.b)))
		if err == nil || !strings.Contains(err.Error(), c.want) || !strings.HasPrefix(err.Error(), "cannot open sparse image: ") {
			t.Errorf("%s: expected %q, found %v", name, c.want, err)
		}
		if name == "magic" && !errors.Is(err, sparse.ErrNotSparse) {
			t.Errorf("%v does not wrap ErrNotSparse", err)
		}
	}
	if _, err := sparse.Open(bytes.NewReader(good[:40]), int64(len(good))); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a file that ends early: %v", err)
	}
	im := open(t, append(bytes.Clone(good), "tail"...))
	if n := im.Info().Tail; n != 4 {
		t.Errorf("tail: expected 4, found %d", n)
	}
}

func TestVerify(t *testing.T) {
	data := sample(6, 3)
	sum := func(b []byte) []byte { return binary.LittleEndian.AppendUint32(nil, crc32.ChecksumIEEE(b)) }
	expanded := append(bytes.Clone(data), bytes.Repeat([]byte("abcd"), 5*1024)...)
	file := func(last []byte) []byte {
		return forge(4096, 9, 5, head{0xcac1, 3, 12 + 3*4096}, data, head{0xcac4, 0, 16}, sum(data),
			head{0xcac2, 5, 16}, []byte("abcd"), head{0xcac3, 1, 12}, head{0xcac4, 0, 16}, last)
	}
	if n, err := open(t, file(sum(append(expanded, make([]byte, 4096)...)))).Verify(ctx); n != 2 || err != nil {
		t.Errorf("good: %d %v", n, err)
	}
	_, err := open(t, file(make([]byte, 4))).Verify(ctx)
	if err == nil || !strings.Contains(err.Error(), "CRC-32 of the first 9 blocks") || !strings.Contains(err.Error(), "byte 12372") {
		t.Error(err)
	}
	// 16 TiB of one value: found at once, or never.
	if n, err := open(t, forge(1<<20, 1<<24, 2, head{0xcac2, 1 << 24, 16}, []byte{0, 0, 0, 0}, head{0xcac4, 0, 16}, make([]byte, 4))).Verify(ctx); err == nil {
		t.Errorf("%d wrong sums were good", n)
	}
	stopped, stop := context.WithCancel(ctx)
	stop()
	if _, err := open(t, encode(t, data, sparse.Options{})...).Verify(stopped); err != nil {
		t.Errorf("nothing to verify: %v", err)
	}
	if _, err := open(t, encode(t, sample(3, 50), sparse.Options{CRC: true})[0]).Verify(stopped); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped: %v", err)
	}
}

// An index of a million chunks takes what the package says, and no more.
func TestMillionChunks(t *testing.T) {
	const n = 1 << 20
	var body []byte
	for i := range uint32(n) {
		body = append(body, forge(0, 0, 0, head{0xcac2, 1, 16})[28:]...)
		body = binary.LittleEndian.AppendUint32(body, i)
	}
	file := forge(4096, n, n, body)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	im := open(t, file)
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; used > 3*16*n {
		t.Errorf("%d chunks took %d bytes", n, used)
	}
	p := make([]byte, 8)
	if _, err := im.ReadAt(p, 777777*4096+4092); err != nil || binary.LittleEndian.Uint32(p) != 777777 || binary.LittleEndian.Uint32(p[4:]) != 777778 {
		t.Errorf("found %x %v", p, err)
	}
}

func TestBadPlans(t *testing.T) {
	for want, o := range map[string]sparse.Options{
		"block size: expected a multiple of 4 up to 67108864, found 6":         {BlockSize: 6},
		"largest file: expected at least 4176 bytes, found 4100":               {MaxFile: 4100},
		"block size: expected a multiple of 4 up to 67108864, found 134217728": {BlockSize: 128 << 20},
	} {
		if _, err := sparse.NewPlan(ctx, bytes.NewReader(nil), 0, o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("expected %q, found %v", want, err)
		}
	}
	if _, err := sparse.NewPlan(ctx, strings.NewReader("short"), 4096, sparse.Options{}); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a source that ends early: %v", err)
	}
	if _, err := sparse.NewPlan(ctx, bytes.NewReader(nil), 1<<60, sparse.Options{}); err == nil {
		t.Error("an EiB was planned")
	}
}

// A fill that is more chunks than fit one file is split too.
func TestSplitsFills(t *testing.T) {
	im := open(t, forge(1<<20, 1<<20, 1, head{0xcac2, 1 << 20, 16}, []byte("abcd"))) // 1 TiB
	if im.Size() != 1<<40 {
		t.Fatal(im.Size())
	}
	part := io.NewSectionReader(im, 0, 300<<20)
	p, err := sparse.NewPlan(ctx, part, part.Size(), sparse.Options{MaxFile: 4096 + 80})
	if err != nil || p.Files() != 1 {
		t.Errorf("%d files, %v", p.Files(), err)
	}
}

func FuzzOpen(f *testing.F) {
	f.Add(encode(f, sample(1, 20), sparse.Options{CRC: true})[0])
	f.Add(encode(f, sample(1, 20), sparse.Options{MaxFile: 30_000, SkipZeros: true})[1])
	f.Add(forge(4096, 2, 2, head{0xcac2, 1, 16}, []byte("abcd"), head{0xcac3, 1, 12}))
	f.Add(forge(0xf80f0000, 0, 0))
	f.Add(forge(1<<20, 1<<24, 2, head{0xcac2, 1 << 24, 16}, []byte{0, 0, 0, 0}, head{0xcac4, 0, 16}, make([]byte, 4)))
	f.Fuzz(func(t *testing.T, b []byte) {
		im, err := sparse.Open(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		_, _ = im.Verify(ctx)
		if im.Size() > 1<<20 {
			p := make([]byte, 100)
			_, _ = im.ReadAt(p, im.Size()-50)
			return
		}
		want := expand(t, im)
		if int64(len(want)) != im.Size() {
			t.Fatalf("read %d of %d bytes", len(want), im.Size())
		}
		if twice, err := sparse.Join(im, im); err != nil || !bytes.Equal(expand(t, twice), want) {
			t.Fatalf("laid over itself it differs: %v", err)
		}
		if im.Info().BlockSize > 64<<20 {
			return
		}
		got := expand(t, open(t, encode(t, want, sparse.Options{BlockSize: im.Info().BlockSize, CRC: true})...))
		if !bytes.Equal(got, want) {
			t.Fatal("written and read it differs")
		}
	})
}
