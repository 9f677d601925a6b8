package layering

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/fridayos/friday/android/apk"
	"github.com/fridayos/friday/android/apk/apktest"
	"github.com/fridayos/friday/internal/osrepo"
)

func apkOf(pkg string, uses ...string) string {
	return string(apktest.App(apk.Manifest{Package: pkg, VersionCode: 3, VersionName: "1.0", Uses: uses}))
}

const (
	reboot = "android.permission.REBOOT"
	lists  = `<permissions><privapp-permissions package="org.example.camera"><permission name="android.permission.REBOOT"/></privapp-permissions></permissions>`
)

func withApps(yaml string) map[string]string {
	return map[string]string{
		extraFile:                      "why: more\n" + yaml,
		"layers/extra/Camera.apk":      apkOf("org.example.camera", reboot, "android.permission.CAMERA"),
		"layers/extra/Clock.apk":       apkOf("org.vendor.clock", reboot),
		"layers/extra/Bad.apk":         "no zip",
		"layers/extra/camera.xml":      lists,
		"layers/extra/camera-much.xml": strings.Replace(lists, "REBOOT", "MASTER_CLEAR", 1),
		"layers/extra/clock.xml":       strings.Replace(lists, "example.camera", "vendor.clock", 1),
		"layers/extra/bad.xml":         "<manifest/>",
	}
}

func TestApps(t *testing.T) {
	s, err := osrepo.Read(with(withApps("apps:\n  - {apk: Camera.apk, to: \"system:system/priv-app/Camera\", permissions: camera.xml}\n")))
	if err != nil {
		t.Fatal(err)
	}
	p, err := Plan(s, "umi", stockView())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, w := range p.Placed {
		if w.Layer == "extra" {
			got = append(got, fmt.Sprintf("%s %s %04o", w.Path, w.Type, w.Perm))
		}
	}
	want := []string{"system/etc/permissions/camera.xml file 0644", "system/priv-app/Camera dir 0755", "system/priv-app/Camera/Camera.apk file 0644"}
	if !slices.Equal(got, want) {
		t.Errorf("placed %q", got)
	}
	if len(p.Apps) != 1 || p.Apps[0].Package != "org.example.camera" || p.Apps[0].VersionCode != 3 || p.Apps[0].Signer != "" {
		t.Errorf("apps %+v", p.Apps)
	}
}

// TestAddedApp: an app that came by add is one too, with a list of its permissions
// that came so.
func TestAddedApp(t *testing.T) {
	s, err := osrepo.Read(with(withApps("add:\n  - {from: Camera.apk, to: \"system:system/priv-app/Camera/Camera.apk\"}\n  - {from: camera.xml, to: \"system:system/etc/permissions/camera.xml\"}\n")))
	if err != nil {
		t.Fatal(err)
	}
	p, err := Plan(s, "umi", stockView())
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Apps) != 1 || p.Apps[0].Package != "org.example.camera" || p.Apps[0].Path != "system/priv-app/Camera/Camera.apk" || p.Apps[0].Layer != "extra" {
		t.Errorf("apps %+v", p.Apps)
	}
}

// TestAppReplaced: what was compiled of the old app goes with it.
func TestAppReplaced(t *testing.T) {
	s, err := osrepo.Read(with(withApps("apps:\n  - {apk: Clock.apk, to: \"system:system/app/Clock\"}\n")))
	if err != nil {
		t.Fatal(err)
	}
	v := stockView()
	v.Apps = v.Apps[:1] // alone with its shared user
	p, err := Plan(s, "umi", v)
	if err != nil {
		t.Fatal(err)
	}
	var gone []string
	for _, r := range p.Removed {
		if r.Layer == "extra" {
			gone = append(gone, r.Path)
		}
	}
	if want := []string{"system/app/Clock/oat", "system/app/Clock/oat/arm64", "system/app/Clock/oat/arm64/Clock.odex"}; !slices.Equal(gone, want) {
		t.Errorf("removed %q", gone)
	}
}

func wrongApps() (out []mistake) {
	for _, c := range []struct{ name, yaml, want string }{
		{"an app that is none", "apps: [{apk: Bad.apk, to: \"system:system/app/Bad\"}]\n", `2:14: Bad.apk: cannot read app: zip: not a valid zip file`},
		{"an app beside the folders", "apps: [{apk: Camera.apk, to: \"system:system/Camera\"}]\n", `2:30: to is "system:system/Camera", expected a folder of its own in app or priv-app, such as system:system/app/Camera`},
		{"a privileged app without a list", "apps: [{apk: Camera.apk, to: \"system:system/priv-app/Camera\"}]\n", `2:8: Camera.apk asks for the privileged permission android.permission.REBOOT, which no file grants: the phone would not start; list it in permissions, as permission or deny-permission`},
		{"a permission that is not asked for", "apps: [{apk: Camera.apk, to: \"system:system/app/Camera\", permissions: camera-much.xml}]\n", `2:71: camera-much.xml lists android.permission.MASTER_CLEAR, which the app does not ask for; did you mean "android.permission.CAMERA"?`},
		{"permissions of another app", "apps: [{apk: Camera.apk, to: \"system:system/app/Camera\", permissions: clock.xml}]\n", `2:71: clock.xml lists package org.vendor.clock, the app is org.example.camera`},
		{"permissions that are none", "apps: [{apk: Camera.apk, to: \"system:system/app/Camera\", permissions: bad.xml}]\n", `2:71: bad.xml: cannot read permissions: the first element is "manifest", expected permissions`},
		{"a package twice", "apps: [{apk: Clock.apk, to: \"system:system/app/OurClock\"}]\n", `2:29: Clock.apk brings package org.vendor.clock, which stock has at system:system/app/Clock/Clock.apk; remove system:system/app/Clock`},
		{"another key for a shared user", "apps: [{apk: Clock.apk, to: \"system:system/app/Clock\"}]\n", `2:14: Clock.apk is signed with another key than stock's, whose user android.uid.system it shares with org.vendor.settings: Android refuses two keys`},
		{"code of the old app", "add: [{from: Bad.apk, to: \"system:system/app/Clock/Clock.apk\"}]\n", `2:7: system:system/app/Clock/Clock.apk is replaced, but stock's system:system/app/Clock/oat/arm64/Clock.odex was compiled of the old one; remove system:system/app/Clock/oat, or bring the app with apps`},
		{"an added app without a list", "add: [{from: Camera.apk, to: \"system:system/priv-app/Camera/Camera.apk\"}]\n", `2:7: Camera.apk asks for the privileged permission android.permission.REBOOT, which no file grants: the phone would not start; list it in permissions, as permission or deny-permission`},
		{"another key for a shared user, added", "add: [{from: Clock.apk, to: \"system:system/app/Clock/Clock.apk\"}]\nremove: [\"system:system/app/Clock/oat\"]\n", `2:7: Clock.apk is signed with another key than stock's, whose user android.uid.system it shares with org.vendor.settings: Android refuses two keys`},
		{"a package twice, added", "add: [{from: Clock.apk, to: \"system:system/app/OurClock/OurClock.apk\"}]\n", `2:7: OurClock.apk brings package org.vendor.clock, which stock has at system:system/app/Clock/Clock.apk; remove system:system/app/Clock`},
		{"a glob that matches nothing", "remove: [\"system:system/app/*/*.zip\"]\n", `2:10: stock has no system:system/app/*/*.zip`},
	} {
		out = append(out, mistake{c.name, maps.Clone(withApps(c.yaml)), extraFile + ":" + c.want})
	}
	return out
}
