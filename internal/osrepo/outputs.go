package osrepo

import (
	"fmt"
	"maps"
	"slices"

	"github.com/fridayos/friday/android/bootprofile"
	"github.com/fridayos/friday/internal/osrepo/strict"
)

// Files are the kinds of files to flash that a build of the device puts out.
func (d *Device) Files() []string {
	if len(d.Outputs) > 0 {
		return d.Outputs
	}
	return []string{map[bootprofile.FlashPath]string{bootprofile.Fastboot: "fastboot", bootprofile.Odin: "odin", bootprofile.Recovery: "recovery"}[d.Boot.Flash]}
}

// checkOutputs checks what a build puts out, and the groups of its partitions.
func checkOutputs(v *Device) {
	d := v.doc
	for i, o := range v.Outputs {
		at := fmt.Sprintf("outputs[%d]", i)
		single := v.Boot.Slots == bootprofile.Single
		switch {
		case !slices.Contains(Outputs, o):
			d.Add(at, strict.OneOf(o, Outputs), "unknown kind of output %q", o)
		case slices.Index(v.Outputs, o) < i:
			d.Add(at, "", "output %q is listed twice", o)
		case o == "ota" && single:
			d.Add(at, "a phone with one slot takes \"recovery\"", "an ota package is for phones with two slots; boot.slots is %s", v.Boot.Slots)
		case slices.Contains([]string{"recovery", "odin", "htc"}, o) && !single:
			d.Add(at, "a phone with two slots takes \"ota\" and \"fastboot\"", "output %q is for phones with one slot; boot.slots is %s", o, v.Boot.Slots)
		}
	}
	in := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(v.Groups)) {
		at := strict.Join("groups", name)
		g := v.Groups[name]
		d.Require(at+".size", at+".partitions")
		if d.Has(at+".size") && (g.Size <= 0 || g.Size%4096 != 0 || g.Size > 1<<40) {
			d.Add(at+".size", "", "size is %d, expected a multiple of 4096 up to 1 TiB", g.Size)
		}
		for i, p := range g.Partitions {
			if other, twice := in[p]; twice {
				d.Add(fmt.Sprintf("%s.partitions[%d]", at, i), "", "partition %q is in group %q already", p, other)
			}
			in[p] = name
		}
	}
}
