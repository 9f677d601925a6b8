package page

import (
	"slices"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/member/trust"
	"github.com/fridayos/friday/internal/reputation"
)

// Badges are what stands beside members' names in a thread: the role in which they
// may decide, and their rarest medal; two short words at most.
func (c *Call) Badges(tx *db.Tx, members []int64) (map[int64][]string, error) {
	slices.Sort(members)
	members = slices.Compact(members)
	if len(members) == 0 {
		return nil, nil
	}
	roles, err := member.RolesOf(tx, members...)
	if err != nil {
		return nil, err
	}
	won, err := reputation.MedalsOf(tx, members...)
	if err != nil {
		return nil, err
	}
	all := map[int64][]string{}
	for _, id := range members {
		for _, r := range []member.Role{member.Admin, member.Moderator, member.Maintainer} {
			if slices.Contains(roles[id], r) {
				all[id] = append(all[id], c.Text.T("role."+string(r)))
				break
			}
		}
		var keys []string
		for _, w := range won[id] {
			keys = append(keys, w.Medal)
		}
		if key := trust.Rarest(keys); key != "" {
			all[id] = append(all[id], c.Text.T("medal."+key))
		}
	}
	return all, nil
}
