package ota

import (
	"context"
	"crypto/x509"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/fridayos/friday/android/payload"
	"github.com/fridayos/friday/internal/stocktest"
)

// TestStockToStock makes an incremental between two weeks of a vendor's
// firmware, of which only the full packages are there.
func TestStockToStock(t *testing.T) {
	ctx := context.Background()
	key, cert, err := stocktest.VendorKeys(1)
	if err != nil {
		t.Fatal(err)
	}
	blobs := store(t)
	var sides []Side
	var sizes []int64
	for _, week := range []struct {
		version string
		time    int64
	}{{"V14.0.4.0", 1788220800}, {"V14.0.5.0", 1788825600}} {
		f := tempFile(t)
		spec := stocktest.Spec{Seed: 1, Device: "umi", Brand: "Xiaomi", Model: "Mi 10", Version: week.version, PatchLevel: "2026-09-01", Timestamp: week.time, Files: 300, Bytes: 6 << 20}
		if err := stocktest.Write(ctx, f, spec, key, cert); err != nil {
			t.Fatal(err)
		}
		st, err := os.Stat(f.Name())
		if err != nil {
			t.Fatal(err)
		}
		r, err := Verify(ctx, f, st.Size(), VerifyOptions{Certs: []*x509.Certificate{cert}, Apply: true})
		if err != nil {
			t.Fatal(err)
		}
		if !r.Trusted || r.Metadata.PostBuildIncremental != week.version {
			t.Errorf("report: %+v", r)
		}
		side, close, err := Extract(ctx, f, st.Size(), blobs, 2)
		if err != nil {
			t.Fatal(err)
		}
		defer close()
		sides, sizes = append(sides, side), append(sizes, st.Size())
	}
	f, p := makeIncremental(t, sides[0], sides[1], Options{Blobs: blobs})
	if err := Prove(ctx, f, p.Size, &sides[0], sides[1], testKeys().cert); err != nil {
		t.Fatal(err)
	}
	t.Logf("full %d bytes, incremental %d", sizes[1], p.Size)
	if p.Size > sizes[1]/4 {
		t.Errorf("incremental has %d bytes, the vendor's full package %d", p.Size, sizes[1])
	}
}

// TestOthersSay: what a package says of its phone, of super and of firmware that is left to
// it, is taken out with the images, and what is made of them says it again.
func TestOthersSay(t *testing.T) {
	m := testKeys()
	_, to := twoBuilds(t)
	said := &payload.Dynamic{Groups: []payload.Group{{Name: "main", Size: 1 << 30, Partitions: []string{"system"}}}, SnapshotEnabled: true}
	f := tempFile(t)
	p, err := Full(t.Context(), f, to, Options{Signer: m.key, Cert: m.cert, TempDir: t.TempDir(), Partial: true, Dynamic: said})
	if err != nil {
		t.Fatal(err)
	}
	got, done, err := Extract(t.Context(), f, p.Size, store(t), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer done()
	if !got.Partial || !reflect.DeepEqual(got.Dynamic, said) {
		t.Errorf("partial %t, super %+v, expected %+v", got.Partial, got.Dynamic, said)
	}
	again := tempFile(t)
	p, err = Full(t.Context(), again, got, Options{Signer: m.key, Cert: m.cert, TempDir: t.TempDir(), Partial: got.Partial, Dynamic: got.Dynamic})
	if err != nil {
		t.Fatal(err)
	}
	if err := ProveWith(t.Context(), again, p.Size, nil, got, m.cert, ProveOptions{Partial: true}); err != nil {
		t.Error(err)
	}
	if err := Prove(t.Context(), again, p.Size, nil, got, m.cert); err == nil || !strings.Contains(err.Error(), "the payload is a partial update, expected all partitions") {
		t.Error(err)
	}
}
