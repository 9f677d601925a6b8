// Package cable flashes a build onto a phone that hangs on this computer, through
// fastboot or, for Samsung's, heimdall.
//
// Decide is a pure function: what the build is and what the phone answers give a
// Plan, or a refusal. Fastboot and Heimdall ask the phone and do the plan's steps, by
// the programs of those names. The package makes no images (package flashing does),
// speaks no protocol, and unlocks no phone: that is its owner's to do, on its screen.
//
// What is asked is described in AOSP's system/core/fastboot/README.md ("Client
// Variables") and fastbootd's (docs/core/architecture/bootloader/fastbootd); "anti" is
// Xiaomi's, "security", "modelid" and "cidnum" are HTC's. The order of the steps is
// that of AOSP's "fastboot flashall": what the boot loader writes first, the logical
// partitions behind it.
package cable

import (
	"regexp"
	"slices"
	"strings"

	"github.com/fridayos/friday/android/bootprofile"
	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/osrepo"
	"github.com/fridayos/friday/internal/rom/flashing"
	"github.com/fridayos/friday/internal/rom/intake"
	"github.com/fridayos/friday/internal/rom/report"
)

// Build is what there is to flash.
type Build struct {
	Device   string // codename
	Version  string
	ID       string // catalog.Build's
	Products []string
	Profile  bootprofile.Profile
	Images   []Image
	Left     []string // partitions that the build leaves to the phone, and why
	Anti     int      // Xiaomi's anti-rollback number of the stock; 0: it says none
	Models   []string // HTC's, as android-info.txt has them; none: of another maker
	CIDs     []string
	PIT      []byte        // Samsung's partition table, of the stock; nil: none
	Super    bool          // the logical partitions are packed into one super image
	Wipes    []report.Wipe // of the build's report: what loses the data, and why
}

// Image is one image of a build.
type Image struct {
	Partition string // without a slot's suffix
	Size      int64  // bytes, of the raw image
	Logical   bool   // it lies in super
	Unslotted bool   // it is there once on a phone with two slots
	// Firmware says that it is the vendor's own, as it came with the stock, that the
	// system does not start from it, and that device.yaml does not have it shipped: a
	// modem's, a trusted zone's, a boot loader's.
	Firmware bool
}

// Phone is what a phone answered. A variable that it does not know is not in Vars.
type Phone struct {
	Serial string            // as fastboot -s takes it; "": the only one
	Vars   map[string]string // of "fastboot getvar"
	PIT    []byte            // of a Samsung in its download mode
}

// Options are what a person chose.
type Options struct {
	KeepData bool   // leave the owner's data
	Firmware bool   // flash the vendor's firmware of the stock too
	Slot     string // "a" or "b"; "": the one that the phone starts
	// Product is what the boot loader of the right phone answers beside: some say the name
	// of their chip, "kona".
	Product string
}

// Vars are the variables that Decide looks at.
func Vars() []string {
	return []string{"product", "variant", "unlocked", "secure", "slot-count", "current-slot", "is-userspace", "battery-soc-ok", "battery-voltage",
		"snapshot-update-status", "anti", "partition-type:metadata", "partition-type:cache", "security", "modelid", "cidnum", "max-download-size"}
}

// Plan is what would be done.
type Plan struct {
	Device    string           `json:"device"`
	Version   string           `json:"version"`
	Build     string           `json:"build"` // its ID
	Program   string           `json:"program"`
	Serial    string           `json:"serial,omitempty"`
	Slot      string           `json:"slot,omitempty"`  // that is written and started; "": the phone has but one
	Writes    []string         `json:"writes"`          // partitions, as the phone calls them
	Wipes     []string         `json:"wipes"`           // what is lost, and why
	Untouched []string         `json:"untouched"`       // partitions that stay as they are, and why
	Notes     []string         `json:"notes,omitempty"` // what a person should know before
	Steps     []Step           `json:"steps"`           // in order
	After     []string         `json:"after,omitempty"` // what remains to be done by hand
	Files     []flashing.Loose `json:"files"`           // that the steps' arguments name
}

// Step is one call of a program, in the folder in which the files lie.
type Step struct {
	Args  []string `json:"args"`
	Why   string   `json:"why"`
	Bytes int64    `json:"bytes,omitempty"` // of the image that is written
	Mode  Mode     `json:"mode"`            // what the phone is in afterwards
	// Writes says that the phone's system or data are no longer what they were.
	Writes bool `json:"writes,omitempty"`
	// Whole is how many bytes the phone takes at once, where the file cannot be cut;
	// 0: it can, or the phone does not say.
	Whole    int64 `json:"whole,omitempty"`
	Restarts bool  `json:"restarts,omitempty"` // the phone goes, and comes back in that mode
}

// Mode is what a phone is switched on into.
type Mode string

// Modes of a phone.
const (
	Bootloader Mode = "bootloader"
	Fastbootd  Mode = "fastbootd" // of the recovery: it knows what lies in super
	RUUMode    Mode = "ruu"       // HTC's
	Download   Mode = "download"  // Samsung's
	System     Mode = "system"    // it starts what was flashed
)

// Of gathers what flashing depends on.
func Of(b catalog.Build, made *report.Report, d *osrepo.Device, p intake.Packaging) Build {
	out := Build{Device: b.Device, Version: b.Version, ID: b.ID, Profile: d.Boot, Anti: p.Anti, PIT: p.PIT, Wipes: made.Wipes}
	for _, name := range slices.Concat(p.Products, []string{b.Device}, d.Variants) {
		if !slices.Contains(out.Products, name) {
			out.Products = append(out.Products, name)
		}
	}
	if p.HTC != nil {
		out.Models, out.CIDs = p.HTC.Models, p.HTC.CIDs
	}
	out.Super = p.Super != nil && len(p.Super.Devices) == 1
	logical := logicalOf(d, p)
	for _, im := range b.Images {
		x := Image{Partition: im.Name, Size: im.Size, Logical: logical[im.Name], Unslotted: slices.Contains(p.Unslotted, im.Name)}
		at := slices.IndexFunc(made.Partitions, func(r report.Partition) bool { return r.Name == im.Name })
		ours := at >= 0 && (made.Partitions[at].Rebuilt || made.Partitions[at].VerifiedBy != "")
		x.Firmware = !ours && !x.Logical && im.FS == "" && !android.MatchString(im.Name) && d.Firmware[im.Name] != osrepo.Shipped
		out.Images = append(out.Images, x)
	}
	for _, r := range made.Partitions {
		if _, there := b.Image(r.Name); !there {
			out.Left = append(out.Left, r.Name+": "+r.Why)
		}
	}
	return out
}

// android are the partitions that Android itself starts from and reads, whoever wrote
// them.
var android = regexp.MustCompile(`^(boot|init_boot|vendor_boot|vendor_kernel_boot|recovery|dtbo|vbmeta(_[a-z0-9]+)?|system|system_ext|system_other|product|vendor|odm|[a-z]+_dlkm|super)$`)

// logicalOf are the partitions that lie in super.
func logicalOf(d *osrepo.Device, p intake.Packaging) map[string]bool {
	in := map[string]bool{}
	if p.Super != nil {
		for name := range p.Super.In {
			in[strings.TrimSuffix(strings.TrimSuffix(name, "_a"), "_b")] = true
		}
		return in
	}
	for _, g := range d.Groups {
		for _, name := range g.Partitions {
			in[name] = true
		}
	}
	if p.Dynamic != nil {
		for _, g := range p.Dynamic.Groups {
			for _, name := range g.Partitions {
				in[name] = true
			}
		}
	}
	return in
}
