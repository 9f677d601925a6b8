package site

import (
	"fmt"
	"maps"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/member/trust"
	"github.com/fridayos/friday/internal/reputation"
	"github.com/fridayos/friday/internal/site/account"
	"github.com/fridayos/friday/internal/upload"
)

func init() {
	maps.Copy(matrix, map[string]struct{ path, may string }{
		"GET /trust":   {"/trust", all},
		"GET /privacy": {"/privacy", all},
	})
}

// What the page of trust says is what decides: limits of every level, met and
// passed by one.
func TestLimitsOfLevels(t *testing.T) {
	w := whole(t, openSQLite(t))
	w.join("nia", "")
	w.regulars("rea")
	shown := w.get("nia", "/trust").Body.String()
	for name, level := range map[string]trust.Level{"nia": trust.New, "rea": trust.Known, "mo": trust.Trusted} {
		w.now = w.now.AddDate(0, 0, 2)
		w.tokens[name] = w.session(name)
		l := trust.LimitsOf(level)
		for _, want := range []string{fmt.Sprint(l.PostsPerHour, " an hour"), fmt.Sprint(l.ThreadsPerDay, " a day"), fmt.Sprint(l.LinksPerPost, " in a post"), fmt.Sprint(l.MentionsInPost, " in a post"), fmt.Sprint(l.UploadsPerDay, " a day"), fmt.Sprint(l.UploadBytes>>20, " MB")} {
			if !strings.Contains(shown, ">"+want+"<") {
				t.Errorf("the page does not say %q of %s", want, level)
			}
		}
		var thread int64
		w.write(func(tx *db.Tx) error {
			th, err := feedback.New(tx, feedback.NewThread{Kind: feedback.Talk, Title: "Room for " + name, Body: "Here.", AuthorID: w.ids["kim"]})
			thread = th.ID
			return err
		})
		reply := func(body string) int {
			fresh(w) // what one process slows down is another limit
			return w.post(name, fmt.Sprintf("/t/%d/reply", thread), url.Values{"body": {body}}).Code
		}
		links := func(n int) (s string) {
			for i := range n {
				s += fmt.Sprintf("See https://site%d.example/page and what it says of this.\n\n", i)
			}
			return s
		}
		mentions := func(n int) (s string) {
			for i := range n {
				s += fmt.Sprintf("I would ask @member%d about it. ", i)
			}
			return s
		}
		if got := reply(links(l.LinksPerPost)); got != 303 {
			t.Errorf("%s writes %d links: %d", level, l.LinksPerPost, got)
		}
		if got := reply(links(l.LinksPerPost + 1)); got != 422 {
			t.Errorf("%s writes one link more than %d: %d", level, l.LinksPerPost, got)
		}
		if got := reply(mentions(l.MentionsInPost)); got != 303 {
			t.Errorf("%s mentions %d: %d", level, l.MentionsInPost, got)
		}
		if got := reply(mentions(l.MentionsInPost + 1)); got != 422 {
			t.Errorf("%s mentions one more than %d: %d", level, l.MentionsInPost, got)
		}
		for i := 2; i < l.PostsPerHour; i++ { // two are written
			if got := reply(fmt.Sprintf("This is word number %d on the matter, and it differs.", i)); got != 303 {
				t.Fatalf("%s writes post %d: %d", level, i+1, got)
			}
		}
		fresh(w)
		rec := w.post(name, fmt.Sprintf("/t/%d/reply", thread), url.Values{"body": {"One word more."}})
		if rec.Code != 429 || !strings.Contains(rec.Body.String(), fmt.Sprint(l.PostsPerHour, " an hour")) || rec.Header().Get("Retry-After") == "" {
			t.Errorf("%s writes more than %d posts in an hour: %d", level, l.PostsPerHour, rec.Code)
		}
		w.now = w.now.Add(2 * time.Hour)
		file := func(i int) int {
			fresh(w)
			return w.post(name, "/t/new", url.Values{"kind": {"talk"}, "title": {fmt.Sprintf("Subject %d of %s", i, name)}, "body": {fmt.Sprintf("There is something to say about %d.", i)}}).Code
		}
		for i := range l.ThreadsPerDay {
			if i%15 == 14 {
				w.now = w.now.Add(61 * time.Minute) // the limit of posts is another
			}
			if got := file(i); got != 303 {
				t.Fatalf("%s begins thread %d: %d", level, i+1, got)
			}
		}
		if got := file(1000); got != 429 {
			t.Errorf("%s begins more than %d threads in a day: %d", level, l.ThreadsPerDay, got)
		}
	}
}

// Files of a level: how many a day, and how large.
func TestUploadsOfLevels(t *testing.T) {
	w := whole(t, openSQLite(t))
	w.join("nia", "")
	w.regulars("rea")
	for name, level := range map[string]trust.Level{"nia": trust.New, "rea": trust.Known} {
		l := trust.LimitsOf(level)
		n := 0
		send := func() int {
			fresh(w)
			n++
			w.now = w.now.Add(5 * time.Minute)
			return w.sendFiles(name, "/t/6/reply", url.Values{"body": {fmt.Sprintf("Picture number %d of mine shows it.", n)}}, sent{fmt.Sprintf("p%d.png", n), shot(t, 8+n, 8)}).Code
		}
		for range l.UploadsPerDay {
			if got := send(); got != 303 {
				t.Fatalf("%s sends file %d: %d", level, n, got)
			}
		}
		if got := send(); got != 422 {
			t.Errorf("%s sends more than %d files in a day: %d", level, l.UploadsPerDay, got)
		}
		if most := reputation.FileLimits(level); most.FileBytes != l.UploadBytes || most.DayFiles != l.UploadsPerDay {
			t.Errorf("%s may send %+v, trust says %+v", level, most, l)
		}
		limits := reputation.FileLimits(level)
		limits.FileBytes = 1 << 10
		if _, err := w.files.Take(t.Context(), "large.txt", strings.NewReader(strings.Repeat("a line of text\n", 100)), limits); err == nil {
			t.Error("a file larger than its limit is taken")
		} else if refused := new(upload.Refused); !asRefused(err, &refused) {
			t.Errorf("it is refused by %v", err)
		}
	}
}

func asRefused(err error, into **upload.Refused) bool {
	r, ok := err.(*upload.Refused) //nolint:errorlint // Take gives it as it is
	*into = r
	return ok
}

// Medals and roles stand beside names and on members' pages.
func TestMedalsAreShown(t *testing.T) {
	w := whole(t, openSQLite(t))
	w.write(func(tx *db.Tx) error {
		won, err := reputation.Award(tx)
		if err == nil && won == 0 {
			t.Error("ana's confirmed fix won nothing")
		}
		return err
	})
	if body := w.get("", "/m/ana").Body.String(); !strings.Contains(body, "First fix") || !strings.Contains(body, "1 confirmed fix<") {
		t.Error("ana's page does not show her medal, or what it is for")
	}
	if body := w.get("", "/m/ben").Body.String(); strings.Contains(body, "First fix") {
		t.Error("ben has a medal that he did not win")
	}
	thread := w.get("", "/t/1-camera-closes-at-5-zoom").Body.String()
	for name, badge := range map[string]string{"ana": "First fix", "mo": "maintainer"} {
		if !strings.Contains(thread, `<a href="/m/`+name+`">`+name+`</a><span class="chip">`+badge+`</span>`) {
			t.Errorf("beside %s there is no %q", name, badge)
		}
	}
	if strings.Contains(thread, `<a href="/m/ben">ben</a><span class="chip">`) {
		t.Error("beside ben stands what he does not have")
	}
	mine := w.get("ana", "/trust").Body.String()
	for _, want := range []string{"First fix", "1 of 10", "your level", "Confirmed fixes of your reports"} {
		if !strings.Contains(mine, want) {
			t.Errorf("ana's page of trust lacks %q", want)
		}
	}
	if body := w.get("", "/trust").Body.String(); strings.Contains(body, "your level") {
		t.Error("a guest has a level")
	}
}

// A maintainer of a part decides about threads of that part, on every phone, and
// about no others; the forms say who may.
func TestMaintainersOfParts(t *testing.T) {
	w := whole(t, openSQLite(t))
	w.join("cam", "")
	give := func(form url.Values, want int) {
		t.Helper()
		fresh(w)
		if rec := w.post("ada", "/m/cam/roles", form); rec.Code != want {
			t.Errorf("ada gives %v: %d, expected %d", form, rec.Code, want)
		}
	}
	has := func() (m member.Member) {
		w.write(func(tx *db.Tx) (err error) { m, err = member.ByName(tx, "cam"); return err })
		return m
	}
	var camera int64
	w.write(func(tx *db.Tx) error {
		th, err := feedback.New(tx, feedback.NewThread{Kind: feedback.Bug, Title: "The picture is green", Body: "All of it.", Part: "Camera", AuthorID: w.ids["ben"], Devices: []string{"umi", "hlte"}})
		camera = th.ID
		return err
	})
	cameras := fmt.Sprint(camera)
	mark := func(thread, device string) int {
		fresh(w)
		return w.post("cam", "/t/"+thread+"/mark", url.Values{"state": {"recorded"}, "device": {device}}).Code
	}
	if got := mark(cameras, "umi"); got != 403 {
		t.Errorf("a member marks: %d", got)
	}
	give(url.Values{"part": {"Kitchen"}}, 422)
	give(url.Values{"part": {"Camera"}, "role": {"tester"}}, 303)
	if m := has(); !m.MaintainsPart("Camera") || m.MaintainsPart("Battery") || !m.Is(member.Maintainer) || !m.Is(member.Tester) {
		t.Errorf("cam has %+v", m)
	}
	if body := w.get("cam", "/t/"+cameras+"-the-picture-is-green").Body.String(); !strings.Contains(body, `action="/t/`+cameras+`/mark"`) {
		t.Error("the maintainer of Camera is not shown the form for its threads")
	}
	// Thread 2 is about the battery on hlte.
	for _, c := range []struct {
		thread, device string
		code           int
	}{{cameras, "umi", 303}, {cameras, "hlte", 303}, {"2", "hlte", 403}, {"2", "", 403}} {
		if got := mark(c.thread, c.device); got != c.code {
			t.Errorf("the maintainer of Camera marks thread %s on %q: %d, expected %d", c.thread, c.device, got, c.code)
		}
	}
	if body := w.get("cam", "/t/2-battery-loses-a-fifth-overnight-in-flight-mode").Body.String(); strings.Contains(body, `action="/t/2/mark"`) {
		t.Error("the maintainer of Camera is shown the form for others' threads")
	}
	if rec := w.post("cam", "/train/move", url.Values{"release": {"26.11.27"}, "verb": {"hold"}, "device": {"umi"}, "reason": {"Wait."}}); rec.Code != 403 {
		t.Errorf("the maintainer of Camera holds a phone: %d", rec.Code)
	}
	if body := w.get("", "/m/cam").Body.String(); !strings.Contains(body, "maintains Camera") {
		t.Error("cam's page does not say what they maintain")
	}
	admin := w.get("ada", "/m/cam").Body.String()
	for _, want := range []string{`value="Camera" checked`, `value="Battery">`, "How the roles came about", "<b>ada</b>"} {
		if !strings.Contains(admin, want) {
			t.Errorf("an administrator's form lacks %q", want)
		}
	}
	if body := w.get("cam", "/m/cam").Body.String(); !strings.Contains(body, "How the roles came about") || strings.Contains(body, `action="/m/cam/roles"`) {
		t.Error("cam does not see how the roles came about, or sees the form")
	}
	if body := w.get("ben", "/m/cam").Body.String(); strings.Contains(body, "How the roles came about") {
		t.Error("others see the log of cam's roles")
	}
	give(url.Values{"device": {"umi"}}, 303) // a form without parts takes them
	if m := has(); m.MaintainsPart("Camera") || !m.Maintains("umi") {
		t.Errorf("cam has %+v", m)
	}
}

// The page on privacy says every term, and a number for each.
func TestPrivacyPage(t *testing.T) {
	w := whole(t, openSQLite(t))
	body := strings.ReplaceAll(w.get("", "/privacy").Body.String(), "&#39;", "'")
	for _, term := range account.Terms() {
		days := int(term.For / (24 * time.Hour))
		if term.For%(24*time.Hour) != 0 || days == 0 {
			t.Errorf("%s is kept for %s, which the page cannot say in days", term.Key, term.For)
		}
		words := "privacy.what." + term.Key
		text := w.handler.(*server).core.Book.In("en")
		if !text.Has(words) || !strings.Contains(body, text.T(words)) || !strings.Contains(body, text.T("privacy.why."+term.Key)) {
			t.Errorf("the page does not say what %s is", term.Key)
		}
		if row := text.T(words) + "</th><td data-label=\"How long\">" + text.N("moderation.days", days) + "<"; !strings.Contains(body, row) {
			t.Errorf("the page does not say that %s is kept %d days", term.Key, days)
		}
	}
	if !strings.Contains(w.get("", "/").Body.String(), `href="/privacy"`) {
		t.Error("no page leads to the page on privacy")
	}
}
