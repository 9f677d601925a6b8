package fleet

import (
	"time"

	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/wire"
)

// Plan is what Start needs.
type Plan struct {
	Release, Device, Channel string
	Region, Carrier          string
	Build                    string
	Stages                   []Stage // nil: DefaultStages
}

// Start begins a rollout at its first stage.
func Start(tx *db.Tx, p Plan, actor, reason string) (Rollout, error) { panic("unwritten") }

// Set changes the state or stage of a rollout, if the change is allowed.
func Set(tx *db.Tx, id int64, c Change, actor string) (Rollout, error) { panic("unwritten") }

// Hold keeps the next stage back. Halt stops offers. Resume lets a held or
// halted rollout run again. Pull withdraws it for good.
func Hold(tx *db.Tx, id int64, actor, reason string) (Rollout, error)   { panic("unwritten") }
func Halt(tx *db.Tx, id int64, actor, reason string) (Rollout, error)   { panic("unwritten") }
func Resume(tx *db.Tx, id int64, actor, reason string) (Rollout, error) { panic("unwritten") }
func Pull(tx *db.Tx, id int64, actor, reason string) (Rollout, error)   { panic("unwritten") }

// ByID returns one rollout. Of returns the rollouts of a release; OfDevice
// those of a device, newest first.
func ByID(tx *db.Tx, id int64) (Rollout, error)            { panic("unwritten") }
func Of(tx *db.Tx, release string) ([]Rollout, error)      { panic("unwritten") }
func OfDevice(tx *db.Tx, device string) ([]Rollout, error) { panic("unwritten") }
func Active(tx *db.Tx) ([]Rollout, error)                  { panic("unwritten") }
func CountsOf(tx *db.Tx, r *Rollout) (Counts, error)       { panic("unwritten") }
func Tick(tx *db.Tx) ([]Rollout, error)                    { panic("unwritten") }

// Load reads what offers are decided from. Revision changes whenever it would
// read something else.
func Load(tx *db.Tx) (*Snapshot, error) { panic("unwritten") }
func Revision(tx *db.Tx) (int64, error) { panic("unwritten") }

// Snapshot is what offers are decided from: rollouts, builds and packages.
type Snapshot struct {
	Revision int64
	Until    time.Time // the end of the lease
	packages map[string]*catalog.Package
}

// Report is one verified outcome on its way into the sums.
type Report struct {
	Token wire.OfferToken
	Event wire.Event
	Stage string
	Code  string
}

// Record adds reports to the sums, each token's event once, and returns how
// many were new.
func Record(tx *db.Tx, reports []Report) (int, error) { panic("unwritten") }

// Boot is a claimed handset that runs a build.
type Boot struct {
	Claim int64
	Build string
}

// Boots returns the boots not handed on yet; Done removes one.
func Boots(tx *db.Tx, limit int) ([]Boot, error) { panic("unwritten") }
func Done(tx *db.Tx, b Boot) error               { panic("unwritten") }
