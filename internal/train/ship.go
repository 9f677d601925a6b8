package train

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/wire"
)

// ShipOptions narrow a departure.
type ShipOptions struct {
	Devices []string      // nil: all that are ready
	Channel string        // empty: weekly
	Stages  []fleet.Stage // nil: fleet.DefaultStages
	// Conditions narrow the rollouts that start, over what device.yaml says. Of
	// those that are halted in regions, only Conditions.Regions go on, if it names some.
	Conditions fleet.Conditions
	// RaiseRollbackIndex lets a build leave whose rollback index is higher than
	// that of the builds before.
	RaiseRollbackIndex bool
	Actor              string
	Reason             string
}

// Ship starts the rollouts of a release, after its gate. A device that the gate
// refuses is held and the others leave; the error names those refused. Rollouts
// of devices that are named go on if they were held or halted.
func (t *Train) Ship(ctx context.Context, release string, o ShipOptions) error {
	if o.Channel == "" {
		o.Channel = wire.Weekly
	}
	var refused []error
	err := t.DB.Write(ctx, func(tx *db.Tx) error {
		refused = nil
		r, devices, err := t.named(tx, release, o.Devices, "ship")
		if err != nil {
			return err
		}
		if r.state != Testing && r.state != Shipping && r.state != Settled {
			return said.New("verb", "ship-early", "Release", release, "ReleaseState", r.state)
		}
		left := 0
		for _, d := range devices {
			if len(o.Devices) == 0 && d.state != Ready && d.state != Leaving {
				continue
			}
			ok, why, err := t.shipOne(tx, d, o, len(o.Devices) > 0)
			if err != nil {
				return err
			}
			if why != nil {
				refused = append(refused, why)
			}
			if ok {
				left++
			}
		}
		if left == 0 && len(refused) == 0 {
			return said.New("verb", "ship-none", "Release", release, "Channel", o.Channel)
		}
		if left > 0 && r.state != Shipping && wire.OpenChannel(o.Channel) {
			return r.setState(tx, Shipping, o.Actor, o.Reason)
		}
		return nil
	})
	return errors.Join(err, errors.Join(refused...))
}

// shipOne lets one device leave; why is the gate's refusal.
func (t *Train) shipOne(tx *db.Tx, d *device, o ShipOptions, named bool) (left bool, why, err error) {
	rollouts, err := fleet.Of(tx, d.release)
	if err != nil {
		return false, nil, err
	}
	mine := slices.DeleteFunc(rollouts, func(r fleet.Rollout) bool { return r.Device != d.codename || r.Channel != o.Channel })
	if len(mine) > 0 {
		return t.goOn(tx, mine, o, named)
	}
	if o.Reason == "" {
		o.Reason = said.Say("left")
	}
	if d.state == Withdrawn || d.state == Building || d.state == Packaging {
		return false, said.New("verb", "ship-state", "Release", d.release, "Device", d.codename, "DeviceState", d.state), nil
	}
	raises, why, err := gate(tx, *d, o.Channel, o.RaiseRollbackIndex)
	if err != nil || why != nil {
		if err == nil && d.state == Ready {
			err = d.setState(tx, Held, Actor, why.Error())
		}
		return false, why, err
	}
	conditions := o.Conditions
	if conditions.Regions == nil {
		conditions.Regions = d.conditions.Regions
	}
	if conditions.Carriers == nil {
		conditions.Carriers = d.conditions.Carriers
	}
	if conditions.Base == "" {
		conditions.Base = d.conditions.Base
	}
	conditions.Raises = raises
	started, err := fleet.Start(tx, fleet.Plan{Release: d.release, Device: d.codename, Channel: o.Channel, Build: d.build, Stages: o.Stages, Conditions: conditions}, o.Actor, o.Reason)
	if err != nil {
		return false, nil, err
	}
	if err := note(tx, Transition{Release: d.release, Device: d.codename, To: rolloutWords(started), Actor: o.Actor, Reason: o.Reason}); err != nil {
		return false, nil, err
	}
	if !wire.OpenChannel(o.Channel) {
		return true, nil, nil
	}
	if d.state != Leaving {
		if err := d.setState(tx, Leaving, o.Actor, o.Reason); err != nil {
			return false, nil, err
		}
	}
	return true, nil, t.tellReleased(tx, d)
}

// goOn lets a device's rollouts of one release and channel go on where they are
// stopped; there are several where the release is split.
func (t *Train) goOn(tx *db.Tx, rollouts []fleet.Rollout, o ShipOptions, named bool) (left bool, why, err error) {
	for _, r := range rollouts {
		stopped := r.State == fleet.Held || r.State == fleet.Halted
		switch {
		case !named || !stopped && len(r.Regions) == 0:
			continue
		case o.Reason == "":
			return false, nil, said.New("reason", "go-on", "Release", r.Release, "Device", r.Device, "Reason", stopReason(r))
		case !stopped:
			_, why, err = t.resumeRegions(tx, r, o)
		case len(o.Conditions.Regions) > 0:
			why = said.New("regions", "region-all", "Release", r.Release, "Device", r.Device, "Region", strings.Join(o.Conditions.Regions, ", "), "From", r.State)
		default:
			err = t.move(tx, r, o.Actor, func() (fleet.Rollout, error) { return fleet.Resume(tx, r.ID, o.Actor, o.Reason) })
		}
		if why != nil || err != nil {
			return left, why, err
		}
		left = true
	}
	return left, nil, nil
}

// stopReason is why a rollout was stopped, or where it is.
func stopReason(r fleet.Rollout) string {
	if len(r.Regions) > 0 && r.State != fleet.Held && r.State != fleet.Halted {
		return r.Regions[0].Reason
	}
	return r.Reason
}

// resumeRegions lets a rollout go on in regions in which it was stopped: those
// that are named, or all.
func (t *Train) resumeRegions(tx *db.Tx, r fleet.Rollout, o ShipOptions) (left bool, why, err error) {
	regions := o.Conditions.Regions
	if len(regions) == 0 {
		for _, s := range r.Regions {
			regions = append(regions, s.Region)
		}
	}
	after := r
	for _, region := range regions {
		if !r.Stopped(region) {
			return false, nil, said.New("regions", "region-not", "Release", r.Release, "Device", r.Device, "Region", region)
		}
		if after, err = fleet.ResumeRegion(tx, r.ID, region, o.Actor, o.Reason); err != nil {
			return false, nil, err
		}
		if err := note(tx, Transition{Release: r.Release, Device: r.Device, From: inRegion(r, fleet.Halted, region), To: inRegion(r, r.State, region), Actor: o.Actor, Reason: o.Reason}); err != nil {
			return false, nil, err
		}
	}
	return true, nil, t.tellTurns(tx, r, after, o.Actor, o.Reason)
}

// noteRegions writes down in which regions a rollout was stopped since before.
func noteRegions(tx *db.Tx, before, after fleet.Rollout) error {
	for _, s := range after.Regions {
		if before.Stopped(s.Region) {
			continue
		}
		if err := note(tx, Transition{Release: after.Release, Device: after.Device, From: inRegion(after, before.State, s.Region), To: inRegion(after, fleet.Halted, s.Region), Actor: s.Actor, Reason: s.Reason}); err != nil {
			return err
		}
	}
	return nil
}

func inRegion(r fleet.Rollout, s fleet.State, region string) string {
	return r.Channel + " " + string(s) + " in " + region
}

// tellReleased tells the threads whose fix the device gets with this release.
func (t *Train) tellReleased(tx *db.Tx, d *device) error {
	b, err := catalog.BuildByID(tx, d.build)
	if err != nil {
		return err
	}
	for _, id := range d.fixes {
		err := feedback.FixInRelease(tx, id, d.release, inFeedback(b))
		if err != nil && !errors.Is(err, feedback.ErrNotFound) {
			return err
		}
	}
	return nil
}

// tellPulled tells the threads whose fix the device got with this release that
// it is in that release no more, and in which later one it is, if one left.
func (t *Train) tellPulled(tx *db.Tx, d *device, reason string) error {
	if d.build == "" {
		return nil
	}
	b, err := catalog.BuildByID(tx, d.build)
	if err != nil {
		return err
	}
	var later, build string
	err = tx.QueryRow(`SELECT d.release, d.build FROM train_devices d JOIN releases r ON r.name = d.release
		WHERE d.device = $1 AND d.state = 'shipping' AND r.cut_at > (SELECT cut_at FROM releases WHERE name = $2) ORDER BY r.cut_at, r.name LIMIT 1`,
		d.codename, d.release).Scan(&later, &build)
	if err != nil && !errors.Is(err, db.ErrNoRows) {
		return err
	}
	var next catalog.Build
	if later != "" {
		if next, err = catalog.BuildByID(tx, build); err != nil {
			return err
		}
	}
	for _, id := range d.fixes {
		err := feedback.FixPulled(tx, id, d.release, inFeedback(b), reason)
		if err == nil && later != "" {
			err = feedback.FixInRelease(tx, id, later, inFeedback(next))
		}
		if err != nil && !errors.Is(err, feedback.ErrNotFound) {
			return err
		}
	}
	return nil
}

// inFeedback is a build as threads know it.
func inFeedback(b catalog.Build) feedback.Build {
	return feedback.Build{ID: b.ID, Device: b.Device, Version: b.Version, Timestamp: b.Timestamp}
}

// move changes a rollout, writes the step down, and tells who steers it.
func (t *Train) move(tx *db.Tx, before fleet.Rollout, actor string, change func() (fleet.Rollout, error)) error {
	after, err := change()
	if err != nil {
		return err
	}
	if err := t.tellTurns(tx, before, after, actor, after.Reason); err != nil {
		return err
	}
	return note(tx, Transition{Release: after.Release, Device: after.Device, From: rolloutWords(before), To: rolloutWords(after), Actor: actor, Reason: after.Reason})
}

func rolloutWords(r fleet.Rollout) string {
	if r.State == fleet.Running || r.State == fleet.Held {
		return fmt.Sprintf("%s %s %s", r.Channel, r.State, r.Reach())
	}
	return r.Channel + " " + string(r.State)
}

// named are the devices of a release that a human means: those named, or all.
func (t *Train) named(tx *db.Tx, release string, only []string, verb string) (row, []*device, error) {
	r, err := rowOf(tx, release)
	if err != nil {
		return row{}, nil, fmt.Errorf("cannot %s release: %w", verb, err)
	}
	all, err := devicesOf(tx, release)
	if err != nil {
		return row{}, nil, err
	}
	var devices []*device
	for i := range all {
		if len(only) == 0 || slices.Contains(only, all[i].codename) {
			devices = append(devices, &all[i])
		}
	}
	for _, codename := range only {
		if !slices.ContainsFunc(all, func(d device) bool { return d.codename == codename }) {
			return row{}, nil, said.New("device", "aboard", "Verb", verb, "Release", release, "Device", codename)
		}
	}
	return r, devices, nil
}

// each does something to the devices that a human means, and says so if it did
// nothing.
func (t *Train) each(ctx context.Context, release string, only []string, verb, reason string, fn func(tx *db.Tx, r *row, d *device, rollouts []fleet.Rollout) (did bool, err error), after func(tx *db.Tx, r *row) error) error {
	if reason == "" {
		return said.New("reason", "why", "Verb", verb, "Release", release)
	}
	return t.DB.Write(ctx, func(tx *db.Tx) error {
		r, devices, err := t.named(tx, release, only, verb)
		if err != nil {
			return err
		}
		rollouts, err := fleet.Of(tx, release)
		if err != nil {
			return err
		}
		any := false
		for _, d := range devices {
			var its []fleet.Rollout
			for _, o := range rollouts {
				if o.Device == d.codename {
					its = append(its, o)
				}
			}
			did, err := fn(tx, &r, d, its)
			if err != nil {
				return err
			}
			any = any || did
		}
		if !any {
			return said.New("verb", "nothing", "Verb", verb, "Release", release, "ReleaseState", r.state)
		}
		return after(tx, &r)
	})
}

// Hold keeps devices (none named: all) of a release back: those that have not
// left do not, and running rollouts stay at their stage.
func (t *Train) Hold(ctx context.Context, release string, devices []string, actor, reason string) error {
	return t.each(ctx, release, devices, "hold", reason, func(tx *db.Tx, _ *row, d *device, rollouts []fleet.Rollout) (did bool, err error) {
		switch d.state {
		case Building, Packaging, Ready:
			did, err = true, d.setState(tx, Held, actor, reason)
		}
		for _, r := range rollouts {
			if err == nil && r.State == fleet.Running {
				did, err = true, t.move(tx, r, actor, func() (fleet.Rollout, error) { return fleet.Hold(tx, r.ID, actor, reason) })
			}
		}
		return did, err
	}, t.testWhenReady)
}

// Halt stops the offers of a release's rollouts.
func (t *Train) Halt(ctx context.Context, release string, devices []string, actor, reason string) error {
	return t.each(ctx, release, devices, "halt", reason, func(tx *db.Tx, _ *row, _ *device, rollouts []fleet.Rollout) (did bool, err error) {
		for _, r := range rollouts {
			if err == nil && (r.State == fleet.Running || r.State == fleet.Held || r.State == fleet.Complete) {
				did, err = true, t.move(tx, r, actor, func() (fleet.Rollout, error) { return fleet.Halt(tx, r.ID, actor, reason) })
			}
		}
		return did, err
	}, func(tx *db.Tx, r *row) error {
		if r.state == Settled { // there is something to decide again
			return r.setState(tx, Shipping, actor, reason)
		}
		return nil
	})
}

// HaltRegions stops the offers of a release's rollouts in some regions, such as
// "IN"; the others go on.
func (t *Train) HaltRegions(ctx context.Context, release string, devices, regions []string, actor, reason string) error {
	return t.each(ctx, release, devices, "halt", reason, func(tx *db.Tx, _ *row, _ *device, rollouts []fleet.Rollout) (did bool, err error) {
		for _, r := range rollouts {
			if r.State != fleet.Running && r.State != fleet.Held && r.State != fleet.Complete {
				continue
			}
			after := r
			for _, region := range regions {
				if c := (fleet.RegionChange{Region: region, Reason: reason}); err == nil && !r.Stopped(region) {
					did = true
					after, err = fleet.HaltRegion(tx, r.ID, c, actor)
				}
			}
			if err == nil {
				err = noteRegions(tx, r, after)
			}
			if err == nil {
				err = t.tellTurns(tx, r, after, actor, reason)
			}
		}
		return did, err
	}, func(*db.Tx, *row) error { return nil })
}

// Pull withdraws a release for good, for the devices named or all.
func (t *Train) Pull(ctx context.Context, release string, devices []string, actor, reason string) error {
	return t.each(ctx, release, devices, "pull", reason, func(tx *db.Tx, _ *row, d *device, rollouts []fleet.Rollout) (did bool, err error) {
		for _, r := range rollouts {
			if err == nil && r.State != fleet.Pulled {
				err = t.move(tx, r, actor, func() (fleet.Rollout, error) { return fleet.Pull(tx, r.ID, actor, reason) })
			}
		}
		if err == nil && d.state != Withdrawn {
			if did, err = true, d.setState(tx, Withdrawn, actor, reason); err == nil {
				err = t.tellPulled(tx, d, reason)
			}
		}
		return did, err
	}, func(tx *db.Tx, r *row) error {
		all, err := devicesOf(tx, r.release)
		if err != nil || r.state == Pulled {
			return err
		}
		if !slices.ContainsFunc(all, func(d device) bool { return d.state != Withdrawn }) {
			return r.setState(tx, Pulled, actor, reason)
		}
		return t.testWhenReady(tx, r)
	})
}

// Skip says that there is no release this week. One that was cut but has not
// left may be skipped too.
func (t *Train) Skip(ctx context.Context, release string, actor, reason string) error {
	if reason == "" {
		return said.New("reason", "why", "Verb", "skip", "Release", release)
	}
	departs, err := t.schedule().parse(release)
	if err != nil {
		return err
	}
	return t.DB.Write(ctx, func(tx *db.Tx) error {
		r, err := open(tx, release, departs, actor)
		if err != nil {
			return err
		}
		if r.state != Open && r.state != Frozen && r.state != Testing {
			return said.New("verb", "skip-late", "Release", release, "ReleaseState", r.state)
		}
		devices, err := devicesOf(tx, release)
		if err != nil {
			return err
		}
		for i := range devices {
			if d := &devices[i]; d.state != Withdrawn && d.state != Held {
				if err := d.setState(tx, Held, actor, reason); err != nil {
					return err
				}
			}
		}
		rollouts, err := fleet.Of(tx, release) // the test ring's
		if err != nil {
			return err
		}
		for _, o := range rollouts {
			if o.State == fleet.Pulled {
				continue
			}
			if err := t.move(tx, o, actor, func() (fleet.Rollout, error) { return fleet.Pull(tx, o.ID, actor, reason) }); err != nil {
				return err
			}
		}
		return r.setState(tx, Skipped, actor, reason)
	})
}

// Next begins the next stage of running rollouts on a channel now, whatever the
// present one waits for.
func (t *Train) Next(ctx context.Context, release string, devices []string, actor, reason string) error {
	return t.each(ctx, release, devices, "advance", reason, func(tx *db.Tx, _ *row, _ *device, rollouts []fleet.Rollout) (did bool, err error) {
		for _, r := range rollouts {
			if err == nil && r.State == fleet.Running && wire.OpenChannel(r.Channel) {
				did, err = true, t.move(tx, r, actor, func() (fleet.Rollout, error) { return fleet.Next(tx, r.ID, actor, reason) })
			}
		}
		return did, err
	}, func(*db.Tx, *row) error { return nil })
}
