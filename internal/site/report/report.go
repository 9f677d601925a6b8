// Package report is the pages of bugreports and crashes: sending a log, seeing
// what was taken out of it before it is published, the scrubbed text, and what is
// known of one crash. Reading a log is package android/bugreport's, keeping it
// package crash's.
//
// A log is streamed to a file that has no name any more, scrubbed from there, and
// gone when the request ends: only the scrubbed text is stored.
package report

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/fridayos/friday/android/bugreport"
	"github.com/fridayos/friday/internal/crash"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/site/page"
)

// Files are the pages' templates and their messages.
//
//go:embed *.html text
var Files embed.FS

// MaxUpload is the largest log that is taken, in bytes, packed or not.
const MaxUpload = 100 << 20

// maxTime is how long sending one may take.
const maxTime = 10 * time.Minute

type sendView struct {
	Thread       int64
	Title, Path  string // of the thread
	Error        string
	MaxMiB, Days int
}

// Send shows the form that takes a log, for a new report or for a thread.
func Send(c *page.Call) error {
	thread, err := threadOf(c.R.URL.Query().Get("thread"))
	if err != nil {
		return err
	}
	return showSend(c, http.StatusOK, thread, "")
}

func showSend(c *page.Call, status int, thread int64, refused string) error {
	if c.Site.Reports == nil {
		return page.ErrNotFound
	}
	v := sendView{Error: refused, MaxMiB: MaxUpload >> 20, Days: int(crash.Keep / (24 * time.Hour))}
	if thread != 0 {
		if err := c.Read(func(tx *db.Tx) error {
			t, err := feedback.ByID(tx, c.Viewer.InForum(), thread)
			v.Thread, v.Title, v.Path = t.ID, t.Title, page.ThreadPath(t.ID, t.Title)
			return err
		}); err != nil {
			return err
		}
	}
	return c.Render(status, "send", page.Page{Title: c.Text.T("send.title"), Nav: "new", Body: v})
}

// threadOf reads a thread's number; none is 0.
func threadOf(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	id, err := strconv.ParseInt(s, 10, 64)
	if err != nil || id <= 0 {
		return 0, page.ErrNotFound
	}
	return id, nil
}

// Take takes a log in and shows what is left of it.
func Take(c *page.Call) error {
	if c.Site.Reports == nil {
		return page.ErrNotFound
	}
	if !c.Site.Limits.Post(c.Viewer.ID) {
		return page.ErrTooOften
	}
	control := http.NewResponseController(c.W)
	_ = control.SetReadDeadline(time.Now().Add(maxTime)) // a recorder in a test has none
	_ = control.SetWriteDeadline(time.Now().Add(maxTime + time.Minute))
	f, size, thread, err := receive(c.R)
	if f != nil {
		defer f.Close()
	}
	var big *http.MaxBytesError
	switch {
	case errors.As(err, &big):
		return showSend(c, http.StatusRequestEntityTooLarge, 0, c.Text.T("send.too-large", "MiB", MaxUpload>>20))
	case errors.Is(err, errNoFile):
		return showSend(c, 422, thread, c.Text.T("send.no-file"))
	case errors.Is(err, errNoForm):
		return showSend(c, 422, 0, c.Text.T("send.no-file"))
	case err != nil:
		return err
	}
	taken, err := crash.Take(c.R.Context(), c.Site.Reports, f, size)
	switch {
	case errors.Is(err, bugreport.ErrTooLarge):
		return showSend(c, 422, thread, c.Text.T("send.unpacks", "MiB", crash.MaxText>>20))
	case errors.Is(err, crash.ErrUnread):
		c.Site.Log.Info("a log was refused", "err", err)
		return showSend(c, 422, thread, c.Text.T("send.unread"))
	case err != nil:
		return err
	}
	var kept crash.Report
	err = c.Write(func(tx *db.Tx) (err error) { kept, err = page.KeepLog(tx, c.Viewer.ID, taken); return err })
	if err != nil {
		err = errors.Join(err, taken.Drop(c.Site.Reports))
	}
	if errors.Is(err, crash.ErrTooMany) {
		return page.ErrTooOften
	}
	if err != nil {
		return err
	}
	to := fmt.Sprintf("/report/%d", kept.ID)
	if thread != 0 {
		to += fmt.Sprintf("?thread=%d", thread)
	}
	return c.Redirect(to, "")
}

var (
	errNoForm = errors.New("the request holds no form with a file")
	errNoFile = errors.New("the form holds no file")
)

// receive streams the form's file into a file without a name.
func receive(r *http.Request) (f *os.File, size, thread int64, err error) {
	form, err := r.MultipartReader()
	if err != nil {
		return nil, 0, 0, errNoForm
	}
	for {
		part, err := form.NextPart()
		if errors.Is(err, io.EOF) {
			if f == nil || size == 0 {
				err = errNoFile
			} else {
				err = nil
			}
			return f, size, thread, err
		}
		if err != nil {
			return f, size, thread, err
		}
		switch part.FormName() {
		case "thread":
			b, err := io.ReadAll(io.LimitReader(part, 32))
			if err != nil {
				return f, size, thread, err
			}
			if thread, err = threadOf(string(b)); err != nil {
				return f, size, thread, err
			}
		case "log":
			if f != nil {
				return f, size, thread, errNoForm
			}
			if f, err = page.Nameless(); err != nil {
				return nil, 0, 0, err
			}
			if size, err = io.Copy(f, part); err != nil {
				return f, size, thread, err
			}
		}
	}
}
