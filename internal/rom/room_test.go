package rom

import (
	"fmt"
	"strings"
	"testing"

	"github.com/fridayos/friday/internal/osrepo"
	"github.com/fridayos/friday/internal/stocktest"
)

// TestNoRoom refuses a build before it makes an image.
func TestNoRoom(t *testing.T) {
	w, device := ofMaker(t, stocktest.Samsung, "[]")
	in := w.input("26.11.27")
	in.Device = device
	in.Snapshot.Devices[device].Partitions = map[string]osrepo.Partition{"system": {Size: 1 << 20}}
	made := 0
	in.Progress = func(step string, done, total int64) {
		if strings.HasPrefix(step, "write ") {
			made++
		}
	}
	_, _, err := Build(t.Context(), in)
	if err == nil || !strings.Contains(err.Error(), "partition system needs at least ") || !strings.Contains(err.Error(), "there is room for 1048576 by devices/hlte/device.yaml: remove ") || made > 0 {
		t.Errorf("error %v after %d writes", err, made)
	}
}

// TestNoRoomBehind: files that fit, and a hash tree with its error correction that does
// not, are refused before an image is made.
func TestNoRoomBehind(t *testing.T) {
	w := newWorkshop(t, smallStock())
	// needs says how much a group of so many bytes would lack room for.
	needs := func(room int64) (n int64) {
		t.Helper()
		in := w.input("26.11.27")
		in.Snapshot.Devices["umi"].Groups = map[string]osrepo.Group{"dynamic": {Size: room, Partitions: []string{"system"}}}
		in.Progress = func(step string, done, total int64) {
			if strings.HasPrefix(step, "write ") {
				t.Errorf("%s, where there is no room", step)
			}
		}
		_, _, err := Build(t.Context(), in)
		if err == nil {
			t.Fatalf("built into %d bytes", room)
		}
		_, rest, _ := strings.Cut(err.Error(), "group dynamic needs at least ")
		if _, err := fmt.Sscan(rest, &n); err != nil {
			t.Fatalf("%v in %q", err, rest)
		}
		return n
	}
	var sizes [2]int64
	for i, roots := range []int{0, 2} {
		w.stock = w.addStock(stockZip(t, stocktest.Spec{Seed: 7, Files: 250, Bytes: 12 << 20, FECRoots: roots}), "umi")
		sizes[i] = needs(4096)
		if again := needs(sizes[i] - 1); again != sizes[i] {
			t.Errorf("with %d roots it needs %d, then %d", roots, sizes[i], again)
		}
		if image := partitionNamed(t, w.stock.Partitions, "system"); image.Size < sizes[i] || image.Size > sizes[i]+sizes[i]/10 {
			t.Errorf("with %d roots it is said to need %d bytes at least, the stock's image has %d", roots, sizes[i], image.Size)
		}
	}
	if parity := sizes[1] - sizes[0]; parity < sizes[0]/253*2 || parity > sizes[0]/100 {
		t.Errorf("error correction is said to have %d bytes of %d", parity, sizes[0])
	}
}
