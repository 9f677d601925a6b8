package updateapi_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/fleet/outcome"
	"github.com/fridayos/friday/internal/updateapi"
	"github.com/fridayos/friday/internal/wire"
)

// wireCut is a connection to PostgreSQL that can be cut, as a network does it:
// what is open ends, and nothing new is let in.
type wireCut struct {
	listener net.Listener
	mu       sync.Mutex
	cut      bool
	open     []net.Conn
}

func newWireCut(t *testing.T, address string) (through string, w *wireCut) {
	t.Helper()
	c, err := pgx.ParseConfig(address)
	if err != nil {
		t.Fatal(err)
	}
	network, to := "tcp", net.JoinHostPort(c.Host, strconv.Itoa(int(c.Port)))
	if strings.HasPrefix(c.Host, "/") {
		network, to = "unix", fmt.Sprintf("%s/.s.PGSQL.%d", c.Host, c.Port)
	}
	w = &wireCut{}
	if w.listener, err = net.Listen("tcp", "127.0.0.1:0"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.listener.Close(); w.set(true) })
	go func() {
		for {
			in, err := w.listener.Accept()
			if err != nil {
				return
			}
			out, err := net.Dial(network, to)
			if err != nil || !w.add(in, out) {
				in.Close()
				continue
			}
			go func() { _, _ = io.Copy(out, in); out.Close() }()
			go func() { _, _ = io.Copy(in, out); in.Close() }()
		}
	}()
	u := url.URL{Scheme: "postgres", User: url.UserPassword(c.User, c.Password), Host: w.listener.Addr().String(), Path: "/" + c.Database, RawQuery: "sslmode=disable"}
	return u.String(), w
}

func (w *wireCut) add(conns ...net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.open = append(w.open, conns...); w.cut {
		conns[len(conns)-1].Close()
	}
	return !w.cut
}

func (w *wireCut) set(cut bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.cut = cut; cut {
		for _, c := range w.open {
			c.Close()
		}
		w.open = nil
	}
}

// eachGone runs fn with a server whose database can be taken away and given back,
// and with a way past that.
func eachGone(t *testing.T, fn func(t *testing.T, b *bench, past *db.DB, gone func(bool))) {
	t.Run("sqlite", func(t *testing.T) {
		d, address := openAt(t, dbtest.SQLite(t))
		past, _ := openAt(t, address)
		fn(t, newBench(t, d), past, func(gone bool) { // a file cannot be cut off, but what is looked for in it may be missing
			from, to := "", "_gone"
			if !gone {
				from, to = to, from
			}
			if err := past.Write(t.Context(), func(tx *db.Tx) error {
				for _, table := range []string{"fleet_revision", "outcomes_noted", "rollout_places"} {
					if _, err := tx.Exec("ALTER TABLE " + table + from + " RENAME TO " + table + to); err != nil {
						return err
					}
				}
				return nil
			}); err != nil {
				t.Fatal(err)
			}
		})
	})
	t.Run("postgres", func(t *testing.T) {
		past, address := openAt(t, dbtest.Postgres(t))
		through, w := newWireCut(t, address)
		d, _ := openAt(t, through)
		fn(t, newBench(t, d), past, w.set)
	})
}

func openAt(t testing.TB, address string) (*db.DB, string) {
	t.Helper()
	d, err := db.Open(t.Context(), address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	return d, address
}

// statuses are what handsets of every kind are answered with.
func (b *bench) statuses(t *testing.T) map[string]int {
	t.Helper()
	got := map[string]int{"check-in": b.post(t, wire.PathCheckIn, checkin(), nil)}
	for name, path := range map[string]string{"LineageOS v2": strings.ReplaceAll(wire.PathLineageV2, "{device}", "umi"), "LineageOS v1": "/api/v1/umi/weekly/26.11.20", "GrapheneOS": wire.PathGrapheneOS + "umi-weekly",
		"update_engine": strings.NewReplacer("{device}", "umi", "{channel}", "weekly").Replace(wire.PathUpdateEngine), "package": packageURL(b)} {
		resp, err := http.Get(b.http.URL + path)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		got[name] = resp.StatusCode
	}
	return got
}

func packageURL(b *bench) string {
	p := b.packages["full"]
	return wire.PackagePath(p.Digest.String(), p.File)
}

func (b *bench) expect(t *testing.T, when string, want int) {
	t.Helper()
	for client, got := range b.statuses(t) {
		if got != want {
			t.Errorf("%s: %s is answered with %d, expected %d", when, client, got, want)
		}
	}
	if ready := b.api.Ready() == nil; ready != (want == http.StatusOK) {
		t.Errorf("%s: ready is %v", when, ready)
	}
}

// tell sends an outcome of an offer that has this name.
func (b *bench) tell(t *testing.T, id string, e wire.Event) int {
	t.Helper()
	token := b.tickets.For("offer").Sign(fmt.Appendf(nil, `{"id":%q,"rollout":%d,"expires":%d}`, id, b.rollout.ID, b.db.Now().Add(time.Hour).Unix()))
	return b.post(t, wire.PathOutcome, wire.Outcome{Token: token, Event: e}, nil)
}

// counted are the sums, read past whatever is gone.
func (b *bench) counted(t *testing.T, past *db.DB) (n outcome.Counts) {
	t.Helper()
	if err := past.Read(t.Context(), func(tx *db.Tx) (err error) {
		n, err = outcome.Of(tx, b.rollout.ID)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return n
}

// TestDatabaseGone: within the lease check-ins go on, past it nobody is offered
// anything; outcomes are taken as long as there is room, and counted once when the
// database is back.
func TestDatabaseGone(t *testing.T) {
	eachGone(t, func(t *testing.T, b *bench, past *db.DB, gone func(bool)) {
		b.write(t, func(tx *db.Tx) error {
			_, err := fleet.Next(tx, b.rollout.ID, "ana", "go") // complete, so that other clients are shown it
			return err
		})
		b.refresh(t)
		b.expect(t, "at first", http.StatusOK)
		if status := b.tell(t, "before", wire.Booted); status != http.StatusNoContent {
			t.Fatalf("an outcome was answered with %d", status)
		}
		flush := func(want bool) {
			t.Helper()
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			if err := b.api.Flush(ctx); (err == nil) != want {
				t.Fatalf("flushing says %v", err)
			}
		}
		flush(true)
		gone(true)
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		if err := b.api.Refresh(ctx); err == nil {
			t.Fatal("the database is gone, and the rollouts were read")
		}
		b.advance(5*time.Second - 1)
		b.expect(t, "within the lease", http.StatusOK)
		b.advance(1)
		b.expect(t, "past the lease", http.StatusServiceUnavailable)
		const room = 50
		b.api.SetRoom(room)
		for i := range room {
			if status := b.tell(t, fmt.Sprint(i), wire.Booted); status != http.StatusNoContent {
				t.Fatalf("outcome %d was answered with %d", i, status)
			}
			if i%20 == 0 {
				flush(false)
			}
		}
		for i := range 3 {
			if status := b.tell(t, fmt.Sprint("late ", i), wire.Booted); status != http.StatusServiceUnavailable {
				t.Errorf("past the room: answered with %d, expected 503", status)
			}
		}
		if n := b.api.Waiting(); n != room {
			t.Errorf("%d wait, expected %d", n, room)
		}
		if got := b.counted(t, past); got.Anonymous.Booted != 1 {
			t.Errorf("counted %+v while the database was gone", got)
		}
		gone(false)
		flush(true)
		b.refresh(t)
		b.expect(t, "it is back", http.StatusOK)
		for i := range room { // handsets that did not hear the answer tell again
			b.tell(t, fmt.Sprint(i), wire.Booted)
		}
		b.tell(t, "before", wire.Booted)
		flush(true)
		if got, want := b.counted(t, past), (outcome.Counts{Anonymous: outcome.Group{Booted: room + 1}}); got != want {
			t.Errorf("counted %+v, expected %+v", got, want)
		}
	})
}

// TestLongerLease: whoever runs the server may let it go on for longer without its
// database.
func TestLongerLease(t *testing.T) {
	eachGone(t, func(t *testing.T, b *bench, _ *db.DB, gone func(bool)) {
		api, err := updateapi.New(updateapi.Options{DB: b.db, Blobs: b.blobs, Tickets: b.tickets, BaseURL: "http://x", Lease: 10 * time.Minute, Clock: func() time.Time { return *b.clock.Load() }})
		if err != nil {
			t.Fatal(err)
		}
		n := b.serve(t, api, b.db)
		n.refresh(t)
		gone(true)
		for _, c := range []struct {
			later time.Duration
			want  int
		}{{9 * time.Minute, http.StatusOK}, {time.Minute - 1, http.StatusOK}, {1, http.StatusServiceUnavailable}} {
			b.advance(c.later)
			if got := n.post(t, wire.PathCheckIn, checkin(), nil); got != c.want {
				t.Errorf("%s later: answered with %d, expected %d", c.later, got, c.want)
			}
		}
		gone(false)
	})
}

// TestLaggingNode: a node that has not heard that another pulled a release offers
// it for a lease at most; not even a clock that was set back makes that longer.
func TestLaggingNode(t *testing.T) {
	for name, make := range map[string]func(testing.TB) string{"sqlite": dbtest.SQLite, "postgres": dbtest.Postgres} {
		t.Run(name, func(t *testing.T) {
			d, address := openAt(t, make(t))
			b := newBench(t, d)
			lags := b.node(t, address)
			b.refresh(t)
			lags.refresh(t)
			b.write(t, func(tx *db.Tx) error {
				_, err := fleet.Pull(tx, b.rollout.ID, "ana", "eats photos")
				return err
			})
			b.refresh(t)
			if o := b.offer(t, checkin()); o != nil {
				t.Errorf("it was pulled here, and offered: %+v", o)
			}
			if o := lags.offer(t, checkin()); o == nil {
				t.Error("within its lease the other node offers what it knows; it does not")
			}
			lags.db.SetClock(func() time.Time { return time.Now().Add(-24 * time.Hour) })
			b.advance(5 * time.Second)
			if status := lags.post(t, wire.PathCheckIn, checkin(), nil); status != http.StatusServiceUnavailable {
				t.Errorf("the node that lags answers with %d, expected 503", status)
			}
			lags.refresh(t)
			if o := lags.offer(t, checkin()); o != nil {
				t.Errorf("it was pulled, and the node that has heard of it offers %+v", o)
			}
		})
	}
}

// TestClockSteps: a clock that jumps makes no lease longer, counts nothing twice
// and nothing that has expired, and advances no rollout that its outcomes do not.
func TestClockSteps(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b := newBench(t, d)
		b.write(t, func(tx *db.Tx) (err error) {
			b.rollout, err = fleet.Start(tx, fleet.Plan{Release: "26.11.27", Device: "umi", Channel: wire.Stable, Build: b.new.ID,
				Stages: []fleet.Stage{{Percent: 10, Least: time.Hour, Outcomes: 2}, {Percent: 100}}}, "ana", "go")
			return err
		})
		b.refresh(t)
		step := func(by time.Duration) { d.SetClock(func() time.Time { return time.Now().Add(by) }) }
		flush := func() {
			t.Helper()
			if err := b.api.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		stage := func(when string, want int) {
			t.Helper()
			b.write(t, func(tx *db.Tx) error {
				_, err := fleet.Tick(tx)
				return err
			})
			b.write(t, func(tx *db.Tx) error {
				r, err := fleet.ByID(tx, b.rollout.ID)
				if r.Stage != want || r.State != fleet.Running {
					t.Errorf("%s the rollout is %s at stage %d, expected %d", when, r.State, r.Stage, want)
				}
				return err
			})
		}
		o := b.offer(t, checkin())
		token := func(e wire.Event) int {
			return b.post(t, wire.PathOutcome, wire.Outcome{Token: o.Token, Event: e}, nil)
		}

		step(-48 * time.Hour)
		b.expectOffers(t, "the clock was set back", true)
		if status := token(wire.Downloaded); status != http.StatusNoContent {
			t.Errorf("set back: an outcome was answered with %d", status)
		}
		flush()
		stage("set back", 0)

		step(60 * 24 * time.Hour)
		b.expectOffers(t, "the clock was set forward", true)
		if status := token(wire.Verified); status != http.StatusGone {
			t.Errorf("set forward by two months: an outcome was answered with %d, expected 410", status)
		}
		stage("set forward, without outcomes,", 0)

		step(0)
		for range 2 {
			if status := token(wire.Downloaded); status != http.StatusNoContent {
				t.Errorf("set right: an outcome was answered with %d", status)
			}
		}
		flush()
		b.write(t, func(tx *db.Tx) error {
			all, err := outcome.Sums(tx)
			total := outcome.Group{}
			for _, of := range all {
				total = total.Plus(of.Total().All(), 1)
			}
			if want := (outcome.Group{Downloaded: 1}); total != want {
				t.Errorf("counted %+v, expected %+v", total, want)
			}
			return err
		})
		b.advance(5 * time.Second) // the lease goes by a clock that is not set
		b.expectOffers(t, "past the lease", false)
		step(-time.Hour)
		b.expectOffers(t, "past the lease, and set back", false)
	})
}

// expectOffers says whether check-ins are answered at all.
func (b *bench) expectOffers(t *testing.T, when string, want bool) {
	t.Helper()
	status := b.post(t, wire.PathCheckIn, checkin(), nil)
	if (status == http.StatusOK) != want {
		t.Errorf("%s: a check-in is answered with %d", when, status)
	}
}
