package office

import (
	"errors"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/feedback/poll"
	"github.com/fridayos/friday/internal/site/page"
	"github.com/fridayos/friday/internal/site/tell"
)

// weeklyTime is how long the week's three questions are open.
const weeklyTime = 7 * 24 * time.Hour

// releasePoll is a poll about a release as its page shows it.
type releasePoll struct {
	Question, Path string
	Open           bool
	Voters         int
	First          string // the choice that leads; empty: the viewer has not voted, or nobody has
	Percent        int    // of those who voted
}

func releasePolls(c *page.Call, tx *db.Tx, release string) (all []releasePoll, err error) {
	const most = 12
	polls, err := poll.About(tx, c.Viewer.InForum(), release)
	if err != nil {
		return nil, err
	}
	for _, p := range polls[:min(len(polls), most)] {
		id := number(p.ThreadID)
		v := releasePoll{Question: p.Question, Path: "/t/" + id + "/polls#poll" + number(p.ID), Open: p.Open, Voters: p.Voters}
		if p.Counted && p.Voters > 0 {
			first := slices.MaxFunc(p.Choices, func(a, b poll.Choice) int { return a.Votes - b.Votes })
			v.First, v.Percent = first.Words, (100*first.Votes+p.Voters/2)/p.Voters
		}
		all = append(all, v)
	}
	return all, nil
}

func number(n int64) string { return strconv.FormatInt(n, 10) }

// AskWeekly puts the week's three questions about a release, in a thread of its own:
// what was liked, what was not good enough, what is most awaited.
func AskWeekly(c *page.Call) error {
	if !c.Site.Limits.Post(c.Viewer.ID) {
		return page.ErrTooOften
	}
	name := c.R.PathValue("release")
	var t feedback.Thread
	err := c.Write(func(tx *db.Tx) error {
		r, err := c.Site.Train.ReleaseStatus(tx, name)
		if err != nil {
			return err
		}
		polls, err := poll.About(tx, feedback.Everything(), r.Name)
		if err != nil {
			return err
		}
		if len(polls) > 0 {
			return page.Refuse("release", c.Text.T("weekly.twice", "Release", r.Name))
		}
		fixes, err := feedback.Public(tx, r.Fixes)
		if err != nil {
			return err
		}
		if t, err = feedback.New(tx, feedback.NewThread{Kind: feedback.Talk, AuthorID: c.Viewer.ID, Build: r.Name, Lang: c.Text.Lang,
			Title: c.Text.T("weekly.title", "Release", r.Name), Body: c.Text.T("weekly.body", "Release", r.Name)}); err != nil {
			return err
		}
		liked, missed, awaited, err := weeklyChoices(c, tx, fixes)
		if err != nil {
			return err
		}
		for _, q := range []struct {
			question string
			choices  []string
		}{{"liked", liked}, {"missed", missed}, {"awaited", awaited}} {
			if _, err := poll.New(tx, c.Viewer.InForum(), poll.NewPoll{ThreadID: t.ID, Question: c.Text.T("weekly."+q.question, "Release", r.Name), Choices: q.choices,
				Release: r.Name, EndsAt: tx.Now().Add(weeklyTime)}); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.Redirect("/t/"+number(t.ID)+"/polls", "polled")
}

// weeklyChoices are the answers that the three questions give: this release's fixes,
// the parts of the system, and what members want most.
func weeklyChoices(c *page.Call, tx *db.Tx, fixes []int64) (liked, missed, awaited []string, err error) {
	for _, id := range fixes {
		t, err := feedback.ByID(tx, feedback.Viewer{}, id)
		if errors.Is(err, feedback.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, nil, nil, err
		}
		liked = append(liked, t.Title)
	}
	for _, p := range feedback.Parts() {
		missed = append(missed, tell.Part(c.Text, p))
	}
	open, _, err := feedback.List(tx, feedback.Viewer{}, feedback.Filter{Open: true, Order: feedback.Hot, Limit: 8})
	if err != nil {
		return nil, nil, nil, err
	}
	for _, t := range open {
		if t.Kind.Tracked() {
			awaited = append(awaited, t.Title)
		}
	}
	other, nothing := c.Text.T("weekly.something"), c.Text.T("weekly.nothing")
	return choices(liked, 8, c.Text.T("weekly.whole"), other), choices(missed, poll.MaxChoices-1, nothing), choices(awaited, 8, other, nothing), nil
}

// choices are the first of some, each once and no longer than a choice may be, with
// those that are always there at the end.
func choices(from []string, most int, always ...string) (all []string) {
	add := func(s string) {
		if utf8.RuneCountInString(s) > poll.MaxWords {
			s = string([]rune(s)[:poll.MaxWords-1]) + "…"
		}
		if s != "" && !slices.Contains(all, s) {
			all = append(all, s)
		}
	}
	for _, s := range from {
		if len(all) < most {
			add(s)
		}
	}
	for _, s := range always {
		add(s)
	}
	return all
}
