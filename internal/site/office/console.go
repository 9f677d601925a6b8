package office

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/fleet/outcome"
	"github.com/fridayos/friday/internal/site/line"
	"github.com/fridayos/friday/internal/site/page"
	"github.com/fridayos/friday/internal/site/tell"
	"github.com/fridayos/friday/internal/train"
)

type consoleView struct {
	Sentence, Next string
	Stages         string // the usual ones
	Week           line.Map
	CanCut         bool
	Releases       []consoleRelease
	Log            []train.Transition
}

type consoleRelease struct {
	ID, Name, Reason string
	State            page.State
	Tracks           []trackView
	More             int // tracks that are shown on the release's page
	Mine, Verbs      []page.Choice
	Regions          string // in which one of its rollouts is halted
	All              bool
}

type verb struct {
	name          string
	danger, admin bool
	in            []train.State
}

// verbs are what moves a release, and in which of its states.
var verbs = []verb{
	{"ship", false, false, []train.State{train.Frozen, train.Testing, train.Shipping}},
	{"next", false, false, []train.State{train.Shipping}},
	{"hold", false, false, []train.State{train.Frozen, train.Testing, train.Shipping}},
	{"halt", true, false, []train.State{train.Shipping, train.Settled}},
	{"pull", true, true, []train.State{train.Frozen, train.Testing, train.Shipping, train.Settled}},
}

// How much of each of the last releases the console shows: tracks, those in
// trouble first, and the viewer's own devices to choose from.
const (
	tracksInConsole = 4
	mineInConsole   = 24
)

// Console is the train: this week, its releases, and for those who may, what moves them.
func Console(c *page.Call) error {
	var v consoleView
	err := c.Read(func(tx *db.Tx) error {
		st, err := c.Site.Train.Status(tx, 4)
		if err != nil {
			return err
		}
		cat, err := page.ReadCatalogue(tx)
		if err != nil {
			return err
		}
		week, err := c.Week(tx, st)
		if err != nil {
			return err
		}
		v.Week, v.Next, v.Stages = week.Line, st.Week, fleet.FormatStages(fleet.DefaultStages())
		v.Sentence = c.Text.T("train.sentence", "Headline", week.Headline, "Release", st.Week, "Sentence", week.Sentence)
		v.CanCut = c.Viewer.May(page.Admin) && page.Find(st.Releases, st.Week) == nil
		for _, r := range st.Releases {
			w := tell.Train(c.Text, r.State)
			cr := consoleRelease{ID: strings.ReplaceAll(r.Name, ".", "-"), Name: r.Name, Reason: tell.Said(c.Text, r.Reason),
				State: page.State{Mark: w.Mark, Word: w.Text}, Tracks: tracks(c, &r, cat), All: c.Viewer.May(page.Admin)}
			cr.Regions = haltedRegions(&r)
			cr.More = max(0, len(cr.Tracks)-tracksInConsole)
			cr.Tracks = cr.Tracks[:len(cr.Tracks)-cr.More]
			for _, d := range r.Devices {
				if c.Viewer.SpeaksFor(d.Device) && len(cr.Mine) < mineInConsole {
					cr.Mine = append(cr.Mine, page.Choice{Value: d.Device, Word: cat.Name(d.Device)})
				}
			}
			for _, verb := range verbs {
				if slices.Contains(verb.in, r.State) && len(cr.Mine) > 0 && (!verb.admin || c.Viewer.May(page.Admin)) {
					cr.Verbs = append(cr.Verbs, page.Choice{Value: verb.name, Word: c.Text.T("verb." + verb.name), On: verb.danger})
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
	for i := range v.Log {
		v.Log[i].To, v.Log[i].Reason = tell.Step(c.Text, v.Log[i]), tell.Said(c.Text, v.Log[i].Reason)
		if v.Log[i].Actor == train.Actor {
			v.Log[i].Actor = c.Text.T("train.itself")
		}
	}
	return c.Show("train", page.Page{Title: c.Text.T("train.title"), Nav: "train", Script: false, Feed: "/api/forum/v1/releases.atom", Body: v})
}

// haltedRegions names the regions in which a rollout of the release is halted.
func haltedRegions(r *train.ReleaseStatus) string {
	var all []string
	for _, d := range r.Devices {
		for _, ro := range d.Rollouts {
			for _, s := range ro.Regions {
				all = append(all, s.Region)
			}
		}
	}
	slices.Sort(all)
	return strings.Join(slices.Compact(all), ", ")
}

// maxReason is in characters, as the forms have it.
const maxReason = 500

// reason reads why something is done; members read it.
func reason(c *page.Call) (string, error) {
	reason := strings.Join(strings.Fields(strings.ToValidUTF8(c.R.PostForm.Get("reason"), "")), " ")
	switch {
	case reason == "":
		return "", page.Refuse("reason", c.Text.T("refuse.why"))
	case utf8.RuneCountInString(reason) > maxReason:
		return "", page.Refuse("reason", c.Text.T("refuse.long"))
	}
	return reason, nil
}

// Cut cuts this week's release.
func Cut(c *page.Call) error {
	f := c.R.PostForm
	rev, notes := strings.TrimSpace(f.Get("rev")), strings.TrimSpace(strings.ToValidUTF8(f.Get("notes"), ""))
	if rev == "" || len(rev) > 128 || strings.ContainsFunc(rev, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return page.Refuse("rev", c.Text.T("refuse.rev"))
	}
	if c.Site.Train.Repo == nil {
		return page.Refuse("rev", c.Text.T("refuse.no-repository"))
	}
	if _, err := c.Site.Train.Cut(c.R.Context(), rev, train.CutOptions{Notes: notes, Actor: c.Viewer.Name}); err != nil {
		return explain(c, err)
	}
	return c.Redirect("/train", "cut")
}

// Skip leaves a week out.
func Skip(c *page.Call) error {
	reason, err := reason(c)
	if err != nil {
		return err
	}
	if err := c.Site.Train.Skip(c.R.Context(), c.R.PostForm.Get("release"), c.Viewer.Name, reason); err != nil {
		return explain(c, err)
	}
	return c.Redirect("/train", "moved")
}

// Move ships, sends on to the next stage, holds, halts or pulls a release on some of its devices. Whoever
// maintains devices moves those; only administrators may name none, which is all.
func Move(c *page.Call) error {
	f := c.R.PostForm
	release, devices := f.Get("release"), f["device"]
	i := slices.IndexFunc(verbs, func(v verb) bool { return v.name == f.Get("verb") })
	if i < 0 {
		return page.Refuse("verb", c.Text.T("refuse.verb"))
	}
	if !c.Viewer.May(page.Admin) {
		if verbs[i].admin || len(devices) == 0 {
			return page.ErrForbidden
		}
		for _, d := range devices {
			if !c.Viewer.SpeaksFor(d) {
				return page.ErrForbidden
			}
		}
	}
	reason, err := reason(c)
	if err != nil {
		return err
	}
	regions, err := regions(f.Get("regions"))
	if err != nil {
		return explain(c, err)
	}
	t, ctx, actor := c.Site.Train, c.R.Context(), c.Viewer.Name
	switch verbs[i].name {
	case "ship":
		o := train.ShipOptions{Devices: devices, Actor: actor, Reason: reason, Conditions: fleet.Conditions{Regions: regions}}
		if text := strings.TrimSpace(f.Get("stages")); text != "" {
			if o.Stages, err = fleet.ParseStages(text); err != nil {
				return explain(c, err)
			}
		}
		err = t.Ship(ctx, release, o)
	case "next":
		err = t.Next(ctx, release, devices, actor, reason)
	case "hold":
		err = t.Hold(ctx, release, devices, actor, reason)
	case "halt":
		if len(regions) > 0 {
			err = t.HaltRegions(ctx, release, devices, regions, actor, reason)
		} else {
			err = t.Halt(ctx, release, devices, actor, reason)
		}
	case "pull":
		err = t.Pull(ctx, release, devices, actor, reason)
	}
	if err != nil {
		return explain(c, err)
	}
	return c.Redirect("/train", "moved")
}

// regions reads "in, DE"; empty: none, which is all.
func regions(text string) (all []string, err error) {
	const most = 50
	for _, name := range strings.FieldsFunc(text, func(r rune) bool { return r == ',' || unicode.IsSpace(r) }) {
		region := outcome.Region(name)
		if region == "" || len(all) == most {
			return nil, fleet.Sayings().New("regions", "region-name", "Region", name[:min(len(name), 20)])
		}
		if !slices.Contains(all, region) {
			all = append(all, region)
		}
	}
	return all, nil
}

// explain gives a maintainer the train's own words, in their language where they
// are a known sentence: its errors say what was expected and what to do, and name
// nothing secret.
func explain(c *page.Call, err error) error {
	if c.R.Context().Err() != nil || page.IsMissing(err) {
		return err
	}
	c.Site.Log.Warn("cannot move the train", "path", c.R.URL.Path, "err", err)
	words := err.Error()
	text := tell.Said(c.Text, words)
	if text == words && text != "" {
		text = strings.ToUpper(text[:1]) + text[1:] + "."
	}
	return page.Refuse("verb", text)
}
