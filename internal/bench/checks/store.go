package checks

import (
	"cmp"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/fleet"
)

// patchLevel is of every build: the history does not tell theirs.
const patchLevel = "2026-11-05"

// Filled is what Fill put into a store.
type Filled struct {
	Packages int `json:"packages"` // OTA zips
	Images   int `json:"images"`   // packages of fastboot images
	Rollouts int `json:"rollouts"` // in flight
}

// Fill puts a history into a new store: its zips for the recovery as packages,
// its images for fastboot as stock, and rollouts in flight of the newest builds
// of every device and channel, as many as are wanted.
func Fill(ctx context.Context, d *db.DB, h History, rollouts int) (f Filled, err error) {
	lines := map[[2]string][]catalog.Build{} // by device and channel, oldest first
	err = d.Write(ctx, func(tx *db.Tx) error {
		f, lines = Filled{}, map[[2]string][]catalog.Build{}
		seen := map[string]bool{}
		for _, r := range h.Rows {
			bytes := blob.Digest(sha256.Sum256([]byte(r.Codename + "\x00" + r.File + "\x00" + r.MD5)))
			size := max(r.Size, 1<<20)
			images := []catalog.Partition{{Name: "system", Digest: sha256.Sum256([]byte(r.Codename + "\x00" + r.Version)), Size: size}}
			if !r.OTA {
				if err := catalog.PutStock(tx, catalog.Stock{Digest: bytes, Device: r.Codename, Incremental: r.Version, PatchLevel: patchLevel, Release: r.Android, Timestamp: r.Date.Unix(), Partitions: images}); err != nil {
					return err
				}
				f.Images++
				continue
			}
			b := catalog.Build{ID: catalog.BuildID(r.Codename, r.Version, images), Device: r.Codename, Version: r.Version, Incremental: r.Version, PatchLevel: patchLevel,
				SDK: 30, Timestamp: r.Date.Unix(), Images: images}
			if !seen[b.ID] {
				if err := catalog.PutBuild(tx, b); err != nil {
					return err
				}
				seen[b.ID] = true
				key := [2]string{r.Codename, r.Channel}
				lines[key] = append(lines[key], b)
			}
			if err := catalog.PutPackage(tx, catalog.Package{Digest: bytes, Size: size, Kind: catalog.Full, Device: r.Codename, To: b.ID, File: r.File,
				PayloadOffset: 1000, PayloadSize: size - 2000, Properties: "FILE_HASH=x\nFILE_SIZE=1\n", PropertyFiles: "payload.bin:1000:1", ProvenAt: r.Date}); err != nil {
				return err
			}
			f.Packages++
		}
		return nil
	})
	if err != nil {
		return Filled{}, fmt.Errorf("cannot fill the store: %w", err)
	}
	return f, f.start(ctx, d, lines, rollouts)
}

// start starts rollouts, the newest builds of all lines first.
func (f *Filled) start(ctx context.Context, d *db.DB, lines map[[2]string][]catalog.Build, rollouts int) error {
	type plan struct {
		back    int
		build   catalog.Build
		channel string
	}
	var plans []plan
	for key, builds := range lines {
		for i, b := range builds {
			plans = append(plans, plan{len(builds) - 1 - i, b, key[1]})
		}
	}
	slices.SortFunc(plans, func(a, b plan) int {
		return cmp.Or(a.back-b.back, cmp.Compare(b.build.Timestamp, a.build.Timestamp), cmp.Compare(a.build.ID, b.build.ID), cmp.Compare(a.channel, b.channel))
	})
	if len(plans) < rollouts {
		return fmt.Errorf("cannot start %d rollouts: the history has %d builds", rollouts, len(plans))
	}
	err := d.Write(ctx, func(tx *db.Tx) error {
		for _, p := range plans[:rollouts] {
			if _, err := fleet.Start(tx, fleet.Plan{Release: p.build.Version, Device: p.build.Device, Channel: p.channel, Build: p.build.ID,
				Stages: []fleet.Stage{{Percent: 50, Least: 24 * time.Hour}, {Percent: 100}}}, "bench", "in flight"); err != nil {
				return err
			}
		}
		return nil
	})
	f.Rollouts = rollouts
	return errors.Join(err)
}
