package webhook

import (
	"fmt"

	"github.com/fridayos/friday/internal/db"
)

// Kept is for how long a delivery is kept, with what was sent and answered.
const Kept = keep

// Expire drops the deliveries past it, also while nothing happens that Sweep would
// read.
func Expire(tx *db.Tx) error {
	if _, err := tx.Exec("DELETE FROM webhook_deliveries WHERE created_at < $1", tx.Now().Add(-Kept)); err != nil {
		return fmt.Errorf("cannot drop old deliveries: %w", err)
	}
	return nil
}
