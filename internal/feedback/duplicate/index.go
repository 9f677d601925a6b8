package duplicate

import (
	"math"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	"github.com/fridayos/friday/internal/search/words"
)

// gramSize is the length of the runs of characters that titles are compared by.
const gramSize = 4

// maxOften is how often a term is counted in one field at most: half a byte.
const maxOften = 15

// Index holds documents and finds those like a query. It is safe for use by
// many goroutines.
type Index struct {
	mu      sync.RWMutex
	numbers map[int64]uint32 // a document's newest number
	docs    []doc            // by number; a changed document gets a new one
	dead    int
	words   terms // often: title << 4 | text
	grams   terms // of titles
	crashes terms
	titles  int64 // words in all titles, the removed ones included
	bodies  int64
	scratch sync.Pool
}

// doc is what scoring needs of a document beside its postings: 32 bytes.
type doc struct {
	id          int64
	day         float32 // since 1970; 0: unknown
	part        uint32  // hash of its name; 0: none
	norm        float32 // 1 / sqrt(runs of characters in its title)
	title, body uint16  // words
	removed     bool
}

// New returns an empty index.
func New() *Index {
	return &Index{numbers: map[int64]uint32{}, words: newTerms(true), grams: newTerms(false), crashes: newTerms(false)}
}

// Len is how many documents the index holds.
func (x *Index) Len() int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return len(x.numbers)
}

// Put adds a document, or replaces the one with its ID.
func (x *Index) Put(d Document) {
	c := cut(d.Title, d.Body)
	entry := doc{id: d.ID, title: short(c.title), body: short(c.body), part: x.part(d.Part), day: day(d.At),
		norm: float32(1 / math.Sqrt(float64(max(1, len(c.grams)))))}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.remove(d.ID)
	n := uint32(len(x.docs))
	x.docs = append(x.docs, entry)
	x.numbers[d.ID] = n
	x.titles += int64(entry.title)
	x.bodies += int64(entry.body)
	for word, often := range c.words {
		x.words.add(x.words.hash(word), n, often.title<<4|often.body)
	}
	for gram := range c.grams {
		x.grams.add(x.grams.hash(gram), n, 1)
	}
	for crash := range crashes(d.Crashes) {
		x.crashes.add(x.crashes.hash(crash), n, 1)
	}
}

// Remove takes a document out; one that is not there is no mistake.
func (x *Index) Remove(id int64) {
	x.mu.Lock()
	defer x.mu.Unlock()
	x.remove(id)
}

func (x *Index) remove(id int64) {
	n, ok := x.numbers[id]
	if !ok {
		return
	}
	delete(x.numbers, id)
	x.docs[n].removed = true
	if x.dead++; x.dead > 1000 && x.dead > len(x.docs)/4 {
		x.compact()
	}
}

// compact numbers the documents anew, without the removed ones.
func (x *Index) compact() {
	to := make([]uint32, len(x.docs))
	docs := make([]doc, 0, len(x.docs)-x.dead)
	x.titles, x.bodies = 0, 0
	for i, d := range x.docs {
		if d.removed {
			to[i] = gone
			continue
		}
		to[i] = uint32(len(docs))
		x.numbers[d.id] = to[i]
		x.titles += int64(d.title)
		x.bodies += int64(d.body)
		docs = append(docs, d)
	}
	x.docs, x.dead = docs, 0
	x.words, x.grams, x.crashes = x.words.renumbered(to), x.grams.renumbered(to), x.crashes.renumbered(to)
}

// day is a time as scoring compares it; the zero time is 0.
func day(t time.Time) float32 {
	if t.IsZero() {
		return 0
	}
	return float32(float64(t.Unix()) / 86400)
}

func (x *Index) part(name string) uint32 {
	if name == "" {
		return 0
	}
	return uint32(x.words.hash(name)>>32) | 1
}

func short(n int) uint16 { return uint16(min(n, math.MaxUint16)) }

// often is how often a word stands in each field, at most maxOften.
type often struct{ title, body byte }

type pieces struct {
	words       map[string]often
	grams       map[string]struct{}
	title, body int // words, without the extra ones
}

// cut takes a report apart.
func cut(title, body string) pieces {
	c := pieces{words: map[string]often{}, grams: map[string]struct{}{}}
	var plain strings.Builder // the title's words with one space around each
	plain.WriteByte(' ')
	for w := range words.All(upTo(title, MaxTitle)) {
		o := c.words[w.Text]
		o.title = min(o.title+1, maxOften)
		c.words[w.Text] = o
		if !w.Extra {
			c.title++
			plain.WriteString(w.Text)
			plain.WriteByte(' ')
		}
	}
	for w := range words.All(upTo(body, MaxBody)) {
		o := c.words[w.Text]
		o.body = min(o.body+1, maxOften)
		c.words[w.Text] = o
		if !w.Extra {
			c.body++
		}
	}
	text := plain.String()
	var starts [gramSize]int // of the last characters
	n := 0
	for i := range text {
		if n >= gramSize {
			c.grams[text[starts[n%gramSize]:i]] = struct{}{}
		}
		starts[n%gramSize] = i
		n++
	}
	if n >= gramSize {
		c.grams[text[starts[n%gramSize]:]] = struct{}{}
	}
	return c
}

func upTo(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

func crashes(list []string) map[string]struct{} {
	set := map[string]struct{}{}
	for _, c := range list[:min(len(list), MaxCrashes)] {
		if c != "" {
			set[c] = struct{}{}
		}
	}
	return set
}
