package forum

import (
	"errors"
	"strconv"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/feedback/stake"
	"github.com/fridayos/friday/internal/site/page"
)

// onThread runs a form on the thread that the address names, if the viewer may
// see it, and goes back to it.
func onThread(c *page.Call, done string, fn func(tx *db.Tx, t feedback.Thread) error) error {
	return c.OnThread(done, func(tx *db.Tx, t feedback.Thread) (string, error) {
		return page.ThreadPath(t.ID, t.Title), fn(tx, t)
	})
}

// Reply takes a post, and shows it.
func Reply(c *page.Call) error {
	if !c.Site.Limits.Post(c.Viewer.ID) {
		return page.ErrTooOften
	}
	body := c.R.PostForm.Get("body")
	var quotes []int64
	if q, err := strconv.ParseInt(c.R.PostForm.Get("quote"), 10, 64); err == nil {
		quotes = append(quotes, q)
	}
	err := c.OnThread("", func(tx *db.Tx, t feedback.Thread) (string, error) {
		past, err := c.Weigh(tx, "", body, false)
		if err != nil {
			return "", err
		}
		p, err := feedback.Reply(tx, c.Viewer.InForum(), t.ID, body, quotes...)
		if err != nil {
			return "", err
		}
		held, err := c.Published(tx, page.WrittenIn(t, p, body), past)
		if held || err != nil {
			return "/me/record?done=held", err
		}
		_, number, err := feedback.PostByID(tx, c.Viewer.InForum(), p.ID)
		return postPath(page.ThreadPath(t.ID, t.Title), number, p.ID), err
	})
	var input *feedback.InputError
	if errors.As(err, &input) {
		return showThread(c, body, input)
	}
	return err
}

// Vote sets or takes back a vote.
func Vote(c *page.Call) error {
	return onThread(c, "", func(tx *db.Tx, t feedback.Thread) error { return stake.Vote(tx, c.Viewer.InForum(), t.ID, c.On()) })
}

// Watch sets or ends a watch.
func Watch(c *page.Call) error {
	return onThread(c, "", func(tx *db.Tx, t feedback.Thread) error { return stake.Watch(tx, c.Viewer.InForum(), t.ID, c.On()) })
}

// MeToo says that the viewer has it on a device too.
func MeToo(c *page.Call) error {
	d := c.R.PostForm.Get("device")
	return onThread(c, "", func(tx *db.Tx, t feedback.Thread) error {
		if d != feedback.AnyDevice {
			if err := page.Known(tx, d); err != nil {
				return err
			}
		}
		return stake.MeToo(tx, c.Viewer.InForum(), t.ID, d)
	})
}

// Answer takes the answer to "does it work now?".
func Answer(c *page.Call) error {
	verdict := feedback.Verdict(c.R.PostForm.Get("verdict"))
	said := string(verdict)
	return onThread(c, said, func(tx *db.Tx, t feedback.Thread) error {
		return feedback.Answer(tx, c.Viewer.InForum(), t.ID, c.R.PostForm.Get("device"), verdict)
	})
}

// Object takes the author's objection.
func Object(c *page.Call) error {
	return onThread(c, "objected", func(tx *db.Tx, t feedback.Thread) error {
		return feedback.Object(tx, c.Viewer.InForum(), t.ID, c.R.PostForm.Get("reason"))
	})
}

// Mark takes a maintainer's word.
func Mark(c *page.Call) error {
	f := c.R.PostForm
	return onThread(c, "marked", func(tx *db.Tx, t feedback.Thread) error {
		d := f.Get("device")
		if !c.Viewer.SpeaksForAll(t, d) {
			return page.ErrForbidden
		}
		w := feedback.Word{State: feedback.State(f.Get("state")), Device: d, Reason: f.Get("reason"), Fixed: f.Get("fixed") == "yes"}
		if w.Fixed {
			var err error
			if w.Build, err = buildOf(c, tx, t, d, f.Get("build")); err != nil {
				return err
			}
		}
		return feedback.Mark(tx, c.Viewer.ID, t.ID, w)
	})
}
