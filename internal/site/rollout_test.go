package site

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/fleet/adoption"
	"github.com/fridayos/friday/internal/fleet/outcome"
	"github.com/fridayos/friday/internal/fleet/reach"
	"github.com/fridayos/friday/internal/fleet/verdict"
	"github.com/fridayos/friday/internal/site/tell"
	"github.com/fridayos/friday/internal/wire"
)

// asked fills in what handsets of this week's release report, and what their
// checks tell: a region in which it went badly, and clients that do not tell.
func (w *world) asked() {
	var umi fleet.Rollout
	w.write(func(tx *db.Tx) error {
		all, err := fleet.Of(tx, "26.11.27")
		for _, r := range all {
			if r.Device == "umi" && r.Channel == wire.Weekly {
				umi = r
			}
		}
		return err
	})
	var reports []outcome.Report
	var reached reach.Counter
	told := w.train.DB.Now().Unix() - 3*86400
	after := map[wire.Event]int64{wire.Downloaded: 700, wire.Verified: 720, wire.Applied: 1500, wire.Booted: 20_000, wire.Healthy: 110_000} // seconds
	tell := func(n int, region, from string, stage string, events ...wire.Event) {
		for i := range n {
			token := wire.OfferToken{ID: fmt.Sprint(region, from, stage, events, i), Rollout: umi.ID, Region: region, From: from, Expires: w.train.DB.Now().Unix() + 1000}
			for _, e := range events {
				reports = append(reports, outcome.Report{Token: token, Event: e, Stage: stage, Offered: told, At: told + after[e]*int64(100+i)/100})
			}
			for _, e := range append([]wire.Event{reach.Offered}, events...) {
				reached.Add(reach.Key{Rollout: umi.ID, Region: region, From: from, Stage: string(e)}, (uint64(len(reports))+1)*0x9e3779b97f4a7c15>>8)
			}
		}
	}
	well := []wire.Event{wire.Downloaded, wire.Verified, wire.Applied, wire.Booted}
	tell(214, "IN", "26.11.20", "", append(well, wire.Healthy)...)
	tell(96, "DE", "26.11.20", "", well...)
	tell(31, "", "", "", well...)
	tell(6, "IN", "26.11.20", outcome.StageApply, wire.Downloaded, wire.Failed)
	tell(9, "DE", "26.11.13", "", wire.Downloaded, wire.Verified, wire.Applied, wire.RolledBack)
	w.write(func(tx *db.Tx) error {
		_, err := outcome.Record(tx, reports)
		if err == nil {
			err = reach.Add(tx, reached.Take())
		}
		if err == nil {
			_, err = fleet.HaltRegion(tx, umi.ID, fleet.RegionChange{Region: "DE", Reason: "9 of 105 handsets in region DE rolled back; of the build before, 3 of 400; up to 2.4% would pass, and the odds against that are 4100 to 1",
				Figure: &fleet.Figure{Measure: "rolled back", Region: "DE", Verdict: verdict.Verdict{Worse: true, Fresh: verdict.Tally{N: 105, Bad: 9}, Before: verdict.Tally{N: 400, Bad: 3}, Limit: 0.024, Evidence: 3.6}}}, "train")
		}
		return err
	})
	var c adoption.Counter
	day := adoption.DayOf(w.train.DB.Now()) - 1
	for i := range 900 {
		c.First(adoption.Key{Day: day, Device: "umi", Client: adoption.Friday, Build: []string{"26.11.27", "26.11.20", "26.11.20"}[i%3], Region: "IN"})
		c.Check(adoption.Key{Day: day, Device: "umi", Client: adoption.LineageOS, Build: []string{"", "26.11.20"}[i%2]}, uint64(i)*0x9e3779b97f4a7c15)
	}
	w.write(func(tx *db.Tx) error {
		if err := adoption.Add(tx, c.Take()); err != nil {
			return err
		}
		return fleet.AddDays(tx, map[fleet.Day]int64{{Device: "umi", Day: day, Gap: 1}: 700, {Device: "umi", Day: day, Gap: 5}: 120, {Device: "umi", Day: day, Gap: fleet.ActiveDays}: 80})
	})
}

// TestRolloutPage: where a rollout stands, what became of it by region, build and
// stage, what handsets run, and who did what to it; who steers it finds how.
func TestRolloutPage(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := whole(t, d)
		if body := w.get("", "/r/26.11.27/umi/weekly").Body.String(); !strings.Contains(body, "No handset has reported anything yet.") || !strings.Contains(body, "No check has been counted yet.") {
			t.Error("a page without figures does not say so")
		}
		w.asked()
		body := w.get("", "/r/26.11.27/umi/weekly").Body.String()
		for _, want := range []string{
			"Halted in DE", "9 of 105 handsets in region DE rolled back", "3 of 400 handsets", "2.4 %", "the train", // why, by which figures, who
			">220<", ">356<", "26.11.13", "not told", "not known", // sums by region and source
			"applying", "26.11.20", "Friday&#39;s own", "LineageOS Updater", "do not tell what they run", "4 to 7 days before", "13 %",
			"1%", "30%", "Started", "Who did what",
			"How long it took", "≈ 35", "Wait for the restart, and boot", "From the offer to the first boot, by region", ">341<", " min<", " h<", " d<",
		} {
			if !strings.Contains(body, want) {
				t.Errorf("the page lacks %q", want)
			}
		}
		if strings.Contains(body, `action="/train/move"`) {
			t.Error("a guest is shown how to move it")
		}
		for who, may := range map[string]bool{"mo": true, "ada": true, "ana": false} {
			if body := w.get(who, "/r/26.11.27/umi/weekly").Body.String(); strings.Contains(body, `action="/train/move"`) != may {
				t.Errorf("%s is shown how to move it: %v, expected %v", who, !may, may)
			}
		}
		fresh(w)
		if rec := w.post("mo", "/train/move", url.Values{"release": {"26.11.27"}, "device": {"umi"}, "verb": {"ship"}, "regions": {"DE"}, "reason": {"The modem's fix is confirmed."}}); rec.Code != 303 {
			t.Errorf("mo overrides: %d", rec.Code)
		}
		body = w.get("", "/r/26.11.27/umi/weekly").Body.String()
		if !strings.Contains(body, "Goes on in DE") || !strings.Contains(body, "The modem&#39;s fix is confirmed.") || !strings.Contains(body, "<bdi>mo</bdi>") || strings.Contains(body, "<h2>Halted in DE") {
			t.Error("the log does not say who overrode it, and why")
		}
		for _, path := range []string{"/r/26.11.27/umi/stable", "/r/26.11.27/hlte/weekly", "/r/26.11.27/nosuch/weekly", "/r/26.01.01/umi/weekly", "/r/26.11.27/umi/nosuch", "/r/26.11.27/..%2f/weekly"} {
			if rec := w.get("", path); rec.Code != 404 {
				t.Errorf("%s: %d, expected 404", path, rec.Code)
			}
		}
	})
}

// TestSplitRollout: of a release that goes out by region and carrier each part has
// its place on the page, what it counts is its own, and who stops one finds it.
func TestSplitRollout(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := whole(t, d)
		w.split("umi")
		body := w.get("", "/r/26.11.27/umi/weekly").Body.String()
		for _, want := range []string{"Parts of this rollout", "<bdi>Everyone</bdi>", "<bdi>IN</bdi>", "<bdi>DE · telekom</bdi>", "?rollout=", "It overheats."} {
			if !strings.Contains(body, want) {
				t.Errorf("the page lacks %q", want)
			}
		}
		if strings.Count(body, `aria-current="page"><bdi>IN</bdi>`) != 1 {
			t.Error("the part that is stopped is not the one that is shown first")
		}
		for name, id := range w.parts() {
			body := w.get("", fmt.Sprint("/r/26.11.27/umi/weekly?rollout=", id)).Body.String()
			if !strings.Contains(body, `aria-current="page"><bdi>`+name) || strings.Contains(body, "<h2>Stopped") != (name == "IN") {
				t.Errorf("the page of %q shows another part", name)
			}
		}
		if release := w.get("", "/r/26.11.27").Body.String(); !strings.Contains(release, "weekly in DE · telekom") || !strings.Contains(release, fmt.Sprint("/r/26.11.27/umi/weekly?rollout=", w.parts()["IN"])) {
			t.Error("the release's page does not lead to each part")
		}
		for _, id := range []string{"1", "x", "-1", "99999999999999999999"} {
			if rec := w.get("", "/r/26.11.27/umi/weekly?rollout="+id); rec.Code != 404 {
				t.Errorf("rollout %s: %d, expected 404", id, rec.Code)
			}
		}
	})
}

// split lets this week's release for a phone go out in two parts more, one of them
// halted. It returns where the other one is shown.
func (w *world) split(device string) (where string) {
	w.write(func(tx *db.Tx) error {
		all, err := fleet.Of(tx, "26.11.27")
		if err != nil {
			return err
		}
		var of fleet.Rollout
		for _, r := range all {
			if r.Device == device && r.Channel == wire.Weekly {
				of = r
			}
		}
		for _, p := range []fleet.Plan{{Region: "IN"}, {Region: "DE", Carrier: "telekom"}} {
			p.Release, p.Device, p.Channel, p.Build = of.Release, of.Device, of.Channel, of.Build
			r, err := fleet.Start(tx, p, "mo", "In parts.")
			if err != nil {
				return err
			}
			if p.Region == "IN" {
				if _, err := fleet.Halt(tx, r.ID, "mo", "It overheats."); err != nil {
					return err
				}
			}
			where = tell.RolloutPage(&r)
		}
		return nil
	})
	return where
}

// parts are the ids of the rollouts that split makes, by name.
func (w *world) parts() map[string]int64 {
	ids := map[string]int64{}
	w.write(func(tx *db.Tx) error {
		all, err := fleet.Of(tx, "26.11.27")
		for _, r := range all {
			if r.Device == "umi" && r.Region != "" {
				ids[r.Region] = r.ID
			}
		}
		return err
	})
	return ids
}
