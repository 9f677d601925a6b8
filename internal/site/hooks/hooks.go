// Package hooks is the pages on which administrators say which servers are told
// what happens, and look at what was sent to them. Its rules are package webhook's.
package hooks

import (
	"embed"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/site/page"
	"github.com/fridayos/friday/internal/webhook"
)

// Files are the pages' templates and their messages.
//
//go:embed *.html text
var Files embed.FS

type listView struct {
	Hooks    []hookView
	Kinds    []page.Choice
	Devices  []page.Choice
	New      webhook.NewHook
	Mistaken string
	MaxNote  int
}

type hookView struct {
	ID, By             int64
	Host, Device, Note string
	URL                string // on the hook's own page
	Kinds              []string
	Made, Failing      time.Time
	Off                time.Time
	Why, Detail        string // Detail is not ours to translate
}

func (v *hookView) fill(c *page.Call, h webhook.Hook) {
	*v = hookView{ID: h.ID, By: h.CreatedBy, Host: h.Host(), Device: h.Device, Note: h.Note, URL: h.URL, Kinds: h.Kinds, Made: h.CreatedAt, Failing: h.FailingSince, Off: h.DisabledAt}
	switch {
	case h.DisabledAt.IsZero():
	case h.Why == webhook.ByHand:
		v.Why = c.Text.T("hooks.off-by", "Name", h.WhyDetail)
	case h.Why == webhook.Gone:
		v.Why, v.Detail = c.Text.T("hooks.off-gone"), h.WhyDetail
	default:
		v.Why, v.Detail = c.Text.N("hooks.off-failing", int(webhook.DisableAfter.Hours())), h.WhyDetail
	}
}

// List is every hook, and the form to add one.
func List(c *page.Call) error { return list(c, http.StatusOK, listView{}) }

func list(c *page.Call, status int, v listView) error {
	v.MaxNote = webhook.MaxNote
	err := c.Read(func(tx *db.Tx) error {
		all, err := webhook.List(tx)
		if err != nil {
			return err
		}
		v.Hooks = make([]hookView, len(all))
		for i, h := range all {
			v.Hooks[i].fill(c, h)
		}
		cat, err := page.ReadCatalogue(tx)
		if err != nil {
			return err
		}
		v.Devices = cat.Choices()
		for i, d := range v.Devices {
			v.Devices[i].On = d.Value == v.New.Device
		}
		return nil
	})
	if err != nil {
		return err
	}
	chosen := map[string]bool{}
	for _, k := range v.New.Kinds {
		chosen[k] = true
	}
	v.Kinds = nil
	for _, k := range webhook.Kinds() {
		v.Kinds = append(v.Kinds, page.Choice{Value: k, Word: k, On: chosen[k]})
	}
	return c.Render(status, "hooks", page.Page{Title: c.Text.T("hooks.title"), Nav: "hooks", Body: v})
}

// Add makes a hook and shows its secret on the page itself: an address would keep it.
func Add(c *page.Call) error {
	if !c.Site.Limits.Act(c.Viewer.ID) {
		return page.ErrTooOften
	}
	f := c.R.PostForm
	n := webhook.NewHook{URL: f.Get("url"), Kinds: f["kind"], Device: f.Get("device"), Note: f.Get("note")}
	var h webhook.Hook
	var secret string
	err := c.Write(func(tx *db.Tx) (err error) {
		if n.Device != "" {
			if err := page.Known(tx, n.Device); err != nil {
				return err
			}
		}
		h, secret, err = webhook.Add(tx, c.Site.Outward, c.Viewer.Member, n)
		return err
	})
	var invalid *webhook.Invalid
	if errors.As(err, &invalid) {
		return list(c, http.StatusUnprocessableEntity, listView{New: n, Mistaken: c.Text.T("hooks.wrong."+invalid.Field, "Most", webhook.MaxHooks, "Characters", webhook.MaxNote)})
	}
	if err != nil {
		return err
	}
	return show(c, h.ID, secret)
}

type showView struct {
	hookView
	Secret     string // that was made now; shown once
	Deliveries []deliveryView
	Older      string // address; empty: there are none
}

type deliveryView struct {
	ID, Hook           int64
	Kind, State, Error string
	Mark               string // good, bad; empty: it waits
	At, Tried, Next    time.Time
	Body               string // on its own page
	Attempts           int
	Off                bool
}

func (v *deliveryView) fill(c *page.Call, d webhook.Delivery) {
	*v = deliveryView{ID: d.ID, Hook: d.HookID, Kind: d.Kind, Error: d.Error, At: d.CreatedAt, Tried: d.TriedAt, Next: d.NextAt, Attempts: d.Attempts}
	switch {
	case !d.DoneAt.IsZero():
		v.Mark, v.State, v.Next = "good", c.Text.T("hooks.taken", "Status", d.Status, "Milliseconds", d.Took.Milliseconds()), time.Time{}
	case d.NextAt.IsZero():
		v.Mark, v.State = "bad", c.Text.N("hooks.given-up", d.Attempts)
	case d.Attempts == 0:
		v.State, v.Next = c.Text.T("hooks.waits"), time.Time{}
	default:
		v.State = c.Text.N("hooks.tried", d.Attempts)
	}
}

const onPage = 20

// Show is one hook with what was sent to it.
func Show(c *page.Call) error {
	id, err := number(c, "hook")
	if err != nil {
		return err
	}
	return show(c, id, "")
}

func number(c *page.Call, name string) (int64, error) {
	id, err := strconv.ParseInt(c.R.PathValue(name), 10, 64)
	if err != nil || id <= 0 {
		return 0, page.ErrNotFound
	}
	return id, nil
}

func path(id int64) string { return "/hooks/" + strconv.FormatInt(id, 10) }

func show(c *page.Call, id int64, secret string) error {
	before, _ := strconv.ParseInt(c.R.URL.Query().Get("before"), 10, 64) // anything else begins at the newest
	v := showView{Secret: secret}
	err := c.Read(func(tx *db.Tx) error {
		h, err := webhook.ByID(tx, id)
		if err != nil {
			return missing(err)
		}
		v.fill(c, h)
		all, err := webhook.Deliveries(tx, id, max(before, 0), onPage+1)
		if err != nil {
			return err
		}
		if len(all) > onPage {
			all = all[:onPage]
			v.Older = path(id) + "?before=" + strconv.FormatInt(all[onPage-1].ID, 10)
		}
		v.Deliveries = make([]deliveryView, len(all))
		for i, d := range all {
			v.Deliveries[i].fill(c, d)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.Show("hook", page.Page{Title: c.Text.T("hooks.of", "Host", v.Host), Nav: "hooks", Body: v})
}

func missing(err error) error {
	if errors.Is(err, webhook.ErrNotFound) {
		return page.ErrNotFound
	}
	return err
}

// Delivery is one message with what became of it.
func Delivery(c *page.Call) error {
	var v deliveryView
	err := c.Read(func(tx *db.Tx) error {
		d, h, err := delivery(c, tx)
		if err == nil {
			v.fill(c, d)
			v.Body, v.Off = indented(d.Body), !h.DisabledAt.IsZero()
		}
		return err
	})
	if err != nil {
		return err
	}
	return c.Show("delivery", page.Page{Title: c.Text.T("hooks.delivery", "Kind", v.Kind), Nav: "hooks", Body: v})
}

// delivery finds the one that the address names, of the hook that it names.
func delivery(c *page.Call, tx *db.Tx) (d webhook.Delivery, h webhook.Hook, err error) {
	hook, err := number(c, "hook")
	if err != nil {
		return d, h, err
	}
	id, err := number(c, "delivery")
	if err != nil {
		return d, h, err
	}
	if d, err = webhook.DeliveryByID(tx, id); err != nil {
		return d, h, missing(err)
	}
	if d.HookID != hook {
		return d, h, page.ErrNotFound
	}
	h, err = webhook.ByID(tx, hook)
	return d, h, missing(err)
}
