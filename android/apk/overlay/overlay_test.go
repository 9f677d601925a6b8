package overlay_test

import (
	"bytes"
	"fmt"
	"image"
	encode "image/png"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/fridayos/friday/android/apk"
	"github.com/fridayos/friday/android/apk/overlay"
	"github.com/fridayos/friday/android/apk/pack"
	"github.com/fridayos/friday/internal/judge"
	"github.com/fridayos/friday/internal/stocktest"
)

func source(path, text string) overlay.Source {
	return overlay.Source{Path: path, Content: []byte(text)}
}

const png = "\x89PNG\r\n\x1a\n"

var good = []overlay.Source{
	source("values/config.xml", `<?xml version="1.0" encoding="utf-8"?>
<!-- what ours has otherwise -->
<resources xmlns:xliff="urn:oasis:names:tc:xliff:document:1.2">
    <bool name="config_showNavigationBar">true</bool>
    <bool name="config_off">false</bool>
    <integer name="config_screenBrightnessDim">-10</integer>
    <integer name="config_hex">0xff</integer>
    <color name="accent">#ff8800</color>
    <color name="clear">#8000</color>
    <dimen name="status_bar_height">28.5dp</dimen>
    <dimen name="tiny">0.125px</dimen>
    <dimen name="below">-3sp</dimen>
    <dimen name="large">100000px</dimen>
    <fraction name="part">40%p</fraction>
    <string name="hello">
        Hello   <xliff:g id="name">%s</xliff:g>,
        it\'s "two  spaces" \u00e9\n
    </string>
    <string name="alias">@string/hello</string>
    <string name="empty"></string>
    <string name="long">`+strings.Repeat("Grüße ", 40)+`</string>
    <string-array name="config_tether_usb_regexs">
        <item>usb\\d</item>
        <item>rndis\\d</item>
    </string-array>
    <integer-array name="config_autoBrightnessLevels"><item>10</item><item>200</item></integer-array>
    <array name="mixed"><item>1</item><item>#fff</item><item>text</item><item>@bool/config_off</item></array>
    <item type="dimen" name="ratio" format="float">1.5</item>
    <plurals name="days"><item quantity="one">%d day</item><item quantity="other">%d days</item></plurals>
</resources>`),
	source("values-de-rAT/strings.xml", `<resources><string name="hello">Servus</string></resources>`),
	source("values-b+zh+Hant/strings.xml", `<resources><string name="hello">你好</string></resources>`),
	source("values-fil/strings.xml", `<resources><string name="hello">Kumusta</string></resources>`),
	source("values-mcc310-mnc004-sw600dp-land-night-v29/bools.xml", `<resources><bool name="config_off">true</bool></resources>`),
	source("drawable-xxhdpi/logo.png", png),
	source("raw/notes", "anything"),
}

func compiled(t testing.TB, sources ...overlay.Source) *overlay.Resources {
	t.Helper()
	r, mistakes := overlay.Compile(sources)
	if len(mistakes) > 0 {
		t.Fatalf("%+v", mistakes)
	}
	return r
}

// packed writes an overlay to a file.
func packed(t testing.TB, o *overlay.Overlay) string {
	t.Helper()
	files, err := o.Files()
	if err != nil {
		t.Fatal(err)
	}
	key, cert, err := stocktest.VendorKeys(5)
	if err != nil {
		t.Fatal(err)
	}
	b, err := pack.Signed(files, key, cert)
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(t.TempDir(), "overlay.apk")
	if err := os.WriteFile(name, b, 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

func ours(r *overlay.Resources) *overlay.Overlay {
	return &overlay.Overlay{Package: "org.example.overlay", Target: "android", TargetName: "Themes", Priority: 7, VersionCode: 3, VersionName: "3", Resources: r}
}

// TestJudged: Android's own tools read every value as it was meant.
func TestJudged(t *testing.T) {
	name := packed(t, ours(compiled(t, good...)))
	if said := judge.Run(t, "apksigner", "verify", "-v", "--min-sdk-version", "26", name); strings.Contains(said, "WARNING") || !strings.HasPrefix(said, "Verifies\n") {
		t.Errorf("apksigner says\n%s", said)
	}
	// Without the white space in front of lines, which differs from version to version.
	lines := func(program string, args ...string) string {
		var out []string
		for l := range strings.Lines(judge.Run(t, program, args...)) {
			out = append(out, strings.TrimSpace(l))
		}
		return strings.Join(out, "\n")
	}
	said := lines("aapt2", "dump", "resources", name)
	for _, want := range []string{
		"Package name=org.example.overlay id=7f",
		"bool/config_showNavigationBar\n() true", "bool/config_off\n() false\n(mcc310-mnc4-sw600dp-land-night-v29) true",
		"integer/config_screenBrightnessDim\n() -10", "integer/config_hex\n() 0x000000ff", "color/accent\n() #ffff8800", "color/clear\n() #88000000",
		"dimen/status_bar_height\n() 28.500000dp", "dimen/tiny\n() 0.125000px", "dimen/large\n() 100000.000000px",
		"fraction/part\n() 0.400000%p", "dimen/ratio\n() 1.5",
		"string/hello\n() \"Hello %s, it's two  spaces é\n\"\n", "(b+zh+Hant) \"你好\"", "(de-rAT) \"Servus\"", "(fil) \"Kumusta\"",
		"string/alias\n() @string/hello", "string/empty\n() \"\"", "string/long\n() \"" + strings.TrimSpace(strings.Repeat("Grüße ", 40)) + "\"",
		"array/config_tether_usb_regexs\n() (array) size=2\n[\"usb\\d\", \"rndis\\d\"]", "array/config_autoBrightnessLevels\n() (array) size=2\n[10, 200]",
		"array/mixed\n() (array) size=4\n[1, #ffffffff, \"text\", @bool/config_off]",
		"plurals/days\n() (plurals) size=2\none=\"%d day\"\nother=\"%d days\"",
		"drawable/logo\n(xxhdpi) (file) res/drawable-xxhdpi/logo.png", "raw/notes\n() (file) res/raw/notes",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("aapt2 does not say %q:\n%s", want, said)
		}
	}
	said = lines("aapt", "dump", "--values", "resources", name)
	for _, want := range []string{
		"org.example.overlay:bool/config_showNavigationBar: t=0x12 d=0xffffffff", "(fraction) 0.400000%p", `(string8) "Kumusta"`,
		"spec resource 0x7f020000 org.example.overlay:bool/config_off: flags=0x00003483", "spec resource 0x7f0a0002 org.example.overlay:string/hello: flags=0x00000004",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("aapt does not say %q:\n%s", want, said)
		}
	}
	said = judge.Run(t, "aapt", "dump", "xmltree", name, "AndroidManifest.xml")
	for _, want := range []string{
		`A: package="org.example.overlay"`, "A: android:versionCode(0x0101021b)=(type 0x10)0x3", "E: overlay", "A: android:priority(0x0101001c)=(type 0x10)0x7",
		`A: android:targetPackage(0x01010021)="android" (Raw: "android")`, `A: android:targetName(0x0101044d)="Themes"`, "A: android:isStatic(0x0101055a)=(type 0x12)0xffffffff",
		"A: android:hasCode(0x0101000c)=(type 0x12)0x0",
	} {
		if !strings.Contains(said, want) {
			t.Errorf("aapt does not say %q:\n%s", want, said)
		}
	}
	if said := judge.Run(t, "aapt", "dump", "badging", name); !strings.Contains(said, "package: name='org.example.overlay' versionCode='3' versionName='3'") || !strings.Contains(said, "sdkVersion:'26'") {
		t.Errorf("aapt says\n%s", said)
	}
}

// frameworkRes is where Debian puts the resources that apps are linked against.
const frameworkRes = "/usr/share/android-framework-res/framework-res.apk"

// TestSameAsAapt2: Android's own compiler makes the same values, numbers included.
func TestSameAsAapt2(t *testing.T) {
	judge.Need(t, "aapt2")
	if _, err := os.Stat(frameworkRes); err != nil {
		t.Skip("needs android-framework-res")
	}
	dir := t.TempDir()
	for _, s := range good {
		content := s.Content
		if strings.HasSuffix(s.Path, ".png") {
			content = picture(t) // aapt2 reads it
		}
		name := filepath.Join(dir, "res", s.Path)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name+map[bool]string{true: ".txt"}[s.Path == "raw/notes"], content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	manifest := filepath.Join(dir, "AndroidManifest.xml")
	if err := os.WriteFile(manifest, []byte(`<manifest xmlns:android="http://schemas.android.com/apk/res/android" package="org.example.overlay" android:versionCode="3" android:versionName="3">
<uses-sdk android:minSdkVersion="26" android:targetSdkVersion="30"/>
<overlay android:targetPackage="android" android:targetName="Themes" android:priority="7" android:isStatic="true"/>
<application android:hasCode="false"/></manifest>`), 0o644); err != nil {
		t.Fatal(err)
	}
	theirs := filepath.Join(dir, "theirs.apk")
	judge.Run(t, "aapt2", "compile", "--dir", filepath.Join(dir, "res"), "-o", filepath.Join(dir, "res.zip"))
	judge.Run(t, "aapt2", "link", "--no-resource-deduping", "--no-auto-version", "--no-version-vectors", "-I", frameworkRes, "--manifest", manifest, "-o", theirs, filepath.Join(dir, "res.zip"))
	name := packed(t, ours(compiled(t, good...)))
	values := func(file string) (out []string) {
		resource := ""
		for l := range strings.Lines(judge.Run(t, "aapt", "dump", "--values", "resources", file)) {
			l = strings.TrimSpace(l)
			switch _, rest, ok := strings.Cut(l, "org.example.overlay:"); {
			case strings.HasPrefix(l, "config "):
				resource = l
			case strings.Contains(l, "raw/notes") || strings.Contains(l, "drawable") || strings.HasPrefix(l, "type ") || strings.HasPrefix(l, "spec ") && !ok:
			case ok: // without its number, which goes by the order of the types
				l = rest
				if i := strings.Index(l, "t=0x03 d="); i >= 0 {
					l = l[:i] // a text's number in the pool
				}
				if i := strings.Index(l, "t=0x01 d="); i >= 0 {
					l = l[:i] // a resource's number
				}
				out = append(out, resource+" "+l)
			case strings.HasPrefix(l, "(") && !strings.HasPrefix(l, "(reference)"), strings.HasPrefix(l, "#") && !strings.Contains(l, "(reference)"):
				out = append(out, l)
			}
		}
		slices.Sort(out)
		return out
	}
	if got, want := values(name), values(theirs); !slices.Equal(got, want) {
		for i := range max(len(got), len(want)) {
			if i >= len(got) || i >= len(want) || got[i] != want[i] {
				t.Fatalf("from line %d on, ours\n%s\naapt2's\n%s", i, strings.Join(got[i:], "\n"), strings.Join(want[i:], "\n"))
			}
		}
	}
	xml := func(file string) string { return judge.Run(t, "aapt", "dump", "xmltree", file, "AndroidManifest.xml") }
	for _, l := range strings.Split(strings.TrimSpace(xml(name)), "\n") {
		if !strings.Contains(l, " (line=") && !strings.Contains(xml(theirs), strings.TrimSpace(l)) {
			t.Errorf("aapt2's manifest has no %s:\n%s", l, xml(theirs))
		}
	}
}

func picture(t *testing.T) []byte {
	var b bytes.Buffer
	if err := encode.Encode(&b, image.NewGray(image.Rect(0, 0, 4, 4))); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// TestRead: our own reader agrees, and a file that is one for phones is aligned.
func TestRead(t *testing.T) {
	o := ours(compiled(t, good...))
	b, err := os.ReadFile(packed(t, o))
	if err != nil {
		t.Fatal(err)
	}
	m, err := apk.Open(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	if m.Package != o.Package || m.Overlay != "android" || m.VersionCode != 3 || m.MinSDK != overlay.MinSDK {
		t.Errorf("manifest %+v", m)
	}
	if n := o.Resources.Len(); n != 22 {
		t.Errorf("%d resources", n)
	}
	again, err := os.ReadFile(packed(t, ours(compiled(t, backward(good)...))))
	if err != nil || !bytes.Equal(b, again) {
		t.Errorf("the same resources in another order give other bytes (%v)", err)
	}
}

func TestMistakes(t *testing.T) {
	in := func(text string) []overlay.Source {
		return []overlay.Source{source("values/x.xml", "<resources>\n  "+text+"\n</resources>")}
	}
	for _, c := range []struct {
		name    string
		sources []overlay.Source
		want    string
	}{
		{"a bool", in(`<bool name="a">yes</bool>`), `values/x.xml:2:18: "yes" is no bool, expected true or false`},
		{"an integer", in(`<integer name="a">3000000000</integer>`), `values/x.xml:2:21: "3000000000" is no integer of 32 bits, expected one such as 30 or 0x1e`},
		{"a color", in(`<color name="a">red</color>`), `values/x.xml:2:19: "red" is no color, expected #RGB, #ARGB, #RRGGBB or #AARRGGBB`},
		{"a dimension", in(`<dimen name="a">3 feet</dimen>`), `values/x.xml:2:19: "3 feet" is no dimension, expected a number and px, dp, sp, pt, in or mm`},
		{"a dimension out of range", in(`<dimen name="a">9000000dp</dimen>`), `values/x.xml:2:19: 9000000dp is out of range`},
		{"a fraction", in(`<fraction name="a">3</fraction>`), `values/x.xml:2:22: "3" is no fraction, expected one such as 40% or 40%p`},
		{"an apostrophe", in(`<string name="a">it's</string>`), `values/x.xml:2:20: an apostrophe is written \'`},
		{"a quotation mark", in(`<string name="a">"x</string>`), `values/x.xml:2:20: a quotation mark is not closed; one that is meant is written \"`},
		{"an escape", in(`<string name="a">\d</string>`), `values/x.xml:2:20: unknown escape "\\d"`},
		{"markup", in(`<string name="a"><b>x</b></string>`), `values/x.xml:2:20: there is an element b in the value`},
		{"a type", in(`<attr name="a" format="color"/>`), `values/x.xml:2:3: resources of type "attr" are not compiled here`},
		{"no name", in(`<bool>true</bool>`), `values/x.xml:2:3: "" is no name of a resource`},
		{"twice", in(`<bool name="a">true</bool><bool name="a">true</bool>`), `values/x.xml:2:29: bool/a is given twice, first in values/x.xml:2`},
		{"another's", in(`<color name="a">@com.example:color/white</color>`), `values/x.xml:2:19: @com.example:color/white refers to another app's resource; write the value itself, as the numbers of its resources differ from version to version`},
		{"its own that is not there", in(`<color name="a">@color/b</color>`), `values/x.xml:2:19: @color/b is no resource of this overlay`},
		{"a quantity", in(`<plurals name="a"><item quantity="1">x</item></plurals>`), `values/x.xml:2:21: unknown quantity "1"`},
		{"text between", in("x"), `values/x.xml:1:12: there is text between the resources: "x"`},
		{"no XML", []overlay.Source{source("values/x.xml", "<resources><bool>")}, `values/x.xml:1:18: cannot read XML: unexpected EOF`},
		{"nothing", []overlay.Source{source("values/x.xml", "")}, `values/x.xml:1:1: expected an element resources, found none`},
		{"another element", []overlay.Source{source("values/x.xml", "<resource/>")}, `values/x.xml:1:1: the first element is resource, expected resources`},
		{"a folder", []overlay.Source{source("layouts/x.xml", "<a/>")}, `layouts/x.xml:0:0: "layouts" is no folder of resources that is compiled here`},
		{"a qualifier", []overlay.Source{source("values-nigth/x.xml", "<resources/>")}, `values-nigth/x.xml:0:0: folder values-nigth: unknown qualifier "nigth"`},
		{"two of a kind", []overlay.Source{source("values-land-port/x.xml", "<resources/>")}, `values-land-port/x.xml:0:0: folder values-land-port: qualifier "port" is the second of its kind`},
		{"a picture to be stretched", []overlay.Source{source("drawable/x.9.png", png)}, `drawable/x.9.png:0:0: a picture with a stretchable frame must be compiled`},
		{"a picture of another kind", []overlay.Source{source("drawable/x.bmp", "BM")}, `drawable/x.bmp:0:0: expected a file that ends in .xml or .png or .webp or .jpg or .jpeg or .gif`},
		{"a name", []overlay.Source{source("drawable/my-logo.png", png)}, `drawable/my-logo.png:1:1: "my-logo" is no name of a resource`},
	} {
		r, ms := overlay.Compile(c.sources)
		got := ""
		if len(ms) > 0 {
			got = fmt.Sprintf("%s:%d:%d: %s", ms[0].File, ms[0].Line, ms[0].Col, ms[0].Message)
		}
		if got != c.want || r != nil || len(ms) != 1 {
			t.Errorf("%s: got\n%s (%d)\nwant\n%s", c.name, got, len(ms), c.want)
		}
	}
	r := compiled(t, source("values/x.xml", `<resources><bool name="a">true</bool></resources>`))
	for _, c := range []struct {
		o    overlay.Overlay
		want string
	}{
		{overlay.Overlay{Package: "x", Target: "android", Resources: r}, `package is "x", expected one with a dot such as org.example.overlay`},
		{overlay.Overlay{Package: "x.y", Target: "1", Resources: r}, `target is "1", expected a package such as android or com.android.systemui`},
		{overlay.Overlay{Package: "x.y", Target: "x.y", Resources: r}, `package and target are both "x.y"`},
		{overlay.Overlay{Package: "x.y", Target: "android", Priority: -1, Resources: r}, `priority is -1, expected 0 to 9999`},
		{overlay.Overlay{Package: "x.y", Target: "android"}, `it has no resources`},
	} {
		if files, err := c.o.Files(); err == nil || !strings.HasSuffix(err.Error(), c.want) || files != nil {
			t.Errorf("%v, want %q", err, c.want)
		}
	}
}

func FuzzCompile(f *testing.F) {
	for _, s := range good {
		f.Add(s.Path, s.Content)
	}
	f.Add("values/x.xml", []byte(`<resources><plurals name="a"><item quantity="one">@string/x</item></plurals></resources>`))
	f.Fuzz(func(t *testing.T, path string, text []byte) {
		r, mistakes := overlay.Compile([]overlay.Source{{Path: path, Content: text}})
		if (r == nil) != (len(mistakes) > 0) {
			t.Fatalf("%v and %v", r, mistakes)
		}
		if r == nil || r.Len() == 0 {
			return
		}
		files, err := ours(r).Files()
		if err != nil || len(files) < 2 {
			t.Fatalf("%d files, %v", len(files), err)
		}
	})
}

func backward(list []overlay.Source) []overlay.Source {
	list = slices.Clone(list)
	slices.Reverse(list)
	return list
}
