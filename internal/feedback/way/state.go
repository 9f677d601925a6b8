package way

import (
	"slices"
	"time"
)

// State is where a report stands on one device.
type State string

// States, in the order of the way.
const (
	Reported   State = "reported"
	Recorded   State = "recorded"
	NeedsInfo  State = "needs-information"
	Discussed  State = "under-discussion"
	Planned    State = "planned"
	Merged     State = "fix-merged"
	InRelease  State = "in-release"
	OnHandset  State = "on-handset"
	Confirmed  State = "confirmed"
	StillThere State = "still-broken" // reopened: it is on the fixing build and does not work
	Declined   State = "declined"
	Closed     State = "closed"
)

// AllStates lists all states in the order of the way.
func AllStates() []State {
	return []State{Reported, Recorded, NeedsInfo, Discussed, Planned, Merged, InRelease, OnHandset, Confirmed, StillThere, Declined, Closed}
}

// Done says whether nothing is left to do on a device in state s.
func (s State) Done() bool { return s == Confirmed || s == Declined || s == Closed }

// Markable lists what a maintainer may say of a report in state s.
func Markable(s State) []State {
	switch s {
	case Reported, Recorded, NeedsInfo, Discussed, Planned, StillThere:
		return slices.DeleteFunc([]State{Recorded, NeedsInfo, Discussed, Planned, Declined, Closed},
			func(o State) bool { return o == s && s != NeedsInfo })
	case Declined, Closed:
		return []State{Recorded, Discussed, Planned}
	}
	return nil // a fix is on its way, or it is confirmed
}

// NeedsReason says whether a maintainer must say why: the reporter is left
// waiting otherwise, and does not know for what.
func (s State) NeedsReason() bool { return s == Declined || s == Closed || s == NeedsInfo }

// AnyDevice is the device of a report that names none: it may concern all.
const AnyDevice = ""

// Step is one step of a report's way on a device.
type Step struct {
	State   State
	Device  string
	Release string // with InRelease, OnHandset, Confirmed, StillThere, Closed as fixed, and where one was pulled
	Commit  string // with Merged
	Reason  string // with Declined, Closed, NeedsInfo, and when a fix was taken back
	Actor   int64  // member; 0: the train
	At      time.Time
}

// FactKind says what happened. Facts are only ever added.
type FactKind string

// Facts about a report. Those with a device say it of that device alone; those
// without say it of all.
const (
	FactReported  FactKind = "reported"  // someone has it on Device
	FactMarked    FactKind = "marked"    // a maintainer's word: State, Reason; with Closed, a Build that has the fix
	FactMerged    FactKind = "merged"    // Commit fixes it
	FactRetracted FactKind = "retracted" // Commit was reverted
	FactReleased  FactKind = "released"  // Release carries the fix to Device as Build
	FactPulled    FactKind = "pulled"    // Release was withdrawn from Device, and Build with it
	FactRuns      FactKind = "runs"      // an affected member's handset runs a build with the fix
	FactWorks     FactKind = "works"     // that member says: works
	FactBroken    FactKind = "broken"    // that member says: does not, on Build
	FactUnsure    FactKind = "unsure"    // that member cannot tell; it moves nothing
	FactObjected  FactKind = "objected"  // the author objects to a decision, once
)

// Fact is one thing that happened to a report.
type Fact struct {
	ID        int64 // rises with time; 0 where nobody keeps it
	Kind      FactKind
	Device    string
	State     State  // of FactMarked
	Release   string // of FactReleased, FactPulled, FactRuns, FactWorks, FactBroken, FactUnsure
	Build     string // ID
	Timestamp int64  // of Build: ro.build.date.utc, seconds since 1970; it orders the builds of a device
	Commit    string
	Reason    string
	Actor     int64
	At        time.Time
}
