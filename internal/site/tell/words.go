// Package tell turns facts into what people read: words, each with the mark of
// the line that goes with it, and lines to draw. It looks nothing up and knows no
// request: all of it is pure.
package tell

import (
	"embed"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/fleet/outcome"
	"github.com/fridayos/friday/internal/site/line"
	"github.com/fridayos/friday/internal/site/text"
	"github.com/fridayos/friday/internal/train"
)

// Word is a word with the mark that goes with it.
type Word struct {
	Mark line.Mark
	Text string
}

// Files are the messages of this package.
//
//go:embed text
var Files embed.FS

// Kind is a kind of thread as a word.
func Kind(t *text.Text, v feedback.Kind) string { return t.T("kind." + string(v)) }

// Part is an app or a part of the system as a word.
func Part(t *text.Text, v string) string {
	if key := partKey(v); t.Has(key) {
		return t.T(key)
	}
	return v // the maintainers' own
}

func partKey(v string) string { return "part." + strings.ReplaceAll(strings.ToLower(v), " ", "-") }

var states = map[feedback.State]line.Mark{
	feedback.Reported: line.Next, feedback.Recorded: line.Passed, feedback.NeedsInfo: line.Held, feedback.Discussed: line.Passed,
	feedback.Planned: line.Passed, feedback.Merged: line.Here, feedback.InRelease: line.Here, feedback.OnHandset: line.Here,
	feedback.Confirmed: line.Confirmed, feedback.StillThere: line.Halted, feedback.Declined: line.Missed, feedback.Closed: line.Missed,
}

// State is where a thread stands on a device; the release's name may follow it.
func State(t *text.Text, v feedback.State) Word {
	switch v {
	case feedback.InRelease, feedback.OnHandset, feedback.Confirmed:
		return Word{states[v], t.T("state.before-release." + string(v))}
	}
	return Word{states[v], t.T("state." + string(v))}
}

// StateName is a state's word alone, as filters and stations show it.
func StateName(t *text.Text, s feedback.State) string { return t.T("state." + string(s)) }

var rollouts = map[fleet.State]line.Mark{
	fleet.Planned: line.Next, fleet.Running: line.Here, fleet.Held: line.Held,
	fleet.Halted: line.Halted, fleet.Complete: line.Confirmed, fleet.Pulled: line.Halted,
}

// Rollout is where a rollout stands.
func Rollout(t *text.Text, v fleet.State) Word { return Word{rollouts[v], t.T("rollout." + string(v))} }

var devices = map[train.DeviceState]line.Mark{
	train.Building: line.Next, train.Packaging: line.Next, train.Ready: line.Here,
	train.Leaving: line.Here, train.Held: line.Held, train.Withdrawn: line.Halted,
}

// DeviceState is where one device of a release stands.
func DeviceState(t *text.Text, v train.DeviceState) Word {
	return Word{devices[v], t.T("device-state." + string(v))}
}

var trains = map[train.State]line.Mark{
	train.Open: line.Next, train.Frozen: line.Here, train.Testing: line.Here, train.Shipping: line.Here,
	train.Settled: line.Confirmed, train.Skipped: line.Missed, train.Pulled: line.Halted,
}

// Train is where a release stands.
func Train(t *text.Text, v train.State) Word { return Word{trains[v], t.T("train-state." + string(v))} }

// Mark says a mark to those who do not see it.
func Mark(t *text.Text, v line.Mark) string { return t.T("mark." + string(v)) }

// Size writes bytes as people read them.
func Size(t *text.Text, n int64) string {
	const k = 1000
	switch {
	case n < k:
		return strconv.FormatInt(n, 10) + " B"
	case n < k*k:
		return t.Decimal(float64(n)/k, 0) + " kB"
	case n < k*k*k:
		return t.Decimal(float64(n)/k/k, 1) + " MB"
	}
	return t.Decimal(float64(n)/k/k/k, 2) + " GB"
}

// Days writes a number of days as people say it: one decimal below ten, hours
// and minutes below one.
func Days(t *text.Text, d float64) string {
	switch {
	case d >= 9.95:
		return t.N("days.whole", int(d+0.5))
	case d >= 0.95:
		if s := t.Decimal(d, 1); len(s) > 1 {
			return t.T("days.part", "N", s)
		}
		return t.N("days.whole", int(d+0.5))
	case d*24 >= 1:
		return t.N("days.hours", int(d*24+0.5))
	case d*24*60 >= 1:
		return t.N("days.minutes", int(d*24*60+0.5))
	}
	return t.T("days.less")
}

// Week says where the train is in a sentence, and a headline.
func Week(t *text.Text, r *train.ReleaseStatus, departure time.Time) (sentence, headline string) {
	state := train.Open
	if r != nil {
		state = r.State
	}
	switch state {
	case train.Shipping, train.Settled:
		return t.T("week.sentence." + string(state)), t.T("week.headline." + string(state))
	case train.Skipped, train.Pulled:
		return Said(t, r.Reason), t.T("week.headline." + string(state))
	case train.Frozen, train.Testing:
	default:
		state = train.Open
	}
	return t.T("week.sentence." + string(state)), t.T("week.headline.leaves", "Weekday", t.Weekday(departure), "Time", departure.Format("15:04"))
}

// Device says how a device stands in a release.
func Device(t *text.Text, d train.DeviceStatus) string {
	said := DeviceState(t, d.State).Text
	for _, r := range d.Rollouts {
		said = Rollout(t, r.State).Text
		if r.State == fleet.Running {
			said = At(t, "rollout", r.Stages[r.Stage])
		}
	}
	return said
}

// At says how far a running rollout has come, in the words of a group of
// messages.
func At(t *text.Text, group string, s fleet.Stage) string {
	if s.Handsets > 0 {
		return t.N(group+".first", int(s.Handsets))
	}
	return t.T(group+".at", "Percent", s.Percent)
}

// Trouble is the mark of what a human should look at, else nothing.
func Trouble(m line.Mark) string {
	if m == line.Held || m == line.Halted {
		return string(m)
	}
	return ""
}

// Counts says how handsets fared.
func Counts(t *text.Text, n outcome.Counts) string {
	good, bad := n.Enrolled.Booted+n.Anonymous.Booted, n.Enrolled.Bad()+n.Anonymous.Bad()
	switch {
	case good+bad == 0:
		return t.T("counts.none")
	case bad > 0:
		return t.N("counts.failed", int(good), "Failed", bad)
	}
	return t.N("counts.good", int(good))
}

// RolloutPart is which handsets a rollout is for, where one release is split for a phone:
// its region, carrier or both; empty: the others.
func RolloutPart(r *fleet.Rollout) string {
	if r.Region != "" && r.Carrier != "" {
		return r.Region + " · " + r.Carrier
	}
	return r.Region + r.Carrier
}

// RolloutPage is where a rollout is shown.
func RolloutPage(r *fleet.Rollout) string {
	where := "/r/" + url.PathEscape(r.Release) + "/" + r.Device + "/" + r.Channel
	if RolloutPart(r) != "" {
		where += "?rollout=" + strconv.FormatInt(r.ID, 10)
	}
	return where
}
