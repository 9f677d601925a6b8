package forum

import (
	"strconv"
	"strings"

	"github.com/fridayos/friday/internal/crash"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/site/page"
)

// sentReport reads the number of a log that was sent for a new thread; none is 0.
func sentReport(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	id, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, page.ErrNotFound
	}
	return id, nil
}

// fromReport fills in what a log that the viewer has sent says: the phone, the
// build, the crash and, if it is of a known app, the part.
func fromReport(c *page.Call, tx *db.Tx, id string, n *feedback.NewThread) (int64, error) {
	number, err := sentReport(id)
	if err != nil {
		return 0, err
	}
	r, err := crash.ByID(tx, number)
	if err != nil {
		return 0, err
	}
	if r.MemberID != c.Viewer.ID || r.ThreadID != 0 {
		return 0, page.ErrNotFound
	}
	n.Kind, n.Build = feedback.Bug, cutTo(r.Build, 64)
	if page.Known(tx, r.Device) == nil && r.Device != "" {
		n.Devices = []string{r.Device}
	}
	list, err := crash.In(tx, r.ID)
	if err != nil || len(list) == 0 {
		return r.ID, err
	}
	one := list[0]
	n.Part = partOf(one.Process)
	n.Title = cutTo(c.Text.T("crash.title", "Process", one.Process), 140)
	n.Body = "```\n" + one.Cause + "\n" + one.Top + "\n```\n"
	return r.ID, nil
}

// partOf guesses the part of the system from the name of a process: it holds the
// part's own name, as com.android.camera2 does.
func partOf(process string) string {
	for _, p := range feedback.Parts() {
		if word := strings.ToLower(p); len(word) > 3 && strings.Contains(strings.ToLower(process), word) {
			return p
		}
	}
	return ""
}

func cutTo(s string, n int) string {
	if r := []rune(s); len(r) > n {
		return string(r[:n])
	}
	return s
}
