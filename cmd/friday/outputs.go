package main

import (
	"context"
	"path/filepath"
	"slices"
	"strings"

	"github.com/fridayos/friday/android/payload"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/osrepo"
	"github.com/fridayos/friday/internal/ota"
	"github.com/fridayos/friday/internal/rom"
	"github.com/fridayos/friday/internal/rom/capacity"
	"github.com/fridayos/friday/internal/rom/flashing"
	"github.com/fridayos/friday/internal/rom/intake"
)

// packaged fills in what the packages of a build's phone depend on: what a phone with one
// slot asks for, what is in super, and whether firmware is left to the phone. Nothing: the
// build is of no repository of ours.
func (s *installation) packaged(ctx context.Context, b catalog.Build, o *ota.Options) error {
	if b.Commit == "" {
		return nil
	}
	repo, err := s.repository()
	if err != nil {
		return err
	}
	snapshot, err := repo.Load(b.Commit)
	if err != nil {
		return err
	}
	d := snapshot.Devices[b.Device]
	if d == nil {
		return nil
	}
	if o.OneSlot = ota.OneSlotOf(d.Boot); o.OneSlot != nil {
		return nil
	}
	groups, err := s.groups(ctx, d, b)
	if err != nil {
		return err
	}
	o.Partial = d.Copies()
	o.Dynamic, err = ota.DynamicOf(d.Boot, groups)
	return err
}

// groups are those of super on a build's phone.
func (s *installation) groups(ctx context.Context, d *osrepo.Device, b catalog.Build) ([]payload.Group, error) {
	var stock catalog.Stock
	if err := s.db.Read(ctx, func(tx *db.Tx) (err error) {
		stock, err = catalog.StockByDigest(tx, b.Stock)
		return err
	}); err != nil {
		return nil, err
	}
	return capacity.Groups(d, s.blobs, stock)
}

// outputs writes the files that a build's phone is flashed from into dir: those
// that device.yaml asks for, else what the boot profile's flash path takes.
func (s *installation) outputs(ctx context.Context, dir string, in rom.Input, b catalog.Build, o order, progress func(step string, done, total int64)) ([]string, error) {
	device := in.Snapshot.Devices[b.Device]
	packaging, err := intake.PackagingOf(s.blobs, in.Stock)
	if err != nil {
		return nil, err
	}
	with := flashing.Input{Build: b, Profile: device.Boot, Packaging: packaging, Release: in.Stock.Release, Blobs: s.blobs, TempDir: dir}
	var paths []string
	for _, kind := range device.Files() {
		progress("pack "+kind, 0, 1)
		if slices.Contains(flashing.Kinds, kind) {
			made, err := flashing.Files(ctx, dir, []string{kind}, with)
			if err != nil {
				return nil, err
			}
			paths = append(paths, made...)
		} else {
			at := filepath.Join(dir, strings.Join([]string{b.Device, b.Version, kind}, "-")+".zip")
			if _, err := s.makePackage(ctx, "", b.Device+"/"+b.Version, at, o.keys); err != nil {
				return nil, err
			}
			paths = append(paths, at)
		}
		progress("pack "+kind, 1, 1)
	}
	return paths, nil
}
