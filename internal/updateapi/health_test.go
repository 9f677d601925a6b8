package updateapi_test

import (
	"context"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/updateapi"
	"github.com/fridayos/friday/internal/wire"
)

// figure is one series of a registry; -1 if it is not there.
func figure(t *testing.T, r *prometheus.Registry, name, label string) float64 {
	t.Helper()
	all, err := r.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range all {
		if family.GetName() != name {
			continue
		}
		for _, m := range family.GetMetric() {
			if labels := m.GetLabel(); label == "" && len(labels) == 0 || len(labels) == 1 && labels[0].GetValue() == label {
				return m.GetGauge().GetValue() + m.GetCounter().GetValue()
			}
		}
	}
	return -1
}

// TestFiguresOfFailing: an operator sees the database go, a node that lags, what is
// halted, clients that send too much, guessers.
func TestFiguresOfFailing(t *testing.T) {
	b := newBench(t, sqlite(t))
	registry := prometheus.NewPedanticRegistry()
	var other *db.DB
	var err error
	if other, err = db.Open(t.Context(), "sqlite:"+filepath.Join(t.TempDir(), "other.db")); err != nil {
		t.Fatal(err)
	}
	if err := other.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	gone, err := updateapi.New(updateapi.Options{DB: other, Blobs: b.blobs, Tickets: b.tickets, BaseURL: "http://os.example", Metrics: registry, Refresh: time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- gone.Run(ctx) }()
	until := func(what string, so func() bool) {
		t.Helper()
		for deadline := time.Now().Add(time.Minute); !so(); time.Sleep(time.Millisecond) {
			if time.Now().After(deadline) {
				t.Fatalf("not within a minute: %s", what)
			}
		}
	}
	until("the first success", func() bool {
		return figure(t, registry, "friday_background_success_timestamp_seconds", "refresh") > 0
	})
	if n := figure(t, registry, "friday_background_failures_total", "refresh"); n != 0 {
		t.Errorf("before anything failed %v failures are counted, expected 0 and not nothing", n)
	}
	if err := other.Close(); err != nil {
		t.Fatal(err)
	}
	until("failures without a database", func() bool {
		return figure(t, registry, "friday_background_failures_total", "refresh") > 0 && figure(t, registry, "friday_background_failures_total", "flush") >= 0
	})
	cancel()
	<-ended

	registry = prometheus.NewPedanticRegistry()
	api, err := updateapi.New(updateapi.Options{DB: b.db, Blobs: b.blobs, Tickets: b.tickets, BaseURL: "http://os.example", Metrics: registry})
	if err != nil {
		t.Fatal(err)
	}
	n := b.serve(t, api, b.db)
	n.refresh(t)
	was := figure(t, registry, "friday_rollouts_revision", "")
	if figure(t, registry, "friday_rollouts", "running") != 1 || figure(t, registry, "friday_rollouts", "halted") != 0 || was <= 0 {
		t.Errorf("of a running rollout it says %v running, revision %v", figure(t, registry, "friday_rollouts", "running"), was)
	}
	b.write(t, func(tx *db.Tx) error {
		_, err := fleet.HaltRegion(tx, b.rollout.ID, fleet.RegionChange{Region: "IN", Reason: "x"}, "ana")
		return err
	})
	n.refresh(t)
	if figure(t, registry, "friday_rollouts", "halted") != 1 || figure(t, registry, "friday_rollouts", "running") != 0 || figure(t, registry, "friday_rollouts_revision", "") <= was {
		t.Error("a rollout that is halted in a region does not show")
	}
	if resp, err := http.Post(n.http.URL+wire.PathCheckIn, "application/json", strings.NewReader(strings.Repeat("x", wire.MaxRequest+1))); err != nil {
		t.Fatal(err)
	} else if resp.Body.Close(); figure(t, registry, "friday_requests_refused_total", "too_large") != 1 {
		t.Error("a body that is too large is not counted")
	}
	n.post(t, wire.PathClaim, wire.ClaimRequest{Code: "AAAA-AAAA", Device: "umi"}, nil)
	if figure(t, registry, "friday_claims_total", "refused") != 1 {
		t.Error("a guess is not counted")
	}
	if step := figure(t, registry, "friday_clock_step_seconds", ""); step > 5 || step < -5 {
		t.Errorf("nobody set the clock, and it stepped by %v s", step)
	}
}
