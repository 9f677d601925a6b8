package site

import (
	"slices"
	"strings"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/site/line"
	"github.com/fridayos/friday/internal/site/tell"
	"github.com/fridayos/friday/internal/train"
)

type consoleView struct {
	Sentence, Next string
	Week           line.Map
	CanCut         bool
	Releases       []consoleRelease
	Log            []train.Transition
}

type consoleRelease struct {
	ID, Name, Reason string
	State            stateView
	Tracks           []trackView
	Mine, Verbs      []option
	All              bool
}

type verb struct {
	name, word    string
	danger, admin bool
	in            []train.State
}

// verbs are what moves a release, and in which of its states.
var verbs = []verb{
	{"ship", "Ship", false, false, []train.State{train.Frozen, train.Testing, train.Shipping}},
	{"next", "Next stage", false, false, []train.State{train.Shipping}},
	{"hold", "Hold", false, false, []train.State{train.Frozen, train.Testing, train.Shipping}},
	{"halt", "Halt", true, false, []train.State{train.Shipping, train.Settled}},
	{"pull", "Pull for good", true, true, []train.State{train.Frozen, train.Testing, train.Shipping, train.Settled}},
}

func (c *call) console() error {
	var v consoleView
	err := c.read(func(tx *db.Tx) error {
		st, err := c.s.Train.Status(tx, 4)
		if err != nil {
			return err
		}
		cat, err := readCatalogue(tx)
		if err != nil {
			return err
		}
		week := c.week(st)
		v.Week, v.Next = week.Line, st.Week
		v.Sentence = week.Headline + ". " + st.Week + " " + week.Sentence
		v.CanCut = c.viewer.may(admin) && find(st.Releases, st.Week) == nil
		for _, r := range st.Releases {
			w := tell.Train(r.State)
			cr := consoleRelease{ID: strings.ReplaceAll(r.Name, ".", "-"), Name: r.Name, Reason: r.Reason,
				State: stateView{Mark: w.Mark, Word: w.Text}, Tracks: tracks(&r, cat), All: c.viewer.may(admin)}
			for _, d := range r.Devices {
				if c.viewer.maintains(d.Device) {
					cr.Mine = append(cr.Mine, option{Value: d.Device, Word: cat.name(d.Device)})
				}
			}
			for _, verb := range verbs {
				if slices.Contains(verb.in, r.State) && len(cr.Mine) > 0 && (!verb.admin || c.viewer.may(admin)) {
					cr.Verbs = append(cr.Verbs, option{verb.name, verb.word, verb.danger})
				}
			}
			v.Releases = append(v.Releases, cr)
			v.Log = append(v.Log, r.Log...)
		}
		return nil
	})
	if err != nil {
		return err
	}
	slices.SortStableFunc(v.Log, func(a, b train.Transition) int { return b.At.Compare(a.At) })
	v.Log = v.Log[:min(len(v.Log), 12)]
	return c.show("train", page{Title: "The train", Nav: "train", Script: false, Body: v})
}

func refuse(field, message string) error {
	return &feedback.InputError{Field: field, Message: message}
}

// reason reads why something is done; members read it.
func (c *call) reason() (string, error) {
	reason := strings.Join(strings.Fields(strings.ToValidUTF8(c.r.PostForm.Get("reason"), "")), " ")
	switch {
	case reason == "":
		return "", refuse("reason", "Say why: members read it.")
	case len(reason) > 2000:
		return "", refuse("reason", "The reason is too long.")
	}
	return reason, nil
}

func (c *call) cut() error {
	f := c.r.PostForm
	rev, notes := strings.TrimSpace(f.Get("rev")), strings.TrimSpace(strings.ToValidUTF8(f.Get("notes"), ""))
	if rev == "" || len(rev) > 128 || strings.ContainsFunc(rev, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return refuse("rev", "Name a commit or a branch of the OS repository.")
	}
	if c.s.Train.Repo == nil {
		return refuse("rev", "This server has no OS repository; cut where it lies: friday train cut.")
	}
	if _, err := c.s.Train.Cut(c.r.Context(), rev, train.CutOptions{Notes: notes, Actor: c.viewer.Name}); err != nil {
		return c.explain(err)
	}
	return c.redirect("/train", "cut")
}

func (c *call) skip() error {
	reason, err := c.reason()
	if err != nil {
		return err
	}
	if err := c.s.Train.Skip(c.r.Context(), c.r.PostForm.Get("release"), c.viewer.Name, reason); err != nil {
		return c.explain(err)
	}
	return c.redirect("/train", "moved")
}

// move ships, sends on to the next stage, holds, halts or pulls a release on some of its devices. Whoever
// maintains devices moves those; only administrators may name none, which is all.
func (c *call) move() error {
	f := c.r.PostForm
	release, devices := f.Get("release"), f["device"]
	i := slices.IndexFunc(verbs, func(v verb) bool { return v.name == f.Get("verb") })
	if i < 0 {
		return refuse("verb", "Ship, next stage, hold, halt or pull.")
	}
	if !c.viewer.may(admin) {
		if verbs[i].admin || len(devices) == 0 {
			return errForbidden
		}
		for _, d := range devices {
			if !c.viewer.maintains(d) {
				return errForbidden
			}
		}
	}
	reason, err := c.reason()
	if err != nil {
		return err
	}
	t, ctx, actor := c.s.Train, c.r.Context(), c.viewer.Name
	switch verbs[i].name {
	case "ship":
		err = t.Ship(ctx, release, train.ShipOptions{Devices: devices, Actor: actor, Reason: reason})
	case "next":
		err = t.Next(ctx, release, devices, actor, reason)
	case "hold":
		err = t.Hold(ctx, release, devices, actor, reason)
	case "halt":
		err = t.Halt(ctx, release, devices, actor, reason)
	case "pull":
		err = t.Pull(ctx, release, devices, actor, reason)
	}
	if err != nil {
		return c.explain(err)
	}
	return c.redirect("/train", "moved")
}

// explain gives a maintainer the train's own words: its errors say what was
// expected and what to do, and name nothing secret.
func (c *call) explain(err error) error {
	if c.r.Context().Err() != nil || isMissing(err) {
		return err
	}
	c.s.Log.Warn("cannot move the train", "path", c.r.URL.Path, "err", err)
	text := err.Error()
	if text != "" {
		text = strings.ToUpper(text[:1]) + text[1:] + "."
	}
	return refuse("verb", text)
}
