package site

import (
	"bytes"
	"errors"
	"fmt"
	"mime/multipart"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/keys"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/notice"
	"github.com/fridayos/friday/internal/notice/noticetest"
	"github.com/fridayos/friday/internal/outward"
	"github.com/fridayos/friday/internal/webhook"
)

// told sweeps the log from its start, so that all that ever happened is told.
func (w *world) told() {
	w.t.Helper()
	w.write(func(tx *db.Tx) error {
		_, err := tx.Exec("INSERT INTO notice_cursor (one, after) VALUES (1, 0) ON CONFLICT (one) DO NOTHING")
		for n := 1; n > 0 && err == nil; {
			n, err = notice.Sweep(tx)
		}
		return err
	})
}

func (w *world) unread(name string) (n int) {
	w.t.Helper()
	w.write(func(tx *db.Tx) (err error) { n, err = notice.Unread(tx, w.ids[name]); return err })
	return n
}

// reaching is a world with what stops letters, pushes and hooks.
func reaching(t *testing.T, d *db.DB) (*world, *notice.Teller, *noticetest.Service) {
	w := newWorld(t, d)
	w.at(11, 20, 9)
	w.people()
	w.devices()
	tickets, err := keys.OpenTicket(filepath.Join(t.TempDir(), "ticket.key"))
	w.must(err)
	key, err := keys.OpenPush(filepath.Join(t.TempDir(), "push.key"))
	w.must(err)
	service := noticetest.Start(t)
	teller := &notice.Teller{DB: d, Tickets: tickets, Push: notice.NewPushKey(key), Policy: service.Policy(), BaseURL: "http://127.0.0.1", Name: "Friday"}
	w.handler, err = New(Options{DB: d, Train: w.train, BaseURL: "http://127.0.0.1", Passwords: cheap, Mail: true, Tickets: tickets, PushKey: teller.Push.Public, Outward: service.Policy()})
	w.must(err)
	return w, teller, service
}

var bell = regexp.MustCompile(`class="badge" aria-hidden="true">(\d+)<`)

func TestNoticesAreListedAndRead(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w, _, _ := reaching(t, d)
		w.told()
		var th feedback.Thread
		w.write(func(tx *db.Tx) (err error) {
			th, err = feedback.New(tx, feedback.NewThread{Kind: feedback.Talk, Title: "On <b>bold</b> plans", Body: "What about it?", AuthorID: w.ids["ana"]})
			return err
		})
		for i := range 35 {
			w.write(func(tx *db.Tx) error {
				_, err := feedback.Reply(tx, feedback.Viewer{Member: w.ids["ben"]}, th.ID, fmt.Sprint("Reply ", i))
				return err
			})
		}
		w.told()
		first := w.get("ana", "/notices").Body.String()
		if got := strings.Count(first, "ben wrote in “On &lt;b&gt;bold&lt;/b&gt; plans”."); got != 30 || !strings.Contains(first, "/notices?before=") || !strings.Contains(first, ">35<") {
			t.Errorf("the first page has %d notices", got)
		}
		older := regexp.MustCompile(`/notices\?before=\d+`).FindString(first)
		if got := strings.Count(w.get("ana", older).Body.String(), "ben wrote in"); got != 5 {
			t.Errorf("the second page has %d notices", got)
		}
		if page := w.get("ben", "/notices").Body.String(); strings.Contains(page, "bold") || !strings.Contains(page, "Nothing yet") {
			t.Error("ben is told of himself, or the empty list does not say how to begin")
		}
		// One is read by its button, and not by another member.
		id := regexp.MustCompile(`name="notice" value="(\d+)"`).FindStringSubmatch(first)[1]
		for _, c := range []struct {
			as   string
			want int
		}{{"ben", 35}, {"ana", 34}} {
			fresh(w)
			if rec := w.post(c.as, "/notices/read", url.Values{"notice": {id}}); rec.Code != http.StatusSeeOther || w.unread("ana") != c.want {
				t.Errorf("%s marks ana's notice: %d, %d unread, expected %d", c.as, rec.Code, w.unread("ana"), c.want)
			}
		}
		for _, bad := range []string{"", "x", "-1", "0"} {
			if rec := w.post("ana", "/notices/read", url.Values{"notice": {bad}}); rec.Code != http.StatusNotFound {
				t.Errorf("marking %q: %d", bad, rec.Code)
			}
		}
		// A picture's address, a prefetch and another's look read nothing; the page does.
		at := w.get("ben", fmt.Sprintf("/t/%d", th.ID)).Header().Get("Location")
		look := func(header http.Header) {
			r := httptest.NewRequest(http.MethodGet, at, nil)
			r.Header = header
			if rec := w.send("ana", r); rec.Code != http.StatusOK {
				t.Errorf("the thread: %d", rec.Code)
			}
		}
		look(http.Header{"Sec-Fetch-Dest": {"image"}})
		look(http.Header{"Sec-Fetch-Dest": {"document"}, "Sec-Purpose": {"prefetch"}})
		if w.unread("ana") != 34 {
			t.Error("what nobody looked at is read")
		}
		look(http.Header{"Sec-Fetch-Dest": {"document"}})
		if w.unread("ana") != 0 || bell.MatchString(w.get("ana", "/").Body.String()) {
			t.Errorf("after reading the thread %d are unread", w.unread("ana"))
		}
		w.write(func(tx *db.Tx) error { // muted: silent
			_, err := feedback.Reply(tx, feedback.Viewer{Member: w.ids["li"]}, th.ID, "More, @ana.")
			return err
		})
		w.told()
		if got := bell.FindStringSubmatch(w.get("ana", "/").Body.String()); got == nil || got[1] != "1" {
			t.Errorf("the bell says %v", got)
		}
		w.post("ana", "/notices/read", url.Values{"notice": {"all"}})
		if w.unread("ana") != 0 {
			t.Error("all are not read")
		}
		w.post("ana", fmt.Sprintf("/t/%d/mute", th.ID), url.Values{"on": {"yes"}})
		w.write(func(tx *db.Tx) error {
			_, err := feedback.Reply(tx, feedback.Viewer{Member: w.ids["li"]}, th.ID, "And more, @ana.")
			return err
		})
		w.told()
		if w.unread("ana") != 0 {
			t.Error("a muted thread is heard")
		}
		w.post("ana", fmt.Sprintf("/t/%d/watch", th.ID), url.Values{"on": {"yes"}})
		w.write(func(tx *db.Tx) error {
			_, err := feedback.Reply(tx, feedback.Viewer{Member: w.ids["li"]}, th.ID, "Back again.")
			return err
		})
		w.told()
		if w.unread("ana") != 1 {
			t.Error("a thread that is watched again is silent")
		}
	})
}

func TestWishesAndBrowsers(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w, teller, service := reaching(t, d)
		page := w.get("ana", "/notices/settings").Body.String()
		for _, k := range notice.Kinds() {
			for _, way := range notice.Channels() {
				box := fmt.Sprintf(`value="%s.%s"`, k, way)
				if usual := notice.Usual()[k][way]; strings.Contains(page, box+" checked") != usual || !strings.Contains(page, box) {
					t.Errorf("%s is not offered as it usually is", box)
				}
			}
		}
		if !strings.Contains(page, `data-push="`+teller.Push.Public+`"`) {
			t.Error("the page does not name the key")
		}
		if rec := w.post("ana", "/notices/settings", url.Values{"wish": {"ask.site", "ask.push", "digest.site", "nothing.at", "all"}}); rec.Code != http.StatusSeeOther {
			t.Fatalf("saving: %d", rec.Code)
		}
		w.write(func(tx *db.Tx) error {
			wishes, err := notice.WishesOf(tx, w.ids["ana"])
			for _, k := range notice.Kinds() {
				for _, way := range notice.Channels() {
					want := k == notice.Ask && way != notice.Mail || k == notice.Digest && way == notice.Site
					if wishes[k][way] != want {
						t.Errorf("ana wants %s by %s: %v", k, way, wishes[k][way])
					}
				}
			}
			return err
		})
		for _, bad := range []string{"", "{}", "[]", "x", `{"endpoint":"https://127.0.0.1:1/x","keys":{"p256dh":"AA","auth":"AA"}}`, strings.Replace(service.Subscription(), "https", "http", 1)} {
			fresh(w)
			if rec := w.post("ana", "/notices/push", url.Values{"subscription": {bad}}); rec.Code != http.StatusUnprocessableEntity {
				t.Errorf("the subscription %.40q: %d", bad, rec.Code)
			}
		}
		if rec := w.post("ana", "/notices/push", url.Values{"subscription": {service.Subscription()}}); rec.Code != http.StatusSeeOther {
			t.Fatalf("subscribing: %d %s", rec.Code, rec.Body)
		}
		page = w.get("ana", "/notices/settings").Body.String()
		id := regexp.MustCompile(`name="browser" value="(\d+)"`).FindStringSubmatch(page)
		if id == nil || strings.Contains(page, "/push/secret") {
			t.Fatal("the browser is not listed, or its secret address is")
		}
		w.post("ben", "/notices/push/remove", url.Values{"browser": {id[1]}})
		if !strings.Contains(w.get("ana", "/notices/settings").Body.String(), id[1]) {
			t.Error("ben removes ana's browser")
		}
		w.post("ana", "/notices/push/remove", url.Values{"browser": {id[1]}})
		if strings.Contains(w.get("ana", "/notices/settings").Body.String(), id[1]) {
			t.Error("the browser is still there")
		}
		rec := w.get("", "/sw.js")
		if rec.Header().Get("Content-Type") != "text/javascript; charset=utf-8" || !strings.Contains(rec.Body.String(), `addEventListener("push"`) || !strings.Contains(rec.Header().Get("Content-Security-Policy"), "default-src 'none'") {
			t.Errorf("the worker is served with %v", rec.Header())
		}
	})
}

// TestOneClick: RFC 8058, as mail providers do it: a POST without a cookie,
// without the headers of a browser, in either form; looking alone stops nothing.
func TestOneClick(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w, teller, _ := reaching(t, d)
		wants := func(name string) (all, week bool) {
			w.write(func(tx *db.Tx) error {
				wishes, err := notice.WishesOf(tx, w.ids[name])
				all, week = wishes[notice.Reply][notice.Mail], wishes[notice.Digest][notice.Mail]
				return err
			})
			return all, week
		}
		send := func(path, kind, body string) *httptest.ResponseRecorder {
			r := httptest.NewRequest(http.MethodPost, path, strings.NewReader(body))
			r.Header.Set("Content-Type", kind)
			return w.send("", r)
		}
		path := func(s notice.Stopping) string { return strings.TrimPrefix(teller.StopURL(s), "http://127.0.0.1") }
		week := path(notice.Stopping{Member: w.ids["ana"], Digest: true})
		if rec := w.get("", week); rec.Code != 200 || !strings.Contains(rec.Body.String(), "The letter of the week") && !strings.Contains(rec.Body.String(), "the letter of the week") {
			t.Errorf("looking: %d", rec.Code)
		}
		if all, week := wants("ana"); !all || !week {
			t.Error("looking stops letters")
		}
		if rec := send(week, "application/x-www-form-urlencoded", "List-Unsubscribe=One-Click"); rec.Code != 200 {
			t.Errorf("one click: %d", rec.Code)
		}
		if all, week := wants("ana"); !all || week {
			t.Errorf("after stopping the week ana wants letters: %v, the week: %v", all, week)
		}
		var form bytes.Buffer
		m := multipart.NewWriter(&form)
		w.must(errors.Join(m.WriteField("List-Unsubscribe", "One-Click"), m.Close()))
		if rec := send(path(notice.Stopping{Member: w.ids["ben"]}), m.FormDataContentType(), form.String()); rec.Code != 200 {
			t.Errorf("one click as multipart: %d", rec.Code)
		}
		if all, week := wants("ben"); all || week {
			t.Error("ben is still written to")
		}
		for _, bad := range []string{"/notices/stop", "/notices/stop?s=", "/notices/stop?s=x", week[:len(week)-1], week + "A"} {
			if a, b := w.get("", bad), send(bad, "application/x-www-form-urlencoded", "List-Unsubscribe=One-Click"); a.Code != 404 || b.Code != 404 {
				t.Errorf("%s: %d, %d", bad, a.Code, b.Code)
			}
		}
		if all, _ := wants("li"); !all {
			t.Error("li, who asked for nothing, is stopped")
		}
	})
}

// TestLettersFollowWhatIsRead: the language of letters is that of the pages.
func TestLettersFollowWhatIsRead(t *testing.T) {
	w, _, _ := reaching(t, openSQLite(t))
	lang := func() (lang string) {
		w.write(func(tx *db.Tx) (err error) { lang, err = member.Language(tx, w.ids["ana"]); return err })
		return lang
	}
	r := httptest.NewRequest(http.MethodPost, "/signin", strings.NewReader(url.Values{"name": {"ana"}, "password": {password}}.Encode()))
	r.Header = http.Header{"Content-Type": {"application/x-www-form-urlencoded"}, "Accept-Language": {"hi-IN,hi;q=0.9"}}
	if w.send("", r); lang() != "hi" {
		t.Errorf("after signing in in Hindi: %q", lang())
	}
	if w.post("ana", "/language", url.Values{"lang": {"zh"}}); lang() != "zh" {
		t.Errorf("after choosing Chinese: %q", lang())
	}
}

func TestHooksOfAdministrators(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w, _, _ := reaching(t, d)
		status := 204
		receiver := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, _ *http.Request) { rw.WriteHeader(status) }))
		defer receiver.Close()
		at := netip.MustParseAddrPort(receiver.Listener.Addr().String())
		policy := outward.Policy{Ports: []uint16{at.Port()}, PlainHTTP: true, Inside: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}
		w.handler.(*server).core.Outward = policy
		post := func(path string, form url.Values) *httptest.ResponseRecorder {
			fresh(w)
			return w.post("ada", path, form)
		}
		for field, bad := range map[string]url.Values{
			"url": {"url": {"https://192.168.0.1/"}}, "kinds": {"url": {receiver.URL}, "kind": {"thread.asked"}}, "note": {"url": {receiver.URL}, "note": {strings.Repeat("x", 201)}},
		} {
			if rec := post("/hooks", bad); rec.Code != 422 || !strings.Contains(rec.Body.String(), `role="alert"`) {
				t.Errorf("a wrong %s: %d", field, rec.Code)
			}
		}
		if rec := post("/hooks", url.Values{"url": {receiver.URL}, "device": {"nothing"}}); rec.Code != 404 && rec.Code != 422 {
			t.Errorf("a phone that there is not: %d", rec.Code)
		}
		secrets := regexp.MustCompile(`whsec_[A-Za-z0-9+/=]+`)
		rec := post("/hooks", url.Values{"url": {receiver.URL + "/key-in-the-path"}, "kind": {"thread.filed"}, "device": {"umi"}, "note": {"The <chat>"}})
		secret := secrets.FindString(rec.Body.String())
		if rec.Code != 200 || secret == "" || rec.Header().Get("Cache-Control") != "private, no-store" {
			t.Fatalf("adding: %d %v", rec.Code, rec.Header())
		}
		if list := w.get("ada", "/hooks").Body.String(); strings.Contains(list, "whsec_") || strings.Contains(list, "key-in-the-path") || !strings.Contains(list, "The &lt;chat&gt;") {
			t.Error("the list shows a secret, or not the note")
		}
		var h webhook.Hook
		w.write(func(tx *db.Tx) error {
			all, err := webhook.List(tx)
			if err == nil {
				h = all[0]
			}
			return err
		})
		own := fmt.Sprintf("/hooks/%d", h.ID)
		if rec := post(own+"/roll", nil); secrets.FindString(rec.Body.String()) == secret || secrets.FindString(rec.Body.String()) == "" {
			t.Error("no new secret is shown")
		}
		if strings.Contains(w.get("ada", own).Body.String(), "whsec_") {
			t.Error("the secret is shown again")
		}
		if rec := post(own+"/ping", nil); rec.Header().Get("Location") != own+"?done=pinged" {
			t.Errorf("a test: %d to %s", rec.Code, rec.Header().Get("Location"))
		}
		page := w.get("ada", own).Body.String()
		delivery := regexp.MustCompile(own + `/deliveries/\d+`).FindString(page)
		if delivery == "" || !strings.Contains(page, "On its way") {
			t.Fatal("the test is not in the log")
		}
		if page := w.get("ada", delivery).Body.String(); !strings.Contains(page, "&#34;ping&#34;") {
			t.Error("the delivery does not show what was sent")
		}
		other := strings.Replace(delivery, fmt.Sprint(h.ID), fmt.Sprint(h.ID+1), 1)
		if a, b := w.get("ada", other).Code, post(other+"/again", nil).Code; a != 404 || b != 404 {
			t.Errorf("a delivery of another hook: %d, %d", a, b)
		}
		if rec := post(delivery+"/again", nil); rec.Header().Get("Location") != delivery+"?done=again" {
			t.Errorf("again: %d to %s", rec.Code, rec.Header().Get("Location"))
		}
		post(own+"/disable", nil)
		if page := w.get("ada", own).Body.String(); !strings.Contains(page, "Switched off") || !strings.Contains(page, "by ada") || strings.Contains(page, own+"/ping") {
			t.Error("the page does not say that it is off, and by whom")
		}
		post(own+"/enable", nil)
		if page := w.get("ada", own).Body.String(); !strings.Contains(page, "In use") {
			t.Error("it is not on again")
		}
		post(own+"/remove", nil)
		if rec := w.get("ada", own); rec.Code != 404 {
			t.Errorf("after removing it: %d", rec.Code)
		}
		for _, bad := range []string{"/hooks/x", "/hooks/0", "/hooks/99999999999999999999"} {
			if a, b := w.get("ada", bad).Code, post(bad+"/ping", nil).Code; a != 404 || b != 404 {
				t.Errorf("%s: %d, %d", bad, a, b)
			}
		}
	})
}

// reached gives a whole world what telling needs, and things that were told: it
// returns the addresses of a hook, of a delivery that failed, and of a letter's end.
func (w *world) reached() (hook, delivery, stop string) {
	w.t.Helper()
	tickets, err := keys.OpenTicket(filepath.Join(w.t.TempDir(), "ticket.key"))
	w.must(err)
	key, err := keys.OpenPush(filepath.Join(w.t.TempDir(), "push.key"))
	w.must(err)
	teller := &notice.Teller{DB: w.d, Tickets: tickets, Push: notice.NewPushKey(key)}
	core := w.handler.(*server).core
	core.Tickets, core.PushKey, core.Mail = tickets, teller.Push.Public, true
	w.told()
	w.write(func(tx *db.Tx) error {
		h, _, err := webhook.Add(tx, outward.Policy{}, member.Member{ID: w.ids["ada"], Name: "ada"}, webhook.NewHook{URL: "https://hooks.example.org/friday", Kinds: []string{"thread.filed", "thread.released"}, Device: "umi", Note: "The team's chat"})
		if err != nil {
			return err
		}
		hook = fmt.Sprintf("/hooks/%d", h.ID)
		off, _, err := webhook.Add(tx, outward.Policy{}, member.Member{ID: w.ids["ada"], Name: "ada"}, webhook.NewHook{URL: "https://other.example.org/"})
		if err != nil {
			return err
		}
		if err := webhook.Disable(tx, member.Member{ID: w.ids["ada"], Name: "ada"}, off.ID); err != nil {
			return err
		}
		for range 4 {
			if err := webhook.Ping(tx, h.ID); err != nil {
				return err
			}
		}
		all, err := webhook.Deliveries(tx, h.ID, 0, 0)
		if err != nil {
			return err
		}
		delivery = fmt.Sprintf("%s/deliveries/%d", hook, all[1].ID)
		for i, state := range [][]any{
			{1, 204, "", 120_000, w.now, 0, w.now}, {2, 500, "500 Internal Server Error said so", 80_000, w.now, w.now.Add(5 * time.Minute), 0}, {9, 0, "no answer within 15 s", 15_000_000, w.now, 0, 0},
		} {
			if _, err := tx.Exec("UPDATE webhook_deliveries SET attempts = $2, status = $3, error = $4, took = $5, tried_at = $6, next_at = $7, done_at = $8 WHERE id = $1", append([]any{all[i].ID}, state...)...); err != nil {
				return err
			}
		}
		if _, err := tx.Exec("INSERT INTO push_browsers (id, member_id, endpoint, p256dh, auth, created_at) VALUES (1, $1, 'https://push.example.org/x', '', '', $2)", w.ids["ana"], w.now); err != nil {
			return err
		}
		return notice.Tell(tx, w.ids["ana"], notice.Word{What: "webhook-disabled", Subject: "hooks.example.org", Place: hook, Key: "1"})
	})
	return hook, delivery, strings.TrimPrefix(teller.StopURL(notice.Stopping{Member: w.ids["ana"], Digest: true}), "http://127.0.0.1")
}
