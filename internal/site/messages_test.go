package site

import (
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode"

	"golang.org/x/net/html"

	"github.com/goccy/go-yaml"
)

// source is every template and Go file of the pages, by its path here.
func source(t *testing.T) (templates, code map[string]string) {
	t.Helper()
	templates, code = map[string]string{}, map[string]string{}
	err := fs.WalkDir(os.DirFS("."), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		raw, err := os.ReadFile(path)
		switch {
		case strings.HasSuffix(path, ".html"):
			templates[path] = string(raw)
		case strings.HasSuffix(path, ".go") && !strings.HasSuffix(path, "_test.go"):
			code[path] = string(raw)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return templates, code
}

// messages reads all message files: text by key, by language. A plural's key
// stands with its forms joined.
func messages(t *testing.T) map[string]map[string]string {
	t.Helper()
	all := map[string]map[string]string{}
	files, err := filepath.Glob("*/text/*.yaml")
	if err != nil || len(files) < 8 {
		t.Fatalf("%d message files: %v", len(files), err)
	}
	for _, path := range files {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var tree map[string]any
		if err := yaml.Unmarshal(raw, &tree); err != nil {
			t.Fatal(err)
		}
		lang := strings.TrimSuffix(filepath.Base(path), ".yaml")
		if all[lang] == nil {
			all[lang] = map[string]string{}
		}
		flatten(all[lang], "", tree)
	}
	return all
}

func flatten(into map[string]string, prefix string, tree map[string]any) {
	if _, ok := tree["other"]; ok {
		for _, form := range slices.Sorted(maps.Keys(tree)) {
			into[prefix] += form + ": " + tree[form].(string) + "\n"
		}
		return
	}
	for k, v := range tree {
		key := strings.TrimPrefix(prefix+"."+k, ".")
		switch v := v.(type) {
		case map[string]any:
			flatten(into, key, v)
		case string:
			into[key] = v
		}
	}
}

var (
	saidInTemplate = regexp.MustCompile(`\b[tnh] "([a-z0-9.-]+)"`)
	saidInCode     = regexp.MustCompile(`"((?:[a-z0-9-]+\.)+[a-z0-9-]*)"`)
	placeholder    = regexp.MustCompile(`\{\{\.(\w+)\}\}`)
	tag            = regexp.MustCompile(`</?[a-z]+`)
)

// No message is missing, unused, or without a value that its English has.
func TestMessages(t *testing.T) {
	all := messages(t)
	templates, code := source(t)
	used, prefixes := map[string]bool{}, []string{}
	for path, s := range templates {
		for _, m := range saidInTemplate.FindAllStringSubmatch(s, -1) {
			used[m[1]] = true
			if _, ok := all["en"][m[1]]; !ok {
				t.Errorf("%s says %s, which is no message", path, m[1])
			}
		}
	}
	for _, s := range code {
		for _, m := range saidInCode.FindAllStringSubmatch(s, -1) {
			if used[m[1]] = true; strings.HasSuffix(m[1], ".") { // a word is put behind it
				prefixes = append(prefixes, m[1])
			}
		}
	}
	for _, lang := range []string{"en", "zh", "es", "hi"} {
		for _, key := range slices.Sorted(maps.Keys(all["en"])) {
			english, there := all["en"][key], all[lang][key]
			if there == "" {
				t.Errorf("%s: %s is missing", lang, key)
				continue
			}
			if !used[key] && !slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(key, p) }) {
				t.Errorf("%s: %s is never said", lang, key)
			}
			for _, p := range []*regexp.Regexp{placeholder, tag} {
				a, b := slices.Compact(slices.Sorted(slices.Values(p.FindAllString(english, -1)))), slices.Compact(slices.Sorted(slices.Values(p.FindAllString(there, -1))))
				if !slices.Equal(a, b) {
					t.Errorf("%s: %s has %v, English has %v", lang, key, b, a)
				}
			}
		}
		for key := range all[lang] {
			if _, ok := all["en"][key]; !ok {
				t.Errorf("%s: %s is not in English", lang, key)
			}
		}
	}
}

var action = regexp.MustCompile(`(?s)\{\{.*?\}\}`)

// Whatever people see or hear stands in the message files.
func TestNoWordsInTemplates(t *testing.T) {
	templates, _ := source(t)
	for path, s := range templates {
		doc := html.NewTokenizer(strings.NewReader(action.ReplaceAllString(s, "")))
		for quiet := false; ; {
			kind := doc.Next()
			if kind == html.ErrorToken {
				break
			}
			token := doc.Token()
			switch kind {
			case html.StartTagToken, html.SelfClosingTagToken:
				quiet = token.Data == "code"
				for _, a := range token.Attr {
					if slices.Contains([]string{"title", "alt", "aria-label", "placeholder", "data-label", "summary"}, a.Key) && hasWord(a.Val) {
						t.Errorf("%s: %s=%q is not in the message files", path, a.Key, a.Val)
					}
				}
			case html.EndTagToken:
				quiet = false
			case html.TextToken:
				if !quiet && hasWord(token.Data) {
					t.Errorf("%s: %q is not in the message files", path, strings.TrimSpace(token.Data))
				}
			}
		}
	}
}

// hasWord: two letters or more in a row, but for names of formats.
func hasWord(s string) bool {
	for _, word := range strings.FieldsFunc(s, func(r rune) bool { return !unicode.IsLetter(r) }) {
		if len([]rune(word)) > 1 && word != "SHA" {
			return true
		}
	}
	return false
}
