package bugreport

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"os"
	"strings"
	"testing"
)

func zipOf(t testing.TB, files ...string) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		w, err := z.Create(files[i])
		if err == nil {
			_, err = w.Write([]byte(files[i+1]))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func gzipOf(t testing.TB, s string) string {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	if _, err := z.Write([]byte(s)); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

const logLines = "11-21 08:14:03.120  1200  1311 I ActivityManager: Start proc 4711:com.android.camera2/u0a92\n11-21 08:14:03.500  4711  4711 E AndroidRuntime: FATAL EXCEPTION: main\n"

func TestLooks(t *testing.T) {
	sample, err := os.ReadFile("testdata/bugreport.txt")
	if err != nil {
		t.Fatal(err)
	}
	letter := strings.Repeat("The camera closes when I zoom. It is the bugreport that shows it.\n", 400)
	for name, c := range map[string]struct {
		file string
		want bool
	}{
		"a bugreport":                      {string(sample), true},
		"in a zip":                         {zipOf(t, "bugreport-umi.txt", string(sample)), true},
		"packed by gzip":                   {gzipOf(t, string(sample)), true},
		"logcat":                           {logLines, true},
		"logcat, brief":                    {"E/AndroidRuntime( 4711): FATAL\nE/AndroidRuntime( 4711): at x\n", true},
		"logcat with tags alone":           {"E/AndroidRuntime: FATAL EXCEPTION\nE/AndroidRuntime: at x\nW/Zygote: y\n", true},
		"logcat far down in a letter":      {letter + logLines, true},
		"properties":                       {"[ro.product.model]: [Mi 10]\n[ro.serialno]: [abc]\n", true},
		"a tombstone":                      {"*** *** *** *** *** *** *** ***\nBuild fingerprint: 'x'\n", true},
		"traces":                           {"----- pid 4711 at 2026-11-21 08:14:03 -----\nCmd line: com.android.camera2\n", true},
		"deep in a zip":                    {zipOf(t, "readme.md", "Hello.", "a/b/c/d/notes.md", letter+logLines), true},
		"in a zip within a zip":            {zipOf(t, "all/inner.bin", zipOf(t, "x/y.dat", logLines)), true},
		"in gzip within a zip":             {zipOf(t, "kmsg.gz", gzipOf(t, logLines)), true},
		"the kernel's log":                 {"[    0.000000] Booting Linux on physical CPU 0x0\n[    0.100000] Memory: 1\n", true},
		"a damaged zip":                    {zipOf(t, "a.txt", "x")[:20] + "xxxx", true},
		"a letter":                         {letter, false},
		"a letter that cites one line":     {letter + "E/AndroidRuntime: FATAL EXCEPTION: main\n" + letter, false},
		"a list of changes":                {"[1.2.0]: https://example.org\n## 1.2.0\n- New: I/O: faster\n", false},
		"source code":                      {"package x\n\nfunc main() {\n\tlog.Println(\"E/AndroidRuntime\")\n}\n", false},
		"a zip of pictures":                {zipOf(t, "bugreport-umi.png", "\x89PNG\r\n\x1a\n\x00\x00", "readme.txt", letter), false},
		"a zip that is called a bugreport": {zipOf(t, "bugreport-2026.txt", letter), false},
		"a table":                          {"device,build,days\numi,26.11.27,3\nhlte,26.11.27,9\n", false},
		"nothing":                          {"", false},
		"a program":                        {"\x7fELF\x02\x01\x01\x00\x00\x00", false},
	} {
		if got := Looks(strings.NewReader(c.file), int64(len(c.file))); got != c.want {
			t.Errorf("%s: %v, expected %v", name, got, c.want)
		}
	}
}

// A zip that is no bugreport as Android packs it is read by what its files hold.
func TestReadZipOfLogs(t *testing.T) {
	private := "11-21 08:14:03.500  4711  4711 I Mail    : syncing anna.maier@example.com\n"
	for name, file := range map[string]string{
		"deep":             zipOf(t, "readme.md", "Hello, I am anna.maier@example.com.", "a/b/c/d/notes.md", strings.Repeat(logLines, 5000)+private),
		"zip within a zip": zipOf(t, "all/inner.bin", zipOf(t, "x/y.dat", logLines+private)),
		"gzip in a zip":    zipOf(t, "k.bin", gzipOf(t, logLines+private)),
	} {
		var out bytes.Buffer
		r, err := Read(strings.NewReader(file), int64(len(file)), Options{Scrubbed: &out})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if strings.Contains(out.String(), "anna.maier") || !strings.Contains(out.String(), "ActivityManager") || r.Removed["email"] == 0 {
			t.Errorf("%s: removed %v; the text is %.200q", name, r.Removed, out.String())
		}
	}
}

func FuzzLooks(f *testing.F) {
	f.Add([]byte(logLines))
	f.Add([]byte(zipOf(f, "a/b", logLines, "c.gz", gzipOf(f, "x"))))
	f.Add([]byte(gzipOf(f, gzipOf(f, "x"))))
	f.Add([]byte("PK\x05\x06"))
	f.Fuzz(func(t *testing.T, file []byte) {
		r := bytes.NewReader(file)
		looks := Looks(r, r.Size())
		if looks {
			return
		}
		if rep, err := Read(r, r.Size(), Options{MaxText: 1 << 20}); err == nil && rep.Fingerprint != "" {
			t.Errorf("it has the fingerprint %q and does not look as a report", rep.Fingerprint)
		}
	})
}
