package feedback

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/search"
)

// Order of a list.
type Order string

// Orders.
const (
	Newest Order = ""    // pinned ones and then the last word first; of a search, those whose title says it all
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
	Pinned bool
}

// Place is where t stands.
func (t *Thread) Place() *Place { return &Place{t.ID, t.LastAt, t.Votes, t.Pinned} }

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
	Terms    []search.Term // all of them, each in the title, the build, a post or a crash
	Without  []search.Term // none of them
	And, Not []Filter      // that hold too, or must not; of these the fields above count
	Hidden   bool          // hidden threads too, for those who may see them
	Order    Order
	Limit    int    // 0: 50
	Offset   int    // what is skipped is read: for some thousands at most
	After    *Place // nil: from the start; not with Terms in the order Newest
}

// List returns threads that v may see, and whether there are more behind them.
// Threads that were merged into another are not among them. It reads little more
// than it returns, but for these: two filters that rarely hold together are found
// by going through the smaller one's threads; and a search in common words finds
// what package search says.
func List(tx *db.Tx, v Viewer, f Filter) (threads []Thread, more bool, err error) {
	if f.Limit <= 0 || f.Limit > 200 {
		f.Limit = 50
	}
	if threads, err = f.read(tx, v); err == nil {
		more = len(threads) > f.Limit
		threads = threads[:min(len(threads), f.Limit)]
		err = addDevices(tx, threads)
	}
	if err != nil {
		return nil, false, fmt.Errorf("cannot list threads: %w", err)
	}
	return threads, more, nil
}

// read reads one thread more than f.Limit, without devices.
func (f Filter) read(tx *db.Tx, v Viewer) ([]Thread, error) {
	all, err := f.statements(tx, v)
	if err != nil {
		return nil, err
	}
	var threads []Thread
	for _, s := range all {
		some, err := db.All(tx, scanThread, s.sql, s.args...)
		if err != nil {
			return nil, err
		}
		threads = append(threads, some...)
	}
	if len(all) == 1 {
		return threads, nil
	}
	// Each statement returned its own beginning of the list.
	slices.SortFunc(threads, f.compare)
	threads = slices.CompactFunc(threads, func(a, b Thread) bool { return a.ID == b.ID })
	threads = threads[min(len(threads), max(0, f.Offset)):]
	return threads[:min(len(threads), f.Limit+1)], nil
}

// compare orders two threads as the list does.
func (f Filter) compare(a, b Thread) int {
	pinned := 0
	if f.Order == Newest && a.Pinned != b.Pinned {
		if pinned = 1; a.Pinned {
			pinned = -1
		}
	}
	votes := 0
	if f.Order == Hot {
		votes = cmp.Compare(b.Votes, a.Votes)
	}
	return cmp.Or(pinned, votes, b.LastAt.Compare(a.LastAt), cmp.Compare(b.ID, a.ID))
}

// statement is one with its arguments.
type statement struct {
	sql  string
	args []any
}

// statements are those that together read the list's beginning: several where
// no one index holds its order.
func (f Filter) statements(tx *db.Tx, v Viewer) ([]statement, error) {
	if len(f.Terms)+len(f.Without) > 0 {
		s, err := f.search(tx, v)
		return []statement{s}, err
	}
	on := f.device()
	switch {
	case on == nil || f.Order == Oldest:
		return []statement{f.plain(v)}, nil
	case f.Order == Hot || on.Release != "":
		few, err := f.few(tx, v)
		if err != nil || !few {
			return []statement{f.plain(v)}, err
		}
		return []statement{f.onDevice(v, *on, devicesOf(*on), nil)}, nil
	}
	pins := [][]bool{nil}
	if f.Order == Latest { // the index has pinned ones apart
		pins = [][]bool{{true}, {false}}
	}
	var all []statement
	for _, pin := range pins {
		if on.Device == "" {
			all = append(all, f.onDevice(v, *on, nil, pin))
			continue
		}
		for _, device := range devicesOf(*on) {
			all = append(all, f.onDevice(v, *on, []string{device}, pin))
		}
	}
	return all, nil
}

// devicesOf are the devices whose threads a filter takes: a thread that names no
// device concerns each.
func devicesOf(on Filter) []string {
	if on.Device == "" {
		return nil
	}
	return slices.Compact([]string{on.Device, AnyDevice})
}

// device is what the list is read by: the first part of the filter that names a
// device or a release; a state if nothing else is narrower; nil if none.
func (f Filter) device() *Filter {
	narrow := false
	var state *Filter
	for _, g := range append([]Filter{f}, f.And...) {
		if g.Device != "" || g.Release != "" {
			return &Filter{Device: g.Device, State: g.State, Release: g.Release}
		}
		if g.State != "" && state == nil {
			state = &Filter{State: g.State}
		}
		narrow = narrow || g.Part != "" || g.Author != 0 || g.Build != "" || g.Kind != "" && !g.Kind.Tracked()
	}
	if narrow {
		return nil
	}
	return state
}

// orderBy is the order, by the aliases of the tables that hold its columns.
func (f Filter) orderBy(votes, last, id string) string {
	switch f.Order {
	case Hot:
		return votes + `.votes DESC, ` + last + `.last_at DESC, ` + id + ` DESC`
	case Latest:
		return last + `.last_at DESC, ` + id + ` DESC`
	case Oldest:
		return id
	}
	return last + `.pinned DESC, ` + last + `.last_at DESC, ` + id + ` DESC`
}

// plain reads the list from threads.
func (f Filter) plain(v Viewer) statement {
	c := &conditions{args: []any{v.Member}}
	sql := `SELECT ` + threadColumns + ` FROM threads t WHERE ` + f.where(v, c, true) + f.after(c, `t`, `t.id`) +
		` ORDER BY ` + f.orderBy(`t`, `t`, `t.id`) + c.limit(f.Limit+1, f.Offset)
	return statement{sql, c.args}
}

// onDevice reads the beginning of the list, the offset included, from
// thread_devices; of a thread on several devices each may be returned where more
// than one is named.
func (f Filter) onDevice(v Viewer, on Filter, devices []string, pinned []bool) statement {
	c := &conditions{args: []any{v.Member}}
	from := f.from(c, on, devices)
	if pinned != nil {
		from += ` AND d.pinned = ` + c.arg(pinned[0])
	}
	limit, offset := f.Limit+1, max(0, f.Offset)
	if len(devices) == 1 || len(pinned) > 0 {
		limit, offset = limit+offset, 0
	}
	sql := `SELECT ` + threadColumns + from + ` AND ` + f.where(v, c, false) + f.after(c, `d`, `d.thread_id`) +
		` ORDER BY ` + f.orderBy(`t`, `d`, `d.thread_id`) + c.limit(limit, offset)
	return statement{sql, c.args}
}

// from is where a list by device begins. A thread is met once: on the first of
// the devices that fit.
func (f Filter) from(c *conditions, on Filter, devices []string) string {
	fits := func(d string) string {
		var terms []string
		if len(devices) > 0 {
			var in []string
			for _, device := range devices {
				in = append(in, c.arg(device))
			}
			terms = append(terms, d+`.device IN (`+strings.Join(in, `, `)+`)`)
		}
		if on.State != "" {
			terms = append(terms, d+`.state = `+c.arg(string(on.State)))
		}
		if on.Release != "" {
			terms = append(terms, d+`.release = `+c.arg(on.Release))
		}
		return strings.Join(terms, ` AND `)
	}
	from := ` FROM thread_devices d CROSS JOIN threads t WHERE t.id = d.thread_id AND ` + fits(`d`)
	if len(devices) != 1 {
		from += ` AND NOT EXISTS (SELECT 1 FROM thread_devices m WHERE m.thread_id = d.thread_id AND m.device < d.device AND ` + fits(`m`) + `)`
	}
	return from
}

// fewThreads is how many are read and sorted rather than met one by one among all.
const fewThreads = 1000

// few says whether a list has few threads by what is not searched for.
func (f Filter) few(tx *db.Tx, v Viewer) (bool, error) {
	c := &conditions{args: []any{v.Member}}
	var n int
	err := tx.QueryRow(`SELECT COUNT(*) FROM (`+f.numbers(v, c, fewThreads+1)+`) listed`, c.args...).Scan(&n)
	return n <= fewThreads, err
}

// numbers selects threads' numbers in no order.
func (f Filter) numbers(v Viewer, c *conditions, limit int) string {
	from, where := ` FROM threads t WHERE `, true
	if on := f.device(); on != nil {
		from, where = f.from(c, *on, devicesOf(*on))+` AND `, false
	}
	return `SELECT t.id` + from + f.where(v, c, where) + ` LIMIT ` + c.arg(limit)
}

// search reads what a search found.
func (f Filter) search(tx *db.Tx, v Viewer) (statement, error) {
	c := &conditions{args: []any{v.Member}}
	q := search.Question{Terms: f.Terms, Without: f.Without}
	if f.narrows() {
		q.Among = func() (string, error) {
			g := f
			g.Terms, g.Without = nil, nil
			few, err := g.few(tx, v)
			if err != nil || !few {
				return "", err
			}
			return g.numbers(v, c, fewThreads), nil
		}
	}
	with, err := q.With(tx, c.arg)
	if err != nil {
		return statement{}, err
	}
	order := f.orderBy(`t`, `t`, `t.id`)
	if f.Order == Newest { // those whose title says it all come first
		order = `CASE WHEN f.place = 0 THEN 0 ELSE 1 END, t.last_at DESC, t.id DESC`
	}
	sql := with + `SELECT ` + threadColumns + ` FROM found f CROSS JOIN threads t WHERE t.id = f.doc AND ` + f.where(v, c, true) + f.after(c, `t`, `t.id`) +
		` ORDER BY ` + order + c.limit(f.Limit+1, f.Offset)
	return statement{sql, c.args}, nil
}

// narrows says whether anything but words narrows the list.
func (f Filter) narrows() bool {
	return slices.ContainsFunc(append([]Filter{f}, f.And...), func(g Filter) bool {
		return g.Kind != "" || g.State != "" || g.Device != "" || g.Part != "" || g.Author != 0 || g.Affected != 0 || g.Release != "" || g.Lang != "" || g.Build != ""
	})
}

// conditions gathers the arguments of a statement.
type conditions struct{ args []any }

// arg takes an argument and returns its placeholder.
func (c *conditions) arg(a any) string {
	c.args = append(c.args, a)
	return `$` + strconv.Itoa(len(c.args))
}

func (c *conditions) limit(limit, offset int) string {
	if offset <= 0 {
		return ` LIMIT ` + c.arg(limit)
	}
	return ` LIMIT ` + c.arg(limit) + ` OFFSET ` + c.arg(offset)
}

// where is the whole condition of a list on threads t; $1 is the viewer. Without
// devices, what the list is read by is left out: see device.
func (f Filter) where(v Viewer, c *conditions, devices bool) string {
	terms := []string{v.clause("$1"), `t.merged_into = 0`}
	for _, g := range append([]Filter{f}, f.And...) {
		terms = append(terms, g.fields(c)...)
	}
	left := !devices
	for _, g := range append([]Filter{f}, f.And...) {
		on := Filter{Device: g.Device, State: g.State, Release: g.Release}
		if by := f.device(); left && by != nil && on.Device == by.Device && on.State == by.State && on.Release == by.Release {
			left = false
			continue
		}
		terms = append(terms, on.devices(c)...)
	}
	if f.Affected != 0 {
		terms = append(terms, `t.id IN (SELECT a.thread_id FROM thread_affected a WHERE a.member_id = `+c.arg(f.Affected)+`)`)
	}
	if !f.Hidden {
		terms = append(terms, `NOT t.hidden`)
	}
	for _, not := range f.Not {
		if fields := append(not.fields(c), not.devices(c)...); len(fields) > 0 {
			terms = append(terms, `NOT (`+strings.Join(fields, ` AND `)+`)`)
		}
	}
	return strings.Join(terms, ` AND `)
}

// after is what makes a list begin behind f.After, by the alias of the table that
// holds its place.
func (f Filter) after(c *conditions, table, id string) string {
	p := f.After
	switch {
	case p == nil:
		return ``
	case f.Order == Oldest:
		return ` AND ` + id + ` > ` + c.arg(p.ID)
	case f.Order == Hot:
		return ` AND (t.votes, ` + table + `.last_at, ` + id + `) < (` + c.arg(p.Votes) + `, ` + c.arg(p.LastAt) + `, ` + c.arg(p.ID) + `)`
	case f.Order == Latest:
		return ` AND (` + table + `.last_at, ` + id + `) < (` + c.arg(p.LastAt) + `, ` + c.arg(p.ID) + `)`
	}
	return ` AND (` + table + `.pinned, ` + table + `.last_at, ` + id + `) < (` + c.arg(p.Pinned) + `, ` + c.arg(p.LastAt) + `, ` + c.arg(p.ID) + `)`
}

// fields are the conditions of what the thread itself says.
func (f Filter) fields(c *conditions) (terms []string) {
	for _, is := range []struct{ column, value string }{{"kind", string(f.Kind)}, {"part", f.Part}, {"build", f.Build}} {
		if is.value != "" {
			terms = append(terms, `t.`+is.column+` = `+c.arg(is.value))
		}
	}
	if f.Lang != "" { // es finds es-MX too
		terms = append(terms, `(t.lang = `+c.arg(f.Lang)+` OR t.lang LIKE `+c.arg(f.Lang+"-%")+`)`)
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
	return terms
}

// devices is the condition of one device together: a state there, a release there.
func (f Filter) devices(c *conditions) []string {
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
	if len(on) == 0 {
		return nil
	}
	// Not EXISTS, which PostgreSQL may turn into a join with all that is on the device.
	return []string{`(SELECT COUNT(*) FROM thread_devices d WHERE d.thread_id = t.id AND ` + strings.Join(on, ` AND `) + `) > 0`}
}

// relist keeps in thread_devices where a thread stands in lists, after that changed.
func relist(tx *db.Tx, threadID int64) error {
	_, err := tx.Exec(`UPDATE thread_devices SET pinned = (SELECT t.pinned FROM threads t WHERE t.id = $1), last_at = (SELECT t.last_at FROM threads t WHERE t.id = $1)
		WHERE thread_id = $1`, threadID)
	if err != nil {
		return fmt.Errorf("cannot put thread %d in its place in lists: %w", threadID, err)
	}
	return nil
}
