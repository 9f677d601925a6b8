// Package elsewhere keeps threads that began at another service: with their
// times, their authors' names there and the votes that were given there. It is
// not the reading of another service's files; that is package imports.
//
// What it keeps is quiet: nobody is told, and nobody here is made to have
// written, voted, watched or be affected. An author is a name without an
// account (a number below feedback.FormerMember, which no member has); votes are
// a number that is added to members' votes; and since no member has it, an
// imported report does not count into the days to a fix until a member says that
// they have it too. Whatever is kept is kept once: putting it again changes
// nothing.
package elsewhere

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/fridayos/friday/internal/audit"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/feedback/way"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/search"
)

// MaxBody is how many characters a post from elsewhere may have: other services
// allow more than this forum's own feedback.MaxBody.
const MaxBody = 65_536

// Origin names a thread where it began.
type Origin struct {
	Service string // github, discourse
	Place   string // OWNER/REPO, or a forum's host
	Number  int64  // above 0
}

// Thread is one that began elsewhere, with its first post.
type Thread struct {
	Origin
	URL      string // there; empty: unknown
	Kind     feedback.Kind
	Title    string // 1 to feedback.MaxTitle characters
	Body     string // Markdown, 1 to MaxBody characters
	AuthorID int64  // as Author gave it
	Part     string // of a bug or an idea: one of feedback.Parts
	Lang     string
	Devices  []string // of a bug or an idea; none: AnyDevice
	At       time.Time
	Ref      int64          // of the first post
	State    feedback.State // of a bug or an idea: Closed or Declined; empty: open
	ClosedAt time.Time      // zero: open
	Reason   string         // why it is closed
	Votes    int            // that were given there
	Locked   bool
	Hidden   bool
}

// Put keeps a thread, unless it is there already; fresh says which. The id is
// that of the thread that it became, even if it was merged into another since.
func Put(tx *db.Tx, t Thread) (id int64, fresh bool, err error) {
	if id, err = idOf(tx, t.Origin); err == nil || !errors.Is(err, feedback.ErrNotFound) {
		return id, false, err
	}
	if id, err = feedback.NextID(tx); err != nil {
		return 0, false, err
	}
	if err := t.insert(tx, id); err != nil {
		return 0, false, fmt.Errorf("cannot keep %s: %w", t.Origin, err)
	}
	return id, true, feedback.Record(tx, feedback.Event{ThreadID: id, Kind: feedback.EventImported})
}

func (o Origin) String() string { return fmt.Sprintf("%s %s#%d", o.Service, o.Place, o.Number) }

func (t Thread) insert(tx *db.Tx, id int64) error {
	if _, err := tx.Exec(`INSERT INTO threads (id, kind, title, title_key, author_id, part, build, created_at, last_at, closed_at, posts, votes, hidden, locked, lang)
		VALUES ($1, $2, $3, $4, $5, $6, '', $7, $7, $8, 1, $9, $10, $11, $12)`,
		id, string(t.Kind), t.Title, strings.ToLower(t.Title), t.AuthorID, t.Part, t.At, t.ClosedAt, t.Votes, t.Hidden, t.Locked, t.Lang); err != nil {
		return err
	}
	if _, err := tx.Exec(`INSERT INTO elsewhere_threads (thread_id, service, place, number, url, votes) VALUES ($1, $2, $3, $4, $5, $6)`,
		id, t.Service, t.Place, t.Number, t.URL, t.Votes); err != nil {
		return err
	}
	if _, err := (Post{Ref: t.Ref, AuthorID: t.AuthorID, Body: t.Body, At: t.At}).insert(tx, id, id); err != nil {
		return err
	}
	if !t.Kind.Tracked() {
		return nil
	}
	devices := slices.Compact(slices.Sorted(slices.Values(t.Devices)))
	if len(devices) == 0 {
		devices = []string{feedback.AnyDevice}
	}
	for _, device := range devices {
		if err := t.stand(tx, id, device); err != nil {
			return err
		}
	}
	return nil
}

// stand keeps what happened to a report on a device, and where it stands for it.
// Nobody is affected: nobody here said so.
func (t Thread) stand(tx *db.Tx, id int64, device string) error {
	facts := []way.Fact{{Kind: way.FactReported, Device: device, Actor: t.AuthorID, At: t.At}}
	if t.State != "" {
		facts = append(facts, way.Fact{Kind: way.FactMarked, Device: device, State: t.State, Reason: t.Reason, At: t.ClosedAt})
	}
	for _, f := range facts {
		if _, err := tx.Exec(`INSERT INTO thread_facts (id, thread_id, kind, device, state, release, build, built_at, commit_hash, reason, actor_id, at)
			VALUES ($1, $2, $3, $4, $5, '', '', 0, '', $6, $7, $8)`,
			db.NewID(), id, string(f.Kind), f.Device, string(f.State), f.Reason, f.Actor, f.At); err != nil {
			return err
		}
	}
	w, _ := way.Derive(device, facts)
	_, err := tx.Exec(`INSERT INTO thread_devices (thread_id, device, state, release, build, reason, affected, reported_at, since, last_at)
		VALUES ($1, $2, $3, '', '', $4, 0, $5, $6, $7)`, id, device, string(w.State), w.Reason, w.First, w.Since, t.At)
	return err
}

// Post is one that was written elsewhere.
type Post struct {
	Ref      int64 // names it within its thread there
	AuthorID int64 // as Author gave it
	Body     string
	At       time.Time
	Hidden   bool // by a moderator there
	Accepted bool // answers the question
}

// Posts adds posts to threads that Put kept, in one transaction.
type Posts struct {
	tx    *db.Tx
	known map[Origin]place
}

// place is where a thread's posts go: it may have been merged into another.
type place struct{ origin, into int64 }

// NewPosts begins to add posts; call Settle at the end.
func NewPosts(tx *db.Tx) *Posts { return &Posts{tx, map[Origin]place{}} }

// Find looks for the thread; feedback.ErrNotFound if it is not there.
func (a *Posts) Find(o Origin) error { _, err := a.find(o); return err }

func (a *Posts) find(o Origin) (p place, err error) {
	if p, ok := a.known[o]; ok {
		return p, nil
	}
	if p.origin, err = idOf(a.tx, o); err != nil {
		return p, err
	}
	if p.into, err = feedback.Everything().Sees(a.tx, p.origin); err != nil {
		return p, err
	}
	a.known[o] = p
	return p, nil
}

// Add keeps a post, unless it is there already; fresh says which.
func (a *Posts) Add(o Origin, p Post) (fresh bool, err error) {
	at, err := a.find(o)
	if err != nil {
		return false, err
	}
	id, err := p.insert(a.tx, at.origin, at.into)
	if err == nil && id == 0 {
		return false, nil
	}
	if err == nil && p.Accepted {
		_, err = a.tx.Exec(`UPDATE threads SET accepted_id = $2, closed_at = CASE WHEN closed_at = 0 THEN $3 ELSE closed_at END
			WHERE id = $1 AND kind = $4 AND accepted_id = 0`, at.into, id, p.At, string(feedback.Question))
	}
	if err == nil && !p.Hidden {
		err = search.Put(a.tx, search.Source{Doc: at.into, Kind: search.Post, Ref: id}, p.Body)
	}
	if err != nil {
		return false, fmt.Errorf("cannot keep a post of %s: %w", o, err)
	}
	return true, nil
}

// Settle counts the threads whose posts were added, and lays out their pages.
func (a *Posts) Settle() error {
	seen := map[int64]bool{}
	for _, p := range a.known {
		seen[p.into] = true
	}
	for _, id := range slices.Sorted(maps.Keys(seen)) {
		if err := feedback.Recount(a.tx, id); err != nil {
			return err
		}
	}
	return nil
}

// insert keeps a post, but not its words for searching; 0 if it is there already.
func (p Post) insert(tx *db.Tx, origin, thread int64) (int64, error) {
	id := db.NewID()
	n, err := tx.Exec(`INSERT INTO elsewhere_posts (origin_id, ref, post_id) VALUES ($1, $2, $3) ON CONFLICT (origin_id, ref) DO NOTHING`, origin, p.Ref, id)
	if err != nil || n == 0 {
		return 0, err
	}
	_, err = tx.Exec(`INSERT INTO posts (id, thread_id, author_id, body, at, hidden, weight, place) VALUES ($1, $2, $3, $4, $5, $6, $7, 0)`,
		id, thread, p.AuthorID, p.Body, p.At, p.Hidden, feedback.Weigh(p.Body))
	return id, err
}

func idOf(tx *db.Tx, o Origin) (id int64, err error) {
	err = tx.QueryRow(`SELECT thread_id FROM elsewhere_threads WHERE service = $1 AND place = $2 AND number = $3`, o.Service, o.Place, o.Number).Scan(&id)
	if errors.Is(err, db.ErrNoRows) {
		return 0, fmt.Errorf("cannot find %s: %w", o, feedback.ErrNotFound)
	}
	if err != nil {
		return 0, fmt.Errorf("cannot find %s: %w", o, err)
	}
	return id, nil
}

// Has says whether a thread, or with ref above 0 a post of it, is kept already.
func Has(tx *db.Tx, o Origin, ref int64) (bool, error) {
	id, err := idOf(tx, o)
	if errors.Is(err, feedback.ErrNotFound) {
		return false, nil
	}
	if err != nil || ref == 0 {
		return err == nil, err
	}
	_, err = postOf(tx, id, ref)
	if errors.Is(err, feedback.ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}

func postOf(tx *db.Tx, origin, ref int64) (id int64, err error) {
	err = tx.QueryRow(`SELECT post_id FROM elsewhere_posts WHERE origin_id = $1 AND ref = $2`, origin, ref).Scan(&id)
	if errors.Is(err, db.ErrNoRows) {
		return 0, fmt.Errorf("cannot find post %d of thread %d: %w", ref, origin, feedback.ErrNotFound)
	}
	return id, err
}

// Find leads from where a thread began to where it is, if the viewer may see it;
// with ref above 0 to that post, or to the thread if that has none.
func Find(tx *db.Tx, v feedback.Viewer, o Origin, ref int64) (threadID, postID int64, err error) {
	id, err := idOf(tx, o)
	if err != nil {
		return 0, 0, err
	}
	if threadID, err = v.Sees(tx, id); err != nil || ref == 0 {
		return threadID, 0, err
	}
	postID, err = postOf(tx, id, ref)
	if errors.Is(err, feedback.ErrNotFound) {
		return threadID, 0, nil
	}
	return threadID, postID, err
}

// There is the address that a thread has where its neighbours began, for one that
// is not here: a pull request, say. It is empty for a place that nothing came from.
func There(tx *db.Tx, o Origin) (string, error) {
	var url string
	var number int64
	err := tx.QueryRow(`SELECT url, number FROM elsewhere_threads WHERE service = $1 AND place = $2 AND url <> '' ORDER BY number LIMIT 1`, o.Service, o.Place).Scan(&url, &number)
	if errors.Is(err, db.ErrNoRows) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("cannot find %s: %w", o, err)
	}
	base, ok := strings.CutSuffix(url, "/"+strconv.FormatInt(number, 10))
	if !ok {
		return "", nil
	}
	return base + "/" + strconv.FormatInt(o.Number, 10), nil
}

// From is where a thread began.
type From struct {
	Origin
	URL   string
	Votes int // that came with it
}

// Of returns where a thread began; ok is false for one of this forum's own.
func Of(tx *db.Tx, threadID int64) (f From, ok bool, err error) {
	err = tx.QueryRow(`SELECT service, place, number, url, votes FROM elsewhere_threads WHERE thread_id = $1`, threadID).
		Scan(&f.Service, &f.Place, &f.Number, &f.URL, &f.Votes)
	if errors.Is(err, db.ErrNoRows) {
		return From{}, false, nil
	}
	if err != nil {
		return From{}, false, fmt.Errorf("cannot read where thread %d began: %w", threadID, err)
	}
	return f, true, nil
}

// maxName is how many characters of a name are kept.
const maxName = 64

// Author is the number that stands for a name at a service: a member's, if it was
// credited to one. Fresh says that the name was not known yet. An empty name, or
// nothing but marks, is feedback.FormerMember.
func Author(tx *db.Tx, service, place, name string) (id int64, fresh bool, err error) {
	if name = CleanName(name); name == "" {
		return feedback.FormerMember, false, nil
	}
	var n int64
	id = -db.NewID()
	n, err = tx.Exec(`INSERT INTO elsewhere_authors (id, service, place, name, name_key, member_id) VALUES ($1, $2, $3, $4, $5, 0)
		ON CONFLICT (service, place, name_key) DO NOTHING`, id, service, place, name, strings.ToLower(name))
	if err == nil && n == 0 {
		err = tx.QueryRow(`SELECT CASE WHEN member_id = 0 THEN id ELSE member_id END FROM elsewhere_authors WHERE service = $1 AND place = $2 AND name_key = $3`,
			service, place, strings.ToLower(name)).Scan(&id)
	}
	if err != nil {
		return 0, false, fmt.Errorf("cannot keep the name of an author at %s: %w", service, err)
	}
	return id, n > 0, nil
}

// CleanName is a name as it is kept: without what is not seen or turns the
// writing around, at most so many characters.
func CleanName(name string) string {
	name = strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) || r == utf8.RuneError {
			return -1
		}
		return r
	}, name)
	name = strings.Join(strings.Fields(name), " ")
	if r := []rune(name); len(r) > maxName {
		name = string(r[:maxName])
	}
	return name
}

// Known is who wrote something elsewhere.
type Known struct{ Name, Service, Place string }

// ByID is the author elsewhere that a number stands for; ok is false for a
// member, and for who left.
func ByID(tx *db.Tx, id int64) (k Known, ok bool, err error) {
	if id >= feedback.FormerMember {
		return Known{}, false, nil
	}
	err = tx.QueryRow(`SELECT name, service, place FROM elsewhere_authors WHERE id = $1`, id).Scan(&k.Name, &k.Service, &k.Place)
	if errors.Is(err, db.ErrNoRows) {
		return Known{}, false, nil
	}
	if err != nil {
		return Known{}, false, fmt.Errorf("cannot read the name of an author: %w", err)
	}
	return k, true, nil
}

// Credited says what became a member's.
type Credited struct {
	Name           string // as it is written there
	Threads, Posts int64
}

// Credit makes a member the author of what a name wrote elsewhere, and of what a
// later import brings of it. The caller has made sure that they are one person:
// no address is kept that could tell. It is recorded in the audit trail.
func Credit(tx *db.Tx, by audit.Event, service, place, name string, m member.Member) (c Credited, err error) {
	fail := func(err error) (Credited, error) {
		return Credited{}, fmt.Errorf("cannot credit %s to %s: %w", name, m.Name, err)
	}
	var id, whose int64
	err = tx.QueryRow(`SELECT id, name, member_id FROM elsewhere_authors WHERE service = $1 AND place = $2 AND name_key = $3`,
		service, place, strings.ToLower(CleanName(name))).Scan(&id, &c.Name, &whose)
	switch {
	case errors.Is(err, db.ErrNoRows):
		return fail(fmt.Errorf("nothing was imported of that name at %s: %w", strings.TrimSpace(service+" "+place), feedback.ErrNotFound))
	case err != nil:
		return fail(err)
	case whose != 0 && whose != m.ID:
		return fail(errors.New("it was credited to another member before"))
	}
	if _, err = tx.Exec(`UPDATE elsewhere_authors SET member_id = $2 WHERE id = $1`, id, m.ID); err != nil {
		return fail(err)
	}
	if c.Threads, err = tx.Exec(`UPDATE threads SET author_id = $2 WHERE author_id = $1`, id, m.ID); err != nil {
		return fail(err)
	}
	if c.Posts, err = tx.Exec(`UPDATE posts SET author_id = $2 WHERE author_id = $1`, id, m.ID); err != nil {
		return fail(err)
	}
	if _, err = tx.Exec(`UPDATE thread_facts SET actor_id = $2 WHERE actor_id = $1`, id, m.ID); err != nil {
		return fail(err)
	}
	by.Action, by.Subject, by.AboutID = "import.credit", m.Name, m.ID
	by.Detail = fmt.Sprintf(`{"service":%q,"threads":%d,"posts":%d}`, service, c.Threads, c.Posts)
	return c, audit.Record(tx, by)
}
