// Package updateapi is what handsets call: Friday's own check-in, the LineageOS
// Updater's list, outcomes, claims, and packages by range. What travels is in
// package wire; openapi.yaml, which is served too, describes it.
//
// A check-in touches no database. Each node holds a snapshot of the rollouts,
// read anew every second, under a lease of a few seconds: past it the node makes
// no offers and answers 503, so that what was pulled is gone everywhere within
// the lease. With it a node holds which claimed handsets may follow alpha and
// beta, so that a ticket's own word for that, which outlives a place in the test
// ring, counts for nothing. Outcomes are verified, kept in bounded memory and written as sums
// every second; each counts once, whichever node it came through. A node that
// is killed loses the outcomes of one such interval at most.
//
// The package decides no offer (fleet does) and holds no release key.
package updateapi

import (
	"context"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"golang.org/x/time/rate"

	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/fleet/adoption"
	"github.com/fridayos/friday/internal/fleet/outcome"
	"github.com/fridayos/friday/internal/fleet/reach"
	"github.com/fridayos/friday/internal/keys"
	"github.com/fridayos/friday/internal/limit"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/wire"
)

// PathOpenAPI is where the description of the API lies.
const PathOpenAPI = "/api/friday/v1/openapi.yaml"

//go:embed openapi.yaml
var openAPI []byte

// Options is what the API needs.
type Options struct {
	DB      *db.DB
	Blobs   *blob.Store
	Tickets *keys.Ticket
	BaseURL string // "https://os.example.org": LineageOS needs absolute addresses
	// PackagesURL is where a CDN has the packages under their paths; requests for
	// one that is offered are redirected there, but for those of the CDN itself,
	// which has to send CDN-Loop (RFC 8586). Empty: they are served from here.
	PackagesURL string
	Log         *slog.Logger
	Metrics     prometheus.Registerer
	// OnBooted is told once, inside a transaction, that a claimed handset runs a
	// build. When it fails it is told again.
	OnBooted func(tx *db.Tx, claim int64, build string) error
	// LineageChannel is what LineageOS clients get; empty: weekly.
	LineageChannel string
	Clock          func() time.Time // of the lease; nil: time.Now
	Lease          time.Duration    // 0: 5 s
	TrustedProxies []netip.Prefix   // whose X-Forwarded-For is believed
	Refresh        time.Duration    // of the snapshot and of leased places; 0: 1 s
	Flush          time.Duration    // of the outcomes, as many of which a killed process loses; 0: Refresh
	CheckEvery     time.Duration    // how often handsets should ask; 0: 6 h
}

// Server answers handsets.
type Server struct {
	o       Options
	mux     *http.ServeMux
	offers  *keys.Ticket
	claims  *rate.Limiter  // of all
	claimer *limit.Limiter // each address
	teller  *limit.Limiter // each address
	retold  *limit.Limiter // each offer
	metrics *metrics

	snapshot   atomic.Pointer[fleet.Snapshot]
	enrolments atomic.Pointer[enrolments] // never older than snapshot
	loader     fleet.Loader

	waiting waiting
	flush   sync.Mutex // one at a time

	days     activeDays
	adoption adoption.Counter
	reach    reach.Counter
	askers   *keys.Ticket // keys the hash by which other clients' askers are told apart
	handsets *keys.Ticket // keys the hash by which a rollout's handsets are told apart
	places   *places
}

// enrolments are the channels beyond the open ones, by claim.
type enrolments struct {
	revision int64
	of       map[int64]member.Enrolment
}

// activeDays are check-ins that are not counted in the database yet.
type activeDays struct {
	mu     sync.Mutex
	since  time.Time // of the oldest
	counts map[fleet.Day]int64
}

// daysPatience is how long they wait: a write each second would turn over what
// others keep until something is written.
const daysPatience = time.Minute

func (a *activeDays) add(d fleet.Day, n int64, now time.Time) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.counts == nil {
		a.counts, a.since = map[fleet.Day]int64{}, now
	}
	if _, ok := a.counts[d]; ok || len(a.counts) < maxDays { // strangers can name many devices
		a.counts[d] += n
	}
}

// take returns them if the oldest is not younger than before.
func (a *activeDays) take(before time.Time) map[fleet.Day]int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.since.After(before) {
		return nil
	}
	counts := a.counts
	a.counts = nil
	return counts
}

// Bounds of what a node keeps in memory, and of what it writes at once.
const (
	maxPending = 100_000 // outcomes, some 300 bytes each
	maxFlush   = 1_000   // so that others who write wait for a moment only
	maxBoots   = 200
	maxDays    = 20_000
)

// How often one address may try a claim's code, and tell an outcome: each that
// is taken is a row for a month. A carrier may have a hundred thousand handsets
// behind one address: updated within a day, they tell 20 a second when most of
// them are awake. An offer has six outcomes that count, and may be told again when
// an answer was lost.
const (
	claimRate, claimBurst     = 6.0 / 60, 20
	outcomeRate, outcomeBurst = 100, 20_000
	offerRate, offerBurst     = 1.0 / 60, 20
	maxAddresses              = 50_000
	maxOffers                 = 10_000
)

// patience is how long a client may take to accept an answer, or a piece of a
// package: a slow one gets all of it, and one that does not read holds nothing.
const patience = time.Minute

// New prepares a server. It makes no offers before its first Refresh.
func New(o Options) (*Server, error) {
	switch u, err := url.Parse(o.BaseURL); {
	case o.DB == nil || o.Blobs == nil || o.Tickets == nil:
		return nil, errors.New("cannot make update API: DB, Blobs and Tickets must be given")
	case err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https":
		return nil, fmt.Errorf("cannot make update API: base URL is %q, expected an absolute one such as \"https://os.example.org\"", o.BaseURL)
	}
	if u, err := url.Parse(o.PackagesURL); o.PackagesURL != "" && (err != nil || !strings.HasPrefix(o.BaseURL, u.Scheme+"://")) {
		scheme, _, _ := strings.Cut(o.BaseURL, ":")
		return nil, fmt.Errorf("cannot make update API: packages URL is %q, expected %s as the base URL: clients follow no redirect to another protocol", o.PackagesURL, scheme)
	}
	o.BaseURL, o.PackagesURL = strings.TrimSuffix(o.BaseURL, "/"), strings.TrimSuffix(o.PackagesURL, "/")
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Clock == nil {
		o.Clock = time.Now
	}
	if o.LineageChannel == "" {
		o.LineageChannel = wire.Weekly
	}
	for _, d := range []struct {
		set  *time.Duration
		want time.Duration
	}{{&o.Lease, 5 * time.Second}, {&o.Refresh, time.Second}, {&o.CheckEvery, 6 * time.Hour}} {
		if *d.set == 0 {
			*d.set = d.want
		}
	}
	if o.Flush == 0 {
		o.Flush = o.Refresh
	}
	s := &Server{o: o, mux: http.NewServeMux(), offers: o.Tickets.For("offer"), askers: o.Tickets.For("asker"), handsets: o.Tickets.For("handset"), claims: rate.NewLimiter(20, 100),
		places: newPlaces(), claimer: limit.New(claimRate, claimBurst, maxAddresses), teller: limit.New(outcomeRate, outcomeBurst, maxAddresses),
		retold: limit.New(offerRate, offerBurst, maxOffers), waiting: waiting{most: maxPending}}
	var err error
	if s.metrics, err = newMetrics(o.Metrics, s); err != nil {
		return nil, fmt.Errorf("cannot make update API: %w", err)
	}
	for pattern, handle := range s.routes() {
		s.mux.HandleFunc(pattern, handle)
	}
	return s, nil
}

// routes is all that is answered. None knows members or cookies: what a handset
// may have stands in its signed ticket.
func (s *Server) routes() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		"POST " + wire.PathCheckIn:                     s.checkIn,
		"POST " + wire.PathOutcome:                     s.outcome,
		"POST " + wire.PathClaim:                       s.claim,
		"GET " + wire.PathLineageV2:                    s.lineage,
		"GET " + wire.PathLineageV1:                    s.lineageV1,
		"GET " + wire.PathGrapheneOS + "{name}":        s.grapheneOS,
		"GET " + wire.PathCustota + "{channel}/{file}": s.custota,
		"GET " + wire.PathUpdateEngine:                 s.rawUpdate,
		"GET " + wire.PathPackages + "{digest}/{file}": s.servePackage,
		"GET " + PathOpenAPI:                           serveOpenAPI,
	}
}

// Patterns are the addresses that the server answers, for the mux of a process
// that serves more than this.
func Patterns() []string {
	return []string{"/api/", wire.PathPackages, wire.PathGrapheneOS, wire.PathCustota}
}

// ServeHTTP answers handsets.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header()["X-Content-Type-Options"] = noSniff
	// A recorder in a test has no deadlines; every real connection has.
	_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(patience))
	if r.URL.Path == wire.PathCheckIn && r.Method == http.MethodPost { // nearly all that comes
		s.checkIn(w, r)
		return
	}
	if _, pattern := s.mux.Handler(r); pattern == "" {
		s.notFound(w, r)
		return
	}
	s.mux.ServeHTTP(w, r)
}

// notFound answers as the mux does, in JSON.
func (s *Server) notFound(w http.ResponseWriter, r *http.Request) {
	probe := &headerOnly{header: http.Header{}}
	s.mux.ServeHTTP(probe, r)
	if allow := probe.header.Get("Allow"); allow != "" {
		w.Header().Set("Allow", allow)
		fail(w, http.StatusMethodNotAllowed, "this address takes "+allow)
		return
	}
	fail(w, http.StatusNotFound, "there is nothing at this address; "+PathOpenAPI+" describes what there is")
}

type headerOnly struct{ header http.Header }

func (h *headerOnly) Header() http.Header         { return h.header }
func (h *headerOnly) Write(b []byte) (int, error) { return len(b), nil }
func (h *headerOnly) WriteHeader(int)             {}

// Run refreshes the snapshot, leases places and flushes outcomes until ctx ends;
// then it flushes a last time, and hands places back. It returns an error only if that fails.
func (s *Server) Run(ctx context.Context) error {
	var wg sync.WaitGroup
	every := func(wait time.Duration, task, name string, fn func(context.Context) error) {
		wg.Go(func() {
			tick := time.NewTicker(wait)
			defer tick.Stop()
			for failed := false; ; {
				err := fn(ctx)
				if ctx.Err() != nil {
					return
				}
				s.metrics.health.done(task, err)
				if err != nil && !failed { // once, not every second
					s.o.Log.Error("cannot "+name, "error", err)
				} else if err == nil && failed {
					s.o.Log.Info("can " + name + " again")
				}
				failed = err != nil
				select {
				case <-tick.C:
				case <-ctx.Done():
					return
				}
			}
		})
	}
	every(s.o.Refresh, taskRefresh, "refresh rollouts", s.Refresh)
	every(s.o.Flush, taskFlush, "flush outcomes", func(ctx context.Context) error { return s.write(ctx, daysPatience) })
	every(daysPatience, taskChecks, "count checks", s.writeCounts)
	every(s.o.Refresh, taskPlaces, "lease places", s.LeasePlaces)
	wg.Wait()
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	return errors.Join(s.Flush(last), s.movePlaces(last, nil, s.places.idle(s.o.Clock())))
}

// Refresh reads the snapshot now, or renews its lease when nothing changed.
func (s *Server) Refresh(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, s.o.Lease)
	defer cancel()
	// From before the reading: what changes meanwhile counts as not yet heard of.
	until := s.o.Clock().Add(s.o.Lease)
	var next *fleet.Snapshot
	var enrolled *enrolments
	err := s.o.DB.Read(ctx, func(tx *db.Tx) error {
		var err error
		if enrolled, err = readEnrolments(tx, s.enrolments.Load()); err != nil {
			return err
		}
		have := s.snapshot.Load()
		revision, err := fleet.Revision(tx)
		if err != nil {
			return err
		}
		if have != nil && have.Revision == revision {
			next = have.Renewed(until)
			return nil
		}
		if next, err = s.loader.Load(tx); err == nil {
			next.Until = until
		}
		return err
	})
	if err != nil {
		return err
	}
	s.enrolments.Store(enrolled)
	s.snapshot.Store(next)
	return nil
}

// readEnrolments reads them unless they are those that we have.
func readEnrolments(tx *db.Tx, have *enrolments) (*enrolments, error) {
	revision, err := member.EnrolmentRevision(tx)
	if err != nil || have != nil && have.revision == revision {
		return have, err
	}
	of, err := member.Enrolments(tx)
	return &enrolments{revision, of}, err
}

// Flush writes the outcomes and counts that wait, and hands on the boots of
// claimed handsets.
func (s *Server) Flush(ctx context.Context) error {
	return errors.Join(s.write(ctx, 0), s.writeCounts(ctx))
}

// write is Flush, but for counts younger than wait.
func (s *Server) write(ctx context.Context, wait time.Duration) error {
	s.flush.Lock()
	defer s.flush.Unlock()
	for {
		batch := s.waiting.first(maxFlush)
		if len(batch) == 0 {
			break
		}
		var fresh int
		if err := s.o.DB.Write(ctx, func(tx *db.Tx) (err error) {
			fresh, err = outcome.Record(tx, batch)
			return err
		}); err != nil {
			return err // they stay, and are counted once when the database is back
		}
		s.waiting.done(len(batch))
		s.metrics.counted.Add(float64(fresh))
	}
	if counts := s.days.take(s.now().Add(-wait)); len(counts) > 0 {
		if err := s.o.DB.Write(ctx, func(tx *db.Tx) error { return fleet.AddDays(tx, counts) }); err != nil {
			for d, n := range counts {
				s.days.add(d, n, s.now())
			}
			return err
		}
	}
	return s.handOn(ctx)
}

// handOn tells OnBooted of the boots that it was not told of. One that fails
// does not keep the others back.
func (s *Server) handOn(ctx context.Context) error {
	if s.o.OnBooted == nil {
		return nil
	}
	var boots []outcome.Boot
	if err := s.o.DB.Read(ctx, func(tx *db.Tx) (err error) {
		boots, err = outcome.Boots(tx, maxBoots)
		return err
	}); err != nil {
		return err
	}
	var failed error
	for _, b := range boots {
		err := s.o.DB.Write(ctx, func(tx *db.Tx) error {
			ok, err := outcome.Done(tx, b)
			if err != nil || !ok {
				return err
			}
			return s.o.OnBooted(tx, b.Claim, b.Build)
		})
		if err != nil {
			failed = fmt.Errorf("cannot hand on that claim %d runs build %s: %w", b.Claim, b.Build, err)
		}
	}
	return failed
}

// Ready says why the node can make no offers, or nil.
func (s *Server) Ready() error {
	if _, ok := s.fresh(); !ok {
		return errors.New("cannot make offers: the rollouts were not read within the lease of " + s.o.Lease.String())
	}
	return nil
}

// fresh is the snapshot while its lease runs.
func (s *Server) fresh() (*fleet.Snapshot, bool) {
	snapshot := s.snapshot.Load()
	return snapshot, snapshot != nil && s.o.Clock().Before(snapshot.Until)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	body, err := json.Marshal(v)
	if err != nil { // only our own types come here
		status, body = http.StatusInternalServerError, []byte(`{"error":"cannot write the answer"}`)
	}
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if h.Get("Cache-Control") == "" {
		h.Set("Cache-Control", "no-store")
	}
	w.WriteHeader(status)
	_, _ = w.Write(body) // the client may be gone
}

func fail(w http.ResponseWriter, status int, message string) {
	if status == http.StatusServiceUnavailable || status == http.StatusTooManyRequests {
		w.Header().Set("Retry-After", "5")
	}
	w.Header().Set("Cache-Control", "no-store")
	writeJSON(w, status, wire.Error{Error: message})
}

func serveOpenAPI(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/yaml")
	w.Header().Set("Content-Length", strconv.Itoa(len(openAPI)))
	_, _ = w.Write(openAPI)
}
