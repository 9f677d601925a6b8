package outcome_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/fleet/outcome"
	"github.com/fridayos/friday/internal/fleet/pace"
	"github.com/fridayos/friday/internal/fleet/reach"
	"github.com/fridayos/friday/internal/wire"
)

// TestPace: each step that a handset takes is counted once, whichever node hears
// of it and however often, in the class of its duration.
func TestPace(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		const seed, handsets = 5, 300
		t.Logf("seed %d", seed)
		r := rand.New(rand.NewPCG(seed, 0))
		id := start(t, d, 1)[0]
		offered := d.Now().Add(-5 * 24 * time.Hour).Unix()
		report := func(n int, claim int64, e wire.Event, after int64) outcome.Report {
			return outcome.Report{Token: wire.OfferToken{ID: fmt.Sprint("handset ", n), Rollout: id, Region: []string{"IN", "DE"}[n%2], From: "26.11.20", Claim: claim, Expires: offered + 30*86400},
				Event: e, Offered: offered, At: offered + after}
		}
		var all []outcome.Report
		for n := range handsets {
			for _, one := range []struct {
				e     wire.Event
				after int64
			}{{wire.Downloaded, 600}, {wire.Verified, 660}, {wire.Applied, 1600}, {wire.Booted, 5600}, {wire.Healthy, 5600 + 86400}} {
				all = append(all, report(n, 0, one.e, one.after))
			}
		}
		for i := 0; i < len(all); i += 500 { // in order, cut anywhere, and told again
			part := all[i:min(len(all), i+500)]
			record(t, d, append(append([]outcome.Report(nil), part...), part[r.IntN(len(part)):]...))
			record(t, d, part[:r.IntN(len(part))])
		}
		// Of these no step is known but the one that is measured from the offer.
		odd := []outcome.Report{
			report(1001, 0, wire.Booted, 5600), report(1001, 0, wire.Applied, 1600), // out of order: restart and apply are not known
			report(1002, 0, wire.Healthy, 90_000),  // nothing before it was heard of
			report(1003, 0, wire.Downloaded, -100), // a clock was set back
			report(1004, 7, wire.Applied, 600),     // of a claim
		}
		odd[0].Token.Region = ""
		record(t, d, odd)
		stepped := []outcome.Report{report(1005, 0, wire.Applied, 9000), report(1005, 0, wire.Booted, 8000)} // a node's clock is ahead
		record(t, d, stepped)
		unknown := report(1006, 0, wire.Booted, 1)
		unknown.Offered, unknown.At = 0, 0
		record(t, d, []outcome.Report{unknown})
		if err := d.Read(t.Context(), func(tx *db.Tx) error {
			got, err := outcome.PaceOf(tx, id)
			want := map[pace.Step]struct {
				n       int64
				seconds float64
			}{pace.Download: {handsets, 600}, pace.Apply: {handsets, 1000}, pace.Restart: {handsets, 4000}, pace.Whole: {handsets + 2, 5600}, pace.Settle: {handsets, 86400}}
			for step, w := range want {
				if n, at := got.All[step].N(), got.All[step].Quantile(0.5).Seconds(); n != w.n || math.Abs(at-w.seconds) > pace.Error*w.seconds+2 {
					t.Errorf("%s: %d of %.0f s at the median, expected %d of %.0f s", step, n, at, w.n, w.seconds)
				}
			}
			if n := got.ByRegion["DE"][pace.Restart].N(); len(got.ByRegion) != 3 || n != handsets/2 {
				t.Errorf("in Germany %d restarted, regions are %d", n, len(got.ByRegion))
			}
			if n := got.BySource["26.11.20"][pace.Apply].N(); n != handsets {
				t.Errorf("from 26.11.20 %d applied", n)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
		forgotten(t, d, id, report(2000, 0, wire.Booted, 60))
	})
}

// forgotten is the same after the time for which sketches are kept.
func forgotten(t *testing.T, d *db.DB, id int64, late outcome.Report) {
	t.Helper()
	later := d.Now().Add(reach.Kept + time.Hour)
	d.SetClock(func() time.Time { return later })
	late.Token.Expires = later.Unix() + 3600
	if fresh := record(t, d, []outcome.Report{late}); fresh != 1 {
		t.Errorf("%d counted late, expected 1", fresh)
	}
	if err := d.Write(t.Context(), func(tx *db.Tx) error {
		if err := outcome.ForgetSketches(tx); err != nil {
			return err
		}
		got, err := outcome.PaceOf(tx, id)
		if len(got.All) != 0 {
			t.Errorf("of an old rollout there is %+v", got.All)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
}
