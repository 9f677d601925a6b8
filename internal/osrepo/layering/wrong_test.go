package layering

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/fridayos/friday/internal/osrepo"
)

const (
	osFile    = "os.yaml"
	umiFile   = "devices/umi/device.yaml"
	baseFile  = "layers/base/layer.yaml"
	extraFile = "layers/extra/layer.yaml"
)

// edit replaces old by new in a file of good.
func edit(file, old, new string) map[string]string {
	text := good[file]
	if !strings.Contains(text, old) {
		panic(file + " has no " + old)
	}
	return map[string]string{file: strings.Replace(text, old, new, 1)}
}

func extra(text string) map[string]string { return map[string]string{extraFile: "why: more\n" + text} }

// mistake is a repository that is wrong, and what is said of it.
type mistake struct {
	name    string
	changes map[string]string
	want    string
}

var wrong = slices.Concat(wrongFiles, wrongSpecial(), wrongApps(), wrongOverlays(), wrongWhole())

var wrongFiles = []mistake{
	{"no os.yaml", map[string]string{osFile: ""}, `os.yaml: the file is not committed; "friday init" makes a repository that has one`},
	{"unknown key", edit(umiFile, "slots:", "slotz:"), `devices/umi/device.yaml:6:3: unknown key "slotz"; did you mean "slots"?`},
	{"unknown key at the top", edit(osFile, "layers:", "layer:"), `os.yaml:5:1: unknown key "layer"; did you mean "layers"?`},
	{"a number for a text", edit(osFile, "Test OS", "12"), `os.yaml:1:7: expected a text, found the number 12; put it in quotes`},
	{"a text for a list", edit(osFile, "[base]", "base"), `os.yaml:5:9: expected a list, found the text "base"`},
	{"a text for a number", edit(umiFile, "payload_minor: 6", "payload_minor: six"), `devices/umi/device.yaml:8:18: expected a whole number, found the text "six"`},
	{"nothing for a list", edit(osFile, "[base]", ""), `os.yaml:5:9: expected a list, found nothing`},
	{"a list for a mapping", map[string]string{extraFile: "- a\n"}, `layers/extra/layer.yaml:1:1: expected a mapping, found a list`},
	{"not YAML", map[string]string{extraFile: "why: [a\n"}, `layers/extra/layer.yaml:1:6: cannot read YAML: sequence end token ']' not found`},
	{"an empty file", map[string]string{extraFile: "# nothing\n"}, `layers/extra/layer.yaml:1:1: the file is empty, expected a mapping`},
	{"two documents", map[string]string{extraFile: "why: a\n---\nwhy: b\n"}, `layers/extra/layer.yaml:3:4: a second document begins here, expected one`},
	{"a key twice", map[string]string{extraFile: "why: a\nwhy: b\n"}, `layers/extra/layer.yaml:2:1: key "why" is given twice, first in line 1`},
	{"an alias", map[string]string{extraFile: "why: &a b\n"}, `layers/extra/layer.yaml:1:6: expected a text, found an anchor or alias, which is not taken here`},
	{"missing keys", map[string]string{osFile: "name: x\nchannels: [weekly]\ndefault_channel: weekly\n"},
		"os.yaml:1:1: key \"update_url\" is missing\nos.yaml:1:1: key \"layers\" is missing"},
	{"update_url without host", edit(osFile, "https://ota.example.org", "ota"), `os.yaml:2:13: update_url is "ota", expected an address such as https://ota.example.org`},
	{"unknown channel", edit(osFile, "[alpha, weekly]", "[alpha, weekly, wekly]"), `os.yaml:3:27: unknown channel "wekly"; did you mean "weekly"?`},
	{"default channel not listed", edit(osFile, "default_channel: weekly", "default_channel: beta"), `os.yaml:4:18: default_channel is "beta", which channels does not list; there are alpha, weekly`},
	{"no such layer", edit(osFile, "[base]", "[bsae]"), `os.yaml:5:10: there is no layer "bsae"; did you mean "base"?`},
	{"layer twice", edit(umiFile, "[extra]", "[extra, base]"), `devices/umi/device.yaml:10:17: layer "base" is listed twice: os.yaml has it for every device`},
	{"layer without layer.yaml", map[string]string{extraFile: ""}, `layers/extra/layer.yaml: the file is not committed; say there what the layer does`},
	{"codename of another folder", edit(umiFile, "codename: umi", "codename: cmi"), `devices/umi/device.yaml:1:11: codename is "cmi", but the folder is devices/umi`},
	{"Verified Boot 1 with slots", edit(umiFile, "custom-key", "verified-boot-1"), `devices/umi/device.yaml:5:10: trust is verified-boot-1 with slots ab; phones with two slots and Verified Boot 1 have the vendor's key in their kernel: expected slots single, or trust unlocked`},
	{"unknown trust", edit(umiFile, "custom-key", "customkey"), `devices/umi/device.yaml:5:10: trust is "customkey", expected custom-key, unlocked, verified-boot-1 or none`},
	{"payload minor out of range", edit(umiFile, "payload_minor: 6", "payload_minor: 12"), `devices/umi/device.yaml:8:18: payload_minor is 12, expected 3 (Android 8) to 10 (Android 17)`},
	{"stock is no digest", edit(umiFile, "layers:", "stock: abc\nlayers:"), `devices/umi/device.yaml:10:8: stock is "abc", expected a SHA-256 in 64 hex digits; "friday stock add" prints it`},
	{"region is no code", edit(umiFile, "layers:", "offer:\n  regions: [IN, india]\nlayers:"), `devices/umi/device.yaml:11:17: region is "india", expected two capital letters such as IN, or GLOBAL`},
	{"base is no version", edit(umiFile, "layers:", "offer:\n  base: thirteen\nlayers:"), `devices/umi/device.yaml:11:9: least Android version is "thirteen", expected one such as 13 or 8.1`},
	{"carrier without a name", edit(umiFile, "layers:", "offer:\n  carriers: [\"\"]\nlayers:"), `devices/umi/device.yaml:11:14: offer.carriers[0] is empty`},
	{"size out of range", edit(umiFile, "layers:", "partitions: {system: {size: 1000}}\nlayers:"), `devices/umi/device.yaml:10:29: size is 1000, expected a multiple of 4096 up to 1 TiB`},
	{"firmware that is none", edit(umiFile, "layers:", "firmware: {boot: copied}\nlayers:"), `devices/umi/device.yaml:10:18: partition boot is no firmware; it belongs to the system; firmware is what runs below Android, such as modem`},
	{"firmware neither shipped nor copied", edit(umiFile, "layers:", "firmware: {modem: copy}\nlayers:"), `devices/umi/device.yaml:10:19: unknown word "copy" for firmware; there are copied, shipped`},
	{"firmware that an old phone would not copy", edit(umiFile, "layers:", "firmware: {modem: copied}\nlayers:"), `devices/umi/device.yaml:10:19: modem is copied, but boot.payload_minor is 6; the updater of phones before Android 12 (7) leaves in the other slot what was there; ship it`},
	{"firmware that the stock lacks", edit(umiFile, "layers:", "firmware: {modem: shipped}\nlayers:"), `devices/umi/device.yaml:10:12: stock has no partition modem to ship; there are boot, system, vbmeta`},
	{"unknown file system", edit(umiFile, "layers:", "partitions: {system: {fs: eroffs}}\nlayers:"), `devices/umi/device.yaml:10:27: unknown file system "eroffs"; did you mean "erofs"?`},
	{"rollback location", edit(umiFile, "layers:", "rollback: {location: 32}\nlayers:"), `devices/umi/device.yaml:10:22: rollback location is 32, expected 0 to 31`},
	{"number too large", edit(umiFile, "layers:", "rollback: {location: 4294967296}\nlayers:"), `devices/umi/device.yaml:10:22: the number 4294967296 is out of range`},
	{"no why", edit(extraFile, "why: more", "why: ''"), `layers/extra/layer.yaml:1:6: why is empty`},
	{"add from nowhere", extra("add:\n  - {from: filez, to: \"system:system\"}\n"), `layers/extra/layer.yaml:3:12: nothing is committed at layers/extra/filez; did you mean "files"?`},
	{"add to no partition", extra("add:\n  - {from: files, to: /system}\n"), `layers/extra/layer.yaml:3:23: cannot add to "/system": expected "partition:path" such as "system:system/app"`},
	{"a rule's mode", extra("add:\n  - {from: files/etc, to: \"system:system/etc\", rules: [{path: system/etc/ours.txt, mode: 888}]}\n"), `layers/extra/layer.yaml:3:90: mode is "888", expected an octal number such as 0755`},
	{"a rule's owner", extra("add:\n  - {from: files/etc, to: \"system:system/etc\", rules: [{path: x, owner: shel}]}\n"), `layers/extra/layer.yaml:3:73: owner is "shel", expected a number or one of Android's names; did you mean "shell"?`},
	{"a rule's capability", extra("add:\n  - {from: files/etc, to: \"system:system/etc\", rules: [{path: x, capabilities: [netraw]}]}\n"), `layers/extra/layer.yaml:3:81: unknown capability "netraw"; did you mean "net_raw"?`},
	{"a rule's label", extra("add:\n  - {from: files/etc, to: \"system:system/etc\", rules: [{path: x, label: system_file}]}\n"), `layers/extra/layer.yaml:3:73: label is "system_file", expected one such as u:object_r:system_file:s0`},
	{"a rule for nothing", extra("add:\n  - {from: files/etc, to: \"system:system/other\", rules: [{path: x}]}\n"), `layers/extra/layer.yaml:3:65: the rule "x" matches nothing that is added here`},
	{"remove a bad pattern", extra("remove: [\"system:system/[a\"]\n"), `layers/extra/layer.yaml:2:10: cannot remove "system:system/[a": cannot use pattern "system/[a": "[a": syntax error in pattern`},
	{"remove all", extra("remove: [\"system:\"]\n"), `layers/extra/layer.yaml:2:10: cannot remove "system:": the path is empty; a partition as a whole cannot be removed`},
	{"remove what is not there", extra("remove: [\"system:system/app/Clok\"]\n"), `layers/extra/layer.yaml:2:10: stock has no system:system/app/Clok; did you mean "system:system/app/Clock"?`},
	{"remove what lies elsewhere", extra("remove: [\"system:app/Clock\"]\n"), `layers/extra/layer.yaml:2:10: stock has no system:app/Clock; did you mean "system:system/app/Clock"?`},
	{"remove from no partition", extra("remove: [\"sistem:app\"]\n"), `layers/extra/layer.yaml:2:10: stock has no partition "sistem" with files; did you mean "system"?`},
	{"remove build.prop", extra("remove: [\"system:system/build.*\"]\n"), `layers/extra/layer.yaml:2:10: system:system/build.prop cannot be removed: Friday's own properties go there`},
	{"two layers, one path", extra("add:\n  - {from: files/etc, to: \"system:system/etc\"}\n"), `layers/extra/layer.yaml:3:5: system:system/etc/ours.txt is written twice: by layer extra and, in layers/base/layer.yaml:3:5, by layer base`},
	{"written and removed", extra("add:\n  - {from: files/app/Ads/back.apk, to: \"system:system/app/Ads/Ads.apk\"}\n"), `layers/extra/layer.yaml:3:5: system:system/app/Ads/Ads.apk is written by layer extra and removed by layer base`},
	{"parent is a file", extra("add:\n  - {from: files/etc, to: \"system:system/bin/sh\"}\n"), `layers/extra/layer.yaml:3:5: cannot add system:system/bin/sh/ours.txt: system:system/bin/sh is a file in stock, not a folder`},
	{"parent is a symlink", extra("add:\n  - {from: files/etc, to: \"system:system/vendor/x\"}\n"), `layers/extra/layer.yaml:3:5: cannot add system:system/vendor/x: system:system/vendor is a symlink in stock, not a folder; it leads to `},
	{"a file where a folder is", extra("add:\n  - {from: files/etc/ours.txt, to: \"system:system/fonts\"}\n"), `layers/extra/layer.yaml:3:5: cannot add system:system/fonts: stock has a dir there, the layer a file; remove it first if it is to be replaced`},
	{"build.prop replaced", extra("add:\n  - {from: files/etc/ours.txt, to: \"system:system/build.prop\"}\n"), `layers/extra/layer.yaml:3:5: cannot add system:system/build.prop: build.prop is edited, not replaced; change its properties with props`},
	{"submodule", map[string]string{"layers/base/files/sub!": "x"}, `layers/base/layer.yaml:3:11: layers/base/files/sub is a submodule, which cannot be added`},
	{"property that is Friday's", extra("props: {system: {set: {ro.friday.version: x}}}\n"), `layers/extra/layer.yaml:2:24: property ro.friday.version is set by Friday itself`},
	{"property by two layers", extra("props: {system: {delete: [ro.test]}}\n"), `layers/extra/layer.yaml:2:27: property ro.test of system is changed by two layers: base and extra`},
	{"property set by two layers", extra("props: {system: {set: {ro.test: x}}}\n"), `layers/extra/layer.yaml:2:24: property ro.test of system is changed by two layers: base and extra`},
	{"property not there", extra("props: {system: {delete: [ro.vendor.add]}}\n"), `layers/extra/layer.yaml:2:27: cannot delete property ro.vendor.add: stock's build.prop of system does not have it; did you mean "ro.vendor.ads"?`},
	{"property name", extra("props: {system: {set: {\"a b\": x}}}\n"), `layers/extra/layer.yaml:2:24: property name "a b" has ' '; letters, digits and . - _ @ : are allowed`},
	{"unknown variable", extra("props: {system: {set: {ro.a: \"${verison}\"}}}\n"), `layers/extra/layer.yaml:2:30: unknown variable ${verison}; did you mean ${version}?`},
	{"open variable", extra("props: {system: {set: {ro.a: \"${version\"}}}\n"), `layers/extra/layer.yaml:2:30: "${version" is not closed with }; there are ${` + strings.Join(osrepo.Variables, "}, ${") + `}`},
	{"a partition that stock lacks", edit(umiFile, "layers:", "partitions: {sistem: {fs: ext4}}\nlayers:"), `devices/umi/device.yaml:10:14: stock has no partition sistem; did you mean "system"?`},
	{"a partition that this stock lacks", edit(umiFile, "layers:", "partitions: {vendor: {fs: ext4}}\nlayers:"), `devices/umi/device.yaml:10:14: stock has no partition vendor; there are boot, system, vbmeta`},
	{"certificates in no partition", edit(umiFile, "system:system/etc/security", "vendor:etc/security"), `devices/umi/device.yaml:9:25: stock has no partition vendor; there are boot, system, vbmeta`},
	{"certificates in no file", edit(umiFile, "otacerts.zip", "otacert.zip"), `devices/umi/device.yaml:9:25: stock has no file system:system/etc/security/otacert.zip to put the update certificate into; did you mean "system:system/etc/security/otacerts.zip"?`},
	{"several at once", edit(umiFile, "slots: ab\n  flash: fastboot", "slotz: ab\n  flsh: fastboot"),
		"devices/umi/device.yaml:6:3: unknown key \"slotz\"; did you mean \"slots\"?\ndevices/umi/device.yaml:7:3: unknown key \"flsh\"; did you mean \"flash\"?"},
}

func TestWrong(t *testing.T) {
	for _, c := range wrong {
		t.Run(c.name, func(t *testing.T) {
			s, err := osrepo.Read(with(c.changes))
			if err == nil {
				_, err = Plan(s, "umi", stockView())
			}
			if err == nil {
				t.Fatalf("taken; want\n%s", c.want)
			}
			if err.Error() != c.want {
				t.Errorf("got\n%s\nwant\n%s", err, c.want)
			}
		})
	}
}

func FuzzLoad(f *testing.F) {
	for _, name := range []string{osFile, umiFile, baseFile} {
		f.Add([]byte(good[name]))
	}
	for _, c := range wrong {
		for _, text := range c.changes {
			f.Add([]byte(text))
		}
	}
	if text, err := os.ReadFile("../skeleton/files/layers/base/layer.yaml"); err == nil {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, name := range []string{osFile, umiFile, baseFile} {
			changes := map[string]string{name: string(text)}
			if len(text) == 0 {
				continue
			}
			if s, err := osrepo.Read(with(changes)); err == nil {
				_, _ = Plan(s, "umi", stockView())
			}
		}
	})
}
