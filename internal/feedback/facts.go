package feedback

import (
	"fmt"
	"slices"
	"time"

	"github.com/fridayos/friday/internal/db"
)

// addFact keeps f with the transaction's time. Call settle afterwards.
func addFact(tx *db.Tx, threadID int64, f Fact) error {
	_, err := tx.Exec(`INSERT INTO thread_facts (id, thread_id, kind, device, state, release, build, built_at, commit_hash, reason, actor_id, at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		db.NewID(), threadID, string(f.Kind), f.Device, string(f.State), f.Release, f.Build, f.Timestamp, f.Commit, f.Reason, f.Actor, tx.Now())
	if err != nil {
		return fmt.Errorf("cannot keep what happened to thread %d: %w", threadID, err)
	}
	return nil
}

func readFacts(tx *db.Tx, threadID int64) ([]Fact, error) {
	facts, err := db.All(tx, func(s db.Scanner) (f Fact, err error) {
		err = s.Scan((*string)(&f.Kind), &f.Device, (*string)(&f.State), &f.Release, &f.Build, &f.Timestamp, &f.Commit, &f.Reason, &f.Actor, &f.At)
		return f, err
	}, `SELECT kind, device, state, release, build, built_at, commit_hash, reason, actor_id, at
		FROM thread_facts WHERE thread_id = $1 ORDER BY at, id`, threadID)
	if err != nil {
		return nil, fmt.Errorf("cannot read what happened to thread %d: %w", threadID, err)
	}
	return facts, nil
}

func readDevices(tx *db.Tx, threadID int64) ([]string, error) {
	return texts(tx, `SELECT device FROM thread_devices WHERE thread_id = $1 ORDER BY device`, threadID)
}

// affect notes that the member has it on device; fresh says that nobody knew.
func affect(tx *db.Tx, threadID, memberID int64, device string) (fresh bool, err error) {
	n, err := tx.Exec(`INSERT INTO thread_affected (thread_id, device, member_id, at) VALUES ($1, $2, $3, $4) ON CONFLICT DO NOTHING`,
		threadID, device, memberID, tx.Now())
	if err != nil || n == 0 {
		return false, err
	}
	n, err = tx.Exec(`INSERT INTO thread_devices (thread_id, device, state, release, build, reason, affected, reported_at, since)
		VALUES ($1, $2, $3, '', '', '', 0, $4, $4) ON CONFLICT DO NOTHING`, threadID, device, string(Reported), tx.Now())
	if err != nil {
		return false, err
	}
	if n > 0 { // the first one there
		if err := addFact(tx, threadID, Fact{Kind: FactReported, Device: device, Actor: memberID}); err != nil {
			return false, err
		}
	}
	_, err = tx.Exec(`UPDATE thread_devices SET affected = affected + 1 WHERE thread_id = $1 AND device = $2`, threadID, device)
	return true, err
}

// settle derives where the thread stands on each of its devices, closes or opens
// it, takes back asks whose fix is gone, and opens those that are due.
func settle(tx *db.Tx, threadID int64) error {
	facts, err := readFacts(tx, threadID)
	if err != nil {
		return err
	}
	t, err := ByID(tx, threadID)
	if err != nil {
		return err
	}
	ways, done := map[string]way{}, len(t.Devices) > 0
	var closed time.Time
	for _, was := range t.Devices {
		device := was.Device
		w, steps := derive(device, facts)
		ways[device] = w
		done = done && w.state.Done()
		if w.since.After(closed) {
			closed = w.since
		}
		if _, err := tx.Exec(`UPDATE thread_devices SET state = $3, release = $4, build = $5, reason = $6, reported_at = $7, since = $8
			WHERE thread_id = $1 AND device = $2`,
			threadID, device, string(w.state), w.release, w.build, w.reason, w.first, w.since); err != nil {
			return fmt.Errorf("cannot settle thread %d: %w", threadID, err)
		}
		if len(steps) == 0 || w.state == was.State && w.since.Equal(was.Since) {
			continue
		}
		last := steps[len(steps)-1]
		if err := Record(tx, Event{ThreadID: threadID, Kind: EventState, Actor: last.Actor, Device: device,
			EventData: EventData{State: w.state, Release: last.Release, Build: w.build, Commit: last.Commit, Reason: last.Reason}}); err != nil {
			return err
		}
	}
	if !done {
		closed = time.Time{}
	}
	if _, err := tx.Exec(`UPDATE threads SET closed_at = $2 WHERE id = $1`, threadID, closed); err != nil {
		return fmt.Errorf("cannot settle thread %d: %w", threadID, err)
	}
	return withdraw(tx, threadID, ways)
}

// MeToo says that the member has it on that device too; it counts as a vote.
func MeToo(tx *db.Tx, threadID, memberID int64, device string) error {
	t, err := ByID(tx, threadID)
	if err != nil {
		return err
	}
	if !t.Kind.Tracked() {
		return wrong("device", "Only bugs and ideas are had on a device.")
	}
	fresh, err := affect(tx, threadID, memberID, device)
	if err != nil {
		return fmt.Errorf("cannot add a device to thread %d: %w", threadID, err)
	}
	if fresh {
		if err := Record(tx, Event{ThreadID: threadID, Kind: EventAffected, Actor: memberID, Device: device}); err != nil {
			return err
		}
	}
	if err := Vote(tx, threadID, memberID, true); err != nil {
		return err
	}
	if err := Watch(tx, threadID, memberID, true); err != nil {
		return err
	}
	if err := settle(tx, threadID); err != nil {
		return err
	}
	_, err = openAsks(tx, threadID, memberID)
	return err
}

// Mark is a maintainer's word on a thread: Recorded, NeedsInfo, Discussed,
// Planned, Declined or Closed, on one device or (AnyDevice) on all of them.
// Those that leave the reporter waiting need a reason.
func Mark(tx *db.Tx, threadID, actor int64, s State, device, reason string) error {
	reason, err := checkReason(s, reason)
	if err != nil {
		return err
	}
	t, err := ByID(tx, threadID)
	if err != nil {
		return err
	}
	concerned, possible := 0, 0
	for _, d := range t.Devices {
		if device == AnyDevice || d.Device == device {
			concerned++
			if slices.Contains(Markable(d.State), s) {
				possible++
			}
		}
	}
	switch {
	case concerned == 0:
		return wrong("device", "Thread %d has no state on %q.", threadID, device)
	case possible == 0:
		return wrong("state", "A fix is on its way or confirmed; only a reverted commit or a member's answer changes that.")
	}
	if err := addFact(tx, threadID, Fact{Kind: FactMarked, Device: device, State: s, Reason: reason, Actor: actor}); err != nil {
		return err
	}
	return settle(tx, threadID)
}

// Object is the author's one objection to a thread that was declined or closed:
// it is under discussion again, and a maintainer must answer.
func Object(tx *db.Tx, threadID, memberID int64, reason string) error {
	reason, err := checkReason(Declined, reason)
	if err != nil {
		return err
	}
	t, err := ByID(tx, threadID)
	if err != nil {
		return err
	}
	stake, err := StakeOf(tx, threadID, memberID)
	if err != nil {
		return err
	}
	switch {
	case t.AuthorID != memberID:
		return wrong("reason", "Only whoever reported it can object.")
	case stake.Objected:
		return wrong("reason", "You objected once already; a maintainer has the last word.")
	case !slices.ContainsFunc(t.Devices, func(d DeviceState) bool { return d.State == Declined || d.State == Closed }):
		return wrong("reason", "Nothing was declined or closed here.")
	}
	if err := addFact(tx, threadID, Fact{Kind: FactObjected, Reason: reason, Actor: memberID}); err != nil {
		return err
	}
	if err := Record(tx, Event{ThreadID: threadID, Kind: EventObjected, Actor: memberID, EventData: EventData{Reason: reason}}); err != nil {
		return err
	}
	return settle(tx, threadID)
}

// FixMerged says that commit fixes the thread. Saying it twice changes nothing.
func FixMerged(tx *db.Tx, threadID int64, commit string) error {
	_, err := fact(tx, threadID, Fact{Kind: FactMerged, Commit: commit}, func(old []Fact) bool {
		return lastOf(old, commit) == FactMerged
	})
	return err
}

// FixRetracted says that commit was reverted: what it fixed is open again.
func FixRetracted(tx *db.Tx, threadID int64, commit string) error {
	_, err := fact(tx, threadID, Fact{Kind: FactRetracted, Commit: commit, Reason: "The commit was reverted."}, func(old []Fact) bool {
		return lastOf(old, commit) != FactMerged
	})
	return err
}

// FixInRelease says that release carries the fix to b.Device with build b.
// Saying it twice changes nothing.
func FixInRelease(tx *db.Tx, threadID int64, release string, b Build) error {
	fresh, err := fact(tx, threadID, Fact{Kind: FactReleased, Device: b.Device, Release: release, Build: b.ID, Timestamp: b.Timestamp}, func(old []Fact) bool {
		return slices.ContainsFunc(old, func(f Fact) bool { return f.Kind == FactReleased && f.Build == b.ID })
	})
	if err != nil || !fresh {
		return err
	}
	if err := Record(tx, Event{ThreadID: threadID, Kind: EventReleased, Device: b.Device, EventData: EventData{Release: release, Build: b.ID}}); err != nil {
		return err
	}
	_, err = openAsks(tx, threadID, 0) // some may run it already: alpha, beta
	return err
}

// fact keeps f unless known says that it is an old story.
func fact(tx *db.Tx, threadID int64, f Fact, known func(old []Fact) bool) (fresh bool, err error) {
	if err := exists(tx, threadID); err != nil {
		return false, fmt.Errorf("cannot note %s on thread %d: %w", f.Kind, threadID, err)
	}
	old, err := readFacts(tx, threadID)
	if err != nil || known(old) {
		return false, err
	}
	if err := addFact(tx, threadID, f); err != nil {
		return false, err
	}
	return true, settle(tx, threadID)
}

// lastOf is the last thing said of a commit.
func lastOf(facts []Fact, commit string) (kind FactKind) {
	for _, f := range facts {
		if f.Commit == commit && commit != "" {
			kind = f.Kind
		}
	}
	return kind
}

// States is the thread's way so far on each of its devices, oldest step first.
func States(tx *db.Tx, threadID int64) ([]StateChange, error) {
	facts, err := readFacts(tx, threadID)
	if err != nil {
		return nil, err
	}
	devices, err := readDevices(tx, threadID)
	if err != nil {
		return nil, fmt.Errorf("cannot read the way of thread %d: %w", threadID, err)
	}
	var all []StateChange
	for _, device := range devices {
		_, steps := derive(device, facts)
		all = append(all, steps...)
	}
	slices.SortStableFunc(all, func(a, b StateChange) int { return a.At.Compare(b.At) })
	return all, nil
}

// Days is how many days passed from the report to its confirmed fix on all of
// the thread's devices; ok is false as long as there is none.
func (t *Thread) Days() (days float64, ok bool) {
	for _, d := range t.Devices {
		switch {
		case !d.State.Done():
			return 0, false
		case d.State == Confirmed:
			days, ok = max(days, d.Since.Sub(d.ReportedAt).Hours()/24), true
		}
	}
	return days, ok
}
