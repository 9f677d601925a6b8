package forum

import (
	"cmp"
	"maps"
	"math"
	"net/url"
	"slices"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/feedback/measure"
	"github.com/fridayos/friday/internal/feedback/survival"
	"github.com/fridayos/friday/internal/site/curve"
	"github.com/fridayos/friday/internal/site/page"
	"github.com/fridayos/friday/internal/site/tell"
)

type curveView struct {
	Of                    string // what of the reports; empty: all
	Reports, Fixed        int
	Middle                string
	Chart                 curve.Chart
	Rows                  []curveRow
	Devices, Parts, Weeks []groupView
}

// curveRow is the curve at one time.
type curveRow struct {
	Time, Share, Low, High string
	Open                   int // reports that waited just before the next step
}

// groupView is a part of the reports in a table.
type groupView struct {
	Href, Name, Code string
	Reports, Fixed   int
	Middle           string // empty: not known yet
	At               time.Time
}

// What stands on the page of the curve.
const (
	weeksInCurve  = 26
	groupsInCurve = 40
)

// rows of its table, in days.
var daysOfRows = []float64{1, 2, 3, 5, 7, 14, 21, 28, 42, 60, 90, 120, 180, 365, 730}

// Days is the curve of days from a report to its confirmed fix, over all reports or
// those of a phone, an app or a week.
func Days(c *page.Call) error {
	q := c.R.URL.Query()
	var v curveView
	err := c.Read(func(tx *db.Tx) error {
		by, err := page.Figure(&c.Site.Figures, "days-by", c.Now(), ageOfDays, func() (measure.By, error) { return measure.DaysToFixBy(tx) })
		if err != nil {
			return err
		}
		cat, err := page.ReadCatalogue(tx)
		if err != nil {
			return err
		}
		shown := by.All
		device, part, week := q.Get("device"), q.Get("part"), q.Get("week")
		switch of, ok := by.All, true; {
		case device != "":
			of, ok = by.Devices[device]
			if _, known := cat.Names[device]; !ok && !known {
				return page.ErrNotFound
			}
			shown, v.Of = of, cat.Name(device)
		case part != "":
			if !slices.Contains(feedback.Parts(), part) {
				return page.ErrNotFound
			}
			shown, v.Of = by.Parts[part], tell.Part(c.Text, part)
		case week != "":
			day, err := time.Parse(time.DateOnly, week)
			if of, ok = by.Weeks[week]; err != nil || !ok {
				return page.ErrNotFound
			}
			shown, v.Of = of, c.Text.T("curve.week-of", "Day", c.Text.Day(day, c.Now()))
		}
		v.fill(c, shown)
		v.Devices = groups(c, by.Devices, "device", func(key string) (name, code string) { return cat.Name(key), key })
		v.Parts = groups(c, by.Parts, "part", func(key string) (name, code string) { return tell.Part(c.Text, key), "" })
		weeks := slices.Sorted(maps.Keys(by.Weeks))
		slices.Reverse(weeks)
		for _, key := range weeks[:min(len(weeks), weeksInCurve)] {
			g := group(c, by.Weeks[key], "week", key)
			g.At, _ = time.Parse(time.DateOnly, key) // ours: it is one
			v.Weeks = append(v.Weeks, g)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.Show("days", page.Page{Title: c.Text.T("home.days"), Nav: "threads", Body: v})
}

// group is a part of the reports.
func group(c *page.Call, s survival.Curve, by, key string) groupView {
	g := groupView{Href: "/days?" + url.Values{by: {key}}.Encode(), Reports: s.Count, Fixed: s.Happened}
	if q := s.Quantile(.5); q.Reached {
		g.Middle = tell.Days(c.Text, q.Time)
	}
	return g
}

// groups are the parts with the most reports.
func groups(c *page.Call, by map[string]survival.Curve, name string, words func(key string) (name, code string)) (all []groupView) {
	keys := slices.SortedFunc(maps.Keys(by), func(a, b string) int {
		return cmp.Or(cmp.Compare(by[b].Count, by[a].Count), cmp.Compare(a, b))
	})
	for _, key := range keys {
		if key == "" || len(all) == groupsInCurve {
			continue
		}
		g := group(c, by[key], name, key)
		g.Name, g.Code = words(key)
		all = append(all, g)
	}
	return all
}

// fill draws a curve and writes its table.
func (v *curveView) fill(c *page.Call, s survival.Curve) {
	v.Reports, v.Fixed = s.Count, s.Happened
	percent := func(share float64) string { return c.Text.Decimal(math.Round(share*100), 0) }
	end := 7.0
	for _, p := range s.Points {
		v.Chart.Points = append(v.Chart.Points, curve.Point{Time: p.Time, Share: 1 - p.Waiting, Low: 1 - p.High, High: 1 - p.Low})
		end = max(end, p.Time*1.1)
	}
	v.Chart.Points = thin(v.Chart.Points, end)
	v.Chart.End = end
	if q := s.Quantile(.5); q.Reached {
		v.Chart.Middle, v.Middle = q.Time, tell.Days(c.Text, q.Time)
	}
	step := tickStep(end)
	for day := 0.0; day <= end; day += step {
		word := c.Text.Decimal(day, 0)
		if day == 0 {
			word = c.Text.T("curve.report")
		} else if day+step > end {
			word = tell.Days(c.Text, day)
		}
		v.Chart.Ticks = append(v.Chart.Ticks, curve.Tick{Time: day, Word: word})
	}
	for _, day := range daysOfRows {
		if day > end {
			break
		}
		row := curveRow{Time: tell.Days(c.Text, day), Share: percent(1 - s.At(day)), Open: s.Count}
		for _, p := range s.Points {
			if p.Time > day {
				break
			}
			row.Low, row.High, row.Open = percent(1-p.High), percent(1-p.Low), p.AtRisk-p.Happened
		}
		v.Rows = append(v.Rows, row)
	}
}

// thin keeps as many steps as can be seen: a drawing of a hundred thousand reports
// is no larger than one of some hundred.
func thin(all []curve.Point, end float64) (kept []curve.Point) {
	const most = 200
	if len(all) <= most {
		return all
	}
	last := -1
	for _, p := range all {
		if at := int(p.Time / end * most); at != last {
			kept = append(kept, p)
			last = at
			continue
		}
		kept[len(kept)-1].Share, kept[len(kept)-1].Low, kept[len(kept)-1].High = p.Share, p.Low, p.High
	}
	return kept
}

// tickStep is a round number of days of which three to seven fit.
func tickStep(end float64) float64 {
	for _, step := range []float64{1, 2, 7, 14, 28, 56, 91, 182} {
		if end/step <= 6 {
			return step
		}
	}
	return math.Ceil(end/5/365) * 365
}
