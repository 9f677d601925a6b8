package updateapi_test

import (
	"testing"

	"github.com/fridayos/friday/android/bootprofile"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/device"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/wire"
)

// A handset that asks several times a day is one active handset.
func TestActiveHandsetsAreCounted(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b := newBench(t, d)
		b.write(t, func(tx *db.Tx) error {
			return device.Put(tx, device.Device{Codename: "umi", Vendor: "Xiaomi", Name: "Mi 10", Boot: bootprofile.Profile{Trust: bootprofile.None,
				Slots: bootprofile.Single, Flash: bootprofile.Odin, UpdateCertificates: []string{"system:etc/security/otacerts.zip"}}})
		})
		b.refresh(t)
		for _, c := range []struct {
			device string
			since  int
		}{{"umi", -1}, {"umi", 0}, {"umi", 0}, {"umi", 400}, {"stranger", -1}} {
			in := checkin()
			in.Device, in.DaysSinceLast = c.device, c.since
			if code := b.post(t, wire.PathCheckIn, in, nil); code != 200 {
				t.Fatalf("%+v: %d", c, code)
			}
		}
		for range 2 { // the second has nothing left to write
			if err := b.api.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		b.write(t, func(tx *db.Tx) error {
			active, err := fleet.Active(tx)
			if active["umi"] != 2 || len(active) != 1 {
				t.Errorf("%v are active, expected 2 of umi", active)
			}
			return err
		})
	})
}
