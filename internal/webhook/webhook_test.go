package webhook

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	standard "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/jobs"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/outward"
)

const base = "https://os.example.org"

var cheap = member.NewPasswords(member.TestCost())

// receiver is another team's server.
type receiver struct {
	*httptest.Server
	mu     sync.Mutex
	got    []http.Header
	bodies []string
	answer func(n int) int // status of the n-th call, from 1
}

func newReceiver(t *testing.T, answer func(n int) int) (*receiver, outward.Policy) {
	t.Helper()
	r := &receiver{answer: answer}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		if err != nil || req.Method != http.MethodPost {
			t.Errorf("%s: %v", req.Method, err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.got, r.bodies = append(r.got, req.Header.Clone()), append(r.bodies, string(body))
		w.WriteHeader(r.answer(len(r.got)))
		fmt.Fprint(w, "said\x00 so\xff")
	}))
	t.Cleanup(r.Close)
	at := netip.MustParseAddrPort(r.Listener.Addr().String())
	return r, outward.Policy{Ports: []uint16{at.Port()}, PlainHTTP: true, Inside: []netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")}}
}

func (r *receiver) calls() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.got)
}

type bench struct {
	*testing.T
	d   *db.DB
	now time.Time
	ada member.Member
}

func newBench(t *testing.T, d *db.DB) *bench {
	b := &bench{T: t, d: d, now: time.Now().UTC().Truncate(time.Second)}
	d.SetClock(func() time.Time { return b.now })
	hash, err := cheap.Hash(t.Context(), "ada", "a sentence is good")
	if err != nil {
		t.Fatal(err)
	}
	b.write(func(tx *db.Tx) error {
		b.ada, err = member.Register(tx, "ada", hash)
		return err
	})
	b.sweep() // the log begins here
	return b
}

func (b *bench) write(fn func(tx *db.Tx) error) {
	b.Helper()
	if err := b.d.Write(b.Context(), fn); err != nil {
		b.Fatal(err)
	}
}

func (b *bench) sweep() (n int) {
	b.Helper()
	b.write(func(tx *db.Tx) (err error) { n, err = Sweep(tx, base); return err })
	return n
}

func (b *bench) hook(p outward.Policy, n NewHook) (h Hook, secret string) {
	b.Helper()
	b.write(func(tx *db.Tx) (err error) { h, secret, err = Add(tx, p, b.ada, n); return err })
	return h, secret
}

func (b *bench) file(title string, devices ...string) (t feedback.Thread) {
	b.Helper()
	b.write(func(tx *db.Tx) (err error) {
		t, err = feedback.New(tx, feedback.NewThread{Kind: feedback.Bug, Title: title, Body: "It crashes.", AuthorID: b.ada.ID, Part: "Camera", Devices: devices})
		return err
	})
	return t
}

func (b *bench) deliveries(hook int64) (all []Delivery) {
	b.Helper()
	b.write(func(tx *db.Tx) (err error) { all, err = Deliveries(tx, hook, 0, 0); return err })
	return all
}

// drain makes every attempt that is due by the clock of the bench.
func (b *bench) drain(s *Sender, hook int64) {
	b.Helper()
	for {
		again := false
		for _, d := range b.deliveries(hook) {
			if d.DoneAt.IsZero() && !d.NextAt.IsZero() && !d.NextAt.After(b.now) {
				if err := s.deliver(b.Context(), DeliverArgs{d.ID, d.Attempts + 1}); err != nil {
					b.Fatal(err)
				}
				again = true
			}
		}
		if !again {
			return
		}
	}
}

// TestDelivery runs the real queue: an event, its delivery, and the judgement
// of the specification's own library.
func TestDelivery(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b := newBench(t, d)
		r, policy := newReceiver(t, func(int) int { return 204 })
		h, secret := b.hook(policy, NewHook{URL: r.URL + "/hook", Kinds: []string{"thread.filed"}, Device: "umi"})
		b.file("Camera crashes on zoom", "umi")
		b.file("Camera is slow", "hlte") // is not asked for
		s := &Sender{DB: d, Policy: policy}
		if err := s.SweepAll(t.Context(), base); err != nil {
			t.Fatal(err)
		}
		if b.sweep() != 0 {
			t.Error("a second sweep reads the same events")
		}
		var w jobs.Workers
		s.Work(&w)
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- jobs.Run(ctx, d, &w, jobs.RunOptions{}) }()
		idle, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if err := jobs.WaitIdle(idle, d, DeliverArgs{}.Kind()); err != nil {
			t.Error(err)
		}
		stop()
		if err := <-ended; err != nil {
			t.Fatal(err)
		}
		if r.calls() != 1 {
			t.Fatalf("%d calls were made, expected 1: %q", r.calls(), r.bodies)
		}
		var m Message
		if err := json.Unmarshal([]byte(r.bodies[0]), &m); err != nil {
			t.Fatal(err)
		}
		if m.Type != "thread.filed" || m.Data.Thread.Title != "Camera crashes on zoom" || m.Data.Actor != "ada" || m.Data.Post.Body != "It crashes." ||
			m.Data.Thread.URL != base+"/t/1" || m.Data.Thread.Devices[0].State != "reported" {
			t.Errorf("it was told %s", r.bodies[0])
		}
		judge, err := standard.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		if err := judge.Verify([]byte(r.bodies[0]), r.got[0]); err != nil {
			t.Errorf("the specification's library refuses the signature: %v", err)
		}
		for name, change := range map[string]func(h http.Header) string{
			"another body": func(http.Header) string { return r.bodies[0] + " " },
			"another id":   func(h http.Header) string { h.Set("Webhook-Id", "msg_1"); return r.bodies[0] },
			"replayed": func(h http.Header) string {
				h.Set("Webhook-Timestamp", fmt.Sprint(b.now.Add(-time.Hour).Unix()))
				return r.bodies[0]
			},
			"no signature": func(h http.Header) string { h.Del("Webhook-Signature"); return r.bodies[0] },
		} {
			header := r.got[0].Clone()
			if body := change(header); judge.Verify([]byte(body), header) == nil {
				t.Errorf("%s is taken", name)
			}
		}
		// Signed for a time that has passed: what was recorded cannot be replayed.
		old := time.Now().Add(-time.Hour)
		h.secret = secret
		signature, err := h.sign("msg_7", old, []byte("{}"))
		if err != nil {
			t.Fatal(err)
		}
		header := http.Header{"Webhook-Id": {"msg_7"}, "Webhook-Timestamp": {fmt.Sprint(old.Unix())}, "Webhook-Signature": {signature}}
		if judge.Verify([]byte("{}"), header) == nil || judge.VerifyIgnoringTimestamp([]byte("{}"), header) != nil {
			t.Error("a replayed delivery is not told from a fresh one")
		}
		if got := b.deliveries(h.ID); len(got) != 1 || got[0].DoneAt.IsZero() || got[0].Status != 204 || got[0].Attempts != 1 || got[0].Error != "" {
			t.Errorf("the log says %+v", got)
		}
	})
}

func TestRolledSecretSignsTwiceForADay(t *testing.T) {
	b := newBench(t, sqlite(t))
	r, policy := newReceiver(t, func(int) int { return 200 })
	h, old := b.hook(policy, NewHook{URL: r.URL})
	var fresh string
	b.write(func(tx *db.Tx) (err error) { fresh, err = Roll(tx, b.ada, h.ID); return err })
	s := &Sender{DB: b.d, Policy: policy}
	send := func() http.Header {
		b.write(func(tx *db.Tx) error { return Ping(tx, h.ID) })
		b.drain(s, h.ID)
		return r.got[len(r.got)-1]
	}
	takes := func(secret string, header http.Header) bool {
		judge, err := standard.NewWebhook(secret)
		if err != nil {
			t.Fatal(err)
		}
		return judge.VerifyIgnoringTimestamp([]byte(r.bodies[len(r.bodies)-1]), header) == nil
	}
	if header := send(); !takes(old, header) || !takes(fresh, header) || fresh == old {
		t.Error("on the first day not both secrets sign")
	}
	b.now = b.now.Add(oldSecretLife)
	if header := send(); takes(old, header) || !takes(fresh, header) {
		t.Error("after a day the old secret still signs")
	}
}

func sqlite(t *testing.T) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), dbtest.SQLite(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func TestRetryAndDisable(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b := newBench(t, d)
		status := 500
		r, policy := newReceiver(t, func(int) int { return status })
		h, _ := b.hook(policy, NewHook{URL: r.URL})
		var disabled []Hook
		s := &Sender{DB: d, Policy: policy, Disabled: func(_ *db.Tx, h Hook) error { disabled = append(disabled, h); return nil }}
		b.file("First")
		b.sweep()
		b.drain(s, h.ID)
		log := b.deliveries(h.ID)
		if len(log) == 0 || log[0].Status != 500 || log[0].NextAt != b.now.Add(pauses[0]) || !log[0].DoneAt.IsZero() || log[0].Error != "500 Internal Server Error said so\uFFFD" {
			t.Fatalf("after the first failure the log says %+v", log)
		}
		// The queue's own job of a finished attempt does nothing more.
		n := r.calls()
		if err := s.deliver(t.Context(), DeliverArgs{log[0].ID, 1}); err != nil || r.calls() != n {
			t.Errorf("an attempt was made twice: %v", err)
		}
		b.now = b.now.Add(pauses[0])
		status = 200
		b.drain(s, h.ID)
		if log = b.deliveries(h.ID); log[0].DoneAt.IsZero() || log[0].Attempts != 2 || log[0].Error != "" {
			t.Errorf("the second attempt did not deliver: %+v", log[0])
		}
		// Days of failure.
		status = 503
		for day := 0; day < 5 && len(disabled) == 0; day++ {
			b.file(fmt.Sprint("Day ", day))
			b.sweep()
			for range 24 {
				b.drain(s, h.ID)
				b.now = b.now.Add(time.Hour)
			}
		}
		if len(disabled) != 1 || disabled[0].Why != Failing || !strings.HasPrefix(disabled[0].WhyDetail, "503 ") {
			t.Fatalf("after days of failure it was disabled %d times", len(disabled))
		}
		n = r.calls()
		b.file("Nobody is told")
		b.sweep()
		b.drain(s, h.ID)
		if r.calls() != n {
			t.Error("a hook that is switched off is called")
		}
		b.write(func(tx *db.Tx) error { return Enable(tx, b.ada, h.ID) })
		status = 410
		b.write(func(tx *db.Tx) error { return Redeliver(tx, b.deliveries2(tx, h.ID)[0].ID) })
		b.drain(s, h.ID)
		b.write(func(tx *db.Tx) (err error) { h, err = ByID(tx, h.ID); return err })
		if h.DisabledAt.IsZero() || h.Why != Gone || len(disabled) != 2 {
			t.Errorf("a hook that answers 410 Gone is %+v", h)
		}
		b.write(func(tx *db.Tx) error {
			all, err := OfMember(tx, b.ada.ID)
			if len(all) != 1 || all[0].URL != r.URL {
				t.Errorf("ada has %+v", all)
			}
			return errors.Join(err, Forget(tx, 7))
		})
		b.write(func(tx *db.Tx) error { return Forget(tx, b.ada.ID) })
		b.write(func(tx *db.Tx) error {
			all, err := List(tx)
			if len(all) != 0 {
				t.Errorf("who left has hooks: %+v", all)
			}
			return err
		})
		if err := s.deliver(t.Context(), DeliverArgs{log[0].ID, 9}); err != nil {
			t.Errorf("a delivery of a removed hook: %v", err)
		}
	})
}

func (b *bench) deliveries2(tx *db.Tx, hook int64) []Delivery {
	all, err := Deliveries(tx, hook, 0, 0)
	if err != nil || len(all) == 0 {
		b.Fatal("no deliveries", err)
	}
	return all
}

func TestHiddenThreadsAreNotTold(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b := newBench(t, d)
		r, policy := newReceiver(t, func(int) int { return 200 })
		h, _ := b.hook(policy, NewHook{URL: r.URL})
		thread := b.file("A secret of somebody")
		b.write(func(tx *db.Tx) error { return feedback.Hide(tx, thread.ID, b.ada.ID, true) })
		if b.sweep() == 0 {
			t.Fatal("no events")
		}
		if all := b.deliveries(h.ID); len(all) != 0 {
			t.Errorf("of a hidden thread is told: %+v", all)
		}
		b.write(func(tx *db.Tx) error { return feedback.Hide(tx, thread.ID, b.ada.ID, false) })
		b.sweep()
		if all := b.deliveries(h.ID); len(all) != 1 || all[0].Kind != "thread.shown" {
			t.Errorf("of a thread that is shown again is told: %+v", all)
		}
	})
}

func TestBoundsOfAMessage(t *testing.T) {
	b := newBench(t, sqlite(t))
	r, policy := newReceiver(t, func(int) int { return 200 })
	h, _ := b.hook(policy, NewHook{URL: r.URL})
	b.write(func(tx *db.Tx) error {
		_, err := feedback.New(tx, feedback.NewThread{Kind: feedback.Talk, Title: strings.Repeat("\u0928", feedback.MaxTitle), Body: strings.Repeat("<\u2028", feedback.MaxBody/2), AuthorID: b.ada.ID})
		return err
	})
	b.sweep()
	all := b.deliveries(h.ID)
	var m Message
	if len(all) != 1 || json.Unmarshal([]byte(all[0].Body), &m) != nil || len(all[0].Body) > 64<<10 || !m.Data.Post.Truncated || strings.Contains(m.Data.Post.Body, "\uFFFD") {
		t.Errorf("a long post gives %d messages", len(all))
	}
}

func TestRefusedHooks(t *testing.T) {
	b := newBench(t, sqlite(t))
	for _, c := range []struct {
		field string
		hook  NewHook
	}{
		{"url", NewHook{URL: "http://hooks.example.org/"}},
		{"url", NewHook{URL: "https://127.0.0.1/"}},
		{"url", NewHook{URL: "https://[::ffff:10.0.0.1]/"}},
		{"url", NewHook{URL: ""}},
		{"kinds", NewHook{URL: "https://hooks.example.org/", Kinds: []string{"thread.asked"}}},
		{"note", NewHook{URL: "https://hooks.example.org/", Note: strings.Repeat("x", MaxNote+1)}},
		{"note", NewHook{URL: "https://hooks.example.org/", Note: "a\x00b"}},
		{"device", NewHook{URL: "https://hooks.example.org/", Device: "a\nb"}},
	} {
		err := b.d.Write(t.Context(), func(tx *db.Tx) error { _, _, err := Add(tx, outward.Policy{}, b.ada, c.hook); return err })
		var invalid *Invalid
		if !errors.As(err, &invalid) || invalid.Field != c.field {
			t.Errorf("%+v: %v, expected a mistake in %s", c.hook, err, c.field)
		}
	}
	for range MaxHooks {
		b.hook(outward.Policy{}, NewHook{URL: "https://hooks.example.org/"})
	}
	if err := b.d.Write(t.Context(), func(tx *db.Tx) error {
		_, _, err := Add(tx, outward.Policy{}, b.ada, NewHook{URL: "https://hooks.example.org/"})
		return err
	}); err == nil {
		t.Error("there may be any number of hooks")
	}
}

// TestInsideIsNotReached: whatever is configured, a hook whose name leads inside fails at each attempt.
func TestInsideIsNotReached(t *testing.T) {
	b := newBench(t, sqlite(t))
	r, open := newReceiver(t, func(int) int { return 200 })
	h, _ := b.hook(open, NewHook{URL: r.URL})
	s := &Sender{DB: b.d, Policy: outward.Policy{Ports: open.Ports, PlainHTTP: true}} // the network is no longer allowed
	b.file("Inside")
	b.sweep()
	b.drain(s, h.ID)
	if all := b.deliveries(h.ID); r.calls() != 0 || all[0].Error != "its address is not on the public internet" {
		t.Errorf("%d calls; the log says %q", r.calls(), all[0].Error)
	}
}

func TestDecide(t *testing.T) {
	now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
	no := answer{status: 500, err: "500"}
	for _, c := range []struct {
		name    string
		a       answer
		n       int
		failing time.Time
		next    time.Duration
		disable bool
	}{
		{"taken", answer{status: 200}, 1, time.Time{}, 0, false},
		{"taken after long failure", answer{status: 200}, 3, now.Add(-DisableAfter), 0, false},
		{"first failure", no, 1, time.Time{}, 10 * time.Second, false},
		{"last but one", no, len(pauses), now.Add(-time.Hour), pauses[len(pauses)-1], false},
		{"last", no, len(pauses) + 1, now.Add(-time.Hour), 0, false},
		{"too long", no, 2, now.Add(-DisableAfter), 0, true},
		{"not quite too long", no, 2, now.Add(-DisableAfter + time.Second), time.Minute, false},
		{"gone", answer{status: 410, err: "410", gone: true}, 1, time.Time{}, 0, true},
		{"asked to wait", answer{status: 429, err: "429", retryAfter: time.Hour}, 1, time.Time{}, time.Hour, false},
		{"asked to wait for years", answer{status: 429, err: "429", retryAfter: 1e6 * time.Hour}, 1, time.Time{}, 24 * time.Hour, false},
		{"asked to hurry", answer{status: 503, err: "503", retryAfter: time.Second}, 3, time.Time{}, 5 * time.Minute, false},
	} {
		v := decide(c.a, c.n, c.failing, now)
		if got := v.next.Sub(now); (c.next != 0 && got != c.next) || (c.next == 0 && !v.next.IsZero()) || (v.disable != "") != c.disable {
			t.Errorf("%s: %+v", c.name, v)
		}
	}
}
