package page

import (
	"net/http"
	"slices"
	"strings"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/member/trust"
	"github.com/fridayos/friday/internal/moderation"
	"github.com/fridayos/friday/internal/notice"
	"github.com/fridayos/friday/internal/reputation"
	"github.com/fridayos/friday/internal/site/tell"
)

// Viewer is who looks at the page; ID 0 is someone who is not signed in.
type Viewer struct {
	member.Member
	Session  member.Session
	Token    string
	Level    trust.Level         // in forms
	Standing moderation.Standing // in forms: what their past means now
}

// May says whether the viewer has what a route needs. An administrator may all
// that others may; a moderator and a maintainer are different people.
func (v Viewer) May(n Need) bool {
	switch n {
	case Anyone:
		return true
	case SignedIn:
		return v.ID != 0
	case Maintainer:
		return v.ID != 0 && v.Is(member.Maintainer)
	case Moderator:
		return v.ID != 0 && v.Moderates()
	}
	return v.ID != 0 && v.Is(member.Admin)
}

// Administers says whether the viewer may what administrators may.
func (v Viewer) Administers() bool { return v.May(Admin) }

// Speaks says whether the viewer is a maintainer of anything: what waits for one
// concerns them.
func (v Viewer) Speaks() bool { return v.May(Maintainer) }

// InForum is the viewer as the forum knows them.
func (v Viewer) InForum() feedback.Viewer {
	return feedback.Viewer{Member: v.ID, Moderates: v.May(Moderator)}
}

// SpeaksFor says whether the viewer speaks for a device; for a thread that
// names none, any maintainer does.
func (v Viewer) SpeaksFor(device string) bool {
	switch {
	case !v.May(Maintainer):
		return false
	case device == feedback.AnyDevice:
		return true
	}
	return v.Maintains(device)
}

// SpeaksOn says whether the viewer speaks for a thread on one of its devices: as a
// maintainer of the device, or of the part of the system that the thread is about.
func (v Viewer) SpeaksOn(t feedback.Thread, device string) bool {
	return v.SpeaksFor(device) || v.ID != 0 && v.MaintainsPart(t.Part)
}

// SpeaksForAll says whether the viewer may speak for what a word on the thread
// concerns: one of its devices, or all of them.
func (v Viewer) SpeaksForAll(t feedback.Thread, device string) bool {
	if device != feedback.AnyDevice {
		return v.SpeaksOn(t, device)
	}
	return !slices.ContainsFunc(t.Devices, func(d feedback.DeviceState) bool { return !v.SpeaksOn(t, d.Device) })
}

// cookieName: browsers take a __Host- cookie only over https, from this very
// host, for all its paths, so that no neighbour can set it.
func (s *Site) cookieName() string {
	if s.secure {
		return "__Host-friday"
	}
	return "friday"
}

// SetCookie gives the browser a session; "" takes it away.
func (c *Call) SetCookie(token string) {
	k := &http.Cookie{Name: c.Site.cookieName(), Value: token, Path: "/", HttpOnly: true, Secure: c.Site.secure, SameSite: http.SameSiteLaxMode,
		MaxAge: int(member.IdleTime.Seconds())}
	if token == "" {
		k.MaxAge = -1
	}
	http.SetCookie(c.W, k)
}

// identify reads who calls, and what they are being asked.
func (c *Call) identify(tx *db.Tx) error {
	k, err := c.R.Cookie(c.Site.cookieName())
	if err != nil || k.Value == "" {
		return nil
	}
	m, session, err := member.BySession(tx, k.Value)
	if IsMissing(err) {
		return nil
	}
	if err != nil {
		return err
	}
	c.Viewer = Viewer{Member: m, Session: session, Token: k.Value}
	if c.R.Method == http.MethodPost {
		if c.Viewer.Standing, err = moderation.StandingOf(tx, m.ID); err != nil {
			return err
		}
		if c.Viewer.Level, err = reputation.LevelOf(tx, m); err != nil {
			return err
		}
	}
	if c.Unread, err = notice.Unread(tx, m.ID); err != nil {
		return err
	}
	asks, err := feedback.OpenAsks(tx, Viewer{Member: m}.InForum())
	if err != nil || len(asks) == 0 {
		return err
	}
	cat, err := ReadCatalogue(tx)
	c.Asks = nil
	for _, a := range asks {
		c.Asks = append(c.Asks, Ask{a, cat.Name(a.Device), ThreadPath(a.ThreadID, a.Title)})
	}
	return err
}

// RoleWords are the roles that others see.
func (c *Call) RoleWords(m member.Member) []string {
	var all []string
	for _, r := range m.Roles {
		switch r {
		case member.Ordinary:
		case member.Maintainer:
			what := slices.Clone(m.Devices)
			for _, part := range m.Parts {
				what = append(what, tell.Part(c.Text, part))
			}
			all = append(all, c.Text.T("list.maintains", "Devices", strings.Join(what, ", ")))
		default:
			all = append(all, c.Text.T("role."+string(r)))
		}
	}
	return all
}
