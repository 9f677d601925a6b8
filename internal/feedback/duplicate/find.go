package duplicate

import (
	"cmp"
	"math"
	"slices"
)

// The constants of the scores; the package comment says where they come from.
const (
	saturation  = 1.5  // k1
	titleLength = 0.5  // b of titles
	bodyLength  = 0.75 // b of texts
	titleWeight = 3.0
	askedOften  = 3.0 // k3: how soon a word's repetition in the query stops counting
	freshness   = 0.5
	fadingDays  = 90.0
	samePart    = 0.1
	sameCrash   = 2
)

// budget is how many postings a query reads at most for its words, and as many
// for its characters, the rarest terms first: what is left out then stands in so
// many documents that it says next to nothing, and no query takes long.
const budget = 300_000

// board is one query's scores, by a document's number.
type board struct {
	words, grams []float32
	crash        map[uint32]bool
	asked        []asked
}

// asked is one term of the query.
type asked struct {
	term   uint64
	count  uint32
	weight float64
}

// Find returns the documents most like the query, the best first.
func (x *Index) Find(q Query) []Candidate {
	if q.Limit <= 0 {
		q.Limit = 10
	}
	c := cut(q.Title, q.Body)
	x.mu.RLock()
	defer x.mu.RUnlock()
	if len(x.numbers) == 0 {
		return nil
	}
	b := x.board()
	defer x.scratch.Put(b)
	s := &scorer{Index: x, board: b, part: x.part(q.Part), day: day(q.At)}
	s.scoreWords(c)
	s.scoreGrams(c)
	for crash := range crashes(q.Crashes) {
		x.crashes.each(x.crashes.hash(crash), func(n uint32, _ byte) { b.crash[n] = true })
	}
	s.findMost()
	return s.list(q)
}

func (x *Index) board() *board {
	b, ok := x.scratch.Get().(*board)
	if !ok {
		b = &board{}
	}
	if n := len(x.docs); cap(b.words) < n {
		b.words, b.grams = make([]float32, n, n+n/8), make([]float32, n, n+n/8)
	} else {
		b.words, b.grams = b.words[:n], b.grams[:n]
		clear(b.words)
		clear(b.grams)
	}
	b.crash = map[uint32]bool{}
	return b
}

// scorer is one query on its way through the index.
type scorer struct {
	*Index
	*board
	part uint32
	day  float32

	fullWords, fullGrams float64 // what a document could reach
	mostWords, mostGrams float32 // what the best document reached
}

// rarity is what a term says that count of all documents have (idf, never negative).
func (s *scorer) rarity(count uint32) float64 {
	return math.Log(1 + (float64(len(s.docs))-float64(count)+0.5)/(float64(count)+0.5))
}

// affordable cuts the terms of the query down to the budget.
func (s *scorer) affordable() []asked {
	slices.SortFunc(s.asked, func(a, b asked) int { return cmp.Or(cmp.Compare(a.count, b.count), cmp.Compare(a.term, b.term)) })
	left := budget
	for i, a := range s.asked {
		if left -= int(a.count); left < 0 && i > 0 {
			return s.asked[:i]
		}
	}
	return s.asked
}

// scoreWords adds up BM25F.
func (s *scorer) scoreWords(c pieces) {
	s.asked = s.asked[:0]
	for word, o := range c.words {
		term := s.Index.words.hash(word)
		count := s.Index.words.count(term)
		in := titleWeight*float64(o.title) + float64(o.body)
		weight := in / (in + askedOften) * (1 + askedOften) * s.rarity(count)
		s.fullWords += weight * titleWeight / (titleWeight + saturation)
		s.asked = append(s.asked, asked{term, count, weight})
	}
	perTitle := float32(titleLength / max(1e-3, float64(s.titles)/float64(len(s.docs))))
	perBody := float32(bodyLength / max(1e-3, float64(s.bodies)/float64(len(s.docs))))
	for _, a := range s.affordable() {
		weight := float32(a.weight)
		s.Index.words.each(a.term, func(n uint32, often byte) {
			d := &s.docs[n]
			has := float32(0)
			if t := often >> 4; t > 0 {
				has = titleWeight * float32(t) / (1 - titleLength + perTitle*float32(d.title))
			}
			if t := often & maxOften; t > 0 {
				has += float32(t) / (1 - bodyLength + perBody*float32(d.body))
			}
			s.board.words[n] += weight * has / (saturation + has)
		})
	}
}

// scoreGrams adds up the runs of characters that titles share.
func (s *scorer) scoreGrams(c pieces) {
	s.asked = s.asked[:0]
	for gram := range c.grams {
		term := s.Index.grams.hash(gram)
		count := s.Index.grams.count(term)
		r := s.rarity(count)
		s.fullGrams += r * r
		s.asked = append(s.asked, asked{term, count, r * r})
	}
	s.fullGrams /= math.Sqrt(max(1, float64(len(c.grams))))
	for _, a := range s.affordable() {
		weight := float32(a.weight)
		s.Index.grams.each(a.term, func(n uint32, _ byte) { s.board.grams[n] += weight })
	}
}

// findMost makes an end of the characters' scores, and finds the best of both.
func (s *scorer) findMost() {
	for n := range s.docs {
		d := &s.docs[n]
		s.board.grams[n] *= d.norm
		if !d.removed {
			s.mostWords, s.mostGrams = max(s.mostWords, s.board.words[n]), max(s.mostGrams, s.board.grams[n])
		}
	}
}

// scored is a document's number with its score.
type scored struct {
	n     uint32
	score float32
}

// best returns the k best documents in their order.
func (s *scorer) best(k int) []scored {
	var best []scored // in order, while it is short; else sorted at the end
	long := k > 1000
	better := func(a, b scored) int {
		return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(s.docs[b.n].id, s.docs[a.n].id))
	}
	perWords, perGrams := 1/max(s.mostWords, 1e-9), 1/max(s.mostGrams, 1e-9)
	for n := range s.docs {
		d := &s.docs[n]
		score := s.board.words[n]*perWords + s.board.grams[n]*perGrams
		if len(s.crash) > 0 && s.crash[uint32(n)] {
			score += sameCrash
		}
		if score == 0 || d.removed {
			continue
		}
		if s.part != 0 && d.part == s.part {
			score *= 1 + samePart
		}
		if len(best) == k && !long && score*(1+freshness) < best[k-1].score {
			continue // even if it were of today
		}
		if s.day != 0 && d.day != 0 {
			score *= 1 + freshness*float32(math.Exp(-math.Abs(float64(s.day-d.day))/fadingDays))
		}
		f := scored{uint32(n), score}
		switch {
		case long:
			best = append(best, f)
		case len(best) < k || better(f, best[k-1]) < 0:
			at, _ := slices.BinarySearchFunc(best, f, better)
			best = slices.Insert(best[:min(len(best), k-1)], at, f)
		}
	}
	if long {
		slices.SortFunc(best, better)
	}
	return best[:min(k, len(best))]
}

// list takes the best that are kept.
func (s *scorer) list(q Query) []Candidate {
	var list []Candidate
	asked := 0
	for k := 2*q.Limit + 10; ; k *= 10 { // to sort all takes longer than to find them
		best := s.best(k)
		for _, f := range best[min(asked, len(best)):] {
			d := s.docs[f.n]
			if q.Keep != nil && !q.Keep(d.id) {
				continue
			}
			alike := max(share(s.board.words[f.n], s.fullWords), share(s.board.grams[f.n], s.fullGrams))
			if s.crash[f.n] {
				alike = 1
			}
			list = append(list, Candidate{ID: d.id, Score: float64(f.score), Alike: alike, Crash: s.crash[f.n]})
			if len(list) == q.Limit {
				return list
			}
		}
		if asked = len(best); asked < k {
			return list
		}
	}
}

func share(of float32, full float64) float64 {
	if full <= 0 {
		return 0
	}
	return min(1, float64(of)/full)
}
