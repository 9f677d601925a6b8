package buildprop

import (
	"bytes"
	"slices"
	"strings"
	"testing"
)

const sample = `
# begin common build properties
ro.build.id=QKQ1
ro.build.version.incremental = V12
import /vendor/default.prop key
persist.sys.locale=en
not a property
ro.build.id=SECOND
persist.sys.locale=de
`

func TestGet(t *testing.T) {
	f, err := Parse([]byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		"ro.build.id":                  "QKQ1", // a read-only property keeps its first value
		"ro.build.version.incremental": "V12",
		"persist.sys.locale":           "de",
	} {
		if got, ok := f.Get(key); !ok || got != want {
			t.Errorf("Get(%s) = %q, %v; want %q", key, got, ok, want)
		}
	}
	if _, ok := f.Get("import /vendor/default.prop key"); ok {
		t.Error("an import was read as a property")
	}
	want := []string{"ro.build.id", "ro.build.version.incremental", "persist.sys.locale"}
	if got := f.Keys(); !slices.Equal(got, want) {
		t.Errorf("Keys() = %q, want %q", got, want)
	}
}

func TestEditKeepsTheRest(t *testing.T) {
	f, err := Parse([]byte(sample))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(f.Bytes(), []byte(sample)) {
		t.Fatalf("unchanged file reads %q", f.Bytes())
	}
	for key, value := range map[string]string{"ro.build.version.incremental": "26.11.27"} {
		if err := f.Set(key, value); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Set("ro.friday.version", "26.11.27"); err != nil {
		t.Fatal(err)
	}
	if !f.Delete("persist.sys.locale") || f.Delete("persist.sys.locale") {
		t.Error("Delete does not say whether there was one")
	}
	want := "\n# begin common build properties\nro.build.id=QKQ1\nro.build.version.incremental=26.11.27\n" +
		"import /vendor/default.prop key\nnot a property\nro.build.id=SECOND\nro.friday.version=26.11.27\n"
	if got := string(f.Bytes()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

func TestRefused(t *testing.T) {
	f := &File{}
	for _, c := range []struct{ key, value, want string }{
		{"", "x", "empty"},
		{"a b", "x", `has ' '`},
		{"a..b", "x", "empty part"},
		{"a", "x\ny", "line break"},
		{"a", " x", "blank"},
		{"persist.long", strings.Repeat("x", 92), "92 bytes"},
	} {
		if err := f.Set(c.key, c.value); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("Set(%q, %q): %v, want %q", c.key, c.value, err, c.want)
		}
	}
	if err := f.Set("ro.long", strings.Repeat("x", 300)); err != nil {
		t.Error(err)
	}
	if _, err := Parse([]byte("a=\x00")); err == nil {
		t.Error("a NUL was taken")
	}
	if _, err := Parse(make([]byte, MaxSize+1)); err == nil {
		t.Error("a huge file was taken")
	}
}

func FuzzEdit(f *testing.F) {
	f.Add([]byte(sample), "ro.build.id", "x")
	f.Add([]byte("a=b"), "a", "")
	f.Add([]byte(" a =b\r\n\n"), "a", "c")
	f.Fuzz(func(t *testing.T, b []byte, key, value string) {
		p, err := Parse(b)
		if err != nil {
			return
		}
		if s := p.Bytes(); !bytes.Equal(s, b) && !bytes.Equal(s, append(slices.Clone(b), '\n')) {
			t.Fatalf("unchanged %q became %q", b, s)
		}
		if p.Set(key, value) != nil {
			return
		}
		again, err := Parse(p.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := again.Get(key); !ok || got != value {
			t.Fatalf("set %q to %q in %q, read %q, %v", key, value, b, got, ok)
		}
		if again.Delete(key); slices.Contains(again.Keys(), key) {
			t.Fatalf("deleted %q is still there", key)
		}
	})
}
