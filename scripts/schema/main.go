// Command schema writes the JSON Schemas of os.yaml, device.yaml and layer.yaml
// that editors complete and check with, and docs/reference.md, which says the same
// to people. They are made of the Go types in
// internal/osrepo and android/bootprofile and of the comments there, so they
// cannot say anything else than the program does; a test compares.
//
//	go run ./scripts/schema
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"

	"github.com/fridayos/friday/internal/osrepo"
	"github.com/fridayos/friday/internal/wire"
)

// Where the schemas lie, relative to the module: in what "friday init" writes.
const folder = "internal/osrepo/skeleton/files/.schema"

func main() {
	files, err := Schemas(".")
	for name, text := range files {
		if err == nil {
			err = os.WriteFile(name, text, 0o644)
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "schema:", err)
		os.Exit(1)
	}
}

// source is what the comments and constants of the types' packages say.
type source struct {
	docs  map[string]string   // "Layer", "Layer.Why"
	enums map[string][]string // "Trust"
}

// variables are those that values may use.
var variables = osrepo.Variables

// Schemas makes the schemas and the page of them, by their paths in the module, whose
// folder module is.
func Schemas(module string) (map[string][]byte, error) {
	src := &source{docs: map[string]string{}, enums: map[string][]string{}}
	for _, dir := range []string{"internal/osrepo", "android/bootprofile"} {
		if err := src.read(filepath.Join(module, dir)); err != nil {
			return nil, err
		}
	}
	out, made := map[string][]byte{}, map[string]map[string]any{}
	for name, t := range map[string]struct {
		v        any
		required []string
	}{
		"os.json":     {osrepo.OS{}, []string{"name", "update_url", "channels", "default_channel", "layers"}},
		"device.json": {osrepo.Device{}, []string{"codename", "vendor", "name", "boot"}},
		"layer.json":  {osrepo.Layer{}, []string{"why"}},
	} {
		s := src.schema(reflect.TypeOf(t.v), false)
		s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
		s["title"], s["required"] = strings.TrimSuffix(name, ".json")+".yaml", t.required
		if name == "os.json" {
			channel := map[string]any{"enum": wire.Channels()}
			properties := s["properties"].(map[string]any)
			properties["channels"].(map[string]any)["items"] = channel
			properties["default_channel"].(map[string]any)["enum"] = wire.Channels()
		}
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		if err := e.Encode(s); err != nil {
			return nil, err
		}
		out[filepath.Join(folder, name)], made[name] = b.Bytes(), s
	}
	out[page] = Reference(made)
	return out, nil
}

// read collects the comments of a package's fields and its named texts.
func (s *source) read(dir string) error {
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		return err
	}
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments)
		if err != nil {
			return err
		}
		for _, d := range f.Decls {
			g, ok := d.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range g.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					s.fields(spec)
				case *ast.ValueSpec:
					s.constant(g.Tok, spec)
				}
			}
		}
	}
	return nil
}

func (s *source) fields(spec *ast.TypeSpec) {
	t, ok := spec.Type.(*ast.StructType)
	if !ok {
		return
	}
	for _, f := range t.Fields.List {
		text := f.Doc.Text()
		if text == "" {
			text = f.Comment.Text()
		}
		for _, n := range f.Names {
			text := strings.Join(strings.Fields(text), " ")
			for _, verb := range []string{" is ", " are "} { // as Go's comments begin
				text = strings.TrimPrefix(text, n.Name+verb)
			}
			s.docs[spec.Name.Name+"."+n.Name] = text
		}
	}
}

func (s *source) constant(tok token.Token, spec *ast.ValueSpec) {
	t, ok := spec.Type.(*ast.Ident)
	if tok != token.CONST || !ok {
		return
	}
	for _, v := range spec.Values {
		if lit, ok := v.(*ast.BasicLit); ok && lit.Kind == token.STRING {
			if text, err := strconv.Unquote(lit.Value); err == nil {
				s.enums[t.Name] = append(s.enums[t.Name], text)
			}
		}
	}
}

// schema describes a type; scalar says that a text may be written as a number.
func (s *source) schema(t reflect.Type, scalar bool) map[string]any {
	switch t.Kind() {
	case reflect.Struct:
		properties := map[string]any{}
		for i := range t.NumField() {
			f := t.Field(i)
			name, options, _ := strings.Cut(f.Tag.Get("yaml"), ",")
			if !f.IsExported() || name == "" || name == "-" {
				continue
			}
			p := s.schema(f.Type, strings.Contains(options, "scalar"))
			if doc := s.docs[t.Name()+"."+f.Name]; doc != "" {
				p["description"] = doc
			}
			properties[name] = p
		}
		return map[string]any{"type": "object", "additionalProperties": false, "properties": properties}
	case reflect.Slice:
		return map[string]any{"type": "array", "items": s.schema(t.Elem(), scalar)}
	case reflect.Map:
		return map[string]any{"type": "object", "additionalProperties": s.schema(t.Elem(), scalar)}
	case reflect.Bool:
		return map[string]any{"type": "boolean"}
	case reflect.String:
		if values := slices.Clone(s.enums[t.Name()]); len(values) > 0 {
			return map[string]any{"enum": values}
		}
		if scalar {
			return map[string]any{"type": []string{"string", "number"}}
		}
		return map[string]any{"type": "string"}
	case reflect.Int, reflect.Int64:
		return map[string]any{"type": "integer"}
	case reflect.Uint32, reflect.Uint64:
		return map[string]any{"type": "integer", "minimum": 0}
	}
	panic("no schema for " + t.String()) // a new kind of field; the test finds it
}
