package notice

import (
	"fmt"

	"github.com/fridayos/friday/internal/db"
)

// Kept is for how long a notice is kept, read or not.
const Kept = keep

// Expire drops the notices past it, also while nothing happens that Sweep would
// read.
func Expire(tx *db.Tx) error {
	if _, err := tx.Exec("DELETE FROM notices WHERE at < $1", tx.Now().Add(-Kept)); err != nil {
		return fmt.Errorf("cannot drop old notices: %w", err)
	}
	return nil
}
