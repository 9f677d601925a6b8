// Package letters puts what package notice tells into letters and pushes, in the
// reader's language: a subject, plain text, and the same as HTML. What a notice
// says is package tell's; this one adds what stands around it, and the week's
// digest. It sends nothing and looks nothing up.
package letters

import (
	"embed"
	"fmt"
	"html/template"
	"strings"
	"time"

	"github.com/fridayos/friday/internal/mail"
	"github.com/fridayos/friday/internal/notice"
	"github.com/fridayos/friday/internal/site/markdown"
	"github.com/fridayos/friday/internal/site/tell"
	"github.com/fridayos/friday/internal/site/text"
)

// Files are the messages of letters.
//
//go:embed text letter.html
var Files embed.FS

// Writer writes letters; it may be used by many at once.
type Writer struct {
	book     *text.Book
	frame    *template.Template
	markdown *markdown.Renderer
	zone     *time.Location
	now      func() time.Time
}

// New makes a writer. Days are those of zone (nil: UTC), and their year is told
// unless it is now's.
func New(zone *time.Location, now func() time.Time) (*Writer, error) {
	if zone == nil {
		zone = time.UTC
	}
	book, err := text.Read(tell.Files, Files)
	if err != nil {
		return nil, err
	}
	frame, err := template.ParseFS(Files, "letter.html")
	if err != nil {
		return nil, fmt.Errorf("cannot read the frame of letters: %w", err)
	}
	return &Writer{book: book, frame: frame, markdown: markdown.New(), zone: zone, now: now}, nil
}

func (w *Writer) in(lang string) *text.Text { return w.book.Match(lang, "") }

// Line is a notice in one sentence, as it is pushed.
func (w *Writer) Line(lang string, e notice.Entry) string { return tell.Notice(w.in(lang), e) }

// Letter writes a letter.
func (w *Writer) Letter(l notice.Letter) (mail.Message, error) {
	t := w.in(l.Lang)
	p := &sheet{Lang: t.Lang, Dir: t.Dir}
	var subject string
	if l.Week != nil {
		subject = w.week(t, l.Week, p)
	} else {
		subject = notices(t, l, p)
	}
	p.Hello = t.T("letter.hello", "Name", l.To)
	p.Foot = []link{{t.T("letter.settings", "Site", l.Site), l.Settings}, {t.T("letter.stop"), l.Stop}}
	if l.Week != nil {
		p.Foot[1].Text = t.T("letter.stop-week")
	}
	var html strings.Builder
	if err := w.frame.Execute(&html, p); err != nil {
		return mail.Message{}, fmt.Errorf("cannot write a letter: %w", err)
	}
	return mail.Message{Subject: shorten(subject), Text: p.plain(), HTML: html.String()}, nil
}

// shorten cuts a subject where mail programs would.
func shorten(s string) string {
	const most = mail.MaxSubject / 2 // bytes
	s = strings.Join(strings.Fields(s), " ")
	if len(s) <= most {
		return s
	}
	return strings.ToValidUTF8(s[:most-3], "") + "…"
}

// notices tells by kind what happened.
func notices(t *text.Text, l notice.Letter, p *sheet) (subject string) {
	for _, k := range notice.Kinds() {
		s := section{Heading: tell.NoticeKind(t, k)}
		for _, e := range l.Entries {
			if e.Kind == k {
				s.Lines = append(s.Lines, link{tell.Notice(t, e), e.Where})
			}
		}
		if len(s.Lines) > 0 {
			p.Sections = append(p.Sections, s)
		}
	}
	first := ""
	if len(p.Sections) > 0 {
		first = p.Sections[0].Lines[0].Text
	}
	if n := len(l.Entries); n > 1 {
		return t.N("letter.more", n-1, "First", first)
	}
	return first
}

// maxNotes is how much of a release's notes a letter holds, in bytes.
const maxNotes = 8000

// week tells what was shipped and what of it is the reader's.
func (w *Writer) week(t *text.Text, e *notice.Week, p *sheet) (subject string) {
	p.Title = link{t.T("letter.week.title", "Release", e.Release), e.Where}
	p.Lead = t.T("letter.week.left", "Day", t.Day(e.Left.In(w.zone), w.now().In(w.zone)))
	stops := 0
	for _, s := range e.Stops {
		if s.Left {
			stops++
		}
	}
	if devices := strings.Join(e.Names, t.T("letter.week.and")); stops > len(e.Names) {
		p.Lead += " " + t.N("letter.week.for-more", stops-len(e.Names), "Devices", devices)
	} else if stops > 0 {
		p.Lead += " " + t.T("letter.week.for", "Devices", devices)
	}
	for _, h := range e.Held {
		p.Lead += " " + t.T("letter.week.held", "Device", h.Name, "Reason", tell.Said(t, h.Reason))
	}
	add := func(heading, note string, lines []link) {
		if len(lines) > 0 {
			p.Sections = append(p.Sections, section{Heading: heading, Note: note, Lines: lines})
		}
	}
	var asks, mine, polls []link
	for _, f := range e.Asks {
		asks = append(asks, link{t.T("letter.week.ask", "Title", f.Title, "Release", f.Release, "Device", f.Device), f.Where})
	}
	for _, f := range e.Mine {
		words := t.T("letter.week.mine-any", "Title", f.Title)
		if f.Device != "" {
			words = t.T("letter.week.mine-on", "Title", f.Title, "Device", f.Device)
		}
		mine = append(mine, link{words, f.Where})
	}
	for _, q := range e.Polls {
		polls = append(polls, link{q.Question, q.Where})
	}
	add(tell.NoticeKind(t, notice.Ask), "", asks)
	add(t.T("letter.week.mine"), t.T("letter.week.later"), mine)
	add(t.T("letter.week.polls"), "", polls)
	news := section{Heading: t.T("letter.week.news"), Lines: []link{{t.N("letter.week.fixes", len(e.Fixes)), e.Where}}}
	if notes := strings.TrimSpace(e.Notes); notes != "" && len(notes) <= maxNotes {
		news.Written = notes
		base := strings.TrimSuffix(e.Where, "/r/"+e.Release)
		news.Rendered = template.HTML(strings.ReplaceAll(string(w.markdown.HTML(notes)), `href="/`, `href="`+template.HTMLEscapeString(base)+`/`)) //nolint:gosec // sanitised
	}
	p.Sections = append(p.Sections, news)
	switch {
	case len(mine) > 0:
		return t.N("letter.week.subject-mine", len(mine), "Release", e.Release)
	case len(e.Fixes) > 0:
		return t.N("letter.week.subject-fixes", len(e.Fixes), "Release", e.Release)
	}
	return p.Title.Text
}
