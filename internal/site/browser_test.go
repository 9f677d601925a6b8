package site

import (
	"context"
	"fmt"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	cdplog "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	cdpruntime "github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/reputation"
)

// What a page may weigh and ask for, cold.
const (
	mostBytes    = 60_000
	mostRequests = 6
)

// browserPages is every page, and who looks at it.
var browserPages = []struct{ name, as, path string }{
	{"home", "", "/"},
	{"home-asked", "ana", "/"},
	{"threads", "", "/t"},
	{"threads-none", "", "/t?q=nothing+like+it"},
	{"thread", "", "/t/1-camera-closes-at-5-zoom"},
	{"thread-member", "ana", "/t/1-camera-closes-at-5-zoom"},
	{"thread-maintainer", "mo", "/t/2-battery-loses-a-fifth-overnight-in-flight-mode"},
	{"thread-declined", "li", "/t/4-record-calls-without-telling-the-other-side"},
	{"thread-confirmed", "", "/t/7-left-speaker-crackles-at-low-volume"},
	{"thread-long", "ana", "/t/8-the-camera-closes-when-the-zoom-is-past-five-on-a"},
	{"thread-long-last", "", "/t/8-the-camera-closes-when-the-zoom-is-past-five-on-a?page=3"},
	{"way", "", "/t/8/way"},
	{"post-whole", "", "/p/{first}/whole"},
	{"post-edit", "ana", "/p/{first1}/edit"},
	{"post-history", "", "/p/{edited}/history"},
	{"polls", "li", "/t/6/polls"},
	{"polls-guest", "", "/t/6/polls"},
	{"tools", "kim", "/t/2/tools"},
	{"thread-question", "ana", "{question}"},
	{"thread-quote", "ben", "/t/1-camera-closes-at-5-zoom?quote={second}"},
	{"thread-private", "mo", "/t/{private}"},
	{"objections", "mo", "/objections"},
	{"duplicates", "kim", "/duplicates"},
	{"new", "ana", "/t/new"},
	{"send", "ana", "/report"},
	{"report", "ana", "{report}"},
	{"crash", "", "{crash}"},
	{"days", "", "/days"},
	{"days-phone", "", "/days?device=umi"},
	{"devices", "", "/d"},
	{"device", "", "/d/umi"},
	{"releases", "", "/r"},
	{"release", "", "/r/26.11.27"},
	{"rollout", "", "/r/26.11.27/umi/weekly"},
	{"rollout-halted", "ada", "/r/26.11.27/lt26i/weekly"},
	{"rollout-split", "", "{split}"},
	{"train", "", "/train"},
	{"train-admin", "ada", "/train"},
	{"member", "", "/m/mo"},
	{"member-roles", "ada", "/m/mo"},
	{"me", "ana", "/me"},
	{"privacy", "ana", "/privacy"},
	{"trust", "ana", "/trust"},
	{"trust-guest", "", "/trust"},
	{"member-medals", "ana", "/m/ana"},
	{"ring", "ana", "/ring"},
	{"ring-guest", "", "/ring"},
	{"ring-quiz", "li", "/ring/alpha"},
	{"ring-apply", "tim", "/ring/beta?device=umi"},
	{"ring-desk", "mo", "/ring/desk"},
	{"thread-pictures", "li", "/t/2-battery-loses-a-fifth-overnight-in-flight-mode"},
	{"flag", "ben", "/flag/thread/2"},
	{"desk", "kim", "/desk"},
	{"desk-appeal", "ada", "/desk"},
	{"desk-judge", "ada", "/desk/thread/3"},
	{"desk-member", "kim", "MEMBER"},
	{"desk-log", "kim", "/desk/log"},
	{"record", "ben", "/me/record"},
	{"tokens", "ana", "/me/tokens"},
	{"safety", "ana", "/me/safety"},
	{"prove", "ana", "/me/prove"},
	{"recover", "", "/recover"},
	{"reset", "", "/recover/new?code=x"},
	{"confirm", "", "/me/mail/confirm?code=x"},
	{"signin", "", "/signin"},
	{"register", "", "/register"},
	{"notices", "ana", "/notices"},
	{"notices-none", "kim", "/notices"},
	{"notice-settings", "ana", "/notices/settings"},
	{"notice-stop", "", "{stop}"},
	{"notice-stop-damaged", "", "/notices/stop?s=x"},
	{"hooks", "ada", "/hooks"},
	{"hook", "ada", "{hook}"},
	{"hook-delivery", "ada", "{delivery}"},
	{"not-found", "", "/t/999"},
}

// startBrowser starts Chromium, or skips.
func startBrowser(t *testing.T) context.Context {
	t.Helper()
	path := ""
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome"} {
		if p, err := exec.LookPath(name); err == nil {
			path = p
			break
		}
	}
	if path == "" {
		t.Skipf("needs chromium")
	}
	ctx, cancel := chromedp.NewExecAllocator(context.Background(),
		chromedp.ExecPath(path), chromedp.UserDataDir(t.TempDir()), chromedp.NoFirstRun, chromedp.NoDefaultBrowserCheck, chromedp.Headless,
		chromedp.NoSandbox, chromedp.DisableGPU, chromedp.WSURLReadTimeout(60*time.Second),
		chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true), chromedp.Flag("disable-sync", true),
		chromedp.Flag("hide-scrollbars", true), chromedp.Flag("disable-dev-shm-usage", true))
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	if err := chromedp.Do(ctx); err != nil {
		t.Fatalf("cannot start %s: %v", path, err)
	}
	return ctx
}

// visit is what loading one page showed.
type visit struct {
	mu       sync.Mutex
	problems []string
	requests int
	bytes    float64
}

func (v *visit) listen(ev any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch ev := ev.(type) {
	case *cdpruntime.EventConsoleAPICalled:
		if ev.Type == cdpruntime.ConsoleAPICalledTypeError || ev.Type == cdpruntime.ConsoleAPICalledTypeWarning {
			v.problems = append(v.problems, fmt.Sprintf("console: %v", ev.Args))
		}
	case *cdpruntime.EventExceptionThrown:
		v.problems = append(v.problems, "exception: "+ev.ExceptionDetails.Text)
	case *cdplog.EventEntryAdded:
		if ev.Entry.Level == cdplog.EntryLevelError && !strings.Contains(ev.Entry.Text, "404 (Not Found)") {
			v.problems = append(v.problems, fmt.Sprintf("%s: %s", ev.Entry.Source, ev.Entry.Text))
		}
	case *network.EventRequestWillBeSent:
		v.requests++
	case *network.EventLoadingFinished:
		v.bytes += ev.EncodedDataLength
	}
}

// look is asked of the page itself.
const look = `(() => {
  const w = document.documentElement, out = [];
  if (w.scrollWidth > innerWidth) {
    const wide = [...document.querySelectorAll("body *")].filter(e => e.getBoundingClientRect().right > innerWidth + 1).map(e => e.tagName + "." + (e.className.baseVal ?? e.className));
    out.push("it scrolls sideways: " + w.scrollWidth + " of " + innerWidth + " px; " + wide.slice(0, 4).join(", "));
  }
  const h1 = document.querySelectorAll("h1").length;
  if (h1 !== 1) out.push("it has " + h1 + " h1");
  if (document.querySelectorAll("[style]").length) out.push("it has style attributes");
  for (const e of document.querySelectorAll("button, select, textarea, input:not([type=hidden]):not([type=radio]):not([type=checkbox]), .nav a, summary, .choice")) {
    const b = e.getBoundingClientRect();
    if (b.height > 0 && b.height < 43.5) out.push("too small to hit: " + e.tagName + " " + e.textContent.trim() + " has " + b.height + " px");
  }
  for (const e of document.querySelectorAll("img, svg:not(svg svg)")) if (e.getAttribute("aria-hidden") !== "true" && !e.getAttribute("alt") && !e.getAttribute("aria-label")) out.push("a picture without words");
  let shift = 0;
  for (const e of performance.getEntriesByType("layout-shift")) shift += e.value;
  if (shift > 0.01) out.push("it shifts by " + shift);
  return out;
})()`

func TestBrowserPages(t *testing.T) {
	browser := startBrowser(t)
	w := whole(t, openSQLite(t))
	first := w.firstPost(w.longThread(60, 0))
	report := w.log("ana", sampleLog("com.android.camera2", "Open.run"), "1")
	w.log("ben", sampleLog("com.android.camera2", "Open.run"), "")
	hook, delivery, stop := w.reached()
	names := strings.NewReplacer("{hook}", hook, "{delivery}", delivery, "{stop}", stop, "{report}", report, "{crash}", w.crashOf(report), "{first}", first, "{first1}", w.firstPost(1), "{second}", w.post2(1), "{edited}", w.edited(6), "{question}", w.question(), "{private}", w.private("ana", "mo"), "{split}", w.split("lt26i"))
	w.ringed()
	w.write(func(tx *db.Tx) error { _, err := reputation.Award(tx); return err })
	w.asked()
	w.moderated() // last: it suspends members
	srv := httptest.NewServer(w.handler)
	defer srv.Close()
	axe := ""
	if path := os.Getenv("FRIDAY_AXE"); path != "" {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		axe = string(b)
	}
	for _, width := range []int64{320, 390, 1280} {
		for _, theme := range []string{"light", "dark"} {
			if width == 320 && theme == "dark" {
				continue
			}
			tab, cancel := chromedp.NewContext(browser, chromedp.WithNewBrowserContext())
			defer cancel()
			v := &visit{}
			openTab(t, tab, v, width, theme)
			for _, p := range browserPages {
				t.Run(fmt.Sprintf("%s/%d/%s", p.name, width, theme), func(t *testing.T) {
					ctx, cancel := context.WithTimeout(tab, 60*time.Second)
					defer cancel()
					callCDP(t, ctx, network.ClearBrowserCookies, cdp.Empty{})
					if p.as != "" {
						callCDP(t, ctx, network.SetCookie, network.SetCookieParams{Name: "friday", Value: w.tokens[p.as], URL: srv.URL})
					}
					v.reset()
					if err := chromedp.Do(ctx, chromedp.Navigate(srv.URL+names.Replace(p.path))); err != nil {
						t.Fatal(err)
					}
					found, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](look))
					if err != nil {
						t.Fatal(err)
					}
					if dir := os.Getenv("FRIDAY_SCREENSHOTS"); dir != "" && width != 320 {
						shoot(t, ctx, filepath.Join(dir, fmt.Sprintf("%s-%d-%s.png", p.name, width, theme)))
					}
					if axe != "" && (width == 390) == (theme == "light") { // both themes, both widths
						found = append(found, runAxe(t, ctx, axe)...)
					}
					v.check(t, found)
				})
			}
		}
	}
}

func (v *visit) reset() {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.problems, v.requests, v.bytes = nil, 0, 0
}

func (v *visit) check(t *testing.T, found []string) {
	t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, problem := range append(v.problems, found...) {
		t.Error(problem)
	}
	if v.requests == 0 || v.requests > mostRequests || v.bytes > mostBytes {
		t.Errorf("%d requests and %.0f bytes, at most %d and %d are allowed", v.requests, v.bytes, mostRequests, mostBytes)
	}
	t.Logf("%d requests, %.0f bytes", v.requests, v.bytes)
}

func callCDP[P, R any](t *testing.T, ctx context.Context, cmd cdp.Command[P, R], params P) {
	t.Helper()
	if _, err := chromedp.Call(ctx, cmd, params); err != nil {
		t.Fatal(err)
	}
}

// openTab makes a tab of that width and theme, and listens to it.
func openTab(t *testing.T, ctx context.Context, v *visit, width int64, theme string) {
	t.Helper()
	if err := chromedp.Listen(ctx, v.listen); err != nil {
		t.Fatal(err)
	}
	callCDP(t, ctx, network.Enable, network.EnableParams{})
	callCDP(t, ctx, cdplog.Enable, cdp.Empty{})
	callCDP(t, ctx, cdpruntime.Enable, cdp.Empty{})
	callCDP(t, ctx, network.SetCacheDisabled, network.SetCacheDisabledParams{CacheDisabled: true})
	callCDP(t, ctx, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: 844, DeviceScaleFactor: 1, Mobile: width < 700})
	callCDP(t, ctx, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{
		{Name: "prefers-color-scheme", Value: theme}, {Name: "prefers-reduced-motion", Value: "reduce"}}})
}

func shoot(t *testing.T, ctx context.Context, path string) {
	t.Helper()
	shot, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	if err == nil {
		err = os.MkdirAll(filepath.Dir(path), 0o755)
	}
	if err == nil {
		err = os.WriteFile(path, shot, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// runAxe asks axe-core, which knows contrast, names, roles and landmarks.
func runAxe(t *testing.T, ctx context.Context, axe string) []string {
	t.Helper()
	const ask = `axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}).then(r =>
		r.violations.flatMap(v => v.nodes.map(n => "axe " + v.id + ": " + n.target.join(" ") + ": " + n.failureSummary.replace(/\s+/g, " "))))`
	found, err := chromedp.Run(ctx, chromedp.Evaluate[[]string](axe+";\n"+ask, chromedp.EvalAwaitPromise))
	if err != nil {
		t.Fatal(err)
	}
	return found
}
