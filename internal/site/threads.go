package site

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
	"github.com/fridayos/friday/internal/site/line"
	"github.com/fridayos/friday/internal/site/tell"
)

type threadsView struct {
	Q                             feedback.Filter
	Threads                       []threadRow
	Filtered                      bool
	Kinds, States, Devices, Parts []option
	Earlier, Later                string
}

const perPage = 30

func (c *call) threads() error {
	q := c.r.URL.Query()
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
		return errNotFound
	}
	v := threadsView{Q: f, Filtered: f.Kind != "" || f.State != "" || f.Device != "" || f.Part != "" || f.Words != ""}
	err := c.read(func(tx *db.Tx) error {
		threads, more, err := feedback.List(tx, f)
		if err != nil {
			return err
		}
		v.Threads = rows(threads)
		if more {
			v.Later = pageLink(q, pageNo+1)
		}
		if pageNo > 0 {
			v.Earlier = pageLink(q, pageNo-1)
		}
		cat, err := readCatalogue(tx)
		v.Devices = cat.options(f.Device)
		return err
	})
	if err != nil {
		return err
	}
	v.Kinds = kindOptions(f.Kind)
	v.Parts = options(feedback.Parts(), f.Part, itself)
	for _, s := range feedback.AllStates() {
		v.States = append(v.States, option{string(s), tell.StateName(s), s == f.State})
	}
	return c.show("threads", page{Title: "Threads", Nav: "threads", Body: v})
}

func kindOptions(on feedback.Kind) (all []option) {
	for _, k := range feedback.Kinds() {
		all = append(all, option{string(k), tell.Kind(k), k == on})
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
	Stake                                    feedback.Stake
	Devices, Marks, MarkOn                   []option
	Ways                                     []wayView
	Entries                                  []entryView
	Error, Draft                             string
}

type wayView struct {
	Device, DeviceName, Reason string
	Affected                   int
	State                      stateView
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

func (c *call) thread() error { return c.showThread("", nil) }

// showThread shows a thread, with a draft that was refused if there is one.
func (c *call) showThread(draft string, refused *feedback.InputError) error {
	id, err := threadID(c.r.PathValue("thread"))
	if err != nil {
		return err
	}
	v := threadView{Draft: draft}
	err = c.read(func(tx *db.Tx) error {
		t, err := c.visible(tx, id)
		if err != nil {
			return err
		}
		v.ID, v.Path, v.Title, v.Kind, v.KindWord, v.Part = t.ID, threadPath(t.ID, t.Title), t.Title, string(t.Kind), tell.Kind(t.Kind), t.Part
		v.Build, v.CreatedAt, v.Hidden, v.Tracked, v.Votes = t.Build, t.CreatedAt, t.Hidden, t.Kind.Tracked(), t.Votes
		if d, ok := t.Days(); ok {
			v.Days = tell.Days(d)
		}
		return c.fillThread(tx, t, &v)
	})
	if err != nil {
		return err
	}
	p := page{Title: v.Title, Nav: "threads", Body: &v}
	if refused != nil {
		v.Error = refused.Message
		return c.render(422, "thread", p)
	}
	if c.r.URL.Path != v.Path { // a shortened or an old address
		to := url.URL{Path: v.Path, RawQuery: c.r.URL.RawQuery}
		return c.redirect(to.String(), "")
	}
	return c.show("thread", p)
}

// visible reads a thread that the viewer may see; a hidden one does not exist
// for others.
func (c *call) visible(tx *db.Tx, id int64) (feedback.Thread, error) {
	t, err := feedback.ByID(tx, id)
	if err == nil && t.Hidden && !c.viewer.may(moderator) {
		return feedback.Thread{}, errNotFound
	}
	return t, err
}

func (c *call) fillThread(tx *db.Tx, t feedback.Thread, v *threadView) error {
	cat, err := readCatalogue(tx)
	if err != nil {
		return err
	}
	if c.viewer.ID != 0 {
		if v.Stake, err = feedback.StakeOf(tx, t.ID, c.viewer.ID); err != nil {
			return err
		}
		runs, err := feedback.Runs(tx, c.viewer.ID)
		if err != nil {
			return err
		}
		mine := ""
		if len(runs) > 0 {
			mine = runs[0].Device
		}
		v.Devices = append([]option{{"", "on any phone", mine == ""}}, cat.options(mine)...)
	}
	steps, err := feedback.States(tx, t.ID)
	if err != nil {
		return err
	}
	status, err := c.s.Train.Status(tx, 1)
	if err != nil {
		return err
	}
	c.fillWays(t, v, cat, steps, status.Departure)
	v.CanHide = c.viewer.may(moderator)
	return c.fillEntries(tx, t, v, cat, steps)
}

func (c *call) fillWays(t feedback.Thread, v *threadView, cat catalogue, steps []feedback.StateChange, departure time.Time) {
	for _, d := range t.Devices {
		m := tell.WayLine(d, steps, departure, slices.Contains(v.Stake.Devices, d.Device))
		for i := range m.Stops {
			if !m.Stops[i].At.IsZero() {
				m.Stops[i].At = m.Stops[i].At.In(c.s.zone)
			}
		}
		v.Ways = append(v.Ways, wayView{Device: d.Device, DeviceName: cat.name(d.Device), Reason: d.Reason, Affected: d.Affected, State: deviceStateView(d), Line: m})
		if (d.State == feedback.Declined || d.State == feedback.Closed) && t.AuthorID == c.viewer.ID && c.viewer.ID != 0 && !v.Stake.Objected {
			v.CanObject = true
		}
		if !c.viewer.maintains(d.Device) {
			continue
		}
		for _, s := range feedback.Markable(d.State) {
			if o := (option{Value: string(s), Word: tell.StateName(s)}); !slices.Contains(v.Marks, o) {
				v.Marks = append(v.Marks, o)
			}
		}
		if d.Device != feedback.AnyDevice {
			v.MarkOn = append(v.MarkOn, option{Value: d.Device, Word: cat.name(d.Device)})
		}
	}
	if c.viewer.maintains(feedback.AnyDevice) || len(v.MarkOn) == len(t.Devices) && len(v.MarkOn) > 1 {
		v.MarkOn = append([]option{{Value: "", Word: "every phone of this thread"}}, v.MarkOn...)
	}
}

func (c *call) fillEntries(tx *db.Tx, t feedback.Thread, v *threadView, cat catalogue, steps []feedback.StateChange) error {
	posts, err := feedback.Posts(tx, t.ID)
	if err != nil {
		return err
	}
	who := names{}
	for _, p := range posts {
		name, err := who.of(tx, p.AuthorID)
		if err != nil {
			return err
		}
		v.Entries = append(v.Entries, entryView{ID: p.ID, By: name, At: p.At, HTML: c.s.md.HTML(p.Body)})
	}
	for i, s := range steps {
		if s.State == feedback.Reported && s.At.Equal(t.CreatedAt) {
			continue // the first post says it
		}
		on := []string{cat.name(s.Device)}
		same := func(o feedback.StateChange) bool { return o.State == s.State && o.At.Equal(s.At) && o.Actor == s.Actor }
		if slices.ContainsFunc(steps[:i], same) {
			continue // one word for several phones
		}
		for _, o := range steps[i+1:] {
			if same(o) {
				on = append(on, cat.name(o.Device))
			}
		}
		name, err := who.of(tx, s.Actor)
		if err != nil {
			return err
		}
		e := entryView{Event: true, By: name, At: s.At, Mark: tell.State(s.State).Mark, Word: tell.StateName(s.State), Reason: s.Reason}
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
	Kinds, Parts, Devices                      []option
}

func (c *call) newThread() error {
	q := c.r.URL.Query()
	n := feedback.NewThread{Kind: feedback.Kind(q.Get("kind")), Devices: q["device"]}
	if n.Kind == "" {
		n.Kind = feedback.Bug
	}
	if len(n.Devices) == 0 { // one's own phone, and what it runs
		err := c.read(func(tx *db.Tx) error {
			runs, err := feedback.Runs(tx, c.viewer.ID)
			if len(runs) > 0 {
				n.Devices, n.Build = []string{runs[0].Device}, runs[0].Version
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return c.showNew(200, n, nil)
}

func (c *call) showNew(status int, n feedback.NewThread, refused *feedback.InputError) error {
	v := newView{Headline: "Tell us", Title: n.Title, Build: n.Build, Text: n.Body, Kinds: kindOptions(n.Kind), Parts: options(feedback.Parts(), n.Part, itself)}
	if refused != nil {
		v.Field, v.Error = refused.Field, refused.Message
	}
	err := c.read(func(tx *db.Tx) error {
		cat, err := readCatalogue(tx)
		v.Devices = cat.options(n.Devices...)
		return err
	})
	if err != nil {
		return err
	}
	return c.render(status, "new", page{Title: "Report", Nav: "new", Body: v})
}

func (c *call) fileThread() error {
	f := c.r.PostForm
	n := feedback.NewThread{Kind: feedback.Kind(f.Get("kind")), Title: f.Get("title"), Body: f.Get("body"), AuthorID: c.viewer.ID,
		Part: f.Get("part"), Build: f.Get("build"), Devices: f["device"]}
	if !n.Kind.Tracked() && n.Part == "" {
		n.Devices = nil
	}
	if !c.s.limits.post(c.viewer.ID) {
		return errTooOften
	}
	var t feedback.Thread
	err := c.write(func(tx *db.Tx) error {
		if err := known(tx, n.Devices...); err != nil {
			return err
		}
		var err error
		t, err = feedback.New(tx, n)
		return err
	})
	var input *feedback.InputError
	if errors.As(err, &input) {
		return c.showNew(422, n, input)
	}
	if err != nil {
		return err
	}
	return c.redirect(threadPath(t.ID, t.Title), "filed")
}

// known refuses devices that the catalogue does not have.
func known(tx *db.Tx, devices ...string) error {
	cat, err := readCatalogue(tx)
	if err != nil {
		return err
	}
	for _, d := range devices {
		if _, ok := cat.names[d]; !ok {
			return &feedback.InputError{Field: "device", Message: "There is no such phone in the catalogue."}
		}
	}
	return nil
}

// onThread runs a form on the thread that the address names, if the viewer may
// see it, and goes back to it.
func (c *call) onThread(done string, fn func(tx *db.Tx, t feedback.Thread) error) error {
	id, err := threadID(c.r.PathValue("thread"))
	if err != nil {
		return err
	}
	if !c.s.limits.act(c.viewer.ID) {
		return errTooOften
	}
	var to string
	err = c.write(func(tx *db.Tx) error {
		t, err := c.visible(tx, id)
		if err != nil {
			return err
		}
		to = threadPath(t.ID, t.Title)
		return fn(tx, t)
	})
	if err != nil {
		return err
	}
	return c.redirect(to, done)
}

func (c *call) reply() error {
	if !c.s.limits.post(c.viewer.ID) {
		return errTooOften
	}
	body := c.r.PostForm.Get("body")
	err := c.onThread("", func(tx *db.Tx, t feedback.Thread) error {
		_, err := feedback.Reply(tx, t.ID, c.viewer.ID, body)
		return err
	})
	var input *feedback.InputError
	if errors.As(err, &input) {
		return c.showThread(body, input)
	}
	return err
}

func (c *call) on() bool { return c.r.PostForm.Get("on") == "yes" }

func (c *call) vote() error {
	return c.onThread("", func(tx *db.Tx, t feedback.Thread) error { return feedback.Vote(tx, t.ID, c.viewer.ID, c.on()) })
}

func (c *call) watch() error {
	return c.onThread("", func(tx *db.Tx, t feedback.Thread) error { return feedback.Watch(tx, t.ID, c.viewer.ID, c.on()) })
}

func (c *call) meToo() error {
	d := c.r.PostForm.Get("device")
	return c.onThread("", func(tx *db.Tx, t feedback.Thread) error {
		if d != feedback.AnyDevice {
			if err := known(tx, d); err != nil {
				return err
			}
		}
		return feedback.MeToo(tx, t.ID, c.viewer.ID, d)
	})
}

func (c *call) answer() error {
	verdict := feedback.Verdict(c.r.PostForm.Get("verdict"))
	said := string(verdict)
	return c.onThread(said, func(tx *db.Tx, t feedback.Thread) error {
		return feedback.Answer(tx, t.ID, c.viewer.ID, c.r.PostForm.Get("device"), verdict)
	})
}

func (c *call) object() error {
	return c.onThread("objected", func(tx *db.Tx, t feedback.Thread) error {
		return feedback.Object(tx, t.ID, c.viewer.ID, c.r.PostForm.Get("reason"))
	})
}

func (c *call) mark() error {
	f := c.r.PostForm
	return c.onThread("marked", func(tx *db.Tx, t feedback.Thread) error {
		d := f.Get("device")
		if !c.viewer.maintainsAll(t, d) {
			return errForbidden
		}
		return feedback.Mark(tx, t.ID, c.viewer.ID, feedback.State(f.Get("state")), d, f.Get("reason"))
	})
}

func (c *call) hide() error {
	return c.onThread("", func(tx *db.Tx, t feedback.Thread) error {
		action := "thread.show"
		if c.on() {
			action = "thread.hide"
		}
		if err := feedback.Hide(tx, t.ID, c.viewer.ID, c.on()); err != nil {
			return err
		}
		return audit.Record(tx, audit.Event{ActorID: c.viewer.ID, Actor: c.viewer.Name, Action: action, Subject: "thread " + strconv.FormatInt(t.ID, 10)})
	})
}
