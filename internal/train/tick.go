package train

import (
	"context"
	"errors"

	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/fleet/outcome"
	"github.com/fridayos/friday/internal/jobs"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/wire"
)

// Tick advances rollouts, settles releases whose rollouts have ended, and opens
// the release that leaves next. A job does it every few seconds; doing it twice
// does no harm.
func (t *Train) Tick(ctx context.Context) error {
	return t.DB.Write(ctx, func(tx *db.Tx) error {
		before, err := fleet.All(tx)
		if err != nil {
			return err
		}
		was := map[int64]fleet.Rollout{}
		for _, r := range before {
			was[r.ID] = r
		}
		if err := t.noteCrashes(tx, before); err != nil {
			return err
		}
		changed, err := fleet.Tick(tx)
		if err != nil {
			return err
		}
		for _, r := range changed {
			if err := noteRegions(tx, was[r.ID], r); err != nil {
				return err
			}
			if b := was[r.ID]; len(r.Regions) > len(b.Regions) && b.State == r.State && b.Stage == r.Stage {
				if err := t.tellTurns(tx, b, r, Actor, ""); err != nil {
					return err
				}
				continue
			}
			if err := t.move(tx, was[r.ID], Actor, func() (fleet.Rollout, error) { return r, nil }); err != nil {
				return err
			}
		}
		if err := t.settle(tx); err != nil {
			return err
		}
		if err := outcome.Forget(tx); err != nil {
			return err
		}
		departs := t.schedule().Next(tx.Now())
		_, err = open(tx, t.schedule().Name(departs), departs, Actor)
		return err
	})
}

// settle ends the releases of which no rollout has anything to decide.
func (t *Train) settle(tx *db.Tx) error {
	rows, err := db.All(tx, scanRow, "SELECT "+rowColumns+" FROM train_releases WHERE state = $1", string(Shipping))
	if err != nil {
		return err
	}
	for _, r := range rows {
		rollouts, err := fleet.Of(tx, r.release)
		if err != nil {
			return err
		}
		devices, err := devicesOf(tx, r.release)
		if err != nil {
			return err
		}
		settled, left := true, 0
		for _, d := range devices {
			settled = settled && d.state != Building && d.state != Packaging && d.state != Ready
		}
		for _, o := range rollouts {
			if !wire.OpenChannel(o.Channel) {
				continue
			}
			left++
			settled = settled && (o.State == fleet.Complete || o.State == fleet.Pulled)
		}
		if !settled || left == 0 {
			continue
		}
		if err := r.setState(tx, Settled, Actor, said.Say("settled", "N", left)); err != nil {
			return err
		}
	}
	return nil
}

// Booted is told that a claimed handset runs a build: it is updateapi's
// OnBooted. Members who wait for a fix that the build has are asked whether it
// works; nobody is asked before.
func (t *Train) Booted(tx *db.Tx, claim int64, build string) error {
	c, err := member.ClaimByID(tx, claim)
	if errors.Is(err, member.ErrNotFound) {
		return nil // given up meanwhile
	}
	if err != nil {
		return err
	}
	if !c.EndedAt.IsZero() {
		return nil // it is another's phone now, and what it runs is not theirs to know
	}
	b, err := catalog.BuildByID(tx, build)
	if err != nil {
		return err
	}
	if b.Device != c.Device {
		t.log().Warn("a claimed handset says that it runs another device's build", "device", c.Device, "build", build)
		return nil
	}
	_, err = feedback.HandsetRuns(tx, c.MemberID, inFeedback(b))
	return err
}

// Resume lets devices go on that were held before they left: they are built or
// packaged again if that is what failed.
func (t *Train) Resume(ctx context.Context, release string, devices []string, actor, reason string) error {
	return t.each(ctx, release, devices, "resume", reason, func(tx *db.Tx, r *row, d *device, rollouts []fleet.Rollout) (did bool, err error) {
		if d.state != Held || r.state == Skipped || r.state == Pulled || r.state == Open {
			return false, nil
		}
		if d.build == "" {
			if err := d.setState(tx, Building, actor, reason); err != nil {
				return false, err
			}
			return true, jobs.Put(ctx, tx, BuildArgs{Release: release, Device: d.codename}, jobs.Options{Unique: true})
		}
		packages, err := catalog.PackagesTo(tx, d.build)
		if err != nil {
			return false, err
		}
		if len(packages) == 0 {
			if err := d.setState(tx, Packaging, actor, reason); err != nil {
				return false, err
			}
			return true, jobs.Put(ctx, tx, PackageArgs{Release: release, Device: d.codename}, jobs.Options{Unique: true})
		}
		for _, o := range rollouts {
			if wire.OpenChannel(o.Channel) {
				return true, d.setState(tx, Leaving, actor, reason)
			}
		}
		return true, d.setState(tx, Ready, actor, reason)
	}, t.testWhenReady)
}
