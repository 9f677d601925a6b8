package fleet_test

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/wire"
)

// putBuild puts a device's nth build into the catalogue, with a full package.
func putBuild(tx *db.Tx, device string, n int) (catalog.Build, error) {
	version := fmt.Sprint("26.11.", n)
	images := []catalog.Partition{{Name: "system", Digest: sha256.Sum256([]byte(device + version)), Size: 4096}}
	b := catalog.Build{ID: catalog.BuildID(device, version, images), Device: device, Version: version, Incremental: version, PatchLevel: "2026-11-05", SDK: 35, Timestamp: int64(1000 + n), Images: images}
	return b, errors.Join(catalog.PutBuild(tx, b), putPackage(tx, "", b))
}

// putPackage puts a package to b from a build into the catalogue, or a full one.
func putPackage(tx *db.Tx, from string, b catalog.Build) error {
	p := catalog.Package{Digest: blob.Digest(sha256.Sum256([]byte(from + b.ID))), Size: 1000, Kind: catalog.Full, Device: b.Device, To: b.ID, From: from, File: b.Device + ".zip", PayloadOffset: 1, PayloadSize: 2,
		Properties: "FILE_SIZE=2\n", ProvenAt: now}
	if from != "" {
		p.Kind = catalog.Incremental
	}
	return catalog.PutPackage(tx, p)
}

// TestLoaderOverManyChanges: whatever happens to the rollouts of some devices, a
// loader that reads what changed has the snapshot of one that reads all.
func TestLoaderOverManyChanges(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		d.SetClock(func() time.Time { return now })
		const seed = 18
		t.Logf("seed %d", seed)
		r := rand.New(rand.NewPCG(seed, 0))
		var used fleet.Loader
		var builds []catalog.Build
		var rollouts []fleet.Rollout
		did := map[string]int{}
		step := func(tx *db.Tx) (what string, err error) {
			kind := r.IntN(8)
			if len(rollouts) == 0 || kind == 0 {
				b, err := putBuild(tx, fmt.Sprint("device", r.IntN(4)), len(builds))
				if err != nil {
					return "", err
				}
				var of fleet.Rollout
				for _, channel := range []string{wire.Weekly, wire.Stable} { // they share the packages
					if of, err = fleet.Start(tx, fleet.Plan{Release: b.Version, Device: b.Device, Channel: channel, Build: b.ID,
						Stages: []fleet.Stage{{Percent: 10}, {Percent: 100}}, Conditions: fleet.Conditions{Stepping: r.IntN(3) == 0}}, "ana", "go"); err != nil {
						return "", err
					}
					rollouts = append(rollouts, of)
				}
				builds = append(builds, b)
				return "start", nil
			}
			of := rollouts[r.IntN(len(rollouts))]
			switch kind {
			case 1:
				_, err = fleet.Halt(tx, of.ID, "ana", "looking")
				return "halt", err
			case 2:
				_, err = fleet.Pull(tx, of.ID, "ana", "looking")
				return "pull", err
			case 3:
				_, err = fleet.HaltRegion(tx, of.ID, fleet.RegionChange{Region: "IN", Reason: "x"}, "ana")
				return "halt in a region", err
			case 4, 5:
				_, err = fleet.Next(tx, of.ID, "ana", "go")
				return "next", err
			case 6:
				_, err = fleet.Resume(tx, of.ID, "ana", "go")
				return "resume", err
			}
			from, to := builds[r.IntN(len(builds))], builds[r.IntN(len(builds))]
			if from.Device != to.Device || from.ID == to.ID {
				return "", nil
			}
			return "package", putPackage(tx, from.ID, to)
		}
		for range 120 {
			var what string
			if err := d.Write(t.Context(), func(tx *db.Tx) (err error) { what, err = step(tx); return err }); err == nil { // else it was not allowed
				did[what]++
			}
			if r.IntN(3) == 0 { // several changes at once
				continue
			}
			if err := d.Read(t.Context(), func(tx *db.Tx) error {
				got, err := used.Load(tx)
				want, err2 := fleet.Load(tx)
				if err == nil && err2 == nil && !reflect.DeepEqual(got, want) {
					t.Errorf("after %s: a loader that was used reads another snapshot", what)
				}
				return errors.Join(err, err2)
			}); err != nil {
				t.Fatal(err)
			}
			if t.Failed() {
				return
			}
		}
		if len(did) < 7 {
			t.Errorf("tried no more than %v", did)
		}
	})
}

// BenchmarkLoad reads one change of 3,000 rollouts of a thousand devices.
func BenchmarkLoad(b *testing.B) {
	d, err := db.Open(b.Context(), dbtest.SQLite(b))
	if err != nil {
		b.Fatal(err)
	}
	defer d.Close()
	var rollouts []fleet.Rollout
	write := func(fn func(tx *db.Tx) error) {
		if err := d.Write(b.Context(), fn); err != nil {
			b.Fatal(err)
		}
	}
	write(func(tx *db.Tx) error {
		for i := range 3000 {
			build, err := putBuild(tx, fmt.Sprint("device", i%1000), i)
			if err != nil {
				return err
			}
			of, err := fleet.Start(tx, fleet.Plan{Release: build.Version, Device: build.Device, Channel: wire.Weekly, Build: build.ID}, "ana", "go")
			if err != nil {
				return err
			}
			rollouts = append(rollouts, of)
		}
		return nil
	})
	var l fleet.Loader
	load := func() {
		if err := d.Read(b.Context(), func(tx *db.Tx) error { _, err := l.Load(tx); return err }); err != nil {
			b.Fatal(err)
		}
	}
	load()
	b.ReportAllocs()
	for i := 0; b.Loop(); i++ {
		b.StopTimer()
		write(func(tx *db.Tx) error {
			of := rollouts[i/2%len(rollouts)]
			if i%2 == 0 {
				_, err := fleet.Halt(tx, of.ID, "ana", "looking")
				return err
			}
			_, err := fleet.Resume(tx, of.ID, "ana", "go")
			return err
		})
		b.StartTimer()
		load()
	}
}
