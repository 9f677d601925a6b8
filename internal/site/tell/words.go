// Package tell turns facts into what people read: words, each with the mark of
// the line that goes with it, and lines to draw. It looks nothing up and knows no
// request: all of it is pure.
package tell

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/site/line"
	"github.com/fridayos/friday/internal/train"
)

// Word is a word with the mark that goes with it.
type Word struct {
	Mark line.Mark
	Text string
}

var kinds = map[feedback.Kind]string{
	feedback.Bug: "Bug", feedback.Idea: "Idea", feedback.Question: "Question", feedback.Talk: "Talk",
}

// Kind is a kind of thread as a word.
func Kind(v feedback.Kind) string { return kinds[v] }

var states = map[feedback.State]Word{
	feedback.Reported:   {line.Next, "Reported"},
	feedback.Recorded:   {line.Passed, "Recorded"},
	feedback.NeedsInfo:  {line.Held, "Needs information"},
	feedback.Discussed:  {line.Passed, "Under discussion"},
	feedback.Planned:    {line.Passed, "Planned"},
	feedback.Merged:     {line.Here, "Fix merged"},
	feedback.InRelease:  {line.Here, "In"},
	feedback.OnHandset:  {line.Here, "On the handset,"},
	feedback.Confirmed:  {line.Confirmed, "Confirmed in"},
	feedback.StillThere: {line.Halted, "Still broken"},
	feedback.Declined:   {line.Missed, "Declined"},
	feedback.Closed:     {line.Missed, "Closed"},
}

// State is where a thread stands on a device.
func State(v feedback.State) Word { return states[v] }

// StateName is a state's word alone, as filters and stations show it.
func StateName(s feedback.State) string {
	switch s {
	case feedback.InRelease:
		return "In a release"
	case feedback.OnHandset:
		return "On the handset"
	case feedback.Confirmed:
		return "Confirmed"
	}
	return states[s].Text
}

var rollouts = map[fleet.State]Word{
	fleet.Planned: {line.Next, "Planned"}, fleet.Running: {line.Here, "Rolling out"}, fleet.Held: {line.Held, "Held"},
	fleet.Halted: {line.Halted, "Halted"}, fleet.Complete: {line.Confirmed, "For everyone"}, fleet.Pulled: {line.Halted, "Pulled"},
}

// Rollout is where a rollout stands.
func Rollout(v fleet.State) Word { return rollouts[v] }

var devices = map[train.DeviceState]Word{
	train.Building: {line.Next, "Being built"}, train.Packaging: {line.Next, "Being packaged"}, train.Ready: {line.Here, "Ready"},
	train.Leaving: {line.Here, "Rolling out"}, train.Held: {line.Held, "Held"}, train.Withdrawn: {line.Halted, "Pulled"},
}

// DeviceState is where one device of a release stands.
func DeviceState(v train.DeviceState) Word { return devices[v] }

var trains = map[train.State]Word{
	train.Open: {line.Next, "Open"}, train.Frozen: {line.Here, "Being built"}, train.Testing: {line.Here, "In the test ring"},
	train.Shipping: {line.Here, "Rolling out"}, train.Settled: {line.Confirmed, "Settled"}, train.Skipped: {line.Missed, "Skipped"},
	train.Pulled: {line.Halted, "Pulled"},
}

// Train is where a release stands.
func Train(v train.State) Word { return trains[v] }

var marks = map[line.Mark]string{
	line.Passed: "done", line.Here: "now", line.Next: "next", line.Ahead: "later", line.Confirmed: "proven",
	line.Held: "held", line.Halted: "halted", line.Missed: "no stop",
}

// Mark says a mark to those who do not see it.
func Mark(v line.Mark) string { return marks[v] }

// Day writes a day with its weekday; the year only if it is another one.
func Day(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	if t.Year() != now.Year() {
		return t.Format("Mon 2 Jan 2006")
	}
	return t.Format("Mon 2 Jan")
}

// Moment writes a day and the time of it.
func Moment(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	return Day(t, now) + t.Format(", 15:04")
}

// Size writes bytes as people read them.
func Size(n int64) string {
	const k = 1000
	switch {
	case n < k:
		return strconv.FormatInt(n, 10) + " B"
	case n < k*k:
		return fmt.Sprintf("%.0f kB", float64(n)/k)
	case n < k*k*k:
		return fmt.Sprintf("%.1f MB", float64(n)/k/k)
	}
	return fmt.Sprintf("%.2f GB", float64(n)/k/k/k)
}

// Plural is a number with its noun.
func Plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// Days writes a number of days as people say it: one decimal below ten, hours
// and minutes below one.
func Days(d float64) string {
	switch {
	case d >= 9.95:
		return strconv.FormatFloat(d, 'f', 0, 64) + " days"
	case d >= 0.95:
		if s := strings.TrimSuffix(strconv.FormatFloat(d, 'f', 1, 64), ".0"); s != "1" {
			return s + " days"
		}
		return "1 day"
	case d*24 >= 1:
		return Plural(int(d*24+0.5), "hour", "hours")
	case d*24*60 >= 1:
		return Plural(int(d*24*60+0.5), "minute", "minutes")
	}
	return "less than a minute"
}

// Week says where the train is in a sentence, and a headline.
func Week(r *train.ReleaseStatus, departure time.Time) (sentence, headline string) {
	leaves := "The train leaves " + departure.Format("Monday at 15:04")
	if r == nil {
		return "is open: commits gather until it is cut.", leaves
	}
	switch r.State {
	case train.Frozen:
		return "is cut: its builds and packages are being made and proven.", leaves
	case train.Testing:
		return "is in the test ring.", leaves
	case train.Shipping:
		return "is on its way, stage by stage.", "The train has left"
	case train.Settled:
		return "has reached everyone it was meant for.", "The train has arrived"
	case train.Skipped:
		return r.Reason, "No train this week"
	case train.Pulled:
		return r.Reason, "The train was called back"
	}
	return "is open: commits gather until it is cut.", leaves
}

// Device says how a device stands in a release.
func Device(d train.DeviceStatus) string {
	text := devices[d.State].Text
	for _, r := range d.Rollouts {
		text = rollouts[r.State].Text
		if r.State == fleet.Running {
			text = "At " + strconv.Itoa(r.Percent()) + "%"
		}
	}
	return text
}

// Trouble is the mark of what a human should look at, else nothing.
func Trouble(m line.Mark) string {
	if m == line.Held || m == line.Halted {
		return string(m)
	}
	return ""
}

// Counts says how handsets fared.
func Counts(n fleet.Counts) string {
	good, bad := n.Enrolled.Booted+n.Anonymous.Booted, n.Enrolled.Bad()+n.Anonymous.Bad()
	if good+bad == 0 {
		return "no handset has reported yet"
	}
	s := Plural(int(good), "handset runs it", "handsets run it")
	if bad > 0 {
		s += ", " + strconv.FormatInt(bad, 10) + " failed"
	}
	return s
}
