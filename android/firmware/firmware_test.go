package firmware_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/fridayos/friday/android/ext4"
	"github.com/fridayos/friday/android/firmware"
	"github.com/fridayos/friday/android/nest"
	"github.com/fridayos/friday/android/samsung"
	"github.com/fridayos/friday/android/sparse"
	"github.com/fridayos/friday/android/tree"
)

type file struct {
	name    string
	content []byte
}

func zipOf(files ...file) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, f := range files {
		w, _ := z.CreateHeader(&zip.FileHeader{Name: f.name, Method: zip.Store})
		w.Write(f.content)
	}
	z.Close()
	return b.Bytes()
}

// system is a small ext4 image.
func system(t testing.TB) []byte {
	t.Helper()
	root := tree.NewDir(0o755, 0, 0)
	noise := make([]byte, 200<<10)
	rand.NewChaCha8([32]byte{1}).Read(noise)
	root.Set("noise", tree.NewFile(0o644, 0, 0, noise))
	root.Set("build.prop", tree.NewFile(0o644, 0, 0, []byte("ro.product.device=m8\n")))
	im, err := ext4.Build(root, ext4.Options{UUID: [16]byte{1}})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := im.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func sparseOf(t testing.TB, im []byte, maxFile int64) [][]byte {
	t.Helper()
	plan, err := sparse.NewPlan(context.Background(), bytes.NewReader(im), int64(len(im)), sparse.Options{MaxFile: maxFile})
	if err != nil {
		t.Fatal(err)
	}
	var files [][]byte
	for i := range plan.Files() {
		var b bytes.Buffer
		if err := plan.Write(context.Background(), i, &b); err != nil {
			t.Fatal(err)
		}
		files = append(files, b.Bytes())
	}
	return files
}

func open(t testing.TB, name string, b []byte) (*firmware.Firmware, error) {
	t.Helper()
	n := nest.New(nest.Options{TempDir: t.TempDir(), MaxSpill: 64 << 20})
	t.Cleanup(func() { n.Close() })
	return firmware.Open(context.Background(), n, nest.File{Name: name, R: bytes.NewReader(b), Size: int64(len(b))})
}

// disk is memory that an image is copied to.
type disk struct{ b bytes.Buffer }

func (d *disk) Write(p []byte) (int, error)        { return d.b.Write(p) }
func (d *disk) ReadAt([]byte, int64) (int, error)  { return 0, io.EOF }
func (d *disk) WriteAt([]byte, int64) (int, error) { return 0, io.ErrShortWrite }
func (d *disk) holds(want []byte) bool             { return bytes.Equal(d.b.Bytes(), want) }
func copied(p firmware.Partition) (d *disk, e error) {
	d = &disk{}
	return d, p.Copy(context.Background(), d)
}

// TestNames: what is which partition, and what is left.
func TestNames(t *testing.T) {
	im := system(t)
	script := "#!/bin/sh\nfastboot $* getvar product 2>&1 | grep \"^product: *umi\"\nfastboot $* flash modem_a `dirname $0`/images/NON-HLOS.bin\n" +
		"fastboot $* flash system `dirname $0`/images/sys.img\nfastboot $* reboot\n"
	pieces := sparseOf(t, im, 40<<10)
	if len(pieces) < 2 {
		t.Fatalf("%d pieces, the test needs some", len(pieces))
	}
	chunks := []file{{"oem.bin", []byte("what?")}, {"readme.txt", []byte("text")}}
	for i, p := range pieces {
		chunks = append(chunks, file{fmt.Sprintf("system.img_sparsechunk.%d", i), p})
	}
	for _, c := range []struct {
		name  string
		zip   []byte
		kind  firmware.Kind
		parts string
		left  string
	}{
		{"plain images", zipOf(file{"System.IMG", im}, file{"dtbo_a.img", []byte("dt")}, file{"dtbo_b.img", []byte("dt")}, file{"1.img", []byte("x")}, file{"empty.img", nil}),
			firmware.Images, "dtbo system", "1.img dtbo_b.img empty.img"},
		{"a script", zipOf(file{"umi/flash_all.sh", []byte(script)}, file{"umi/images/NON-HLOS.bin", []byte("modem")}, file{"umi/images/sys.img", im}, file{"umi/images/other.img", []byte("x")}),
			firmware.Fastboot, "modem system", "umi/flash_all.sh umi/images/other.img"},
		{"pieces", zipOf(chunks...), firmware.Images, "system", ""},
		{"HTC", zipOf(file{"android-info.txt", []byte("modelid: 0P6B10000\nmainver: 1.2\n")}, file{"boot.img", []byte("boot")}, file{"radio.img", []byte("r")}),
			firmware.RUU, "boot radio", "android-info.txt"},
	} {
		t.Run(c.name, func(t *testing.T) {
			fw, err := open(t, "fw.zip", c.zip)
			if err != nil {
				t.Fatal(err)
			}
			var parts, left []string
			for _, p := range fw.Partitions {
				parts = append(parts, p.Name)
			}
			for _, l := range fw.Left {
				left = append(left, l.Path)
			}
			if fw.Kind != c.kind || strings.Join(parts, " ") != c.parts || c.left != "" && strings.Join(left, " ") != c.left {
				t.Errorf("%s with %q, left %v", fw.Kind, parts, fw.Left)
			}
			if p, ok := fw.Partition("system"); ok {
				if d, err := copied(p); err != nil || !d.holds(im) {
					t.Errorf("system has %d bytes, %v; expected %d", d.b.Len(), err, len(im))
				}
			}
			if err := fw.Verify(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// newerSin is Sony's .sin as a gzip of a tar with pieces.
func newerSin(t testing.TB, im []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	add := func(name string, content []byte) {
		w.WriteHeader(&tar.Header{Name: name, Mode: 0o644, Size: int64(len(content))})
		w.Write(content)
	}
	add("system.cms", []byte("signed"))
	for i, p := range sparseOf(t, im, 40<<10) {
		add(fmt.Sprintf("system.%03d", i), p)
	}
	w.Close()
	z.Close()
	return b.Bytes()
}

func TestNewerSin(t *testing.T) {
	im := system(t)
	fw, err := open(t, "sumire.ftf", zipOf(file{"system.sin", newerSin(t, im)}))
	if err != nil {
		t.Fatal(err)
	}
	p, ok := fw.Partition("system")
	if !ok || fw.Kind != firmware.Sin || p.Format != "ext4" {
		t.Fatalf("%s, %+v, left %v", fw.Kind, fw.Partitions, fw.Left)
	}
	if d, err := copied(p); err != nil || !d.holds(im) {
		t.Errorf("system has %d bytes, %v", d.b.Len(), err)
	}
}

func odin(t testing.TB, im []byte) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := samsung.Write(&b, "AP_X.tar", []samsung.Source{{Name: "system.img", Size: int64(len(im)), Content: bytes.NewReader(im)}}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestDamaged: sums are compared.
func TestDamaged(t *testing.T) {
	im := system(t)
	ap := odin(t, im)
	ap[len(ap)/2] ^= 1
	fw, err := open(t, "fw.zip", zipOf(file{"AP_X.tar.md5", ap}))
	if err != nil {
		t.Fatal(err)
	}
	if err := fw.Verify(t.Context()); err == nil || !strings.Contains(err.Error(), "AP_X.tar.md5") || !strings.Contains(err.Error(), "MD5") {
		t.Errorf("a flipped bit in Odin's archive: %v", err)
	}
}

func TestRefused(t *testing.T) {
	meta := "ota-type=AB\npre-device=umi\npre-build=a/b/c\npost-build=a/b/d\npost-timestamp=1\n"
	deep := []byte("x")
	for range 9 {
		deep = zipOf(file{"in.zip", deep})
	}
	for want, b := range map[string][]byte{
		"the package is incremental, from a/b/c": zipOf(file{"META-INF/com/android/metadata", []byte(meta)}, file{"boot.img", []byte("b")}),
		"it is one ext4 image":                   system(t),
		"it holds no partition's image":          zipOf(file{"readme.txt", []byte("hello")}),
		"containers lie more than 6 deep":        deep,
		"unknown format":                         []byte("nothing that anyone knows"),
		"expected":                               zipOf(file{"system.img", append(slices.Clone(sparseOf(t, system(t), 0)[0][:40]), 1, 2, 3)}),
	} {
		if fw, err := open(t, "fw.zip", b); err == nil || !strings.HasPrefix(err.Error(), "cannot read firmware fw.zip: ") || !strings.Contains(err.Error(), want) {
			t.Errorf("%v %v, want %q", fw, err, want)
		}
	}
}

func FuzzOpen(f *testing.F) {
	im := system(f)
	f.Add(zipOf(file{"system.img", im[:4096]}, file{"boot.img", []byte("ANDROID!")}))
	f.Add(zipOf(file{"flash_all.sh", []byte("fastboot $* flash boot `dirname $0`/images/boot.img\n")}, file{"images/boot.img", []byte("b")}))
	f.Add(zipOf(file{"AP_X.tar.md5", odin(f, []byte("system"))}))
	f.Fuzz(func(t *testing.T, b []byte) {
		n := nest.New(nest.Options{TempDir: t.TempDir(), MaxSpill: 1 << 20})
		defer n.Close()
		fw, err := firmware.Open(context.Background(), n, nest.File{Name: "fw.zip", R: bytes.NewReader(b), Size: int64(len(b))})
		if err != nil {
			return
		}
		for _, p := range fw.Partitions {
			if p.Size > 1<<20 {
				continue
			}
			if d, err := copied(p); err == nil && int64(d.b.Len()) != p.Size && p.Format != "payload" {
				t.Errorf("%s has %d bytes, %d were said", p.Name, d.b.Len(), p.Size)
			}
		}
	})
}

func ExampleOpen() {
	dir, _ := os.MkdirTemp("", "")
	defer os.RemoveAll(dir)
	n := nest.New(nest.Options{TempDir: dir})
	defer n.Close()
	b := zipOf(file{"android-info.txt", []byte("modelid: 0P6B10000\n")}, file{"boot.img", []byte("…")}, file{"radio.img", []byte("…")})
	fw, err := firmware.Open(context.Background(), n, nest.File{Name: "rom.zip", R: bytes.NewReader(b), Size: int64(len(b))})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(fw.Kind, fw.Devices)
	for _, p := range fw.Partitions {
		fmt.Println(p.Name, p.Path)
	}
	// Output:
	// ruu [0P6B10000]
	// boot boot.img
	// radio radio.img
}
