package updateapi

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"net/http"
	"slices"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/limit"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/updateapi/quickjson"
	"github.com/fridayos/friday/internal/wire"
)

// soonCheck is when a handset should ask again for which a place may be had in a
// moment, in seconds.
const soonCheck = 60

const (
	ticketLife = 400 * 24 * time.Hour // renewed by check-ins from half of it on
	tokenLife  = 30 * 24 * time.Hour  // the handset may report until then
)

func (s *Server) checkIn(w http.ResponseWriter, r *http.Request) {
	c, ok := s.readCheckIn(w, r)
	if !ok {
		s.metrics.checkin.bad.Inc()
		return
	}
	if err := c.Check(); err != nil {
		s.metrics.checkin.bad.Inc()
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	now := s.now()
	if d, ok := fleet.DayOf(&c, now); ok {
		s.days.add(d, 1, now)
		s.firstCheck(&c, d.Day)
	}
	ticket := s.readTicket(c.Ticket)
	told := s.enrol(ticket, c.Device)
	d, soon := s.decide(&c, ticket)
	if d.LeaseOut {
		s.metrics.checkin.leaseOut.Inc()
		fail(w, http.StatusServiceUnavailable, d.Reason)
		return
	}
	reply := wire.CheckInReply{Reason: d.Reason, Recalled: d.Recalled, NextCheck: s.nextCheck(&c)}
	if soon {
		reply.NextCheck = soonCheck
	}
	if d.NeedsPlace {
		with := fleet.WithPlace(ticket, d.Rollout.ID, c.Bucket)
		ticket, told = &with, false
	}
	if ticket != nil && (!told || now.Add(ticketLife/2).Unix() > ticket.Expires) {
		reply.Ticket = s.signTicket(*ticket)
	}
	if d.Offer() {
		s.metrics.checkin.offer.Inc()
		reply.Offer = s.offer(&d, ticket, s.handset(r, &c, &d, ticket))
	} else {
		s.metrics.checkin.none.Inc()
	}
	writeReply(w, &reply)
}

// enrol gives a ticket the channels that its claim opens now, whatever it said:
// a place in the test ring that was given or taken counts from the next
// check-in. A ticket younger than the lease is newer than what we hold, and is
// believed. So a channel outlives the place that gave it by two leases at most
// (10 s): one until no node goes by what it read before, one for a ticket that was
// signed by that. What was offered until then may still be installed. told is false
// if the ticket said otherwise.
func (s *Server) enrol(t *wire.Ticket, device string) (told bool) {
	if t == nil || t.Device == device && s.now().Sub(time.Unix(t.Issued, 0)) < s.o.Lease {
		return true
	}
	var now []string
	if e := s.enrolments.Load(); e != nil && t.Claim != 0 && t.Device == device { // a claim speaks for its own device
		if mine := e.of[t.Claim]; mine.Device == device {
			now = mine.Channels
		}
	}
	told = slices.Equal(t.Channels, now)
	t.Channels = now
	return told
}

// nextCheck spreads handsets evenly, each at its own distance.
func (s *Server) nextCheck(c *wire.CheckIn) int64 {
	every := int64(s.o.CheckEvery / time.Second)
	return max(1, every-every/10+every/5*int64(c.Bucket)/wire.Buckets)
}

func (s *Server) offer(d *fleet.Decision, t *wire.Ticket, handset uint64) *wire.Offer {
	p, b := d.Package, d.Build
	digest := p.Digest.String()
	token := wire.OfferToken{
		ID: rand.Text(), Rollout: d.Rollout.ID, Release: d.Rollout.Release, Device: d.Rollout.Device, Channel: d.Rollout.Channel,
		From: d.From, To: b.ID, Region: d.Region, Package: digest, Handset: handset, Expires: s.now().Add(tokenLife).Unix(),
	}
	if t != nil && t.Device == token.Device { // a claim speaks for its own device
		token.Claim = t.Claim
	}
	return &wire.Offer{
		Release: d.Rollout.Release, Version: b.Incremental, Kind: p.Kind, URL: wire.PackagePath(digest, p.File), SHA256: digest, Size: p.Size,
		PayloadOffset: p.PayloadOffset, PayloadSize: p.PayloadSize, Properties: p.Properties,
		Timestamp: b.Timestamp, PatchLevel: b.PatchLevel, RollbackIndex: b.RollbackIndex,
		Notes: d.Notes, NotesURL: s.o.BaseURL + "/r/" + d.Rollout.Release, Token: s.offers.Sign(quickjson.AppendToken(make([]byte, 0, 512), &token)),
	}
}

// now is the time by which tickets and tokens expire: the database's, as the
// sums that outcomes flow into go by it too.
func (s *Server) now() time.Time { return s.o.DB.Now() }

func (s *Server) signTicket(t wire.Ticket) string {
	now := s.now()
	t.Issued, t.Expires = now.Unix(), now.Add(ticketLife).Unix()
	body, err := json.Marshal(t)
	if err != nil { // numbers and texts
		panic(err)
	}
	return s.o.Tickets.Sign(body)
}

// readTicket returns nil for none, a forged one and one that has expired: such
// a handset is treated as everyone.
func (s *Server) readTicket(text string) *wire.Ticket {
	if text == "" || len(text) > wire.MaxTicket {
		return nil
	}
	body, err := s.o.Tickets.Verify(text)
	if err != nil {
		return nil
	}
	var t wire.Ticket
	if json.Unmarshal(body, &t) != nil || s.now().Unix() >= t.Expires {
		return nil
	}
	return &t
}

func (s *Server) claim(w http.ResponseWriter, r *http.Request) {
	var c wire.ClaimRequest
	if !readJSON(s, w, r, &c, nil) {
		return
	}
	if c.Code == "" || len(c.Code) > wire.MaxField || c.Device == "" || len(c.Device) > wire.MaxField {
		fail(w, http.StatusBadRequest, "cannot claim handset: code and device must be given")
		return
	}
	if !s.claimer.Allow(limit.Caller(r, s.o.TrustedProxies)) || !s.claims.Allow() {
		s.metrics.health.claims.WithLabelValues("limited").Inc()
		fail(w, http.StatusTooManyRequests, "cannot claim handset: too many are being claimed; try again in a moment")
		return
	}
	var ticket wire.Ticket
	if old := s.readTicket(c.Ticket); old != nil {
		ticket = *old
	}
	err := s.o.DB.Write(r.Context(), func(tx *db.Tx) error {
		claim, err := member.RedeemClaim(tx, c.Code, c.Device)
		if err != nil {
			return err
		}
		enrolments, err := member.Enrolments(tx)
		ticket.Claim, ticket.Device, ticket.Channels = claim.ID, claim.Device, enrolments[claim.ID].Channels
		return err
	})
	if err != nil {
		s.claimFailed(w, err)
		return
	}
	s.metrics.health.claims.WithLabelValues("made").Inc()
	writeJSON(w, http.StatusOK, wire.ClaimReply{Ticket: s.signTicket(ticket)})
}

// claimFailed tells a wrong code from a server in trouble; not why it is wrong.
func (s *Server) claimFailed(w http.ResponseWriter, err error) {
	if invalid := (*member.Invalid)(nil); errors.Is(err, member.ErrCode) || errors.As(err, &invalid) {
		s.metrics.health.claims.WithLabelValues("refused").Inc()
		fail(w, http.StatusForbidden, "cannot claim handset: the code is unknown, used or expired, or for another device, or its member has claimed too many; get a new one on the site")
		return
	}
	s.metrics.health.claims.WithLabelValues("failed").Inc()
	s.o.Log.Error("cannot claim handset", "error", err)
	fail(w, http.StatusServiceUnavailable, "cannot claim handset: the server is in trouble; try again soon")
}
