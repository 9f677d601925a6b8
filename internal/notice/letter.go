package notice

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/jobs"
	"github.com/fridayos/friday/internal/keys"
	"github.com/fridayos/friday/internal/mail"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/outward"
)

// Teller sends what is not on the site.
type Teller struct {
	DB      *db.DB
	Mail    *mail.Sender // nil: no mail is set up, and none is due
	Tickets *keys.Ticket // signs the addresses that stop letters
	Push    *PushKey     // nil: nothing is pushed
	Policy  outward.Policy
	BaseURL string // of the site, without a slash at its end
	Name    string // of the OS
	Log     *slog.Logger
}

// LetterArgs is the job of one letter.
type LetterArgs struct {
	Letter int64 `json:"letter"`
}

// Kind names the job.
func (LetterArgs) Kind() string { return "notice.letter" }

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
// member goes into one letter once the first of it is due.
func (t *Teller) Dispatch(tx *db.Tx) error {
	members, err := db.All(tx, func(s db.Scanner) (id int64, err error) { return id, s.Scan(&id) },
		"SELECT DISTINCT member_id FROM notices WHERE mail_due > 0 AND mail_due <= $1 ORDER BY member_id LIMIT 500", tx.Now())
	if err != nil {
		return fmt.Errorf("cannot find whom to write to: %w", err)
	}
	for _, id := range members {
		m, err := member.MailOf(tx, id)
		if err != nil {
			return err
		}
		letter := int64(0)
		if t.Mail.Ready() && m.Address != "" && !m.ConfirmedAt.IsZero() {
			letter = db.NewID()
			if _, err := tx.Exec("INSERT INTO notice_letters (id, member_id, made_at, sent_at) VALUES ($1, $2, $3, 0)", letter, id, tx.Now()); err != nil {
				return fmt.Errorf("cannot make a letter: %w", err)
			}
			if err := jobs.Put(tx.Context(), tx, LetterArgs{letter}, jobs.Options{}); err != nil {
				return err
			}
		}
		if _, err := tx.Exec("UPDATE notices SET mail_due = 0, letter = $2 WHERE member_id = $1 AND mail_due > 0", id, letter); err != nil {
			return fmt.Errorf("cannot make a letter: %w", err)
		}
	}
	return t.dispatchPushes(tx)
}

// sendLetter sends one letter. A letter whose job died between the server's
// taking it and our mark goes out again under the same Message-ID.
func (t *Teller) sendLetter(ctx context.Context, args LetterArgs) error {
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
	notices, err := db.All(tx, scan, "SELECT "+columns+" FROM notices WHERE letter = $1 AND read_at = 0 ORDER BY id", id)
	if err != nil {
		return m, err
	}
	entries, err := t.entries(tx, who, notices)
	if err != nil || len(entries) == 0 {
		return m, err
	}
	m = compose(t.Name, who.Name, entries, t.BaseURL+"/notices/settings")
	m.To, m.Unsubscribe = address.Address, t.StopURL(to)
	if u, err := url.Parse(t.BaseURL); err == nil {
		m.ID, m.List = fmt.Sprintf("notices-%d@%s", id, u.Hostname()), "notices."+u.Hostname()
	}
	return m, nil
}

// entry is one line of a letter.
type entry struct {
	kind        Kind
	text, where string
}

// entries says in words what notices tell, for those that the member may still see.
func (t *Teller) entries(tx *db.Tx, who member.Member, notices []Notice) (all []entry, err error) {
	viewer := feedback.Viewer{Member: who.ID, Moderates: who.Moderates()}
	for _, n := range notices {
		if n.ThreadID == 0 {
			all = append(all, entry{n.Kind, systemWords(n), t.BaseURL + "/notices"})
			continue
		}
		th, err := feedback.ByID(tx, viewer, n.ThreadID)
		if errors.Is(err, feedback.ErrNotFound) {
			continue
		}
		if err != nil {
			return nil, err
		}
		actor := ""
		if n.ActorID > 0 {
			m, err := member.ByID(tx, n.ActorID)
			if err != nil && !errors.Is(err, member.ErrNotFound) {
				return nil, err
			}
			actor = m.Name
		}
		where := t.BaseURL + "/t/" + strconv.FormatInt(th.ID, 10)
		if n.PostID != 0 {
			where = t.BaseURL + "/p/" + strconv.FormatInt(n.PostID, 10)
		}
		all = append(all, entry{n.Kind, words(n, th.Title, actor), where})
	}
	return all, nil
}

// words says what a notice about a thread tells.
func words(n Notice, title, actor string) string {
	if actor == "" {
		actor = "Someone"
	}
	switch {
	case n.Kind == Ask:
		return fmt.Sprintf("Your %s runs %s, which should fix %q. Does it work now?", n.Device, n.Release, title)
	case n.Word == string(feedback.EventPulled):
		return fmt.Sprintf("%s was pulled, and with it the fix of %q.", n.Release, title)
	case n.Kind == Fix:
		return fmt.Sprintf("%s fixes %q.", n.Release, title)
	case n.Word == string(feedback.EventAccepted):
		return fmt.Sprintf("%s accepted your answer in %q.", actor, title)
	case n.Word == string(feedback.EventQuote):
		return fmt.Sprintf("%s quoted you in %q.", actor, title)
	case n.Kind == Mention:
		return fmt.Sprintf("%s mentioned you in %q.", actor, title)
	case n.Kind == Reply:
		return fmt.Sprintf("%s wrote in %q.", actor, title)
	}
	return fmt.Sprintf("%q: %s.", title, strings.ReplaceAll(n.Word, "-", " "))
}

func systemWords(n Notice) string {
	if n.Word == WebhookDisabled {
		return fmt.Sprintf("The webhook to %s was switched off: it took nothing for days.", n.Release)
	}
	return strings.ReplaceAll(n.Word, "-", " ") + " " + n.Release
}

// WebhookDisabled is what Tell is told of a hook that was switched off.
const WebhookDisabled = "webhook-disabled"

var headings = map[Kind]string{
	Ask: "Does it work now?", Fix: "Fixed of what you watch", Mention: "To you", Reply: "New posts", State: "What became of it", System: "For you to know",
}

// compose puts entries into one letter, by kind.
func compose(site, to string, entries []entry, settings string) mail.Message {
	var b strings.Builder
	fmt.Fprintf(&b, "Hello %s,\n", to)
	first := entry{}
	for _, k := range Kinds() {
		begun := false
		for _, e := range entries {
			if e.kind != k {
				continue
			}
			if !begun {
				fmt.Fprintf(&b, "\n%s\n", headings[k])
				begun = true
			}
			if first.text == "" {
				first = e
			}
			fmt.Fprintf(&b, "- %s\n  %s\n", e.text, e.where)
		}
	}
	fmt.Fprintf(&b, "\n-- \nYou choose what %s writes to you at %s\n", site, settings)
	subject := first.text
	if len(entries) > 1 {
		subject = fmt.Sprintf("%s (and %d more)", subject, len(entries)-1)
	}
	for len(subject) > mail.MaxSubject/2 {
		subject = strings.ToValidUTF8(subject[:mail.MaxSubject/2-3], "") + "…"
	}
	return mail.Message{Subject: subject, Text: b.String()}
}

const stopPurpose = "stop letters"

// StopURL is the address that stops all letters to a member without signing in.
func (t *Teller) StopURL(memberID int64) string {
	return t.BaseURL + "/notices/stop?s=" + t.Tickets.For(stopPurpose).Sign([]byte(strconv.FormatInt(memberID, 10)))
}

// Stop ends all letters to the member whom a text of StopURL names.
func Stop(tx *db.Tx, tickets *keys.Ticket, text string) error {
	body, err := tickets.For(stopPurpose).Verify(text)
	if err != nil {
		return err
	}
	id, err := strconv.ParseInt(string(body), 10, 64)
	if err != nil {
		return fmt.Errorf("cannot stop letters: the address is damaged")
	}
	if _, err := member.ByID(tx, id); errors.Is(err, member.ErrNotFound) {
		return nil // nobody is written to
	} else if err != nil {
		return err
	}
	for _, k := range Kinds() {
		if err := Wish(tx, id, k, Mail, false); err != nil {
			return err
		}
	}
	return nil
}
