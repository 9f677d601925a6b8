// Package device is the catalogue of devices: what models Friday ships to, and
// what each needs to boot and to be updated.
//
// It keeps rows; the OS repository's device.yaml is where they come from
// (package osrepo reads it) and a handset is no part of it. A device is keyed
// by codename and variant; the empty variant is the device as such.
package device

import (
	"github.com/fridayos/friday/android/bootprofile"
	"github.com/fridayos/friday/internal/db"
)

// Device is one model.
type Device struct {
	Codename string              `json:"codename"` // ro.product.device
	Variant  string              `json:"variant,omitempty"`
	Vendor   string              `json:"vendor"`
	Name     string              `json:"name"` // as people call it
	Boot     bootprofile.Profile `json:"boot"`
}

// Put adds d or replaces what is known of it.
func Put(tx *db.Tx, d Device) error { panic("unwritten") }

// ByCodename returns the device as such: the row without a variant.
func ByCodename(tx *db.Tx, codename string) (Device, error) { panic("unwritten") }

// List returns all devices, by codename and variant.
func List(tx *db.Tx) ([]Device, error) { panic("unwritten") }
