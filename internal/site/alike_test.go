package site

import (
	"fmt"
	"html"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/feedback/alike"
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
