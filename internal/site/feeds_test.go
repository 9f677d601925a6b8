package site

import (
	"html"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"

	forumapi "github.com/fridayos/friday/internal/api"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
)

var feedOf = regexp.MustCompile(`<link rel="alternate" type="application/atom\+xml" href="([^"]+)">`)

// TestEveryListHasItsFeed: each page that lists something names the Atom feed of
// that very list, and the feed is there, whatever the page's address holds.
func TestEveryListHasItsFeed(t *testing.T) {
	w := whole(t, openSQLite(t))
	programs, err := forumapi.New(forumapi.Options{DB: w.d, Train: w.train, BaseURL: "http://127.0.0.1"})
	w.must(err)
	private := w.private("ana", "mo")
	w.write(func(tx *db.Tx) error { return feedback.Hide(tx, 4, w.ids["mo"], true) })
	const at = "/api/forum/v1/"
	for _, c := range []struct{ as, path, feed, entry string }{
		{"", "/", "threads.atom", "Camera closes"},
		{"", "/t", "threads.atom", "Camera closes"},
		{"", "/t?kind=idea&page=1", "threads.atom?kind=idea", "last camera mode"},
		{"", "/t?state=recorded&device=umi", "threads.atom?device=umi&state=recorded", ""},
		{"", "/t?part=Camera&q=zoom", "threads.atom?part=Camera&q=zoom", "Camera closes"},
		{"", "/t?q=" + url.QueryEscape("device:hlte 相机 <x>"), "threads.atom?q=" + url.QueryEscape("device:hlte 相机 <x>"), ""},
		{"", "/t?kind=nonsense&state=x", "threads.atom", "Camera closes"},
		{"", "/t?device=nothing", "threads.atom?device=nothing", ""},
		{"", "/t/1-camera-closes-at-5-zoom", "threads/1/posts.atom", "the stack trace says it all"},
		{"", "/t/6/polls", "threads/6/polls.atom", "What did you like most?"},
		{"", "/d", "devices.atom", "Xiaomi Mi 10"},
		{"", "/d/umi", "devices/umi/releases.atom", "26.11.27"},
		{"", "/r", "releases.atom", "26.11.27"},
		{"", "/train", "releases.atom", "26.11.27"},
		{"", "/r/26.11.27", "threads.atom?release=26.11.27", "Camera closes"},
		{"", "/m/ana", "threads.atom?author=ana", "Camera closes"},
		{"ana", "/t/" + private, "threads.atom", "Camera closes"}, // its own would be nobody's
		{"kim", "/t/4-record-calls-without-telling-the-other-side", "threads.atom", "Camera closes"},
		{"kim", "/t/4/polls", "threads.atom", "Camera closes"},
	} {
		rec := w.get(c.as, c.path)
		if to := rec.Header().Get("Location"); rec.Code == http.StatusSeeOther {
			rec = w.get(c.as, to)
		}
		m := feedOf.FindAllStringSubmatch(rec.Body.String(), -1)
		if len(m) != 1 {
			t.Errorf("%s (%d) names %d feeds", c.path, rec.Code, len(m))
			continue
		}
		href := html.UnescapeString(m[0][1])
		if href != at+c.feed {
			t.Errorf("%s names %s, expected %s", c.path, href, at+c.feed)
		}
		out := httptest.NewRecorder()
		programs.ServeHTTP(out, httptest.NewRequest(http.MethodGet, href, nil))
		if out.Code != http.StatusOK || !strings.HasPrefix(out.Header().Get("Content-Type"), "application/atom+xml") || !strings.Contains(out.Body.String(), c.entry) {
			t.Errorf("%s, of %s, answers %d and has no %q", href, c.path, out.Code, c.entry)
		}
		if strings.Contains(out.Body.String(), "Record calls") {
			t.Errorf("%s shows a hidden thread", href)
		}
	}
}
