package oidc_test

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"math/big"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/member/oidc"
)

// rogue is a provider that answers as it is told, right or wrong. What a real one
// sends is zitadel's in the tests beside.
type rogue struct {
	*httptest.Server
	t       *testing.T
	key     *rsa.PrivateKey // that its JWKS shows
	nonce   string          // of the request
	pkce    string          // the challenge of the request
	claims  func(map[string]any)
	sign    func(head, body string) string // nil: as it should
	head    map[string]any
	about   func(map[string]any) // changes its description
	token   func(w http.ResponseWriter, r *http.Request) bool
	checked atomic.Int64 // codes whose verifier fitted
}

func newRogue(t *testing.T) *rogue {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	p := &rogue{t: t, key: key}
	mux := http.NewServeMux()
	answer := func(w http.ResponseWriter, v any) {
		w.Header().Set("Content-Type", "application/json")
		if err := json.NewEncoder(w).Encode(v); err != nil {
			t.Error(err)
		}
	}
	mux.HandleFunc("GET /.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		about := map[string]any{"issuer": p.URL, "authorization_endpoint": p.URL + "/ask", "token_endpoint": p.URL + "/token", "jwks_uri": p.URL + "/keys",
			"response_types_supported": []string{"code"}, "subject_types_supported": []string{"public"}, "id_token_signing_alg_values_supported": []string{"RS256"}}
		if p.about != nil {
			p.about(about)
		}
		answer(w, about)
	})
	mux.HandleFunc("GET /keys", func(w http.ResponseWriter, _ *http.Request) {
		answer(w, map[string]any{"keys": []any{map[string]any{"kty": "RSA", "alg": "RS256", "use": "sig", "kid": "1",
			"n": base64.RawURLEncoding.EncodeToString(p.key.N.Bytes()), "e": base64.RawURLEncoding.EncodeToString(big.NewInt(int64(p.key.E)).Bytes())}}})
	})
	mux.HandleFunc("POST /token", func(w http.ResponseWriter, r *http.Request) {
		if p.token != nil && p.token(w, r) {
			return
		}
		sum := sha256.Sum256([]byte(r.PostFormValue("code_verifier")))
		if base64.RawURLEncoding.EncodeToString(sum[:]) != p.pkce {
			http.Error(w, `{"error":"invalid_grant"}`, http.StatusBadRequest)
			return
		}
		p.checked.Add(1)
		answer(w, map[string]any{"access_token": "x", "token_type": "Bearer", "expires_in": 60, "id_token": p.idToken()})
	})
	p.Server = httptest.NewServer(mux)
	t.Cleanup(p.Close)
	return p
}

func (p *rogue) idToken() string {
	now := time.Now()
	claims := map[string]any{"iss": p.URL, "aud": "friday", "sub": "s1", "nonce": p.nonce, "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(), "auth_time": now.Unix(), "preferred_username": "rue"}
	if p.claims != nil {
		p.claims(claims)
	}
	head := map[string]any{"alg": "RS256", "kid": "1", "typ": "JWT"}
	for k, v := range p.head {
		head[k] = v
	}
	part := func(v any) string {
		text, err := json.Marshal(v)
		if err != nil {
			p.t.Fatal(err)
		}
		return base64.RawURLEncoding.EncodeToString(text)
	}
	h, b := part(head), part(claims)
	if p.sign != nil {
		return h + "." + b + "." + p.sign(h, b)
	}
	return h + "." + b + "." + signed(p.t, p.key, h+"."+b)
}

func signed(t *testing.T, key *rsa.PrivateKey, text string) string {
	t.Helper()
	sum := sha256.Sum256([]byte(text))
	s, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(s)
}

// trip goes to the provider and back.
func (p *rogue) trip(d *db.DB, services *oidc.Services) (oidc.Outcome, error) {
	p.t.Helper()
	address, err := services.Begin(p.t.Context(), d, oidc.Trip{Service: "Rogue", Purpose: oidc.SignIn, Browser: "cookie"})
	if err != nil {
		return oidc.Outcome{}, err
	}
	u, err := url.Parse(address)
	if err != nil {
		p.t.Fatal(err)
	}
	q := u.Query()
	p.nonce, p.pkce = q.Get("nonce"), q.Get("code_challenge")
	return services.Finish(p.t.Context(), d, oidc.Answer{State: q.Get("state"), Code: "c", Issuer: p.URL, Browser: "cookie"})
}

func (p *rogue) services() *oidc.Services {
	p.t.Helper()
	s, err := oidc.New([]oidc.Config{{Name: "Rogue", Issuer: p.URL, ClientID: "friday"}}, "http://localhost:9")
	if err != nil {
		p.t.Fatal(err)
	}
	return s
}

// Everything in an answer is looked at: change one thing, and nobody is signed in.
func TestWrongTokens(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		p := newRogue(t)
		services := p.services()
		set := func(key string, v any) func() {
			return func() { p.claims = func(c map[string]any) { c[key] = v } }
		}
		other, err := rsa.GenerateKey(rand.Reader, 2048)
		if err != nil {
			t.Fatal(err)
		}
		for name, spoil := range map[string]func(){
			"another nonce":    set("nonce", "x"),
			"no nonce":         func() { p.claims = func(c map[string]any) { delete(c, "nonce") } },
			"another audience": set("aud", "somebody"),
			"another issuer":   set("iss", "https://evil.example"),
			"run out":          set("exp", time.Now().Add(-time.Hour).Unix()),
			"no subject":       set("sub", ""),
			"an endless one":   set("sub", strings.Repeat("s", 256)),
			"a subject with 0": set("sub", "a\x00b"),
			"another key":      func() { p.sign = func(h, b string) string { return signed(t, other, h+"."+b) } },
			"no signature":     func() { p.sign = func(string, string) string { return "" } },
			"algorithm none":   func() { p.head = map[string]any{"alg": "none"}; p.sign = func(string, string) string { return "" } },
			"a changed body":   func() { p.sign = func(h, _ string) string { return signed(t, p.key, h+".e30") } },
			"a symmetric key":  func() { p.head = map[string]any{"alg": "HS256"} },
			"no ID token": func() {
				p.token = func(w http.ResponseWriter, _ *http.Request) bool {
					w.Header().Set("Content-Type", "application/json")
					_, _ = w.Write([]byte(`{"access_token":"x","token_type":"Bearer"}`))
					return true
				}
			},
			"a refused code": func() {
				p.token = func(w http.ResponseWriter, _ *http.Request) bool {
					http.Error(w, `{"error":"invalid_grant"}`, 400)
					return true
				}
			},
			"no JSON": func() {
				p.token = func(w http.ResponseWriter, _ *http.Request) bool { _, _ = w.Write([]byte("<html>")); return true }
			},
			"sent on elsewhere": func() {
				p.token = func(w http.ResponseWriter, r *http.Request) bool {
					http.Redirect(w, r, p.URL+"/token", 307)
					return r.URL.RawQuery == ""
				}
			},
		} {
			p.claims, p.sign, p.head, p.token = nil, nil, nil, nil
			spoil()
			if out, err := p.trip(d, services); err == nil || out.Member.ID != 0 || out.Arrival != "" {
				t.Errorf("%s: found %+v, %v", name, out, err)
			}
		}
		p.claims, p.sign, p.head, p.token = nil, nil, nil, nil
		if out, err := p.trip(d, services); err != nil || out.Arrival == "" || out.Label != "rue" {
			t.Errorf("with nothing spoilt: %+v, %v", out, err)
		}
		if p.checked.Load() == 0 {
			t.Error("no code came with the verifier of its request")
		}
	})
}

// An address that the service did not verify is nobody's, and one that a member
// here has joins no accounts.
func TestAddressesJoinNothing(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		p := newRogue(t)
		services := p.services()
		anna, err := member.NewPasswords(member.TestCost()).Register(t.Context(), d, "anna", "correct horse battery")
		if err != nil {
			t.Fatal(err)
		}
		write := func(fn func(tx *db.Tx) error) {
			t.Helper()
			if err := d.Write(t.Context(), fn); err != nil {
				t.Fatal(err)
			}
		}
		write(func(tx *db.Tx) error {
			if err := member.SetMail(tx, anna.ID, "anna@example.org"); err != nil {
				return err
			}
			code, _, err := member.NewMailCode(tx, anna.ID)
			if err == nil {
				_, _, err = member.ConfirmMail(tx, code)
			}
			return err
		})
		for i, c := range []struct {
			email    string
			verified any
			offered  string
		}{
			{"rue@example.org", false, ""}, {"rue@example.org", nil, ""}, {"rue@example.org", true, "rue@example.org"},
			{"anna@example.org", true, "anna@example.org"}, {"anna@example.org", false, ""},
		} {
			p.claims = func(claims map[string]any) {
				claims["email"], claims["sub"] = c.email, "s"+strings.Repeat("x", i)
				if c.verified != nil {
					claims["email_verified"] = c.verified
				}
			}
			out, err := p.trip(d, services)
			if err != nil || out.Member.ID != 0 || out.Arrival == "" || out.Address != c.offered {
				t.Errorf("%q, verified %v: found %+v, %v; expected someone new, offered %q", c.email, c.verified, out, err, c.offered)
				continue
			}
			var m member.Member
			write(func(tx *db.Tx) (err error) {
				m, err = oidc.Arrive(tx, out.Arrival, "rue"+strings.Repeat("x", i), true)
				return err
			})
			if m.ID == anna.ID {
				t.Fatal("an equal address made a stranger anna")
			}
			write(func(tx *db.Tx) error {
				a, err := member.MailOf(tx, anna.ID)
				if a.Address != "anna@example.org" {
					t.Errorf("anna's address is now %+v", a)
				}
				return err
			})
		}
	})
}

// A service's description names where else to call: inside the operator's network
// nothing but the issuer itself is called, and nothing that it redirects to.
func TestServicesReachNothingInside(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		var called atomic.Int64
		inside := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			called.Add(1)
			_, _ = w.Write([]byte(`{"keys":[],"access_token":"x","token_type":"Bearer","id_token":"x"}`))
		}))
		t.Cleanup(inside.Close)
		for name, about := range map[string]func(p *rogue){
			"codes are exchanged inside": func(p *rogue) { p.about = func(a map[string]any) { a["token_endpoint"] = inside.URL + "/token" } },
			"keys lie inside":            func(p *rogue) { p.about = func(a map[string]any) { a["jwks_uri"] = inside.URL + "/keys" } },
			"a cloud's metadata": func(p *rogue) {
				p.about = func(a map[string]any) { a["jwks_uri"] = "http://169.254.169.254/latest/meta-data" }
			},
			"by another name": func(p *rogue) {
				p.about = func(a map[string]any) { a["jwks_uri"] = strings.Replace(inside.URL, "127.0.0.1", "localhost", 1) }
			},
			"redirected inside": func(p *rogue) {
				p.token = func(w http.ResponseWriter, r *http.Request) bool {
					http.Redirect(w, r, inside.URL+"/token", 307)
					return true
				}
			},
		} {
			p := newRogue(t)
			about(p)
			if out, err := p.trip(d, p.services()); err == nil {
				t.Errorf("%s: found %+v", name, out)
			}
			if n := called.Load(); n != 0 {
				t.Errorf("%s: the server called inside %d times", name, n)
			}
		}
		// A description that redirects is none.
		gate := httptest.NewServer(http.RedirectHandler(inside.URL, 302))
		t.Cleanup(gate.Close)
		services, err := oidc.New([]oidc.Config{{Name: "Rogue", Issuer: gate.URL, ClientID: "friday"}}, "http://localhost:9")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := services.Begin(t.Context(), d, oidc.Trip{Service: "Rogue", Purpose: oidc.SignIn, Browser: "x"}); !errors.Is(err, oidc.ErrUnreachable) || called.Load() != 0 {
			t.Errorf("a redirected description: %v, called inside %d times", err, called.Load())
		}
	})
}
