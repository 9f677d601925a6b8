package db

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"
	"github.com/riverqueue/river/riverdriver/riversqlite"
	"github.com/riverqueue/river/rivermigrate"
)

// One file a room, NNNNN_room.sql, run by goose. A file that has been shipped
// is never changed; a later one changes what it made. What the two databases
// do each in its own way lies in migrations/sqlite and migrations/postgres, with
// versions of its own, and runs after the others.
//
//go:embed migrations/*.sql migrations/*/*.sql
var migrations embed.FS

// Migrations are the rooms' SQL files.
func Migrations() fs.FS {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // only if the name were invalid
	}
	return files
}

// migrationLock is the key of PostgreSQL's advisory lock: "friday" in ASCII.
const migrationLock = 0x667269646179

// Migrate brings the tables up to date: the rooms' and then River's own. Any
// number of processes may call it at once; one works, the others wait.
func (d *DB) Migrate(ctx context.Context) error {
	unlock, err := d.lockMigrations(ctx)
	if err != nil {
		return fmt.Errorf("cannot migrate: %w", err)
	}
	defer unlock()
	pool, dialect := (*sql.DB)(nil), goose.DialectPostgres
	if d.pool != nil {
		pool = stdlib.OpenDBFromPool(d.pool)
	} else {
		dialect = goose.DialectSQLite3
		if pool, err = d.OpenSQLite(1); err != nil {
			return err
		}
	}
	defer pool.Close()
	if err := apply(ctx, pool, dialect, Migrations(), goose.DefaultTablename); err != nil {
		return err
	}
	own, err := fs.Sub(Migrations(), string(d.dialect))
	if err == nil {
		err = apply(ctx, pool, dialect, own, "goose_own_version")
	}
	if err != nil {
		return err
	}
	return d.migrateRiver(ctx, pool)
}

// apply runs the files of a folder that the version table does not have yet.
func apply(ctx context.Context, pool *sql.DB, dialect goose.Dialect, files fs.FS, versions string) error {
	// Out of order: rooms number their files for themselves.
	provider, err := goose.NewProvider(dialect, pool, files, goose.WithTableName(versions),
		goose.WithAllowOutofOrder(true), goose.WithDisableGlobalRegistry(true))
	if err == nil {
		_, err = provider.Up(ctx)
	}
	if err != nil {
		return fmt.Errorf("cannot migrate: %w", err)
	}
	return nil
}

func (d *DB) migrateRiver(ctx context.Context, pool *sql.DB) error {
	config := &rivermigrate.Config{Logger: slog.New(slog.DiscardHandler)}
	var err error
	if d.pool != nil {
		err = up(ctx, func() (*rivermigrate.Migrator[pgx.Tx], error) {
			return rivermigrate.New(riverpgxv5.New(d.pool), config)
		})
	} else {
		err = up(ctx, func() (*rivermigrate.Migrator[*sql.Tx], error) {
			return rivermigrate.New(riversqlite.New(pool), config)
		})
	}
	if err != nil {
		return fmt.Errorf("cannot migrate the jobs' tables: %w", err)
	}
	return nil
}

func up[T any](ctx context.Context, make func() (*rivermigrate.Migrator[T], error)) error {
	migrator, err := make()
	if err != nil {
		return err
	}
	_, err = migrator.Migrate(ctx, rivermigrate.DirectionUp, nil)
	return err
}

// lockMigrations waits for its turn by asking again and again: a session that
// sleeps inside pg_advisory_lock would hold up CREATE INDEX CONCURRENTLY.
func (d *DB) lockMigrations(ctx context.Context) (unlock func(), err error) {
	try := d.tryLockPostgres
	if d.pool == nil {
		try = d.tryLockFile
	}
	for {
		unlock, err = try(ctx)
		if unlock != nil || err != nil {
			return unlock, err
		}
		select {
		case <-time.After(50 * time.Millisecond):
		case <-ctx.Done():
			return nil, fmt.Errorf("another process is migrating: %w", ctx.Err())
		}
	}
}

func (d *DB) tryLockPostgres(ctx context.Context) (func(), error) {
	conn, err := d.pool.Acquire(ctx)
	if err != nil {
		return nil, err
	}
	var locked bool
	if err := conn.QueryRow(ctx, "SELECT pg_try_advisory_lock($1)", int64(migrationLock)).Scan(&locked); err != nil || !locked {
		conn.Release()
		return nil, err
	}
	return func() {
		// Closing the session lets go of the lock whatever happened to it.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
		defer cancel()
		_ = conn.Hijack().Close(ctx)
	}, nil
}

// tryLockFile locks a file beside the database: a transaction cannot span goose's and River's own.
func (d *DB) tryLockFile(context.Context) (func(), error) {
	file, err := os.OpenFile(d.path+".migrate", os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err == nil {
		return func() { file.Close() }, nil
	}
	file.Close()
	if errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EINTR) {
		return nil, nil
	}
	return nil, fmt.Errorf("cannot lock %s: %w", file.Name(), err)
}
