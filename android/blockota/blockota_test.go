package blockota_test

import (
	"bytes"
	"crypto/sha1" //nolint:gosec // the format's own sum
	"crypto/sha256"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fridayos/friday/android/avb"
	"github.com/fridayos/friday/android/blockota"
	"github.com/fridayos/friday/internal/judge"
)

const bs = blockota.BlockSize

// memory is a partition in memory.
type memory []byte

func (m memory) ReadAt(p []byte, off int64) (int, error) { return bytes.NewReader(m).ReadAt(p, off) }

func (m memory) WriteAt(p []byte, off int64) (int, error) {
	if off < 0 || off+int64(len(p)) > int64(len(m)) {
		return 0, fmt.Errorf("write of %d bytes at %d, there are %d", len(p), off, len(m))
	}
	return copy(m[off:], p), nil
}

// blocks are n blocks, each of one letter: "aab." is four, '.' zeros.
func blocks(letters string) []byte {
	var b []byte
	for _, c := range []byte(letters) {
		if c == '.' {
			c = 0
		}
		b = append(b, bytes.Repeat([]byte{c}, bs)...)
	}
	return b
}

func letters(b []byte) string {
	var s strings.Builder
	for ; len(b) >= bs; b = b[bs:] {
		c := b[0]
		if c == 0 {
			c = '.'
		}
		if !bytes.Equal(b[:bs], bytes.Repeat(b[:1], bs)) {
			c = '?'
		}
		s.WriteByte(c)
	}
	return s.String()
}

func sum(s string) string { return fmt.Sprintf("%x", sha1.Sum(blocks(s))) }

func parse(t testing.TB, text string) *blockota.List {
	t.Helper()
	l, err := blockota.Parse(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

func apply(t testing.TB, l *blockota.List, dev []byte, p blockota.Package) error {
	t.Helper()
	p.HashTree = avb.BuildHashtree
	return l.Apply(t.Context(), memory(dev), int64(len(dev)), p, make(memory, 64*bs))
}

// TestCommands applies lists of every version to small partitions.
func TestCommands(t *testing.T) {
	for _, c := range []struct {
		name, list, was, new, want, err string
	}{
		{"v1", "1\n6\nnew 2,0,2\nmove 2,2,4 2,4,6\nzero 2,2,3\nerase 2,3,4\n", "..cdef", "xy", "xy..cd", ""},
		{"v1 two sets", "1\n2\nmove 4,0,1,5,6 2,2,4\n", "a....f", "", "a.af.f", ""},
		{"overlap", "1\n3\nmove 2,0,3 2,1,4\n", "abcd", "", "aabc", ""},
		{"backwards", "1\n3\nmove 2,1,4 2,0,3\n", "abcd", "", "bcdd", ""},
		{"v2 stash", "2\n4\n1\n2\nstash x 2,0,2\nnew 2,0,2\nmove 2,2,4 2 - x:2,0,2\nfree x\n", "abcd", "xy", "xyab", ""},
		{"v3 mixed", "3\n4\n1\n1\nstash " + sum("a") + " 2,0,1\nzero 2,0,1\nmove " + sum("bac") + " 2,3,6 3 4,1,2,2,3 4,0,1,2,3 " + sum("a") + ":2,1,2\nfree " + sum("a") + "\n", "abc...", "", ".bcbac", ""},
		{"v4 done already", "4\n2\n0\n0\nmove " + sum("ab") + " 2,2,4 2 2,0,2\n", "xyab", "", "xyab", ""},
		{"a stash used twice", "3\n2\n1\n1\nstash " + sum("a") + " 2,0,1\nstash " + sum("a") + " 2,0,1\nmove " + sum("a") + " 2,1,2 1 - " + sum("a") + ":2,0,1\nfree " + sum("a") + "\nfree " + sum("a") + "\n", "ab", "", "aa", ""},

		{"wrong source", "3\n1\n0\n0\nmove " + sum("a") + " 2,1,2 1 2,0,1\n", "xy", "", "", "line 5: move: the source's SHA-1 is " + sum("x") + ", expected " + sum("a")},
		{"past the end", "1\n1\nzero 2,0,9\n", "ab", "", "", "it writes up to byte 36864, the partition has 8192"},
		{"reads past the end", "1\n1\nmove 2,8,9 2,0,1\n", "ab", "", "", "it reads up to byte 36864, the partition has 8192"},
		{"no stash", "2\n1\n1\n1\nmove 2,0,1 1 - x:2,0,1\n", "ab", "", "", `there is no stash "x"`},
		{"stash too large", "2\n1\n1\n1\nstash x 2,0,2\n", "ab", "", "", "8192 bytes are stashed, the header allows 4096"},
		{"hole in the source", "2\n2\n1\n1\nstash x 2,0,1\nmove 2,1,3 2 - x:2,1,2\n", "abc", "", "", "block 0 of the source comes from nowhere or twice"},
		{"short new", "1\n2\nnew 2,0,2\n", "ab", "x", "", "its data end after 4096 bytes, expected 8192"},
		{"long new", "1\n1\nnew 2,0,1\n", "ab", "xy", "", ".new.dat holds more than the list takes"},
		{"abort", "4\n0\n0\n0\nabort\n", "a", "", "", "line 5: abort: the list says so"},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := parse(t, c.list)
			var again bytes.Buffer
			if _, err := l.WriteTo(&again); err != nil || again.String() != c.list {
				t.Errorf("read and written it is %q, %v", again.String(), err)
			}
			dev := blocks(c.was)
			p := blockota.Package{}
			if strings.Contains(c.list, "new ") {
				p.New = bytes.NewReader(blocks(c.new))
			}
			err := apply(t, l, dev, p)
			if c.err != "" {
				if err == nil || !strings.Contains(err.Error(), c.err) {
					t.Errorf("error is %v, expected %q", err, c.err)
				}
				return
			}
			if got := letters(dev); err != nil || got != c.want {
				t.Errorf("the partition is %s, %v; expected %s", got, err, c.want)
			}
		})
	}
}

func TestParseErrors(t *testing.T) {
	for _, c := range []struct{ list, want string }{
		{"", "line 0: it ends where the version is expected"},
		{"5\n", `line 1: the version is "5", expected 1 to 4`},
		{"4\n1\n0\n", "it ends where the most stashed blocks is expected"},
		{"1\nx\n", `line 2: the number of blocks is "x"`},
		{"1\n1\nfly 2,0,1\n", "line 3: fly: there is no such command"},
		{"1\n1\nnew\n", "the line ends where a set of ranges is expected"},
		{"1\n1\nnew 3,0,1,2\n", `a set of ranges begins with "3", expected an even count`},
		{"1\n1\nnew 4,0,1\n", "a set says that it has 4 numbers, it has 2"},
		{"1\n1\nnew 2,1,1\n", `the range "1" to "1"`},
		{"1\n1\nnew 2,-1,1\n", `the range "-1" to "1"`},
		{"1\n1\nnew 2,0,99999999999999999999\n", "expected numbers from 0 to"},
		{"1\n1\nnew 2,0,1 more\n", `"more" is left over`},
		{"1\n1\nnew 999999999,0,1\n", "at most 2097152 ranges in all"},
		{"1\n1\nstash x 2,0,1\n", "stash: it needs version 2"},
		{"3\n1\n0\n0\ncompute_hash_tree 2,0,1 2,0,1 sha256 00 00\n", "it needs version 4"},
		{"3\n1\n0\n0\nmove abc 2,0,1 1 2,0,1\n", `"abc" is no SHA-1 in hex`},
		{"2\n1\n0\n0\nmove 2,0,1 2 2,0,1\n", "the source has 1 blocks, its size says 2"},
		{"2\n1\n0\n0\nmove 2,0,2 1 2,0,1\n", "the target has 2 blocks, the source 1"},
		{"2\n1\n0\n0\nmove 2,0,1 1 2,0,1 2,0,2\n", "the source has 1 blocks, their places 2"},
		{"2\n1\n0\n0\nmove 2,0,1 1 - x\n", `"x" is no stash, expected NAME:RANGES`},
		{"1\n1\nbsdiff 1 -2 2,0,1 2,0,1\n", `"-2" is no number`},
	} {
		if _, err := blockota.Parse(strings.NewReader(c.list)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%q: error is %v, expected %q", c.list, err, c.want)
		}
	}
	long := io.MultiReader(strings.NewReader("1\n1\n"), strings.NewReader(strings.Repeat(strings.Repeat(" ", 1023)+"\n", blockota.MaxList>>10)))
	if _, err := blockota.Parse(long); err == nil || !strings.Contains(err.Error(), "longer than") {
		t.Errorf("a list without end gives %v", err)
	}
}

// TestHashTree is AOSP's own vector (bootable/recovery, compute_hash_tree_smoke).
func TestHashTree(t *testing.T) {
	var dev []byte
	for i := range 128 {
		dev = append(dev, bytes.Repeat([]byte{byte(i)}, bs)...)
	}
	dev = append(dev, make([]byte, bs)...)
	const salt = "aee087a5be3b982978c923f566a94613496b417f2af592639bc80d141e34dfe7"
	const root = "7e0a8d8747f54384014ab996f5b2dc4eb7ff00c630eede7134c9e3f05c0dd8ca"
	list := "4\n2\n0\n2\ncompute_hash_tree 2,128,129 2,0,128 sha256 " + salt + " " + root + "\n"
	if err := apply(t, parse(t, list), dev, blockota.Package{}); err != nil {
		t.Fatal(err)
	}
	saltBytes := make([]byte, 32)
	if _, err := fmt.Sscanf(salt, "%x", &saltBytes); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintf("%x", sha256.Sum256(append(saltBytes, dev[128*bs:]...))); got != root {
		t.Errorf("the tree hashes to %s, expected %s", got, root)
	}
	dev[5]++
	if err := apply(t, parse(t, list), dev, blockota.Package{}); err == nil || !strings.Contains(err.Error(), "the root is") {
		t.Errorf("other data give %v", err)
	}
	if err := apply(t, parse(t, strings.Replace(list, "128,129", "127,129", 1)), dev, blockota.Package{}); err == nil || !strings.Contains(err.Error(), "it takes 4096 bytes, there is room for 8192") {
		t.Errorf("a larger place gives %v", err)
	}
}

// TestPatches applies patches that Debian's bsdiff made.
func TestPatches(t *testing.T) {
	judge.Need(t, "bsdiff")
	r := rand.New(rand.NewPCG(5, 5))
	old := make([]byte, 20*bs)
	for i := range old {
		old[i] = byte(r.IntN(7))
	}
	next := append(bytes.Clone(old[3*bs:12*bs]), old[:7*bs]...)
	for range 100 {
		next[r.IntN(len(next))]++
	}
	dir := t.TempDir()
	for name, b := range map[string][]byte{"old": old, "next": next} {
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	judge.In(t, dir, "bsdiff", "old", "next", "patch")
	patch, err := os.ReadFile(filepath.Join(dir, "patch"))
	if err != nil {
		t.Fatal(err)
	}
	padded := append([]byte("pad"), patch...)
	list := fmt.Sprintf("3\n16\n0\n0\nbsdiff 3 %d %x %x 4,2,10,11,19 20 2,0,20\n", len(patch), sha1.Sum(old), sha1.Sum(next))
	p := func(b []byte) blockota.Package {
		return blockota.Package{Patches: bytes.NewReader(b), PatchSize: int64(len(b))}
	}
	check := func(dev []byte) {
		t.Helper()
		if !bytes.Equal(append(bytes.Clone(dev[2*bs:10*bs]), dev[11*bs:19*bs]...), next) {
			t.Error("the target does not hold the result")
		}
	}
	dev := bytes.Clone(old) // in place: the target lies within the source
	if err := apply(t, parse(t, list), dev, p(padded)); err != nil {
		t.Fatal(err)
	}
	check(dev)
	if err := apply(t, parse(t, list), dev, p(padded)); err != nil {
		t.Errorf("applied again, it fails: %v", err)
	}
	// The same patch as a piece of an imgdiff, after a raw one.
	img := []byte("IMGDIFF2\x01\x00\x00\x00" + "\x00\x00\x00\x00" + "\x00\x00\x00\x00\x00\x00\x00\x00" + "\x00\x40\x01\x00\x00\x00\x00\x00" + "\x28\x00\x00\x00\x00\x00\x00\x00")
	img = append(img, patch...)
	dev = bytes.Clone(old)
	asImage := func(b []byte) string {
		return fmt.Sprintf("3\n16\n0\n0\nimgdiff 0 %d %x %x 4,2,10,11,19 20 2,0,20\n", len(b), sha1.Sum(old), sha1.Sum(next))
	}
	if err := apply(t, parse(t, asImage(img)), dev, p(img)); err != nil {
		t.Fatal(err)
	}
	check(dev)
	deflate := bytes.Clone(img)
	deflate[12] = 2
	for name, c := range map[string]struct {
		list  string
		patch []byte
		want  string
	}{
		"deflate":   {asImage(deflate), deflate, "piece 0 of 1: not supported: streams of"},
		"cut off":   {list, padded[:40], "its patch has"},
		"other":     {strings.Replace(list, fmt.Sprintf("%x", sha1.Sum(next)), sum("a"), 1), padded, "the result's SHA-1 is"},
		"no magic":  {asImage(patch), patch, "byte 0: expected IMGDIFF2, found"},
		"too large": {strings.Replace(list, "4,2,10,11,19", "2,2,10", 1), padded, "is expected to have at most 32768"},
	} {
		dev := bytes.Clone(old)
		if err := apply(t, parse(t, c.list), dev, p(c.patch)); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error is %v, expected %q", name, err, c.want)
		}
	}
}

// TestFull writes a package of a real file system, lets brotli pack it as vendors
// do, and lets the kernel mount what comes out.
func TestFull(t *testing.T) {
	judge.Need(t, "mkfs.erofs", "brotli")
	dir := t.TempDir()
	files := filepath.Join(dir, "files")
	if err := os.MkdirAll(filepath.Join(files, "app"), 0o755); err != nil {
		t.Fatal(err)
	}
	const seed = 11
	r := rand.New(rand.NewPCG(seed, 0))
	for i := range 40 {
		b := make([]byte, r.IntN(300_000))
		for j := range b {
			b[j] = byte(r.IntN(3))
		}
		if err := os.WriteFile(filepath.Join(files, "app", fmt.Sprint(i)), b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	judge.In(t, dir, "mkfs.erofs", "system.img", "files")
	image, err := os.ReadFile(filepath.Join(dir, "system.img"))
	if err != nil {
		t.Fatal(err)
	}
	image = append(image, make([]byte, 3000*bs)...) // as partitions have free space
	var data bytes.Buffer
	l, err := blockota.Write(bytes.NewReader(image), int64(len(image)), &data)
	if err != nil {
		t.Fatal(err)
	}
	if l.Incremental() || l.End()*bs != int64(len(image)) || int64(data.Len()) > int64(len(image))-3000*bs {
		t.Errorf("incremental %v, end %d, %d bytes of new data for %d", l.Incremental(), l.End(), data.Len(), len(image))
	}
	im, err := l.Image(bytes.NewReader(data.Bytes()), int64(data.Len()))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(io.NewSectionReader(im, 0, im.Size())); err != nil || !bytes.Equal(got, image) {
		t.Errorf("the image shown differs from the one written, %v", err)
	}
	if err := os.WriteFile(filepath.Join(dir, "system.new.dat"), data.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	judge.In(t, dir, "brotli", "-q", "3", "system.new.dat")
	judge.In(t, dir, "brotli", "-d", "-f", "system.new.dat.br")
	unpacked, err := os.Open(filepath.Join(dir, "system.new.dat"))
	if err != nil {
		t.Fatal(err)
	}
	defer unpacked.Close()
	dev := bytes.Repeat([]byte{0xff}, len(image))
	if err := apply(t, l, dev, blockota.Package{New: unpacked}); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(dev, image) {
		t.Error("the image applied differs from the one written")
	}
	out := filepath.Join(dir, "applied.img")
	if err := os.WriteFile(out, dev, 0o644); err != nil {
		t.Fatal(err)
	}
	judge.Same(t, judge.Kernel(t, filepath.Join(dir, "system.img")), judge.Kernel(t, out))

	if _, err := blockota.Write(bytes.NewReader(image), int64(len(image))-1, io.Discard); err == nil {
		t.Error("an image of no whole blocks is written")
	}
	if _, err := l.Image(bytes.NewReader(nil), 0); err == nil || !strings.Contains(err.Error(), ".new.dat has 0") {
		t.Errorf("an empty .new.dat gives %v", err)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("1\n6\nnew 2,0,2\nmove 2,2,4 2,4,6\nzero 2,2,3\nerase 2,3,4\n")
	f.Add("4\n4\n1\n1\nstash " + sum("a") + " 2,0,1\nmove " + sum("ab") + " 2,3,5 2 2,1,2 2,1,2 " + sum("a") + ":2,0,1\nfree " + sum("a") + "\ncompute_hash_tree 2,4,5 2,0,4 sha256 00 00\n")
	f.Add("2\n4\n1\n2\nstash x 2,0,2\nbsdiff 0 40 2,2,4 2 - x:2,0,2\nimgdiff 0 40 2,2,4 2 - x:2,0,2\nfree x\n")
	f.Fuzz(func(t *testing.T, text string) {
		l, err := blockota.Parse(strings.NewReader(text))
		if err != nil {
			return
		}
		var w bytes.Buffer
		if _, err := l.WriteTo(&w); err != nil {
			t.Fatal(err)
		}
		again, err := blockota.Parse(&w)
		if err != nil || len(again.Commands) != len(l.Commands) {
			t.Fatalf("what was read cannot be read again: %v", err)
		}
		if l.End() > 64 {
			return
		}
		// Every byte of text is a patch too.
		dev := blocks("abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyzabcdefghijklm")
		_ = l.Apply(t.Context(), memory(dev), int64(len(dev)), blockota.Package{HashTree: avb.BuildHashtree, New: strings.NewReader(text), Patches: strings.NewReader(text), PatchSize: int64(len(text))}, make(memory, 128*bs))
		_, _ = l.Image(strings.NewReader(text), int64(len(text)))
	})
}

func Example() {
	image := append(bytes.Repeat([]byte("system! "), 512*3), make([]byte, 5*4096)...)
	var data bytes.Buffer
	l, err := blockota.Write(bytes.NewReader(image), int64(len(image)), &data)
	if err != nil {
		fmt.Println(err)
		return
	}
	if _, err := l.WriteTo(os.Stdout); err != nil {
		fmt.Println(err)
	}
	fmt.Println(data.Len())
	// Output:
	// 4
	// 8
	// 0
	// 0
	// erase 2,0,8
	// new 2,0,3
	// zero 2,3,8
	// 12288
}
