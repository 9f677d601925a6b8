package page

import (
	"fmt"
	"html"
	"html/template"
	"io/fs"
	"path"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/fridayos/friday/internal/site/curve"
	"github.com/fridayos/friday/internal/site/line"
	"github.com/fridayos/friday/internal/site/tell"
	"github.com/fridayos/friday/internal/site/text"
)

// pages are all templates in one language, by name.
type pages map[string]*sheet

// sheet is a page's template, put together when it is first shown: those of all
// pages in all languages would take more memory than all else at the start.
type sheet struct {
	once  sync.Once
	parse func() (*template.Template, error)
	page  *template.Template
	err   error
}

// template returns a page's template in a language.
func (s *Site) template(lang, name string) (*template.Template, error) {
	one := s.pages[lang][name]
	if one == nil {
		return nil, fmt.Errorf("cannot find page %s in %s", name, lang)
	}
	one.once.Do(func() { one.page, one.err = one.parse() })
	return one.page, one.err
}

// readPages parses every page once for each language, with the layout and the
// parts that its package shares, to see that it can be.
func (s *Site) readPages(parts []fs.FS) error {
	s.pages = map[string]pages{}
	for _, t := range s.Book.All() {
		layout, err := parse(template.New("layout.html").Funcs(s.funcs(t)), files, "layout.html", t)
		if err != nil {
			return err
		}
		s.pages[t.Lang] = pages{}
		for _, part := range parts {
			if err := s.readPart(s.pages[t.Lang], layout, part, t); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s *Site) readPart(into pages, layout *template.Template, part fs.FS, t *text.Text) error {
	names, err := fs.Glob(part, "*.html")
	if err != nil {
		return fmt.Errorf("cannot read pages: %w", err)
	}
	base, err := layout.Clone()
	if err != nil {
		return fmt.Errorf("cannot read pages: %w", err)
	}
	if _, err := fs.Stat(part, "parts.html"); err == nil {
		if base, err = parse(base, part, "parts.html", t); err != nil {
			return err
		}
	}
	for _, name := range names {
		one := &sheet{parse: func() (*template.Template, error) {
			page, err := base.Clone()
			if err == nil {
				page, err = parse(page, part, name, t)
			}
			if err != nil {
				return nil, fmt.Errorf("cannot read page %s: %w", name, err)
			}
			return page, nil
		}}
		if _, err := one.parse(); err != nil {
			return err
		}
		key := strings.TrimSuffix(path.Base(name), ".html")
		if into[key] != nil && key != "parts" {
			return fmt.Errorf("cannot read page %s: two packages have one of this name", name)
		}
		into[key] = one
	}
	return nil
}

// still is a message that needs nothing filled in: it is put into the template
// itself, so that saying it costs nothing.
var still = regexp.MustCompile(`\{\{([th]) "([^"]+)"\}\}`)

func parse(into *template.Template, part fs.FS, name string, t *text.Text) (*template.Template, error) {
	raw, err := fs.ReadFile(part, name)
	if err != nil {
		return nil, fmt.Errorf("cannot read template: %w", err)
	}
	source := still.ReplaceAllStringFunc(string(raw), func(found string) string {
		m := still.FindStringSubmatch(found)
		if m[1] == "t" {
			return html.EscapeString(t.T(m[2]))
		}
		return t.T(m[2])
	})
	return into.Parse(source)
}

// funcs are what templates call, in one language.
func (s *Site) funcs(t *text.Text) template.FuncMap {
	zoned := func(f func(t, now time.Time) string) func(at time.Time) template.HTML {
		return func(at time.Time) template.HTML {
			return template.HTML(`<time datetime="` + at.UTC().Format(time.RFC3339) + `">` + html.EscapeString(f(at.In(s.Zone), s.DB.Now().In(s.Zone))) + `</time>`) //nolint:gosec // only a formatted time
		}
	}
	return template.FuncMap{
		"asset":   func(name string) string { return s.assets[name].href },
		"icon":    icon,
		"day":     zoned(t.Day),
		"moment":  zoned(t.Moment),
		"iso":     func(at time.Time) string { return at.UTC().Format(time.RFC3339) },
		"drawing": line.SVG,
		"stairs":  curve.SVG,
		"marked":  func(m line.Mark) string { return tell.Mark(t, m) },
		"t":       t.T,
		"n":       t.N,
		"h":       func(key string, args ...any) template.HTML { return Markup(t, key, args...) },
		"texts":   s.Book.All,
	}
}

// Markup is a message that has markup; what is filled in is escaped, unless it
// is HTML already.
func Markup(t *text.Text, key string, args ...any) template.HTML {
	safe := make([]any, len(args))
	for i, a := range args {
		switch a := a.(type) {
		case template.HTML:
			safe[i] = string(a)
		default:
			safe[i] = html.EscapeString(fmt.Sprint(a))
		}
	}
	return template.HTML(t.T(key, safe...)) //nolint:gosec // our own message, escaped values
}

// icon draws the signs of the narrow navigation.
func icon(name string) template.HTML {
	paths := map[string]string{
		"week":    `<path d="M3 15h4l4-8h10M5 15a2 2 0 1 1-4 0 2 2 0 0 1 4 0zm18-8a2 2 0 1 1-4 0 2 2 0 0 1 4 0z"/>`,
		"threads": `<path d="M4 5h16v11H10l-4 4v-4H4z"/>`,
		"new":     `<path d="M12 5v14M5 12h14"/>`,
		"bell":    `<path d="M6 17V11a6 6 0 0 1 12 0v6l2 2H4zM10 21h4"/>`,
		"devices": `<path d="M7 2h10v20H7zM11 18h2"/>`,
		"train":   `<path d="M6 3h12v13H6zM6 10h12M8 20l2-4M16 20l-2-4M9 13h.01M15 13h.01"/>`,
	}
	return template.HTML(`<svg width="24" height="24" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="1.75" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" focusable="false">` + paths[name] + `</svg>`) //nolint:gosec // constants
}
