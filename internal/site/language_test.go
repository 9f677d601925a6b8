package site

import (
	"context"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/chromedp"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/feedback"
)

// A language that a member chose goes with the account, whatever a browser asks
// for; a guest's is in a cookie.
func TestLanguageOfTheAccount(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := newWorld(t, d)
		w.people()
		speaks := func(as, accept, cookie, want string) {
			t.Helper()
			r := httptest.NewRequest(http.MethodGet, "/", nil)
			r.Header.Set("Accept-Language", accept)
			if cookie != "" {
				r.AddCookie(&http.Cookie{Name: "friday-language", Value: cookie})
			}
			if got := w.send(as, r).Header().Get("Content-Language"); got != want {
				t.Errorf("%q with %q and cookie %q is answered in %s, expected %s", as, accept, cookie, got, want)
			}
		}
		speaks("ana", "es", "", "es")
		speaks("ana", "es", "hi", "hi")
		rec := w.post("ana", "/language", url.Values{"lang": {"zh"}, "next": {"/t"}})
		if rec.Code != 303 || where(rec) != "/t" {
			t.Fatalf("choosing: %d to %q", rec.Code, where(rec))
		}
		speaks("ana", "es", "", "zh")
		speaks("ana", "es", "hi", "zh") // another browser's cookie is older
		speaks("ben", "es", "", "es")
		speaks("", "es", "hi", "hi")
		if rec := w.post("ana", "/language", url.Values{"lang": {"xx"}}); rec.Code != 404 {
			t.Errorf("a language that is not there: %d", rec.Code)
		}
		if rec := w.post("", "/language", url.Values{"lang": {"es"}}); rec.Code != 303 || !strings.Contains(rec.Header().Get("Set-Cookie"), "friday-language=es") {
			t.Errorf("a guest chooses: %d, %q", rec.Code, rec.Header().Get("Set-Cookie"))
		}
	})
}

// A thread's language is what its author says, else what it reads like; lists mark
// it for readers of others, and find it.
func TestLanguageOfThreads(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		w := whole(t, d)
		w.regulars("rea")
		file := func(lang, title, body string) string {
			t.Helper()
			fresh(w)
			rec := w.post("rea", "/t/new", url.Values{"kind": {"talk"}, "title": {title}, "body": {body}, "lang": {lang}})
			if rec.Code != 303 {
				t.Fatalf("filing %q: %d %s", title, rec.Code, rec.Body)
			}
			return strings.Split(where(rec), "?")[0]
		}
		spanish := file("", "La cámara va mejor", "Gracias, la cámara no se cierra y el zoom va muy bien en mi teléfono.")
		said := file("fr", "Zoom", "Zoom zoom.")
		arabic := file("ar", "تتوقف الكاميرا", "تتوقف الكاميرا عن العمل عند التكبير.")
		for path, want := range map[string]string{spanish: `<h1 lang="es" dir="auto">`, said: `<h1 lang="fr" dir="auto">`, arabic: `<h1 lang="ar" dir="auto">`} {
			if page := w.get("", path).Body.String(); !strings.Contains(page, want) {
				t.Errorf("%s lacks %s", path, want)
			}
		}
		if page := w.get("", spanish).Body.String(); !strings.Contains(page, `<div class="prose" lang="es" dir="auto">`) {
			t.Error("a Spanish post does not say so")
		}
		if page := w.get("", said).Body.String(); !strings.Contains(page, `<div class="prose" lang="fr" dir="auto">`) {
			t.Error("a post that reads like nothing is not in its thread's language")
		}
		list := func(lang, query string) string {
			return w.in(lang, "", "GET", "/t?"+query, nil).Body.String()
		}
		if page := list("en", ""); !strings.Contains(page, `<span class="chip" lang="es">Español</span>`) || !strings.Contains(page, `lang="ar">العربية</span>`) || strings.Contains(page, ">English</span>") {
			t.Error("the English list does not mark other languages, or marks its own")
		}
		if page := list("es", ""); strings.Contains(page, ">Español</span>") || !strings.Contains(page, `<span class="chip" lang="en">English</span>`) {
			t.Error("the Spanish list marks its own language, or not English")
		}
		if page := list("en", "q=lang:es"); !strings.Contains(page, "La cámara va mejor") || strings.Contains(page, "تتوقف") {
			t.Error("lang:es finds other than Spanish threads")
		}
		w.write(func(tx *db.Tx) error {
			_, err := feedback.New(tx, feedback.NewThread{Kind: feedback.Talk, Title: "Qué buena onda", Body: "x", Lang: "es-MX", AuthorID: w.ids["rea"]})
			return err
		})
		if page := list("en", "q=lang:es"); !strings.Contains(page, "Qué buena onda") || !strings.Contains(page, "La cámara va mejor") {
			t.Error("lang:es does not find es-MX")
		}
		if page := list("en", "q=-lang:es"); strings.Contains(page, "Qué buena onda") || !strings.Contains(page, "تتوقف") {
			t.Error("-lang:es does not find the others")
		}
		if rec := w.post("rea", "/t/new", url.Values{"kind": {"talk"}, "title": {"x"}, "body": {"x"}, "lang": {"<b>"}}); rec.Code != 422 {
			t.Errorf("what is no language: %d", rec.Code)
		}
	})
}

// TestBrowserRightToLeft turns pages around, as for a language that runs from right
// to left: nothing scrolls sideways, and the page's own order is turned.
func TestBrowserRightToLeft(t *testing.T) {
	browser := startBrowser(t)
	w := whole(t, openSQLite(t))
	names := strings.NewReplacer("{first}", w.firstPost(w.longThread(60, 12)), "{first1}", w.firstPost(1), "{second}", w.post2(1), "{edited}", w.edited(6), "{question}", w.question(), "{private}", w.private("ana", "mo"))
	w.moderated()
	srv := httptest.NewServer(w.handler)
	defer srv.Close()
	for _, width := range []int64{320, 1280} {
		tab, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
		defer cancel()
		v := &visit{}
		openTab(t, tab, v, width, "light")
		ctx, cancel := context.WithTimeout(tab, 240*time.Second)
		defer cancel()
		for _, p := range browserPages {
			path := names.Replace(p.path)
			if !strings.HasPrefix(path, "/") || strings.Contains(path, "{") { // it needs more than this test makes
				continue
			}
			callCDP(t, ctx, network.ClearBrowserCookies, cdp.Empty{})
			if p.as != "" {
				callCDP(t, ctx, network.SetCookie, network.SetCookieParams{Name: "friday", Value: w.tokens[p.as], URL: srv.URL})
			}
			if err := chromedp.Do(ctx, chromedp.Navigate(srv.URL+path)); err != nil {
				t.Fatal(err)
			}
			found, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](`(() => {
  const w = document.documentElement, out = [], h = document.querySelector("h1");
  const from = h.getBoundingClientRect().left - innerWidth / 2;
  w.dir = "rtl";
  if (w.scrollWidth > innerWidth) {
    const wide = [...document.querySelectorAll("body *")].filter(e => { const b = e.getBoundingClientRect(); return b.width > 0 && (b.left < -1 || b.right > innerWidth + 1) && !e.closest(".sr, .skip"); }).map(e => e.tagName + "." + (e.className.baseVal ?? e.className));
    out.push("it scrolls sideways: " + w.scrollWidth + " of " + innerWidth + " px; " + wide.slice(0, 6).join(", "));
  }
  const brand = document.querySelector(".brand").getBoundingClientRect();
  if (innerWidth > 700 && brand.left < innerWidth / 2) out.push("the brand stays on the left: " + brand.left);
  const style = getComputedStyle(h);
  if (style.direction !== "rtl" && h.dir !== "auto") out.push("the heading runs " + style.direction);
  return out;
})()`))
			if err != nil {
				t.Fatal(err)
			}
			for _, problem := range found {
				t.Errorf("%s at %d px from right to left: %s", p.name, width, problem)
			}
		}
	}
}
