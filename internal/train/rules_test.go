package train

import (
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/catalog"
)

func TestSchedule(t *testing.T) {
	shanghai := time.FixedZone("CST", 8*3600)
	s := DefaultSchedule(shanghai)
	at := func(day, hour int) time.Time { return time.Date(2026, 11, day, hour, 0, 0, 0, shanghai) }
	for _, c := range []struct {
		now, want time.Time
		name      string
	}{
		{at(22, 12), at(27, 17), "26.11.27"},
		{at(27, 16), at(27, 17), "26.11.27"},
		{at(27, 17), at(34, 17), "26.12.04"}, // it has left
		{at(27, 18).UTC(), at(34, 17), "26.12.04"},
		{at(26, 23).UTC(), at(27, 17), "26.11.27"}, // Thursday afternoon in UTC
	} {
		if got := s.Next(c.now); !got.Equal(c.want) || s.Name(got) != c.name {
			t.Errorf("after %v the train leaves %v as %s, expected %v as %s", c.now, got, s.Name(got), c.want, c.name)
		}
	}
	for name, ok := range map[string]bool{"26.11.27": true, "26.11.27.1": true, "26.11.27.0": false, "26.11.31": false, "26.13.01": false, "2026-11-27": false, "": false, "26.11.27/..": false} {
		day, err := s.parse(name)
		if (err == nil) != ok {
			t.Errorf("the name %q: %v", name, err)
		}
		if ok && !day.Equal(at(27, 17)) {
			t.Errorf("%q leaves %v", name, day)
		}
	}
}

func TestGuard(t *testing.T) {
	prev := catalog.Build{ID: "a", Device: "umi", Version: "26.11.20", Timestamp: 2000, PatchLevel: "2026-11-05", RollbackIndex: 5}
	for _, c := range []struct {
		name   string
		change func(next *catalog.Build, packages []catalog.Package) []catalog.Package
		want   string // "": it may leave
	}{
		{"newer", func(*catalog.Build, []catalog.Package) []catalog.Package { return nil }, ""},
		{"the same times and levels", func(n *catalog.Build, _ []catalog.Package) []catalog.Package { n.Timestamp = 2000; return nil }, ""},
		{"another device", func(n *catalog.Build, _ []catalog.Package) []catalog.Package { n.Device = "lmi"; return nil }, "its build is for lmi"},
		{"older timestamp", func(n *catalog.Build, _ []catalog.Package) []catalog.Package { n.Timestamp = 1999; return nil }, "timestamp"},
		{"older patch level", func(n *catalog.Build, _ []catalog.Package) []catalog.Package { n.PatchLevel = "2026-10-05"; return nil }, "wipe"},
		{"no patch level", func(n *catalog.Build, _ []catalog.Package) []catalog.Package { n.PatchLevel = "soon"; return nil }, "patch level"},
		{"lower rollback index", func(n *catalog.Build, _ []catalog.Package) []catalog.Package { n.RollbackIndex = 4; return nil }, "rollback index"},
		{"another variant", func(n *catalog.Build, _ []catalog.Package) []catalog.Package { n.Variant = "cn"; return nil }, "variant"},
		{"no full package", func(_ *catalog.Build, p []catalog.Package) []catalog.Package { return p[1:] }, "no full package"},
		{"a package of another device", func(_ *catalog.Build, p []catalog.Package) []catalog.Package { p[1].Device = "lmi"; return p }, "is for lmi"},
		{"a package to another build", func(_ *catalog.Build, p []catalog.Package) []catalog.Package { p[0].To = "c"; return p }, "leads to build"},
	} {
		next := catalog.Build{ID: "b", Device: "umi", Version: "26.11.27", Timestamp: 3000, PatchLevel: "2026-11-05", RollbackIndex: 5}
		packages := []catalog.Package{{Kind: catalog.Full, Device: "umi", To: "b", File: "full.zip"}, {Kind: catalog.Incremental, Device: "umi", To: "b", File: "inc.zip"}}
		if changed := c.change(&next, packages); changed != nil {
			packages = changed
		}
		err := guard("umi", next, &prev, packages)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, expected %q", c.name, err, c.want)
		}
	}
	if err := guard("umi", prev, nil, []catalog.Package{{Kind: catalog.Full, Device: "umi", To: "a"}}); err != nil {
		t.Errorf("the first one: %v", err)
	}
}

func TestRaised(t *testing.T) {
	index := func(i uint64) catalog.Build { return catalog.Build{RollbackIndex: i} }
	for _, c := range []struct {
		next   uint64
		before []catalog.Build
		want   uint64
	}{
		{5, nil, 0}, // the first one raises nothing that anyone could go back to
		{5, []catalog.Build{index(5)}, 0},
		{6, []catalog.Build{index(5)}, 6},
		{6, []catalog.Build{index(6), index(5)}, 0},
		{7, []catalog.Build{index(5), index(6)}, 7},
	} {
		if got := raised(index(c.next), c.before); got != c.want {
			t.Errorf("%d after %v raises to %d, expected %d", c.next, c.before, got, c.want)
		}
	}
}

func FuzzReleaseName(f *testing.F) {
	for _, s := range []string{"26.11.27", "26.11.27.1", "26.11.27.99", "26.02.30", "99.12.31", "00.01.01"} {
		f.Add(s)
	}
	s := DefaultSchedule(time.UTC)
	f.Fuzz(func(t *testing.T, name string) {
		day, err := s.parse(name)
		if err == nil && !strings.HasPrefix(name, s.Name(day)) {
			t.Errorf("%q leaves %v, which is %s", name, day, s.Name(day))
		}
	})
}
