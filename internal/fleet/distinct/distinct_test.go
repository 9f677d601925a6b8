package distinct_test

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/fridayos/friday/internal/fleet/distinct"
)

// TestError: over many sets of many sizes, put together from four nodes that
// counted some twice and written in between, the standard error is what is stated,
// and a sketch never grows past 4 kB of text.
func TestError(t *testing.T) {
	const seed = 3
	t.Logf("seed %d", seed)
	r := rand.New(rand.NewPCG(seed, 0))
	for _, n := range []int{1, 10, 100, 1000, 10_000, 60_000} {
		var squares float64
		const sets = 24
		for range sets {
			nodes := []*distinct.Sketch{distinct.New(), distinct.New(), distinct.New(), distinct.New()}
			for range n {
				h := r.Uint64()
				nodes[r.IntN(4)].Insert(h)
				nodes[r.IntN(4)].Insert(h)
			}
			all := distinct.New()
			for _, one := range nodes {
				text, err := one.Text()
				if err != nil || len(text) > 4000 {
					t.Fatalf("a sketch of %d has %d bytes, %v", n, len(text), err)
				}
				back, err := distinct.Read(text)
				if err == nil {
					err = all.Merge(back)
				}
				if err == nil {
					err = all.Merge(back) // again: nothing changes
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			off := float64(all.Count())/float64(n) - 1
			squares += off * off
		}
		if rms := math.Sqrt(squares / sets); rms > 1.5*distinct.Error {
			t.Errorf("of %d, the standard error is %.4f, stated is %.4f", n, rms, distinct.Error)
		}
	}
}

func TestNothing(t *testing.T) {
	var none *distinct.Sketch
	text, err := none.Text()
	if text != "" || err != nil || none.Count() != 0 {
		t.Errorf("nothing is %q, %v", text, err)
	}
	if s, err := distinct.Read(""); s != nil || err != nil {
		t.Errorf("nothing reads as %v, %v", s, err)
	}
	if err := distinct.New().Merge(nil); err != nil {
		t.Error(err)
	}
}

// FuzzRead: what is no sketch is an error; what is one can be put together, unless
// it has another precision, and written.
func FuzzRead(f *testing.F) {
	few, many := distinct.New(), distinct.New()
	for i := range uint64(5000) {
		if i < 5 {
			few.Insert(i * 0x9e3779b97f4a7c15)
		}
		many.Insert(i * 0x9e3779b97f4a7c15)
	}
	for _, s := range []*distinct.Sketch{distinct.New(), few, many} {
		text, err := s.Text()
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
	f.Add("AgsAAAAAAAA=")
	f.Add("AhIAAQAAAAA=")
	f.Add("!")
	f.Fuzz(func(t *testing.T, text string) {
		s, err := distinct.Read(text)
		if err != nil || s == nil {
			return
		}
		if all := distinct.New(); all.Merge(s) == nil {
			if _, err := all.Text(); err != nil {
				t.Error(err)
			}
			all.Count()
		}
	})
}
