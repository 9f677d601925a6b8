package api

import (
	"strconv"
	"strings"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/device"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/feedback/poll"
)

// devicesFeed is the devices that got a release lately, each with the last of them:
// a reader shows it anew when the next one leaves.
func (c *call) devicesFeed() error {
	if _, err := c.query(); err != nil {
		return err
	}
	f := c.feed("Devices", "/d")
	err := c.read(func(tx *db.Tx) error {
		f.Entries = nil
		all, err := device.List(tx)
		if err != nil {
			return err
		}
		s, err := c.Train.Status(tx, inFeed)
		if err != nil {
			return err
		}
		for _, d := range all {
			if d.Variant != "" {
				continue
			}
			var last string
			var at time.Time
			for _, r := range s.Releases {
				if when := left(r, d.Codename); when.After(at) {
					last, at = r.Name, when
				}
			}
			if !at.IsZero() {
				f.add(c.BaseURL+"/d/"+d.Codename, d.Name+" ("+d.Codename+")", last+" has left for it.", nil, at, at, d.Vendor)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.sendFeed(f)
}

// pollsFeed is the polls of a thread, the newest first.
func (c *call) pollsFeed() error {
	if _, err := c.query(); err != nil {
		return err
	}
	var f *atomFeed
	err := c.read(func(tx *db.Tx) error {
		t, err := c.openThread(tx)
		if err != nil {
			return err
		}
		path := "/t/" + strconv.FormatInt(t.ID, 10) + "/polls"
		f = c.feed("Polls in "+t.Title, path)
		polls, err := poll.Of(tx, feedback.Viewer{}, t.ID)
		if err != nil {
			return err
		}
		for i := len(polls) - 1; i >= 0 && len(f.Entries) < inFeed; i-- {
			p := polls[i]
			author, err := c.name(tx, p.AuthorID)
			if err != nil {
				return err
			}
			var choices []string
			for _, one := range p.Choices {
				choices = append(choices, one.Words)
			}
			updated := p.At
			if p.ClosedAt.After(updated) {
				updated = p.ClosedAt
			}
			f.add(c.BaseURL+path+"#poll"+strconv.FormatInt(p.ID, 10), p.Question, strings.Join(choices, "\n"), author, p.At, updated, p.Release)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.sendFeed(f)
}
