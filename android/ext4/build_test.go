package ext4_test

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fridayos/friday/android/ext4"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/judge"
)

var uuid = [16]byte{0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x47, 0x88, 0x99, 0xaa, 0xbb, 0xcc, 0xdd, 0xee, 0xff, 1}

var optionSets = map[string]ext4.Options{
	"plain":     {},
	"as a ROM":  {UUID: uuid, Time: buildTime, VolumeName: "system", LastMounted: "/system", Size: 64 << 20},
	"summed":    {UUID: uuid, Time: buildTime, MetadataSum: true},
	"journal":   {UUID: uuid, Time: buildTime, JournalBlocks: 1024, Inodes: 5000, MetadataSum: true},
	"readonly":  {UUID: uuid, Time: buildTime, ReadOnly: true, Size: 300 << 20},
	"64bit":     {UUID: uuid, Time: buildTime, SixtyFour: true},
	"as mke2fs": {UUID: uuid, Time: buildTime, SixtyFour: true, MetadataSum: true, JournalBlocks: 2048, Size: 200 << 20},
	"shared":    {UUID: uuid, Time: buildTime, SharedBlocks: true, ReadOnly: true},
	"remnant":   {UUID: uuid, Time: buildTime, Size: 128<<20 + 4096},
}

func withLost(root *tree.Node) *tree.Node {
	root.Set("lost+found", tree.NewDir(0o700, 0, 0))
	return root
}

func image(t testing.TB, root *tree.Node, o ext4.Options) *tree.Image {
	t.Helper()
	im, err := ext4.Build(root, o)
	if err != nil {
		t.Fatal(err)
	}
	return im
}

func file(t testing.TB, im *tree.Image) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "image")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if n, err := im.WriteTo(f); err != nil || n != im.Size() {
		t.Fatalf("wrote %d of %d: %v", n, im.Size(), err)
	}
	return path
}

func readTree(t testing.TB, r *tree.Image) (*ext4.Image, *tree.Node) {
	t.Helper()
	im, err := ext4.Open(r, r.Size())
	if err != nil {
		t.Fatal(err)
	}
	root, err := im.Tree()
	if err != nil {
		t.Fatal(err)
	}
	return im, root
}

func openFile(t testing.TB, path string) *tree.Node {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	fi, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	r := new(tree.Image)
	r.AppendRange(f, 0, fi.Size())
	_, root := readTree(t, r)
	return root
}

// What is written is read as it was, and fsck and the kernel agree.
func TestBuild(t *testing.T) {
	for name, o := range optionSets {
		t.Run(name, func(t *testing.T) {
			want := withLost(randomTree(7, 600))
			im := image(t, want, o)
			if o.Size > 0 && im.Size() != o.Size {
				t.Fatalf("expected %d bytes, found %d", o.Size, im.Size())
			}
			opened, got := readTree(t, im)
			judge.Same(t, want, got)
			if i := opened.Info(); i.UUID != o.UUID || i.VolumeName != o.VolumeName || i.LastMounted != o.LastMounted || i.Inodes < o.Inodes || i.Made != o.Time {
				t.Errorf("%+v", i)
			}
			path := file(t, im)
			if out := judge.Run(t, "e2fsck", "-fn", path); strings.Contains(out, "<y>") || strings.Contains(out, "? no") {
				t.Error(out)
			}
			judge.Same(t, want, judge.Folder(t, judge.Mount(t, "ext4", "ro,noload", path)))
		})
	}
}

// The same tree, made in another order, gives the same bytes.
func TestSameBytes(t *testing.T) {
	root := withLost(randomTree(8, 200))
	_, copied := readTree(t, image(t, root, optionSets["summed"]))
	a, b := new(bytes.Buffer), new(bytes.Buffer)
	if _, err := image(t, root, optionSets["as a ROM"]).WriteTo(a); err != nil {
		t.Fatal(err)
	}
	if _, err := image(t, copied, optionSets["as a ROM"]).WriteTo(b); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(a.Bytes(), b.Bytes()) {
		t.Error("two images differ")
	}
}

// counting reads as numbers that count up, however long.
type counting struct{}

func (counting) ReadAt(p []byte, off int64) (int, error) {
	for i := range p {
		p[i] = byte((off + int64(i)) >> 12 * 7)
	}
	return len(p), nil
}

// A file over many groups needs an extent tree of its own.
func TestManyGroups(t *testing.T) {
	root := withLost(tree.NewDir(0o755, 0, 0))
	root.Set("big", &tree.Node{Perm: 0o644, Size: 530<<20 + 77, Content: counting{}})
	root.Set("small", tree.NewFile(0o644, 0, 0, []byte("behind")))
	im := image(t, root, ext4.Options{UUID: uuid, MetadataSum: true})
	_, got := readTree(t, im)
	if n := got.Lookup("big"); len(n.Extents) != 5 || n.Size != root.Lookup("big").Size {
		t.Fatalf("%d extents of %d bytes", len(n.Extents), n.Size)
	}
	path := file(t, im)
	judge.Run(t, "e2fsck", "-fn", path)
	judge.Same(t, root, judge.Folder(t, judge.Mount(t, "ext4", "ro", path)))
}

// Directories of many blocks have an index, of two levels with so many, in which
// the kernel finds each name.
func TestIndex(t *testing.T) {
	for _, o := range []ext4.Options{{}, {UUID: uuid, MetadataSum: true, SixtyFour: true}, {UUID: uuid, HashSeed: [16]byte{15: 9}, ReadOnly: true}} {
		root := withLost(tree.NewDir(0o755, 0, 0))
		node := tree.NewSymlink("x", 0, 0)
		for dir, n := range map[string]int{"one": 20, "some": 500, "10,000": 10_000, "two-levels": 40_000} {
			d := tree.NewDir(0o755, 0, 0)
			for i := range n {
				name := fmt.Sprintf("name-of-a-file-\xff-%05d%s", i, strings.Repeat("é", i%60))
				if dir == "two-levels" {
					name = fmt.Sprintf("%05d-%s", i, strings.Repeat("long", 15))
				}
				d.Entries = append(d.Entries, tree.Entry{Name: name, Node: node})
			}
			root.Set(dir, d)
		}
		root.Set("zz", tree.NewDir(0o755, 0, 0))
		im := image(t, root, o)
		_, got := readTree(t, im)
		judge.Same(t, root, got)
		path := file(t, im)
		if out := judge.Run(t, "e2fsck", "-fn", path); strings.Contains(out, "HTREE") || strings.Contains(out, "? no") {
			t.Error(out)
		}
		for dir, want := range map[string]string{"one": "Root node dump", "some": "Indirect levels: 0", "two-levels": "Indirect levels: 1"} {
			out, err := exec.Command("debugfs", "-R", "htree /"+dir, path).CombinedOutput()
			if err != nil || strings.Contains(string(out), want) != (dir != "one") {
				t.Errorf("%s: %v; expected %q, found %.300s", dir, err, want, out)
			}
		}
		at := judge.Mount(t, "ext4", "ro", path)
		for _, dir := range []string{"some", "10,000", "two-levels"} {
			for i, e := range root.Lookup(dir).Entries {
				if i%7 == 0 {
					if _, err := os.Lstat(filepath.Join(at, dir, e.Name)); err != nil {
						t.Fatal(err)
					}
				}
			}
			if _, err := os.Lstat(filepath.Join(at, dir, "none")); !os.IsNotExist(err) {
				t.Error(err)
			}
		}
	}
}

// More names of a directory than links count.
func TestManyNames(t *testing.T) {
	root := withLost(tree.NewDir(0o755, 0, 0))
	many := tree.NewDir(0o755, 0, 0)
	shared := tree.NewFile(0o644, 0, 0, []byte("x"))
	for i := range 30000 {
		many.Entries = append(many.Entries, tree.Entry{Name: fmt.Sprintf("name-of-a-file-%05d", i), Node: shared})
	}
	root.Set("many", many)
	im := image(t, root, optionSets["summed"])
	_, got := readTree(t, im)
	judge.Same(t, root, got)
	judge.Run(t, "e2fsck", "-fn", file(t, im))
}

// debugfs finds labels and capabilities where phones look for them.
func TestDebugfs(t *testing.T) {
	root := withLost(tree.NewDir(0o755, 0, 0))
	f := tree.NewFile(0o750, 1000, 2000, []byte("#!/system/bin/sh\n"))
	f.SetXattr("security.selinux", []byte("u:object_r:shell_exec:s0\x00"))
	f.SetXattr("security.capability", []byte("\x01\x00\x00\x02\xc0\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
	root.Set("run", f)
	path := file(t, image(t, root, optionSets["as a ROM"]))
	out := judge.Run(t, "debugfs", "-R", "ea_list /run", path)
	for _, want := range []string{`security.selinux (25) = "u:object_r:shell_exec:s0\000"`, "security.capability (20) = 01 00 00 02 c0"} {
		if !strings.Contains(out, want) {
			t.Errorf("expected %q, found %s", want, out)
		}
	}
	out = judge.Run(t, "debugfs", "-R", "stats", path)
	for _, want := range []string{"11223344-5566-4788-99aa-bbccddeeff01", "system", "Last mounted on:          /system", "half_md4", "Filesystem state:         clean"} {
		if !strings.Contains(out, want) {
			t.Errorf("expected %q, found %s", want, out)
		}
	}
}

func TestBadTrees(t *testing.T) {
	one := func(n *tree.Node) *tree.Node {
		root := tree.NewDir(0o755, 0, 0)
		root.Set("f", n)
		return root
	}
	labelled := func(name string, v []byte) *tree.Node {
		n := tree.NewFile(0o644, 0, 0, nil)
		n.SetXattr(name, v)
		return one(n)
	}
	for want, c := range map[string]struct {
		root *tree.Node
		o    ext4.Options
	}{
		"the root is not a directory":                    {tree.NewFile(0, 0, 0, nil), ext4.Options{}},
		`"f": device 4096:0 does not fit`:                {one(&tree.Node{Type: tree.CharDevice, Major: 4096}), ext4.Options{}},
		`"f": target has 4096 bytes; 4095 are allowed`:   {one(tree.NewSymlink(strings.Repeat("x", 4096), 0, 0)), ext4.Options{}},
		`"f": xattr "other.x": the format knows user.`:   {labelled("other.x", nil), ext4.Options{}},
		`"f": xattrs need`:                               {labelled("user.big", make([]byte, 5000)), ext4.Options{}},
		`"f": xattr "system.posix_acl_access": expected`: {labelled("system.posix_acl_access", []byte("x")), ext4.Options{}},
		`"f": time 17179869184 does not fit`:             {one(&tree.Node{MTime: 1 << 34}), ext4.Options{}},
		"volume name \"12345678901234567\" has 17 bytes": {one(tree.NewDir(0, 0, 0)), ext4.Options{VolumeName: "12345678901234567"}},
		"mount point":                                      {one(tree.NewDir(0, 0, 0)), ext4.Options{LastMounted: strings.Repeat("x", 64)}},
		"size: expected a multiple of 4096":                {one(tree.NewDir(0, 0, 0)), ext4.Options{Size: 5000}},
		"size: expected room for 257 blocks of content":    {one(&tree.Node{Size: 1 << 20, Content: counting{}, Perm: 0o644}), ext4.Options{Size: 1 << 20}},
		"journal: expected 1024 to 262144 blocks, found 3": {one(tree.NewDir(0, 0, 0)), ext4.Options{JournalBlocks: 3}},
		"size: 4096 bytes have room for 32768 inodes":      {one(tree.NewDir(0, 0, 0)), ext4.Options{Size: 4096, Inodes: 40000}},
	} {
		if _, err := ext4.Build(c.root, c.o); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "cannot build ext4 image: ") {
			t.Errorf("expected %q, found %v", want, err)
		}
	}
}
