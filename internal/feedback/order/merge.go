package order

import (
	"errors"
	"fmt"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/mistake"
)

// UndoTime is how long a merge can be undone.
const UndoTime = 30 * 24 * time.Hour

// take is one kind of row that a merge brings from the source to the target.
// What moves is the thread's own, and there it is once; what is copied is of a
// member, who may have it on both.
type take struct {
	what, table string
	moves       bool
	key         string // what names a row in thread_merge_rows: row_id, device, release
	columns     string // of a copy, behind thread_id
	match       string // joins thread_merge_rows r with the table x
	only        string
}

// A maintainer's word and the author's objection stay behind: they were said of
// another thread.
var takes = []take{
	{what: "post", table: "posts", moves: true, key: "x.id, '', ''", match: "r.row_id = x.id"},
	{what: "fact", table: "thread_facts", moves: true, key: "x.id, '', ''", match: "r.row_id = x.id", only: " AND x.kind NOT IN ('marked', 'objected')"},
	{what: "poll", table: "polls", moves: true, key: "x.id, '', ''", match: "r.row_id = x.id"},
	{what: "vote", table: "thread_votes", key: "x.member_id, '', ''", columns: "member_id, at", match: "r.row_id = x.member_id"},
	{what: "watch", table: "thread_watches", key: "x.member_id, '', ''", columns: "member_id, at, muted", match: "r.row_id = x.member_id"},
	{what: "named", table: "thread_named", key: "x.member_id, '', ''", columns: "member_id, by_id, at", match: "r.row_id = x.member_id"},
	{what: "affected", table: "thread_affected", key: "x.member_id, x.device, ''", columns: "device, member_id, at", match: "r.row_id = x.member_id AND r.device = x.device"},
	{what: "device", table: "thread_devices", key: "0, x.device, ''", columns: "device, state, release, build, reason, affected, reported_at, since", match: "r.device = x.device"},
	{what: "ask", table: "asks", key: "x.member_id, x.device, x.release", columns: "member_id, device, release, build, opened_at, answered_at, verdict, withdrawn_at",
		match: "r.row_id = x.member_id AND r.device = x.device AND r.release = x.release", only: " AND x.withdrawn_at = 0"},
}

func (k take) do(tx *db.Tx, merge, source, target int64) error {
	absent := ""
	if !k.moves {
		absent = ` AND NOT EXISTS (SELECT 1 FROM ` + k.table + ` o WHERE o.thread_id = $3 AND ` + sameRow(k) + `)`
	} else {
		absent = ` AND x.thread_id <> $3`
	}
	if _, err := tx.Exec(`INSERT INTO thread_merge_rows (merge_id, what, row_id, device, release)
		SELECT CAST($1 AS BIGINT), '`+k.what+`', `+k.key+` FROM `+k.table+` x WHERE x.thread_id = $2`+k.only+absent, merge, source, target); err != nil {
		return err
	}
	rows := `EXISTS (SELECT 1 FROM thread_merge_rows r WHERE r.merge_id = $1 AND r.what = '` + k.what + `' AND ` + k.match + `)`
	if k.moves {
		_, err := tx.Exec(`UPDATE `+k.table+` AS x SET thread_id = $3 WHERE x.thread_id = $2 AND `+rows, merge, source, target)
		return err
	}
	_, err := tx.Exec(`INSERT INTO `+k.table+` (thread_id, `+k.columns+`) SELECT CAST($3 AS BIGINT), `+k.columns+` FROM `+k.table+` x WHERE x.thread_id = $2 AND `+rows,
		merge, source, target)
	return err
}

// undo takes back what do brought, as far as it still lies in the target.
func (k take) undo(tx *db.Tx, merge, source, target int64) error {
	rows := `EXISTS (SELECT 1 FROM thread_merge_rows r WHERE r.merge_id = $1 AND r.what = '` + k.what + `' AND ` + k.match + `)`
	if k.moves {
		_, err := tx.Exec(`UPDATE `+k.table+` AS x SET thread_id = $3 WHERE x.thread_id = $2 AND `+rows, merge, target, source)
		return err
	}
	if k.what == "device" { // someone may have it there by now
		rows += ` AND NOT EXISTS (SELECT 1 FROM thread_affected a WHERE a.thread_id = $2 AND a.device = x.device)`
	}
	_, err := tx.Exec(`DELETE FROM `+k.table+` AS x WHERE x.thread_id = $2 AND `+rows, merge, target)
	return err
}

// sameRow joins two rows of a member's, o and x.
func sameRow(k take) string {
	switch k.what {
	case "device":
		return "o.device = x.device"
	case "affected":
		return "o.member_id = x.member_id AND o.device = x.device"
	case "ask":
		return "o.member_id = x.member_id AND o.device = x.device AND o.release = x.release"
	}
	return "o.member_id = x.member_id"
}

// Merge makes source a part of target: its posts, votes, watchers, devices, polls and
// what happened to it go there, whoever has it is asked there, and its number
// leads there, in commits too. What a maintainer said of source does not come
// along. Both are of one sort: reports with a way, or not; private, or not.
func Merge(tx *db.Tx, actor, source, target int64) error {
	s, err := feedback.ByID(tx, feedback.Everything(), source)
	if err != nil {
		return err
	}
	t, err := feedback.ByID(tx, feedback.Everything(), target)
	if err != nil {
		return err
	}
	switch {
	case s.ID == t.ID:
		return mistake.New("into", "same-thread", "This is the same thread already.")
	case s.ID != source:
		return mistake.New("into", "merged-before", "Thread {Thread} was merged before; it leads to thread {Other}.", "Thread", source, "Other", s.ID)
	case s.Private != t.Private:
		return mistake.New("into", "merge-private", "One of the threads is private and the other is not: open it first.")
	case s.Kind.Tracked() != t.Kind.Tracked():
		return mistake.New("into", "merge-kinds", "A bug or an idea cannot become part of a question or talk: move one of them first.")
	}
	merge := db.NewID()
	if _, err := tx.Exec(`INSERT INTO thread_merges (id, source_id, target_id, actor_id, at, undone_at) VALUES ($1, $2, $3, $4, $5, 0)`,
		merge, s.ID, t.ID, actor, tx.Now()); err != nil {
		return fmt.Errorf("cannot merge thread %d into %d: %w", source, target, err)
	}
	for _, k := range takes {
		if err := k.do(tx, merge, s.ID, t.ID); err != nil {
			return fmt.Errorf("cannot merge thread %d into %d: %w", source, target, err)
		}
	}
	if _, err := tx.Exec(`UPDATE threads SET merged_into = $2 WHERE id = $1`, s.ID, t.ID); err != nil {
		return fmt.Errorf("cannot merge thread %d into %d: %w", source, target, err)
	}
	if err := feedback.Record(tx, feedback.Event{ThreadID: s.ID, Kind: feedback.EventMerged, Actor: actor, EventData: feedback.EventData{Other: t.ID}}); err != nil {
		return err
	}
	if err := feedback.Recount(tx, t.ID); err != nil {
		return err
	}
	return feedback.Settle(tx, t.ID)
}

// Merged is a thread that went into another.
type Merged struct {
	Source, Target int64
	Title          string // of the source
	Actor          int64
	At             time.Time
}

// MergedInto returns what went into a thread and did not come out again, oldest
// first, as far as the viewer sees the thread.
func MergedInto(tx *db.Tx, v feedback.Viewer, target int64) ([]Merged, error) {
	target, err := v.Sees(tx, target)
	if err != nil {
		return nil, fmt.Errorf("cannot read what was merged into thread %d: %w", target, err)
	}
	all, err := db.All(tx, func(s db.Scanner) (m Merged, err error) {
		err = s.Scan(&m.Source, &m.Target, &m.Title, &m.Actor, &m.At)
		return m, err
	}, `SELECT m.source_id, m.target_id, t.title, m.actor_id, m.at FROM thread_merges m JOIN threads t ON t.id = m.source_id
		WHERE m.target_id = $1 AND m.undone_at = 0 ORDER BY m.at, m.id`, target)
	if err != nil {
		return nil, fmt.Errorf("cannot read what was merged into thread %d: %w", target, err)
	}
	return all, nil
}

// Unmerge undoes the merge of source within UndoTime: what it brought goes back,
// as far as it still lies where it went; what came afterwards stays there.
func Unmerge(tx *db.Tx, actor, source int64) error {
	var merge, target, into int64
	var at time.Time
	err := tx.QueryRow(`SELECT m.id, m.target_id, m.at, t.merged_into FROM thread_merges m JOIN threads t ON t.id = m.target_id
		WHERE m.source_id = $1 AND m.undone_at = 0 ORDER BY m.at DESC, m.id DESC LIMIT 1`, source).Scan(&merge, &target, &at, &into)
	switch {
	case errors.Is(err, db.ErrNoRows):
		return fmt.Errorf("cannot undo the merge of thread %d: it was not merged: %w", source, feedback.ErrNotFound)
	case err != nil:
		return fmt.Errorf("cannot undo the merge of thread %d: %w", source, err)
	case into != 0:
		return mistake.New("thread", "merged-since", "Thread {Thread} went into thread {Other} since; undo that first.", "Thread", target, "Other", into)
	case tx.Now().Sub(at) > UndoTime:
		return mistake.New("thread", "merged-long-ago", "This was merged more than {N} days ago; split the posts into a new thread instead.", "N", int(UndoTime.Hours()/24))
	}
	for _, k := range takes {
		if err := k.undo(tx, merge, source, target); err != nil {
			return fmt.Errorf("cannot undo the merge of thread %d: %w", source, err)
		}
	}
	if _, err := tx.Exec(`UPDATE threads SET merged_into = 0 WHERE id = $1`, source); err != nil {
		return fmt.Errorf("cannot undo the merge of thread %d: %w", source, err)
	}
	if _, err := tx.Exec(`UPDATE thread_merges SET undone_at = $2 WHERE id = $1`, merge, tx.Now()); err != nil {
		return fmt.Errorf("cannot undo the merge of thread %d: %w", source, err)
	}
	if err := feedback.Record(tx, feedback.Event{ThreadID: source, Kind: feedback.EventUnmerged, Actor: actor, EventData: feedback.EventData{Other: target}}); err != nil {
		return err
	}
	for _, id := range []int64{source, target} {
		if err := feedback.Recount(tx, id); err != nil {
			return err
		}
		if err := feedback.Settle(tx, id); err != nil {
			return err
		}
	}
	return nil
}

// Split makes posts of a thread, not its first one, a thread of their own. Whoever
// wrote the first of them is its author, and everyone who wrote one watches it.
func Split(tx *db.Tx, actor, threadID int64, posts []int64, p Place) (feedback.Thread, error) {
	all, err := feedback.Posts(tx, feedback.Everything(), threadID)
	if err != nil {
		return feedback.Thread{}, err
	}
	t, err := feedback.ByID(tx, feedback.Everything(), threadID)
	if err != nil {
		return feedback.Thread{}, err
	}
	chosen := chosen(all, posts)
	switch {
	case len(chosen) == 0 || len(chosen) != len(posts):
		return feedback.Thread{}, mistake.New("post", "split-posts", "Choose posts of this thread, but not its first: that one is what it is about.")
	case t.Private:
		return feedback.Thread{}, mistake.New("post", "split-private", "A private report is not split: open it first.")
	}
	made, err := feedback.New(tx, feedback.NewThread{Kind: p.Kind, Title: p.Title, Body: chosen[0].Body, AuthorID: chosen[0].AuthorID, Part: p.Part,
		Lang: p.Lang, Devices: p.Devices, Build: t.Build, FromPost: chosen[0].ID})
	if err != nil {
		return feedback.Thread{}, err
	}
	for _, post := range chosen {
		if post.ID == t.AcceptedID {
			if err := feedback.Accept(tx, feedback.Viewer{Member: actor, Moderates: true}, t.ID, 0); err != nil {
				return feedback.Thread{}, err
			}
		}
		if _, err := tx.Exec(`UPDATE posts SET thread_id = $2 WHERE id = $1`, post.ID, made.ID); err != nil {
			return feedback.Thread{}, fmt.Errorf("cannot split thread %d: %w", threadID, err)
		}
		if _, err := tx.Exec(`INSERT INTO thread_watches (thread_id, member_id, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
			made.ID, post.AuthorID, tx.Now()); err != nil {
			return feedback.Thread{}, fmt.Errorf("cannot split thread %d: %w", threadID, err)
		}
	}
	for _, id := range []int64{t.ID, made.ID} {
		if err := feedback.Recount(tx, id); err != nil {
			return feedback.Thread{}, err
		}
	}
	if err := feedback.Record(tx, feedback.Event{ThreadID: t.ID, Kind: feedback.EventSplit, Actor: actor, EventData: feedback.EventData{Other: made.ID}}); err != nil {
		return feedback.Thread{}, err
	}
	return feedback.ByID(tx, feedback.Everything(), made.ID)
}

// chosen are the posts of a thread that ids name, oldest first, the thread's
// first left out.
func chosen(all []feedback.Post, ids []int64) (out []feedback.Post) {
	want := map[int64]bool{}
	for _, id := range ids {
		want[id] = true
	}
	for i, p := range all {
		if i > 0 && want[p.ID] {
			out = append(out, p)
		}
	}
	return out
}

// Hint is a member's word that a thread is a duplicate of another.
type Hint struct {
	ThreadID, OtherID int64
	Member            int64 // who said so first
	Count             int   // members who said so
	At                time.Time
}

// Point notes that the viewer takes a thread for a duplicate of another one.
func Point(tx *db.Tx, v feedback.Viewer, threadID, otherID int64) error {
	t, err := v.Sees(tx, threadID)
	if err != nil {
		return fmt.Errorf("cannot note a duplicate of thread %d: %w", otherID, err)
	}
	other, err := v.Sees(tx, otherID)
	if errors.Is(err, feedback.ErrNotFound) {
		return mistake.New("other", "no-thread", "There is no thread {Thread}.", "Thread", otherID)
	}
	if err != nil {
		return err
	}
	if t == other {
		return mistake.New("other", "same-thread", "This is the same thread already.")
	}
	if _, err := tx.Exec(`INSERT INTO thread_hints (thread_id, other_id, member_id, at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
		t, other, v.Member, tx.Now()); err != nil {
		return fmt.Errorf("cannot note a duplicate of thread %d: %w", otherID, err)
	}
	return nil
}

// Hints returns what members pointed to and nobody has merged, most of them
// first, as far as the viewer sees both threads; at most 100.
func Hints(tx *db.Tx, v feedback.Viewer) ([]Hint, error) {
	all, err := db.All(tx, func(s db.Scanner) (h Hint, err error) {
		err = s.Scan(&h.ThreadID, &h.OtherID, &h.Member, &h.Count, &h.At)
		return h, err
	}, `SELECT h.thread_id, h.other_id, (SELECT f.member_id FROM thread_hints f WHERE f.thread_id = h.thread_id AND f.other_id = h.other_id
			ORDER BY f.at, f.member_id LIMIT 1), COUNT(*), MIN(h.at)
		FROM thread_hints h JOIN threads a ON a.id = h.thread_id JOIN threads b ON b.id = h.other_id
		WHERE a.merged_into = 0 AND b.merged_into = 0
		GROUP BY h.thread_id, h.other_id ORDER BY 4 DESC, 5, 1 LIMIT 100`)
	if err != nil {
		return nil, fmt.Errorf("cannot read hints of duplicates: %w", err)
	}
	out := all[:0]
	for _, h := range all {
		_, err := v.Sees(tx, h.ThreadID)
		if err == nil {
			_, err = v.Sees(tx, h.OtherID)
		}
		if errors.Is(err, feedback.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		out = append(out, h)
	}
	return out, nil
}
