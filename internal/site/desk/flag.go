package desk

import (
	"errors"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/moderation"
	"github.com/fridayos/friday/internal/reputation"
	"github.com/fridayos/friday/internal/site/page"
)

type flagView struct {
	subjectView
	Action       string
	Flagged      bool
	Reasons      []page.Choice
	Note         string
	Field, Error string
}

// Flag shows the form by which a member says that something is wrong here.
func Flag(c *page.Call) error { return showFlag(c, nil) }

func showFlag(c *page.Call, refused *feedback.InputError) error {
	var v flagView
	err := c.Read(func(tx *db.Tx) error {
		s, err := named(c, tx)
		if err != nil {
			return err
		}
		v.subjectView = viewSubject(c, s)
		v.Flagged, err = moderation.Flagged(tx, s.Subject, c.Viewer.ID)
		return err
	})
	if err != nil {
		return err
	}
	v.Action = c.R.URL.Path
	chosen := c.R.PostForm.Get("reason")
	for _, r := range moderation.Reasons() {
		v.Reasons = append(v.Reasons, page.Choice{Value: string(r), Word: c.Text.T("moderation.reason." + string(r)), On: string(r) == chosen})
	}
	v.Note = c.R.PostForm.Get("note")
	status := 200
	if refused != nil {
		v.Field, v.Error, status = refused.Field, refused.Message, 422
	}
	return c.Render(status, "flag", page.Page{Title: c.Text.T("flag.headline"), Nav: "threads", Body: v})
}

// Raise takes it.
func Raise(c *page.Call) error {
	if !c.Site.Limits.Act(c.Viewer.ID) {
		return page.ErrTooOften
	}
	f := c.R.PostForm
	to := "/"
	err := c.Write(func(tx *db.Tx) error {
		s, err := named(c, tx)
		if err != nil {
			return err
		}
		to = s.Path
		by := moderation.Flagger{ID: c.Viewer.ID, Name: c.Viewer.Name, Level: int(c.Viewer.Level), Origin: moderation.Origin(c.Site.BaseURL, c.Address(), tx.Now())}
		effects, err := moderation.Raise(tx, s.About, by, moderation.Reason(f.Get("reason")), f.Get("note"))
		if err != nil {
			return refuse(c, err)
		}
		if len(effects) > 0 {
			to = "/t" // it has just gone out of sight
		}
		return reputation.Apply(tx, 0, effects)
	})
	var input *feedback.InputError
	if errors.As(err, &input) {
		return showFlag(c, input)
	}
	if err != nil {
		return err
	}
	return c.Redirect(withoutPlace(to), "flagged")
}
