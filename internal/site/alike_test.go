package site

import (
	"fmt"
	"html"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/fridayos/friday/internal/crash"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/feedback/alike"
	"github.com/fridayos/friday/internal/search"
)

// TestDuplicates: what a report may repeat is shown while its title is typed,
// before it is filed, and to moderators.
func TestDuplicates(t *testing.T) {
	w := whole(t, openSQLite(t))
	finder := alike.New(w.d)
	for more := true; more; {
		var err error
		if more, err = finder.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	var err error
	if w.handler, err = New(Options{DB: w.d, Train: w.train, BaseURL: "http://127.0.0.1", Passwords: cheap, Alike: finder.Like}); err != nil {
		t.Fatal(err)
	}
	var first feedback.Thread
	w.write(func(tx *db.Tx) (err error) { first, err = feedback.ByID(tx, feedback.Everything(), 1); return err })
	at := `href="/t/1-`

	typed := w.get("ana", "/t/alike?title="+url.QueryEscape(first.Title[:len(first.Title)-3]))
	if body := typed.Body.String(); typed.Code != 200 || !strings.Contains(body, at) || strings.Contains(body, "<html") {
		t.Errorf("while typing: %d %s, want a piece of HTML with thread 1", typed.Code, body)
	}
	if body := w.get("ana", "/t/alike?title=%3Cscript%3Exyzzy").Body.String(); strings.TrimSpace(body) != "" {
		t.Errorf("nothing is alike, and yet there is %q", body)
	}

	form := url.Values{"kind": {"bug"}, "title": {first.Title}, "part": {first.Part}, "body": {"It does for me too."}, "device": {"umi"}}
	asked := w.post("ana", "/t/new", form)
	body := asked.Body.String()
	if asked.Code != 409 || !strings.Contains(body, at) || !strings.Contains(body, `name="sure" value="yes"`) || !strings.Contains(body, "It does for me too.") {
		t.Errorf("before filing: %d, want the form again with thread 1 above it:\n%s", asked.Code, body)
	}
	form.Set("sure", "yes")
	if filed := w.post("ana", "/t/new", form); filed.Code != 303 {
		t.Errorf("filing it all the same: %d, want a redirect", filed.Code)
	}
	form.Del("sure")
	form.Set("title", "Quuxification of the fnord wobbles")
	form.Set("body", "xyzzy plugh")
	if filed := w.post("ana", "/t/new", form); filed.Code != 303 {
		t.Errorf("filing what nobody said: %d, want a redirect", filed.Code)
	}
	for more := true; more; {
		if more, err = finder.Step(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	path := w.get("kim", "/t/1").Header().Get("Location")
	if body := w.get("kim", path).Body.String(); !strings.Contains(body, "May be the same") {
		t.Error("a moderator is not shown what thread 1 may be the same as")
	}
	if body := w.get("ana", path).Body.String(); strings.Contains(body, "May be the same") {
		t.Error("a member is shown what is for moderators")
	}
}

// TestSearchPage: a question finds words of posts, shows where, and says what it
// could not mean.
func TestSearchPage(t *testing.T) {
	w := whole(t, openSQLite(t))
	w.write(func(tx *db.Tx) error {
		_, err := feedback.New(tx, feedback.NewThread{Kind: feedback.Talk, Title: "A title", Body: "Then <b>xyzzy</b> said the CameraService.", AuthorID: w.ids["ana"]})
		return err
	})
	body := w.get("", "/t?q="+url.QueryEscape("xyzzy kind:talk devise:umi")).Body.String()
	if strings.Contains(body, "A title") {
		t.Error("devise:umi was not asked for as words")
	}
	if !strings.Contains(body, "There is no filter “devise:”") || !strings.Contains(body, "device:?") {
		t.Error("nothing is said about devise:")
	}
	body = w.get("", "/t?q="+url.QueryEscape("xyzzy cameraservice kind:talk")).Body.String()
	for _, want := range []string{"A title", "&lt;b&gt;<mark>xyzzy</mark>&lt;/b&gt;", `value="xyzzy cameraservice kind:talk"`} {
		if !strings.Contains(body, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if body := w.get("", "/t?q="+url.QueryEscape("xyzzy -kind:talk")).Body.String(); strings.Contains(body, "A title") {
		t.Error("-kind:talk lists talk")
	}
}

// TestLeafing: every thread is on one page of the list, as its links lead, and a
// page far behind is found by its place.
func TestLeafing(t *testing.T) {
	w := whole(t, openSQLite(t))
	w.write(func(tx *db.Tx) error {
		for i := range 95 {
			if _, err := feedback.New(tx, feedback.NewThread{Kind: feedback.Talk, Title: fmt.Sprintf("Leaf %d", i), Body: "x", AuthorID: w.ids["ana"]}); err != nil {
				return err
			}
		}
		return nil
	})
	later := regexp.MustCompile(`class="button" href="(/t\?[^"]*after=[^"]*)"`)
	seen, pages := map[string]int{}, 0
	for path := "/t"; path != ""; pages++ {
		body := w.get("", path).Body.String()
		for _, m := range regexp.MustCompile(`>Leaf (\d+)<`).FindAllStringSubmatch(body, -1) {
			seen[m[1]]++
		}
		if path = ""; later.MatchString(body) {
			path = html.UnescapeString(later.FindStringSubmatch(body)[1])
		}
		if pages > 10 {
			t.Fatal("the pages do not end")
		}
	}
	for i := range 95 {
		if n := seen[fmt.Sprint(i)]; n != 1 {
			t.Errorf("thread Leaf %d is on %d pages", i, n)
		}
	}
	if pages < 4 {
		t.Errorf("%d pages, expected at least 4", pages)
	}
	for _, path := range []string{"/t?page=2", "/t?page=2000", "/t?page=-1", "/t?page=2000&after=0-1-1", "/t?page=2&after=x", "/t?page=3&q=leaf"} {
		if code := w.get("", path).Code; code != 200 {
			t.Errorf("%s: %d", path, code)
		}
	}
}

// TestOneCrashInTwoLanguages: two reports whose words share nothing are suggested for
// each other by the crash in their logs, and each is found by the crash's words; also
// after a merge, and for logs from before crashes were searched.
func TestOneCrashInTwoLanguages(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := whole(t, d)
		finder := alike.New(w.d)
		finder.Crashes = crash.Prints
		step := func() {
			t.Helper()
			for more := true; more; {
				var err error
				if more, err = finder.Step(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		step()
		var err error
		if w.handler, err = New(Options{DB: w.d, Train: w.train, Reports: w.reports, BaseURL: "http://127.0.0.1", Passwords: cheap, Alike: finder.Like}); err != nil {
			t.Fatal(err)
		}
		found := func(words string) string {
			t.Helper()
			return w.get("", "/t?q="+url.QueryEscape(words)).Body.String()
		}
		file := func(as, title, body, report string, sure bool) *httptest.ResponseRecorder {
			t.Helper()
			fresh(w)
			form := url.Values{"kind": {"bug"}, "title": {title}, "part": {"Gallery"}, "device": {"umi"}, "body": {body}, "report": {report}}
			if sure {
				form.Set("sure", "yes")
			}
			return w.post(as, "/t/new", form)
		}
		log := sampleLog("com.android.gallery3d", "QuuxDecoder.nextFrame")
		one := strings.TrimPrefix(w.log("ana", log, ""), "/report/")
		rec := file("ana", "Die Galerie stürzt beim Öffnen ab", "Seit gestern.", one, false)
		if rec.Code != 303 {
			t.Fatalf("filing the first: %d %s", rec.Code, rec.Body)
		}
		id := func(rec *httptest.ResponseRecorder) int64 {
			n, _, _ := strings.Cut(strings.TrimPrefix(rec.Header().Get("Location"), "/t/"), "-")
			v, err := strconv.ParseInt(n, 10, 64)
			w.must(err)
			return v
		}
		links := func(body string, thread int64) bool {
			return strings.Contains(body, fmt.Sprintf(`href="/t/%d-`, thread))
		}
		first := id(rec)
		step()
		other := strings.TrimPrefix(w.log("ben", log, ""), "/report/")
		rec = file("ben", "图库打开就崩溃", "昨天开始的。", other, false)
		if rec.Code != 409 || !links(rec.Body.String(), first) {
			t.Fatalf("filing the second: %d, expected to be asked whether it is thread %d", rec.Code, first)
		}
		second := id(file("ben", "图库打开就崩溃", "昨天开始的。", other, true))
		step()
		for thread, same := range map[int64]int64{first: second, second: first} {
			body := w.get("kim", w.get("kim", fmt.Sprintf("/t/%d", thread)).Header().Get("Location")).Body.String()
			if _, after, ok := strings.Cut(body, "May be the same"); !ok || !links(after, same) {
				t.Errorf("at thread %d a moderator is not shown thread %d with the same crash", thread, same)
			}
		}
		for _, words := range []string{"quuxdecoder", "QuuxDecoder.nextFrame", "com.android.gallery3d"} {
			if body := found(words); !links(body, first) || !links(body, second) {
				t.Errorf("%q finds not both threads", words)
			}
		}
		if rec := w.post("kim", fmt.Sprintf("/t/%d/merge", first), url.Values{"into": {fmt.Sprint(second)}}); rec.Code != 303 {
			t.Fatalf("merging: %d %s", rec.Code, rec.Body)
		}
		w.write(func(tx *db.Tx) error { // as if the second's log had none
			n, err := strconv.ParseInt(other, 10, 64)
			w.must(err)
			return search.Remove(tx, search.Crash, n)
		})
		if body := found("quuxdecoder"); !links(body, second) || links(body, first) {
			t.Error("the crash of a thread that was merged does not find the one that it went into")
		}
		w.post("kim", fmt.Sprintf("/t/%d/unmerge", second), url.Values{"source": {fmt.Sprint(first)}})
		if body := found("quuxdecoder"); !links(body, first) || links(body, second) {
			t.Error("the crash of a thread that came out again does not find it")
		}
		n, err := crash.FillWords(t.Context(), w.d, feedback.Everything().Sees)
		if err != nil || n != 1 {
			t.Errorf("words of %d old logs were filled in, %v; expected 1", n, err)
		}
		if body := found("quuxdecoder"); !links(body, first) || !links(body, second) {
			t.Error("the crash of an old log is not found")
		}
	})
}
