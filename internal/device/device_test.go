package device

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/fridayos/friday/android/bootprofile"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
)

func umi() Device {
	return Device{Codename: "umi", Vendor: "Xiaomi", Name: "Xiaomi Mi 10", Boot: bootprofile.Profile{
		Trust: bootprofile.CustomKey, Slots: bootprofile.AB, Flash: bootprofile.Fastboot, PayloadMinor: 6,
		UpdateCertificates: []string{"system:system/etc/security/otacerts.zip"},
	}}
}

func TestStore(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		india := umi()
		india.Variant, india.Name = "umiin", "Mi 10 India"
		cmi := umi()
		cmi.Codename, cmi.Boot.Trust = "cmi", bootprofile.Unlocked
		renamed := umi()
		renamed.Name = "Mi 10 小米"
		err := d.Write(t.Context(), func(tx *db.Tx) error {
			for _, v := range []Device{umi(), india, cmi, renamed} {
				if err := Put(tx, v); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		err = d.Read(t.Context(), func(tx *db.Tx) error {
			got, err := List(tx)
			if err != nil {
				return err
			}
			if want := []Device{cmi, renamed, india}; !reflect.DeepEqual(got, want) {
				t.Errorf("List() = %+v, want %+v", got, want)
			}
			one, err := ByCodename(tx, "umi")
			if err != nil || !reflect.DeepEqual(one, renamed) {
				t.Errorf("ByCodename(umi) = %+v, %v", one, err)
			}
			if one, err = ByVariant(tx, "umi", "umiin"); err != nil || one.Name != "Mi 10 India" {
				t.Errorf("ByVariant = %+v, %v", one, err)
			}
			if _, err := ByCodename(tx, "hlte"); !errors.Is(err, ErrNotFound) || !strings.Contains(err.Error(), `"hlte"`) {
				t.Errorf("a device that is not there: %v", err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	})
}

func TestRefused(t *testing.T) {
	for want, change := range map[string]func(*Device){
		"its codename is no word":  func(d *Device) { d.Codename = "" },
		"\"../umi\": its codename": func(d *Device) { d.Codename = "../umi" },
		"variant \"a b\" is no":    func(d *Device) { d.Variant = "a b" },
		"name has 201 bytes":       func(d *Device) { d.Name = strings.Repeat("x", 201) },
		"trust is \"\", expected":  func(d *Device) { d.Boot.Trust = "" },
	} {
		d := umi()
		change(&d)
		if err := d.Check(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Check() = %v, want %q", err, want)
		}
	}
}
