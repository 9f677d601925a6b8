package feedback

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/fridayos/friday/internal/db"
)

// ErrNotFound says that there is no such thread, or none that may be seen.
var ErrNotFound = errors.New("there is no such thread")

// Limits of what is written.
const (
	MaxTitle   = 140 // characters
	MaxBody    = 20_000
	MaxReason  = 2_000
	MaxDevices = 20
)

// InputError is a mistake in what a member wrote: Field names the form's field.
type InputError struct{ Field, Message string }

func (e *InputError) Error() string { return e.Message }

func wrong(field, format string, args ...any) error {
	return &InputError{field, fmt.Sprintf(format, args...)}
}

// Parts lists the apps and parts of the system that a bug or idea belongs to.
func Parts() []string {
	return []string{"Camera", "Gallery", "Phone", "Messages", "Contacts", "Battery", "Bluetooth", "Clock", "Display",
		"Files", "Keyboard", "Launcher", "Lock screen", "Network", "Notifications", "Settings", "Sound", "Updater", "System"}
}

// clean takes control characters out of one line and trims it.
func clean(s string) string {
	s = strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == utf8.RuneError {
			return ' '
		}
		return r
	}, s)
	return strings.Join(strings.Fields(s), " ")
}

func checkBody(body string) (string, error) {
	body = strings.TrimSpace(strings.ReplaceAll(strings.ToValidUTF8(body, "\uFFFD"), "\r\n", "\n"))
	body = strings.ReplaceAll(body, "\x00", "") // PostgreSQL keeps none
	switch n := utf8.RuneCountInString(body); {
	case n == 0:
		return "", wrong("body", "Write a few words first.")
	case n > MaxBody:
		return "", wrong("body", "This has %d characters; at most %d fit in one post.", n, MaxBody)
	}
	return body, nil
}

func checkReason(s State, reason string) (string, error) {
	reason = clean(reason)
	switch n := utf8.RuneCountInString(reason); {
	case n == 0 && needsReason(s):
		return "", wrong("reason", "Say why: whoever reported it reads this.")
	case n > MaxReason:
		return "", wrong("reason", "The reason has %d characters; at most %d fit.", n, MaxReason)
	}
	return reason, nil
}

func (n *NewThread) check() (err error) {
	n.Title, n.Build = clean(n.Title), clean(n.Build)
	switch chars := utf8.RuneCountInString(n.Title); {
	case !slices.Contains(Kinds(), n.Kind):
		return wrong("kind", "Choose what this is: a bug, an idea, a question or talk.")
	case chars == 0:
		return wrong("title", "Give it a title: what happens, and where.")
	case chars > MaxTitle:
		return wrong("title", "The title has %d characters; at most %d fit.", chars, MaxTitle)
	case n.Kind.Tracked() && !slices.Contains(Parts(), n.Part):
		return wrong("part", "Choose the app or part of the system.")
	case n.Part != "" && !slices.Contains(Parts(), n.Part):
		return wrong("part", "Choose the app or part of the system from the list.")
	case len(n.Devices) > MaxDevices:
		return wrong("device", "Choose at most %d devices.", MaxDevices)
	case utf8.RuneCountInString(n.Build) > 64:
		return wrong("build", "The build's name is too long; it looks like 26.11.27.")
	}
	n.Body, err = checkBody(n.Body)
	return err
}

// New files a thread. Its author votes for it, watches it, and has it on the
// devices named.
func New(tx *db.Tx, n NewThread) (Thread, error) {
	if err := n.check(); err != nil {
		return Thread{}, err
	}
	var id int64
	if err := tx.QueryRow(`SELECT COALESCE(MAX(id), 0) + 1 FROM threads`).Scan(&id); err != nil {
		return Thread{}, fmt.Errorf("cannot file thread: %w", err)
	}
	if _, err := tx.Exec(`INSERT INTO threads (id, kind, title, title_key, author_id, part, build, created_at, last_at, closed_at, posts, votes, hidden)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, 0, 0, 0, FALSE)`,
		id, string(n.Kind), n.Title, strings.ToLower(n.Title), n.AuthorID, n.Part, n.Build, tx.Now()); err != nil {
		return Thread{}, fmt.Errorf("cannot file thread: %w", err)
	}
	p, err := addPost(tx, id, n.AuthorID, n.Body)
	if err != nil {
		return Thread{}, err
	}
	if err := Record(tx, Event{ThreadID: id, Kind: EventFiled, Actor: n.AuthorID, PostID: p.ID}); err != nil {
		return Thread{}, err
	}
	if err := Vote(tx, id, n.AuthorID, true); err != nil {
		return Thread{}, err
	}
	if n.Kind.Tracked() {
		devices := slices.Compact(slices.Sorted(slices.Values(n.Devices)))
		if len(devices) == 0 {
			devices = []string{AnyDevice}
		}
		for _, device := range devices {
			if _, err := affect(tx, id, n.AuthorID, device); err != nil {
				return Thread{}, err
			}
		}
		if err := settle(tx, id); err != nil {
			return Thread{}, err
		}
	}
	return ByID(tx, id)
}

// Reply adds a post. Its author watches the thread.
func Reply(tx *db.Tx, threadID, authorID int64, body string) (Post, error) {
	body, err := checkBody(body)
	if err != nil {
		return Post{}, err
	}
	if err := exists(tx, threadID); err != nil {
		return Post{}, fmt.Errorf("cannot reply to thread %d: %w", threadID, err)
	}
	p, err := addPost(tx, threadID, authorID, body)
	if err != nil {
		return Post{}, err
	}
	return p, Record(tx, Event{ThreadID: threadID, Kind: EventPosted, Actor: authorID, PostID: p.ID})
}

func addPost(tx *db.Tx, threadID, authorID int64, body string) (Post, error) {
	p := Post{ID: db.NewID(), ThreadID: threadID, AuthorID: authorID, Body: body, At: tx.Now()}
	place, err := placeAfter(tx, threadID)
	if err != nil {
		return Post{}, fmt.Errorf("cannot reply to thread %d: %w", threadID, err)
	}
	if _, err := tx.Exec(`INSERT INTO posts (id, thread_id, author_id, body, at, weight, place) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
		p.ID, threadID, authorID, body, p.At, weigh(body), place); err != nil {
		return Post{}, fmt.Errorf("cannot reply to thread %d: %w", threadID, err)
	}
	if _, err := tx.Exec(`UPDATE threads SET posts = posts + 1, last_at = $2 WHERE id = $1`, threadID, p.At); err != nil {
		return Post{}, fmt.Errorf("cannot reply to thread %d: %w", threadID, err)
	}
	return p, Watch(tx, threadID, authorID, true)
}

// Vote sets or takes back a member's one vote.
func Vote(tx *db.Tx, threadID, memberID int64, on bool) error {
	if err := exists(tx, threadID); err != nil {
		return fmt.Errorf("cannot vote for thread %d: %w", threadID, err)
	}
	var changed int64
	var err error
	if on {
		changed, err = tx.Exec(`INSERT INTO thread_votes (thread_id, member_id, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
			threadID, memberID, tx.Now())
	} else {
		changed, err = tx.Exec(`DELETE FROM thread_votes WHERE thread_id = $1 AND member_id = $2`, threadID, memberID)
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

// Watch sets or ends a member's watch.
func Watch(tx *db.Tx, threadID, memberID int64, on bool) error {
	err := exists(tx, threadID)
	if err == nil && on {
		_, err = tx.Exec(`INSERT INTO thread_watches (thread_id, member_id, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`,
			threadID, memberID, tx.Now())
	} else if err == nil {
		_, err = tx.Exec(`DELETE FROM thread_watches WHERE thread_id = $1 AND member_id = $2`, threadID, memberID)
	}
	if err != nil {
		return fmt.Errorf("cannot watch thread %d: %w", threadID, err)
	}
	return nil
}

// Hide takes a thread out of sight of all but moderators, or puts it back.
func Hide(tx *db.Tx, threadID, actor int64, hidden bool) error {
	t, err := ByID(tx, threadID)
	if err != nil || t.Hidden == hidden {
		return err
	}
	if _, err := tx.Exec(`UPDATE threads SET hidden = $2 WHERE id = $1`, threadID, hidden); err != nil {
		return fmt.Errorf("cannot hide thread %d: %w", threadID, err)
	}
	kind := EventShown
	if hidden {
		kind = EventHidden
	}
	return Record(tx, Event{ThreadID: threadID, Kind: kind, Actor: actor})
}

// exists is ErrNotFound when there is no such thread.
func exists(tx *db.Tx, threadID int64) error {
	var n int
	if err := tx.QueryRow(`SELECT COUNT(*) FROM threads WHERE id = $1`, threadID).Scan(&n); err != nil {
		return err
	}
	if n == 0 {
		return ErrNotFound
	}
	return nil
}
