package member

import (
	"fmt"

	"github.com/fridayos/friday/internal/db"
)

// Steering lists who may move the rollouts of a device: its maintainers, and the
// administrators.
func Steering(tx *db.Tx, device string) ([]int64, error) {
	all, err := db.All(tx, func(s db.Scanner) (id int64, err error) { return id, s.Scan(&id) },
		"SELECT DISTINCT member_id FROM member_roles WHERE role = $1 OR role = $2 AND device = $3 ORDER BY member_id", string(Admin), string(Maintainer), device)
	if err != nil {
		return nil, fmt.Errorf("cannot find who steers rollouts of %s: %w", device, err)
	}
	return all, nil
}
