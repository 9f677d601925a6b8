package overlay

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/fridayos/friday/android/apk/overlay/qualifier"
)

// simple are the types whose value stands in the element, and how it is read.
var simple = map[string]func(string) (value, error){
	"bool": parseBool, "integer": parseInteger, "color": parseColor, "dimen": parseDimen, "fraction": parseFraction, "string": parseText, "drawable": parseColor,
}

// quantities are the names of plurals' items.
var quantities = map[string]uint32{"other": 0x01000004, "zero": 0x01000005, "one": 0x01000006, "two": 0x01000007, "few": 0x01000008, "many": 0x01000009}

const arrayItem = 0x01000001 // and its place, as aapt2 numbers them

// reader walks the elements of an XML file and knows where it is.
type reader struct {
	*xml.Decoder
	line, col int // of the token read last
}

func (r *reader) next() (xml.Token, error) {
	r.line, r.col = r.InputPos()
	return r.Token()
}

// values reads a file of values.
func (c *compiler) values(text []byte, to qualifier.Config) {
	r := &reader{Decoder: xml.NewDecoder(bytes.NewReader(text))}
	inside := false
	for {
		t, err := r.next()
		if errors.Is(err, io.EOF) {
			if !inside {
				c.wrong(1, 1, "", "expected an element resources, found none")
			}
			return
		}
		if err != nil {
			c.syntax(r, err)
			return
		}
		switch t := t.(type) {
		case xml.StartElement:
			if !inside {
				if inside = t.Name.Local == "resources"; !inside {
					c.wrong(r.line, r.col, "", "the first element is %s, expected resources", t.Name.Local)
					return
				}
				continue
			}
			if err := c.resource(r, t, to); err != nil {
				c.syntax(r, err)
				return
			}
		case xml.CharData:
			if len(bytes.TrimSpace(t)) > 0 {
				c.wrong(r.line, r.col, "", "there is text between the resources: %.20q", bytes.TrimSpace(t))
			}
		}
	}
}

func (c *compiler) syntax(r *reader, err error) {
	line, col := r.InputPos()
	var s *xml.SyntaxError
	if errors.As(err, &s) {
		err = errors.New(s.Msg)
	}
	c.wrong(line, col, "", "cannot read XML: %v", err)
}

func attr(t xml.StartElement, name string) string {
	for _, a := range t.Attr {
		if a.Name.Local == name && a.Name.Space == "" {
			return a.Value
		}
	}
	return ""
}

// resource reads one element up to its end. The error is one of the XML.
func (c *compiler) resource(r *reader, t xml.StartElement, to qualifier.Config) error {
	line, col, kind, name := r.line, r.col, t.Name.Local, attr(t, "name")
	if kind == "item" {
		kind = attr(t, "type")
	}
	switch kind {
	case "string-array", "integer-array", "array", "plurals":
		items, err := c.items(r, kind)
		if err != nil {
			return err
		}
		if kind != "plurals" {
			kind = "array"
		}
		c.add(line, col, entry{kind: kind, name: name, config: to, items: items, bag: true})
		return nil
	}
	switch kind {
	case "style":
		return c.style(r, t, name, to)
	case "id":
		c.add(line, col, entry{kind: kind, name: name, config: to, value: value{kind: kindBool}})
		return r.Skip()
	}
	parse := simple[kind]
	if parse == nil {
		c.wrong(line, col, "bring an APK that aapt2 made, through apps", "resources of type %q are not compiled here", kind)
		return r.Skip()
	}
	v, ok, err := c.value(r, kind == "string", parse)
	if err == nil && ok {
		c.add(line, col, entry{kind: kind, name: name, config: to, value: v})
	}
	return err
}

// items reads those of an array or a plural.
func (c *compiler) items(r *reader, kind string) (items []item, err error) {
	for {
		t, err := r.next()
		if err != nil {
			return nil, err
		}
		switch t := t.(type) {
		case xml.EndElement:
			return items, nil
		case xml.CharData:
			if len(bytes.TrimSpace(t)) > 0 {
				c.wrong(r.line, r.col, "", "there is text between the items: %.20q", bytes.TrimSpace(t))
			}
		case xml.StartElement:
			line, col := r.line, r.col
			parse := parseText
			switch {
			case t.Name.Local != "item":
				c.wrong(line, col, "", "expected an item, found %s", t.Name.Local)
				if err := r.Skip(); err != nil {
					return nil, err
				}
				continue
			case kind == "integer-array":
				parse = parseInteger
			case kind == "array":
				parse = parseAny
			}
			v, ok, err := c.value(r, kind != "integer-array", parse)
			if err != nil {
				return nil, err
			}
			one := item{arrayItem + uint32(len(items)), v}
			if kind == "plurals" {
				q := attr(t, "quantity")
				if one.name = quantities[q]; one.name == 0 {
					c.wrong(line, col, "there are zero, one, two, few, many, other", "unknown quantity %q", q)
					ok = false
				} else if slices.ContainsFunc(items, func(i item) bool { return i.name == one.name }) {
					c.wrong(line, col, "", "quantity %q is given twice", q)
					ok = false
				}
			}
			if len(items) > 0xffff {
				return nil, errors.New("more than 65535 items")
			}
			if ok {
				items = append(items, one)
			}
		}
	}
}

// value reads the text up to the element's end. ok is false where it was wrong.
func (c *compiler) value(r *reader, isText bool, parse func(string) (value, error)) (v value, ok bool, err error) {
	line, col := r.InputPos()
	s, ok, err := c.text(r, isText)
	if err != nil || !ok {
		return v, false, err
	}
	if plain := strings.TrimSpace(s); strings.HasPrefix(plain, "@") || !isText && strings.HasPrefix(plain, "?") {
		v, err = c.reference(plain, line, col)
	} else {
		v, err = parse(s)
	}
	if err != nil {
		c.wrong(line, col, "", "%v", err)
		return value{}, false, nil
	}
	return v, true, nil
}

// text reads what stands in an element up to its end. ok is false where there is more
// than text.
func (c *compiler) text(r *reader, isText bool) (s string, ok bool, err error) {
	var text strings.Builder
	ok = true
	for depth := 0; depth >= 0; {
		t, err := r.next()
		if err != nil {
			return "", false, err
		}
		switch t := t.(type) {
		case xml.CharData:
			text.Write(t)
		case xml.StartElement:
			if depth++; t.Name.Local != "g" || !isText { // xliff's, for translators
				c.wrong(r.line, r.col, "text with markup is not compiled here; bring an APK that aapt2 made, through apps", "there is an element %s in the value", t.Name.Local)
				ok = false
			}
		case xml.EndElement:
			depth--
		}
	}
	return text.String(), ok, nil
}

// reference reads one; what it refers to is looked up later.
func (c *compiler) reference(text string, line, col int) (value, error) {
	if v, ok := nothing(text); ok {
		return v, nil
	}
	v, err := referenceTo(text)
	switch {
	case err != nil:
	case v.other != nil:
		v.other.file, v.other.line, v.other.col = c.file, line, col
	default:
		s, _ := parseSymbol(text)
		s.file, s.line, s.col = c.file, line, col
		if s.create {
			return v, fmt.Errorf("%s: + makes a resource in a layout alone", text)
		}
		c.refs = append(c.refs, s)
	}
	return v, err
}

func parseBool(s string) (value, error) {
	switch strings.TrimSpace(s) {
	case "true", "TRUE", "True":
		return value{kind: kindBool, data: none}, nil
	case "false", "FALSE", "False":
		return value{kind: kindBool}, nil
	}
	return value{}, fmt.Errorf("%q is no bool, expected true or false", strings.TrimSpace(s))
}

func parseInteger(s string) (value, error) {
	s = strings.TrimSpace(s)
	if digits, ok := strings.CutPrefix(strings.ToLower(s), "0x"); ok {
		if n, err := strconv.ParseUint(digits, 16, 32); err == nil {
			return value{kind: kindHex, data: uint32(n)}, nil
		}
	} else if n, err := strconv.ParseInt(s, 10, 32); err == nil {
		return value{kind: kindNumber, data: uint32(n)}, nil
	}
	return value{}, fmt.Errorf("%q is no integer of 32 bits, expected one such as 30 or 0x1e", s)
}

func parseColor(s string) (value, error) {
	s = strings.TrimSpace(s)
	digits, ok := strings.CutPrefix(s, "#")
	n, err := strconv.ParseUint(digits, 16, 32)
	if ok && err == nil {
		c := uint32(n)
		switch len(digits) {
		case 3:
			return value{kind: kindRGB4, data: 0xff000000 | spread(c)}, nil
		case 4:
			return value{kind: kindARGB4, data: spread(c)}, nil
		case 6:
			return value{kind: kindRGB8, data: 0xff000000 | c}, nil
		case 8:
			return value{kind: kindARGB8, data: c}, nil
		}
	}
	return value{}, fmt.Errorf("%q is no color, expected #RGB, #ARGB, #RRGGBB or #AARRGGBB", s)
}

// spread doubles each of four hex digits.
func spread(c uint32) (out uint32) {
	for i := range 4 {
		out |= (c >> (4 * i) & 0xf) * 0x11 << (8 * i)
	}
	return out
}

var (
	number    = regexp.MustCompile(`^[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)(e[-+]?[0-9]{1,3})?$`)
	dimension = regexp.MustCompile(`^([-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))\s*(px|dp|dip|sp|pt|in|mm)$`)
	percent   = regexp.MustCompile(`^([-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+))\s*(%p?)$`)
	units     = map[string]uint32{"px": 0, "dp": 1, "dip": 1, "sp": 2, "pt": 3, "in": 4, "mm": 5, "%": 0, "%p": 1}
)

func parseDimen(s string) (value, error) {
	s = strings.TrimSpace(s)
	if v, err := parseDimension(s); err == nil || dimension.MatchString(s) {
		return v, err
	}
	if v, err := parseFloat(s); err == nil { // <item type="dimen" format="float">
		return v, nil
	}
	return value{}, fmt.Errorf("%q is no dimension, expected a number and px, dp, sp, pt, in or mm", s)
}

// parseDimension reads one with its unit.
func parseDimension(s string) (value, error) {
	m := dimension.FindStringSubmatch(s)
	if m == nil {
		return value{}, errors.New("there is no unit")
	}
	return complexValue(kindDimen, m[1], m[2], 1)
}

func parseFloat(s string) (value, error) {
	if !number.MatchString(s) {
		return value{}, fmt.Errorf("%q is no number", s)
	}
	n, err := strconv.ParseFloat(s, 32)
	if err != nil {
		return value{}, fmt.Errorf("%s is out of range", s)
	}
	return value{kind: kindFloat, data: math.Float32bits(float32(n))}, nil
}

func parseFraction(s string) (value, error) {
	s = strings.TrimSpace(s)
	m := percent.FindStringSubmatch(s)
	if m == nil {
		return value{}, fmt.Errorf("%q is no fraction, expected one such as 40%% or 40%%p", s)
	}
	return complexValue(kindFraction, m[1], m[2], 100)
}

// complexValue packs a number into 24 bits, with the point at one of four places,
// and its unit.
func complexValue(kind uint8, number, unit string, by float64) (value, error) {
	f, err := strconv.ParseFloat(number, 64)
	if f /= by; err != nil || math.Abs(f) >= 1<<23 {
		return value{}, fmt.Errorf("%s%s is out of range", number, unit)
	}
	bits := uint64(math.Abs(f)*(1<<23) + .5)
	radix, shift := uint32(0), 23
	switch {
	case bits&0x7fffff == 0: // whole
	case bits < 1<<23:
		radix, shift = 3, 0
	case bits < 1<<31:
		radix, shift = 2, 8
	case bits < 1<<39:
		radix, shift = 1, 16
	}
	mantissa := uint32(bits>>shift) & 0xffffff
	if f < 0 {
		mantissa = -mantissa & 0xffffff
	}
	return value{kind: kind, data: units[unit] | radix<<4 | mantissa<<8}, nil
}

// parseAny reads an item of an array without a type.
func parseAny(s string) (value, error) {
	for _, parse := range []func(string) (value, error){parseBool, parseInteger, parseColor, parseFraction} {
		if v, err := parse(s); err == nil {
			return v, nil
		}
	}
	if dimension.MatchString(strings.TrimSpace(s)) {
		return parseDimen(s)
	}
	return parseText(s)
}

// parseText reads a text as Android's build does: white space counts once and not
// at the ends, unless in quotes; \n, \t, \', \", \@, \?, \# and \u0041 are escapes.
func parseText(s string) (value, error) {
	const maxText = 0x7fff
	var out strings.Builder
	quoted, space := false, false
	for i := 0; i < len(s); {
		r, n := utf8.DecodeRuneInString(s[i:])
		i += n
		if !quoted && strings.ContainsRune(" \t\r\n", r) {
			space = out.Len() > 0
			continue
		}
		if space {
			out.WriteByte(' ')
			space = false
		}
		switch r {
		case '"':
			quoted = !quoted
		case '\'':
			if !quoted {
				return value{}, errors.New(`an apostrophe is written \'`)
			}
			out.WriteRune(r)
		case '\\':
			n, err := escape(&out, s[i:])
			if err != nil {
				return value{}, err
			}
			i += n
		default:
			out.WriteRune(r)
		}
	}
	if quoted {
		return value{}, errors.New(`a quotation mark is not closed; one that is meant is written \"`)
	}
	if out.Len() > maxText {
		return value{}, fmt.Errorf("the text has %d bytes, expected at most %d", out.Len(), maxText)
	}
	return value{kind: kindString, text: out.String()}, nil
}

// escape writes what stands behind a backslash, and returns how long that is.
func escape(out *strings.Builder, s string) (int, error) {
	if s == "" {
		return 0, errors.New("a backslash is at the end")
	}
	switch c := s[0]; c {
	case 'n':
		out.WriteByte('\n')
	case 't':
		out.WriteByte('\t')
	case '\'', '"', '@', '?', '#', '\\', ' ':
		out.WriteByte(c)
	case 'u':
		if len(s) >= 5 {
			if n, err := strconv.ParseUint(s[1:5], 16, 16); err == nil && utf8.ValidRune(rune(n)) {
				out.WriteRune(rune(n))
				return 5, nil
			}
		}
		return 0, fmt.Errorf("%.6q is no character, expected four hex digits", `\`+s)
	default:
		return 0, fmt.Errorf("unknown escape %.2q", `\`+s)
	}
	return 1, nil
}
