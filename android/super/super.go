// Package super reads and writes Android's logical partitions: the metadata of
// liblp at the front of the super partition, which says of which extents
// system, vendor and the others are made, and the partitions themselves.
//
// It reads every copy that the metadata keeps (a primary and a backup for each
// slot) and says which are damaged; it neither resizes partitions nor knows
// snapshots (virtual A/B keeps those in other places).
//
// The format is described in AOSP's system/core/fs_mgr/liblp,
// metadata_format.h, versions 10.0 to 10.2. All numbers are little-endian;
// sectors have 512 bytes.
package super

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/fridayos/friday/android/tree"
)

const (
	// SectorSize is the unit of extents.
	SectorSize = 512
	// MaxMetadata is the largest copy of metadata in bytes that is read or
	// written; phones have 64 KiB.
	MaxMetadata = 4 << 20
	// MaxSlots is the most slots; phones have up to 3.
	MaxSlots = 16
	// MaxSize is the largest device or partition in bytes: 16 TiB.
	MaxSize = 1 << 44

	geometryMagic = 0x616c4467
	headerMagic   = 0x414c5030
	geometrySize  = 4096 // with its padding
	geometryLen   = 52
	reserved      = 4096 // at the start, against being taken for a boot sector
	nameSize      = 36

	headerLen     = 128 // minor versions 0 and 1
	headerLenMore = 256 // minor version 2

	partitionLen = 52
	extentLen    = 24
	groupLen     = 48
	deviceLen    = 64
)

// Bits of Partition.Attributes.
const (
	ReadOnly     = 1 << 0
	SlotSuffixed = 1 << 1 // the slot's suffix is to be put behind the name
	Updated      = 1 << 2 // made for an update with snapshots
	Disabled     = 1 << 3 // not to be mapped
)

// GroupSlotSuffixed and DeviceSlotSuffixed are bits of Group.Flags and
// Device.Flags: the slot's suffix is to be put behind the name.
const (
	GroupSlotSuffixed  = 1 << 0
	DeviceSlotSuffixed = 1 << 0
)

// Bits of Metadata.Flags.
const (
	VirtualAB      = 1 << 0
	OverlaysActive = 1 << 1
)

// ErrNotSuper is wrapped by the error of Open for what has no geometry.
var ErrNotSuper = errors.New("this is not a super image")

// Geometry says where the copies of the metadata lie.
type Geometry struct {
	MetadataMaxSize uint32 // bytes that each copy has room for, a multiple of 512
	Slots           uint32 // copies, each with a backup
	BlockSize       uint32 // of partitions, a multiple of 512
}

// total is the room that geometry and metadata take at the start of a super.
func (g Geometry) total() int64 {
	return reserved + 2*(geometrySize+int64(g.MetadataMaxSize)*int64(g.Slots))
}

// primary and backup are where the copies of a slot lie.
func (g Geometry) primary(slot int) int64 {
	return reserved + 2*geometrySize + int64(g.MetadataMaxSize)*int64(slot)
}

func (g Geometry) backup(slot int) int64 {
	return g.primary(int(g.Slots)) + int64(g.MetadataMaxSize)*int64(slot)
}

// Metadata is what one slot says.
type Metadata struct {
	Minor      uint16 // of version 10: 0 to 2
	Flags      uint32 // from minor version 2 on
	Partitions []Partition
	Groups     []Group
	Devices    []Device // the first one holds the metadata
}

// Partition is a logical partition.
type Partition struct {
	Name       string // at most 36 bytes
	Attributes uint32
	Group      int // index into Metadata.Groups
	Extents    []Extent
}

// Size is the length of the partition in bytes.
func (p *Partition) Size() int64 {
	n := int64(0)
	for _, e := range p.Extents {
		n += int64(e.Sectors) * SectorSize
	}
	return n
}

// Extent is a part of a partition: sectors of a device or, with Zero, zeros.
type Extent struct {
	Sectors uint64
	Zero    bool
	Sector  uint64 // on the device; 0 with Zero
	Device  int    // index into Metadata.Devices; 0 with Zero
}

// Group bounds partitions that are updated together.
type Group struct {
	Name    string // at most 36 bytes
	Flags   uint32
	MaxSize uint64 // of its partitions together; 0: no bound
}

// Device is a block device that holds extents.
type Device struct {
	Name            string // of its partition; at most 36 bytes
	FirstSector     uint64 // that extents may use
	Alignment       uint32 // of extents, in bytes
	AlignmentOffset uint32 // in bytes
	Size            uint64 // in bytes
	Flags           uint32
}

// Partition finds a partition by its name, or returns nil.
func (m *Metadata) Partition(name string) *Partition {
	for i := range m.Partitions {
		if m.Partitions[i].Name == name {
			return &m.Partitions[i]
		}
	}
	return nil
}

// ForSlot returns the metadata with the slot's suffix ("_a", "_b") put behind
// the names that ask for it, as a phone does when it reads a slot.
func (m *Metadata) ForSlot(slot int) *Metadata {
	suffix := "_" + string(rune('a'+slot))
	out := *m
	out.Partitions = append([]Partition(nil), m.Partitions...)
	out.Groups = append([]Group(nil), m.Groups...)
	out.Devices = append([]Device(nil), m.Devices...)
	for i := range out.Partitions {
		if p := &out.Partitions[i]; p.Attributes&SlotSuffixed != 0 {
			p.Name, p.Attributes = p.Name+suffix, p.Attributes&^SlotSuffixed
		}
	}
	for i := range out.Groups {
		if g := &out.Groups[i]; g.Flags&GroupSlotSuffixed != 0 {
			g.Name, g.Flags = g.Name+suffix, g.Flags&^GroupSlotSuffixed
		}
	}
	for i := range out.Devices {
		if d := &out.Devices[i]; d.Flags&DeviceSlotSuffixed != 0 {
			d.Name, d.Flags = d.Name+suffix, d.Flags&^DeviceSlotSuffixed
		}
	}
	return &out
}

// Source is the content of a block device.
type Source struct {
	R    io.ReaderAt
	Size int64
}

// Contents returns a partition as segments of the devices, in the order of
// Metadata.Devices. A phone with one super has one.
func (m *Metadata) Contents(name string, devices ...Source) (*tree.Image, error) {
	p := m.Partition(name)
	if p == nil {
		return nil, fmt.Errorf("cannot read partition %q: there are %s", name, m.names())
	}
	im := new(tree.Image)
	for i, e := range p.Extents {
		n := int64(e.Sectors) * SectorSize
		if e.Zero {
			im.AppendZeros(n)
			continue
		}
		if e.Device >= len(devices) {
			return nil, fmt.Errorf("cannot read partition %q: extent %d lies on device %d (%s); only %d were given", name, i, e.Device, m.Devices[e.Device].Name, len(devices))
		}
		d := devices[e.Device]
		off := int64(e.Sector) * SectorSize
		if off+n > d.Size {
			return nil, fmt.Errorf("cannot read partition %q: extent %d: expected bytes %d to %d of device %d, found its end at %d", name, i, off, off+n, e.Device, d.Size)
		}
		im.AppendRange(d.R, off, n)
	}
	return im, nil
}

// names lists the partitions for an error.
func (m *Metadata) names() string {
	var out []string
	for i, p := range m.Partitions {
		if i == 12 {
			return strings.Join(out, ", ") + fmt.Sprintf(" and %d more", len(m.Partitions)-i)
		}
		out = append(out, p.Name)
	}
	if len(out) == 0 {
		return "none"
	}
	return strings.Join(out, ", ")
}
