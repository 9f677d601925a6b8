package handset

import (
	"fmt"
	"slices"
	"strings"

	"github.com/fridayos/friday/internal/wire"
)

// Wishes are what the phone's owner chose about updates, and the clock of where
// the phone is. They go with every check-in; the zero value wishes nothing.
type Wishes struct {
	Channel   string `json:"channel,omitempty"`    // empty: the one that the phone came with
	Early     bool   `json:"early,omitempty"`      // before others
	DelayDays int    `json:"delay_days,omitempty"` // so many days after the first, 0 to wire.MaxDelayDays
	WaitGood  int    `json:"wait_good,omitempty"`  // once so many percent of the first fared well, 0 to 100
	UTCOffset int    `json:"utc_offset,omitempty"` // minutes ahead of UTC, -1440 to 1440
}

// check says what no server would take.
func (w Wishes) check() error {
	const day = 24 * 60
	switch {
	case w.Channel != "" && !slices.Contains(wire.Channels(), w.Channel):
		return fmt.Errorf("cannot wish that: channel is %q, expected one of %s", w.Channel, strings.Join(wire.Channels(), ", "))
	case w.DelayDays < 0 || w.DelayDays > wire.MaxDelayDays:
		return fmt.Errorf("cannot wish that: the delay is %d days, expected 0 to %d", w.DelayDays, wire.MaxDelayDays)
	case w.WaitGood < 0 || w.WaitGood > 100:
		return fmt.Errorf("cannot wish that: %d percent are to fare well, expected 0 to 100", w.WaitGood)
	case w.UTCOffset < -day || w.UTCOffset > day:
		return fmt.Errorf("cannot wish that: the clock is %d minutes ahead of UTC, expected -1440 to 1440", w.UTCOffset)
	case w.Early && (w.DelayDays > 0 || w.WaitGood > 0):
		return fmt.Errorf("cannot wish that: updates are wanted early, and %d days and %d percent later", w.DelayDays, w.WaitGood)
	}
	return nil
}

// Wish keeps what the owner chose from now on.
func (p *Phone) Wish(w Wishes) error {
	if err := w.check(); err != nil {
		return err
	}
	p.st.Wishes = w
	return p.save()
}

// Wishes are what the owner chose.
func (p *Phone) Wishes() Wishes { return p.st.Wishes }

// ask puts the wishes into a check-in.
func (w Wishes) ask(c *wire.CheckIn) {
	if w.Channel != "" {
		c.Channel = w.Channel
	}
	c.Early, c.DelayDays, c.WaitGood, c.UTCOffset = w.Early, w.DelayDays, w.WaitGood, w.UTCOffset
}
