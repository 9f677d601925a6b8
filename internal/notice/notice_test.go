package notice

import (
	"context"
	"crypto/ecdh"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	netmail "net/mail"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-smtp"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/feedback/stake"
	"github.com/fridayos/friday/internal/keys"
	"github.com/fridayos/friday/internal/mail"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/notice/noticetest"
	"github.com/fridayos/friday/internal/outward"
)

func TestTold(t *testing.T) {
	watch, muted := []int64{1, 2, 3}, []int64{4}
	ev := func(k feedback.EventKind, d feedback.EventData) feedback.Event {
		return feedback.Event{ThreadID: 9, Kind: k, Actor: 1, EventData: d}
	}
	for name, c := range map[string]struct {
		e    feedback.Event
		want map[int64]Kind
	}{
		"a post goes to who watches, not to its author": {ev(feedback.EventPosted, feedback.EventData{}), map[int64]Kind{2: Reply, 3: Reply}},
		"a mention goes to who is mentioned":            {ev(feedback.EventMention, feedback.EventData{Member: 7}), map[int64]Kind{7: Mention}},
		"unless they muted the thread":                  {ev(feedback.EventMention, feedback.EventData{Member: 4}), map[int64]Kind{}},
		"a question reaches them all the same":          {ev(feedback.EventAsked, feedback.EventData{Member: 4}), map[int64]Kind{4: Ask}},
		"and whose own doing it was":                    {ev(feedback.EventAsked, feedback.EventData{Member: 1}), map[int64]Kind{1: Ask}},
		"a state":                                       {ev(feedback.EventState, feedback.EventData{State: feedback.Planned}), map[int64]Kind{2: State, 3: State}},
		"what a release tells, the state does not":      {ev(feedback.EventState, feedback.EventData{State: feedback.InRelease}), map[int64]Kind{}},
		"a release":                 {ev(feedback.EventReleased, feedback.EventData{}), map[int64]Kind{2: Fix, 3: Fix}},
		"nobody is told of an edit": {ev(feedback.EventEdited, feedback.EventData{}), map[int64]Kind{}},
		"nor of who filed it":       {ev(feedback.EventFiled, feedback.EventData{}), map[int64]Kind{}},
		"nor one who is no member":  {ev(feedback.EventQuote, feedback.EventData{Member: feedback.FormerMember}), map[int64]Kind{}},
	} {
		if got := told(c.e, watch, muted); !maps.Equal(got, c.want) {
			t.Errorf("%s: %v, expected %v", name, got, c.want)
		}
	}
}

// bench is a forum with three members who have mail.
type bench struct {
	*testing.T
	d             *db.DB
	now           time.Time
	ana, ben, kim member.Member
}

func newBench(t *testing.T, d *db.DB) *bench {
	t.Helper()
	b := &bench{T: t, d: d, now: time.Now().UTC().Truncate(time.Second)}
	d.SetClock(func() time.Time { return b.now })
	for name, m := range map[string]*member.Member{"ana": &b.ana, "ben": &b.ben, "kim": &b.kim} {
		hash, err := member.NewPasswords(member.TestCost()).Hash(t.Context(), name, "a sentence is good")
		if err != nil {
			t.Fatal(err)
		}
		b.write(func(tx *db.Tx) error {
			if *m, err = member.Register(tx, name, hash); err != nil {
				return err
			}
			if err := member.SetMail(tx, m.ID, name+"@example.org"); err != nil {
				return err
			}
			code, _, err := member.NewMailCode(tx, m.ID)
			if err != nil {
				return err
			}
			_, _, err = member.ConfirmMail(tx, code)
			return err
		})
	}
	b.sweep()
	return b
}

func (b *bench) write(fn func(tx *db.Tx) error) {
	b.Helper()
	if err := b.d.Write(context.Background(), fn); err != nil {
		b.Fatal(err)
	}
}

func (b *bench) sweep() {
	b.Helper()
	b.write(func(tx *db.Tx) error { _, err := Sweep(tx); return err })
}

func (b *bench) list(m member.Member) (all []Notice) {
	b.Helper()
	b.write(func(tx *db.Tx) (err error) { all, err = List(tx, m.ID, 0, 0); return err })
	return all
}

func (b *bench) file(by member.Member, title string) (th feedback.Thread) {
	b.Helper()
	b.write(func(tx *db.Tx) (err error) {
		th, err = feedback.New(tx, feedback.NewThread{Kind: feedback.Bug, Title: title, Body: "It crashes.", AuthorID: by.ID, Part: "Camera", Devices: []string{"umi"}})
		return err
	})
	return th
}

func (b *bench) reply(by member.Member, thread int64, body string) {
	b.Helper()
	b.write(func(tx *db.Tx) error {
		_, err := feedback.Reply(tx, feedback.Viewer{Member: by.ID}, thread, body)
		return err
	})
}

func kinds(all []Notice) string {
	var words []string
	for _, n := range all {
		words = append(words, string(n.Kind))
	}
	return strings.Join(words, " ")
}

func TestNotices(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b := newBench(t, d)
		th := b.file(b.ana, "Camera crashes")
		b.reply(b.ben, th.ID, "Here too, @ana and @kim.")
		b.sweep()
		b.sweep()
		if got := kinds(b.list(b.ana)); got != "mention" {
			t.Errorf("ana, who watches and is mentioned, is told %q; expected one thing", got)
		}
		if got := kinds(b.list(b.kim)); got != "mention" {
			t.Errorf("kim is told %q", got)
		}
		if got := kinds(b.list(b.ben)); got != "" {
			t.Errorf("ben is told of himself: %q", got)
		}
		b.write(func(tx *db.Tx) error {
			if n, err := Unread(tx, b.ana.ID); err != nil || n != 1 {
				t.Errorf("ana has %d unread, %v", n, err)
			}
			if err := MarkRead(tx, b.ben.ID, b.list2(tx, b.ana)[0].ID, 0); err != nil { // not his
				return err
			}
			if n, _ := Unread(tx, b.ana.ID); n != 1 {
				t.Error("another member marks ana's notice as read")
			}
			if err := MarkRead(tx, b.ana.ID, 0, th.ID); err != nil {
				return err
			}
			n, err := Unread(tx, b.ana.ID)
			if n != 0 {
				t.Errorf("after reading ana has %d unread", n)
			}
			return err
		})
		// A muted thread is silent, but for the question whether the fix works.
		b.write(func(tx *db.Tx) error { return stake.Mute(tx, feedback.Viewer{Member: b.ana.ID}, th.ID) })
		b.reply(b.ben, th.ID, "Again, @ana.")
		build := feedback.Build{ID: "b2", Device: "umi", Version: "26.11.27", Timestamp: 200}
		b.write(func(tx *db.Tx) error {
			if err := feedback.FixMerged(tx, th.ID, "c1"); err != nil {
				return err
			}
			if err := feedback.FixInRelease(tx, th.ID, "26.11.27", build); err != nil {
				return err
			}
			_, err := feedback.HandsetRuns(tx, b.ana.ID, build)
			return err
		})
		b.sweep()
		if got := kinds(b.list(b.ana)); got != "ask mention" {
			t.Errorf("ana, who muted it, is told %q", got)
		}
		if got := kinds(b.list(b.ben)); got != "fix state" {
			t.Errorf("ben, who wrote in it, is told %q", got)
		}
		// A thread that one may no longer see tells nothing more.
		before := len(b.list(b.ben))
		b.reply(b.kim, th.ID, "More.")
		b.write(func(tx *db.Tx) error { return feedback.Hide(tx, th.ID, b.kim.ID, true) })
		b.sweep()
		if after := b.list(b.ben); len(after) != before {
			t.Errorf("of a hidden thread ben is told %q", kinds(after))
		}
		b.write(func(tx *db.Tx) error {
			w := Word{What: "webhook-disabled", Subject: "hooks.example.org", Place: "/hooks/7", Key: "7 on Friday"}
			return errors.Join(Tell(tx, b.kim.ID, w), Tell(tx, b.kim.ID, w))
		})
		if got := kinds(b.list(b.kim)); !strings.HasPrefix(got, "system ") || strings.Count(got, "system") != 1 {
			t.Errorf("kim is told %q", got)
		}
		b.write(func(tx *db.Tx) error { return Forget(tx, b.kim.ID) })
		if len(b.list(b.kim)) != 0 {
			t.Error("something is left of who left")
		}
	})
}

func (b *bench) list2(tx *db.Tx, m member.Member) []Notice {
	all, err := List(tx, m.ID, 0, 0)
	if err != nil || len(all) == 0 {
		b.Fatal("no notices", err)
	}
	return all
}

// mailbox is a real SMTP server on loopback.
type mailbox struct {
	mu      sync.Mutex
	letters []*netmail.Message
	bodies  []string
}

type session struct{ m *mailbox }

func (session) Mail(string, *smtp.MailOptions) error { return nil }
func (session) Rcpt(string, *smtp.RcptOptions) error { return nil }
func (session) Reset()                               {}
func (session) Logout() error                        { return nil }
func (s session) Data(r io.Reader) error {
	m, err := netmail.ReadMessage(r)
	if err != nil {
		return err
	}
	body, err := io.ReadAll(m.Body)
	s.m.mu.Lock()
	defer s.m.mu.Unlock()
	s.m.letters, s.m.bodies = append(s.m.letters, m), append(s.m.bodies, strings.ReplaceAll(strings.ReplaceAll(string(body), "=\r\n", ""), "=3D", "="))
	return err
}

func newMailbox(t *testing.T) (*mailbox, *mail.Sender) {
	t.Helper()
	m := &mailbox{}
	srv := smtp.NewServer(smtp.BackendFunc(func(*smtp.Conn) (smtp.Session, error) { return session{m}, nil }))
	srv.Domain = "localhost"
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = srv.Serve(l) }()
	t.Cleanup(func() { srv.Close() })
	sender, err := mail.New(mail.Config{Host: "127.0.0.1", Port: l.Addr().(*net.TCPAddr).Port, Security: mail.Plain, From: "Friday <friday@os.example.org>"})
	if err != nil {
		t.Fatal(err)
	}
	return m, sender
}

func (b *bench) teller(sender *mail.Sender) *Teller {
	b.Helper()
	tickets, err := keys.OpenTicket(filepath.Join(b.TempDir(), "ticket.key"))
	if err != nil {
		b.Fatal(err)
	}
	return &Teller{DB: b.d, Mail: sender, Tickets: tickets, BaseURL: "https://os.example.org", Name: "Friday", Line: line, Letter: func(l Letter) (mail.Message, error) {
		words := "Hello " + l.To + "\n"
		for _, e := range l.Entries {
			words += line(l.Lang, e) + " " + e.Where + "\n"
		}
		if l.Week != nil {
			words += fmt.Sprintf("week %s, mine %v, asks %v, polls %v, held %v, for %v\n", l.Week.Release, l.Week.Mine, l.Week.Asks, l.Week.Polls, l.Week.Held, l.Week.Names)
		}
		return mail.Message{Subject: fmt.Sprint(len(l.Entries), " things"), Text: words}, nil
	}}
}

// line says bluntly what package tell says in words.
func line(lang string, e Entry) string {
	return strings.TrimSpace(fmt.Sprintf("%s: %s %s %q %s %s", lang, e.Word, e.Actor, e.Title, e.Release, e.DeviceName))
}

// send makes the letters that are due and sends them.
func (b *bench) send(t *Teller) {
	b.Helper()
	if err := t.SweepAll(b.Context()); err != nil {
		b.Fatal(err)
	}
	b.write(t.Dispatch)
	var ids []int64
	b.write(func(tx *db.Tx) (err error) {
		ids, err = db.All(tx, func(s db.Scanner) (id int64, err error) { return id, s.Scan(&id) }, "SELECT id FROM notice_letters WHERE sent_at = 0 ORDER BY id")
		return err
	})
	for _, id := range ids {
		for range 2 { // a job may run twice
			if err := t.sendLetter(b.Context(), LetterArgs{id}); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func TestLetters(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b := newBench(t, d)
		box, sender := newMailbox(t)
		teller := b.teller(sender)
		one, two := b.file(b.ana, "Camera crashes"), b.file(b.ana, "Battery drains")
		b.reply(b.ben, one.ID, "Here too.")
		b.reply(b.ben, two.ID, "Here as well.")
		b.send(teller)
		if len(box.letters) != 0 {
			t.Fatal("a letter goes out before there was time to gather")
		}
		b.now = b.now.Add(gather(Reply))
		b.send(teller)
		b.send(teller)
		if len(box.letters) != 1 {
			t.Fatalf("%d letters, expected one for both posts", len(box.letters))
		}
		m := box.letters[0]
		if m.Header.Get("To") != "<ana@example.org>" || !strings.Contains(box.bodies[0], "Camera crashes") || !strings.Contains(box.bodies[0], "Battery drains") || m.Header.Get("Subject") != "2 things" {
			t.Errorf("the letter is %v\n%s", m.Header, box.bodies[0])
		}
		// RFC 8058: one POST, no cookie, no question.
		stop := strings.Trim(m.Header.Get("List-Unsubscribe"), "<>")
		if m.Header.Get("List-Unsubscribe-Post") != "List-Unsubscribe=One-Click" || !strings.HasPrefix(stop, "https://os.example.org/notices/stop?s=") {
			t.Fatalf("it can be stopped by %q, %q", stop, m.Header.Get("List-Unsubscribe-Post"))
		}
		signed := strings.TrimPrefix(stop, "https://os.example.org/notices/stop?s=")
		for _, wrong := range []string{"", signed[1:], signed + "A", teller.Tickets.Sign([]byte(fmt.Sprint(b.ben.ID)))} {
			if s, err := ReadStop(teller.Tickets, wrong); err == nil {
				t.Errorf("%q stops letters: %+v", wrong, s)
			}
		}
		b.reply(b.ben, one.ID, "And more.")
		b.sweep() // what waits is stopped too
		stopping, err := ReadStop(teller.Tickets, signed)
		if err != nil || stopping != (Stopping{Member: b.ana.ID}) {
			t.Fatalf("the address says %+v, %v", stopping, err)
		}
		b.write(func(tx *db.Tx) error {
			return errors.Join(Stop(tx, stopping), Stop(tx, stopping), Stop(tx, Stopping{Member: 7}))
		})
		b.reply(b.ben, two.ID, "And more.")
		b.now = b.now.Add(2 * time.Hour)
		b.send(teller)
		if len(box.letters) != 1 || len(b.list(b.ana)) != 4 {
			t.Errorf("after stopping there are %d letters and %d notices on the site", len(box.letters), len(b.list(b.ana)))
		}
		// What was read on the site is not mailed.
		three := b.file(b.ben, "Clock is late")
		b.reply(b.kim, three.ID, "By an hour.")
		b.sweep()
		b.write(func(tx *db.Tx) error { return MarkRead(tx, b.ben.ID, 0, three.ID) })
		b.now = b.now.Add(2 * time.Hour)
		b.send(teller)
		if len(box.letters) != 1 {
			t.Error("what was read is mailed")
		}
		// One letter with the release for all that it fixes, and what is asked.
		build := feedback.Build{ID: "b2", Device: "umi", Version: "26.11.27", Timestamp: 200}
		four := b.file(b.ben, "Sound is off")
		b.write(func(tx *db.Tx) error {
			for _, id := range []int64{three.ID, four.ID} {
				if err := feedback.FixMerged(tx, id, "c1"); err != nil {
					return err
				}
				if err := feedback.FixInRelease(tx, id, "26.11.27", build); err != nil {
					return err
				}
			}
			_, err := feedback.HandsetRuns(tx, b.ben.ID, build)
			return err
		})
		b.now = b.now.Add(2 * time.Hour)
		b.send(teller)
		b.now = b.now.Add(2 * time.Hour)
		b.send(teller)
		digests := 0
		for i, m := range box.letters {
			if m.Header.Get("To") == "<ben@example.org>" {
				digests++
				for _, want := range []string{": released  \"Clock is late\" 26.11.27", ": released  \"Sound is off\" 26.11.27", ": asked  \"Clock is late\" 26.11.27 umi"} {
					if !strings.Contains(box.bodies[i], want) {
						t.Errorf("ben's letter lacks %q:\n%s", want, box.bodies[i])
					}
				}
			}
		}
		if digests != 1 {
			t.Errorf("ben got %d letters, expected one", digests)
		}
	})
}

func TestWithoutMail(t *testing.T) {
	b := newBench(t, sqlite(t))
	th := b.file(b.ana, "Camera crashes")
	b.reply(b.ben, th.ID, "Here too.")
	b.now = b.now.Add(time.Hour)
	b.send(b.teller(nil))
	b.now = b.now.Add(time.Hour)
	b.send(b.teller(nil))
	b.write(func(tx *db.Tx) error {
		var n int
		err := tx.QueryRow("SELECT COUNT(*) FROM notices WHERE mail_due > 0").Scan(&n)
		if n != 0 {
			t.Error("letters pile up where no mail is set up")
		}
		return err
	})
}

func sqlite(t *testing.T) *db.DB {
	t.Helper()
	d, err := db.Open(t.Context(), dbtest.SQLite(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func TestPush(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		b := newBench(t, d)
		service := noticetest.Start(t)
		policy := service.Policy()
		key, err := ecdh.P256().GenerateKey(rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		teller := b.teller(nil)
		teller.Push, teller.Policy = NewPushKey(key), policy
		var browser Browser
		if err := json.Unmarshal([]byte(service.Subscription()), &browser); err != nil {
			t.Fatal(err)
		}
		if err := d.Write(t.Context(), func(tx *db.Tx) error { return Subscribe(tx, outward.Policy{}, b.kim.ID, browser) }); !errors.Is(err, ErrBrowser) {
			t.Errorf("an endpoint on this machine is taken: %v", err)
		}
		b.write(func(tx *db.Tx) error {
			return errors.Join(Subscribe(tx, policy, b.kim.ID, browser), member.SetLanguage(tx, b.kim.ID, "hi"))
		})
		for _, change := range []func(*Browser){
			func(x *Browser) { x.Keys.P256dh = x.Keys.P256dh[4:] }, func(x *Browser) { x.Keys.Auth = "" }, func(x *Browser) { x.Endpoint = "" },
			func(x *Browser) { x.Keys.P256dh = "B" + strings.Repeat("A", 86) },
		} {
			bad := browser
			change(&bad)
			if err := d.Write(t.Context(), func(tx *db.Tx) error { return Subscribe(tx, policy, b.kim.ID, bad) }); !errors.Is(err, ErrBrowser) {
				t.Errorf("%+v is taken: %v", bad, err)
			}
		}
		pushAll := func() {
			t.Helper()
			b.sweep()
			type pair struct{ n, b int64 }
			var pairs []pair
			b.write(func(tx *db.Tx) (err error) {
				pairs, err = db.All(tx, func(s db.Scanner) (p pair, err error) { return p, s.Scan(&p.n, &p.b) },
					"SELECT n.id, b.id FROM notices n JOIN push_browsers b ON b.member_id = n.member_id WHERE n.push")
				if err == nil {
					err = teller.Dispatch(tx)
				}
				return err
			})
			for _, p := range pairs {
				if err := teller.push(t.Context(), PushArgs{p.n, p.b}); err != nil {
					t.Error(err)
				}
			}
		}
		th := b.file(b.ana, "Camera crashes")
		b.reply(b.ana, th.ID, "What do you think, @kim?")
		pushAll()
		all := service.Got()
		if len(all) != 1 {
			t.Fatalf("%d pushes, expected 1", len(all))
		}
		var got pushed
		if err := json.Unmarshal(all[0].Plain, &got); err != nil || got.Body != `hi: mention ana "Camera crashes"` || got.Lang != "hi" || !strings.HasPrefix(got.URL, "https://os.example.org/p/") {
			t.Errorf("it says %+v, %v", got, err)
		}
		if h := all[0].Header; strings.Contains(string(all[0].Sealed), "Camera") || h.Get("Content-Encoding") != "aes128gcm" || h.Get("TTL") == "" || all[0].Key != teller.Push.Public {
			t.Errorf("the push is in the clear, or its header wrong: %v", h)
		}
		pushAll()
		if len(service.Got()) != 1 {
			t.Error("a notice is pushed twice")
		}
		service.Answer(410)
		b.reply(b.ana, th.ID, "Still there, @kim?")
		pushAll()
		b.write(func(tx *db.Tx) error {
			if n, err := Browsers(tx, b.kim.ID); err != nil || len(n) != 0 {
				t.Errorf("a browser that is gone is kept: %v, %v", n, err)
			}
			return nil
		})
	})
}
