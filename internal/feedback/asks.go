package feedback

import (
	"errors"
	"fmt"
	"slices"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback/way"
	"github.com/fridayos/friday/internal/mistake"
)

// HandsetRuns says that the member's own handset runs b, as the handset itself
// reported. It returns the asks that this opened: on threads whose fix b has and that
// the member reported, has too, or watches. Saying it twice opens nothing twice.
func HandsetRuns(tx *db.Tx, memberID int64, b Build) ([]Ask, error) {
	return runs(tx, memberID, b, false)
}

// Installed is the member's own word that their phone of b.Device runs b: for
// those whose updater is another and reports nothing. It counts like the
// handset's.
func Installed(tx *db.Tx, memberID int64, b Build) ([]Ask, error) { return runs(tx, memberID, b, true) }

func runs(tx *db.Tx, memberID int64, b Build, said bool) ([]Ask, error) {
	if _, err := tx.Exec(`INSERT INTO member_builds (member_id, device, build, version, built_at, at, said) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (member_id, device) DO UPDATE SET build = excluded.build, version = excluded.version, built_at = excluded.built_at, at = excluded.at, said = excluded.said`,
		memberID, b.Device, b.ID, b.Version, b.Timestamp, tx.Now(), said); err != nil {
		return nil, fmt.Errorf("cannot note what a member's %s runs: %w", b.Device, err)
	}
	// Only where a release carries a fix to that device can there be anything to ask.
	threads, err := db.All(tx, func(s db.Scanner) (id int64, err error) { err = s.Scan(&id); return id, err },
		`SELECT DISTINCT f.thread_id FROM thread_facts f WHERE f.kind IN ('released', 'marked') AND f.build <> '' AND (f.device = $2 OR f.device = '') AND f.built_at <= $3 AND (
			EXISTS (SELECT 1 FROM thread_affected a WHERE a.thread_id = f.thread_id AND a.member_id = $1) OR
			EXISTS (SELECT 1 FROM thread_watches w WHERE w.thread_id = f.thread_id AND w.member_id = $1 AND NOT w.muted))
		ORDER BY f.thread_id`, memberID, b.Device, b.Timestamp)
	if err != nil {
		return nil, fmt.Errorf("cannot find what to ask a member: %w", err)
	}
	var opened []Ask
	for _, id := range threads {
		asks, err := openAsks(tx, id, memberID)
		if err != nil {
			return nil, err
		}
		opened = append(opened, asks...)
	}
	return opened, nil
}

// candidate is a member with a stake in a thread and a handset that may run its fix.
type candidate struct {
	member   int64
	affected bool
	runs     Build
}

// due says whether the candidate is to be asked about w: the handset runs the
// fix, and, once it is confirmed, only those who had it themselves.
func (c candidate) due(w way.Way) bool {
	switch w.State {
	case InRelease, OnHandset:
	case Confirmed, Closed:
		if !c.affected {
			return false
		}
	default:
		return false
	}
	return w.FixRuns(c.runs.Device, c.runs.Timestamp)
}

// openAsks opens what is due in one thread, for one member or (0) for all.
func openAsks(tx *db.Tx, threadID, memberID int64) ([]Ask, error) {
	facts, err := readFacts(tx, threadID)
	if err != nil {
		return nil, err
	}
	devices, err := readDevices(tx, threadID)
	if err != nil {
		return nil, err
	}
	candidates, err := db.All(tx, func(s db.Scanner) (c candidate, err error) {
		var affected int
		err = s.Scan(&c.member, &c.runs.Device, &c.runs.ID, &c.runs.Version, &c.runs.Timestamp, &affected)
		c.affected = affected > 0
		return c, err
	}, `SELECT b.member_id, b.device, b.build, b.version, b.built_at,
			(SELECT COUNT(*) FROM thread_affected a WHERE a.thread_id = $1 AND a.member_id = b.member_id AND (a.device = b.device OR a.device = ''))
		FROM member_builds b WHERE (CAST($2 AS BIGINT) = 0 OR b.member_id = $2) AND b.member_id IN (
			SELECT member_id FROM thread_affected WHERE thread_id = $1 UNION SELECT member_id FROM thread_watches WHERE thread_id = $1 AND NOT muted)
		ORDER BY b.member_id, b.device`, threadID, memberID)
	if err != nil {
		return nil, fmt.Errorf("cannot find whom to ask about thread %d: %w", threadID, err)
	}
	var opened []Ask
	moved := false
	for _, c := range candidates {
		row := c.runs.Device // the thread's state there, or else that of any device
		if !slices.Contains(devices, row) {
			row = AnyDevice
		}
		w, _ := way.Derive(row, facts)
		if !c.due(w) {
			continue
		}
		fix, _ := w.Fix(c.runs.Device)
		n, err := tx.Exec(`INSERT INTO asks (thread_id, member_id, device, release, build, opened_at, answered_at, verdict, withdrawn_at)
			VALUES ($1, $2, $3, $4, $5, $6, 0, '', 0) ON CONFLICT DO NOTHING`,
			threadID, c.member, c.runs.Device, fix.Release, c.runs.ID, tx.Now())
		if err != nil {
			return nil, fmt.Errorf("cannot ask about thread %d: %w", threadID, err)
		}
		if n == 0 {
			continue
		}
		opened = append(opened, Ask{ThreadID: threadID, MemberID: c.member, Device: c.runs.Device, Release: fix.Release, Build: c.runs.ID, OpenedAt: tx.Now()})
		if err := Record(tx, Event{ThreadID: threadID, Kind: EventAsked, Device: c.runs.Device,
			EventData: EventData{Member: c.member, Release: fix.Release, Build: c.runs.ID}}); err != nil {
			return nil, err
		}
		if c.affected {
			moved = true
			if err := addFact(tx, threadID, way.Fact{Kind: way.FactRuns, Device: c.runs.Device, Release: fix.Release, Build: c.runs.ID,
				Timestamp: c.runs.Timestamp, Actor: c.member}); err != nil {
				return nil, err
			}
		}
	}
	if moved {
		return opened, settle(tx, threadID)
	}
	return opened, nil
}

// withdraw takes back open asks whose fix is gone, and lets those stand whose
// fix is still there.
func withdraw(tx *db.Tx, threadID int64, ways map[string]way.Way) error {
	open, err := asks(tx, `a.thread_id = $1 AND a.answered_at = 0 AND a.withdrawn_at = 0`, threadID)
	if err != nil {
		return err
	}
	for _, a := range open {
		w, ok := ways[a.Device]
		if !ok {
			w = ways[AnyDevice]
		}
		if fix, ok := w.Fix(a.Device); ok && fix.Release == a.Release {
			continue
		}
		if _, err := tx.Exec(`UPDATE asks SET withdrawn_at = $5 WHERE thread_id = $1 AND member_id = $2 AND device = $3 AND release = $4`,
			threadID, a.MemberID, a.Device, a.Release, tx.Now()); err != nil {
			return fmt.Errorf("cannot take back a question on thread %d: %w", threadID, err)
		}
	}
	return nil
}

// ErrNoAsk says that the member is not being asked.
var ErrNoAsk = errors.New("there is no open question for you here")

// Answer takes the viewer's answer to an open ask. What it does follows from the
// build that the viewer's handset runs by now. Unsure is kept and moves nothing.
func Answer(tx *db.Tx, v Viewer, threadID int64, device string, verdict Verdict) error {
	kind := map[Verdict]way.FactKind{Works: way.FactWorks, Broken: way.FactBroken, Unsure: way.FactUnsure}[verdict]
	if kind == "" {
		return mistake.New("verdict", "verdict", "Answer with works, broken or unsure.")
	}
	memberID := v.Member
	threadID, err := v.Sees(tx, threadID)
	if err != nil {
		return fmt.Errorf("cannot take the answer on thread %d: %w", threadID, err)
	}
	open, err := asks(tx, `a.thread_id = $1 AND a.member_id = $2 AND a.device = $3 AND a.answered_at = 0 AND a.withdrawn_at = 0 ORDER BY a.opened_at DESC`,
		threadID, memberID, device)
	if err != nil {
		return err
	}
	if len(open) == 0 {
		return fmt.Errorf("cannot take the answer on thread %d: %w", threadID, ErrNoAsk)
	}
	a := open[0]
	if _, err := tx.Exec(`UPDATE asks SET answered_at = $5, verdict = $6 WHERE thread_id = $1 AND member_id = $2 AND device = $3 AND release = $4`,
		threadID, memberID, device, a.Release, tx.Now(), string(verdict)); err != nil {
		return fmt.Errorf("cannot take the answer on thread %d: %w", threadID, err)
	}
	var runs Build
	if err := tx.QueryRow(`SELECT build, built_at FROM member_builds WHERE member_id = $1 AND device = $2`, memberID, device).
		Scan(&runs.ID, &runs.Timestamp); err != nil {
		return fmt.Errorf("cannot tell what the member's %s runs: %w", device, err)
	}
	if err := Record(tx, Event{ThreadID: threadID, Kind: EventAnswered, Actor: memberID, Device: device,
		EventData: EventData{Release: a.Release, Build: runs.ID, Verdict: verdict}}); err != nil {
		return err
	}
	if err := addFact(tx, threadID, way.Fact{Kind: kind, Device: device, Release: a.Release, Build: runs.ID, Timestamp: runs.Timestamp, Actor: memberID}); err != nil {
		return err
	}
	return settle(tx, threadID)
}

// OpenAsks returns what the viewer is being asked, oldest first.
func OpenAsks(tx *db.Tx, v Viewer) ([]Ask, error) {
	return asks(tx, `a.member_id = $1 AND a.answered_at = 0 AND a.withdrawn_at = 0 AND t.merged_into = 0 AND `+v.clause("$1")+` ORDER BY a.opened_at, a.thread_id`, v.Member)
}

// Tally counts the answers of members on one device about one release.
type Tally struct {
	Device, Release       string
	Works, Broken, Unsure int
	Waiting               int // asked, not yet answered
}

// TallyOf returns what members said of a thread's fixes, by device and release.
func TallyOf(tx *db.Tx, v Viewer, threadID int64) ([]Tally, error) {
	threadID, err := v.Sees(tx, threadID)
	var all []Tally
	if err == nil {
		all, err = db.All(tx, func(s db.Scanner) (c Tally, err error) {
			err = s.Scan(&c.Device, &c.Release, &c.Works, &c.Broken, &c.Unsure, &c.Waiting)
			return c, err
		}, `SELECT device, release, COUNT(CASE WHEN verdict = 'works' THEN 1 END), COUNT(CASE WHEN verdict = 'broken' THEN 1 END),
			COUNT(CASE WHEN verdict = 'unsure' THEN 1 END), COUNT(CASE WHEN verdict = '' THEN 1 END)
			FROM asks WHERE thread_id = $1 AND withdrawn_at = 0 GROUP BY device, release ORDER BY device, release`, threadID)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot count the answers on thread %d: %w", threadID, err)
	}
	return all, nil
}

func asks(tx *db.Tx, where string, args ...any) ([]Ask, error) {
	all, err := db.All(tx, func(s db.Scanner) (a Ask, err error) {
		err = s.Scan(&a.ThreadID, &a.Title, &a.MemberID, &a.Device, &a.Release, &a.Build, &a.OpenedAt, &a.AnsweredAt, (*string)(&a.Verdict))
		return a, err
	}, `SELECT a.thread_id, t.title, a.member_id, a.device, a.release, a.build, a.opened_at, a.answered_at, a.verdict
		FROM asks a JOIN threads t ON t.id = a.thread_id WHERE `+where, args...)
	if err != nil {
		return nil, fmt.Errorf("cannot read questions: %w", err)
	}
	return all, nil
}

// Runs returns what the member's own handsets run, as they last said.
func Runs(tx *db.Tx, memberID int64) ([]Build, error) {
	all, err := db.All(tx, func(s db.Scanner) (b Build, err error) {
		err = s.Scan(&b.Device, &b.ID, &b.Version, &b.Timestamp)
		return b, err
	}, `SELECT device, build, version, built_at FROM member_builds WHERE member_id = $1 ORDER BY device`, memberID)
	if err != nil {
		return nil, fmt.Errorf("cannot read what a member's handsets run: %w", err)
	}
	return all, nil
}
