package office

import (
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/fleet/adoption"
	"github.com/fridayos/friday/internal/site/page"
)

// runsView is which builds the handsets of a phone run, by what their checks tell.
type runsView struct {
	Day    time.Time
	Builds []runView
	Untold []runView // clients that do not tell
	Gaps   []gapView
}

type runView struct {
	Build, Client    string
	Handsets, Checks int64
	Percent          int
}

type gapView struct {
	Words   string
	N       int64
	Percent int
}

// runs reads what the checks of the newest day tell.
func runs(c *page.Call, tx *db.Tx, device string) (v runsView, err error) {
	day, ok, err := adoption.Newest(tx, device)
	if err != nil || !ok {
		return v, err
	}
	v.Day = time.Unix(day*86400, 0).UTC()
	shares, err := adoption.Of(tx, device, day)
	if err != nil {
		return v, err
	}
	told := int64(0)
	for _, s := range shares {
		if s.Build != "" {
			told += s.Handsets
		}
	}
	for _, s := range shares {
		one := runView{Build: s.Build, Client: c.Text.T("client." + string(s.Client)), Handsets: s.Handsets, Checks: s.Checks}
		if s.Build == "" {
			v.Untold = append(v.Untold, one)
			continue
		}
		one.Percent = percent(s.Handsets, told)
		v.Builds = append(v.Builds, one)
	}
	v.Builds, v.Untold = v.Builds[:min(len(v.Builds), sumsOnPage)], v.Untold[:min(len(v.Untold), sumsOnPage)]
	v.Gaps, err = gaps(c, tx, device, day)
	return v, err
}

// gaps is how long after their check before the handsets of a day came.
func gaps(c *page.Call, tx *db.Tx, device string, day int64) (all []gapView, err error) {
	by, err := fleet.ByGap(tx, device, day)
	if err != nil {
		return nil, err
	}
	var sum int64
	for _, n := range by {
		sum += n
	}
	for _, band := range []struct{ from, to int }{{1, 1}, {2, 3}, {4, 7}, {8, 14}, {15, fleet.ActiveDays - 1}, {fleet.ActiveDays, fleet.ActiveDays}} {
		n := int64(0)
		for gap := band.from; gap <= band.to; gap++ {
			n += by[gap]
		}
		words := c.Text.T("rollout-page.gap", "From", band.from, "To", band.to)
		switch band.from {
		case 1:
			words = c.Text.T("rollout-page.gap-day")
		case fleet.ActiveDays:
			words = c.Text.T("rollout-page.gap-new", "From", band.from)
		}
		if n > 0 {
			all = append(all, gapView{words, n, percent(n, sum)})
		}
	}
	return all, nil
}

func percent(n, of int64) int {
	if of == 0 {
		return 0
	}
	return int((100*n + of/2) / of)
}
