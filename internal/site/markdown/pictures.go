package markdown

import (
	"bytes"
	"fmt"
	"html/template"
	"net/url"
	"regexp"
	"strconv"
	"strings"

	"github.com/microcosm-cc/bluemonday"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/parser"
	"github.com/yuin/goldmark/text"
)

// Picture is one of a post's own: ![what it shows](shot.png) names it.
type Picture struct {
	Name          string
	Path, Small   string // addresses on this site, /u/…; Small is what the page shows
	Width, Height int    // of what the page shows, in pixels: the page leaves room
}

// Names lists the pictures that a source shows, in its order, each once: what a
// post has besides goes below it.
func (m *Renderer) Names(source string) (names []string) {
	if depth(source) > maxDepth {
		return nil
	}
	doc := m.plain.Parser().Parse(text.NewReader([]byte(source)))
	seen := map[string]bool{}
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if img, ok := n.(*ast.Image); ok && entering {
			if name := pictureName(img.Destination); !seen[name] {
				seen[name] = true
				names = append(names, name)
			}
		}
		return ast.WalkContinue, nil
	})
	return names
}

// HTMLWith renders a source that may show some pictures and no others.
func (m *Renderer) HTMLWith(source string, pictures []Picture) template.HTML {
	if len(pictures) == 0 {
		return m.HTML(source)
	}
	key := source
	own := make(map[string]Picture, len(pictures))
	for _, p := range pictures {
		own[p.Name] = p
		key += fmt.Sprintf("\x00%s\x00%s\x00%s %d %d", p.Name, p.Path, p.Small, p.Width, p.Height) // no source holds a zero
	}
	return m.kept.get(key, func(string) template.HTML {
		if depth(source) > maxDepth {
			return written(source)
		}
		convert := m.tables
		if cells(source) > maxCells {
			convert = m.plain
		}
		context := parser.NewContext()
		context.Set(ownPictures, own)
		var out bytes.Buffer
		if err := convert.Convert([]byte(source), &out, parser.WithContext(context)); err != nil {
			return written(source)
		}
		return template.HTML(m.pictured.SanitizeBytes(out.Bytes())) //nolint:gosec // sanitised
	})
}

var ownPictures = parser.NewContextKey()

// onSite is where pictures may come from.
var onSite = regexp.MustCompile(`^/u/[0-9]+/[^\s"'<>\\]+$`)

func allowPictures(p *bluemonday.Policy) {
	p.AllowAttrs("src").Matching(onSite).OnElements("img")
	p.AllowAttrs("alt").OnElements("img")
	p.AllowAttrs("width", "height").Matching(bluemonday.Integer).OnElements("img")
	p.AllowAttrs("loading").Matching(regexp.MustCompile(`^lazy$`)).OnElements("img")
}

func pictureName(destination []byte) string {
	name := string(destination)
	if plain, err := url.PathUnescape(name); err == nil {
		name = plain
	}
	return strings.TrimPrefix(name, "./")
}

// placePictures gives the post's own pictures their addresses, each a link to
// the whole one; what else is shown as a picture becomes its words.
type placePictures struct{}

func (placePictures) Transform(doc *ast.Document, reader text.Reader, context parser.Context) {
	own, _ := context.Get(ownPictures).(map[string]Picture)
	if own == nil {
		return
	}
	var all []*ast.Image
	_ = ast.Walk(doc, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if img, ok := n.(*ast.Image); ok && entering {
			all = append(all, img)
		}
		return ast.WalkContinue, nil
	})
	for _, img := range all {
		parent := img.Parent()
		p, ok := own[pictureName(img.Destination)]
		if !ok {
			for c := img.FirstChild(); c != nil; c = img.FirstChild() {
				parent.InsertBefore(parent, img, c)
			}
			parent.RemoveChild(parent, img)
			continue
		}
		if img.FirstChild() == nil { // nobody said what it shows
			img.AppendChild(img, ast.NewString([]byte(p.Name)))
		}
		img.Destination, img.Title = []byte(p.Small), nil
		img.SetAttributeString("width", []byte(strconv.Itoa(p.Width)))
		img.SetAttributeString("height", []byte(strconv.Itoa(p.Height)))
		img.SetAttributeString("loading", []byte("lazy"))
		if !within(img, ast.KindLink) {
			link := ast.NewLink()
			link.Destination = []byte(p.Path)
			parent.ReplaceChild(parent, img, link)
			link.AppendChild(link, img)
		}
	}
}

func within(n ast.Node, kind ast.NodeKind) bool {
	for p := n.Parent(); p != nil; p = p.Parent() {
		if p.Kind() == kind {
			return true
		}
	}
	return false
}
