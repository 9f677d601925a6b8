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
	want := `- system:app/Ads.apk
* system:app/Clock.apk: content
* system:bin/ping: capabilities net_raw -> net_admin+net_raw
* system:bin/run: mode 0644 -> 0755, owner 0:0 -> 0:2000
+ system:etc/new
- system:etc/twins
- system:etc/two
* system:link: target x -> y
+ system:new
> system:new/Music.apk, from system:old/Music.apk
* system: b=9, was 2
- system: c=3
+ system: d=4
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
	b.Reset()
	if err := c.Text(&b, 2); err != nil || b.String() != "- system:app/Ads.apk\n* system:app/Clock.apk: content\n  … and 8 more files\n* system: b=9, was 2\n- system: c=3\n  … and 1 more properties\n" {
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
