package mail_test

import (
	"bytes"
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	netmail "net/mail"
	"strings"
	"testing"

	"github.com/fridayos/friday/internal/mail"
	"github.com/fridayos/friday/internal/mail/mailtest"
)

func TestSend(t *testing.T) {
	for _, security := range []string{mail.StartTLS, mail.TLS, mail.Plain} {
		t.Run(security, func(t *testing.T) {
			s := mailtest.Start(t, security)
			sender, err := mail.New(s.Config(security))
			if err != nil {
				t.Fatal(err)
			}
			m := mail.Message{To: "anna@例え.example.org", Subject: "确认 — confirm", Text: "नमस्ते\nhttps://os.example.org/me/mail?code=" + strings.Repeat("X", 90) + "\n.\nend\n",
				HTML: "<p>नमस्ते</p>", Unsubscribe: "https://os.example.org/u?t=abc", List: "thread-41.os.example.org", ID: "41.2@os.example.org", InReplyTo: "41.1@os.example.org"}
			if err := sender.Send(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			got := s.Last(t, 1)
			if got.From != "friday@os.example.org" || got.To != "anna@xn--r8jz45g.example.org" || got.User != "friday" || got.Secure != (security != mail.Plain) {
				t.Errorf("it came from %q to %q by %q, over TLS: %v", got.From, got.To, got.User, got.Secure)
			}
			parsed, err := netmail.ReadMessage(bytes.NewReader(got.Body))
			if err != nil {
				t.Fatal(err)
			}
			var words mime.WordDecoder
			subject, err := words.DecodeHeader(parsed.Header.Get("Subject"))
			if err != nil || subject != m.Subject {
				t.Errorf("the subject is %q, %v", subject, err)
			}
			for name, want := range map[string]string{
				"List-Unsubscribe": "<https://os.example.org/u?t=abc>", "List-Unsubscribe-Post": "List-Unsubscribe=One-Click", "List-Id": "<thread-41.os.example.org>",
				"Message-Id": "<41.2@os.example.org>", "In-Reply-To": "<41.1@os.example.org>", "References": "<41.1@os.example.org>", "Auto-Submitted": "auto-generated",
			} {
				if found := parsed.Header.Get(name); found != want {
					t.Errorf("%s is %q, expected %q", name, found, want)
				}
			}
			if _, err := parsed.Header.Date(); err != nil {
				t.Error(err)
			}
			texts := parts(t, parsed)
			if strings.ReplaceAll(texts["text/plain"], "\r\n", "\n") != m.Text || !strings.Contains(texts["text/html"], m.HTML) {
				t.Errorf("the parts are %q", texts)
			}
		})
	}
}

func parts(t *testing.T, m *netmail.Message) map[string]string {
	t.Helper()
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/alternative" {
		t.Fatalf("the type is %q, %v", kind, err)
	}
	out := map[string]string{}
	for r := multipart.NewReader(m.Body, params["boundary"]); ; {
		p, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		kind, _, err := mime.ParseMediaType(p.Header.Get("Content-Type"))
		if err != nil || p.Header.Get("Content-Transfer-Encoding") != "quoted-printable" {
			t.Fatalf("a part's headers are %v, %v", p.Header, err)
		}
		text, err := io.ReadAll(quotedprintable.NewReader(p))
		if err != nil {
			t.Fatal(err)
		}
		out[kind] = string(text)
	}
}

func TestSendRefused(t *testing.T) {
	s := mailtest.Start(t, mail.StartTLS)
	letterTo := func(to string) mail.Message { return mail.Message{To: to, Subject: "s", Text: "t"} }
	send := func(c mail.Config, m mail.Message) error {
		t.Helper()
		sender, err := mail.New(c)
		if err != nil {
			t.Fatal(err)
		}
		return sender.Send(t.Context(), m)
	}
	good := s.Config(mail.StartTLS)
	wrongPassword, wrongRoots, plainServer := good, good, mailtest.Start(t, mail.Plain).Config(mail.StartTLS)
	wrongPassword.Password = "guess"
	wrongRoots.TLS = nil
	gone := good
	gone.Port = 1
	for name, c := range map[string]struct {
		config    mail.Config
		message   mail.Message
		permanent bool
	}{
		"an unknown mailbox":       {good, letterTo("nobody@example.org"), true},
		"a full mailbox":           {good, letterTo("later@example.org"), false},
		"a wrong password":         {wrongPassword, letterTo("anna@example.org"), false},
		"a stranger's certificate": {wrongRoots, letterTo("anna@example.org"), false},
		"no STARTTLS":              {plainServer, letterTo("anna@example.org"), false},
		"no server":                {gone, letterTo("anna@example.org"), false},
		"no address":               {good, letterTo("anna"), true},
		"a header in the subject":  {good, mail.Message{To: "a@example.org", Subject: "x\r\nBcc: eve@example.org", Text: "t"}, true},
		"a header in the address":  {good, letterTo("a@example.org\r\nBcc: eve@example.org"), true},
		"a header in the list":     {good, mail.Message{To: "a@example.org", Subject: "s", Text: "t", List: "x>\r\nBcc: e@example.org"}, true},
		"a script to unsubscribe":  {good, mail.Message{To: "a@example.org", Subject: "s", Text: "t", Unsubscribe: "javascript:alert(1)"}, true},
		"no text":                  {good, mail.Message{To: "a@example.org", Subject: "s"}, true},
		"too much":                 {good, mail.Message{To: "a@example.org", Subject: "s", Text: strings.Repeat("x", mail.MaxBody+1)}, true},
	} {
		err := send(c.config, c.message)
		if err == nil || !strings.HasPrefix(err.Error(), "cannot send mail") || mail.Permanent(err) != c.permanent {
			t.Errorf("%s: found %v, permanent %v", name, err, mail.Permanent(err))
		}
		if err != nil && strings.Contains(err.Error(), "guess") {
			t.Errorf("%s: the error tells the password: %v", name, err)
		}
	}
	if n := s.Count(); n != 0 {
		t.Errorf("%d letters went out", n)
	}
}

func TestNotSetUp(t *testing.T) {
	var s *mail.Sender
	if err := s.Send(t.Context(), mail.Message{}); s.Ready() || !errors.Is(err, mail.ErrNotSetUp) || !mail.Permanent(err) {
		t.Errorf("found %v, %v", s.Ready(), err)
	}
}

func TestConfig(t *testing.T) {
	good := mail.Config{Host: "smtp.example.org", From: "Friday <friday@example.org>"}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	for word, change := range map[string]func(c *mail.Config){
		"host":     func(c *mail.Config) { c.Host = "" },
		"port":     func(c *mail.Config) { c.Port = 70000 },
		"security": func(c *mail.Config) { c.Security = "ssl" },
		"relay":    func(c *mail.Config) { c.Security = mail.Plain },
		"from":     func(c *mail.Config) { c.From = "friday" },
		"password": func(c *mail.Config) { c.User = "friday" },
	} {
		c := good
		change(&c)
		if err := c.Check(); err == nil || !strings.Contains(err.Error(), word) {
			t.Errorf("%s: found %v", word, err)
		}
	}
}

func TestCheckAddress(t *testing.T) {
	for in, want := range map[string]string{
		" Anna@Example.ORG ": "Anna@example.org", "a.b+c@mail.example.org": "a.b+c@mail.example.org", "o'hara@bücher.example": "o'hara@xn--bcher-kva.example",
		"": "", "anna": "", "@example.org": "", "anna@": "", "anna@localhost": "", "a b@example.org": "", `"a b"@example.org`: "", "anna@example.org,bo@example.org": "",
		"Anna <anna@example.org>": "", "anna@example..org": "", "anna@-x.org": "", "a..b@example.org": "", ".a@example.org": "", "a@[127.0.0.1]": "", "ånna@example.org": "",
		"a@example.org\nBcc: b@example.org": "", strings.Repeat("x", 65) + "@example.org": "", "a@" + strings.Repeat("x.", 130) + "org": "", "a@example.org.": "", "a@b\x81ü.org": "",
	} {
		got, err := mail.CheckAddress(in)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%q: found %q, %v", in, got, err)
		}
	}
}

func FuzzCheckAddress(f *testing.F) {
	for _, seed := range []string{"anna@example.org", "a@bücher.example", "a@b@c.d", "a@例え.テスト", "x\r\n@y.z", "(c)a@b.c"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		address, err := mail.CheckAddress(text)
		if err != nil {
			return
		}
		if again, err := mail.CheckAddress(address); err != nil || again != address {
			t.Errorf("%q became %q, and that %q, %v", text, address, again, err)
		}
		if len(address) > mail.MaxAddress || strings.ContainsAny(address, "\r\n <>,;") && !strings.ContainsAny(text, ";") {
			t.Errorf("%q became %q", text, address)
		}
	})
}
