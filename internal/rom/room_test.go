package rom

import (
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
