package ota

import (
	"context"
	"crypto/x509"
	"os"
	"testing"

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
