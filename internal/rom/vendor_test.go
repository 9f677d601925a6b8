package rom

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/android/bootimg"
	"github.com/fridayos/friday/android/buildprop"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/judge"
	"github.com/fridayos/friday/internal/rom/intake"
	"github.com/fridayos/friday/internal/stocktest"
)

// vendors are a device of each, as device.yaml has it.
var vendors = map[stocktest.Maker]struct{ codename, yaml string }{
	stocktest.Xiaomi:         {"umi", "trust: custom-key\n  slots: ab\n  flash: fastboot\n  payload_minor: 6\n  update_certificates: [\"system:system/etc/security/otacerts.zip\", \"boot:system/etc/security/otacerts.zip\"]"},
	stocktest.XiaomiFastboot: {"umi", "trust: unlocked\n  slots: ab\n  flash: fastboot\n  payload_minor: 6\n  update_certificates: [\"system:system/etc/security/otacerts.zip\", \"boot:system/etc/security/otacerts.zip\"]"},
	stocktest.Samsung:        {"hlte", "trust: none\n  slots: single\n  flash: odin\n  update_certificates: [\"system:system/etc/security/otacerts.zip\", \"recovery:res/keys\"]"},
	stocktest.Sony:           {"sumire", "trust: unlocked\n  slots: single\n  flash: fastboot\n  update_certificates: [\"system:system/etc/security/otacerts.zip\", \"recovery:res/keys\"]"},
	stocktest.HTC:            {"m8", "trust: unlocked\n  slots: single\n  flash: recovery\n  update_certificates: [\"system:system/etc/security/otacerts.zip\", \"recovery:res/keys\"]"},
	stocktest.OnePlus:        {"instantnoodle", "trust: custom-key\n  slots: ab\n  flash: fastboot\n  payload_minor: 6\n  update_certificates: [\"system:system/etc/security/otacerts.zip\", \"boot:system/etc/security/otacerts.zip\"]"},
}

// ofMaker is a workshop with the stock of a maker's phone, and its device.
func ofMaker(t *testing.T, m stocktest.Maker, layers string) (*workshop, string) {
	t.Helper()
	v := vendors[m]
	w := newWorkshop(t, smallStock())
	device := fmt.Sprintf("codename: %s\nvendor: %s\nname: a phone\nboot:\n  %s\nlayers: %s\n", v.codename, m, v.yaml, layers)
	w.commit(time.Hour, map[string]string{
		"devices/" + v.codename + "/device.yaml": device,
		"os.yaml":                                "name: Friday OS\nupdate_url: https://ota.example.org\nchannels: [weekly]\ndefault_channel: weekly\nlayers: []\n",
	})
	w.stock = w.addStock(stockZip(t, stocktest.Spec{Maker: m, Seed: 3, Files: 250, Bytes: 3 << 20}), v.codename)
	return w, v.codename
}

func (w *workshop) buildOf(device, version string) catalog.Build {
	w.t.Helper()
	in := w.input(version)
	in.Device = device
	b, _, err := Build(w.t.Context(), in)
	if err != nil {
		w.t.Fatal(err)
	}
	return b
}

// TestIdentity builds each vendor's firmware with no layers, and each file system, plain
// and compressed, with error correction and without: every file stays as it was in
// content, label, owner, mode, capability, time and link, but for what Friday writes
// itself; and what no one touches stays byte for byte.
func TestIdentity(t *testing.T) {
	specs := map[string]stocktest.Spec{
		"lz4, fec":              {Maker: stocktest.Xiaomi, LZ4: 16, FECRoots: 2},
		"ext4, fec":             {Maker: stocktest.OnePlus, FECRoots: 2},
		"ext4, verified boot 1": {Maker: stocktest.Sony, Verity: stocktest.Verity6, Vendor: true},
	}
	for _, m := range stocktest.Makers() {
		specs[string(m)] = stocktest.Spec{Maker: m}
	}
	for name, s := range specs {
		t.Run(name, func(t *testing.T) {
			w, device := ofMaker(t, s.Maker, "[]")
			if s != (stocktest.Spec{Maker: s.Maker}) {
				s.Seed, s.Files, s.Bytes = 4, 250, 3<<20
				w.stock = w.addStock(stockZip(t, s), device)
			}
			b := w.buildOf(device, "26.11.27")
			for _, p := range w.stock.Partitions {
				ours := partitionNamed(t, b.Images, p.Name)
				if p.FS != ours.FS {
					t.Errorf("%s is %q, stock's is %q", p.Name, ours.FS, p.FS)
				}
				switch {
				case strings.HasPrefix(p.Name, "vbmeta"):
				case p.FS == "":
					identicalBoot(t, w, p, ours)
				default:
					if ours.Digest != p.Digest {
						identicalFiles(t, w.tree(p), w.tree(ours), p.Name == "system")
					}
					t.Run("judged "+p.Name, func(t *testing.T) { judge.FileSystem(t, ours.FS, w.file(ours), w.tree(ours)) })
				}
			}
		})
	}
}

// identicalFiles compares two file systems; of system but for build.prop and
// otacerts.zip, which must have changed.
func identicalFiles(t *testing.T, stock, ours *tree.Node, system bool) {
	t.Helper()
	lines, err := tree.Diff(stock, ours)
	if err != nil {
		t.Fatal(err)
	}
	written := 0
	for _, l := range lines {
		if system && strings.Contains(l, "build.prop") || system && strings.Contains(l, "etc/security/otacerts.zip") {
			written++
			continue
		}
		t.Error(l)
	}
	if !system {
		return
	}
	if written < 2 {
		t.Errorf("Friday's own files are the stock's: %q", lines)
	}
	f, err := intake.PropFile(ours)
	if err != nil {
		t.Fatal(err)
	}
	props, err := buildprop.Parse(f.Text)
	if err != nil {
		t.Fatal(err)
	}
	if v, _ := props.Get("ro.friday.version"); v != "26.11.27" {
		t.Errorf("ro.friday.version is %q", v)
	}
}

// identicalBoot compares boot images but for certificates and keys in their ramdisks.
func identicalBoot(t *testing.T, w *workshop, stock, ours catalog.Partition) {
	t.Helper()
	if ours.Digest == stock.Digest {
		return
	}
	open := func(p catalog.Partition) (*bootimg.Image, *tree.Node) {
		r, err := w.blobs.Open(p.Digest)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		im, err := bootimg.Parse(r, r.Size())
		if err != nil {
			t.Fatal(err)
		}
		root, _, err := bootimg.UnpackRamdisk(im.Ramdisk)
		if err != nil {
			t.Fatal(err)
		}
		return im, root
	}
	a, before := open(stock)
	b, after := open(ours)
	if !slices.Equal(a.Kernel, b.Kernel) || a.Cmdline != b.Cmdline || a.HeaderVersion != b.HeaderVersion || a.KernelAddr != b.KernelAddr {
		t.Errorf("%s: kernel, command line or header differ", stock.Name)
	}
	lines, err := tree.Diff(before, after)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range lines {
		if !strings.Contains(l, "otacerts.zip") && !strings.Contains(l, `"res/keys"`) && !strings.Contains(l, `"verity_key"`) {
			t.Errorf("%s: %s", stock.Name, l)
		}
	}
}

// TestOneLayerForAll: "system:system/app" is the place of apps on phones of both
// shapes.
func TestOneLayerForAll(t *testing.T) {
	for _, m := range []stocktest.Maker{stocktest.Samsung, stocktest.OnePlus} {
		t.Run(string(m), func(t *testing.T) {
			w, device := ofMaker(t, m, "[mine]")
			w.commit(2*time.Hour, map[string]string{
				"layers/mine/layer.yaml": `why: a test
add:
  - from: files
    to: system:system
    rules:
      - {path: system/bin/pinger, capabilities: [net_raw]}
remove: ["system:system/app/MSA"]
props:
  system:
    set: {ro.mine: "${device.codename}"}
`,
				"layers/mine/files/bin/pinger":    "pinger",
				"layers/mine/files/app/My/My.apk": "apk",
			})
			b := w.buildOf(device, "26.11.27")
			root := w.tree(partitionNamed(t, b.Images, "system"))
			if sub := root.Entry("system"); sub != nil && sub.Type == tree.Directory {
				root = sub
			}
			pinger := root.Lookup("bin/pinger")
			if pinger == nil || pinger.Perm != 0o755 || pinger.GID != 2000 || pinger.Label() != "u:object_r:system_file:s0" {
				t.Fatalf("pinger %+v", pinger)
			}
			if _, ok := pinger.Xattr("security.capability"); !ok {
				t.Error("pinger has no capability")
			}
			if root.Lookup("app/MSA") != nil || root.Lookup("app/My/My.apk") == nil || root.Lookup("app/Calculator") == nil {
				t.Error("removed and added apps")
			}
		})
	}
}
