package overlay

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
)

// Kinds of chunks.
const (
	chunkStrings   = 0x0001
	chunkTable     = 0x0002
	chunkXML       = 0x0003
	chunkStartNS   = 0x0100
	chunkEndNS     = 0x0101
	chunkStart     = 0x0102
	chunkEnd       = 0x0103
	chunkIDs       = 0x0180
	chunkPackage   = 0x0200
	chunkType      = 0x0201
	chunkTypeFlags = 0x0202
)

const none = 0xffffffff

var le = binary.LittleEndian

func u16(vs ...uint16) (b []byte) {
	for _, v := range vs {
		b = le.AppendUint16(b, v)
	}
	return b
}

func u32(vs ...uint32) (b []byte) {
	for _, v := range vs {
		b = le.AppendUint32(b, v)
	}
	return b
}

// chunk is a header, whose first eight bytes are made, and a body.
func chunk(kind uint16, header, body []byte) []byte {
	return slices.Concat(u16(kind, uint16(8+len(header))), u32(uint32(8+len(header)+len(body))), header, body)
}

// attribute of the framework, by its number; id 0: one without, as package is.
type attribute struct {
	id    uint32
	name  string
	value value
}

const android = "http://schemas.android.com/apk/res/android"

// manifest is AndroidManifest.xml in binary.
func (o *Overlay) manifest() []byte {
	text := func(s string) value { return value{kind: kindString, text: s} }
	number := func(n int) value { return value{kind: kindNumber, data: uint32(n)} }
	flag := func(b bool) value {
		if b {
			return value{kind: kindBool, data: none}
		}
		return value{kind: kindBool}
	}
	over := []attribute{{0x01010021, "targetPackage", text(o.Target)}, {0x0101001c, "priority", number(o.Priority)}}
	if o.TargetName != "" {
		over = append(over, attribute{0x0101044d, "targetName", text(o.TargetName)})
	}
	if !o.Switchable {
		over = append(over, attribute{0x0101055a, "isStatic", flag(true)})
	}
	x := &xmlWriter{}
	x.start("manifest", attribute{0, "package", text(o.Package)}, attribute{0x0101021b, "versionCode", number(int(o.VersionCode))}, attribute{0x0101021c, "versionName", text(o.VersionName)})
	x.start("uses-sdk", attribute{0x0101020c, "minSdkVersion", number(MinSDK)}, attribute{0x01010270, "targetSdkVersion", number(targetSDK)})
	x.end("uses-sdk")
	x.start("overlay", over...)
	x.end("overlay")
	x.start("application", attribute{0x0101000c, "hasCode", flag(false)})
	x.end("application")
	x.end("manifest")
	return x.document()
}

// xmlWriter collects the elements of a document. Names of attributes with numbers
// stand first in its strings, in the order of the numbers.
type xmlWriter struct {
	elements []element
}

type element struct {
	end        bool
	name       string
	attributes []attribute
}

func (x *xmlWriter) start(name string, as ...attribute) {
	// Phones look attributes up by number, and expect those without at the end.
	slices.SortStableFunc(as, func(a, b attribute) int { return cmp.Compare(a.id-1, b.id-1) })
	x.elements = append(x.elements, element{name: name, attributes: as})
}

func (x *xmlWriter) end(name string) { x.elements = append(x.elements, element{end: true, name: name}) }

func (x *xmlWriter) document() []byte {
	ids := map[uint32]string{}
	for _, e := range x.elements {
		for _, a := range e.attributes {
			if a.id != 0 {
				ids[a.id] = a.name
			}
		}
	}
	var pool textPool
	var numbers []uint32
	for id := range ids {
		numbers = append(numbers, id)
	}
	slices.Sort(numbers)
	for _, id := range numbers {
		pool.index(ids[id])
	}
	prefix, space := pool.index("android"), pool.index(android)
	var body bytes.Buffer
	node := func(kind uint16, b []byte) { body.Write(chunk(kind, u32(1, none), b)) }
	node(chunkStartNS, u32(prefix, space))
	for _, e := range x.elements {
		if e.end {
			node(chunkEnd, u32(none, pool.index(e.name)))
			continue
		}
		b := slices.Concat(u32(none, pool.index(e.name)), u16(20, 20, uint16(len(e.attributes)), 0, 0, 0))
		for _, a := range e.attributes {
			in, raw := space, uint32(none)
			if a.id == 0 {
				in = none
			}
			if a.value.kind == kindString {
				raw = pool.index(a.value.text)
			}
			b = append(b, slices.Concat(u32(in, pool.index(a.name), raw), a.value.encode(&pool))...)
		}
		node(chunkStart, b)
	}
	node(chunkEndNS, u32(prefix, space))
	return chunk(chunkXML, nil, slices.Concat(pool.encode(true), chunk(chunkIDs, nil, u32(numbers...)), body.Bytes()))
}
