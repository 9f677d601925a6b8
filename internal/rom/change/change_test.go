package change_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/osrepo"
	"github.com/fridayos/friday/internal/rom/change"
)

// view is a system: a file's digest is its content.
func view(props string, es ...tree.IndexEntry) osrepo.View {
	ix := &tree.Index{}
	for _, e := range append(es, tree.IndexEntry{Path: "build.prop", Type: tree.Regular, Digest: props, Size: int64(len(props)), Perm: 0o600}) {
		e.Partition = "system"
		ix.Add(e)
	}
	return osrepo.View{Index: ix, Props: map[string]osrepo.PropFile{"system": {Path: "build.prop", Text: []byte(props)}}}
}

func file(path, content string) tree.IndexEntry {
	return tree.IndexEntry{Path: path, Type: tree.Regular, Perm: 0o644, Label: "l", Digest: content, Size: int64(len(content))}
}

func TestBetween(t *testing.T) {
	run := file("bin/run", "x")
	run.Perm, run.GID = 0o755, 2000
	pinger, can := file("bin/ping", "p"), file("bin/ping", "p")
	pinger.Capability, can.Capability = "0100000200200000000000000000000000000000", "0100000200300000000000000000000000000000"
	was := view("a=1\nb=2\nc=3\n", file("app/Ads.apk", "ads"), file("app/Clock.apk", "clock"), pinger, file("bin/run", "x"), file("etc/same", "same"), file("etc/two", "twin"), file("etc/twins", "twin"),
		tree.IndexEntry{Path: "link", Type: tree.Symlink, Target: "x"}, file("old/Music.apk", "music"))
	is := view("a=1\nb=9\nd=4\n", file("app/Clock.apk", "clock 2"), can, run, file("etc/same", "same"), file("etc/new", "twin"),
		tree.IndexEntry{Path: "link", Type: tree.Symlink, Target: "y"}, file("new/Music.apk", "music"), tree.IndexEntry{Path: "new", Type: tree.Directory})
	c := change.Between(was, is)
	var b strings.Builder
	if err := c.Text(&b, 0); err != nil {
		t.Fatal(err)
	}
	want := `properties: 1 added, 1 removed, 1 changed
* system: b=9, was 2
- system: c=3
+ system: d=4

files: 2 added, 3 removed, 1 moved, 4 changed; 5 B less than before
- system:app/Ads.apk (3 B)
* system:app/Clock.apk: content, 5 B -> 7 B
* system:bin/ping: capabilities net_raw -> net_admin+net_raw
* system:bin/run: mode 0644 -> 0755, owner 0:0 -> 0:2000
+ system:etc/new (4 B)
- system:etc/twins (4 B)
- system:etc/two (4 B)
* system:link: target x -> y
+ system:new
> system:new/Music.apk: from system:old/Music.apk
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
	b.Reset()
	if err := c.Text(&b, 2); err != nil || !strings.Contains(b.String(), "- system:app/Ads.apk (3 B)\n* system:app/Clock.apk: content, 5 B -> 7 B\n  … and 8 more\n") || !strings.Contains(b.String(), "* system: b=9, was 2\n- system: c=3\n  … and 1 more\n") {
		t.Errorf("two lines: %v\n%s", err, b.String())
	}
	b.Reset()
	if err := change.Between(was, was).Text(&b, 0); err != nil || b.String() != "nothing changed\n" {
		t.Errorf("the same: %v\n%s", err, b.String())
	}
}

func TestUnderLayers(t *testing.T) {
	was := view("ads=1\nzoom=2\n", file("app/MSA/MSA.apk", "1"), file("etc/hosts", "h"), file("etc/gone", "g"), file("etc/mode", "m"), file("app/Old.apk", "o"))
	mode := file("etc/mode", "m")
	mode.Perm = 0o600
	is := view("zoom=3\nours=vendor\n", file("app/MSA/MSA.apk", "2"), file("app/MSA/more.so", "new"), file("etc/hosts", "h2"), mode, file("etc/ours", "theirs"))
	replaced := func(p string) osrepo.Placed {
		return osrepo.Placed{Layer: "base", Partition: "system", Path: p, Type: tree.Regular, Replaces: true}
	}
	removed := func(p string) osrepo.Removed { return osrepo.Removed{Layer: "clean", Partition: "system", Path: p} }
	edited := func(layer string, op osrepo.PropOp, key string) osrepo.PropEdit {
		return osrepo.PropEdit{Layer: layer, Partition: "system", Op: op, Key: key}
	}
	plan := &osrepo.Plan{
		Placed:  []osrepo.Placed{replaced("etc/hosts"), replaced("etc/gone"), replaced("etc/mode"), {Layer: "extra", Partition: "system", Path: "etc/ours", Type: tree.Regular}, replaced("etc/untouched")},
		Removed: []osrepo.Removed{removed("app/MSA"), removed("app/MSA/MSA.apk"), removed("app/Old.apk")},
		Props:   []osrepo.PropEdit{edited("base", osrepo.PropSet, "zoom"), edited("base", osrepo.PropDelete, "ads"), edited("extra", osrepo.PropSet, "ours")},
	}
	var got []string
	for _, u := range change.UnderLayers(plan, change.Between(was, is)) {
		got = append(got, fmt.Sprintf("%s %s: %s", u.Layer, u.Where, u.Why))
	}
	want := []string{
		"base system: ads: the layer has a hand in it (delete), and the vendor no longer sets it",
		`base system: zoom: the layer has a hand in it (set), and the vendor changed it from "2" to "3"`,
		"base system:etc/gone: the layer replaces it, and the vendor no longer has it",
		"base system:etc/hosts: the layer replaces it, and the vendor changed its content",
		"base system:etc/mode: the layer replaces it, and the vendor changed mode 0644 -> 0600",
		"clean system:app/MSA/MSA.apk: the layer removes it, and the vendor changed it",
		"clean system:app/MSA/more.so: it is new in a folder that the layer removes",
		"clean system:app/Old.apk: the layer removes it, and the vendor no longer has it",
		`extra system: ours: the layer has a hand in it (set), and the vendor now sets it to "vendor"`,
		"extra system:etc/ours: the layer adds it, and the vendor now has one too",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestPermissions: what an app asks for and did not is told, where both listings say it.
func TestPermissions(t *testing.T) {
	was, is := view(""), view("")
	app := func(pkg string, uses ...string) osrepo.StockApp {
		return osrepo.StockApp{Package: pkg, VersionCode: 1, Uses: uses}
	}
	was.Apps = []osrepo.StockApp{app("org.clock", "a.CAMERA", "a.NFC"), app("org.same", "a.NFC"), app("org.none")}
	is.Apps = []osrepo.StockApp{app("org.clock", "a.SMS", "a.NFC", "a.SMS"), app("org.same", "a.NFC"), app("org.none", "a.NFC")}
	var b strings.Builder
	if err := change.Between(was, is).Text(&b, 0); err != nil {
		t.Fatal(err)
	}
	const want = `apps: 2 changed
* app org.clock: 1, asks for a.SMS, asks no more for a.CAMERA
* app org.none: 1, asks for a.NFC
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
	for i := range was.Apps {
		was.Apps[i].Uses = nil // a listing from before they were kept
	}
	if c := change.Between(was, is); len(c.Apps) > 0 {
		t.Errorf("from a listing that does not say: %+v", c.Apps)
	}
}

// TestMovedUnderLayers: a file and a property that the vendor moved are said to be where
// they are now.
func TestMovedUnderLayers(t *testing.T) {
	was := view("ads=1\ngone=1\n", file("etc/hosts", "h"), file("app/Old/Old.apk", "o"))
	is := view("", file("etc/net/hosts", "h"), file("priv-app/Old/Old.apk", "o"))
	is.Props["product"] = osrepo.PropFile{Path: "etc/build.prop", Text: []byte("ads=1\n")}
	plan := &osrepo.Plan{
		Placed:  []osrepo.Placed{{Layer: "base", Partition: "system", Path: "etc/hosts", Type: tree.Regular, Replaces: true}},
		Removed: []osrepo.Removed{{Layer: "base", Partition: "system", Path: "app/Old/Old.apk"}},
		Props:   []osrepo.PropEdit{{Layer: "base", Partition: "system", Op: osrepo.PropDelete, Key: "ads"}, {Layer: "base", Partition: "system", Op: osrepo.PropDelete, Key: "gone"}},
	}
	var got []string
	for _, u := range change.UnderLayers(plan, change.Between(was, is)) {
		got = append(got, u.Where+": "+u.Why)
	}
	want := []string{
		"system: ads: the layer has a hand in it (delete), and the vendor moved it to the build.prop of product",
		"system: gone: the layer has a hand in it (delete), and the vendor no longer sets it",
		"system:app/Old/Old.apk: the layer removes it, and the vendor moved it to system:priv-app/Old/Old.apk",
		"system:etc/hosts: the layer replaces it, and the vendor moved it to system:etc/net/hosts",
	}
	if !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

// TestText80: folders are one line, and nothing but a path is wider than a terminal.
func TestText80(t *testing.T) {
	long := "ro.build.fingerprint=Xiaomi/umi/umi:13/TKQ1.221114.001/V14.0.%d.0.TJBMIXM:user/release-keys\n"
	dir := func(p string) tree.IndexEntry { return tree.IndexEntry{Path: p, Type: tree.Directory} }
	label := file("bin/tool", "x")
	label.Label = "u:object_r:some_vendors_very_long_name_of_a_label_exec:s0"
	other := label
	other.Label = "u:object_r:toolbox_exec:s0"
	was := view(fmt.Sprintf(long, 4), label, dir("app/Old"), file("app/Old/Old.apk", "old"))
	is := view(fmt.Sprintf(long, 9), other, dir("app/New"), file("app/New/New.apk", "new app"), dir("app/New/oat"), file("app/New/oat/New.odex", "code"), file("app/Newer.txt", "n"))
	was.Apps = []osrepo.StockApp{{Package: "org.clock", VersionCode: 1, VersionName: "1.0", Signer: "a"}, {Package: "org.gone", VersionCode: 1}}
	is.Apps = []osrepo.StockApp{{Package: "org.clock", VersionCode: 2, VersionName: "2.0", Signer: "b"}}
	var b strings.Builder
	if err := change.Between(was, is).Text(&b, 0); err != nil {
		t.Fatal(err)
	}
	want := `apps: 1 removed, 1 changed
* app org.clock: 2 (2.0), was 1 (1.0), signed by another key
- app org.gone 1

properties: 1 changed
* system: ro.build.fingerprint:
    Xiaomi/umi/umi:13/TKQ1.221114.001/V14.0.9.0.TJBMIXM:user/release-keys
    was Xiaomi/umi/umi:13/TKQ1.221114.001/V14.0.4.0.TJBMIXM:user/release-keys

files: 5 added, 2 removed, 1 changed; 9 B more than before
+ system:app/New/ (3 paths, 11 B)
+ system:app/Newer.txt (1 B)
- system:app/Old/ (1 path, 3 B)
* system:bin/tool:
    label u:object_r:some_vendors_very_long_name_of_a_label_exec:s0
      -> u:object_r:toolbox_exec:s0
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
	b.Reset()
	const why = "the layer removes it, and the vendor changed it"
	under := []change.Under{{"base", "system:etc/hosts", "the layer replaces it, and the vendor changed its content"}, {"clean", "system:a", why}, {"clean", "system:b", "it is new in a folder that the layer removes"}, {"clean", "system:c", why}, {"clean", "system:d", why}, {"clean", "system:e", why}}
	if err := change.Lines(&b, under, 2); err != nil {
		t.Fatal(err)
	}
	want = `base
  the layer replaces it, and the vendor changed its content:
    system:etc/hosts
clean
  the layer removes it, and the vendor changed it:
    system:a
    system:c
    … and 2 more
  it is new in a folder that the layer removes:
    system:b
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}
