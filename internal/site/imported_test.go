package site

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/feedback/elsewhere"
)

// An imported thread shows where it began and who wrote it there, its old address
// leads to it, and an unknown neighbour's to where they came from. One that is
// hidden is no more to be found by its old address than by its new.
func TestImported(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.people()
		origin := elsewhere.Origin{Service: "github", Place: "a/b", Number: 12}
		var shown, hidden, reply int64
		w.write(func(tx *db.Tx) (err error) {
			author, _, err := elsewhere.Author(tx, "github", "", "<b>octo\u202eana</b>")
			if err != nil {
				return err
			}
			put := elsewhere.Thread{Origin: origin, URL: "https://github.com/a/b/issues/12", Kind: feedback.Talk, Title: "Began there", Body: "Hello", AuthorID: author,
				At: time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC), Votes: 7}
			if shown, _, err = elsewhere.Put(tx, put); err != nil {
				return err
			}
			into := elsewhere.NewPosts(tx)
			if _, err := into.Add(origin, elsewhere.Post{Ref: 99, AuthorID: feedback.FormerMember, Body: "An answer", At: put.At.Add(time.Hour)}); err != nil {
				return err
			}
			if err := into.Settle(); err != nil {
				return err
			}
			if _, reply, err = elsewhere.Find(tx, feedback.Viewer{}, origin, 99); err != nil {
				return err
			}
			put.Number, put.URL, put.Hidden = 13, "https://github.com/a/b/issues/13", true
			hidden, _, err = elsewhere.Put(tx, put)
			return err
		})
		page := w.get("", "/t/"+strconv.FormatInt(shown, 10)+"-began-there").Body.String()
		for _, want := range []string{`&lt;b&gt;octoana&lt;/b&gt; (GitHub)`, `href="https://github.com/a/b/issues/12"`, "GitHub a/b #12</a> · 7 votes came with it", "Someone who left", "An answer"} {
			if !strings.Contains(page, want) {
				t.Errorf("the thread's page lacks %q", want)
			}
		}
		thread := "/t/" + strconv.FormatInt(shown, 10)
		for _, c := range []struct {
			as, path string
			code     int
			to       string
		}{
			{"", "/imported/github/a/b/12", 303, thread},
			{"", "/imported/github/A/B/12", 303, thread},
			{"", "/imported/github/a/b/12/99", 303, "/p/" + strconv.FormatInt(reply, 10)},
			{"", "/imported/github/a/b/12/98", 303, thread},
			{"", "/imported/github/a/b/14", 302, "https://github.com/a/b/issues/14"},
			{"", "/imported/github/a/b/13", 302, "https://github.com/a/b/issues/13"},
			{"ana", "/imported/github/a/b/13", 302, "https://github.com/a/b/issues/13"},
			{"kim", "/imported/github/a/b/13", 303, "/t/" + strconv.FormatInt(hidden, 10)},
			{"", "/imported/github/a/c/12", 404, ""},
			{"", "/imported/github/a/12", 404, ""},
			{"", "/imported/github/a/b/0", 404, ""},
			{"", "/imported/github/a/b/12/99/1", 404, ""},
			{"", "/imported/discourse/a/12", 404, ""},
			{"", "/imported/other/a/12", 404, ""},
			{"", "/imported/github//evil.example/12", 404, ""},
		} {
			rec := w.get(c.as, c.path)
			if rec.Code != c.code && !(c.code == 404 && rec.Code == 307) || c.to != "" && rec.Header().Get("Location") != c.to {
				t.Errorf("%s as %q: %d to %q, want %d to %q", c.path, c.as, rec.Code, rec.Header().Get("Location"), c.code, c.to)
			}
		}
	})
}
