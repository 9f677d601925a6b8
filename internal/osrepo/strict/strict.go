// Package strict reads YAML files that people write into Go structs and says
// exactly what is wrong with them: unknown keys, wrong types, numbers out of
// range, keys given twice, each with file, line, column and, where there is one,
// a hint; all of them at once.
//
// It is deliberately less than YAML: one document, and no anchors, aliases, merge
// keys or tags, so that what a file says stands where it is used. Values are
// taken as they are written: a number is no text. The reading itself is
// goccy/go-yaml's.
package strict

import (
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

// What one file may be. MaxSize is in bytes.
const (
	MaxSize      = 256 << 10
	maxYAMLLine  = 4096
	maxYAMLDepth = 32
)

// Document is a YAML file and where each of its values stands.
type Document struct {
	File     string
	at       map[string]Pos // "boot.slots", "add[1].from": the value
	keys     map[string]Pos // the same, of the key before it
	problems *Problems
}

// Pos returns where the value at path stands, or else the nearest one around.
func (d *Document) Pos(path string) Pos {
	for ; path != ""; path = parent(path) {
		if p, ok := d.at[path]; ok {
			return p
		}
	}
	return Pos{1, 1}
}

// Has says whether the file gives a value at path.
func (d *Document) Has(path string) bool { _, ok := d.at[path]; return ok }

func parent(path string) string {
	return path[:max(strings.LastIndexAny(path, ".["), 0)]
}

// Add notes a problem with the value at path; hint may be empty.
func (d *Document) Add(path, hint, format string, args ...any) {
	d.problems.Add(d.File, d.Pos(path), hint, format, args...)
}

// AddIn notes a problem in another file, which the document led to.
func (d *Document) AddIn(file string, at Pos, hint, format string, args ...any) {
	d.problems.Add(file, at, hint, format, args...)
}

// Decode reads text into v, a pointer to a struct whose yaml tags name the keys.
// Anchors, aliases, merges and tags are refused: what a file says stands where
// it is used.
func Decode(file string, text []byte, v any, problems *Problems) *Document {
	d := &Document{File: file, at: map[string]Pos{}, keys: map[string]Pos{}, problems: problems}
	if at, why := tooMuch(text); why != "" {
		problems.Add(file, at, "", "%s", why)
		return d
	}
	parsed, err := parse(text)
	if err != nil {
		var syntax yaml.Error
		if errors.As(err, &syntax) && syntax.GetToken() != nil {
			problems.Add(file, posOf(syntax.GetToken()), "", "cannot read YAML: %s", firstLine(syntax.GetMessage()))
		} else {
			problems.Add(file, Pos{1, 1}, "", "cannot read YAML: %s", firstLine(err.Error()))
		}
		return d
	}
	var docs []ast.Node
	for _, doc := range parsed.Docs {
		if doc.Body != nil {
			docs = append(docs, doc.Body)
		}
	}
	switch {
	case len(docs) == 0:
		problems.Add(file, Pos{1, 1}, "", "the file is empty, expected a mapping")
	case len(docs) > 1:
		problems.Add(file, posOf(docs[1].GetToken()), "", "a second document begins here, expected one")
	default:
		d.value(docs[0], reflect.ValueOf(v).Elem(), "", false, 0)
	}
	return d
}

// parse guards the parser: whatever a file has in it is an error, not a crash.
func parse(text []byte) (f *ast.File, err error) {
	defer func() {
		if r := recover(); r != nil {
			f, err = nil, fmt.Errorf("the parser gave up: %v", r)
		}
	}()
	return parser.ParseBytes(text, 0, parser.AllowDuplicateMapKey())
}

// tooMuch bounds what the parser, which recurses, is given.
func tooMuch(text []byte) (Pos, string) {
	if len(text) > MaxSize {
		return Pos{}, fmt.Sprintf("the file has %d bytes, at most %d are read", len(text), MaxSize)
	}
	line, depth := 1, 0
	for s := range strings.SplitSeq(string(text), "\n") {
		if len(s) > maxYAMLLine {
			return Pos{line, maxYAMLLine}, fmt.Sprintf("the line has %d bytes, at most %d are read", len(s), maxYAMLLine)
		}
		for i := range len(s) {
			switch s[i] {
			case '[', '{':
				depth++
			case ']', '}':
				depth = max(depth-1, 0)
			case 0:
				return Pos{line, i + 1}, "a NUL byte stands here, expected text"
			}
			if depth > maxYAMLDepth {
				return Pos{line, i + 1}, fmt.Sprintf("brackets are nested more than %d deep", maxYAMLDepth)
			}
		}
		line++
	}
	return Pos{}, ""
}

func firstLine(s string) string {
	s, _, _ = strings.Cut(s, "\n")
	return s
}

func posOf(t *token.Token) Pos {
	if t == nil || t.Position == nil {
		return Pos{1, 1}
	}
	return Pos{t.Position.Line, t.Position.Column}
}

// startOf is where a value begins; a mapping's token is its first colon.
func startOf(n ast.Node) Pos {
	switch n := n.(type) {
	case *ast.MappingNode:
		if !n.IsFlowStyle && len(n.Values) > 0 {
			return startOf(n.Values[0])
		}
	case *ast.MappingValueNode:
		return posOf(n.Key.GetToken())
	case *ast.LiteralNode:
		return posOf(n.Start)
	}
	return posOf(n.GetToken())
}

// kind names what a node is, as messages do.
func kind(n ast.Node) string {
	switch n := n.(type) {
	case *ast.StringNode:
		return fmt.Sprintf("the text %q", n.Value)
	case *ast.LiteralNode:
		return "a text"
	case *ast.IntegerNode, *ast.FloatNode:
		return "the number " + n.GetToken().Value
	case *ast.BoolNode:
		return n.GetToken().Value
	case *ast.NullNode:
		return "nothing"
	case *ast.MappingNode, *ast.MappingValueNode:
		return "a mapping"
	case *ast.SequenceNode:
		return "a list"
	case *ast.AnchorNode, *ast.AliasNode, *ast.MergeKeyNode:
		return "an anchor or alias, which is not taken here"
	case *ast.TagNode:
		return "a tag, which is not taken here"
	}
	return strings.ToLower(n.Type().String())
}

func (d *Document) expected(n ast.Node, what, hint string) {
	d.problems.Add(d.File, startOf(n), hint, "expected %s, found %s", what, kind(n))
}

// value reads n into v. With scalar, a text field takes numbers as written.
func (d *Document) value(n ast.Node, v reflect.Value, path string, scalar bool, depth int) {
	d.at[path] = startOf(n)
	if depth > maxYAMLDepth {
		d.problems.Add(d.File, startOf(n), "", "values are nested more than %d deep", maxYAMLDepth)
		return
	}
	switch v.Kind() {
	case reflect.Struct:
		d.structure(n, v, path, depth)
	case reflect.Map:
		d.mapping(n, v, path, depth)
	case reflect.Slice:
		list, ok := n.(*ast.SequenceNode)
		if !ok {
			d.expected(n, "a list", "")
			return
		}
		v.Set(reflect.MakeSlice(v.Type(), len(list.Values), len(list.Values)))
		for i, item := range list.Values {
			d.value(item, v.Index(i), fmt.Sprintf("%s[%d]", path, i), scalar, depth+1)
		}
	case reflect.String:
		d.text(n, v, scalar)
	case reflect.Bool:
		b, ok := n.(*ast.BoolNode)
		if !ok {
			d.expected(n, "true or false", "")
			return
		}
		v.SetBool(b.Value)
	default:
		d.number(n, v)
	}
}

func (d *Document) text(n ast.Node, v reflect.Value, scalar bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		v.SetString(n.Value)
		return
	case *ast.LiteralNode:
		v.SetString(strings.TrimRight(n.Value.Value, "\n"))
		return
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		if scalar {
			v.SetString(n.GetToken().Value)
			return
		}
		d.expected(n, "a text", "put it in quotes")
		return
	}
	d.expected(n, "a text", "")
}

func (d *Document) number(n ast.Node, v reflect.Value) {
	i, ok := n.(*ast.IntegerNode)
	if !ok {
		d.expected(n, "a whole number", "")
		return
	}
	bits := v.Type().Bits()
	if v.CanInt() {
		if x, err := strconv.ParseInt(fmt.Sprint(i.Value), 10, bits); err == nil {
			v.SetInt(x)
			return
		}
	} else if x, err := strconv.ParseUint(fmt.Sprint(i.Value), 10, bits); err == nil {
		v.SetUint(x)
		return
	}
	d.problems.Add(d.File, startOf(n), "", "the number %s is out of range", i.GetToken().Value)
}

// pairs returns the keys and values of a mapping, each key once.
func (d *Document) pairs(n ast.Node, path string) []*ast.MappingValueNode {
	var pairs []*ast.MappingValueNode
	switch n := n.(type) {
	case *ast.MappingNode:
		pairs = n.Values
	case *ast.MappingValueNode:
		pairs = []*ast.MappingValueNode{n}
	default:
		d.expected(n, "a mapping", "")
		return nil
	}
	kept := make([]*ast.MappingValueNode, 0, len(pairs))
	for _, p := range pairs {
		key, ok := keyText(p.Key)
		if !ok {
			d.problems.Add(d.File, posOf(p.Key.GetToken()), "", "a key must be a plain text")
			continue
		}
		full := Join(path, key)
		if first, ok := d.keys[full]; ok {
			d.problems.Add(d.File, posOf(p.Key.GetToken()), "", "key %q is given twice, first in line %d", key, first.Line)
			continue
		}
		d.keys[full] = posOf(p.Key.GetToken())
		kept = append(kept, p)
	}
	return kept
}

func keyText(n ast.MapKeyNode) (string, bool) {
	switch n := n.(type) {
	case *ast.StringNode:
		return n.Value, true
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode:
		return n.GetToken().Value, true
	}
	return "", false
}

// Join is the path of a key in the mapping at path.
func Join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}

func (d *Document) structure(n ast.Node, v reflect.Value, path string, depth int) {
	fields, names := map[string]int{}, []string{}
	for i := range v.NumField() {
		name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		if name != "" && name != "-" {
			fields[name] = i
			names = append(names, name)
		}
	}
	for _, p := range d.pairs(n, path) {
		key, _ := keyText(p.Key)
		i, ok := fields[key]
		if !ok {
			d.problems.Add(d.File, posOf(p.Key.GetToken()), OneOf(key, names), "unknown key %q", key)
			continue
		}
		_, option, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		d.value(p.Value, v.Field(i), Join(path, key), strings.Contains(option, "scalar"), depth+1)
	}
}

// mapping reads a map from text to something; its values, if texts, take
// numbers as written, since they are properties and the like.
func (d *Document) mapping(n ast.Node, v reflect.Value, path string, depth int) {
	v.Set(reflect.MakeMap(v.Type()))
	for _, p := range d.pairs(n, path) {
		key, _ := keyText(p.Key)
		item := reflect.New(v.Type().Elem()).Elem()
		d.value(p.Value, item, Join(path, key), true, depth+1)
		v.SetMapIndex(reflect.ValueOf(key), item)
	}
}

// KeyPos is where the key at path stands, or the value where there is no key.
func (d *Document) KeyPos(path string) Pos {
	if p, ok := d.keys[path]; ok {
		return p
	}
	return d.Pos(path)
}

// AddAtKey notes a problem with the key at path.
func (d *Document) AddAtKey(path, hint, format string, args ...any) {
	d.problems.Add(d.File, d.KeyPos(path), hint, format, args...)
}

// Require notes the keys that lack.
func (d *Document) Require(keys ...string) {
	for _, k := range keys {
		if !d.Has(k) {
			d.Add(parent(k), "", "key %q is missing", k[strings.LastIndex(k, ".")+1:])
		}
	}
}

// NotEmpty notes a text that is given and empty.
func (d *Document) NotEmpty(path, value string) {
	if d.Has(path) && strings.TrimSpace(value) == "" {
		d.Add(path, "", "%s is empty", path)
	}
}
