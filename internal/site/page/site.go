// Package page is what every page of the site is made with: one call with its
// viewer and language, the layout, rendering, errors, limits, static files. It has
// no page of its own but the one of an error, and no rules: what a page shows is
// read through the rooms below, and what a form does is one call into them.
//
// Every page works without JavaScript. How it looks is kept in static/site.css
// and layout.html; what it says, in text/; the drawing of the line is in package
// line, and its words in package tell.
package page

import (
	"embed"
	"fmt"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"time"

	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback/duplicate"
	"github.com/fridayos/friday/internal/keys"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/member/holding"
	"github.com/fridayos/friday/internal/member/oidc"
	"github.com/fridayos/friday/internal/member/passkey"
	"github.com/fridayos/friday/internal/outward"
	"github.com/fridayos/friday/internal/site/markdown"
	"github.com/fridayos/friday/internal/site/tell"
	"github.com/fridayos/friday/internal/site/text"
	"github.com/fridayos/friday/internal/train"
	"github.com/fridayos/friday/internal/upload"
)

//go:embed static text *.html
var files embed.FS

// Options are what the pages need.
type Options struct {
	DB             *db.DB
	Train          *train.Train
	Reports        *blob.Store       // scrubbed logs, and nothing else; nil: logs are not taken
	BaseURL        string            // "https://os.example.org"; https makes cookies Secure and named __Host-
	Name           string            // of the OS, on every page; "Friday" when empty
	TrustedProxies []netip.Prefix    // whose X-Forwarded-For is believed
	Uploads        *upload.Store     // pictures and attachments of posts; nil: none are taken
	UploadsURL     string            // another origin that files are served from; empty: the site's own
	Passwords      *member.Passwords // nil: at the default cost
	Log            *slog.Logger      // nil: nothing is logged
	Mail           bool              // mail is set up: members may give addresses
	Services       *oidc.Services    // that members may sign in by; nil: none
	Keepers        []holding.Keeper  // what other rooms keep about members
	Tickets        *keys.Ticket      // signed the addresses that stop letters; nil: there are none
	PushKey        string            // by which push services know the server, base64url; empty: nothing is pushed
	Outward        outward.Policy    // which addresses of webhooks and push services may be called

	// Alike finds threads that a new one may repeat; nil: none are suggested.
	Alike func(duplicate.Query) []duplicate.Candidate
}

// MaxBody is the largest request body; a post of feedback.MaxBody characters fits well.
const MaxBody = 128 << 10

// maxAnswer is how long answering a request may take, until its last byte.
const maxAnswer = 2 * time.Minute

// Site is what the calls of one site share.
type Site struct {
	Options
	Zone     *time.Location
	Book     *text.Book
	Markdown *markdown.Renderer
	Limits   Limits
	Figures  Figures
	Passkeys *passkey.Keys // nil: the address takes none

	secure bool
	host   string // the site's own
	files  string // the host that files are served from; empty: the site's own
	kept   kept
	sheets sheets
	pages  map[string]pages // by language
	assets map[string]asset
}

// New makes a site out of parts: each has the templates of its pages, *.html, of
// which parts.html is for all of them, and their messages, text/*.yaml.
func New(o Options, parts ...fs.FS) (*Site, error) {
	base, err := url.Parse(o.BaseURL)
	if err != nil || o.BaseURL != "" && (base.Host == "" || base.Scheme != "http" && base.Scheme != "https") {
		return nil, fmt.Errorf("cannot make the site: base URL is %q, expected one such as https://os.example.org", o.BaseURL)
	}
	if o.DB == nil || o.Train == nil {
		return nil, fmt.Errorf("cannot make the site: it needs a database and the train")
	}
	if o.Name == "" {
		o.Name = "Friday"
	}
	if o.Passwords == nil {
		o.Passwords = member.NewPasswords(member.DefaultCost())
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	s := &Site{Options: o, secure: base.Scheme == "https", Zone: o.Train.Schedule.Zone, Markdown: markdown.New(), Limits: NewLimits()}
	if s.Zone == nil {
		s.Zone = time.UTC
	}
	s.host = base.Host
	if s.files, err = filesHost(o.UploadsURL, base.Host); err != nil {
		return nil, err
	}
	if o.BaseURL != "" {
		if s.Passkeys, err = passkey.New(o.BaseURL, o.Name); err != nil {
			return nil, fmt.Errorf("cannot make the site: %w", err)
		}
	}
	parts = append([]fs.FS{files}, parts...)
	if s.Book, err = text.Read(append([]fs.FS{tell.Files}, parts...)...); err != nil {
		return nil, err
	}
	if s.assets, err = readAssets(files); err != nil {
		return nil, err
	}
	return s, s.readPages(parts)
}

// Guard sets what every answer carries and bounds what every request may.
func (s *Site) Guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'"+s.filesOrigin()+"; font-src 'self'; connect-src 'self'; "+
			"form-action 'self'; base-uri 'none'; frame-ancestors 'none'")
		h.Set("X-Content-Type-Options", "nosniff")
		h.Set("X-Frame-Options", "DENY")
		h.Set("Referrer-Policy", "same-origin")
		h.Set("Cross-Origin-Opener-Policy", "same-origin")
		h.Set("Cross-Origin-Resource-Policy", "same-origin")
		h.Set("Permissions-Policy", "camera=(), microphone=(), geolocation=(), browsing-topics=()")
		if s.secure {
			h.Set("Strict-Transport-Security", "max-age=31536000")
		}
		// Who does not read the answer does not hold the connection for ever. A
		// recorder in a test has no deadlines.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(maxAnswer))
		next.ServeHTTP(w, r)
	})
}
