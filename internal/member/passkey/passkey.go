// Package passkey lets members sign in by WebAuthn (W3C, level 3): a passkey of
// their phone, computer or security key, without typing a name.
//
// It keeps public keys and counters, checks what authenticators answer
// (go-webauthn/webauthn) and makes no sessions: package member does. A challenge
// is answered well once, within ChallengeTime, by the browser that it was given to:
// the caller keeps its token in a cookie.
package passkey

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	"github.com/fridayos/friday/internal/audit"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/member"
)

const (
	// ChallengeTime is how long a challenge waits for its answer.
	ChallengeTime = 5 * time.Minute
	// MaxAnswer is the longest answer of a browser, in bytes.
	MaxAnswer = 64 << 10

	maxPasskeys = 20 // of one member
	maxName     = 50 // characters
	handleBytes = 64
)

// ErrPasskey is returned, wrapped, for an answer that does not hold: to no
// challenge of ours, by no passkey that we know, or wrongly signed.
var ErrPasskey = errors.New("the passkey was not accepted")

// Keys checks passkeys for one site. A nil *Keys offers none.
type Keys struct{ web *webauthn.WebAuthn }

// New makes Keys for the site at an address. Browsers take passkeys only over
// https, or from this machine by the name localhost, and never for an IP
// address: for such a site it returns nil.
func New(baseURL, name string) (*Keys, error) {
	u, err := url.Parse(baseURL)
	if err != nil || u.Hostname() == "" {
		return nil, fmt.Errorf("cannot offer passkeys: the site's address is %q, expected one such as https://os.example.org", baseURL)
	}
	host := u.Hostname()
	if net.ParseIP(host) != nil || u.Scheme != "https" && host != "localhost" {
		return nil, nil
	}
	web, err := webauthn.New(&webauthn.Config{
		RPID: host, RPDisplayName: name, RPOrigins: []string{u.Scheme + "://" + u.Host},
		AttestationPreference: protocol.PreferNoAttestation,
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			ResidentKey: protocol.ResidentKeyRequirementRequired, UserVerification: protocol.VerificationRequired,
		},
	})
	if err != nil {
		return nil, fmt.Errorf("cannot offer passkeys: %w", err)
	}
	return &Keys{web}, nil
}

// Offered tells whether the site can take passkeys.
func (k *Keys) Offered() bool { return k != nil }

// Passkey is one that a member has registered.
type Passkey struct {
	ID        int64
	Name      string
	CreatedAt time.Time
	UsedAt    time.Time // zero: never
	Synced    bool      // its maker copies it to other machines of the member

	credential webauthn.Credential
}

// user is a member as WebAuthn sees one.
type user struct {
	member.Member
	handle []byte
	keys   []Passkey
}

func (u user) WebAuthnID() []byte          { return u.handle }
func (u user) WebAuthnName() string        { return u.Name }
func (u user) WebAuthnDisplayName() string { return u.Name }
func (u user) WebAuthnCredentials() []webauthn.Credential {
	all := make([]webauthn.Credential, len(u.keys))
	for i, k := range u.keys {
		all[i] = k.credential
	}
	return all
}

// BeginAdd makes what navigator.credentials.create takes, in JSON, and the
// token by which Add knows the challenge.
func (k *Keys) BeginAdd(tx *db.Tx, m member.Member) (options []byte, token string, err error) {
	u, err := userOf(tx, m)
	if err != nil {
		return nil, "", err
	}
	if len(u.keys) >= maxPasskeys {
		return nil, "", member.NewInvalid("passkey", "passkeys-many", "you have {N}; remove one first", "N", len(u.keys))
	}
	var exclude []protocol.CredentialDescriptor
	for _, key := range u.keys {
		exclude = append(exclude, key.credential.Descriptor())
	}
	creation, session, err := k.web.BeginRegistration(u, webauthn.WithExclusions(exclude))
	if err != nil {
		return nil, "", fmt.Errorf("cannot begin passkey: %w", err)
	}
	return challenge(tx, creation.Response, session, m.ID)
}

// Add registers the passkey that answered a challenge of BeginAdd.
func (k *Keys) Add(tx *db.Tx, m member.Member, token, name string, answer []byte) (Passkey, error) {
	name, err := checkName(name)
	if err != nil {
		return Passkey{}, err
	}
	session, err := take(tx, token, m.ID)
	if err != nil {
		return Passkey{}, err
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(bounded(answer))
	if err != nil {
		return Passkey{}, refuse(err)
	}
	u, err := userOf(tx, m)
	if err != nil {
		return Passkey{}, err
	}
	credential, err := k.web.CreateCredential(u, session, parsed)
	if err != nil {
		return Passkey{}, refuse(err)
	}
	if len(u.keys) >= maxPasskeys {
		return Passkey{}, member.NewInvalid("passkey", "passkeys-many", "you have {N}; remove one first", "N", len(u.keys))
	}
	p := Passkey{ID: db.NewID(), Name: name, CreatedAt: tx.Now(), Synced: credential.Flags.BackupEligible, credential: *credential}
	text, err := json.Marshal(credential)
	if err != nil {
		return Passkey{}, fmt.Errorf("cannot keep passkey: %w", err)
	}
	n, err := tx.Exec(`INSERT INTO passkeys (id, member_id, credential_id, name, credential, created_at, used_at) VALUES ($1, $2, $3, $4, $5, $6, 0)
		ON CONFLICT (credential_id) DO NOTHING`, p.ID, m.ID, encode(credential.ID), p.Name, string(text), p.CreatedAt)
	if err == nil && n == 0 {
		return Passkey{}, refuse(errors.New("it is registered already"))
	}
	if err == nil {
		err = record(tx, m, "member.passkey-add", p.Name)
	}
	return p, err
}

// BeginSignIn makes what navigator.credentials.get takes, in JSON, and the
// token by which SignIn knows the challenge. It names no account.
func (k *Keys) BeginSignIn(tx *db.Tx) (options []byte, token string, err error) {
	assertion, session, err := k.web.BeginDiscoverableLogin(webauthn.WithUserVerification(protocol.VerificationRequired))
	if err != nil {
		return nil, "", fmt.Errorf("cannot begin sign-in: %w", err)
	}
	return challenge(tx, assertion.Response, session, 0)
}

// SignIn finds the member whose passkey answered a challenge of BeginSignIn.
func (k *Keys) SignIn(tx *db.Tx, token string, answer []byte) (member.Member, error) {
	session, err := take(tx, token, 0)
	if err != nil {
		return member.Member{}, err
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(bounded(answer))
	if err != nil {
		return member.Member{}, refuse(err)
	}
	var u user
	var failed error // of the database: to be told from a wrong answer
	_, credential, err := k.web.ValidatePasskeyLogin(func(_, handle []byte) (webauthn.User, error) {
		u, failed = byHandle(tx, handle)
		return u, failed
	}, session, parsed)
	if failed != nil && !errors.Is(failed, ErrPasskey) {
		return member.Member{}, failed
	}
	if err != nil {
		return member.Member{}, refuse(err)
	}
	if credential.Authenticator.CloneWarning {
		return member.Member{}, refuse(errors.New("its counter went back, as a copy's would"))
	}
	text, err := json.Marshal(credential)
	if err != nil {
		return member.Member{}, fmt.Errorf("cannot keep passkey: %w", err)
	}
	_, err = tx.Exec("UPDATE passkeys SET credential = $1, used_at = $2 WHERE credential_id = $3 AND member_id = $4", string(text), tx.Now(), encode(credential.ID), u.ID)
	return u.Member, err
}

// List lists a member's passkeys, the oldest first.
func List(tx *db.Tx, memberID int64) ([]Passkey, error) {
	return db.All(tx, func(s db.Scanner) (p Passkey, err error) {
		var text string
		if err := s.Scan(&p.ID, &p.Name, &text, &p.CreatedAt, &p.UsedAt); err != nil {
			return p, err
		}
		err = json.Unmarshal([]byte(text), &p.credential)
		p.Synced = p.credential.Flags.BackupEligible
		return p, err
	}, "SELECT id, name, credential, created_at, used_at FROM passkeys WHERE member_id = $1 ORDER BY id", memberID)
}

// Rename gives a member's passkey another name.
func Rename(tx *db.Tx, memberID, id int64, name string) error {
	name, err := checkName(name)
	if err != nil {
		return err
	}
	n, err := tx.Exec("UPDATE passkeys SET name = $1 WHERE id = $2 AND member_id = $3", name, id, memberID)
	if err == nil && n == 0 {
		err = fmt.Errorf("cannot rename passkey %d: %w", id, member.ErrNotFound)
	}
	return err
}

// Remove takes a member's passkey away, unless it is their last way in.
func Remove(tx *db.Tx, m member.Member, id int64) error {
	ways, err := member.WaysInOf(tx, m.ID)
	if err != nil {
		return err
	}
	keys, err := List(tx, m.ID)
	if err != nil {
		return err
	}
	i := slices.IndexFunc(keys, func(p Passkey) bool { return p.ID == id })
	if i < 0 {
		return fmt.Errorf("cannot remove passkey %d: %w", id, member.ErrNotFound)
	}
	ways.Passkeys--
	if err := ways.Spare(); err != nil {
		return err
	}
	if _, err := tx.Exec("DELETE FROM passkeys WHERE id = $1", id); err != nil {
		return err
	}
	return record(tx, m, "member.passkey-remove", keys[i].Name)
}

func checkName(name string) (string, error) {
	name = strings.TrimSpace(name)
	if n := utf8.RuneCountInString(name); n == 0 || n > maxName || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) {
		return "", member.NewInvalid("passkey name", "passkey-name", "it must have 1 to {N} characters", "N", maxName)
	}
	return name, nil
}

func record(tx *db.Tx, m member.Member, action, name string) error {
	detail, err := json.Marshal(map[string]string{"name": name})
	if err != nil {
		return err
	}
	return audit.Record(tx, audit.Event{ActorID: m.ID, Actor: m.Name, Action: action, Subject: m.Name, Detail: string(detail)})
}

// refuse keeps what is wrong for logs; callers show that it was not accepted.
func refuse(err error) error {
	var detailed *protocol.Error
	if errors.As(err, &detailed) && detailed.DevInfo != "" {
		err = fmt.Errorf("%w (%s)", err, detailed.DevInfo)
	}
	return fmt.Errorf("cannot use passkey: %w: %w", ErrPasskey, err)
}

func bounded(answer []byte) []byte { return answer[:min(len(answer), MaxAnswer)] }

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

func hash(secret string) string {
	sum := sha256.Sum256([]byte(secret))
	return hex.EncodeToString(sum[:])
}

// userOf reads a member's handle, making one at first, and passkeys.
func userOf(tx *db.Tx, m member.Member) (u user, err error) {
	fresh := make([]byte, handleBytes)
	rand.Read(fresh) // never fails
	if _, err := tx.Exec("INSERT INTO passkey_users (member_id, handle) VALUES ($1, $2) ON CONFLICT (member_id) DO NOTHING", m.ID, encode(fresh)); err != nil {
		return u, err
	}
	var handle string
	if err := tx.QueryRow("SELECT handle FROM passkey_users WHERE member_id = $1", m.ID).Scan(&handle); err != nil {
		return u, err
	}
	u.Member = m
	if u.handle, err = base64.RawURLEncoding.DecodeString(handle); err != nil {
		return u, fmt.Errorf("cannot read the passkey handle of member %d: %w", m.ID, err)
	}
	u.keys, err = List(tx, m.ID)
	return u, err
}

func byHandle(tx *db.Tx, handle []byte) (user, error) {
	var id int64
	err := tx.QueryRow("SELECT member_id FROM passkey_users WHERE handle = $1", encode(handle)).Scan(&id)
	if errors.Is(err, db.ErrNoRows) {
		return user{}, ErrPasskey
	}
	if err != nil {
		return user{}, err
	}
	m, err := member.ByID(tx, id)
	if err != nil {
		return user{}, err
	}
	keys, err := List(tx, id)
	return user{m, bytes.Clone(handle), keys}, err
}

// challenge keeps what an answer is checked against.
func challenge(tx *db.Tx, options any, session *webauthn.SessionData, memberID int64) (_ []byte, token string, err error) {
	body, err1 := json.Marshal(options)
	data, err2 := json.Marshal(session)
	if err := errors.Join(err1, err2); err != nil {
		return nil, "", fmt.Errorf("cannot write challenge: %w", err)
	}
	token = rand.Text()
	_, err = tx.Exec("INSERT INTO passkey_challenges (token_hash, member_id, data, expires_at) VALUES ($1, $2, $3, $4)",
		hash(token), memberID, string(data), tx.Now().Add(ChallengeTime))
	return body, token, err
}

// take uses a challenge up, if tx commits: what was answered well is never
// answered again.
func take(tx *db.Tx, token string, memberID int64) (s webauthn.SessionData, err error) {
	var data string
	err = tx.QueryRow("SELECT data FROM passkey_challenges WHERE token_hash = $1 AND member_id = $2 AND expires_at >= $3", hash(token), memberID, tx.Now()).Scan(&data)
	if errors.Is(err, db.ErrNoRows) {
		return s, refuse(errors.New("there is no such challenge, or it has run out"))
	}
	if err == nil {
		_, err = tx.Exec("DELETE FROM passkey_challenges WHERE token_hash = $1", hash(token))
	}
	if err == nil {
		err = json.Unmarshal([]byte(data), &s)
	}
	return s, err
}
