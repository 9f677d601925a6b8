package verdict_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/fridayos/friday/internal/fleet/verdict"
)

// everWorse is the exact probability that a build with a true rate is called
// worse at some look among the first n handsets: the distribution of the bad
// ones, with what has crossed the boundary taken out at every step.
func everWorse(rate, limit float64, n int) float64 {
	alive, crossed := []float64{1}, 0.0
	boundary := int64(1) // it never falls as handsets are added
	for seen := 1; seen <= n; seen++ {
		next := make([]float64, len(alive)+1)
		for bad, p := range alive {
			next[bad] += p * (1 - rate)
			next[bad+1] += p * rate
		}
		for boundary <= int64(seen) && verdict.Evidence(verdict.Tally{N: int64(seen), Bad: boundary}, limit) < -math.Log10(verdict.Alpha) {
			boundary++
		}
		for bad := int(boundary); bad < len(next); bad++ {
			crossed += next[bad]
		}
		alive = next[:min(int(boundary), len(next))]
	}
	return crossed
}

func TestErrorIsAtMostAlpha(t *testing.T) {
	for _, limit := range []float64{0.0005, 0.01, 0.02, 0.3} {
		for _, rate := range []float64{limit, limit / 2} {
			if p := everWorse(rate, limit, 5000); p > verdict.Alpha || rate == limit && p < verdict.Alpha/1000 {
				t.Errorf("with a limit of %g a build at %g is called worse with a probability of %g within 5,000 looks, expected at most %g", limit, rate, p, verdict.Alpha)
			}
		}
	}
}

// TestGoodBuilds states what the package comment says of a build that is as
// good as the one before: summed over what the build before may have shown.
func TestGoodBuilds(t *testing.T) {
	const rate, n = 0.01, 2000
	wrong, p := 0.0, math.Pow(1-rate, n)
	for bad := range 80 {
		if p > 1e-9 {
			wrong += p * everWorse(rate, verdict.Limit(verdict.Tally{N: n, Bad: int64(bad)}), n)
		}
		p *= float64(n-bad) / float64(bad+1) * rate / (1 - rate)
	}
	t.Logf("called worse with a probability of %.2g", wrong)
	if wrong > 2e-4 {
		t.Errorf("a good build is called worse with a probability of %g, the package comment says below 0.02%%", wrong)
	}
}

func TestTwoHundredHandsets(t *testing.T) {
	for _, c := range []struct {
		before         verdict.Tally
		limit, visible string
	}{
		{verdict.Tally{N: 200_000, Bad: 2000}, "1.17%", "5.9%"},
		{verdict.Tally{N: 2000, Bad: 20}, "1.93%", "7.5%"},
		{verdict.Tally{}, "2.00%", "7.6%"},
		{verdict.Tally{N: 2000, Bad: 100}, "7.13%", "16.2%"},
	} {
		limit := verdict.Of(verdict.Tally{}, c.before, verdict.First).Limit
		low, high := limit, 1.0
		for high-low > 1e-5 {
			if mid := (low + high) / 2; everWorse(mid, limit, 200) < 0.8 {
				low = mid
			} else {
				high = mid
			}
		}
		if l, v := fmt.Sprintf("%.2f%%", 100*limit), fmt.Sprintf("%.1f%%", 100*high); l != c.limit || v != c.visible {
			t.Errorf("before %+v: the limit is %s and %s is visible, the package comment says %s and %s", c.before, l, v, c.limit, c.visible)
		}
	}
}

func TestOf(t *testing.T) {
	known := verdict.Tally{N: 5000, Bad: 50}
	for _, c := range []struct {
		name          string
		fresh, before verdict.Tally
		worse         bool
	}{
		{"nothing was seen", verdict.Tally{}, known, false},
		{"nothing was seen of either", verdict.Tally{}, verdict.Tally{}, false},
		{"two that failed", verdict.Tally{N: 2, Bad: 2}, verdict.Tally{}, false},
		{"three that failed", verdict.Tally{N: 3, Bad: 3}, verdict.Tally{}, true},
		{"as before", verdict.Tally{N: 100_000, Bad: 1000}, known, false},
		{"a tenth worse", verdict.Tally{N: 100_000, Bad: 1100}, known, false},
		{"twice as bad", verdict.Tally{N: 30_000, Bad: 600}, known, true},
		{"five times as bad", verdict.Tally{N: 300, Bad: 15}, known, true},
		{"far better", verdict.Tally{N: 1_000_000_000, Bad: 1}, known, false},
		{"all bad before", verdict.Tally{N: 1000, Bad: 1000}, verdict.Tally{N: 1000, Bad: 1000}, false},
		{"more bad ones than handsets", verdict.Tally{N: 3, Bad: 9}, known, true},
		{"counts below zero", verdict.Tally{N: -3, Bad: -9}, verdict.Tally{N: -1, Bad: -1}, false},
	} {
		got := verdict.Of(c.fresh, c.before, verdict.First)
		if got.Worse != c.worse || math.IsNaN(got.Evidence) || math.IsInf(got.Evidence, 0) || got.Limit <= 0 || got.Limit >= 1 {
			t.Errorf("%s: %+v, expected worse to be %v", c.name, got, c.worse)
		}
	}
}

func BenchmarkOf(b *testing.B) {
	for b.Loop() {
		verdict.Of(verdict.Tally{N: 1000, Bad: 12}, verdict.Tally{N: 5000, Bad: 50}, verdict.First)
	}
}
