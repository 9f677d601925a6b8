// Package bootprofile describes, as data, what a phone checks when it boots and
// when it takes an update.
//
// Builds obey a profile and the virtual handset enforces it, so that a proof
// against the handset is worth as much as one against the phone. The package
// holds no behaviour: what follows from a profile is decided where it is used.
// The facts behind the values are those of Android's Verified Boot 2.0
// (external/avb), of Verified Boot 1 (Android 7 and older), and of
// update_engine's and libsnapshot's own checks.
package bootprofile

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Trust says whose signature the boot loader accepts.
type Trust string

const (
	// CustomKey: the owner's AVB key is stored in the phone (avb_custom_key) and
	// the boot loader is locked again; key and rollback index are enforced.
	CustomKey Trust = "custom-key"
	// Unlocked: any system boots; neither key nor rollback index is checked.
	Unlocked Trust = "unlocked"
	// VerifiedBoot1: Android 7 and older: the boot loader starts boot and recovery that its
	// owner's certificate signed; with one slot.
	VerifiedBoot1 Trust = "verified-boot-1"
	// None: the boot loader checks nothing at all.
	None Trust = "none"
)

// Slots says how an update is put beside the running system.
type Slots string

const (
	// AB: two whole sets of partitions.
	AB Slots = "ab"
	// VirtualAB: one set, and a copy-on-write snapshot while updating.
	VirtualAB Slots = "virtual-ab"
	// VirtualABCompressed: the same with compressed snapshots (COWVersion 2 or 3).
	VirtualABCompressed Slots = "virtual-ab-compressed"
	// Single: one set; recovery writes over it.
	Single Slots = "single"
)

// FlashPath says how a build gets onto the phone for the first time.
type FlashPath string

const (
	Fastboot FlashPath = "fastboot"
	Odin     FlashPath = "odin"
	Recovery FlashPath = "recovery"
)

// Profile is the boot profile of one device.
type Profile struct {
	Trust      Trust `yaml:"trust" json:"trust"`                                 // whose signature the boot loader accepts
	Slots      Slots `yaml:"slots" json:"slots"`                                 // how an update is put beside the running system
	COWVersion int   `yaml:"cow_version,omitempty" json:"cow_version,omitempty"` // 2 or 3, with VirtualABCompressed only
	// COWCompression is that of compressed snapshots: lz4, gz or none, with
	// VirtualABCompressed only; empty: lz4.
	COWCompression string    `yaml:"cow_compression,omitempty" json:"cow_compression,omitempty"`
	Kernel         string    `yaml:"kernel,omitempty" json:"kernel,omitempty"` // "5.10": what file-system features it reads
	Flash          FlashPath `yaml:"flash" json:"flash"`                       // how a build gets onto the phone for the first time
	// UpdateCertificates are the places of otacerts.zip, as "partition:path", that the
	// updater and the recovery read; of recoveries up to Android 9 recovery:res/keys.
	UpdateCertificates []string `yaml:"update_certificates" json:"update_certificates"`
	// PayloadMinor is the largest minor version of an incremental payload that
	// the phone's update_engine takes: 3 to 10.
	PayloadMinor int `yaml:"payload_minor,omitempty" json:"payload_minor,omitempty"`
	// ByName is the folder in which recovery finds partitions by their names, of a
	// phone with one slot; empty: /dev/block/bootdevice/by-name.
	ByName string `yaml:"by_name,omitempty" json:"by_name,omitempty"`
	// Arch is the processor for which recovery is built, arm or arm64, of a phone with
	// one slot; empty: arm.
	Arch string `yaml:"arch,omitempty" json:"arch,omitempty"`
	// Aside is how many bytes of blocks an update may keep aside in /cache of a phone
	// with one slot; 0: 64 MiB.
	Aside int64 `yaml:"aside,omitempty" json:"aside,omitempty"`
	// VBMetaFlags are what an unlocked phone expects in its top vbmeta:
	// hashtree-disabled, verification-disabled; none: everything is verified.
	VBMetaFlags []string `yaml:"vbmeta_flags,omitempty" json:"vbmeta_flags,omitempty"`
}

// Flags of VBMetaFlags.
const (
	HashtreeDisabled     = "hashtree-disabled"
	VerificationDisabled = "verification-disabled"
)

// Partitions is the folder in which recovery finds partitions.
func (p Profile) Partitions() string { return cmp.Or(p.ByName, "/dev/block/bootdevice/by-name") }

// Processor is that of recovery.
func (p Profile) Processor() string { return cmp.Or(p.Arch, "arm") }

// Compression is that of snapshots, as a payload's manifest calls it.
func (p Profile) Compression() string { return cmp.Or(p.COWCompression, "lz4") }

// Room is how many bytes an update may keep aside.
func (p Profile) Room() int64 { return cmp.Or(p.Aside, 64<<20) }

var folder = regexp.MustCompile(`^/dev/[A-Za-z0-9._/-]{1,150}$`)

// checkSpecial checks what only some phones have.
func (p Profile) checkSpecial() error {
	one := p.Slots == Single
	switch {
	case p.ByName != "" && (!one || !folder.MatchString(p.ByName) || strings.Contains(p.ByName, "..")):
		return fmt.Errorf("cannot use boot profile: by_name is %q with slots %s; it is a folder such as /dev/block/by-name, of phones with slots single", p.ByName, p.Slots)
	case p.Arch != "" && (!one || p.Arch != "arm" && p.Arch != "arm64"):
		return fmt.Errorf("cannot use boot profile: arch is %q with slots %s; it is arm or arm64, of phones with slots single", p.Arch, p.Slots)
	case p.Aside < 0 || p.Aside > 1<<40 || p.Aside > 0 && !one:
		return fmt.Errorf("cannot use boot profile: aside is %d with slots %s; it is bytes up to 1 TiB, of phones with slots single", p.Aside, p.Slots)
	}
	for _, f := range p.VBMetaFlags {
		if f != HashtreeDisabled && f != VerificationDisabled {
			return fmt.Errorf("cannot use boot profile: vbmeta_flags has %q, expected %s or %s", f, HashtreeDisabled, VerificationDisabled)
		}
		if p.Trust != Unlocked {
			return fmt.Errorf("cannot use boot profile: vbmeta_flags is %q with trust %s; only an unlocked phone starts a system whose vbmeta says that it is not to be verified", p.VBMetaFlags, p.Trust)
		}
	}
	return nil
}

// Check says what is wrong with p, naming the field as device.yaml does.
func (p Profile) Check() error {
	if !slices.Contains([]Trust{CustomKey, Unlocked, VerifiedBoot1, None}, p.Trust) {
		return fmt.Errorf("cannot use boot profile: trust is %q, expected custom-key, unlocked, verified-boot-1 or none", p.Trust)
	}
	if !slices.Contains([]Slots{AB, VirtualAB, VirtualABCompressed, Single}, p.Slots) {
		return fmt.Errorf("cannot use boot profile: slots is %q, expected ab, virtual-ab, virtual-ab-compressed or single", p.Slots)
	}
	if !slices.Contains([]FlashPath{Fastboot, Odin, Recovery}, p.Flash) {
		return fmt.Errorf("cannot use boot profile: flash is %q, expected fastboot, odin or recovery", p.Flash)
	}
	if p.Trust == VerifiedBoot1 && p.Slots != Single {
		return fmt.Errorf("cannot use boot profile: trust is %s with slots %s; phones with two slots and Verified Boot 1 have the vendor's key in their kernel: expected slots single, or trust unlocked", p.Trust, p.Slots)
	}
	if compressed := p.Slots == VirtualABCompressed; compressed != (p.COWVersion != 0) {
		return fmt.Errorf("cannot use boot profile: cow_version is %d with slots %s; it is 2 or 3 with virtual-ab-compressed and absent otherwise", p.COWVersion, p.Slots)
	} else if compressed && p.COWVersion != 2 && p.COWVersion != 3 {
		return fmt.Errorf("cannot use boot profile: cow_version is %d, expected 2 or 3", p.COWVersion)
	}
	if p.COWCompression != "" && (p.Slots != VirtualABCompressed || !slices.Contains([]string{"lz4", "gz", "none"}, p.COWCompression)) {
		return fmt.Errorf("cannot use boot profile: cow_compression is %q with slots %s; it is lz4, gz or none, with virtual-ab-compressed", p.COWCompression, p.Slots)
	}
	if p.Slots != Single && (p.PayloadMinor < 3 || p.PayloadMinor > 10) {
		return fmt.Errorf("cannot use boot profile: payload_minor is %d, expected 3 (Android 8) to 10 (Android 17)", p.PayloadMinor)
	}
	if err := p.checkSpecial(); err != nil {
		return err
	}
	for _, place := range p.UpdateCertificates {
		if partition, path, ok := strings.Cut(place, ":"); !ok || !IsPartition(partition) || path == "" || strings.HasPrefix(path, "/") {
			return fmt.Errorf("cannot use boot profile: update_certificates has %q, expected \"partition:path\" such as \"system:system/etc/security/otacerts.zip\"", place)
		}
	}
	if len(p.UpdateCertificates) == 0 {
		return fmt.Errorf("cannot use boot profile: update_certificates is empty; without a place for otacerts.zip the second update would not be trusted")
	}
	return nil
}

// IsPartition says whether s can name a partition, without a slot's suffix:
// Android's own names are small letters, digits and underscores, at most the 36
// bytes that a partition table has for them.
func IsPartition(s string) bool {
	for i, c := range []byte(s) {
		if !('a' <= c && c <= 'z' || i > 0 && (c == '_' || '0' <= c && c <= '9')) {
			return false
		}
	}
	return s != "" && len(s) <= 36
}

// KeyEnforced says whether the boot loader refuses a system signed by another
// key or with a lower rollback index.
func (p Profile) KeyEnforced() bool { return p.Trust == CustomKey }
