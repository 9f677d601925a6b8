package tell

import (
	"strconv"
	"time"

	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/site/line"
	"github.com/fridayos/friday/internal/site/text"
	"github.com/fridayos/friday/internal/train"
	"github.com/fridayos/friday/internal/wire"
)

// WeekLine is this week's: open, cut, test ring, gate, departure.
func WeekLine(t *text.Text, release *train.ReleaseStatus, departure time.Time) line.Map {
	m := line.Map{Label: t.T("line.week"), Scale: "week", Lanes: wire.Channels(), Stops: []line.Stop{
		{Name: t.T("train-state.open"), Mark: line.Here}, {Name: t.T("stop.cut"), Mark: line.Next}, {Name: t.T("stop.ring"), Mark: line.Ahead, Lane: 1},
		{Name: t.T("stop.gate"), Mark: line.Ahead, Lane: 1}, {Name: t.Weekday(departure), Mark: line.Ahead, Lane: 2, At: departure},
	}}
	if release == nil {
		return m
	}
	at := map[train.State]int{train.Open: 0, train.Frozen: 1, train.Testing: 2, train.Shipping: 4, train.Settled: 4, train.Skipped: 0, train.Pulled: 4}
	reached := map[string]int{string(train.Frozen): 1, string(train.Testing): 2, string(train.Shipping): 4}
	here := at[release.State]
	m.Train = float64(here)
	for i := range m.Stops {
		switch {
		case i < here:
			m.Stops[i].Mark = line.Passed
		case i == here:
			m.Stops[i].Mark = line.Here
		case i == here+1:
			m.Stops[i].Mark = line.Next
		default:
			m.Stops[i].Mark = line.Ahead
		}
	}
	for _, step := range release.Log {
		if i, ok := reached[step.To]; ok && step.Device == "" && i <= here {
			m.Stops[i].At = step.At
		}
	}
	if here > 0 && m.Stops[1].At.IsZero() {
		m.Stops[1].At = release.CutAt
	}
	ready, held := 0, 0
	for _, d := range release.Devices {
		switch d.State {
		case train.Ready, train.Leaving:
			ready++
		case train.Held:
			held++
		}
	}
	switch n := len(release.Devices); {
	case release.State == train.Skipped:
		m.Train = -1
		for i := range m.Stops {
			m.Stops[i].Mark = line.Missed
		}
	case release.State == train.Pulled:
		m.Train, m.Stops[4].Mark = -1, line.Halted
	case n > 0 && held == n:
		m.Train, m.Stops[3].Mark, m.Stops[3].Note = -1, line.Held, t.T("stop.all-held")
	case release.State == train.Frozen && ready > 0:
		m.Train = 1 + 0.9*float64(ready)/float64(n)
		m.Stops[1].Mark = line.Passed
		m.Stops[2].Note = t.N("stop.ready-of", n, "Ready", ready)
	}
	return m
}

// WayLine is the way of a report on one device. next is the departure that a
// merged fix waits for; yours says that the viewer has it on that device.
func WayLine(t *text.Text, d feedback.DeviceState, steps []feedback.StateChange, next time.Time, yours bool) line.Map {
	m := line.Map{Label: t.T("line.way"), Scale: "way", Train: -1}
	last := map[feedback.State]feedback.StateChange{}
	var broken *feedback.StateChange
	for _, s := range steps {
		if s.Device != d.Device {
			continue
		}
		switch s.State {
		case feedback.StillThere: // the way begins again from here
			broken = &s
			clear(last)
		case feedback.Reported, feedback.Recorded, feedback.NeedsInfo, feedback.Discussed, feedback.Planned:
			for _, later := range []feedback.State{feedback.Merged, feedback.InRelease, feedback.OnHandset, feedback.Confirmed} {
				delete(last, later) // the fix was taken back
			}
		}
		last[s.State] = s
	}
	stop := func(s feedback.State) *line.Stop {
		st := line.Stop{Name: StateName(t, s), Mark: line.Ahead}
		if c, ok := last[s]; ok {
			st.Mark, st.At = line.Passed, c.At
		}
		m.Stops = append(m.Stops, st)
		return &m.Stops[len(m.Stops)-1]
	}
	first := stop(feedback.Reported)
	first.Mark, first.At = line.Passed, d.ReportedAt
	if broken != nil {
		b := stop(feedback.StillThere)
		b.Mark, b.At, b.Note = line.Halted, broken.At, t.T("stop.in", "Release", broken.Release)
	} else if _, ok := last[feedback.Recorded]; ok || d.State == feedback.Reported {
		stop(feedback.Recorded)
	}
	for _, s := range []feedback.State{feedback.NeedsInfo, feedback.Discussed, feedback.Planned} {
		if d.State == s || s == feedback.Planned && !last[s].At.IsZero() {
			if st := stop(s); s == feedback.NeedsInfo {
				st.Mark = line.Held
			}
		}
	}
	if d.State == feedback.Declined || d.State == feedback.Closed {
		stop(d.State).Mark = line.Missed
		return m
	}
	stop(feedback.Merged)
	in := stop(feedback.InRelease)
	if d.Release != "" {
		in.Name, in.Code, in.Href = d.Release, true, "/r/"+d.Release
	}
	if on := stop(feedback.OnHandset); yours {
		on.Name = t.T("stop.your-phone")
	}
	if stop(feedback.Confirmed); d.State == feedback.Confirmed {
		for i := range m.Stops { // whatever was skipped lies behind too
			if m.Stops[i].Mark == line.Ahead {
				m.Stops[i].Mark = line.Passed
			}
		}
		m.Stops[len(m.Stops)-1].Mark = line.Confirmed
		return m
	}
	nextStop(&m, next, d.State == feedback.Merged)
	return m
}

// nextStop puts the train on the last station passed and names the one after.
func nextStop(m *line.Map, next time.Time, dated bool) {
	here := 0
	for i, s := range m.Stops {
		if s.Mark != line.Ahead {
			here = i
		}
	}
	for i := range m.Stops[:here] {
		if m.Stops[i].Mark == line.Ahead {
			m.Stops[i].Mark = line.Passed
		}
	}
	if m.Stops[here].Mark == line.Passed {
		m.Stops[here].Mark, m.Train = line.Here, float64(here)
	}
	if here+1 < len(m.Stops) {
		m.Stops[here+1].Mark = line.Next
		if dated && !next.IsZero() {
			m.Stops[here+1].At = next
		}
	}
}

// TrackLine is one device of a release: built, packaged, then stage by stage.
func TrackLine(t *text.Text, d train.DeviceStatus, r *train.RolloutStatus) line.Map {
	m := line.Map{Label: t.T("line.track"), Scale: "track", Train: -1}
	add := func(name string, mark line.Mark) { m.Stops = append(m.Stops, line.Stop{Name: name, Mark: mark}) }
	if r == nil {
		order := []train.DeviceState{train.Building, train.Packaging, train.Ready, train.Leaving}
		here := 0
		for i, s := range order {
			if s == d.State {
				here = i
			}
		}
		switch {
		case d.State == train.Held || d.State == train.Withdrawn:
			here = 2
			if d.Build == "" {
				here = 0
			} else if len(d.Packages) == 0 {
				here = 1
			}
		case d.State == train.Ready && d.Build == "":
			here = 0
		}
		for i, name := range []string{"build", "packages", "ready", "rollout"} {
			mark := line.Ahead
			switch {
			case i < here:
				mark = line.Passed
			case i == here:
				mark = devices[d.State]
			case i == here+1 && d.State != train.Held && d.State != train.Withdrawn:
				mark = line.Next
			}
			add(t.T("stop."+name), mark)
		}
		if d.State != train.Held && d.State != train.Withdrawn {
			m.Train = float64(here)
		}
		return m
	}
	add(t.T("stop.ready"), line.Passed)
	for i, s := range r.Stages {
		name := strconv.Itoa(s.Percent) + "%"
		switch {
		case s.Percent == 100:
			name = t.T("stop.everyone")
		case s.Handsets > 0:
			name = t.N("stop.handsets", int(s.Handsets))
		}
		mark := line.Ahead
		switch {
		case r.State == fleet.Complete && i == len(r.Stages)-1:
			mark = line.Confirmed
		case r.State == fleet.Complete || i < r.Stage:
			mark = line.Passed
		case i == r.Stage && r.State == fleet.Planned:
			mark = line.Next
		case i == r.Stage:
			mark = rollouts[r.State]
		case i == r.Stage+1 && r.State == fleet.Running:
			mark = line.Next
		}
		add(name, mark)
	}
	if r.State == fleet.Running {
		m.Train = float64(r.Stage + 1)
	}
	return m
}

// DeviceLine is a device's last stations, oldest first; releases come newest first.
func DeviceLine(t *text.Text, codename string, releases []train.ReleaseStatus) line.Map {
	m := line.Map{Label: t.T("line.device"), Scale: "device", Train: -1}
	for i := min(len(releases), 12) - 1; i >= 0; i-- {
		r := releases[i]
		stop := line.Stop{Name: r.Name, Code: true, Href: "/r/" + r.Name, Mark: line.Missed, Note: Said(t, r.Reason)}
		for _, d := range r.Devices {
			if d.Device != codename {
				continue
			}
			stop.Mark, stop.Note = DeviceMark(t, d)
		}
		if stop.Mark == line.Missed && r.State != train.Skipped && stop.Note == "" {
			stop.Note = t.T("mark.missed")
		}
		m.Stops = append(m.Stops, stop)
	}
	return m
}

// DeviceMark is how a device stands in a release, all its rollouts together.
func DeviceMark(t *text.Text, d train.DeviceStatus) (line.Mark, string) {
	mark, note := devices[d.State], Said(t, d.Reason)
	if d.State == train.Leaving {
		mark, note = line.Passed, ""
	}
	for _, r := range d.Rollouts {
		switch r.State {
		case fleet.Running:
			mark, note = line.Here, At(t, "stop", r.Stages[r.Stage])
		case fleet.Held, fleet.Halted, fleet.Pulled:
			return rollouts[r.State], Said(t, r.Reason)
		}
	}
	return mark, note
}
