package forum

import (
	"cmp"
	"slices"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/site/page"
	"github.com/fridayos/friday/internal/site/tell"
)

type homeView struct {
	page.Week
	Hot, Done []page.ThreadRow // Done: the last ones, where none is open
	Days      string
	Confirmed int
}

// Home is the front page: this week, what people feel most, how long fixes take.
func Home(c *page.Call) error {
	var v homeView
	err := c.Read(func(tx *db.Tx) error {
		st, err := c.Site.Train.Status(tx, 12)
		if err != nil {
			return err
		}
		v.Week = c.Week(st)
		hot, _, err := feedback.List(tx, c.Viewer.InForum(), feedback.Filter{Open: true, Order: feedback.Hot, Limit: 6})
		if err != nil {
			return err
		}
		v.Hot = c.Rows(hot)
		if len(hot) == 0 {
			done, _, err := feedback.List(tx, c.Viewer.InForum(), feedback.Filter{Limit: 6})
			if err != nil {
				return err
			}
			v.Done = c.Rows(done)
		}
		v.Days, v.Confirmed, err = middleDays(c, tx)
		return err
	})
	if err != nil {
		return err
	}
	return c.Show("home", page.Page{Title: c.Site.Name, Nav: "home", Script: true, Body: v})
}

// middleDays is the median of days from report to confirmed fix of the last
// threads that were confirmed.
func middleDays(c *page.Call, tx *db.Tx) (string, int, error) {
	threads, _, err := feedback.List(tx, c.Viewer.InForum(), feedback.Filter{State: feedback.Confirmed, Limit: 100})
	if err != nil {
		return "", 0, err
	}
	var all []float64
	for _, t := range threads {
		if d, ok := t.Days(); ok {
			all = append(all, d)
		}
	}
	if len(all) == 0 {
		return "", 0, nil
	}
	slices.SortFunc(all, cmp.Compare[float64])
	return tell.Days(c.Text, all[len(all)/2]), len(all), nil
}
