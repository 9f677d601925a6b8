package line

import (
	"encoding/xml"
	"io"
	"strings"
	"testing"
)

func week() Map {
	return Map{Scale: "week", Lanes: []string{"alpha", "beta", "weekly"}, Train: 1.4, Stops: []Stop{
		{Name: "Open", Mark: Passed}, {Name: "Cut", Mark: Passed}, {Name: "Test ring", Mark: Next, Lane: 1},
		{Name: "Gate", Mark: Ahead, Lane: 1}, {Name: "Friday", Mark: Ahead, Lane: 2}}}
}

// count parses the drawing as XML and counts elements by class.
func count(t *testing.T, m Map) map[string]int {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(string(SVG(m))))
	n := map[string]int{}
	for {
		tok, err := d.Token()
		if err == io.EOF {
			return n
		}
		if err != nil {
			t.Fatalf("the drawing is not well-formed: %v", err)
		}
		if e, ok := tok.(xml.StartElement); ok {
			for _, a := range e.Attr {
				if a.Name.Local == "style" {
					t.Errorf("<%s> has a style attribute, which the policy forbids", e.Name.Local)
				}
				if a.Name.Local == "class" {
					for c := range strings.FieldsSeq(a.Value) {
						n[c]++
					}
				}
			}
		}
	}
}

func TestEveryStopIsDrawnOnce(t *testing.T) {
	all := []Mark{Passed, Here, Next, Ahead, Confirmed, Held, Halted, Missed}
	m := Map{Scale: "track", Train: -1}
	for _, k := range all {
		m.Stops = append(m.Stops, Stop{Mark: k})
	}
	n := count(t, m)
	for _, k := range all {
		if n["dot-"+string(k)] != 1 {
			t.Errorf("%s is drawn %d times, expected once", k, n["dot-"+string(k)])
		}
	}
	if n["train"] != 0 {
		t.Error("a train is drawn on a map without one")
	}
}

func TestWhatLiesBehindIsSolid(t *testing.T) {
	// The piece that leads to the first stop, then segments of 1, 3 (a change of
	// lanes), 1 and 3 pieces.
	for train, gone := range map[float64]int{0: 1, 1: 2, 2: 5, 3: 6, 4: 9} {
		m := week()
		m.Train = train
		n := count(t, m)
		if n["gone"] != gone || n["gone"]+n["todo"] != 9 {
			t.Errorf("train at %v: %d pieces lie behind and %d ahead, expected %d of 9 behind", train, n["gone"], n["todo"], gone)
		}
		if n["train"] != 1 {
			t.Errorf("train at %v: %d trains are drawn", train, n["train"])
		}
	}
}

func TestScaleIsEscaped(t *testing.T) {
	if s := SVG(Map{Scale: `"><script>`}); strings.Contains(string(s), "<script") {
		t.Errorf("the scale is not escaped: %s", s)
	}
}

func TestEmptyMap(t *testing.T) { count(t, Map{Scale: "track", Train: 0}) }
