package api

import (
	"bytes"
	"encoding/xml"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/device"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/train"
)

// Feeds are Atom (RFC 4287). They show what a stranger may read, whoever asks,
// since readers keep and share what they fetch.
type (
	atomFeed struct {
		XMLName xml.Name    `xml:"http://www.w3.org/2005/Atom feed"`
		ID      string      `xml:"id"`
		Title   string      `xml:"title"`
		Updated string      `xml:"updated"`
		Links   []atomLink  `xml:"link"`
		Author  *atomPerson `xml:"author"`
		Entries []atomEntry `xml:"entry"`

		newest time.Time
	}
	atomLink struct {
		Rel  string `xml:"rel,attr"`
		Type string `xml:"type,attr"`
		Href string `xml:"href,attr"`
	}
	atomPerson struct {
		Name string `xml:"name"`
	}
	atomEntry struct {
		ID        string         `xml:"id"`
		Title     string         `xml:"title"`
		Updated   string         `xml:"updated"`
		Published string         `xml:"published"`
		Link      atomLink       `xml:"link"`
		Author    *atomPerson    `xml:"author,omitempty"`
		Category  []atomCategory `xml:"category"`
		Summary   string         `xml:"summary,omitempty"`
	}
	atomCategory struct {
		Term string `xml:"term,attr"`
	}
)

const (
	inFeed     = 40
	maxSummary = 4000 // characters
)

// feed begins a feed whose page is at path.
func (c *call) feed(title, path string) *atomFeed {
	self := c.BaseURL + c.r.URL.EscapedPath()
	if q := c.r.URL.Query(); len(q) > 0 {
		self += "?" + q.Encode()
	}
	return &atomFeed{ID: self, Title: title, Author: &atomPerson{"Friday"}, Links: []atomLink{
		{"self", "application/atom+xml", self}, {"alternate", "text/html", c.BaseURL + path},
	}}
}

func (f *atomFeed) add(id, title, summary string, author *string, published, updated time.Time, terms ...string) {
	e := atomEntry{ID: id, Title: title, Updated: stamp(updated), Published: stamp(published), Link: atomLink{"alternate", "text/html", id}}
	if author != nil {
		e.Author = &atomPerson{*author}
	}
	for _, term := range terms {
		if term != "" {
			e.Category = append(e.Category, atomCategory{term})
		}
	}
	if short := []rune(summary); len(short) > maxSummary {
		summary = string(short[:maxSummary]) + "…"
	}
	e.Summary = summary
	f.Entries = append(f.Entries, e)
	if updated.After(f.newest) {
		f.newest = updated
	}
}

// sendFeed writes a feed, or that it has not changed.
func (c *call) sendFeed(f *atomFeed) error {
	if f.newest.IsZero() {
		f.newest = time.Unix(0, 0)
	}
	f.Updated = stamp(f.newest)
	body, err := xml.Marshal(f)
	if err != nil {
		return err
	}
	body = append([]byte(xml.Header), body...)
	h := c.w.Header()
	h.Set("Content-Type", "application/atom+xml; charset=utf-8")
	h.Set("ETag", etag(body))
	h.Set("Cache-Control", "public, max-age=60")
	http.ServeContent(c.w, c.r, "", f.newest, bytes.NewReader(body))
	return nil
}

func (c *call) threadsFeed() error {
	q, err := c.query(filterNames...)
	if err != nil {
		return err
	}
	title, path := "Threads", "/t"
	if len(q) > 0 {
		var words []string
		for _, name := range filterNames {
			if v := q.Get(name); v != "" {
				words = append(words, name+":"+v)
			}
		}
		title += ", " + strings.Join(words, " ")
		page := url.Values{}
		for _, name := range []string{"kind", "state", "device", "part", "q"} {
			if v := q.Get(name); v != "" {
				page.Set(name, v)
			}
		}
		path += "?" + page.Encode()
	}
	f := c.feed(title, path)
	err = c.read(func(tx *db.Tx) error {
		f.Entries = nil
		chosen, none, err := filter(tx, q)
		if err != nil || none {
			return err
		}
		chosen.Order, chosen.Limit = feedback.Latest, inFeed
		threads, _, err := feedback.List(tx, feedback.Viewer{}, chosen)
		if err != nil {
			return err
		}
		for _, t := range threads {
			author, err := c.name(tx, t.AuthorID)
			if err != nil {
				return err
			}
			var states []string
			for _, d := range t.Devices {
				on := d.Device
				if on == feedback.AnyDevice {
					on = "any device"
				}
				states = append(states, strings.TrimSpace(on+": "+string(d.State)+" "+d.Release))
			}
			f.add(c.threadURL(t.ID), t.Title, strings.Join(states, "\n"), author, t.CreatedAt, t.LastAt, string(t.Kind), t.Part)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.sendFeed(f)
}

// openThread is the thread of the address, if everyone may see it.
func (c *call) openThread(tx *db.Tx) (feedback.Thread, error) {
	id, err := strconv.ParseInt(c.r.PathValue("thread"), 10, 64)
	if err != nil {
		return feedback.Thread{}, errHidden
	}
	return feedback.ByID(tx, feedback.Viewer{}, id)
}

func (c *call) threadFeed() error {
	if _, err := c.query(); err != nil {
		return err
	}
	var f *atomFeed
	err := c.read(func(tx *db.Tx) error {
		t, err := c.openThread(tx)
		if err != nil {
			return err
		}
		f = c.feed(t.Title, "/t/"+strconv.FormatInt(t.ID, 10))
		page, err := feedback.PageAt(tx, feedback.Viewer{}, t.ID, 1<<30) // beyond the last is the last
		if err != nil {
			return err
		}
		for i := len(page.Posts) - 1; i >= 0 && len(f.Entries) < inFeed; i-- {
			p := page.Posts[i]
			if p.Hidden {
				continue
			}
			author, err := c.name(tx, p.AuthorID)
			if err != nil {
				return err
			}
			updated := p.At
			if p.EditedAt.After(updated) {
				updated = p.EditedAt
			}
			by := "a former member"
			if author != nil {
				by = *author
			}
			f.add(c.BaseURL+"/p/"+strconv.FormatInt(p.ID, 10), by+" in "+t.Title, p.Body, author, p.At, updated)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.sendFeed(f)
}

// left tells since when a release is out on a device ("": any); zero: not yet.
func left(r train.ReleaseStatus, on string) (at time.Time) {
	for _, t := range r.Log {
		if t.Device == on && t.To == string(train.Shipping) {
			at = t.At
		}
	}
	return at
}

func (c *call) addRelease(f *atomFeed, r train.ReleaseStatus, at time.Time) {
	var fixes []string
	for _, id := range r.Fixes {
		fixes = append(fixes, strconv.FormatInt(id, 10))
	}
	summary := r.Notes
	if len(fixes) > 0 {
		summary = strings.TrimSpace(summary + "\n\nFixed threads: " + strings.Join(fixes, ", "))
	}
	f.add(c.BaseURL+"/r/"+r.Name, r.Name, summary, nil, at, at, string(r.State))
}

func (c *call) releasesFeed() error { return c.releaseFeed(c.feed("Releases", "/r"), "") }

func (c *call) deviceFeed() error {
	codename := c.r.PathValue("codename")
	err := c.read(func(tx *db.Tx) error { _, err := device.ByCodename(tx, codename); return err })
	if err != nil {
		return err
	}
	return c.releaseFeed(c.feed("Releases for "+codename, "/d/"+codename), codename)
}

// releaseFeed tells what has left the station, on one device or on any.
func (c *call) releaseFeed(f *atomFeed, on string) error {
	if _, err := c.query(); err != nil {
		return err
	}
	err := c.read(func(tx *db.Tx) error {
		f.Entries = nil
		s, err := c.Train.Status(tx, inFeed)
		for _, r := range s.Releases {
			if at := left(r, on); !at.IsZero() {
				c.addRelease(f, r, at)
			}
		}
		return err
	})
	if err != nil {
		return err
	}
	return c.sendFeed(f)
}
