package moderation

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestWeigh(t *testing.T) {
	for _, c := range []struct {
		f    Flagger
		want int
	}{
		{Flagger{Level: 1}, 1000}, {Flagger{}, 500}, {Flagger{Level: 2, upheld: 8}, 1800}, {Flagger{Level: 3, upheld: 1000}, 1900},
		{Flagger{Level: 1, dismissed: 8}, 200}, {Flagger{Level: 1, dismissed: 1000}, 100}, {Flagger{upheld: 1, dismissed: 1}, 500},
	} {
		if got := weigh(c.f); got != c.want {
			t.Errorf("%+v weighs %d, expected %d", c.f, got, c.want)
		}
	}
}

func TestFlagsHideWithinBounds(t *testing.T) {
	about := About{Subject: Subject{Post, 1}, AuthorID: 9}
	known := func(id int64, weight int, origin string) Flag {
		return Flag{FlaggerID: id, Weight: weight, Known: true, Origin: origin}
	}
	three := []Flag{known(1, 1000, "a"), known(2, 1000, "b"), known(3, 1000, "c")}
	var flood []Flag
	for i := range int64(1000) {
		flood = append(flood, Flag{FlaggerID: i + 1, Weight: 500, Origin: fmt.Sprint(i)})
	}
	staff := about
	staff.Staff = true
	for name, c := range map[string]struct {
		about About
		flags []Flag
		h     Hidden
		want  bool
	}{
		"three known members":                 {about, three, Hidden{}, true},
		"two":                                 {about, three[:2], Hidden{}, false},
		"three of no known origin":            {about, []Flag{known(1, 1000, ""), known(2, 1000, ""), known(3, 1000, "")}, Hidden{}, true},
		"three from one place":                {about, []Flag{known(1, 1900, "a"), known(2, 1900, "a"), known(3, 1900, "a")}, Hidden{}, false},
		"three whose flags are worth nothing": {about, []Flag{known(1, 100, "a"), known(2, 100, "b"), known(3, 100, "c")}, Hidden{}, false},
		"a thousand newcomers":                {about, flood, Hidden{}, false},
		"newcomers beside known members":      {about, append(flood[:500:500], three[:2]...), Hidden{}, false},
		"a moderator's post":                  {staff, three, Hidden{}, false},
		"an author with three hidden":         {about, three, Hidden{OfAuthor: maxHiddenOf}, false},
		"a site with too much hidden":         {about, three, Hidden{All: maxHiddenAll}, false},
		"one who had part in five":            {about, three, Hidden{Of: map[int64]int{2: maxCounted}}, false},
		"erased members":                      {about, []Flag{known(0, 1000, "a"), known(0, 1000, "b"), known(0, 1000, "c")}, Hidden{}, false},
	} {
		if got := hides(c.about, c.flags, c.h); got != c.want {
			t.Errorf("%s: hidden %v", name, got)
		}
	}
}

func TestRulings(t *testing.T) {
	now := time.Date(2026, 11, 27, 9, 0, 0, 0, time.UTC)
	post, thread, person := About{Subject: Subject{Post, 1}, AuthorID: 9}, About{Subject: Subject{Thread, 2}, AuthorID: 9}, About{Subject: Subject{Member, 9}, AuthorID: 9}
	staff := post
	staff.Staff = true
	mo, ada := Actor{ID: 2, Name: "mo"}, Actor{ID: 1, Name: "ada", Admin: true}
	in := func(d time.Duration) time.Time { return now.Add(d) }
	for name, c := range map[string]struct {
		about About
		by    Actor
		r     Ruling
		want  string
	}{
		"keep":                       {post, mo, Ruling{Action: Keep}, ""},
		"hide":                       {post, mo, Ruling{Action: Hide, Reason: "spam"}, ""},
		"hide without a reason":      {post, mo, Ruling{Action: Hide, Reason: " \x00 "}, "reason missing"},
		"a reason without end":       {post, mo, Ruling{Action: Hide, Reason: strings.Repeat("ä", MaxWords+1)}, "reason too-long"},
		"lock a thread":              {thread, mo, Ruling{Action: Lock, Reason: "done"}, ""},
		"lock a post":                {post, mo, Ruling{Action: Lock, Reason: "done"}, "action unfit"},
		"hide a member":              {person, mo, Ruling{Action: Hide, Reason: "x"}, "action unfit"},
		"delete":                     {post, mo, Ruling{Action: "delete", Reason: "x"}, "action unknown"},
		"ban":                        {post, mo, Ruling{Action: Keep, Measure: "ban", Reason: "x"}, "measure unknown"},
		"take down":                  {post, mo, Ruling{Action: Takedown, Reason: "x", Law: "§ 97 UrhG, Example Ltd"}, ""},
		"take down by no law":        {post, mo, Ruling{Action: Takedown, Reason: "x"}, "law missing"},
		"warn":                       {post, mo, Ruling{Action: Keep, Measure: Warn, Reason: "x"}, ""},
		"warn without a reason":      {post, mo, Ruling{Action: Keep, Measure: Warn}, "reason missing"},
		"suspend a week":             {person, mo, Ruling{Action: Keep, Measure: Suspend, Reason: "x", Until: in(7 * 24 * time.Hour)}, ""},
		"suspend without an end":     {person, mo, Ruling{Action: Keep, Measure: Suspend, Reason: "x"}, "until missing"},
		"suspend for good":           {person, mo, Ruling{Action: Keep, Measure: Suspend, Reason: "x", Until: in(100 * 365 * 24 * time.Hour)}, "until too-long"},
		"suspend into the past":      {person, mo, Ruling{Action: Keep, Measure: Suspend, Reason: "x", Until: in(-time.Hour)}, "until too-short"},
		"judge oneself":              {About{Subject: Subject{Post, 1}, AuthorID: 2}, mo, Ruling{Action: Keep}, "own"},
		"a moderator warns another":  {staff, mo, Ruling{Action: Keep, Measure: Warn, Reason: "x"}, "staff"},
		"an administrator warns one": {staff, ada, Ruling{Action: Keep, Measure: Warn, Reason: "x"}, ""},
		"warn someone who is erased": {About{Subject: Subject{Post, 1}}, mo, Ruling{Action: Keep, Measure: Warn, Reason: "x"}, "measure unfit"},
	} {
		got, err := c.r.check(c.about, c.by, now)
		said := ""
		var wrong *Wrong
		switch {
		case errors.As(err, &wrong):
			said = wrong.Field + " " + wrong.Why
		case errors.Is(err, ErrOwn):
			said = "own"
		case errors.Is(err, ErrStaff):
			said = "staff"
		}
		if said != c.want || (err == nil) != (c.want == "") {
			t.Errorf("%s: %v, expected %q", name, err, c.want)
		}
		if err == nil && (got.Law != "") != (got.Action == Takedown) {
			t.Errorf("%s: the law is %q", name, got.Law)
		}
	}
}

func TestEffects(t *testing.T) {
	s := Subject{Thread, 2}
	say := func(all []Effect) string {
		var b strings.Builder
		for _, e := range all {
			for word, v := range map[string]*bool{"hidden": e.Hidden} {
				if v != nil {
					fmt.Fprint(&b, " ", word, "=", *v)
				}
			}
			if e.Locked != nil {
				fmt.Fprint(&b, " locked=", *e.Locked)
			}
		}
		return b.String()
	}
	for _, c := range []struct {
		action     Action
		kept       bool
		does, undo string
	}{
		{Keep, false, "", ""}, {Keep, true, " hidden=false", ""}, {Hide, false, " hidden=true", " hidden=false"}, {Hide, true, " hidden=true", " hidden=false"},
		{Lock, false, " locked=true", " locked=false"}, {Lock, true, " hidden=false locked=true", " locked=false"}, {Takedown, false, " hidden=true", " hidden=false"},
	} {
		r := Ruling{Action: c.action}
		if got := say(r.effects(s, c.kept)); got != c.does {
			t.Errorf("%s (held back %v) does%s, expected%s", c.action, c.kept, got, c.does)
		}
		if got := say(r.undo(s)); got != c.undo {
			t.Errorf("lifting %s does%s, expected%s", c.action, got, c.undo)
		}
	}
	if got := (Ruling{Action: Keep}).effects(Subject{Member, 1}, true); got != nil {
		t.Errorf("keeping a member does %v", got)
	}
}
