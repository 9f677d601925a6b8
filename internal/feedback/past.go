package feedback

import (
	"fmt"
	"time"

	"github.com/fridayos/friday/internal/db"
)

// Past is what a member wrote before, as far as limits and the look at first
// posts need it.
type Past struct {
	Posts   int // that stand: not hidden
	Hour    int // posts within an hour, hidden ones too
	Threads int // within 24 hours
	Last    time.Time
	Recent  []string // posts of anyone's within a day, the newest first, at most maxRecent
}

const maxRecent = 60

// PastOf reads what a member wrote. The recent posts are those of all threads,
// also of private ones: they are for comparing, not for showing.
func PastOf(tx *db.Tx, memberID int64) (p Past, err error) {
	err = tx.QueryRow(`SELECT COALESCE(SUM(CASE WHEN NOT p.hidden AND NOT t.hidden THEN 1 ELSE 0 END), 0), COALESCE(SUM(CASE WHEN p.at > $2 THEN 1 ELSE 0 END), 0),
		COALESCE(MAX(p.at), 0) FROM posts p JOIN threads t ON t.id = p.thread_id WHERE p.author_id = $1`, memberID, tx.Now().Add(-time.Hour)).
		Scan(&p.Posts, &p.Hour, &p.Last)
	if err == nil {
		err = tx.QueryRow(`SELECT COUNT(*) FROM threads WHERE author_id = $1 AND created_at > $2`, memberID, tx.Now().Add(-24*time.Hour)).Scan(&p.Threads)
	}
	if err == nil {
		p.Recent, err = db.All(tx, func(s db.Scanner) (body string, err error) { return body, s.Scan(&body) },
			`SELECT body FROM (SELECT id, body, at FROM posts ORDER BY id DESC LIMIT $2) r WHERE at > $1 ORDER BY id DESC`, tx.Now().Add(-24*time.Hour), maxRecent)
	}
	if err != nil {
		return Past{}, fmt.Errorf("cannot read what member %d wrote: %w", memberID, err)
	}
	return p, nil
}
