package notices

import (
	"encoding/json"
	"errors"
	"slices"
	"strconv"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/notice"
	"github.com/fridayos/friday/internal/site/page"
	"github.com/fridayos/friday/internal/site/tell"
)

const settings = "/notices/settings"

type settingsView struct {
	Kinds           []kindView
	MailOn, Address bool // mail is set up; the member has a confirmed address
	PushKey         string
	Browsers        []notice.Subscribed
}

type kindView struct {
	Kind, Name, About string
	Ways              []page.Choice
}

// channels are the ways that this site has.
func channels(c *page.Call) (all []notice.Channel) {
	for _, way := range notice.Channels() {
		if (way != notice.Mail || c.Site.Mail) && (way != notice.Push || c.Site.PushKey != "") {
			all = append(all, way)
		}
	}
	return all
}

// Settings is what the member is told how.
func Settings(c *page.Call) error {
	v := settingsView{MailOn: c.Site.Mail, PushKey: c.Site.PushKey}
	err := c.Read(func(tx *db.Tx) error {
		wishes, err := notice.WishesOf(tx, c.Viewer.ID)
		if err != nil {
			return err
		}
		v.Kinds = nil
		for _, k := range notice.Kinds() {
			one := kindView{Kind: string(k), Name: tell.NoticeKind(c.Text, k), About: c.Text.T("notices.about." + string(k))}
			for _, way := range channels(c) {
				one.Ways = append(one.Ways, page.Choice{Value: string(k) + "." + string(way), Word: c.Text.T("notices.way." + string(way)), On: wishes[k][way]})
			}
			v.Kinds = append(v.Kinds, one)
		}
		if v.Browsers, err = notice.Browsers(tx, c.Viewer.ID); err != nil {
			return err
		}
		a, err := member.MailOf(tx, c.Viewer.ID)
		v.Address = a.Address != "" && !a.ConfirmedAt.IsZero()
		return err
	})
	if err != nil {
		return err
	}
	return c.Show("notice-settings", page.Page{Title: c.Text.T("notices.settings"), Nav: "notices", Body: v})
}

// Save keeps what the member wants: what is ticked, and nothing else. Ways that
// the form did not offer stay as they are.
func Save(c *page.Call) error {
	if !c.Site.Limits.Act(c.Viewer.ID) {
		return page.ErrTooOften
	}
	wanted := c.R.PostForm["wish"]
	err := c.Write(func(tx *db.Tx) error {
		for _, k := range notice.Kinds() {
			for _, way := range channels(c) {
				if err := notice.Wish(tx, c.Viewer.ID, k, way, slices.Contains(wanted, string(k)+"."+string(way))); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.Redirect(settings, "saved")
}

// Subscribe takes what a browser gave its script.
func Subscribe(c *page.Call) error {
	if !c.Site.Limits.Act(c.Viewer.ID) {
		return page.ErrTooOften
	}
	if c.Site.PushKey == "" {
		return page.ErrNotFound
	}
	var b notice.Browser
	if err := json.Unmarshal([]byte(c.R.PostForm.Get("subscription")), &b); err != nil {
		return page.Refuse("subscription", c.Text.T("notices.push-wrong"))
	}
	err := c.Write(func(tx *db.Tx) error { return notice.Subscribe(tx, c.Site.Outward, c.Viewer.ID, b) })
	if errors.Is(err, notice.ErrBrowser) {
		return page.Refuse("subscription", c.Text.T("notices.push-wrong"))
	}
	if err != nil {
		return err
	}
	return c.Redirect(settings, "pushed")
}

// Unsubscribe ends pushing to one of the member's browsers.
func Unsubscribe(c *page.Call) error {
	id, err := strconv.ParseInt(c.R.PostForm.Get("browser"), 10, 64)
	if err != nil {
		return page.ErrNotFound
	}
	if err := c.Write(func(tx *db.Tx) error { return notice.Unsubscribe(tx, c.Viewer.ID, id) }); err != nil {
		return err
	}
	return c.Redirect(settings, "saved")
}
