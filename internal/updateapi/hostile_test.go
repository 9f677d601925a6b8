package updateapi_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/fleet/outcome"
	"github.com/fridayos/friday/internal/keys"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/updateapi"
	"github.com/fridayos/friday/internal/wire"
)

// claimCode makes a member and a code for umi.
func claimCode(t *testing.T, d *db.DB, name string) (code string) {
	t.Helper()
	m, err := member.NewPasswords(member.TestCost()).Register(t.Context(), d, name, "correct horse battery staple")
	if err == nil {
		err = d.Write(t.Context(), func(tx *db.Tx) (err error) { code, err = member.NewClaimCode(tx, m.ID, "umi"); return err })
	}
	if err != nil {
		t.Fatal(err)
	}
	return code
}

// A guesser must not learn from the answer that a code exists.
func TestClaimOfAnotherDevice(t *testing.T) {
	b := newBench(t, sqlite(t))
	code := claimCode(t, b.db, "ana")
	for _, c := range []wire.ClaimRequest{{Code: code, Device: "hlte"}, {Code: "BBBB-BBBB", Device: "hlte"}} {
		if status := b.post(t, wire.PathClaim, c, nil); status != http.StatusForbidden {
			t.Errorf("code %s for another device was answered with %d, expected 403", c.Code, status)
		}
	}
	if status := b.post(t, wire.PathClaim, wire.ClaimRequest{Code: code, Device: "umi"}, nil); status != http.StatusOK {
		t.Errorf("the code's own device was answered with %d", status)
	}
}

// One member with one claim asks for many offers, some before the claim, and
// says that all of them failed.
func TestOneClaimDoesNotHalt(t *testing.T) {
	b := newBench(t, sqlite(t))
	b.refresh(t)
	early := b.offer(t, checkin())
	var r wire.ClaimReply
	if status := b.post(t, wire.PathClaim, wire.ClaimRequest{Code: claimCode(t, b.db, "eve"), Device: "umi"}, &r); status != http.StatusOK {
		t.Fatalf("the claim was answered with %d", status)
	}
	b.write(t, func(tx *db.Tx) error { // she has had it for long
		_, err := tx.Exec("UPDATE claims SET created_at = 1")
		return err
	})
	c := checkin()
	c.Ticket = r.Ticket
	for _, o := range []*wire.Offer{early, b.offer(t, c), b.offer(t, c)} {
		for _, stage := range []string{"verify", "apply", "boot"} {
			if status := b.post(t, wire.PathOutcome, wire.Outcome{Token: o.Token, Ticket: r.Ticket, Event: wire.Failed, Stage: stage}, nil); status != http.StatusNoContent {
				t.Fatalf("failed was answered with %d", status)
			}
		}
	}
	if err := b.api.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.write(t, func(tx *db.Tx) error {
		n, err := outcome.Of(tx, b.rollout.ID)
		if n.Enrolled != (outcome.Group{Failed: 1}) {
			t.Errorf("one handset counts as %+v", n.Enrolled)
		}
		if change, ok := fleet.Advance(&b.rollout, fleet.Evidence{Fresh: outcome.Regional{"": n}}, tx.Now()); ok && change.State == fleet.Halted {
			t.Errorf("one handset halts the rollout: %+v", change)
		}
		return err
	})
}

// A claim to one phone is no voice about another.
func TestClaimOfAnotherPhone(t *testing.T) {
	b := newBench(t, sqlite(t))
	b.refresh(t)
	var code string
	claimCode(t, b.db, "eve")
	b.write(t, func(tx *db.Tx) error {
		m, err := member.ByName(tx, "eve")
		if err == nil {
			code, err = member.NewClaimCode(tx, m.ID, "hlte")
		}
		return err
	})
	var r wire.ClaimReply
	if status := b.post(t, wire.PathClaim, wire.ClaimRequest{Code: code, Device: "hlte"}, &r); status != http.StatusOK {
		t.Fatalf("the claim was answered with %d", status)
	}
	c := checkin()
	c.Ticket = r.Ticket
	if status := b.post(t, wire.PathOutcome, wire.Outcome{Token: b.offer(t, c).Token, Ticket: r.Ticket, Event: wire.Failed, Stage: "boot"}, nil); status != http.StatusNoContent {
		t.Fatalf("failed was answered with %d", status)
	}
	if err := b.api.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.write(t, func(tx *db.Tx) error {
		n, err := outcome.Of(tx, b.rollout.ID)
		if n != (outcome.Counts{Anonymous: outcome.Group{Failed: 1}}) {
			t.Errorf("counted %+v", n)
		}
		return err
	})
}

// One address that floods is slowed down; others, told apart by what a trusted
// proxy says and by nothing else, are not.
func TestFloods(t *testing.T) {
	d := sqlite(t)
	b := newBench(t, d)
	blobs, err := blob.Open(filepath.Join(t.TempDir(), "blobs"))
	if err != nil {
		t.Fatal(err)
	}
	tickets, err := keys.OpenTicket(filepath.Join(t.TempDir(), "ticket.key"))
	if err != nil {
		t.Fatal(err)
	}
	post := func(path, body, forwarded string) int {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, b.http.URL+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("X-Forwarded-For", forwarded)
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		return resp.StatusCode
	}
	guess := `{"code":"BBBB-BBBB","device":"umi"}`
	for _, trusted := range []bool{false, true} {
		o := updateapi.Options{DB: d, Blobs: blobs, Tickets: tickets, BaseURL: "http://x"}
		if trusted {
			o.TrustedProxies = []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
		}
		if b.http.Config.Handler, err = updateapi.New(o); err != nil {
			t.Fatal(err)
		}
		for i := range 25 {
			if got, want := post(wire.PathClaim, guess, "198.51.100.1"), 403; i < 20 && got != want {
				t.Fatalf("trusted %v: guess %d was answered with %d, expected %d", trusted, i, got, want)
			} else if i == 24 && got != 429 {
				t.Errorf("trusted %v: guess %d was answered with %d, expected 429", trusted, i, got)
			}
		}
		want := map[bool]int{false: 429, true: 403}[trusted]
		if got := post(wire.PathClaim, guess, "198.51.100.2"); got != want {
			t.Errorf("trusted %v: another address was answered with %d, expected %d", trusted, got, want)
		}
	}
}

// TestSharedAddress: of the handsets behind a carrier's address, one who sends
// what is forged, or the same outcome over and over, shuts out nobody but itself.
func TestSharedAddress(t *testing.T) {
	b := newBench(t, sqlite(t))
	b.refresh(t)
	for i := range 3000 {
		if status := b.post(t, wire.PathOutcome, wire.Outcome{Token: fmt.Sprint(i), Event: wire.Booted}, nil); status != http.StatusForbidden {
			t.Fatalf("forged outcome %d was answered with %d, expected 403", i, status)
		}
	}
	o := wire.Outcome{Token: b.offer(t, checkin()).Token, Event: wire.Downloaded}
	last := 0
	for range 30 {
		last = b.post(t, wire.PathOutcome, o, nil)
	}
	if last != http.StatusTooManyRequests {
		t.Errorf("the last of one outcome told 30 times was answered with %d, expected 429", last)
	}
	for i := range 3000 {
		token := b.tickets.For("offer").Sign(fmt.Appendf(nil, `{"id":"%d","rollout":%d,"expires":9999999999}`, i, b.rollout.ID))
		if status := b.post(t, wire.PathOutcome, wire.Outcome{Token: token, Event: wire.Downloaded}, nil); status != http.StatusNoContent {
			t.Fatalf("neighbour %d was answered with %d, expected 204", i, status)
		}
	}
	if err := b.api.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.write(t, func(tx *db.Tx) error {
		n, err := outcome.Of(tx, b.rollout.ID)
		if want := (outcome.Group{Downloaded: 3001}); n.Anonymous != want {
			t.Errorf("counted %+v, expected %+v", n.Anonymous, want)
		}
		return err
	})
	// One address has a bound all the same, and no other one's.
	tell := func(i int, from string) int {
		token := b.tickets.For("offer").Sign(fmt.Appendf(nil, `{"id":"%s %d","rollout":%d,"expires":9999999999}`, from, i, b.rollout.ID))
		req := httptest.NewRequest(http.MethodPost, wire.PathOutcome, strings.NewReader(`{"event":"verified","token":"`+token+`"}`))
		req.RemoteAddr = from + ":1234"
		w := httptest.NewRecorder()
		b.api.ServeHTTP(w, req)
		return w.Code
	}
	taken := 0
	for tell(taken, "198.51.100.1") == http.StatusNoContent {
		if taken++; taken > 200_000 {
			t.Fatal("one address tells without end")
		}
	}
	if taken < 20_000 {
		t.Errorf("an address could tell %d outcomes at once, expected 20,000", taken)
	}
	if status := tell(0, "198.51.100.2"); status != http.StatusNoContent {
		t.Errorf("another address was answered with %d", status)
	}
}
