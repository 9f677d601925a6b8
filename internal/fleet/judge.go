package fleet

import (
	"fmt"
	"maps"
	"slices"

	"github.com/fridayos/friday/internal/fleet/outcome"
	"github.com/fridayos/friday/internal/fleet/verdict"
)

// HaltLeast is how many enrolled members' handsets must have ended badly before
// their outcomes halt, whatever the test says: two who agree are not enough.
const HaltLeast = 3

// measure is one way in which an update ends badly, with those who could have
// ended so: the ones who came to that point, so that a failure that is told
// sooner than a success does not weigh more for that.
type measure struct {
	name  string
	first float64 // the rate that passes where nothing is known of the build before
	tally func(outcome.Group) verdict.Tally
}

// The measures, in the order in which they are looked at.
var measures = []measure{
	{"failed", verdict.First, func(g outcome.Group) verdict.Tally {
		return verdict.Tally{N: max(g.Downloaded, g.Ended()), Bad: g.Failed}
	}},
	{"rolled back", verdict.First, func(g outcome.Group) verdict.Tally {
		return verdict.Tally{N: g.Booted + g.RolledBack, Bad: g.RolledBack}
	}},
	// People restart when it suits them: much silence is normal.
	{"went silent", 0.25, func(g outcome.Group) verdict.Tally {
		return verdict.Tally{N: g.Booted + g.RolledBack + g.Silent, Bad: g.Silent}
	}},
}

// Figure is what the test found of one measure.
type Figure struct {
	Measure  string `json:"measure"`          // failed, rolled back, went silent
	Region   string `json:"region,omitempty"` // empty: all in which the rollout goes on
	Enrolled bool   `json:"enrolled"`         // of enrolled handsets; else of all
	verdict.Verdict
}

// String is the figure in a sentence.
func (f Figure) String() string {
	who, where := "handsets", ""
	if f.Enrolled {
		who = "enrolled handsets"
	}
	if f.Region != "" {
		where = " in region " + f.Region
	}
	before := fmt.Sprintf("of the build before, %d of %d", f.Before.Bad, f.Before.N)
	if f.Assumed {
		before = fmt.Sprintf("of the build before too little is known (%d handsets)", f.Before.N)
	}
	return fmt.Sprintf("%d of %d %s%s %s; %s; up to %.1f%% would pass, and the odds against that are %s to 1", f.Fresh.Bad, f.Fresh.N, who, where, f.Measure, before, 100*f.Limit, odds(f.Evidence))
}

// odds writes a decimal logarithm as people do.
func odds(log10 float64) string {
	if log10 < 6 {
		return fmt.Sprintf("%.0f", pow10(log10))
	}
	return "more than a million"
}

// Evidence is what the rule that stops a rollout goes by.
type Evidence struct {
	Fresh  outcome.Regional // of the rollout
	Before outcome.Regional // of the builds before it, on the same device and channel
}

// judge looks for a measure by which handsets of some regions fare worse than
// those of the build before; nil: none. region is what the figure says.
func (e Evidence) judge(r *Rollout, region string, regions []string, enrolled bool) *Figure {
	sum := func(of outcome.Regional, regions []string) (g outcome.Group) {
		for _, name := range regions {
			if c := of[name]; enrolled {
				g = g.Plus(c.Enrolled, 1)
			} else {
				g = g.Plus(c.All(), 1)
			}
		}
		return g
	}
	fresh := sum(e.Fresh, regions).Plus(sum(r.Forgiven, regions), -1)
	for _, m := range measures {
		tally := m.tally(fresh)
		if tally.Bad == 0 || enrolled && tally.Bad < HaltLeast {
			continue
		}
		before := m.tally(sum(e.Before, regions))
		if before.N < verdict.Least { // a region that is new, or small
			before = m.tally(sum(e.Before, slices.Collect(maps.Keys(e.Before))))
		}
		if v := verdict.Of(tally, before, m.first); v.Worse {
			return &Figure{Measure: m.name, Region: region, Enrolled: enrolled, Verdict: v}
		}
	}
	return nil
}

// RegionChange stops a rollout in one region.
type RegionChange struct {
	Region string
	Reason string
	Figure *Figure
}

// AdvanceRegions says in which regions more of r is to be stopped, because
// enrolled handsets fare worse there; the others go on.
func AdvanceRegions(r *Rollout, e Evidence) (changes []RegionChange) {
	if r.State != Running && r.State != Held && r.State != Complete || r.Region != "" { // one region's rollout stops as a whole
		return nil
	}
	for _, region := range slices.Sorted(maps.Keys(e.Fresh)) {
		if region == "" || r.Stopped(region) {
			continue
		}
		if f := e.judge(r, region, []string{region}, true); f != nil {
			changes = append(changes, RegionChange{region, f.String(), f})
		}
	}
	return changes
}
