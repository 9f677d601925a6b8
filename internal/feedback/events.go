package feedback

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/fridayos/friday/internal/db"
)

// EventKind says what an Event tells of.
type EventKind string

// Kinds of event. What each carries beside ThreadID, Actor and At stands
// behind it.
const (
	EventFiled    EventKind = "filed"    // PostID: the first post
	EventPosted   EventKind = "posted"   // PostID
	EventEdited   EventKind = "edited"   // PostID
	EventMention  EventKind = "mention"  // PostID, Member: who is mentioned
	EventQuote    EventKind = "quote"    // PostID, Member: whose post is quoted
	EventAccepted EventKind = "accepted" // PostID, Member: whose answer the asker accepted
	EventAffected EventKind = "affected" // Device: Actor has it there too
	EventState    EventKind = "state"    // Device, State, Reason, Release, Build, Commit: as StateChange
	EventReleased EventKind = "released" // Device, Release, Build: the fix arrived there; the state may have been further
	EventPulled   EventKind = "pulled"   // Device, Release, Build, Reason: the release that carried the fix was pulled
	EventAsked    EventKind = "asked"    // Device, Release, Build, Member: who is asked whether it works
	EventAnswered EventKind = "answered" // Device, Release, Build, Verdict: Actor's
	EventObjected EventKind = "objected" // Reason
	EventMerged   EventKind = "merged"   // Other: the thread it went into
	EventUnmerged EventKind = "unmerged" // Other: the thread it came out of
	EventSplit    EventKind = "split"    // Other: the thread that its posts went into
	EventMoved    EventKind = "moved"    // another kind, part or devices
	EventLocked   EventKind = "locked"
	EventUnlocked EventKind = "unlocked"
	EventPinned   EventKind = "pinned"
	EventUnpinned EventKind = "unpinned"
	EventHidden   EventKind = "hidden"
	EventShown    EventKind = "shown"
	EventPolled   EventKind = "polled"   // a poll was put to the thread
	EventLogged   EventKind = "logged"   // Actor attached a log, which may hold crashes
	EventOpened   EventKind = "opened"   // a private thread: everyone may see it now
	EventImported EventKind = "imported" // came from elsewhere, with all its posts so far: nobody is told
)

// Event is one thing that happened in the forum. Hidden and private threads have
// events too: whoever tells a person asks ByID with that person as Viewer first,
// and what is ErrNotFound did not happen for them.
type Event struct {
	ID       int64 // 1, 2, 3 … in the order of commits
	ThreadID int64
	Kind     EventKind
	Actor    int64  // member; 0: the train
	Device   string // AnyDevice where none is meant
	PostID   int64  // 0: none
	At       time.Time
	EventData
}

// EventData is what only some kinds carry.
type EventData struct {
	Member  int64   `json:"member,omitempty"`
	Other   int64   `json:"other,omitempty"` // thread
	State   State   `json:"state,omitempty"`
	Release string  `json:"release,omitempty"`
	Build   string  `json:"build,omitempty"`
	Commit  string  `json:"commit,omitempty"`
	Reason  string  `json:"reason,omitempty"`
	Verdict Verdict `json:"verdict,omitempty"`
}

// Record writes an event with the transaction's time and the next id, and so
// belongs into the transaction that does what it tells, after it. The words of
// the thread are kept for searching as the event asks.
func Record(tx *db.Tx, e Event) error {
	data, err := json.Marshal(e.EventData)
	// Not RETURNING: it makes SQLite write out the words put in so far, for each event.
	if err == nil {
		_, err = tx.Exec(`UPDATE thread_event_last SET id = id + 1 WHERE one = 1`)
	}
	if err == nil {
		_, err = tx.Exec(`INSERT INTO thread_events (id, thread_id, kind, actor_id, device, post_id, at, data)
			VALUES ((SELECT id FROM thread_event_last WHERE one = 1), $1, $2, $3, $4, $5, $6, $7)`,
			e.ThreadID, string(e.Kind), e.Actor, e.Device, e.PostID, tx.Now(), string(data))
	}
	if err != nil {
		return fmt.Errorf("cannot write down that thread %d was %s: %w", e.ThreadID, e.Kind, err)
	}
	return index(tx, e)
}

// Events returns what happened after the event with id after (0: from the
// start), oldest first, at most limit of them (1 to 1,000; 0: 100).
//
// A reader that keeps the id of the last event it saw misses none. Record draws
// an id by changing the one row of thread_event_last, and that row stays locked
// until the transaction ends. So an event with a greater id cannot be committed
// before one with a smaller: who waits for the row on PostgreSQL runs again
// (SERIALIZABLE refuses a row that changed meanwhile) and draws a later id, and
// SQLite has one writer anyway. A transaction that fails gives its ids back
// with everything else, so the ids have no gaps either. The price is that
// transactions with events commit one after the other.
func Events(tx *db.Tx, after int64, limit int) ([]Event, error) {
	if limit <= 0 {
		limit = 100
	}
	return events(tx, `id > $1 ORDER BY id LIMIT $2`, after, min(limit, 1000))
}

// EventsOf returns what happened to one thread, oldest first.
func EventsOf(tx *db.Tx, v Viewer, threadID int64) ([]Event, error) {
	if _, err := v.Sees(tx, threadID); err != nil {
		return nil, fmt.Errorf("cannot read what happened to thread %d: %w", threadID, err)
	}
	return events(tx, `thread_id = $1 ORDER BY id`, threadID)
}

// LastEvent is the id of the newest event; 0 when there is none. A reader that
// only wants what is new begins there.
func LastEvent(tx *db.Tx) (id int64, err error) {
	if err := tx.QueryRow(`SELECT id FROM thread_event_last WHERE one = 1`).Scan(&id); err != nil {
		return 0, fmt.Errorf("cannot read how far the events go: %w", err)
	}
	return id, nil
}

func events(tx *db.Tx, where string, args ...any) ([]Event, error) {
	all, err := db.All(tx, func(s db.Scanner) (e Event, err error) {
		var data string
		if err = s.Scan(&e.ID, &e.ThreadID, (*string)(&e.Kind), &e.Actor, &e.Device, &e.PostID, &e.At, &data); err == nil {
			err = json.Unmarshal([]byte(data), &e.EventData)
		}
		return e, err
	}, `SELECT id, thread_id, kind, actor_id, device, post_id, at, data FROM thread_events WHERE `+where, args...)
	if err != nil {
		return nil, fmt.Errorf("cannot read what happened in the forum: %w", err)
	}
	return all, nil
}
