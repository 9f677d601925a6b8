package api

import (
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/member/trust"
	"github.com/fridayos/friday/internal/moderation"
	"github.com/fridayos/friday/internal/reputation"
)

// A program may write no more, no oftener and nothing else than its member may on
// the pages: the same levels of trust, the same signs of spam.

func (c *call) home() string {
	u, err := url.Parse(c.BaseURL)
	if err != nil {
		return ""
	}
	return u.Host
}

// writing writes what a member says: do, between the bounds of their level and
// the look for spam. What looks like it is held for a moderator.
func (c *call) writing(tx *db.Tx, title, body string, do func() (s moderation.Subject, private bool, err error)) (held bool, err error) {
	past, err := feedback.PastOf(tx, c.viewer.ID)
	if err != nil {
		return false, err
	}
	level, err := reputation.LevelAfter(tx, c.viewer, past)
	if err != nil {
		return false, err
	}
	l := trust.LimitsOf(level)
	if past.Hour >= l.PostsPerHour || title != "" && past.Threads >= l.ThreadsPerDay {
		return false, &problem{Status: http.StatusTooManyRequests, Detail: "That is as much as your account may write for now.", retry: time.Hour}
	}
	a := moderation.Allowance{Links: l.LinksPerPost, Mentions: l.MentionsInPost, Hourly: l.PostsPerHour, Daily: l.ThreadsPerDay}
	if err := c.bound(a, title+"\n"+body); err != nil {
		return false, err
	}
	subject, private, err := do()
	if err != nil {
		return false, err
	}
	return reputation.Judge(tx, c.viewer, level, past, reputation.Writing{Subject: subject, Private: private,
		Writing: moderation.Writing{Title: title, Body: body, Home: c.home()}})
}

// bound refuses more links or mentions than an account may have in one post.
func (c *call) bound(a moderation.Allowance, text string) error {
	if field, most := a.Check(text, c.home()); field != "" {
		return &feedback.InputError{Field: "body", Message: fmt.Sprintf("Your account may have at most %d %s in one post.", most, field)}
	}
	return nil
}
