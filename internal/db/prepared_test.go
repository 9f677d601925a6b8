package db

import (
	"context"
	"fmt"
	"path/filepath"
	"testing"
)

func preparedPool(t *testing.T) *DB {
	t.Helper()
	d, err := Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "a.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	if err := d.Write(t.Context(), func(tx *Tx) error {
		_, err := tx.Exec(`CREATE TABLE things (id BIGINT PRIMARY KEY, word TEXT NOT NULL)`)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return d
}

// TestPreparedStatements: a statement that is kept compiled answers as its text
// would: with other arguments, after a failure, and after the table has changed.
func TestPreparedStatements(t *testing.T) {
	d := preparedPool(t)
	ctx := context.Background()
	put := func(id int64, word string) error {
		return d.Write(ctx, func(tx *Tx) error {
			_, err := tx.Exec(`INSERT INTO things (id, word) VALUES ($1, $2)`, id, word)
			return err
		})
	}
	words := func() (all []string) {
		t.Helper()
		if err := d.Read(ctx, func(tx *Tx) (err error) {
			all, err = All(tx, func(s Scanner) (w string, err error) { return w, s.Scan(&w) }, `SELECT word FROM things WHERE id > $1 ORDER BY id`, 0)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		return all
	}
	for i := range int64(5) {
		if err := put(i+1, fmt.Sprint("w", i+1)); err != nil {
			t.Fatal(err)
		}
		if err := put(i+1, "again"); err == nil {
			t.Fatal("a second row of the same id was put in")
		}
		if got := words(); len(got) != int(i+1) || got[i] != fmt.Sprint("w", i+1) {
			t.Fatalf("after %d rows: %v", i+1, got)
		}
	}
	if err := d.Write(ctx, func(tx *Tx) error {
		_, err := tx.Exec(`ALTER TABLE things ADD COLUMN more TEXT NOT NULL DEFAULT 'x'`)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if got := words(); len(got) != 5 {
		t.Fatalf("after the table has changed: %v", got)
	}
	// A canceled statement leaves the next one whole.
	gone, cancel := context.WithCancel(ctx)
	cancel()
	_ = d.Read(gone, func(tx *Tx) error {
		_, err := tx.Query(`SELECT word FROM things WHERE id > $1 ORDER BY id`, 0)
		return err
	})
	if got := words(); len(got) != 5 {
		t.Fatalf("after one that was given up: %v", got)
	}
}

// TestPreparedAreBounded: what is made up for each call is not kept, and of what
// repeats so much as fits.
func TestPreparedAreBounded(t *testing.T) {
	d := preparedPool(t)
	conn, err := d.writer.Conn(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	count := func() (n, seen int) {
		t.Helper()
		if err := conn.Raw(func(c any) error {
			p := c.(*preparing)
			if len(p.kept) != p.recent.Len() {
				t.Errorf("%d are found, %d are held", len(p.kept), p.recent.Len())
			}
			n, seen = len(p.kept), len(p.seen)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return n, seen
	}
	for i := range 1000 {
		if _, err := conn.ExecContext(t.Context(), fmt.Sprintf(`DELETE FROM things WHERE id = %d`, i)); err != nil {
			t.Fatal(err)
		}
	}
	if n, seen := count(); n != 0 || seen > mostSeen {
		t.Errorf("%d statements that came once are kept, %d are remembered", n, seen)
	}
	for i := range 2 * mostPrepared {
		for range 3 {
			var n int
			if err := conn.QueryRowContext(t.Context(), fmt.Sprintf(`SELECT COUNT(*) + %d FROM things`, i)).Scan(&n); err != nil || n != i {
				t.Fatalf("%d, %v, expected %d", n, err, i)
			}
		}
	}
	if n, _ := count(); n != mostPrepared {
		t.Errorf("%d statements are kept, expected %d", n, mostPrepared)
	}
	// One that is being read is not run again beneath its reader.
	query := `SELECT word FROM things`
	for range 2 {
		if _, err := conn.ExecContext(t.Context(), `INSERT INTO things (id, word) SELECT COALESCE(MAX(id), 0) + 1, 'w' FROM things`); err != nil {
			t.Fatal(err)
		}
		if _, err := conn.ExecContext(t.Context(), query); err != nil {
			t.Fatal(err)
		}
	}
	outer, err := conn.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer outer.Close()
	n := 0
	for outer.Next() {
		inner, err := conn.QueryContext(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		for inner.Next() {
			n++
		}
		inner.Close()
	}
	if n != 4 {
		t.Errorf("two readers of the same two rows saw %d, expected 4", n)
	}
}
