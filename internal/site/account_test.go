package site

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/json"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/webauthn"
	"github.com/chromedp/chromedp"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/jobs"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/member/letter"
	"github.com/fridayos/friday/internal/member/passkey"
	"github.com/fridayos/friday/internal/site/page"
)

// The account's own routes in the permission matrix, each tried at its pattern.
func init() {
	for pattern, may := range map[string]string{
		"POST /me/sessions/others":     members,
		"GET /me/safety":               members,
		"POST /me/password":            members,
		"POST /me/codes":               members,
		"POST /me/mail":                members,
		"POST /me/mail/remove":         members,
		"GET /me/mail/confirm":         all,
		"POST /me/mail/confirm":        all,
		"POST /me/passkeys/begin":      members,
		"POST /me/passkeys":            members,
		"POST /me/passkeys/rename":     members,
		"POST /me/passkeys/remove":     members,
		"POST /me/identities/remove":   members,
		"POST /me/with":                members,
		"POST /me/export":              members,
		"POST /me/delete":              members,
		"GET /me/prove":                members,
		"POST /me/prove":               members,
		"POST /me/prove/passkey/begin": members,
		"POST /me/prove/passkey":       members,
		"POST /signin/passkey/begin":   all,
		"POST /signin/passkey":         all,
		"POST /signin/with":            all,
		"GET /signin/with/callback":    all,
		"GET /signin/arrive":           all,
		"POST /signin/arrive":          all,
		"GET /recover":                 all,
		"POST /recover":                all,
		"POST /recover/mail":           all,
		"GET /recover/new":             all,
		"POST /recover/new":            all,
	} {
		_, path, _ := strings.Cut(pattern, " ")
		matrix[pattern] = struct{ path, may string }{path, may}
	}
}

// membership is a site with mail, and a member who signed in a while ago.
func membership(t *testing.T) *world {
	t.Helper()
	w := newWorld(t, openSQLite(t))
	h, err := New(Options{DB: w.d, Train: w.train, BaseURL: "https://os.example.org", Passwords: cheap, Mail: true})
	w.must(err)
	w.handler = secure{h}
	w.at(11, 20, 9)
	w.join("ana", "")
	w.join("ben", "")
	w.at(11, 20, 10)
	return w
}

// secure names the cookie as a site over https does.
type secure struct{ http.Handler }

func (s secure) ServeHTTP(rw http.ResponseWriter, r *http.Request) {
	if k, err := r.Cookie("friday"); err == nil {
		r.AddCookie(&http.Cookie{Name: "__Host-friday", Value: k.Value})
	}
	s.Handler.(*server).core.Limits = page.NewLimits() // they are tested by themselves
	s.Handler.ServeHTTP(rw, r)
}

func where(rec *httptest.ResponseRecorder) string { return rec.Header().Get("Location") }

// cookie is the session that an answer gave.
func cookie(rec *httptest.ResponseRecorder) string {
	for _, k := range rec.Result().Cookies() {
		if k.Name == "__Host-friday" {
			return k.Value
		}
	}
	return ""
}

const changed = "Another long sentence."

// What cannot be undone, or opens the account, asks first who is there.
func TestFreshProof(t *testing.T) {
	w := membership(t)
	for _, path := range []string{"/me/codes", "/me/mail", "/me/mail/remove", "/me/passkeys/begin", "/me/passkeys", "/me/identities/remove", "/me/export", "/me/delete"} {
		if rec := w.post("ana", path, url.Values{"name": {"ana"}, "address": {"ana@example.org"}}); rec.Code != 303 || where(rec) != "/me/prove?next=/me/safety" {
			t.Errorf("%s an hour after signing in: %d to %q", path, rec.Code, where(rec))
		}
	}
	if rec := w.post("ana", "/me/prove", url.Values{"password": {"guess guess guess"}}); rec.Code != 422 {
		t.Errorf("a wrong password: %d", rec.Code)
	}
	if rec := w.post("ana", "/me/codes", nil); rec.Code != 303 {
		t.Errorf("after a wrong proof: %d", rec.Code)
	}
	for next, want := range map[string]string{"/me/safety": "/me/safety?done=proved", "https://evil.example": "/?done=proved", "//evil.example/x": "/?done=proved"} {
		if rec := w.post("ana", "/me/prove", url.Values{"password": {password}, "next": {next}}); rec.Code != 303 || where(rec) != want {
			t.Errorf("next %q: %d to %q", next, rec.Code, where(rec))
		}
	}
	if rec := w.post("ana", "/me/codes", nil); rec.Code != 200 {
		t.Errorf("after the proof: %d", rec.Code)
	}
	w.at(11, 20, 11)
	if rec := w.post("ana", "/me/codes", nil); rec.Code != 303 {
		t.Errorf("an hour after the proof: %d", rec.Code)
	}
}

func TestPasswordAndRecovery(t *testing.T) {
	w := membership(t)
	other := w.session("ana")
	w.tokens["elsewhere"] = other
	if rec := w.post("ana", "/me/password", url.Values{"old": {"guess guess"}, "new": {changed}}); rec.Code != 422 {
		t.Errorf("a wrong old password: %d", rec.Code)
	}
	if rec := w.post("ana", "/me/password", url.Values{"old": {password}, "new": {"short"}}); rec.Code != 422 {
		t.Errorf("a short new password: %d", rec.Code)
	}
	rec := w.post("ana", "/me/password", url.Values{"old": {password}, "new": {changed}, "id": {"1"}, "member": {"ben"}})
	if rec.Code != 303 || cookie(rec) == "" || cookie(rec) == w.tokens["ana"] {
		t.Fatalf("%d, the session is %q", rec.Code, cookie(rec))
	}
	w.tokens["ana"] = cookie(rec)
	if got := w.get("elsewhere", "/me").Code; got != 303 {
		t.Errorf("the session elsewhere goes on: %d", got)
	}
	if got := w.get("ana", "/me/safety").Code; got != 200 {
		t.Errorf("the own session: %d", got)
	}
	if got := w.post("", "/signin", url.Values{"name": {"ben"}, "password": {password}}).Code; got != 303 {
		t.Errorf("another member's password was changed too: %d", got)
	}
	codes := regexp.MustCompile(`[B-Z]{4}(?:-[B-Z]{4}){3}`).FindAllString(w.post("ana", "/me/codes", nil).Body.String(), -1)
	if len(codes) != member.RecoveryCodes {
		t.Fatalf("the page shows %v", codes)
	}
	if strings.Contains(w.get("ana", "/me/safety").Body.String(), codes[0]) {
		t.Error("the codes are shown again")
	}
	// A wrong code, a used one and an unknown name are answered alike.
	try := func(name, code string) *httptest.ResponseRecorder {
		return w.post("", "/recover", url.Values{"name": {name}, "code": {code}, "password": {password}})
	}
	wrong, unknown, bens := try("ana", "BBBB-BBBB-BBBB-BBBB"), try("eve", codes[0]), try("ben", codes[0])
	if wrong.Code != 422 || strings.ReplaceAll(wrong.Body.String(), `value="ana"`, "") != strings.ReplaceAll(unknown.Body.String(), `value="eve"`, "") ||
		strings.ReplaceAll(wrong.Body.String(), `value="ana"`, "") != strings.ReplaceAll(bens.Body.String(), `value="ben"`, "") {
		t.Errorf("answers differ: %d %d %d", wrong.Code, unknown.Code, bens.Code)
	}
	rec = try("ana", codes[0])
	if rec.Code != 303 || cookie(rec) == "" || w.get("ana", "/me").Code != 303 {
		t.Errorf("recovered: %d, old session %d", rec.Code, w.get("ana", "/me").Code)
	}
	if again := try("ana", codes[0]); again.Code != 422 {
		t.Errorf("the code works twice: %d", again.Code)
	}
}

// letters are the jobs that wait.
func (w *world) letters() (all []letter.Job) {
	w.write(func(tx *db.Tx) error {
		list, err := jobs.List(tx, jobs.Filter{Kinds: []string{letter.Job{}.Kind()}})
		for _, j := range list {
			var one letter.Job
			w.must(json.Unmarshal(j.Args, &one))
			all = append(all, one)
		}
		return err
	})
	return all
}

func TestMailOfAccount(t *testing.T) {
	w := membership(t)
	known := w.post("", "/recover/mail", url.Values{"login": {"ana"}})
	unknown := w.post("", "/recover/mail", url.Values{"login": {"eve@example.org"}})
	if known.Code != 303 || unknown.Code != 303 || where(known) != where(unknown) || len(w.letters()) != 2 {
		t.Errorf("%d to %q, %d to %q, %d letters", known.Code, where(known), unknown.Code, where(unknown), len(w.letters()))
	}
	w.post("ana", "/me/prove", url.Values{"password": {password}})
	if rec := w.post("ana", "/me/mail", url.Values{"address": {"nonsense"}}); rec.Code != 422 {
		t.Errorf("no address: %d", rec.Code)
	}
	if rec := w.post("ana", "/me/mail", url.Values{"address": {"ana@example.org"}}); rec.Code != 303 || !strings.Contains(w.get("ana", "/me/safety").Body.String(), "ana@example.org") {
		t.Errorf("an address: %d", rec.Code)
	}
	var code string
	w.write(func(tx *db.Tx) (err error) { code, _, err = member.NewMailCode(tx, w.ids["ana"]); return err })
	if rec := w.get("", "/me/mail/confirm?code="+code); rec.Code != 200 {
		t.Errorf("the link: %d", rec.Code)
	}
	address := func() (a member.Mail) {
		w.write(func(tx *db.Tx) (err error) { a, err = member.MailOf(tx, w.ids["ana"]); return err })
		return a
	}
	if a := address(); a.Address != "" {
		t.Error("looking at the link confirms the address")
	}
	if rec := w.post("", "/me/mail/confirm", url.Values{"code": {"x"}}); rec.Code != 422 {
		t.Errorf("a wrong code: %d", rec.Code)
	}
	if rec := w.post("", "/me/mail/confirm", url.Values{"code": {code}}); rec.Code != 303 || address().Address != "ana@example.org" {
		t.Errorf("confirmed: %d, %+v", rec.Code, address())
	}
	w.write(func(tx *db.Tx) (err error) { code, _, err = member.NewResetCode(tx, w.ids["ana"]); return err })
	if body := w.get("", "/recover/new?code="+code).Body.String(); !strings.Contains(body, code) {
		t.Error("the page of a new password lacks its code")
	}
	if rec := w.post("", "/recover/new", url.Values{"code": {code}, "password": {changed}}); rec.Code != 303 || cookie(rec) == "" || w.get("ana", "/me").Code != 303 {
		t.Errorf("a new password: %d", rec.Code)
	}
	if rec := w.post("", "/recover/new", url.Values{"code": {code}, "password": {changed}}); rec.Code != 422 {
		t.Errorf("the code again: %d", rec.Code)
	}
}

func TestLeave(t *testing.T) {
	w := membership(t)
	w.post("ana", "/me/prove", url.Values{"password": {password}})
	rec := w.post("ana", "/me/export", nil)
	z, err := zip.NewReader(bytes.NewReader(rec.Body.Bytes()), int64(rec.Body.Len()))
	if err != nil || len(z.File) < 5 || rec.Header().Get("Content-Disposition") != `attachment; filename="account.zip"` || rec.Header().Get("Cache-Control") != "private, no-store" {
		t.Fatalf("the export: %d, %v, %v", rec.Code, err, rec.Header())
	}
	if rec := w.post("ana", "/me/delete", url.Values{"name": {"ben"}}); rec.Code != 422 || w.get("ana", "/me").Code != 200 {
		t.Errorf("another's name: %d", rec.Code)
	}
	if rec := w.post("ana", "/me/delete", url.Values{"name": {"ANA"}}); rec.Code != 303 || w.get("ana", "/me").Code != 303 || w.get("", "/m/ana").Code != 404 {
		t.Errorf("deleted: %d", rec.Code)
	}
	if got := w.get("", "/m/ben").Code; got != 200 {
		t.Errorf("another member is gone: %d", got)
	}
}

// Every new form refuses other sites, and what it is not asked for.
func TestAccountFormsRefuseOtherSites(t *testing.T) {
	w := membership(t)
	for _, r := range routes {
		path, ok := strings.CutPrefix(r.Pattern, "POST ")
		if !ok || !strings.HasPrefix(path, "/me") && !strings.HasPrefix(path, "/recover") && !strings.HasPrefix(path, "/sign") {
			continue
		}
		req := httptest.NewRequest(http.MethodPost, path, strings.NewReader("password="+password))
		req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		req.Header.Set("Sec-Fetch-Site", "cross-site")
		if rec := w.send("ana", req); rec.Code != 403 || cookie(rec) != "" {
			t.Errorf("%s from another site: %d", path, rec.Code)
		}
	}
}

// TestBrowserPasskeys registers a passkey with Chromium's virtual authenticator,
// proves and signs in by it.
func TestBrowserPasskeys(t *testing.T) {
	browser := startBrowser(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	base := "http://localhost:" + port
	w := newWorld(t, openSQLite(t))
	w.d.SetClock(time.Now)
	h, err := New(Options{DB: w.d, Train: w.train, BaseURL: base, Passwords: cheap})
	w.must(err)
	w.handler = h
	srv := &http.Server{Handler: h, ReadHeaderTimeout: time.Minute}
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { srv.Close() })
	w.join("ana", "")
	tab, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
	defer cancel()
	v := &visit{}
	openTab(t, tab, v, 390, "light")
	ctx, cancel := context.WithTimeout(tab, 90*time.Second)
	defer cancel()
	callCDP(t, ctx, webauthn.Enable, webauthn.EnableParams{})
	if _, err := chromedp.Call(ctx, webauthn.AddVirtualAuthenticator, webauthn.AddVirtualAuthenticatorParams{Options: &webauthn.VirtualAuthenticatorOptions{
		Protocol: webauthn.AuthenticatorProtocolCtap2, Transport: webauthn.AuthenticatorTransportInternal, HasResidentKey: true, HasUserVerification: true,
		IsUserVerified: true, AutomaticPresenceSimulation: true}}); err != nil {
		t.Fatal(err)
	}
	callCDP(t, ctx, network.SetCookie, network.SetCookieParams{Name: "friday", Value: w.tokens["ana"], URL: base})
	visit := func(path string) {
		t.Helper()
		if err := chromedp.Do(ctx, chromedp.Navigate(base+path)); err != nil {
			t.Fatal(err)
		}
	}
	press := func(selector string) {
		t.Helper()
		if _, err := chromedp.Run(ctx, chromedp.Evaluate[bool](`(document.querySelector('`+selector+`').click(), true)`)); err != nil {
			t.Fatal(err)
		}
	}
	arrive := func(path string) {
		t.Helper()
		for end := time.Now().Add(30 * time.Second); ; time.Sleep(100 * time.Millisecond) {
			at, err := chromedp.Run(ctx, chromedp.Evaluate[string]("location.pathname + location.search"))
			if err == nil && at == path {
				return
			}
			if time.Now().After(end) {
				t.Fatalf("the browser is at %s, expected %s: %v", at, path, err)
			}
		}
	}
	visit("/me/safety")
	press(`form[action="/me/passkeys/begin"] button`)
	arrive("/me/safety?done=saved")
	var keys []passkey.Passkey
	w.write(func(tx *db.Tx) (err error) { keys, err = passkey.List(tx, w.ids["ana"]); return err })
	if len(keys) != 1 || keys[0].Name == "" {
		t.Fatalf("registered %+v", keys)
	}
	visit("/me/prove?next=/me")
	press(`form[action="/me/prove/passkey/begin"] button`)
	arrive("/me?done=proved")
	callCDP(t, ctx, network.ClearBrowserCookies, cdp.Empty{})
	visit("/signin?next=/t")
	press(`form[action="/signin/passkey/begin"] button`)
	arrive("/t")
	if who, err := chromedp.Run(ctx, chromedp.Evaluate[string](`document.querySelector(".who").textContent.trim()`)); err != nil || !slices.Contains(strings.Fields(who), "ana") {
		t.Errorf("signed in as %q, %v", who, err)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, p := range v.problems {
		t.Error(p)
	}
}
