// Package crash counts crashes: clusters by fingerprint, by build and by device,
// from the bugreports that members attach to threads. It says which crashes are
// new in a build and which grew, as plain numbers; what follows from them is for
// others to decide.
//
// It keeps of a report what was left after scrubbing, and that for Keep; a
// report that nobody published goes after KeepDraft. The crashes' counts stay.
// Reading and scrubbing a report is package android/bugreport's.
//
// One member counts once for a crash on a build of a device, however many
// reports they send.
package crash

import (
	"errors"
	"time"

	"github.com/fridayos/friday/internal/blob"
)

// How long a scrubbed text is kept: published with a thread, or not yet.
const (
	Keep      = 90 * 24 * time.Hour
	KeepDraft = 24 * time.Hour
)

// Limits of what one member may send.
const (
	MaxText    = 64 << 20 // of text in a report, in bytes
	DayReports = 20       // of a member in 24 hours
	MaxOf      = 50       // crashes of a report that are counted
)

// Errors that callers tell apart.
var (
	ErrNotFound = errors.New("there is no such report")
	ErrTooMany  = errors.New("too many reports in a day")
	ErrUnread   = errors.New("the file is no report that can be read")
	ErrTaken    = errors.New("the report belongs to a thread already")
)

// Cluster is one crash, wherever it happened.
type Cluster struct {
	Fingerprint string // 16 hexadecimal digits
	Kind        string // java, native, anr, watchdog, kernel
	Process     string
	Cause       string // exception, signal, reason
	Top         string // the frame that says most
	Frames      string // one a line, the innermost first; empty: not known
	FirstAt     time.Time
	LastAt      time.Time
}

// Facts are what a report says of the handset, and what was taken out of it.
type Facts struct {
	Model       string         `json:"model,omitempty"`
	Fingerprint string         `json:"fingerprint,omitempty"` // of the build
	Display     string         `json:"display,omitempty"`     // what the system calls itself
	Android     string         `json:"android,omitempty"`
	PatchLevel  string         `json:"patch_level,omitempty"`
	Kernel      string         `json:"kernel,omitempty"`
	Uptime      int64          `json:"uptime,omitempty"` // seconds
	Removed     map[string]int `json:"removed,omitempty"`
	LeftOut     int            `json:"left_out,omitempty"` // files of a zip
}

// Report is one scrubbed report.
type Report struct {
	ID        int64
	MemberID  int64 // negative: of nobody any more
	ThreadID  int64 // 0: not published yet
	Device    string
	Build     string
	Enrolled  bool
	Private   bool     // the text is for maintainers only
	Text      blob.Ref // zero: it is gone
	Facts     Facts
	At        time.Time
	KeepUntil time.Time
}

// Count is how often a crash was met on one build of one device.
type Count struct {
	Fingerprint   string
	Device, Build string
	Members       int64 // different ones
	Enrolled      int64 // of them, with a claimed handset of the device
	Reports       int64
	First, Last   time.Time
}
