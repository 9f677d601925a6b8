package super

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/fridayos/friday/android/tree"
)

// Super is an opened super image, or a super_empty.img.
type Super struct {
	Geometry Geometry
	Slots    []*Metadata // nil where both copies of a slot are damaged
	Empty    bool        // super_empty.img: metadata alone, one slot
	// Problems are copies that are damaged although another one could be read, and
	// what the metadata says that a phone would not take.
	Problems []string

	source Source
}

// Open reads the geometry and the metadata of every slot from the first block
// device. It fails if no slot can be read.
func Open(r io.ReaderAt, size int64) (*Super, error) {
	s := &Super{source: Source{r, size}}
	if err := s.open(); err != nil {
		return nil, fmt.Errorf("cannot open super image: %w", err)
	}
	return s, nil
}

func (s *Super) open() error {
	r, size := s.source.R, s.source.Size
	if magicAt(r, size, 0) == geometryMagic {
		g, err := readGeometry(r, size, 0)
		if err != nil {
			return err
		}
		m, err := readMetadata(r, size, geometrySize, g)
		if err != nil {
			return err
		}
		s.Geometry, s.Empty, s.Slots = g, true, []*Metadata{m}
		s.Problems = m.problems(g)
		return nil
	}
	g, err := readGeometry(r, size, reserved)
	if err != nil {
		backup, backupErr := readGeometry(r, size, reserved+geometrySize)
		if backupErr != nil {
			return err
		}
		g = backup
		s.Problems = append(s.Problems, fmt.Sprintf("geometry: %v; its backup is good", err))
	} else if backup, err := readGeometry(r, size, reserved+geometrySize); err != nil {
		s.Problems = append(s.Problems, fmt.Sprintf("backup of the geometry: %v", err))
	} else if backup != g {
		s.Problems = append(s.Problems, fmt.Sprintf("byte %d: backup of the geometry: expected %+v as in the first, found %+v", reserved+geometrySize, g, backup))
	}
	s.Geometry = g
	return s.readSlots()
}

// readSlots reads the primary copy of each slot, or else its backup.
func (s *Super) readSlots() error {
	var first error
	found := false
	for i := range int(s.Geometry.Slots) {
		m, err := readMetadata(s.source.R, s.source.Size, s.Geometry.primary(i), s.Geometry)
		backup, backupErr := readMetadata(s.source.R, s.source.Size, s.Geometry.backup(i), s.Geometry)
		switch {
		case err == nil && backupErr != nil:
			s.Problems = append(s.Problems, fmt.Sprintf("backup of slot %d: %v", i, backupErr))
		case err != nil && backupErr == nil:
			s.Problems = append(s.Problems, fmt.Sprintf("slot %d: %v; its backup is good", i, err))
			m = backup
		case err != nil:
			s.Problems = append(s.Problems, fmt.Sprintf("slot %d: %v, and so is its backup", i, err))
			first = errors.Join(first, err)
		}
		if m != nil {
			found = true
			for _, p := range m.problems(s.Geometry) {
				s.Problems = append(s.Problems, fmt.Sprintf("slot %d: %s", i, p))
			}
		}
		s.Slots = append(s.Slots, m)
	}
	if !found {
		return first
	}
	return nil
}

// Contents returns a partition of a slot that lies on the one device that was
// opened.
func (s *Super) Contents(slot int, name string) (*tree.Image, error) {
	if slot < 0 || slot >= len(s.Slots) || s.Slots[slot] == nil {
		return nil, fmt.Errorf("cannot read partition %q: slot %d cannot be read", name, slot)
	}
	if s.Empty {
		return nil, fmt.Errorf("cannot read partition %q: a super_empty.img holds no contents", name)
	}
	return s.Slots[slot].Contents(name, s.source)
}

// magicAt is the number at off, or 0.
func magicAt(r io.ReaderAt, size, off int64) uint32 {
	b := make([]byte, 4)
	if off+4 > size || tree.ReadFull(r, b, off) != nil {
		return 0
	}
	return binary.LittleEndian.Uint32(b)
}

// bad is the error for a field that is not as the format has it.
func bad(off int64, field, expected string, found any) error {
	return fmt.Errorf("byte %d: %s: expected %s, found %v", off, field, expected, found)
}

// read reads n bytes that must lie in the image.
func read(r io.ReaderAt, size, off, n int64, what string) ([]byte, error) {
	if off > size-n {
		return nil, bad(off, what, fmt.Sprintf("%d bytes", n), fmt.Sprintf("the end of the image at %d", size))
	}
	b := make([]byte, n)
	return b, tree.ReadFull(r, b, off)
}

func readGeometry(r io.ReaderAt, size, off int64) (Geometry, error) {
	le := binary.LittleEndian
	b, err := read(r, size, off, geometryLen, "geometry")
	if err != nil {
		return Geometry{}, fmt.Errorf("%w: %w", ErrNotSuper, err)
	}
	if m := le.Uint32(b); m != geometryMagic {
		return Geometry{}, fmt.Errorf("%w: %w", ErrNotSuper, bad(off, "magic of the geometry", fmt.Sprintf("%#x", geometryMagic), fmt.Sprintf("%#x", m)))
	}
	if n := le.Uint32(b[4:]); n != geometryLen {
		return Geometry{}, bad(off+4, "size of the geometry", fmt.Sprint(geometryLen), n)
	}
	if err := checkSum(b, off, 8, "geometry"); err != nil {
		return Geometry{}, err
	}
	g := Geometry{le.Uint32(b[40:]), le.Uint32(b[44:]), le.Uint32(b[48:])}
	return g, g.check(off)
}

func (g Geometry) check(off int64) error {
	switch {
	case g.MetadataMaxSize == 0 || g.MetadataMaxSize%SectorSize != 0 || g.MetadataMaxSize > MaxMetadata:
		return bad(off+40, "room for metadata", fmt.Sprintf("a multiple of %d up to %d", SectorSize, MaxMetadata), g.MetadataMaxSize)
	case g.Slots == 0 || g.Slots > MaxSlots:
		return bad(off+44, "slots", fmt.Sprintf("1 to %d", MaxSlots), g.Slots)
	case g.BlockSize == 0 || g.BlockSize%SectorSize != 0:
		return bad(off+48, "logical block size", fmt.Sprintf("a multiple of %d", SectorSize), g.BlockSize)
	}
	return nil
}

// checkSum compares a SHA-256 within what it covers; it counts as zeros there.
func checkSum(b []byte, off int64, at int, what string) error {
	found := bytes.Clone(b[at : at+32])
	clear(b[at : at+32])
	sum := sha256.Sum256(b)
	if !bytes.Equal(sum[:], found) {
		return bad(off+int64(at), "SHA-256 of the "+what, fmt.Sprintf("%x (computed)", sum), fmt.Sprintf("%x", found))
	}
	return nil
}

// table is where one kind of entries lies.
type table struct {
	name        string
	at          int64 // of its descriptor, for errors
	off, n, len uint32
	want        uint32
}

func readMetadata(r io.ReaderAt, size, off int64, g Geometry) (*Metadata, error) {
	le := binary.LittleEndian
	h, err := read(r, size, off, headerLen, "metadata")
	if err != nil {
		return nil, err
	}
	if m := le.Uint32(h); m != headerMagic {
		return nil, bad(off, "magic of the metadata", fmt.Sprintf("%#x", headerMagic), fmt.Sprintf("%#x", m))
	}
	major, minor := le.Uint16(h[4:]), le.Uint16(h[6:])
	if major != 10 || minor > 2 {
		return nil, bad(off+4, "version", "10.0 to 10.2", fmt.Sprintf("%d.%d", major, minor))
	}
	want := uint32(headerLen)
	if minor >= 2 {
		want = headerLenMore
	}
	if n := le.Uint32(h[8:]); n != want {
		return nil, bad(off+8, "size of the header", fmt.Sprint(want), n)
	}
	if want > headerLen {
		if h, err = read(r, size, off, int64(want), "metadata"); err != nil {
			return nil, err
		}
	}
	if err := checkSum(h, off, 12, "header"); err != nil {
		return nil, err
	}
	n := le.Uint32(h[44:])
	if n > g.MetadataMaxSize-min(want, g.MetadataMaxSize) {
		return nil, bad(off+44, "size of the tables", fmt.Sprintf("at most %d, the room for metadata less the header", g.MetadataMaxSize-min(want, g.MetadataMaxSize)), n)
	}
	b, err := read(r, size, off+int64(want), int64(n), "tables")
	if err != nil {
		return nil, err
	}
	if sum := sha256.Sum256(b); !bytes.Equal(sum[:], h[48:80]) {
		return nil, bad(off+48, "SHA-256 of the tables", fmt.Sprintf("%x (computed)", sum), fmt.Sprintf("%x", h[48:80]))
	}
	m := &Metadata{Minor: minor}
	if want > headerLen {
		m.Flags = le.Uint32(h[128:])
	}
	return m, m.parse(h, b, off)
}

// parse reads the tables.
func (m *Metadata) parse(h, b []byte, off int64) error {
	le := binary.LittleEndian
	tables := [4]table{{name: "partitions", want: partitionLen}, {name: "extents", want: extentLen}, {name: "groups", want: groupLen}, {name: "block devices", want: deviceLen}}
	var rows [4][]byte
	for i := range tables {
		t := &tables[i]
		p := h[80+12*i:]
		t.at, t.off, t.n, t.len = off+int64(80+12*i), le.Uint32(p), le.Uint32(p[4:]), le.Uint32(p[8:])
		if t.len != t.want {
			return bad(t.at+8, "size of an entry of the table of "+t.name, fmt.Sprint(t.want), t.len)
		}
		if uint64(t.off)+uint64(t.n)*uint64(t.len) > uint64(len(b)) {
			return bad(t.at, "table of "+t.name, fmt.Sprintf("within the %d bytes of tables", len(b)), fmt.Sprintf("%d entries of %d bytes at %d", t.n, t.len, t.off))
		}
		rows[i] = b[t.off:][:t.n*t.len]
	}
	base := off + int64(len(h))
	for p := rows[3]; len(p) > 0; p = p[deviceLen:] {
		m.Devices = append(m.Devices, Device{name(p[24:]), le.Uint64(p), le.Uint32(p[8:]), le.Uint32(p[12:]), le.Uint64(p[16:]), le.Uint32(p[60:])})
	}
	for p := rows[2]; len(p) > 0; p = p[groupLen:] {
		m.Groups = append(m.Groups, Group{name(p), le.Uint32(p[36:]), le.Uint64(p[40:])})
	}
	if len(m.Devices) == 0 {
		return bad(tables[3].at+4, "block devices", "at least 1", 0)
	}
	extents, err := m.extents(rows[1], base+int64(tables[1].off))
	if err != nil {
		return err
	}
	owned := uint64(0) // extents that partitions have: no more than there are
	for i := 0; i*partitionLen < len(rows[0]); i++ {
		p := rows[0][i*partitionLen:]
		at := base + int64(tables[0].off) + int64(i*partitionLen)
		part := Partition{Name: name(p), Attributes: le.Uint32(p[36:]), Group: int(le.Uint32(p[48:]))}
		first, n := le.Uint32(p[40:]), le.Uint32(p[44:])
		known := uint32(ReadOnly | SlotSuffixed)
		if m.Minor >= 1 {
			known |= Updated | Disabled
		}
		switch {
		case part.Attributes&^known != 0:
			return bad(at+36, fmt.Sprintf("attributes of partition %q", part.Name), fmt.Sprintf("bits of %#x", known), fmt.Sprintf("%#x", part.Attributes))
		case uint64(first)+uint64(n) > uint64(len(extents)) || owned+uint64(n) > uint64(len(extents)):
			return bad(at+40, fmt.Sprintf("extents of partition %q", part.Name), fmt.Sprintf("its own of %d", len(extents)), fmt.Sprintf("%d from %d on", n, first))
		case part.Group >= len(m.Groups):
			return bad(at+48, fmt.Sprintf("group of partition %q", part.Name), fmt.Sprintf("less than %d", len(m.Groups)), part.Group)
		}
		owned += uint64(n)
		if n > 0 {
			part.Extents = extents[first : first+n : first+n]
		}
		total := uint64(0)
		for _, e := range part.Extents {
			if total += e.Sectors; total > MaxSize/SectorSize {
				return bad(at+40, fmt.Sprintf("size of partition %q", part.Name), fmt.Sprintf("at most %d bytes", int64(MaxSize)), "more")
			}
		}
		m.Partitions = append(m.Partitions, part)
	}
	return nil
}

func (m *Metadata) extents(b []byte, at int64) ([]Extent, error) {
	le := binary.LittleEndian
	out := make([]Extent, 0, len(b)/extentLen)
	for i := 0; len(b) > 0; i, b, at = i+1, b[extentLen:], at+extentLen {
		e := Extent{Sectors: le.Uint64(b), Sector: le.Uint64(b[12:]), Device: int(le.Uint32(b[20:]))}
		if e.Sectors > MaxSize/SectorSize {
			return nil, bad(at, fmt.Sprintf("sectors of extent %d", i), fmt.Sprintf("at most %d", int64(MaxSize/SectorSize)), e.Sectors)
		}
		switch kind := le.Uint32(b[8:]); kind {
		case 0:
			if e.Device >= len(m.Devices) {
				return nil, bad(at+20, fmt.Sprintf("device of extent %d", i), fmt.Sprintf("less than %d", len(m.Devices)), e.Device)
			}
			if e.Sector > MaxSize/SectorSize {
				return nil, bad(at+12, fmt.Sprintf("first sector of extent %d", i), fmt.Sprintf("at most %d", int64(MaxSize/SectorSize)), e.Sector)
			}
		case 1:
			e.Zero = true
			if e.Sector != 0 || e.Device != 0 {
				return nil, bad(at+12, fmt.Sprintf("target of extent %d, which is zeros", i), "0", fmt.Sprintf("sector %d of device %d", e.Sector, e.Device))
			}
		default:
			return nil, bad(at+8, fmt.Sprintf("type of extent %d", i), "0 (linear) or 1 (zero)", kind)
		}
		out = append(out, e)
	}
	return out, nil
}

// name reads a name that NULs fill up.
func name(b []byte) string {
	s, _, _ := bytes.Cut(b[:nameSize], []byte{0})
	return string(s)
}
