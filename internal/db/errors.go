package db

import (
	"errors"
	"regexp"
	"strings"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
	"modernc.org/sqlite"
)

// ErrNoRows is what Row.Scan returns, wrapped, when there is no row.
var ErrNoRows = errors.New("no rows")

// errConflict marks a commit that PostgreSQL turned into a rollback.
var errConflict = pgx.ErrTxCommitRollback

// SQLite's result codes, https://sqlite.org/rescode.html.
const (
	sqliteBusy       = 5
	sqliteLocked     = 6
	sqlitePrimaryKey = 1555
	sqliteUnique     = 2067
	sqliteForeignKey = 787
)

// queryError names the statement by its first words. Arguments never appear:
// they may be secrets, and errors are logged.
type queryError struct {
	words string
	err   error
}

func (e *queryError) Error() string { return "cannot run " + e.words + ": " + withoutValues(e.err) }
func (e *queryError) Unwrap() error { return e.err }

func wrap(query string, err error) error {
	if err == nil {
		return nil
	}
	return &queryError{firstWords(query), err}
}

func firstWords(query string) string {
	words := strings.Fields(query)
	if len(words) > 5 {
		words = append(words[:5:5], "…")
	}
	return strings.Join(words, " ")
}

// pgx quotes the value it could not encode.
var encodeError = regexp.MustCompile(`(?s)failed to encode args\[(\d+)\]: .*`)

func withoutValues(err error) string {
	var pg *pgconn.PgError
	if errors.As(err, &pg) && strings.HasPrefix(pg.Code, "22") { // data exceptions quote the value
		return "a value does not fit its column (SQLSTATE " + pg.Code + ")"
	}
	return encodeError.ReplaceAllString(err.Error(), "argument $1 (counted from 0) does not fit its column's type")
}

// IsUnique tells whether err is a violated UNIQUE or PRIMARY KEY constraint.
func IsUnique(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code == "23505"
	}
	code := sqliteCode(err)
	return code == sqliteUnique || code == sqlitePrimaryKey
}

// IsForeignKey tells whether err is a reference to a row that does not exist.
func IsForeignKey(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code == "23503"
	}
	return sqliteCode(err) == sqliteForeignKey
}

func sqliteCode(err error) int {
	var lite *sqlite.Error
	if errors.As(err, &lite) {
		return lite.Code()
	}
	return 0
}

// isConflict tells whether the transaction lost against another and may win when run again.
func isConflict(err error) bool {
	if err == nil {
		return false
	}
	if errors.Is(err, errConflict) {
		return true
	}
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code == "40001" || pg.Code == "40P01"
	}
	code := sqliteCode(err) & 0xff
	return code == sqliteBusy || code == sqliteLocked
}

// isIDClash tells whether two nodes drew the same id in the same millisecond
// (see NewID): run again, the transaction draws another.
func isIDClash(err error) bool {
	var pg *pgconn.PgError
	if errors.As(err, &pg) {
		return pg.Code == "23505" && strings.HasPrefix(pg.Detail, "Key (id)=")
	}
	return sqliteCode(err) == sqlitePrimaryKey && strings.HasSuffix(strings.TrimSuffix(err.Error(), " (1555)"), ".id")
}
