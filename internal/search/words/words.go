// Package words cuts text into the words that are searched for: the same way
// for what is indexed and for what is asked, in any language, so that SQLite,
// PostgreSQL and the index of duplicates find the same.
//
// The rules, in the order in which they apply:
//
//   - A word is a run of letters, marks and digits. Case, width (ＡＢＣ is abc)
//     and the accents of Latin letters (cámara is camara) do not count. Marks of
//     other scripts do, and never part a word: Hindi words stay whole.
//   - Scripts that are written without spaces between words (Chinese, Japanese,
//     Thai and their like, Korean for its particles) are cut into overlapping
//     pairs of characters: 相机崩溃 is 相机 机崩 崩溃.
//   - Names joined by . _ - $ or ' and names in camel case are given in parts,
//     CameraService as camera and service, com.android.camera2 as com, android
//     and camera2.
//   - A number with dots is one word: 26.11.27 and 4.1.46.
//   - What the parts leave out comes as an extra word beside the first part: the
//     name in one piece (cameraservice, com.android.camera2, wifi for Wi-Fi) and
//     the names in camel case within it, a
//     name without the number at its end (camera for camera2), and the last
//     character of a run of pairs, so that one character can be asked for.
//
// It is not a stemmer: rules that join "crash" and "crashes" break other
// languages. It knows no stop words either; how common a word is, an index
// learns from its texts.
package words

import (
	"iter"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// MaxRunes is how long a word is at most, in runes; the rest is cut off, in
// texts as in questions. No word has more than 4 bytes a rune.
const MaxRunes = 48

// Word is one word of a text.
type Word struct {
	Text       string // folded; letters, marks, digits and '.' alone
	Start, End int    // where it lies in the text, in bytes
	Extra      bool   // beside the word before it or after it: no step in a phrase
}

// All gives the words of a text in their order. Bytes that are not UTF-8 part
// words.
func All(text string) iter.Seq[Word] {
	return func(yield func(Word) bool) {
		c := cutter{text: text, yield: yield}
		c.run()
	}
}

type class int

const (
	other  class = iota
	spaced       // scripts with spaces between words, digits
	paired       // scripts that are cut into pairs
	mark         // belongs to what stands before it
	joiner       // . _ - $ ' between two words of one name
)

// unspaced are the scripts that are cut into pairs.
var unspaced = []*unicode.RangeTable{
	unicode.Han, unicode.Hiragana, unicode.Katakana, unicode.Hangul, unicode.Bopomofo,
	unicode.Thai, unicode.Lao, unicode.Khmer, unicode.Myanmar,
}

func classOf(r rune) class {
	switch {
	case r < utf8.RuneSelf:
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return spaced
		case r == '.' || r == '_' || r == '-' || r == '$' || r == '\'':
			return joiner
		}
		return other
	case r == utf8.RuneError:
		return other
	case r >= 0x4E00 && r <= 0x9FFF || r >= 0xAC00 && r <= 0xD7A3: // the most of them, soon told
		return paired
	case r == '\u2019' || r == '\uFF0E' || r == '\uFF3F' || r == '\uFF0D' || r == '\u2010' || r == '\u2011':
		return joiner // ’ and the wide or other forms of . _ -
	case unicode.Is(unicode.M, r) || r == '\u200C' || r == '\u200D' || r == '\u00AD':
		return mark // with the joiners of Indic scripts, and the soft hyphen
	case r == '\u30FC' || r == '\uFF70': // ー lengthens a kana
		return paired
	case unicode.IsLetter(r) && unicode.In(r, unspaced...):
		return paired
	case unicode.IsLetter(r) || unicode.IsNumber(r):
		return spaced
	}
	return other
}

type cutter struct {
	text  string
	yield func(Word) bool
	ended bool
}

func (c *cutter) emit(text string, start, end int, extra bool) {
	if c.ended || text == "" {
		return
	}
	c.ended = !c.yield(Word{text, start, end, extra})
}

func (c *cutter) at(i int) (class, rune, int) {
	r, n := utf8.DecodeRuneInString(c.text[i:])
	if r == utf8.RuneError && n <= 1 {
		return other, r, n
	}
	return classOf(r), r, n
}

func (c *cutter) run() {
	for i := 0; i < len(c.text) && !c.ended; {
		switch k, _, n := c.at(i); k {
		case spaced:
			i = c.name(i)
		case paired:
			i = c.pairs(i)
		default:
			i += n
		}
	}
}

// pairs gives a run of an unspaced script as pairs of characters, each with its marks.
func (c *cutter) pairs(start int) (end int) {
	last, count := start, 0 // the character before
	i := start
	for i < len(c.text) {
		k, _, n := c.at(i)
		if k != paired {
			break
		}
		from := i
		for i += n; i < len(c.text); i += n {
			if k, _, n = c.at(i); k != mark {
				break
			}
		}
		if count++; count > 1 {
			c.emit(fold(c.text[last:i]), last, i, false)
		}
		last = from
	}
	// Alone it is the word; at the end of a run no pair begins with it.
	c.emit(fold(c.text[last:i]), last, i, count > 1)
	return i
}

// piece is one run of letters and digits within a name.
type piece struct{ start, end int }

// name gives a name: pieces with single joiners between them.
func (c *cutter) name(start int) (end int) {
	var few [8]piece
	pieces := few[:0]
	i := start
	for {
		from := i
		for i < len(c.text) {
			k, _, n := c.at(i)
			if k != spaced && k != mark {
				break
			}
			i += n
		}
		pieces = append(pieces, piece{from, i})
		if len(pieces) == 64 || i == len(c.text) { // no name has more; a line of dots may
			break
		}
		k, _, n := c.at(i)
		if k != joiner || i+n == len(c.text) {
			break
		}
		if k, _, _ := c.at(i + n); k != spaced {
			break
		}
		i += n
	}
	c.parts(pieces)
	return i
}

// parts gives the parts of a name, and after the first what they leave out.
func (c *cutter) parts(pieces []piece) {
	start, end := pieces[0].start, pieces[len(pieces)-1].end
	var parts, names []piece // names in camel case within the name
	for i := 0; i < len(pieces); {
		n := c.version(pieces[i:])
		switch {
		case n > 1:
			parts = append(parts, piece{pieces[i].start, pieces[i+n-1].end})
		case i > 0 && c.isSuffix(pieces[i]) && c.after(pieces[i], "'", "\u2019"):
			if c.text[pieces[i].start:pieces[i].end] != "s" { // the camera's: camera; don't: dont
				parts[len(parts)-1].end = pieces[i].end
			}
		default:
			from := len(parts)
			if parts = c.camel(parts, pieces[i]); len(parts) > from+1 && len(pieces) > 1 {
				names = append(names, piece{pieces[i].start, pieces[i].end})
			}
		}
		i += n
	}
	for i, p := range parts {
		word := fold(c.text[p.start:p.end])
		c.emit(word, p.start, p.end, false)
		if base := strings.TrimRight(word, "0123456789"); len(base) < len(word) && len(base) >= 3 && letters(base) {
			c.emit(base, p.start, p.end, true)
		}
		if i == 0 && len(parts) > 1 {
			c.emit(fold(c.text[start:end]), start, end, true)
		}
		for len(names) > 0 && names[0].start == p.start {
			c.emit(fold(c.text[names[0].start:names[0].end]), names[0].start, names[0].end, true)
			names = names[1:]
		}
	}
}

// version counts the pieces at the beginning that make a number with dots; 1
// if there is none.
func (c *cutter) version(pieces []piece) int {
	n := 0
	for n < len(pieces) {
		p := pieces[n]
		first, size := utf8.DecodeRuneInString(c.text[p.start:])
		if n == 0 && (first == 'v' || first == 'V') && p.end-p.start > 1 {
			first, _ = utf8.DecodeRuneInString(c.text[p.start+size:])
		}
		if !unicode.IsDigit(first) || n > 0 && !c.after(p, ".", "\uFF0E") {
			break
		}
		n++
	}
	return max(n, 1)
}

func (c *cutter) isSuffix(p piece) bool { return p.end-p.start <= 2 && letters(c.text[p.start:p.end]) }

// after says whether one of the joiners stands before a piece.
func (c *cutter) after(p piece, joiners ...string) bool {
	return slices.ContainsFunc(joiners, func(j string) bool { return strings.HasSuffix(c.text[:p.start], j) })
}

func letters(s string) bool {
	for i := 0; i < len(s); i++ {
		if b := s[i] | 0x20; b < 'a' || b > 'z' {
			return false
		}
	}
	return true
}

// camel adds the parts of a name in camel case: a new one begins with a capital
// after a small letter, and with the last capital of several before a small one.
func (c *cutter) camel(parts []piece, p piece) []piece {
	from := p.start
	var before rune
	for i := p.start; i < p.end; {
		r, n := utf8.DecodeRuneInString(c.text[i:p.end])
		if i > from && unicode.IsUpper(r) {
			next, m := utf8.DecodeRuneInString(c.text[i+n : p.end])
			small := m > 0 && unicode.IsLower(next)
			if small && next == 's' && i+n+m == p.end {
				small = false // APIs
			}
			if unicode.IsLower(before) || small {
				parts = append(parts, piece{from, i})
				from = i
			}
		}
		if !unicode.Is(unicode.M, r) {
			before = r
		}
		i += n
	}
	return append(parts, piece{from, p.end})
}

// fold gives the form under which a word is kept.
func fold(s string) string {
	plain := true
	for i := 0; i < len(s); i++ {
		if b := s[i]; b >= utf8.RuneSelf || b >= 'A' && b <= 'Z' || b == '_' || b == '-' || b == '$' || b == '\'' {
			plain = false
			break
		}
	}
	if plain && len(s) <= MaxRunes {
		return s
	}
	if len(s) > 16*utf8.UTFMax*MaxRunes { // normal forms of an endless word are not worth their time
		s = strings.ToValidUTF8(s[:16*utf8.UTFMax*MaxRunes], "")
	}
	var b strings.Builder
	runes, latin := 0, false
	for _, r := range norm.NFKD.String(s) {
		switch {
		case r == '_' || r == '-' || r == '$' || r == '\'' || r == '’' || r == '\u2010' || r == '\u2011':
			continue
		case r >= 0x300 && r <= 0x36F && latin: // the accent of a Latin letter
			continue
		case r == '\u200C' || r == '\u200D' || r == '\u00AD' || unicode.Is(unicode.Variation_Selector, r):
			continue
		case r != '.' && !unicode.IsLetter(r) && !unicode.IsNumber(r) && !unicode.Is(unicode.M, r):
			continue // what a normal form brings in: the slash of ½, the space of ﷺ
		}
		if !unicode.Is(unicode.M, r) {
			latin = unicode.Is(unicode.Latin, r)
		}
		if runes++; runes > MaxRunes {
			break
		}
		r = unicode.ToLower(r)
		if r == 'ß' {
			b.WriteString("ss")
			continue
		}
		b.WriteRune(r)
	}
	return short(norm.NFC.String(b.String()))
}

func short(s string) string {
	n := 0
	for i := range s {
		if n++; n > MaxRunes {
			return s[:i]
		}
	}
	return s
}

// Paired says whether a character is of a script that is cut into pairs.
func Paired(r rune) bool { return classOf(r) == paired }
