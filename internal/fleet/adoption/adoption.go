// Package adoption counts which builds handsets run, by what their checks say of
// it: Friday's own, the LineageOS Updater where its address has the build in it,
// Custota and GrapheneOS's Updater by the incremental package that they ask for.
// What a client does not tell is counted as not told.
//
// Nothing is kept of a handset. Friday's clients say themselves that a check is
// their first of the day, so that handsets are counted exactly; of the others it is
// estimated how many askers there were, by a sketch (package distinct, a standard
// error of 2.3%) of a keyed hash of day and address that nobody can turn
// back: a carrier's shared address counts as one. The figures are for people to
// look at, and no rule depends on them.
package adoption

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/device"
	"github.com/fridayos/friday/internal/fleet/distinct"
)

// Client is what asked.
type Client string

// The clients.
const (
	Friday     Client = "friday"
	LineageOS  Client = "lineageos"
	Custota    Client = "custota"
	GrapheneOS Client = "grapheneos"
)

// Key is what checks are counted by.
type Key struct {
	Day    int64 // UTC days since 1970
	Device string
	Client Client
	Build  string // incremental; empty: not told, or none that is known
	Region string // as outcome.Region writes it
}

// DayOf is the day of a time.
func DayOf(at time.Time) int64 { return at.Unix() / 86400 }

const (
	// maxKeys and maxSketches bound what a node holds between two writes: strangers
	// can name many devices. A sketch has 2 KiB at most.
	maxKeys     = 20_000
	maxSketches = 4_000
)

type tally struct {
	checks, handsets int64
	askers           *distinct.Sketch
}

// Counter holds the checks that a node has not written yet. The zero value is
// ready; many may use it at once.
type Counter struct {
	mu       sync.Mutex
	counts   map[Key]*tally
	sketches int
}

// at is the tally of a key; nil when there are too many.
func (c *Counter) at(k Key) *tally {
	t := c.counts[k]
	if t != nil {
		return t
	}
	if len(c.counts) >= maxKeys {
		return nil
	}
	if c.counts == nil {
		c.counts = map[Key]*tally{}
	}
	t = &tally{}
	c.counts[k] = t
	return t
}

// First counts a handset's first check of the day.
func (c *Counter) First(k Key) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if t := c.at(k); t != nil {
		t.checks++
		t.handsets++
	}
}

// Check counts a check of an asker, who is told apart by a hash.
func (c *Counter) Check(k Key, asker uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := c.at(k)
	if t == nil {
		return
	}
	t.checks++
	if t.askers == nil && c.sketches < maxSketches {
		c.sketches++
		t.askers = distinct.New()
	}
	if t.askers != nil {
		t.askers.Insert(asker)
	}
}

// Take returns what was counted and begins anew.
func (c *Counter) Take() map[Key]*tally {
	c.mu.Lock()
	defer c.mu.Unlock()
	counts := c.counts
	c.counts, c.sketches = nil, 0
	return counts
}

// Return puts back what could not be written.
func (c *Counter) Return(counts map[Key]*tally) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for k, n := range counts {
		t := c.at(k)
		if t == nil {
			continue
		}
		t.checks += n.checks
		t.handsets += n.handsets
		switch {
		case n.askers == nil:
		case t.askers == nil:
			t.askers = n.askers
			c.sketches++
		default:
			_ = t.askers.Merge(n.askers) // both have our precision
		}
	}
}

// DaysKept is for how long counts are kept.
const DaysKept = 56

// Add writes counts, those of devices that the catalogue does not have left out,
// and drops what is older than DaysKept.
func Add(tx *db.Tx, counts map[Key]*tally) error {
	if len(counts) == 0 {
		return nil
	}
	known := map[string]bool{}
	list, err := device.List(tx)
	if err != nil {
		return err
	}
	for _, d := range list {
		known[d.Codename] = true
	}
	// In one order, so that two nodes do not wait for each other.
	for _, k := range slices.SortedFunc(maps.Keys(counts), func(a, b Key) int {
		return strings.Compare(fmt.Sprint(a), fmt.Sprint(b))
	}) {
		if !known[k.Device] {
			continue
		}
		if err := add(tx, k, counts[k]); err != nil {
			return fmt.Errorf("cannot count checks: %w", err)
		}
	}
	if _, err := tx.Exec("DELETE FROM build_checks WHERE day <= $1", DayOf(tx.Now())-DaysKept); err != nil {
		return fmt.Errorf("cannot forget old counts of checks: %w", err)
	}
	return nil
}

func add(tx *db.Tx, k Key, n *tally) error {
	sketch := ""
	if n.askers != nil {
		all := n.askers.Clone()
		rows, err := db.All(tx, func(s db.Scanner) (text string, err error) { return text, s.Scan(&text) },
			"SELECT sketch FROM build_checks WHERE day = $1 AND device = $2 AND client = $3 AND build = $4 AND region = $5", k.Day, k.Device, string(k.Client), k.Build, k.Region)
		if err != nil {
			return err
		}
		for _, text := range rows {
			have, err := distinct.Read(text)
			if err == nil {
				err = all.Merge(have)
			}
			if err != nil {
				return err
			}
		}
		if sketch, err = all.Text(); err != nil {
			return err
		}
	}
	_, err := tx.Exec(`INSERT INTO build_checks (day, device, client, build, region, checks, handsets, sketch) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (day, device, client, build, region) DO UPDATE SET checks = build_checks.checks + excluded.checks, handsets = build_checks.handsets + excluded.handsets,
		sketch = CASE WHEN excluded.sketch = '' THEN build_checks.sketch ELSE excluded.sketch END`,
		k.Day, k.Device, string(k.Client), k.Build, k.Region, n.checks, n.handsets, sketch)
	return err
}

// Share is how many handsets asked in a time that run a build, by one client.
type Share struct {
	Client   Client
	Build    string // incremental; empty: not told, or none that is known
	Checks   int64
	Handsets int64 // exact of Friday's own client, estimated of the others
}

// Of reads what the handsets of a device run, by the checks of the day that a time
// is in: the most frequent first. Regions are summed.
func Of(tx *db.Tx, device string, day int64) ([]Share, error) {
	type key struct {
		client Client
		build  string
	}
	rows, err := tx.Query("SELECT client, build, checks, handsets, sketch FROM build_checks WHERE device = $1 AND day = $2", device, day)
	if err != nil {
		return nil, fmt.Errorf("cannot read what handsets run: %w", err)
	}
	defer rows.Close()
	sums, askers := map[key]*Share{}, map[key]*distinct.Sketch{}
	for rows.Next() {
		var k key
		var checks, handsets int64
		var text string
		if err := rows.Scan((*string)(&k.client), &k.build, &checks, &handsets, &text); err != nil {
			return nil, err
		}
		s := sums[k]
		if s == nil {
			s = &Share{Client: k.client, Build: k.build}
			sums[k] = s
		}
		s.Checks += checks
		s.Handsets += handsets
		sketch, err := distinct.Read(text)
		if err == nil && sketch != nil {
			if askers[k] == nil {
				askers[k] = sketch
			} else {
				err = askers[k].Merge(sketch)
			}
		}
		if err != nil {
			return nil, err
		}
	}
	if err := rows.Err(); err != nil {
		return nil, err
	}
	var all []Share
	for k, s := range sums {
		if a := askers[k]; a != nil {
			s.Handsets += min(a.Count(), s.Checks)
		}
		all = append(all, *s)
	}
	slices.SortFunc(all, func(a, b Share) int {
		return slices.Compare([]string{fmt.Sprintf("%020d", b.Handsets), string(a.Client), a.Build}, []string{fmt.Sprintf("%020d", a.Handsets), string(b.Client), b.Build})
	})
	return all, nil
}

// Newest is the newest day that has checks of a device and is over, or else the
// present one; ok is false if there is none.
func Newest(tx *db.Tx, device string) (day int64, ok bool, err error) {
	today := DayOf(tx.Now())
	days, err := db.All(tx, func(s db.Scanner) (d int64, err error) { return d, s.Scan(&d) },
		"SELECT DISTINCT day FROM build_checks WHERE device = $1 AND day <= $2 ORDER BY day DESC LIMIT 2", device, today)
	switch {
	case err != nil || len(days) == 0:
		return 0, false, err
	case days[0] == today && len(days) > 1:
		return days[1], true, nil
	}
	return days[0], true, nil
}
