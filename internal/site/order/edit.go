package order

import (
	"slices"
	"strings"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/feedback/revision"
	"github.com/fridayos/friday/internal/feedback/stake"
	"github.com/fridayos/friday/internal/feedback/text"
	"github.com/fridayos/friday/internal/site/page"
	"github.com/fridayos/friday/internal/site/tongue"
)

type editView struct {
	ID                       int64
	Mine                     bool // files may be added
	BadFile                  string
	Path, Title, Text, Error string
}

// post reads the post that the address names.
func post(c *page.Call, tx *db.Tx) (feedback.Post, feedback.Thread, error) {
	p, _, err := feedback.PostByID(tx, c.Viewer.InForum(), id(c.R.PathValue("post")))
	if err != nil {
		return p, feedback.Thread{}, err
	}
	t, err := feedback.ByID(tx, c.Viewer.InForum(), p.ThreadID)
	return p, t, err
}

// Edit shows the form to change one's post.
func Edit(c *page.Call) error { return showEdit(c, 200, nil) }

func showEdit(c *page.Call, status int, wrong *feedback.InputError) error {
	var v editView
	err := c.Read(func(tx *db.Tx) error {
		p, t, err := post(c, tx)
		if err != nil {
			return err
		}
		if !c.Viewer.InForum().MayEdit(t, p) {
			return page.ErrForbidden
		}
		v = editView{ID: p.ID, Mine: p.AuthorID == c.Viewer.ID, Path: "/p/" + number(p.ID), Title: t.Title, Text: p.Body}
		return nil
	})
	if err != nil {
		return err
	}
	if wrong != nil {
		v.Text, v.Error = c.R.PostForm.Get("body"), c.InputText(wrong)
		if wrong.Field == "file" {
			v.Error, v.BadFile = "", v.Error
		}
	}
	return c.Render(status, "edit", page.Page{Title: c.Text.T("edit.title"), Nav: "threads", Body: v})
}

// DoEdit changes a post.
func DoEdit(c *page.Call) error {
	if !c.Site.Limits.Post(c.Viewer.ID) {
		return page.ErrTooOften
	}
	to, thread := "", int64(0)
	err := c.Write(func(tx *db.Tx) error {
		p, t, err := post(c, tx)
		if err != nil {
			return err
		}
		if !c.Viewer.InForum().MayEdit(t, p) {
			return page.ErrForbidden
		}
		if p.AuthorID != c.Viewer.ID {
			if err := note(c, tx, "post.edit", t.ID); err != nil {
				return err
			}
		}
		to, thread = "/p/"+number(p.ID), t.ID
		body := c.R.PostForm.Get("body")
		past, err := c.WeighEdit(tx, body)
		if err != nil {
			return err
		}
		if p.AuthorID != c.Viewer.ID { // nobody puts files into another's words
			if c.HasFiles() {
				return page.ErrForbidden
			}
			_, err = revision.Edit(tx, c.Viewer.InForum(), p.ID, body)
			return err
		}
		if _, err = revision.Edit(tx, c.Viewer.InForum(), p.ID, body); err != nil {
			return err
		}
		held, err := c.Published(tx, page.WrittenIn(t, p, body), past)
		if held {
			to = "/me/record?done=held"
		}
		return err
	})
	if wrong := refused(err); wrong != nil {
		return showEdit(c, 422, wrong)
	}
	if err != nil {
		return err
	}
	return c.Answered(to, "", thread)
}

type historyView struct {
	Path, Title    string
	Versions       []versionView // newest first, of this page
	Number, Pages  int
	Earlier, Later string
}

type versionView struct {
	By, Lang string
	At       time.Time
	First    bool
	Lines    []lineView
}

// lineView is a line that stayed, went or came.
type lineView struct{ Mark, Text string }

// A page of history holds so much text, and so many lines around a change.
const (
	historyBudget = 24_000
	around        = 2
)

// History shows what a post said, and what each edit changed.
func History(c *page.Call) error {
	var v historyView
	err := c.Read(func(tx *db.Tx) error {
		v = historyView{}
		_, t, err := post(c, tx)
		if err != nil {
			return err
		}
		p, versions, err := revision.History(tx, c.Viewer.InForum(), id(c.R.PathValue("post")))
		if err != nil {
			return err
		}
		v.Path, v.Title = "/p/"+number(p.ID), t.Title
		who := page.Names{}
		for i, version := range versions {
			name, err := who.Of(tx, version.By)
			if err != nil {
				return err
			}
			view := versionView{By: name, At: version.At, First: i == 0, Lang: tongue.Guess(version.Body)}
			if i == 0 {
				view.Lines = changed(text.Diff(version.Body, version.Body), true)
			} else {
				view.Lines = changed(text.Diff(versions[i-1].Body, version.Body), false)
			}
			v.Versions = append(v.Versions, view)
		}
		slices.Reverse(v.Versions)
		return nil
	})
	if err != nil {
		return err
	}
	v.paginate(int(id(c.R.URL.Query().Get("page"))))
	return c.Show("history", page.Page{Title: c.Text.T("history.title"), Nav: "threads", Body: v})
}

// changed is what a comparison shows: lines that changed and a few around them,
// or all of them.
func changed(lines []text.Line, all bool) (out []lineView) {
	marks := map[text.Op]string{text.Same: "same", text.Removed: "removed", text.Added: "added"}
	near := func(i int) bool {
		for j := max(0, i-around); j <= min(len(lines)-1, i+around); j++ {
			if lines[j].Op != text.Same {
				return true
			}
		}
		return false
	}
	gap := false
	for i, l := range lines {
		if all || near(i) {
			out, gap = append(out, lineView{marks[l.Op], l.Text}), false
		} else if !gap {
			out, gap = append(out, lineView{Mark: "gap"}), true
		}
	}
	return out
}

// paginate keeps the versions that stand on a page; one that is larger than a
// page is cut, and says so by a gap at its end.
func (v *historyView) paginate(asked int) {
	var pages [][]versionView
	left := 0
	for _, version := range v.Versions {
		size := 300
		for i, l := range version.Lines {
			if size += 40 + 5*strings.Count(l.Text, "<") + len(l.Text); size > historyBudget {
				version.Lines = append(version.Lines[:i:i], lineView{Mark: "gap"})
				break
			}
		}
		if size > left {
			pages, left = append(pages, nil), historyBudget
		}
		pages[len(pages)-1] = append(pages[len(pages)-1], version)
		left -= size
	}
	v.Pages = len(pages)
	v.Number = min(max(asked, 1), v.Pages)
	v.Versions = pages[v.Number-1]
	path := v.Path + "/history?page="
	if v.Number > 1 {
		v.Earlier = path + number(int64(v.Number-1))
	}
	if v.Number < v.Pages {
		v.Later = path + number(int64(v.Number+1))
	}
}

// Accept says which post answers a question, or that none does.
func Accept(c *page.Call) error {
	return c.OnThread("accepted", func(tx *db.Tx, t feedback.Thread) (string, error) {
		return "", feedback.Accept(tx, c.Viewer.InForum(), t.ID, id(c.R.PostForm.Get("post")))
	})
}

// Mute keeps a thread's news from the viewer; watching it ends that.
func Mute(c *page.Call) error {
	return c.OnThread("muted", func(tx *db.Tx, t feedback.Thread) (string, error) {
		return "", stake.Mute(tx, c.Viewer.InForum(), t.ID)
	})
}
