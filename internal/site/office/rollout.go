package office

import (
	"cmp"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fridayos/friday/internal/audit"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/fleet/adoption"
	"github.com/fridayos/friday/internal/fleet/outcome"
	"github.com/fridayos/friday/internal/site/line"
	"github.com/fridayos/friday/internal/site/page"
	"github.com/fridayos/friday/internal/site/tell"
	"github.com/fridayos/friday/internal/train"
	"github.com/fridayos/friday/internal/wire"
)

// rolloutView is one release of one phone on one channel: where it stands, what
// became of it, and who did what to it.
type rolloutView struct {
	Release, Device, Name, Channel, Reason, Trouble string
	State                                           page.State
	Line                                            line.Map
	Stopped                                         []stopView
	Stages                                          []stageView
	Sums, Regions, Sources                          []sumView
	Failures                                        []failureView
	Log                                             []logView
	Verbs                                           []page.Choice
	Halted                                          string // regions
	Runs                                            runsView
}

// stopView is why a rollout stopped, everywhere or in a region, by which figures.
type stopView struct {
	Region, Reason, Who string
	At                  time.Time
	Facts               []fact
}

type stageView struct {
	Reach, Early, Least string
	Outcomes            int64
	Here                bool
}

// sumView is what became of the offers that some handsets took.
type sumView struct {
	Name string
	outcome.Group
}

type failureView struct {
	What, Stage, Code, From, Region string
	Enrolled                        bool
	N                               int64
}

type logView struct {
	At             time.Time
	What, Who, Why string
}

// runsView is which builds the handsets of a phone run, by what their checks tell.
type runsView struct {
	Day    time.Time
	Builds []runView
	Untold []runView // clients that do not tell
	Gaps   []gapView
}

type runView struct {
	Build, Client    string
	Handsets, Checks int64
	Percent          int
}

type gapView struct {
	Words   string
	N       int64
	Percent int
}

// How many rows a table of the page has.
const (
	sumsOnPage     = 30
	failuresOnPage = 20
	logOnPage      = 40
)

// Rollout is one release of one phone on one channel.
func Rollout(c *page.Call) error {
	release, device, channel := c.R.PathValue("release"), c.R.PathValue("device"), c.R.PathValue("channel")
	if len(release) > 32 || !wire.IsCodename(device) || !slices.Contains(wire.Channels(), channel) || strings.ContainsRune(release, 0) {
		return page.ErrNotFound
	}
	var v rolloutView
	err := c.Read(func(tx *db.Tx) error {
		r, err := c.Site.Train.ReleaseStatus(tx, release)
		if err != nil {
			return err
		}
		i := slices.IndexFunc(r.Devices, func(d train.DeviceStatus) bool { return d.Device == device })
		if i < 0 {
			return page.ErrNotFound
		}
		j := slices.IndexFunc(r.Devices[i].Rollouts, func(ro train.RolloutStatus) bool { return ro.Channel == channel })
		if j < 0 {
			return page.ErrNotFound
		}
		cat, err := page.ReadCatalogue(tx)
		if err != nil {
			return err
		}
		ro := &r.Devices[i].Rollouts[j]
		w := tell.Rollout(c.Text, ro.State)
		v = rolloutView{Release: release, Device: device, Name: cat.Name(device), Channel: channel, Reason: tell.Said(c.Text, ro.Reason),
			State: page.State{Mark: w.Mark, Word: w.Text}, Trouble: tell.Trouble(w.Mark), Line: tell.TrackLine(c.Text, r.Devices[i], ro), Stages: stageViews(&ro.Rollout)}
		v.Stopped, v.Halted = stopViews(c, &ro.Rollout), haltedIn(&ro.Rollout)
		for _, verb := range verbs {
			if slices.Contains(verb.in, r.State) && c.Viewer.SpeaksFor(device) && (!verb.admin || c.Viewer.May(page.Admin)) {
				v.Verbs = append(v.Verbs, page.Choice{Value: verb.name, Word: c.Text.T("verb." + verb.name), On: verb.danger})
			}
		}
		if err := v.outcomes(c, tx, ro.ID); err != nil {
			return err
		}
		if v.Log, err = logViews(c, tx, &ro.Rollout); err != nil {
			return err
		}
		v.Runs, err = runs(c, tx, device)
		return err
	})
	if err != nil {
		return err
	}
	return c.Show("rollout", page.Page{Title: v.Release + " · " + v.Name + " · " + v.Channel, Nav: "releases", Body: v})
}

func stageViews(r *fleet.Rollout) (all []stageView) {
	for i, s := range r.Stages {
		v := stageView{Least: formatStage(s), Outcomes: s.Outcomes, Here: i == r.Stage && r.State != fleet.Complete}
		part := strings.SplitN(fleet.FormatStages([]fleet.Stage{s}), ":", 2)
		v.Reach, v.Early, _ = strings.Cut(part[0], "/")
		all = append(all, v)
	}
	return all
}

// formatStage is a stage's least time as people write it.
func formatStage(s fleet.Stage) string {
	part := strings.Split(fleet.FormatStages([]fleet.Stage{s}), ":")
	return part[1]
}

func haltedIn(r *fleet.Rollout) string {
	var all []string
	for _, s := range r.Regions {
		all = append(all, s.Region)
	}
	return strings.Join(all, ", ")
}

// stopViews are the stops that last: of the rollout, and in regions.
func stopViews(c *page.Call, r *fleet.Rollout) (all []stopView) {
	if r.State == fleet.Held || r.State == fleet.Halted || r.State == fleet.Pulled {
		all = append(all, stopView{Reason: tell.Said(c.Text, r.Reason), Who: who(c, r.Actor), At: r.ChangedAt, Facts: figureFacts(c, r.Figure)})
	}
	for _, s := range r.Regions {
		all = append(all, stopView{Region: s.Region, Reason: tell.Said(c.Text, s.Reason), Who: who(c, s.Actor), At: s.At, Facts: figureFacts(c, s.Figure)})
	}
	return all
}

// who is an actor as people know it.
func who(c *page.Call, actor string) string {
	if actor == train.Actor {
		return c.Text.T("train.itself")
	}
	return actor
}

// figureFacts are the figures that a stop rests on.
func figureFacts(c *page.Call, f *fleet.Figure) []fact {
	if f == nil {
		return nil
	}
	of := func(bad, n int64) string { return c.Text.T("rollout-page.of", "Bad", bad, "N", n) }
	return []fact{
		{c.Text.T("rollout-page.fresh"), of(f.Fresh.Bad, f.Fresh.N), false},
		{c.Text.T("rollout-page.before"), of(f.Before.Bad, f.Before.N), false},
		{c.Text.T("rollout-page.passes"), c.Text.Decimal(100*f.Limit, 1) + " %", false},
	}
}

// outcomes reads what became of the offers.
func (v *rolloutView) outcomes(c *page.Call, tx *db.Tx, id int64) error {
	b, err := outcome.BreakdownOf(tx, id)
	if err != nil {
		return err
	}
	if b.All != (outcome.Group{}) {
		v.Sums = []sumView{{c.Text.T("rollout-page.all"), b.All}, {c.Text.T("rollout-page.enrolled"), b.Enrolled}}
	}
	v.Regions, v.Sources = sumViews(b.ByRegion, c.Text.T("rollout-page.region-untold")), sumViews(b.BySource, c.Text.T("rollout-page.source-unknown"))
	failures, err := outcome.Failures(tx, id)
	if err != nil {
		return err
	}
	for _, f := range failures[:min(len(failures), failuresOnPage)] {
		v.Failures = append(v.Failures, failureView{What: c.Text.T("outcome." + strings.ReplaceAll(string(f.Event), "_", "-")), Stage: said(c, "outcome-stage.", f.Stage), Code: f.Code,
			From: f.From, Region: f.Region, Enrolled: f.Enrolled, N: f.N})
	}
	return nil
}

// sumViews sorts sums, those of most handsets first; none if there is nothing to
// tell apart.
func sumViews(by map[string]outcome.Group, unknown string) (all []sumView) {
	if len(by) < 2 && by[""] != (outcome.Group{}) {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(by)) {
		all = append(all, sumView{cmp.Or(name, unknown), by[name]})
	}
	slices.SortStableFunc(all, func(a, b sumView) int { return cmp.Compare(b.Downloaded+b.Ended(), a.Downloaded+a.Ended()) })
	return all[:min(len(all), sumsOnPage)]
}

// logViews is what the audit trail has of a rollout.
func logViews(c *page.Call, tx *db.Tx, r *fleet.Rollout) (all []logView, err error) {
	events, err := audit.List(tx, audit.Filter{Within: r.Release + " " + r.Device + " " + r.Channel, Action: "rollout.", Limit: 4 * logOnPage})
	if err != nil {
		return nil, err
	}
	for _, e := range events {
		var d struct {
			Rollout int64  `json:"rollout"`
			Region  string `json:"region"`
			Percent int    `json:"percent"`
			Reason  string `json:"reason"`
		}
		if json.Unmarshal([]byte(e.Detail), &d) != nil || d.Rollout != r.ID {
			continue
		}
		what := strings.TrimPrefix(e.Action, "rollout.")
		words := c.Text.T("rollout-did."+what, "Region", d.Region)
		if state := fleet.State(what); c.Text.Has("rollout." + what) {
			words = tell.Rollout(c.Text, state).Text
			if state == fleet.Running {
				words += " " + c.Text.T("rollout-page.percent", "Percent", d.Percent)
			}
		}
		if all = append(all, logView{At: e.At, What: words, Who: who(c, e.Actor), Why: tell.Said(c.Text, d.Reason)}); len(all) == logOnPage {
			break
		}
	}
	return all, nil
}

// runs reads what the checks of the newest day tell.
func runs(c *page.Call, tx *db.Tx, device string) (v runsView, err error) {
	day, ok, err := adoption.Newest(tx, device)
	if err != nil || !ok {
		return v, err
	}
	v.Day = time.Unix(day*86400, 0).UTC()
	shares, err := adoption.Of(tx, device, day)
	if err != nil {
		return v, err
	}
	told := int64(0)
	for _, s := range shares {
		if s.Build != "" {
			told += s.Handsets
		}
	}
	for _, s := range shares {
		one := runView{Build: s.Build, Client: c.Text.T("client." + string(s.Client)), Handsets: s.Handsets, Checks: s.Checks}
		if s.Build == "" {
			v.Untold = append(v.Untold, one)
			continue
		}
		one.Percent = percent(s.Handsets, told)
		v.Builds = append(v.Builds, one)
	}
	v.Builds, v.Untold = v.Builds[:min(len(v.Builds), sumsOnPage)], v.Untold[:min(len(v.Untold), sumsOnPage)]
	v.Gaps, err = gaps(c, tx, device, day)
	return v, err
}

// gaps is how long after their check before the handsets of a day came.
func gaps(c *page.Call, tx *db.Tx, device string, day int64) (all []gapView, err error) {
	by, err := fleet.ByGap(tx, device, day)
	if err != nil {
		return nil, err
	}
	var sum int64
	for _, n := range by {
		sum += n
	}
	for _, band := range []struct{ from, to int }{{1, 1}, {2, 3}, {4, 7}, {8, 14}, {15, fleet.ActiveDays - 1}, {fleet.ActiveDays, fleet.ActiveDays}} {
		n := int64(0)
		for gap := band.from; gap <= band.to; gap++ {
			n += by[gap]
		}
		words := c.Text.T("rollout-page.gap", "From", band.from, "To", band.to)
		switch band.from {
		case 1:
			words = c.Text.T("rollout-page.gap-day")
		case fleet.ActiveDays:
			words = c.Text.T("rollout-page.gap-new", "From", band.from)
		}
		if n > 0 {
			all = append(all, gapView{words, n, percent(n, sum)})
		}
	}
	return all, nil
}

func percent(n, of int64) int {
	if of == 0 {
		return 0
	}
	return int((100*n + of/2) / of)
}
