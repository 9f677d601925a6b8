package overlay

import (
	"bytes"
	"slices"

	"github.com/fridayos/friday/android/apk/internal/strpool"
)

// encode writes a document as binary XML, with the numbers of the overlay's own
// resources. Names of attributes with numbers stand first in its strings, in the order of
// the numbers.
func (d *document) encode(own map[string]uint32) []byte {
	w := &xmlWriter{own: own, ids: map[uint32]string{}}
	w.collect(d.root)
	var numbers []uint32
	for id := range w.ids {
		numbers = append(numbers, id)
	}
	slices.Sort(numbers)
	for _, id := range numbers {
		// Two attributes may have one name in two namespaces: each has a string of its own.
		w.pool.Append(w.ids[id])
		w.names = append(w.names, id)
	}
	w.node(d.root)
	return chunk(chunkXML, nil, slices.Concat(w.pool.Encode(true), chunk(chunkIDs, nil, u32(numbers...)), w.body.Bytes()))
}

type xmlWriter struct {
	own   map[string]uint32
	ids   map[uint32]string
	names []uint32 // the ids, in order: their places are those of their names
	pool  strpool.Pool
	body  bytes.Buffer
}

func (w *xmlWriter) collect(n *node) {
	for _, a := range n.attributes {
		if a.id != 0 {
			w.ids[a.id] = a.name
		}
	}
	for _, m := range n.nodes {
		w.collect(m)
	}
}

func (w *xmlWriter) chunk(kind uint16, line int, b []byte) {
	w.body.Write(chunk(kind, u32(uint32(line), none), b))
}

// optional is the place of a text, or none of an empty one.
func (w *xmlWriter) optional(s string) uint32 {
	if s == "" {
		return none
	}
	return w.pool.Index(s)
}

func (w *xmlWriter) node(n *node) {
	if n.name == "" {
		w.chunk(chunkText, n.line, slices.Concat(u32(w.pool.Index(n.text)), u16(8, 0), u32(0)))
		return
	}
	for _, s := range n.spaces {
		w.chunk(chunkStartNS, n.line, u32(w.optional(s.prefix), w.pool.Index(s.uri)))
	}
	var id, class, style uint16 // their places, from 1
	var as []byte
	for i, a := range n.attributes {
		at, name := uint16(i+1), 0
		switch {
		case a.id == 0x010100d0:
			id = at
		case a.space == "" && a.name == "class":
			class = at
		case a.space == "" && a.name == "style":
			style = at
		}
		if a.id != 0 {
			place, _ := slices.BinarySearch(w.names, a.id)
			name = place
		} else {
			name = int(w.pool.Index(a.name))
		}
		raw := uint32(none)
		v := a.value
		if v.kind == kindString {
			raw = w.pool.Index(v.text)
		} else if v.ref != "" {
			v.data = w.own[v.ref]
		}
		as = append(as, slices.Concat(u32(w.optional(a.space), uint32(name), raw), v.encode(&w.pool))...)
	}
	w.chunk(chunkStart, n.line, slices.Concat(u32(none, w.pool.Index(n.name)), u16(20, 20, uint16(len(n.attributes)), id, class, style), as))
	for _, m := range n.nodes {
		w.node(m)
	}
	w.chunk(chunkEnd, n.line, u32(none, w.pool.Index(n.name)))
	for _, s := range slices.Backward(n.spaces) {
		w.chunk(chunkEndNS, n.line, u32(w.optional(s.prefix), w.pool.Index(s.uri)))
	}
}
