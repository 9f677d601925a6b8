package strpool

import (
	"encoding/binary"
	"unicode/utf16"
)

// Pool collects strings to be written.
type Pool struct {
	list  []string
	known map[string]uint32
}

// Index is the place of a string in the pool, which is put in if it is not there.
func (p *Pool) Index(s string) uint32 {
	if p.known == nil {
		p.known = map[string]uint32{}
	}
	i, ok := p.known[s]
	if !ok {
		i = uint32(len(p.list))
		p.known[s] = i
		p.list = append(p.list, s)
	}
	return i
}

// Append puts a string in that Index does not find: it has a place of its own.
func (p *Pool) Append(s string) { p.list = append(p.list, s) }

// Encode writes the pool's chunk, in UTF-16 or UTF-8.
func (p *Pool) Encode(wide bool) []byte {
	le := binary.LittleEndian
	var table, data []byte
	flags := uint32(0x100)
	if wide {
		flags = 0
	}
	for _, s := range p.list {
		table = le.AppendUint32(table, uint32(len(data)))
		units := utf16.Encode([]rune(s))
		if wide {
			if len(units) > 0x7fff {
				data = le.AppendUint16(data, 0x8000|uint16(len(units)>>16))
			}
			data = le.AppendUint16(data, uint16(len(units)))
			for _, u := range append(units, 0) {
				data = le.AppendUint16(data, u)
			}
			continue
		}
		for _, n := range []int{len(units), len(s)} {
			if n > 0x7f {
				data = append(data, 0x80|byte(n>>8))
			}
			data = append(data, byte(n))
		}
		data = append(append(data, s...), 0)
	}
	for len(data)%4 != 0 {
		data = append(data, 0)
	}
	const header = 28
	out := le.AppendUint16(nil, 0x0001)
	out = le.AppendUint16(out, header)
	for _, n := range []int{header + len(table) + len(data), len(p.list), 0, int(flags), header + len(table), 0} {
		out = le.AppendUint32(out, uint32(n))
	}
	return append(append(out, table...), data...)
}
