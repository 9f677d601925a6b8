package fleet

import (
	"fmt"
	"time"

	"github.com/fridayos/friday/internal/db"
)

// How long what handsets report is kept apart, before only sums are left. None of
// it names a handset.
const (
	ClaimKept = claimKept * time.Second         // that a claimed handset has reported an event
	DaysKept  = 2 * ActiveDays * 24 * time.Hour // how many handsets asked on a day
)

// ForgetDays drops the counts of days past DaysKept, also where nobody asks any
// more.
func ForgetDays(tx *db.Tx) error {
	if _, err := tx.Exec("DELETE FROM handset_days WHERE day <= $1", tx.Now().Unix()/86400-int64(DaysKept/(24*time.Hour))); err != nil {
		return fmt.Errorf("cannot forget old counts of active handsets: %w", err)
	}
	return nil
}
