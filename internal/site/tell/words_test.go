package tell

import (
	"testing"
	"time"

	"github.com/fridayos/friday/internal/feedback"
)

func TestWords(t *testing.T) {
	now := time.Date(2026, 11, 24, 9, 5, 0, 0, time.UTC)
	for _, c := range []struct{ got, want string }{
		{Day(now, now), "Tue 24 Nov"}, {Day(now.AddDate(-1, 0, 0), now), "Mon 24 Nov 2025"}, {Day(time.Time{}, now), ""},
		{Moment(now, now), "Tue 24 Nov, 09:05"}, {Moment(time.Time{}, now), ""},
		{Size(999), "999 B"}, {Size(12_345), "12 kB"}, {Size(48_200_000), "48.2 MB"}, {Size(1_412_345_678), "1.41 GB"},
		{Plural(1, "fix", "fixes"), "1 fix"}, {Plural(0, "fix", "fixes"), "0 fixes"},
		{Days(0.0004), "less than a minute"}, {Days(0.001), "1 minute"}, {Days(0.04), "58 minutes"}, {Days(0.3), "7 hours"},
		{Days(0.96), "1 day"}, {Days(1), "1 day"}, {Days(7.26), "7.3 days"}, {Days(9.99), "10 days"}, {Days(41.4), "41 days"},
	} {
		if c.got != c.want {
			t.Errorf("%q, expected %q", c.got, c.want)
		}
	}
	for _, s := range feedback.AllStates() {
		if State(s).Text == "" || StateName(s) == "" || Mark(State(s).Mark) == "" {
			t.Errorf("state %s has no word or mark", s)
		}
	}
	for _, k := range feedback.Kinds() {
		if Kind(k) == "" {
			t.Errorf("kind %s has no word", k)
		}
	}
}
