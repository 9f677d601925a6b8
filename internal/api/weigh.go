package api

import (
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/feedback/measure"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/member/trust"
	"github.com/fridayos/friday/internal/moderation"
)

// A program may write no more, no oftener and nothing else than its member may on
// the pages: the same levels of trust, the same signs of spam.

// level is how far the caller is trusted.
func (c *call) level(tx *db.Tx, past feedback.Past) (trust.Level, error) {
	m := c.viewer
	if m.Moderates() || m.Is(member.Maintainer) {
		return trust.Trusted, nil
	}
	upheld, err := moderation.UpheldAgainst(tx, m.ID, tx.Now().Add(-trust.FlagTime))
	if err != nil {
		return trust.New, err
	}
	earned, err := measure.EarnedBy(tx, m.ID)
	return trust.LevelOf(trust.Counts{ConfirmedFixes: earned.ConfirmedFixes, DuplicatesFound: earned.Duplicates, AnswersAccepted: earned.Answers,
		Posts: past.Posts, Days: int(tx.Now().Sub(m.CreatedAt).Hours() / 24), FlagsUpheld: upheld}), err
}

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
	level, err := c.level(tx, past)
	if err != nil {
		return false, err
	}
	l := trust.LimitsOf(level)
	if past.Hour >= l.PostsPerHour || title != "" && past.Threads >= l.ThreadsPerDay {
		return false, &problem{Status: http.StatusTooManyRequests, Detail: "That is as much as your account may write for now.", retry: time.Hour}
	}
	a := moderation.Allowance{Links: l.LinksPerPost, Mentions: l.MentionsInPost, Hourly: l.PostsPerHour, Daily: l.ThreadsPerDay}
	if field, most := a.Check(title+"\n"+body, c.home()); field != "" {
		return false, &feedback.InputError{Field: "body", Message: fmt.Sprintf("Your account may have at most %d %s in one post.", most, field)}
	}
	subject, private, err := do()
	if err != nil {
		return false, err
	}
	var last time.Duration
	if !past.Last.IsZero() {
		last = tx.Now().Sub(past.Last)
	}
	hold, signs := moderation.Judge(moderation.Writing{Title: title, Body: body, Home: c.home()},
		moderation.Writer{Name: c.viewer.Name, Level: int(level), Age: tx.Now().Sub(c.viewer.CreatedAt), Posts: past.Posts, Recent: past.Recent, Last: last})
	if !hold || private { // of a private thread moderators could not judge
		return false, nil
	}
	effects, err := moderation.Hold(tx, moderation.About{Subject: subject, AuthorID: c.viewer.ID}, signs)
	for _, e := range effects {
		switch {
		case err != nil || e.Hidden == nil:
		case e.Kind == moderation.Post:
			err = feedback.HidePost(tx, 0, e.ID, *e.Hidden)
		case e.Kind == moderation.Thread:
			err = feedback.Hide(tx, e.ID, 0, *e.Hidden)
		}
	}
	return true, err
}
