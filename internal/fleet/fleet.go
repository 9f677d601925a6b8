// Package fleet decides who is offered what: channels, rollouts in stages,
// offers, and what the outcomes of handsets do to a rollout.
//
// Deciding is pure. Decide answers one check-in from a Snapshot, and Advance
// says what a rollout's counts and the time call for; both are tested in
// tables. The SQL keeps rollouts and sums of outcomes, never a handset.
//
// # Stages
//
// A stage is a percentage of the buckets. Which buckets is a permutation that
// the release's name seeds, so that the same handsets are not always first; a
// later stage contains the earlier ones, so nobody falls out.
//
// # The rule that stops a rollout
//
// Of the handsets that ended an update (booted; or rolled back; or failed at
// verifying, applying or booting), the bad ones are counted: rolled back or
// failed. A rollout is halted when at least HaltLeast enrolled handsets (those
// with a member's claim or a place in the test ring) ended badly and they are
// more than BadPercent of the enrolled ones that ended. It is held, and a human
// called, when at least HoldLeast anonymous handsets ended badly and they are
// more than BadPercent of the anonymous ones: anyone can pretend to be many
// phones, so they alone do not halt. A failed download says nothing about a
// build and is not counted. The rule is a threshold, not a statistical test: it
// compares with no baseline, it looks at the sums each time they change, and of
// a build that truly breaks one handset in fifty it sees nothing.
package fleet

import (
	"time"

	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/wire"
)

// Channels, from the team's daily to everyone's monthly.
const (
	Alpha  = "alpha"
	Beta   = "beta"
	Weekly = "weekly"
	Stable = "stable"
)

// State is where a rollout stands.
type State string

const (
	Planned  State = "planned"  // nobody is offered it yet
	Running  State = "running"  // its stage's buckets are offered it
	Held     State = "held"     // its stage's buckets are offered it, the next stage waits for a human
	Halted   State = "halted"   // nobody is offered it, nothing is served of it
	Complete State = "complete" // everyone is offered it
	Pulled   State = "pulled"   // withdrawn for good
)

// Stage is one step of a rollout.
type Stage struct {
	Percent  int           `json:"percent"`  // of all buckets, 1 to 100
	Least    time.Duration `json:"least"`    // least time before the next stage
	Outcomes int64         `json:"outcomes"` // least handsets that ended an update, before the next stage
}

// Rollout is one release of one device on one channel.
type Rollout struct {
	ID         int64
	Release    string
	Device     string
	Channel    string
	Region     string // only handsets of this region; empty: all
	Carrier    string // only handsets of this carrier; empty: all
	Build      string // build ID
	Stages     []Stage
	Stage      int // index into Stages
	State      State
	Reason     string // of the last change
	Actor      string // of the last change
	CreatedAt  time.Time
	StageSince time.Time // when the present stage began
	ChangedAt  time.Time // when the state or stage last changed
}

// Percent is how much of the fleet is offered r now.
func (r *Rollout) Percent() int {
	switch r.State {
	case Complete:
		return 100
	case Running, Held:
		return r.Stages[r.Stage].Percent
	}
	return 0
}

// Change is one step in a rollout's life, from the audit log.
type Change struct {
	State  State
	Stage  int
	Reason string
}

// Group tells enrolled handsets' outcomes from anonymous ones.
type Group struct {
	Downloaded, Verified, Applied, Booted, Healthy int64
	RolledBack                                     int64
	Failed                                         int64 // at verify, apply or boot
	FailedDownload                                 int64
}

// Ended is how many handsets ended an update, well or badly.
func (g Group) Ended() int64 { return g.Booted + g.Bad() }

// Bad is how many handsets ended an update badly.
func (g Group) Bad() int64 { return g.RolledBack + g.Failed }

// Counts are the outcomes of one rollout, summed.
type Counts struct {
	Enrolled  Group // with a member's claim or a canary's place
	Anonymous Group
}

// Decision answers one check-in.
type Decision struct {
	Offer   bool
	Reason  string // why there is no offer
	Rollout *Rollout
	Build   *catalog.Build
	Package *catalog.Package
	Notes   string
	// LeaseOut: the snapshot is too old to decide anything.
	LeaseOut bool
}

// Decide answers one check-in. It depends on nothing but its arguments.
func Decide(c *wire.CheckIn, t *wire.Ticket, s *Snapshot, now time.Time) Decision {
	panic("unwritten")
}

// Advance says what the counts and the time call for; ok is false when r stays
// as it is.
func Advance(r *Rollout, n Counts, now time.Time) (change Change, ok bool) { panic("unwritten") }
