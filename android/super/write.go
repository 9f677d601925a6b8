package super

import (
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"slices"

	"github.com/fridayos/friday/android/tree"
)

// Want is a partition to be laid out.
type Want struct {
	Name       string
	Group      string
	Attributes uint32
	Size       int64 // bytes; rounded up to the block size
}

// Lay makes metadata: it places the partitions after each other on the devices,
// in the order given, each from an aligned sector. A device without a first
// sector gets the lowest that is free. The group "default", without a bound, is
// put first if it is missing, as liblp does.
func Lay(g Geometry, devices []Device, groups []Group, wants []Want) (*Metadata, error) {
	m := &Metadata{Devices: slices.Clone(devices), Groups: slices.Clone(groups)}
	if err := m.lay(g, wants); err != nil {
		return nil, fmt.Errorf("cannot lay out super: %w", err)
	}
	return m, nil
}

func (m *Metadata) lay(g Geometry, wants []Want) error {
	if err := g.check(0); err != nil {
		return err
	}
	if !slices.ContainsFunc(m.Groups, func(g Group) bool { return g.Name == "default" }) {
		m.Groups = slices.Insert(m.Groups, 0, Group{Name: "default"})
	}
	for i := range m.Devices {
		d := &m.Devices[i]
		if d.Alignment == 0 {
			d.Alignment = 1 << 20
		}
		if d.Alignment%SectorSize != 0 {
			return fmt.Errorf("device %q: alignment: expected a multiple of %d, found %d", d.Name, SectorSize, d.Alignment)
		}
		if d.FirstSector == 0 {
			room := int64(0)
			if i == 0 {
				room = g.total()
			}
			d.FirstSector = uint64(alignUp(room, int64(d.Alignment))) / SectorSize
		}
	}
	device, next := 0, uint64(0)
	for _, w := range wants {
		group := slices.IndexFunc(m.Groups, func(g Group) bool { return g.Name == cmp.Or(w.Group, "default") })
		if group < 0 {
			return fmt.Errorf("partition %q: there is no group %q", w.Name, w.Group)
		}
		p := Partition{Name: w.Name, Attributes: w.Attributes, Group: group}
		if w.Size < 0 || w.Size > MaxSize {
			return fmt.Errorf("partition %q: expected at most %d bytes, found %d", w.Name, int64(MaxSize), w.Size)
		}
		for left := uint64(alignUp(w.Size, int64(g.BlockSize))) / SectorSize; left > 0; {
			if device == len(m.Devices) {
				return fmt.Errorf("partition %q: %d of its %d bytes have no room on the %d devices", w.Name, left*SectorSize, w.Size, len(m.Devices))
			}
			d := m.Devices[device]
			step := uint64(d.Alignment) / SectorSize
			from := (max(next, d.FirstSector) + step - 1) / step * step
			end := d.Size / uint64(g.BlockSize) * uint64(g.BlockSize) / SectorSize
			if from >= end {
				device, next = device+1, 0
				continue
			}
			n := min(left, end-from)
			p.Extents = append(p.Extents, Extent{Sectors: n, Sector: from, Device: device})
			left, next = left-n, from+n
		}
		m.Partitions = append(m.Partitions, p)
	}
	if ps := m.problems(g); len(ps) > 0 {
		return fmt.Errorf("%s", ps[0])
	}
	return nil
}

func alignUp(n, to int64) int64 { return (n + to - 1) / to * to }

// problems are what a phone would not take, or what would destroy data.
func (m *Metadata) problems(g Geometry) []string {
	var out []string
	addf := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if d := m.Devices[0]; uint64(g.total()) > d.FirstSector*SectorSize {
		addf("device %q: first sector: expected at least %d, behind the metadata, found %d", d.Name, g.total()/SectorSize, d.FirstSector)
	}
	for _, d := range m.Devices {
		if d.FirstSector > MaxSize/SectorSize || (d.FirstSector+1)*SectorSize > d.Size {
			addf("device %q: first sector: expected one within its %d bytes, found %d", d.Name, d.Size, d.FirstSector)
		}
	}
	type piece struct {
		Extent
		name string
	}
	var pieces []piece
	used := make([]uint64, len(m.Groups))
	seen := map[string]bool{}
	for i := range m.Partitions {
		p := &m.Partitions[i]
		if seen[p.Name] || p.Name == "" {
			addf("partition %q: expected a name of its own", p.Name)
		}
		seen[p.Name] = true
		used[p.Group] += uint64(p.Size())
		for _, e := range p.Extents {
			if e.Zero || e.Sectors == 0 {
				continue
			}
			d := m.Devices[e.Device]
			if e.Sector < d.FirstSector || e.Sector+e.Sectors > d.Size/SectorSize {
				addf("partition %q: expected sectors %d to %d of device %q, found %d to %d", p.Name, d.FirstSector, d.Size/SectorSize, d.Name, e.Sector, e.Sector+e.Sectors)
			}
			pieces = append(pieces, piece{e, p.Name})
		}
	}
	for i, g := range m.Groups {
		if g.MaxSize > 0 && used[i] > g.MaxSize {
			addf("group %q: expected at most %d bytes, found %d", g.Name, g.MaxSize, used[i])
		}
	}
	slices.SortFunc(pieces, func(a, b piece) int { return cmp.Or(cmp.Compare(a.Device, b.Device), cmp.Compare(a.Sector, b.Sector)) })
	for i := 1; i < len(pieces); i++ {
		a, b := pieces[i-1], pieces[i]
		if a.Device == b.Device && a.Sector+a.Sectors > b.Sector {
			addf("partitions %q and %q: expected sectors of their own, found both at sector %d of device %d", a.name, b.name, b.Sector, b.Device)
		}
	}
	return out
}

// Build makes the content of each block device of metadata that is the same in
// all slots. contents are the partitions by name; one that is shorter is filled
// up with zeros, one that is missing is zeros. Contents are not copied: the
// images point to them.
func Build(g Geometry, m *Metadata, contents map[string]*tree.Image) ([]*tree.Image, error) {
	images, err := build(g, m, contents)
	if err != nil {
		return nil, fmt.Errorf("cannot build super image: %w", err)
	}
	return images, nil
}

func build(g Geometry, m *Metadata, contents map[string]*tree.Image) ([]*tree.Image, error) {
	front, err := encode(g, m)
	if err != nil {
		return nil, err
	}
	if ps := m.problems(g); len(ps) > 0 {
		return nil, fmt.Errorf("%s", ps[0])
	}
	type piece struct {
		at, n int64
		im    *tree.Image
		off   int64
	}
	pieces := make([][]piece, len(m.Devices))
	for i := range m.Partitions {
		p := &m.Partitions[i]
		im := contents[p.Name]
		if im == nil {
			continue
		}
		if im.Size() > p.Size() {
			return nil, fmt.Errorf("partition %q: expected at most %d bytes, found %d", p.Name, p.Size(), im.Size())
		}
		off := int64(0)
		for _, e := range p.Extents {
			n := int64(e.Sectors) * SectorSize
			if !e.Zero {
				pieces[e.Device] = append(pieces[e.Device], piece{int64(e.Sector) * SectorSize, n, im, off})
			} else if off < im.Size() {
				return nil, fmt.Errorf("partition %q: from byte %d on it is zeros, and its content goes on", p.Name, off)
			}
			off += n
		}
	}
	for name := range contents {
		if m.Partition(name) == nil {
			return nil, fmt.Errorf("partition %q: there are %s", name, m.names())
		}
	}
	var out []*tree.Image
	for i, d := range m.Devices {
		if d.Size > MaxSize {
			return nil, fmt.Errorf("device %q: expected at most %d bytes, found %d", d.Name, int64(MaxSize), d.Size)
		}
		im := new(tree.Image)
		if i == 0 {
			im.AppendBytes(front)
		}
		slices.SortFunc(pieces[i], func(a, b piece) int { return cmp.Compare(a.at, b.at) })
		for _, p := range pieces[i] {
			im.AppendZeros(p.at - im.Size())
			im.AppendRange(p.im, p.off, max(min(p.n, p.im.Size()-p.off), 0))
		}
		im.AppendZeros(int64(d.Size) - im.Size())
		out = append(out, im)
	}
	return out, nil
}

// Empty makes a super_empty.img, which 'fastboot update-super' and the build of
// packages take: the geometry and one copy of the metadata.
func Empty(g Geometry, m *Metadata) ([]byte, error) {
	b, err := m.encode(g)
	if err != nil {
		return nil, fmt.Errorf("cannot make super_empty: %w", err)
	}
	return append(g.encode(), b...), nil
}

// encode makes all that lies in front of the partitions.
func encode(g Geometry, m *Metadata) ([]byte, error) {
	b, err := m.encode(g)
	if err != nil {
		return nil, err
	}
	front := make([]byte, g.total())
	copy(front[reserved:], g.encode())
	copy(front[reserved+geometrySize:], g.encode())
	for slot := range int(g.Slots) {
		copy(front[g.primary(slot):], b)
		copy(front[g.backup(slot):], b)
	}
	return front, nil
}

func (g Geometry) encode() []byte {
	le := binary.LittleEndian
	b := make([]byte, geometrySize)
	le.PutUint32(b, geometryMagic)
	le.PutUint32(b[4:], geometryLen)
	le.PutUint32(b[40:], g.MetadataMaxSize)
	le.PutUint32(b[44:], g.Slots)
	le.PutUint32(b[48:], g.BlockSize)
	sum := sha256.Sum256(b[:geometryLen])
	copy(b[8:], sum[:])
	return b
}

// encode writes header and tables. The version is the lowest that can say it.
func (m *Metadata) encode(g Geometry) ([]byte, error) {
	if err := g.check(0); err != nil {
		return nil, err
	}
	if len(m.Devices) == 0 {
		return nil, fmt.Errorf("expected at least one block device")
	}
	le := binary.LittleEndian
	minor := m.Minor
	var partitions, extents, groups, devices []byte
	for i, p := range m.Partitions {
		if p.Group < 0 || p.Group >= len(m.Groups) {
			return nil, fmt.Errorf("partition %q: group %d: there are %d", p.Name, p.Group, len(m.Groups))
		}
		if p.Attributes&(Updated|Disabled) != 0 {
			minor = max(minor, 1)
		}
		row, err := nameOf(p.Name)
		if err != nil {
			return nil, fmt.Errorf("partition %d: %w", i, err)
		}
		for _, v := range []uint32{p.Attributes, uint32(len(extents) / extentLen), uint32(len(p.Extents)), uint32(p.Group)} {
			row = le.AppendUint32(row, v)
		}
		partitions = append(partitions, row...)
		for _, e := range p.Extents {
			kind := uint32(0)
			if e.Zero {
				kind = 1
			} else if e.Device < 0 || e.Device >= len(m.Devices) {
				return nil, fmt.Errorf("partition %q: device %d: there are %d", p.Name, e.Device, len(m.Devices))
			}
			extents = le.AppendUint64(extents, e.Sectors)
			extents = le.AppendUint32(extents, kind)
			extents = le.AppendUint64(extents, e.Sector)
			extents = le.AppendUint32(extents, uint32(e.Device))
		}
	}
	for i, g := range m.Groups {
		row, err := nameOf(g.Name)
		if err != nil {
			return nil, fmt.Errorf("group %d: %w", i, err)
		}
		groups = append(groups, le.AppendUint64(le.AppendUint32(row, g.Flags), g.MaxSize)...)
	}
	for i, d := range m.Devices {
		row, err := nameOf(d.Name)
		if err != nil {
			return nil, fmt.Errorf("block device %d: %w", i, err)
		}
		devices = le.AppendUint64(devices, d.FirstSector)
		devices = le.AppendUint32(le.AppendUint32(devices, d.Alignment), d.AlignmentOffset)
		devices = append(le.AppendUint64(devices, d.Size), row...)
		devices = le.AppendUint32(devices, d.Flags)
	}
	if m.Flags != 0 {
		minor = 2
	}
	return header(g, minor, m.Flags, partitions, extents, groups, devices)
}

// header puts the header in front of the tables.
func header(g Geometry, minor uint16, flags uint32, tables ...[]byte) ([]byte, error) {
	le := binary.LittleEndian
	size := headerLen
	if minor >= 2 {
		size = headerLenMore
	}
	h := make([]byte, size)
	le.PutUint32(h, headerMagic)
	le.PutUint16(h[4:], 10)
	le.PutUint16(h[6:], minor)
	le.PutUint32(h[8:], uint32(size))
	var all []byte
	for i, t := range tables {
		entry := []uint32{partitionLen, extentLen, groupLen, deviceLen}[i]
		le.PutUint32(h[80+12*i:], uint32(len(all)))
		le.PutUint32(h[84+12*i:], uint32(len(t))/entry)
		le.PutUint32(h[88+12*i:], entry)
		all = append(all, t...)
	}
	le.PutUint32(h[44:], uint32(len(all)))
	sum := sha256.Sum256(all)
	copy(h[48:], sum[:])
	if size > headerLen {
		le.PutUint32(h[128:], flags)
	}
	sum = sha256.Sum256(h)
	copy(h[12:], sum[:])
	if n := len(h) + len(all); n > int(g.MetadataMaxSize) {
		return nil, fmt.Errorf("metadata: expected at most %d bytes, found %d; the geometry gives too little room", g.MetadataMaxSize, n)
	}
	return append(h, all...), nil
}

// nameOf is a name filled up with NULs. liblp takes letters, digits and '_';
// vendors use '-' and '.' as well.
func nameOf(s string) ([]byte, error) {
	if s == "" || len(s) > nameSize {
		return nil, fmt.Errorf("name %q: expected 1 to %d bytes, found %d", s, nameSize, len(s))
	}
	for i := range len(s) {
		if s[i] <= ' ' || s[i] > '~' || s[i] == '/' {
			return nil, fmt.Errorf("name %q: expected printable ASCII without '/', found %q", s, s[i])
		}
	}
	b := make([]byte, nameSize, deviceLen)
	copy(b, s)
	return b, nil
}
