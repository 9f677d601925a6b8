// Package notices is the pages about what members are told: the list, what they
// want to be told and how, the browsers that are pushed to, and the address that
// stops letters without signing in. Its rules are package notice's.
package notices

import (
	"embed"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/notice"
	"github.com/fridayos/friday/internal/site/page"
	"github.com/fridayos/friday/internal/site/tell"
)

// Files are the pages' templates and their messages.
//
//go:embed *.html text
var Files embed.FS

//go:embed sw.js
var worker []byte

const onPage = 30

type listView struct {
	Notices []row
	Unread  int
	Older   string // address; empty: there are none
	Newest  bool   // this is the first page
}

type row struct {
	ID                int64
	Kind, Text, Where string
	At                time.Time
	Fresh             bool // not read yet
}

// List is what the member was told, the newest first.
func List(c *page.Call) error {
	before, _ := strconv.ParseInt(c.R.URL.Query().Get("before"), 10, 64) // anything else begins at the newest
	v := listView{Newest: before <= 0, Unread: c.Unread}
	err := c.Read(func(tx *db.Tx) error {
		all, err := notice.List(tx, c.Viewer.ID, max(before, 0), onPage+1)
		if err != nil {
			return err
		}
		v.Notices, v.Older = nil, ""
		if len(all) > onPage {
			all = all[:onPage]
			v.Older = "/notices?before=" + strconv.FormatInt(all[onPage-1].ID, 10)
		}
		entries, err := notice.Entries(tx, "", c.Viewer.Member, all)
		for _, e := range entries {
			v.Notices = append(v.Notices, row{e.ID, tell.NoticeKind(c.Text, e.Kind), tell.Notice(c.Text, e), e.Where, e.At, e.ReadAt.IsZero()})
		}
		return err
	})
	if err != nil {
		return err
	}
	return c.Show("notices", page.Page{Title: c.Text.T("notices.title"), Nav: "notices", Body: v})
}

// Read marks one notice as read, or all.
func Read(c *page.Call) error {
	if !c.Site.Limits.Act(c.Viewer.ID) {
		return page.ErrTooOften
	}
	id := int64(0)
	if which := c.R.PostForm.Get("notice"); which != "all" {
		var err error
		if id, err = strconv.ParseInt(which, 10, 64); err != nil || id <= 0 {
			return page.ErrNotFound
		}
	}
	if err := c.Write(func(tx *db.Tx) error { return notice.MarkRead(tx, c.Viewer.ID, id, 0) }); err != nil {
		return err
	}
	to := "/notices"
	if before, err := strconv.ParseInt(c.R.PostForm.Get("before"), 10, 64); err == nil && before > 0 {
		to += "?before=" + strconv.FormatInt(before, 10)
	}
	return c.Redirect(to, "")
}

type stopView struct {
	Action, Name string
	Digest, Done bool
	Damaged      bool
}

// AskStop is where the address at the end of a letter leads. Looking stops
// nothing: programs that read mail look too.
func AskStop(c *page.Call) error { return stop(c, false) }

// Stop stops letters by the address alone: mail programs send it without a
// cookie, as RFC 8058 has it, and people by the button.
func Stop(c *page.Call) error { return stop(c, true) }

func stop(c *page.Call, now bool) error {
	text := c.R.URL.Query().Get("s")
	v := stopView{Action: c.R.URL.RequestURI(), Done: now}
	status := http.StatusOK
	s, err := notice.Stopping{}, errors.New("no letters go out")
	if c.Site.Tickets != nil {
		s, err = notice.ReadStop(c.Site.Tickets, text)
	}
	if err != nil {
		status, v = http.StatusNotFound, stopView{Damaged: true}
	}
	v.Digest = s.Digest
	if now && err == nil {
		if err := c.Write(func(tx *db.Tx) error { return notice.Stop(tx, s) }); err != nil {
			return err
		}
	}
	return c.Render(status, "notice-stop", page.Page{Title: c.Text.T("stop.title"), Body: v})
}

// Worker is the script that shows what is pushed. It stands at the root, so that
// the whole site is its scope.
func Worker(c *page.Call) error {
	h := c.W.Header()
	h.Set("Content-Type", "text/javascript; charset=utf-8")
	h.Set("Cache-Control", "no-cache")
	h.Set("Content-Length", strconv.Itoa(len(worker)))
	if c.R.Method != http.MethodHead {
		if _, err := c.W.Write(worker); err != nil {
			return page.ErrAnswered // the reader has gone
		}
	}
	return nil
}
