package fleet

import (
	"slices"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/fleet/outcome"
	"github.com/fridayos/friday/internal/fleet/verdict"
)

// actorRule is who acts when the rule does.
const actorRule = "train"

// Tick advances every rollout by what its outcomes and the time call for, and
// returns those that changed, in state, stage or regions.
func Tick(tx *db.Tx) ([]Rollout, error) {
	if err := outcome.FindSilent(tx); err != nil {
		return nil, err
	}
	all, err := list(tx, "SELECT "+columns+" FROM rollouts WHERE state <> 'planned' ORDER BY created_at DESC, id DESC")
	if err != nil {
		return nil, err
	}
	counted, err := outcome.Sums(tx)
	if err != nil {
		return nil, err
	}
	var changed []Rollout
	earlier := map[lineKey][]Rollout{} // oldest first
	for _, r := range slices.Backward(all) {
		key := lineKey{r.Device, r.Channel}
		of := earlier[key]
		earlier[key] = append(of, r)
		if r.State != Running && r.State != Held && r.State != Complete {
			continue
		}
		e := Evidence{Fresh: counted[r.ID], Before: before(&r, of, counted)}
		did := false
		for _, c := range AdvanceRegions(&r, e) {
			if r, err = HaltRegion(tx, r.ID, c, actorRule); err != nil {
				return nil, err
			}
			did = true
		}
		if c, ok := Advance(&r, e, tx.Now()); ok {
			if r, err = Set(tx, r.ID, c, actorRule); err != nil {
				return nil, err
			}
			did = true
		}
		if percent := good(e.Fresh.Total()); percent != r.Good {
			if _, err := tx.Exec("UPDATE rollouts SET good = $2 WHERE id = $1", r.ID, percent); err != nil {
				return nil, err
			}
			r.Good = percent
			if err := bump(tx, r.ID); err != nil {
				return nil, err
			}
		}
		if did {
			changed = append(changed, r)
		}
	}
	return changed, nil
}

// deepest is how many builds back outcomes are taken from when the build before
// has too few.
const deepest = 5

// before sums the outcomes of the builds before r's on its device and channel,
// from the newest on until enough is known. One that was halted or pulled is
// nothing to be compared with. earlier are those of the same device and channel,
// the oldest first.
func before(r *Rollout, earlier []Rollout, counted map[int64]outcome.Regional) outcome.Regional {
	sum := outcome.Regional{}
	var builds []string
	for _, o := range slices.Backward(earlier) {
		if o.Build == r.Build || o.State == Halted || o.State == Pulled ||
			r.Region != "" && o.Region != "" && o.Region != r.Region {
			continue
		}
		if !slices.Contains(builds, o.Build) {
			if total := sum.Total(); len(builds) == deepest || total.Enrolled.Ended() >= verdict.Least && total.Anonymous.Ended() >= verdict.Least {
				break
			}
			builds = append(builds, o.Build)
		}
		for region, c := range counted[o.ID] {
			s := sum[region]
			s.Enrolled, s.Anonymous = s.Enrolled.Plus(c.Enrolled, 1), s.Anonymous.Plus(c.Anonymous, 1)
			sum[region] = s
		}
	}
	return sum
}
