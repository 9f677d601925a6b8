package feedback_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/feedback"
	. "github.com/fridayos/friday/internal/feedback/feedbacktest"
	"github.com/fridayos/friday/internal/feedback/revision"
	"github.com/fridayos/friday/internal/search"
)

func listed(t *testing.T, s *Story, v feedback.Viewer, question string) (ids []int64, q search.Query, hits map[int64]feedback.Hit) {
	t.Helper()
	s.Must(func(tx *db.Tx) error {
		f, asked, err := feedback.Narrow(tx, question, feedback.Filter{})
		if err != nil {
			return err
		}
		q = asked
		threads, _, err := feedback.List(tx, v, f)
		if err != nil {
			return err
		}
		ids = []int64{}
		for _, t := range threads {
			ids = append(ids, t.ID)
		}
		hits, err = feedback.Hits(tx, threads, f.Terms)
		return err
	})
	return ids, q, hits
}

func TestSearch(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := New(t, d)
		file := func(n feedback.NewThread) {
			t.Helper()
			if n.AuthorID == 0 {
				n.AuthorID = Ana
			}
			s.Must(func(tx *db.Tx) error { _, err := feedback.New(tx, n); return err })
		}
		file(feedback.NewThread{Kind: feedback.Bug, Title: "Camera closes at 5× zoom", Body: "At com.android.camera2.CameraActivity.onZoom", Part: "Camera", Devices: []string{"umi", "hlte"}, Build: "26.11.20"})
		file(feedback.NewThread{Kind: feedback.Idea, Title: "Quiet alarm", Body: "The camera app could be quieter too.", Part: "Clock", Lang: "en"})
		file(feedback.NewThread{Kind: feedback.Talk, Title: "相机打开后崩溃", Body: "升级以后", Lang: "zh", AuthorID: Ben})
		file(feedback.NewThread{Kind: feedback.Talk, Title: "Secret camera", Body: "hidden"})
		s.Must(func(tx *db.Tx) error { return feedback.Hide(tx, 4, Maintainer, true) })
		s.Must(func(tx *db.Tx) error {
			_, err := feedback.Reply(tx, As(Ben), 2, "My phone says 很吵 at 26.11.20")
			return err
		})
		s.Must(func(tx *db.Tx) error { return feedback.FixMerged(tx, 1, "abc") })
		s.Must(func(tx *db.Tx) error { return feedback.FixInRelease(tx, 1, "26.11.27", Umi2) })
		for _, c := range []struct{ ask, ids, problems string }{
			{"", "[1 2 3]", ""},
			{"camera", "[1 2]", ""}, // a title counts more
			{"camera -quiet", "[1]", ""},
			{"cameraactivity", "[1]", ""},
			{`"camera app"`, "[2]", ""},
			{"相机", "[3]", ""},
			{"很吵", "[2]", ""},
			{"26.11.20", "[1 2]", ""}, // the build that the report names, and a post
			{"build:26.11.20", "[1]", ""},
			{"kind:bug", "[1]", ""},
			{"-kind:bug", "[2 3]", ""},
			{"app:camera", "[1]", ""},
			{`part:Clock`, "[2]", ""},
			{"device:hlte", "[1 2]", ""}, // 2 names no phone
			{"device:hlte kind:bug state:in-release", "[]", ""},
			{"device:umi kind:bug state:in-release", "[1]", ""},
			{"fixed-in:26.11.27", "[1]", ""},
			{"-fixed-in:26.11.27 camera", "[2]", ""},
			{"state:open", "[1 2 3]", ""},
			{"state:done", "[]", ""},
			{"lang:zh", "[3]", ""},
			{"kind:nonsense alarm", "[2]", "bad-value kind:nonsense"},
			{"state:nonsense app:nonsense lang:!! by:nobody", "[1 2 3]", "bad-value state:nonsense, bad-value app:nonsense, bad-value lang:!!, bad-value by:nobody"},
			{"devise:umi", "[]", "unknown-key devise:"},
			{"secret", "[]", ""},
			{"%", "[1 2 3]", ""},
		} {
			ids, q, _ := listed(t, s, feedback.Viewer{}, c.ask)
			var problems []string
			for _, p := range q.Problems {
				problems = append(problems, string(p.Kind)+" "+p.Text)
			}
			if c.ask != "camera" {
				slices.Sort(ids)
			}
			if fmt.Sprint(ids) != c.ids || strings.Join(problems, ", ") != c.problems {
				t.Errorf("%q lists %v (%s), want %s (%s)", c.ask, ids, strings.Join(problems, ", "), c.ids, c.problems)
			}
		}
		member := s.Member("by-me")
		file(feedback.NewThread{Kind: feedback.Talk, Title: "Mine", Body: "words", AuthorID: member})
		if ids, _, _ := listed(t, s, feedback.Viewer{}, "by:@by-me"); fmt.Sprint(ids) != "[5]" {
			t.Errorf("by a name lists %v, want 5", ids)
		}
		_, _, hits := listed(t, s, feedback.Viewer{}, "camera quieter 很吵")
		if h := hits[2]; len(h.Parts) == 0 || h.PostID == 0 {
			t.Errorf("the hit is %+v, want a post of thread 2", hits)
		}
	})
}

func TestSearchFollowsChanges(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := New(t, d)
		s.Must(func(tx *db.Tx) error {
			_, err := feedback.New(tx, feedback.NewThread{Kind: feedback.Talk, Title: "Hello", Body: "first", AuthorID: Ana})
			return err
		})
		var p feedback.Post
		s.Must(func(tx *db.Tx) (err error) { p, err = feedback.Reply(tx, As(Ben), 1, "second"); return err })
		expect := func(question, want string) {
			t.Helper()
			if ids, _, _ := listed(t, s, feedback.Viewer{}, question); fmt.Sprint(ids) != want {
				t.Errorf("%q lists %v, want %s", question, ids, want)
			}
		}
		expect("hello first second", "[1]")
		s.Must(func(tx *db.Tx) error { _, err := revision.Edit(tx, As(Ben), p.ID, "changed"); return err })
		expect("second", "[]")
		expect("changed", "[1]")
		s.Must(func(tx *db.Tx) error { return feedback.HidePost(tx, Maintainer, p.ID, true) })
		expect("changed", "[]")
		s.Must(func(tx *db.Tx) error { return feedback.HidePost(tx, Maintainer, p.ID, false) })
		expect("changed", "[1]")
		// What was there before the index is put in afterwards.
		s.Must(func(tx *db.Tx) error {
			posts, err := feedback.Posts(tx, feedback.Everything(), 1)
			for _, p := range posts {
				if err == nil {
					err = search.Remove(tx, search.Post, p.ID)
				}
			}
			if err == nil {
				err = search.Remove(tx, search.Title, 1)
			}
			return err
		})
		expect("hello", "[]")
		for _, want := range []string{"[1]", "[]"} {
			s.Must(func(tx *db.Tx) error {
				ids, err := feedback.Unindexed(tx, []int64{1, 7})
				if fmt.Sprint(ids) != want && err == nil {
					t.Errorf("without an index are %v, want %s", ids, want)
				}
				for _, id := range ids {
					if err := feedback.Index(tx, id); err != nil {
						return err
					}
				}
				return err
			})
		}
		expect("hello changed", "[1]")
	})
}
