package site

import (
	"net/url"
	"strings"
	"testing"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/fleet"
)

// TestOneRegion: whoever steers a phone's rollouts stops them in some regions, and
// lets one region go on; the stages of what starts are read as people write them.
func TestOneRegion(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := whole(t, d)
		move := func(verb, regions, stages string) (code int, body string) {
			t.Helper()
			fresh(w)
			rec := w.post("mo", "/train/move", url.Values{"release": {"26.11.27"}, "verb": {verb}, "device": {"umi"}, "reason": {"The modem."}, "regions": {regions}, "stages": {stages}})
			return rec.Code, rec.Body.String()
		}
		stopped := func() string {
			var all []string
			w.write(func(tx *db.Tx) error {
				rollouts, err := fleet.Of(tx, "26.11.27")
				for _, r := range rollouts {
					for _, s := range r.Regions {
						all = append(all, r.Channel+" "+s.Region+" by "+s.Actor)
					}
				}
				return err
			})
			return strings.Join(all, ", ")
		}
		for _, c := range []struct {
			verb, regions, stages string
			code                  int
			says, stopped         string
		}{
			{"halt", "india", "", 422, "no region", ""},
			{"halt", "in, de de", "", 303, "", "weekly DE by mo, weekly IN by mo"},
			{"ship", "FR", "", 422, "is not halted for umi in FR", "weekly DE by mo, weekly IN by mo"},
			{"ship", "IN", "many", 422, "is no stage", "weekly DE by mo, weekly IN by mo"},
			{"ship", "in", "", 303, "", "weekly DE by mo"},
			{"ship", "", "", 303, "", ""},
			{"halt", "", "", 303, "", ""},
			{"ship", "IN", "", 422, "cannot go on for umi in IN alone", ""},
			{"ship", "", "", 303, "", ""},
		} {
			code, body := move(c.verb, c.regions, c.stages)
			if got := stopped(); code != c.code || got != c.stopped || !strings.Contains(body, c.says) {
				t.Errorf("%s %q %q: %d, stopped in %q; expected %d, %q, %q\n%.300s", c.verb, c.regions, c.stages, code, got, c.code, c.stopped, c.says, body)
			}
		}
		if page := w.get("mo", "/train").Body.String(); !strings.Contains(page, `name="regions"`) || !strings.Contains(page, "1%/30%:1d") {
			t.Error("the console asks for neither regions nor stages")
		}
	})
}
