package account

import (
	"encoding/json"
	"net/url"
	"slices"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/site/page"
	"github.com/fridayos/friday/internal/site/tell"
)

// grantable are the roles that an administrator gives by name; who maintains
// phones or parts of the system is a maintainer.
var grantable = []member.Role{member.Tester, member.Moderator, member.Admin}

// fillRoles offers an administrator the roles of a member.
func (v *memberView) fillRoles(c *page.Call, tx *db.Tx, m member.Member) error {
	for _, r := range grantable {
		v.Grants = append(v.Grants, page.Choice{Value: string(r), Word: c.Text.T("role." + string(r)), On: m.Is(r)})
	}
	cat, err := page.ReadCatalogue(tx)
	v.Maintains = cat.Choices(m.Devices...)
	parts := feedback.Parts()
	for _, p := range m.Parts { // one that the list no longer has can be taken away, and is not lost unseen
		if !slices.Contains(parts, p) {
			parts = append(parts, p)
		}
	}
	for _, p := range parts {
		v.Parts = append(v.Parts, page.Choice{Value: p, Word: tell.Part(c.Text, p), On: slices.Contains(m.Parts, p)})
	}
	return err
}

// roleChange is an entry of the audit trail about a member's roles.
type roleChange struct {
	At      time.Time
	By      string
	Granted []string // empty: all was taken
}

// changes reads what was given to a member and taken, the newest first.
func changes(c *page.Call, tx *db.Tx, m member.Member) (all []roleChange, err error) {
	events, err := member.RoleChanges(tx, m)
	for _, e := range events {
		var g struct {
			Roles          []member.Role
			Devices, Parts []string
		}
		if json.Unmarshal([]byte(e.Detail), &g) != nil { // we wrote it; an older form names nothing
			continue
		}
		all = append(all, roleChange{At: e.At, By: e.Actor, Granted: c.RoleWords(member.Member{Roles: g.Roles, Devices: g.Devices, Parts: g.Parts})})
	}
	return all, err
}

// SetRoles gives a member exactly the roles, phones and parts of the system that
// the form names.
func SetRoles(c *page.Call) error {
	name, f := c.R.PathValue("name"), c.R.PostForm
	var roles []member.Role
	for _, r := range grantable {
		if slices.Contains(f["role"], string(r)) {
			roles = append(roles, r)
		}
	}
	devices, parts := f["device"], f["part"]
	if len(devices)+len(parts) > 0 {
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
		for _, p := range parts {
			if !slices.Contains(feedback.Parts(), p) && !slices.Contains(m.Parts, p) {
				return member.NewInvalid("role", "role-part", "there is no such part of the system")
			}
		}
		return member.Appoint(tx, c.Viewer.Member, m.ID, member.Grants{Roles: roles, Devices: devices, Parts: parts})
	})
	if err != nil {
		return err
	}
	return c.Redirect("/m/"+url.PathEscape(name), "roles")
}
