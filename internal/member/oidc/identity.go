package oidc

import (
	"errors"
	"fmt"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/mail"
	"github.com/fridayos/friday/internal/member"
)

// Arrival is someone whom a service vouched for and who has no account yet.
type Arrival struct {
	Issuer, Subject string
	Label           string // what the service calls them
	Address         string // that the service has verified; may be empty
}

// ArrivalBy reads who holds a token; ErrRefused if it is unknown or has run out.
func ArrivalBy(tx *db.Tx, token string) (a Arrival, err error) {
	err = tx.QueryRow("SELECT issuer, subject, label, address FROM oidc_arrivals WHERE token_hash = $1 AND expires_at >= $2", hash(token), tx.Now()).
		Scan(&a.Issuer, &a.Subject, &a.Label, &a.Address)
	if errors.Is(err, db.ErrNoRows) {
		return Arrival{}, refuse("this sign-in has run out; begin again")
	}
	return a, err
}

// Arrive makes the account of someone new, under the name that they chose,
// without a password. keepAddress takes over the address that the service has
// verified.
func Arrive(tx *db.Tx, token, name string, keepAddress bool) (member.Member, error) {
	a, err := ArrivalBy(tx, token)
	if err != nil {
		return member.Member{}, err
	}
	m, err := member.Register(tx, name, member.Hash{})
	if err != nil {
		return member.Member{}, err
	}
	n, err := tx.Exec(`INSERT INTO identities (issuer, subject, member_id, label, created_at, used_at) VALUES ($1, $2, $3, $4, $5, $5)
		ON CONFLICT (issuer, subject) DO NOTHING`, a.Issuer, a.Subject, m.ID, a.Label, tx.Now())
	if err == nil && n == 0 {
		err = refuse("this account has a member already; sign in again")
	}
	if err == nil && keepAddress && a.Address != "" {
		_, err = tx.Exec(`INSERT INTO member_mail (member_id, address, address_key, confirmed_at, pending, pending_at) VALUES ($1, $2, $3, $4, '', 0)`,
			m.ID, a.Address, mail.AddressKey(a.Address), tx.Now())
	}
	if err == nil {
		_, err = tx.Exec("DELETE FROM oidc_arrivals WHERE token_hash = $1", hash(token))
	}
	return m, err
}

// Identity is a member's account at a service.
type Identity struct {
	Issuer, Subject, Label string
	CreatedAt, UsedAt      time.Time
}

// List lists a member's identities, the oldest first.
func List(tx *db.Tx, memberID int64) ([]Identity, error) {
	return db.All(tx, func(s db.Scanner) (i Identity, err error) {
		return i, s.Scan(&i.Issuer, &i.Subject, &i.Label, &i.CreatedAt, &i.UsedAt)
	}, "SELECT issuer, subject, label, created_at, used_at FROM identities WHERE member_id = $1 ORDER BY created_at, subject", memberID)
}

// Remove takes one of a member's identities away, unless it is their last way in.
func Remove(tx *db.Tx, m member.Member, issuer, subject string) error {
	ways, err := member.WaysInOf(tx, m.ID)
	if err != nil {
		return err
	}
	n, err := tx.Exec("DELETE FROM identities WHERE issuer = $1 AND subject = $2 AND member_id = $3", issuer, subject, m.ID)
	if err != nil {
		return err
	}
	if n == 0 {
		return fmt.Errorf("cannot remove account at %.80q: %w", issuer, member.ErrNotFound)
	}
	ways.Identities--
	if err := ways.Spare(); err != nil {
		return err
	}
	return record(tx, m, "member.identity-remove", issuer)
}
