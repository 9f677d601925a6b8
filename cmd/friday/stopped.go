package main

import (
	"fmt"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/notice"
	"github.com/fridayos/friday/internal/train"
	"github.com/fridayos/friday/internal/webhook"
)

// callHuman tells whoever steers a device's rollouts that one of them stopped by
// itself: on the site, by mail and by push as each of them wishes, and other
// servers by webhooks.
func (s *installation) callHuman(tx *db.Tx, stop train.Stop) error {
	r := stop.Rollout
	what := "rollout-held"
	switch {
	case stop.Region != "":
		what = "rollout-halted-in"
	case stop.State == fleet.Halted:
		what = "rollout-halted"
	}
	subject := r.Release + " · " + r.Channel
	if stop.Region != "" {
		subject += " · " + stop.Region
	}
	to, err := member.Steering(tx, r.Device)
	if err != nil {
		return err
	}
	place := rolloutPlace(r)
	for _, one := range to {
		w := notice.Word{What: what, Subject: subject, Device: r.Device, Detail: stop.Reason, Place: place,
			Key: fmt.Sprintf("%d %s %d", r.ID, stop.Region, stop.At.UnixMicro())}
		if err := notice.Tell(tx, one, w); err != nil {
			return err
		}
	}
	return webhook.Tell(tx, webhook.Message{Type: webhook.RolloutStopped, Timestamp: stop.At, Data: webhook.Data{
		Event: db.NewID(), Device: r.Device, Release: r.Release, Build: r.Build, State: string(stop.State), Reason: stop.Reason,
		Rollout: &webhook.Rollout{ID: r.ID, URL: s.BaseURL + place, Channel: r.Channel, Region: stop.Region, Stage: r.Stage + 1, Stages: len(r.Stages), Reach: r.Stages[r.Stage].String(), Figure: figure(stop.Figure)}}})
}

// rolloutPlace is where the site shows a rollout.
func rolloutPlace(r fleet.Rollout) string {
	return "/r/" + r.Release + "/" + r.Device + "/" + r.Channel
}

// figure is what a rollout was stopped by, as other servers read it.
func figure(f *fleet.Figure) *webhook.Figure {
	if f == nil {
		return nil
	}
	return &webhook.Figure{Measure: f.Measure, Enrolled: f.Enrolled, Bad: f.Fresh.Bad, Of: f.Fresh.N, BeforeBad: f.Before.Bad, BeforeOf: f.Before.N}
}
