package forum

import (
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/feedback/stake"
	"github.com/fridayos/friday/internal/site/page"
	"github.com/fridayos/friday/internal/site/tell"
)

type threadView struct {
	ID                                  int64
	Path, Title, Lang, Kind, KindWord   string
	Part, PartWord, Build               string
	CreatedAt                           time.Time
	Hidden, Tracked, CanHide, CanObject bool
	Votes                               int
	Days                                string
	Stake                               stake.Stake
	Devices, Marks, MarkOn              []page.Choice
	Ways                                []wayView // on the first page, as many as fit
	OtherWays                           []wayView // as a word each
	MoreWays                            int       // that are not even named
	Entries                             []entryView
	MoreSteps                           int // that did not fit
	Number, Pages                       int
	First, Earlier, Later, Latest       string // addresses of pages; empty: there is none
	Error, Draft                        string
	Alike                               []page.ThreadRow // for moderators
	Began                               *beganView       // nil: here
	threadState
	threadLogs
}

// Thread is one page of a thread.
func Thread(c *page.Call) error { return showThread(c, "", nil) }

// showThread shows a thread, with a draft that was refused if there is one.
func showThread(c *page.Call, draft string, refused *feedback.InputError) error {
	id, err := page.ThreadID(c.R.PathValue("thread"))
	if err != nil {
		return err
	}
	v, private := threadView{Draft: draft}, false
	err = c.Read(func(tx *db.Tx) error {
		t, err := visible(c, tx, id)
		if err != nil {
			return err
		}
		v.ID, v.Path, v.Title, v.Kind, v.KindWord = t.ID, page.ThreadPath(t.ID, t.Title), t.Title, string(t.Kind), tell.Kind(c.Text, t.Kind)
		v.Lang, v.Part, v.PartWord = page.Language(t), t.Part, tell.Part(c.Text, t.Part)
		v.Build, v.CreatedAt, v.Hidden, v.Tracked, v.Votes = t.Build, t.CreatedAt, t.Hidden, t.Kind.Tracked(), t.Votes
		private = t.Private
		if d, ok := t.Days(); ok {
			v.Days = tell.Days(c.Text, d)
		}
		if err := fillThread(c, tx, t, &v); err != nil {
			return err
		}
		if v.Alike, err = others(c, tx, t); err != nil {
			return err
		}
		if v.Began, err = began(tx, t.ID); err != nil {
			return err
		}
		if v.threadState, err = readState(c, tx, t, &v); err != nil {
			return err
		}
		v.threadLogs, err = readLogs(c, tx, t.ID, v.Number)
		return err
	})
	if err != nil {
		return err
	}
	p := page.Page{Title: v.Title, Nav: "threads", Body: &v}
	if !v.Hidden && !private {
		p.Feed = "/api/forum/v1/threads/" + strconv.FormatInt(v.ID, 10) + "/posts.atom"
	}
	if v.Number > 1 {
		p.Title = c.Text.T("thread.title-page", "Title", v.Title, "Page", v.Number)
	}
	if refused != nil {
		v.Error = c.InputText(refused)
		return c.Render(422, "thread", p)
	}
	if c.R.URL.Path != v.Path { // a shortened or an old address
		to := url.URL{Path: v.Path, RawQuery: c.R.URL.RawQuery}
		return c.Redirect(to.String(), "")
	}
	return c.Show("thread", p)
}

// visible reads a thread that the viewer may see; one that they may not does not
// exist for them.
func visible(c *page.Call, tx *db.Tx, id int64) (feedback.Thread, error) {
	return feedback.ByID(tx, c.Viewer.InForum(), id)
}

func fillThread(c *page.Call, tx *db.Tx, t feedback.Thread, v *threadView) error {
	cat, err := page.ReadCatalogue(tx)
	if err != nil {
		return err
	}
	if c.Viewer.ID != 0 {
		if v.Stake, err = stake.Of(tx, c.Viewer.InForum(), t.ID); err != nil {
			return err
		}
		runs, err := feedback.Runs(tx, c.Viewer.ID)
		if err != nil {
			return err
		}
		mine := ""
		if len(runs) > 0 {
			mine = runs[0].Device
		}
		v.Devices = append([]page.Choice{{Word: c.Text.T("thread.any-phone"), On: mine == ""}}, cat.Choices(mine)...)
	}
	steps, err := feedback.States(tx, c.Viewer.InForum(), t.ID)
	if err != nil {
		return err
	}
	number, _ := strconv.Atoi(c.R.URL.Query().Get("page")) // anything else is the first
	if c.R.Method == "POST" {
		number = 1 << 30 // a refused reply stands below the last
	}
	posts, err := feedback.PageAt(tx, c.Viewer.InForum(), t.ID, number)
	if err != nil {
		return err
	}
	fillPages(v, posts)
	if posts.Number == 1 {
		status, err := c.Site.Train.Status(tx, 1)
		if err != nil {
			return err
		}
		active, err := active(c, tx)
		if err != nil {
			return err
		}
		v.Ways = ways(c, t, v.Stake, cat, steps, status.Departure, active)
		v.Ways, v.OtherWays, v.MoreWays = boundWays(v.Ways)
	}
	fillForms(c, t, v, cat)
	entries, err := entries(c, tx, t, posts, cat, steps)
	// What the choices of phones take is not there for posts.
	v.Entries, v.MoreSteps = bound(entries, max(entriesBudget/2, entriesBudget-60*len(v.Devices)))
	return err
}

// fillPages says where this page stands among the thread's.
func fillPages(v *threadView, p feedback.Page) {
	v.Number, v.Pages = p.Number, p.Pages
	if p.Number > 1 {
		v.First, v.Earlier = v.Path, pageOf(v.Path, p.Number-1)
	}
	if p.Number < p.Pages {
		v.Later, v.Latest = pageOf(v.Path, p.Number+1), pageOf(v.Path, p.Pages)
	}
}

// pageOf is the address of a page of what lies at path.
func pageOf(path string, number int) string {
	if number <= 1 {
		return path
	}
	return fmt.Sprintf("%s?page=%d", path, number)
}

// fillForms offers what the viewer may say beside a reply.
func fillForms(c *page.Call, t feedback.Thread, v *threadView, cat page.Catalogue) {
	v.CanHide = c.Viewer.May(page.Moderator)
	for _, d := range t.Devices {
		if (d.State == feedback.Declined || d.State == feedback.Closed) && t.AuthorID == c.Viewer.ID && c.Viewer.ID != 0 && !v.Stake.Objected {
			v.CanObject = true
		}
		if !c.Viewer.SpeaksOn(t, d.Device) {
			continue
		}
		for _, s := range feedback.Markable(d.State) {
			if o := (page.Choice{Value: string(s), Word: tell.StateName(c.Text, s)}); !slices.Contains(v.Marks, o) {
				v.Marks = append(v.Marks, o)
			}
		}
		if d.Device != feedback.AnyDevice {
			v.MarkOn = append(v.MarkOn, page.Choice{Value: d.Device, Word: cat.Name(d.Device)})
		}
	}
	if c.Viewer.SpeaksFor(feedback.AnyDevice) || len(v.MarkOn) == len(t.Devices) && len(v.MarkOn) > 1 {
		v.MarkOn = append([]page.Choice{{Word: c.Text.T("thread.every-phone")}}, v.MarkOn...)
	}
}
