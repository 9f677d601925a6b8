package site

import (
	"bytes"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/site/line"
)

// call is one request on its way through a route.
type call struct {
	s      *server
	w      http.ResponseWriter
	r      *http.Request
	viewer viewer
	asks   []askView
}

// page is what a template gets.
type page struct {
	Title, Site, Nav, Notice string
	Viewer                   viewer
	Asks                     []askView
	Script                   bool
	Body                     any
}

// askView is a question to the viewer.
type askView struct {
	feedback.Ask
	DeviceName, Path string
}

var (
	errNotFound  = errors.New("there is no such page")
	errForbidden = errors.New("this is not yours to do")
	errTooOften  = errors.New("too many requests")
	errNotText   = errors.New("the form holds bytes that are no text")
)

func (c *call) read(fn func(tx *db.Tx) error) error  { return c.s.DB.Read(c.r.Context(), fn) }
func (c *call) write(fn func(tx *db.Tx) error) error { return c.s.DB.Write(c.r.Context(), fn) }
func (c *call) now() time.Time                       { return c.s.DB.Now().In(c.s.zone) }

// begin finds out who calls, and whether they may.
func (c *call) begin(n need) error {
	if c.r.Method == http.MethodPost {
		if err := c.r.ParseForm(); err != nil {
			return err
		}
	}
	if err := c.checkText(); err != nil {
		return err
	}
	if err := c.read(c.identify); err != nil {
		return err
	}
	if c.viewer.session.Stale {
		if err := c.write(func(tx *db.Tx) error { return member.Touch(tx, c.viewer.session) }); err != nil {
			return err
		}
	}
	if n > anyone && c.viewer.ID == 0 {
		return c.toSignIn()
	}
	if !c.viewer.may(n) {
		return errForbidden
	}
	return nil
}

// checkText refuses what no database can hold as text; browsers send none. There
// is no page at such an address.
func (c *call) checkText() error {
	bad := func(s string) bool { return !utf8.ValidString(s) || strings.ContainsRune(s, 0) }
	if bad(c.r.URL.Path) || anyValue(c.r.URL.Query(), bad) {
		return errNotFound
	}
	if anyValue(c.r.PostForm, bad) {
		return errNotText
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

// errAnswered ends a call whose answer is written.
var errAnswered = errors.New("answered")

func (c *call) toSignIn() error {
	next := c.r.URL.Path
	if c.r.Method == http.MethodPost { // back to the page that the form stood on
		next = path2(next)
	}
	http.Redirect(c.w, c.r, "/signin?next="+url.QueryEscape(next), http.StatusSeeOther)
	return errAnswered
}

// path2 is the first two segments of a path: "/t/41" of "/t/41/vote".
func path2(p string) string {
	parts := strings.Split(p, "/")
	return strings.Join(parts[:min(3, len(parts))], "/")
}

// redirect answers a form: see the page, with a word about what happened.
func (c *call) redirect(to, done string) error {
	if done != "" {
		to += "?done=" + done
	}
	http.Redirect(c.w, c.r, to, http.StatusSeeOther)
	return nil
}

// done says what a form did, after the redirect.
var done = map[string]string{
	"filed":     "It is filed. You are told here when something happens to it.",
	"works":     "Thank you. The fix is confirmed on that phone.",
	"broken":    "Thank you. It is in front of the maintainers again.",
	"unsure":    "Thank you. The thread stays open for others to confirm.",
	"objected":  "Your objection stands; a maintainer answers it.",
	"marked":    "Said.",
	"moved":     "Done; the log below has it.",
	"roles":     "Done. It counts from now on.",
	"cut":       "It is cut. The worker builds it now.",
	"welcome":   "Welcome. Report what annoys you most, or claim your phone.",
	"ended":     "That session is ended.",
	"signedout": "You are signed out.",
}

// show renders a page.
func (c *call) show(name string, p page) error { return c.render(http.StatusOK, name, p) }

func (c *call) render(status int, name string, p page) error {
	p.Site, p.Viewer, p.Asks = c.s.Name, c.viewer, c.asks
	p.Notice = done[c.r.URL.Query().Get("done")]
	var out bytes.Buffer
	if err := c.s.pages[name].ExecuteTemplate(&out, "layout.html", p); err != nil {
		return fmt.Errorf("cannot show page %s: %w", name, err)
	}
	h := c.w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "private, no-cache")
	if c.viewer.ID != 0 {
		h.Set("Cache-Control", "private, no-store")
	}
	h.Set("Content-Length", strconv.Itoa(out.Len()))
	c.w.WriteHeader(status)
	if c.r.Method != http.MethodHead {
		_, _ = c.w.Write(out.Bytes()) // the reader may have left
	}
	return nil
}

// errorView is an error as a page.
type errorView struct {
	Code                       int
	Headline, Text, Href, Link string
	Line                       line.Map
}

// fail answers with what went wrong.
func (c *call) fail(err error) {
	var input *feedback.InputError
	var tooLarge *http.MaxBytesError
	v := errorView{Href: "/", Link: "To this week"}
	switch {
	case errors.Is(err, errAnswered):
		return
	case errors.Is(err, errNotFound), isMissing(err):
		v.Code, v.Headline, v.Text = http.StatusNotFound, "No train stops here", "There is no page at this address, or it is not for everyone to see."
	case errors.Is(err, errForbidden):
		v.Code, v.Headline, v.Text = http.StatusForbidden, "This is not yours to do", "It takes a maintainer of that phone, a moderator or an administrator. Ask one of them in the thread."
	case errors.Is(err, errTooOften):
		v.Code, v.Headline, v.Text = http.StatusTooManyRequests, "A little slower", "That was often in a short time. Wait a minute and send it again; nothing is lost if you go back."
		c.w.Header().Set("Retry-After", "60")
	case errors.Is(err, errNotText):
		v.Code, v.Headline, v.Text = http.StatusBadRequest, "That cannot be read", "The form holds bytes that are no text. Go back and write it again."
	case errors.As(err, &tooLarge):
		v.Code, v.Headline, v.Text = http.StatusRequestEntityTooLarge, "That is too long", fmt.Sprintf("A form may have %d kB. Go back and shorten it.", maxBody>>10)
	case errors.As(err, &input):
		v.Code, v.Headline, v.Text = http.StatusUnprocessableEntity, "That cannot be done as written", input.Message
	case errors.Is(err, feedback.ErrNoAsk):
		v.Code, v.Headline, v.Text = http.StatusConflict, "This question is closed", "You answered it already, or the fix was taken back before you did."
	case c.r.Context().Err() != nil:
		return // nobody listens
	default:
		id := strconv.FormatInt(db.NewID(), 36)
		c.s.Log.Error("cannot answer", "id", id, "method", c.r.Method, "path", c.r.URL.Path, "err", err)
		v.Code, v.Headline, v.Text = http.StatusInternalServerError, "The site broke down here", "It is not your fault. Try again in a minute; if it stays, tell a maintainer this number: "+id+"."
	}
	mark := line.Halted
	if v.Code == http.StatusNotFound {
		mark = line.Missed
	}
	v.Line = line.Map{Label: "Where this went", Scale: "way", Train: -1, Stops: []line.Stop{{Name: "Here", Mark: line.Passed}, {Name: v.Headline, Mark: mark}, {Name: "Onwards", Mark: line.Ahead}}}
	if err := c.render(v.Code, "error", page{Title: v.Headline, Body: v}); err != nil {
		c.s.Log.Error("cannot show the page of an error", "err", err)
		http.Error(c.w, v.Text, v.Code)
	}
}

// safeNext is where to go after signing in: a path on this site, or home.
func safeNext(next string) string {
	u, err := url.Parse(next)
	if err != nil || u.Scheme != "" || u.Host != "" || u.Opaque != "" || !strings.HasPrefix(u.Path, "/") ||
		strings.HasPrefix(next, "//") || strings.ContainsAny(next, "\\\r\n\t") || strings.HasPrefix(u.Path, "//") {
		return "/"
	}
	return u.RequestURI()
}
