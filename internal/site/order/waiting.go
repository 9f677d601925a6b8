package order

import (
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/feedback/order"
	"github.com/fridayos/friday/internal/site/page"
)

type waitingView struct {
	Objections []objectionView
	More       int
}

type objectionView struct {
	Path, Title, Reason string
	At                  time.Time
}

// mostWaiting is how many objections or hints a page shows, longest waiting
// first.
const mostWaiting = 40

// Objections shows what reporters object to and no maintainer has answered.
func Objections(c *page.Call) error {
	var v waitingView
	err := c.Read(func(tx *db.Tx) error {
		v = waitingView{}
		all, err := feedback.Objections(tx, c.Viewer.InForum())
		for i, o := range all {
			if i >= mostWaiting {
				v.More = len(all) - i
				break
			}
			v.Objections = append(v.Objections, objectionView{page.ThreadPath(o.Thread.ID, o.Thread.Title), o.Thread.Title, beginning(o.Reason, 400), o.At})
		}
		return err
	})
	if err != nil {
		return err
	}
	return c.Show("objections", page.Page{Title: c.Text.T("objections.title"), Nav: "train", Body: v})
}

type duplicatesView struct{ Pairs []pairView }

type pairView struct {
	ID, Other         int64
	Title, OtherTitle string
	Count             int
}

// Duplicates shows what members take for duplicates.
func Duplicates(c *page.Call) error {
	var v duplicatesView
	err := c.Read(func(tx *db.Tx) error {
		v = duplicatesView{}
		hints, err := order.Hints(tx, c.Viewer.InForum())
		if err != nil {
			return err
		}
		for _, h := range hints[:min(len(hints), mostWaiting)] {
			a, err := feedback.ByID(tx, c.Viewer.InForum(), h.ThreadID)
			if err != nil {
				return err
			}
			b, err := feedback.ByID(tx, c.Viewer.InForum(), h.OtherID)
			if err != nil {
				return err
			}
			v.Pairs = append(v.Pairs, pairView{a.ID, b.ID, a.Title, b.Title, h.Count})
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.Show("duplicates", page.Page{Title: c.Text.T("duplicates.title"), Nav: "threads", Body: v})
}
