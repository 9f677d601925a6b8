package outcome

import (
	"slices"
	"strconv"

	"github.com/fridayos/friday/internal/db"
)

// Many rows in one statement: what one costs by itself, on its way to the
// database and there, is most of what a row costs. Too many are dear again:
// SQLite's driver asks for the name of each argument, and SQLite walks through all
// of them to find it.
const (
	mostArgs = 400          // of one statement
	batch    = mostArgs / 3 // reports at once; each has three in insertSeen
)

// insert writes rows of so many columns each; args are all their values.
func insert(tx *db.Tx, into string, columns int, args []any, then string) error {
	for some := range slices.Chunk(args, mostArgs/columns*columns) {
		if _, err := tx.Exec(into+rows(len(some)/columns, columns)+then, some...); err != nil {
			return err
		}
	}
	return nil
}

// rows are the placeholders of n rows: ($1, $2), ($3, $4).
func rows(n, columns int) string {
	b := make([]byte, 0, n*columns*7)
	for i := range n {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = append(append(b, '('), marksFrom(i*columns+1, columns)...)
		b = append(b, ')')
	}
	return string(b)
}

// marks are n placeholders.
func marks(n int) string { return marksFrom(1, n) }

func marksFrom(first, n int) string {
	b := make([]byte, 0, n*7)
	for i := range n {
		if i > 0 {
			b = append(b, ", "...)
		}
		b = strconv.AppendInt(append(b, '$'), int64(first+i), 10)
	}
	return string(b)
}
