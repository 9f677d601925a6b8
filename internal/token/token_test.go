package token

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/audit"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/member"
)

func TestTokens(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		now := time.Date(2026, 11, 20, 12, 0, 0, 0, time.UTC)
		d.SetClock(func() time.Time { return now })
		passwords := member.NewPasswords(member.TestCost())
		hashed, err := passwords.Hash(t.Context(), "ana", "a sentence is good")
		if err != nil {
			t.Fatal(err)
		}
		var ana, ben member.Member
		write := func(fn func(tx *db.Tx) error) {
			t.Helper()
			if err := d.Write(t.Context(), fn); err != nil {
				t.Fatal(err)
			}
		}
		write(func(tx *db.Tx) (err error) {
			if ana, err = member.Register(tx, "ana", hashed); err != nil {
				return err
			}
			ben, err = member.Register(tx, "ben", hashed)
			return err
		})
		var tok Token
		var secret string
		write(func(tx *db.Tx) (err error) {
			tok, secret, err = New(tx, ana.ID, ana.Name, "  build \n bot ", []Scope{Write, Read, Read}, 24*time.Hour)
			return err
		})
		if tok.Name != "build bot" || len(tok.Scopes) != 2 || tok.Scopes[0] != Read || tok.May(Moderate) || !strings.HasSuffix(secret, tok.Hint) {
			t.Errorf("the token is %+v", tok)
		}
		find := func(secret string) (got Token, err error) {
			t.Helper()
			write(func(tx *db.Tx) error { got, err = BySecret(tx, secret); return nil })
			return got, err
		}
		got, err := find(secret)
		if err != nil || got.ID != tok.ID || got.MemberID != ana.ID || !got.Stale || !got.ExpiresAt.Equal(now.Add(24*time.Hour)) {
			t.Errorf("it is found as %+v, %v", got, err)
		}
		write(func(tx *db.Tx) error { return Touch(tx, got.ID) })
		if got, _ = find(secret); got.Stale || !got.UsedAt.Equal(now) {
			t.Errorf("after its use it is %+v", got)
		}
		for _, wrong := range []string{"", "x", secret + "x", secret[:len(secret)-1], strings.ToUpper(secret), newSecret(), prefix + strings.Repeat("A", 49), strings.Repeat("friday_", 8)} {
			if _, err := find(wrong); !errors.Is(err, ErrNotFound) {
				t.Errorf("%q is found: %v", wrong, err)
			}
		}
		// What lies in the database opens nothing.
		write(func(tx *db.Tx) error {
			var n int
			err := tx.QueryRow("SELECT COUNT(*) FROM api_tokens WHERE token_hash = $1 OR hint = $1 OR name = $1", secret).Scan(&n)
			if n != 0 {
				t.Error("the secret is kept")
			}
			return err
		})
		now = now.Add(24 * time.Hour)
		if _, err := find(secret); !errors.Is(err, ErrNotFound) {
			t.Errorf("past its end it is found: %v", err)
		}
		now = now.Add(-time.Second)
		err = d.Write(t.Context(), func(tx *db.Tx) error { return Revoke(tx, ben.ID, ben.Name, tok.ID) })
		if !errors.Is(err, ErrNotFound) {
			t.Errorf("another member revokes it: %v", err)
		}
		write(func(tx *db.Tx) error { return Revoke(tx, ana.ID, ana.Name, tok.ID) })
		if _, err := find(secret); !errors.Is(err, ErrNotFound) {
			t.Errorf("revoked, it is found: %v", err)
		}
		write(func(tx *db.Tx) error {
			log, err := audit.List(tx, audit.Filter{Action: "token."})
			if len(log) != 2 || log[0].Action != "token.revoke" || strings.Contains(log[1].Detail+log[1].Subject, secret) {
				t.Errorf("the audit trail has %+v", log)
			}
			return err
		})
	})
}

func TestRefused(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		passwords := member.NewPasswords(member.TestCost())
		hashed, err := passwords.Hash(t.Context(), "ana", "a sentence is good")
		if err != nil {
			t.Fatal(err)
		}
		var ana member.Member
		if err := d.Write(t.Context(), func(tx *db.Tx) (err error) { ana, err = member.Register(tx, "ana", hashed); return err }); err != nil {
			t.Fatal(err)
		}
		try := func(name string, scopes []Scope, life time.Duration) error {
			return d.Write(t.Context(), func(tx *db.Tx) error { _, _, err := New(tx, ana.ID, ana.Name, name, scopes, life); return err })
		}
		for _, c := range []struct {
			field, name string
			scopes      []Scope
			life        time.Duration
		}{
			{"name", " ", []Scope{Read}, 0}, {"name", strings.Repeat("x", MaxName+1), []Scope{Read}, 0}, {"name", "a\x00b", []Scope{Read}, 0}, {"name", "a\xff", []Scope{Read}, 0},
			{"scopes", "bot", nil, 0}, {"scopes", "bot", []Scope{"admin"}, 0}, {"life", "bot", []Scope{Read}, -1}, {"life", "bot", []Scope{Read}, MaxLife + 1},
		} {
			var invalid *Invalid
			if err := try(c.name, c.scopes, c.life); !errors.As(err, &invalid) || invalid.Field != c.field {
				t.Errorf("%+v: %v", c, err)
			}
		}
		for range MaxTokens {
			if err := try("bot", []Scope{Read}, 0); err != nil {
				t.Fatal(err)
			}
		}
		if try("one more", []Scope{Read}, 0) == nil {
			t.Error("a member may have any number of tokens")
		}
	})
}
