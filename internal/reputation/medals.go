package reputation

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/feedback/measure"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/member/trust"
	"github.com/fridayos/friday/internal/moderation"
)

// CountsOf is what a member's reports led to, as levels and medals go by it.
func CountsOf(tx *db.Tx, m member.Member) (trust.Counts, error) {
	past, err := feedback.PastOf(tx, m.ID)
	if err != nil {
		return trust.Counts{}, err
	}
	return countsAfter(tx, m, past)
}

func countsAfter(tx *db.Tx, m member.Member, past feedback.Past) (trust.Counts, error) {
	upheld, err := moderation.UpheldAgainst(tx, m.ID, tx.Now().Add(-trust.FlagTime))
	if err != nil {
		return trust.Counts{}, err
	}
	e, err := measure.EarnedBy(tx, m.ID)
	c := counts(e)
	c.Posts, c.Days, c.FlagsUpheld = past.Posts, int(tx.Now().Sub(m.CreatedAt).Hours()/24), upheld
	return c, err
}

func counts(e measure.Earned) trust.Counts {
	return trust.Counts{ConfirmedFixes: e.ConfirmedFixes, DuplicatesFound: e.Duplicates, AnswersAccepted: e.Answers, FixesTried: e.Tried}
}

// Award gives members the medals that their reports led to, and says how many
// were new. It reads the whole forum: once an hour is often enough. A medal stays,
// whatever becomes of the threads: it is thanks for what was done.
func Award(tx *db.Tx) (won int, err error) {
	all, err := measure.EarnedByAll(tx)
	if err != nil {
		return 0, err
	}
	have, err := MedalsOf(tx)
	if err != nil {
		return 0, err
	}
	for id, e := range all {
		for _, m := range trust.Medals(counts(e)) {
			if !m.Won() || slices.ContainsFunc(have[id], func(w Won) bool { return w.Medal == m.Key }) {
				continue
			}
			n, err := tx.Exec("INSERT INTO medals (member_id, medal, won_at) SELECT id, $2, $3 FROM members WHERE id = $1 ON CONFLICT DO NOTHING", id, m.Key, tx.Now())
			if err != nil {
				return won, fmt.Errorf("cannot award medal %s: %w", m.Key, err)
			}
			won += int(n)
		}
	}
	return won, nil
}

// Won is a medal that a member has.
type Won struct {
	Medal string // trust.Medal.Key
	At    time.Time
}

// MedalsOf reads the medals of members, or of all if none is named.
func MedalsOf(tx *db.Tx, members ...int64) (map[int64][]Won, error) {
	type row struct {
		id int64
		Won
	}
	sql, args := "SELECT member_id, medal, won_at FROM medals", []any(nil)
	if len(members) > 0 {
		var marks []string
		for i, id := range members {
			marks, args = append(marks, fmt.Sprintf("$%d", i+1)), append(args, id)
		}
		sql += " WHERE member_id IN (" + strings.Join(marks, ", ") + ")"
	}
	rows, err := db.All(tx, func(s db.Scanner) (r row, err error) { return r, s.Scan(&r.id, &r.Medal, &r.At) }, sql, args...)
	if err != nil {
		return nil, fmt.Errorf("cannot read medals: %w", err)
	}
	all := map[int64][]Won{}
	for _, r := range rows {
		all[r.id] = append(all[r.id], r.Won)
	}
	return all, nil
}
