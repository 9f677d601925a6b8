package ring

import (
	"errors"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/audit"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/member/trust"
	"github.com/fridayos/friday/internal/wire"
)

func right(channel string) map[string]string {
	answers := map[string]string{}
	for _, q := range papers[channel] {
		answers[q.key] = q.right
	}
	return answers
}

func TestQuiz(t *testing.T) {
	all, err := readQuiz()
	if err != nil {
		t.Fatal(err)
	}
	if languages := slices.Sorted(maps.Keys(all)); !slices.Equal(languages, []string{"en", "es", "hi", "zh"}) {
		t.Errorf("the languages are %v", languages)
	}
	seen := map[string]string{}
	for language, texts := range all {
		if !slices.Equal(slices.Sorted(maps.Keys(texts)), slices.Sorted(maps.Keys(all["en"]))) {
			t.Errorf("%s has other questions than English", language)
		}
		for key, w := range texts {
			for _, text := range []string{w.Ask, w.A, w.B, w.C, w.Why} {
				if strings.TrimSpace(text) == "" {
					t.Errorf("%s: %s lacks a text", language, key)
				}
				if other := seen[text]; other != "" && other != language {
					t.Errorf("%s and %s share %q", language, other, text)
				}
				seen[text] = language
			}
		}
		for _, channel := range Channels() {
			first, err := Quiz(channel, language, 1)
			if err != nil || len(first) != len(papers[channel]) {
				t.Fatalf("%s in %s: %d questions, %v", channel, language, len(first), err)
			}
			again, _ := Quiz(channel, language, 1)
			moved := false
			for i, q := range first {
				if q.Ask == "" || len(q.Options) != 3 || !slices.Equal(q.Options, again[i].Options) {
					t.Errorf("%s in %s: %+v", channel, language, q)
				}
				moved = moved || q.Options[0].Key != "a"
			}
			if !moved {
				t.Errorf("%s: the answers stand in the order of the file", channel)
			}
		}
	}
	if q, err := Quiz(wire.Beta, "fr", 1); err != nil || q[0].Ask != all["en"]["backup"].Ask {
		t.Errorf("a language that there is not: %v, %v", q, err)
	}
	if _, err := Quiz(wire.Weekly, "en", 1); err == nil {
		t.Error("a quiz for an open channel")
	}
}

func TestGrade(t *testing.T) {
	for name, c := range map[string]struct {
		channel string
		change  map[string]string
		passed  bool
		wrong   int
	}{
		"all right":             {wire.Beta, nil, true, 0},
		"one wrong":             {wire.Beta, map[string]string{"told": "a"}, true, 1},
		"two wrong":             {wire.Beta, map[string]string{"told": "a", "only": "a"}, false, 2},
		"one that must not be":  {wire.Beta, map[string]string{"backup": "b"}, false, 1},
		"one left out":          {wire.Beta, map[string]string{"report": ""}, true, 1},
		"another channel's":     {wire.Alpha, map[string]string{"tools": "a"}, false, 1},
		"alpha, one may be off": {wire.Alpha, map[string]string{"second": "c"}, true, 1},
	} {
		answers := right(c.channel)
		maps.Copy(answers, c.change)
		if r := Grade(c.channel, answers); r.Passed != c.passed || len(r.Wrong) != c.wrong || r.Right+len(r.Wrong) != r.Of {
			t.Errorf("%s: found %+v", name, r)
		}
	}
	if r := Grade(wire.Beta, nil); r.Passed || r.Right != 0 {
		t.Errorf("nothing answered: %+v", r)
	}
	if r := Grade(wire.Weekly, nil); r.Passed {
		t.Errorf("a channel without a quiz: %+v", r)
	}
}

func TestRule(t *testing.T) {
	good := Applicant{Channel: wire.Beta, Level: trust.Known, Claimed: true}
	for name, c := range map[string]struct {
		change func(a *Applicant)
		want   bool
	}{
		"known, with a handset": {func(*Applicant) {}, true},
		"trusted":               {func(a *Applicant) { a.Level = trust.Trusted }, true},
		"new":                   {func(a *Applicant) { a.Level = trust.New }, false},
		"without a handset":     {func(a *Applicant) { a.Claimed = false }, false},
		"refused before":        {func(a *Applicant) { a.Refused = true }, false},
		"for alpha":             {func(a *Applicant) { a.Channel = wire.Alpha }, false},
	} {
		a := good
		c.change(&a)
		if got := DefaultRule().Admits(a); got != c.want {
			t.Errorf("%s: found %v", name, got)
		}
	}
	alpha := DefaultRule()
	alpha.Channel = wire.Alpha
	if alpha.Admits(Applicant{Channel: wire.Alpha, Level: trust.Trusted, Claimed: true}) || (Rule{}).Admits(good) {
		t.Error("a rule gives what only a person gives")
	}
}

// world is a database with a member who applies, and those who decide.
type world struct {
	t                         *testing.T
	d                         *db.DB
	now                       time.Time
	anna, maint, other, admin member.Member
}

func newWorld(t *testing.T, d *db.DB) *world {
	t.Helper()
	w := &world{t: t, d: d, now: time.Date(2026, 11, 27, 9, 0, 0, 0, time.UTC)}
	d.SetClock(func() time.Time { return w.now })
	p := member.NewPasswords(member.TestCost())
	for name, m := range map[string]*member.Member{"anna": &w.anna, "mo": &w.maint, "ot": &w.other, "ada": &w.admin} {
		var err error
		if *m, err = p.Register(t.Context(), d, name, "correct horse battery"); err != nil {
			t.Fatal(err)
		}
	}
	w.write(func(tx *db.Tx) error {
		for id, g := range map[int64]member.Grants{
			w.maint.ID: {Roles: []member.Role{member.Maintainer}, Devices: []string{"umi"}},
			w.other.ID: {Roles: []member.Role{member.Maintainer, member.Moderator}, Devices: []string{"hlte"}, Parts: []string{"Camera"}},
			w.admin.ID: {Roles: []member.Role{member.Admin}},
		} {
			if err := member.Appoint(tx, member.Member{Name: "setup"}, id, g); err != nil {
				return err
			}
		}
		return nil
	})
	w.write(func(tx *db.Tx) (err error) {
		for _, m := range []*member.Member{&w.maint, &w.other, &w.admin} {
			if *m, err = member.ByID(tx, m.ID); err != nil {
				return err
			}
		}
		return nil
	})
	return w
}

func (w *world) write(fn func(tx *db.Tx) error) {
	w.t.Helper()
	if err := w.d.Write(w.t.Context(), fn); err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) try(fn func(tx *db.Tx) error) error { return w.d.Write(w.t.Context(), fn) }

func (w *world) quiz(channel string, answers map[string]string) (r Result, err error) {
	err = w.try(func(tx *db.Tx) (err error) { r, err = TakeQuiz(tx, w.anna.ID, channel, answers); return err })
	return r, err
}

func (w *world) apply(device, channel string, level trust.Level) (p Place, err error) {
	err = w.try(func(tx *db.Tx) (err error) {
		p, err = Apply(tx, w.anna, device, channel, " I have two of them. ", level, DefaultRule())
		return err
	})
	return p, err
}

func (w *world) decide(actor member.Member, id int64, to State, reason string) error {
	return w.try(func(tx *db.Tx) error { _, err := Decide(tx, actor, id, to, reason); return err })
}

// beta tells whether anna's umi may follow beta.
func (w *world) beta() (may bool) {
	w.write(func(tx *db.Tx) error {
		all, err := member.Enrolments(tx)
		for _, e := range all {
			may = may || e.Device == "umi" && slices.Contains(e.Channels, wire.Beta)
		}
		return err
	})
	return may
}

func (w *world) claim() {
	w.write(func(tx *db.Tx) error {
		code, err := member.NewClaimCode(tx, w.anna.ID, "umi")
		if err == nil {
			_, err = member.RedeemClaim(tx, code, "umi")
		}
		return err
	})
}

func TestPlace(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.claim()
		var invalid *member.Invalid
		if _, err := w.apply("umi", wire.Beta, trust.New); !errors.As(err, &invalid) {
			t.Errorf("without the quiz: %v", err)
		}
		if r, err := w.quiz(wire.Beta, nil); err != nil || r.Passed {
			t.Errorf("found %+v, %v", r, err)
		}
		if _, err := w.quiz(wire.Beta, right(wire.Beta)); !errors.As(err, &invalid) {
			t.Errorf("a second try at once: %v", err)
		}
		if _, err := w.quiz(wire.Alpha, nil); err != nil { // another channel's is another quiz
			t.Error(err)
		}
		w.now = w.now.Add(QuizPause)
		if r, err := w.quiz(wire.Beta, right(wire.Beta)); err != nil || !r.Passed {
			t.Fatalf("found %+v, %v", r, err)
		}
		for _, bad := range [][2]string{{"", wire.Beta}, {"umi", wire.Weekly}, {"umi", wire.Alpha}} {
			if _, err := w.apply(bad[0], bad[1], trust.Trusted); !errors.As(err, &invalid) {
				t.Errorf("%v: found %v", bad, err)
			}
		}
		p, err := w.apply("umi", wire.Beta, trust.New)
		if err != nil || p.State != Applied || p.Why != "I have two of them." || w.beta() {
			t.Fatalf("found %+v, %v, on beta: %v", p, err, w.beta())
		}
		if _, err := w.apply("umi", wire.Beta, trust.New); !errors.As(err, &invalid) {
			t.Errorf("applied twice: %v", err)
		}
		for name, actor := range map[string]member.Member{"the applicant": w.anna, "another device's maintainer": w.other, "nobody": {}} {
			if err := w.decide(actor, p.ID, Accepted, ""); !errors.Is(err, ErrNotYours) {
				t.Errorf("%s: found %v", name, err)
			}
		}
		for name, err := range map[string]error{
			"refused without a reason": w.decide(w.maint, p.ID, Refused, " "), "removed before accepted": w.decide(w.maint, p.ID, Removed, "x"),
			"left by another": w.decide(w.maint, p.ID, Left, "x"), "a state that there is not": w.decide(w.maint, p.ID, "king", "x"), "a long reason": w.decide(w.maint, p.ID, Refused, strings.Repeat("x", maxReason+1)),
		} {
			if !errors.As(err, &invalid) {
				t.Errorf("%s: found %v", name, err)
			}
		}
		w.write(func(tx *db.Tx) error {
			for _, c := range []struct {
				m    member.Member
				want int
			}{{w.maint, 1}, {w.admin, 1}, {w.other, 0}, {w.anna, 0}} {
				all, err := List(tx, c.m, Applied)
				if err != nil || len(all) != c.want || c.want > 0 && all[0].Member != "anna" {
					t.Errorf("%s sees %+v, %v", c.m.Name, all, err)
				}
			}
			return nil
		})
		if err := w.decide(w.maint, p.ID, Accepted, ""); err != nil || !w.beta() {
			t.Fatalf("found %v, on beta: %v", err, w.beta())
		}
		if err := w.decide(w.maint, p.ID, Removed, "The handset was sold."); err != nil || w.beta() {
			t.Fatalf("found %v, on beta: %v", err, w.beta())
		}
		if err := w.decide(w.maint, p.ID, Accepted, ""); !errors.As(err, &invalid) {
			t.Errorf("a removed place comes back: %v", err)
		}
		if _, err := w.apply("umi", wire.Beta, trust.Trusted); !errors.As(err, &invalid) {
			t.Errorf("applied at once after a removal: %v", err)
		}
		w.now = w.now.Add(RefusedPause)
		if _, err := w.quiz(wire.Beta, right(wire.Beta)); err != nil {
			t.Fatal(err)
		}
		p, err = w.apply("umi", wire.Beta, trust.Trusted)
		if err != nil || p.State != Applied { // the rule leaves it to a person
			t.Errorf("found %+v, %v", p, err)
		}
		if err := w.try(func(tx *db.Tx) error { return Leave(tx, w.maint, p.ID) }); !errors.Is(err, member.ErrNotFound) {
			t.Errorf("left for another: %v", err)
		}
		if err := w.try(func(tx *db.Tx) error { return Leave(tx, w.anna, p.ID) }); err != nil {
			t.Error(err)
		}
		if err := w.try(func(tx *db.Tx) error { return Leave(tx, w.anna, p.ID) }); !errors.As(err, &invalid) {
			t.Errorf("left twice: %v", err)
		}
		w.write(func(tx *db.Tx) error {
			events, err := audit.List(tx, audit.Filter{Action: "ring."})
			if len(events) != 3 || events[1].Action != "ring.removed" || events[1].Actor != "mo" || !strings.Contains(events[1].Detail, "sold") {
				t.Errorf("the trail is %+v", events)
			}
			mine, err2 := Of(tx, w.anna.ID)
			if len(mine) != 1 || mine[0].State != Left {
				t.Errorf("found %+v", mine)
			}
			return errors.Join(err, err2)
		})
	})
}

func TestRuleAccepts(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.claim()
		if _, err := w.quiz(wire.Beta, right(wire.Beta)); err != nil {
			t.Fatal(err)
		}
		p, err := w.apply("umi", wire.Beta, trust.Known)
		if err != nil || p.State != Accepted || p.DecidedBy != 0 || !w.beta() {
			t.Fatalf("found %+v, %v", p, err)
		}
		if err := w.try(func(tx *db.Tx) error { return Leave(tx, w.anna, p.ID) }); err != nil || w.beta() {
			t.Errorf("found %v, on beta: %v", err, w.beta())
		}
		// The place is of a device: another one's is another application.
		if p, err := w.apply("hlte", wire.Beta, trust.Known); err != nil || p.State != Applied {
			t.Errorf("found %+v, %v", p, err)
		}
		w.now = w.now.Add(PassedTime + time.Second)
		var invalid *member.Invalid
		if _, err := w.apply("umi", wire.Beta, trust.Known); !errors.As(err, &invalid) {
			t.Errorf("a day after the quiz: %v", err)
		}
		// Nobody accepts themselves, but an administrator.
		if err := w.decide(w.admin, 7, Accepted, ""); !errors.Is(err, member.ErrNotFound) {
			t.Errorf("found %v", err)
		}
	})
}
