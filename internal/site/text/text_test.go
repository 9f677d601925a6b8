package text

import (
	"strings"
	"testing"
	"testing/fstest"
	"time"
)

func read(t *testing.T, files map[string]string) (*Book, error) {
	t.Helper()
	part := fstest.MapFS{}
	for name, content := range files {
		part["text/"+name] = &fstest.MapFile{Data: []byte(content)}
	}
	return Read(part)
}

func TestMessages(t *testing.T) {
	b, err := read(t, map[string]string{
		"en.yaml": "a: Plain & simple\nb: {one: \"{{.N}} phone\", other: \"{{.N}} phones\"}\nc:\n  d: \"Hello {{.Name}}\"\n",
		"es.yaml": "a: Simple\nb: {one: \"{{.N}} teléfono\", other: \"{{.N}} teléfonos\"}\nc:\n  d: \"Hola {{.Name}}\"\n",
		"zh.yaml": "a: 简单\nb: {other: \"{{.N}} 部手机\"}\nc:\n  d: 你好 {{.Name}}\n",
		"hi.yaml": "a: सरल\nb: {one: \"{{.N}} फ़ोन है\", other: \"{{.N}} फ़ोन हैं\"}\nc:\n  d: नमस्ते {{.Name}}\n",
	})
	if err != nil {
		t.Fatal(err)
	}
	en, es, zh, hi := b.In("en"), b.In("es"), b.In("zh"), b.In("hi")
	day := time.Date(2026, 11, 27, 18, 5, 0, 0, time.UTC)
	for _, c := range []struct{ got, want string }{
		{en.T("a"), "Plain & simple"}, {en.T("c.d", "Name", "Ana"), "Hello Ana"}, {zh.T("c.d", "Name", "Ana"), "你好 Ana"}, {en.T("no.such"), "no.such"},
		{en.N("b", 1), "1 phone"}, {en.N("b", 0), "0 phones"}, {en.N("b", 1), "1 phone"}, {en.N("b", 1_000_000), "1000000 phones"},
		{es.N("b", 1), "1 teléfono"}, {es.N("b", 2), "2 teléfonos"}, {es.N("b", 1_000_000), "1000000 teléfonos"},
		{zh.N("b", 1), "1 部手机"}, {hi.N("b", 0), "0 फ़ोन है"}, {hi.N("b", 1), "1 फ़ोन है"}, {hi.N("b", 2), "2 फ़ोन हैं"},
		{en.Day(day, day), "Fri 27 Nov"}, {en.Day(day, day.AddDate(1, 0, 0)), "Fri 27 Nov 2026"}, {en.Moment(day, day), "Fri 27 Nov, 18:05"}, {en.Day(time.Time{}, day), ""}, {en.Moment(time.Time{}, day), ""},
		{zh.Day(day, day), "11月27日 周五"}, {zh.Day(day, day.AddDate(1, 0, 0)), "2026年11月27日 周五"}, {es.Day(day, day), "vie 27 nov"}, {hi.Day(day, day), "शुक्र, 27 नव॰"}, {es.Weekday(day), "viernes"},
		{en.Decimal(7.26, 1), "7.3"}, {es.Decimal(7.26, 1), "7,3"}, {es.Decimal(7, 1), "7"}, {en.Decimal(100, 0), "100"},
	} {
		if c.got != c.want {
			t.Errorf("%q, expected %q", c.got, c.want)
		}
	}
	for _, c := range []struct{ chosen, accept, want string }{
		{"", "", "en"}, {"zh", "es", "zh"}, {"xx", "es-MX,es;q=0.9", "es"}, {"", "zh-TW,zh;q=0.8", "zh"}, {"", "hi-IN", "hi"}, {"", "fr-FR", "en"},
		{"", "fr;q=0.9, es;q=0.5", "es"}, {"", "en-GB,es;q=0.5", "en"}, {"", ";;;", "en"}, {"", strings.Repeat("es,", 5000), "en"},
	} {
		if got := b.Match(c.chosen, c.accept).Lang; got != c.want {
			t.Errorf("chosen %q, accepted %.20q: %s, expected %s", c.chosen, c.accept, got, c.want)
		}
	}
}

func TestMistakesInFiles(t *testing.T) {
	for name, files := range map[string]map[string]string{
		"said twice":                           {"en.yaml": "language: {name: English}\n"},
		"cannot read messages in text/en.yaml": {"en.yaml": "a: [\n"},
		"language.name":                        {"fr.yaml": "a: b\n"},
	} {
		if _, err := read(t, files); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%v gives %v, expected %q", files, err, name)
		}
	}
}
