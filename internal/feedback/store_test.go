package feedback

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
)

const (
	ana        = int64(1) // reports on umi
	ben        = int64(2) // has it on umi too
	cem        = int64(3) // watches
	maintainer = int64(9)
)

// story is a database with a clock that goes on an hour a step.
type story struct {
	t   *testing.T
	d   *db.DB
	now time.Time
}

func newStory(t *testing.T, d *db.DB) *story {
	s := &story{t, d, time.Date(2026, 11, 16, 9, 0, 0, 0, time.UTC)}
	d.SetClock(func() time.Time { return s.now })
	return s
}

// do runs fn in a transaction of its own, an hour after the last one.
func (s *story) do(fn func(tx *db.Tx) error) error {
	s.t.Helper()
	s.now = s.now.Add(time.Hour)
	return s.d.Write(s.t.Context(), fn)
}

func (s *story) must(fn func(tx *db.Tx) error) {
	s.t.Helper()
	if err := s.do(fn); err != nil {
		s.t.Fatal(err)
	}
}

func (s *story) bug(devices ...string) (id int64) {
	s.t.Helper()
	s.must(func(tx *db.Tx) error {
		t, err := New(tx, NewThread{Kind: Bug, Title: "Camera closes at 5x zoom", Body: "It just *closes*.", AuthorID: ana, Part: "Camera", Devices: devices})
		id = t.ID
		return err
	})
	return id
}

func (s *story) thread(id int64) (t Thread) {
	s.t.Helper()
	s.must(func(tx *db.Tx) (err error) { t, err = ByID(tx, id); return err })
	return t
}

func (s *story) state(id int64, device string) State {
	s.t.Helper()
	for _, d := range s.thread(id).Devices {
		if d.Device == device {
			return d.State
		}
	}
	return ""
}

func (s *story) want(id int64, device string, state State) {
	s.t.Helper()
	if got := s.state(id, device); got != state {
		s.t.Fatalf("on %q the thread is %q, expected %q", device, got, state)
	}
}

func (s *story) runs(member int64, b Build) (asks []Ask) {
	s.t.Helper()
	s.must(func(tx *db.Tx) (err error) { asks, err = HandsetRuns(tx, member, b); return err })
	return asks
}

func (s *story) asked(member int64) (asks []Ask) {
	s.t.Helper()
	s.must(func(tx *db.Tx) (err error) { asks, err = OpenAsks(tx, member); return err })
	return asks
}

var (
	umi1  = Build{"b1", "umi", "26.11.20", 100}
	umi2  = Build{"b2", "umi", "26.11.27", 200}
	umi3  = Build{"b3", "umi", "26.12.4", 300}
	hlte2 = Build{"h2", "hlte", "26.11.27", 200}
)

// fixedIn brings a thread from reported into a release on the builds given.
func (s *story) fixedIn(id int64, builds ...Build) {
	s.t.Helper()
	s.must(func(tx *db.Tx) error { return FixMerged(tx, id, "c1") })
	for _, b := range builds {
		s.must(func(tx *db.Tx) error { return FixInRelease(tx, id, b.Version, b) })
	}
}

func TestTheWholeWay(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := newStory(t, d)
		id := s.bug("umi")
		if id != 1 {
			t.Fatalf("the first thread is %d, expected 1", id)
		}
		s.want(id, "umi", Reported)
		s.must(func(tx *db.Tx) error { return Mark(tx, id, maintainer, Recorded, AnyDevice, "") })
		s.runs(ana, umi1)
		s.fixedIn(id, umi2)
		s.want(id, "umi", InRelease)
		if asks := s.asked(ana); len(asks) > 0 {
			t.Fatalf("asked before the handset has the build: %+v", asks)
		}
		if asks := s.runs(ana, umi1); len(asks) > 0 {
			t.Fatalf("asked on an older build: %+v", asks)
		}
		if asks := s.runs(ana, hlte2); len(asks) > 0 {
			t.Fatalf("asked on another device: %+v", asks)
		}
		if asks := s.runs(ana, umi2); len(asks) != 1 || asks[0].Release != "26.11.27" || asks[0].Device != "umi" {
			t.Fatalf("on the fixing build %+v was asked, expected one question about 26.11.27", asks)
		}
		if asks := s.runs(ana, umi2); len(asks) > 0 {
			t.Fatalf("asked twice: %+v", asks)
		}
		s.want(id, "umi", OnHandset)
		s.must(func(tx *db.Tx) error { return Answer(tx, id, ana, "umi", Works) })
		s.want(id, "umi", Confirmed)
		th := s.thread(id)
		if th.ClosedAt.IsZero() {
			t.Error("the thread is open, expected it to close with its only device")
		}
		if days, ok := th.Days(); !ok || days <= 0 || days > 1 {
			t.Errorf("days to the confirmed fix: %v, %v", days, ok)
		}
		var way []StateChange
		s.must(func(tx *db.Tx) (err error) { way, err = States(tx, id); return err })
		var states []State
		for i, c := range way {
			states = append(states, c.State)
			if i > 0 && !c.At.After(way[i-1].At) {
				t.Errorf("step %d, %s, is at %v, not after the step before it", i, c.State, c.At)
			}
		}
		if want := []State{Reported, Recorded, Merged, InRelease, OnHandset, Confirmed}; !slices.Equal(states, want) {
			t.Errorf("the way is %v, expected %v", states, want)
		}
		if err := s.do(func(tx *db.Tx) error { return Answer(tx, id, ana, "umi", Works) }); !errors.Is(err, ErrNoAsk) {
			t.Errorf("a second answer gives %v, expected ErrNoAsk", err)
		}
	})
}

func TestWhoIsAsked(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := newStory(t, d)
		id := s.bug("umi")
		s.must(func(tx *db.Tx) error { return MeToo(tx, id, ben, "umi") })
		s.must(func(tx *db.Tx) error { return Watch(tx, id, cem, true) })
		s.fixedIn(id, umi2)
		for _, c := range []struct {
			member int64
			asks   int
		}{{ana, 1}, {ben, 1}, {cem, 1}, {4, 0}} {
			if got := len(s.runs(c.member, umi3)); got != c.asks { // a later build has it too
				t.Errorf("member %d gets %d questions, expected %d", c.member, got, c.asks)
			}
		}
		s.must(func(tx *db.Tx) error { return Answer(tx, id, ana, "umi", Works) })
		s.want(id, "umi", Confirmed)
		s.must(func(tx *db.Tx) error { return Answer(tx, id, cem, "umi", Unsure) })
		s.want(id, "umi", Confirmed)
		s.must(func(tx *db.Tx) error { return Answer(tx, id, ben, "umi", Broken) }) // on umi3: has the fix
		s.want(id, "umi", StillThere)
		if th := s.thread(id); !th.ClosedAt.IsZero() {
			t.Error("the thread is closed, expected it open again")
		}
	})
}

func TestWatcherAloneIsNotTheReporter(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := newStory(t, d)
		id := s.bug("umi")
		s.must(func(tx *db.Tx) error { return Watch(tx, id, cem, true) })
		s.fixedIn(id, umi2)
		s.runs(cem, umi2)
		s.want(id, "umi", InRelease)
		s.runs(ana, umi2)
		s.want(id, "umi", OnHandset)
	})
}

func TestStillBroken(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := newStory(t, d)
		id := s.bug("umi")
		s.must(func(tx *db.Tx) error { return MeToo(tx, id, ben, "umi") })
		s.fixedIn(id, umi2)
		s.runs(ana, umi2)
		s.runs(ben, umi2)
		s.runs(ana, umi1) // went back to the older build before answering
		s.must(func(tx *db.Tx) error { return Answer(tx, id, ana, "umi", Broken) })
		s.want(id, "umi", OnHandset)
		s.must(func(tx *db.Tx) error { return Answer(tx, id, ben, "umi", Broken) })
		s.want(id, "umi", StillThere)
		if asks := s.asked(ben); len(asks) > 0 {
			t.Errorf("still asked: %+v", asks)
		}
		s.must(func(tx *db.Tx) error { return FixInRelease(tx, id, umi2.Version, umi2) }) // said again
		s.want(id, "umi", StillThere)
		s.must(func(tx *db.Tx) error { return FixMerged(tx, id, "c2") })
		s.must(func(tx *db.Tx) error { return FixInRelease(tx, id, umi3.Version, umi3) })
		if asks := s.runs(ben, umi3); len(asks) != 1 || asks[0].Release != "26.12.4" {
			t.Fatalf("after the second try %+v was asked, expected one question about 26.12.4", asks)
		}
		s.must(func(tx *db.Tx) error { return Answer(tx, id, ben, "umi", Works) })
		s.want(id, "umi", Confirmed)
	})
}

func TestEachDeviceOnItsOwn(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := newStory(t, d)
		id := s.bug("umi", "hlte")
		s.fixedIn(id, umi2, hlte2)
		s.runs(ana, umi2)
		s.must(func(tx *db.Tx) error { return Answer(tx, id, ana, "umi", Works) })
		s.want(id, "umi", Confirmed)
		s.want(id, "hlte", InRelease)
		if th := s.thread(id); !th.ClosedAt.IsZero() {
			t.Error("the thread is closed while hlte waits")
		}
		s.runs(ana, hlte2)
		s.must(func(tx *db.Tx) error { return Answer(tx, id, ana, "hlte", Works) })
		if th := s.thread(id); th.ClosedAt.IsZero() {
			t.Error("the thread is open, expected it closed with its last device")
		}
	})
}

func TestReleasedToHandsetsThatHaveItAlready(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := newStory(t, d)
		id := s.bug() // names no device
		s.runs(ana, umi2)
		s.fixedIn(id, umi2)
		if asks := s.asked(ana); len(asks) != 1 {
			t.Fatalf("%d questions, expected one: the handset runs the build already", len(asks))
		}
		s.want(id, AnyDevice, OnHandset)
		s.must(func(tx *db.Tx) error { return Answer(tx, id, ana, "umi", Works) })
		s.want(id, AnyDevice, Confirmed)
	})
}

func TestRetracted(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := newStory(t, d)
		id := s.bug("umi")
		s.must(func(tx *db.Tx) error { return Mark(tx, id, maintainer, Planned, AnyDevice, "") })
		s.fixedIn(id, umi2)
		s.runs(ana, umi2)
		for range 2 {
			s.must(func(tx *db.Tx) error { return FixRetracted(tx, id, "c1") })
		}
		s.want(id, "umi", Planned)
		if asks := s.asked(ana); len(asks) > 0 {
			t.Errorf("still asked about a fix that was taken back: %+v", asks)
		}
		s.fixedIn(id, umi3) // the same commit once more
		s.want(id, "umi", InRelease)
	})
}

func TestMarksNeedReasons(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := newStory(t, d)
		id := s.bug("umi")
		var input *InputError
		for _, st := range []State{Declined, Closed, NeedsInfo} {
			if err := s.do(func(tx *db.Tx) error { return Mark(tx, id, maintainer, st, AnyDevice, " ") }); !errors.As(err, &input) || input.Field != "reason" {
				t.Errorf("%s without a reason gives %v, expected an error on the reason", st, err)
			}
		}
		s.must(func(tx *db.Tx) error { return Mark(tx, id, maintainer, Declined, AnyDevice, "The lens has no more.") })
		if th := s.thread(id); th.ClosedAt.IsZero() || th.Devices[0].Reason != "The lens has no more." {
			t.Errorf("declined: %+v", th)
		}
		if err := s.do(func(tx *db.Tx) error { return Object(tx, id, ben, "But it has.") }); err == nil {
			t.Error("someone else could object")
		}
		s.must(func(tx *db.Tx) error { return Object(tx, id, ana, "But it has.") })
		s.want(id, "umi", Discussed)
		s.must(func(tx *db.Tx) error { return Mark(tx, id, maintainer, Closed, AnyDevice, "It has not.") })
		if err := s.do(func(tx *db.Tx) error { return Object(tx, id, ana, "But.") }); err == nil {
			t.Error("the reporter could object twice")
		}
		s.must(func(tx *db.Tx) error { return Mark(tx, id, maintainer, Recorded, AnyDevice, "") })
		s.fixedIn(id, umi2)
		if err := s.do(func(tx *db.Tx) error { return Mark(tx, id, maintainer, Closed, AnyDevice, "No.") }); err == nil {
			t.Error("a maintainer could close a thread whose fix is in a release")
		}
	})
}

func TestVotes(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := newStory(t, d)
		id := s.bug("umi")
		for i, step := range []struct {
			do    func(tx *db.Tx) error
			votes int
		}{
			{func(tx *db.Tx) error { return Vote(tx, id, ana, true) }, 1}, // the author's counts from the start
			{func(tx *db.Tx) error { return Vote(tx, id, ben, true) }, 2},
			{func(tx *db.Tx) error { return Vote(tx, id, ben, true) }, 2},
			{func(tx *db.Tx) error { return MeToo(tx, id, ben, "umi") }, 2},
			{func(tx *db.Tx) error { return MeToo(tx, id, cem, "hlte") }, 3},
			{func(tx *db.Tx) error { return Vote(tx, id, cem, false) }, 2},
			{func(tx *db.Tx) error { return Vote(tx, id, cem, false) }, 2},
		} {
			s.must(step.do)
			if got := s.thread(id).Votes; got != step.votes {
				t.Errorf("after step %d there are %d votes, expected %d", i, got, step.votes)
			}
		}
		if got := s.thread(id).Devices; len(got) != 2 || got[1].Device != "umi" || got[1].Affected != 2 {
			t.Errorf("devices: %+v", got)
		}
		if err := s.do(func(tx *db.Tx) error { return Vote(tx, 99, ana, true) }); !errors.Is(err, ErrNotFound) {
			t.Errorf("a vote for thread 99 gives %v, expected ErrNotFound", err)
		}
		if err := s.do(func(tx *db.Tx) error { return FixMerged(tx, 99, "c1") }); !errors.Is(err, ErrNotFound) {
			t.Errorf("a fix of thread 99 gives %v, expected ErrNotFound", err)
		}
	})
}

func TestList(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := newStory(t, d)
		file := func(n NewThread) {
			n.Body, n.AuthorID = "Text.", ana
			s.must(func(tx *db.Tx) error { _, err := New(tx, n); return err })
		}
		file(NewThread{Kind: Bug, Title: "Camera closes at 100% zoom", Part: "Camera", Devices: []string{"umi"}})
		file(NewThread{Kind: Bug, Title: "Battery drains", Part: "Battery", Devices: []string{"hlte"}})
		file(NewThread{Kind: Idea, Title: "Camera: remember the last mode", Part: "Camera"})
		file(NewThread{Kind: Talk, Title: "Hello"})
		s.fixedIn(1, umi2)
		s.must(func(tx *db.Tx) error { return Mark(tx, 2, maintainer, Declined, AnyDevice, "Old cell.") })
		s.must(func(tx *db.Tx) error { return Vote(tx, 2, ben, true) })
		s.must(func(tx *db.Tx) error { return Hide(tx, 4, maintainer, true) })
		for _, c := range []struct {
			name string
			f    Filter
			ids  string
		}{
			{"all, newest first", Filter{}, "[3 2 1]"},
			{"hidden ones too", Filter{Hidden: true}, "[4 3 2 1]"},
			{"hot", Filter{Order: Hot}, "[2 3 1]"},
			{"bugs", Filter{Kind: Bug}, "[2 1]"},
			{"by part", Filter{Part: "Camera"}, "[3 1]"},
			{"on umi, and what names no device", Filter{Device: "umi"}, "[3 1]"},
			{"in release", Filter{State: InRelease}, "[1]"},
			{"in that state on that device", Filter{Device: "hlte", State: InRelease}, "[]"},
			{"fixed in", Filter{Release: "26.11.27"}, "[1]"},
			{"open", Filter{Open: true}, "[3 1]"},
			{"words", Filter{Words: "CAMERA zoom"}, "[1]"},
			{"a percent sign is a percent sign", Filter{Words: "100%"}, "[1]"},
			{"and no wildcard", Filter{Words: "a%a"}, "[]"},
			{"second page", Filter{Limit: 2, Offset: 2}, "[1]"},
		} {
			s.must(func(tx *db.Tx) error {
				threads, _, err := List(tx, c.f)
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
	ok := NewThread{Kind: Bug, Title: "T", Body: "B", AuthorID: ana, Part: "Camera"}
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := newStory(t, d)
		for _, c := range []struct {
			field  string
			change func(n *NewThread)
		}{
			{"kind", func(n *NewThread) { n.Kind = "rant" }},
			{"title", func(n *NewThread) { n.Title = " \t\x00" }},
			{"title", func(n *NewThread) { n.Title = strings.Repeat("é", MaxTitle+1) }},
			{"body", func(n *NewThread) { n.Body = "\n" }},
			{"body", func(n *NewThread) { n.Body = strings.Repeat("x", MaxBody+1) }},
			{"part", func(n *NewThread) { n.Part = "" }},
			{"part", func(n *NewThread) { n.Part = "Fridge" }},
			{"device", func(n *NewThread) { n.Devices = make([]string, MaxDevices+1) }},
			{"build", func(n *NewThread) { n.Build = strings.Repeat("1", 65) }},
		} {
			n := ok
			c.change(&n)
			var input *InputError
			if err := s.do(func(tx *db.Tx) error { _, err := New(tx, n); return err }); !errors.As(err, &input) || input.Field != c.field {
				t.Errorf("%q gives %v, expected a mistake in %s", n.Title, err, c.field)
			}
		}
		n := ok
		n.Title, n.Body = "a\x00b\u202e\nc", "x\x00y\xff"
		s.must(func(tx *db.Tx) error { _, err := New(tx, n); return err })
		s.must(func(tx *db.Tx) error {
			posts, err := Posts(tx, 1)
			if err == nil && posts[0].Body != "xy\uFFFD" {
				t.Errorf("body is %q", posts[0].Body)
			}
			return err
		})
	})
}
