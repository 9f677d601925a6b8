package member

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/fridayos/friday/internal/audit"
	"github.com/fridayos/friday/internal/db"
)

// Grants are what a member is given beyond being one.
type Grants struct {
	Roles   []Role
	Devices []string // of a Maintainer: codenames
	Parts   []string // of a Maintainer: parts of the system, as the forum names them
}

// Largest grants: what one member can look after.
const (
	maxGrants = 200
	maxPart   = 100 // bytes of a name
)

// SetRoles gives a member exactly these roles; devices are those of a Maintainer.
func SetRoles(tx *db.Tx, actor Member, id int64, roles []Role, devices []string) error {
	return Appoint(tx, actor, id, Grants{Roles: roles, Devices: devices})
}

// Appoint gives a member exactly these grants. The last admin stays one. It is
// recorded in the audit trail.
func Appoint(tx *db.Tx, actor Member, id int64, g Grants) error {
	m, err := ByID(tx, id)
	if err != nil {
		return err
	}
	if err := g.check(); err != nil {
		return err
	}
	if m.Is(Admin) && !slices.Contains(g.Roles, Admin) {
		if err := notTheLast(tx, m); err != nil {
			return err
		}
	}
	for _, table := range []string{"member_roles", "member_parts"} {
		if _, err := tx.Exec("DELETE FROM "+table+" WHERE member_id = $1", id); err != nil {
			return err
		}
	}
	for _, role := range g.Roles {
		if role == Ordinary {
			continue
		}
		if err := grant(tx, id, role, ""); err != nil {
			return err
		}
	}
	for _, device := range g.Devices {
		if err := grant(tx, id, Maintainer, device); err != nil {
			return err
		}
	}
	for _, part := range g.Parts {
		if _, err := tx.Exec("INSERT INTO member_parts (member_id, part) VALUES ($1, $2) ON CONFLICT DO NOTHING", id, strings.TrimSpace(part)); err != nil {
			return err
		}
	}
	if err := EnrolmentsChanged(tx); err != nil {
		return err
	}
	detail, err := json.Marshal(map[string]any{"roles": g.Roles, "devices": g.Devices, "parts": g.Parts})
	if err != nil {
		return err
	}
	return audit.Record(tx, audit.Event{ActorID: actor.ID, Actor: actor.Name, Action: "member.roles", Subject: m.Name, Detail: string(detail)})
}

func (g Grants) check() error {
	for _, role := range g.Roles {
		if !slices.Contains(Roles(), role) {
			return NewInvalid("role", "role-unknown", "there is no role \"{Role}\"", "Role", role)
		}
	}
	if slices.Contains(g.Roles, Maintainer) != (len(g.Devices)+len(g.Parts) > 0) {
		return NewInvalid("role", "role-maintainer", "a maintainer has devices or parts, and nobody else has")
	}
	if len(g.Devices) > maxGrants || len(g.Parts) > maxGrants {
		return NewInvalid("role", "role-many", "one member maintains at most {N} devices and as many parts", "N", maxGrants)
	}
	for _, name := range slices.Concat(g.Devices, g.Parts) {
		if strings.TrimSpace(name) == "" || len(name) > maxPart {
			return NewInvalid("role", "role-name", "a device or part has no name, or a very long one")
		}
	}
	return nil
}

// notTheLast refuses when m is the only admin.
func notTheLast(tx *db.Tx, m Member) error {
	var admins int
	if err := tx.QueryRow("SELECT COUNT(*) FROM member_roles WHERE role = $1", Admin).Scan(&admins); err != nil {
		return err
	}
	if admins < 2 {
		return NewInvalid("role", "role-last", "{Name} is the only admin; make another one first", "Name", m.Name)
	}
	return nil
}

func grant(tx *db.Tx, id int64, role Role, device string) error {
	_, err := tx.Exec("INSERT INTO member_roles (member_id, role, device) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING", id, role, strings.TrimSpace(device))
	return err
}

// RolesOf reads the roles of several members, in the order of Roles; who has none
// beyond being a member is not in it.
func RolesOf(tx *db.Tx, members ...int64) (map[int64][]Role, error) {
	if len(members) == 0 {
		return nil, nil
	}
	var marks []string
	var args []any
	for i, id := range members {
		marks, args = append(marks, fmt.Sprintf("$%d", i+1)), append(args, id)
	}
	type row struct {
		id   int64
		role Role
	}
	rows, err := db.All(tx, func(s db.Scanner) (r row, err error) { return r, s.Scan(&r.id, &r.role) },
		"SELECT DISTINCT member_id, role FROM member_roles WHERE member_id IN ("+strings.Join(marks, ", ")+")", args...)
	all := map[int64][]Role{}
	for _, role := range Roles() {
		for _, r := range rows {
			if r.role == role {
				all[r.id] = append(all[r.id], role)
			}
		}
	}
	return all, err
}

// RoleChanges lists the latest changes of a member's roles, the newest first.
func RoleChanges(tx *db.Tx, m Member) ([]audit.Event, error) {
	return audit.List(tx, audit.Filter{Action: "member.roles", Subject: m.Name, Limit: 20})
}
