package bugreport

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/fridayos/friday/android/bugreport/scrub"
	"github.com/fridayos/friday/android/bugreport/trace"
)

func plain(t testing.TB) []byte {
	b, err := os.ReadFile("testdata/bugreport.txt")
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// file is one of a zip.
type file struct {
	name string
	data []byte
}

func zipped(t testing.TB, files ...file) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, f := range files {
		w, err := z.Create(f.name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(f.data); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func packed(t testing.TB, data []byte) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	if _, err := w.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func read(b []byte, o Options) (Report, error) { return Read(bytes.NewReader(b), int64(len(b)), o) }

// pb is the protobuf form of a native crash.
func pb() []byte {
	text := func(b []byte, n protowire.Number, s string) []byte {
		return protowire.AppendString(protowire.AppendTag(b, n, protowire.BytesType), s)
	}
	number := func(b []byte, n protowire.Number, v uint64) []byte {
		return protowire.AppendVarint(protowire.AppendTag(b, n, protowire.VarintType), v)
	}
	frame := func(function, file string) []byte {
		return text(text(number(number(nil, 1, 0x1234), 5, 8), 4, function), 6, file)
	}
	thread := text(number(nil, 1, 77), 2, "RenderThread")
	thread = text(thread, 4, string(frame("abort", "/apex/com.android.runtime/lib64/bionic/libc.so")))
	thread = text(thread, 4, string(frame("Foo::bar()", "/system/lib64/libfoo.so")))
	b := number(nil, 1, 1)
	b = text(b, 2, "Xiaomi/umi/umi:11/RKQ1.200826.002/V12.5.9.0.RJBCNXM:user/release-keys")
	b = text(number(number(b, 5, 76), 6, 77), 9, "com.example.render")
	b = text(b, 10, string(text(number(nil, 1, 6), 2, "SIGABRT")))
	b = text(b, 14, "user anna@example.com is gone")
	return text(b, 16, string(text(number(nil, 1, 77), 2, string(thread))))
}

func TestPlain(t *testing.T) {
	var kept bytes.Buffer
	r, err := read(plain(t), Options{Scrubbed: &kept})
	if err != nil {
		t.Fatal(err)
	}
	want := Facts{Device: "umi", Model: "Mi 10", Build: "RKQ1.200826.002 test-keys", Version: "26.11.27", Fingerprint: "Xiaomi/umi/umi:11/RKQ1.200826.002/V12.5.9.0.RJBCNXM:user/release-keys",
		Android: "11", PatchLevel: "2026-11-05", Kernel: "4.19.113-perf-g1a2b3c4d5e6f", Uptime: 16*time.Hour + 21*time.Minute, Taken: "2026-11-27 10:11:12"}
	if r.Facts != want {
		t.Errorf("facts\n got %+v\nwant %+v", r.Facts, want)
	}
	var kinds []string
	for _, c := range r.Crashes {
		kinds = append(kinds, string(c.Kind)+" "+c.Process+" "+c.Top())
	}
	if got, want := strings.Join(kinds, "\n"), "java com.example.camera com.example.camera.Preview.open\nanr com.example.mail com.example.mail.Store.lock\nkernel kernel msm_vidc_open"; got != want {
		t.Errorf("crashes\n%s\nexpected\n%s", got, want)
	}
	for kind, n := range map[scrub.Kind]int{scrub.Email: 2, scrub.Serial: 1, scrub.SSID: 1, scrub.Coordinates: 1} {
		if r.Removed[kind] != n {
			t.Errorf("removed %d of %s, expected %d", r.Removed[kind], kind, n)
		}
	}
	if bytes.Count(kept.Bytes(), []byte("\n")) != bytes.Count(plain(t), []byte("\n")) || strings.Contains(kept.String(), "anna@") {
		t.Errorf("kept:\n%s", kept.String())
	}
	// What was kept is read the same again.
	again, err := read(kept.Bytes(), Options{})
	if err != nil || again.Facts != r.Facts || len(again.Crashes) != len(r.Crashes) || len(again.Removed) != 0 {
		t.Errorf("read again: %+v, %v", again, err)
	}
	for i := range again.Crashes {
		if again.Crashes[i].Fingerprint != r.Crashes[i].Fingerprint {
			t.Errorf("crash %d is another one after scrubbing", i)
		}
	}
}

func TestZip(t *testing.T) {
	b := zipped(t, file{"version.txt", []byte("2.0")}, file{"main_entry.txt", []byte("bugreport-umi-RKQ1.txt")}, file{"screenshot.png", []byte{0x89, 'P', 'N', 'G', 0}},
		file{"bugreport-umi-RKQ1.txt", plain(t)}, file{"FS/data/tombstones/tombstone_00.pb", pb()},
		file{"FS/data/tombstones/tombstone_01", []byte("*** *** *** *** *** *** *** *** *** *** *** *** *** *** *** ***\npid: 1, tid: 1, name: x  >>> surfaceflinger <<<\nsignal 11 (SIGSEGV), code 1\nbacktrace:\n      #00 pc 0000000000012345  /system/lib64/libsf.so (sf::run()+12)\n\n")},
		file{"FS/data/tombstones/tombstone_01.pb", pb()},
		file{"FS/data/anr/anr_2026-11-27-10-11-12-123", []byte("----- pid 5 at 2026-11-27 10:11:12 -----\nCmd line: com.example.other\n\"main\" prio=5 tid=1 Native\n  at a.b.C.d(C.java:1)\n\n")},
		file{"FS/data/anr/trace_00", []byte("----- pid 6 at 2026-11-27 10:11:12 -----\nCmd line: com.example.asked\n\"main\" prio=5 tid=1 Native\n  at a.b.C.d(C.java:1)\n\n")},
		file{"FS/data/system/dropbox/data_app_crash@1669112345678.txt.gz", packed(t, []byte("Process: com.example.box\nPackage: com.example.box v1 (1.0)\n\njava.lang.Error: x\n\tat a.b.C.d(C.java:1)\n"))},
		file{"FS/data/system/dropbox/broken@1.txt.gz", []byte("no gzip")},
		file{"FS/data/misc/bluetooth/logs/btsnoop_hci.log.data", []byte{1, 2, 3, 0}})
	var kept bytes.Buffer
	r, err := read(b, Options{Scrubbed: &kept})
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, c := range r.Crashes {
		all = append(all, string(c.Kind)+" "+c.Process)
	}
	if got := strings.Join(all, ", "); got != "java com.example.camera, anr com.example.mail, kernel kernel, anr com.example.other, java com.example.box, native com.example.render, native surfaceflinger" {
		t.Errorf("crashes: %s", got)
	}
	if r.LeftOut != 4 {
		t.Errorf("%d files were left out, expected 4", r.LeftOut)
	}
	if text := kept.String(); !strings.Contains(text, "------ FS/data/anr/trace_00 ------") || strings.Contains(text, "anna@") || strings.Contains(text, "PNG") {
		t.Error("what was kept is not what should be")
	}
	// The same crash in protobuf and in text is one crash.
	text, err := parseTombstone(pb())
	if err != nil {
		t.Fatal(err)
	}
	one, _ := read(pb(), Options{})
	two, _ := read([]byte(text), Options{})
	if len(one.Crashes) != 1 || one.Crashes[0].Fingerprint != two.Crashes[0].Fingerprint || one.Crashes[0].Top() != "libfoo.so!Foo::bar()" || one.Device != "umi" {
		t.Errorf("protobuf %+v, text %+v", one, two)
	}
}

func TestErrors(t *testing.T) {
	bomb := zipped(t, file{"bugreport-x.txt", make([]byte, 40<<20)})
	var many []file
	for i := range maxFiles + 1 {
		many = append(many, file{fmt.Sprint(i), nil})
	}
	for _, c := range []struct {
		name, err string
		b         []byte
	}{
		{"empty", "it is empty", nil},
		{"binary", "it is no text: byte 0 is NUL", make([]byte, 5000)},
		{"broken zip", "it begins as a zip: ", []byte("PK\x03\x04 and more")},
		{"zip of other things", "its zip holds no bugreport", zipped(t, file{"a.txt", []byte("x")})},
		{"bomb", "it holds more text than is read", bomb},
		{"many files", "files, at most 20000 are expected", zipped(t, many...)},
		{"broken gzip", "gzip", []byte{0x1f, 0x8b, 0, 0, 0, 0, 0, 0, 0, 0, 0}},
		{"long", "at most 1 MiB", bytes.Repeat([]byte("hello\n"), 1<<20)},
		{"packed long", "at most 1 MiB", packed(t, bytes.Repeat([]byte("hello\n"), 1<<20))},
		{"broken tombstone", "it begins as a protobuf tombstone: ", pb()[:100]},
	} {
		if _, err := read(c.b, Options{MaxText: 1 << 20}); err == nil || !strings.HasPrefix(err.Error(), "cannot read bugreport: ") || !strings.Contains(err.Error(), c.err) {
			t.Errorf("%s: %v, expected %q", c.name, err, c.err)
		}
	}
	if _, err := read(bomb, Options{MaxText: 1 << 20}); !errors.Is(err, ErrTooLarge) {
		t.Errorf("a bomb: %v", err)
	}
	if _, err := read(plain(t), Options{Scrubbed: full{}}); err == nil || !strings.Contains(err.Error(), "disk") {
		t.Errorf("a full disk: %v", err)
	}
}

type full struct{}

func (full) Write([]byte) (int, error) { return 0, errors.New("the disk is full") }

func FuzzRead(f *testing.F) {
	f.Add(plain(f))
	f.Add(pb())
	f.Add(zipped(f, file{"bugreport-x.txt", []byte("Build: x\n")}, file{"FS/data/tombstones/tombstone_00.pb", pb()}))
	f.Add(packed(f, []byte("Uptime: up 1 week, 2 days\n")))
	f.Fuzz(func(t *testing.T, b []byte) {
		var out bytes.Buffer
		r, err := read(b, Options{Scrubbed: &out, MaxText: 1 << 20})
		if err == nil && (r.Text > 1<<20 || len(r.Crashes) > trace.MaxCrashes) {
			t.Errorf("%+v", r)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	text := bytes.Repeat(plain(b), 200)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if _, err := Read(bytes.NewReader(text), int64(len(text)), Options{Scrubbed: io.Discard}); err != nil {
			b.Fatal(err)
		}
	}
}

func Example() {
	text := "Build fingerprint: 'Xiaomi/umi/umi:11/RKQ1.200826.002/V12.5.9.0.RJBCNXM:user/release-keys'\n" +
		"11-27 10:11:12.123  1234  1234 E AndroidRuntime: FATAL EXCEPTION: main\n" +
		"11-27 10:11:12.123  1234  1234 E AndroidRuntime: Process: com.example.camera, PID: 1234\n" +
		"11-27 10:11:12.123  1234  1234 E AndroidRuntime: java.lang.IllegalStateException: no camera for anna@example.com\n" +
		"11-27 10:11:12.123  1234  1234 E AndroidRuntime: \tat com.example.camera.Preview.open(Preview.java:77)\n"
	r, err := Read(strings.NewReader(text), int64(len(text)), Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(r.Device, r.Crashes[0].Kind, r.Crashes[0].Process, r.Crashes[0].Top(), r.Removed)
	// Output: umi java com.example.camera com.example.camera.Preview.open map[email:1]
}
