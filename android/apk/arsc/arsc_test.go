package arsc_test

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/fridayos/friday/android/apk/arsc"
	"github.com/fridayos/friday/android/apk/overlay"
	"github.com/fridayos/friday/internal/judge"
)

// framework is where Debian puts the resources that apps are linked against.
const framework = "/usr/share/android-framework-res/framework-res.apk"

func opened(t testing.TB, name string) *arsc.Table {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Skip("needs android-framework-res: ", err)
	}
	defer f.Close()
	st, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	table, err := arsc.Open(f, st.Size())
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// listed is a table as lines: every resource, and what attributes take.
func listed(table *arsc.Table) (out []string) {
	for _, p := range table.Packages {
		for _, y := range p.Types {
			for _, r := range y.Resources {
				public := ""
				if r.Public {
					public = " PUBLIC"
				}
				out = append(out, fmt.Sprintf("0x%02x%02x%04x %s/%s%s", p.ID, y.ID, r.Entry, y.Name, r.Name, public))
				if r.Attr == nil {
					continue
				}
				out = append(out, fmt.Sprintf("%s takes %s", r.Name, formats(r.Attr.Formats)))
				for _, s := range r.Attr.Symbols {
					out = append(out, fmt.Sprintf("%s takes %s=0x%08x", r.Name, s.Name, s.Value))
				}
			}
		}
	}
	slices.Sort(out)
	return out
}

func formats(f uint32) string {
	var names []string
	for i, n := range []string{"reference", "string", "integer", "boolean", "color", "float", "dimension", "fraction"} {
		if f&(1<<i) != 0 {
			names = append(names, n)
		}
	}
	if f&0xffff == 0xffff {
		names = []string{"any"}
	}
	if f&arsc.Enum != 0 {
		names = append(names, "enum")
	}
	if f&arsc.Flags != 0 {
		names = append(names, "flags")
	}
	return strings.Join(names, "|")
}

var (
	resourceLine = regexp.MustCompile(`^resource (0x[0-9a-f]{8}) (\S+)( PUBLIC)?`)
	attrLine     = regexp.MustCompile(`^\(\) \(attr\) type=(\S+)`)
	symbolLine   = regexp.MustCompile(`^(\S+)\(0x[0-9a-f]{8}\)=(0x[0-9a-f]{8})$`)
)

// judged is what aapt2 says of an APK, in the same lines.
func judged(t *testing.T, name string) (out []string) {
	resource, attr := "", false
	for l := range strings.Lines(judge.Run(t, "aapt2", "dump", "resources", name)) {
		l = strings.TrimPrefix(strings.TrimSpace(l), "[") // which aapt2 leaves open behind an empty array
		if m := resourceLine.FindStringSubmatch(l); m != nil {
			out = append(out, m[1]+" "+m[2]+m[3])
			_, resource, _ = strings.Cut(m[2], "/")
			attr = false
		} else if m := attrLine.FindStringSubmatch(l); m != nil {
			out = append(out, resource+" takes "+m[1])
			attr = true
		} else if m := symbolLine.FindStringSubmatch(l); m != nil && attr {
			out = append(out, resource+" takes "+m[1]+"="+m[2])
		}
	}
	slices.Sort(out)
	return out
}

func same(t *testing.T, got, want []string) {
	t.Helper()
	for i := range max(len(got), len(want)) {
		if i >= len(got) || i >= len(want) || got[i] != want[i] {
			t.Fatalf("line %d of %d, aapt2's %d: ours %q, aapt2's %q", i, len(got), len(want), got[min(i, len(got)-1)], want[min(i, len(want)-1)])
		}
	}
}

// TestFramework: aapt2 says the same of every resource of Android 10's framework, and of
// what each attribute takes; and so does the table that was written and read again.
func TestFramework(t *testing.T) {
	table := opened(t, framework)
	got := listed(table)
	if len(got) < 10_000 {
		t.Fatalf("%d lines", len(got))
	}
	same(t, got, judged(t, framework))
	if id, r, ok := table.Find("attr", "gravity"); !ok || id != 0x010100af || r.Attr == nil {
		t.Errorf("attr/gravity is %#x, %+v", id, r)
	} else if s, ok := r.Attr.Symbol("center"); !ok || s.Value != 0x11 {
		t.Errorf("center is %+v", s)
	}
	b, err := json.Marshal(table)
	if err != nil {
		t.Fatal(err)
	}
	var again arsc.Table
	if err := json.Unmarshal(b, &again); err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(listed(&again), got) {
		t.Error("a table that was written and read again says something else")
	}
	if id, _, ok := again.Find("bool", "config_showNavigationBar"); !ok || id>>24 != 1 {
		t.Errorf("read again, bool/config_showNavigationBar is %#x, %v", id, ok)
	}
	if table.Nameless() || len(table.Overlayable()) > 0 || !slices.Contains(table.Names("bool"), "config_showNavigationBar") {
		t.Error("names are missing")
	}
}

// TestApps: tables of apps that others made.
func TestApps(t *testing.T) {
	dir := os.Getenv("FRIDAY_REAL_ANDROID")
	if dir == "" {
		t.Skip("needs FRIDAY_REAL_ANDROID, a folder of real Android files")
	}
	names, err := filepath.Glob(filepath.Join(dir, "*", "*.apk"))
	if err != nil || len(names) == 0 {
		t.Fatalf("no apps in %s: %v", dir, err)
	}
	for _, name := range names {
		if filepath.Base(name) != "framework-res.apk" {
			same(t, listed(opened(t, name)), judged(t, name))
		}
	}
}

// TestOverlayable: what aapt2 made of <overlayable> elements.
func TestOverlayable(t *testing.T) {
	judge.Need(t, "aapt2")
	dir := t.TempDir()
	write := func(name, text string) string {
		name = filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return name
	}
	write("res/values/a.xml", `<resources><bool name="open">true</bool><bool name="shut">true</bool><color name="c">#fff</color><attr name="own" format="enum|color"><enum name="one" value="1"/></attr>
<overlayable name="Themes" actor="overlay://theme"><policy type="product|vendor"><item type="bool" name="open"/></policy><policy type="public"><item type="color" name="c"/></policy></overlayable></resources>`)
	manifest := write("AndroidManifest.xml", `<manifest xmlns:android="http://schemas.android.com/apk/res/android" package="org.example.target"><application/></manifest>`)
	zipped, app := filepath.Join(dir, "res.zip"), filepath.Join(dir, "app.apk")
	judge.Run(t, "aapt2", "compile", "--dir", filepath.Join(dir, "res"), "-o", zipped)
	judge.Run(t, "aapt2", "link", "-I", framework, "--manifest", manifest, "-o", app, zipped)
	table := opened(t, app)
	same(t, listed(table), judged(t, app))
	if got := table.Overlayable(); !slices.Equal(got, []string{"Themes"}) {
		t.Errorf("overlayable: %q", got)
	}
	for name, want := range map[string]string{"bool/open": "Themes vendor|product", "bool/shut": " none", "color/c": "Themes public"} {
		kind, entry, _ := strings.Cut(name, "/")
		_, r, ok := table.Find(kind, entry)
		if got := fmt.Sprint(r.Overlayable, " ", r.Policies); !ok || got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
	if got := table.Kinds("c"); !slices.Equal(got, []string{"color"}) {
		t.Errorf("c is of types %q", got)
	}
	// Sparse tables, as aapt2 makes them for many configs.
	sparse := filepath.Join(dir, "sparse.apk")
	judge.Run(t, "aapt2", "link", "-I", framework, "--manifest", manifest, "--min-sdk-version", "26", "--enable-sparse-encoding", "-o", sparse, zipped)
	same(t, listed(opened(t, sparse)), judged(t, sparse))
}

// small is a table with something of everything that Friday itself writes.
func small(t testing.TB) []byte {
	t.Helper()
	r, mistakes := overlay.Compile([]overlay.Source{
		{Path: "values/a.xml", Content: []byte(`<resources><bool name="a">true</bool><string name="b">x</string><integer-array name="c"><item>1</item></integer-array></resources>`)},
		{Path: "values-de/a.xml", Content: []byte(`<resources><string name="b">y</string></resources>`)},
	})
	if len(mistakes) > 0 {
		t.Fatal(mistakes)
	}
	files, err := (&overlay.Overlay{Package: "org.example.x", Target: "android", Resources: r}).Files()
	if err != nil {
		t.Fatal(err)
	}
	return files[1].Content
}

func TestHostile(t *testing.T) {
	good := small(t)
	table, err := arsc.Read(bytes.NewReader(good), int64(len(good)))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := listed(table), []string{"0x7f010000 array/c", "0x7f020000 bool/a", "0x7f030000 string/b"}; !slices.Equal(got, want) {
		t.Errorf("listed %q", got)
	}
	for at := range good { // every byte, and every end
		for _, v := range []byte{0, 1, 0x7f, 0xff} {
			bad := bytes.Clone(good)
			bad[at] = v
			_, _ = arsc.Read(bytes.NewReader(bad), int64(len(bad)))
		}
		if _, err := arsc.Read(bytes.NewReader(good[:at]), int64(at)); err == nil {
			t.Errorf("cut at %d: read", at)
		}
	}
	if _, err := arsc.Open(strings.NewReader("PK\x05\x06"+strings.Repeat("\x00", 18)), 22); !errors.Is(err, arsc.ErrNone) {
		t.Errorf("an empty zip: %v", err)
	}
	wrong := binary.LittleEndian.AppendUint32([]byte{2, 0, 12, 0}, 4<<20)
	if _, err := arsc.Read(bytes.NewReader(wrong), int64(len(wrong))); err == nil || err.Error() != "resources.arsc: byte 0: chunk 0x2 has 4194304 bytes with a header of 12, expected at most the 8 that are left" {
		t.Errorf("too large a chunk: %v", err)
	}
}

// BenchmarkFramework reads the table of a framework of 13,000 resources in 32 MB.
func BenchmarkFramework(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		opened(b, framework)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(small(f))
	f.Add([]byte{2, 0, 12, 0, 12, 0, 0, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		table, err := arsc.Read(bytes.NewReader(b), int64(len(b)))
		if err != nil {
			return
		}
		for _, p := range table.Packages {
			for _, y := range p.Types {
				for _, r := range y.Resources {
					if _, _, ok := table.Find(y.Name, r.Name); !ok {
						t.Fatalf("%s/%s is listed and not found", y.Name, r.Name)
					}
				}
			}
		}
	})
}
