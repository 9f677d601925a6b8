// Package tongue guesses which language a text is in, by its script and, where
// several languages share one, by their most common words. It says nothing where
// it does not know: a wrong lang attribute is worse for a screen reader than none.
package tongue

import (
	"strings"
	"unicode"
)

// read is how many bytes of a text are looked at.
const read = 2000

// scripts that one language of a forum's readers writes nearly alone.
var scripts = []struct {
	table *unicode.RangeTable
	lang  string
}{
	{unicode.Hiragana, "ja"}, {unicode.Katakana, "ja"}, {unicode.Hangul, "ko"}, {unicode.Han, "zh"}, {unicode.Devanagari, "hi"}, {unicode.Bengali, "bn"},
	{unicode.Tamil, "ta"}, {unicode.Telugu, "te"}, {unicode.Thai, "th"}, {unicode.Greek, "el"}, {unicode.Hebrew, "he"},
}

var common = map[string][]string{
	"en": {"the", "and", "is", "it", "my", "of", "to", "in", "on", "not", "when", "with", "after", "this", "that", "does", "has", "for", "closes", "how", "do", "i"},
	"es": {"el", "la", "los", "las", "de", "que", "y", "en", "un", "una", "no", "se", "con", "por", "mi", "al", "cuando", "es", "para", "del", "está", "cómo"},
	"fr": {"le", "la", "les", "des", "et", "est", "un", "une", "du", "ne", "pas", "que", "dans", "mon", "je", "avec", "pour", "sur"},
	"de": {"der", "die", "das", "und", "ist", "nicht", "ein", "eine", "mit", "ich", "auf", "nach", "wenn", "beim", "mein", "zu"},
	"pt": {"o", "a", "os", "as", "de", "que", "e", "em", "um", "uma", "não", "com", "do", "da", "meu", "quando", "para"},
	"it": {"il", "la", "lo", "gli", "di", "che", "e", "un", "una", "non", "con", "del", "mio", "quando", "per", "è", "si"},
}

// Guess returns a language as HTML's lang has it, or "".
func Guess(text string) string {
	if len(text) > read {
		text = text[:read]
	}
	letters, by := 0, map[string]int{}
	for _, r := range text {
		if !unicode.IsLetter(r) {
			continue
		}
		letters++
		if r <= 0x24f { // Latin
			continue
		}
		for _, s := range scripts {
			if unicode.Is(s.table, r) {
				by[s.lang]++
				break
			}
		}
	}
	if by["ja"] > 0 { // Han stands among kana
		by["ja"] += by["zh"]
	}
	for lang, n := range by {
		// An app's or a class's Latin name in it does not change what it is.
		if n*3 > letters && (lang != "zh" || by["ja"] == 0) {
			return lang
		}
	}
	if lang := byLetters(text, letters); lang != "" {
		return lang
	}
	return byWords(text)
}

// told are letters and endings that tell languages of one script apart, the
// surest first.
var told = []struct {
	table *unicode.RangeTable
	marks string
	lang  string
}{
	{unicode.Cyrillic, "їєґЇЄҐ", "uk"}, {unicode.Cyrillic, "ыэъёЫЭЪЁ", "ru"},
	{unicode.Arabic, "ٹڈڑںے", "ur"}, {unicode.Arabic, "پچژگ", "fa"}, {unicode.Arabic, "ةىأإؤئ", "ar"},
}

func byLetters(text string, letters int) string {
	by := map[*unicode.RangeTable]int{}
	for _, r := range text {
		for _, table := range []*unicode.RangeTable{unicode.Cyrillic, unicode.Arabic} {
			if r > 0x24f && unicode.Is(table, r) {
				by[table]++
			}
		}
	}
	for _, t := range told {
		if by[t.table]*3 > letters && strings.ContainsAny(text, t.marks) {
			return t.lang
		}
	}
	return ""
}

// commonIn is common the other way about: the languages of each word.
var commonIn = func() map[string][]string {
	in := map[string][]string{}
	for lang, list := range common {
		for _, w := range list {
			in[w] = append(in[w], lang)
		}
	}
	return in
}()

func byWords(text string) string {
	points := map[string]int{}
	for word := range strings.FieldsFuncSeq(strings.ToLower(text), func(r rune) bool { return !unicode.IsLetter(r) }) {
		for _, lang := range commonIn[word] {
			points[lang]++
		}
	}
	best, second, lang := 0, 0, ""
	for l, n := range points {
		switch {
		case n > best:
			best, second, lang = n, best, l
		case n > second:
			second = n
		}
	}
	if best < 2 || best == second {
		return ""
	}
	return lang
}
