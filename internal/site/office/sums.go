package office

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/fleet/outcome"
	"github.com/fridayos/friday/internal/fleet/pace"
	"github.com/fridayos/friday/internal/fleet/reach"
	"github.com/fridayos/friday/internal/site/page"
)

// sumView is what became of the offers that some handsets took.
type sumView struct {
	Name    string
	Offered int64 // handsets, about; 0: not known
	outcome.Group
}

// paceTable is how long handsets took: for each step, or from the offer to the
// first boot for handsets of several kinds.
type paceTable struct {
	Title, Head string
	Rows        []paceView
}

// paceView is how long some handsets took.
type paceView struct {
	Name, Half, Most string
	N                int64
}

type failureView struct {
	What, Stage, Code, From, Region string
	Enrolled                        bool
	N                               int64
}

// outcomes reads what became of the offers.
func (v *rolloutView) outcomes(c *page.Call, tx *db.Tx, id int64) error {
	b, err := outcome.BreakdownOf(tx, id)
	if err != nil {
		return err
	}
	reached, err := reach.Of(tx, id)
	if err != nil {
		return err
	}
	if b.All != (outcome.Group{}) || len(reached.All) > 0 {
		v.Sums = []sumView{{c.Text.T("rollout-page.all"), reached.All[reach.Offered], b.All}, {c.Text.T("rollout-page.enrolled"), 0, b.Enrolled}}
	}
	untold, unknown := c.Text.T("rollout-page.region-untold"), c.Text.T("rollout-page.source-unknown")
	v.Regions, v.Sources = sumViews(b.ByRegion, reached.ByRegion, untold), sumViews(b.BySource, reached.BySource, unknown)
	took, err := outcome.PaceOf(tx, id)
	if err != nil {
		return err
	}
	for _, table := range []paceTable{
		{"", c.Text.T("rollout-page.step"), stepViews(c, took.All)},
		{c.Text.T("rollout-page.pace-region"), c.Text.T("rollout-page.region"), wholeViews(c, took.ByRegion, untold)},
		{c.Text.T("rollout-page.pace-source"), c.Text.T("rollout-page.source"), wholeViews(c, took.BySource, unknown)},
	} {
		if len(table.Rows) > 0 {
			v.Paces = append(v.Paces, table)
		}
	}
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
func sumViews(by map[string]outcome.Group, reached map[string]reach.Group, unknown string) (all []sumView) {
	names := map[string]bool{}
	for name := range by {
		names[name] = true
	}
	for name := range reached {
		names[name] = true
	}
	if len(names) < 2 && (len(names) == 0 || names[""]) {
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		all = append(all, sumView{cmp.Or(name, unknown), reached[name][reach.Offered], by[name]})
	}
	slices.SortStableFunc(all, func(a, b sumView) int {
		return cmp.Or(cmp.Compare(b.Downloaded+b.Ended(), a.Downloaded+a.Ended()), cmp.Compare(b.Offered, a.Offered))
	})
	return all[:min(len(all), sumsOnPage)]
}

// stepViews are how long each step took.
func stepViews(c *page.Call, p outcome.Pace) (all []paceView) {
	for _, step := range pace.Steps() {
		if s := p[step]; s.N() > 0 {
			all = append(all, quantiles(c, c.Text.T("step."+string(step)), s))
		}
	}
	return all
}

// wholeViews are how long it took from the offer to the first boot, for handsets of
// several kinds; none if there is nothing to tell apart.
func wholeViews(c *page.Call, by map[string]outcome.Pace, unknown string) (all []paceView) {
	for _, name := range slices.Sorted(maps.Keys(by)) {
		if s := by[name][pace.Whole]; s.N() > 0 {
			all = append(all, quantiles(c, cmp.Or(name, unknown), s))
		}
	}
	if len(all) < 2 {
		return nil
	}
	slices.SortStableFunc(all, func(a, b paceView) int { return cmp.Compare(b.N, a.N) })
	return all[:min(len(all), sumsOnPage)]
}

func quantiles(c *page.Call, name string, s pace.Sketch) paceView {
	return paceView{Name: name, N: s.N(), Half: span(c, s.Quantile(0.5)), Most: span(c, s.Quantile(0.95))}
}

// span writes a duration in the unit that says it in few digits; the symbols are
// the same in every language.
func span(c *page.Call, d time.Duration) string {
	switch {
	case d < time.Second:
		return "< 1 s"
	case d < 90*time.Second:
		return c.Text.Decimal(d.Seconds(), 0) + " s"
	case d < 90*time.Minute:
		return c.Text.Decimal(d.Minutes(), 0) + " min"
	case d < 48*time.Hour:
		return c.Text.Decimal(d.Hours(), 1) + " h"
	}
	return c.Text.Decimal(d.Hours()/24, 1) + " d"
}
