package desk

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/moderation"
	"github.com/fridayos/friday/internal/site/page"
	"github.com/fridayos/friday/internal/upload"
)

type recordView struct {
	Suspended time.Time
	Decisions []decisionView
	Waiting   []caseRow // held or hidden until a moderator has looked
	Trail     []logRow
}

// Record is what was decided about one's own posts, and why.
func Record(c *page.Call) error {
	var v recordView
	err := c.Read(func(tx *db.Tx) error {
		standing, err := moderation.StandingOf(tx, c.Viewer.ID)
		if err != nil {
			return err
		}
		v.Suspended = standing.Suspension.Until
		all, err := moderation.Of(tx, c.Viewer.ID)
		if err != nil {
			return err
		}
		if v.Decisions, err = viewDecisions(c, tx, page.Names{}, all); err != nil {
			return err
		}
		waiting, err := moderation.WaitingOf(tx, c.Viewer.ID)
		if err != nil {
			return err
		}
		for _, k := range waiting {
			v.Waiting = append(v.Waiting, caseRow{Path: subjectPath(k.Subject), What: c.Text.T("moderation.kind." + k.Subject.Kind), Held: k.Held, Hidden: k.AutoHidden, At: k.OpenedAt})
		}
		trail, err := moderation.Trail(tx, c.Viewer.ID, 0, 100)
		v.Trail = logRows(c, trail, subjectPath)
		return err
	})
	if err != nil {
		return err
	}
	return c.Show("record", page.Page{Title: c.Text.T("record.headline"), Nav: "me", Body: v})
}

// Appeal files one's appeal.
func Appeal(c *page.Call) error {
	if !c.Site.Limits.Act(c.Viewer.ID) {
		return page.ErrTooOften
	}
	id, err := number(c.R.PathValue("decision"))
	if err != nil {
		return err
	}
	err = c.Write(func(tx *db.Tx) error {
		return moderation.File(tx, actor(c), id, c.R.PostForm.Get("words"))
	})
	if err != nil {
		return refuse(c, err)
	}
	return c.Redirect("/me/record", "appealed")
}

// File serves a picture or attachment to whoever may see what it belongs to.
func File(c *page.Call) error {
	if c.Site.Uploads == nil {
		return page.ErrNotFound
	}
	id, err := number(c.R.PathValue("id"))
	if err != nil {
		return err
	}
	var f upload.File
	if err := c.Read(func(tx *db.Tx) (err error) { f, err = visibleFile(c, tx, id); return err }); err != nil {
		return err
	}
	small := c.R.URL.Query().Get("small") == "1"
	if c.R.PathValue("name") != f.Name { // its one address, so that browsers keep it once
		to := url.URL{Path: "/u/" + strconv.FormatInt(f.ID, 10) + "/" + f.Name, RawQuery: c.R.URL.RawQuery}
		return c.Redirect(to.String(), "")
	}
	if c.Site.UploadsURL != "" {
		c.W.Header().Set("Cache-Control", "private, no-store")
		http.Redirect(c.W, c.R, strings.TrimSuffix(c.Site.UploadsURL, "/")+f.SignedPath(small, c.Now()), http.StatusSeeOther)
		return nil
	}
	return c.Site.Uploads.Serve(c.W, c.R, f, small, false)
}

// visibleFile reads a file that the viewer may see: one attached to a post that
// they may read, or one of their own that is attached to nothing yet.
func visibleFile(c *page.Call, tx *db.Tx, id int64) (upload.File, error) {
	f, err := upload.ByID(tx, id)
	if err != nil {
		return upload.File{}, err
	}
	switch f.Subject.Kind {
	case "":
		if f.MemberID != c.Viewer.ID {
			return upload.File{}, page.ErrNotFound
		}
	case moderation.Post:
		_, err = postVisible(c, tx, f.Subject.ID)
	default:
		err = page.ErrNotFound
	}
	return f, err
}

func unmarshal(text string, into any) error { return json.Unmarshal([]byte(text), into) }

// withoutPlace drops the place on a page from an address, to add a query.
func withoutPlace(path string) string {
	path, _, _ = strings.Cut(path, "#")
	path, _, _ = strings.Cut(path, "?")
	return path
}
