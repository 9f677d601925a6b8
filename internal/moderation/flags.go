package moderation

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/fridayos/friday/internal/audit"
	"github.com/fridayos/friday/internal/db"
)

// Case is one round of review of one subject.
type Case struct {
	ID         int64
	Subject    Subject
	AuthorID   int64
	Weight     int // of its flags, in thousandths
	Flags      int
	Held       bool // kept back before anyone read it
	AutoHidden bool // by flags, until it is decided
	Signs      []Sign
	OpenedAt   time.Time
	DecidedAt  time.Time // zero: open
}

const caseColumns = `id, subject_kind, subject_id, author_id, weight, flags, held, auto_hidden, signs, opened_at, decided_at`

func scanCase(s db.Scanner) (c Case, err error) {
	var signs string
	err = s.Scan(&c.ID, &c.Subject.Kind, &c.Subject.ID, &c.AuthorID, &c.Weight, &c.Flags, &c.Held, &c.AutoHidden, &signs, &c.OpenedAt, &c.DecidedAt)
	for _, sign := range strings.FieldsFunc(signs, func(r rune) bool { return r == ',' }) {
		c.Signs = append(c.Signs, Sign(sign))
	}
	return c, err
}

// Raise adds a member's flag: one for each subject, ever. Where it is the one
// that hides the subject until review, it returns that effect.
func Raise(tx *db.Tx, about About, by Flagger, reason Reason, note string) ([]Effect, error) {
	note, err := words("note", note, reason == Other)
	if err != nil {
		return nil, err
	}
	if !slices.Contains(Reasons(), reason) {
		return nil, &Wrong{"reason", Unknown}
	}
	if by.ID == about.AuthorID || about.Kind == Member && about.ID == by.ID {
		return nil, fmt.Errorf("cannot flag %s: %w", about.Subject, ErrOwn)
	}
	if by, err = mayFlag(tx, about.Subject, by); err != nil {
		return nil, fmt.Errorf("cannot flag %s: %w", about.Subject, err)
	}
	c, err := openCase(tx, about)
	if err != nil {
		return nil, err
	}
	f := Flag{ID: db.NewID(), CaseID: c.ID, FlaggerID: by.ID, Weight: weigh(by), Known: by.Level >= 1, Origin: by.Origin}
	if _, err := tx.Exec(`INSERT INTO mod_flags (id, case_id, subject_kind, subject_id, flagger_id, reason, note, weight, known, origin, at, outcome)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, '')`, f.ID, c.ID, about.Kind, about.ID, by.ID, string(reason), note, f.Weight, f.Known, f.Origin, tx.Now()); err != nil {
		return nil, err
	}
	if _, err := tx.Exec(`UPDATE mod_cases SET flags = flags + 1, weight = weight + $2 WHERE id = $1`, c.ID, f.Weight); err != nil {
		return nil, err
	}
	if err := record(tx, Actor{ID: by.ID, Name: by.Name}, "moderation.flag", about.Subject, 0, map[string]any{"reason": reason, "case": c.ID}); err != nil {
		return nil, err
	}
	if c.AutoHidden || c.Held || about.Kind == Member {
		return nil, nil
	}
	return hideByFlags(tx, about, c.ID)
}

// mayFlag reads a flagger's record and refuses a second flag or one too many.
func mayFlag(tx *db.Tx, s Subject, by Flagger) (Flagger, error) {
	var before, today int
	err := tx.QueryRow(`SELECT COALESCE(SUM(CASE WHEN subject_kind = $2 AND subject_id = $3 THEN 1 ELSE 0 END), 0), COALESCE(SUM(CASE WHEN at > $4 THEN 1 ELSE 0 END), 0),
		COALESCE(SUM(CASE WHEN outcome = $5 THEN 1 ELSE 0 END), 0), COALESCE(SUM(CASE WHEN outcome = $6 THEN 1 ELSE 0 END), 0) FROM mod_flags WHERE flagger_id = $1`,
		by.ID, s.Kind, s.ID, tx.Now().Add(-24*time.Hour), Upheld, Dismissed).Scan(&before, &today, &by.upheld, &by.dismissed)
	most := flagsPerDay
	if by.Level < 1 {
		most = newFlagsPerDay
	}
	switch {
	case err != nil:
		return by, err
	case before > 0:
		return by, ErrTwice
	case today >= most:
		return by, ErrTooMany
	}
	return by, nil
}

// openCase finds the open case of a subject or opens one.
func openCase(tx *db.Tx, about About) (Case, error) {
	c, err := scanCase(tx.QueryRow(`SELECT `+caseColumns+` FROM mod_cases WHERE subject_kind = $1 AND subject_id = $2 AND decided_at = 0`, about.Kind, about.ID))
	if !errors.Is(err, db.ErrNoRows) {
		return c, err
	}
	c = Case{ID: db.NewID(), Subject: about.Subject, AuthorID: about.AuthorID, OpenedAt: tx.Now()}
	_, err = tx.Exec(`INSERT INTO mod_cases (`+caseColumns+`) VALUES ($1, $2, $3, $4, 0, 0, FALSE, FALSE, '', $5, 0)`,
		c.ID, about.Kind, about.ID, about.AuthorID, c.OpenedAt)
	return c, err
}

// hideByFlags hides the subject of a case if its flags are enough for that.
func hideByFlags(tx *db.Tx, about About, caseID int64) ([]Effect, error) {
	flags, err := FlagsOf(tx, caseID)
	if err != nil {
		return nil, err
	}
	h := Hidden{Of: map[int64]int{}}
	if err := tx.QueryRow(`SELECT COUNT(*), COALESCE(SUM(CASE WHEN author_id = $1 THEN 1 ELSE 0 END), 0) FROM mod_cases WHERE decided_at = 0 AND auto_hidden`,
		about.AuthorID).Scan(&h.All, &h.OfAuthor); err != nil {
		return nil, err
	}
	for _, f := range flags {
		var n int
		if err := tx.QueryRow(`SELECT COUNT(*) FROM mod_flags f, mod_cases c WHERE f.flagger_id = $1 AND c.id = f.case_id AND c.decided_at = 0 AND c.auto_hidden`,
			f.FlaggerID).Scan(&n); err != nil {
			return nil, err
		}
		h.Of[f.FlaggerID] = n
	}
	if !hides(about, flags, h) {
		return nil, nil
	}
	if _, err := tx.Exec(`UPDATE mod_cases SET auto_hidden = TRUE WHERE id = $1`, caseID); err != nil {
		return nil, err
	}
	yes := true
	return []Effect{{Subject: about.Subject, Hidden: &yes}},
		record(tx, Actor{Name: "friday"}, "moderation.hide-until-review", about.Subject, about.AuthorID, map[string]any{"flags": len(flags)})
}

// Hold puts something that Judge found to look like spam before the moderators.
// The effect hides it until one has looked.
func Hold(tx *db.Tx, about About, signs []Sign) ([]Effect, error) {
	c, err := openCase(tx, about)
	if err != nil {
		return nil, err
	}
	var all []string
	for _, s := range signs {
		all = append(all, string(s))
	}
	if _, err := tx.Exec(`UPDATE mod_cases SET held = TRUE, signs = $2 WHERE id = $1`, c.ID, strings.Join(all, ",")); err != nil {
		return nil, err
	}
	yes := true
	return []Effect{{Subject: about.Subject, Hidden: &yes}},
		record(tx, Actor{Name: "friday"}, "moderation.hold", about.Subject, about.AuthorID, map[string]any{"signs": all})
}

// FlagsOf lists the flags of a case, oldest first.
func FlagsOf(tx *db.Tx, caseID int64) ([]Flag, error) {
	return db.All(tx, func(s db.Scanner) (f Flag, err error) {
		return f, s.Scan(&f.ID, &f.CaseID, &f.FlaggerID, (*string)(&f.Reason), &f.Note, &f.Weight, &f.Known, &f.Origin, &f.At, &f.Outcome)
	}, `SELECT id, case_id, flagger_id, reason, note, weight, known, origin, at, outcome FROM mod_flags WHERE case_id = $1 ORDER BY id`, caseID)
}

// Flagged says whether a member has flagged a subject.
func Flagged(tx *db.Tx, s Subject, memberID int64) (bool, error) {
	var n int
	err := tx.QueryRow(`SELECT COUNT(*) FROM mod_flags WHERE subject_kind = $1 AND subject_id = $2 AND flagger_id = $3`, s.Kind, s.ID, memberID).Scan(&n)
	return n > 0, err
}

// Queue lists open cases: what is hidden or held first, since its author waits,
// then by weight; at most limit (50 unless given).
func Queue(tx *db.Tx, limit int) ([]Case, error) {
	if limit <= 0 {
		limit = 50
	}
	return db.All(tx, scanCase, `SELECT `+caseColumns+` FROM mod_cases WHERE decided_at = 0
		ORDER BY CASE WHEN held OR auto_hidden THEN 0 ELSE 1 END, weight DESC, id LIMIT $1`, min(limit, 500))
}

// Waiting counts open cases and unanswered appeals.
func Waiting(tx *db.Tx) (cases, appeals int, err error) {
	err = tx.QueryRow(`SELECT (SELECT COUNT(*) FROM mod_cases WHERE decided_at = 0), (SELECT COUNT(*) FROM mod_appeals WHERE answered_at = 0)`).Scan(&cases, &appeals)
	return cases, appeals, err
}

// record writes the audit log; about is who may read it.
func record(tx *db.Tx, by Actor, action string, s Subject, about int64, detail map[string]any) error {
	text, err := json.Marshal(detail)
	if err != nil {
		return err
	}
	return audit.Record(tx, audit.Event{ActorID: by.ID, Actor: by.Name, Action: action, Subject: s.String(), AboutID: about, Detail: string(text)})
}

// OpenCase reads the case of a subject that waits for a decision.
func OpenCase(tx *db.Tx, s Subject) (Case, error) {
	c, err := scanCase(tx.QueryRow(`SELECT `+caseColumns+` FROM mod_cases WHERE subject_kind = $1 AND subject_id = $2 AND decided_at = 0`, s.Kind, s.ID))
	if errors.Is(err, db.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return Case{}, fmt.Errorf("cannot read the case of %s: %w", s, err)
	}
	return c, nil
}

// WaitingOf lists what of a member's is out of sight until a moderator has looked.
func WaitingOf(tx *db.Tx, memberID int64) ([]Case, error) {
	return db.All(tx, scanCase, `SELECT `+caseColumns+` FROM mod_cases WHERE author_id = $1 AND decided_at = 0 AND (held OR auto_hidden) ORDER BY id DESC LIMIT 100`, memberID)
}
