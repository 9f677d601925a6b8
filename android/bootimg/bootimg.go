// Package bootimg reads and writes Android boot images: boot, recovery and
// init_boot with header versions 0 to 4, vendor_boot with versions 3 and 4, and
// the ramdisks in them.
//
// It does not sign (see package avb for the footer behind an image) and does not
// look into kernels or device trees. The format is described in AOSP's
// system/tools/mkbootimg, include/bootimg/bootimg.h; the ramdisk in the Linux
// kernel's Documentation/driver-api/early-userspace/buffer-format.rst.
package bootimg

import (
	"fmt"
	"io"
)

// MaxSections is the most that the sections of an image may hold together. Parse
// holds that much and no more, whatever the size of what it reads.
const MaxSections = 128 << 20

// Image is a boot, init_boot, recovery or vendor_boot image. Which fields are in
// use depends on Vendor and HeaderVersion; the others are left zero.
type Image struct {
	Vendor        bool   // vendor_boot
	HeaderVersion uint32 // 0 to 4; 3 or 4 with Vendor
	PageSize      uint32 // 4096 always for boot v3 and v4; 0: 4096, for v0 to v2 2048

	Kernel       []byte // boot
	Ramdisk      []byte // all but vendor_boot v4
	Second       []byte // boot v0 to v2
	DT           []byte // boot v0 of Qualcomm phones before v1 was: a table of device trees
	RecoveryDTBO []byte // boot v1 and v2
	DTB          []byte // boot v2, vendor_boot
	Signature    []byte // boot v4

	VendorRamdisks []VendorRamdisk // vendor_boot v4
	Bootconfig     []byte          // vendor_boot v4

	Name         string // boot v0 to v2, vendor_boot; at most 16 bytes
	Cmdline      string
	OSVersion    OSVersion    // boot
	OSPatchLevel OSPatchLevel // boot

	KernelAddr, RamdiskAddr, SecondAddr, TagsAddr uint32 // boot v0 to v2, vendor_boot
	DTBAddr                                       uint64 // boot v2, vendor_boot

	// Tail is what lies behind the last section up to the end of the partition:
	// zeros, an AVB footer, a vendor's mark. Build writes it as it is: set it to nil
	// when a section was changed.
	Tail *io.SectionReader

	odd oddities
}

// VendorRamdisk is one ramdisk of vendor_boot v4.
type VendorRamdisk struct {
	Name    string // at most 32 bytes
	Type    VendorRamdiskType
	BoardID [16]uint32
	Data    []byte
}

// VendorRamdiskType says when a vendor's ramdisk is loaded. The numbers are the format's.
type VendorRamdiskType uint32

const (
	RamdiskNone VendorRamdiskType = iota
	RamdiskPlatform
	RamdiskRecovery
	RamdiskDLKM
)

// oddities are values that another program wrote otherwise than Build would. They
// are kept so that an unchanged image comes out byte for byte.
type oddities struct {
	headerSize *uint32 // nil: as computed
	id         *oddID  // nil: as computed
	dtboOffset uint64  // where there is no recovery DTBO
	reserved   string
	cmdline    [2]string // its two places in v0 to v2, where it is not split as here
	padding    map[string]oddPadding
}

// oddID is the id found where another was computed. It holds as long as the
// sections do, that is, as the same one is computed.
type oddID struct{ found, computed [32]byte }

// oddPadding is what follows a section up to the next page: not zeros, or cut
// off by the end of the file. It holds as long as the section has that length.
type oddPadding struct {
	behind int
	bytes  []byte
}

// section is a part of an image that begins at a page.
type section struct {
	name string
	size *uint32 // in the header
	data *[]byte
}

// sections in the order of the file. vendor stands for the parts that vendor_boot
// v4 has as one section and Image as several.
func (im *Image) sections(h *header, vendor *vendorParts) []section {
	kernel := section{"kernel", &h.kernelSize, &im.Kernel}
	ramdisk := section{"ramdisk", &h.ramdiskSize, &im.Ramdisk}
	dtb := section{"dtb", &h.dtbSize, &im.DTB}
	switch v := im.HeaderVersion; {
	case im.Vendor && v == 3:
		return []section{ramdisk, dtb}
	case im.Vendor:
		return []section{{"vendor_ramdisk", &h.ramdiskSize, &vendor.ramdisks}, dtb,
			{"vendor_ramdisk_table", &h.tableSize, &vendor.table}, {"bootconfig", &h.bootconfigSize, &im.Bootconfig}}
	case v == 3:
		return []section{kernel, ramdisk}
	case v == 4:
		return []section{kernel, ramdisk, {"boot_signature", &h.signatureSize, &im.Signature}}
	}
	s := []section{kernel, ramdisk, {"second", &h.secondSize, &im.Second}}
	switch im.HeaderVersion {
	case 0:
		s = append(s, section{"dt", &h.version, &im.DT}) // the version's place, before there were versions
	case 1:
		s = append(s, section{"recovery_dtbo", &h.dtboSize, &im.RecoveryDTBO})
	case 2:
		s = append(s, section{"recovery_dtbo", &h.dtboSize, &im.RecoveryDTBO}, dtb)
	}
	return s
}

func (im *Image) kind() string {
	if im.Vendor {
		return fmt.Sprintf("vendor_boot v%d", im.HeaderVersion)
	}
	return fmt.Sprintf("boot v%d", im.HeaderVersion)
}

func toPage(n int64, page uint32) int64 { return (n + int64(page) - 1) / int64(page) * int64(page) }
