// Package crowd is many handsets at once, against a running server: what they
// ask, choose, install and report, without a phone behind any of them. For one
// that really installs, see package handset; for the chance that a bad build is
// stopped, without a server, friday bench rollout.
//
// A handset is a few bytes, so that a million fit into memory. It draws its
// device, channel, region, time zone and bucket once, from the seed. In each
// round every handset checks in; whoever is offered a build takes it, reports
// how that went, and runs it from then on if it went well.
package crowd

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/fridayos/friday/internal/wire"
)

// Options say what the fleet is like.
type Options struct {
	Server      string   // address, http:// or https://
	Count       int      // handsets, 1 to MaxCount
	Devices     []string // codenames
	Channels    []string // none: weekly and stable
	Regions     []string // none: not told
	Versions    []string // incrementals that they run at first, as many of each; "26.11.20@1763600000" has a time of its own
	Timestamp   int64    // of those that have none, seconds since 1970
	PatchLevel  string   // of all
	Early       float64  // share whose owners want releases early, 0 to 1
	Modified    float64  // share whose owners changed the system
	Fails       float64  // share of the updates that fail while applying
	RollsBack   float64  // share that roll back at the restart
	Silent      float64  // share that are not heard of after applying
	Rounds      int      // how often each checks in
	Connections int      // at once
	Seed        uint64
	Note        func(Sums) // hears what was done so far, every ten seconds; nil: nobody
}

// MaxCount is the largest fleet.
const MaxCount = 20_000_000

// Check says what is wrong with o.
func (o *Options) Check() error {
	switch {
	case o.Count < 1 || o.Count > MaxCount:
		return fmt.Errorf("cannot simulate fleet: it has %d handsets, expected 1 to %d", o.Count, MaxCount)
	case len(o.Devices) == 0:
		return errors.New("cannot simulate fleet: no device is named")
	case len(o.Devices) > 1<<16 || len(o.Channels) > 1<<8 || len(o.Regions) > 1<<8:
		return errors.New("cannot simulate fleet: too many devices, channels or regions")
	case len(o.Versions) == 0 || len(o.Versions) > 1<<15:
		return fmt.Errorf("cannot simulate fleet: it runs %d versions at first, expected 1 to %d", len(o.Versions), 1<<15)
	case !wire.IsPatchLevel(o.PatchLevel):
		return fmt.Errorf("cannot simulate fleet: the patch level is %q, expected a day such as 2026-11-05", o.PatchLevel)
	case o.Rounds < 1 || o.Connections < 1 || o.Connections > 10_000:
		return errors.New("cannot simulate fleet: expected a round or more, and 1 to 10000 connections")
	}
	for _, share := range []float64{o.Early, o.Modified, o.Fails, o.RollsBack, o.Silent, o.Fails + o.RollsBack + o.Silent} {
		if !(share >= 0 && share <= 1) {
			return fmt.Errorf("cannot simulate fleet: a share is %g, expected 0 to 1, and no more than 1 for all bad ends together", share)
		}
	}
	return nil
}

// Sums are what a fleet did.
type Sums struct {
	Handsets int            `json:"handsets"`
	CheckIns int            `json:"checkins"`
	Offers   int            `json:"offers"`
	Events   map[string]int `json:"events"`   // outcomes that the server took
	Refused  map[string]int `json:"refused"`  // requests by the status of the answer
	Versions map[string]int `json:"versions"` // handsets by what they run at the end
	Seconds  float64        `json:"seconds"`
	PerS     float64        `json:"checkins_per_s"`
}

// phone is one handset.
type phone struct {
	device  uint16
	bucket  uint16
	version uint16 // index into Fleet.versions
	channel uint8
	region  uint8
	zone    int8 // quarters of an hour
	traits  uint8
}

const (
	early = 1 << iota
	modified
	asked // has checked in today
	dead  // does not report any more
)

type version struct {
	incremental, patchLevel string
	timestamp               int64
	rollback                uint64
}

// Fleet is many handsets.
type Fleet struct {
	o       Options
	server  *url.URL
	phones  []phone
	mu      sync.Mutex
	sums    Sums
	runs    []version
	known   map[version]uint16
	tickets map[int]string // of the few that have one
}

// New draws a fleet.
func New(o Options) (*Fleet, error) {
	if len(o.Channels) == 0 {
		o.Channels = []string{wire.Weekly, wire.Stable}
	}
	if len(o.Regions) == 0 {
		o.Regions = []string{""}
	}
	if err := o.Check(); err != nil {
		return nil, err
	}
	server, err := url.Parse(strings.TrimSuffix(o.Server, "/"))
	if err != nil || server.Host == "" || server.Scheme != "http" && server.Scheme != "https" {
		return nil, fmt.Errorf("cannot simulate fleet: the server is %q, expected an address such as \"http://127.0.0.1:8017\"", o.Server)
	}
	f := &Fleet{o: o, server: server, phones: make([]phone, o.Count), known: map[version]uint16{}, tickets: map[int]string{},
		sums: Sums{Handsets: o.Count, Events: map[string]int{}, Refused: map[string]int{}, Versions: map[string]int{}}}
	first := make([]uint16, len(o.Versions))
	for i, text := range o.Versions {
		v := version{text, o.PatchLevel, o.Timestamp, 0}
		if name, at, ok := strings.Cut(text, "@"); ok {
			v.incremental = name
			if v.timestamp, err = strconv.ParseInt(at, 10, 64); err != nil {
				return nil, fmt.Errorf("cannot simulate fleet: a version is %q, expected such as \"26.11.20\" or \"26.11.20@1763600000\"", text)
			}
		}
		first[i] = f.number(v)
	}
	r := rand.New(rand.NewPCG(o.Seed, 0))
	for i := range f.phones {
		p := phone{device: uint16(r.IntN(len(o.Devices))), bucket: uint16(r.IntN(wire.Buckets)), channel: uint8(r.IntN(len(o.Channels))), region: uint8(r.IntN(len(o.Regions))),
			zone: int8(r.IntN(24*4) - 48), version: first[r.IntN(len(first))]}
		if r.Float64() < o.Early {
			p.traits |= early
		}
		if r.Float64() < o.Modified {
			p.traits |= modified
		}
		f.phones[i] = p
	}
	return f, nil
}

// number is the place of a version in the list. The mutex is held, or nobody
// else has f.
func (f *Fleet) number(v version) uint16 {
	n, ok := f.known[v]
	if !ok && len(f.runs) < 1<<16-1 {
		n = uint16(len(f.runs))
		f.runs, f.known[v] = append(f.runs, v), n
	}
	return n
}

// Run lets all check in, round after round.
func (f *Fleet) Run(ctx context.Context) (Sums, error) {
	began := time.Now()
	if f.o.Note != nil {
		tick := time.NewTicker(10 * time.Second)
		defer tick.Stop()
		done := make(chan struct{})
		defer close(done)
		go func() {
			for {
				select {
				case <-tick.C:
					f.o.Note(f.sofar(began))
				case <-done:
					return
				}
			}
		}()
	}
	var failed error
	for round := range f.o.Rounds {
		var wg sync.WaitGroup
		for worker := range f.o.Connections {
			wg.Go(func() {
				r := rand.New(rand.NewPCG(f.o.Seed, uint64(round+1)<<32|uint64(worker)))
				l := &line{f: f}
				defer l.close()
				for i := worker; i < len(f.phones) && ctx.Err() == nil; i += f.o.Connections {
					if err := f.once(ctx, l, i, r); err != nil {
						f.mu.Lock()
						failed = errors.Join(failed, err)
						f.mu.Unlock()
						return
					}
				}
			})
		}
		wg.Wait()
		if failed != nil || ctx.Err() != nil {
			return f.sofar(began), errors.Join(failed, ctx.Err())
		}
	}
	s := f.sofar(began)
	for _, p := range f.phones {
		s.Versions[f.runs[p.version].incremental]++
	}
	return s, nil
}

// sofar is what was done since then, but for who runs what.
func (f *Fleet) sofar(began time.Time) Sums {
	f.mu.Lock()
	defer f.mu.Unlock()
	s := f.sums
	s.Events, s.Refused, s.Versions = maps.Clone(s.Events), maps.Clone(s.Refused), map[string]int{}
	s.Seconds = time.Since(began).Seconds()
	s.PerS = float64(s.CheckIns) / s.Seconds
	return s
}

// once lets a handset check in, and take what it is offered.
func (f *Fleet) once(ctx context.Context, l *line, i int, r *rand.Rand) error {
	p := &f.phones[i]
	if p.traits&dead != 0 {
		return nil
	}
	f.mu.Lock()
	v, ticket := f.runs[p.version], f.tickets[i]
	f.mu.Unlock()
	c := wire.CheckIn{Device: f.o.Devices[p.device], Incremental: v.incremental, Timestamp: v.timestamp, PatchLevel: v.patchLevel, RollbackIndex: v.rollback,
		Channel: f.o.Channels[p.channel], Region: f.o.Regions[p.region], Bucket: int(p.bucket), UTCOffset: int(p.zone) * 15,
		Early: p.traits&early != 0, Modified: p.traits&modified != 0, DaysSinceLast: -1, Ticket: ticket, Agent: "friday-crowd/1"}
	if p.traits&asked != 0 {
		c.DaysSinceLast = 0
	}
	var reply wire.CheckInReply
	ok, err := l.post(ctx, i, wire.PathCheckIn, &c, &reply)
	f.mu.Lock()
	f.sums.CheckIns++
	if ok && reply.Offer != nil {
		f.sums.Offers++
	}
	if ok && reply.Ticket != "" {
		f.tickets[i] = reply.Ticket
	}
	f.mu.Unlock()
	if err != nil || !ok {
		return err
	}
	p.traits |= asked
	if reply.Offer == nil {
		return nil
	}
	return f.install(ctx, l, i, reply.Offer, r.Float64())
}

// install reports how an update goes; fate decides that.
func (f *Fleet) install(ctx context.Context, l *line, i int, o *wire.Offer, fate float64) error {
	p := &f.phones[i]
	outcomes := []wire.Outcome{{Event: wire.Downloaded}, {Event: wire.Verified}}
	bad := f.o.Fails + f.o.RollsBack + f.o.Silent
	switch {
	case fate < f.o.Fails:
		outcomes = append(outcomes, wire.Outcome{Event: wire.Failed, Stage: "apply", Code: "simulated"})
	case fate < f.o.Fails+f.o.RollsBack:
		outcomes = append(outcomes, wire.Outcome{Event: wire.Applied}, wire.Outcome{Event: wire.RolledBack})
	case fate < bad:
		outcomes = append(outcomes, wire.Outcome{Event: wire.Applied})
		p.traits |= dead
	default:
		outcomes = append(outcomes, wire.Outcome{Event: wire.Applied}, wire.Outcome{Event: wire.Booted, Incremental: o.Version})
		f.mu.Lock()
		p.version = f.number(version{o.Version, o.PatchLevel, o.Timestamp, o.RollbackIndex})
		f.mu.Unlock()
	}
	for _, out := range outcomes {
		out.Token = o.Token
		ok, err := l.post(ctx, i, wire.PathOutcome, &out, nil)
		if err != nil {
			return err
		}
		if ok {
			f.mu.Lock()
			f.sums.Events[string(out.Event)]++
			f.mu.Unlock()
		}
	}
	return nil
}
