// Package oidc lets members sign in by a service that they have an account
// with already: OpenID Connect Core 1.0, the authorization code flow with PKCE
// (RFC 7636), state, nonce, and the issuer's name in the answer (RFC 9207).
//
// A person is known by issuer and subject alone. An equal mail address joins
// nothing: whoever owns an address at a service does not thereby own an account
// here. The package makes no sessions and sets no cookies.
package oidc

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	goidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/fridayos/friday/internal/audit"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/mail"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/outward"
)

// Config is one service, as friday.yaml names it.
type Config struct {
	Name         string // on the button
	Issuer       string // https://id.example.org
	ClientID     string
	ClientSecret string // may be empty for a public client
}

// Check says what is wrong with c.
func (c Config) Check() error {
	u, err := url.Parse(c.Issuer)
	local := err == nil && (u.Hostname() == "localhost" || u.Hostname() == "127.0.0.1")
	switch {
	case strings.TrimSpace(c.Name) == "" || len(c.Name) > 50:
		return fmt.Errorf("cannot use sign-in service: its name is %q, expected 1 to 50 bytes", c.Name)
	case err != nil || u.Host == "" || u.RawQuery != "" || u.Fragment != "" || u.Scheme != "https" && !(u.Scheme == "http" && local):
		return fmt.Errorf("cannot use sign-in service %s: its issuer is %q, expected an https address", c.Name, c.Issuer)
	case c.ClientID == "":
		return fmt.Errorf("cannot use sign-in service %s: it has no client ID; register Friday there, with the callback address BASE_URL%s", c.Name, CallbackPath)
	}
	return nil
}

// CallbackPath is where services send people back to.
const CallbackPath = "/signin/with/callback"

const (
	flowTime    = 10 * time.Minute // to sign in there
	arrivalTime = time.Hour        // to choose a name here
	callTime    = 10 * time.Second // for each call to the service
	clockSkew   = time.Minute
	maxAnswer   = 1 << 20 // bytes of a service's answer
	maxSubject  = 255     // OpenID Connect Core, 2
	maxLabel    = 200
	maxPerson   = 10 // identities of one member
)

// Purpose is what someone is sent to a service for.
type Purpose string

const (
	SignIn Purpose = "signin" // to be let in, or to become a member
	Link   Purpose = "link"   // a member adds another way in
	Prove  Purpose = "prove"  // a member shows again who they are
)

// ErrRefused is returned, wrapped, when a service's answer does not hold, or
// the person turned back there.
var ErrRefused = errors.New("the sign-in was not accepted")

// ErrUnreachable is returned, wrapped, when a service does not answer.
var ErrUnreachable = errors.New("the sign-in service does not answer")

// Services are those that an installation offers. Nil offers none.
type Services struct {
	list     []*service
	callback string
}

type service struct {
	Config
	client   *http.Client
	mu       sync.Mutex
	provider *goidc.Provider // nil: not discovered yet
}

// New takes the services and the site's address. It calls none of them.
func New(configs []Config, baseURL string) (*Services, error) {
	s := &Services{callback: strings.TrimRight(baseURL, "/") + CallbackPath}
	for _, c := range configs {
		if err := c.Check(); err != nil {
			return nil, err
		}
		if _, err := s.named(c.Name); err == nil {
			return nil, fmt.Errorf("cannot use sign-in service %s: there are two of that name", c.Name)
		}
		s.list = append(s.list, &service{Config: c, client: c.client()})
	}
	return s, nil
}

// client calls a service. The operator named its issuer, which may be on a network
// of their own. What the issuer's description names besides (where codes are
// exchanged, keys, the person) the service chose: elsewhere than at the issuer it
// must be on the public web, or a service could have the server call what only the
// server reaches. Nothing is redirected.
func (c Config) client() *http.Client {
	issuer, err := url.Parse(c.Issuer)
	if err != nil { // Check has refused it
		issuer = &url.URL{}
	}
	return &http.Client{Timeout: callTime, Transport: bounded{issuer.Scheme, issuer.Host, http.DefaultTransport, outward.Policy{}.Client(callTime).Transport},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// bounded calls the issuer's own address directly and others on the public web
// only, and reads no endless answer.
type bounded struct {
	scheme, host      string
	issuer, elsewhere http.RoundTripper
}

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	by := b.elsewhere
	if r.URL.Scheme == b.scheme && r.URL.Host == b.host {
		by = b.issuer
	}
	resp, err := by.RoundTrip(r)
	if err == nil {
		resp.Body = http.MaxBytesReader(nil, resp.Body, maxAnswer)
	}
	return resp, err
}

// Names are the services on offer.
func (s *Services) Names() []string {
	var names []string
	if s != nil {
		for _, one := range s.list {
			names = append(names, one.Name)
		}
	}
	return names
}

func (s *Services) named(name string) (*service, error) {
	if s != nil {
		for _, one := range s.list {
			if one.Name == name {
				return one, nil
			}
		}
	}
	return nil, fmt.Errorf("cannot find sign-in service %.50q: %w", name, member.ErrNotFound)
}

// discover reads the service's own description, once.
func (s *Services) discover(ctx context.Context, one *service) (*goidc.Provider, *oauth2.Config, error) {
	one.mu.Lock()
	defer one.mu.Unlock()
	if one.provider == nil {
		// Its keys are read again later, so not with this request's context.
		p, err := goidc.NewProvider(goidc.ClientContext(context.WithoutCancel(ctx), one.client), one.Issuer)
		if err != nil {
			return nil, nil, fmt.Errorf("cannot reach sign-in service %s: %w: %w", one.Name, ErrUnreachable, err)
		}
		one.provider = p
	}
	return one.provider, &oauth2.Config{ClientID: one.ClientID, ClientSecret: one.ClientSecret, Endpoint: one.provider.Endpoint(),
		RedirectURL: s.callback, Scopes: []string{goidc.ScopeOpenID, "profile", "email"}}, nil
}

// Trip is what a round trip begins with.
type Trip struct {
	Service  string
	Purpose  Purpose
	MemberID int64  // of Link and Prove
	Browser  string // a secret that the browser keeps in a cookie: the answer counts there only
	Next     string // where to go afterwards
}

// Begin returns the address of the service to send the browser to.
func (s *Services) Begin(ctx context.Context, d *db.DB, t Trip) (address string, err error) {
	one, err := s.named(t.Service)
	if err != nil {
		return "", err
	}
	if t.Browser == "" || (t.Purpose == SignIn) != (t.MemberID == 0) {
		return "", fmt.Errorf("cannot begin sign-in by %s: a browser's secret must be given, and a member to link or prove", t.Service)
	}
	_, config, err := s.discover(ctx, one)
	if err != nil {
		return "", err
	}
	state, nonce, verifier := rand.Text(), rand.Text(), oauth2.GenerateVerifier()
	err = d.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec(`INSERT INTO oidc_flows (state_hash, browser_hash, provider, nonce, verifier, member_id, next, expires_at, purpose, began_at)
			VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)`,
			hash(state), hash(t.Browser), t.Service, nonce, verifier, t.MemberID, t.Next, tx.Now().Add(flowTime), string(t.Purpose), tx.Now())
		return err
	})
	options := []oauth2.AuthCodeOption{goidc.Nonce(nonce), oauth2.S256ChallengeOption(verifier)}
	if t.Purpose == Prove {
		options = append(options, oauth2.SetAuthURLParam("max_age", "0"), oauth2.SetAuthURLParam("prompt", "login"))
	}
	return config.AuthCodeURL(state, options...), err
}

// Answer is what the browser brings back.
type Answer struct {
	State, Code, Issuer, Error string // of the query
	Browser                    string // of the cookie
}

// Outcome is where a round trip led.
type Outcome struct {
	Purpose Purpose
	Member  member.Member // who is known; zero for someone new
	Arrival string        // of someone new: the token for Arrive
	Label   string        // what the service calls the person
	Address string        // of someone new: that the service has verified; may be empty
	Next    string
}

type flow struct {
	browser, provider, nonce, verifier, next string
	member                                   int64
	purpose                                  Purpose
	began                                    time.Time
}

// Finish takes the answer that a browser brought back. Each state is answered once.
func (s *Services) Finish(ctx context.Context, d *db.DB, a Answer) (Outcome, error) {
	f, err := take(ctx, d, a)
	if err != nil {
		return Outcome{}, err
	}
	one, err := s.named(f.provider)
	if err != nil {
		return Outcome{}, err
	}
	if a.Issuer != "" && a.Issuer != one.Issuer {
		return Outcome{}, refuse("the answer is from %.80q, expected %q", a.Issuer, one.Issuer)
	}
	if a.Error != "" || a.Code == "" {
		return Outcome{}, refuse("the service answered %.80q", a.Error)
	}
	p, err := s.person(ctx, one, f, a.Code)
	if err != nil {
		return Outcome{}, err
	}
	out := Outcome{Purpose: f.purpose, Next: f.next, Label: p.label()}
	err = d.Write(ctx, func(tx *db.Tx) error { return out.settle(tx, f, one.Issuer, p) })
	return out, err
}

func take(ctx context.Context, d *db.DB, a Answer) (f flow, err error) {
	err = d.Write(ctx, func(tx *db.Tx) error {
		err := tx.QueryRow(`SELECT browser_hash, provider, nonce, verifier, next, member_id, purpose, began_at FROM oidc_flows WHERE state_hash = $1 AND expires_at >= $2`,
			hash(a.State), tx.Now()).Scan(&f.browser, &f.provider, &f.nonce, &f.verifier, &f.next, &f.member, (*string)(&f.purpose), &f.began)
		if errors.Is(err, db.ErrNoRows) || err == nil && f.browser != hash(a.Browser) {
			return refuse("nobody was sent with this state from this browser, or too long ago")
		}
		if err == nil {
			_, err = tx.Exec("DELETE FROM oidc_flows WHERE state_hash = $1", hash(a.State))
		}
		return err
	})
	return f, err
}

// person is whom the service vouches for.
type person struct {
	Subject  string `json:"sub"`
	Name     string `json:"preferred_username"`
	Full     string `json:"name"`
	Email    string `json:"email"`
	Verified bool   `json:"email_verified"`
	AuthTime int64  `json:"auth_time"`
}

func (p person) label() string {
	for _, s := range []string{p.Name, p.Email, p.Full, p.Subject} {
		if s = strings.TrimSpace(strings.ToValidUTF8(strings.ReplaceAll(s, "\x00", ""), "")); s != "" {
			if len(s) > maxLabel {
				s = strings.ToValidUTF8(s[:maxLabel], "")
			}
			return s
		}
	}
	return ""
}

// person exchanges the code and verifies what the service signed.
func (s *Services) person(ctx context.Context, one *service, f flow, code string) (p person, err error) {
	provider, config, err := s.discover(ctx, one)
	if err != nil {
		return p, err
	}
	ctx = goidc.ClientContext(ctx, one.client)
	token, err := config.Exchange(ctx, code, oauth2.VerifierOption(f.verifier))
	if err != nil {
		var answered *oauth2.RetrieveError
		if errors.As(err, &answered) {
			return p, refuse("the service took the code back: %w", err)
		}
		return p, fmt.Errorf("cannot reach sign-in service %s: %w: %w", one.Name, ErrUnreachable, err)
	}
	raw, ok := token.Extra("id_token").(string)
	if !ok {
		return p, refuse("the service sent no ID token")
	}
	id, err := provider.Verifier(&goidc.Config{ClientID: one.ClientID}).Verify(ctx, raw)
	if err != nil {
		return p, refuse("%w", err)
	}
	if id.Nonce != f.nonce {
		return p, refuse("the ID token answers another request")
	}
	if err := id.Claims(&p); err != nil {
		return p, refuse("the ID token's claims cannot be read: %w", err)
	}
	if p.Subject == "" || len(p.Subject) > maxSubject || strings.ContainsRune(p.Subject, 0) {
		return p, refuse("the subject has %d bytes, expected 1 to %d", len(p.Subject), maxSubject)
	}
	if p.Email == "" && p.Name == "" && provider.UserInfoEndpoint() != "" {
		// Many services tell name and address only there. They are for show:
		// without them the person is known all the same.
		if info, err := provider.UserInfo(ctx, oauth2.StaticTokenSource(token)); err == nil && info.Subject == p.Subject {
			var more person
			if info.Claims(&more) == nil {
				p.Name, p.Full, p.Email, p.Verified = more.Name, more.Full, more.Email, more.Verified
			}
		}
	}
	if f.purpose == Prove && time.Unix(p.AuthTime, 0).Before(f.began.Add(-clockSkew)) {
		return p, refuse("the service did not ask the person again (auth_time %d)", p.AuthTime)
	}
	return p, nil
}

// settle does what the trip was for.
func (o *Outcome) settle(tx *db.Tx, f flow, issuer string, p person) error {
	var id int64
	err := tx.QueryRow("SELECT member_id FROM identities WHERE issuer = $1 AND subject = $2", issuer, p.Subject).Scan(&id)
	known := err == nil
	if err != nil && !errors.Is(err, db.ErrNoRows) {
		return err
	}
	switch {
	case f.purpose == Link && known && id != f.member:
		return member.NewInvalid("account", "account-taken", "it belongs to another member here")
	case f.purpose == Link && !known:
		if id, err = f.member, link(tx, f.member, issuer, p); err != nil {
			return err
		}
	case f.purpose == Prove && id != f.member:
		return refuse("it is not the account that this member signs in with")
	case f.purpose == SignIn && !known:
		return o.arrive(tx, issuer, p)
	}
	if _, err := tx.Exec("UPDATE identities SET used_at = $1, label = $2 WHERE issuer = $3 AND subject = $4", tx.Now(), p.label(), issuer, p.Subject); err != nil {
		return err
	}
	o.Member, err = member.ByID(tx, id)
	return err
}

func link(tx *db.Tx, memberID int64, issuer string, p person) error {
	m, err := member.ByID(tx, memberID)
	if err != nil {
		return err
	}
	ways, err := member.WaysInOf(tx, memberID)
	if err != nil {
		return err
	}
	if ways.Identities >= maxPerson {
		return member.NewInvalid("account", "accounts-many", "you have linked {N}; remove one first", "N", ways.Identities)
	}
	if _, err := tx.Exec("INSERT INTO identities (issuer, subject, member_id, label, created_at, used_at) VALUES ($1, $2, $3, $4, $5, $5)",
		issuer, p.Subject, memberID, p.label(), tx.Now()); err != nil {
		return err
	}
	return record(tx, m, "member.identity-add", issuer)
}

// arrive keeps whom the service vouched for until they have chosen a name.
func (o *Outcome) arrive(tx *db.Tx, issuer string, p person) error {
	if address, err := mail.CheckAddress(p.Email); err == nil && p.Verified {
		o.Address = address
	}
	o.Arrival = rand.Text()
	_, err := tx.Exec("INSERT INTO oidc_arrivals (token_hash, issuer, subject, label, address, expires_at) VALUES ($1, $2, $3, $4, $5, $6)",
		hash(o.Arrival), issuer, p.Subject, o.Label, o.Address, tx.Now().Add(arrivalTime))
	return err
}

func refuse(format string, args ...any) error {
	return fmt.Errorf("cannot sign in: %w: "+format, append([]any{ErrRefused}, args...)...)
}

func record(tx *db.Tx, m member.Member, action, issuer string) error {
	detail, err := json.Marshal(map[string]string{"issuer": issuer})
	if err != nil {
		return err
	}
	return audit.Record(tx, audit.Event{ActorID: m.ID, Actor: m.Name, Action: action, Subject: m.Name, Detail: string(detail)})
}

func hash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}
