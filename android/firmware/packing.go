package firmware

import (
	"context"
	"errors"

	"github.com/fridayos/friday/android/htc"
	"github.com/fridayos/friday/android/nest"
	"github.com/fridayos/friday/android/payload"
	"github.com/fridayos/friday/android/super"
)

// Packing is what a packaging says beside its images: what whoever packs other
// images for the same phone has to say again. What a vendor does not use is nil.
type Packing struct {
	PIT []byte `json:"pit,omitempty"` // Samsung's partition table, as it is
	// LZ4 are the files of Samsung's that lie in LZ4 frames, without that ending: "boot.img".
	LZ4       []string         `json:"lz4,omitempty"`
	HTC       *htc.Info        `json:"htc,omitempty"`       // models and CIDs
	Products  []string         `json:"products,omitempty"`  // that Xiaomi's script lets pass
	Anti      int              `json:"anti,omitempty"`      // Xiaomi's anti-rollback number; 0: none
	Unslotted []string         `json:"unslotted,omitempty"` // what Xiaomi's script flashes without a slot
	Super     *Super           `json:"super,omitempty"`
	Dynamic   *payload.Dynamic `json:"dynamic,omitempty"` // groups, by a payload
}

// Super is the shape of a super partition.
type Super struct {
	Geometry super.Geometry    `json:"geometry"`
	Devices  []super.Device    `json:"devices"`
	Flags    uint32            `json:"flags,omitempty"`
	Groups   []super.Group     `json:"groups"`
	In       map[string]string `json:"in"` // group by partition, both with the slot's suffix
}

// super notes the shape of a super partition.
func (w *walk) super(ctx context.Context, f nest.File) error {
	f, err := w.unwrap(f)
	if err != nil {
		return err
	}
	s, err := super.Open(f.R, f.Size)
	if err != nil {
		return err
	}
	for _, m := range s.Slots {
		if m == nil {
			continue
		}
		m = m.ForSlot(0)
		shape := &Super{Geometry: s.Geometry, Devices: m.Devices, Flags: m.Flags, Groups: m.Groups, In: map[string]string{}}
		for _, p := range m.Partitions {
			if p.Group < 0 || p.Group >= len(m.Groups) {
				return errors.New("a partition of super is in no group")
			}
			shape.In[p.Name] = m.Groups[p.Group].Name
		}
		w.out.Packing.Super = shape
		return ctx.Err()
	}
	return nil
}
