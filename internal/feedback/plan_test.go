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
		for _, f := range []feedback.Filter{{}, {Order: feedback.Hot}, {Open: true, Order: feedback.Hot}, {Kind: feedback.Bug}, {Part: "Camera", Lang: "en"}} {
			s.Must(func(tx *db.Tx) error {
				query, args := feedback.ListQuery(tx, v, f)
				plan, err := db.All(tx, func(r db.Scanner) (detail string, err error) {
					var id, parent, unused int
					return detail, r.Scan(&id, &parent, &unused, &detail)
				}, `EXPLAIN QUERY PLAN `+query, args...)
				if all := strings.Join(plan, "\n"); err == nil && (strings.Contains(all, "TEMP B-TREE") || !strings.Contains(all, "USING INDEX threads_")) {
					t.Errorf("%+v by %+v is read by\n%s", f, v, all)
				}
				return err
			})
		}
	}
}
