package nest_test

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"context"
	"crypto/md5"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/pierrec/lz4/v4"

	"github.com/fridayos/friday/android/bootimg"
	"github.com/fridayos/friday/android/erofs"
	"github.com/fridayos/friday/android/ext4"
	"github.com/fridayos/friday/android/nest"
	"github.com/fridayos/friday/android/payload"
	"github.com/fridayos/friday/android/sparse"
	"github.com/fridayos/friday/android/super"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/judge"
)

var ctx = context.Background()

const label = "u:object_r:system_file:s0\x00"

// system is the tree of a small Android system.
func system() *tree.Node {
	root := tree.NewDir(0o755, 0, 0)
	sys := tree.NewDir(0o755, 0, 0)
	prop := tree.NewFile(0o600, 1000, 2000, []byte("ro.build.fingerprint=samsung/hltexx/hlte:5.0/LRX21V/N9005:user/release-keys\nro.product.device=hlte\nro.build.version.security_patch=2016-01-01\n"))
	prop.SetXattr("security.selinux", []byte(label))
	sys.Set("build.prop", prop)
	ping := tree.NewFile(0o755, 0, 2000, bytes.Repeat([]byte("ELF"), 5000))
	ping.SetXattr("security.selinux", []byte(label))
	ping.SetXattr("security.capability", []byte("\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"))
	sys.Set("ping", ping)
	sys.Set("ping-again", ping)
	sys.Set("null", &tree.Node{Type: tree.CharDevice, Perm: 0o666, Major: 1, Minor: 3})
	sys.Set("not-utf8-\xff", tree.NewSymlink("ping", 0, 0))
	root.Set("system", sys)
	root.Set("lost+found", tree.NewDir(0o700, 0, 0))
	return root
}

func must[T any](t testing.TB) func(T, error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func whole(t testing.TB, im *tree.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if _, err := im.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// superImage holds system_a as ext4 and vendor_a as erofs.
func superImage(t testing.TB) []byte {
	g := super.Geometry{MetadataMaxSize: 65536, Slots: 2, BlockSize: 4096}
	sys := must[*tree.Image](t)(ext4.Build(system(), ext4.Options{VolumeName: "system"}))
	ven := must[*tree.Image](t)(erofs.Build(system(), erofs.Options{VolumeName: "vendor"}))
	m := must[*super.Metadata](t)(super.Lay(g, []super.Device{{Name: "super", Size: 16 << 20}}, nil, []super.Want{
		{Name: "system_a", Size: sys.Size()}, {Name: "vendor_a", Size: ven.Size()}, {Name: "odm_a"}}))
	images := must[[]*tree.Image](t)(super.Build(g, m, map[string]*tree.Image{"system_a": sys, "vendor_a": ven}))
	return whole(t, images[0])
}

func sparseFiles(t testing.TB, b []byte, maxFile int64) [][]byte {
	p := must[*sparse.Plan](t)(sparse.NewPlan(ctx, bytes.NewReader(b), int64(len(b)), sparse.Options{CRC: true, MaxFile: maxFile}))
	var out [][]byte
	for i := range p.Files() {
		var f bytes.Buffer
		if err := p.Write(ctx, i, &f); err != nil {
			t.Fatal(err)
		}
		out = append(out, f.Bytes())
	}
	return out
}

func packed(t testing.TB, b []byte, open func(w io.Writer) io.WriteCloser) []byte {
	t.Helper()
	var out bytes.Buffer
	w := open(&out)
	if _, err := w.Write(b); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// samsungLZ4 is a frame as Odin wants it.
func samsungLZ4(w io.Writer) io.WriteCloser { return lz4Writer(w, lz4.BlockSizeOption(lz4.Block1Mb)) }

func lz4Writer(w io.Writer, o ...lz4.Option) io.WriteCloser {
	x := lz4.NewWriter(w)
	if err := x.Apply(o...); err != nil {
		panic(err)
	}
	return x
}

type entry struct {
	name string
	b    []byte
}

func tarOf(t testing.TB, sum bool, es ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, e := range es {
		if err := w.WriteHeader(&tar.Header{Name: e.name, Mode: 0o644, Size: int64(len(e.b))}); err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(e.b); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if sum {
		fmt.Fprintf(&b, "%x  AP.tar\n", md5.Sum(b.Bytes()))
	}
	return b.Bytes()
}

func zipOf(t testing.TB, method uint16, es ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	for _, e := range es {
		f, err := w.CreateHeader(&zip.FileHeader{Name: e.name, Method: method})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write(e.b); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// onDisk writes a file and returns its path.
func onDisk(t testing.TB, name string, b []byte) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func newNest(t testing.TB, o nest.Options) *nest.Nest {
	o.TempDir = t.TempDir()
	n := nest.New(o)
	t.Cleanup(func() {
		if err := n.Close(); err != nil {
			t.Error(err)
		}
		if left, err := os.ReadDir(o.TempDir); err != nil || len(left) > 0 {
			t.Errorf("left behind: %v %v", left, err)
		}
	})
	return n
}

// firmware is a Samsung package: zip, tar.md5, lz4, sparse, super, ext4.
func firmware(t testing.TB) string {
	image := superImage(t)
	ap := tarOf(t, true, entry{"super.img.lz4", packed(t, sparseFiles(t, image, 0)[0], samsungLZ4)}, entry{"note.txt", []byte("hello")})
	return onDisk(t, "fw.zip", zipOf(t, zip.Deflate, entry{"AP_N9005.tar.md5", ap}))
}

func TestPathThroughEverything(t *testing.T) {
	n := newNest(t, nest.Options{})
	fw := firmware(t)
	o, err := n.Open(ctx, fw+"//AP_N9005.tar.md5//super.img.lz4//system_a//system/build.prop")
	if err != nil {
		t.Fatal(err)
	}
	b, err := io.ReadAll(o.Node.Open())
	if err != nil || !strings.HasPrefix(string(b), "ro.build.fingerprint=samsung/") || o.Node.Label() != label[:len(label)-1] || o.Node.UID != 1000 {
		t.Errorf("%q %v %+v", b, err, o.Node)
	}
	// Both file systems are what was put in.
	for _, part := range []string{"system_a", "vendor_a"} {
		o, err := n.Open(ctx, fw+"//AP_N9005.tar.md5//super.img.lz4//"+part+"//")
		if err != nil {
			t.Fatal(err)
		}
		judge.Same(t, system(), o.Node)
	}
	for path, want := range map[string]string{
		"//x":                                  `there is no "x": file does not exist; it holds AP_N9005.tar.md5`,
		"//AP_N9005.tar.md5//note.txt//x":      "unknown format: at byte 0: 68656c6c6f",
		"//AP_N9005.tar.md5//super.img.lz4//q": "it holds odm_a, system_a, vendor_a",
		"//AP_N9005.tar.md5//super.img.lz4//system_a//system//x": `there is no "x": file does not exist; it holds build.prop`,
	} {
		if _, err := n.Open(ctx, fw+path); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "cannot open ") {
			t.Errorf("%s: expected %q, found %v", path, want, err)
		}
	}
	if _, err := n.Open(ctx, filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Error(err)
	}
	if _, err := n.Open(ctx, t.TempDir()); err == nil || !strings.Contains(err.Error(), "expected a file, found a folder") {
		t.Error(err)
	}
}

// What no format claims is read unpacked all the same, if it was packed.
func TestUnpackedUnknown(t *testing.T) {
	n := newNest(t, nest.Options{})
	b := append(make([]byte, 8192), "0123456789abcdef"...)
	o := must[*nest.Object](t)(n.Open(ctx, onDisk(t, "x.img.gz", gzipped(t, sparseFiles(t, b, 0)[0]))+"//"))
	if got, err := io.ReadAll(io.NewSectionReader(o.File.R, 0, o.File.Size)); err != nil || !bytes.HasPrefix(got, b) || o.Node != nil {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if _, err := n.Open(ctx, onDisk(t, "raw", b)+"//"); !errors.Is(err, nest.ErrUnknown) {
		t.Error(err)
	}
}

func formats(in *nest.Info) []string {
	out := []string{in.Format}
	for _, c := range in.Children {
		out = append(out, formats(c)...)
	}
	return out
}

func TestInfo(t *testing.T) {
	n := newNest(t, nest.Options{})
	o, err := n.Open(ctx, firmware(t))
	if err != nil {
		t.Fatal(err)
	}
	in, err := n.Info(ctx, o, -1)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := strings.Join(formats(in), " "), "zip tar.md5 unknown lz4 sparse super unknown ext4 erofs"; got != want {
		t.Errorf("expected %s, found %s", want, got)
	}
	ext := in.Children[0].Children[1].Children[0].Children[0].Children[1]
	if !strings.HasSuffix(ext.Path, "fw.zip//AP_N9005.tar.md5//super.img.lz4//system_a") {
		t.Error(ext.Path)
	}
	if ext.Facts["device"] != "hlte" || ext.Facts["security_patch"] != "2016-01-01" || ext.Facts["volume"] != "system" {
		t.Errorf("%+v", ext.Facts)
	}
	if got, err := n.Open(ctx, ext.Path); err != nil || got.Node.Size != ext.Size {
		t.Errorf("the path that info gives leads elsewhere: %v", err)
	}
	shallow, err := n.Info(ctx, o, 1)
	if err != nil || strings.Join(formats(shallow), " ") != "zip tar.md5" {
		t.Error(formats(shallow), err)
	}
}

func TestVerify(t *testing.T) {
	fw := firmware(t)
	n := newNest(t, nest.Options{})
	o, err := n.Open(ctx, fw)
	if err != nil {
		t.Fatal(err)
	}
	var whats []string
	failed, err := n.Verify(ctx, o, func(c nest.Check) { whats = append(whats, c.What+c.Err) })
	if err != nil || failed > 0 {
		t.Fatal(failed, err, whats)
	}
	for _, want := range []string{"zip: CRC-32 of AP_N9005.tar.md5", "tar.md5: MD5 of the archive", "lz4: unpacks to the end, with its checksums", "sparse: CRC-32 of file 0", "super: SHA-256 of every copy of the metadata, extents that do not overlap", "ext4: metadata is whole", "erofs: metadata is whole"} {
		if !slices.Contains(whats, want) {
			t.Errorf("%q was not checked: %q", want, whats)
		}
	}
	// A byte that changes in the innermost is found by those around it.
	ap := tarOf(t, true, entry{"note.txt", []byte("hello")})
	ap[512] = 'j'
	o, err = n.Open(ctx, onDisk(t, "x.tar.md5", ap))
	if err != nil {
		t.Fatal(err)
	}
	if failed, err := n.Verify(ctx, o, func(nest.Check) {}); err != nil || failed != 1 {
		t.Error(failed, err)
	}
}

func TestWrappings(t *testing.T) {
	image := superImage(t)
	sp := sparseFiles(t, image, 0)[0]
	for name, b := range map[string][]byte{
		"a.img.gz":  packed(t, sp, func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }),
		"a.img.br":  packed(t, sp, func(w io.Writer) io.WriteCloser { return brotli.NewWriterLevel(w, 1) }),
		"a.img.zst": packed(t, sp, func(w io.Writer) io.WriteCloser { z, _ := zstd.NewWriter(w); return z }),
		"a.img.lz4": packed(t, sp, samsungLZ4),
		"b.img.lz4": packed(t, sp, func(w io.Writer) io.WriteCloser { return lz4Writer(w, lz4.LegacyOption(true)) }),
		"c.img.lz4": packed(t, sp, func(w io.Writer) io.WriteCloser {
			return lz4Writer(w, lz4.BlockSizeOption(lz4.Block64Kb), lz4.BlockChecksumOption(true), lz4.SizeOption(uint64(len(sp))))
		}),
	} {
		n := newNest(t, nest.Options{})
		path := onDisk(t, name, b)
		o, err := n.Open(ctx, path+"//vendor_a//")
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		judge.Same(t, system(), o.Node)
		if o, err = n.Open(ctx, path); err == nil {
			var failed int
			failed, err = n.Verify(ctx, o, func(nest.Check) {})
			if failed > 0 {
				t.Errorf("%s: %d checks failed", name, failed)
			}
		}
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		// Cut off, it is an error that is said, not a shorter file.
		cut := onDisk(t, name, b[:len(b)*2/3])
		if _, err := n.Open(ctx, cut+"//vendor_a//"); err == nil {
			t.Errorf("%s: two thirds of it were taken", name)
		}
	}
	for name, program := range map[string][]string{"x.img.xz": {"xz", "-0"}, "x.img.bz2": {"bzip2"}, "y.img.lz4": {"lz4", "-BD"}} {
		judge.Need(t, program[0])
		n := newNest(t, nest.Options{})
		path := onDisk(t, name, judge.Pipe(t, sp, program[0], append(program[1:], "-c")...))
		o, err := n.Open(ctx, path+"//vendor_a//")
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		judge.Same(t, system(), o.Node)
	}
}

// The parts of a sparse image are one.
func TestSparseChunks(t *testing.T) {
	image := superImage(t)
	dir := t.TempDir()
	var es []entry
	for i, f := range sparseFiles(t, image, 60_000) {
		name := fmt.Sprintf("super.img_sparsechunk.%d", i)
		es = append(es, entry{name, f})
		if err := os.WriteFile(filepath.Join(dir, name), f, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if len(es) < 2 {
		t.Fatal("one part is no test")
	}
	n := newNest(t, nest.Options{})
	for _, path := range []string{filepath.Join(dir, es[0].name), onDisk(t, "z.zip", zipOf(t, zip.Deflate, es...)) + "//" + es[0].name} {
		o, err := n.Open(ctx, path+"//system_a//")
		if err != nil {
			t.Fatal(err)
		}
		judge.Same(t, system(), o.Node)
	}
}

func TestBootAndPayload(t *testing.T) {
	ramdisk := tree.NewDir(0o755, 0, 0)
	ramdisk.Set("init", tree.NewFile(0o750, 0, 2000, []byte("#!init")))
	rd := must[[]byte](t)(bootimg.PackRamdisk(ramdisk, bootimg.Gzip))
	kernel := bytes.Repeat([]byte("kernel"), 3000)
	for _, im := range []*bootimg.Image{
		{HeaderVersion: 2, PageSize: 2048, Kernel: kernel, Ramdisk: rd, DTB: []byte("dtb!"), Cmdline: "quiet"},
		{HeaderVersion: 4, Kernel: kernel, Ramdisk: rd},
		{Vendor: true, HeaderVersion: 4, PageSize: 4096, VendorRamdisks: []bootimg.VendorRamdisk{{Name: "", Type: bootimg.RamdiskPlatform, Data: rd}}, DTB: []byte("dtb!"), Bootconfig: []byte("a=b\n")},
	} {
		boot := whole(t, must[*tree.Image](t)(bootimg.Build(im)))
		boot = append(boot, make([]byte, (4096-len(boot)%4096)%4096)...)
		var pl bytes.Buffer
		plan := payload.Plan{Parts: []payload.PlanPart{{Name: "boot", New: bytes.NewReader(boot), NewSize: int64(len(boot)), Ops: payload.FullOps(bytes.NewReader(boot), int64(len(boot)), nil)}}}
		if _, err := payload.Write(ctx, &pl, plan, nil); err != nil {
			t.Fatal(err)
		}
		n := newNest(t, nest.Options{})
		path := onDisk(t, "ota.zip", zipOf(t, zip.Store, entry{"payload.bin", pl.Bytes()}))
		name := "ramdisk"
		if im.Vendor {
			name = "ramdisk-0"
		}
		o, err := n.Open(ctx, path+"//payload.bin//boot.img//"+name+"//init")
		if err != nil {
			t.Fatal(err)
		}
		if b, err := io.ReadAll(o.Node.Open()); err != nil || string(b) != "#!init" || o.Node.Perm != 0o750 || o.Node.GID != 2000 {
			t.Errorf("%q %v", b, err)
		}
		if !im.Vendor {
			k, err := n.Open(ctx, path+"//payload.bin//boot.img//kernel")
			if err != nil {
				t.Fatal(err)
			}
			if b, err := io.ReadAll(k.Node.Open()); err != nil || !bytes.Equal(b, kernel) {
				t.Error("the kernel differs", err)
			}
		}
		all, err := n.Open(ctx, path)
		if err != nil {
			t.Fatal(err)
		}
		var whats []string
		if failed, err := n.Verify(ctx, all, func(c nest.Check) { whats = append(whats, c.What) }); err != nil || failed > 0 || !slices.Contains(whats, "payload: SHA-256 of partition boot") {
			t.Error(failed, err, whats)
		}
	}
}

// AOSP's samples, as a whole.
func TestSamples(t *testing.T) {
	const dir = "../../../shared/data/android-samples/"
	if _, err := os.Stat(dir); err != nil {
		t.Skip("needs ../shared/data/android-samples beside the checkout")
	}
	n := newNest(t, nest.Options{})
	for name, want := range map[string]string{
		"otasigned_v3.zip":       "ota: signature of the whole file, by the package's own certificate",
		"pixel3_vbmeta.img":      "avb: signature of vbmeta, by its own key",
		"sample_payloads.tar.xz": "payload: SHA-256 of partition kernel",
		"super_empty.img":        "super: SHA-256 of every copy of the metadata, extents that do not overlap",
		"test_file.bin.sparse":   "sparse: the chunks account for every block",
	} {
		o, err := n.Open(ctx, dir+name)
		if err != nil {
			t.Fatal(err)
		}
		var whats []string
		failed, err := n.Verify(ctx, o, func(c nest.Check) { whats = append(whats, c.What+c.Err) })
		if err != nil || failed > 0 || !slices.Contains(whats, want) {
			t.Errorf("%s: %d failed, %v, %q", name, failed, err, whats)
		}
		in, err := n.Info(ctx, o, -1)
		if err != nil || len(in.Problems) > 0 {
			t.Errorf("%s: %v %q", name, err, in.Problems)
		}
	}
	if _, err := n.Open(ctx, dir+"sample_payloads.tar.xz//delta_payload.bin//root.img//"); !errors.Is(err, nest.ErrAbsent) {
		t.Error(err)
	}
}

func TestTarKeepsEverything(t *testing.T) {
	root := system()
	root.MTime, root.MTimeNsec = 1764000000, 123
	root.Entry("system").Set("socket", &tree.Node{Type: tree.Socket})
	var b bytes.Buffer
	out, err := nest.WriteTar(ctx, root, &b, nil)
	if err != nil || len(out.Skipped) != 1 {
		t.Fatal(out, err)
	}
	root.Entry("system").Remove("socket")
	n := newNest(t, nest.Options{})
	o, err := n.Open(ctx, onDisk(t, "x.tar", b.Bytes())+"//")
	if err != nil {
		t.Fatal(err)
	}
	judge.Same(t, root, o.Node)
	if os.Geteuid() != 0 {
		t.Skip("needs root, to unpack owners and devices")
	}
	dir := t.TempDir()
	judge.Run(t, "tar", "--xattrs", "--xattrs-include=*", "-xpf", onDisk(t, "y.tar", b.Bytes()), "-C", dir)
	got := judge.Folder(t, dir)
	judge.Same(t, root, got)
}

func TestExtract(t *testing.T) {
	dir := t.TempDir()
	into, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer into.Close()
	var n int64
	out, err := nest.Extract(ctx, system(), into, func(k int64) { n += k })
	if err != nil || len(out.Skipped) != 1 || !strings.Contains(out.Skipped[0], "system/null: a char is no plain file") || n != out.Bytes {
		t.Fatal(out, err, n)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "system/ping-again")); err != nil || len(b) != 15000 {
		t.Error(err)
	}
	if s, err := os.Readlink(filepath.Join(dir, "system/not-utf8-\xff")); err != nil || s != "ping" {
		t.Error(s, err)
	}
	if _, err := nest.Extract(ctx, system(), into, nil); !errors.Is(err, fs.ErrExist) {
		t.Errorf("files were replaced: %v", err)
	}
}

// A large file is not written to its end first when the context ends, and
// nothing is left of it.
func TestExtractStops(t *testing.T) {
	root := tree.NewDir(0o755, 0, 0)
	root.Set("large", &tree.Node{Perm: 0o644, Size: 1 << 40, Content: endless{}})
	for name, extract := range map[string]func(ctx context.Context, into *os.Root, stop func(int64)) error{
		"files": func(ctx context.Context, into *os.Root, stop func(int64)) error {
			_, err := nest.Extract(ctx, root, into, stop)
			return err
		},
		"tar": func(ctx context.Context, _ *os.Root, stop func(int64)) error {
			_, err := nest.WriteTar(ctx, root, io.Discard, stop)
			return err
		},
	} {
		dir := t.TempDir()
		into, err := os.OpenRoot(dir)
		if err != nil {
			t.Fatal(err)
		}
		stopped, stop := context.WithCancel(ctx)
		if err := extract(stopped, into, func(int64) { stop() }); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
		into.Close()
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Errorf("%s: left behind: %v %v", name, left, err)
		}
	}
}

// endless is zeros.
type endless struct{}

func (endless) ReadAt(p []byte, _ int64) (int, error) { clear(p); return len(p), nil }

// Nothing is ever written outside of the folder.
func TestNoEscape(t *testing.T) {
	outside := t.TempDir()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, h := range []tar.Header{
		{Name: "../../up", Typeflag: tar.TypeReg},
		{Name: outside + "/absolute", Typeflag: tar.TypeReg},
		{Name: "a/../../dots", Typeflag: tar.TypeReg},
		{Name: "link", Typeflag: tar.TypeSymlink, Linkname: outside},
		{Name: "link/through", Typeflag: tar.TypeReg},
		{Name: "hard", Typeflag: tar.TypeLink, Linkname: "../../etc/passwd"},
		{Name: "good", Typeflag: tar.TypeReg},
	} {
		if err := w.WriteHeader(&h); err != nil {
			t.Fatal(err)
		}
	}
	w.Close()
	z := zipOf(t, zip.Store, entry{"../../x", []byte("x")}, entry{"/abs", []byte("x")}, entry{"good", []byte("x")}, entry{`..\..\x`, []byte("x")})
	for name, file := range map[string][]byte{"evil.tar": b.Bytes(), "evil.zip": z} {
		n := newNest(t, nest.Options{})
		o, err := n.Open(ctx, onDisk(t, name, file))
		if err != nil {
			t.Fatal(err)
		}
		opened, err := n.Container(ctx, o.File)
		if err != nil || len(opened.Problems) < 3 {
			t.Fatal(err, opened)
		}
		dir := filepath.Join(t.TempDir(), "deep", "er")
		if err := os.MkdirAll(dir, 0o755); err != nil {
			t.Fatal(err)
		}
		// A link that lies there already, and a tree that says the same name is a folder.
		if err := os.Symlink(outside, filepath.Join(dir, "there")); err != nil {
			t.Fatal(err)
		}
		into, err := os.OpenRoot(dir)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := nest.Extract(ctx, opened.Root, into, nil); err != nil {
			t.Error(err)
		}
		evil := tree.NewDir(0o755, 0, 0)
		there := tree.NewDir(0o755, 0, 0)
		there.Set("x", tree.NewFile(0o644, 0, 0, []byte("x")))
		evil.Set("there", there)
		if _, err := nest.Extract(ctx, evil, into, nil); err == nil {
			t.Error("a link was followed")
		}
		into.Close()
		if left, _ := os.ReadDir(outside); len(left) > 0 {
			t.Errorf("%s: outside there are %v", name, left)
		}
		if _, err := os.Stat(filepath.Join(dir, "good")); err != nil {
			t.Error(err)
		}
	}
}

func TestBombs(t *testing.T) {
	zeros := packed(t, make([]byte, 8<<20), func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) })
	n := newNest(t, nest.Options{MaxSpill: 1 << 20})
	if _, err := n.Open(ctx, onDisk(t, "a.gz", zeros)+"//x"); err == nil || !strings.Contains(err.Error(), "more than 1048576 bytes") {
		t.Error(err)
	}
	// A zip whose entry says less than it holds.
	z := zipOf(t, zip.Deflate, entry{"x", bytes.Repeat([]byte("hello"), 1000)})
	i := bytes.Index(z, []byte("PK\x01\x02"))
	binary.LittleEndian.PutUint32(z[i+24:], 100)
	o, err := n.Open(ctx, onDisk(t, "lies.zip", z)+"//x")
	if err == nil {
		_, err = io.ReadAll(o.Node.Open())
	}
	if err == nil {
		t.Error("an entry longer than it says was taken")
	}
	// Wrapped too deep.
	b := []byte("x")
	for range nest.MaxDepth + 3 {
		b = packed(t, b, func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) })
	}
	if _, err := newNest(t, nest.Options{}).Open(ctx, onDisk(t, "deep.gz", b)+"//"); err == nil || !strings.Contains(err.Error(), "levels lie within each other") {
		t.Error(err)
	}
	big, _ := zstd.NewWriter(nil, zstd.WithWindowSize(128<<20), zstd.WithEncoderLevel(zstd.SpeedFastest))
	noise := make([]byte, 70<<20)
	r := rand.New(rand.NewPCG(1, 1))
	for i := 0; i < len(noise); i += 8 {
		binary.LittleEndian.PutUint64(noise[i:], r.Uint64())
	}
	var out bytes.Buffer
	big.Reset(&out)
	if _, err := big.Write(noise); err != nil {
		t.Fatal(err)
	}
	big.Close()
	if _, err := newNest(t, nest.Options{}).Open(ctx, onDisk(t, "w.zst", out.Bytes())+"//"); err == nil || !strings.Contains(err.Error(), "window is larger than the 67108864 bytes") {
		t.Error(err)
	}
}

func FuzzIdentify(f *testing.F) {
	f.Add("a.zip", zipOf(f, zip.Deflate, entry{"a/b", []byte("hello")}, entry{"../x", nil}))
	f.Add("a.tar.md5", tarOf(f, true, entry{"a", []byte("hello")}))
	f.Add("a.lz4", packed(f, []byte("hello hello hello hello"), samsungLZ4))
	f.Add("a.gz", packed(f, tarOf(f, false, entry{"a", []byte("hello")}), func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) }))
	rd := tree.NewDir(0o755, 0, 0)
	rd.Set("init", tree.NewFile(0o750, 0, 2000, []byte("#!init")))
	cpio := must[[]byte](f)(bootimg.PackRamdisk(rd, bootimg.Plain))
	f.Add("ramdisk", cpio)
	f.Add("boot.img", whole(f, must[*tree.Image](f)(bootimg.Build(&bootimg.Image{HeaderVersion: 2, PageSize: 2048, Kernel: []byte("k"), Ramdisk: cpio}))))
	f.Add("a.img", sparseFiles(f, make([]byte, 8192), 0)[0])
	f.Add("a.sin", append([]byte("\x03SIN"), make([]byte, 100)...))
	f.Add("RUU.exe", []byte("MZ....Htc@egi$"))
	f.Add("rom.zip", append([]byte("LaR@eZip"), make([]byte, 300)...))
	f.Add("a.ops", make([]byte, 1024))
	f.Add("b.zip", zipOf(f, zip.Store, entry{"s.transfer.list", []byte("4\n1\n0\n0\nnew 2,0,1\n")}, entry{"s.new.dat", make([]byte, 4096)}))
	f.Fuzz(func(t *testing.T, name string, b []byte) {
		if strings.ContainsAny(name, "/\x00") || len(name) > 200 || name == "" || name == "." || name == ".." {
			name = "x"
		}
		n := nest.New(nest.Options{TempDir: t.TempDir(), MaxSpill: 4 << 20})
		defer n.Close()
		o := &nest.Object{Path: "x", File: nest.File{Name: name, R: bytes.NewReader(b), Size: int64(len(b))}}
		if _, err := n.Info(ctx, o, -1); err != nil {
			t.Fatal(err)
		}
		if _, err := n.Verify(ctx, o, func(nest.Check) {}); err != nil {
			t.Fatal(err)
		}
		opened, err := n.Container(ctx, o.File)
		if err != nil || opened.Root == nil {
			return
		}
		into, err := os.OpenRoot(t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		defer into.Close()
		var total int64
		_ = tree.Walk(opened.Root, func(_ string, n *tree.Node) error { total += n.Size; return nil })
		if total < 4<<20 {
			_, _ = nest.Extract(ctx, opened.Root, into, nil)
			_, _ = nest.WriteTar(ctx, opened.Root, io.Discard, nil)
		}
	})
}
