// Package holding is what is kept about a member, over all rooms: given to them
// as a file, and taken away when they leave.
//
// Each room that keeps something says so with a Keeper; cmd/friday brings them
// together. What a member wrote for others stays readable without a name; what
// is only about them goes.
package holding

import (
	"archive/zip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/fridayos/friday/internal/audit"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/member/oidc"
	"github.com/fridayos/friday/internal/member/passkey"
	"github.com/fridayos/friday/internal/member/ring"
)

// Keeper is one kind of things that a room keeps about members.
type Keeper struct {
	Name string // of the file: "posts" becomes posts.json
	// Export gives each thing to yield, which writes it as JSON, and returns its error.
	Export func(tx *db.Tx, memberID int64, yield func(v any) error) error
	// Erase takes away what is about the member alone; nil: nothing needs to go.
	Erase func(tx *db.Tx, memberID int64) error
}

// Write writes all that is kept about a member as a zip of JSON files, as it
// is read: memory is bounded by one thing at a time. All is of one moment.
func Write(ctx context.Context, d *db.DB, keepers []Keeper, memberID int64, w io.Writer) error {
	z := zip.NewWriter(w)
	err := d.Read(ctx, func(tx *db.Tx) error {
		for _, k := range append(Own(), keepers...) {
			if err := k.write(tx, z, memberID, tx.Now()); err != nil {
				return fmt.Errorf("cannot export %s of member %d: %w", k.Name, memberID, err)
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return z.Close()
}

func (k Keeper) write(tx *db.Tx, z *zip.Writer, memberID int64, now time.Time) error {
	if k.Export == nil {
		return nil
	}
	f, err := z.CreateHeader(&zip.FileHeader{Name: k.Name + ".json", Method: zip.Deflate, Modified: now})
	if err != nil {
		return err
	}
	if _, err := io.WriteString(f, "["); err != nil {
		return err
	}
	separator := "\n"
	if err := k.Export(tx, memberID, func(v any) error {
		text, err := json.MarshalIndent(v, "", "  ")
		if err == nil {
			_, err = io.WriteString(f, separator+string(text))
		}
		separator = ",\n"
		return err
	}); err != nil {
		return err
	}
	_, err = io.WriteString(f, "\n]\n")
	return err
}

// Erase takes an account away with what every room keeps about the member
// alone, in one transaction.
func Erase(tx *db.Tx, keepers []Keeper, memberID int64) error {
	for _, k := range keepers {
		if k.Erase != nil {
			if err := k.Erase(tx, memberID); err != nil {
				return fmt.Errorf("cannot erase %s of member %d: %w", k.Name, memberID, err)
			}
		}
	}
	return member.Erase(tx, memberID)
}

// Own is what the member room keeps. Secrets are not given out: neither hashes
// of passwords and codes, nor public keys.
func Own() []Keeper {
	return []Keeper{
		{Name: "account", Export: account},
		{Name: "sessions", Export: Each(member.Sessions, func(s member.Session) any {
			return map[string]any{"browser": s.Agent, "address": s.Address, "began": s.CreatedAt, "seen": s.SeenAt}
		})},
		{Name: "handsets", Export: Each(member.ClaimsOf, func(c member.Claim) any {
			return map[string]any{"device": c.Device, "claimed": c.CreatedAt}
		})},
		{Name: "passkeys", Export: Each(passkey.List, func(p passkey.Passkey) any {
			return map[string]any{"name": p.Name, "added": p.CreatedAt, "used": p.UsedAt}
		})},
		{Name: "accounts-elsewhere", Export: Each(oidc.List, func(i oidc.Identity) any {
			return map[string]any{"issuer": i.Issuer, "subject": i.Subject, "name": i.Label, "added": i.CreatedAt, "used": i.UsedAt}
		})},
		{Name: "test-ring", Export: Each(ring.Of, func(p ring.Place) any {
			return map[string]any{"device": p.Device, "channel": p.Channel, "state": p.State, "why": p.Why, "reason": p.Reason, "applied": p.AppliedAt, "decided": p.DecidedAt}
		})},
		{Name: "actions", Export: actions},
	}
}

// Each gives, as an Export does, each of a list as show says it.
func Each[T any](list func(*db.Tx, int64) ([]T, error), show func(T) any) func(*db.Tx, int64, func(any) error) error {
	return func(tx *db.Tx, id int64, yield func(any) error) error {
		all, err := list(tx, id)
		for _, one := range all {
			if err == nil {
				err = yield(show(one))
			}
		}
		return err
	}
}

func account(tx *db.Tx, id int64, yield func(any) error) error {
	m, err := member.ByID(tx, id)
	if err != nil {
		return err
	}
	a, err := member.MailOf(tx, id)
	if err != nil {
		return err
	}
	ways, err := member.WaysInOf(tx, id)
	if err != nil {
		return err
	}
	left, made, err := member.RecoveryCodesLeft(tx, id)
	if err != nil {
		return err
	}
	return yield(map[string]any{"name": m.Name, "roles": m.Roles, "maintains_devices": m.Devices, "maintains_parts": m.Parts, "registered": m.CreatedAt,
		"mail": a.Address, "mail_unconfirmed": a.Pending, "has_password": ways.Password, "recovery_codes_left": left, "recovery_codes_made": made})
}

// actions are the entries of the audit trail that the member caused, page by page.
func actions(tx *db.Tx, id int64, yield func(any) error) error {
	const page = 500
	for before := int64(0); ; {
		events, err := audit.List(tx, audit.Filter{ActorID: id, Before: before, Limit: page})
		if err != nil {
			return err
		}
		for _, e := range events {
			if err := yield(e); err != nil {
				return err
			}
			before = e.ID
		}
		if len(events) < page {
			return nil
		}
	}
}
