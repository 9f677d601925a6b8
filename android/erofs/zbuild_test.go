package erofs_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fridayos/friday/android/erofs"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/judge"
)

func scratch(t testing.TB) *os.File {
	t.Helper()
	f, err := os.Create(filepath.Join(t.TempDir(), "scratch"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

// compressible adds files of every kind of content, at sizes around those of
// blocks and clusters.
func compressible(root *tree.Node, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 0))
	dir := tree.NewDir(0o755, 0, 0)
	noise := make([]byte, 3<<20)
	for i := range noise {
		noise[i] = byte(r.Uint32())
	}
	text := bytes.Repeat([]byte("const-string v0, \"android.permission.CAMERA\"\n"), 40_000)
	for i := 0; i < len(text); i += 1 + r.IntN(300) {
		text[i] = byte(r.IntN(128))
	}
	mixed := append(append(bytes.Clone(text[:400_001]), noise[:100_003]...), text[:300_000]...)
	for _, size := range []int{4095, 4096, 4097, 8191, 8192, 8193, 12289, 65536, 65537, 200_000, 1<<20 + 1, len(mixed)} {
		for name, from := range map[string][]byte{"zeros": make([]byte, 6<<20), "noise": noise, "text": text, "mixed": mixed} {
			dir.Set(fmt.Sprint(name, size), tree.NewFile(0o644, 0, 0, from[:min(size, len(from))]))
		}
	}
	big := make([]byte, 6<<20)
	copy(big[5<<20:], noise)
	dir.Set("big", tree.NewFile(0o644, 0, 0, big))
	labelled := tree.NewFile(0o755, 0, 2000, text)
	labelled.SetXattr("security.selinux", []byte("u:object_r:system_file:s0\x00"))
	labelled.SetXattr("security.capability", append([]byte{1, 0, 0, 2, 0, 0x20}, make([]byte, 14)...))
	dir.Set("labelled", labelled)
	dir.Set("hard link", labelled)
	root.Set("compressible", dir)
}

var lz4Ways = []erofs.LZ4{{Level: 0}, {Level: 4}, {Level: 0, Blocks: 2}, {Level: 4, Blocks: 16}, {Level: 4, TailPacking: true}, {Level: 6, Blocks: 4, TailPacking: true}}

// TestLZ4 builds compressed images; fsck.erofs and the kernel must find in them
// what went in.
func TestLZ4(t *testing.T) {
	for _, z := range lz4Ways {
		t.Run(fmt.Sprintf("level%d-%d-tails-%v", z.Level, z.Blocks, z.TailPacking), func(t *testing.T) {
			root := randomTree(42, 200)
			compressible(root, 7)
			z.Scratch = scratch(t)
			o := erofs.Options{UUID: [16]byte{1}, BuildTime: 1_700_000_000, LZ4: &z}
			path := buildFile(t, root, o)
			_, got := openFile(t, path)
			judge.Same(t, root, got)

			plain, err := erofs.Build(root, erofs.Options{})
			if err != nil {
				t.Fatal(err)
			}
			st, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if st.Size() > plain.Size()*7/10 {
				t.Errorf("it has %d bytes, the plain one %d", st.Size(), plain.Size())
			}
			t.Run("fsck.erofs", func(t *testing.T) {
				judge.Need(t, "fsck.erofs")
				judge.Run(t, "fsck.erofs", "--extract", path)
			})
			t.Run("kernel", func(t *testing.T) { judge.Same(t, root, judge.Kernel(t, path)) })

			again := z
			again.Scratch = scratch(t)
			o.LZ4 = &again
			a, errA := os.ReadFile(path)
			b, errB := os.ReadFile(buildFile(t, root, o))
			if errA != nil || errB != nil || !bytes.Equal(a, b) {
				t.Errorf("two runs differ, %v, %v", errA, errB)
			}
		})
	}
}

// TestLZ4Size compares with mkfs.erofs at the same cluster size, on what is much
// like libraries: pieces of this test's own program.
func TestLZ4Size(t *testing.T) {
	judge.Need(t, "mkfs.erofs")
	needRoot(t)
	root := tree.NewDir(0o755, 0, 0)
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	code, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	r := rand.New(rand.NewPCG(1, 1))
	for i := range 200 { // whose tails are all there is
		root.Set(fmt.Sprintf("small%d", i), tree.NewFile(0o644, 0, 0, code[i*5000:][:4500]))
	}
	for i := 0; len(code) > 0; i++ {
		n := min(len(code), 100_000+r.IntN(800_000))
		root.Set(fmt.Sprintf("lib%d.so", i), tree.NewFile(0o644, 0, 0, code[:n]))
		code = code[n:]
	}
	dir := t.TempDir()
	src := filepath.Join(dir, "src")
	if err := os.Mkdir(src, 0o755); err != nil {
		t.Fatal(err)
	}
	judge.Write(t, root, src)
	judge.In(t, dir, "mkfs.erofs", "-zlz4hc,9", "-C16384", "theirs", "src")
	st, err := os.Stat(filepath.Join(dir, "theirs"))
	if err != nil {
		t.Fatal(err)
	}
	size := func(tails bool) int64 {
		im, err := erofs.Build(root, erofs.Options{LZ4: &erofs.LZ4{Level: 9, Blocks: 4, TailPacking: tails, Scratch: scratch(t)}})
		if err != nil {
			t.Fatal(err)
		}
		return im.Size()
	}
	ours, tails := size(false), size(true)
	t.Logf("%d bytes, with tails %d; mkfs.erofs makes %d", ours, tails, st.Size())
	if ours > st.Size()*1005/1000 {
		t.Errorf("it has %d bytes, mkfs.erofs makes %d: more than 0.5%% larger", ours, st.Size())
	}
	if tails >= ours {
		t.Errorf("with tails packed it has %d bytes, without %d", tails, ours)
	}
}

func TestForKernel(t *testing.T) {
	for version, want := range map[string]erofs.LZ4{
		"4.19": {Level: 9, Blocks: 1}, "5.10": {Level: 9, Blocks: 1}, "5.15": {Level: 9, Blocks: 16},
		"5.17": {Level: 9, Blocks: 16, TailPacking: true}, "6.1.25-android14": {Level: 9, Blocks: 16, TailPacking: true},
	} {
		if z, err := erofs.ForKernel(version); err != nil || z != want {
			t.Errorf("%s: %+v %v", version, z, err)
		}
	}
	for _, version := range []string{"", "six", "4.14", "3.18", "5", "-5.10"} {
		if z, err := erofs.ForKernel(version); err == nil {
			t.Errorf("%q: %+v", version, z)
		}
	}
}

type full struct{ *os.File }

func (full) WriteAt([]byte, int64) (int, error) { return 0, errors.New("the disk is full") }

func TestLZ4Errors(t *testing.T) {
	root := tree.NewDir(0o755, 0, 0)
	text := tree.NewFile(0o644, 0, 0, bytes.Repeat([]byte("text"), 5000))
	root.Set("a", text)
	for _, c := range []struct {
		z    erofs.LZ4
		want string
	}{
		{erofs.LZ4{}, "and a scratch file"},
		{erofs.LZ4{Level: 10, Scratch: scratch(t)}, "LZ4 level 10"},
		{erofs.LZ4{Blocks: 17, Scratch: scratch(t)}, "clusters of 17 blocks"},
		{erofs.LZ4{Scratch: full{}}, `"a": cannot keep packed content: the disk is full`},
	} {
		if _, err := erofs.Build(root, erofs.Options{LZ4: &c.z}); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error is %v, expected %q", err, c.want)
		}
	}
	text.Size++
	if _, err := erofs.Build(root, erofs.Options{LZ4: &erofs.LZ4{Scratch: scratch(t)}}); err == nil || !strings.Contains(err.Error(), `"a": cannot read content: unexpected EOF`) {
		t.Errorf("content that ends early gives %v", err)
	}
}

func BenchmarkLZ4(b *testing.B) {
	root := tree.NewDir(0o755, 0, 0)
	compressible(root, 9)
	var size int64
	if err := tree.Walk(root, func(_ string, n *tree.Node) error { size += n.Size; return nil }); err != nil {
		b.Fatal(err)
	}
	for _, z := range lz4Ways {
		b.Run(fmt.Sprintf("level%d-%d", z.Level, z.Blocks), func(b *testing.B) {
			b.SetBytes(size)
			for b.Loop() {
				z.Scratch = scratch(b)
				if _, err := erofs.Build(root, erofs.Options{LZ4: &z}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
