package fleet_test

import (
	"testing"

	"github.com/fridayos/friday/internal/fleet"
)

// TestParts: of a release in parts a handset gets what the narrowest part that is
// for it gives, and clients that say nothing get it when every part is complete.
func TestParts(t *testing.T) {
	w := newWorld()
	w.rollout().State = fleet.Complete
	add := func(id int64, region, carrier string, s fleet.State) {
		r := *w.rollout()
		r.ID, r.Region, r.Carrier, r.State = id, region, carrier, s
		w.facts.Rollouts = append(w.facts.Rollouts, r)
	}
	add(10, "IN", "", fleet.Halted)
	add(11, "DE", "", fleet.Complete)
	add(12, "DE", "telekom", fleet.Pulled)
	add(13, "", "vodafone", fleet.Complete)
	for _, c := range []struct {
		region, carrier string
		want            int64 // rollout; 0: no offer
		why             string
	}{
		{"FR", "", 2, ""}, {"fr", "telekom", 2, ""},
		{"IN", "", 0, "26.11.27 is halted"}, {"in", "jio", 0, "26.11.27 is halted"},
		{"DE", "", 11, ""}, {"DE", "o2", 11, ""}, {"de", "Telekom", 0, "26.11.27 was pulled"},
		{"FR", "vodafone", 13, ""}, {"DE", "vodafone", 11, ""}, {"IN", "vodafone", 0, "26.11.27 is halted"},
		{"", "", 0, "26.11.27 is stopped in region DE, and the handset does not tell its own"}, {"", "vodafone", 0, ""}, {"nowhere", "", 0, ""},
	} {
		w.checkin.Region, w.checkin.Carrier = c.region, c.carrier
		d := w.decide()
		var got int64
		if d.Offer() {
			got = d.Rollout.ID
		}
		if got != c.want || got == 0 && c.why != "" && d.Reason != c.why {
			t.Errorf("in %q with %q: rollout %d, %q; expected %d, %q", c.region, c.carrier, got, d.Reason, c.want, c.why)
		}
	}
	if r, _, _ := w.snapshot().Listed("umi", "weekly"); r == nil || r.Release != "26.11.20" {
		t.Errorf("listed is %+v, while parts are stopped", r)
	}
	for i := range w.facts.Rollouts {
		w.facts.Rollouts[i].State = fleet.Complete
	}
	if r, _, _ := w.snapshot().Listed("umi", "weekly"); r == nil || r.ID != 2 {
		t.Errorf("listed is %+v, expected the one for all once every part is complete", r)
	}
	w.checkin.Region, w.checkin.Carrier = "", ""
	if d := w.decide(); !d.Offer() || d.Rollout.ID != 2 {
		t.Errorf("without a region: %q", d.Reason)
	}
}
