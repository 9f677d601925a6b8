package passkey_test

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/member/passkey"
)

// desk is a site, a member, and a phone with passkeys.
type desk struct {
	t    *testing.T
	d    *db.DB
	now  time.Time
	keys *passkey.Keys
	rp   virtualwebauthn.RelyingParty
	anna member.Member
	bo   member.Member
}

func newDesk(t *testing.T, d *db.DB) *desk {
	t.Helper()
	k := &desk{t: t, d: d, now: time.Date(2026, 11, 27, 9, 0, 0, 0, time.UTC), rp: virtualwebauthn.RelyingParty{Name: "Friday", ID: "os.example.org", Origin: "https://os.example.org"}}
	d.SetClock(func() time.Time { return k.now })
	var err error
	if k.keys, err = passkey.New("https://os.example.org", "Friday"); err != nil {
		t.Fatal(err)
	}
	p := member.NewPasswords(member.TestCost())
	for name, m := range map[string]*member.Member{"anna": &k.anna, "bo": &k.bo} {
		if *m, err = p.Register(t.Context(), d, name, "correct horse battery"); err != nil {
			t.Fatal(err)
		}
	}
	return k
}

func (k *desk) write(fn func(tx *db.Tx) error) error { return k.d.Write(k.t.Context(), fn) }

// newKey makes a P-256 key. The virtual phone writes a coordinate that begins
// with a zero byte too short, which a real one does not: such keys are left out.
func newKey() virtualwebauthn.Credential {
	const whole = 77 // bytes of a COSE key with two coordinates of 32
	for {
		if key := virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2); len(key.Key.AttestationData()) == whole {
			return key
		}
	}
}

// wrap gives options the form that the virtual authenticator reads.
func wrap(options []byte) string { return `{"publicKey":` + string(options) + `}` }

// add registers a new passkey of a phone for a member.
func (k *desk) add(m member.Member, name string) (phone virtualwebauthn.Authenticator, key virtualwebauthn.Credential, err error) {
	k.t.Helper()
	key = newKey()
	phone = virtualwebauthn.NewAuthenticator()
	err = k.write(func(tx *db.Tx) error {
		options, token, err := k.keys.BeginAdd(tx, m)
		if err != nil {
			return err
		}
		parsed, err := virtualwebauthn.ParseAttestationOptions(wrap(options))
		if err != nil {
			return err
		}
		phone.Options.UserHandle = []byte(parsed.UserID)
		_, err = k.keys.Add(tx, m, token, name, []byte(virtualwebauthn.CreateAttestationResponse(k.rp, phone, key, *parsed)))
		return err
	})
	phone.AddCredential(key)
	return phone, key, err
}

// begin asks for a challenge to sign in.
func (k *desk) begin() (options virtualwebauthn.AssertionOptions, token string) {
	k.t.Helper()
	if err := k.write(func(tx *db.Tx) error {
		body, tok, err := k.keys.BeginSignIn(tx)
		if err != nil {
			return err
		}
		parsed, err := virtualwebauthn.ParseAssertionOptions(wrap(body))
		if err == nil {
			options, token = *parsed, tok
		}
		return err
	}); err != nil {
		k.t.Fatal(err)
	}
	return options, token
}

func (k *desk) signIn(token, answer string) (m member.Member, err error) {
	err = k.write(func(tx *db.Tx) (err error) { m, err = k.keys.SignIn(tx, token, []byte(answer)); return err })
	return m, err
}

func TestSignIn(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		k := newDesk(t, d)
		phone, key, err := k.add(k.anna, " Pixel ")
		if err != nil {
			t.Fatal(err)
		}
		bosPhone, bosKey, err := k.add(k.bo, "Galaxy")
		if err != nil {
			t.Fatal(err)
		}
		options, token := k.begin()
		good := virtualwebauthn.CreateAssertionResponse(k.rp, phone, key, options)
		elsewhere := k.rp
		elsewhere.Origin = "https://os.example.org.evil.example"
		stranger := k.rp
		stranger.ID = "evil.example"
		impostor := phone // bo's key under anna's handle
		unseen := phone
		unseen.Options.UserNotVerified = true
		nobody := phone
		nobody.Options.UserHandle = []byte("nobody knows this handle")
		old, oldToken := k.begin()
		for name, c := range map[string]struct{ token, answer string }{
			"another page":         {token, virtualwebauthn.CreateAssertionResponse(elsewhere, phone, key, options)},
			"another site":         {token, virtualwebauthn.CreateAssertionResponse(stranger, phone, key, options)},
			"another's passkey":    {token, virtualwebauthn.CreateAssertionResponse(k.rp, impostor, bosKey, options)},
			"an unverified person": {token, virtualwebauthn.CreateAssertionResponse(k.rp, unseen, key, options)},
			"an unknown handle":    {token, virtualwebauthn.CreateAssertionResponse(k.rp, nobody, key, options)},
			"another challenge":    {token, virtualwebauthn.CreateAssertionResponse(k.rp, phone, key, old)},
			"an unknown key":       {token, virtualwebauthn.CreateAssertionResponse(k.rp, phone, newKey(), options)},
			"no token":             {"", good},
			"a wrong token":        {token[1:] + "A", good},
			"nothing":              {token, ""},
			"no JSON":              {token, "{"},
			"too much":             {token, strings.Repeat(" ", passkey.MaxAnswer) + good},
		} {
			if _, err := k.signIn(c.token, c.answer); !errors.Is(err, passkey.ErrPasskey) {
				t.Errorf("%s: found %v", name, err)
			}
		}
		if m, err := k.signIn(token, good); err != nil || m.ID != k.anna.ID {
			t.Fatalf("found %+v, %v", m, err)
		}
		if _, err := k.signIn(token, good); !errors.Is(err, passkey.ErrPasskey) {
			t.Errorf("the same answer again: %v", err)
		}
		if m, err := k.signIn(oldToken, virtualwebauthn.CreateAssertionResponse(k.rp, bosPhone, bosKey, old)); err != nil || m.ID != k.bo.ID {
			t.Errorf("found %+v, %v", m, err)
		}
		options, token = k.begin()
		k.now = k.now.Add(passkey.ChallengeTime + time.Second)
		if _, err := k.signIn(token, virtualwebauthn.CreateAssertionResponse(k.rp, phone, key, options)); !errors.Is(err, passkey.ErrPasskey) {
			t.Errorf("after its time: %v", err)
		}
		// A counter that rose must not go back: there is a copy.
		counted := func(n uint32) error {
			options, token := k.begin()
			key.Counter = n
			_, err := k.signIn(token, virtualwebauthn.CreateAssertionResponse(k.rp, phone, key, options))
			return err
		}
		if err := counted(7); err != nil {
			t.Error(err)
		}
		if err := counted(7); !errors.Is(err, passkey.ErrPasskey) {
			t.Errorf("a copy: found %v", err)
		}
		if err := counted(8); err != nil {
			t.Error(err)
		}
	})
}

func TestList(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		k := newDesk(t, d)
		var invalid *member.Invalid
		for _, name := range []string{"", " ", strings.Repeat("x", 51), "a\nb"} {
			if _, _, err := k.add(k.anna, name); !errors.As(err, &invalid) {
				t.Errorf("%q: found %v", name, err)
			}
		}
		phone, key, err := k.add(k.anna, "Pixel")
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := k.add(k.anna, "Key"); err != nil {
			t.Fatal(err)
		}
		list := func(m member.Member) (all []passkey.Passkey) {
			if err := k.write(func(tx *db.Tx) (err error) { all, err = passkey.List(tx, m.ID); return err }); err != nil {
				t.Fatal(err)
			}
			return all
		}
		k.now = k.now.Add(time.Hour)
		options, token := k.begin()
		if _, err := k.signIn(token, virtualwebauthn.CreateAssertionResponse(k.rp, phone, key, options)); err != nil {
			t.Fatal(err)
		}
		all := list(k.anna)
		if len(all) != 2 || all[0].Name != "Pixel" || !all[0].UsedAt.Equal(k.now) || !all[1].UsedAt.IsZero() {
			t.Fatalf("found %+v", all)
		}
		// A passkey that is registered, for whomever, is not registered again.
		err = k.write(func(tx *db.Tx) error {
			options, token, err := k.keys.BeginAdd(tx, k.bo)
			if err != nil {
				return err
			}
			parsed, err := virtualwebauthn.ParseAttestationOptions(wrap(options))
			if err != nil {
				return err
			}
			_, err = k.keys.Add(tx, k.bo, token, "mine", []byte(virtualwebauthn.CreateAttestationResponse(k.rp, phone, key, *parsed)))
			return err
		})
		if !errors.Is(err, passkey.ErrPasskey) || len(list(k.bo)) != 0 {
			t.Errorf("found %v, %d", err, len(list(k.bo)))
		}
		// A challenge to add is not one to sign in, nor another member's.
		err = k.write(func(tx *db.Tx) error {
			options, token, err := k.keys.BeginAdd(tx, k.anna)
			if err != nil {
				return err
			}
			parsed, err := virtualwebauthn.ParseAttestationOptions(wrap(options))
			if err != nil {
				return err
			}
			answer := []byte(virtualwebauthn.CreateAttestationResponse(k.rp, phone, newKey(), *parsed))
			if _, err := k.keys.Add(tx, k.bo, token, "x", answer); !errors.Is(err, passkey.ErrPasskey) {
				t.Errorf("another's challenge: %v", err)
			}
			if _, err := k.keys.SignIn(tx, token, answer); !errors.Is(err, passkey.ErrPasskey) {
				t.Errorf("signed in by it: %v", err)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := k.write(func(tx *db.Tx) error {
			for name, err := range map[string]error{"rename": passkey.Rename(tx, k.bo.ID, all[0].ID, "x"), "remove": passkey.Remove(tx, k.bo, all[0].ID)} {
				if !errors.Is(err, member.ErrNotFound) {
					t.Errorf("another's %s: %v", name, err)
				}
			}
			return errors.Join(passkey.Rename(tx, k.anna.ID, all[1].ID, "钥匙"), passkey.Remove(tx, k.anna, all[0].ID))
		}); err != nil {
			t.Fatal(err)
		}
		if left := list(k.anna); len(left) != 1 || left[0].Name != "钥匙" {
			t.Errorf("found %+v", left)
		}
		options, token = k.begin()
		if _, err := k.signIn(token, virtualwebauthn.CreateAssertionResponse(k.rp, phone, key, options)); !errors.Is(err, passkey.ErrPasskey) {
			t.Errorf("a removed passkey: %v", err)
		}
		// The last way in stays.
		if err := k.write(func(tx *db.Tx) error {
			_, err := tx.Exec("UPDATE members SET password_hash = '' WHERE id = $1", k.anna.ID)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if err := k.write(func(tx *db.Tx) error { return passkey.Remove(tx, k.anna, all[1].ID) }); !errors.As(err, &invalid) {
			t.Errorf("the last way in: %v", err)
		}
		for i := range 20 {
			_, _, err := k.add(k.anna, "more")
			if (err == nil) != (i < 19) || err != nil && !errors.As(err, &invalid) {
				t.Errorf("passkey %d: %v", i+2, err)
			}
		}
		ids := list(k.anna)
		if !slices.IsSortedFunc(ids, func(a, b passkey.Passkey) int { return int(a.ID - b.ID) }) || len(ids) != 20 {
			t.Errorf("there are %d", len(ids))
		}
	})
}

func TestNew(t *testing.T) {
	for address, want := range map[string]bool{
		"https://os.example.org": true, "https://os.example.org:8443": true, "http://localhost:8017": true,
		"http://127.0.0.1:8017": false, "https://192.0.2.1": false, "https://[::1]:8443": false, "http://os.example.org": false,
	} {
		k, err := passkey.New(address, "Friday")
		if err != nil || k.Offered() != want {
			t.Errorf("%s: found %v, %v", address, k.Offered(), err)
		}
	}
	if _, err := passkey.New("os.example.org", "Friday"); err == nil {
		t.Error("an address without a scheme")
	}
}
