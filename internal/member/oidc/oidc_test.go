package oidc_test

import (
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/zitadel/oidc/v3/example/server/exampleop"
	"github.com/zitadel/oidc/v3/example/server/storage"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/member/oidc"
)

// town is a site, and a provider that something else than Friday runs: zitadel's,
// which the OpenID Foundation has certified.
type town struct {
	t        *testing.T
	d        *db.DB
	now      time.Time
	services *oidc.Services
	issuer   string
	anna     member.Member
}

func newTown(t *testing.T, d *db.DB) *town {
	t.Helper()
	const site = "http://localhost:9"
	w := &town{t: t, d: d, now: time.Now()}
	d.SetClock(func() time.Time { return w.now })
	var handler http.Handler
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { handler.ServeHTTP(rw, r) }))
	t.Cleanup(srv.Close)
	w.issuer = strings.Replace(srv.URL, "127.0.0.1", "localhost", 1)
	id := "friday-" + srv.URL // the provider's clients are one map for the process
	storage.RegisterClients(storage.WebClient(id, "secret", site+oidc.CallbackPath))
	handler = exampleop.SetupServer(w.issuer, storage.NewStorage(storage.NewUserStore(w.issuer)), slog.New(slog.DiscardHandler), false)
	var err error
	if w.services, err = oidc.New([]oidc.Config{{Name: "Town", Issuer: w.issuer, ClientID: id, ClientSecret: "secret"},
		{Name: "Ruin", Issuer: "http://localhost:9/gone", ClientID: id}}, site); err != nil {
		t.Fatal(err)
	}
	if w.anna, err = member.NewPasswords(member.TestCost()).Register(t.Context(), d, "anna", "correct horse battery"); err != nil {
		t.Fatal(err)
	}
	return w
}

func (w *town) begin(trip oidc.Trip) string {
	w.t.Helper()
	address, err := w.services.Begin(w.t.Context(), w.d, trip)
	if err != nil {
		w.t.Fatal(err)
	}
	return address
}

var requestID = regexp.MustCompile(`name="id" value="([^"]+)"`)

// signIn is what a person does at the provider; it returns what the browser
// brings back.
func (w *town) signIn(address, user string) oidc.Answer {
	w.t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		w.t.Fatal(err)
	}
	var back *url.URL
	browser := &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if r.URL.Path == oidc.CallbackPath {
			back = r.URL
			return http.ErrUseLastResponse
		}
		return nil
	}}
	resp, err := browser.Get(address)
	if err != nil {
		w.t.Fatal(err)
	}
	page, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	if err != nil {
		w.t.Fatal(err)
	}
	if back == nil {
		id := requestID.FindSubmatch(page)
		if id == nil {
			w.t.Fatalf("%s answered %d: %s", address, resp.StatusCode, page)
		}
		if resp, err = browser.PostForm(w.issuer+"/login/username", url.Values{"id": {string(id[1])}, "username": {user}, "password": {"verysecure"}}); err != nil {
			w.t.Fatal(err)
		}
		resp.Body.Close()
	}
	if back == nil {
		w.t.Fatalf("the provider did not send the browser back: %d", resp.StatusCode)
	}
	q := back.Query()
	return oidc.Answer{State: q.Get("state"), Code: q.Get("code"), Issuer: q.Get("iss"), Error: q.Get("error"), Browser: "cookie"}
}

func (w *town) finish(a oidc.Answer) (oidc.Outcome, error) {
	return w.services.Finish(w.t.Context(), w.d, a)
}

func (w *town) write(fn func(tx *db.Tx) error) error { return w.d.Write(w.t.Context(), fn) }

func signing() oidc.Trip {
	return oidc.Trip{Service: "Town", Purpose: oidc.SignIn, Browser: "cookie", Next: "/t/1"}
}

func TestArrive(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newTown(t, d)
		address := w.begin(signing())
		u, err := url.Parse(address)
		if err != nil {
			t.Fatal(err)
		}
		q := u.Query()
		if q.Get("code_challenge_method") != "S256" || len(q.Get("code_challenge")) != 43 || q.Get("nonce") == "" || q.Get("state") == "" || q.Get("response_type") != "code" {
			t.Errorf("the address is %s", address)
		}
		answer := w.signIn(address, "test-user2")
		out, err := w.finish(answer)
		if err != nil || out.Member.ID != 0 || out.Arrival == "" || out.Next != "/t/1" || out.Address != "test-user2@zitadel.ch" || out.Label != "test-user2" {
			t.Fatalf("found %+v, %v", out, err)
		}
		if _, err := w.finish(answer); !errors.Is(err, oidc.ErrRefused) {
			t.Errorf("the same answer again: %v", err)
		}
		var invalid *member.Invalid
		arrive := func(token, name string) (m member.Member, err error) {
			err = w.write(func(tx *db.Tx) (err error) { m, err = oidc.Arrive(tx, token, name, true); return err })
			return m, err
		}
		if _, err := arrive(out.Arrival, "anna"); !errors.As(err, &invalid) {
			t.Errorf("a taken name: %v", err)
		}
		if _, err := arrive("x", "newcomer"); !errors.Is(err, oidc.ErrRefused) {
			t.Errorf("a wrong token: %v", err)
		}
		m, err := arrive(out.Arrival, "newcomer")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := arrive(out.Arrival, "newcomer2"); !errors.Is(err, oidc.ErrRefused) {
			t.Errorf("twice: %v", err)
		}
		out, err = w.finish(w.signIn(w.begin(signing()), "test-user2"))
		if err != nil || out.Member.ID != m.ID || out.Arrival != "" {
			t.Errorf("found %+v, %v", out, err)
		}
		if err := w.write(func(tx *db.Tx) error {
			a, err := member.MailOf(tx, m.ID)
			if a.Address != "test-user2@zitadel.ch" {
				t.Errorf("the address is %+v", a)
			}
			all, err2 := oidc.List(tx, m.ID)
			if len(all) != 1 || all[0].Issuer != w.issuer || all[0].Subject != "id2" {
				t.Errorf("found %+v", all)
			}
			if err := oidc.Remove(tx, m, w.issuer, "id2"); !errors.As(err, &invalid) {
				t.Errorf("the last way in: %v", err)
			}
			return errors.Join(err, err2)
		}); err != nil {
			t.Error(err)
		}
		// An arrival that nobody uses runs out.
		out, err = w.finish(w.signIn(w.begin(signing()), "test-user@localhost"))
		if err != nil {
			t.Fatal(err)
		}
		w.now = w.now.Add(2 * time.Hour)
		if _, err := arrive(out.Arrival, "late"); !errors.Is(err, oidc.ErrRefused) {
			t.Errorf("two hours later: %v", err)
		}
	})
}

func TestRefused(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newTown(t, d)
		for name, change := range map[string]func(a *oidc.Answer){
			"another browser":    func(a *oidc.Answer) { a.Browser = "x" },
			"no cookie":          func(a *oidc.Answer) { a.Browser = "" },
			"another state":      func(a *oidc.Answer) { a.State = "x" },
			"no state":           func(a *oidc.Answer) { a.State = "" },
			"another issuer":     func(a *oidc.Answer) { a.Issuer = "https://evil.example" },
			"a wrong code":       func(a *oidc.Answer) { a.Code = "x" },
			"no code":            func(a *oidc.Answer) { a.Code = "" },
			"turned back":        func(a *oidc.Answer) { a.Error = "access_denied" },
			"too late":           func(*oidc.Answer) { w.now = w.now.Add(11 * time.Minute) },
			"another's own code": func(a *oidc.Answer) { a.Code = w.signIn(w.begin(signing()), "test-user2").Code }, // PKCE and nonce
		} {
			answer := w.signIn(w.begin(signing()), "test-user2")
			change(&answer)
			if out, err := w.finish(answer); !errors.Is(err, oidc.ErrRefused) {
				t.Errorf("%s: found %+v, %v", name, out, err)
			}
		}
		if _, err := w.services.Begin(t.Context(), d, oidc.Trip{Service: "Ruin", Purpose: oidc.SignIn, Browser: "x"}); !errors.Is(err, oidc.ErrUnreachable) {
			t.Errorf("a service that is gone: %v", err)
		}
		if _, err := w.services.Begin(t.Context(), d, oidc.Trip{Service: "None", Purpose: oidc.SignIn, Browser: "x"}); !errors.Is(err, member.ErrNotFound) {
			t.Errorf("no such service: %v", err)
		}
		for _, bad := range []oidc.Trip{{Service: "Town", Purpose: oidc.SignIn}, {Service: "Town", Purpose: oidc.Link, Browser: "x"}, {Service: "Town", Purpose: oidc.SignIn, Browser: "x", MemberID: 7}} {
			if _, err := w.services.Begin(t.Context(), d, bad); err == nil {
				t.Errorf("%+v began", bad)
			}
		}
	})
}

func TestLinkAndProve(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newTown(t, d)
		trip := func(p oidc.Purpose) oidc.Trip {
			return oidc.Trip{Service: "Town", Purpose: p, MemberID: w.anna.ID, Browser: "cookie", Next: "/me"}
		}
		if _, err := w.finish(w.signIn(w.begin(trip(oidc.Prove)), "test-user2")); !errors.Is(err, oidc.ErrRefused) {
			t.Errorf("proved by a stranger's account: %v", err)
		}
		for range 2 { // linking again changes nothing
			if out, err := w.finish(w.signIn(w.begin(trip(oidc.Link)), "test-user2")); err != nil || out.Member.ID != w.anna.ID || out.Purpose != oidc.Link {
				t.Fatalf("found %+v, %v", out, err)
			}
		}
		if out, err := w.finish(w.signIn(w.begin(signing()), "test-user2")); err != nil || out.Member.ID != w.anna.ID {
			t.Errorf("found %+v, %v", out, err)
		}
		address := w.begin(trip(oidc.Prove))
		if !strings.Contains(address, "prompt=login") || !strings.Contains(address, "max_age=0") {
			t.Errorf("the address is %s", address)
		}
		if out, err := w.finish(w.signIn(address, "test-user2")); err != nil || out.Member.ID != w.anna.ID || out.Purpose != oidc.Prove {
			t.Errorf("found %+v, %v", out, err)
		}
		bo, err := member.NewPasswords(member.TestCost()).Register(t.Context(), d, "bo", "correct horse battery")
		if err != nil {
			t.Fatal(err)
		}
		var invalid *member.Invalid
		theft := trip(oidc.Link)
		theft.MemberID = bo.ID
		if _, err := w.finish(w.signIn(w.begin(theft), "test-user2")); !errors.As(err, &invalid) {
			t.Errorf("another member's account: %v", err)
		}
		if err := w.write(func(tx *db.Tx) error {
			if err := oidc.Remove(tx, bo, w.issuer, "id2"); !errors.Is(err, member.ErrNotFound) {
				t.Errorf("another's: %v", err)
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		if err := w.write(func(tx *db.Tx) error { return oidc.Remove(tx, w.anna, w.issuer, "id2") }); err != nil {
			t.Error(err)
		}
	})
}

func TestConfig(t *testing.T) {
	good := oidc.Config{Name: "Town", Issuer: "https://id.example.org", ClientID: "friday"}
	if _, err := oidc.New([]oidc.Config{good}, "https://os.example.org"); err != nil {
		t.Error(err)
	}
	for word, c := range map[string]oidc.Config{
		"name": {Issuer: good.Issuer, ClientID: "x"}, "issuer": {Name: "x", Issuer: "http://id.example.org", ClientID: "x"}, "client ID": {Name: "x", Issuer: good.Issuer},
	} {
		if _, err := oidc.New([]oidc.Config{c}, "https://os.example.org"); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: found %v", word, err)
		}
	}
	if _, err := oidc.New([]oidc.Config{good, good}, "https://os.example.org"); err == nil {
		t.Error("two of one name")
	}
	if names := (*oidc.Services)(nil).Names(); len(names) != 0 {
		t.Errorf("none offers %v", names)
	}
}
