package measure_test

import (
	"testing"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/feedback"
	. "github.com/fridayos/friday/internal/feedback/feedbacktest"
	"github.com/fridayos/friday/internal/feedback/measure"
)

// Each group's curve is of its own reports, and all of them together are the whole.
func TestDaysToFixBy(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := New(t, d)
		fixed := s.Bug("umi")
		s.Bug("umi")
		began := s.Thread(fixed).CreatedAt
		s.FixedIn(fixed, Umi2)
		s.Runs(Ana, Umi2)
		s.Now = began.Add(47 * time.Hour)
		s.Answer(fixed, Ana, "umi", feedback.Works)
		s.Now = began.AddDate(0, 0, 15)
		s.Bug("hlte")
		var by measure.By
		s.Must(func(tx *db.Tx) (err error) { by, err = measure.DaysToFixBy(tx); return err })
		if by.All.Count != 3 || by.All.Happened != 1 {
			t.Errorf("over all %d reports, %d fixed; expected 3 and 1", by.All.Count, by.All.Happened)
		}
		if umi := by.Devices["umi"]; umi.Count != 2 || umi.Happened != 1 || umi.Points[0].Time != 2 {
			t.Errorf("on umi %+v", umi)
		}
		if hlte := by.Devices["hlte"]; hlte.Count != 1 || hlte.Happened != 0 {
			t.Errorf("on hlte %+v", hlte)
		}
		parts, weeks := 0, 0
		for _, c := range by.Parts {
			parts += c.Count
		}
		for name, c := range by.Weeks {
			weeks += c.Count
			if day, err := time.Parse(time.DateOnly, name); err != nil || day.Weekday() != time.Monday {
				t.Errorf("a week is called %q", name)
			}
		}
		if parts != 3 || weeks != 3 || len(by.Weeks) != 2 {
			t.Errorf("by part %d, by week %d in %d weeks; expected 3, 3 in 2", parts, weeks, len(by.Weeks))
		}
		if same := curve(s, ""); same.Count != by.All.Count || same.Happened != by.All.Happened {
			t.Errorf("DaysToFix says otherwise: %+v", same)
		}
	})
}
