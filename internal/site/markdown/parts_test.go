package markdown

import (
	"regexp"
	"strings"
	"testing"
)

var swelling = map[string]string{
	"plain":        strings.Repeat("A word and another one.\n\n", 800),
	"escapes":      strings.Repeat("&", 20_000),
	"escaped rows": strings.Repeat(strings.Repeat("<", 79)+"\n", 250),
	"quotes":       strings.Repeat(">", 20_000),
	"quoted lines": strings.Repeat(strings.Repeat(">", 60)+"a\n\n", 300),
	"table":        strings.Repeat("|a", 90) + "\n" + strings.Repeat("|-", 90) + "\n" + strings.Repeat("|b\n", 100),
	"fence":        "Before\n```\n" + strings.Repeat("java.lang.IllegalStateException: \"x\" < y & z\n", 400) + "```\nAfter",
	"chinese":      strings.Repeat("相机在变焦时闪退", 2500),
	"emphasis":     strings.Repeat("*a*", 6600),
	"lists":        strings.Repeat("- a\n", 5000),
	"one word":     strings.Repeat("é", 20_000),
}

// Whatever is written fits, and nothing of it is lost.
func TestParts(t *testing.T) {
	m := New()
	text := regexp.MustCompile(`<[^>]*>|\s`)
	count := func(s, what string) int { return strings.Count(text.ReplaceAllString(s, ""), what) }
	for name, source := range swelling {
		const budget = 12_000
		html, whole := m.Beginning(source, budget)
		if len(html) > budget || len(html) < 200 || whole {
			t.Errorf("%s: the beginning has %d bytes, whole: %v", name, len(html), whole)
		}
		parts, all := m.Parts(source, budget), ""
		for i, p := range parts {
			if len(p) > budget {
				t.Errorf("%s: part %d has %d bytes", name, i, len(p))
			}
			all += string(p)
		}
		for _, c := range []string{"a", "b", "&amp;", "&lt;", "é", "闪", "word"} {
			if got, want := count(all, c), count(string(m.HTML(source)), c); got < want {
				t.Errorf("%s: %d of %d %q are shown", name, got, want, c)
			}
		}
		t.Logf("%s: %d parts", name, len(parts))
	}
	if html, whole := m.Beginning("Short.", 12_000); html != "<p>Short.</p>\n" || !whole {
		t.Errorf("%q, %v", html, whole)
	}
	for i, p := range m.Parts(swelling["fence"], 12_000) {
		if strings.Contains(string(p), "IllegalState") && !strings.Contains(string(p), "<pre><code>") {
			t.Errorf("part %d of the fenced block is no longer code", i)
		}
	}
}

func FuzzParts(f *testing.F) {
	for _, s := range swelling {
		f.Add(s[:min(len(s), 5000)])
	}
	m := New()
	f.Fuzz(func(t *testing.T, source string) {
		for _, p := range m.Parts(source, 12_000) {
			if len(p) > 12_100 {
				t.Errorf("a part has %d bytes", len(p))
			}
		}
	})
}
