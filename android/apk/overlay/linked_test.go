package overlay_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/fridayos/friday/android/apk/arsc"
	"github.com/fridayos/friday/android/apk/overlay"
	"github.com/fridayos/friday/internal/judge"
)

// framework is the table of Debian's framework, that of Android 10.
var framework = sync.OnceValues(func() (*arsc.Table, error) {
	f, err := os.Open(frameworkRes)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		return nil, err
	}
	return arsc.Open(f, st.Size())
})

func theFramework(t testing.TB) *arsc.Table {
	t.Helper()
	table, err := framework()
	if err != nil {
		t.Skip("needs android-framework-res: ", err)
	}
	return table
}

func linked(t testing.TB, sources ...overlay.Source) *overlay.Resources {
	t.Helper()
	r, mistakes := compiled(t, sources...).Link(theFramework(t))
	if len(mistakes) > 0 {
		t.Fatalf("%+v", mistakes)
	}
	return r
}

const space = `xmlns:android="http://schemas.android.com/apk/res/android"`

// rich is what a team lays over a system: a theme, drawables, layouts.
var rich = []overlay.Source{
	source("values/styles.xml", `<resources>
    <style name="Theme.Ours" parent="android:Theme.Material.Light">
        <item name="android:colorAccent">@color/accent</item>
        <item name="android:windowBackground">@*android:color/background_material_light</item>
        <item name="android:windowNoTitle">true</item>
        <item name="android:textSize">14.5sp</item>
        <item name="android:gravity">top|start</item>
        <item name="android:textColorPrimary">?android:attr/textColorPrimaryInverse</item>
        <item name="android:textColorSecondary">?android:textColorSecondaryInverse</item>
        <item name="android:fontFamily">sans-serif-medium</item>
        <item name="android:text">\u00e9\'s "two  spaces"</item>
        <item name="android:orientation">vertical</item>
        <item name="android:layout_width">match_parent</item>
        <item name="android:layout_height">48dp</item>
        <item name="android:disabledAlpha">0.3</item>
        <item name="android:maxLines">0x10</item>
        <item name="android:background">@null</item>
        <item name="android:windowEnterAnimation">@android:anim/fade_in</item>
        <item name="android:listDivider">@drawable/shape</item>
        <item name="android:backgroundTint">#80ffffff</item>
        <item name="android:windowMinWidthMajor">65%</item>
    </style>
    <style name="Theme.Ours.Dark"><item name="android:windowIsTranslucent">false</item></style>
    <style name="Bare" parent=""/>
    <style name="Own" parent="@style/Bare"><item name="android:alpha">1</item></style>
    <style name="Private" parent="@*android:style/Theme.Material.Notification"/>
    <color name="accent">#ff8800</color>
    <color name="white">@android:color/white</color>
    <color name="alias">@color/selected</color>
    <dimen name="bar">@*android:dimen/status_bar_height</dimen>
    <item type="id" name="spot"/>
    <string-array name="apps"><item>@android:string/ok</item><item>two</item></string-array>
</resources>`),
	source("values-night/styles.xml", `<resources><style name="Theme.Ours" parent="@android:style/Theme.Material"><item name="android:colorAccent">@android:color/black</item></style></resources>`),
	source("color/selected.xml", `<?xml version="1.0" encoding="utf-8"?>
<!-- states -->
<selector `+space+`>
    <item android:state_pressed="true" android:color="?android:attr/colorAccent" android:alpha="0.5"/>
    <item android:color="#123"/>
</selector>`),
	source("drawable/shape.xml", `<shape `+space+` android:shape="rectangle">
    <corners android:radius="4dp"/>
    <gradient android:startColor="#000" android:endColor="@color/accent" android:angle="90" android:type="linear"/>
</shape>
`),
	source("drawable-night/shape.xml", `<inset `+space+` android:inset="2dp"><shape android:shape="oval"><solid android:color="@android:color/black"/></shape></inset>`),
	source("drawable/ic_spot.xml", `<vector `+space+` xmlns:tools="http://schemas.android.com/tools" tools:ignore="X"
        android:width="24dp" android:height="24dp"
        android:viewportWidth="24.0" android:viewportHeight="24">
    <group android:name="g" android:rotation="-45">
        <path
            android:pathData="M12,2C6.48,2 2,6.48 2,12s4.48,10 10,10 10,-4.48 10,-10S17.52,2 12,2z"
            android:fillColor="@android:color/white"
            android:fillType="evenOdd"/>
    </group>
</vector>`),
	source("layout/bar.xml", `<FrameLayout `+space+`
    android:layout_width="match_parent"
    android:layout_height="wrap_content"
    android:gravity="center_vertical|end">
    <TextView android:id="@+id/clock" style="@style/Own" android:layout_width="0dp" android:layout_height="fill_parent" android:text="It\'s \@ 5 &lt; 6"
        android:singleLine="true" android:ellipsize="end" android:textColor="?android:attr/textColorPrimary" android:hint=""/>
    <view class="com.android.systemui.statusbar.policy.Clock" android:layout_width="10px" android:layout_height="10px" android:layout_below="@id/clock"/>
    <include layout="@layout/other" android:id="@id/spot"/>
    <com.android.systemui.Two xmlns:two="urn:two" two:thing="x" android:layout_margin="-3.5dp" android:importantForAccessibility="no"/>
</FrameLayout>`),
	source("layout-land/bar.xml", `<merge/>`),
	source("layout/other.xml", `<ImageView `+space+` android:layout_width="1in" android:layout_height="1mm" android:src="@drawable/ic_spot" android:scaleType="fitXY" android:id="@android:id/icon"/>`),
	source("anim/in.xml", `<set `+space+` android:interpolator="@android:interpolator/fast_out_slow_in"><alpha android:fromAlpha="0" android:toAlpha="1.0" android:duration="@android:integer/config_shortAnimTime"/><translate android:fromXDelta="-100%p" android:toXDelta="50%" android:fromYDelta="10"/></set>`),
	source("xml/list.xml", `<list><item key="a" n="5">  some text </item><item key="@android:string/ok" b="true" f="1.5" c="#fff" d="3dp" h="0x1f" p="40%" e=""/><item xmlns:two="urn:two" two:n="5" two:s="x"/></list>`),
	source("menu/one.xml", `<menu `+space+`><item android:id="@+id/first" android:title="@android:string/cancel" android:showAsAction="ifRoom|withText"/></menu>`),
}

var (
	ownID  = regexp.MustCompile(`0x7f[0-9a-f]{6}`)
	number = regexp.MustCompile(`^resource 0x[0-9a-f]{8} `)
)

// TestLinked: aapt2 makes the same of styles and of every file in XML.
func TestLinked(t *testing.T) {
	judge.Need(t, "aapt2", "aapt")
	dir := t.TempDir()
	for _, s := range rich {
		name := filepath.Join(dir, "res", s.Path)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, s.Content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	manifest := filepath.Join(dir, "AndroidManifest.xml")
	if err := os.WriteFile(manifest, []byte(`<manifest `+space+` package="org.example.overlay"><uses-sdk android:minSdkVersion="26"/></manifest>`), 0o644); err != nil {
		t.Fatal(err)
	}
	theirs := filepath.Join(dir, "theirs.apk")
	judge.Run(t, "aapt2", "compile", "--dir", filepath.Join(dir, "res"), "-o", filepath.Join(dir, "res.zip"))
	judge.Run(t, "aapt2", "link", "--no-auto-version", "--no-version-vectors", "--no-resource-deduping", "--no-resource-removal", "-I", frameworkRes, "--manifest", manifest, "-o", theirs, filepath.Join(dir, "res.zip"))
	mine := packed(t, ours(linked(t, rich...)))

	values := func(file string) (out []string) {
		resource := ""
		for l := range strings.Lines(judge.Run(t, "aapt2", "dump", "resources", file)) {
			l = strings.TrimSpace(l)
			switch {
			case number.MatchString(l):
				resource = number.ReplaceAllString(l, "")
			case strings.HasPrefix(l, "type ") || strings.HasPrefix(l, "Package ") || l == "Binary APK":
			default: // aapt2 tells what of a file it can by its name
				l = strings.Replace(l, "-night-v8/", "-night/", 1) // the version that knows the qualifier
				out = append(out, resource+" "+strings.TrimSuffix(l, " type=XML"))
			}
		}
		slices.Sort(out)
		return out
	}
	same(t, "resources", values(mine), values(theirs))
	ids := func(file string) map[string]string { // numbers of ours to names
		out := map[string]string{}
		for l := range strings.Lines(judge.Run(t, "aapt2", "dump", "resources", file)) {
			if f := strings.Fields(l); len(f) > 2 && f[0] == "resource" {
				out[f[1]] = f[2]
			}
		}
		return out
	}
	minesIDs, theirIDs := ids(mine), ids(theirs)
	for _, s := range rich {
		if strings.HasPrefix(s.Path, "values") {
			continue
		}
		tree := func(file string, ids map[string]string) []string {
			name := "res/" + s.Path
			if file == theirs {
				name = strings.Replace(name, "-night/", "-night-v8/", 1)
			}
			said := judge.Run(t, "aapt", "dump", "xmltree", file, name)
			said = ownID.ReplaceAllStringFunc(said, func(id string) string { return ids[id] })
			return strings.Split(strings.TrimSpace(said), "\n")
		}
		same(t, s.Path, tree(mine, minesIDs), tree(theirs, theirIDs))
	}
}

func same(t *testing.T, what string, got, want []string) {
	t.Helper()
	if len(got) == 0 {
		t.Fatalf("%s: nothing", what)
	}
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Errorf("%s: from line %d on, ours\n%s\naapt2's\n%s", what, i, strings.Join(got[min(i, len(got)):], "\n"), strings.Join(want[min(i, len(want)):], "\n"))
			return
		}
	}
}

// TestUnlinked: an overlay that names what the framework has is not made without it.
func TestUnlinked(t *testing.T) {
	r := compiled(t, rich...)
	if !r.NeedsFramework() || compiled(t, good...).NeedsFramework() {
		t.Error("it is not known what needs the framework")
	}
	if files, err := ours(r).Files(); err == nil || files != nil || !strings.HasSuffix(err.Error(), "not linked against the phone's framework") {
		t.Errorf("unlinked: %v", err)
	}
	names := map[string]bool{}
	for _, n := range r.Names() {
		names[n.Type+"/"+n.Name] = n.Used
		if n.File == "" || n.Line == 0 {
			t.Errorf("no place: %+v", n)
		}
	}
	for name, want := range map[string]bool{"color/accent": true, "style/Own": true, "style/Bare": true, "drawable/shape": true, "layout/other": true, "layout/bar": false, "color/white": false, "style/Theme.Ours": true, "style/Theme.Ours.Dark": false} {
		if used, ok := names[name]; !ok || used != want {
			t.Errorf("%s: used %v, %v", name, used, ok)
		}
	}
}

// TestLinkMistakes: what the framework does not have is told where it is written.
func TestLinkMistakes(t *testing.T) {
	table := theFramework(t)
	style := func(text string) []overlay.Source {
		return []overlay.Source{source("values/x.xml", "<resources>\n  "+text+"\n</resources>")}
	}
	file := func(text string) []overlay.Source {
		return []overlay.Source{source("layout/x.xml", "<a "+space+"\n  "+text+"/>")}
	}
	for _, c := range []struct {
		name    string
		sources []overlay.Source
		want    string
	}{
		{"an attribute", style(`<style name="a"><item name="android:colorAcent">#fff</item></style>`), `values/x.xml:2:19: the stock's framework has no attr/colorAcent`},
		{"an attribute of the target", style(`<style name="a"><item name="colorAccent">#fff</item></style>`), `values/x.xml:2:19: "colorAccent" is an attribute of the target's own, whose number differs from version to version; only android's can be set: android:colorAccent`},
		{"a style's element", style(`<style name="a"><itme name="android:colorAccent">#fff</itme></style>`), `values/x.xml:2:19: there is an element itme in a style, expected item`},
		{"a value of another kind", style(`<style name="a"><item name="android:windowNoTitle">yes</item></style>`), `values/x.xml:2:54: android:windowNoTitle: "yes" is not what it takes: a bool`},
		{"a word", style(`<style name="a"><item name="android:orientation">up</item></style>`), `values/x.xml:2:52: android:orientation: "up" is not what it takes: horizontal, vertical`},
		{"an attribute twice", style(`<style name="a"><item name="android:alpha">1</item><item name="android:alpha">0</item></style>`), `values/x.xml:2:54: android:alpha is set twice`},
		{"a parent", style(`<style name="a" parent="android:Theme.Materiel"/>`), `values/x.xml:2:3: the stock's framework has no style/Theme.Materiel`},
		{"a parent of the target's", style(`<style name="a" parent="@style/Theme.SystemUI"/>`), `values/x.xml:2:3: the overlay has no style Theme.SystemUI, which it has as its parent; write parent="", or one of android's; items of a parent that the target has are written out`},
		{"a parent by name", style(`<style name="Theme.Ours"/>`), `values/x.xml:2:3: the overlay has no style Theme, which its name asks for as its parent; write parent="", or one of android's; items of a parent that the target has are written out`},
		{"a private color", style(`<color name="a">@android:color/background_material_light</color>`), `values/x.xml:2:19: @android:color/background_material_light is the framework's own, which it does not make public; its number may differ in the next stock; if it is meant, write @*android:color/background_material_light`},
		{"a type", style(`<color name="a">@android:dimen/ok</color>`), `values/x.xml:2:19: the stock's framework has no dimen/ok; it has id/ok`},
		{"an attribute in a layout", file(`android:layout_widht="1dp"`), `layout/x.xml:2:11: the stock's framework has no attr/layout_widht`},
		{"a value in a layout", file(`android:layout_width="wide"`), `layout/x.xml:2:11: layout_width: "wide" is not what it takes: a dimension, fill_parent, match_parent, wrap_content`},
		{"a resource in a layout", file(`android:text="@string/x"`), `layout/x.xml:2:11: @string/x is no resource of this overlay; write the value itself: the numbers of other apps' resources differ from version to version`},
		{"no reference", file(`android:text="@x"`), `layout/x.xml:2:11: text: @x names no type, expected one such as @color/x`},
		{"another's", file(`android:text="@com.example:string/x"`), `layout/x.xml:2:11: text: @com.example:string/x refers to another app's resource; write the value itself, as the numbers of its resources differ from version to version`},
		{"a theme's own", file(`android:text="?attr/x"`), `layout/x.xml:2:11: text: ?attr/x is an attribute of the target's own, whose number differs from version to version; android's can be named: ?android:attr/x`},
		{"an app's attribute", file(`xmlns:app="http://schemas.android.com/apk/res-auto" app:x="1"`), `layout/x.xml:2:59: x is an attribute of the target's own, whose number differs from version to version; only android's attributes can be named`},
		{"no namespace", file(`app:x="1"`), `layout/x.xml:2:7: no xmlns:app says which namespace app is; as in xmlns:android="http://schemas.android.com/apk/res/android"`},
		{"a resource within", []overlay.Source{source("drawable/x.xml", `<vector xmlns:aapt="http://schemas.android.com/aapt"><aapt:attr name="x"/></vector>`)}, `drawable/x.xml:1:54: a resource within a resource (aapt:attr) is not compiled here; put it into a file of its own, and refer to that`},
		{"no element", []overlay.Source{source("xml/x.xml", "<!-- nothing -->")}, `xml/x.xml:1:1: expected an element, found none`},
		{"not closed", []overlay.Source{source("xml/x.xml", "<a>")}, `xml/x.xml:1:4: cannot read XML: unexpected EOF`},
		{"too deep", []overlay.Source{source("xml/x.xml", strings.Repeat("<a>", 300)+strings.Repeat("</a>", 300))}, `xml/x.xml:1:601: elements are more than 200 deep`},
		{"a picture that is none", []overlay.Source{source("drawable/x.png", "GIF89a")}, `drawable/x.png:0:0: it begins with "GIF89a", which is no file of that kind`},
	} {
		r, ms := overlay.Compile(c.sources)
		if len(ms) == 0 {
			r, ms = r.Link(table)
		}
		got := ""
		if len(ms) > 0 {
			if got = fmt.Sprintf("%s:%d:%d: %s", ms[0].File, ms[0].Line, ms[0].Col, ms[0].Message); ms[0].Hint != "" {
				got += "; " + ms[0].Hint
			}
		}
		if got != c.want || r != nil || len(ms) != 1 {
			t.Errorf("%s: got\n%s (%d)\nwant\n%s", c.name, got, len(ms), c.want)
		}
	}
	_, ms := compiled(t, style(`<style name="a"><item name="android:colorAcent">#fff</item></style>`)...).Link(table)
	if len(ms) != 1 || ms[0].Word != "colorAcent" || !slices.Contains(ms[0].Among, "colorAccent") {
		t.Errorf("%.200v", ms)
	}
}

// FuzzLink compiles and links one file, and what comes out is taken by the readers of
// binary XML and of tables.
func FuzzLink(f *testing.F) {
	for _, s := range rich {
		f.Add(s.Path, s.Content)
	}
	table, err := framework()
	if err != nil {
		table, err = arsc.Read(strings.NewReader("\x02\x00\x0c\x00\x0c\x00\x00\x00\x00\x00\x00\x00"), 12)
	}
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, path string, text []byte) {
		r, mistakes := overlay.Compile([]overlay.Source{{Path: path, Content: text}})
		if len(mistakes) > 0 || r.Len() == 0 {
			return
		}
		if r, mistakes = r.Link(table); len(mistakes) > 0 {
			return
		}
		files, err := ours(r).Files()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := arsc.Read(strings.NewReader(string(files[1].Content)), int64(len(files[1].Content))); err != nil {
			t.Fatal(err)
		}
	})
}
