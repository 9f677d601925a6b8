package page

import (
	"net/http"
	"time"
)

// SetSecret gives the browser a secret of a few minutes that a step of signing in
// is bound to; "" takes it away. Scripts cannot read it.
func (c *Call) SetSecret(name, value string, lasts time.Duration) {
	k := &http.Cookie{Name: c.Site.cookieName() + "-" + name, Value: value, Path: "/", HttpOnly: true, Secure: c.Site.secure,
		SameSite: http.SameSiteLaxMode, MaxAge: int(lasts.Seconds())}
	if value == "" {
		k.MaxAge = -1
	}
	http.SetCookie(c.W, k)
}

// Secret reads it; "" if there is none.
func (c *Call) Secret(name string) string {
	k, err := c.R.Cookie(c.Site.cookieName() + "-" + name)
	if err != nil {
		return ""
	}
	return k.Value
}
