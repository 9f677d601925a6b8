package bench

import (
	"context"
	"math/rand/v2"
	"runtime"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fridayos/friday/internal/feedback/duplicate"
)

// Prefixes is how fast suggestions come while titles are typed.
type Prefixes struct {
	Threads  int     `json:"threads"`
	Prefixes int     `json:"prefixes"` // that were asked
	P50      float64 `json:"p50_ms"`
	P95      float64 `json:"p95_ms"`
	Index    float64 `json:"index_mb"` // memory that the index holds
	Fill     float64 `json:"fill_s"`   // to take in all threads
}

// TypeTitles fills an index with so many made threads and types 200 titles,
// asking after each character from the third on.
func TypeTitles(ctx context.Context, threads int, seed uint64) (Prefixes, error) {
	w := newWriter(seed)
	before := held()
	index := duplicate.New()
	began := time.Now()
	at := time.Date(2024, 1, 5, 17, 0, 0, 0, time.UTC)
	for i := range threads {
		if err := ctx.Err(); err != nil {
			return Prefixes{}, err
		}
		at = at.Add(11 * time.Minute)
		index.Put(duplicate.Document{ID: int64(i + 1), Title: w.title(), Body: w.body(), At: at})
	}
	p := Prefixes{Threads: threads, Fill: time.Since(began).Seconds()}
	p.Index = float64(held()-before) / (1 << 20)
	var took []time.Duration
	for range 200 {
		if err := ctx.Err(); err != nil {
			return Prefixes{}, err
		}
		title := w.title()
		typed := 0
		for i, r := range title {
			if typed++; typed < 3 {
				continue
			}
			asked := time.Now()
			index.Find(duplicate.Query{Title: title[:i+utf8.RuneLen(r)], At: at, Limit: 5})
			took = append(took, time.Since(asked))
		}
	}
	p.Prefixes = len(took)
	p.P50, p.P95 = milliseconds(percentile(took, 0.5)), milliseconds(percentile(took, 0.95))
	runtime.KeepAlive(index)
	return p, nil
}

// held is the memory in use, in bytes.
func held() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// writer makes texts whose words are as unequally common as those of a language
// (Zipf): three of four in Latin letters, one in Chinese characters.
type writer struct {
	random *rand.Rand
	common *rand.Zipf
	words  []string
	pairs  []string // Chinese words
}

func newWriter(seed uint64) *writer {
	r := rand.New(rand.NewPCG(seed, 7))
	w := &writer{random: r, words: make([]string, 60_000)}
	syllables := strings.Fields("ca me ra cra sh ing on ba tte ry wi fi no ti fi ca tion lock screen ke bo ard the set re boot up da te pho ne co nn ect au dio vi")
	for i := range w.words {
		var b strings.Builder
		for range 1 + r.IntN(2) + i/20_000 + 1 {
			b.WriteString(syllables[r.IntN(len(syllables))])
		}
		if b.WriteByte(byte('a' + r.IntN(26))); i%40 == 0 {
			b.WriteByte(byte('0' + r.IntN(10)))
		}
		w.words[i] = b.String()
	}
	w.common = rand.NewZipf(r, 1.1, 4, uint64(len(w.words)-1))
	for range w.words {
		pair := []rune{'\u4E00' + rune(r.IntN(3_000)), '\u4E00' + rune(r.IntN(3_000))}
		w.pairs = append(w.pairs, string(pair[:1+min(1, r.IntN(4))]))
	}
	return w
}

func (w *writer) text(words int) string {
	var b strings.Builder
	if w.random.IntN(4) == 0 {
		for range words {
			b.WriteString(w.pairs[w.common.Uint64()])
		}
		return b.String()
	}
	for i := range words {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(w.words[w.common.Uint64()])
	}
	return b.String()
}

func (w *writer) title() string { return w.text(5 + w.random.IntN(7)) }
func (w *writer) body() string  { return w.text(40 + w.random.IntN(120)) }
