package osrepo

import (
	"maps"
	"slices"
	"strings"

	"github.com/fridayos/friday/android/bootprofile"
	"github.com/fridayos/friday/internal/osrepo/strict"
)

// Firmware says what builds do with a partition of what runs below Android: the modem's,
// the boot loader's.
type Firmware string

const (
	Shipped Firmware = "shipped" // the stock's is in every build and package
	Copied  Firmware = "copied"  // no build has it: the phone keeps its own, and copies it to its other slot
)

// CopiesFrom is the least minor version of payloads that a phone takes whose updater
// copies to the other slot what a package lacks: Android 12.
const CopiesFrom = 7

// Copies says whether packages for the device leave firmware to the phone to copy.
func (d *Device) Copies() bool {
	return d.Boot.Slots != bootprofile.Single && slices.Contains(slices.Collect(maps.Values(d.Firmware)), Copied)
}

// ofAndroid says whether a partition is one that belongs to Android itself.
func ofAndroid(partition string) bool {
	return slices.Contains([]string{"boot", "init_boot", "vendor_boot", "recovery", "dtbo", "super", "system", "system_ext", "vendor", "product", "odm", "userdata"}, partition) || strings.HasPrefix(partition, "vbmeta")
}

// checkFirmware checks what becomes of firmware.
func checkFirmware(v *Device) {
	known := []string{string(Shipped), string(Copied)}
	for _, name := range slices.Sorted(maps.Keys(v.Firmware)) {
		at, how := strict.Join("firmware", name), v.Firmware[name]
		switch {
		case !bootprofile.IsPartition(name):
			v.doc.Add(at, "", "partition %q is no name that Android uses", name)
		case ofAndroid(name):
			v.doc.Add(at, "firmware is what runs below Android, such as modem", "partition %s is no firmware; it belongs to the system", name)
		case !slices.Contains(known, string(how)):
			v.doc.Add(at, strict.OneOf(string(how), known), "unknown word %q for firmware", how)
		case how == Copied && v.Boot.Slots != bootprofile.Single && v.Boot.PayloadMinor < CopiesFrom:
			v.doc.Add(at, "ship it", "%s is copied, but boot.payload_minor is %d; the updater of phones before Android 12 (%d) leaves in the other slot what was there", name, v.Boot.PayloadMinor, CopiesFrom)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(v.Firmware)) {
		if _, twice := v.Partitions[name]; twice && v.Firmware[name] == Copied {
			v.doc.Add(strict.Join("partitions", name), "", "%s is firmware that is copied; no build has it", name)
		}
	}
}

// Left says that builds leave a partition to the phone.
func (d *Device) Left(partition string) bool { return d.Firmware[partition] == Copied }
