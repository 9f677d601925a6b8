package site

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/fridayos/friday/internal/crash"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/feedback"
)

func sampleLog(process, method string) string {
	return "Build fingerprint: 'Xiaomi/umi/umi:15/AQ3A.240912.001/V816.0.3:user/release-keys'\n[ro.friday.version]: [26.11.27]\n" +
		"E/AndroidRuntime( 1): FATAL EXCEPTION: main\nE/AndroidRuntime( 1): Process: " + process + ", PID: 1\nE/AndroidRuntime( 1): java.lang.NullPointerException: anna@example.com\n" +
		"E/AndroidRuntime( 1): \tat " + process + "." + method + "(C.java:1)\nE/Wifi( 1): ssid=\"Annas Netz\" <script>alert(1)</script>\n"
}

// multi is a form with a file.
func (w *world) multi(as, log string, fields ...string) *httptest.ResponseRecorder {
	var body bytes.Buffer
	form := multipart.NewWriter(&body)
	for i := 0; i+1 < len(fields); i += 2 {
		w.must(form.WriteField(fields[i], fields[i+1]))
	}
	if log != "" {
		part, err := form.CreateFormFile("log", "../../<b>Anna Maier</b>.zip")
		w.must(err)
		_, err = io.WriteString(part, log)
		w.must(err)
	}
	w.must(form.Close())
	r := httptest.NewRequest(http.MethodPost, "/report", &body)
	r.Header.Set("Content-Type", form.FormDataContentType())
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return w.send(as, r)
}

// log sends a log, attaches it if there is a thread, and returns its address.
func (w *world) log(as, log, thread string) (path string) {
	w.t.Helper()
	fresh(w)
	rec := w.multi(as, log)
	path = rec.Header().Get("Location")
	if rec.Code != http.StatusSeeOther || !regexp.MustCompile(`^/report/\d+$`).MatchString(path) {
		w.t.Fatalf("sending a log: %d %s", rec.Code, rec.Body)
	}
	if thread != "" {
		if rec := w.post(as, path+"/publish", url.Values{"thread": {thread}}); rec.Code != http.StatusSeeOther {
			w.t.Fatalf("publishing a log: %d", rec.Code)
		}
	}
	return path
}

// crashOf is the address of the crash on a report's page.
func (w *world) crashOf(report string) string {
	w.t.Helper()
	m := regexp.MustCompile(`/crash/[0-9a-f]{16}`).FindString(w.get("ana", report).Body.String())
	if m == "" {
		w.t.Fatal("the report's page names no crash")
	}
	return m
}

func TestLogs(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := whole(t, d)
		draft := w.log("ana", sampleLog("com.android.camera2", "Open.run"), "")
		page := w.get("ana", draft)
		body := page.Body.String()
		for _, want := range []string{"com.android.camera2.Open.run", "26.11.27", "E-mail addresses", "Names of Wi-Fi networks", "&lt;email-", "&lt;script&gt;", "/t/new?report="} {
			if !strings.Contains(body, want) {
				t.Errorf("the page before publishing lacks %q", want)
			}
		}
		if strings.Contains(body, "anna@") || strings.Contains(body, "Annas Netz") || strings.Contains(body, "<script>alert") {
			t.Error("the page before publishing shows what should have been taken out")
		}
		for _, who := range []string{"ben", "mo", "ada", ""} { // nobody else knows of it
			if rec := w.get(who, draft); rec.Code != http.StatusNotFound {
				t.Errorf("%q sees a draft: %d", who, rec.Code)
			}
			if rec := w.get(who, draft+"/text"); rec.Code != http.StatusNotFound {
				t.Errorf("%q reads a draft: %d", who, rec.Code)
			}
		}
		if rec := w.post("ben", draft+"/publish", url.Values{"thread": {"1"}}); rec.Code != http.StatusNotFound {
			t.Errorf("another member publishes it: %d", rec.Code)
		}
		// It fills in a new report.
		form := w.get("ana", "/t/new?report="+strings.TrimPrefix(draft, "/report/")).Body.String()
		for _, want := range []string{`value="com.android.camera2 crashes"`, `value="26.11.27"`, `<option value="Camera" selected`, `value="umi" checked`, "java.lang.NullPointerException"} {
			if !strings.Contains(form, want) {
				t.Errorf("the form that a log filled in lacks %q", want)
			}
		}
		fresh(w)
		rec := w.post("ana", "/t/new", url.Values{"kind": {"bug"}, "title": {"Camera crashes at once"}, "part": {"Camera"}, "device": {"umi"}, "build": {"26.11.27"}, "body": {"see the log"},
			"report": {strings.TrimPrefix(draft, "/report/")}, "keep": {"yes"}})
		thread := rec.Header().Get("Location")
		if rec.Code != http.StatusSeeOther {
			t.Fatalf("filing: %d %s", rec.Code, rec.Body)
		}
		// The crash is for all, the text for the member and the phone's maintainers.
		if body := w.get("", thread).Body.String(); !strings.Contains(body, w.crashOf(draft)) || !strings.Contains(body, draft) {
			t.Error("the thread does not show its crash and its log")
		}
		for who, want := range map[string]int{"ana": 200, "mo": 200, "ada": 200, "ben": 404, "": 404} {
			if rec := w.get(who, draft+"/text"); rec.Code != want {
				t.Errorf("a private text to %q: %d, expected %d", who, rec.Code, want)
			}
			if rec := w.get(who, draft); rec.Code != 200 || strings.Contains(rec.Body.String(), "&lt;email-") != (want == 200) {
				t.Errorf("a private log's page to %q: %d", who, rec.Code)
			}
		}
		text := w.get("ana", draft+"/text")
		if h := text.Header(); h.Get("Content-Type") != "text/plain; charset=utf-8" || !strings.HasPrefix(h.Get("Content-Disposition"), "attachment;") || h.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("the text could run in a browser: %v", h)
		}
		// Another thread with the same crash is linked, both ways; a hidden one is not.
		w.log("ben", sampleLog("com.android.camera2", "Open.run"), "2")
		if body := w.get("", thread).Body.String(); !strings.Contains(body, "/t/2-battery") {
			t.Error("the thread does not link the other one with its crash")
		}
		if body := w.get("", w.crashOf(draft)).Body.String(); !strings.Contains(body, "/t/2-battery") || !strings.Contains(body, "26.11.27") {
			t.Error("the crash's page lacks a thread or a build")
		}
		w.write(func(tx *db.Tx) error {
			return feedback.Hide(tx, 2, w.ids["kim"], true)
		})
		if body := w.get("", thread).Body.String(); strings.Contains(body, "/t/2-battery") {
			t.Error("the thread links a hidden one")
		}
		// Its member takes the text away; the crash stays.
		if rec := w.post("ben", draft+"/withdraw", nil); rec.Code != http.StatusForbidden {
			t.Errorf("another member removes a text: %d", rec.Code)
		}
		if rec := w.post("ana", draft+"/withdraw", nil); rec.Code != http.StatusSeeOther {
			t.Errorf("a member removes their text: %d", rec.Code)
		}
		if rec := w.get("ana", draft+"/text"); rec.Code != http.StatusNotFound {
			t.Errorf("a removed text: %d", rec.Code)
		}
		if n, err := crash.Sweep(t.Context(), d, w.reports); err != nil || n == 0 {
			t.Errorf("the sweep removed %d texts: %v", n, err)
		}
		if body := w.get("", thread).Body.String(); !strings.Contains(body, "com.android.camera2") {
			t.Error("the crash went with the text")
		}
	})
}

// TestLogsRefused: what is no log is refused with what to do, and leaves nothing.
func TestLogsRefused(t *testing.T) {
	w := whole(t, openSQLite(t))
	temp := t.TempDir()
	t.Setenv("TMPDIR", temp)
	for _, c := range []struct {
		name, log string
		fields    []string
		code      int
		want      string
	}{
		{"no file", "", nil, 422, "Choose a file."},
		{"binary", strings.Repeat("\x00", 5000), nil, 422, "This is no log that can be read."},
		{"broken zip", "PK\x03\x04nothing", []string{"thread", "1"}, 422, "This is no log that can be read."},
		{"no thread", sampleLog("a.b", "c"), []string{"thread", "999"}, 303, ""},
		{"bad thread", sampleLog("a.b", "c"), []string{"thread", "x"}, 404, ""},
	} {
		fresh(w)
		rec := w.multi("ana", c.log, c.fields...)
		if rec.Code != c.code || !strings.Contains(rec.Body.String(), c.want) {
			t.Errorf("%s: %d, expected %d and %q", c.name, rec.Code, c.code, c.want)
		}
	}
	// A file that is too large ends while it comes.
	r := httptest.NewRequest(http.MethodPost, "/report", io.MultiReader(strings.NewReader("--x\r\nContent-Disposition: form-data; name=\"log\"; filename=\"a\"\r\n\r\n"), &endless{}))
	r.Header.Set("Content-Type", "multipart/form-data; boundary=x")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	fresh(w)
	if rec := w.send("ana", r); rec.Code != http.StatusRequestEntityTooLarge || !strings.Contains(rec.Body.String(), "larger than 100 MiB") {
		t.Errorf("an endless file: %d", rec.Code)
	}
	if left, err := os.ReadDir(temp); err != nil || len(left) > 0 {
		t.Errorf("files are left: %v, %v", left, err)
	}
	// Too many in a day.
	for i := range crash.DayReports + 1 {
		fresh(w)
		rec := w.multi("ben", sampleLog("a.b", fmt.Sprint("c", i)))
		if want := map[bool]int{true: 303, false: 429}[i < crash.DayReports]; rec.Code != want {
			t.Errorf("log %d of a day: %d, expected %d", i+1, rec.Code, want)
		}
	}
	// Other routes take no larger bodies than before.
	fresh(w)
	if rec := w.post("ana", "/t/new", url.Values{"body": {strings.Repeat("x", 200<<10)}}); rec.Code < 400 || rec.Code >= 500 {
		t.Errorf("a large form: %d", rec.Code)
	}
}

type endless struct{}

func (*endless) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	return len(p), nil
}
