package cable

import (
	"fmt"
	"io"
	"strings"
)

// Text writes the plan for people.
func (p *Plan) Text(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Plan: %s %s", p.Device, p.Version)
	if p.Serial != "" {
		fmt.Fprintf(&b, ", phone %s", p.Serial)
	}
	if p.Slot != "" {
		fmt.Fprintf(&b, ", slot %s", p.Slot)
	}
	b.WriteString("\n")
	for i, s := range p.Steps {
		fmt.Fprintf(&b, "%3d. %s %s: %s\n", i+1, p.Program, strings.Join(s.Args, " "), s.Why)
	}
	list := func(title string, lines []string) {
		for _, line := range lines {
			fmt.Fprintf(&b, "%s %s\n", title, line)
		}
	}
	list("WIPES", p.Wipes)
	list("Stays:", p.Untouched)
	list("Note:", p.Notes)
	list("Then:", p.After)
	_, err := io.WriteString(w, b.String())
	return err
}
