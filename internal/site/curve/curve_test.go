package curve

import (
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestSVG(t *testing.T) {
	c := Chart{Points: []Point{{2, .25, .1, .5}, {10, .5, .3, .8}}, End: 20, Ticks: []Tick{{0, "0"}, {20, "20 <days>"}}, Middle: 10}
	svg := string(SVG(c))
	for _, want := range []string{`d="M0 100H10.00V75.00H50.00V50.00H100"`, `d="M10.00 50.00H50.00V20.00H100V70.00H50.00V90.00H10.00Z"`, "20 &lt;days&gt;", `x1="50.00%"`, `aria-hidden="true"`} {
		if !strings.Contains(svg, want) {
			t.Errorf("the drawing lacks %s: %s", want, svg)
		}
	}
	if strings.Contains(svg, "style=") {
		t.Error("it has a style attribute")
	}
	for d := xml.NewDecoder(strings.NewReader(svg)); ; {
		if _, err := d.Token(); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
	}
	if got := SVG(Chart{}); got != "" {
		t.Errorf("without an axis there is %q", got)
	}
	if got := string(SVG(Chart{End: 7})); !strings.Contains(got, `d="M0 100H100"`) || strings.Contains(got, "curve-band") {
		t.Errorf("without a point: %s", got)
	}
}
