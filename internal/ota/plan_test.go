package ota

import (
	"bytes"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/android/payload"
	"github.com/fridayos/friday/android/tree"
)

// hashes makes block hashes of letters; '0' is a block of zeros.
func hashes(s string) []blockHash {
	var list []blockHash
	for _, r := range s {
		h := blockHash{byte(r)}
		if r == '0' {
			h = zeroHash
		}
		list = append(list, h)
	}
	return list
}

func TestSources(t *testing.T) {
	for _, c := range []struct{ old, next, want string }{
		{"abc", "abc", "0 1 2"},
		{"abc", "xabc", "- 0 1 2"},
		{"abcabc", "abcabc", "0 1 2 3 4 5"},
		{"aab", "baa", "2 1 0"},
		{"xxab", "abxx", "2 3 0 1"},
		{"a0b", "0a0", "- 0 -"},
		{"", "ab", "- -"},
		{"abcd", "cdab", "2 3 0 1"},
		{"abab", "zzab", "- - 2 3"},
	} {
		var got []string
		for _, b := range sources(hashes(c.old), hashes(c.next), false) {
			if b == none {
				got = append(got, "-")
			} else {
				got = append(got, fmt.Sprint(b))
			}
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s from %s: %s, expected %s", c.next, c.old, strings.Join(got, " "), c.want)
		}
	}
}

func TestPlainOps(t *testing.T) {
	old, next := hashes("abcde"), hashes("cd0xab00")
	got := plainOps(next, sources(old, next, false))
	want := []payload.PlannedOp{
		{Type: payload.SourceCopy, Src: []payload.Extent{{Start: 2, Count: 2}, {Start: 0, Count: 2}}, Dst: []payload.Extent{{Start: 0, Count: 2}, {Start: 4, Count: 2}}},
		{Type: payload.Zero, Dst: []payload.Extent{{Start: 2, Count: 1}, {Start: 6, Count: 2}}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
	var long []blockHash
	for i := range 3*copyBlocks + 5 {
		long = append(long, blockHash{byte(i), byte(i >> 8), 1})
	}
	total := int64(0)
	for _, op := range plainOps(long, sources(long, long, false)) {
		n := count(op.Dst)
		if total += n; n > copyBlocks {
			t.Errorf("a copy of %d blocks, at most %d are expected", n, copyBlocks)
		}
	}
	if total != int64(len(long)) {
		t.Errorf("%d of %d blocks are copied", total, len(long))
	}
}

func sequence(from, n int) []int32 {
	s := make([]int32, n)
	for i := range s {
		s[i] = int32(from + i)
	}
	return s
}

func TestFileParts(t *testing.T) {
	all := func(int32) bool { return true }
	f := &file{blocks: sequence(100, 2*filePart+10)}
	parts := fileParts(f, all)
	if len(parts) != 3 || parts[2].first != 2*filePart || parts[2].last != 2*filePart+9 || len(parts[0].blocks) != filePart {
		t.Errorf("a long file: %d parts, the last from %d to %d", len(parts), parts[len(parts)-1].first, parts[len(parts)-1].last)
	}
	odd := func(b int32) bool { return b%2 == 1 }
	for _, p := range fileParts(f, odd) {
		if n := len(extentsOf(p.blocks)); n > maxExtents+1 {
			t.Errorf("a part of %d extents", n)
		}
	}
	if parts := fileParts(f, func(int32) bool { return false }); parts != nil {
		t.Errorf("nothing changed: %v", parts)
	}
	// Of a small old file all is a source, of a large one what is near.
	p := part{first: 3000, last: 3100}
	if got := p.window(&file{blocks: sequence(0, 50)}, 4000); count(got) != 50 {
		t.Errorf("small: %v", got)
	}
	if got := p.window(&file{blocks: sequence(500, 20000)}, 20100); !reflect.DeepEqual(got, []payload.Extent{{Start: 500 + 2900 - fileSlack, Count: 101 + 100 + 2*fileSlack}}) {
		t.Errorf("large: %v", got)
	}
	if got := p.window(&file{blocks: sequence(0, 5000)}, 300000); count(got) > fileWhole {
		t.Errorf("grown by much: %v", got)
	}
	p = part{first: 30000, last: 30100}
	if got := p.window(&file{blocks: sequence(0, 5000)}, 31000); count(got) > fileWhole {
		t.Errorf("behind the end of the old file: %v", got)
	}
}

func TestRest(t *testing.T) {
	owner := make([]int32, 2000)
	for i := range owner {
		owner[i] = none
	}
	owner[5] = 0
	runs := restRuns(owner, func(b int32) bool { return b != 9 })
	var total int
	for _, r := range runs {
		if total += len(r); r[len(r)-1]-r[0] >= chunkBlocks {
			t.Errorf("a chunk from %d to %d", r[0], r[len(r)-1])
		}
	}
	if total != 1998 {
		t.Errorf("%d blocks, expected all but the file's and the unchanged one", total)
	}
	for _, c := range []struct {
		first, n, old, next int
		want                []payload.Extent
	}{
		{0, 1, 1, 1, []payload.Extent{{Start: 0, Count: 1}}},
		{0, 10, 0, 10, nil},
		{1000, 10, 5000, 5000, []payload.Extent{{Start: 1000 - restSlack, Count: 10 + 2*restSlack}}},
		{1000, 10, 5000, 5100, []payload.Extent{{Start: 900 - restSlack, Count: 110 + 2*restSlack}}},
		{9000, 10, 5000, 10000, []payload.Extent{{Start: 4000 - restSlack, Count: 10 + 2*restSlack}}},
		{1000, 10, 9000, 2000, []payload.Extent{{Start: 1000 - restSlack, Count: 10 + 2*restSlack}, {Start: 8000 - restSlack, Count: 10 + 2*restSlack}}},
	} {
		if got := restWindow(sequence(c.first, c.n), c.old, c.next); !reflect.DeepEqual(got, c.want) {
			t.Errorf("%d+%d, %d to %d blocks: %v, expected %v", c.first, c.n, c.old, c.next, got, c.want)
		}
	}
}

func TestMatcher(t *testing.T) {
	old := []file{{"lib/libfoo.so.1.2", []int32{0, 1}}, {"app/a.apk", []int32{2, 3, 4}}, {"app/libfoo.so.9", []int32{5, 6, 7, 8}}}
	m := newMatcher(old, []int32{0, 0, 1, 1, 1, 2, 2, 2, 2})
	for _, c := range []struct {
		name string
		from []int32
		want int32
	}{
		{"app/a.apk", []int32{none, none}, 1},
		{"other/b.apk", []int32{3, 0}, 0},
		{"other/b.apk", []int32{3, none}, 1},
		{"lib64/libfoo.so.1.3", []int32{none, none}, 0},
		{"lib64/libfoo-2.so", []int32{none, none}, 0},
		{"lib64/libbar.so", []int32{none, none}, none},
	} {
		if got := m.find(&file{path: c.name, blocks: []int32{0, 1}}, c.from); got != c.want {
			t.Errorf("%s with blocks from %v: %d, expected %d", c.name, c.from, got, c.want)
		}
	}
}

// TestFilesOfBadImages: what is no erofs has no files, and is still updated.
func TestFilesOfBadImages(t *testing.T) {
	img := newImage("system", "erofs", []byte("no file system"))
	if list, owner := files(&img); list != nil || len(owner) != 1 || owner[0] != none {
		t.Errorf("files %v, owner %v", list, owner)
	}
}

// TestLargeFiles goes through the windows of files larger than one patch.
func TestLargeFiles(t *testing.T) {
	r := rand.New(rand.NewPCG(5, 5))
	// Words only, so that it packs fast; the places are what is tested.
	big := bytes.Repeat(content(r, 300_000), 80)
	for i := range len(big) / 1000 {
		big[i*1000] = byte(r.Uint32())
	}
	old, next := tree.NewDir(0o755, 0, 0), tree.NewDir(0o755, 0, 0)
	old.Set("big.apk", tree.NewFile(0o644, 0, 0, big))
	changed := append([]byte("shifted by some bytes"), big...)
	next.Set("big.apk", tree.NewFile(0o644, 0, 0, changed))
	from, to := build(t, "1", 1, old, nil), build(t, "2", 2, next, nil)
	from.Images, to.Images = from.Images[1:2], to.Images[1:2]
	f, p := makeIncremental(t, from, to, Options{})
	if err := Prove(context.Background(), f, p.Size, &from, to, testKeys().cert); err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes shifted: package of %d", len(big), p.Size)
	if p.Size > 400_000 {
		t.Errorf("package has %d bytes; a shift should cost little", p.Size)
	}
}

// BenchmarkIncremental is a system of about 100 MB of which 5 % of the files
// changed; it reports sizes beside times.
func BenchmarkIncremental(b *testing.B) {
	old := system(11, 2000, 50_000)
	next := tree.Clone(old)
	r := rand.New(rand.NewPCG(12, 12))
	for i := 0; i < 2000; i += 20 {
		edit(next.Entry(fmt.Sprintf("dir%02d", i%17)), fmt.Sprintf("file%04d.so", i), func(c []byte) []byte {
			at := r.IntN(len(c))
			return append(append(c[:at:at], content(r, 200)...), c[at:]...)
		})
	}
	boot := content(r, 8<<20)
	from, to := build(b, "1", 1795132800, old, boot), build(b, "2", 1795737600, next, boot)
	b.Logf("system is %d bytes", to.Images[1].Size)
	for range b.N {
		blobs := store(b)
		for _, name := range []string{"full", "incremental", "incremental again"} {
			f, err := os.CreateTemp(b.TempDir(), "ota")
			if err != nil {
				b.Fatal(err)
			}
			start := time.Now()
			size := int64(0)
			if name == "full" {
				p, err := Full(context.Background(), f, to, options(Options{Blobs: blobs}))
				if err != nil {
					b.Fatal(err)
				}
				size = p.Size
			} else {
				p, err := Incremental(context.Background(), f, from, to, options(Options{Blobs: blobs}))
				if err != nil {
					b.Fatal(err)
				}
				size = p.Size
			}
			made := time.Since(start)
			start = time.Now()
			if name == "incremental" {
				if err := Prove(context.Background(), f, size, &from, to, testKeys().cert); err != nil {
					b.Fatal(err)
				}
				b.Logf("proven in %v", time.Since(start))
			}
			b.Logf("%s: %d bytes in %v", name, size, made)
			f.Close()
		}
	}
}
