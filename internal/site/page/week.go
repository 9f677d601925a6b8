package page

import (
	"slices"
	"strconv"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/site/line"
	"github.com/fridayos/friday/internal/site/tell"
	"github.com/fridayos/friday/internal/train"
)

// Week is this week in words and as a line.
type Week struct {
	Name, Sentence, Headline string // Name is the release's
	Cut, Counting            bool
	Departure, Now           time.Time
	Countdown                []Unit
	Line                     line.Map
	Last                     *LastRelease // nil: none has left yet
}

// Unit is a part of a countdown.
type Unit struct{ Value, Unit, Word string }

// LastRelease is the last one that left.
type LastRelease struct {
	Name, Words string
	Left        time.Time
	Devices     []string
	Fixes       string
}

// Week is what home and console say of this week.
func (c *Call) Week(tx *db.Tx, st train.Status) (Week, error) {
	v := Week{Name: st.Week, Now: c.Now(), Departure: st.Departure.In(c.Site.Zone)}
	this := Find(st.Releases, st.Week)
	v.Cut = this != nil
	v.Line = tell.WeekLine(c.Text, local(this, c.Site.Zone), v.Departure)
	v.Sentence, v.Headline = tell.Week(c.Text, this, v.Departure)
	v.Counting = v.Departure.After(v.Now) && (this == nil || this.State == train.Open || this.State == train.Frozen || this.State == train.Testing)
	v.Countdown = c.countdown(v.Departure.Sub(v.Now))
	for i := range st.Releases {
		if r := &st.Releases[i]; r.State == train.Shipping || r.State == train.Settled || r.State == train.Pulled {
			fixes, err := feedback.Seen(tx, c.Viewer.InForum(), r.Fixes)
			v.Last = c.lastRelease(r, len(fixes))
			return v, err
		}
	}
	return v, nil
}

// Find returns a release by its name, nil if it is not there.
func Find(releases []train.ReleaseStatus, name string) *train.ReleaseStatus {
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

func (c *Call) countdown(d time.Duration) []Unit {
	s := max(0, int(d.Seconds()))
	two := func(n int) string { return string([]byte{byte('0' + n/10), byte('0' + n%10)}) }
	word := func(unit string) string { return c.Text.T("count." + unit) }
	return []Unit{{strconv.Itoa(s / 86400), "days", word("days")}, {two(s / 3600 % 24), "hours", word("hours")},
		{two(s / 60 % 60), "minutes", word("minutes")}, {two(s % 60), "seconds", word("seconds")}}
}

// lastRelease tells of a release; fixes are those of its threads that the viewer may
// know of.
func (c *Call) lastRelease(r *train.ReleaseStatus, fixes int) *LastRelease {
	v := &LastRelease{Name: r.Name, Words: tell.Train(c.Text, r.State).Text, Fixes: strconv.Itoa(fixes)}
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
