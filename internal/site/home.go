package site

import (
	"cmp"
	"slices"
	"strconv"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/site/line"
	"github.com/fridayos/friday/internal/site/tell"
	"github.com/fridayos/friday/internal/train"
)

type homeView struct {
	Week, Sentence, Headline string
	Cut, Counting            bool
	Departure, Now           time.Time
	Countdown                []unit
	Line                     line.Map
	Hot                      []threadRow
	Done                     []threadRow // the last ones, where none is open
	Last                     *lastView
	Days                     string
	Confirmed                int
}

type unit struct{ Value, Unit string }

type lastView struct {
	Name, Words string
	Left        time.Time
	Devices     []string
	Fixes       string
}

func (c *call) home() error {
	var v homeView
	err := c.read(func(tx *db.Tx) error {
		st, err := c.s.Train.Status(tx, 12)
		if err != nil {
			return err
		}
		v = c.week(st)
		hot, _, err := feedback.List(tx, feedback.Filter{Open: true, Order: feedback.Hot, Limit: 6})
		if err != nil {
			return err
		}
		v.Hot = rows(hot)
		if len(hot) == 0 {
			done, _, err := feedback.List(tx, feedback.Filter{Limit: 6})
			if err != nil {
				return err
			}
			v.Done = rows(done)
		}
		v.Days, v.Confirmed, err = middleDays(tx)
		return err
	})
	if err != nil {
		return err
	}
	return c.show("home", page{Title: c.s.Name, Nav: "home", Script: true, Body: v})
}

// week is what home and console say of this week.
func (c *call) week(st train.Status) homeView {
	v := homeView{Week: st.Week, Now: c.now(), Departure: st.Departure.In(c.s.zone)}
	this := find(st.Releases, st.Week)
	v.Cut = this != nil
	v.Line = tell.WeekLine(local(this, c.s.zone), v.Departure)
	v.Sentence, v.Headline = tell.Week(this, v.Departure)
	v.Counting = v.Departure.After(v.Now) && (this == nil || this.State == train.Open || this.State == train.Frozen || this.State == train.Testing)
	v.Countdown = countdown(v.Departure.Sub(v.Now))
	for i := range st.Releases {
		if r := &st.Releases[i]; r.State == train.Shipping || r.State == train.Settled || r.State == train.Pulled {
			v.Last = lastRelease(r)
			break
		}
	}
	return v
}

func find(releases []train.ReleaseStatus, name string) *train.ReleaseStatus {
	for i := range releases {
		if releases[i].Name == name {
			return &releases[i]
		}
	}
	return nil
}

// local is r with its times as the site's zone has them.
func local(r *train.ReleaseStatus, zone *time.Location) *train.ReleaseStatus {
	if r == nil {
		return nil
	}
	out := *r
	out.CutAt = out.CutAt.In(zone)
	out.Log = slices.Clone(r.Log)
	for i := range out.Log {
		out.Log[i].At = out.Log[i].At.In(zone)
	}
	return &out
}

func countdown(d time.Duration) []unit {
	s := max(0, int(d.Seconds()))
	two := func(n int) string { return string([]byte{byte('0' + n/10), byte('0' + n%10)}) }
	return []unit{{strconv.Itoa(s / 86400), "days"}, {two(s / 3600 % 24), "hours"}, {two(s / 60 % 60), "minutes"}, {two(s % 60), "seconds"}}
}

func lastRelease(r *train.ReleaseStatus) *lastView {
	v := &lastView{Name: r.Name, Words: tell.Train(r.State).Text, Fixes: strconv.Itoa(len(r.Fixes))}
	for _, d := range r.Devices {
		if len(d.Rollouts) > 0 {
			v.Devices = append(v.Devices, d.Device)
		}
	}
	for _, t := range r.Log {
		if t.Device == "" && t.To == string(train.Shipping) {
			v.Left = t.At
		}
	}
	return v
}

// middleDays is the median of days from report to confirmed fix of the last
// threads that were confirmed.
func middleDays(tx *db.Tx) (string, int, error) {
	threads, _, err := feedback.List(tx, feedback.Filter{State: feedback.Confirmed, Limit: 100})
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
	return tell.Days(all[len(all)/2]), len(all), nil
}
