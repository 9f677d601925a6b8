package feedback

import "github.com/fridayos/friday/internal/db"

// For the tests of pages.
const (
	PageWeight = pageWeight
	MaxWeight  = maxWeight
)

// Statement is one of a list's, with its arguments.
type Statement struct {
	SQL  string
	Args []any
}

// ListStatements are those that read a list.
func ListStatements(tx *db.Tx, v Viewer, f Filter) (all []Statement, err error) {
	some, err := f.statements(tx, v)
	for _, s := range some {
		all = append(all, Statement{s.sql, s.args})
	}
	return all, err
}
