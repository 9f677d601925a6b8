// Package poll is questions with given answers in a thread: one choice or many, an
// end, and a count that those see who voted, and everyone once it is over. The
// weekly four-square report is three polls about a release in one thread: what was
// liked most, what was not good enough, what is most awaited. A poll decides
// nothing by itself.
package poll

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/mistake"
)

// Bounds of a poll.
const (
	MaxQuestion = 200 // characters
	MaxWords    = 120 // characters of a choice
	MaxChoices  = 20
	MaxPolls    = 4 // in one thread
	MaxLength   = 366 * 24 * time.Hour
)

// NewPoll is a poll that is put to a thread.
type NewPoll struct {
	ThreadID int64
	Question string
	Choices  []string  // 2 to MaxChoices, no two the same; empty ones are left out
	Many     bool      // several choices may be taken
	Release  string    // that it asks about; empty: none
	EndsAt   time.Time // zero: until it is closed
}

// Poll is one poll as a viewer sees it.
type Poll struct {
	ID, ThreadID, AuthorID int64
	Question, Release      string
	Many                   bool
	At, EndsAt, ClosedAt   time.Time
	Open                   bool // votes are taken
	Counted                bool // the counts are shown: the viewer voted, or it is over
	Voters                 int  // 0 unless Counted
	Choices                []Choice
}

// Choice is one answer.
type Choice struct {
	Words string
	Votes int  // 0 unless the poll is Counted
	Mine  bool // the viewer took it
}

// check returns what was typed as it is kept.
func (n NewPoll) check(now time.Time) (NewPoll, error) {
	n.Question, n.Release = line(n.Question), line(n.Release)
	var choices []string
	for _, c := range n.Choices {
		if c = line(c); c != "" {
			choices = append(choices, c)
		}
	}
	n.Choices = choices
	distinct := slices.Clone(choices)
	for i := range distinct {
		distinct[i] = strings.ToLower(distinct[i])
	}
	slices.Sort(distinct)
	switch {
	case n.Question == "":
		return n, mistake.New("question", "question-missing", "Ask something.")
	case utf8.RuneCountInString(n.Question) > MaxQuestion:
		return n, mistake.New("question", "question-long", "The question has more than {N} characters.", "N", MaxQuestion)
	case len(choices) < 2 || len(choices) > MaxChoices:
		return n, mistake.New("choice", "choices", "Give 2 to {N} choices, one a line.", "N", MaxChoices)
	case len(slices.Compact(distinct)) != len(choices):
		return n, mistake.New("choice", "choices-same", "Two of the choices are the same.")
	case slices.ContainsFunc(choices, func(c string) bool { return utf8.RuneCountInString(c) > MaxWords }):
		return n, mistake.New("choice", "choice-long", "A choice has more than {N} characters.", "N", MaxWords)
	case utf8.RuneCountInString(n.Release) > 64:
		return n, mistake.New("release", "release-name", "The release's name is too long; it looks like 26.11.27.")
	case !n.EndsAt.IsZero() && (!n.EndsAt.After(now) || n.EndsAt.Sub(now) > MaxLength):
		return n, mistake.New("ends", "ends", "It ends in the future, within a year.")
	}
	return n, nil
}

// line makes one line of what was typed: a list of choices comes one a line.
func line(s string) string {
	return strings.Join(strings.FieldsFunc(strings.ToValidUTF8(s, "\uFFFD"), func(r rune) bool { return unicode.IsSpace(r) || unicode.IsControl(r) }), " ")
}

// New puts a poll to a thread that the viewer wrote or moderates.
func New(tx *db.Tx, v feedback.Viewer, n NewPoll) (id int64, err error) {
	if n, err = n.check(tx.Now()); err != nil {
		return 0, err
	}
	t, err := feedback.ByID(tx, v, n.ThreadID)
	if err != nil {
		return 0, err
	}
	if v.Member == 0 || t.AuthorID != v.Member && !v.Moderates {
		return 0, mistake.New("question", "poll-author", "Whoever began the thread puts polls to it, or a moderator.")
	}
	if t.Locked && !v.Moderates {
		return 0, mistake.New("question", "poll-locked", "This thread is locked.")
	}
	var polls int
	if err := tx.QueryRow(`SELECT COUNT(*) FROM polls WHERE thread_id = $1`, t.ID).Scan(&polls); err != nil {
		return 0, fmt.Errorf("cannot put a poll to thread %d: %w", t.ID, err)
	}
	if polls >= MaxPolls {
		return 0, mistake.New("question", "polls-many", "A thread has {N} polls at most.", "N", MaxPolls)
	}
	id = db.NewID()
	if _, err := tx.Exec(`INSERT INTO polls (id, thread_id, author_id, question, many, release, at, ends_at, closed_at) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0)`,
		id, t.ID, v.Member, n.Question, n.Many, n.Release, tx.Now(), n.EndsAt); err != nil {
		return 0, fmt.Errorf("cannot put a poll to thread %d: %w", t.ID, err)
	}
	for i, words := range n.Choices {
		if _, err := tx.Exec(`INSERT INTO poll_choices (poll_id, place, words) VALUES ($1, $2, $3)`, id, i, words); err != nil {
			return 0, fmt.Errorf("cannot put a poll to thread %d: %w", t.ID, err)
		}
	}
	return id, feedback.Record(tx, feedback.Event{ThreadID: t.ID, Kind: feedback.EventPolled, Actor: v.Member})
}

// Vote sets what the viewer chooses, by the places of the choices from 0; none
// takes the vote back. It replaces an earlier vote until the poll is over.
func Vote(tx *db.Tx, v feedback.Viewer, id int64, places ...int) error {
	p, err := ByID(tx, v, id)
	if err != nil {
		return err
	}
	places = slices.Compact(slices.Sorted(slices.Values(places)))
	switch {
	case !p.Open:
		return mistake.New("choice", "poll-over", "This poll is over.")
	case v.Member == 0:
		return mistake.New("choice", "poll-sign-in", "Sign in to vote.")
	case len(places) > 1 && !p.Many:
		return mistake.New("choice", "choice-missing", "Choose one.")
	case len(places) > 0 && (places[0] < 0 || places[len(places)-1] >= len(p.Choices)):
		return mistake.New("choice", "choice-unknown", "There is no such choice.")
	}
	if _, err := tx.Exec(`DELETE FROM poll_votes WHERE poll_id = $1 AND member_id = $2`, id, v.Member); err != nil {
		return fmt.Errorf("cannot vote in poll %d: %w", id, err)
	}
	for _, place := range places {
		if _, err := tx.Exec(`INSERT INTO poll_votes (poll_id, member_id, place, at) VALUES ($1, $2, $3, $4)`, id, v.Member, place, tx.Now()); err != nil {
			return fmt.Errorf("cannot vote in poll %d: %w", id, err)
		}
	}
	return nil
}

// Close ends a poll now; whoever put it may, or a moderator.
func Close(tx *db.Tx, v feedback.Viewer, id int64) error {
	p, err := ByID(tx, v, id)
	if err != nil {
		return err
	}
	if v.Member == 0 || p.AuthorID != v.Member && !v.Moderates {
		return mistake.New("question", "poll-owner", "Whoever put the poll closes it, or a moderator.")
	}
	if _, err := tx.Exec(`UPDATE polls SET closed_at = $2 WHERE id = $1 AND closed_at = 0`, id, tx.Now()); err != nil {
		return fmt.Errorf("cannot close poll %d: %w", id, err)
	}
	return nil
}

// ByID reads a poll of a thread that the viewer sees.
func ByID(tx *db.Tx, v feedback.Viewer, id int64) (Poll, error) {
	all, err := read(tx, v, `p.id = $1`, id)
	if err == nil && len(all) > 0 {
		_, err = v.Sees(tx, all[0].ThreadID)
	}
	if err == nil && len(all) == 0 {
		err = feedback.ErrNotFound
	}
	if err != nil {
		return Poll{}, fmt.Errorf("cannot read poll %d: %w", id, err)
	}
	return all[0], nil
}

// Of reads a thread's polls, oldest first.
func Of(tx *db.Tx, v feedback.Viewer, threadID int64) ([]Poll, error) {
	threadID, err := v.Sees(tx, threadID)
	var all []Poll
	if err == nil {
		all, err = read(tx, v, `p.thread_id = $1`, threadID)
	}
	if err != nil {
		return nil, fmt.Errorf("cannot read the polls of thread %d: %w", threadID, err)
	}
	return all, nil
}

// About reads the polls about a release in threads that the viewer sees, oldest
// first.
func About(tx *db.Tx, v feedback.Viewer, release string) ([]Poll, error) {
	all, err := read(tx, v, `p.release = $1`, release)
	if err != nil {
		return nil, fmt.Errorf("cannot read the polls about %s: %w", release, err)
	}
	seen := all[:0]
	for _, p := range all {
		_, err := v.Sees(tx, p.ThreadID)
		if errors.Is(err, feedback.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		seen = append(seen, p)
	}
	return seen, nil
}

// read does not ask whether the viewer sees the threads.
func read(tx *db.Tx, v feedback.Viewer, where string, arg any) ([]Poll, error) {
	all, err := db.All(tx, func(s db.Scanner) (p Poll, err error) {
		err = s.Scan(&p.ID, &p.ThreadID, &p.AuthorID, &p.Question, &p.Many, &p.Release, &p.At, &p.EndsAt, &p.ClosedAt)
		return p, err
	}, `SELECT p.id, p.thread_id, p.author_id, p.question, p.many, p.release, p.at, p.ends_at, p.closed_at FROM polls p WHERE `+where+` ORDER BY p.at, p.id LIMIT 100`, arg)
	if err != nil {
		return nil, err
	}
	for i := range all {
		p := &all[i]
		p.Open = p.ClosedAt.IsZero() && (p.EndsAt.IsZero() || tx.Now().Before(p.EndsAt))
		if p.Choices, err = db.All(tx, func(s db.Scanner) (c Choice, err error) {
			var mine int
			err = s.Scan(&c.Words, &c.Votes, &mine)
			c.Mine = mine > 0
			return c, err
		}, `SELECT c.words, (SELECT COUNT(*) FROM poll_votes o WHERE o.poll_id = c.poll_id AND o.place = c.place),
			(SELECT COUNT(*) FROM poll_votes o WHERE o.poll_id = c.poll_id AND o.place = c.place AND o.member_id = $2)
			FROM poll_choices c WHERE c.poll_id = $1 ORDER BY c.place`, p.ID, v.Member); err != nil {
			return nil, err
		}
		p.Counted = !p.Open || slices.ContainsFunc(p.Choices, func(c Choice) bool { return c.Mine })
		if !p.Counted {
			for j := range p.Choices {
				p.Choices[j].Votes = 0
			}
			continue
		}
		if err := tx.QueryRow(`SELECT COUNT(DISTINCT member_id) FROM poll_votes WHERE poll_id = $1`, p.ID).Scan(&p.Voters); err != nil {
			return nil, err
		}
	}
	return all, nil
}
