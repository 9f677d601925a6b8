package rom

import (
	"crypto/sha256"
	"fmt"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/android/apk"
	"github.com/fridayos/friday/android/apk/apktest"
	"github.com/fridayos/friday/android/bootimg"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/osrepo"
	"github.com/fridayos/friday/internal/rom/change"
	"github.com/fridayos/friday/internal/rom/intake"
	"github.com/fridayos/friday/internal/stocktest"
)

// TestPolicy: what a layer adds to the SELinux policy stands behind the stock's,
// and the hash that makes init compile it is that of the new text.
func TestPolicy(t *testing.T) {
	w := newWorkshop(t, smallStock())
	const ours = "(typeattributeset ours_types (ours))\n"
	w.commit(time.Hour, map[string]string{
		"layers/mine/layer.yaml":  "why: a test\nsepolicy: [ours.cil]\n",
		"layers/mine/ours.cil":    ours,
		"devices/umi/device.yaml": readDevice(t, w, "layers: []", "layers: [mine]"),
	})
	b, r := w.build("26.11.27")
	root := w.tree(partitionNamed(t, b.Images, "system"))
	stock := content(t, w.tree(partitionNamed(t, w.stock.Partitions, "system")).Lookup(osrepo.PolicyFile))
	is := content(t, root.Lookup(osrepo.PolicyFile))
	if want := string(stock) + "\n;; layer mine: ours.cil\n" + ours; string(is) != want && string(is) != strings.Replace(want, "\n\n;;", "\n;;", 1) {
		t.Errorf("the policy ends in %q", is[len(is)-100:])
	}
	sum := sha256.Sum256(append(is, content(t, root.Lookup("system/etc/selinux/mapping/33.0.cil"))...))
	if got := string(content(t, root.Lookup(osrepo.PolicyHash))); got != fmt.Sprintf("%x\n", sum) {
		t.Errorf("the hash is %q", got)
	}
	if n := root.Lookup(osrepo.PolicyHash); n.Label() != "u:object_r:sepolicy_file:s0" || r.Owners["system:"+osrepo.PolicyFile] != "mine" {
		t.Errorf("the hash has label %s, the policy is %s's", n.Label(), r.Owners["system:"+osrepo.PolicyFile])
	}
}

func TestBootEdits(t *testing.T) {
	w := newWorkshop(t, smallStock())
	w.commit(time.Hour, map[string]string{
		"layers/mine/layer.yaml": `why: a test
boot:
  boot:
    ramdisk: [{from: ramdisk, to: ""}]
    cmdline: {append: [androidboot.ours=1], remove: [androidboot.console=ttyMSM0]}
`,
		"layers/mine/ramdisk/overlay.d/ours.rc": "on boot\n",
		"devices/umi/device.yaml":               readDevice(t, w, "layers: []", "layers: [mine]"),
	})
	b, said := w.build("26.11.27")
	r, err := w.blobs.Open(partitionNamed(t, b.Images, "boot").Digest)
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
	if im.Cmdline != "androidboot.hardware=qcom androidboot.ours=1" {
		t.Errorf("command line %q", im.Cmdline)
	}
	if n := root.Lookup("overlay.d/ours.rc"); n == nil || string(content(t, n)) != "on boot\n" || n.MTime != 0 {
		t.Errorf("ours.rc is %+v", n)
	}
	if said.Owners["boot:overlay.d/ours.rc"] != "mine" {
		t.Error("the report does not say whose the file is")
	}
	w.commit(2*time.Hour, map[string]string{"layers/mine/layer.yaml": "why: a test\nboot: {boot: {cmdline: {remove: [quiet]}}}\n"})
	if _, _, err := Build(t.Context(), w.input("26.11.28")); err == nil || !strings.Contains(err.Error(), `partition boot: layer mine: the command line has no word "quiet"`) {
		t.Errorf("a word that is not there: %v", err)
	}
}

// TestApps: what the stock's apps say is known when layers are planned, and the
// report names what layers bring.
func TestApps(t *testing.T) {
	extra := tree.NewDir(0o755, 0, 0)
	put := func(path string, b []byte) {
		n := extra
		parts := strings.Split(path, "/")
		for _, dir := range parts[:len(parts)-1] {
			if n.Entry(dir) == nil {
				n.Set(dir, tree.NewDir(0o755, 0, 0))
			}
			n = n.Entry(dir)
		}
		n.Set(parts[len(parts)-1], tree.NewFile(0o644, 0, 0, b))
	}
	put("system/framework/framework-res.apk", apktest.App(apk.Manifest{Package: "android", Declares: []apk.Permission{{Name: "android.permission.REBOOT", Level: 0x12}}}))
	put("system/app/Clock/Clock.apk", apktest.App(apk.Manifest{Package: "org.vendor.clock", VersionCode: 5}))
	put("system/etc/permissions/privapp-permissions-x.xml", []byte(`<permissions><privapp-permissions package="org.vendor.clock"><permission name="android.permission.REBOOT"/></privapp-permissions></permissions>`))
	s := smallStock()
	s.Extra = extra
	w := newWorkshop(t, s)
	v, err := intake.View(w.blobs, w.stock)
	if err != nil {
		t.Fatal(err)
	}
	if len(v.Apps) != 2 || v.Apps[0].Package != "org.vendor.clock" || v.Apps[0].VersionCode != 5 || fmt.Sprint(v.Privileged, v.Granted) != "[android.permission.REBOOT] map[org.vendor.clock:[android.permission.REBOOT]]" {
		t.Fatalf("stock has apps %+v, privileged %v, granted %v", v.Apps, v.Privileged, v.Granted)
	}
	w.commit(time.Hour, map[string]string{
		"layers/mine/layer.yaml":  "why: a test\napps: [{apk: Camera.apk, to: \"system:system/priv-app/Camera\"}]\n",
		"layers/mine/Camera.apk":  string(apktest.App(apk.Manifest{Package: "org.example.camera", VersionCode: 7, VersionName: "1.2"})),
		"devices/umi/device.yaml": readDevice(t, w, "layers: []", "layers: [mine]"),
	})
	b, r := w.build("26.11.27")
	if len(r.Apps) != 1 || r.Apps[0].Path != "system/priv-app/Camera/Camera.apk" || r.Apps[0].Layer != "mine" {
		t.Errorf("the report has apps %+v", r.Apps)
	}
	var text strings.Builder
	if err := r.Text(&text); err != nil || !strings.Contains(text.String(), "app system:system/priv-app/Camera/Camera.apk: org.example.camera 7 1.2, not signed\n") {
		t.Errorf("%v\n%s", err, text.String())
	}
	is, err := BuildView(t.Context(), w.blobs, b)
	if err != nil {
		t.Fatal(err)
	}
	if c := change.Between(v, is); len(c.Apps) != 1 || !reflect.DeepEqual(c.Apps[0], change.App{Package: "org.example.camera", Kind: change.Added, Is: "7 (1.2)"}) {
		t.Errorf("changed apps %+v", c.Apps)
	}
}

// TestPolicyNames: rules are compared with the policy of all the stock's partitions.
func TestPolicyNames(t *testing.T) {
	extra := tree.NewDir(0o755, 0, 0)
	for name, text := range map[string]string{
		"system/etc/selinux/plat_sepolicy.cil":   "(class file (read open))\n(type shell)\n(type system_file)\n",
		"vendor/etc/selinux/vendor_sepolicy.cil": "(type vendor_zoom)\n",
	} {
		dir := extra
		parts := strings.Split(name, "/")
		for _, p := range parts[:len(parts)-1] {
			if dir.Entry(p) == nil {
				dir.Set(p, tree.NewDir(0o755, 0, 0))
			}
			dir = dir.Entry(p)
		}
		dir.Set(parts[len(parts)-1], tree.NewFile(0o644, 0, 0, []byte(text)))
	}
	w := newWorkshop(t, smallStock())
	w.stock = w.addStock(stockZip(t, stocktest.Spec{Seed: 7, Files: 250, Bytes: 2 << 20, Extra: extra}), "umi")
	files := map[string]string{
		"os.yaml":                "name: Friday OS\nupdate_url: https://ota.example.org\nchannels: [weekly]\ndefault_channel: weekly\nlayers: [mine]\n",
		"layers/mine/layer.yaml": "why: a test\nsepolicy: [ours.cil]\n",
		"layers/mine/ours.cil":   "(allow vendor_zoom system_file (file (read)))\n(allow vendor_zoon shell (file (opne)))\n",
	}
	w.commit(time.Hour, files)
	const want = `layers/mine/ours.cil:2:8: the policy has no type or attribute vendor_zoon; did you mean "vendor_zoom"?
layers/mine/ours.cil:2:33: class file has no permission opne; did you mean "open"?`
	if _, _, err := Build(t.Context(), w.input("26.11.27")); err == nil || err.Error() != want {
		t.Fatalf("got\n%v\nwant\n%s", err, want)
	}
	files["layers/mine/ours.cil"] = "(allow vendor_zoom shell (file (open)))\n"
	w.commit(2*time.Hour, files)
	w.build("26.11.27")
}
