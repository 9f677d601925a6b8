package reach_test

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/fleet/reach"
	"github.com/fridayos/friday/internal/wire"
)

func start(t *testing.T, d *db.DB) (id int64) {
	t.Helper()
	images := []catalog.Partition{{Name: "system", Digest: blob.Digest{1}, Size: 4096}}
	b := catalog.Build{ID: catalog.BuildID("umi", "26.11.27", images), Device: "umi", Version: "26.11.27", Incremental: "26.11.27", PatchLevel: "2026-11-05", SDK: 35, Timestamp: 3000, Images: images}
	write(t, d, func(tx *db.Tx) error {
		if err := catalog.PutBuild(tx, b); err != nil {
			return err
		}
		r, err := fleet.Start(tx, fleet.Plan{Release: "26.11.27", Device: "umi", Channel: wire.Weekly, Build: b.ID}, "ana", "go")
		id = r.ID
		return err
	})
	return id
}

func write(t *testing.T, d *db.DB, fn func(tx *db.Tx) error) {
	t.Helper()
	if err := d.Write(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

// TestNodes: what handsets tell through four nodes is put together, however often
// it is told and written; a handset in two regions is one of all.
func TestNodes(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		const seed, handsets = 8, 9000
		t.Logf("seed %d", seed)
		r := rand.New(rand.NewPCG(seed, 0))
		id := start(t, d)
		var nodes [4]reach.Counter
		key := func(region, from, stage string) reach.Key {
			return reach.Key{Rollout: id, Region: region, From: from, Stage: stage}
		}
		for n := range handsets {
			h := r.Uint64() >> 8
			for range 2 {
				nodes[r.IntN(4)].Add(key("IN", "26.11.20", reach.Offered), h)
			}
			if n%3 == 0 {
				nodes[r.IntN(4)].Add(key("DE", "26.11.13", reach.Offered), h)
				nodes[r.IntN(4)].Add(key("DE", "26.11.13", string(wire.Booted)), h)
			}
		}
		nodes[1].Add(reach.Key{Rollout: id + 1, Stage: reach.Offered}, 7) // does not exist
		nodes[1].Add(key("IN", "26.11.20", string(wire.Failed)), 0)       // a token from before
		for i := range nodes {
			for _, some := range nodes[i].Take().Batches() {
				gone := errors.New("the database is gone")
				if err := d.Write(t.Context(), func(tx *db.Tx) error { return errors.Join(reach.Add(tx, some), gone) }); !errors.Is(err, gone) {
					t.Fatal(err)
				}
				nodes[i].Return(some)
			}
			for range 2 { // again, as a commit of which nobody heard
				counts := nodes[i].Take()
				for _, some := range counts.Batches() {
					write(t, d, func(tx *db.Tx) error { return reach.Add(tx, some) })
				}
				nodes[i].Return(counts)
			}
		}
		write(t, d, func(tx *db.Tx) error {
			got, err := reach.Of(tx, id)
			for _, c := range []struct {
				what      string
				got, want int64
			}{{"offered", got.All[reach.Offered], handsets}, {"offered in India", got.ByRegion["IN"][reach.Offered], handsets}, {"offered in Germany", got.ByRegion["DE"][reach.Offered], handsets / 3},
				{"offered with an older build", got.BySource["26.11.13"][reach.Offered], handsets / 3}, {"booted", got.All[string(wire.Booted)], handsets / 3}, {"failed", got.All[string(wire.Failed)], 0}} {
				if off := math.Abs(float64(c.got - c.want)); off > 0.1*float64(c.want) {
					t.Errorf("%s: %d, expected about %d", c.what, c.got, c.want)
				}
			}
			if len(got.ByRegion) != 2 || len(got.BySource) != 2 {
				t.Errorf("%+v", got)
			}
			var longest int
			if err := tx.QueryRow("SELECT MAX(LENGTH(sketch)) FROM outcome_reach").Scan(&longest); err != nil || longest > 4000 {
				t.Errorf("a sketch has %d bytes, %v", longest, err)
			}
			return err
		})
		later := d.Now().Add(reach.Kept + time.Hour)
		d.SetClock(func() time.Time { return later })
		write(t, d, func(tx *db.Tx) error {
			if err := reach.Forget(tx); err != nil {
				return err
			}
			var c reach.Counter
			c.Add(key("IN", "", reach.Offered), 5)
			if err := reach.Add(tx, c.Take()); err != nil {
				return err
			}
			got, err := reach.Of(tx, id)
			if len(got.ByRegion) != 0 {
				t.Errorf("of an old rollout there is %+v", got)
			}
			return err
		})
	})
}

// TestBounds: a node holds so much and no more.
func TestBounds(t *testing.T) {
	var c reach.Counter
	for i := range 20_000 {
		c.Add(reach.Key{Rollout: 1, From: fmt.Sprint(i), Stage: reach.Offered}, uint64(i+1))
	}
	counts := c.Take()
	if len(counts) != 8000 {
		t.Errorf("it holds %d sketches", len(counts))
	}
	n := 0
	for _, some := range counts.Batches() {
		if n += len(some); len(some) > 200 {
			t.Errorf("%d are written at once", len(some))
		}
	}
	if n != len(counts) {
		t.Errorf("%d are written of %d", n, len(counts))
	}
}
