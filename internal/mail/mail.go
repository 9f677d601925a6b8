// Package mail sends mail through one SMTP server (RFC 5321), over STARTTLS
// (RFC 3207) or TLS from the first byte (RFC 8314).
//
// A nil *Sender means that mail is not set up: whoever would send asks Ready
// first and offers another way. The package holds no letters (the rooms that
// write them do), keeps nothing, and does not try again: jobs do, unless
// Permanent says that it is of no use.
package mail

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	netmail "net/mail"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"

	gomail "github.com/wneessen/go-mail"
)

// How the connection is protected.
const (
	StartTLS = "starttls" // asked for after the greeting, and required; port 587 unless given
	TLS      = "tls"      // from the first byte; port 465 unless given
	Plain    = "none"     // only for a relay on this machine; port 25 unless given
)

// Config says by which server mail leaves.
type Config struct {
	Host     string
	Port     int           // 0: the usual one of Security
	Security string        // StartTLS unless given
	User     string        // empty: the server asks for none
	Password string        // of User
	From     string        // "Friday <friday@os.example.org>"
	Timeout  time.Duration // of a connection with all it sends; 0: 30 s
	TLS      *tls.Config   // nil: the system's roots, and Host's name
}

// Check says what is wrong with c.
func (c Config) Check() error {
	_, err := c.options()
	return err
}

// Message is one mail to one person.
type Message struct {
	To      string // an address, as CheckAddress returns it
	Subject string // one line, at most MaxSubject bytes
	Text    string // plain text with \n
	HTML    string // the same for who prefers it; may be empty

	// Unsubscribe is an https address that takes a POST without more questions
	// (RFC 8058); empty for letters that nobody subscribed to.
	Unsubscribe string
	// List names what the letter belongs to ("thread-41.os.example.org", RFC 2919); may be empty.
	List string
	// ID and InReplyTo are Message-IDs without their brackets; a mail program
	// shows what replies to one ID as one conversation. An empty ID is made up.
	ID, InReplyTo string
}

// Largest parts of a message, in bytes.
const (
	MaxSubject = 500
	MaxBody    = 1 << 20
)

// Sender sends mail. It may be used by many at once; each Send is a connection.
type Sender struct {
	config  Config
	options []gomail.Option
	from    *netmail.Address
}

// New makes a sender. It does not connect.
func New(c Config) (*Sender, error) {
	options, err := c.options()
	if err != nil {
		return nil, err
	}
	from, err := netmail.ParseAddress(c.From)
	if err != nil { // options has checked it
		return nil, err
	}
	return &Sender{c, options, from}, nil
}

// Ready tells whether mail is set up: it is not for a nil Sender.
func (s *Sender) Ready() bool { return s != nil }

// ErrNotSetUp is returned by Send of a nil Sender.
var ErrNotSetUp = errors.New("mail is not set up; friday.yaml names no mail server")

func (c Config) options() ([]gomail.Option, error) {
	bad := func(format string, args ...any) ([]gomail.Option, error) {
		return nil, fmt.Errorf("cannot set up mail: "+format, args...)
	}
	if c.Host == "" || strings.ContainsFunc(c.Host, func(r rune) bool { return r <= ' ' || r == '/' || r == '@' }) {
		return bad("host is %q, expected the name of an SMTP server", c.Host)
	}
	if c.Port < 0 || c.Port > 65535 {
		return bad("port is %d, expected 1 to 65535", c.Port)
	}
	if _, err := netmail.ParseAddress(c.From); err != nil {
		return bad("from is %q, expected an address such as \"Friday <friday@os.example.org>\"", c.From)
	}
	if (c.User == "") != (c.Password == "") {
		return bad("user and password belong together, and one of them is missing")
	}
	if c.Timeout <= 0 {
		c.Timeout = 30 * time.Second
	}
	settings := c.TLS
	if settings == nil {
		settings = &tls.Config{ServerName: c.Host, MinVersion: tls.VersionTLS12}
	}
	options := []gomail.Option{gomail.WithTimeout(c.Timeout), gomail.WithTLSConfig(settings), gomail.WithoutSMTPUTF8()}
	port := c.Port
	usual := func(p int) {
		if port == 0 {
			port = p
		}
	}
	switch c.Security {
	case StartTLS, "":
		usual(587)
		options = append(options, gomail.WithTLSPolicy(gomail.TLSMandatory))
	case TLS:
		usual(465)
		options = append(options, gomail.WithSSL())
	case Plain:
		usual(25)
		if !local(c.Host) {
			return bad("security is %q for host %q, expected starttls or tls; without them only a relay on this machine is used", c.Security, c.Host)
		}
		options = append(options, gomail.WithTLSPolicy(gomail.NoTLS))
	default:
		return bad("security is %q, expected starttls, tls or none", c.Security)
	}
	options = append(options, gomail.WithPort(port))
	if c.User != "" {
		auth := gomail.SMTPAuthAutoDiscover
		if c.Security == Plain { // the other side is this machine
			auth = gomail.SMTPAuthPlainNoEnc
		}
		options = append(options, gomail.WithUsername(c.User), gomail.WithPassword(c.Password), gomail.WithSMTPAuth(auth))
	}
	return options, nil
}

func local(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

// Send hands m to the server, which has taken it when Send returns nil.
func (s *Sender) Send(ctx context.Context, m Message) error {
	if s == nil {
		return fmt.Errorf("cannot send mail: %w", ErrNotSetUp)
	}
	letter, err := s.letter(m)
	if err != nil {
		return fmt.Errorf("cannot send mail: %w", err)
	}
	client, err := gomail.NewClient(s.config.Host, s.options...)
	if err != nil {
		return fmt.Errorf("cannot send mail: %w", err)
	}
	if err := client.DialAndSendWithContext(ctx, letter); err != nil {
		var sent *gomail.SendError
		if errors.As(err, &sent) && sent.ErrorCode() >= 500 && slices.Contains([]gomail.SendErrReason{gomail.ErrSMTPRcptTo, gomail.ErrSMTPData, gomail.ErrSMTPDataClose}, sent.Reason) {
			err = refused{err}
		}
		return fmt.Errorf("cannot send mail through %s: %w", s.config.Host, err)
	}
	return nil
}

type refused struct{ error }

func (r refused) Unwrap() error { return r.error }

// Permanent tells whether an error of Send stays the same however often it is
// tried: the message is wrong, or the server has refused the recipient for good.
func Permanent(err error) bool {
	var r refused
	return errors.As(err, &r) || errors.Is(err, errMessage) || errors.Is(err, ErrNotSetUp)
}

var errMessage = errors.New("the message cannot be sent")

func (s *Sender) letter(m Message) (*gomail.Msg, error) {
	wrong := func(format string, args ...any) (*gomail.Msg, error) {
		return nil, fmt.Errorf("%w: "+format, append([]any{errMessage}, args...)...)
	}
	to, err := CheckAddress(m.To)
	if err != nil {
		return wrong("%w", err)
	}
	for _, f := range []struct{ name, value string }{{"subject", m.Subject}, {"list", m.List}, {"id", m.ID}, {"in-reply-to", m.InReplyTo}} {
		if len(f.value) > MaxSubject || strings.ContainsFunc(f.value, unicode.IsControl) {
			return wrong("its %s has %d bytes or a line break, expected one line of at most %d bytes", f.name, len(f.value), MaxSubject)
		}
	}
	if m.Subject == "" || m.Text == "" || len(m.Text)+len(m.HTML) > MaxBody {
		return wrong("expected a subject and a text, at most %d bytes with the HTML", MaxBody)
	}
	letter := gomail.NewMsg(gomail.WithNoDefaultUserAgent())
	letter.FromMailAddress(s.from)
	letter.ToMailAddress(&netmail.Address{Address: to})
	letter.Subject(m.Subject)
	letter.SetDate()
	letter.SetBodyString(gomail.TypeTextPlain, m.Text)
	if m.HTML != "" {
		letter.AddAlternativeString(gomail.TypeTextHTML, m.HTML)
	}
	letter.SetGenHeader("Auto-Submitted", "auto-generated") // RFC 3834: no holiday notice comes back
	letter.SetGenHeader("X-Auto-Response-Suppress", "All")
	if m.Unsubscribe != "" {
		u, err := url.Parse(m.Unsubscribe)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || strings.ContainsAny(m.Unsubscribe, "<>\r\n ") {
			return wrong("unsubscribe is %q, expected an https address", m.Unsubscribe)
		}
		letter.SetGenHeaderPreformatted(gomail.HeaderListUnsubscribe, "<"+m.Unsubscribe+">")
		letter.SetGenHeader(gomail.HeaderListUnsubscribePost, "List-Unsubscribe=One-Click")
	}
	if m.List != "" {
		letter.SetGenHeaderPreformatted("List-Id", "<"+m.List+">")
	}
	if m.ID != "" {
		letter.SetMessageIDWithValue(m.ID)
	} else {
		_, domain, _ := strings.Cut(s.from.Address, "@")
		letter.SetMessageIDWithValue(newID(domain))
	}
	if m.InReplyTo != "" {
		letter.SetGenHeaderPreformatted(gomail.HeaderInReplyTo, "<"+m.InReplyTo+">")
		letter.SetGenHeaderPreformatted(gomail.HeaderReferences, "<"+m.InReplyTo+">")
	}
	return letter, nil
}
