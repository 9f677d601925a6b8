package text

import (
	"strconv"
	"strings"
	"time"
)

// Day writes a day with its weekday; the year only if it is not now's.
func (t *Text) Day(at, now time.Time) string {
	if at.IsZero() {
		return ""
	}
	key := "date.day"
	if at.Year() != now.Year() {
		key = "date.day-year"
	}
	return t.T(key, "Weekday", t.shortWeekdays[at.Weekday()], "Day", at.Day(), "Month", t.months[at.Month()-1], "Year", at.Year())
}

// Moment writes a day and the time of it.
func (t *Text) Moment(at, now time.Time) string {
	if at.IsZero() {
		return ""
	}
	return t.T("date.moment", "Day", t.Day(at, now), "Time", at.Format("15:04"))
}

// Weekday is the whole name of a day of the week.
func (t *Text) Weekday(at time.Time) string { return t.weekdays[at.Weekday()] }

// Decimal writes a number with so many decimals at most, as the language does.
func (t *Text) Decimal(v float64, decimals int) string {
	s := strconv.FormatFloat(v, 'f', decimals, 64)
	if strings.Contains(s, ".") {
		s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	}
	return strings.Replace(s, ".", t.T("number.decimal"), 1)
}
