// Package survival estimates how long something takes when it has not happened
// to all yet: Kaplan and Meier's estimator (J. Am. Stat. Assoc. 53, 1958, 457).
// Here it is the days from a report to its confirmed fix, over all reports.
// A mean or median over the reports that were fixed would leave out those that
// still wait, and so look the better the fewer are fixed.
//
// The package is pure: times in, a curve and quantiles out. It compares no
// groups and fits no model.
package survival

import (
	"cmp"
	"math"
	"slices"
)

// Span is how long some waited, in any unit, and whether what they waited for
// happened at its end; if not, they were last seen waiting then.
type Span struct {
	Time     float64 // 0 or more
	Happened bool
	Count    int // how many; 0 is one
}

// Point is a step of the curve: from Time on, until the next point, Waiting of
// all still wait.
type Point struct {
	Time      float64
	Waiting   float64 // share, 0 to 1
	Low, High float64 // 95% confidence interval of Waiting
	AtRisk    int     // who still waited just before
	Happened  int     // for how many it happened then
}

// Curve is the estimate, one point for each time at which it happened, in order.
type Curve struct {
	Points   []Point
	Count    int // all
	Happened int // of them
}

// z is the normal distribution's quantile for 95% both ways.
const z = 1.959963984540054

// Estimate makes the curve. The interval is Greenwood's variance on the scale of
// log(-log), which stays within 0 and 1 and serves small numbers better than
// the plain one. Spans with a time below 0 or that is no number are left out.
func Estimate(spans []Span) Curve {
	sorted := slices.DeleteFunc(slices.Clone(spans), func(s Span) bool { return !(s.Time >= 0) || s.Count < 0 })
	slices.SortFunc(sorted, func(a, b Span) int { return cmp.Compare(a.Time, b.Time) })
	var c Curve
	for i := range sorted {
		sorted[i].Count = max(sorted[i].Count, 1)
		c.Count += sorted[i].Count
	}
	waiting, greenwood, atRisk := 1.0, 0.0, c.Count
	for i := 0; i < len(sorted); {
		time, happened, leave := sorted[i].Time, 0, 0
		for ; i < len(sorted) && sorted[i].Time == time; i++ {
			leave += sorted[i].Count
			if sorted[i].Happened {
				happened += sorted[i].Count
			}
		}
		if happened > 0 { // those last seen at this time still waited when it happened
			n, d := float64(atRisk), float64(happened)
			waiting *= 1 - d/n
			greenwood += d / (n * (n - d))
			p := Point{Time: time, Waiting: waiting, AtRisk: atRisk, Happened: happened}
			if happened < atRisk {
				e := z * math.Sqrt(greenwood) / math.Log(waiting)
				p.Low, p.High = math.Pow(waiting, math.Exp(-e)), math.Pow(waiting, math.Exp(e))
			} else {
				p.Waiting = 0 // nobody is left; there is no variance to tell of
			}
			c.Points = append(c.Points, p)
			c.Happened += happened
		}
		atRisk -= leave
	}
	return c
}

// Quantile is the time by which it has happened to a share of all, with its 95%
// confidence interval. What is not reached is not known yet: too few of those
// waiting have come so far.
type Quantile struct {
	Share                            float64
	Time, Low, High                  float64
	Reached, LowReached, HighReached bool
}

// Quantile is the first time at which no more than 1-share still wait; its
// interval is where the curve's own bounds come so low (Brookmeyer and Crowley,
// Biometrics 38, 1982, 29).
func (c Curve) Quantile(share float64) Quantile {
	q := Quantile{Share: share}
	first := func(value func(Point) float64) (float64, bool) {
		for _, p := range c.Points {
			if value(p) <= 1-share+1e-12 { // products of fractions: 0.5 may be a bit above itself
				return p.Time, true
			}
		}
		return 0, false
	}
	q.Time, q.Reached = first(func(p Point) float64 { return p.Waiting })
	q.Low, q.LowReached = first(func(p Point) float64 { return p.Low })
	q.High, q.HighReached = first(func(p Point) float64 { return p.High })
	return q
}

// At is the share that still waits at a time.
func (c Curve) At(time float64) float64 {
	waiting := 1.0
	for _, p := range c.Points {
		if p.Time > time {
			break
		}
		waiting = p.Waiting
	}
	return waiting
}
