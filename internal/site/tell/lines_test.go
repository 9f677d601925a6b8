package tell

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/site/line"
	"github.com/fridayos/friday/internal/train"
)

// stops writes a line down: "Reported=passed Recorded=here".
func stops(m line.Map) string {
	var all []string
	for _, s := range m.Stops {
		all = append(all, strings.ReplaceAll(s.Name, " ", "_")+"="+string(s.Mark))
	}
	return strings.Join(all, " ")
}

func TestWayLine(t *testing.T) {
	at := func(day int) time.Time { return time.Date(2026, 11, day, 9, 0, 0, 0, time.UTC) }
	step := func(day int, s feedback.State) feedback.StateChange {
		return feedback.StateChange{State: s, Device: "umi", At: at(day), Release: "26.11.27"}
	}
	friday := at(27)
	for _, c := range []struct {
		name    string
		state   feedback.State
		release string
		steps   []feedback.StateChange
		yours   bool
		want    string
	}{
		{"new", feedback.Reported, "", []feedback.StateChange{step(16, feedback.Reported)}, false,
			"Reported=here Recorded=next Fix_merged=ahead In_a_release=ahead On_the_handset=ahead Confirmed=ahead"},
		{"asked for more", feedback.NeedsInfo, "", []feedback.StateChange{step(16, feedback.Reported), step(17, feedback.NeedsInfo)}, false,
			"Reported=passed Needs_information=held Fix_merged=next In_a_release=ahead On_the_handset=ahead Confirmed=ahead"},
		{"merged", feedback.Merged, "", []feedback.StateChange{step(16, feedback.Reported), step(17, feedback.Recorded), step(18, feedback.Merged)}, false,
			"Reported=passed Recorded=passed Fix_merged=here In_a_release=next On_the_handset=ahead Confirmed=ahead"},
		{"in release, mine", feedback.InRelease, "26.11.27", []feedback.StateChange{step(16, feedback.Reported), step(18, feedback.Merged), step(20, feedback.InRelease)}, true,
			"Reported=passed Fix_merged=passed 26.11.27=here On_your_phone=next Confirmed=ahead"},
		{"confirmed", feedback.Confirmed, "26.11.27", []feedback.StateChange{step(16, feedback.Reported), step(18, feedback.Merged), step(20, feedback.InRelease), step(21, feedback.Confirmed)}, false,
			"Reported=passed Fix_merged=passed 26.11.27=passed On_the_handset=passed Confirmed=confirmed"},
		{"still broken", feedback.StillThere, "", []feedback.StateChange{step(16, feedback.Reported), step(18, feedback.Merged), step(20, feedback.InRelease), step(21, feedback.StillThere)}, false,
			"Reported=passed Still_broken=halted Fix_merged=next In_a_release=ahead On_the_handset=ahead Confirmed=ahead"},
		{"the second try", feedback.Merged, "", []feedback.StateChange{step(16, feedback.Reported), step(18, feedback.Merged), step(20, feedback.InRelease), step(21, feedback.StillThere), step(22, feedback.Merged)}, false,
			"Reported=passed Still_broken=halted Fix_merged=here In_a_release=next On_the_handset=ahead Confirmed=ahead"},
		{"taken back", feedback.Recorded, "", []feedback.StateChange{step(16, feedback.Reported), step(17, feedback.Recorded), step(18, feedback.Merged), step(20, feedback.InRelease), step(21, feedback.Recorded)}, false,
			"Reported=passed Recorded=here Fix_merged=next In_a_release=ahead On_the_handset=ahead Confirmed=ahead"},
		{"declined", feedback.Declined, "", []feedback.StateChange{step(16, feedback.Reported), step(17, feedback.Declined)}, false,
			"Reported=passed Declined=missed"},
		{"another device's steps do not count", feedback.Reported, "", []feedback.StateChange{{State: feedback.Merged, Device: "hlte", At: at(18)}}, false,
			"Reported=here Recorded=next Fix_merged=ahead In_a_release=ahead On_the_handset=ahead Confirmed=ahead"},
	} {
		m := WayLine(english(t), feedback.DeviceState{Device: "umi", State: c.state, Release: c.release, ReportedAt: at(16)}, c.steps, friday, c.yours)
		if got := stops(m); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
		if c.state == feedback.Merged && !m.Stops[3].At.Equal(friday) {
			t.Errorf("%s: the release is due %v, expected the next departure", c.name, m.Stops[3].At)
		}
		if n := strings.Count(c.want, "=here"); n != 0 && m.Stops[int(m.Train)].Mark != line.Here {
			t.Errorf("%s: the train is at %v", c.name, m.Train)
		}
	}
}

func TestWeekLine(t *testing.T) {
	departure := time.Date(2026, 11, 27, 17, 0, 0, 0, time.UTC)
	status := func(s train.State, devices ...train.DeviceState) *train.ReleaseStatus {
		r := &train.ReleaseStatus{Release: catalog.Release{Name: "26.11.27"}, State: s}
		for i, d := range devices {
			r.Devices = append(r.Devices, train.DeviceStatus{Device: fmt.Sprint("d", i), State: d})
		}
		return r
	}
	for _, c := range []struct {
		name  string
		r     *train.ReleaseStatus
		train float64
		want  string
	}{
		{"not cut", nil, 0, "Open=here Cut=next Test_ring=ahead Gate=ahead Friday=ahead"},
		{"cut", status(train.Frozen, train.Building), 1, "Open=passed Cut=here Test_ring=next Gate=ahead Friday=ahead"},
		{"half built", status(train.Frozen, train.Ready, train.Building), 1.45, "Open=passed Cut=passed Test_ring=next Gate=ahead Friday=ahead"},
		{"testing", status(train.Testing, train.Ready), 2, "Open=passed Cut=passed Test_ring=here Gate=next Friday=ahead"},
		{"all held", status(train.Testing, train.Held), -1, "Open=passed Cut=passed Test_ring=here Gate=held Friday=ahead"},
		{"shipping", status(train.Shipping, train.Leaving), 4, "Open=passed Cut=passed Test_ring=passed Gate=passed Friday=here"},
		{"skipped", status(train.Skipped), -1, "Open=missed Cut=missed Test_ring=missed Gate=missed Friday=missed"},
		{"pulled", status(train.Pulled), -1, "Open=passed Cut=passed Test_ring=passed Gate=passed Friday=halted"},
	} {
		m := WeekLine(english(t), c.r, departure)
		if got := stops(m); got != c.want || m.Train != c.train {
			t.Errorf("%s: train at %v\n got %s\nwant %s", c.name, m.Train, got, c.want)
		}
	}
}

func TestTrackLine(t *testing.T) {
	stages := []fleet.Stage{{Percent: 1}, {Percent: 10}, {Percent: 100}}
	rollout := func(s fleet.State, stage int) *train.RolloutStatus {
		return &train.RolloutStatus{Rollout: fleet.Rollout{State: s, Stage: stage, Stages: stages}}
	}
	for _, c := range []struct {
		name string
		d    train.DeviceStatus
		r    *train.RolloutStatus
		want string
	}{
		{"building", train.DeviceStatus{State: train.Building}, nil, "Build=next Packages=next Ready=ahead Rollout=ahead"},
		{"ready", train.DeviceStatus{State: train.Ready, Build: "b"}, nil, "Build=passed Packages=passed Ready=here Rollout=next"},
		{"held before its build", train.DeviceStatus{State: train.Held, Reason: "no stock"}, nil, "Build=held Packages=ahead Ready=ahead Rollout=ahead"},
		{"held before its packages", train.DeviceStatus{State: train.Held, Build: "b"}, nil, "Build=passed Packages=held Ready=ahead Rollout=ahead"},
		{"first stage", train.DeviceStatus{}, rollout(fleet.Running, 0), "Ready=passed 1%=here 10%=next Everyone=ahead"},
		{"halted", train.DeviceStatus{}, rollout(fleet.Halted, 1), "Ready=passed 1%=passed 10%=halted Everyone=ahead"},
		{"held", train.DeviceStatus{}, rollout(fleet.Held, 1), "Ready=passed 1%=passed 10%=held Everyone=ahead"},
		{"complete", train.DeviceStatus{}, rollout(fleet.Complete, 2), "Ready=passed 1%=passed 10%=passed Everyone=confirmed"},
	} {
		if got := stops(TrackLine(english(t), c.d, c.r)); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", c.name, got, c.want)
		}
	}
}

func TestDeviceLine(t *testing.T) {
	rel := func(name string, s train.State, reason string, devices ...train.DeviceStatus) train.ReleaseStatus {
		return train.ReleaseStatus{Release: catalog.Release{Name: name}, State: s, Reason: reason, Devices: devices}
	}
	halted := train.DeviceStatus{Device: "umi", State: train.Leaving, Rollouts: []train.RolloutStatus{{Rollout: fleet.Rollout{State: fleet.Halted, Reason: "boot loops", Stages: []fleet.Stage{{Percent: 1}}}}}}
	m := DeviceLine(english(t), "umi", []train.ReleaseStatus{
		rel("26.11.27", train.Shipping, "", halted),
		rel("26.11.20", train.Skipped, "a holiday"),
		rel("26.11.13", train.Settled, "", train.DeviceStatus{Device: "hlte", State: train.Leaving}),
		rel("26.11.6", train.Settled, "", train.DeviceStatus{Device: "umi", State: train.Held, Reason: "camera"}),
		rel("26.10.30", train.Settled, "", train.DeviceStatus{Device: "umi", State: train.Leaving}),
	})
	if got, want := stops(m), "26.10.30=passed 26.11.6=held 26.11.13=missed 26.11.20=missed 26.11.27=halted"; got != want {
		t.Errorf("got %s, expected %s", got, want)
	}
	var notes []string
	for _, s := range m.Stops {
		notes = append(notes, s.Note)
	}
	if got, want := fmt.Sprintf("%q", notes), `["" "camera" "no stop" "a holiday" "boot loops"]`; got != want {
		t.Errorf("notes are %s, expected %s", got, want)
	}
}
