package api

import (
	"net/http"
	"strconv"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/feedback/poll"
)

type (
	pollJSON struct {
		ID       int64        `json:"id"`
		Question string       `json:"question"`
		Author   *string      `json:"author"`
		Many     bool         `json:"many"`
		Release  string       `json:"release"`
		At       time.Time    `json:"at"`
		EndsAt   *time.Time   `json:"ends_at"`
		ClosedAt *time.Time   `json:"closed_at"`
		Open     bool         `json:"open"`
		Voters   *int         `json:"voters"`
		Choices  []choiceJSON `json:"choices"`
	}
	choiceJSON struct {
		Words string `json:"words"`
		Votes *int   `json:"votes"`
		Mine  bool   `json:"mine"`
	}
)

func (c *call) toPoll(tx *db.Tx, p poll.Poll) (pollJSON, error) {
	author, err := c.name(tx, p.AuthorID)
	out := pollJSON{ID: p.ID, Question: p.Question, Author: author, Many: p.Many, Release: p.Release, At: p.At, EndsAt: timeOrNull(p.EndsAt), ClosedAt: timeOrNull(p.ClosedAt),
		Open: p.Open, Choices: []choiceJSON{}}
	if p.Counted {
		out.Voters = &p.Voters
	}
	for _, choice := range p.Choices {
		one := choiceJSON{Words: choice.Words, Mine: choice.Mine}
		if p.Counted {
			one.Votes = &choice.Votes
		}
		out.Choices = append(out.Choices, one)
	}
	return out, err
}

func (c *call) polls() error {
	if _, err := c.query(); err != nil {
		return err
	}
	out := struct {
		Polls []pollJSON `json:"polls"`
	}{[]pollJSON{}}
	err := c.read(func(tx *db.Tx) error {
		t, err := c.visible(tx)
		if err != nil {
			return err
		}
		all, err := poll.Of(tx, c.inForum(), t.ID)
		for _, p := range all {
			one, err := c.toPoll(tx, p)
			if err != nil {
				return err
			}
			out.Polls = append(out.Polls, one)
		}
		return err
	})
	if err != nil {
		return err
	}
	return c.send(http.StatusOK, out)
}

func (c *call) putPoll() error {
	var in struct {
		Question string     `json:"question"`
		Choices  []string   `json:"choices"`
		Many     bool       `json:"many"`
		Release  string     `json:"release"`
		EndsAt   *time.Time `json:"ends_at"`
	}
	if err := c.body(&in); err != nil {
		return err
	}
	n := poll.NewPoll{Question: in.Question, Choices: in.Choices, Many: in.Many, Release: in.Release}
	if in.EndsAt != nil {
		n.EndsAt = *in.EndsAt
	}
	var out pollJSON
	err := c.write(func(tx *db.Tx) error {
		t, err := c.visible(tx)
		if err != nil {
			return err
		}
		n.ThreadID = t.ID
		id, err := poll.New(tx, c.inForum(), n)
		if err != nil {
			return err
		}
		p, err := poll.ByID(tx, c.inForum(), id)
		if err == nil {
			out, err = c.toPoll(tx, p)
		}
		return err
	})
	if err != nil {
		return err
	}
	return c.send(http.StatusCreated, out)
}

// onPoll does one thing to a poll of the thread of the address.
func (c *call) onPoll(fn func(tx *db.Tx, id int64) error) error {
	return c.on(func(tx *db.Tx, t feedback.Thread) error {
		id, err := strconv.ParseInt(c.r.PathValue("poll"), 10, 64)
		if err != nil {
			return errHidden
		}
		p, err := poll.ByID(tx, c.inForum(), id)
		if err == nil && p.ThreadID != t.ID {
			err = errHidden
		}
		if err != nil {
			return err
		}
		return fn(tx, p.ID)
	})
}

func (c *call) votePoll() error {
	var in struct {
		Choices []int `json:"choices"`
	}
	if err := c.body(&in); err != nil {
		return err
	}
	return c.onPoll(func(tx *db.Tx, id int64) error { return poll.Vote(tx, c.inForum(), id, in.Choices...) })
}

func (c *call) unvotePoll() error {
	return c.onPoll(func(tx *db.Tx, id int64) error { return poll.Vote(tx, c.inForum(), id) })
}

func (c *call) endPoll() error {
	return c.onPoll(func(tx *db.Tx, id int64) error { return poll.Close(tx, c.inForum(), id) })
}
