package reputation

import (
	"fmt"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/feedback/measure"
	"github.com/fridayos/friday/internal/feedback/order"
	"github.com/fridayos/friday/internal/member"
	"github.com/fridayos/friday/internal/member/trust"
)

// forum is one with what each medal is for: ana's reports were fixed and
// confirmed, ben tried them, cy finds duplicates, di answers.
func forum(t *testing.T, d *db.DB, times int) map[string]int64 {
	t.Helper()
	now := time.Date(2026, 11, 27, 9, 0, 0, 0, time.UTC)
	d.SetClock(func() time.Time { return now })
	ids := map[string]int64{}
	write := func(fn func(tx *db.Tx) error) {
		t.Helper()
		if err := d.Write(t.Context(), fn); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"ana", "ben", "cy", "di"} {
		m, err := member.NewPasswords(member.TestCost()).Register(t.Context(), d, name, "correct horse battery")
		if err != nil {
			t.Fatal(err)
		}
		ids[name] = m.ID
	}
	as := func(name string) feedback.Viewer { return feedback.Viewer{Member: ids[name]} }
	file := func(by string, kind feedback.Kind, title string) (id int64) {
		n := feedback.NewThread{Kind: kind, Title: title, Body: "Like so.", AuthorID: ids[by]}
		if kind == feedback.Bug {
			n.Devices, n.Part = []string{"umi"}, "Clock"
		}
		write(func(tx *db.Tx) error { th, err := feedback.New(tx, n); id = th.ID; return err })
		return id
	}
	for i := range times {
		bug := file("ana", feedback.Bug, fmt.Sprintf("The clock is slow by %d", i))
		b := feedback.Build{ID: fmt.Sprint("b", i), Device: "umi", Version: fmt.Sprint("26.11.", i), Timestamp: int64(100 + i)}
		write(func(tx *db.Tx) error {
			if err := feedback.FixMerged(tx, bug, fmt.Sprint("c0ffee", i)); err != nil {
				return err
			}
			return feedback.FixInRelease(tx, bug, b.Version, b)
		})
		for _, name := range []string{"ana", "ben"} {
			if name == "ben" {
				write(func(tx *db.Tx) error {
					_, err := tx.Exec("INSERT INTO asks (thread_id, member_id, device, release, build, opened_at, answered_at, verdict, withdrawn_at) VALUES ($1, $2, 'umi', 'r', 'b', 1, 2, 'works', 0)", bug, ids["ben"])
					return err
				})
				continue
			}
			write(func(tx *db.Tx) error { _, err := feedback.HandsetRuns(tx, ids[name], b); return err })
			write(func(tx *db.Tx) error { return feedback.Answer(tx, as(name), bug, "umi", feedback.Works) })
		}
		again := file("ben", feedback.Bug, fmt.Sprintf("Clock loses %d minutes", i))
		write(func(tx *db.Tx) error { return order.Point(tx, as("cy"), again, bug) })
		write(func(tx *db.Tx) error { return order.Merge(tx, ids["di"], again, bug) })
		question := file("ben", feedback.Question, fmt.Sprintf("How do I set the clock %d", i))
		var post feedback.Post
		write(func(tx *db.Tx) (err error) {
			post, err = feedback.Reply(tx, as("di"), question, "Like this.")
			return err
		})
		write(func(tx *db.Tx) error { return feedback.Accept(tx, as("ben"), question, post.ID) })
		now = now.Add(time.Minute)
	}
	return ids
}

func TestAward(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		ids := forum(t, d, 10)
		award := func() (won int) {
			t.Helper()
			if err := d.Write(t.Context(), func(tx *db.Tx) (err error) { won, err = Award(tx); return err }); err != nil {
				t.Fatal(err)
			}
			return won
		}
		read := func() (all map[int64][]Won) {
			t.Helper()
			if err := d.Read(t.Context(), func(tx *db.Tx) (err error) {
				// All at once is what each one's own count says.
				every, err := measure.EarnedByAll(tx)
				for name, id := range ids {
					one, err := measure.EarnedBy(tx, id)
					if err != nil || one != every[id] {
						t.Errorf("%s led to %+v, among all to %+v, %v", name, one, every[id], err)
					}
				}
				if err == nil {
					all, err = MedalsOf(tx, ids["ana"], ids["ben"], ids["cy"], ids["di"])
				}
				return err
			}); err != nil {
				t.Fatal(err)
			}
			return all
		}
		if won := award(); won != 8 {
			t.Errorf("%d medals were won, expected 8", won)
		}
		if won := award(); won != 0 {
			t.Errorf("%d medals were won twice", won)
		}
		all := read()
		keys := func(name string) (k []string) {
			for _, w := range all[ids[name]] {
				k = append(k, w.Medal)
			}
			return k
		}
		for name, want := range map[string]string{"ana": "ten-fixes", "ben": "ten-fixes", "cy": "finder", "di": "helper"} {
			if got := trust.Rarest(keys(name)); got != want {
				t.Errorf("%s has %v, shown is %q, expected %q", name, keys(name), got, want)
			}
		}
		// What was thanked for stays.
		if err := d.Write(t.Context(), func(tx *db.Tx) error { _, err := tx.Exec("UPDATE threads SET hidden = TRUE"); return err }); err != nil {
			t.Fatal(err)
		}
		award()
		if all = read(); len(keys("ana")) != 3 {
			t.Errorf("ana keeps %v", keys("ana"))
		}
		if err := d.Write(t.Context(), func(tx *db.Tx) error { return member.Erase(tx, ids["ana"]) }); err != nil {
			t.Fatal(err)
		}
		if all = read(); len(keys("ana")) != 0 {
			t.Errorf("of a member who left stays %v", keys("ana"))
		}
	})
}
