package api

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/feedback/elsewhere"
	"github.com/fridayos/friday/internal/feedback/stake"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/token"
)

// The words of the API; openapi.yaml says what each field means.
type (
	threadJSON struct {
		ID        int64        `json:"id"`
		URL       string       `json:"url"`
		Kind      string       `json:"kind"`
		Title     string       `json:"title"`
		Part      string       `json:"part"`
		Build     string       `json:"build"`
		Author    *string      `json:"author"`
		From      *fromJSON    `json:"author_elsewhere,omitempty"`
		CreatedAt time.Time    `json:"created_at"`
		LastAt    time.Time    `json:"last_at"`
		ClosedAt  *time.Time   `json:"closed_at"`
		Posts     int          `json:"posts"`
		Votes     int          `json:"votes"`
		Lang      string       `json:"lang"`
		Locked    bool         `json:"locked"`
		Hidden    bool         `json:"hidden"`
		Private   bool         `json:"private"`
		Accepted  *int64       `json:"accepted_post"`
		Devices   []deviceOnIt `json:"devices"`
		Began     *beganJSON   `json:"began,omitempty"`
		You       *stakeJSON   `json:"you,omitempty"`
	}
	fromJSON struct {
		Name    string `json:"name"`
		Service string `json:"service"`
		Place   string `json:"place"`
	}
	beganJSON struct {
		Service string `json:"service"`
		Place   string `json:"place"`
		Number  int64  `json:"number"`
		URL     string `json:"url"`
		Votes   int    `json:"votes"`
	}
	deviceOnIt struct {
		Device     *string   `json:"device"`
		State      string    `json:"state"`
		Release    string    `json:"release"`
		Reason     string    `json:"reason"`
		Affected   int       `json:"affected"`
		ReportedAt time.Time `json:"reported_at"`
		Since      time.Time `json:"since"`
	}
	stakeJSON struct {
		Voted    bool     `json:"voted"`
		Watching bool     `json:"watching"`
		Muted    bool     `json:"muted"`
		Devices  []string `json:"devices"`
	}
	postJSON struct {
		ID       int64      `json:"id"`
		URL      string     `json:"url"`
		Author   *string    `json:"author"`
		From     *fromJSON  `json:"author_elsewhere,omitempty"`
		At       time.Time  `json:"at"`
		EditedAt *time.Time `json:"edited_at"`
		Hidden   bool       `json:"hidden"`
		Body     string     `json:"body"`
	}
	stepJSON struct {
		State   string    `json:"state"`
		Device  *string   `json:"device"`
		Release string    `json:"release"`
		Commit  string    `json:"commit"`
		Reason  string    `json:"reason"`
		Actor   *string   `json:"actor"`
		At      time.Time `json:"at"`
	}
)

func orNull(s string) *string {
	if s == "" {
		return nil
	}
	return &s
}

func timeOrNull(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// name is a member's name; nil for the train and for who is gone.
func (c *call) name(tx *db.Tx, id int64) (*string, error) {
	if id <= 0 {
		return nil, nil
	}
	if n, ok := c.names[id]; ok {
		return orNull(n), nil
	}
	m, err := member.ByID(tx, id)
	if err != nil && !errors.Is(err, member.ErrNotFound) {
		return nil, err
	}
	c.names[id] = m.Name
	return orNull(m.Name), nil
}

// from is who wrote something at another service; nil for members and for who is gone.
func (c *call) from(tx *db.Tx, id int64) (*fromJSON, error) {
	who, ok, err := elsewhere.ByID(tx, id)
	if err != nil || !ok {
		return nil, err
	}
	return &fromJSON{who.Name, who.Service, who.Place}, nil
}

func (c *call) threadURL(id int64) string { return c.BaseURL + "/t/" + strconv.FormatInt(id, 10) }

func (c *call) toThread(tx *db.Tx, t feedback.Thread) (threadJSON, error) {
	author, err := c.name(tx, t.AuthorID)
	out := threadJSON{ID: t.ID, URL: c.threadURL(t.ID), Kind: string(t.Kind), Title: t.Title, Part: t.Part, Build: t.Build, Author: author,
		CreatedAt: t.CreatedAt, LastAt: t.LastAt, ClosedAt: timeOrNull(t.ClosedAt), Posts: t.Posts, Votes: t.Votes, Lang: t.Lang, Locked: t.Locked, Hidden: t.Hidden, Private: t.Private, Devices: []deviceOnIt{}}
	if t.AcceptedID != 0 {
		out.Accepted = &t.AcceptedID
	}
	for _, d := range t.Devices {
		out.Devices = append(out.Devices, deviceOnIt{orNull(d.Device), string(d.State), d.Release, d.Reason, d.Affected, d.ReportedAt, d.Since})
	}
	if err == nil {
		out.From, err = c.from(tx, t.AuthorID)
	}
	return out, err
}

// inForum is the caller as the forum knows them: a member by a token that may
// read or write, a moderator by one that may moderate.
func (c *call) inForum() feedback.Viewer {
	return feedback.Viewer{Member: c.viewer.ID, Moderates: c.viewer.ID != 0 && c.viewer.Moderates() && c.token.May(token.Moderate)}
}

// visible reads the thread of the address, if the caller may see it.
func (c *call) visible(tx *db.Tx) (feedback.Thread, error) {
	id, err := strconv.ParseInt(c.r.PathValue("thread"), 10, 64)
	if err != nil || id <= 0 {
		return feedback.Thread{}, errHidden
	}
	return feedback.ByID(tx, c.inForum(), id)
}

const (
	listed    = 50
	maxListed = 200
)

// filterNames are the parameters that choose threads.
var filterNames = []string{"kind", "state", "open", "device", "part", "author", "release", "q"}

// filter reads what chooses threads; none is true when nothing can match.
func filter(tx *db.Tx, q url.Values) (f feedback.Filter, none bool, err error) {
	if f.Kind, err = choice(q, "kind", feedback.Kinds()); err != nil {
		return f, false, err
	}
	if f.State, err = choice(q, "state", feedback.AllStates()); err != nil {
		return f, false, err
	}
	open, err := choice(q, "open", []string{"true", "false"})
	if err != nil {
		return f, false, err
	}
	f.Open = open == "true"
	f.Device, f.Part, f.Release = q.Get("device"), q.Get("part"), q.Get("release")
	if name := q.Get("author"); name != "" {
		m, err := member.ByName(tx, name)
		if errors.Is(err, member.ErrNotFound) {
			return f, true, nil
		}
		if err != nil {
			return f, false, err
		}
		f.Author = m.ID
	}
	f, _, err = feedback.Narrow(tx, q.Get("q"), f) // no text is refused, as on the pages
	return f, false, err
}

// cursor is where the next part of a list begins. It is nobody's business what
// it holds; one that was not given out is refused or begins somewhere else,
// and shows nothing that the list would not.
type cursor struct {
	Order feedback.Order `json:"o,omitempty"`
	ID    int64          `json:"i"`
	At    int64          `json:"a,omitempty"`
	Votes int            `json:"v,omitempty"`
}

func (k cursor) String() string {
	text, err := json.Marshal(k)
	if err != nil {
		return "" // numbers and a word always marshal
	}
	return base64.RawURLEncoding.EncodeToString(text)
}

func readCursor(text string, order feedback.Order) (*feedback.Place, error) {
	if text == "" {
		return nil, nil
	}
	var k cursor
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err == nil {
		err = json.Unmarshal(raw, &k)
	}
	if err != nil || k.Order != order || k.ID <= 0 {
		return nil, &problem{Status: http.StatusBadRequest, Field: "cursor", Detail: "The cursor is none that was given out for this list and order; begin without one."}
	}
	return &feedback.Place{ID: k.ID, LastAt: db.Time(k.At), Votes: k.Votes}, nil
}

type orderWord string

var orders = map[orderWord]feedback.Order{"": feedback.Latest, "newest": feedback.Latest, "votes": feedback.Hot, "oldest": feedback.Oldest}

func (c *call) threads() error {
	q, err := c.query(append([]string{"order", "limit", "cursor"}, filterNames...)...)
	if err != nil {
		return err
	}
	order, err := choice(q, "order", []orderWord{"newest", "votes", "oldest"})
	if err != nil {
		return err
	}
	count, err := number(q, "limit", listed, 1, maxListed)
	if err != nil {
		return err
	}
	out := struct {
		Threads []threadJSON `json:"threads"`
		Next    *string      `json:"next"`
	}{Threads: []threadJSON{}}
	err = c.read(func(tx *db.Tx) error {
		f, none, err := filter(tx, q)
		if err != nil || none {
			return err
		}
		f.Order, f.Limit = orders[order], count
		if f.After, err = readCursor(q.Get("cursor"), f.Order); err != nil {
			return err
		}
		threads, more, err := feedback.List(tx, c.inForum(), f)
		if err != nil {
			return err
		}
		for _, t := range threads {
			one, err := c.toThread(tx, t)
			if err != nil {
				return err
			}
			out.Threads = append(out.Threads, one)
		}
		if more {
			p := threads[len(threads)-1].Place()
			out.Next = orNull(cursor{f.Order, p.ID, db.Micros(p.LastAt), p.Votes}.String())
		}
		return nil
	})
	if err != nil {
		return err
	}
	if out.Next != nil {
		q.Set("cursor", *out.Next)
		c.w.Header().Set("Link", "<"+c.BaseURL+Prefix+"/threads?"+q.Encode()+`>; rel="next"`)
	}
	return c.send(http.StatusOK, out)
}

func (c *call) thread() error {
	if _, err := c.query(); err != nil {
		return err
	}
	var out threadJSON
	err := c.read(func(tx *db.Tx) error {
		t, err := c.visible(tx)
		if err != nil {
			return err
		}
		if out, err = c.toThread(tx, t); err != nil {
			return err
		}
		began, ok, err := elsewhere.Of(tx, t.ID)
		if ok {
			out.Began = &beganJSON{began.Service, began.Place, began.Number, began.URL, began.Votes}
		}
		if err != nil || c.viewer.ID == 0 || !c.token.May(token.Read) {
			return err
		}
		s, err := stake.Of(tx, c.inForum(), t.ID)
		out.You = &stakeJSON{s.Voted, s.Watches, s.Muted, append([]string{}, s.Devices...)}
		return err
	})
	if err != nil {
		return err
	}
	return c.send(http.StatusOK, out)
}

func (c *call) toPost(tx *db.Tx, p feedback.Post) (postJSON, error) {
	author, err := c.name(tx, p.AuthorID)
	if err != nil {
		return postJSON{}, err
	}
	from, err := c.from(tx, p.AuthorID)
	return postJSON{p.ID, c.BaseURL + "/p/" + strconv.FormatInt(p.ID, 10), author, from, p.At, timeOrNull(p.EditedAt), p.Hidden, p.Body}, err
}

func (c *call) posts() error {
	q, err := c.query("page")
	if err != nil {
		return err
	}
	page, err := number(q, "page", 1, 1, 1_000_000)
	if err != nil {
		return err
	}
	out := struct {
		Posts []postJSON `json:"posts"`
		Page  int        `json:"page"`
		Pages int        `json:"pages"`
	}{Posts: []postJSON{}}
	err = c.read(func(tx *db.Tx) error {
		t, err := c.visible(tx)
		if err != nil {
			return err
		}
		p, err := feedback.PageAt(tx, c.inForum(), t.ID, page)
		if err != nil {
			return err
		}
		if page > p.Pages {
			return errHidden
		}
		out.Page, out.Pages = p.Number, p.Pages
		for _, post := range p.Posts {
			one, err := c.toPost(tx, post)
			if err != nil {
				return err
			}
			out.Posts = append(out.Posts, one)
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.send(http.StatusOK, out)
}

func (c *call) steps() error {
	if _, err := c.query(); err != nil {
		return err
	}
	out := struct {
		Steps []stepJSON `json:"steps"`
	}{[]stepJSON{}}
	err := c.read(func(tx *db.Tx) error {
		t, err := c.visible(tx)
		if err != nil {
			return err
		}
		steps, err := feedback.States(tx, c.inForum(), t.ID)
		if err != nil {
			return err
		}
		for _, s := range steps {
			actor, err := c.name(tx, s.Actor)
			if err != nil {
				return err
			}
			out.Steps = append(out.Steps, stepJSON{string(s.State), orNull(s.Device), s.Release, s.Commit, s.Reason, actor, s.At})
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.send(http.StatusOK, out)
}
