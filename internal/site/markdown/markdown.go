// Package markdown turns what members write into HTML that cannot do harm.
package markdown

import (
	"bytes"
	"html/template"
	"strings"

	"github.com/microcosm-cc/bluemonday"
	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/extension"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
	"github.com/yuin/goldmark/util"
)

// Renderer renders Markdown: raw HTML is
// left out, what remains passes a list of allowed elements, links go to http,
// https and mailto alone, and of pictures only the post's own are shown: others
// would tell strangers who reads.
//
// Whoever writes chooses what reading costs, so it is bounded: a table that
// would be far larger than its source stays text, and what was rendered is kept,
// up to some megabytes.
type Renderer struct {
	tables, plain goldmark.Markdown
	policy        *bluemonday.Policy
	pictured      *bluemonday.Policy // with the post's own pictures
	kept          kept
}

// maxCells bounds a post's tables: a row of one letter has as many cells as the
// table's first, so that 20 kB could make 250 MB.
const maxCells = 10_000

// maxDepth bounds quotes in quotes: 20,000 deep they would take seconds.
const maxDepth = 100

// New makes a renderer; it may be used by many at once.
func New() *Renderer {
	with := func(more ...goldmark.Extender) goldmark.Markdown {
		more = append(more, extension.Strikethrough, extension.NewLinkify(extension.WithLinkifyAllowedProtocols([]string{"http:", "https:"})))
		return goldmark.New(goldmark.WithExtensions(more...), goldmark.WithParserOptions(parser.WithASTTransformers(
			util.Prioritized(quietHeadings{}, 100), util.Prioritized(placePictures{}, 200))))
	}
	pictured := policy()
	allowPictures(pictured)
	return &Renderer{tables: with(extension.Table), plain: with(), policy: policy(), pictured: pictured}
}

func policy() *bluemonday.Policy {
	p := bluemonday.NewPolicy()
	p.AllowElements("p", "br", "hr", "strong", "em", "del", "code", "pre", "blockquote", "ul", "li",
		"h3", "h4", "h5", "h6", "table", "thead", "tbody", "tr", "th", "td")
	p.AllowAttrs("start").Matching(bluemonday.Integer).OnElements("ol")
	p.AllowElements("ol")
	p.AllowAttrs("href").OnElements("a")
	p.AllowURLSchemes("http", "https", "mailto")
	p.AllowRelativeURLs(true)
	p.RequireParseableURLs(true)
	p.RequireNoFollowOnLinks(true)
	p.RequireNoReferrerOnLinks(true)
	return p
}

// HTML renders source; what cannot be rendered is shown as it was written.
func (m *Renderer) HTML(source string) template.HTML {
	return m.kept.get(source, m.render)
}

func (m *Renderer) render(source string) template.HTML {
	if depth(source) > maxDepth {
		return written(source)
	}
	convert := m.tables
	if cells(source) > maxCells {
		convert = m.plain
	}
	var out bytes.Buffer
	if err := convert.Convert([]byte(source), &out); err != nil {
		return template.HTML("<p>" + template.HTMLEscapeString(source) + "</p>") //nolint:gosec // escaped
	}
	return template.HTML(m.policy.SanitizeBytes(out.Bytes())) //nolint:gosec // sanitised
}

// cells is more than the tables in source can have: all lines as wide as the widest.
func cells(source string) int {
	lines, widest := 0, 0
	for line := range strings.Lines(source) {
		lines, widest = lines+1, max(widest, strings.Count(line, "|")+1)
	}
	return lines * widest
}

// depth is how many quotes a line of source begins, at most.
func depth(source string) (deepest int) {
	for line := range strings.Lines(source) {
		rest := strings.TrimLeft(line, "> \t")
		deepest = max(deepest, strings.Count(line[:len(line)-len(rest)], ">"))
	}
	return deepest
}

// quietHeadings puts headings below the page's own h1 and h2, none of them more
// than one step below the one before.
type quietHeadings struct{}

func (quietHeadings) Transform(doc *ast.Document, _ text.Reader, _ parser.Context) {
	var all []*ast.Heading
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if h, ok := n.(*ast.Heading); ok && entering {
			all = append(all, h)
		}
		return ast.WalkContinue, nil
	})
	top := 6
	for _, h := range all {
		top = min(top, h.Level)
	}
	before := 2
	for _, h := range all {
		h.Level = min(h.Level-top+3, before+1, 6)
		before = h.Level
	}
}
