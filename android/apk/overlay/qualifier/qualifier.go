// Package qualifier reads the qualifiers of resource folders, as in values-de-rAT and
// drawable-night-xxhdpi: for which phones what lies in them is.
//
// They are described at developer.android.com, "App resources overview"; how they are
// written, in AOSP: frameworks/base, libs/androidfw/include/androidfw/ResourceTypes.h
// (ResTable_config). Which of several a phone takes is the phone's to say.
package qualifier

import (
	"encoding/binary"
	"fmt"
	"regexp"
	"strconv"
	"strings"
)

// Config is a ResTable_config: for which phones a value is. The zero value is every
// phone; two are the same where they are equal.
type Config struct {
	mcc, mnc                uint16
	language, country       [2]byte
	script                  [4]byte
	orientation             uint8
	density                 uint16
	sdk                     uint16
	layout, layout2         uint8 // size, long, direction; round
	uiMode, colorMode       uint8
	smallest, width, height uint16 // dp
}

// Size is the length of an encoded Config in bytes.
const Size = 64

// Encode writes it.
func (c Config) Encode() []byte {
	le := binary.LittleEndian
	b := make([]byte, Size)
	le.PutUint32(b, Size)
	le.PutUint16(b[4:], c.mcc)
	le.PutUint16(b[6:], c.mnc)
	copy(b[8:], c.language[:])
	copy(b[10:], c.country[:])
	b[12] = c.orientation
	le.PutUint16(b[14:], c.density)
	le.PutUint16(b[24:], c.sdk)
	b[28], b[29] = c.layout, c.uiMode
	le.PutUint16(b[30:], c.smallest)
	le.PutUint16(b[32:], c.width)
	le.PutUint16(b[34:], c.height)
	copy(b[36:], c.script[:])
	b[48], b[49] = c.layout2, c.colorMode
	return b
}

// Axes says which of its properties a config asks for, as the flags that a
// resource is marked with when it depends on them.
func (c Config) Axes() (flags uint32) {
	for _, a := range []struct {
		used bool
		flag uint32
	}{
		{c.mcc != 0, 0x1}, {c.mnc != 0, 0x2}, {c.language != [2]byte{} || c.country != [2]byte{} || c.script != [4]byte{}, 0x4},
		{c.orientation != 0, 0x80}, {c.density != 0, 0x100}, {c.width != 0 || c.height != 0, 0x200}, {c.sdk != 0, 0x400},
		{c.layout&0x3f != 0, 0x800}, {c.uiMode != 0, 0x1000}, {c.smallest != 0, 0x2000}, {c.layout&0xc0 != 0, 0x4000},
		{c.layout2 != 0, 0x8000}, {c.colorMode != 0, 0x10000},
	} {
		if a.used {
			flags |= a.flag
		}
	}
	return flags
}

// words are the qualifiers that are one word: which field they set, by a name of
// ours, under a mask.
var words = map[string]struct {
	field string
	mask  uint16
	value uint16
}{
	"ldltr": {"layout", 0xc0, 0x40}, "ldrtl": {"layout", 0xc0, 0x80},
	"small": {"layout", 0x0f, 1}, "normal": {"layout", 0x0f, 2}, "large": {"layout", 0x0f, 3}, "xlarge": {"layout", 0x0f, 4},
	"notlong": {"layout", 0x30, 0x10}, "long": {"layout", 0x30, 0x20},
	"notround": {"layout2", 3, 1}, "round": {"layout2", 3, 2},
	"nowidecg": {"color", 3, 1}, "widecg": {"color", 3, 2}, "lowdr": {"color", 12, 4}, "highdr": {"color", 12, 8},
	"port": {"orientation", 3, 1}, "land": {"orientation", 3, 2}, "square": {"orientation", 3, 3},
	"desk": {"ui", 15, 2}, "car": {"ui", 15, 3}, "television": {"ui", 15, 4}, "appliance": {"ui", 15, 5}, "watch": {"ui", 15, 6}, "vrheadset": {"ui", 15, 7},
	"notnight": {"ui", 0x30, 0x10}, "night": {"ui", 0x30, 0x20},
	"ldpi": {"density", 0xffff, 120}, "mdpi": {"density", 0xffff, 160}, "tvdpi": {"density", 0xffff, 213}, "hdpi": {"density", 0xffff, 240},
	"xhdpi": {"density", 0xffff, 320}, "xxhdpi": {"density", 0xffff, 480}, "xxxhdpi": {"density", 0xffff, 640},
	"anydpi": {"density", 0xffff, 0xfffe}, "nodpi": {"density", 0xffff, 0xffff},
}

var (
	numbered = regexp.MustCompile(`^(mcc|mnc|sw|w|h|v)?([0-9]{1,5})(dp|dpi)?$`)
	language = regexp.MustCompile(`^[a-z]{2,3}$`)
	country  = regexp.MustCompile(`^r([A-Z]{2})$`)
	bcp47    = regexp.MustCompile(`^b\+([a-z]{2,3})(?:\+([A-Z][a-z]{3}))?(?:\+([A-Z]{2}|[0-9]{3}))?$`)
)

// Parse reads qualifiers as they stand behind a folder's name:
// "de-rAT-night-xxhdpi"; "" is every phone.
func Parse(text string) (c Config, err error) {
	if text == "" {
		return c, nil
	}
	seen := map[string]bool{}
	for _, q := range strings.Split(text, "-") {
		axis, ok := c.set(q)
		if !ok {
			return c, fmt.Errorf("unknown qualifier %q", q)
		}
		if seen[axis] {
			return c, fmt.Errorf("qualifier %q is the second of its kind", q)
		}
		seen[axis] = true
	}
	return c, nil
}

// set takes one qualifier in, and returns what it is about.
func (c *Config) set(q string) (axis string, ok bool) {
	if w, ok := words[q]; ok {
		switch w.field {
		case "layout":
			c.layout |= uint8(w.value)
		case "layout2":
			c.layout2 |= uint8(w.value)
		case "color":
			c.colorMode |= uint8(w.value)
		case "orientation":
			c.orientation = uint8(w.value)
		case "ui":
			c.uiMode |= uint8(w.value)
		case "density":
			c.density = w.value
		}
		return fmt.Sprint(w.field, w.mask), true
	}
	if m := numbered.FindStringSubmatch(q); m != nil {
		return c.number(m[1], m[3], m[2])
	}
	if m := bcp47.FindStringSubmatch(q); m != nil {
		c.language, c.country = packed(m[1], 'a'), packed(m[3], '0')
		copy(c.script[:], m[2])
		return "language", true
	}
	if m := country.FindStringSubmatch(q); m != nil && c.language != [2]byte{} {
		c.country = packed(m[1], '0')
		return "country", true
	}
	if language.MatchString(q) {
		c.language = packed(q, 'a')
		return "language", true
	}
	return "", false
}

func (c *Config) number(before, behind, digits string) (axis string, ok bool) {
	n, err := strconv.ParseUint(digits, 10, 16)
	if err != nil || n > 9999 {
		return "", false
	}
	v := uint16(n)
	switch before + "#" + behind {
	case "mcc#":
		c.mcc = v
		return "mcc", len(digits) == 3 && v > 0
	case "mnc#":
		if c.mnc = v; v == 0 {
			c.mnc = 0xffff // zero means any
		}
		return "mnc", len(digits) <= 3
	case "sw#dp":
		c.smallest = v
	case "w#dp":
		c.width = v
	case "h#dp":
		c.height = v
	case "v#":
		c.sdk = v
	case "#dpi":
		c.density = v
		return "density65535", v > 0
	default:
		return "", false
	}
	return before, v > 0
}

// packed is a language or country of two letters as it stands, and one of three in
// 15 bits.
func packed(s string, base byte) (out [2]byte) {
	switch len(s) {
	case 2:
		return [2]byte{s[0], s[1]}
	case 3:
		a, b, c := s[0]-base, s[1]-base, s[2]-base
		return [2]byte{0x80 | c<<2 | b>>3, b<<5 | a}
	}
	return out
}
