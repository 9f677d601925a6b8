package feedback

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/fridayos/friday/internal/db"
	"github.com/fridayos/friday/internal/db/dbtest"
)

// Every post stands on one page, in order, whatever its size, and stays there.
func TestPages(t *testing.T) {
	dbtest.Each(t, func(t *testing.T, d *db.DB) {
		s := newStory(t, d)
		var id int64
		var want []int64
		write := func(body string) {
			s.must(func(tx *db.Tx) error {
				p, err := Reply(tx, id, ana, body)
				want = append(want, p.ID)
				return err
			})
		}
		s.must(func(tx *db.Tx) error {
			th, err := New(tx, NewThread{Kind: Talk, Title: "Long", Body: "First.", AuthorID: ana})
			if err != nil {
				return err
			}
			id = th.ID
			posts, err := Posts(tx, id)
			want = []int64{posts[0].ID}
			return err
		})
		for i := range 60 {
			write(strings.Repeat("word ", 1+i*i))
		}
		write(strings.Repeat("&", MaxBody))
		write("After it.")
		read := func() (all []int64, first []int64) {
			for n := 1; ; n++ {
				var p Page
				s.must(func(tx *db.Tx) (err error) { p, err = PageAt(tx, id, n); return err })
				if p.Number != n || len(p.Posts) == 0 || (n == p.Pages) != p.Until.IsZero() {
					t.Fatalf("page %d of %d is %d with %d posts until %v", n, p.Pages, p.Number, len(p.Posts), p.Until)
				}
				weight := int64(0)
				for _, post := range p.Posts {
					all, weight = append(all, post.ID), weight+weigh(post.Body)
					s.must(func(tx *db.Tx) error {
						got, page, err := PostByID(tx, post.ID)
						if err == nil && (page != n || got.Body != post.Body) {
							t.Errorf("post %d is on page %d, expected %d", post.ID, page, n)
						}
						return err
					})
				}
				if first = append(first, p.Posts[0].ID); weight > pageWeight+maxWeight {
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
		s.now = s.now.Add(time.Hour)
		write("Later.")
		_, again := read()
		for i := range first {
			if first[i] != again[i] {
				t.Errorf("page %d began with %d, and after another post with %d", i+1, first[i], again[i])
			}
		}
		s.must(func(tx *db.Tx) error {
			for number, expected := range map[int]int{-4: 1, 0: 1, 1 << 40: len(again)} {
				if p, err := PageAt(tx, id, number); err != nil || p.Number != expected {
					t.Errorf("page %d is page %d (%v), expected %d", number, p.Number, err, expected)
				}
			}
			if p, err := PageAt(tx, 999, 1); err != nil || p.Pages != 1 || len(p.Posts) != 0 {
				t.Errorf("no thread has %v, %v", p, err)
			}
			if _, _, err := PostByID(tx, 999); !errors.Is(err, ErrNotFound) {
				t.Errorf("no post: %v", err)
			}
			return nil
		})
	})
}
