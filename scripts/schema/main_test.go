package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"

	"github.com/fridayos/friday/internal/judge"
)

// TestCurrent: the schemas in the skeleton are those of the types.
func TestCurrent(t *testing.T) {
	files, err := Schemas("../..")
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join("../..", name))
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s is not what the types say (%v); run go run ./scripts/schema", name, err)
		}
	}
}

// TestJudged has a validator of Debian's apply them, to what is right and wrong.
func TestJudged(t *testing.T) {
	judge.Need(t, "python3")
	const program = `import json, sys, jsonschema
schema, text = json.load(open(sys.argv[1])), json.load(open(sys.argv[2]))
jsonschema.Draft202012Validator.check_schema(schema)
print(",".join(sorted(e.json_path for e in jsonschema.Draft202012Validator(schema).iter_errors(text))))`
	for _, c := range []struct{ schema, yaml, want string }{
		{"layer.json", "why: x\nadd: [{from: f, to: 'system:system', rules: [{path: a, mode: 0644, owner: 1000}]}]\nrequires: {android: 13}\nboot: {boot: {cmdline: {append: [a]}}}\n", ""},
		{"layer.json", "why: x\nad: []\n", "$"},
		{"layer.json", "add: [{from: [f], to: x}]\n", "$,$.add[0].from"},
		{"device.json", "codename: umi\nvendor: X\nname: Y\nboot: {trust: none, slots: single, flash: odin, update_certificates: []}\nrollback: {location: -1}\n", "$.rollback.location"},
		{"device.json", "codename: umi\nvendor: X\nname: Y\nboot: {trust: some}\n", "$.boot.trust"},
		{"os.json", "name: x\nupdate_url: y\nchannels: [weekly]\ndefault_channel: weekly\nlayers: []\n", ""},
		{"os.json", "name: x\nupdate_url: y\nchannels: [weakly]\ndefault_channel: weekly\nlayers: []\n", "$.channels[0]"},
	} {
		var v any
		if err := yaml.Unmarshal([]byte(c.yaml), &v); err != nil {
			t.Fatal(err)
		}
		b, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "x.json")
		if err := os.WriteFile(file, b, 0o644); err != nil {
			t.Fatal(err)
		}
		if got := judge.Run(t, "python3", "-c", program, filepath.Join("../..", folder, c.schema), file); got != c.want+"\n" {
			t.Errorf("%s, %q: wrong at %q, want %q", c.schema, c.yaml, got, c.want)
		}
	}
}

// TestDescribed: every key says what it is for.
func TestDescribed(t *testing.T) {
	b, err := os.ReadFile(filepath.Join("../..", page))
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for l := range strings.Lines(string(b)) {
		if !strings.HasPrefix(l, "| `") && !strings.HasPrefix(l, "| **`") {
			continue
		}
		if rows++; strings.HasSuffix(l, "|  |\n") {
			t.Errorf("no word about %s", l)
		}
	}
	if rows < 60 {
		t.Errorf("%d keys", rows)
	}
}
