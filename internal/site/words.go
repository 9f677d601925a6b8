package site

import (
	"fmt"
	"strconv"
	"time"

	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/site/line"
	"github.com/fridayos/friday/internal/train"
)

// word is a word with the mark that goes with it.
type word struct {
	mark line.Mark
	text string
}

var kindWords = map[feedback.Kind]string{
	feedback.Bug: "Bug", feedback.Idea: "Idea", feedback.Question: "Question", feedback.Talk: "Talk",
}

var stateWords = map[feedback.State]word{
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

// stateName is a state's word alone, as filters and stations show it.
func stateName(s feedback.State) string {
	switch s {
	case feedback.InRelease:
		return "In a release"
	case feedback.OnHandset:
		return "On the handset"
	case feedback.Confirmed:
		return "Confirmed"
	}
	return stateWords[s].text
}

var rolloutWords = map[fleet.State]word{
	fleet.Planned: {line.Next, "Planned"}, fleet.Running: {line.Here, "Rolling out"}, fleet.Held: {line.Held, "Held"},
	fleet.Halted: {line.Halted, "Halted"}, fleet.Complete: {line.Confirmed, "For everyone"}, fleet.Pulled: {line.Halted, "Pulled"},
}

var deviceWords = map[train.DeviceState]word{
	train.Building: {line.Next, "Being built"}, train.Packaging: {line.Next, "Being packaged"}, train.Ready: {line.Here, "Ready"},
	train.Leaving: {line.Here, "Rolling out"}, train.Held: {line.Held, "Held"}, train.Withdrawn: {line.Halted, "Pulled"},
}

var trainWords = map[train.State]word{
	train.Open: {line.Next, "Open"}, train.Frozen: {line.Here, "Being built"}, train.Testing: {line.Here, "In the test ring"},
	train.Shipping: {line.Here, "Rolling out"}, train.Settled: {line.Confirmed, "Settled"}, train.Skipped: {line.Missed, "Skipped"},
	train.Pulled: {line.Halted, "Pulled"},
}

// markWords say a mark to those who do not see it.
var markWords = map[line.Mark]string{
	line.Passed: "done", line.Here: "now", line.Next: "next", line.Ahead: "later", line.Confirmed: "proven",
	line.Held: "held", line.Halted: "stopped", line.Missed: "not stopped here",
}

// day and moment write a time with its weekday; the year only if it is another.
func day(t, now time.Time) string {
	if t.Year() != now.Year() {
		return t.Format("Mon 2 Jan 2006")
	}
	return t.Format("Mon 2 Jan")
}

func moment(t, now time.Time) string { return day(t, now) + t.Format(", 15:04") }

// size writes bytes as people read them.
func size(n int64) string {
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

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// days writes a number of days: one decimal below ten.
func days(d float64) string {
	if d < 9.95 {
		s := strconv.FormatFloat(d, 'f', 1, 64)
		if s[len(s)-2:] == ".0" {
			return s[:len(s)-2]
		}
		return s
	}
	return strconv.FormatFloat(d, 'f', 0, 64)
}
