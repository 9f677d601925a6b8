package api

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/feedback/elsewhere"
)

// more is what a program does beside reading and replying: all of it once.
func (w *world) more(posts []postJSON) {
	w.Helper()
	w.call("PUT", "/threads/2/mute", "ana", nil).want(w, 204)
	var one threadJSON
	w.call("GET", "/threads/2", "ana", nil).want(w, 200).into(w, &one)
	if !one.You.Muted {
		w.Errorf("the muted thread says %+v", one.You)
	}
	for range 2 {
		w.call("DELETE", "/threads/2/mute", "ana", nil).want(w, 204)
	}
	w.call("GET", "/threads/2", "ana", nil).want(w, 200).into(w, &one)
	if one.You.Muted {
		w.Errorf("the thread that is heard again says %+v", one.You)
	}

	// A question and its answer.
	var asked, thread threadJSON
	var answer postJSON
	w.call("POST", "/threads", "ana", map[string]any{"kind": "question", "title": "How?", "body": "How is it done?"}).want(w, 201).into(w, &asked)
	path := "/threads/" + strconv.FormatInt(asked.ID, 10)
	w.call("POST", path+"/posts", "mo", map[string]any{"body": "Like this."}).want(w, 201).into(w, &answer)
	w.call("PUT", path+"/accepted", "mo", map[string]any{"post": answer.ID}).want(w, 422)
	w.call("PUT", path+"/accepted", "ana", map[string]any{"post": 0}).want(w, 422)
	w.call("PUT", path+"/accepted", "ana", map[string]any{"post": answer.ID}).want(w, 204)
	w.call("GET", path, "", nil).want(w, 200).into(w, &thread)
	if thread.Accepted == nil || *thread.Accepted != answer.ID || thread.ClosedAt == nil {
		w.Errorf("the answered question is %+v", thread)
	}
	w.call("DELETE", path+"/accepted", "ana", nil).want(w, 204)

	// A poll.
	var poll pollJSON
	w.call("POST", path+"/polls", "ana", map[string]any{"question": "One?", "choices": []string{"x"}}).want(w, 422)
	w.call("POST", path+"/polls", "ana", map[string]any{"question": "Which?", "choices": []string{"this", "that"}, "ends_at": w.now.Add(time.Hour)}).want(w, 201).into(w, &poll)
	if len(poll.Choices) != 2 || !poll.Open || poll.Voters != nil || poll.Choices[0].Votes != nil {
		w.Errorf("the poll is %+v", poll)
	}
	at := path + "/polls/" + strconv.FormatInt(poll.ID, 10)
	w.call("PUT", at+"/vote", "mo", map[string]any{"choices": []int{5}}).want(w, 422)
	w.call("PUT", at+"/vote", "mo", map[string]any{"choices": []int{1}}).want(w, 204)
	w.call("PUT", "/threads/2/polls/"+strconv.FormatInt(poll.ID, 10)+"/vote", "mo", map[string]any{"choices": []int{1}}).want(w, 404)
	var polls struct{ Polls []pollJSON }
	w.call("GET", path+"/polls", "mo", nil).want(w, 200).into(w, &polls)
	if len(polls.Polls) != 1 || *polls.Polls[0].Voters != 1 || !polls.Polls[0].Choices[1].Mine || *polls.Polls[0].Choices[1].Votes != 1 {
		w.Errorf("the polls are %+v", polls)
	}
	w.call("DELETE", at+"/vote", "mo", nil).want(w, 204)
	w.call("PUT", at+"/end", "ana", nil).want(w, 204)

	// A post: changed, with its history and a picture.
	post := "/posts/" + strconv.FormatInt(posts[1].ID, 10)
	w.call("PUT", post, "mo", map[string]any{"body": "Not mine."}).want(w, 403)
	w.call("PUT", post, "ana", map[string]any{"body": "On 4x."}).want(w, 200)
	w.call("PUT", post, "kim", map[string]any{"body": "On 5x."}).want(w, 200)
	var versions struct{ Versions []versionJSON }
	w.call("GET", post+"/versions", "", nil).want(w, 200).into(w, &versions)
	if len(versions.Versions) != 3 || versions.Versions[0].Body != "On 3x." || *versions.Versions[2].By != "kim" {
		w.Errorf("the versions are %+v", versions)
	}
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewGray(image.Rect(0, 0, 8, 4))); err != nil {
		w.Fatal(err)
	}
	var file fileJSON
	r := w.call("POST", post+"/files?name=shot.png", "ana", picture.Bytes()).want(w, 201)
	r.into(w, &file)
	if file.Type != "image/png" || file.Width != 8 || file.Name != "shot.png" || r.Header.Get("Location") != file.URL || !strings.HasPrefix(file.URL, base+"/u/") {
		w.Errorf("the file is %+v", file)
	}
	w.call("POST", post+"/files?name=a.exe", "ana", []byte("MZ\x90\x00\x03")).want(w, 415)
	w.call("POST", post+"/files?name=a.txt", "ana", []byte{}).want(w, 422)
	w.call("POST", post+"/files", "ana", []byte("x")).want(w, 400)
	w.call("POST", post+"/files?name=a.txt", "ana", map[string]any{}).want(w, 415)
	w.call("POST", post+"/files?name=a.txt", "kim", []byte("x")).want(w, 403) // a moderator does not write for others
	w.call("POST", post+"/files?name=big.txt", "ana", bytes.Repeat([]byte("many words "), 3<<20)).want(w, 413)
	var alone struct {
		postJSON
		Thread int64
		Files  []fileJSON
	}
	w.call("GET", post, "", nil).want(w, 200).into(w, &alone)
	if alone.Body != "On 5x." || alone.Thread != 1 || len(alone.Files) != 1 {
		w.Errorf("the post is %+v", alone)
	}

	// Flags.
	w.call("POST", "/flags", "mo", map[string]any{"post": posts[1].ID, "reason": "spam"}).want(w, 204)
	w.call("POST", "/flags", "mo", map[string]any{"post": posts[1].ID, "reason": "spam"}).want(w, 409)
	w.call("POST", "/flags", "ana", map[string]any{"post": posts[1].ID, "reason": "spam"}).want(w, 422) // her own
	w.call("POST", "/flags", "mo", map[string]any{"file": file.ID, "reason": "private"}).want(w, 204)
	w.call("POST", "/flags", "ana", map[string]any{"member": "MO", "reason": "something", "note": "Look here."}).want(w, 204)
	for _, wrong := range []map[string]any{{"reason": "spam"}, {"thread": 1, "post": 2, "reason": "spam"}, {"thread": 1, "reason": "none"}, {"thread": 1, "reason": "something"}} {
		w.call("POST", "/flags", "mo", wrong).want(w, 422)
	}
	for _, absent := range []map[string]any{{"thread": 999}, {"post": 999}, {"file": 999}, {"member": "nobody"}} {
		absent["reason"] = "spam"
		w.call("POST", "/flags", "mo", absent).want(w, 404)
	}
}

// TestPrivate: a security report is filed by a program, and nobody but its author
// and those it names learns of it: not by its number, not by what is in it, not by
// what a release fixes.
func TestPrivate(t *testing.T) {
	w := newWorld(t, sqlite(t))
	w.call("POST", "/threads", "ana", map[string]any{"kind": "idea", "title": "T", "body": "x", "part": "Camera", "private": true}).want(w, 422)
	var private threadJSON
	w.call("POST", "/threads", "ana", map[string]any{"kind": "bug", "title": "A hole", "body": "This opens it.", "part": "Camera", "devices": []string{"umi"}, "private": true}).want(w, 201).into(w, &private)
	if !private.Private {
		t.Fatalf("the thread is %+v", private)
	}
	path := "/threads/" + strconv.FormatInt(private.ID, 10)
	var posts struct{ Posts []postJSON }
	w.call("GET", path+"/posts", "ana", nil).want(w, 200).into(w, &posts)
	post := "/posts/" + strconv.FormatInt(posts.Posts[0].ID, 10)
	var file fileJSON
	w.call("POST", post+"/files?name=poc.txt", "ana", []byte("a log")).want(w, 201).into(w, &file)
	for _, who := range []string{"", "ben", "kim"} {
		for _, p := range []string{path, path + "/posts", path + "/steps", path + "/polls", path + "/posts.atom", post, post + "/versions"} {
			w.call("GET", p, who, nil).want(w, 404)
		}
	}
	for _, what := range []map[string]any{{"thread": private.ID}, {"post": posts.Posts[0].ID}, {"file": file.ID}} {
		what["reason"] = "spam"
		w.call("POST", "/flags", "kim", what).want(w, 404)
	}
	for _, p := range []string{path, post} { // the device's maintainer is named
		w.call("GET", p, "mo", nil).want(w, 200)
	}
	w.call("POST", "/threads", "ana", map[string]any{"kind": "bug", "title": "Open", "body": "x", "part": "Camera", "devices": []string{"umi"}}).want(w, 201)
	w.write(func(tx *db.Tx) error {
		if err := catalog.PutRelease(tx, catalog.Release{Name: "26.11.20", Commit: "c1", CutAt: w.now, Fixes: []int64{1, private.ID}}); err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO train_releases (release, state, departs_at, opened_at, changed_at, reason) VALUES ('26.11.20', 'testing', $1, $1, $1, '')`, w.now); err != nil {
			return err
		}
		_, err := tx.Exec(`INSERT INTO train_devices (release, device, state, reason, build, stock, fixes, changed_at) VALUES ('26.11.20', 'umi', 'ready', '', '', '', $2, $1)`,
			w.now, fmt.Sprintf("[1,%d]", private.ID))
		return err
	})
	number := fmt.Sprint(private.ID)
	for _, p := range []string{"/releases", "/releases/26.11.20", "/export/releases.csv", "/export/releases.json", "/releases.atom", "/devices/umi/releases.atom"} {
		for _, who := range []string{"", "mo"} {
			r := w.call("GET", p, who, nil).want(w, 200)
			if bytes.Contains(r.text, []byte(number)) {
				t.Errorf("%s tells %q of the private thread %s", p, who, number)
			}
		}
	}
	var release releaseJSON
	w.call("GET", "/releases/26.11.20", "", nil).want(w, 200).into(w, &release)
	if len(release.Fixes) != 1 || release.Fixes[0] != 1 || len(release.Devices) != 1 || len(release.Devices[0].Fixes) != 1 {
		t.Errorf("the release fixes %v, on its device %+v; want the public thread alone", release.Fixes, release.Devices)
	}
}

// TestImported: what came from elsewhere says so.
func TestImported(t *testing.T) {
	w := newWorld(t, sqlite(t))
	w.write(func(tx *db.Tx) error {
		author, _, err := elsewhere.Author(tx, "github", "", "octo-ana")
		if err == nil {
			_, _, err = elsewhere.Put(tx, elsewhere.Thread{Origin: elsewhere.Origin{Service: "github", Place: "a/b", Number: 12}, URL: "https://github.com/a/b/issues/12",
				Kind: feedback.Talk, Title: "There", Body: "x", AuthorID: author, At: w.now.Add(-time.Hour), Votes: 3})
		}
		return err
	})
	var one threadJSON
	w.call("GET", "/threads/1", "", nil).want(w, 200).into(w, &one)
	if one.Author != nil || one.From == nil || *one.From != (fromJSON{"octo-ana", "github", ""}) || one.Votes != 3 || one.Began == nil || one.Began.Number != 12 || one.Began.URL == "" {
		t.Errorf("the thread is %+v, %+v, %+v", one, one.From, one.Began)
	}
	w.call("GET", "/threads/1/posts", "", nil).want(w, 200)
	w.call("GET", "/threads", "", nil).want(w, 200)
	w.call("GET", "/threads/1/posts.atom", "", nil).want(w, 200)
	w.call("GET", "/export/threads.csv", "", nil).want(w, 200)
}
