package overlay

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"regexp"
	"strings"
	"unicode/utf8"
)

// Namespaces of attributes.
const (
	spaceAndroid = android
	spacePrivate = "http://schemas.android.com/apk/prv/res/android" // with what the framework keeps for itself
	spaceAuto    = "http://schemas.android.com/apk/res-auto"        // of the app itself and its libraries
	spaceTools   = "http://schemas.android.com/tools"               // for editors; goes
	spaceAapt    = "http://schemas.android.com/aapt"
	spaceOf      = "http://schemas.android.com/apk/res/" // and a package
)

// document is a resource in XML, such as a layout, a drawable, a list of colors.
type document struct {
	path string // "drawable/x.xml"
	root *node
}

// node is an element, or text between elements.
type node struct {
	line       int
	name       string
	text       string // of text, which has no name
	spaces     []space
	attributes []rawAttribute
	nodes      []*node
}

// space is a namespace that an element brings.
type space struct{ prefix, uri string }

// rawAttribute is an attribute as it is written.
type rawAttribute struct {
	space, name, text string
	line, col         int
	// Once it is linked:
	id    uint32
	value value
}

const maxDepth = 200

// document reads a resource in XML. It returns nil after a mistake.
func (c *compiler) document(path string, text []byte) *document {
	r := &reader{Decoder: xml.NewDecoder(bytes.NewReader(text))}
	d := &document{path: path}
	var stack []*node
	for {
		from := r.InputOffset()
		t, err := r.next()
		if errors.Is(err, io.EOF) {
			if d.root == nil {
				c.wrong(1, 1, "", "expected an element, found none")
				return nil
			}
			return d
		}
		if err != nil {
			c.syntax(r, err)
			return nil
		}
		switch t := t.(type) {
		case xml.StartElement:
			n, ok := c.element(r, t, text[from:r.InputOffset()])
			if !ok {
				return nil
			}
			if len(stack) == maxDepth {
				c.wrong(r.line, r.col, "", "elements are more than %d deep", maxDepth)
				return nil
			}
			if len(stack) > 0 {
				above := stack[len(stack)-1]
				above.nodes = append(above.nodes, n)
			} else {
				d.root = n
			}
			stack = append(stack, n)
		case xml.EndElement:
			stack = stack[:len(stack)-1]
		case xml.CharData:
			if s := spaced(string(t)); s != "" && len(stack) > 0 {
				above := stack[len(stack)-1]
				above.nodes = append(above.nodes, &node{line: r.line, text: s})
			}
		}
	}
}

// spaced is text with one space at an end that has any; "" is white space alone.
func spaced(s string) string {
	plain := strings.TrimSpace(s)
	if plain == "" {
		return ""
	}
	before, behind, _ := strings.Cut(s, plain)
	if before != "" {
		plain = " " + plain
	}
	if behind != "" {
		plain += " "
	}
	return plain
}

// element reads one, whose tag is raw in the file.
func (c *compiler) element(r *reader, t xml.StartElement, raw []byte) (*node, bool) {
	n := &node{line: r.line, name: t.Name.Local}
	if t.Name.Space == spaceAapt {
		c.wrong(r.line, r.col, "put it into a file of its own, and refer to that", "a resource within a resource (aapt:%s) is not compiled here", t.Name.Local)
		return nil, false
	}
	for _, a := range t.Attr {
		if a.Name.Space == "xmlns" || a.Name.Space == "" && a.Name.Local == "xmlns" {
			if a.Name.Space == "" {
				a.Name.Local = ""
			}
			if a.Value != spaceTools {
				n.spaces = append(n.spaces, space{a.Name.Local, a.Value})
			}
			continue
		}
		line, col := placeOf(raw, a.Name.Local, r.line, r.col)
		switch {
		case a.Name.Space == spaceTools:
			continue
		case a.Name.Space == spaceAuto || strings.HasPrefix(a.Name.Space, spaceOf) && a.Name.Space != spaceAndroid:
			c.wrong(line, col, "only android's attributes can be named", "%s is an attribute of the target's own, whose number differs from version to version", a.Name.Local)
			return nil, false
		case a.Name.Space != "" && !strings.Contains(a.Name.Space, ":"):
			c.wrong(line, col, "as in xmlns:android=\""+android+"\"", "no xmlns:%s says which namespace %[1]s is", a.Name.Space)
			return nil, false
		}
		n.attributes = append(n.attributes, rawAttribute{space: a.Name.Space, name: a.Name.Local, text: a.Value, line: line, col: col})
	}
	return n, true
}

// placeOf finds an attribute in the text of its tag, which begins at line and col.
func placeOf(tag []byte, name string, line, col int) (int, int) {
	re, err := regexp.Compile(`[\s:](` + regexp.QuoteMeta(name) + `)\s*=`)
	if err != nil {
		return line, col
	}
	m := re.FindSubmatchIndex(tag)
	if m == nil {
		return line, col
	}
	before := tag[:m[2]]
	if n := bytes.Count(before, []byte("\n")); n > 0 {
		return line + n, utf8.RuneCount(before[bytes.LastIndexByte(before, '\n')+1:]) + 1
	}
	return line, col + len(before)
}

// plainText is an attribute's text with its escapes read; white space stays.
func plainText(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var out strings.Builder
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		i += n
		if r != '\\' || i == len(s) {
			out.WriteString(s[i-n : i])
			continue
		}
		if n, err := escape(&out, s[i:]); err == nil {
			i += n
		} // else the backslash goes, as in Android's build
	}
	return out.String()
}
