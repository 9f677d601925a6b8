package adoption_test

import (
	"fmt"
	"hash/fnv"
	"math"
	"testing"
	"time"

	"github.com/fridayos/friday/android/bootprofile"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/device"
	"github.com/fridayos/friday/internal/fleet/adoption"
)

func asker(n int) uint64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "asker %d", n)
	x := h.Sum64()
	x ^= x >> 33
	x *= 0xff51afd7ed558ccd
	return x ^ x>>33
}

// TestTwoNodes: what two nodes count is one sum; who asked both of them is one.
func TestTwoNodes(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		now := time.Date(2026, 11, 28, 14, 0, 0, 0, time.UTC)
		d.SetClock(func() time.Time { return now })
		write := func(fn func(tx *db.Tx) error) {
			t.Helper()
			if err := d.Write(t.Context(), fn); err != nil {
				t.Fatal(err)
			}
		}
		write(func(tx *db.Tx) error {
			return device.Put(tx, device.Device{Codename: "umi", Vendor: "Xiaomi", Name: "Mi 10", Boot: bootprofile.Profile{Trust: bootprofile.None, Slots: bootprofile.Single, Flash: bootprofile.Odin, UpdateCertificates: []string{"system:etc/security/otacerts.zip"}}})
		})
		yesterday := adoption.DayOf(now) - 1
		key := func(day int64, c adoption.Client, build, region string) adoption.Key {
			return adoption.Key{Day: day, Device: "umi", Client: c, Build: build, Region: region}
		}
		var nodes [2]adoption.Counter
		const each = 3000
		for n := range 2 * each { // half of them ask both nodes, and all of them twice
			for range 2 {
				nodes[n%2].Check(key(yesterday, adoption.LineageOS, "26.11.27", ""), asker(n))
				nodes[0].Check(key(yesterday, adoption.LineageOS, "26.11.27", ""), asker(n))
			}
		}
		for i := range 40 {
			nodes[i%2].First(key(yesterday, adoption.Friday, "26.11.27", []string{"IN", "DE"}[i%2]))
		}
		nodes[1].First(key(yesterday, adoption.Friday, "", ""))
		nodes[1].Check(key(yesterday, adoption.Custota, "", ""), asker(1))
		nodes[1].First(adoption.Key{Day: yesterday, Device: "nobody", Client: adoption.Friday})
		nodes[1].First(key(yesterday-adoption.DaysKept, adoption.Friday, "old", ""))
		for i := range nodes {
			counts := nodes[i].Take()
			nodes[i].Return(counts) // the database was gone for a moment
			write(func(tx *db.Tx) error { return adoption.Add(tx, nodes[i].Take()) })
			if left := nodes[i].Take(); len(left) != 0 {
				t.Errorf("%d counts are left", len(left))
			}
		}
		write(func(tx *db.Tx) error {
			day, ok, err := adoption.Newest(tx, "umi")
			if err != nil || !ok || day != yesterday {
				t.Errorf("the newest day is %d, %v, %v", day, ok, err)
			}
			got, err := adoption.Of(tx, "umi", yesterday)
			if err != nil || len(got) != 4 {
				t.Fatalf("%+v, %v", got, err)
			}
			most := got[0]
			if off := math.Abs(float64(most.Handsets)/(2*each) - 1); most.Client != adoption.LineageOS || most.Build != "26.11.27" || most.Checks != 8*each || off > 0.1 {
				t.Errorf("of %d askers it counts %+v, off by %.3f", 2*each, most, off)
			}
			if got[1] != (adoption.Share{Client: adoption.Friday, Build: "26.11.27", Checks: 40, Handsets: 40}) {
				t.Errorf("Friday's own are %+v", got[1])
			}
			if got[2] != (adoption.Share{Client: adoption.Custota, Checks: 1, Handsets: 1}) || got[3] != (adoption.Share{Client: adoption.Friday, Checks: 1, Handsets: 1}) {
				t.Errorf("those that do not tell are %+v", got[2:])
			}
			if old, err := adoption.Of(tx, "umi", yesterday-adoption.DaysKept); err != nil || len(old) != 0 {
				t.Errorf("what is long past is %+v, %v", old, err)
			}
			if _, ok, err := adoption.Newest(tx, "nobody"); ok || err != nil {
				t.Errorf("of an unknown device there is a day, %v", err)
			}
			var n int
			err = tx.QueryRow("SELECT MAX(LENGTH(sketch)) FROM build_checks").Scan(&n)
			if n > 4000 {
				t.Errorf("a sketch has %d bytes", n)
			}
			return err
		})
	})
}

// TestBounds: strangers can name devices and builds without end.
func TestBounds(t *testing.T) {
	var c adoption.Counter
	for i := range 30_000 {
		c.Check(adoption.Key{Device: fmt.Sprint(i), Client: adoption.LineageOS}, asker(i))
		c.First(adoption.Key{Device: fmt.Sprint(i), Client: adoption.Friday})
	}
	if got := len(c.Take()); got > 20_000 {
		t.Errorf("it holds %d counts", got)
	}
}
