package fleet

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/fleet/outcome"
	"github.com/fridayos/friday/internal/wire"
)

// Conditions narrow a rollout to the handsets that it is for. The zero value
// narrows nothing.
type Conditions struct {
	Regions  []string `json:"regions,omitempty"`   // only handsets of these, as Region writes them; none: all
	Carriers []string `json:"carriers,omitempty"`  // only handsets of these; none: all
	Base     string   `json:"base,omitempty"`      // least Android version that the handset runs, such as 13
	HoldFrom []string `json:"hold_from,omitempty"` // incrementals of builds that it is not offered to
	Hours    *Hours   `json:"hours,omitempty"`     // of the handset's day; nil: all
	Stepping bool     `json:"stepping,omitempty"`  // older builds may not skip it
	Raises   uint64   `json:"raises,omitempty"`    // rollback index that it raises the device's to; 0: it does not
}

// Hours are a part of the day, from the hour From until before the hour To; one
// that goes past midnight has a From above To.
type Hours struct {
	From int `json:"from"` // 0 to 23
	To   int `json:"to"`   // 1 to 24
}

func (h *Hours) has(hour int) bool {
	if h.From < h.To {
		return h.From <= hour && hour < h.To
	}
	return hour >= h.From || hour < h.To
}

// Check says what is wrong with conditions.
func (c *Conditions) Check() error {
	for _, r := range c.Regions {
		if r == "" || outcome.Region(r) != r {
			return fmt.Errorf("cannot use conditions: region is %q, expected two capital letters such as IN, or GLOBAL", r)
		}
	}
	if slices.Contains(c.Carriers, "") || slices.Contains(c.HoldFrom, "") {
		return fmt.Errorf("cannot use conditions: a carrier or held build has no name")
	}
	if _, ok := version(c.Base); c.Base != "" && !ok {
		return fmt.Errorf("cannot use conditions: the least Android version is %q, expected one such as 13 or 8.1", c.Base)
	}
	if h := c.Hours; h != nil && (h.From < 0 || h.From > 23 || h.To < 1 || h.To > 24 || h.From == h.To) {
		return fmt.Errorf("cannot use conditions: hours are %d to %d, expected 0 to 23 and 1 to 24, not the same", h.From, h.To)
	}
	return nil
}

// version reads "8.1.0" as numbers.
func version(text string) (v [4]int, ok bool) {
	parts := strings.Split(text, ".")
	if len(parts) > len(v) {
		return v, false
	}
	for i, p := range parts {
		n, err := strconv.Atoi(p)
		if err != nil || n < 0 || len(p) > 4 {
			return v, false
		}
		v[i] = n
	}
	return v, true
}

// refuse says why the handset is not one of those that the rollout of a build
// is for, ever.
func (c *Conditions) refuse(r *Rollout, b *catalog.Build, in *wire.CheckIn) string {
	switch {
	case b.Device != in.Device:
		return fmt.Sprintf("%s of this rollout is a build for %s", r.Release, b.Device)
	case b.Variant != "" && b.Variant != in.Variant:
		return fmt.Sprintf("%s is for variant %s only", r.Release, b.Variant)
	case r.Region != "" && !strings.EqualFold(r.Region, in.Region):
		return fmt.Sprintf("%s is for region %s only", r.Release, r.Region)
	case r.Carrier != "" && !strings.EqualFold(r.Carrier, in.Carrier):
		return fmt.Sprintf("%s is for carrier %s only", r.Release, r.Carrier)
	case len(c.Regions) > 0 && !slices.Contains(c.Regions, outcome.Region(in.Region)):
		return fmt.Sprintf("%s is for the regions %s only", r.Release, strings.Join(c.Regions, ", "))
	case len(c.Carriers) > 0 && !slices.ContainsFunc(c.Carriers, func(name string) bool { return strings.EqualFold(name, in.Carrier) }):
		return fmt.Sprintf("%s is for the carriers %s only", r.Release, strings.Join(c.Carriers, ", "))
	case slices.Contains(c.HoldFrom, in.Incremental):
		return fmt.Sprintf("%s is held back from handsets that run %s", r.Release, in.Incremental)
	}
	if c.Base != "" {
		least, _ := version(c.Base)
		if runs, ok := version(in.BaseVersion); !ok || slices.Compare(runs[:], least[:]) < 0 {
			return fmt.Sprintf("%s needs Android %s or later, the handset runs %q", r.Release, c.Base, in.BaseVersion)
		}
	}
	return ""
}

// narrow says whether some handsets of the device are left out.
func (c *Conditions) narrow() bool {
	return len(c.Regions) > 0 || len(c.Carriers) > 0 || len(c.HoldFrom) > 0 || c.Base != ""
}

// later says why the handset's turn has not come, by what its owner chose and
// the hour of its day.
func (c *Conditions) later(r *Rollout, in *wire.CheckIn, now time.Time) string {
	if c.Hours != nil && !c.Hours.has(now.UTC().Add(time.Duration(in.UTCOffset)*time.Minute).Hour()) {
		return fmt.Sprintf("%s is offered from %d to %d o'clock", r.Release, c.Hours.From, c.Hours.To)
	}
	if left := r.CreatedAt.Add(time.Duration(in.DelayDays) * 24 * time.Hour).Sub(now); in.DelayDays > 0 && left > 0 {
		return fmt.Sprintf("%s waits for %d days after the first, as the owner wants it: %s more", r.Release, in.DelayDays, left.Round(time.Minute))
	}
	if in.WaitGood > 0 && r.Good < int64(in.WaitGood) {
		return fmt.Sprintf("%s waits until %d%% of the first fare well, as the owner wants it", r.Release, in.WaitGood)
	}
	return ""
}

// goodLeast is how many handsets must have ended an update before it is said
// how many percent did so well.
const goodLeast = 100

// good is that percentage, rounded down; -1 while too few have ended.
func good(n outcome.Counts) int64 {
	if all := n.All(); all.Ended() >= goodLeast {
		return all.Booted * 100 / all.Ended()
	}
	return -1
}
