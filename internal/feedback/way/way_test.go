package way

import (
	"slices"
	"testing"
	"time"
)

func at(hour int) time.Time { return time.Date(2026, 11, 20, hour, 0, 0, 0, time.UTC) }

// facts numbers the times of what happened, one an hour.
func facts(fs ...Fact) []Fact {
	for i := range fs {
		fs[i].At = at(i)
	}
	return fs
}

var (
	reported  = Fact{Kind: FactReported, Device: "umi", Actor: 1}
	recorded  = Fact{Kind: FactMarked, State: Recorded, Actor: 2}
	merged    = Fact{Kind: FactMerged, Commit: "c1"}
	retracted = Fact{Kind: FactRetracted, Commit: "c1"}
	released  = Fact{Kind: FactReleased, Device: "umi", Release: "26.11.27", Build: "b2", Timestamp: 200}
	runs      = Fact{Kind: FactRuns, Device: "umi", Release: "26.11.27", Build: "b2", Timestamp: 200, Actor: 1}
	works     = Fact{Kind: FactWorks, Device: "umi", Release: "26.11.27", Build: "b2", Timestamp: 200, Actor: 1}
	pulled    = Fact{Kind: FactPulled, Device: "umi", Release: "26.11.27", Build: "b2", Timestamp: 200, Reason: "It eats batteries."}
	broken    = Fact{Kind: FactBroken, Device: "umi", Release: "26.11.27", Build: "b2", Timestamp: 200, Actor: 1}
)

func with(f Fact, change func(*Fact)) Fact { change(&f); return f }

func mark(s State, reason string) Fact {
	return Fact{Kind: FactMarked, State: s, Reason: reason, Actor: 2}
}

func TestWay(t *testing.T) {
	fixedIn := with(released, func(f *Fact) { f.Kind, f.State, f.Reason = FactMarked, Closed, "Fixed by the vendor." })
	old := with(broken, func(f *Fact) { f.Build, f.Timestamp = "b1", 100 })
	next := with(released, func(f *Fact) { f.Release, f.Build, f.Timestamp = "26.12.4", "b3", 300 })
	hlte := func(f Fact) Fact { return with(f, func(f *Fact) { f.Device = "hlte" }) }
	merged2 := with(merged, func(f *Fact) { f.Commit = "c2" })
	for _, c := range []struct {
		name   string
		device string
		facts  []Fact
		state  State
		steps  []State
	}{
		{"a report", "umi", facts(reported), Reported, []State{Reported}},
		{"nothing before the report", "umi", facts(recorded), "", nil},
		{"the whole way", "umi", facts(reported, recorded, merged, released, runs, works), Confirmed,
			[]State{Reported, Recorded, Merged, InRelease, OnHandset, Confirmed}},
		{"said twice", "umi", facts(reported, merged, merged, released, released, runs, runs, works, works), Confirmed,
			[]State{Reported, Merged, InRelease, OnHandset, Confirmed}},
		{"broken on the fixing build reopens", "umi", facts(reported, recorded, merged, released, runs, broken), StillThere,
			[]State{Reported, Recorded, Merged, InRelease, OnHandset, StillThere}},
		{"broken on an older build does not", "umi", facts(reported, merged, released, old), InRelease,
			[]State{Reported, Merged, InRelease}},
		{"broken after it was confirmed reopens", "umi", facts(reported, merged, released, runs, works, broken), StillThere,
			[]State{Reported, Merged, InRelease, OnHandset, Confirmed, StillThere}},
		{"the broken build is no fix any more", "umi", facts(reported, merged, released, broken, released, works), StillThere,
			[]State{Reported, Merged, InRelease, StillThere}},
		{"the next try", "umi", facts(reported, merged, released, broken, merged2, next), InRelease,
			[]State{Reported, Merged, InRelease, StillThere, Merged, InRelease}},
		{"works on an older build is no proof", "umi", facts(reported, merged, released, with(works, func(f *Fact) { f.Timestamp = 100 })), InRelease,
			[]State{Reported, Merged, InRelease}},
		{"works before any fix is no proof", "umi", facts(reported, works), Reported, []State{Reported}},
		{"a later build has it too", "umi", facts(reported, merged, released, with(works, func(f *Fact) { f.Build, f.Timestamp = "b9", 900 })), Confirmed,
			[]State{Reported, Merged, InRelease, Confirmed}},
		{"a reverted commit takes it back", "umi", facts(reported, mark(Planned, ""), merged, released, retracted), Planned,
			[]State{Reported, Planned, Merged, InRelease, Planned}},
		{"a reverted commit, another still fixes it", "umi", facts(reported, merged, merged2, retracted), Merged,
			[]State{Reported, Merged}},
		{"a reverted commit after it was confirmed", "umi", facts(reported, merged, released, works, retracted), Reported,
			[]State{Reported, Merged, InRelease, Confirmed, Reported}},
		{"another's commit reverted", "umi", facts(reported, retracted), Reported, []State{Reported}},
		{"declined with a reason", "umi", facts(reported, mark(Declined, "The sensor has no such mode.")), Declined,
			[]State{Reported, Declined}},
		{"objected", "umi", facts(reported, mark(Declined, "No."), Fact{Kind: FactObjected, Actor: 1}), Discussed,
			[]State{Reported, Declined, Discussed}},
		{"declined, yet a commit fixes it", "umi", facts(reported, mark(Declined, "No."), merged), Merged,
			[]State{Reported, Declined, Merged}},
		{"no word turns back a fix on its way", "umi", facts(reported, merged, released, recorded), InRelease,
			[]State{Reported, Merged, InRelease}},
		{"another device's release", "umi", facts(reported, merged, hlte(released)), Merged, []State{Reported, Merged}},
		{"another device's confirmation", "umi", facts(reported, merged, released, hlte(released), hlte(works)), InRelease,
			[]State{Reported, Merged, InRelease}},
		{"a device that joins late", "hlte", facts(reported, merged, released, hlte(released), hlte(reported)), InRelease,
			[]State{InRelease}},
		{"a device that joins before its release", "hlte", facts(reported, merged, released, hlte(reported)), Merged,
			[]State{Merged}},
		{"no device named: any device's release is one", AnyDevice,
			facts(with(reported, func(f *Fact) { f.Device = AnyDevice }), merged, hlte(released), hlte(works)), Confirmed,
			[]State{Reported, Merged, InRelease, Confirmed}},
		{"a word on one device is of that device", "umi", facts(reported, hlte(recorded)), Reported, []State{Reported}},
		{"a pulled release carries nothing", "umi", facts(reported, recorded, merged, released, runs, pulled), Merged,
			[]State{Reported, Recorded, Merged, InRelease, OnHandset, Merged}},
		{"and is no proof", "umi", facts(reported, merged, released, pulled, works), Merged, []State{Reported, Merged, InRelease, Merged}},
		{"the release after it", "umi", facts(reported, merged, released, pulled, next), InRelease,
			[]State{Reported, Merged, InRelease, Merged, InRelease}},
		{"pulled, another release carries it already", "umi", facts(reported, merged, released, next, pulled), InRelease,
			[]State{Reported, Merged, InRelease}},
		{"pulled from another phone", "umi", facts(reported, merged, released, hlte(pulled)), InRelease, []State{Reported, Merged, InRelease}},
		{"confirmed, then pulled", "umi", facts(reported, merged, released, works, pulled), Confirmed,
			[]State{Reported, Merged, InRelease, Confirmed}},
		{"no device named: pulled from one phone of two", AnyDevice,
			facts(with(reported, func(f *Fact) { f.Device = AnyDevice }), merged, released, hlte(released), pulled), InRelease,
			[]State{Reported, Merged, InRelease}},
		{"cannot tell moves nothing", "umi", facts(reported, merged, released, runs, with(works, func(f *Fact) { f.Kind = FactUnsure })), OnHandset,
			[]State{Reported, Merged, InRelease, OnHandset}},
		{"closed as fixed, and it is", "umi", facts(reported, fixedIn, works), Confirmed, []State{Reported, Closed, Confirmed}},
		{"closed as fixed, and it is not", "umi", facts(reported, fixedIn, broken), StillThere, []State{Reported, Closed, StillThere}},
		{"closed as fixed, broken on an older build", "umi", facts(reported, fixedIn, old), Closed, []State{Reported, Closed}},
		{"closed as fixed in a build that was pulled", "umi", facts(reported, recorded, fixedIn, pulled), Recorded,
			[]State{Reported, Recorded, Closed, Recorded}},
		{"closed for another reason, and someone's works", "umi", facts(reported, mark(Closed, "Not ours."), works), Closed, []State{Reported, Closed}},
	} {
		w, steps := Derive(c.device, c.facts)
		if w.State != c.state {
			t.Errorf("%s: state is %q, expected %q", c.name, w.State, c.state)
		}
		var got []State
		for _, s := range steps {
			got = append(got, s.State)
		}
		if !slices.Equal(got, c.steps) {
			t.Errorf("%s: the way is %v, expected %v", c.name, got, c.steps)
		}
		if len(steps) > 0 && !w.Since.Equal(steps[len(steps)-1].At) {
			t.Errorf("%s: since %v, expected the time of the last step %v", c.name, w.Since, steps[len(steps)-1].At)
		}
	}
}

func TestFixRuns(t *testing.T) {
	w, _ := Derive("umi", facts(reported, merged, released))
	for _, c := range []struct {
		device    string
		timestamp int64
		runs      bool
	}{
		{"umi", 199, false}, {"umi", 200, true}, {"umi", 201, true}, {"hlte", 500, false},
	} {
		if got := w.FixRuns(c.device, c.timestamp); got != c.runs {
			t.Errorf("FixRuns(%s, %d) is %v, expected %v", c.device, c.timestamp, got, c.runs)
		}
	}
}

func TestMarkable(t *testing.T) {
	for _, s := range []State{Merged, InRelease, OnHandset, Confirmed} {
		if m := Markable(s); len(m) > 0 {
			t.Errorf("in state %s a maintainer can say %v, expected nothing", s, m)
		}
	}
	for _, s := range AllStates() {
		for _, to := range Markable(s) {
			w, _ := Derive("umi", facts(reported, mark(to, "why")))
			if w.State != to {
				t.Errorf("from reported, %s leads to %s", to, w.State)
			}
		}
	}
}

func TestMarkReplacesReason(t *testing.T) {
	w, _ := Derive("umi", facts(reported, mark(Declined, "Because."), recorded))
	if w.Reason != "" {
		t.Errorf("reason is %q after it was recorded again, expected none", w.Reason)
	}
}

func TestWhichBuildCarriesTheFix(t *testing.T) {
	next := with(released, func(f *Fact) { f.Release, f.Build, f.Timestamp = "26.12.4", "b3", 300 })
	hlte := with(released, func(f *Fact) { f.Device, f.Build = "hlte", "h2" })
	for _, c := range []struct {
		name           string
		device         string
		facts          []Fact
		release, build string
	}{
		{"none yet", "umi", facts(reported, merged), "", ""},
		{"the first of two", "umi", facts(reported, merged, released, next), "26.11.27", "b2"},
		{"the first was pulled", "umi", facts(reported, merged, released, next, pulled), "26.12.4", "b3"},
		{"the only one was pulled", "umi", facts(reported, merged, released, pulled), "", ""},
		{"it was confirmed before", "umi", facts(reported, merged, released, works, pulled), "26.11.27", "b2"},
		{"it did not work", "umi", facts(reported, merged, released, broken), "", ""},
		{"reverted", "umi", facts(reported, merged, released, retracted), "", ""},
		{"any of the devices", AnyDevice, facts(with(reported, func(f *Fact) { f.Device = AnyDevice }), merged, released, hlte), "26.11.27", "h2"},
	} {
		w, _ := Derive(c.device, c.facts)
		if w.Release != c.release || w.Build != c.build {
			t.Errorf("%s: fixed in %q by %q, expected %q by %q", c.name, w.Release, w.Build, c.release, c.build)
		}
	}
}
