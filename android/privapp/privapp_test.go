package privapp

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

const lists = `<?xml version="1.0" encoding="utf-8"?>
<!-- as AOSP has it -->
<permissions>
    <library name="org.example" file="/system/framework/org.example.jar"/>
    <privapp-permissions package="org.example.camera">
        <permission name="android.permission.REBOOT"/>
        <deny-permission name="android.permission.MASTER_CLEAR"/>
    </privapp-permissions>
    <privapp-permissions package="org.example.clock"/>
</permissions>`

func TestParse(t *testing.T) {
	got, err := Parse([]byte(lists))
	if err != nil {
		t.Fatal(err)
	}
	if want := map[string][]string{"org.example.camera": {"android.permission.REBOOT", "android.permission.MASTER_CLEAR"}}; !maps.EqualFunc(got, want, slices.Equal) {
		t.Errorf("got %v", got)
	}
	for text, want := range map[string]string{
		"<manifest/>":      `the first element is "manifest", expected permissions`,
		"":                 "EOF",
		"<permissions><a>": "line 1: unexpected EOF",
	} {
		if _, err := Parse([]byte(text)); err == nil || !strings.Contains(err.Error(), want) || !strings.HasPrefix(err.Error(), "cannot read permissions: ") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{lists, "<config><privapp-permissions/></config>", "<permissions><a>", "\xff"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		lists, err := Parse(text)
		if err != nil && lists != nil {
			t.Errorf("%v and an error", lists)
		}
	})
}
