package account

import (
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/member/holding"
	"github.com/fridayos/friday/internal/member/letter"
	"github.com/fridayos/friday/internal/member/oidc"
	"github.com/fridayos/friday/internal/member/passkey"
	"github.com/fridayos/friday/internal/site/page"
)

const safety = "/me/safety"

type safetyView struct {
	HasPassword, Offered, MailOn, CodesMade bool
	Passkeys                                []passkey.Passkey
	Identities                              []oidc.Identity
	Services                                []string
	CodesLeft                               int
	Mail                                    member.Mail
	Sessions                                []sessionView
	Guess, Error                            string
}

// Safety is the page of the ways into one's account, and out of it.
func Safety(c *page.Call) error { return showSafety(c, http.StatusOK, "") }

func showSafety(c *page.Call, status int, wrong string) error {
	v := safetyView{Offered: c.Site.Passkeys.Offered(), MailOn: c.Site.Mail, Services: c.Site.Services.Names(), Guess: agentWords(c, c.R.UserAgent()), Error: wrong}
	err := c.Read(func(tx *db.Tx) error {
		ways, err := member.WaysInOf(tx, c.Viewer.ID)
		if err != nil {
			return err
		}
		v.HasPassword = ways.Password
		if v.Passkeys, err = passkey.List(tx, c.Viewer.ID); err != nil {
			return err
		}
		if v.Identities, err = oidc.List(tx, c.Viewer.ID); err != nil {
			return err
		}
		left, made, err := member.RecoveryCodesLeft(tx, c.Viewer.ID)
		if err != nil {
			return err
		}
		v.CodesLeft, v.CodesMade = left, !made.IsZero()
		if v.Mail, err = member.MailOf(tx, c.Viewer.ID); err != nil {
			return err
		}
		sessions, err := member.Sessions(tx, c.Viewer.ID)
		for _, s := range sessions {
			v.Sessions = append(v.Sessions, sessionView{ID: s.ID, Agent: agentWords(c, s.Agent), Address: s.Address, Seen: s.SeenAt, Current: s.ID == c.Viewer.Session.ID})
		}
		return err
	})
	if err != nil {
		return err
	}
	return c.Render(status, "safety", page.Page{Title: c.Text.T("safety.title"), Nav: "me", Body: v})
}

// fresh sends the member to show again who they are, unless they just did.
func fresh(c *page.Call) error {
	if !c.Site.Limits.Act(c.Viewer.ID) {
		return page.ErrTooOften
	}
	if c.Viewer.Session.Fresh(c.Site.DB.Now()) {
		return nil
	}
	http.Redirect(c.W, c.R, "/me/prove?next="+safety, http.StatusSeeOther)
	return page.ErrAnswered
}

// change does one thing to one's own account, after a fresh proof.
func change(c *page.Call, done string, do func(tx *db.Tx) error) error {
	if err := fresh(c); err != nil {
		return err
	}
	err := c.Write(do)
	if text, ok := inputText(c, err); ok {
		return page.Refuse("account", text)
	}
	if err != nil {
		return err
	}
	return c.Redirect(safety, done)
}

// Password changes one's password, or sets the first one; every other session ends.
func Password(c *page.Call) error {
	f, id := c.R.PostForm, c.Viewer.ID
	var ways member.WaysIn
	if err := c.Read(func(tx *db.Tx) (err error) { ways, err = member.WaysInOf(tx, id); return err }); err != nil {
		return err
	}
	var err error
	if ways.Password {
		if !c.Site.Limits.SignIn(c.Address(), c.Viewer.Name) {
			return page.ErrTooOften
		}
		_, err = c.Site.Passwords.Change(c.R.Context(), c.Site.DB, id, f.Get("old"), f.Get("new"))
	} else {
		if err := fresh(c); err != nil {
			return err
		}
		var hash member.Hash
		if hash, err = c.Site.Passwords.Hash(c.R.Context(), c.Viewer.Name, f.Get("new")); err == nil {
			err = c.Write(func(tx *db.Tx) error { return member.SetPassword(tx, id, hash) })
		}
	}
	if errors.Is(err, member.ErrSignIn) {
		return showSafety(c, http.StatusUnprocessableEntity, c.Text.T("safety.old-wrong"))
	}
	if text, ok := inputText(c, err); ok {
		return showSafety(c, http.StatusUnprocessableEntity, text)
	}
	if err != nil {
		return err
	}
	if err := write(c, letter.Job{Letter: letter.Changed, MemberID: id}); err != nil {
		return err
	}
	return enter(c, c.Viewer.Member, safety, "password")
}

// write has a letter sent, in the reader's language.
func write(c *page.Call, j letter.Job) error {
	if !c.Site.Mail {
		return nil
	}
	j.Lang = c.Text.Lang
	return c.Write(func(tx *db.Tx) error { return letter.Put(tx, j) })
}

type confirmView struct {
	Headline, Lead, Action, Button, Code, To string
	Codes                                    []string
}

// Codes makes recovery codes and shows them, this once.
func Codes(c *page.Call) error {
	if err := fresh(c); err != nil {
		return err
	}
	v := confirmView{Headline: c.Text.T("safety.codes"), Lead: c.Text.T("safety.codes-once")}
	err := c.Write(func(tx *db.Tx) (err error) { v.Codes, err = member.NewRecoveryCodes(tx, c.Viewer.ID); return err })
	if err != nil {
		return err
	}
	return c.Show("confirm", page.Page{Title: v.Headline, Nav: "me", Body: v})
}

// SetMail notes a new address and has its confirmation sent.
func SetMail(c *page.Call) error {
	if !c.Site.Mail {
		return page.ErrNotFound
	}
	return change(c, "mail", func(tx *db.Tx) error {
		if err := member.SetMail(tx, c.Viewer.ID, c.R.PostForm.Get("address")); err != nil {
			return err
		}
		return letter.Put(tx, letter.Job{Letter: letter.Confirm, MemberID: c.Viewer.ID, Lang: c.Text.Lang})
	})
}

// RemoveMail forgets one's address, and tells it so.
func RemoveMail(c *page.Call) error {
	return change(c, "saved", func(tx *db.Tx) error {
		a, err := member.MailOf(tx, c.Viewer.ID)
		if err != nil {
			return err
		}
		if a.Address != "" && c.Site.Mail {
			if err := letter.Put(tx, letter.Job{Letter: letter.Moved, MemberID: c.Viewer.ID, To: a.Address, Lang: c.Text.Lang}); err != nil {
				return err
			}
		}
		return member.RemoveMail(tx, c.Viewer.Member)
	})
}

// ConfirmMail is where the link in a letter leads. Looking confirms nothing:
// programs that read mail look too.
func ConfirmMail(c *page.Call) error {
	v := confirmView{Headline: c.Text.T("safety.confirm"), Lead: c.Text.T("safety.confirm-lead"), Button: c.Text.T("safety.confirm-now"), Action: "/me/mail/confirm", Code: c.R.URL.Query().Get("code")}
	return c.Show("confirm", page.Page{Title: v.Headline, Body: v})
}

// DoConfirmMail takes the code.
func DoConfirmMail(c *page.Call) error {
	if !c.Site.Limits.SignIn(c.Address(), "mail "+c.Address()) {
		return page.ErrTooOften
	}
	err := c.Write(func(tx *db.Tx) error {
		m, before, err := member.ConfirmMail(tx, c.R.PostForm.Get("code"))
		if err != nil || before == "" || !c.Site.Mail {
			return err
		}
		return letter.Put(tx, letter.Job{Letter: letter.Moved, MemberID: m.ID, To: before, Lang: c.Text.Lang})
	})
	if errors.Is(err, member.ErrCode) {
		return page.Refuse("code", c.Text.T("recover.code-wrong"))
	}
	if err != nil {
		return err
	}
	return c.Redirect("/", "confirmed")
}

// RemoveIdentity takes away an account elsewhere.
func RemoveIdentity(c *page.Call) error {
	f := c.R.PostForm
	return change(c, "saved", func(tx *db.Tx) error { return oidc.Remove(tx, c.Viewer.Member, f.Get("issuer"), f.Get("subject")) })
}

// RenamePasskey and RemovePasskey change one's passkeys.
func RenamePasskey(c *page.Call) error {
	id, err := strconv.ParseInt(c.R.PostForm.Get("id"), 10, 64)
	if err != nil {
		return page.ErrNotFound
	}
	return change(c, "saved", func(tx *db.Tx) error { return passkey.Rename(tx, c.Viewer.ID, id, c.R.PostForm.Get("name")) })
}

// RemovePasskey takes one away, unless it is the last way in.
func RemovePasskey(c *page.Call) error {
	id, err := strconv.ParseInt(c.R.PostForm.Get("id"), 10, 64)
	if err != nil {
		return page.ErrNotFound
	}
	return change(c, "saved", func(tx *db.Tx) error { return passkey.Remove(tx, c.Viewer.Member, id) })
}

// EndOthers signs out everywhere else.
func EndOthers(c *page.Call) error {
	if err := c.Write(func(tx *db.Tx) error { return member.EndOthers(tx, c.Viewer.Session) }); err != nil {
		return err
	}
	return c.Redirect(safety, "ended")
}

// Export gives all that is kept about the member. It is written to a file first:
// a slow reader holds no transaction.
func Export(c *page.Call) error {
	if err := fresh(c); err != nil {
		return err
	}
	f, err := os.CreateTemp("", "friday-export-*.zip")
	if err != nil {
		return err
	}
	defer f.Close()
	if err := os.Remove(f.Name()); err != nil { // it lives as long as it is open
		return err
	}
	if err := holding.Write(c.R.Context(), c.Site.DB, c.Site.Keepers, c.Viewer.ID, f); err != nil {
		return err
	}
	size, err := f.Seek(0, io.SeekEnd)
	if err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return err
	}
	h := c.W.Header()
	h.Set("Content-Type", "application/zip")
	h.Set("Content-Disposition", `attachment; filename="account.zip"`)
	h.Set("Content-Length", strconv.FormatInt(size, 10))
	h.Set("Cache-Control", "private, no-store")
	_, _ = io.Copy(c.W, f) // the reader may have left
	return nil
}

// Delete erases one's account.
func Delete(c *page.Call) error {
	if err := fresh(c); err != nil {
		return err
	}
	if member.NameKey(c.R.PostForm.Get("name")) != member.NameKey(c.Viewer.Name) {
		return page.Refuse("name", c.Text.T("safety.leave-wrong"))
	}
	err := c.Write(func(tx *db.Tx) error { return holding.Erase(tx, c.Site.Keepers, c.Viewer.ID) })
	if text, ok := inputText(c, err); ok {
		return page.Refuse("account", text)
	}
	if err != nil {
		return err
	}
	c.SetCookie("")
	return c.Redirect("/", "gone")
}

type proveView struct {
	Password, Passkey bool
	Services          []string
	Next, Error       string
}

// Prove asks a member who is signed in to show again who they are.
func Prove(c *page.Call) error { return showProve(c, http.StatusOK, c.R.URL.Query().Get("next"), "") }

func showProve(c *page.Call, status int, next, wrong string) error {
	v := proveView{Next: page.SafeNext(next), Error: wrong}
	err := c.Read(func(tx *db.Tx) error {
		ways, err := member.WaysInOf(tx, c.Viewer.ID)
		v.Password, v.Passkey = ways.Password, ways.Passkeys > 0 && c.Site.Passkeys.Offered()
		if ways.Identities > 0 {
			v.Services = c.Site.Services.Names()
		}
		return err
	})
	if err != nil {
		return err
	}
	return c.Render(status, "prove", page.Page{Title: c.Text.T("prove.title"), Nav: "me", Body: v})
}

// DoProve takes the password.
func DoProve(c *page.Call) error {
	f := c.R.PostForm
	if !c.Site.Limits.SignIn(c.Address(), c.Viewer.Name) {
		return page.ErrTooOften
	}
	_, err := c.Site.Passwords.SignIn(c.R.Context(), c.Site.DB, c.Viewer.Name, f.Get("password"))
	if errors.Is(err, member.ErrSignIn) {
		return showProve(c, http.StatusUnprocessableEntity, f.Get("next"), c.Text.T("safety.old-wrong"))
	}
	if err != nil {
		return err
	}
	return proved(c, f.Get("next"))
}

func proved(c *page.Call, next string) error {
	if err := c.Write(func(tx *db.Tx) error { return member.Prove(tx, c.Viewer.Session) }); err != nil {
		return err
	}
	if strings.TrimSpace(next) == "" {
		next = safety
	}
	return c.Redirect(page.SafeNext(next), "proved")
}

// stepTime is how long a step at another service or with a passkey may take.
const stepTime = 10 * time.Minute
