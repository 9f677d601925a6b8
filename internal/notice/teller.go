package notice

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/jobs"
	"github.com/fridayos/friday/internal/keys"
	"github.com/fridayos/friday/internal/mail"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/outward"
)

// Teller sends what is not on the site. Several processes may have one over the
// same database: what is to be sent is put in by whichever reads on first, once.
type Teller struct {
	DB      *db.DB
	Mail    *mail.Sender // nil: no mail is set up, and none is due
	Tickets *keys.Ticket // signs the addresses that stop letters
	Push    *PushKey     // nil: nothing is pushed
	Policy  outward.Policy
	BaseURL string // of the site, without a slash at its end
	Name    string // of the OS

	// Letter puts a letter into words: subject, text and HTML, in l.Lang or, where
	// there are no words in it, in English. Line does so with what is pushed.
	Letter func(l Letter) (mail.Message, error)
	Line   func(lang string, e Entry) string
	// Editions lists the releases that left lately, the newest first; nil: there is
	// no digest.
	Editions func(tx *db.Tx) ([]Edition, error)
	Log      *slog.Logger // nil: says nothing
}

// Work adds the jobs that t does to w.
func (t *Teller) Work(w *jobs.Workers) {
	jobs.AddTimeout(w, 2*time.Minute, t.sendLetter)
	jobs.AddTimeout(w, time.Minute, t.push)
}

// SweepAll writes the notices that wait in the log and puts in what is to be sent.
func (t *Teller) SweepAll(ctx context.Context) error {
	for {
		n := 0
		busy := false
		err := t.DB.Read(ctx, func(tx *db.Tx) (err error) { busy, err = waiting(tx); return err })
		if err == nil && busy {
			err = t.DB.Write(ctx, func(tx *db.Tx) (err error) {
				if n, err = Sweep(tx); err == nil {
					err = t.Dispatch(tx)
				}
				return err
			})
		}
		if err != nil || n < perSweep {
			return err
		}
	}
}

// waiting tells without a write whether there is something to do.
func waiting(tx *db.Tx) (bool, error) {
	var after int64
	err := tx.QueryRow("SELECT after FROM notice_cursor WHERE one = 1").Scan(&after)
	if errors.Is(err, db.ErrNoRows) {
		return true, nil
	}
	if err != nil {
		return false, err
	}
	last, err := feedback.LastEvent(tx)
	if err != nil || last > after {
		return true, err
	}
	var due int
	err = tx.QueryRow("SELECT COUNT(*) FROM (SELECT 1 FROM notices WHERE push OR mail_due > 0 AND mail_due <= $1 LIMIT 1) x", tx.Now()).Scan(&due)
	return due > 0, err
}

// Dispatch puts in the letters and pushes that are due. All that waits for a
// member goes into one letter once the first of it is due; the week has one of
// its own.
func (t *Teller) Dispatch(tx *db.Tx) error {
	for _, which := range []string{"kind <> 'digest'", "kind = 'digest'"} {
		members, err := db.All(tx, func(s db.Scanner) (id int64, err error) { return id, s.Scan(&id) },
			"SELECT DISTINCT member_id FROM notices WHERE mail_due > 0 AND mail_due <= $1 AND "+which+" ORDER BY member_id LIMIT 500", tx.Now())
		if err != nil {
			return fmt.Errorf("cannot find whom to write to: %w", err)
		}
		for _, id := range members {
			if err := t.putLetter(tx, id, which); err != nil {
				return err
			}
		}
	}
	return t.dispatchPushes(tx)
}

// putLetter puts in one letter with all that waits, if the member can be written to.
func (t *Teller) putLetter(tx *db.Tx, memberID int64, which string) error {
	m, err := member.MailOf(tx, memberID)
	if err != nil {
		return err
	}
	letter := int64(0)
	if t.Mail.Ready() && m.Address != "" && !m.ConfirmedAt.IsZero() {
		letter = db.NewID()
		if _, err := tx.Exec("INSERT INTO notice_letters (id, member_id, made_at, sent_at) VALUES ($1, $2, $3, 0)", letter, memberID, tx.Now()); err != nil {
			return fmt.Errorf("cannot make a letter: %w", err)
		}
		if err := jobs.Put(tx.Context(), tx, LetterArgs{letter}, jobs.Options{}); err != nil {
			return err
		}
	}
	if _, err := tx.Exec("UPDATE notices SET mail_due = 0, letter = $2 WHERE member_id = $1 AND mail_due > 0 AND "+which, memberID, letter); err != nil {
		return fmt.Errorf("cannot make a letter: %w", err)
	}
	return nil
}
