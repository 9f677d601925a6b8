package feedback

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
)

func (s *story) events(after int64) (all []Event) {
	s.t.Helper()
	s.must(func(tx *db.Tx) (err error) { all, err = Events(tx, after, 0); return err })
	return all
}

func TestEventsTellTheWholeWay(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := newStory(t, d)
		id := s.bug("umi")
		s.must(func(tx *db.Tx) error { _, err := Reply(tx, id, ben, "Here too."); return err })
		s.must(func(tx *db.Tx) error { return MeToo(tx, id, ben, "umi") })
		s.must(func(tx *db.Tx) error { return MeToo(tx, id, ben, "umi") }) // tells nothing new
		s.must(func(tx *db.Tx) error { return Mark(tx, id, maintainer, Declined, AnyDevice, "The lens has no more.") })
		s.must(func(tx *db.Tx) error { return Object(tx, id, ana, "It has.") })
		s.fixedIn(id, umi2)
		s.fixedIn(id, umi2) // nor does this
		s.runs(ana, umi2)
		s.runs(ben, umi2)
		s.must(func(tx *db.Tx) error { return Answer(tx, id, ben, "umi", Unsure) })
		s.must(func(tx *db.Tx) error { return Answer(tx, id, ana, "umi", Works) })
		s.must(func(tx *db.Tx) error { return Hide(tx, id, maintainer, true) })
		s.must(func(tx *db.Tx) error { return Hide(tx, id, maintainer, true) })
		want := []string{
			"filed 1", "posted 2", "affected 2 umi", "state 9 umi declined", "objected 1", "state 1 umi under-discussion",
			"state 0 umi fix-merged", "state 0 umi in-release", "released 0 umi", "asked 0 umi", "state 1 umi on-handset", "asked 0 umi",
			"answered 2 umi", "answered 1 umi", "state 1 umi confirmed", "hidden 9",
		}
		var got []string
		all := s.events(0)
		for i, e := range all {
			if e.ID != int64(i+1) || e.ThreadID != id || e.At.IsZero() {
				t.Errorf("event %d: %+v", i, e)
			}
			line := fmt.Sprintf("%s %d", e.Kind, e.Actor)
			if e.Device != "" {
				line += " " + e.Device
			}
			if e.State != "" {
				line += " " + string(e.State)
			}
			got = append(got, line)
		}
		if !slices.Equal(got, want) {
			t.Errorf("events are\n%q, expected\n%q", got, want)
		}
		if e := all[3]; e.Reason != "The lens has no more." {
			t.Errorf("declined: %+v", e)
		}
		if e := all[8]; e.Release != umi2.Version || e.Build != umi2.ID {
			t.Errorf("released: %+v", e)
		}
		if e := all[11]; e.Member != ben || e.Build != umi2.ID {
			t.Errorf("asked: %+v", e)
		}
		if rest := s.events(14); len(rest) != 2 || rest[0].ID != 15 {
			t.Errorf("after 14: %+v", rest)
		}
		s.must(func(tx *db.Tx) error {
			last, err := LastEvent(tx)
			if last != int64(len(want)) {
				t.Errorf("the last event is %d, expected %d", last, len(want))
			}
			return err
		})
	})
}

// What failed leaves no event and no gap.
func TestEventsOfWhatFailedAreNone(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := newStory(t, d)
		id := s.bug("umi")
		no := errors.New("no")
		if err := s.do(func(tx *db.Tx) error {
			if _, err := Reply(tx, id, ben, "Gone."); err != nil {
				return err
			}
			return no
		}); !errors.Is(err, no) {
			t.Fatalf("the transaction gives %v", err)
		}
		s.must(func(tx *db.Tx) error { _, err := Reply(tx, id, ben, "Here."); return err })
		if all := s.events(0); len(all) != 2 || all[1].ID != 2 {
			t.Errorf("events: %+v", all)
		}
	})
}

// A reader that goes on from the last id it saw, while many write, sees every
// event once.
func TestEventsCannotBeMissed(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		const writers, each = 4, 12
		s := newStory(t, d)
		for range writers {
			s.bug("umi")
		}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		var writing sync.WaitGroup
		for w := range writers {
			writing.Go(func() {
				for i := range each {
					if err := d.Write(ctx, func(tx *db.Tx) error {
						_, err := Reply(tx, int64(w+1), ben, fmt.Sprintf("Post %d.", i))
						return err
					}); err != nil {
						t.Error(err)
						stop()
						return
					}
				}
			})
		}
		done := make(chan struct{})
		go func() { writing.Wait(); close(done) }()
		var seen, last int64
		for ended := false; ; {
			select {
			case <-done:
				ended = true // what was written before is read once more
			default:
			}
			var some []Event
			if err := d.Read(ctx, func(tx *db.Tx) (err error) { some, err = Events(tx, last, 7); return err }); err != nil {
				t.Fatal(err)
			}
			for _, e := range some {
				if e.ID != last+1 {
					t.Fatalf("after event %d comes %d: one was missed, or came late", last, e.ID)
				}
				last, seen = e.ID, seen+1
			}
			if ended && len(some) == 0 {
				break
			}
		}
		if want := int64(writers * (1 + each)); seen != want {
			t.Errorf("%d events were seen, expected %d", seen, want)
		}
	})
}
