package feedback_test

import (
	"strings"
	"testing"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/feedback"
	. "github.com/fridayos/friday/internal/feedback/feedbacktest"
)

// However many threads there are, a list reads those it shows.
func TestListsAreNotSorted(t *testing.T) {
	d, err := db.Open(t.Context(), dbtest.SQLite(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	s := New(t, d)
	for _, v := range []feedback.Viewer{{}, As(Ana), Moderator()} {
		for _, f := range []feedback.Filter{{}, {Order: feedback.Hot}, {Open: true, Order: feedback.Hot}, {Open: true}, {Done: true}, {Kind: feedback.Bug}, {Part: "Camera", Lang: "en"},
			{Part: "Camera", Kind: feedback.Idea}, {Order: feedback.Latest}, {Order: feedback.Oldest}, {Device: "umi"}, {State: feedback.Planned}, {Device: "umi", State: feedback.Planned}, {Device: "umi", Order: feedback.Latest},
			{Device: "umi", Kind: feedback.Bug, And: []feedback.Filter{{Open: true}}}, {And: []feedback.Filter{{Device: "umi", State: feedback.Planned}}}, {State: feedback.Planned, Part: "Camera"},
			{After: &feedback.Place{ID: 4, LastAt: s.Now}}, {Device: "umi", After: &feedback.Place{ID: 4, LastAt: s.Now}}} {
			s.Must(func(tx *db.Tx) error {
				statements, err := feedback.ListStatements(tx, v, f)
				for _, one := range statements {
					if err != nil {
						break
					}
					var plan []string
					plan, err = db.All(tx, func(r db.Scanner) (detail string, err error) {
						var id, parent, unused int
						return detail, r.Scan(&id, &parent, &unused, &detail)
					}, `EXPLAIN QUERY PLAN `+one.SQL, one.Args...)
					if all := strings.Join(plan, "\n"); err == nil && (strings.Contains(all, "TEMP B-TREE") || strings.Contains(all, "SCAN ") && !strings.Contains(all, "USING INDEX")) {
						t.Errorf("%+v by %+v is read by\n%s\nfor %s", f, v, all, one.SQL)
					}
				}
				return err
			})
		}
	}
}
