package fleet

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"time"

	"github.com/fridayos/friday/internal/fleet/outcome"
	"github.com/fridayos/friday/internal/fleet/verdict"
)

// Advance says what the outcomes and the time call for; ok is false when r stays
// as it is. The package comment states the rule.
func Advance(r *Rollout, e Evidence, now time.Time) (change Change, ok bool) {
	switch r.State {
	case Running, Held, Complete:
	default:
		return Change{}, false
	}
	total := e.Fresh.Total()
	// A region in which it is stopped speaks for itself, and no longer for the others.
	regions := slices.DeleteFunc(slices.Sorted(maps.Keys(e.Fresh)), r.Stopped)
	if f := e.judge(r, "", regions, true); f != nil {
		return Change{State: Halted, Stage: r.Stage, Reason: f.String(), Figure: f}, true
	}
	crashes := total.Crashes
	// What a human let pass counts again only when it has become more.
	forgiven := r.Forgiven.Total().Crashes
	fresh := crashes.Clusters > forgiven.Clusters || crashes.Members > forgiven.Members
	if f := crashed(total); fresh && f != nil {
		return Change{State: Halted, Stage: r.Stage, Reason: f.String(), Figure: f}, true
	}
	if r.State != Running {
		return Change{}, false
	}
	if fresh && crashes.Clusters > 0 {
		return Change{State: Held, Stage: r.Stage, Reason: fmt.Sprintf("crashes that are new in this build or grew: %d; a human has to look", crashes.Clusters)}, true
	}
	if f := e.suspect(r, regions); f != nil {
		return Change{State: Held, Stage: r.Stage, Reason: f.String() + "; a human has to look", Figure: f}, true
	}
	if why := waiting(r, total, now); why != "" {
		return Change{}, false
	}
	stage := r.Stages[r.Stage]
	code, reach := "stage", []any{"Percent", stage.Percent}
	if stage.Handsets > 0 {
		code, reach = "stage-places", []any{"Places", stage.Handsets}
	}
	after := said.Say(code, append(reach, "Time", now.Sub(r.StageSince).Round(time.Minute), "N", total.Ended(), "Bad", total.All().Bad())...)
	if r.Stage == len(r.Stages)-1 {
		return Change{State: Complete, Stage: r.Stage, Reason: after}, true
	}
	return Change{State: Running, Stage: r.Stage + 1, Reason: after}, true
}

// crashed says whether enough enrolled members met one crash to halt: new in
// the build or grown, which crash found out against the builds before.
func crashed(total outcome.Counts) *Figure {
	members := total.Crashes.Members
	v := verdict.Of(verdict.Tally{N: max(total.Enrolled.Booted, members), Bad: members}, verdict.Tally{}, verdict.First)
	if members < HaltLeast || !v.Worse {
		return nil
	}
	return &Figure{Measure: "met a crash that is new in this build or grew", Enrolled: true, Verdict: v}
}

// suspect looks at all handsets, enrolled or not, together and in each region.
func (e Evidence) suspect(r *Rollout, regions []string) *Figure {
	if f := e.judge(r, "", regions, false); f != nil {
		return f
	}
	for _, region := range regions {
		if f := e.judge(r, region, []string{region}, false); region != "" && f != nil {
			return f
		}
	}
	return nil
}

// Waiting says what a running rollout's next stage waits for; empty: nothing.
func Waiting(r *Rollout, n outcome.Counts, now time.Time) string {
	if r.State != Running {
		return ""
	}
	return waiting(r, n, now)
}

func waiting(r *Rollout, n outcome.Counts, now time.Time) string {
	stage := r.Stages[r.Stage]
	// A clock that was set back makes the stage longer, never shorter.
	if left := stage.Least - now.Sub(r.StageSince); left > 0 {
		return fmt.Sprintf("%s more at %s", left.Round(time.Minute), stage)
	}
	if n.Ended() < stage.Outcomes {
		return fmt.Sprintf("outcomes of %d handsets; %d have ended the update", stage.Outcomes, n.Ended())
	}
	return ""
}

func pow10(x float64) float64 { return math.Pow(10, x) }
