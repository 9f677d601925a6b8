package rom

import (
	"fmt"

	"github.com/fridayos/friday/android/avb"
	"github.com/fridayos/friday/android/bootimg"
	"github.com/fridayos/friday/internal/catalog"
)

// bootImage writes a boot image anew with our certificates in its ramdisk, where
// recovery looks for them.
func (b *builder) bootImage(p catalog.Partition) error {
	r, err := b.source(p)
	if err != nil {
		return err
	}
	size := r.Size()
	footer, signed, err := avb.ParseFooter(r, size)
	if err != nil {
		return err
	}
	if signed {
		size = int64(footer.OriginalImageSize)
	}
	im, err := bootimg.Parse(r, size)
	if err != nil {
		return err
	}
	root, compression, err := bootimg.UnpackRamdisk(im.Ramdisk)
	if err != nil {
		return fmt.Errorf("ramdisk: %w", err)
	}
	for _, path := range b.places[p.Name] {
		if err := b.certificates(root, path); err != nil {
			return fmt.Errorf("ramdisk: %w", err)
		}
		b.report.Owners[p.Name+":"+path] = Friday
	}
	if im.Ramdisk, err = bootimg.PackRamdisk(root, compression); err != nil {
		return fmt.Errorf("ramdisk: %w", err)
	}
	out, err := bootimg.Build(im)
	if err != nil {
		return err
	}
	if !b.verified() {
		return b.keep(p, out, nil)
	}
	salt := derive("salt", b.in.Device, p.Name)
	params := avb.HashParams{Partition: p.Name, Salt: salt[:]}
	if signed {
		params.PartitionSize = p.Size // the footer lies at the partition's end
	}
	out, d, err := avb.AddHash(out, params)
	if err != nil {
		return err
	}
	return b.keep(p, out, d)
}
