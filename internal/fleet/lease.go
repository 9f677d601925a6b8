package fleet

import (
	"fmt"
	"maps"
	"slices"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/wire"
)

// LeasePlaces takes places in stages that count handsets, at most as many as are
// wanted of each rollout and as its stage has left. They are the caller's from
// the commit on, to give to one handset each, or to hand back. A rollout of
// which none is left is in the answer with 0.
func LeasePlaces(tx *db.Tx, want map[int64]int64) (map[int64]int64, error) {
	got := map[int64]int64{}
	for _, id := range slices.Sorted(maps.Keys(want)) {
		r, err := ByID(tx, id)
		if err != nil {
			return nil, err
		}
		got[id] = 0
		has := r.Stages[r.Stage].Handsets
		if r.State != Running && r.State != Held || has == 0 || want[id] <= 0 {
			continue
		}
		var taken int64
		if _, err := tx.Exec("INSERT INTO rollout_places (rollout, taken) VALUES ($1, 0) ON CONFLICT DO NOTHING", id); err != nil {
			return nil, err
		}
		if err := tx.QueryRow("SELECT taken FROM rollout_places WHERE rollout = $1", id).Scan(&taken); err != nil {
			return nil, err
		}
		n := min(want[id], has-taken)
		if n <= 0 {
			continue
		}
		// The condition holds on its own: never one too many, whatever was read.
		changed, err := tx.Exec("UPDATE rollout_places SET taken = taken + $2 WHERE rollout = $1 AND taken + $2 <= $3", id, n, has)
		if err != nil {
			return nil, err
		}
		if changed == 1 {
			got[id] = n
		}
	}
	return got, nil
}

// ReturnPlaces hands back places that LeasePlaces gave and no handset got.
func ReturnPlaces(tx *db.Tx, places map[int64]int64) error {
	for _, id := range slices.Sorted(maps.Keys(places)) {
		n, err := tx.Exec("UPDATE rollout_places SET taken = taken - $2 WHERE rollout = $1 AND taken >= $2", id, places[id])
		if err != nil {
			return err
		}
		if n != 1 {
			return fmt.Errorf("cannot hand back %d places of rollout %d: so many were not taken", places[id], id)
		}
	}
	return nil
}

// HasPlace says whether a ticket, which may be nil, holds a place in a rollout
// for the handset of a bucket.
func HasPlace(t *wire.Ticket, rollout int64, bucket int) bool {
	return t != nil && t.Bucket == bucket && slices.Contains(t.Places, rollout)
}

// WithPlace is t, or a new ticket, with a place in a rollout for the handset of a
// bucket. Places of another bucket's handset are not taken along.
func WithPlace(t *wire.Ticket, rollout int64, bucket int) wire.Ticket {
	var next wire.Ticket
	if t != nil {
		next = *t
	}
	if next.Bucket != bucket {
		next.Bucket, next.Places = bucket, nil
	}
	next.Places = append(slices.Clone(next.Places[max(0, len(next.Places)-wire.MaxPlaces+1):]), rollout)
	return next
}
