package bench

import (
	"context"
	"errors"
	"os"
	"testing"
)

// TestBuilds holds what can be counted: at most three blocks are written for each
// that changed, and what one device packed the next does not.
func TestBuilds(t *testing.T) {
	dir := t.TempDir()
	figures, err := Builds(t.Context(), BuildOptions{Dir: dir, MiB: 4, Files: 200, Devices: 2, DeviceMiB: 6, Weeks: 2, Seed: 3})
	if err != nil {
		t.Fatal(err)
	}
	if len(figures.Weekly) != 4 || len(figures.Devices) != 4 || figures.Further <= 0 {
		t.Fatalf("%+v", figures)
	}
	for _, w := range figures.Weekly {
		if w.Written < w.Changed || w.Written > 3*w.Changed || w.Ratio > 3 || w.Seconds <= 0 || w.Reading <= 0 {
			t.Errorf("%+v", w)
		}
	}
	first, second := figures.Devices[0], figures.Devices[1]
	all := first.Packed + first.Recalled
	if first.Packed < all/2 || second.Packed > (second.Packed+second.Recalled)*35/100 {
		t.Errorf("the first device packed %d of %d bytes, the second %d of %d", first.Packed, all, second.Packed, second.Packed+second.Recalled)
	}
	if d := figures.Devices[2]; d.Week != 2 || d.Packed > 2<<20 {
		t.Errorf("the week after: %+v", d)
	}
	if d := figures.Devices[3]; d.Packed > 64<<10 {
		t.Errorf("the week after, with the first device built: %+v", d)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
	stopped, stop := context.WithCancel(context.Background())
	stop()
	if _, err := Builds(stopped, BuildOptions{Dir: dir, MiB: 4, Files: 200, Seed: 1}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
