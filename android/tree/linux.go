package tree

import "slices"

// typeBits are S_IFMT's bits of a mode, by type.
var typeBits = [...]uint16{Regular: 0o100000, Directory: 0o040000, Symlink: 0o120000,
	CharDevice: 0o020000, BlockDevice: 0o060000, FIFO: 0o010000, Socket: 0o140000}

// Bits are the bits of a Linux mode that say the type: 0o100000 for a file.
func (t Type) Bits() uint16 { return typeBits[t] }

// TypeOf is the type that a Linux mode says; ok is false for none that is known.
func TypeOf(mode uint16) (t Type, ok bool) {
	i := slices.Index(typeBits[:], mode&0o170000)
	return Type(max(i, 0)), i >= 0
}

// FileType is the number that entries of directories on disk have for a type, in
// ext4 and EROFS (FT_REG_FILE is 1).
func (t Type) FileType() uint8 {
	return [...]uint8{Regular: 1, Directory: 2, CharDevice: 3, BlockDevice: 4, FIFO: 5, Socket: 6, Symlink: 7}[t]
}

// The largest numbers of a device that Linux has on disk.
const (
	MaxMajor = 0xfff
	MaxMinor = 0xfffff
)

// DeviceNumber is a device as Linux writes it on disk, in 32 bits.
func DeviceNumber(major, minor uint32) uint32 { return major<<8 | minor&0xff | minor&^0xff<<12 }

// ParseDevice takes such a number apart.
func ParseDevice(n uint32) (major, minor uint32) { return n >> 8 & MaxMajor, n&0xff | n>>12&0xfff00 }
