package imgdiff

import (
	"bytes"
	"compress/flate"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"os/exec"
	"strings"
	"testing"

	"github.com/fridayos/friday/android/bsdiff"
	"github.com/fridayos/friday/internal/judge"
)

// piece is one of a patch; of deflate if it has how.
type piece struct {
	raw        []byte
	start, len int
	old, next  []byte // what its bsdiff is of
	how        []uint32
}

// build makes a patch as the format's description has it.
func build(t testing.TB, pieces ...piece) []byte {
	t.Helper()
	size := len(Magic) + 4
	for _, p := range pieces {
		switch {
		case p.raw != nil:
			size += 8 + len(p.raw)
		case p.how != nil:
			size += 4 + 60
		default:
			size += 4 + 24
		}
	}
	le := binary.LittleEndian
	head, body := le.AppendUint32([]byte(Magic), uint32(len(pieces))), []byte(nil)
	longs := func(v ...int) {
		for _, v := range v {
			head = le.AppendUint64(head, uint64(v))
		}
	}
	for _, p := range pieces {
		if p.raw != nil {
			head = append(le.AppendUint32(le.AppendUint32(head, kindRaw), uint32(len(p.raw))), p.raw...)
			continue
		}
		var diff bytes.Buffer
		if err := bsdiff.Diff(context.Background(), p.old, p.next, &diff); err != nil {
			t.Fatal(err)
		}
		at := size + len(body)
		body = append(body, diff.Bytes()...)
		if p.how == nil {
			head = le.AppendUint32(head, kindPlain)
			longs(p.start, p.len, at)
			continue
		}
		head = le.AppendUint32(head, kindDeflate)
		longs(p.start, p.len, at, len(p.old), len(p.next))
		for _, v := range p.how {
			head = le.AppendUint32(head, v)
		}
	}
	return append(head, body...)
}

func words(r *rand.Rand, n int) []byte {
	var b []byte
	for len(b) < n {
		b = fmt.Appendf(b, "line %d of a file that is packed\n", r.IntN(5000))
	}
	return b[:n]
}

// level6 are the parameters of zlib's default, as zips have it.
func level(n uint32) []uint32 { return []uint32{n, 8, uint32(0xfffffff1), 8, 0} }

// Two zips whose streams python's zlib packed: the patch gives the new one, with
// streams from the other level too.
func TestPatch(t *testing.T) {
	judge.Need(t, "python3")
	const seed = 3
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	old := words(r, 300_000)
	next := append(bytes.Clone(old[:100_000]), append(words(r, 500), old[100_000:]...)...)
	for _, n := range []int{6, 9} {
		packed := zlib(t, old, 6)
		again := zlib(t, next, n)
		src := append([]byte("PK\x03\x04 the head of an entry"), append(packed, "the directory"...)...)
		want := append([]byte("PK\x03\x04 the head of an entry!"), append(again, "the directory, and more"...)...)
		head, tail := len(src)-len(packed)-len("the directory"), len("the directory")
		patch := build(t,
			piece{start: 0, len: head, old: src[:head], next: want[:head+1]},
			piece{start: head, len: len(packed), old: old, next: next, how: level(uint32(n))},
			piece{start: len(src) - tail, len: tail, old: src[len(src)-tail:], next: []byte("the directory, and ")},
			piece{raw: []byte("more")})
		var got bytes.Buffer
		if err := Patch(bytes.NewReader(src), int64(len(src)), patch, &got, int64(len(want))); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(got.Bytes(), want) {
			t.Errorf("level %d: another target, of %d bytes for %d", n, got.Len(), len(want))
		}
	}
}

func zlib(t *testing.T, b []byte, level int) []byte {
	cmd := exec.Command("python3", "-c", fmt.Sprintf("import sys, zlib; c = zlib.compressobj(%d, 8, -15); sys.stdout.buffer.write(c.compress(sys.stdin.buffer.read()) + c.flush())", level))
	cmd.Stdin = bytes.NewReader(b)
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func flated(t testing.TB, b []byte) []byte {
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, 6)
	if err == nil {
		_, err = w.Write(b)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func example(t testing.TB) (src, patch []byte) {
	old, next := []byte("what was packed before"), []byte("what is packed now")
	src = append([]byte("head"), flated(t, old)...)
	return src, build(t, piece{raw: []byte("HEAD")}, piece{start: 4, len: len(src) - 4, old: old, next: next, how: level(6)})
}

func TestRefused(t *testing.T) {
	src, good := example(t)
	second := len(Magic) + 4 + 12 // the piece of deflate
	le := binary.LittleEndian
	word := func(at int, v uint32) []byte {
		b := bytes.Clone(good)
		le.PutUint32(b[at:], v)
		return b
	}
	long := func(at int, v uint64) []byte {
		b := bytes.Clone(good)
		le.PutUint64(b[at:], v)
		return b
	}
	many := le.AppendUint32([]byte(Magic), 1<<20)
	for range 1 << 12 {
		many = append(many, good[second:second+64]...)
		le.PutUint64(many[len(many)-36:], 60<<20)
	}
	for name, c := range map[string]struct {
		patch []byte
		want  int64
		err   string
	}{
		"empty":        {nil, 100, "byte 0: expected IMGDIFF2, found \"\""},
		"version 1":    {[]byte("IMGDIFF1\x01\x00\x00\x00"), 100, "expected IMGDIFF2, found \"IMGDIFF1\""},
		"cut off":      {good[:second+20], 100, "the patch ends at byte 44, expected 40 more at 28"},
		"many pieces":  {word(8, 1<<31), 100, "piece 2 of 2147483648: its kind is"},
		"gzip":         {word(second, 1), 100, "byte 24: piece 1 of 2: not supported: a piece of version 1"},
		"kind":         {word(second, 7), 100, "its kind is 7, expected 0, 2 or 3"},
		"start":        {long(second+4, 1<<40), 100, "bytes of the source at 1099511627776, which has"},
		"length":       {long(second+12, 1<<63), 100, "it is of 9223372036854775808 bytes of the source at 4"},
		"patch":        {long(second+20, 1<<62), 100, "its patch lies at 4611686018427387904, all have"},
		"huge":         {long(second+28, 1<<40), 100, "not supported: streams of 1099511627776 and 18 bytes, expected at most 67108864"},
		"source small": {long(second+28, 5), 100, "its source holds 6 bytes or more, expected 5"},
		"source large": {long(second+28, 500), 100, "its source holds 22 bytes or more, expected 500"},
		"target small": {long(second+36, 5), 100, "is expected to have at most 5"},
		"target large": {long(second+36, 500), 100, "18 bytes come of it, expected 500"},
		"level":        {word(second+44, 0), 100, "not supported: level 0, window bits 15, memory level 8"},
		"method":       {word(second+48, 9), 100, "not supported: method 9, window bits -15, strategy 0"},
		"window":       {word(second+52, 15), 100, "not supported: method 8, window bits 15, strategy 0"},
		"strategy":     {word(second+60, 2), 100, "not supported: method 8, window bits -15, strategy 2"},
		"raw too long": {word(second-8, 1<<31), 100, "it has 2147483648 bytes, expected at most"},
		"too long":     {good, 10, "it leads past the target's end"},
		"bomb":         {many, 1 << 40, "its source holds 22 bytes or more"},
	} {
		t.Run(name, func(t *testing.T) {
			err := Patch(bytes.NewReader(src), int64(len(src)), c.patch, io.Discard, c.want)
			if err == nil || !strings.HasPrefix(err.Error(), "cannot apply imgdiff: ") || !strings.Contains(err.Error(), c.err) {
				t.Errorf("found %v, expected %q", err, c.err)
			}
		})
	}
	bomb := bytes.Clone(good)
	le.PutUint64(bomb[second+28:], MaxStream)
	p := patcher{src: bytes.NewReader(src), size: int64(len(src)), patch: bomb, w: &counter{io.Discard, 100}, spare: 1000}
	if err := p.run(); err == nil || !strings.Contains(err.Error(), "is it a bomb?") {
		t.Error(err)
	}
}

func FuzzPatch(f *testing.F) {
	src, good := example(f)
	f.Add(src, good)
	f.Fuzz(func(t *testing.T, src, patch []byte) {
		c := counter{io.Discard, 1 << 20}
		if err := Patch(bytes.NewReader(src), int64(len(src)), patch, &c, 1<<19); err != nil && c.left < 1<<19 {
			t.Errorf("%d bytes were written: %v", 1<<20-c.left, err)
		}
	})
}

func ExamplePatch() {
	src := []byte("boot.img of last month")
	patch := []byte("IMGDIFF2\x01\x00\x00\x00\x03\x00\x00\x00\x08\x00\x00\x00boot.img")
	var out bytes.Buffer
	err := Patch(bytes.NewReader(src), int64(len(src)), patch, &out, 8)
	fmt.Println(out.String(), err)
	// Output: boot.img <nil>
}
