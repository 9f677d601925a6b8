package site

import (
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/site/page"
	"github.com/fridayos/friday/internal/train"
)

// matrix is who may call each route: everyone named, and nobody else. "" is
// someone who is not signed in. Each route has an address to try it on.
var matrix = map[string]struct {
	path string
	may  string
}{
	"GET /{$}":                            {"/", all},
	"GET /t":                              {"/t", all},
	"GET /t/new":                          {"/t/new", members},
	"POST /t/new":                         {"/t/new", members},
	"GET /t/alike":                        {"/t/alike?title=camera", members},
	"GET /t/{thread}":                     {"/t/1-camera-closes-at-5-zoom", all},
	"GET /t/{thread}/way":                 {"/t/1/way", all},
	"GET /p/{post}":                       {"/p/{first}", all},
	"GET /imported/{service}/{rest...}":   {"/imported/github/a/b/1", all},
	"GET /p/{post}/whole":                 {"/p/{first}/whole", all},
	"GET /p/{post}/edit":                  {"/p/{first}/edit", "ana kim ada"},
	"POST /p/{post}/edit":                 {"/p/{first}/edit", "ana kim ada"},
	"GET /p/{post}/history":               {"/p/{first}/history", all},
	"POST /t/{thread}/accept":             {"/t/5/accept", members},
	"POST /t/{thread}/mute":               {"/t/1/mute", members},
	"POST /t/{thread}/installed":          {"/t/1/installed", members},
	"GET /t/{thread}/polls":               {"/t/1/polls", all},
	"POST /t/{thread}/polls":              {"/t/1/polls", members},
	"POST /t/{thread}/polls/{poll}":       {"/t/1/polls/1", members},
	"POST /t/{thread}/polls/{poll}/end":   {"/t/1/polls/1/end", members},
	"GET /t/{thread}/tools":               {"/t/1/tools", "kim ada"},
	"POST /t/{thread}/pin":                {"/t/6/pin", "kim ada"},
	"POST /t/{thread}/move":               {"/t/6/move", "kim ada"},
	"POST /t/{thread}/merge":              {"/t/6/merge", "kim ada"},
	"POST /t/{thread}/unmerge":            {"/t/6/unmerge", "kim ada"},
	"POST /t/{thread}/split":              {"/t/6/split", "kim ada"},
	"POST /t/{thread}/duplicate":          {"/t/6/duplicate", members},
	"POST /t/{thread}/name":               {"/t/{private}/name", "mo ada"},
	"POST /t/{thread}/publish":            {"/t/{private}/publish", "mo ada"},
	"GET /objections":                     {"/objections", "mo ada"},
	"GET /duplicates":                     {"/duplicates", "kim ada"},
	"POST /t/{thread}/reply":              {"/t/1/reply", members},
	"POST /t/{thread}/vote":               {"/t/1/vote", members},
	"POST /t/{thread}/metoo":              {"/t/1/metoo", members},
	"POST /t/{thread}/watch":              {"/t/1/watch", members},
	"POST /t/{thread}/answer":             {"/t/1/answer", members},
	"POST /t/{thread}/object":             {"/t/1/object", members},
	"POST /t/{thread}/mark":               {"/t/3/mark", "mo ada"},
	"GET /report":                         {"/report", members},
	"POST /report":                        {"/report", members},
	"GET /report/{report}":                {"/report/1", all},
	"GET /report/{report}/text":           {"/report/1/text", all},
	"POST /report/{report}/publish":       {"/report/1/publish", members},
	"POST /report/{report}/withdraw":      {"/report/1/withdraw", members},
	"GET /crash/{fingerprint}":            {"/crash/0123456789abcdef", all},
	"GET /days":                           {"/days", all},
	"GET /d":                              {"/d", all},
	"GET /d/{codename}":                   {"/d/umi", all},
	"GET /r":                              {"/r", all},
	"GET /r/{release}":                    {"/r/26.11.27", all},
	"GET /r/{release}/{device}/{channel}": {"/r/26.11.27/umi/weekly", all},
	"POST /r/{release}/polls":             {"/r/26.11.27/polls", "mo ada"},
	"GET /train":                          {"/train", all},
	"POST /train/cut":                     {"/train/cut", "ada"},
	"POST /train/skip":                    {"/train/skip", "ada"},
	"POST /train/move":                    {"/train/move", "ada"}, // naming no phone: all of them
	"GET /m/{name}":                       {"/m/mo", all},
	"POST /m/{name}/roles":                {"/m/li/roles", "ada"},
	"GET /me":                             {"/me", members},
	"POST /me/claim":                      {"/me/claim", members},
	"POST /me/sessions/end":               {"/me/sessions/end", members},
	"GET /me/tokens":                      {"/me/tokens", members},
	"POST /me/tokens":                     {"/me/tokens", members},
	"POST /me/tokens/revoke":              {"/me/tokens/revoke", members},
	"GET /signin":                         {"/signin", all},
	"POST /signin":                        {"/signin", all},
	"GET /register":                       {"/register", all},
	"POST /register":                      {"/register", all},
	"POST /signout":                       {"/signout", members},
	"GET /first-run":                      {"/first-run", all},
	"POST /first-run":                     {"/first-run", all},
	"POST /language":                      {"/language", all},

	"GET /notices":                                   {"/notices", members},
	"POST /notices/read":                             {"/notices/read", members},
	"GET /notices/settings":                          {"/notices/settings", members},
	"POST /notices/settings":                         {"/notices/settings", members},
	"POST /notices/push":                             {"/notices/push", members},
	"POST /notices/push/remove":                      {"/notices/push/remove", members},
	"GET /notices/stop":                              {"/notices/stop?s=x", all},
	"POST /notices/stop":                             {"/notices/stop?s=x", all},
	"GET /sw.js":                                     {"/sw.js", all},
	"GET /hooks":                                     {"/hooks", "ada"},
	"POST /hooks":                                    {"/hooks", "ada"},
	"GET /hooks/{hook}":                              {"/hooks/1", "ada"},
	"POST /hooks/{hook}/ping":                        {"/hooks/1/ping", "ada"},
	"POST /hooks/{hook}/disable":                     {"/hooks/1/disable", "ada"},
	"POST /hooks/{hook}/enable":                      {"/hooks/1/enable", "ada"},
	"POST /hooks/{hook}/roll":                        {"/hooks/1/roll", "ada"},
	"POST /hooks/{hook}/remove":                      {"/hooks/1/remove", "ada"},
	"GET /hooks/{hook}/deliveries/{delivery}":        {"/hooks/1/deliveries/1", "ada"},
	"POST /hooks/{hook}/deliveries/{delivery}/again": {"/hooks/1/deliveries/1/again", "ada"},

	"GET /flag/{kind}/{id}":             {"/flag/thread/1", members},
	"POST /flag/{kind}/{id}":            {"/flag/thread/1", members},
	"GET /desk":                         {"/desk", "kim ada"},
	"GET /desk/log":                     {"/desk/log", "kim ada"},
	"GET /desk/{kind}/{id}":             {"/desk/thread/1", "kim ada"},
	"POST /desk/{kind}/{id}":            {"/desk/thread/1", "kim ada"},
	"POST /desk/lift/{decision}":        {"/desk/lift/1", "kim ada"},
	"POST /desk/answer/{decision}":      {"/desk/answer/1", "kim ada"},
	"GET /me/record":                    {"/me/record", members},
	"POST /me/record/{decision}/appeal": {"/me/record/1/appeal", members},
	"GET /u/{id}/{name}":                {"/u/1/a.png", all},
}

const (
	members = "ana mo kim ada"
	all     = "guest " + members
)

func TestPermissionMatrix(t *testing.T) {
	w := whole(t, openSQLite(t))
	first, private := w.firstPost(1), w.private("ana", "mo")
	for _, r := range routes {
		m, ok := matrix[r.Pattern]
		if !ok {
			t.Errorf("route %s is not in the matrix", r.Pattern)
			continue
		}
		for _, who := range strings.Fields(all) {
			fresh(w)
			m.path = strings.NewReplacer("{first}", first, "{private}", private).Replace(m.path)
			as := strings.TrimPrefix(who, "guest")
			if as != "" && strings.Contains(r.Pattern, "out") { // it ends the session: not the one that others need
				w.tokens["leaving"] = w.session(as)
				as = "leaving"
			}
			var rec *httptest.ResponseRecorder
			if strings.HasPrefix(r.Pattern, "POST") {
				rec = w.post(as, m.path, url.Values{"verb": {"hold"}, "release": {"26.11.27"}, "state": {"recorded"}})
			} else {
				rec = w.get(as, m.path)
			}
			toSignIn := rec.Code == http.StatusSeeOther && strings.HasPrefix(rec.Header().Get("Location"), "/signin?next=")
			refused := rec.Code == http.StatusForbidden || toSignIn
			if may := slices.Contains(strings.Fields(m.may), who); may == refused {
				t.Errorf("%s as %s: answer %d to %q, expected it to be %s", r.Pattern, who, rec.Code, rec.Header().Get("Location"), map[bool]string{true: "let through", false: "refused"}[may])
			}
			if who == "guest" && !strings.Contains(m.may, "guest") && !toSignIn {
				t.Errorf("%s as guest: answer %d, expected the way to sign in", r.Pattern, rec.Code)
			}
			if rec.Code >= 500 {
				t.Errorf("%s as %s: answer %d", r.Pattern, who, rec.Code)
			}
		}
	}
	for pattern := range matrix {
		if !slices.ContainsFunc(routes, func(r route) bool { return r.Pattern == pattern }) {
			t.Errorf("the matrix has %s, which is no route", pattern)
		}
	}
}

// fresh forgets the limits, which are tested by themselves.
func fresh(w *world) { w.handler.(*server).core.Limits = page.NewLimits() }

func (w *world) session(name string) (token string) {
	w.write(func(tx *db.Tx) (err error) { token, err = member.NewSession(tx, w.ids[name], "test"); return err })
	return token
}

func TestMaintainersMoveTheirOwnPhones(t *testing.T) {
	w := whole(t, openSQLite(t))
	hold := func(as string, devices ...string) int {
		fresh(w)
		return w.post(as, "/train/move", url.Values{"release": {"26.11.27"}, "verb": {"hold"}, "device": devices, "reason": {"Wait."}}).Code
	}
	for _, c := range []struct {
		as      string
		devices []string
		code    int
	}{
		{"mo", []string{"hlte"}, 403}, {"mo", []string{"umi", "hlte"}, 403}, {"mo", nil, 403}, {"mo", []string{"umi"}, 303},
		{"ana", []string{"umi"}, 403}, {"kim", []string{"umi"}, 403}, {"", []string{"umi"}, 303},
	} {
		if got := hold(c.as, c.devices...); got != c.code {
			t.Errorf("%q holds %v: %d, expected %d", c.as, c.devices, got, c.code)
		}
	}
	if code := w.post("mo", "/train/move", url.Values{"release": {"26.11.27"}, "verb": {"pull"}, "device": {"umi"}, "reason": {"Bad."}}).Code; code != 403 {
		t.Errorf("a maintainer pulls: %d, expected 403", code)
	}
	if rec := w.post("ada", "/train/move", url.Values{"release": {"26.11.27"}, "verb": {"ship"}, "device": {"umi"}}); rec.Code != 422 || !strings.Contains(rec.Body.String(), "Say why") {
		t.Errorf("without a reason: %d", rec.Code)
	}
	if page := w.get("", "/train").Body.String(); !strings.Contains(page, "Held") || !strings.Contains(page, "Wait.") {
		t.Error("the console does not show what was held, and why")
	}
	mark := func(as, thread, device string) int {
		fresh(w)
		return w.post(as, "/t/"+thread+"/mark", url.Values{"state": {"recorded"}, "device": {device}}).Code
	}
	if got := mark("mo", "2", "hlte"); got != 403 {
		t.Errorf("a maintainer of umi records on hlte: %d, expected 403", got)
	}
	if got := mark("mo", "2", ""); got != 403 {
		t.Errorf("a maintainer of umi records a thread of hlte as a whole: %d, expected 403", got)
	}
}

func TestHiddenThreadsDoNotExist(t *testing.T) {
	w := whole(t, openSQLite(t))
	w.write(func(tx *db.Tx) error { return feedback.Hide(tx, 1, w.ids["mo"], true) })
	ref := func(s string) string { return regexp.MustCompile(`\d`).ReplaceAllString(s, "") }
	for _, as := range []string{"", "ana", "mo"} {
		hidden, missing := w.get(as, "/t/1"), w.get(as, "/t/999")
		if hidden.Code != 404 || ref(hidden.Body.String()) != ref(missing.Body.String()) {
			t.Errorf("as %q a hidden thread answers %d, otherwise than one that never was", as, hidden.Code)
		}
		for _, page := range []string{"/", "/t", "/t?q=zoom", "/d/umi", "/r/26.11.27", "/m/ana"} {
			if strings.Contains(w.get(as, page).Body.String(), "camera-closes") {
				t.Errorf("as %q %s shows a hidden thread", as, page)
			}
		}
	}
	fresh(w)
	if got := w.post("ben", "/t/1/reply", url.Values{"body": {"Still?"}}).Code; got != 404 {
		t.Errorf("a reply to a hidden thread: %d, expected 404", got)
	}
	if got := w.get("kim", "/t/1-camera-closes-at-5-zoom").Code; got != 200 {
		t.Errorf("a moderator sees it: %d, expected 200", got)
	}
}

// TestTheLoopInPages goes from a report to its confirmed fix by forms alone.
func TestTheLoopInPages(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.at(11, 20, 9)
		w.people()
		w.devices()
		rec := w.post("ana", "/t/new", url.Values{"kind": {"bug"}, "title": {"Alarm is silent"}, "part": {"Clock"}, "device": {"umi"}, "body": {"No *sound*."}})
		if rec.Code != 303 || rec.Header().Get("Location") != "/t/1-alarm-is-silent?done=filed" {
			t.Fatalf("filing: %d to %q", rec.Code, rec.Header().Get("Location"))
		}
		for _, f := range []struct {
			as, path string
			form     url.Values
		}{
			{"ben", "/t/1/vote", url.Values{"on": {"yes"}}}, {"li", "/t/1/metoo", url.Values{"device": {"umi"}}},
			{"ben", "/t/1/reply", url.Values{"body": {"Mine rings."}}}, {"mo", "/t/1/mark", url.Values{"state": {"recorded"}, "device": {"umi"}}},
		} {
			if rec := w.post(f.as, f.path, f.form); rec.Code != 303 {
				t.Fatalf("%s: %d", f.path, rec.Code)
			}
		}
		if got := w.post("ana", "/t/1/answer", url.Values{"device": {"umi"}, "verdict": {"works"}}).Code; got != 409 {
			t.Errorf("an answer nobody asked for: %d, expected 409", got)
		}
		b := feedback.Build{ID: "b", Device: "umi", Version: "26.11.27", Timestamp: 5}
		w.at(11, 27, 17)
		w.write(func(tx *db.Tx) error {
			if err := feedback.FixMerged(tx, 1, "c0ffee"); err != nil {
				return err
			}
			return feedback.FixInRelease(tx, 1, "26.11.27", b)
		})
		if page := w.get("ana", "/").Body.String(); strings.Contains(page, "Does this work now") {
			t.Error("asked before the handset has the build")
		}
		w.write(func(tx *db.Tx) error { _, err := feedback.HandsetRuns(tx, w.ids["ana"], b); return err })
		page := w.get("ana", "/").Body.String()
		for _, want := range []string{"26.11.27</a> is on your Xiaomi Mi 10", "Does this work now", "Alarm is silent"} {
			if !strings.Contains(page, want) {
				t.Errorf("the question lacks %q", want)
			}
		}
		if page := w.get("li", "/").Body.String(); strings.Contains(page, "Does this work now") {
			t.Error("another member is asked whose handset has not reported")
		}
		if rec := w.post("ana", "/t/1/answer", url.Values{"device": {"umi"}, "verdict": {"works"}}); rec.Code != 303 {
			t.Fatalf("the answer: %d", rec.Code)
		}
		page = w.get("", "/t/1-alarm-is-silent").Body.String()
		for _, want := range []string{"Confirmed after 7.3 days", "c0ffee", "Recorded", "<em>sound</em>"} {
			if !strings.Contains(page, want) {
				t.Errorf("the thread lacks %q", want)
			}
		}
	})
}

func TestAccounts(t *testing.T) {
	w := newWorld(t, openSQLite(t))
	w.at(11, 20, 9)
	var code string
	w.write(func(tx *db.Tx) (err error) { code, _, err = member.FirstRunCode(tx); return err })
	if page := w.get("", "/first-run?code="+code); page.Code != 200 || !strings.Contains(page.Body.String(), code) {
		t.Fatalf("first run: %d", page.Code)
	}
	if rec := w.post("", "/first-run", url.Values{"code": {"WRONG"}, "name": {"ada"}, "password": {password}}); rec.Code != 422 {
		t.Errorf("a wrong code: %d, expected 422", rec.Code)
	}
	rec := w.post("", "/first-run", url.Values{"code": {code}, "name": {"ada"}, "password": {password}})
	if rec.Code != 303 {
		t.Fatalf("the first administrator: %d %s", rec.Code, rec.Body)
	}
	if got := w.get("", "/first-run?code="+code).Code; got != 404 {
		t.Errorf("first run after it: %d, expected 404", got)
	}
	k := rec.Result().Cookies()[0]
	if k.Name != "friday" || !k.HttpOnly || k.SameSite != http.SameSiteLaxMode || k.Path != "/" {
		t.Errorf("the cookie is %v", k)
	}
	for _, c := range []struct {
		name, password string
		code           int
	}{{"ada", password, 422}, {"x y z", password, 422}, {"ana", "short", 422}, {"ana", password, 303}} {
		fresh(w)
		if got := w.post("", "/register", url.Values{"name": {c.name}, "password": {c.password}}).Code; got != c.code {
			t.Errorf("register %q: %d, expected %d", c.name, got, c.code)
		}
	}
	wrong := w.post("", "/signin", url.Values{"name": {"ana"}, "password": {"not that one"}})
	unknown := w.post("", "/signin", url.Values{"name": {"eve"}, "password": {"not that one"}})
	if wrong.Code != 422 || unknown.Code != 422 || strings.ReplaceAll(wrong.Body.String(), "ana", "eve") != unknown.Body.String() {
		t.Error("a wrong password and an unknown name answer differently")
	}
	rec = w.post("", "/signin", url.Values{"name": {"ana"}, "password": {password}, "next": {"/t/new"}})
	if rec.Code != 303 || rec.Header().Get("Location") != "/t/new" {
		t.Fatalf("sign in: %d to %q", rec.Code, rec.Header().Get("Location"))
	}
	first := rec.Result().Cookies()[0].Value
	w.tokens["ana"] = first
	rec = w.post("ana", "/signin", url.Values{"name": {"ana"}, "password": {password}})
	if second := rec.Result().Cookies()[0].Value; second == first {
		t.Error("signing in keeps the old session's token")
	}
	if got := w.get("ana", "/me").Code; got != 303 {
		t.Errorf("the session from before signing in again still opens /me: %d", got)
	}
	w.tokens["ana"] = rec.Result().Cookies()[0].Value
	if rec := w.post("ana", "/signout", nil); rec.Code != 303 || rec.Result().Cookies()[0].MaxAge >= 0 {
		t.Errorf("sign out: %d", rec.Code)
	}
	if got := w.get("ana", "/me").Code; got != 303 {
		t.Errorf("after signing out /me answers %d", got)
	}
}

func TestSecureCookieOverHTTPS(t *testing.T) {
	d := openSQLite(t)
	h, err := New(Options{DB: d, Train: &train.Train{DB: d}, BaseURL: "https://os.example.org", Passwords: cheap})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, d: d, handler: h}
	rec := w.post("", "/register", url.Values{"name": {"ana"}, "password": {password}})
	if k := rec.Result().Cookies()[0]; k.Name != "__Host-friday" || !k.Secure || k.Domain != "" || k.Path != "/" {
		t.Errorf("the cookie is %v", k)
	}
	if rec.Header().Get("Strict-Transport-Security") == "" {
		t.Error("no Strict-Transport-Security over https")
	}
	for _, bad := range []string{"os.example.org", "ftp://x", "://"} {
		if _, err := New(Options{DB: d, Train: &train.Train{DB: d}, BaseURL: bad}); err == nil {
			t.Errorf("base URL %q is taken", bad)
		}
	}
}

func TestOtherSitesCannotPost(t *testing.T) {
	w := whole(t, openSQLite(t))
	r := httptest.NewRequest(http.MethodPost, "/t/1/vote", strings.NewReader("on=yes"))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	r.Header.Set("Sec-Fetch-Site", "cross-site")
	if rec := w.send("ana", r); rec.Code != 403 {
		t.Errorf("a form of another site: %d, expected 403", rec.Code)
	}
}

func TestLimits(t *testing.T) {
	w := newWorld(t, openSQLite(t))
	w.people()
	last := 0
	for range 40 {
		last = w.post("", "/signin", url.Values{"name": {"ana"}, "password": {"guess"}}).Code
	}
	if last != 429 {
		t.Errorf("the fortieth guess: %d, expected 429", last)
	}
	for range 30 {
		last = w.post("ana", "/t/new", url.Values{"kind": {"talk"}, "title": {"x"}, "body": {"x"}}).Code
	}
	if last != 429 {
		t.Errorf("the thirtieth thread: %d, expected 429", last)
	}
	for range 30 {
		last = w.post("", "/register", url.Values{"name": {"x"}, "password": {"x"}}).Code
	}
	if last != 429 {
		t.Errorf("the thirtieth registration: %d, expected 429", last)
	}
	fresh(w)
	if got := w.post("ana", "/t/new", url.Values{"body": {strings.Repeat("x", page.MaxBody+1)}}).Code; got != 413 {
		t.Errorf("a body that is too large: %d, expected 413", got)
	}
}

func TestAddress(t *testing.T) {
	s := &page.Site{Options: Options{TrustedProxies: []netip.Prefix{netip.MustParsePrefix("10.0.0.0/8")}}}
	for _, c := range []struct{ remote, forwarded, want string }{
		{"203.0.113.7:4000", "", "203.0.113.7"},
		{"203.0.113.7:4000", "198.51.100.1", "203.0.113.7"}, // not from a proxy of ours
		{"10.0.0.2:4000", "198.51.100.1", "198.51.100.1"},
		{"10.0.0.2:4000", "1.2.3.4, 198.51.100.1", "198.51.100.1"}, // the first was made up
		{"10.0.0.2:4000", "198.51.100.1, 10.0.0.3", "198.51.100.1"},
		{"10.0.0.2:4000", "nonsense", "10.0.0.2"},
	} {
		r := httptest.NewRequest("GET", "/", nil)
		r.RemoteAddr = c.remote
		if c.forwarded != "" {
			r.Header.Set("X-Forwarded-For", c.forwarded)
		}
		if got := (&page.Call{Site: s, R: r}).Address(); got != c.want {
			t.Errorf("from %s for %q: %s, expected %s", c.remote, c.forwarded, got, c.want)
		}
	}
}

func TestSafeNext(t *testing.T) {
	for next, want := range map[string]string{
		"/t/41": "/t/41", "/t?q=a": "/t?q=a", "": "/", "//evil.example": "/", "https://evil.example": "/", `/\evil.example`: "/",
		"/%2f/evil.example": "/", "javascript:alert(1)": "/", "t": "/", "/a\nb": "/", "///x": "/", "/\t/evil.example": "/",
	} {
		if got := page.SafeNext(next); got != want {
			t.Errorf("next %q leads to %q, expected %q", next, got, want)
		}
	}
}

func TestHeaders(t *testing.T) {
	w := whole(t, openSQLite(t))
	for _, path := range []string{"/", "/nothing", "/t/1", "/static/site.css", "/static/none"} {
		h := w.get("", path).Header()
		for name, want := range map[string]string{"Content-Security-Policy": "default-src 'none'", "X-Content-Type-Options": "nosniff", "Referrer-Policy": "same-origin", "X-Frame-Options": "DENY"} {
			if !strings.Contains(h.Get(name), want) {
				t.Errorf("%s: %s is %q", path, name, h.Get(name))
			}
		}
		if csp := h.Get("Content-Security-Policy"); strings.Contains(csp, "unsafe") || strings.Contains(csp, "*") {
			t.Errorf("%s: the policy is loose: %s", path, csp)
		}
	}
	if got := w.get("ana", "/me").Header().Get("Cache-Control"); got != "private, no-store" {
		t.Errorf("a member's page may be kept: %q", got)
	}
}

func TestAddresses(t *testing.T) {
	w := whole(t, openSQLite(t))
	for path, want := range map[string]string{
		"/t/1": "303 /t/1-camera-closes-at-5-zoom", "/t/1-old-title?x=1": "303 /t/1-camera-closes-at-5-zoom?x=1",
		"/t/01": "404 ", "/t/+1": "404 ", "/t/-1": "404 ", "/t/99999999999999999999": "404 ", "/t/x": "404 ", "/d/none": "404 ", "/r/none": "404 ",
		"/r/26.11.27%00": "404 ", "/m/nobody": "404 ", "/m/%00": "404 ", "/d/%00": "404 ", "/t?device=%00": "404 ", "/t?page=-5": "200 ", "/t?page=x&kind=rant&state=lost": "200 ",
		"/t?q=%25_%21%27%22": "200 ", "/T": "404 ", "/m/mo": "200 ",
	} {
		rec := w.get("", path)
		if got := fmt.Sprint(rec.Code, " ", rec.Header().Get("Location")); got != want {
			t.Errorf("%s: %q, expected %q", path, got, want)
		}
	}
	if got := page.ThreadPath(7, "日本語のタイトル: カメラ"); got != "/t/7-日本語のタイトル-カメラ" {
		t.Errorf("the path of a Japanese title is %q", got)
	}
}

func TestEmptySiteSaysHowToBegin(t *testing.T) {
	w := newWorld(t, openSQLite(t))
	w.at(11, 24, 9)
	for path, want := range map[string]string{"/": "Report the first thing", "/t": "No threads yet", "/d": "friday stock add", "/r": "friday train cut", "/train": "friday train cut"} {
		rec := w.get("", path)
		if rec.Code != 200 || !strings.Contains(rec.Body.String(), want) {
			t.Errorf("%s: %d, expected it to say %q", path, rec.Code, want)
		}
	}
	if page := w.get("", "/").Body.String(); !strings.Contains(page, "The train leaves Friday at 17:00") || !strings.Contains(page, `data-until="2026-11-27T17:00:00Z"`) {
		t.Error("home does not say when the train leaves")
	}
}

func TestAssets(t *testing.T) {
	w := newWorld(t, openSQLite(t))
	r := httptest.NewRequest(http.MethodGet, "/static/site.css", nil)
	r.Header.Set("Accept-Encoding", "gzip")
	rec := w.send("", r)
	z, err := gzip.NewReader(rec.Body)
	if err != nil {
		t.Fatal(err)
	}
	packed, err := io.ReadAll(z)
	if plain := w.get("", "/static/site.css").Body.String(); err != nil || string(packed) != plain || !strings.Contains(plain, "light-dark(") {
		t.Errorf("the compressed style sheet is another one: %v", err)
	}
	link := regexp.MustCompile(`/static/site\.css\?[0-9a-f]+`).FindString(w.get("", "/").Body.String())
	if got := w.get("", link).Header().Get("Cache-Control"); !strings.Contains(got, "immutable") {
		t.Errorf("%q is cached as %q, expected for good", link, got)
	}
}

// TestRoles: an administrator makes a member maintainer of a phone, and the last
// one cannot stop being one.
func TestRoles(t *testing.T) {
	w := whole(t, openSQLite(t))
	give := func(as, name string, form url.Values, want int) {
		t.Helper()
		fresh(w)
		if rec := w.post(as, "/m/"+name+"/roles", form); rec.Code != want {
			t.Errorf("%s gives %s %v: %d, expected %d", as, name, form, rec.Code, want)
		}
	}
	has := func(name string) (m member.Member) {
		t.Helper()
		w.write(func(tx *db.Tx) (err error) { m, err = member.ByName(tx, name); return err })
		return m
	}
	give("ada", "ana", url.Values{"role": {"tester", "king"}, "device": {"umi"}}, 303)
	if m := has("ana"); !m.Maintains("umi") || m.Maintains("hlte") || !m.Is(member.Tester) || m.Is(member.Admin) {
		t.Errorf("ana has the roles %v of %v", m.Roles, m.Devices)
	}
	if page := w.get("ada", "/m/ana").Body.String(); !strings.Contains(page, `value="umi" checked`) {
		t.Error("ana's page does not show what she maintains")
	}
	if page := w.get("mo", "/m/ana").Body.String(); strings.Contains(page, "/roles") {
		t.Error("a maintainer is shown the form for roles")
	}
	give("ada", "ana", url.Values{"device": {"nokia"}}, 422)
	give("ada", "ada", url.Values{}, 422)
	give("ada", "nobody", url.Values{}, 404)
	give("ada", "ana", url.Values{}, 303)
	if has("ana").Maintains("umi") {
		t.Error("ana still maintains umi")
	}
}
