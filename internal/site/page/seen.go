package page

import (
	"net/http"
	"strconv"
	"strings"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/notice"
)

// Seen is a handler of a thread's page, at {thread}: whoever opens it has read the
// notices about the thread. That is all that looking at a page does, and only
// where a person looks: not for a picture's address, nor what a browser fetches
// beforehand.
func Seen(handle func(c *Call) error) func(c *Call) error {
	return func(c *Call) error {
		if c.Unread > 0 && c.looksAt() {
			number, _, _ := strings.Cut(c.R.PathValue("thread"), "-")
			if id, err := strconv.ParseInt(number, 10, 64); err == nil && id > 0 {
				if err := c.see(id); err != nil {
					return err
				}
			}
		}
		return handle(c)
	}
}

func (c *Call) looksAt() bool {
	dest := c.R.Header.Get("Sec-Fetch-Dest") // old browsers send none
	return c.R.Method == http.MethodGet && (dest == "" || dest == "document") && c.R.Header.Get("Sec-Purpose") == "" && c.R.Header.Get("Purpose") == ""
}

func (c *Call) see(thread int64) error {
	n := 0
	if err := c.Read(func(tx *db.Tx) (err error) { n, err = notice.UnreadIn(tx, c.Viewer.ID, thread); return err }); err != nil || n == 0 {
		return err
	}
	return c.Write(func(tx *db.Tx) (err error) {
		if err = notice.MarkRead(tx, c.Viewer.ID, 0, thread); err == nil {
			c.Unread, err = notice.Unread(tx, c.Viewer.ID)
		}
		return err
	})
}
