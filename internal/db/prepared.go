package db

import (
	"container/list"
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"strings"

	"modernc.org/sqlite"
)

// What a connection keeps compiled. A page takes some twenty statements, a
// thread's filing some thirty; compiling one takes longer than running it.
const (
	mostPrepared = 160 // statements, some kilobytes each
	mostSeen     = 256 // texts that were met once
)

// openPool opens SQLite connections that keep the statements they were given
// twice compiled, as pgx does for PostgreSQL.
func openPool(dsn string) (*sql.DB, error) {
	plain, err := sqlite.NewConnector(dsn)
	if err != nil {
		return nil, err
	}
	return sql.OpenDB(connector{plain}), nil
}

type connector struct{ driver.Connector }

func (c connector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	lite, ok := conn.(liteConn)
	if !ok {
		return nil, fmt.Errorf("cannot open connection: the driver's %T lacks what database/sql may ask of it", conn)
	}
	return &preparing{liteConn: lite, kept: map[string]*list.Element{}, seen: map[string]bool{}}, nil
}

// liteConn is what the driver's connections can do.
type liteConn interface {
	driver.Conn
	driver.ConnBeginTx
	driver.ConnPrepareContext
	driver.ExecerContext
	driver.Pinger
	driver.QueryerContext
	driver.SessionResetter
	driver.Validator
}

// preparing is a connection with its compiled statements; like any, it serves one
// goroutine at a time. The longest unused statement goes first.
type preparing struct {
	liteConn
	recent list.List // of *prepared, the last used in front
	kept   map[string]*list.Element
	seen   map[string]bool // texts met once: one that is made up for each call is not worth keeping
}

type prepared struct {
	query string
	stmt  driver.Stmt
	busy  bool // its rows are being read
}

// statement returns the compiled statement, nil for one that is to be run as text.
func (p *preparing) statement(ctx context.Context, query string) *prepared {
	if e := p.kept[query]; e != nil {
		one := e.Value.(*prepared)
		if one.busy {
			return nil
		}
		p.recent.MoveToFront(e)
		return one
	}
	if !repeats(query) {
		return nil
	}
	if !p.seen[query] {
		if len(p.seen) == mostSeen {
			clear(p.seen)
		}
		p.seen[query] = true
		return nil
	}
	stmt, err := p.PrepareContext(ctx, query)
	if err != nil { // run as text, it says what is wrong
		return nil
	}
	delete(p.seen, query)
	one := &prepared{query: query, stmt: stmt}
	p.kept[query] = p.recent.PushFront(one)
	for e := p.recent.Back(); p.recent.Len() > mostPrepared && e != nil; {
		old, before := e.Value.(*prepared), e.Prev()
		if !old.busy && old != one {
			p.recent.Remove(e)
			delete(p.kept, old.query)
			_ = old.stmt.Close() // of what ended long ago
		}
		e = before
	}
	return one
}

// repeats says whether a statement reads or changes rows: others (PRAGMA, CREATE,
// scripts of migrations) are run once.
func repeats(query string) bool {
	query = strings.TrimLeft(query, " \t\r\n")
	for _, verb := range []string{"SELECT", "INSERT", "UPDATE", "DELETE", "WITH"} {
		if len(query) > len(verb) && strings.EqualFold(query[:len(verb)], verb) {
			return true
		}
	}
	return false
}

// ExecContext implements driver.ExecerContext.
func (p *preparing) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if one := p.statement(ctx, query); one != nil {
		return one.stmt.(driver.StmtExecContext).ExecContext(ctx, args)
	}
	return p.liteConn.ExecContext(ctx, query, args)
}

// QueryContext implements driver.QueryerContext.
func (p *preparing) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	one := p.statement(ctx, query)
	if one == nil {
		return p.liteConn.QueryContext(ctx, query, args)
	}
	rows, err := one.stmt.(driver.StmtQueryContext).QueryContext(ctx, args)
	if err != nil {
		return nil, err
	}
	one.busy = true
	return &preparedRows{rows, one}, nil
}

// Close forgets all statements, and the connection.
func (p *preparing) Close() error {
	for e := p.recent.Front(); e != nil; e = e.Next() {
		_ = e.Value.(*prepared).stmt.Close()
	}
	p.recent.Init()
	clear(p.kept)
	return p.liteConn.Close()
}

type preparedRows struct {
	driver.Rows
	of *prepared
}

// Close implements driver.Rows.
func (r *preparedRows) Close() error {
	r.of.busy = false
	return r.Rows.Close()
}
