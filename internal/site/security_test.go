package site

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/moderation"
)

// states are threads in every state that decides who may do what, by number.
// ana wrote them all, mo maintains their phone, li is named by the private one.
type states map[string]int64

func (w *world) states() states {
	w.t.Helper()
	s := states{}
	for _, name := range []string{"open", "locked", "hidden", "private", "declined", "merged"} {
		n := feedback.NewThread{Kind: feedback.Bug, Title: "In the state " + name, Body: "Like so.", Part: "System", AuthorID: w.ids["ana"], Devices: []string{"umi"}}
		if name == "private" {
			n.Private, n.Named = true, []int64{w.ids["mo"]}
		}
		w.write(func(tx *db.Tx) error {
			t, err := feedback.New(tx, n)
			if err != nil {
				return err
			}
			s[name] = t.ID
			switch name {
			case "locked":
				return feedback.Lock(tx, t.ID, w.ids["kim"], true)
			case "hidden":
				return feedback.Hide(tx, t.ID, w.ids["kim"], true)
			case "declined":
				return feedback.Mark(tx, w.ids["mo"], t.ID, feedback.Word{State: feedback.Declined, Device: "umi", Reason: "It is meant so."})
			}
			return nil
		})
	}
	delete(s, "merged") // what merging does is package feedback/order's
	return s
}

// sees is who may see a thread in a state; of the others nobody learns that it is there.
var sees = map[string]string{
	"open": "guest ana ben mo pat kim ada", "locked": "guest ana ben mo pat kim ada", "declined": "guest ana ben mo pat kim ada",
	"hidden": "kim ada", "private": "ana mo",
}

// TestRoleActionState: every route that names a thread, by every role, in every
// state: what may not be seen is not there, what may not be done is refused, and
// what is refused changes nothing.
func TestRoleActionState(t *testing.T) {
	w := whole(t, openSQLite(t))
	w.join("pat", member.Maintainer, "lt26i") // of another phone
	w.join("sid", "")                         // suspended
	w.write(func(tx *db.Tx) error {
		_, _, err := moderation.Decide(tx, moderation.About{Subject: moderation.Subject{Kind: moderation.Member, ID: w.ids["sid"]}, AuthorID: w.ids["sid"]},
			moderation.Actor{ID: w.ids["kim"]}, 0, moderation.Ruling{Action: moderation.Keep, Measure: moderation.Suspend, Reason: "Rest.", Until: w.now.AddDate(0, 0, 9)})
		return err
	})
	all := w.states()
	for _, r := range routes {
		method, path, _ := strings.Cut(r.Pattern, " ")
		place := func(id int64) string {
			return strings.NewReplacer("{thread}", fmt.Sprint(id), "{post}", fmt.Sprint(w.postID(id, 0)), "{kind}/{id}", fmt.Sprintf("thread/%d", id), "{poll}", "1").Replace(path)
		}
		if place(all["open"]) == path {
			continue
		}
		for _, who := range []string{"guest", "ana", "ben", "mo", "pat", "kim", "ada", "sid"} {
			if method != http.MethodGet { // what one did is not there for the next
				all = w.states()
			}
			for state, id := range all {
				w.tryInState(t, method, place(id), state, who, r.Pattern, matrix[r.Pattern].may)
			}
		}
	}
}

func (w *world) tryInState(t *testing.T, method, at, state, who, pattern, may string) {
	t.Helper()
	fresh(w)
	as := strings.TrimPrefix(who, "guest")
	before := w.count()
	var rec *httptest.ResponseRecorder
	if method == http.MethodGet {
		rec = w.get(as, at)
	} else {
		rec = w.post(as, at, url.Values{"body": {"A word."}, "on": {"yes"}, "device": {"umi"}, "state": {"recorded"}, "reason": {"spam"}, "verdict": {"works"}, "case": {"0"}, "action": {"keep"}})
	}
	like := map[string]string{"pat": "mo", "ben": "ana", "sid": "ana"}[who] // the role that they have
	if like == "" {
		like = who
	}
	allowed := slices.Contains(strings.Fields(may), like) || who == "pat" && strings.Contains(pattern, "mark")
	seen := slices.Contains(strings.Fields(sees[state]), map[bool]string{true: "ben", false: who}[who == "sid"])
	got, want := answer(rec), ""
	switch {
	case who == "guest" && !allowed:
		want = "sign in"
	case !allowed, who == "sid" && method == http.MethodPost:
		want = "forbidden"
	case !seen:
		want = "absent"
	}
	switch {
	case want == "forbidden" && got == "absent" && !seen: // says even less
	case want != "" && got != want:
		t.Errorf("%s as %s of a thread that is %s: %s (%d), expected %s", pattern, who, state, got, rec.Code, want)
	case want == "" && got != "done" && got != "refused" && got != "forbidden" && !strings.Contains(pattern, "{poll}"): // 403: whose it is, is looked at closer
		t.Errorf("%s as %s of a thread that is %s: %s (%d), expected it to be let through", pattern, who, state, got, rec.Code)
	case who == "pat" && strings.Contains(pattern, "mark") && seen && got != "forbidden":
		t.Errorf("a maintainer of another phone marks a thread that is %s: %s", state, got)
	case state == "locked" && strings.Contains(pattern, "reply") && allowed && who != "sid" && (got == "done") != (who == "kim" || who == "ada"):
		t.Errorf("%s writes into a locked thread: %s", who, got)
	}
	if got != "done" || method == http.MethodGet {
		if after := w.count(); after != before {
			t.Errorf("%s as %s of a thread that is %s answers %s and yet changes %s to %s", pattern, who, state, got, before, after)
		}
	}
}

// placed is where the matrix tries a route.
func (w *world) placed(pattern string) string {
	w.t.Helper()
	if w.places == nil {
		w.places = strings.NewReplacer("{first}", w.firstPost(1), "{private}", w.private("ana", "mo"))
	}
	return w.places.Replace(matrix[pattern].path)
}

func answer(rec *httptest.ResponseRecorder) string {
	switch {
	case rec.Code == http.StatusSeeOther && strings.HasPrefix(rec.Header().Get("Location"), "/signin"):
		return "sign in"
	case rec.Code < 400:
		return "done"
	case rec.Code == http.StatusForbidden:
		return "forbidden"
	case rec.Code == http.StatusNotFound:
		return "absent"
	case rec.Code < 500:
		return "refused"
	}
	return "broken"
}

// count is how much there is of all that members can make.
func (w *world) count() string {
	w.t.Helper()
	out := ""
	w.write(func(tx *db.Tx) error {
		for _, table := range []string{"threads", "posts", "thread_votes", "thread_watches", "thread_affected", "thread_facts", "thread_events", "mod_flags", "mod_decisions", "mod_appeals", "uploads", "member_roles", "members"} {
			var n int
			if err := tx.QueryRow("SELECT COUNT(*) FROM " + table).Scan(&n); err != nil {
				return err
			}
			out += fmt.Sprint(" ", table, "=", n)
		}
		return nil
	})
	return out
}

// TestNoOtherSiteActs: a form that another site sends is refused on every route
// that changes anything, whichever header tells it.
func TestNoOtherSiteActs(t *testing.T) {
	w := whole(t, openSQLite(t))
	for _, r := range routes {
		method, _, _ := strings.Cut(r.Pattern, " ")
		if method == http.MethodGet {
			continue
		}
		for name, header := range map[string]http.Header{
			"Sec-Fetch-Site": {"Sec-Fetch-Site": {"cross-site"}}, "same-site": {"Sec-Fetch-Site": {"same-site"}}, "Origin": {"Origin": {"https://evil.example"}}, "null": {"Origin": {"null"}},
		} {
			w.placed(r.Pattern)
			before := w.count()
			for _, kind := range []string{"application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "text/plain"} {
				fresh(w)
				req := httptest.NewRequest(method, w.placed(r.Pattern), strings.NewReader("on=yes&body=x&reason=spam&name=eve&password=a+long+password"))
				for k, v := range header {
					req.Header[k] = v
				}
				req.Header.Set("Content-Type", kind)
				if rec := w.send("ada", req); rec.Code != http.StatusForbidden {
					t.Errorf("%s from another site (%s, %s): %d, expected 403", r.Pattern, name, kind, rec.Code)
				}
			}
			if after := w.count(); after != before {
				t.Errorf("%s from another site (%s) changes %s to %s", r.Pattern, name, before, after)
			}
		}
	}
}

// TestNothingIsReadByGet: GET changes nothing: a picture's address in a post
// cannot vote.
func TestNothingIsDoneByGet(t *testing.T) {
	w := whole(t, openSQLite(t))
	w.placed("GET /t")
	before := w.count()
	for _, r := range routes {
		method, _, _ := strings.Cut(r.Pattern, " ")
		path := w.placed(r.Pattern)
		rec := w.get("ada", path+"?on=yes&body=x&reason=spam&state=recorded&device=umi&action=hide&case=0&verdict=works")
		if method == http.MethodPost && rec.Code < 400 && !slices.ContainsFunc(routes, func(o route) bool { return o.Pattern == "GET"+strings.TrimPrefix(r.Pattern, "POST") }) && rec.Code != http.StatusSeeOther {
			t.Errorf("GET of %s: %d", r.Pattern, rec.Code)
		}
	}
	if after := w.count(); after != before {
		t.Errorf("GETs change %s to %s", before, after)
	}
}

// TestMoreThanAsked: fields that a form does not have set nothing.
func TestMoreThanAsked(t *testing.T) {
	w := whole(t, openSQLite(t))
	more := url.Values{"id": {"4711"}, "ID": {"4711"}, "author": {fmt.Sprint(w.ids["kim"])}, "author_id": {fmt.Sprint(w.ids["kim"])}, "AuthorID": {fmt.Sprint(w.ids["kim"])},
		"member": {fmt.Sprint(w.ids["kim"])}, "member_id": {fmt.Sprint(w.ids["kim"])}, "role": {"admin"}, "roles": {"admin"}, "Roles": {"admin"}, "admin": {"true"}, "level": {"3"},
		"votes": {"1000"}, "hidden": {"true"}, "locked": {"true"}, "pinned": {"true"}, "private": {"true"}, "state": {"confirmed"}, "at": {"0"}, "created_at": {"0"},
		"weight": {"1000000"}, "known": {"true"}, "held": {"false"}, "granted": {"yes"}, "subject_id": {"1"}, "about_id": {"1"}}
	with := func(form url.Values) url.Values {
		out := url.Values{}
		for k, v := range more {
			out[k] = v
		}
		for k, v := range form {
			out[k] = v
		}
		return out
	}
	post := func(as, path string, form url.Values) *httptest.ResponseRecorder {
		t.Helper()
		fresh(w)
		rec := w.post(as, path, with(form))
		if rec.Code != http.StatusSeeOther {
			t.Fatalf("%s: %d %s", path, rec.Code, rec.Body)
		}
		return rec
	}
	post("", "/register", url.Values{"name": {"eve"}, "password": {password}})
	w.write(func(tx *db.Tx) error {
		m, err := member.ByName(tx, "eve")
		if err == nil && (m.Is(member.Admin) || len(m.Roles) != 1 || m.ID == 4711) {
			t.Errorf("eve made herself %+v", m)
		}
		return err
	})
	to := post("ana", "/t/new", url.Values{"kind": {"talk"}, "title": {"Just talk"}, "body": {"Nothing else in it."}}).Header().Get("Location")
	var id int64
	if _, err := fmt.Sscanf(to, "/t/%d-", &id); err != nil || id == 4711 {
		t.Fatalf("filed at %q", to)
	}
	post("ben", fmt.Sprintf("/t/%d/reply", id), url.Values{"body": {"A reply of mine."}})
	w.write(func(tx *db.Tx) error {
		th, err := feedback.ByID(tx, feedback.Everything(), id)
		if err != nil {
			return err
		}
		if th.AuthorID != w.ids["ana"] || th.Votes != 1 || th.Hidden || th.Locked || th.Pinned || th.Private || !th.CreatedAt.Equal(w.now) {
			t.Errorf("ana made the thread %+v", th)
		}
		posts, err := feedback.Posts(tx, feedback.Everything(), id)
		if err == nil && (len(posts) != 2 || posts[1].AuthorID != w.ids["ben"] || posts[1].Hidden) {
			t.Errorf("the posts are %+v", posts)
		}
		return err
	})
	w.join("nia", "")
	post("nia", "/flag/thread/1", url.Values{"reason": {"spam"}})
	w.write(func(tx *db.Tx) error {
		q, err := moderation.Queue(tx, 0)
		if err == nil && (len(q) != 1 || q[0].Weight > 500 || q[0].AutoHidden || q[0].Subject.ID != 1) {
			t.Errorf("a newcomer's flag makes %+v", q)
		}
		return err
	})
}

// TestRedirectsStay: wherever a form or page sends on, it is on this site.
func TestRedirectsStay(t *testing.T) {
	w := whole(t, openSQLite(t))
	for _, next := range []string{"https://evil.example/", "//evil.example", `/\evil.example`, `\\evil.example`, "/%09/evil.example", "javascript:alert(1)", "http:evil.example", "/.//evil.example",
		"///evil.example", "/%5cevil.example", "https:///evil.example", "/\t/evil.example", "/..//evil.example", "@evil.example", ".evil.example"} {
		for _, r := range routes {
			fresh(w)
			form := url.Values{"next": {next}, "to": {next}, "url": {next}, "return": {next}, "redirect": {next}, "lang": {"en"}, "name": {"ben"}, "password": {password}, "body": {"x"}, "reason": {"spam"}, "on": {"yes"}}
			method, _, _ := strings.Cut(r.Pattern, " ")
			as := "ana"
			if strings.Contains(r.Pattern, "sign") {
				as = ""
			}
			var rec *httptest.ResponseRecorder
			if method == http.MethodGet {
				rec = w.get(as, w.placed(r.Pattern)+"?"+form.Encode())
			} else {
				rec = w.post(as, w.placed(r.Pattern), form)
			}
			if to := rec.Header().Get("Location"); to != "" && !local(to) {
				t.Errorf("%s with %q sends to %q", r.Pattern, next, to)
			}
		}
	}
	for to, want := range map[string]bool{"/t/1": true, "/": true, "//evil.example": false, "/\\evil.example": false, "https://evil.example": false, "/\t/evil.example": false, "t": false} {
		if local(to) != want {
			t.Errorf("the test takes %q for %v", to, !want)
		}
	}
}

// local says whether browsers stay on this site: they take \ for / and drop tabs.
func local(to string) bool {
	to = strings.NewReplacer("\\", "/", "\t", "", "\n", "", "\r", "").Replace(to)
	u, err := url.Parse(to)
	return err == nil && u.Host == "" && u.Scheme == "" && strings.HasPrefix(to, "/") && !strings.HasPrefix(to, "//")
}

// TestXSSThroughTheDesk: what members and moderators write to each other, and
// what they call their files, acts on no page that shows it.
func TestXSSThroughTheDesk(t *testing.T) {
	w := whole(t, openSQLite(t))
	w.join("sue", member.Moderator)
	for i, a := range attacks {
		var id int64
		w.write(func(tx *db.Tx) error {
			th, err := feedback.New(tx, feedback.NewThread{Kind: feedback.Talk, Title: a, Body: a, AuthorID: w.ids["ben"]})
			id = th.ID
			return err
		})
		at := fmt.Sprintf("/desk/thread/%d", id)
		sent := func(rec *httptest.ResponseRecorder) {
			t.Helper()
			if fresh(w); rec.Code != http.StatusSeeOther {
				t.Fatalf("%q: %d %s", a, rec.Code, rec.Body)
			}
		}
		w.now = w.now.AddDate(0, 0, 2) // flags and files are counted by the day
		for _, name := range []string{"ana", "ben", "kim", "sue"} {
			w.tokens[name] = w.session(name)
		}
		sent(w.sendFiles("ben", fmt.Sprintf("/t/%d/reply", id), url.Values{"body": {"![" + a + "](" + a + ") ![x](a.png)"}}, sentFile(a+".png", shot(t, 4, 4)), sentFile("a.png", shot(t, 4, 5)), sentFile(a, []byte(a))))
		sent(w.post("ana", fmt.Sprintf("/flag/thread/%d", id), url.Values{"reason": {"something"}, "note": {a}}))
		harmlessWithPictures(t, "the desk", w.get("kim", at).Body.String())
		harmlessWithPictures(t, "a refused decision", w.post("kim", at, url.Values{"case": {"0"}, "action": {a}, "reason": {a}, "law": {a}, "days": {a}}).Body.String())
		harmlessWithPictures(t, "a refused flag", w.post("kim", fmt.Sprintf("/flag/thread/%d", id), url.Values{"reason": {a}, "note": {a}}).Body.String())
		var caseID int64
		w.write(func(tx *db.Tx) error {
			c, err := moderation.OpenCase(tx, moderation.Subject{Kind: moderation.Thread, ID: id})
			caseID = c.ID
			return err
		})
		sent(w.post("kim", at, url.Values{"case": {fmt.Sprint(caseID)}, "action": {"takedown"}, "law": {a}, "measure": {"warn"}, "reason": {a}}))
		var d moderation.Decision
		w.write(func(tx *db.Tx) error {
			mine, err := moderation.Of(tx, w.ids["ben"])
			if err == nil {
				d = mine[0]
			}
			return err
		})
		sent(w.post("ben", fmt.Sprintf("/me/record/%d/appeal", d.ID), url.Values{"words": {a}}))
		harmless(t, "the queue", w.get("sue", "/desk").Body.String())
		if i%2 == 0 {
			sent(w.post("sue", fmt.Sprintf("/desk/answer/%d", d.ID), url.Values{"granted": {"yes"}, "answer": {a}}))
		} else {
			sent(w.post("sue", fmt.Sprintf("/desk/lift/%d", d.ID), url.Values{"reason": {a}}))
		}
		for as, paths := range map[string][]string{"ben": {"/me/record", fmt.Sprintf("/t/%d", id)}, "kim": {"/desk/log", "/desk", at, fmt.Sprintf("/desk/member/%d", w.ids["ben"])}, "ana": {fmt.Sprintf("/flag/thread/%d", id), "/flag/" + url.PathEscape(a) + "/1"}} {
			for _, path := range paths {
				rec := w.get(as, path)
				if rec.Code == http.StatusSeeOther {
					u, err := url.Parse(rec.Header().Get("Location"))
					w.must(err)
					rec = w.get(as, u.RequestURI())
				}
				harmlessWithPictures(t, fmt.Sprintf("%q at %s as %s", a, path, as), rec.Body.String())
			}
		}
	}
}

func sentFile(name string, content []byte) sent { return sent{name, content} }
