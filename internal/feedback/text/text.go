// Package text reads and makes what members write, as far as the forum itself
// needs to know: whom a post mentions, how a post is quoted, and what an edit
// changed. It is pure and knows no HTML; internal/site/markdown shows posts.
package text

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// MaxMentions is how many members one post can mention; the names after them are
// plain text.
const MaxMentions = 20

// Mentions returns the names that follow an @ in Markdown, each once, in the
// order in which they appear, at most MaxMentions of them. An @ inside a word, as in
// an address, mentions nobody, and neither does one in code or in a quoted line. A
// name may hold letters, marks and digits of any script, and . - _ between
// them; whether it is anyone's is for the caller to find out.
func Mentions(markdown string) []string {
	var names []string
	fence := ""
	for line := range strings.Lines(markdown) {
		bare := strings.TrimLeft(line, " ")
		if mark := fenceOf(bare); fence != "" {
			if strings.HasPrefix(mark, fence) && strings.Trim(bare, " \r\n"+fence[:1]) == "" {
				fence = ""
			}
			continue
		} else if mark != "" && len(line)-len(bare) < 4 {
			fence = mark
			continue
		}
		if strings.HasPrefix(bare, ">") {
			continue
		}
		for _, name := range inLine(line) {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
			if len(names) == MaxMentions {
				return names
			}
		}
	}
	return names
}

// fenceOf is the run of three or more ` or ~ that a line begins with.
func fenceOf(line string) string {
	for _, c := range []string{"`", "~"} {
		if n := len(line) - len(strings.TrimLeft(line, c)); n >= 3 {
			return line[:n]
		}
	}
	return ""
}

func inLine(line string) (names []string) {
	before := ' '
	for i := 0; i < len(line); {
		r, size := utf8.DecodeRuneInString(line[i:])
		switch {
		case r == '`': // a code span ends at a run of as many
			run := len(line[i:]) - len(strings.TrimLeft(line[i:], "`"))
			end := closing(line[i+run:], run)
			if size = run; end >= 0 {
				size = run + end + run
			}
		case r == '@' && !part(before) && before != '@' && before != '/' && before != '.':
			if name := nameAt(line[i+1:]); name != "" {
				names = append(names, name)
				size += len(name)
				r = 'x'
			}
		}
		before = r
		i += size
	}
	return names
}

// closing is where in s a run of exactly n backticks begins; -1 if none does.
func closing(s string, n int) int {
	for i := 0; i < len(s); {
		if s[i] != '`' {
			i++
			continue
		}
		run := len(s[i:]) - len(strings.TrimLeft(s[i:], "`"))
		if run == n {
			return i
		}
		i += run
	}
	return -1
}

func part(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) || unicode.IsMark(r) }

// maxName bounds a name in characters; member's own bound is stricter.
const maxName = 64

func nameAt(s string) string {
	end, chars := 0, 0
	for i, r := range s {
		if chars++; chars > maxName {
			return "" // nobody's
		}
		if part(r) {
			end = i + utf8.RuneLen(r)
		} else if i == 0 || r != '.' && r != '-' && r != '_' {
			break
		}
	}
	return s[:end] // what separates it from the next word is not part of it
}

// Quote makes the Markdown that quotes a post: each line behind "> ", an empty
// line after them. Quotes within it are left out, so that a long talk does not
// repeat itself.
func Quote(markdown string) string {
	var b strings.Builder
	empty := true // several empty lines become one
	for line := range strings.Lines(markdown) {
		line = strings.TrimRight(line, "\r\n ")
		if strings.HasPrefix(line, ">") || line == "" && empty {
			continue
		}
		empty = line == ""
		b.WriteString(strings.TrimRight("> "+line, " ") + "\n")
	}
	if b.Len() == 0 {
		return ""
	}
	return strings.TrimRight(b.String(), ">\n ") + "\n\n"
}
