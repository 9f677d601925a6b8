package bench

import (
	"context"
	"errors"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/fleet/outcome"
)

// RolloutOptions say what fleet a rollout goes through.
type RolloutOptions struct {
	Handsets int       // in the fleet
	Enrolled float64   // share of them that speak for a member, 0 to 1
	Baseline float64   // share that ends an update badly with a build that is as it should be, 0 to 1
	Worse    []float64 // how many times that of the new build
	Runs     int       // of each
	Seed     uint64
}

// RolloutFigures are how a build with one true rate fared.
type RolloutFigures struct {
	Worse    float64 `json:"worse"`    // times the baseline
	Rate     float64 `json:"rate"`     // true share that ends badly
	Halted   float64 `json:"halted"`   // share of the runs that stopped by themselves
	Held     float64 `json:"held"`     // share of the runs that waited for a human
	Complete float64 `json:"complete"` // share of the runs that reached everyone
	Reached  int     `json:"reached"`  // handsets that were offered it, median
	Reached9 int     `json:"reached_p95"`
	Broken   int     `json:"broken"` // handsets that ended badly, median
	Hours    float64 `json:"hours"`  // until it stopped, median of those that did
}

// A simulated handset asks within sixHours, downloads and applies within three,
// and restarts when its owner does, half a day later on average. Half of those
// that end badly fail while applying, half roll back at the restart.
const (
	simStep  = 30 * time.Minute
	sixHours = 12 // steps
	simDays  = 14
)

// Rollouts sends builds through simulated fleets with fleet.DefaultStages and
// the rule that stops them; each fleet has had one build before. A rollout that
// waits for a human waits for ever. All enrolled handsets are volunteers.
func Rollouts(ctx context.Context, o RolloutOptions) ([]RolloutFigures, error) {
	if o.Handsets < 100 || o.Runs < 1 || o.Enrolled < 0 || o.Enrolled > 1 || o.Baseline <= 0 || o.Baseline >= 1 || len(o.Worse) == 0 {
		return nil, errors.New("cannot simulate rollouts: expected 100 handsets or more, a run or more, and shares between 0 and 1")
	}
	var all []RolloutFigures
	for i, worse := range o.Worse {
		rate := min(worse*o.Baseline, 1)
		f := RolloutFigures{Worse: worse, Rate: rate}
		var reached, broken []int
		var hours []float64
		for run := range o.Runs {
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			s := newSimulated(o, rate, rand.New(rand.NewPCG(o.Seed, uint64(i)<<32|uint64(run))))
			s.run()
			switch s.rollout.State {
			case fleet.Halted:
				f.Halted++
				hours = append(hours, s.now.Sub(simStart).Hours())
			case fleet.Held:
				f.Held++
			case fleet.Complete:
				f.Complete++
			}
			reached, broken = append(reached, s.offered), append(broken, s.broken)
		}
		n := float64(o.Runs)
		f.Halted, f.Held, f.Complete = f.Halted/n, f.Held/n, f.Complete/n
		slices.Sort(reached)
		slices.Sort(broken)
		slices.Sort(hours)
		f.Reached, f.Reached9, f.Broken = reached[len(reached)/2], reached[len(reached)*95/100], broken[len(broken)/2]
		if len(hours) > 0 {
			f.Hours = hours[len(hours)/2]
		}
		all = append(all, f)
	}
	return all, nil
}

var simStart = time.Date(2026, 11, 27, 17, 0, 0, 0, time.UTC)

// simulated is one rollout through one fleet.
type simulated struct {
	o        RolloutOptions
	rate     float64
	random   *rand.Rand
	rollout  fleet.Rollout
	evidence fleet.Evidence
	now      time.Time
	all      [2]int // handsets that are not enrolled, and that are
	got      [2]int // of them were offered it
	offered  int
	broken   int              // what comes in later included
	coming   [][]simulatedEnd // by step
}

type simulatedEnd struct {
	enrolled bool
	add      func(*outcome.Group)
}

func newSimulated(o RolloutOptions, rate float64, random *rand.Rand) *simulated {
	s := &simulated{o: o, rate: rate, random: random, now: simStart, coming: make([][]simulatedEnd, simDays*48+200),
		rollout: fleet.Rollout{State: fleet.Running, Stages: fleet.DefaultStages(), StageSince: simStart}}
	var before outcome.Counts
	for range o.Handsets {
		g := &before.Anonymous
		if random.Float64() < o.Enrolled {
			g = &before.Enrolled
			s.all[1]++
		} else {
			s.all[0]++
		}
		g.Downloaded++
		g.Applied++
		s.end(o.Baseline, func(bad, rolledBack bool) {
			switch {
			case !bad:
				g.Booted++
			case rolledBack:
				g.RolledBack++
			default:
				g.Failed++
			}
		})
	}
	s.evidence = fleet.Evidence{Fresh: outcome.Regional{}, Before: outcome.Regional{"": before}}
	return s
}

func (s *simulated) end(rate float64, fn func(bad, rolledBack bool)) {
	x := s.random.Float64()
	fn(x < rate, x < rate/2)
}

// run goes on until the rollout has stopped or everyone was reached and heard of.
func (s *simulated) run() {
	since := 0 // the step at which the stage began
	for step := range simDays * 48 {
		s.now = simStart.Add(time.Duration(step) * simStep)
		percent := s.rollout.Percent()
		volunteers := max(percent, s.rollout.Stages[s.rollout.Stage].Volunteers)
		// Those of a new stage ask one after the other over six hours.
		left := max(1, sixHours-(step-since))
		for i, percent := range [2]int{percent, volunteers} {
			for range (s.all[i]*percent/100 - s.got[i] + left - 1) / left {
				s.got[i]++
				s.offer(step, i == 1)
			}
		}
		n := s.evidence.Fresh[""]
		for _, e := range s.coming[step] {
			if e.enrolled {
				e.add(&n.Enrolled)
			} else {
				e.add(&n.Anonymous)
			}
		}
		s.evidence.Fresh[""] = n
		c, ok := fleet.Advance(&s.rollout, s.evidence, s.now)
		if !ok {
			continue
		}
		if c.Stage != s.rollout.Stage {
			s.rollout.StageSince, since = s.now, step
		}
		if s.rollout.State, s.rollout.Stage = c.State, c.Stage; c.State == fleet.Halted {
			return
		}
	}
}

// offer gives a handset the build, and plans what it will report.
func (s *simulated) offer(step int, enrolled bool) {
	s.offered++
	plan := func(at int, add func(*outcome.Group)) {
		at = min(at, len(s.coming)-1)
		s.coming[at] = append(s.coming[at], simulatedEnd{enrolled, add})
	}
	down := step + 1 + s.random.IntN(2)
	applied := down + 1 + s.random.IntN(4)
	restart := applied + int(s.random.ExpFloat64()*24)
	plan(down, func(g *outcome.Group) { g.Downloaded++ })
	s.end(s.rate, func(bad, rolledBack bool) {
		if bad {
			s.broken++
		}
		if bad && !rolledBack {
			plan(applied, func(g *outcome.Group) { g.Failed++ })
			return
		}
		plan(applied, func(g *outcome.Group) { g.Applied++ })
		if bad {
			plan(restart, func(g *outcome.Group) { g.RolledBack++ })
		} else {
			plan(restart, func(g *outcome.Group) { g.Booted++ })
		}
	})
}
