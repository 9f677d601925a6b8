package poll_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/feedback"
	. "github.com/fridayos/friday/internal/feedback/feedbacktest"
	"github.com/fridayos/friday/internal/feedback/order"
	"github.com/fridayos/friday/internal/feedback/poll"
)

func put(s *Story, v feedback.Viewer, n poll.NewPoll) (id int64, err error) {
	err = s.Do(func(tx *db.Tx) (err error) { id, err = poll.New(tx, v, n); return err })
	return id, err
}

func vote(s *Story, member, id int64, places ...int) error {
	return s.Do(func(tx *db.Tx) error { return poll.Vote(tx, As(member), id, places...) })
}

func sees(s *Story, v feedback.Viewer, id int64) (p poll.Poll) {
	s.T.Helper()
	s.Must(func(tx *db.Tx) (err error) { p, err = poll.ByID(tx, v, id); return err })
	return p
}

func counts(p poll.Poll) string {
	var all []string
	for _, c := range p.Choices {
		all = append(all, fmt.Sprint(c.Words, c.Votes, c.Mine))
	}
	return fmt.Sprint(p.Open, p.Counted, p.Voters, all)
}

func TestPoll(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := New(t, d)
		thread := s.File(feedback.NewThread{Kind: feedback.Talk, Title: "26.11.27"})
		n := poll.NewPoll{ThreadID: thread, Question: "Liked most?", Choices: []string{"Camera", " ", "Battery"}, Release: "26.11.27", EndsAt: s.Now.Add(24 * time.Hour)}
		id, err := put(s, As(Ana), n)
		if err != nil {
			t.Fatal(err)
		}
		n.Question, n.Many = "Not good enough?", true
		many, err := put(s, Moderator(), n)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(vote(s, Ana, id, 0), vote(s, Ben, id, 0), vote(s, Ben, id, 1), vote(s, Ana, many, 0, 1, 1)); err != nil {
			t.Fatal(err)
		}
		var input *feedback.InputError
		for name, err := range map[string]error{"two of one": vote(s, Cem, id, 0, 1), "no such choice": vote(s, Cem, id, 2), "below": vote(s, Cem, id, -1), "nobody": vote(s, 0, id, 0)} {
			if !errors.As(err, &input) || input.Field != "choice" {
				t.Errorf("%s gives %v", name, err)
			}
		}
		for _, c := range []struct {
			v    feedback.Viewer
			id   int64
			want string
		}{
			{As(Ana), id, "true true 2 [Camera1 true Battery1 false]"},
			{As(Cem), id, "true false 0 [Camera0 false Battery0 false]"}, // not before the own vote
			{Moderator(), id, "true false 0 [Camera0 false Battery0 false]"},
			{As(Ana), many, "true true 1 [Camera1 true Battery1 true]"},
		} {
			if got := counts(sees(s, c.v, c.id)); got != c.want {
				t.Errorf("%+v sees %s, expected %s", c.v, got, c.want)
			}
		}
		if err := vote(s, Ana, id); err != nil { // taken back
			t.Fatal(err)
		}
		if err := s.Do(func(tx *db.Tx) error { return poll.Close(tx, As(Ben), id) }); !errors.As(err, &input) {
			t.Errorf("someone else closes it: %v", err)
		}
		s.Must(func(tx *db.Tx) error { return poll.Close(tx, As(Ana), id) })
		if got := counts(sees(s, As(Cem), id)); got != "false true 1 [Camera0 false Battery1 false]" {
			t.Errorf("closed: %s", got)
		}
		s.Now = s.Now.Add(24 * time.Hour)
		if p := sees(s, feedback.Viewer{}, many); p.Open || !p.Counted {
			t.Errorf("past its end: %+v", p)
		}
		for _, over := range []int64{id, many} {
			if err := vote(s, Cem, over, 0); !errors.As(err, &input) {
				t.Errorf("a vote after the end gives %v", err)
			}
		}
		about := func(v feedback.Viewer) (n int) {
			s.Must(func(tx *db.Tx) error { all, err := poll.About(tx, v, "26.11.27"); n = len(all); return err })
			return n
		}
		if got := about(As(Cem)); got != 2 {
			t.Errorf("%d polls are about the release", got)
		}
		s.Must(func(tx *db.Tx) error { return feedback.Hide(tx, thread, Maintainer, true) })
		if got := about(As(Cem)); got != 0 {
			t.Errorf("%d polls of a hidden thread are about the release", got)
		}
		if err := s.Do(func(tx *db.Tx) error { _, err := poll.ByID(tx, As(Cem), id); return err }); !errors.Is(err, feedback.ErrNotFound) {
			t.Errorf("a poll of a hidden thread gives %v", err)
		}
	})
}

func TestPollsMoveWithTheirThread(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := New(t, d)
		a, b := s.File(feedback.NewThread{Kind: feedback.Talk}), s.File(feedback.NewThread{Kind: feedback.Talk})
		if _, err := put(s, As(Ana), poll.NewPoll{ThreadID: b, Question: "?", Choices: []string{"x", "y"}}); err != nil {
			t.Fatal(err)
		}
		s.Must(func(tx *db.Tx) error { return order.Merge(tx, 8, b, a) })
		s.Must(func(tx *db.Tx) error {
			all, err := poll.Of(tx, As(Ben), b)
			if len(all) != 1 || all[0].ThreadID != a {
				t.Errorf("after the merge: %+v", all)
			}
			return err
		})
	})
}

func TestWhatIsNoPoll(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := New(t, d)
		thread := s.File(feedback.NewThread{Kind: feedback.Talk})
		ok := poll.NewPoll{ThreadID: thread, Question: "?", Choices: []string{"x", "y"}}
		for _, c := range []struct {
			field  string
			change func(n *poll.NewPoll)
		}{
			{"question", func(n *poll.NewPoll) { n.Question = " \n" }},
			{"question", func(n *poll.NewPoll) { n.Question = strings.Repeat("x", poll.MaxQuestion+1) }},
			{"choice", func(n *poll.NewPoll) { n.Choices = []string{"x", ""} }},
			{"choice", func(n *poll.NewPoll) { n.Choices = []string{"x", " X"} }},
			{"choice", func(n *poll.NewPoll) { n.Choices = make([]string, 99); n.Choices[0] = "x" }},
			{"choice", func(n *poll.NewPoll) { n.Choices[1] = strings.Repeat("x", poll.MaxWords+1) }},
			{"release", func(n *poll.NewPoll) { n.Release = strings.Repeat("1", 65) }},
			{"ends", func(n *poll.NewPoll) { n.EndsAt = s.Now.Add(-time.Hour) }},
			{"ends", func(n *poll.NewPoll) { n.EndsAt = s.Now.Add(2 * poll.MaxLength) }},
		} {
			n := ok
			n.Choices = []string{"x", "y"}
			c.change(&n)
			var input *feedback.InputError
			if _, err := put(s, As(Ana), n); !errors.As(err, &input) || input.Field != c.field {
				t.Errorf("%+v gives %v, expected a mistake in %s", n, err, c.field)
			}
		}
		var input *feedback.InputError
		if _, err := put(s, As(Ben), ok); !errors.As(err, &input) {
			t.Errorf("another member's poll gives %v", err)
		}
		for range poll.MaxPolls {
			if _, err := put(s, As(Ana), ok); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := put(s, As(Ana), ok); !errors.As(err, &input) {
			t.Errorf("one poll too many gives %v", err)
		}
		ok.ThreadID = 77
		if _, err := put(s, As(Ana), ok); !errors.Is(err, feedback.ErrNotFound) {
			t.Errorf("a poll in no thread gives %v", err)
		}
	})
}
