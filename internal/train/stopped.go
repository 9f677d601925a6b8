package train

import (
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/fleet"
)

// Turn is that a rollout stopped, by itself or by a human, or that a human lets it
// go on: what whoever steers the device has to know.
type Turn struct {
	Rollout fleet.Rollout
	// State is fleet.Held (the next stage waits), Halted (nobody is offered it any
	// more) or Pulled; Running when a human lets it go on, Running or Complete when
	// a human begins the next stage.
	State  fleet.State
	Next   bool   // a human began the next stage before its time
	Region string // empty: everywhere
	Reason string // a human's, or a saying of package fleet with the figures
	Figure *fleet.Figure
	Actor  string // Actor: by itself
	At     time.Time
}

// Stops says whether t is a stop.
func (t *Turn) Stops() bool {
	return t.State == fleet.Held || t.State == fleet.Halted || t.State == fleet.Pulled
}

// turns are what changed in a rollout that a human has to look at, or decided.
func turns(before, after fleet.Rollout, actor, reason string, at time.Time) (all []Turn) {
	for _, s := range after.Regions {
		if !before.Stopped(s.Region) {
			all = append(all, Turn{Rollout: after, State: fleet.Halted, Region: s.Region, Reason: s.Reason, Figure: s.Figure, Actor: s.Actor, At: s.At})
		}
	}
	byHand := actor != Actor
	if byHand && after.State == before.State {
		for _, s := range before.Regions {
			if !after.Stopped(s.Region) {
				all = append(all, Turn{Rollout: after, State: fleet.Running, Region: s.Region, Reason: reason, Actor: actor, At: at})
			}
		}
	}
	one := Turn{Rollout: after, State: after.State, Reason: after.Reason, Figure: after.Figure, Actor: actor, At: after.ChangedAt}
	switch stopped := before.State == fleet.Held || before.State == fleet.Halted; {
	case after.State != before.State && one.Stops(), byHand && stopped && after.State == fleet.Running:
		return append(all, one)
	case byHand && before.State == fleet.Running && (after.Stage > before.Stage || after.State == fleet.Complete):
		one.Next = true
		return append(all, one)
	}
	return all
}

// tellTurns tells of what stopped or goes on, in the transaction in which it did.
func (t *Train) tellTurns(tx *db.Tx, before, after fleet.Rollout, actor, reason string) error {
	for _, one := range turns(before, after, actor, reason, tx.Now()) {
		t.log().Warn("a rollout was stopped or let go on", "release", after.Release, "device", after.Device, "channel", after.Channel, "state", string(one.State), "region", one.Region, "actor", one.Actor, "reason", one.Reason)
		if t.OnTurn == nil {
			continue
		}
		if err := t.OnTurn(tx, one); err != nil {
			return err
		}
	}
	return nil
}
