// Package cil reads SELinux policy in its Common Intermediate Language, as Android has it
// in etc/selinux, as far as is needed to say whether rules that are added to a policy name
// what it has: types, attributes, classes and their permissions.
//
// It compiles nothing: the phone does, when it boots, and does not boot where it cannot.
// What it does not know (blocks, macros) it leaves to the phone.
//
// The language is described in the SELinux project's CIL Reference Guide.
package cil

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Node is a word or a list of nodes in parentheses, and where it begins.
type Node struct {
	Word      string
	Quoted    bool
	List      []Node
	IsList    bool
	Line, Col int
}

// Mistake is something wrong, and where.
type Mistake struct {
	Line, Col int
	Message   string
	// Word and Among, if set, are what was written and what there is.
	Word  string
	Among []string
}

func (m *Mistake) Error() string { return fmt.Sprintf("%d:%d: %s", m.Line, m.Col, m.Message) }

// Bounds of one statement, and of words in it.
const (
	maxDepth = 64
	maxNodes = 1 << 18
)

// Statements calls fn for each statement of a file: a list at its top.
func Statements(text []byte, fn func(Node)) *Mistake {
	p := &parser{text: text, line: 1}
	for {
		p.skip()
		switch {
		case p.at == len(p.text):
			return nil
		case p.text[p.at] == ')':
			return p.wrong("there is a ) too many")
		case p.text[p.at] != '(':
			return p.wrong("expected (, found %.20q", p.text[p.at:min(len(p.text), p.at+20)])
		}
		p.left = maxNodes
		n, err := p.node(0)
		if err != nil {
			return err
		}
		fn(n)
	}
}

type parser struct {
	text            []byte
	at, line, begun int // begun: where the line begins
	left            int
}

func (p *parser) wrong(format string, args ...any) *Mistake {
	return &Mistake{Line: p.line, Col: p.at - p.begun + 1, Message: fmt.Sprintf(format, args...)}
}

// skip passes over white space and comments.
func (p *parser) skip() {
	for ; p.at < len(p.text); p.at++ {
		switch p.text[p.at] {
		case '\n':
			p.line, p.begun = p.line+1, p.at+1
		case ' ', '\t', '\r', '\f', '\v':
		case ';':
			for p.at+1 < len(p.text) && p.text[p.at+1] != '\n' {
				p.at++
			}
		default:
			return
		}
	}
}

func (p *parser) node(depth int) (Node, *Mistake) {
	n := Node{Line: p.line, Col: p.at - p.begun + 1}
	if p.left--; p.left < 0 || depth > maxDepth {
		return n, p.wrong("a statement of more than %d words or %d levels", maxNodes, maxDepth)
	}
	switch c := p.text[p.at]; c {
	case '(':
		n.IsList = true
		p.at++
		for {
			p.skip()
			if p.at == len(p.text) {
				return n, p.wrong("the text ends within the parentheses of line %d", n.Line)
			}
			if p.text[p.at] == ')' {
				p.at++
				return n, nil
			}
			m, err := p.node(depth + 1)
			if err != nil {
				return n, err
			}
			n.List = append(n.List, m)
		}
	case '"':
		for end := p.at + 1; end < len(p.text) && p.text[end] != '\n' && p.text[end] != 0; end++ {
			if p.text[end] == '"' {
				n.Word, n.Quoted = string(p.text[p.at+1:end]), true
				p.at = end + 1
				return n, nil
			}
		}
		return n, p.wrong("a quotation mark is not closed")
	case 0:
		return n, p.wrong("it holds a NUL")
	}
	from := p.at
	for p.at < len(p.text) && !strings.ContainsRune(" \t\r\n\f\v();\"\x00", rune(p.text[p.at])) {
		p.at++
	}
	n.Word = string(p.text[from:p.at])
	return n, nil
}

// Names are what a policy has.
type Names struct {
	Types   []string            `json:"types"`   // types, attributes and aliases, sorted
	Classes map[string][]string `json:"classes"` // permissions by class, sorted
}

// Known collects what policies declare, file by file.
type Known struct {
	types   map[string]bool
	classes map[string][]string
	commons map[string][]string
	of      map[string]string // the common of a class
}

// maxNames is how many names a policy may have; Android's has some 5,000.
const maxNames = 1 << 17

// Add takes in what a file declares; what of it cannot be read is not taken in.
func (k *Known) Add(text []byte) {
	if k.types == nil {
		*k = Known{types: map[string]bool{}, classes: map[string][]string{}, commons: map[string][]string{}, of: map[string]string{}}
	}
	Statements(text, k.statement)
}

func (k *Known) statement(n Node) {
	if len(n.List) < 2 || len(k.types)+len(k.classes) > maxNames {
		return
	}
	name := n.List[1].Word
	switch n.List[0].Word {
	case "type", "typeattribute", "typealias":
		k.types[name] = true
	case "class", "common":
		if len(n.List) < 3 {
			return
		}
		var perms []string
		for _, p := range n.List[2].List {
			perms = append(perms, p.Word)
		}
		into := k.classes
		if n.List[0].Word == "common" {
			into = k.commons
		}
		into[name] = append(into[name], perms...)
	case "classcommon":
		if len(n.List) == 3 {
			k.of[name] = n.List[2].Word
		}
	}
}

// Names are what was taken in; nil: nothing.
func (k *Known) Names() *Names {
	if len(k.types) == 0 {
		return nil
	}
	out := &Names{Classes: map[string][]string{}}
	for t := range k.types {
		out.Types = append(out.Types, t)
	}
	slices.Sort(out.Types)
	for c, perms := range k.classes {
		all := slices.Concat(perms, k.commons[k.of[c]])
		slices.Sort(all)
		out.Classes[c] = slices.Compact(all)
	}
	return out
}

// Merge puts together what two parts of a policy have; each may be nil.
func Merge(a, b *Names) *Names {
	if a == nil || b == nil {
		return cmp.Or(a, b)
	}
	out := &Names{Types: slices.Concat(a.Types, b.Types), Classes: map[string][]string{}}
	slices.Sort(out.Types)
	out.Types = slices.Compact(out.Types)
	for _, part := range []*Names{a, b} {
		for c, perms := range part.Classes {
			all := slices.Concat(out.Classes[c], perms)
			slices.Sort(all)
			out.Classes[c] = slices.Compact(all)
		}
	}
	return out
}

func (n *Names) has(name string) bool {
	_, ok := slices.BinarySearch(n.Types, name)
	return ok
}
