package arsc

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"io"
	"slices"
	"unicode/utf16"

	"github.com/fridayos/friday/android/apk/internal/strpool"
)

// Kinds of chunks.
const (
	chunkTable       = 0x0002
	chunkPackage     = 0x0200
	chunkType        = 0x0201
	chunkSpec        = 0x0202
	chunkOverlayable = 0x0204
	chunkPolicy      = 0x0205
)

// Bounds of one table, however it is woven.
const (
	maxResources = 1 << 20
	maxSymbols   = 1 << 18 // words of all attributes
)

var le = binary.LittleEndian

// Read reads a table.
func Read(r io.ReaderAt, size int64) (*Table, error) {
	x := &reader{r: r, table: &Table{}}
	top, err := x.header(0, size)
	if err != nil {
		return nil, fmt.Errorf("resources.arsc: %w", err)
	}
	if top.kind != chunkTable {
		return nil, fmt.Errorf("resources.arsc: byte 0: chunk %#x, expected a table (%#x)", top.kind, chunkTable)
	}
	err = x.each(top, func(c chunk) error {
		if c.kind == chunkPackage {
			return x.pkg(c)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("resources.arsc: %w", err)
	}
	x.table.index()
	x.words()
	return x.table, nil
}

type reader struct {
	r                  io.ReaderAt
	table              *Table
	resources, symbols int
}

// chunk is where one lies.
type chunk struct {
	kind         uint16
	at, end      int64
	header, size int64
}

func (x *reader) header(at, end int64) (chunk, error) {
	var b [8]byte
	if end-at < 8 {
		return chunk{}, fmt.Errorf("byte %d: %d bytes, expected a chunk of at least 8", at, end-at)
	}
	if _, err := x.r.ReadAt(b[:], at); err != nil {
		return chunk{}, fmt.Errorf("byte %d: %w", at, err)
	}
	c := chunk{kind: le.Uint16(b[:]), at: at, header: int64(le.Uint16(b[2:])), size: int64(le.Uint32(b[4:]))}
	if c.header < 8 || c.header > c.size || c.size > end-at {
		return chunk{}, fmt.Errorf("byte %d: chunk %#x has %d bytes with a header of %d, expected at most the %d that are left", at, c.kind, c.size, c.header, end-at)
	}
	c.end = at + c.size
	return c, nil
}

// each calls fn for what lies in a chunk behind its header.
func (x *reader) each(in chunk, fn func(chunk) error) error {
	for at := in.at + in.header; at+8 <= in.end; {
		c, err := x.header(at, in.end)
		if err == nil {
			err = fn(c)
		}
		if err != nil {
			return err
		}
		at = c.end
	}
	return nil
}

// bytes reads a chunk whole, or its header.
func (x *reader) bytes(c chunk, n, most int64) ([]byte, error) {
	if n > most {
		return nil, fmt.Errorf("byte %d: chunk %#x has %d bytes, expected at most %d", c.at, c.kind, n, most)
	}
	b := make([]byte, n)
	if _, err := x.r.ReadAt(b, c.at); err != nil {
		return nil, fmt.Errorf("byte %d: %w", c.at, err)
	}
	return b, nil
}

// pool reads the strings that lie at an offset of a package.
func (x *reader) pool(in chunk, off uint32) ([]string, error) {
	c, err := x.header(in.at+int64(off), in.end)
	if err != nil {
		return nil, err
	}
	b, err := x.bytes(c, c.size, maxPool)
	if err != nil {
		return nil, err
	}
	list, err := strpool.Read(b, maxPool)
	if err != nil {
		return nil, fmt.Errorf("byte %d: %w", c.at, err)
	}
	return list, nil
}

// building is a package that is being read.
type building struct {
	types, keys []string
	offset      int // of the types' numbers
	found       map[uint8]*found
	laid        map[uint32]laid
}

// found is what is known of a type.
type found struct {
	name   string
	public []bool
	keys   map[uint16]uint32 // by entry, the number of its name
	attrs  map[uint16]*Attr
}

// laid is the <overlayable> of a resource.
type laid struct {
	name     string
	policies Policy
}

func (x *reader) pkg(c chunk) error {
	const least = 8 + 4 + 256 + 16
	if c.header < least {
		return fmt.Errorf("byte %d: a package with a header of %d bytes, expected at least %d", c.at, c.header, least)
	}
	h, err := x.bytes(c, c.header, 1<<16)
	if err != nil {
		return err
	}
	p := Package{ID: uint8(le.Uint32(h[8:])), Name: text(h[12:268])}
	b := &building{found: map[uint8]*found{}, laid: map[uint32]laid{}}
	if b.types, err = x.pool(c, le.Uint32(h[268:])); err != nil {
		return err
	}
	if b.keys, err = x.pool(c, le.Uint32(h[276:])); err != nil {
		return err
	}
	if len(h) >= 288 {
		b.offset = int(le.Uint32(h[284:]))
	}
	err = x.each(c, func(c chunk) error {
		switch c.kind {
		case chunkSpec:
			return x.spec(b, c)
		case chunkType:
			return x.values(b, c)
		case chunkOverlayable:
			return x.overlayable(b, &p, c)
		}
		return nil
	})
	if err != nil {
		return err
	}
	b.finish(&p)
	x.table.Packages = append(x.table.Packages, p)
	return nil
}

// text is UTF-16 up to its NUL.
func text(b []byte) string {
	var units []uint16
	for ; len(b) >= 2; b = b[2:] {
		u := le.Uint16(b)
		if u == 0 {
			break
		}
		units = append(units, u)
	}
	return string(utf16.Decode(units))
}

func (b *building) of(c chunk, id uint8) (*found, error) {
	if f := b.found[id]; f != nil {
		return f, nil
	}
	i := int(id) - 1 - b.offset
	if i < 0 || i >= len(b.types) {
		return nil, fmt.Errorf("byte %d: type %d of %d", c.at, id, len(b.types))
	}
	f := &found{name: b.types[i], keys: map[uint16]uint32{}, attrs: map[uint16]*Attr{}}
	b.found[id] = f
	return f, nil
}

// spec says which of a type's resources are public.
func (x *reader) spec(b *building, c chunk) error {
	d, err := x.bytes(c, c.size, maxChunk)
	if err != nil {
		return err
	}
	if c.header < 16 {
		return fmt.Errorf("byte %d: chunk %#x with a header of %d bytes, expected 16", c.at, c.kind, c.header)
	}
	f, err := b.of(c, d[8])
	if err != nil {
		return err
	}
	flags := d[c.header:]
	for i := range min(int(le.Uint32(d[12:])), len(flags)/4, 1<<16) {
		public := le.Uint32(flags[4*i:])&0x40000000 != 0
		if i < len(f.public) {
			f.public[i] = f.public[i] || public
		} else {
			f.public = append(f.public, public)
		}
	}
	return nil
}

// values reads which resources of a type have a value for a config, and how they are
// called.
func (x *reader) values(b *building, c chunk) error {
	d, err := x.bytes(c, c.size, maxChunk)
	if err != nil {
		return err
	}
	if c.header < 20 {
		return fmt.Errorf("byte %d: chunk %#x with a header of %d bytes, expected at least 20", c.at, c.kind, c.header)
	}
	f, err := b.of(c, d[8])
	if err != nil {
		return err
	}
	flags, count, start := d[9], int64(le.Uint32(d[12:])), int64(le.Uint32(d[16:]))
	width := int64(4)
	if flags&0x2 != 0 && flags&0x1 == 0 {
		width = 2 // offsets of 16 bits
	}
	if count > 1<<16 || start > c.size || count*width > c.size-c.header {
		return fmt.Errorf("byte %d: %d resources from byte %d do not fit into %d bytes", c.at, count, start, c.size)
	}
	for i := range count {
		at, entry := d[c.header+i*width:], uint16(i)
		var off int64
		switch {
		case flags&0x1 != 0: // sparse: which entry, and a quarter of where
			entry, off = le.Uint16(at), int64(le.Uint16(at[2:]))*4
		case width == 2:
			if le.Uint16(at) == 0xffff {
				continue
			}
			off = int64(le.Uint16(at)) * 4
		default:
			if le.Uint32(at) == 0xffffffff {
				continue
			}
			off = int64(le.Uint32(at))
		}
		if start+off > c.size-8 {
			return fmt.Errorf("byte %d: resource %d lies behind the chunk's end", c.at, entry)
		}
		if err := x.entry(b, f, entry, d[start+off:]); err != nil {
			return fmt.Errorf("byte %d: resource %d: %w", c.at, entry, err)
		}
	}
	return nil
}

func (x *reader) entry(b *building, f *found, entry uint16, d []byte) error {
	flags, key := le.Uint16(d[2:]), le.Uint32(d[4:])
	if flags&0x8 != 0 { // compact: the name's number stands first
		key = uint32(le.Uint16(d))
	}
	if int64(key) >= int64(len(b.keys)) {
		return fmt.Errorf("its name is string %d of %d", key, len(b.keys))
	}
	if _, ok := f.keys[entry]; !ok {
		if x.resources++; x.resources > maxResources {
			return fmt.Errorf("more than %d resources", maxResources)
		}
		f.keys[entry] = key
	}
	if f.name != "attr" && f.name != privateAttr || flags&0x9 != 1 || f.attrs[entry] != nil {
		return nil
	}
	a, err := x.attr(d)
	f.attrs[entry] = a
	return err
}

// attr reads what an attribute takes.
func (x *reader) attr(d []byte) (*Attr, error) {
	size := int64(le.Uint16(d))
	if size < 16 || size > int64(len(d)) {
		return nil, fmt.Errorf("it has a header of %d bytes in %d", size, len(d))
	}
	count := int64(le.Uint32(d[12:]))
	if count*12 > int64(len(d))-size {
		return nil, fmt.Errorf("its %d values do not fit into %d bytes", count, len(d))
	}
	a := &Attr{}
	for i := range count {
		m := d[size+12*i:]
		switch name := le.Uint32(m); name {
		case 0x01000000:
			a.Formats = le.Uint32(m[8:])
		case 0x01000001, 0x01000002, 0x01000003: // least, most, whether it is to be translated
		default:
			if x.symbols++; x.symbols > maxSymbols {
				return nil, fmt.Errorf("more than %d words of attributes", maxSymbols)
			}
			a.Symbols = append(a.Symbols, Symbol{Value: le.Uint32(m[8:]), id: name})
		}
	}
	return a, nil
}

// overlayable reads what may be overlaid by whom.
func (x *reader) overlayable(b *building, p *Package, c chunk) error {
	const least = 8 + 512
	if c.header < least {
		return fmt.Errorf("byte %d: an overlayable with a header of %d bytes, expected at least %d", c.at, c.header, least)
	}
	h, err := x.bytes(c, c.header, 1<<16)
	if err != nil {
		return err
	}
	name := text(h[8 : 8+512])
	p.Overlayables = append(p.Overlayables, name)
	return x.each(c, func(c chunk) error {
		if c.kind != chunkPolicy {
			return nil
		}
		d, err := x.bytes(c, c.size, maxChunk)
		if err != nil {
			return err
		}
		if c.header < 16 {
			return fmt.Errorf("byte %d: chunk %#x with a header of %d bytes, expected 16", c.at, c.kind, c.header)
		}
		flags, ids := Policy(le.Uint32(d[8:])), d[c.header:]
		for i := range min(int64(le.Uint32(d[12:])), int64(len(ids)/4)) {
			id := le.Uint32(ids[4*i:])
			if _, ok := b.laid[id]; !ok && len(b.laid) == maxResources {
				return fmt.Errorf("byte %d: more than %d resources", c.at, maxResources)
			}
			b.laid[id] = laid{name, b.laid[id].policies | flags}
		}
		return nil
	})
}

// finish puts a package together.
func (b *building) finish(p *Package) {
	for id, f := range b.found {
		y := Type{ID: id, Name: f.name}
		for entry, key := range f.keys {
			l := b.laid[uint32(p.ID)<<24|uint32(id)<<16|uint32(entry)]
			r := Resource{Entry: entry, Name: b.keys[key], Overlayable: l.name, Policies: l.policies, Attr: f.attrs[entry]}
			r.Public = int(entry) < len(f.public) && f.public[entry]
			y.Resources = append(y.Resources, r)
		}
		slices.SortFunc(y.Resources, func(a, b Resource) int { return cmp.Compare(a.Entry, b.Entry) })
		p.Types = append(p.Types, y)
	}
	slices.SortFunc(p.Types, func(a, b Type) int { return cmp.Compare(a.ID, b.ID) })
}

// words gives attributes' words their names, which are those of resources of type id.
func (x *reader) words() {
	for _, r := range x.table.byID {
		if r.Attr == nil {
			continue
		}
		kept := r.Attr.Symbols[:0]
		for _, s := range r.Attr.Symbols {
			if named := x.table.byID[s.id]; named != nil {
				s.Name = named.Name
				kept = append(kept, s)
			}
		}
		r.Attr.Symbols = kept
	}
}
