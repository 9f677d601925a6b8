package db_test

import (
	"context"
	"testing"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
)

// A revision stays while nothing is committed, and goes with every commit, another
// process's too.
func TestRevision(t *testing.T) {
	ctx := context.Background()
	for name, open := range map[string]func(t testing.TB) string{"sqlite": dbtest.SQLite, "postgres": dbtest.Postgres} {
		t.Run(name, func(t *testing.T) {
			url := open(t)
			var both [2]*db.DB
			for i := range both {
				d, err := db.Open(ctx, url)
				if err != nil {
					t.Fatal(err)
				}
				defer d.Close()
				both[i] = d
			}
			revisions := func() (all [2]string) {
				for i, d := range both {
					r, err := d.Revision(ctx)
					if err != nil || r == "" {
						t.Fatalf("revision %q: %v", r, err)
					}
					all[i] = r
				}
				return all
			}
			seen := map[string]bool{}
			for i := range 10 {
				before := revisions()
				if name == "sqlite" && before != revisions() { // PostgreSQL's own work may count
					t.Error("the revision changes by itself")
				}
				for _, r := range before {
					if i > 0 && seen[r] && both[0] == both[1] {
						t.Errorf("revision %s came back", r)
					}
				}
				if err := both[i%2].Write(ctx, func(tx *db.Tx) error {
					_, err := tx.Exec(`INSERT INTO audit (id, at, actor_id, actor_name, action, subject, detail) VALUES ($1, 0, 0, '', '', '', '')`, db.NewID())
					return err
				}); err != nil {
					t.Fatal(err)
				}
				for n, r := range revisions() {
					if r == before[n] {
						t.Errorf("database %d does not see the commit of %d", n, i%2)
					}
				}
			}
		})
	}
}
