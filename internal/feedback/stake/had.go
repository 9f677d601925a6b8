package stake

import (
	"fmt"

	"github.com/fridayos/friday/internal/db"
)

// Mark is a thread that a member reported or has too, on a device.
type Mark struct {
	Thread int64
	Device string // feedback.AnyDevice: on none in particular
}

// Had lists what a member reported or has too, by thread and device.
func Had(tx *db.Tx, memberID int64) ([]Mark, error) {
	all, err := db.All(tx, func(s db.Scanner) (m Mark, err error) { return m, s.Scan(&m.Thread, &m.Device) },
		`SELECT thread_id, device FROM thread_affected WHERE member_id = $1 ORDER BY thread_id, device`, memberID)
	if err != nil {
		return nil, fmt.Errorf("cannot read what a member reported: %w", err)
	}
	return all, nil
}
