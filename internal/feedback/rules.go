package feedback

import (
	"slices"
	"time"
)

// FactKind says what happened. Facts are only ever added.
type FactKind string

// Facts about a thread. Those with a device say it of that device alone; those
// without say it of all.
const (
	FactReported  FactKind = "reported"  // someone has it on Device
	FactMarked    FactKind = "marked"    // a maintainer's word: State, Reason
	FactMerged    FactKind = "merged"    // Commit fixes it
	FactRetracted FactKind = "retracted" // Commit was reverted
	FactReleased  FactKind = "released"  // Release carries the fix to Device as Build
	FactRuns      FactKind = "runs"      // an affected member's handset runs a build with the fix
	FactWorks     FactKind = "works"     // that member says: works
	FactBroken    FactKind = "broken"    // that member says: does not, on Build
	FactObjected  FactKind = "objected"  // the author objects to a decision, once
)

// Fact is one thing that happened to a thread.
type Fact struct {
	Kind      FactKind
	Device    string
	State     State  // of FactMarked
	Release   string // of FactReleased, FactRuns, FactWorks, FactBroken
	Build     string
	Timestamp int64 // of Build
	Commit    string
	Reason    string
	Actor     int64
	At        time.Time
}

// fixIn is a build that carries the fix to a device.
type fixIn struct {
	release, build string
	timestamp      int64
}

// way is what the facts so far make of a thread on one device.
type way struct {
	device  string
	state   State
	word    State // the last word of a person, to fall back on
	since   time.Time
	first   time.Time
	release string
	build   string
	reason  string
	commits []string
	fixes   map[string]fixIn // by device; a way of one device has one at most
	broken  map[string]int64 // newest build reported broken, by device
}

// derive folds facts, oldest first, into where the thread stands on device and
// the steps that led there. AnyDevice takes the facts of every device.
func derive(device string, facts []Fact) (way, []StateChange) {
	w := way{device: device, fixes: map[string]fixIn{}, broken: map[string]int64{}}
	var steps []StateChange
	for _, f := range facts {
		if !concerns(device, f) {
			continue
		}
		before, since := w.state, w.since
		if !w.take(f) || (w.state == before && f.Kind != FactMarked && f.Kind != FactRetracted) {
			w.since = since
			continue
		}
		w.since = f.At
		step := StateChange{State: w.state, Device: device, Reason: f.Reason, Actor: f.Actor, At: f.At}
		switch f.Kind {
		case FactMerged:
			step.Commit = f.Commit
		case FactReleased, FactRuns, FactWorks, FactBroken:
			step.Release = f.Release
		}
		steps = append(steps, step)
	}
	return w, steps
}

// concerns says whether f speaks of the way on device. A report and a
// maintainer's word on one device are of that device alone; a fix on any device
// is one for a thread that names none.
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
func (w *way) take(f Fact) bool {
	if w.state == "" { // nothing counts before the report, but fixes are remembered for a device that joins later
		w.remember(f)
		if f.Kind != FactReported {
			return false
		}
		w.first, w.word = f.At, Reported
		w.state = w.fixed(Reported)
		return true
	}
	switch f.Kind {
	case FactMarked:
		return w.mark(f)
	case FactMerged:
		w.remember(f)
		if w.state == Confirmed || w.state == InRelease || w.state == OnHandset {
			return false
		}
		w.state, w.reason = Merged, ""
	case FactReleased:
		w.remember(f)
		if f.Timestamp <= w.broken[f.Device] || w.state == Confirmed || w.state == InRelease || w.state == OnHandset {
			return false
		}
		w.state, w.reason = InRelease, ""
	case FactRetracted:
		had := len(w.commits)
		w.remember(f)
		if len(w.commits) == had || len(w.commits) > 0 {
			return false // not ours, or another commit still fixes it
		}
		w.release, w.build = "", ""
		w.state = w.word
	case FactRuns:
		if w.state != InRelease || !w.carries(f) {
			return false
		}
		w.state = OnHandset
	case FactWorks:
		if !w.carries(f) || (w.state != InRelease && w.state != OnHandset) {
			return false
		}
		w.state = Confirmed
	case FactBroken:
		if !w.carries(f) || w.state == Declined || w.state == Closed {
			return false
		}
		w.broken[f.Device] = max(w.broken[f.Device], f.Timestamp)
		delete(w.fixes, f.Device)
		w.commits, w.release, w.build = nil, "", ""
		w.state, w.word = StillThere, StillThere
	case FactObjected:
		if w.state != Declined && w.state != Closed {
			return false
		}
		w.reason = ""
		w.state, w.word = Discussed, Discussed
	default:
		return false
	}
	return true
}

// mark takes a maintainer's word. It does not turn back a fix that is on its
// way: only a reverted commit or a member's "still broken" does.
func (w *way) mark(f Fact) bool {
	if !slices.Contains(Markable(w.state), f.State) {
		return false
	}
	w.state, w.reason = f.State, f.Reason
	if !f.State.Done() {
		w.word = f.State
	}
	return true
}

// remember keeps what commits and builds fix, whatever the state is.
func (w *way) remember(f Fact) {
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
		// The first build that carries the fix counts; later ones carry it too.
		if _, ok := w.fixes[f.Device]; !ok && f.Timestamp > w.broken[f.Device] {
			w.fixes[f.Device] = fixIn{f.Release, f.Build, f.Timestamp}
			w.release, w.build = f.Release, f.Build
		}
	}
}

// fixed is the state that remembered fixes give, or else the given one.
func (w *way) fixed(or State) State {
	switch {
	case len(w.fixes) > 0:
		return InRelease
	case len(w.commits) > 0:
		return Merged
	}
	return or
}

// carries says whether the build that f speaks of has the fix.
func (w *way) carries(f Fact) bool { return w.fixRuns(f.Device, f.Timestamp) }

// fixRuns says whether a handset of device whose build has that timestamp runs
// the fix: the fixing build or a later one.
func (w *way) fixRuns(device string, timestamp int64) bool {
	fix, ok := w.fixes[device]
	return ok && timestamp >= fix.timestamp
}

// Markable lists what a maintainer may say of a thread in state s.
func Markable(s State) []State {
	switch s {
	case Reported, Recorded, NeedsInfo, Discussed, Planned, StillThere:
		return slices.DeleteFunc([]State{Recorded, NeedsInfo, Discussed, Planned, Declined, Closed},
			func(o State) bool { return o == s && s != NeedsInfo })
	case Declined, Closed:
		return []State{Recorded, Discussed, Planned}
	}
	return nil // a fix is on its way, or it is confirmed
}

// needsReason says whether a maintainer must say why.
func needsReason(s State) bool { return s == Declined || s == Closed || s == NeedsInfo }
