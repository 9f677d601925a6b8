package rom

import (
	"bytes"
	"crypto/x509"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/android/bootimg"
	"github.com/fridayos/friday/android/otazip"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/judge"
)

// generic gives the stock a kernel of Google's: a boot without ramdisk, and a vendor_boot
// with three, of which recovery's has the vendor's certificates.
func generic(t *testing.T, w *workshop) (untouched []byte) {
	t.Helper()
	_, theirs := keysOf(t, 1)
	certs, err := otazip.WriteCerts([]*x509.Certificate{theirs})
	if err != nil {
		t.Fatal(err)
	}
	pack := func(files map[string]string) []byte {
		root := tree.NewDir(0o755, 0, 0)
		for name, text := range files {
			dir := root
			for part := range strings.SplitSeq(filepath.Dir(name), "/") {
				if dir.Entry(part) == nil {
					dir.Set(part, tree.NewDir(0o755, 0, 0))
				}
				dir = dir.Entry(part)
			}
			dir.Set(filepath.Base(name), tree.NewFile(0o644, 0, 0, []byte(text)))
		}
		b, err := bootimg.PackRamdisk(root, bootimg.LZ4Legacy)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	untouched = pack(map[string]string{"lib/modules/wifi.ko": "a module"})
	for name, im := range map[string]*bootimg.Image{
		"boot": {HeaderVersion: 4, PageSize: 4096, Kernel: bytes.Repeat([]byte("MZ kernel"), 9000), Cmdline: "console=null"},
		"vendor_boot": {Vendor: true, HeaderVersion: 4, PageSize: 4096, DTB: []byte("device tree"), Bootconfig: []byte("androidboot.hardware=qcom\n"), Cmdline: "bootconfig", VendorRamdisks: []bootimg.VendorRamdisk{
			{Type: bootimg.RamdiskPlatform, Data: pack(map[string]string{"first_stage_ramdisk/fstab.qcom": "system /system erofs ro wait,slotselect,avb,logical,first_stage_mount\n"})},
			{Name: "recovery", Type: bootimg.RamdiskRecovery, Data: pack(map[string]string{"system/etc/security/otacerts.zip": string(certs), "system/etc/hello.rc": "theirs"})},
			{Name: "dlkm", Type: bootimg.RamdiskDLKM, Data: untouched},
		}},
	} {
		image, err := bootimg.Build(im)
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if _, err := image.WriteTo(&b); err != nil {
			t.Fatal(err)
		}
		ref, err := w.blobs.Put(t.Context(), &b)
		if err != nil {
			t.Fatal(err)
		}
		p := catalog.Partition{Name: name, Digest: ref.Digest, Size: ref.Size}
		if name == "vendor_boot" {
			w.stock.Partitions = append(w.stock.Partitions, p)
			continue
		}
		for i := range w.stock.Partitions {
			if w.stock.Partitions[i].Name == name {
				w.stock.Partitions[i] = p
			}
		}
	}
	return untouched
}

// TestVendorBoot: of the ramdisks of a vendor_boot each is changed that has what is
// replaced, what is new goes into the one that is always loaded, and the others stay.
func TestVendorBoot(t *testing.T) {
	w := newWorkshop(t, smallStock())
	dlkm := generic(t, w)
	w.commit(time.Hour, map[string]string{
		"layers/mine/layer.yaml": `why: a test
boot:
  boot:
    cmdline: {append: [loglevel=4]}
  vendor_boot:
    ramdisk: [{from: ramdisk, to: ""}]
    cmdline: {append: [ours=1]}
`,
		"layers/mine/ramdisk/overlay.d/ours.rc":   "on boot\n",
		"layers/mine/ramdisk/system/etc/hello.rc": "ours",
		"devices/umi/device.yaml":                 strings.Replace(readDevice(t, w, "layers: []", "layers: [mine]"), "- boot:", "- vendor_boot:", 1),
	})
	b, said := w.build("26.11.27")
	file := w.file(partitionNamed(t, b.Images, "vendor_boot"))
	dir := t.TempDir()
	if out := judge.Run(t, "unpack_bootimg", "--boot_img", file, "--out", dir); !strings.Contains(out, "bootconfig ours=1") {
		t.Errorf("unpack_bootimg reads\n%s", out)
	}
	text := w.bytes(partitionNamed(t, b.Images, "vendor_boot"))
	im, err := bootimg.Parse(bytes.NewReader(text), int64(len(text)))
	if err != nil || len(im.VendorRamdisks) != 3 || string(im.Bootconfig) != "androidboot.hardware=qcom\n" {
		t.Fatalf("%+v, %v", im, err)
	}
	root := func(i int) *tree.Node {
		root, c, err := bootimg.UnpackRamdisk(im.VendorRamdisks[i].Data)
		if err != nil || c != bootimg.LZ4Legacy {
			t.Fatal(c, err)
		}
		return root
	}
	platform, recovery := root(0), root(1)
	if n := platform.Lookup("overlay.d/ours.rc"); n == nil || string(content(t, n)) != "on boot\n" || platform.Lookup("system") != nil || platform.Lookup("first_stage_ramdisk/fstab.qcom") == nil {
		t.Errorf("the first ramdisk has %+v", platform)
	}
	if string(content(t, recovery.Lookup("system/etc/hello.rc"))) != "ours" || recovery.Lookup("overlay.d") != nil {
		t.Error("recovery's has not what replaces its own")
	}
	zip := content(t, recovery.Lookup("system/etc/security/otacerts.zip"))
	if certs, err := otazip.ReadCerts(bytes.NewReader(zip), int64(len(zip))); err != nil || len(certs) != 1 || !certs[0].Equal(w.cert) {
		t.Errorf("recovery trusts %d certificates, %v", len(certs), err)
	}
	if !bytes.Equal(im.VendorRamdisks[2].Data, dlkm) {
		t.Error("a ramdisk that nobody changes is packed anew")
	}
	if said.Owners["vendor_boot:overlay.d/ours.rc"] != "mine" || said.Owners["vendor_boot:system/etc/security/otacerts.zip"] != "friday" {
		t.Errorf("owners %v", said.Owners)
	}
	boot := w.bytes(partitionNamed(t, b.Images, "boot"))
	if im, err := bootimg.Parse(bytes.NewReader(boot), int64(len(boot))); err != nil || im.Cmdline != "console=null loglevel=4" || len(im.Ramdisk) != 0 {
		t.Errorf("boot %+v, %v", im, err)
	}
	if again, _ := w.build("26.11.27"); again.ID != b.ID {
		t.Error("the same input gives another build")
	}

	w.commit(2*time.Hour, map[string]string{"layers/mine/layer.yaml": "why: a test\nboot:\n  boot:\n    ramdisk: [{from: ramdisk, to: \"\"}]\n"})
	if _, _, err := Build(t.Context(), w.input("26.11.28")); err == nil || !strings.Contains(err.Error(), "partition boot: layer mine: ramdisk: overlay.d/ours.rc: the image has no ramdisk; since Android 13 it is in init_boot") {
		t.Errorf("into a boot without ramdisk: %v", err)
	}
}
