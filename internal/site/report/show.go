package report

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fridayos/friday/android/bugreport/scrub"
	"github.com/fridayos/friday/internal/crash"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/site/page"
)

// previewSize is how much of a text stands on its page, in bytes.
const previewSize = 12 << 10

type showView struct {
	ID                      int64
	Draft, Mine, Private    bool
	MayRead                 bool // the text
	Thread                  int64
	More                    string // drafts that come after this one
	ThreadTitle, ThreadPath string
	Facts                   []fact
	Crashes                 []page.Crash
	Removed                 []removedView
	Preview                 string
	Cut                     bool // there is more of the text than stands here
	Size                    string
	KeepUntil               time.Time
	NewPath                 string
	Days                    int
	LeftOut                 int
}

type fact struct{ Name, Value string }

type removedView struct {
	Word string
	N    int
}

// Show is one report: to its member before it is published, then to all who see
// the thread.
func Show(c *page.Call) error {
	v := showView{Days: int(crash.Keep / (24 * time.Hour))}
	var r crash.Report
	err := c.Read(func(tx *db.Tx) (err error) {
		var t feedback.Thread
		if r, t, err = visible(c, tx); err != nil {
			return err
		}
		if r.ThreadID == 0 { // it may have been sent for a thread
			if id, err := threadOf(c.R.URL.Query().Get("thread")); err == nil && id != 0 {
				if t, err = meant(c, tx, id); err != nil {
					return err
				}
			}
		}
		if t.ID != 0 {
			v.Thread, v.ThreadTitle, v.ThreadPath = t.ID, t.Title, page.ThreadPath(t.ID, t.Title)
		}
		list, err := crash.In(tx, r.ID)
		if err != nil {
			return err
		}
		v.Crashes, err = crashViews(c, tx, list, r.ThreadID)
		return err
	})
	if err != nil {
		return err
	}
	fill(c, &v, r)
	var more []string
	for _, id := range page.More(c.R.URL.Query().Get("more")) {
		more = append(more, strconv.FormatInt(id, 10))
	}
	v.More = strings.Join(more, ".")
	if v.MayRead {
		if v.Preview, err = preview(c, r); err != nil {
			return err
		}
		v.Cut = r.Text.Size > int64(len(v.Preview))
	}
	return c.Show("report", page.Page{Title: c.Text.T("report.title"), Nav: "threads", Body: v})
}

// visible reads a report that the viewer may know of: before it is published,
// its member's own; then whoever sees the thread.
func visible(c *page.Call, tx *db.Tx) (crash.Report, feedback.Thread, error) {
	id, err := strconv.ParseInt(c.R.PathValue("report"), 10, 64)
	if err != nil {
		return crash.Report{}, feedback.Thread{}, page.ErrNotFound
	}
	r, err := crash.ByID(tx, id)
	if errors.Is(err, crash.ErrNotFound) {
		return r, feedback.Thread{}, page.ErrNotFound
	}
	if err != nil {
		return r, feedback.Thread{}, err
	}
	if r.ThreadID == 0 {
		if r.MemberID != c.Viewer.ID || c.Viewer.ID == 0 {
			return crash.Report{}, feedback.Thread{}, page.ErrNotFound
		}
		return r, feedback.Thread{}, nil
	}
	t, err := feedback.ByID(tx, c.Viewer.InForum(), r.ThreadID)
	return r, t, err
}

// meant reads the thread that a log is for: one that the viewer may see, or their own
// that waits for a moderator.
func meant(c *page.Call, tx *db.Tx, id int64) (feedback.Thread, error) {
	t, err := feedback.ByID(tx, c.Viewer.InForum(), id)
	if !errors.Is(err, feedback.ErrNotFound) || c.Viewer.ID == 0 {
		return t, err
	}
	own, all := feedback.ByID(tx, feedback.Everything(), id)
	if all != nil || own.AuthorID != c.Viewer.ID || own.Private {
		return t, err
	}
	return own, nil
}

// mayRead says whether the viewer, who may know of a report, may read its text.
func mayRead(v page.Viewer, r crash.Report, now time.Time) bool {
	if r.Text.Digest.IsZero() || !now.Before(r.KeepUntil) {
		return false
	}
	return !r.Private || v.ID != 0 && v.ID == r.MemberID || v.SpeaksFor(r.Device)
}

func fill(c *page.Call, v *showView, r crash.Report) {
	v.ID, v.Draft, v.Mine, v.Private = r.ID, r.ThreadID == 0, r.MemberID == c.Viewer.ID && c.Viewer.ID != 0, r.Private
	v.MayRead, v.KeepUntil, v.LeftOut = mayRead(c.Viewer, r, c.Now()), r.KeepUntil, r.Facts.LeftOut
	v.Size = fmt.Sprintf("%.1f MiB", float64(r.Text.Size)/(1<<20))
	v.NewPath = fmt.Sprintf("/t/new?report=%d", r.ID)
	add := func(key, value string) {
		if value != "" {
			v.Facts = append(v.Facts, fact{c.Text.T(key), value})
		}
	}
	add("report.device", strings.TrimSpace(r.Device+"  "+r.Facts.Model))
	add("report.build", r.Build)
	add("report.fingerprint", r.Facts.Fingerprint)
	add("report.android", r.Facts.Android)
	add("report.patch", r.Facts.PatchLevel)
	add("report.kernel", r.Facts.Kernel)
	for _, kind := range scrub.Kinds() {
		if n := r.Facts.Removed[string(kind)]; n > 0 {
			v.Removed = append(v.Removed, removedView{c.Text.T("removed." + strings.ReplaceAll(string(kind), "_", "-")), n})
		}
	}
	slices.SortStableFunc(v.Removed, func(a, b removedView) int { return b.N - a.N })
}

// crashViews tells each crash, and where else it was met.
func crashViews(c *page.Call, tx *db.Tx, list []crash.Cluster, own int64) ([]page.Crash, error) {
	const most = 10
	var all []page.Crash
	for _, one := range list[:min(len(list), most)] {
		v, err := c.Crash(tx, one, own, 5)
		if err != nil {
			return nil, err
		}
		all = append(all, v)
	}
	return all, nil
}

// preview is the beginning of a text, up to the end of a line.
func preview(c *page.Call, r crash.Report) (string, error) {
	b, err := c.Site.Reports.Open(r.Text.Digest)
	if err != nil {
		return "", err
	}
	defer b.Close()
	buf := make([]byte, min(previewSize, r.Text.Size))
	n, err := b.ReadAt(buf, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return "", err
	}
	if buf = buf[:n]; int64(n) < r.Text.Size {
		if end := bytes.LastIndexByte(buf, '\n'); end > 0 {
			buf = buf[:end+1]
		}
	}
	return strings.ToValidUTF8(strings.ReplaceAll(string(buf), "\x00", "\uFFFD"), "\uFFFD"), nil
}

// Text is the whole scrubbed text, as a file that no browser runs.
func Text(c *page.Call) error {
	var r crash.Report
	err := c.Read(func(tx *db.Tx) (err error) { r, _, err = visible(c, tx); return err })
	if err != nil {
		return err
	}
	if !mayRead(c.Viewer, r, c.Now()) {
		return page.ErrNotFound
	}
	b, err := c.Site.Reports.Open(r.Text.Digest)
	if err != nil {
		return err
	}
	defer b.Close()
	h := c.W.Header()
	h.Set("Content-Type", "text/plain; charset=utf-8")
	h.Set("Content-Disposition", fmt.Sprintf("attachment; filename=report-%d.txt", r.ID))
	h.Set("Cache-Control", "private, no-store")
	http.ServeContent(c.W, c.R, "", time.Time{}, io.NewSectionReader(b, 0, r.Text.Size))
	return page.ErrAnswered
}

// Publish gives a report to a thread.
func Publish(c *page.Call) error {
	if !c.Site.Limits.Post(c.Viewer.ID) {
		return page.ErrTooOften
	}
	thread, err := threadOf(c.R.PostForm.Get("thread"))
	if err != nil {
		return err
	}
	var t feedback.Thread
	err = c.Write(func(tx *db.Tx) error {
		r, _, err := visible(c, tx)
		if err != nil {
			return err
		}
		if t, err = meant(c, tx, thread); err != nil {
			return err
		}
		return c.Attach(tx, r.ID, t.ID, c.R.PostForm.Get("private") != "")
	})
	if errors.Is(err, crash.ErrTaken) || errors.Is(err, crash.ErrNotFound) {
		return page.ErrNotFound
	}
	if err != nil {
		return err
	}
	if more := page.More(c.R.PostForm.Get("more")); len(more) > 0 {
		return c.Redirect(page.ReportPath(more[0], t.ID, more[1:]), "attached")
	}
	if t.Hidden && !c.Viewer.May(page.Moderator) {
		return c.Redirect("/me/record", "held")
	}
	return c.Redirect(page.ThreadPath(t.ID, t.Title), "attached")
}

// Withdraw ends the keeping of a report's text: its member's right, and a
// moderator's.
func Withdraw(c *page.Call) error {
	var t feedback.Thread
	err := c.Write(func(tx *db.Tx) error {
		var r crash.Report
		var err error
		if r, t, err = visible(c, tx); err != nil {
			return err
		}
		if r.MemberID != c.Viewer.ID && !c.Viewer.May(page.Moderator) {
			return page.ErrForbidden
		}
		return crash.Withdraw(tx, r.ID)
	})
	if err != nil {
		return err
	}
	to := "/t"
	if t.ID != 0 {
		to = page.ThreadPath(t.ID, t.Title)
	}
	return c.Redirect(to, "withdrawn")
}

type clusterView struct {
	page.Crash
	FirstAt, LastAt time.Time
	Counts          []countView
}

type countView struct {
	Device, Build    string
	Members, Reports int64
	First, Last      time.Time
}

// Cluster is one crash: on which builds of which devices, and in which threads.
func Cluster(c *page.Call) error {
	var v clusterView
	err := c.Read(func(tx *db.Tx) error {
		one, err := crash.ByFingerprint(tx, c.R.PathValue("fingerprint"))
		if errors.Is(err, crash.ErrNotFound) {
			return page.ErrNotFound
		}
		if err != nil {
			return err
		}
		counts, err := crash.CountsOfCluster(tx, one.Fingerprint)
		if err != nil {
			return err
		}
		if v.Crash, err = c.Crash(tx, one, 0, 50); err != nil {
			return err
		}
		if len(v.Threads) == 0 { // nothing that this viewer may know of
			return page.ErrNotFound
		}
		v.FirstAt, v.LastAt = one.FirstAt, one.LastAt
		for _, n := range counts[:min(len(counts), 100)] {
			v.Counts = append(v.Counts, countView{n.Device, n.Build, n.Members, n.Reports, n.First, n.Last})
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.Show("crash", page.Page{Title: c.Text.T("crash.title", "Process", v.Process), Nav: "threads", Body: v})
}
