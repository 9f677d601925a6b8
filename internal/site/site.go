// Package site is the pages: forum, devices, releases, train console. It holds
// no rules: what a page shows is read through the rooms below, and what a form
// does is one call into them. How it looks and speaks is kept in static/site.css
// and templates/; the drawing of the line is in package line.
//
// Every page works without JavaScript. Every route stands in one table with the
// role that it needs (routes.go).
package site

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"html/template"
	"io/fs"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/site/line"
	"github.com/fridayos/friday/internal/site/markdown"
	"github.com/fridayos/friday/internal/site/tell"
	"github.com/fridayos/friday/internal/train"
)

//go:embed static templates
var files embed.FS

// Options are what the pages need.
type Options struct {
	DB             *db.DB
	Train          *train.Train
	BaseURL        string            // "https://os.example.org"; https makes cookies Secure and named __Host-
	Name           string            // of the OS, on every page; "Friday" when empty
	TrustedProxies []netip.Prefix    // whose X-Forwarded-For is believed
	Passwords      *member.Passwords // nil: at the default cost
	Log            *slog.Logger      // nil: nothing is logged
}

// Largest request bodies; a post of MaxBody characters fits well.
const maxBody = 128 << 10

// maxAnswer is how long answering a request may take, until its last byte.
const maxAnswer = 2 * time.Minute

type server struct {
	Options
	secure  bool
	zone    *time.Location
	pages   map[string]*template.Template
	assets  map[string]asset
	md      *markdown.Renderer
	limits  limits
	handler http.Handler
}

type asset struct {
	body []byte
	gzip []byte
	mime string
	href string // with a digest: it may be cached for good
}

// New makes the pages' handler.
func New(o Options) (http.Handler, error) {
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
	s := &server{Options: o, secure: base.Scheme == "https", zone: o.Train.Schedule.Zone, md: markdown.New(), limits: newLimits()}
	if s.zone == nil {
		s.zone = time.UTC
	}
	if err := s.loadAssets(); err != nil {
		return nil, err
	}
	if err := s.loadPages(); err != nil {
		return nil, err
	}
	mux := http.NewServeMux()
	for _, r := range routes {
		mux.Handle(r.pattern, s.serve(r))
	}
	mux.HandleFunc("GET /static/{file}", s.serveAsset)
	mux.Handle("/", s.serve(route{handle: func(*call) error { return errNotFound }}))
	s.handler = s.guard(http.NewCrossOriginProtection().Handler(mux))
	return s, nil
}

// ServeHTTP answers one request.
func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) { s.handler.ServeHTTP(w, r) }

// guard sets what every answer carries and bounds what every request may.
func (s *server) guard(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Content-Security-Policy", "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; font-src 'self'; "+
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
		r.Body = http.MaxBytesReader(w, r.Body, maxBody)
		// Who does not read the answer does not hold the connection for ever. A
		// recorder in a test has no deadlines.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(maxAnswer))
		next.ServeHTTP(w, r)
	})
}

func (s *server) loadAssets() error {
	s.assets = map[string]asset{}
	mimes := map[string]string{".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8", ".svg": "image/svg+xml"}
	names, err := fs.Glob(files, "static/*")
	if err != nil {
		return err
	}
	for _, name := range names {
		body, err := files.ReadFile(name)
		if err != nil {
			return err
		}
		sum := sha256.Sum256(body)
		name = path.Base(name)
		var packed bytes.Buffer
		z, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
		if err == nil {
			_, err = z.Write(body)
		}
		if err == nil {
			err = z.Close()
		}
		if err != nil {
			return fmt.Errorf("cannot compress %s: %w", name, err)
		}
		s.assets[name] = asset{body, packed.Bytes(), mimes[path.Ext(name)], "/static/" + name + "?" + hex.EncodeToString(sum[:6])}
	}
	return nil
}

func (s *server) serveAsset(w http.ResponseWriter, r *http.Request) {
	a, ok := s.assets[r.PathValue("file")]
	if !ok {
		http.NotFound(w, r)
		return
	}
	w.Header().Set("Content-Type", a.mime)
	if "?"+r.URL.RawQuery == a.href[strings.IndexByte(a.href, '?'):] {
		w.Header().Set("Cache-Control", "public, max-age=31536000, immutable")
	} else {
		w.Header().Set("Cache-Control", "public, max-age=300")
	}
	w.Header().Set("Vary", "Accept-Encoding")
	body := a.body
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") && r.Header.Get("Range") == "" {
		w.Header().Set("Content-Encoding", "gzip")
		body = a.gzip
	}
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(body))
}

// loadPages parses each page with the layout and the parts that pages share.
func (s *server) loadPages() error {
	zoned := func(f func(t, now time.Time) string) func(t time.Time) template.HTML {
		return func(t time.Time) template.HTML {
			return template.HTML(`<time datetime="` + t.UTC().Format(time.RFC3339) + `">` + f(t.In(s.zone), s.DB.Now().In(s.zone)) + `</time>`) //nolint:gosec // only a formatted time
		}
	}
	funcs := template.FuncMap{
		"asset":   func(name string) string { return s.assets[name].href },
		"icon":    icon,
		"day":     zoned(tell.Day),
		"moment":  zoned(tell.Moment),
		"iso":     func(t time.Time) string { return t.UTC().Format(time.RFC3339) },
		"drawing": line.SVG,
		"marked":  func(m line.Mark) string { return tell.Mark(m) },
	}
	layout, err := template.New("layout.html").Funcs(funcs).ParseFS(files, "templates/layout.html", "templates/packages.html", "templates/tracks.html")
	if err != nil {
		return fmt.Errorf("cannot read the layout: %w", err)
	}
	s.pages = map[string]*template.Template{}
	names, err := fs.Glob(files, "templates/*.html")
	if err != nil {
		return err
	}
	for _, name := range names {
		page, err := layout.Clone()
		if err == nil {
			page, err = page.ParseFS(files, name)
		}
		if err != nil {
			return fmt.Errorf("cannot read page %s: %w", name, err)
		}
		s.pages[strings.TrimSuffix(path.Base(name), ".html")] = page
	}
	return nil
}

// icon draws the signs of the narrow navigation.
func icon(name string) template.HTML {
	paths := map[string]string{
		"week":    `<path d="M3 15h4l4-8h10M5 15a2 2 0 1 1-4 0 2 2 0 0 1 4 0zm18-8a2 2 0 1 1-4 0 2 2 0 0 1 4 0z"/>`,
		"threads": `<path d="M4 5h16v11H10l-4 4v-4H4z"/>`,
		"new":     `<path d="M12 5v14M5 12h14"/>`,
		"devices": `<path d="M7 2h10v20H7zM11 18h2"/>`,
		"train":   `<path d="M6 3h12v13H6zM6 10h12M8 20l2-4M16 20l-2-4M9 13h.01M15 13h.01"/>`,
	}
	return template.HTML(`<svg width="24" height="24" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.75" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" focusable="false">` + paths[name] + `</svg>`) //nolint:gosec // constants
}
