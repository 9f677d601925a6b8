package erofs_test

import (
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/judge"
)

var newMkfs = flag.String("mkfs", "", "a mkfs.erofs of 1.9 or later, to make the images in testdata anew")

// samples are the images in testdata: what Debian's mkfs.erofs 1.5 cannot make,
// made by 1.9.3 from sampleTree with these arguments.
var samples = map[string][]string{
	"fragments":       {"-zlz4hc", "-Efragments,ztailpacking"},
	"all-fragments":   {"-zlz4hc", "-C16384", "-Eall-fragments"},
	"lzma":            {"-zlzma,6", "-C65536"},
	"lzma-dedupe":     {"-zlzma", "-C16384", "-Ededupe,ztailpacking"},
	"dedupe":          {"-zlz4hc", "-C16384", "-Ededupe"},
	"dedupe-fragment": {"-zlz4hc", "-Ededupe,fragments"},
	"deflate":         {"-zdeflate", "-C16384", "-Eztailpacking"},
	"zstd":            {"-zzstd", "-C16384", "-Efragments"},
	"prefixes":        {"-zlz4hc", "--xattr-prefix=user.no"},
	"packed-prefixes": {"-zlz4hc", "--xattr-prefix=user.no", "-Eall-fragments"},
	"plain-prefixes":  {"-zlz4hc", "--xattr-prefix=user.no", "-Eall-fragments,plain-xattr-prefixes"},
	"blocks-of-1k":    {"-zlz4hc", "-b1024", "-C4096"},
	"blocks-of-512":   {"-zlz4hc", "-b512"},
	"xattr-filter":    {"-zlz4hc", "-Exattr-name-filter"},
}

// sampleTree is a small tree whose files compress in all ways.
func sampleTree() *tree.Node {
	r := rand.New(rand.NewPCG(8, 8))
	text := func(n int) []byte {
		var b []byte
		for len(b) < n {
			b = fmt.Appendf(b, "<item name=%q id=%d/>\n", []string{"wifi", "camera", "bluetooth"}[r.IntN(3)], r.IntN(40))
		}
		return b[:n]
	}
	noise := make([]byte, 9000)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	shared := text(30000)
	root := tree.NewDir(0o755, 0, 0)
	add := func(dir *tree.Node, name string, b []byte) *tree.Node {
		n := tree.NewFile(0o644, 0, 2000, b)
		dir.Set(name, n)
		return n
	}
	etc := tree.NewDir(0o750, 0, 2000)
	root.Set("etc", etc)
	add(root, "text", shared)
	add(etc, "same-and-more", append(append([]byte{}, shared...), text(5000)...))
	add(etc, "noise", noise)
	add(etc, "noise-in-text", append(append(text(7777), noise[:5000]...), text(6000)...))
	add(etc, "zeros", make([]byte, 50000))
	add(etc, "one", []byte("1")).SetXattr("user.note", []byte("only one"))
	add(etc, "empty", nil).SetXattr("user.north", []byte("also"))
	add(root, "build.prop", []byte("ro.build.id=1\n")).UID = 70000
	root.Set("linked", etc.Entry("noise"))
	root.Set("bin", tree.NewSymlink("/system/bin", 0, 0))
	root.Set("null", &tree.Node{Type: tree.CharDevice, Perm: 0o666, Major: 1, Minor: 3})
	_ = tree.Walk(root, func(_ string, n *tree.Node) error {
		n.MTime = buildTime
		n.SetXattr("security.selinux", []byte("u:object_r:system_file:s0\x00"))
		return nil
	})
	return root
}

func TestReadsSamples(t *testing.T) {
	want := sampleTree()
	if *newMkfs != "" {
		makeSamples(t, want)
	}
	for name := range samples {
		t.Run(name, func(t *testing.T) {
			_, got := openFile(t, filepath.Join("testdata", name+".erofs"))
			judge.Same(t, want, got)
		})
	}
}

func makeSamples(t *testing.T, root *tree.Node) {
	needRoot(t)
	dir := t.TempDir()
	src := filepath.Join(dir, "src")
	if err := os.Mkdir(src, 0o755); err != nil {
		t.Fatal(err)
	}
	judge.Write(t, root, src)
	for name, args := range samples {
		out := filepath.Join("testdata", name+".erofs")
		_ = os.Remove(out)
		args = append(slices.Clone(args), fmt.Sprintf("-T%d", buildTime), "-U", "11223344-5566-4788-99aa-bbccddeeff01", out, src)
		judge.Run(t, *newMkfs, args...)
	}
}
