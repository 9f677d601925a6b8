package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"time"
)

// How long a statement waits for another process (serve, worker and the
// command line share the file) before SQLITE_BUSY.
const busyTimeout = 10 * time.Second

// How long Write waits for this process's own writer connection. Longer can
// only be a Write inside a Write, which would wait for itself for ever.
const writerTimeout = 30 * time.Second

func (d *DB) openSQLite(ctx context.Context, path string) error {
	if path == "" || strings.Contains(path, ":memory:") {
		return fmt.Errorf("cannot open database %q: expected the path of a file", path)
	}
	path, err := filepath.Abs(path)
	if err != nil {
		return fmt.Errorf("cannot open database: %w", err)
	}
	// SQLite would create it readable by all; it holds password hashes. Its
	// -wal and -shm files take over these permissions.
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("cannot open database: %w", err)
	}
	file.Close()

	d.dialect, d.path = SQLite, path
	if d.writer, err = d.OpenSQLite(1); err != nil {
		return err
	}
	// The first connection turns WAL on, which needs the file to itself for a moment.
	if err := d.enableWAL(ctx); err != nil {
		d.writer.Close()
		return fmt.Errorf("cannot open database %s: %w", path, err)
	}
	if d.reader, err = openPool(d.dsn("_txlock=deferred", "_pragma=query_only(1)")); err != nil {
		d.writer.Close()
		return fmt.Errorf("cannot open database %s: %w", path, err)
	}
	readers := max(4, 2*runtime.NumCPU())
	d.reader.SetMaxOpenConns(readers + 1) // Revision keeps one
	d.reader.SetMaxIdleConns(readers)
	return nil
}

// OpenSQLite opens a pool of its own of writing connections to the same file;
// nil on PostgreSQL. River gets one, so that its polling does not wait for,
// or hold up, the process's writer. The caller closes it.
func (d *DB) OpenSQLite(connections int) (*sql.DB, error) {
	if d.dialect != SQLite {
		return nil, nil
	}
	pool, err := openPool(d.dsn("_txlock=immediate"))
	if err != nil {
		return nil, fmt.Errorf("cannot open database %s: %w", d.path, err)
	}
	pool.SetMaxOpenConns(connections)
	pool.SetMaxIdleConns(connections)
	return pool, nil
}

func (d *DB) dsn(options ...string) string {
	address := url.URL{Scheme: "file", Path: d.path}
	// synchronous=FULL: with WAL, NORMAL would keep the file whole through a
	// power cut but may forget the last commits. What is recorded here (a
	// package published, a rollout halted, a session ended) has already been
	// acted upon, and writes are few since check-ins do not write: one fsync
	// each is the right price.
	return address.String() + "?" + strings.Join(append([]string{
		fmt.Sprintf("_pragma=busy_timeout(%d)", busyTimeout.Milliseconds()),
		"_pragma=synchronous(FULL)",
		"_pragma=foreign_keys(1)",
	}, options...), "&")
}

func (d *DB) enableWAL(ctx context.Context) error {
	for deadline := time.Now().Add(busyTimeout); ; {
		var mode string
		err := d.writer.QueryRowContext(ctx, "PRAGMA journal_mode=WAL").Scan(&mode)
		if err == nil && mode != "wal" {
			return fmt.Errorf("journal mode is %q, expected wal: the file system cannot share memory between processes; use a local disk", mode)
		}
		// The change of mode does not wait as busy_timeout says.
		if err == nil || !isConflict(err) || time.Now().After(deadline) {
			return err
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func (d *DB) writerConn(ctx context.Context) (*sql.Conn, error) {
	limited, cancel := context.WithTimeout(ctx, writerTimeout)
	defer cancel()
	conn, err := d.writer.Conn(limited)
	if errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
		return nil, fmt.Errorf("the writer has been in use for %v; a Write inside a Write waits for itself", writerTimeout)
	}
	return conn, err
}
