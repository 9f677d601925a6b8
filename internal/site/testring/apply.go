package testring

import (
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/member/ring"
	"github.com/fridayos/friday/internal/mistake"
	"github.com/fridayos/friday/internal/reputation"
	"github.com/fridayos/friday/internal/site/page"
)

type applyView struct {
	Channel, About, Score, Error string
	Passed                       bool
	Next                         time.Time // of the next try; zero: now
	Quiz                         []ring.Question
	Wrong                        []ring.Question // that were answered wrong, just now
	Devices                      []page.Choice
	Mine                         string // names of the phones that the member has claimed
	Why                          string
}

// Apply is the quiz of a channel and, once it is passed, the application.
func Apply(c *page.Call) error { return showApply(c, http.StatusOK, applyView{}) }

func channelOf(c *page.Call) (string, error) {
	channel := c.R.PathValue("channel")
	if !slices.Contains(ring.Channels(), channel) {
		return "", page.ErrNotFound
	}
	return channel, nil
}

func showApply(c *page.Call, status int, v applyView) error {
	channel, err := channelOf(c)
	if err != nil {
		return err
	}
	v.Channel, v.About = channel, c.Text.T("ring.about."+channel)
	err = c.Read(func(tx *db.Tx) (err error) {
		if v.Passed, err = ring.Passed(tx, c.Viewer.ID, channel); err != nil {
			return err
		}
		if v.Passed {
			return v.form(c, tx)
		}
		var try int
		if v.Next, try, err = ring.NextTry(tx, c.Viewer.ID, channel); err != nil || !v.Next.IsZero() {
			return err
		}
		v.Quiz, err = ring.Quiz(channel, c.Text.Lang, uint64(c.Viewer.ID)+uint64(try)) //nolint:gosec // an order, no number that counts
		return err
	})
	if err != nil {
		return err
	}
	return c.Render(status, "ring-apply", page.Page{Title: c.Text.T("ring.apply", "Channel", channel), Nav: "me", Body: v})
}

func (v *applyView) form(c *page.Call, tx *db.Tx) error {
	mine, err := claimed(tx, c.Viewer.ID)
	if err != nil {
		return err
	}
	chosen := c.R.PostForm.Get("device")
	if chosen == "" {
		chosen = c.R.URL.Query().Get("device")
	}
	if chosen == "" && len(mine) > 0 {
		chosen = mine[0]
	}
	if v.Devices, err = devices(tx, mine, chosen); err != nil {
		return err
	}
	var names []string
	for _, d := range v.Devices {
		if slices.Contains(mine, d.Value) {
			names = append(names, d.Word)
		}
	}
	v.Mine = strings.Join(names, ", ")
	return nil
}

// Answer judges the answers to the quiz.
func Answer(c *page.Call) error {
	channel, err := channelOf(c)
	if err != nil {
		return err
	}
	if !c.Site.Limits.Act(c.Viewer.ID) {
		return page.ErrTooOften
	}
	questions, err := ring.Quiz(channel, c.Text.Lang, 0)
	if err != nil {
		return err
	}
	answers := map[string]string{}
	for _, q := range questions {
		answers[q.Key] = c.R.PostForm.Get(q.Key)
	}
	var r ring.Result
	err = c.Write(func(tx *db.Tx) (err error) {
		r, err = ring.TakeQuiz(tx, c.Viewer.ID, channel, answers)
		return err
	})
	if err != nil {
		return refused(err)
	}
	if r.Passed {
		return c.Redirect("/ring/"+channel, "ring-passed")
	}
	v := applyView{Score: c.Text.T("ring.score", "Right", r.Right, "Of", r.Of)}
	for _, q := range questions {
		if slices.Contains(r.Wrong, q.Key) {
			v.Wrong = append(v.Wrong, q)
		}
	}
	return showApply(c, http.StatusUnprocessableEntity, v)
}

// File files an application.
func File(c *page.Call) error {
	channel, err := channelOf(c)
	if err != nil {
		return err
	}
	if !c.Site.Limits.Act(c.Viewer.ID) {
		return page.ErrTooOften
	}
	f := c.R.PostForm
	var p ring.Place
	err = c.Write(func(tx *db.Tx) error {
		if err := known(tx, f.Get("device")); err != nil {
			return err
		}
		level, err := reputation.LevelOf(tx, c.Viewer.Member)
		if err != nil {
			return err
		}
		p, err = ring.Apply(tx, c.Viewer.Member, f.Get("device"), channel, f.Get("why"), level, ring.DefaultRule())
		return err
	})
	if wrong := mistake.Of(err); wrong != nil {
		return showApply(c, http.StatusUnprocessableEntity, applyView{Why: f.Get("why"), Error: c.InputText(wrong)})
	}
	if err != nil {
		return err
	}
	if p.State == ring.Accepted {
		return c.Redirect("/ring", "ring-accepted")
	}
	return c.Redirect("/ring", "ring-applied")
}
