// Package letter writes the letters that an account needs, in the reader's
// language, and sends them from a job: to confirm an address, to set a new
// password, to say that one was changed.
//
// A job holds no secret: the code in a letter is made when it is sent. And a job
// for a name or address that nobody has is put in and done like any other, so
// that who asks learns nothing.
package letter

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"text/template"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/jobs"
	"github.com/fridayos/friday/internal/mail"
	"github.com/fridayos/friday/internal/member"
)

// Which letter.
const (
	Confirm = "confirm" // to the address that a member gave
	Reset   = "reset"   // to the confirmed address of whoever a login names
	Changed = "changed" // a member's password was changed
	Moved   = "moved"   // to the address that a member had before
)

// Job is a letter to be sent.
type Job struct {
	Letter   string `json:"letter"`
	MemberID int64  `json:"member_id,omitempty"` // of Confirm, Changed and Moved
	Login    string `json:"login,omitempty"`     // of Reset: a name or an address, as typed
	To       string `json:"to,omitempty"`        // of Moved
	Lang     string `json:"lang,omitempty"`      // en, es, hi, zh; English if there is no such
}

// Kind names the job to the queue.
func (Job) Kind() string { return "member.letter" }

// Put has a letter sent, if tx commits. The same one waits once.
func Put(tx *db.Tx, j Job) error {
	const longest = 1000 // bytes of what someone typed
	j.Login = j.Login[:min(len(j.Login), longest)]
	return jobs.Put(tx.Context(), tx, j, jobs.Options{Unique: true})
}

// Desk sends letters for one site.
type Desk struct {
	DB      *db.DB
	Mail    *mail.Sender // nil: nothing is sent
	BaseURL string       // of the links
	Site    string       // the OS's name
}

// Register says to workers how the jobs are done.
func (d Desk) Register(w *jobs.Workers) { jobs.Add(w, d.Do) }

// Do sends what a job asks for. It returns nil when there is nobody to write to.
func (d Desk) Do(ctx context.Context, j Job) error {
	if !d.Mail.Ready() {
		return nil
	}
	switch j.Letter {
	case Confirm:
		return d.coded(ctx, j, j.MemberID, "/me/mail/confirm", member.NewMailCode)
	case Reset:
		var members []member.Member
		if err := d.DB.Read(ctx, func(tx *db.Tx) (err error) {
			members, err = member.Resettable(tx, j.Login)
			return err
		}); err != nil {
			return err
		}
		var failed error
		for _, m := range members {
			failed = errors.Join(failed, d.coded(ctx, j, m.ID, "/recover/new", member.NewResetCode))
		}
		return failed
	case Changed, Moved:
		var name string
		to := j.To
		err := d.DB.Read(ctx, func(tx *db.Tx) error {
			m, err := member.ByID(tx, j.MemberID)
			if err != nil {
				return err
			}
			name = m.Name
			if j.Letter == Changed {
				a, err := member.MailOf(tx, j.MemberID)
				to = a.Address
				return err
			}
			return nil
		})
		if errors.Is(err, member.ErrNotFound) || err == nil && to == "" {
			return nil
		}
		if err != nil {
			return err
		}
		return d.send(ctx, j, to, name, "/recover", "")
	}
	return jobs.Permanent(fmt.Errorf("cannot send letter: there is no letter %q", j.Letter))
}

// coded sends a letter with a link that holds a code made for it. A code whose
// letter did not go out is taken back.
func (d Desk) coded(ctx context.Context, j Job, id int64, path string, make func(*db.Tx, int64) (code, address string, err error)) error {
	var code, to, name string
	err := d.DB.Write(ctx, func(tx *db.Tx) (err error) {
		m, err := member.ByID(tx, id)
		if err != nil {
			return err
		}
		name = m.Name
		code, to, err = make(tx, id)
		return err
	})
	if errors.Is(err, member.ErrNotFound) || errors.Is(err, member.ErrTooMany) {
		return nil
	}
	if err != nil {
		return err
	}
	if err := d.send(ctx, j, to, name, path, code); err != nil {
		back := d.DB.Write(context.WithoutCancel(ctx), func(tx *db.Tx) error { return member.DropMailCode(tx, code) })
		return errors.Join(err, back)
	}
	return nil
}

func (d Desk) send(ctx context.Context, j Job, to, name, path, code string) error {
	link := strings.TrimRight(d.BaseURL, "/") + path
	if code != "" {
		link += "?code=" + url.QueryEscape(code)
	}
	subject, text, err := write(j.Letter, j.Lang, words{Site: d.Site, Name: name, Link: link})
	if err != nil {
		return jobs.Permanent(err)
	}
	err = d.Mail.Send(ctx, mail.Message{To: to, Subject: subject, Text: text})
	if mail.Permanent(err) {
		return jobs.Permanent(err)
	}
	return err
}

// words are what a letter fills in.
type words struct{ Site, Name, Link string }

//go:embed words/*.txt
var files embed.FS

// write fills a letter in.
func write(letter, lang string, w words) (subject, text string, err error) {
	raw, err := files.ReadFile("words/" + lang + ".txt")
	if err != nil {
		if raw, err = files.ReadFile("words/en.txt"); err != nil {
			return "", "", err
		}
	}
	t, err := template.New("").Parse(string(raw))
	if err != nil {
		return "", "", fmt.Errorf("cannot read letters in %s: %w", lang, err)
	}
	var out [2]strings.Builder
	for i, part := range []string{".subject", ".text"} {
		if err := t.ExecuteTemplate(&out[i], letter+part, w); err != nil {
			return "", "", fmt.Errorf("cannot write letter %s: %w", letter, err)
		}
	}
	return out[0].String(), out[1].String(), nil
}
