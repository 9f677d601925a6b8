package search

import (
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/fridayos/friday/internal/search/words"
)

// Part is a piece of a snippet.
type Part struct {
	Text  string
	Found bool // it is what was asked for
}

// Snippet cuts about width characters out of a text, around the place that holds
// the most of the terms, on one line. It is nil when the text holds none.
func Snippet(text string, terms []Term, width int) []Part {
	spans := find(slices.Collect(words.All(text)), terms)
	if len(spans) == 0 {
		return nil
	}
	start, end := window(text, spans, width)
	var parts []Part
	add := func(s string, found bool) {
		if s = oneLine(s); s != "" {
			parts = append(parts, Part{s, found})
		}
	}
	if start > 0 {
		add("… ", false)
	}
	at := start
	for _, s := range spans {
		if s.start < at || s.end > end {
			continue
		}
		add(text[at:s.start], false)
		add(text[s.start:s.end], true)
		at = s.end
	}
	add(text[at:end], false)
	if end < len(text) {
		add(" …", false)
	}
	return parts
}

// Count is how many of the terms a text holds.
func Count(text string, terms []Term) int {
	list := slices.Collect(words.All(text))
	n := 0
	for _, t := range terms {
		if len(find(list, []Term{t})) > 0 {
			n++
		}
	}
	return n
}

// oneLine makes each run of space one space.
func oneLine(s string) string {
	var b strings.Builder
	space := false
	for _, r := range s {
		if r == ' ' || r == '\n' || r == '\t' || r == '\r' || r < ' ' {
			space = true
			continue
		}
		if space {
			b.WriteByte(' ')
			space = false
		}
		b.WriteRune(r)
	}
	if space {
		b.WriteByte(' ')
	}
	return b.String()
}

// span is where a term stands in a text, in bytes.
type span struct{ start, end, term int }

// find gives the places of the terms, in order and without overlaps of two starts.
func find(list []words.Word, terms []Term) []span {
	var spans []span
	for i, w := range list {
		for n, t := range terms {
			end, ok := t.at(list, i)
			if !ok {
				continue
			}
			if k := len(spans) - 1; k >= 0 && w.Start < spans[k].end {
				spans[k].end = max(spans[k].end, end) // 机崩 after 相机
			} else {
				spans = append(spans, span{w.Start, end, n})
			}
			break
		}
	}
	return spans
}

// at says whether the term begins with word i, and where it ends.
func (t Term) at(list []words.Word, i int) (end int, ok bool) {
	w := list[i]
	if t.whole != "" && w.Text == t.whole {
		return w.End, true
	}
	if len(t.steps) == 1 {
		return w.End, w.Text == t.steps[0] || t.prefix && strings.HasPrefix(w.Text, t.steps[0])
	}
	if w.Extra {
		return 0, false
	}
	step := 0
	for _, w := range list[i:] {
		if w.Extra {
			continue
		}
		if w.Text != t.steps[step] {
			return 0, false
		}
		if step++; step == len(t.steps) {
			return w.End, true
		}
	}
	return 0, false
}

// window chooses the piece of a text, in bytes, at the edges of words where it can.
func window(text string, spans []span, width int) (start, end int) {
	best, most := 0, 0
	for i, s := range spans {
		terms := map[int]bool{}
		for _, o := range spans[i:] {
			if o.end-s.start > width {
				break
			}
			terms[o.term] = true
		}
		if len(terms) > most {
			best, most = i, len(terms)
		}
	}
	start, end = spans[best].start, spans[best].end
	for n := 0; start > 0 && n < width/4; n++ {
		_, size := utf8.DecodeLastRuneInString(text[:start])
		start -= size
	}
	for n := utf8.RuneCountInString(text[start:end]); end < len(text) && n < width; n++ {
		_, size := utf8.DecodeRuneInString(text[end:])
		end += size
	}
	if cut := strings.IndexAny(text[start:spans[best].start], " \n\t"); start > 0 && cut >= 0 {
		start += cut + 1
	}
	if cut := strings.LastIndexAny(text[spans[best].end:end], " \n\t"); end < len(text) && cut > 0 {
		end = spans[best].end + cut
	}
	return start, end
}
