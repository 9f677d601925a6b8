package forum

import (
	"html/template"
	"slices"
	"strings"
	"testing"
)

func TestBound(t *testing.T) {
	post := func(n int) entryView { return entryView{HTML: template.HTML(strings.Repeat("x", n))} }
	step := entryView{Event: true, Reason: strings.Repeat("&", 400)}
	for _, c := range []struct {
		name         string
		entries      []entryView
		stubs, steps int
	}{
		{"nothing", nil, 0, 0},
		{"all fit", []entryView{post(10_000), step, post(10_000)}, 0, 0},
		{"one does not", []entryView{post(12_000), post(12_000), post(12_000), post(100)}, 1, 0},
		{"posts come before steps", append(slices.Repeat([]entryView{step}, 40), post(12_000), post(12_000)), 0, 39},
		{"many steps", slices.Repeat([]entryView{step}, 100), 0, 89},
	} {
		kept, steps := bound(c.entries, entriesBudget)
		stubs, weight := 0, 0
		for _, e := range kept {
			if e.Stub {
				stubs++
				weight += stubWeight
			} else {
				weight += e.weight()
			}
		}
		if stubs != c.stubs || steps != c.steps || len(kept)+steps != len(c.entries) || weight > entriesBudget {
			t.Errorf("%s: %d stubs, %d steps left out, %d bytes; expected %d and %d", c.name, stubs, steps, weight, c.stubs, c.steps)
		}
	}
}

func TestCut(t *testing.T) {
	for _, c := range []struct{ weights, want []int }{
		{nil, []int{0}}, {[]int{1, 2, 3}, []int{0}}, {[]int{5, 5, 1}, []int{0, 2}}, {[]int{99, 1, 99}, []int{0, 1, 2}}, {[]int{4, 4, 4, 4, 4}, []int{0, 2, 4}},
	} {
		if got := cut(c.weights, 10); !slices.Equal(got, c.want) {
			t.Errorf("%v is cut at %v, expected %v", c.weights, got, c.want)
		}
	}
}
