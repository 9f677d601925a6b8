// Package moderation keeps order in the forum: members flag, moderators decide
// with a reason, whoever it concerns reads why and may appeal once, to another
// moderator. Nothing is decided by a script: what a script does (many known
// members flagged it, a first post looks like spam) is to hide something until a
// human has looked, and that within bounds. Nothing is for good: a suspension has
// an end, a decision can be lifted.
//
// It knows members by their numbers and what it judges as plain references, and
// so neither threads nor files: whoever calls it applies the Effects it returns,
// in the same transaction. Who is a moderator is the caller's to know. Every
// action goes into the audit log, and about whom it was they may read there.
package moderation

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// Kinds of subject.
const (
	Post   = "post"
	Thread = "thread"
	Member = "member"
	Upload = "upload"
)

// Subject is what is judged: {"post", 41}.
type Subject struct {
	Kind string
	ID   int64
}

// String is "post 41": as the audit log has it.
func (s Subject) String() string { return fmt.Sprintf("%s %d", s.Kind, s.ID) }

// About is a subject and whose it is.
type About struct {
	Subject
	AuthorID int64
	Staff    bool // the author is a moderator, maintainer or administrator
}

// Actor is a moderator who acts.
type Actor struct {
	ID    int64
	Name  string
	Admin bool
}

// Reason is why something is flagged.
type Reason string

// Reasons.
const (
	Spam    Reason = "spam"
	Abuse   Reason = "abuse"   // of people
	Private Reason = "private" // shows someone's private data
	Illegal Reason = "illegal"
	Harm    Reason = "harm" // breaks phones or loses data
	Other   Reason = "something"
)

// Reasons lists all reasons in the order in which pages show them.
func Reasons() []Reason { return []Reason{Spam, Abuse, Private, Harm, Illegal, Other} }

// Action is what is done to the subject.
type Action string

// Actions. Lock is for threads, Takedown names a law.
const (
	Keep     Action = "keep"
	Hide     Action = "hide"
	Lock     Action = "lock"
	Takedown Action = "takedown"
)

// Actions lists all actions in the order in which pages show them.
func Actions() []Action { return []Action{Keep, Hide, Lock, Takedown} }

// Measure is what is done towards its author.
type Measure string

// Measures.
const (
	Nothing Measure = ""
	Warn    Measure = "warn"
	Suspend Measure = "suspend"
)

// Measures lists all measures in the order in which pages show them.
func Measures() []Measure { return []Measure{Nothing, Warn, Suspend} }

// Suspensions last from an hour to a year: there is none without an end.
const (
	MinSuspension = time.Hour
	MaxSuspension = 366 * 24 * time.Hour
)

// MaxWords is how long a reason, note, appeal or answer may be, in characters.
const MaxWords = 2000

// Effect is what a decision does to its subject: hide or show, lock or unlock it.
type Effect struct {
	Subject
	Hidden *bool // nil: as it is
	Locked *bool
}

// Wrong is a mistake in what someone asked for. Why is one of the words of the
// constants below; Field names the form's field.
type Wrong struct{ Field, Why string }

func (e *Wrong) Error() string { return "cannot moderate: " + e.Field + " is " + e.Why }

// What may be wrong with a field.
const (
	Missing  = "missing"
	TooLong  = "too-long"
	Unknown  = "unknown"
	TooShort = "too-short" // a suspension
	Unfit    = "unfit"     // an action that this subject cannot have
)

// What cannot be done, wrapped.
var (
	ErrNotFound = errors.New("there is no such case or decision")
	ErrTwice    = errors.New("that was done already")       // a second flag or appeal
	ErrOwn      = errors.New("nobody judges their own")     // flags, decisions, answers to appeals
	ErrStaff    = errors.New("that takes an administrator") // a measure against a moderator
	ErrDecided  = errors.New("someone decided it already")
	ErrTooMany  = errors.New("too many flags for a day")
)

// words cleans what a human wrote and bounds it.
func words(field, text string, needed bool) (string, error) {
	text = strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case unicode.IsControl(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(text, "\uFFFD"))
	text = strings.TrimSpace(text)
	switch n := utf8.RuneCountInString(text); {
	case n == 0 && needed:
		return "", &Wrong{field, Missing}
	case n > MaxWords:
		return "", &Wrong{field, TooLong}
	}
	return text, nil
}

// Origin is where a flag comes from, so that two from one place count once: it
// tells nobody an address, not even beside another site's, and is another each
// month.
func Origin(site, address string, now time.Time) string {
	mac := hmac.New(sha256.New, []byte("friday flag of "+site+" "+now.UTC().Format("2006-01")))
	mac.Write([]byte(address))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:9])
}
