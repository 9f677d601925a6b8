package mail

import (
	"crypto/rand"
	"fmt"
	netmail "net/mail"
	"strings"
	"unicode/utf8"

	"golang.org/x/net/idna"
)

// MaxAddress is the longest address, in bytes (RFC 5321, 4.5.3.1, and its erratum 1690).
const MaxAddress = 254

// CheckAddress returns an address as it is kept: without a name or spaces, its
// domain in lower case and in ASCII (IDNA). It does not ask the domain. A
// local part beyond ASCII is refused: few servers deliver to it (RFC 6531).
func CheckAddress(text string) (string, error) {
	bad := func(why string) (string, error) {
		return "", fmt.Errorf("cannot use address %.80q: %s, expected one such as anna@example.org", text, why)
	}
	text = strings.TrimSpace(text)
	if len(text) > MaxAddress {
		return bad("it is too long")
	}
	at := strings.LastIndexByte(text, '@')
	if at < 1 {
		return bad("it has no @ between name and domain")
	}
	local, domain := text[:at], text[at+1:]
	for i := range len(local) {
		if c := local[i]; c <= ' ' || c >= 0x7f || c == '"' {
			return bad("the part before @ has something other than letters, digits and signs")
		}
	}
	if len(local) > 64 {
		return bad("the part before @ is too long")
	}
	domain, err := idna.Lookup.ToASCII(domain)
	if again, err2 := idna.Lookup.ToASCII(domain); err != nil || err2 != nil || again != domain || !utf8.ValidString(text) || !strings.Contains(domain, ".") || strings.HasSuffix(domain, ".") {
		return bad("the part after @ is no domain")
	}
	address := local + "@" + strings.ToLower(domain)
	parsed, err := netmail.ParseAddress(address)
	if err != nil || parsed.Address != address || parsed.Name != "" || len(address) > MaxAddress {
		return bad("it is not written as addresses are")
	}
	return address, nil
}

// AddressKey is what two addresses of one mailbox have in common. Servers may
// tell Anna@ from anna@; none that people use do.
func AddressKey(address string) string { return strings.ToLower(address) }

func newID(domain string) string {
	if domain == "" {
		domain = "localhost"
	}
	return rand.Text() + "@" + domain
}
