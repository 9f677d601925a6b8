package fleet

import (
	"fmt"
	"time"
)

// The rule that stops a rollout; the package comment states it.
const (
	BadPercent = 5
	HaltLeast  = 2
	HoldLeast  = 5
)

// Advance says what the counts and the time call for; ok is false when r stays
// as it is.
func Advance(r *Rollout, n Counts, now time.Time) (change Change, ok bool) {
	switch r.State {
	case Running, Held, Complete:
	default:
		return Change{}, false
	}
	enrolled, anonymous := n.Enrolled.since(r.Forgiven.Enrolled), n.Anonymous.since(r.Forgiven.Anonymous)
	if tooBad(enrolled, HaltLeast) {
		return Change{Halted, r.Stage, fmt.Sprintf("%s of the enrolled handsets %s; more than %d%% stop a rollout", share(enrolled), ended, BadPercent)}, true
	}
	crashes := n.Crashes
	// What a human let pass counts again only when it has become more.
	fresh := crashes.Clusters > r.Forgiven.Crashes.Clusters || crashes.Members > r.Forgiven.Crashes.Members
	if fresh && crashes.Members >= HaltLeast && crashes.Members*100 > n.Enrolled.Booted*BadPercent {
		return Change{Halted, r.Stage, fmt.Sprintf("%d enrolled members met a crash that is new in this build or grew, of %d enrolled handsets that booted; more than %d%% stop a rollout", crashes.Members, n.Enrolled.Booted, BadPercent)}, true
	}
	if r.State != Running {
		return Change{}, false
	}
	if fresh && crashes.Clusters > 0 {
		return Change{Held, r.Stage, fmt.Sprintf("crashes that are new in this build or grew: %d; a human has to look", crashes.Clusters)}, true
	}
	if tooBad(anonymous, HoldLeast) {
		return Change{Held, r.Stage, fmt.Sprintf("%s of the anonymous handsets %s; a human has to look", share(anonymous), ended)}, true
	}
	if why := waiting(r, n, now); why != "" {
		return Change{}, false
	}
	stage := r.Stages[r.Stage]
	after := fmt.Sprintf("after %s at %d%%, %d handsets ended the update, %d of them badly", now.Sub(r.StageSince).Round(time.Minute), stage.Percent, n.Ended(), n.Enrolled.Bad()+n.Anonymous.Bad())
	if r.Stage == len(r.Stages)-1 {
		return Change{Complete, r.Stage, after}, true
	}
	return Change{Running, r.Stage + 1, after}, true
}

const ended = "that ended the update failed or rolled back"

// Waiting says what a running rollout's next stage waits for; empty: nothing.
func Waiting(r *Rollout, n Counts, now time.Time) string {
	if r.State != Running {
		return ""
	}
	return waiting(r, n, now)
}

func waiting(r *Rollout, n Counts, now time.Time) string {
	stage := r.Stages[r.Stage]
	// A clock that was set back makes the stage longer, never shorter.
	if left := stage.Least - now.Sub(r.StageSince); left > 0 {
		return fmt.Sprintf("%s more at %d%%", left.Round(time.Minute), stage.Percent)
	}
	if n.Ended() < stage.Outcomes {
		return fmt.Sprintf("outcomes of %d handsets; %d have ended the update", stage.Outcomes, n.Ended())
	}
	return ""
}

func tooBad(g Group, least int64) bool {
	return g.Bad() >= least && g.Bad()*100 > g.Ended()*BadPercent
}

func share(g Group) string { return fmt.Sprintf("%d of %d", g.Bad(), g.Ended()) }

// since is what g counts beyond old.
func (g Group) since(old Group) Group {
	return Group{
		Downloaded: g.Downloaded - old.Downloaded, Verified: g.Verified - old.Verified,
		Applied: g.Applied - old.Applied, Booted: g.Booted - old.Booted, Healthy: g.Healthy - old.Healthy,
		RolledBack: g.RolledBack - old.RolledBack, Failed: g.Failed - old.Failed, FailedDownload: g.FailedDownload - old.FailedDownload,
	}
}
