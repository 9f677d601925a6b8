package forum

import (
	"cmp"
	"html/template"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/moderation"
	"github.com/fridayos/friday/internal/site/line"
	"github.com/fridayos/friday/internal/site/page"
	"github.com/fridayos/friday/internal/site/tell"
	"github.com/fridayos/friday/internal/site/tongue"
	"github.com/fridayos/friday/internal/upload"
)

// What a page may hold, in bytes of HTML. The rest of 60 kB is the frame, the
// forms and the style sheet.
const (
	entriesBudget = 29_000
	postBudget    = 12_000 // of one post in its thread; beyond it the beginning is shown
	partBudget    = 34_000 // of a page that shows one post, or the way
	waysBudget    = 9_000
	stubWeight    = 450 // of a post that is only named
	reasonLength  = 400 // characters of a step's reason on a thread's page
	mostStubs     = 24  // devices that are only named
)

// entryView is a post or a step of the way, in the order of time.
type entryView struct {
	Event      bool
	ID         int64
	By, Lang   string
	From       string   // a post that came from another service: who wrote it there
	Badges     []string // a post: the author's role and medal
	At         time.Time
	HTML       template.HTML
	Cut, Stub  bool // a post: its beginning; not even that
	Files      []page.FileView
	Mine       bool // a post: the viewer's own, which they do not flag
	Hidden     bool // a post: by a moderator
	Edited     bool
	Quotes     []quoteView
	MayEdit    bool
	MayQuote   bool
	Accepted   bool // it answers the question
	MayAccept  bool
	Mark       line.Mark
	Word, Text string
	Reason     string
}

// quoteView is a post that another one quotes.
type quoteView struct {
	ID int64
	By string
}

// weight is about how many bytes of HTML e is.
func (e entryView) weight() int {
	if e.Event {
		return 420 + len(template.HTMLEscapeString(e.Reason)) + len(e.Text)
	}
	n := 470 + 70*len(e.Badges) + len(e.HTML) + 120*len(e.Quotes) + 320*len(e.Files)
	for _, with := range []bool{e.Edited, e.MayEdit, e.MayQuote, e.Accepted, e.MayAccept, e.MayAccept} {
		if with {
			n += 90
		}
	}
	return n
}

// entries are the posts of a page and what happened between its first post and
// the next page's.
func entries(c *page.Call, tx *db.Tx, t feedback.Thread, p feedback.Page, cat page.Catalogue, steps []feedback.StateChange) ([]entryView, error) {
	var all []entryView
	who := page.Names{}
	viewer := c.Viewer.InForum()
	quoted, err := feedback.QuotesOf(tx, viewer, t.ID)
	if err != nil {
		return nil, err
	}
	var from time.Time
	files, err := filesOf(tx, p.Posts)
	if err != nil {
		return nil, err
	}
	authors := make([]int64, len(p.Posts))
	for i, post := range p.Posts {
		authors[i] = post.AuthorID
	}
	badges, err := c.Badges(tx, authors)
	if err == nil {
		err = who.Read(tx, authors)
	}
	if err != nil {
		return nil, err
	}
	for i, post := range p.Posts {
		if i == 0 && p.Number > 1 {
			from = post.At
		}
		name, err := who.Of(tx, post.AuthorID)
		if err != nil {
			return nil, err
		}
		html, whole, below := c.Shown(post.Body, files[post.ID], postBudget)
		from, err := page.Elsewhere(tx, post.AuthorID)
		if err != nil {
			return nil, err
		}
		e := entryView{ID: post.ID, By: name, From: from, At: post.At, HTML: html, Cut: !whole, Hidden: post.Hidden, Lang: written(t, post.Body),
			Badges: badges[post.AuthorID], Files: below, Mine: post.AuthorID == c.Viewer.ID}
		e.Edited, e.Accepted = !post.EditedAt.IsZero(), t.AcceptedID == post.ID
		e.MayEdit, e.MayQuote = viewer.MayEdit(t, post), c.Viewer.ID != 0 && !post.Hidden && (!t.Locked || viewer.Moderates)
		e.MayAccept = t.Kind == feedback.Question && c.Viewer.ID != 0 && (t.AuthorID == c.Viewer.ID || viewer.Moderates) && (i > 0 || p.Number > 1) && !post.Hidden
		for _, q := range quoted {
			if q.PostID != post.ID {
				continue
			}
			by, err := who.Of(tx, q.AuthorID)
			if err != nil {
				return nil, err
			}
			e.Quotes = append(e.Quotes, quoteView{q.QuotedID, by})
		}
		all = append(all, e)
	}
	for _, e := range stepEntries(c, t, cat, steps) {
		if e.At.Before(from) || !p.Until.IsZero() && !e.At.Before(p.Until) {
			continue
		}
		name, err := who.Of(tx, e.ID)
		if err != nil {
			return nil, err
		}
		e.ID, e.By = 0, name
		if utf8.RuneCountInString(e.Reason) > reasonLength {
			e.Reason, e.Cut = string([]rune(e.Reason)[:reasonLength])+"…", true
		}
		all = append(all, e)
	}
	slices.SortStableFunc(all, func(a, b entryView) int { return a.At.Compare(b.At) })
	return all, nil
}

// filesOf reads the files of posts, by post; those of a post whose text the
// viewer may not read are not among them.
func filesOf(tx *db.Tx, posts []feedback.Post) (map[int64][]upload.File, error) {
	if len(posts) == 0 {
		return nil, nil
	}
	first, last := posts[0].ID, posts[0].ID
	readable := map[int64]bool{}
	for _, p := range posts {
		first, last = min(first, p.ID), max(last, p.ID)
		readable[p.ID] = p.Body != ""
	}
	all, err := upload.OfRange(tx, moderation.Post, first, last)
	by := map[int64][]upload.File{}
	for _, f := range all {
		if readable[f.Subject.ID] {
			by[f.Subject.ID] = append(by[f.Subject.ID], f)
		}
	}
	return by, err
}

// written is the language of a post: as it looks, else its thread's.
func written(t feedback.Thread, body string) string {
	return cmp.Or(tongue.Guess(body), page.Language(t))
}

// stepEntries are the steps of a thread's way, one for several phones that took
// it together. ID is who did it.
func stepEntries(c *page.Call, t feedback.Thread, cat page.Catalogue, steps []feedback.StateChange) []entryView {
	type step struct { // one word for several phones
		state feedback.State
		at    time.Time
		actor int64
	}
	together := map[step][]string{}
	for _, s := range steps {
		k := step{s.State, s.At, s.Actor}
		together[k] = append(together[k], cat.Name(s.Device))
	}
	var all []entryView
	for _, s := range steps {
		k := step{s.State, s.At, s.Actor}
		on := together[k]
		if on == nil || s.State == feedback.Reported && s.At.Equal(t.CreatedAt) {
			continue // it is said already; the first post says it
		}
		together[k] = nil
		e := entryView{Event: true, ID: s.Actor, At: s.At, Mark: tell.State(c.Text, s.State).Mark, Word: tell.StateName(c.Text, s.State), Reason: s.Reason}
		if s.Release != "" {
			e.Text = s.Release
		} else if s.Commit != "" {
			e.Text = c.Text.T("thread.commit", "Commit", s.Commit[:min(10, len(s.Commit))])
		}
		if s.Device != feedback.AnyDevice && len(on) < len(t.Devices) {
			on = on[:min(len(on), 6)]
			e.Text = strings.TrimSpace(e.Text + " " + c.Text.T("thread.on-devices", "Devices", strings.Join(on, ", ")))
		}
		all = append(all, e)
	}
	return all
}

// bound keeps entries within a budget: posts come before steps, and a post that
// does not fit is named, with the way to the whole of it. It returns how many steps
// were left out.
func bound(all []entryView, budget int) (kept []entryView, moreSteps int) {
	stubs := 0
	for _, e := range all {
		if !e.Event {
			stubs++
		}
	}
	left := budget - stubs*stubWeight
	show := make([]bool, len(all))
	for _, events := range []bool{false, true} {
		for i, e := range all {
			if e.Event != events {
				continue
			}
			w := e.weight()
			if !events {
				w -= stubWeight
			}
			if w <= left {
				left -= w
				show[i] = true
			}
		}
	}
	for i, e := range all {
		switch {
		case show[i]:
		case e.Event:
			moreSteps++
			continue
		default:
			e.HTML, e.Files, e.Cut, e.Stub = "", nil, false, true
		}
		kept = append(kept, e)
	}
	return kept, moreSteps
}

// cut puts things of these weights onto pages, in order, each at most budget; one that
// is heavier has a page to itself. It returns where each page begins.
func cut(weights []int, budget int) []int {
	starts, sum := []int{0}, 0
	for i, w := range weights {
		if sum+w > budget && i > starts[len(starts)-1] {
			starts, sum = append(starts, i), 0
		}
		sum += w
	}
	return starts
}
