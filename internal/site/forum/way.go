package forum

import (
	"html/template"
	"slices"
	"strconv"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/feedback/measure"
	"github.com/fridayos/friday/internal/feedback/stake"
	"github.com/fridayos/friday/internal/fleet"
	"github.com/fridayos/friday/internal/site/line"
	"github.com/fridayos/friday/internal/site/page"
	"github.com/fridayos/friday/internal/site/tell"
)

// wayView is where a thread stands on one device.
type wayView struct {
	Device, DeviceName, Reason string
	Affected                   int
	Share                      string // of the device's active handsets whose members have it; empty: not known
	State                      page.State
	Line                       line.Map
}

// weight is about how many bytes of HTML w is.
func (w wayView) weight() int {
	n := 700 + len(line.SVG(w.Line)) + len(template.HTMLEscapeString(w.Reason))
	for _, stop := range w.Line.Stops {
		n += 150 + len(stop.Name) + len(stop.Note)
	}
	return n
}

// active is how many handsets of each device are active: minutes old at most,
// since every thread asks for it.
func active(c *page.Call, tx *db.Tx) (map[string]int64, error) {
	return page.Figure(&c.Site.Figures, "active", c.Now(), ageOfDays, func() (map[string]int64, error) { return fleet.Active(tx) })
}

// ways are all of a thread's, the viewer's own devices first.
func ways(c *page.Call, t feedback.Thread, own stake.Stake, cat page.Catalogue, steps []feedback.StateChange, departure time.Time, active map[string]int64) []wayView {
	var all []wayView
	by := map[string][]feedback.StateChange{}
	for _, s := range steps {
		by[s.Device] = append(by[s.Device], s)
	}
	for _, d := range t.Devices {
		m := tell.WayLine(c.Text, d, by[d.Device], departure, slices.Contains(own.Devices, d.Device))
		for i := range m.Stops {
			if !m.Stops[i].At.IsZero() {
				m.Stops[i].At = m.Stops[i].At.In(c.Site.Zone)
			}
		}
		share := ""
		if part, ok := measure.Share(d.Affected, active[d.Device]); ok && t.Kind == feedback.Bug {
			share = c.Text.Decimal(100*part, 1)
		}
		all = append(all, wayView{Share: share, Device: d.Device, DeviceName: cat.Name(d.Device), Reason: d.Reason, Affected: d.Affected, State: c.State(d), Line: m})
	}
	rank := func(w wayView) int {
		if slices.Contains(own.Devices, w.Device) {
			return 0
		}
		return 1
	}
	slices.SortStableFunc(all, func(a, b wayView) int { return rank(a) - rank(b) })
	return all
}

// boundWays draws as many ways as a page has room for, names some more, and
// counts the rest.
func boundWays(all []wayView) (drawn, named []wayView, more int) {
	left := waysBudget
	for i, w := range all {
		if left -= w.weight(); left < 0 && i > 0 {
			named = all[i:]
			more = max(0, len(named)-mostStubs)
			return all[:i], named[:len(named)-more], more
		}
	}
	return all, nil, 0
}

type wayPage struct {
	ID                int64
	Path, Title, Lang string
	Ways              []wayView
	Steps             []entryView
	Number, Pages     int
	Earlier, Later    string
}

// Way is where a thread stands on all of its devices, and every step that led
// there, whole.
func Way(c *page.Call) error {
	id, err := page.ThreadID(c.R.PathValue("thread"))
	if err != nil {
		return err
	}
	var v wayPage
	err = c.Read(func(tx *db.Tx) error {
		t, err := visible(c, tx, id)
		if err != nil {
			return err
		}
		v = wayPage{ID: t.ID, Path: page.ThreadPath(t.ID, t.Title), Title: t.Title}
		cat, err := page.ReadCatalogue(tx)
		if err != nil {
			return err
		}
		steps, err := feedback.States(tx, c.Viewer.InForum(), t.ID)
		if err != nil {
			return err
		}
		var own stake.Stake
		if c.Viewer.ID != 0 {
			if own, err = stake.Of(tx, c.Viewer.InForum(), t.ID); err != nil {
				return err
			}
		}
		status, err := c.Site.Train.Status(tx, 1)
		if err != nil {
			return err
		}
		active, err := active(c, tx)
		if err != nil {
			return err
		}
		v.fill(c, ways(c, t, own, cat, steps, status.Departure, active), stepEntries(c, t, cat, steps))
		who := page.Names{}
		for i := range v.Steps {
			if v.Steps[i].By, err = who.Of(tx, v.Steps[i].ID); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.Show("way", page.Page{Title: c.Text.T("way.title", "Title", v.Title), Nav: "threads", Body: v})
}

// fill cuts ways and steps into pages and takes the one that was asked for.
func (v *wayPage) fill(c *page.Call, ways []wayView, steps []entryView) {
	var weights []int
	for _, w := range ways {
		weights = append(weights, w.weight())
	}
	for _, s := range steps {
		weights = append(weights, s.weight())
	}
	starts := cut(weights, partBudget)
	v.Pages = len(starts)
	asked, _ := strconv.Atoi(c.R.URL.Query().Get("page"))
	v.Number = min(max(asked, 1), v.Pages)
	from, to := starts[v.Number-1], len(weights)
	path := "/t/" + strconv.FormatInt(v.ID, 10) + "/way"
	if v.Number < v.Pages {
		to, v.Later = starts[v.Number], pageOf(path, v.Number+1)
	}
	if v.Number > 1 {
		v.Earlier = pageOf(path, v.Number-1)
	}
	n := len(ways)
	v.Ways, v.Steps = ways[min(from, n):min(to, n)], steps[max(from-n, 0):max(to-n, 0)]
}
