package order

import (
	"strconv"
	"strings"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/feedback/poll"
	"github.com/fridayos/friday/internal/site/page"
)

type pollsView struct {
	ID                               int64
	Path, Title                      string
	Polls                            []pollView
	CanPut                           bool
	Field, Error                     string
	Question, Words, Release, Length string
	Many                             bool
}

type pollView struct {
	poll.Poll
	By      string
	Rows    []choiceView
	CanEnd  bool
	CanVote bool
}

type choiceView struct {
	poll.Choice
	Place   int
	Percent int // of those who voted
}

// Polls shows a thread's polls.
func Polls(c *page.Call) error { return showPolls(c, 200, nil) }

func showPolls(c *page.Call, status int, wrong *feedback.InputError) error {
	var v pollsView
	feed := ""
	err := read(c, func(tx *db.Tx, t feedback.Thread) error {
		if feed = ""; !t.Hidden && !t.Private { // feeds are a stranger's
			feed = "/api/forum/v1/threads/" + number(t.ID) + "/polls.atom"
		}
		v = pollsView{ID: t.ID, Path: page.ThreadPath(t.ID, t.Title), Title: t.Title}
		polls, err := poll.Of(tx, c.Viewer.InForum(), t.ID)
		if err != nil {
			return err
		}
		moderates := c.Viewer.May(page.Moderator)
		v.CanPut = len(polls) < poll.MaxPolls && c.Viewer.ID != 0 && (moderates || t.AuthorID == c.Viewer.ID && !t.Locked)
		who := page.Names{}
		for _, p := range polls {
			pv := pollView{Poll: p, CanVote: p.Open && c.Viewer.ID != 0, CanEnd: p.Open && c.Viewer.ID != 0 && (moderates || p.AuthorID == c.Viewer.ID)}
			if pv.By, err = who.Of(tx, p.AuthorID); err != nil {
				return err
			}
			for i, choice := range p.Choices {
				row := choiceView{Choice: choice, Place: i}
				if p.Voters > 0 {
					row.Percent = (100*choice.Votes + p.Voters/2) / p.Voters
				}
				pv.Rows = append(pv.Rows, row)
			}
			v.Polls = append(v.Polls, pv)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if wrong != nil {
		f := c.R.PostForm
		v.Field, v.Error = wrong.Field, c.InputText(wrong)
		v.Question, v.Words, v.Release, v.Length, v.Many = f.Get("question"), f.Get("choices"), f.Get("release"), f.Get("days"), f.Get("many") == "yes"
	}
	return c.Render(status, "polls", page.Page{Title: c.Text.T("polls.title", "Title", v.Title), Nav: "threads", Feed: feed, Body: v})
}

func pollsPath(t feedback.Thread) string { return "/t/" + number(t.ID) + "/polls" }

// PutPoll puts a poll to a thread.
func PutPoll(c *page.Call) error {
	f := c.R.PostForm
	n := poll.NewPoll{Question: f.Get("question"), Choices: strings.Split(f.Get("choices"), "\n"), Many: f.Get("many") == "yes", Release: f.Get("release")}
	if days, err := strconv.Atoi(f.Get("days")); err == nil && days > 0 && days <= 366 {
		n.EndsAt = c.Now().Add(time.Duration(days) * 24 * time.Hour)
	}
	err := c.OnThread("polled", func(tx *db.Tx, t feedback.Thread) (string, error) {
		n.ThreadID = t.ID
		_, err := poll.New(tx, c.Viewer.InForum(), n)
		return pollsPath(t), err
	})
	if wrong := refused(err); wrong != nil {
		return showPolls(c, 422, wrong)
	}
	return err
}

// onPoll runs a form on a poll of the thread.
func onPoll(c *page.Call, fn func(tx *db.Tx, poll int64) error) error {
	return c.OnThread("", func(tx *db.Tx, t feedback.Thread) (string, error) {
		p, err := poll.ByID(tx, c.Viewer.InForum(), id(c.R.PathValue("poll")))
		if err != nil {
			return "", err
		}
		if p.ThreadID != t.ID {
			return "", page.ErrNotFound
		}
		return pollsPath(t), fn(tx, p.ID)
	})
}

// VotePoll takes the viewer's choices.
func VotePoll(c *page.Call) error {
	var places []int
	for _, s := range c.R.PostForm["choice"] {
		n, err := strconv.Atoi(s)
		if err != nil {
			n = -1 // no choice's place
		}
		places = append(places, n)
	}
	return onPoll(c, func(tx *db.Tx, id int64) error { return poll.Vote(tx, c.Viewer.InForum(), id, places...) })
}

// EndPoll closes a poll.
func EndPoll(c *page.Call) error {
	return onPoll(c, func(tx *db.Tx, id int64) error { return poll.Close(tx, c.Viewer.InForum(), id) })
}
