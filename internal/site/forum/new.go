package forum

import (
	"errors"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/site/page"
	"github.com/fridayos/friday/internal/site/tongue"
)

type newView struct {
	Private                          bool
	Title, Build, Text, Field, Error string
	Kinds, Parts, Devices, Langs     []page.Choice
	Alike                            []page.ThreadRow // that it may repeat: asked before it is filed
	Report                           int64            // a log that was sent for this thread; 0: none
	CanSend                          bool             // logs are taken
}

// New shows the form of a new thread.
func New(c *page.Call) error {
	q := c.R.URL.Query()
	n := feedback.NewThread{Kind: feedback.Kind(q.Get("kind")), Devices: q["device"]}
	if n.Kind == "" {
		n.Kind = feedback.Bug
	}
	var sent int64
	if q.Get("report") != "" {
		if err := c.Read(func(tx *db.Tx) (err error) { sent, err = fromReport(c, tx, q.Get("report"), &n); return err }); err != nil {
			return err
		}
	}
	if len(n.Devices) == 0 { // one's own phone, and what it runs
		err := c.Read(func(tx *db.Tx) error {
			runs, err := feedback.Runs(tx, c.Viewer.ID)
			if len(runs) > 0 {
				n.Devices, n.Build = []string{runs[0].Device}, runs[0].Version
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return showNew(c, 200, n, sent, nil, nil)
}

func showNew(c *page.Call, status int, n feedback.NewThread, sent int64, refused *feedback.InputError, same []page.ThreadRow) error {
	v := newView{Private: n.Private, Title: n.Title, Build: n.Build, Text: n.Body, Kinds: kindChoices(c, n.Kind), Parts: partChoices(c, n.Part), Alike: same, Report: sent, CanSend: c.Site.Reports != nil}
	for _, l := range tongue.Languages() {
		v.Langs = append(v.Langs, page.Choice{Value: l.Tag, Word: l.Name, On: l.Tag == n.Lang})
	}
	if refused != nil {
		v.Field, v.Error = refused.Field, c.InputText(refused)
	}
	err := c.Read(func(tx *db.Tx) error {
		cat, err := page.ReadCatalogue(tx)
		v.Devices = cat.Choices(n.Devices...)
		return err
	})
	if err != nil {
		return err
	}
	return c.Render(status, "new", page.Page{Title: c.Text.T("new.title"), Nav: "new", Script: true, Body: v})
}

// File takes it.
func File(c *page.Call) error {
	f := c.R.PostForm
	n := feedback.NewThread{Kind: feedback.Kind(f.Get("kind")), Title: f.Get("title"), Body: f.Get("body"), AuthorID: c.Viewer.ID,
		Part: f.Get("part"), Build: f.Get("build"), Devices: f["device"],
		Private: f.Get("private") == "yes", Lang: f.Get("lang")}
	if !n.Kind.Tracked() && n.Part == "" {
		n.Devices = nil
	}
	sent, err := sentReport(f.Get("report"))
	if err != nil {
		return err
	}
	var t feedback.Thread
	var same []page.ThreadRow
	err = c.Read(func(tx *db.Tx) (err error) {
		same, err = repeats(c, tx, n, sent)
		return err
	})
	if err != nil {
		return err
	}
	if len(same) > 0 {
		return showNew(c, 409, n, sent, nil, same)
	}
	if !c.Site.Limits.Post(c.Viewer.ID) {
		return page.ErrTooOften
	}
	held := false
	err = c.Write(func(tx *db.Tx) error {
		if err := page.Known(tx, n.Devices...); err != nil {
			return err
		}
		past, err := c.Weigh(tx, n.Title, n.Body, true)
		if err != nil {
			return err
		}
		if n.Private {
			if n.Named, err = member.MaintainersOf(tx, n.Part, n.Devices...); err != nil {
				return err
			}
		}
		filed := n
		if filed.Lang == "" { // as it looks; the form's choice goes before
			filed.Lang = tongue.Guess(n.Title + "\n" + n.Body)
		}
		if t, err = feedback.New(tx, filed); err != nil {
			return err
		}
		first, err := feedback.PageAt(tx, c.Viewer.InForum(), t.ID, 1)
		if err != nil {
			return err
		}
		if held, err = c.Published(tx, page.WrittenIn(t, first.Posts[0], n.Body), past); err != nil || sent == 0 {
			return err
		}
		return c.Attach(tx, sent, t.ID, f.Get("keep") == "yes")
	})
	var input *feedback.InputError
	if errors.As(err, &input) {
		return showNew(c, 422, n, sent, input, nil)
	}
	if err != nil {
		return err
	}
	if held {
		return c.Answered("/me/record", "held", t.ID)
	}
	return c.Answered(page.ThreadPath(t.ID, t.Title), "filed", t.ID)
}
