// Package measure counts the forum: how long fixes take, how many of a device's
// handsets are affected, and what a member's reports led to. It reads and writes
// nothing; each figure is a plain number whose meaning stands beside it. What
// others make of them (trust, medals, charts) is not decided here.
package measure

import (
	"fmt"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback/survival"
)

// DaysToFix is the curve of days from a report of a bug on a device to its
// confirmed fix there, over all reports on device (AnyDevice: on each), counted
// in whole hours. A report that is open has waited until now, and one that was
// declined or closed without a confirmation too: else the figure would look the
// better the more are closed. Reports that not everyone may see are left out,
// and so are those merged into another, which counts from the earlier report.
func DaysToFix(tx *db.Tx, device string) (survival.Curve, error) {
	spans, err := db.All(tx, func(s db.Scanner) (sp survival.Span, err error) {
		var hours int64
		err = s.Scan(&hours, &sp.Happened, &sp.Count)
		sp.Time = float64(max(hours, 0)) / 24
		return sp, err
	}, `SELECT (CASE WHEN d.state = 'confirmed' THEN d.since ELSE $1 END - d.reported_at) / $2 AS hours, d.state = 'confirmed' AS fixed, COUNT(*)
		FROM thread_devices d JOIN threads t ON t.id = d.thread_id
		WHERE t.kind = 'bug' AND NOT t.hidden AND NOT t.private AND t.merged_into = 0 AND d.affected > 0 AND (CAST($3 AS TEXT) = '' OR d.device = $3)
		GROUP BY 1, 2`, tx.Now(), time.Hour.Microseconds(), device)
	if err != nil {
		return survival.Curve{}, fmt.Errorf("cannot measure the days to a fix: %w", err)
	}
	return survival.Estimate(spans), nil
}

// Share is which part of a device's active handsets belongs to members who are
// affected, 0 to 1; ok is false while nobody knows how many are active. Members
// may have handsets that did not check in lately, so it is 1 at most.
func Share(affected int, active int64) (share float64, ok bool) {
	if active <= 0 {
		return 0, false
	}
	return min(float64(affected)/float64(active), 1), true
}

// Earned is what a member's reports, searches and answers led to.
type Earned struct {
	ConfirmedFixes int // reports of theirs, or merged ones, whose fix was confirmed on at least one device
	Duplicates     int // threads that were merged into the one that they had pointed to
	Answers        int // of theirs that others accepted
	Tried          int // fixes that they confirmed or refuted on their own handset
}

// EarnedBy counts what a member led to, hidden and private threads left out.
func EarnedBy(tx *db.Tx, memberID int64) (e Earned, err error) {
	err = tx.QueryRow(`SELECT
		(SELECT COUNT(*) FROM threads a JOIN threads t ON t.id = CASE WHEN a.merged_into = 0 THEN a.id ELSE a.merged_into END
			WHERE a.author_id = $1 AND NOT a.hidden AND NOT a.private AND a.kind = 'bug'
			AND EXISTS (SELECT 1 FROM thread_devices d WHERE d.thread_id = t.id AND d.state = 'confirmed')),
		(SELECT COUNT(*) FROM thread_hints h JOIN threads t ON t.id = h.thread_id
			WHERE h.member_id = $1 AND t.author_id <> $1 AND NOT t.hidden AND NOT t.private AND EXISTS (
				SELECT 1 FROM thread_merges m WHERE m.undone_at = 0 AND (m.source_id = h.thread_id AND m.target_id = h.other_id
					OR m.source_id = h.other_id AND m.target_id = h.thread_id))),
		(SELECT COUNT(*) FROM threads t JOIN posts p ON p.id = t.accepted_id
			WHERE p.author_id = $1 AND t.author_id <> $1 AND NOT t.hidden AND NOT p.hidden),
		(SELECT COUNT(*) FROM asks WHERE member_id = $1 AND verdict IN ('works', 'broken'))`, memberID).
		Scan(&e.ConfirmedFixes, &e.Duplicates, &e.Answers, &e.Tried)
	if err != nil {
		return e, fmt.Errorf("cannot count what a member's reports led to: %w", err)
	}
	return e, nil
}

// EarnedByAll is EarnedBy of every member who led to anything; it reads the whole
// forum.
func EarnedByAll(tx *db.Tx) (map[int64]Earned, error) {
	all := map[int64]Earned{}
	for _, q := range []struct {
		sql string
		set func(e *Earned, n int)
	}{
		{`SELECT a.author_id, COUNT(*) FROM threads a JOIN threads t ON t.id = CASE WHEN a.merged_into = 0 THEN a.id ELSE a.merged_into END
			WHERE NOT a.hidden AND NOT a.private AND a.kind = 'bug' AND EXISTS (SELECT 1 FROM thread_devices d WHERE d.thread_id = t.id AND d.state = 'confirmed')
			GROUP BY a.author_id`, func(e *Earned, n int) { e.ConfirmedFixes = n }},
		{`SELECT h.member_id, COUNT(*) FROM thread_hints h JOIN threads t ON t.id = h.thread_id
			WHERE t.author_id <> h.member_id AND NOT t.hidden AND NOT t.private AND EXISTS (
				SELECT 1 FROM thread_merges m WHERE m.undone_at = 0 AND (m.source_id = h.thread_id AND m.target_id = h.other_id
					OR m.source_id = h.other_id AND m.target_id = h.thread_id))
			GROUP BY h.member_id`, func(e *Earned, n int) { e.Duplicates = n }},
		{`SELECT p.author_id, COUNT(*) FROM threads t JOIN posts p ON p.id = t.accepted_id
			WHERE t.author_id <> p.author_id AND NOT t.hidden AND NOT p.hidden GROUP BY p.author_id`, func(e *Earned, n int) { e.Answers = n }},
		{`SELECT member_id, COUNT(*) FROM asks WHERE verdict IN ('works', 'broken') GROUP BY member_id`, func(e *Earned, n int) { e.Tried = n }},
	} {
		type row struct {
			id int64
			n  int
		}
		rows, err := db.All(tx, func(s db.Scanner) (r row, err error) { return r, s.Scan(&r.id, &r.n) }, q.sql)
		if err != nil {
			return nil, fmt.Errorf("cannot count what members' reports led to: %w", err)
		}
		for _, r := range rows {
			e := all[r.id]
			q.set(&e, r.n)
			all[r.id] = e
		}
	}
	return all, nil
}
