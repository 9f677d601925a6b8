package tree

import "testing"

func TestLinuxNumbers(t *testing.T) {
	for typ := Regular; typ <= Socket; typ++ {
		if got, ok := TypeOf(typ.Bits() | 0o6755); !ok || got != typ {
			t.Errorf("%s has the bits %#o, which say %s, %v", typ, typ.Bits(), got, ok)
		}
		if n := typ.FileType(); n < 1 || n > 7 {
			t.Errorf("%s has the number %d", typ, n)
		}
	}
	for _, mode := range []uint16{0, 0o030000, 0o170000, 0o755} {
		if got, ok := TypeOf(mode); ok {
			t.Errorf("%#o says %s", mode, got)
		}
	}
	for _, d := range [][2]uint32{{0, 0}, {1, 3}, {MaxMajor, MaxMinor}, {259, 0x12345}} {
		if major, minor := ParseDevice(DeviceNumber(d[0], d[1])); major != d[0] || minor != d[1] {
			t.Errorf("%v becomes %d:%d", d, major, minor)
		}
	}
}
