package feedback_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/feedback"
	. "github.com/fridayos/friday/internal/feedback/feedbacktest"
	"github.com/fridayos/friday/internal/feedback/order"
	"github.com/fridayos/friday/internal/feedback/revision"
	"github.com/fridayos/friday/internal/feedback/stake"
	"github.com/fridayos/friday/internal/member"
)

// Whoever looks, and however: what MaySee says is what each read finds.
func TestEachReadKeepsTheOneRule(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := New(t, d)
		const named = int64(20)
		viewers := map[string]feedback.Viewer{
			"nobody": {}, "the author": As(Ana), "a member": As(Ben), "one named": As(named), "a moderator": Moderator(),
			"a moderator who is named": {Member: named, Moderates: true}, "the author, a moderator": {Member: Ana, Moderates: true}, "everything": feedback.Everything(),
		}
		for _, hidden := range []bool{false, true} {
			for _, private := range []bool{false, true} {
				n := feedback.NewThread{Title: "Lock screen lets anyone in", Devices: []string{"umi"}, Private: private}
				if private {
					n.Named = []int64{named}
				}
				id := s.File(n)
				if private != (id >= 1_000_000_000) {
					t.Fatalf("a thread, private %v, has the number %d", private, id)
				}
				p := s.Posts(feedback.Everything(), id)[0]
				s.Mark(id, feedback.Declined, "No.")
				s.Must(func(tx *db.Tx) error { return feedback.Object(tx, As(Ana), id, "Yes.") })
				s.Must(func(tx *db.Tx) error { return feedback.Hide(tx, id, Maintainer, hidden) })
				for name, v := range viewers {
					sees := v.MaySee(feedback.Sight{Hidden: hidden, Private: private, Author: Ana, Named: v.Member == named})
					s.Must(func(tx *db.Tx) error {
						for read, err := range map[string]error{
							"ByID":     second(feedback.ByID(tx, v, id)),
							"Posts":    second(feedback.Posts(tx, v, id)),
							"PageAt":   second(feedback.PageAt(tx, v, id, 1)),
							"PostByID": third(feedback.PostByID(tx, v, p.ID)),
							"States":   second(feedback.States(tx, v, id)),
							"EventsOf": second(feedback.EventsOf(tx, v, id)),
							"TallyOf":  second(feedback.TallyOf(tx, v, id)),
							"stake":    second(stake.Of(tx, v, id)),
							"Named":    second(order.Named(tx, v, id)),
							"history":  third(revision.History(tx, v, p.ID)),
							"List":     found(feedback.List(tx, v, feedback.Filter{Hidden: true}))(id),
							"objected": objected(feedback.Objections(tx, v))(id),
						} {
							if sees != (err == nil) || err != nil && !errors.Is(err, feedback.ErrNotFound) {
								t.Errorf("hidden %v, private %v: %s by %s gives %v, expected to be seen: %v", hidden, private, read, name, err, sees)
							}
						}
						public, err := feedback.Public(tx, []int64{id})
						if err != nil || (len(public) == 1) != (!hidden && !private) {
							t.Errorf("hidden %v, private %v: public %v, %v", hidden, private, public, err)
						}
						return nil
					})
				}
			}
		}
	})
}

func second[T any](_ T, err error) error        { return err }
func third[T, U any](_ T, _ U, err error) error { return err }

func found(threads []feedback.Thread, _ bool, err error) func(int64) error {
	return func(id int64) error {
		for _, t := range threads {
			if t.ID == id {
				return err
			}
		}
		return errors.Join(err, feedback.ErrNotFound)
	}
}

func objected(all []feedback.Objection, err error) func(int64) error {
	return func(id int64) error {
		for _, o := range all {
			if o.Thread.ID == id {
				return err
			}
		}
		return errors.Join(err, feedback.ErrNotFound)
	}
}

// A stranger can do nothing to a thread that is not there for them.
func TestNobodyActsOnWhatTheyDoNotSee(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := New(t, d)
		id := s.File(feedback.NewThread{Devices: []string{"umi"}, Private: true, Named: []int64{Maintainer}})
		p := s.Posts(As(Ana), id)[0]
		for name, do := range map[string]func(tx *db.Tx) error{
			"reply":  func(tx *db.Tx) error { return second(feedback.Reply(tx, Moderator(), id, "What?")) },
			"vote":   func(tx *db.Tx) error { return stake.Vote(tx, As(Ben), id, true) },
			"watch":  func(tx *db.Tx) error { return stake.Watch(tx, As(Ben), id, true) },
			"mute":   func(tx *db.Tx) error { return stake.Mute(tx, As(Ben), id) },
			"me too": func(tx *db.Tx) error { return stake.MeToo(tx, As(Ben), id, "umi") },
			"object": func(tx *db.Tx) error { return feedback.Object(tx, As(Ben), id, "No.") },
			"answer": func(tx *db.Tx) error { return feedback.Answer(tx, As(Ben), id, "umi", feedback.Works) },
			"accept": func(tx *db.Tx) error { return feedback.Accept(tx, Moderator(), id, p.ID) },
			"edit":   func(tx *db.Tx) error { return second(revision.Edit(tx, Moderator(), p.ID, "No.")) },
			"name":   func(tx *db.Tx) error { return order.Name(tx, As(Ben), id, Ben) },
		} {
			if err := s.Do(do); !errors.Is(err, feedback.ErrNotFound) {
				t.Errorf("%s gives %v, expected ErrNotFound", name, err)
			}
		}
	})
}

func TestPrivateThreadsOpenWithTheFix(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := New(t, d)
		id := s.File(feedback.NewThread{Devices: []string{"umi", "hlte"}, Private: true, Named: []int64{Maintainer}})
		if next := s.Bug("umi"); next != 1 {
			t.Errorf("the thread after a private one is %d, expected 1: its number tells of it", next)
		}
		s.Must(func(tx *db.Tx) error { return order.Name(tx, As(Maintainer), id, Cem) })
		if err := s.Do(func(tx *db.Tx) error { return order.Name(tx, As(Ana), id, Ben) }); err == nil {
			t.Error("the reporter could show it to others")
		}
		s.Must(func(tx *db.Tx) error {
			all, err := order.Named(tx, As(Cem), id)
			if fmt.Sprint(all) != fmt.Sprint([]int64{Maintainer, Cem}) {
				t.Errorf("it is shown to %v", all)
			}
			return err
		})
		s.FixedIn(id, Umi2)
		if !s.Thread(id).Private {
			t.Fatal("it is open while hlte has no fix")
		}
		s.FixedIn(id, Hlte2)
		if s.Thread(id).Private {
			t.Fatal("it is private still, expected it open: each device has a fix in a release")
		}
		s.Must(func(tx *db.Tx) error { return second(feedback.ByID(tx, feedback.Viewer{}, id)) })
		opened := 0
		for _, e := range s.Events(0) {
			if e.Kind == feedback.EventOpened && e.ThreadID == id {
				opened++
			}
		}
		if opened != 1 {
			t.Errorf("%d events say that it opened, expected 1", opened)
		}
		other := s.File(feedback.NewThread{Private: true, Named: []int64{Maintainer}})
		s.Must(func(tx *db.Tx) error { return feedback.Publish(tx, other, Maintainer) })
		s.Must(func(tx *db.Tx) error { return second(feedback.ByID(tx, feedback.Viewer{}, other)) })
	})
}

// Mentions, quotes and hidden posts tell nobody of what they do not see.
func TestMentionsAndQuotes(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := New(t, d)
		ana, ben, mo := s.Member("ana"), s.Member("Ben"), s.Member("mo", member.Moderator, member.Admin)
		told := func(after int64, kind feedback.EventKind) (who []int64) {
			for _, e := range s.Events(after) {
				if e.Kind == kind {
					who = append(who, e.Member)
				}
			}
			return who
		}
		id := s.File(feedback.NewThread{AuthorID: ana, Body: "@ben, @mo, @nobody-here, @ana: look."})
		if got := told(0, feedback.EventMention); fmt.Sprint(got) != fmt.Sprint([]int64{ben, mo}) {
			t.Errorf("%v are mentioned, expected ben and mo", got)
		}
		last := int64(len(s.Events(0)))
		secret := s.File(feedback.NewThread{AuthorID: ana, Body: "@ben and @mo", Private: true, Named: []int64{mo}})
		if got := told(last, feedback.EventMention); fmt.Sprint(got) != fmt.Sprint([]int64{mo}) {
			t.Errorf("in a private thread %v are mentioned, expected mo alone", got)
		}
		last = int64(len(s.Events(0)))
		first, inSecret := s.Posts(As(ana), id)[0], s.Posts(As(ana), secret)[0]
		p := s.Reply(As(ben), id, "> look.\n\nI see.", first.ID, first.ID, inSecret.ID, 12345)
		if got := told(last, feedback.EventQuote); fmt.Sprint(got) != fmt.Sprint([]int64{ana}) {
			t.Errorf("%v are quoted, expected ana once", got)
		}
		quotes := func(v feedback.Viewer) (all []feedback.Quote) {
			s.Must(func(tx *db.Tx) (err error) { all, err = feedback.QuotesOf(tx, v, id); return err })
			return all
		}
		if got := quotes(As(ben)); len(got) != 1 || got[0] != (feedback.Quote{PostID: p.ID, QuotedID: first.ID, ThreadID: id, AuthorID: ana}) {
			t.Errorf("quotes: %+v", got)
		}
		last = int64(len(s.Events(0)))
		s.Must(func(tx *db.Tx) error { return second(revision.Edit(tx, As(ana), first.ID, "@ben, @mo: look again.")) })
		if got := told(last, feedback.EventMention); len(got) > 0 {
			t.Errorf("an edit mentions %v once more", got)
		}
		s.Must(func(tx *db.Tx) error { return feedback.HidePost(tx, mo, first.ID, true) })
		if got := quotes(As(ben)); len(got) > 0 {
			t.Errorf("a hidden post is linked: %+v", got)
		}
		for _, c := range []struct {
			v    feedback.Viewer
			body string
		}{{feedback.Viewer{}, ""}, {As(ben), ""}, {As(ana), "@ben, @mo: look again."}, {feedback.Viewer{Member: mo, Moderates: true}, "@ben, @mo: look again."}} {
			if got := s.Posts(c.v, id)[0]; got.Body != c.body || !got.Hidden {
				t.Errorf("%+v reads %q of a hidden post, expected %q", c.v, got.Body, c.body)
			}
		}
		if err := s.Do(func(tx *db.Tx) error { return third(revision.History(tx, As(ben), first.ID)) }); !errors.Is(err, feedback.ErrNotFound) {
			t.Errorf("the edits of a hidden post give %v", err)
		}
	})
}
