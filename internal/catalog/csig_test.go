package catalog_test

import (
	"errors"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
)

func TestCsigs(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b, other := build("umi", "26.11.27", 1, 5000), build("umi", "26.11.20", 2, 4000)
		pkg := func(n byte, to catalog.Build) catalog.Package {
			return catalog.Package{Digest: blob.Digest{n}, Size: 100, Kind: catalog.Full, Device: "umi", To: to.ID, File: "a.zip", PayloadOffset: 10, PayloadSize: 90, ProvenAt: time.Now()}
		}
		described := catalog.Csig{Package: blob.Digest{1}, Ref: blob.Ref{Digest: blob.Digest{9}, Size: 3000}}
		cannot := catalog.Csig{Package: blob.Digest{2}, Why: "it is for the recovery"}
		again := described
		again.Ref.Digest = blob.Digest{8}
		put(t, d, func(tx *db.Tx) error {
			return errors.Join(catalog.PutBuild(tx, b), catalog.PutBuild(tx, other), catalog.PutPackage(tx, pkg(1, b)), catalog.PutPackage(tx, pkg(2, b)), catalog.PutPackage(tx, pkg(3, b)), catalog.PutPackage(tx, pkg(4, other)),
				catalog.PutCsig(tx, described), catalog.PutCsig(tx, cannot), catalog.PutCsig(tx, again), catalog.PutCsig(tx, catalog.Csig{Package: blob.Digest{4}, Why: "x"}))
		})
		put(t, d, func(tx *db.Tx) error {
			got, err := catalog.CsigsTo(tx, b.ID)
			if err != nil || len(got) != 2 || got[described.Package] != described || got[cannot.Package] != cannot {
				t.Errorf("described are %+v, %v", got, err)
			}
			return nil
		})
		for name, c := range map[string]catalog.Csig{
			"neither": {Package: blob.Digest{3}},
			"both":    {Package: blob.Digest{3}, Ref: described.Ref, Why: "x"},
			"nothing": {Package: blob.Digest{77}, Why: "there is no such package"},
		} {
			if err := d.Write(t.Context(), func(tx *db.Tx) error { return catalog.PutCsig(tx, c) }); err == nil {
				t.Errorf("%s: it was taken", name)
			}
		}
	})
}
