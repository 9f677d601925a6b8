package letters

import (
	"html/template"
	"strings"
)

// sheet is a letter before it is text or HTML.
type sheet struct {
	Lang, Dir string
	Hello     string
	Title     link // empty: there is none
	Lead      string
	Sections  []section
	Foot      []link
}

type section struct {
	Heading, Note string
	Lines         []link
	Written       string        // Markdown, as the plain text has it
	Rendered      template.HTML // and as the HTML does
}

type link struct{ Text, Where string }

// Label is the text without the colon before an address.
func (l link) Label() string { return strings.TrimRight(l.Text, ":：") }

// plain is the sheet as text.
func (s *sheet) plain() string {
	var b strings.Builder
	line := func(text string) { b.WriteString(strings.Join(strings.Fields(text), " ") + "\n") }
	line(s.Hello)
	if s.Title.Text != "" {
		b.WriteString("\n")
		line(s.Title.Text)
		line(s.Title.Where)
	}
	if s.Lead != "" {
		b.WriteString("\n")
		line(s.Lead)
	}
	for _, part := range s.Sections {
		b.WriteString("\n")
		line(part.Heading)
		for _, l := range part.Lines {
			line("- " + l.Text)
			if l.Where != "" {
				line(l.Where)
			}
		}
		if part.Note != "" {
			line(part.Note)
		}
		if part.Written != "" {
			b.WriteString("\n" + part.Written + "\n")
		}
	}
	b.WriteString("\n-- \n")
	for _, l := range s.Foot {
		line(l.Text + " " + l.Where)
	}
	return b.String()
}
