// Package notice tells members what happens in the threads that they watch and
// what is asked of them: in a list on the site, by mail that gathers, and by web
// push. It reads the forum's log of events from where it stopped; no member is
// told of one thing twice.
//
// Who is told of what is decided by the pure rules in rules.go and by each
// member's wishes; what a member may not see they are not told of. Letters end
// with an address that stops them without signing in (RFC 8058); pushes are
// encrypted for the browser alone (RFC 8291) and signed (VAPID, RFC 8292). The
// package knows no pages.
package notice

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/feedback/stake"
	"github.com/fridayos/friday/internal/member"
)

// Notice is one thing that one member is told.
type Notice struct {
	ID       int64
	MemberID int64
	Kind     Kind
	ThreadID int64 // 0: none
	PostID   int64
	ActorID  int64 // 0: the train
	Device   string
	Release  string
	Word     string // a feedback.State, a feedback.EventKind, or what System tells
	At       time.Time
	ReadAt   time.Time // zero: not yet
	Detail   string    // a sentence that the message names: why
	Place    string    // path on the site where it leads; empty: to the post, the thread, or nowhere
}

const columns = "id, member_id, kind, thread_id, post_id, actor_id, device, release, word, at, read_at, place, detail"

func scan(s db.Scanner) (n Notice, err error) {
	err = s.Scan(&n.ID, &n.MemberID, (*string)(&n.Kind), &n.ThreadID, &n.PostID, &n.ActorID, &n.Device, &n.Release, &n.Word, &n.At, &n.ReadAt, &n.Place, &n.Detail)
	return n, err
}

// List returns what stands in a member's list, the newest first: those older
// than the notice with the id before (0: all), at most limit (30 unless given,
// 200 at most).
func List(tx *db.Tx, memberID, before int64, limit int) ([]Notice, error) {
	return list(tx, "site AND ", memberID, before, limit)
}

// All is List of whatever is kept of what a member was told, by whichever way.
func All(tx *db.Tx, memberID, before int64, limit int) ([]Notice, error) {
	return list(tx, "", memberID, before, limit)
}

func list(tx *db.Tx, which string, memberID, before int64, limit int) ([]Notice, error) {
	if limit <= 0 {
		limit = 30
	}
	all, err := db.All(tx, scan, "SELECT "+columns+" FROM notices WHERE "+which+`member_id = $1 AND (CAST($2 AS BIGINT) = 0 OR id < $2)
		ORDER BY id DESC LIMIT $3`, memberID, before, min(limit, 200))
	if err != nil {
		return nil, fmt.Errorf("cannot list notices: %w", err)
	}
	return all, nil
}

// Unread counts a member's unread notices, up to 100.
func Unread(tx *db.Tx, memberID int64) (n int, err error) {
	err = tx.QueryRow(`SELECT COUNT(*) FROM (SELECT 1 FROM notices WHERE member_id = $1 AND site AND read_at = 0 LIMIT 100) x`, memberID).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("cannot count notices: %w", err)
	}
	return n, nil
}

// UnreadIn counts a member's unread notices of one thread, up to 100.
func UnreadIn(tx *db.Tx, memberID, threadID int64) (n int, err error) {
	err = tx.QueryRow(`SELECT COUNT(*) FROM (SELECT 1 FROM notices WHERE member_id = $1 AND thread_id = $2 AND read_at = 0 LIMIT 100) x`, memberID, threadID).Scan(&n)
	if err != nil {
		return 0, fmt.Errorf("cannot count notices: %w", err)
	}
	return n, nil
}

// MarkRead marks a member's notices as read: one (id), or all of a thread, or
// with neither all. What was read is not mailed any more.
func MarkRead(tx *db.Tx, memberID, id, threadID int64) error {
	_, err := tx.Exec(`UPDATE notices SET read_at = $4, mail_due = 0, push = FALSE WHERE member_id = $1 AND read_at = 0
		AND (CAST($2 AS BIGINT) = 0 OR id = $2) AND (CAST($3 AS BIGINT) = 0 OR thread_id = $3)`, memberID, id, threadID, tx.Now())
	if err != nil {
		return fmt.Errorf("cannot mark notices as read: %w", err)
	}
	return nil
}

// WishesOf reads what a member wants.
func WishesOf(tx *db.Tx, memberID int64) (Wishes, error) {
	w := Usual()
	rows, err := tx.Query("SELECT kind, channel, wanted FROM notice_wishes WHERE member_id = $1", memberID)
	if err != nil {
		return nil, fmt.Errorf("cannot read wishes: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		var kind, channel string
		var wanted bool
		if err := rows.Scan(&kind, &channel, &wanted); err != nil {
			return nil, err
		}
		if w[Kind(kind)] != nil {
			w[Kind(kind)][Channel(channel)] = wanted
		}
	}
	return w, rows.Err()
}

// Wish keeps what a member wants of one kind by one channel.
func Wish(tx *db.Tx, memberID int64, k Kind, c Channel, wanted bool) error {
	if !slices.Contains(Kinds(), k) || !slices.Contains(Channels(), c) {
		return fmt.Errorf("cannot keep a wish: there is no kind %.20q by %.20q", string(k), string(c))
	}
	_, err := tx.Exec(`INSERT INTO notice_wishes (member_id, kind, channel, wanted) VALUES ($1, $2, $3, $4)
		ON CONFLICT (member_id, kind, channel) DO UPDATE SET wanted = excluded.wanted`, memberID, string(k), string(c), wanted)
	if err != nil {
		return fmt.Errorf("cannot keep a wish: %w", err)
	}
	if !wanted && c == Mail { // also what waits
		_, err = tx.Exec("UPDATE notices SET mail_due = 0 WHERE member_id = $1 AND kind = $2", memberID, string(k))
	}
	return err
}

const (
	perSweep = 200                  // events at a time
	keep     = 180 * 24 * time.Hour // notices; read or not
)

// Sweep reads on in the log of events and writes the notices that follow; it
// returns how many events it read.
func Sweep(tx *db.Tx) (events int, err error) {
	var after int64
	err = tx.QueryRow("SELECT after FROM notice_cursor WHERE one = 1").Scan(&after)
	switch {
	case errors.Is(err, db.ErrNoRows): // nobody is told of what is long past
		if after, err = feedback.LastEvent(tx); err == nil {
			_, err = tx.Exec("INSERT INTO notice_cursor (one, after) VALUES (1, $1)", after)
		}
		return 0, err
	case err != nil:
		return 0, fmt.Errorf("cannot sweep notices: %w", err)
	}
	log, err := feedback.Events(tx, after, perSweep)
	if err != nil || len(log) == 0 {
		return 0, err
	}
	for _, e := range log {
		if err := spread(tx, e); err != nil {
			return 0, err
		}
	}
	for _, q := range []string{"UPDATE notice_cursor SET after = $1 WHERE one = 1", "DELETE FROM notices WHERE id IN (SELECT id FROM notices WHERE at < $1 ORDER BY at LIMIT 1000)"} {
		arg := any(log[len(log)-1].ID)
		if q[0] == 'D' {
			arg = tx.Now().Add(-keep)
		}
		if _, err := tx.Exec(q, arg); err != nil {
			return 0, fmt.Errorf("cannot sweep notices: %w", err)
		}
	}
	return len(log), nil
}

// spread writes the notices of one event.
func spread(tx *db.Tx, e feedback.Event) error {
	watch, muted, err := stake.Watchers(tx, e.ThreadID)
	if err != nil {
		return err
	}
	to := told(e, watch, muted)
	if len(to) == 0 {
		return nil
	}
	ids := make([]int64, 0, len(to))
	for id := range to {
		ids = append(ids, id)
	}
	slices.Sort(ids) // two sweeps touch rows in one order
	_, err = feedback.Viewer{}.Sees(tx, e.ThreadID)
	open := err == nil
	if err != nil && !errors.Is(err, feedback.ErrNotFound) {
		return err
	}
	for _, id := range ids {
		m, err := member.ByID(tx, id)
		if errors.Is(err, member.ErrNotFound) {
			continue // gone
		}
		if err == nil && !open {
			if _, err = (feedback.Viewer{Member: id, Moderates: m.Moderates()}).Sees(tx, e.ThreadID); errors.Is(err, feedback.ErrNotFound) {
				continue
			}
		}
		if err != nil {
			return err
		}
		n := Notice{MemberID: id, Kind: to[id], ThreadID: e.ThreadID, PostID: e.PostID, ActorID: e.Actor, Device: e.Device, Release: e.Release, Word: word(e), At: e.At}
		if err := put(tx, n, e.ID, about(e, to[id])); err != nil {
			return err
		}
	}
	return nil
}

// Word is what Tell tells.
type Word struct {
	What    string // a word of whoever tells: "webhook-disabled"; the messages notice.system.WHAT say it
	Subject string // of what: a name that stands in the message
	Device  string // codename, where it is about one
	Detail  string // a sentence that the message names: why
	Place   string // path on the site where it leads; empty: nowhere
	Key     string // nobody is told twice of one What with one Key
	Actor   int64  // the member who did it; 0: none
}

// Tell writes a notice of kind System to a member.
func Tell(tx *db.Tx, memberID int64, w Word) error {
	return put(tx, Notice{MemberID: memberID, Kind: System, Word: w.What, Release: w.Subject, Device: w.Device, Detail: w.Detail, Place: w.Place, ActorID: w.Actor, At: tx.Now()}, 0, w.What+" "+w.Key)
}

func put(tx *db.Tx, n Notice, event int64, about string) error {
	wishes, err := WishesOf(tx, n.MemberID)
	if err != nil {
		return err
	}
	w := wishes[n.Kind]
	if !w[Site] && !w[Mail] && !w[Push] {
		return nil
	}
	due, read := time.Time{}, time.Time{}
	if w[Mail] {
		due = tx.Now().Add(gather(n.Kind))
	}
	// What mentions is more than a reply: the one notice of the post says so, unless it was read.
	_, err = tx.Exec(`INSERT INTO notices (id, member_id, about, event_id, kind, thread_id, post_id, actor_id, device, release, word, at, site, read_at, mail_due, letter, push, place, detail)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, 0, $16, $17, $18)
		ON CONFLICT (member_id, about) DO UPDATE SET kind = excluded.kind, word = excluded.word, mail_due = excluded.mail_due, site = excluded.site, push = excluded.push
		WHERE notices.kind = 'reply' AND excluded.kind = 'mention' AND notices.read_at = 0 AND notices.letter = 0`,
		db.NewID(), n.MemberID, about, event, string(n.Kind), n.ThreadID, n.PostID, n.ActorID, n.Device, n.Release, n.Word, n.At, w[Site], read, due, w[Push], n.Place, n.Detail)
	if err != nil {
		return fmt.Errorf("cannot write a notice: %w", err)
	}
	return nil
}

// Forget removes all that is kept of a member who left.
func Forget(tx *db.Tx, memberID int64) error {
	for _, table := range []string{"notices", "notice_wishes", "notice_letters", "push_browsers"} {
		if _, err := tx.Exec("DELETE FROM "+table+" WHERE member_id = $1", memberID); err != nil {
			return fmt.Errorf("cannot forget a member's notices: %w", err)
		}
	}
	return nil
}
