package keys

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

const (
	ticketBlock   = "FRIDAY TICKET KEY"
	ticketPurpose = "ticket"
	ticketMax     = 16 << 10 // bytes of text that Verify looks at
)

// Ticket signs what `friday serve` gives to handsets and reads back, with
// HMAC-SHA256: only the server itself has to believe it.
type Ticket struct {
	root    [32]byte
	key     [32]byte
	purpose string
	tags    sync.Pool // of hash.Hash with the key in: putting it in costs as much as a short body
}

// OpenTicket reads the key at path, and makes it when it is missing. Several
// nodes that serve one site need the same file.
func OpenTicket(path string) (*Ticket, error) {
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := makeTicket(path); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, err
		}
	} else if err != nil {
		return nil, fmt.Errorf("cannot open ticket key: %w", err)
	}
	if err := checkMode(path, 0o600); err != nil {
		return nil, err
	}
	block, err := readPEM(path)
	if err != nil {
		return nil, err
	}
	if block.Type != ticketBlock || len(block.Bytes) != 32 {
		return nil, fmt.Errorf("cannot read ticket key %s: found a %q block of %d bytes, expected %q of 32", path, block.Type, len(block.Bytes), ticketBlock)
	}
	return newTicket([32]byte(block.Bytes), ticketPurpose), nil
}

func makeTicket(path string) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("cannot make ticket key: %w", err)
	}
	var key [32]byte
	_, _ = rand.Read(key[:]) // never fails
	return writePEM(path, ticketBlock, key[:])
}

func newTicket(root [32]byte, purpose string) *Ticket {
	h := hmac.New(sha256.New, root[:])
	h.Write([]byte("friday purpose 1\x00" + purpose))
	t := &Ticket{root: root, key: [32]byte(h.Sum(nil)), purpose: purpose}
	t.tags.New = func() any { return hmac.New(sha256.New, t.key[:]) }
	return t
}

// For gives the key of another purpose: what is signed for one is refused for
// every other, so that a ticket is no use as an offer's token. OpenTicket's own
// purpose is "ticket".
func (t *Ticket) For(purpose string) *Ticket { return newTicket(t.root, purpose) }

// tag appends the tag of body to b.
func (t *Ticket) tag(b, body []byte) []byte {
	h := t.tags.Get().(hash.Hash)
	defer t.tags.Put(h)
	h.Reset()
	h.Write(body)
	return h.Sum(b)
}

// Sign returns body with its tag, as text that fits into a URL or a header.
// The body can be read by whoever holds the text.
func (t *Ticket) Sign(body []byte) string {
	whole := t.tag(make([]byte, 0, sha256.Size+len(body)), body)
	return base64.RawURLEncoding.EncodeToString(append(whole, body...))
}

// Hash is a number for body that nobody without the key can tell, nor find a body
// for: two bodies have the same one once in 2^64.
func (t *Ticket) Hash(body []byte) uint64 {
	var tag [sha256.Size]byte
	return binary.BigEndian.Uint64(t.tag(tag[:0], body))
}

// Verify returns the body of what Sign returned. It takes the same time
// whatever is wrong with the tag.
func (t *Ticket) Verify(text string) ([]byte, error) {
	if len(text) > ticketMax {
		return nil, fmt.Errorf("cannot accept %s: it has %d bytes, at most %d are allowed", t.purpose, len(text), ticketMax)
	}
	// There is one text for a body, so that a token that was used can be told by
	// its text: no spare bits, and none of the line ends that base64 skips.
	b, err := base64.RawURLEncoding.Strict().DecodeString(text)
	if err != nil || len(b) < sha256.Size || strings.ContainsAny(text, "\r\n") {
		return nil, fmt.Errorf("cannot accept %s: it is not one of ours (not base64url of a tag and a body)", t.purpose)
	}
	tag, body := b[:sha256.Size], b[sha256.Size:]
	if !hmac.Equal(tag, t.tag(nil, body)) {
		return nil, fmt.Errorf("cannot accept %s: its tag is wrong: it was changed, is for another purpose, or is from another server", t.purpose)
	}
	return body, nil
}
