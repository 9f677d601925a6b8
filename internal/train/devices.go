package train

import (
	"context"
	"maps"
	"slices"

	"github.com/fridayos/friday/internal/db"
	devices "github.com/fridayos/friday/internal/device" // this package has a device of its own: one on a train
	"github.com/fridayos/friday/internal/osrepo"
)

// TakeDevices brings the catalogue of devices up to what the OS repository
// describes at rev, so that people can report on a device before its first
// release. Devices that the repository no longer has stay: threads name them.
// It returns what it read.
func (t *Train) TakeDevices(ctx context.Context, rev string) (*osrepo.Snapshot, error) {
	s, err := t.load(rev)
	if err != nil {
		return nil, err
	}
	return s, t.DB.Write(ctx, func(tx *db.Tx) error { return putDevices(tx, s) })
}

// putDevices puts each device, and a row for each of its variants.
func putDevices(tx *db.Tx, s *osrepo.Snapshot) error {
	for _, codename := range slices.Sorted(maps.Keys(s.Devices)) {
		d := s.Devices[codename]
		for _, variant := range append([]string{""}, d.Variants...) {
			row := devices.Device{Codename: codename, Variant: variant, Vendor: d.Vendor, Name: d.Name, Boot: d.Boot}
			if err := devices.Put(tx, row); err != nil {
				return err
			}
		}
	}
	return nil
}
