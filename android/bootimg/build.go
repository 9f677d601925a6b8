package bootimg

import (
	"crypto/sha1"
	"encoding/binary"
	"fmt"

	"github.com/fridayos/friday/android/tree"
)

// Build writes im. An image that was parsed and not changed comes out byte for
// byte; of a changed one sizes, offsets and the id of v0 to v2 are computed anew.
func Build(im *Image) (*tree.Image, error) {
	fail := func(err error) (*tree.Image, error) { return nil, fmt.Errorf("cannot build %s: %w", im.kind(), err) }
	if err := im.check(); err != nil {
		return fail(err)
	}
	c := *im // fields point into it
	h := header{version: im.HeaderVersion, reserved: im.odd.reserved}
	var vendor vendorParts
	if err := c.fillHeader(&h, &vendor); err != nil {
		return fail(err)
	}
	fs := c.fields(&h)
	h.headerSize = uint32(headerLen(fs))
	if im.odd.headerSize != nil {
		h.headerSize = *im.odd.headerSize
	}
	magic := bootMagic
	if im.Vendor {
		magic = vendorMagic
	}
	b, err := encodeFields(fs, magic)
	if err != nil {
		return fail(err)
	}
	out := &tree.Image{}
	appendSection := func(name string, b []byte) {
		out.AppendBytes(b)
		pad := toPage(out.Size(), c.PageSize) - out.Size()
		if odd, ok := im.odd.padding[name]; ok && odd.behind == len(b) && int64(len(odd.bytes)) <= pad {
			// Only the last padding of a file can be cut off; with more behind it, it is filled.
			out.AppendBytes(odd.bytes)
			return
		}
		out.AppendZeros(pad)
	}
	appendSection("header", b)
	for _, s := range c.sections(&h, &vendor) {
		if len(*s.data) > 0 {
			out.AppendZeros(toPage(out.Size(), c.PageSize) - out.Size())
			appendSection(s.name, *s.data)
		}
	}
	if im.Tail != nil {
		out.AppendRange(im.Tail, 0, im.Tail.Size())
	}
	return out, nil
}

// check refuses what the kind of image has no place for.
func (im *Image) check() error {
	if im.HeaderVersion > 4 || im.Vendor && im.HeaderVersion < 3 {
		return fmt.Errorf("header version is %d, expected 0 to 4, or 3 or 4 for vendor_boot", im.HeaderVersion)
	}
	p := im.pageSize()
	if p < 2048 || p > 1<<17 || p&(p-1) != 0 {
		return fmt.Errorf("page size is %d, expected a power of two from 2048 to 131072", p)
	}
	boot, v := !im.Vendor, im.HeaderVersion
	if boot && v >= 3 && p != 4096 {
		return fmt.Errorf("page size is %d, expected 4096", p)
	}
	total := 0
	for _, f := range []struct {
		name  string
		n     int
		place bool
	}{
		{"a kernel", len(im.Kernel), boot},
		{"a ramdisk", len(im.Ramdisk), boot || v == 3},
		{"a second stage", len(im.Second), boot && v < 3},
		{"a DT", len(im.DT), boot && v == 0},
		{"a recovery DTBO", len(im.RecoveryDTBO), boot && (v == 1 || v == 2)},
		{"a DTB", len(im.DTB), im.Vendor || v == 2},
		{"a signature", len(im.Signature), boot && v == 4},
		{"vendor ramdisks", len(im.VendorRamdisks), im.Vendor && v == 4},
		{"a bootconfig", len(im.Bootconfig), im.Vendor && v == 4},
		{"a name", len(im.Name), im.Vendor || v < 3},
	} {
		if f.n > 0 && !f.place {
			return fmt.Errorf("it has no place for %s", f.name)
		}
		total += f.n
	}
	for _, d := range im.VendorRamdisks {
		total += len(d.Data) + vendorEntrySize
	}
	if total -= len(im.Name); total > MaxSections {
		return fmt.Errorf("its sections hold %d bytes, expected at most %d", total, MaxSections)
	}
	if n := len(im.DT); n > 0 && n <= 4 {
		return fmt.Errorf("the DT is %d bytes long, which would be read as a header version", n)
	}
	return nil
}

func (im *Image) pageSize() uint32 {
	switch {
	case im.PageSize != 0:
		return im.PageSize
	case !im.Vendor && im.HeaderVersion < 3:
		return 2048
	}
	return 4096
}

// fillHeader sets all of h but the header's size, on a copy of the caller's Image.
func (im *Image) fillHeader(h *header, vendor *vendorParts) error {
	im.PageSize = im.pageSize()
	h.pageSize = im.PageSize
	var err error
	if h.osVersion, err = encodeOS(im.OSVersion, im.OSPatchLevel); err != nil {
		return err
	}
	if im.Vendor && im.HeaderVersion >= 4 {
		if err := im.joinVendor(vendor); err != nil {
			return err
		}
		h.tableEntries, h.tableEntrySize = uint32(len(im.VendorRamdisks)), vendorEntrySize
	}
	for _, s := range im.sections(h, vendor) {
		*s.size = uint32(len(*s.data))
	}
	if im.Vendor || im.HeaderVersion >= 3 {
		return nil
	}
	h.cmdline, h.extraCmdline = splitCmdline(im.Cmdline)
	if odd := im.odd.cmdline; odd[0]+odd[1] == im.Cmdline {
		h.cmdline, h.extraCmdline = odd[0], odd[1]
	}
	id := im.id()
	if odd := im.odd.id; odd != nil && odd.computed == id {
		id = odd.found
	}
	h.id = string(id[:])
	if im.HeaderVersion > 0 {
		h.dtboOffset = im.odd.dtboOffset
		if len(im.RecoveryDTBO) > 0 {
			h.dtboOffset = im.dtboOffset(int64(headerLen(im.fields(h))))
		}
	}
	return nil
}

// splitCmdline leaves a NUL at the end of the first of the two places.
func splitCmdline(s string) (first, extra string) {
	if len(s) < 512 {
		return s, ""
	}
	return s[:511], s[511:]
}

func (im *Image) joinVendor(v *vendorParts) error {
	le := binary.LittleEndian
	for _, d := range im.VendorRamdisks {
		if len(d.Name) > 32 {
			return fmt.Errorf("the vendor ramdisk's name %q is %d bytes long, expected at most 32", d.Name, len(d.Name))
		}
		e := le.AppendUint32(nil, uint32(len(d.Data)))
		e = le.AppendUint32(e, uint32(len(v.ramdisks)))
		e = le.AppendUint32(e, uint32(d.Type))
		e = append(append(e, d.Name...), make([]byte, 32-len(d.Name))...)
		for _, id := range d.BoardID {
			e = le.AppendUint32(e, id)
		}
		v.table = append(v.table, e...)
		v.ramdisks = append(v.ramdisks, d.Data...)
	}
	return nil
}

// id is SHA-1 over each section and its size, as mkbootimg computes it.
func (im *Image) id() (id [32]byte) {
	h := sha1.New()
	parts := [][]byte{im.Kernel, im.Ramdisk, im.Second}
	if im.HeaderVersion > 0 {
		parts = append(parts, im.RecoveryDTBO)
	}
	if im.HeaderVersion > 1 {
		parts = append(parts, im.DTB)
	}
	if len(im.DT) > 0 {
		parts = append(parts, im.DT)
	}
	for _, p := range parts {
		h.Write(p)
		h.Write(binary.LittleEndian.AppendUint32(nil, uint32(len(p))))
	}
	copy(id[:], h.Sum(nil))
	return id
}

func (im *Image) dtboOffset(header int64) uint64 {
	at := toPage(header, im.PageSize)
	for _, b := range [][]byte{im.Kernel, im.Ramdisk, im.Second} {
		at += toPage(int64(len(b)), im.PageSize)
	}
	return uint64(at)
}
