package layering

import (
	"encoding/json"
	"maps"
	"strings"

	"github.com/fridayos/friday/android/apk/arsc"
	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/osrepo"
	"github.com/fridayos/friday/internal/osrepo/cil"
)

// Repositories of the tests, by path; a file whose name ends in "@" is a
// symlink, in "*" executable, in "!" a submodule.
var good = map[string]string{
	"os.yaml": `name: Test OS
update_url: https://ota.example.org
channels: [alpha, weekly]
default_channel: weekly
layers: [base]
`,
	"devices/umi/device.yaml": `codename: umi
vendor: Xiaomi
name: Mi 10
boot:
  trust: custom-key
  slots: ab
  flash: fastboot
  payload_minor: 6
  update_certificates: ["system:system/etc/security/otacerts.zip"]
layers: [extra]
`,
	"layers/base/layer.yaml": `why: base
add:
  - from: files
    to: system:system
remove:
  - system:system/app/Ads
props:
  system:
    set: {ro.test: "${version}"}
    append: {ro.stock.list: ",ours"}
    delete: [ro.vendor.ads]
`,
	"layers/base/files/etc/ours.txt":      "ours\n",
	"layers/base/files/bin/tool*":         "tool\n",
	"layers/base/files/app/Our/Our.apk":   "apk\n",
	"layers/base/files/etc/hosts":         "hosts\n",
	"layers/base/files/etc/link@":         "hosts",
	"layers/base/files/media/x/.gitkeep":  "",
	"layers/extra/layer.yaml":             "why: more\n",
	"layers/extra/files/etc/ours.txt":     "other\n",
	"layers/extra/files/app/Ads/back.apk": "apk\n",
}

// with is good with some files changed; an empty text takes a file away.
func with(changes map[string]string) map[string]*osrepo.File {
	texts := maps.Clone(good)
	for name, text := range changes {
		if text == "" {
			delete(texts, name)
		} else {
			texts[name] = text
		}
	}
	files := map[string]*osrepo.File{}
	for name, text := range texts {
		f := osrepo.NewFile(strings.TrimRight(name, "@*!"), []byte(text))
		f.Symlink, f.Executable, f.Submodule = strings.HasSuffix(name, "@"), strings.HasSuffix(name, "*"), strings.HasSuffix(name, "!")
		files[f.Path] = f
	}
	return files
}

// tables are the resources of stock's apps. The framework is open to overlays, the clock
// is so where its <overlayable> says so.
var tables = map[string]string{
	"android": `{"packages": [{"id": 1, "name": "android", "types": [
		{"id": 1, "name": "attr", "resources": [{"entry": 1, "name": "colorAccent", "public": true, "attr": {"formats": 17}}, {"entry": 2, "name": "orientation", "public": true, "attr": {"formats": 65536, "symbols": [{"name": "vertical", "value": 1}]}},
			{"entry": 3, "name": "state_pressed", "public": true, "attr": {"formats": 8}}, {"entry": 4, "name": "color", "public": true, "attr": {"formats": 16}}]},
		{"id": 2, "name": "bool", "resources": [{"entry": 0, "name": "config_x"}, {"entry": 1, "name": "config_showBars"}, {"entry": 2, "name": "config_showNavigationBar"}]},
		{"id": 5, "name": "dimen", "resources": [{"entry": 0, "name": "navigation_bar_height"}]},
		{"id": 6, "name": "array", "resources": [{"entry": 0, "name": "config_tether_usb_regexs"}]},
		{"id": 3, "name": "style", "resources": [{"entry": 0, "name": "Theme", "public": true}]},
		{"id": 4, "name": "color", "resources": [{"entry": 7, "name": "white", "public": true}, {"entry": 8, "name": "secret"}, {"entry": 9, "name": "selector"},
			{"entry": 10, "name": "black", "public": true}, {"entry": 11, "name": "accent_device_default_light"}]}
	]}]}`,
	"org.vendor.clock": `{"packages": [{"id": 127, "name": "org.vendor.clock", "overlayables": ["Theme"], "types": [
		{"id": 1, "name": "bool", "resources": [{"entry": 0, "name": "config_x", "overlayable": "Theme", "policies": 14}, {"entry": 1, "name": "shut"}, {"entry": 2, "name": "oem", "overlayable": "Theme", "policies": 64}]}
	]}]}`,
}

const stockProps = "ro.build.version.incremental=V12\nro.stock.list=a,b\nro.vendor.ads=1\n"

// stockView is a small stock.
func stockView() osrepo.View {
	ix := &tree.Index{}
	const file, dir = tree.Regular, tree.Directory
	add := func(p string, t tree.Type, perm uint16, gid uint32, label string) {
		e := tree.IndexEntry{Partition: "system", Path: p, Type: t, Perm: perm, GID: gid}
		if label != "" {
			e.Label = "u:object_r:" + label + ":s0"
		}
		ix.Add(e)
	}
	add("", dir, 0o755, 0, "rootfs")
	add("system", dir, 0o755, 0, "system_file")
	add("system/app", dir, 0o755, 0, "system_file")
	add("system/app/Ads", dir, 0o755, 0, "system_file")
	add("system/app/Ads/Ads.apk", file, 0o644, 0, "system_file")
	add("system/app/Clock", dir, 0o755, 0, "system_file")
	add("system/app/Clock/Clock.apk", file, 0o644, 0, "system_file")
	add("system/app/Clock/oat", dir, 0o755, 0, "system_file")
	add("system/app/Clock/oat/arm64", dir, 0o755, 0, "system_file")
	add("system/app/Clock/oat/arm64/Clock.odex", file, 0o644, 0, "system_file")
	add("system/etc/permissions", dir, 0o755, 0, "system_file")
	add("system/priv-app", dir, 0o755, 0, "system_file")
	add("system/bin", dir, 0o751, 2000, "system_file")
	add("system/bin/sh", file, 0o755, 2000, "shell_exec")
	add("system/bin/ls", file, 0o755, 2000, "toolbox_exec")
	add("system/bin/ps", file, 0o755, 2000, "toolbox_exec")
	add("system/build.prop", file, 0o600, 0, "system_file")
	add("system/etc", dir, 0o755, 0, "system_file")
	add("system/etc/hosts", file, 0o640, 1000, "hosts_file")
	add("system/etc/a.conf", file, 0o644, 0, "system_file")
	add("system/etc/b.conf", file, 0o644, 0, "system_file")
	add("system/etc/init", dir, 0o755, 0, "system_file")
	add("system/etc/security", dir, 0o755, 0, "system_file")
	add("system/etc/security/otacerts.zip", file, 0o644, 0, "system_file")
	add("system/etc/selinux", dir, 0o755, 0, "sepolicy_file")
	add("system/etc/selinux/plat_sepolicy.cil", file, 0o644, 0, "sepolicy_file")
	add("system/etc/selinux/plat_sepolicy_and_mapping.sha256", file, 0o644, 0, "sepolicy_file")
	add("system/fonts", dir, 0o755, 0, "system_file")
	add("system/fonts/Roboto-Regular.ttf", file, 0o644, 0, "system_file")
	add("system/vendor", tree.Symlink, 0o777, 0, "system_file")
	return osrepo.View{
		Index: ix, Props: map[string]osrepo.PropFile{"system": {Path: "system/build.prop", Text: []byte(stockProps)}},
		Partitions: []string{"boot", "system", "vbmeta"}, Android: "13",
		Apps: []osrepo.StockApp{
			{Partition: "system", Path: "system/app/Clock/Clock.apk", Package: "org.vendor.clock", SharedUser: "android.uid.system", Signer: "aa"},
			{Partition: "system", Path: "system/priv-app/Settings/Settings.apk", Package: "org.vendor.settings", SharedUser: "android.uid.system", Signer: "aa"},
			{Partition: "system", Path: "system/framework/framework-res.apk", Package: "android", Signer: "aa"},
		},
		Resources: func(a osrepo.StockApp) (*arsc.Table, error) {
			text, ok := tables[a.Package]
			if !ok {
				return nil, arsc.ErrNone
			}
			t := &arsc.Table{}
			return t, json.Unmarshal([]byte(text), t)
		},
		Privileged: []string{"android.permission.REBOOT", "android.permission.MASTER_CLEAR"}, Granted: map[string][]string{"org.vendor.clock": {"android.permission.REBOOT"}},
		Policy:      &cil.Names{Types: []string{"domain", "shell", "system_file"}, Classes: map[string][]string{"file": {"open", "read"}, "process": {"ptrace"}}},
		Fingerprint: "Xiaomi/umi/umi:13/TKQ1/V12:user/release-keys",
	}
}
