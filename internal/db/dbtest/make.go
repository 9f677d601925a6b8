package dbtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"

	"github.com/fridayos/friday/internal/db"
)

// SQLite makes a fresh, migrated database and returns its address: for tests
// that open it several times, or from several processes.
func SQLite(t testing.TB) string {
	t.Helper()
	template, err := liteTemplate()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "friday.db")
	if err := os.WriteFile(path, template, 0o600); err != nil {
		t.Fatal(err)
	}
	return "sqlite:" + path
}

var liteTemplate = sync.OnceValues(func() ([]byte, error) {
	dir, err := os.MkdirTemp("", "friday-dbtest-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "template.db")
	if err := migrate("sqlite:" + path); err != nil {
		return nil, err
	}
	return os.ReadFile(path) // closing has folded the WAL into it
})

func migrate(address string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	d, err := db.Open(ctx, address)
	if err != nil {
		return err
	}
	return errors.Join(d.Migrate(ctx), d.Close())
}

// Postgres makes a fresh, migrated database, dropped after the test, and
// returns its address. It skips the test without FRIDAY_TEST_POSTGRES.
func Postgres(t testing.TB) string {
	t.Helper()
	base := os.Getenv("FRIDAY_TEST_POSTGRES")
	if base == "" {
		t.Skip("needs PostgreSQL: set FRIDAY_TEST_POSTGRES, or run under scripts/with-postgres")
	}
	template, err := postgresTemplate(base)
	if err != nil {
		t.Fatal(err)
	}
	name := fmt.Sprintf("friday_test_%d_%d", os.Getpid(), db.NewID())
	if err := admin(base, func(ctx context.Context, c *pgx.Conn) error {
		_, err := c.Exec(ctx, "CREATE DATABASE "+name+" TEMPLATE "+template)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := admin(base, func(ctx context.Context, c *pgx.Conn) error {
			_, err := c.Exec(ctx, "DROP DATABASE "+name+" WITH (FORCE)")
			return err
		}); err != nil {
			t.Error(err)
		}
	})
	return withDatabase(base, name)
}

var templates sync.Map // base address to func() (string, error)

func postgresTemplate(base string) (string, error) {
	once, _ := templates.LoadOrStore(base, sync.OnceValues(func() (string, error) { return makeTemplate(base) }))
	return once.(func() (string, error))()
}

// makeTemplate makes the template unless another process has.
func makeTemplate(base string) (string, error) {
	sum, err := migrationsDigest()
	if err != nil {
		return "", err
	}
	name := "friday_template_" + sum
	err = admin(base, func(ctx context.Context, c *pgx.Conn) error {
		if _, err := c.Exec(ctx, "SELECT pg_advisory_lock(7141)"); err != nil { // let go when the session ends
			return err
		}
		var exists bool
		if err := c.QueryRow(ctx, "SELECT EXISTS (SELECT 1 FROM pg_database WHERE datname = $1)", name).Scan(&exists); err != nil || exists {
			return err
		}
		making := name + "_making"
		if _, err := c.Exec(ctx, "DROP DATABASE IF EXISTS "+making+" WITH (FORCE)"); err != nil {
			return err
		}
		if _, err := c.Exec(ctx, "CREATE DATABASE "+making); err != nil {
			return err
		}
		if err := migrate(withDatabase(base, making)); err != nil {
			return err
		}
		// A backend that is just closing may still be counted.
		for {
			_, err := c.Exec(ctx, "ALTER DATABASE "+making+" RENAME TO "+name)
			var pg *pgconn.PgError
			if !errors.As(err, &pg) || pg.Code != "55006" || ctx.Err() != nil {
				return err
			}
			time.Sleep(20 * time.Millisecond)
		}
	})
	return name, err
}

func migrationsDigest() (string, error) {
	sum := sha256.New()
	files := db.Migrations()
	var names []string
	err := fs.WalkDir(files, ".", func(name string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			names = append(names, name)
		}
		return err
	})
	if err != nil {
		return "", err
	}
	for _, name := range names {
		text, err := fs.ReadFile(files, name)
		if err != nil {
			return "", err
		}
		fmt.Fprintf(sum, "%s %d %s", name, len(text), text)
	}
	return hex.EncodeToString(sum.Sum(nil))[:16], nil
}

func admin(base string, fn func(ctx context.Context, c *pgx.Conn) error) error {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	c, err := pgx.Connect(ctx, base)
	if err != nil {
		return fmt.Errorf("cannot reach FRIDAY_TEST_POSTGRES: %w", err)
	}
	return errors.Join(fn(ctx, c), c.Close(ctx))
}

func withDatabase(base, name string) string {
	u, err := url.Parse(base)
	if err != nil || !strings.HasPrefix(u.Scheme, "postgres") {
		panic("FRIDAY_TEST_POSTGRES is not a postgres:// address")
	}
	u.Path = "/" + name
	return u.String()
}
