package crash

import (
	"cmp"
	"math"
	"slices"
)

// The rule. A crash that Members handsets' owners met on a build is compared with
// the same crash on the device's earlier builds. If a handset met it as often on
// both, then of all who met it the share on the new build is the share of
// handsets that run the new build; how unlikely so many, or more, would be is
// the tail of a binomial distribution (Przyborowski and Wilenski, 1940). Below
// Alpha, divided by the number of crashes that are looked at (Bonferroni), it is
// a signal. One member's crash never is. The rule is asked again as numbers
// grow, so that over a build's life somewhat more than Alpha of the builds that
// are no worse will give a signal.
const (
	Alpha = 0.01
	Least = 2 // members
)

// Number is one crash on a build and before it, in members who met it.
type Number struct {
	Fingerprint string
	Here        int64 // on the build
	Enrolled    int64 // of those, with a claimed handset
	Before      int64 // on the device's earlier builds
}

// Change says what a signal is about.
type Change string

// The changes that are signals.
const (
	New  Change = "new"  // never seen on an earlier build
	Grew Change = "grew" // seen more often than on earlier builds
)

// Signal is a crash that a build brought or made worse.
type Signal struct {
	Number
	Change                        Change
	Chance                        float64 // of so many without a cause, 0 to 1
	HandsetsHere, HandsetsEarlier int64
}

// Signals says which crashes are new in a build or grew. here and before are how
// many handsets run the build and ran earlier ones; without earlier ones there
// is nothing to compare with and no signal. The strongest comes first.
func Signals(numbers []Number, here, before int64) []Signal {
	if here <= 0 || before <= 0 {
		return nil
	}
	looked := 0
	for _, n := range numbers {
		if n.Here > 0 {
			looked++
		}
	}
	share := float64(here) / (float64(here) + float64(before))
	var found []Signal
	for _, n := range numbers {
		if n.Here < Least || n.Before < 0 {
			continue
		}
		chance := tail(n.Here, n.Here+n.Before, share)
		if chance*float64(looked) >= Alpha {
			continue
		}
		s := Signal{Number: n, Change: Grew, Chance: chance, HandsetsHere: here, HandsetsEarlier: before}
		if n.Before == 0 {
			s.Change = New
		}
		found = append(found, s)
	}
	slices.SortFunc(found, func(a, b Signal) int {
		return cmp.Or(cmp.Compare(a.Chance, b.Chance), cmp.Compare(b.Here, a.Here), cmp.Compare(a.Fingerprint, b.Fingerprint))
	})
	return found
}

// Sum is what a rollout's rule needs of the signals on its build.
type Sum struct {
	Clusters int64 // that are new or grew
	Members  int64 // enrolled ones who met the most frequent of them
}

// SumOf adds signals up.
func SumOf(signals []Signal) Sum {
	s := Sum{Clusters: int64(len(signals))}
	for _, one := range signals {
		s.Members = max(s.Members, one.Enrolled)
	}
	return s
}

// tail is the chance of k or more of n, each with chance p.
func tail(k, n int64, p float64) float64 {
	if k <= 0 {
		return 1
	}
	if p >= 1 {
		return 1
	}
	logs := math.Log(p)
	rest := math.Log1p(-p)
	choose := func(i int64) float64 {
		a, _ := math.Lgamma(float64(n + 1))
		b, _ := math.Lgamma(float64(i + 1))
		c, _ := math.Lgamma(float64(n - i + 1))
		return a - b - c
	}
	// From the largest term down, until terms no longer count.
	sum := 0.0
	for i := k; i <= n; i++ {
		term := math.Exp(choose(i) + float64(i)*logs + float64(n-i)*rest)
		sum += term
		if term < sum*1e-12 && float64(i) > float64(n)*p {
			break
		}
	}
	return min(sum, 1)
}
