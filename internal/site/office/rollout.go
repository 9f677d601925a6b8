package office

import (
	"cmp"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fridayos/friday/internal/audit"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/site/line"
	"github.com/fridayos/friday/internal/site/page"
	"github.com/fridayos/friday/internal/site/tell"
	"github.com/fridayos/friday/internal/train"
	"github.com/fridayos/friday/internal/wire"
)

// rolloutView is one release of one phone on one channel: where it stands, what
// became of it, and who did what to it. Where it is split by region or carrier, it
// is one of the parts.
type rolloutView struct {
	Release, Device, Name, Channel, Reason, Trouble string
	State                                           page.State
	Parts                                           []partView // none: it is not split
	Line                                            line.Map
	Stopped                                         []stopView
	Stages                                          []stageView
	Sums, Regions, Sources                          []sumView
	Paces                                           []paceTable
	Failures                                        []failureView
	Log                                             []logView
	Verbs                                           []page.Choice
	Halted                                          string // regions
	Runs                                            runsView
}

// partView is a rollout among those of the same release, phone and channel.
type partView struct {
	Name, Reach, Where string
	State              page.State
	Here               bool
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

type logView struct {
	At             time.Time
	What, Who, Why string
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
		var all []train.RolloutStatus
		for _, ro := range r.Devices[i].Rollouts {
			if ro.Channel == channel {
				all = append(all, ro)
			}
		}
		j, ok := chosen(all, c.R.FormValue("rollout"))
		if !ok {
			return page.ErrNotFound
		}
		cat, err := page.ReadCatalogue(tx)
		if err != nil {
			return err
		}
		ro := &all[j]
		w := tell.Rollout(c.Text, ro.State)
		v = rolloutView{Release: release, Device: device, Name: cat.Name(device), Channel: channel, Reason: tell.Said(c.Text, ro.Reason),
			State: page.State{Mark: w.Mark, Word: w.Text}, Trouble: tell.Trouble(w.Mark), Line: tell.TrackLine(c.Text, r.Devices[i], ro), Stages: stageViews(&ro.Rollout), Parts: partViews(c, all, j)}
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

// chosen is the rollout that an id names; of none the first that is stopped, or
// else the first.
func chosen(all []train.RolloutStatus, id string) (i int, ok bool) {
	if id != "" {
		i = slices.IndexFunc(all, func(r train.RolloutStatus) bool { return strconv.FormatInt(r.ID, 10) == id })
		return i, i >= 0
	}
	i = slices.IndexFunc(all, func(r train.RolloutStatus) bool {
		return r.State == fleet.Halted || r.State == fleet.Held || len(r.Regions) > 0
	})
	return max(i, 0), len(all) > 0
}

// partViews are all rollouts of one release, phone and channel; none if there is
// only one.
func partViews(c *page.Call, all []train.RolloutStatus, here int) (parts []partView) {
	if len(all) < 2 {
		return nil
	}
	for i := range all {
		r := &all[i].Rollout
		w := tell.Rollout(c.Text, r.State)
		parts = append(parts, partView{Name: cmp.Or(tell.RolloutPart(r), c.Text.T("rollout-page.everywhere")), Reach: r.Reach(), Where: tell.RolloutPage(r), State: page.State{Mark: w.Mark, Word: w.Text}, Here: i == here})
	}
	return parts
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
