package account

import (
	"net/url"
	"slices"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/site/page"
)

// grantable are the roles that an administrator gives by name; who maintains
// phones is a maintainer.
var grantable = []member.Role{member.Tester, member.Moderator, member.Admin}

// fillRoles offers an administrator the roles of a member.
func (v *memberView) fillRoles(c *page.Call, tx *db.Tx, m member.Member) error {
	for _, r := range grantable {
		v.Grants = append(v.Grants, page.Choice{Value: string(r), Word: c.Text.T("role." + string(r)), On: m.Is(r)})
	}
	cat, err := page.ReadCatalogue(tx)
	v.Maintains = cat.Choices(m.Devices...)
	return err
}

// SetRoles gives a member exactly the roles and phones that the form names.
func SetRoles(c *page.Call) error {
	name, f := c.R.PathValue("name"), c.R.PostForm
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
	err := c.Write(func(tx *db.Tx) error {
		m, err := member.ByName(tx, name)
		if err != nil {
			return err
		}
		name = m.Name
		if err := page.Known(tx, devices...); err != nil {
			return err
		}
		return member.SetRoles(tx, c.Viewer.Member, m.ID, roles, devices)
	})
	if err != nil {
		return err
	}
	return c.Redirect("/m/"+url.PathEscape(name), "roles")
}
