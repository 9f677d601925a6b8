package imports_test

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/feedback/alike"
	"github.com/fridayos/friday/internal/feedback/duplicate"
	"github.com/fridayos/friday/internal/feedback/elsewhere"
	"github.com/fridayos/friday/internal/feedback/measure"
	"github.com/fridayos/friday/internal/feedback/stake"
	"github.com/fridayos/friday/internal/imports"
	"github.com/fridayos/friday/internal/imports/discourse"
	"github.com/fridayos/friday/internal/imports/github"
)

var devices = []string{"hlte", "umi"}

func gitHub(paths ...string) *github.Source {
	for i := range paths {
		paths[i] = filepath.Join("testdata/github", paths[i])
	}
	return &github.Source{Files: imports.Files{Paths: paths, Want: github.Want}}
}

func forum(t *testing.T, path string) *discourse.Source {
	u, err := discourse.ParseSite("https://Forum.example.org/")
	if err != nil {
		t.Fatal(err)
	}
	return &discourse.Source{Files: imports.Files{Paths: []string{path}, Want: discourse.Want}, Site: u}
}

func run(t *testing.T, d *db.DB, s imports.Source, o imports.Options) imports.Report {
	t.Helper()
	o.Devices = devices
	if o.Mapping.Kind == "" {
		o.Mapping = s.Defaults()
	}
	r, err := imports.Run(t.Context(), d, s, o)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// thread is what the tests compare of one.
type thread struct {
	Kind, Title, By, Part, State, Reason string
	Devices                              []string
	At, ClosedAt                         string
	Votes                                int
	Locked, Hidden                       bool
	Posts                                []string // who, when, what
	Accepted                             int      // post, from 1; 0: none
}

const layout = "2006-01-02 15:04:05.999999"

func read(t *testing.T, d *db.DB, service, place string, number int64) (out thread) {
	t.Helper()
	err := d.Read(t.Context(), func(tx *db.Tx) error {
		out = thread{}
		id, _, err := elsewhere.Find(tx, feedback.Everything(), elsewhere.Origin{Service: service, Place: place, Number: number}, 0)
		if err != nil {
			return err
		}
		got, err := feedback.ByID(tx, feedback.Everything(), id)
		if err != nil {
			return err
		}
		by, _, err := elsewhere.ByID(tx, got.AuthorID)
		if err != nil {
			return err
		}
		out = thread{Kind: string(got.Kind), Title: got.Title, By: by.Name, Part: got.Part, At: got.CreatedAt.Format(layout), Votes: got.Votes, Locked: got.Locked, Hidden: got.Hidden}
		if !got.ClosedAt.IsZero() {
			out.ClosedAt = got.ClosedAt.Format(layout)
		}
		for _, s := range got.Devices {
			out.Devices, out.State, out.Reason = append(out.Devices, s.Device), string(s.State), s.Reason
			if s.Affected != 0 {
				t.Errorf("%d members have thread %d, want none", s.Affected, id)
			}
		}
		posts, err := feedback.Posts(tx, feedback.Everything(), id)
		for i, p := range posts {
			name, _, err := elsewhere.ByID(tx, p.AuthorID)
			if err != nil {
				return err
			}
			if p.ID == got.AcceptedID {
				out.Accepted = i + 1
			}
			hidden := ""
			if p.Hidden {
				hidden = " hidden"
			}
			out.Posts = append(out.Posts, fmt.Sprintf("%s %s%s: %s", name.Name, p.At.Format(layout), hidden, p.Body))
		}
		if len(posts) != got.Posts || !got.LastAt.Equal(posts[len(posts)-1].At) {
			t.Errorf("thread %d says %d posts until %s, want %d until %s", id, got.Posts, got.LastAt, len(posts), posts[len(posts)-1].At)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func same(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

func TestGitHub(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		o := imports.Options{}
		o.Mapping = gitHub().Defaults()
		o.Mapping.Devices = map[string]string{"Device/HLTE": "hlte"}
		dry := run(t, d, gitHub("issues.json", "comments.jsonl"), imports.Options{Mapping: o.Mapping, DryRun: true})
		first := run(t, d, gitHub("comments.jsonl", "issues.json"), o)
		want := imports.Report{Service: "github", Places: []string{"example-os/rom"}, Threads: imports.Count{New: 3}, Posts: imports.Count{New: 3},
			Authors: 3, Kinds: map[feedback.Kind]int{feedback.Bug: 1, feedback.Idea: 1, feedback.Question: 1}, Closed: 2, Votes: 9, Links: 5,
			Skipped:  map[string]int{"pull requests": 1, "comments of pull requests": 1, "posts of threads that are not here": 1},
			Unmapped: map[string]int{"needs-triage": 1}, Dirt: 2, Named: first.Named}
		same(t, "report", first, want)
		if len(first.Named) != 2 || !strings.Contains(first.Named[0], "issues.json, byte ") || !strings.Contains(first.Named[0], "cannot unmarshal string") || !strings.Contains(first.Named[1], `the time is "yesterday"`) {
			t.Errorf("dirt is named %q", first.Named)
		}
		dry.Named, want.Named, want.DryRun, want.Authors = nil, nil, true, 0
		same(t, "dry run", dry, want)
		same(t, "camera", read(t, d, "github", "example-os/rom", 12), thread{Kind: "bug", Title: "Camera closes at five times zoom", By: "octo-ana", Part: "Camera", State: "closed",
			Reason: "Closed on GitHub as completed.", Devices: []string{"hlte"}, At: "2021-03-04 05:06:07", ClosedAt: "2021-04-05 06:07:08", Votes: 7, Locked: true, Posts: []string{
				"octo-ana 2021-03-04 05:06:07: Since [rom#13](/imported/github/example-os/rom/13) it closes. See also [rom#13](/imported/github/example-os/rom/13/9002) and " +
					"[the old one](/imported/github/example-os/rom/7).\n\n```\nat com.android.camera.Zoom #13\n```\n`#13` stays.",
				"octo-ben 2021-03-04 06:00:00: On my phone too. Fixed by [rom#14](/imported/github/example-os/rom/14).",
				"octo-ana 2021-03-07 12:00:00: It works now."}})
		same(t, "battery", read(t, d, "github", "example-os/rom", 13), thread{Kind: "idea", Title: "Show the battery in percent", Part: "System", State: "declined",
			Reason: "Closed on GitHub as not planned.", Devices: []string{""}, At: "2021-03-01 00:00:00", ClosedAt: "2021-03-02 00:00:00", Votes: 2,
			Posts: []string{" 2021-03-01 00:00:00: Show the battery in percent", "octo-ana 2021-03-01 12:00:00: Percent, please."}})
		same(t, "question", read(t, d, "github", "example-os/rom", 15), thread{Kind: "question", Title: "How do I go back to stock?", By: "octo-cid", At: "2021-05-01 00:00:00",
			Posts: []string{"octo-cid 2021-05-01 00:00:00: I asked [other/project#3](https://github.com/other/project/issues/3) too, @octo-ben."}})

		again := run(t, d, gitHub("issues.json", "comments.jsonl"), o)
		if again.Threads != (imports.Count{Known: 3}) || again.Posts != (imports.Count{Known: 3}) || again.Authors != 0 || again.Votes != 0 {
			t.Errorf("the second run says %+v", again)
		}
		more := run(t, d, gitHub("gh.json", "archive"), o)
		if more.Threads.New != 3 || more.Posts.New != 3 || more.Skipped["records that are no issues"] != 1 || more.Skipped["comments of pull requests"] != 1 {
			t.Errorf("gh and an archive say %+v", more)
		}
		same(t, "gh", read(t, d, "github", "example-os/rom", 20), thread{Kind: "bug", Title: "The speaker crackles", By: "octo-dee", Part: "Sound", State: "declined",
			Reason: "Closed on GitHub as not planned.", Devices: []string{""}, At: "2023-02-01 00:00:00", ClosedAt: "2023-02-02 00:00:00", Votes: 3, Posts: []string{
				"octo-dee 2023-02-01 00:00:00: It crackles.", "octo-ana 2023-02-01 10:00:00: Same here, see [rom#21](/imported/github/example-os/rom/21).", " 2023-02-01 11:00:00 hidden: buy now"}})
		same(t, "archive", read(t, d, "github", "example-os/rom", 30), thread{Kind: "bug", Title: "Wi-Fi drops at night", By: "octo-ana", Part: "System", State: "closed",
			Reason: "Closed on GitHub.", Devices: []string{""}, At: "2020-01-01 00:00:00", ClosedAt: "2020-02-01 00:00:00", Votes: 1,
			Posts: []string{"octo-ana 2020-01-01 00:00:00: Every night at two.", "octo-ben 2020-01-03 00:00:00: Same here."}})
		quiet(t, d, 6)
	})
}

// quiet: nobody is told of what came, nobody here is made to have done it, and it
// is found.
func quiet(t *testing.T, d *db.DB, threads int) {
	t.Helper()
	err := d.Read(t.Context(), func(tx *db.Tx) error {
		for _, table := range []string{"thread_votes", "thread_watches", "thread_affected", "post_mentions", "post_quotes", "members", "asks"} {
			var n int
			if err := tx.QueryRow(`SELECT COUNT(*) FROM ` + table).Scan(&n); err != nil || n != 0 {
				t.Errorf("%s has %d rows, want none: %v", table, n, err)
			}
		}
		events, err := feedback.Events(tx, 0, 0)
		if err != nil || len(events) != threads || slices.ContainsFunc(events, func(e feedback.Event) bool { return e.Kind != feedback.EventImported || e.Actor != 0 }) {
			t.Errorf("events %+v, want %d of %s: %v", events, threads, feedback.EventImported, err)
		}
		curve, err := measure.DaysToFix(tx, "")
		if err != nil || curve.Count != 0 {
			t.Errorf("days to a fix count %d reports, want none: %v", curve.Count, err)
		}
		for _, word := range []string{"camera", "closes", "too"} { // of titles and of answers
			f, _, err := feedback.Narrow(tx, word, feedback.Filter{})
			if err != nil {
				return err
			}
			found, _, err := feedback.List(tx, feedback.Viewer{}, f)
			if err != nil || len(found) == 0 {
				t.Errorf("%q finds %d threads: %v", word, len(found), err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

// TestDuplicates: a server that runs meanwhile knows imported reports as those
// that a new one may repeat.
func TestDuplicates(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		finder := alike.New(d)
		step := func() {
			t.Helper()
			for more := true; more; {
				var err error
				if more, err = finder.Step(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		}
		step()
		run(t, d, gitHub("issues.json", "comments.jsonl"), imports.Options{})
		step()
		found := finder.Like(duplicate.Query{Title: "camera closes when zooming"})
		if finder.Len() != 3 || len(found) == 0 {
			t.Errorf("%d threads are known, %d are alike; want 3 and the one about the camera", finder.Len(), len(found))
		}
	})
}

func TestDiscourse(t *testing.T) {
	packed := filepath.Join(t.TempDir(), "backup.tar.gz")
	pack(t, packed, map[string]string{"dump.sql.gz": "testdata/discourse/dump.sql", "uploads/default/x.json": "testdata/github/gh.json"})
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		dry := run(t, d, forum(t, "testdata/discourse/dump.sql"), imports.Options{DryRun: true})
		first := run(t, d, forum(t, packed), imports.Options{})
		want := imports.Report{Service: "discourse", Places: []string{"forum.example.org"}, Threads: imports.Count{New: 2}, Posts: imports.Count{New: 4}, Authors: 2,
			Kinds: map[feedback.Kind]int{feedback.Bug: 1, feedback.Question: 1}, Closed: 1, Votes: 7, Links: 2,
			Skipped: map[string]int{"notes of what was done to topics": 1, "whispers": 1, "deleted posts": 1, "messages between members": 1, "deleted topics": 1,
				"topics of categories that not everyone may read": 1, "topics without a first post": 1},
			Unmapped: map[string]int{"zoom": 1}, Dirt: 1, Named: first.Named}
		same(t, "report", first, want)
		if len(first.Named) != 1 || !strings.Contains(first.Named[0], "dump.sql.gz, line ") || !strings.Contains(first.Named[0], "a post of topic 99, which is not there") {
			t.Errorf("dirt is named %q", first.Named)
		}
		dry.Named, want.Named, want.DryRun, want.Authors = nil, nil, true, 0
		same(t, "dry run", dry, want)
		same(t, "camera", read(t, d, "discourse", "forum.example.org", 41), thread{Kind: "bug", Title: "Camera closes at five times zoom", By: "bea", Part: "Camera", State: "closed",
			Reason: "The topic was closed on forum.example.org.", Devices: []string{"hlte"}, At: "2022-01-01 10:00:00.123456", ClosedAt: "2022-01-01 10:00:00.123456", Votes: 5, Locked: true, Posts: []string{
				"bea 2022-01-01 10:00:00.123456: The camera closes \\ at five\ttimes zoom.\n\n![shot|690x388](https://forum.example.org/uploads/default/original/1X/d1c2f7e1b3a4958677ff00112233445566778899.png)",
				"cyd 2022-01-02 10:00:00.5: > [bea](/imported/discourse/forum.example.org/41):\n> \n> It closes.\n\n\nMine too, see [How to flash (it)](/imported/discourse/forum.example.org/42/3) and /t/42.\n\n" +
					"```\n[quote=\"x\"] #41 https://forum.example.org/t/42\n```"}})
		same(t, "question", read(t, d, "discourse", "forum.example.org", 42), thread{Kind: "question", Title: "How to flash [it]", By: "bea", At: "2022-02-01 00:00:00",
			ClosedAt: "2022-02-01 01:00:00", Votes: 2, Accepted: 2, Posts: []string{"bea 2022-02-01 00:00:00: How do I flash it?", "cyd 2022-02-01 01:00:00: Hold both keys.",
				" 2022-02-01 02:00:00: Thanks", "cyd 2022-02-01 05:00:00 hidden: BUY NOW"}})
		if again := run(t, d, forum(t, packed), imports.Options{}); again.Threads != (imports.Count{Known: 2}) || again.Posts != (imports.Count{Known: 4}) {
			t.Errorf("the second run says %+v", again)
		}
		quiet(t, d, 2)
	})
}

func TestDiscourseTopics(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		r := run(t, d, forum(t, "testdata/discourse/topics"), imports.Options{})
		if r.Threads.New != 2 || r.Posts.New != 2 || r.Dirt != 1 || !strings.Contains(r.Named[0], "include_raw=true") || r.Skipped["lists of topics"] != 1 {
			t.Errorf("report %+v", r)
		}
		same(t, "camera", read(t, d, "discourse", "forum.example.org", 41), thread{Kind: "bug", Title: "Camera closes at five times zoom", By: "bea", Part: "Camera", State: "reported",
			Devices: []string{""}, At: "2022-01-01 10:00:00.123", Votes: 8, Posts: []string{"bea 2022-01-01 10:00:00.123: The camera closes.", "cyd 2022-01-02 10:00:00.5: Mine too, @bea."}})
		same(t, "answered", read(t, d, "discourse", "forum.example.org", 42), thread{Kind: "question", Title: "How to flash", By: "bea", At: "2022-02-01 00:00:00",
			ClosedAt: "2022-02-01 01:00:00", Accepted: 2, Posts: []string{"bea 2022-02-01 00:00:00: How do I flash it?", "cyd 2022-02-01 01:00:00: Hold both keys."}})
	})
}

// stopping ends its context after so many threads.
type stopping struct {
	*github.Source
	after int
	stop  context.CancelFunc
}

func (s *stopping) Threads(ctx context.Context, t *imports.Tally, fn func(imports.Thread) error) error {
	return s.Source.Threads(ctx, t, func(one imports.Thread) error {
		if s.after--; s.after == 0 {
			s.stop()
		}
		return fn(one)
	})
}

// TestStopped: what a stopped run kept is whole, and the next one adds the rest.
func TestStopped(t *testing.T) {
	path := filepath.Join(t.TempDir(), "many.json")
	writeMany(t, path, 450, 2)
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		source := func() *github.Source {
			return &github.Source{Files: imports.Files{Paths: []string{path}, Want: github.Want}}
		}
		ctx, stop := context.WithCancel(t.Context())
		r, err := imports.Run(ctx, d, &stopping{source(), 300, stop}, imports.Options{Mapping: source().Defaults()})
		if !errors.Is(err, context.Canceled) || r.Threads.New != 200 {
			t.Fatalf("a stopped run kept %d threads: %v; want 200 and that it was stopped", r.Threads.New, err)
		}
		r = run(t, d, source(), imports.Options{})
		if r.Threads != (imports.Count{New: 250, Known: 200}) || r.Posts != (imports.Count{New: 900}) {
			t.Errorf("the next run says threads %+v, posts %+v", r.Threads, r.Posts)
		}
	})
}

// writeMany writes made issues with so many comments each.
func writeMany(t testing.TB, path string, issues, comments int) {
	var b strings.Builder
	at := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC)
	for n := 1; n <= issues; n++ {
		fmt.Fprintf(&b, `{"html_url":"https://github.com/a/b/issues/%d","number":%d,"title":"Camera %d closes when zooming in","user":{"login":"user%d"},"labels":[{"name":"bug"}],"state":"open","created_at":%q,"body":%q,"reactions":{"+1":%d}}`+"\n",
			n, n, n, n%97, at.Add(time.Duration(n)*time.Hour).Format(time.RFC3339), strings.Repeat(fmt.Sprintf("After the update number %d it closes every time, see #%d. ", n, n/2+1), 8), n%7)
		for c := range comments {
			fmt.Fprintf(&b, `{"issue_url":"https://api.github.com/repos/a/b/issues/%d","id":%d,"user":{"login":"user%d"},"created_at":%q,"body":"Same on my phone, since build %d, and the log says nothing of it."}`+"\n",
				n, n*100+c, (n+c)%89, at.Add(time.Duration(n)*time.Hour+time.Minute).Format(time.RFC3339), c)
		}
	}
	if err := os.WriteFile(path, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}

// BenchmarkImport takes in 1,000 issues with two comments each.
func BenchmarkImport(b *testing.B) {
	path := filepath.Join(b.TempDir(), "many.json")
	writeMany(b, path, 1000, 2)
	for b.Loop() {
		b.StopTimer()
		d, err := db.Open(b.Context(), dbtest.SQLite(b))
		if err != nil {
			b.Fatal(err)
		}
		b.StartTimer()
		s := &github.Source{Files: imports.Files{Paths: []string{path}, Want: github.Want}}
		if r, err := imports.Run(b.Context(), d, s, imports.Options{Mapping: s.Defaults()}); err != nil || r.Threads.New != 1000 || r.Posts.New != 2000 {
			b.Fatal(r, err)
		}
		b.StopTimer()
		d.Close()
		b.StartTimer()
	}
}

// TestLife: an imported thread lives on as one of the forum's own.
func TestLife(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		run(t, d, gitHub("issues.json", "comments.jsonl"), imports.Options{})
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			id, post, err := elsewhere.Find(tx, feedback.Viewer{}, elsewhere.Origin{Service: "github", Place: "example-os/rom", Number: 12}, 9004)
			if err != nil || post == 0 {
				t.Fatalf("found thread %d, post %d: %v", id, post, err)
			}
			if err := stake.Vote(tx, feedback.Viewer{Member: 5}, id, true); err != nil {
				return err
			}
			if err := stake.MeToo(tx, feedback.Viewer{Member: 6}, id, "hlte"); err != nil {
				return err
			}
			got, err := feedback.ByID(tx, feedback.Viewer{}, id)
			if err != nil || got.Votes != 9 {
				t.Errorf("two members' votes and 7 from there are %d: %v", got.Votes, err)
			}
			if err := feedback.Recount(tx, id); err != nil {
				return err
			}
			got, err = feedback.ByID(tx, feedback.Viewer{}, id)
			if err != nil || got.Votes != 9 {
				t.Errorf("counted anew they are %d: %v", got.Votes, err)
			}
			curve, err := measure.DaysToFix(tx, "")
			if err != nil || curve.Count != 1 {
				t.Errorf("days to a fix count %d reports, want the one that a member has: %v", curve.Count, err)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestErrors(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	d, err := db.Open(t.Context(), dbtest.SQLite(t))
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	u, _ := url.Parse("https://forum.example.org")
	for _, c := range []struct {
		name   string
		source imports.Source
		want   string
	}{
		{"missing", gitHub("none.json"), "cannot read export: stat testdata/github/none.json: no such file or directory"},
		{"no JSON", &github.Source{Files: imports.Files{Paths: []string{write("a.json", "<html>")}}}, "a.json: at byte 0 stands '<', expected JSON objects"},
		{"cut", &github.Source{Files: imports.Files{Paths: []string{write("b.json", `[{"number": 1`)}}}, "b.json: the object at byte 1 does not end"},
		{"open list", &github.Source{Files: imports.Files{Paths: []string{write("c.json", `[{}`)}}}, "c.json: it ends at byte 3, within a list"},
		{"too many ends", &github.Source{Files: imports.Files{Paths: []string{write("d.json", `[]]`)}}}, "d.json: at byte 2 stands a ] that closes nothing"},
		{"bad gzip", &github.Source{Files: imports.Files{Paths: []string{write("e.json.gz", "\x1f\x8b\x08\x00")}}}, "e.json.gz: unexpected EOF"},
		{"no dump", &discourse.Source{Site: u, Files: imports.Files{Paths: []string{write("f.sql", "SELECT 1;\n")}}}, "f.sql: it holds no table of posts, expected a dump of a Discourse forum"},
		{"cut dump", &discourse.Source{Site: u, Files: imports.Files{Paths: []string{write("g.sql", "COPY public.posts (id) FROM stdin;\n1\n")}}}, "g.sql: it ends at line 3, within table posts"},
	} {
		_, err := imports.Run(t.Context(), d, c.source, imports.Options{Mapping: c.source.Defaults()})
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.name, err, c.want)
		}
	}
}

func TestMapping(t *testing.T) {
	base := imports.Mapping{Kind: "bug", Part: "System", Kinds: map[string]string{"bug": "bug", "idea": "idea"}}
	m, err := imports.ReadMapping("m.yaml", []byte("kinds: {defect: bug, bug: talk}\nparts: {cam: Camera}\ndevices: {\"Mi 10\": umi}\nskip: [Spam]\nlang: es\n"), base, devices)
	if err != nil {
		t.Fatal(err)
	}
	same(t, "kinds", m.Kinds, map[string]string{"defect": "bug", "bug": "talk", "idea": "idea"})
	if m.Kind != "bug" || m.Part != "System" || m.Lang != "es" || m.Devices["mi 10"] != "umi" {
		t.Errorf("mapping %+v", m)
	}
	for text, want := range map[string]string{
		"kinds: {x: bgu}":    `m.yaml:1:12: "bgu" is no kind of thread`,
		"parts: {x: camera}": `"camera" is no part of the system`,
		"devices: {x: um}":   `"um" is no device of the catalogue`,
		"kind: x":            `"x" is no kind of thread`,
		"part: x":            `"x" is no part of the system`,
		"lang: not a tag":    `"not a tag" is no language tag`,
		"labels: {}":         `labels`,
		"kinds: [bug]":       `m.yaml:1`,
	} {
		if _, err := imports.ReadMapping("m.yaml", []byte(text), base, devices); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", text, err, want)
		}
	}
}

func TestObjects(t *testing.T) {
	for in, want := range map[string]string{
		``:                            ``,
		`{}`:                          `0{}`,
		` [ {"a":1} , {"b":"}"} ] `:   `3{"a":1}13{"b":"}"}`,
		"{\"a\":[{}]}\n{\"b\":2}":     `0{"a":[{}]}11{"b":2}`,
		`[[{"a":1}],[{"b":"\"{"}]]`:   `2{"a":1}12{"b":"\"{"}`,
		"\xef\xbb\xbf[{\"a\":1}][{}]": `4{"a":1}13{}`,
	} {
		got := ""
		err := imports.Objects(strings.NewReader(in), func(offset int64, raw []byte) error {
			got += fmt.Sprint(offset) + string(raw)
			return nil
		})
		if err != nil || got != want {
			t.Errorf("Objects(%q) gives %q, %v; want %q", in, got, err, want)
		}
	}
}
