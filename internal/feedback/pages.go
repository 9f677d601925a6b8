package feedback

import (
	"errors"
	"fmt"
	"html"
	"strings"
	"time"

	"github.com/fridayos/friday/internal/db"
)

// A page of a thread begins where pageWeight is full, so that it weighs less than
// pageWeight + maxWeight. A post that weighs more counts as maxWeight: whoever
// shows it shows its beginning.
const (
	pageWeight = 16_000
	maxWeight  = 12_000
	postFrame  = 400 // who, when, and the markup around it
)

// Weigh says about how many bytes of HTML a post is, what Markdown makes of it
// included. It is cheap and nothing that bounds depend on: a page measures what it
// really shows.
func Weigh(body string) int64 {
	n := postFrame + len(html.EscapeString(body)) + 8*strings.Count(body, "\n")
	return int64(min(n, maxWeight))
}

// Page is one page of a thread's posts. A post stays on the page it was written on.
type Page struct {
	Number, Pages int // from 1
	Posts         []Post
	Until         time.Time // when the next page begins; zero on the last
}

// PageAt reads page number of a thread and nothing of the others; below 1 it is the first, beyond the
// last it is the last.
func PageAt(tx *db.Tx, v Viewer, threadID int64, number int) (Page, error) {
	p := Page{Number: 1, Pages: 1}
	threadID, err := v.Sees(tx, threadID)
	if err != nil {
		return Page{}, fmt.Errorf("cannot read page %d of thread %d: %w", number, threadID, err)
	}
	var last int64
	err = tx.QueryRow(`SELECT place FROM posts WHERE thread_id = $1 ORDER BY place DESC LIMIT 1`, threadID).Scan(&last)
	if errors.Is(err, db.ErrNoRows) {
		return p, nil
	}
	if err == nil {
		p.Pages = pageOf(last)
		p.Number = min(max(number, 1), p.Pages)
		p.Posts, err = db.All(tx, scanPost, `SELECT `+postColumns+` FROM posts WHERE thread_id = $1 AND place >= $2 AND place < $3 ORDER BY place, id`,
			threadID, int64(p.Number-1)*pageWeight, int64(p.Number)*pageWeight)
	}
	if err == nil && p.Number < p.Pages {
		err = tx.QueryRow(`SELECT at FROM posts WHERE thread_id = $1 AND place >= $2 ORDER BY place LIMIT 1`,
			threadID, int64(p.Number)*pageWeight).Scan(&p.Until)
	}
	if err != nil {
		return Page{}, fmt.Errorf("cannot read page %d of thread %d: %w", number, threadID, err)
	}
	v.cover(p.Posts)
	return p, nil
}

func pageOf(place int64) int { return int(place/pageWeight) + 1 }

// PostByID returns one post and the page of its thread that it stands on.
func PostByID(tx *db.Tx, v Viewer, id int64) (p Post, page int, err error) {
	var place int64
	err = tx.QueryRow(`SELECT `+postColumns+`, place FROM posts WHERE id = $1`, id).
		Scan(&p.ID, &p.ThreadID, &p.AuthorID, &p.Body, &p.At, &p.EditedAt, &p.Hidden, &place)
	if errors.Is(err, db.ErrNoRows) {
		err = ErrNotFound
	}
	if err == nil {
		_, err = v.Sees(tx, p.ThreadID)
	}
	if err != nil {
		return Post{}, 0, fmt.Errorf("cannot read post %d: %w", id, err)
	}
	one := []Post{p}
	v.cover(one)
	return one[0], pageOf(place), nil
}

// cover takes the text of hidden posts away from those who may not read it:
// all but moderators and their authors.
func (v Viewer) cover(posts []Post) {
	for i := range posts {
		if p := &posts[i]; p.Hidden && !v.all && !v.Moderates && (p.AuthorID != v.Member || v.Member == 0) {
			p.Body = ""
		}
	}
}

// Recount counts anew what a thread keeps sums of, after posts, votes or members
// who have it came or went by other ways than one by one: for the packages of
// this room. Votes that came from elsewhere with a thread, or with those merged
// into it, are a number that is added: nobody here gave them.
func Recount(tx *db.Tx, threadID int64) error {
	_, err := tx.Exec(`UPDATE threads SET votes = (SELECT COUNT(*) FROM thread_votes WHERE thread_id = $1) + COALESCE((
			WITH RECURSIVE part(id) AS (SELECT CAST($1 AS BIGINT) UNION SELECT t.id FROM threads t JOIN part ON t.merged_into = part.id)
			SELECT CAST(SUM(e.votes) AS BIGINT) FROM elsewhere_threads e JOIN part ON part.id = e.thread_id), 0),
		posts = (SELECT COUNT(*) FROM posts WHERE thread_id = $1),
		last_at = COALESCE((SELECT MAX(at) FROM posts WHERE thread_id = $1), created_at) WHERE id = $1`, threadID)
	if err == nil {
		_, err = tx.Exec(`UPDATE thread_devices SET affected = (SELECT COUNT(*) FROM thread_affected a
			WHERE a.thread_id = thread_devices.thread_id AND a.device = thread_devices.device) WHERE thread_id = $1`, threadID)
	}
	if err != nil {
		return fmt.Errorf("cannot count thread %d: %w", threadID, err)
	}
	if err := relist(tx, threadID); err != nil {
		return err
	}
	return Paginate(tx, threadID)
}

// Paginate gives a thread's posts their places anew, after one changed its
// weight, came or went.
func Paginate(tx *db.Tx, threadID int64) error {
	_, err := tx.Exec(`UPDATE posts SET place = s.before FROM
		(SELECT id, SUM(weight) OVER (ORDER BY at, id) - weight AS before FROM posts WHERE thread_id = $1) s WHERE posts.id = s.id`, threadID)
	if err != nil {
		return fmt.Errorf("cannot lay out the pages of thread %d: %w", threadID, err)
	}
	return nil
}

// placeAfter is where a thread's next post goes.
func placeAfter(tx *db.Tx, threadID int64) (int64, error) {
	var place, weight int64
	err := tx.QueryRow(`SELECT place, weight FROM posts WHERE thread_id = $1 ORDER BY place DESC LIMIT 1`, threadID).Scan(&place, &weight)
	if errors.Is(err, db.ErrNoRows) {
		return 0, nil
	}
	return place + weight, err
}
