package overlay

import (
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
	chunkText      = 0x0104
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
	over := []rawAttribute{attribute(0x01010021, "targetPackage", text(o.Target)), attribute(0x0101001c, "priority", number(o.Priority))}
	if o.TargetName != "" {
		over = append(over, attribute(0x0101044d, "targetName", text(o.TargetName)))
	}
	if !o.Switchable {
		over = append(over, attribute(0x0101055a, "isStatic", flag(true)))
	}
	plain := rawAttribute{name: "package", value: text(o.Package)}
	root := element("manifest", attribute(0x0101021b, "versionCode", number(int(o.VersionCode))), attribute(0x0101021c, "versionName", text(o.VersionName)), plain)
	root.spaces = []space{{"android", android}}
	root.nodes = []*node{
		element("uses-sdk", attribute(0x0101020c, "minSdkVersion", number(MinSDK)), attribute(0x01010270, "targetSdkVersion", number(targetSDK))),
		element("overlay", over...),
		element("application", attribute(0x0101000c, "hasCode", flag(false))),
	}
	return (&document{root: root}).encode(nil)
}

// attribute is one of the framework's, by its number.
func attribute(id uint32, name string, v value) rawAttribute {
	return rawAttribute{space: android, name: name, id: id, value: v}
}

// element is one with its attributes in the order of their numbers.
func element(name string, as ...rawAttribute) *node {
	slices.SortStableFunc(as, func(a, b rawAttribute) int { return cmp.Compare(a.id-1, b.id-1) })
	return &node{line: 1, name: name, attributes: as}
}
