package forum

import (
	"html/template"
	"strconv"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/site/markdown"
	"github.com/fridayos/friday/internal/site/page"
)

// postPath is where a post stands in its thread.
func postPath(path string, number int, id int64) string {
	return pageOf(path, number) + "#p" + strconv.FormatInt(id, 10)
}

// visiblePost reads the post that the address names, if the viewer may see its
// thread.
func visiblePost(c *page.Call, tx *db.Tx) (feedback.Post, feedback.Thread, int, error) {
	id, err := strconv.ParseInt(c.R.PathValue("post"), 10, 64)
	if err != nil {
		return feedback.Post{}, feedback.Thread{}, 0, page.ErrNotFound
	}
	p, number, err := feedback.PostByID(tx, c.Viewer.InForum(), id)
	if err != nil {
		return feedback.Post{}, feedback.Thread{}, 0, err
	}
	t, err := visible(c, tx, p.ThreadID)
	return p, t, number, err
}

// Post leads to where a post stands, whatever page that is by now.
func Post(c *page.Call) error {
	var to string
	err := c.Read(func(tx *db.Tx) error {
		p, t, number, err := visiblePost(c, tx)
		to = postPath(page.ThreadPath(t.ID, t.Title), number, p.ID)
		return err
	})
	if err != nil {
		return err
	}
	return c.Redirect(to, "")
}

type postView struct {
	ID                    int64
	Path, Title, Lang, By string
	From                  string // another service: who wrote it there
	At                    time.Time
	HTML                  template.HTML
	Number, Pages         int
	Earlier, Later        string
}

// WholePost is one post that is too long for its thread, in parts.
func WholePost(c *page.Call) error {
	var v postView
	var body string
	var own []markdown.Picture
	err := c.Read(func(tx *db.Tx) error {
		p, t, number, err := visiblePost(c, tx)
		if err != nil {
			return err
		}
		v = postView{ID: p.ID, Path: postPath(page.ThreadPath(t.ID, t.Title), number, p.ID), Title: t.Title, At: p.At, Lang: written(t, p.Body)}
		body = p.Body
		files, err := filesOf(tx, []feedback.Post{p})
		if err != nil {
			return err
		}
		own = page.Pictures(files[p.ID])
		if v.By, err = (page.Names{}).Of(tx, p.AuthorID); err == nil {
			v.From, err = page.Elsewhere(tx, p.AuthorID)
		}
		return err
	})
	if err != nil {
		return err
	}
	parts := c.Site.Markdown.Parts(body, partBudget, own...)
	asked, _ := strconv.Atoi(c.R.URL.Query().Get("page"))
	v.Pages = len(parts)
	v.Number = min(max(asked, 1), v.Pages)
	v.HTML = parts[v.Number-1]
	path := "/p/" + strconv.FormatInt(v.ID, 10) + "/whole"
	if v.Number > 1 {
		v.Earlier = pageOf(path, v.Number-1)
	}
	if v.Number < v.Pages {
		v.Later = pageOf(path, v.Number+1)
	}
	return c.Show("post", page.Page{Title: c.Text.T("post.title", "Title", v.Title), Nav: "threads", Body: v})
}
