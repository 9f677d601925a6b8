// Package api is what programs call: the forum, the devices, the releases and
// the public part of members, as JSON under /api/forum/v1. openapi.yaml
// describes it, is served beside it, and is what its tests judge every answer by.
//
// It holds no rules: what may be read is what the pages show, and what is written
// is one call into the rooms below. Who calls is said by a token (package token)
// in the Authorization header and by nothing else: a cookie has no authority
// here, so that no other site can act through a member's browser. Without a
// token anyone may read what anyone may read.
package api

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/limit"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/moderation"
	"github.com/fridayos/friday/internal/token"
	"github.com/fridayos/friday/internal/train"
	"github.com/fridayos/friday/internal/upload"
)

// Prefix is where the API lies.
const Prefix = "/api/forum/v1"

// Options are what the API needs.
type Options struct {
	DB             *db.DB
	Train          *train.Train
	BaseURL        string         // of the site, without a slash at its end
	Uploads        *upload.Store  // of files; nil: none are taken
	TrustedProxies []netip.Prefix // whose X-Forwarded-For is believed
	Log            *slog.Logger   // nil: nothing is logged
}

// Bounds of a request and of its answer.
const (
	maxBody   = 128 << 10
	maxAnswer = time.Minute // to write an answer; an export may take so long for each part
)

// Server answers programs.
type Server struct {
	Options
	mux    *http.ServeMux
	limits limits
}

// limits slow down who floods; they count per member or address, in this process.
type limits struct {
	strangers, members, acts, posts *limit.Limiter
}

const perMinute = 1.0 / 60

//go:embed openapi.yaml
var openAPI []byte

// New makes the API's handler.
func New(o Options) (*Server, error) {
	if o.DB == nil || o.Train == nil {
		return nil, errors.New("cannot make the API: it needs a database and the train")
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	const size = 50_000 // addresses or members remembered
	s := &Server{Options: o, mux: http.NewServeMux(), limits: limits{
		strangers: limit.New(60*perMinute, 60, size),
		members:   limit.New(300*perMinute, 120, size),
		acts:      limit.New(60*perMinute, 60, size),
		posts:     limit.New(4*perMinute, 12, size),
	}}
	for _, r := range routes {
		s.mux.Handle(r.method+" "+Prefix+r.path, s.serve(r))
	}
	return s, nil
}

// route is one address: what a token must be able to do there.
type route struct {
	method, path string
	scope        token.Scope // empty: anyone may read
	posts        bool        // it writes text that others read
	handle       func(c *call) error
}

// routes is the whole API; the test compares it with openapi.yaml.
var routes = []route{
	{"GET", "/openapi.yaml", "", false, (*call).description},
	{"GET", "/threads", "", false, (*call).threads},
	{"POST", "/threads", token.Write, true, (*call).fileThread},
	{"GET", "/threads/{thread}", "", false, (*call).thread},
	{"GET", "/threads/{thread}/posts", "", false, (*call).posts},
	{"POST", "/threads/{thread}/posts", token.Write, true, (*call).reply},
	{"GET", "/threads/{thread}/steps", "", false, (*call).steps},
	{"PUT", "/threads/{thread}/vote", token.Write, false, (*call).vote},
	{"DELETE", "/threads/{thread}/vote", token.Write, false, (*call).unvote},
	{"PUT", "/threads/{thread}/watch", token.Write, false, (*call).watch},
	{"DELETE", "/threads/{thread}/watch", token.Write, false, (*call).unwatch},
	{"PUT", "/threads/{thread}/mute", token.Write, false, (*call).mute},
	{"DELETE", "/threads/{thread}/mute", token.Write, false, (*call).unmute},
	{"PUT", "/threads/{thread}/accepted", token.Write, false, (*call).accept},
	{"DELETE", "/threads/{thread}/accepted", token.Write, false, (*call).unaccept},
	{"GET", "/threads/{thread}/polls", "", false, (*call).polls},
	{"POST", "/threads/{thread}/polls", token.Write, true, (*call).putPoll},
	{"PUT", "/threads/{thread}/polls/{poll}/vote", token.Write, false, (*call).votePoll},
	{"DELETE", "/threads/{thread}/polls/{poll}/vote", token.Write, false, (*call).unvotePoll},
	{"PUT", "/threads/{thread}/polls/{poll}/end", token.Write, false, (*call).endPoll},
	{"GET", "/posts/{post}", "", false, (*call).post},
	{"PUT", "/posts/{post}", token.Write, true, (*call).edit},
	{"GET", "/posts/{post}/versions", "", false, (*call).versions},
	{"POST", "/posts/{post}/files", token.Write, false, (*call).attach},
	{"POST", "/flags", token.Write, false, (*call).flag},
	{"POST", "/threads/{thread}/affected", token.Write, false, (*call).meToo},
	{"POST", "/threads/{thread}/answers", token.Write, false, (*call).answer},
	{"POST", "/threads/{thread}/objection", token.Write, true, (*call).object},
	{"POST", "/threads/{thread}/marks", token.Moderate, false, (*call).mark},
	{"PUT", "/threads/{thread}/hidden", token.Moderate, false, (*call).hide},
	{"DELETE", "/threads/{thread}/hidden", token.Moderate, false, (*call).show},
	{"GET", "/devices", "", false, (*call).devices},
	{"GET", "/devices/{codename}", "", false, (*call).device},
	{"GET", "/releases", "", false, (*call).releases},
	{"GET", "/releases/{release}", "", false, (*call).release},
	{"GET", "/releases/{release}/devices/{codename}/rollouts", "", false, (*call).rollouts},
	{"GET", "/members/{name}", "", false, (*call).member},
	{"GET", "/me", token.Read, false, (*call).me},
	{"GET", "/me/asks", token.Read, false, (*call).asks},
	{"GET", "/threads.atom", "", false, (*call).threadsFeed},
	{"GET", "/threads/{thread}/posts.atom", "", false, (*call).threadFeed},
	{"GET", "/threads/{thread}/polls.atom", "", false, (*call).pollsFeed},
	{"GET", "/devices.atom", "", false, (*call).devicesFeed},
	{"GET", "/releases.atom", "", false, (*call).releasesFeed},
	{"GET", "/devices/{codename}/releases.atom", "", false, (*call).deviceFeed},
	{"GET", "/export/{list}", "", false, (*call).export},
}

// takesFile is the route whose body is a file, bounded by what its sender may send.
const takesFile = "POST /posts/{post}/files"

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Vary", "Authorization")
	h.Set("Cache-Control", "no-cache")
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(maxAnswer)) // a recorder in a test has none
	if _, pattern := s.mux.Handler(r); pattern == "" {
		s.nowhere(w, r)
		return
	}
	s.mux.ServeHTTP(w, r)
}

// nowhere answers what the mux has no route for.
func (s *Server) nowhere(w http.ResponseWriter, r *http.Request) {
	var allow []string
	for _, m := range []string{"GET", "POST", "PUT", "DELETE"} {
		probe := &http.Request{Method: m, URL: r.URL, Host: r.Host}
		if _, pattern := s.mux.Handler(probe); pattern != "" {
			allow = append(allow, m)
		}
	}
	p := problem{Status: http.StatusNotFound, Detail: "There is no such address; " + Prefix + "/openapi.yaml describes those that are."}
	if allow != nil {
		w.Header().Set("Allow", strings.Join(allow, ", "))
		p = problem{Status: http.StatusMethodNotAllowed, Detail: "This address takes " + strings.Join(allow, ", ") + "."}
	}
	s.problem(w, p)
}

// call is one request on its way through a route.
type call struct {
	*Server
	w      http.ResponseWriter
	r      *http.Request
	viewer member.Member // ID 0: a stranger
	token  token.Token
	names  map[int64]string
}

func (s *Server) serve(r route) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if r.method+" "+r.path != takesFile {
			req.Body = http.MaxBytesReader(w, req.Body, maxBody)
		}
		c := &call{Server: s, w: w, r: req, names: map[int64]string{}}
		err := c.begin(r)
		if err == nil {
			err = r.handle(c)
		}
		if err != nil {
			s.fail(w, req, err)
		}
	})
}

func (c *call) read(fn func(tx *db.Tx) error) error { return c.DB.Read(c.r.Context(), fn) }

// write runs fn unless the member is suspended.
func (c *call) write(fn func(tx *db.Tx) error) error {
	return c.DB.Write(c.r.Context(), func(tx *db.Tx) error {
		s, err := moderation.StandingOf(tx, c.viewer.ID)
		if err != nil {
			return err
		}
		if s.Suspended() {
			return &problem{Status: http.StatusForbidden, Detail: "Your account is suspended for now; your page on the site says why and until when."}
		}
		return fn(tx)
	})
}

// begin finds out who calls, whether they may, and whether too often.
func (c *call) begin(r route) error {
	if err := c.identify(); err != nil {
		return err
	}
	if r.scope != "" {
		switch {
		case c.viewer.ID == 0:
			return &problem{Status: http.StatusUnauthorized, Detail: "This needs a token: Authorization: Bearer friday_… Make one on your page."}
		case !c.token.May(r.scope):
			return &problem{Status: http.StatusForbidden, Detail: fmt.Sprintf("This needs a token with the scope %q; this one has %s.", r.scope, scopeWords(c.token.Scopes))}
		}
	}
	return c.slow(r)
}

func scopeWords(scopes []token.Scope) string {
	var words []string
	for _, s := range scopes {
		words = append(words, strconv.Quote(string(s)))
	}
	return strings.Join(words, ", ")
}

// slow counts the request.
func (c *call) slow(r route) error {
	key := strconv.FormatInt(c.viewer.ID, 10)
	by := []*limit.Limiter{c.limits.members}
	if c.viewer.ID == 0 {
		key, by[0] = limit.Caller(c.r, c.TrustedProxies), c.limits.strangers
	} else if r.method != http.MethodGet {
		by = append(by, c.limits.acts)
	}
	if r.posts {
		by = append(by, c.limits.posts)
	}
	for _, l := range by {
		if ok, wait := l.Take(key); !ok {
			return &problem{Status: http.StatusTooManyRequests, Detail: "Too many requests; wait as long as Retry-After says.", retry: wait}
		}
	}
	return nil
}

var errToken = &problem{Status: http.StatusUnauthorized, Detail: "The token is unknown, revoked or past its end."}

// identify reads the token. What is wrong with one is an error, even where none
// is needed: whoever sends one counts on it.
func (c *call) identify() error {
	header := c.r.Header.Values("Authorization")
	if len(header) == 0 {
		return nil
	}
	scheme, secret, _ := strings.Cut(header[0], " ")
	if len(header) > 1 || !strings.EqualFold(scheme, "Bearer") {
		return &problem{Status: http.StatusUnauthorized, Detail: "Expected one header Authorization: Bearer friday_…"}
	}
	// Who guesses tokens is slowed down by address like any stranger.
	if ok, wait := c.limits.members.Take("try " + limit.Caller(c.r, c.TrustedProxies)); !ok {
		return &problem{Status: http.StatusTooManyRequests, Detail: "Too many requests; wait as long as Retry-After says.", retry: wait}
	}
	err := c.read(func(tx *db.Tx) (err error) {
		if c.token, err = token.BySecret(tx, strings.TrimSpace(secret)); err == nil {
			c.viewer, err = member.ByID(tx, c.token.MemberID)
		}
		return err
	})
	switch {
	case errors.Is(err, token.ErrNotFound) || errors.Is(err, member.ErrNotFound):
		return errToken
	case err != nil:
		return err
	case c.token.Stale:
		return c.DB.Write(c.r.Context(), func(tx *db.Tx) error { return token.Touch(tx, c.token.ID) })
	}
	return nil
}

func (c *call) description() error {
	c.w.Header().Set("Content-Type", "application/yaml")
	c.w.Header().Set("ETag", etag(openAPI))
	http.ServeContent(c.w, c.r, "", time.Time{}, bytes.NewReader(openAPI))
	return nil
}
