package site

import (
	"context"
	"fmt"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/browser"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/serviceworker"
	"github.com/chromedp/chromedp"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/notice"
)

// TestBrowserPush: in Chromium, under the pages' own policy, the button subscribes
// by the page's form, and the worker shows what is pushed. No push service is at
// hand: what one would give the browser stands in for it, and DevTools deliver.
func TestBrowserPush(t *testing.T) {
	chrome := startBrowser(t)
	w, _, service := reaching(t, openSQLite(t))
	srv := httptest.NewServer(w.handler)
	defer srv.Close()
	v := &visit{}
	tab, cancel := context.WithTimeout(chrome, 3*time.Minute)
	defer cancel()
	openTab(t, tab, v, 1280, "light")
	var mu sync.Mutex
	var id serviceworker.RegistrationID
	if err := chromedp.Listen(tab, func(ev any) {
		if e, ok := ev.(*serviceworker.EventWorkerRegistrationUpdated); ok {
			mu.Lock()
			defer mu.Unlock()
			for _, r := range e.Registrations {
				if strings.HasPrefix(r.ScopeURL, srv.URL) && !r.IsDeleted {
					id = r.RegistrationID
				}
			}
		}
	}); err != nil {
		t.Fatal(err)
	}
	callCDP(t, tab, serviceworker.Enable, cdp.Empty{})
	callCDP(t, tab, browser.SetPermission, browser.SetPermissionParams{Permission: &browser.PermissionDescriptor{Name: "notifications"}, Setting: browser.PermissionSettingGranted, Origin: srv.URL})
	callCDP(t, tab, network.SetCookie, network.SetCookieParams{Name: "friday", Value: w.tokens["ana"], URL: srv.URL})
	if err := chromedp.Do(tab, chromedp.Navigate(srv.URL+"/notices/settings")); err != nil {
		t.Fatal(err)
	}
	ask := func(script string) string {
		t.Helper()
		out, err := chromedp.Run(tab, chromedp.Evaluate[string](script, chromedp.EvalAwaitPromise))
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if got := ask(`[document.querySelector("form[data-push]").hidden, document.querySelector("[data-without]").hidden].join()`); got != "false,true" {
		t.Errorf("form and its stand-in are hidden: %s", got)
	}
	// The browser refuses: the page says so.
	ask(`PushManager.prototype.subscribe = () => Promise.reject(new Error("no")); document.querySelector("form[data-push] button").click(); ""`)
	said := func() string {
		return ask(`new Promise(r => { const look = () => document.querySelector("[data-failed]").hidden ? setTimeout(look, 50) : r("said"); look(); })`)
	}
	if said() != "said" {
		t.Error("the page does not say that the browser refused")
	}
	// It agrees, with the server's key.
	ask(fmt.Sprintf(`PushManager.prototype.subscribe = function (o) {
		const key = btoa(String.fromCharCode(...new Uint8Array(o.applicationServerKey))).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
		if (!o.userVisibleOnly || key !== document.querySelector("form[data-push]").dataset.push) return Promise.reject(new Error("another key"));
		return Promise.resolve(%s);
	}; document.querySelector("form[data-push] button").click(); ""`, service.Subscription()))
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(100 * time.Millisecond) {
		var all []notice.Subscribed
		w.write(func(tx *db.Tx) (err error) { all, err = notice.Browsers(tx, w.ids["ana"]); return err })
		if len(all) == 1 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("the browser is not subscribed: %v", all)
		}
	}
	if err := chromedp.Do(tab, chromedp.Navigate(srv.URL+"/notices/settings?done=pushed")); err != nil {
		t.Fatal(err)
	}
	// A push is shown, by a worker whose scope is the site.
	if scope := ask(`navigator.serviceWorker.ready.then(r => r.scope)`); scope != srv.URL+"/" {
		t.Errorf("the worker's scope is %s", scope)
	}
	mu.Lock()
	at := id
	mu.Unlock()
	callCDP(t, tab, serviceworker.DeliverPushMessage, serviceworker.DeliverPushMessageParams{Origin: srv.URL, RegistrationID: at,
		Data: `{"title":"Ember","body":"ben wrote in “Zoom”.","lang":"en","url":"` + srv.URL + `/p/7","tag":"41"}`})
	shown := ask(`new Promise(r => { const look = async () => {
		const all = await (await navigator.serviceWorker.ready).getNotifications();
		all.length ? r(all.map(n => [n.title, n.body, n.lang, n.tag, n.data].join("|")).join("\n")) : setTimeout(look, 50);
	}; look(); })`)
	if shown != "Ember|ben wrote in “Zoom”.|en|41|"+srv.URL+"/p/7" {
		t.Errorf("shown is %q", shown)
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, problem := range v.problems {
		t.Error(problem)
	}
}
