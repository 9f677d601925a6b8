package fleet

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fridayos/friday/internal/fleet/outcome"
	"github.com/fridayos/friday/internal/wire"
)

// A release may go out to a device in parts, each a rollout of its own: for some
// regions or carriers, and for the others. A handset belongs to the narrowest that
// is for it, whatever that one's state: what is halted in a part is not had through
// another.

// narrowness grows with what a rollout asks of a handset: 0 is for all of a device,
// then a carrier's, a region's, a carrier's in a region.
func (r *Rollout) narrowness() (n int) {
	if r.Region != "" {
		n += 2
	}
	if r.Carrier != "" {
		n++
	}
	return n
}

// isFor says whether a handset is in the region and with the carrier that r is for.
func (r *Rollout) isFor(c *wire.CheckIn) bool {
	return (r.Region == "" || strings.EqualFold(r.Region, c.Region)) && (r.Carrier == "" || strings.EqualFold(r.Carrier, c.Carrier))
}

// setParts tells each line of a device and channel which are narrower than it.
func setParts(lines []*line) {
	if !slices.ContainsFunc(lines, func(l *line) bool { return l.rollout.narrowness() > 0 }) {
		return
	}
	for _, l := range lines {
		l.parts = nil
		for _, p := range lines {
			if p.rollout.Release == l.rollout.Release && p.rollout.narrowness() > l.rollout.narrowness() {
				l.parts = append(l.parts, p)
			}
		}
	}
}

// leaves says which part of the release a handset is left to; empty: none. One that
// does not tell its region may be in any in which it is stopped.
func (l *line) leaves(c *wire.CheckIn) string {
	for _, p := range l.parts {
		r := &p.rollout
		stopped := r.State == Halted || r.State == Pulled
		switch {
		case r.isFor(c):
			return fmt.Sprintf("%s has a rollout of its own for %s", r.Release, strings.TrimSpace(r.Region+" "+r.Carrier))
		case stopped && r.Region != "" && outcome.Region(c.Region) == "":
			return fmt.Sprintf("%s is stopped in region %s, and the handset does not tell its own", r.Release, r.Region)
		}
	}
	return ""
}
