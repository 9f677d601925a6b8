package survival

import (
	"math"
	"math/rand/v2"
	"testing"
)

// freireich is the 6-MP arm of Freireich et al. (Blood 21, 1963, 699): weeks of
// remission, the textbooks' example.
var freireich = []Span{
	{6, true, 3}, {6, false, 1}, {7, true, 1}, {9, false, 1}, {10, true, 1}, {10, false, 1}, {11, false, 1}, {13, true, 1}, {16, true, 1},
	{17, false, 1}, {19, false, 1}, {20, false, 1}, {22, true, 1}, {23, true, 1}, {25, false, 1}, {32, false, 2}, {34, false, 1}, {35, false, 1},
}

// The curve is the published one; its bounds are those that Stata's "sts list"
// prints, which are Greenwood's on the scale of log(-log).
func TestTextbook(t *testing.T) {
	c := Estimate(freireich)
	want := []Point{
		{6, .8571, .6197, .9516, 21, 3}, {7, .8067, .5631, .9228, 17, 1}, {10, .7529, .5032, .8894, 15, 1}, {13, .6902, .4316, .8491, 12, 1},
		{16, .6275, .3675, .8049, 11, 1}, {22, .5378, .2678, .7468, 7, 1}, {23, .4482, .1881, .6801, 6, 1},
	}
	if c.Count != 21 || c.Happened != 9 || len(c.Points) != len(want) {
		t.Fatalf("%d of %d in %d points, expected 9 of 21 in %d", c.Happened, c.Count, len(c.Points), len(want))
	}
	near := func(a, b float64) bool { return math.Abs(a-b) < 0.00006 }
	for i, w := range want {
		p := c.Points[i]
		if p.Time != w.Time || p.AtRisk != w.AtRisk || p.Happened != w.Happened || !near(p.Waiting, w.Waiting) || !near(p.Low, w.Low) || !near(p.High, w.High) {
			t.Errorf("point %d is %+v, expected %+v", i, p, w)
		}
	}
	for _, w := range []Quantile{
		{Share: .25, Time: 13, Low: 6, High: 22, Reached: true, LowReached: true, HighReached: true},
		{Share: .5, Time: 23, Low: 13, Reached: true, LowReached: true},
		{Share: .75, Low: 23, LowReached: true},
	} {
		if got := c.Quantile(w.Share); got != w {
			t.Errorf("quantile %+v, expected %+v", got, w)
		}
	}
	for time, w := range map[float64]float64{0: 1, 5.9: 1, 6: .8571, 12: .7529, 99: .4482} {
		if got := c.At(time); !near(got, w) {
			t.Errorf("at %v %v wait, expected %v", time, got, w)
		}
	}
}

func TestSmallAndStrange(t *testing.T) {
	for _, c := range []struct {
		name   string
		spans  []Span
		median Quantile
	}{
		{"nothing", nil, Quantile{Share: .5}},
		{"nothing happened", []Span{{5, false, 9}}, Quantile{Share: .5}},
		{"it happened to all at once", []Span{{5, true, 4}}, Quantile{.5, 5, 5, 5, true, true, true}},
		{"one of one", []Span{{0, true, 0}}, Quantile{.5, 0, 0, 0, true, true, true}},
		{"half, exactly", []Span{{1, true, 1}, {2, true, 1}, {3, true, 1}, {4, false, 3}}, Quantile{Share: .5, Time: 3, Low: 1, Reached: true, LowReached: true}},
		{"no times", []Span{{math.NaN(), true, 1}, {-1, true, 1}, {1, true, -1}}, Quantile{Share: .5}},
	} {
		if got := Estimate(c.spans).Quantile(.5); got != c.median {
			t.Errorf("%s: median %+v, expected %+v", c.name, got, c.median)
		}
	}
}

// Where all are seen to their end, the curve is the plain share of those left;
// always it falls, its bounds hold it, and counts add up.
func TestAnySpans(t *testing.T) {
	const seed = 41
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for range 200 {
		n := 1 + r.IntN(40)
		open := r.IntN(2) == 0
		spans := make([]Span, n)
		for i := range spans {
			spans[i] = Span{Time: float64(r.IntN(15)), Happened: !open || r.IntN(3) > 0}
		}
		c := Estimate(spans)
		before, happened := 1.0, 0
		for _, p := range c.Points {
			happened += p.Happened
			if p.Waiting > before || p.Low > p.Waiting+1e-9 || p.High < p.Waiting-1e-9 || p.Low < 0 || p.High > 1 {
				t.Fatalf("%v: point %+v after %v", spans, p, before)
			}
			before = p.Waiting
			left := 0
			for _, s := range spans {
				if s.Time > p.Time {
					left++
				}
			}
			if !open && math.Abs(p.Waiting-float64(left)/float64(n)) > 1e-9 {
				t.Fatalf("%v: at %v %v wait, expected %d of %d", spans, p.Time, p.Waiting, left, n)
			}
		}
		if happened != c.Happened || c.Count != n {
			t.Fatalf("%v: %d of %d, points have %d of %d", spans, c.Happened, c.Count, happened, n)
		}
	}
}
