// Package reach estimates how many different handsets a rollout reached: how many
// were offered its build, and how many told of each stage, by region and by the
// build that they ran. Sums of outcomes (package outcome) count offers; a handset
// that is offered a build again after it failed there is one here.
//
// Nothing is kept of a handset. What goes into a sketch (package distinct, a
// standard error of 2.3%) is a keyed hash that is another one for each rollout: of
// the claim, if a member has claimed the handset, or else of the address that it
// asked from and its bucket. So who asks from several addresses counts for each, and
// of the handsets behind a carrier's address those of one bucket in ten thousand
// count as one. The figures are for people to look at, and no rule depends on them.
package reach

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/fleet/distinct"
)

// Offered is the stage before the first event that a handset tells of.
const Offered = "offered"

// Key is what handsets are counted by.
type Key struct {
	Rollout int64
	Region  string // as outcome.Region writes it; empty: not told
	From    string // incremental of the build before; empty: none that is known
	Stage   string // Offered, or a wire.Event
}

func (k Key) compare(o Key) int {
	return cmp.Or(cmp.Compare(k.Rollout, o.Rollout), strings.Compare(k.Region, o.Region), strings.Compare(k.From, o.From), strings.Compare(k.Stage, o.Stage))
}

// maxKeys bounds what a node holds between two writes, of 2 KiB each at most. What
// comes beyond it is not counted.
const maxKeys = 8_000

// Counts are sketches by key.
type Counts map[Key]*distinct.Sketch

// Counter holds what a node has not written yet. The zero value is ready; many
// may use it at once.
type Counter struct {
	mu     sync.Mutex
	counts Counts
}

// Add counts a handset, which is told apart by a hash of 56 bits; 0 is none.
func (c *Counter) Add(k Key, handset uint64) {
	if handset == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if s := c.at(k); s != nil {
		s.Insert(handset << 8) // a register is chosen by the highest bits
	}
}

// at is the sketch of a key; nil when there are too many.
func (c *Counter) at(k Key) *distinct.Sketch {
	s := c.counts[k]
	if s == nil && len(c.counts) < maxKeys {
		if c.counts == nil {
			c.counts = Counts{}
		}
		s = distinct.New()
		c.counts[k] = s
	}
	return s
}

// Take returns what was counted and begins anew.
func (c *Counter) Take() Counts {
	c.mu.Lock()
	defer c.mu.Unlock()
	counts := c.counts
	c.counts = nil
	return counts
}

// Return puts back what could not be written.
func (c *Counter) Return(counts Counts) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for k, s := range counts {
		if have := c.at(k); have != nil {
			_ = have.Merge(s) // both are of this package
		}
	}
}

// batch is how many sketches are written at once: others who write wait for so
// long, and a database that is in trouble costs no more to try again.
const batch = 200

// Batches cuts counts into what Add should be given in one transaction, in one
// order, so that two nodes do not wait for each other.
func (c Counts) Batches() []Counts {
	var all []Counts
	for keys := range slices.Chunk(slices.SortedFunc(maps.Keys(c), Key.compare), batch) {
		one := make(Counts, len(keys))
		for _, k := range keys {
			one[k] = c[k]
		}
		all = append(all, one)
	}
	return all
}

// Kept is how long after its rollout began a sketch is kept, and added to.
const Kept = 90 * 24 * time.Hour

// Add puts counts together with what is in the database. Doing so twice is doing
// it once. Those of rollouts that do not exist, or are too old, are left out.
func Add(tx *db.Tx, counts Counts) error {
	young := map[int64]bool{}
	for _, k := range slices.SortedFunc(maps.Keys(counts), Key.compare) {
		if _, asked := young[k.Rollout]; !asked {
			var is bool
			if err := tx.QueryRow("SELECT EXISTS (SELECT 1 FROM rollouts WHERE id = $1 AND created_at > $2)", k.Rollout, tx.Now().Add(-Kept)).Scan(&is); err != nil {
				return fmt.Errorf("cannot count handsets: %w", err)
			}
			young[k.Rollout] = is
		}
		if !young[k.Rollout] {
			continue
		}
		if err := add(tx, k, counts[k]); err != nil {
			return fmt.Errorf("cannot count handsets of rollout %d: %w", k.Rollout, err)
		}
	}
	return nil
}

func add(tx *db.Tx, k Key, s *distinct.Sketch) error {
	have, err := db.All(tx, func(s db.Scanner) (text string, err error) { return text, s.Scan(&text) },
		"SELECT sketch FROM outcome_reach WHERE rollout = $1 AND region = $2 AND from_incremental = $3 AND stage = $4", k.Rollout, k.Region, k.From, k.Stage)
	if err != nil {
		return err
	}
	all := s.Clone()
	for _, text := range have {
		old, err := distinct.Read(text)
		if err == nil {
			err = all.Merge(old)
		}
		if err != nil {
			return err
		}
	}
	text, err := all.Text()
	if err != nil || len(have) > 0 && have[0] == text {
		return err
	}
	_, err = tx.Exec("INSERT INTO outcome_reach (rollout, region, from_incremental, stage, sketch) VALUES ($1, $2, $3, $4, $5) "+
		"ON CONFLICT (rollout, region, from_incremental, stage) DO UPDATE SET sketch = excluded.sketch", k.Rollout, k.Region, k.From, k.Stage, text)
	return err
}

// Group is how many different handsets got to each stage, about.
type Group map[string]int64

// Breakdown is how many different handsets a rollout reached. A handset that was
// in two regions, or ran two builds, is one in All and one in each.
type Breakdown struct {
	All                Group
	ByRegion, BySource map[string]Group
}

// Of reads what is kept of a rollout.
func Of(tx *db.Tx, rollout int64) (Breakdown, error) {
	type row struct {
		Key
		text string
	}
	rows, err := db.All(tx, func(s db.Scanner) (r row, err error) {
		return r, s.Scan(&r.Region, &r.From, &r.Stage, &r.text)
	}, "SELECT region, from_incremental, stage, sketch FROM outcome_reach WHERE rollout = $1 ORDER BY region, from_incremental, stage", rollout)
	if err != nil {
		return Breakdown{}, fmt.Errorf("cannot read how many handsets rollout %d reached: %w", rollout, err)
	}
	var sum [3]map[string]map[string]*distinct.Sketch // of all, by region, by source; by name and stage
	for i := range sum {
		sum[i] = map[string]map[string]*distinct.Sketch{}
	}
	for _, r := range rows {
		s, err := distinct.Read(r.text)
		if err != nil {
			return Breakdown{}, err
		}
		for i, name := range []string{"", r.Region, r.From} {
			of := sum[i][name]
			if of == nil {
				of = map[string]*distinct.Sketch{}
				sum[i][name] = of
			}
			if of[r.Stage] == nil {
				of[r.Stage] = distinct.New()
			}
			if err := of[r.Stage].Merge(s); err != nil {
				return Breakdown{}, err
			}
		}
	}
	count := func(by map[string]map[string]*distinct.Sketch) map[string]Group {
		all := map[string]Group{}
		for name, of := range by {
			all[name] = Group{}
			for stage, s := range of {
				all[name][stage] = s.Count()
			}
		}
		return all
	}
	return Breakdown{All: count(sum[0])[""], ByRegion: count(sum[1]), BySource: count(sum[2])}, nil
}

// Forget drops the sketches of rollouts that are too old.
func Forget(tx *db.Tx) error {
	_, err := tx.Exec("DELETE FROM outcome_reach WHERE rollout IN (SELECT id FROM rollouts WHERE created_at <= $1)", tx.Now().Add(-Kept))
	return err
}
