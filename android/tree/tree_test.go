package tree_test

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/fridayos/friday/android/tree"
)

// sample has a file with two names, a link and a nested directory.
func sample() *tree.Node {
	root := tree.NewDir(0o755, 0, 0)
	system := tree.NewDir(0o755, 0, 2000)
	app := tree.NewDir(0o755, 0, 0)
	prop := tree.NewFile(0o600, 0, 0, []byte("ro.build.id=1\n"))
	prop.SetXattr("security.selinux", []byte("u:object_r:system_file:s0\x00"))
	app.Set("Browser.apk", tree.NewFile(0o644, 0, 0, []byte("PK")))
	system.Set("app", app)
	system.Set("build.prop", prop)
	system.Set("default.prop", prop)
	system.Set("empty", tree.NewFile(0o644, 0, 0, nil))
	root.Set("system", system)
	root.Set("link", tree.NewSymlink("/system/app", 0, 0))
	return root
}

func paths(t *testing.T, root *tree.Node, skip string) []string {
	t.Helper()
	var out []string
	err := tree.Walk(root, func(p string, _ *tree.Node) error {
		out = append(out, p)
		if p == skip && skip != "" {
			return fs.SkipDir
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestWalk(t *testing.T) {
	all := []string{"", "link", "system", "system/app", "system/app/Browser.apk", "system/build.prop", "system/default.prop", "system/empty"}
	for skip, want := range map[string][]string{
		"":                  all,
		"system":            all[:3],
		"system/app":        slices.Delete(slices.Clone(all), 4, 5),
		"system/build.prop": all[:6], // the rest of its directory
	} {
		if got := paths(t, sample(), skip); !slices.Equal(got, want) {
			t.Errorf("skipping %q: expected %q, found %q", skip, want, got)
		}
	}
	stop := errors.New("stop")
	if err := tree.Walk(sample(), func(string, *tree.Node) error { return stop }); err != stop {
		t.Errorf("expected the function's error, found %v", err)
	}
	loop := tree.NewDir(0, 0, 0)
	loop.Set("l", loop)
	if err := tree.Walk(loop, func(string, *tree.Node) error { return nil }); err == nil || !strings.Contains(err.Error(), "levels deep") {
		t.Errorf("a loop: %v", err)
	}
}

func TestEntriesAndXattrs(t *testing.T) {
	root := sample()
	for path, want := range map[string]bool{"": true, "system/app/Browser.apk": true, "link/Browser.apk": false, "system/none": false, "system/empty/x": false} {
		if got := root.Lookup(path) != nil; got != want {
			t.Errorf("Lookup(%q): expected %v, found %v", path, want, got)
		}
	}
	n := root.Lookup("system/build.prop")
	if n.Label() != "u:object_r:system_file:s0" {
		t.Errorf("label %q", n.Label())
	}
	n.SetXattr("user.a", []byte("1"))
	n.SetXattr("security.a", []byte("2"))
	n.SetXattr("user.a", []byte("3"))
	if v, ok := n.Xattr("user.a"); !ok || string(v) != "3" || len(n.Xattrs) != 3 || n.Xattrs[0].Name != "security.a" {
		t.Errorf("xattrs %v", n.Xattrs)
	}
	if !n.RemoveXattr("user.a") || n.RemoveXattr("user.a") || !root.Remove("link") || root.Remove("link") {
		t.Error("removing twice")
	}
}

func TestCloneAndDiff(t *testing.T) {
	for _, c := range []struct {
		change func(root *tree.Node)
		want   string
	}{
		{func(*tree.Node) {}, ""},
		{func(r *tree.Node) { r.Lookup("system/empty").Perm = 0o600 }, `"system/empty": mode 0644, then 0600`},
		{func(r *tree.Node) { r.Lookup("system/app").UID = 5 }, `"system/app": owner 0:0, then 5:0`},
		{func(r *tree.Node) { r.MTime = 9 }, `"": time 0.000000000, then 9.000000000`},
		{func(r *tree.Node) { r.Remove("link") }, `"link": is gone`},
		{func(r *tree.Node) { r.Set("new", tree.NewDir(0, 0, 0)) }, `"new": is new`},
		{func(r *tree.Node) { r.Entry("link").Target = "/x" }, `"link": target "/system/app", then "/x"`},
		{func(r *tree.Node) { r.Set("link", tree.NewDir(0, 0, 0)) }, `"link": type symlink, then dir`},
		{func(r *tree.Node) { r.SetXattr("user.a", []byte("b")) }, `"": no xattr user.a, then "b"`},
		{func(r *tree.Node) { r.Lookup("system/build.prop").RemoveXattr("security.selinux") }, `"system/build.prop": xattr security.selinux="u:object_r:system_file:s0\x00", then none`},
		{func(r *tree.Node) { r.Lookup("system/app/Browser.apk").Content = strings.NewReader("PQ") }, `"system/app/Browser.apk": content differs from byte 1`},
		{func(r *tree.Node) { r.Lookup("system/app/Browser.apk").Size = 1 }, `"system/app/Browser.apk": size 2, then 1`},
		{func(r *tree.Node) {
			copied := *r.Lookup("system/build.prop")
			r.Entry("system").Set("default.prop", &copied)
		}, `"system/default.prop": hard link to "system/build.prop", then to none`},
	} {
		root := sample()
		clone := tree.Clone(root)
		c.change(clone)
		got, err := tree.Diff(root, clone)
		if err != nil {
			t.Fatal(err)
		}
		if strings.Join(got, "\n") != c.want {
			t.Errorf("expected %s, found %q", c.want, got)
		}
		if again, _ := tree.Diff(root, sample()); len(again) > 0 {
			t.Errorf("a change of the clone reached the original: %q", again)
		}
	}
	short := sample()
	short.Lookup("system/app/Browser.apk").Content = strings.NewReader("P")
	if _, err := tree.Diff(sample(), short); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("content that ends too early: %v", err)
	}
}

func TestValidate(t *testing.T) {
	if err := tree.Validate(sample()); err != nil {
		t.Error(err)
	}
	for want, change := range map[string]func(r *tree.Node){
		"not sorted":            func(r *tree.Node) { slices.Reverse(r.Entries) },
		"is not a name":         func(r *tree.Node) { r.Set("..", tree.NewDir(0, 0, 0)) },
		"has no node":           func(r *tree.Node) { r.Set("nil", nil) },
		"is also":               func(r *tree.Node) { r.Set("twice", r.Entry("system")) },
		"there is no content":   func(r *tree.Node) { r.Lookup("system/empty").Size = 1 },
		"cannot have 1 entries": func(r *tree.Node) { r.Lookup("system/empty").Set("x", tree.NewDir(0, 0, 0)) },
		"more than 12 bits":     func(r *tree.Node) { r.Perm = 0o10000 },
		"cannot point to":       func(r *tree.Node) { r.Entry("link").Target = "" },
		"unknown file type":     func(r *tree.Node) { r.Entry("link").Type = 99 },
	} {
		root := sample()
		change(root)
		if err := tree.Validate(root); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("expected an error with %q, found %v", want, err)
		}
	}
}

func TestFS(t *testing.T) {
	fsys := tree.FS(sample())
	if err := fstest.TestFS(fsys, "system/build.prop", "system/app/Browser.apk", "link"); err != nil {
		t.Error(err)
	}
	b, err := fs.ReadFile(fsys, "link/Browser.apk")
	if err != nil || string(b) != "PK" {
		t.Errorf("through a link: %q %v", b, err)
	}
	loop := tree.NewDir(0o755, 0, 0)
	loop.Set("a", tree.NewSymlink("b", 0, 0))
	loop.Set("b", tree.NewSymlink("../../a", 0, 0))
	if _, err := tree.FS(loop).Open("a"); !errors.Is(err, fs.ErrInvalid) {
		t.Errorf("links in a circle: %v", err)
	}
	if _, err := fsys.Open("none"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("none: %v", err)
	}
}

func TestImage(t *testing.T) {
	im := new(tree.Image)
	im.AppendBytes([]byte("head"))
	im.AppendZeros(3)
	im.AppendZeros(2)
	im.AppendBytes(nil)
	im.AppendRange(strings.NewReader("0123456789"), 2, 5)
	outer := new(tree.Image)
	outer.AppendImage(im)
	outer.AppendBytes([]byte("!"))
	want := []byte("head\x00\x00\x00\x00\x0023456!")
	if n := len(outer.Segments()); n != 4 || outer.Size() != int64(len(want)) {
		t.Fatalf("%d segments, %d bytes", n, outer.Size())
	}
	var out bytes.Buffer
	if n, err := outer.WriteTo(&out); err != nil || n != outer.Size() || !bytes.Equal(out.Bytes(), want) {
		t.Errorf("%q %v", out.Bytes(), err)
	}
	for off := range len(want) + 1 {
		for n := range len(want) + 3 {
			b := make([]byte, n)
			got, err := outer.ReadAt(b, int64(off))
			expect := want[off:min(off+n, len(want))]
			if !bytes.Equal(b[:got], expect) || (err == io.EOF) != (got < n) {
				t.Fatalf("ReadAt(%d bytes, %d): %q %v", n, off, b[:got], err)
			}
		}
	}
	short := new(tree.Image)
	short.AppendRange(strings.NewReader("abc"), 0, 9)
	if _, err := short.WriteTo(io.Discard); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a source that ends too early: %v", err)
	}
	if _, err := short.ReadAt(make([]byte, 1), -1); err == nil {
		t.Error("a negative offset was read")
	}
}
