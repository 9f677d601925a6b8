package train

import (
	"regexp"
	"time"
)

// Schedule is when the train leaves.
type Schedule struct {
	Weekday      time.Weekday
	Hour, Minute int
	Zone         *time.Location
}

// DefaultSchedule is Friday at 17:00 in zone.
func DefaultSchedule(zone *time.Location) Schedule {
	return Schedule{Weekday: time.Friday, Hour: 17, Zone: zone}
}

// Next is the first departure after now.
func (s Schedule) Next(now time.Time) time.Time {
	for day := s.On(now); ; day = s.On(day.AddDate(0, 0, 1)) {
		if day.Weekday() == s.Weekday && day.After(now) {
			return day
		}
	}
}

// On is the time of departure of t's day, whatever weekday it is.
func (s Schedule) On(t time.Time) time.Time {
	y, m, d := t.In(s.Zone).Date()
	return time.Date(y, m, d, s.Hour, s.Minute, 0, 0, s.Zone)
}

// nameLayout keeps the order of the names that of the days, as texts too: some
// clients compare versions so.
const nameLayout = "06.01.02"

// Name is the release that leaves at t: "26.11.27".
func (s Schedule) Name(t time.Time) string { return t.In(s.Zone).Format(nameLayout) }

var releaseName = regexp.MustCompile(`^(\d\d\.\d\d\.\d\d)(\.[1-9]\d?)?$`)

// parse reads the day out of a release's name.
func (s Schedule) parse(name string) (time.Time, error) {
	m := releaseName.FindStringSubmatch(name)
	if m == nil {
		return time.Time{}, said.New("release", "name", "Release", name)
	}
	day, err := time.ParseInLocation(nameLayout, m[1], s.Zone)
	if err != nil {
		return time.Time{}, said.New("release", "name-day", "Release", name)
	}
	return s.On(day), nil
}
