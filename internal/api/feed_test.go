package api

import (
	"encoding/json"
	"net/http"
	"os/exec"
	"strings"
	"testing"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/feedback/poll"
	"github.com/fridayos/friday/internal/judge"
)

// reading is what a foreign reader of feeds makes of one.
type reading struct {
	Bozo    bool   `json:"bozo"` // it is not well-formed, or not what it says
	Version string `json:"version"`
	Title   string `json:"title"`
	Entries []struct {
		ID      string `json:"id"`
		Title   string `json:"title"`
		Author  string `json:"author"`
		Summary string `json:"summary"`
		Updated string `json:"updated"`
		Link    string `json:"link"`
	} `json:"entries"`
}

const readFeed = `import feedparser, json, sys
f = feedparser.parse(sys.stdin.buffer.read(), sanitize_html=False)
print(json.dumps({"bozo": bool(f.bozo), "version": f.version, "title": f.feed.title, "entries": [
	{k: e.get(k, "") for k in ("id", "title", "author", "summary", "updated", "link")} for e in f.entries]}))`

// read has Debian's python3-feedparser read a feed.
func (w *world) readFeed(path string) (out reading) {
	w.Helper()
	const python = "/usr/bin/python3" // Debian's, which has Debian's packages
	if exec.CommandContext(w.Context(), python, "-c", "import feedparser").Run() != nil {
		w.Skip("needs python3-feedparser")
	}
	got := w.call("GET", path, "", nil).want(w, 200)
	if err := json.Unmarshal(judge.Pipe(w.T, got.text, python, "-c", readFeed), &out); err != nil {
		w.Fatal(err)
	}
	if out.Bozo || out.Version != "atom10" {
		w.Errorf("%s is %q, bozo %v:\n%s", path, out.Version, out.Bozo, got.text)
	}
	return out
}

func TestFeeds(t *testing.T) {
	w := newWorld(t, sqlite(t))
	const nasty = "</summary>]]> <script>&amp; \u202e 相机"
	w.call("POST", "/threads", "ana", map[string]any{"kind": "bug", "title": nasty, "body": nasty, "part": "Camera", "devices": []string{"umi"}}).want(w, 201)
	w.call("POST", "/threads", "ana", map[string]any{"kind": "talk", "title": "Hidden", "body": "x"}).want(w, 201)
	w.call("PUT", "/threads/2/hidden", "kim", map[string]any{"reason": "Not here."}).want(w, 204)
	w.call("POST", "/threads/1/posts", "mo", map[string]any{"body": "Second."}).want(w, 201)
	f := w.readFeed("/threads.atom")
	if len(f.Entries) != 1 || f.Entries[0].Title != nasty || f.Entries[0].Author != "ana" || f.Entries[0].Link != base+"/t/1" || !strings.Contains(f.Entries[0].Summary, "umi: reported") {
		t.Errorf("the threads are read as %+v", f)
	}
	if f := w.readFeed("/threads.atom?kind=talk"); len(f.Entries) != 0 {
		t.Errorf("a filter chooses %+v", f)
	}
	if f := w.readFeed("/threads/1/posts.atom"); len(f.Entries) != 2 || f.Entries[0].Summary != "Second." || f.Entries[1].Summary != nasty || f.Title != nasty {
		t.Errorf("the posts are read as %+v", f)
	}
	w.readFeed("/releases.atom")
	w.readFeed("/devices/umi/releases.atom")
	if f := w.readFeed("/devices.atom"); f.Title != "Devices" {
		t.Errorf("the devices are read as %+v", f)
	}
	w.write(func(tx *db.Tx) error {
		_, err := poll.New(tx, feedback.Viewer{Member: w.members["ana"].ID}, poll.NewPoll{ThreadID: 1, Question: nasty, Choices: []string{"One", "<Two>"}, Release: "26.11.27"})
		return err
	})
	if f := w.readFeed("/threads/1/polls.atom"); len(f.Entries) != 1 || f.Entries[0].Title != nasty || f.Entries[0].Summary != "One\n<Two>" || f.Entries[0].Author != "ana" || !strings.HasPrefix(f.Entries[0].Link, base+"/t/1/polls#poll") {
		t.Errorf("the polls are read as %+v", f)
	}
	w.call("GET", "/threads/2/polls.atom", "kim", nil).want(w, 404)
	w.call("GET", "/threads/x/polls.atom", "", nil).want(w, 404)
	w.call("GET", "/threads/2/posts.atom", "kim", nil).want(w, 404) // a feed shows what a stranger sees
	w.call("GET", "/devices/nobody/releases.atom", "", nil).want(w, 404)
	w.call("GET", "/threads.atom?kind=bugs", "", nil).want(w, 400)
	r := w.call("GET", "/threads.atom", "", nil)
	for name, value := range map[string]string{"If-None-Match": r.Header.Get("ETag"), "If-Modified-Since": r.Header.Get("Last-Modified")} {
		if value == "" {
			t.Fatal("no validator for", name)
		}
		w.ask("GET", "/threads.atom", "", nil, http.Header{name: {value}}).want(w, 304)
	}
	w.write(func(tx *db.Tx) error {
		_, err := feedback.Reply(tx, feedback.Viewer{Member: w.members["mo"].ID}, 1, "Third.")
		return err
	})
	w.ask("GET", "/threads/1/posts.atom", "", nil, http.Header{"If-None-Match": {r.Header.Get("ETag")}}).want(w, 200)
}
