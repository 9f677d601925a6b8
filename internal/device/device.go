// Package device is the catalogue of devices: what models Friday ships to, and
// what each needs to boot and to be updated.
//
// It keeps rows; the OS repository's device.yaml is where they come from
// (package osrepo reads it) and a handset is no part of it. A device is keyed
// by codename and variant; the empty variant is the device as such.
package device

import (
	"fmt"

	"github.com/fridayos/friday/android/bootprofile"
	"github.com/fridayos/friday/internal/wire"
)

// Device is one model.
type Device struct {
	Codename string              `json:"codename"` // ro.product.device
	Variant  string              `json:"variant,omitempty"`
	Vendor   string              `json:"vendor"`
	Name     string              `json:"name"` // as people call it
	Boot     bootprofile.Profile `json:"boot"`
}

// Check says what is wrong with d.
func (d *Device) Check() error {
	if !wire.IsCodename(d.Codename) {
		return fmt.Errorf("cannot use device %q: its codename is no word of letters, digits and . _ - such as \"umi\"", d.Codename)
	}
	if d.Variant != "" && !wire.IsCodename(d.Variant) {
		return fmt.Errorf("cannot use device %q: variant %q is no word of letters, digits and . _ -", d.Codename, d.Variant)
	}
	for _, f := range []struct{ name, value string }{{"vendor", d.Vendor}, {"name", d.Name}} {
		if f.value == "" || len(f.value) > 200 {
			return fmt.Errorf("cannot use device %q: %s has %d bytes, expected 1 to 200", d.Codename, f.name, len(f.value))
		}
	}
	if err := d.Boot.Check(); err != nil {
		return fmt.Errorf("cannot use device %q: %w", d.Codename, err)
	}
	return nil
}
