package letter

import (
	"bytes"
	"context"
	"io"
	"mime"
	"mime/quotedprintable"
	netmail "net/mail"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/jobs"
	"github.com/fridayos/friday/internal/mail"
	"github.com/fridayos/friday/internal/mail/mailtest"
	"github.com/fridayos/friday/internal/member"
)

// read takes a letter apart.
func read(t *testing.T, l mailtest.Letter) (subject, text string) {
	t.Helper()
	m, err := netmail.ReadMessage(bytes.NewReader(l.Body))
	if err != nil {
		t.Fatal(err)
	}
	var words mime.WordDecoder
	if subject, err = words.DecodeHeader(m.Header.Get("Subject")); err != nil {
		t.Fatal(err)
	}
	raw, err := io.ReadAll(quotedprintable.NewReader(m.Body))
	if err != nil {
		t.Fatal(err)
	}
	return subject, strings.ReplaceAll(string(raw), "\r\n", "\n")
}

var link = regexp.MustCompile(`https://os\.example\.org/\S+`)

func code(t *testing.T, text, path string) string {
	t.Helper()
	u, err := url.Parse(link.FindString(text))
	if err != nil || u.Path != path {
		t.Fatalf("the letter %q has no link to %s", text, path)
	}
	return u.Query().Get("code")
}

// A letter goes the whole way: put in by a transaction, sent by a worker, read,
// and its code used.
func TestLetters(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		server := mailtest.Start(t, mail.StartTLS)
		sender, err := mail.New(server.Config(mail.StartTLS))
		if err != nil {
			t.Fatal(err)
		}
		p := member.NewPasswords(member.TestCost())
		anna, err := p.Register(t.Context(), d, "anna", "correct horse battery")
		if err != nil {
			t.Fatal(err)
		}
		var workers jobs.Workers
		Desk{DB: d, Mail: sender, BaseURL: "https://os.example.org/", Site: "Ember"}.Register(&workers)
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- jobs.Run(ctx, d, &workers, jobs.RunOptions{}) }()
		t.Cleanup(func() { stop(); <-done })
		put := func(fn func(tx *db.Tx) error) {
			t.Helper()
			if err := d.Write(t.Context(), fn); err != nil {
				t.Fatal(err)
			}
			wait, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if err := jobs.WaitIdle(wait, d, Job{}.Kind()); err != nil {
				t.Fatal(err)
			}
		}
		put(func(tx *db.Tx) error {
			if err := member.SetMail(tx, anna.ID, "anna@example.org"); err != nil {
				return err
			}
			return Put(tx, Job{Letter: Confirm, MemberID: anna.ID, Lang: "es"})
		})
		sent := server.Last(t, 1)
		subject, text := read(t, sent)
		if sent.To != "anna@example.org" || subject != "Ember: confirma tu dirección" || !strings.Contains(text, "Hola, anna") {
			t.Errorf("to %s: %s\n%s", sent.To, subject, text)
		}
		if err := d.Write(t.Context(), func(tx *db.Tx) error {
			_, _, err := member.ConfirmMail(tx, code(t, text, "/me/mail/confirm"))
			return err
		}); err != nil {
			t.Fatal(err)
		}
		// For nobody nothing is sent, and nothing fails.
		for _, login := range []string{"nobody", "nobody@example.org", "", strings.Repeat("x", 5000)} {
			put(func(tx *db.Tx) error { return Put(tx, Job{Letter: Reset, Login: login}) })
		}
		put(func(tx *db.Tx) error { return Put(tx, Job{Letter: Changed, MemberID: 7}) })
		if n := server.Count(); n != 1 {
			t.Errorf("%d letters went out", n)
		}
		put(func(tx *db.Tx) error { return Put(tx, Job{Letter: Reset, Login: "ANNA@example.org", Lang: "hi"}) })
		_, text = read(t, server.Last(t, 2))
		if m, err := p.Reset(t.Context(), d, code(t, text, "/recover/new"), "another horse battery"); err != nil || m.ID != anna.ID {
			t.Errorf("found %+v, %v", m, err)
		}
		put(func(tx *db.Tx) error { return Put(tx, Job{Letter: Changed, MemberID: anna.ID, Lang: "xx"}) })
		if subject, _ = read(t, server.Last(t, 3)); subject != "Ember: your password was changed" {
			t.Errorf("the subject is %q", subject)
		}
		put(func(tx *db.Tx) error {
			return Put(tx, Job{Letter: Moved, MemberID: anna.ID, To: "old@example.org", Lang: "zh"})
		})
		if l := server.Last(t, 4); l.To != "old@example.org" {
			t.Errorf("sent to %s", l.To)
		}
		// No secret lies in the queue.
		if err := d.Read(t.Context(), func(tx *db.Tx) error {
			all, err := jobs.List(tx, jobs.Filter{})
			for _, j := range all {
				if strings.Contains(string(j.Args), "code") {
					t.Errorf("a job holds %s", j.Args)
				}
			}
			return err
		}); err != nil {
			t.Error(err)
		}
	})
}

// A code whose letter was refused is worth nothing; without mail nothing happens.
func TestRefused(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		server := mailtest.Start(t, mail.TLS)
		sender, err := mail.New(server.Config(mail.TLS))
		if err != nil {
			t.Fatal(err)
		}
		anna, err := member.NewPasswords(member.TestCost()).Register(t.Context(), d, "anna", "correct horse battery")
		if err != nil {
			t.Fatal(err)
		}
		codes := func() (n int) {
			if err := d.Read(t.Context(), func(tx *db.Tx) error { return tx.QueryRow("SELECT COUNT(*) FROM mail_codes").Scan(&n) }); err != nil {
				t.Fatal(err)
			}
			return n
		}
		job := Job{Letter: Confirm, MemberID: anna.ID}
		for _, address := range []string{"nobody@example.org", "later@example.org"} {
			if err := d.Write(t.Context(), func(tx *db.Tx) error { return member.SetMail(tx, anna.ID, address) }); err != nil {
				t.Fatal(err)
			}
			if err := (Desk{DB: d, Mail: sender, BaseURL: "https://os.example.org"}).Do(t.Context(), job); err == nil || codes() != 0 {
				t.Errorf("%s: found %v, %d codes", address, err, codes())
			}
		}
		if err := (Desk{DB: d, BaseURL: "https://os.example.org"}).Do(t.Context(), job); err != nil || codes() != 0 {
			t.Errorf("without mail: %v, %d codes", err, codes())
		}
		if err := (Desk{DB: d, Mail: sender}).Do(t.Context(), Job{Letter: "poem"}); err == nil {
			t.Error("a letter that there is not")
		}
	})
}

// Every language has every letter, and each fills in what it must.
func TestWords(t *testing.T) {
	seen := map[string]string{}
	for _, lang := range []string{"en", "es", "hi", "zh"} {
		for _, l := range []string{Confirm, Reset, Changed, Moved} {
			subject, text, err := write(l, lang, words{"Ember", "anna", "https://os.example.org/x"})
			if err != nil || !strings.Contains(subject, "Ember") || !strings.Contains(text, "anna") || !strings.Contains(text, "\nhttps://os.example.org/x\n") || strings.Contains(subject, "\n") {
				t.Errorf("%s in %s: %q, %q, %v", l, lang, subject, text, err)
			}
			if other := seen[text]; other != "" {
				t.Errorf("%s in %s is that in %s", l, lang, other)
			}
			seen[text] = lang
		}
	}
}
