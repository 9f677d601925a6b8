package feedback

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/search"
)

// index keeps the words of a thread for searching as the events tell of changes,
// in their transaction. A hidden post's are not kept.
func index(tx *db.Tx, e Event) error {
	switch e.Kind {
	case EventImported:
		return Index(tx, e.ThreadID)
	case EventFiled, EventMoved:
		if err := indexThread(tx, e.ThreadID); err != nil {
			return err
		}
	case EventMerged, EventUnmerged, EventSplit:
		for _, id := range []int64{e.ThreadID, e.Other} {
			if err := Index(tx, id); err != nil {
				return err
			}
		}
		return nil
	}
	switch e.Kind {
	case EventFiled, EventPosted, EventEdited, EventHidden, EventShown:
		return indexPosts(tx, `id = $1`, e.PostID)
	}
	return nil
}

// Index keeps all words of a thread that are not kept yet.
func Index(tx *db.Tx, threadID int64) error {
	if err := indexThread(tx, threadID); err != nil {
		return err
	}
	return indexPosts(tx, `thread_id = $1 AND NOT EXISTS (SELECT 1 FROM search_texts s WHERE s.kind = 'post' AND s.ref = posts.id AND s.doc = posts.thread_id)`, threadID)
}

// indexThread keeps the words of a thread's title and of the build it names; those
// of a title whose thread went into another are that one's.
func indexThread(tx *db.Tx, id int64) error {
	t, err := db.All(tx, scanThread, `SELECT `+threadColumns+` FROM threads t WHERE t.id = $1`, id)
	if err != nil || len(t) == 0 {
		return err
	}
	into, title, build, once := t[0].MergedInto, t[0].Title, t[0].Build, ""
	if into != 0 {
		title, build, once = "", "", title
		for range maxMerges { // it may have gone on from there
			var next int64
			if err := tx.QueryRow(`SELECT merged_into FROM threads WHERE id = $1`, into).Scan(&next); err != nil {
				return err
			}
			if next == 0 {
				break
			}
			into = next
		}
	}
	if err := search.Put(tx, search.Source{Doc: id, Kind: search.Title, Ref: id}, title); err != nil {
		return err
	}
	if err := search.Put(tx, search.Source{Doc: id, Kind: search.Build, Ref: id}, build); err != nil {
		return err
	}
	if err := search.Put(tx, search.Source{Doc: cmp.Or(into, id), Kind: search.Once, Ref: id}, once); err != nil {
		return err
	}
	before, err := db.All(tx, scanID, `SELECT id FROM threads WHERE merged_into = $1 ORDER BY id`, id)
	for _, from := range before {
		if err == nil {
			err = indexThread(tx, from)
		}
	}
	return err
}

func indexPosts(tx *db.Tx, where string, arg int64) error {
	posts, err := db.All(tx, scanPost, `SELECT `+postColumns+` FROM posts WHERE `+where+` ORDER BY id`, arg)
	for _, p := range posts {
		if err != nil {
			break
		}
		if p.Hidden {
			p.Body = ""
		}
		err = search.Put(tx, search.Source{Doc: p.ThreadID, Kind: search.Post, Ref: p.ID}, p.Body)
	}
	return err
}

// Unindexed returns those of the threads whose words are not kept: they were
// filed before there was an index.
func Unindexed(tx *db.Tx, ids []int64) ([]int64, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	missing, err := db.All(tx, scanID, `SELECT t.id FROM threads t WHERE t.id IN (`+join(ids)+`)
		AND (t.merged_into = 0 AND NOT EXISTS (SELECT 1 FROM search_texts s WHERE `+search.Of(`s`, `t.id`)+`)
			OR t.merged_into <> 0 AND NOT EXISTS (SELECT 1 FROM search_texts s WHERE s.kind = 'once' AND s.ref = t.id)) ORDER BY t.id`)
	if err != nil {
		return nil, fmt.Errorf("cannot look for threads without an index: %w", err)
	}
	return missing, nil
}

func scanID(s db.Scanner) (id int64, err error) { return id, s.Scan(&id) }

func join(ids []int64) string {
	var b strings.Builder
	for i, id := range ids {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString(strconv.FormatInt(id, 10))
	}
	return b.String()
}

// Gathered returns a thread and all that went into it, by their numbers, a hundred
// at most.
func Gathered(tx *db.Tx, id int64) ([]int64, error) {
	all, err := db.All(tx, scanID, `WITH RECURSIVE gathered(id) AS (SELECT CAST($1 AS BIGINT) UNION SELECT t.id FROM threads t JOIN gathered g ON t.merged_into = g.id)
		SELECT id FROM gathered ORDER BY id LIMIT 100`, id)
	if err != nil {
		return nil, fmt.Errorf("cannot read what went into thread %d: %w", id, err)
	}
	return all, nil
}

// IDs returns up to limit threads' numbers above one, whoever may see them: for
// who reads all, one after the other.
func IDs(tx *db.Tx, after int64, limit int) ([]int64, error) {
	ids, err := db.All(tx, scanID, `SELECT id FROM threads WHERE id > $1 ORDER BY id LIMIT $2`, after, limit)
	if err != nil {
		return nil, fmt.Errorf("cannot list threads: %w", err)
	}
	return ids, nil
}

// Opening returns a thread, without its devices, and what its first post says
// (nothing, if that is hidden). Like ByID it follows a merge.
func Opening(tx *db.Tx, v Viewer, id int64) (Thread, string, error) {
	t, err := v.find(tx, id)
	if err != nil {
		return Thread{}, "", fmt.Errorf("cannot read thread %d: %w", id, err)
	}
	posts, err := db.All(tx, scanPost, `SELECT `+postColumns+` FROM posts WHERE thread_id = $1 ORDER BY at, id LIMIT 1`, t.ID)
	if err != nil {
		return Thread{}, "", fmt.Errorf("cannot read thread %d: %w", id, err)
	}
	v.cover(posts)
	if len(posts) == 0 {
		return t, "", nil
	}
	return t, posts[0].Body, nil
}

// Keys are the filters of a question that is typed.
func Keys() []string {
	return []string{"device", "state", "app", "part", "fixed-in", "build", "kind", "by", "lang"}
}

// Narrow reads a question that is typed into the fields of f that it names. What it
// could not mean stands in the question's Problems and does not narrow the list.
func Narrow(tx *db.Tx, question string, f Filter) (Filter, search.Query, error) {
	q := search.Parse(question, Keys()...)
	f.Terms, f.Without = append(f.Terms, q.Terms...), append(f.Without, q.Without...)
	var all Filter // what is said of a device holds of one together
	said := map[string]bool{}
	for _, one := range q.Filters {
		var alone Filter
		g := &alone
		if !one.Not && !said[one.Key] {
			g = &all
		}
		ok, err := g.set(tx, one)
		if err != nil {
			return f, q, fmt.Errorf("cannot read a question: %w", err)
		}
		switch {
		case !ok:
			q.Problems = append(q.Problems, search.Problem{Kind: search.BadValue, Text: one.Key + ":" + one.Value})
		case one.Not:
			f.Not = append(f.Not, alone)
		case said[one.Key]:
			f.And = append(f.And, alone)
		default:
			said[one.Key] = true
		}
	}
	f.And = append(f.And, all)
	return f, q, nil
}

// set sets the field that a filter names; false if its value is none.
func (f *Filter) set(tx *db.Tx, one search.Filter) (ok bool, err error) {
	value := clean(one.Value)
	small := strings.ToLower(value)
	switch one.Key {
	case "device":
		f.Device = small
	case "fixed-in":
		f.Release = small
	case "build":
		f.Build = value
	case "state":
		switch {
		case small == "open":
			f.Open = true
		case small == "done":
			f.Done = true
		case !slices.Contains(AllStates(), State(small)):
			return false, nil
		default:
			f.State = State(small)
		}
	case "app", "part":
		i := slices.IndexFunc(Parts(), func(p string) bool { return strings.EqualFold(p, value) })
		if i < 0 {
			return false, nil
		}
		f.Part = Parts()[i]
	case "kind":
		if !slices.Contains(Kinds(), Kind(small)) {
			return false, nil
		}
		f.Kind = Kind(small)
	case "lang":
		tag, err := checkLang(value)
		if err != nil {
			return false, nil
		}
		f.Lang = tag
	case "by":
		m, err := member.ByName(tx, strings.TrimPrefix(value, "@"))
		if errors.Is(err, member.ErrNotFound) {
			return false, nil
		}
		f.Author = m.ID
		return err == nil, err
	}
	return value != "", nil
}

// Hit is where in a thread the words of a question stand, beside its title.
type Hit struct {
	PostID int64
	Parts  []search.Part
}

const (
	snippetWidth = 180     // characters of a post that a hit shows
	hitPosts     = 20      // of a thread that are looked through for one
	hitBytes     = 400_000 // of all threads' posts together
)

// Hits returns, by thread, where terms stand in the threads that List found: the post
// that holds most of them, among the first ones of each.
func Hits(tx *db.Tx, threads []Thread, terms []search.Term) (map[int64]Hit, error) {
	hits := map[int64]Hit{}
	if len(terms) == 0 {
		return hits, nil
	}
	left := hitBytes
	for _, t := range threads {
		posts, err := db.All(tx, scanPost, `SELECT `+postColumns+` FROM posts WHERE thread_id = $1 ORDER BY place, id LIMIT $2`, t.ID, hitPosts)
		if err != nil {
			return nil, fmt.Errorf("cannot read the posts of thread %d: %w", t.ID, err)
		}
		if t.Posts > hitPosts { // and those that the index knows
			more, err := held(tx, t.ID, terms)
			if err != nil {
				return nil, err
			}
			posts = append(more, posts...)
		}
		most := 0
		for _, p := range posts {
			if left -= len(p.Body); left < 0 {
				return hits, nil
			}
			if p.Hidden {
				continue
			}
			if n := search.Count(p.Body, terms); n > most {
				most, hits[t.ID] = n, Hit{p.ID, search.Snippet(p.Body, terms, snippetWidth)}
			}
			if most == len(terms) {
				break
			}
		}
	}
	return hits, nil
}

// held reads posts of a long thread that hold one of the terms.
func held(tx *db.Tx, thread int64, terms []search.Term) (posts []Post, err error) {
	sources, err := search.Holding(tx, thread, terms, 4)
	if err != nil {
		return nil, err
	}
	for _, s := range sources {
		if s.Kind != search.Post {
			continue
		}
		some, err := db.All(tx, scanPost, `SELECT `+postColumns+` FROM posts WHERE id = $1`, s.Ref)
		if err != nil {
			return nil, fmt.Errorf("cannot read post %d: %w", s.Ref, err)
		}
		posts = append(posts, some...)
	}
	return posts, nil
}
