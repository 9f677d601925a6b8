package duplicate

import (
	"encoding/binary"
	"hash/maphash"
)

// terms maps what is looked for to the documents that hold it, in little
// memory: most terms of any collection stand in one document alone, and those
// take 12 bytes and the table's free places.
//
// A term is kept as 63 bits of its hash and not in letters: of a million terms,
// two share one with a chance of one in ten million, and would then only score
// a little wrong.
type terms struct {
	seed    maphash.Seed
	counted bool // how often a document has a term is kept too

	// An open table: keys are hash | alone, 0 where a place is free. Of a term
	// that is alone, the value is the document << 8 and how often; of others it
	// is the place in lists.
	keys  []uint64
	vals  []uint32
	used  int
	lists []postings
}

const (
	alone  = 1         // the bit of a key
	oneMax = 1<<24 - 1 // the highest document that a value can name
)

// postings are the documents that hold one term, in rising order: each the
// distance from the one before, as a varint, and if counted a byte for how often.
type postings struct {
	data  []byte
	count uint32 // documents, the removed ones included
	last  uint32 // document
}

func newTerms(counted bool) terms {
	return terms{seed: maphash.MakeSeed(), counted: counted}
}

func (t *terms) hash(term string) uint64 { return max(maphash.String(t.seed, term)&^alone, 2) }

// slot is where a term stands in the table, or would.
func (t *terms) slot(term uint64) int {
	mask := uint64(len(t.keys) - 1)
	i := (term >> 1) & mask
	for t.keys[i] != 0 && t.keys[i]&^alone != term {
		i = (i + 1) & mask
	}
	return int(i)
}

// add appends a document to a term's; doc is above any before.
func (t *terms) add(term uint64, doc uint32, often byte) {
	if t.used+1 > len(t.keys)*4/5 {
		t.grow()
	}
	i := t.slot(term)
	switch {
	case t.keys[i] == 0 && doc <= oneMax:
		t.keys[i], t.vals[i] = term|alone, doc<<8|uint32(often)
		t.used++
		return
	case t.keys[i] == 0:
		t.lists = append(t.lists, postings{})
		t.keys[i], t.vals[i] = term, uint32(len(t.lists)-1)
		t.used++
	case t.keys[i]&alone != 0:
		var p postings
		p.add(t.vals[i]>>8, byte(t.vals[i]), t.counted)
		t.lists = append(t.lists, p)
		t.keys[i], t.vals[i] = term, uint32(len(t.lists)-1)
	}
	t.lists[t.vals[i]].add(doc, often, t.counted)
}

func (t *terms) grow() {
	keys, vals := t.keys, t.vals
	t.keys, t.vals = make([]uint64, max(64, 2*len(keys))), make([]uint32, max(64, 2*len(keys)))
	for i, key := range keys {
		if key != 0 {
			to := t.slot(key &^ alone)
			t.keys[to], t.vals[to] = key, vals[i]
		}
	}
}

func (p *postings) add(doc uint32, often byte, counted bool) {
	var entry [binary.MaxVarintLen32 + 1]byte
	n := binary.PutUvarint(entry[:], uint64(doc-p.last))
	if counted {
		entry[n] = often
		n++
	}
	if need := len(p.data) + n; need > cap(p.data) { // doubling would waste a third
		grown := make([]byte, len(p.data), need+need/8+1)
		copy(grown, p.data)
		p.data = grown
	}
	p.data = append(p.data, entry[:n]...)
	p.last = doc
	p.count++
}

// count is how many documents hold a term.
func (t *terms) count(term uint64) uint32 {
	if len(t.keys) == 0 {
		return 0
	}
	switch i := t.slot(term); {
	case t.keys[i] == 0:
		return 0
	case t.keys[i]&alone != 0:
		return 1
	default:
		return t.lists[t.vals[i]].count
	}
}

// each calls fn for every document that holds a term, and how often (1 if that
// is not counted).
func (t *terms) each(term uint64, fn func(doc uint32, often byte)) {
	if len(t.keys) == 0 {
		return
	}
	switch i := t.slot(term); {
	case t.keys[i] == 0:
	case t.keys[i]&alone != 0:
		fn(t.vals[i]>>8, byte(t.vals[i]))
	default:
		t.lists[t.vals[i]].each(t.counted, fn)
	}
}

func (p *postings) each(counted bool, fn func(doc uint32, often byte)) {
	doc, data, often := uint32(0), p.data, byte(1)
	for len(data) > 0 {
		step, n := uint32(data[0]), 1
		if step >= 0x80 {
			long, size := binary.Uvarint(data)
			step, n = uint32(long), size
		}
		if doc += step; counted {
			often = data[n]
			n++
		}
		data = data[n:]
		fn(doc, often)
	}
}

// renumbered is t without removed documents; to gives each its new number, or
// gone, in the same order.
func (t *terms) renumbered(to []uint32) terms {
	fresh := terms{seed: t.seed, counted: t.counted}
	for _, key := range t.keys {
		if term := key &^ alone; key != 0 {
			t.each(term, func(doc uint32, often byte) {
				if to[doc] != gone {
					fresh.add(term, to[doc], often)
				}
			})
		}
	}
	return fresh
}

const gone = ^uint32(0)
