package hooks

import (
	"bytes"
	"encoding/json"
	"strconv"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/site/page"
	"github.com/fridayos/friday/internal/webhook"
)

// indented is JSON as people read it.
func indented(body string) string {
	var out bytes.Buffer
	if json.Indent(&out, []byte(body), "", "  ") != nil {
		return body
	}
	return out.String()
}

// act does one thing to the hook that the address names and shows it again.
func act(c *page.Call, done string, do func(tx *db.Tx, id int64) error) error {
	id, err := number(c, "hook")
	if err != nil {
		return err
	}
	if !c.Site.Limits.Act(c.Viewer.ID) {
		return page.ErrTooOften
	}
	if err := c.Write(func(tx *db.Tx) error { return do(tx, id) }); err != nil {
		return missing(err)
	}
	return c.Redirect(path(id), done)
}

// Ping sends a message that says nothing, to try the hook.
func Ping(c *page.Call) error { return act(c, "pinged", webhook.Ping) }

// Disable switches a hook off.
func Disable(c *page.Call) error {
	return act(c, "saved", func(tx *db.Tx, id int64) error { return webhook.Disable(tx, c.Viewer.Member, id) })
}

// Enable puts it back into use.
func Enable(c *page.Call) error {
	return act(c, "saved", func(tx *db.Tx, id int64) error { return webhook.Enable(tx, c.Viewer.Member, id) })
}

// Roll makes a new secret and shows it, this once.
func Roll(c *page.Call) error {
	id, err := number(c, "hook")
	if err != nil {
		return err
	}
	if !c.Site.Limits.Act(c.Viewer.ID) {
		return page.ErrTooOften
	}
	var secret string
	if err := c.Write(func(tx *db.Tx) (err error) { secret, err = webhook.Roll(tx, c.Viewer.Member, id); return err }); err != nil {
		return missing(err)
	}
	return show(c, id, secret)
}

// Remove takes a hook away with the log of its deliveries.
func Remove(c *page.Call) error {
	id, err := number(c, "hook")
	if err != nil {
		return err
	}
	if err := c.Write(func(tx *db.Tx) error { return webhook.Remove(tx, c.Viewer.Member, id) }); err != nil {
		return missing(err)
	}
	return c.Redirect("/hooks", "saved")
}

// Again tries a delivery once more, now.
func Again(c *page.Call) error {
	if !c.Site.Limits.Act(c.Viewer.ID) {
		return page.ErrTooOften
	}
	var d webhook.Delivery
	err := c.Write(func(tx *db.Tx) (err error) {
		if d, _, err = delivery(c, tx); err != nil {
			return err
		}
		return webhook.Redeliver(tx, d.ID)
	})
	if err != nil {
		return missing(err)
	}
	return c.Redirect(path(d.HookID)+"/deliveries/"+strconv.FormatInt(d.ID, 10), "again")
}
