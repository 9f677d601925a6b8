package api

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/limit"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/moderation"
	"github.com/fridayos/friday/internal/reputation"
	"github.com/fridayos/friday/internal/upload"
)

// flagged names what a flag is about: one of its fields.
type flagged struct {
	Thread int64  `json:"thread"`
	Post   int64  `json:"post"`
	File   int64  `json:"file"`
	Member string `json:"member"`
}

// flag says that something is wrong with what the caller names.
func (c *call) flag() error {
	var in struct {
		flagged
		Reason moderation.Reason `json:"reason"`
		Note   string            `json:"note"`
	}
	if err := c.body(&in); err != nil {
		return err
	}
	named := 0
	for _, is := range []bool{in.Thread != 0, in.Post != 0, in.File != 0, in.Member != ""} {
		if is {
			named++
		}
	}
	if named != 1 {
		return &problem{Status: http.StatusUnprocessableEntity, Detail: fmt.Sprintf("Name one of thread, post, file and member; found %d of them.", named)}
	}
	err := c.write(func(tx *db.Tx) error {
		about, err := c.about(tx, in.flagged)
		if err != nil {
			return err
		}
		level, err := reputation.LevelOf(tx, c.viewer)
		if err != nil {
			return err
		}
		by := moderation.Flagger{ID: c.viewer.ID, Name: c.viewer.Name, Level: int(level), Origin: moderation.Origin(c.BaseURL, limit.Caller(c.r, c.TrustedProxies), tx.Now())}
		effects, err := moderation.Raise(tx, about, by, in.Reason, in.Note)
		if err != nil {
			return err
		}
		return reputation.Apply(tx, 0, effects)
	})
	if err != nil {
		return refusedFlag(err)
	}
	c.w.WriteHeader(http.StatusNoContent)
	return nil
}

// about reads what a flag is about, as far as the caller sees it. A thread's
// first post is the thread.
func (c *call) about(tx *db.Tx, f flagged) (about moderation.About, err error) {
	v := c.inForum()
	switch {
	case f.Member != "":
		m, err := member.ByName(tx, f.Member)
		return moderation.About{Subject: moderation.Subject{Kind: moderation.Member, ID: m.ID}, AuthorID: m.ID, Staff: staff(m)}, err
	case f.File != 0:
		file, err := upload.ByID(tx, f.File)
		if err == nil && file.Subject.Kind != moderation.Post {
			err = errHidden
		}
		if err == nil {
			var p feedback.Post
			if p, _, err = feedback.PostByID(tx, v, file.Subject.ID); err == nil && p.Body == "" { // hidden with its post
				err = errHidden
			}
		}
		if err != nil {
			return about, err
		}
		about = moderation.About{Subject: moderation.Subject{Kind: moderation.Upload, ID: file.ID}, AuthorID: file.MemberID}
	case f.Post != 0:
		p, _, err := feedback.PostByID(tx, v, f.Post)
		if err != nil {
			return about, err
		}
		t, err := feedback.ByID(tx, v, p.ThreadID)
		if err != nil {
			return about, err
		}
		about = moderation.About{Subject: moderation.Subject{Kind: moderation.Post, ID: p.ID}, AuthorID: p.AuthorID}
		if t.Begins(p) {
			about = moderation.About{Subject: moderation.Subject{Kind: moderation.Thread, ID: t.ID}, AuthorID: t.AuthorID}
		}
	default:
		t, err := feedback.ByID(tx, v, f.Thread)
		if err != nil {
			return about, err
		}
		about = moderation.About{Subject: moderation.Subject{Kind: moderation.Thread, ID: t.ID}, AuthorID: t.AuthorID}
	}
	if about.AuthorID <= 0 { // nobody's any more
		about.AuthorID = 0
		return about, nil
	}
	m, err := member.ByID(tx, about.AuthorID)
	if errors.Is(err, member.ErrNotFound) {
		about.AuthorID = 0
		return about, nil
	}
	about.Staff = staff(m)
	return about, err
}

func staff(m member.Member) bool { return m.Moderates() || m.Is(member.Maintainer) }

// refusedFlag makes an answer of why a flag was not taken.
func refusedFlag(err error) error {
	var wrong *moderation.Wrong
	switch {
	case errors.As(err, &wrong):
		return &problem{Status: http.StatusUnprocessableEntity, Field: wrong.Field, Detail: fmt.Sprintf("%s is %s; a reason is one of %v, a note has at most %d characters and is needed with \"something\".", wrong.Field, wrong.Why, moderation.Reasons(), moderation.MaxWords)}
	case errors.Is(err, moderation.ErrOwn):
		return &problem{Status: http.StatusUnprocessableEntity, Detail: "This is your own: change or delete it yourself."}
	case errors.Is(err, moderation.ErrTwice):
		return &problem{Status: http.StatusConflict, Detail: "You flagged this before; a moderator looks at it."}
	case errors.Is(err, moderation.ErrTooMany):
		return &problem{Status: http.StatusTooManyRequests, Detail: "That is as much as you may flag in a day.", retry: 24 * time.Hour}
	case errors.Is(err, upload.ErrNotFound):
		return errHidden
	}
	return err
}
