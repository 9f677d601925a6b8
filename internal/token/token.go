// Package token keeps the keys by which programs act for a member at the API:
// each has a name, scopes, an end, and the time of its last use. A token opens
// no page and no account: it cannot change a password, a role or a token.
//
// It does not know the API: what a scope lets do is said there, and a scope
// never gives more than the member's own roles do. A token is kept hashed; it is
// shown once.
package token

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/fridayos/friday/internal/audit"
	"github.com/fridayos/friday/internal/db"
)

// Scope is what a token may be used for.
type Scope string

// The scopes. Each is given by itself: Write does not contain Read.
const (
	Read     Scope = "read"     // what the member sees, and what is asked of them
	Write    Scope = "write"    // threads, posts, votes, answers
	Moderate Scope = "moderate" // what the member's role as maintainer or moderator allows
)

// Scopes lists all scopes.
func Scopes() []Scope { return []Scope{Read, Write, Moderate} }

// Token is one key, without its secret.
type Token struct {
	ID        int64
	MemberID  int64
	Name      string
	Hint      string // the last four characters of the secret
	Scopes    []Scope
	CreatedAt time.Time
	ExpiresAt time.Time // zero: never
	UsedAt    time.Time // zero: never; no more exact than an hour
	Stale     bool      // call Touch
}

// May tells whether the token has a scope.
func (t Token) May(s Scope) bool { return slices.Contains(t.Scopes, s) }

// Over tells whether the token's time has passed.
func (t Token) Over(now time.Time) bool { return !t.ExpiresAt.IsZero() && !now.Before(t.ExpiresAt) }

// Limits of what a member makes.
const (
	MaxTokens = 30
	MaxName   = 60                   // characters
	MaxLife   = 366 * 24 * time.Hour // of a token that ends
	touchAge  = time.Hour
)

// ErrNotFound is returned, wrapped, for a token that is unknown, ended or revoked.
var ErrNotFound = errors.New("no such token")

// Invalid is a mistake in what a member wrote; Reason is fit to be shown.
type Invalid struct{ Field, Reason string }

func (e *Invalid) Error() string { return "cannot use this " + e.Field + ": " + e.Reason }

// A token is prefix, 32 random bytes in base64url and six digits of a checksum,
// so that scanners for lost secrets can know one without asking.
const (
	prefix   = "friday_"
	secretAt = len(prefix)
	sumAt    = secretAt + 43
	size     = sumAt + 6
)

func newSecret() string {
	raw := make([]byte, 32)
	rand.Read(raw) // never fails
	text := prefix + base64.RawURLEncoding.EncodeToString(raw)
	return text + checksum(text)
}

func checksum(text string) string {
	return fmt.Sprintf("%06x", crc32.ChecksumIEEE([]byte(text))&0xffffff)
}

// New makes a token of a member's and returns its secret, which is not kept.
// life is how long it lasts; 0: until it is revoked.
func New(tx *db.Tx, memberID int64, memberName, name string, scopes []Scope, life time.Duration) (Token, string, error) {
	name = strings.Join(strings.Fields(name), " ")
	switch n := utf8.RuneCountInString(name); {
	case n == 0 || n > MaxName || strings.ContainsFunc(name, func(r rune) bool { return unicode.IsControl(r) || r == utf8.RuneError }):
		return Token{}, "", &Invalid{"name", fmt.Sprintf("it must have 1 to %d characters, such as \"build bot\"", MaxName)}
	case len(scopes) == 0:
		return Token{}, "", &Invalid{"scopes", "choose at least one"}
	case life < 0 || life > MaxLife:
		return Token{}, "", &Invalid{"life", fmt.Sprintf("at most %d days", int(MaxLife.Hours()/24))}
	}
	var kept []Scope
	for _, s := range Scopes() { // in order, each once
		if slices.Contains(scopes, s) {
			kept = append(kept, s)
		}
	}
	for _, s := range scopes {
		if !slices.Contains(Scopes(), s) {
			return Token{}, "", &Invalid{"scopes", fmt.Sprintf("there is no scope %.40q", s)}
		}
	}
	if _, err := tx.Exec("DELETE FROM api_tokens WHERE member_id = $1 AND expires_at <> 0 AND expires_at <= $2", memberID, tx.Now().Add(-30*24*time.Hour)); err != nil {
		return Token{}, "", fmt.Errorf("cannot make token: %w", err)
	}
	var count int
	if err := tx.QueryRow("SELECT COUNT(*) FROM api_tokens WHERE member_id = $1", memberID).Scan(&count); err != nil {
		return Token{}, "", fmt.Errorf("cannot make token: %w", err)
	}
	if count >= MaxTokens {
		return Token{}, "", &Invalid{"name", fmt.Sprintf("you have %d tokens, the most there may be; revoke one first", count)}
	}
	secret := newSecret()
	t := Token{ID: db.NewID(), MemberID: memberID, Name: name, Hint: secret[len(secret)-4:], Scopes: kept, CreatedAt: tx.Now()}
	if life > 0 {
		t.ExpiresAt = tx.Now().Add(life)
	}
	if _, err := tx.Exec(`INSERT INTO api_tokens (id, member_id, name, token_hash, hint, scopes, created_at, expires_at, used_at)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, 0)`, t.ID, memberID, name, hash(secret), t.Hint, join(kept), t.CreatedAt, t.ExpiresAt); err != nil {
		return Token{}, "", fmt.Errorf("cannot make token: %w", err)
	}
	return t, secret, record(tx, memberID, memberName, "token.add", t)
}

func record(tx *db.Tx, memberID int64, memberName, action string, t Token) error {
	return audit.Record(tx, audit.Event{ActorID: memberID, Actor: memberName, Action: action, Subject: fmt.Sprintf("token %d of %s", t.ID, memberName)})
}

func join(scopes []Scope) string {
	var all []string
	for _, s := range scopes {
		all = append(all, string(s))
	}
	return strings.Join(all, " ")
}

const columns = "id, member_id, name, hint, scopes, created_at, expires_at, used_at"

func scan(s db.Scanner) (t Token, err error) {
	var scopes string
	err = s.Scan(&t.ID, &t.MemberID, &t.Name, &t.Hint, &scopes, &t.CreatedAt, &t.ExpiresAt, &t.UsedAt)
	for _, s := range strings.Fields(scopes) {
		t.Scopes = append(t.Scopes, Scope(s))
	}
	return t, err
}

// BySecret finds the token that a program shows; ErrNotFound if there is none
// or its time has passed. It only reads: if the token is Stale, call Touch.
func BySecret(tx *db.Tx, secret string) (Token, error) {
	if len(secret) != size || !strings.HasPrefix(secret, prefix) || secret[sumAt:] != checksum(secret[:sumAt]) {
		return Token{}, fmt.Errorf("cannot find token: %w", ErrNotFound)
	}
	t, err := scan(tx.QueryRow("SELECT "+columns+" FROM api_tokens WHERE token_hash = $1", hash(secret)))
	if errors.Is(err, db.ErrNoRows) || err == nil && t.Over(tx.Now()) {
		err = ErrNotFound
	}
	if err != nil {
		return Token{}, fmt.Errorf("cannot find token: %w", err)
	}
	t.Stale = tx.Now().Sub(t.UsedAt) > touchAge
	return t, nil
}

// Touch notes that a token is in use.
func Touch(tx *db.Tx, id int64) error {
	if _, err := tx.Exec("UPDATE api_tokens SET used_at = $2 WHERE id = $1", id, tx.Now()); err != nil {
		return fmt.Errorf("cannot note the use of a token: %w", err)
	}
	return nil
}

// List lists a member's tokens, the newest first; those whose time has passed too.
func List(tx *db.Tx, memberID int64) ([]Token, error) {
	all, err := db.All(tx, scan, "SELECT "+columns+" FROM api_tokens WHERE member_id = $1 ORDER BY id DESC", memberID)
	if err != nil {
		return nil, fmt.Errorf("cannot list tokens: %w", err)
	}
	return all, nil
}

// Revoke ends a token of the member's for good.
func Revoke(tx *db.Tx, memberID int64, memberName string, id int64) error {
	t, err := scan(tx.QueryRow("SELECT "+columns+" FROM api_tokens WHERE id = $1 AND member_id = $2", id, memberID))
	if errors.Is(err, db.ErrNoRows) {
		err = ErrNotFound
	}
	if err == nil {
		_, err = tx.Exec("DELETE FROM api_tokens WHERE id = $1", id)
	}
	if err != nil {
		return fmt.Errorf("cannot revoke token: %w", err)
	}
	return record(tx, memberID, memberName, "token.revoke", t)
}

// hash is how a secret is kept: it is random enough that a plain hash cannot be guessed back.
func hash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}
