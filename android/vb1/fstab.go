package vb1

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Mount is a line of an fstab of Android 7 and older, which lies in the root of the
// ramdisk.
type Mount struct {
	Device string // "/dev/block/bootdevice/by-name/system"
	Point  string // "/system"
	Type   string // "ext4"
	Verify bool   // init mounts it through dm-verity, by the metadata behind it
}

// Partition is the name by which the device is found.
func (m Mount) Partition() string { return path.Base(m.Device) }

// maxFstab is the largest fstab that is read.
const maxFstab = 64 << 10

// ParseFstab reads an fstab: device, mount point, type, mount flags, and what init does
// with them.
func ParseFstab(text []byte) ([]Mount, error) {
	if len(text) > maxFstab {
		return nil, fmt.Errorf("cannot read fstab: it has %d bytes, at most %d are read", len(text), maxFstab)
	}
	var out []Mount
	for i, line := range strings.Split(string(text), "\n") {
		f := strings.Fields(line)
		if len(f) == 0 || strings.HasPrefix(f[0], "#") {
			continue
		}
		if len(f) < 5 {
			return nil, fmt.Errorf("cannot read fstab: line %d has %d words, expected 5", i+1, len(f))
		}
		verify := slices.ContainsFunc(strings.Split(f[4], ","), func(s string) bool { return s == "verify" || strings.HasPrefix(s, "verify=") })
		out = append(out, Mount{Device: f[0], Point: f[1], Type: f[2], Verify: verify})
	}
	return out, nil
}

// IsFstab says whether a file in the root of a ramdisk is an fstab.
func IsFstab(name string) bool { return strings.HasPrefix(name, "fstab.") }
