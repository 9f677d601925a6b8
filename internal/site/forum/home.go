package forum

import (
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/feedback/measure"
	"github.com/fridayos/friday/internal/feedback/survival"
	"github.com/fridayos/friday/internal/site/page"
	"github.com/fridayos/friday/internal/site/tell"
)

type homeView struct {
	page.Week
	Hot, Done []page.ThreadRow // Done: the last ones, where none is open
	Days      daysView
}

// Home is the front page: this week, what people feel most, how long fixes take.
func Home(c *page.Call) error {
	var v homeView
	err := c.Read(func(tx *db.Tx) error {
		st, err := c.Site.Train.Status(tx, 12)
		if err != nil {
			return err
		}
		if v.Week, err = c.Week(tx, st); err != nil {
			return err
		}
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
		v.Days, err = days(c, tx)
		return err
	})
	if err != nil {
		return err
	}
	return c.Show("home", page.Page{Title: c.Site.Name, Nav: "home", Script: true, Body: v})
}

// daysView says how long fixes take. An empty Middle is not known yet.
type daysView struct {
	Reports        int
	Middle         string // days by which half of the reports were fixed and confirmed
	Low, High      string // 95% confidence interval of it; an empty High is not known
	Quarter, Three string // the same of a quarter and of three quarters; empty: not known
}

// ageOfDays is how old the figure may be: counting reads every report.
const ageOfDays = 10 * time.Minute

// days tells what the curve over all reports says, open ones included.
func days(c *page.Call, tx *db.Tx) (v daysView, err error) {
	curve, err := page.Figure(&c.Site.Figures, "days", c.Now(), ageOfDays, func() (survival.Curve, error) { return measure.DaysToFix(tx, feedback.AnyDevice) })
	if err != nil || curve.Happened == 0 {
		return v, err
	}
	v.Reports = curve.Count
	say := func(reached bool, d float64) string {
		if !reached {
			return ""
		}
		return tell.Days(c.Text, d)
	}
	middle, quarter, three := curve.Quantile(.5), curve.Quantile(.25), curve.Quantile(.75)
	v.Middle, v.Low, v.High = say(middle.Reached, middle.Time), say(middle.LowReached, middle.Low), say(middle.HighReached, middle.High)
	v.Quarter, v.Three = say(quarter.Reached, quarter.Time), say(three.Reached, three.Time)
	return v, nil
}
