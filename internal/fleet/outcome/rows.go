package outcome

import (
	"iter"
	"math/bits"
	"strconv"

	"github.com/fridayos/friday/internal/db"
)

// Many rows in one statement: what one costs by itself, on its way to the
// database and there, is most of what a row costs. Too many are dear again:
// SQLite's driver asks for the name of each argument, and SQLite walks through all
// of them to find it. There are few lengths, all of them powers of two, since a
// database keeps what it was asked before compiled, by its text.
const (
	mostArgs = 400 // of one statement
	batch    = 128 // reports at once; each has three arguments in note
)

// pieces cuts args, rows of so many columns each, into what statements take.
func pieces(args []any, columns int) iter.Seq2[int, []any] {
	return func(yield func(rows int, args []any) bool) {
		for len(args) > 0 {
			rows := powerBelow(min(len(args), mostArgs) / columns)
			if !yield(rows, args[:rows*columns]) {
				return
			}
			args = args[rows*columns:]
		}
	}
}

// powerBelow is the largest power of two that is not above n, which is 1 or more.
func powerBelow(n int) int { return 1 << (bits.Len(uint(n)) - 1) }

// among fills a list of values to look for up to a power of two, by its last one
// again, and returns its placeholders.
func among(values []any) (marks string, filled []any) {
	n := powerBelow(len(values))
	if n < len(values) {
		n *= 2
	}
	for len(values) < n {
		values = append(values, values[len(values)-1])
	}
	return marksFrom(1, n), values
}

// insert writes rows of so many columns each; args are all their values.
func insert(tx *db.Tx, into string, columns int, args []any, then string) error {
	for n, some := range pieces(args, columns) {
		if _, err := tx.Exec(into+rows(n, columns)+then, some...); err != nil {
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
