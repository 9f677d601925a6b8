package db

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// Tx is a transaction on either database. It is used by one goroutine and is
// dead once the function it was given to returns.
type Tx struct {
	ctx    context.Context
	now    time.Time
	lite   *sql.Tx
	pg     pgx.Tx
	open   *Rows
	failed error
}

// Context is the transaction's: it ends when the caller's does.
func (tx *Tx) Context() context.Context { return tx.ctx }

// Now is the time of the transaction: the same for all it writes.
func (tx *Tx) Now() time.Time { return tx.now }

// SQL is the transaction on SQLite, nil on PostgreSQL: for River.
func (tx *Tx) SQL() *sql.Tx { return tx.lite }

// Pgx is the transaction on PostgreSQL, nil on SQLite: for River.
func (tx *Tx) Pgx() pgx.Tx { return tx.pg }

// Exec runs a statement and returns how many rows it changed.
func (tx *Tx) Exec(query string, args ...any) (int64, error) {
	if err := tx.ready(query); err != nil {
		return 0, err
	}
	args = plain(args)
	if tx.pg != nil {
		tag, err := tx.pg.Exec(tx.ctx, query, args...)
		return tag.RowsAffected(), tx.fail(wrap(query, err))
	}
	result, err := tx.lite.ExecContext(tx.ctx, query, args...)
	if err != nil {
		return 0, tx.fail(wrap(query, err))
	}
	n, err := result.RowsAffected()
	return n, tx.fail(wrap(query, err))
}

// Query runs a statement with a result. Read the Rows to the end or close them.
func (tx *Tx) Query(query string, args ...any) (*Rows, error) {
	if err := tx.ready(query); err != nil {
		return nil, err
	}
	args = plain(args)
	rows := &Rows{tx: tx, query: query}
	var err error
	if tx.pg != nil {
		rows.pg, err = tx.pg.Query(tx.ctx, query, args...)
	} else {
		rows.lite, err = tx.lite.QueryContext(tx.ctx, query, args...)
	}
	if err != nil {
		return nil, tx.fail(wrap(query, err))
	}
	tx.open = rows
	return rows, nil
}

// QueryRow runs a statement of which the first row is wanted; Row.Scan tells its errors.
func (tx *Tx) QueryRow(query string, args ...any) *Row {
	rows, err := tx.Query(query, args...)
	return &Row{rows, err}
}

// Scanner is a Row or Rows: what a noun's scan function takes.
type Scanner interface{ Scan(dest ...any) error }

// All reads every row of a query through scan.
func All[T any](tx *Tx, scan func(Scanner) (T, error), query string, args ...any) ([]T, error) {
	rows, err := tx.Query(query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var all []T
	for rows.Next() {
		one, err := scan(rows)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, rows.Err()
}

// ready refuses what one database would let pass and the other not.
func (tx *Tx) ready(query string) error {
	if tx.failed != nil {
		return wrap(query, fmt.Errorf("the transaction has already failed: %w", tx.failed))
	}
	if tx.open != nil {
		return wrap(query, fmt.Errorf("the result of %s is still being read; read it to the end or close it first", firstWords(tx.open.query)))
	}
	return nil
}

func (tx *Tx) fail(err error) error {
	if err != nil && tx.failed == nil {
		tx.failed = err
	}
	return err
}

// Fail marks the transaction as failed by err, if it is one, and returns it:
// for who runs statements on SQL or Pgx beside these methods, so that a
// conflict there is retried and nothing commits after a failure.
func (tx *Tx) Fail(err error) error { return tx.fail(err) }

func (tx *Tx) closeRows() {
	if tx.open != nil {
		tx.open.Close()
	}
}

func (tx *Tx) commit() error {
	if tx.pg != nil {
		return tx.pg.Commit(tx.ctx)
	}
	return tx.lite.Commit()
}

func (tx *Tx) rollback() {
	tx.closeRows()
	if tx.pg != nil {
		// Also after the caller's context ended: the connection goes back to the pool clean.
		ctx, cancel := context.WithTimeout(context.WithoutCancel(tx.ctx), 5*time.Second)
		defer cancel()
		_ = tx.pg.Rollback(ctx) // failing, it closes the connection, which rolls back too
		return
	}
	_ = tx.lite.Rollback()
}

// Rows is a result being read.
type Rows struct {
	tx    *Tx
	query string
	pg    pgx.Rows
	lite  *sql.Rows
	err   error
}

// Next goes to the next row; at the end, or after an error, it closes the result.
func (r *Rows) Next() bool {
	if r.pg != nil && r.pg.Next() || r.lite != nil && r.lite.Next() {
		return true
	}
	r.Close()
	return false
}

// Scan reads the current row into dest.
func (r *Rows) Scan(dest ...any) error {
	dest = scannable(dest)
	var err error
	if r.pg != nil {
		err = r.pg.Scan(dest...)
	} else {
		err = r.lite.Scan(dest...)
	}
	if err != nil {
		err = fmt.Errorf("cannot read the result of %s: %w", firstWords(r.query), err)
		r.err = errors.Join(r.err, err)
	}
	return err
}

// Err is the error that ended the reading, if any.
func (r *Rows) Err() error { return r.err }

// Close ends the reading; it may be called twice.
func (r *Rows) Close() {
	if r.tx.open != r {
		return
	}
	r.tx.open = nil
	var err error
	if r.pg != nil {
		r.pg.Close()
		err = r.pg.Err()
	} else {
		err = errors.Join(r.lite.Err(), r.lite.Close())
	}
	if err = wrap(r.query, err); err != nil {
		r.err = errors.Join(r.err, r.tx.fail(err))
	}
}

// Row is the first row of a result.
type Row struct {
	rows *Rows
	err  error
}

// Scan reads the row and closes the result; ErrNoRows, wrapped, if there is none.
func (r *Row) Scan(dest ...any) error {
	if r.err != nil {
		return r.err
	}
	defer r.rows.Close()
	if !r.rows.Next() {
		if err := r.rows.Err(); err != nil {
			return err
		}
		return wrap(r.rows.query, ErrNoRows)
	}
	if err := r.rows.Scan(dest...); err != nil {
		return err
	}
	r.rows.Close()
	return r.rows.Err()
}

// Micros is a time as the database keeps it; 0 for the zero time.
func Micros(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMicro()
}

// Time is the time of so many microseconds; the zero time for 0.
func Time(micros int64) time.Time {
	if micros == 0 {
		return time.Time{}
	}
	return time.UnixMicro(micros).UTC()
}

func plain(args []any) []any {
	out := args
	for i, arg := range args {
		if t, ok := arg.(time.Time); ok {
			if &out[0] == &args[0] {
				out = append([]any(nil), args...)
			}
			out[i] = Micros(t)
		}
	}
	return out
}

func scannable(dest []any) []any {
	out := dest
	for i, d := range dest {
		if t, ok := d.(*time.Time); ok {
			if &out[0] == &dest[0] {
				out = append([]any(nil), dest...)
			}
			out[i] = (*microsTime)(t)
		}
	}
	return out
}

// microsTime scans BIGINT microseconds.
type microsTime time.Time

func (m *microsTime) Scan(src any) error {
	switch v := src.(type) {
	case nil:
		*m = microsTime{}
	case int64:
		*m = microsTime(Time(v))
	default:
		return fmt.Errorf("cannot read a time: found %T, expected microseconds", src)
	}
	return nil
}
