package own_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/feedback"
	. "github.com/fridayos/friday/internal/feedback/feedbacktest"
	"github.com/fridayos/friday/internal/feedback/order"
	"github.com/fridayos/friday/internal/feedback/own"
	"github.com/fridayos/friday/internal/feedback/poll"
	"github.com/fridayos/friday/internal/feedback/revision"
	"github.com/fridayos/friday/internal/feedback/stake"
)

// columns finds every column of the forum's tables that may hold a member's
// number, so that a table of tomorrow is not forgotten.
func columns(t *testing.T, s *Story) (all []string) {
	t.Helper()
	tables := []string{"threads", "posts", "post_edits", "post_quotes", "post_mentions", "thread_facts", "thread_devices", "thread_votes", "thread_affected",
		"thread_watches", "thread_named", "thread_hints", "thread_merges", "thread_merge_rows", "thread_events", "member_builds", "asks", "polls", "poll_choices", "poll_votes"}
	if s.DB.Dialect() == db.SQLite {
		s.Must(func(tx *db.Tx) error {
			found, err := db.All(tx, func(r db.Scanner) (name string, err error) { return name, r.Scan(&name) },
				`SELECT name FROM sqlite_master WHERE type = 'table' AND (name LIKE 'thread%' OR name LIKE 'post%' OR name LIKE 'poll%' OR name IN ('asks', 'member_builds'))
				AND name <> 'thread_event_last'`)
			for _, name := range found {
				if !strings.Contains(fmt.Sprint(tables), name) {
					t.Errorf("table %s is new: does package own know it?", name)
				}
			}
			return err
		})
	}
	return tables
}

func TestExportAndErase(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := New(t, d)
		const gone = int64(424242) // a number that nothing else has
		other, dup, q := s.Bug("umi"), s.File(feedback.NewThread{AuthorID: gone, Title: "Zoom", Devices: []string{"umi"}}), s.File(feedback.NewThread{Kind: feedback.Question, AuthorID: gone})
		secret := s.File(feedback.NewThread{Private: true, Named: []int64{gone}})
		p := s.Reply(As(gone), other, "Mine too, **badly**.")
		s.Reply(As(Ana), other, "Sorry.", p.ID)
		s.Must(func(tx *db.Tx) error { _, err := revision.Edit(tx, As(gone), p.ID, "Mine too."); return err })
		s.Must(func(tx *db.Tx) error { return stake.MeToo(tx, As(gone), other, "umi") })
		s.Must(func(tx *db.Tx) error { return stake.Mute(tx, As(gone), q) })
		s.Must(func(tx *db.Tx) error { return order.Point(tx, As(gone), dup, other) })
		s.Must(func(tx *db.Tx) error { return order.Name(tx, As(gone), secret, Cem) })
		s.Must(func(tx *db.Tx) error {
			id, err := poll.New(tx, As(gone), poll.NewPoll{ThreadID: q, Question: "Which?", Choices: []string{"x", "y"}})
			if err == nil {
				err = poll.Vote(tx, As(gone), id, 1)
			}
			return err
		})
		s.Must(func(tx *db.Tx) error {
			return feedback.Mark(tx, gone, dup, feedback.Word{State: feedback.Declined, Reason: "No."})
		})
		s.Must(func(tx *db.Tx) error { return feedback.Object(tx, As(gone), dup, "But yes.") })
		s.FixedIn(other, Umi2)
		s.Runs(gone, Umi2)
		s.Answer(other, gone, "umi", feedback.Works)
		s.Must(func(tx *db.Tx) error { return order.Merge(tx, gone, dup, other) })

		var r own.Record
		s.Must(func(tx *db.Tx) (err error) { r, err = own.Export(tx, gone); return err })
		if got := fmt.Sprint(len(r.Threads), len(r.Posts), len(r.Edits), len(r.Votes), len(r.Watches), len(r.Muted), len(r.Affected), len(r.Duplicates), len(r.Answers),
			len(r.Handsets), len(r.Polls), len(r.Words)); got != "2 3 1 3 3 1 2 1 1 1 1 2" {
			t.Errorf("the export has %s rows", got)
		}
		if r.Edits[0].Body != "Mine too, **badly**." || r.Polls[0].Choice != "y" || r.Answers[0].Verdict != "works" || r.Handsets[0].Said {
			t.Errorf("export: %+v", r)
		}
		if raw, err := json.Marshal(own.Record{Threads: []own.Thread{}}); err != nil || !strings.Contains(string(raw), `"threads":[]`) {
			t.Errorf("as JSON: %s, %v", raw, err)
		}

		votes := s.Thread(other).Votes
		for range 2 {
			s.Must(func(tx *db.Tx) error { return own.Erase(tx, gone) })
		}
		tables := columns(t, s)
		s.Must(func(tx *db.Tx) error {
			for _, table := range tables {
				rows, err := everything(tx, s, table)
				if err != nil {
					return err
				}
				for _, row := range rows {
					if strings.Contains(row, "424242") {
						t.Errorf("%s still knows the member: %s", table, row)
					}
				}
			}
			return nil
		})
		th := s.Thread(other)
		if th.Votes != votes-1 || th.Devices[0].Affected != 1 || th.Devices[0].State != feedback.Confirmed {
			t.Errorf("%d votes, %+v; expected %d, one affected, confirmed", th.Votes, th.Devices, votes-1)
		}
		found := false
		for _, post := range s.Posts(As(Ana), other) {
			found = found || post.Body == "Mine too." && post.AuthorID == feedback.FormerMember
		}
		if !found {
			t.Error("the post is gone, expected it to stay as a former member's")
		}
		if err := s.Do(func(tx *db.Tx) error { return own.Erase(tx, feedback.FormerMember) }); err == nil {
			t.Error("former members can be erased")
		}
	})
}

// everything reads a table's rows as text.
func everything(tx *db.Tx, s *Story, table string) ([]string, error) {
	query := `SELECT CAST(x AS TEXT) FROM ` + table + ` x` // PostgreSQL: a row as text
	if s.DB.Dialect() == db.SQLite {
		names, err := db.All(tx, func(r db.Scanner) (name string, err error) { return name, r.Scan(&name) }, `SELECT name FROM pragma_table_info($1)`, table)
		if err != nil {
			return nil, err
		}
		query = `SELECT ` + strings.Join(names, ` || ',' || `) + ` FROM ` + table
	}
	return db.All(tx, func(r db.Scanner) (row string, err error) { return row, r.Scan(&row) }, query)
}
