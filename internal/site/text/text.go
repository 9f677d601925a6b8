// Package text is what the pages say, in each language: messages with their
// plural forms, dates and numbers. Packages bring message files, text/LANG.yaml
// beside their templates, in the format of nicksnyder/go-i18n; English is what
// the others are translated from. It knows no page and decides nothing.
package text

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/goccy/go-yaml"
	"github.com/nicksnyder/go-i18n/v2/i18n"
	"golang.org/x/text/language"
)

//go:embed text
var files embed.FS

// Book is every message in every language.
type Book struct {
	texts   []*Text // English first
	matcher language.Matcher
}

// Text is the messages of one language. It may be used by many at once.
type Text struct {
	Lang string // as HTML's lang has it: "zh"
	Dir  string // "ltr" or "rtl"
	Name string // what its readers call it: "中文"

	plain                           map[string]string        // messages that need nothing filled in
	forms                           map[string]*i18n.Message // all of them
	localizer                       *i18n.Localizer          // chooses plural forms and fills in
	counted                         sync.Map                 // of countKey: small numbers are said over and over
	weekdays, shortWeekdays, months []string                 // from Sunday, from January
}

type countKey struct {
	key string
	n   int
}

// rightToLeft are scripts that run so; none has messages yet.
var rightToLeft = []string{"Arab", "Hebr", "Thaa", "Syrc", "Nkoo", "Adlm"}

// Read reads the files text/*.yaml of every part. Two parts that have one key, or
// a language without English, are errors.
func Read(parts ...fs.FS) (*Book, error) {
	bundle := i18n.NewBundle(language.English)
	bundle.RegisterUnmarshalFunc("yaml", yaml.Unmarshal)
	byLang := map[string]*Text{}
	for _, part := range append([]fs.FS{files}, parts...) {
		names, err := fs.Glob(part, "text/*.yaml")
		if err != nil {
			return nil, fmt.Errorf("cannot read messages: %w", err)
		}
		for _, name := range names {
			if err := readFile(bundle, byLang, part, name); err != nil {
				return nil, err
			}
		}
	}
	en := byLang["en"]
	if en == nil {
		return nil, fmt.Errorf("cannot read messages: there is no text/en.yaml")
	}
	b := &Book{texts: []*Text{en}}
	for _, lang := range slices.Sorted(keysOf(byLang)) {
		if lang != "en" {
			b.texts = append(b.texts, byLang[lang])
		}
	}
	var tags []language.Tag
	for _, t := range b.texts {
		if t.forms["language.name"] == nil {
			return nil, fmt.Errorf("cannot read messages in %s: there is no language.name", t.Lang)
		}
		t.localizer = i18n.NewLocalizer(bundle, t.Lang)
		t.Name = t.T("language.name")
		t.weekdays, t.shortWeekdays, t.months = strings.Split(t.T("date.weekdays"), " "), strings.Split(t.T("date.short-weekdays"), " "), strings.Split(t.T("date.months"), " ")
		if len(t.weekdays) != 7 || len(t.shortWeekdays) != 7 || len(t.months) != 12 {
			return nil, fmt.Errorf("cannot read messages in %s: date.weekdays and date.short-weekdays have seven words, date.months twelve", t.Lang)
		}
		tags = append(tags, language.Make(t.Lang))
	}
	b.matcher = language.NewMatcher(tags)
	return b, nil
}

func keysOf(m map[string]*Text) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

func readFile(bundle *i18n.Bundle, byLang map[string]*Text, part fs.FS, name string) error {
	raw, err := fs.ReadFile(part, name)
	if err != nil {
		return fmt.Errorf("cannot read messages: %w", err)
	}
	file, err := bundle.ParseMessageFileBytes(raw, path.Base(name))
	if err != nil {
		return fmt.Errorf("cannot read messages in %s: %w", name, err)
	}
	lang := strings.TrimSuffix(path.Base(name), ".yaml")
	t := byLang[lang]
	if t == nil {
		t = &Text{Lang: lang, Dir: "ltr", plain: map[string]string{}, forms: map[string]*i18n.Message{}}
		script, _ := file.Tag.Script()
		if slices.Contains(rightToLeft, script.String()) {
			t.Dir = "rtl"
		}
		byLang[lang] = t
	}
	for _, m := range file.Messages {
		if t.forms[m.ID] != nil {
			return fmt.Errorf("cannot read messages in %s: %s is said twice", name, m.ID)
		}
		t.forms[m.ID] = m
		if m.One == "" && m.Few == "" && m.Many == "" && !strings.Contains(m.Other, "{{") {
			t.plain[m.ID] = m.Other
		}
	}
	return nil
}

// All lists the languages, English first.
func (b *Book) All() []*Text { return b.texts }

// In returns a language by its name in HTML, nil if there are no messages in it.
func (b *Book) In(lang string) *Text {
	for _, t := range b.texts {
		if t.Lang == lang {
			return t
		}
	}
	return nil
}

// Match chooses for a reader: the language that they chose, else the best of an
// Accept-Language header, else English.
func (b *Book) Match(chosen, accept string) *Text {
	if t := b.In(chosen); t != nil {
		return t
	}
	if len(accept) > 1000 {
		return b.texts[0]
	}
	wanted, _, err := language.ParseAcceptLanguage(accept)
	if err != nil || len(wanted) == 0 {
		return b.texts[0]
	}
	_, i, confidence := b.matcher.Match(wanted...)
	if confidence == language.No {
		return b.texts[0]
	}
	return b.texts[i]
}

// Has says whether there is a message.
func (t *Text) Has(key string) bool { return t.forms[key] != nil }

// T is a message with what it names filled in: args are a name and its value, and so on. A key
// without a message is shown itself; a test finds those.
func (t *Text) T(key string, args ...any) string {
	if s, ok := t.plain[key]; ok {
		return s
	}
	return t.localize(&i18n.LocalizeConfig{MessageID: key, TemplateData: fill(args)})
}

// N is a message in the plural form that n asks for; it may say {{.N}}.
func (t *Text) N(key string, n int, args ...any) string {
	small := len(args) == 0 && n >= 0 && n < 1000
	if small {
		if s, ok := t.counted.Load(countKey{key, n}); ok {
			return s.(string)
		}
	}
	s := t.localize(&i18n.LocalizeConfig{MessageID: key, PluralCount: n, TemplateData: fill(append(args, "N", n))})
	if small {
		t.counted.Store(countKey{key, n}, s)
	}
	return s
}

func (t *Text) localize(c *i18n.LocalizeConfig) string {
	s, err := t.localizer.Localize(c)
	if err != nil && s == "" {
		return c.MessageID
	}
	return s
}

func fill(args []any) map[string]any {
	m := make(map[string]any, len(args)/2)
	for i := 0; i+1 < len(args); i += 2 {
		name, _ := args[i].(string)
		m[name] = args[i+1]
	}
	return m
}
