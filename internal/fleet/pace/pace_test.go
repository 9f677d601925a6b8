package pace_test

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/fleet/pace"
)

// TestClasses: each second up to the longest lies in a class whose duration is
// within the error that is stated, classes rise with durations, and there are as
// many as are stated.
func TestClasses(t *testing.T) {
	last := 0
	for s := 1.0; s <= pace.MaxDuration.Seconds(); s = max(s*1.0007, s+0.01) {
		d := time.Duration(s * float64(time.Second))
		c := pace.Class(d)
		if got := pace.Duration(c); math.Abs(got.Seconds()-d.Seconds()) > pace.Error*d.Seconds()*(1+1e-6) {
			t.Fatalf("%v is in class %d, which stands for %v: off by more than %.4f", d, c, got, pace.Error)
		}
		if c < last || c > last+1 {
			t.Fatalf("%v is in class %d, after %d", d, c, last)
		}
		last = c
	}
	if top := pace.Class(pace.MaxDuration); top != pace.Classes-1 || pace.Class(10*pace.MaxDuration) != top || pace.Class(-time.Hour) != 0 || pace.Class(999*time.Millisecond) != 0 || pace.Class(time.Second) != 1 {
		t.Errorf("the longest is in class %d, expected %d", top, pace.Classes-1)
	}
	for c := 1; c < pace.Classes; c++ {
		if got := pace.Class(pace.Duration(c)); got != c {
			t.Errorf("what stands for class %d is in class %d", c, got)
		}
	}
}

// TestQuantiles: of durations of several shapes, spread over nodes and put
// together, each quantile is within the error of the true one.
func TestQuantiles(t *testing.T) {
	const seed = 4
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for name, draw := range map[string]func() float64{
		"a minute or so": func() float64 { return 60 * math.Exp(r.NormFloat64()) },
		"evenly":         func() float64 { return 1 + r.Float64()*86400 },
		"long tail":      func() float64 { return min(pace.MaxDuration.Seconds(), 2/math.Pow(r.Float64(), 2)) },
		"two crowds":     func() float64 { return []float64{5, 40_000}[r.IntN(2)] * (1 + r.Float64()/10) },
		"all the same":   func() float64 { return 600 },
	} {
		var all []float64
		nodes := []pace.Sketch{{}, {}, {}}
		for range 20_000 {
			s := max(1, draw())
			all = append(all, s)
			nodes[r.IntN(len(nodes))].Add(pace.Class(time.Duration(s*float64(time.Second))), 1)
		}
		sum := pace.Sketch{}
		for _, n := range nodes {
			sum.Merge(n)
		}
		slices.Sort(all)
		if sum.N() != 20_000 || len(sum) > pace.Classes {
			t.Errorf("%s: %d durations in %d classes", name, sum.N(), len(sum))
		}
		for _, q := range []float64{0, 0.01, 0.25, 0.5, 0.9, 0.95, 0.999, 1} {
			want := all[max(0, int(math.Ceil(q*20_000))-1)]
			if got := sum.Quantile(q).Seconds(); math.Abs(got-want) > pace.Error*want*(1+1e-6) {
				t.Errorf("%s: quantile %v is %v s, the true one %v s", name, q, got, want)
			}
		}
	}
	var none pace.Sketch
	if none.N() != 0 || none.Quantile(0.5) != 0 {
		t.Error("an empty sketch has a median")
	}
}
