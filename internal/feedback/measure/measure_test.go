package measure_test

import (
	"testing"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/feedback"
	. "github.com/fridayos/friday/internal/feedback/feedbacktest"
	"github.com/fridayos/friday/internal/feedback/measure"
	"github.com/fridayos/friday/internal/feedback/order"
	"github.com/fridayos/friday/internal/feedback/survival"
)

func curve(s *Story, device string) (c survival.Curve) {
	s.T.Helper()
	s.Must(func(tx *db.Tx) (err error) { c, err = measure.DaysToFix(tx, device); return err })
	return c
}

// One of four is fixed after two days, one declined, one open, one of another
// device: the median is not known, whatever the survivors say.
func TestOpenReportsCount(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := New(t, d)
		if c := curve(s, ""); c.Count != 0 || c.Quantile(.5).Reached {
			t.Errorf("of nothing: %+v", c)
		}
		fixed, declined := s.Bug("umi"), s.Bug("umi")
		s.Bug("umi")
		s.Bug("hlte")
		s.File(feedback.NewThread{Kind: feedback.Idea})
		s.File(feedback.NewThread{Private: true, Named: []int64{Maintainer}, Devices: []string{"umi"}})
		s.Mark(declined, feedback.Declined, "No.")
		s.FixedIn(fixed, Umi2)
		s.Runs(Ana, Umi2)
		s.Now = s.Thread(fixed).CreatedAt.Add(47 * time.Hour) // the answer comes an hour later
		s.Answer(fixed, Ana, "umi", feedback.Works)
		s.Now = s.Now.AddDate(0, 0, 8)
		c := curve(s, "umi")
		if c.Count != 3 || c.Happened != 1 || len(c.Points) != 1 || c.Points[0].Time != 2 || c.Points[0].AtRisk != 3 {
			t.Errorf("on umi: %+v", c)
		}
		if q := c.Quantile(.5); q.Reached {
			t.Errorf("the median is %v days, expected it not to be reached", q.Time)
		}
		if all := curve(s, feedback.AnyDevice); all.Count != 4 {
			t.Errorf("on all devices there are %d reports, expected 4", all.Count)
		}
	})
}

func TestShare(t *testing.T) {
	for _, c := range []struct {
		affected int
		active   int64
		share    float64
		ok       bool
	}{{3, 0, 0, false}, {3, -1, 0, false}, {3, 300, .01, true}, {3, 2, 1, true}, {0, 10, 0, true}} {
		if share, ok := measure.Share(c.affected, c.active); share != c.share || ok != c.ok {
			t.Errorf("%d of %d: %v, %v", c.affected, c.active, share, ok)
		}
	}
}

func TestEarned(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := New(t, d)
		first, dup := s.Bug("umi"), s.File(feedback.NewThread{AuthorID: Ben, Devices: []string{"umi"}})
		s.Must(func(tx *db.Tx) error { return order.Point(tx, As(Cem), dup, first) })
		s.Must(func(tx *db.Tx) error { return order.Point(tx, As(Ben), dup, first) }) // of his own: no credit
		own := s.File(feedback.NewThread{Kind: feedback.Question, AuthorID: Cem})
		q := s.File(feedback.NewThread{Kind: feedback.Question})
		for id, asker := range map[int64]int64{own: Cem, q: Ana} {
			p := s.Reply(As(Cem), id, "So.")
			s.Must(func(tx *db.Tx) error { return feedback.Accept(tx, As(asker), id, p.ID) })
		}
		earned := func(member int64) (e measure.Earned) {
			s.Must(func(tx *db.Tx) (err error) { e, err = measure.EarnedBy(tx, member); return err })
			return e
		}
		if got := earned(Cem); got != (measure.Earned{Answers: 1}) {
			t.Errorf("before the merge: %+v", got)
		}
		s.Must(func(tx *db.Tx) error { return order.Merge(tx, 8, dup, first) })
		s.FixedIn(first, Umi2)
		s.Runs(Ana, Umi2)
		s.Answer(first, Ana, "umi", feedback.Works)
		for member, want := range map[int64]measure.Earned{
			Ana: {ConfirmedFixes: 1, Tried: 1}, Ben: {ConfirmedFixes: 1}, Cem: {Duplicates: 1, Answers: 1}, 77: {},
		} {
			if got := earned(member); got != want {
				t.Errorf("member %d: %+v, expected %+v", member, got, want)
			}
		}
	})
}
