package search

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// Limits of a question.
const (
	MaxQuery = 500 // characters
	MaxTerms = 16  // and as many filters
)

// Query is a question as a person types it:
//
//	device:hlte state:open crash "black screen" -wifi -part:Camera app:"Lock screen"
//
// Words and phrases in quotes must all be there, those after a minus must not;
// KEY:VALUE is a filter if the key is known. A star at the end asks for all words
// that begin so. No text is refused: what cannot be meant is said in Problems, and
// the rest counts.
type Query struct {
	Terms    []Term
	Without  []Term
	Filters  []Filter
	Problems []Problem
}

// Filter is KEY:VALUE; the key in small letters, the value as it was typed.
type Filter struct {
	Key, Value string
	Not        bool
}

// Problem is a mistake in a question.
type Problem struct {
	Kind ProblemKind
	Text string // what was typed
	Like string // of UnknownKey: the key that may be meant
}

// ProblemKind says what a mistake is.
type ProblemKind string

// Kinds of problem.
const (
	UnknownKey ProblemKind = "unknown-key" // taken as words
	NoValue    ProblemKind = "no-value"    // left out
	OpenQuote  ProblemKind = "open-quote"  // taken as closed at the end
	TooLong    ProblemKind = "too-long"    // the rest left out
	BadValue   ProblemKind = "bad-value"   // for who reads filters: left out
)

// Parse reads a question in which the keys are filters.
func Parse(text string, keys ...string) Query {
	var q Query
	if utf8.RuneCountInString(text) > MaxQuery {
		text = string([]rune(text)[:MaxQuery])
		q.problem(TooLong, "", "")
	}
	p := parser{rest: text, keys: keys}
	for p.next(&q) {
	}
	return q
}

func (q *Query) problem(kind ProblemKind, text, like string) {
	p := Problem{kind, text, like}
	if !slices.Contains(q.Problems, p) {
		q.Problems = append(q.Problems, p)
	}
}

func (q *Query) term(t Term, not bool) {
	switch {
	case t.Empty():
	case len(q.Terms)+len(q.Without) == MaxTerms:
		q.problem(TooLong, "", "")
	case not:
		q.Without = append(q.Without, t)
	default:
		q.Terms = append(q.Terms, t)
	}
}

func (q *Query) filter(f Filter) {
	if len(q.Filters) == MaxTerms {
		q.problem(TooLong, "", "")
		return
	}
	q.Filters = append(q.Filters, f)
}

type parser struct {
	rest string
	keys []string
}

// next takes one word, phrase or filter; false at the end.
func (p *parser) next(q *Query) bool {
	p.rest = strings.TrimLeftFunc(p.rest, unicode.IsSpace)
	if p.rest == "" {
		return false
	}
	not := false
	if after, ok := strings.CutPrefix(p.rest, "-"); ok && after != "" && !unicode.IsSpace(firstRune(after)) {
		not, p.rest = true, after
	}
	if phrase, quoted, closed := p.quoted(); quoted {
		if !closed {
			q.problem(OpenQuote, phrase, "")
		}
		q.term(Phrase(phrase), not)
		return true
	}
	if key, size := p.key(); key != "" {
		if slices.Contains(p.keys, key) {
			p.rest = p.rest[size:]
			value, quoted, closed := p.quoted()
			if !quoted {
				value = p.word()
			} else if !closed {
				q.problem(OpenQuote, value, "")
			}
			if value = strings.TrimSpace(value); value == "" {
				q.problem(NoValue, key+":", "")
			} else {
				q.filter(Filter{key, value, not})
			}
			return true
		}
		if like := p.like(key); like != "" {
			q.problem(UnknownKey, key+":", like+":")
		}
	}
	for _, t := range Words(p.word()) {
		q.term(t, not)
	}
	return true
}

func firstRune(s string) rune {
	r, _ := utf8.DecodeRuneInString(s)
	return r
}

// quotes opens and closes: those of the keyboards of the languages we speak.
var quotes = map[rune]string{'"': "\"", '“': "”", '„': "“”", '«': "»", '「': "」", '『': "』", '＂': "＂"}

// quoted takes a phrase in quotes, if one begins here.
func (p *parser) quoted() (phrase string, quoted, closed bool) {
	r, n := utf8.DecodeRuneInString(p.rest)
	end, ok := quotes[r]
	if !ok {
		return "", false, false
	}
	p.rest = p.rest[n:]
	i := strings.IndexAny(p.rest, end+map[bool]string{true: "\""}[r != '"'])
	if i < 0 {
		phrase, p.rest = p.rest, ""
		return phrase, true, false
	}
	phrase = p.rest[:i]
	_, n = utf8.DecodeRuneInString(p.rest[i:])
	p.rest = p.rest[i+n:]
	return phrase, true, true
}

// word takes what stands before the next space.
func (p *parser) word() string {
	i := strings.IndexFunc(p.rest, unicode.IsSpace)
	if i < 0 {
		i = len(p.rest)
	}
	word := p.rest[:i]
	p.rest = p.rest[i:]
	return word
}

// key looks at a key and its colon, without taking them; size is of both in bytes.
func (p *parser) key() (key string, size int) {
	for i, r := range p.rest {
		switch {
		case r == ':' || r == '：':
			return strings.ToLower(p.rest[:i]), i + utf8.RuneLen(r)
		case r > unicode.MaxASCII || !unicode.IsLetter(r) && r != '-':
			return "", 0
		}
	}
	return "", 0
}

// like is the known key that a mistyped one may mean: one or two letters away.
func (p *parser) like(key string) string {
	if len(key) < 3 || len(key) > 20 {
		return ""
	}
	best, least := "", 3
	for _, k := range p.keys {
		if d := distance(key, k); d < least && d < len(k)/2 {
			best, least = k, d
		}
	}
	return best
}

// distance is how many letters must be put in, left out or changed (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		before := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := before
			if a[i] != b[j] {
				change++
			}
			before = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
