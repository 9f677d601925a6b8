package member

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/audit"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
)

const another = "another horse battery"

func session(t testing.TB, d *db.DB, id int64) (token string) {
	t.Helper()
	write(t, d, func(tx *db.Tx) (err error) { token, err = NewSession(tx, id, "test"); return err })
	return token
}

func alive(t testing.TB, d *db.DB, token string) (there bool) {
	t.Helper()
	err := d.Read(t.Context(), func(tx *db.Tx) error { _, _, err := BySession(tx, token); return err })
	if err != nil && !errors.Is(err, ErrNotFound) {
		t.Fatal(err)
	}
	return err == nil
}

func TestRecoveryCodes(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		clock(d)
		p := NewPasswords(TestCost())
		anna, bo := register(t, d, "anna"), register(t, d, "bo")
		make := func(id int64) (codes []string) {
			write(t, d, func(tx *db.Tx) (err error) { codes, err = NewRecoveryCodes(tx, id); return err })
			return codes
		}
		left := func() (n int) {
			write(t, d, func(tx *db.Tx) (err error) { n, _, err = RecoveryCodesLeft(tx, anna.ID); return err })
			return n
		}
		if n := left(); n != 0 {
			t.Errorf("%d codes before any were made", n)
		}
		old, codes, bos := make(anna.ID), make(anna.ID), make(bo.ID)
		if len(codes) != RecoveryCodes || len(codes[0]) != recoveryLetters+3 || left() != RecoveryCodes {
			t.Errorf("the codes are %v, %d work", codes, left())
		}
		write(t, d, func(tx *db.Tx) error { // they themselves are nowhere
			var n int
			err := tx.QueryRow("SELECT COUNT(*) FROM recovery_codes WHERE code_hash IN ($1, $2)", codes[0], typedCode(codes[0])).Scan(&n)
			if n != 0 {
				t.Error("a code is stored as it is")
			}
			return err
		})
		token := session(t, d, anna.ID)
		var invalid *Invalid
		if _, err := p.Recover(t.Context(), d, "anna", codes[0], "short"); !errors.As(err, &invalid) {
			t.Errorf("a short password: %v", err)
		}
		for name, c := range map[string][2]string{
			"a replaced code": {"anna", old[0]}, "someone else's": {"anna", bos[0]}, "an unknown name": {"nobody", codes[0]}, "nothing": {"", ""},
			"a wrong one": {"anna", strings.Repeat("B", recoveryLetters)}, "much": {"anna", strings.Repeat("B", 1000)}, "a long name": {strings.Repeat("a", 1000), codes[0]},
		} {
			if _, err := p.Recover(t.Context(), d, c[0], c[1], another); !errors.Is(err, ErrCode) {
				t.Errorf("%s: found %v", name, err)
			}
		}
		if !alive(t, d, token) || left() != RecoveryCodes {
			t.Error("wrong tries ended the session or used codes up")
		}
		m, err := p.Recover(t.Context(), d, " ANNA ", strings.ToLower(strings.ReplaceAll(codes[0], "-", " ")), another)
		if err != nil || m.ID != anna.ID {
			t.Fatalf("found %+v, %v", m, err)
		}
		if alive(t, d, token) {
			t.Error("the session goes on")
		}
		if _, err := p.SignIn(t.Context(), d, "anna", another); err != nil {
			t.Errorf("the new password: %v", err)
		}
		if _, err := p.Recover(t.Context(), d, "anna", codes[0], secret); !errors.Is(err, ErrCode) || left() != RecoveryCodes-1 {
			t.Errorf("used again: found %v, %d left", err, left())
		}
		// One code, used by several at once, works once.
		var group sync.WaitGroup
		errs := [4]error{}
		for i := range errs {
			group.Go(func() { _, errs[i] = p.Recover(t.Context(), d, "anna", codes[1], another) })
		}
		group.Wait()
		won := 0
		for _, err := range errs {
			if err == nil {
				won++
			} else if !errors.Is(err, ErrCode) {
				t.Error(err)
			}
		}
		if won != 1 {
			t.Errorf("%d recovered by one code", won)
		}
		write(t, d, func(tx *db.Tx) error {
			events, err := audit.List(tx, audit.Filter{ActorID: anna.ID, Action: "member.recover"})
			if len(events) != 2 {
				t.Errorf("the trail has %d recoveries", len(events))
			}
			return err
		})
	})
}

func TestMail(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		now := clock(d)
		p := NewPasswords(TestCost())
		anna, bo := register(t, d, "anna"), register(t, d, "bo")
		set := func(id int64, address string) error {
			return d.Write(t.Context(), func(tx *db.Tx) error { return SetMail(tx, id, address) })
		}
		code := func(id int64) (code string) {
			write(t, d, func(tx *db.Tx) (err error) { code, _, err = NewMailCode(tx, id); return err })
			return code
		}
		confirm := func(code string) (m Member, err error) {
			err = d.Write(t.Context(), func(tx *db.Tx) (err error) { m, _, err = ConfirmMail(tx, code); return err })
			return m, err
		}
		of := func(id int64) (m Mail) {
			write(t, d, func(tx *db.Tx) (err error) { m, err = MailOf(tx, id); return err })
			return m
		}
		var invalid *Invalid
		if err := set(anna.ID, "anna"); !errors.As(err, &invalid) {
			t.Errorf("found %v", err)
		}
		if err := errors.Join(set(anna.ID, " Anna@Example.org "), set(bo.ID, "bo@example.org")); err != nil {
			t.Fatal(err)
		}
		if m := of(anna.ID); m.Address != "" || m.Pending != "Anna@example.org" {
			t.Errorf("found %+v", m)
		}
		first := code(anna.ID)
		if err := set(anna.ID, "anna@example.net"); err != nil { // another one: the first code is for nothing
			t.Fatal(err)
		}
		for _, bad := range []string{"", "x", first} {
			if _, err := confirm(bad); !errors.Is(err, ErrCode) {
				t.Errorf("%q: found %v", bad, err)
			}
		}
		late := code(anna.ID)
		*now = now.Add(ConfirmTime + time.Second)
		if _, err := confirm(late); !errors.Is(err, ErrCode) {
			t.Errorf("two days later: found %v", err)
		}
		good := code(anna.ID)
		if m, err := confirm(strings.ToLower(good)); err != nil || m.ID != anna.ID {
			t.Fatalf("found %+v, %v", m, err)
		}
		if m := of(anna.ID); m.Address != "anna@example.net" || m.Pending != "" || !m.ConfirmedAt.Equal(*now) {
			t.Errorf("found %+v", m)
		}
		if _, err := confirm(good); !errors.Is(err, ErrCode) {
			t.Errorf("used again: found %v", err)
		}
		// Codes that work at once are few.
		for i := range maxMailCodes + 1 {
			err := d.Write(t.Context(), func(tx *db.Tx) error { _, _, err := NewResetCode(tx, anna.ID); return err })
			if (err == nil) != (i < maxMailCodes) || err != nil && !errors.Is(err, ErrTooMany) {
				t.Errorf("code %d: found %v", i, err)
			}
		}
		*now = now.Add(ResetTime + time.Second)
		var reset string
		write(t, d, func(tx *db.Tx) (err error) { // only a confirmed address may be written to
			if _, _, err := NewResetCode(tx, bo.ID); !errors.Is(err, ErrNotFound) {
				t.Errorf("no confirmed address: found %v", err)
			}
			for login, want := range map[string]int{"anna": 1, "ANNA@example.net": 1, "bo": 0, "bo@example.org": 0, "Anna@example.org": 0, "": 0, "%": 0} {
				found, err := Resettable(tx, login)
				if err != nil || len(found) != want || want > 0 && found[0].ID != anna.ID {
					t.Errorf("%q: found %+v, %v", login, found, err)
				}
			}
			reset, _, err = NewResetCode(tx, anna.ID)
			return err
		})
		token := session(t, d, anna.ID)
		for name, c := range map[string]struct{ code, password string }{"short": {reset, "x"}, "with the name": {reset, "anna anna anna b"}} {
			if _, err := p.Reset(t.Context(), d, c.code, c.password); !errors.As(err, &invalid) {
				t.Errorf("%s: found %v", name, err)
			}
		}
		if _, err := p.Reset(t.Context(), d, good, another); !errors.Is(err, ErrCode) {
			t.Errorf("a code of another kind: found %v", err)
		}
		if m, err := p.Reset(t.Context(), d, reset, another); err != nil || m.ID != anna.ID {
			t.Fatalf("found %+v, %v", m, err)
		}
		if alive(t, d, token) {
			t.Error("the session goes on")
		}
		if _, err := p.Reset(t.Context(), d, reset, secret); !errors.Is(err, ErrCode) {
			t.Errorf("used again: found %v", err)
		}
		// A reset that was sent before the address went does not work after it.
		write(t, d, func(tx *db.Tx) (err error) {
			reset, _, err = NewResetCode(tx, anna.ID)
			return errors.Join(err, RemoveMail(tx, anna))
		})
		if _, err := p.Reset(t.Context(), d, reset, secret); !errors.Is(err, ErrCode) || of(anna.ID) != (Mail{}) {
			t.Errorf("after the address went: found %v, %+v", err, of(anna.ID))
		}
	})
}

func TestForget(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		now := clock(d)
		anna, bo := register(t, d, "anna"), register(t, d, "bo")
		count := func(what string) (n int) {
			write(t, d, func(tx *db.Tx) error { return tx.QueryRow("SELECT COUNT(*) FROM " + what).Scan(&n) })
			return n
		}
		token := session(t, d, anna.ID)
		write(t, d, func(tx *db.Tx) error {
			_, err := tx.Exec("UPDATE sessions SET address = '192.0.2.1'")
			_, err2 := NewClaimCode(tx, anna.ID, "umi")
			err3 := SetMail(tx, anna.ID, "anna@example.org")
			code, _, err4 := NewMailCode(tx, anna.ID)
			_, _, err5 := ConfirmMail(tx, code)
			return errors.Join(err, err2, err3, err4, err5, SetMail(tx, anna.ID, "anna@example.net"), SetMail(tx, bo.ID, "bo@example.org"))
		})
		for _, step := range []struct {
			days                                       int
			sessions, addresses, codes, mails, pending int
		}{{0, 1, 1, 1, 2, 2}, {6, 1, 1, 1, 2, 2}, {8, 1, 1, 0, 1, 0}, {13, 1, 1, 0, 1, 0}, {15, 1, 0, 0, 1, 0}, {29, 1, 0, 0, 1, 0}, {31, 0, 0, 0, 1, 0}} {
			*now = time.Date(2026, 11, 27, 9, 0, 0, 0, time.UTC).Add(time.Duration(step.days) * 24 * time.Hour)
			for range 2 {
				write(t, d, Forget)
			}
			got := [5]int{count("sessions"), count("sessions WHERE address <> ''"), count("codes"), count("member_mail"), count("member_mail WHERE pending <> ''")}
			if got != [5]int{step.sessions, step.addresses, step.codes, step.mails, step.pending} {
				t.Errorf("day %d: found %v, expected %+v", step.days, got, step)
			}
		}
		if alive(t, d, token) {
			t.Error("the session goes on")
		}
	})
}

func TestFresh(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		now := clock(d)
		anna := register(t, d, "anna")
		token := session(t, d, anna.ID)
		get := func() (s Session) {
			write(t, d, func(tx *db.Tx) (err error) { _, s, err = BySession(tx, token); return err })
			return s
		}
		if s := get(); !s.Fresh(*now) || s.Fresh(now.Add(FreshTime)) || (Session{}).Fresh(time.Time{}) {
			t.Errorf("found %+v", s)
		}
		*now = now.Add(FreshTime)
		write(t, d, func(tx *db.Tx) error { return Touch(tx, get2(tx, t, token), "192.0.2.7") }) // use alone proves nothing
		if get().Fresh(*now) {
			t.Error("it is fresh by being used")
		}
		write(t, d, func(tx *db.Tx) error { return Prove(tx, get2(tx, t, token)) })
		if !get().Fresh(*now) {
			t.Error("it is not fresh")
		}
	})
}

func get2(tx *db.Tx, t *testing.T, token string) Session {
	t.Helper()
	_, s, err := BySession(tx, token)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestParts(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		anna, bo := register(t, d, "anna"), register(t, d, "bo")
		appoint := func(g Grants) error {
			return d.Write(t.Context(), func(tx *db.Tx) error { return Appoint(tx, anna, bo.ID, g) })
		}
		if err := appoint(Grants{Roles: []Role{Maintainer}, Parts: []string{"Phone", " Camera "}}); err != nil {
			t.Fatal(err)
		}
		var m Member
		write(t, d, func(tx *db.Tx) (err error) { m, err = ByID(tx, bo.ID); return err })
		if !m.MaintainsPart("Camera") || m.MaintainsPart("Battery") || m.MaintainsPart("") || m.Maintains("umi") || m.Maintains("") || !m.Is(Maintainer) || len(m.Parts) != 2 {
			t.Errorf("found %+v", m)
		}
		var invalid *Invalid
		for name, g := range map[string]Grants{
			"parts without maintaining": {Parts: []string{"Camera"}}, "a part without a name": {Roles: []Role{Maintainer}, Parts: []string{" "}},
			"a long part": {Roles: []Role{Maintainer}, Parts: []string{strings.Repeat("x", maxPart+1)}}, "many": {Roles: []Role{Maintainer}, Parts: make([]string, maxGrants+1)},
		} {
			if err := appoint(g); !errors.As(err, &invalid) {
				t.Errorf("%s: found %v", name, err)
			}
		}
		if err := appoint(Grants{}); err != nil {
			t.Fatal(err)
		}
		write(t, d, func(tx *db.Tx) (err error) {
			if m, err = ByID(tx, bo.ID); len(m.Parts) != 0 || m.Is(Maintainer) {
				t.Errorf("found %+v", m)
			}
			changes, err2 := RoleChanges(tx, bo)
			if len(changes) != 2 || !strings.Contains(changes[1].Detail, "Camera") || changes[0].Actor != "anna" {
				t.Errorf("the trail is %+v", changes)
			}
			return errors.Join(err, err2)
		})
	})
}

// Nothing that an account had is left after it was erased.
func TestErase(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		now := clock(d)
		p := NewPasswords(TestCost())
		anna, bo := register(t, d, "anna"), register(t, d, "bo")
		session(t, d, bo.ID)
		write(t, d, func(tx *db.Tx) error {
			_, err := NewRecoveryCodes(tx, bo.ID)
			_, err2 := NewClaimCode(tx, bo.ID, "umi")
			err3 := SetMail(tx, bo.ID, "bo@example.org")
			_, _, err4 := NewMailCode(tx, bo.ID)
			_, err5 := tx.Exec("INSERT INTO claims (id, member_id, device, created_at, ended_at) VALUES (1, $1, 'umi', 1, 0)", bo.ID)
			_, err6 := tx.Exec("INSERT INTO identities (issuer, subject, member_id, label, created_at, used_at) VALUES ('i', 's', $1, 'l', 1, 1)", bo.ID)
			_, err7 := tx.Exec("INSERT INTO passkeys (id, member_id, credential_id, name, credential, created_at, used_at) VALUES (1, $1, 'c', 'n', '{}', 1, 1)", bo.ID)
			_, err8 := tx.Exec("INSERT INTO passkey_users (member_id, handle) VALUES ($1, 'h')", bo.ID)
			return errors.Join(err, err2, err3, err4, err5, err6, err7, err8, Appoint(tx, anna, bo.ID, Grants{Roles: []Role{Maintainer}, Parts: []string{"Camera"}, Devices: []string{"umi"}}),
				audit.Record(tx, audit.Event{ActorID: bo.ID, Actor: "bo", Action: "rollout.halt", Subject: "umi", Detail: `{"why":"bo said so"}`}))
		})
		write(t, d, func(tx *db.Tx) error {
			w, err := WaysInOf(tx, bo.ID)
			if w != (WaysIn{true, 1, 1}) || w.Spare() != nil || (WaysIn{}).Spare() == nil {
				t.Errorf("the ways in are %+v", w)
			}
			_, err2 := WaysInOf(tx, 7)
			if !errors.Is(err2, ErrNotFound) {
				t.Errorf("found %v", err2)
			}
			return errors.Join(err, Erase(tx, bo.ID))
		})
		write(t, d, func(tx *db.Tx) error {
			for _, table := range []string{"member_roles", "member_parts", "sessions", "codes", "claims", "recovery_codes", "member_mail", "mail_codes", "passkey_users", "passkeys", "identities"} {
				var n int
				if err := tx.QueryRow("SELECT COUNT(*) FROM "+table+" WHERE member_id = $1", bo.ID).Scan(&n); err != nil || n != 0 {
					t.Errorf("%s keeps %d rows, %v", table, n, err)
				}
			}
			if _, err := ByName(tx, "bo"); !errors.Is(err, ErrNotFound) {
				t.Errorf("found %v", err)
			}
			events, err := audit.List(tx, audit.Filter{})
			for _, e := range events {
				if strings.Contains(e.Actor+e.Subject, "bo") || strings.HasPrefix(e.Action, "member.") && e.ActorID == bo.ID && e.Detail != "{}" {
					t.Errorf("the trail has %+v", e)
				}
				if e.Action == "rollout.halt" && (e.Actor != Former || e.Detail == "{}") {
					t.Errorf("what phones receive: %+v", e)
				}
			}
			if err2 := Erase(tx, bo.ID); !errors.Is(err2, ErrNotFound) {
				t.Errorf("erased twice: %v", err2)
			}
			return err
		})
		var invalid *Invalid
		if _, err := p.Register(t.Context(), d, "BO", secret); !errors.As(err, &invalid) {
			t.Errorf("someone took the name: %v", err)
		}
		*now = now.Add(FormerNameTime + time.Second)
		write(t, d, Forget)
		if _, err := p.Register(t.Context(), d, "bo", secret); err != nil {
			t.Errorf("a year later: %v", err)
		}
		write(t, d, func(tx *db.Tx) error { return SetRoles(tx, anna, anna.ID, []Role{Admin}, nil) })
		if err := d.Write(t.Context(), func(tx *db.Tx) error { return Erase(tx, anna.ID) }); !errors.As(err, &invalid) {
			t.Errorf("the last admin went: %v", err)
		}
	})
}
