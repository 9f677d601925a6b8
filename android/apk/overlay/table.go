package overlay

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"slices"
	"unicode/utf16"

	"github.com/fridayos/friday/android/apk/internal/strpool"
	"github.com/fridayos/friday/android/apk/overlay/qualifier"
)

// Kinds of values, as Res_value has them.
const (
	kindNull     = 0x00
	kindRef      = 0x01
	kindAttr     = 0x02 // of the theme
	kindString   = 0x03
	kindFloat    = 0x04
	kindDimen    = 0x05
	kindFraction = 0x06
	kindNumber   = 0x10
	kindHex      = 0x11
	kindBool     = 0x12
	kindARGB8    = 0x1c
	kindRGB8     = 0x1d
	kindARGB4    = 0x1e
	kindRGB4     = 0x1f
)

// value is one Res_value; ref, if set, is the resource of the overlay's own that it
// refers to, other one of the framework's, which Link turns into its number.
type value struct {
	kind  uint8
	data  uint32
	text  string
	ref   string
	other *symbol
}

// encode writes it, with its text in pool.
func (v value) encode(pool *strpool.Pool) []byte {
	data := v.data
	if v.kind == kindString {
		data = pool.Index(v.text)
	}
	return append(append(u16(8), 0, v.kind), u32(data)...)
}

// item is a value in an array or a plural.
type item struct {
	name uint32
	value
}

// entry is a resource for one config.
type entry struct {
	kind, name string // "bool", "config_x"
	config     qualifier.Config
	value      value
	items      []item // of arrays, plurals and styles
	bag        bool
	style      *style
	parent     uint32 // of a style: the framework's
	parentRef  string // or the overlay's own
	file       string // where it is given
	line, col  int
}

// overlays have the number that apps have.
const packageID = 0x7f

// table is resources.arsc, and the numbers that the resources have in it, by type and
// name.
func (r *Resources) table(pkg string) ([]byte, map[string]uint32, error) {
	types := map[string]map[string][]entry{} // by type, then name
	for _, e := range r.entries {
		if types[e.kind] == nil {
			types[e.kind] = map[string][]entry{}
		}
		types[e.kind][e.name] = append(types[e.kind][e.name], e)
	}
	kinds := slices.Sorted(maps.Keys(types))
	ids := map[string]uint32{} // "bool/config_x"
	var kindPool, keys, values strpool.Pool
	for i, kind := range kinds {
		kindPool.Index(kind)
		names := slices.Sorted(maps.Keys(types[kind]))
		if len(names) > 0xffff {
			return nil, nil, fmt.Errorf("it has %d resources of type %s", len(names), kind)
		}
		for j, name := range names {
			keys.Index(name)
			ids[kind+"/"+name] = packageID<<24 | uint32(i+1)<<16 | uint32(j)
		}
	}
	if len(kinds) > 0xff {
		return nil, nil, errors.New("it has more than 255 types")
	}
	w := &tableWriter{ids: ids, keys: &keys, values: &values}
	var chunks bytes.Buffer
	for i, kind := range kinds {
		w.kind(&chunks, uint8(i+1), types[kind])
	}
	a, b := kindPool.Encode(true), keys.Encode(false)
	const header = 288
	name := make([]byte, 256)
	copy(name, u16(utf16.Encode([]rune(pkg))...))
	pools := slices.Concat(a, b)
	head := slices.Concat(u32(packageID), name, u32(header, 0, uint32(header+len(a)), 0, 0))
	body := chunk(chunkPackage, head, append(pools, chunks.Bytes()...))
	return chunk(chunkTable, u32(1), append(values.Encode(false), body...)), ids, nil
}

type tableWriter struct {
	ids          map[string]uint32
	keys, values *strpool.Pool
}

// kind writes one type: which of its resources depend on what, then its values,
// config by config.
func (w *tableWriter) kind(out *bytes.Buffer, id uint8, resources map[string][]entry) {
	names := slices.Sorted(maps.Keys(resources))
	flags := make([]uint32, len(names))
	configs := map[qualifier.Config][]*entry{}
	for i, name := range names {
		for j := range resources[name] {
			e := &resources[name][j]
			flags[i] |= e.config.Axes()
			if configs[e.config] == nil {
				configs[e.config] = make([]*entry, len(names))
			}
			configs[e.config][i] = e
		}
	}
	out.Write(chunk(chunkTypeFlags, slices.Concat([]byte{id, 0, 0, 0}, u32(uint32(len(names)))), u32(flags...)))
	for _, c := range slices.SortedFunc(maps.Keys(configs), func(a, b qualifier.Config) int { return bytes.Compare(a.Encode(), b.Encode()) }) {
		var offsets, data []byte
		for _, e := range configs[c] {
			if e == nil {
				offsets = append(offsets, u32(none)...)
				continue
			}
			offsets = append(offsets, u32(uint32(len(data)))...)
			data = append(data, w.entry(e)...)
		}
		const header = 20 + qualifier.Size
		out.Write(chunk(chunkType, slices.Concat([]byte{id, 0, 0, 0}, u32(uint32(len(names)), uint32(header+len(offsets))), c.Encode()), append(offsets, data...)))
	}
}

func (w *tableWriter) entry(e *entry) []byte {
	key := w.keys.Index(e.name)
	if !e.bag {
		return slices.Concat(u16(8, 0), u32(key), w.value(e.value))
	}
	parent := e.parent
	if e.parentRef != "" {
		parent = w.ids[e.parentRef]
	}
	b := slices.Concat(u16(16, 1), u32(key, parent, uint32(len(e.items))))
	for _, i := range e.items {
		b = append(b, slices.Concat(u32(i.name), w.value(i.value))...)
	}
	return b
}

func (w *tableWriter) value(v value) []byte {
	if v.ref != "" {
		v.data = w.ids[v.ref]
	}
	return v.encode(w.values)
}
