package page

import (
	"strconv"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/member/trust"
	"github.com/fridayos/friday/internal/moderation"
	"github.com/fridayos/friday/internal/reputation"
	"github.com/fridayos/friday/internal/upload"
)

// Weigh checks what the viewer is about to write against what their level of
// trust allows: links, mentions and how often.
func (c *Call) Weigh(tx *db.Tx, title, body string, thread bool) (feedback.Past, error) {
	past, err := feedback.PastOf(tx, c.Viewer.ID)
	if err != nil {
		return past, err
	}
	l := trust.LimitsOf(c.Viewer.Level)
	a := moderation.Allowance{Links: l.LinksPerPost, Mentions: l.MentionsInPost, Hourly: l.PostsPerHour, Daily: l.ThreadsPerDay}
	switch {
	case past.Hour >= a.Hourly:
		return past, TooMuch(c.Text.T("trust.limit.reached", "Most", c.Text.N("trust.limit.posts.most", a.Hourly)))
	case thread && past.Threads >= a.Daily:
		return past, TooMuch(c.Text.T("trust.limit.reached", "Most", c.Text.N("trust.limit.threads.most", a.Daily)))
	}
	return past, c.bound(a, title+"\n"+body)
}

func (c *Call) bound(a moderation.Allowance, text string) error {
	if field, most := a.Check(text, c.Site.host); field != "" {
		return Refuse("body", c.Text.N("moderation.too-many."+field, most))
	}
	return nil
}

// WeighEdit is Weigh for what changes a post: how often does not matter, nor
// that it resembles what stands there.
func (c *Call) WeighEdit(tx *db.Tx, body string) (feedback.Past, error) {
	past, err := feedback.PastOf(tx, c.Viewer.ID)
	if err != nil {
		return past, err
	}
	past.Recent, past.Last = nil, time.Time{}
	l := trust.LimitsOf(c.Viewer.Level)
	return past, c.bound(moderation.Allowance{Links: l.LinksPerPost, Mentions: l.MentionsInPost}, body)
}

// Written is what the viewer has just written.
type Written struct {
	Subject     moderation.Subject // the thread, if it begins one
	Post        int64
	Title, Body string
	Private     bool // in a private thread: moderators could not look
}

// WrittenIn says what a post of a thread is to moderators: its first post is the
// thread.
func WrittenIn(t feedback.Thread, p feedback.Post, body string) Written {
	w := Written{Subject: moderation.Subject{Kind: moderation.Post, ID: p.ID}, Post: p.ID, Body: body, Private: t.Private}
	if t.Begins(p) {
		w.Subject, w.Title = moderation.Subject{Kind: moderation.Thread, ID: t.ID}, t.Title
	}
	return w
}

// Published attaches the form's files to what was just written and judges it:
// where it looks like spam it is held for a moderator, and held says so.
func (c *Call) Published(tx *db.Tx, w Written, past feedback.Past) (held bool, err error) {
	if err := c.attach(tx, upload.Ref{Kind: moderation.Post, ID: w.Post}); err != nil {
		return false, err
	}
	var took time.Duration
	if began, err := strconv.ParseInt(c.R.PostForm.Get("began"), 10, 64); err == nil && began > 0 {
		took = max(time.Second, tx.Now().Sub(time.Unix(began, 0)))
	}
	return reputation.Judge(tx, c.Viewer.Member, c.Viewer.Level, past, reputation.Writing{Subject: w.Subject, Private: w.Private,
		Writing: moderation.Writing{Title: w.Title, Body: w.Body, Home: c.Site.host, Took: took}})
}
