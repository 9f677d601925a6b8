package page

import (
	"errors"
	"net/http"
	"strconv"

	"github.com/fridayos/friday/internal/catalog"
	"github.com/fridayos/friday/internal/crash"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/device"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/mistake"
	"github.com/fridayos/friday/internal/moderation"
	"github.com/fridayos/friday/internal/site/line"
	"github.com/fridayos/friday/internal/site/tell"
	"github.com/fridayos/friday/internal/train"
	"github.com/fridayos/friday/internal/upload"
)

// What may be wrong with a call; each has a page of its own.
var (
	ErrNotFound  = errors.New("there is no such page")
	ErrForbidden = errors.New("this is not yours to do")
	ErrTooOften  = errors.New("too many requests")
	ErrNotText   = errors.New("the form holds bytes that are no text")
	ErrSuspended = errors.New("the member is suspended")
	ErrAnswered  = errors.New("answered") // ends a call whose answer is written
)

// TooMuch ends a call that a limit of the member's level does not allow; it says
// which, and why.
type TooMuch string

func (e TooMuch) Error() string { return "too much for the member's level: " + string(e) }

// Refuse is a mistake in a form's field, with what to do about it.
func Refuse(field, message string) error {
	return &mistake.Mistake{Field: field, Message: message}
}

// IsMissing says whether err is about something that is not there.
func IsMissing(err error) bool {
	return errors.Is(err, db.ErrNoRows) || errors.Is(err, feedback.ErrNotFound) || errors.Is(err, member.ErrNotFound) ||
		errors.Is(err, catalog.ErrNotFound) || errors.Is(err, device.ErrNotFound) || errors.Is(err, train.ErrNotFound) ||
		errors.Is(err, upload.ErrNotFound) || errors.Is(err, crash.ErrNotFound) || errors.Is(err, moderation.ErrNotFound)
}

// errorView is an error as a page.
type errorView struct {
	Code           int
	Headline, Text string
	Line           line.Map
}

// Fail answers with what went wrong.
func (c *Call) Fail(err error) {
	if errors.Is(err, ErrAnswered) {
		return
	}
	v := c.explain(err)
	if v.Code == 0 {
		if c.R.Context().Err() != nil {
			return // nobody listens
		}
		id := strconv.FormatInt(db.NewID(), 36)
		c.Site.Log.Error("cannot answer", "id", id, "method", c.R.Method, "path", c.R.URL.Path, "err", err)
		v = c.errorView(http.StatusInternalServerError, "broken", "ID", id)
	}
	if v.Code == http.StatusTooManyRequests {
		c.W.Header().Set("Retry-After", "60")
	}
	mark := line.Halted
	if v.Code == http.StatusNotFound {
		mark = line.Missed
	}
	v.Line = line.Map{Label: c.Text.T("error.line"), Scale: "way", Train: -1, Stops: []line.Stop{{Name: c.Text.T("error.here"), Mark: line.Passed},
		{Name: v.Headline, Mark: mark}, {Name: c.Text.T("error.onwards"), Mark: line.Ahead}}}
	if err := c.Render(v.Code, "error", Page{Title: v.Headline, Body: v}); err != nil {
		c.Site.Log.Error("cannot show the page of an error", "err", err)
		http.Error(c.W, v.Text, v.Code)
	}
}

// errorView says what the messages error.KEY.headline and error.KEY.text say.
func (c *Call) errorView(code int, key string, args ...any) errorView {
	return errorView{Code: code, Headline: c.Text.T("error." + key + ".headline"), Text: c.Text.T("error."+key+".text", args...)}
}

// explain finds the words for an error that a reader can do something about; no
// code if there are none.
func (c *Call) explain(err error) errorView {
	wrong := mistake.Of(err)
	var tooLarge *http.MaxBytesError
	var tooMuch TooMuch
	switch {
	case errors.Is(err, ErrNotFound), IsMissing(err):
		return c.errorView(http.StatusNotFound, "missing")
	case errors.Is(err, ErrForbidden):
		return c.errorView(http.StatusForbidden, "forbidden")
	case errors.Is(err, ErrSuspended):
		d := c.Viewer.Standing.Suspension
		return c.errorView(http.StatusForbidden, "suspended", "Until", c.Text.Day(d.Until.In(c.Site.Zone), c.Now()), "Reason", d.Reason)
	case errors.Is(err, ErrTooOften):
		return c.errorView(http.StatusTooManyRequests, "often")
	case errors.As(err, &tooMuch):
		v := c.errorView(http.StatusTooManyRequests, "often")
		v.Text = string(tooMuch)
		return v
	case errors.Is(err, ErrNotText):
		return c.errorView(http.StatusBadRequest, "bytes")
	case errors.As(err, &tooLarge):
		return c.errorView(http.StatusRequestEntityTooLarge, "large", "Kilobytes", MaxBody>>10)
	case wrong != nil:
		return errorView{Code: http.StatusUnprocessableEntity, Headline: c.Text.T("error.input.headline"), Text: c.InputText(wrong)}
	case errors.Is(err, feedback.ErrNoAsk):
		return c.errorView(http.StatusConflict, "asked")
	}
	return errorView{}
}

// InputText is what is wrong with what a member wrote, in their language.
func (c *Call) InputText(e *mistake.Mistake) string { return tell.Mistake(c.Text, e) }
