package fleet

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fridayos/friday/internal/audit"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/fleet/outcome"
	"github.com/fridayos/friday/internal/wire"
)

// ErrNotFound is in the error of looking for a rollout that does not exist.
var ErrNotFound = errors.New("no such rollout")

// Plan is what Start needs.
type Plan struct {
	Release, Device, Channel string
	Region, Carrier          string  // empty: all
	Build                    string  // build ID
	Stages                   []Stage // nil: DefaultStages
	Conditions               Conditions
}

const columns = "id, release, device, channel, region, carrier, build, stages, stage, state, reason, actor, forgiven, created_at, stage_since, changed_at, figures, conditions, good"

func scan(row db.Scanner) (r Rollout, err error) {
	var stages, forgiven, figure, conditions string
	if err := row.Scan(&r.ID, &r.Release, &r.Device, &r.Channel, &r.Region, &r.Carrier, &r.Build, &stages, &r.Stage, &r.State, &r.Reason, &r.Actor, &forgiven,
		&r.CreatedAt, &r.StageSince, &r.ChangedAt, &figure, &conditions, &r.Good); err != nil {
		return Rollout{}, err
	}
	if err := errors.Join(json.Unmarshal([]byte(stages), &r.Stages), json.Unmarshal([]byte(forgiven), &r.Forgiven), readFigure(figure, &r.Figure), json.Unmarshal([]byte(conditions), &r.Conditions)); err != nil {
		return Rollout{}, fmt.Errorf("cannot read rollout %d: %w", r.ID, err)
	}
	if r.Stage < 0 || r.Stage >= len(r.Stages) {
		return Rollout{}, fmt.Errorf("cannot read rollout %d: stage %d of %d", r.ID, r.Stage+1, len(r.Stages))
	}
	return r, nil
}

// Start begins a rollout at its first stage.
func Start(tx *db.Tx, p Plan, actor, reason string) (Rollout, error) {
	if p.Stages == nil {
		p.Stages = DefaultStages()
	}
	if err := errors.Join(CheckStages(p.Stages), p.Conditions.Check()); err != nil {
		return Rollout{}, err
	}
	if !slices.Contains(wire.Channels(), p.Channel) {
		return Rollout{}, fmt.Errorf("cannot start rollout of %s: channel is %q, expected one of %s", p.Release, p.Channel, strings.Join(wire.Channels(), ", "))
	}
	b, err := catalog.BuildByID(tx, p.Build)
	if err != nil {
		return Rollout{}, err
	}
	if b.Device != p.Device {
		return Rollout{}, fmt.Errorf("cannot start rollout of %s for %s: build %s is for %s", p.Release, p.Device, p.Build, b.Device)
	}
	stages, err := json.Marshal(p.Stages)
	if err != nil {
		return Rollout{}, err
	}
	conditions, err := json.Marshal(p.Conditions)
	if err != nil {
		return Rollout{}, err
	}
	r := Rollout{ID: db.NewID(), Release: p.Release, Device: p.Device, Channel: p.Channel, Region: p.Region, Carrier: p.Carrier, Build: p.Build,
		Stages: p.Stages, Conditions: p.Conditions, Good: -1, State: Running, Reason: reason, Actor: actor, CreatedAt: tx.Now(), StageSince: tx.Now(), ChangedAt: tx.Now()}
	n, err := tx.Exec("INSERT INTO rollouts ("+columns+") VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0, $9, $10, $11, '{}', $12, $12, $12, '', $13, -1) "+
		"ON CONFLICT (release, device, channel, region, carrier) DO NOTHING",
		r.ID, r.Release, r.Device, r.Channel, r.Region, r.Carrier, r.Build, string(stages), string(r.State), reason, actor, tx.Now(), string(conditions))
	if err != nil {
		return Rollout{}, err
	}
	if n == 0 {
		return Rollout{}, said.New("verb", "twice", "Release", p.Release, "Device", p.Device, "Channel", p.Channel)
	}
	if err := bump(tx, r.ID); err != nil {
		return Rollout{}, err
	}
	return r, record(tx, &r, "rollout.start", actor, reason)
}

// Set changes the state or stage of a rollout, if the change is allowed.
func Set(tx *db.Tx, id int64, c Change, actor string) (Rollout, error) {
	r, err := ByID(tx, id)
	if err != nil {
		return Rollout{}, err
	}
	if err := r.checkChange(c); err != nil {
		return Rollout{}, err
	}
	if c.Stage != r.Stage {
		r.StageSince = tx.Now()
	}
	if r.State == Held || r.State == Halted { // it goes on: what was seen so far is forgiven
		if c.State == Running {
			if r.Forgiven, err = outcome.RegionalOf(tx, id); err != nil {
				return Rollout{}, err
			}
			r.StageSince = tx.Now()
		}
	}
	forgiven, err := json.Marshal(r.Forgiven)
	if err != nil {
		return Rollout{}, err
	}
	r.State, r.Stage, r.Reason, r.Actor, r.ChangedAt = c.State, c.Stage, c.Reason, actor, tx.Now()
	r.Figure = c.Figure
	if _, err := tx.Exec("UPDATE rollouts SET state = $2, stage = $3, reason = $4, actor = $5, forgiven = $6, stage_since = $7, changed_at = $8, figures = $9 WHERE id = $1",
		id, string(r.State), r.Stage, r.Reason, actor, string(forgiven), r.StageSince, r.ChangedAt, writeFigure(r.Figure)); err != nil {
		return Rollout{}, err
	}
	if err := bump(tx, r.ID); err != nil {
		return Rollout{}, err
	}
	return r, record(tx, &r, "rollout."+string(r.State), actor, c.Reason)
}

func set(tx *db.Tx, id int64, s State, actor, reason string) (Rollout, error) {
	r, err := ByID(tx, id)
	if err != nil {
		return Rollout{}, err
	}
	return Set(tx, id, Change{State: s, Stage: r.Stage, Reason: reason}, actor)
}

// Hold keeps the next stage back until Resume.
func Hold(tx *db.Tx, id int64, actor, reason string) (Rollout, error) {
	return set(tx, id, Held, actor, reason)
}

// Halt stops all offers until Resume.
func Halt(tx *db.Tx, id int64, actor, reason string) (Rollout, error) {
	return set(tx, id, Halted, actor, reason)
}

// Resume lets a held or halted rollout go on at its stage, in every region. The
// outcomes until now no longer count for the rule that stops it.
func Resume(tx *db.Tx, id int64, actor, reason string) (Rollout, error) {
	if _, err := tx.Exec("DELETE FROM rollout_regions WHERE rollout = $1", id); err != nil {
		return Rollout{}, err
	}
	return set(tx, id, Running, actor, reason)
}

// Pull withdraws a rollout for good.
func Pull(tx *db.Tx, id int64, actor, reason string) (Rollout, error) {
	return set(tx, id, Pulled, actor, reason)
}

// Next begins the next stage now, whatever the present one waits for; after the
// last the rollout is complete.
func Next(tx *db.Tx, id int64, actor, reason string) (Rollout, error) {
	r, err := ByID(tx, id)
	if err != nil {
		return Rollout{}, err
	}
	if r.Stage == len(r.Stages)-1 {
		return Set(tx, id, Change{State: Complete, Stage: r.Stage, Reason: reason}, actor)
	}
	return Set(tx, id, Change{State: Running, Stage: r.Stage + 1, Reason: reason}, actor)
}

// ByID returns one rollout.
func ByID(tx *db.Tx, id int64) (Rollout, error) {
	r, err := scan(tx.QueryRow("SELECT "+columns+" FROM rollouts WHERE id = $1", id))
	if errors.Is(err, db.ErrNoRows) {
		err = fmt.Errorf("cannot find rollout %d: %w", id, ErrNotFound)
	}
	if err == nil {
		r.Regions, err = stoppedIn(tx, id)
	}
	return r, err
}

// Of returns the rollouts of a release, by device and channel.
func Of(tx *db.Tx, release string) ([]Rollout, error) {
	return list(tx, "SELECT "+columns+" FROM rollouts WHERE release = $1 ORDER BY device, channel, id", release)
}

// OfDevice returns the rollouts of a device, newest first.
func OfDevice(tx *db.Tx, device string) ([]Rollout, error) {
	return list(tx, "SELECT "+columns+" FROM rollouts WHERE device = $1 ORDER BY id DESC", device)
}

// All returns all rollouts, newest first.
func All(tx *db.Tx) ([]Rollout, error) {
	return list(tx, "SELECT "+columns+" FROM rollouts ORDER BY id DESC")
}

// Revision rises whenever Load would read something else.
func Revision(tx *db.Tx) (n int64, err error) {
	err = tx.QueryRow("SELECT revision FROM fleet_revision WHERE id = 1").Scan(&n)
	return n, err
}

// Touch makes nodes read a rollout again, and what is in the catalogue for it.
func Touch(tx *db.Tx, rollout int64) error { return bump(tx, rollout) }

// bump says that a rollout has changed.
func bump(tx *db.Tx, rollout int64) error {
	var revision int64
	if err := tx.QueryRow("UPDATE fleet_revision SET revision = revision + 1 WHERE id = 1 RETURNING revision").Scan(&revision); err != nil {
		return err
	}
	_, err := tx.Exec("UPDATE rollouts SET revision = $2 WHERE id = $1", rollout, revision)
	return err
}

func record(tx *db.Tx, r *Rollout, action, actor, reason string) error {
	detail, err := json.Marshal(map[string]any{"rollout": r.ID, "state": r.State, "percent": r.Percent(), "reason": reason, "figure": r.Figure})
	if err != nil {
		return err
	}
	return audit.Record(tx, audit.Event{Actor: actor, Action: action, Subject: r.Release + " " + r.Device + " " + r.Channel, Detail: string(detail)})
}
