package feedback_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
	"github.com/fridayos/friday/internal/feedback"
	. "github.com/fridayos/friday/internal/feedback/feedbacktest"
)

// Every post stands on one page, in order, whatever its size, and stays there.
func TestPages(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := New(t, d)
		var id int64
		var want []int64
		write := func(body string) {
			s.Must(func(tx *db.Tx) error {
				p, err := feedback.Reply(tx, As(Ana), id, body)
				want = append(want, p.ID)
				return err
			})
		}
		s.Must(func(tx *db.Tx) error {
			th, err := feedback.New(tx, feedback.NewThread{Kind: feedback.Talk, Title: "Long", Body: "First.", AuthorID: Ana})
			if err != nil {
				return err
			}
			id = th.ID
			posts, err := feedback.Posts(tx, feedback.Everything(), id)
			want = []int64{posts[0].ID}
			return err
		})
		for i := range 60 {
			write(strings.Repeat("word ", 1+i*i))
		}
		write(strings.Repeat("&", feedback.MaxBody))
		write("After it.")
		read := func() (all []int64, first []int64) {
			for n := 1; ; n++ {
				var p feedback.Page
				s.Must(func(tx *db.Tx) (err error) { p, err = feedback.PageAt(tx, feedback.Everything(), id, n); return err })
				if p.Number != n || len(p.Posts) == 0 || (n == p.Pages) != p.Until.IsZero() {
					t.Fatalf("page %d of %d is %d with %d posts until %v", n, p.Pages, p.Number, len(p.Posts), p.Until)
				}
				weight := int64(0)
				for _, post := range p.Posts {
					all, weight = append(all, post.ID), weight+feedback.Weigh(post.Body)
					s.Must(func(tx *db.Tx) error {
						got, page, err := feedback.PostByID(tx, feedback.Everything(), post.ID)
						if err == nil && (page != n || got.Body != post.Body) {
							t.Errorf("post %d is on page %d, expected %d", post.ID, page, n)
						}
						return err
					})
				}
				if first = append(first, p.Posts[0].ID); weight > feedback.PageWeight+feedback.MaxWeight {
					t.Errorf("page %d weighs %d", n, weight)
				}
				if n == p.Pages {
					return all, first
				}
			}
		}
		all, first := read()
		if len(all) != len(want) || len(first) < 10 {
			t.Fatalf("%d posts on %d pages, expected %d on many", len(all), len(first), len(want))
		}
		for i := range want {
			if all[i] != want[i] {
				t.Fatalf("post %d is %d, expected %d", i, all[i], want[i])
			}
		}
		s.Now = s.Now.Add(time.Hour)
		write("Later.")
		_, again := read()
		for i := range first {
			if first[i] != again[i] {
				t.Errorf("page %d began with %d, and after another post with %d", i+1, first[i], again[i])
			}
		}
		s.Must(func(tx *db.Tx) error {
			for number, expected := range map[int]int{-4: 1, 0: 1, 1 << 40: len(again)} {
				if p, err := feedback.PageAt(tx, feedback.Everything(), id, number); err != nil || p.Number != expected {
					t.Errorf("page %d is page %d (%v), expected %d", number, p.Number, err, expected)
				}
			}
			if p, err := feedback.PageAt(tx, feedback.Everything(), 999, 1); !errors.Is(err, feedback.ErrNotFound) {
				t.Errorf("no thread has %v, %v", p, err)
			}
			if _, _, err := feedback.PostByID(tx, feedback.Everything(), 999); !errors.Is(err, feedback.ErrNotFound) {
				t.Errorf("no post: %v", err)
			}
			return nil
		})
	})
}
