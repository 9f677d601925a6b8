// Package site is the pages: forum, devices, releases, train console. It holds
// no rules: what a page shows is read through the rooms below, and what a form
// does is one call into them. How it looks and speaks is kept in static/site.css
// and templates/; the drawing of the line is in package line.
package site

import (
	"errors"
	"log/slog"
	"net/http"
	"net/netip"

	"github.com/fridayos/friday/internal/db"
)

// Options are what the pages need.
type Options struct {
	DB             *db.DB
	BaseURL        string         // "https://os.example.org"; https makes cookies Secure and named __Host-
	Name           string         // of the OS, on every page; "Friday" when empty
	TrustedProxies []netip.Prefix // whose X-Forwarded-For is believed
	Log            *slog.Logger
}

// New makes the pages' handler.
func New(o Options) (http.Handler, error) { return nil, errors.New("unwritten") }
