package elsewhere_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/audit"
	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/feedback"
	"github.com/fridayos/friday/internal/feedback/elsewhere"
	"github.com/fridayos/friday/internal/feedback/order"
	"github.com/fridayos/friday/internal/feedback/own"
	"github.com/fridayos/friday/internal/feedback/stake"
	"github.com/fridayos/friday/internal/member"
)

var began = time.Date(2020, 1, 2, 3, 4, 5, 0, time.UTC)

func write(t *testing.T, d *db.DB, fn func(tx *db.Tx) error) {
	t.Helper()
	if err := d.Write(t.Context(), fn); err != nil {
		t.Fatal(err)
	}
}

func put(tx *db.Tx, number int64, author int64, votes int) (int64, error) {
	id, fresh, err := elsewhere.Put(tx, elsewhere.Thread{Origin: elsewhere.Origin{Service: "github", Place: "a/b", Number: number}, URL: "https://github.com/a/b/issues/1",
		Kind: feedback.Bug, Title: "It closes", Body: "x", AuthorID: author, Part: "Camera", At: began, Votes: votes})
	if err == nil && !fresh {
		err = errors.New("it was there already")
	}
	return id, err
}

// TestMerge: votes that came with a thread go where it goes, over two merges, and
// come back with it; posts that come later go there too.
func TestMerge(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		write(t, d, func(tx *db.Tx) error {
			var ids [3]int64
			for i := range ids {
				var err error
				if ids[i], err = put(tx, int64(i+1), feedback.FormerMember, 10*(i+1)); err != nil {
					return err
				}
			}
			if err := stake.Vote(tx, feedback.Viewer{Member: 5}, ids[0], true); err != nil {
				return err
			}
			votes := func(id int64, want int) {
				t.Helper()
				got, err := feedback.ByID(tx, feedback.Everything(), id)
				if err != nil || got.Votes != want {
					t.Errorf("thread %d has %d votes, want %d: %v", id, got.Votes, want, err)
				}
			}
			votes(ids[0], 11)
			if err := order.Merge(tx, 1, ids[0], ids[1]); err != nil {
				return err
			}
			votes(ids[1], 31)
			if err := order.Merge(tx, 1, ids[1], ids[2]); err != nil {
				return err
			}
			votes(ids[2], 61)
			late := elsewhere.NewPosts(tx)
			if fresh, err := late.Add(elsewhere.Origin{Service: "github", Place: "a/b", Number: 1}, elsewhere.Post{Ref: 7, AuthorID: feedback.FormerMember, Body: "Late", At: began.Add(time.Hour)}); err != nil || !fresh {
				t.Errorf("a post of a merged thread: %v, %v", fresh, err)
			}
			if err := late.Settle(); err != nil {
				return err
			}
			posts, err := feedback.Posts(tx, feedback.Everything(), ids[2])
			if err != nil || len(posts) != 4 || posts[3].Body != "Late" {
				t.Errorf("the last thread has %+v: %v", posts, err)
			}
			if err := order.Unmerge(tx, 1, ids[1]); err != nil {
				return err
			}
			votes(ids[2], 30)
			return nil
		})
	})
}

// TestCredit: what a name wrote becomes a member's, what comes later too, once; and
// who leaves takes their name from it.
func TestCredit(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		passwords := member.NewPasswords(member.TestCost())
		var people [2]member.Member
		for i, name := range []string{"ana", "ben"} {
			var err error
			if people[i], err = passwords.Register(t.Context(), d, name, "a sentence is good"); err != nil {
				t.Fatal(err)
			}
		}
		ana, ben := people[0], people[1]
		credit := func(tx *db.Tx, name string, m member.Member) (elsewhere.Credited, error) {
			return elsewhere.Credit(tx, audit.Event{Actor: "test"}, "github", "", name, m)
		}
		var thread int64
		write(t, d, func(tx *db.Tx) error {
			author, fresh, err := elsewhere.Author(tx, "github", "", " Octo-Ana ")
			if err != nil || !fresh || author >= feedback.FormerMember {
				t.Fatalf("author %d, %v: %v", author, fresh, err)
			}
			if again, fresh, err := elsewhere.Author(tx, "github", "", "octo-ana"); again != author || fresh || err != nil {
				t.Errorf("the same name is %d, %v: %v", again, fresh, err)
			}
			if other, _, err := elsewhere.Author(tx, "discourse", "a.example", "octo-ana"); other == author || err != nil {
				t.Errorf("the name of another service is the same: %v", err)
			}
			if gone, _, err := elsewhere.Author(tx, "github", "", " \u202e\x00"); gone != feedback.FormerMember || err != nil {
				t.Errorf("no name is %d: %v", gone, err)
			}
			thread, err = put(tx, 1, author, 0)
			return err
		})
		write(t, d, func(tx *db.Tx) error {
			done, err := credit(tx, "OCTO-ANA", ana)
			if err != nil || done != (elsewhere.Credited{Name: "Octo-Ana", Threads: 1, Posts: 1}) {
				t.Fatalf("credited %+v: %v", done, err)
			}
			log, err := audit.List(tx, audit.Filter{Action: "import.credit", AboutID: ana.ID})
			if err != nil || len(log) != 1 {
				t.Errorf("the audit trail has %+v: %v", log, err)
			}
			got, err := feedback.ByID(tx, feedback.Viewer{}, thread)
			if err != nil || got.AuthorID != ana.ID {
				t.Errorf("the author is %d, want %d: %v", got.AuthorID, ana.ID, err)
			}
			if id, _, err := elsewhere.Author(tx, "github", "", "octo-ana"); id != ana.ID || err != nil {
				t.Errorf("what comes later is %d's, want %d's: %v", id, ana.ID, err)
			}
			return nil
		})
		for name, want := range map[string]string{"octo-ana": "it was credited to another member before", "nobody": "nothing was imported of that name at github"} {
			err := d.Write(t.Context(), func(tx *db.Tx) error { _, err := credit(tx, name, ben); return err })
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("credit of %s: %v, want %q", name, err, want)
			}
		}
		write(t, d, func(tx *db.Tx) error {
			kept, err := own.Export(tx, ana.ID)
			if err != nil || len(kept.Elsewhere) != 1 || kept.Elsewhere[0].Name != "Octo-Ana" {
				t.Errorf("her export names %+v: %v", kept.Elsewhere, err)
			}
			if err := own.Erase(tx, ana.ID); err != nil {
				return err
			}
			got, err := feedback.ByID(tx, feedback.Viewer{}, thread)
			if err != nil || got.AuthorID != feedback.FormerMember {
				t.Errorf("after she left the author is %d: %v", got.AuthorID, err)
			}
			if id, _, err := elsewhere.Author(tx, "github", "", "octo-ana"); id != feedback.FormerMember || err != nil {
				t.Errorf("what comes later is %d's, want a former member's: %v", id, err)
			}
			return nil
		})
	})
}

// TestClosed: what was closed elsewhere is closed here, with its reason and time,
// and a member's word opens it as any other.
func TestClosed(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		write(t, d, func(tx *db.Tx) error {
			closed := began.Add(48 * time.Hour)
			id, _, err := elsewhere.Put(tx, elsewhere.Thread{Origin: elsewhere.Origin{Service: "github", Place: "a/b", Number: 1}, Kind: feedback.Bug, Title: "It closes", Body: "x", AuthorID: feedback.FormerMember,
				Part: "Camera", Devices: []string{"umi", "hlte", "umi"}, At: began, State: feedback.Declined, ClosedAt: closed, Reason: "Not planned."})
			if err != nil {
				return err
			}
			got, err := feedback.ByID(tx, feedback.Viewer{}, id)
			if err != nil || len(got.Devices) != 2 || got.Devices[0].State != feedback.Declined || got.Devices[0].Reason != "Not planned." || !got.Devices[0].Since.Equal(closed) || !got.ClosedAt.Equal(closed) {
				t.Errorf("the closed thread is %+v: %v", got, err)
			}
			if err := feedback.Mark(tx, 1, id, feedback.Word{State: feedback.Planned, Device: "umi"}); err != nil {
				return err
			}
			got, err = feedback.ByID(tx, feedback.Viewer{}, id)
			if err != nil || !got.ClosedAt.IsZero() || got.Devices[1].State != feedback.Planned || got.Devices[0].State != feedback.Declined {
				t.Errorf("the thread that is planned on one phone is %+v: %v", got, err)
			}
			return nil
		})
	})
}
