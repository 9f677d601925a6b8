package search

import (
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/search/words"
)

// Term is one thing that a text must hold: a word, a name, a phrase. It is made
// by Words, Phrase or Parse.
type Term struct {
	steps  []string // words that follow each other
	whole  string   // the name in one piece; empty: none
	prefix bool     // the only step is how a word begins
}

// Empty says that nothing was left to look for.
func (t Term) Empty() bool { return len(t.steps) == 0 }

// Words gives the terms of a text that is typed without quotes: one for each
// word, as spaces part them.
func Words(text string) []Term {
	var terms []Term
	for field := range strings.FieldsSeq(text) {
		if t := word(field); !t.Empty() {
			terms = append(terms, t)
		}
	}
	return terms
}

// word is the term for a run of text without spaces.
func word(field string) Term {
	t := Phrase(field)
	switch len(t.steps) {
	case 0:
		return t
	case 1:
		t.prefix = t.prefix || strings.HasSuffix(field, "*")
		return t
	}
	first, last := -1, 0 // where the words lie
	for w := range words.All(field) {
		if !w.Extra {
			if first < 0 {
				first = w.Start
			}
			last = w.End
		}
	}
	for w := range words.All(field) {
		if w.Extra && w.Start == first && w.End == last {
			t.whole = w.Text
		}
	}
	return t
}

// Phrase is the term for words that follow each other; the first 32 count.
func Phrase(text string) Term {
	var t Term
	for w := range words.All(text) {
		if !w.Extra && len(t.steps) < phraseWords {
			t.steps = append(t.steps, w.Text)
		}
	}
	if len(t.steps) == 1 { // a Chinese character alone: pairs begin with it, or it ends a run
		r, n := utf8.DecodeRuneInString(t.steps[0])
		t.prefix = n == len(t.steps[0]) && words.Paired(r)
	}
	return t
}

// match is the term as FTS5 reads it.
func (t Term) match() string {
	if len(t.steps) == 1 {
		m := `"` + t.steps[0] + `"`
		if t.prefix {
			m += "*"
		}
		return t.or(m, `"`+t.whole+`"`)
	}
	return t.or(`words : "`+strings.Join(t.steps, " ")+`"`, `"`+t.whole+`"`)
}

// query is the term as PostgreSQL reads a tsquery.
func (t Term) query() string {
	if len(t.steps) == 1 {
		q := "'" + t.steps[0] + "'"
		if t.prefix {
			q += ":*"
		}
		return strings.ReplaceAll(t.or(q, "'"+t.whole+"'"), " OR ", " | ")
	}
	return strings.ReplaceAll(t.or("('"+strings.Join(t.steps, "' <-> '")+"')", "'"+t.whole+"'"), " OR ", " | ")
}

func (t Term) or(steps, whole string) string {
	if t.whole == "" {
		return steps
	}
	return "(" + steps + " OR " + whole + ")"
}

// Holding finds, of one document, up to limit texts other than its title that hold
// one of the terms, in the order in which they were put in. On SQLite, a term that is
// how a word begins is not looked for.
func Holding(tx *db.Tx, doc int64, terms []Term, limit int) ([]Source, error) {
	var parts []string
	for _, t := range terms {
		if t.prefix && lite(tx) { // FTS5 would put all words together that begin so, for one document
			continue
		}
		if lite(tx) {
			parts = append(parts, "("+t.match()+")")
		} else {
			parts = append(parts, "("+t.query()+")")
		}
	}
	if len(parts) == 0 {
		return nil, nil
	}
	sql := `SELECT s.kind, s.ref FROM search_words w JOIN search_texts s ON s.id = w.rowid
		WHERE search_words MATCH $1 AND w.rowid BETWEEN $2 AND $3 ORDER BY s.id LIMIT $4`
	any := strings.Join(parts, " OR ")
	if !lite(tx) {
		any = strings.Join(parts, " | ")
		sql = `SELECT s.kind, s.ref FROM search_words w JOIN search_texts s ON s.id = w.id
		WHERE w.words @@ $1::text::tsquery AND w.id BETWEEN $2 AND $3 ORDER BY s.id LIMIT $4`
	}
	from := doc << docBits
	sources, err := db.All(tx, func(s db.Scanner) (Source, error) {
		src := Source{Doc: doc}
		return src, s.Scan((*string)(&src.Kind), &src.Ref)
	}, sql, any, from+1, from+docChunks-1, limit)
	if err != nil {
		return nil, fmt.Errorf("cannot find words in document %d: %w", doc, err)
	}
	return sources, nil
}
