package account

import (
	"errors"
	"net/http"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/mistake"
	"github.com/fridayos/friday/internal/site/page"
)

type signView struct {
	Headline, Lead, Action, Button string
	Name, Next, Code, Error        string
	Fresh, AskCode, Passkey        bool
	Services                       []string
}

// SignIn shows the form to sign in.
func SignIn(c *page.Call) error {
	if c.Viewer.ID != 0 {
		return c.Redirect(page.SafeNext(c.R.URL.Query().Get("next")), "")
	}
	return showSign(c, http.StatusOK, signView{Next: c.R.URL.Query().Get("next")})
}

func showSign(c *page.Call, status int, v signView) error {
	v.Passkey, v.Services = c.Site.Passkeys.Offered(), c.Site.Services.Names()
	v.Headline, v.Action, v.Button = c.Text.T("sign.in"), "/signin", c.Text.T("sign.in")
	v.Lead = c.Text.T("sign.in-lead")
	return c.Render(status, "sign", page.Page{Title: v.Headline, Body: v})
}

// DoSignIn takes it.
func DoSignIn(c *page.Call) error {
	f := c.R.PostForm
	name, next := f.Get("name"), f.Get("next")
	if !c.Site.Limits.SignIn(c.Address(), name) {
		return page.ErrTooOften
	}
	m, err := c.Site.Passwords.SignIn(c.R.Context(), c.Site.DB, name, f.Get("password"))
	if errors.Is(err, member.ErrSignIn) {
		return showSign(c, http.StatusUnprocessableEntity, signView{Name: name, Next: next, Error: c.Text.T("sign.wrong")})
	}
	if err != nil {
		return err
	}
	return enter(c, m, page.SafeNext(next), "")
}

// enter begins a new session, so that one that was there before is worth nothing.
func enter(c *page.Call, m member.Member, to, done string) error {
	var token string
	err := c.Write(func(tx *db.Tx) (err error) {
		if token, err = member.Rotate(tx, c.Viewer.Token, m.ID, c.R.UserAgent()); err != nil {
			return err
		}
		if err := member.SetLanguage(tx, m.ID, c.Text.Lang); err != nil {
			return err
		}
		return member.Locate(tx, token, c.Address())
	})
	if err != nil {
		return err
	}
	c.SetCookie(token)
	return c.Redirect(to, done)
}

// Register shows the form to become a member.
func Register(c *page.Call) error {
	if c.Viewer.ID != 0 {
		return c.Redirect("/me", "")
	}
	return showRegister(c, http.StatusOK, signView{})
}

func showRegister(c *page.Call, status int, v signView) error {
	v.Services = c.Site.Services.Names()
	v.Headline, v.Action, v.Button, v.Fresh = c.Text.T("sign.join"), "/register", c.Text.T("sign.join"), true
	v.Lead = c.Text.T("sign.join-lead")
	return c.Render(status, "sign", page.Page{Title: v.Headline, Body: v})
}

// DoRegister takes it.
func DoRegister(c *page.Call) error {
	f := c.R.PostForm
	if !c.Site.Limits.Register(c.Address()) {
		return page.ErrTooOften
	}
	m, err := c.Site.Passwords.Register(c.R.Context(), c.Site.DB, f.Get("name"), f.Get("password"))
	if text, ok := inputText(c, err); ok {
		return showRegister(c, http.StatusUnprocessableEntity, signView{Name: f.Get("name"), Error: text})
	}
	if err != nil {
		return err
	}
	return enter(c, m, "/me", "welcome")
}

// FirstRun shows the form of the first administrator, while there is none.
func FirstRun(c *page.Call) error {
	if err := firstRunOpen(c); err != nil {
		return err
	}
	return showFirstRun(c, http.StatusOK, signView{Code: c.R.URL.Query().Get("code")})
}

// firstRunOpen is page.ErrNotFound once there is an administrator.
func firstRunOpen(c *page.Call) error {
	return c.Read(func(tx *db.Tx) error {
		needed, err := member.FirstRunNeeded(tx)
		if err == nil && !needed {
			return page.ErrNotFound
		}
		return err
	})
}

func showFirstRun(c *page.Call, status int, v signView) error {
	v.Headline, v.Action, v.Button, v.Fresh, v.AskCode = c.Text.T("sign.first"), "/first-run", c.Text.T("sign.begin"), true, true
	v.Lead = c.Text.T("sign.first-lead")
	return c.Render(status, "sign", page.Page{Title: v.Headline, Body: v})
}

// DoFirstRun takes it.
func DoFirstRun(c *page.Call) error {
	f := c.R.PostForm
	if !c.Site.Limits.SignIn(c.Address(), "first-run "+c.Address()) {
		return page.ErrTooOften
	}
	if err := firstRunOpen(c); err != nil {
		return err
	}
	m, err := c.Site.Passwords.RegisterAdmin(c.R.Context(), c.Site.DB, f.Get("code"), f.Get("name"), f.Get("password"))
	if text, ok := inputText(c, err); ok {
		return showFirstRun(c, http.StatusUnprocessableEntity, signView{Name: f.Get("name"), Code: f.Get("code"), Error: text})
	}
	if err != nil {
		return err
	}
	return enter(c, m, "/me", "welcome")
}

// SignOut ends the session that it is called with.
func SignOut(c *page.Call) error {
	err := c.Write(func(tx *db.Tx) error { return member.EndSession(tx, c.Viewer.Token) })
	if err != nil {
		return err
	}
	c.SetCookie("")
	return c.Redirect("/", "signedout")
}

// inputText is what is wrong with what someone typed, for the form.
func inputText(c *page.Call, err error) (string, bool) {
	wrong := mistake.Of(err)
	switch {
	case wrong != nil:
		return c.InputText(wrong), true
	case errors.Is(err, member.ErrCode):
		return c.Text.T("sign.code-wrong"), true
	}
	return "", false
}
