// Package testring is the pages of the test ring: what it is, the quiz, the
// application, and the desk of those who decide. Its rules are those of package
// ring; how soon a handset follows a decision is package updateapi's.
package testring

import (
	"embed"
	"errors"
	"net/http"
	"slices"
	"strconv"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/member/ring"
	"github.com/fridayos/friday/internal/mistake"
	"github.com/fridayos/friday/internal/reputation"
	"github.com/fridayos/friday/internal/site/line"
	"github.com/fridayos/friday/internal/site/page"
)

// Files are the pages' templates and their messages.
//
//go:embed *.html text
var Files embed.FS

// placeView is a place as a page shows it.
type placeView struct {
	ID                                int64
	Member, Device, Channel, Level    string
	State                             page.State
	Why, Reason, By                   string
	AppliedAt, DecidedAt              time.Time
	Claimed, Held, Leave, ByRule, Own bool
}

var marks = map[ring.State]line.Mark{ring.Applied: line.Here, ring.Accepted: line.Confirmed, ring.Refused: line.Halted, ring.Left: line.Missed, ring.Removed: line.Halted}

func (v *placeView) fill(c *page.Call, cat page.Catalogue, p ring.Place) {
	*v = placeView{ID: p.ID, Member: p.Member, Device: cat.Name(p.Device), Channel: p.Channel, Why: p.Why, Reason: p.Reason, AppliedAt: p.AppliedAt, DecidedAt: p.DecidedAt,
		State: page.State{Mark: marks[p.State], Word: c.Text.T("ring.state." + string(p.State))},
		Held:  p.State == ring.Accepted, Leave: p.State == ring.Accepted || p.State == ring.Applied,
		ByRule: p.State == ring.Accepted && p.DecidedBy == 0, Own: p.MemberID == c.Viewer.ID}
}

type channelView struct{ Name, About, Decides string }

type ringView struct {
	Channels []channelView
	Places   []placeView
	Decides  bool // the viewer may decide about some
	Waiting  int
}

// Ring is what the test ring is, and one's own places in it.
func Ring(c *page.Call) error {
	v := ringView{Decides: c.Viewer.May(page.Maintainer)}
	for _, channel := range ring.Channels() {
		v.Channels = append(v.Channels, channelView{channel, c.Text.T("ring.about." + channel), c.Text.T("ring.decides." + channel)})
	}
	err := c.Read(func(tx *db.Tx) error {
		if c.Viewer.ID == 0 {
			return nil
		}
		cat, err := page.ReadCatalogue(tx)
		if err != nil {
			return err
		}
		claimed, err := claimed(tx, c.Viewer.ID)
		if err != nil {
			return err
		}
		places, err := ring.Of(tx, c.Viewer.ID)
		if err != nil {
			return err
		}
		who := page.Names{}
		for _, p := range places {
			var one placeView
			one.fill(c, cat, p)
			one.Claimed = slices.Contains(claimed, p.Device)
			if p.DecidedBy != c.Viewer.ID {
				if one.By, err = who.Of(tx, p.DecidedBy); err != nil {
					return err
				}
			}
			v.Places = append(v.Places, one)
		}
		if !v.Decides {
			return nil
		}
		waiting, err := ring.List(tx, c.Viewer.Member, ring.Applied)
		v.Waiting = len(waiting)
		return err
	})
	if err != nil {
		return err
	}
	return c.Show("ring", page.Page{Title: c.Text.T("ring.title"), Nav: "me", Body: v})
}

// claimed are the devices of which a member has a handset.
func claimed(tx *db.Tx, memberID int64) (devices []string, err error) {
	claims, err := member.ClaimsOf(tx, memberID)
	for _, cl := range claims {
		devices = append(devices, cl.Device)
	}
	return devices, err
}

// Leave gives one's own place or application back.
func Leave(c *page.Call) error {
	id, err := placeID(c)
	if err != nil {
		return err
	}
	if err := c.Write(func(tx *db.Tx) error { return ring.Leave(tx, c.Viewer.Member, id) }); err != nil {
		return refused(err)
	}
	return c.Redirect("/ring", "ring-left")
}

// placeID reads the place that a form is about, and counts the act.
func placeID(c *page.Call) (int64, error) {
	if !c.Site.Limits.Act(c.Viewer.ID) {
		return 0, page.ErrTooOften
	}
	id, err := strconv.ParseInt(c.R.PostForm.Get("place"), 10, 64)
	if err != nil || id <= 0 {
		return 0, page.ErrNotFound
	}
	return id, nil
}

// refused turns what package ring refuses into a page's error.
func refused(err error) error {
	if errors.Is(err, ring.ErrNotYours) {
		return page.ErrForbidden
	}
	return err
}

type deskView struct {
	Applied, Accepted []placeView
	More, MoreHeld    int // that do not stand here
}

// onDesk is how many places of each kind stand on the desk.
const onDesk = 15

// Desk is where applications are decided about, and places taken back: of the
// viewer's devices.
func Desk(c *page.Call) error { return showDesk(c, http.StatusOK, "") }

func showDesk(c *page.Call, status int, wrong string) error {
	var v struct {
		deskView
		Error string
		At    string // the place that was refused
	}
	v.Error, v.At = wrong, c.R.PostForm.Get("place")
	err := c.Read(func(tx *db.Tx) error {
		cat, err := page.ReadCatalogue(tx)
		if err != nil {
			return err
		}
		if v.Applied, v.More, err = list(c, tx, cat, ring.Applied); err == nil {
			v.Accepted, v.MoreHeld, err = list(c, tx, cat, ring.Accepted)
		}
		return err
	})
	if err != nil {
		return err
	}
	return c.Render(status, "ring-desk", page.Page{Title: c.Text.T("ring.desk.title"), Nav: "me", Body: v})
}

func list(c *page.Call, tx *db.Tx, cat page.Catalogue, state ring.State) (views []placeView, more int, err error) {
	all, err := ring.List(tx, c.Viewer.Member, state)
	if err != nil {
		return nil, 0, err
	}
	more = max(0, len(all)-onDesk)
	for _, p := range all[:len(all)-more] {
		var one placeView
		one.fill(c, cat, p)
		m, err := member.ByID(tx, p.MemberID)
		if err != nil {
			return nil, 0, err
		}
		level, err := reputation.LevelOf(tx, m)
		if err != nil {
			return nil, 0, err
		}
		one.Level = c.Text.T("trust.level." + level.String())
		devices, err := claimed(tx, p.MemberID)
		if err != nil {
			return nil, 0, err
		}
		one.Claimed = slices.Contains(devices, p.Device)
		views = append(views, one)
	}
	return views, more, nil
}

// Decide takes a decision about one place.
func Decide(c *page.Call) error {
	id, err := placeID(c)
	if err != nil {
		return err
	}
	f := c.R.PostForm
	err = c.Write(func(tx *db.Tx) error {
		_, err := ring.Decide(tx, c.Viewer.Member, id, ring.State(f.Get("to")), f.Get("reason"))
		return err
	})
	if wrong := mistake.Of(err); wrong != nil {
		return showDesk(c, http.StatusUnprocessableEntity, c.InputText(wrong))
	}
	if err != nil {
		return refused(err)
	}
	return c.Redirect("/ring/desk", "ring-decided")
}

// devices are the catalogue's for a form, those of which the member has a
// handset first.
func devices(tx *db.Tx, mine []string, chosen string) (all []page.Choice, err error) {
	cat, err := page.ReadCatalogue(tx)
	if err != nil {
		return nil, err
	}
	all = cat.Choices(chosen)
	slices.SortStableFunc(all, func(a, b page.Choice) int {
		have := func(x page.Choice) int {
			if slices.Contains(mine, x.Value) {
				return 0
			}
			return 1
		}
		return have(a) - have(b)
	})
	return all, nil
}

// known refuses a device that the catalogue does not have.
func known(tx *db.Tx, codename string) error {
	cat, err := page.ReadCatalogue(tx)
	if _, ok := cat.Names[codename]; err == nil && !ok {
		err = member.NewInvalid("channel", "device-unknown", "there is no such device")
	}
	return err
}
