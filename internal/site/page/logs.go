package page

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/fridayos/friday/android/bugreport"
	"github.com/fridayos/friday/internal/crash"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/upload"
)

// Why a log among a form's files is not taken.
const (
	logClosed upload.Reason = "log-closed" // the site takes none
	logUnread upload.Reason = "log-unread" // it looks like one, and cannot be scrubbed
	logMany   upload.Reason = "log-many"   // of one member within a day
)

// Nameless makes a temporary file that is gone when it is closed, or when the
// process dies.
func Nameless() (*os.File, error) {
	f, err := os.CreateTemp("", "friday-log-")
	if err != nil {
		return nil, fmt.Errorf("cannot take file: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		f.Close()
		return nil, fmt.Errorf("cannot take file: %w", err)
	}
	return f, nil
}

// spool reads a file of a form, at most one byte more than it may have.
func spool(r io.Reader, most int64) (*os.File, int64, error) {
	f, err := Nameless()
	if err != nil {
		return nil, 0, err
	}
	size, err := io.Copy(f, io.LimitReader(r, most+1))
	if err != nil {
		f.Close()
		return nil, 0, err
	}
	return f, size, nil
}

// takeFile takes a file of the form in: a log is scrubbed, and waits until its
// member has seen what was taken out of it; anything else is an attachment. What a
// file is follows from what it holds, not from its name.
func (c *Call) takeFile(ctx context.Context, name string, r io.Reader, l upload.Limits) error {
	f, size, err := spool(r, l.FileBytes)
	if err != nil {
		return err
	}
	defer f.Close()
	refuse := func(reason upload.Reason) error {
		c.fileErr = &upload.Refused{Reason: reason, Name: upload.SafeName(name, upload.Text), Limit: l.FileBytes}
		return nil
	}
	if size <= l.FileBytes && bugreport.Looks(f, size) {
		if c.Site.Reports == nil {
			return refuse(logClosed)
		}
		taken, err := crash.Take(ctx, c.Site.Reports, f, size)
		if errors.Is(err, crash.ErrUnread) {
			c.Site.Log.Info("a log among attachments was refused", "err", err)
			return refuse(logUnread)
		}
		c.logs = append(c.logs, taken)
		return err
	}
	d, err := c.Site.Uploads.Take(ctx, name, io.NewSectionReader(f, 0, size), l)
	var refused *upload.Refused
	if errors.As(err, &refused) {
		c.fileErr = refused
		return nil
	}
	c.drafts = append(c.drafts, d)
	return err
}

// keepLogs keeps the form's logs as the viewer's drafts.
func (c *Call) keepLogs(tx *db.Tx) error {
	c.sent = nil
	for _, taken := range c.logs {
		r, err := KeepLog(tx, c.Viewer.ID, taken)
		if errors.Is(err, crash.ErrTooMany) {
			return c.refusedFile(&upload.Refused{Reason: logMany, Limit: crash.DayReports})
		}
		if err != nil {
			return err
		}
		c.sent = append(c.sent, r.ID)
	}
	return nil
}

// KeepLog keeps a scrubbed log as a member's draft.
func KeepLog(tx *db.Tx, memberID int64, taken crash.Taken) (crash.Report, error) {
	claims, err := member.ClaimsOf(tx, memberID)
	if err != nil {
		return crash.Report{}, err
	}
	taken.Report.MemberID, taken.Report.Enrolled = memberID, false
	for _, one := range claims {
		if one.Device == taken.Report.Device && one.EndedAt.IsZero() {
			taken.Report.Enrolled = true
		}
	}
	return crash.Put(tx, taken.Report, taken.Crashes)
}

// Answered answers a form that wrote into a thread: with the page to, or, where
// logs were among its files, with what was taken out of the first of them; they
// are published from there.
func (c *Call) Answered(to, done string, thread int64) error {
	if len(c.sent) == 0 {
		return c.Redirect(to, done)
	}
	return c.Redirect(ReportPath(c.sent[0], thread, c.sent[1:]), "log")
}

// ReportPath is the address of a draft that is meant for a thread, with those that
// come after it.
func ReportPath(id, thread int64, more []int64) string {
	to := fmt.Sprintf("/report/%d?thread=%d", id, thread)
	if len(more) > 0 {
		var ids []string
		for _, one := range more {
			ids = append(ids, strconv.FormatInt(one, 10))
		}
		to += "&more=" + strings.Join(ids, ".")
	}
	return to
}

// More reads the drafts that come after one out of an address or form.
func More(s string) (ids []int64) {
	for _, one := range strings.Split(s, ".") {
		if id, err := strconv.ParseInt(one, 10, 64); err == nil && id > 0 && len(ids) < 10 {
			ids = append(ids, id)
		}
	}
	return ids
}
