package site

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/member"
)

type signView struct {
	Headline, Lead, Action, Button string
	Name, Next, Code, Error        string
	Fresh, AskCode                 bool
}

func (c *call) signIn() error {
	if c.viewer.ID != 0 {
		return c.redirect(safeNext(c.r.URL.Query().Get("next")), "")
	}
	return c.showSign(http.StatusOK, signView{Next: c.r.URL.Query().Get("next")})
}

func (c *call) showSign(status int, v signView) error {
	v.Headline, v.Action, v.Button = "Sign in", "/signin", "Sign in"
	v.Lead = "To report, to vote, and to be asked when your own phone has the fix."
	return c.render(status, "sign", page{Title: "Sign in", Body: v})
}

func (c *call) doSignIn() error {
	f := c.r.PostForm
	name, next := f.Get("name"), f.Get("next")
	if !c.s.limits.signIn(c.address(), name) {
		return errTooOften
	}
	m, err := c.s.Passwords.SignIn(c.r.Context(), c.s.DB, name, f.Get("password"))
	if errors.Is(err, member.ErrSignIn) {
		return c.showSign(http.StatusUnprocessableEntity, signView{Name: name, Next: next, Error: "Name and password do not go together. Check both and try again."})
	}
	if err != nil {
		return err
	}
	return c.enter(m, safeNext(next), "")
}

// enter begins a new session, so that one that was there before is worth nothing.
func (c *call) enter(m member.Member, to, done string) error {
	var token string
	err := c.write(func(tx *db.Tx) (err error) {
		token, err = member.Rotate(tx, c.viewer.token, m.ID, c.r.UserAgent())
		return err
	})
	if err != nil {
		return err
	}
	c.setCookie(token)
	return c.redirect(to, done)
}

func (c *call) register() error {
	if c.viewer.ID != 0 {
		return c.redirect("/me", "")
	}
	return c.showRegister(http.StatusOK, signView{})
}

func (c *call) showRegister(status int, v signView) error {
	v.Headline, v.Action, v.Button, v.Fresh = "Become a member", "/register", "Become a member", true
	v.Lead = "A name and a password; nothing else is asked. Your name stands beside what you write."
	return c.render(status, "sign", page{Title: v.Headline, Body: v})
}

func (c *call) doRegister() error {
	f := c.r.PostForm
	if !c.s.limits.register(c.address()) {
		return errTooOften
	}
	m, err := c.s.Passwords.Register(c.r.Context(), c.s.DB, f.Get("name"), f.Get("password"))
	if text, ok := inputText(err); ok {
		return c.showRegister(http.StatusUnprocessableEntity, signView{Name: f.Get("name"), Error: text})
	}
	if err != nil {
		return err
	}
	return c.enter(m, "/me", "welcome")
}

func (c *call) firstRun() error {
	if err := c.firstRunOpen(); err != nil {
		return err
	}
	return c.showFirstRun(http.StatusOK, signView{Code: c.r.URL.Query().Get("code")})
}

// firstRunOpen is errNotFound once there is an administrator.
func (c *call) firstRunOpen() error {
	return c.read(func(tx *db.Tx) error {
		needed, err := member.FirstRunNeeded(tx)
		if err == nil && !needed {
			return errNotFound
		}
		return err
	})
}

func (c *call) showFirstRun(status int, v signView) error {
	v.Headline, v.Action, v.Button, v.Fresh, v.AskCode = "The first administrator", "/first-run", "Begin", true, true
	v.Lead = "The terminal in which the server runs shows a code; it makes the first administrator, once."
	return c.render(status, "sign", page{Title: v.Headline, Body: v})
}

func (c *call) doFirstRun() error {
	f := c.r.PostForm
	if !c.s.limits.signIn(c.address(), "first-run") {
		return errTooOften
	}
	if err := c.firstRunOpen(); err != nil {
		return err
	}
	m, err := c.s.Passwords.RegisterAdmin(c.r.Context(), c.s.DB, f.Get("code"), f.Get("name"), f.Get("password"))
	if text, ok := inputText(err); ok {
		return c.showFirstRun(http.StatusUnprocessableEntity, signView{Name: f.Get("name"), Code: f.Get("code"), Error: text})
	}
	if err != nil {
		return err
	}
	return c.enter(m, "/me", "welcome")
}

func (c *call) signOut() error {
	err := c.write(func(tx *db.Tx) error { return member.EndSession(tx, c.viewer.token) })
	if err != nil {
		return err
	}
	c.setCookie("")
	return c.redirect("/", "signedout")
}

type meView struct {
	Roles            []string
	Threads          []threadRow
	Handsets         []handsetView
	Sessions         []sessionView
	Devices          []option
	Code, CodeDevice string
}

type handsetView struct {
	Name, Runs string
	Since      time.Time
}

type sessionView struct {
	ID      int64
	Agent   string
	Seen    time.Time
	Current bool
}

func (c *call) me() error { return c.showMe("", "") }

func (c *call) showMe(code, device string) error {
	v := meView{Roles: roleWords(c.viewer.Member), Code: code}
	err := c.read(func(tx *db.Tx) error {
		cat, err := readCatalogue(tx)
		if err != nil {
			return err
		}
		v.Devices, v.CodeDevice = cat.options(), cat.name(device)
		threads, _, err := feedback.List(tx, feedback.Filter{Author: c.viewer.ID, Limit: 20, Hidden: c.viewer.may(moderator)})
		if err != nil {
			return err
		}
		v.Threads = rows(threads)
		runs, err := feedback.Runs(tx, c.viewer.ID)
		if err != nil {
			return err
		}
		claims, err := member.ClaimsOf(tx, c.viewer.ID)
		if err != nil {
			return err
		}
		for _, cl := range claims {
			h := handsetView{Name: cat.name(cl.Device), Since: cl.CreatedAt}
			if i := slices.IndexFunc(runs, func(b feedback.Build) bool { return b.Device == cl.Device }); i >= 0 {
				h.Runs = runs[i].Version
			}
			v.Handsets = append(v.Handsets, h)
		}
		sessions, err := member.Sessions(tx, c.viewer.ID)
		for _, s := range sessions {
			v.Sessions = append(v.Sessions, sessionView{s.ID, agentWords(s.Agent), s.SeenAt, s.ID == c.viewer.session.ID})
		}
		return err
	})
	if err != nil {
		return err
	}
	return c.show("me", page{Title: c.viewer.Name, Nav: "me", Body: v})
}

// claim shows a new code on the page itself: an address would keep it.
func (c *call) claim() error {
	device := c.r.PostForm.Get("device")
	if !c.s.limits.act(c.viewer.ID) {
		return errTooOften
	}
	var code string
	err := c.write(func(tx *db.Tx) error {
		if err := known(tx, device); err != nil {
			return err
		}
		var err error
		code, err = member.NewClaimCode(tx, c.viewer.ID, device)
		return err
	})
	if err != nil {
		return err
	}
	return c.showMe(code, device)
}

func (c *call) endSession() error {
	id, err := strconv.ParseInt(c.r.PostForm.Get("session"), 10, 64)
	if err != nil {
		return errNotFound
	}
	err = c.write(func(tx *db.Tx) error {
		mine, err := member.Sessions(tx, c.viewer.ID)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(mine, func(s member.Session) bool { return s.ID == id }) {
			return errNotFound
		}
		return member.EndSessionByID(tx, c.viewer.ID, id)
	})
	if err != nil {
		return err
	}
	if id == c.viewer.session.ID {
		c.setCookie("")
		return c.redirect("/", "signedout")
	}
	return c.redirect("/me", "ended")
}

type memberView struct {
	Name    string
	Roles   []string
	Since   time.Time
	Threads []threadRow
	// For administrators: what the member may be given.
	Grants, Maintains []option
}

func (c *call) member() error {
	var v memberView
	err := c.read(func(tx *db.Tx) error {
		m, err := member.ByName(tx, c.r.PathValue("name"))
		if err != nil {
			return err
		}
		v = memberView{Name: m.Name, Roles: roleWords(m), Since: m.CreatedAt}
		threads, _, err := feedback.List(tx, feedback.Filter{Author: m.ID, Limit: 50})
		v.Threads = rows(threads)
		if err == nil && c.viewer.may(admin) {
			err = v.fillRoles(tx, m)
		}
		return err
	})
	if err != nil {
		return err
	}
	return c.show("member", page{Title: v.Name, Body: v})
}

// agentWords makes a browser's name of itself readable.
func agentWords(agent string) string {
	browser, system := "A browser", ""
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
	return fmt.Sprintf("%s on %s", browser, system)
}

// inputText is what is wrong with what someone typed, for the form.
func inputText(err error) (string, bool) {
	var invalid *member.Invalid
	switch {
	case errors.As(err, &invalid):
		return "This " + invalid.Field + " cannot be taken: " + invalid.Reason + ".", true
	case errors.Is(err, member.ErrCode):
		return "The code is wrong, was used, or has run out. Restart the server for a new one.", true
	}
	return "", false
}
