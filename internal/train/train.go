// Package train runs the weekly release: it cuts it from a commit of the OS
// repository, has it built and packaged, gates it, ships it in stages and
// watches it until it has settled. It is the only place where facts pass between
// the rooms below: fixes from the repository to the threads, boots of claimed
// handsets to the members who wait for a fix, outcomes to the gate.
//
// A release is open until it is cut, frozen while it is built, testing once the
// test ring (channel beta) has it, shipping while its rollouts run and settled
// when they have ended; or skipped before it left, or pulled. A device that
// cannot be built, packaged or let through the gate is held, with the reason;
// the others go on. Every step is written down with its time, actor and reason.
//
// The package builds nothing itself (rom and ota do) and decides no offer (fleet
// does).
package train

import (
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/db"
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

// Actor is who a step is by when no human took it.
const Actor = "train"

// Train is the handle that commands, the site and jobs share. Its fields are
// not changed once it is used.
type Train struct {
	DB       *db.DB
	Repo     *osrepo.Repo // needed to cut and to build
	Blobs    *blob.Store  // the same
	Schedule Schedule     // zero: DefaultSchedule in UTC
	Log      *slog.Logger // nil: nothing is logged
	// OnTurn is told, inside the transaction, that a rollout stopped, or that a human
	// lets it go on. It may be nil.
	OnTurn func(tx *db.Tx, t Turn) error

	repo sync.Mutex // a Repo serves one goroutine
}

func (t *Train) log() *slog.Logger {
	if t.Log == nil {
		return slog.New(slog.NewTextHandler(io.Discard, nil))
	}
	return t.Log
}

func (t *Train) schedule() Schedule {
	if t.Schedule.Zone == nil {
		return DefaultSchedule(time.UTC)
	}
	return t.Schedule
}
