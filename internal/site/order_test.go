package site

import (
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/feedback/revision"
	"github.com/fridayos/friday/internal/fleet"
)

// private files a security report and returns its number.
func (w *world) private(by, named string) string {
	var id int64
	w.write(func(tx *db.Tx) error {
		t, err := feedback.New(tx, feedback.NewThread{Kind: feedback.Bug, Title: "The lock screen lets anyone in", Body: "Swipe twice.", AuthorID: w.ids[by], Part: "Lock screen",
			Devices: []string{"umi"}, Private: true, Named: []int64{w.ids[named]}})
		id = t.ID
		return err
	})
	return strconv.FormatInt(id, 10)
}

// edited changes what a thread's author said first, and returns that post's number.
func (w *world) edited(thread int64) string {
	id := w.firstPost(thread)
	w.write(func(tx *db.Tx) error {
		t, body, err := feedback.Opening(tx, feedback.Everything(), thread)
		n, _ := strconv.ParseInt(id, 10, 64)
		if err == nil {
			_, err = revision.Edit(tx, feedback.Viewer{Member: t.AuthorID}, n, strings.Replace(body, "no longer lags", "is quick again", 1)+"\n\nIt was the worst of all before.")
		}
		return err
	})
	return id
}

// question is one with answers of which its author accepted one.
func (w *world) question() (path string) {
	w.write(func(tx *db.Tx) error {
		t, err := feedback.New(tx, feedback.NewThread{Kind: feedback.Question, Title: "Where do screenshots go?", Body: "I cannot find them.", AuthorID: w.ids["ana"]})
		if err != nil {
			return err
		}
		p, err := feedback.Reply(tx, feedback.Viewer{Member: w.ids["ben"]}, t.ID, "Into Pictures, Screenshots.")
		if err == nil {
			_, err = feedback.Reply(tx, feedback.Viewer{Member: w.ids["li"]}, t.ID, "And the Gallery shows them.")
		}
		if err == nil {
			err = feedback.Accept(tx, feedback.Viewer{Member: w.ids["ana"]}, t.ID, p.ID)
		}
		path = fmt.Sprintf("/t/%d-where-do-screenshots-go", t.ID)
		return err
	})
	return path
}

// post2 is the number of a thread's second post.
func (w *world) post2(thread int64) (id string) {
	w.write(func(tx *db.Tx) error {
		posts, err := feedback.Posts(tx, feedback.Everything(), thread)
		if err == nil {
			id = strconv.FormatInt(posts[1].ID, 10)
		}
		return err
	})
	return id
}

// step is a form that someone sends.
type step struct {
	as, path string
	form     url.Values
	code     int
	to       string // where it leads, or what its page says
}

func (w *world) walk(t *testing.T, steps []step) {
	t.Helper()
	for _, s := range steps {
		fresh(w)
		rec := w.post(s.as, s.path, s.form)
		found := rec.Header().Get("Location")
		if rec.Code != 303 {
			found = rec.Body.String()
		}
		if rec.Code != s.code || !strings.Contains(found, s.to) {
			t.Fatalf("%s sends %v to %s: %d %.200q, expected %d and %q", s.as, s.form, s.path, rec.Code, found, s.code, s.to)
		}
	}
}

func (w *world) says(t *testing.T, as, path string, want ...string) {
	t.Helper()
	fresh(w)
	rec := w.get(as, path)
	if to := rec.Header().Get("Location"); rec.Code == 303 {
		rec = w.get(as, to)
	}
	for _, s := range want {
		if has := strings.Contains(rec.Body.String(), strings.TrimPrefix(s, "!")); rec.Code != 200 || has == strings.HasPrefix(s, "!") {
			t.Errorf("%q at %s: %d, %q is there: %v", as, path, rec.Code, s, has)
		}
	}
}

// lastDecision is the id of what moderators decided last.
func (w *world) lastDecision() (id string) {
	w.write(func(tx *db.Tx) error {
		var n int64
		err := tx.QueryRow("SELECT COALESCE(MAX(id), 0) FROM mod_decisions").Scan(&n)
		id = fmt.Sprint(n)
		return err
	})
	return id
}

func TestPostsAreEditedAndQuoted(t *testing.T) {
	w := whole(t, openSQLite(t))
	first := w.firstPost(1)
	w.says(t, "ana", "/p/"+first+"/edit", "drag the zoom past")
	w.walk(t, []step{
		{"ana", "/p/" + first + "/edit", url.Values{"body": {" "}}, 422, "Write a few words first."},
		{"ana", "/p/" + first + "/edit", url.Values{"body": {"It closes.\n<script>alert(1)</script>"}}, 303, "/p/" + first},
		{"ben", "/t/1/reply", url.Values{"body": {"> It closes.\n\n@ana: here too."}, "quote": {first}}, 303, "#p"},
		{"ana", "/t/1/mute", nil, 303, "muted"},
	})
	w.says(t, "", "/p/"+first+"/history", "<ins>It closes.</ins>", "&lt;script&gt;", "<del>")
	w.says(t, "ana", "/t/1", "/p/"+first+"/history", "to a post of ana", "You hear nothing of this thread", "/p/"+first+"/edit")
	w.says(t, "ben", "/t/1?quote="+first, `name="quote" value="`+first+`"`, "&gt; It closes.")
	w.says(t, "", "/t/1?quote="+first, "!name=\"quote\"")
	w.walk(t, []step{{"kim", "/desk/thread/1", url.Values{"case": {"0"}, "action": {"lock"}, "reason": {"It is said."}}, 303, "decided"}, {"ben", "/t/1/reply", url.Values{"body": {"More."}}, 422, "locked"},
		{"ana", "/p/" + first + "/edit", url.Values{"body": {"Again."}}, 403, ""}})
	w.walk(t, []step{{"kim", "/desk/lift/" + w.lastDecision(), url.Values{"reason": {"More is to say."}}, 303, "lifted"}, {"ben", "/t/1/reply", url.Values{"body": {"And more."}}, 303, "#p"}})
}

func TestQuestionsArePolledAndAnswered(t *testing.T) {
	w := whole(t, openSQLite(t))
	w.walk(t, []step{{"ben", "/t/5/reply", url.Values{"body": {"By fastboot."}}, 303, "#p"}})
	_, answer, _ := strings.Cut(w.post("li", "/t/5/reply", url.Values{"body": {"Thanks."}}).Header().Get("Location"), "#p")
	w.walk(t, []step{
		{"ben", "/t/5/accept", url.Values{"post": {answer}}, 422, ""},
		{"ana", "/t/5/accept", url.Values{"post": {answer}}, 303, "accepted"},
	})
	w.says(t, "", "/t/5", "Answered; see what helped", "This answered the question")
	polls := url.Values{"question": {"Which?"}, "choices": {"This\nThat\n"}, "many": {"yes"}, "days": {"7"}}
	w.walk(t, []step{
		{"ben", "/t/6/polls", polls, 422, "Whoever began the thread"},
		{"li", "/t/6/polls", url.Values{"question": {"Which?"}, "choices": {"One"}}, 422, "Give 2 to 20 choices"},
		{"li", "/t/6/polls", polls, 303, "/t/6/polls?done=polled"},
	})
	w.says(t, "ben", "/t/6/polls", "Which?", "open until", "!2 members voted")
	page := w.get("ben", "/t/6/polls").Body.String()
	_, page, _ = strings.Cut(page, `id="poll`)
	_, page, _ = strings.Cut(page, `id="poll`)
	id, _, _ := strings.Cut(page, `"`)
	w.walk(t, []step{
		{"ben", "/t/6/polls/" + id, url.Values{"choice": {"0", "1"}}, 303, "/t/6/polls"},
		{"ben", "/t/6/polls/" + id, url.Values{"choice": {"x"}}, 422, "no such choice"},
		{"ben", "/t/1/polls/" + id, url.Values{"choice": {"0"}}, 404, ""},
		{"ben", "/t/6/polls/" + id + "/end", nil, 422, ""},
		{"li", "/t/6/polls/" + id + "/end", nil, 303, "/t/6/polls"},
	})
	w.says(t, "", "/t/6/polls", "1 member voted", "100 %")
	w.says(t, "", "/t/6", "Which?")
}

func TestModeratorsKeepOrder(t *testing.T) {
	w := whole(t, openSQLite(t))
	w.says(t, "kim", "/duplicates", "#2 Battery loses", "#1 Camera closes")
	w.says(t, "kim", "/t/2/tools", "1 member points there")
	move := url.Values{"title": {"Night drain"}, "kind": {"bug"}, "part": {"Battery"}, "device": {"hlte", "umi"}, "lang": {"en"}}
	w.walk(t, []step{
		{"kim", "/t/2/move", url.Values{"title": {"x"}, "kind": {"bug"}}, 422, ""},
		{"kim", "/t/2/move", move, 303, "/t/2-night-drain?done=ordered"},
		{"kim", "/t/2/merge", url.Values{"into": {"999"}}, 422, "give its number"},
		{"kim", "/t/2/merge", url.Values{"into": {"6"}}, 422, "cannot become part"},
		{"kim", "/t/2/merge", url.Values{"into": {"1"}}, 303, "/t/1-camera-closes-at-5-zoom?done=merged"},
	})
	w.says(t, "", "/t/2-night-drain", "Camera closes", "From 80 to 61")
	w.says(t, "", "/t", "!Night drain")
	w.says(t, "kim", "/t/1/tools", "Night drain", "Undo")
	w.walk(t, []step{
		{"kim", "/t/1/unmerge", url.Values{"source": {"3"}}, 422, "give its number"},
		{"kim", "/t/1/unmerge", url.Values{"source": {"2"}}, 303, "ordered"},
		{"kim", "/t/2/pin", url.Values{"on": {"yes"}}, 303, "ordered"},
	})
	w.says(t, "", "/t/2", "Night drain", "From 80 to 61")
	_, post, _ := strings.Cut(w.post("ana", "/t/2/reply", url.Values{"body": {"And the speaker hums."}}).Header().Get("Location"), "#p")
	w.walk(t, []step{
		{"kim", "/t/2/split", url.Values{"title": {"Hum"}, "kind": {"talk"}}, 422, "not its first"},
		{"kim", "/t/2/split", url.Values{"title": {"Hum"}, "kind": {"talk"}, "post": {post}}, 303, "-hum?done=ordered"},
		{"li", "/t/4/object", url.Values{"reason": {"Not where I live."}}, 303, "objected"},
		{"ada", "/t/2/mark", url.Values{"state": {"closed"}, "device": {"umi"}, "reason": {"Fixed."}, "fixed": {"yes"}, "build": {"1.2.3"}}, 422, "no such build"},
		{"ada", "/t/2/mark", url.Values{"state": {"closed"}, "device": {"umi"}, "reason": {"Fixed."}, "fixed": {"yes"}, "build": {"26.11.20"}}, 303, "marked"},
	})
	w.says(t, "mo", "/objections", "Not where I live.")
}

func TestPrivateReportsAreNotThere(t *testing.T) {
	w := whole(t, openSQLite(t))
	rec := w.post("ana", "/t/new", url.Values{"kind": {"bug"}, "title": {"The lock screen lets anyone in"}, "part": {"Lock screen"}, "device": {"umi"}, "body": {"Swipe twice."}, "private": {"yes"}})
	path, _, _ := strings.Cut(rec.Header().Get("Location"), "?")
	id, _, _ := strings.Cut(strings.TrimPrefix(path, "/t/"), "-")
	if rec.Code != 303 || len(id) != 10 {
		t.Fatalf("filing it: %d to %q", rec.Code, path)
	}
	for _, as := range []string{"", "ben", "kim", "ada"} { // a moderator and an administrator neither
		for _, address := range []string{path, "/t/" + id + "/way", "/t/" + id + "/polls"} {
			if got := w.get(as, address).Code; got != 404 {
				t.Errorf("%q gets %d for %s, expected 404", as, got, address)
			}
		}
		for _, address := range []string{"/", "/t", "/t?q=lock", "/d/umi", "/m/ana", "/t?part=Lock+screen"} {
			w.says(t, as, address, "!lock-screen-lets")
		}
	}
	w.says(t, "ana", path, "private", "!Open it to everyone")
	w.says(t, "mo", path, "private", "Open it to everyone", "Swipe twice.")
	w.walk(t, []step{
		{"ana", "/t/" + id + "/publish", nil, 403, ""},
		{"kim", "/t/" + id + "/pin", url.Values{"on": {"yes"}}, 404, ""},
		{"mo", "/t/" + id + "/name", url.Values{"name": {"ben"}}, 422, "no maintainer"},
		{"mo", "/t/" + id + "/name", url.Values{"name": {"ada"}}, 303, "named"},
	})
	w.says(t, "ada", path, "Swipe twice.")
	w.walk(t, []step{{"mo", "/t/" + id + "/publish", nil, 303, "opened"}, {"mo", "/t/" + id + "/publish", nil, 422, "already"}})
	w.says(t, "", path, "Swipe twice.")
}

// Beside who has it stands what part of the phones that is.
func TestThreadsShowTheShareOfActiveHandsets(t *testing.T) {
	w := whole(t, openSQLite(t))
	w.says(t, "", "/t/1", "!active handsets")
	w = whole(t, openSQLite(t))
	w.write(func(tx *db.Tx) error {
		return fleet.AddDays(tx, map[fleet.Day]int64{{Device: "umi", Day: w.now.Unix() / 86400, Gap: 28}: 40, {Device: "umi", Day: w.now.Unix()/86400 - 27, Gap: 28}: 160})
	})
	w.says(t, "", "/t/1", "0.5 % of its active handsets")
	w.says(t, "", "/t/1/way", "0.5 % of its active handsets")
}
