package puffin

import (
	"archive/zip"
	"bytes"
	"compress/flate"
	"context"
	"encoding/hex"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fridayos/friday/android/bsdiff"
	"github.com/fridayos/friday/internal/judge"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func puffAll(b []byte) ([]byte, error) {
	var p puffer
	return p.puff(nil, b, 0, 16*len(b)+1000)
}

func huffAll(b []byte) ([]byte, error) {
	var out bytes.Buffer
	w := bitWriter{w: &out}
	h := huffer{out: &w}
	err := h.huff(b)
	w.put(0, uint(-w.total&7))
	w.flush()
	return out.Bytes(), err
}

// Deflate of each kind of block beside its puff, both written down from the formats.
func TestPuffByHand(t *testing.T) {
	for _, c := range []struct{ name, deflate, puff string }{
		{"stored", "01 0300 fcff 616263", "0000 80 02 616263 ff81"},
		{"stored, with bits before it", "f9 0100 feff 61", "0000 9f 00 61 ff81"},
		{"stored, empty", "01 0000 ffff", "0000 80 ff81"},
		{"fixed, empty", "0300", "0000 a0 ff81"},
		{"fixed, one literal", "4b0400", "0000 a0 00 61 ff81"},
		// Ten times a, by zlib: two, then a copy of 8 bytes from 1 before.
		{"fixed, a copy", "4b4c840100", "0000 a0 01 6161 85 0000 ff81"},
		{"two blocks", "4a 04 0c 00", "0000 20 00 61 ff81 0000 a0 ff81"},
		// The code of code lengths has 18 (one bit), 0 and 1 (two); that of literals a and
		// the end, one bit each; that of distances one, which nothing uses.
		{"dynamic", "05c081080000000020d6fd255e", "0012 c0 00 00 0e 00 12 00 00 00 00 00 00 02 72 01 9b 25 01 01 00 61 ff81"},
	} {
		t.Run(c.name, func(t *testing.T) {
			deflate, want := unhex(t, c.deflate), unhex(t, c.puff)
			got, err := puffAll(deflate)
			if err != nil {
				t.Fatal(err)
			}
			if len(want) > 0 && !bytes.Equal(got, want) {
				t.Errorf("puff is %x, expected %x", got, want)
			}
			if again, err := huffAll(got); err != nil || !bytes.Equal(again, deflate) {
				t.Errorf("deflate is %x, %v, expected %x", again, err, deflate)
			}
		})
	}
}

func text(seed uint64, n int) []byte {
	r := rand.New(rand.NewPCG(seed, 3))
	var b bytes.Buffer
	for b.Len() < n {
		switch r.IntN(12) {
		case 0:
			for range r.IntN(700) {
				b.WriteByte(byte(r.Uint32()))
			}
		case 1:
			b.Write(bytes.Repeat([]byte{byte(r.Uint32())}, r.IntN(3000)))
		default:
			fmt.Fprintf(&b, "<item name=\"%s_%d\" value=\"%x\"/>\n", [...]string{"alarm", "camera", "quick", "tile"}[r.IntN(4)], r.IntN(90), r.Uint32N(5000))
		}
	}
	return b.Bytes()[:n]
}

func deflated(t testing.TB, b []byte, level int) []byte {
	t.Helper()
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, level)
	if err != nil {
		t.Fatal(err)
	}
	if _, err = w.Write(b); err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// content is what a puff says, without its deflate.
func content(t testing.TB, puff []byte) []byte {
	t.Helper()
	var out []byte
	h := huffer{in: puff}
	for h.at < len(puff) {
		n := int(puff[h.at])<<8 | int(puff[h.at+1])
		h.at += n + 3
		for {
			run, length, dist, err := h.token()
			if err != nil {
				t.Fatal(err)
			}
			if length == endOfPuff {
				break
			}
			out = append(out, run...)
			for range length {
				out = append(out, out[len(out)-dist])
			}
		}
	}
	return out
}

func TestPuffAgain(t *testing.T) {
	check := func(name string, plain, deflate []byte) {
		puff, err := puffAll(deflate)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if !bytes.Equal(content(t, puff), plain) {
			t.Errorf("%s: the puff says something else", name)
		}
		if again, err := huffAll(puff); err != nil || !bytes.Equal(again, deflate) {
			t.Errorf("%s: deflate is another, %v", name, err)
		}
	}
	for seed := range uint64(12) {
		plain := text(seed, int(seed*seed)*2500)
		for level := flate.HuffmanOnly; level <= flate.BestCompression; level++ {
			check(fmt.Sprint("seed ", seed, ", level ", level), plain, deflated(t, plain, level))
		}
	}
	check("long runs of literals", text(5, 9000), deflated(t, text(5, 9000), flate.HuffmanOnly))
}

// What gzip (zlib's older sister) deflates is puffed, and made again.
func TestPuffOfGzip(t *testing.T) {
	judge.Need(t, "gzip")
	plain := text(4, 700_000)
	for level := 1; level <= 9; level++ {
		file := judge.Pipe(t, plain, "gzip", "-n", fmt.Sprint("-", level))
		var p puffer
		s, ok := p.stream(file, (&heads{b: file, zip: -1, gzip: -1}).next(0))
		if !ok || s.from != 10 || s.to != len(file)-8 {
			t.Errorf("level %d: stream %v from %d to %d of %d", level, ok, s.from, s.to, len(file))
		}
	}
}

// archive is a zip, as an APK is one: some entries deflated, some stored.
func archive(t testing.TB, seed uint64, entries int, change func(i int, b []byte) []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	for i := range entries {
		h := &zip.FileHeader{Name: fmt.Sprintf("res/layout-%d.xml", i), Method: zip.Deflate}
		if i%5 == 4 {
			h.Method = zip.Store
		}
		w, err := z.CreateHeader(h)
		if err == nil {
			_, err = w.Write(change(i, text(seed+uint64(i), 5000+i*3000)))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func same(_ int, b []byte) []byte { return b }

func changed(i int, b []byte) []byte {
	if i%3 == 1 {
		return b
	}
	b = bytes.Replace(b, []byte("camera"), []byte("photographs"), 1+i)
	return append(b, "<!-- one more -->"...)
}

func diff(t testing.TB, old, next []byte) []byte {
	t.Helper()
	var out bytes.Buffer
	ok, err := Diff(context.Background(), old, next, &out)
	if err != nil {
		t.Fatal(err)
	}
	if !ok {
		t.Fatal("no patch")
	}
	return out.Bytes()
}

func apply(t testing.TB, old, patch []byte, most int) []byte {
	t.Helper()
	var out bytes.Buffer
	if err := Patch(bytes.NewReader(old), int64(len(old)), patch, &out, int64(most)); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestDiffAndPatch(t *testing.T) {
	old, next := archive(t, 1, 12, same), archive(t, 1, 12, changed)
	// Whole blocks, as a payload's operations have them, and a file that begins
	// and ends within one.
	old = append(bytes.Repeat([]byte{7}, 1000), append(old, make([]byte, 4096-len(old)%4096)...)...)
	patch := diff(t, old, next)
	if n, err := Size(patch); err != nil || n != int64(len(next)) {
		t.Errorf("size is %d, %v, expected %d", n, err, len(next))
	}
	if !bytes.Equal(apply(t, old, patch, len(next)), next) {
		t.Error("result differs")
	}
	if !bytes.Equal(patch, diff(t, old, next)) {
		t.Error("two patches of the same differ")
	}
	var plain bytes.Buffer
	if err := bsdiff.Diff(context.Background(), old, next, &plain); err != nil {
		t.Fatal(err)
	}
	if len(patch)*3 > plain.Len() {
		t.Errorf("patch has %d bytes, bsdiff's %d", len(patch), plain.Len())
	}
	back := diff(t, next, old)
	if !bytes.Equal(apply(t, next, back, len(old)), old) {
		t.Error("result of the way back differs")
	}
}

// Streams that begin and end within bytes, next to each other and apart.
func TestPatchWithinBytes(t *testing.T) {
	blocks := [][]byte{text(1, 900), text(2, 2500), nil, text(3, 40), text(4, 6000)}
	for seed := range uint64(60) {
		r := rand.New(rand.NewPCG(seed, 9))
		make := func() ([]byte, side) {
			var out bytes.Buffer
			w := bitWriter{w: &out}
			f := puffedFile{}
			for range 1 + r.IntN(6) {
				for range r.IntN(4) * r.IntN(30) { // nothing, or bits of something else
					w.put(r.Uint64N(2), 1)
				}
				plain := blocks[r.IntN(len(blocks))]
				puff, err := puffAll(deflated(t, plain, flate.BestCompression))
				if err != nil {
					t.Fatal(err)
				}
				from := w.total
				if err := (&huffer{out: &w}).huff(puff); err != nil {
					t.Fatal(err)
				}
				f.streams = append(f.streams, stream{parts: []part{{Extent{from, w.total - from}, puff}}})
			}
			for w.total%8 != 0 || r.IntN(3) > 0 {
				w.put(r.Uint64N(2), 1)
			}
			w.flush()
			f.b = out.Bytes()
			s, puffed, err := f.lay()
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			if err := (&side{deflates: s.deflates, puffs: inBits(s.puffs), puffed: s.puffed}).check(); err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			// In pieces of any size and place, the same.
			reader := newPuffReader(s, bytes.NewReader(f.b))
			for range 20 {
				from := r.Int64N(int64(len(puffed)))
				b := puffed[from:][:r.Int64N(int64(len(puffed))-from+1)]
				got := bytes.Clone(b)
				clear(got)
				if _, err := reader.ReadAt(got, from); err != nil || !bytes.Equal(got, b) {
					t.Fatalf("seed %d: read %d bytes at %d: %v", seed, len(b), from, err)
				}
			}
			return puffed, s
		}
		oldPuffs, from := make()
		nextPuffs, to := make()
		old, next := unpuff(t, oldPuffs, from, r), unpuff(t, nextPuffs, to, r)
		patch := bytes.NewBuffer(appendHeader(nil, from, to))
		if err := bsdiff.Diff(context.Background(), oldPuffs, nextPuffs, patch); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(apply(t, old, patch.Bytes(), len(next)), next) {
			t.Fatalf("seed %d: result differs", seed)
		}
	}
}

func inBits(bytes []Extent) []Extent {
	var out []Extent
	for _, e := range bytes {
		out = append(out, Extent{e.Offset * 8, e.Length * 8})
	}
	return out
}

// unpuff writes a puffed file in pieces.
func unpuff(t testing.TB, puffed []byte, s side, r *rand.Rand) []byte {
	t.Helper()
	var out bytes.Buffer
	w := newHuffWriter(s, &out)
	for len(puffed) > 0 {
		n := min(len(puffed), 1+r.IntN(900))
		if _, err := w.Write(puffed[:n]); err != nil {
			t.Fatal(err)
		}
		puffed = puffed[n:]
	}
	if err := w.close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func TestDiffOfWhatIsNoArchive(t *testing.T) {
	var out bytes.Buffer
	a, b := text(1, 5000), text(2, 5000)
	zip := archive(t, 1, 3, same)
	for _, c := range [][2][]byte{{a, b}, {zip, b}, {a, zip}, {zip, zip}, {nil, nil}} {
		if ok, err := Diff(context.Background(), c[0], c[1], &out); ok || err != nil || out.Len() > 0 {
			t.Errorf("%v, %v, %d bytes", ok, err, out.Len())
		}
	}
	ctx, stop := context.WithCancel(context.Background())
	stop()
	if _, err := Diff(ctx, zip, archive(t, 1, 3, changed), &out); err != context.Canceled && !strings.Contains(fmt.Sprint(err), "canceled") {
		t.Error(err)
	}
}

func TestPatchRefuses(t *testing.T) {
	old, next := archive(t, 1, 4, same), archive(t, 1, 4, changed)
	patch := diff(t, old, next)
	for _, c := range []struct {
		name  string
		old   []byte
		patch []byte
		most  int
		want  string
	}{
		{"no patch", old, nil, 1 << 20, `magic is ""`},
		{"another magic", old, []byte("BSDF2___________"), 1 << 20, `magic is "BSDF"`},
		{"header cut off", old, []byte("PUF1\x00\x00\x01\x00"), 1 << 20, "cut off at 0"},
		{"too large", old, patch, len(next) - 1, "expected to have at most"},
		{"source cut off", old[:len(old)-1], patch, len(next), "the source has"},
		{"another source", make([]byte, len(old)), patch, len(next), "source has no such deflate"},
		{"Zucchini", old, []byte("PUF1\x00\x00\x00\x04\x08\x01\x20\x01"), 1 << 20, "Zucchini"},
		{"patch inside cut off", old, patch[:len(patch)-20], len(next), "cannot apply patch"},
	} {
		err := Patch(bytes.NewReader(c.old), int64(len(c.old)), c.patch, io.Discard, int64(c.most))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, expected %q", c.name, err, c.want)
		}
	}
	inside := func(from, to side) error {
		b := append(appendHeader(nil, from, to), patch[len(patch)-100:]...)
		return Patch(bytes.NewReader(old), int64(len(old)), b, io.Discard, 1<<30)
	}
	for _, c := range []struct {
		s    side
		want string
	}{
		{side{deflates: []Extent{{0, 8}}}, "1 stretches of deflate and 0 puffs"},
		{side{deflates: []Extent{{0, 80}, {72, 80}}, puffs: []Extent{{0, 20}, {20, 20}}, puffed: 40}, "within the last"},
		{side{deflates: []Extent{{0, 80}, {88, 80}}, puffs: []Extent{{0, 20}, {20, 20}}, puffed: 40}, "puff 1 is at 20, expected 21"},
		{side{deflates: []Extent{{0, 80}}, puffs: []Extent{{0, MaxPuff + 1}}, puffed: 1 << 40}, "at most 33554432"},
		{side{deflates: []Extent{{0, 80}}, puffs: []Extent{{0, 20}}, puffed: 19}, "puffs have 19 bytes"},
		{side{deflates: []Extent{{0, 81}}, puffs: []Extent{{0, 20}}, puffed: 20}, "ends within a byte"},
	} {
		if err := inside(c.s, side{}); err == nil || !strings.Contains(err.Error(), c.want) || !strings.Contains(err.Error(), "source") {
			t.Errorf("%v, expected %q", err, c.want)
		}
		if err := inside(side{}, c.s); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v, expected %q", err, c.want)
		}
	}
}

func TestHostileDeflate(t *testing.T) {
	for _, c := range []struct{ name, deflate, want string }{
		{"type 3", "07 00", "type is 3"},
		{"stored length", "01 0300 fcfe 616263", "inverse"},
		{"stored, cut off", "01 0300 fcff 6162", "cut off"},
		{"symbol 286", "03 ff ff ff", "no such Huffman code"},
		{"too many codes", "fd ff ff ff ff ff", "expected at most 286"},
	} {
		if _, err := puffAll(unhex(t, c.deflate)); err == nil || (c.name != "symbol 286" && !strings.Contains(err.Error(), c.want)) {
			t.Errorf("%s: %v, expected %q", c.name, err, c.want)
		}
	}
	for _, c := range []struct{ name, puff, want string }{
		{"cut off", "00", "cut off"},
		{"head cut off", "0005 a0", "cut off"},
		{"type 3", "0000 e0", "type is 3"},
		{"length 260", "0000 a0 ff82", "at most 258"},
		{"far", "0000 a0 80 8000 ff81", "at most 32768"},
		{"no end", "0000 a0 00 61", "cut off"},
		{"stored with a copy", "0000 80 80 0000 ff81", "a copy"},
		{"stored twice", "0000 80 00 61 00 61 ff81", "goes on"},
		{"bits before stored", "0000 9f 00 61 00 61 ff81 0000 9f", "goes on"},
		{"dynamic without codes", "0003 c0 00 00 00", "cut off"},
		{"code length 8", "0005 c0 00 00 00 80 00", "expected at most 7"},
		{"too many codes", "0005 c0 1e 00 00 00 00", "at most 286"},
		{"too many Huffman codes", "0005 c0 00 00 00 11 11", "more Huffman codes"},
	} {
		if _, err := huffAll(unhex(t, c.puff)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, expected %q", c.name, err, c.want)
		}
	}
}

// Real APKs are puffed through and made again, stream by stream.
func TestPuffOfAPKs(t *testing.T) {
	names, _ := filepath.Glob(filepath.Join("..", "..", "bin", "real-android", "2", "*.apk"))
	if len(names) == 0 {
		t.Skip("needs bin/real-android (make test fetches it)")
	}
	for _, name := range names {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		f, err := puffed(context.Background(), b)
		if err != nil {
			t.Fatal(err)
		}
		z, err := zip.OpenReader(name)
		if err != nil {
			t.Fatal(err)
		}
		want := map[int]int{} // of what a stream is worth its place
		for _, e := range z.File {
			if at, err := e.DataOffset(); err == nil && e.Method == zip.Deflate && e.CompressedSize64 >= 64 {
				want[int(at)] = int(at) + int(e.CompressedSize64)
			}
		}
		z.Close()
		found := 0
		for _, s := range f.streams {
			if want[s.from] == s.to {
				found++
			}
		}
		t.Logf("%s: %d of %d streams", filepath.Base(name), found, len(want))
		if found*100 < len(want)*99 {
			t.Errorf("%s: %d of %d deflate streams come out the same", name, found, len(want))
		}
	}
}

func FuzzPuff(f *testing.F) {
	f.Add(deflated(f, text(1, 3000), 6))
	f.Add([]byte{1, 3, 0, 0xfc, 0xff, 'a', 'b', 'c'})
	f.Add([]byte{0x4a, 4, 0x0c, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		puff, err := puffAll(b)
		if err != nil {
			return
		}
		again, err := huffAll(puff)
		if err != nil {
			return // what no encoder makes need not come again, but may not be wrong
		}
		if twice, err := puffAll(again); err != nil || !bytes.Equal(puff, twice) {
			t.Fatalf("puff differs: %v", err)
		}
	})
}

func FuzzPatch(f *testing.F) {
	old, next := archive(f, 1, 2, same), archive(f, 1, 2, changed)
	patch := diff(f, old, next)
	f.Add(old, patch)
	f.Add(next, diff(f, next, old))
	f.Add([]byte("abc"), patch[:100])
	f.Fuzz(func(t *testing.T, old, patch []byte) {
		const most = 1 << 20
		var out bytes.Buffer
		err := Patch(bytes.NewReader(old), int64(len(old)), patch, &out, most)
		if out.Len() > most {
			t.Fatalf("%d bytes", out.Len())
		}
		if n, e := Size(patch); err == nil && (e != nil || n != int64(out.Len())) {
			t.Fatalf("%d bytes, expected %d, %v", out.Len(), n, e)
		}
	})
}

func FuzzDiff(f *testing.F) {
	f.Add(archive(f, 1, 2, same), archive(f, 1, 2, changed))
	f.Fuzz(func(t *testing.T, old, next []byte) {
		var out bytes.Buffer
		ok, err := Diff(context.Background(), old, next, &out)
		if err != nil {
			t.Fatal(err)
		}
		if ok && !bytes.Equal(apply(t, old, out.Bytes(), len(next)), next) {
			t.Fatal("result differs")
		}
	})
}
