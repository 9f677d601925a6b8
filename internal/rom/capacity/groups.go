package capacity

import (
	"maps"
	"slices"
	"strings"

	"github.com/fridayos/friday/android/payload"
	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/osrepo"
	"github.com/fridayos/friday/internal/rom/intake"
)

// Groups are those of super, of partitions without a slot's suffix, by name: as
// device.yaml has them, else as the stock's payload or its super has. None: the
// phone has no logical partitions, or nobody says so.
func Groups(d *osrepo.Device, blobs *blob.Store, s catalog.Stock) ([]payload.Group, error) {
	if len(d.Groups) > 0 {
		var out []payload.Group
		for _, name := range slices.Sorted(maps.Keys(d.Groups)) {
			g := d.Groups[name]
			out = append(out, payload.Group{Name: name, Size: uint64(g.Size), Partitions: slices.Sorted(slices.Values(g.Partitions))})
		}
		return out, nil
	}
	packed, err := intake.KnownPackaging(blobs, s)
	if err != nil || packed == nil {
		return nil, err
	}
	if packed.Dynamic != nil && len(packed.Dynamic.Groups) > 0 {
		return packed.Dynamic.Groups, nil
	}
	if packed.Super == nil {
		return nil, nil
	}
	var out []payload.Group
	for _, b := range superBounds(packed.Super.Groups, packed.Super.In, nil, packed.Super.Geometry, d.Boot.Slots) {
		name := strings.TrimSuffix(strings.TrimPrefix(b.what, "group "), "_a")
		out = append(out, payload.Group{Name: name, Size: uint64(b.room), Partitions: b.partitions})
	}
	return out, nil
}
