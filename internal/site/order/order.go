// Package order is the pages that keep threads in order: a post's edits and what it
// said before, polls, moderators' tools, private reports, and what waits for an
// answer. Its rules are package feedback's and its packages'.
package order

import (
	"embed"
	"errors"
	"strconv"

	"github.com/fridayos/friday/internal/audit"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/site/page"
)

// Files are the pages' templates and their messages.
//
//go:embed *.html text
var Files embed.FS

// read gives fn the thread that the address names, if the viewer may see it.
func read(c *page.Call, fn func(tx *db.Tx, t feedback.Thread) error) error {
	id, err := page.ThreadID(c.R.PathValue("thread"))
	if err != nil {
		return err
	}
	return c.Read(func(tx *db.Tx) error {
		t, err := feedback.ByID(tx, c.Viewer.InForum(), id)
		if err != nil {
			return err
		}
		return fn(tx, t)
	})
}

// note writes down in the audit trail what was done to a thread.
func note(c *page.Call, tx *db.Tx, action string, thread int64) error {
	return audit.Record(tx, audit.Event{ActorID: c.Viewer.ID, Actor: c.Viewer.Name, Action: action, Subject: "thread " + number(thread)})
}

func number(n int64) string { return strconv.FormatInt(n, 10) }

// id reads a number from a form; 0 if it is none.
func id(s string) int64 {
	n, _ := strconv.ParseInt(s, 10, 64) // 0 is nothing's number
	return max(n, 0)
}

// refused is the mistake in what was typed, if err is one.
func refused(err error) *feedback.InputError {
	var input *feedback.InputError
	if errors.As(err, &input) {
		return input
	}
	return nil
}
