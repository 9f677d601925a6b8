package firmware

import (
	"fmt"
	"io"
	"slices"

	"github.com/fridayos/friday/android/fastbootzip"
)

// FastbootZip is partitions as a package for phones whose boot loader is unlocked
// and takes images by fastboot, as Sony's, OnePlus's and Xiaomi's do; names
// chooses them, in their order, and products are what the phone says it is. What a
// boot loader or a radio needs is best left out, and what only an update makes (a
// payload's partition that needs its old content) cannot be had so.
func (f *Firmware) FastbootZip(products, names []string) (fastbootzip.Package, error) {
	p := fastbootzip.Package{Products: products}
	for _, name := range names {
		i := slices.IndexFunc(f.Partitions, func(x Partition) bool { return x.Name == name })
		if i < 0 {
			var there []string
			for _, x := range f.Partitions {
				there = append(there, x.Name)
			}
			return fastbootzip.Package{}, fmt.Errorf("cannot make fastboot zip: the firmware has no partition %q; it has %q", name, there)
		}
		x := f.Partitions[i]
		p.Images = append(p.Images, fastbootzip.Image{Partition: name, Size: x.Size, Content: io.NewSectionReader(x.R, 0, x.Size)})
	}
	return p, nil
}
