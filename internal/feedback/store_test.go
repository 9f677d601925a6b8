package feedback_test

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/feedback"
	. "github.com/fridayos/friday/internal/feedback/feedbacktest"
	"github.com/fridayos/friday/internal/feedback/stake"
	"github.com/fridayos/friday/internal/search"
)

func TestTheWholeWay(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := New(t, d)
		id := s.Bug("umi")
		if id != 1 {
			t.Fatalf("the first thread is %d, expected 1", id)
		}
		s.Want(id, "umi", feedback.Reported)
		s.Must(func(tx *db.Tx) error {
			return feedback.Mark(tx, Maintainer, id, feedback.Word{State: feedback.Recorded, Reason: ""})
		})
		s.Runs(Ana, Umi1)
		s.FixedIn(id, Umi2)
		s.Want(id, "umi", feedback.InRelease)
		if asks := s.Asked(Ana); len(asks) > 0 {
			t.Fatalf("asked before the handset has the build: %+v", asks)
		}
		if asks := s.Runs(Ana, Umi1); len(asks) > 0 {
			t.Fatalf("asked on an older build: %+v", asks)
		}
		if asks := s.Runs(Ana, Hlte2); len(asks) > 0 {
			t.Fatalf("asked on another device: %+v", asks)
		}
		if asks := s.Runs(Ana, Umi2); len(asks) != 1 || asks[0].Release != "26.11.27" || asks[0].Device != "umi" {
			t.Fatalf("on the fixing build %+v was asked, expected one question about 26.11.27", asks)
		}
		if asks := s.Runs(Ana, Umi2); len(asks) > 0 {
			t.Fatalf("asked twice: %+v", asks)
		}
		s.Want(id, "umi", feedback.OnHandset)
		s.Must(func(tx *db.Tx) error { return feedback.Answer(tx, As(Ana), id, "umi", feedback.Works) })
		s.Want(id, "umi", feedback.Confirmed)
		th := s.Thread(id)
		if th.ClosedAt.IsZero() {
			t.Error("the thread is open, expected it to close with its only device")
		}
		if days, ok := th.Days(); !ok || days <= 0 || days > 1 {
			t.Errorf("days to the confirmed fix: %v, %v", days, ok)
		}
		var way []feedback.StateChange
		s.Must(func(tx *db.Tx) (err error) { way, err = feedback.States(tx, feedback.Everything(), id); return err })
		var states []feedback.State
		for i, c := range way {
			states = append(states, c.State)
			if i > 0 && !c.At.After(way[i-1].At) {
				t.Errorf("step %d, %s, is at %v, not after the step before it", i, c.State, c.At)
			}
		}
		if want := []feedback.State{feedback.Reported, feedback.Recorded, feedback.Merged, feedback.InRelease, feedback.OnHandset, feedback.Confirmed}; !slices.Equal(states, want) {
			t.Errorf("the way is %v, expected %v", states, want)
		}
		if err := s.Do(func(tx *db.Tx) error { return feedback.Answer(tx, As(Ana), id, "umi", feedback.Works) }); !errors.Is(err, feedback.ErrNoAsk) {
			t.Errorf("a second answer gives %v, expected ErrNoAsk", err)
		}
	})
}

func TestWhoIsAsked(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := New(t, d)
		id := s.Bug("umi")
		s.Must(func(tx *db.Tx) error { return stake.MeToo(tx, As(Ben), id, "umi") })
		s.Must(func(tx *db.Tx) error { return stake.Watch(tx, As(Cem), id, true) })
		s.FixedIn(id, Umi2)
		for _, c := range []struct {
			member int64
			asks   int
		}{{Ana, 1}, {Ben, 1}, {Cem, 1}, {4, 0}} {
			if got := len(s.Runs(c.member, Umi3)); got != c.asks { // a later build has it too
				t.Errorf("member %d gets %d questions, expected %d", c.member, got, c.asks)
			}
		}
		s.Must(func(tx *db.Tx) error { return feedback.Answer(tx, As(Ana), id, "umi", feedback.Works) })
		s.Want(id, "umi", feedback.Confirmed)
		s.Must(func(tx *db.Tx) error { return feedback.Answer(tx, As(Cem), id, "umi", feedback.Unsure) })
		s.Want(id, "umi", feedback.Confirmed)
		s.Must(func(tx *db.Tx) error { return feedback.Answer(tx, As(Ben), id, "umi", feedback.Broken) }) // on Umi3: has the fix
		s.Want(id, "umi", feedback.StillThere)
		if th := s.Thread(id); !th.ClosedAt.IsZero() {
			t.Error("the thread is closed, expected it open again")
		}
	})
}

func TestWatcherAloneIsNotTheReporter(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := New(t, d)
		id := s.Bug("umi")
		s.Must(func(tx *db.Tx) error { return stake.Watch(tx, As(Cem), id, true) })
		s.FixedIn(id, Umi2)
		s.Runs(Cem, Umi2)
		s.Want(id, "umi", feedback.InRelease)
		s.Runs(Ana, Umi2)
		s.Want(id, "umi", feedback.OnHandset)
	})
}

func TestStillBroken(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := New(t, d)
		id := s.Bug("umi")
		s.Must(func(tx *db.Tx) error { return stake.MeToo(tx, As(Ben), id, "umi") })
		s.FixedIn(id, Umi2)
		s.Runs(Ana, Umi2)
		s.Runs(Ben, Umi2)
		s.Runs(Ana, Umi1) // went back to the older build before answering
		s.Must(func(tx *db.Tx) error { return feedback.Answer(tx, As(Ana), id, "umi", feedback.Broken) })
		s.Want(id, "umi", feedback.OnHandset)
		s.Must(func(tx *db.Tx) error { return feedback.Answer(tx, As(Ben), id, "umi", feedback.Broken) })
		s.Want(id, "umi", feedback.StillThere)
		if asks := s.Asked(Ben); len(asks) > 0 {
			t.Errorf("still asked: %+v", asks)
		}
		s.Must(func(tx *db.Tx) error { return feedback.FixInRelease(tx, id, Umi2.Version, Umi2) }) // said again
		s.Want(id, "umi", feedback.StillThere)
		s.Must(func(tx *db.Tx) error { return feedback.FixMerged(tx, id, "c2") })
		s.Must(func(tx *db.Tx) error { return feedback.FixInRelease(tx, id, Umi3.Version, Umi3) })
		if asks := s.Runs(Ben, Umi3); len(asks) != 1 || asks[0].Release != "26.12.4" {
			t.Fatalf("after the second try %+v was asked, expected one question about 26.12.4", asks)
		}
		s.Must(func(tx *db.Tx) error { return feedback.Answer(tx, As(Ben), id, "umi", feedback.Works) })
		s.Want(id, "umi", feedback.Confirmed)
	})
}

func TestEachDeviceOnItsOwn(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := New(t, d)
		id := s.Bug("umi", "hlte")
		s.FixedIn(id, Umi2, Hlte2)
		s.Runs(Ana, Umi2)
		s.Must(func(tx *db.Tx) error { return feedback.Answer(tx, As(Ana), id, "umi", feedback.Works) })
		s.Want(id, "umi", feedback.Confirmed)
		s.Want(id, "hlte", feedback.InRelease)
		if th := s.Thread(id); !th.ClosedAt.IsZero() {
			t.Error("the thread is closed while hlte waits")
		}
		s.Runs(Ana, Hlte2)
		s.Must(func(tx *db.Tx) error { return feedback.Answer(tx, As(Ana), id, "hlte", feedback.Works) })
		if th := s.Thread(id); th.ClosedAt.IsZero() {
			t.Error("the thread is open, expected it closed with its last device")
		}
	})
}

func TestReleasedToHandsetsThatHaveItAlready(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := New(t, d)
		id := s.Bug() // names no device
		s.Runs(Ana, Umi2)
		s.FixedIn(id, Umi2)
		if asks := s.Asked(Ana); len(asks) != 1 {
			t.Fatalf("%d questions, expected one: the handset runs the build already", len(asks))
		}
		s.Want(id, feedback.AnyDevice, feedback.OnHandset)
		s.Must(func(tx *db.Tx) error { return feedback.Answer(tx, As(Ana), id, "umi", feedback.Works) })
		s.Want(id, feedback.AnyDevice, feedback.Confirmed)
	})
}

func TestRetracted(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := New(t, d)
		id := s.Bug("umi")
		s.Must(func(tx *db.Tx) error {
			return feedback.Mark(tx, Maintainer, id, feedback.Word{State: feedback.Planned, Reason: ""})
		})
		s.FixedIn(id, Umi2)
		s.Runs(Ana, Umi2)
		for range 2 {
			s.Must(func(tx *db.Tx) error { return feedback.FixRetracted(tx, id, "c1") })
		}
		s.Want(id, "umi", feedback.Planned)
		if asks := s.Asked(Ana); len(asks) > 0 {
			t.Errorf("still asked about a fix that was taken back: %+v", asks)
		}
		s.FixedIn(id, Umi3) // the same commit once more
		s.Want(id, "umi", feedback.InRelease)
	})
}

func TestMarksNeedReasons(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := New(t, d)
		id := s.Bug("umi")
		var input *feedback.InputError
		for _, st := range []feedback.State{feedback.Declined, feedback.Closed, feedback.NeedsInfo} {
			if err := s.Do(func(tx *db.Tx) error { return feedback.Mark(tx, Maintainer, id, feedback.Word{State: st, Reason: " "}) }); !errors.As(err, &input) || input.Field != "reason" {
				t.Errorf("%s without a reason gives %v, expected an error on the reason", st, err)
			}
		}
		s.Must(func(tx *db.Tx) error {
			return feedback.Mark(tx, Maintainer, id, feedback.Word{State: feedback.Declined, Reason: "The lens has no more."})
		})
		if th := s.Thread(id); th.ClosedAt.IsZero() || th.Devices[0].Reason != "The lens has no more." {
			t.Errorf("declined: %+v", th)
		}
		if err := s.Do(func(tx *db.Tx) error { return feedback.Object(tx, As(Ben), id, "But it has.") }); err == nil {
			t.Error("someone else could object")
		}
		s.Must(func(tx *db.Tx) error { return feedback.Object(tx, As(Ana), id, "But it has.") })
		s.Want(id, "umi", feedback.Discussed)
		s.Must(func(tx *db.Tx) error {
			return feedback.Mark(tx, Maintainer, id, feedback.Word{State: feedback.Closed, Reason: "It has not."})
		})
		if err := s.Do(func(tx *db.Tx) error { return feedback.Object(tx, As(Ana), id, "But.") }); err == nil {
			t.Error("the reporter could object twice")
		}
		s.Must(func(tx *db.Tx) error {
			return feedback.Mark(tx, Maintainer, id, feedback.Word{State: feedback.Recorded, Reason: ""})
		})
		s.FixedIn(id, Umi2)
		if err := s.Do(func(tx *db.Tx) error {
			return feedback.Mark(tx, Maintainer, id, feedback.Word{State: feedback.Closed, Reason: "No."})
		}); err == nil {
			t.Error("a Maintainer could close a thread whose fix is in a release")
		}
	})
}

func TestVotes(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := New(t, d)
		id := s.Bug("umi")
		for i, step := range []struct {
			do    func(tx *db.Tx) error
			votes int
		}{
			{func(tx *db.Tx) error { return stake.Vote(tx, As(Ana), id, true) }, 1}, // the author's counts from the start
			{func(tx *db.Tx) error { return stake.Vote(tx, As(Ben), id, true) }, 2},
			{func(tx *db.Tx) error { return stake.Vote(tx, As(Ben), id, true) }, 2},
			{func(tx *db.Tx) error { return stake.MeToo(tx, As(Ben), id, "umi") }, 2},
			{func(tx *db.Tx) error { return stake.MeToo(tx, As(Cem), id, "hlte") }, 3},
			{func(tx *db.Tx) error { return stake.Vote(tx, As(Cem), id, false) }, 2},
			{func(tx *db.Tx) error { return stake.Vote(tx, As(Cem), id, false) }, 2},
		} {
			s.Must(step.do)
			if got := s.Thread(id).Votes; got != step.votes {
				t.Errorf("after step %d there are %d votes, expected %d", i, got, step.votes)
			}
		}
		if got := s.Thread(id).Devices; len(got) != 2 || got[1].Device != "umi" || got[1].Affected != 2 {
			t.Errorf("devices: %+v", got)
		}
		if err := s.Do(func(tx *db.Tx) error { return stake.Vote(tx, As(Ana), 99, true) }); !errors.Is(err, feedback.ErrNotFound) {
			t.Errorf("a vote for thread 99 gives %v, expected ErrNotFound", err)
		}
		if err := s.Do(func(tx *db.Tx) error { return feedback.FixMerged(tx, 99, "c1") }); !errors.Is(err, feedback.ErrNotFound) {
			t.Errorf("a fix of thread 99 gives %v, expected ErrNotFound", err)
		}
	})
}

func TestList(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := New(t, d)
		file := func(n feedback.NewThread) {
			n.Body, n.AuthorID = "Text.", Ana
			s.Must(func(tx *db.Tx) error { _, err := feedback.New(tx, n); return err })
		}
		file(feedback.NewThread{Kind: feedback.Bug, Title: "Camera closes at 100% zoom", Part: "Camera", Devices: []string{"umi"}})
		file(feedback.NewThread{Kind: feedback.Bug, Title: "Battery drains", Part: "Battery", Devices: []string{"hlte"}})
		file(feedback.NewThread{Kind: feedback.Idea, Title: "Camera: remember the last mode", Part: "Camera"})
		file(feedback.NewThread{Kind: feedback.Talk, Title: "Hello"})
		s.FixedIn(1, Umi2)
		s.Must(func(tx *db.Tx) error {
			return feedback.Mark(tx, Maintainer, 2, feedback.Word{State: feedback.Declined, Reason: "Old cell."})
		})
		s.Must(func(tx *db.Tx) error { return stake.Vote(tx, As(Ben), 2, true) })
		s.Must(func(tx *db.Tx) error { return feedback.Hide(tx, 4, Maintainer, true) })
		for _, c := range []struct {
			name string
			f    feedback.Filter
			ids  string
		}{
			{"all, newest first", feedback.Filter{}, "[3 2 1]"},
			{"hidden ones too", feedback.Filter{Hidden: true}, "[4 3 2 1]"},
			{"hot", feedback.Filter{Order: feedback.Hot}, "[2 3 1]"},
			{"bugs", feedback.Filter{Kind: feedback.Bug}, "[2 1]"},
			{"by part", feedback.Filter{Part: "Camera"}, "[3 1]"},
			{"on umi, and what names no device", feedback.Filter{Device: "umi"}, "[3 1]"},
			{"in release", feedback.Filter{State: feedback.InRelease}, "[1]"},
			{"in that state on that device", feedback.Filter{Device: "hlte", State: feedback.InRelease}, "[]"},
			{"fixed in", feedback.Filter{Release: "26.11.27"}, "[1]"},
			{"open", feedback.Filter{Open: true}, "[3 1]"},
			{"words", feedback.Filter{Terms: search.Words("CAMERA zoom")}, "[1]"},
			{"as filed", feedback.Filter{Order: feedback.Oldest}, "[1 2 3]"},
			{"behind a place", feedback.Filter{Order: feedback.Oldest, After: &feedback.Place{ID: 1}}, "[2 3]"},
			{"a percent sign is a percent sign", feedback.Filter{Terms: search.Words("100%")}, "[1]"},
			{"and no wildcard", feedback.Filter{Terms: search.Words("a%a")}, "[]"},
			{"second page", feedback.Filter{Limit: 2, Offset: 2}, "[1]"},
		} {
			s.Must(func(tx *db.Tx) error {
				threads, _, err := feedback.List(tx, feedback.Everything(), c.f)
				ids := []int64{}
				for _, t := range threads {
					ids = append(ids, t.ID)
				}
				if got := fmt.Sprint(ids); got != c.ids {
					t.Errorf("%s: %s, expected %s", c.name, got, c.ids)
				}
				return err
			})
		}
	})
}

func TestInput(t *testing.T) {
	ok := feedback.NewThread{Kind: feedback.Bug, Title: "T", Body: "B", AuthorID: Ana, Part: "Camera"}
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := New(t, d)
		for _, c := range []struct {
			field  string
			change func(n *feedback.NewThread)
		}{
			{"kind", func(n *feedback.NewThread) { n.Kind = "rant" }},
			{"title", func(n *feedback.NewThread) { n.Title = " \t\x00" }},
			{"title", func(n *feedback.NewThread) { n.Title = strings.Repeat("é", feedback.MaxTitle+1) }},
			{"body", func(n *feedback.NewThread) { n.Body = "\n" }},
			{"body", func(n *feedback.NewThread) { n.Body = strings.Repeat("x", feedback.MaxBody+1) }},
			{"part", func(n *feedback.NewThread) { n.Part = "" }},
			{"part", func(n *feedback.NewThread) { n.Part = "Fridge" }},
			{"device", func(n *feedback.NewThread) { n.Devices = make([]string, feedback.MaxDevices+1) }},
			{"build", func(n *feedback.NewThread) { n.Build = strings.Repeat("1", 65) }},
		} {
			n := ok
			c.change(&n)
			var input *feedback.InputError
			if err := s.Do(func(tx *db.Tx) error { _, err := feedback.New(tx, n); return err }); !errors.As(err, &input) || input.Field != c.field {
				t.Errorf("%q gives %v, expected a mistake in %s", n.Title, err, c.field)
			}
		}
		n := ok
		n.Title, n.Body = "a\x00b\u202e\nc", "x\x00y\xff"
		s.Must(func(tx *db.Tx) error { _, err := feedback.New(tx, n); return err })
		s.Must(func(tx *db.Tx) error {
			posts, err := feedback.Posts(tx, feedback.Everything(), 1)
			if err == nil && posts[0].Body != "xy\uFFFD" {
				t.Errorf("body is %q", posts[0].Body)
			}
			return err
		})
	})
}
