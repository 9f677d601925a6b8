package db_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
)

func table(t *testing.T, d *db.DB, columns string) {
	t.Helper()
	if err := d.Write(t.Context(), func(tx *db.Tx) error {
		_, err := tx.Exec("CREATE TABLE things (" + columns + ")")
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

func TestValues(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		table(t, d, "id BIGINT PRIMARY KEY, name TEXT NOT NULL UNIQUE, yes BOOLEAN NOT NULL, at BIGINT, share DOUBLE PRECISION")
		type word string
		at := time.Date(2026, 11, 27, 9, 30, 0, 123456789, time.FixedZone("", 7200))
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			// $2 is used twice and before $1.
			n, err := tx.Exec("INSERT INTO things (name, yes, id, at, share) SELECT $2, $2 = $2, $1, $3, $4",
				db.NewID(), word("ä"), at, 0.25)
			if err != nil {
				return err
			}
			if n != 1 {
				t.Errorf("changed %d rows, want 1", n)
			}
			_, err = tx.Exec("INSERT INTO things (id, name, yes, at) VALUES ($1, $2, $3, $4)", 7, "none", false, nil)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		err = d.Read(t.Context(), func(tx *db.Tx) error {
			var name word
			var yes bool
			var got time.Time
			var share *float64
			if err := tx.QueryRow("SELECT name, yes, at, share FROM things WHERE at = $1", at).Scan(&name, &yes, &got, &share); err != nil {
				return err
			}
			if name != "ä" || !yes || !got.Equal(at.Truncate(time.Microsecond)) || *share != 0.25 {
				t.Errorf("read %q %v %v %v", name, yes, got, *share)
			}
			if err := tx.QueryRow("SELECT yes, at, share FROM things WHERE id = $1", 7).Scan(&yes, &got, &share); err != nil {
				return err
			}
			if yes || !got.IsZero() || share != nil {
				t.Errorf("read %v %v %v, want false, the zero time, nil", yes, got, share)
			}
			var sum int64
			if err := tx.QueryRow("SELECT SUM(id) FROM things").Scan(&sum); err != nil {
				return err
			}
			names, err := db.All(tx, func(s db.Scanner) (n string, err error) { return n, s.Scan(&n) },
				"SELECT name FROM things ORDER BY id")
			if len(names) != 2 || names[0] != "none" {
				t.Errorf("names are %q", names)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestNoRows(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		err := d.Read(t.Context(), func(tx *db.Tx) error {
			var id int64
			err := tx.QueryRow("SELECT id FROM members WHERE name = $1", "nobody").Scan(&id)
			if !errors.Is(err, db.ErrNoRows) {
				t.Errorf("found %v, want ErrNoRows", err)
			}
			// Nothing was wrong with the statement: the transaction goes on.
			return tx.QueryRow("SELECT COUNT(*) FROM members").Scan(&id)
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

// What PostgreSQL refuses, SQLite must refuse too.
func TestStrictness(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		table(t, d, "id BIGINT PRIMARY KEY, name TEXT NOT NULL UNIQUE")
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			if _, err := tx.Exec("INSERT INTO things (id, name) VALUES (1, 'a')"); err != nil {
				return err
			}
			_, err := tx.Exec("INSERT INTO things (id, name) VALUES (2, 'a')")
			if !db.IsUnique(err) {
				t.Errorf("found %v, want a unique violation", err)
			}
			if _, err := tx.Exec("INSERT INTO things (id, name) VALUES (3, 'b')"); err == nil {
				t.Error("a statement after a failed one was run")
			}
			return nil // swallowed: must not commit
		})
		if !db.IsUnique(err) {
			t.Errorf("commit said %v, want the unique violation", err)
		}
		err = d.Write(t.Context(), func(tx *db.Tx) error {
			rows, err := tx.Query("SELECT 1 UNION SELECT 2")
			if err != nil {
				return err
			}
			rows.Next()
			if _, err := tx.Exec("INSERT INTO things (id, name) VALUES (4, 'c')"); err == nil {
				t.Error("a statement was run while a result was being read")
			}
			rows.Close()
			_, err = tx.Exec("INSERT INTO things (id, name) VALUES (5, 'd')")
			return err
		})
		if err != nil {
			t.Error(err)
		}
		if err := d.Read(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec("INSERT INTO things (id, name) VALUES (6, 'e')")
			return err
		}); err == nil {
			t.Error("Read wrote")
		}
		err = d.Write(t.Context(), func(tx *db.Tx) error {
			return d.Read(tx.Context(), func(*db.Tx) error { return nil })
		})
		if err == nil {
			t.Error("a transaction was opened inside another")
		}
		err = d.Write(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec("INSERT INTO sessions (id, token_hash, member_id, agent, created_at, seen_at) VALUES (1, '', 99, '', 0, 0)")
			return err
		})
		if !db.IsForeignKey(err) {
			t.Errorf("found %v, want a foreign key violation", err)
		}
		var names []string
		if err := d.Read(t.Context(), func(tx *db.Tx) (err error) {
			names, err = db.All(tx, func(s db.Scanner) (n string, err error) { return n, s.Scan(&n) }, "SELECT name FROM things")
			return err
		}); err != nil || len(names) != 1 || names[0] != "d" {
			t.Errorf("found %q, %v; want only d", names, err)
		}
	})
}

func TestRollback(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		table(t, d, "id BIGINT PRIMARY KEY")
		insert := func(tx *db.Tx) {
			if _, err := tx.Exec("INSERT INTO things (id) VALUES ($1)", db.NewID()); err != nil {
				t.Error(err)
			}
		}
		boom := errors.New("boom")
		if err := d.Write(t.Context(), func(tx *db.Tx) error { insert(tx); return boom }); !errors.Is(err, boom) {
			t.Error(err)
		}
		func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic did not come through")
				}
			}()
			_ = d.Write(t.Context(), func(tx *db.Tx) error { insert(tx); panic("boom") })
		}()
		ctx, cancel := context.WithCancel(t.Context())
		if err := d.Write(ctx, func(tx *db.Tx) error { insert(tx); cancel(); return nil }); err == nil {
			t.Error("committed after its context ended")
		}
		var n int
		if err := d.Write(t.Context(), func(tx *db.Tx) error { // the writer is free again
			return tx.QueryRow("SELECT COUNT(*) FROM things").Scan(&n)
		}); err != nil || n != 0 {
			t.Errorf("found %d rows, %v", n, err)
		}
	})
}

// Many transactions that read and then write what they read: none may be lost.
func TestSerializable(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		table(t, d, "id BIGINT PRIMARY KEY, n BIGINT NOT NULL")
		if err := d.Write(t.Context(), func(tx *db.Tx) error {
			_, err := tx.Exec("INSERT INTO things (id, n) VALUES (1, 0), (2, 0)")
			return err
		}); err != nil {
			t.Fatal(err)
		}
		const workers, rounds = 6, 15
		var group sync.WaitGroup
		for range workers {
			group.Go(func() {
				for range rounds {
					if err := d.Write(t.Context(), func(tx *db.Tx) error {
						var sum int
						if err := tx.QueryRow("SELECT SUM(n) FROM things").Scan(&sum); err != nil {
							return err
						}
						_, err := tx.Exec("UPDATE things SET n = $1 WHERE id = 1", sum+1)
						return err
					}); err != nil {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		if err := d.Read(t.Context(), func(tx *db.Tx) error {
			var n int
			err := tx.QueryRow("SELECT SUM(n) FROM things").Scan(&n)
			if n != workers*rounds {
				t.Errorf("counted to %d, want %d", n, workers*rounds)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	})
}

func TestIDClashRunsAgain(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		table(t, d, "id BIGINT PRIMARY KEY")
		ids := []int64{5, 5, 5, 6}
		calls := 0
		for range 2 {
			if err := d.Write(t.Context(), func(tx *db.Tx) error {
				id := ids[calls]
				calls++
				_, err := tx.Exec("INSERT INTO things (id) VALUES ($1)", id)
				return err
			}); err != nil {
				t.Fatal(err)
			}
		}
		if calls != 4 {
			t.Errorf("ran %d times, want 4", calls)
		}
	})
}

func TestErrorsHideValues(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		for _, query := range []string{
			"SELECT id FROM nowhere WHERE name = $1",
			"INSERT INTO audit (id, at, actor_id, actor_name, action, subject, detail) VALUES ($1, 0, 0, '', '', '', NULL)",
			"SELECT CAST($1 AS TEXT) FROM members WHERE CAST(CAST($1 AS TEXT) AS BIGINT) = 1 AND nothing",
		} {
			err := d.Write(t.Context(), func(tx *db.Tx) error {
				_, err := tx.Exec(query, "s3cret")
				return err
			})
			if err == nil {
				t.Errorf("%s: no error", query)
				continue
			}
			if strings.Contains(err.Error(), "s3cret") {
				t.Errorf("the error shows the argument: %v", err)
			}
			words := strings.Join(strings.Fields(query)[:4], " ")
			if !strings.Contains(err.Error(), "cannot run "+words) {
				t.Errorf("the error does not name the statement: %v", err)
			}
		}
	})
}

func TestClock(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		at := time.Date(2026, 11, 27, 0, 0, 0, 999, time.UTC)
		d.SetClock(func() time.Time { at = at.Add(time.Second); return at })
		if err := d.Read(t.Context(), func(tx *db.Tx) error {
			if now := tx.Now(); now != tx.Now() || now.Nanosecond() != 0 {
				t.Errorf("now is %v and then %v", now, tx.Now())
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	})
}

func TestNewID(t *testing.T) {
	var group sync.WaitGroup
	var mu sync.Mutex
	seen := map[int64]bool{}
	for range 4 {
		group.Go(func() {
			last := int64(0)
			for range 5000 {
				id := db.NewID()
				if id <= last || id >= 1<<53 {
					t.Errorf("%d after %d", id, last)
				}
				last = id
				mu.Lock()
				if seen[id] {
					t.Errorf("%d twice", id)
				}
				seen[id] = true
				mu.Unlock()
			}
		})
	}
	group.Wait()
}

func TestMigrateAtOnce(t *testing.T) {
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "a b?#%.db") // what an address must escape
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			d, err := db.Open(ctx, path)
			if err != nil {
				t.Error(err)
				return
			}
			defer d.Close()
			if err := d.Migrate(ctx); err != nil {
				t.Error(err)
			}
			if err := d.Ping(ctx); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the file is %v, %v; want 0600", info, err)
	}
}

func TestMigrateAgain(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		var group sync.WaitGroup
		for range 3 {
			group.Go(func() {
				if err := d.Migrate(t.Context()); err != nil {
					t.Error(err)
				}
			})
		}
		group.Wait()
	})
}

func TestOpenRefuses(t *testing.T) {
	for _, address := range []string{
		"", "sqlite:", "sqlite::memory:", "mysql://host/x", filepath.Join(t.TempDir(), "none", "friday.db"),
		"postgres://u:hunter2@127.0.0.1:1/x?connect_timeout=1", "postgres://u:hunter2@%%",
	} {
		d, err := db.Open(t.Context(), address)
		if err == nil {
			d.Close()
			t.Errorf("%q was opened", address)
		} else if strings.Contains(err.Error(), "hunter2") {
			t.Errorf("the error shows the password: %v", err)
		}
	}
}

// A second process's view: two handles on one file, writing at once.
func TestTwoHandles(t *testing.T) {
	address := dbtest.SQLite(t)
	var group sync.WaitGroup
	for range 2 {
		d, err := db.Open(t.Context(), address)
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		group.Go(func() {
			for i := range 50 {
				if err := d.Write(t.Context(), func(tx *db.Tx) error {
					_, err := tx.Exec("INSERT INTO audit (id, at, actor_id, actor_name, action, subject, detail) VALUES ($1, $2, 0, '', $3, '', '')",
						db.NewID(), tx.Now(), fmt.Sprint(i))
					return err
				}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	group.Wait()
}
