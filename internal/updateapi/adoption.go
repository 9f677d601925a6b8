package updateapi

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"net/http"
	"strconv"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/fleet/adoption"
	"github.com/fridayos/friday/internal/fleet/outcome"
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
	text := s.askers.Sign([]byte(strconv.FormatInt(day, 10) + " " + limit.Caller(r, s.o.TrustedProxies)))
	sum := sha256.Sum256([]byte(text)) // of what was signed only the tag is secret
	s.adoption.Check(adoption.Key{Day: day, Device: device, Client: client, Build: s.knownBuild(device, incremental)}, binary.BigEndian.Uint64(sum[:]))
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

// writeAdoption writes what was counted; what could not be written waits.
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
