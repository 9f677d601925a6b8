// Package way derives where a report stands on a device, from "reported" to
// "confirmed", from what happened to it. It is pure: facts in, state and steps
// out; package feedback keeps the facts. A state is never set by itself, so
// nothing can be closed by age and nothing can be called fixed that no build
// carries.
//
// The rules, in the order in which they win:
//
//   - A build carries the fix from the first release that brought it, or that a
//     maintainer named when closing it as fixed, and every later build of that
//     device does. A pulled release carries nothing any more.
//   - "Works" and "still broken" count from a handset that runs such a build, and
//     from no other. Still broken reopens that device alone, and the build is no
//     fix any more.
//   - A fix on its way is turned back by a reverted commit, a pulled release or
//     a member's "still broken", not by a word.
//   - A decision (declined, closed) yields to the reporter's objection and to a
//     fix.
package way

import (
	"slices"
	"time"
)

// Fix is a build that carries the fix to a device.
type Fix struct {
	Release, Build string
	Timestamp      int64 // of Build
}

// Way is what the facts so far make of a report on one device.
type Way struct {
	Device  string
	State   State
	Since   time.Time // of the state
	First   time.Time // when it was reported there
	Release string    // that carries the fix, once one does
	Build   string    // ID of the fixing build
	Reason  string    // why declined or closed

	word    State // the last word of a person, to fall back on
	commits []string
	fixes   map[string][]Fix // by device, in the order they came; a way of one device has one device at most
	broken  map[string]int64 // newest build reported broken, by device
}

// Derive folds facts, oldest first, into where the report stands on device and
// the steps that led there. AnyDevice takes the facts of every device.
func Derive(device string, facts []Fact) (Way, []Step) {
	w := Way{Device: device, fixes: map[string][]Fix{}, broken: map[string]int64{}}
	var steps []Step
	for _, f := range facts {
		if !concerns(device, f) {
			continue
		}
		before := w.State
		counted := w.take(f)
		if release, build := w.carrier(); release != "" || w.State != Confirmed { // what was confirmed once stays told, a pulled release too
			w.Release, w.Build = release, build
		}
		if !counted || w.State == before && f.Kind != FactMarked && f.Kind != FactRetracted {
			continue
		}
		w.Since = f.At
		step := Step{State: w.State, Device: device, Reason: f.Reason, Actor: f.Actor, At: f.At}
		switch f.Kind {
		case FactMerged:
			step.Commit = f.Commit
		case FactReleased, FactRuns, FactWorks, FactBroken, FactPulled, FactMarked:
			step.Release = f.Release
		}
		steps = append(steps, step)
	}
	return w, steps
}

// concerns says whether f speaks of the way on device. A report and a
// maintainer's word on one device are of that device alone; a fix on any device
// is one for a report that names none.
func concerns(device string, f Fact) bool {
	switch {
	case f.Device == device:
		return true
	case f.Kind == FactReported:
		return false
	case f.Kind == FactMarked || f.Kind == FactObjected:
		return f.Device == AnyDevice
	}
	return f.Device == AnyDevice || device == AnyDevice
}

// take applies one fact and says whether it counted.
func (w *Way) take(f Fact) bool {
	if w.State == "" { // nothing counts before the report, but fixes are remembered for a device that joins later
		w.remember(f)
		if f.Kind != FactReported {
			return false
		}
		w.First, w.word = f.At, Reported
		w.State = w.fixed(Reported)
		return true
	}
	switch f.Kind {
	case FactMarked:
		return w.mark(f)
	case FactMerged:
		w.remember(f)
		if w.State == Confirmed || w.State == InRelease || w.State == OnHandset {
			return false
		}
		w.State, w.Reason = Merged, ""
	case FactReleased:
		w.remember(f)
		if f.Timestamp <= w.broken[f.Device] || w.State == Confirmed || w.State == InRelease || w.State == OnHandset {
			return false
		}
		w.State, w.Reason = InRelease, ""
	case FactRetracted:
		had := len(w.commits)
		w.remember(f)
		if len(w.commits) == had || len(w.commits) > 0 {
			return false // not ours, or another commit still fixes it
		}
		w.State = w.word
	case FactPulled:
		return w.pull(f)
	case FactRuns:
		if w.State != InRelease || !w.carries(f) {
			return false
		}
		w.State = OnHandset
	case FactWorks:
		if !w.carries(f) || w.State != InRelease && w.State != OnHandset && w.State != Closed {
			return false
		}
		w.State, w.Reason = Confirmed, ""
	case FactBroken:
		if !w.carries(f) || w.State == Declined {
			return false
		}
		w.broken[f.Device] = max(w.broken[f.Device], f.Timestamp)
		delete(w.fixes, f.Device)
		w.commits, w.Reason = nil, ""
		w.State, w.word = StillThere, StillThere
	case FactObjected:
		if w.State != Declined && w.State != Closed {
			return false
		}
		w.Reason = ""
		w.State, w.word = Discussed, Discussed
	default:
		return false
	}
	return true
}

// mark takes a maintainer's word. It does not turn back a fix that is on its
// way.
func (w *Way) mark(f Fact) bool {
	if !slices.Contains(Markable(w.State), f.State) {
		return false
	}
	w.State, w.Reason = f.State, f.Reason
	if !f.State.Done() {
		w.word = f.State
	}
	if f.State == Closed && f.Build != "" {
		w.addFix(f)
	}
	return true
}

// pull takes back what a withdrawn release carried. What a member confirmed
// stays confirmed: it was true, and the commit travels on.
func (w *Way) pull(f Fact) bool {
	had := len(w.fixes[f.Device])
	w.remember(f)
	if len(w.fixes[f.Device]) == had || w.fixed("") == InRelease {
		return false
	}
	switch w.State {
	case InRelease, OnHandset:
		w.State = w.fixed(w.word)
	case Closed: // as fixed, in a build that is no more
		w.State, w.Reason = w.fixed(w.word), ""
	default:
		return false
	}
	return true
}

// remember keeps what commits and builds fix, whatever the state is.
func (w *Way) remember(f Fact) {
	switch f.Kind {
	case FactMerged:
		if !slices.Contains(w.commits, f.Commit) {
			w.commits = append(w.commits, f.Commit)
		}
	case FactRetracted:
		w.commits = slices.DeleteFunc(w.commits, func(c string) bool { return c == f.Commit })
		if len(w.commits) == 0 {
			clear(w.fixes)
		}
	case FactReleased:
		w.addFix(f)
	case FactPulled:
		w.fixes[f.Device] = slices.DeleteFunc(w.fixes[f.Device], func(x Fix) bool { return x.Build == f.Build })
		if len(w.fixes[f.Device]) == 0 {
			delete(w.fixes, f.Device)
		}
	}
}

func (w *Way) addFix(f Fact) {
	has := slices.ContainsFunc(w.fixes[f.Device], func(x Fix) bool { return x.Build == f.Build })
	if !has && f.Timestamp > w.broken[f.Device] {
		w.fixes[f.Device] = append(w.fixes[f.Device], Fix{f.Release, f.Build, f.Timestamp})
	}
}

// carrier is the release and build that the way is told to be fixed in: the
// device's own, or of the devices the one whose codename comes first.
func (w *Way) carrier() (release, build string) {
	if w.State == StillThere {
		return "", ""
	}
	least := ""
	for device := range w.fixes {
		if least == "" || device < least {
			least = device
		}
	}
	fix, _ := w.Fix(least)
	return fix.Release, fix.Build
}

// fixed is the state that remembered fixes give, or else the given one.
func (w *Way) fixed(or State) State {
	switch {
	case len(w.fixes) > 0:
		return InRelease
	case len(w.commits) > 0:
		return Merged
	}
	return or
}

// carries says whether the build that f speaks of has the fix.
func (w *Way) carries(f Fact) bool { return w.FixRuns(f.Device, f.Timestamp) }

// Fix is the first build that carries the fix to device, as far as one does.
func (w *Way) Fix(device string) (Fix, bool) {
	all := w.fixes[device]
	if len(all) == 0 {
		return Fix{}, false
	}
	return all[0], true
}

// FixRuns says whether a handset of device whose build has that timestamp runs
// the fix: the fixing build or a later one.
func (w *Way) FixRuns(device string, timestamp int64) bool {
	fix, ok := w.Fix(device)
	return ok && timestamp >= fix.Timestamp
}
