package member

import (
	"fmt"
	"slices"

	"github.com/fridayos/friday/internal/db"
)

// MaintainersOf are the members who speak for a part of the system or for one of
// the devices; where nobody does, all maintainers, and where there is none, the
// admins. It is never empty once the first admin is made.
func MaintainersOf(tx *db.Tx, part string, devices ...string) ([]int64, error) {
	type row struct {
		member     int64
		role, what string
	}
	rows, err := db.All(tx, func(s db.Scanner) (r row, err error) { return r, s.Scan(&r.member, &r.role, &r.what) },
		`SELECT member_id, role, device FROM member_roles WHERE role IN ('maintainer', 'admin')
		UNION ALL SELECT member_id, 'part', part FROM member_parts`)
	if err != nil {
		return nil, fmt.Errorf("cannot find maintainers: %w", err)
	}
	for _, fits := range []func(row) bool{
		func(r row) bool {
			return r.role == "part" && r.what == part || r.role == string(Maintainer) && slices.Contains(devices, r.what)
		},
		func(r row) bool { return r.role == string(Maintainer) },
		func(r row) bool { return r.role == string(Admin) },
	} {
		var ids []int64
		for _, r := range rows {
			if fits(r) {
				ids = append(ids, r.member)
			}
		}
		if len(ids) > 0 {
			slices.Sort(ids)
			return slices.Compact(ids), nil
		}
	}
	return nil, nil
}
