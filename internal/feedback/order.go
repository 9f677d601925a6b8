package feedback

import (
	"fmt"
	"slices"

	"github.com/fridayos/friday/internal/db"
)

// What moderators switch on a thread. Whether the actor may is for the caller to
// know; moving, merging and splitting is feedback/order.

// Hide takes a thread out of sight of all but moderators, or puts it back.
func Hide(tx *db.Tx, threadID, actor int64, hidden bool) error {
	return flip(tx, threadID, actor, hidden, "hidden", [2]EventKind{EventShown, EventHidden}, func(t Thread) bool { return t.Hidden })
}

// Lock keeps all but moderators from writing in a thread, or lets them again.
func Lock(tx *db.Tx, threadID, actor int64, locked bool) error {
	return flip(tx, threadID, actor, locked, "locked", [2]EventKind{EventUnlocked, EventLocked}, func(t Thread) bool { return t.Locked })
}

// Pin keeps a thread at the head of lists, or no longer.
func Pin(tx *db.Tx, threadID, actor int64, pinned bool) error {
	return flip(tx, threadID, actor, pinned, "pinned", [2]EventKind{EventUnpinned, EventPinned}, func(t Thread) bool { return t.Pinned })
}

func flip(tx *db.Tx, threadID, actor int64, on bool, column string, kinds [2]EventKind, is func(Thread) bool) error {
	t, err := Everything().find(tx, threadID)
	if err != nil {
		return fmt.Errorf("cannot change thread %d: %w", threadID, err)
	}
	if is(t) == on {
		return nil
	}
	if _, err := tx.Exec(`UPDATE threads SET `+column+` = $2 WHERE id = $1`, t.ID, on); err != nil {
		return fmt.Errorf("cannot change thread %d: %w", threadID, err)
	}
	if err := relist(tx, t.ID); err != nil {
		return err
	}
	kind := kinds[0]
	if on {
		kind = kinds[1]
	}
	return Record(tx, Event{ThreadID: t.ID, Kind: kind, Actor: actor})
}

// AddNamed lets a member see a private thread and makes them watch it. Who may do
// so is for feedback/order.
func AddNamed(tx *db.Tx, threadID, memberID, by int64) error {
	_, err := tx.Exec(`INSERT INTO thread_named (thread_id, member_id, by_id, at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
		threadID, memberID, by, tx.Now())
	if err == nil {
		_, err = tx.Exec(`INSERT INTO thread_watches (thread_id, member_id, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, threadID, memberID, tx.Now())
	}
	if err != nil {
		return fmt.Errorf("cannot show thread %d to member %d: %w", threadID, memberID, err)
	}
	return nil
}

// Publish opens a private thread to everyone: by a maintainer's word, or (actor
// 0) because releases fix it on all its devices.
func Publish(tx *db.Tx, threadID, actor int64) error {
	return flip(tx, threadID, actor, false, "private", [2]EventKind{EventOpened, EventOpened}, func(t Thread) bool { return t.Private })
}

// Seen keeps, in their order, those of the threads that a viewer may see.
func Seen(tx *db.Tx, v Viewer, ids []int64) ([]int64, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	may, err := db.All(tx, scanID, `SELECT t.id FROM threads t WHERE t.id IN (`+join(ids)+`) AND `+v.clause("$1"), v.Member)
	if err != nil {
		return nil, fmt.Errorf("cannot look which threads are to be seen: %w", err)
	}
	known := map[int64]bool{}
	for _, id := range may {
		known[id] = true
	}
	return slices.DeleteFunc(slices.Clone(ids), func(id int64) bool { return !known[id] }), nil
}

// Public returns those of the threads that anyone may know of, in their order.
func Public(tx *db.Tx, ids []int64) ([]int64, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	type row struct{ id, into int64 }
	rows, err := db.All(tx, func(s db.Scanner) (r row, err error) { return r, s.Scan(&r.id, &r.into) },
		`SELECT t.id, t.merged_into FROM threads t WHERE t.id IN (`+join(ids)+`) AND `+Viewer{}.clause("$1"), int64(0))
	if err != nil {
		return nil, fmt.Errorf("cannot read which threads are public: %w", err)
	}
	public := map[int64]bool{}
	for _, r := range rows {
		if r.into != 0 {
			if _, err := (Viewer{}).Sees(tx, r.into); isNotFound(err) {
				continue
			} else if err != nil {
				return nil, err
			}
		}
		public[r.id] = true
	}
	return slices.DeleteFunc(slices.Clone(ids), func(id int64) bool { return !public[id] }), nil
}
