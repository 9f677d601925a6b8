package holding

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/member"
)

func TestHolding(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		p := member.NewPasswords(member.TestCost())
		var all []member.Member
		for _, name := range []string{"anna", "bo"} {
			m, err := p.Register(t.Context(), d, name, "correct horse battery")
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, m)
			if err := d.Write(t.Context(), func(tx *db.Tx) error {
				code, err := member.NewClaimCode(tx, m.ID, "umi")
				if err != nil {
					return err
				}
				_, err = member.RedeemClaim(tx, code, "umi")
				_, err2 := member.NewSession(tx, m.ID, "Firefox of "+name)
				_, err3 := member.NewRecoveryCodes(tx, m.ID)
				return errors.Join(err, err2, err3, member.SetMail(tx, m.ID, name+"@example.org"))
			}); err != nil {
				t.Fatal(err)
			}
		}
		erased := []int64{}
		keepers := []Keeper{
			{Name: "poems", Export: func(_ *db.Tx, id int64, yield func(any) error) error {
				return errors.Join(yield("one \"line\""), yield(map[string]int64{"by": id}))
			}, Erase: func(_ *db.Tx, id int64) error { erased = append(erased, id); return nil }},
			{Name: "nothing", Export: func(*db.Tx, int64, func(any) error) error { return nil }},
		}
		var out bytes.Buffer
		if err := Write(t.Context(), d, keepers, all[0].ID, &out); err != nil {
			t.Fatal(err)
		}
		z, err := zip.NewReader(bytes.NewReader(out.Bytes()), int64(out.Len()))
		if err != nil {
			t.Fatal(err)
		}
		counts := map[string]int{}
		for _, f := range z.File {
			r, err := f.Open()
			if err != nil {
				t.Fatal(err)
			}
			text, err := io.ReadAll(r)
			if err != nil {
				t.Fatal(err)
			}
			var things []any
			if err := json.Unmarshal(text, &things); err != nil {
				t.Errorf("%s: %v: %s", f.Name, err, text)
			}
			counts[f.Name] = len(things)
			if strings.Contains(string(text), "bo@") || strings.Contains(string(text), "of bo") || strings.Contains(string(text), "argon2") {
				t.Errorf("%s has what it must not: %s", f.Name, text)
			}
			if f.Name == "account.json" && !strings.Contains(string(text), "anna@example.org") {
				t.Errorf("the account is %s", text)
			}
		}
		for name, want := range map[string]int{"account.json": 1, "sessions.json": 1, "handsets.json": 1, "passkeys.json": 0, "actions.json": 1, "poems.json": 2, "nothing.json": 0} {
			if n, ok := counts[name]; !ok || n != want {
				t.Errorf("%s has %d things, expected %d", name, n, want)
			}
		}
		wrong := errors.New("no")
		if err := Write(t.Context(), d, []Keeper{{Name: "bad", Export: func(*db.Tx, int64, func(any) error) error { return wrong }}}, all[0].ID, io.Discard); !errors.Is(err, wrong) {
			t.Errorf("found %v", err)
		}
		if err := d.Write(t.Context(), func(tx *db.Tx) error { return Erase(tx, keepers, all[0].ID) }); err != nil || !slices.Equal(erased, []int64{all[0].ID}) {
			t.Errorf("found %v, erased %v", err, erased)
		}
		if err := Write(t.Context(), d, keepers, all[0].ID, io.Discard); !errors.Is(err, member.ErrNotFound) {
			t.Errorf("exported after it was erased: %v", err)
		}
		// If one room fails, nothing is gone.
		if err := d.Write(t.Context(), func(tx *db.Tx) error {
			return Erase(tx, []Keeper{{Name: "bad", Erase: func(*db.Tx, int64) error { return wrong }}}, all[1].ID)
		}); !errors.Is(err, wrong) {
			t.Errorf("found %v", err)
		}
		if _, err := p.SignIn(t.Context(), d, "bo", "correct horse battery"); err != nil {
			t.Errorf("bo is gone: %v", err)
		}
	})
}
