package member

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/fridayos/friday/internal/audit"
	"github.com/fridayos/friday/internal/db"
)

// Recovery codes let a member back in who has lost password and passkeys, where
// no mail is set up: each works once and sets a new password.
const (
	RecoveryCodes   = 10
	recoveryLetters = 16 // 69 bits, in four groups
)

// NewRecoveryCodes makes a member's recovery codes, to be shown once; those
// made before stop working.
func NewRecoveryCodes(tx *db.Tx, memberID int64) ([]string, error) {
	m, err := ByID(tx, memberID)
	if err != nil {
		return nil, err
	}
	if _, err := tx.Exec("DELETE FROM recovery_codes WHERE member_id = $1", memberID); err != nil {
		return nil, err
	}
	codes := make([]string, RecoveryCodes)
	for i := range codes {
		code := randomCode(recoveryLetters)
		if _, err := tx.Exec("INSERT INTO recovery_codes (code_hash, member_id, created_at, used_at) VALUES ($1, $2, $3, 0)",
			secretHash(code), memberID, tx.Now()); err != nil {
			return nil, err
		}
		codes[i] = inGroups(code)
	}
	return codes, recordOwn(tx, m, "member.recovery-codes", "")
}

// RecoveryCodesLeft says how many codes still work, and when they were made;
// the zero time if there never were any.
func RecoveryCodesLeft(tx *db.Tx, memberID int64) (left int, made time.Time, err error) {
	err = tx.QueryRow("SELECT COALESCE(SUM(CASE WHEN used_at = 0 THEN 1 ELSE 0 END), 0), COALESCE(MAX(created_at), 0) FROM recovery_codes WHERE member_id = $1",
		memberID).Scan(&left, &made)
	return left, made, err
}

// Recover sets a new password by a recovery code and ends all sessions. An
// unknown name, a wrong code and a used one cost the same and are all ErrCode;
// what is wrong with the password is said whoever asks.
func (p *Passwords) Recover(ctx context.Context, d *db.DB, name, code, password string) (m Member, err error) {
	if len(name) > 16*maxName || len(code) > 16*recoveryLetters {
		return Member{}, fmt.Errorf("cannot recover account: %w", ErrCode)
	}
	hash, err := p.Hash(ctx, strings.TrimSpace(name), password)
	if err != nil {
		return Member{}, err
	}
	err = d.Write(ctx, func(tx *db.Tx) error {
		var id int64
		err := tx.QueryRow(`SELECT m.id FROM recovery_codes r JOIN members m ON m.id = r.member_id
			WHERE r.code_hash = $1 AND m.name_key = $2 AND r.used_at = 0`, secretHash(typedCode(code)), NameKey(name)).Scan(&id)
		if errors.Is(err, db.ErrNoRows) {
			return fmt.Errorf("cannot recover account: %w", ErrCode)
		}
		if err != nil {
			return err
		}
		if m, err = ByID(tx, id); err != nil {
			return err
		}
		if _, err := tx.Exec("UPDATE recovery_codes SET used_at = $1 WHERE code_hash = $2", tx.Now(), secretHash(typedCode(code))); err != nil {
			return err
		}
		if err := SetPassword(tx, id, hash); err != nil {
			return err
		}
		return recordOwn(tx, m, "member.recover", `{"by":"recovery code"}`)
	})
	if err != nil {
		return Member{}, err
	}
	return m, nil
}

// recordOwn notes what a member did to their own account.
func recordOwn(tx *db.Tx, m Member, action, detail string) error {
	return audit.Record(tx, audit.Event{ActorID: m.ID, Actor: m.Name, Action: action, Subject: m.Name, Detail: detail})
}
