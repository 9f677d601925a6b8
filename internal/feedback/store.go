package feedback

import (
	"github.com/fridayos/friday/internal/db"
)

// New files a thread. Its author watches it.
func New(tx *db.Tx, n NewThread) (Thread, error) { panic("unwritten") }

// Reply adds a post. Its author watches the thread.
func Reply(tx *db.Tx, threadID, authorID int64, body string) (Post, error) { panic("unwritten") }

// Vote sets or takes back a member's one vote.
func Vote(tx *db.Tx, threadID, memberID int64, on bool) error { panic("unwritten") }

// MeToo says that the member has it on that device too; it counts as a vote.
func MeToo(tx *db.Tx, threadID, memberID int64, device string) error { panic("unwritten") }

// Watch sets or ends a member's watch.
func Watch(tx *db.Tx, threadID, memberID int64, on bool) error { panic("unwritten") }

// Mark is a maintainer's word on a thread: Recorded, NeedsInfo, Discussed,
// Planned, Declined or Closed, on one device or (AnyDevice) on all of them.
// The last two need a reason.
func Mark(tx *db.Tx, threadID, actor int64, s State, device, reason string) error {
	panic("unwritten")
}

// FixMerged says that commit fixes the thread. Saying it twice changes nothing.
func FixMerged(tx *db.Tx, threadID int64, commit string) error { panic("unwritten") }

// FixInRelease says that release carries the fix to b.Device with build b.
// Saying it twice changes nothing.
func FixInRelease(tx *db.Tx, threadID int64, release string, b Build) error { panic("unwritten") }

// FixRetracted says that commit was reverted: what it fixed is open again.
func FixRetracted(tx *db.Tx, threadID int64, commit string) error { panic("unwritten") }

// HandsetRuns says that the member's own handset runs b. It returns the asks
// that this opened: on threads whose fix b has and that the member reported,
// has too, or watches. Saying it twice opens nothing twice.
func HandsetRuns(tx *db.Tx, memberID int64, b Build) ([]Ask, error) { panic("unwritten") }

// Answer takes a member's answer to an open ask.
func Answer(tx *db.Tx, threadID, memberID int64, device string, v Verdict) error { panic("unwritten") }

// States is the thread's way so far, oldest step first.
func States(tx *db.Tx, threadID int64) ([]StateChange, error) { panic("unwritten") }
