package forum

import (
	"errors"
	"net/http"
	"strconv"
	"strings"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/feedback/elsewhere"
	"github.com/fridayos/friday/internal/site/page"
)

// beganView is where a thread began, if that was at another service.
type beganView struct {
	Where, URL string
	Votes      int // that came with it
}

func began(tx *db.Tx, threadID int64) (*beganView, error) {
	from, ok, err := elsewhere.Of(tx, threadID)
	if err != nil || !ok {
		return nil, err
	}
	where := from.Place + " #" + strconv.FormatInt(from.Number, 10)
	if name := page.ServiceName(from.Service, from.Place); name != from.Place {
		where = name + " " + where
	}
	return &beganView{where, from.URL, from.Votes}, nil
}

// Imported leads from a thread's address elsewhere to where it is here, and from
// that of one which is not here to where its neighbours came from.
func Imported(c *page.Call) error {
	o, ref, ok := origin(c.R.PathValue("service"), c.R.PathValue("rest"))
	if !ok {
		return page.ErrNotFound
	}
	to, there := "", ""
	err := c.Read(func(tx *db.Tx) error {
		thread, post, err := elsewhere.Find(tx, c.Viewer.InForum(), o, ref)
		switch {
		case errors.Is(err, feedback.ErrNotFound):
			there, err = elsewhere.There(tx, o)
		case err == nil && post != 0:
			to = "/p/" + strconv.FormatInt(post, 10)
		case err == nil:
			to = "/t/" + strconv.FormatInt(thread, 10)
		}
		return err
	})
	switch {
	case err != nil:
		return err
	case to != "":
		return c.Redirect(to, "")
	case there == "":
		return page.ErrNotFound
	}
	// Not what the address says, but where an administrator brought threads from.
	http.Redirect(c.W, c.R, there, http.StatusFound)
	return nil
}

// origin reads github/OWNER/REPO/12 and discourse/HOST/12, each with what names a
// post behind it or without.
func origin(service, rest string) (o elsewhere.Origin, ref int64, ok bool) {
	parts := strings.Split(rest, "/")
	names := map[string]int{"github": 2, "discourse": 1}[service] // parts that name the place
	if names == 0 || len(parts) < names+1 || len(parts) > names+2 {
		return o, 0, false
	}
	o = elsewhere.Origin{Service: service, Place: strings.ToLower(strings.Join(parts[:names], "/"))}
	for i, to := range []*int64{&o.Number, &ref}[:len(parts)-names] {
		n, err := strconv.ParseInt(parts[names+i], 10, 64)
		if err != nil || n <= 0 {
			return o, 0, false
		}
		*to = n
	}
	return o, ref, true
}
