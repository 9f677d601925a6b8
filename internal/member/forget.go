package member

import (
	"time"

	"github.com/fridayos/friday/internal/db"
)

// How long what points at a person is kept. The page on privacy states them.
const (
	AddressTime = 14 * 24 * time.Hour // an IP address after it was last seen with a session
	PendingTime = 7 * 24 * time.Hour  // a mail address that nobody confirms
	CodeTime    = 7 * 24 * time.Hour  // a one-time code after it has run out

	QuizTime  = 30 * 24 * time.Hour  // a try at the test ring's quiz
	PlaceTime = 365 * 24 * time.Hour // a place in the test ring that was refused, left or taken back

	FormerNameTime = 365 * 24 * time.Hour // that the name of a member who left is nobody's (only its hash is kept)
)

// Forget deletes what is past its time: sessions that have run out, the IP
// addresses of those in use, mail addresses that nobody confirmed, codes,
// half-finished sign-ins, and old tries and places of the test ring. The server
// does it every hour; twice does no harm.
func Forget(tx *db.Tx) error {
	now := tx.Now()
	for _, s := range []struct {
		sql  string
		args []any
	}{
		{"DELETE FROM sessions WHERE seen_at < $1 OR created_at < $2", []any{now.Add(-IdleTime), now.Add(-SessionLife)}},
		{"UPDATE sessions SET address = '' WHERE address <> '' AND seen_at < $1", []any{now.Add(-AddressTime)}},
		{"DELETE FROM codes WHERE expires_at < $1", []any{now.Add(-CodeTime)}},
		{"DELETE FROM former_names WHERE until < $1", []any{now}},
		{"DELETE FROM mail_codes WHERE expires_at < $1", []any{now}},
		{"DELETE FROM member_mail WHERE address = '' AND pending_at < $1", []any{now.Add(-PendingTime)}},
		{"UPDATE member_mail SET pending = '', pending_at = 0 WHERE pending <> '' AND pending_at < $1", []any{now.Add(-PendingTime)}},
		{"DELETE FROM passkey_challenges WHERE expires_at < $1", []any{now}},
		{"DELETE FROM oidc_flows WHERE expires_at < $1", []any{now}},
		{"DELETE FROM oidc_arrivals WHERE expires_at < $1", []any{now}},
		{"DELETE FROM ring_tries WHERE at < $1", []any{now.Add(-QuizTime)}},
		{"DELETE FROM ring_places WHERE state IN ('refused', 'left', 'removed') AND decided_at < $1", []any{now.Add(-PlaceTime)}},
	} {
		if _, err := tx.Exec(s.sql, s.args...); err != nil {
			return err
		}
	}
	return nil
}
