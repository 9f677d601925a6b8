package layering

import (
	"strings"
	"testing"

	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/osrepo"
)

// wrongWhole are mistakes that show once all that layers bring is known, and those in
// the files that they bring.
func wrongWhole() (out []mistake) {
	add := func(name, yaml, want string, more ...string) {
		out = append(out, mistake{name, special(yaml, more...), want})
	}
	rc := func(name, text, want string) {
		add(name, "init: [wrong.rc]\n", "layers/extra/wrong.rc:"+want, "layers/extra/wrong.rc", text)
	}
	rc("an rc file without a section", "class main\n", `1:1: "class" stands before any section; service, on or import begins one`)
	rc("a service's option", "service a /system/bin/sh\n    onsehot\n", `2:5: service has no option "onsehot"; did you mean "oneshot"?`)
	rc("a command", "on boot\n    chmd 0644 /x\n", `2:5: init has no command "chmd"; did you mean "chmod"?`)
	rc("a command without its words", "on boot\n    chmod 0644\n", `2:5: chmod has 1 words behind it, expected 2`)
	rc("a service without its program", "service a /system/bin/shh\n", `1:11: service a starts /system/bin/shh, which neither stock nor a layer has; did you mean "system:system/bin/sh"?`)
	rc("a service that is a file of text", "service a /system/etc/hosts\n", `1:11: service a starts /system/etc/hosts, which has mode 0640: nobody may run it; mark it executable (git update-index --chmod=+x), or give it a mode by a rule`)
	rc("a service that is a folder", "service a /system/bin\n", `1:11: service a starts /system/bin, which is a folder`)
	rc("a trigger without a value", "on property:sys.boot_completed\n    start a\n", `1:4: property:sys.boot_completed says no value, expected property:NAME=VALUE, with * for any`)
	add("a service of an added rc file", "add: [{from: wrong.rc, to: \"system:system/etc/init/wrong.rc\"}]\n", `layers/extra/wrong.rc:1:11: service a starts /system/bin/none, which neither stock nor a layer has`, "layers/extra/wrong.rc", "service a /system/bin/none\n")

	policy := func(name, text, want string) {
		add(name, "sepolicy: [wrong.cil]\n", "layers/extra/wrong.cil:"+want, "layers/extra/wrong.cil", text)
	}
	policy("CIL out of balance", "(type a)\n)", `2:1: there is a ) too many`)
	policy("CIL without an end", "(type a", `1:8: the text ends within the parentheses of line 1`)
	policy("CIL with no statement", "(alow shell self (process (ptrace)))", `1:2: there is no statement "alow"; did you mean "allow"?`)
	policy("CIL with an unknown type", "; ours\n(allow shel self (process (ptrace)))", `2:8: the policy has no type or attribute shel; did you mean "shell"?`)
	policy("CIL with an unknown class", "(allow shell system_file (fil (read)))", `1:27: the policy has no class fil; did you mean "file"?`)
	policy("CIL with an unknown permission", "(allow shell system_file (file (raed)))", `1:33: class file has no permission raed; did you mean "read"?`)

	files := func(name, file, text, want string) {
		add(name, "add: [{from: wrong, to: \"system:system/etc\"}]\n", extraFile+":2:14: "+want, "layers/extra/wrong/"+file, text)
	}
	files("a name with a line's end", "a\nb.conf", "x", `cannot add "layers/extra/wrong/a\nb.conf": there is "\n" in the name "a\nb.conf"; lists of files have one a line`)
	files("a name that Windows does not take", "what?.conf", "x", `cannot add "layers/extra/wrong/what?.conf": Windows takes no name with '?', and nobody there could check the repository out`)
	files("a name that Windows keeps", "aux.xml", "x", `cannot add "layers/extra/wrong/aux.xml": Windows keeps the name aux.xml for a device, and nobody there could check the repository out`)
	files("a name that ends in a dot", "conf.", "x", `cannot add "layers/extra/wrong/conf.": Windows takes no name that ends in '.', and nobody there could check the repository out`)
	files("a name that is too long", strings.Repeat("n", 256), "x", `cannot add "layers/extra/wrong/`+strings.Repeat("n", 256)+`": a name has 256 bytes, expected at most 255`)
	files("a private key", "vendor.key", "-----BEGIN RSA PRIVATE KEY-----\n", `layers/extra/wrong/vendor.key holds a private key, which every phone would get to read; take it out of the repository and out of its history; whoever has it signs as you do`)

	at := extraFile + ":2:7: "
	add("a name in other letters", "add: [{from: wrong, to: \"system:system/etc\"}]\n", at+`system:system/etc/A.conf differs from stock's system:system/etc/a.conf in the case of letters alone; did you mean "system:system/etc/a.conf"?`, "layers/extra/wrong/A.conf", "x")
	add("two names in other letters", "add: [{from: wrong, to: \"system:system/etc\"}]\n", at+`system:system/etc/two.TXT and system:system/etc/Two.txt, which layers/extra/layer.yaml:2:7 adds, differ in the case of letters alone`, "layers/extra/wrong/Two.txt", "x", "layers/extra/wrong/two.TXT", "x")
	add("a symlink to itself", "add: [{from: wrong, to: \"system:system/etc\"}]\n", at+`system:system/etc/me is a symlink that leads in a circle`, "layers/extra/wrong/me@", "me")
	add("symlinks in a circle", "add: [{from: wrong, to: \"system:system/etc\"}]\n", at+"system:system/etc/a is a symlink that leads in a circle\n"+at+"system:system/etc/b is a symlink that leads in a circle", "layers/extra/wrong/a@", "../../system/etc/b/x", "layers/extra/wrong/b@", "/system/etc/a")

	add("devices in os.yaml", "", `os.yaml:6:1: unknown key "devices"; there are channels, default_channel, keys, layers, name, update_url, version_scheme`, "os.yaml", good[osFile]+"devices: [umi]\n")
	add("a layer of another device's partition", "add: [{from: ours.rc, to: \"odm:etc/init/ours.rc\"}]\n", extraFile+`:2:27: stock has no partition "odm" with files; there are system`)
	add("an odd variable", "props: {system: {set: {ro.a: \"${version}-${}\"}}}\n", extraFile+`:2:30: unknown variable ${}; there are ${`+strings.Join(osrepo.Variables, "}, ${")+`}`)
	add("a stock by half a fingerprint", "requires: {stock: [\"Xiaomi/umi\"]}\n", extraFile+`:2:19: layer extra requires another stock than Xiaomi/umi/umi:13/TKQ1/V12:user/release-keys`)
	add("a stock by a broken pattern", "requires: {stock: [\"Xiaomi/[umi\"]}\n", extraFile+`:2:20: "Xiaomi/[umi" is no fingerprint, with * and ?`)
	add("keys that are committed", "", `os.yaml:6:7: keys is layers/extra, which is committed: whoever reads the repository signs as you do; keep the keys beside it, in a folder that git ignores, and make new ones`, "os.yaml", good[osFile]+"keys: layers/extra\n")
	return out
}

// TestWholeRight: what looks odd and is right.
func TestWholeRight(t *testing.T) {
	files := special("add: [{from: right, to: \"system:system\"}]\ninit: [right.rc]\nsepolicy: [one.cil, two.cil]\n",
		"layers/extra/right/bin/ours", "program", // system/bin is where programs are
		"layers/extra/right/etc/out@", "/data/local/x", "layers/extra/right/etc/up@", "../../../..", "layers/extra/right/etc/chain@", "hosts2", "layers/extra/right/etc/hosts2@", "/system/etc/hosts",
		"layers/extra/right/fonts/größe.xml", "x",
		"layers/extra/right.rc", "service a /system/bin/ours\nservice b /system/bin/sh -c x\nservice c /vendor/bin/unknown\nservice d /apex/x/bin/d\nservice e /system/vendor/bin/e\n",
		"layers/extra/one.cil", "(type ours)\n(roletype object_r ours)", "layers/extra/two.cil", "(allow ours self (process (ptrace)))")
	s, err := osrepo.Read(with(files))
	if err != nil {
		t.Fatal(err)
	}
	v := stockView()
	for i := range v.Index.Files {
		if e := &v.Index.Files[i]; e.Path == "system/vendor" {
			e.Target = "/vendor"
		}
	}
	v.Partitions = append(v.Partitions, "vendor")
	if _, err := Plan(s, "umi", v); err != nil {
		t.Error(err)
	}
	// A clash of stock's own is not ours.
	s, err = osrepo.Read(with(special("add: [{from: right, to: \"system:system/etc\"}]\n", "layers/extra/right/Hosts", "x")))
	if err != nil {
		t.Fatal(err)
	}
	v.Index.Add(tree.IndexEntry{Partition: "system", Path: "system/etc/Hosts", Type: tree.Regular, Perm: 0o644})
	if _, err := Plan(s, "umi", v); err != nil {
		t.Error(err)
	}
}
