package capacity

import (
	"strings"
	"testing"

	"github.com/fridayos/friday/android/bootprofile"
	"github.com/fridayos/friday/android/firmware"
	"github.com/fridayos/friday/android/payload"
	"github.com/fridayos/friday/android/super"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/osrepo"
	"github.com/fridayos/friday/internal/rom/intake"
)

func TestOverflow(t *testing.T) {
	stock := []catalog.Partition{{Name: "system", Size: 600}, {Name: "vendor", Size: 300}, {Name: "boot", Size: 50}}
	sizes := map[string]int64{"system": 700, "vendor": 300, "boot": 50}
	superOf := func(slots bootprofile.Slots) (*osrepo.Device, *intake.Packaging) {
		return &osrepo.Device{Codename: "umi", Boot: bootprofile.Profile{Slots: slots}}, &intake.Packaging{Packing: firmware.Packing{Super: &firmware.Super{
			Groups: []super.Group{{Name: "default"}, {Name: "qti_a", MaxSize: 900}, {Name: "qti_b", MaxSize: 900}},
			In:     map[string]string{"system_a": "qti_a", "system_b": "qti_b", "vendor_a": "qti_a", "vendor_b": "qti_b"}, Devices: []super.Device{{FirstSector: 2, Size: 1924}},
		}}}
	}
	for _, c := range []struct {
		name string
		of   func() (*osrepo.Device, *intake.Packaging)
		want string
	}{
		{"nothing known", func() (*osrepo.Device, *intake.Packaging) { return &osrepo.Device{}, nil }, ""},
		{"a partition", func() (*osrepo.Device, *intake.Packaging) {
			return &osrepo.Device{Codename: "umi", Partitions: map[string]osrepo.Partition{"system": {Size: 699}, "vendor": {Size: 300}}}, nil
		}, "partition system needs 700 bytes, there is room for 699 by devices/umi/device.yaml: remove 1 bytes; if the phone has more room, say so as partitions.system.size"},
		{"groups and super", func() (*osrepo.Device, *intake.Packaging) { return superOf(bootprofile.VirtualAB) },
			"group qti_a needs 1000 bytes, there is room for 900 by the stock's super: remove 100 bytes from system 700, vendor 300; if the phone has more room, say so as groups.qti_a.size\n" +
				"super needs 1000 bytes, there is room for 900 by the stock's super: remove 100 bytes from system 700, vendor 300"},
		{"half of super", func() (*osrepo.Device, *intake.Packaging) { return superOf(bootprofile.AB) }, "super needs 1000 bytes, there is room for 450 by half of the stock's super"},
		{"device.yaml first", func() (*osrepo.Device, *intake.Packaging) {
			d, p := superOf(bootprofile.VirtualAB)
			p.Super.Devices[0].Size = 1 << 20
			d.Groups = map[string]osrepo.Group{"qti_a": {Size: 1000, Partitions: []string{"system", "vendor"}}}
			return d, p
		}, ""},
		{"a payload's groups", func() (*osrepo.Device, *intake.Packaging) {
			return &osrepo.Device{}, &intake.Packaging{Packing: firmware.Packing{Dynamic: &payload.Dynamic{Groups: []payload.Group{{Name: "g", Size: 999, Partitions: []string{"system", "vendor"}}}}}}
		}, "group g needs 1000 bytes, there is room for 999 by the stock's payload: remove 1 bytes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			d, p := c.of()
			err := Overflow(Bounds(d, p, stock), sizes, false)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("error %v, expected %q", err, c.want)
			}
		})
	}
}
