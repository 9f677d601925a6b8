// Package train runs the weekly release: it cuts it from a commit of the OS
// repository, has it built and packaged, gates it, ships it in stages and
// watches it until it has settled. It is the only place where facts pass between
// the rooms below: fixes from the repository to the threads, boots of claimed
// handsets to the members who wait for a fix, outcomes to the gate.
//
// It builds nothing itself (rom and ota do) and decides no offer (fleet does).
package train

import (
	"context"
	"log/slog"
	"time"

	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/jobs"
	"github.com/fridayos/friday/internal/keys"
	"github.com/fridayos/friday/internal/osrepo"
)

// State is where a release stands.
type State string

const (
	Open     State = "open"     // commits gather
	Frozen   State = "frozen"   // cut: builds and packages are made
	Testing  State = "testing"  // the test ring has it
	Shipping State = "shipping" // rollouts run
	Settled  State = "settled"  // all rollouts have ended
	Skipped  State = "skipped"  // no release this week
	Pulled   State = "pulled"   // withdrawn
)

// DeviceState is where one device of a release stands.
type DeviceState string

const (
	Building  DeviceState = "building"
	Packaging DeviceState = "packaging"
	Ready     DeviceState = "ready"
	Leaving   DeviceState = "shipping"
	Held      DeviceState = "held"
	Withdrawn DeviceState = "pulled"
)

// Train is the handle that commands, the site and jobs share. The server's has
// neither Repo nor Keys.
type Train struct {
	DB       *db.DB
	Repo     *osrepo.Repo // needed by Cut and by workers
	Blobs    *blob.Store  // needed by workers
	Schedule Schedule
	Log      *slog.Logger // nil: nothing is logged
}

// Schedule is when the train leaves.
type Schedule struct {
	Weekday      time.Weekday
	Hour, Minute int
	Zone         *time.Location
}

// DefaultSchedule is Friday at 17:00 in zone.
func DefaultSchedule(zone *time.Location) Schedule { panic("unwritten") }

// Next is the first departure after now.
func (s Schedule) Next(now time.Time) time.Time { panic("unwritten") }

// Name is the release that leaves at t: "26.11.27".
func (s Schedule) Name(t time.Time) string { panic("unwritten") }

// CutOptions narrow a cut.
type CutOptions struct {
	Devices []string // only these; nil: all of the repository that have stock
	Respin  string   // the release of which it is a respin
	Notes   string
	Actor   string
}

// Cut freezes the release that leaves next, from the commit that rev names, and
// puts in the build jobs of its devices.
func (t *Train) Cut(ctx context.Context, rev string, o CutOptions) (catalog.Release, error) {
	panic("unwritten")
}

// ShipOptions narrow a departure.
type ShipOptions struct {
	Devices []string // nil: all that are ready
	Channel string   // empty: weekly
	Stages  []fleet.Stage
	Actor   string
	Reason  string
}

// Ship starts the rollouts of a release, after its gate. Rollouts that are held
// or halted go on.
func (t *Train) Ship(ctx context.Context, release string, o ShipOptions) error { panic("unwritten") }

// Hold keeps devices (none: all) of a release back; a running rollout stays at
// its stage. Halt stops the offers of running rollouts. Pull withdraws a release
// for good. Skip says that there is none this week.
func (t *Train) Hold(ctx context.Context, release string, devices []string, actor, reason string) error {
	panic("unwritten")
}
func (t *Train) Halt(ctx context.Context, release string, devices []string, actor, reason string) error {
	panic("unwritten")
}
func (t *Train) Pull(ctx context.Context, release string, devices []string, actor, reason string) error {
	panic("unwritten")
}
func (t *Train) Skip(ctx context.Context, release string, actor, reason string) error {
	panic("unwritten")
}

// Tick advances rollouts and settles releases; the job does it, and tests may.
func (t *Train) Tick(ctx context.Context) error { panic("unwritten") }

// Booted is told that a claimed handset runs a build: updateapi's OnBooted.
func (t *Train) Booted(tx *db.Tx, claim int64, build string) error { panic("unwritten") }

// WorkerOptions is what building and signing need.
type WorkerOptions struct {
	Keys     *keys.Ring
	TempDir  string
	CPUs     int // 0: all
	Progress func(release, device, step string, done, total int64)
}

// Workers returns the job handlers: build, package, tick.
func (t *Train) Workers(o WorkerOptions) (*jobs.Workers, error) { panic("unwritten") }

// Status is the train as commands and pages show it.
type Status struct {
	Now       time.Time
	Week      string          // the release that leaves next
	Departure time.Time       // when
	Releases  []ReleaseStatus // newest first
}

// ReleaseStatus is one release in full.
type ReleaseStatus struct {
	catalog.Release
	State   State
	Reason  string
	Devices []DeviceStatus
	Log     []Transition
}

// DeviceStatus is one device of a release.
type DeviceStatus struct {
	Device   string
	State    DeviceState
	Reason   string
	Build    string
	Packages []catalog.Package
	Rollouts []RolloutStatus
}

// RolloutStatus is a rollout with its counts.
type RolloutStatus struct {
	fleet.Rollout
	Counts fleet.Counts
}

// Transition is one step, of a release (Device empty) or of one of its devices.
type Transition struct {
	Release, Device, From, To string
	Actor, Reason             string
	At                        time.Time
}

// Status reads the newest releases, at most limit of them.
func (t *Train) Status(tx *db.Tx, limit int) (Status, error) { panic("unwritten") }

// ReleaseStatus reads one release.
func (t *Train) ReleaseStatus(tx *db.Tx, release string) (ReleaseStatus, error) { panic("unwritten") }
