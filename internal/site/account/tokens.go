package account

import (
	"errors"
	"strconv"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/site/page"
	"github.com/fridayos/friday/internal/token"
)

type tokensView struct {
	Tokens         []tokenView
	Scopes, Lives  []page.Choice
	Secret         string // of the token that was made now; shown once
	Name, Mistaken string
}

type tokenView struct {
	ID                int64
	Name, Hint, Scope string
	Made, Used, Until time.Time
	Over              bool
}

// tokenDays are how long a token may last, in days; 0: until it is revoked.
var tokenDays = []string{"30", "90", "365", "0"}

// Tokens is one's keys for programs.
func Tokens(c *page.Call) error { return showTokens(c, 200, tokensView{}) }

func showTokens(c *page.Call, status int, v tokensView) error {
	err := c.Read(func(tx *db.Tx) error {
		all, err := token.List(tx, c.Viewer.ID)
		v.Tokens = nil
		for _, t := range all {
			one := tokenView{ID: t.ID, Name: t.Name, Hint: t.Hint, Made: t.CreatedAt, Used: t.UsedAt, Until: t.ExpiresAt, Over: t.Over(tx.Now())}
			for i, s := range t.Scopes {
				if i > 0 {
					one.Scope += " · "
				}
				one.Scope += c.Text.T("tokens.scope." + string(s))
			}
			v.Tokens = append(v.Tokens, one)
		}
		return err
	})
	if err != nil {
		return err
	}
	for _, s := range token.Scopes() {
		v.Scopes = append(v.Scopes, page.Choice{Value: string(s), Word: c.Text.T("tokens.scope." + string(s)), On: s == token.Read})
	}
	for _, days := range tokenDays {
		word := c.Text.T("tokens.for-days", "Days", days)
		if days == "0" {
			word = c.Text.T("tokens.for-ever")
		}
		v.Lives = append(v.Lives, page.Choice{Value: days, Word: word, On: days == "90"})
	}
	return c.Render(status, "tokens", page.Page{Title: c.Text.T("tokens.title"), Nav: "me", Body: v})
}

// NewToken makes a token and shows it on the page itself: an address would keep it.
func NewToken(c *page.Call) error {
	if !c.Site.Limits.Act(c.Viewer.ID) {
		return page.ErrTooOften
	}
	f := c.R.PostForm
	days, err := strconv.Atoi(f.Get("days"))
	if err != nil || days < 0 || days > 366 {
		days = 90
	}
	var scopes []token.Scope
	for _, s := range f["scope"] {
		scopes = append(scopes, token.Scope(s))
	}
	var secret string
	err = c.Write(func(tx *db.Tx) error {
		_, made, err := token.New(tx, c.Viewer.ID, c.Viewer.Name, f.Get("name"), scopes, time.Duration(days)*24*time.Hour)
		secret = made
		return err
	})
	var invalid *token.Invalid
	if errors.As(err, &invalid) {
		return showTokens(c, 422, tokensView{Name: f.Get("name"), Mistaken: c.Text.T("tokens.wrong." + invalid.Field)})
	}
	if err != nil {
		return err
	}
	return showTokens(c, 200, tokensView{Secret: secret})
}

// RevokeToken ends one of one's own tokens.
func RevokeToken(c *page.Call) error {
	id, err := strconv.ParseInt(c.R.PostForm.Get("token"), 10, 64)
	if err != nil {
		return page.ErrNotFound
	}
	err = c.Write(func(tx *db.Tx) error { return token.Revoke(tx, c.Viewer.ID, c.Viewer.Name, id) })
	if errors.Is(err, token.ErrNotFound) {
		return page.ErrNotFound
	}
	if err != nil {
		return err
	}
	return c.Redirect("/me/tokens", "")
}
