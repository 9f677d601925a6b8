// Package desk is the pages that keep order in the forum: flagging, the
// moderators' queue and decisions, appeals, what was decided about one's own
// posts, and the files of posts. Its rules are those of packages moderation and
// upload; here their words meet threads, posts and members.
package desk

import (
	"embed"
	"errors"
	"strconv"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/moderation"
	"github.com/fridayos/friday/internal/site/page"
	"github.com/fridayos/friday/internal/upload"
)

// Files are the pages' templates and their messages.
//
//go:embed *.html text
var Files embed.FS

// subject is what a flag or a decision is about, as far as the viewer sees it.
type subject struct {
	moderation.About
	Title, Path string // of where it stands
	By          string // the author's name; empty: one who left
	Body        string
	Files       []upload.File
	Thread      feedback.Thread
}

// number reads an id in an address.
func number(text string) (int64, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil || id <= 0 || strconv.FormatInt(id, 10) != text {
		return 0, page.ErrNotFound
	}
	return id, nil
}

// named reads the subject that an address names: {kind} and {id}.
func named(c *page.Call, tx *db.Tx) (subject, error) {
	id, err := number(c.R.PathValue("id"))
	if err != nil {
		return subject{}, err
	}
	return read(c, tx, moderation.Subject{Kind: c.R.PathValue("kind"), ID: id})
}

// read reads a subject. What the viewer may not see is not there. A thread's
// first post goes with the thread.
func read(c *page.Call, tx *db.Tx, s moderation.Subject) (subject, error) {
	found := subject{About: moderation.About{Subject: s}}
	var err error
	switch s.Kind {
	case moderation.Post:
		err = found.readPost(c, tx)
	case moderation.Thread:
		err = found.readThread(c, tx)
	case moderation.Member:
		found.AuthorID = s.ID
	case moderation.Upload:
		err = found.readUpload(c, tx)
	default:
		err = page.ErrNotFound
	}
	if err != nil {
		return subject{}, err
	}
	return found, found.readAuthor(tx)
}

func (s *subject) readPost(c *page.Call, tx *db.Tx) error {
	p, number, err := feedback.PostByID(tx, c.Viewer.InForum(), s.ID)
	if err != nil {
		return err
	}
	t, err := feedback.ByID(tx, c.Viewer.InForum(), p.ThreadID)
	if err != nil {
		return err
	}
	if t.Begins(p) {
		s.Kind, s.ID = moderation.Thread, t.ID
		return s.readThread(c, tx)
	}
	s.Thread, s.AuthorID, s.Title, s.Body = t, p.AuthorID, t.Title, p.Body
	s.Path = page.ThreadPath(t.ID, t.Title)
	if number > 1 {
		s.Path += "?page=" + strconv.Itoa(number)
	}
	s.Path += "#p" + strconv.FormatInt(p.ID, 10)
	s.Files, err = upload.Of(tx, upload.Ref{Kind: moderation.Post, ID: p.ID})
	return err
}

func (s *subject) readThread(c *page.Call, tx *db.Tx) error {
	t, err := feedback.ByID(tx, c.Viewer.InForum(), s.ID)
	if err != nil {
		return err
	}
	if t.ID != s.ID { // it was merged
		s.ID = t.ID
	}
	s.Thread, s.AuthorID, s.Title, s.Path = t, t.AuthorID, t.Title, page.ThreadPath(t.ID, t.Title)
	posts, err := feedback.PageAt(tx, c.Viewer.InForum(), t.ID, 1)
	if err != nil || len(posts.Posts) == 0 {
		return err
	}
	s.Body = posts.Posts[0].Body
	s.Files, err = upload.Of(tx, upload.Ref{Kind: moderation.Post, ID: posts.Posts[0].ID})
	return err
}

func (s *subject) readUpload(c *page.Call, tx *db.Tx) error {
	f, err := visibleFile(c, tx, s.ID)
	if err != nil {
		return err
	}
	s.AuthorID, s.Title, s.Path, s.Files = f.MemberID, f.Name, f.Path(), []upload.File{f}
	return nil
}

func (s *subject) readAuthor(tx *db.Tx) error {
	if s.AuthorID <= 0 { // FormerMember
		s.AuthorID = 0
		return nil
	}
	m, err := member.ByID(tx, s.AuthorID)
	if page.IsMissing(err) && s.Kind != moderation.Member {
		s.AuthorID = 0
		return nil
	}
	s.By, s.Staff = m.Name, m.Moderates() || m.Is(member.Maintainer)
	if s.Kind == moderation.Member {
		s.Title, s.Path = m.Name, "/m/"+m.Name
	}
	return err
}

// actor is the viewer as a moderator.
func actor(c *page.Call) moderation.Actor {
	return moderation.Actor{ID: c.Viewer.ID, Name: c.Viewer.Name, Admin: c.Viewer.May(page.Admin)}
}

// refuse turns what package moderation says into a page's words.
func refuse(c *page.Call, err error) error {
	var wrong *moderation.Wrong
	switch {
	case errors.As(err, &wrong):
		return page.Refuse(wrong.Field, c.Text.T("moderation.wrong."+wrong.Why, "Most", moderation.MaxWords))
	case errors.Is(err, moderation.ErrTwice):
		return page.Refuse("", c.Text.T("moderation.cannot.twice"))
	case errors.Is(err, moderation.ErrOwn):
		return page.Refuse("", c.Text.T("moderation.cannot.own"))
	case errors.Is(err, moderation.ErrStaff):
		return page.Refuse("", c.Text.T("moderation.cannot.staff"))
	case errors.Is(err, moderation.ErrDecided):
		return page.Refuse("", c.Text.T("moderation.cannot.decided"))
	case errors.Is(err, moderation.ErrTooMany):
		return page.Refuse("", c.Text.T("moderation.cannot.too-many"))
	case errors.Is(err, moderation.ErrNotFound):
		return page.ErrNotFound
	}
	return err
}

// postVisible reads a post whose text the viewer may read.
func postVisible(c *page.Call, tx *db.Tx, id int64) (feedback.Post, error) {
	p, _, err := feedback.PostByID(tx, c.Viewer.InForum(), id)
	if err == nil && p.Hidden && !c.Viewer.May(page.Moderator) && (p.AuthorID != c.Viewer.ID || c.Viewer.ID == 0) {
		err = page.ErrNotFound
	}
	return p, err
}
