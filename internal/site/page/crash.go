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
