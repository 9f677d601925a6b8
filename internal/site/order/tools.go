package order

import (
	"errors"
	"time"
	"unicode/utf8"

	"github.com/fridayos/friday/internal/crash"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/feedback/order"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/site/page"
	"github.com/fridayos/friday/internal/site/tell"
)

type toolsView struct {
	ID                    int64
	Path, Title, Lang     string
	Pinned                bool
	Kinds, Parts, Devices []page.Choice
	Posts                 []lineOf // that can be split off
	Merged                []mergedView
	Hints                 []hintView
}

// lineOf is a post in a word.
type lineOf struct {
	ID        int64
	By, Words string
	At        time.Time
}

type mergedView struct {
	ID        int64
	Title, By string
	At        time.Time
	CanUndo   bool
}

type hintView struct {
	ID    int64
	Title string
	Count int
}

// mostPosts that the page of tools lists: the last ones.
const mostPosts = 60

// Tools shows what a moderator can do to a thread.
func Tools(c *page.Call) error {
	var v toolsView
	err := read(c, func(tx *db.Tx, t feedback.Thread) error {
		v = toolsView{ID: t.ID, Path: page.ThreadPath(t.ID, t.Title), Title: t.Title, Lang: t.Lang, Pinned: t.Pinned}
		cat, err := page.ReadCatalogue(tx)
		if err != nil {
			return err
		}
		var on []string
		for _, d := range t.Devices {
			on = append(on, d.Device)
		}
		v.Devices = cat.Choices(on...)
		for _, k := range feedback.Kinds() {
			v.Kinds = append(v.Kinds, page.Choice{Value: string(k), Word: tell.Kind(c.Text, k), On: k == t.Kind})
		}
		for _, p := range feedback.Parts() {
			v.Parts = append(v.Parts, page.Choice{Value: p, Word: tell.Part(c.Text, p), On: p == t.Part})
		}
		return v.fill(c, tx, t)
	})
	if err != nil {
		return err
	}
	return c.Show("tools", page.Page{Title: c.Text.T("tools.title", "Title", v.Title), Nav: "threads", Body: v})
}

func (v *toolsView) fill(c *page.Call, tx *db.Tx, t feedback.Thread) error {
	viewer, who := c.Viewer.InForum(), page.Names{}
	posts, err := feedback.Posts(tx, viewer, t.ID)
	if err != nil {
		return err
	}
	for i, p := range posts {
		if i == 0 || i < len(posts)-mostPosts {
			continue
		}
		name, err := who.Of(tx, p.AuthorID)
		if err != nil {
			return err
		}
		v.Posts = append(v.Posts, lineOf{ID: p.ID, By: name, At: p.At, Words: beginning(p.Body, 80)})
	}
	merged, err := order.MergedInto(tx, viewer, t.ID)
	if err != nil {
		return err
	}
	for _, m := range merged {
		name, err := who.Of(tx, m.Actor)
		if err != nil {
			return err
		}
		v.Merged = append(v.Merged, mergedView{ID: m.Source, Title: m.Title, By: name, At: m.At, CanUndo: c.Now().Sub(m.At) <= order.UndoTime})
	}
	hints, err := order.Hints(tx, viewer)
	if err != nil {
		return err
	}
	for _, h := range hints {
		if h.ThreadID == t.ID {
			other, err := feedback.ByID(tx, viewer, h.OtherID)
			if err != nil {
				return err
			}
			v.Hints = append(v.Hints, hintView{ID: other.ID, Title: other.Title, Count: h.Count})
		}
	}
	return nil
}

func beginning(s string, characters int) string {
	if utf8.RuneCountInString(s) <= characters {
		return s
	}
	return string([]rune(s)[:characters]) + "…"
}

// flip runs one of a moderator's switches.
func flip(c *page.Call, on, off string, do func(tx *db.Tx, threadID, actor int64, on bool) error) error {
	return c.OnThread("ordered", func(tx *db.Tx, t feedback.Thread) (string, error) {
		action := off
		if c.On() {
			action = on
		}
		if err := do(tx, t.ID, c.Viewer.ID, c.On()); err != nil {
			return "", err
		}
		return "", note(c, tx, action, t.ID)
	})
}

// Pin pins a thread, or lets it go.
func Pin(c *page.Call) error { return flip(c, "thread.pin", "thread.unpin", feedback.Pin) }

// place reads where a thread is to go.
func place(c *page.Call, tx *db.Tx) (order.Place, error) {
	f := c.R.PostForm
	p := order.Place{Title: f.Get("title"), Kind: feedback.Kind(f.Get("kind")), Part: f.Get("part"), Lang: f.Get("lang"), Devices: f["device"]}
	return p, page.Known(tx, p.Devices...)
}

// Move gives a thread another title, kind, part, language or devices.
func Move(c *page.Call) error {
	return c.OnThread("ordered", func(tx *db.Tx, t feedback.Thread) (string, error) {
		p, err := place(c, tx)
		if err == nil {
			err = order.Move(tx, c.Viewer.ID, t.ID, p)
		}
		if err != nil {
			return "", err
		}
		return page.ThreadPath(t.ID, p.Title), note(c, tx, "thread.move", t.ID)
	})
}

// target is the thread that a form names by its number, if the viewer sees it.
func target(c *page.Call, tx *db.Tx, field string) (feedback.Thread, error) {
	t, err := feedback.ByID(tx, c.Viewer.InForum(), id(c.R.PostForm.Get(field)))
	if errors.Is(err, feedback.ErrNotFound) {
		err = page.Refuse(field, c.Text.T("tools.no-thread"))
	}
	return t, err
}

// Merge makes a thread part of another.
func Merge(c *page.Call) error {
	return c.OnThread("merged", func(tx *db.Tx, t feedback.Thread) (string, error) {
		into, err := target(c, tx, "into")
		if err == nil {
			err = order.Merge(tx, c.Viewer.ID, t.ID, into.ID)
		}
		if err == nil {
			err = crashWords(tx, into.ID)
		}
		if err != nil {
			return "", err
		}
		return page.ThreadPath(into.ID, into.Title), note(c, tx, "thread.merge", t.ID)
	})
}

// crashWords makes a thread found by the crashes of all that is in it now.
func crashWords(tx *db.Tx, thread int64) error {
	all, err := feedback.Gathered(tx, thread)
	if err != nil {
		return err
	}
	return crash.Words(tx, thread, all...)
}

// Unmerge takes a thread out of the one that the address names.
func Unmerge(c *page.Call) error {
	return c.OnThread("ordered", func(tx *db.Tx, t feedback.Thread) (string, error) {
		source := id(c.R.PostForm.Get("source"))
		merged, err := order.MergedInto(tx, c.Viewer.InForum(), t.ID)
		if err != nil {
			return "", err
		}
		for _, m := range merged {
			if m.Source == source {
				if err := order.Unmerge(tx, c.Viewer.ID, source); err != nil {
					return "", err
				}
				if err := crashWords(tx, source); err != nil {
					return "", err
				}
				return "", note(c, tx, "thread.unmerge", source)
			}
		}
		return "", page.Refuse("source", c.Text.T("tools.no-thread"))
	})
}

// Split makes posts a thread of their own.
func Split(c *page.Call) error {
	return c.OnThread("ordered", func(tx *db.Tx, t feedback.Thread) (string, error) {
		p, err := place(c, tx)
		if err != nil {
			return "", err
		}
		var posts []int64
		for _, s := range c.R.PostForm["post"] {
			posts = append(posts, id(s))
		}
		made, err := order.Split(tx, c.Viewer.ID, t.ID, posts, p)
		if err != nil {
			return "", err
		}
		return page.ThreadPath(made.ID, made.Title), note(c, tx, "thread.split", t.ID)
	})
}

// Point notes that a member takes a thread for a duplicate.
func Point(c *page.Call) error {
	return c.OnThread("pointed", func(tx *db.Tx, t feedback.Thread) (string, error) {
		other, err := target(c, tx, "other")
		if err == nil {
			err = order.Point(tx, c.Viewer.InForum(), t.ID, other.ID)
		}
		return "", err
	})
}

// sees says whether the viewer is one of those whom a private thread names; its
// author is not, and neither is anyone of a thread that everyone sees.
func sees(c *page.Call, tx *db.Tx, t feedback.Thread) error {
	if !t.Private {
		return page.Refuse("thread", c.Text.T("tools.public"))
	}
	named, err := order.Named(tx, c.Viewer.InForum(), t.ID)
	if err != nil {
		return err
	}
	for _, m := range named {
		if m == c.Viewer.ID {
			return nil
		}
	}
	return page.ErrForbidden
}

// Publish opens a private thread to everyone, by the word of a maintainer whom
// it names.
func Publish(c *page.Call) error {
	return c.OnThread("opened", func(tx *db.Tx, t feedback.Thread) (string, error) {
		if err := sees(c, tx, t); err != nil {
			return "", err
		}
		if err := feedback.Publish(tx, t.ID, c.Viewer.ID); err != nil {
			return "", err
		}
		return "", note(c, tx, "thread.publish", t.ID)
	})
}

// Name shows a private thread to another maintainer.
func Name(c *page.Call) error {
	return c.OnThread("named", func(tx *db.Tx, t feedback.Thread) (string, error) {
		if err := sees(c, tx, t); err != nil {
			return "", err
		}
		m, err := member.ByName(tx, c.R.PostForm.Get("name"))
		if page.IsMissing(err) || err == nil && !m.Is(member.Maintainer) {
			return "", page.Refuse("name", c.Text.T("tools.no-maintainer"))
		}
		if err != nil {
			return "", err
		}
		return "", order.Name(tx, c.Viewer.InForum(), t.ID, m.ID)
	})
}
