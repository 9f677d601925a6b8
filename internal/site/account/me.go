package account

import (
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/feedback/measure"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/member/trust"
	"github.com/fridayos/friday/internal/moderation"
	"github.com/fridayos/friday/internal/reputation"
	"github.com/fridayos/friday/internal/site/page"
)

type meView struct {
	Roles            []string
	Threads          []page.ThreadRow
	Handsets         []handsetView
	Sessions         []sessionView
	Devices          []page.Choice
	Code, CodeDevice string
	// What moderators decided, as far as it counts now.
	Suspended time.Time // until then; zero: not
	Reason    string
	Warnings  int // of the last year
}

type handsetView struct {
	ID         int64 // of the claim
	Name, Runs string
	Since      time.Time
}

type sessionView struct {
	ID      int64
	Agent   string
	Address string // IP address; one's own page alone shows it
	Seen    time.Time
	Current bool
}

// Me is one's own page: threads, phones, sessions.
func Me(c *page.Call) error { return showMe(c, "", "") }

func showMe(c *page.Call, code, device string) error {
	v := meView{Roles: c.RoleWords(c.Viewer.Member), Code: code}
	err := c.Read(func(tx *db.Tx) error {
		cat, err := page.ReadCatalogue(tx)
		if err != nil {
			return err
		}
		standing, err := moderation.StandingOf(tx, c.Viewer.ID)
		if err != nil {
			return err
		}
		v.Suspended, v.Reason, v.Warnings = standing.Suspension.Until, standing.Suspension.Reason, standing.Warnings
		v.Devices, v.CodeDevice = cat.Choices(), cat.Name(device)
		threads, _, err := feedback.List(tx, c.Viewer.InForum(), feedback.Filter{Author: c.Viewer.ID, Limit: 20, Hidden: true})
		if err != nil {
			return err
		}
		v.Threads = c.Rows(threads)
		runs, err := feedback.Runs(tx, c.Viewer.ID)
		if err != nil {
			return err
		}
		claims, err := member.ClaimsOf(tx, c.Viewer.ID)
		if err != nil {
			return err
		}
		for _, cl := range claims {
			h := handsetView{ID: cl.ID, Name: cat.Name(cl.Device), Since: cl.CreatedAt}
			if i := slices.IndexFunc(runs, func(b feedback.Build) bool { return b.Device == cl.Device }); i >= 0 {
				h.Runs = runs[i].Version
			}
			v.Handsets = append(v.Handsets, h)
		}
		sessions, err := member.Sessions(tx, c.Viewer.ID)
		for _, s := range sessions {
			v.Sessions = append(v.Sessions, sessionView{ID: s.ID, Agent: agentWords(c, s.Agent), Seen: s.SeenAt, Current: s.ID == c.Viewer.Session.ID})
		}
		return err
	})
	if err != nil {
		return err
	}
	return c.Show("me", page.Page{Title: c.Viewer.Name, Nav: "me", Body: v})
}

// Claim shows a new code on the page itself: an address would keep it.
func Claim(c *page.Call) error {
	device := c.R.PostForm.Get("device")
	if !c.Site.Limits.Act(c.Viewer.ID) {
		return page.ErrTooOften
	}
	var code string
	err := c.Write(func(tx *db.Tx) error {
		if err := page.Known(tx, device); err != nil {
			return err
		}
		var err error
		code, err = member.NewClaimCode(tx, c.Viewer.ID, device)
		return err
	})
	if err != nil {
		return err
	}
	return showMe(c, code, device)
}

// EndClaim ends one of one's own claims: the phone was sold, or is to be a
// stranger's again. It loses the channels of its member at its next check-in.
func EndClaim(c *page.Call) error {
	id, err := strconv.ParseInt(c.R.PostForm.Get("claim"), 10, 64)
	if err != nil {
		return page.ErrNotFound
	}
	if !c.Site.Limits.Act(c.Viewer.ID) {
		return page.ErrTooOften
	}
	if err := c.Write(func(tx *db.Tx) error { return member.EndClaim(tx, c.Viewer.ID, id) }); err != nil {
		return err
	}
	return c.Redirect("/me", "unclaimed")
}

// EndSession ends one of one's own sessions.
func EndSession(c *page.Call) error {
	id, err := strconv.ParseInt(c.R.PostForm.Get("session"), 10, 64)
	if err != nil {
		return page.ErrNotFound
	}
	err = c.Write(func(tx *db.Tx) error {
		mine, err := member.Sessions(tx, c.Viewer.ID)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(mine, func(s member.Session) bool { return s.ID == id }) {
			return page.ErrNotFound
		}
		return member.EndSessionByID(tx, c.Viewer.ID, id)
	})
	if err != nil {
		return err
	}
	if id == c.Viewer.Session.ID {
		c.SetCookie("")
		return c.Redirect("/", "signedout")
	}
	return c.Redirect("/me", "ended")
}

type memberView struct {
	Name    string
	Roles   []string
	Since   time.Time
	Threads []page.ThreadRow
	// For administrators: what the member may be given.
	Grants, Maintains, Parts []page.Choice
	Changes                  []roleChange // of roles: for administrators, and the member
	Own                      bool
	Medals                   []medalView // that the member has won
	Led                      []string    // what their reports led to
	Newer, Older             string      // addresses of pages; empty: there is none
}

// threadsOfMember stand on one page.
const threadsOfMember = 24

// Member is a member as others see them.
func Member(c *page.Call) error {
	var v memberView
	err := c.Read(func(tx *db.Tx) error {
		m, err := member.ByName(tx, c.R.PathValue("name"))
		if err != nil {
			return err
		}
		v = memberView{Name: m.Name, Roles: c.RoleWords(m), Since: m.CreatedAt}
		number, _ := strconv.Atoi(c.R.URL.Query().Get("page")) // anything else is the first
		number = min(max(number, 1), 10_000)
		threads, more, err := feedback.List(tx, c.Viewer.InForum(), feedback.Filter{Author: m.ID, Limit: threadsOfMember, Offset: (number - 1) * threadsOfMember})
		v.Threads = c.Rows(threads)
		path := "/m/" + url.PathEscape(m.Name) + "?page="
		if number > 1 {
			v.Newer = path + strconv.Itoa(number-1)
		}
		if more {
			v.Older = path + strconv.Itoa(number+1)
		}
		if err != nil {
			return err
		}
		if err := v.fillEarned(c, tx, m); err != nil {
			return err
		}
		v.Own = c.Viewer.ID == m.ID && m.ID != 0
		if v.Own || c.Viewer.May(page.Admin) {
			if v.Changes, err = changes(c, tx, m); err != nil {
				return err
			}
		}
		if c.Viewer.May(page.Admin) {
			err = v.fillRoles(c, tx, m)
		}
		return err
	})
	if err != nil {
		return err
	}
	return c.Show("member", page.Page{Title: v.Name, Feed: page.ThreadsFeed("author", v.Name), Body: v})
}

// fillEarned says what a member's reports led to, and the medals for it.
func (v *memberView) fillEarned(c *page.Call, tx *db.Tx, m member.Member) error {
	e, err := measure.EarnedBy(tx, m.ID)
	if err != nil {
		return err
	}
	for _, one := range []struct {
		key string
		n   int
	}{{"fixes", e.ConfirmedFixes}, {"duplicates", e.Duplicates}, {"answers", e.Answers}, {"tried", e.Tried}} {
		if one.n > 0 {
			v.Led = append(v.Led, c.Text.N("member.led."+one.key, one.n))
		}
	}
	won, err := reputation.MedalsOf(tx, m.ID)
	for _, one := range medals(c, trust.Counts{}, won[m.ID]) {
		if !one.At.IsZero() {
			v.Medals = append(v.Medals, one)
		}
	}
	return err
}

// agentWords makes a browser's name of itself readable.
func agentWords(c *page.Call, agent string) string {
	browser, system := c.Text.T("me.browser"), ""
	for _, b := range []struct{ in, name string }{{"Edg/", "Edge"}, {"OPR/", "Opera"}, {"SamsungBrowser", "Samsung Internet"}, {"Firefox/", "Firefox"}, {"Chrome/", "Chrome"}, {"Safari/", "Safari"}} {
		if strings.Contains(agent, b.in) {
			browser = b.name
			break
		}
	}
	for _, o := range []struct{ in, name string }{{"Android", "Android"}, {"iPhone", "iPhone"}, {"Windows", "Windows"}, {"Mac OS", "Mac"}, {"Linux", "Linux"}} {
		if strings.Contains(agent, o.in) {
			system = o.name
			break
		}
	}
	if system == "" {
		return browser
	}
	return c.Text.T("me.browser-on", "Browser", browser, "System", system)
}
