package handset

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/fridayos/friday/internal/wire"
)

// phase is how far an update has come. Each is recorded before the next begins.
type phase string

const (
	downloading phase = "downloading" // fetching the zip, resumable by range
	downloaded  phase = "downloaded"  // the zip is whole, as the offer says
	applying    phase = "applying"    // verified; writing the other slot
	applied     phase = "applied"     // every partition of the other slot has the payload's hash
	switched    phase = "switched"    // the other slot is the active one, not yet started
	booted      phase = "booted"      // runs; healthy after a day
)

// healthyAfter is how long a new build must run before it counts as healthy.
const healthyAfter = 24 * time.Hour

// update is the update in progress.
type update struct {
	Phase    phase          `json:"phase"`
	Offer    wire.Offer     `json:"offer"`
	File     string         `json:"file,omitempty"` // a package brought by hand; empty: update/package.zip
	ByHand   bool           `json:"by_hand,omitempty"`
	Target   string         `json:"target,omitempty"`
	Done     map[string]int `json:"done,omitempty"` // operations applied, by partition
	Wipe     bool           `json:"wipe,omitempty"`
	BootedAt int64          `json:"booted_at,omitempty"`
}

// Result says what Update led to.
type Result struct {
	Offer   *wire.Offer // that was installed; nil: nothing was offered
	Reason  string      // why nothing was offered, or why the phone fell back
	Started Started     // what runs now
	Updated bool        // the new build runs
}

// failedPackages is how many packages that failed here are remembered.
const failedPackages = 16

func (p *Phone) updatePath() string { return p.path("update", "update.json") }

func (p *Phone) loadUpdate() (*update, error) {
	var u update
	err := readJSON(p.updatePath(), &u)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("cannot go on with update: %w", err)
	}
	if u.Done == nil {
		u.Done = map[string]int{}
	}
	return &u, nil
}

func (p *Phone) saveUpdate(u *update) error { return writeJSON(p.updatePath(), u) }

func (p *Phone) packageFile(u *update) string {
	if u.File != "" {
		return u.File
	}
	return p.path("update", "package.zip")
}

// dropUpdate forgets the update, its package included unless a person owns it.
func (p *Phone) dropUpdate(u *update) error {
	if err := os.Remove(p.updatePath()); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("cannot end update: %w", err)
	}
	if u.File == "" {
		if err := os.Remove(p.packageFile(u)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("cannot end update: %w", err)
		}
	}
	return syncDir(p.path("update"))
}

// Run switches the phone on and does what its agent does in one round: goes on
// with an update that was under way, else asks the server for one, installs
// it, restarts into it, and reports. It may be called again after any error
// and after any kill.
func (p *Phone) Run(ctx context.Context, c *Client) (Result, error) {
	started, err := p.Boot(ctx)
	if err != nil {
		return Result{}, err
	}
	u, err := p.loadUpdate()
	if err != nil {
		return Result{}, err
	}
	if u != nil && (u.Phase == switched || u.Phase == booted) {
		res, over, err := p.settle(ctx, u, started)
		if err != nil {
			return Result{}, err
		}
		if !over {
			return res, p.Report(ctx, c)
		}
		if u.Phase == switched { // it has just been decided
			return res, p.Report(ctx, c)
		}
		u = nil
	}
	if u == nil {
		offer, reason, err := p.CheckIn(ctx, c, started)
		if err != nil {
			return Result{}, err
		}
		if offer == nil {
			return Result{Reason: reason, Started: started}, p.Report(ctx, c)
		}
		u = &update{Phase: downloading, Offer: *offer, Done: map[string]int{}}
		if err := p.saveUpdate(u); err != nil {
			return Result{}, err
		}
	}
	return p.finish(ctx, c, u, started)
}

// finish brings an update from wherever it is to a restarted phone.
func (p *Phone) finish(ctx context.Context, c *Client, u *update, running Started) (Result, error) {
	if err := p.install(ctx, c, u, running); err != nil {
		return Result{}, errors.Join(p.failed(u, err), p.Report(ctx, c))
	}
	started, err := p.Boot(ctx)
	if err != nil {
		return Result{}, err
	}
	res, _, err := p.settle(ctx, u, started)
	if err != nil {
		return Result{}, err
	}
	return res, p.Report(ctx, c)
}

// install takes u up to the slot switch.
func (p *Phone) install(ctx context.Context, c *Client, u *update, running Started) error {
	for {
		var err error
		p.logf("update to %s: %s", u.Offer.Version, u.Phase)
		next := u.Phase
		switch u.Phase {
		case downloading:
			next, err = downloaded, p.fetch(ctx, c, u)
		case downloaded:
			next, err = applying, p.verify(ctx, u, running)
		case applying:
			if next = applied; p.single() {
				err = p.recover(ctx, u)
			} else {
				err = p.apply(ctx, u, running)
			}
		case applied:
			if next = switched; p.single() {
				err = p.installed(u)
			} else {
				err = p.switchSlot(ctx, u)
			}
		case switched, booted:
			return nil
		default:
			err = fmt.Errorf("cannot go on with update: its phase is %q", u.Phase)
		}
		if err != nil {
			return err
		}
		if next != switched { // switchSlot has recorded its own, in the right order
			u.Phase = next
			if err := p.saveUpdate(u); err != nil {
				return err
			}
		}
		if err := p.reportPhase(u, next); err != nil {
			return err
		}
	}
}

// reportPhase puts the outcome that a phase stands for into the outbox.
func (p *Phone) reportPhase(u *update, reached phase) error {
	switch reached {
	case downloaded:
		return p.outcome(u, wire.Downloaded, "", "", "", "")
	case applying:
		return p.outcome(u, wire.Verified, "", "", "", "")
	case applied:
		return p.outcome(u, wire.Applied, "", "", "", "")
	}
	return nil
}

// settle looks, after a start, whether the new slot runs. over: the update is
// done with, well or badly.
func (p *Phone) settle(ctx context.Context, u *update, started Started) (res Result, over bool, err error) {
	res = Result{Offer: &u.Offer, Started: started}
	if u.Phase == switched && started.Slot != u.Target {
		reason := fmt.Sprintf("slot %s did not start, slot %s runs again", u.Target, started.Slot)
		if n := len(started.Failures); n > 0 {
			reason = started.Failures[n-1]
		}
		if err := p.remember(u); err != nil {
			return res, false, err
		}
		if err := p.outcome(u, wire.RolledBack, "boot", "fallback", reason, started.System.Incremental); err != nil {
			return res, false, err
		}
		res.Reason = reason
		return res, true, p.dropUpdate(u)
	}
	res.Updated = true
	if err := p.Merge(ctx); err != nil { // it started: what it replaced is not needed
		return res, false, err
	}
	now := p.now().Unix()
	if u.Phase == switched {
		if u.Wipe {
			if err := p.wipe(); err != nil {
				return res, false, err
			}
		}
		if err := p.outcome(u, wire.Booted, "", "", "", started.System.Incremental); err != nil {
			return res, false, err
		}
		u.Phase, u.BootedAt = booted, now
		return res, false, p.saveUpdate(u)
	}
	if now-u.BootedAt < int64(healthyAfter/time.Second) {
		// It runs, and may be followed by the next update before the day is over.
		return res, true, nil
	}
	if err := p.outcome(u, wire.Healthy, "", "", "", started.System.Incremental); err != nil {
		return res, false, err
	}
	return res, true, p.dropUpdate(u)
}

// failed records a refusal; any other error leaves the update to be tried
// again. It returns cause, or what went wrong on the way.
func (p *Phone) failed(u *update, cause error) error {
	var r *refusal
	if !errors.As(cause, &r) {
		return cause
	}
	if err := p.remember(u); err != nil {
		return errors.Join(cause, err)
	}
	if err := p.outcome(u, wire.Failed, r.stage, r.code, r.Error(), ""); err != nil {
		return errors.Join(cause, err)
	}
	return errors.Join(cause, p.dropUpdate(u))
}

// remember notes that u's package did not work here, so that the server offers
// another.
func (p *Phone) remember(u *update) error {
	if u.Offer.SHA256 == "" {
		return nil
	}
	list, err := p.failedHere()
	if err != nil || slices.Contains(list, u.Offer.SHA256) {
		return err
	}
	list = append(list, u.Offer.SHA256)
	return writeJSON(p.path("update", "failed.json"), list[max(0, len(list)-failedPackages):])
}

func (p *Phone) failedHere() ([]string, error) {
	var list []string
	err := readJSON(p.path("update", "failed.json"), &list)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	return list, nil
}

// Sideload installs a package that a person brings, without an offer, as
// recovery and update_engine do: signature, device and timestamp are checked,
// and an older security patch level is installed and erases the data.
func (p *Phone) Sideload(ctx context.Context, zip string) (Result, error) {
	zip, err := filepath.Abs(zip)
	if err != nil {
		return Result{}, fmt.Errorf("cannot install package: %w", err)
	}
	started, err := p.Boot(ctx)
	if err != nil {
		return Result{}, err
	}
	u, err := p.loadUpdate()
	if err != nil {
		return Result{}, err
	}
	if u == nil || u.File != zip || u.Phase == booted {
		u = &update{Phase: downloaded, File: zip, ByHand: true, Done: map[string]int{}}
		if err := p.saveUpdate(u); err != nil {
			return Result{}, err
		}
	}
	if err := p.install(ctx, nil, u, started); err != nil {
		return Result{}, p.failed(u, err)
	}
	if started, err = p.Boot(ctx); err != nil {
		return Result{}, err
	}
	res, _, err := p.settle(ctx, u, started)
	return res, err
}
