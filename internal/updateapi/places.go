package updateapi

import (
	"context"
	"maps"
	"sync"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/wire"
)

// places are those in stages that count handsets which this node has leased and
// not given away yet, and those that handsets asked for in vain. A place is given
// once: what becomes of it after that, if the answer is lost, it is gone.
type places struct {
	mu   sync.Mutex
	have map[int64]int64     // by rollout
	want map[int64]int64     // since the last lease
	used map[int64]time.Time // when one was leased or given last
	full map[int64]time.Time // when none was left
}

const (
	placesIdle = 30 * time.Second // leased ones that nobody asks for go back
	placesFull = 30 * time.Second // others may hand some back until then
	maxLeased  = 1000             // of one rollout at once
)

func newPlaces() *places {
	return &places{have: map[int64]int64{}, want: map[int64]int64{}, used: map[int64]time.Time{}, full: map[int64]time.Time{}}
}

// take gives one place away; soon says that there may be one in a moment.
func (p *places) take(rollout int64, now time.Time) (ok, soon bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.have[rollout] > 0 {
		p.have[rollout]--
		p.used[rollout] = now
		return true, false
	}
	if since, full := p.full[rollout]; full && now.Sub(since) < placesFull {
		return false, false
	}
	p.want[rollout] = min(p.want[rollout]+1, maxLeased)
	return false, true
}

// wanted takes what handsets asked for.
func (p *places) wanted() map[int64]int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	want := p.want
	p.want = map[int64]int64{}
	return want
}

func (p *places) leased(got map[int64]int64, now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for id, n := range got {
		if n == 0 {
			p.full[id] = now
			continue
		}
		delete(p.full, id)
		p.have[id] += n
		p.used[id] = now
	}
}

// idle takes the places that nobody asked for since before.
func (p *places) idle(before time.Time) map[int64]int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	idle := map[int64]int64{}
	for id, n := range p.have {
		if p.used[id].After(before) {
			continue
		}
		if n > 0 {
			idle[id] = n
		}
		delete(p.have, id)
		delete(p.used, id)
	}
	maps.DeleteFunc(p.full, func(_ int64, since time.Time) bool { return !since.After(before) })
	return idle
}

// LeasePlaces leases the places that handsets asked for, and hands back those
// that nobody wants. A place of which it is not sure whether it was leased or
// handed back is given to nobody.
func (s *Server) LeasePlaces(ctx context.Context) error {
	return s.movePlaces(ctx, s.places.wanted(), s.places.idle(s.o.Clock().Add(-placesIdle)))
}

func (s *Server) movePlaces(ctx context.Context, want, idle map[int64]int64) error {
	if len(want) == 0 && len(idle) == 0 {
		return nil
	}
	var got map[int64]int64
	err := s.o.DB.Write(ctx, func(tx *db.Tx) (err error) {
		if err := fleet.ReturnPlaces(tx, idle); err != nil {
			return err
		}
		got, err = fleet.LeasePlaces(tx, want)
		return err
	})
	if err != nil {
		return err
	}
	s.places.leased(got, s.o.Clock())
	for _, n := range got {
		s.metrics.places.WithLabelValues("leased").Add(float64(n))
	}
	for _, n := range idle {
		s.metrics.places.WithLabelValues("returned").Add(float64(n))
	}
	return nil
}

// decide answers a check-in, with a place where one is needed and free; soon
// says that there may be one in a moment.
func (s *Server) decide(c *wire.CheckIn, t *wire.Ticket) (d fleet.Decision, soon bool) {
	snapshot, now := s.snapshot.Load(), s.o.Clock()
	var full []int64
	for {
		d = fleet.Decide(c, t, snapshot, now, full...)
		if !d.NeedsPlace {
			return d, soon
		}
		ok, again := s.places.take(d.Rollout.ID, now)
		if ok {
			s.metrics.places.WithLabelValues("given").Inc()
			return d, false
		}
		soon = soon || again
		full = append(full, d.Rollout.ID)
	}
}
