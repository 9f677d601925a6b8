package cable

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/fridayos/friday/android/samsung"
	"github.com/fridayos/friday/internal/rom/flashing"
)

// mmc is the kind of storage whose blocks in a PIT have 512 bytes.
const mmc = 2

// samsung writes all images in one session of heimdall, by the phone's own partition
// table.
func (d *decision) samsung() {
	if d.o.Slot != "" {
		d.refuse("the phone has no slot %s: it has but one set of partitions", d.o.Slot)
	}
	stock, err := samsung.ReadPIT(bytes.NewReader(d.b.PIT))
	if err != nil {
		d.refuse("the stock came without a partition table (PIT): take in the whole Odin package, with its CSC file")
		return
	}
	table, err := samsung.ReadPIT(bytes.NewReader(d.p.PIT))
	if err != nil {
		d.refuse("the phone's own partition table: %w", err)
		return
	}
	if diff := differ(stock, table); diff != "" {
		d.refuse("the phone's partition table is not that of %s: %s; connect the right phone, or take in the stock that is made for this one", d.b.Device, diff)
		return
	}
	args := []string{"flash", "--resume"}
	var bytes int64
	plain, logical := d.parted()
	for _, im := range plain {
		f := flashing.Loose{Name: im.Partition + ".img", Kind: flashing.LooseSparse, Partition: im.Partition}
		args = d.write(table, args, im.Partition, im.Size, f)
		bytes += im.Size
	}
	if len(logical) > 0 {
		args = d.write(table, args, "super", 0, flashing.Loose{Name: "super.img", Kind: flashing.LooseSuper})
		for _, im := range logical {
			bytes += im.Size
		}
	}
	s := d.step(System, "all images in one session, then the phone restarts", args...)
	s.Bytes, s.Writes = bytes, true
	if d.o.KeepData {
		d.plan.Untouched = append(d.plan.Untouched, "userdata: the owner's data stay, as --keep-data asks")
		return
	}
	d.plan.Untouched = append(d.plan.Untouched, "userdata: heimdall erases nothing")
	d.plan.After = append(d.plan.After, "after stock or another system: hold Volume Up, Home and Power as the phone restarts, and choose 'wipe data/factory reset' in its recovery"+d.because())
}

// write adds one image to heimdall's arguments.
func (d *decision) write(table *samsung.PIT, args []string, partition string, size int64, f flashing.Loose) []string {
	at := slices.IndexFunc(table.Partitions, func(x samsung.Partition) bool { return strings.EqualFold(x.Name, partition) })
	if at < 0 {
		d.refuse("the phone's partition table has no partition %s", strings.ToUpper(partition))
		return args
	}
	x := table.Partitions[at]
	if room := int64(x.BlockCount) * 512; x.Device == mmc && room > 0 && size > room {
		d.refuse("partition %s of the phone has %d bytes, the image %d", x.Name, room, size)
		return args
	}
	d.file(f)
	d.plan.Writes = append(d.plan.Writes, x.Name)
	return append(args, "--"+x.Name, f.Name)
}

// differ says in what a phone's table is another model's. Sizes differ between phones of
// one model, as of how much storage they have; what there is and in which order does not.
func differ(stock, phone *samsung.PIT) string {
	if n, m := len(stock.Partitions), len(phone.Partitions); n != m {
		return fmt.Sprintf("it has %d partitions, expected %d", m, n)
	}
	for i, x := range stock.Partitions {
		if y := phone.Partitions[i]; x.Name != y.Name || x.FlashName != y.FlashName {
			return fmt.Sprintf("entry %d is %s from file %q, expected %s from %q", i, y.Name, y.FlashName, x.Name, x.FlashName)
		}
	}
	return ""
}
