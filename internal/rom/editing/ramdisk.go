package editing

import (
	"errors"
	"fmt"

	"github.com/fridayos/friday/android/bootimg"
	"github.com/fridayos/friday/android/tree"
)

// Ramdisks are those of a boot image: one; several in a vendor_boot of header version 4,
// laid over one another by the boot loader; none in a boot image of Android 13 and newer,
// whose own is in init_boot.
type Ramdisks struct{ all []*ramdisk }

type ramdisk struct {
	data        *[]byte // in the image
	root        *tree.Node
	compression bootimg.Compression
	stock       map[*tree.Node]bool
	always      bool // it is loaded whatever is started
	changed     bool
	err         error // why it cannot be changed
}

// OpenRamdisks unpacks those of a boot image. One that cannot be unpacked is an error once
// it is to be changed.
func OpenRamdisks(im *bootimg.Image) *Ramdisks {
	r := &Ramdisks{}
	if len(im.Ramdisk) > 0 {
		r.add(&im.Ramdisk, true)
	}
	for i := range im.VendorRamdisks {
		d := &im.VendorRamdisks[i]
		r.add(&d.Data, d.Type == bootimg.RamdiskNone || d.Type == bootimg.RamdiskPlatform)
	}
	return r
}

func (r *Ramdisks) add(data *[]byte, always bool) {
	d := &ramdisk{data: data, always: always, stock: map[*tree.Node]bool{}}
	if d.root, d.compression, d.err = bootimg.UnpackRamdisk(*data); d.err == nil {
		_ = tree.Walk(d.root, func(_ string, n *tree.Node) error { d.stock[n] = true; return nil })
	}
	r.all = append(r.all, d)
}

// For are the roots of those that have a path, and if none has it, of the first that is
// always loaded. They count as changed.
func (r *Ramdisks) For(path string) (roots []*tree.Node, err error) {
	var first *ramdisk
	var errs []error
	for _, d := range r.all {
		switch {
		case d.err != nil:
			errs = append(errs, d.err)
			continue
		case d.root.Lookup(path) != nil:
			d.changed, roots = true, append(roots, d.root)
		}
		if first == nil && d.always {
			first = d
		}
	}
	switch {
	case len(r.all) == 0:
		return nil, errors.New("the image has no ramdisk; since Android 13 it is in init_boot")
	case len(roots) > 0:
		return roots, nil
	case len(errs) > 0:
		return nil, errors.Join(errs...) // one of these may have it
	case first == nil:
		return nil, errors.New("the image has no ramdisk that is always loaded")
	}
	first.changed = true
	return []*tree.Node{first.root}, nil
}

// Pack packs those that were changed into the image again. What is new in them gets the
// time 0, as of AOSP's mkbootfs: Linux does not keep times of ramdisks, and with the
// commit's the boot image would be another one every week.
func (r *Ramdisks) Pack(pack func(*tree.Node, bootimg.Compression) ([]byte, error)) error {
	for _, d := range r.all {
		if !d.changed {
			continue
		}
		_ = tree.Walk(d.root, func(_ string, n *tree.Node) error {
			if !d.stock[n] {
				n.MTime, n.MTimeNsec = 0, 0
			}
			return nil
		})
		b, err := pack(d.root, d.compression)
		if err != nil {
			return fmt.Errorf("ramdisk: %w", err)
		}
		*d.data = b
	}
	return nil
}
