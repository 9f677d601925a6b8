package edify

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// Parse reads a script.
func Parse(text string) (*Script, error) {
	if len(text) > MaxScript {
		return nil, fmt.Errorf("cannot read script: it has %d bytes, expected at most %d", len(text), MaxScript)
	}
	p := &parser{text: text, line: 1}
	p.next()
	root, err := p.sequence(0)
	if err == nil && p.err == nil && p.token.kind != end {
		err = fmt.Errorf("found %s, expected an operator or the end", p.token)
	}
	if err = errors.Join(p.err, err); err != nil {
		return nil, fmt.Errorf("cannot read script: line %d: %w", p.token.line, err)
	}
	return &Script{root}, nil
}

type kind byte

const (
	end    kind = iota
	word        // a name or a string without quotes
	quoted      // a string in quotes
	symbol      // an operator, a bracket, a comma
)

type token struct {
	kind kind
	text string
	line int
}

func (t token) String() string {
	if t.kind == end {
		return "the end"
	}
	return fmt.Sprintf("%.40q", t.text)
}

func (t token) is(s string) bool { return t.kind == symbol && t.text == s }

func (t token) key(s string) bool { return t.kind == word && t.text == s }

type parser struct {
	text  string
	at    int
	line  int
	token token
	err   error
}

func isWord(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || strings.IndexByte("_:/.", c) >= 0
}

// next reads a token. A mistake is kept, and the end is read in its place.
func (p *parser) next() {
	p.skip()
	p.token = token{kind: end, line: p.line}
	if p.at == len(p.text) || p.err != nil {
		return
	}
	rest := p.text[p.at:]
	switch c := rest[0]; {
	case c == '"':
		p.str()
	case isWord(c):
		n := 1
		for n < len(rest) && isWord(rest[n]) {
			n++
		}
		p.take(word, n)
	case len(rest) > 1 && (rest[:2] == "==" || rest[:2] == "!=" || rest[:2] == "&&" || rest[:2] == "||"):
		p.take(symbol, 2)
	case strings.IndexByte("();,!+", c) >= 0:
		p.take(symbol, 1)
	default:
		p.err = fmt.Errorf("found the character %q", rune(c))
	}
}

func (p *parser) take(k kind, n int) {
	p.token.kind, p.token.text = k, p.text[p.at:p.at+n]
	p.at += n
}

// skip passes over blanks and comments.
func (p *parser) skip() {
	for ; p.at < len(p.text); p.at++ {
		switch c := p.text[p.at]; c {
		case '\n':
			p.line++
		case ' ', '\t', '\r':
		case '#':
			for p.at+1 < len(p.text) && p.text[p.at+1] != '\n' {
				p.at++
			}
		default:
			return
		}
	}
}

// str reads a string in quotes.
func (p *parser) str() {
	var b strings.Builder
	for i := p.at + 1; i < len(p.text); i++ {
		switch c := p.text[i]; c {
		case '"':
			p.at = i + 1
			p.token.kind, p.token.text = quoted, b.String()
			return
		case '\\':
			if i++; i == len(p.text) {
				break
			}
			switch e := p.text[i]; e {
			case 'n':
				b.WriteByte('\n')
			case 't':
				b.WriteByte('\t')
			case '"', '\\':
				b.WriteByte(e)
			case 'x':
				v, err := strconv.ParseUint(p.text[min(i+1, len(p.text)):min(i+3, len(p.text))], 16, 8)
				if err != nil || i+2 >= len(p.text) {
					p.err = errors.New("found \\x in a string, expected two hex digits behind it")
					return
				}
				b.WriteByte(byte(v))
				i += 2
			default:
				p.err = fmt.Errorf("found \\%c in a string, expected \\n, \\t, \\\", \\\\ or \\x", e)
				return
			}
		case '\n':
			p.line++
			b.WriteByte(c)
		default:
			b.WriteByte(c)
		}
	}
	p.err = errors.New("a string has no end")
}

// expect takes a symbol or a key word.
func (p *parser) expect(s string) error {
	if !p.token.is(s) && !p.token.key(s) {
		return fmt.Errorf("found %s, expected %q", p.token, s)
	}
	p.next()
	return p.err
}

// sequence reads expressions with semicolons between them, and perhaps one behind.
func (p *parser) sequence(depth int) (node, error) {
	var l list
	for {
		n, err := p.binary(0, depth)
		if err != nil {
			return nil, err
		}
		l = append(l, n)
		if !p.token.is(";") {
			break
		}
		p.next()
		if t := p.token; t.kind == end || t.is(")") || t.key("else") || t.key("endif") || t.key("then") {
			break
		}
	}
	if len(l) == 1 {
		return l[0], p.err
	}
	return l, p.err
}

// levels are the operators with two sides, those that bind least first.
var levels = [][]string{{"||"}, {"&&"}, {"==", "!="}, {"+"}}

func (p *parser) binary(level, depth int) (node, error) {
	if level == len(levels) {
		return p.unary(depth)
	}
	left, err := p.binary(level+1, depth)
	for n := 0; err == nil; n++ {
		op := ""
		for _, s := range levels[level] {
			if p.token.is(s) {
				op = s
			}
		}
		if op == "" {
			return left, p.err
		}
		p.next()
		var right node
		if right, err = p.binary(level+1, depth); err == nil {
			left = &operation{op, left, right}
		}
		if n > maxChain { // chains make deep trees as well
			return nil, errors.New("an expression is too long")
		}
	}
	return nil, err
}

func (p *parser) unary(depth int) (node, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("expressions lie more than %d deep in each other", maxDepth)
	}
	switch t := p.token; {
	case p.err != nil:
		return nil, p.err
	case t.is("!"):
		p.next()
		n, err := p.unary(depth + 1)
		return &operation{op: "!", left: n}, err
	case t.is("("):
		p.next()
		n, err := p.sequence(depth + 1)
		if err != nil {
			return nil, err
		}
		return n, p.expect(")")
	case t.key("if"):
		return p.choice(depth + 1)
	case t.key("then") || t.key("else") || t.key("endif"):
	case t.kind == quoted:
		p.next()
		return literal(t.text), p.err
	case t.kind == word:
		p.next()
		if p.token.is("(") {
			return p.call(t, depth+1)
		}
		return literal(t.text), p.err
	}
	return nil, fmt.Errorf("found %s, expected a value", p.token)
}

func (p *parser) choice(depth int) (node, error) {
	p.next()
	c := &choice{}
	var err error
	if c.test, err = p.sequence(depth); err != nil {
		return nil, err
	}
	if err := p.expect("then"); err != nil {
		return nil, err
	}
	if c.then, err = p.sequence(depth); err != nil {
		return nil, err
	}
	if p.token.key("else") {
		p.next()
		if c.or, err = p.sequence(depth); err != nil {
			return nil, err
		}
	}
	return c, p.expect("endif")
}

func (p *parser) call(name token, depth int) (node, error) {
	c := &call{name: name.text, line: name.line}
	p.next()
	if p.token.is(")") {
		p.next()
		return c, p.err
	}
	for {
		a, err := p.sequence(depth)
		if err != nil {
			return nil, err
		}
		c.args = append(c.args, a)
		if p.token.is(")") {
			p.next()
			return c, p.err
		}
		if err := p.expect(","); err != nil {
			return nil, err
		}
	}
}
