package feedback

import (
	"fmt"
	"slices"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback/way"
	"github.com/fridayos/friday/internal/mistake"
)

// addFact keeps f with the transaction's time. Call settle afterwards.
func addFact(tx *db.Tx, threadID int64, f way.Fact) error {
	_, err := tx.Exec(`INSERT INTO thread_facts (id, thread_id, kind, device, state, release, build, built_at, commit_hash, reason, actor_id, at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12)`,
		db.NewID(), threadID, string(f.Kind), f.Device, string(f.State), f.Release, f.Build, f.Timestamp, f.Commit, f.Reason, f.Actor, tx.Now())
	if err != nil {
		return fmt.Errorf("cannot keep what happened to thread %d: %w", threadID, err)
	}
	return nil
}

func readFacts(tx *db.Tx, threadID int64) ([]way.Fact, error) {
	facts, err := db.All(tx, func(s db.Scanner) (f way.Fact, err error) {
		err = s.Scan(&f.ID, (*string)(&f.Kind), &f.Device, (*string)(&f.State), &f.Release, &f.Build, &f.Timestamp, &f.Commit, &f.Reason, &f.Actor, &f.At)
		return f, err
	}, `SELECT id, kind, device, state, release, build, built_at, commit_hash, reason, actor_id, at
		FROM thread_facts WHERE thread_id = $1 ORDER BY at, id`, threadID)
	if err != nil {
		return nil, fmt.Errorf("cannot read what happened to thread %d: %w", threadID, err)
	}
	return facts, nil
}

func readDevices(tx *db.Tx, threadID int64) ([]string, error) {
	return texts(tx, `SELECT device FROM thread_devices WHERE thread_id = $1 ORDER BY device`, threadID)
}

// Affect notes that the member has it on device; fresh says that nobody knew.
func Affect(tx *db.Tx, threadID, memberID int64, device string) (fresh bool, err error) {
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
		if err := addFact(tx, threadID, way.Fact{Kind: way.FactReported, Device: device, Actor: memberID}); err != nil {
			return false, err
		}
		if err := relist(tx, threadID); err != nil {
			return false, err
		}
	}
	_, err = tx.Exec(`UPDATE thread_devices SET affected = affected + 1 WHERE thread_id = $1 AND device = $2`, threadID, device)
	return true, err
}

// Settle derives anew where a thread stands, after what it is derived from was
// changed by hand: for the packages of this room. It takes back asks whose fix is
// gone and opens those that are due.
func Settle(tx *db.Tx, threadID int64) error {
	if err := settle(tx, threadID); err != nil {
		return err
	}
	_, err := openAsks(tx, threadID, 0)
	return err
}

// settle derives where the thread stands on each of its devices, closes or opens
// it, and takes back asks whose fix is gone.
func settle(tx *db.Tx, threadID int64) error {
	facts, err := readFacts(tx, threadID)
	if err != nil {
		return err
	}
	t, err := ByID(tx, Everything(), threadID)
	if err != nil || !t.Kind.Tracked() {
		return err
	}
	fixed := t.Private
	ways, done := map[string]way.Way{}, len(t.Devices) > 0
	var closed time.Time
	for _, was := range t.Devices {
		device := was.Device
		w, steps := way.Derive(device, facts)
		fixed = fixed && (w.State == InRelease || w.State == OnHandset || w.State == Confirmed)
		ways[device] = w
		done = done && w.State.Done()
		if w.Since.After(closed) {
			closed = w.Since
		}
		if _, err := tx.Exec(`UPDATE thread_devices SET state = $3, release = $4, build = $5, reason = $6, reported_at = $7, since = $8
			WHERE thread_id = $1 AND device = $2`,
			threadID, device, string(w.State), w.Release, w.Build, w.Reason, w.First, w.Since); err != nil {
			return fmt.Errorf("cannot settle thread %d: %w", threadID, err)
		}
		if len(steps) == 0 || w.State == was.State && w.Since.Equal(was.Since) {
			continue
		}
		last := steps[len(steps)-1]
		if err := Record(tx, Event{ThreadID: threadID, Kind: EventState, Actor: last.Actor, Device: device,
			EventData: EventData{State: w.State, Release: last.Release, Build: w.Build, Commit: last.Commit, Reason: last.Reason}}); err != nil {
			return err
		}
	}
	if !done {
		closed = time.Time{}
	}
	if _, err := tx.Exec(`UPDATE threads SET closed_at = $2 WHERE id = $1`, threadID, closed); err != nil {
		return fmt.Errorf("cannot settle thread %d: %w", threadID, err)
	}
	if fixed { // there is nothing to hide any more
		if err := Publish(tx, threadID, 0); err != nil {
			return err
		}
	}
	return withdraw(tx, threadID, ways)
}

// Word is what a maintainer says of a thread: Recorded, NeedsInfo, Discussed,
// Planned, Declined or Closed, on one device or (AnyDevice) on all of them.
type Word struct {
	State  State
	Device string
	Reason string // needed by those that leave the reporter waiting
	// Fixed says that the thread is closed because it is fixed, and then Build
	// is the first build that has the fix, of Device or, where that is AnyDevice,
	// of the only device that the thread names. Members who have it are asked once
	// their handset runs it, and one who says "still broken" reopens it.
	Fixed bool
	Build Build
}

// Mark takes a maintainer's word. Whether the actor maintains the device is for
// the caller to know.
func Mark(tx *db.Tx, actor, threadID int64, m Word) error {
	var err error
	if m.Reason, err = checkReason(m.State, m.Reason); err != nil {
		return err
	}
	t, err := ByID(tx, Everything(), threadID)
	if err != nil {
		return err
	}
	var concerned []string
	possible := 0
	for _, d := range t.Devices {
		if m.Device == AnyDevice || d.Device == m.Device {
			concerned = append(concerned, d.Device)
			if slices.Contains(Markable(d.State), m.State) {
				possible++
			}
		}
	}
	f := way.Fact{Kind: way.FactMarked, Device: m.Device, State: m.State, Reason: m.Reason, Actor: actor}
	switch {
	case len(concerned) == 0:
		return mistake.New("device", "no-state", "Thread {Thread} has no state on \"{Device}\".", "Thread", threadID, "Device", m.Device)
	case possible == 0:
		return mistake.New("state", "fix-on-its-way", "A fix is on its way or confirmed; only a reverted commit, a pulled release or a member's answer changes that.")
	case m.Fixed && m.State != Closed:
		return mistake.New("state", "fixed-closes", "Fixed, with a build, closes it.")
	case m.Fixed && m.Build.ID == "":
		return mistake.New("build", "build-missing", "Say which build has the fix.")
	case m.Fixed && (len(concerned) > 1 || concerned[0] != AnyDevice && concerned[0] != m.Build.Device):
		return mistake.New("build", "build-of-another", "Build {Build} is of {Device}: say of that phone alone that it is fixed.", "Build", m.Build.Version, "Device", m.Build.Device)
	case m.Fixed:
		f.Device, f.Release, f.Build, f.Timestamp = m.Build.Device, m.Build.Version, m.Build.ID, m.Build.Timestamp
		if concerned[0] == AnyDevice {
			f.Device = AnyDevice
		}
	}
	if err := addFact(tx, t.ID, f); err != nil {
		return err
	}
	return Settle(tx, t.ID)
}

// Object is the author's one objection to a thread that was declined or closed:
// it is under discussion again, and a maintainer must answer. Objections lists
// those that nobody has.
func Object(tx *db.Tx, v Viewer, threadID int64, reason string) error {
	reason, err := checkReason(Declined, reason)
	if err != nil {
		return err
	}
	t, err := ByID(tx, v, threadID)
	if err != nil {
		return err
	}
	facts, err := readFacts(tx, t.ID)
	if err != nil {
		return err
	}
	switch {
	case v.Member == 0 || t.AuthorID != v.Member:
		return mistake.New("reason", "object-reporter", "Only whoever reported it can object.")
	case slices.ContainsFunc(facts, func(f way.Fact) bool { return f.Kind == way.FactObjected }):
		return mistake.New("reason", "object-once", "You objected once already; a maintainer has the last word.")
	case !slices.ContainsFunc(t.Devices, func(d DeviceState) bool { return d.State == Declined || d.State == Closed }):
		return mistake.New("reason", "object-nothing", "Nothing was declined or closed here.")
	}
	if err := addFact(tx, t.ID, way.Fact{Kind: way.FactObjected, Reason: reason, Actor: v.Member}); err != nil {
		return err
	}
	if err := Record(tx, Event{ThreadID: t.ID, Kind: EventObjected, Actor: v.Member, EventData: EventData{Reason: reason}}); err != nil {
		return err
	}
	return settle(tx, t.ID)
}

// Objection is one that waits for a maintainer's answer.
type Objection struct {
	Thread Thread
	Reason string
	At     time.Time
}

// Objections returns those that no maintainer has answered, longest waiting
// first, as far as the viewer sees the threads. A word or a fix after it answers one.
func Objections(tx *db.Tx, v Viewer) ([]Objection, error) {
	type row struct {
		thread int64
		Objection
	}
	rows, err := db.All(tx, func(s db.Scanner) (r row, err error) { err = s.Scan(&r.thread, &r.Reason, &r.At); return r, err },
		`SELECT t.id, f.reason, f.at FROM thread_facts f JOIN threads t ON t.id = f.thread_id
		WHERE f.kind = 'objected' AND t.merged_into = 0 AND `+v.clause("$1")+` AND NOT EXISTS (
			SELECT 1 FROM thread_facts a WHERE a.thread_id = t.id AND a.kind IN ('marked', 'merged', 'released') AND (a.at > f.at OR a.at = f.at AND a.id > f.id))
		ORDER BY f.at, f.id`, v.Member)
	if err != nil {
		return nil, fmt.Errorf("cannot read objections: %w", err)
	}
	all := make([]Objection, len(rows))
	for i, r := range rows {
		all[i] = r.Objection
		if all[i].Thread, err = ByID(tx, v, r.thread); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// FixMerged says that commit fixes the thread. Saying it twice changes nothing.
func FixMerged(tx *db.Tx, threadID int64, commit string) error {
	_, err := fact(tx, threadID, way.Fact{Kind: way.FactMerged, Commit: commit}, func(old []way.Fact) bool {
		return lastOf(old, commit) == way.FactMerged
	})
	return err
}

// FixRetracted says that commit was reverted: what it fixed is open again.
func FixRetracted(tx *db.Tx, threadID int64, commit string) error {
	_, err := fact(tx, threadID, way.Fact{Kind: way.FactRetracted, Commit: commit, Reason: "The commit was reverted."}, func(old []way.Fact) bool {
		return lastOf(old, commit) != way.FactMerged
	})
	return err
}

// FixInRelease says that release carries the fix to b.Device with build b.
// Saying it twice changes nothing.
func FixInRelease(tx *db.Tx, threadID int64, release string, b Build) error {
	fresh, err := fact(tx, threadID, way.Fact{Kind: way.FactReleased, Device: b.Device, Release: release, Build: b.ID, Timestamp: b.Timestamp}, func(old []way.Fact) bool {
		return slices.ContainsFunc(old, func(f way.Fact) bool { return f.Kind == way.FactReleased && f.Build == b.ID })
	})
	if err != nil || fresh == 0 {
		return err
	}
	threadID = fresh
	if err := Record(tx, Event{ThreadID: threadID, Kind: EventReleased, Device: b.Device, EventData: EventData{Release: release, Build: b.ID}}); err != nil {
		return err
	}
	_, err = openAsks(tx, threadID, 0) // some may run it already: alpha, beta
	return err
}

// FixPulled says that the release that b belongs to was withdrawn from b.Device:
// what it fixed is not in a release there any more. Saying it twice changes
// nothing, and neither does saying it of a build that carried no fix.
func FixPulled(tx *db.Tx, threadID int64, release string, b Build, reason string) error {
	fresh, err := fact(tx, threadID, way.Fact{Kind: way.FactPulled, Device: b.Device, Release: release, Build: b.ID, Timestamp: b.Timestamp, Reason: reason}, func(old []way.Fact) bool {
		carried := false
		for _, f := range old {
			if f.Build == b.ID && (f.Kind == way.FactReleased || f.Kind == way.FactMarked || f.Kind == way.FactPulled) {
				carried = f.Kind != way.FactPulled
			}
		}
		return !carried
	})
	if err != nil || fresh == 0 {
		return err
	}
	if err := Record(tx, Event{ThreadID: fresh, Kind: EventPulled, Device: b.Device, EventData: EventData{Release: release, Build: b.ID, Reason: reason}}); err != nil {
		return err
	}
	_, err = openAsks(tx, fresh, 0) // another release may carry it, and be on handsets
	return err
}

// fact keeps f on the thread, or on the one that it was merged into, unless
// known says that it is an old story. It returns the thread's number if it did.
func fact(tx *db.Tx, threadID int64, f way.Fact, known func(old []way.Fact) bool) (fresh int64, err error) {
	id, err := Everything().Sees(tx, threadID)
	if err != nil {
		return 0, fmt.Errorf("cannot note %s on thread %d: %w", f.Kind, threadID, err)
	}
	old, err := readFacts(tx, id)
	if err != nil || known(old) {
		return 0, err
	}
	if err := addFact(tx, id, f); err != nil {
		return 0, err
	}
	return id, settle(tx, id)
}

// lastOf is the last thing said of a commit.
func lastOf(facts []way.Fact, commit string) (kind way.FactKind) {
	for _, f := range facts {
		if f.Commit == commit && commit != "" {
			kind = f.Kind
		}
	}
	return kind
}

// States is the thread's way so far on each of its devices, oldest step first.
func States(tx *db.Tx, v Viewer, threadID int64) ([]StateChange, error) {
	threadID, err := v.Sees(tx, threadID)
	if err != nil {
		return nil, fmt.Errorf("cannot read the way of thread %d: %w", threadID, err)
	}
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
		_, steps := way.Derive(device, facts)
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
