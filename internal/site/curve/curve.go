// Package curve draws the share that has come so far as time goes on: a stair
// with its interval, as an inline SVG without styles (classes only, so that a
// strict Content-Security-Policy holds). Places are given in percent and text in
// pixels, so that it stretches with the page and its words do not. The same
// figures stand beside it as a table; the SVG is hidden from those who listen.
package curve

import (
	"html"
	"html/template"
	"strconv"
	"strings"
)

// Point is a step: from Time on Share has come; the interval is Low to High.
type Point struct{ Time, Share, Low, High float64 }

// Chart is a curve with its axes.
type Chart struct {
	Points []Point // in order of time
	End    float64 // of the time axis, more than 0
	Ticks  []Tick  // on the time axis
	Middle float64 // time that is marked; 0: none
}

// Tick is a word at a time.
type Tick struct {
	Time float64
	Word string
}

// height of the drawing and of the words beneath, in pixels.
const height, words = 220, 24

func number(v float64) string { return strconv.FormatFloat(v, 'f', 2, 64) }

// SVG draws it.
func SVG(c Chart) template.HTML {
	if c.End <= 0 {
		return ""
	}
	var b strings.Builder
	x := func(t float64) float64 { return min(max(t/c.End, 0), 1) * 100 }
	b.WriteString(`<svg class="curve" width="100%" height="` + strconv.Itoa(height+words) + `" aria-hidden="true" focusable="false">`)
	for _, share := range []string{"0", "25", "50", "75", "100"} {
		v, _ := strconv.ParseFloat(share, 64)
		y := number(height - v*(height-12)/100)
		b.WriteString(`<line class="curve-grid" x1="0" x2="100%" y1="` + y + `" y2="` + y + `"/>`)
		if share != "0" {
			b.WriteString(`<text class="curve-word" x="2" y="` + number(height-v*(height-12)/100-4) + `">` + share + `%</text>`)
		}
	}
	b.WriteString(`<svg x="0" y="12" width="100%" height="` + strconv.Itoa(height-12) + `" viewBox="0 0 100 100" preserveAspectRatio="none">`)
	if band := c.band(x); band != "" {
		b.WriteString(`<path class="curve-band" d="` + band + `"/>`)
	}
	b.WriteString(`<path class="curve-line" vector-effect="non-scaling-stroke" d="` + c.stair(x) + `"/></svg>`)
	if c.Middle > 0 && c.Middle <= c.End {
		at := number(x(c.Middle)) + "%"
		b.WriteString(`<line class="curve-middle" x1="` + at + `" x2="` + at + `" y1="` + number(height-50*(height-12)/100.0) + `" y2="` + strconv.Itoa(height) + `"/>`)
	}
	for _, t := range c.Ticks {
		anchor := "middle"
		switch {
		case x(t.Time) < 8:
			anchor = "start"
		case x(t.Time) > 92:
			anchor = "end"
		}
		b.WriteString(`<text class="curve-word" text-anchor="` + anchor + `" x="` + number(x(t.Time)) + `%" y="` + strconv.Itoa(height+words-6) + `">` + html.EscapeString(t.Word) + `</text>`)
	}
	b.WriteString(`</svg>`)
	return template.HTML(b.String()) //nolint:gosec // numbers, and words that are escaped
}

// stair is the line: level until the next step.
func (c Chart) stair(x func(float64) float64) string {
	path, y := "M0 100", 100.0
	for _, p := range c.Points {
		path += "H" + number(x(p.Time))
		y = 100 - 100*p.Share
		path += "V" + number(y)
	}
	return path + "H100"
}

// band is the interval around it.
func (c Chart) band(x func(float64) float64) string {
	if len(c.Points) == 0 {
		return ""
	}
	first := number(x(c.Points[0].Time))
	path := "M" + first + " " + number(100-100*c.Points[0].High)
	for _, p := range c.Points[1:] {
		path += "H" + number(x(p.Time)) + "V" + number(100-100*p.High)
	}
	path += "H100V" + number(100-100*c.Points[len(c.Points)-1].Low)
	for i := len(c.Points) - 1; i > 0; i-- {
		path += "H" + number(x(c.Points[i].Time)) + "V" + number(100-100*c.Points[i-1].Low)
	}
	return path + "H" + first + "Z"
}
