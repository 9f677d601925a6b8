package order_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/feedback"
	. "github.com/fridayos/friday/internal/feedback/feedbacktest"
	"github.com/fridayos/friday/internal/feedback/order"
	"github.com/fridayos/friday/internal/feedback/stake"
)

func bodies(posts []feedback.Post) (all []string) {
	for _, p := range posts {
		all = append(all, p.Body)
	}
	return all
}

// dump is all that a merge may touch, so that undoing it can be compared.
func dump(s *Story, threads ...int64) (all []string) {
	s.T.Helper()
	s.Must(func(tx *db.Tx) error {
		for _, q := range []string{
			`SELECT 'thread', id, posts, votes, CAST(merged_into AS TEXT) FROM threads WHERE id = $1`,
			`SELECT 'post', id, place, weight, body FROM posts WHERE thread_id = $1`,
			`SELECT 'fact', id, at, actor_id, kind FROM thread_facts WHERE thread_id = $1`,
			`SELECT 'device', affected, reported_at, since, device || ' ' || state || ' ' || release FROM thread_devices WHERE thread_id = $1`,
			`SELECT 'vote', member_id, at, 0, '' FROM thread_votes WHERE thread_id = $1`,
			`SELECT 'watch', member_id, at, 0, '' FROM thread_watches WHERE thread_id = $1`,
			`SELECT 'affected', member_id, at, 0, device FROM thread_affected WHERE thread_id = $1`,
			`SELECT 'ask', member_id, opened_at, answered_at, device || ' ' || release || ' ' || verdict FROM asks WHERE thread_id = $1 AND withdrawn_at = 0`,
		} {
			for _, id := range threads {
				rows, err := db.All(tx, func(r db.Scanner) (string, error) {
					var what, text string
					var a, b, c int64
					err := r.Scan(&what, &a, &b, &c, &text)
					return fmt.Sprint(id, what, a, b, c, text), err
				}, q, id)
				if err != nil {
					return err
				}
				slices.Sort(rows)
				all = append(all, rows...)
			}
		}
		return nil
	})
	return all
}

func TestMergeKeepsEverythingAndCanBeUndone(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := New(t, d)
		first := s.Bug("umi") // Ana's; the target
		second := s.File(feedback.NewThread{Title: "Zoom crashes", Body: "At 5x.", AuthorID: Ben, Devices: []string{"umi", "hlte"}})
		s.Reply(As(Cem), second, "Here too.")
		s.Reply(As(Ana), first, "Still.")
		s.Must(func(tx *db.Tx) error { return stake.Vote(tx, As(Ana), second, true) })
		s.Must(func(tx *db.Tx) error { return stake.Vote(tx, As(4), second, true) })
		s.Must(func(tx *db.Tx) error { return stake.MeToo(tx, As(5), second, "hlte") })
		s.Mark(second, feedback.NeedsInfo, "Which mode?")
		before := dump(s, first, second)

		s.Must(func(tx *db.Tx) error { return order.Merge(tx, 8, second, first) })
		th := s.Thread(second)
		if th.ID != first || th.Title != "Camera closes at 5x zoom" {
			t.Fatalf("thread %d leads to %d", second, th.ID)
		}
		if th.Votes != 4 || th.Posts != 4 { // Ana, Ben, 4, 5: each once
			t.Errorf("%d votes and %d posts, expected 4 and 4", th.Votes, th.Posts)
		}
		if got := bodies(s.Posts(As(Cem), first)); fmt.Sprint(got) != "[It just *closes*. At 5x. Here too. Still.]" {
			t.Errorf("posts: %q", got)
		}
		if len(th.Devices) != 2 || th.Devices[0].Affected != 2 || th.Devices[1].Affected != 2 || th.Devices[1].State != feedback.Reported {
			t.Errorf("devices: %+v", th.Devices)
		}
		s.Must(func(tx *db.Tx) error {
			threads, _, err := feedback.List(tx, feedback.Everything(), feedback.Filter{})
			if len(threads) != 1 {
				t.Errorf("%d threads are listed, expected one", len(threads))
			}
			watch, _, err2 := stake.Watchers(tx, first)
			if fmt.Sprint(watch) != "[1 2 3 5]" {
				t.Errorf("%v watch", watch)
			}
			return errors.Join(err, err2)
		})
		undo := func(actor int64) error {
			return s.Do(func(tx *db.Tx) error { return order.Unmerge(tx, actor, second) })
		}
		if err := undo(8); err != nil {
			t.Fatal(err)
		}
		if after := dump(s, first, second); !slices.Equal(before, after) {
			t.Errorf("after undoing it\n%q\nexpected\n%q", after, before)
		}
		if err := undo(8); !errors.Is(err, feedback.ErrNotFound) {
			t.Errorf("undoing it twice gives %v", err)
		}
	})
}

// A commit that names the merged thread fixes the one it went into, and everyone
// is asked there.
func TestMergedThreadsAreFixedAndAskedTogether(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := New(t, d)
		first, second := s.Bug("umi"), s.File(feedback.NewThread{AuthorID: Ben, Devices: []string{"umi"}})
		s.Must(func(tx *db.Tx) error { return order.Merge(tx, 8, second, first) })
		s.FixedIn(second, Umi2)
		s.Want(first, "umi", feedback.InRelease)
		if got := s.Runs(Ben, Umi1); len(got) > 0 {
			t.Errorf("asked before the handset has it: %+v", got)
		}
		if got := s.Runs(Ben, Umi2); len(got) != 1 || got[0].ThreadID != first {
			t.Fatalf("who was merged in is asked %+v, expected once about thread %d", got, first)
		}
		s.Must(func(tx *db.Tx) error { return feedback.Answer(tx, As(Ben), second, "umi", feedback.Works) }) // by the old address
		s.Want(first, "umi", feedback.Confirmed)
		s.Reply(As(Cem), second, "By the old address.")
		if got := s.Thread(first).Posts; got != 3 {
			t.Errorf("%d posts, expected 3", got)
		}
	})
}

// Questions and answers of before come along; nobody is asked twice.
func TestMergeBringsTheAsks(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := New(t, d)
		first, second := s.Bug("umi"), s.File(feedback.NewThread{AuthorID: Ben, Devices: []string{"umi"}})
		s.Must(func(tx *db.Tx) error { return stake.MeToo(tx, As(Cem), second, "umi") })
		s.FixedIn(second, Umi2)
		s.Runs(Ben, Umi2)
		s.Runs(Cem, Umi2)
		s.Runs(Ana, Umi2)
		s.Answer(second, Cem, "umi", feedback.Unsure)
		s.Must(func(tx *db.Tx) error { return order.Merge(tx, 8, second, first) })
		s.Want(first, "umi", feedback.OnHandset)
		for member, want := range map[int64]int{Ana: 1, Ben: 1, Cem: 0} {
			if got := s.Asked(member); len(got) != want || want > 0 && got[0].ThreadID != first {
				t.Errorf("member %d is asked %+v, expected %d", member, got, want)
			}
		}
		s.Must(func(tx *db.Tx) error {
			all, err := feedback.TallyOf(tx, As(Ana), first)
			if len(all) != 1 || all[0] != (feedback.Tally{Device: "umi", Release: "26.11.27", Unsure: 1, Waiting: 2}) {
				t.Errorf("tally: %+v", all)
			}
			return err
		})
	})
}

func TestWhatCannotBeMerged(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := New(t, d)
		bug, talk := s.Bug("umi"), s.File(feedback.NewThread{Kind: feedback.Talk})
		secret := s.File(feedback.NewThread{Private: true, Named: []int64{Maintainer}})
		a, b, c := s.Bug("umi"), s.Bug("umi"), s.Bug("umi")
		s.Must(func(tx *db.Tx) error { return order.Merge(tx, 8, a, b) })
		s.Must(func(tx *db.Tx) error { return order.Merge(tx, 8, b, c) })
		if got := s.Thread(a).ID; got != c {
			t.Errorf("by two merges thread %d leads to %d, expected %d", a, got, c)
		}
		for _, m := range [][2]int64{{bug, bug}, {bug, talk}, {bug, secret}, {secret, bug}, {a, bug}, {c, a}} {
			var input *feedback.InputError
			if err := s.Do(func(tx *db.Tx) error { return order.Merge(tx, 8, m[0], m[1]) }); !errors.As(err, &input) || input.Field != "into" {
				t.Errorf("merging %d into %d gives %v", m[0], m[1], err)
			}
		}
		var input *feedback.InputError
		if err := s.Do(func(tx *db.Tx) error { return order.Unmerge(tx, 8, a) }); !errors.As(err, &input) {
			t.Errorf("undoing the first of two merges gives %v", err)
		}
		s.Now = s.Now.Add(order.UndoTime)
		if err := s.Do(func(tx *db.Tx) error { return order.Unmerge(tx, 8, b) }); !errors.As(err, &input) {
			t.Errorf("undoing an old merge gives %v", err)
		}
	})
}

func TestSplit(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := New(t, d)
		id := s.File(feedback.NewThread{Kind: feedback.Question, Title: "Why?"})
		one := s.Reply(As(Ben), id, "Because.")
		two := s.Reply(As(Cem), id, "By the way: Bluetooth stutters.")
		three := s.Reply(As(Ben), id, "Mine too.")
		s.Must(func(tx *db.Tx) error { return feedback.Accept(tx, As(Ana), id, two.ID) })
		place := order.Place{Title: "Bluetooth stutters", Kind: feedback.Bug, Part: "Bluetooth", Devices: []string{"umi"}}
		split := func(posts ...int64) (th feedback.Thread, err error) {
			err = s.Do(func(tx *db.Tx) (err error) { th, err = order.Split(tx, 8, id, posts, place); return err })
			return th, err
		}
		first := s.Posts(As(Ana), id)[0].ID
		for _, posts := range [][]int64{nil, {first}, {first, two.ID}, {two.ID, 77}} {
			if _, err := split(posts...); err == nil {
				t.Errorf("splitting %v off works", posts)
			}
		}
		th, err := split(three.ID, two.ID)
		if err != nil {
			t.Fatal(err)
		}
		if th.AuthorID != Cem || th.Posts != 2 || th.Kind != feedback.Bug || len(th.Devices) != 1 {
			t.Errorf("split off: %+v", th)
		}
		if got := bodies(s.Posts(As(Ana), th.ID)); fmt.Sprint(got) != "[By the way: Bluetooth stutters. Mine too.]" {
			t.Errorf("its posts: %q", got)
		}
		rest := s.Thread(id)
		if rest.Posts != 2 || rest.AcceptedID != 0 || !rest.LastAt.Equal(one.At) {
			t.Errorf("what is left: %+v", rest)
		}
		s.Must(func(tx *db.Tx) error {
			watch, _, err := stake.Watchers(tx, th.ID)
			if fmt.Sprint(watch) != "[2 3]" {
				t.Errorf("%v watch what was split off", watch)
			}
			return err
		})
	})
}

func TestMove(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := New(t, d)
		id := s.Bug()
		s.Must(func(tx *db.Tx) error { return stake.MeToo(tx, As(Ben), id, feedback.AnyDevice) })
		s.FixedIn(id, Umi2)
		move := func(p order.Place) error {
			return s.Do(func(tx *db.Tx) error { return order.Move(tx, 8, id, p) })
		}
		if err := move(order.Place{Title: "Zoom", Kind: feedback.Bug, Part: "Display", Lang: "en", Devices: []string{"umi"}}); err != nil {
			t.Fatal(err)
		}
		th := s.Thread(id)
		if th.Title != "Zoom" || th.Part != "Display" || th.Lang != "en" || len(th.Devices) != 1 || th.Devices[0].Affected != 2 || th.Devices[0].State != feedback.InRelease {
			t.Errorf("moved: %+v", th)
		}
		if got := s.Runs(Ben, Umi2); len(got) != 1 {
			t.Errorf("who had it is asked %+v", got)
		}
		if err := move(order.Place{Title: "Zoom", Kind: feedback.Talk}); err != nil {
			t.Fatal(err)
		}
		if th := s.Thread(id); len(th.Devices) != 0 || th.Kind != feedback.Talk {
			t.Errorf("talk now: %+v", th)
		}
		for _, p := range []order.Place{{Kind: feedback.Talk}, {Title: "x", Kind: feedback.Bug}, {Title: "x", Kind: feedback.Talk, Lang: "no language"}} {
			var input *feedback.InputError
			if err := move(p); !errors.As(err, &input) {
				t.Errorf("%+v gives %v", p, err)
			}
		}
	})
}

func TestHints(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := New(t, d)
		a, b := s.Bug("umi"), s.Bug("umi")
		secret := s.File(feedback.NewThread{Private: true, Named: []int64{Maintainer}})
		point := func(v feedback.Viewer, from, to int64) error {
			return s.Do(func(tx *db.Tx) error { return order.Point(tx, v, from, to) })
		}
		for _, who := range []int64{Ben, Cem, Ben} {
			if err := point(As(who), b, a); err != nil {
				t.Fatal(err)
			}
		}
		if err := point(As(Ana), b, secret); err != nil { // she reported it
			t.Fatal(err)
		}
		if missing, private := point(As(Ben), b, 77), point(As(Ben), b, secret); missing == nil || private == nil || len(missing.Error()) > len(private.Error()) {
			t.Errorf("a private thread gives %v, one that never was %v", private, missing)
		}
		hints := func() (all []order.Hint) {
			s.Must(func(tx *db.Tx) (err error) { all, err = order.Hints(tx, Moderator()); return err })
			return all
		}
		if got := hints(); len(got) != 1 || got[0].Member != Ben || got[0].Count != 2 {
			t.Errorf("hints: %+v", got)
		}
		s.Must(func(tx *db.Tx) error { return order.Merge(tx, 8, b, a) })
		if got := hints(); len(got) != 0 {
			t.Errorf("hints after the merge: %+v", got)
		}
	})
}
