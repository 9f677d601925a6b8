package outcome

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/fleet/pace"
	"github.com/fridayos/friday/internal/fleet/reach"
	"github.com/fridayos/friday/internal/wire"
)

// times are when an offer's handset was heard of at the stages that steps are
// measured from, 21 bits each: half of the seconds since 1970, modulo timeSpan, and 1
// more; 0 is not known. So a step is measured to two seconds, up to 24 days. It lies
// with what counts once and goes with it.
type times int64

const (
	timeBits = 21
	timeSpan = 1<<timeBits - 1
	tick     = 2 * time.Second
)

// slot is where the time of an event lies; -1: it is not kept.
func slot(e events) int { return slices.Index([]events{downloaded, applied, booted}, e) }

func stamp(at int64) int64 { return at/int64(tick/time.Second)%timeSpan + 1 }

// with is t with the time of an event; at is seconds since 1970, 0 if not known.
func (t times) with(e events, at int64) times {
	i := slot(e)
	if i < 0 || at <= 0 {
		return t
	}
	return t&^(timeSpan<<(i*timeBits)) | times(stamp(at)<<(i*timeBits))
}

// since is how long before at an event was heard of; ok is false if that is not
// known, or was later.
func (t times) since(e events, at int64) (d time.Duration, ok bool) {
	then := int64(t>>(slot(e)*timeBits)) & timeSpan
	if then == 0 {
		return 0, false
	}
	gone := (stamp(at) - then + timeSpan) % timeSpan
	return time.Duration(gone) * tick, gone <= timeSpan/2
}

// paceKey is a row of the counts of durations. Of its values class is one of
// pace.Classes, and step one of five; the others are bounded as those of key are.
type paceKey struct {
	rollout int64
	region  string
	from    string
	step    pace.Step
	class   int
}

func (k paceKey) compare(o paceKey) int {
	return cmp.Or(cmp.Compare(k.rollout, o.rollout), strings.Compare(k.region, o.region), strings.Compare(k.from, o.from), strings.Compare(string(k.step), string(o.step)), cmp.Compare(k.class, o.class))
}

// steps adds the steps that a report ends to all; before is what was noted when it
// came. A step whose end came before its beginning was not measured, and is not
// counted; nor is one whose beginning never came.
func (t times) steps(all []paceKey, r *Report, before events) []paceKey {
	if r.At <= 0 {
		return all
	}
	add := func(s pace.Step, d time.Duration, ok bool) {
		if ok && d >= 0 {
			all = append(all, paceKey{r.Token.Rollout, r.Token.Region, r.Token.From, s, pace.Class(d)})
		}
	}
	whole := time.Duration(r.At-r.Offered) * time.Second
	from := func(s pace.Step, e events) {
		d, ok := t.since(e, r.At)
		add(s, d, ok && before&e != 0)
	}
	switch r.Event {
	case wire.Downloaded:
		add(pace.Download, whole, r.Offered > 0)
	case wire.Applied:
		from(pace.Apply, downloaded)
	case wire.Booted:
		from(pace.Restart, applied)
		add(pace.Whole, whole, r.Offered > 0)
	case wire.Healthy:
		from(pace.Settle, booted)
	}
	return all
}

// addPaces adds to the counts of durations, in one order as addSums does.
func addPaces(tx *db.Tx, counts map[paceKey]int64) error {
	var args []any
	for _, k := range slices.SortedFunc(maps.Keys(counts), paceKey.compare) {
		args = append(args, k.rollout, k.region, k.from, string(k.step), k.class, counts[k])
	}
	return insert(tx, "INSERT INTO outcome_pace (rollout, region, from_incremental, step, class, n) VALUES ", 6, args,
		" ON CONFLICT (rollout, region, from_incremental, step, class) DO UPDATE SET n = outcome_pace.n + excluded.n")
}

// Pace is how long handsets took for each step; a step that none took is not in it.
type Pace map[pace.Step]pace.Sketch

// Paces are those of one rollout: of all handsets, by region as Region writes it,
// and by the incremental of the build before.
type Paces struct {
	All                Pace
	ByRegion, BySource map[string]Pace
}

// PaceOf reads how long the handsets of one rollout took. Nothing is kept of a
// rollout that began more than reach.Kept ago.
func PaceOf(tx *db.Tx, rollout int64) (Paces, error) {
	p := Paces{Pace{}, map[string]Pace{}, map[string]Pace{}}
	rows, err := tx.Query("SELECT region, from_incremental, step, class, n FROM outcome_pace WHERE rollout = $1", rollout)
	if err != nil {
		return p, fmt.Errorf("cannot read how long handsets took: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var region, from string
		var step pace.Step
		var class int
		var n int64
		if err := rows.Scan(&region, &from, &step, &class, &n); err != nil {
			return p, err
		}
		for _, into := range []Pace{p.All, at(p.ByRegion, region), at(p.BySource, from)} {
			if into[step] == nil {
				into[step] = pace.Sketch{}
			}
			into[step].Add(class, n)
		}
	}
	return p, rows.Err()
}

func at(by map[string]Pace, name string) Pace {
	if by[name] == nil {
		by[name] = Pace{}
	}
	return by[name]
}

// ForgetSketches drops what package reach and this one keep, beside sums, of
// rollouts that began more than reach.Kept ago.
func ForgetSketches(tx *db.Tx) error {
	if err := reach.Forget(tx); err != nil {
		return err
	}
	_, err := tx.Exec("DELETE FROM outcome_pace WHERE rollout IN (SELECT id FROM rollouts WHERE created_at <= $1)", tx.Now().Add(-reach.Kept))
	return err
}
