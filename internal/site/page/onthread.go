package page

import (
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
)

// OnThread runs a form on the thread that the address names, if the viewer may see
// it, and goes to where fn says, or back to the thread.
func (c *Call) OnThread(done string, fn func(tx *db.Tx, t feedback.Thread) (to string, err error)) error {
	id, err := ThreadID(c.R.PathValue("thread"))
	if err != nil {
		return err
	}
	if !c.Site.Limits.Act(c.Viewer.ID) {
		return ErrTooOften
	}
	var to string
	var thread int64
	err = c.Write(func(tx *db.Tx) error {
		t, err := feedback.ByID(tx, c.Viewer.InForum(), id)
		if err != nil {
			return err
		}
		thread = t.ID
		if to, err = fn(tx, t); to == "" {
			to = ThreadPath(t.ID, t.Title)
		}
		return err
	})
	if err != nil {
		return err
	}
	return c.Answered(to, done, thread)
}
