// Package strpool reads and writes the string pools of Android's compiled resources and
// binary XML.
//
// The format is ResStringPool_header in AOSP's frameworks/base,
// libs/androidfw/include/androidfw/ResourceTypes.h.
package strpool

import (
	"encoding/binary"
	"fmt"
	"unicode/utf16"
)

// Read reads all strings of a pool's chunk, which are UTF-8 or UTF-16. Many may share
// the same bytes: together they may have at most most bytes.
func Read(chunk []byte, most int) ([]string, error) {
	le := binary.LittleEndian
	if len(chunk) < 28 {
		return nil, fmt.Errorf("a string pool of %d bytes, expected at least 28", len(chunk))
	}
	header := int(le.Uint16(chunk[2:]))
	count, flags, start := int64(le.Uint32(chunk[8:])), le.Uint32(chunk[16:]), int64(le.Uint32(chunk[20:]))
	if header > len(chunk) || count*4 > int64(len(chunk)-header) || start > int64(len(chunk)) {
		return nil, fmt.Errorf("%d strings from byte %d do not fit into a pool of %d bytes", count, start, len(chunk))
	}
	table := chunk[header:]
	out := make([]string, 0, count)
	total := 0
	for i := range count {
		off := start + int64(le.Uint32(table[i*4:]))
		if off > int64(len(chunk)) {
			return nil, fmt.Errorf("string %d: at byte %d of a pool of %d", i, off, len(chunk))
		}
		read := wide
		if flags&0x100 != 0 {
			read = narrow
		}
		s, ok := read(chunk[off:])
		if !ok {
			return nil, fmt.Errorf("string %d: it ends behind the pool", i)
		}
		if total += len(s); total > most {
			return nil, fmt.Errorf("the strings have more than %d bytes", most)
		}
		out = append(out, s)
	}
	return out, nil
}

// narrow is UTF-8: its length in characters, then in bytes, each in one or two.
func narrow(b []byte) (string, bool) {
	length := func() (int, bool) {
		if len(b) == 0 {
			return 0, false
		}
		n := int(b[0])
		if n&0x80 == 0 {
			b = b[1:]
			return n, true
		}
		if len(b) < 2 {
			return 0, false
		}
		n = n&0x7f<<8 | int(b[1])
		b = b[2:]
		return n, true
	}
	if _, ok := length(); !ok {
		return "", false
	}
	n, ok := length()
	if !ok || n > len(b) {
		return "", false
	}
	return string(b[:n]), true
}

// wide is UTF-16: its length in units, in one or two.
func wide(b []byte) (string, bool) {
	le := binary.LittleEndian
	if len(b) < 2 {
		return "", false
	}
	n := int(le.Uint16(b))
	b = b[2:]
	if n&0x8000 != 0 {
		if len(b) < 2 {
			return "", false
		}
		n = n&0x7fff<<16 | int(le.Uint16(b))
		b = b[2:]
	}
	if n > len(b)/2 {
		return "", false
	}
	units := make([]uint16, n)
	for i := range units {
		units[i] = le.Uint16(b[2*i:])
	}
	return string(utf16.Decode(units)), true
}
