package markdown

import (
	"fmt"
	"html/template"
	"strings"
	"testing"
	"time"
)

// What costs much for its length, at the length of the longest post.
func TestWhatReadingCosts(t *testing.T) {
	const size = 20_000
	fill := func(unit string) string { return strings.Repeat(unit, size/len(unit)) }
	deep := ""
	for i := 0; len(deep) < size; i++ {
		deep += strings.Repeat(" ", 2*i) + "- a\n"
	}
	wide := strings.Repeat("a|", size/8) + "\n" + strings.Repeat("-|", size/8) + "\n"
	for name, source := range map[string]string{
		"a wide table":           wide + strings.Repeat("a\n", size/4),
		"a wide table in quotes": "> " + strings.ReplaceAll(strings.TrimSpace(wide), "\n", "\n> ") + strings.Repeat("\n> a", size/8),
		"brackets":               fill("["), "pictures": fill("!["), "links": fill("[a]("), "emphasis": fill("*a_"), "strong": fill("**a "), "struck": fill("~~a~"),
		"quotes": fill("> "), "lists": fill("- "), "numbers": fill("1. "), "deep lists": deep, "angles": fill("<"), "comments": fill("<!--"),
		"addresses": fill("http://a.b/("), "mail": fill("a@b."), "pipes": "|a|b|\n|-|-|\n" + fill("|"), "paragraphs": fill("a\n\n"), "references": fill("[a]: b\n"),
	} {
		m, began := New(), time.Now()
		html := m.HTML(source)
		if took := time.Since(began); took > 5*time.Second || len(html) > 25*size {
			t.Errorf("%s: %d bytes took %s and became %d", name, len(source), took, len(html))
		}
	}
}

func TestOrdinaryTables(t *testing.T) {
	source := "text\n\n|a|b|\n|-|-|\n" + strings.Repeat("|1|2|\n", 500)
	if html := New().HTML(source); strings.Count(string(html), "<td>") != 1000 {
		t.Errorf("a table of 1000 cells has %d", strings.Count(string(html), "<td>"))
	}
}

func TestKept(t *testing.T) {
	var k kept
	made := 0
	get := func(source string, size int) {
		k.get(source, func(s string) template.HTML { made++; return template.HTML(s + strings.Repeat("x", size)) })
	}
	get("a", 10)
	get("a", 10)
	if made != 1 {
		t.Errorf("rendered %d times, expected once", made)
	}
	for i := range 100 {
		get("a", 10) // stays: it is used
		get(fmt.Sprint(i), 1<<20)
	}
	if made != 101 || k.size > maxKept || k.recent.Len() != len(k.by) {
		t.Errorf("rendered %d times; %d bytes are kept in %d places, %d known", made, k.size, k.recent.Len(), len(k.by))
	}
	get("0", 1<<20)
	get("large", maxKept)
	if got := len(k.by); made != 103 || got > 17 {
		t.Errorf("rendered %d times; %d are kept", made, got)
	}
}
