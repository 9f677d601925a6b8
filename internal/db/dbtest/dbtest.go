// Package dbtest runs a test on both databases, each time on a fresh one that
// has been migrated. It is for tests only.
//
// PostgreSQL's is reached by FRIDAY_TEST_POSTGRES (postgres://…, a role that
// may create databases; scripts/with-postgres starts one); without it that
// half skips, by name. Migrated once a process (SQLite) or once per state of the
// migrations (PostgreSQL, a template database), then copied for each test.
package dbtest

import (
	"testing"

	"github.com/fridayos/friday/internal/db"
)

// Each runs fn on SQLite and on PostgreSQL.
func Each(t *testing.T, fn func(t *testing.T, d *db.DB)) {
	t.Helper()
	t.Run("sqlite", func(t *testing.T) { fn(t, open(t, SQLite(t))) })
	t.Run("postgres", func(t *testing.T) { fn(t, open(t, Postgres(t))) })
}

func open(t testing.TB, url string) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}
