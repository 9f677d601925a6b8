package member

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
)

func TestFirstRun(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		now := clock(d)
		p := NewPasswords(TestCost())
		next := func() (code string, needed bool) {
			write(t, d, func(tx *db.Tx) (err error) {
				code, needed, err = FirstRunCode(tx)
				there, err2 := FirstRunNeeded(tx)
				if there != needed {
					t.Errorf("needed is %v and %v", needed, there)
				}
				return errors.Join(err, err2)
			})
			return code, needed
		}
		try := func(code, name string) error {
			_, err := p.RegisterAdmin(t.Context(), d, code, name, secret)
			return err
		}
		old, needed := next()
		if !needed || len(old) < 20 {
			t.Fatalf("found %q, %v", old, needed)
		}
		code, _ := next()
		for _, bad := range []string{"", "x", old, code[1:]} {
			if err := try(bad, "anna"); !errors.Is(err, ErrCode) {
				t.Errorf("%q: found %v", bad, err)
			}
		}
		*now = now.Add(firstRunTime + time.Second)
		if err := try(code, "anna"); !errors.Is(err, ErrCode) {
			t.Errorf("a day later: found %v", err)
		}
		code, _ = next()
		register(t, d, "taken")
		var invalid *Invalid
		if err := try(code, "Taken"); !errors.As(err, &invalid) {
			t.Errorf("found %v", err)
		}
		// A mistake has not used it up; and of two at once, one becomes admin.
		var group sync.WaitGroup
		errs := make([]error, 2)
		for i, name := range []string{"anna", "bo"} {
			group.Go(func() { errs[i] = try(" "+strings.ToLower(code), name) })
		}
		group.Wait()
		if (errs[0] == nil) == (errs[1] == nil) || !errors.Is(errors.Join(errs...), ErrCode) {
			t.Errorf("found %v", errs)
		}
		if code, needed := next(); code != "" || needed {
			t.Error("a second administrator is asked for")
		}
		if err := try(code, "eve"); !errors.Is(err, ErrCode) {
			t.Errorf("used again: found %v", err)
		}
	})
}

func TestClaims(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		now := clock(d)
		anna, bo := register(t, d, "anna"), register(t, d, "bo")
		newCode := func(device string) (code string) {
			write(t, d, func(tx *db.Tx) (err error) { code, err = NewClaimCode(tx, anna.ID, device); return err })
			return code
		}
		redeem := func(code, device string) (c Claim, err error) {
			err = d.Write(t.Context(), func(tx *db.Tx) (err error) { c, err = RedeemClaim(tx, code, device); return err })
			return c, err
		}
		code := newCode("umi")
		if len(code) != claimLetters+1 || strings.Trim(code, claimAlphabet+"-") != "" {
			t.Errorf("the code is %q", code)
		}
		var invalid *Invalid
		if _, err := redeem(code, "hlte"); !errors.As(err, &invalid) || !strings.Contains(err.Error(), "umi") {
			t.Errorf("on another device: found %v", err)
		}
		claim, err := redeem(strings.ToLower(strings.ReplaceAll(code, "-", " ")), "umi")
		if err != nil || claim.MemberID != anna.ID || claim.Device != "umi" {
			t.Fatalf("found %+v, %v", claim, err)
		}
		if _, err := redeem(code, "umi"); !errors.Is(err, ErrCode) {
			t.Errorf("used again: found %v", err)
		}
		old := newCode("umi")
		code = newCode("umi")
		if _, err := redeem(old, "umi"); !errors.Is(err, ErrCode) {
			t.Errorf("a replaced code: found %v", err)
		}
		*now = now.Add(claimTime + time.Second)
		if _, err := redeem(code, "umi"); !errors.Is(err, ErrCode) {
			t.Errorf("after an hour: found %v", err)
		}
		code = newCode("umi")
		var group sync.WaitGroup
		results := make([]error, 3)
		for i := range results {
			group.Go(func() { _, results[i] = redeem(code, "umi") })
		}
		group.Wait()
		won := 0
		for _, err := range results {
			if err == nil {
				won++
			} else if !errors.Is(err, ErrCode) {
				t.Error(err)
			}
		}
		if won != 1 {
			t.Errorf("%d handsets used one code", won)
		}
		end := func(m Member) error {
			return d.Write(t.Context(), func(tx *db.Tx) error { return EndClaim(tx, m.ID, claim.ID) })
		}
		if err := end(bo); !errors.Is(err, ErrNotFound) {
			t.Errorf("someone else ended it: %v", err)
		}
		if err := end(anna); err != nil {
			t.Error(err)
		}
		if err := end(anna); !errors.Is(err, ErrNotFound) {
			t.Errorf("ended twice: %v", err)
		}
		write(t, d, func(tx *db.Tx) error {
			all, err := ClaimsOf(tx, anna.ID)
			if len(all) != 1 || all[0].ID == claim.ID {
				t.Errorf("claims are %+v", all)
			}
			ended, err2 := ClaimByID(tx, claim.ID)
			if ended.EndedAt.IsZero() {
				t.Errorf("found %+v", ended)
			}
			_, err3 := ClaimByID(tx, 1)
			if !errors.Is(err3, ErrNotFound) {
				t.Errorf("found %v", err3)
			}
			return errors.Join(err, err2)
		})
		if err := d.Write(t.Context(), func(tx *db.Tx) error { _, err := NewClaimCode(tx, anna.ID, ""); return err }); err == nil {
			t.Error("a code for no device")
		}
	})
}

func TestRandomCode(t *testing.T) {
	seen := map[string]bool{}
	letters := map[rune]int{}
	for range 5000 {
		code := randomCode(claimLetters)
		if seen[code] {
			t.Errorf("%s twice", code)
		}
		seen[code] = true
		for _, r := range code {
			letters[r]++
		}
	}
	for _, r := range claimAlphabet {
		if n := letters[r]; n < 1700 || n > 2300 { // 2,000 expected, deviation 44
			t.Errorf("%c came %d times of 40,000", r, n)
		}
	}
}
