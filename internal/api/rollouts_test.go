package api

import (
	"fmt"
	"math"
	"testing"

	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/fleet/outcome"
	"github.com/fridayos/friday/internal/fleet/pace"
	"github.com/fridayos/friday/internal/fleet/reach"
	"github.com/fridayos/friday/internal/wire"
)

// shipped lets release 26.11.20 leave for umi, to everyone and to Germany apart, and
// tells what became of it.
func (w *world) shipped() {
	w.write(func(tx *db.Tx) error {
		if err := catalog.PutRelease(tx, catalog.Release{Name: "26.11.20", Commit: "c1", CutAt: w.now}); err != nil {
			return err
		}
		builds, err := catalog.Builds(tx, "umi")
		if err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO train_releases (release, state, departs_at, opened_at, changed_at, reason) VALUES ('26.11.20', 'shipping', $1, $1, $1, '') ON CONFLICT DO NOTHING`, w.now); err != nil {
			return err
		}
		if _, err := tx.Exec(`INSERT INTO train_devices (release, device, state, reason, build, stock, fixes, changed_at) VALUES ('26.11.20', 'umi', 'leaving', '', $2, '', '[]', $1)`, w.now, builds[0].ID); err != nil {
			return err
		}
		r, err := fleet.Start(tx, fleet.Plan{Release: "26.11.20", Device: "umi", Channel: wire.Weekly, Build: builds[0].ID}, "mo", "go")
		if err != nil {
			return err
		}
		if _, err := fleet.Start(tx, fleet.Plan{Release: "26.11.20", Device: "umi", Channel: wire.Weekly, Region: "DE", Build: builds[0].ID}, "mo", "go"); err != nil {
			return err
		}
		if _, err := fleet.HaltRegion(tx, r.ID, fleet.RegionChange{Region: "IN", Reason: "It overheats."}, "mo"); err != nil {
			return err
		}
		var reports []outcome.Report
		var reached reach.Counter
		for n := range 200 {
			token := wire.OfferToken{ID: fmt.Sprint(n), Rollout: r.ID, Region: []string{"IN", ""}[n%2], From: "1", Expires: w.now.Unix() + 1000}
			for e, at := range map[wire.Event]int64{wire.Downloaded: 100, wire.Applied: 200, wire.Booted: 3600} {
				reports = append(reports, outcome.Report{Token: token, Event: e, Offered: w.now.Unix() - 5000, At: w.now.Unix() - 5000 + at})
			}
			reached.Add(reach.Key{Rollout: r.ID, Region: token.Region, From: "1", Stage: reach.Offered}, uint64(n+1)*0x9e3779b97f4a7c15>>8)
		}
		if _, err := outcome.Record(tx, reports); err != nil {
			return err
		}
		return reach.Add(tx, reached.Take())
	})
}

// TestRollouts: what became of a release on a device, in sums and sketches, as the
// description says it.
func TestRollouts(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.call("GET", "/releases/26.11.20/devices/umi/rollouts", "", nil).want(w, 404)
		w.shipped()
		var got struct{ Rollouts []rolloutJSON }
		w.call("GET", "/releases/26.11.20/devices/umi/rollouts", "", nil).want(w, 200).into(w, &got)
		if len(got.Rollouts) != 2 {
			t.Fatalf("rollouts are %+v", got)
		}
		all, apart := got.Rollouts[0], got.Rollouts[1]
		if all.Region != "" {
			all, apart = apart, all
		}
		if apart.Region != "DE" || len(apart.Steps) != 0 || len(apart.Handsets) != 0 || apart.Outcomes != (outcome.Group{}) {
			t.Errorf("the one in Germany is %+v", apart)
		}
		if all.State != "running" || all.Stage != 1 || len(all.StoppedIn) != 1 || all.StoppedIn[0] != "IN" || all.Outcomes.Booted != 200 {
			t.Errorf("the one of all is %+v", all)
		}
		if n := all.Handsets[reach.Offered]; n < 180 || n > 220 {
			t.Errorf("it was offered to %d handsets, expected about 200", n)
		}
		steps := map[string]paceJSON{}
		for _, s := range all.Steps {
			steps[s.Step] = s
		}
		if s := steps["whole"]; s.N != 200 || math.Abs(s.P95-3600) > pace.Error*3600+1 {
			t.Errorf("from the offer to the boot: %+v", s)
		}
		if len(all.ByRegion) != 2 || *all.ByRegion[1].Name != "IN" || all.ByRegion[1].Outcomes.Booted != 100 || len(all.BySource) != 1 || *all.BySource[0].Name != "1" {
			t.Errorf("by region and source: %+v, %+v", all.ByRegion, all.BySource)
		}
		for _, path := range []string{"/releases/26.11.20/devices/hlte/rollouts", "/releases/26.01.01/devices/umi/rollouts", "/releases/26.11.20/devices/x%00/rollouts"} {
			w.call("GET", path, "", nil).want(w, 404)
		}
		w.call("GET", "/releases/26.11.20/devices/umi/rollouts?x=1", "", nil).want(w, 400)
	})
}
