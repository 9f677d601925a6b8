package rom

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/android/apk"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/judge"
	"github.com/fridayos/friday/internal/osrepo"
	"github.com/fridayos/friday/internal/rom/intake"
	"github.com/fridayos/friday/internal/stocktest"
)

// TestOverlays: an overlay lies in the image where phones look for it, and
// Android's own programs take it, on phones with and without a partition for it.
func TestOverlays(t *testing.T) {
	for m, partition := range map[stocktest.Maker]string{stocktest.Xiaomi: "system", stocktest.OnePlus: "product"} {
		t.Run(string(m), func(t *testing.T) {
			w, device := ofMaker(t, m, "[mine]")
			w.commit(2*time.Hour, map[string]string{
				"layers/mine/layer.yaml":             "why: a test\noverlays:\n  - {target: android, res: res, package: org.example.bars, priority: 3}\n",
				"layers/mine/res/values/config.xml":  "<resources><bool name=\"config_showNavigationBar\">true</bool></resources>\n",
				"layers/mine/res/values-de/text.xml": "<resources><string name=\"hello\">Servus</string></resources>\n",
			})
			in := w.input("26.11.27")
			in.Device = device
			if _, _, err := Build(t.Context(), in); err == nil || !strings.HasSuffix(err.Error(), "layer mine: overlay/org.example.bars.apk: the key that signs overlays is a <nil>, expected an RSA key") && !strings.HasSuffix(err.Error(), "layer mine: product/overlay/org.example.bars.apk: the key that signs overlays is a <nil>, expected an RSA key") {
				t.Errorf("without a key: %v", err)
			}
			in.AppKey, _ = keysOf(t, 99)
			b, said, err := Build(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			path := "overlay/org.example.bars.apk"
			if partition == "system" {
				path = "product/" + path
			}
			n := w.tree(partitionNamed(t, b.Images, partition)).Lookup(path)
			if n == nil || n.Perm != 0o644 || n.MTime != b.Timestamp || said.Owners[partition+":"+path] != "mine" {
				t.Fatalf("%s is %+v", path, n)
			}
			made := content(t, n)
			signers, err := apk.Signers(t.Context(), bytes.NewReader(made), int64(len(made)))
			if err != nil || !bytes.Equal(signers[0].Certificate, w.cert.Raw) {
				t.Errorf("signed by %+v, %v", signers, err)
			}
			var text strings.Builder
			if err := said.Text(&text); err != nil || !strings.Contains(text.String(), "overlay "+partition+":"+path+": org.example.bars 1 1, over android, signed by ") {
				t.Errorf("%v\n%s", err, text.String())
			}
			name := filepath.Join(t.TempDir(), "bars.apk")
			if err := os.WriteFile(name, made, 0o644); err != nil {
				t.Fatal(err)
			}
			judge.Run(t, "apksigner", "verify", "--min-sdk-version", "26", name)
			if said := judge.Run(t, "aapt", "dump", "--values", "resources", name); !strings.Contains(said, "bool/config_showNavigationBar") || !strings.Contains(said, "Servus") {
				t.Errorf("aapt says\n%s", said)
			}
		})
	}
}

// realFramework is where Debian puts the resources that apps are linked against.
const realFramework = "/usr/share/android-framework-res/framework-res.apk"

// TestOverlayOfRealFramework: a theme and a drawable over a real framework are linked
// against it; what it does not have is told before anything is made, and its table is
// read once for all.
func TestOverlayOfRealFramework(t *testing.T) {
	f, err := os.Open(realFramework)
	if err != nil {
		t.Skip("needs android-framework-res: ", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	extra := tree.NewDir(0o755, 0, 0)
	for dir, at := extra, []string{"system", "framework"}; ; at = at[1:] {
		if len(at) == 0 {
			dir.Set("framework-res.apk", &tree.Node{Type: tree.Regular, Perm: 0o644, Size: st.Size(), Content: f})
			break
		}
		next := tree.NewDir(0o755, 0, 0)
		dir.Set(at[0], next)
		dir = next
	}
	w := newWorkshop(t, smallStock())
	w.stock = w.addStock(stockZip(t, stocktest.Spec{Seed: 7, Files: 250, Bytes: 2 << 20, Extra: extra}), "umi")
	const space = ` xmlns:android="http://schemas.android.com/apk/res/android"`
	files := map[string]string{
		"os.yaml":                "name: Friday OS\nupdate_url: https://ota.example.org\nchannels: [weekly]\ndefault_channel: weekly\nlayers: [mine]\n",
		"layers/mine/layer.yaml": "why: a test\noverlays:\n  - {target: android, res: res, package: org.example.bars}\n",
		"layers/mine/res/values/styles.xml": `<resources>
  <style name="Theme.DeviceDefault.Light" parent="android:Theme.Material.Light">
    <item name="android:colorAccent">@color/accent_device_default_light</item>
    <item name="android:gravity">top|start</item>
  </style>
</resources>`,
		"layers/mine/res/color/accent_device_default_light.xml": `<selector` + space + `><item android:color="@*android:color/background_material_light"/></selector>`,
		"layers/mine/res/drawable/ic_lock_lock.xml":             `<vector` + space + ` android:width="24dpp"/>`,
	}
	w.commit(time.Hour, files)
	in := w.input("26.11.27")
	in.AppKey, _ = keysOf(t, 99)
	const want = `layers/mine/res/drawable/ic_lock_lock.xml:1:76: width: "24dpp" is not what it takes: a dimension`
	if _, _, err := Build(t.Context(), in); err == nil || err.Error() != want {
		t.Fatalf("got\n%v\nwant\n%s", err, want)
	}
	files["layers/mine/res/drawable/ic_lock_lock.xml"] = strings.Replace(files["layers/mine/res/drawable/ic_lock_lock.xml"], "dpp", "dp", 1)
	w.commit(2*time.Hour, files)
	in = w.input("26.11.27")
	in.AppKey, _ = keysOf(t, 99)
	v, err := intake.View(w.blobs, w.stock)
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(v.Apps, func(a osrepo.StockApp) bool { return a.Package == "android" })
	e, _ := v.Index.Lookup("system", v.Apps[i].Path)
	if _, kept, err := w.blobs.Memo("resources 1 " + e.Digest); err != nil || !kept {
		t.Errorf("the framework's table is not kept: %v", err)
	}
	b, _, err := Build(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	n := w.tree(partitionNamed(t, b.Images, "system")).Lookup("product/overlay/org.example.bars.apk")
	if n == nil {
		t.Fatal("the overlay is not there")
	}
	name := filepath.Join(t.TempDir(), "bars.apk")
	if err := os.WriteFile(name, content(t, n), 0o644); err != nil {
		t.Fatal(err)
	}
	judge.Run(t, "apksigner", "verify", "--min-sdk-version", "26", name)
	table, err := v.Resources(v.Apps[i])
	if err != nil {
		t.Fatal(err)
	}
	id, _, ok := table.Find("color", "background_material_light")
	if said := judge.Run(t, "aapt", "dump", "xmltree", name, "res/color/accent_device_default_light.xml"); !ok || !strings.Contains(said, fmt.Sprintf("A: android:color(0x010101a5)=@0x%08x", id)) {
		t.Errorf("aapt says, of %#x,\n%s", id, said)
	}
	if said := judge.Run(t, "aapt", "dump", "--values", "resources", name); !strings.Contains(said, "style/Theme.DeviceDefault.Light: <bag>") || !strings.Contains(said, "drawable/ic_lock_lock") {
		t.Errorf("aapt says\n%s", said)
	}
}
