package rom

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/android/apk"
	"github.com/fridayos/friday/internal/judge"
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
