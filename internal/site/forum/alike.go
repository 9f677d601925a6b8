package forum

import (
	"errors"

	"github.com/fridayos/friday/internal/crash"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/feedback/alike"
	"github.com/fridayos/friday/internal/feedback/duplicate"
	"github.com/fridayos/friday/internal/site/page"
)

const (
	suggestions = 5
	// sureFrom is how alike a thread must be to ask before a report is filed: being
	// asked costs the member a step, a suggestion beside the form costs none.
	sureFrom = 0.5
)

// Alike is what a new thread may repeat while its title is typed: a piece of HTML
// for the form's script.
func Alike(c *page.Call) error {
	q := duplicate.Query{Title: c.R.URL.Query().Get("title"), Part: c.R.URL.Query().Get("part"), At: c.Now()}
	var rows []page.ThreadRow
	err := c.Read(func(tx *db.Tx) (err error) {
		rows, err = likeThis(c, tx, q, duplicate.Worth)
		return err
	})
	if err != nil {
		return err
	}
	return c.Piece("new", "alike", rows)
}

// likeThis returns the threads most like a query that the viewer may see.
func likeThis(c *page.Call, tx *db.Tx, q duplicate.Query, from float64) ([]page.ThreadRow, error) {
	if c.Site.Alike == nil {
		return nil, nil
	}
	q.Limit = 2 * suggestions // some may have gone since
	var threads []feedback.Thread
	for _, found := range c.Site.Alike(q) {
		if found.Alike < from || len(threads) == suggestions {
			continue
		}
		t, err := feedback.ByID(tx, c.Viewer.InForum(), found.ID)
		if errors.Is(err, feedback.ErrNotFound) || err == nil && t.ID != found.ID {
			continue
		}
		if err != nil {
			return nil, err
		}
		threads = append(threads, t)
	}
	return c.Rows(threads), nil
}

// repeats returns the threads that a report may repeat, unless its author was
// asked and is sure.
func repeats(c *page.Call, tx *db.Tx, n feedback.NewThread, sent int64) ([]page.ThreadRow, error) {
	if !n.Kind.Tracked() || c.R.PostForm.Get("sure") == "yes" || n.Check() != nil {
		return nil, nil
	}
	crashes := alike.Crashes(n.Body)
	if sent != 0 { // a log of the viewer's own
		if r, err := crash.ByID(tx, sent); err == nil && r.MemberID == c.Viewer.ID {
			list, err := crash.In(tx, sent)
			if err != nil {
				return nil, err
			}
			for _, one := range list {
				crashes = append(crashes, one.Fingerprint)
			}
		}
	}
	return likeThis(c, tx, duplicate.Query{Title: n.Title, Body: n.Body, Part: n.Part, Crashes: crashes, At: c.Now()}, sureFrom)
}

// others returns, for moderators, the threads that one may repeat or be repeated by.
func others(c *page.Call, tx *db.Tx, t feedback.Thread) ([]page.ThreadRow, error) {
	if !c.Viewer.May(page.Moderator) || c.Site.Alike == nil || !t.Kind.Tracked() {
		return nil, nil
	}
	t, body, err := feedback.Opening(tx, c.Viewer.InForum(), t.ID)
	if err != nil {
		return nil, err
	}
	attached, err := page.Prints(tx, t.ID)
	if err != nil {
		return nil, err
	}
	return likeThis(c, tx, duplicate.Query{Title: t.Title, Body: body, Part: t.Part, Crashes: append(attached, alike.Crashes(body)...), At: t.CreatedAt,
		Keep: func(id int64) bool { return id != t.ID }}, duplicate.Worth)
}
