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
	"github.com/fridayos/friday/internal/fleet/verdict"
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
	tell := func(n int, region, from string, stage string, events ...wire.Event) {
		for i := range n {
			token := wire.OfferToken{ID: fmt.Sprint(region, from, stage, events, i), Rollout: umi.ID, Region: region, From: from, Expires: w.train.DB.Now().Unix() + 1000}
			for _, e := range events {
				reports = append(reports, outcome.Report{Token: token, Event: e, Stage: stage})
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
