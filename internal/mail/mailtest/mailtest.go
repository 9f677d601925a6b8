// Package mailtest is a real SMTP server on loopback (emersion/go-smtp) that
// keeps what it is sent: for tests of whatever sends mail.
package mailtest

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/emersion/go-sasl"
	"github.com/emersion/go-smtp"

	"github.com/fridayos/friday/internal/mail"
)

// Server is the server. It refuses nobody@ for good, and later@ for now.
type Server struct {
	mu      sync.Mutex
	letters []Letter
	port    int
	roots   *tls.Config
}

// Letter is one mail that it took.
type Letter struct {
	From, To string // of the envelope
	User     string // who signed in
	Secure   bool   // it came over TLS
	Body     []byte // with its headers
}

type session struct {
	s        *Server
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
	s.s.letters = append(s.s.letters, Letter{s.from, s.to, s.user, secure, body})
	return nil
}

func (s *session) Reset()        { s.from, s.to = "", "" }
func (s *session) Logout() error { return nil }

// Start starts a server that offers STARTTLS, or speaks TLS at once, or neither:
// mail.StartTLS, mail.TLS, mail.Plain. It takes the user friday with the password secret.
func Start(t *testing.T, security string) *Server {
	t.Helper()
	cert, roots := certificate(t)
	s := &Server{roots: &tls.Config{RootCAs: roots, ServerName: "localhost", MinVersion: tls.VersionTLS12}}
	srv := smtp.NewServer(smtp.BackendFunc(func(c *smtp.Conn) (smtp.Session, error) { return &session{s: s, c: c}, nil }))
	srv.Domain, srv.ReadTimeout, srv.WriteTimeout, srv.ErrorLog = "localhost", 10*time.Second, 10*time.Second, discard{}
	srv.AllowInsecureAuth = security == mail.Plain
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s.port = l.Addr().(*net.TCPAddr).Port
	settings := &tls.Config{Certificates: []tls.Certificate{cert}, MinVersion: tls.VersionTLS12}
	switch security {
	case mail.StartTLS:
		srv.TLSConfig = settings
	case mail.TLS:
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

// Config is what a sender needs to reach it.
func (s *Server) Config(security string) mail.Config {
	return mail.Config{Host: "localhost", Port: s.port, Security: security, User: "friday", Password: "secret",
		From: "Friday <friday@os.example.org>", TLS: s.roots, Timeout: 10 * time.Second}
}

// Last returns the newest of want letters; it fails the test if there are not so many.
func (s *Server) Last(t *testing.T, want int) Letter {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.letters) != want {
		t.Fatalf("the server has %d letters, expected %d", len(s.letters), want)
	}
	return s.letters[want-1]
}

// All are the letters that it took, in order.
func (s *Server) All() []Letter {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Letter(nil), s.letters...)
}

// Count is how many letters it took.
func (s *Server) Count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.letters)
}
