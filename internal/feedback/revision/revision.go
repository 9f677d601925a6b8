// Package revision is what a post said over time: edits keep what was there
// before, who changed it and when. What two versions differ in is feedback/text's
// to say.
package revision

import (
	"fmt"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/mistake"
)

// Edit changes what a post says; what it said before stays readable. Authors
// edit their own posts, moderators any.
func Edit(tx *db.Tx, v feedback.Viewer, postID int64, body string) (feedback.Post, error) {
	body, err := feedback.CheckBody(body)
	if err != nil {
		return feedback.Post{}, err
	}
	p, _, err := feedback.PostByID(tx, v, postID)
	if err != nil {
		return feedback.Post{}, err
	}
	t, err := feedback.ByID(tx, v, p.ThreadID)
	if err != nil {
		return feedback.Post{}, err
	}
	switch {
	case !v.MayEdit(t, p):
		return feedback.Post{}, mistake.New("body", "edit", "Only whoever wrote this can edit it, and only while the thread is not locked.")
	case body == p.Body:
		return p, nil
	}
	if _, err := tx.Exec(`INSERT INTO post_edits (id, post_id, editor_id, body, at) VALUES ($1, $2, $3, $4, $5)`,
		db.NewID(), p.ID, v.Member, p.Body, tx.Now()); err != nil {
		return feedback.Post{}, fmt.Errorf("cannot edit post %d: %w", postID, err)
	}
	if p, err = feedback.Rewrite(tx, p, body); err != nil {
		return feedback.Post{}, err
	}
	return p, feedback.Record(tx, feedback.Event{ThreadID: p.ThreadID, Kind: feedback.EventEdited, Actor: v.Member, PostID: p.ID})
}

// Version is what a post said from At on.
type Version struct {
	By   int64 // who wrote it so
	At   time.Time
	Body string
}

// History returns what a post said, first version first; the last is what it
// says now. Whoever may read the post may read it, but of a hidden post only moderators and
// its author.
func History(tx *db.Tx, v feedback.Viewer, postID int64) (feedback.Post, []Version, error) {
	p, _, err := feedback.PostByID(tx, v, postID)
	if err != nil {
		return feedback.Post{}, nil, err
	}
	if p.Body == "" { // covered
		return feedback.Post{}, nil, fmt.Errorf("cannot read the edits of post %d: %w", postID, feedback.ErrNotFound)
	}
	edits, err := db.All(tx, func(s db.Scanner) (e Version, err error) { err = s.Scan(&e.By, &e.Body, &e.At); return e, err },
		`SELECT editor_id, body, at FROM post_edits WHERE post_id = $1 ORDER BY id`, postID)
	if err != nil {
		return feedback.Post{}, nil, fmt.Errorf("cannot read the edits of post %d: %w", postID, err)
	}
	// A row holds the text until the edit and who made it: the next version's author.
	versions := []Version{{By: p.AuthorID, At: p.At}}
	for _, e := range edits {
		versions[len(versions)-1].Body = e.Body
		versions = append(versions, Version{By: e.By, At: e.At})
	}
	versions[len(versions)-1].Body = p.Body
	return p, versions, nil
}
