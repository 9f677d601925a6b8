// Package db opens Friday's database, SQLite in a folder or PostgreSQL, and
// gives both one transaction type. Rooms write plain SQL that both understand
// ($1 placeholders, BIGINT, BOOLEAN, TEXT, ON CONFLICT … RETURNING) and pass a
// *Tx around; nobody above this package knows which of the two it is.
//
// It is not an ORM and holds no noun's tables: a noun's SQL lies in its own
// package, its tables in migrations/NNNNN_room.sql.
//
// Rules that hold on both databases, so that a test on one says something
// about the other:
//
//   - Times are BIGINT microseconds since 1970 in UTC. A time.Time argument is
//     converted, a *time.Time destination too; 0 and NULL are the zero time.
//   - After a statement has failed, the transaction is over: the next one fails
//     and nothing is committed. Use ON CONFLICT where a clash is expected.
//   - A result is read to its end or closed before the next statement.
//   - The function given to Write may run several times: it changes nothing but
//     the database, or sets what it sets afresh each time.
package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
)

// Dialect names the kind of database.
type Dialect string

// The two databases.
const (
	SQLite   Dialect = "sqlite"
	Postgres Dialect = "postgres"
)

// DB is an open database. It is safe for use by many goroutines.
type DB struct {
	dialect Dialect
	clock   atomic.Pointer[func() time.Time]

	// SQLite: writes go one after the other through a single connection,
	// reads run beside them on a pool (WAL).
	path   string
	writer *sql.DB
	reader *sql.DB

	watching  sync.Mutex // of what Revision uses
	watchConn *sql.Conn
	watcher   *sql.Stmt
	watched   int64 // connections so far

	pool *pgxpool.Pool // PostgreSQL
}

// Open opens a database: "sqlite:PATH" or a plain path, which is created when
// missing, or "postgres://…". It does not migrate.
func Open(ctx context.Context, url string) (*DB, error) {
	d := &DB{}
	d.SetClock(time.Now)
	var err error
	scheme, rest, found := strings.Cut(url, ":")
	switch {
	case url == "":
		return nil, errors.New("cannot open database: no address given, expected sqlite:PATH or postgres://…")
	case found && (scheme == "postgres" || scheme == "postgresql"):
		err = d.openPostgres(ctx, url)
	case found && scheme == "sqlite":
		err = d.openSQLite(ctx, strings.TrimPrefix(rest, "//"))
	case found && strings.HasPrefix(rest, "//"):
		return nil, fmt.Errorf("cannot open database: unknown kind %q, expected sqlite:PATH or postgres://…", scheme)
	default:
		err = d.openSQLite(ctx, url)
	}
	if err != nil {
		return nil, err
	}
	return d, nil
}

// Dialect tells which database it is; for what must differ, as search does.
func (d *DB) Dialect() Dialect { return d.dialect }

// SetClock replaces the clock that Tx.Now reads: for tests and the demo.
func (d *DB) SetClock(now func() time.Time) { d.clock.Store(&now) }

// Now is the clock's time, in UTC, cut to microseconds as the database keeps it.
func (d *DB) Now() time.Time { return (*d.clock.Load())().UTC().Truncate(time.Microsecond) }

// Close waits for running statements and closes all connections.
func (d *DB) Close() error {
	if d.pool != nil {
		d.pool.Close()
		return nil
	}
	d.watching.Lock()
	d.unwatch()
	d.watching.Unlock()
	return errors.Join(d.reader.Close(), d.writer.Close())
}

// Ping answers whether the database can be reached: for readiness.
func (d *DB) Ping(ctx context.Context) error {
	var err error
	if d.pool != nil {
		err = d.pool.Ping(ctx)
	} else {
		err = d.reader.PingContext(ctx)
	}
	if err != nil {
		return fmt.Errorf("cannot reach database: %w", err)
	}
	return nil
}

// Pool is PostgreSQL's pool, nil on SQLite: for what speaks to it by itself, as River does.
func (d *DB) Pool() *pgxpool.Pool { return d.pool }

// Write runs fn in a serializable transaction and commits if fn returns nil.
// A conflict with another transaction runs fn again, a bounded number of times.
func (d *DB) Write(ctx context.Context, fn func(tx *Tx) error) error {
	return d.retry(ctx, fn, true)
}

// Read runs fn on one snapshot; it cannot write.
func (d *DB) Read(ctx context.Context, fn func(tx *Tx) error) error {
	return d.retry(ctx, fn, false)
}

// Conflicts end within a few rounds; more than this is a fault that waiting does not mend.
const (
	maxAttempts = 12
	maxRetrying = 30 * time.Second
)

func (d *DB) retry(ctx context.Context, fn func(tx *Tx) error, write bool) error {
	if ctx.Value(inTx{d}) != nil {
		return errors.New("cannot begin transaction: one is already open in this context; pass its Tx on")
	}
	began := time.Now()
	for attempt := 1; ; attempt++ {
		again, err := d.once(ctx, fn, write)
		if err == nil || !again {
			return err
		}
		if attempt == maxAttempts || time.Since(began) > maxRetrying {
			return fmt.Errorf("cannot commit after %d attempts: %w", attempt, err)
		}
		// Full jitter: two that clashed must not clash again in step.
		limit := min(4*time.Millisecond<<attempt, 500*time.Millisecond)
		select {
		case <-time.After(rand.N(limit)):
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

type inTx struct{ d *DB }

// once runs fn once and tells whether another try may succeed where this one failed.
func (d *DB) once(ctx context.Context, fn func(tx *Tx) error, write bool) (again bool, err error) {
	tx := &Tx{ctx: context.WithValue(ctx, inTx{d}, true), now: d.Now()}
	done, err := d.begin(ctx, tx, write)
	if err != nil {
		return write && isConflict(err), fmt.Errorf("cannot begin transaction: %w", err)
	}
	committed := false
	defer func() { // also when fn panics
		if !committed {
			tx.rollback()
		}
		done()
	}()
	err = fn(tx)
	tx.closeRows()
	if err == nil {
		err = tx.failed
	}
	if err != nil {
		return isConflict(err) || isConflict(tx.failed) || isIDClash(tx.failed), err
	}
	committed = true // a failed commit has rolled back by itself
	if err := tx.commit(); err != nil {
		return isConflict(err), fmt.Errorf("cannot commit: %w", err)
	}
	return false, nil
}

func (d *DB) begin(ctx context.Context, tx *Tx, write bool) (done func(), err error) {
	if d.pool != nil {
		options := pgx.TxOptions{IsoLevel: pgx.RepeatableRead, AccessMode: pgx.ReadOnly}
		if write {
			options = pgx.TxOptions{IsoLevel: pgx.Serializable}
		}
		tx.pg, err = d.pool.BeginTx(ctx, options)
		return func() {}, err
	}
	if !write {
		tx.lite, err = d.reader.BeginTx(ctx, nil)
		return func() {}, err
	}
	conn, err := d.writerConn(ctx)
	if err != nil {
		return nil, err
	}
	if tx.lite, err = conn.BeginTx(ctx, nil); err != nil {
		conn.Close()
		return nil, err
	}
	return func() { conn.Close() }, nil
}
