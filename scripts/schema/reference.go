package main

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// page is where the reference lies, relative to the module.
const page = "docs/reference.md"

// Reference is the page that says of every file what may stand in it, made of its
// schema.
func Reference(schemas map[string]map[string]any) []byte {
	var b bytes.Buffer
	b.WriteString(`# What may stand in an OS repository

Made of the Go types by ` + "`go run ./scripts/schema`" + `; a test compares. How the files go
together is in [os-repository.md](os-repository.md). Editors that know YAML schemas
check the same while one types: each file names its schema in its first line.

Whatever else stands in a file is an error, with its line and column. Keys in bold
must be there.
`)
	for _, f := range []struct{ schema, path, what string }{
		{"os.json", "os.yaml", "the OS as a whole"},
		{"device.json", "devices/<codename>/device.yaml", "one phone"},
		{"layer.json", "layers/<name>/layer.yaml", "one set of changes; the files that it names lie beside it"},
	} {
		fmt.Fprintf(&b, "\n## %s\n\n%s\n\n| key | value | what it says |\n|---|---|---|\n", f.path, strings.ToUpper(f.what[:1])+f.what[1:]+".")
		rows(&b, schemas[f.schema], "")
	}
	b.WriteString("\nValues of `props` may use `${" + strings.Join(variables, "}`, `${") + "}`, and nothing else.\n")
	return b.Bytes()
}

func rows(b *bytes.Buffer, s map[string]any, prefix string) {
	properties, _ := s["properties"].(map[string]any)
	required, _ := s["required"].([]string)
	for _, key := range slices.Sorted(maps.Keys(properties)) {
		p := properties[key].(map[string]any)
		name := "`" + prefix + key + "`"
		if slices.Contains(required, key) {
			name = "**" + name + "**"
		}
		kind, inner, below := valueOf(p)
		text, _ := p["description"].(string)
		fmt.Fprintf(b, "| %s | %s | %s |\n", name, kind, strings.ReplaceAll(text, "|", "\\|"))
		if inner != nil {
			rows(b, inner, prefix+key+below)
		}
	}
}

// valueOf says in words what a value is; inner is the mapping in it, if there is one,
// and below what stands between its key and the mapping's.
func valueOf(p map[string]any) (kind string, inner map[string]any, below string) {
	if values, ok := p["enum"].([]string); ok {
		return "`" + strings.Join(values, "`, `") + "`", nil, ""
	}
	switch t := p["type"].(type) {
	case []string:
		return "text or number", nil, ""
	case string:
		switch t {
		case "string":
			return "text", nil, ""
		case "integer":
			return "whole number", nil, ""
		case "boolean":
			return "true or false", nil, ""
		case "array":
			kind, inner, below := valueOf(p["items"].(map[string]any))
			return "list of " + kind, inner, "[]" + below
		case "object":
			if each, ok := p["additionalProperties"].(map[string]any); ok {
				kind, inner, below := valueOf(each)
				return "mapping to " + kind, inner, ".*" + below
			}
			return "mapping", p, "."
		}
	}
	return "anything", nil, ""
}
