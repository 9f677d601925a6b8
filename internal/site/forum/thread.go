package forum

import (
	"errors"
	"html/template"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fridayos/friday/internal/audit"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/feedback/stake"
	"github.com/fridayos/friday/internal/site/line"
	"github.com/fridayos/friday/internal/site/page"
	"github.com/fridayos/friday/internal/site/tell"
)

type threadsView struct {
	Q                             feedback.Filter
	Threads                       []page.ThreadRow
	Filtered                      bool
	Kinds, States, Devices, Parts []page.Choice
	Earlier, Later                string
}

const perPage = 30

// Threads is the list of threads, filtered.
func Threads(c *page.Call) error {
	q := c.R.URL.Query()
	pageNo, _ := strconv.Atoi(q.Get("page")) // anything else is the first page
	pageNo = min(max(pageNo, 0), 10_000)
	f := feedback.Filter{Kind: feedback.Kind(q.Get("kind")), State: feedback.State(q.Get("state")), Device: q.Get("device"),
		Part: q.Get("part"), Words: q.Get("q"), Limit: perPage, Offset: pageNo * perPage}
	if !slices.Contains(feedback.Kinds(), f.Kind) {
		f.Kind = ""
	}
	if !slices.Contains(feedback.AllStates(), f.State) {
		f.State = ""
	}
	if len(f.Words) > feedback.MaxTitle*4 || strings.ContainsRune(f.Device+f.Part, 0) {
		return page.ErrNotFound
	}
	v := threadsView{Q: f, Filtered: f.Kind != "" || f.State != "" || f.Device != "" || f.Part != "" || f.Words != ""}
	err := c.Read(func(tx *db.Tx) error {
		threads, more, err := feedback.List(tx, c.Viewer.InForum(), f)
		if err != nil {
			return err
		}
		v.Threads = c.Rows(threads)
		if more {
			v.Later = pageLink(q, pageNo+1)
		}
		if pageNo > 0 {
			v.Earlier = pageLink(q, pageNo-1)
		}
		cat, err := page.ReadCatalogue(tx)
		v.Devices = cat.Choices(f.Device)
		return err
	})
	if err != nil {
		return err
	}
	v.Kinds = kindChoices(c, f.Kind)
	v.Parts = page.Choices(feedback.Parts(), f.Part, page.Itself)
	for _, s := range feedback.AllStates() {
		v.States = append(v.States, page.Choice{Value: string(s), Word: tell.StateName(c.Text, s), On: s == f.State})
	}
	return c.Show("threads", page.Page{Title: "Threads", Nav: "threads", Body: v})
}

func kindChoices(c *page.Call, on feedback.Kind) (all []page.Choice) {
	for _, k := range feedback.Kinds() {
		all = append(all, page.Choice{Value: string(k), Word: tell.Kind(c.Text, k), On: k == on})
	}
	return all
}

func pageLink(q url.Values, n int) string {
	out := url.Values{"page": {strconv.Itoa(n)}}
	for _, k := range []string{"q", "kind", "state", "device", "part"} {
		if v := q.Get(k); v != "" {
			out.Set(k, v)
		}
	}
	return "/t?" + out.Encode()
}

type threadView struct {
	ID                                       int64
	Path, Title, Kind, KindWord, Part, Build string
	CreatedAt                                time.Time
	Hidden, Tracked, CanHide, CanObject      bool
	Votes                                    int
	Days                                     string
	Stake                                    stake.Stake
	Devices, Marks, MarkOn                   []page.Choice
	Ways                                     []wayView
	Entries                                  []entryView
	Error, Draft                             string
}

type wayView struct {
	Device, DeviceName, Reason string
	Affected                   int
	State                      page.State
	Line                       line.Map
}

// entryView is a post or a step of the way, in the order of time.
type entryView struct {
	Event      bool
	ID         int64
	By         string
	At         time.Time
	HTML       template.HTML
	Mark       line.Mark
	Word, Text string
	Reason     string
}

// Thread is one thread.
func Thread(c *page.Call) error { return showThread(c, "", nil) }

// showThread shows a thread, with a draft that was refused if there is one.
func showThread(c *page.Call, draft string, refused *feedback.InputError) error {
	id, err := page.ThreadID(c.R.PathValue("thread"))
	if err != nil {
		return err
	}
	v := threadView{Draft: draft}
	err = c.Read(func(tx *db.Tx) error {
		t, err := visible(c, tx, id)
		if err != nil {
			return err
		}
		v.ID, v.Path, v.Title, v.Kind, v.KindWord, v.Part = t.ID, page.ThreadPath(t.ID, t.Title), t.Title, string(t.Kind), tell.Kind(c.Text, t.Kind), t.Part
		v.Build, v.CreatedAt, v.Hidden, v.Tracked, v.Votes = t.Build, t.CreatedAt, t.Hidden, t.Kind.Tracked(), t.Votes
		if d, ok := t.Days(); ok {
			v.Days = tell.Days(c.Text, d)
		}
		return fillThread(c, tx, t, &v)
	})
	if err != nil {
		return err
	}
	p := page.Page{Title: v.Title, Nav: "threads", Body: &v}
	if refused != nil {
		v.Error = refused.Message
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
		v.Devices = append([]page.Choice{{Word: "on any phone", On: mine == ""}}, cat.Choices(mine)...)
	}
	steps, err := feedback.States(tx, c.Viewer.InForum(), t.ID)
	if err != nil {
		return err
	}
	status, err := c.Site.Train.Status(tx, 1)
	if err != nil {
		return err
	}
	fillWays(c, t, v, cat, steps, status.Departure)
	v.CanHide = c.Viewer.May(page.Moderator)
	return fillEntries(c, tx, t, v, cat, steps)
}

func fillWays(c *page.Call, t feedback.Thread, v *threadView, cat page.Catalogue, steps []feedback.StateChange, departure time.Time) {
	for _, d := range t.Devices {
		m := tell.WayLine(c.Text, d, steps, departure, slices.Contains(v.Stake.Devices, d.Device))
		for i := range m.Stops {
			if !m.Stops[i].At.IsZero() {
				m.Stops[i].At = m.Stops[i].At.In(c.Site.Zone)
			}
		}
		v.Ways = append(v.Ways, wayView{Device: d.Device, DeviceName: cat.Name(d.Device), Reason: d.Reason, Affected: d.Affected, State: c.State(d), Line: m})
		if (d.State == feedback.Declined || d.State == feedback.Closed) && t.AuthorID == c.Viewer.ID && c.Viewer.ID != 0 && !v.Stake.Objected {
			v.CanObject = true
		}
		if !c.Viewer.SpeaksFor(d.Device) {
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
		v.MarkOn = append([]page.Choice{{Value: "", Word: "every phone of this thread"}}, v.MarkOn...)
	}
}

func fillEntries(c *page.Call, tx *db.Tx, t feedback.Thread, v *threadView, cat page.Catalogue, steps []feedback.StateChange) error {
	posts, err := feedback.Posts(tx, c.Viewer.InForum(), t.ID)
	if err != nil {
		return err
	}
	who := page.Names{}
	for _, p := range posts {
		name, err := who.Of(tx, p.AuthorID)
		if err != nil {
			return err
		}
		v.Entries = append(v.Entries, entryView{ID: p.ID, By: name, At: p.At, HTML: c.Site.Markdown.HTML(p.Body)})
	}
	for i, s := range steps {
		if s.State == feedback.Reported && s.At.Equal(t.CreatedAt) {
			continue // the first post says it
		}
		on := []string{cat.Name(s.Device)}
		same := func(o feedback.StateChange) bool { return o.State == s.State && o.At.Equal(s.At) && o.Actor == s.Actor }
		if slices.ContainsFunc(steps[:i], same) {
			continue // one word for several phones
		}
		for _, o := range steps[i+1:] {
			if same(o) {
				on = append(on, cat.Name(o.Device))
			}
		}
		name, err := who.Of(tx, s.Actor)
		if err != nil {
			return err
		}
		e := entryView{Event: true, By: name, At: s.At, Mark: tell.State(c.Text, s.State).Mark, Word: tell.StateName(c.Text, s.State), Reason: s.Reason}
		if s.Release != "" {
			e.Text = s.Release
		} else if s.Commit != "" {
			e.Text = "commit " + s.Commit[:min(10, len(s.Commit))]
		}
		if s.Device != feedback.AnyDevice && len(on) < len(t.Devices) {
			e.Text = strings.TrimSpace(e.Text + " on " + strings.Join(on, ", "))
		}
		v.Entries = append(v.Entries, e)
	}
	slices.SortStableFunc(v.Entries, func(a, b entryView) int { return a.At.Compare(b.At) })
	return nil
}

type newView struct {
	Headline, Title, Build, Text, Field, Error string
	Kinds, Parts, Devices                      []page.Choice
}

// New shows the form of a new thread.
func New(c *page.Call) error {
	q := c.R.URL.Query()
	n := feedback.NewThread{Kind: feedback.Kind(q.Get("kind")), Devices: q["device"]}
	if n.Kind == "" {
		n.Kind = feedback.Bug
	}
	if len(n.Devices) == 0 { // one's own phone, and what it runs
		err := c.Read(func(tx *db.Tx) error {
			runs, err := feedback.Runs(tx, c.Viewer.ID)
			if len(runs) > 0 {
				n.Devices, n.Build = []string{runs[0].Device}, runs[0].Version
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return showNew(c, 200, n, nil)
}

func showNew(c *page.Call, status int, n feedback.NewThread, refused *feedback.InputError) error {
	v := newView{Headline: "Tell us", Title: n.Title, Build: n.Build, Text: n.Body, Kinds: kindChoices(c, n.Kind), Parts: page.Choices(feedback.Parts(), n.Part, page.Itself)}
	if refused != nil {
		v.Field, v.Error = refused.Field, refused.Message
	}
	err := c.Read(func(tx *db.Tx) error {
		cat, err := page.ReadCatalogue(tx)
		v.Devices = cat.Choices(n.Devices...)
		return err
	})
	if err != nil {
		return err
	}
	return c.Render(status, "new", page.Page{Title: "Report", Nav: "new", Body: v})
}

// File takes it.
func File(c *page.Call) error {
	f := c.R.PostForm
	n := feedback.NewThread{Kind: feedback.Kind(f.Get("kind")), Title: f.Get("title"), Body: f.Get("body"), AuthorID: c.Viewer.ID,
		Part: f.Get("part"), Build: f.Get("build"), Devices: f["device"]}
	if !n.Kind.Tracked() && n.Part == "" {
		n.Devices = nil
	}
	if !c.Site.Limits.Post(c.Viewer.ID) {
		return page.ErrTooOften
	}
	var t feedback.Thread
	err := c.Write(func(tx *db.Tx) error {
		if err := page.Known(tx, n.Devices...); err != nil {
			return err
		}
		var err error
		t, err = feedback.New(tx, n)
		return err
	})
	var input *feedback.InputError
	if errors.As(err, &input) {
		return showNew(c, 422, n, input)
	}
	if err != nil {
		return err
	}
	return c.Redirect(page.ThreadPath(t.ID, t.Title), "filed")
}

// onThread runs a form on the thread that the address names, if the viewer may
// see it, and goes back to it.
func onThread(c *page.Call, done string, fn func(tx *db.Tx, t feedback.Thread) error) error {
	id, err := page.ThreadID(c.R.PathValue("thread"))
	if err != nil {
		return err
	}
	if !c.Site.Limits.Act(c.Viewer.ID) {
		return page.ErrTooOften
	}
	var to string
	err = c.Write(func(tx *db.Tx) error {
		t, err := visible(c, tx, id)
		if err != nil {
			return err
		}
		to = page.ThreadPath(t.ID, t.Title)
		return fn(tx, t)
	})
	if err != nil {
		return err
	}
	return c.Redirect(to, done)
}

// Reply takes a post.
func Reply(c *page.Call) error {
	if !c.Site.Limits.Post(c.Viewer.ID) {
		return page.ErrTooOften
	}
	body := c.R.PostForm.Get("body")
	err := onThread(c, "", func(tx *db.Tx, t feedback.Thread) error {
		_, err := feedback.Reply(tx, c.Viewer.InForum(), t.ID, body)
		return err
	})
	var input *feedback.InputError
	if errors.As(err, &input) {
		return showThread(c, body, input)
	}
	return err
}

// Vote sets or takes back a vote.
func Vote(c *page.Call) error {
	return onThread(c, "", func(tx *db.Tx, t feedback.Thread) error { return stake.Vote(tx, c.Viewer.InForum(), t.ID, c.On()) })
}

// Watch sets or ends a watch.
func Watch(c *page.Call) error {
	return onThread(c, "", func(tx *db.Tx, t feedback.Thread) error { return stake.Watch(tx, c.Viewer.InForum(), t.ID, c.On()) })
}

// MeToo says that the viewer has it on a device too.
func MeToo(c *page.Call) error {
	d := c.R.PostForm.Get("device")
	return onThread(c, "", func(tx *db.Tx, t feedback.Thread) error {
		if d != feedback.AnyDevice {
			if err := page.Known(tx, d); err != nil {
				return err
			}
		}
		return stake.MeToo(tx, c.Viewer.InForum(), t.ID, d)
	})
}

// Answer takes the answer to "does it work now?".
func Answer(c *page.Call) error {
	verdict := feedback.Verdict(c.R.PostForm.Get("verdict"))
	said := string(verdict)
	return onThread(c, said, func(tx *db.Tx, t feedback.Thread) error {
		return feedback.Answer(tx, c.Viewer.InForum(), t.ID, c.R.PostForm.Get("device"), verdict)
	})
}

// Object takes the author's objection.
func Object(c *page.Call) error {
	return onThread(c, "objected", func(tx *db.Tx, t feedback.Thread) error {
		return feedback.Object(tx, c.Viewer.InForum(), t.ID, c.R.PostForm.Get("reason"))
	})
}

// Mark takes a maintainer's word.
func Mark(c *page.Call) error {
	f := c.R.PostForm
	return onThread(c, "marked", func(tx *db.Tx, t feedback.Thread) error {
		d := f.Get("device")
		if !c.Viewer.SpeaksForAll(t, d) {
			return page.ErrForbidden
		}
		return feedback.Mark(tx, c.Viewer.ID, t.ID, feedback.Word{State: feedback.State(f.Get("state")), Device: d, Reason: f.Get("reason")})
	})
}

// Hide hides a thread, or shows it again.
func Hide(c *page.Call) error {
	return onThread(c, "", func(tx *db.Tx, t feedback.Thread) error {
		action := "thread.show"
		if c.On() {
			action = "thread.hide"
		}
		if err := feedback.Hide(tx, t.ID, c.Viewer.ID, c.On()); err != nil {
			return err
		}
		return audit.Record(tx, audit.Event{ActorID: c.Viewer.ID, Actor: c.Viewer.Name, Action: action, Subject: "thread " + strconv.FormatInt(t.ID, 10)})
	})
}
