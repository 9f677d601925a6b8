package feedback_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/feedback"
	. "github.com/fridayos/friday/internal/feedback/feedbacktest"
	"github.com/fridayos/friday/internal/feedback/order"
	"github.com/fridayos/friday/internal/feedback/stake"
	"github.com/fridayos/friday/internal/search"
)

// crowd files threads of all kinds in all states.
func crowd(s *Story, r *rand.Rand, n int) {
	devices := []string{"umi", "hlte", "lt26i"}
	for range n {
		file := feedback.NewThread{Kind: feedback.Kinds()[r.IntN(4)], AuthorID: int64(1 + r.IntN(3)), Lang: []string{"", "en", "zh"}[r.IntN(3)], Title: []string{"Camera closes", "Alarm rings", "Camera alarm"}[r.IntN(3)]}
		if file.Kind.Tracked() {
			file.Part = feedback.Parts()[r.IntN(3)]
			for _, d := range devices {
				if r.IntN(3) == 0 {
					file.Devices = append(file.Devices, d)
				}
			}
		}
		id := s.File(file)
		if r.IntN(3) == 0 {
			_ = s.Do(func(tx *db.Tx) error { // a hidden one takes none
				_, err := feedback.Reply(tx, As(Ben), int64(1+r.IntN(int(id))), "Alarm too.")
				return err
			})
		}
		if file.Kind.Tracked() && r.IntN(2) == 0 {
			s.Mark(id, []feedback.State{feedback.Planned, feedback.Recorded, feedback.Declined}[r.IntN(3)], "Because.")
		}
		if r.IntN(12) == 0 {
			s.Must(func(tx *db.Tx) error { return feedback.Pin(tx, id, Maintainer, true) })
		}
		if r.IntN(12) == 0 {
			s.Must(func(tx *db.Tx) error { return feedback.Hide(tx, id, Maintainer, true) })
		}
		if r.IntN(8) == 0 {
			_ = s.Do(func(tx *db.Tx) error { return stake.Vote(tx, As(Ben), id, true) })
		}
		if r.IntN(10) == 0 {
			_ = s.Do(func(tx *db.Tx) error { return order.Merge(tx, Maintainer, id, int64(1+r.IntN(int(id)))) }) // of two kinds: refused
		}
	}
}

// fits is what a filter says, thread by thread.
func fits(t feedback.Thread, f feedback.Filter) bool {
	on := f.Device == "" && f.State == "" && f.Release == ""
	for _, d := range t.Devices {
		on = on || (f.Device == "" || d.Device == f.Device || d.Device == feedback.AnyDevice) && (f.State == "" || d.State == f.State) && (f.Release == "" || d.Release == f.Release)
	}
	return on && (f.Kind == "" || t.Kind == f.Kind) && (f.Part == "" || t.Part == f.Part) && (f.Lang == "" || t.Lang == f.Lang) && (f.Author == 0 || t.AuthorID == f.Author) &&
		(!f.Open || t.ClosedAt.IsZero()) && (!f.Done || !t.ClosedAt.IsZero())
}

func fitsAll(t feedback.Thread, f feedback.Filter) bool {
	return fits(t, f) && !slices.ContainsFunc(f.And, func(g feedback.Filter) bool { return !fits(t, g) }) && !slices.ContainsFunc(f.Not, func(g feedback.Filter) bool { return fits(t, g) })
}

// inOrder sorts as a list does.
func inOrder(all []feedback.Thread, by feedback.Order) {
	flag := func(b bool) int {
		if b {
			return 0
		}
		return 1
	}
	slices.SortFunc(all, func(a, b feedback.Thread) int {
		last := cmp.Or(b.LastAt.Compare(a.LastAt), cmp.Compare(b.ID, a.ID))
		switch by {
		case feedback.Hot:
			return cmp.Or(cmp.Compare(b.Votes, a.Votes), last)
		case feedback.Latest:
			return last
		case feedback.Oldest:
			return cmp.Compare(a.ID, b.ID)
		}
		return cmp.Or(cmp.Compare(flag(a.Pinned), flag(b.Pinned)), last)
	})
}

// TestListsAreWhatTheirFiltersSay compares lists of random filters with all threads
// gone through one by one, page by page, by offsets and by places.
func TestListsAreWhatTheirFiltersSay(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		seed := uint64(time.Now().UnixNano())
		t.Logf("seed %d", seed)
		r := rand.New(rand.NewPCG(seed, 1))
		s := New(t, d)
		crowd(s, r, 90)
		var all []feedback.Thread
		s.Must(func(tx *db.Tx) error {
			all = nil
			ids, err := feedback.IDs(tx, 0, 1000)
			for _, id := range ids {
				one, e := feedback.ByID(tx, feedback.Everything(), id)
				if err = cmp.Or(err, e); err == nil && one.ID == id {
					all = append(all, one)
				}
			}
			return err
		})
		one := func() (f feedback.Filter) {
			if r.IntN(3) == 0 {
				f.Kind = feedback.Kinds()[r.IntN(4)]
			}
			if r.IntN(3) == 0 {
				f.Part = feedback.Parts()[r.IntN(3)]
			}
			if r.IntN(2) == 0 {
				f.Device = []string{"umi", "hlte", "nobody"}[r.IntN(3)]
			}
			if r.IntN(3) == 0 {
				f.State = []feedback.State{feedback.Planned, feedback.Reported, feedback.Declined}[r.IntN(3)]
			}
			f.Open, f.Done = r.IntN(5) == 0, r.IntN(9) == 0
			if r.IntN(6) == 0 {
				f.Author = int64(1 + r.IntN(3))
			}
			if r.IntN(6) == 0 {
				f.Lang = "zh"
			}
			return f
		}
		for range 150 {
			f := one()
			if r.IntN(3) == 0 {
				f.And = append(f.And, one())
			}
			if r.IntN(4) == 0 {
				not := one()
				not.Lang = "en" // one that says nothing excludes nothing
				f.Not = append(f.Not, not)
			}
			f.Hidden = r.IntN(2) == 0
			f.Order = []feedback.Order{feedback.Newest, feedback.Hot, feedback.Latest, feedback.Oldest}[r.IntN(4)]
			v := []feedback.Viewer{As(Ana), Moderator()}[r.IntN(2)]
			var want []feedback.Thread
			for _, t := range all {
				if fitsAll(t, f) && (!t.Hidden || f.Hidden && v.Moderates) {
					want = append(want, t)
				}
			}
			inOrder(want, f.Order)
			for _, places := range []bool{false, true} {
				var got []int64
				f.Limit, f.Offset, f.After = 1+r.IntN(9), 0, nil
				for more := true; more; {
					s.Must(func(tx *db.Tx) error {
						var some []feedback.Thread
						var err error
						if some, more, err = feedback.List(tx, v, f); err != nil {
							return err
						}
						for _, t := range some {
							got = append(got, t.ID)
						}
						if more && places {
							f.After = some[len(some)-1].Place()
						} else {
							f.Offset = len(got)
						}
						return nil
					})
				}
				var ids []int64
				for _, t := range want {
					ids = append(ids, t.ID)
				}
				if !slices.Equal(got, ids) {
					t.Fatalf("%+v (by places: %v) lists\n%v, expected\n%v", f, places, got, ids)
				}
			}
		}
	})
}

// many writes threads by plain statements: what the planners of both databases see
// of a large forum.
func many(s *Story, n int) {
	s.Must(func(tx *db.Tx) error {
		for _, sql := range []string{
			`INSERT INTO threads (id, kind, title, title_key, author_id, part, build, created_at, last_at, closed_at, posts, votes, hidden)
				WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
				SELECT i, CASE i % 4 WHEN 0 THEN 'talk' WHEN 1 THEN 'idea' ELSE 'bug' END, 'A title', 'a title', i % 50, CASE i % 19 WHEN 0 THEN 'Camera' ELSE 'Part' END, '', i, i, CASE i % 3 WHEN 0 THEN i ELSE 0 END, 1, i % 7, FALSE FROM n`,
			`INSERT INTO thread_devices (thread_id, device, state, release, build, reason, affected, reported_at, since, last_at)
				WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
				SELECT i, CASE WHEN i < 40 THEN 'old' WHEN i % 400 = 2 THEN '' ELSE 'umi' END, CASE WHEN i % 1000 = 1 THEN 'planned' ELSE 'reported' END, '', '', '', 1, i, i, i FROM n WHERE i % 4 <> 0`,
			`INSERT INTO search_texts (id, doc, kind, ref) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1) SELECT CAST(i AS BIGINT) * 1048576, i, 'title', i FROM n`,
		} {
			if _, err := tx.Exec(sql, n); err != nil {
				return err
			}
		}
		words, id := `rowid, words, extra`, `'', ''`
		if tx.SQL() == nil {
			words, id = `id, words`, `''::tsvector`
		}
		word := func(w string) string {
			if tx.SQL() == nil {
				return `'` + w + `:1'::tsvector`
			}
			return `'` + w + `', ''`
		}
		_, err := tx.Exec(`INSERT INTO search_words (`+words+`) WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $1)
			SELECT CAST(i AS BIGINT) * 1048576, `+strings.Replace(id, id, word("common"), 1)+` FROM n`, n)
		if err != nil {
			return err
		}
		_, err = tx.Exec(`INSERT INTO search_words (` + words + `) SELECT i.id, ` + word("rare") + ` FROM (SELECT 5242880 + 1 AS id) i`)
		if err == nil {
			_, err = tx.Exec(`INSERT INTO search_texts (id, doc, kind, ref) VALUES (5242881, 5, 'post', 5)`)
		}
		if err == nil {
			_, err = tx.Exec(`ANALYZE`)
		}
		return err
	})
}

// TestListsReadLittle: PostgreSQL, asked for what it really reads, goes through no
// more than some thousand rows of 40,000 threads for any list.
func TestListsReadLittle(t *testing.T) {
	d, err := db.Open(t.Context(), dbtest.Postgres(t))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = d.Close() })
	s := New(t, d)
	many(s, 40_000)
	terms := func(q string) []search.Term { return search.Words(q) }
	for _, f := range []feedback.Filter{{}, {Order: feedback.Hot}, {Order: feedback.Latest}, {Order: feedback.Oldest}, {Open: true, Order: feedback.Hot}, {Open: true}, {Done: true}, {Kind: feedback.Bug}, {Kind: feedback.Question},
		{Part: "Camera"}, {Part: "Camera", Kind: feedback.Talk}, {Device: "umi"}, {Device: "old"}, {Device: "nobody"}, {State: feedback.Planned}, {State: feedback.Confirmed}, {Device: "umi", State: feedback.Confirmed},
		{Device: "old", Order: feedback.Hot}, {Device: "umi", Order: feedback.Hot}, {Device: "old", Order: feedback.Latest}, {Author: 7}, {Author: 77}, {Build: "26.11.27"}, {Release: "26.11.27"},
		{After: &feedback.Place{ID: 100, LastAt: db.Time(100)}}, {Device: "umi", After: &feedback.Place{ID: 100, LastAt: db.Time(100)}},
		{Terms: terms("common")}, {Terms: terms("rare")}, {Terms: terms("common rare")}, {Terms: terms("nothing")}, {Terms: terms("common"), Device: "old"}, {Terms: terms("common"), Device: "umi"}, {Without: terms("common")}} {
		s.Must(func(tx *db.Tx) error {
			all, err := feedback.ListStatements(tx, As(Ana), f)
			for _, one := range all {
				if err != nil {
					break
				}
				var plan string
				if err = tx.QueryRow(`EXPLAIN (ANALYZE, FORMAT JSON) `+one.SQL, one.Args...).Scan(&plan); err != nil {
					break
				}
				var top []struct{ Plan node }
				if err = json.Unmarshal([]byte(plan), &top); err == nil && top[0].Plan.read() > 16_000 {
					t.Errorf("%+v reads %.0f rows:\n%s\nfor %s", f, top[0].Plan.read(), plan, one.SQL)
				}
			}
			return err
		})
	}
}

// node is a part of a plan that PostgreSQL explains.
type node struct {
	Rows    float64 `json:"Actual Rows"`
	Loops   float64 `json:"Actual Loops"`
	Removed float64 `json:"Rows Removed by Filter"`
	Plans   []node
}

// read is how many rows are taken from tables and indexes.
func (n node) read() float64 {
	if len(n.Plans) == 0 {
		return (n.Rows + n.Removed) * n.Loops
	}
	sum := 0.0
	for _, below := range n.Plans {
		sum += below.read()
	}
	return sum
}

// TestCommonWords: a question in common words is answered from the newest threads,
// one with a rare word or few threads to choose from is answered in full, and both
// databases find the same.
func TestCommonWords(t *testing.T) {
	const n = 2*search.Bound + 500
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := New(t, d)
		many(s, n)
		found := func(f feedback.Filter) (ids []int64) {
			t.Helper()
			s.Must(func(tx *db.Tx) error {
				ids = nil
				threads, _, err := feedback.List(tx, As(Ana), f)
				for _, t := range threads {
					ids = append(ids, t.ID)
				}
				return err
			})
			return ids
		}
		common := search.Words("common")
		if got := found(feedback.Filter{Terms: common, Limit: 3}); fmt.Sprint(got) != fmt.Sprint([]int64{n, n - 1, n - 2}) {
			t.Errorf("a common word finds %v first", got)
		}
		if got := found(feedback.Filter{Terms: common, Limit: 3, Offset: search.Bound - 1}); fmt.Sprint(got) != fmt.Sprint([]int64{n - search.Bound + 1, n - search.Bound}) {
			t.Errorf("the answer in common words ends with %v", got)
		}
		for name, f := range map[string]feedback.Filter{"with a rare word": {Terms: search.Words("common rare")}, "rare first": {Terms: search.Words("rare common")}} {
			if got := found(f); fmt.Sprint(got) != "[5]" {
				t.Errorf("%s: %v, expected thread 5", name, got)
			}
		}
		if got := found(feedback.Filter{Terms: common, Device: "old", Limit: 200}); len(got) != 46 || got[45] != 1 {
			t.Errorf("of a phone with few threads a common word finds %v, expected its 29 and the 17 that name none", got)
		}
		if got := found(feedback.Filter{Without: common}); len(got) != 0 {
			t.Errorf("what has no common word: %v", got)
		}
	})
}

// TestMergedTitle: a thread is found by the titles of those that went into it.
func TestMergedTitle(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := New(t, d)
		a := s.File(feedback.NewThread{Title: "Xylophone rings"})
		b := s.File(feedback.NewThread{Title: "Alarm is odd"})
		c := s.File(feedback.NewThread{Title: "Clock plays music"})
		want := func(step string, ids ...int64) {
			t.Helper()
			if got, _, _ := listed(t, s, As(Ana), "xylophone"); !slices.Equal(got, ids) {
				t.Errorf("%s: found %v, expected %v", step, got, ids)
			}
		}
		want("before", a)
		s.Must(func(tx *db.Tx) error { return order.Merge(tx, Maintainer, a, b) })
		want("merged", b)
		s.Must(func(tx *db.Tx) error { return order.Merge(tx, Maintainer, b, c) })
		want("merged on", c)
		if got, _, _ := listed(t, s, As(Ana), `"alarm is odd"`); !slices.Equal(got, []int64{c}) {
			t.Errorf("by the second's title: %v, expected %v", got, c)
		}
		s.Must(func(tx *db.Tx) error { return order.Unmerge(tx, Maintainer, b) })
		want("taken out again", b)
		s.Must(func(tx *db.Tx) error { return order.Unmerge(tx, Maintainer, a) })
		want("as before", a)
		// Merged before there was this index: filling puts it in.
		s.Must(func(tx *db.Tx) error { return order.Merge(tx, Maintainer, a, b) })
		s.Must(func(tx *db.Tx) error { return search.Remove(tx, search.Once, a) })
		want("without its words")
		s.Must(func(tx *db.Tx) error {
			ids, err := feedback.Unindexed(tx, []int64{a, b, c})
			if err != nil || !slices.Equal(ids, []int64{a}) {
				t.Errorf("without an index: %v, %v, expected %v", ids, err, a)
			}
			return feedback.Index(tx, a)
		})
		want("filled in", b)
	})
}
