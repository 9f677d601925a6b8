package bootimg

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"

	"github.com/fridayos/friday/android/tree"
)

func bad(what string, offset int64, name string, found, expected any) error {
	return fmt.Errorf("cannot read %s: %s at offset %d is %v, expected %v", what, name, offset, found, expected)
}

// Parse reads a boot image of the given size. It holds the sections, at most
// MaxSections, and reads the tail when asked.
func Parse(r io.ReaderAt, size int64) (*Image, error) {
	first := make([]byte, min(max(size, 0), firstPage))
	if err := tree.ReadFull(r, first, 0); err != nil {
		return nil, fmt.Errorf("cannot read boot image: %w", err)
	}
	im, err := identify(first)
	if err != nil {
		return nil, err
	}
	var h header
	fs := im.fields(&h)
	if n := headerLen(fs); len(first) < n {
		return nil, fmt.Errorf("cannot read %s: it is %d bytes long, expected a header of %d", im.kind(), len(first), n)
	}
	decodeFields(fs, first)
	if im.PageSize = h.pageSize; im.HeaderVersion >= 3 && !im.Vendor {
		im.PageSize = 4096
	}
	if p := im.PageSize; p < 2048 || p > 1<<17 || p&(p-1) != 0 {
		return nil, bad(im.kind(), fieldOffset(fs, "page_size"), "page_size", p, "a power of two from 2048 to 131072")
	}
	im.OSVersion, im.OSPatchLevel = decodeOS(h.osVersion)
	var vendor vendorParts
	end, err := im.readSections(r, size, &h, fs, &vendor)
	if err != nil {
		return nil, err
	}
	if im.Vendor && im.HeaderVersion >= 4 {
		if err := im.splitVendor(&h, &vendor); err != nil {
			return nil, err
		}
	}
	if err := im.keepOddities(&h, fs); err != nil {
		return nil, err
	}
	if end < size {
		im.Tail = io.NewSectionReader(r, end, size-end)
	}
	return im, nil
}

func identify(first []byte) (*Image, error) {
	if len(first) < versionOffset+4 {
		return nil, fmt.Errorf("cannot read boot image: it is %d bytes long, expected at least %d", len(first), versionOffset+4)
	}
	switch magic := string(first[:8]); magic {
	case bootMagic:
		v := binary.LittleEndian.Uint32(first[versionOffset:])
		if v > 4 { // the size of a table of device trees, before there were versions
			v = 0
		}
		return &Image{HeaderVersion: v}, nil
	case vendorMagic:
		v := binary.LittleEndian.Uint32(first[vendorVersionOff:])
		if v != 3 && v != 4 {
			return nil, bad("vendor_boot", vendorVersionOff, "header_version", v, "3 or 4")
		}
		return &Image{Vendor: true, HeaderVersion: v}, nil
	default:
		return nil, bad("boot image", 0, "magic", fmt.Sprintf("%q", magic), `"ANDROID!" or "VNDRBOOT"`)
	}
}

func fieldOffset(fs []field, name string) int64 {
	at := int64(8)
	for _, f := range fs {
		if f.name == name {
			return at
		}
		at += int64(f.len())
	}
	return -1
}

// readSections returns where the last one ends.
func (im *Image) readSections(r io.ReaderAt, size int64, h *header, fs []field, vendor *vendorParts) (int64, error) {
	at, err := im.readPadding(r, size, "header", int64(headerLen(fs)), headerLen(fs))
	if err != nil {
		return 0, err
	}
	total := int64(0)
	for _, s := range im.sections(h, vendor) {
		n := int64(*s.size)
		if n > size-at {
			return 0, fmt.Errorf("cannot read %s: section %s at offset %d is %d bytes long, expected at most %d up to the image's end", im.kind(), s.name, at, n, max(0, size-at))
		}
		if total += n; total > MaxSections {
			return 0, fmt.Errorf("cannot read %s: its sections up to %s hold %d bytes, expected at most %d", im.kind(), s.name, total, MaxSections)
		}
		if n == 0 {
			continue
		}
		b := make([]byte, n)
		if err := tree.ReadFull(r, b, at); err != nil {
			return 0, fmt.Errorf("cannot read %s: section %s: %w", im.kind(), s.name, err)
		}
		*s.data = b
		if at, err = im.readPadding(r, size, s.name, at+n, int(n)); err != nil {
			return 0, err
		}
	}
	return at, nil
}

// readPadding returns where the next page begins, and keeps what is not zeros.
func (im *Image) readPadding(r io.ReaderAt, size int64, name string, at int64, behind int) (int64, error) {
	next := toPage(at, im.PageSize)
	b := make([]byte, min(next, size)-at)
	if err := tree.ReadFull(r, b, at); err != nil {
		return 0, fmt.Errorf("cannot read %s: padding behind %s: %w", im.kind(), name, err)
	}
	if len(b) < int(next-at) || len(bytes.Trim(b, "\x00")) > 0 {
		if im.odd.padding == nil {
			im.odd.padding = map[string]oddPadding{}
		}
		im.odd.padding[name] = oddPadding{behind, b}
	}
	return at + int64(len(b)), nil
}

// vendorParts are two sections of vendor_boot v4.
type vendorParts struct{ ramdisks, table []byte }

func (im *Image) splitVendor(h *header, v *vendorParts) error {
	if h.tableEntrySize != vendorEntrySize && h.tableEntries > 0 {
		return bad(im.kind(), 2120, "vendor_ramdisk_table_entry_size", h.tableEntrySize, vendorEntrySize)
	}
	if uint64(h.tableEntries)*vendorEntrySize != uint64(len(v.table)) {
		return bad(im.kind(), 2112, "vendor_ramdisk_table_size", len(v.table), fmt.Sprintf("%d for %d entries", uint64(h.tableEntries)*vendorEntrySize, h.tableEntries))
	}
	rest, at := v.ramdisks, uint32(0)
	for i := range int(h.tableEntries) {
		e := v.table[i*vendorEntrySize:][:vendorEntrySize]
		le := binary.LittleEndian
		n, off := le.Uint32(e), le.Uint32(e[4:])
		if off != at || uint64(n) > uint64(len(rest)) {
			return fmt.Errorf("cannot read %s: entry %d of vendor_ramdisk_table is %d bytes at offset %d, expected offset %d and at most %d bytes", im.kind(), i, n, off, at, len(rest))
		}
		d := VendorRamdisk{Type: VendorRamdiskType(le.Uint32(e[8:])), Name: string(bytes.TrimRight(e[12:44], "\x00")), Data: rest[:n:n]}
		for j := range d.BoardID {
			d.BoardID[j] = le.Uint32(e[44+4*j:])
		}
		rest, at = rest[n:], at+n
		im.VendorRamdisks = append(im.VendorRamdisks, d)
	}
	if len(rest) > 0 {
		return fmt.Errorf("cannot read %s: %d bytes of the vendor ramdisk from offset %d are in no entry of vendor_ramdisk_table", im.kind(), len(rest), at)
	}
	return nil
}

// keepOddities compares the header with what Build would write.
func (im *Image) keepOddities(h *header, fs []field) error {
	if fieldOffset(fs, "header_size") >= 0 && h.headerSize != uint32(headerLen(fs)) {
		im.odd.headerSize = &h.headerSize
	}
	if im.HeaderVersion >= 3 {
		im.odd.reserved = h.reserved
		return nil
	}
	im.Cmdline = h.cmdline + h.extraCmdline
	if first, extra := splitCmdline(im.Cmdline); first != h.cmdline || extra != h.extraCmdline {
		im.odd.cmdline = [2]string{h.cmdline, h.extraCmdline}
	}
	if want := im.id(); h.id != trimmed(want[:]) {
		im.odd.id = &oddID{computed: want}
		copy(im.odd.id.found[:], h.id)
	}
	if im.HeaderVersion == 0 {
		return nil
	}
	if want := im.dtboOffset(int64(headerLen(fs))); len(im.RecoveryDTBO) == 0 {
		im.odd.dtboOffset = h.dtboOffset
	} else if h.dtboOffset != want {
		return bad(im.kind(), fieldOffset(fs, "recovery_dtbo_offset"), "recovery_dtbo_offset", h.dtboOffset, want)
	}
	return nil
}

func trimmed(b []byte) string { return string(bytes.TrimRight(b, "\x00")) }
