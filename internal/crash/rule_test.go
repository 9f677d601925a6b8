package crash

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestSignals(t *testing.T) {
	for _, c := range []struct {
		name         string
		n            Number
		here, before int64
		want         Change // "": no signal
	}{
		{"never before, by three of ten", Number{Here: 3}, 10, 200, New},
		{"never before, by two of ten among two hundred", Number{Here: 2}, 10, 200, New},
		{"one member is never a signal", Number{Here: 1}, 10, 1_000_000, ""},
		{"as often as before", Number{Here: 5, Before: 5}, 100, 100, ""},
		{"three times as often, but few", Number{Here: 3, Before: 1}, 100, 100, ""},
		{"three times as often, and many", Number{Here: 30, Before: 10}, 100, 100, Grew},
		{"less often", Number{Here: 3, Before: 30}, 100, 100, ""},
		{"many more handsets explain it", Number{Here: 30, Before: 1}, 3000, 100, ""},
		{"never before, but almost nobody ran earlier builds", Number{Here: 5}, 1000, 3, ""},
		{"nothing to compare with", Number{Here: 50}, 100, 0, ""},
		{"nobody runs it", Number{Here: 5}, 0, 100, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.n.Fingerprint = "f"
			got := Signals([]Number{c.n}, c.here, c.before)
			if c.want == "" && len(got) > 0 || c.want != "" && (len(got) != 1 || got[0].Change != c.want || got[0].Chance >= Alpha) {
				t.Errorf("got %+v, expected %q", got, c.want)
			}
		})
	}
}

// TestManyCrashes: who looks at many crashes finds something by chance; the bound
// holds for all of them together.
func TestManyCrashes(t *testing.T) {
	one := Number{Fingerprint: "a", Here: 2}
	if got := Signals([]Number{one}, 10, 140); len(got) != 1 {
		t.Fatalf("alone: %+v", got)
	}
	list := []Number{one}
	for range 20 {
		list = append(list, Number{Fingerprint: "b", Here: 1, Before: 14})
	}
	if got := Signals(list, 10, 140); len(got) != 0 {
		t.Errorf("among twenty others: %+v", got)
	}
}

// TestFalseAlarms: of builds that are no worse, at most Alpha give a signal.
func TestFalseAlarms(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2)) // the seed
	alarms, rounds := 0, 2000
	for range rounds {
		var list []Number
		for i := range 10 {
			n := Number{Fingerprint: string(rune('a' + i))}
			rate := 0.002 * float64(i+1)
			for range 200 {
				if r.Float64() < rate {
					n.Here++
				}
			}
			for range 800 {
				if r.Float64() < rate {
					n.Before++
				}
			}
			list = append(list, n)
		}
		if len(Signals(list, 200, 800)) > 0 {
			alarms++
		}
	}
	if share := float64(alarms) / float64(rounds); share > Alpha*1.5 {
		t.Errorf("%.4f of builds that are no worse gave a signal, expected at most %.2f", share, Alpha)
	}
}

func TestTail(t *testing.T) {
	for _, c := range []struct {
		k, n int64
		p    float64
		want float64
	}{
		{0, 10, 0.3, 1}, {10, 10, 0.5, math.Pow(0.5, 10)}, {3, 3, 0.1, 0.001}, {1, 2, 0.5, 0.75}, {5, 10, 0.5, 0.623046875}, {2, 5, 1, 1},
	} {
		if got := tail(c.k, c.n, c.p); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("tail(%d, %d, %v) = %v, expected %v", c.k, c.n, c.p, got, c.want)
		}
	}
	if got := tail(600_000, 1_000_000, 0.5); got != 0 && !(got < 1e-100) {
		t.Errorf("a far tail is %v", got)
	}
	if got := tail(500_000, 1_000_000, 0.5); math.Abs(got-0.5) > 0.01 {
		t.Errorf("the middle of many is %v", got)
	}
}

func TestSum(t *testing.T) {
	got := SumOf([]Signal{{Number: Number{Enrolled: 1}}, {Number: Number{Enrolled: 3}}})
	if got != (Sum{Clusters: 2, Members: 3}) {
		t.Errorf("%+v", got)
	}
}
