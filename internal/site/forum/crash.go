package forum

import (
	"github.com/fridayos/friday/internal/crash"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback/order"
	"github.com/fridayos/friday/internal/site/page"
)

// threadLogs are the logs of a thread and the crashes in them.
type threadLogs struct {
	CanSend bool // logs are taken
	Crashes []page.Crash
	Logs    []crash.Report
}

// What stands on a thread's page of crashes and logs.
const (
	mostCrashes = 3
	mostTwins   = 3
	mostLogs    = 10
)

// readLogs reads, for the first of a thread's pages, its logs; those of the
// threads that were merged into it are its own.
func readLogs(c *page.Call, tx *db.Tx, thread int64, number int) (threadLogs, error) {
	v := threadLogs{CanSend: c.Site.Reports != nil}
	if number > 1 {
		return v, nil
	}
	merged, err := order.MergedInto(tx, c.Viewer.InForum(), thread)
	if err != nil {
		return v, err
	}
	ids := []int64{thread}
	for _, m := range merged {
		ids = append(ids, m.Source)
	}
	list, err := crash.ClustersOf(tx, ids...)
	if err != nil {
		return v, err
	}
	if v.Logs, err = crash.Of(tx, ids...); err != nil {
		return v, err
	}
	v.Logs = v.Logs[:min(len(v.Logs), mostLogs)]
	for _, one := range list[:min(len(list), mostCrashes)] {
		known, err := c.Crash(tx, one, thread, mostTwins)
		if err != nil {
			return v, err
		}
		v.Crashes = append(v.Crashes, known)
	}
	return v, nil
}
