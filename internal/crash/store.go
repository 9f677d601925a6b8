package crash

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/fridayos/friday/internal/db"
)

const columns = "id, member_id, thread_id, device, build, enrolled, private, digest, size, facts, at, keep_until"

func scan(row db.Scanner) (r Report, err error) {
	var facts string
	if err := row.Scan(&r.ID, &r.MemberID, &r.ThreadID, &r.Device, &r.Build, &r.Enrolled, &r.Private, &r.Text.Digest, &r.Text.Size, &facts, &r.At, &r.KeepUntil); err != nil {
		return Report{}, err
	}
	if err := json.Unmarshal([]byte(facts), &r.Facts); err != nil {
		return Report{}, fmt.Errorf("cannot read report %d: %w", r.ID, err)
	}
	return r, nil
}

// Put keeps a report that was scrubbed, with the crashes in it, until it is
// published or KeepDraft has gone by; the report's id, time and end are set.
// ErrTooMany, wrapped, when the member has sent DayReports within 24 hours.
func Put(tx *db.Tx, r Report, crashes []Cluster) (Report, error) {
	var today int64
	if err := tx.QueryRow("SELECT COUNT(*) FROM crash_reports WHERE member_id = $1 AND at > $2", r.MemberID, tx.Now().Add(-24*time.Hour)).Scan(&today); err != nil {
		return Report{}, err
	}
	if today >= DayReports {
		return Report{}, fmt.Errorf("cannot keep report: %d were sent within a day: %w", today, ErrTooMany)
	}
	facts, err := json.Marshal(r.Facts)
	if err != nil {
		return Report{}, err
	}
	r.ID, r.ThreadID, r.At, r.KeepUntil = db.NewID(), 0, tx.Now(), tx.Now().Add(KeepDraft)
	if _, err := tx.Exec("INSERT INTO crash_reports ("+columns+") VALUES ($1, $2, 0, $3, $4, $5, $6, $7, $8, $9, $10, $11)",
		r.ID, r.MemberID, r.Device, r.Build, r.Enrolled, r.Private, r.Text.Digest, r.Text.Size, string(facts), r.At, r.KeepUntil); err != nil {
		return Report{}, err
	}
	for i, c := range crashes[:min(len(crashes), MaxOf)] {
		if _, err := tx.Exec("INSERT INTO crash_clusters (fingerprint, kind, process, cause, top, frames, first_at, last_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $7) "+
			"ON CONFLICT (fingerprint) DO UPDATE SET last_at = excluded.last_at, frames = excluded.frames", c.Fingerprint, c.Kind, c.Process, c.Cause, c.Top, c.Frames, tx.Now()); err != nil {
			return Report{}, err
		}
		if _, err := tx.Exec("INSERT INTO crash_seen (report_id, fingerprint, device, build, place) VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
			r.ID, c.Fingerprint, r.Device, r.Build, i); err != nil {
			return Report{}, err
		}
	}
	return r, nil
}

// Publish gives a member's report to a thread; from then on it counts, and the
// thread is found by the words of its crashes. private keeps its text for maintainers.
func Publish(tx *db.Tx, id, memberID, threadID int64, private bool) error {
	r, err := ByID(tx, id)
	if err != nil {
		return err
	}
	switch {
	case r.MemberID != memberID:
		return fmt.Errorf("cannot publish report %d: %w", id, ErrNotFound)
	case r.ThreadID != 0:
		return fmt.Errorf("cannot publish report %d: %w", id, ErrTaken)
	}
	if _, err := tx.Exec("UPDATE crash_reports SET thread_id = $2, private = $3, keep_until = $4 WHERE id = $1", id, threadID, private, tx.Now().Add(Keep)); err != nil {
		return err
	}
	return Words(tx, threadID, threadID)
}

// ByID returns one report; who may see it is the caller's to decide.
func ByID(tx *db.Tx, id int64) (Report, error) {
	r, err := scan(tx.QueryRow("SELECT "+columns+" FROM crash_reports WHERE id = $1", id))
	if errors.Is(err, db.ErrNoRows) {
		err = fmt.Errorf("cannot find report %d: %w", id, ErrNotFound)
	}
	return r, err
}

// Of returns the reports of a thread, and of those merged into it, the oldest
// first, 100 at most.
func Of(tx *db.Tx, threads ...int64) ([]Report, error) {
	in, args := oneOf(threads)
	return db.All(tx, scan, "SELECT "+columns+" FROM crash_reports WHERE thread_id "+in+" ORDER BY id LIMIT 100", args...)
}

// oneOf is a condition that a column is one of some numbers, a hundred at most.
func oneOf(ids []int64) (in string, args []any) {
	in = "IN (0"
	for i, id := range ids[:min(len(ids), 100)] {
		in += fmt.Sprintf(", $%d", i+1)
		args = append(args, max(id, -1))
	}
	return in + ") AND thread_id <> 0", args
}

const clusterColumns = "c.fingerprint, c.kind, c.process, c.cause, c.top, c.frames, c.first_at, c.last_at"

func scanCluster(row db.Scanner) (c Cluster, err error) {
	err = row.Scan(&c.Fingerprint, &c.Kind, &c.Process, &c.Cause, &c.Top, &c.Frames, &c.FirstAt, &c.LastAt)
	return c, err
}

// In returns the crashes of one report, in its order.
func In(tx *db.Tx, report int64) ([]Cluster, error) {
	return db.All(tx, scanCluster, "SELECT "+clusterColumns+" FROM crash_clusters c JOIN crash_seen s ON s.fingerprint = c.fingerprint WHERE s.report_id = $1 ORDER BY s.place", report)
}

// ClustersOf returns the crashes of the reports of a thread, and of those merged
// into it, the most reported first.
func ClustersOf(tx *db.Tx, threads ...int64) ([]Cluster, error) {
	in, args := oneOf(threads)
	return db.All(tx, scanCluster, "SELECT "+clusterColumns+" FROM crash_clusters c JOIN crash_seen s ON s.fingerprint = c.fingerprint JOIN crash_reports r ON r.id = s.report_id "+
		"WHERE r.thread_id "+in+" GROUP BY "+clusterColumns+" ORDER BY COUNT(*) DESC, MIN(s.place), c.fingerprint LIMIT 20", args...)
}

// ByFingerprint returns one cluster; ErrNotFound, wrapped, if there is none.
func ByFingerprint(tx *db.Tx, fingerprint string) (Cluster, error) {
	c, err := scanCluster(tx.QueryRow("SELECT "+clusterColumns+" FROM crash_clusters c WHERE c.fingerprint = $1", fingerprint))
	if errors.Is(err, db.ErrNoRows) {
		err = fmt.Errorf("cannot find crash %s: %w", fingerprint, ErrNotFound)
	}
	return c, err
}

// Threads returns the threads that hold a crash, the oldest first, limit at
// most. Which of them somebody may see is the caller's to decide.
func Threads(tx *db.Tx, fingerprint string, limit int) ([]int64, error) {
	return db.All(tx, func(row db.Scanner) (id int64, err error) { err = row.Scan(&id); return id, err },
		"SELECT DISTINCT r.thread_id FROM crash_seen s JOIN crash_reports r ON r.id = s.report_id WHERE s.fingerprint = $1 AND r.thread_id <> 0 ORDER BY 1 LIMIT $2", fingerprint, limit)
}

// CountsOf returns how often each crash was met on a device, by build, in
// published reports.
func CountsOf(tx *db.Tx, device string) ([]Count, error) {
	return counts(tx, "s.device = $1", device)
}

// CountsOfCluster returns where and how often one crash was met.
func CountsOfCluster(tx *db.Tx, fingerprint string) ([]Count, error) {
	return counts(tx, "s.fingerprint = $1", fingerprint)
}

func counts(tx *db.Tx, where string, args ...any) ([]Count, error) {
	return db.All(tx, func(row db.Scanner) (c Count, err error) {
		err = row.Scan(&c.Fingerprint, &c.Device, &c.Build, &c.Members, &c.Enrolled, &c.Reports, &c.First, &c.Last)
		return c, err
	}, "SELECT s.fingerprint, s.device, s.build, COUNT(DISTINCT r.member_id), COUNT(DISTINCT CASE WHEN r.enrolled THEN r.member_id END), COUNT(*), MIN(r.at), MAX(r.at) "+
		"FROM crash_seen s JOIN crash_reports r ON r.id = s.report_id WHERE r.thread_id <> 0 AND "+where+" GROUP BY 1, 2, 3 ORDER BY 4 DESC, 1, 2, 3", args...)
}

// Devices returns the devices of which crashes were published since a time.
func Devices(tx *db.Tx, since time.Time) ([]string, error) {
	return db.All(tx, func(row db.Scanner) (d string, err error) { err = row.Scan(&d); return d, err },
		"SELECT DISTINCT s.device FROM crash_seen s JOIN crash_reports r ON r.id = s.report_id WHERE r.thread_id <> 0 AND s.device <> '' AND r.at > $1 ORDER BY 1", since)
}

// Numbers gathers, for the rule, how many members met each crash on one build
// and on earlier ones. A member who met a crash on two earlier builds counts on
// both, as their handset counts among those that ran either.
func Numbers(counts []Count, build string, earlier []string) []Number {
	before := map[string]bool{}
	for _, b := range earlier {
		before[b] = true
	}
	var order []string
	by := map[string]*Number{}
	for _, c := range counts {
		n := by[c.Fingerprint]
		if n == nil {
			n = &Number{Fingerprint: c.Fingerprint}
			by[c.Fingerprint] = n
			order = append(order, c.Fingerprint)
		}
		switch {
		case c.Build == build:
			n.Here += c.Members
			n.Enrolled += c.Enrolled
		case before[c.Build]:
			n.Before += c.Members
		}
	}
	list := make([]Number, 0, len(order))
	for _, f := range order {
		list = append(list, *by[f])
	}
	return list
}

// Withdraw ends the keeping of a report's text now, for its member or for a
// moderator; the crashes stay counted if it was published.
func Withdraw(tx *db.Tx, id int64) error {
	_, err := tx.Exec("UPDATE crash_reports SET keep_until = $2 WHERE id = $1 AND keep_until > $2", id, tx.Now())
	return err
}

// Erase takes a member out of their reports and ends the keeping of the texts.
// Each report then counts as of somebody of its own.
func Erase(tx *db.Tx, memberID int64) error {
	_, err := tx.Exec("UPDATE crash_reports SET member_id = -id, keep_until = $2 WHERE member_id = $1", memberID, tx.Now())
	return err
}

// OfMember returns the reports that a member sent, the oldest first.
func OfMember(tx *db.Tx, memberID int64) ([]Report, error) {
	return db.All(tx, scan, "SELECT "+columns+" FROM crash_reports WHERE member_id = $1 ORDER BY id", memberID)
}

// Over returns reports whose time is over, some hundred at most. Their texts are
// to be removed, and then Forget is to be told.
func Over(tx *db.Tx) ([]Report, error) {
	const batch = 500
	return db.All(tx, scan, "SELECT "+columns+" FROM crash_reports WHERE keep_until <= $1 AND (thread_id = 0 OR digest <> '') ORDER BY id LIMIT $2", tx.Now(), batch)
}

// Forget ends reports whose texts were removed: drafts vanish with what they
// counted, of published ones the counts stay.
func Forget(tx *db.Tx, over []Report) error {
	drafts := false
	for _, r := range over {
		statements := []string{"UPDATE crash_reports SET digest = '', size = 0 WHERE id = $1"}
		if r.ThreadID == 0 {
			drafts = true
			statements = []string{"DELETE FROM crash_seen WHERE report_id = $1", "DELETE FROM crash_reports WHERE id = $1"}
		}
		for _, q := range statements {
			if _, err := tx.Exec(q, r.ID); err != nil {
				return err
			}
		}
	}
	if !drafts {
		return nil
	}
	_, err := tx.Exec("DELETE FROM crash_clusters WHERE fingerprint NOT IN (SELECT fingerprint FROM crash_seen)")
	return err
}
