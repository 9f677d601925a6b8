package rom

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/android/avb"
	"github.com/fridayos/friday/android/bootimg"
	"github.com/fridayos/friday/android/buildprop"
	"github.com/fridayos/friday/android/otazip"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/osrepo"
	"github.com/fridayos/friday/internal/rom/intake"
	"github.com/fridayos/friday/internal/rom/report"
	"github.com/fridayos/friday/internal/stocktest"
)

func content(t testing.TB, n *tree.Node) []byte {
	t.Helper()
	if n == nil {
		t.Fatal("the file is not there")
	}
	b, err := io.ReadAll(n.Open())
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestAddStock(t *testing.T) {
	w := newWorkshop(t, smallStock())
	s := w.stock
	if s.Device != "umi" || s.SDK != 33 || s.Release != "13" || s.PatchLevel != "2026-09-01" || !strings.HasPrefix(s.Fingerprint, "Xiaomi/umi/umi:13/") || s.Timestamp != 1788220800 {
		t.Errorf("facts %+v", s)
	}
	var names []string
	for _, p := range s.Partitions {
		names = append(names, p.Name+" "+p.FS)
	}
	if !slices.Equal(names, []string{"boot ", "system erofs", "vbmeta "}) {
		t.Errorf("partitions %q", names)
	}
	v, err := intake.View(w.blobs, s)
	if err != nil {
		t.Fatal(err)
	}
	if e, ok := v.Index.Lookup("system", "system/bin/run-as"); !ok || e.Perm != 0o750 || e.Label != "u:object_r:runas_exec:s0" || e.Digest == "" {
		t.Errorf("listing of run-as: %+v", e)
	}
	if !strings.Contains(string(v.Props["system"].Text), "ro.build.fingerprint="+s.Fingerprint) {
		t.Error("the listing has no properties")
	}
	again := w.addStock(stockZip(t, smallStock()), "umi")
	if again.Digest != s.Digest || again.Index != s.Index {
		t.Error("taken in twice: other digests")
	}
}

func TestBuild(t *testing.T) {
	w := newWorkshop(t, smallStock())
	w.commit(time.Hour, map[string]string{
		"layers/mine/layer.yaml": `why: a test
add:
  - from: files
    to: system:system
    rules:
      - {path: system/bin/pinger, capabilities: [net_raw]}
remove: ["system:system/etc/sizes/*"]
props:
  system:
    set: {ro.mine: "${device.codename} ${version}"}
    append: {ro.build.display.id: " ${os.name}"}
    delete: [ro.vendor.analytics.enabled]
`,
		"layers/mine/files/bin/pinger":                   "pinger",
		"layers/mine/files/bin/run-as":                   "another run-as",
		"layers/mine/files/priv-app/Mine/Mine.apk":       "apk",
		"layers/mine/files/etc/permissions/platform.xml": "<ours/>",
		"devices/umi/device.yaml":                        readDevice(t, w, "layers: []", "layers: [mine]"),
	})
	b, r := w.build("26.11.27")
	stock, system := w.tree(partitionNamed(t, w.stock.Partitions, "system")), w.tree(partitionNamed(t, b.Images, "system"))
	at := func(p string) *tree.Node { return system.Lookup("system/" + p) }

	if b.Timestamp != when.Add(time.Hour).Unix() || b.Incremental != "26.11.27" || b.Fingerprint != w.stock.Fingerprint || b.RollbackIndex != 1788220800 || b.SDK != 33 || len(b.VBMetaDigest) != 64 {
		t.Errorf("build %+v", b)
	}
	if n := at("bin/pinger"); n.Perm != 0o755 || n.GID != 2000 || n.MTime != b.Timestamp || n.Label() != "u:object_r:system_file:s0" || string(content(t, n)) != "pinger" {
		t.Errorf("pinger %+v", n)
	} else if c, _ := n.Xattr("security.capability"); len(c) != 20 || c[5] != 0x20 {
		t.Errorf("capability %x", c)
	}
	was := stock.Lookup("system/bin/run-as")
	if n := at("bin/run-as"); n.Perm != 0o750 || n.Label() != "u:object_r:runas_exec:s0" || string(content(t, n)) != "another run-as" || !slices.EqualFunc(n.Xattrs, was.Xattrs, sameXattr) {
		t.Errorf("run-as lost what it had: %+v", n)
	}
	if n := at("etc/permissions/platform-copy.xml"); string(content(t, n)) != "<permissions/>\n" {
		t.Error("the other name of a replaced hard link changed")
	}
	if n := at("etc/sizes"); n == nil || n.Type != tree.Directory || len(n.Entries) != 0 || n.MTime != stock.Lookup("system/etc/sizes").MTime {
		t.Errorf("the emptied folder: %+v", n)
	}
	if at("app/MSA") != nil || at("app/Calculator/Calculator.apk") == nil {
		t.Error("removals")
	}
	props, err := buildprop.Parse(content(t, at("build.prop")))
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"ro.build.version.incremental": "26.11.27", "ro.build.date.utc": "1795179600", "ro.build.date": "Fri Nov 20 13:00:00 UTC 2026",
		"ro.friday.version": "26.11.27", "ro.friday.channel": "weekly", "ro.friday.update_url": "https://ota.example.org", "ro.friday.name": "Friday OS",
		"ro.mine": "umi 26.11.27", "ro.build.display.id": "TKQ1.221114.001 release-keys Friday OS", "ro.vendor.analytics.enabled": "",
		"ro.build.fingerprint": w.stock.Fingerprint,
	} {
		if got, _ := props.Get(key); got != want {
			t.Errorf("%s=%q, want %q", key, got, want)
		}
	}
	if n := at("build.prop"); n.Perm != 0o600 || n.Label() == "" {
		t.Errorf("build.prop %+v", n)
	}
	for path, want := range map[string]string{
		"system:system/bin/pinger": "mine", "system:system/bin/sh": report.Stock, "system:system/build.prop": report.Friday, "system:": report.Stock,
		"system:system/etc/friday/welcome.txt": "base", "system:system/etc/security/otacerts.zip": report.Friday, "boot:system/etc/security/otacerts.zip": report.Friday,
	} {
		if r.Owners[path] != want {
			t.Errorf("%s is owned by %q, want %q", path, r.Owners[path], want)
		}
	}
	if r.Removed["system:system/app/MSA/MSA.apk"] != "clean" || r.Properties["system:ro.mine"] != "mine" || len(r.Wipes) != 3 || !r.Wipes[0].Wipes {
		t.Errorf("report %+v", r)
	}
	kept, err := report.Read(w.blobs, b)
	if err != nil || len(kept.Owners) != len(r.Owners) {
		t.Errorf("the kept report: %v", err)
	}
	var text bytes.Buffer
	if err := r.Text(&text); err != nil || !strings.Contains(text.String(), "  - system:system/app/MSA\n") || !strings.Contains(text.String(), "WIPES") {
		t.Errorf("%v\n%s", err, text.String())
	}
	certificatesIn(t, w, b)
}

func sameXattr(a, b tree.Xattr) bool { return a.Name == b.Name && bytes.Equal(a.Value, b.Value) }

// certificatesIn looks for our certificate, alone, where system and recovery do.
func certificatesIn(t *testing.T, w *workshop, b catalog.Build) {
	t.Helper()
	r, err := w.blobs.Open(partitionNamed(t, b.Images, "boot").Digest)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	f, ok, err := avb.ParseFooter(r, r.Size())
	if err != nil || !ok {
		t.Fatalf("boot has no footer: %v", err)
	}
	im, err := bootimg.Parse(r, int64(f.OriginalImageSize))
	if err != nil {
		t.Fatal(err)
	}
	ramdisk, compression, err := bootimg.UnpackRamdisk(im.Ramdisk)
	if err != nil || compression != bootimg.LZ4Legacy {
		t.Fatalf("ramdisk packed as %d: %v", compression, err)
	}
	for place, n := range map[string]*tree.Node{
		"system": w.tree(partitionNamed(t, b.Images, "system")).Lookup("system/etc/security/otacerts.zip"),
		"boot":   ramdisk.Lookup("system/etc/security/otacerts.zip"),
	} {
		text := content(t, n)
		certs, err := otazip.ReadCerts(bytes.NewReader(text), int64(len(text)))
		if err != nil || len(certs) != 1 || !certs[0].Equal(w.cert) {
			t.Errorf("%s trusts %d certificates: %v", place, len(certs), err)
		}
	}
	if n := ramdisk.Lookup("init"); n.Perm != 0o750 || n.Size != 600<<10 {
		t.Errorf("init of the ramdisk: %+v", n)
	}
}

func readDevice(t *testing.T, w *workshop, old, new string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(w.repo, "devices/umi/device.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(b), old) {
		t.Fatalf("device.yaml has no %q", old)
	}
	return strings.Replace(string(b), old, new, 1)
}

// TestSameBytes builds twice, in other folders, time zones and numbers of cores.
func TestSameBytes(t *testing.T) {
	a, ra := newWorkshop(t, smallStock()).build("26.11.27")
	t.Setenv("TZ", "Asia/Kolkata")
	t.Setenv("LANG", "tr_TR.UTF-8")
	local := time.Local
	time.Local = time.FixedZone("IST", 19800)
	defer func() { time.Local = local }()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	b, rb := newWorkshop(t, smallStock()).build("26.11.27")
	if a.ID != b.ID || a.VBMetaDigest != b.VBMetaDigest || a.Report != b.Report || len(ra.Owners) != len(rb.Owners) {
		t.Errorf("%+v\n%+v", a, b)
	}
}

// TestNextWeek: another version changes little, and the salts stay.
func TestNextWeek(t *testing.T) {
	w := newWorkshop(t, smallStock())
	a, _ := w.build("26.11.20")
	w.commit(7*24*time.Hour, map[string]string{"layers/base/system/etc/friday/news.txt": "news\n"})
	b, _ := w.build("26.11.27")
	lines, err := tree.Diff(w.tree(partitionNamed(t, a.Images, "system")), w.tree(partitionNamed(t, b.Images, "system")))
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range lines {
		ours := strings.HasPrefix(l, `"system/build.prop"`) || strings.HasPrefix(l, `"system/etc/friday`) || strings.HasPrefix(l, `"system/bin/friday`) || strings.HasPrefix(l, `"system/etc/security/otacerts.zip": time`)
		if !ours {
			t.Error(l)
		}
	}
	x, y := hashtree(t, w, a), hashtree(t, w, b)
	if !bytes.Equal(x.Salt, y.Salt) || bytes.Equal(x.RootDigest, y.RootDigest) {
		t.Error("the salt must stay and the root must not")
	}
	if a.ID == b.ID || a.Timestamp >= b.Timestamp {
		t.Errorf("%+v then %+v", a, b)
	}
}

func hashtree(t *testing.T, w *workshop, b catalog.Build) *avb.HashtreeDescriptor {
	t.Helper()
	r, err := w.blobs.Open(partitionNamed(t, b.Images, "vbmeta").Digest)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	v, err := readVBMeta(r, r.Size())
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range v.Descriptors {
		if h, ok := d.(*avb.HashtreeDescriptor); ok && h.Partition == "system" {
			return h
		}
	}
	t.Fatal("vbmeta has no hash tree of system")
	return nil
}

func TestProgress(t *testing.T) {
	w := newWorkshop(t, smallStock())
	in := w.input("1")
	seen := map[string]int64{}
	in.Progress = func(step string, done, total int64) {
		if done > total {
			t.Errorf("%s: %d of %d", step, done, total)
		}
		seen[step] = max(seen[step], done)
	}
	if _, _, err := Build(t.Context(), in); err != nil {
		t.Fatal(err)
	}
	for _, step := range []string{"check", "hash system", "write system", "write boot", "write vbmeta", "verify"} {
		if _, ok := seen[step]; !ok {
			t.Errorf("step %q was not told; told were %v", step, seen)
		}
	}
}

func TestRefused(t *testing.T) {
	w := newWorkshop(t, smallStock())
	device := func(old, new string) func(*workshop) {
		return func(w *workshop) {
			w.commit(time.Hour, map[string]string{"devices/umi/device.yaml": readDevice(t, w, old, new)})
		}
	}
	restore := readDevice(t, w, "codename", "codename")
	for _, c := range []struct {
		name   string
		change func(*workshop)
		input  func(*Input)
		want   string
	}{
		{"no key", nil, func(in *Input) { in.AVB = nil }, "cannot build umi 26.11.27: input: the AVB key is missing"},
		{"no certificate", nil, func(in *Input) { in.UpdateCert = nil }, "the next update would not be trusted"},
		{"another device", nil, func(in *Input) { in.Device = "cmi" }, `the stock is for device "umi", expected "cmi"`},
		{"another stock", device("layers: []", "stock: "+strings.Repeat("ab", 32)+"\nlayers: []"), nil, "device.yaml asks for stock abab"},
		{"too large", device("    fs: erofs", "    fs: erofs\n    size: 4096"), nil, "there is room for 4096 by devices/umi/device.yaml: remove "},
		{"no such partition", device("  system:\n", "  systen:\n"), nil, `devices/umi/device.yaml:18:3: stock has no partition systen; did you mean "system"?`},
		{"another file system", device("fs: erofs", "fs: raw"), nil, "devices/umi/device.yaml:19:9: partition system has fs raw, the stock's is erofs; a partition keeps its file system; expected erofs"},
		{"certificate nowhere", device("boot:system/etc", "boot:nowhere"), nil, "partition boot: ramdisk: the boot profile has the update certificates at nowhere/security/otacerts.zip, but stock has no such file"},
		{"certificate in no partition", device("- boot:", "- recovery:"), nil, "stock has no partition recovery"},
		{"a wrong layer", func(w *workshop) {
			w.commit(time.Hour, map[string]string{"layers/clean/layer.yaml": "why: x\nremove: [\"system:system/app/MSB\"]\n"})
		}, nil, `layers/clean/layer.yaml:2:10: stock has no system:system/app/MSB; did you mean "system:system/app/MSA"?`},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.t = t
			w.commit(time.Minute, map[string]string{"devices/umi/device.yaml": restore, "x": c.name})
			if c.change != nil {
				c.change(w)
			}
			in := w.input("26.11.27")
			if c.input != nil {
				c.input(&in)
			}
			_, _, err := Build(t.Context(), in)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Fatalf("%v, want %q", err, c.want)
			}
			var wrong osrepo.Problems
			if c.name == "a wrong layer" && (!errors.As(err, &wrong) || err.Error() != c.want || Check(w.blobs, in.Snapshot, "umi", w.stock).Error() != c.want) {
				t.Errorf("the repository's mistake is wrapped: %v", err)
			}
		})
	}
}

func TestStockRefused(t *testing.T) {
	w := newWorkshop(t, smallStock())
	f := stockZip(t, smallStock())
	n := size(t, f)
	if _, err := intake.Add(t.Context(), w.blobs, firmwareFile(f, n), "cmi", t.TempDir()); err == nil || !strings.Contains(err.Error(), `cannot add stock for cmi: it says that it is for ["umi"], expected "cmi"`) {
		t.Errorf("another device: %v", err)
	}
	if _, err := intake.Add(t.Context(), w.blobs, firmwareFile(f, n/2), "umi", t.TempDir()); err == nil {
		t.Error("half a zip was taken")
	}
	z, err := otazip.Open(f, n)
	if err != nil {
		t.Fatal(err)
	}
	p, err := z.Payload()
	if err != nil {
		t.Fatal(err)
	}
	_, off, _ := p.Outer()
	var b [1]byte
	if _, err := f.ReadAt(b[:], off+p.Size()/2); err != nil {
		t.Fatal(err)
	}
	b[0] ^= 1
	if _, err := f.WriteAt(b[:], off+p.Size()/2); err != nil {
		t.Fatal(err)
	}
	if _, err := intake.Add(t.Context(), w.blobs, firmwareFile(f, n), "umi", t.TempDir()); err == nil || !strings.Contains(err.Error(), "partition ") {
		t.Errorf("a flipped byte: %v", err)
	}
}

// TestRealAndroid lays last week's real files over the stock and this week's in
// a layer: make test fetches them.
func TestRealAndroid(t *testing.T) {
	dir := os.Getenv("FRIDAY_REAL_ANDROID")
	if dir == "" {
		t.Skip("needs FRIDAY_REAL_ANDROID, a folder of real Android files; make test prepares it")
	}
	s := smallStock()
	var done func()
	var err error
	if s.Extra, done, err = stocktest.Real(filepath.Join(dir, "1")); err != nil {
		t.Fatal(err)
	}
	defer done()
	next, doneNext, err := stocktest.Real(filepath.Join(dir, "2"))
	if err != nil {
		t.Fatal(err)
	}
	defer doneNext()
	w := newWorkshop(t, s)
	before, _ := w.build("26.11.20")
	compareReal(t, w, before, s.Extra)
	changes := map[string]string{
		"layers/week/layer.yaml":  "why: this week's programs\nadd:\n  - {from: system, to: \"system:system\"}\n",
		"devices/umi/device.yaml": readDevice(t, w, "layers: []", "layers: [week]"),
	}
	eachFile(t, next, func(p string, n *tree.Node) { changes["layers/week/"+p] = string(content(t, n)) })
	w.commit(7*24*time.Hour, changes)
	after, _ := w.build("26.11.27")
	compareReal(t, w, after, next)
	judges(t, w, after)
}

func eachFile(t *testing.T, root *tree.Node, fn func(p string, n *tree.Node)) {
	t.Helper()
	err := tree.Walk(root, func(p string, n *tree.Node) error {
		if n.Type == tree.Regular {
			fn(p, n)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func compareReal(t *testing.T, w *workshop, b catalog.Build, want *tree.Node) {
	t.Helper()
	system, files := w.tree(partitionNamed(t, b.Images, "system")), 0
	eachFile(t, want, func(p string, n *tree.Node) {
		have := system.Lookup(p)
		if have == nil || !bytes.Equal(content(t, n), content(t, have)) || have.Perm != n.Perm || have.GID != n.GID || have.Label() == "" {
			t.Errorf("%s: %+v, want %+v", p, have, n)
		}
		files++
	})
	if t.Logf("%s: %d real files", b.Version, files); files < 3 {
		t.Errorf("%d real files, expected some", files)
	}
}

func BenchmarkBuild(b *testing.B) {
	w := newWorkshop(b, stocktest.Default())
	in := w.input("26.11.27")
	b.SetBytes(partitionNamed(b, w.stock.Partitions, "system").Size)
	for b.Loop() {
		if _, _, err := Build(b.Context(), in); err != nil {
			b.Fatal(err)
		}
	}
}
