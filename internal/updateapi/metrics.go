package updateapi

import (
	"errors"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fridayos/friday/internal/wire"
)

type metrics struct {
	checkins, outcomes, packages, lineage, places *prometheus.CounterVec
	counted                                       prometheus.Counter
	health                                        *health
	outcome                                       map[wire.Event]prometheus.Counter                       // of outcomes, found once
	since                                         map[wire.Event]prometheus.Observer                      // found once
	checkin                                       struct{ bad, leaseOut, offer, none prometheus.Counter } // of checkins, found once
}

// sinceBuckets are from ten seconds to a month: what a handset takes that has
// power and a network, and what one takes that waits for its owner.
var sinceBuckets = []float64{10, 60, 300, 900, 3600, 4 * 3600, 12 * 3600, 86400, 2 * 86400, 7 * 86400, 14 * 86400, 30 * 86400}

// newMetrics registers the server's metrics; a nil registerer keeps them apart.
func newMetrics(r prometheus.Registerer, s *Server) (*metrics, error) {
	if r == nil {
		r = prometheus.NewRegistry()
	}
	vec := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "friday", Name: name, Help: help}, []string{label})
	}
	m := &metrics{
		checkins: vec("checkins_total", "Check-ins by what they were answered with.", "result"),
		outcomes: vec("outcomes_total", "Outcomes taken, by event, and those that were not.", "event"),
		packages: vec("package_requests_total", "Requests for packages.", "result"),
		lineage:  vec("lineage_lists_total", "Lists and the like for the clients of other projects.", "result"),
		places:   vec("places_total", "Places in stages that count handsets: leased from the database, given to handsets, returned.", "what"),
		counted:  prometheus.NewCounter(prometheus.CounterOpts{Namespace: "friday", Name: "outcomes_counted_total", Help: "Outcomes that were new and went into the sums."}),
	}
	since := prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: "friday", Name: "outcome_seconds",
		Help: "Seconds from an offer to an outcome that was taken, by event.", Buckets: sinceBuckets}, []string{"event"})
	m.outcome, m.since = map[wire.Event]prometheus.Counter{}, map[wire.Event]prometheus.Observer{}
	for _, e := range []wire.Event{wire.Downloaded, wire.Verified, wire.Applied, wire.Booted, wire.Healthy, wire.RolledBack, wire.Failed} {
		m.outcome[e], m.since[e] = m.outcomes.WithLabelValues(string(e)), since.WithLabelValues(string(e))
	}
	m.checkin.bad, m.checkin.leaseOut = m.checkins.WithLabelValues("bad"), m.checkins.WithLabelValues("lease_out")
	m.checkin.offer, m.checkin.none = m.checkins.WithLabelValues("offer"), m.checkins.WithLabelValues("none")
	pending := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "friday", Name: "outcomes_pending", Help: "Outcomes that wait to be written."}, func() float64 {
		return float64(s.waiting.len())
	})
	lease := prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "friday", Name: "lease_seconds", Help: "What is left of the lease on the rollouts; negative: no offers are made."}, func() float64 {
		snapshot := s.snapshot.Load()
		if snapshot == nil {
			return -s.o.Lease.Seconds()
		}
		return snapshot.Until.Sub(s.o.Clock()).Seconds()
	})
	var err error
	for _, c := range []prometheus.Collector{m.checkins, m.outcomes, m.packages, m.lineage, m.places, m.counted, since, pending, lease} {
		err = errors.Join(err, r.Register(c))
	}
	if err == nil {
		m.health, err = newHealth(r, s, time.Now())
	}
	return m, err
}
