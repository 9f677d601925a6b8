package erofs_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fridayos/friday/android/erofs"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/judge"
)

var options = erofs.Options{
	UUID:       [16]byte{0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x47, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff, 0x01},
	BuildTime:  buildTime,
	VolumeName: "system",
}

// reread builds an image and reads it with this package.
func reread(t testing.TB, root *tree.Node, o erofs.Options) (*tree.Image, *tree.Node) {
	t.Helper()
	im, err := erofs.Build(root, o)
	if err != nil {
		t.Fatal(err)
	}
	opened, err := erofs.Open(im, im.Size())
	if err != nil {
		t.Fatal(err)
	}
	got, err := opened.Tree()
	if err != nil {
		t.Fatal(err)
	}
	return im, got
}

func TestRoundTripOfRandomTrees(t *testing.T) {
	for seed := range uint64(30) {
		t.Run(fmt.Sprintf("seed %d", seed), func(t *testing.T) {
			root := randomTree(seed, 20+int(seed)*20)
			_, got := reread(t, root, options)
			judge.Same(t, root, got)
		})
	}
}

func TestInfo(t *testing.T) {
	im, err := erofs.Build(randomTree(1, 50), options)
	if err != nil {
		t.Fatal(err)
	}
	tail := new(tree.Image) // as a hash tree would follow
	tail.AppendImage(im)
	tail.AppendBytes([]byte("tail"))
	opened, err := erofs.Open(tail, tail.Size())
	if err != nil {
		t.Fatal(err)
	}
	i := opened.Info()
	if i.UUID != options.UUID || i.VolumeName != "system" || i.BuildTime != buildTime || i.BlockSize != 4096 ||
		i.Size != im.Size() || int64(i.Blocks)*4096 != im.Size() || strings.Join(i.Features, " ") != "checksum mtime" {
		t.Errorf("%+v", i)
	}
}

func TestKernelMountsWhatIsBuilt(t *testing.T) {
	root := randomTree(99, 600)
	addOddities(root)
	judge.Same(t, root, judge.Kernel(t, buildFile(t, root, options)))
}

func TestFsckAcceptsWhatIsBuilt(t *testing.T) {
	judge.Need(t, "fsck.erofs")
	needRoot(t)
	for seed := range uint64(4) {
		root := randomTree(200+seed, 300)
		if seed == 0 {
			addOddities(root)
		}
		image := buildFile(t, root, options)
		dir := filepath.Join(t.TempDir(), "x")
		judge.Run(t, "fsck.erofs", "--extract="+dir, image)
		want := tree.Clone(root)
		got := judge.Folder(t, dir)
		for _, root := range []*tree.Node{want, got} {
			// fsck.erofs extracts no xattrs, and loses setuid and setgid as it changes owners last.
			err := tree.Walk(root, func(_ string, n *tree.Node) error {
				n.Xattrs = nil
				n.Perm &= 0o1777
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		sameButLinks(t, want, got)
	}
}

// sameButLinks compares trees where hard links have become files: fsck.erofs
// of Debian extracts them so.
func sameButLinks(t *testing.T, want, got *tree.Node) {
	t.Helper()
	lines, err := tree.Diff(want, got)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range lines {
		if !strings.Contains(l, ": hard link to ") {
			t.Error(l)
		}
	}
}

func TestDumpReadsTheSuperblock(t *testing.T) {
	judge.Need(t, "dump.erofs")
	root := randomTree(5, 100)
	root.Set("build.prop", tree.NewFile(0o644, 0, 0, []byte("ro.build.id=1\n")))
	image := buildFile(t, root, options)
	out := judge.Run(t, "dump.erofs", "-s", image)
	for _, want := range []string{"11223344-5566-4788-99aa-bbccddeeff01", "sb_csum", "mtime"} {
		if !strings.Contains(out, want) {
			t.Errorf("expected %q in\n%s", want, out)
		}
	}
	if out := judge.Run(t, "dump.erofs", "--path=/build.prop", image); !strings.Contains(out, "Size: 14") {
		t.Errorf("expected a size of 14 in\n%s", out)
	}
}

// addOddities adds what a random tree seldom has.
func addOddities(root *tree.Node) {
	many := tree.NewDir(0o755, 0, 0)
	for i := range 3000 { // several blocks of names
		many.Set(fmt.Sprintf("%04d-%s", i, strings.Repeat("n", i%200)), tree.NewFile(0o644, 0, 0, []byte{byte(i)}))
	}
	root.Set("many", many)
	deep := root
	for i := range 40 {
		d := tree.NewDir(0o755, uint32(i), 0)
		deep.Set(fmt.Sprintf("%d-%s", i%10, strings.Repeat("d", 70)), d)
		deep = d
	}
	large := tree.NewFile(0o644, 0, 0, []byte("xattrs larger than a block"))
	for i := range 20 {
		large.SetXattr(fmt.Sprintf("user.large%02d", i), bytes.Repeat([]byte{byte(i)}, 500))
	}
	root.Set("large-xattrs", large)
	root.Set("large-xattr", tree.NewFile(0o644, 0, 0, nil))
	root.Entry("large-xattr").SetXattr("user.one", bytes.Repeat([]byte("one"), 1300))
	full := tree.NewDir(0o700, 0, 0)
	for i := range 15 { // exactly a block: 3*12 + "." + ".." + 15 long names + a rest
		full.Set(fmt.Sprintf("%02d%s", i, strings.Repeat("f", 248)), tree.NewFile(0o600, 0, 0, nil))
	}
	full.Set(strings.Repeat("g", 4096-2*12-3-15*(12+250)-12), tree.NewFile(0o600, 0, 0, nil))
	root.Set("full", full)
	linked := tree.NewFile(0o755, 0, 2000, bytes.Repeat([]byte("toybox"), 5000))
	for i := range 300 {
		many.Set(fmt.Sprintf("link-%d", i), linked)
	}
}

// The image must not depend on how a tree was made, nor change from one
// version of this package to the next without being noticed: incrementals and
// caches live from it.
func TestBuildIsDeterministic(t *testing.T) {
	sum := func(root *tree.Node) string {
		im, err := erofs.Build(root, options)
		if err != nil {
			t.Fatal(err)
		}
		h := sha256.New()
		if _, err := im.WriteTo(h); err != nil {
			t.Fatal(err)
		}
		return hex.EncodeToString(h.Sum(nil))
	}
	root := randomTree(3, 400)
	addOddities(root)
	_, again := reread(t, root, options)
	const golden = "c79d4bdda9a284c89e9f1ab9a4e178a81eb926ad520145d9bad90e659de7d715"
	if got := sum(root); got != golden {
		t.Errorf("the image has changed: expected %s, found %s", golden, got)
	}
	if got := sum(again); got != golden {
		t.Errorf("a tree that was read gives another image: %s", got)
	}
	if got := sum(tree.Clone(root)); got != golden {
		t.Errorf("a clone gives another image: %s", got)
	}
}

// A file of more than 4 GiB, of which only the blocks at both ends are read.
func TestFileOverFourGiB(t *testing.T) {
	const size = 5<<30 + 123
	root := tree.NewDir(0o755, 0, 0)
	big := new(tree.Image)
	big.AppendBytes([]byte("begin"))
	big.AppendZeros(size - 8)
	big.AppendBytes([]byte("end"))
	root.Set("big", &tree.Node{Perm: 0o644, Size: size, Content: big, MTime: buildTime})
	root.Set("later", tree.NewFile(0o644, 0, 0, bytes.Repeat([]byte("later"), 1000)))
	_, got := reread(t, root, options)
	n := got.Entry("big")
	if n.Size != size {
		t.Fatalf("size: expected %d, found %d", int64(size), n.Size)
	}
	b := make([]byte, 3)
	if _, err := n.Content.ReadAt(b, size-3); err != nil && err != io.EOF || string(b) != "end" {
		t.Errorf("end: %q %v", b, err)
	}
	l := got.Entry("later")
	b = make([]byte, 5000)
	if _, err := l.Content.ReadAt(b, 0); err != nil && err != io.EOF || !bytes.Equal(b, bytes.Repeat([]byte("later"), 1000)) {
		t.Errorf("later: %q %v", b[:10], err)
	}
}

// What the layout is for: the blocks of a file stay whole blocks, and stay in
// place when something behind them changes.
func TestChangesMoveWholeBlocks(t *testing.T) {
	root := randomTree(11, 500)
	_, before := reread(t, root, options)
	changed := tree.Clone(root)
	changed.Set("!aaa", tree.NewFile(0o644, 0, 0, make([]byte, 10000)))
	small := changed.Entry("!aaa")
	small.SetXattr("user.only-here", make([]byte, 333))
	_, after := reread(t, changed, options)
	moved := map[int64]int{}
	err := tree.Walk(root, func(path string, n *tree.Node) error {
		if n.Type != tree.Regular || n.Size <= 2048 {
			return nil
		}
		a, b := before.Lookup(path).Extents, after.Lookup(path).Extents
		if len(a) != 1 || len(b) != 1 || a[0].Offset%4096 != 0 {
			t.Errorf("%q: extents %v, then %v", path, a, b)
			return nil
		}
		moved[b[0].Offset-a[0].Offset]++
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for by := range moved {
		if by != 0 && by != 3*4096 {
			t.Errorf("a file moved by %d; expected 0 or the 3 blocks of the new one", by)
		}
	}
}

func TestBuildRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		change func(root *tree.Node, o *erofs.Options)
		want   string
	}{
		"root that is a file": {func(r *tree.Node, _ *erofs.Options) { r.Type = tree.Regular }, "root is not a directory"},
		"volume name":         {func(_ *tree.Node, o *erofs.Options) { o.VolumeName = strings.Repeat("v", 17) }, "16 are allowed"},
		"name":                {func(r *tree.Node, _ *erofs.Options) { r.Set("a/b", tree.NewFile(0, 0, 0, nil)) }, "contains '/' or NUL"},
		"long name":           {func(r *tree.Node, _ *erofs.Options) { r.Set(strings.Repeat("n", 256), tree.NewFile(0, 0, 0, nil)) }, "255 are allowed"},
		"directory twice": {func(r *tree.Node, _ *erofs.Options) {
			d := tree.NewDir(0, 0, 0)
			r.Set("a", d)
			r.Set("b", d)
		}, "is also"},
		"directory in itself": {func(r *tree.Node, _ *erofs.Options) { r.Set("a", r) }, "is also"},
		"xattr prefix":        {func(r *tree.Node, _ *erofs.Options) { r.SetXattr("btrfs.x", nil) }, "the format knows"},
		"xattr value":         {func(r *tree.Node, _ *erofs.Options) { r.SetXattr("user.x", make([]byte, 1<<16)) }, "65535 are allowed"},
		"xattr name":          {func(r *tree.Node, _ *erofs.Options) { r.SetXattr("user."+strings.Repeat("x", 256), nil) }, "255 are allowed"},
		"xattrs": {func(r *tree.Node, _ *erofs.Options) {
			for i := range 5 {
				r.SetXattr(fmt.Sprintf("user.%d", i), make([]byte, 65000))
			}
		}, "an inode takes"},
		"target": {func(r *tree.Node, _ *erofs.Options) { r.Set("l", tree.NewSymlink(strings.Repeat("t", 4096), 0, 0)) }, "a symlink takes 4095"},
		"content": {func(r *tree.Node, _ *erofs.Options) {
			r.Set("f", &tree.Node{Size: 5, Content: strings.NewReader("abc")})
		}, "expected 5 bytes, found 3"},
		"no content": {func(r *tree.Node, _ *erofs.Options) { r.Set("f", &tree.Node{Size: 5}) }, "no content"},
		"size": {func(r *tree.Node, _ *erofs.Options) {
			r.Set("f", &tree.Node{Size: 1 << 60, Content: strings.NewReader("")})
		}, "the format takes"},
		"device": {func(r *tree.Node, _ *erofs.Options) { r.Set("d", &tree.Node{Type: tree.CharDevice, Major: 4096}) }, "major is at most"},
	} {
		t.Run(name, func(t *testing.T) {
			root, o := tree.NewDir(0o755, 0, 0), options
			c.change(root, &o)
			if _, err := erofs.Build(root, o); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("expected an error with %q, found %v", c.want, err)
			}
		})
	}
}

func BenchmarkBuild(b *testing.B) {
	root := randomTree(1, 5000)
	for b.Loop() {
		im, err := erofs.Build(root, options)
		if err != nil {
			b.Fatal(err)
		}
		b.SetBytes(im.Size())
	}
}

func BenchmarkTree(b *testing.B) {
	im, err := erofs.Build(randomTree(1, 5000), options)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		opened, err := erofs.Open(im, im.Size())
		if err != nil {
			b.Fatal(err)
		}
		if _, err := opened.Tree(); err != nil {
			b.Fatal(err)
		}
	}
}
