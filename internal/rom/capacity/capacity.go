// Package capacity says what a phone has room for: its partitions, the groups of dynamic
// ones, super; by device.yaml, and for what that does not name by how the stock was
// packed. It compares sizes and changes nothing: what an image takes is for who makes it
// to say.
package capacity

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/fridayos/friday/android/bootprofile"
	"github.com/fridayos/friday/android/samsung"
	"github.com/fridayos/friday/android/super"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/osrepo"
	"github.com/fridayos/friday/internal/rom/intake"
)

// Bound is what partitions may have together.
type Bound struct {
	what       string // "partition system", "group qti_dynamic_partitions_a", "super"
	by         string // who says so
	field      string // of device.yaml, where another size can be given; "": none
	room       int64  // bytes
	partitions []string
}

// Bounds are what the phone has room for: by device.yaml, and for what that does
// not name by the stock's packaging, which may be unknown.
func Bounds(d *osrepo.Device, packed *intake.Packaging, stock []catalog.Partition) []Bound {
	var out []Bound
	yaml := "devices/" + d.Codename + "/device.yaml"
	for _, name := range slices.Sorted(maps.Keys(d.Partitions)) {
		if size := d.Partitions[name].Size; size > 0 {
			out = append(out, Bound{"partition " + name, yaml, "partitions." + name + ".size", size, []string{name}})
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.Groups)) {
		out = append(out, Bound{"group " + name, yaml, "groups." + name + ".size", d.Groups[name].Size, d.Groups[name].Partitions})
	}
	if packed == nil {
		return out
	}
	add := func(b Bound) {
		if b.room > 0 && !slices.ContainsFunc(out, func(o Bound) bool { return o.what == b.what }) {
			out = append(out, b)
		}
	}
	if packed.PIT != nil {
		for _, b := range tableBounds(packed.PIT, stock) {
			add(b)
		}
	}
	if s := packed.Super; s != nil {
		for _, b := range superBounds(s.Groups, s.In, s.Devices, s.Geometry, d.Boot.Slots) {
			add(b)
		}
	}
	if packed.Dynamic != nil {
		for _, g := range packed.Dynamic.Groups {
			add(Bound{"group " + g.Name, "the stock's payload", "groups." + g.Name + ".size", int64(g.Size), g.Partitions})
		}
	}
	return out
}

// tableBounds are those of a Samsung's partition table.
func tableBounds(pit []byte, stock []catalog.Partition) []Bound {
	table, err := samsung.ReadPIT(bytes.NewReader(pit))
	if err != nil {
		return nil // flashing says so
	}
	var out []Bound
	for _, p := range stock {
		i := slices.IndexFunc(table.Partitions, func(x samsung.Partition) bool { return strings.EqualFold(x.Name, p.Name) })
		if i >= 0 {
			// Of blocks of 512 bytes; a table that counts otherwise is not taken at its word.
			if room := int64(table.Partitions[i].BlockCount) * 512; room >= p.Size {
				out = append(out, Bound{"partition " + p.Name, "the phone's partition table", "partitions." + p.Name + ".size", room, []string{p.Name}})
			}
		}
	}
	return out
}

// superBounds are those of groups in super, and of super itself.
func superBounds(groups []super.Group, in map[string]string, devices []super.Device, g super.Geometry, slots bootprofile.Slots) []Bound {
	of := map[string][]string{}
	var all []string
	for name, group := range in {
		if strings.HasSuffix(name, "_b") {
			continue
		}
		plain := strings.TrimSuffix(name, "_a")
		of[group] = append(of[group], plain)
		all = append(all, plain)
	}
	slices.Sort(all)
	var out []Bound
	for _, x := range groups {
		slices.Sort(of[x.Name])
		if len(of[x.Name]) > 0 {
			out = append(out, Bound{"group " + x.Name, "the stock's super", "groups." + x.Name + ".size", int64(x.MaxSize), of[x.Name]})
		}
	}
	if len(devices) == 1 && len(all) > 0 {
		room := int64(devices[0].Size) - int64(cmp.Or(devices[0].FirstSector*super.SectorSize, 4096+2*4096+2*uint64(g.MetadataMaxSize)*uint64(g.Slots)))
		by := "the stock's super"
		if slots == bootprofile.AB {
			room, by = room/2, "half of the stock's super, whose other half is the other slot's"
		}
		out = append(out, Bound{"super", by, "", room, all})
	}
	return out
}

// Overflow says in exact figures what does not fit. least: sizes are what is needed
// at least.
func Overflow(bs []Bound, sizes map[string]int64, least bool) error {
	needs := "needs"
	if least {
		needs = "needs at least"
	}
	var errs []error
	for _, l := range Lacking(bs, sizes) {
		errs = append(errs, errors.New(l.What+" "+needs+" "+l.Why))
	}
	return errors.Join(errs...)
}

// Lack is something for which there is no room.
type Lack struct {
	What string // "partition system", "group qti_dynamic_partitions_a", "super"
	Why  string // in exact figures, to go behind "needs"
}

// Lacking is what does not fit.
func Lacking(bs []Bound, sizes map[string]int64) (out []Lack) {
	for _, b := range bs {
		var need int64
		var parts []string
		for _, p := range b.partitions {
			if sizes[p] > 0 {
				need += sizes[p]
				parts = append(parts, fmt.Sprintf("%s %d", p, sizes[p]))
			}
		}
		if need <= b.room {
			continue
		}
		why := fmt.Sprintf("%d bytes, there is room for %d by %s: remove %d bytes", need, b.room, b.by, need-b.room)
		if len(parts) > 1 {
			why += " from " + strings.Join(parts, ", ")
		}
		if b.field != "" {
			why += "; if the phone has more room, say so as " + b.field
		}
		out = append(out, Lack{b.what, why})
	}
	return out
}
