package updateapi_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/fridayos/friday/android/bootprofile"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/device"
	"github.com/fridayos/friday/internal/fleet/adoption"
	"github.com/fridayos/friday/internal/wire"
)

// TestAdoption: what clients tell by asking is counted, each handset's first check
// of the day, and what they do not tell too.
func TestAdoption(t *testing.T) {
	b := newBench(t, sqlite(t))
	s := ship(t, b)
	s.complete(t)
	b.write(t, func(tx *db.Tx) error {
		return device.Put(tx, device.Device{Codename: "cmi", Vendor: "Xiaomi", Name: "Mi 10 Pro", Boot: bootprofile.Profile{Trust: bootprofile.None, Slots: bootprofile.Single, Flash: bootprofile.Odin, UpdateCertificates: []string{"system:etc/security/otacerts.zip"}}})
	})
	c := checkin()
	c.Device, c.VBMetaDigest, c.Region = "cmi", "", "in"
	for _, days := range []int{-1, 3, 0, 0} { // two handsets, one of which asks thrice
		c.DaysSinceLast = days
		b.post(t, wire.PathCheckIn, c, nil)
	}
	c.DaysSinceLast, c.Incremental = 1, "made up"
	b.post(t, wire.PathCheckIn, c, nil)
	lineage := s.updater("?incr={incr}")
	plain := s.updater("")
	for range 2 {
		if _, err := lineage.fetch(t); err != nil {
			t.Fatal(err)
		}
		if _, err := plain.fetch(t); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := (phoneV1{address: b.http.URL + "/api/v1/cmi/unofficial/26.11.27"}).fetch(t); err != nil {
		t.Fatal(err)
	}
	phone := s.custota(b.http.URL)
	if _, err := phone.check(t); err != nil {
		t.Fatal(err)
	}
	phone.vbmeta, phone.incremental = hexOf("x"), "26.11.06"
	if _, err := phone.check(t); err != nil {
		t.Fatal(err)
	}
	g := &grapheneOS{base: b.http.URL + "/grapheneos/", device: "cmi", channel: "weekly", incremental: s.before.Incremental, fingerprint: s.before.Fingerprint, buildDate: 2000}
	if err := g.update(t, 0); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/api/v2/devices/nobody/builds", "/api/v1/nobody/x/y"} { // of no device of ours
		if resp, _ := get(t, http.DefaultClient, b.http.URL+path, ""); resp.StatusCode != http.StatusOK {
			t.Errorf("%s is answered with %d", path, resp.StatusCode)
		}
	}
	if err := b.api.Flush(t.Context()); err != nil {
		t.Fatal(err)
	}
	b.write(t, func(tx *db.Tx) error {
		got, err := adoption.Of(tx, "cmi", adoption.DayOf(b.db.Now()))
		want := []adoption.Share{
			{Client: adoption.Friday, Build: "26.11.20", Checks: 2, Handsets: 2},
			{Client: adoption.Custota, Build: "", Checks: 1, Handsets: 1}, {Client: adoption.Custota, Build: "26.11.20", Checks: 1, Handsets: 1},
			{Client: adoption.Friday, Build: "", Checks: 1, Handsets: 1},
			{Client: adoption.GrapheneOS, Build: "", Checks: 1, Handsets: 1}, {Client: adoption.GrapheneOS, Build: "26.11.20", Checks: 1, Handsets: 1},
			{Client: adoption.LineageOS, Build: "", Checks: 2, Handsets: 1}, {Client: adoption.LineageOS, Build: "26.11.20", Checks: 2, Handsets: 1}, {Client: adoption.LineageOS, Build: "26.11.27", Checks: 1, Handsets: 1},
		}
		if !slices.Equal(got, want) {
			t.Errorf("counted are\n%+v, expected\n%+v", got, want)
		}
		rows, err2 := db.All(tx, func(s db.Scanner) (text string, err error) { return text, s.Scan(&text) }, "SELECT device FROM build_checks WHERE device <> 'cmi'")
		if err2 != nil || len(rows) != 0 {
			t.Errorf("kept are %s, %v", strings.Join(rows, ", "), err2)
		}
		return err
	})
}
