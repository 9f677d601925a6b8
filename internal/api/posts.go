package api

import (
	"errors"
	"fmt"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/fridayos/friday/internal/audit"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/feedback/revision"
	"github.com/fridayos/friday/internal/member/trust"
	"github.com/fridayos/friday/internal/moderation"
	"github.com/fridayos/friday/internal/reputation"
	"github.com/fridayos/friday/internal/upload"
)

type (
	versionJSON struct {
		By   *string   `json:"by"`
		At   time.Time `json:"at"`
		Body string    `json:"body"`
	}
	fileJSON struct {
		ID     int64  `json:"id"`
		URL    string `json:"url"`
		Name   string `json:"name"`
		Type   string `json:"type"`
		Size   int64  `json:"size"`
		Width  int    `json:"width"`
		Height int    `json:"height"`
	}
)

func (c *call) toFile(f upload.File) fileJSON {
	return fileJSON{f.ID, c.BaseURL + f.Path(), f.Name, f.Type, f.Blob.Size, f.Width, f.Height}
}

// onPost reads the post of the address and its thread, if the caller may see it.
func (c *call) onPost(tx *db.Tx) (feedback.Post, feedback.Thread, error) {
	id, err := strconv.ParseInt(c.r.PathValue("post"), 10, 64)
	if err != nil || id <= 0 {
		return feedback.Post{}, feedback.Thread{}, errHidden
	}
	p, _, err := feedback.PostByID(tx, c.inForum(), id)
	if err != nil {
		return p, feedback.Thread{}, err
	}
	t, err := feedback.ByID(tx, c.inForum(), p.ThreadID)
	return p, t, err
}

func (c *call) post() error {
	if _, err := c.query(); err != nil {
		return err
	}
	var out struct {
		postJSON
		Thread int64      `json:"thread"`
		Files  []fileJSON `json:"files"`
	}
	err := c.read(func(tx *db.Tx) error {
		p, t, err := c.onPost(tx)
		if err != nil {
			return err
		}
		out.Thread, out.Files = t.ID, []fileJSON{}
		if out.postJSON, err = c.toPost(tx, p); err != nil || p.Body == "" { // its files are hidden with it
			return err
		}
		files, err := upload.Of(tx, upload.Ref{Kind: moderation.Post, ID: p.ID})
		for _, f := range files {
			out.Files = append(out.Files, c.toFile(f))
		}
		return err
	})
	if err != nil {
		return err
	}
	return c.send(http.StatusOK, out)
}

func (c *call) edit() error {
	var in struct {
		Body string `json:"body"`
	}
	if err := c.body(&in); err != nil {
		return err
	}
	var out postJSON
	err := c.write(func(tx *db.Tx) error {
		p, t, err := c.onPost(tx)
		if err != nil {
			return err
		}
		if !c.inForum().MayEdit(t, p) {
			return errNotYours
		}
		do := func() (err error) {
			if p, err = revision.Edit(tx, c.inForum(), p.ID, in.Body); err == nil {
				out, err = c.toPost(tx, p)
			}
			return err
		}
		if p.AuthorID != c.viewer.ID { // a moderator's hand, and not to be weighed
			if err := do(); err != nil {
				return err
			}
			return audit.Record(tx, audit.Event{ActorID: c.viewer.ID, Actor: c.viewer.Name, Action: "post.edit", Subject: "thread " + strconv.FormatInt(t.ID, 10)})
		}
		held, err := c.editing(tx, t, p, in.Body, do)
		out.Hidden = out.Hidden || held
		return err
	})
	if err != nil {
		return err
	}
	return c.send(http.StatusOK, out)
}

func (c *call) versions() error {
	if _, err := c.query(); err != nil {
		return err
	}
	out := struct {
		Versions []versionJSON `json:"versions"`
	}{[]versionJSON{}}
	err := c.read(func(tx *db.Tx) error {
		p, _, err := c.onPost(tx)
		if err != nil {
			return err
		}
		_, versions, err := revision.History(tx, c.inForum(), p.ID)
		for _, v := range versions {
			by, err := c.name(tx, v.By)
			if err != nil {
				return err
			}
			out.Versions = append(out.Versions, versionJSON{by, v.At, v.Body})
		}
		return err
	})
	if err != nil {
		return err
	}
	return c.send(http.StatusOK, out)
}

// maxSending is how long sending a file may take: a phone on a slow line.
const maxSending = 10 * time.Minute

// attach takes the request's body as a file of a post of the caller's.
func (c *call) attach() error {
	if c.Uploads == nil {
		return &problem{Status: http.StatusNotFound, Detail: "This server takes no files."}
	}
	q, err := c.query("name")
	if err != nil {
		return err
	}
	if q.Get("name") == "" {
		return &problem{Status: http.StatusBadRequest, Field: "name", Detail: "name is missing: what the file is called."}
	}
	if kind, _, err := mime.ParseMediaType(c.r.Header.Get("Content-Type")); err != nil || kind != "application/octet-stream" {
		return &problem{Status: http.StatusUnsupportedMediaType, Detail: "Expected Content-Type: application/octet-stream; what a file is, is seen from its content."}
	}
	var limits upload.Limits
	mine := func(tx *db.Tx) (feedback.Post, error) {
		p, t, err := c.onPost(tx)
		switch {
		case err != nil:
			return p, err
		case p.AuthorID != c.viewer.ID || !c.inForum().MayEdit(t, p):
			return p, errNotYours
		}
		level, err := reputation.LevelOf(tx, c.viewer)
		limits = reputation.FileLimits(level)
		return p, err
	}
	// Before a byte of it is read: who may not is not let send it.
	if err := c.write(func(tx *db.Tx) error { _, err := mine(tx); return err }); err != nil {
		return err
	}
	control := http.NewResponseController(c.w)
	_ = control.SetReadDeadline(time.Now().Add(maxSending)) // a recorder in a test has none
	_ = control.SetWriteDeadline(time.Now().Add(maxSending + maxAnswer))
	draft, err := c.Uploads.Take(c.r.Context(), q.Get("name"), http.MaxBytesReader(c.w, c.r.Body, limits.FileBytes+1), limits)
	if err != nil {
		return refusedFile(err)
	}
	var out fileJSON
	err = c.write(func(tx *db.Tx) error {
		p, err := mine(tx)
		if err != nil {
			return err
		}
		files, err := c.Uploads.Put(tx, c.viewer.ID, upload.Ref{Kind: moderation.Post, ID: p.ID}, []upload.Draft{draft}, limits)
		if err == nil {
			out = c.toFile(files[0])
		}
		return err
	})
	if err != nil {
		return refusedFile(err)
	}
	c.w.Header().Set("Location", out.URL)
	return c.send(http.StatusCreated, out)
}

// refusedFile makes an answer of why a file was not taken.
func refusedFile(err error) error {
	var refused *upload.Refused
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return &problem{Status: http.StatusRequestEntityTooLarge, Detail: fmt.Sprintf("The file has more than the %d bytes that your account may send.", large.Limit-1)}
	case !errors.As(err, &refused):
		return err
	}
	status := http.StatusUnprocessableEntity
	switch refused.Reason {
	case upload.TooLarge:
		status = http.StatusRequestEntityTooLarge
	case upload.TooOften, upload.DayFull:
		status = http.StatusTooManyRequests
	case upload.WrongType:
		status = http.StatusUnsupportedMediaType
	}
	p := &problem{Status: status, Field: "file", Detail: "The file was not taken: " + strings.TrimPrefix(refused.Error(), "cannot take file: ") + "."}
	if status == http.StatusTooManyRequests {
		p.retry = time.Hour
	}
	return p
}

// editing is writing for what changes a post: how often does not matter, nor that
// it resembles what stands there.
func (c *call) editing(tx *db.Tx, t feedback.Thread, p feedback.Post, body string, do func() error) (held bool, err error) {
	past, err := feedback.PastOf(tx, c.viewer.ID)
	if err != nil {
		return false, err
	}
	past.Recent, past.Last = nil, time.Time{}
	level, err := reputation.LevelAfter(tx, c.viewer, past)
	if err != nil {
		return false, err
	}
	l := trust.LimitsOf(level)
	if err := c.bound(moderation.Allowance{Links: l.LinksPerPost, Mentions: l.MentionsInPost}, body); err != nil {
		return false, err
	}
	if err := do(); err != nil {
		return false, err
	}
	w := reputation.Writing{Subject: moderation.Subject{Kind: moderation.Post, ID: p.ID}, Private: t.Private, Writing: moderation.Writing{Body: body, Home: c.home()}}
	if t.Begins(p) {
		w.Subject, w.Title = moderation.Subject{Kind: moderation.Thread, ID: t.ID}, t.Title
	}
	return reputation.Judge(tx, c.viewer, level, past, w)
}
