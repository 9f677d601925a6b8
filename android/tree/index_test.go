package tree_test

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/fridayos/friday/android/tree"
)

func TestIndex(t *testing.T) {
	root := sample()
	root.Set("not-utf8-\xff", tree.NewSymlink("\xfe", 0, 0))
	ix := new(tree.Index)
	for _, partition := range []string{"vendor", "system"} {
		es, err := tree.IndexOf(partition, root)
		if err != nil {
			t.Fatal(err)
		}
		ix.Add(es...)
	}
	e, ok := ix.Lookup("system", "system/default.prop")
	want := tree.IndexEntry{Partition: "system", Path: "system/default.prop", Perm: 0o600, Size: 14, Label: "u:object_r:system_file:s0",
		Digest: fmt.Sprintf("%x", sha256.Sum256([]byte("ro.build.id=1\n")))}
	if !ok || e != want {
		t.Errorf("expected %+v, found %+v", want, e)
	}
	if e, _ := ix.Lookup("vendor", "system/empty"); e.Digest != "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855" {
		t.Errorf("empty: %+v", e)
	}
	if _, ok := ix.Lookup("product", ""); ok {
		t.Error("a partition that is not there was found")
	}
	var b bytes.Buffer
	if _, err := ix.WriteTo(&b); err != nil {
		t.Fatal(err)
	}
	again, err := tree.ReadIndex(bytes.NewReader(b.Bytes()))
	if err != nil || !slices.Equal(again.Files, ix.Files) {
		t.Errorf("read again: %v\n%s", err, b.Bytes())
	}
	for _, bad := range []string{"x", `{"type":"none"}`, `{"path_hex":"x"}`} {
		if _, err := tree.ReadIndex(strings.NewReader("{}\n" + bad)); err == nil || !strings.Contains(err.Error(), "line 2") {
			t.Errorf("%q: expected an error in line 2, found %v", bad, err)
		}
	}
	short := tree.NewDir(0, 0, 0)
	short.Set("f", &tree.Node{Size: 4, Content: strings.NewReader("abc")})
	if _, err := tree.IndexOf("system", short); err == nil || !strings.Contains(err.Error(), "expected 4 bytes, found 3") {
		t.Errorf("content that ends too early: %v", err)
	}
}

func TestGlob(t *testing.T) {
	es, err := tree.IndexOf("system", sample())
	if err != nil {
		t.Fatal(err)
	}
	ix := &tree.Index{Files: es}
	for pattern, want := range map[string]string{
		"system/*.prop":    "system/build.prop system/default.prop",
		"**/*.apk":         "system/app/Browser.apk",
		"system/**/*.prop": "system/build.prop system/default.prop",
		"system/app/**":    "system/app system/app/Browser.apk",
		"*":                " link system",
		"system/[ab]*":     "system/app system/build.prop",
		"none/**":          "",
		"system/[":         "",
		"":                 "",
	} {
		var got []string
		for _, e := range ix.Glob("system", pattern) {
			got = append(got, e.Path)
		}
		if s := strings.Join(got, " "); s != want {
			t.Errorf("%q: expected %q, found %q", pattern, want, s)
		}
	}
	for _, bad := range []string{"", "/system", "a//b", "[", "a/"} {
		if tree.CheckPattern(bad) == nil {
			t.Errorf("pattern %q was accepted", bad)
		}
	}
	// Would take years if tried by recursion.
	deep := &tree.Index{Files: []tree.IndexEntry{{Partition: "p", Path: strings.Repeat("a/", 500) + "b"}}}
	if got := deep.Glob("p", strings.Repeat("**/a/", 100)+"c"); len(got) > 0 {
		t.Error(got)
	}
}

func ExampleWalk() {
	root := tree.NewDir(0o755, 0, 0)
	etc := tree.NewDir(0o755, 0, 0)
	etc.Set("hosts", tree.NewFile(0o644, 0, 0, []byte("127.0.0.1 localhost\n")))
	root.Set("etc", etc)
	_ = tree.Walk(root, func(path string, n *tree.Node) error {
		fmt.Printf("%s %04o %q\n", n.Type, n.Perm, path)
		return nil
	})
	// Output:
	// dir 0755 ""
	// dir 0755 "etc"
	// file 0644 "etc/hosts"
}

func ExampleDiff() {
	a := tree.NewDir(0o755, 0, 0)
	a.Set("build.prop", tree.NewFile(0o644, 0, 0, []byte("one")))
	b := tree.Clone(a)
	b.Set("build.prop", tree.NewFile(0o600, 0, 0, []byte("two")))
	lines, _ := tree.Diff(a, b)
	fmt.Println(strings.Join(lines, "\n"))
	// Output:
	// "build.prop": mode 0644, then 0600
	// "build.prop": content differs from byte 0
}

func ExampleImage() {
	im := new(tree.Image)
	im.AppendBytes([]byte("head"))
	im.AppendZeros(4)
	im.AppendRange(strings.NewReader("a long file"), 2, 4)
	b := make([]byte, im.Size())
	_, _ = im.ReadAt(b, 0)
	fmt.Printf("%q\n", b)
	// Output:
	// "head\x00\x00\x00\x00long"
}

func FuzzReadIndex(f *testing.F) {
	f.Add([]byte(`{"partition":"system","path":"build.prop","type":0,"perm":384,"size":3}` + "\n" + `{"partition":"system","path":"","type":1}`))
	f.Add([]byte("{}\n\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		ix, err := tree.ReadIndex(bytes.NewReader(b))
		if err != nil {
			return
		}
		for _, e := range ix.Files {
			if _, ok := ix.Lookup(e.Partition, e.Path); !ok {
				t.Errorf("%q %q was read and is not found", e.Partition, e.Path)
			}
		}
		var first, second bytes.Buffer
		if _, err := ix.WriteTo(&first); err != nil {
			t.Fatal(err)
		}
		again, err := tree.ReadIndex(bytes.NewReader(first.Bytes()))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := again.WriteTo(&second); err != nil || !bytes.Equal(first.Bytes(), second.Bytes()) {
			t.Errorf("written twice, %v:\n%q\n%q", err, first.Bytes(), second.Bytes())
		}
	})
}

func TestMatchAndBelow(t *testing.T) {
	for _, c := range []struct {
		pattern, path string
		want          bool
	}{
		{"system/bin/*", "system/bin/sh", true}, {"system/bin/*", "system/bin/a/b", false}, {"**", "a/b", true}, {"**/b", "b", true}, {"a/[", "a/[", false}, {"*", "", true},
	} {
		if got := tree.Match(c.pattern, c.path); got != c.want {
			t.Errorf("Match(%q, %q) = %v", c.pattern, c.path, got)
		}
	}
	ix := &tree.Index{}
	for _, p := range []string{"", "a", "a/b", "a/b/c", "a-b", "ab"} {
		ix.Add(tree.IndexEntry{Partition: "system", Path: p}, tree.IndexEntry{Partition: "vendor", Path: p})
	}
	for dir, want := range map[string]string{"": "a a-b a/b a/b/c ab", "a": "a/b a/b/c", "a/b": "a/b/c", "ab": "", "none": ""} {
		var got []string
		for _, e := range ix.Below("system", dir) {
			got = append(got, e.Path)
		}
		if strings.Join(got, " ") != want {
			t.Errorf("below %q: %q, want %q", dir, got, want)
		}
	}
}
