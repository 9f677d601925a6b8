package feedback_test

import (
	"testing"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/feedback"
	. "github.com/fridayos/friday/internal/feedback/feedbacktest"
)

func TestPast(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := New(t, d)
		at := time.Date(2026, 11, 27, 9, 0, 0, 0, time.UTC)
		d.SetClock(func() time.Time { return at })
		past := func() (p feedback.Past) {
			s.Must(func(tx *db.Tx) (err error) { p, err = feedback.PastOf(tx, Ana); return err })
			return p
		}
		if p := past(); p.Posts != 0 || p.Hour != 0 || p.Threads != 0 || !p.Last.IsZero() || len(p.Recent) != 0 {
			t.Errorf("before the first post: %+v", p)
		}
		id := s.Bug("umi") // Ana's
		at = at.Add(2 * time.Hour)
		post := s.Reply(As(Ana), id, "once more")
		s.Reply(As(Ana), id, "and again")
		s.Must(func(tx *db.Tx) error { return feedback.HidePost(tx, 8, post.ID, true) })
		if p := past(); p.Posts != 2 || p.Hour != 2 || p.Threads != 1 || !p.Last.Equal(at) || len(p.Recent) != 3 || p.Recent[0] != "and again" {
			t.Errorf("after three posts, one of them hidden: %+v", p)
		}
		at = at.Add(25 * time.Hour)
		if p := past(); p.Posts != 2 || p.Hour != 0 || p.Threads != 0 || len(p.Recent) != 0 {
			t.Errorf("a day later: %+v", p)
		}
	})
}
