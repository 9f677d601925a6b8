// Package line draws the line: one picture for everything that moves along
// stations. A week, the way of a report, a device's last releases, the stages of
// a rollout and the tracks of the console are all a Map; only their scale
// differs.
//
// The drawing is an inline SVG without styles (classes only, so that a strict
// Content-Security-Policy holds), in which places along the track are given in
// percent and everything else in pixels: it stretches with the page and its dots
// stay round. The same facts stand beneath as a list; the SVG itself is hidden
// from those who listen.
package line

import (
	"html/template"
	"math"
	"strconv"
	"strings"
	"time"
)

// Mark is how a stop looks. Each has a shape of its own; colour only repeats it.
type Mark string

// Marks.
const (
	Passed    Mark = "passed"    // been there
	Here      Mark = "here"      // the train stands here
	Next      Mark = "next"      // where it goes next
	Ahead     Mark = "ahead"     // later
	Confirmed Mark = "confirmed" // proven
	Held      Mark = "held"      // waits for a reason
	Halted    Mark = "halted"    // stopped by a signal: failed, still broken, pulled
	Missed    Mark = "missed"    // did not stop here
)

// Stop is one station.
type Stop struct {
	Name string
	Mark Mark
	Lane int       // which track, from 0 at the top
	At   time.Time // zero: not known
	Note string    // one line: why, who, what
	Href string
	Code bool // the name is a version or a codename
}

// Map is one line.
type Map struct {
	Label string // what the drawing shows, in words
	Scale string // "week", "way", "device", "stages" or "track"
	Lanes []string
	Stops []Stop
	// Train is where the train is: 0 at the first stop, 1.5 half way between the
	// second and the third. Negative: nowhere.
	Train float64
}

// Step is the height of a lane in pixels.
const (
	Step = 36
	edge = 20
)

// SVG draws m.
func SVG(m Map) template.HTML {
	lanes := max(1, len(m.Lanes))
	var s strings.Builder
	s.WriteString(`<svg class="line-map line-`)
	s.WriteString(template.HTMLEscapeString(m.Scale))
	s.WriteString(`" width="100%" height="`)
	s.WriteString(strconv.Itoa(2*edge + (lanes-1)*Step))
	s.WriteString(`" aria-hidden="true" focusable="false">`)
	for i, name := range m.Lanes {
		rail(&s, "lane", 0, 100, laneY(i))
		s.WriteString(`<text class="lane-name" x="100%" y="` + strconv.Itoa(laneY(i)-8) + `" text-anchor="end">` + template.HTMLEscapeString(name) + `</text>`)
	}
	n := float64(len(m.Stops))
	if n > 0 {
		for i := range len(m.Stops) - 1 {
			m.segment(&s, i, n)
		}
		if m.Scale == "week" { // it comes from somewhere and goes on
			rail(&s, "gone", 0, 50/n, laneY(m.Stops[0].Lane))
		}
		for i, stop := range m.Stops {
			dot(&s, stop.Mark, place(float64(i), n), laneY(stop.Lane))
		}
		if m.Train >= 0 && m.Train <= n-1 {
			m.train(&s, n)
		}
	}
	s.WriteString(`</svg>`)
	return template.HTML(s.String()) //nolint:gosec // only numbers, classes and an escaped scale
}

// place is where a stop is, in percent of the width.
func place(i, n float64) float64 { return (i + 0.5) * 100 / n }

func laneY(lane int) int { return edge + lane*Step }

func percent(v float64) string { return strconv.FormatFloat(math.Round(v*100)/100, 'f', -1, 64) + "%" }

func rail(s *strings.Builder, class string, x1, x2 float64, y int) {
	s.WriteString(`<line class="` + class + `" x1="` + percent(x1) + `" x2="` + percent(x2) +
		`" y1="` + strconv.Itoa(y) + `" y2="` + strconv.Itoa(y) + `"/>`)
}

// segment draws the track between stop i and the next: what lies behind the
// train is solid, what lies ahead is not. A change of lanes happens half way.
func (m Map) segment(s *strings.Builder, i int, n float64) {
	a, b := m.Stops[i], m.Stops[i+1]
	x1, x2 := place(float64(i), n), place(float64(i+1), n)
	class := "todo"
	if m.gone(i) {
		class = "gone"
	}
	if a.Lane == b.Lane {
		rail(s, class, x1, x2, laneY(a.Lane))
		if at := m.Train - float64(i); at > 0 && at < 1 {
			rail(s, "gone", x1, x1+(x2-x1)*at, laneY(a.Lane))
		}
		return
	}
	mid := (x1 + x2) / 2
	rail(s, class, x1, mid, laneY(a.Lane))
	y1, y2 := strconv.Itoa(laneY(a.Lane)), strconv.Itoa(laneY(b.Lane))
	s.WriteString(`<svg x="` + percent(mid) + `" width="` + percent(x2-mid) + `" overflow="visible"><path class="` + class +
		`" d="M0 ` + y1 + `C14 ` + y1 + ` 10 ` + y2 + ` 24 ` + y2 + `"/><line class="` + class +
		`" x1="24" x2="100%" y1="` + y2 + `" y2="` + y2 + `"/></svg>`)
}

// gone says whether the way from stop i to the next lies behind.
func (m Map) gone(i int) bool {
	if m.Train >= 0 {
		return m.Train >= float64(i+1)
	}
	switch m.Stops[i+1].Mark {
	case Next, Ahead:
		return false
	}
	return true
}

func (m Map) train(s *strings.Builder, n float64) {
	i := int(m.Train + 0.5)
	s.WriteString(`<svg class="train" x="` + percent(place(m.Train, n)) + `" y="` + strconv.Itoa(laneY(m.Stops[i].Lane)) +
		`" overflow="visible"><path class="train-body" d="M-19-9H9C16-9 20-3 20 3V5A4 4 0 0 1 16 9H-19A4 4 0 0 1-23 5V-5A4 4 0 0 1-19-9Z"/>` +
		`<path class="train-window" d="M-18-4h6v5h-6zM-8-4h6v5h-6zM2-4h7c3 0 5 2 6 5H2z"/></svg>`)
}

// dot draws a stop.
func dot(s *strings.Builder, m Mark, x float64, y int) {
	s.WriteString(`<svg class="dot dot-` + string(m) + `" x="` + percent(x) + `" y="` + strconv.Itoa(y) + `" overflow="visible">`)
	switch m {
	case Passed:
		s.WriteString(`<circle r="6"/>`)
	case Here:
		s.WriteString(`<circle r="8"/><circle class="core" r="3"/>`)
	case Next:
		s.WriteString(`<circle r="7"/>`)
	case Confirmed:
		s.WriteString(`<circle r="10"/><path d="M-4 0l3 3 5-6"/>`)
	case Held: // two bars: wait
		s.WriteString(`<rect x="-9" y="-9" width="18" height="18" rx="4"/><path d="M-3-4v8M3-4v8"/>`)
	case Halted: // an octagon: stop
		s.WriteString(`<path class="sign" d="M-4-10h8l6 6v8l-6 6h-8l-6-6v-8z"/><path d="M-4 0h8"/>`)
	case Missed: // the track runs through
		s.WriteString(`<path d="M0-6v12"/>`)
	default:
		s.WriteString(`<circle r="5"/>`)
	}
	s.WriteString(`</svg>`)
}
