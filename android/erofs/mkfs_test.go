package erofs_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/judge"
)

// mkfsArgs are the ways to make images with Debian's mkfs.erofs.
var mkfsArgs = map[string][]string{
	"plain":                 nil,
	"extended":              {"-Eforce-inode-extended"},
	"no inline":             {"-Enoinline_data"},
	"all xattrs shared":     {"-x1"},
	"no xattr shared":       {"-x1000"},
	"chunks":                {"--chunksize=4096"},
	"large chunks":          {"--chunksize=65536"},
	"chunk map":             {"--chunksize=8192", "-Eforce-inode-blockmap"},
	"chunk indexes":         {"--chunksize=4096", "-Eforce-chunk-indexes"},
	"lz4":                   {"-zlz4"},
	"lz4hc":                 {"-zlz4hc,12"},
	"lz4 legacy":            {"-zlz4", "-Elegacy-compress"},
	"big clusters":          {"-zlz4", "-C65536"},
	"bigger clusters":       {"-zlz4hc", "-C1048576"},
	"legacy big clusters":   {"-zlz4hc", "-C65536", "-Elegacy-compress"},
	"tail packing":          {"-zlz4hc", "-Eztailpacking"},
	"legacy tail packing":   {"-zlz4hc", "-Eztailpacking,legacy-compress"},
	"big with tail packing": {"-zlz4hc", "-C65536", "-Eztailpacking"},
	"short extents":         {"-zlz4", "--max-extent-bytes=16384"},
	"as Android 12":         {"-zlz4hc,9", "-C16384", "-U", "11223344-5566-4788-99aa-bbccddeeff01"},
}

// diskTree writes a random tree to a disk and reads it back, so that it is
// what mkfs.erofs finds.
func diskTree(t testing.TB) (string, *tree.Node) {
	t.Helper()
	needRoot(t)
	dir := filepath.Join(t.TempDir(), "src")
	root := randomTree(42, 400)
	addCompressible(root)
	shortNames(root)
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	judge.Write(t, root, dir)
	disk := judge.Folder(t, dir)
	judge.Same(t, root, disk)
	return dir, disk
}

// shortNames cuts names of 255 bytes by one: mkfs.erofs 1.5 does not find such
// files.
func shortNames(n *tree.Node) {
	for _, e := range slices.Clone(n.Entries) {
		if len(e.Name) == 255 {
			n.Remove(e.Name)
			n.Set(e.Name[:254], e.Node)
		}
		shortNames(e.Node)
	}
}

// addCompressible adds larger files whose parts compress differently.
func addCompressible(root *tree.Node) {
	r := rand.New(rand.NewPCG(1, 1))
	for i := range 4 {
		var b []byte
		for len(b) < 2<<20+i*777 {
			switch r.IntN(3) {
			case 0:
				for range r.IntN(20000) {
					b = append(b, byte(r.Uint32()))
				}
			case 1:
				b = append(b, strings.Repeat("the same again. ", r.IntN(4000))...)
			default:
				for range r.IntN(3000) {
					b = fmt.Appendf(b, "<item id=%d/>", r.IntN(500))
				}
			}
		}
		root.Set(fmt.Sprintf("large-%d", i), tree.NewFile(0o644, 0, 0, b))
	}
	root.Set("zeros", tree.NewFile(0o644, 0, 0, make([]byte, 9<<20)))
}

// besideTmpfile is a folder on the file system of C's tmpfile, wherever TMPDIR points
// to: mkfs.erofs gathers chunks there, and copies them by copy_file_range, which does
// not go from one file system to another.
func besideTmpfile(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "friday-erofs-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func TestReadsWhatMkfsMakes(t *testing.T) {
	judge.Need(t, "mkfs.erofs")
	dir, want := diskTree(t)
	for name, args := range mkfsArgs {
		t.Run(name, func(t *testing.T) {
			image := filepath.Join(besideTmpfile(t), "img")
			judge.Run(t, "mkfs.erofs", append(args, image, dir)...)
			_, got := openFile(t, image)
			judge.Same(t, want, got)
		})
	}
}

// With -T all files take the build time, which then stands in the superblock
// alone.
func TestReadsFixedTime(t *testing.T) {
	judge.Need(t, "mkfs.erofs")
	dir, want := diskTree(t)
	image := filepath.Join(t.TempDir(), "img")
	judge.Run(t, "mkfs.erofs", "-T1230768000", "-zlz4", "-U", "11223344-5566-4788-99aa-bbccddeeff01", image, dir)
	im, got := openFile(t, image)
	err := tree.Walk(want, func(_ string, n *tree.Node) error { n.MTime, n.MTimeNsec = 1230768000, 0; return nil })
	if err != nil {
		t.Fatal(err)
	}
	judge.Same(t, want, got)
	if i := im.Info(); i.UUID != options.UUID || i.BuildTime != 1230768000 || len(i.Features) == 0 {
		t.Errorf("%+v", i)
	}
}

// What was read from a compressed image of others, and built again.
func TestRebuildsWhatMkfsMakes(t *testing.T) {
	judge.Need(t, "mkfs.erofs")
	dir, want := diskTree(t)
	image := filepath.Join(t.TempDir(), "img")
	judge.Run(t, "mkfs.erofs", "-zlz4hc", "-C65536", "-Eztailpacking", image, dir)
	_, root := openFile(t, image)
	_, got := reread(t, root, options)
	judge.Same(t, want, got)
}

// Reads that begin and end anywhere must give what whole reads give.
func TestReadsInPieces(t *testing.T) {
	judge.Need(t, "mkfs.erofs")
	dir, want := diskTree(t)
	image := filepath.Join(t.TempDir(), "img")
	judge.Run(t, "mkfs.erofs", "-zlz4hc", "-C65536", "-Eztailpacking", image, dir)
	_, got := openFile(t, image)
	r := rand.New(rand.NewPCG(3, 3))
	for _, name := range []string{"large-0", "large-3", "zeros"} {
		w, g := want.Entry(name), got.Entry(name)
		for range 300 {
			off := r.Int64N(w.Size + 10)
			a, b := make([]byte, r.IntN(100000)), make([]byte, 0)
			b = append(b, a...)
			n, errA := w.Content.ReadAt(a, off)
			m, errB := g.Content.ReadAt(b, off)
			if n != m || string(a) != string(b) || (errA == nil) != (errB == nil) {
				t.Fatalf("%s at %d, %d bytes: expected %d %v, found %d %v", name, off, len(a), n, errA, m, errB)
			}
		}
	}
}

func BenchmarkReadContent(b *testing.B) {
	judge.Need(b, "mkfs.erofs")
	dir, want := diskTree(b)
	for _, name := range []string{"plain", "lz4hc", "big clusters"} {
		b.Run(name, func(b *testing.B) {
			image := filepath.Join(b.TempDir(), "img")
			judge.Run(b, "mkfs.erofs", append(mkfsArgs[name], image, dir)...)
			_, got := openFile(b, image)
			size := int64(0)
			for _, n := range want.Entries {
				size += n.Node.Size
			}
			b.SetBytes(size)
			for b.Loop() {
				if _, err := tree.IndexOf("system", got); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
