package account

import (
	"crypto/rand"
	"errors"
	"net/http"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/member/letter"
	"github.com/fridayos/friday/internal/member/oidc"
	"github.com/fridayos/friday/internal/member/passkey"
	"github.com/fridayos/friday/internal/site/page"
)

type passkeyView struct {
	Headline, Action, Options, Next, Name, Back string
}

// askPasskey shows the page whose script asks the browser for a passkey. The
// challenge is bound to this browser by a cookie.
func askPasskey(c *page.Call, v passkeyView, begin func(tx *db.Tx) (options []byte, token string, err error)) error {
	if !c.Site.Passkeys.Offered() {
		return page.ErrNotFound
	}
	var token string
	err := c.Write(func(tx *db.Tx) error {
		options, t, err := begin(tx)
		v.Options, token = string(options), t
		return err
	})
	if text, ok := inputText(c, err); ok {
		return page.Refuse("passkey", text)
	}
	if err != nil {
		return err
	}
	c.SetSecret("passkey", token, passkey.ChallengeTime)
	return c.Show("passkey", page.Page{Title: v.Headline, Body: v})
}

// BeginPasskey begins to sign in by a passkey.
func BeginPasskey(c *page.Call) error {
	if !c.Site.Limits.SignIn(c.Address(), "passkey "+c.Address()) {
		return page.ErrTooOften
	}
	return askPasskey(c, passkeyView{Headline: c.Text.T("sign.passkey"), Action: "/signin/passkey", Next: c.R.PostForm.Get("next"), Back: "/signin"},
		func(tx *db.Tx) ([]byte, string, error) { return c.Site.Passkeys.BeginSignIn(tx) })
}

// byPasskey finds whose passkey answered.
func byPasskey(c *page.Call) (m member.Member, err error) {
	if !c.Site.Passkeys.Offered() {
		return m, page.ErrNotFound
	}
	if !c.Site.Limits.SignIn(c.Address(), "passkey "+c.Address()) {
		return m, page.ErrTooOften
	}
	token := c.Secret("passkey")
	c.SetSecret("passkey", "", 0)
	err = c.Write(func(tx *db.Tx) (err error) {
		m, err = c.Site.Passkeys.SignIn(tx, token, []byte(c.R.PostForm.Get("answer")))
		return err
	})
	if errors.Is(err, passkey.ErrPasskey) {
		c.Site.Log.Info("a passkey was refused", "err", err)
		return m, page.Refuse("passkey", c.Text.T("passkey.refused"))
	}
	return m, err
}

// ByPasskey signs in.
func ByPasskey(c *page.Call) error {
	m, err := byPasskey(c)
	if err != nil {
		return err
	}
	return enter(c, m, page.SafeNext(c.R.PostForm.Get("next")), "")
}

// BeginProve and ByProve show by a passkey who a member is.
func BeginProve(c *page.Call) error {
	if !c.Site.Limits.Act(c.Viewer.ID) {
		return page.ErrTooOften
	}
	return askPasskey(c, passkeyView{Headline: c.Text.T("prove.title"), Action: "/me/prove/passkey", Next: c.R.PostForm.Get("next"), Back: "/me/prove"},
		func(tx *db.Tx) ([]byte, string, error) { return c.Site.Passkeys.BeginSignIn(tx) })
}

// ByProve takes the answer; it must be the member's own passkey.
func ByProve(c *page.Call) error {
	m, err := byPasskey(c)
	if err != nil {
		return err
	}
	if m.ID != c.Viewer.ID {
		return page.Refuse("passkey", c.Text.T("passkey.refused"))
	}
	return proved(c, c.R.PostForm.Get("next"))
}

// BeginAdd begins to add a passkey, AddPasskey takes it.
func BeginAdd(c *page.Call) error {
	if err := fresh(c); err != nil {
		return err
	}
	return askPasskey(c, passkeyView{Headline: c.Text.T("safety.add-passkey"), Action: "/me/passkeys", Name: c.R.PostForm.Get("name"), Back: safety},
		func(tx *db.Tx) ([]byte, string, error) { return c.Site.Passkeys.BeginAdd(tx, c.Viewer.Member) })
}

// AddPasskey registers what the browser answered.
func AddPasskey(c *page.Call) error {
	if !c.Site.Passkeys.Offered() {
		return page.ErrNotFound
	}
	token, f := c.Secret("passkey"), c.R.PostForm
	c.SetSecret("passkey", "", 0)
	err := change(c, "saved", func(tx *db.Tx) error {
		_, err := c.Site.Passkeys.Add(tx, c.Viewer.Member, token, f.Get("name"), []byte(f.Get("answer")))
		return err
	})
	if errors.Is(err, passkey.ErrPasskey) {
		c.Site.Log.Info("a passkey was refused", "err", err)
		return page.Refuse("passkey", c.Text.T("passkey.refused"))
	}
	return err
}

// With sends someone who is not signed in to another service, WithOwn a member
// who adds it or shows by it who they are.
func With(c *page.Call) error {
	if !c.Site.Limits.SignIn(c.Address(), "with "+c.Address()) {
		return page.ErrTooOften
	}
	return away(c, oidc.Trip{Purpose: oidc.SignIn, Next: page.SafeNext(c.R.PostForm.Get("next"))})
}

// WithOwn is With for a member.
func WithOwn(c *page.Call) error {
	t := oidc.Trip{Purpose: oidc.Purpose(c.R.PostForm.Get("purpose")), MemberID: c.Viewer.ID, Next: safety}
	switch t.Purpose {
	case oidc.Link:
		if err := fresh(c); err != nil {
			return err
		}
	case oidc.Prove:
		t.Next = page.SafeNext(c.R.PostForm.Get("next"))
	default:
		return page.ErrNotFound
	}
	return away(c, t)
}

// away shows a page that leads to the service: a form may not send a browser to
// another site (form-action in the content security policy), a page may.
func away(c *page.Call, t oidc.Trip) error {
	t.Service, t.Browser = c.R.PostForm.Get("service"), rand.Text()
	address, err := c.Site.Services.Begin(c.R.Context(), c.Site.DB, t)
	if errors.Is(err, oidc.ErrUnreachable) {
		c.Site.Log.Warn("a sign-in service does not answer", "err", err)
		return page.Refuse("service", c.Text.T("arrive.unreachable"))
	}
	if err != nil {
		return err
	}
	c.SetSecret("trip", t.Browser, stepTime)
	c.W.Header().Set("Refresh", "0; url="+address)
	v := confirmView{Headline: c.Text.T("sign.with", "Service", t.Service), Lead: c.Text.T("arrive.away"), To: address, Button: c.Text.T("arrive.go")}
	return c.Show("confirm", page.Page{Title: v.Headline, Body: v})
}

// Back is where services send people back to.
func Back(c *page.Call) error {
	if !c.Site.Limits.SignIn(c.Address(), "with "+c.Address()) {
		return page.ErrTooOften
	}
	q := c.R.URL.Query()
	out, err := c.Site.Services.Finish(c.R.Context(), c.Site.DB, oidc.Answer{State: q.Get("state"), Code: q.Get("code"), Issuer: q.Get("iss"), Error: q.Get("error"), Browser: c.Secret("trip")})
	c.SetSecret("trip", "", 0)
	if text, ok := inputText(c, err); ok {
		return page.Refuse("service", text)
	}
	if errors.Is(err, oidc.ErrRefused) || errors.Is(err, oidc.ErrUnreachable) {
		c.Site.Log.Info("a sign-in by a service was refused", "err", err)
		return page.Refuse("service", c.Text.T("arrive.refused"))
	}
	if err != nil {
		return err
	}
	switch {
	case out.Arrival != "":
		c.SetSecret("arrival", out.Arrival, stepTime)
		return c.Redirect("/signin/arrive", "")
	case out.Purpose == oidc.SignIn:
		return enter(c, out.Member, page.SafeNext(out.Next), "")
	case out.Member.ID != c.Viewer.ID: // signed in as somebody else meanwhile
		return page.ErrForbidden
	case out.Purpose == oidc.Prove:
		return proved(c, out.Next)
	}
	return c.Redirect(safety, "saved")
}

type arriveView struct{ Label, Address, Name, Error string }

// Arrive asks someone new for a name.
func Arrive(c *page.Call) error { return showArrive(c, http.StatusOK, "", "") }

func showArrive(c *page.Call, status int, name, wrong string) error {
	v := arriveView{Name: name, Error: wrong}
	err := c.Read(func(tx *db.Tx) error {
		a, err := oidc.ArrivalBy(tx, c.Secret("arrival"))
		v.Label = a.Label
		if c.Site.Mail {
			v.Address = a.Address
		}
		return err
	})
	if errors.Is(err, oidc.ErrRefused) {
		return page.Refuse("service", c.Text.T("arrive.refused"))
	}
	if err != nil {
		return err
	}
	return c.Render(status, "arrive", page.Page{Title: c.Text.T("arrive.title"), Body: v})
}

// DoArrive makes the account.
func DoArrive(c *page.Call) error {
	if !c.Site.Limits.Register(c.Address()) {
		return page.ErrTooOften
	}
	f := c.R.PostForm
	var m member.Member
	err := c.Write(func(tx *db.Tx) (err error) {
		m, err = oidc.Arrive(tx, c.Secret("arrival"), f.Get("name"), f.Get("address") == "yes" && c.Site.Mail)
		return err
	})
	if errors.Is(err, oidc.ErrRefused) {
		return page.Refuse("service", c.Text.T("arrive.refused"))
	}
	if text, ok := inputText(c, err); ok {
		return showArrive(c, http.StatusUnprocessableEntity, f.Get("name"), text)
	}
	if err != nil {
		return err
	}
	c.SetSecret("arrival", "", 0)
	return enter(c, m, "/me", "welcome")
}

type recoverView struct {
	Name, Code, Error string
	Mail              bool
}

// Recover is the page for who cannot sign in.
func Recover(c *page.Call) error { return showRecover(c, http.StatusOK, recoverView{}) }

func showRecover(c *page.Call, status int, v recoverView) error {
	v.Mail = c.Site.Mail
	return c.Render(status, "recover", page.Page{Title: c.Text.T("recover.title"), Body: v})
}

// DoRecover sets a new password by a recovery code.
func DoRecover(c *page.Call) error {
	f := c.R.PostForm
	if !c.Site.Limits.SignIn(c.Address(), f.Get("name")) {
		return page.ErrTooOften
	}
	m, err := c.Site.Passwords.Recover(c.R.Context(), c.Site.DB, f.Get("name"), f.Get("code"), f.Get("password"))
	return recovered(c, m, err, func(wrong string) error {
		return showRecover(c, http.StatusUnprocessableEntity, recoverView{Name: f.Get("name"), Error: wrong})
	})
}

func recovered(c *page.Call, m member.Member, err error, again func(wrong string) error) error {
	if errors.Is(err, member.ErrCode) {
		return again(c.Text.T("recover.code-wrong"))
	}
	if text, ok := inputText(c, err); ok {
		return again(text)
	}
	if err != nil {
		return err
	}
	if err := write(c, letter.Job{Letter: letter.Changed, MemberID: m.ID}); err != nil {
		return err
	}
	return enter(c, m, safety, "password")
}

// RecoverByMail has a letter sent to whom the name or address leads, and says
// the same when there is nobody.
func RecoverByMail(c *page.Call) error {
	login := c.R.PostForm.Get("login")
	if !c.Site.Mail {
		return page.ErrNotFound
	}
	if !c.Site.Limits.SignIn(c.Address(), login) {
		return page.ErrTooOften
	}
	if err := write(c, letter.Job{Letter: letter.Reset, Login: login}); err != nil {
		return err
	}
	return c.Redirect("/recover", "sent")
}

// NewPassword is where the link in the letter leads.
func NewPassword(c *page.Call) error {
	return showReset(c, http.StatusOK, recoverView{Code: c.R.URL.Query().Get("code")})
}

func showReset(c *page.Call, status int, v recoverView) error {
	return c.Render(status, "reset", page.Page{Title: c.Text.T("recover.new-title"), Body: v})
}

// DoNewPassword takes it.
func DoNewPassword(c *page.Call) error {
	f := c.R.PostForm
	if !c.Site.Limits.SignIn(c.Address(), "reset "+c.Address()) {
		return page.ErrTooOften
	}
	m, err := c.Site.Passwords.Reset(c.R.Context(), c.Site.DB, f.Get("code"), f.Get("password"))
	return recovered(c, m, err, func(wrong string) error {
		return showReset(c, http.StatusUnprocessableEntity, recoverView{Code: f.Get("code"), Error: wrong})
	})
}
