package updateapi

import (
	"encoding/json"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/fridayos/friday/internal/fleet/outcome"
	"github.com/fridayos/friday/internal/limit"
	"github.com/fridayos/friday/internal/updateapi/quickjson"
	"github.com/fridayos/friday/internal/wire"
)

// waiting are outcomes that were taken and are not in the database yet, the
// oldest first.
type waiting struct {
	most    int
	mu      sync.Mutex
	reports []outcome.Report
}

// add takes one more, unless so many wait already that there is no room.
func (w *waiting) add(r outcome.Report) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.reports) >= w.most {
		return false
	}
	w.reports = append(w.reports, r)
	return true
}

func (w *waiting) len() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.reports)
}

// first are the n oldest, or all; they stay until done.
func (w *waiting) first(n int) []outcome.Report {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.reports[:min(n, len(w.reports)):min(n, len(w.reports))]
}

// done drops the n oldest: they are in the database.
func (w *waiting) done(n int) {
	w.mu.Lock()
	defer w.mu.Unlock()
	clear(w.reports[:n]) // their texts
	w.reports = w.reports[n:]
}

func (s *Server) outcome(w http.ResponseWriter, r *http.Request) {
	var o wire.Outcome
	if !readJSON(s, w, r, &o, quickjson.Outcome) {
		s.metrics.outcomes.WithLabelValues("bad").Inc()
		return
	}
	report, status, why := s.readOutcome(&o)
	if status != 0 {
		s.metrics.outcomes.WithLabelValues("refused").Inc()
		fail(w, status, "cannot take outcome: "+why)
		return
	}
	// Only now: thousands may share a carrier's address, and one of them who sends
	// what is forged, or the same again and again, must not shut out the others.
	if !s.retold.Allow(report.Token.ID) || !s.teller.Allow(limit.Caller(r, s.o.TrustedProxies)) {
		s.metrics.outcomes.WithLabelValues("limited").Inc()
		fail(w, http.StatusTooManyRequests, "cannot take outcome: too many come of this offer or from this address; try again later")
		return
	}
	if !s.waiting.add(report) {
		s.metrics.outcomes.WithLabelValues("full").Inc()
		fail(w, http.StatusServiceUnavailable, "cannot take outcome: too many wait to be written")
		return
	}
	s.reached(&report)
	s.metrics.outcome[o.Event].Inc()
	s.metrics.since[o.Event].Observe(float64(report.At - report.Offered))
	w.WriteHeader(http.StatusNoContent)
}

// readOutcome verifies an outcome; status is 0 when it counts.
func (s *Server) readOutcome(o *wire.Outcome) (report outcome.Report, status int, why string) {
	if !o.Event.Valid() {
		return report, http.StatusBadRequest, fmt.Sprintf("event is %.32q, expected downloaded, verified, applied, booted, healthy, rolled_back or failed", o.Event)
	}
	for _, f := range []string{o.Stage, o.Code, o.Detail, o.Incremental} {
		if len(f) > wire.MaxField {
			return report, http.StatusBadRequest, fmt.Sprintf("a field has %d bytes, at most %d are allowed", len(f), wire.MaxField)
		}
	}
	body, err := s.offers.Verify(o.Token)
	var token wire.OfferToken
	if err != nil || !quickjson.Token(string(body), &token) && json.Unmarshal(body, &token) != nil {
		return report, http.StatusForbidden, "its token was not signed by this server"
	}
	if s.now().Unix() >= token.Expires {
		return report, http.StatusGone, "its token has expired"
	}
	if o.Event == wire.Booted && o.Incremental != "" {
		if snapshot, ok := s.fresh(); ok {
			if want, known := snapshot.Incremental(token.To); known && want != o.Incremental {
				return report, http.StatusBadRequest, fmt.Sprintf("the handset says that it booted %.64q, and was offered %q", o.Incremental, want)
			}
		}
	}
	// A handset that was claimed between offer and outcome counts as claimed.
	if t := s.readTicket(o.Ticket); t != nil && token.Claim == 0 && t.Device == token.Device {
		token.Claim = t.Claim
	}
	report = outcome.Report{Token: token, Event: o.Event, Stage: o.Stage, Code: o.Code, Offered: token.Expires - int64(tokenLife/time.Second), At: s.now().Unix()}
	return report.Kept(), 0, ""
}
