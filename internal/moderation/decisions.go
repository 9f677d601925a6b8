package moderation

import (
	"errors"
	"fmt"
	"time"

	"github.com/fridayos/friday/internal/audit"
	"github.com/fridayos/friday/internal/db"
)

// Decision is a ruling that was made.
type Decision struct {
	ID       int64
	CaseID   int64 // 0: without one
	Subject  Subject
	AuthorID int64
	ActorID  int64
	Ruling
	At        time.Time
	LiftedAt  time.Time // zero: it stands
	LiftedBy  int64
	LiftedWhy string
	Appeal    *Appeal // nil: none
}

// Appealable says whether its author may appeal it now.
func (d Decision) Appealable() bool { return d.upholds() && d.Appeal == nil && d.LiftedAt.IsZero() }

// Appeal is an author's word against a decision.
type Appeal struct {
	MemberID   int64
	Words      string
	At         time.Time
	AnsweredAt time.Time // zero: not yet
	AnsweredBy int64
	Granted    bool
	Answer     string
}

// Decide makes a ruling about a subject and closes its case, if one is open. A
// caller that shows a case gives its id (0: there was none) so that two
// moderators do not decide the same: ErrDecided. Apply the effects in the same
// transaction.
func Decide(tx *db.Tx, about About, by Actor, caseID int64, r Ruling) (Decision, []Effect, error) {
	fail := func(err error) (Decision, []Effect, error) {
		return Decision{}, nil, fmt.Errorf("cannot decide about %s: %w", about.Subject, err)
	}
	r, err := r.check(about, by, tx.Now())
	if err != nil {
		return fail(err)
	}
	c, err := scanCase(tx.QueryRow(`SELECT `+caseColumns+` FROM mod_cases WHERE subject_kind = $1 AND subject_id = $2 AND decided_at = 0`, about.Kind, about.ID))
	switch {
	case errors.Is(err, db.ErrNoRows) && caseID != 0, err == nil && caseID != 0 && c.ID != caseID:
		return fail(ErrDecided)
	case err != nil && !errors.Is(err, db.ErrNoRows):
		return fail(err)
	}
	d := Decision{ID: db.NewID(), CaseID: c.ID, Subject: about.Subject, AuthorID: about.AuthorID, ActorID: by.ID, Ruling: r, At: tx.Now()}
	if _, err := tx.Exec(`INSERT INTO mod_decisions (`+decisionColumns+`) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, 0, 0, '')`,
		d.ID, d.CaseID, about.Kind, about.ID, d.AuthorID, d.ActorID, string(r.Action), string(r.Measure), r.Reason, r.Law, r.Until, d.At); err != nil {
		return fail(err)
	}
	if err := closeCase(tx, c.ID, r); err != nil {
		return fail(err)
	}
	detail := map[string]any{"decision": d.ID, "reason": r.Reason}
	if r.Law != "" {
		detail["law"] = r.Law
	}
	if err := record(tx, by, "moderation."+string(r.Action), about.Subject, about.AuthorID, detail); err != nil {
		return fail(err)
	}
	if r.Measure != Nothing {
		if !r.Until.IsZero() {
			detail["until"] = r.Until
		}
		if err := record(tx, by, "moderation."+string(r.Measure), Subject{Member, about.AuthorID}, about.AuthorID, detail); err != nil {
			return fail(err)
		}
	}
	return d, r.effects(about.Subject, c.Held || c.AutoHidden), nil
}

func closeCase(tx *db.Tx, id int64, r Ruling) error {
	if id == 0 {
		return nil
	}
	outcome := Dismissed
	if r.upholds() {
		outcome = Upheld
	}
	if _, err := tx.Exec(`UPDATE mod_cases SET decided_at = $2 WHERE id = $1`, id, tx.Now()); err != nil {
		return err
	}
	_, err := tx.Exec(`UPDATE mod_flags SET outcome = $2, origin = '' WHERE case_id = $1`, id, outcome)
	return err
}

// Lift takes a decision back, with a reason. Apply the effects in the same transaction.
func Lift(tx *db.Tx, by Actor, decisionID int64, why string) ([]Effect, error) {
	why, err := words("reason", why, true)
	if err != nil {
		return nil, err
	}
	d, err := ByID(tx, decisionID)
	switch {
	case err != nil:
		return nil, err
	case d.AuthorID == by.ID:
		return nil, fmt.Errorf("cannot lift decision %d: %w", decisionID, ErrOwn)
	case !d.LiftedAt.IsZero():
		return nil, fmt.Errorf("cannot lift decision %d: %w", decisionID, ErrTwice)
	}
	return lift(tx, by, d, why)
}

func lift(tx *db.Tx, by Actor, d Decision, why string) ([]Effect, error) {
	if _, err := tx.Exec(`UPDATE mod_decisions SET lifted_at = $2, lifted_by = $3, lifted_why = $4 WHERE id = $1`, d.ID, tx.Now(), by.ID, why); err != nil {
		return nil, err
	}
	if err := record(tx, by, "moderation.lift", d.Subject, d.AuthorID, map[string]any{"decision": d.ID, "reason": why}); err != nil {
		return nil, err
	}
	// Another decision may hide or lock the same still.
	var others int
	if err := tx.QueryRow(`SELECT COUNT(*) FROM mod_decisions WHERE subject_kind = $1 AND subject_id = $2 AND id <> $3 AND lifted_at = 0
		AND (action = $4 OR $4 <> $5 AND action IN ($6, $7))`, d.Subject.Kind, d.Subject.ID, d.ID, string(d.Action), string(Lock), string(Hide), string(Takedown)).Scan(&others); err != nil {
		return nil, err
	}
	if others > 0 {
		return nil, nil
	}
	return d.undo(d.Subject), nil
}

// Show takes back, with a reason, whatever keeps a subject out of sight: decisions
// that stand, and what flags or a hold did until a moderator looked. ErrTwice:
// nothing does. Apply the effects in the same transaction.
func Show(tx *db.Tx, about About, by Actor, why string) (effects []Effect, err error) {
	past, err := Decided(tx, about.Subject)
	if err != nil {
		return nil, err
	}
	did := false
	for _, d := range past {
		if !d.LiftedAt.IsZero() || d.Action != Hide && d.Action != Takedown {
			continue
		}
		more, err := Lift(tx, by, d.ID, why)
		if err != nil {
			return nil, err
		}
		effects, did = append(effects, more...), true
	}
	c, err := OpenCase(tx, about.Subject)
	switch {
	case err == nil && (c.Held || c.AutoHidden):
		_, more, err := Decide(tx, about, by, c.ID, Ruling{Action: Keep, Reason: why})
		return append(effects, more...), err
	case err != nil && !errors.Is(err, ErrNotFound):
		return nil, err
	case !did:
		return nil, fmt.Errorf("cannot show %s: %w", about.Subject, ErrTwice)
	}
	return effects, nil
}

// File files the one appeal that an author has against a decision.
func File(tx *db.Tx, by Actor, decisionID int64, text string) error {
	text, err := words("words", text, true)
	if err != nil {
		return err
	}
	d, err := ByID(tx, decisionID)
	switch {
	case err == nil && (d.AuthorID != by.ID || !d.upholds()):
		err = ErrNotFound // another's decision is not there for them
	case err == nil && !d.Appealable():
		err = ErrTwice
	}
	if err != nil {
		return fmt.Errorf("cannot appeal decision %d: %w", decisionID, err)
	}
	if _, err := tx.Exec(`INSERT INTO mod_appeals (decision_id, member_id, words, at, answered_at, answered_by, granted, answer) VALUES ($1, $2, $3, $4, 0, 0, FALSE, '')`,
		decisionID, by.ID, text, tx.Now()); err != nil {
		return err
	}
	return record(tx, by, "moderation.appeal", d.Subject, by.ID, map[string]any{"decision": d.ID})
}

// Answer answers an appeal: never who decided, never whom it concerns. Granting
// it lifts the decision; apply the effects in the same transaction.
func Answer(tx *db.Tx, by Actor, decisionID int64, granted bool, text string) ([]Effect, error) {
	text, err := words("answer", text, true)
	if err != nil {
		return nil, err
	}
	d, err := ByID(tx, decisionID)
	switch {
	case err == nil && d.Appeal == nil:
		err = ErrNotFound
	case err == nil && (d.ActorID == by.ID || d.AuthorID == by.ID):
		err = ErrOwn
	case err == nil && !d.Appeal.AnsweredAt.IsZero():
		err = ErrTwice
	}
	if err != nil {
		return nil, fmt.Errorf("cannot answer the appeal of decision %d: %w", decisionID, err)
	}
	if _, err := tx.Exec(`UPDATE mod_appeals SET answered_at = $2, answered_by = $3, granted = $4, answer = $5 WHERE decision_id = $1`,
		decisionID, tx.Now(), by.ID, granted, text); err != nil {
		return nil, err
	}
	if err := record(tx, by, "moderation.answer", d.Subject, d.AuthorID, map[string]any{"decision": d.ID, "granted": granted, "answer": text}); err != nil {
		return nil, err
	}
	if !granted || !d.LiftedAt.IsZero() {
		return nil, nil
	}
	return lift(tx, by, d, text)
}

// Standing is what a member's past means for them now.
type Standing struct {
	Suspension Decision // zero ID: not suspended; the one that ends last
	Warnings   int      // that stand, of the last year
}

// Suspended says whether the member may only read and appeal.
func (s Standing) Suspended() bool { return s.Suspension.ID != 0 }

// StandingOf reads a member's standing at the time of the transaction.
func StandingOf(tx *db.Tx, memberID int64) (s Standing, err error) {
	in, err := decisions(tx, `author_id = $1 AND measure = $2 AND lifted_at = 0 AND until > $3 ORDER BY until DESC LIMIT 1`, memberID, string(Suspend), tx.Now())
	if err != nil {
		return s, err
	}
	if len(in) > 0 {
		s.Suspension = in[0]
	}
	err = tx.QueryRow(`SELECT COUNT(*) FROM mod_decisions WHERE author_id = $1 AND measure = $2 AND lifted_at = 0 AND at > $3`,
		memberID, string(Warn), tx.Now().AddDate(-1, 0, 0)).Scan(&s.Warnings)
	return s, err
}

const decisionColumns = `id, case_id, subject_kind, subject_id, author_id, actor_id, action, measure, reason, law, until, at, lifted_at, lifted_by, lifted_why`

func decisions(tx *db.Tx, where string, args ...any) ([]Decision, error) {
	all, err := db.All(tx, func(s db.Scanner) (d Decision, err error) {
		return d, s.Scan(&d.ID, &d.CaseID, &d.Subject.Kind, &d.Subject.ID, &d.AuthorID, &d.ActorID, (*string)(&d.Action), (*string)(&d.Measure),
			&d.Reason, &d.Law, &d.Until, &d.At, &d.LiftedAt, &d.LiftedBy, &d.LiftedWhy)
	}, `SELECT `+decisionColumns+` FROM mod_decisions WHERE `+where, args...)
	for i := range all {
		if err == nil {
			all[i].Appeal, err = appealOf(tx, all[i].ID)
		}
	}
	return all, err
}

func appealOf(tx *db.Tx, decisionID int64) (*Appeal, error) {
	var a Appeal
	err := tx.QueryRow(`SELECT member_id, words, at, answered_at, answered_by, granted, answer FROM mod_appeals WHERE decision_id = $1`, decisionID).
		Scan(&a.MemberID, &a.Words, &a.At, &a.AnsweredAt, &a.AnsweredBy, &a.Granted, &a.Answer)
	if errors.Is(err, db.ErrNoRows) {
		return nil, nil
	}
	return &a, err
}

// ByID reads a decision.
func ByID(tx *db.Tx, id int64) (Decision, error) {
	all, err := decisions(tx, `id = $1`, id)
	if err == nil && len(all) == 0 {
		err = ErrNotFound
	}
	if err != nil {
		return Decision{}, fmt.Errorf("cannot read decision %d: %w", id, err)
	}
	return all[0], nil
}

// Decided lists what was decided about a subject, the newest first.
func Decided(tx *db.Tx, s Subject) ([]Decision, error) {
	return decisions(tx, `subject_kind = $1 AND subject_id = $2 ORDER BY id DESC LIMIT 100`, s.Kind, s.ID)
}

// Of lists what was decided about what a member wrote, the newest first.
func Of(tx *db.Tx, memberID int64) ([]Decision, error) {
	return decisions(tx, `author_id = $1 ORDER BY id DESC LIMIT 200`, memberID)
}

// UpheldAgainst counts what a member wrote since a time that was hidden or taken
// down, by decisions that stand, after others had flagged it.
func UpheldAgainst(tx *db.Tx, memberID int64, since time.Time) (n int, err error) {
	err = tx.QueryRow(`SELECT COUNT(*) FROM mod_decisions d WHERE d.author_id = $1 AND d.at > $2 AND d.lifted_at = 0 AND d.action IN ($3, $4)
		AND EXISTS (SELECT 1 FROM mod_flags f WHERE f.case_id = d.case_id)`, memberID, since, string(Hide), string(Takedown)).Scan(&n)
	return n, err
}

// Appeals lists decisions whose appeal nobody has answered, the oldest appeal first.
func Appeals(tx *db.Tx) ([]Decision, error) {
	return decisions(tx, `id IN (SELECT decision_id FROM mod_appeals WHERE answered_at = 0) ORDER BY id LIMIT 200`)
}

// Trail is the audit log about what one member wrote and did, as they may read
// it: who flagged is not in it.
func Trail(tx *db.Tx, memberID, before int64, limit int) ([]audit.Event, error) {
	return audit.List(tx, audit.Filter{AboutID: memberID, Action: "moderation.", Before: before, Limit: limit})
}

// Erase takes a member who leaves out of the flags that they raised. What was
// decided about their posts stays, as the posts do.
func Erase(tx *db.Tx, memberID int64) error {
	_, err := tx.Exec(`UPDATE mod_flags SET flagger_id = 0, origin = '', note = '' WHERE flagger_id = $1`, memberID)
	return err
}

// OriginAge is how long a flag's origin is kept where nobody decides.
const OriginAge = 30 * 24 * time.Hour

// Forget empties the origins of old flags; once a day is often enough.
func Forget(tx *db.Tx) error {
	_, err := tx.Exec(`UPDATE mod_flags SET origin = '' WHERE origin <> '' AND at < $1`, tx.Now().Add(-OriginAge))
	return err
}
