// Package feedback is the forum's heart: threads, posts, votes, and the way of
// a report from "reported" to "confirmed" on each device.
//
// A thread's state on a device is never set; it is derived from facts that are
// kept with their time and actor (a maintainer recorded it, a commit fixes it,
// a release carries the fix, the reporter's handset runs it, the reporter says
// it works). The rules are pure and lie in feedback/way; the SQL is here. Other
// nouns of the room have packages of their own beside way. The package does not know trains, rollouts or handsets: package train
// brings their facts here as plain values. The loop and its words are described
// in ARCHITECTURE.md.
package feedback

import (
	"time"

	"github.com/fridayos/friday/internal/feedback/way"
)

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

// State is where a thread stands on one device; way holds the rules.
type State = way.State

// States, in the order of the way.
const (
	Reported   = way.Reported
	Recorded   = way.Recorded
	NeedsInfo  = way.NeedsInfo
	Discussed  = way.Discussed
	Planned    = way.Planned
	Merged     = way.Merged
	InRelease  = way.InRelease
	OnHandset  = way.OnHandset
	Confirmed  = way.Confirmed
	StillThere = way.StillThere
	Declined   = way.Declined
	Closed     = way.Closed
)

// AllStates lists all states in the order of the way.
func AllStates() []State { return way.AllStates() }

// Markable lists what a maintainer may say of a thread in state s.
func Markable(s State) []State { return way.Markable(s) }

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
const AnyDevice = way.AnyDevice

// Thread is one report, idea, question or talk.
type Thread struct {
	ID         int64
	Kind       Kind
	Title      string
	AuthorID   int64  // FormerMember: the account was deleted
	Part       string // app or part of the system: "Camera"
	Build      string // version the reporter ran, as far as known
	Lang       string // BCP 47 tag of what it is written in; empty: not said
	CreatedAt  time.Time
	LastAt     time.Time // of the last post
	ClosedAt   time.Time // zero: open
	Posts      int       // the first one included
	Votes      int
	Hidden     bool  // by a moderator
	Private    bool  // a security report that only its author and those it names see
	Locked     bool  // moderators alone may post
	Pinned     bool  // first in lists
	MergedInto int64 // thread; 0: it is one by itself
	AcceptedID int64 // post that answers the question; 0: none
	Devices    []DeviceState
}

// FormerMember is the author of what a deleted account wrote.
const FormerMember int64 = -1

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
	Lang     string   // BCP 47 tag; empty: not said
	Devices  []string // none: AnyDevice
	Private  bool     // a bug that others could use against people
	Named    []int64  // maintainers who see a private one from the start; at least one
	FromPost int64    // begins with this post of another thread instead of Body: for feedback/order
}

// Post is one message in a thread.
type Post struct {
	ID       int64
	ThreadID int64
	AuthorID int64  // FormerMember: the account was deleted
	Body     string // Markdown, as written
	At       time.Time
	EditedAt time.Time // zero: never
	Hidden   bool      // by a moderator: others are shown that it was, without its text
}

// StateChange is one step of a thread's way on a device.
type StateChange = way.Step

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
