package site

import (
	"archive/zip"
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/feedback"
)

// secret stands in the files that the tests send, and must be nowhere after.
const secret = "anna.maier@example.com"

func zipBytes(t testing.TB, files ...string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for i := 0; i < len(files); i += 2 {
		w, err := z.Create(files[i])
		if err == nil {
			_, err = io.WriteString(w, files[i+1])
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func gzipBytes(t testing.TB, s string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := io.WriteString(z, s)
	if err == nil {
		err = z.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// stored is all that lies in a blob store, unpacked where it is packed.
func stored(t *testing.T, dirs ...*blob.Store) string {
	t.Helper()
	var all strings.Builder
	for _, s := range dirs {
		err := s.Walk(context.Background(), func(ref blob.Ref, _ time.Time) error {
			b, err := s.Open(ref.Digest)
			if err != nil {
				return err
			}
			defer b.Close()
			raw, err := io.ReadAll(io.NewSectionReader(b, 0, ref.Size))
			if err != nil {
				return err
			}
			all.Write(raw)
			if z, err := zip.NewReader(bytes.NewReader(raw), int64(len(raw))); err == nil {
				for _, f := range z.File {
					if r, err := f.Open(); err == nil {
						_, _ = io.Copy(&all, r)
						r.Close()
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all.String()
}

// A log is a log wherever it is attached and whatever it is called: it is scrubbed,
// its member sees what was taken out before it is published, and nothing raw stays.
func TestLogsAmongAttachments(t *testing.T) {
	sample, err := os.ReadFile("../../android/bugreport/testdata/bugreport.txt")
	if err != nil {
		t.Fatal(err)
	}
	private := "11-21 08:14:03.500  4711  4711 I Mail    : syncing " + secret + "\n"
	long := strings.Repeat("11-21 08:14:03.120  1200  1311 I ActivityManager: Start proc 4711:com.android.camera2/u0a92\n", 3000)
	report := string(sample) + "\n" + private
	logs := map[string]sent{
		"a bugreport":                    {"bugreport-umi.txt", []byte(report)},
		"a bugreport's zip":              {"bugreport-umi-2026-11-21.zip", zipBytes(t, "version.txt", "2.0", "bugreport-umi.txt", long+report)},
		"a renamed file":                 {"holiday.jpg", []byte(long + private)},
		"a zip, the private line deep":   {"stuff.zip", zipBytes(t, "readme.md", "Hello.", "a/b/c/d.dat", long+private+long)},
		"a zip within a zip":             {"stuff.zip", zipBytes(t, "inner", string(zipBytes(t, "x/y", private+long)))},
		"gzip":                           {"log.gz", gzipBytes(t, long+private)},
		"gzip called text":               {"notes.txt", gzipBytes(t, private+long)},
		"a log at the end of long words": {"notes.md", []byte(strings.Repeat("What I did before it broke.\n", 5000) + private + private)},
	}
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := whole(t, d)
		w.regulars("rea")
		forms := map[string]func(f sent) *httptest.ResponseRecorder{
			"a new thread": func(f sent) *httptest.ResponseRecorder {
				return w.sendFiles("rea", "/t/new", url.Values{"kind": {"talk"}, "title": {"Look at this"}, "body": {"Attached, with a picture."}, "sure": {"yes"}}, f, sent{"shot.png", shot(t, 40, 40)})
			},
			"a reply": func(f sent) *httptest.ResponseRecorder {
				return w.sendFiles("rea", "/t/6/reply", url.Values{"body": {"Attached, with a picture."}}, f, sent{"shot.png", shot(t, 40, 40)})
			},
			"an edit": func(f sent) *httptest.ResponseRecorder {
				var id int64
				w.write(func(tx *db.Tx) error {
					p, err := feedback.Reply(tx, feedback.Viewer{Member: w.ids["rea"]}, 6, "More follows.")
					id = p.ID
					return err
				})
				return w.sendFiles("rea", fmt.Sprintf("/p/%d/edit", id), url.Values{"body": {"Attached, with a picture."}}, f, sent{"shot.png", shot(t, 40, 40)})
			},
		}
		for name, f := range logs {
			for at, send := range forms {
				fresh(w)
				w.now = w.now.AddDate(0, 0, 1)
				w.tokens["rea"] = w.session("rea")
				rec := send(f)
				m := regexp.MustCompile(`^(/report/\d+)\?thread=(\d+)&done=log$`).FindStringSubmatch(where(rec))
				if rec.Code != http.StatusSeeOther || m == nil {
					t.Fatalf("%s in %s: %d to %q %s", name, at, rec.Code, where(rec), rec.Body)
				}
				thread := "/t/" + m[2]
				page := w.get("rea", where(rec)).Body.String()
				for _, want := range []string{"Your words are published", "E-mail addresses", `name="private"`, "/publish"} {
					if !strings.Contains(page, want) {
						t.Errorf("%s in %s: what was taken out is shown without %q", name, at, want)
					}
				}
				if strings.Contains(page, secret) {
					t.Errorf("%s in %s: the page shows what was to be taken out", name, at)
				}
				if got := w.get("ben", m[1]).Code; got != 404 {
					t.Errorf("%s in %s: another sees the draft: %d", name, at, got)
				}
				shown := w.get("ben", w.path(thread)).Body.String()
				if strings.Contains(shown, m[1]) || !strings.Contains(shown, "Attached, with a picture.") {
					t.Errorf("%s in %s: before it is published the thread shows the log, or lacks the words", name, at)
				}
				if rec := w.post("rea", m[1]+"/publish", url.Values{"thread": {m[2]}, "private": {"yes"}}); rec.Code != 303 {
					t.Fatalf("%s in %s: publishing: %d", name, at, rec.Code)
				}
				if got := w.get("ben", m[1]+"/text").Code; got != 404 {
					t.Errorf("%s in %s: another reads what is for maintainers: %d", name, at, got)
				}
				if got := w.get("ada", m[1]+"/text"); got.Code != 200 || strings.Contains(got.Body.String(), secret) {
					t.Errorf("%s in %s: a maintainer reads %d", name, at, got.Code)
				}
			}
		}
		if all := stored(t, w.reports, w.fileBlobs); strings.Contains(all, secret) || !strings.Contains(all, "ActivityManager") {
			t.Error("what was to be taken out is stored")
		}
		if n := strings.Count(stored(t, w.fileBlobs), "\x89PNG"); n == 0 {
			t.Error("the pictures beside the logs are not stored")
		}
	})
}

// What merely looks like a log stays an attachment, and what cannot be scrubbed is
// not taken.
func TestWhatIsNoLog(t *testing.T) {
	w := whole(t, openSQLite(t))
	w.regulars("rea")
	letter := strings.Repeat("The bugreport shows that the camera closes.\n", 200)
	for name, f := range map[string]sent{
		"a letter called a bugreport":  {"bugreport-umi.txt", []byte(letter)},
		"a zip called a bugreport":     {"bugreport-umi.zip", zipBytes(t, "bugreport-umi.txt", letter, "main_entry.txt", "bugreport-umi.txt")},
		"a table":                      {"logcat.log", []byte("device,days\numi,3\nhlte,9\n")},
		"a letter that cites one line": {"notes.txt", []byte(letter + "E/AndroidRuntime: FATAL EXCEPTION: main\n" + letter)},
	} {
		fresh(w)
		rec := w.sendFiles("rea", "/t/6/reply", url.Values{"body": {"See " + name + "."}}, f)
		if rec.Code != 303 || !strings.HasPrefix(where(rec), "/t/6") {
			t.Errorf("%s: %d to %q", name, rec.Code, where(rec))
		}
		if page := w.get("ben", strings.Split(where(rec), "#")[0]).Body.String(); !strings.Contains(page, f.name) {
			t.Errorf("%s: the thread does not show %s", name, f.name)
		}
	}
	for name, f := range map[string]sent{
		"a damaged zip":        {"bugreport.zip", zipBytes(t, "bugreport.txt", letter)[:60]},
		"a zip of many layers": {"x.zip", zipBytes(t, "a", string(zipBytes(t, "a", string(zipBytes(t, "a", string(zipBytes(t, "a", letter)))))))},
	} {
		fresh(w)
		rec := w.sendFiles("rea", "/t/6/reply", url.Values{"body": {"See this."}}, f)
		if rec.Code != 422 || !strings.Contains(rec.Body.String(), "cannot be read, so its private data") {
			t.Errorf("%s: %d %q", name, rec.Code, where(rec))
		}
	}
	// Two logs are looked at one after the other.
	fresh(w)
	one := []byte(sampleLog("com.android.camera2", "Open.run"))
	rec := w.sendFiles("rea", "/t/6/reply", url.Values{"body": {"Two of them."}}, sent{"a.txt", one}, sent{"b.txt", one})
	m := regexp.MustCompile(`^(/report/\d+)\?thread=6&more=(\d+)&done=log$`).FindStringSubmatch(where(rec))
	if m == nil {
		t.Fatalf("two logs lead to %q", where(rec))
	}
	if page := w.get("rea", where(rec)).Body.String(); !strings.Contains(page, `name="more" value="`+m[2]+`"`) {
		t.Error("the first log's page does not know of the second")
	}
	rec = w.post("rea", m[1]+"/publish", url.Values{"thread": {"6"}, "more": {m[2]}})
	if want := "/report/" + m[2] + "?thread=6&done=attached"; where(rec) != want {
		t.Errorf("after the first comes %q, expected %q", where(rec), want)
	}
	// A moderator who edits another's words adds no files to them.
	fresh(w)
	if rec := w.sendFiles("kim", "/p/"+w.post2(1)+"/edit", url.Values{"body": {"Tidied."}}, sent{"a.png", shot(t, 20, 20)}); rec.Code != 403 {
		t.Errorf("a moderator puts a file into another's post: %d", rec.Code)
	}
}

// path is a thread's whole address.
func (w *world) path(short string) string {
	if to := where(w.get("", short)); to != "" {
		return to
	}
	return short
}
