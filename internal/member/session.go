package member

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/fridayos/friday/internal/db"
)

// How long a session lasts: without use, and at most.
const (
	IdleTime     = 30 * 24 * time.Hour
	SessionLife  = 180 * 24 * time.Hour
	touchAfter   = time.Hour // seen_at is no more exact than this
	maxSessions  = 50        // of one member; the longest unused ends
	tokenBytes   = 32
	maxAgentName = 200

	// FreshTime is how long after a member showed who they are what cannot be
	// undone may be done.
	FreshTime = 15 * time.Minute
)

// Session is a browser that is signed in. Its token is not kept.
type Session struct {
	ID        int64
	MemberID  int64
	Agent     string // what the browser called itself
	CreatedAt time.Time
	SeenAt    time.Time
	ProvedAt  time.Time // when the member last showed who they are
	Address   string    // IP address last seen; empty after AddressTime
	Stale     bool      // call Touch
}

// Fresh tells whether the member showed who they are a short while ago.
func (s Session) Fresh(now time.Time) bool { return s.ID != 0 && now.Sub(s.ProvedAt) < FreshTime }

// Prove notes that a session's member has just shown who they are.
func Prove(tx *db.Tx, s Session) error {
	_, err := tx.Exec("UPDATE sessions SET proved_at = $1 WHERE id = $2", tx.Now(), s.ID)
	return err
}

// NewSession signs a member in and returns the token for the cookie. Sessions
// that have run out are swept meanwhile.
func NewSession(tx *db.Tx, memberID int64, agent string) (token string, err error) {
	if _, err := tx.Exec("DELETE FROM sessions WHERE seen_at < $1 OR created_at < $2",
		tx.Now().Add(-IdleTime), tx.Now().Add(-SessionLife)); err != nil {
		return "", err
	}
	if _, err := tx.Exec(`DELETE FROM sessions WHERE id IN
		(SELECT id FROM sessions WHERE member_id = $1 ORDER BY seen_at DESC, id DESC LIMIT 1000 OFFSET $2)`,
		memberID, maxSessions-1); err != nil {
		return "", err
	}
	raw := make([]byte, tokenBytes)
	rand.Read(raw) // never fails
	token = base64.RawURLEncoding.EncodeToString(raw)
	_, err = tx.Exec("INSERT INTO sessions (id, token_hash, member_id, agent, address, created_at, seen_at, proved_at) VALUES ($1, $2, $3, $4, '', $5, $5, $5)",
		db.NewID(), secretHash(token), memberID, shorten(agent), tx.Now())
	return token, err
}

// Rotate is NewSession that ends the session of an old token (or none): at
// sign-in, so that nobody can plant a token beforehand.
func Rotate(tx *db.Tx, oldToken string, memberID int64, agent string) (token string, err error) {
	if err := EndSession(tx, oldToken); err != nil {
		return "", err
	}
	return NewSession(tx, memberID, agent)
}

const selectSession = "SELECT id, member_id, agent, address, created_at, seen_at, proved_at FROM sessions "

func scanSession(s db.Scanner) (e Session, err error) {
	return e, s.Scan(&e.ID, &e.MemberID, &e.Agent, &e.Address, &e.CreatedAt, &e.SeenAt, &e.ProvedAt)
}

// BySession finds who a token belongs to; ErrNotFound if it is unknown, ended
// or has run out. It only reads: if the session is Stale, call Touch.
func BySession(tx *db.Tx, token string) (Member, Session, error) {
	if len(token) != base64.RawURLEncoding.EncodedLen(tokenBytes) {
		return Member{}, Session{}, fmt.Errorf("cannot find session: %w", ErrNotFound)
	}
	s, err := scanSession(tx.QueryRow(selectSession+"WHERE token_hash = $1", secretHash(token)))
	if errors.Is(err, db.ErrNoRows) || err == nil && s.over(tx.Now()) {
		return Member{}, Session{}, fmt.Errorf("cannot find session: %w", ErrNotFound)
	}
	if err != nil {
		return Member{}, Session{}, err
	}
	s.Stale = tx.Now().Sub(s.SeenAt) > touchAfter
	m, err := ByID(tx, s.MemberID)
	return m, s, err
}

func (s Session) over(now time.Time) bool {
	return now.Sub(s.SeenAt) > IdleTime || now.Sub(s.CreatedAt) > SessionLife
}

// Touch notes that a session is in use, and from which IP address.
func Touch(tx *db.Tx, s Session, address string) error {
	_, err := tx.Exec("UPDATE sessions SET seen_at = $1, address = $2 WHERE id = $3", tx.Now(), address, s.ID)
	return err
}

// Locate notes the IP address that a session begins from.
func Locate(tx *db.Tx, token, address string) error {
	_, err := tx.Exec("UPDATE sessions SET address = $1 WHERE token_hash = $2", address, secretHash(token))
	return err
}

// EndOthers signs a member out everywhere but in one session.
func EndOthers(tx *db.Tx, s Session) error {
	_, err := tx.Exec("DELETE FROM sessions WHERE member_id = $1 AND id <> $2", s.MemberID, s.ID)
	return err
}

// Sessions lists a member's sessions, the last used first.
func Sessions(tx *db.Tx, memberID int64) ([]Session, error) {
	return db.All(tx, scanSession, selectSession+
		"WHERE member_id = $1 AND seen_at >= $2 AND created_at >= $3 ORDER BY seen_at DESC, id DESC",
		memberID, tx.Now().Add(-IdleTime), tx.Now().Add(-SessionLife))
}

// EndSession signs a token out; an unknown one is fine.
func EndSession(tx *db.Tx, token string) error {
	_, err := tx.Exec("DELETE FROM sessions WHERE token_hash = $1", secretHash(token))
	return err
}

// EndSessionByID signs one of a member's sessions out; 0: all of them.
func EndSessionByID(tx *db.Tx, memberID, id int64) error {
	_, err := tx.Exec("DELETE FROM sessions WHERE member_id = $1 AND (id = $2 OR $2 = 0)", memberID, id)
	return err
}

// secretHash is how tokens and codes are stored. They are random enough that
// a plain hash cannot be guessed back while they are worth anything.
func secretHash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

func shorten(agent string) string {
	agent = strings.ToValidUTF8(strings.ReplaceAll(agent, "\x00", ""), "")
	if len(agent) <= maxAgentName {
		return agent
	}
	cut := maxAgentName
	for !utf8.RuneStart(agent[cut]) {
		cut--
	}
	return agent[:cut]
}
