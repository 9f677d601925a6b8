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
// later stage contains the earlier ones, so nobody falls out. Handsets whose
// owners want it early are given more of theirs, before the others.
//
// The first stages may count handsets instead. Such a place is one handset's:
// nodes lease places before they give them away (LeasePlaces), so that never more
// are offered than the stage has, and a handset keeps its own in its ticket.
//
// # The rule that stops a rollout
//
// Three rates of the new build are compared with those of the build before it on
// the same device and channel: handsets that failed (at verifying, applying or
// booting; a failed download says nothing about a build), those that rolled back,
// and those that went silent, having applied it and not booted within outcome.SilentAfter. Package
// verdict is the test, with its error rates and what it can see; it may be looked
// at at any time, and Tick does so every few seconds. Each rate of each device
// (and of each region of it) has an error of its own: of a build that is as good
// as the one before, each is stopped wrongly with a probability of at most 2.5%,
// and in simulated fleets (friday bench rollout) far less often.
//
//   - Enrolled handsets' outcomes halt: one voice for each member, of a handset
//     that was claimed before the release was cut, and at least HaltLeast of them.
//     They are compared with enrolled handsets' outcomes only.
//   - In one region, they stop that region; the other regions go on without it.
//   - The outcomes of all handsets hold the next stage and call a human: anyone
//     can pretend to be many phones, so they do not halt.
//   - Crashes that are new in the build or grew (which that is, others find out:
//     Crashes are plain numbers) hold the rollout; when enrolled members who met
//     one are, by the same test, more than 2% of those that booted, they halt it.
//
// A halted rollout goes on when a human says so, with a name and a reason;
// counting begins anew from there. Why one was stopped is kept with its figures
// and the time: in the rollout, in the train's log and in the audit trail.
package fleet

import (
	"fmt"
	"slices"
	"time"

	"github.com/fridayos/friday/internal/fleet/outcome"
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

// Stage is one step of a rollout: a number of handsets, or a percentage of the
// buckets.
type Stage struct {
	Handsets   int64         `json:"handsets,omitempty"`   // the first so many that ask and are for it; then Percent is 0
	Percent    int           `json:"percent"`              // of all buckets, 1 to 100
	Volunteers int           `json:"volunteers,omitempty"` // percent of the buckets of those who want it early; 0: Percent
	Least      time.Duration `json:"least"`                // least time before the next stage
	Outcomes   int64         `json:"outcomes"`             // least handsets that ended an update, before the next stage
}

// String is how much of the fleet the stage is offered to.
func (s Stage) String() string {
	if s.Handsets > 0 {
		return fmt.Sprintf("%d handsets", s.Handsets)
	}
	return fmt.Sprintf("%d%%", s.Percent)
}

// Rollout is one release of one device on one channel.
type Rollout struct {
	ID         int64     `json:"id"`
	Release    string    `json:"release"`
	Device     string    `json:"device"`
	Channel    string    `json:"channel"`
	Region     string    `json:"region"`  // only handsets of this region; empty: all
	Carrier    string    `json:"carrier"` // only handsets of this carrier; empty: all
	Build      string    `json:"build"`   // build ID
	Stages     []Stage   `json:"stages"`
	Stage      int       `json:"stage"` // index into Stages
	State      State     `json:"state"`
	Reason     string    `json:"reason"` // of the last change
	Actor      string    `json:"actor"`  // of the last change
	CreatedAt  time.Time `json:"created_at"`
	StageSince time.Time `json:"stage_since"` // when the present stage began
	ChangedAt  time.Time `json:"changed_at"`  // when the state or stage last changed
	// Forgiven are the counts at the time when a human let a halted or held
	// rollout go on: the rule that stops it counts from there.
	Forgiven   outcome.Regional `json:"forgiven"`
	Conditions Conditions       `json:"conditions,omitzero"`
	Good       int64            `json:"good"`              // percent of the handsets that ended the update and did so well; -1: too few have ended
	Figure     *Figure          `json:"figure,omitempty"`  // that the last change rests on, if it does
	Regions    []StoppedRegion  `json:"regions,omitempty"` // in which it is stopped, while it goes on elsewhere
}

// Stopped says whether r is stopped in a region. A handset that does not tell
// its own may be in any.
func (r *Rollout) Stopped(region string) bool {
	return slices.ContainsFunc(r.Regions, func(s StoppedRegion) bool { return s.Region == region })
}

// StoppedRegion is a region in which a rollout is stopped.
type StoppedRegion struct {
	Region string    `json:"region"`
	Reason string    `json:"reason"`
	Actor  string    `json:"actor"`
	Figure *Figure   `json:"figure,omitempty"`
	At     time.Time `json:"at"`
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

// Reach is how much of the fleet is offered r now, in words: "10%", "200
// handsets".
func (r *Rollout) Reach() string {
	if r.State == Running || r.State == Held {
		return r.Stages[r.Stage].String()
	}
	return fmt.Sprintf("%d%%", r.Percent())
}

// Change is one step in a rollout's life.
type Change struct {
	State  State
	Stage  int
	Reason string
	Figure *Figure // that it rests on, if it does
}

// DefaultStages are the stages of a weekly rollout: small enough at first that
// a bad build reaches few, with outcomes asked for that a small community of
// handsets can give.
func DefaultStages() []Stage {
	return []Stage{
		{Percent: 1, Volunteers: 30, Least: 24 * time.Hour},
		{Percent: 10, Volunteers: 100, Least: 24 * time.Hour, Outcomes: 3},
		{Percent: 50, Volunteers: 100, Least: 24 * time.Hour, Outcomes: 10},
		{Percent: 100, Least: 24 * time.Hour},
	}
}

// allowed are the states that may follow each one. Running may follow itself,
// with the next stage.
var allowed = map[State][]State{
	Planned:  {Running, Pulled},
	Running:  {Running, Held, Halted, Complete, Pulled},
	Held:     {Running, Halted, Pulled},
	Halted:   {Running, Pulled},
	Complete: {Halted, Pulled},
}

// checkChange says why r may not become c.
func (r *Rollout) checkChange(c Change) error {
	switch {
	case !slices.Contains(allowed[r.State], c.State):
		return said.New("verb", "change", "Release", r.Release, "Device", r.Device, "Channel", r.Channel, "From", r.State, "To", c.State)
	case c.Stage < r.Stage || c.Stage >= len(r.Stages):
		return said.New("verb", "stages", "Release", r.Release, "Device", r.Device, "Channel", r.Channel, "Stage", c.Stage+1, "All", len(r.Stages), "Before", r.Stage+1)
	case c.Stage == r.Stage && c.State == r.State:
		return said.New("verb", "same", "Release", r.Release, "Device", r.Device, "Channel", r.Channel, "From", r.State, "Stage", r.Stage+1)
	case c.Reason == "":
		return said.New("verb", "why", "Release", r.Release, "Device", r.Device, "Channel", r.Channel)
	}
	return nil
}
