package overlay

import (
	"encoding/xml"
	"path"
	"strings"

	"github.com/fridayos/friday/android/apk/overlay/qualifier"
)

// style is one as it is written; what it sets is read once the framework says what its
// attributes take.
type style struct {
	parent *symbol // nil: none
	items  []styleItem
}

// styleItem is what a style sets an attribute to.
type styleItem struct {
	attr      symbol
	text      string
	line, col int // of the text
}

// style reads one up to its end. The error is one of the XML.
func (c *compiler) style(r *reader, t xml.StartElement, name string, to qualifier.Config) error {
	line, col := r.line, r.col
	s := &style{}
	right := true
	if p, ok := c.parent(t, name, line, col); ok {
		s.parent = p
	} else {
		right = false
	}
	for {
		t, err := r.next()
		if err != nil {
			return err
		}
		switch t := t.(type) {
		case xml.EndElement:
			if right {
				c.add(line, col, entry{kind: "style", name: name, config: to, style: s})
			}
			return nil
		case xml.StartElement:
			i := styleItem{attr: symbol{kind: "attr", text: attr(t, "name"), file: c.file, line: r.line, col: r.col}}
			if t.Name.Local != "item" {
				c.wrong(r.line, r.col, "", "there is an element %s in a style, expected item", t.Name.Local)
				right = false
				if err := r.Skip(); err != nil {
					return err
				}
				continue
			}
			private := strings.HasPrefix(i.attr.text, "*")
			pkg, local, ok := strings.Cut(strings.TrimPrefix(i.attr.text, "*"), ":")
			if i.attr.pkg, i.attr.name, i.attr.private = pkg, local, private; !ok || pkg != "android" {
				c.wrong(r.line, r.col, "only android's can be set: android:"+path.Base(i.attr.text), "%q is an attribute of the target's own, whose number differs from version to version", i.attr.text)
				right = false
			}
			i.attr.name = strings.TrimPrefix(i.attr.name, "attr/")
			i.line, i.col = r.InputPos()
			text, ok, err := c.text(r, true)
			if err != nil {
				return err
			}
			i.text = text
			right = right && ok
			s.items = append(s.items, i)
		}
	}
}

// parent is that of a style: as it says, or by its name: that of A.B is A.
func (c *compiler) parent(t xml.StartElement, name string, line, col int) (*symbol, bool) {
	said, given := "", false
	for _, a := range t.Attr {
		if a.Name.Local == "parent" && a.Name.Space == "" {
			said, given = strings.TrimSpace(a.Value), true
		}
	}
	if !given {
		dot := strings.LastIndexByte(name, '.')
		if dot < 0 {
			return nil, true
		}
		return &symbol{kind: "style", name: name[:dot], text: "its name asks for as its parent", file: c.file, line: line, col: col}, true
	}
	if said == "" {
		return nil, true
	}
	p := symbol{kind: "style", text: said, file: c.file, line: line, col: col}
	rest := strings.TrimPrefix(said, "@")
	p.private = strings.HasPrefix(rest, "*")
	rest = strings.TrimPrefix(rest, "*")
	if pkg, local, ok := strings.Cut(rest, ":"); ok {
		p.pkg, rest = pkg, local
	}
	p.name = strings.TrimPrefix(rest, "style/")
	if p.pkg != "" && p.pkg != "android" || strings.Contains(p.name, "/") {
		c.wrong(line, col, "write parent=\"\", or one of android's such as android:Theme.Material", "%q is no parent that a style can have here", said)
		return nil, false
	}
	if p.pkg == "" {
		p.text = "it has as its parent"
	}
	return &p, true
}
