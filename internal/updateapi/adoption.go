package updateapi

import (
	"context"
	"errors"
	"net/http"
	"strconv"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/fleet/adoption"
	"github.com/fridayos/friday/internal/fleet/outcome"
	"github.com/fridayos/friday/internal/fleet/reach"
	"github.com/fridayos/friday/internal/limit"
	"github.com/fridayos/friday/internal/wire"
)

// firstCheck counts a check-in that is the handset's first of the day.
func (s *Server) firstCheck(c *wire.CheckIn, day int64) {
	s.adoption.First(adoption.Key{Day: day, Device: c.Device, Client: adoption.Friday, Build: s.knownBuild(c.Device, c.Incremental), Region: outcome.Region(c.Region)})
}

// checked counts what another project's client told by asking: the build that it
// runs, if it did. Askers are told apart by a hash of day and address, keyed with
// what only this server's nodes know.
func (s *Server) checked(r *http.Request, client adoption.Client, device, incremental string) {
	day := adoption.DayOf(s.now())
	asker := s.askers.Hash([]byte(strconv.FormatInt(day, 10) + " " + limit.Caller(r, s.o.TrustedProxies)))
	s.adoption.Check(adoption.Key{Day: day, Device: device, Client: client, Build: s.knownBuild(device, incremental)}, asker)
}

// handset tells handsets of one rollout apart, as package reach says, and counts
// that this one was offered its build.
func (s *Server) handset(r *http.Request, c *wire.CheckIn, d *fleet.Decision, t *wire.Ticket) uint64 {
	b := strconv.AppendInt(make([]byte, 0, 96), d.Rollout.ID, 10)
	if t != nil && t.Claim != 0 && t.Device == d.Rollout.Device {
		b = strconv.AppendInt(append(b, " claim "...), t.Claim, 10)
	} else {
		b = strconv.AppendInt(append(b, " bucket "...), int64(c.Bucket), 10)
		b = append(append(b, ' '), limit.Caller(r, s.o.TrustedProxies)...)
	}
	hash := s.handsets.Hash(b) >> 8 // as package reach takes it, and quickjson reads it
	s.reach.Add(reach.Key{Rollout: d.Rollout.ID, Region: d.Region, From: d.From, Stage: reach.Offered}, hash)
	return hash
}

// reached counts that a handset told of an event.
func (s *Server) reached(r *outcome.Report) {
	s.reach.Add(reach.Key{Rollout: r.Token.Rollout, Region: r.Token.Region, From: r.Token.From, Stage: string(r.Event)}, r.Token.Handset)
}

// knownBuild is a build's name, or empty: strangers can make up names without end.
func (s *Server) knownBuild(device, incremental string) string {
	if snapshot := s.snapshot.Load(); snapshot != nil && snapshot.Knows(device, incremental) {
		return incremental
	}
	return ""
}

// checkedCsig counts a check of Custota, which asks for the one csig that is for
// what the phone runs.
func (s *Server) checkedCsig(r *http.Request, served fleet.Served) {
	if served.Package.Kind == fleet.KindCsig && r.Method == http.MethodGet {
		from := ""
		if snapshot := s.snapshot.Load(); snapshot != nil {
			from, _ = snapshot.Incremental(served.Package.From)
		}
		s.checked(r, adoption.Custota, served.Package.Device, from)
	}
}

// writeCounts writes what was counted; what could not be written waits.
func (s *Server) writeCounts(ctx context.Context) error {
	return errors.Join(s.writeAdoption(ctx), s.writeReach(ctx))
}

func (s *Server) writeReach(ctx context.Context) (failed error) {
	for _, some := range s.reach.Take().Batches() {
		if failed == nil {
			failed = s.o.DB.Write(ctx, func(tx *db.Tx) error { return reach.Add(tx, some) })
		}
		if failed != nil {
			s.reach.Return(some)
		}
	}
	return failed
}

func (s *Server) writeAdoption(ctx context.Context) error {
	counts := s.adoption.Take()
	if len(counts) == 0 {
		return nil
	}
	if err := s.o.DB.Write(ctx, func(tx *db.Tx) error { return adoption.Add(tx, counts) }); err != nil {
		s.adoption.Return(counts)
		return err
	}
	return nil
}
