// Package stake is what one member has to do with one thread: a vote, a watch or
// a mute, and the devices on which the member has it too. A vote is a number
// beside a thread and decides nothing; "me too" is a vote with a device, not a
// post.
package stake

import (
	"fmt"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/mistake"
)

// Stake is what one member has to do with one thread.
type Stake struct {
	Voted, Watches bool
	Muted          bool     // not told of anything here
	Named          bool     // among those whom the private thread names
	Devices        []string // where the member has it
	Objected       bool     // the author's one objection is spent
}

// Of returns what the viewer has to do with a thread.
func Of(tx *db.Tx, v feedback.Viewer, threadID int64) (s Stake, err error) {
	threadID, err = v.Sees(tx, threadID)
	if err != nil {
		return s, fmt.Errorf("cannot read a member's part in thread %d: %w", threadID, err)
	}
	var votes, watches, muted, named, objections int
	memberID := v.Member
	err = tx.QueryRow(`SELECT (SELECT COUNT(*) FROM thread_votes WHERE thread_id = $1 AND member_id = $2),
		(SELECT COUNT(*) FROM thread_watches WHERE thread_id = $1 AND member_id = $2 AND NOT muted),
		(SELECT COUNT(*) FROM thread_watches WHERE thread_id = $1 AND member_id = $2 AND muted),
		(SELECT COUNT(*) FROM thread_named WHERE thread_id = $1 AND member_id = $2),
		(SELECT COUNT(*) FROM thread_facts WHERE thread_id = $1 AND kind = 'objected')`,
		threadID, memberID).Scan(&votes, &watches, &muted, &named, &objections)
	if err == nil {
		s.Voted, s.Watches, s.Muted, s.Named, s.Objected = votes > 0, watches > 0, muted > 0, named > 0, objections > 0
		s.Devices, err = db.All(tx, func(s db.Scanner) (device string, err error) { return device, s.Scan(&device) }, `SELECT device FROM thread_affected WHERE thread_id = $1 AND member_id = $2 ORDER BY device`, threadID, memberID)
	}
	if err != nil {
		return s, fmt.Errorf("cannot read a member's part in thread %d: %w", threadID, err)
	}
	return s, nil
}

// Vote sets or takes back the viewer's one vote.
func Vote(tx *db.Tx, v feedback.Viewer, threadID int64, on bool) error {
	threadID, err := v.Sees(tx, threadID)
	var changed int64
	if err == nil && on {
		changed, err = tx.Exec(`INSERT INTO thread_votes (thread_id, member_id, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
			threadID, v.Member, tx.Now())
	} else if err == nil {
		changed, err = tx.Exec(`DELETE FROM thread_votes WHERE thread_id = $1 AND member_id = $2`, threadID, v.Member)
		changed = -changed
	}
	if err == nil && changed != 0 {
		_, err = tx.Exec(`UPDATE threads SET votes = votes + $2 WHERE id = $1`, threadID, changed)
	}
	if err != nil {
		return fmt.Errorf("cannot vote for thread %d: %w", threadID, err)
	}
	return nil
}

// Watch sets or ends the viewer's watch; ending it also ends a mute.
func Watch(tx *db.Tx, v feedback.Viewer, threadID int64, on bool) error {
	threadID, err := v.Sees(tx, threadID)
	if err == nil && on {
		_, err = tx.Exec(`INSERT INTO thread_watches (thread_id, member_id, at) VALUES ($1, $2, $3)
			ON CONFLICT (thread_id, member_id) DO UPDATE SET muted = FALSE`, threadID, v.Member, tx.Now())
	} else if err == nil {
		_, err = tx.Exec(`DELETE FROM thread_watches WHERE thread_id = $1 AND member_id = $2`, threadID, v.Member)
	}
	if err != nil {
		return fmt.Errorf("cannot watch thread %d: %w", threadID, err)
	}
	return nil
}

// Mute keeps everything that happens in a thread from the viewer: replies to them
// and mentions too. Only whether a fix works is still asked. Watch ends it.
func Mute(tx *db.Tx, v feedback.Viewer, threadID int64) error {
	threadID, err := v.Sees(tx, threadID)
	if err == nil {
		_, err = tx.Exec(`INSERT INTO thread_watches (thread_id, member_id, at, muted) VALUES ($1, $2, $3, TRUE)
			ON CONFLICT (thread_id, member_id) DO UPDATE SET muted = TRUE`, threadID, v.Member, tx.Now())
	}
	if err != nil {
		return fmt.Errorf("cannot mute thread %d: %w", threadID, err)
	}
	return nil
}

// Watchers returns who wants to know what happens in a thread, those who muted
// it left out, and who muted it.
func Watchers(tx *db.Tx, threadID int64) (watch, muted []int64, err error) {
	type row struct {
		member int64
		muted  bool
	}
	rows, err := db.All(tx, func(s db.Scanner) (r row, err error) { err = s.Scan(&r.member, &r.muted); return r, err },
		`SELECT member_id, muted FROM thread_watches WHERE thread_id = $1 ORDER BY member_id`, threadID)
	if err != nil {
		return nil, nil, fmt.Errorf("cannot read who watches thread %d: %w", threadID, err)
	}
	for _, r := range rows {
		if r.muted {
			muted = append(muted, r.member)
		} else {
			watch = append(watch, r.member)
		}
	}
	return watch, muted, nil
}

// MeToo says that the viewer has it on that device too; it counts as a vote.
func MeToo(tx *db.Tx, v feedback.Viewer, threadID int64, device string) error {
	t, err := feedback.ByID(tx, v, threadID)
	if err != nil {
		return err
	}
	threadID, memberID := t.ID, v.Member
	if !t.Kind.Tracked() {
		return mistake.New("device", "me-too", "Only bugs and ideas are had on a device.")
	}
	fresh, err := feedback.Affect(tx, threadID, memberID, device)
	if err != nil {
		return fmt.Errorf("cannot add a device to thread %d: %w", threadID, err)
	}
	if fresh {
		if err := feedback.Record(tx, feedback.Event{ThreadID: threadID, Kind: feedback.EventAffected, Actor: memberID, Device: device}); err != nil {
			return err
		}
	}
	if err := Vote(tx, v, threadID, true); err != nil {
		return err
	}
	if err := Watch(tx, v, threadID, true); err != nil {
		return err
	}
	return feedback.Settle(tx, threadID)
}
