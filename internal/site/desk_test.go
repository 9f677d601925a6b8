package site

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/textproto"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/member/trust"
	"github.com/fridayos/friday/internal/moderation"
	"github.com/fridayos/friday/internal/reputation"
	"github.com/fridayos/friday/internal/train"
	"github.com/fridayos/friday/internal/upload"
)

// postID is the id of a thread's post by its place, from 0.
func (w *world) postID(thread int64, place int) (id int64) {
	w.t.Helper()
	w.write(func(tx *db.Tx) error {
		posts, err := feedback.Posts(tx, feedback.Everything(), thread)
		if err == nil {
			id = posts[place].ID
		}
		return err
	})
	return id
}

// from sends a form as a member from an address.
func (w *world) from(address, as, path string, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.RemoteAddr = address + ":4000"
	return w.send(as, r)
}

// regulars makes members who are known: here for a month, with a few posts.
func (w *world) regulars(names ...string) {
	at := w.now
	w.now = at.AddDate(0, 0, -31)
	for _, n := range names {
		w.join(n, "")
		w.write(func(tx *db.Tx) error {
			talk, err := feedback.New(tx, feedback.NewThread{Kind: feedback.Talk, Title: "Hello from " + n, Body: "Hello.", AuthorID: w.ids[n]})
			for range 4 {
				if err == nil {
					_, err = feedback.Reply(tx, feedback.Viewer{Member: w.ids[n]}, talk.ID, "And one more thing.")
				}
			}
			return err
		})
	}
	w.now = at
	for _, n := range names {
		w.tokens[n] = w.session(n)
	}
}

// TestFlagsDecisionsAppeals goes the whole way by forms: members flag a reply,
// it is out of sight, a moderator warns and hides it, its author reads why and
// appeals, another moderator grants it.
func TestFlagsDecisionsAppeals(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := whole(t, d)
		w.join("sue", "moderator")
		w.regulars("r1", "r2", "r3")
		reply := w.postID(1, 1) // ben's
		flag, judge := fmt.Sprintf("/flag/post/%d", reply), fmt.Sprintf("/desk/post/%d", reply)
		const words = "from about 4×"
		sees := func(as string) bool {
			return strings.Contains(w.get(as, "/t/1-camera-closes-at-5-zoom").Body.String(), words)
		}
		if !sees("") {
			t.Fatal("the reply is not there to begin with")
		}
		for i, as := range []string{"r1", "r2", "r3"} {
			if rec := w.from(fmt.Sprintf("198.51.100.%d", i+1), as, flag, url.Values{"reason": {"abuse"}}); rec.Code != 303 {
				t.Fatalf("%s flags: %d %s", as, rec.Code, rec.Body)
			}
		}
		if rec := w.post("r1", flag, url.Values{"reason": {"spam"}}); rec.Code != 404 && rec.Code != 422 {
			t.Errorf("flagged twice: %d", rec.Code)
		}
		if sees("") || sees("r1") || !sees("ben") || !sees("kim") {
			t.Error("a reply hidden by flags is for its author and moderators alone")
		}
		if page := w.get("kim", "/desk").Body.String(); !strings.Contains(page, judge) || !strings.Contains(page, "3 flags") {
			t.Error("the queue lacks the reply")
		}
		page := w.get("kim", judge).Body.String()
		caseID := regexp.MustCompile(`name="case" value="(\d+)"`).FindStringSubmatch(page)
		if caseID == nil || !strings.Contains(page, words) || !strings.Contains(page, "Hurts someone") {
			t.Fatal("the desk does not show what was flagged, and why")
		}
		ruling := url.Values{"case": {caseID[1]}, "action": {"hide"}, "measure": {"warn"}}
		if rec := w.post("kim", judge, ruling); rec.Code != 422 || !strings.Contains(rec.Body.String(), "This is needed.") {
			t.Errorf("without a reason: %d", rec.Code)
		}
		ruling.Set("reason", "Be kind to those who <b>report</b>.")
		if rec := w.post("kim", judge, ruling); rec.Code != 303 {
			t.Fatalf("deciding: %d %s", rec.Code, rec.Body)
		}
		if rec := w.post("ada", judge, ruling); rec.Code != 422 || !strings.Contains(rec.Body.String(), "Another moderator has decided") {
			t.Errorf("deciding the same case twice: %d", rec.Code)
		}
		record := w.get("ben", "/me/record").Body.String()
		for _, want := range []string{"Be kind to those who &lt;b&gt;report&lt;/b&gt;.", "warning", "hidden until review", "/m/kim"} {
			if !strings.Contains(record, want) {
				t.Errorf("ben's record lacks %q", want)
			}
		}
		for _, name := range []string{"r1", "r2", "r3"} {
			if strings.Contains(record, ">"+name+"<") {
				t.Errorf("ben's record says that %s flagged him", name)
			}
		}
		if strings.Contains(w.get("ana", "/me/record").Body.String(), "Be kind") {
			t.Error("another member reads ben's record")
		}
		appeal := regexp.MustCompile(`/me/record/\d+/appeal`).FindString(record)
		if got := w.post("ana", appeal, url.Values{"words": {"Mine!"}}).Code; got != 404 {
			t.Errorf("another member appeals: %d, expected 404", got)
		}
		if rec := w.post("ben", appeal, url.Values{"words": {"I only said what happens."}}); rec.Code != 303 {
			t.Fatalf("appealing: %d %s", rec.Code, rec.Body)
		}
		if got := w.post("ben", appeal, url.Values{"words": {"Please."}}).Code; got != 422 {
			t.Errorf("a second appeal: %d, expected 422", got)
		}
		id := regexp.MustCompile(`\d+`).FindString(appeal)
		if page := w.get("kim", "/desk").Body.String(); strings.Contains(page, "/desk/answer/") {
			t.Error("who decided is offered to answer the appeal")
		}
		if got := w.post("kim", "/desk/answer/"+id, url.Values{"granted": {"yes"}, "answer": {"x"}}).Code; got != 422 {
			t.Errorf("who decided answers the appeal: %d, expected 422", got)
		}
		if rec := w.post("sue", "/desk/answer/"+id, url.Values{"granted": {"yes"}, "answer": {"You are right."}}); rec.Code != 303 {
			t.Fatalf("answering: %d %s", rec.Code, rec.Body)
		}
		if !sees("") {
			t.Error("the appeal was granted and the reply is still hidden")
		}
		if record := w.get("ben", "/me/record").Body.String(); !strings.Contains(record, "You are right.") || strings.Contains(record, "/appeal\"") {
			t.Error("ben's record lacks the answer, or offers another appeal")
		}
		if log := w.get("kim", "/desk/log").Body.String(); strings.Count(log, "<li>") < 9 || !strings.Contains(log, "appeal answered") {
			t.Error("the log lacks what was done")
		}
	})
}

// TestOwnWordsAreNotFlagged: nobody flags or judges what is theirs.
func TestOwnWordsAreNotFlagged(t *testing.T) {
	w := whole(t, openSQLite(t))
	if rec := w.post("ana", "/flag/thread/1", url.Values{"reason": {"spam"}}); rec.Code != 422 {
		t.Errorf("ana flags her own thread: %d", rec.Code)
	}
	var id int64
	w.write(func(tx *db.Tx) error {
		p, err := feedback.Reply(tx, feedback.Viewer{Member: w.ids["kim"]}, 1, "As a moderator I say so.")
		id = p.ID
		return err
	})
	if rec := w.post("kim", fmt.Sprintf("/desk/post/%d", id), url.Values{"case": {"0"}, "action": {"hide"}, "reason": {"x"}}); rec.Code != 422 {
		t.Errorf("kim judges her own post: %d", rec.Code)
	}
	if rec := w.post("kim", "/desk/member/"+fmt.Sprint(w.ids["ada"]), url.Values{"case": {"0"}, "action": {"keep"}, "measure": {"suspend"}, "days": {"7"}, "reason": {"x"}}); rec.Code != 422 {
		t.Errorf("a moderator suspends an administrator: %d", rec.Code)
	}
	for _, path := range []string{"/flag/thread/999", "/flag/post/1", "/flag/nothing/1", "/flag/thread/01", "/flag/member/5", "/flag/upload/5", "/desk/lift/0"} {
		if got := w.get("ben", path).Code; got != 404 && !strings.HasPrefix(path, "/desk") {
			t.Errorf("%s: %d, expected 404", path, got)
		}
	}
}

// TestSuspendedReadAndAppeal: in every form but their own affairs a suspended
// member is refused with the reason and the end, and after the end in none.
func TestSuspendedReadAndAppeal(t *testing.T) {
	w := whole(t, openSQLite(t))
	w.write(func(tx *db.Tx) error {
		_, _, err := moderation.Decide(tx, moderation.About{Subject: moderation.Subject{Kind: moderation.Member, ID: w.ids["ana"]}, AuthorID: w.ids["ana"]},
			moderation.Actor{ID: w.ids["kim"], Name: "kim"}, 0, moderation.Ruling{Action: moderation.Keep, Measure: moderation.Suspend, Reason: "Too loud.", Until: w.now.Add(48 * time.Hour)})
		return err
	})
	own := func(pattern string) bool {
		return strings.HasPrefix(pattern, "POST /me") || strings.HasPrefix(pattern, "POST /notices") || pattern == "POST /signout"
	}
	try := func(refused bool) {
		t.Helper()
		for _, r := range routes {
			m := matrix[r.Pattern]
			if !strings.HasPrefix(r.Pattern, "POST ") || !strings.Contains(m.may, "ana") || strings.Contains(m.may, "guest") || r.Pattern == "POST /signout" {
				continue
			}
			fresh(w)
			rec := w.post("ana", w.placed(r.Pattern), url.Values{"lang": {"en"}})
			is := rec.Code == 403 && strings.Contains(rec.Body.String(), "Too loud.")
			if want := refused && !own(r.Pattern); is != want {
				t.Errorf("%s by a suspended member: %d, refused %v, expected %v", r.Pattern, rec.Code, is, want)
			}
		}
	}
	try(true)
	if body := w.get("ana", "/me").Body.String(); !strings.Contains(body, "Too loud.") || !strings.Contains(body, `datetime="`+w.now.Add(48*time.Hour).Format(time.RFC3339)) || !strings.Contains(body, `href="/me/record"`) {
		t.Error("a suspended member's own page does not say why, until when, and where to appeal")
	}
	for _, path := range []string{"/", "/t/1-camera-closes-at-5-zoom", "/me", "/me/record"} {
		if got := w.get("ana", path).Code; got != 200 {
			t.Errorf("a suspended member reads %s: %d", path, got)
		}
	}
	appeal := regexp.MustCompile(`/me/record/\d+/appeal`).FindString(w.get("ana", "/me/record").Body.String())
	if got := w.post("ana", appeal, url.Values{"words": {"I was whispering."}}).Code; got != 303 {
		t.Errorf("a suspended member appeals: %d", got)
	}
	w.now = w.now.Add(48 * time.Hour)
	try(false)
}

// shot is a picture of that many pixels.
func shot(t testing.TB, w, h int) []byte {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.SetNRGBA(x, y, color.NRGBA{uint8(x), uint8(y), 99, 255})
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

type sent struct {
	name    string
	content []byte
}

// sendFiles posts a form with files, as browsers do.
func (w *world) sendFiles(as, path string, form url.Values, files ...sent) *httptest.ResponseRecorder {
	w.t.Helper()
	var body bytes.Buffer
	m := multipart.NewWriter(&body)
	for k, values := range form {
		for _, v := range values {
			w.must(m.WriteField(k, v))
		}
	}
	for _, f := range files {
		h := textproto.MIMEHeader{"Content-Disposition": {`form-data; name="file"; filename="` + strings.NewReplacer(`\`, `\\`, `"`, "%22", "\n", "%0A").Replace(f.name) + `"`},
			"Content-Type": {"image/png"}}
		part, err := m.CreatePart(h)
		w.must(err)
		_, err = part.Write(f.content)
		w.must(err)
	}
	w.must(m.Close())
	r := httptest.NewRequest(http.MethodPost, path, &body)
	r.Header.Set("Content-Type", m.FormDataContentType())
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return w.send(as, r)
}

// attached is a file of a member's on a post.
func (w *world) attached(by string, post int64, name string, content []byte) (f upload.File) {
	w.t.Helper()
	d, err := w.files.Take(w.t.Context(), name, bytes.NewReader(content), reputation.FileLimits(trust.New))
	w.must(err)
	ref := upload.Ref{}
	if post != 0 {
		ref = upload.Ref{Kind: moderation.Post, ID: post}
	}
	w.write(func(tx *db.Tx) error {
		files, err := w.files.Put(tx, w.ids[by], ref, []upload.Draft{d}, reputation.FileLimits(trust.New))
		if err == nil {
			f = files[0]
		}
		return err
	})
	return f
}

// TestFilesFollowTheirThread: who may not read a post does not get its files:
// the answer is the one for a file that never was.
func TestFilesFollowTheirThread(t *testing.T) {
	w := whole(t, openSQLite(t))
	first, reply := w.attached("ana", w.postID(1, 0), "shot.png", shot(t, 20, 20)), w.attached("ben", w.postID(1, 1), "log.txt", []byte("a log"))
	loose := w.attached("ana", 0, "loose.png", shot(t, 10, 10))
	none := w.get("", "/u/4711/shot.png")
	check := func(f upload.File, may string) {
		t.Helper()
		for _, as := range []string{"", "ana", "ben", "mo", "kim", "ada"} {
			rec := w.get(as, f.Path())
			want := strings.Contains(" "+may+" ", " "+as+" ") || may == "all"
			if (rec.Code == 200) != want || !want && rec.Code != 404 {
				t.Errorf("%s for %q: %d, expected it to be given: %v", f.Name, as, rec.Code, want)
			}
			if as == "" && !want && strings.ReplaceAll(rec.Body.String(), f.Path(), "/u/4711/shot.png") != none.Body.String() {
				t.Errorf("%s answers otherwise than a file that never was", f.Name)
			}
		}
	}
	check(first, "all")
	check(reply, "all")
	check(loose, "ana")
	w.write(func(tx *db.Tx) error { return feedback.HidePost(tx, w.ids["kim"], w.postIDIn(tx, 1, 1), true) })
	check(first, "all")
	check(reply, "ben kim ada")
	w.write(func(tx *db.Tx) error { return feedback.Hide(tx, 1, w.ids["kim"], true) })
	check(first, "kim ada")
	check(reply, "kim ada")
	if rec := w.get("kim", fmt.Sprintf("/u/%d/another-name.png", first.ID)); rec.Code != 303 || rec.Header().Get("Location") != first.Path() {
		t.Errorf("by another name: %d to %q", rec.Code, rec.Header().Get("Location"))
	}
	w.write(func(tx *db.Tx) error { return upload.Remove(tx, first.ID, true) })
	check(first, "nobody")
}

func (w *world) postIDIn(tx *db.Tx, thread int64, place int) int64 {
	posts, err := feedback.Posts(tx, feedback.Everything(), thread)
	w.must(err)
	return posts[place].ID
}

// TestFilesFromAnotherOrigin: the site looks at who asks and sends them to a
// signed address; that origin gives nothing else, and nothing without one.
func TestFilesFromAnotherOrigin(t *testing.T) {
	w := whole(t, openSQLite(t))
	h, err := New(Options{DB: w.d, Train: w.train, BaseURL: "https://os.example", UploadsURL: "https://files.example", Passwords: cheap, Uploads: w.files})
	if err != nil {
		t.Fatal(err)
	}
	get := func(host, path string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(http.MethodGet, path, nil)
		r.Host = host
		rec := httptest.NewRecorder()
		h.ServeHTTP(rec, r)
		return rec
	}
	f := w.attached("ana", w.postID(1, 0), "shot.png", shot(t, 20, 20))
	rec := get("os.example", f.Path())
	to, err := url.Parse(rec.Header().Get("Location"))
	if err != nil || rec.Code != 303 || to.Host != "files.example" {
		t.Fatalf("the site sends to %q, %d, %v", to, rec.Code, err)
	}
	if csp := rec.Header().Get("Content-Security-Policy"); !strings.Contains(csp, "img-src 'self' https://files.example;") {
		t.Errorf("the pages' policy does not let the pictures in: %s", csp)
	}
	file := get("files.example", to.RequestURI())
	if file.Code != 200 || file.Header().Get("Content-Type") != "image/png" || !strings.HasPrefix(file.Header().Get("Content-Security-Policy"), "sandbox") || file.Header().Get("Set-Cookie") != "" {
		t.Errorf("the file: %d %v", file.Code, file.Header())
	}
	for _, path := range []string{f.Path(), "/", "/t", "/signin", "/static/site.css", f.Path() + "?until=99999999999&key=x", strings.Replace(to.RequestURI(), "key=", "key=x", 1)} {
		if got := get("files.example", path).Code; got != 404 {
			t.Errorf("the files' origin answers %s with %d, expected 404", path, got)
		}
	}
	w.now = w.now.Add(time.Hour)
	if got := get("files.example", to.RequestURI()).Code; got != 404 {
		t.Errorf("an address that has run out: %d", got)
	}
	for _, bad := range []string{"https://os.example", "files.example", "ftp://files.example", "https://files.example/path"} {
		if _, err := New(Options{DB: w.d, Train: &train.Train{DB: w.d}, BaseURL: "https://os.example", UploadsURL: bad}); err == nil {
			t.Errorf("the uploads' URL %q is taken", bad)
		}
	}
}

// TestHiddenIsAbsent: an address of something hidden answers as one of something
// that never was, in status, headers and words, for guests and members, on every
// route that takes a thread's, a post's or a file's number.
func TestHiddenIsAbsent(t *testing.T) {
	w := whole(t, openSQLite(t))
	var private int64
	w.write(func(tx *db.Tx) error {
		th, err := feedback.New(tx, feedback.NewThread{Kind: feedback.Bug, Title: "A hole in the lock screen", Body: "Like so.", Part: "System", AuthorID: w.ids["li"], Devices: []string{"umi"},
			Private: true, Named: []int64{w.ids["mo"]}})
		private = th.ID
		return err
	})
	file := w.attached("li", w.postID(private, 0), "hole.png", shot(t, 10, 10))
	hiddenFile := w.attached("ana", w.postID(1, 0), "shot.png", shot(t, 10, 10))
	first := w.postID(1, 0)
	w.write(func(tx *db.Tx) error { return feedback.Hide(tx, 1, w.ids["kim"], true) })
	digits := regexp.MustCompile(`\d+`)
	pairs := map[string]struct{ thread, post, file, none string }{
		"hidden":  {"1", fmt.Sprint(first), fmt.Sprint(hiddenFile.ID), "999"},
		"private": {fmt.Sprint(private), fmt.Sprint(w.postID(private, 0)), fmt.Sprint(file.ID), "999"},
	}
	for _, r := range routes {
		method, path, _ := strings.Cut(r.Pattern, " ")
		kinds := map[string]func(p struct{ thread, post, file, none string }) string{
			"{thread}": func(p struct{ thread, post, file, none string }) string { return p.thread },
			"{post}":   func(p struct{ thread, post, file, none string }) string { return p.post },
		}
		for mark, pick := range kinds {
			if strings.Contains(path, mark) {
				w.sameAnswer(t, method, path, mark, pairs, pick, digits)
			}
		}
		if strings.Contains(path, "{kind}/{id}") {
			for kind, pick := range map[string]func(p struct{ thread, post, file, none string }) string{
				"thread": kinds["{thread}"], "post": kinds["{post}"], "upload": func(p struct{ thread, post, file, none string }) string { return p.file },
			} {
				w.sameAnswer(t, method, strings.Replace(path, "{kind}", kind, 1), "{id}", pairs, pick, digits)
			}
		}
		if strings.HasPrefix(path, "/u/{id}") {
			w.sameAnswer(t, method, path, "{id}", pairs, func(p struct{ thread, post, file, none string }) string { return p.file }, digits)
		}
	}
}

func (w *world) sameAnswer(t *testing.T, method, path, mark string, pairs map[string]struct{ thread, post, file, none string }, pick func(struct{ thread, post, file, none string }) string, digits *regexp.Regexp) {
	t.Helper()
	for what, p := range pairs {
		for _, as := range []string{"", "ben"} {
			ask := func(id string) (int, string, string) {
				fresh(w)
				at := strings.Replace(path, mark, id, 1)
				at = regexp.MustCompile(`\{\w+\}`).ReplaceAllString(at, "a.png")
				var rec *httptest.ResponseRecorder
				if method == http.MethodGet {
					rec = w.get(as, at)
				} else {
					rec = w.post(as, at, url.Values{"body": {"x"}, "reason": {"spam"}, "on": {"yes"}, "device": {"umi"}, "verdict": {"works"}})
				}
				var headers []string
				for name, v := range rec.Header() {
					if name == "Content-Length" { // follows from the length of the number
						continue
					}
					headers = append(headers, name+": "+strings.ReplaceAll(strings.Join(v, " "), id, "#"))
				}
				// Only the number itself may differ, and an error's own number.
				return rec.Code, strings.Join(sortedStrings(headers), "\n"), digits.ReplaceAllString(rec.Body.String(), "#")
			}
			code, headers, body := ask(pick(p))
			wantCode, wantHeaders, wantBody := ask(p.none)
			if code != wantCode || headers != wantHeaders || body != wantBody {
				t.Errorf("%s %s of a %s thing as %q: answers %d, otherwise than for one that never was (%d)\n%s\n---\n%s", method, path, what, as, code, wantCode, headers, wantHeaders)
			}
			if as == "ben" && code != 404 && code != 403 {
				t.Errorf("%s %s of a %s thing as %q: %d, expected 404", method, path, what, as, code)
			}
		}
	}
}

func sortedStrings(s []string) []string {
	slices.Sort(s)
	return s
}

// TestPicturesInPosts: a reply with a screenshot and a log, by a form that needs no
// script; the text shows the picture where it names it, the log goes below.
func TestPicturesInPosts(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := whole(t, d)
		rec := w.sendFiles("ben", "/t/1/reply", url.Values{"body": {"Here: ![the camera](shot.png) and ![not mine](https://evil.example/x.png)"}},
			sent{"shot.png", shot(t, 1400, 100)}, sent{"other.png", shot(t, 30, 30)}, sent{`..\..\"><script>.html`, []byte("<script>alert(1)</script>")}, sent{"", nil})
		if rec.Code != 303 {
			t.Fatalf("the reply: %d %s", rec.Code, rec.Body)
		}
		page := w.get("", "/t/1-camera-closes-at-5-zoom").Body.String()
		for _, want := range []string{`<img src="/u/`, `/shot.png?small=1" alt="the camera" width="1280" height="91"`, `alt="other.png" width="30" height="30"`, ".html.txt"} {
			if !strings.Contains(page, want) {
				t.Errorf("the thread lacks %q", want)
			}
		}
		harmlessWithPictures(t, "the thread", page)
		for _, src := range regexp.MustCompile(`(?:src|href)="(/u/[^"]+)"`).FindAllStringSubmatch(page, -1) {
			path := strings.ReplaceAll(src[1], "&amp;", "&")
			file := w.get("", path)
			if file.Code != 200 || file.Header().Get("X-Content-Type-Options") != "nosniff" || !strings.HasPrefix(file.Header().Get("Content-Security-Policy"), "sandbox; default-src 'none'") {
				t.Errorf("%s: %d %v", path, file.Code, file.Header())
			}
			if strings.Contains(path, ".txt") && !strings.HasPrefix(file.Header().Get("Content-Disposition"), "attachment") {
				t.Errorf("%s is shown rather than downloaded: %v", path, file.Header())
			}
		}
		// What cannot be taken comes back beside the form, and the draft with it.
		fresh(w)
		rec = w.sendFiles("ben", "/t/1/reply", url.Values{"body": {"A draft of mine"}}, sent{"run.exe", append([]byte("MZ\x00\x00"), make([]byte, 300)...)})
		if rec.Code != 422 || !strings.Contains(rec.Body.String(), "A draft of mine") || !strings.Contains(rec.Body.String(), "run.exe.txt is neither a picture") {
			t.Errorf("a program: %d", rec.Code)
		}
		rec = w.sendFiles("ben", "/t/1/reply", url.Values{"body": {"Many"}}, sent{"1.png", shot(t, 5, 5)}, sent{"2.png", shot(t, 5, 6)}, sent{"3.png", shot(t, 5, 7)}, sent{"4.png", shot(t, 5, 8)},
			sent{"5.png", shot(t, 5, 9)}, sent{"6.png", shot(t, 5, 10)}, sent{"7.png", shot(t, 6, 5)}, sent{"8.png", shot(t, 7, 5)}, sent{"9.png", shot(t, 8, 5)}, sent{"10.png", shot(t, 9, 5)}, sent{"11.png", shot(t, 10, 5)})
		if rec.Code != 422 {
			t.Errorf("eleven files: %d", rec.Code)
		}
		// Forms that take no files read none, and a guest's is not read at all.
		if got := w.sendFiles("ben", "/t/1/vote", url.Values{"on": {"yes"}}, sent{"a.png", shot(t, 5, 5)}).Code; got != 400 {
			t.Errorf("a file with a vote: %d, expected 400", got)
		}
		if rec := w.sendFiles("", "/t/1/reply", url.Values{"body": {"x"}}, sent{"a.png", shot(t, 5, 5)}); rec.Code != 303 || !strings.HasPrefix(rec.Header().Get("Location"), "/signin") {
			t.Errorf("a guest's file: %d", rec.Code)
		}
	})
}

// TestFirstPostsAreLookedAt: a newcomer's post that looks like spam waits for a
// moderator, is nowhere to be found meanwhile, and appears when it is kept.
func TestFirstPostsAreLookedAt(t *testing.T) {
	w := whole(t, openSQLite(t))
	w.join("newbie8812", "")
	rec := w.post("newbie8812", "/t/new", url.Values{"kind": {"talk"}, "title": {"Great prices"}, "body": {"https://bit.ly/a https://bit.ly/b"}})
	if rec.Code != 303 || rec.Header().Get("Location") != "/me/record?done=held" {
		t.Fatalf("the post: %d to %q", rec.Code, rec.Header().Get("Location"))
	}
	if page := w.get("newbie8812", "/me/record?done=held").Body.String(); !strings.Contains(page, "held before others see it") || !strings.Contains(page, "A moderator looks at first posts") {
		t.Error("its author is not told")
	}
	for _, path := range []string{"/", "/t", "/t?q=prices", "/m/newbie8812"} {
		if strings.Contains(w.get("ben", path).Body.String(), "Great prices") {
			t.Errorf("%s shows a held post", path)
		}
	}
	at := regexp.MustCompile(`/desk/thread/\d+`).FindString(w.get("kim", "/desk").Body.String())
	page := w.get("kim", at).Body.String()
	id := regexp.MustCompile(`name="case" value="(\d+)"`).FindStringSubmatch(page)
	if id == nil || !strings.Contains(page, "a shortened link") {
		t.Fatalf("the desk does not say why %q waits", at)
	}
	if rec := w.post("kim", at, url.Values{"case": {id[1]}, "action": {"keep"}}); rec.Code != 303 {
		t.Fatalf("keeping: %d %s", rec.Code, rec.Body)
	}
	if !strings.Contains(w.get("ben", "/t?q=prices").Body.String(), "Great prices") {
		t.Error("a post that was kept is still not there")
	}
	// Good first posts are not held.
	w.join("lena", "")
	fresh(w)
	if rec := w.post("lena", "/t/1/reply", url.Values{"body": {"I have the same on my Mi 10 since the update of Friday, it closes each time."}}); rec.Code != 303 || strings.Contains(rec.Header().Get("Location"), "held") {
		t.Errorf("a good first post: %d to %q", rec.Code, rec.Header().Get("Location"))
	}
	// A good post does not become spam unseen.
	to, err := url.Parse(goodReply(w, "lena").Header().Get("Location"))
	w.must(err)
	edit := "/p/" + strings.TrimPrefix(to.Fragment, "p") + "/edit"
	fresh(w)
	if rec := w.post("lena", edit, url.Values{"body": {"https://bit.ly/a https://bit.ly/b"}}); rec.Code != 303 || rec.Header().Get("Location") != "/me/record?done=held" {
		t.Errorf("an edit into spam: %d to %q", rec.Code, rec.Header().Get("Location"))
	}
	if strings.Contains(w.get("ben", "/t/1-camera-closes-at-5-zoom").Body.String(), "bit.ly") {
		t.Error("an edit into spam is there for all")
	}
	fresh(w)
	// Links beyond a newcomer's bound are told of, not held.
	if rec := w.post("lena", "/t/1/reply", url.Values{"body": {"https://a.example/1 https://a.example/2 https://a.example/3"}}); rec.Code != 422 || !strings.Contains(rec.Body.String(), "links to other sites") {
		t.Errorf("three links of a newcomer: %d", rec.Code)
	}
}

// goodReply is a good reply.
func goodReply(w *world, as string) *httptest.ResponseRecorder {
	fresh(w)
	w.now = w.now.Add(10 * time.Minute)
	return w.post(as, "/t/1/reply", url.Values{"body": {"And with the camera of another app it does not happen, which is strange."}})
}

// moderated gives the pages of package desk something to show: pictures in a
// thread, flags, a post that is held, decisions and an appeal.
func (w *world) moderated() {
	w.t.Helper()
	ok := func(rec *httptest.ResponseRecorder) {
		w.t.Helper()
		if fresh(w); rec.Code != 303 {
			w.t.Fatalf("answer %d: %s", rec.Code, rec.Body)
		}
	}
	ok(w.sendFiles("ben", "/t/2/reply", url.Values{"body": {"Overnight it looks like this:\n\n![The battery's line falls from full to four fifths](battery.png)\n\nThe log is below."}},
		sent{"battery.png", shot(w.t, 1080, 640)}, sent{"settings.png", shot(w.t, 300, 500)}, sent{"overnight.csv", []byte("time,level\n22:00,80\n05:00,61\n")}))
	ok(w.post("ben", "/flag/thread/3", url.Values{"reason": {"something"}, "note": {"This is the same as thread 2, and not very polite about it."}}))
	ok(w.post("mo", "/flag/thread/3", url.Values{"reason": {"abuse"}}))
	w.join("maria8812", "")
	ok(w.post("maria8812", "/t/new", url.Values{"kind": {"talk"}, "title": {"Great prices for unlocked phones"}, "body": {"https://bit.ly/a https://bit.ly/b"}}))
	at := fmt.Sprintf("/desk/post/%d", w.postID(1, 1)) // ben's
	ok(w.post("kim", at, url.Values{"case": {"0"}, "action": {"hide"}, "measure": {"warn"}, "reason": {"This shows a friend's phone number. Post it again without."}}))
	ok(w.post("kim", "/desk/thread/5", url.Values{"case": {"0"}, "action": {"takedown"}, "law": {"A court's order of 3 November"}, "measure": {"suspend"}, "days": {"3"}, "reason": {"The order names this thread."}}))
	ok(w.post("ben", regexp.MustCompile(`/me/record/\d+/appeal`).FindString(w.get("ben", "/me/record").Body.String()), url.Values{"words": {"It is the support line's number, everyone may have it."}}))
	for i := range browserPages {
		if browserPages[i].path == "MEMBER" {
			browserPages[i].path = fmt.Sprintf("/desk/member/%d", w.ids["ben"])
		}
	}
}
