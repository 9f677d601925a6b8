package apk

import (
	"encoding/binary"
	"fmt"

	"github.com/fridayos/friday/android/apk/internal/strpool"
)

// Kinds of chunks.
const (
	chunkStrings     = 0x0001
	chunkXML         = 0x0003
	chunkResourceMap = 0x0180
	chunkStart       = 0x0102
	chunkEnd         = 0x0103
)

// Kinds of values.
const (
	valueString = 0x03
	valueFirst  = 0x10 // decimal, the first of the numbers
	valueLast   = 0x1f
)

// element is the start or the end of an element.
type element struct {
	end        bool
	name       string
	attributes []attribute
}

type attribute struct {
	id    uint32 // in the framework's resources; 0: it has none
	name  string
	kind  uint8
	data  uint32
	value string // of a string
}

// find looks an attribute up by number, or by name where it has none.
func (e *element) find(id uint32, name string) (attribute, bool) {
	for _, a := range e.attributes {
		if id != 0 && a.id == id || id == 0 && a.id == 0 && a.name == name {
			return a, true
		}
	}
	return attribute{}, false
}

func (e *element) text(id uint32, name string) string {
	if a, ok := e.find(id, name); ok && a.kind == valueString {
		return a.value
	}
	return ""
}

func (e *element) number(id, missing uint32) uint32 {
	if a, ok := e.find(id, ""); ok && a.kind >= valueFirst && a.kind <= valueLast {
		return a.data
	}
	return missing
}

// document is a binary XML file being read.
type document struct {
	strings []string
	ids     []uint32
}

// walkXML calls fn for each element's start and end.
func walkXML(b []byte, fn func(element) error) error {
	le := binary.LittleEndian
	if len(b) < 8 || le.Uint16(b) != chunkXML {
		return fmt.Errorf("byte 0: expected binary XML (chunk %#x), found %.4x", chunkXML, b[:min(4, len(b))])
	}
	d := &document{}
	elements := 0
	for at := int(le.Uint16(b[2:])); at+8 <= len(b); {
		kind, header, size := le.Uint16(b[at:]), int(le.Uint16(b[at+2:])), int64(le.Uint32(b[at+4:]))
		if header < 8 || int64(header) > size || size > int64(len(b)-at) {
			return fmt.Errorf("byte %d: chunk %#x has %d bytes with a header of %d, expected at most the %d that are left", at, kind, size, header, len(b)-at)
		}
		chunk := b[at : at+int(size)]
		var err error
		switch kind {
		case chunkStrings:
			d.strings, err = strpool.Read(chunk, 4*maxManifest)
		case chunkResourceMap:
			d.ids = d.ids[:0]
			for i := header; i+4 <= len(chunk); i += 4 {
				d.ids = append(d.ids, le.Uint32(chunk[i:]))
			}
		case chunkStart, chunkEnd:
			if elements++; elements > maxElements {
				return fmt.Errorf("byte %d: more than %d elements", at, maxElements)
			}
			var e element
			if e, err = d.element(chunk, header); err == nil {
				err = fn(e)
			}
		}
		if err != nil {
			return fmt.Errorf("byte %d: %w", at, err)
		}
		at += int(size)
	}
	return nil
}

func (d *document) string(i uint32) (string, error) {
	if i == 0xffffffff {
		return "", nil
	}
	if int64(i) >= int64(len(d.strings)) {
		return "", fmt.Errorf("string %d of %d", i, len(d.strings))
	}
	return d.strings[i], nil
}

func (d *document) element(chunk []byte, header int) (e element, err error) {
	le := binary.LittleEndian
	b := chunk[header:]
	if len(b) < 8 {
		return e, fmt.Errorf("an element of %d bytes", len(b))
	}
	if e.name, err = d.string(le.Uint32(b[4:])); err != nil {
		return e, fmt.Errorf("element's name: %w", err)
	}
	if e.end = le.Uint16(chunk) == chunkEnd; e.end {
		return e, nil
	}
	if len(b) < 20 {
		return e, fmt.Errorf("an element of %d bytes", len(b))
	}
	start, size, count := int(le.Uint16(b[8:])), int(le.Uint16(b[10:])), int(le.Uint16(b[12:]))
	if count > 0 && (size < 20 || start+size*count > len(b)) {
		return e, fmt.Errorf("element %s: %d attributes of %d bytes do not fit into its %d", e.name, count, size, len(b))
	}
	for i := range count {
		f := b[start+i*size:]
		index := le.Uint32(f[4:])
		a := attribute{kind: f[15], data: le.Uint32(f[16:])}
		if a.name, err = d.string(index); err != nil {
			return e, fmt.Errorf("element %s: attribute %d: %w", e.name, i, err)
		}
		if int64(index) < int64(len(d.ids)) {
			a.id = d.ids[index]
		}
		if a.kind == valueString {
			if a.value, err = d.string(a.data); err != nil {
				return e, fmt.Errorf("element %s: attribute %s: %w", e.name, a.name, err)
			}
		}
		e.attributes = append(e.attributes, a)
	}
	return e, nil
}
