package train

import (
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/fleet"
)

// Stop is that a rollout stopped by itself: its next stage waits (fleet.Held), or
// nobody is offered it any more (fleet.Halted), everywhere or in one region.
type Stop struct {
	Rollout fleet.Rollout
	State   fleet.State // Held or Halted
	Region  string      // empty: everywhere
	Reason  string      // a saying of package fleet, with the figures
	Figure  *fleet.Figure
	At      time.Time
}

// stops are what changed in a rollout that a human has to look at.
func stops(before, after fleet.Rollout) (all []Stop) {
	for _, s := range after.Regions {
		if !before.Stopped(s.Region) {
			all = append(all, Stop{Rollout: after, State: fleet.Halted, Region: s.Region, Reason: s.Reason, Figure: s.Figure, At: s.At})
		}
	}
	if after.State != before.State && (after.State == fleet.Held || after.State == fleet.Halted) {
		all = append(all, Stop{Rollout: after, State: after.State, Reason: after.Reason, Figure: after.Figure, At: after.ChangedAt})
	}
	return all
}

// callHuman tells of what stopped, in the transaction in which it did.
func (t *Train) callHuman(tx *db.Tx, before, after fleet.Rollout) error {
	for _, s := range stops(before, after) {
		t.log().Warn("a rollout was stopped", "release", after.Release, "device", after.Device, "channel", after.Channel, "state", string(s.State), "region", s.Region, "reason", s.Reason)
		if t.OnStopped == nil {
			continue
		}
		if err := t.OnStopped(tx, s); err != nil {
			return err
		}
	}
	return nil
}
