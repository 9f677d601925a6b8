package member

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
)

func TestLanguage(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		p := NewPasswords(TestCost())
		anna, err := p.Register(t.Context(), d, "anna", "correct horse battery")
		if err != nil {
			t.Fatal(err)
		}
		if err := d.Write(t.Context(), func(tx *db.Tx) error {
			for _, want := range []string{"", "zh", "hi"} {
				if err := SetLanguage(tx, anna.ID, want); err != nil {
					return err
				}
				if lang, err := Language(tx, anna.ID); err != nil || lang != want {
					t.Errorf("found %q, %v, expected %q", lang, err, want)
				}
			}
			if err := SetLanguage(tx, anna.ID, strings.Repeat("x", 36)); err == nil {
				t.Error("anything is a language")
			}
			if _, err := Language(tx, 7); !errors.Is(err, ErrNotFound) {
				t.Errorf("of nobody: %v", err)
			}
			if all, err := Administrators(tx); err != nil || len(all) != 0 {
				t.Errorf("found %v, %v", all, err)
			}
			if err := SetRoles(tx, Member{Name: "setup"}, anna.ID, []Role{Admin}, nil); err != nil {
				return err
			}
			all, err := Administrators(tx)
			if !slices.Equal(all, []int64{anna.ID}) {
				t.Errorf("found %v, expected anna", all)
			}
			return err
		}); err != nil {
			t.Fatal(err)
		}
	})
}
