package member

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/audit"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
)

const secret = "correct horse battery"

func write(t testing.TB, d *db.DB, fn func(tx *db.Tx) error) {
	t.Helper()
	if err := d.Write(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func register(t testing.TB, d *db.DB, name string) Member {
	t.Helper()
	m, err := NewPasswords(TestCost()).Register(t.Context(), d, name, secret)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// clock is the database's, moved by hand.
func clock(d *db.DB) (at *time.Time) {
	now := time.Date(2026, 11, 27, 9, 0, 0, 0, time.UTC)
	d.SetClock(func() time.Time { return now })
	return &now
}

func TestRegister(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		p := NewPasswords(TestCost())
		m := register(t, d, " Åsa-Lïsa ")
		if m.Name != "Åsa-Lïsa" || !slices.Equal(m.Roles, []Role{Ordinary}) {
			t.Errorf("found %+v", m)
		}
		var invalid *Invalid
		for _, name := range []string{"åsa-lïsa", "ÅSA-LÏSA", "A\u030asa-Li\u0308sa"} {
			if _, err := p.Register(t.Context(), d, name, secret); !errors.As(err, &invalid) || invalid.Field != "name" {
				t.Errorf("%q: found %v, want the name to be taken", name, err)
			}
			write(t, d, func(tx *db.Tx) error {
				found, err := ByName(tx, name)
				if found.ID != m.ID {
					t.Errorf("%q: found %+v", name, found)
				}
				return err
			})
		}
		if _, err := p.Register(t.Context(), d, "bo", "short"); !errors.As(err, &invalid) || invalid.Field != "password" {
			t.Errorf("found %v", err)
		}
		bo := register(t, d, "bo")
		if err := d.Read(t.Context(), func(tx *db.Tx) error {
			all, err := List(tx, 0, 0)
			if len(all) != 2 || all[0].ID != m.ID || all[1].ID != bo.ID {
				t.Errorf("listed %+v", all)
			}
			rest, err2 := List(tx, m.ID, 1)
			if len(rest) != 1 || rest[0].Name != "bo" {
				t.Errorf("the second page is %+v", rest)
			}
			if _, err := ByID(tx, 1); !errors.Is(err, ErrNotFound) {
				t.Errorf("found %v", err)
			}
			return errors.Join(err, err2)
		}); err != nil {
			t.Fatal(err)
		}
	})
}

// Of many who want one name at once, one gets it.
func TestRegisterAtOnce(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		p := NewPasswords(TestCost())
		var mu sync.Mutex
		var group sync.WaitGroup
		got := 0
		for range 6 {
			group.Go(func() {
				_, err := p.Register(t.Context(), d, "anna", secret)
				var invalid *Invalid
				if err != nil && !errors.As(err, &invalid) {
					t.Error(err)
				}
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					got++
				}
			})
		}
		group.Wait()
		if got != 1 {
			t.Errorf("%d got the name", got)
		}
	})
}

func TestSignIn(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		p := NewPasswords(TestCost())
		m := register(t, d, "anna")
		if got, err := p.SignIn(t.Context(), d, "ANNA", secret); err != nil || got.ID != m.ID {
			t.Errorf("found %+v, %v", got, err)
		}
		for _, c := range [][2]string{{"anna", secret + "x"}, {"anna", ""}, {"nobody", secret}, {"", ""}, {"anna", strings.Repeat("x", 1000)}} {
			if _, err := p.SignIn(t.Context(), d, c[0], c[1]); err != ErrSignIn {
				t.Errorf("%q: found %v, want ErrSignIn", c[0], err)
			}
		}
		// A higher cost renews the hash at the next sign-in.
		stored := func() (phc string) {
			write(t, d, func(tx *db.Tx) error {
				return tx.QueryRow("SELECT password_hash FROM members WHERE id = $1", m.ID).Scan(&phc)
			})
			return phc
		}
		before := stored()
		dearer := NewPasswords(Cost{Time: 2, Memory: 128, Threads: 1})
		if _, err := dearer.SignIn(t.Context(), d, "anna", "wrong password"); err != ErrSignIn || stored() != before {
			t.Errorf("a wrong password: %v, renewed %v", err, stored() != before)
		}
		for range 2 {
			if _, err := dearer.SignIn(t.Context(), d, "anna", secret); err != nil {
				t.Fatal(err)
			}
		}
		if after := stored(); !strings.HasPrefix(after, "$argon2id$v=19$m=128,t=2,p=1$") {
			t.Errorf("the hash is %s", after)
		}
	})
}

func TestChangePassword(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		p := NewPasswords(TestCost())
		m := register(t, d, "anna")
		var token string
		write(t, d, func(tx *db.Tx) (err error) { token, err = NewSession(tx, m.ID, ""); return err })
		if _, err := p.Change(t.Context(), d, m.ID, "wrong password", "another horse battery"); err != ErrSignIn {
			t.Errorf("found %v", err)
		}
		if _, err := p.Change(t.Context(), d, m.ID, secret, "another horse battery"); err != nil {
			t.Fatal(err)
		}
		if _, err := p.SignIn(t.Context(), d, "anna", secret); err != ErrSignIn {
			t.Errorf("the old password: %v", err)
		}
		if _, err := p.SignIn(t.Context(), d, "anna", "another horse battery"); err != nil {
			t.Errorf("the new password: %v", err)
		}
		if err := d.Read(t.Context(), func(tx *db.Tx) error { _, _, err := BySession(tx, token); return err }); !errors.Is(err, ErrNotFound) {
			t.Errorf("the session goes on: %v", err)
		}
	})
}

// What signing in and recovering cost does not tell whether there is an account:
// one hash each, whoever is asked for.
func TestSameWorkForEveryName(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		p := NewPasswords(TestCost())
		for _, name := range []string{"anna", "nokey"} {
			if _, err := p.Register(t.Context(), d, name, secret); err != nil {
				t.Fatal(err)
			}
		}
		var code string
		if err := d.Write(t.Context(), func(tx *db.Tx) error {
			m, err := ByName(tx, "anna")
			if err != nil {
				return err
			}
			codes, err := NewRecoveryCodes(tx, m.ID)
			code = codes[0]
			_, err2 := tx.Exec("UPDATE members SET password_hash = '' WHERE name = 'nokey'") // who signs in by passkey alone
			return errors.Join(err, err2)
		}); err != nil {
			t.Fatal(err)
		}
		long := strings.Repeat("x", maxPassword+1)
		for what, try := range map[string]func(name string) error{
			"signing in":               func(name string) error { _, err := p.SignIn(t.Context(), d, name, "wrong password"); return err },
			"signing in with too much": func(name string) error { _, err := p.SignIn(t.Context(), d, name, long); return err },
			"recovering by a wrong code": func(name string) error {
				_, err := p.Recover(t.Context(), d, name, "BBBB-BBBB-BBBB-BBBB", "Another long sentence.")
				return err
			},
			"recovering by another's code": func(name string) error {
				if strings.EqualFold(name, "anna") {
					name = "nokey"
				}
				_, err := p.Recover(t.Context(), d, name, code, "Another long sentence.")
				return err
			},
			"recovering with a short password": func(name string) error { _, err := p.Recover(t.Context(), d, name, code, "short"); return err },
			"a code of a letter": func(string) error {
				_, err := p.Reset(t.Context(), d, "nonsense", "Another long sentence.")
				return err
			},
		} {
			cost, said := map[int64]bool{}, map[string]bool{}
			for _, name := range []string{"anna", "ANNA", "nokey", "nobody", "no such name"} {
				before := p.hashed.Load()
				err := try(name)
				if err == nil {
					t.Fatalf("%s as %s works", what, name)
				}
				cost[p.hashed.Load()-before], said[err.Error()] = true, true
			}
			if len(cost) != 1 || len(said) != 1 {
				t.Errorf("%s costs %v hashes and is answered by %v, depending on the name", what, cost, said)
			}
		}
		if _, err := p.SignIn(t.Context(), d, "anna", secret); err != nil {
			t.Errorf("after all that anna cannot sign in: %v", err)
		}
	})
}

func TestRoles(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		anna, bo := register(t, d, "anna"), register(t, d, "bo")
		set := func(id int64, devices []string, roles ...Role) error {
			return d.Write(t.Context(), func(tx *db.Tx) error { return SetRoles(tx, anna, id, roles, devices) })
		}
		get := func(id int64) (m Member) {
			write(t, d, func(tx *db.Tx) (err error) { m, err = ByID(tx, id); return err })
			return m
		}
		if err := set(anna.ID, nil, Admin); err != nil {
			t.Fatal(err)
		}
		if err := set(bo.ID, []string{"umi", "hlte", "umi"}, Tester, Maintainer); err != nil {
			t.Fatal(err)
		}
		m := get(bo.ID)
		if !slices.Equal(m.Roles, []Role{Ordinary, Tester, Maintainer}) || !slices.Equal(m.Devices, []string{"hlte", "umi"}) {
			t.Errorf("found %+v", m)
		}
		if !m.Maintains("umi") || m.Maintains("lt26i") || m.Is(Moderator) || m.Moderates() || !m.Is(Tester) {
			t.Errorf("%+v may what it may not, or not what it may", m)
		}
		if a := get(anna.ID); !a.Maintains("lt26i") || !a.Moderates() || !a.Is(Maintainer) {
			t.Errorf("%+v may not all", a)
		}
		var invalid *Invalid
		for name, err := range map[string]error{
			"the last admin went":         set(anna.ID, nil, Ordinary),
			"unknown role":                set(bo.ID, nil, "king"),
			"a maintainer of nothing":     set(bo.ID, nil, Maintainer),
			"devices without maintaining": set(bo.ID, []string{"umi"}, Tester),
		} {
			if !errors.As(err, &invalid) {
				t.Errorf("%s: found %v", name, err)
			}
		}
		if err := set(bo.ID, nil, Admin); err != nil {
			t.Fatal(err)
		}
		if err := set(anna.ID, nil); err != nil {
			t.Errorf("with two admins: %v", err)
		}
		if err := set(7, nil, Admin); !errors.Is(err, ErrNotFound) {
			t.Errorf("found %v", err)
		}
		write(t, d, func(tx *db.Tx) error {
			events, err := audit.List(tx, audit.Filter{Action: "member."})
			if len(events) != 4 || events[2].Actor != "anna" || events[2].Subject != "bo" || !strings.Contains(events[2].Detail, `"umi"`) {
				t.Errorf("the trail is %+v", events)
			}
			return err
		})
	})
}

func TestSessions(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		now := clock(d)
		anna := register(t, d, "anna")
		start := func() (token string) {
			write(t, d, func(tx *db.Tx) (err error) {
				token, err = NewSession(tx, anna.ID, strings.Repeat("ä", 200))
				return err
			})
			return token
		}
		find := func(token string) (s Session, err error) {
			err = d.Read(t.Context(), func(tx *db.Tx) (err error) {
				m, found, err := BySession(tx, token)
				if err == nil && m.ID != anna.ID {
					t.Errorf("the session is of %+v", m)
				}
				s = found
				return err
			})
			return s, err
		}
		token := start()
		s, err := find(token)
		if err != nil || s.Stale || s.Agent != strings.Repeat("ä", 100) {
			t.Errorf("found %+v, %v", s, err)
		}
		for _, bad := range []string{"", "x", token[1:], token + "x", strings.Repeat("A", len(token)), secretHash(token)} {
			if _, err := find(bad); !errors.Is(err, ErrNotFound) {
				t.Errorf("%q: found %v", bad, err)
			}
		}
		write(t, d, func(tx *db.Tx) error { // the token itself is nowhere
			var n int
			err := tx.QueryRow("SELECT COUNT(*) FROM sessions WHERE token_hash = $1", token).Scan(&n)
			if n != 0 {
				t.Error("the token is stored as it is")
			}
			return err
		})
		// Used every day it lives until its longest time; unused, until its idle time.
		idle := start()
		for days := 1; ; days++ {
			*now = now.Add(24 * time.Hour)
			s, err := find(token)
			if _, idleErr := find(idle); (idleErr == nil) != (days <= 30) {
				t.Errorf("day %d: the unused session: %v", days, idleErr)
			}
			if err != nil {
				if days != 181 {
					t.Errorf("it ended on day %d: %v", days, err)
				}
				break
			}
			if !s.Stale {
				t.Errorf("day %d: it is not stale", days)
			}
			write(t, d, func(tx *db.Tx) error { return Touch(tx, s, "192.0.2.7") })
		}
		// Rotation, ending, listing, the bound.
		token = start()
		var fresh string
		write(t, d, func(tx *db.Tx) (err error) { fresh, err = Rotate(tx, token, anna.ID, "b"); return err })
		if _, err := find(token); !errors.Is(err, ErrNotFound) {
			t.Errorf("the old token: %v", err)
		}
		for range maxSessions + 5 {
			*now = now.Add(time.Second)
			start()
		}
		if _, err := find(fresh); !errors.Is(err, ErrNotFound) {
			t.Errorf("the longest unused of too many: %v", err)
		}
		write(t, d, func(tx *db.Tx) error {
			all, err := Sessions(tx, anna.ID)
			if len(all) != maxSessions || all[0].SeenAt.Before(all[1].SeenAt) {
				t.Errorf("%d sessions", len(all))
			}
			if err := EndSessionByID(tx, anna.ID+1, all[0].ID); err != nil { // not theirs
				return err
			}
			if err := EndSessionByID(tx, anna.ID, all[1].ID); err != nil {
				return err
			}
			left, err2 := Sessions(tx, anna.ID)
			if len(left) != maxSessions-1 || left[0].ID != all[0].ID {
				t.Errorf("%d sessions left", len(left))
			}
			return errors.Join(err, err2, EndSessionByID(tx, anna.ID, 0))
		})
		write(t, d, func(tx *db.Tx) error {
			all, err := Sessions(tx, anna.ID)
			if len(all) != 0 {
				t.Errorf("%d sessions after all were ended", len(all))
			}
			return err
		})
	})
}

func TestNames(t *testing.T) {
	for name, want := range map[string]string{
		"anna": "anna", " Bo ": "Bo", "小米": "小米", "Ärger_3": "Ärger_3", "a.b-c_d": "a.b-c_d",
		"मीनाक्षी": "मीनाक्षी", "иван": "иван", strings.Repeat("x", 32): strings.Repeat("x", 32), "e\u0301va": "éva",
		"x": "", "": "", strings.Repeat("x", 33): "", "a b": "", "a..b": "", "-ab": "", "ab.": "", "12": "", "a\u200bb": "", "a\x00b": "",
		"admin": "", "Admin": "", "A-D-M-I-N": "", "friday": "", "ａｄｍｉｎ": "", "аnna": "" /* Cyrillic а */, "an\u202ena": "",
		"a\u0301\u0302\u0303\u0304\u0305b": "", "\xff\xfe": "", "an/na": "", "an@na": "", "😀😀": "", strings.Repeat("ä", 5000): "",
	} {
		got, err := CheckName(name)
		if got != want || (err == nil) != (want != "") {
			t.Errorf("%.40q: found %q, %v; want %q", name, got, err, want)
		}
	}
	for _, pair := range [][2]string{{"Straße", "STRASSE"}, {"ΟΔΟΣ", "οδος"}, {"ﬁn", "FIN"}} {
		if (NameKey(pair[0]) == NameKey(pair[1])) != (pair[0] != "Straße") {
			t.Errorf("%q has the key %q, %q has %q", pair[0], NameKey(pair[0]), pair[1], NameKey(pair[1]))
		}
	}
}

func FuzzCheckName(f *testing.F) {
	for _, s := range []string{"anna", "小米", "a.b", "admin", "e\u0301", "\xff"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		name, err := CheckName(s)
		if err != nil {
			return
		}
		if again, err := CheckName(name); err != nil || again != name {
			t.Errorf("%q gave %q, which gives %q, %v", s, name, again, err)
		}
		if NameKey(s) != NameKey(name) {
			t.Errorf("%q has the key %q, and %q %q", s, NameKey(s), name, NameKey(name))
		}
	})
}

func TestPasswordRules(t *testing.T) {
	for password, ok := range map[string]bool{
		secret: true, "小米手机发烧友论坛好": true, "short": false, "aaaaaaaaaaaa": false, "1234567890": false, "my name is Anna": false,
		strings.Repeat("long", 100): false, "\xff23456789abc": false,
	} {
		if err := checkPassword("anna", password); (err == nil) != ok {
			t.Errorf("%.30q: found %v", password, err)
		}
	}
}

func TestHash(t *testing.T) {
	h := TestCost().hash("Ångström 123")
	if ok, cost, err := h.verify("A\u030angstro\u0308m 123"); !ok || cost != TestCost() || err != nil {
		t.Errorf("found %v %v %v", ok, cost, err)
	}
	if ok, _, err := h.verify("Ångström 124"); ok || err != nil {
		t.Errorf("found %v %v", ok, err)
	}
	// From the test vectors of the reference implementation (phc-winner-argon2, src/test.c).
	foreign := Hash{"$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc"}
	if ok, _, err := foreign.verify("password"); !ok || err != nil {
		t.Errorf("another program's hash: %v %v", ok, err)
	}
	for _, bad := range []string{
		"", "$2a$10$x", "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$", "$argon2id$v=16$m=64,t=1,p=1$c29tZXNhbHQ$" + strings.Repeat("A", 43),
		"$argon2id$v=19$m=4294967295,t=1,p=1$c29tZXNhbHQ$" + strings.Repeat("A", 43), "$argon2id$v=19$m=64,t=0,p=1$c29tZXNhbHQ$" + strings.Repeat("A", 43),
		"$argon2id$v=19$m=64,t=1,p=0$c29tZXNhbHQ$" + strings.Repeat("A", 43), "$argon2id$v=19$m=x$c29tZXNhbHQ$" + strings.Repeat("A", 43),
	} {
		if ok, _, err := (Hash{bad}).verify("password"); ok || err == nil {
			t.Errorf("%s: found %v, %v", bad, ok, err)
		}
	}
}

func BenchmarkHash(b *testing.B) {
	for b.Loop() {
		_ = DefaultCost().hash(fmt.Sprint(b.N))
	}
}
