package ota

import (
	"bytes"
	"context"
	"crypto/x509"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/keys"
)

func TestPairsThatAreRefused(t *testing.T) {
	from, to := twoBuilds(t)
	for _, c := range []struct {
		name   string
		change func(from, to *Side)
		want   string
	}{
		{"device", func(_, to *Side) { to.Build.Device = "cmi" }, `cannot make incremental package from 26.11.20 to 26.11.27: one is for device "umi", the other for "cmi"`},
		{"variant", func(_, to *Side) { to.Build.Variant = "in" }, `cannot make incremental package from 26.11.20 to 26.11.27: one is for variant "", the other for "in"`},
		{"older", func(_, to *Side) { to.Build.Timestamp = 5 }, "cannot make incremental package from 26.11.20 to 26.11.27: the timestamp falls from 1795132800 to 5; phones refuse an older build"},
		{"patch level", func(_, to *Side) { to.Build.PatchLevel = "2026-10-05" }, "cannot make incremental package from 26.11.20 to 26.11.27: the security patch level falls from 2026-11-05 to 2026-10-05; unlocked phones would install it and wipe the data"},
		{"rollback index", func(_, to *Side) { to.Build.RollbackIndex = 2 }, "cannot make incremental package from 26.11.20 to 26.11.27: the rollback index falls from 3 to 2; a locked phone would not boot it"},
		{"no images", func(from, _ *Side) { from.Images = nil }, "cannot make package: from: umi 26.11.20 has no images"},
		{"no timestamp", func(_, to *Side) { to.Build.Timestamp = 0 }, `cannot make package: to: device "umi", incremental "26.11.27" and timestamp 0 must all be known`},
		{"twice", func(_, to *Side) { to.Images = append(to.Images[:3:3], to.Images[0]) }, `cannot make package: to: partition "boot" is there twice`},
		{"part of a block", func(_, to *Side) { to.Images = append(to.Images[:2:2], Image{Partition: "x", Size: 5}) }, `cannot make package: to: partition "x" has 5 bytes, expected whole blocks of 4096`},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := from, to
			c.change(&a, &b)
			_, err := Incremental(context.Background(), tempFile(t), a, b, options(Options{}))
			if err == nil || err.Error() != c.want {
				t.Errorf("got  %v\nwant %s", err, c.want)
			}
		})
	}
	_, err := Full(context.Background(), tempFile(t), to, Options{})
	if want := "cannot make full package of umi 26.11.27: it needs a key and its certificate; no phone takes an unsigned one"; err == nil || err.Error() != want {
		t.Errorf("without a key: %v", err)
	}
}

// TestProofsThatFail: a package that is whole and signed, but not what is asked.
func TestProofsThatFail(t *testing.T) {
	from, to := twoBuilds(t)
	f, p := makeIncremental(t, from, to, Options{})
	full, pf := makeFull(t, to, Options{})
	for _, c := range []struct {
		name   string
		change func(from, to *Side)
		want   string // behind "cannot prove … to 26.11.27: "
	}{
		{"as it is", func(_, _ *Side) {}, ""},
		{"device", func(_, to *Side) { to.Build.Device = "cmi" }, "the zip's metadata has pre-device=umi, expected pre-device=cmi"},
		{"timestamp", func(_, to *Side) { to.Build.Timestamp++ }, "the zip's metadata has post-timestamp=1795737600, expected post-timestamp=1795737601"},
		{"patch level", func(_, to *Side) { to.Build.PatchLevel = "2026-12-05" }, "the zip's metadata has post-security-patch-level=2026-11-05, expected post-security-patch-level=2026-12-05"},
		{"from another", func(from, _ *Side) { from.Build.Incremental = "26.11.13" }, "the zip's metadata has pre-build-incremental=26.11.20, expected pre-build-incremental=26.11.13"},
		{"another result", func(_, to *Side) { to.Images[0].SHA256[0] ^= 1 }, `partition "boot": the payload makes 1052672 bytes with SHA-256 `},
		{"another start", func(from, _ *Side) { from.Images[0].SHA256[0] ^= 1 }, `partition "boot": the payload starts from 1048576 bytes with SHA-256 `},
		{"start was changed", func(from, _ *Side) {
			b := make([]byte, from.Images[1].Size)
			if _, err := from.Images[1].Content.ReadAt(b, 0); err != nil {
				t.Fatal(err)
			}
			b[len(b)/2] ^= 1
			from.Images[1].Content = bytes.NewReader(b)
		}, `cannot verify source of partition "system": SHA-256 of `},
		{"partition missing", func(_, to *Side) { to.Images[2].Partition = "vendor" }, `partition "vendor" is not in the payload`},
		{"partition too many", func(_, to *Side) { to.Images = to.Images[:2] }, "the payload has 3 partitions, the build has 2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a, b := from, to
			a.Images, b.Images = append([]Image{}, a.Images...), append([]Image{}, b.Images...)
			c.change(&a, &b)
			err := Prove(context.Background(), f, p.Size, &a, b, testKeys().cert)
			prefix := "cannot prove incremental package of " + b.Build.Device + " from 26.11.20 to 26.11.27: "
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.HasPrefix(err.Error(), prefix+c.want)) {
				t.Errorf("got  %v\nwant %s%s", err, prefix, c.want)
			}
		})
	}
	// A full package is no incremental one, and the other way round.
	err := Prove(context.Background(), full, pf.Size, &from, to, testKeys().cert)
	if err == nil || !strings.Contains(err.Error(), "expected pre-build=Xiaomi/umi/umi:14/UKQ1/26.11.20:user/release-keys") {
		t.Errorf("full as incremental: %v", err)
	}
	if err := Prove(context.Background(), f, p.Size, nil, to, testKeys().cert); err == nil {
		t.Error("incremental as full: accepted")
	}
	other := filepath.Join(t.TempDir(), "k")
	if err := keys.GenerateWith(other, keys.Options{AVBBits: 2048, OTABits: 2048, Now: time.Unix(1764201600, 0)}); err != nil {
		t.Fatal(err)
	}
	ring, err := keys.Open(other)
	if err != nil {
		t.Fatal(err)
	}
	_, cert, err := ring.OTA()
	if err != nil {
		t.Fatal(err)
	}
	if err := Prove(context.Background(), f, p.Size, &from, to, cert); err == nil || !strings.Contains(err.Error(), "cannot verify package: signed by certificate serial ") {
		t.Errorf("another key: %v", err)
	}
}

// TestTampering changes bytes at random places; Verify must name what is wrong.
func TestTampering(t *testing.T) {
	from, to := twoBuilds(t)
	f, p := makeIncremental(t, from, to, Options{})
	b, err := os.ReadFile(f.Name())
	if err != nil {
		t.Fatal(err)
	}
	comment := int64(b[len(b)-2]) | int64(b[len(b)-1])<<8
	r := rand.New(rand.NewPCG(3, 3))
	for range 150 {
		i := r.Int64N(p.Size - comment - 2)
		if r.IntN(3) == 0 {
			i = r.Int64N(p.PayloadOffset)
		}
		b[i] ^= 1 << r.IntN(8)
		_, err := Verify(context.Background(), bytes.NewReader(b), p.Size, VerifyOptions{Certs: []*x509.Certificate{testKeys().cert}})
		if err == nil {
			t.Errorf("byte %d changed: accepted", i)
		}
		b, err = os.ReadFile(f.Name())
		if err != nil {
			t.Fatal(err)
		}
	}
}

func TestVerifyOthers(t *testing.T) {
	ctx := context.Background()
	from, to := twoBuilds(t)
	f, p := makeIncremental(t, from, to, Options{})
	full, pf := makeFull(t, from, Options{})
	wrong := append([]Image{}, to.Images...)
	if _, err := Verify(ctx, f, p.Size, VerifyOptions{From: wrong}); err == nil || !strings.HasPrefix(err.Error(), `cannot verify package: partition "boot" starts from 1048576 bytes with SHA-256 `) {
		t.Errorf("from the wrong build: %v", err)
	}
	if _, err := Verify(ctx, f, p.Size, VerifyOptions{From: from.Images[1:]}); err == nil || err.Error() != `cannot verify package: partition "boot" starts from an old one, and none was given` {
		t.Errorf("from a part of the build: %v", err)
	}
	blobs := store(t)
	side, close, err := Extract(ctx, full, pf.Size, blobs, 2)
	if err != nil {
		t.Fatal(err)
	}
	defer close()
	if side.Build.ID != from.Build.ID || side.Images[1].FS != "erofs" {
		t.Errorf("extracted %+v, expected the build it was made of, %s", side.Build, from.Build.ID)
	}
	if side.Build.RollbackIndex != from.Build.RollbackIndex {
		t.Errorf("extracted rollback index %d, expected %d", side.Build.RollbackIndex, from.Build.RollbackIndex)
	}
	side.Build.Variant = from.Build.Variant
	g, _ := makeIncremental(t, side, to, Options{})
	a, err := os.ReadFile(g.Name())
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(f.Name())
	if err != nil || !bytes.Equal(a, b) {
		t.Errorf("an incremental from the extracted images has other bytes (%v)", err)
	}
	if _, _, err := Extract(ctx, f, p.Size, blobs, 2); err == nil || err.Error() != "cannot extract package: it is incremental (minor version 6), expected a full one" {
		t.Errorf("extracting an incremental: %v", err)
	}
}
