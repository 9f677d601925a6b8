package site

import (
	"context"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/feedback/stake"
	"github.com/fridayos/friday/internal/member"
)

// What is written on one node is at once seen on another that has kept the page.
func TestKeptPagesAreNeverOld(t *testing.T) {
	for name, address := range map[string]func(t testing.TB) string{"sqlite": dbtest.SQLite, "postgres": dbtest.Postgres} {
		t.Run(name, func(t *testing.T) {
			address := address(t)
			var nodes [2]*world
			for i := range nodes {
				d, err := db.Open(context.Background(), address)
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { d.Close() })
				nodes[i] = newWorld(t, d) // the clock stands still: only what is written counts
			}
			a, b := nodes[0], nodes[1]
			a.at(11, 20, 9)
			b.at(11, 20, 9)
			a.people()
			a.devices()
			b.tokens = a.tokens
			show := func(path string) string {
				rec := b.get("", path)
				if rec.Code == 303 {
					path = rec.Header().Get("Location")
					rec = b.get("", path)
				}
				if again := b.get("", path); again.Body.String() != rec.Body.String() || again.Header().Get("Content-Type") != rec.Header().Get("Content-Type") {
					t.Errorf("%s is another page when it is kept", path)
				}
				return rec.Body.String()
			}
			sees := func(what, path string, yes bool) {
				t.Helper()
				if strings.Contains(show(path), what) != yes {
					t.Errorf("%s has %q: %v, expected %v", path, what, !yes, yes)
				}
			}
			sees("Alarm", "/t", false)
			if rec := a.post("ana", "/t/new", url.Values{"kind": {"bug"}, "title": {"Alarm is silent"}, "part": {"Clock"}, "device": {"umi"}, "body": {"No sound."}}); rec.Code != 303 {
				t.Fatalf("filing: %d", rec.Code)
			}
			for _, path := range []string{"/", "/t", "/d/umi", "/m/ana"} {
				sees("Alarm is silent", path, true)
			}
			sees("Here too.", "/t/1", false)
			a.post("ben", "/t/1/reply", url.Values{"body": {"Here too."}})
			sees("Here too.", "/t/1", true)
			sees("2 votes", "/t/1", false)
			a.write(func(tx *db.Tx) error { return stake.Vote(tx, feedback.Viewer{Member: a.ids["ben"]}, 1, true) })
			sees("2 votes", "/t/1", true)
			a.write(func(tx *db.Tx) error {
				return feedback.Mark(tx, a.ids["mo"], 1, feedback.Word{State: feedback.Planned})
			})
			sees("Planned", "/t/1", true)
			a.must(a.train.Skip(context.Background(), "26.11.20", "ada", "Everyone rests."))
			sees("Everyone rests.", "/train", true)
			a.write(func(tx *db.Tx) error {
				return member.SetRoles(tx, member.Member{Name: "setup"}, a.ids["li"], []member.Role{member.Tester}, nil)
			})
			sees("tester", "/m/li", true)
			a.write(func(tx *db.Tx) error { return feedback.Hide(tx, 1, a.ids["kim"], true) })
			sees("Alarm is silent", "/t", false)
			if got := b.get("", "/t/1-alarm-is-silent").Code; got != 404 {
				t.Errorf("a hidden thread is shown from memory: %d", got)
			}
			if got := b.get("kim", "/t/1-alarm-is-silent").Code; got != 200 {
				t.Errorf("a hidden thread is kept from its moderator: %d", got)
			}
		})
	}
}

// Nobody is shown what was kept for a reader of another language, or somebody signed in.
func TestKeptPagesAreForEveryone(t *testing.T) {
	w := whole(t, openSQLite(t))
	for range 3 {
		for lang, want := range map[string]string{"en": "Threads", "zh-CN": "话题", "es-MX": "Temas", "hi": "चर्चाएँ", "fr": "Threads"} {
			r := httptest.NewRequest("GET", "/t", nil)
			r.Header.Set("Accept-Language", lang)
			rec := w.send("", r)
			if body := rec.Body.String(); !strings.Contains(body, "<h1>"+want+"</h1>") || strings.Contains(body, `href="/me"`) {
				t.Errorf("the page for %s is not in it, or somebody's", lang)
			}
			if !strings.Contains(rec.Header().Get("Vary"), "Accept-Language") {
				t.Errorf("the page for %s may be kept for others", lang)
			}
		}
		if body := w.get("ana", "/t").Body.String(); !strings.Contains(body, `href="/me"`) {
			t.Error("a member is shown the page of those who are not signed in")
		}
	}
	if body := w.get("", "/t?done=filed").Body.String(); !strings.Contains(body, "It is filed.") {
		t.Error("what a form did is not said")
	}
	if body := w.get("", "/t").Body.String(); strings.Contains(body, "It is filed.") {
		t.Error("what a form did is said to others")
	}
	// A language that was chosen goes before the browser's.
	rec := w.post("", "/language", url.Values{"lang": {"hi"}, "next": {"/t?kind=bug"}})
	if rec.Code != 303 || rec.Header().Get("Location") != "/t?kind=bug" {
		t.Fatalf("choosing a language: %d to %s", rec.Code, rec.Header().Get("Location"))
	}
	r := httptest.NewRequest("GET", "/t", nil)
	r.AddCookie(rec.Result().Cookies()[0])
	if body := w.send("", r).Body.String(); !strings.Contains(body, `<html lang="hi" dir="ltr">`) {
		t.Error("the chosen language is not spoken")
	}
	if got := w.post("", "/language", url.Values{"lang": {"xx"}, "next": {"/t"}}).Code; got != 404 {
		t.Errorf("a language that is not there: %d, expected 404", got)
	}
}
