package fleet_test

import (
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/fleet/outcome"
)

func TestAdvance(t *testing.T) {
	stages := []fleet.Stage{{Percent: 10, Least: 4 * time.Hour, Outcomes: 5}, {Percent: 100, Least: time.Hour}}
	good := outcome.Group{Booted: 100}
	for _, c := range []struct {
		name  string
		r     fleet.Rollout
		n     outcome.Counts
		was   outcome.Counts // of the build before
		after time.Duration
		want  fleet.State // "": stays
		stage int
	}{
		{name: "too early", r: fleet.Rollout{State: fleet.Running}, n: outcome.Counts{Anonymous: good}, after: 4*time.Hour - 1, want: "", stage: 0},
		{name: "too few outcomes", r: fleet.Rollout{State: fleet.Running}, n: outcome.Counts{Anonymous: outcome.Group{Booted: 4, Downloaded: 50, Applied: 9}}, after: 400 * time.Hour, want: "", stage: 0},
		{name: "next stage", r: fleet.Rollout{State: fleet.Running}, n: outcome.Counts{Anonymous: outcome.Group{Booted: 4}, Enrolled: outcome.Group{Booted: 1}}, after: 4 * time.Hour, want: fleet.Running, stage: 1},
		{name: "the clock was set back", r: fleet.Rollout{State: fleet.Running}, n: outcome.Counts{Anonymous: good}, after: -time.Hour, want: "", stage: 0},
		{name: "complete", r: fleet.Rollout{State: fleet.Running, Stage: 1}, n: outcome.Counts{Anonymous: good}, after: time.Hour, want: fleet.Complete, stage: 1},
		{name: "planned stays", r: fleet.Rollout{State: fleet.Planned}, n: outcome.Counts{Enrolled: outcome.Group{Failed: 100}}, after: 400 * time.Hour, want: "", stage: 0},
		{name: "held stays", r: fleet.Rollout{State: fleet.Held}, n: outcome.Counts{Anonymous: good}, after: 400 * time.Hour, want: "", stage: 0},
		{name: "two enrolled failures are not enough", r: fleet.Rollout{State: fleet.Running}, n: outcome.Counts{Enrolled: outcome.Group{Failed: 1, RolledBack: 1}}},
		{name: "two of one kind hold at most, however good the build before", r: fleet.Rollout{State: fleet.Running}, n: outcome.Counts{Enrolled: outcome.Group{Failed: 2}}, was: outcome.Counts{Enrolled: outcome.Group{Booted: 1_000_000}}, want: fleet.Held},
		{name: "three that failed halt", r: fleet.Rollout{State: fleet.Running}, n: outcome.Counts{Enrolled: outcome.Group{Failed: 3}}, want: fleet.Halted},
		{name: "three of five that rolled back halt", r: fleet.Rollout{State: fleet.Running}, n: outcome.Counts{Enrolled: outcome.Group{RolledBack: 3, Booted: 2}}, want: fleet.Halted},
		{name: "before the least time too", r: fleet.Rollout{State: fleet.Running}, n: outcome.Counts{Enrolled: outcome.Group{RolledBack: 4}}, want: fleet.Halted},
		{name: "those who have it and did not end count", r: fleet.Rollout{State: fleet.Running}, n: outcome.Counts{Enrolled: outcome.Group{Downloaded: 150, Failed: 3}}},
		{name: "as bad as before", r: fleet.Rollout{State: fleet.Running}, n: outcome.Counts{Enrolled: outcome.Group{Booted: 900, Failed: 100}}, was: outcome.Counts{Enrolled: outcome.Group{Booted: 9000, Failed: 1000}}},
		{name: "five times as bad", r: fleet.Rollout{State: fleet.Running}, n: outcome.Counts{Enrolled: outcome.Group{Booted: 380, Failed: 20}}, was: outcome.Counts{Enrolled: outcome.Group{Booted: 4950, Failed: 50}}, want: fleet.Halted},
		{name: "anonymous ones before do not excuse it", r: fleet.Rollout{State: fleet.Running}, n: outcome.Counts{Enrolled: outcome.Group{Booted: 380, Failed: 40}}, was: outcome.Counts{Enrolled: outcome.Group{Booted: 4950, Failed: 50}, Anonymous: outcome.Group{Failed: 9000}}, want: fleet.Halted},
		{name: "silence is normal", r: fleet.Rollout{State: fleet.Running}, n: outcome.Counts{Enrolled: outcome.Group{Booted: 80, Silent: 20}}},
		{name: "silence that was not normal halts", r: fleet.Rollout{State: fleet.Running}, n: outcome.Counts{Enrolled: outcome.Group{Booted: 80, Silent: 20}}, was: outcome.Counts{Enrolled: outcome.Group{Booted: 980, Silent: 20}}, want: fleet.Halted},
		{name: "failed downloads do not", r: fleet.Rollout{State: fleet.Running}, n: outcome.Counts{Enrolled: outcome.Group{FailedDownload: 50}}},
		{name: "held is halted too", r: fleet.Rollout{State: fleet.Held}, n: outcome.Counts{Enrolled: outcome.Group{Failed: 3}}, want: fleet.Halted},
		{name: "complete is halted too", r: fleet.Rollout{State: fleet.Complete, Stage: 1}, n: outcome.Counts{Enrolled: outcome.Group{Failed: 3}}, after: time.Hour, want: fleet.Halted, stage: 1},
		{name: "anonymous failures hold", r: fleet.Rollout{State: fleet.Running}, n: outcome.Counts{Anonymous: outcome.Group{Failed: 5}}, want: fleet.Held},
		{name: "ever so many of them do not halt", r: fleet.Rollout{State: fleet.Running}, n: outcome.Counts{Anonymous: outcome.Group{Failed: 5000}}, want: fleet.Held},
		{name: "two anonymous failures do not hold", r: fleet.Rollout{State: fleet.Running}, n: outcome.Counts{Anonymous: outcome.Group{Failed: 2}}},
		{name: "forgiven ones do not count again", r: fleet.Rollout{State: fleet.Running, Forgiven: outcome.Regional{"": {Enrolled: outcome.Group{Failed: 3}}}}, n: outcome.Counts{Enrolled: outcome.Group{Failed: 5}}},
		{name: "new ones after that do", r: fleet.Rollout{State: fleet.Running, Forgiven: outcome.Regional{"": {Enrolled: outcome.Group{Failed: 3}}}}, n: outcome.Counts{Enrolled: outcome.Group{Failed: 6}}, want: fleet.Halted},
		{name: "crashes hold", r: fleet.Rollout{State: fleet.Running}, n: outcome.Counts{Anonymous: good, Crashes: outcome.Crashes{Clusters: 1}}, want: fleet.Held},
		{name: "crashes of enrolled members halt", r: fleet.Rollout{State: fleet.Complete, Stage: 1}, n: outcome.Counts{Enrolled: outcome.Group{Booted: 39}, Crashes: outcome.Crashes{Clusters: 1, Members: 7}}, want: fleet.Halted, stage: 1},
		{name: "of few they hold", r: fleet.Rollout{State: fleet.Running}, n: outcome.Counts{Enrolled: outcome.Group{Booted: 40}, Crashes: outcome.Crashes{Clusters: 1, Members: 2}}, want: fleet.Held},
		{name: "one enrolled member's crash holds", r: fleet.Rollout{State: fleet.Running}, n: outcome.Counts{Crashes: outcome.Crashes{Clusters: 1, Members: 1}}, want: fleet.Held},
		{name: "forgiven crashes do not hold again", r: fleet.Rollout{State: fleet.Running, Forgiven: outcome.Regional{"": {Crashes: outcome.Crashes{Clusters: 1, Members: 1}}}}, n: outcome.Counts{Crashes: outcome.Crashes{Clusters: 1, Members: 1}}},
		{name: "another one after that does", r: fleet.Rollout{State: fleet.Running, Forgiven: outcome.Regional{"": {Crashes: outcome.Crashes{Clusters: 1, Members: 1}}}}, n: outcome.Counts{Crashes: outcome.Crashes{Clusters: 2, Members: 1}}, want: fleet.Held},
		{name: "pulled stays", r: fleet.Rollout{State: fleet.Pulled}, n: outcome.Counts{Enrolled: outcome.Group{Failed: 3}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.r.Stages, c.r.StageSince = stages, now
			got, ok := fleet.Advance(&c.r, fleet.Evidence{Fresh: outcome.Regional{"": c.n}, Before: outcome.Regional{"": c.was}}, now.Add(c.after))
			if ok != (c.want != "") || ok && (got.State != c.want || got.Stage != c.stage || got.Reason == "") {
				t.Fatalf("expected %q at stage %d, got %+v, %v", c.want, c.stage, got, ok)
			}
		})
	}
}

// TestOneRegion: a build that is bad in one region is stopped there alone, and a
// region's own past is what it is compared with.
func TestOneRegion(t *testing.T) {
	group := func(booted, failed int64) outcome.Counts {
		return outcome.Counts{Enrolled: outcome.Group{Booted: booted, Failed: failed}}
	}
	before := outcome.Regional{"IN": group(990, 10), "DE": group(900, 100), "BR": group(20, 0)}
	for _, c := range []struct {
		name          string
		fresh         outcome.Regional
		stopped, want string // regions
		state         fleet.State
	}{
		{name: "all is well", fresh: outcome.Regional{"IN": group(300, 3), "DE": group(270, 30)}},
		{name: "one region", fresh: outcome.Regional{"IN": group(270, 30), "DE": group(270, 30)}, want: "IN"},
		{name: "a small region is compared with all", fresh: outcome.Regional{"BR": group(30, 20)}, want: "BR", state: fleet.Halted},
		{name: "it is not stopped twice, and counts no more", fresh: outcome.Regional{"IN": group(0, 300), "DE": group(270, 30)}, stopped: "IN"},
		{name: "no region told", fresh: outcome.Regional{"": group(0, 300)}, state: fleet.Halted},
	} {
		r := fleet.Rollout{State: fleet.Running, Stages: fleet.DefaultStages(), StageSince: now}
		if c.stopped != "" {
			r.Regions = []fleet.StoppedRegion{{Region: c.stopped}}
		}
		e := fleet.Evidence{Fresh: c.fresh, Before: before}
		got := ""
		for _, change := range fleet.AdvanceRegions(&r, e) {
			if change.Figure == nil || change.Figure.Region != change.Region || !strings.Contains(change.Reason, "in region "+change.Region) {
				t.Errorf("%s: %+v", c.name, change)
			}
			got += change.Region
			if c.state == "" {
				r.Regions = append(r.Regions, fleet.StoppedRegion{Region: change.Region})
			}
		}
		if got != c.want {
			t.Errorf("%s: stopped in %q, expected %q", c.name, got, c.want)
		}
		if change, _ := fleet.Advance(&r, e, now); change.State != c.state {
			t.Errorf("%s: the rollout is %q, expected %q: %s", c.name, change.State, c.state, change.Reason)
		}
	}
}

func TestFigureInWords(t *testing.T) {
	r := fleet.Rollout{State: fleet.Running, Stages: fleet.DefaultStages(), StageSince: now}
	got, _ := fleet.Advance(&r, fleet.Evidence{Fresh: outcome.Regional{"": {Enrolled: outcome.Group{Booted: 40, RolledBack: 9}}}}, now)
	want := "9 of 49 enrolled handsets rolled back; of the build before too little is known (0 handsets); up to 2.0% would pass, and the odds against that are "
	if !strings.HasPrefix(got.Reason, want) || !strings.HasSuffix(got.Reason, " to 1") {
		t.Errorf("the reason is %q", got.Reason)
	}
}

func TestRegion(t *testing.T) {
	for told, want := range map[string]string{"in": "IN", "DE": "DE", "global": "GLOBAL", "": "", "i": "", "IND": "", "I1": "", "globally": "", "../": "", "İn": "", strings.Repeat("x", 500): ""} {
		if got := outcome.Region(told); got != want {
			t.Errorf("Region(%q) is %q, expected %q", told, got, want)
		}
	}
}

func TestWaiting(t *testing.T) {
	r := fleet.Rollout{State: fleet.Running, Stages: fleet.DefaultStages(), Stage: 1, StageSince: now}
	if got := fleet.Waiting(&r, outcome.Counts{}, now.Add(2*time.Hour)); !strings.Contains(got, "22h") {
		t.Errorf("waiting for %q, expected 22 hours", got)
	}
	if got := fleet.Waiting(&r, outcome.Counts{}, now.Add(30*time.Hour)); !strings.Contains(got, "3 handsets") {
		t.Errorf("waiting for %q, expected three handsets", got)
	}
}

func TestCheckStages(t *testing.T) {
	if err := fleet.CheckStages(fleet.DefaultStages()); err != nil {
		t.Error(err)
	}
	if err := fleet.CheckStages([]fleet.Stage{{Handsets: 1}, {Handsets: 50}, {Percent: 10}, {Percent: 100}}); err != nil {
		t.Error(err)
	}
	for name, stages := range map[string][]fleet.Stage{
		"none":                   {},
		"not all":                {{Percent: 10}},
		"falling":                {{Percent: 10}, {Percent: 5}, {Percent: 100}},
		"twice":                  {{Percent: 100}, {Percent: 100}},
		"nothing":                {{Percent: 0}, {Percent: 100}},
		"too much":               {{Percent: 101}},
		"past time":              {{Percent: 100, Least: -1}},
		"both":                   {{Handsets: 5, Percent: 5}, {Percent: 100}},
		"fewer":                  {{Handsets: 5}, {Handsets: 5}, {Percent: 100}},
		"handsets after percent": {{Percent: 5}, {Handsets: 5}, {Percent: 100}},
		"only handsets":          {{Handsets: 5}},
		"few volunteers":         {{Percent: 5, Volunteers: 4}, {Percent: 100}},
		"volunteers fall out":    {{Percent: 5, Volunteers: 50}, {Percent: 10, Volunteers: 20}, {Percent: 100}},
	} {
		if fleet.CheckStages(stages) == nil {
			t.Errorf("%s: the stages were taken", name)
		}
	}
}
