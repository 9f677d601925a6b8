// Package verdict says whether a build fails more often than the build before
// it. It is arithmetic over counts: it knows no rollout, reads nothing and
// decides nothing but that.
//
// # The test
//
// Both builds are binomial: of N handsets, Bad ended badly. The test is
// one-sided and sequential, and may be looked at after every single outcome.
//
//  1. Limit turns the counts of the build before into the highest rate that it
//     may plausibly have: Chernoff's bound, below which its true rate lies but
//     for BoundError of the time. A tenth is added (Margin): less than that is
//     not worth stopping a fleet for. Where fewer than Least handsets of the
//     build before are known, the limit is First, an assumption.
//  2. Evidence weighs the new build's counts: the likelihood of rates above the
//     limit, mixed over a grid of odds ratios, against the likelihood of the
//     limit itself (a mixture sequential probability ratio). Under any rate up to
//     the limit its expectation is at most 1 at every look, so by Ville's
//     inequality it ever reaches 1/Alpha with a probability of at most Alpha,
//     however often and whenever one looks.
//  3. A build is worse once the evidence reaches 1/Alpha.
//
// # Error rates
//
// A build that is not worse than the one before is called worse, at any look of
// a rollout without end, with a probability of at most BoundError + Alpha =
// 2.5%. Both bounds are cautious: by exact calculation over 2,000 handsets (1%
// before, known from 2,000) it is below 0.02%. After a human has let a build go
// on, counting begins anew, with a new Alpha.
//
// # What 200 handsets show
//
// With 200 handsets on the new build, the smallest true rate that is called worse four
// times of five, by exact calculation (TestTwoHundredHandsets):
//
//	before                    limit   visible
//	1% of 200,000             1.17%    5.9%
//	1% of 2,000               1.93%    7.5%
//	nothing is known          2.00%    7.6%
//	5% of 2,000               7.13%   16.2%
//
// A build that truly breaks one handset in fifty where the one before broke one
// in a hundred is not seen by 200 handsets; it takes thousands.
package verdict

import "math"

// The constants of the test; the package comment says what they mean.
const (
	Alpha      = 0.005
	BoundError = 0.02
	Margin     = 1.1
	Least      = 200
	First      = 0.02
	most       = 1 - 1e-6 // of a limit
)

// Tally is how many handsets were seen and how many of them ended badly.
type Tally struct {
	N   int64 `json:"n"`
	Bad int64 `json:"bad"`
}

// Add is both together.
func (t Tally) Add(o Tally) Tally { return Tally{t.N + o.N, t.Bad + o.Bad} }

// rate is 0 where nothing was seen.
func (t Tally) rate() float64 {
	if t.N <= 0 {
		return 0
	}
	return float64(min(t.Bad, t.N)) / float64(t.N)
}

// Verdict is what Of found, with its figures.
type Verdict struct {
	Fresh    Tally   `json:"fresh"`    // the new build
	Before   Tally   `json:"before"`   // the build before
	Limit    float64 `json:"limit"`    // the rate that the new build may have, 0 to 1
	Assumed  bool    `json:"assumed"`  // too little is known of the build before: Limit is First
	Evidence float64 `json:"evidence"` // decimal logarithm of the odds against a rate up to Limit
	Worse    bool    `json:"worse"`
}

// Of compares a build with the one before it; first is the limit where too
// little is known of that, usually First.
func Of(fresh, before Tally, first float64) Verdict {
	v := Verdict{Fresh: fresh, Before: before, Limit: first, Assumed: before.N < Least}
	if !v.Assumed {
		v.Limit = Limit(before)
	}
	v.Evidence = Evidence(fresh, v.Limit)
	v.Worse = v.Evidence >= -math.Log10(Alpha)
	return v
}

// Limit is the highest rate that the build after t may have, above 0 and below
// 1. t.N must be above 0.
func Limit(t Tally) float64 {
	rate, budget := t.rate(), math.Log(1/BoundError)/float64(t.N)
	low, high := rate, 1.0
	for range 60 {
		if mid := (low + high) / 2; divergence(rate, mid) > budget {
			high = mid
		} else {
			low = mid
		}
	}
	return min(high*Margin, most)
}

// divergence is Kullback and Leibler's, of coins with rates p and q.
func divergence(p, q float64) float64 {
	d := 0.0
	if p > 0 {
		d += p * math.Log(p/q)
	}
	if p < 1 {
		d += (1 - p) * math.Log((1-p)/(1-q))
	}
	return d
}

// alternatives are the rates that evidence is sought for, as ratios of odds to
// those of the limit, and how much each counts; the weights add up to 1.
var alternatives = [...]struct{ ratio, weight float64 }{
	{1.25, 0.04}, {1.5, 0.08}, {2, 0.18}, {3, 0.25}, {5, 0.20}, {10, 0.10}, {30, 0.06}, {100, 0.05}, {1000, 0.04},
}

// Evidence is the decimal logarithm of the mixture's likelihood ratio of t
// against a rate of limit. It depends on the counts alone, not on their order.
func Evidence(t Tally, limit float64) float64 {
	bad := float64(max(0, min(t.Bad, t.N)))
	good := float64(max(0, t.N)) - bad
	var logs [len(alternatives)]float64
	largest := math.Inf(-1)
	for i, a := range alternatives {
		odds := a.ratio * limit / (1 - limit)
		// p/limit and (1-p)/(1-limit), with p = odds/(1+odds)
		fewer := -math.Log1p(odds) - math.Log1p(-limit)
		more := math.Log(a.ratio) + fewer
		logs[i] = math.Log(a.weight) + bad*more + good*fewer
		largest = max(largest, logs[i])
	}
	sum := 0.0
	for _, l := range logs {
		sum += math.Exp(l - largest)
	}
	return (largest + math.Log(sum)) / math.Ln10
}
