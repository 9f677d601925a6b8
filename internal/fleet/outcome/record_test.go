package outcome_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/fleet/outcome"
	"github.com/fridayos/friday/internal/wire"
)

// start starts n rollouts, each of a device of its own.
func start(t testing.TB, d *db.DB, n int) (ids []int64) {
	t.Helper()
	if err := d.Write(t.Context(), func(tx *db.Tx) error {
		ids = nil
		for i := range n {
			device := fmt.Sprint("device", i)
			images := []catalog.Partition{{Name: "system", Digest: blob.Digest{byte(i), byte(i >> 8)}, Size: 4096}}
			b := catalog.Build{ID: catalog.BuildID(device, "26.11.27", images), Device: device, Version: "26.11.27", Incremental: "26.11.27", PatchLevel: "2026-11-05", SDK: 35, Timestamp: 3000, Images: images}
			if err := catalog.PutBuild(tx, b); err != nil {
				return err
			}
			r, err := fleet.Start(tx, fleet.Plan{Release: "26.11.27", Device: device, Channel: wire.Weekly, Build: b.ID}, "ana", "go")
			if err != nil {
				return err
			}
			ids = append(ids, r.ID)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return ids
}

// reports are n outcomes of as many offers, of rollouts drawn at random.
func reports(d *db.DB, r *rand.Rand, ids []int64, n int) []outcome.Report {
	events := []wire.Event{wire.Downloaded, wire.Verified, wire.Applied, wire.Booted, wire.Healthy}
	all := make([]outcome.Report, n)
	for i := range all {
		all[i] = outcome.Report{Token: wire.OfferToken{ID: fmt.Sprint(r.Uint64()), Rollout: ids[r.IntN(len(ids))], Region: "IN", Expires: d.Now().Add(time.Hour).Unix()}, Event: events[r.IntN(len(events))],
			Offered: d.Now().Unix() - 3600, At: d.Now().Unix() - r.Int64N(3500)}
	}
	return all
}

func record(t testing.TB, d *db.DB, all []outcome.Report) (fresh int) {
	t.Helper()
	if err := d.Write(t.Context(), func(tx *db.Tx) (err error) {
		fresh, err = outcome.Record(tx, all)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return fresh
}

// TestManyAtOnce: of more outcomes than one statement takes each counts once, in
// the sum that it belongs to, however they are cut and repeated.
func TestManyAtOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		const seed = 6
		t.Logf("seed %d", seed)
		r := rand.New(rand.NewPCG(seed, 0))
		ids := start(t, d, 40)
		all := reports(d, r, ids, 3001)
		want := map[int64]outcome.Group{}
		for _, one := range all {
			g := want[one.Token.Rollout]
			switch one.Event {
			case wire.Downloaded:
				g.Downloaded++
			case wire.Verified:
				g.Verified++
			case wire.Applied:
				g.Applied++
			case wire.Booted:
				g.Booted++
			case wire.Healthy:
				g.Healthy++
			}
			want[one.Token.Rollout] = g
		}
		fresh := 0
		for len(all) > 0 { // some come again in the same flush, some in the next
			n := min(len(all), 1+r.IntN(1200))
			again := append(append([]outcome.Report(nil), all[:n]...), all[:n/2]...)
			fresh += record(t, d, again)
			fresh += record(t, d, all[:n/3])
			all = all[n:]
		}
		if fresh != 3001 {
			t.Errorf("%d were new, expected 3001", fresh)
		}
		if err := d.Read(t.Context(), func(tx *db.Tx) error {
			sums, err := outcome.Sums(tx)
			for _, id := range ids {
				if got := sums[id].Total(); got.Anonymous != want[id] || got.Enrolled != (outcome.Group{}) {
					t.Errorf("rollout %d: counted %+v, expected %+v", id, got, want[id])
				}
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	})
}

// BenchmarkRecord writes what 2,500 handsets told of 3,000 rollouts, as a node
// that 5,000 a second tell does twice a second.
func BenchmarkRecord(b *testing.B) {
	for name, open := range map[string]func(testing.TB) string{"sqlite": dbtest.SQLite, "postgres": dbtest.Postgres} {
		b.Run(name, func(b *testing.B) {
			d, err := db.Open(b.Context(), open(b))
			if err != nil {
				b.Fatal(err)
			}
			defer d.Close()
			r := rand.New(rand.NewPCG(1, 0))
			ids := start(b, d, 3000)
			for b.Loop() {
				b.StopTimer()
				all := reports(d, r, ids, 2500)
				b.StartTimer()
				record(b, d, all)
			}
			b.ReportMetric(float64(b.N)*2500/b.Elapsed().Seconds(), "outcomes/s")
		})
	}
}

// BenchmarkRecordNodes is four nodes that flush at once, of the same few rollouts:
// all of them add to the same sums.
func BenchmarkRecordNodes(b *testing.B) {
	const nodes, each = 4, 1000
	d, err := db.Open(b.Context(), dbtest.Postgres(b))
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	r := rand.New(rand.NewPCG(1, 0))
	ids := start(b, d, 20)
	for b.Loop() {
		var all [nodes][]outcome.Report
		for i := range all {
			all[i] = reports(d, r, ids, each)
		}
		var wg sync.WaitGroup
		for i := range all {
			wg.Go(func() {
				if err := d.Write(b.Context(), func(tx *db.Tx) error { _, err := outcome.Record(tx, all[i]); return err }); err != nil {
					b.Error(err)
				}
			})
		}
		wg.Wait()
	}
	b.ReportMetric(float64(b.N)*nodes*each/b.Elapsed().Seconds(), "outcomes/s")
}

// TestNotedBefore: what was counted while each event had a row of its own is not
// counted again, and what has not been is.
func TestNotedBefore(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ids := start(t, d, 1)
		report := func(e wire.Event, stage string, claim int64) outcome.Report {
			return outcome.Report{Token: wire.OfferToken{ID: "old", Rollout: ids[0], Claim: claim, Expires: d.Now().Add(time.Hour).Unix()}, Event: e, Stage: stage}
		}
		if err := d.Write(t.Context(), func(tx *db.Tx) error {
			for _, row := range [][2]string{{"old", "downloaded"}, {"old", "booted"}, {fmt.Sprint("claim 7 of ", ids[0]), "failed download"}, {fmt.Sprint("member 1 of ", ids[0]), "bad"}} {
				if _, err := tx.Exec("INSERT INTO outcomes_seen (token, event, expires) VALUES ($1, $2, $3)", row[0], row[1], d.Now().Add(time.Hour).Unix()); err != nil {
					return err
				}
			}
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			record(t, d, []outcome.Report{report(wire.Downloaded, "", 0), report(wire.Booted, "", 0), report(wire.Healthy, "", 0), report(wire.Applied, "", 0),
				report(wire.Failed, outcome.StageDownload, 7), report(wire.Failed, outcome.StageApply, 7)})
		}
		if err := d.Write(t.Context(), func(tx *db.Tx) error {
			got, err := outcome.Of(tx, ids[0])
			if want := (outcome.Counts{Anonymous: outcome.Group{Applied: 1, Healthy: 1, Failed: 1}}); got != want {
				t.Errorf("counted %+v, expected %+v", got, want)
			}
			var waiting int
			if err := tx.QueryRow("SELECT COUNT(*) FROM outcomes_waiting").Scan(&waiting); err != nil || waiting != 0 {
				t.Errorf("%d that have booted are waited for, %v", waiting, err)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	})
}
