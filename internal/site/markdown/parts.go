package markdown

import (
	"html/template"
	"strings"
	"unicode/utf8"
)

// smallest is the source that is cut no further: should even it be too large
// when rendered, it is shown as it was written, at most six bytes a byte.
const smallest = 2000

// Beginning renders as much of source as fits into budget bytes of HTML (12,000
// at least), cut where a paragraph or a line ends; whole says that it was all.
func (m *Renderer) Beginning(source string, budget int, own ...Picture) (html template.HTML, whole bool) {
	html = m.HTMLWith(source, own)
	if len(html) <= budget {
		return html, true
	}
	for len(html) > budget {
		if len(source) <= smallest {
			return written(source), false
		}
		source, _ = halve(source)
		html = m.HTMLWith(source, own)
	}
	return html, false
}

// Parts renders all of source in parts of at most budget bytes of HTML (12,000 at
// least).
func (m *Renderer) Parts(source string, budget int, own ...Picture) []template.HTML {
	html := m.HTMLWith(source, own)
	switch {
	case len(html) <= budget:
		return []template.HTML{html}
	case len(source) <= smallest:
		return []template.HTML{written(source)}
	}
	a, b := halve(source)
	return append(m.Parts(a, budget, own...), m.Parts(b, budget, own...)...)
}

func written(source string) template.HTML {
	return template.HTML("<pre>" + template.HTMLEscapeString(source) + "</pre>") //nolint:gosec // escaped
}

// halve cuts source near its middle: between paragraphs, else lines, else words,
// else anywhere between characters. A fenced block that is cut goes on as one.
func halve(source string) (a, b string) {
	middle := len(source) / 2
	cut := -1
	for _, between := range []string{"\n\n", "\n", " "} {
		// Not too near the ends, or little is gained.
		if i := strings.LastIndex(source[:middle], between); i > middle/2 {
			cut = i + len(between)
			break
		}
		if i := strings.Index(source[middle:], between); i >= 0 && i < middle/2 {
			cut = middle + i + len(between)
			break
		}
	}
	if cut < 0 {
		for cut = middle; cut > 0 && !utf8.RuneStart(source[cut]); {
			cut--
		}
	}
	a, b = source[:cut], source[cut:]
	if fence := openFence(a); fence != "" {
		a, b = a+"\n"+fence+"\n", fence+"\n"+b
	}
	return a, b
}

// openFence is the fence of a block that source begins and does not end.
func openFence(source string) string {
	open := ""
	for line := range strings.Lines(source) {
		line = strings.TrimSpace(line)
		for _, fence := range []string{"```", "~~~"} {
			switch {
			case !strings.HasPrefix(line, fence):
			case open == "":
				open = fence
			case open == fence:
				open = ""
			}
		}
	}
	return open
}
