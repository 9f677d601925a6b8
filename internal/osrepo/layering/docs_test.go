package layering

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/fridayos/friday/internal/osrepo"
)

var block = regexp.MustCompile("(?s)```(?:yaml|xml)\n(?:# |<!-- )([a-z_./A-Z]+?)(?: -->)?\n(.*?)```")

// TestDocs: what docs/os-repository.md shows is taken, and does what it says.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile("../../../docs/os-repository.md")
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{
		"os.yaml": "name: Mango OS\nupdate_url: https://os.example.org\nchannels: [weekly]\ndefault_channel: weekly\nlayers: []\n",
		"layers/camera/files/etc/camera/zoom.cfg": "zoom\n",
		"layers/camera/files/bin/zoom*":           "zoom\n",
		"layers/camera/Camera.apk":                apkOf("org.example.camera", reboot),
		"layers/camera/camera.xml":                lists,
		"layers/camera/zoom.rc":                   "service zoom /system/bin/zoom\n",
	}
	found := block.FindAllStringSubmatch(string(text), -1)
	for _, m := range found {
		files[m[1]] = m[2]
	}
	if len(found) != 5 {
		t.Errorf("%d files stand in the page", len(found))
	}
	all := with(files)
	for name := range all { // with's own
		if strings.HasPrefix(name, "layers/base/") || strings.HasPrefix(name, "layers/extra/") {
			delete(all, name)
		}
	}
	s, err := osrepo.Read(all)
	if err != nil {
		t.Fatal(err)
	}
	p, err := Plan(s, "umi", stockView())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, w := range p.Placed {
		got = append(got, w.Partition+":"+w.Path)
	}
	for _, want := range []string{
		"system:system/bin/zoom", "system:system/etc/camera/zoom.cfg", "system:system/etc/init/zoom.rc", "system:system/etc/permissions/camera.xml",
		"system:system/priv-app/Camera/Camera.apk", "system:system/product/overlay/android.overlay.bars.apk",
	} {
		if !slices.Contains(got, want) {
			t.Errorf("the page's layers do not write %s, only %q", want, got)
		}
	}
	if len(p.Overlays) != 1 || p.Overlays[0].Overlay.Resources.Len() != 4 || len(p.Removed) != 2 {
		t.Errorf("overlays %+v, removed %+v", p.Overlays, p.Removed)
	}
}
