package feedback

import "github.com/fridayos/friday/internal/db"

// For the tests of pages.
const (
	PageWeight = pageWeight
	MaxWeight  = maxWeight
)

// ListQuery is the statement of a list.
func ListQuery(tx *db.Tx, v Viewer, f Filter) (string, []any) { return f.list(tx, v) }
