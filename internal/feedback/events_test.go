package feedback_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/feedback"
	. "github.com/fridayos/friday/internal/feedback/feedbacktest"
	"github.com/fridayos/friday/internal/feedback/stake"
)

func TestEventsTellTheWholeWay(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := New(t, d)
		id := s.Bug("umi")
		s.Must(func(tx *db.Tx) error { _, err := feedback.Reply(tx, As(Ben), id, "Here too."); return err })
		s.Must(func(tx *db.Tx) error { return stake.MeToo(tx, As(Ben), id, "umi") })
		s.Must(func(tx *db.Tx) error { return stake.MeToo(tx, As(Ben), id, "umi") }) // tells nothing new
		s.Must(func(tx *db.Tx) error {
			return feedback.Mark(tx, Maintainer, id, feedback.Word{State: feedback.Declined, Reason: "The lens has no more."})
		})
		s.Must(func(tx *db.Tx) error { return feedback.Object(tx, As(Ana), id, "It has.") })
		s.FixedIn(id, Umi2)
		s.FixedIn(id, Umi2) // nor does this
		s.Runs(Ana, Umi2)
		s.Runs(Ben, Umi2)
		s.Must(func(tx *db.Tx) error { return feedback.Answer(tx, As(Ben), id, "umi", feedback.Unsure) })
		s.Must(func(tx *db.Tx) error { return feedback.Answer(tx, As(Ana), id, "umi", feedback.Works) })
		s.Must(func(tx *db.Tx) error { return feedback.Hide(tx, id, Maintainer, true) })
		s.Must(func(tx *db.Tx) error { return feedback.Hide(tx, id, Maintainer, true) })
		want := []string{
			"filed 1", "posted 2", "affected 2 umi", "state 9 umi declined", "objected 1", "state 1 umi under-discussion",
			"state 0 umi fix-merged", "state 0 umi in-release", "released 0 umi", "asked 0 umi", "state 1 umi on-handset", "asked 0 umi",
			"answered 2 umi", "answered 1 umi", "state 1 umi confirmed", "hidden 9",
		}
		var got []string
		all := s.Events(0)
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
		if e := all[8]; e.Release != Umi2.Version || e.Build != Umi2.ID {
			t.Errorf("released: %+v", e)
		}
		if e := all[11]; e.Member != Ben || e.Build != Umi2.ID {
			t.Errorf("asked: %+v", e)
		}
		if rest := s.Events(14); len(rest) != 2 || rest[0].ID != 15 {
			t.Errorf("after 14: %+v", rest)
		}
		s.Must(func(tx *db.Tx) error {
			last, err := feedback.LastEvent(tx)
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
		s := New(t, d)
		id := s.Bug("umi")
		no := errors.New("no")
		if err := s.Do(func(tx *db.Tx) error {
			if _, err := feedback.Reply(tx, As(Ben), id, "Gone."); err != nil {
				return err
			}
			return no
		}); !errors.Is(err, no) {
			t.Fatalf("the transaction gives %v", err)
		}
		s.Must(func(tx *db.Tx) error { _, err := feedback.Reply(tx, As(Ben), id, "Here."); return err })
		if all := s.Events(0); len(all) != 2 || all[1].ID != 2 {
			t.Errorf("events: %+v", all)
		}
	})
}

// A reader that goes on from the last id it saw, while many write, sees every
// event once.
func TestEventsCannotBeMissed(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		const writers, each = 4, 12
		s := New(t, d)
		for range writers {
			s.Bug("umi")
		}
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		var writing sync.WaitGroup
		for w := range writers {
			writing.Go(func() {
				for i := range each {
					if err := d.Write(ctx, func(tx *db.Tx) error {
						_, err := feedback.Reply(tx, As(Ben), int64(w+1), fmt.Sprintf("Post %d.", i))
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
			var some []feedback.Event
			if err := d.Read(ctx, func(tx *db.Tx) (err error) { some, err = feedback.Events(tx, last, 7); return err }); err != nil {
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
