// Package bootimg reads and writes Android boot images: boot and init_boot with
// header versions 0 to 4, vendor_boot with versions 3 and 4, and the ramdisks in them.
//
// It does not sign (see package avb for the footer behind an image) and does not
// look into kernels or device trees. The format is described in AOSP's
// system/tools/mkbootimg, include/bootimg/bootimg.h; the ramdisk in the Linux
// kernel's Documentation/driver-api/early-userspace/buffer-format.rst.
package bootimg

import (
	"io"

	"github.com/fridayos/friday/android/tree"
)

// Image is a boot, init_boot or vendor_boot image. Which fields are in use
// depends on HeaderVersion and Vendor.
type Image struct {
	HeaderVersion uint32
	Vendor        bool   // vendor_boot ("VNDRBOOT")
	PageSize      uint32 // 4096 always for boot v3 and v4
	Kernel        []byte
	Ramdisk       []byte
	Second        []byte // v0 to v2
	RecoveryDTBO  []byte // v1, v2
	DTB           []byte // v2; vendor_boot
	Signature     []byte // v4: the GKI boot signature
	Name          string // v0 to v2, vendor_boot
	Cmdline       string
	OSVersion     OSVersion
	OSPatchLevel  OSPatchLevel
}

// OSVersion is Android's version as a boot header holds it.
type OSVersion struct{ A, B, C uint8 }

// OSPatchLevel is the month of the security patch level.
type OSPatchLevel struct {
	Year  int // 2000 to 2127; 0: none
	Month int
}

// Parse reads a boot image of the given size.
func Parse(r io.ReaderAt, size int64) (*Image, error) { panic("unwritten") }

// Build writes im; an image that was parsed and not changed comes out byte for byte.
func Build(im *Image) (*tree.Image, error) { panic("unwritten") }

// Compression is how a ramdisk is packed.
type Compression uint8

const (
	Plain Compression = iota
	Gzip
	LZ4Legacy
)

// UnpackRamdisk reads a cpio archive (newc), packed or not.
func UnpackRamdisk(b []byte) (*tree.Node, Compression, error) { panic("unwritten") }

// PackRamdisk writes root as a cpio archive (newc). The same tree gives the same bytes.
func PackRamdisk(root *tree.Node, c Compression) ([]byte, error) { panic("unwritten") }
