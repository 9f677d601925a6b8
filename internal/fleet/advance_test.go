package fleet_test

import (
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/fleet"
)

func TestAdvance(t *testing.T) {
	stages := []fleet.Stage{{Percent: 10, Least: 4 * time.Hour, Outcomes: 5}, {Percent: 100, Least: time.Hour}}
	good := fleet.Group{Booted: 100}
	for _, c := range []struct {
		name  string
		r     fleet.Rollout
		n     fleet.Counts
		after time.Duration
		want  fleet.State // "": stays
		stage int
	}{
		{"too early", fleet.Rollout{State: fleet.Running}, fleet.Counts{Anonymous: good}, 4*time.Hour - 1, "", 0},
		{"too few outcomes", fleet.Rollout{State: fleet.Running}, fleet.Counts{Anonymous: fleet.Group{Booted: 4, Downloaded: 50, Applied: 9}}, 400 * time.Hour, "", 0},
		{"next stage", fleet.Rollout{State: fleet.Running}, fleet.Counts{Anonymous: fleet.Group{Booted: 4}, Enrolled: fleet.Group{Booted: 1}}, 4 * time.Hour, fleet.Running, 1},
		{"the clock was set back", fleet.Rollout{State: fleet.Running}, fleet.Counts{Anonymous: good}, -time.Hour, "", 0},
		{"complete", fleet.Rollout{State: fleet.Running, Stage: 1}, fleet.Counts{Anonymous: good}, time.Hour, fleet.Complete, 1},
		{"planned stays", fleet.Rollout{State: fleet.Planned}, fleet.Counts{Enrolled: fleet.Group{Failed: 100}}, 400 * time.Hour, "", 0},
		{"held stays", fleet.Rollout{State: fleet.Held}, fleet.Counts{Anonymous: good}, 400 * time.Hour, "", 0},
		{"one enrolled failure is not enough", fleet.Rollout{State: fleet.Running}, fleet.Counts{Enrolled: fleet.Group{Failed: 1}}, time.Hour, "", 0},
		{"two enrolled failures halt", fleet.Rollout{State: fleet.Running}, fleet.Counts{Enrolled: fleet.Group{Failed: 1, RolledBack: 1, Booted: 3}}, time.Hour, fleet.Halted, 0},
		{"a failure before the least time halts all the same", fleet.Rollout{State: fleet.Running}, fleet.Counts{Enrolled: fleet.Group{RolledBack: 2}}, 0, fleet.Halted, 0},
		{"exactly one in twenty does not", fleet.Rollout{State: fleet.Running}, fleet.Counts{Enrolled: fleet.Group{Failed: 2, Booted: 38}}, time.Hour, "", 0},
		{"more than one in twenty does", fleet.Rollout{State: fleet.Running}, fleet.Counts{Enrolled: fleet.Group{Failed: 2, Booted: 37}}, time.Hour, fleet.Halted, 0},
		{"failed downloads do not", fleet.Rollout{State: fleet.Running}, fleet.Counts{Enrolled: fleet.Group{FailedDownload: 50}}, time.Hour, "", 0},
		{"held is halted too", fleet.Rollout{State: fleet.Held}, fleet.Counts{Enrolled: fleet.Group{Failed: 2}}, time.Hour, fleet.Halted, 0},
		{"complete is halted too", fleet.Rollout{State: fleet.Complete, Stage: 1}, fleet.Counts{Enrolled: fleet.Group{Failed: 2}}, time.Hour, fleet.Halted, 1},
		{"anonymous failures hold", fleet.Rollout{State: fleet.Running}, fleet.Counts{Anonymous: fleet.Group{Failed: 5}}, time.Hour, fleet.Held, 0},
		{"ever so many of them do not halt", fleet.Rollout{State: fleet.Running}, fleet.Counts{Anonymous: fleet.Group{Failed: 5000}}, time.Hour, fleet.Held, 0},
		{"four anonymous failures do not hold", fleet.Rollout{State: fleet.Running}, fleet.Counts{Anonymous: fleet.Group{Failed: 4}}, time.Hour, "", 0},
		{"forgiven ones do not count again", fleet.Rollout{State: fleet.Running, Forgiven: fleet.Counts{Enrolled: fleet.Group{Failed: 2}}},
			fleet.Counts{Enrolled: fleet.Group{Failed: 3}}, time.Hour, "", 0},
		{"new ones after that do", fleet.Rollout{State: fleet.Running, Forgiven: fleet.Counts{Enrolled: fleet.Group{Failed: 2}}},
			fleet.Counts{Enrolled: fleet.Group{Failed: 4}}, time.Hour, fleet.Halted, 0},
		{"crashes hold", fleet.Rollout{State: fleet.Running}, fleet.Counts{Anonymous: good, Crashes: fleet.Crashes{Clusters: 1}}, time.Hour, fleet.Held, 0},
		{"crashes of enrolled members halt", fleet.Rollout{State: fleet.Complete, Stage: 1}, fleet.Counts{Enrolled: fleet.Group{Booted: 39}, Crashes: fleet.Crashes{Clusters: 1, Members: 2}}, time.Hour, fleet.Halted, 1},
		{"of one in twenty they hold", fleet.Rollout{State: fleet.Running}, fleet.Counts{Enrolled: fleet.Group{Booted: 40}, Crashes: fleet.Crashes{Clusters: 1, Members: 2}}, time.Hour, fleet.Held, 0},
		{"one enrolled member's crash holds", fleet.Rollout{State: fleet.Running}, fleet.Counts{Crashes: fleet.Crashes{Clusters: 1, Members: 1}}, time.Hour, fleet.Held, 0},
		{"forgiven crashes do not hold again", fleet.Rollout{State: fleet.Running, Forgiven: fleet.Counts{Crashes: fleet.Crashes{Clusters: 1, Members: 1}}},
			fleet.Counts{Crashes: fleet.Crashes{Clusters: 1, Members: 1}}, time.Hour, "", 0},
		{"another one after that does", fleet.Rollout{State: fleet.Running, Forgiven: fleet.Counts{Crashes: fleet.Crashes{Clusters: 1, Members: 1}}},
			fleet.Counts{Crashes: fleet.Crashes{Clusters: 2, Members: 1}}, time.Hour, fleet.Held, 0},
		{"pulled stays", fleet.Rollout{State: fleet.Pulled}, fleet.Counts{Enrolled: fleet.Group{Failed: 2}}, time.Hour, "", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.r.Stages, c.r.StageSince = stages, now
			got, ok := fleet.Advance(&c.r, c.n, now.Add(c.after))
			if ok != (c.want != "") || ok && (got.State != c.want || got.Stage != c.stage || got.Reason == "") {
				t.Fatalf("expected %q at stage %d, got %+v, %v", c.want, c.stage, got, ok)
			}
		})
	}
}

func TestWaiting(t *testing.T) {
	r := fleet.Rollout{State: fleet.Running, Stages: fleet.DefaultStages(), Stage: 1, StageSince: now}
	if got := fleet.Waiting(&r, fleet.Counts{}, now.Add(2*time.Hour)); !strings.Contains(got, "10h") {
		t.Errorf("waiting for %q, expected ten hours", got)
	}
	if got := fleet.Waiting(&r, fleet.Counts{}, now.Add(20*time.Hour)); !strings.Contains(got, "3 handsets") {
		t.Errorf("waiting for %q, expected three handsets", got)
	}
}

func TestCheckStages(t *testing.T) {
	if err := fleet.CheckStages(fleet.DefaultStages()); err != nil {
		t.Error(err)
	}
	for name, stages := range map[string][]fleet.Stage{
		"none":      {},
		"not all":   {{Percent: 10}},
		"falling":   {{Percent: 10}, {Percent: 5}, {Percent: 100}},
		"twice":     {{Percent: 100}, {Percent: 100}},
		"nothing":   {{Percent: 0}, {Percent: 100}},
		"too much":  {{Percent: 101}},
		"past time": {{Percent: 100, Least: -1}},
	} {
		if fleet.CheckStages(stages) == nil {
			t.Errorf("%s: the stages were taken", name)
		}
	}
}
