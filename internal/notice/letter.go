package notice

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/jobs"
	"github.com/fridayos/friday/internal/mail"
	"github.com/fridayos/friday/internal/member"
)

// Letter is what one letter tells.
type Letter struct {
	Lang     string // that the member reads; empty: nobody knows
	Site, To string // the OS's name, and the member's
	Entries  []Entry
	Week     *Week // the letter is the week's digest; nil: it is not
	Settings string
	Stop     string // address that stops such letters without signing in
}

// LetterArgs is the job of one letter.
type LetterArgs struct {
	Letter int64 `json:"letter"`
}

// Kind names the job.
func (LetterArgs) Kind() string { return "notice.letter" }

// sendLetter sends one letter. A letter whose job died between the server's
// taking it and our mark goes out again under the same Message-ID.
func (t *Teller) sendLetter(ctx context.Context, args LetterArgs) error {
	if !t.Mail.Ready() {
		return nil // it was set up when the letter was made
	}
	var m mail.Message
	err := t.DB.Read(ctx, func(tx *db.Tx) (err error) { m, err = t.letter(tx, args.Letter); return err })
	if err != nil || m.To == "" {
		return err
	}
	if err := t.Mail.Send(ctx, m); err != nil {
		if mail.Permanent(err) {
			return jobs.Permanent(err)
		}
		return err
	}
	return t.DB.Write(ctx, func(tx *db.Tx) error {
		_, err := tx.Exec("UPDATE notice_letters SET sent_at = $2 WHERE id = $1", args.Letter, tx.Now())
		return err
	})
}

// letter writes a letter; one without a To is not to be sent.
func (t *Teller) letter(tx *db.Tx, id int64) (m mail.Message, err error) {
	var to int64
	var sent time.Time
	err = tx.QueryRow("SELECT member_id, sent_at FROM notice_letters WHERE id = $1", id).Scan(&to, &sent)
	if errors.Is(err, db.ErrNoRows) || err == nil && !sent.IsZero() {
		return m, nil
	}
	if err != nil {
		return m, err
	}
	who, err := member.ByID(tx, to)
	if errors.Is(err, member.ErrNotFound) {
		return m, nil
	}
	if err != nil {
		return m, err
	}
	address, err := member.MailOf(tx, to)
	if err != nil || address.Address == "" || address.ConfirmedAt.IsZero() {
		return m, err
	}
	wishes, err := WishesOf(tx, to)
	if err != nil {
		return m, err
	}
	notices, err := db.All(tx, scan, "SELECT "+columns+" FROM notices WHERE letter = $1 AND read_at = 0 ORDER BY id", id)
	if err != nil {
		return m, err
	}
	if notices, err = due(tx, who, notices); err != nil {
		return m, err
	}
	l := Letter{Site: t.Name, To: who.Name, Settings: t.BaseURL + "/notices/settings"}
	if l.Lang, err = member.Language(tx, to); err != nil {
		return m, err
	}
	var wanted []Notice
	for _, n := range notices { // what was stopped since is not sent
		if wishes[n.Kind][Mail] {
			wanted = append(wanted, n)
		}
	}
	if l.Entries, err = Entries(tx, t.BaseURL, who, wanted); err != nil || len(l.Entries) == 0 {
		return m, err
	}
	list := "notices"
	if l.Entries[0].Kind == Digest {
		list = "weekly"
		if l.Week, err = t.week(tx, who, l.Entries[0].Release); err != nil || l.Week == nil {
			return m, err
		}
	}
	l.Stop = t.StopURL(Stopping{Member: to, Digest: l.Week != nil})
	if m, err = t.Letter(l); err != nil {
		return mail.Message{}, jobs.Permanent(err)
	}
	m.To, m.Unsubscribe = address.Address, l.Stop
	if u, err := url.Parse(t.BaseURL); err == nil {
		m.ID, m.List = fmt.Sprintf("%s-%d@%s", list, id, u.Hostname()), list+"."+u.Hostname()
	}
	return m, nil
}
