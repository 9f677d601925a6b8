package feedback

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/search"
)

const threadColumns = `t.id, t.kind, t.title, t.author_id, t.part, t.build, t.created_at, t.last_at, t.closed_at, t.posts, t.votes, t.hidden,
	t.private, t.locked, t.pinned, t.merged_into, t.accepted_id, t.lang`

func scanThread(s db.Scanner) (t Thread, err error) {
	err = s.Scan(&t.ID, (*string)(&t.Kind), &t.Title, &t.AuthorID, &t.Part, &t.Build, &t.CreatedAt, &t.LastAt, &t.ClosedAt,
		&t.Posts, &t.Votes, &t.Hidden, &t.Private, &t.Locked, &t.Pinned, &t.MergedInto, &t.AcceptedID, &t.Lang)
	return t, err
}

// ByID returns one thread with where it stands on each device. Of a thread that
// was merged it returns the one that it went into, whose ID differs from id.
func ByID(tx *db.Tx, v Viewer, id int64) (Thread, error) {
	t, err := v.find(tx, id)
	one := []Thread{t}
	if err == nil {
		err = addDevices(tx, one)
	}
	if err != nil {
		return Thread{}, fmt.Errorf("cannot read thread %d: %w", id, err)
	}
	return one[0], nil
}

// Order of a list.
type Order string

// Orders.
const (
	Newest Order = ""    // the last word first
	Hot    Order = "hot" // the most votes first
	Latest Order = "at"  // the last word first, pinned or not
	Oldest Order = "id"  // as they were filed
)

// Place is where a thread stands in a list: what comes After it does not shift
// when others are filed or answered, as an Offset does.
type Place struct {
	ID     int64
	LastAt time.Time
	Votes  int
}

// Place is where t stands.
func (t *Thread) Place() *Place { return &Place{t.ID, t.LastAt, t.Votes} }

// Filter narrows a list. Zero fields do not.
type Filter struct {
	Kind     Kind
	State    State
	Open     bool // only threads with something left to do
	Device   string
	Part     string
	Author   int64
	Affected int64  // member who has it
	Release  string // that carries the fix
	Lang     string
	Build    string        // that the report names
	Done     bool          // only threads with nothing left to do
	Terms    []search.Term // all of them, each in the title, the build or a post
	Without  []search.Term // none of them
	And, Not []Filter      // that hold too, or must not; of these the fields above count
	Hidden   bool          // hidden threads too, for those who may see them
	Order    Order
	Limit    int // 0: 50
	Offset   int
	After    *Place // nil: from the start; not with Newest, which has other things first
}

// List returns threads that v may see, and whether there are more behind them.
// Threads that were merged into another are not among them.
func List(tx *db.Tx, v Viewer, f Filter) (threads []Thread, more bool, err error) {
	if f.Limit <= 0 || f.Limit > 200 {
		f.Limit = 50
	}
	sql, args := f.list(tx, v)
	if threads, err = query(tx, sql, args...); err != nil {
		return nil, false, fmt.Errorf("cannot list threads: %w", err)
	}
	if len(threads) > f.Limit {
		return threads[:f.Limit], true, nil
	}
	return threads, false, nil
}

// list is the statement that reads one thread more than f.Limit.
func (f Filter) list(tx *db.Tx, v Viewer) (sql string, args []any) {
	c := &conditions{tx: tx, args: []any{v.Member}}
	where := f.where(v, c)
	order := `t.pinned DESC, t.last_at DESC, t.id DESC`
	switch {
	case f.Order == Hot:
		order = `t.votes DESC, t.last_at DESC, t.id DESC`
	case f.Order == Latest:
		order = `t.last_at DESC, t.id DESC`
	case f.Order == Oldest:
		order = `t.id`
	case len(f.Terms) > 0: // those whose title says it all come first
		var titles []string
		for _, term := range f.Terms {
			titles = append(titles, c.term(term, true))
		}
		order = `CASE WHEN ` + strings.Join(titles, ` AND `) + ` THEN 0 ELSE 1 END, t.last_at DESC, t.id DESC`
	}
	sql = `SELECT ` + threadColumns + ` FROM threads t WHERE ` + where + ` ORDER BY ` + order +
		` LIMIT ` + c.arg(f.Limit+1) + ` OFFSET ` + c.arg(max(0, f.Offset))
	return sql, c.args
}

// conditions gathers the arguments of a statement.
type conditions struct {
	tx   *db.Tx
	args []any
}

// arg takes an argument and returns its placeholder.
func (c *conditions) arg(a any) string {
	c.args = append(c.args, a)
	return `$` + strconv.Itoa(len(c.args))
}

// term is the condition that a thread, or its title alone, holds a term.
func (c *conditions) term(t search.Term, title bool) string {
	condition, arg := t.Where(c.tx, `t.id`, title)
	return strings.Replace(condition, `?`, c.arg(arg), 1)
}

// where is the whole condition of a list; $1 is the viewer.
func (f Filter) where(v Viewer, c *conditions) string {
	terms := append([]string{v.clause("$1"), `t.merged_into = 0`}, f.fields(c)...)
	if f.Affected != 0 {
		terms = append(terms, `EXISTS (SELECT 1 FROM thread_affected a WHERE a.thread_id = t.id AND a.member_id = `+c.arg(f.Affected)+`)`)
	}
	if !f.Hidden {
		terms = append(terms, `NOT t.hidden`)
	}
	for _, and := range f.And {
		terms = append(terms, and.fields(c)...)
	}
	for _, not := range f.Not {
		if fields := not.fields(c); len(fields) > 0 {
			terms = append(terms, `NOT (`+strings.Join(fields, ` AND `)+`)`)
		}
	}
	for _, t := range f.Terms {
		terms = append(terms, c.term(t, false))
	}
	for _, t := range f.Without {
		terms = append(terms, `NOT (`+c.term(t, false)+`)`)
	}
	if f.After != nil {
		terms = append(terms, f.after(c))
	}
	return strings.Join(terms, ` AND `)
}

// after is what makes a list begin behind f.After.
func (f Filter) after(c *conditions) string {
	p := f.After
	switch f.Order {
	case Oldest:
		return `t.id > ` + c.arg(p.ID)
	case Hot:
		return `(t.votes, t.last_at, t.id) < (` + c.arg(p.Votes) + `, ` + c.arg(p.LastAt) + `, ` + c.arg(p.ID) + `)`
	}
	return `(t.last_at, t.id) < (` + c.arg(p.LastAt) + `, ` + c.arg(p.ID) + `)`
}

// fields are the conditions of what the thread itself says.
func (f Filter) fields(c *conditions) (terms []string) {
	for _, is := range []struct{ column, value string }{{"kind", string(f.Kind)}, {"part", f.Part}, {"lang", f.Lang}, {"build", f.Build}} {
		if is.value != "" {
			terms = append(terms, `t.`+is.column+` = `+c.arg(is.value))
		}
	}
	if f.Author != 0 {
		terms = append(terms, `t.author_id = `+c.arg(f.Author))
	}
	if f.Open {
		terms = append(terms, `t.closed_at = 0`)
	}
	if f.Done {
		terms = append(terms, `t.closed_at <> 0`)
	}
	// Of one device together: a state there, a release there.
	var on []string
	if f.Device != "" { // a thread that names no device concerns each
		on = append(on, `(d.device = `+c.arg(f.Device)+` OR d.device = '')`)
	}
	if f.State != "" {
		on = append(on, `d.state = `+c.arg(string(f.State)))
	}
	if f.Release != "" {
		on = append(on, `d.release = `+c.arg(f.Release))
	}
	if len(on) > 0 {
		terms = append(terms, `EXISTS (SELECT 1 FROM thread_devices d WHERE d.thread_id = t.id AND `+strings.Join(on, ` AND `)+`)`)
	}
	return terms
}

// query reads threads and then, at once, their devices.
func query(tx *db.Tx, sql string, args ...any) ([]Thread, error) {
	threads, err := db.All(tx, scanThread, sql, args...)
	if err != nil {
		return nil, err
	}
	return threads, addDevices(tx, threads)
}

func addDevices(tx *db.Tx, threads []Thread) error {
	if len(threads) == 0 {
		return nil
	}
	index := make(map[int64]int, len(threads))
	ids := make([]any, len(threads))
	for i, t := range threads {
		index[t.ID] = i
		ids[i] = t.ID
	}
	type row struct {
		thread int64
		DeviceState
	}
	rows, err := db.All(tx, func(s db.Scanner) (r row, err error) {
		err = s.Scan(&r.thread, &r.Device, (*string)(&r.State), &r.Release, &r.Build, &r.Reason, &r.Affected, &r.ReportedAt, &r.Since)
		return r, err
	}, `SELECT thread_id, device, state, release, build, reason, affected, reported_at, since
		FROM thread_devices WHERE thread_id IN (`+places(len(ids))+`) ORDER BY thread_id, device`, ids...)
	if err != nil {
		return err
	}
	for _, r := range rows {
		t := &threads[index[r.thread]]
		t.Devices = append(t.Devices, r.DeviceState)
	}
	return nil
}

// places are the placeholders of n arguments.
func places(n int) string {
	var b strings.Builder
	for i := range n {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("$" + strconv.Itoa(i+1))
	}
	return b.String()
}

const postColumns = `id, thread_id, author_id, body, at, edited_at, hidden`

func scanPost(s db.Scanner) (p Post, err error) {
	err = s.Scan(&p.ID, &p.ThreadID, &p.AuthorID, &p.Body, &p.At, &p.EditedAt, &p.Hidden)
	return p, err
}

// Posts returns a thread's posts, oldest first.
func Posts(tx *db.Tx, v Viewer, threadID int64) ([]Post, error) {
	threadID, err := v.Sees(tx, threadID)
	if err != nil {
		return nil, fmt.Errorf("cannot read the posts of thread %d: %w", threadID, err)
	}
	posts, err := db.All(tx, scanPost, `SELECT `+postColumns+` FROM posts WHERE thread_id = $1 ORDER BY at, id`, threadID)
	if err != nil {
		return nil, fmt.Errorf("cannot read the posts of thread %d: %w", threadID, err)
	}
	v.cover(posts)
	return posts, nil
}

func texts(tx *db.Tx, sql string, args ...any) ([]string, error) {
	return db.All(tx, func(s db.Scanner) (text string, err error) { err = s.Scan(&text); return text, err }, sql, args...)
}

// Begins says whether a post is what the thread began with.
func (t *Thread) Begins(p Post) bool { return p.At.Equal(t.CreatedAt) && p.AuthorID == t.AuthorID }
