package site

import (
	"errors"
	"net/url"
	"slices"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/member"
)

// grantable are the roles that an administrator gives by name; who maintains
// phones is a maintainer.
var grantable = []member.Role{member.Tester, member.Moderator, member.Admin}

// fillRoles offers an administrator the roles of a member.
func (v *memberView) fillRoles(tx *db.Tx, m member.Member) error {
	for _, r := range grantable {
		v.Grants = append(v.Grants, option{Value: string(r), Word: string(r), On: m.Is(r)})
	}
	cat, err := readCatalogue(tx)
	v.Maintains = cat.options(m.Devices...)
	return err
}

// setRoles gives a member exactly the roles and phones that the form names.
func (c *call) setRoles() error {
	name, f := c.r.PathValue("name"), c.r.PostForm
	var roles []member.Role
	for _, r := range grantable {
		if slices.Contains(f["role"], string(r)) {
			roles = append(roles, r)
		}
	}
	devices := f["device"]
	if len(devices) > 0 {
		roles = append(roles, member.Maintainer)
	}
	err := c.write(func(tx *db.Tx) error {
		m, err := member.ByName(tx, name)
		if err != nil {
			return err
		}
		name = m.Name
		if err := known(tx, devices...); err != nil {
			return err
		}
		return member.SetRoles(tx, c.viewer.Member, m.ID, roles, devices)
	})
	var invalid *member.Invalid
	if errors.As(err, &invalid) {
		return &feedback.InputError{Field: "role", Message: "That cannot be: " + invalid.Reason + "."}
	}
	if err != nil {
		return err
	}
	return c.redirect("/m/"+url.PathEscape(name), "roles")
}
