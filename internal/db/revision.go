package db

import (
	"context"
	"fmt"
	"strconv"
)

// Revision names what the database shows now: it changes with every commit of any
// process, so that whatever was read after one Revision still holds as long as
// the next is the same. On PostgreSQL it may also change without a commit.
//
// It costs one small query, cheaper than beginning a transaction.
func (d *DB) Revision(ctx context.Context) (string, error) {
	if d.pool != nil {
		var snapshot string
		if err := d.pool.QueryRow(ctx, `SELECT pg_current_snapshot()::text`).Scan(&snapshot); err != nil {
			return "", fmt.Errorf("cannot read the database's revision: %w", err)
		}
		return snapshot, nil
	}
	// data_version counts the commits of all connections but the one that asks: this
	// one asks and does nothing else.
	d.watching.Lock()
	defer d.watching.Unlock()
	if d.watcher == nil {
		conn, err := d.reader.Conn(context.WithoutCancel(ctx))
		if err != nil {
			return "", fmt.Errorf("cannot read the database's revision: %w", err)
		}
		statement, err := conn.PrepareContext(context.WithoutCancel(ctx), "PRAGMA data_version")
		if err != nil {
			conn.Close()
			return "", fmt.Errorf("cannot read the database's revision: %w", err)
		}
		d.watchConn, d.watcher = conn, statement
	}
	var version int64
	// Not with ctx: a statement that is broken off would take the connection along.
	if err := d.watcher.QueryRowContext(context.WithoutCancel(ctx)).Scan(&version); err != nil {
		d.unwatch()
		return "", fmt.Errorf("cannot read the database's revision: %w", err)
	}
	return strconv.FormatInt(d.watched, 36) + "." + strconv.FormatInt(version, 36), nil
}

// unwatch gives the connection back; what the next one counts is not comparable.
func (d *DB) unwatch() {
	if d.watcher != nil {
		d.watcher.Close()
		d.watchConn.Close()
		d.watcher, d.watchConn = nil, nil
		d.watched++
	}
}
