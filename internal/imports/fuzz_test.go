package imports_test

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"unicode/utf8"

	"github.com/fridayos/friday/internal/imports"
	"github.com/fridayos/friday/internal/imports/discourse"
	"github.com/fridayos/friday/internal/imports/github"
)

func seeds(f *testing.F, pattern string) {
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds at %s: %v", pattern, err)
	}
	for _, path := range files {
		text, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(text)
	}
}

// FuzzObjects: what is one JSON text is given as that.
func FuzzObjects(f *testing.F) {
	seeds(f, "testdata/github/*.json*")
	for _, s := range []string{"", "[", "{}{}", "[[{}]]", `{"a":"\\"}`, "\xef\xbb\xbf{}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		n := 0
		err := imports.Objects(bytes.NewReader(text), func(offset int64, raw []byte) error {
			n++
			if !bytes.Equal(raw, text[offset:offset+int64(len(raw))]) {
				t.Fatalf("the object at %d is %q, found %q", offset, text[offset:], raw)
			}
			return nil
		})
		var one map[string]json.RawMessage
		if json.Unmarshal(text, &one) == nil && one != nil && (n != 1 || err != nil) {
			t.Fatalf("%q gave %d objects, %v", text, n, err)
		}
	})
}

// drain reads a source as Run does.
func drain(t *testing.T, s imports.Source) {
	var tally imports.Tally
	ctx := context.Background()
	err := s.Threads(ctx, &tally, func(one imports.Thread) error {
		if one.Number <= 0 || one.Place == "" || !utf8.ValidString(one.Place) {
			t.Fatalf("thread %+v", one)
		}
		return nil
	})
	if err == nil {
		_ = s.Posts(ctx, &tally, func(one imports.Post) error { // what is wrong is the same as above
			if one.Thread <= 0 || one.Ref <= 0 || one.Place == "" {
				t.Fatalf("post %+v", one)
			}
			return nil
		})
	}
}

// FuzzGitHub: no file of issues makes it panic, or give a thread without a name.
func FuzzGitHub(f *testing.F) {
	seeds(f, "testdata/github/*.json*")
	seeds(f, "testdata/github/archive/*.json")
	f.Fuzz(func(t *testing.T, text []byte) {
		path := filepath.Join(t.TempDir(), "x.json")
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
		drain(t, &github.Source{Files: imports.Files{Paths: []string{path}, Want: github.Want}})
	})
}

// FuzzDiscourse: neither does a dump, nor what the site answers.
func FuzzDiscourse(f *testing.F) {
	seeds(f, "testdata/discourse/dump.sql")
	seeds(f, "testdata/discourse/topics/*.json")
	u, err := discourse.ParseSite("https://forum.example.org")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, name := range []string{"x.json", "x.sql"} {
			path := filepath.Join(t.TempDir(), name)
			if err := os.WriteFile(path, text, 0o644); err != nil {
				t.Fatal(err)
			}
			drain(t, &discourse.Source{Site: u, Files: imports.Files{Paths: []string{path}, Want: discourse.Want}})
		}
	})
}

// FuzzMapping: a mapping is right or says what is wrong.
func FuzzMapping(f *testing.F) {
	for _, s := range []string{"", "kinds: {a: bug}", "skip: [a]\nlang: es", "kinds: {a: [b]}", "parts:\n  \"a: b\": Camera\n", "devices: {x: hlte}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if _, err := imports.ReadMapping("m.yaml", text, imports.Mapping{Kind: "bug", Part: "System"}, devices); err != nil && err.Error() == "" {
			t.Fatal("an error without words")
		}
	})
}
