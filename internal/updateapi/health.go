package updateapi

import (
	"errors"
	"net/http"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fridayos/friday/internal/fleet"
)

// health is what tells an operator that something fails: the database gone, a node
// that lags, a clock that stepped, clients that are hostile or slow.
type health struct {
	failures *prometheus.CounterVec // of what runs in the background, by task
	success  *prometheus.GaugeVec   // when it last succeeded, by task
	refused  *prometheus.CounterVec // requests, by why
	claims   *prometheus.CounterVec // by what became of them
}

// Tasks that run in the background, and reasons for which requests are refused,
// are all there from the start: a counter that appears with its first failure has
// no rate when it matters.
var (
	tasks   = []string{taskRefresh, taskFlush, taskChecks, taskPlaces}
	refused = []string{refusedLarge, refusedSlow, refusedBroken}
)

const (
	taskRefresh   = "refresh"
	taskFlush     = "flush"
	taskChecks    = "checks"
	taskPlaces    = "places"
	refusedLarge  = "too_large"
	refusedSlow   = "slow"
	refusedBroken = "broken"
)

func newHealth(r prometheus.Registerer, s *Server, began time.Time) (*health, error) {
	opts := func(name, help string) prometheus.Opts {
		return prometheus.Opts{Namespace: "friday", Name: name, Help: help}
	}
	h := &health{
		failures: prometheus.NewCounterVec(prometheus.CounterOpts(opts("background_failures_total", "Times that a task in the background failed, as when the database is gone.")), []string{"task"}),
		success:  prometheus.NewGaugeVec(prometheus.GaugeOpts(opts("background_success_timestamp_seconds", "When a task in the background last succeeded.")), []string{"task"}),
		refused:  prometheus.NewCounterVec(prometheus.CounterOpts(opts("requests_refused_total", "Requests whose body was too large, too slow, or broke off.")), []string{"why"}),
		claims:   prometheus.NewCounterVec(prometheus.CounterOpts(opts("claims_total", "Claims of handsets, by what became of them; limited ones were too many.")), []string{"result"}),
	}
	for _, task := range tasks {
		h.failures.WithLabelValues(task)
	}
	for _, why := range refused {
		h.refused.WithLabelValues(why)
	}
	clock := prometheus.NewGaugeFunc(prometheus.GaugeOpts(opts("clock_step_seconds", "How far the clock was set since the start: it against one that cannot be set.")), func() float64 {
		return clockStep(began, time.Now()).Seconds()
	})
	revision := prometheus.NewGaugeFunc(prometheus.GaugeOpts(opts("rollouts_revision", "Revision of the rollouts that the node goes by: one that lags has a lower one than the others.")), func() float64 {
		if snapshot := s.snapshot.Load(); snapshot != nil {
			return float64(snapshot.Revision)
		}
		return 0
	})
	rollouts := rolloutStates{s, prometheus.NewDesc("friday_rollouts", "Rollouts that the node knows of, by state; those of regions are halted in some.", []string{"state"}, nil)}
	var err error
	for _, c := range []prometheus.Collector{h.failures, h.success, h.refused, h.claims, clock, revision, rollouts} {
		err = errors.Join(err, r.Register(c))
	}
	return h, err
}

// clockStep is how much further the wall clock went than the monotonic one.
func clockStep(began, now time.Time) time.Duration {
	return now.Round(0).Sub(began.Round(0)) - now.Sub(began)
}

// done notes what became of a task's round.
func (h *health) done(task string, err error) {
	if err != nil {
		h.failures.WithLabelValues(task).Inc()
		return
	}
	h.success.WithLabelValues(task).SetToCurrentTime()
}

// unread notes why a body could not be read.
func (h *health) unread(err error) {
	tooLarge, why := (*http.MaxBytesError)(nil), refusedBroken
	switch {
	case errors.As(err, &tooLarge):
		why = refusedLarge
	case errors.Is(err, os.ErrDeadlineExceeded):
		why = refusedSlow
	}
	h.refused.WithLabelValues(why).Inc()
}

// rolloutStates collects how many rollouts are in each state.
type rolloutStates struct {
	s    *Server
	desc *prometheus.Desc
}

// Describe is for prometheus.
func (c rolloutStates) Describe(to chan<- *prometheus.Desc) { to <- c.desc }

// Collect is for prometheus.
func (c rolloutStates) Collect(to chan<- prometheus.Metric) {
	counts := map[fleet.State]int{}
	if snapshot := c.s.snapshot.Load(); snapshot != nil {
		counts = snapshot.States()
	}
	for _, state := range []fleet.State{fleet.Running, fleet.Held, fleet.Halted, fleet.Complete, fleet.Pulled} {
		to <- prometheus.MustNewConstMetric(c.desc, prometheus.GaugeValue, float64(counts[state]), string(state))
	}
}
