package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	netmail "net/mail"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	standard "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/fridayos/friday/android/bootprofile"
	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/device"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/mail"
	"github.com/fridayos/friday/internal/mail/mailtest"
	"github.com/fridayos/friday/internal/notice/noticetest"
	"github.com/fridayos/friday/internal/train"
)

// TestReach goes the whole way with the real program: a report, its fix in a
// release, and whoever waits for it is told on the site, by mail through a real
// SMTP server, by push to a browser that decrypts it, and other servers by
// webhooks that the specification's own library checks. Two servers run over one
// database, and nobody is told twice.
func TestReach(t *testing.T) {
	for name, fresh := range map[string]func(testing.TB) string{"sqlite": dbtest.SQLite, "postgres": dbtest.Postgres} {
		t.Run(name, func(t *testing.T) { reachAll(t, fresh(t)) })
	}
}

// hookCalls is another team's server.
type hookCalls struct {
	mu     sync.Mutex
	heads  []http.Header
	bodies []string
}

func (h *hookCalls) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	h.mu.Lock()
	defer h.mu.Unlock()
	if err == nil {
		h.heads, h.bodies = append(h.heads, r.Header.Clone()), append(h.bodies, string(body))
	}
	w.WriteHeader(http.StatusNoContent)
}

// of counts the calls of one kind of event and returns the last.
func (h *hookCalls) of(kind string) (n int, head http.Header, body string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i, b := range h.bodies {
		if strings.HasPrefix(b, `{"type":"`+kind+`"`) {
			n, head, body = n+1, h.heads[i], b
		}
	}
	return n, head, body
}

// visitor is a person with a browser that runs no scripts.
type visitor struct {
	*testing.T
	base string
	http *http.Client
}

func visit(t *testing.T, base string) *visitor {
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &visitor{t, base, &http.Client{Jar: jar, Timeout: time.Minute}}
}

func (v *visitor) read(resp *http.Response, err error) string {
	v.Helper()
	if err != nil {
		v.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		v.Fatalf("%s %s: %s, %v\n%s", resp.Request.Method, resp.Request.URL, resp.Status, err, body)
	}
	return string(body)
}

func (v *visitor) get(path string) string { v.Helper(); return v.read(v.http.Get(v.base + path)) }

func (v *visitor) post(path string, fields ...string) string {
	v.Helper()
	form := url.Values{}
	for i := 0; i < len(fields); i += 2 {
		form.Add(fields[i], fields[i+1])
	}
	return v.read(v.http.PostForm(v.base+path, form))
}

// eventually waits until something is so.
func eventually(t *testing.T, what string, so func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !so(); time.Sleep(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("it never came to it that %s", what)
		}
	}
}

// startServer starts `friday serve`; code gets the first administrator's.
func startServer(t *testing.T, dir, address, listen string, env ...string) (code chan string, stop func()) {
	t.Helper()
	cmd := exec.Command("friday", "serve", "--dir", dir, "--db", address, "--listen", listen)
	cmd.Env = append(os.Environ(), env...)
	said, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	code = make(chan string, 1)
	ended := make(chan error, 1)
	find := regexp.MustCompile(`first-run\?code=(\S+)`)
	go func() {
		for lines := bufio.NewScanner(said); lines.Scan(); {
			if m := find.FindStringSubmatch(lines.Text()); m != nil {
				code <- m[1]
			}
			if strings.Contains(lines.Text(), "level=ERROR") || strings.Contains(lines.Text(), "job failed") {
				t.Errorf("the server at %s says %s", listen, lines.Text())
			}
		}
		ended <- cmd.Wait()
	}()
	stopped := false
	stop = func() {
		if stopped {
			return
		}
		stopped = true
		_ = cmd.Process.Signal(syscall.SIGTERM)
		select {
		case err := <-ended:
			if err != nil {
				t.Errorf("the server at %s ends with %v", listen, err)
			}
		case <-time.After(time.Minute):
			_ = cmd.Process.Kill()
			t.Errorf("the server at %s does not end", listen)
		}
	}
	t.Cleanup(stop)
	eventually(t, "the server answers", func() bool {
		resp, err := http.Get("http://" + listen + "/signin")
		if err == nil {
			resp.Body.Close()
		}
		return err == nil && resp.StatusCode == http.StatusOK
	})
	return code, stop
}

func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// taken is a mail taken apart.
type taken struct {
	to, subject, text, html string
	head                    netmail.Header
}

func opened(t *testing.T, l mailtest.Letter) taken {
	t.Helper()
	m, err := netmail.ReadMessage(strings.NewReader(string(l.Body)))
	if err != nil {
		t.Fatal(err)
	}
	out := taken{to: l.To, head: m.Header}
	if out.subject, err = new(mime.WordDecoder).DecodeHeader(m.Header.Get("Subject")); err != nil {
		t.Fatal(err)
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		t.Fatal(err)
	}
	if kind == "text/plain" {
		body, err := io.ReadAll(quotedprintable.NewReader(m.Body))
		if err != nil {
			t.Fatal(err)
		}
		out.text = string(body)
		return out
	}
	for parts := multipart.NewReader(m.Body, params["boundary"]); ; { // it undoes quoted-printable
		p, err := parts.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(p)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(p.Header.Get("Content-Type"), "text/html") {
			out.html = string(body)
		} else {
			out.text = string(body)
		}
	}
	return out
}

// lettersTo are those to one address whose List-Id begins so.
func lettersTo(t *testing.T, box *mailtest.Server, to, list string) (all []taken) {
	t.Helper()
	for _, l := range box.All() {
		if o := opened(t, l); o.to == to && strings.HasPrefix(o.head.Get("List-Id"), "<"+list+".") {
			all = append(all, o)
		}
	}
	return all
}

func reachAll(t *testing.T, address string) {
	ctx := context.Background()
	box := mailtest.Start(t, mail.Plain)
	push := noticetest.Start(t)
	calls := &hookCalls{}
	receiver := httptest.NewServer(calls)
	defer receiver.Close()

	root := t.TempDir()
	if out, err := exec.Command("friday", "init", filepath.Join(root, "os"), "--name", "Ember", "--no-stock").CombinedOutput(); err != nil {
		t.Fatalf("friday init: %v\n%s", err, out)
	}
	dir, one, two := filepath.Join(root, "os", ".friday"), freeAddress(t), freeAddress(t)
	port := func(text string) uint16 { return netip.MustParseAddrPort(text).Port() }
	settings := fmt.Sprintf("base_url: http://%s\nlisten: %[1]s\nmail: {host: localhost, port: %d, security: none, user: friday, password_file: mail.password, from: Ember <friday@os.example.org>}\noutward: {inside: [127.0.0.1/32], ports: [%d, %d], plain_http: true}\n",
		one, box.Config(mail.Plain).Port, port(receiver.Listener.Addr().String()), push.Policy().Ports[0])
	roots := filepath.Join(root, "roots.pem")
	for path, text := range map[string]string{filepath.Join(dir, "friday.yaml"): settings, filepath.Join(dir, "mail.password"): "secret\n", roots: push.Certificate()} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, stopOne := startServer(t, dir, address, one, "SSL_CERT_FILE="+roots)
	code, stopTwo := startServer(t, dir, address, two, "SSL_CERT_FILE="+roots) // its code is the newer
	d, err := db.Open(ctx, address)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	write := func(fn func(tx *db.Tx) error) {
		t.Helper()
		if err := d.Write(ctx, fn); err != nil {
			t.Fatal(err)
		}
	}

	// People: ada administers; ana reports; both servers serve them.
	const password = "a sentence is good"
	ada, ana, ben := visit(t, "http://"+two), visit(t, "http://"+one), visit(t, "http://"+two)
	ada.post("/first-run", "code", <-code, "name", "ada", "password", password)
	for name, v := range map[string]*visitor{"ana": ana, "ben": ben} {
		v.post("/register", "name", name, "password", password)
	}
	ana.post("/me/mail", "address", "ana@example.org")
	link := regexp.MustCompile(`/me/mail/confirm\?code=\S+`)
	eventually(t, "the letter with the code is there", func() bool { return box.Count() == 1 })
	path := link.FindString(opened(t, box.Last(t, 1)).text)
	u, err := url.Parse(path)
	if err != nil {
		t.Fatal(err)
	}
	ana.post("/me/mail/confirm", "code", u.Query().Get("code"))
	ana.post("/language", "lang", "es")
	ana.post("/notices/push", "subscription", push.Subscription())
	wishes := []string{}
	for _, k := range []string{"ask", "fix", "mention", "reply", "state", "system"} {
		wishes = append(wishes, "wish", k+".site", "wish", k+".mail", "wish", k+".push")
	}
	ana.post("/notices/settings", append(wishes, "wish", "digest.mail")...)
	page := ada.post("/hooks", "url", receiver.URL+"/hook", "kind", "thread.filed", "kind", "thread.released", "note", "The chat")
	secret := regexp.MustCompile(`whsec_[A-Za-z0-9+/=]+`).FindString(strings.ReplaceAll(page, "&#43;", "+"))

	// The report.
	write(func(tx *db.Tx) error {
		return device.Put(tx, device.Device{Codename: "umi", Vendor: "Xiaomi", Name: "Xiaomi Mi 10", Boot: bootprofile.Profile{Trust: bootprofile.CustomKey, Slots: bootprofile.AB,
			Kernel: "5.10", Flash: bootprofile.Fastboot, PayloadMinor: 6, UpdateCertificates: []string{"system:system/etc/security/otacerts.zip"}}})
	})
	ana.post("/t/new", "kind", "bug", "title", "Camera closes at 5× zoom", "part", "Camera", "device", "umi", "body", "It closes when I zoom.")
	ben.post("/t/1/reply", "body", "Here too, @ana.")
	eventually(t, "the webhook is told of the report", func() bool { n, _, _ := calls.of("thread.filed"); return n > 0 })
	n, head, body := calls.of("thread.filed")
	judge, err := standard.NewWebhook(secret)
	if err != nil {
		t.Fatalf("the secret %q: %v", secret, err)
	}
	var told struct {
		Data struct{ Thread struct{ Title, URL string } }
	}
	if err := errors.Join(judge.Verify([]byte(body), head), json.Unmarshal([]byte(body), &told)); err != nil || n != 1 || told.Data.Thread.Title != "Camera closes at 5× zoom" || told.Data.Thread.URL != "http://"+one+"/t/1" {
		t.Errorf("the hook was told %d times: %v, %s", n, err, body)
	}
	eventually(t, "ana is pushed to", func() bool { return len(push.Got()) > 0 })
	var pushed struct{ Title, Body, URL, Lang string }
	if err := json.Unmarshal(push.Got()[0].Plain, &pushed); err != nil || pushed.Title != "Ember" || pushed.Body != "ben te mencionó en «Camera closes at 5× zoom»." || pushed.Lang != "es" || !strings.HasPrefix(pushed.URL, "http://"+one+"/p/") {
		t.Errorf("pushed was %+v, %v", pushed, err)
	}
	if page := ana.get("/notices"); !strings.Contains(page, "ben te mencionó") {
		t.Error("the site does not tell ana in Spanish")
	}

	// The fix ships: a commit, a release on its way to umi.
	const release = "26.11.27"
	build := feedback.Build{Device: "umi", Version: release, Timestamp: time.Now().Unix()}
	write(func(tx *db.Tx) error {
		digest := blob.Digest(sha256.Sum256([]byte("system")))
		images := []catalog.Partition{{Name: "system", FS: "erofs", Digest: digest, Size: 1000}}
		b := catalog.Build{Device: "umi", Version: release, Commit: strings.Repeat("a", 40), Incremental: release, PatchLevel: "2026-11-05", SDK: 35, Fingerprint: "Xiaomi/umi/umi:15/A/1:user/release-keys",
			Timestamp: build.Timestamp, RollbackIndex: 1, Stock: digest, Images: images, Report: digest}
		b.ID = catalog.BuildID("umi", release, images)
		build.ID = b.ID
		p := catalog.Package{Digest: digest, Size: 1000, Kind: catalog.Full, Device: "umi", To: b.ID, File: "umi.zip", PayloadOffset: 100, PayloadSize: 900, Properties: "FILE_HASH=x", ProvenAt: tx.Now()}
		for _, err := range []error{catalog.PutBuild(tx, b), catalog.PutPackage(tx, p), catalog.PutRelease(tx, catalog.Release{Name: release, Commit: b.Commit, Fixes: []int64{1}, CutAt: tx.Now(),
			Builds: map[string]string{"umi": b.ID}, Notes: "## Camera\n\n- zoom stays open ([thread 1](/t/1))"}), feedback.FixMerged(tx, 1, b.Commit)} {
			if err != nil {
				return err
			}
		}
		if _, err := tx.Exec(`INSERT INTO train_releases (release, state, reason, opened_at, departs_at, changed_at) VALUES ($1, 'testing', '', $2, $2, $2)`, release, tx.Now()); err != nil {
			return err
		}
		_, err := tx.Exec(`INSERT INTO train_devices (release, device, state, reason, build, stock, fixes, changed_at) VALUES ($1, 'umi', 'ready', '', $2, '', '[1]', $3)`, release, b.ID, tx.Now())
		return err
	})
	tr := &train.Train{DB: d, Schedule: train.DefaultSchedule(time.UTC)}
	if err := tr.Ship(ctx, release, train.ShipOptions{Stages: []fleet.Stage{{Percent: 100}}, Actor: "ada"}); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the webhook is told of the release", func() bool { n, _, _ := calls.of("thread.released"); return n > 0 })
	says := func(what string) func() bool {
		return func() bool {
			for _, p := range push.Got() {
				if strings.Contains(string(p.Plain), what) {
					return true
				}
			}
			return false
		}
	}
	eventually(t, "ana is pushed that the fix is on its way", says(release+" lleva el arreglo"))
	const question = "¿Funciona ahora?"
	asked := func() bool {
		all := ana.get("/notices")
		for _, l := range box.All() {
			all += opened(t, l).text
		}
		return strings.Contains(all, "debería arreglar") || says(question)()
	}
	if asked() {
		t.Error("ana is asked before her phone has the build")
	}
	write(func(tx *db.Tx) error { // now it has, as it says itself
		var id int64
		if err := tx.QueryRow("SELECT id FROM members WHERE name = 'ana'").Scan(&id); err != nil {
			return err
		}
		_, err := feedback.HandsetRuns(tx, id, build)
		return err
	})
	eventually(t, "ana is asked by push", says(question))
	if page := ana.get("/notices"); !strings.Contains(page, "Tu Xiaomi Mi 10 lleva 26.11.27, que debería arreglar «Camera closes at 5× zoom»") {
		t.Error("the site does not ask ana")
	}
	// An hour passes: letters have gathered, and the digest is due.
	write(func(tx *db.Tx) error {
		_, err := tx.Exec("UPDATE notices SET mail_due = 1 WHERE mail_due > 0")
		if err == nil {
			_, err = tx.Exec("UPDATE train_log SET at = at - $1 WHERE release = $2", (2 * time.Hour).Microseconds(), release)
		}
		if err == nil {
			_, err = tx.Exec("UPDATE members SET created_at = created_at - $1", (3 * time.Hour).Microseconds())
		}
		return err
	})
	eventually(t, "the letter and the digest are there", func() bool {
		return len(lettersTo(t, box, "ana@example.org", "notices")) > 0 && len(lettersTo(t, box, "ana@example.org", "weekly")) > 0
	})
	notes, week := lettersTo(t, box, "ana@example.org", "notices")[0], lettersTo(t, box, "ana@example.org", "weekly")[0]
	for part, s := range map[string]string{"text": notes.text, "HTML": notes.html} {
		for _, want := range []string{"Hola, ana", "ben te mencionó en «Camera closes at 5× zoom».", release + " lleva el arreglo de", question, "http://" + one + "/t/1"} {
			if !strings.Contains(s, want) {
				t.Errorf("the letter's %s lacks %q:\n%s", part, want, s)
			}
		}
	}
	for part, s := range map[string]string{"text": week.text, "HTML": week.html} {
		for _, want := range []string{release + " está en camino", "Va a Xiaomi Mi 10.", "«Camera closes at 5× zoom», con 26.11.27 en tu Xiaomi Mi 10", "1 arreglo en total", "zoom stays open", "http://" + one + "/r/" + release} {
			if !strings.Contains(s, want) {
				t.Errorf("the week's %s lacks %q:\n%s", part, want, s)
			}
		}
	}
	if week.subject != release+" está en camino, con 1 arreglo" {
		t.Errorf("the week's subject is %q", week.subject)
	}

	// One POST without a cookie stops the week, another everything.
	for _, c := range []struct {
		l    taken
		left int
	}{{week, 6}, {notes, 0}} {
		if c.l.head.Get("List-Unsubscribe-Post") != "List-Unsubscribe=One-Click" {
			t.Errorf("List-Unsubscribe-Post is %q", c.l.head.Get("List-Unsubscribe-Post"))
		}
		resp, err := http.PostForm(strings.Trim(c.l.head.Get("List-Unsubscribe"), "<>"), url.Values{"List-Unsubscribe": {"One-Click"}})
		if err != nil || resp.StatusCode != http.StatusOK {
			t.Fatalf("one click: %v, %v", resp, err)
		}
		resp.Body.Close()
		page := ana.get("/notices/settings")
		if got := len(regexp.MustCompile(`value="[a-z]+\.mail" checked`).FindAllString(page, -1)); got != c.left {
			t.Errorf("after one click %d kinds go by mail, expected %d", got, c.left)
		}
	}
	before := box.Count()
	ben.post("/t/1/reply", "body", "Any news, @ana?")
	eventually(t, "ana is told otherwise", says("ben te mencionó"))

	// Both servers ran all the while: each thing was told once.
	stopOne()
	stopTwo()
	if box.Count() != before {
		t.Error("a letter goes out after all were stopped")
	}
	seen := map[string]int{}
	for _, p := range push.Got() {
		seen["push "+string(p.Plain)]++
	}
	for _, body := range calls.bodies {
		seen["hook "+body]++
	}
	for _, l := range box.All() {
		seen["mail "+opened(t, l).head.Get("Message-Id")]++
	}
	for what, n := range seen {
		if n != 1 {
			t.Errorf("%d times: %s", n, what)
		}
	}
	if n, w := len(lettersTo(t, box, "ana@example.org", "notices")), len(lettersTo(t, box, "ana@example.org", "weekly")); n != 1 || w != 1 {
		t.Errorf("%d letters and %d digests, expected one of each", n, w)
	}
}
