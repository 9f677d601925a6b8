package page

import (
	"errors"
	"slices"

	"github.com/fridayos/friday/internal/crash"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
)

// Crash is a crash as pages show it, with threads that hold it too.
type Crash struct {
	Fingerprint, Kind, Process, Cause, Top string
	Threads                                []ThreadRow
}

// Crash tells of a cluster; own is the thread on whose page it stands, and at
// most so many others are named.
func (c *Call) Crash(tx *db.Tx, one crash.Cluster, own int64, most int) (Crash, error) {
	v := Crash{Fingerprint: one.Fingerprint, Kind: c.Text.T("crash-kind." + one.Kind), Process: one.Process, Cause: one.Cause, Top: one.Top}
	threads, err := c.threadsWith(tx, one.Fingerprint, own, most)
	v.Threads = c.Rows(threads)
	return v, err
}

// Attach gives a log that the viewer has sent to a thread.
func (c *Call) Attach(tx *db.Tx, report, thread int64, private bool) error {
	if err := crash.Publish(tx, report, c.Viewer.ID, thread, private); err != nil {
		return err
	}
	return feedback.Record(tx, feedback.Event{ThreadID: thread, Kind: feedback.EventLogged, Actor: c.Viewer.ID})
}

// Prints are the crashes of a thread, and of those that went into it.
func Prints(tx *db.Tx, thread int64) ([]string, error) {
	all, err := feedback.Gathered(tx, thread)
	if err != nil {
		return nil, err
	}
	return crash.Prints(tx, all...)
}

// threadsWith are the threads with a crash that the viewer may see.
func (c *Call) threadsWith(tx *db.Tx, fingerprint string, own int64, most int) ([]feedback.Thread, error) {
	ids, err := crash.Threads(tx, fingerprint, 4*most)
	if err != nil {
		return nil, err
	}
	var threads []feedback.Thread
	for _, id := range ids {
		if id == own || len(threads) == most {
			continue
		}
		t, err := feedback.ByID(tx, c.Viewer.InForum(), id)
		if errors.Is(err, feedback.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		// Those that were merged are one.
		if t.ID != own && !slices.ContainsFunc(threads, func(o feedback.Thread) bool { return o.ID == t.ID }) {
			threads = append(threads, t)
		}
	}
	return threads, nil
}
