package catalog_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
)

func images(seed byte) []catalog.Partition {
	return []catalog.Partition{
		{Name: "system", FS: "erofs", Digest: blob.Digest{seed, 1}, Size: 8192},
		{Name: "boot", Digest: blob.Digest{seed, 2}, Size: 4096},
	}
}

func build(device, version string, seed byte, timestamp int64) catalog.Build {
	return catalog.Build{
		ID: catalog.BuildID(device, version, images(seed)), Device: device, Version: version, Commit: "c0ffee", Fingerprint: "brand/umi/umi:15/AP1A/1:user/release-keys",
		Incremental: version, PatchLevel: "2026-11-05", SDK: 35, Timestamp: timestamp, RollbackIndex: 7, VBMetaDigest: "abcd",
		Stock: blob.Digest{9}, Images: images(seed), Report: blob.Digest{8},
	}
}

func TestBuildID(t *testing.T) {
	id := catalog.BuildID("umi", "26.11.27", images(1))
	reversed := images(1)
	slices.Reverse(reversed)
	if got := catalog.BuildID("umi", "26.11.27", reversed); got != id {
		t.Errorf("the order of the images changes the ID: %s, %s", got, id)
	}
	for name, other := range map[string]string{
		"device":  catalog.BuildID("lmi", "26.11.27", images(1)),
		"version": catalog.BuildID("umi", "26.11.28", images(1)),
		"image":   catalog.BuildID("umi", "26.11.27", images(2)),
		"fewer":   catalog.BuildID("umi", "26.11.27", images(1)[:1]),
		"split":   catalog.BuildID("umi2", "6.11.27", images(1)),
	} {
		if other == id {
			t.Errorf("another %s gives the same ID", name)
		}
	}
}

func put(t *testing.T, d *db.DB, fn func(tx *db.Tx) error) {
	t.Helper()
	if err := d.Write(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func TestFactsStay(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := catalog.Stock{Digest: blob.Digest{1}, Device: "umi", Fingerprint: "f", Incremental: "V1", PatchLevel: "2026-10-01", Release: "15", SDK: 35,
			Timestamp: 1000, Partitions: images(3), Index: blob.Digest{4}}
		newer := s
		newer.Digest, newer.Timestamp = blob.Digest{2}, 2000
		b := build("umi", "26.11.27", 1, 5000)
		old := build("umi", "26.11.20", 2, 4000)
		p := catalog.Package{Digest: blob.Digest{7}, Size: 100, Kind: catalog.Incremental, Device: "umi", From: old.ID, To: b.ID, File: "a.zip",
			PayloadOffset: 10, PayloadSize: 90, Properties: "FILE_HASH=x\n", PropertyFiles: "payload.bin:10:90", ProvenAt: time.UnixMicro(77).UTC()}
		full := p
		full.Digest, full.Kind, full.From = blob.Digest{6}, catalog.Full, ""
		r := catalog.Release{Name: "26.11.27", Commit: "c0ffee", Fixes: []int64{41, 42}, Notes: "Notes."}
		for range 2 { // the second time changes nothing
			put(t, d, func(tx *db.Tx) error {
				return errors.Join(catalog.PutStock(tx, s), catalog.PutStock(tx, newer), catalog.PutBuild(tx, b), catalog.PutBuild(tx, old),
					catalog.PutPackage(tx, p), catalog.PutPackage(tx, full), catalog.PutRelease(tx, r), catalog.PutReleaseBuild(tx, r.Name, "umi", b.ID))
			})
		}
		put(t, d, func(tx *db.Tx) error {
			got, err := catalog.StockOf(tx, "umi")
			if err != nil || got.Digest != newer.Digest || len(got.Partitions) != 2 || got.Partitions[0] != images(3)[0] || got.AddedAt.IsZero() {
				t.Errorf("newest stock is %+v, %v", got, err)
			}
			gotBuild, err := catalog.BuildByIncremental(tx, "umi", "26.11.27")
			if err != nil || gotBuild.ID != b.ID || gotBuild.RollbackIndex != 7 || gotBuild.Stock != b.Stock || !slices.Equal(gotBuild.Images, b.Images) {
				t.Errorf("build is %+v, %v", gotBuild, err)
			}
			all, err := catalog.PackagesTo(tx, b.ID)
			if err != nil || len(all) != 2 || all[0].Kind != catalog.Full || all[1] != p {
				t.Errorf("packages are %+v, %v", all, err)
			}
			releases, err := catalog.Releases(tx, 5)
			if err != nil || len(releases) != 1 || releases[0].Builds["umi"] != b.ID || !slices.Equal(releases[0].Fixes, r.Fixes) {
				t.Errorf("releases are %+v, %v", releases, err)
			}
			if of, err := catalog.ReleaseByName(tx, r.Name); err != nil || of.Builds["umi"] != b.ID {
				t.Errorf("the release is %+v, %v", of, err)
			}
			_, err = catalog.BuildByID(tx, "none")
			if !errors.Is(err, catalog.ErrNotFound) {
				t.Errorf("a build that is not there: %v", err)
			}
			return nil
		})
		changed := p
		changed.File = "b.zip"
		otherNotes := r
		otherNotes.Notes = "Other."
		for name, fn := range map[string]func(tx *db.Tx) error{
			"package":          func(tx *db.Tx) error { return catalog.PutPackage(tx, changed) },
			"release":          func(tx *db.Tx) error { return catalog.PutRelease(tx, otherNotes) },
			"build of release": func(tx *db.Tx) error { return catalog.PutReleaseBuild(tx, r.Name, "umi", old.ID) },
			"build": func(tx *db.Tx) error {
				other := b
				other.PatchLevel = "2020-01-01"
				return catalog.PutBuild(tx, other)
			},
		} {
			if err := d.Write(t.Context(), fn); !errors.Is(err, catalog.ErrOther) {
				t.Errorf("another %s by the same name: %v", name, err)
			}
		}
	})
}

func TestRefused(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		good := catalog.Package{Digest: blob.Digest{7}, Size: 100, Kind: catalog.Full, Device: "umi", To: "x", File: "a.zip", PayloadOffset: 10, PayloadSize: 90, ProvenAt: time.Now()}
		for name, change := range map[string]func(p *catalog.Package){
			"unproven":         func(p *catalog.Package) { p.ProvenAt = time.Time{} },
			"kind":             func(p *catalog.Package) { p.Kind = "delta" },
			"full from":        func(p *catalog.Package) { p.From = "y" },
			"incremental from": func(p *catalog.Package) { p.Kind = catalog.Incremental },
			"payload outside":  func(p *catalog.Package) { p.PayloadSize = 91 },
			"overflow":         func(p *catalog.Package) { p.PayloadOffset, p.PayloadSize = 1<<62, 1<<62 },
			"path":             func(p *catalog.Package) { p.File = "../a.zip" },
		} {
			p := good
			change(&p)
			if err := d.Write(t.Context(), func(tx *db.Tx) error { return catalog.PutPackage(tx, p) }); err == nil {
				t.Errorf("%s: the package was taken", name)
			}
		}
		b := build("umi", "26.11.27", 1, 1)
		b.ID = "mine"
		if err := d.Write(t.Context(), func(tx *db.Tx) error { return catalog.PutBuild(tx, b) }); err == nil {
			t.Error("a build with an ID of its own was taken")
		}
	})
}

func TestLaidBefore(t *testing.T) {
	at := func(hour int) time.Time { return time.Date(2026, 11, 20, hour, 0, 0, 0, time.UTC) }
	laid := []catalog.Partition{{Name: "boot"}, {Name: "system", Layout: blob.Digest{1}}}
	one := catalog.Build{ID: "1", Version: "26.11.13", Images: laid, CreatedAt: at(1)}
	two := catalog.Build{ID: "2", Version: "26.11.20", Images: laid, CreatedAt: at(2)}
	again := catalog.Build{ID: "2b", Version: "26.11.20", Images: laid, CreatedAt: at(4)}
	three := catalog.Build{ID: "3", Version: "26.11.27", Images: laid, CreatedAt: at(3)}
	old := catalog.Build{ID: "0", Version: "26.11.06", Images: []catalog.Partition{{Name: "system"}}, CreatedAt: at(0)}
	for _, c := range []struct {
		builds        []catalog.Build
		version, want string
	}{
		{nil, "26.11.27", ""},
		{[]catalog.Build{old}, "26.11.27", ""},
		{[]catalog.Build{two, one, old}, "26.11.27", "2"},
		{[]catalog.Build{three, two, one}, "26.11.27", "2"},
		{[]catalog.Build{three, two, one}, "26.11.20", "1"}, // as it was when it was made
		{[]catalog.Build{again, three, two, one}, "26.11.20", "1"},
		{[]catalog.Build{three, two, one}, "26.11.13", ""},
		{[]catalog.Build{one, again, three}, "26.12.04", "2b"},
	} {
		got := ""
		if b := catalog.LaidBefore(c.builds, c.version); b != nil {
			got = b.ID
		}
		if got != c.want {
			t.Errorf("%s among %d: build %q, want %q", c.version, len(c.builds), got, c.want)
		}
	}
}
