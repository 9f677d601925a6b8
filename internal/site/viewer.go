package site

import (
	"errors"
	"net/http"
	"slices"
	"strings"

	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/device"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/train"
)

// viewer is who looks at the page; ID 0 is someone who is not signed in.
type viewer struct {
	member.Member
	session member.Session
	token   string
}

// may says whether the viewer has what a route needs. An administrator may all
// that others may; a moderator and a maintainer are different people.
func (v viewer) may(n need) bool {
	switch n {
	case anyone:
		return true
	case signedIn:
		return v.ID != 0
	case maintainer:
		return v.ID != 0 && v.Is(member.Maintainer)
	case moderator:
		return v.ID != 0 && v.Moderates()
	}
	return v.ID != 0 && v.Is(member.Admin)
}

// maintains says whether the viewer speaks for a device; for a thread that
// names none, any maintainer does.
func (v viewer) maintains(device string) bool {
	switch {
	case !v.may(maintainer):
		return false
	case device == feedback.AnyDevice:
		return true
	}
	return v.Maintains(device)
}

// maintainsAll says whether the viewer may speak for what a word on the thread
// concerns: one of its devices, or all of them.
func (v viewer) maintainsAll(t feedback.Thread, device string) bool {
	if device != feedback.AnyDevice {
		return v.maintains(device)
	}
	return !slices.ContainsFunc(t.Devices, func(d feedback.DeviceState) bool { return !v.maintains(d.Device) })
}

// cookieName: browsers take a __Host- cookie only over https, from this very
// host, for all its paths, so that no neighbour can set it.
func (s *server) cookieName() string {
	if s.secure {
		return "__Host-friday"
	}
	return "friday"
}

func (c *call) setCookie(token string) {
	k := &http.Cookie{Name: c.s.cookieName(), Value: token, Path: "/", HttpOnly: true, Secure: c.s.secure, SameSite: http.SameSiteLaxMode,
		MaxAge: int(member.IdleTime.Seconds())}
	if token == "" {
		k.MaxAge = -1
	}
	http.SetCookie(c.w, k)
}

// identify reads who calls, and what they are being asked.
func (c *call) identify(tx *db.Tx) error {
	k, err := c.r.Cookie(c.s.cookieName())
	if err != nil || k.Value == "" {
		return nil
	}
	m, session, err := member.BySession(tx, k.Value)
	if isMissing(err) {
		return nil
	}
	if err != nil {
		return err
	}
	c.viewer = viewer{Member: m, session: session, token: k.Value}
	asks, err := feedback.OpenAsks(tx, m.ID)
	if err != nil || len(asks) == 0 {
		return err
	}
	cat, err := readCatalogue(tx)
	c.asks = nil
	for _, a := range asks {
		c.asks = append(c.asks, askView{a, cat.name(a.Device), threadPath(a.ThreadID, a.Title)})
	}
	return err
}

func isMissing(err error) bool {
	return errors.Is(err, db.ErrNoRows) || errors.Is(err, feedback.ErrNotFound) || errors.Is(err, member.ErrNotFound) ||
		errors.Is(err, catalog.ErrNotFound) || errors.Is(err, device.ErrNotFound) || errors.Is(err, train.ErrNotFound)
}

// roleWords are the roles that others see.
func roleWords(m member.Member) []string {
	var all []string
	for _, r := range m.Roles {
		switch r {
		case member.Ordinary:
		case member.Maintainer:
			all = append(all, "maintains "+strings.Join(m.Devices, ", "))
		default:
			all = append(all, string(r))
		}
	}
	return all
}
