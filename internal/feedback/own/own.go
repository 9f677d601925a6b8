// Package own is what the forum knows of one member: it gives all of it to them,
// and takes their name from it when they leave. Posts and threads stay readable;
// they become a former member's. Votes, watches, answers to polls and what the
// member's handsets run go.
package own

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
)

// Record is all that the forum keeps of a member, ready to be written as JSON.
type Record struct {
	Threads    []Thread     `json:"threads"`
	Posts      []Post       `json:"posts"`
	Edits      []Post       `json:"edits"`      // what posts said before the member edited them
	Votes      []Mark       `json:"votes"`      // for threads
	Watches    []Mark       `json:"watches"`    //
	Muted      []Mark       `json:"muted"`      //
	Affected   []Mark       `json:"affected"`   // "I have it too", with the device
	Mentions   []Mark       `json:"mentions"`   // posts that mention the member
	Duplicates []Mark       `json:"duplicates"` // that the member pointed to
	Answers    []Answer     `json:"answers"`    // to "does it work now?"
	Handsets   []Handset    `json:"handsets"`   // what the member's handsets run
	Polls      []PollAnswer `json:"polls"`
	Words      []Word       `json:"words"`     // objections, and a maintainer's words
	Elsewhere  []Elsewhere  `json:"elsewhere"` // whose imported posts are the member's
}

// Elsewhere is a name of the member's at another service.
type Elsewhere struct {
	Service string `json:"service"`
	Place   string `json:"place,omitempty"`
	Name    string `json:"name"`
}

// Thread is one that the member filed.
type Thread struct {
	ID      int64     `json:"id"`
	Kind    string    `json:"kind"`
	Title   string    `json:"title"`
	Part    string    `json:"part,omitempty"`
	Build   string    `json:"build,omitempty"`
	Private bool      `json:"private,omitempty"`
	At      time.Time `json:"at"`
}

// Post is what the member wrote.
type Post struct {
	ID     int64     `json:"id"`
	Thread int64     `json:"thread"`
	Body   string    `json:"body"`
	At     time.Time `json:"at"`
}

// Mark is one bond to a thread.
type Mark struct {
	Thread int64     `json:"thread"`
	Device string    `json:"device,omitempty"`
	At     time.Time `json:"at"`
}

// Answer is one question that the member was asked about a fix.
type Answer struct {
	Thread  int64     `json:"thread"`
	Device  string    `json:"device"`
	Release string    `json:"release"`
	Build   string    `json:"build"`
	Verdict string    `json:"verdict,omitempty"`
	Asked   time.Time `json:"asked"`
}

// Handset is what one of the member's handsets last ran.
type Handset struct {
	Device  string    `json:"device"`
	Version string    `json:"version"`
	Said    bool      `json:"said"` // by the member; else by the handset
	At      time.Time `json:"at"`
}

// PollAnswer is a choice that the member took.
type PollAnswer struct {
	Question string    `json:"question"`
	Choice   string    `json:"choice"`
	At       time.Time `json:"at"`
}

// Word is what the member said of where a thread stands.
type Word struct {
	Thread int64     `json:"thread"`
	Device string    `json:"device,omitempty"`
	What   string    `json:"what"`
	State  string    `json:"state,omitempty"`
	Reason string    `json:"reason,omitempty"`
	At     time.Time `json:"at"`
}

// Export reads everything that the forum keeps of a member.
func Export(tx *db.Tx, memberID int64) (r Record, err error) {
	fill := []func() error{
		func() error {
			return all(tx, &r.Threads, func(s db.Scanner, t *Thread) error {
				return s.Scan(&t.ID, &t.Kind, &t.Title, &t.Part, &t.Build, &t.Private, &t.At)
			}, `SELECT id, kind, title, part, build, private, created_at FROM threads WHERE author_id = $1 ORDER BY created_at, id`, memberID)
		},
		func() error {
			return all(tx, &r.Posts, scanPost, `SELECT id, thread_id, body, at FROM posts WHERE author_id = $1 ORDER BY at, id`, memberID)
		},
		func() error {
			return all(tx, &r.Edits, scanPost, `SELECT e.post_id, p.thread_id, e.body, e.at FROM post_edits e JOIN posts p ON p.id = e.post_id
				WHERE p.author_id = $1 ORDER BY e.id`, memberID)
		},
		func() error {
			return all(tx, &r.Votes, scanMark, `SELECT thread_id, '', at FROM thread_votes WHERE member_id = $1 ORDER BY at, thread_id`, memberID)
		},
		func() error {
			return all(tx, &r.Watches, scanMark, `SELECT thread_id, '', at FROM thread_watches WHERE member_id = $1 AND NOT muted ORDER BY at, thread_id`, memberID)
		},
		func() error {
			return all(tx, &r.Muted, scanMark, `SELECT thread_id, '', at FROM thread_watches WHERE member_id = $1 AND muted ORDER BY at, thread_id`, memberID)
		},
		func() error {
			return all(tx, &r.Affected, scanMark, `SELECT thread_id, device, at FROM thread_affected WHERE member_id = $1 ORDER BY at, thread_id, device`, memberID)
		},
		func() error {
			return all(tx, &r.Mentions, scanMark, `SELECT p.thread_id, '', p.at FROM post_mentions m JOIN posts p ON p.id = m.post_id WHERE m.member_id = $1 ORDER BY p.at, p.id`, memberID)
		},
		func() error {
			return all(tx, &r.Duplicates, scanMark, `SELECT thread_id, '', at FROM thread_hints WHERE member_id = $1 ORDER BY at, thread_id`, memberID)
		},
		func() error {
			return all(tx, &r.Answers, func(s db.Scanner, a *Answer) error {
				return s.Scan(&a.Thread, &a.Device, &a.Release, &a.Build, &a.Verdict, &a.Asked)
			}, `SELECT thread_id, device, release, build, verdict, opened_at FROM asks WHERE member_id = $1 ORDER BY opened_at, thread_id`, memberID)
		},
		func() error {
			return all(tx, &r.Handsets, func(s db.Scanner, h *Handset) error { return s.Scan(&h.Device, &h.Version, &h.Said, &h.At) },
				`SELECT device, version, said, at FROM member_builds WHERE member_id = $1 ORDER BY device`, memberID)
		},
		func() error {
			return all(tx, &r.Polls, func(s db.Scanner, p *PollAnswer) error { return s.Scan(&p.Question, &p.Choice, &p.At) },
				`SELECT p.question, c.words, v.at FROM poll_votes v JOIN polls p ON p.id = v.poll_id JOIN poll_choices c ON c.poll_id = v.poll_id AND c.place = v.place
				WHERE v.member_id = $1 ORDER BY v.at, c.place`, memberID)
		},
		func() error {
			return all(tx, &r.Words, func(s db.Scanner, w *Word) error {
				return s.Scan(&w.Thread, &w.Device, &w.What, &w.State, &w.Reason, &w.At)
			},
				`SELECT thread_id, device, kind, state, reason, at FROM thread_facts WHERE actor_id = $1 AND kind IN ('marked', 'objected') ORDER BY at, id`, memberID)
		},
		func() error {
			return all(tx, &r.Elsewhere, func(s db.Scanner, e *Elsewhere) error { return s.Scan(&e.Service, &e.Place, &e.Name) },
				`SELECT service, place, name FROM elsewhere_authors WHERE member_id = $1 ORDER BY service, place, name_key`, memberID)
		},
	}
	for _, f := range fill {
		if err := f(); err != nil {
			return Record{}, fmt.Errorf("cannot export what the forum keeps of member %d: %w", memberID, err)
		}
	}
	return r, nil
}

func scanPost(s db.Scanner, p *Post) error { return s.Scan(&p.ID, &p.Thread, &p.Body, &p.At) }
func scanMark(s db.Scanner, m *Mark) error { return s.Scan(&m.Thread, &m.Device, &m.At) }

// all reads rows into a list that is empty, not null, when there are none.
func all[T any](tx *db.Tx, into *[]T, scan func(db.Scanner, *T) error, query string, memberID int64) error {
	rows, err := db.All(tx, func(s db.Scanner) (row T, err error) { return row, scan(s, &row) }, query, memberID)
	*into = append([]T{}, rows...)
	return err
}

// renamed are the columns where a member's number becomes FormerMember.
var renamed = []string{"threads.author_id", "posts.author_id", "post_edits.editor_id", "thread_facts.actor_id", "thread_events.actor_id",
	"thread_merges.actor_id", "thread_named.by_id", "polls.author_id", "elsewhere_authors.member_id"}

// removed are tables whose rows of a member go.
var removed = []string{"thread_votes", "thread_affected", "thread_watches", "thread_named", "thread_hints", "post_mentions", "poll_votes", "member_builds", "asks"}

// Erase takes a member out of the forum: what they wrote stays as a former
// member's, everything else of theirs goes and the counts with it. Doing it twice
// changes nothing.
func Erase(tx *db.Tx, memberID int64) error {
	if memberID <= 0 {
		return fmt.Errorf("cannot take member %d out of the forum: there is no such number", memberID)
	}
	fail := func(err error) error {
		return fmt.Errorf("cannot take member %d out of the forum: %w", memberID, err)
	}
	counted, err := db.All(tx, func(s db.Scanner) (id int64, err error) { return id, s.Scan(&id) },
		`SELECT thread_id FROM thread_votes WHERE member_id = $1 UNION SELECT thread_id FROM thread_affected WHERE member_id = $1`, memberID)
	if err != nil {
		return fail(err)
	}
	slices.Sort(counted)
	for _, table := range removed {
		if _, err := tx.Exec(`DELETE FROM `+table+` WHERE member_id = $1`, memberID); err != nil {
			return fail(err)
		}
	}
	for _, where := range renamed {
		table, column, _ := strings.Cut(where, ".")
		if _, err := tx.Exec(`UPDATE `+table+` SET `+column+` = $2 WHERE `+column+` = $1`, memberID, feedback.FormerMember); err != nil {
			return fail(err)
		}
	}
	if err := eraseRows(tx, memberID); err != nil {
		return fail(err)
	}
	for _, id := range counted {
		if err := feedback.Recount(tx, id); err != nil {
			return err
		}
	}
	return nil
}

// eraseRows takes the member out of what merges brought, and out of events that
// tell of them.
func eraseRows(tx *db.Tx, memberID int64) error {
	if _, err := tx.Exec(`DELETE FROM thread_merge_rows WHERE row_id = $1 AND what IN ('vote', 'watch', 'named', 'affected', 'ask')`, memberID); err != nil {
		return err
	}
	_, err := tx.Exec(`UPDATE thread_events SET data = REPLACE(REPLACE(data, $1, $3), $2, $4) WHERE data LIKE $5`,
		fmt.Sprintf(`"member":%d,`, memberID), fmt.Sprintf(`"member":%d}`, memberID),
		fmt.Sprintf(`"member":%d,`, feedback.FormerMember), fmt.Sprintf(`"member":%d}`, feedback.FormerMember), fmt.Sprintf(`%%"member":%d%%`, memberID))
	return err
}
