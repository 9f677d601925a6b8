package updateapi_test

import (
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/updateapi"
	"github.com/fridayos/friday/internal/wire"
)

// node is another server over the same database, with a connection of its own.
func (b *bench) node(t *testing.T, url string) *bench {
	t.Helper()
	d, err := db.Open(t.Context(), url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	api, err := updateapi.New(updateapi.Options{DB: d, Blobs: b.blobs, Tickets: b.tickets, BaseURL: "http://node", Clock: func() time.Time { return *b.clock.Load() }})
	if err != nil {
		t.Fatal(err)
	}
	return b.serve(t, api, d)
}

// TestPlacesOnManyNodes: a stage of seven handsets is offered to seven of 200
// that ask four nodes at once, over and over, with leases in between; one node
// dies with what it has leased, so that fewer may get it, and never more. Each
// keeps its place by its ticket, on any node.
func TestPlacesOnManyNodes(t *testing.T) {
	for name, make := range map[string]func(testing.TB) string{"sqlite": dbtest.SQLite, "postgres": dbtest.Postgres} {
		t.Run(name, func(t *testing.T) {
			const has = 7
			url := make(t)
			first, err := db.Open(t.Context(), url)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { first.Close() })
			b := newBench(t, first)
			b.write(t, func(tx *db.Tx) error {
				_, err := fleet.Start(tx, fleet.Plan{Release: "26.11.27", Device: "umi", Channel: wire.Stable, Build: b.new.ID, Stages: []fleet.Stage{{Handsets: has}, {Percent: 100}}}, "ana", "go")
				return err
			})
			nodes := []*bench{b, b.node(t, url), b.node(t, url), b.node(t, url)}
			for _, n := range nodes {
				n.refresh(t)
			}
			var mu sync.Mutex
			tickets := map[int]string{} // of handsets that were offered it, by bucket
			ask := func(n *bench, bucket int) wire.CheckInReply {
				c := checkin()
				c.Channel, c.Bucket = wire.Stable, bucket
				mu.Lock()
				c.Ticket = tickets[bucket]
				mu.Unlock()
				var reply wire.CheckInReply
				n.post(t, wire.PathCheckIn, c, &reply)
				mu.Lock()
				defer mu.Unlock()
				if reply.Offer != nil && reply.Ticket != "" {
					tickets[bucket] = reply.Ticket
				}
				if had := tickets[bucket]; had != "" && reply.Offer == nil {
					t.Errorf("handset %d lost its place: %s", bucket, reply.Reason)
				}
				return reply
			}
			seed := uint64(time.Now().UnixNano())
			t.Logf("seed %d", seed)
			for round := range 4 {
				var wg sync.WaitGroup
				for worker := range 8 {
					r := rand.New(rand.NewPCG(seed, uint64(round*8+worker)))
					wg.Go(func() {
						for range 25 {
							n := nodes[r.IntN(len(nodes))]
							ask(n, r.IntN(200))
							if r.IntN(5) == 0 {
								if err := n.api.LeasePlaces(context.Background()); err != nil {
									t.Error(err)
								}
							}
						}
					})
				}
				wg.Wait()
				if len(tickets) > has {
					t.Fatalf("round %d: %d handsets were offered a stage of %d", round, len(tickets), has)
				}
				if round == 1 { // it dies, with the places that it holds
					nodes = nodes[:3]
				}
			}
			if len(tickets) == 0 {
				t.Fatal("nobody was offered it")
			}
			for bucket := range tickets {
				for i, n := range nodes {
					if ask(n, bucket).Offer == nil {
						t.Errorf("node %d does not know the place of handset %d", i, bucket)
					}
				}
			}
			// What nobody asks for goes back, and the last handset gets it.
			b.advance(time.Minute)
			for _, n := range nodes {
				n.refresh(t)
				if err := n.api.LeasePlaces(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
			b.write(t, func(tx *db.Tx) error {
				var taken int
				err := tx.QueryRow("SELECT taken FROM rollout_places").Scan(&taken)
				if taken < len(tickets) || taken > has {
					t.Errorf("%d places are taken, of %d, by %d handsets", taken, has, len(tickets))
				}
				return err
			})
		})
	}
}

// TestOnePlace: of a canary of one, a second handset gets nothing, and is told to
// come back soon only while there may be a place.
func TestOnePlace(t *testing.T) {
	b := newBench(t, sqlite(t))
	b.write(t, func(tx *db.Tx) error {
		_, err := fleet.Start(tx, fleet.Plan{Release: "26.11.27", Device: "umi", Channel: wire.Stable, Build: b.new.ID, Stages: []fleet.Stage{{Handsets: 1}, {Percent: 100}}}, "ana", "go")
		return err
	})
	b.refresh(t)
	ask := func(bucket int, ticket string) (reply wire.CheckInReply) {
		t.Helper()
		c := checkin()
		c.Channel, c.Bucket, c.Ticket = wire.Stable, bucket, ticket
		b.post(t, wire.PathCheckIn, c, &reply)
		return reply
	}
	lease := func() {
		t.Helper()
		if err := b.api.LeasePlaces(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if r := ask(1, ""); r.Offer != nil || r.NextCheck != 60 {
		t.Errorf("before a place was leased it is answered %+v", r)
	}
	lease()
	won := ask(2, "")
	if won.Offer == nil || won.Ticket == "" {
		t.Fatalf("with a place leased it is answered %+v", won)
	}
	ask(1, "")
	lease() // none is left
	if r := ask(1, ""); r.Offer != nil || r.NextCheck <= 60 {
		t.Errorf("when none is left it is answered %+v", r)
	}
	if r := ask(1, won.Ticket); r.Offer != nil {
		t.Error("another handset's ticket was good for its place")
	}
	if r := ask(2, won.Ticket); r.Offer == nil || r.Ticket != "" {
		t.Errorf("the handset that has the place is answered %+v", r)
	}
}

// TestPlacesWithoutDatabase: leases fail, and nothing is offered beyond what was
// leased before.
func TestPlacesWithoutDatabase(t *testing.T) {
	b := newBench(t, sqlite(t))
	b.write(t, func(tx *db.Tx) error {
		_, err := fleet.Start(tx, fleet.Plan{Release: "26.11.27", Device: "umi", Channel: wire.Stable, Build: b.new.ID, Stages: []fleet.Stage{{Handsets: 5}, {Percent: 100}}}, "ana", "go")
		return err
	})
	b.refresh(t)
	offers := 0
	round := func() {
		t.Helper()
		for bucket := range 3 {
			c := checkin()
			c.Channel, c.Bucket = wire.Stable, bucket
			var reply wire.CheckInReply
			if b.post(t, wire.PathCheckIn, c, &reply); reply.Offer != nil {
				offers++
			}
		}
	}
	round()
	if err := b.api.LeasePlaces(t.Context()); err != nil {
		t.Fatal(err)
	}
	gone, cancel := context.WithCancel(t.Context())
	cancel()
	for range 3 {
		round()
		_ = b.api.LeasePlaces(gone) // fails, if there is anything to lease
	}
	if offers != 3 {
		t.Errorf("%d were offered it, 3 places were leased", offers)
	}
}
