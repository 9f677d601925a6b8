// Package feedback is the forum's heart: threads, posts, votes, and the way of
// a report from "reported" to "confirmed" on each device.
//
// A thread's state on a device is never set; it is derived from facts that are
// kept with their time and actor (a maintainer recorded it, a commit fixes it,
// a release carries the fix, the reporter's handset runs it, the reporter says
// it works). The rules are pure functions in rules.go; the SQL is in the store
// files. The package does not know trains, rollouts or handsets: package train
// brings their facts here as plain values. The loop and its words are described
// in ARCHITECTURE.md.
package feedback

import "time"

// Kind is what a thread is.
type Kind string

// Kinds of thread. Bugs and ideas have a state on each device.
const (
	Bug      Kind = "bug"
	Idea     Kind = "idea"
	Question Kind = "question"
	Talk     Kind = "talk"
)

// Kinds lists all kinds in the order in which pages show them.
func Kinds() []Kind { return []Kind{Bug, Idea, Question, Talk} }

// Tracked says whether threads of kind k have a way to go: states on devices.
func (k Kind) Tracked() bool { return k == Bug || k == Idea }

// State is where a thread stands on one device.
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

// Verdict is a member's answer to "does it work now?".
type Verdict string

// Verdicts.
const (
	Works  Verdict = "works"
	Broken Verdict = "broken"
	Unsure Verdict = "unsure"
)

// Build names one build of one device. Timestamp orders the builds of a device
// (ro.build.date.utc, seconds since 1970).
type Build struct {
	ID, Device, Version string
	Timestamp           int64
}

// AnyDevice is the device of a thread that names none: it may concern all.
const AnyDevice = ""

// Thread is one report, idea, question or talk.
type Thread struct {
	ID        int64
	Kind      Kind
	Title     string
	AuthorID  int64
	Part      string // app or part of the system: "Camera"
	Build     string // version the reporter ran, as far as known
	CreatedAt time.Time
	LastAt    time.Time // of the last post
	ClosedAt  time.Time // zero: open
	Posts     int       // the first one included
	Votes     int
	Hidden    bool // by a moderator
	Devices   []DeviceState
}

// DeviceState is where a thread stands on one device.
type DeviceState struct {
	Device     string // AnyDevice when the thread names none
	State      State
	Release    string // that carries the fix, once one does
	Build      string // ID of the fixing build
	Reason     string // why declined or closed
	Affected   int    // members who have it there, the reporter included
	ReportedAt time.Time
	Since      time.Time // of the state
}

// NewThread is what a member files.
type NewThread struct {
	Kind     Kind
	Title    string
	Body     string // Markdown
	AuthorID int64
	Part     string
	Build    string
	Devices  []string // none: AnyDevice
}

// Post is one message in a thread.
type Post struct {
	ID       int64
	ThreadID int64
	AuthorID int64
	Body     string // Markdown, as written
	At       time.Time
}

// StateChange is one step of a thread's way on a device.
type StateChange struct {
	State   State
	Device  string
	Release string // with InRelease, OnHandset, Confirmed, StillThere
	Commit  string // with Merged
	Reason  string // with Declined, Closed, NeedsInfo, and when a fix was taken back
	Actor   int64  // member; 0: the train
	At      time.Time
}

// Ask is one question to one member: the fix is on your handset, does it work?
type Ask struct {
	ThreadID   int64
	Title      string
	MemberID   int64
	Device     string
	Release    string
	Build      string // that the handset ran when it was asked
	OpenedAt   time.Time
	AnsweredAt time.Time // zero: open
	Verdict    Verdict
}
