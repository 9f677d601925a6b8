package layering

import (
	"fmt"
	"slices"
	"testing"

	"github.com/fridayos/friday/android/tree"
	"github.com/fridayos/friday/internal/osrepo"
)

const values = "<resources>\n  <bool name=\"config_x\">true</bool>\n</resources>\n"

func withOverlays(yaml string, more ...string) map[string]string {
	files := map[string]string{
		extraFile:                            "why: more\n" + yaml,
		"layers/extra/res/values/config.xml": values,
		"layers/extra/bad/values/config.xml": "<resources>\n  <bool name=\"config_x\">yes</bool>\n</resources>\n",
		"layers/extra/odd/layouts/main.xml":  "<a/>",
		"layers/extra/none/values/x.xml":     "<resources/>\n",
		"layers/extra/Camera.apk":            apkOf("org.example.camera"),
	}
	for i := 0; i+1 < len(more); i += 2 {
		files[more[i]] = more[i+1]
	}
	return files
}

// with a partition, or a folder of system.
func viewWith(partition string, folder ...string) osrepo.View {
	v := stockView()
	if partition != "" {
		v.Index.Add(tree.IndexEntry{Partition: partition, Type: tree.Directory, Label: "u:object_r:vendor_file:s0"})
		v.Partitions = append(v.Partitions, partition)
	}
	for _, f := range folder {
		v.Index.Add(tree.IndexEntry{Partition: "system", Path: f, Type: tree.Directory})
	}
	return v
}

func TestOverlays(t *testing.T) {
	yaml := "overlays:\n  - {target: android, res: res}\n  - {target: org.vendor.clock, res: res, package: org.example.clock, priority: 5, switchable: true, target_name: Theme}\n"
	for name, c := range map[string]struct {
		view osrepo.View
		want []string
	}{
		"product":               {viewWith("product"), []string{"product:overlay", "product:overlay/android.overlay.extra.apk", "product:overlay/org.example.clock.apk"}},
		"vendor":                {viewWith("vendor"), []string{"vendor:overlay", "vendor:overlay/android.overlay.extra.apk", "vendor:overlay/org.example.clock.apk"}},
		"a folder of system":    {viewWith("", "system/product"), []string{"system:system/product/overlay", "system:system/product/overlay/android.overlay.extra.apk", "system:system/product/overlay/org.example.clock.apk"}},
		"a folder of the root":  {viewWith("", "product"), []string{"system:product/overlay", "system:product/overlay/android.overlay.extra.apk", "system:product/overlay/org.example.clock.apk"}},
		"product before vendor": {viewWith("vendor", "product"), []string{"system:product/overlay", "system:product/overlay/android.overlay.extra.apk", "system:product/overlay/org.example.clock.apk"}},
	} {
		s, err := osrepo.Read(with(withOverlays(yaml)))
		if err != nil {
			t.Fatal(err)
		}
		p, err := Plan(s, "umi", c.view)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got []string
		for _, w := range p.Placed {
			if w.Layer == "extra" {
				got = append(got, w.Partition+":"+w.Path)
			}
		}
		if !slices.Equal(got, c.want) || len(p.Overlays) != 2 {
			t.Errorf("%s: got %q", name, got)
		}
		if o := p.Overlays[1].Overlay; o.Target != "org.vendor.clock" || o.Priority != 5 || !o.Switchable || o.TargetName != "Theme" || p.Overlays[0].Overlay.Package != "android.overlay.extra" {
			t.Errorf("%s: %+v", name, o)
		}
	}
}

func wrongOverlays() (out []mistake) {
	const to = ", to: \"system:system/product/overlay\""
	for _, c := range []struct{ name, yaml, want string }{
		{"an overlay without a folder", "overlays: [{target: android}]\n", `2:12: key "res" is missing`},
		{"an overlay of nothing", "overlays: [{target: android, res: rse}]\n", `2:35: nothing is committed at layers/extra/rse; did you mean "res"?`},
		{"an overlay of another type", "overlays: [{target: android, res: odd}]\n", ""},
		{"an overlay with no resource", "overlays: [{target: android, res: none}]\n", `2:35: none: there is no resource in it`},
		{"an overlay's folder outside", "overlays: [{target: android, res: ../x}]\n", `2:35: res is "../x", expected a folder beside layer.yaml`},
		{"an overlay's target", "overlays: [{target: no target, res: res}]\n", `2:21: target is "no target", expected a package such as android or com.android.systemui`},
		{"an overlay's package", "overlays: [{target: android, res: res, package: x}]\n", `2:49: package is "x", expected one with a dot such as org.example.overlay`},
		{"an overlay's priority", "overlays: [{target: android, res: res, priority: 10000}]\n", `2:50: priority is 10000, expected 0 to 9999`},
		{"an overlay's place", "overlays: [{target: android, res: res, to: overlay}]\n", `2:44: cannot put the overlay into "overlay": expected "partition:path" such as "system:system/app"`},
		{"an overlay with no place", "overlays: [{target: android, res: res}]\n", `2:12: stock has none of the partitions product, system_ext, vendor, odm for overlays; say where with to`},
		{"an overlay over no app", "overlays: [{target: org.vendor.clok, res: res" + to + "}]\n", `2:21: neither stock nor a layer before has an app org.vendor.clok to lay resources over; did you mean "org.vendor.clock"?`},
		{"two overlays of one package", "overlays: [{target: android, res: res" + to + "}, {target: android, res: res, to: \"system:system/etc\"}]\n",
			`2:78: two overlays have package android.overlay.extra: of layer extra and of layer extra; give one of them another package`},
		{"an overlay with the package of an app", "overlays: [{target: android, res: res, package: org.vendor.clock" + to + "}]\n",
			`2:12: org.vendor.clock.apk brings package org.vendor.clock, which stock has at system:system/app/Clock/Clock.apk; remove system:system/app/Clock`},
	} {
		want := extraFile + ":" + c.want
		if c.want == "" {
			want = `layers/extra/odd/layouts/main.xml: "layouts" is no folder of resources that is compiled here; there are values, anim, animator, color, drawable, font, interpolator, layout, menu, mipmap, raw, transition, xml, each with qualifiers such as values-de`
		}
		out = append(out, mistake{c.name, withOverlays(c.yaml), want})
	}
	for _, c := range []struct{ name, overlay, file, text, want string }{
		{"a resource that the target lacks", "target: android", "values/x.xml", `<resources><bool name="config_showBar">true</bool></resources>`, `:1:12: android has no resource bool/config_showBar to lay one over; did you mean "config_showBars"?`},
		{"a resource of another type", "target: android", "values/x.xml", `<resources><integer name="config_x">1</integer></resources>`, `:1:12: android has no resource integer/config_x to lay one over; it has bool/config_x`},
		{"a file that the target lacks", "target: android", "raw/x", "x", `:1:1: android has no resource raw/x to lay one over`},
		{"a resource that is not overlayable", "target: org.vendor.clock, target_name: Theme", "values/x.xml", `<resources><bool name="shut">true</bool></resources>`, `:1:12: org.vendor.clock does not let others lay over bool/shut: it stands in no <overlayable>, of which there are Theme`},
		{"an overlayable that is not named", "target: org.vendor.clock", "values/x.xml", values, `:2:3: org.vendor.clock does not let others lay over bool/config_x: it stands in the <overlayable> Theme, which the overlay does not name; write target_name: Theme`},
		{"another overlayable", "target: org.vendor.clock, target_name: Themes", "values/x.xml", values, `:2:3: org.vendor.clock does not let others lay over bool/config_x: it stands in the <overlayable> Theme, the overlay is for Themes; write target_name: Theme, in an overlay of its own if need be`},
		{"an overlayable for others", "target: org.vendor.clock, target_name: Theme", "values/x.xml", `<resources><bool name="oem">true</bool></resources>`, `:1:12: org.vendor.clock does not let others lay over bool/oem: its <overlayable> Theme takes overlays of policy oem, this one has public|product`},
		{"an app without resources", "target: org.vendor.settings", "values/x.xml", values, ""},
		{"a style's attribute", "target: android", "values/x.xml", "<resources>\n  <style name=\"Theme\"><item name=\"android:colorAcent\">#fff</item></style>\n</resources>", `:2:23: the stock's framework has no attr/colorAcent; did you mean "colorAccent"?`},
		{"a style's value", "target: android", "values/x.xml", `<resources><style name="Theme"><item name="android:orientation">down</item></style></resources>`, `:1:65: android:orientation: "down" is not what it takes: vertical`},
		{"what the framework keeps to itself", "target: android", "values/x.xml", `<resources><color name="white">@android:color/secret</color></resources>`, `:1:32: @android:color/secret is the framework's own, which it does not make public; its number may differ in the next stock; if it is meant, write @*android:color/secret`},
		{"a drawable's attribute", "target: android", "color/selector.xml", "<selector xmlns:android=\"http://schemas.android.com/apk/res/android\"\n  android:colorAccent=\"blue\"/>", `:2:11: colorAccent: "blue" is not what it takes: a reference, a color`},
	} {
		want := "layers/extra/mine/" + c.file + c.want
		if c.want == "" {
			want = extraFile + ":2:21: org.vendor.settings has no resources to lay others over"
		}
		out = append(out, mistake{c.name, withOverlays("overlays: [{"+c.overlay+", res: mine"+to+"}]\n", "layers/extra/mine/"+c.file, c.text), want})
	}
	return append(out, mistake{"a mistake in a resource", withOverlays("overlays: [{target: android, res: bad}]\n"),
		`layers/extra/bad/values/config.xml:2:25: "yes" is no bool, expected true or false`})
}

// TestLinked: what is planned has the numbers of the stock's framework; what an overlay
// uses itself need not be the target's.
func TestLinked(t *testing.T) {
	s, err := osrepo.Read(with(withOverlays("overlays: [{target: android, res: mine}]\n",
		"layers/extra/mine/values/x.xml", `<resources><style name="Theme" parent="android:Theme"><item name="android:colorAccent">@color/own</item></style><color name="own">@android:color/white</color></resources>`)))
	if err != nil {
		t.Fatal(err)
	}
	p, err := Plan(s, "umi", viewWith("product"))
	if err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(p.Placed, func(w osrepo.Placed) bool { return w.Overlay != nil })
	if i < 0 || p.Placed[i].Overlay != p.Overlays[0].Overlay || p.Overlays[0].Overlay.Resources.NeedsFramework() {
		t.Fatalf("not linked: %+v", p.Overlays)
	}
	if _, err := p.Overlays[0].Overlay.Files(); err != nil {
		t.Error(err)
	}
	// Another device has another framework: the snapshot itself stays as it is.
	if !s.Layers["extra"].Overlays[0].Made().Resources.NeedsFramework() {
		t.Error("the snapshot was changed")
	}
	v := viewWith("product")
	v.Apps = v.Apps[:2]
	want := extraFile + ":2:12: the overlay names what android's framework has, and the stock has no framework-res.apk that can be read; firmware that was made up has none: take in the vendor's own"
	if _, err := Plan(s, "umi", v); err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	// Before Android 11 what stands in no <overlayable> is open.
	for version, ok := range map[string]bool{"9": true, "10": true, "11": false} {
		s, err := osrepo.Read(with(withOverlays("overlays: [{target: org.vendor.clock, res: mine}]\n", "layers/extra/mine/values/x.xml", `<resources><bool name="shut">true</bool></resources>`)))
		if err != nil {
			t.Fatal(err)
		}
		v := viewWith("product")
		v.Android = version
		if _, err := Plan(s, "umi", v); (err == nil) != ok {
			t.Errorf("Android %s: %v", version, err)
		}
	}
}

// TestOldAndroid: overlays came with Android 8.
func TestOldAndroid(t *testing.T) {
	s, err := osrepo.Read(with(withOverlays("overlays: [{target: android, res: res}]\n")))
	if err != nil {
		t.Fatal(err)
	}
	v := viewWith("vendor")
	v.Android = "7.1.1"
	want := fmt.Sprintf(`%s:2:12: Android 7.1.1 takes no overlays from a system's partitions; they came with Android 8; say so with requires: {android: ">=8"}, and bring an APK for older phones through apps`, extraFile)
	if _, err := Plan(s, "umi", v); err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
}
