package fsconfig

import (
	"encoding/hex"
	"slices"
	"testing"

	"github.com/fridayos/friday/android/tree"
)

func TestFor(t *testing.T) {
	for _, c := range []struct {
		path string
		kind tree.Type
		want Usual
	}{
		{"system/bin/tool", tree.Regular, Usual{0o755, 0, 2000}},
		{"vendor/bin/hw/x.service", tree.Regular, Usual{0o755, 0, 2000}},
		{"system/bin", tree.Directory, Usual{0o751, 0, 2000}},
		{"system/etc/hosts", tree.Regular, Usual{0o644, 0, 0}},
		{"system/build.prop", tree.Regular, Usual{0o600, 0, 0}},
		{"init.rc", tree.Regular, Usual{0o750, 0, 2000}},
		{"system/app/X", tree.Directory, Usual{0o755, 0, 0}},
		{"system/bin/ls", tree.Symlink, Usual{0o777, 0, 0}},
	} {
		if got := For(c.path, c.kind); got != c.want {
			t.Errorf("%s %s: %+v, want %+v", c.path, c.kind, got, c.want)
		}
	}
}

func TestWords(t *testing.T) {
	for s, want := range map[string]uint32{"root": 0, "shell": 2000, "1234": 1234} {
		if id, ok := ID(s); !ok || id != want {
			t.Errorf("ID(%q) = %d, %v", s, id, ok)
		}
	}
	if _, ok := ID("shel"); ok {
		t.Error("a name that there is not has an id")
	}
	for s, want := range map[string]uint16{"0755": 0o755, "0o644": 0o644, "4755": 0o4755} {
		if m, err := ParseMode(s); err != nil || m != want {
			t.Errorf("ParseMode(%q) = %o, %v", s, m, err)
		}
	}
	for _, s := range []string{"888", "", "17777", "-1"} {
		if m, err := ParseMode(s); err == nil {
			t.Errorf("ParseMode(%q) = %o", s, m)
		}
	}
	// What Android 13's run-as has: cap_setgid, cap_setuid.
	if got := hex.EncodeToString(EncodeCapabilities([]string{"setgid", "setuid"})); got != "01000002c0000000000000000000000000000000" {
		t.Errorf("capabilities %s", got)
	}
	want := []string{"chown", "setuid", "checkpoint_restore"}
	if got, ok := DecodeCapabilities(EncodeCapabilities(want)); !ok || !slices.Equal(got, want) {
		t.Errorf("read back %q, %v", got, ok)
	}
	if got, ok := DecodeCapabilities([]byte{1, 0, 0, 2}); ok {
		t.Errorf("a short value is %q", got)
	}
	if !IsLabel("u:object_r:system_file:s0") || !IsLabel("u:object_r:app_data_file:s0:c512,c768") || IsLabel("system_file") {
		t.Error("labels")
	}
}

func TestLabels(t *testing.T) {
	ix := &tree.Index{}
	add := func(p string, kind tree.Type, label string) {
		ix.Add(tree.IndexEntry{Partition: "system", Path: p, Type: kind, Label: label})
	}
	add("", tree.Directory, "root")
	add("bin", tree.Directory, "dir")
	add("bin/a", tree.Regular, "tool")
	add("bin/b", tree.Regular, "tool")
	add("bin/c", tree.Regular, "other")
	add("empty", tree.Directory, "lone")
	l := NewLabels(ix)
	for p, want := range map[string]string{"bin/new": "tool", "empty/new": "lone", "bin/new/deep": "tool", "new": "tool"} {
		if got := l.Label("system", p, tree.Regular); got != want {
			t.Errorf("%s is labelled %q, want %q", p, got, want)
		}
	}
}
