package feedback_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/feedback"
	. "github.com/fridayos/friday/internal/feedback/feedbacktest"
	"github.com/fridayos/friday/internal/feedback/stake"
)

// What is closed as fixed names a build, and is asked about like any other fix.
func TestClosedAsFixed(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := New(t, d)
		id := s.Bug("umi")
		two := s.Bug("umi", "hlte")
		say := func(id int64, w feedback.Word) error {
			w.State, w.Reason, w.Fixed = feedback.Closed, "The vendor fixed it.", true
			return s.Do(func(tx *db.Tx) error { return feedback.Mark(tx, Maintainer, id, w) })
		}
		var input *feedback.InputError
		for name, err := range map[string]error{
			"no build":              say(id, feedback.Word{}),
			"another phone's build": say(id, feedback.Word{Build: Hlte2}),
			"two phones, one build": say(two, feedback.Word{Build: Umi2}),
		} {
			if !errors.As(err, &input) || input.Field != "build" {
				t.Errorf("%s gives %v, expected a mistake in build", name, err)
			}
		}
		if err := say(id, feedback.Word{Build: Umi2}); err != nil {
			t.Fatal(err)
		}
		s.Want(id, "umi", feedback.Closed)
		if th := s.Thread(id); th.Devices[0].Build != Umi2.ID || th.Devices[0].Release != Umi2.Version {
			t.Errorf("closed: %+v", th.Devices[0])
		}
		if got := s.Runs(Ana, Umi1); len(got) > 0 {
			t.Errorf("asked on an older build: %+v", got)
		}
		if got := s.Runs(Ana, Umi2); len(got) != 1 {
			t.Fatalf("on the fixing build %+v is asked", got)
		}
		s.Answer(id, Ana, "umi", feedback.Broken)
		s.Want(id, "umi", feedback.StillThere)
		if err := say(two, feedback.Word{Device: "umi", Build: Umi2}); err != nil {
			t.Fatal(err)
		}
		s.Want(two, "hlte", feedback.Reported)
	})
}

func TestObjectionsWaitForAnAnswer(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := New(t, d)
		a, b := s.Bug("umi"), s.Bug("umi")
		for _, id := range []int64{a, b} {
			s.Mark(id, feedback.Declined, "No.")
			s.Must(func(tx *db.Tx) error { return feedback.Object(tx, As(Ana), id, fmt.Sprint("But ", id)) })
		}
		open := func() (ids []int64) {
			s.Must(func(tx *db.Tx) error {
				all, err := feedback.Objections(tx, As(Maintainer))
				for _, o := range all {
					ids = append(ids, o.Thread.ID)
					if o.Reason != fmt.Sprint("But ", o.Thread.ID) || o.At.IsZero() {
						t.Errorf("objection: %+v", o)
					}
				}
				return err
			})
			return ids
		}
		if got := open(); fmt.Sprint(got) != fmt.Sprint([]int64{a, b}) {
			t.Errorf("objections to %v wait", got)
		}
		s.Mark(a, feedback.Closed, "Still no.")
		if got := open(); fmt.Sprint(got) != fmt.Sprint([]int64{b}) {
			t.Errorf("after an answer objections to %v wait", got)
		}
		s.Must(func(tx *db.Tx) error { return feedback.FixMerged(tx, b, "c1") })
		if got := open(); len(got) != 0 {
			t.Errorf("after a fix objections to %v wait", got)
		}
	})
}

// A pulled release's fixes are in no release any more; the next one brings them.
func TestPulled(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := New(t, d)
		id := s.Bug("umi", "hlte")
		s.FixedIn(id, Umi2, Hlte2)
		s.Runs(Ana, Umi2)
		last := int64(len(s.Events(0)))
		pull := func(b feedback.Build) {
			s.Must(func(tx *db.Tx) error { return feedback.FixPulled(tx, id, b.Version, b, "It eats batteries.") })
		}
		pull(Umi1) // never carried it
		for range 2 {
			pull(Umi2)
		}
		s.Want(id, "umi", feedback.Merged)
		s.Want(id, "hlte", feedback.InRelease)
		if got := s.Asked(Ana); len(got) > 0 {
			t.Errorf("still asked about a pulled release: %+v", got)
		}
		var kinds []string
		for _, e := range s.Events(last) {
			kinds = append(kinds, fmt.Sprint(e.Kind, e.Device, e.State, e.Reason))
		}
		if want := "[stateumifix-mergedIt eats batteries. pulledumiIt eats batteries.]"; fmt.Sprint(kinds) != want {
			t.Errorf("events: %v, expected %v", kinds, want)
		}
		s.Must(func(tx *db.Tx) error { return feedback.FixInRelease(tx, id, Umi3.Version, Umi3) })
		if got := s.Runs(Ana, Umi3); len(got) != 1 || got[0].Release != Umi3.Version {
			t.Errorf("on the next release %+v is asked", got)
		}
	})
}

func TestAcceptedAnswers(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := New(t, d)
		id, bug := s.File(feedback.NewThread{Kind: feedback.Question}), s.Bug("umi")
		p := s.Reply(As(Ben), id, "So.")
		elsewhere := s.Reply(As(Ben), bug, "So.")
		accept := func(v feedback.Viewer, thread, post int64) error {
			return s.Do(func(tx *db.Tx) error { return feedback.Accept(tx, v, thread, post) })
		}
		for name, err := range map[string]error{
			"another's question":     accept(As(Ben), id, p.ID),
			"nobody":                 accept(feedback.Viewer{}, id, p.ID),
			"the question itself":    accept(As(Ana), id, s.Posts(As(Ana), id)[0].ID),
			"a post of elsewhere":    accept(As(Ana), id, elsewhere.ID),
			"a bug has no answer":    accept(As(Ana), bug, elsewhere.ID),
			"a post that never was":  accept(As(Ana), id, 77),
			"a moderator, elsewhere": accept(Moderator(), bug, elsewhere.ID),
		} {
			var input *feedback.InputError
			if !errors.As(err, &input) {
				t.Errorf("%s: %v", name, err)
			}
		}
		for _, v := range []feedback.Viewer{As(Ana), Moderator()} {
			if err := accept(v, id, p.ID); err != nil {
				t.Fatal(err)
			}
			if th := s.Thread(id); th.AcceptedID != p.ID || th.ClosedAt.IsZero() {
				t.Errorf("answered: %+v", th)
			}
			if err := accept(v, id, 0); err != nil {
				t.Fatal(err)
			}
			if th := s.Thread(id); th.AcceptedID != 0 || !th.ClosedAt.IsZero() {
				t.Errorf("taken back: %+v", th)
			}
		}
	})
}

func TestLockedMutedPinned(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := New(t, d)
		id, other := s.Bug("umi"), s.Bug("umi")
		p := s.Reply(As(Ben), id, "One.")
		s.Must(func(tx *db.Tx) error { return feedback.Lock(tx, id, Maintainer, true) })
		var input *feedback.InputError
		if err := s.Do(func(tx *db.Tx) error { return second(feedback.Reply(tx, As(Ben), id, "Two.")) }); !errors.As(err, &input) {
			t.Errorf("a reply to a locked thread gives %v", err)
		}
		if As(Ben).MayEdit(s.Thread(id), p) || !Moderator().MayEdit(s.Thread(id), p) || As(Cem).MayEdit(s.Thread(other), p) {
			t.Error("who may edit is wrong")
		}
		s.Reply(Moderator(), id, "Enough.")
		s.Must(func(tx *db.Tx) error { return stake.Mute(tx, As(Ben), id) })
		s.Must(func(tx *db.Tx) error { return stake.Mute(tx, As(Ana), id) })
		s.Must(func(tx *db.Tx) error {
			watch, muted, err := stake.Watchers(tx, id)
			if fmt.Sprint(watch, muted) != "[8] [1 2]" {
				t.Errorf("%v watch, %v muted it", watch, muted)
			}
			st, err2 := stake.Of(tx, As(Ben), id)
			if st.Watches || !st.Muted {
				t.Errorf("stake: %+v", st)
			}
			return errors.Join(err, err2)
		})
		s.FixedIn(id, Umi2)
		if got := s.Runs(Ben, Umi2); len(got) > 0 {
			t.Errorf("who muted it and has it not is asked %+v", got)
		}
		if got := s.Runs(Ana, Umi2); len(got) != 1 {
			t.Errorf("who reported it is asked %+v, muted or not", got)
		}
		s.Must(func(tx *db.Tx) error { return feedback.Pin(tx, id, Maintainer, true) })
		s.Reply(As(Ben), other, "Newer.")
		s.Must(func(tx *db.Tx) error {
			all, _, err := feedback.List(tx, As(Ben), feedback.Filter{})
			if len(all) != 2 || all[0].ID != id {
				t.Errorf("the pinned thread is not first: %+v", all)
			}
			return err
		})
	})
}

// Whose updater is another says what the phone runs, and is asked like others.
func TestInstalledIt(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := New(t, d)
		id := s.Bug("umi")
		s.FixedIn(id, Umi2)
		for _, c := range []struct {
			b    feedback.Build
			asks int
		}{{Umi1, 0}, {Hlte2, 0}, {Umi3, 1}, {Umi3, 0}} {
			s.Must(func(tx *db.Tx) error {
				asks, err := feedback.Installed(tx, Ana, c.b)
				if len(asks) != c.asks {
					t.Errorf("on %s %d questions, expected %d", c.b.ID, len(asks), c.asks)
				}
				return err
			})
		}
		s.Answer(id, Ana, "umi", feedback.Works)
		s.Want(id, "umi", feedback.Confirmed)
	})
}
