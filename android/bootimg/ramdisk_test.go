package bootimg

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/judge"
	"github.com/klauspost/compress/gzip"
)

// sampleRamdisk has every type of file, a hard link, and odd names.
func sampleRamdisk() *tree.Node {
	root := tree.NewDir(0o755, 0, 0)
	root.Set("init", tree.NewFile(0o750, 0, 2000, noise(1, 70001)))
	sys := tree.NewDir(0o755, 0, 0)
	sys.MTime = 1230768000
	root.Set("system", sys)
	shared := tree.NewFile(0o644, 0, 0, []byte("ro.build.type=user\n"))
	sys.Set("build.prop", shared)
	root.Set("default.prop", shared)
	root.Set("empty", tree.NewFile(0o600, 1000, 1000, nil))
	root.Set("etc", tree.NewSymlink("/system/etc", 0, 0))
	root.Set("a name \xff\n", tree.NewFile(0o4755, 0, 0, []byte("x")))
	dev := tree.NewDir(0o1777, 0, 0)
	root.Set("dev", dev)
	dev.Set("null", &tree.Node{Type: tree.CharDevice, Perm: 0o666, Major: 1, Minor: 3})
	dev.Set("loop0", &tree.Node{Type: tree.BlockDevice, Perm: 0o660, GID: 6, Major: 7})
	dev.Set("pipe", &tree.Node{Type: tree.FIFO, Perm: 0o600})
	dev.Set("sock", &tree.Node{Type: tree.Socket, Perm: 0o600})
	return root
}

func same(t *testing.T, a, b *tree.Node) {
	t.Helper()
	if d, err := tree.Diff(a, b); err != nil || len(d) > 0 {
		t.Errorf("the trees differ: %v\n%s", err, strings.Join(d, "\n"))
	}
}

func pack(t testing.TB, root *tree.Node, c Compression) []byte {
	t.Helper()
	b, err := PackRamdisk(root, c)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestRamdiskRoundTrip(t *testing.T) {
	want := sampleRamdisk()
	for _, c := range []Compression{Plain, Gzip, LZ4Legacy} {
		b := pack(t, want, c)
		if !bytes.Equal(b, pack(t, sampleRamdisk(), c)) {
			t.Errorf("%s: packing twice gives different bytes", c)
		}
		got, found, err := UnpackRamdisk(append(bytes.Clone(b), make([]byte, 999)...)) // as padded in an image
		if err != nil || found != c {
			t.Errorf("%s: found %s, %v", c, found, err)
			continue
		}
		same(t, want, got)
		if got.Lookup("default.prop") != got.Lookup("system/build.prop") {
			t.Errorf("%s: the hard link is two files", c)
		}
	}
	owned := tree.NewDir(0o700, 1, 2)
	got, _, err := UnpackRamdisk(pack(t, owned, Plain))
	if err != nil {
		t.Fatal(err)
	}
	same(t, owned, got)
	large := tree.NewDir(0o755, 0, 0)
	large.Set("large", tree.NewFile(0o644, 0, 0, bytes.Repeat(noise(3, 1<<20), 20)))
	if got, _, err = UnpackRamdisk(pack(t, large, LZ4Legacy)); err != nil {
		t.Fatal(err)
	}
	same(t, large, got)
}

func TestJudgesOfRamdisk(t *testing.T) {
	plain := pack(t, sampleRamdisk(), Plain)
	t.Run("cpio", func(t *testing.T) {
		want := "a name \xff\n\ndefault.prop\ndev\ndev/loop0\ndev/null\ndev/pipe\ndev/sock\nempty\netc\ninit\nsystem\nsystem/build.prop\n"
		if got := judge.Pipe(t, plain, "cpio", "-t", "--quiet"); string(got) != want {
			t.Errorf("cpio lists %q\nwant %q", got, want)
		}
		got := string(judge.Pipe(t, plain, "cpio", "-tvn", "--quiet"))
		for _, line := range []string{"-rwxr-x---   1 0        2000        70001 ", "drwxrwxrwt   1 0        0 ", "crw-rw-rw-   1 0        0          1,   3 ", "-rw-r--r--   2 0        0 ", " etc -> /system/etc"} {
			if !strings.Contains(got, line) {
				t.Errorf("cpio prints no %q in\n%s", line, got)
			}
		}
	})
	t.Run("lz4", func(t *testing.T) {
		b := pack(t, sampleRamdisk(), LZ4Legacy)
		judge.Pipe(t, b, "lz4", "-t")
		if !bytes.Equal(judge.Pipe(t, b, "lz4", "-dc"), plain) {
			t.Error("lz4 unpacks other bytes")
		}
		got, c, err := UnpackRamdisk(judge.Pipe(t, plain, "lz4", "-l", "-12", "-c"))
		if err != nil || c != LZ4Legacy {
			t.Fatalf("%s, %v", c, err)
		}
		same(t, sampleRamdisk(), got)
	})
	t.Run("gzip", func(t *testing.T) {
		if !bytes.Equal(judge.Pipe(t, pack(t, sampleRamdisk(), Gzip), "gzip", "-dc"), plain) {
			t.Error("gzip unpacks other bytes")
		}
		if _, c, err := UnpackRamdisk(judge.Pipe(t, plain, "gzip", "-9c")); err != nil || c != Gzip {
			t.Errorf("%s, %v", c, err)
		}
	})
}

// TestReadsCPIO reads what Debian's cpio writes, in both forms.
func TestReadsCPIO(t *testing.T) {
	judge.Need(t, "cpio")
	dir := t.TempDir()
	for name, b := range map[string][]byte{"a/b/file": []byte("content"), "a/other": noise(1, 5000)} {
		file := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, b, 0o640); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(filepath.Join(dir, "a/other"), filepath.Join(dir, "link")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("a", filepath.Join(dir, "sym")); err != nil {
		t.Fatal(err)
	}
	for _, form := range []string{"newc", "crc"} {
		cmd := exec.Command("cpio", "-o", "--quiet", "-H", form)
		cmd.Dir = dir
		cmd.Stdin = strings.NewReader(".\na\na/b\na/b/file\na/other\nlink\nsym\n")
		b, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		root, _, err := UnpackRamdisk(b)
		if err != nil {
			t.Fatal(err)
		}
		other := root.Lookup("a/other")
		if other == nil || other != root.Lookup("link") || other.Size != 5000 || other.Perm != 0o640 {
			t.Errorf("%s: link %+v", form, other)
		}
		if s := root.Lookup("sym"); s == nil || s.Target != "a" {
			t.Errorf("%s: symlink %+v", form, s)
		}
		if f := root.Lookup("a/b/file"); f == nil || f.Size != 7 || f.MTime == 0 {
			t.Errorf("%s: file %+v", form, f)
		}
	}
}

func TestArchivesAreLaidOver(t *testing.T) {
	one, two := tree.NewDir(0o755, 0, 0), tree.NewDir(0o755, 0, 0)
	one.Set("a", tree.NewFile(0o644, 0, 0, []byte("old")))
	one.Set("dir", tree.NewDir(0o755, 0, 0))
	one.Lookup("dir").Set("kept", tree.NewFile(0o644, 0, 0, nil))
	two.Set("a", tree.NewFile(0o600, 0, 0, []byte("new")))
	two.Set("dir", tree.NewDir(0o700, 0, 0))
	for _, c := range []Compression{Plain, Gzip, LZ4Legacy} {
		root, _, err := UnpackRamdisk(append(pack(t, one, c), pack(t, two, c)...))
		if err != nil {
			t.Fatalf("%s: %v", c, err)
		}
		if a, d := root.Lookup("a"), root.Lookup("dir"); a.Perm != 0o600 || d.Perm != 0o700 || d.Lookup("kept") == nil {
			t.Errorf("%s: %+v %+v", c, a, d)
		}
	}
}

func entries(es ...cpioEntry) []byte {
	var b []byte
	for _, e := range es {
		b = appendEntry(b, e)
	}
	return appendEntry(b, cpioEntry{name: cpioTrailer})
}

func TestRamdiskErrors(t *testing.T) {
	file := func(name string) cpioEntry { return cpioEntry{name: name, mode: 0o100644, data: []byte("x")} }
	deep := strings.Repeat("a/", 2047) + "b"
	var bomb bytes.Buffer
	z := gzip.NewWriter(&bomb)
	z.Write(make([]byte, MaxRamdisk+1))
	z.Close()
	change := func(at int, s string) []byte {
		b := entries(file("abc"))
		copy(b[at:], s)
		return b
	}
	for _, c := range []struct {
		b    []byte
		want string
	}{
		{nil, "it begins with , expected gzip, LZ4 legacy or plain cpio"},
		{[]byte("ABCDEFGH"), "it begins with 414243444546, expected gzip, LZ4 legacy or plain cpio"},
		{[]byte("\xfd7zXZ\x00"), "packing it by xz is not supported, expected gzip, LZ4 legacy or plain cpio"},
		{bomb.Bytes(), "it holds more than 134217728 bytes"},
		{[]byte("070701"), "cpio header at offset 0 is cut off: 6 bytes, expected 110"},
		{entries(file("a"))[:116], "cpio header at offset 116 is cut off: 0 bytes, expected 110"},
		{change(120, "XX"), `cpio magic at offset 120 is "XX0701", expected "070701"`},
		{change(14, "0000xyz0"), `cpio mode at offset 14 is "0000xyz0", expected eight hex digits`},
		{change(14, "0000000F"), `cpio entry at offset 0, "abc": mode is 017, expected a known type`},
		{change(54, "7FFFFFFF"), "cpio filesize at offset 54 is 2147483647 for abc, expected at most 128"},
		{change(94, "00000000"), "cpio namesize at offset 94 is 0, expected 1 to 134"},
		{change(94, "FFFFFFFF"), "cpio namesize at offset 94 is 4294967295, expected 1 to 134"},
		{change(94, "00000003"), `cpio name at offset 110 is "abc", expected one NUL, at its end`},
		{change(111, "\x00"), `cpio name at offset 110 is "a\x00c\x00", expected one NUL, at its end`},
		{append(entries(file("abc")), "\x00x"...), "data behind the cpio trailer at offset 245, expected zeros or another archive at a multiple of 4"},
		{append(entries(file("abc")), "junk"...), "cpio header at offset 244 is cut off: 4 bytes, expected 110"},
		{entries(file("../../x")), `cpio entry at offset 0, "../../x": the name leads out of the ramdisk`},
		{entries(file(".")), `cpio entry at offset 0, ".": the root is a file, expected a directory`},
		{entries(file("a"), file("a/b")), `cpio entry at offset 116, "a/b": "a" on the way to it is a file, expected a directory`},
		{entries(file(deep + "/x")), `cpio namesize at offset 94 is 4098, expected 1 to 4096`},
		{entries(cpioEntry{name: "s", mode: 0o120777}), `cpio entry at offset 0, "s": its target is "", expected 1 to 4096 bytes without NUL`},
		{entries(cpioEntry{name: "d", mode: 0o040755, data: []byte("x")}), `cpio entry at offset 0, "d": a dir has 1 bytes of content, expected none`},
		{[]byte(lz4Magic + "\x01"), "LZ4 block size at offset 4 is cut off"},
		{[]byte(lz4Magic + "\x05\x00\x00\x00"), "LZ4 block at offset 8 is 5 bytes long, expected 1 to 0"},
		{[]byte(lz4Magic + "\x00\x00\x00\x00x"), "LZ4 block at offset 8 is 0 bytes long, expected 1 to 1"},
	} {
		if _, _, err := UnpackRamdisk(c.b); err == nil || !strings.HasPrefix(err.Error(), "cannot unpack ramdisk: "+c.want) {
			t.Errorf("got %v\nwant cannot unpack ramdisk: %s", err, c.want)
		}
	}
	var many []byte
	for i := range MaxRamdiskEntries + 1 {
		many = appendEntry(many, cpioEntry{name: fmt.Sprint(i), mode: 0o100644})
	}
	if _, _, err := UnpackRamdisk(many); err == nil || !strings.HasSuffix(err.Error(), `"131072": there are more than 131072 files`) {
		t.Errorf("many files: %v", err)
	}
}

func TestPackErrors(t *testing.T) {
	with := func(n *tree.Node) *tree.Node { d := tree.NewDir(0o755, 0, 0); d.Set("x", n); return d }
	twice := with(tree.NewDir(0o755, 0, 0))
	twice.Set("y", twice.Lookup("x"))
	for _, c := range []struct {
		root *tree.Node
		c    Compression
		want string
	}{
		{nil, Plain, "the root is not a directory"},
		{tree.NewFile(0, 0, 0, nil), Plain, "the root is not a directory"},
		{with(&tree.Node{MTime: -1}), Plain, "x: its time is -1, expected seconds from 0 to 4294967295"},
		{with(&tree.Node{Size: 1 << 40}), Plain, "x: its size is 1099511627776, expected at most 134217728"},
		{with(&tree.Node{Perm: 0o10000}), Plain, "x: type file and mode 010000 have no place in a cpio archive"},
		{twice, Plain, "x: a directory has 2 names"},
		{with(tree.NewDir(0, 0, 0)), 9, "compression9 is unknown, expected plain, gzip or lz4-legacy"},
	} {
		if _, err := PackRamdisk(c.root, c.c); err == nil || err.Error() != "cannot pack ramdisk: "+c.want {
			t.Errorf("got %v\nwant cannot pack ramdisk: %s", err, c.want)
		}
	}
}

func FuzzUnpackRamdisk(f *testing.F) {
	small := tree.NewDir(0o755, 0, 0)
	small.Set("a", tree.NewFile(0o644, 0, 0, []byte("content")))
	small.Set("b", tree.NewSymlink("a", 0, 0))
	for _, c := range []Compression{Plain, Gzip, LZ4Legacy} {
		f.Add(pack(f, small, c))
	}
	f.Add(pack(f, sampleRamdisk(), Plain))
	f.Fuzz(func(t *testing.T, b []byte) {
		root, _, err := UnpackRamdisk(b)
		if err != nil {
			return
		}
		again, err := PackRamdisk(root, Plain)
		if err != nil {
			return // as a file called like the trailer
		}
		back, _, err := UnpackRamdisk(again)
		if err != nil {
			t.Fatalf("what was packed is refused: %v", err)
		}
		if d, err := tree.Diff(root, back); err != nil || len(d) > 0 {
			t.Fatalf("packed and unpacked differs: %v %q", err, d)
		}
	})
}
