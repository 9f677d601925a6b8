package bootimg

import (
	"encoding/binary"
	"fmt"
	"strings"
)

const (
	bootMagic   = "ANDROID!"
	vendorMagic = "VNDRBOOT"
	// firstPage is as much as any header takes.
	firstPage        = 4096
	versionOffset    = 40 // in boot images of every version
	vendorVersionOff = 8
	vendorEntrySize  = 108
)

// header is what Image has in another form.
type header struct {
	kernelSize, ramdiskSize, secondSize, dtboSize, dtbSize, signatureSize uint32
	tableSize, tableEntries, tableEntrySize, bootconfigSize               uint32
	version, pageSize, headerSize, osVersion                              uint32
	dtboOffset                                                            uint64
	id, reserved, cmdline, extraCmdline                                   string
}

// field is a number or a string filled with NULs, little-endian; they follow each
// other from offset 8 on.
type field struct {
	name string
	num  *uint32
	wide *uint64
	text *string
	n    int // of text
}

func (f *field) len() int {
	switch {
	case f.num != nil:
		return 4
	case f.wide != nil:
		return 8
	}
	return f.n
}

// fields of the header, by kind and version.
func (im *Image) fields(h *header) []field {
	num := func(name string, p *uint32) field { return field{name: name, num: p} }
	wide := func(name string, p *uint64) field { return field{name: name, wide: p} }
	text := func(name string, p *string, n int) field { return field{name: name, text: p, n: n} }
	var fs []field
	switch v := im.HeaderVersion; {
	case im.Vendor:
		fs = []field{num("header_version", &h.version), num("page_size", &h.pageSize), num("kernel_addr", &im.KernelAddr),
			num("ramdisk_addr", &im.RamdiskAddr), num("vendor_ramdisk_size", &h.ramdiskSize), text("cmdline", &im.Cmdline, 2048),
			num("tags_addr", &im.TagsAddr), text("name", &im.Name, 16), num("header_size", &h.headerSize),
			num("dtb_size", &h.dtbSize), wide("dtb_addr", &im.DTBAddr)}
		if v >= 4 {
			fs = append(fs, num("vendor_ramdisk_table_size", &h.tableSize), num("vendor_ramdisk_table_entry_num", &h.tableEntries),
				num("vendor_ramdisk_table_entry_size", &h.tableEntrySize), num("bootconfig_size", &h.bootconfigSize))
		}
	case v >= 3:
		fs = []field{num("kernel_size", &h.kernelSize), num("ramdisk_size", &h.ramdiskSize), num("os_version", &h.osVersion),
			num("header_size", &h.headerSize), text("reserved", &h.reserved, 16), num("header_version", &h.version),
			text("cmdline", &im.Cmdline, 1536)}
		if v >= 4 {
			fs = append(fs, num("signature_size", &h.signatureSize))
		}
	default:
		fs = []field{num("kernel_size", &h.kernelSize), num("kernel_addr", &im.KernelAddr), num("ramdisk_size", &h.ramdiskSize),
			num("ramdisk_addr", &im.RamdiskAddr), num("second_size", &h.secondSize), num("second_addr", &im.SecondAddr),
			num("tags_addr", &im.TagsAddr), num("page_size", &h.pageSize), num("header_version", &h.version),
			num("os_version", &h.osVersion), text("name", &im.Name, 16), text("cmdline", &h.cmdline, 512),
			text("id", &h.id, 32), text("extra_cmdline", &h.extraCmdline, 1024)}
		if v >= 1 {
			fs = append(fs, num("recovery_dtbo_size", &h.dtboSize), wide("recovery_dtbo_offset", &h.dtboOffset), num("header_size", &h.headerSize))
		}
		if v >= 2 {
			fs = append(fs, num("dtb_size", &h.dtbSize), wide("dtb_addr", &im.DTBAddr))
		}
	}
	return fs
}

func headerLen(fs []field) (n int) {
	n = 8
	for _, f := range fs {
		n += f.len()
	}
	return n
}

func decodeFields(fs []field, b []byte) {
	at := 8
	for _, f := range fs {
		v := b[at : at+f.len()]
		switch {
		case f.num != nil:
			*f.num = binary.LittleEndian.Uint32(v)
		case f.wide != nil:
			*f.wide = binary.LittleEndian.Uint64(v)
		default:
			*f.text = strings.TrimRight(string(v), "\x00")
		}
		at += f.len()
	}
}

func encodeFields(fs []field, magic string) ([]byte, error) {
	b := []byte(magic)
	for _, f := range fs {
		switch {
		case f.num != nil:
			b = binary.LittleEndian.AppendUint32(b, *f.num)
		case f.wide != nil:
			b = binary.LittleEndian.AppendUint64(b, *f.wide)
		default:
			if len(*f.text) > f.n {
				return nil, fmt.Errorf("%s is %d bytes long, expected at most %d", f.name, len(*f.text), f.n)
			}
			b = append(append(b, *f.text...), make([]byte, f.n-len(*f.text))...)
		}
	}
	return b, nil
}

// OSVersion is Android's version as a boot header holds it, each part below 128.
type OSVersion struct{ A, B, C uint8 }

// ParseOSVersion reads "16" or "8.1.0".
func ParseOSVersion(s string) (OSVersion, error) {
	var v OSVersion
	parts := strings.Split(s, ".")
	to := []*uint8{&v.A, &v.B, &v.C}
	for i, p := range parts {
		n := 0
		if len(parts) > 3 || len(p) < 1 || len(p) > 3 || strings.Trim(p, "0123456789") != "" {
			return OSVersion{}, fmt.Errorf("cannot read OS version %q: expected one to three numbers such as 8.1.0", s)
		}
		if fmt.Sscan(strings.TrimLeft(p, "0")+" ", &n); n > 127 {
			return OSVersion{}, fmt.Errorf("cannot read OS version %q: %d is above 127", s, n)
		}
		*to[i] = uint8(n)
	}
	return v, nil
}

// String writes v as "8.1.0".
func (v OSVersion) String() string { return fmt.Sprintf("%d.%d.%d", v.A, v.B, v.C) }

// OSPatchLevel is the month of the security patch level. Zero is none.
type OSPatchLevel struct {
	Year  int // 2000 to 2127
	Month int
}

// ParseOSPatchLevel reads "2026-11" and leaves the day of "2026-11-05" out.
func ParseOSPatchLevel(s string) (OSPatchLevel, error) {
	var p OSPatchLevel
	var day int
	form := "0000-00-00"
	ok := len(s) == 7 || len(s) == 10
	for i := 0; ok && i < len(s); i++ {
		ok = s[i] == form[i] || form[i] == '0' && s[i] >= '0' && s[i] <= '9'
	}
	if ok {
		fmt.Sscanf(s+"-01", "%d-%d-%d", &p.Year, &p.Month, &day)
		ok = p.Month >= 1 && p.Month <= 12 && p.Year >= 2000 && p.Year <= 2127 && day >= 1 && day <= 31
	}
	if !ok {
		return OSPatchLevel{}, fmt.Errorf("cannot read patch level %q: expected a month from 2000 to 2127 such as 2026-11", s)
	}
	return p, nil
}

// String writes p as "2026-11"; "" for none.
func (p OSPatchLevel) String() string {
	if p == (OSPatchLevel{}) {
		return ""
	}
	return fmt.Sprintf("%04d-%02d", p.Year, p.Month)
}

func decodeOS(n uint32) (OSVersion, OSPatchLevel) {
	v := OSVersion{uint8(n >> 25), uint8(n >> 18 & 127), uint8(n >> 11 & 127)}
	if n&0x7ff == 0 {
		return v, OSPatchLevel{}
	}
	return v, OSPatchLevel{Year: 2000 + int(n>>4&127), Month: int(n & 15)}
}

func encodeOS(v OSVersion, p OSPatchLevel) (uint32, error) {
	if v.A > 127 || v.B > 127 || v.C > 127 {
		return 0, fmt.Errorf("OS version is %s, expected numbers up to 127", v)
	}
	n := uint32(v.A)<<25 | uint32(v.B)<<18 | uint32(v.C)<<11
	if p == (OSPatchLevel{}) {
		return n, nil
	}
	// Months of 0 and above 12 are kept as found.
	if p.Year < 2000 || p.Year > 2127 || p.Month < 0 || p.Month > 15 {
		return 0, fmt.Errorf("OS patch level is %s, expected a month from 2000-01 to 2127-12", p)
	}
	return n | uint32(p.Year-2000)<<4 | uint32(p.Month), nil
}
