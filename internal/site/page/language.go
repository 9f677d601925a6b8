package page

import (
	"net/http"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/site/text"
)

// languageCookie holds the language that a reader chose.
const languageCookie = "friday-language"

// Language is the one that a request is answered in: what the reader chose in this
// browser, else what it asks for. A member's account says better: see begin.
func (s *Site) Language(r *http.Request) *text.Text {
	chosen := ""
	if k, err := r.Cookie(languageCookie); err == nil {
		chosen = k.Value
	}
	return s.Book.Match(chosen, r.Header.Get("Accept-Language"))
}

// ChooseLanguage takes the form of the page's foot.
func ChooseLanguage(c *Call) error {
	t := c.Site.Book.In(c.R.PostForm.Get("lang"))
	if t == nil {
		return ErrNotFound
	}
	http.SetCookie(c.W, &http.Cookie{Name: languageCookie, Value: t.Lang, Path: "/", HttpOnly: true, Secure: c.Site.secure, SameSite: http.SameSiteLaxMode, MaxAge: 365 * 24 * 3600})
	if c.Viewer.ID != 0 {
		if err := c.Write(func(tx *db.Tx) error {
			if err := member.ChooseLanguage(tx, c.Viewer.ID, t.Lang); err != nil {
				return err
			}
			return member.SetLanguage(tx, c.Viewer.ID, t.Lang)
		}); err != nil {
			return err
		}
	}
	return c.Redirect(SafeNext(c.R.PostForm.Get("next")), "")
}
