package member

import (
	"errors"
	"fmt"

	"github.com/fridayos/friday/internal/audit"
	"github.com/fridayos/friday/internal/db"
)

// Former is how the audit trail names a member who is gone.
const Former = "a former member"

// Erase takes an account away, with all that this room keeps about it: roles,
// sessions, passkeys, codes, claims, addresses. What others wrote and shared
// with it stays with the rooms that hold it, under an id that no longer leads
// to anyone; the audit trail names "a former member". The name is free again
// for nobody to be taken for: it stays reserved (by its hash) for a year.
func Erase(tx *db.Tx, id int64) error {
	m, err := ByID(tx, id)
	if err != nil {
		return err
	}
	if m.Is(Admin) {
		if err := notTheLast(tx, m); err != nil {
			return err
		}
	}
	if err := recordOwn(tx, m, "member.erase", ""); err != nil {
		return err
	}
	if err := audit.Anonymise(tx, m.ID, m.Name, Former); err != nil {
		return err
	}
	if _, err := tx.Exec(`INSERT INTO former_names (key_hash, until) VALUES ($1, $2) ON CONFLICT (key_hash) DO UPDATE SET until = excluded.until`,
		secretHash("name "+NameKey(m.Name)), tx.Now().Add(FormerNameTime)); err != nil {
		return err
	}
	if _, err := tx.Exec("DELETE FROM members WHERE id = $1", id); err != nil { // and by its references all else
		return err
	}
	return EnrolmentsChanged(tx)
}

// formerly tells whether a member of that name left a short while ago.
func formerly(tx *db.Tx, name string) (bool, error) {
	var one int
	err := tx.QueryRow("SELECT 1 FROM former_names WHERE key_hash = $1 AND until >= $2", secretHash("name "+NameKey(name)), tx.Now()).Scan(&one)
	if errors.Is(err, db.ErrNoRows) {
		return false, nil
	}
	return err == nil, err
}

// WaysIn are the ways by which a member can sign in.
type WaysIn struct {
	Password   bool
	Passkeys   int
	Identities int // at other services
}

// WaysInOf reads them.
func WaysInOf(tx *db.Tx, memberID int64) (w WaysIn, err error) {
	var hash string
	err = tx.QueryRow(`SELECT password_hash, (SELECT COUNT(*) FROM passkeys WHERE member_id = $1), (SELECT COUNT(*) FROM identities WHERE member_id = $1)
		FROM members WHERE id = $1`, memberID).Scan(&hash, &w.Passkeys, &w.Identities)
	if errors.Is(err, db.ErrNoRows) {
		return WaysIn{}, fmt.Errorf("cannot find member %d: %w", memberID, ErrNotFound)
	}
	w.Password = hash != ""
	return w, err
}

// Spare refuses to take away a member's last way in: what they would have left
// must hold one.
func (w WaysIn) Spare() error {
	if w.Password || w.Passkeys > 0 || w.Identities > 0 {
		return nil
	}
	return NewInvalid("change", "last-way", "it is your last way to sign in; set a password or add another passkey first")
}
