package feedback

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/language"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/mistake"
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

// InputError is a mistake in what a member wrote.
type InputError = mistake.Mistake

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

// CheckBody returns what a member wrote as it is kept, or an *InputError.
func CheckBody(body string) (string, error) {
	body = strings.TrimSpace(strings.ReplaceAll(strings.ToValidUTF8(body, "\uFFFD"), "\r\n", "\n"))
	body = strings.ReplaceAll(body, "\x00", "") // PostgreSQL keeps none
	switch n := utf8.RuneCountInString(body); {
	case n == 0:
		return "", mistake.New("body", "body-missing", "Write a few words first.")
	case n > MaxBody:
		return "", mistake.New("body", "body-long", "This has {N} characters; at most {Most} fit in one post.", "N", n, "Most", MaxBody)
	}
	return body, nil
}

func checkReason(s State, reason string) (string, error) {
	reason = clean(reason)
	switch n := utf8.RuneCountInString(reason); {
	case n == 0 && s.NeedsReason():
		return "", mistake.New("reason", "reason-missing", "Say why: whoever reported it reads this.")
	case n > MaxReason:
		return "", mistake.New("reason", "reason-long", "The reason has {N} characters; at most {Most} fit.", "N", n, "Most", MaxReason)
	}
	return reason, nil
}

// Check trims what was written and says what is wrong with it.
func (n *NewThread) Check() (err error) {
	n.Title, n.Build = clean(n.Title), clean(n.Build)
	switch chars := utf8.RuneCountInString(n.Title); {
	case !slices.Contains(Kinds(), n.Kind):
		return mistake.New("kind", "kind", "Choose what this is: a bug, an idea, a question or talk.")
	case chars == 0:
		return mistake.New("title", "title-missing", "Give it a title: what happens, and where.")
	case chars > MaxTitle:
		return mistake.New("title", "title-long", "The title has {N} characters; at most {Most} fit.", "N", chars, "Most", MaxTitle)
	case n.Kind.Tracked() && !slices.Contains(Parts(), n.Part):
		return mistake.New("part", "part-missing", "Choose the app or part of the system.")
	case n.Part != "" && !slices.Contains(Parts(), n.Part):
		return mistake.New("part", "part-unknown", "Choose the app or part of the system from the list.")
	case len(n.Devices) > MaxDevices:
		return mistake.New("device", "devices-many", "Choose at most {N} devices.", "N", MaxDevices)
	case utf8.RuneCountInString(n.Build) > 64:
		return mistake.New("build", "build-name", "The build's name is too long; it looks like 26.11.27.")
	case n.Private && n.Kind != Bug:
		return mistake.New("private", "private-bug", "Only a bug can be private.")
	case n.Private && len(n.Named) == 0:
		return mistake.New("private", "private-nobody", "There is no maintainer yet who could read a private report.")
	}
	if n.Lang, err = checkLang(n.Lang); err != nil {
		return err
	}
	n.Body, err = CheckBody(n.Body)
	return err
}

// checkLang returns a language tag in its canonical form.
func checkLang(tag string) (string, error) {
	if tag == "" {
		return "", nil
	}
	parsed, err := language.Parse(tag)
	if err != nil || len(tag) > 35 { // the longest that RFC 5646 expects
		return "", mistake.New("lang", "lang", "This is no language tag; English is en, 中文 is zh.")
	}
	return parsed.String(), nil
}

// Numbers of private threads lie apart from the dense ones, at random, so that a
// missing number does not tell that there is something to find.
const (
	privateFrom  = 1_000_000_000
	privateUntil = 2_000_000_000
)

// NextID is the number that the next thread gets, unless it is private: small and
// dense, because commits name it.
func NextID(tx *db.Tx) (id int64, err error) {
	if err := tx.QueryRow(`SELECT COALESCE(MAX(id), 0) + 1 FROM threads WHERE id < $1`, privateFrom).Scan(&id); err != nil {
		return 0, fmt.Errorf("cannot number a thread: %w", err)
	}
	return id, nil
}

// New files a thread. Its author votes for it, watches it, and has it on the
// devices named.
func New(tx *db.Tx, n NewThread) (Thread, error) {
	if err := n.Check(); err != nil {
		return Thread{}, err
	}
	id, err := NextID(tx)
	if err != nil {
		return Thread{}, err
	}
	if n.Private {
		id = privateFrom + rand.Int64N(privateUntil-privateFrom)
	}
	if _, err := tx.Exec(`INSERT INTO threads (id, kind, title, title_key, author_id, part, build, created_at, last_at, closed_at, posts, votes, hidden, private, lang)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, 0, 0, 1, FALSE, $9, $10)`,
		id, string(n.Kind), n.Title, strings.ToLower(n.Title), n.AuthorID, n.Part, n.Build, tx.Now(), n.Private, n.Lang); err != nil {
		return Thread{}, fmt.Errorf("cannot file thread: %w", err)
	}
	if n.Private {
		for _, m := range n.Named {
			if err := AddNamed(tx, id, m, n.AuthorID); err != nil {
				return Thread{}, err
			}
		}
	}
	author := Viewer{Member: n.AuthorID}
	p := Post{ID: n.FromPost, ThreadID: id, AuthorID: n.AuthorID, Body: n.Body}
	if n.FromPost == 0 {
		p, err = addPost(tx, id, n.AuthorID, n.Body)
	} else if _, err = tx.Exec(`UPDATE posts SET thread_id = $2 WHERE id = $1`, p.ID, id); err == nil {
		err = Recount(tx, id)
	}
	if err != nil {
		return Thread{}, err
	}
	if err := Record(tx, Event{ThreadID: id, Kind: EventFiled, Actor: n.AuthorID, PostID: p.ID}); err != nil {
		return Thread{}, err
	}
	if err := mention(tx, p); err != nil {
		return Thread{}, err
	}
	if _, err := tx.Exec(`INSERT INTO thread_votes (thread_id, member_id, at) VALUES ($1, $2, $3)`, id, n.AuthorID, tx.Now()); err != nil {
		return Thread{}, fmt.Errorf("cannot file thread: %w", err)
	}
	if n.Kind.Tracked() {
		devices := slices.Compact(slices.Sorted(slices.Values(n.Devices)))
		if len(devices) == 0 {
			devices = []string{AnyDevice}
		}
		for _, device := range devices {
			if _, err := Affect(tx, id, n.AuthorID, device); err != nil {
				return Thread{}, err
			}
		}
		if err := settle(tx, id); err != nil {
			return Thread{}, err
		}
	}
	return ByID(tx, author, id)
}

// Reply adds a post of the viewer's, who watches the thread from then on unless
// it is muted. It may quote posts that the viewer sees, of any thread.
func Reply(tx *db.Tx, v Viewer, threadID int64, body string, quotes ...int64) (Post, error) {
	body, err := CheckBody(body)
	if err != nil {
		return Post{}, err
	}
	t, err := v.find(tx, threadID)
	if err != nil {
		return Post{}, fmt.Errorf("cannot reply to thread %d: %w", threadID, err)
	}
	if t.Locked && !v.Moderates {
		return Post{}, mistake.New("body", "locked", "This thread is locked: nobody but moderators can write here.")
	}
	p, err := addPost(tx, t.ID, v.Member, body)
	if err != nil {
		return Post{}, err
	}
	if err := Record(tx, Event{ThreadID: t.ID, Kind: EventPosted, Actor: v.Member, PostID: p.ID}); err != nil {
		return Post{}, err
	}
	if err := mention(tx, p); err != nil {
		return Post{}, err
	}
	return p, quote(tx, v, p, quotes)
}

func addPost(tx *db.Tx, threadID, authorID int64, body string) (Post, error) {
	p := Post{ID: db.NewID(), ThreadID: threadID, AuthorID: authorID, Body: body, At: tx.Now()}
	place, err := placeAfter(tx, threadID)
	if err == nil {
		_, err = tx.Exec(`INSERT INTO posts (id, thread_id, author_id, body, at, weight, place) VALUES ($1, $2, $3, $4, $5, $6, $7)`,
			p.ID, threadID, authorID, body, p.At, Weigh(body), place)
	}
	if err == nil {
		_, err = tx.Exec(`UPDATE threads SET posts = posts + 1, last_at = $2 WHERE id = $1`, threadID, p.At)
	}
	if err == nil {
		err = relist(tx, threadID)
	}
	if err == nil {
		_, err = tx.Exec(`INSERT INTO thread_watches (thread_id, member_id, at) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING`, threadID, authorID, p.At)
	}
	if err != nil {
		return Post{}, fmt.Errorf("cannot write to thread %d: %w", threadID, err)
	}
	return p, nil
}
