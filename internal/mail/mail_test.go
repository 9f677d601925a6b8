package mail

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"io"
	"math/big"
	"mime"
	"mime/multipart"
	"mime/quotedprintable"
	"net"
	netmail "net/mail"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"
)

// server is a real SMTP server on loopback that keeps what it is sent.
type server struct {
	mu      sync.Mutex
	letters []letter
	port    int
	roots   *tls.Config
}

type letter struct {
	from, to string
	user     string
	secure   bool
	body     []byte
}

type session struct {
	s        *server
	c        *smtp.Conn
	user     string
	from, to string
}

func (s *session) AuthMechanisms() []string { return []string{sasl.Plain} }

func (s *session) Auth(string) (sasl.Server, error) {
	return sasl.NewPlainServer(func(_, user, password string) error {
		if user != "friday" || password != "secret" {
			return &smtp.SMTPError{Code: 535, EnhancedCode: smtp.EnhancedCode{5, 7, 8}, Message: "wrong"}
		}
		s.user = user
		return nil
	}), nil
}

func (s *session) Mail(from string, _ *smtp.MailOptions) error { s.from = from; return nil }

func (s *session) Rcpt(to string, _ *smtp.RcptOptions) error {
	switch {
	case strings.HasPrefix(to, "nobody@"):
		return &smtp.SMTPError{Code: 550, EnhancedCode: smtp.EnhancedCode{5, 1, 1}, Message: "no such mailbox"}
	case strings.HasPrefix(to, "later@"):
		return &smtp.SMTPError{Code: 450, EnhancedCode: smtp.EnhancedCode{4, 2, 1}, Message: "try again"}
	}
	s.to = to
	return nil
}

func (s *session) Data(r io.Reader) error {
	body, err := io.ReadAll(r)
	if err != nil {
		return err
	}
	_, secure := s.c.TLSConnectionState()
	s.s.mu.Lock()
	defer s.s.mu.Unlock()
	s.s.letters = append(s.s.letters, letter{s.from, s.to, s.user, secure, body})
	return nil
}

func (s *session) Reset()        { s.from, s.to = "", "" }
func (s *session) Logout() error { return nil }

// start starts a server that offers STARTTLS, or speaks TLS at once, or neither.
func start(t *testing.T, security string) *server {
	t.Helper()
	cert, roots := certificate(t)
	s := &server{roots: &tls.Config{RootCAs: roots, ServerName: "localhost", MinVersion: tls.VersionTLS12}}
	srv := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) { return &session{s: s, c: c}, nil }))
	srv.Domain, srv.ReadTimeout, srv.WriteTimeout, srv.ErrorLog = "localhost", 10*time.Second, 10*time.Second, discard{}
	srv.AllowInsecureAuth = security == Plain
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.port = l.Addr().(*net.TCPAddr).Port
	settings := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	switch security {
	case StartTLS:
		srv.TLSConfig = settings
	case TLS:
		l = tls.NewListener(l, settings)
	}
	done := make(chan struct{})
	go func() { defer close(done); _ = srv.Serve(l) }()
	t.Cleanup(func() { srv.Close(); <-done })
	return s
}

type discard struct{}

func (discard) Printf(string, ...any) {}
func (discard) Println(...any)        {}

func certificate(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "localhost"}, DNSNames: []string{"localhost"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour), IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	pool := x509.NewCertPool()
	pool.AddCert(parsed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

func (s *server) config(security string) Config {
	return Config{Host: "localhost", Port: s.port, Security: security, User: "friday", Password: "secret",
		From: "Friday <friday@os.example.org>", TLS: s.roots, Timeout: 10 * time.Second}
}

func (s *server) last(t *testing.T, want int) letter {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.letters) != want {
		t.Fatalf("the server has %d letters, expected %d", len(s.letters), want)
	}
	return s.letters[want-1]
}

func TestSend(t *testing.T) {
	for _, security := range []string{StartTLS, TLS, Plain} {
		t.Run(security, func(t *testing.T) {
			s := start(t, security)
			sender, err := New(s.config(security))
			if err != nil {
				t.Fatal(err)
			}
			m := Message{To: "anna@例え.example.org", Subject: "确认 — confirm", Text: "नमस्ते\nhttps://os.example.org/me/mail?code=" + strings.Repeat("X", 90) + "\n.\nend\n",
				HTML: "<p>नमस्ते</p>", Unsubscribe: "https://os.example.org/u?t=abc", List: "thread-41.os.example.org", ID: "41.2@os.example.org", InReplyTo: "41.1@os.example.org"}
			if err := sender.Send(t.Context(), m); err != nil {
				t.Fatal(err)
			}
			got := s.last(t, 1)
			if got.from != "friday@os.example.org" || got.to != "anna@xn--r8jz45g.example.org" || got.user != "friday" || got.secure != (security != Plain) {
				t.Errorf("it came from %q to %q by %q, over TLS: %v", got.from, got.to, got.user, got.secure)
			}
			parsed, err := netmail.ReadMessage(bytes.NewReader(got.body))
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
	s := start(t, StartTLS)
	letterTo := func(to string) Message { return Message{To: to, Subject: "s", Text: "t"} }
	send := func(c Config, m Message) error {
		t.Helper()
		sender, err := New(c)
		if err != nil {
			t.Fatal(err)
		}
		return sender.Send(t.Context(), m)
	}
	good := s.config(StartTLS)
	wrongPassword, wrongRoots, plainServer := good, good, start(t, Plain).config(StartTLS)
	wrongPassword.Password = "guess"
	wrongRoots.TLS = nil
	gone := good
	gone.Port = 1
	for name, c := range map[string]struct {
		config    Config
		message   Message
		permanent bool
	}{
		"an unknown mailbox":       {good, letterTo("nobody@example.org"), true},
		"a full mailbox":           {good, letterTo("later@example.org"), false},
		"a wrong password":         {wrongPassword, letterTo("anna@example.org"), false},
		"a stranger's certificate": {wrongRoots, letterTo("anna@example.org"), false},
		"no STARTTLS":              {plainServer, letterTo("anna@example.org"), false},
		"no server":                {gone, letterTo("anna@example.org"), false},
		"no address":               {good, letterTo("anna"), true},
		"a header in the subject":  {good, Message{To: "a@example.org", Subject: "x\r\nBcc: eve@example.org", Text: "t"}, true},
		"a header in the address":  {good, letterTo("a@example.org\r\nBcc: eve@example.org"), true},
		"a header in the list":     {good, Message{To: "a@example.org", Subject: "s", Text: "t", List: "x>\r\nBcc: e@example.org"}, true},
		"a script to unsubscribe":  {good, Message{To: "a@example.org", Subject: "s", Text: "t", Unsubscribe: "javascript:alert(1)"}, true},
		"no text":                  {good, Message{To: "a@example.org", Subject: "s"}, true},
		"too much":                 {good, Message{To: "a@example.org", Subject: "s", Text: strings.Repeat("x", MaxBody+1)}, true},
	} {
		err := send(c.config, c.message)
		if err == nil || !strings.HasPrefix(err.Error(), "cannot send mail") || Permanent(err) != c.permanent {
			t.Errorf("%s: found %v, permanent %v", name, err, Permanent(err))
		}
		if err != nil && strings.Contains(err.Error(), "guess") {
			t.Errorf("%s: the error tells the password: %v", name, err)
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.letters) != 0 {
		t.Errorf("%d letters went out", len(s.letters))
	}
}

func TestNotSetUp(t *testing.T) {
	var s *Sender
	if err := s.Send(t.Context(), Message{}); s.Ready() || !errors.Is(err, ErrNotSetUp) || !Permanent(err) {
		t.Errorf("found %v, %v", s.Ready(), err)
	}
}

func TestConfig(t *testing.T) {
	good := Config{Host: "smtp.example.org", From: "Friday <friday@example.org>"}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	for word, change := range map[string]func(c *Config){
		"host":     func(c *Config) { c.Host = "" },
		"port":     func(c *Config) { c.Port = 70000 },
		"security": func(c *Config) { c.Security = "ssl" },
		"relay":    func(c *Config) { c.Security = Plain },
		"from":     func(c *Config) { c.From = "friday" },
		"password": func(c *Config) { c.User = "friday" },
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
		got, err := CheckAddress(in)
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
		address, err := CheckAddress(text)
		if err != nil {
			return
		}
		if again, err := CheckAddress(address); err != nil || again != address {
			t.Errorf("%q became %q, and that %q, %v", text, address, again, err)
		}
		if len(address) > MaxAddress || strings.ContainsAny(address, "\r\n <>,;") && !strings.ContainsAny(text, ";") {
			t.Errorf("%q became %q", text, address)
		}
	})
}
