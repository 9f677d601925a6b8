package fleet

import (
	"fmt"
	"time"

	"github.com/fridayos/friday/internal/db"
)

// DaysKept is how long it is kept how many handsets asked on a day. None of it
// names a handset.
const DaysKept = 2 * ActiveDays * 24 * time.Hour

// ForgetDays drops the counts of days past DaysKept, also where nobody asks any
// more.
func ForgetDays(tx *db.Tx) error {
	if _, err := tx.Exec("DELETE FROM handset_days WHERE day <= $1", tx.Now().Unix()/86400-int64(DaysKept/(24*time.Hour))); err != nil {
		return fmt.Errorf("cannot forget old counts of active handsets: %w", err)
	}
	return nil
}
