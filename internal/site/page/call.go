package page

import (
	"bytes"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/fridayos/friday/internal/crash"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/site/text"
	"github.com/fridayos/friday/internal/upload"
)

// Call is one request on its way through a route.
type Call struct {
	Site   *Site
	W      http.ResponseWriter
	R      *http.Request
	Viewer Viewer
	Asks   []Ask
	Unread int        // notices to the viewer, up to 100
	Text   *text.Text // in the reader's language

	drafts  []upload.Draft    // files of the form
	logs    []crash.Taken     // those of them that are logs, scrubbed
	sent    []int64           // the same, kept as drafts of the viewer's
	fileErr *upload.Refused   // the first of them that cannot be taken
	keep    func(body []byte) // takes a page that is the same for all; nil: it is not
}

// Page is what a template gets. Whoever shows one gives Title, Nav, Script and Body.
type Page struct {
	Title  string // of the browser's tab
	Began  int64  // when it was shown, in seconds: forms send it back
	Nav    string // which part of the navigation it belongs to
	Script bool   // it has a countdown
	Feed   string // address of its Atom feed; empty: that of all threads
	Body   any

	Site, Notice, Lang, Dir, Here string
	Viewer                        Viewer
	Asks                          []Ask
	Unread                        int
}

// Ask is a question to the viewer.
type Ask struct {
	feedback.Ask
	DeviceName, Path string
}

// Read and Write run fn in a transaction, as db.DB does.
func (c *Call) Read(fn func(tx *db.Tx) error) error  { return c.Site.DB.Read(c.R.Context(), fn) }
func (c *Call) Write(fn func(tx *db.Tx) error) error { return c.Site.DB.Write(c.R.Context(), fn) }

// Now is the time, as the site's zone has it.
func (c *Call) Now() time.Time { return c.Site.DB.Now().In(c.Site.Zone) }

// begin finds out who calls, and whether they may.
func (c *Call) begin(r Route) error {
	if c.R.Method == http.MethodPost {
		if err := c.R.ParseForm(); err != nil {
			return err
		}
	}
	if err := c.checkText(); err != nil {
		return err
	}
	if k, err := c.R.Cookie(c.Site.cookieName()); err == nil && k.Value != "" {
		if err := c.Read(c.identify); err != nil {
			return err
		}
	}
	if t := c.Site.Book.In(c.Viewer.Language); t != nil && c.Viewer.ID != 0 {
		c.Text = t
	}
	if c.Viewer.Session.Stale {
		if err := c.Write(func(tx *db.Tx) error {
			if err := member.SetLanguage(tx, c.Viewer.ID, c.Text.Lang); err != nil { // letters follow what is read
				return err
			}
			return member.Touch(tx, c.Viewer.Session, c.Address())
		}); err != nil {
			return err
		}
	}
	if r.Need > Anyone && c.Viewer.ID == 0 {
		return c.toSignIn()
	}
	if !c.Viewer.May(r.Need) {
		return ErrForbidden
	}
	if c.R.Method == http.MethodPost && r.Need > Anyone && c.Viewer.Standing.Suspended() && !ownAffair(c.R.URL.Path) {
		return ErrSuspended
	}
	if multipartForm(c.R) && r.MaxBody == 0 {
		if !r.Files {
			return ErrNotText
		}
		return c.readFiles()
	}
	return nil
}

// ownAffair says whether an address is about one's own account: what a member who
// is suspended may still do.
func ownAffair(path string) bool {
	return path == "/signout" || path == "/me" || strings.HasPrefix(path, "/me/") || strings.HasPrefix(path, "/notices/")
}

// checkText refuses what no database can hold as text; browsers send none. There
// is no page at such an address.
func (c *Call) checkText() error {
	bad := func(s string) bool { return !utf8.ValidString(s) || strings.ContainsRune(s, 0) }
	if bad(c.R.URL.Path) || anyValue(c.R.URL.Query(), bad) {
		return ErrNotFound
	}
	if anyValue(c.R.PostForm, bad) {
		return ErrNotText
	}
	return nil
}

func anyValue(values url.Values, bad func(string) bool) bool {
	for name, v := range values {
		if bad(name) || slices.ContainsFunc(v, bad) {
			return true
		}
	}
	return false
}

func (c *Call) toSignIn() error {
	next := c.R.URL.Path
	if c.R.Method == http.MethodPost { // back to the page that the form stood on
		next = path2(next)
	}
	http.Redirect(c.W, c.R, "/signin?next="+url.QueryEscape(next), http.StatusSeeOther)
	return ErrAnswered
}

// path2 is the first two segments of a path: "/t/41" of "/t/41/vote".
func path2(p string) string {
	parts := strings.Split(p, "/")
	if len(parts) == 4 && (parts[1] == "flag" || parts[1] == "desk") { // the form's own address
		return p
	}
	return strings.Join(parts[:min(3, len(parts))], "/")
}

// Redirect answers a form: see the page, with a word about what happened, which
// is the message "done." + done.
func (c *Call) Redirect(to, done string) error {
	if done != "" {
		base, fragment, _ := strings.Cut(to, "#")
		mark := "?"
		if strings.Contains(base, "?") {
			mark = "&"
		}
		if to = base + mark + "done=" + done; fragment != "" {
			to += "#" + fragment
		}
	}
	http.Redirect(c.W, c.R, to, http.StatusSeeOther)
	return nil
}

// Show answers with a page: its template by name.
func (c *Call) Show(name string, p Page) error { return c.Render(http.StatusOK, name, p) }

// Piece shows one template of a page alone, for its script to put in.
func (c *Call) Piece(name, piece string, body any) error {
	var out bytes.Buffer
	page, err := c.Site.template(c.Text.Lang, name)
	if err == nil {
		err = page.ExecuteTemplate(&out, piece, body)
	}
	if err != nil {
		return fmt.Errorf("cannot show a piece of page %s: %w", name, err)
	}
	h := c.W.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "private, no-store")
	if _, err := c.W.Write(out.Bytes()); err != nil {
		return ErrAnswered // the reader has gone
	}
	return nil
}

// Render is Show with a status of one's own.
func (c *Call) Render(status int, name string, p Page) error {
	p.Site, p.Viewer, p.Asks, p.Unread = c.Site.Name, c.Viewer, c.Asks, c.Unread
	p.Began = c.Now().Unix()
	p.Lang, p.Dir, p.Here = c.Text.Lang, c.Text.Dir, c.R.URL.RequestURI()
	if c.R.Method == http.MethodPost { // back to the page that the form stood on
		p.Here = path2(c.R.URL.EscapedPath())
	}
	if done := "done." + c.R.URL.Query().Get("done"); c.Text.Has(done) {
		p.Notice = c.Text.T(done)
	}
	out := c.Site.sheets.get()
	defer c.Site.sheets.put(out)
	page, err := c.Site.template(c.Text.Lang, name)
	if err == nil {
		err = page.ExecuteTemplate(out, "layout.html", p)
	}
	if err != nil {
		return fmt.Errorf("cannot show page %s: %w", name, err)
	}
	if c.keep != nil && status == http.StatusOK {
		c.keep(bytes.Clone(out.Bytes()))
	}
	c.answer(status, out.Bytes())
	return nil
}

// sheets are what pages are written on before they are sent, to be used again: they
// would be most of what a page leaves behind.
type sheets struct{ pool sync.Pool }

func (s *sheets) get() *bytes.Buffer {
	if out, ok := s.pool.Get().(*bytes.Buffer); ok {
		out.Reset()
		return out
	}
	return bytes.NewBuffer(make([]byte, 0, 32<<10))
}

func (s *sheets) put(out *bytes.Buffer) {
	if out.Cap() <= 256<<10 {
		s.pool.Put(out)
	}
}

// answer writes a page.
func (c *Call) answer(status int, body []byte) {
	h := c.W.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "private, no-cache")
	h.Set("Vary", "Accept-Language, Cookie")
	h.Set("Content-Language", c.Text.Lang)
	if c.Viewer.ID != 0 {
		h.Set("Cache-Control", "private, no-store")
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	c.W.WriteHeader(status)
	if c.R.Method != http.MethodHead {
		_, _ = c.W.Write(body) // the reader may have left
	}
}

// SafeNext is where to go after signing in: a path on this site, or home.
func SafeNext(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || u.Opaque != "" || !strings.HasPrefix(u.Path, "/") ||
		strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n\t") || strings.HasPrefix(u.Path, "//") {
		return "/"
	}
	return u.RequestURI()
}

// On says whether a form's switch "on" says yes.
func (c *Call) On() bool { return c.R.PostForm.Get("on") == "yes" }
