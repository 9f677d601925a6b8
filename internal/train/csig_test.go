package train_test

import (
	"crypto/x509"
	"io"
	"path/filepath"
	"testing"
	"time"

	"github.com/fridayos/friday/android/csig"
	"github.com/fridayos/friday/internal/blob"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/jobs"
	"github.com/fridayos/friday/internal/keys"
	"github.com/fridayos/friday/internal/train"
	"github.com/fridayos/friday/internal/wire"
)

// TestCustotaIsTold: the worker describes each package that it makes, with the key
// that signed it; and later those that have no description.
func TestCustotaIsTold(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		y := newYard(t, d)
		y.work()
		r, err := y.train.Cut(t.Context(), "HEAD", train.CutOptions{Actor: "ana"})
		if err != nil {
			t.Fatal(err)
		}
		status := y.wait(r.Name, train.Testing)
		p, b := status.Devices[0].Packages[0], y.build(status)
		read := func() (c catalog.Csig, ok bool) {
			y.write(func(tx *db.Tx) error {
				all, err := catalog.CsigsTo(tx, b.ID)
				c, ok = all[p.Digest]
				return err
			})
			return c, ok
		}
		c, ok := read()
		if !ok || c.Why != "" {
			t.Fatalf("the package is described as %+v", c)
		}
		shared, err := made()
		if err != nil {
			t.Fatal(err)
		}
		ring, err := keys.Open(filepath.Join(shared, "keys"))
		if err != nil {
			t.Fatal(err)
		}
		_, cert, err := ring.OTA()
		if err != nil {
			t.Fatal(err)
		}
		f, err := y.train.Blobs.OpenRef(c.Ref)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		der, err := io.ReadAll(io.NewSectionReader(f, 0, f.Size()))
		if err != nil {
			t.Fatal(err)
		}
		info, err := csig.Open(der, []*x509.Certificate{cert})
		if payload, ok := info.Find("payload.bin"); err != nil || !ok || payload.Offset != p.PayloadOffset || payload.Size != p.PayloadSize || info.VBMetaDigest != b.VBMetaDigest || b.VBMetaDigest == "" {
			t.Errorf("it says %+v, %v", info, err)
		}

		if err := y.train.Ship(t.Context(), r.Name, train.ShipOptions{Stages: []fleet.Stage{{Percent: 100}}, Actor: "ana"}); err != nil {
			t.Fatal(err)
		}
		if err := y.train.Next(t.Context(), r.Name, nil, "ana", "all well"); err != nil {
			t.Fatal(err)
		}
		offered := func() (full fleet.Described, ok bool) {
			y.write(func(tx *db.Tx) error {
				s, err := fleet.Load(tx)
				if err == nil {
					full, _, ok = s.Custota("umi", wire.Weekly)
				}
				return err
			})
			return full, ok
		}
		if full, ok := offered(); !ok || full.Package.Digest != p.Digest || full.Csig != c.Ref {
			t.Errorf("Custota may have %+v", full)
		}
		// One that was made before there were descriptions.
		var before, after int64
		y.write(func(tx *db.Tx) (err error) {
			if _, err = tx.Exec("DELETE FROM package_csigs"); err != nil {
				return err
			}
			before, err = fleet.Revision(tx)
			return err
		})
		if _, ok := offered(); ok {
			t.Error("what is not described is offered")
		}
		y.write(func(tx *db.Tx) error { return jobs.Put(t.Context(), tx, train.CsigArgs{}, jobs.Options{}) })
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
			if again, ok := read(); ok {
				if again.Ref != c.Ref || again.Ref == (blob.Ref{}) {
					t.Errorf("described again it is %+v, it was %+v", again, c)
				}
				break
			}
			if time.Now().After(deadline) {
				t.Fatal("it was not described within a minute")
			}
		}
		y.write(func(tx *db.Tx) (err error) {
			after, err = fleet.Revision(tx)
			return err
		})
		if after <= before {
			t.Error("no node reads the description")
		}
	})
}
