// Package mistake is what is wrong with what a person wrote or asked for: the
// field, a stable code and the plain values that the sentence names, so that
// whoever shows it can say it in the reader's language. English stands beside the
// code, for programs and terminals. It is not for errors that a person can do
// nothing about.
package mistake

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Mistake is one mistake.
type Mistake struct {
	Field   string // the form's; empty: none in particular
	Code    string // "title-long"; empty: Message is in the reader's language already
	Message string // a whole sentence, in English if there is a code
	Values  []any  // a name and its value, and so on: "N", 150, "Most", 140
}

// New makes a mistake. The English says {Name} where a value belongs. A value N is
// a number, and the one that other languages' plural follows.
func New(field, code, english string, values ...any) *Mistake {
	return &Mistake{Field: field, Code: code, Message: Fill(english, values...), Values: values}
}

func (m *Mistake) Error() string { return m.Message }

// Unwrap returns the values that are errors themselves: what the mistake follows from.
func (m *Mistake) Unwrap() (causes []error) {
	for _, v := range m.Values {
		if err, ok := v.(error); ok {
			causes = append(causes, err)
		}
	}
	return causes
}

// Mistaken is what Of looks for in errors that hold a mistake.
func (m *Mistake) Mistaken() *Mistake { return m }

// Of returns the mistake in an error, nil if it has none.
func Of(err error) *Mistake {
	var has interface {
		error
		Mistaken() *Mistake
	}
	if errors.As(err, &has) {
		return has.Mistaken()
	}
	return nil
}

// Fill puts values into a sentence that says {Name} where they belong.
func Fill(sentence string, values ...any) string {
	var pairs []string
	for i := 0; i+1 < len(values); i += 2 {
		pairs = append(pairs, fmt.Sprintf("{%v}", values[i]), fmt.Sprint(values[i+1]))
	}
	return strings.NewReplacer(pairs...).Replace(sentence) // in one pass: a value may say {Name}
}

// Book is the sentences of one room by their codes: what it says of itself in
// errors and reasons that are kept as English text, and can be read back from
// there, to be said in another language.
type Book struct {
	room  string
	said  map[string]string
	codes []string // the longest sentence first: it says the most
	match map[string]*regexp.Regexp
	names map[string][]string
}

var slot = regexp.MustCompile(`\\\{([A-Z][A-Za-z]*)\\\}`)

// NewBook makes a room's book of English sentences by code, with {Name} where a
// value belongs.
func NewBook(room string, said map[string]string) *Book {
	b := &Book{room: room, said: said, match: map[string]*regexp.Regexp{}, names: map[string][]string{}}
	for code, sentence := range said {
		quoted := regexp.QuoteMeta(sentence)
		for _, m := range slot.FindAllStringSubmatch(quoted, -1) {
			b.names[code] = append(b.names[code], m[1])
		}
		b.match[code] = regexp.MustCompile(`(?s)\A` + slot.ReplaceAllString(quoted, `(.*?)`) + `\z`)
		b.codes = append(b.codes, code)
	}
	slices.SortFunc(b.codes, func(x, y string) int {
		return cmp.Or(cmp.Compare(len(said[y]), len(said[x])), cmp.Compare(x, y))
	})
	return b
}

// Room is whose sentences these are.
func (b *Book) Room() string { return b.room }

// Codes lists the codes of all sentences.
func (b *Book) Codes() []string { return slices.Sorted(slices.Values(b.codes)) }

// Names lists the values that a sentence names.
func (b *Book) Names(code string) []string { return b.names[code] }

// Say is a sentence with its values; a code that the book does not have is said
// itself.
func (b *Book) Say(code string, values ...any) string {
	sentence, ok := b.said[code]
	if !ok {
		return code
	}
	return Fill(sentence, values...)
}

// New makes a mistake of a sentence; its code has the room in front: "train.cut".
func (b *Book) New(field, code string, values ...any) *Mistake {
	return &Mistake{Field: field, Code: b.room + "." + code, Message: b.Say(code, values...), Values: values}
}

// Read finds the sentence that a text is, and its values as texts, N as a number.
func (b *Book) Read(text string) (code string, values []any, ok bool) {
	const most = 4000 // bytes; what is longer is no sentence of ours
	if len(text) > most {
		return "", nil, false
	}
	for _, code := range b.codes {
		m := b.match[code].FindStringSubmatch(text)
		if m == nil {
			continue
		}
		for i, name := range b.names[code] {
			values = append(values, name, any(m[i+1]))
			if n, err := strconv.Atoi(m[i+1]); name == "N" && err == nil {
				values[len(values)-1] = n
			}
		}
		return code, values, true
	}
	return "", nil, false
}
