package fleet_test

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/fridayos/friday/android/bootprofile"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/device"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/wire"
)

// Handsets that check in as they like are counted as if each were known.
func TestActive(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		const seed, handsets, days = 41, 60, 70
		t.Logf("seed %d", seed)
		r := rand.New(rand.NewPCG(seed, 0))
		now := time.Date(2026, 9, 1, 9, 0, 0, 0, time.UTC)
		d.SetClock(func() time.Time { return now })
		write(t, d, func(tx *db.Tx) error {
			return device.Put(tx, device.Device{Codename: "umi", Vendor: "Xiaomi", Name: "Mi 10", Boot: bootprofile.Profile{Trust: bootprofile.None,
				Slots: bootprofile.Single, Flash: bootprofile.Odin, UpdateCertificates: []string{"system:etc/security/otacerts.zip"}}})
		})
		last := make([]int, handsets)
		for i := range last {
			last[i] = -1
		}
		for day := range days {
			counts := map[fleet.Day]int64{}
			for i := range last {
				if r.IntN(1+i) > 1 { // some often, some hardly ever
					continue
				}
				for range 1 + r.IntN(3) { // several times a day
					gap := -1
					if last[i] >= 0 {
						gap = day - last[i]
					}
					if one, ok := fleet.DayOf(&wire.CheckIn{Device: "umi", DaysSinceLast: gap}, now); ok {
						counts[one]++
					}
					last[i] = day
				}
			}
			counts[fleet.Day{Device: "nobody's", Day: now.Unix() / 86400, Gap: 1}]++
			write(t, d, func(tx *db.Tx) error { return fleet.AddDays(tx, counts) })
			want := int64(0)
			for _, l := range last {
				if l >= 0 && l > day-fleet.ActiveDays {
					want++
				}
			}
			write(t, d, func(tx *db.Tx) error {
				active, err := fleet.Active(tx)
				if active["umi"] != want || len(active) > 1 {
					t.Errorf("on day %d %v are active, expected %d of umi", day, active, want)
				}
				return err
			})
			now = now.AddDate(0, 0, 1)
		}
		var rows int64
		write(t, d, func(tx *db.Tx) error { return tx.QueryRow("SELECT COUNT(DISTINCT day) FROM handset_days").Scan(&rows) })
		if rows > 2*fleet.ActiveDays {
			t.Errorf("%d days are kept, expected %d at most", rows, 2*fleet.ActiveDays)
		}
	})
}
