package main

import (
	"errors"
	"fmt"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/notice"
	words "github.com/fridayos/friday/internal/site/tell"
	"github.com/fridayos/friday/internal/train"
	"github.com/fridayos/friday/internal/webhook"
)

// tellTurn tells whoever steers a device's rollouts that one of them stopped, or
// that another of them did something about it: on the site, by mail and by push as
// each of them wishes. Other servers are told of stops by webhooks.
func (s *installation) tellTurn(tx *db.Tx, turn train.Turn) error {
	r := turn.Rollout
	subject := r.Release + " · " + r.Channel
	if turn.Region != "" {
		subject += " · " + turn.Region
	}
	var actor member.Member
	if turn.Actor != train.Actor {
		var err error
		if actor, err = member.ByName(tx, turn.Actor); err != nil && !errors.Is(err, member.ErrNotFound) { // at the terminal anyone may be called anything
			return err
		}
	}
	to, err := member.Steering(tx, r.Device)
	if err != nil {
		return err
	}
	place := rolloutPlace(r)
	for _, one := range to {
		if one == actor.ID { // knows
			continue
		}
		w := notice.Word{What: turnWord(turn), Subject: subject, Device: r.Device, Detail: turn.Reason, Place: place, Actor: actor.ID,
			Key: fmt.Sprintf("%d %s %d", r.ID, turn.Region, turn.At.UnixMicro())}
		if err := notice.Tell(tx, one, w); err != nil {
			return err
		}
	}
	if !turn.Stops() {
		return nil
	}
	return webhook.Tell(tx, webhook.Message{Type: webhook.RolloutStopped, Timestamp: turn.At, Data: webhook.Data{
		Event: db.NewID(), Device: r.Device, Release: r.Release, Build: r.Build, State: string(turn.State), Reason: turn.Reason, Actor: actor.Name,
		Rollout: &webhook.Rollout{ID: r.ID, URL: s.BaseURL + place, Channel: r.Channel, Region: turn.Region, Stage: r.Stage + 1, Stages: len(r.Stages), Reach: r.Stages[r.Stage].String(), Figure: figure(turn.Figure)}}})
}

// turnWord is the message that says a turn.
func turnWord(t train.Turn) string {
	what := map[fleet.State]string{fleet.Held: "held", fleet.Halted: "halted", fleet.Pulled: "pulled"}[t.State]
	switch {
	case t.Next:
		what = "next"
	case what == "":
		what = "goes-on"
	}
	if t.Region != "" {
		what += "-in"
	}
	if t.Actor != train.Actor {
		what += "-by"
	}
	return "rollout-" + what
}

// rolloutPlace is where the site shows a rollout.
func rolloutPlace(r fleet.Rollout) string { return words.RolloutPage(&r) }

// figure is what a rollout was stopped by, as other servers read it.
func figure(f *fleet.Figure) *webhook.Figure {
	if f == nil {
		return nil
	}
	return &webhook.Figure{Measure: f.Measure, Enrolled: f.Enrolled, Bad: f.Fresh.Bad, Of: f.Fresh.N, BeforeBad: f.Before.Bad, BeforeOf: f.Before.N}
}
