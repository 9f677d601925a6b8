package overlay

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/fridayos/friday/android/apk/arsc"
)

// NeedsFramework says whether the resources name what the phone's framework has, so that
// they must be linked against it: attributes, styles, android's own resources.
func (r *Resources) NeedsFramework() bool {
	if r.linked {
		return false
	}
	if len(r.docs) > 0 {
		return true
	}
	for _, e := range r.entries {
		if e.style != nil || e.value.other != nil || slices.ContainsFunc(e.items, func(i item) bool { return i.other != nil }) {
			return true
		}
	}
	return false
}

// Link looks up what the resources name of the framework's, which is that of the phone
// that they are for: framework-res.apk's table. The resources stay as they are; what is
// returned has the numbers.
func (r *Resources) Link(framework *arsc.Table) (*Resources, []Mistake) {
	if !r.NeedsFramework() {
		return r, nil
	}
	l := &linker{framework: framework, own: map[string]bool{}}
	for _, e := range r.entries {
		l.own[e.kind+"/"+e.name] = true
	}
	out := &Resources{files: r.files, linked: true}
	for _, e := range r.entries {
		l.file = e.file
		e.value = l.value(e.value)
		e.items = slices.Clone(e.items)
		for i := range e.items {
			e.items[i].value = l.value(e.items[i].value)
		}
		if e.style != nil {
			l.style(&e)
		}
		out.entries = append(out.entries, e)
	}
	for _, d := range r.docs {
		l.file = d.path
		out.docs = append(out.docs, &document{d.path, l.node(d.root)})
	}
	if len(l.mistakes) > 0 {
		return nil, l.mistakes
	}
	return out, nil
}

type linker struct {
	framework *arsc.Table
	own       map[string]bool
	file      string
	mistakes  []Mistake
}

func (l *linker) wrong(line, col int, hint, format string, args ...any) *Mistake {
	l.mistakes = append(l.mistakes, Mistake{File: l.file, Line: line, Col: col, Message: fmt.Sprintf(format, args...), Hint: hint})
	return &l.mistakes[len(l.mistakes)-1]
}

// value gives a reference to the framework its number.
func (l *linker) value(v value) value {
	if v.other == nil {
		return v
	}
	v.data, _ = l.find(*v.other, v.other.line, v.other.col)
	v.other = nil
	return v
}

// find looks up what the framework has.
func (l *linker) find(s symbol, line, col int) (uint32, *arsc.Resource) {
	id, r, ok := l.framework.Find(s.kind, s.name)
	switch {
	case !ok && s.kind == "style":
		id, r, ok = l.framework.Find(s.kind, strings.ReplaceAll(s.name, "_", "."))
	}
	switch {
	case !ok && l.framework.Nameless():
		l.wrong(line, col, "", "the names of the stock's framework were taken out of it, so that %s cannot be found", s.text)
	case !ok:
		m := l.wrong(line, col, "", "the stock's framework has no %s/%s", s.kind, s.name)
		m.Word, m.Among = s.name, l.framework.Names(s.kind)
		if others := l.framework.Kinds(s.name); len(others) > 0 {
			m.Hint = fmt.Sprintf("it has %s/%s", others[0], s.name)
		}
	case !r.Public && !s.private:
		l.wrong(line, col, "its number may differ in the next stock; if it is meant, write "+s.asPrivate(), "%s is the framework's own, which it does not make public", s.text)
	default:
		return id, r
	}
	return 0, nil
}

func (s symbol) asPrivate() string {
	if strings.HasPrefix(s.text, "@") || strings.HasPrefix(s.text, "?") {
		return s.text[:1] + "*" + s.text[1:]
	}
	return "*" + s.text
}

// style looks up its parent and the attributes that it sets.
func (l *linker) style(e *entry) {
	s := e.style
	if p := s.parent; p != nil && p.pkg == "android" {
		e.parent, _ = l.find(*p, p.line, p.col)
	} else if p != nil {
		e.parentRef = p.own()
		if !l.own[p.own()] {
			hint := "write parent=\"\", or one of android's; items of a parent that the target has are written out"
			l.wrong(p.line, p.col, hint, "the overlay has no style %s, which %s", p.name, p.text)
		}
	}
	seen := map[uint32]bool{}
	for _, i := range s.items {
		id, r := l.find(i.attr, i.attr.line, i.attr.col)
		if r == nil {
			continue
		}
		if seen[id] {
			l.wrong(i.attr.line, i.attr.col, "", "%s is set twice", i.attr.text)
			continue
		}
		seen[id] = true
		v, err := l.attribute(r, i.text, parseText)
		if err != nil {
			l.wrong(i.line, i.col, "", "%s: %v", i.attr.text, err)
			continue
		}
		e.items = append(e.items, item{id, l.place(v, i.line, i.col)})
	}
	slices.SortFunc(e.items, func(a, b item) int { return cmp.Compare(a.name, b.name) })
	e.bag = true
}

// place looks up a reference that was read from text at a place.
func (l *linker) place(v value, line, col int) value {
	switch {
	case v.other != nil:
		v.data, _ = l.find(*v.other, line, col)
		v.other = nil
	case v.ref != "" && !l.own[v.ref]:
		l.wrong(line, col, "write the value itself: the numbers of other apps' resources differ from version to version", "@%s is no resource of this overlay", v.ref)
	}
	return v
}

// node links an element and those in it.
func (l *linker) node(n *node) *node {
	out := *n
	out.attributes = nil
	for _, a := range n.attributes {
		var r *arsc.Resource
		switch a.space {
		case spaceAndroid, spacePrivate:
			s := symbol{pkg: "android", kind: "attr", name: a.name, text: "android:" + a.name, private: a.space == spacePrivate}
			if a.id, r = l.find(s, a.line, a.col); r == nil {
				continue
			}
		}
		v, err := l.attribute(r, a.text, func(s string) (value, error) { return value{kind: kindString, text: plainText(s)}, nil })
		if err != nil {
			l.wrong(a.line, a.col, "", "%s: %v", a.name, err)
			continue
		}
		a.value = l.place(v, a.line, a.col)
		out.attributes = append(out.attributes, a)
	}
	// Phones look them up by number, and expect those without at the end.
	slices.SortStableFunc(out.attributes, func(a, b rawAttribute) int {
		if c := cmp.Compare(a.id-1, b.id-1); c != 0 || a.id != 0 {
			return c
		}
		return cmp.Or(strings.Compare(a.space, b.space), strings.Compare(a.name, b.name))
	})
	out.nodes = nil
	for _, m := range n.nodes {
		out.nodes = append(out.nodes, l.node(m))
	}
	return &out
}

// attribute reads what is written for an attribute, by what it takes; r nil is one that
// takes anything.
func (l *linker) attribute(r *arsc.Resource, text string, asText func(string) (value, error)) (value, error) {
	plain := strings.TrimSpace(text)
	if v, ok := nothing(plain); ok {
		return v, nil
	}
	if strings.HasPrefix(plain, "@") || strings.HasPrefix(plain, "?") && len(plain) > 1 {
		return referenceTo(plain)
	}
	takes := uint32(0xffff) // anything, as aapt2 has it of attributes that nobody defines
	var symbols *arsc.Attr
	if r != nil && r.Attr != nil {
		takes, symbols = r.Attr.Formats, r.Attr
	}
	for _, f := range []struct {
		of    uint32
		parse func(string) (value, error)
	}{{arsc.Color, parseColor}, {arsc.Boolean, parseBool}, {arsc.Integer, parseInteger}, {arsc.Float, parseFloat}, {arsc.Dimension, parseDimension}, {arsc.Fraction, parseFraction}} {
		if takes&f.of == 0 {
			continue
		}
		if v, err := f.parse(plain); err == nil {
			return v, nil
		}
	}
	if symbols != nil && takes&(arsc.Enum|arsc.Flags) != 0 {
		if v, ok := worded(symbols, plain); ok {
			return v, nil
		}
	}
	if takes&arsc.String != 0 {
		return asText(text)
	}
	return value{}, fmt.Errorf("%q is not what it takes: %s", plain, describe(takes, symbols))
}

// worded reads the words of an enum, or of flags.
func worded(a *arsc.Attr, text string) (value, bool) {
	if a.Formats&arsc.Enum != 0 {
		if s, ok := a.Symbol(text); ok {
			return value{kind: kindNumber, data: s.Value}, true
		}
	}
	if a.Formats&arsc.Flags == 0 {
		return value{}, false
	}
	v := value{kind: kindHex}
	if text == "" {
		return v, true
	}
	for _, word := range strings.Split(text, "|") {
		s, ok := a.Symbol(strings.TrimSpace(word))
		if !ok {
			return value{}, false
		}
		v.data |= s.Value
	}
	return v, true
}

// describe says what an attribute takes.
func describe(takes uint32, a *arsc.Attr) string {
	var out []string
	for i, name := range []string{"a reference", "a text", "an integer", "a bool", "a color", "a number", "a dimension", "a fraction"} {
		if takes&(1<<i) != 0 {
			out = append(out, name)
		}
	}
	if a != nil && len(a.Symbols) > 0 {
		var names []string
		for _, s := range a.Symbols {
			names = append(names, s.Name)
		}
		slices.Sort(names)
		if more := len(names) - 20; more > 0 {
			names = append(names[:20], fmt.Sprintf("and %d more", more))
		}
		out = append(out, strings.Join(names, ", "))
	}
	return strings.Join(out, ", ")
}

// referenceTo is a value that refers.
func referenceTo(text string) (value, error) {
	s, err := parseSymbol(text)
	if err != nil {
		return value{}, err
	}
	v := value{kind: kindRef}
	if s.theme {
		v.kind = kindAttr
	}
	if s.pkg == "" {
		v.ref = s.own()
	} else {
		v.other = &s
	}
	return v, nil
}
