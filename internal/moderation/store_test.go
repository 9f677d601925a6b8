package moderation

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/audit"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
)

// bench is a database with a clock that the test moves.
type bench struct {
	t   *testing.T
	d   *db.DB
	now time.Time
}

func each(t *testing.T, fn func(b *bench)) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b := &bench{t, d, time.Date(2026, 11, 27, 9, 0, 0, 0, time.UTC)}
		d.SetClock(func() time.Time { return b.now })
		fn(b)
	})
}

func (b *bench) try(fn func(tx *db.Tx) error) error { return b.d.Write(b.t.Context(), fn) }

func (b *bench) do(fn func(tx *db.Tx) error) {
	b.t.Helper()
	if err := b.try(fn); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) flag(about About, by Flagger, reason Reason, note string) (effects []Effect, err error) {
	err = b.try(func(tx *db.Tx) (err error) { effects, err = Raise(tx, about, by, reason, note); return err })
	return effects, err
}

func (b *bench) decide(about About, by Actor, caseID int64, r Ruling) (d Decision, effects []Effect, err error) {
	err = b.try(func(tx *db.Tx) (err error) { d, effects, err = Decide(tx, about, by, caseID, r); return err })
	return d, effects, err
}

func (b *bench) queue() (all []Case) {
	b.t.Helper()
	b.do(func(tx *db.Tx) (err error) { all, err = Queue(tx, 0); return err })
	return all
}

func (b *bench) standing(member int64) (s Standing) {
	b.t.Helper()
	b.do(func(tx *db.Tx) (err error) { s, err = StandingOf(tx, member); return err })
	return s
}

func is(v *bool, want bool) bool { return v != nil && *v == want }

var (
	mo, su = Actor{ID: 2, Name: "mo"}, Actor{ID: 3, Name: "su"}
	bad    = About{Subject: Subject{Post, 100}, AuthorID: 9}
)

// TestFlagToKeep: flags hide a post until review, keeping it shows it again, and
// those who flagged in vain weigh less from then on.
func TestFlagToKeep(t *testing.T) {
	each(t, func(b *bench) {
		for i, by := range []Flagger{{ID: 11, Level: 1, Origin: "a"}, {ID: 12, Level: 1, Origin: "b"}, {ID: 13, Level: 1, Origin: "c"}} {
			effects, err := b.flag(bad, by, Abuse, "")
			if err != nil || (len(effects) == 1 && is(effects[0].Hidden, true) && effects[0].Subject == bad.Subject) != (i == 2) {
				t.Fatalf("flag %d: %v, %v", i+1, effects, err)
			}
		}
		if _, err := b.flag(bad, Flagger{ID: 11, Level: 1}, Spam, ""); !errors.Is(err, ErrTwice) {
			t.Errorf("flagged twice: %v", err)
		}
		if _, err := b.flag(bad, Flagger{ID: 9, Level: 1}, Spam, ""); !errors.Is(err, ErrOwn) {
			t.Errorf("flagged one's own: %v", err)
		}
		var wrong *Wrong
		if _, err := b.flag(bad, Flagger{ID: 14}, "dislike", ""); !errors.As(err, &wrong) {
			t.Errorf("flagged by no reason: %v", err)
		}
		if _, err := b.flag(bad, Flagger{ID: 14}, Other, " "); !errors.As(err, &wrong) || wrong.Field != "note" {
			t.Errorf("flagged for another reason without saying which: %v", err)
		}
		if effects, err := b.flag(bad, Flagger{ID: 14}, Other, "it is rude"); err != nil || effects != nil {
			t.Errorf("flagged what is hidden: %v %v", effects, err)
		}
		q := b.queue()
		if len(q) != 1 || q[0].Flags != 4 || q[0].Weight != 3500 || !q[0].AutoHidden || q[0].AuthorID != 9 {
			t.Fatalf("the queue is %+v", q)
		}
		d, effects, err := b.decide(bad, mo, q[0].ID, Ruling{Action: Keep})
		if err != nil || len(effects) != 1 || !is(effects[0].Hidden, false) || d.Appealable() {
			t.Fatalf("keeping it: %+v %v %v", d, effects, err)
		}
		if _, _, err := b.decide(bad, su, q[0].ID, Ruling{Action: Hide, Reason: "x"}); !errors.Is(err, ErrDecided) {
			t.Errorf("a second moderator decided the same case: %v", err)
		}
		if len(b.queue()) != 0 {
			t.Error("the case is still open")
		}
		other := About{Subject: Subject{Post, 101}, AuthorID: 9}
		for _, id := range []int64{11, 12, 13} {
			if effects, err := b.flag(other, Flagger{ID: id, Level: 1}, Abuse, ""); err != nil || effects != nil {
				t.Errorf("those whose flags were dismissed hide the next at once: %v %v", effects, err)
			}
		}
		b.do(func(tx *db.Tx) error {
			flags, err := FlagsOf(tx, q[0].ID)
			if err != nil || len(flags) != 4 || flags[0].Outcome != Dismissed || flags[0].Origin != "" || flags[3].Note != "it is rude" {
				t.Errorf("the flags are %+v, %v", flags, err)
			}
			for who, want := range map[int64]bool{11: true, 99: false} {
				if got, err := Flagged(tx, bad.Subject, who); err != nil || got != want {
					t.Errorf("flagged by %d: %v, %v", who, got, err)
				}
			}
			return nil
		})
	})
}

func TestFlagLimits(t *testing.T) {
	each(t, func(b *bench) {
		send := func(by Flagger, n int) (err error) {
			for i := range n {
				if _, err = b.flag(About{Subject: Subject{Post, by.ID*1000 + int64(i)}, AuthorID: 9}, by, Spam, ""); err != nil {
					return err
				}
			}
			return nil
		}
		if err := send(Flagger{ID: 20}, newFlagsPerDay); err != nil {
			t.Fatal(err)
		}
		if _, err := b.flag(bad, Flagger{ID: 20}, Spam, ""); !errors.Is(err, ErrTooMany) {
			t.Errorf("a newcomer's sixth flag of a day: %v", err)
		}
		b.now = b.now.Add(24 * time.Hour)
		if _, err := b.flag(bad, Flagger{ID: 20}, Spam, ""); err != nil {
			t.Errorf("a day later: %v", err)
		}
	})
}

// TestFloodHidesLittle: however many known members flag, no more than three
// posts of one author vanish before a moderator has looked.
func TestFloodHidesLittle(t *testing.T) {
	each(t, func(b *bench) {
		hidden := 0
		for post := range int64(8) {
			for who := range int64(4) {
				effects, err := b.flag(About{Subject: Subject{Post, post}, AuthorID: 9}, Flagger{ID: 100*post + who + 10, Level: 2}, Abuse, "")
				if err != nil {
					t.Fatal(err)
				}
				hidden += len(effects)
			}
		}
		if hidden != maxHiddenOf {
			t.Errorf("%d posts of one author are hidden by flags, expected %d", hidden, maxHiddenOf)
		}
		if q := b.queue(); len(q) != 8 || !q[0].AutoHidden || q[7].AutoHidden {
			t.Errorf("the queue is %+v", q)
		}
	})
}

func TestHeldPost(t *testing.T) {
	each(t, func(b *bench) {
		b.do(func(tx *db.Tx) error {
			effects, err := Hold(tx, bad, []Sign{ManyLinks, Hurried})
			if err != nil || len(effects) != 1 || !is(effects[0].Hidden, true) {
				t.Errorf("held: %v, %v", effects, err)
			}
			return err
		})
		q := b.queue()
		if len(q) != 1 || !q[0].Held || len(q[0].Signs) != 2 || q[0].Signs[1] != Hurried {
			t.Fatalf("the queue is %+v", q)
		}
		if _, effects, err := b.decide(bad, mo, q[0].ID, Ruling{Action: Keep}); err != nil || len(effects) != 1 || !is(effects[0].Hidden, false) {
			t.Errorf("let through: %v %v", effects, err)
		}
	})
}

// TestSuspensionAppealAndEnd: who is suspended reads why, appeals once, is
// answered by another moderator, and writes again when it is lifted or over.
func TestSuspensionAppealAndEnd(t *testing.T) {
	each(t, func(b *bench) {
		week := Ruling{Action: Hide, Measure: Suspend, Reason: "You wrote where she lives.", Until: b.now.Add(7 * 24 * time.Hour)}
		d, effects, err := b.decide(bad, mo, 0, week)
		if err != nil || len(effects) != 1 || !is(effects[0].Hidden, true) {
			t.Fatal(effects, err)
		}
		if s := b.standing(9); !s.Suspended() || s.Suspension.Reason != week.Reason || !s.Suspension.Until.Equal(week.Until) {
			t.Errorf("the standing is %+v", s)
		}
		if b.standing(8).Suspended() {
			t.Error("someone else is suspended")
		}
		appeal := func(by Actor, words string) error {
			return b.try(func(tx *db.Tx) error { return File(tx, by, d.ID, words) })
		}
		author := Actor{ID: 9, Name: "ana"}
		if err := appeal(Actor{ID: 8, Name: "eve"}, "x"); !errors.Is(err, ErrNotFound) {
			t.Errorf("another member appealed: %v", err)
		}
		var wrong *Wrong
		if err := appeal(author, " "); !errors.As(err, &wrong) {
			t.Errorf("an appeal without words: %v", err)
		}
		if err := appeal(author, "It was my own address."); err != nil {
			t.Fatal(err)
		}
		if err := appeal(author, "Please"); !errors.Is(err, ErrTwice) {
			t.Errorf("a second appeal: %v", err)
		}
		answer := func(by Actor, granted bool) (effects []Effect, err error) {
			err = b.try(func(tx *db.Tx) (err error) {
				effects, err = Answer(tx, by, d.ID, granted, "You are right.")
				return err
			})
			return effects, err
		}
		for _, by := range []Actor{mo, author} {
			if _, err := answer(by, true); !errors.Is(err, ErrOwn) {
				t.Errorf("%s answered: %v", by.Name, err)
			}
		}
		b.do(func(tx *db.Tx) error {
			open, err := Appeals(tx)
			cases, waiting, err2 := Waiting(tx)
			if len(open) != 1 || open[0].Appeal.Words != "It was my own address." || cases != 0 || waiting != 1 {
				t.Errorf("open appeals %+v, %d cases and %d appeals wait", open, cases, waiting)
			}
			return errors.Join(err, err2)
		})
		effects, err = answer(su, true)
		if err != nil || len(effects) != 1 || !is(effects[0].Hidden, false) {
			t.Errorf("granted: %v %v", effects, err)
		}
		if _, err := answer(su, false); !errors.Is(err, ErrTwice) {
			t.Errorf("answered twice: %v", err)
		}
		if b.standing(9).Suspended() {
			t.Error("still suspended after the appeal was granted")
		}
		if _, _, err := b.decide(bad, mo, 0, week); err != nil {
			t.Fatal(err)
		}
		b.now = b.now.Add(7 * 24 * time.Hour)
		if b.standing(9).Suspended() {
			t.Error("still suspended after the end")
		}
		b.do(func(tx *db.Tx) error {
			mine, err := Of(tx, 9)
			if err != nil || len(mine) != 2 || mine[1].Appeal == nil || !mine[1].Appeal.Granted || mine[1].LiftedBy != su.ID {
				t.Errorf("the record is %+v, %v", mine, err)
			}
			about, err := Decided(tx, bad.Subject)
			if err != nil || len(about) != 2 {
				t.Errorf("decided about the post: %+v, %v", about, err)
			}
			return nil
		})
	})
}

func TestLift(t *testing.T) {
	each(t, func(b *bench) {
		thread := About{Subject: Subject{Thread, 5}, AuthorID: 9}
		first, _, err := b.decide(thread, mo, 0, Ruling{Action: Hide, Reason: "x"})
		if err != nil {
			t.Fatal(err)
		}
		second, _, err := b.decide(thread, su, 0, Ruling{Action: Takedown, Reason: "x", Law: "a court"})
		if err != nil {
			t.Fatal(err)
		}
		lock, _, err := b.decide(thread, su, 0, Ruling{Action: Lock, Reason: "x"})
		if err != nil {
			t.Fatal(err)
		}
		lift := func(by Actor, id int64, why string) (effects []Effect, err error) {
			err = b.try(func(tx *db.Tx) (err error) { effects, err = Lift(tx, by, id, why); return err })
			return effects, err
		}
		var wrong *Wrong
		if _, err := lift(mo, first.ID, ""); !errors.As(err, &wrong) {
			t.Errorf("lifted without a reason: %v", err)
		}
		if _, err := lift(Actor{ID: 9}, first.ID, "x"); !errors.Is(err, ErrOwn) {
			t.Errorf("lifted by whom it concerns: %v", err)
		}
		if effects, err := lift(mo, first.ID, "a mistake"); err != nil || effects != nil {
			t.Errorf("the takedown stands still, and lifting the other does %v, %v", effects, err)
		}
		if _, err := lift(mo, first.ID, "again"); !errors.Is(err, ErrTwice) {
			t.Errorf("lifted twice: %v", err)
		}
		if effects, err := lift(mo, lock.ID, "x"); err != nil || len(effects) != 1 || !is(effects[0].Locked, false) {
			t.Errorf("lifting the lock does %v, %v", effects, err)
		}
		if effects, err := lift(mo, second.ID, "the demand was withdrawn"); err != nil || len(effects) != 1 || !is(effects[0].Hidden, false) {
			t.Errorf("lifting the takedown does %v, %v", effects, err)
		}
		if _, err := lift(mo, 4711, "x"); !errors.Is(err, ErrNotFound) {
			t.Errorf("lifted nothing: %v", err)
		}
	})
}

// TestTrail: everything is in the audit log, and the author reads what was done
// to their post and why, but not who flagged it.
func TestTrail(t *testing.T) {
	each(t, func(b *bench) {
		for _, by := range []Flagger{{ID: 11, Name: "Fritz", Level: 1}, {ID: 12, Name: "Greta", Level: 1}, {ID: 13, Name: "Hugo", Level: 1}} {
			if _, err := b.flag(bad, by, Abuse, "see her last words"); err != nil {
				t.Fatal(err)
			}
		}
		d, _, err := b.decide(bad, mo, b.queue()[0].ID, Ruling{Action: Hide, Measure: Warn, Reason: "Be kind."})
		if err != nil {
			t.Fatal(err)
		}
		b.do(func(tx *db.Tx) error { return File(tx, Actor{ID: 9, Name: "ana"}, d.ID, "I was.") })
		b.do(func(tx *db.Tx) error { _, err := Answer(tx, su, d.ID, false, "You were not."); return err })
		b.do(func(tx *db.Tx) error {
			for since, want := range map[time.Duration]int{time.Hour: 1, -time.Hour: 0} {
				if n, err := UpheldAgainst(tx, 9, b.now.Add(-since)); err != nil || n != want {
					t.Errorf("%d upheld since %s ago, %v; expected %d", n, since, err, want)
				}
			}
			return nil
		})
		if got := b.standing(9).Warnings; got != 1 {
			t.Errorf("%d warnings, expected 1", got)
		}
		actions := func(all []audit.Event) string {
			var names []string
			for _, e := range all {
				names = append(names, strings.TrimPrefix(e.Action, "moderation."))
			}
			return strings.Join(names, " ")
		}
		b.do(func(tx *db.Tx) error {
			all, err := audit.List(tx, audit.Filter{Subject: bad.String()})
			if err != nil {
				return err
			}
			if got, want := actions(all), "answer appeal hide hide-until-review flag flag flag"; got != want {
				t.Errorf("the log has %q, expected %q", got, want)
			}
			mine, err := Trail(tx, 9, 0, 0)
			if err != nil {
				return err
			}
			if got, want := actions(mine), "answer appeal warn hide hide-until-review"; got != want {
				t.Errorf("the author reads %q, expected %q", got, want)
			}
			for _, e := range mine {
				for _, name := range []string{"Fritz", "Greta", "Hugo", "last words"} {
					if strings.Contains(e.Actor+e.Detail+e.Subject, name) {
						t.Errorf("the author reads %q in %+v", name, e)
					}
				}
			}
			if theirs, err := Trail(tx, 11, 0, 0); err != nil || len(theirs) != 0 {
				t.Errorf("another member reads %v, %v", theirs, err)
			}
			return nil
		})
	})
}

func TestEraseAndForget(t *testing.T) {
	each(t, func(b *bench) {
		for _, id := range []int64{11, 12} {
			if _, err := b.flag(bad, Flagger{ID: id, Level: 1, Origin: "home"}, Abuse, "a note"); err != nil {
				t.Fatal(err)
			}
		}
		caseID := b.queue()[0].ID
		b.do(func(tx *db.Tx) error { return Erase(tx, 11) })
		flags := func() (all []Flag) {
			b.do(func(tx *db.Tx) (err error) { all, err = FlagsOf(tx, caseID); return err })
			return all
		}
		if f := flags(); f[0].FlaggerID != 0 || f[0].Note != "" || f[0].Origin != "" || f[1].Origin != "home" {
			t.Errorf("after erasing one: %+v", f)
		}
		b.now = b.now.Add(OriginAge + time.Hour)
		b.do(Forget)
		if f := flags(); f[1].Origin != "" || f[1].FlaggerID != 12 {
			t.Errorf("after forgetting: %+v", f)
		}
	})
}
