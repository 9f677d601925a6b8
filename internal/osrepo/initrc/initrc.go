// Package initrc reads the .rc files that Android's init starts programs by, and says
// what is wrong in them. It runs nothing, and does not know which programs there are:
// who calls it compares the services with the phone's files.
//
// The language is described in AOSP: system/core/init/README.md. What init passes over
// in silence, or with a line in a log that nobody reads, is a mistake here.
package initrc

import (
	"fmt"
	"strings"
)

// Service is a program that init starts.
type Service struct {
	Name, Program string
	Line, Col     int // of the program
	Override      bool
}

// Mistake is something wrong, and where.
type Mistake struct {
	Line, Col int
	Message   string
	// Word and Among, if set, are what was written and what there is.
	Word  string
	Among []string
}

// Bounds of one file; init has none, a phone's are a hundredth of them.
const (
	MaxSize  = 1 << 20 // bytes
	maxWords = 1 << 16
)

// Parse reads a file.
func Parse(text []byte) ([]Service, []Mistake) {
	p := &parser{names: map[string]int{}}
	if len(text) > MaxSize {
		return nil, []Mistake{{Message: fmt.Sprintf("it has %d bytes, expected at most %d", len(text), MaxSize)}}
	}
	for l := (&lexer{text: string(text), line: 1, col: 1}); ; {
		words, err := l.next()
		if err != nil {
			p.mistakes = append(p.mistakes, *err)
			break
		}
		if words == nil {
			break
		}
		p.line(words)
	}
	return p.services, p.mistakes
}

// word is one of a line, and where it begins.
type word struct {
	text      string
	line, col int
}

// lexer cuts a file into lines of words.
type lexer struct {
	text      string
	line, col int
}

func (l *lexer) step(n int) {
	for _, c := range []byte(l.text[:n]) {
		if l.col++; c == '\n' {
			l.line, l.col = l.line+1, 1
		}
	}
	l.text = l.text[n:]
}

// next reads the words of the next line that has any; nil is the end. A backslash at the
// end of a line joins it with the next.
func (l *lexer) next() (words []word, wrong *Mistake) {
	for l.text != "" {
		switch c := l.text[0]; {
		case c == '\n':
			l.step(1)
			if len(words) > 0 {
				return words, nil
			}
		case c == ' ' || c == '\t' || c == '\r':
			l.step(1)
		case strings.HasPrefix(l.text, "\\\n"):
			l.step(2)
		case strings.HasPrefix(l.text, "\\\r\n"):
			l.step(3)
		case c == 0:
			return nil, &Mistake{Line: l.line, Col: l.col, Message: "there is a NUL in it, where init stops to read"}
		case c == '#':
			n := strings.IndexByte(l.text, '\n')
			if n < 0 {
				n = len(l.text)
			}
			l.step(n)
		default:
			w, err := l.word()
			if err != nil {
				return nil, err
			}
			if words = append(words, w); len(words) > maxWords {
				return nil, &Mistake{Line: w.line, Col: w.col, Message: fmt.Sprintf("a line of more than %d words", maxWords)}
			}
		}
	}
	return words, nil
}

func (l *lexer) word() (word, *Mistake) {
	w := word{line: l.line, col: l.col}
	var out strings.Builder
	for l.text != "" {
		switch c := l.text[0]; {
		case strings.IndexByte(" \t\r\n\x00", c) >= 0:
			w.text = out.String()
			return w, nil
		case c == '"':
			end := strings.IndexByte(l.text[1:], '"')
			if end < 0 {
				return w, &Mistake{Line: l.line, Col: l.col, Message: "a quotation mark is not closed"}
			}
			out.WriteString(l.text[1 : 1+end])
			l.step(end + 2)
		case c == '\\' && len(l.text) > 1 && (l.text[1] == '\n' || strings.HasPrefix(l.text, "\\\r\n")):
			w.text = out.String()
			return w, nil
		case c == '\\' && len(l.text) > 1:
			out.WriteByte(map[byte]byte{'n': '\n', 'r': '\r', 't': '\t'}[l.text[1]] | plain(l.text[1]))
			l.step(2)
		default:
			out.WriteByte(c)
			l.step(1)
		}
	}
	w.text = out.String()
	return w, nil
}

// plain is a letter that a backslash leaves as it is.
func plain(c byte) byte {
	if c == 'n' || c == 'r' || c == 't' {
		return 0
	}
	return c
}

type parser struct {
	services []Service
	mistakes []Mistake
	names    map[string]int // of services, to their lines
	in       string         // the section: "service", "on" or "import"; "": none yet
}

func (p *parser) wrong(at word, format string, args ...any) *Mistake {
	p.mistakes = append(p.mistakes, Mistake{Line: at.line, Col: at.col, Message: fmt.Sprintf(format, args...)})
	return &p.mistakes[len(p.mistakes)-1]
}

func (p *parser) line(words []word) {
	first := words[0]
	switch first.text {
	case "service", "on", "import":
		p.in = first.text
		p.section(words)
		return
	}
	switch p.in {
	case "":
		m := p.wrong(first, "%q stands before any section; service, on or import begins one", first.text)
		m.Word, m.Among = first.text, []string{"service", "on", "import"}
	case "import":
		p.wrong(first, "%q stands behind an import, which has no lines of its own", first.text)
	case "service":
		p.option(words)
	case "on":
		p.command(words)
	}
}

func (p *parser) section(words []word) {
	switch first := words[0]; first.text {
	case "import":
		if len(words) != 2 {
			p.wrong(first, "import has %d words behind it, expected the path of a file", len(words)-1)
		}
	case "on":
		if len(words) < 2 {
			p.wrong(first, "on has no trigger, expected one such as boot or property:sys.boot_completed=1")
			return
		}
		for i, w := range words[1:] {
			if and := w.text == "&&"; and != (i%2 == 1) || and && i == len(words)-2 {
				p.wrong(w, "triggers are joined by &&: on TRIGGER && TRIGGER")
				return
			}
			if rest, ok := strings.CutPrefix(w.text, "property:"); ok && !strings.Contains(rest, "=") {
				p.wrong(w, "%s says no value, expected property:NAME=VALUE, with * for any", w.text)
			}
		}
	case "service":
		if len(words) < 3 {
			p.wrong(first, "service has %d words behind it, expected a name and a program", len(words)-1)
			return
		}
		name, program := words[1], words[2]
		if !isName(name.text) {
			p.wrong(name, "service name %q, expected letters, digits and _ - . @", name.text)
			return
		}
		if was, ok := p.names[name.text]; ok {
			p.wrong(name, "service %s is there twice, first in line %d", name.text, was)
			return
		}
		p.names[name.text] = name.line
		if !strings.HasPrefix(program.text, "/") {
			p.wrong(program, "program %q, expected a path from / on", program.text)
			return
		}
		p.services = append(p.services, Service{Name: name.text, Program: program.text, Line: program.line, Col: program.col})
	}
}

func isName(s string) bool {
	return s != "" && len(s) <= 255 && !strings.ContainsFunc(s, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("_-.@+:", r))
	})
}

// option is a line of a service: how many words stand behind it, at least and at most.
func (p *parser) option(words []word) {
	first := words[0]
	want, ok := options[first.text]
	if !ok && strings.HasPrefix(first.text, "memcg.") {
		return
	}
	if !ok {
		if _, is := commands[first.text]; is {
			p.wrong(first, "%q is a command of an on section, not an option of a service", first.text)
			return
		}
		m := p.wrong(first, "service has no option %q", first.text)
		m.Word, m.Among = first.text, keys(options)
		return
	}
	if p.count(words, want) && first.text == "onrestart" {
		p.command(words[1:])
	}
	if first.text == "override" && len(p.services) > 0 {
		p.services[len(p.services)-1].Override = true
	}
}

func (p *parser) command(words []word) {
	first := words[0]
	want, ok := commands[first.text]
	if !ok {
		if _, is := options[first.text]; is {
			p.wrong(first, "%q is an option of a service, not a command of an on section", first.text)
			return
		}
		m := p.wrong(first, "init has no command %q", first.text)
		m.Word, m.Among = first.text, keys(commands)
		return
	}
	p.count(words, want)
}

func (p *parser) count(words []word, want [2]int) bool {
	n := len(words) - 1
	if n >= want[0] && (n <= want[1] || want[1] < 0) {
		return true
	}
	expected := fmt.Sprint(want[0])
	switch {
	case want[1] < 0:
		expected = fmt.Sprintf("at least %d", want[0])
	case want[1] > want[0]:
		expected = fmt.Sprintf("%d to %d", want[0], want[1])
	}
	p.wrong(words[0], "%s has %d words behind it, expected %s", words[0].text, n, expected)
	return false
}

func keys(m map[string][2]int) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	return out
}
