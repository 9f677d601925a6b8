package member

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/mail"
)

// Mail is a member's mail address. Two members may share one: whether an
// address is known here is never told.
type Mail struct {
	Address     string // confirmed, and so may be written to; empty: none is
	ConfirmedAt time.Time
	Pending     string // waits for its confirmation; empty: none does
	PendingAt   time.Time
}

// Kinds of codes sent by mail, and how long they work.
const (
	confirming = "mail"
	resetting  = "reset"

	ConfirmTime = 48 * time.Hour
	ResetTime   = time.Hour

	maxMailCodes = 5 // of a kind that work at once: what one may be sent within their time
)

// ErrTooMany is returned, wrapped, when a member was sent enough for now.
var ErrTooMany = errors.New("too many were sent already")

// MailOf reads a member's address; the zero Mail if there is none.
func MailOf(tx *db.Tx, memberID int64) (m Mail, err error) {
	err = tx.QueryRow("SELECT address, confirmed_at, pending, pending_at FROM member_mail WHERE member_id = $1", memberID).
		Scan(&m.Address, &m.ConfirmedAt, &m.Pending, &m.PendingAt)
	if errors.Is(err, db.ErrNoRows) {
		return Mail{}, nil
	}
	return m, err
}

// SetMail notes an address that its owner is yet to confirm. One confirmed
// before stays in use until then.
func SetMail(tx *db.Tx, memberID int64, address string) error {
	address, err := mail.CheckAddress(address)
	if err != nil {
		return NewInvalid("address", "address", "it must be written like anna@example.org")
	}
	if _, err := tx.Exec("DELETE FROM mail_codes WHERE member_id = $1 AND kind = $2", memberID, confirming); err != nil {
		return err
	}
	_, err = tx.Exec(`INSERT INTO member_mail (member_id, address, address_key, confirmed_at, pending, pending_at) VALUES ($1, '', '', 0, $2, $3)
		ON CONFLICT (member_id) DO UPDATE SET pending = excluded.pending, pending_at = excluded.pending_at`, memberID, address, tx.Now())
	return err
}

// RemoveMail forgets a member's address and what was sent to it.
func RemoveMail(tx *db.Tx, m Member) error {
	n, err := tx.Exec("DELETE FROM member_mail WHERE member_id = $1", m.ID)
	if err == nil && n > 0 {
		err = recordOwn(tx, m, "member.mail", `{"to":"none"}`)
	}
	if err == nil {
		_, err = tx.Exec("DELETE FROM mail_codes WHERE member_id = $1", m.ID)
	}
	return err
}

// NewMailCode makes the code that confirms the member's pending address, and
// says which that is; ErrNotFound if none waits, ErrTooMany if enough were made.
func NewMailCode(tx *db.Tx, memberID int64) (code, address string, err error) {
	m, err := MailOf(tx, memberID)
	if err != nil {
		return "", "", err
	}
	if m.Pending == "" {
		return "", "", fmt.Errorf("cannot confirm the address of member %d: none waits: %w", memberID, ErrNotFound)
	}
	code, err = putMailCode(tx, confirming, memberID, m.Pending, ConfirmTime)
	return code, m.Pending, err
}

// ConfirmMail takes the code that was sent; the member's address is the one it
// was sent to. A code works once, and only for the address that still waits.
// before is the address that was confirmed until now, or empty.
func ConfirmMail(tx *db.Tx, code string) (m Member, before string, err error) {
	m, address, err := takeMailCode(tx, confirming, code)
	if err != nil {
		return Member{}, "", err
	}
	old, err := MailOf(tx, m.ID)
	if err != nil {
		return Member{}, "", err
	}
	n, err := tx.Exec(`UPDATE member_mail SET address = pending, address_key = $2, confirmed_at = $3, pending = '', pending_at = 0
		WHERE member_id = $1 AND pending = $4`, m.ID, mail.AddressKey(address), tx.Now(), address)
	if err == nil && n == 0 {
		return Member{}, "", fmt.Errorf("cannot confirm address: %w", ErrCode)
	}
	if err == nil {
		err = recordOwn(tx, m, "member.mail", "")
	}
	return m, old.Address, err
}

// Resettable finds the members who could set a new password by mail: the one
// of that name, or all with that confirmed address, at most five.
func Resettable(tx *db.Tx, login string) ([]Member, error) {
	key := ""
	if address, err := mail.CheckAddress(login); err == nil {
		key = mail.AddressKey(address)
	}
	return db.All(tx, scanMember, `SELECT m.id, m.name, m.created_at, m.language FROM members m JOIN member_mail a ON a.member_id = m.id
		WHERE a.address <> '' AND (m.name_key = $1 OR a.address_key = $2) ORDER BY m.id LIMIT 5`, NameKey(login), key)
}

// NewResetCode makes a code that sets a new password, and says where to send it.
func NewResetCode(tx *db.Tx, memberID int64) (code, address string, err error) {
	m, err := MailOf(tx, memberID)
	if err != nil {
		return "", "", err
	}
	if m.Address == "" {
		return "", "", fmt.Errorf("cannot reset the password of member %d: no address is confirmed: %w", memberID, ErrNotFound)
	}
	code, err = putMailCode(tx, resetting, memberID, m.Address, ResetTime)
	return code, m.Address, err
}

// Reset sets a new password by a code that came by mail, and ends all sessions;
// ErrCode if it is wrong, was used or has run out.
func (p *Passwords) Reset(ctx context.Context, d *db.DB, code, password string) (m Member, err error) {
	hash, err := p.Hash(ctx, "", password)
	if err != nil {
		return Member{}, err
	}
	err = d.Write(ctx, func(tx *db.Tx) (err error) {
		var address string
		if m, address, err = takeMailCode(tx, resetting, code); err != nil {
			return err
		}
		if err := checkPassword(m.Name, password); err != nil {
			return err // the code is not used up: nothing commits
		}
		if now, err := MailOf(tx, m.ID); err != nil || now.Address != address {
			return errors.Join(err, fmt.Errorf("cannot set password: %w", ErrCode))
		}
		if err := SetPassword(tx, m.ID, hash); err != nil {
			return err
		}
		return recordOwn(tx, m, "member.recover", `{"by":"mail"}`)
	})
	if err != nil {
		return Member{}, err
	}
	return m, nil
}

func putMailCode(tx *db.Tx, kind string, memberID int64, address string, lasts time.Duration) (code string, err error) {
	var alive int
	if err := tx.QueryRow("SELECT COUNT(*) FROM mail_codes WHERE member_id = $1 AND kind = $2 AND expires_at >= $3", memberID, kind, tx.Now()).Scan(&alive); err != nil {
		return "", err
	}
	if alive >= maxMailCodes {
		return "", fmt.Errorf("cannot make code: %w", ErrTooMany)
	}
	code = rand.Text()
	_, err = tx.Exec("INSERT INTO mail_codes (code_hash, kind, member_id, address, created_at, expires_at) VALUES ($1, $2, $3, $4, $5, $6)",
		secretHash(code), kind, memberID, address, tx.Now(), tx.Now().Add(lasts))
	return code, err
}

// takeMailCode uses a code, and with it all others of its kind and member.
func takeMailCode(tx *db.Tx, kind, code string) (m Member, address string, err error) {
	var id int64
	err = tx.QueryRow("SELECT member_id, address FROM mail_codes WHERE code_hash = $1 AND kind = $2 AND expires_at >= $3",
		secretHash(typedCode(code)), kind, tx.Now()).Scan(&id, &address)
	if errors.Is(err, db.ErrNoRows) {
		return Member{}, "", fmt.Errorf("cannot use code: %w", ErrCode)
	}
	if err != nil {
		return Member{}, "", err
	}
	if m, err = ByID(tx, id); err != nil {
		return Member{}, "", err
	}
	_, err = tx.Exec("DELETE FROM mail_codes WHERE member_id = $1 AND kind = $2", id, kind)
	return m, address, err
}

// DropMailCode takes back a code whose letter did not go out.
func DropMailCode(tx *db.Tx, code string) error {
	_, err := tx.Exec("DELETE FROM mail_codes WHERE code_hash = $1", secretHash(code))
	return err
}
