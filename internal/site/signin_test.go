package site

import (
	"fmt"
	"io"
	"log/slog"
	"maps"
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
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/member/oidc"
	"github.com/fridayos/friday/internal/site/page"
)

// surfer is a browser at the site: it keeps cookies and sends forms.
type surfer struct {
	w       *world
	cookies map[string]string
}

func (w *world) surfer() *surfer { return &surfer{w, map[string]string{}} }

func (s *surfer) do(r *http.Request) *httptest.ResponseRecorder {
	s.w.t.Helper()
	fresh(s.w)
	for k, v := range s.cookies {
		r.AddCookie(&http.Cookie{Name: k, Value: v})
	}
	rec := httptest.NewRecorder()
	s.w.handler.ServeHTTP(rec, r)
	for _, k := range rec.Result().Cookies() {
		if s.cookies[k.Name] = k.Value; k.MaxAge < 0 || k.Value == "" {
			delete(s.cookies, k.Name)
		}
		if !k.HttpOnly || k.SameSite != http.SameSiteLaxMode || k.Path != "/" {
			s.w.t.Errorf("%s %s: the cookie is %v", r.Method, r.URL.Path, k)
		}
	}
	return rec
}

func (s *surfer) get(path string) *httptest.ResponseRecorder {
	return s.do(httptest.NewRequest(http.MethodGet, path, nil))
}

func (s *surfer) post(path string, form url.Values) *httptest.ResponseRecorder {
	r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(form.Encode()))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "same-origin")
	return s.do(r)
}

// who is the name that the site knows the surfer by; "" for nobody.
func (s *surfer) who() string {
	if m := regexp.MustCompile(`<a href="/me">([^<]+)<`).FindStringSubmatch(s.get("/t").Body.String()); m != nil {
		return m[1]
	}
	return ""
}

// withService is a site whose members may sign in by a service that something else
// than Friday runs: zitadel's, which the OpenID Foundation has certified.
func withService(t *testing.T) (*world, string) {
	t.Helper()
	const base = "http://localhost:9"
	w := newWorld(t, openSQLite(t))
	w.now = time.Now()
	var provider http.Handler
	srv := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) { provider.ServeHTTP(rw, r) }))
	t.Cleanup(srv.Close)
	issuer := strings.Replace(srv.URL, "127.0.0.1", "localhost", 1)
	id := "friday-" + srv.URL // the provider's clients are one map for the process
	storage.RegisterClients(storage.WebClient(id, "secret", base+oidc.CallbackPath))
	provider = exampleop.SetupServer(issuer, storage.NewStorage(storage.NewUserStore(issuer)), slog.New(slog.DiscardHandler), false)
	services, err := oidc.New([]oidc.Config{{Name: "Town", Issuer: issuer, ClientID: id, ClientSecret: "secret"}}, base)
	w.must(err)
	w.handler, err = New(Options{DB: w.d, Train: w.train, BaseURL: base, Passwords: cheap, Mail: true, Services: services})
	w.must(err)
	w.join("ana", "")
	return w, issuer
}

var (
	toService = regexp.MustCompile(`^0; url=(.*)$`)
	requestID = regexp.MustCompile(`name="id" value="([^"]+)"`)
)

// atService signs in at the service that an answer of the site leads to, and
// returns the path by which the service sends the browser back.
func (w *world) atService(issuer string, rec *httptest.ResponseRecorder, user string) string {
	w.t.Helper()
	m := toService.FindStringSubmatch(rec.Header().Get("Refresh"))
	if rec.Code != 200 || m == nil || !strings.HasPrefix(m[1], issuer) {
		w.t.Fatalf("the site answers %d and leads to %q: %s", rec.Code, rec.Header().Get("Refresh"), rec.Body)
	}
	jar, err := cookiejar.New(nil)
	w.must(err)
	back := ""
	browser := &http.Client{Jar: jar, CheckRedirect: func(r *http.Request, _ []*http.Request) error {
		if r.URL.Path == oidc.CallbackPath {
			back = r.URL.RequestURI()
			return http.ErrUseLastResponse
		}
		return nil
	}}
	resp, err := browser.Get(m[1])
	w.must(err)
	text, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	w.must(err)
	if back == "" {
		id := requestID.FindSubmatch(text)
		if id == nil {
			w.t.Fatalf("the service answers %d: %s", resp.StatusCode, text)
		}
		resp, err = browser.PostForm(issuer+"/login/username", url.Values{"id": {string(id[1])}, "username": {user}, "password": {"verysecure"}})
		w.must(err)
		resp.Body.Close()
	}
	if back == "" {
		w.t.Fatalf("the service did not send the browser back: %d", resp.StatusCode)
	}
	return back
}

// TestSignInByAnotherService goes the whole round through the pages and a provider
// that others wrote: to become a member, to sign in, to link, to prove.
func TestSignInByAnotherService(t *testing.T) {
	w, issuer := withService(t)
	with := url.Values{"service": {"Town"}, "next": {"/trust"}}
	s := w.surfer()
	if body := s.get("/signin").Body.String(); !strings.Contains(body, "Go on with Town") {
		t.Error("the page to sign in does not offer the service")
	}
	begun := s.post("/signin/with", with)
	back := w.atService(issuer, begun, "test-user2")

	// Another browser gets nothing by this answer, nor does another state.
	if rec := w.surfer().get(back); rec.Code != 422 || len(rec.Result().Cookies()) > 1 {
		t.Errorf("another browser brings the answer: %d", rec.Code)
	}
	if rec := s.get(regexp.MustCompile(`state=[^&]+`).ReplaceAllString(back, "state=x")); rec.Code != 422 {
		t.Errorf("another state: %d", rec.Code)
	}
	s = w.surfer() // the attempt above has used this browser's secret up
	back = w.atService(issuer, s.post("/signin/with", with), "test-user2")
	if rec := s.get(back); rec.Code != 303 || where(rec) != "/signin/arrive" {
		t.Fatalf("someone new comes back: %d to %q", rec.Code, where(rec))
	}
	if s.who() != "" {
		t.Error("someone new is signed in before they chose a name")
	}
	if rec := s.get(back); rec.Code != 422 {
		t.Errorf("the same answer again: %d", rec.Code)
	}
	if body := s.get("/signin/arrive").Body.String(); !strings.Contains(body, "test-user2") || !strings.Contains(body, "test-user2@zitadel.ch") {
		t.Error("the page does not say whom it takes them for, or the verified address")
	}
	if rec := w.surfer().get("/signin/arrive"); rec.Code != 422 {
		t.Errorf("who comes from nowhere: %d", rec.Code)
	}
	if rec := s.post("/signin/arrive", url.Values{"name": {"ana"}}); rec.Code != 422 {
		t.Errorf("a taken name: %d", rec.Code)
	}
	before := maps.Clone(s.cookies)
	if rec := s.post("/signin/arrive", url.Values{"name": {"nia"}, "address": {"yes"}, "id": {"1"}, "role": {"admin"}}); rec.Code != 303 || s.who() != "nia" {
		t.Fatalf("becoming a member: %d, known as %q", rec.Code, s.who())
	}
	if rec := (&surfer{w, before}).post("/signin/arrive", url.Values{"name": {"nia2"}}); rec.Code != 422 {
		t.Errorf("the same arrival twice: %d", rec.Code)
	}
	w.write(func(tx *db.Tx) error {
		m, err := member.ByName(tx, "nia")
		if err == nil && len(m.Roles) != 1 {
			t.Errorf("nia has the roles %v", m.Roles)
		}
		return err
	})

	// Back another day: signed in at once, to where they were going, by a new session.
	s = w.surfer()
	s.cookies["friday"] = "planted"
	back = w.atService(issuer, s.post("/signin/with", with), "test-user2")
	if rec := s.get(back); rec.Code != 303 || where(rec) != "/trust" || s.who() != "nia" || s.cookies["friday"] == "planted" {
		t.Errorf("signing in: %d to %q, known as %q", rec.Code, where(rec), s.who())
	}
	s = w.surfer()
	back = w.atService(issuer, s.post("/signin/with", url.Values{"service": {"Town"}, "next": {"//evil.example"}}), "test-user2")
	if rec := s.get(back); rec.Code != 303 || !local(where(rec)) {
		t.Errorf("next leads to %q", where(rec))
	}

	w.linkByService(t, issuer)
}

// linkByService: a member adds the account elsewhere, and shows by it who they are.
func (w *world) linkByService(t *testing.T, issuer string) {
	t.Helper()
	s := w.surfer()
	if rec := s.post("/signin", url.Values{"name": {"ana"}, "password": {password}}); rec.Code != 303 {
		t.Fatalf("ana signs in: %d", rec.Code)
	}
	link := url.Values{"service": {"Town"}, "purpose": {"link"}}
	// nia's account there is not ana's.
	if rec := s.get(w.atService(issuer, s.post("/me/with", link), "test-user2")); rec.Code != 422 || !strings.Contains(rec.Body.String(), "another member") {
		t.Errorf("linking another member's account: %d", rec.Code)
	}
	// A trip of ana's is not finished in the browser of someone who signed in meanwhile as nia.
	thief := w.surfer()
	thief.get(w.atService(issuer, thief.post("/signin/with", url.Values{"service": {"Town"}}), "test-user2"))
	back := w.atService(issuer, s.post("/me/with", link), "test-user@localhost")
	thief.cookies["friday-trip"] = s.cookies["friday-trip"]
	if rec := thief.get(back); rec.Code != 403 {
		t.Errorf("ana's trip ends as nia: %d", rec.Code)
	}
	if body := s.get("/me/safety").Body.String(); !strings.Contains(body, issuer) {
		back = w.atService(issuer, s.post("/me/with", link), "test-user@localhost")
		if rec := s.get(back); rec.Code != 303 || where(rec) != "/me/safety?done=saved" {
			t.Errorf("linking: %d to %q", rec.Code, where(rec))
		}
	}
	if body := s.get("/me/safety").Body.String(); !strings.Contains(body, issuer) {
		t.Error("the page of safety does not show the account elsewhere")
	}
	other := w.surfer()
	if other.get(w.atService(issuer, other.post("/signin/with", url.Values{"service": {"Town"}}), "test-user@localhost")); other.who() != "ana" {
		t.Errorf("by the linked account one is %q", other.who())
	}
	// An hour later: proof by the service, asked anew there.
	w.now = w.now.Add(time.Hour)
	if rec := s.post("/me/codes", nil); where(rec) != "/me/prove?next=/me/safety" {
		t.Errorf("an hour later: %d to %q", rec.Code, where(rec))
	}
	if rec := s.post("/me/with", url.Values{"service": {"Town"}, "purpose": {"signin"}}); rec.Code != 404 {
		t.Errorf("a purpose that is not theirs: %d", rec.Code)
	}
	if rec := s.post("/signin/with", url.Values{"service": {"None"}}); rec.Code != 404 {
		t.Errorf("a service that there is not: %d", rec.Code)
	}
}

// TestNoSessionIsPlanted: whichever way one signs in, a session that was there
// before is worth nothing after, and a token that somebody planted is not taken.
func TestNoSessionIsPlanted(t *testing.T) {
	w := whole(t, openSQLite(t))
	var codes []string
	var reset, first string
	w.write(func(tx *db.Tx) (err error) {
		codes, err = member.NewRecoveryCodes(tx, w.ids["li"])
		if err == nil {
			err = member.SetMail(tx, w.ids["ben"], "ben@example.org")
		}
		if err == nil {
			first, _, err = member.NewMailCode(tx, w.ids["ben"])
		}
		if err == nil {
			_, _, err = member.ConfirmMail(tx, first)
		}
		if err == nil {
			reset, _, err = member.NewResetCode(tx, w.ids["ben"])
		}
		return err
	})
	for name, try := range map[string]func(s *surfer) (*httptest.ResponseRecorder, string){
		"by password": func(s *surfer) (*httptest.ResponseRecorder, string) {
			return s.post("/signin", url.Values{"name": {"ana"}, "password": {password}}), "ana"
		},
		"by registering": func(s *surfer) (*httptest.ResponseRecorder, string) {
			return s.post("/register", url.Values{"name": {"nia"}, "password": {password}}), "nia"
		},
		"by recovery code": func(s *surfer) (*httptest.ResponseRecorder, string) {
			return s.post("/recover", url.Values{"name": {"li"}, "code": {codes[0]}, "password": {changed}}), "li"
		},
		"by a letter": func(s *surfer) (*httptest.ResponseRecorder, string) {
			return s.post("/recover/new", url.Values{"code": {reset}, "password": {changed}}), "ben"
		},
	} {
		s := w.surfer()
		planted := w.session("kim") // an attacker's own, put into the victim's browser
		s.cookies["friday"] = planted
		rec, who := try(s)
		if rec.Code != 303 || s.cookies["friday"] == planted || s.cookies["friday"] == "" || s.who() != who {
			t.Errorf("%s: %d, the browser is %q with the session %q", name, rec.Code, s.who(), s.cookies["friday"])
		}
		if old := (&surfer{w, map[string]string{"friday": planted}}); old.who() != "" {
			t.Errorf("%s: the planted session lives on, as %q", name, old.who())
		}
		s = w.surfer()
		s.cookies["friday"] = strings.Repeat("A", 43)
		if s.get("/t"); s.who() != "" {
			t.Errorf("%s: a made-up token is somebody", name)
		}
	}
}

// TestGuessingIsSlow: every form by which one could guess a way in stops who tries
// on, by address, and one address does not stop others.
func TestGuessingIsSlow(t *testing.T) {
	w := whole(t, openSQLite(t))
	h, err := New(Options{DB: w.d, Train: w.train, BaseURL: "http://localhost", Passwords: cheap, Mail: true})
	w.must(err)
	w.handler = h
	from := func(address, as, path string, form url.Values) int {
		return w.from(address, as, path, form).Code
	}
	for path, f := range map[string]struct {
		as   string
		form url.Values
	}{
		"/signin":               {"", url.Values{"name": {"ana"}, "password": {"guess"}}},
		"/recover":              {"", url.Values{"name": {"ana"}, "code": {"BBBB-BBBB-BBBB-BBBB"}, "password": {changed}}},
		"/recover/mail":         {"", url.Values{"login": {"ana"}}},
		"/recover/new":          {"", url.Values{"code": {"x"}, "password": {changed}}},
		"/me/mail/confirm":      {"", url.Values{"code": {"x"}}},
		"/signin/passkey/begin": {"", nil},
		"/signin/passkey":       {"", url.Values{"answer": {"{}"}}},
		"/signin/with":          {"", url.Values{"service": {"None"}}},
		"/signin/arrive":        {"", url.Values{"name": {"x"}}},
		"/register":             {"", url.Values{"name": {"x"}, "password": {"x"}}},
		"/first-run":            {"", url.Values{"code": {"x"}, "name": {"x"}, "password": {changed}}},
		"/me/prove":             {"ana", url.Values{"password": {"guess"}}},
		"/me/password":          {"ana", url.Values{"old": {"guess"}, "new": {changed}}},
		"/me/prove/passkey":     {"ana", url.Values{"answer": {"{}"}}},
	} {
		w.handler.(*server).core.Limits = page.NewLimits()
		before := len(w.letters())
		slowed, last := 0, 0
		for range 40 {
			if last = from("203.0.113.7", f.as, path, f.form); last == 429 {
				slowed++
			}
		}
		if slowed < 15 || last != 429 {
			t.Errorf("%s: of 40 tries %d are slowed down, the last is answered %d", path, slowed, last)
		}
		if n := len(w.letters()) - before; n > 20 {
			t.Errorf("%s: %d letters are sent", path, n)
		}
		if got := from("198.51.100.9", f.as, path, f.form); got == 429 {
			t.Errorf("%s: another address is slowed down too", path)
		}
		// Many addresses do not stop everyone else's confirmations and letters.
		for i := range 90 {
			from(fmt.Sprintf("192.0.2.%d", i), f.as, path, f.form)
		}
		byName := strings.Contains("/signin /recover /recover/mail /me/prove /me/password", path) // what is guessed is one name's
		if got := from("198.51.100.10", f.as, path, f.form); (got == 429) != byName {
			t.Errorf("%s: after 90 addresses another is answered %d", path, got)
		}
	}
	// The callback is a GET, and counts too.
	w.handler.(*server).core.Limits = page.NewLimits()
	last := 0
	for range 40 {
		last = w.get("", "/signin/with/callback?state=x&code=y").Code
	}
	if last != 429 {
		t.Errorf("the fortieth answer of a service: %d", last)
	}
}

// TestNobodyIsToldWhoIsHere: forms that take a name or an address answer the same
// for one that is here and one that is not.
func TestNobodyIsToldWhoIsHere(t *testing.T) {
	w := membership(t)
	w.write(func(tx *db.Tx) error {
		err := member.SetMail(tx, w.ids["ana"], "ana@example.org")
		if err != nil {
			return err
		}
		code, _, err := member.NewMailCode(tx, w.ids["ana"])
		if err == nil {
			_, _, err = member.ConfirmMail(tx, code)
		}
		return err
	})
	same := func(path string, here, absent url.Values) {
		t.Helper()
		blank := func(rec *httptest.ResponseRecorder, form url.Values) string {
			body := rec.Body.String()
			for _, v := range form {
				body = strings.ReplaceAll(body, `value="`+v[0]+`"`, "")
			}
			return fmt.Sprint(rec.Code, where(rec), len(rec.Result().Cookies()), body)
		}
		if a, b := blank(w.post("", path, here), here), blank(w.post("", path, absent), absent); a != b {
			t.Errorf("%s tells %v from %v:\n%s\n---\n%s", path, here, absent, a, b)
		}
	}
	same("/signin", url.Values{"name": {"ana"}, "password": {"wrong wrong wrong"}}, url.Values{"name": {"eva"}, "password": {"wrong wrong wrong"}})
	same("/recover", url.Values{"name": {"ana"}, "code": {"BBBB-BBBB-BBBB-BBBB"}, "password": {changed}}, url.Values{"name": {"eva"}, "code": {"BBBB-BBBB-BBBB-BBBB"}, "password": {changed}})
	for login, absent := range map[string]string{"ana": "eva", "ANA@example.org": "eva@example.org"} {
		before := len(w.letters())
		same("/recover/mail", url.Values{"login": {login}}, url.Values{"login": {absent}})
		if n := len(w.letters()) - before; n != 2 {
			t.Errorf("%d jobs for a letter, expected one for each", n)
		}
	}
	// Another member's address is taken like anyone's: only its owner can confirm it.
	w.post("ben", "/me/prove", url.Values{"password": {password}})
	taken := w.post("ben", "/me/mail", url.Values{"address": {"ana@example.org"}})
	free := w.post("ben", "/me/mail", url.Values{"address": {"eva@example.org"}})
	if taken.Code != free.Code || where(taken) != where(free) {
		t.Errorf("an address that a member has: %d to %q, another one: %d to %q", taken.Code, where(taken), free.Code, where(free))
	}
}

// TestXSSThroughTheAccount: what members and maintainers write on the pages of
// accounts and of the test ring acts nowhere.
func TestXSSThroughTheAccount(t *testing.T) {
	w := whole(t, openSQLite(t))
	for i, a := range attacks {
		name := fmt.Sprintf("rob%d", i)
		w.join(name, "")
		w.tokens["mo"] = w.session("mo")
		harmless(t, "a refused quiz", w.post(name, "/ring/beta", url.Values{"backup": {a}, a: {a}}).Body.String())
		w.now = w.now.Add(2 * time.Hour)
		w.done(name, "/ring/beta", rightAnswers)
		harmless(t, "a refused application", w.post(name, "/ring/beta/apply", url.Values{"device": {a}, "why": {a}}).Body.String())
		w.done(name, "/ring/beta/apply", url.Values{"device": {"umi"}, "why": {a}})
		harmless(t, "the desk of the ring", w.get("mo", "/ring/desk").Body.String())
		harmless(t, "a refused decision", w.post("mo", "/ring/desk", url.Values{"place": {w.placeOf(name, "umi")}, "to": {a}, "reason": {a}}).Body.String())
		w.done("mo", "/ring/desk", url.Values{"place": {w.placeOf(name, "umi")}, "to": {"refused"}, "reason": {a}})
		harmless(t, "the ring", w.get(name, "/ring").Body.String())
		q := url.QueryEscape(a)
		for _, p := range []string{"/ring?done=" + q, "/ring/" + url.PathEscape(a), "/ring/beta?device=" + q, "/recover/new?code=" + q, "/me/mail/confirm?code=" + q, "/me/prove?next=" + q, "/privacy?x=" + q, "/trust?x=" + q, "/signin/with/callback?state=" + q + "&error=" + q + "&iss=" + q} {
			fresh(w)
			harmless(t, "reflected "+a, w.get(name, p).Body.String())
		}
		for path, form := range map[string]url.Values{
			"/recover": {"name": {a}, "code": {a}, "password": {a}}, "/me/tokens": {"name": {a}, "scope": {a}, "days": {a}}, "/me/passkeys/rename": {"id": {"1"}, "name": {a}},
			"/me/delete": {"name": {a}}, "/m/li/roles": {"role": {a}, "device": {a}, "part": {a}},
		} {
			fresh(w)
			as := map[bool]string{true: "ada", false: name}[strings.HasPrefix(path, "/m/")]
			harmless(t, "refused at "+path, w.post(as, path, form).Body.String())
		}
		w.write(func(tx *db.Tx) error { // what a browser or another service may call itself
			_, err := tx.Exec("UPDATE sessions SET agent = $1, address = $1 WHERE member_id = $2", a, w.ids[name])
			_, err2 := tx.Exec("INSERT INTO identities (issuer, subject, member_id, label, created_at, used_at) VALUES ($1, $1, $2, $1, 1, 1)", a+name, w.ids[name])
			if err == nil {
				err = err2
			}
			return err
		})
		for _, p := range []string{"/me", "/me/safety", "/me/tokens", "/m/" + name} {
			harmless(t, "stored "+a+" at "+p, w.get(name, p).Body.String())
		}
	}
}
